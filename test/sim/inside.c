/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What must hold inside a stack between two events, and who holds which buffer. The only file of
 * the simulated world that knows the private headers of lib/tcp and lib/wire.
 */
#include <rte_common.h>

#include "../../lib/tcp/flight_pvt.h"
#include "../../lib/tcp/stack_pvt.h"
#include "../../lib/wire/neigh_pvt.h"
#include "../../lib/wire/wire_pvt.h"

#include "world.h"

#define MAX_BUFFERS (POOL_PKT + POOL_HDR + POOL_IND)

bool
inside_has_conn(const struct host *h, const struct pw_flow *flow)
{
	return pw_tcp_table_find(h->tcp, flow, pw_tcp_flow_hash(h->tcp, flow)) != NULL;
}

bool
inside_aim(const struct end *e, struct aim *aim)
{
	const struct pw_tcp_conn *c = e->tcp;

	if (c == NULL || c->state == PW_TCP_CLOSED)
		return false;
	*aim = (struct aim){
		.rcv_nxt = c->rcv_nxt,
		.rcv_wnd = conn_rcv_wnd(c),
		.snd_una = c->snd_una,
		.snd_max = c->snd_max,
		.synchronized = conn_synchronized(c),
		.ts = c->flags & CONN_TS,
	};
	return true;
}

#define RULE(h, c, holds)                                                                          \
	do {                                                                                       \
		if (!(holds))                                                                      \
			world_fault((h)->w, "host %u, port %u to %u, %s: not " #holds, (h)->id,    \
				    (c)->flow.lport, (c)->flow.rport,                              \
				    pw_tcp_state_str((c)->state));                                 \
	} while (0)

static void
check_numbers(const struct host *h, const struct pw_tcp_conn *c)
{
	uint32_t fin = !!(c->flags & CONN_FIN_QUEUED);

	RULE(h, c, seq_le(c->snd_una, c->snd_max));
	if (!conn_synchronized(c))
		return;
	RULE(h, c, seq_le(c->snd_max, conn_queue_end(c) + fin));
	/* The FIN needs no window, bytes do. */
	RULE(h, c, seq_le(c->rcv_nxt, c->rcv_adv + !!(c->flags & CONN_FIN_RCVD)));
	RULE(h, c, seq_le(c->last_ack, c->rcv_nxt));
	RULE(h, c, c->mss > 0 && c->mss <= c->mtu);
}

static void
check_receive(const struct host *h, const struct pw_tcp_conn *c)
{
	uint32_t len = 0, at = c->rcv_nxt, n = 0;

	for (const struct rte_mbuf *m = c->rx_head; m != NULL; m = m->next) {
		len += m->data_len;
		RULE(h, c, m->next != NULL || m == c->rx_tail);
	}
	RULE(h, c, len == c->rx_len);
	for (const struct rte_mbuf *m = c->ooo; m != NULL; m = m->next, n++) {
		RULE(h, c, m->data_len > 0);
		RULE(h, c, seq_le(at, m->hash.usr) && m->hash.usr != c->rcv_nxt);
		at = m->hash.usr + m->data_len;
		RULE(h, c, seq_le(at, c->rcv_adv));
	}
	RULE(h, c, n == c->ooo_count);
	RULE(h, c, !(c->flags & CONN_FIN_RCVD) || c->ooo == NULL);
}

/* Slices without gaps from snd_una (which may lie in the first) to the end of the queue. */
static uint32_t
check_queue(const struct host *h, const struct pw_tcp_conn *c)
{
	uint32_t at = c->snd_una, blocks = 0;

	for (const struct tx_block *b = c->sq_head; b != NULL; b = b->next, blocks++) {
		RULE(h, c, b->first <= b->n && b->n <= TX_BLOCK_SLICES);
		RULE(h, c, b->next != NULL || pw_pool_index(h->tcp->blocks, b) + 1 == c->sq_tail);
		for (uint32_t i = b->first; i < b->n; i++) {
			const struct tx_slice *s = &b->s[i];
			bool first = b == c->sq_head && i == b->first;

			RULE(h, c, first ? seq_le(s->seq, at) : s->seq == at);
			RULE(h, c, rte_mbuf_refcnt_read(s->mbuf) > 0);
			at = s->seq + s->len;
			RULE(h, c, seq_lt(c->snd_una, at));
		}
	}
	RULE(h, c, at == conn_queue_end(c));
	return blocks;
}

/* Records of all that is on its way, without gaps; what they say of themselves in sum is right. */
static uint32_t
check_flight(const struct host *h, const struct pw_tcp_conn *c)
{
	const struct tx_flight *f = c->flight;
	uint32_t at = c->snd_una, n = 0, sacked = 0, nb_sacked = 0, lost = 0, blocks = 1;

	if (f == NULL) {
		RULE(h, c, !conn_synchronized(c) || c->snd_una == c->snd_max);
		return 0;
	}
	for (const struct tx_recs *b = &f->head; b != NULL; b = b->next) {
		blocks += b != &f->head;
		RULE(h, c, b->n <= b->cap);
		RULE(h, c, b->first < b->n || b == &f->head);
		for (uint32_t i = b->first; i < b->n; i++, n++) {
			const struct tx_rec *r = &b->r[i];

			RULE(h, c, r->seq == at && seq_lt(r->seq, r->end));
			RULE(h, c, !(r->flags & TX_SACKED) || !(r->flags & TX_LOST));
			RULE(h, c, r->sent != 0 && r->sent <= h->w->now);
			at = r->end;
			sacked += r->flags & TX_SACKED ? rec_len(r) : 0;
			nb_sacked += !!(r->flags & TX_SACKED);
			lost += r->flags & TX_LOST ? rec_len(r) : 0;
		}
	}
	RULE(h, c, at == c->snd_max);
	RULE(h, c, n == f->nb && nb_sacked == f->nb_sacked);
	RULE(h, c, sacked == f->sacked && lost == f->lost);
	return blocks;
}

/* A deadline where there is something to wait for, and none where there is not. */
static void
check_timer(const struct host *h, const struct pw_tcp_conn *c)
{
	bool retried = (c->flags & CONN_ON_DIRTY) && h->tcp->retry_at != UINT64_MAX;
	bool outstanding = c->snd_una != c->snd_max;
	bool queued =
		c->sq_bytes != 0 || ((c->flags & CONN_FIN_QUEUED) && !(c->flags & CONN_FIN_ACKED));
	bool waits = (c->flags & CONN_DISCARD) && c->state == PW_TCP_FIN_WAIT_2;

	RULE(h, c, !(c->flags & CONN_ON_DIRTY) || h->tcp->retry_at != UINT64_MAX);
	RULE(h, c, !(c->flags & CONN_EVENTS) || (c->flags & CONN_ON_READY));
	if (retried)
		return;
	RULE(h, c, !(c->flags & CONN_ACK_NOW));
	RULE(h, c, c->t_rtx == 0 || pw_timer_armed(&c->timer));
	RULE(h, c, c->t_delack == 0 || pw_timer_armed(&c->timer));
	RULE(h, c, c->state != PW_TCP_SYN_SENT || c->t_rtx != 0);
	RULE(h, c, c->state != PW_TCP_SYN_RECEIVED || c->t_rtx != 0);
	if (!conn_synchronized(c))
		return;
	RULE(h, c, !outstanding || c->t_rtx != 0);
	RULE(h, c, !queued || c->t_rtx != 0);
	RULE(h, c, outstanding || queued || waits || c->t_rtx == 0);
	RULE(h, c, !waits || c->t_rtx != 0);
	RULE(h, c, c->last_ack == c->rcv_nxt || c->t_delack != 0);
}

void
inside_check(struct host *h)
{
	struct pw_tcp *t = h->tcp;
	struct pw_pool_stats stats;
	uint32_t blocks = 0, ooo = 0, conns = 0;

	for (uint32_t i = 0; i < t->table.buckets; i++) {
		for (uint32_t k = 0; k < TABLE_WAYS; k++) {
			uint32_t id = t->table.bucket[i].conn[k];
			const struct pw_tcp_conn *c;

			if (id == 0)
				continue;
			c = pw_pool_at(t->conns, id - 1);
			h->w->tally->states[c->state]++;
			check_numbers(h, c);
			check_receive(h, c);
			blocks += check_queue(h, c) + check_flight(h, c);
			check_timer(h, c);
			ooo += c->ooo_count;
			conns++;
		}
	}
	if (conns != t->table.count)
		world_fault(h->w, "host %u: the table counts %u connections and has %u", h->id,
			    t->table.count, conns);
	if (ooo != t->nb_ooo)
		world_fault(h->w, "host %u: %u buffers beyond gaps, counted as %u", h->id, ooo,
			    t->nb_ooo);
	pw_pool_stats(t->blocks, &stats);
	if (stats.in_use != blocks || t->blocks_free != stats.count - blocks)
		world_fault(h->w, "host %u: %u slice blocks in queues, %u out of the pool", h->id,
			    blocks, stats.in_use);
}

/* Buffers that somebody holds; how many do stands in the buffer itself. */
struct holders {
	struct rte_mbuf *m[MAX_BUFFERS];
	uint32_t n;
	uint32_t epoch;
};

static struct holders holders;

static void
held(struct holders *k, struct rte_mbuf *m)
{
	if (m->dynfield1[0] != k->epoch && k->n < MAX_BUFFERS) {
		m->dynfield1[0] = k->epoch;
		m->dynfield1[1] = 0;
		k->m[k->n++] = m;
	}
	m->dynfield1[1]++;
}

static void
held_chain(struct holders *k, struct rte_mbuf *m)
{
	for (; m != NULL; m = m->next)
		held(k, m);
}

static void
held_by_conn(struct holders *k, const struct pw_tcp_conn *c)
{
	held_chain(k, c->rx_head);
	held_chain(k, c->ooo);
	for (const struct tx_block *b = c->sq_head; b != NULL; b = b->next) {
		for (uint32_t i = b->first; i < b->n; i++)
			held(k, b->s[i].mbuf);
	}
}

static void
held_by_stack(struct holders *k, const struct pw_tcp *t)
{
	for (uint32_t i = 0; i < t->table.buckets; i++) {
		for (uint32_t way = 0; way < TABLE_WAYS; way++) {
			uint32_t id = t->table.bucket[i].conn[way];

			if (id != 0)
				held_by_conn(k, pw_pool_at(t->conns, id - 1));
		}
	}
	for (uint32_t i = 0; i < t->conf.max_conns; i++) {
		const struct pw_tcp_conn *c = pw_pool_peek(t->conns, i);

		if (c != NULL && (c->flags & CONN_UNREAD))
			held_by_conn(k, c);
	}
	for (uint32_t i = 0; t->gather != NULL && i <= t->gather_saved; i++)
		held(k, t->gather);
	for (uint32_t i = 0; i < t->let_go_refs; i++)
		held(k, t->let_go);
}

static void
held_by_wire(struct holders *k, const struct pw_wire *wire)
{
	const struct hold *h = &wire->neigh.hold;

	for (uint32_t kind = 0; kind < HOLD_KINDS; kind++) {
		for (uint32_t i = h->line[kind].oldest; i != NEIGH_NONE; i = h->node[i].newer)
			held_chain(k, h->node[i].m);
	}
}

static void
held_by_apps(struct holders *k, const struct host *h)
{
	for (uint32_t i = 0; i < 2 * h->w->nb_conns; i++) {
		const struct end *e = &h->w->conn[i / 2].end[i % 2];

		for (uint32_t j = 0; j < e->nb_kept && e->host == h; j++)
			held(k, e->kept[j].mbuf);
	}
	for (uint32_t i = 0; i < h->nb_hog; i++)
		held(k, h->hog[i]);
	for (uint32_t i = 0; i < h->tx_count; i++)
		held_chain(k, h->tx[(h->tx_first + i) % MAX_HELD_TX].m);
}

/* An indirect buffer holds the one that its bytes lie in. */
static void
held_by_indirect(struct holders *k)
{
	for (uint32_t i = 0; i < k->n; i++) {
		if (RTE_MBUF_CLONED(k->m[i]))
			held(k, rte_mbuf_from_indirect(k->m[i]));
	}
}

void
inside_account(struct host *h)
{
	struct holders *k = &holders;
	uint32_t out = rte_mempool_in_use_count(h->mem->pkt) +
		       rte_mempool_in_use_count(h->mem->hdr) +
		       rte_mempool_in_use_count(h->mem->ind);

	k->n = 0;
	k->epoch++;
	held_by_stack(k, h->tcp);
	held_by_wire(k, h->wire);
	held_by_apps(k, h);
	held_by_indirect(k);
	if (k->n != out)
		world_fault(h->w, "host %u: %u buffers are out of their pools, %u have holders",
			    h->id, out, k->n);
	for (uint32_t i = 0; i < k->n; i++) {
		if (rte_mbuf_refcnt_read(k->m[i]) != k->m[i]->dynfield1[1])
			world_fault(h->w, "host %u: a buffer with %u references and %u holders",
				    h->id, rte_mbuf_refcnt_read(k->m[i]),
				    (unsigned int)k->m[i]->dynfield1[1]);
	}
}
