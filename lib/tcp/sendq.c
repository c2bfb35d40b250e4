/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The send queue: linked blocks of slices, none while nothing waits. Every slice owns one reference
 * on its buffer until its last byte is acknowledged. An acknowledgement may cut a slice anywhere.
 */
#include <errno.h>

#include <rte_common.h>

#include "stack_pvt.h"

static struct tx_block *
block_at(const struct pw_tcp *t, uint32_t id)
{
	return id != 0 ? pw_pool_at(t->blocks, id - 1) : NULL;
}

/*
 * Extend the last slice where s follows it in the same buffer. Not where all of it is on its way:
 * its time of sending would speak for bytes that were not sent.
 */
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
	if (c->cur_block == c->sq_tail && c->cur_idx >= b->n)
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
	b = pw_pool_get(t->blocks);
	assert(b != NULL);
	t->blocks_free--;
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

	if (blocks > t->blocks_free)
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
	uint32_t id = pw_pool_index(t->blocks, b) + 1;

	c->sq_head = b->next;
	if (c->sq_head == NULL)
		c->sq_tail = 0;
	/* A cursor at its end is one at the start of what follows. */
	if (c->cur_block == id) {
		c->cur_block = 0;
		c->cur_idx = 0;
		c->cur_off = 0;
	}
	pw_pool_put(t->blocks, b);
	t->blocks_free++;
}

struct sq_acked
pw_tcp_sq_ack(struct pw_tcp *t, struct pw_tcp_conn *c, uint32_t n)
{
	struct sq_acked a = {0, false};

	assert(n <= c->sq_bytes);
	c->sq_bytes -= n;
	while (n > 0) {
		struct tx_block *b = c->sq_head;
		struct tx_block *cur = block_at(t, c->cur_block);
		struct tx_slice *s = &b->s[b->first];

		a.rtx |= s->flags & TX_SLICE_RTX;
		if (n < s->len) {
			if (cur == b && c->cur_idx == b->first)
				c->cur_off -= RTE_MIN(n, (uint32_t)c->cur_off);
			s->off += n;
			s->len -= n;
			s->seq += n;
			break;
		}
		n -= s->len;
		a.sent = s->sent;
		rte_pktmbuf_free_seg(s->mbuf);
		b->first++;
		if (cur == b && c->cur_idx < b->first) {
			c->cur_idx = b->first;
			c->cur_off = 0;
		}
		if (b->first == b->n)
			free_head(t, c);
	}
	return a;
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
pw_tcp_sq_at(const struct pw_tcp_conn *c, struct tx_cursor *cur)
{
	if (cur->block == NULL) {
		if (c->sq_head == NULL)
			return NULL;
		*cur = (struct tx_cursor){c->sq_head, c->sq_head->first, 0};
	}
	if (cur->idx == cur->block->n && cur->block->next != NULL)
		*cur = (struct tx_cursor){cur->block->next, cur->block->next->first, 0};
	return cur->idx < cur->block->n ? &cur->block->s[cur->idx] : NULL;
}
