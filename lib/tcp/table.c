/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Connections by flow: open addressing over buckets of eight, a bucket a cache line. A full bucket
 * passes an entry on to the next and counts it in `passed`; a look-up goes on while that count is
 * not zero. Erasing walks the same way and takes the counts back, so nothing like a tombstone
 * remains, however long connections come and go.
 */
#include <errno.h>
#include <string.h>

#include <rte_byteorder.h>
#include <rte_common.h>
#include <rte_malloc.h>
#include <rte_prefetch.h>

#include "stack_pvt.h"

#define TABLE_FOUR (TABLE_WAYS / 2) /* tags in 64 bits */

/* At most two thirds full. */
static uint32_t
buckets_for(uint32_t max)
{
	return (max + max / 2) / TABLE_WAYS + 2;
}

size_t
pw_tcp_table_bytes(uint32_t max)
{
	return (size_t)buckets_for(max) * sizeof(struct table_bucket);
}

int
pw_tcp_table_init(struct conn_table *tb, uint32_t max, int socket)
{
	uint32_t buckets = buckets_for(max);

	tb->bucket = rte_zmalloc_socket("pw_tcp_table", sizeof(*tb->bucket) * buckets,
					RTE_CACHE_LINE_SIZE, socket);
	if (tb->bucket == NULL)
		return -ENOMEM;
	tb->buckets = buckets;
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
	uint32_t v4[3];

	static_assert(sizeof(*flow) == 36, "no padding is hashed");
	if (!pw_addr_is_v4(&flow->local) || !pw_addr_is_v4(&flow->remote))
		return pw_siphash13(&t->key_table, flow, sizeof(*flow));
	/* What tells IPv4 flows apart is a third of the bytes. */
	v4[0] = pw_addr_be32(&flow->local);
	v4[1] = pw_addr_be32(&flow->remote);
	v4[2] = (uint32_t)flow->lport << 16 | flow->rport;
	return pw_siphash13(&t->key_table, v4, sizeof(v4));
}

static inline uint32_t
bucket_after(const struct conn_table *tb, uint32_t at)
{
	return at + 1 < tb->buckets ? at + 1 : 0;
}

static inline uint16_t
tag_of(uint32_t hash)
{
	return (uint16_t)hash;
}

/*
 * Four places of a bucket, from `first` on: the highest bit of 16 where the tag may be that of this
 * hash. To subtract one sets it where the difference was zero, and sometimes in the place after.
 */
static inline uint64_t
candidates(const struct table_bucket *b, uint32_t first, uint32_t hash)
{
	const uint64_t ones = UINT64_C(0x0001000100010001);
	uint64_t w;

	memcpy(&w, &b->tag[first], sizeof(w));
	w ^= ones * tag_of(hash);
	return (w - ones) & ~w & (ones << 15);
}

static inline uint32_t
place_in(uint64_t candidates)
{
	uint32_t i = (uint32_t)__builtin_ctzll(candidates) / 16;

	return RTE_BYTE_ORDER == RTE_LITTLE_ENDIAN ? i : TABLE_FOUR - 1 - i;
}

static inline bool
same_flow(const struct pw_flow *a, const struct pw_flow *b)
{
	uint64_t x[4], y[4];
	uint32_t p, q;

	memcpy(x, a, sizeof(x));
	memcpy(y, b, sizeof(y));
	memcpy(&p, &a->lport, sizeof(p));
	memcpy(&q, &b->lport, sizeof(q));
	static_assert(offsetof(struct pw_flow, lport) == sizeof(x), "ports follow addresses");
	return ((x[0] ^ y[0]) | (x[1] ^ y[1]) | (x[2] ^ y[2]) | (x[3] ^ y[3]) | (p ^ q)) == 0;
}

bool
pw_tcp_table_is(const struct pw_tcp_conn *c, const struct pw_flow *flow)
{
	return c->state != PW_TCP_CLOSED && same_flow(&c->flow, flow);
}

struct pw_tcp_conn *
pw_tcp_table_fetch(const struct pw_tcp *t, uint32_t hash)
{
	const struct table_bucket *b = &t->table.bucket[pw_tcp_table_at(&t->table, hash)];
	uint64_t mask = candidates(b, 0, hash);
	uint32_t first = mask == 0 ? TABLE_FOUR : 0;
	struct pw_tcp_conn *c;

	if (mask == 0)
		mask = candidates(b, TABLE_FOUR, hash);
	if (mask == 0 || b->conn[first + place_in(mask)] == 0)
		return NULL;
	c = pw_pool_at(t->conns, b->conn[first + place_in(mask)] - 1);
	pw_tcp_fetch(c);
	return c;
}

static inline struct pw_tcp_conn *
find_among(const struct pw_tcp *t, const struct table_bucket *b, uint32_t first,
	   const struct pw_flow *flow, uint32_t hash)
{
	for (uint64_t m = candidates(b, first, hash); m != 0; m &= m - 1) {
		uint32_t i = first + place_in(m);
		struct pw_tcp_conn *c;

		if (b->conn[i] == 0)
			continue;
		c = pw_pool_at(t->conns, b->conn[i] - 1);
		if (same_flow(&c->flow, flow))
			return c;
	}
	return NULL;
}

struct pw_tcp_conn *
pw_tcp_table_find(const struct pw_tcp *t, const struct pw_flow *flow, uint32_t hash)
{
	const struct conn_table *tb = &t->table;
	uint32_t at = pw_tcp_table_at(tb, hash);
	struct pw_tcp_conn *c;

	for (uint32_t n = 0; n < tb->buckets; n++, at = bucket_after(tb, at)) {
		const struct table_bucket *b = &tb->bucket[at];

		c = find_among(t, b, 0, flow, hash);
		if (c == NULL)
			c = find_among(t, b, TABLE_FOUR, flow, hash);
		if (c != NULL)
			return c;
		if (b->passed == 0)
			return NULL;
	}
	return NULL;
}

void
pw_tcp_table_add(struct pw_tcp *t, struct pw_tcp_conn *c, uint32_t hash)
{
	struct conn_table *tb = &t->table;
	uint32_t at = pw_tcp_table_at(tb, hash);

	/* There are more places than connections in the pool: the walk ends. */
	for (;; at = bucket_after(tb, at)) {
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
	uint32_t at = pw_tcp_table_at(tb, pw_tcp_flow_hash(t, &c->flow));
	uint32_t conn = pw_pool_index(t->conns, c) + 1;
	uint32_t i;

	while ((i = place_of(&tb->bucket[at], conn)) == TABLE_WAYS) {
		assert(tb->bucket[at].passed > 0);
		tb->bucket[at].passed--;
		at = bucket_after(tb, at);
	}
	tb->bucket[at].conn[i] = 0;
	__atomic_store_n(&tb->count, tb->count - 1, __ATOMIC_RELAXED);
}
