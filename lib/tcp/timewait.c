/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What is remembered of a connection that has ended, in 32 bytes. One that both sides have closed
 * is in TIME_WAIT (RFC 9293 3.6.1) for twice the segment lifetime: RST does not end it (RFC 1337);
 * a connection that is provably newer takes its place (RFC 6191). One that a peer has opened and
 * that ended otherwise, soon after, leaves a record that answers nothing: it only keeps the cookie
 * that opened it from opening a second one (cookie.c).
 *
 * Instead of the flow a record has 64 bits of a keyed hash of it: of two flows at hand, one passes
 * for the other in 2^64 cases, and nobody outside can look for such a pair. The records are a ring
 * in the order in which they were made. One whose time was lengthened moves to the end when its
 * turn comes; one that was taken leaves a gap until then. Where the ring is full the oldest of
 * TIME_WAIT gives way, and a cookie is not remembered.
 */
#include <errno.h>

#include <rte_common.h>
#include <rte_malloc.h>

#include "stack_pvt.h"

#define EXPIRE_BUDGET 1024 /* records forgotten in one go; the rest at the next advance */
#define TIDY_BUDGET   4	   /* and looked at where one is made */

/*
 * Where there are many connections, few of them end at a time, and fewer so that this side is the
 * one to wait.
 */
#define NOT_MANY 32768u
#define MANY	 32

uint32_t
pw_tcp_tw_records(uint32_t asked, uint32_t max_conns)
{
	uint32_t few = RTE_MIN(max_conns, NOT_MANY);

	return asked != 0 ? asked : few + (max_conns - few) / MANY;
}

/* The chains of so many records. */
static uint32_t
heads_of(uint32_t max)
{
	return rte_align32pow2(max);
}

size_t
pw_tcp_time_wait_bytes(uint32_t max_time_wait, uint32_t max_conns)
{
	uint32_t max = pw_tcp_tw_records(max_time_wait, max_conns);

	return (size_t)max * sizeof(struct tw_record) + (size_t)heads_of(max) * sizeof(uint32_t);
}

int
pw_tcp_tw_init(struct tw_table *tw, uint32_t max, int socket)
{
	uint32_t heads = heads_of(max);

	tw->rec = rte_zmalloc_socket("pw_tcp_tw", sizeof(*tw->rec) * max, RTE_CACHE_LINE_SIZE,
				     socket);
	tw->head = rte_zmalloc_socket("pw_tcp_tw_head", sizeof(*tw->head) * heads,
				      RTE_CACHE_LINE_SIZE, socket);
	if (tw->rec == NULL || tw->head == NULL)
		return -ENOMEM;
	tw->mask = heads - 1;
	tw->size = max;
	return 0;
}

void
pw_tcp_tw_fini(struct tw_table *tw)
{
	rte_free(tw->head);
	rte_free(tw->rec);
}

struct tw_record *
pw_tcp_tw_find(struct pw_tcp *t, uint64_t print)
{
	struct tw_table *tw = &t->tw;

	for (uint32_t id = tw->head[print & tw->mask]; id != 0; id = tw->rec[id - 1].chain) {
		struct tw_record *r = &tw->rec[id - 1];

		if (r->print == print)
			return seq_gt(r->expiry, tcp_ms(t)) ? r : NULL;
	}
	return NULL;
}

/* Into, and out of, the chain of its hash. */
static void
link_record(struct tw_table *tw, struct tw_record *r)
{
	uint32_t *head = &tw->head[r->print & tw->mask];

	r->chain = *head;
	*head = (uint32_t)(r - tw->rec) + 1;
	r->flags |= TW_LIVE;
}

static void
unlink_record(struct tw_table *tw, struct tw_record *r)
{
	uint32_t *link = &tw->head[r->print & tw->mask];

	while (&tw->rec[*link - 1] != r)
		link = &tw->rec[*link - 1].chain;
	*link = r->chain;
	r->flags &= ~TW_LIVE;
}

/* The place after the last; there is one. */
static struct tw_record *
push(struct tw_table *tw)
{
	uint32_t at = tw->oldest + tw->count++;

	return &tw->rec[at < tw->size ? at : at - tw->size];
}

static struct tw_record
pop(struct tw_table *tw)
{
	struct tw_record *r = &tw->rec[tw->oldest], was = *r;

	if (r->flags & TW_LIVE)
		unlink_record(tw, r);
	tw->oldest = tw->oldest + 1 < tw->size ? tw->oldest + 1 : 0;
	tw->count--;
	return was;
}

/* Let go of what has had its time, and of gaps; put behind what has been given more. */
static void
tidy(struct pw_tcp *t, uint32_t budget)
{
	struct tw_table *tw = &t->tw;

	for (; budget > 0 && tw->count > 0; budget--) {
		const struct tw_record *r = &tw->rec[tw->oldest];
		bool over = !(r->flags & TW_LIVE) || seq_le(r->expiry, tcp_ms(t));
		struct tw_record was;

		if (!over && !(r->flags & TW_LATER))
			break;
		was = pop(tw);
		if (!over) {
			struct tw_record *again = push(tw);

			*again = was;
			again->flags &= ~TW_LATER;
			link_record(tw, again);
		}
	}
}

static void
arm(struct pw_tcp *t)
{
	const struct tw_table *tw = &t->tw;
	const struct tw_record *r = &tw->rec[tw->oldest];
	uint32_t left;

	if (tw->count == 0) {
		pw_wheel_cancel(&t->wheel, &t->tw.timer);
		return;
	}
	left = r->flags & TW_LIVE ? seq_ahead(tcp_ms(t), r->expiry) : 0;
	pw_wheel_arm(&t->wheel, &t->tw.timer, t->now + (uint64_t)left * 1000000);
}

void
pw_tcp_tw_expire(struct pw_tcp *t)
{
	tidy(t, EXPIRE_BUDGET);
	arm(t);
}

static void
remember(struct pw_tcp *t, const struct pw_tcp_conn *c, uint32_t flags, uint32_t ms)
{
	struct tw_table *tw = &t->tw;
	uint64_t print = pw_tcp_flow_print(t, &c->flow);
	struct tw_record *r = pw_tcp_tw_find(t, print);

	assert(r == NULL || (r->flags & TW_SPENT));
	if (r != NULL)
		unlink_record(tw, r);
	tidy(t, TIDY_BUDGET);
	if (tw->count == tw->size) {
		if (flags & TW_SPENT)
			return;
		(void)pop(tw);
	}
	r = push(tw);
	*r = (struct tw_record){
		.print = print,
		.snd_nxt = c->snd_max,
		.rcv_nxt = c->rcv_nxt,
		.ts_recent = c->ts_recent,
		.expiry = tcp_deadline(t, ms),
		.flags = flags | (c->flags & CONN_TS ? TW_TS : 0),
	};
	link_record(tw, r);
	arm(t);
}

void
pw_tcp_tw_enter(struct pw_tcp *t, struct pw_tcp_conn *c)
{
	remember(t, c, 0, 2 * t->conf.msl_ms);
	/* The FIN is acknowledged now: nothing will ride for this connection any more. */
	if (c->last_ack != c->rcv_nxt)
		(void)pw_tcp_send_ack(t, c);
	pw_tcp_conn_state(c, PW_TCP_TIME_WAIT);
	pw_tcp_conn_end(t, c, PW_TCP_END_CLOSED);
}

void
pw_tcp_tw_spend(struct pw_tcp *t, const struct pw_tcp_conn *c)
{
	uint32_t ms = pw_tcp_cookie_left(t, c);

	if (ms > 0)
		remember(t, c, TW_SPENT, ms);
}

static int
answer(struct pw_tcp *t, const struct tw_record *r, const struct pw_flow *flow)
{
	/* The window says nothing any more, but its edge must not be seen to move left. */
	return pw_tcp_send_bare(t, flow, r->snd_nxt, r->rcv_nxt, TCP_ACK, UINT16_MAX,
				r->flags & TW_TS ? &r->ts_recent : NULL);
}

/* RFC 6191 2: a later timestamp, or else a later sequence number, proves a new connection. */
static bool
is_newer(const struct tw_record *r, const struct pw_tcp_seg *s)
{
	if ((r->flags & TW_TS) && (s->opts & SEG_OPT_TS) && s->ts_val != r->ts_recent)
		return seq_gt(s->ts_val, r->ts_recent);
	return seq_gt(s->seq, r->rcv_nxt);
}

/* Not before so many ms from now. */
static void
lengthen(struct pw_tcp *t, struct tw_record *r, uint32_t ms)
{
	uint32_t expiry = tcp_deadline(t, ms);

	if (seq_gt(expiry, r->expiry)) {
		r->expiry = expiry;
		r->flags |= TW_LATER;
	}
}

void
pw_tcp_tw_extend(struct pw_tcp *t, struct tw_record *r)
{
	lengthen(t, r, PW_TCP_COOKIE_LIFE_MS);
}

void
pw_tcp_tw_reuse(struct pw_tcp *t, struct tw_record *r)
{
	t->count.time_wait_reused += !(r->flags & TW_SPENT);
	unlink_record(&t->tw, r);
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
	if (r->flags & TW_SPENT)
		return true;
	if (s->flags & TCP_RST)
		return false;
	if (pw_tcp_listener(t, &s->flow.local, s->flow.lport) != NULL && opens(t, r, s))
		return true;
	if ((s->flags & TCP_FIN) && s->seq + s->len + 1 == r->rcv_nxt) {
		lengthen(t, r, 2 * t->conf.msl_ms);
		(void)answer(t, r, &s->flow);
		return false;
	}
	/* An acknowledgement in order asks for nothing; all else hears where we stand, in measure.
	 */
	if (seg_span(s) == 0 && s->seq == r->rcv_nxt)
		return false;
	if (pw_tcp_refusal_allowed(t, &s->flow.remote) && answer(t, r, &s->flow) == 0)
		t->count.challenge_acks++;
	return false;
}
