/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What lies beyond a gap: a short list of buffers, sorted by sequence number, that never overlap. A
 * buffer's number stands in hash.usr; hash.fdir.hi is when it came, in segments of this kind, for
 * the order in which SACK reports it (RFC 2018 4).
 */
#include <rte_common.h>

#include "rx_pvt.h"
#include "stack_pvt.h"

/* Bytes that stood in the list already. */
static void
again(struct pw_tcp *t, const struct pw_tcp_conn *c, uint32_t left, uint32_t right)
{
	t->count.drop_duplicate += right - left;
	pw_tcp_sack_duplicate(t, c, left, right);
}

/* Out of the list, wherever it stands. */
static struct rte_mbuf *
take(struct pw_tcp *t, struct pw_tcp_conn *c, struct rte_mbuf **link)
{
	c->ooo_count--;
	c->rx_bufs--;
	t->nb_ooo--;
	return pw_tcp_take_first(link);
}

static struct rte_mbuf *
ooo_pop(struct pw_tcp *t, struct pw_tcp_conn *c)
{
	return take(t, c, &c->ooo);
}

/* Append what the last bytes have connected. */
void
pw_tcp_ooo_drain(struct pw_tcp *t, struct pw_tcp_conn *c)
{
	while (c->ooo != NULL && seq_le(c->ooo->hash.usr, c->rcv_nxt)) {
		struct rte_mbuf *m = ooo_pop(t, c);
		uint32_t old = c->rcv_nxt - m->hash.usr;

		old = RTE_MIN(old, (uint32_t)m->data_len);
		again(t, c, m->hash.usr, m->hash.usr + old);
		if (old == m->data_len) {
			rte_pktmbuf_free_seg(m);
			continue;
		}
		m->data_off += old;
		m->data_len -= old;
		m->pkt_len = m->data_len;
		pw_tcp_rx_append(t, c, m);
	}
}

static struct rte_mbuf **
last_link(struct pw_tcp_conn *c)
{
	struct rte_mbuf **link = &c->ooo;

	while ((*link)->next != NULL)
		link = &(*link)->next;
	return link;
}

void
pw_tcp_ooo_drop_last(struct pw_tcp *t, struct pw_tcp_conn *c)
{
	rte_pktmbuf_free_seg(take(t, c, last_link(c)));
}

/*
 * Is there room for one more? Where all connections hold too much, whoever began first yields his
 * last entry. Where this one does, its last entry yields to an earlier one, but not where it was
 * reported: the peer may believe that we keep it (RFC 2018 8), and sends the earlier one again in
 * any case.
 */
static bool
ooo_room(struct pw_tcp *t, struct pw_tcp_conn *c, uint32_t seq)
{
	bool room = c->ooo_count < RTE_MIN(t->conf.max_ooo, (uint32_t)UINT8_MAX);

	if (room && t->nb_ooo < t->conf.max_ooo_total)
		return true;
	t->count.drop_ooo_full++;
	if (room && pw_tcp_gap_yield(t, c))
		return true;
	if (c->ooo == NULL || (c->flags & CONN_SACK) || !seq_lt(seq, (*last_link(c))->hash.usr))
		return false;
	pw_tcp_ooo_drop_last(t, c);
	return true;
}

static void
cut_front(struct rte_mbuf *m, uint32_t n)
{
	m->hash.usr += n;
	m->data_off += n;
	m->data_len -= n;
	m->pkt_len = m->data_len;
}

/* One buffer beyond a gap. Bytes that stand in the list already win over those that come again. */
static void
ooo_insert(struct pw_tcp *t, struct pw_tcp_conn *c, struct rte_mbuf *m)
{
	struct rte_mbuf **link = &c->ooo, *before = NULL, *at;
	uint32_t end;

	while (*link != NULL && seq_le((*link)->hash.usr, m->hash.usr)) {
		before = *link;
		link = &before->next;
	}
	end = m->hash.usr + m->data_len;
	if (before != NULL) {
		uint32_t dup = seq_ahead(m->hash.usr, before->hash.usr + before->data_len);

		dup = RTE_MIN(dup, (uint32_t)m->data_len);
		again(t, c, m->hash.usr, m->hash.usr + dup);
		cut_front(m, dup);
	}
	/* Entries that this one covers go; the first that it only reaches into cuts it. */
	while (m->data_len > 0 && (at = *link) != NULL && seq_lt(at->hash.usr, end)) {
		uint32_t over = end - at->hash.usr;

		if (over < at->data_len) {
			again(t, c, at->hash.usr, end);
			m->data_len -= over;
			m->pkt_len = m->data_len;
			break;
		}
		again(t, c, at->hash.usr, at->hash.usr + at->data_len);
		rte_pktmbuf_free_seg(take(t, c, link));
	}
	if (m->data_len == 0) {
		rte_pktmbuf_free_seg(m);
		return;
	}
	if (before != NULL && before->hash.usr + before->data_len == m->hash.usr &&
	    pw_tcp_rx_join(t, before, m, t->conf.rx_copy_break)) {
		before->hash.fdir.hi = t->ooo_clock;
		return;
	}
	if (c->ooo == NULL)
		pw_tcp_gap_began(t, c);
	m->hash.fdir.hi = t->ooo_clock;
	m->next = *link;
	*link = m;
	c->ooo_count++;
	c->rx_bufs++;
	t->nb_ooo++;
}

/* Do all of these bytes stand in the list already? Then it is they that came last. */
static bool
ooo_covers(const struct pw_tcp *t, const struct pw_tcp_conn *c, uint32_t seq, uint32_t len)
{
	uint32_t end = seq + len;
	struct rte_mbuf *last = NULL;

	for (struct rte_mbuf *at = c->ooo; at != NULL && seq_lt(seq, end); at = at->next) {
		if (seq_gt(at->hash.usr, seq))
			return false;
		if (seq_lt(seq, at->hash.usr + at->data_len))
			last = at;
		seq = seq_max(seq, at->hash.usr + at->data_len);
	}
	if (last == NULL || seq_lt(seq, end))
		return false;
	last->hash.fdir.hi = t->ooo_clock;
	return true;
}

void
pw_tcp_ooo_hold(struct pw_tcp *t, struct pw_tcp_conn *c, struct pw_tcp_seg *s)
{
	uint32_t seq = s->seq;
	struct rte_mbuf *m;

	/* Out-of-order data is the first to go when buffers run short. */
	if (t->pressure > 0) {
		t->count.drop_pressure++;
		return;
	}
	t->count.ooo_in++;
	t->ooo_clock++;
	while ((m = pw_tcp_take_first(&s->m)) != NULL) {
		uint32_t len = m->data_len;

		m->hash.usr = seq;
		seq += len;
		if (ooo_covers(t, c, m->hash.usr, len)) {
			/* Nothing yields its place to what it brings. */
			again(t, c, m->hash.usr, m->hash.usr + len);
			rte_pktmbuf_free_seg(m);
		} else if (!ooo_room(t, c, m->hash.usr)) {
			rte_pktmbuf_free_seg(m);
		} else {
			ooo_insert(t, c, m);
		}
	}
}

void
pw_tcp_ooo_release(struct pw_tcp *t, struct pw_tcp_conn *c)
{
	while (c->ooo != NULL)
		rte_pktmbuf_free_seg(ooo_pop(t, c));
}
