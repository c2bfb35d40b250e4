/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Payload: in order it is linked to the receive queue segment by segment, beyond a gap it waits in
 * a short sorted list (ooo.c). Every buffer is direct and ours alone when it arrives; from the
 * moment it stands in the queue the application may hold it too, so its `next` is cleared before
 * the queue lets go.
 *
 * A peer that sends little in each segment pins a buffer with each. Small ones are copied behind
 * the bytes before them, as far as nobody else holds that buffer; and larger ones too, once the
 * connection has used a quarter of its buffers for less than their share of the window. So the
 * window in bytes is the narrower one, unless the application holds what it has not consumed.
 */
#include <rte_common.h>

#include <pubwire/base/sumnote.h>

#include "rx_pvt.h"
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

struct rte_mbuf *
pw_tcp_take_first(struct rte_mbuf **chain)
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

bool
pw_tcp_rx_join(struct pw_tcp *t, struct rte_mbuf *into, struct rte_mbuf *m, uint32_t most)
{
	if (into == NULL || m->data_len > most || rte_pktmbuf_tailroom(into) < m->data_len ||
	    rte_mbuf_refcnt_read(into) != 1 || !RTE_MBUF_DIRECT(into))
		return false;
	/* What was cut off its end is written over. */
	pw_sumnote_forget(into);
	memcpy(rte_pktmbuf_mtod_offset(into, uint8_t *, into->data_len),
	       rte_pktmbuf_mtod(m, uint8_t *), m->data_len);
	into->data_len += m->data_len;
	into->pkt_len = into->data_len;
	rte_pktmbuf_free_seg(m);
	t->count.rx_coalesced++;
	return true;
}

/* The longest buffer that is copied behind the one before it. */
static uint32_t
copy_break(const struct pw_tcp *t, const struct pw_tcp_conn *c)
{
	if (c->rx_bufs < t->conf.rx_buffers / 4 ||
	    (uint64_t)c->rx_bufs * pw_tcp_buffer_share(t) <= c->rx_len)
		return t->conf.rx_copy_break;
	return UINT16_MAX;
}

void
pw_tcp_rx_append(struct pw_tcp *t, struct pw_tcp_conn *c, struct rte_mbuf *m)
{
	uint32_t len = m->data_len;

	c->rcv_nxt += len;
	t->count.bytes_in += len;
	if (len == 0) {
		rte_pktmbuf_free_seg(m);
		return;
	}
	c->rx_len += len;
	if (pw_tcp_rx_join(t, c->rx_tail, m, copy_break(t, c)))
		return;
	c->rx_bufs++;
	if (c->rx_tail != NULL)
		c->rx_tail->next = m;
	else
		c->rx_head = m;
	c->rx_tail = m;
}

/* Cut a segment to the window and to what stands before the peer's FIN. */
static void
fit(struct pw_tcp *t, struct pw_tcp_conn *c, struct pw_tcp_seg *s)
{
	uint32_t old = RTE_MIN(seq_ahead(s->seq, c->rcv_nxt), s->len);
	uint32_t over;

	if (old > 0) {
		t->count.drop_duplicate += old;
		pw_tcp_sack_duplicate(t, c, s->seq, s->seq + old);
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

/*
 * RFC 5681 4.2: an acknowledgement for each segment beyond a gap. A peer without SACK counts them,
 * but three are all that it needs (3.2), so that a burst of theirs is no larger one of ours.
 */
static void
beyond_gap(struct pw_tcp_conn *c)
{
	c->flags |= CONN_ACK_NOW;
	if (!(c->flags & CONN_SACK) && (c->flags & CONN_BEYOND) != CONN_BEYOND)
		c->flags += CONN_BEYOND_ONE;
}

/*
 * A peer that still sends has not died, but after the close it gets no more of our time than one
 * that acknowledges nothing.
 */
static void
prolong_fin_wait_2(struct pw_tcp *t, struct pw_tcp_conn *c)
{
	uint32_t last = c->progress + t->conf.user_timeout_ms, d;

	if (c->state != PW_TCP_FIN_WAIT_2 || c->t_rtx == 0)
		return;
	d = tcp_deadline(t, PW_TCP_FIN_WAIT_2_MS);
	d = seq_lt(last, d) ? last : d;
	if (seq_lt(c->t_rtx, d))
		c->t_rtx = d != 0 ? d : 1;
}

void
pw_tcp_rx_in_order(struct pw_tcp *t, struct pw_tcp_conn *c, struct pw_tcp_seg *s)
{
	bool gap = c->ooo != NULL;
	uint32_t before = c->rx_len;
	struct rte_mbuf *m;

	while ((m = pw_tcp_take_first(&s->m)) != NULL)
		pw_tcp_rx_append(t, c, m);
	if (gap) {
		pw_tcp_ooo_drain(t, c);
		pw_tcp_gap_moved(t, c);
		/* Those that came before acknowledge what is out of date. */
		c->flags &= ~(uint32_t)CONN_BEYOND;
		c->flags |= CONN_ACK_NOW;
	}
	schedule_ack(t, c);
	prolong_fin_wait_2(t, c);
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
		pw_tcp_rx_in_order(t, c, s);
	} else if (s->len > 0) {
		pw_tcp_ooo_hold(t, c, s);
		beyond_gap(c);
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
		rte_pktmbuf_free_seg(pw_tcp_take_first(&c->rx_head));
		c->rx_bufs--;
	}
	if (c->rx_head == NULL)
		c->rx_tail = NULL;
	if (c->state != PW_TCP_CLOSED)
		pw_tcp_window_opened(t, c);
	else if (c->rx_len == 0)
		pw_tcp_conn_read_up(t, c);
}

void
pw_tcp_rx_release(struct pw_tcp_conn *c)
{
	struct rte_mbuf *m;

	while ((m = pw_tcp_take_first(&c->rx_head)) != NULL) {
		rte_pktmbuf_free_seg(m);
		c->rx_bufs--;
	}
	c->rx_tail = NULL;
	c->rx_len = 0;
}
