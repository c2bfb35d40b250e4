/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The window that we offer: rx_window less what the application has not consumed, and no more than
 * the packet buffers that the connection may still take up stand for. Bytes held beyond a gap lie
 * inside the window already, so they are not subtracted a second time. The right edge never moves
 * left (RFC 9293 3.8.6), and it moves right in worthwhile steps only (3.8.6.2.2).
 */
#include <rte_common.h>

#include "stack_pvt.h"

#define SWEEP_BUCKETS 64

/* Where scaling was not agreed, the field is the limit. */
static uint32_t
window_size(const struct pw_tcp *t, const struct pw_tcp_conn *c)
{
	return RTE_MIN(t->conf.rx_window, (uint32_t)UINT16_MAX << c->rcv_scale);
}

static uint32_t
open_bytes(const struct pw_tcp *t, const struct pw_tcp_conn *c, uint32_t size)
{
	uint32_t bytes = c->rx_len < size ? size - c->rx_len : 0;
	uint32_t bufs = c->rx_bufs < t->conf.rx_buffers ? t->conf.rx_buffers - c->rx_bufs : 0;

	return (uint32_t)RTE_MIN((uint64_t)bytes, (uint64_t)bufs * pw_tcp_buffer_share(t));
}

uint32_t
pw_tcp_window_edge(struct pw_tcp *t, struct pw_tcp_conn *c)
{
	uint32_t size = window_size(t, c);
	uint32_t edge = c->rcv_nxt + open_bytes(t, c, size);
	uint32_t step = RTE_MAX(RTE_MIN(size / 2, (uint32_t)pw_tcp_conn_max_mss(c)), 1u);

	if (!seq_gt(edge, c->rcv_adv) || edge - c->rcv_adv < step)
		return c->rcv_adv;
	if (t->pressure > 0) {
		if (!(c->flags & CONN_WND_HELD)) {
			c->flags |= CONN_WND_HELD;
			t->nb_held++;
		}
		return c->rcv_adv;
	}
	return edge;
}

uint16_t
pw_tcp_window_field(struct pw_tcp *t, struct pw_tcp_conn *c)
{
	uint32_t unit = 1u << c->rcv_scale;
	uint32_t wnd = seq_ahead(c->rcv_nxt, pw_tcp_window_edge(t, c));
	uint32_t field = wnd >> c->rcv_scale;
	uint32_t up = field + 1;

	/*
	 * RFC 7323 2.4: scaling hides the low bits. Rounding up keeps the edge from moving left as
	 * the peer sees it; each time it gives a little more than was meant, so that stops when one
	 * full segment has been given away.
	 */
	if (seq_lt(c->rcv_nxt + (field << c->rcv_scale), c->rcv_adv) && (wnd & (unit - 1)) &&
	    c->rx_len + (up << c->rcv_scale) <= window_size(t, c) + pw_tcp_conn_max_mss(c))
		field = up;
	field = RTE_MIN(field, (uint32_t)UINT16_MAX);
	c->rcv_adv = seq_max(c->rcv_adv, c->rcv_nxt + (field << c->rcv_scale));
	return (uint16_t)field;
}

void
pw_tcp_window_opened(struct pw_tcp *t, struct pw_tcp_conn *c)
{
	/* While half of it is open, the acknowledgements that come anyway say so early enough. */
	if ((c->flags & CONN_FIN_RCVD) || conn_rcv_wnd(c) > window_size(t, c) / 2)
		return;
	if (seq_gt(pw_tcp_window_edge(t, c), c->rcv_adv)) {
		c->flags |= CONN_ACK_NOW;
		pw_tcp_dirty(t, c);
	}
}

void
pw_tcp_window_sweep(struct pw_tcp *t)
{
	for (uint32_t n = 0; n < SWEEP_BUCKETS && t->nb_held != 0; n++) {
		struct table_bucket *b = &t->table.bucket[t->held_sweep];

		t->held_sweep = t->held_sweep + 1 < t->table.buckets ? t->held_sweep + 1 : 0;
		for (uint32_t i = 0; i < TABLE_WAYS; i++) {
			struct pw_tcp_conn *c;

			if (b->conn[i] == 0)
				continue;
			c = pw_pool_at(t->conns, b->conn[i] - 1);
			if (!(c->flags & CONN_WND_HELD))
				continue;
			c->flags &= ~CONN_WND_HELD;
			t->nb_held--;
			pw_tcp_window_opened(t, c);
		}
	}
	if (t->nb_held != 0)
		t->retry_at = t->now + 1000000;
}
