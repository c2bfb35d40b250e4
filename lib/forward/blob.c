/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Bytes of small wills, in chains of pieces of a cache line out of one pool, so that each costs
 * about what it needs, whatever the mixture.
 */
#include <rte_errno.h>

#include "forward_pvt.h"

#define EACH 2	/* pieces for each that may have a will */
#define MOST 18 /* of one: what is longer goes to packet buffers */

struct pw_blob {
	struct pw_blob *next;
	uint8_t data[56];
};

static_assert(sizeof(struct pw_blob) == RTE_CACHE_LINE_SIZE, "a piece is one cache line");

#define PIECE sizeof(((struct pw_blob *)0)->data)

uint32_t
pw_blob_max(void)
{
	return MOST * PIECE;
}

static uint32_t
nb_pieces(uint32_t wills)
{
	return EACH * wills + 2 * MOST;
}

size_t
pw_blobs_bytes(uint32_t wills)
{
	return pw_pool_bytes(nb_pieces(wills), sizeof(struct pw_blob));
}

int
pw_blobs_create(struct pw_forward *f, uint32_t wills)
{
	char name[32];

	pw_forward_name(f, "blob", name, sizeof(name));
	f->blobs = pw_pool_create(name, nb_pieces(wills), sizeof(struct pw_blob), f->conf.socket);
	return f->blobs != NULL ? 0 : -rte_errno;
}

void
pw_blobs_destroy(struct pw_forward *f)
{
	pw_pool_destroy(f->blobs);
}

void
pw_blob_put(struct pw_forward *f, struct pw_blob *b)
{
	while (b != NULL) {
		struct pw_blob *next = b->next;

		pw_pool_put(f->blobs, b);
		b = next;
	}
}

struct pw_blob *
pw_blob_get(struct pw_forward *f, uint32_t len)
{
	struct pw_blob *first = NULL;

	for (uint32_t i = 0; i < (len + PIECE - 1) / PIECE; i++) {
		struct pw_blob *b = pw_pool_get(f->blobs);

		if (b == NULL) {
			pw_blob_put(f, first);
			return NULL;
		}
		b->next = first;
		first = b;
	}
	return first;
}

void
pw_blob_write(struct pw_blob *b, uint32_t at, const uint8_t *data, uint32_t len)
{
	for (; len > 0; b = b->next) {
		uint32_t n = RTE_MIN(len, (uint32_t)PIECE - RTE_MIN(at, (uint32_t)PIECE));

		if (n > 0)
			memcpy(b->data + at, data, n);
		data += n;
		len -= n;
		at = at > PIECE ? at - (uint32_t)PIECE : 0;
	}
}

void
pw_blob_read(const struct pw_blob *b, uint32_t at, uint8_t *out, uint32_t len)
{
	for (; len > 0; b = b->next) {
		uint32_t n = RTE_MIN(len, (uint32_t)PIECE - RTE_MIN(at, (uint32_t)PIECE));

		if (n > 0)
			memcpy(out, b->data + at, n);
		out += n;
		len -= n;
		at = at > PIECE ? at - (uint32_t)PIECE : 0;
	}
}
