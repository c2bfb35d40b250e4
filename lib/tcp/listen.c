/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Listeners, and what they make of a segment (RFC 9293 3.10.7.2). A half-open connection is a whole
 * one, bounded in number; the timer repeats its SYN|ACK and reaps it.
 */
#include <errno.h>

#include "stack_pvt.h"

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
 * Room for one more, beside what is kept for active opens. Where there is none the half-open
 * connection of the oldest request gives way: in a flood of requests that nobody means it is the
 * one whose peer has had the most time to answer.
 */
static bool
make_room(struct pw_tcp *t)
{
	if (t->nb_syn_rcvd >= t->conf.max_syn_rcvd && !pw_tcp_conn_drop_oldest_syn(t))
		return false;
	if (!t->in_upcall)
		pw_tcp_conn_reap(t);
	if (has_room(t))
		return true;
	if (!pw_tcp_conn_drop_oldest_syn(t))
		return false;
	if (!t->in_upcall)
		pw_tcp_conn_reap(t);
	return has_room(t);
}

/* A refused request is not answered: the peer asks again, and by then there may be room. */
static struct pw_tcp_conn *
admit(struct pw_tcp *t, const struct pw_tcp_seg *s)
{
	uint16_t mtu, max_segs;
	struct pw_tcp_conn *c;

	if (t->pressure >= 2) {
		t->count.drop_syn_pressure++;
		return NULL;
	}
	if (t->conf.hooks.path(t->conf.hooks.ctx, &s->flow.remote, &mtu, &max_segs) < 0) {
		t->count.drop_tx_unreachable++;
		return NULL;
	}
	if (!make_room(t)) {
		t->count.drop_syn_full++;
		return NULL;
	}
	c = pw_tcp_conn_new(t, &s->flow, s->hash, mtu, max_segs);
	if (c == NULL)
		t->count.drop_syn_full++;
	return c;
}

static void
syn(struct pw_tcp *t, struct listener *l, const struct pw_tcp_seg *s, struct tw_record *tw)
{
	struct pw_tcp_conn *c = admit(t, s);
	uint32_t iss;

	if (c == NULL)
		return;
	iss = pw_tcp_isn(t, &c->flow);
	if (tw != NULL) {
		uint32_t floor = pw_tcp_tw_reuse(t, tw);

		if (seq_lt(iss, floor))
			iss = floor;
	}
	c->ops = l->ops;
	c->ctx = l->ctx;
	c->flags |= CONN_PASSIVE;
	t->nb_passive++;
	/* Bytes or a FIN on a SYN are not taken: the peer sends them again (RFC 9293 3.10.7.2). */
	c->rcv_nxt = s->seq + 1;
	c->rcv_adv = c->rcv_nxt;
	c->snd_una = iss;
	c->snd_nxt = iss;
	c->snd_max = iss;
	c->snd_wnd = s->wnd;
	c->max_wnd = s->wnd;
	c->snd_wl1 = s->seq;
	pw_tcp_conn_options(c, s);
	pw_tcp_conn_state(t, c, PW_TCP_SYN_RECEIVED);
	(void)pw_tcp_send_syn(t, c);
	pw_tcp_timer_update(t, c);
}

void
pw_tcp_listen_input(struct pw_tcp *t, struct listener *l, struct pw_tcp_seg *s,
		    struct tw_record *tw)
{
	if (s->flags & TCP_RST)
		return;
	if (s->flags & TCP_ACK) {
		t->count.drop_no_conn++;
		pw_tcp_refuse(t, s);
		return;
	}
	if (s->flags & TCP_SYN)
		syn(t, l, s, tw);
	else
		t->count.drop_no_conn++;
}
