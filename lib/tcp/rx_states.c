/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * SEGMENT ARRIVES (RFC 9293 3.10.7), in the order of the text: sequence number, RST, SYN, ACK,
 * payload, FIN. RFC 5961 sharpens the middle ones, RFC 7323 comes first with its timestamps.
 */
#include <rte_common.h>

#include "header_pvt.h"
#include "stack_pvt.h"

static void
enter_fin_wait_2(struct pw_tcp *t, struct pw_tcp_conn *c)
{
	pw_tcp_conn_state(c, PW_TCP_FIN_WAIT_2);
	if (c->flags & CONN_DISCARD)
		c->t_rtx = tcp_deadline(t, PW_TCP_FIN_WAIT_2_MS);
}

/* The peer's FIN is in order (RFC 9293 3.10.7.4, eighth). */
static void
fin_arrived(struct pw_tcp *t, struct pw_tcp_conn *c)
{
	pw_tcp_post(t, c, CONN_EV_READABLE);
	switch (c->state) {
	case PW_TCP_ESTABLISHED:
		pw_tcp_conn_state(c, PW_TCP_CLOSE_WAIT);
		break;
	case PW_TCP_FIN_WAIT_1:
		pw_tcp_conn_state(c, PW_TCP_CLOSING);
		break;
	case PW_TCP_FIN_WAIT_2:
		pw_tcp_tw_enter(t, c);
		break;
	default:
		break;
	}
}

/* Our FIN was acknowledged. False where the connection is over. */
static bool
fin_acked(struct pw_tcp *t, struct pw_tcp_conn *c)
{
	switch (c->state) {
	case PW_TCP_FIN_WAIT_1:
		enter_fin_wait_2(t, c);
		return true;
	case PW_TCP_CLOSING:
		pw_tcp_tw_enter(t, c);
		return false;
	case PW_TCP_LAST_ACK:
		pw_tcp_conn_end(t, c, PW_TCP_END_CLOSED);
		return false;
	default:
		return true;
	}
}

/*
 * Where we stand, for a segment that is out of place. One that takes up sequence space will be
 * repeated until it is answered. A bare one may be a keepalive probe, which always deserves an
 * answer, or half of a dispute between two ends that would go on for ever: so one in a while.
 */
static void
answer_stray(struct pw_tcp *t, struct pw_tcp_conn *c, const struct pw_tcp_seg *s)
{
	if (s->flags & TCP_SYN) {
		pw_tcp_challenge(t, c); /* RFC 5961 4.2: irrespective of the sequence number */
		return;
	}
	if (seg_span(s) == 0 && !pw_tcp_stray_allowed(t, c))
		return;
	c->flags |= CONN_ACK_NOW;
	pw_tcp_dirty(t, c);
}

/* RFC 7323 5.3: an older timestamp than the last one in order is a stray of long ago. */
static bool
timestamp_ok(struct pw_tcp *t, struct pw_tcp_conn *c, const struct pw_tcp_seg *s)
{
	if (!(c->flags & CONN_TS) || (s->flags & TCP_RST))
		return true;
	if (!(s->opts & SEG_OPT_TS)) {
		/* A peer that has restarted must hear of the old connection (RFC 5961 4.2). */
		if (s->flags & TCP_SYN)
			return true;
		t->count.drop_paws++; /* RFC 7323 3.2: silently */
		return false;
	}
	if ((c->flags & CONN_TS_STALE) || seq_ge(s->ts_val, c->ts_recent))
		return true;
	t->count.drop_paws++;
	answer_stray(t, c, s);
	return false;
}

/*
 * The four cases of RFC 9293 table 6, and one more: a bare acknowledgement right at the edge. A
 * peer that has filled our window sends all of them there; to refuse them while a segment of that
 * window is missing would leave our own data unacknowledged.
 */
static bool
in_window(const struct pw_tcp_conn *c, const struct pw_tcp_seg *s)
{
	uint32_t wnd = conn_rcv_wnd(c), span = seg_span(s);

	if (span == 0 && !(s->flags & TCP_RST))
		return seq_ge(s->seq, c->rcv_nxt) && seq_le(s->seq, c->rcv_nxt + wnd);
	if (span == 0)
		return s->seq == c->rcv_nxt ||
		       (seq_gt(s->seq, c->rcv_nxt) && seq_lt(s->seq, c->rcv_nxt + wnd));
	if (wnd == 0)
		return false;
	return seq_lt(s->seq, c->rcv_nxt + wnd) && seq_gt(s->seq + span, c->rcv_nxt);
}

/* Take the payload away, leave the acknowledgement. */
static void
strip(struct pw_tcp *t, struct pw_tcp_conn *c, struct pw_tcp_seg *s)
{
	if (s->len > 0)
		pw_tcp_seg_trim_tail(s, s->len);
	s->flags &= ~(TCP_FIN | TCP_PSH);
	s->duplicate = true;
	c->flags |= CONN_ACK_NOW;
	pw_tcp_dirty(t, c);
}

/*
 * First check. A segment that brings nothing new, and one that meets a closed window, still
 * have an acknowledgement worth reading; everything else outside is answered and dropped.
 */
static bool
sequence_ok(struct pw_tcp *t, struct pw_tcp_conn *c, struct pw_tcp_seg *s)
{
	bool plain;

	if (c->state == PW_TCP_SYN_RECEIVED &&
	    (s->flags & (TCP_SYN | TCP_ACK)) == (TCP_SYN | TCP_ACK) && s->seq + 1 == c->rcv_nxt) {
		/* Both opened: the peer's SYN again, with the acknowledgement of ours (figure 7).
		 */
		s->flags &= ~TCP_SYN;
		s->was_syn = true;
		s->seq++;
	}
	plain = (s->flags & (TCP_SYN | TCP_RST | TCP_ACK)) == TCP_ACK;
	if (in_window(c, s))
		return true;
	if (plain && seg_span(s) > 0 && conn_synchronized(c)) {
		bool old = seq_le(s->seq + seg_span(s), c->rcv_nxt);
		uint32_t again = seq_ahead(s->seq, c->rcv_nxt);

		if (again <= t->conf.rx_window && seq_le(s->seq, c->rcv_nxt) &&
		    (old || conn_rcv_wnd(c) == 0)) {
			again = RTE_MIN(again, s->len);
			t->count.drop_duplicate += again;
			pw_tcp_sack_duplicate(t, c, s->seq, s->seq + again);
			t->count.drop_window += s->len - again;
			if (!old)
				pw_tcp_seg_trim_head(s, again);
			strip(t, c, s);
			return true;
		}
	}
	t->count.drop_seq++;
	if (s->flags & TCP_RST)
		return false;
	if (c->state == PW_TCP_SYN_RECEIVED && (s->flags & TCP_SYN) && s->seq + 1 == c->rcv_nxt) {
		/* Our SYN|ACK was lost. The timer that reaps runs on: repeating a SYN holds no
		 * place. */
		uint32_t reap = c->t_rtx;

		c->flags |= CONN_SYN_RTX;
		if (pw_tcp_send_syn(t, c) == 0) {
			t->count.retransmits++;
			c->retransmits++;
		}
		c->t_rtx = reap;
	} else {
		answer_stray(t, c, s);
	}
	return false;
}

/* Second check (RFC 5961 3.2): only the exact sequence number resets. */
static void
reset_arrived(struct pw_tcp *t, struct pw_tcp_conn *c, const struct pw_tcp_seg *s)
{
	if (s->seq != c->rcv_nxt) {
		pw_tcp_challenge(t, c);
		return;
	}
	t->count.resets_in++;
	pw_tcp_conn_end(t, c,
			c->state == PW_TCP_SYN_RECEIVED ? PW_TCP_END_REFUSED : PW_TCP_END_RESET);
}

/* The time of the handshake, where it is known which of our SYN was answered (Karn). */
static void
handshake_sample(struct pw_tcp *t, struct pw_tcp_conn *c)
{
	if (!(c->flags & CONN_SYN_RTX))
		pw_tcp_rtt_sample(c, (uint64_t)(tcp_ms(t) - c->progress) * 1000);
}

/* Fifth check in SYN_RECEIVED. False where the segment is to be dropped. */
static bool
handshake_acked(struct pw_tcp *t, struct pw_tcp_conn *c, const struct pw_tcp_seg *s)
{
	if (!seq_gt(s->ack, c->snd_una) || seq_gt(s->ack, c->snd_max)) {
		t->count.drop_ack++;
		pw_tcp_refuse(t, s);
		return false;
	}
	c->snd_una++;
	c->snd_wnd = seg_window(c, s);
	c->max_wnd = c->snd_wnd;
	c->snd_wl1 = s->seq;
	handshake_sample(t, c);
	pw_tcp_conn_established(t, c);
	return true;
}

/*
 * RFC 7323 4.3, for a segment whose acknowledgement was accepted. One that lies before rcv_nxt,
 * stripped of its bytes, is none that 5.3 R3 gets to see: whoever forges it must not move PAWS.
 */
static void
remember_timestamp(struct pw_tcp_conn *c, const struct pw_tcp_seg *s)
{
	if (!(c->flags & CONN_TS) || !(s->opts & SEG_OPT_TS) || seq_gt(s->seq, c->last_ack))
		return;
	if (seq_lt(s->seq + seg_span(s), c->rcv_nxt))
		return;
	if ((c->flags & CONN_TS_STALE) || seq_ge(s->ts_val, c->ts_recent)) {
		c->ts_recent = s->ts_val;
		c->flags &= ~CONN_TS_STALE;
	}
}

/* Payload and FIN, in the states that can still receive. */
static void
text_and_fin(struct pw_tcp *t, struct pw_tcp_conn *c, struct pw_tcp_seg *s)
{
	switch (c->state) {
	case PW_TCP_ESTABLISHED:
	case PW_TCP_FIN_WAIT_1:
	case PW_TCP_FIN_WAIT_2:
		if (pw_tcp_rx_input(t, c, s))
			fin_arrived(t, c);
		return;
	default:
		/* After the peer's FIN: "ignore the segment text"; a repeated FIN is acknowledged.
		 */
		if (seg_span(s) > 0) {
			c->flags |= CONN_ACK_NOW;
			pw_tcp_dirty(t, c);
		}
	}
}

static void
synchronized_input(struct pw_tcp *t, struct pw_tcp_conn *c, struct pw_tcp_seg *s)
{
	if (!timestamp_ok(t, c, s) || !sequence_ok(t, c, s))
		return;
	if (s->flags & TCP_RST) {
		reset_arrived(t, c, s);
		return;
	}
	if (s->flags & TCP_SYN) {
		pw_tcp_challenge(t, c); /* RFC 5961 4.2 */
		return;
	}
	if (!(s->flags & TCP_ACK)) {
		t->count.drop_ack++;
		return;
	}
	if (c->state == PW_TCP_SYN_RECEIVED && !handshake_acked(t, c, s))
		return;
	if (!pw_tcp_ack_input(t, c, s))
		return;
	/* RFC 5961 5.2: what is refused above may be a guess, and is no sign of life. */
	c->last_rx = tcp_ms(t);
	c->keep_probes = 0;
	remember_timestamp(c, s);
	if ((c->flags & CONN_FIN_ACKED) && !fin_acked(t, c))
		return;
	text_and_fin(t, c, s);
}

/* RFC 9293 3.10.7.3. */
static void
syn_sent_input(struct pw_tcp *t, struct pw_tcp_conn *c, struct pw_tcp_seg *s)
{
	bool acked = s->flags & TCP_ACK;

	if (acked && (!seq_gt(s->ack, c->snd_una) || seq_gt(s->ack, c->snd_max))) {
		t->count.drop_ack++;
		pw_tcp_refuse(t, s);
		return;
	}
	if (s->flags & TCP_RST) {
		if (acked) {
			t->count.resets_in++;
			pw_tcp_conn_end(t, c, PW_TCP_END_REFUSED);
		}
		return;
	}
	if (!(s->flags & TCP_SYN)) {
		t->count.drop_seq++;
		return;
	}
	c->rcv_nxt = s->seq + 1;
	/* The window of our SYN, which is never scaled, counts from here. */
	c->rcv_adv = c->rcv_nxt + pw_tcp_syn_window(t);
	c->last_ack = c->rcv_nxt;
	c->last_rx = tcp_ms(t);
	c->snd_wnd = s->wnd;
	c->max_wnd = s->wnd;
	c->snd_wl1 = s->seq;
	pw_tcp_conn_options(c, s);
	if (!acked) {
		/* Both sides open (RFC 9293 figure 7): our SYN again, with the acknowledgement. */
		pw_tcp_conn_state(c, PW_TCP_SYN_RECEIVED);
		(void)pw_tcp_send_syn(t, c);
		return;
	}
	c->snd_una = s->ack;
	handshake_sample(t, c);
	pw_tcp_conn_established(t, c);
	c->flags |= CONN_ACK_NOW;
	pw_tcp_dirty(t, c);
	s->flags &= ~TCP_SYN;
	s->seq++;
	text_and_fin(t, c, s);
}

/*
 * The segment that is expected: bytes in order and within the window, for an established connection
 * that misses nothing. Of what synchronized_input() does with it only what is left in expected()
 * has an effect.
 */
static bool
is_expected(const struct pw_tcp *t, const struct pw_tcp_conn *c, const struct pw_tcp_seg *s)
{
	if (c->state != PW_TCP_ESTABLISHED || (s->flags & ~TCP_PSH) != TCP_ACK ||
	    s->seq != c->rcv_nxt || s->len == 0 || s->len > conn_rcv_wnd(c) || c->ooo != NULL ||
	    (c->flags & (CONN_FIN_KNOWN | CONN_TS_STALE)) || t->no_prediction)
		return false;
	return !(c->flags & CONN_TS) || ((s->opts & SEG_OPT_TS) && seq_ge(s->ts_val, c->ts_recent));
}

/* Its acknowledgement and its window say nothing new, and nothing waits for either. */
static bool
says_nothing_new(const struct pw_tcp_conn *c, const struct pw_tcp_seg *s)
{
	return s->ack == c->snd_una && s->ack == c->snd_max && c->flight == NULL &&
	       s->nb_sack == 0 && seg_window(c, s) == c->snd_wnd &&
	       !(c->flags & (CONN_PERSIST | CONN_TLP_OPEN));
}

static void
expected(struct pw_tcp *t, struct pw_tcp_conn *c, struct pw_tcp_seg *s)
{
	if (says_nothing_new(c, s))
		c->snd_wl1 = seq_max(c->snd_wl1, s->seq);
	else if (!pw_tcp_ack_input(t, c, s))
		return;
	c->last_rx = tcp_ms(t);
	c->keep_probes = 0;
	if ((c->flags & CONN_TS) && seq_le(s->seq, c->last_ack))
		c->ts_recent = s->ts_val;
	pw_tcp_dirty(t, c);
	pw_tcp_rx_in_order(t, c, s);
}

void
pw_tcp_arrives(struct pw_tcp *t, struct pw_tcp_conn *c, struct pw_tcp_seg *s)
{
	if (likely(is_expected(t, c, s)))
		expected(t, c, s);
	else if (c->state == PW_TCP_SYN_SENT)
		syn_sent_input(t, c, s);
	else
		synchronized_input(t, c, s);
	/* The flush that it waits for looks at its timers. */
	if (c->state != PW_TCP_CLOSED && !(c->flags & CONN_ON_DIRTY))
		pw_tcp_timer_update(t, c);
}
