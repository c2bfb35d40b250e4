/* SPDX-License-Identifier: BSD-3-Clause */
/* Birth, states and death of a connection; see stack_pvt.h for the order of its end. */
#include <rte_common.h>

#include "stack_pvt.h"

#define MSS_DEFAULT 536 /* RFC 9293 3.7.1 */
#define MSS_LEAST   64	/* a smaller offer is taken for this: RFC 9293 3.7.1 sets no floor */
#define MSS_TINY    24	/* on a path that takes less; the timestamps must leave some of it */
#define SCALE_MAX   14	/* RFC 7323 2.3 */

#define BIT(s)	    (1u << PW_TCP_##s)

/* RFC 9293 figure 5, and the ways to CLOSED that it leaves out (RST, ABORT, timeouts). */
static const uint16_t may_become[] __rte_unused = {
	[PW_TCP_CLOSED] = BIT(SYN_SENT) | BIT(SYN_RECEIVED),
	[PW_TCP_LISTEN] = BIT(SYN_RECEIVED),
	[PW_TCP_SYN_SENT] = BIT(SYN_RECEIVED) | BIT(ESTABLISHED) | BIT(CLOSED),
	[PW_TCP_SYN_RECEIVED] = BIT(ESTABLISHED) | BIT(CLOSED),
	[PW_TCP_ESTABLISHED] = BIT(FIN_WAIT_1) | BIT(CLOSE_WAIT) | BIT(CLOSED),
	[PW_TCP_FIN_WAIT_1] = BIT(FIN_WAIT_2) | BIT(CLOSING) | BIT(TIME_WAIT) | BIT(CLOSED),
	[PW_TCP_FIN_WAIT_2] = BIT(TIME_WAIT) | BIT(CLOSED),
	[PW_TCP_CLOSE_WAIT] = BIT(LAST_ACK) | BIT(CLOSED),
	[PW_TCP_CLOSING] = BIT(TIME_WAIT) | BIT(CLOSED),
	[PW_TCP_LAST_ACK] = BIT(CLOSED),
	[PW_TCP_TIME_WAIT] = BIT(CLOSED),
};

/* Half-open connections of listeners, in the order of their requests. */
static void
syn_enqueue(struct pw_tcp *t, struct pw_tcp_conn *c)
{
	uint32_t id = pw_pool_index(t->conns, c) + 1;
	struct pw_tcp_conn *newest;

	c->flags |= CONN_SYN_QUEUED;
	c->syn_newer = 0;
	c->syn_older = t->syn_newest;
	if (t->syn_newest != 0) {
		newest = pw_pool_at(t->conns, t->syn_newest - 1);
		newest->syn_newer = id;
	} else {
		t->syn_oldest = id;
	}
	t->syn_newest = id;
	t->nb_syn_rcvd++;
}

static void
syn_dequeue(struct pw_tcp *t, struct pw_tcp_conn *c)
{
	struct pw_tcp_conn *other;

	if (c->syn_older != 0) {
		other = pw_pool_at(t->conns, c->syn_older - 1);
		other->syn_newer = c->syn_newer;
	} else {
		t->syn_oldest = c->syn_newer;
	}
	if (c->syn_newer != 0) {
		other = pw_pool_at(t->conns, c->syn_newer - 1);
		other->syn_older = c->syn_older;
	} else {
		t->syn_newest = c->syn_older;
	}
	c->flags &= ~CONN_SYN_QUEUED;
	c->syn_newer = 0;
	c->syn_older = 0;
	t->nb_syn_rcvd--;
}

void
pw_tcp_conn_state(struct pw_tcp *t, struct pw_tcp_conn *c, enum pw_tcp_state to)
{
	assert(may_become[c->state] & (1u << to));
	if (c->flags & CONN_SYN_QUEUED)
		syn_dequeue(t, c);
	else if (to == PW_TCP_SYN_RECEIVED && (c->flags & CONN_PASSIVE))
		syn_enqueue(t, c);
	c->state = (uint8_t)to;
}

bool
pw_tcp_conn_drop_oldest_syn(struct pw_tcp *t)
{
	if (t->syn_oldest == 0)
		return false;
	t->count.drop_syn_oldest++;
	pw_tcp_conn_end(t, pw_pool_at(t->conns, t->syn_oldest - 1), PW_TCP_END_ABORTED);
	return true;
}

uint16_t
pw_tcp_conn_max_mss(const struct pw_tcp_conn *c)
{
	uint16_t headers = (pw_addr_is_v4(&c->flow.remote) ? 20 : 40) + TCP_HDR_LEN;

	return c->mtu > headers + MSS_TINY ? c->mtu - headers : MSS_TINY;
}

struct pw_tcp_conn *
pw_tcp_conn_new(struct pw_tcp *t, const struct pw_flow *flow, uint32_t hash, uint16_t mtu,
		uint16_t max_segs)
{
	struct pw_tcp_conn *c = pw_pool_get(t->conns);

	if (c == NULL)
		return NULL;
	c->flow = *flow;
	c->mtu = mtu;
	c->max_segs = (uint8_t)RTE_MAX(1, RTE_MIN(max_segs, UINT8_MAX));
	c->state = PW_TCP_CLOSED;
	c->rcv_scale = t->rcv_scale;
	c->mss = RTE_MIN(pw_tcp_conn_max_mss(c), MSS_DEFAULT);
	c->last_rx = tcp_ms(t);
	c->progress = c->last_rx;
	pw_tcp_table_add(t, c, hash);
	return c;
}

void
pw_tcp_conn_options(struct pw_tcp_conn *c, const struct pw_tcp_seg *s)
{
	uint16_t peer = s->opts & SEG_OPT_MSS ? s->mss : MSS_DEFAULT;

	if (s->opts & SEG_OPT_TS) {
		c->flags |= CONN_TS;
		c->ts_recent = s->ts_val;
	}
	if (s->opts & SEG_OPT_SACK_OK)
		c->flags |= CONN_SACK;
	if (s->opts & SEG_OPT_WS) {
		c->flags |= CONN_WS;
		c->snd_scale = RTE_MIN(s->scale, SCALE_MAX);
	} else {
		c->rcv_scale = 0;
	}
	/* RFC 6691: the option excludes options, the effective size does not. */
	c->mss = RTE_MIN(RTE_MAX(peer, MSS_LEAST), pw_tcp_conn_max_mss(c));
	if (c->flags & CONN_TS)
		c->mss -= TCP_OPT_TS_LEN;
}

void
pw_tcp_conn_established(struct pw_tcp *t, struct pw_tcp_conn *c)
{
	pw_tcp_conn_state(t, c, PW_TCP_ESTABLISHED);
	t->count.established++;
	if (!(c->flags & CONN_SYN_RTX))
		pw_tcp_rtt_sample(c, (uint64_t)(tcp_ms(t) - c->progress) * 1000);
	t->cc->open(c, !!(c->flags & CONN_SYN_RTX));
	c->backoff = 0;
	c->t_rtx = 0;
	c->recover = c->snd_una;
	c->progress = tcp_ms(t);
	if (c->flags & CONN_PASSIVE) {
		t->count.passive_opens++;
		pw_tcp_post(t, c, CONN_EV_ACCEPT);
	} else {
		pw_tcp_post(t, c, CONN_EV_CONNECTED);
	}
	/* Closed by its owner while the handshake ran: the FIN follows it. */
	if (c->flags & CONN_FIN_QUEUED) {
		pw_tcp_conn_state(t, c, PW_TCP_FIN_WAIT_1);
		pw_tcp_dirty(t, c);
	}
}

void
pw_tcp_conn_end(struct pw_tcp *t, struct pw_tcp_conn *c, enum pw_tcp_end why)
{
	if (c->state == PW_TCP_SYN_SENT || c->state == PW_TCP_SYN_RECEIVED)
		t->count.open_failures++;
	pw_tcp_table_remove(t, c);
	pw_wheel_cancel(&t->wheel, &c->timer);
	pw_tcp_conn_state(t, c, PW_TCP_CLOSED);
	pw_tcp_sq_release(t, c);
	pw_tcp_ooo_release(t, c);
	if (c->flags & CONN_WND_HELD)
		t->nb_held--;
	c->flags &= ~(CONN_WND_HELD | CONN_ACK_NOW | CONN_EV_ACKED | CONN_EV_CONNECTED);
	c->t_rtx = 0;
	c->t_delack = 0;
	c->end = (uint8_t)why;
	/* One that nobody has heard of goes unheard. */
	if (c->flags & CONN_OWNED)
		pw_tcp_post(t, c, CONN_EV_GONE);
	else
		pw_tcp_conn_release(t, c);
}

void
pw_tcp_conn_release(struct pw_tcp *t, struct pw_tcp_conn *c)
{
	assert(c->state == PW_TCP_CLOSED && !(c->flags & CONN_DEAD));
	pw_tcp_rx_release(c);
	c->flags = (c->flags & ~(uint32_t)CONN_EVENTS) | CONN_DEAD;
	c->next_dead = t->dead;
	t->dead = c;
}

void
pw_tcp_conn_reap(struct pw_tcp *t)
{
	struct pw_tcp_conn *c = t->dead, *next;

	t->dead = NULL;
	for (; c != NULL; c = next) {
		next = c->next_dead;
		if (c->flags & (CONN_ON_READY | CONN_ON_DIRTY)) {
			c->next_dead = t->dead;
			t->dead = c;
			continue;
		}
		if (c->flags & CONN_PASSIVE)
			t->nb_passive--;
		/* The union held the list's link; the pool hands out zeroed objects. */
		pw_pool_put(t->conns, c);
	}
}
