/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The send queue: linked blocks of slices, none while nothing waits. Every slice owns one reference
 * on its buffer until its last byte is acknowledged. An acknowledgement may end anywhere in a
 * slice; nothing is written into it then.
 */
#include <errno.h>

#include <rte_common.h>

#include "stack_pvt.h"

#define LET_GO_MAX 1024 /* reference counts have 16 bits */

static struct tx_block *
block_at(const struct pw_tcp *t, uint32_t id)
{
	return id != 0 ? pw_pool_at(t->blocks, id - 1) : NULL;
}

/* Extend the last slice where s follows it in the same buffer. */
static bool
extends(struct pw_tcp *t, struct pw_tcp_conn *c, const struct pw_slice *s)
{
	struct tx_block *b = block_at(t, c->sq_tail);
	struct tx_slice *last;

	if (b == NULL || b->n == b->first)
		return false;
	last = &b->s[b->n - 1];
	if (last->mbuf != s->mbuf || (uint32_t)last->off + last->len != s->off ||
	    (uint32_t)last->len + s->len > UINT16_MAX)
		return false;
	last->len += s->len;
	return true;
}

static struct tx_block *
tail_block(struct pw_tcp *t, struct pw_tcp_conn *c)
{
	struct tx_block *b = block_at(t, c->sq_tail), *last = b;

	if (b != NULL && b->n < TX_BLOCK_SLICES)
		return b;
	b = pw_pool_get_raw(t->blocks);
	assert(b != NULL);
	/* Slices are set as they come: most queues need one line of the four. */
	b->next = NULL;
	b->first = b->n = 0;
	t->blocks_free--;
	t->blocks_slices--;
	if (last != NULL)
		last->next = b;
	else
		c->sq_head = b;
	c->sq_tail = pw_pool_index(t->blocks, b) + 1;
	return b;
}

int
pw_tcp_sq_append(struct pw_tcp *t, struct pw_tcp_conn *c, const struct pw_slice *s, uint32_t n)
{
	uint32_t room = c->sq_tail != 0 ? TX_BLOCK_SLICES - block_at(t, c->sq_tail)->n : 0;
	uint32_t blocks = n > room ? (n - room + TX_BLOCK_SLICES - 1) / TX_BLOCK_SLICES : 0;
	uint32_t first = c->sq_head != NULL ? t->blocks_first : 0;

	/*
	 * What is queued is to find blocks for its records when it leaves, and who has nothing
	 * queued a block for its slices.
	 */
	if (blocks > 0 && ((uint64_t)blocks + first / 2 > t->blocks_slices ||
			   (uint64_t)blocks + first + t->blocks_urgent > t->blocks_free))
		return -ENOBUFS;
	for (uint32_t i = 0; i < n; i++) {
		struct tx_block *b;

		if (s[i].len == 0 || extends(t, c, &s[i])) {
			/* One reference is enough for both, and none is needed for nothing. */
			struct pw_slice spare = s[i];

			c->sq_bytes += spare.len;
			pw_slice_drop(&spare);
			continue;
		}
		b = tail_block(t, c);
		b->s[b->n++] = (struct tx_slice){.mbuf = s[i].mbuf,
						 .off = s[i].off,
						 .len = s[i].len,
						 .seq = conn_queue_end(c)};
		c->sq_bytes += s[i].len;
	}
	return 0;
}

static void
free_head(struct pw_tcp *t, struct pw_tcp_conn *c)
{
	struct tx_block *b = c->sq_head;

	c->sq_head = b->next;
	if (c->sq_head == NULL)
		c->sq_tail = 0;
	if (c->flight != NULL && c->flight->cur_block == b) {
		c->flight->cur_block = NULL;
		c->flight->cur_idx = 0;
	}
	pw_pool_put(t->blocks, b);
	t->blocks_free++;
	t->blocks_slices++;
}

/*
 * Answers to many connections lie in one buffer, as do short messages to a broker. What refers to
 * one buffer in a row is dropped together: each time is an atomic operation.
 */
static inline void
let_go(struct pw_tcp *t, struct rte_mbuf *m)
{
	if (m != t->let_go || t->let_go_refs == LET_GO_MAX)
		pw_tcp_sq_let_go(t);
	t->let_go = m;
	t->let_go_refs++;
}

void
pw_tcp_sq_let_go(struct pw_tcp *t)
{
	if (t->let_go_refs > 1)
		rte_mbuf_refcnt_update(t->let_go, (int16_t)(1 - (int32_t)t->let_go_refs));
	if (t->let_go_refs > 0)
		rte_pktmbuf_free_seg(t->let_go);
	t->let_go = NULL;
	t->let_go_refs = 0;
}

void
pw_tcp_sq_ack(struct pw_tcp *t, struct pw_tcp_conn *c, uint32_t n)
{
	uint32_t una = c->snd_una + n;

	assert(n <= c->sq_bytes);
	c->sq_bytes -= n;
	while (c->sq_head != NULL) {
		struct tx_block *b = c->sq_head;
		struct tx_slice *s = &b->s[b->first];

		if (seq_gt(s->seq + s->len, una))
			break;
		let_go(t, s->mbuf);
		if (++b->first == b->n)
			free_head(t, c);
		else if (c->flight != NULL && c->flight->cur_block == b)
			c->flight->cur_idx = RTE_MAX(c->flight->cur_idx, (uint8_t)b->first);
	}
}

void
pw_tcp_sq_release(struct pw_tcp *t, struct pw_tcp_conn *c)
{
	while (c->sq_head != NULL) {
		struct tx_block *b = c->sq_head;

		for (; b->first < b->n; b->first++)
			rte_pktmbuf_free_seg(b->s[b->first].mbuf);
		free_head(t, c);
	}
	c->sq_bytes = 0;
}

struct tx_slice *
pw_tcp_sq_find(const struct pw_tcp_conn *c, struct tx_place *p, uint32_t seq)
{
	if (p->block == NULL) {
		if (c->sq_head == NULL)
			return NULL;
		*p = (struct tx_place){c->sq_head, c->sq_head->first};
	}
	/* The last slice may yet be extended: a place does not move beyond it. */
	for (;;) {
		struct tx_slice *s = &p->block->s[p->idx];

		if (seq_lt(seq, s->seq + s->len))
			return s;
		if (p->idx + 1u < p->block->n)
			p->idx++;
		else if (p->block->next != NULL)
			*p = (struct tx_place){p->block->next, p->block->next->first};
		else
			return NULL;
	}
}
