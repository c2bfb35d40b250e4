/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Payload: in order it is linked to the receive queue segment by segment, beyond a gap it waits in
 * a short sorted list. A buffer's sequence number stands in hash.usr there; an entry never overlaps
 * its neighbours. Every buffer is direct and ours alone when it arrives; from the moment it stands
 * in the queue the application may hold it too, so its `next` is cleared before the queue lets go.
 */
#include <rte_common.h>

#include "stack_pvt.h"

void
pw_tcp_seg_trim_head(struct pw_tcp_seg *s, uint32_t n)
{
	s->seq += n;
	s->len -= n;
	while (n > 0) {
		struct rte_mbuf *m = s->m, *next = m->next;

		if (n < m->data_len) {
			m->data_off += n;
			m->data_len -= n;
			return;
		}
		n -= m->data_len;
		m->next = NULL;
		m->nb_segs = 1;
		rte_pktmbuf_free_seg(m);
		s->m = next;
	}
}

void
pw_tcp_seg_trim_tail(struct pw_tcp_seg *s, uint32_t n)
{
	struct rte_mbuf **link = &s->m, *m;
	uint32_t keep;

	s->len -= n;
	keep = s->len;
	while ((m = *link) != NULL && keep >= m->data_len && keep > 0) {
		keep -= m->data_len;
		link = &m->next;
	}
	if (m != NULL && keep > 0) {
		m->data_len = (uint16_t)keep;
		link = &m->next;
	}
	m = *link;
	*link = NULL;
	while (m != NULL) {
		struct rte_mbuf *next = m->next;

		m->next = NULL;
		m->nb_segs = 1;
		rte_pktmbuf_free_seg(m);
		m = next;
	}
}

/* Take the first buffer of a chain, alone; NULL at its end. */
static struct rte_mbuf *
take_first(struct rte_mbuf **chain)
{
	struct rte_mbuf *m = *chain;

	if (m == NULL)
		return NULL;
	*chain = m->next;
	m->next = NULL;
	m->nb_segs = 1;
	m->pkt_len = m->data_len;
	return m;
}

/*
 * Copy a small buffer behind the bytes of another one that nobody else reads, so that tiny segments
 * do not pin a buffer each.
 */
static bool
joins(struct pw_tcp *t, struct rte_mbuf *into, struct rte_mbuf *m)
{
	if (into == NULL || m->data_len > t->conf.rx_copy_break ||
	    rte_pktmbuf_tailroom(into) < m->data_len || rte_mbuf_refcnt_read(into) != 1 ||
	    !RTE_MBUF_DIRECT(into))
		return false;
	memcpy(rte_pktmbuf_mtod_offset(into, uint8_t *, into->data_len),
	       rte_pktmbuf_mtod(m, uint8_t *), m->data_len);
	into->data_len += m->data_len;
	into->pkt_len = into->data_len;
	rte_pktmbuf_free_seg(m);
	t->count.rx_coalesced++;
	return true;
}

/* One buffer, in order and alone. */
static void
append(struct pw_tcp *t, struct pw_tcp_conn *c, struct rte_mbuf *m)
{
	uint32_t len = m->data_len;

	c->rcv_nxt += len;
	t->count.bytes_in += len;
	if (len == 0) {
		rte_pktmbuf_free_seg(m);
		return;
	}
	c->rx_len += len;
	if (joins(t, c->rx_tail, m))
		return;
	if (c->rx_tail != NULL)
		c->rx_tail->next = m;
	else
		c->rx_head = m;
	c->rx_tail = m;
}

static struct rte_mbuf *
ooo_pop(struct pw_tcp *t, struct pw_tcp_conn *c)
{
	struct rte_mbuf *m = take_first(&c->ooo);

	c->ooo_count--;
	t->nb_ooo--;
	return m;
}

/* Append what the last bytes have connected. */
static void
ooo_drain(struct pw_tcp *t, struct pw_tcp_conn *c)
{
	while (c->ooo != NULL && seq_le(c->ooo->hash.usr, c->rcv_nxt)) {
		struct rte_mbuf *m = ooo_pop(t, c);
		uint32_t old = c->rcv_nxt - m->hash.usr;

		if (old >= m->data_len) {
			t->count.drop_duplicate += m->data_len;
			rte_pktmbuf_free_seg(m);
			continue;
		}
		t->count.drop_duplicate += old;
		m->data_off += old;
		m->data_len -= old;
		m->pkt_len = m->data_len;
		append(t, c, m);
	}
}

/* Is there room for one more; where the list is full, the last entry yields to an earlier one. */
static bool
ooo_room(struct pw_tcp *t, struct pw_tcp_conn *c, uint32_t seq)
{
	struct rte_mbuf **link = &c->ooo;

	if (c->ooo_count < RTE_MIN(t->conf.max_ooo, (uint32_t)UINT8_MAX) &&
	    t->nb_ooo < t->conf.max_ooo_total)
		return true;
	t->count.drop_ooo_full++;
	if (c->ooo == NULL)
		return false;
	while ((*link)->next != NULL)
		link = &(*link)->next;
	if (!seq_lt(seq, (*link)->hash.usr))
		return false;
	rte_pktmbuf_free_seg(take_first(link));
	c->ooo_count--;
	t->nb_ooo--;
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
		t->count.drop_duplicate += dup;
		cut_front(m, dup);
	}
	/* Entries that this one covers go; the first that it only reaches into cuts it. */
	while (m->data_len > 0 && (at = *link) != NULL && seq_lt(at->hash.usr, end)) {
		uint32_t over = end - at->hash.usr;

		if (over < at->data_len) {
			t->count.drop_duplicate += over;
			m->data_len -= over;
			m->pkt_len = m->data_len;
			break;
		}
		t->count.drop_duplicate += at->data_len;
		rte_pktmbuf_free_seg(take_first(link));
		c->ooo_count--;
		t->nb_ooo--;
	}
	if (m->data_len == 0) {
		rte_pktmbuf_free_seg(m);
		return;
	}
	if (before != NULL && before->hash.usr + before->data_len == m->hash.usr &&
	    joins(t, before, m))
		return;
	m->next = *link;
	*link = m;
	c->ooo_count++;
	t->nb_ooo++;
}

/* Do all of these bytes stand in the list already? */
static bool
ooo_covers(const struct pw_tcp_conn *c, uint32_t seq, uint32_t len)
{
	uint32_t end = seq + len;

	for (const struct rte_mbuf *at = c->ooo; at != NULL && seq_lt(seq, end); at = at->next) {
		if (seq_gt(at->hash.usr, seq))
			return false;
		seq = seq_max(seq, at->hash.usr + at->data_len);
	}
	return seq_ge(seq, end);
}

static void
hold(struct pw_tcp *t, struct pw_tcp_conn *c, struct pw_tcp_seg *s)
{
	uint32_t seq = s->seq;
	struct rte_mbuf *m;

	/* Out-of-order data is the first to go when buffers run short. */
	if (t->pressure > 0) {
		t->count.drop_pressure++;
		return;
	}
	t->count.ooo_in++;
	while ((m = take_first(&s->m)) != NULL) {
		uint32_t len = m->data_len;

		m->hash.usr = seq;
		seq += len;
		if (ooo_covers(c, m->hash.usr, len)) {
			/* Nothing yields its place to what it brings. */
			t->count.drop_duplicate += len;
			rte_pktmbuf_free_seg(m);
		} else if (!ooo_room(t, c, m->hash.usr)) {
			rte_pktmbuf_free_seg(m);
		} else {
			ooo_insert(t, c, m);
		}
	}
}

/* Cut a segment to the window and to what stands before the peer's FIN. */
static void
fit(struct pw_tcp *t, struct pw_tcp_conn *c, struct pw_tcp_seg *s)
{
	uint32_t old = RTE_MIN(seq_ahead(s->seq, c->rcv_nxt), s->len);
	uint32_t over;

	if (old > 0) {
		t->count.drop_duplicate += old;
		pw_tcp_seg_trim_head(s, old);
		c->flags |= CONN_ACK_NOW;
	}
	over = RTE_MIN(seq_ahead(c->rcv_adv, s->seq + s->len), s->len);
	if (over > 0) {
		t->count.drop_window += over;
		pw_tcp_seg_trim_tail(s, over);
		s->flags &= ~TCP_FIN;
		c->flags |= CONN_ACK_NOW;
	}
	if ((s->flags & TCP_FIN) && !(c->flags & CONN_FIN_KNOWN)) {
		c->rcv_fin = s->seq + s->len;
		c->flags |= CONN_FIN_KNOWN;
	}
	if (c->flags & CONN_FIN_KNOWN) {
		over = RTE_MIN(seq_ahead(c->rcv_fin, s->seq + s->len), s->len);
		if (over > 0)
			pw_tcp_seg_trim_tail(s, over);
	}
}

/*
 * RFC 9293 3.8.6.3, RFC 5681 4.2: the second segment at the latest, whatever its size. A burst
 * is acknowledged once, at the flush, by data where there is some.
 */
static void
schedule_ack(struct pw_tcp *t, struct pw_tcp_conn *c)
{
	if (c->t_delack != 0)
		c->flags |= CONN_ACK_NOW;
	else
		c->t_delack = tcp_deadline(t, t->conf.delack_ms);
}

static void
take_in_order(struct pw_tcp *t, struct pw_tcp_conn *c, struct pw_tcp_seg *s)
{
	bool gap = c->ooo != NULL;
	uint32_t before = c->rx_len;
	struct rte_mbuf *m;

	while ((m = take_first(&s->m)) != NULL)
		append(t, c, m);
	if (gap) {
		ooo_drain(t, c);
		c->flags |= CONN_ACK_NOW;
	}
	schedule_ack(t, c);
	if (c->state == PW_TCP_FIN_WAIT_2 && c->t_rtx != 0)
		c->t_rtx = tcp_deadline(t, PW_TCP_FIN_WAIT_2_MS);
	if (c->rx_len != before)
		pw_tcp_post(t, c, CONN_EV_READABLE);
}

bool
pw_tcp_rx_input(struct pw_tcp *t, struct pw_tcp_conn *c, struct pw_tcp_seg *s)
{
	if (c->flags & CONN_FIN_RCVD)
		return false;
	if (s->len == 0 && !(s->flags & TCP_FIN))
		return false;
	pw_tcp_dirty(t, c);
	fit(t, c, s);
	if (s->len > 0 && s->seq == c->rcv_nxt) {
		take_in_order(t, c, s);
	} else if (s->len > 0) {
		hold(t, c, s);
		c->flags |= CONN_ACK_NOW;
	} else {
		c->flags |= CONN_ACK_NOW;
	}
	if (!(c->flags & CONN_FIN_KNOWN) || c->rcv_nxt != c->rcv_fin)
		return false;
	c->rcv_nxt++;
	c->flags |= CONN_FIN_RCVD | CONN_ACK_NOW;
	pw_tcp_ooo_release(t, c);
	return true;
}

void
pw_tcp_consume(struct pw_tcp *t, struct pw_tcp_conn *c, uint32_t n)
{
	assert(n <= c->rx_len);
	n = RTE_MIN(n, c->rx_len);
	c->rx_len -= n;
	while (n > 0) {
		struct rte_mbuf *m = c->rx_head;

		if (n < m->data_len) {
			m->data_off += n;
			m->data_len -= n;
			m->pkt_len = m->data_len;
			break;
		}
		n -= m->data_len;
		rte_pktmbuf_free_seg(take_first(&c->rx_head));
	}
	if (c->rx_head == NULL)
		c->rx_tail = NULL;
	if (c->state != PW_TCP_CLOSED)
		pw_tcp_window_opened(t, c);
}

void
pw_tcp_rx_release(struct pw_tcp_conn *c)
{
	struct rte_mbuf *m;

	while ((m = take_first(&c->rx_head)) != NULL)
		rte_pktmbuf_free_seg(m);
	c->rx_tail = NULL;
	c->rx_len = 0;
}

void
pw_tcp_ooo_release(struct pw_tcp *t, struct pw_tcp_conn *c)
{
	while (c->ooo != NULL)
		rte_pktmbuf_free_seg(ooo_pop(t, c));
}
