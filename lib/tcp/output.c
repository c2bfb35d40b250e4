/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What may be sent, and when to wait: first what was lost, then what is new; the smaller of the two
 * windows, whole segments where the window is the limit (RFC 9293 3.8.6.2.1). There is no Nagle
 * algorithm: the application corks by sending within one burst, and what it has sent leaves at the
 * flush.
 */
#include <errno.h>

#include <rte_common.h>

#include "loss_pvt.h"

static bool
may_send(const struct pw_tcp_conn *c)
{
	return conn_synchronized(c) && c->state != PW_TCP_FIN_WAIT_2 &&
	       !(c->flags & CONN_FIN_ACKED);
}

uint32_t
pw_tcp_pipe(const struct pw_tcp_conn *c)
{
	const struct tx_flight *f = c->flight;
	uint32_t out, gone;

	if (f == NULL)
		return 0;
	out = c->snd_max - c->snd_una - f->sacked - f->lost;
	/* Without SACK each duplicate stands for a segment; RFC 3042 takes two on trust. */
	gone = (f->ca == CA_OPEN ? RTE_MIN(f->dupacks, 2) : f->dupacks) * (uint32_t)c->mss;
	return out > gone ? out - gone : 0;
}

/* Bytes from a sequence number to the right edge of the peer's window. */
static uint32_t
window_left(const struct pw_tcp_conn *c, uint32_t seq)
{
	return seq_ahead(seq, c->snd_una + c->snd_wnd);
}

/* Bytes queued that were never sent; and whether the FIN is among what is left to send. */
static uint32_t
left_to_send(const struct pw_tcp_conn *c, bool *fin)
{
	uint32_t end = conn_queue_end(c);

	*fin = (c->flags & CONN_FIN_QUEUED) && seq_le(c->snd_max, end);
	return seq_ahead(c->snd_max, end);
}

/* A segment of new data. */
struct plan {
	uint32_t len;
	bool fin;
	bool push;
	bool blocked; /* there is something, but a window forbids it */
};

static bool
plan(const struct pw_tcp_conn *c, struct plan *p, bool probe)
{
	uint32_t pipe = pw_tcp_pipe(c), wnd = window_left(c, c->snd_max);
	uint32_t room = probe ? c->mss : c->cwnd > pipe ? c->cwnd - pipe : 0;
	bool fin;
	uint32_t left = left_to_send(c, &fin);

	*p = (struct plan){.len = 0};
	if (left == 0 && !fin)
		return false;
	p->len = RTE_MIN(RTE_MIN(left, RTE_MIN(room, wnd)), (uint32_t)c->mss);
	p->push = p->len == left;
	/* The FIN takes a place in the peer's window, none in the network's. */
	p->fin = fin && p->len == left && p->len < wnd;
	p->blocked = true;
	if (p->len == 0)
		return p->fin;
	return p->len == left || p->len == c->mss || p->len >= RTE_MAX(c->max_wnd / 2, 1u);
}

/* Send len bytes of new data and maybe the FIN, and note it. */
static int
send_new(struct pw_tcp *t, struct pw_tcp_conn *c, const struct plan *p, bool urgent)
{
	bool idle = c->flight == NULL;
	struct tx_place at = {NULL, 0}, from;
	uint32_t len = p->len, seq = c->snd_max;
	uint8_t flags = (p->push ? TCP_PSH : 0) | (p->fin ? TCP_FIN : 0);
	struct tx_rec *r;
	int rc = pw_tcp_flight_room(t, c, urgent);

	if (rc < 0)
		return rc;
	at = (struct tx_place){c->flight->cur_block, c->flight->cur_idx};
	if (len > 0)
		(void)pw_tcp_sq_find(c, &at, seq);
	from = at;
	rc = pw_tcp_xmit(t, c, &at, seq, &len, flags, false);
	if (rc < 0) {
		pw_tcp_flight_no_room(t, c);
		return rc;
	}
	if (idle)
		c->progress = tcp_ms(t);
	if (len < p->len)
		flags &= ~TCP_FIN;
	r = pw_tcp_flight_add(t, c, seq + len + !!(flags & TCP_FIN), flags & TCP_FIN ? TX_FIN : 0);
	if (len > 0) {
		r->block = from.block;
		r->idx = (uint8_t)from.idx;
		c->flight->cur_block = at.block;
		c->flight->cur_idx = (uint8_t)at.idx;
	}
	if (c->flight->ca == CA_RECOVERY)
		c->flight->prr_out += len;
	return 0;
}

int
pw_tcp_send_probe(struct pw_tcp *t, struct pw_tcp_conn *c)
{
	struct plan p;

	return plan(c, &p, true) ? send_new(t, c, &p, p.fin) : -EAGAIN;
}

/* One segment larger than the last ones, where it is time to see if the path takes it by now. */
static int
send_larger(struct pw_tcp *t, struct pw_tcp_conn *c, bool *sent)
{
	uint32_t pipe = pw_tcp_pipe(c), left, most;
	struct plan p = {.fin = false};
	bool fin;
	int rc;

	left = left_to_send(c, &fin);
	most = RTE_MIN(left, window_left(c, c->snd_max));
	most = RTE_MIN(most, c->cwnd > pipe ? c->cwnd - pipe : 0);
	/* So that it is a full one, whatever is found for it. */
	if (most < c->mss_agreed)
		return 0;
	p.len = pw_tcp_mtu_try(t, c);
	if (p.len == 0)
		return 0;
	p.push = p.len == left;
	rc = send_new(t, c, &p, false);
	if (rc < 0)
		return rc;
	pw_tcp_mtu_tried(t, c);
	*sent = true;
	return 0;
}

/*
 * A short segment that goes again takes along what follows: the next that are lost too, and what
 * was never sent where it was the last. So the octet of a window probe, and what an application
 * has sent piecemeal before a timeout, do not go again each alone.
 */
static void
grow(struct pw_tcp *t, struct pw_tcp_conn *c, struct tx_pos p, uint32_t limit)
{
	struct tx_flight *f = c->flight;
	struct tx_rec *r = flight_rec(p);
	uint32_t pipe = pw_tcp_pipe(c), more;
	bool fin;

	limit = RTE_MIN(limit, c->cwnd > pipe ? c->cwnd - pipe : 0);
	while (!(r->flags & TX_FIN)) {
		struct tx_pos q = flight_next(p);

		if (q.b == NULL)
			break;
		if (!(flight_rec(q)->flags & TX_LOST) || rec_payload(r) >= limit)
			return;
		more = limit - rec_payload(r);
		if (rec_len(flight_rec(q)) > more) {
			pw_tcp_flight_shift(c, p, more);
			return;
		}
		pw_tcp_flight_join(t, c, p);
	}
	if (r->end != c->snd_max || rec_payload(r) >= limit)
		return;
	more = RTE_MIN(left_to_send(c, &fin), limit - rec_payload(r));
	if (r->flags & TX_FIN || more == 0)
		return;
	r->end += more;
	c->snd_max += more;
	f->lost += more;
}

/*
 * A segment took no more than what lies before at: the rest keeps its mark. Without room for a
 * record of its own it counts as sent too, and waits for a timer.
 */
static struct tx_rec *
cut(struct pw_tcp *t, struct pw_tcp_conn *c, struct tx_pos *p, uint32_t at)
{
	if (at != flight_rec(*p)->end)
		(void)pw_tcp_flight_split(t, c, p, at, t->blocks_urgent + t->blocks_first);
	return flight_rec(*p);
}

int
pw_tcp_send_again(struct pw_tcp *t, struct pw_tcp_conn *c, struct tx_pos *p)
{
	struct tx_flight *f = c->flight;
	struct tx_rec *r = flight_rec(*p);
	uint32_t wnd = window_left(c, r->seq), limit = RTE_MIN(wnd, (uint32_t)c->mss), len, want;
	struct tx_place at = {r->block, r->idx};
	uint8_t flags = 0;
	int rc;

	if (wnd == 0)
		return -EAGAIN;
	if (r->flags & TX_LOST)
		grow(t, c, *p, limit);
	want = len = RTE_MIN(rec_payload(r), limit);
	if (r->seq + len == conn_queue_end(c))
		flags |= TCP_PSH;
	/* The FIN alone may lie beyond the edge. */
	if ((r->flags & TX_FIN) && rec_len(r) <= wnd && len == rec_payload(r))
		flags |= TCP_FIN;
	rc = pw_tcp_xmit(t, c, &at, r->seq, &len, flags, true);
	if (rc < 0)
		return rc;
	r = cut(t, c, p, r->seq + len + (len == want && (flags & TCP_FIN)));
	r->sent = t->now;
	f->rtx_end = seq_max(f->rtx_end, r->end);
	pw_tcp_flight_mark(f, r, TX_RTX, TX_LOST);
	if (f->ca == CA_RECOVERY)
		f->prr_out += len;
	f->force = 0;
	if (r->seq == c->snd_una)
		f->t_rto = tcp_deadline(t, pw_tcp_rto(t, c));
	return 0;
}

/* Send again what is lost, as far as the windows go. True where a segment has left. */
static int
send_lost(struct pw_tcp *t, struct pw_tcp_conn *c, bool *sent)
{
	struct tx_flight *f = c->flight;
	struct tx_pos p;

	FLIGHT_FOREACH (f, p) {
		const struct tx_rec *r = flight_rec(p);
		uint32_t pipe, len;
		int rc;

		if (f->lost == 0)
			break;
		if (!(r->flags & TX_LOST))
			continue;
		pipe = pw_tcp_pipe(c);
		len = RTE_MIN(rec_payload(r), (uint32_t)c->mss);
		if (!f->force && pipe > 0 && pipe + len > c->cwnd)
			break;
		rc = pw_tcp_send_again(t, c, &p);
		if (rc < 0)
			return rc == -EAGAIN ? 0 : rc;
		*sent = true;
	}
	return 0;
}

static void
start_persist(struct pw_tcp *t, struct pw_tcp_conn *c)
{
	if (!(c->flags & CONN_PERSIST)) {
		c->flags |= CONN_PERSIST;
		c->backoff = 0;
		if (!(c->flags & CONN_DISCARD))
			c->progress = c->last_rx;
		else
			c->progress = tcp_ms(t);
		c->t_rtx = 0;
	}
	if (c->t_rtx == 0)
		c->t_rtx = tcp_deadline(t, pw_tcp_rto(t, c));
}

/* RFC 5681 4.1: after a pause the old window says nothing of the network. */
static void
restart_after_idle(struct pw_tcp *t, struct pw_tcp_conn *c)
{
	uint32_t before = c->cwnd;

	if (c->snd_max != c->snd_una || tcp_ms(t) - c->progress <= pw_tcp_rto(t, c))
		return;
	pw_tcp_cc(c)->idle(c);
	t->count.idle_restarts += c->cwnd < before;
}

/* Something is on its way, or left to send: not so at most flushes of who only receives. */
static bool
has_output(const struct pw_tcp_conn *c)
{
	return c->flight != NULL || c->snd_max != conn_queue_end(c) || (c->flags & CONN_FIN_QUEUED);
}

int
pw_tcp_output(struct pw_tcp *t, struct pw_tcp_conn *c)
{
	struct plan p = {.blocked = false};
	bool sent = false;
	int rc = 0;

	if (!may_send(c) || !has_output(c))
		return 0;
	restart_after_idle(t, c);
	if (c->flight != NULL && c->flight->lost > 0)
		rc = send_lost(t, c, &sent);
	if (rc == 0 && c->mss < c->mss_agreed)
		rc = send_larger(t, c, &sent);
	pw_tcp_train_begin(t, c);
	while (rc == 0 && (c->flight == NULL || c->flight->lost == 0) && plan(c, &p, false)) {
		rc = send_new(t, c, &p, p.fin);
		sent |= rc == 0;
	}
	pw_tcp_train_end(t);
	if (sent && (c->flags & CONN_PERSIST)) {
		c->flags &= ~CONN_PERSIST;
		c->t_rtx = 0;
	}
	if (sent || (c->flight != NULL && c->t_rtx == 0))
		pw_tcp_rtx_arm(t, c);
	/* Nothing is on its way whose acknowledgement would open the window: ask for it. */
	if (rc == 0 && p.blocked && c->flight == NULL)
		start_persist(t, c);
	return rc;
}

/* The first octet of what is on its way, or the FIN, once more: the record stays as it is. */
static int
probe_again(struct pw_tcp *t, struct pw_tcp_conn *c)
{
	struct tx_rec *r = flight_rec(flight_first(c->flight));
	struct tx_place at = {r->block, r->idx};
	uint32_t len = RTE_MIN(rec_payload(r), 1u);
	int rc = pw_tcp_xmit(t, c, &at, r->seq, &len, len > 0 ? TCP_PSH : TCP_FIN, true);

	if (rc >= 0)
		r->flags |= TX_RTX;
	return rc;
}

int
pw_tcp_window_probe(struct pw_tcp *t, struct pw_tcp_conn *c)
{
	struct plan p = {.push = true};
	struct tx_pos first;
	int rc;

	if (c->flight != NULL) {
		if (c->snd_wnd == 0) {
			rc = probe_again(t, c);
			t->count.zero_window_probes += rc == 0;
			return rc;
		}
		first = flight_first(c->flight);
		rc = pw_tcp_send_again(t, c, &first);
	} else {
		/* A small window that is open is used (3.8.6.2.1, the override); a shut one gets
		 * one octet. */
		p.len = left_to_send(c, &p.fin);
		if (p.len == 0 && !p.fin)
			return 0;
		p.fin = p.len == 0;
		p.len = RTE_MIN(RTE_MIN(p.len, RTE_MAX(c->snd_wnd, 1u)), (uint32_t)c->mss);
		rc = send_new(t, c, &p, true);
		t->count.zero_window_probes += rc == 0 && c->snd_wnd == 0;
	}
	if (rc == 0 && c->snd_wnd > 0) {
		c->flags &= ~CONN_PERSIST;
		pw_tcp_rtx_arm(t, c);
	}
	return rc;
}
