/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Connections by flow: open addressing over buckets of eight, a bucket a cache line. A full bucket
 * passes an entry on to the next and counts it in `passed`; a look-up goes on while that count is
 * not zero. Erasing walks the same way and takes the counts back, so nothing like a tombstone
 * remains, however long connections come and go.
 */
#include <errno.h>
#include <string.h>

#include <rte_common.h>
#include <rte_malloc.h>

#include "stack_pvt.h"

int
pw_tcp_table_init(struct conn_table *tb, uint32_t max, int socket)
{
	/* At most two thirds full. */
	uint32_t buckets = rte_align32pow2(RTE_MAX((max + max / 2) / TABLE_WAYS, 1u) + 1);

	tb->bucket = rte_zmalloc_socket("pw_tcp_table", sizeof(*tb->bucket) * buckets,
					RTE_CACHE_LINE_SIZE, socket);
	if (tb->bucket == NULL)
		return -ENOMEM;
	tb->mask = buckets - 1;
	tb->count = 0;
	return 0;
}

void
pw_tcp_table_fini(struct conn_table *tb)
{
	rte_free(tb->bucket);
	tb->bucket = NULL;
}

uint64_t
pw_tcp_flow_print(const struct pw_tcp *t, const struct pw_flow *flow)
{
	static_assert(sizeof(*flow) == 36, "no padding is hashed");
	return pw_siphash13(&t->key_table, flow, sizeof(*flow));
}

static inline uint16_t
tag_of(uint32_t hash)
{
	return (uint16_t)(hash >> 16);
}

struct pw_tcp_conn *
pw_tcp_table_find(const struct pw_tcp *t, const struct pw_flow *flow, uint32_t hash)
{
	const struct conn_table *tb = &t->table;
	uint32_t at = hash & tb->mask;
	struct pw_tcp_conn *c;

	for (uint32_t n = 0; n <= tb->mask; n++, at = (at + 1) & tb->mask) {
		const struct table_bucket *b = &tb->bucket[at];

		for (uint32_t i = 0; i < TABLE_WAYS; i++) {
			if (b->conn[i] == 0 || b->tag[i] != tag_of(hash))
				continue;
			c = pw_pool_at(t->conns, b->conn[i] - 1);
			if (memcmp(&c->flow, flow, sizeof(*flow)) == 0)
				return c;
		}
		if (b->passed == 0)
			return NULL;
	}
	return NULL;
}

void
pw_tcp_table_add(struct pw_tcp *t, struct pw_tcp_conn *c, uint32_t hash)
{
	struct conn_table *tb = &t->table;
	uint32_t at = hash & tb->mask;

	/* There are more places than connections in the pool: the walk ends. */
	for (;; at = (at + 1) & tb->mask) {
		struct table_bucket *b = &tb->bucket[at];

		for (uint32_t i = 0; i < TABLE_WAYS; i++) {
			if (b->conn[i] != 0)
				continue;
			b->tag[i] = tag_of(hash);
			b->conn[i] = pw_pool_index(t->conns, c) + 1;
			__atomic_store_n(&tb->count, tb->count + 1, __ATOMIC_RELAXED);
			return;
		}
		b->passed++;
	}
}

/* The place in a bucket where a connection stands, TABLE_WAYS where it does not. */
static uint32_t
place_of(const struct table_bucket *b, uint32_t conn)
{
	uint32_t i = 0;

	while (i < TABLE_WAYS && b->conn[i] != conn)
		i++;
	return i;
}

void
pw_tcp_table_remove(struct pw_tcp *t, struct pw_tcp_conn *c)
{
	struct conn_table *tb = &t->table;
	uint32_t at = pw_tcp_flow_hash(t, &c->flow) & tb->mask;
	uint32_t conn = pw_pool_index(t->conns, c) + 1;
	uint32_t i;

	while ((i = place_of(&tb->bucket[at], conn)) == TABLE_WAYS) {
		assert(tb->bucket[at].passed > 0);
		tb->bucket[at].passed--;
		at = (at + 1) & tb->mask;
	}
	tb->bucket[at].conn[i] = 0;
	__atomic_store_n(&tb->count, tb->count - 1, __ATOMIC_RELAXED);
}
