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
	[PW_TCP_CLOSED] = BIT(SYN_SENT) | BIT(ESTABLISHED), /* from a cookie: cookie.c */
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

void
pw_tcp_conn_state(struct pw_tcp_conn *c, enum pw_tcp_state to)
{
	assert(may_become[c->state] & (1u << to));
	c->state = (uint8_t)to;
}

uint16_t
pw_tcp_path_mss(const struct pw_addr *remote, uint16_t mtu)
{
	uint16_t headers = (pw_addr_is_v4(remote) ? 20 : 40) + TCP_HDR_LEN;

	return mtu > headers + MSS_TINY ? mtu - headers : MSS_TINY;
}

uint16_t
pw_tcp_conn_max_mss(const struct pw_tcp_conn *c)
{
	return pw_tcp_path_mss(&c->flow.remote, c->mtu);
}

uint16_t
pw_tcp_peer_mss(const struct pw_tcp_seg *s)
{
	return RTE_MAX(s->opts & SEG_OPT_MSS ? s->mss : MSS_DEFAULT, MSS_LEAST);
}

int
pw_tcp_way(struct pw_tcp *t, const struct pw_addr *peer, struct pw_tcp_path *to)
{
	*to = (struct pw_tcp_path){.mtu = 0};
	return t->conf.hooks.path(t->conf.hooks.ctx, peer, to);
}

struct pw_tcp_conn *
pw_tcp_conn_new(struct pw_tcp *t, const struct pw_flow *flow, uint32_t hash,
		const struct pw_tcp_path *to)
{
	struct pw_tcp_conn *c = pw_pool_get(t->conns);

	if (c == NULL)
		return NULL;
	c->flow = *flow;
	c->mtu = to->mtu;
	c->max_segs = RTE_MAX(1, RTE_MIN(to->max_segs, 127));
	c->tso = to->tso;
	c->state = PW_TCP_CLOSED;
	c->rcv_scale = t->rcv_scale;
	c->mss = RTE_MIN(pw_tcp_conn_max_mss(c), MSS_DEFAULT);
	c->last_rx = tcp_ms(t);
	c->progress = c->last_rx;
	pw_tcp_stray_init(t, c);
	pw_tcp_table_add(t, c, hash);
	return c;
}

void
pw_tcp_conn_options(struct pw_tcp_conn *c, const struct pw_tcp_seg *s)
{
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
	c->mss = RTE_MIN(pw_tcp_peer_mss(s), pw_tcp_conn_max_mss(c));
	if (c->flags & CONN_TS)
		c->mss -= TCP_OPT_TS_LEN;
	c->mss_agreed = c->mss;
}

void
pw_tcp_conn_established(struct pw_tcp *t, struct pw_tcp_conn *c)
{
	pw_tcp_conn_state(c, PW_TCP_ESTABLISHED);
	t->count.established++;
	pw_tcp_cc(c)->open(c, !!(c->flags & CONN_SYN_RTX));
	c->backoff = 0;
	c->t_rtx = 0;
	c->progress = tcp_ms(t);
	if (c->flags & CONN_PASSIVE) {
		t->count.passive_opens++;
		pw_tcp_post(t, c, CONN_EV_ACCEPT);
	} else {
		pw_tcp_post(t, c, CONN_EV_CONNECTED);
	}
	/* Closed by its owner while the handshake ran: the FIN follows it. */
	if (c->flags & CONN_FIN_QUEUED) {
		pw_tcp_conn_state(c, PW_TCP_FIN_WAIT_1);
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
	if ((c->flags & CONN_PASSIVE) && c->state != PW_TCP_TIME_WAIT && !t->closing)
		pw_tcp_tw_spend(t, c);
	pw_tcp_conn_state(c, PW_TCP_CLOSED);
	pw_tcp_flight_end(t, c);
	pw_tcp_sq_release(t, c);
	pw_tcp_ooo_release(t, c);
	pw_tcp_sack_forget(t, c);
	if (c->flags & CONN_WND_HELD)
		t->nb_held--;
	c->flags &= ~(CONN_WND_HELD | CONN_ACK_NOW | CONN_EV_ACKED | CONN_EV_CONNECTED);
	c->t_rtx = 0;
	c->t_delack = 0;
	c->end = why;
	/* One that nobody has heard of goes unheard. */
	if (!(c->flags & CONN_OWNED))
		pw_tcp_conn_release(t, c);
	else if (why == PW_TCP_END_CLOSED && c->rx_len > 0 && !(c->flags & CONN_DISCARD))
		c->flags |= CONN_UNREAD; /* RFC 9293 3.6: what came before the FIN is delivered */
	else
		pw_tcp_post(t, c, CONN_EV_GONE);
}

void
pw_tcp_conn_read_up(struct pw_tcp *t, struct pw_tcp_conn *c)
{
	if (!(c->flags & CONN_UNREAD))
		return;
	c->flags &= ~CONN_UNREAD;
	pw_tcp_post(t, c, CONN_EV_GONE);
}

void
pw_tcp_conn_release(struct pw_tcp *t, struct pw_tcp_conn *c)
{
	assert(c->state == PW_TCP_CLOSED && !(c->flags & CONN_DEAD));
	c->flags &= ~CONN_UNREAD;
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
