/* SPDX-License-Identifier: BSD-3-Clause */
/* What an acknowledgement does to the sending side (RFC 9293 3.10.7.4 fifth, 5681, 5961, 6582). */
#include <rte_common.h>

#include "stack_pvt.h"

#define DUP_THRESH 3 /* RFC 5681 3.2 */

static void
sample(struct pw_tcp *t, struct pw_tcp_conn *c, const struct pw_tcp_seg *s, struct sq_acked a)
{
	/* Karn: bytes that were sent twice say nothing; a timestamp that is echoed does. */
	if (a.sent != 0 && !a.rtx) {
		pw_tcp_rtt_sample(c, (t->now - a.sent) / 1000);
	} else if ((c->flags & CONN_TS) && (s->opts & SEG_OPT_TS) && s->ts_ecr != 0 &&
		   seq_le(s->ts_ecr, tcp_ts_now(t))) {
		pw_tcp_rtt_sample(c, (uint64_t)(tcp_ts_now(t) - s->ts_ecr) * 1000);
	} else if (a.rtx) {
		return; /* the backoff stays until there is a sample (RFC 6298 5, Karn) */
	}
	c->backoff = 0;
}

static void
recovery_step(struct pw_tcp *t, struct pw_tcp_conn *c, uint32_t acked, uint32_t flight)
{
	c->dupacks = 0;
	if (!(c->flags & CONN_RECOVERY)) {
		t->cc->acked(c, acked, flight);
		return;
	}
	if (seq_ge(c->snd_una, c->recover)) {
		c->flags &= ~(CONN_RECOVERY | CONN_RTX_DUE);
		t->cc->leave(c, c->snd_max - c->snd_una);
		return;
	}
	/* RFC 6582 3.2 step 3, partial: the next hole is known now. */
	t->cc->partial(c, acked);
	c->flags |= CONN_RTX_DUE;
}

static void
new_ack(struct pw_tcp *t, struct pw_tcp_conn *c, const struct pw_tcp_seg *s)
{
	uint32_t flight = c->snd_max - c->snd_una;
	uint32_t acked = s->ack - c->snd_una;
	uint32_t bytes = RTE_MIN(acked, c->sq_bytes);
	struct sq_acked a;

	if ((c->flags & CONN_FIN_QUEUED) && acked > c->sq_bytes)
		c->flags |= CONN_FIN_ACKED;
	a = pw_tcp_sq_ack(t, c, bytes);
	c->snd_una = s->ack;
	if (seq_le(c->snd_nxt, c->snd_una))
		pw_tcp_pull_back(c);
	sample(t, c, s, a);
	c->progress = tcp_ms(t);
	c->flags &= ~CONN_SOFT_ERROR;
	recovery_step(t, c, acked, flight);
	if (c->snd_una == c->snd_max) {
		c->t_rtx = 0;
		c->flags &= ~CONN_PERSIST;
	} else if (!(c->flags & CONN_PERSIST)) {
		c->t_rtx = tcp_deadline(t, pw_tcp_rto(t, c)); /* RFC 6298 5.3 */
	}
	if (bytes > 0)
		pw_tcp_post(t, c, CONN_EV_ACKED);
	pw_tcp_dirty(t, c);
}

/* RFC 5681 2 says what counts as a duplicate; answers to window probes look the same and do not. */
static bool
is_duplicate(const struct pw_tcp_conn *c, const struct pw_tcp_seg *s)
{
	return s->ack == c->snd_una && c->snd_max != c->snd_una && seg_span(s) == 0 &&
	       !s->duplicate && (uint32_t)s->wnd << c->snd_scale == c->snd_wnd && c->snd_wnd != 0 &&
	       !(c->flags & CONN_PERSIST);
}

static void
duplicate_ack(struct pw_tcp *t, struct pw_tcp_conn *c)
{
	uint32_t flight = c->snd_max - c->snd_una;

	t->count.dup_acks_in++;
	if (c->dupacks < UINT8_MAX)
		c->dupacks++;
	pw_tcp_dirty(t, c);
	if (c->flags & CONN_RECOVERY) {
		t->cc->dup(c);
		return;
	}
	/* One reduction for each window of data: RFC 6582 3.2 step 2. */
	if (c->dupacks != DUP_THRESH || seq_lt(c->snd_una, c->recover))
		return;
	c->flags |= CONN_RECOVERY | CONN_RTX_DUE;
	c->recover = c->snd_max;
	t->count.fast_retransmits++;
	t->cc->enter(c, flight);
}

/*
 * RFC 9293 3.10.7.4: newer segments update the window. SND.WL2 <= SEG.ACK holds for every
 * acknowledgement that is not older than SND.UNA; one that moves SND.UNA is newer than all before,
 * even in a retransmission, whose sequence number lies behind SND.WL1.
 */
static void
update_window(struct pw_tcp *t, struct pw_tcp_conn *c, const struct pw_tcp_seg *s, bool moved)
{
	uint32_t wnd = (uint32_t)s->wnd << c->snd_scale, old = c->snd_wnd;

	if (!moved && seq_lt(s->seq, c->snd_wl1))
		return;
	c->snd_wl1 = seq_max(c->snd_wl1, s->seq);
	c->snd_wnd = wnd;
	c->max_wnd = RTE_MAX(c->max_wnd, wnd);
	if (wnd <= old)
		return;
	if (c->flags & CONN_PERSIST) {
		/* What a probe carried goes again with the rest. */
		c->flags &= ~CONN_PERSIST;
		c->t_rtx = 0;
		c->backoff = 0;
		pw_tcp_pull_back(c);
	}
	pw_tcp_dirty(t, c);
}

bool
pw_tcp_ack_input(struct pw_tcp *t, struct pw_tcp_conn *c, const struct pw_tcp_seg *s)
{
	bool moved;

	/* RFC 5961 5.2 */
	if (seq_gt(s->ack, c->snd_max) || seq_lt(s->ack, c->snd_una - c->max_wnd)) {
		t->count.drop_ack++;
		pw_tcp_challenge(t, c);
		return false;
	}
	if (seq_lt(s->ack, c->snd_una))
		return true;
	moved = s->ack != c->snd_una;
	if (moved)
		new_ack(t, c, s);
	else if (is_duplicate(c, s))
		duplicate_ack(t, c);
	update_window(t, c, s, moved);
	return true;
}
