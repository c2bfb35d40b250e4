/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Small wills: three sizes, so that each costs about what it needs. A pool that is empty lends from
 * the next larger.
 */
#include <rte_errno.h>

#include "forward_pvt.h"

static const uint32_t class_size[PW_BLOB_CLASSES] = {64, 256, 1024};

uint32_t
pw_blob_max(void)
{
	return class_size[PW_BLOB_CLASSES - 1] - (uint32_t)sizeof(struct pw_blob);
}

/* Every device may have a will, which is mostly short; where there are more large ones, they go to
 * packet buffers. */
static uint32_t
class_count(uint32_t cls, uint32_t sessions)
{
	static const uint32_t share[PW_BLOB_CLASSES] = {1, 4, 16};

	return sessions / share[cls] + 16;
}

size_t
pw_blobs_bytes(uint32_t sessions)
{
	size_t sum = 0;

	for (uint32_t i = 0; i < PW_BLOB_CLASSES; i++)
		sum += pw_pool_bytes(class_count(i, sessions), class_size[i]);
	return sum;
}

int
pw_blobs_create(struct pw_forward *f, uint32_t sessions)
{
	char name[32];

	for (uint32_t i = 0; i < PW_BLOB_CLASSES; i++) {
		char what[16];

		snprintf(what, sizeof(what), "blob%u", class_size[i]);
		pw_forward_name(f, what, name, sizeof(name));
		f->blobs[i] = pw_pool_create(name, class_count(i, sessions), class_size[i],
					     f->conf.socket);
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
