/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One timer a connection. Its deadlines are plain numbers; the timer stands at or before the
 * earliest of them and is moved only when one comes before it. So it may fire early: then it looks
 * again and sleeps on. Most deadlines (retransmission, delayed acknowledgement) are moved out of
 * its way long before they are due.
 */
#include <errno.h>
#include <stddef.h>

#include <rte_common.h>

#include "loss_pvt.h"

#define KEEP_PROBES 8
#define KEEP_STEPS  4 /* probes come this often in the idle time, at most 75 s apart */
#define KEEP_MAX_MS 75000
#define TS_OLD_MS   (24u * 86400000u) /* RFC 7323 5.5 */
#define RTOS_MAX    7		      /* three bits */
#define FIRE_BUDGET 65536

/* The earlier of a deadline and another, where 0 is none. */
static uint32_t
earlier(uint32_t a, uint32_t b)
{
	if (a == 0 || b == 0)
		return a | b;
	return seq_lt(b, a) ? b : a;
}

static uint32_t
never_zero(uint32_t deadline)
{
	return deadline != 0 ? deadline : 1;
}

static bool
due(const struct pw_tcp *t, uint32_t deadline)
{
	return deadline != 0 && seq_le(deadline, tcp_ms(t));
}

/* When unacknowledged data, or a closed window that nobody reopens, ends the connection. */
static uint32_t
user_deadline(const struct pw_tcp *t, const struct pw_tcp_conn *c)
{
	if (!conn_synchronized(c))
		return 0;
	/*
	 * RFC 9293 3.8.6.1: while probes are answered, wait; progress is that of the first that is
	 * not. But one that its owner has closed would then stay for as long as the peer likes.
	 */
	if (c->flags & CONN_PERSIST) {
		if (!(c->flags & CONN_DISCARD) && seq_le(c->progress, c->last_rx))
			return 0;
	} else if (c->snd_max == c->snd_una) {
		return 0;
	}
	return never_zero(c->progress + t->conf.user_timeout_ms + 1);
}

static bool
keepalive_on(const struct pw_tcp *t, const struct pw_tcp_conn *c)
{
	return t->conf.keepalive_ms != 0 && c->snd_max == c->snd_una &&
	       (c->state == PW_TCP_ESTABLISHED || c->state == PW_TCP_CLOSE_WAIT ||
		c->state == PW_TCP_FIN_WAIT_2);
}

/* Silence: the next keepalive probe, or the day on which ts_recent is too old. */
static uint32_t
idle_deadline(const struct pw_tcp *t, const struct pw_tcp_conn *c)
{
	if (keepalive_on(t, c)) {
		uint32_t step =
			RTE_MIN(RTE_MAX(t->conf.keepalive_ms / KEEP_STEPS, 1u), KEEP_MAX_MS);

		if (c->keep_due)
			return 0; /* a flush sends it */
		return never_zero(c->last_rx + t->conf.keepalive_ms + c->keep_probes * step + 1);
	}
	if ((c->flags & (CONN_TS | CONN_TS_STALE)) == CONN_TS && conn_synchronized(c))
		return never_zero(c->last_rx + TS_OLD_MS);
	return 0;
}

static uint32_t
next_deadline(const struct pw_tcp *t, const struct pw_tcp_conn *c)
{
	return earlier(earlier(earlier(c->t_rtx, c->t_delack), pw_tcp_gap_deadline(t, c)),
		       earlier(user_deadline(t, c), idle_deadline(t, c)));
}

void
pw_tcp_timer_update(struct pw_tcp *t, struct pw_tcp_conn *c)
{
	uint32_t d;
	uint64_t at;

	if (c->state == PW_TCP_CLOSED)
		return;
	d = next_deadline(t, c);
	if (d == 0)
		return;
	/* The clock counts from the epoch; a deadline in the past fires at the next advance. */
	at = t->epoch +
	     (uint64_t)((int64_t)((t->now - t->epoch) / 1000000) + (int32_t)(d - tcp_ms(t))) *
		     1000000;
	if (!pw_timer_armed(&c->timer) || at < c->timer.expiry)
		pw_wheel_arm(&t->wheel, &c->timer, at);
}

/* Give up on the peer. */
static void
give_up(struct pw_tcp *t, struct pw_tcp_conn *c)
{
	t->count.timeouts++;
	if (conn_synchronized(c))
		pw_tcp_send_rst(t, c);
	pw_tcp_conn_end(t, c,
			c->flags & CONN_SOFT_ERROR ? PW_TCP_END_UNREACHABLE : PW_TCP_END_TIMEOUT);
}

static void
back_off(struct pw_tcp_conn *c)
{
	if (c->backoff < PW_TCP_BACKOFF_MAX)
		c->backoff++;
}

static void
syn_timeout(struct pw_tcp *t, struct pw_tcp_conn *c)
{
	if (c->backoff >= t->conf.syn_retries) {
		give_up(t, c);
		return;
	}
	back_off(c);
	c->flags |= CONN_SYN_RTX;
	t->count.rto_fired++;
	if (pw_tcp_send_syn(t, c) == 0) {
		c->retransmits++;
		t->count.retransmits++;
	}
}

void
pw_tcp_rtx_arm(struct pw_tcp *t, struct pw_tcp_conn *c)
{
	struct tx_flight *f = c->flight;
	uint32_t pto;

	if (f == NULL || (c->flags & CONN_PERSIST))
		return;
	if (f->t_rto == 0)
		f->t_rto = tcp_deadline(t, pw_tcp_rto(t, c)); /* RFC 6298 5.1 */
	c->t_rtx = f->t_rto;
	f->timer = TX_TIMER_RTO;
	if (f->reo_at != 0 && seq_lt(f->reo_at, f->t_rto)) {
		c->t_rtx = f->reo_at;
		f->timer = TX_TIMER_REORDER;
		return;
	}
	pto = pw_tcp_tlp_deadline(t, c);
	if (pto != 0) {
		/* RFC 8985 7.2: no later than the timeout, in whose place it comes. */
		c->t_rtx = seq_lt(pto, f->t_rto) ? pto : f->t_rto;
		f->timer = TX_TIMER_PTO;
	}
}

void
pw_tcp_rtx_restart(struct pw_tcp *t, struct pw_tcp_conn *c)
{
	c->flight->t_rto = 0;
	pw_tcp_rtx_arm(t, c);
}

/* What is on its way goes unanswered: one of the three clocks of t_rtx has run out. */
static void
flight_timeout(struct pw_tcp *t, struct pw_tcp_conn *c)
{
	switch (c->flight->timer) {
	case TX_TIMER_REORDER:
		pw_tcp_recovery_reorder(t, c);
		break;
	case TX_TIMER_PTO:
		pw_tcp_tlp_fired(t, c);
		return;
	default: /* RFC 6298 5.4 to 5.6 */
		if (!pw_tcp_mtu_timeout(t, c)) {
			pw_tcp_recovery_timeout(t, c);
			if (c->rtos < RTOS_MAX)
				c->rtos++;
			pw_tcp_mtu_black_hole(t, c);
			back_off(c);
		}
		pw_tcp_rtx_restart(t, c);
	}
	/* Where no buffer can be had the flushes go on with it, not the next timeout. */
	if (pw_tcp_output(t, c) < 0)
		pw_tcp_dirty(t, c);
}

static void
persist_timeout(struct pw_tcp *t, struct pw_tcp_conn *c)
{
	uint8_t backoff = c->backoff;

	back_off(c);
	c->t_rtx = 0;
	if (pw_tcp_window_probe(t, c) == -ENOBUFS) {
		/* The peer was not asked: nothing that it does follows from it. */
		c->backoff = backoff;
		c->t_rtx = tcp_deadline(t, 1);
		return;
	}
	if (!(c->flags & CONN_DISCARD) && seq_le(c->progress, c->last_rx))
		c->progress = tcp_ms(t);
	if (c->t_rtx == 0)
		c->t_rtx = tcp_deadline(t, pw_tcp_rto(t, c));
}

static void
rtx_timeout(struct pw_tcp *t, struct pw_tcp_conn *c)
{
	switch (c->state) {
	case PW_TCP_SYN_SENT:
	case PW_TCP_SYN_RECEIVED:
		syn_timeout(t, c);
		return;
	case PW_TCP_FIN_WAIT_2:
		pw_tcp_send_rst(t, c);
		pw_tcp_conn_end(t, c, PW_TCP_END_TIMEOUT);
		return;
	default:
		/* A peer may take its window back over what is on its way (RFC 9293 3.8.6). */
		if (c->snd_wnd == 0 && c->snd_max != c->snd_una && !(c->flags & CONN_PERSIST)) {
			c->flags |= CONN_PERSIST;
			if (!(c->flags & CONN_DISCARD))
				c->progress = c->last_rx;
		}
		if (c->flags & CONN_PERSIST)
			persist_timeout(t, c);
		else if (c->snd_max != c->snd_una)
			flight_timeout(t, c);
		else
			c->t_rtx = 0;
	}
}

static void
idle_timeout(struct pw_tcp *t, struct pw_tcp_conn *c)
{
	if (!keepalive_on(t, c)) {
		c->flags |= CONN_TS_STALE;
		return;
	}
	if (c->keep_probes >= KEEP_PROBES) {
		give_up(t, c);
		return;
	}
	if (pw_tcp_keepalive(t, c) < 0)
		pw_tcp_dirty(t, c);
}

int
pw_tcp_keepalive(struct pw_tcp *t, struct pw_tcp_conn *c)
{
	bool waited = c->keep_due;
	uint32_t due_at;
	int rc;

	c->keep_due = 0;
	due_at = idle_deadline(t, c);
	if (!keepalive_on(t, c) || !due(t, due_at))
		return 0; /* the peer has been heard of meanwhile, or something else asks it */
	rc = pw_tcp_send_probe_ack(t, c);
	if (rc == -ENOBUFS) {
		c->keep_due = 1;
		return rc;
	}
	/* The time in which it could not be asked is no silence of the peer's. */
	if (waited)
		c->last_rx += tcp_ms(t) - due_at;
	c->keep_probes++;
	t->count.keepalive_probes += rc == 0;
	return 0;
}

static void
conn_fired(struct pw_tcp *t, struct pw_tcp_conn *c)
{
	if (due(t, c->t_delack)) {
		int rc;

		c->t_delack = 0;
		rc = pw_tcp_send_ack(t, c);
		t->count.acks_delayed += rc == 0;
		if (rc < 0)
			c->t_delack = tcp_deadline(t, 1);
	}
	if (due(t, user_deadline(t, c))) {
		give_up(t, c);
		return;
	}
	if (due(t, pw_tcp_gap_deadline(t, c)))
		pw_tcp_gap_expired(t, c);
	if (due(t, c->t_rtx))
		rtx_timeout(t, c);
	if (c->state != PW_TCP_CLOSED && due(t, idle_deadline(t, c)))
		idle_timeout(t, c);
	pw_tcp_timer_update(t, c);
}

void
pw_tcp_timer_fired(void *ctx, struct pw_timer *tm, uint64_t now)
{
	struct pw_tcp *t = ctx;

	(void)now;
	if (tm == &t->tw.timer)
		pw_tcp_tw_expire(t);
	else
		conn_fired(t, RTE_PTR_SUB(tm, offsetof(struct pw_tcp_conn, timer)));
}

void
pw_tcp_advance(struct pw_tcp *t, uint64_t now)
{
	if (t->in_upcall)
		return;
	tcp_set_now(t, now);
	(void)pw_wheel_advance(&t->wheel, t->now, FIRE_BUDGET, pw_tcp_timer_fired, t);
	pw_tcp_run_ready(t);
	pw_tcp_conn_reap(t);
}

uint64_t
pw_tcp_next(const struct pw_tcp *t)
{
	return RTE_MIN(pw_wheel_next(&t->wheel), t->retry_at);
}
