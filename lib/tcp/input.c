/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A burst of packets, in four passes, so that what the next one reads is on its way from memory
 * meanwhile: headers are read and hashed, then buckets of the table name connections, then these
 * name what they have on its way, then segments meet them. A segment finds its connection, a
 * TIME_WAIT record, a listener, somebody else who takes it, or a RST, in this order.
 */
#include <rte_common.h>
#include <rte_prefetch.h>

#include "stack_pvt.h"

#define CHUNK 32

static bool
taken_as_stranger(struct pw_tcp *t, struct pw_tcp_seg *s)
{
	struct rte_mbuf *m = s->m;

	if (t->conf.hooks.stranger == NULL)
		return false;
	(void)rte_pktmbuf_prepend(m, s->headers); /* they are still there */
	if (t->conf.hooks.stranger(t->conf.hooks.ctx, &s->flow, m, t->now)) {
		s->m = NULL;
		return true;
	}
	(void)rte_pktmbuf_adj(m, s->headers);
	return false;
}

/* guess: of which it most likely is, or NULL. */
static void
demux(struct pw_tcp *t, struct pw_tcp_seg *s, struct pw_tcp_conn *guess)
{
	struct pw_tcp_conn *c = guess;
	struct tw_record *r;
	struct listener *l;

	if (unlikely(c == NULL || !pw_tcp_table_is(c, &s->flow)))
		c = pw_tcp_table_find(t, &s->flow, (uint32_t)s->print);
	if (c != NULL) {
		pw_tcp_arrives(t, c, s);
		return;
	}
	r = pw_tcp_tw_find(t, s->print);
	if (r != NULL && !pw_tcp_tw_input(t, r, s))
		return;
	l = pw_tcp_listener(t, &s->flow.local, s->flow.lport);
	if (l != NULL) {
		pw_tcp_listen_input(t, l, s, r);
		return;
	}
	if (taken_as_stranger(t, s))
		return;
	t->count.drop_no_conn++;
	pw_tcp_refuse(t, s);
}

/* What an acknowledgement of bytes that are on their way takes off. */
static inline void
fetch_flight(const struct pw_tcp_conn *c)
{
	const uint8_t *f = (const uint8_t *)c->flight;

	if (f == NULL)
		return;
	for (uint32_t at = 0; at < sizeof(*c->flight) + sizeof(struct tx_rec);
	     at += RTE_CACHE_LINE_SIZE)
		rte_prefetch0(f + at);
	rte_prefetch0(c->sq_head);
}

static void
input_chunk(struct pw_tcp *t, struct rte_mbuf **pkts, uint32_t n)
{
	struct pw_tcp_seg seg[CHUNK];
	struct pw_tcp_conn *guess[CHUNK];
	uint32_t k = 0;

	for (uint32_t i = 0; i < n; i++) {
		struct pw_tcp_seg *s = &seg[k];

		if (pw_tcp_parse(s, pkts[i]) < 0) {
			t->count.drop_header++;
			rte_pktmbuf_free(pkts[i]);
			continue;
		}
		s->print = pw_tcp_flow_print(t, &s->flow);
		rte_prefetch0(&t->table.bucket[pw_tcp_table_at(&t->table, (uint32_t)s->print)]);
		k++;
	}
	for (uint32_t i = 0; i < k; i++)
		guess[i] = pw_tcp_table_fetch(t, (uint32_t)seg[i].print);
	for (uint32_t i = 0; i < k; i++) {
		if (guess[i] != NULL)
			fetch_flight(guess[i]);
	}
	for (uint32_t i = 0; i < k; i++) {
		demux(t, &seg[i], guess[i]);
		/* Whatever nobody has taken. */
		if (seg[i].m != NULL)
			rte_pktmbuf_free(seg[i].m);
	}
}

void
pw_tcp_input(struct pw_tcp *t, struct rte_mbuf **pkts, uint32_t n, uint64_t now)
{
	tcp_set_now(t, now);
	t->count.segs_in += n;
	for (uint32_t i = 0; i < n; i += CHUNK)
		input_chunk(t, pkts + i, RTE_MIN(n - i, (uint32_t)CHUNK));
	pw_tcp_sq_let_go(t);
}
