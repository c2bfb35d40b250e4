/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What an acknowledgement does to the sending side (RFC 9293 3.10.7.4 fifth, 5681, 5961): first
 * what it says is collected, then it is given to those who learn from it.
 */
#include <rte_common.h>

#include "loss_pvt.h"

/* Karn: bytes that were sent twice say nothing; a timestamp that is echoed does. */
static void
sample(struct pw_tcp *t, struct pw_tcp_conn *c, const struct pw_tcp_seg *s,
       const struct ack_news *n)
{
	if (n->acked == 0 && n->sent == 0)
		return;
	if (n->sent != 0 && !n->rtx) {
		uint64_t us = (t->now - n->sent) / 1000;

		pw_tcp_rtt_sample(c, us);
		pw_tcp_rtt_least(t, c, us);
	} else if ((c->flags & CONN_TS) && (s->opts & SEG_OPT_TS) && s->ts_ecr != 0 &&
		   seq_le(s->ts_ecr, tcp_ts_now(t))) {
		pw_tcp_rtt_sample(c, (uint64_t)(tcp_ts_now(t) - s->ts_ecr) * 1000);
	} else if (n->rtx) {
		return; /* the backoff stays until there is a sample (RFC 6298 5, Karn) */
	}
	c->backoff = 0;
	if (c->flight != NULL)
		c->flight->tlp_no_rtt = 0;
}

/* Take the records that end before the acknowledgement off the flight. */
static void
acked_records(struct pw_tcp *t, struct pw_tcp_conn *c, const struct pw_tcp_seg *s,
	      struct ack_news *n)
{
	struct tx_flight *f = c->flight;

	while (f->nb > 0) {
		struct tx_rec *r = flight_rec(flight_first(f));
		uint32_t covered = RTE_MIN(seq_ahead(r->seq, s->ack), rec_len(r));

		if (covered == 0)
			return;
		n->rtx |= !!(r->flags & TX_RTX);
		if (!(r->flags & TX_SACKED))
			n->delivered += covered;
		if (covered < rec_len(r)) {
			pw_tcp_flight_trim(c, s->ack);
			return;
		}
		if (!(r->flags & TX_SACKED)) {
			pw_tcp_rack_delivered(t, c, r, s);
			pw_tcp_mtu_arrived(t, c, r);
			n->sent = r->sent;
		}
		pw_tcp_flight_pop(t, c);
	}
}

static void
new_ack(struct pw_tcp *t, struct pw_tcp_conn *c, const struct pw_tcp_seg *s, struct ack_news *n)
{
	uint32_t bytes;

	n->acked = s->ack - c->snd_una;
	bytes = RTE_MIN(n->acked, c->sq_bytes);
	if ((c->flags & CONN_FIN_QUEUED) && n->acked > c->sq_bytes)
		c->flags |= CONN_FIN_ACKED;
	if (c->flight != NULL) {
		acked_records(t, c, s, n);
		c->flight->mss_before = 0; /* what got through is the size to come back to */
	}
	pw_tcp_sq_ack(t, c, bytes);
	c->snd_una = s->ack;
	c->progress = tcp_ms(t);
	c->rtos = 0;
	c->flags &= ~CONN_SOFT_ERROR;
	if (bytes > 0)
		pw_tcp_post(t, c, CONN_EV_ACKED);
	pw_tcp_dirty(t, c);
}

/* RFC 5681 2 says what counts as a duplicate; answers to window probes look the same and do not. */
static bool
is_repeated(const struct pw_tcp_conn *c, const struct pw_tcp_seg *s)
{
	return s->ack == c->snd_una && seg_span(s) == 0 && !s->duplicate &&
	       seg_window(c, s) == c->snd_wnd && c->snd_wnd != 0 && !(c->flags & CONN_PERSIST);
}

/* Nothing is on its way any more, or what is has a timer. */
static void
settle(struct pw_tcp *t, struct pw_tcp_conn *c, const struct ack_news *n)
{
	struct tx_flight *f = c->flight;

	if (c->snd_una == c->snd_max) {
		/* RFC 8985 7.4: the next acknowledgement will tell. */
		if (f != NULL && f->tlp_out && f->tlp_rtx)
			c->flags |= CONN_TLP_OPEN;
		pw_tcp_flight_end(t, c);
		if (n->acked > 0) {
			c->t_rtx = 0;
			c->flags &= ~CONN_PERSIST;
		}
	} else if (f != NULL && !(c->flags & CONN_PERSIST)) {
		if (n->acked > 0)
			pw_tcp_rtx_restart(t, c);
		else if (n->delivered > 0 || n->duplicate)
			pw_tcp_rtx_arm(t, c);
	}
}

/*
 * RFC 9293 3.10.7.4: newer segments update the window. SND.WL2 <= SEG.ACK holds for every
 * acknowledgement that is not older than SND.UNA; one that moves SND.UNA is newer than all before,
 * even in a retransmission, whose sequence number lies behind SND.WL1.
 */
static void
update_window(struct pw_tcp *t, struct pw_tcp_conn *c, const struct pw_tcp_seg *s, bool moved)
{
	uint32_t wnd = seg_window(c, s), old = c->snd_wnd;

	if (!moved && seq_lt(s->seq, c->snd_wl1))
		return;
	c->snd_wl1 = seq_max(c->snd_wl1, s->seq);
	c->snd_wnd = wnd;
	c->max_wnd = RTE_MAX(c->max_wnd, wnd);
	if (wnd <= old)
		return;
	if (c->flags & CONN_PERSIST) {
		c->flags &= ~CONN_PERSIST;
		c->t_rtx = 0;
		c->backoff = 0;
		if (c->flight != NULL) {
			/* What a probe carried goes again with the rest. */
			pw_tcp_flight_lose_all(c->flight);
			pw_tcp_rtx_restart(t, c);
		}
	}
	pw_tcp_dirty(t, c);
}

bool
pw_tcp_ack_input(struct pw_tcp *t, struct pw_tcp_conn *c, const struct pw_tcp_seg *s)
{
	struct ack_news n = {.flight = c->snd_max - c->snd_una};

	/* RFC 5961 5.2 */
	if (seq_gt(s->ack, c->snd_max) || seq_lt(s->ack, c->snd_una - c->max_wnd)) {
		t->count.drop_ack++;
		pw_tcp_challenge(t, c);
		return false;
	}
	if (seq_lt(s->ack, c->snd_una))
		return true;
	if (c->flight != NULL)
		n.sacked_before = c->flight->sacked;
	if (s->ack != c->snd_una) {
		new_ack(t, c, s, &n);
	} else if (is_repeated(c, s)) {
		n.repeated = s->nb_sack == 0;
		n.duplicate = n.repeated && c->flight != NULL;
		t->count.dup_acks_in += c->flight != NULL;
		pw_tcp_dirty(t, c);
	}
	if ((c->flags & CONN_SACK) && s->nb_sack > 0)
		pw_tcp_sack_input(t, c, s, &n);
	sample(t, c, s, &n);
	if (c->flags & CONN_SACK) {
		pw_tcp_rack_dsack(c, &n);
		pw_tcp_tlp_acked(t, c, &n);
	}
	if (c->flight != NULL)
		pw_tcp_recovery_acked(t, c, &n);
	settle(t, c, &n);
	update_window(t, c, s, n.acked > 0);
	return true;
}
