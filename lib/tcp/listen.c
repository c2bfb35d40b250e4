/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Listeners, and what they make of a segment (RFC 9293 3.10.7.2). There is no half-open connection:
 * a SYN is answered and forgotten, and the acknowledgement of that answer says it all (cookie.c).
 * So the SYN|ACK is not repeated by a timer; a peer that has not heard it asks again.
 */
#include <errno.h>

#include <rte_common.h>

#include "header_pvt.h"

/* A listener on the address of all zeroes takes every local address. */
static bool
is_any(const struct pw_addr *a)
{
	static const struct pw_addr any6;

	return pw_addr_eq(a, &any6) || (pw_addr_is_v4(a) && pw_addr_be32(a) == 0);
}

static struct listener *
find_exact(struct pw_tcp *t, const struct pw_addr *local, uint16_t port)
{
	for (uint32_t i = 0; i < MAX_LISTENERS; i++) {
		struct listener *l = &t->listener[i];

		if (l->used && l->port == port && pw_addr_eq(&l->local, local))
			return l;
	}
	return NULL;
}

struct listener *
pw_tcp_listener(struct pw_tcp *t, const struct pw_addr *local, uint16_t port)
{
	struct listener *l = find_exact(t, local, port);

	for (uint32_t i = 0; i < MAX_LISTENERS && l == NULL; i++)
		if (t->listener[i].used && t->listener[i].port == port &&
		    is_any(&t->listener[i].local))
			l = &t->listener[i];
	return l;
}

int
pw_tcp_listen(struct pw_tcp *t, const struct pw_addr *local, uint16_t port,
	      const struct pw_tcp_ops *ops, void *ctx)
{
	if (find_exact(t, local, port) != NULL)
		return -EADDRINUSE;
	for (uint32_t i = 0; i < MAX_LISTENERS; i++) {
		struct listener *l = &t->listener[i];

		if (l->used)
			continue;
		*l = (struct listener){
			.local = *local, .port = port, .used = true, .ops = ops, .ctx = ctx};
		return 0;
	}
	return -ENOSPC;
}

int
pw_tcp_unlisten(struct pw_tcp *t, const struct pw_addr *local, uint16_t port)
{
	struct listener *l = find_exact(t, local, port);

	if (l == NULL)
		return -ENOENT;
	l->used = false;
	return 0;
}

/* The dead take their places until they are reaped. */
static bool
has_room(const struct pw_tcp *t)
{
	struct pw_pool_stats st;

	pw_pool_stats(t->conns, &st);
	return st.in_use < t->conf.max_conns &&
	       (uint64_t)t->nb_passive + t->conf.reserve_active < t->conf.max_conns;
}

/*
 * May there be one more? Asked of the SYN and again of what completes the handshake. Nobody is
 * told of a refusal: the peer repeats its SYN, or its first bytes, and by then there may be room.
 */
static bool
admissible(struct pw_tcp *t, const struct pw_tcp_seg *s, struct pw_tcp_path *to)
{
	if (t->pressure >= 2) {
		t->count.drop_syn_pressure++;
		return false;
	}
	if (!t->in_upcall)
		pw_tcp_conn_reap(t);
	if (!has_room(t)) {
		t->count.drop_syn_full++;
		return false;
	}
	if (pw_tcp_way(t, &s->flow.remote, to) < 0) {
		t->count.drop_tx_unreachable++;
		return false;
	}
	return true;
}

static void
syn(struct pw_tcp *t, const struct pw_tcp_seg *s, struct tw_record *r)
{
	struct pw_tcp_path to;
	uint16_t mss;

	if (!admissible(t, s, &to))
		return;
	if (r != NULL)
		pw_tcp_tw_extend(t, r);
	mss = pw_tcp_path_mss(&s->flow.remote, to.mtu);
	if (pw_tcp_send_syn_ack(t, s, pw_tcp_cookie(t, s, r, mss), mss) == 0)
		t->count.cookies_sent++;
}

/*
 * The time since the SYN|ACK, where the peer echoes it. Bytes, or a keepalive probe, may have come
 * long after the bare acknowledgement that was lost, so they say nothing.
 */
static void
sample(struct pw_tcp *t, struct pw_tcp_conn *c, const struct pw_tcp_seg *s)
{
	uint32_t ms = tcp_ts_now(t) - s->ts_ecr;

	if ((c->flags & CONN_TS) && seg_span(s) == 0 && s->seq == c->rcv_nxt &&
	    ms <= PW_TCP_COOKIE_LIFE_MS)
		pw_tcp_rtt_sample(c, (uint64_t)ms * 1000);
}

/* The handshake is complete: there is a connection, and the segment is its first. */
static void
complete(struct pw_tcp *t, const struct listener *l, struct pw_tcp_seg *s, struct tw_record *r,
	 const struct pw_tcp_seg *request)
{
	struct pw_tcp_path to;
	struct pw_tcp_conn *c;

	if (!admissible(t, s, &to))
		return;
	c = pw_tcp_conn_new(t, &s->flow, (uint32_t)s->print, &to);
	if (c == NULL) {
		t->count.drop_syn_full++;
		return;
	}
	if (r != NULL)
		pw_tcp_tw_reuse(t, r);
	t->count.cookies_valid++;
	t->nb_passive++;
	c->ops = l->ops;
	c->ctx = l->ctx;
	c->flags |= CONN_PASSIVE;
	pw_tcp_cookie_used(t, c);
	c->rcv_nxt = request->seq + 1;
	c->rcv_adv = c->rcv_nxt + pw_tcp_syn_window(t);
	c->last_ack = c->rcv_nxt;
	c->snd_una = s->ack;
	c->snd_max = s->ack;
	c->snd_wl1 = s->seq;
	pw_tcp_conn_options(c, request);
	c->snd_wnd = (uint32_t)s->wnd << c->snd_scale;
	c->max_wnd = c->snd_wnd;
	sample(t, c, s);
	pw_tcp_conn_established(t, c);
	pw_tcp_arrives(t, c, s);
}

static void
acknowledgement(struct pw_tcp *t, const struct listener *l, struct pw_tcp_seg *s,
		struct tw_record *r)
{
	struct pw_tcp_seg request;

	switch (pw_tcp_cookie_check(t, s, r, &request)) {
	case COOKIE_VALID:
		complete(t, l, s, r, &request);
		return;
	case COOKIE_EARLY:
		/*
		 * What lies before it comes again, and then this does. It costs what a RST costs:
		 * otherwise the answers that are left would tell that half of a guess was right.
		 */
		(void)pw_tcp_refusal_allowed(t, &s->flow.remote);
		t->count.cookies_early++;
		return;
	case COOKIE_NONE:
		t->count.cookies_invalid++;
		t->count.drop_no_conn++;
		pw_tcp_refuse(t, s);
	}
}

void
pw_tcp_listen_input(struct pw_tcp *t, const struct listener *l, struct pw_tcp_seg *s,
		    struct tw_record *r)
{
	if (s->flags & TCP_RST)
		return;
	switch (s->flags & (TCP_SYN | TCP_ACK)) {
	case TCP_SYN:
		syn(t, s, r);
		return;
	case TCP_ACK:
		acknowledgement(t, l, s, r);
		return;
	case TCP_SYN | TCP_ACK:
		t->count.drop_no_conn++;
		pw_tcp_refuse(t, s);
		return;
	default:
		t->count.drop_no_conn++;
	}
}
