/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * TIME_WAIT (RFC 9293 3.6.1): a connection that both sides have closed leaves a record of 64 bytes
 * for twice the segment lifetime. RST does not end it (RFC 1337); a SYN that is provably newer
 * takes its place (RFC 6191). The records stand in order of expiry; where the table is full the
 * oldest gives way.
 */
#include <errno.h>

#include <rte_common.h>
#include <rte_malloc.h>

#include "stack_pvt.h"

#define EXPIRE_BUDGET 1024 /* records forgotten in one go; the rest at the next advance */

int
pw_tcp_tw_init(struct tw_table *tw, uint32_t max, int socket)
{
	uint32_t heads = rte_align32pow2(max);

	tw->rec = rte_zmalloc_socket("pw_tcp_tw", sizeof(*tw->rec) * max, RTE_CACHE_LINE_SIZE,
				     socket);
	tw->head = rte_zmalloc_socket("pw_tcp_tw_head", sizeof(*tw->head) * heads,
				      RTE_CACHE_LINE_SIZE, socket);
	if (tw->rec == NULL || tw->head == NULL)
		return -ENOMEM;
	tw->mask = heads - 1;
	tw->size = max;
	for (uint32_t i = 0; i < max; i++)
		tw->rec[i].newer = i + 1 < max ? i + 2 : 0;
	tw->free = 1;
	return 0;
}

void
pw_tcp_tw_fini(struct tw_table *tw)
{
	rte_free(tw->head);
	rte_free(tw->rec);
}

static uint32_t
id_of(const struct tw_table *tw, const struct tw_record *r)
{
	return (uint32_t)(r - tw->rec) + 1;
}

static uint32_t
chain_next(const struct tw_record *r)
{
	return r->chain & ~TW_CHAIN_TS;
}

struct tw_record *
pw_tcp_tw_find(struct pw_tcp *t, const struct pw_flow *flow, uint32_t hash)
{
	struct tw_table *tw = &t->tw;

	for (uint32_t id = tw->head[hash & tw->mask]; id != 0;) {
		struct tw_record *r = &tw->rec[id - 1];

		if (memcmp(&r->flow, flow, sizeof(*flow)) == 0)
			return r;
		id = chain_next(r);
	}
	return NULL;
}

/* Out of, and into, the order of expiry. */
static void
order_remove(struct tw_table *tw, struct tw_record *r)
{
	if (r->older != 0)
		tw->rec[r->older - 1].newer = r->newer;
	else
		tw->oldest = r->newer;
	if (r->newer != 0)
		tw->rec[r->newer - 1].older = r->older;
	else
		tw->newest = r->older;
}

static void
order_append(struct pw_tcp *t, struct tw_record *r)
{
	struct tw_table *tw = &t->tw;

	r->expiry = tcp_deadline(t, 2 * t->conf.msl_ms);
	r->newer = 0;
	r->older = tw->newest;
	if (tw->newest != 0)
		tw->rec[tw->newest - 1].newer = id_of(tw, r);
	else
		tw->oldest = id_of(tw, r);
	tw->newest = id_of(tw, r);
}

static void
arm(struct pw_tcp *t)
{
	uint32_t left;

	if (t->tw.oldest == 0) {
		pw_wheel_cancel(&t->wheel, &t->tw.timer);
		return;
	}
	left = seq_ahead(tcp_ms(t), t->tw.rec[t->tw.oldest - 1].expiry);
	pw_wheel_arm(&t->wheel, &t->tw.timer, t->now + (uint64_t)left * 1000000);
}

static void
forget(struct pw_tcp *t, struct tw_record *r)
{
	struct tw_table *tw = &t->tw;
	uint32_t id = id_of(tw, r);
	uint32_t *head = &tw->head[pw_tcp_flow_hash(t, &r->flow) & tw->mask];

	if (*head == id) {
		*head = chain_next(r);
	} else {
		struct tw_record *p = &tw->rec[*head - 1];

		while (chain_next(p) != id)
			p = &tw->rec[chain_next(p) - 1];
		p->chain = (p->chain & TW_CHAIN_TS) | chain_next(r);
	}
	order_remove(tw, r);
	r->newer = tw->free;
	tw->free = id;
}

void
pw_tcp_tw_expire(struct pw_tcp *t)
{
	for (uint32_t n = 0; n < EXPIRE_BUDGET && t->tw.oldest != 0; n++) {
		struct tw_record *r = &t->tw.rec[t->tw.oldest - 1];

		if (seq_gt(r->expiry, tcp_ms(t)))
			break;
		forget(t, r);
	}
	arm(t);
}

void
pw_tcp_tw_enter(struct pw_tcp *t, struct pw_tcp_conn *c)
{
	struct tw_table *tw = &t->tw;
	uint32_t hash = pw_tcp_flow_hash(t, &c->flow) & tw->mask;
	struct tw_record *r;

	if (tw->free == 0)
		forget(t, &tw->rec[tw->oldest - 1]);
	r = &tw->rec[tw->free - 1];
	tw->free = r->newer;
	*r = (struct tw_record){
		.flow = c->flow,
		.snd_nxt = c->snd_max,
		.rcv_nxt = c->rcv_nxt,
		.ts_recent = c->ts_recent,
		.chain = tw->head[hash] | (c->flags & CONN_TS ? TW_CHAIN_TS : 0),
	};
	tw->head[hash] = id_of(tw, r);
	order_append(t, r);
	arm(t);
	/* The FIN is acknowledged now: nothing will ride for this connection any more. */
	if (c->last_ack != c->rcv_nxt)
		(void)pw_tcp_send_ack(t, c);
	pw_tcp_conn_state(c, PW_TCP_TIME_WAIT);
	pw_tcp_conn_end(t, c, PW_TCP_END_CLOSED);
}

static int
answer(struct pw_tcp *t, const struct tw_record *r)
{
	/* The window says nothing any more, but its edge must not be seen to move left. */
	return pw_tcp_send_bare(t, &r->flow, r->snd_nxt, r->rcv_nxt, TCP_ACK, UINT16_MAX,
				r->chain & TW_CHAIN_TS ? &r->ts_recent : NULL);
}

/* RFC 6191 2: a later timestamp, or else a later sequence number, proves a new connection. */
static bool
is_newer(const struct tw_record *r, const struct pw_tcp_seg *s)
{
	if ((r->chain & TW_CHAIN_TS) && (s->opts & SEG_OPT_TS) && s->ts_val != r->ts_recent)
		return seq_gt(s->ts_val, r->ts_recent);
	return seq_gt(s->seq, r->rcv_nxt);
}

void
pw_tcp_tw_extend(struct pw_tcp *t, struct tw_record *r)
{
	order_remove(&t->tw, r);
	order_append(t, r);
	arm(t);
}

void
pw_tcp_tw_reuse(struct pw_tcp *t, struct tw_record *r)
{
	t->count.time_wait_reused++;
	forget(t, r);
	arm(t);
}

/* Is it the start of a new connection, or what completes its handshake? */
static bool
opens(struct pw_tcp *t, const struct tw_record *r, const struct pw_tcp_seg *s)
{
	struct pw_tcp_seg request;

	switch (s->flags & (TCP_SYN | TCP_ACK)) {
	case TCP_SYN:
		return is_newer(r, s);
	case TCP_ACK:
		return pw_tcp_cookie_check(t, s, r, &request) != COOKIE_NONE;
	default:
		return false;
	}
}

bool
pw_tcp_tw_input(struct pw_tcp *t, struct tw_record *r, const struct pw_tcp_seg *s)
{
	if (s->flags & TCP_RST)
		return false;
	if (pw_tcp_listener(t, &s->flow.local, s->flow.lport) != NULL && opens(t, r, s))
		return true;
	if ((s->flags & TCP_FIN) && s->seq + s->len + 1 == r->rcv_nxt) {
		order_remove(&t->tw, r);
		order_append(t, r);
		arm(t);
		(void)answer(t, r);
		return false;
	}
	/* An acknowledgement in order asks for nothing; all else hears where we stand, in measure.
	 */
	if (seg_span(s) == 0 && s->seq == r->rcv_nxt)
		return false;
	if (pw_tcp_challenge_allowed(t) && answer(t, r) == 0)
		t->count.challenge_acks++;
	return false;
}
