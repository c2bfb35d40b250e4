/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Client identifiers and small wills: three sizes, so that an ordinary device costs one cache line
 * and a long identifier or a will costs what it needs. A pool that is empty lends from the next
 * larger.
 */
#include <rte_errno.h>

#include "forward_pvt.h"

static const uint32_t class_size[PW_BLOB_CLASSES] = {64, 256, 1024};

uint32_t
pw_blob_max(void)
{
	return class_size[PW_BLOB_CLASSES - 1] - (uint32_t)sizeof(struct pw_blob);
}

size_t
pw_blob_share(void)
{
	return 2 * class_size[0] + class_size[1] / 4 + class_size[2] / 16;
}

int
pw_blobs_create(struct pw_forward *f, uint32_t sessions)
{
	/* Every device has an identifier, and may have a small will; where there are more large
	 * ones, wills go to packet buffers. */
	const uint32_t count[PW_BLOB_CLASSES] = {2 * sessions, sessions / 4 + 16,
						 sessions / 16 + 16};
	char name[32];

	for (uint32_t i = 0; i < PW_BLOB_CLASSES; i++) {
		char what[16];

		snprintf(what, sizeof(what), "blob%u", class_size[i]);
		pw_forward_name(f, what, name, sizeof(name));
		f->blobs[i] = pw_pool_create(name, count[i], class_size[i], f->conf.socket);
		if (f->blobs[i] == NULL)
			return -rte_errno;
	}
	return 0;
}

void
pw_blobs_destroy(struct pw_forward *f)
{
	for (uint32_t i = 0; i < PW_BLOB_CLASSES; i++) {
		if (f->blobs[i] != NULL)
			pw_pool_destroy(f->blobs[i]);
	}
}

struct pw_blob *
pw_blob_get(struct pw_forward *f, uint32_t len)
{
	for (uint32_t i = 0; i < PW_BLOB_CLASSES; i++) {
		struct pw_blob *b;

		if (len > class_size[i] - sizeof(*b))
			continue;
		b = pw_pool_get(f->blobs[i]);
		if (b != NULL) {
			b->len = (uint16_t)len;
			b->cls = (uint8_t)i;
			return b;
		}
	}
	return NULL;
}

void
pw_blob_put(struct pw_forward *f, struct pw_blob *b)
{
	if (b != NULL)
		pw_pool_put(f->blobs[b->cls], b);
}
