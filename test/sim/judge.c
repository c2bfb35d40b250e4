/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What every segment must obey, whatever the wire does, judged by nothing but what a side has sent
 * and heard: numbers without gaps, nothing beyond the window that was heard (save a probe's one
 * byte), no right edge that shrinks, no segment above the MSS, options as agreed, timestamps that
 * do not go back, SACK blocks that name bytes which have arrived, and at each place of a stream
 * always the same byte.
 */
#include <stdlib.h>
#include <string.h>

#include <rte_common.h>

#include "world.h"

#define DEFAULT_MSS_V4 536 /* RFC 9293 3.7.1 */
#define DEFAULT_MSS_V6 1220

static bool
lt(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) < 0;
}

static uint32_t
later(uint32_t a, uint32_t b)
{
	return lt(a, b) ? b : a;
}

#define BROKEN(c, side, ...)                                                                       \
	do {                                                                                       \
		char what_[160];                                                                   \
		snprintf(what_, sizeof(what_), __VA_ARGS__);                                       \
		world_fault((c)->w, "connection %u.%u side %u: %s", (c)->id, (c)->gen, side,       \
			    what_);                                                                \
	} while (0)

void
judge_fini(struct conn *c)
{
	for (uint32_t i = 0; i < 2; i++) {
		free(c->view[i].arrived);
		c->view[i].arrived = NULL;
	}
}

void
judge_open(struct conn *c)
{
	judge_fini(c);
	memset(c->view, 0, sizeof(c->view));
	for (uint32_t i = 0; i < 2; i++) {
		struct view *v = &c->view[i];

		v->room = app_total(&c->end[!i]);
		v->arrived = calloc(1, v->room / 8 + 1);
	}
}

static bool
scaled(const struct view *v)
{
	return v->sent_ws && v->heard_ws;
}

static uint32_t
offered(const struct view *me, const struct seg *s)
{
	bool scale = scaled(me) && !(s->flags & F_SYN);

	return s->ack + ((uint32_t)s->win << (scale ? me->ws : 0));
}

/** RFC 7323 2.4: what the scale hides may be taken back. */
static uint32_t
rounding(const struct view *me)
{
	return scaled(me) ? (1u << me->ws) - 1 : 0;
}

static uint32_t
heard_edge(const struct view *me, const struct seg *s)
{
	bool scale = scaled(me) && !(s->flags & F_SYN);

	return s->ack + ((uint32_t)s->win << (scale ? RTE_MIN(me->peer_ws, 14) : 0));
}

static void
sent_syn(struct conn *c, uint32_t side, const struct seg *s)
{
	struct view *me = &c->view[side];

	/* A listener may answer an old duplicate before it answers the request that counts. */
	if (me->has_iss && me->iss != s->seq && (side == 0 || c->end[side].up))
		BROKEN(c, side, "a SYN repeated with another number");
	if (!me->sent_syn || me->iss != s->seq)
		me->end = s->seq;
	me->sent_syn = true;
	me->iss = s->seq;
	me->sent_ts = s->has_ts;
	me->sent_ws = s->has_ws;
	me->ws = s->ws;
	me->sent_sack = s->sack_ok;
}

static uint32_t
segment_limit(const struct conn *c, uint32_t side)
{
	const struct view *me = &c->view[side];
	uint32_t own = c->end[side].host->port.mtu - (c->v6 ? 60u : 40u);

	if (!me->heard_syn)
		return own;
	return RTE_MIN(own, me->peer_mss);
}

static void
check_numbers(struct conn *c, uint32_t side, const struct seg *s)
{
	const struct view *me = &c->view[side];
	uint32_t last = s->seq + s->len;
	uint32_t una = me->una_at < c->w->now ? me->una : me->una_before;
	uint32_t limit = segment_limit(c, side);

	if (lt(me->end, s->seq))
		BROKEN(c, side, "a gap: %u sent so far, then %u", me->end - me->iss,
		       s->seq - me->iss);
	if (me->heard && lt(s->seq, una - 1))
		BROKEN(c, side, "sent again what was acknowledged: %u of %u", s->seq - me->iss,
		       una - me->iss);
	if (s->len + s->opt_len > limit && !(s->flags & F_SYN))
		BROKEN(c, side, "%u bytes and %u of options with an MSS of %u", s->len, s->opt_len,
		       limit);
	if (me->heard && s->len > 1 && lt(me->heard_edge, last)) /* one byte may be a probe */
		BROKEN(c, side, "%u bytes beyond the window", last - me->heard_edge);
	if (me->heard && seg_space(s) == 0 && lt(me->heard_edge, s->seq))
		BROKEN(c, side, "a bare ACK %u beyond the window", s->seq - me->heard_edge);
	if (me->fin_sent &&
	    ((s->len != 0 && lt(me->fin, last)) || ((s->flags & F_FIN) && last != me->fin)))
		BROKEN(c, side, "bytes after the FIN");
}

/* The bytes themselves; a keepalive probe may carry one before the first. */
static void
check_bytes(struct conn *c, uint32_t side, const struct seg *s)
{
	const struct view *me = &c->view[side];
	uint32_t off = s->seq - me->iss - 1;

	if (s->len == 0 || !lt(me->iss, s->seq))
		return;
	if (off + s->len > c->end[side].sent)
		BROKEN(c, side, "bytes that the application has not given yet, at %u", off);
	else if (!app_same(app_stream(c, side), off, s->data, s->len))
		BROKEN(c, side, "other bytes than the application gave, at %u", off);
}

static void
check_options(struct conn *c, uint32_t side, const struct seg *s)
{
	const struct view *me = &c->view[side];
	bool ts = me->sent_ts && me->heard_ts;

	if (s->flags & F_SYN) {
		if ((s->flags & F_ACK) && me->heard_syn &&
		    ((s->has_ts && !me->heard_ts) || (s->has_ws && !me->heard_ws) ||
		     (s->sack_ok && !me->heard_sack)))
			BROKEN(c, side, "an option in SYN|ACK that was not offered");
		return;
	}
	if (s->mss != 0 || s->has_ws || s->sack_ok)
		BROKEN(c, side, "an option that belongs into a SYN");
	if (ts != s->has_ts && me->heard_syn)
		BROKEN(c, side, "timestamps %s", ts ? "missing" : "that were not agreed");
	if (s->nb_sacks != 0 && !(me->sent_sack && me->heard_sack))
		BROKEN(c, side, "SACK that was not agreed");
	if (s->has_ts && me->has_tsval && lt(s->tsval, me->tsval))
		BROKEN(c, side, "a timestamp that goes back");
}

/** Bytes of a side's stream before a sequence number; its FIN is none. */
static uint32_t
place_of(const struct view *of, uint32_t seq)
{
	uint32_t n = seq - of->iss - 1;

	return of->fin_sent && seq == of->fin + 1 ? n - 1 : n;
}

static bool
has_arrived(const struct view *me, uint32_t from, uint32_t to)
{
	for (uint32_t i = from; i < to && i < me->room; i++) {
		if (!(me->arrived[i / 8] & 1 << i % 8))
			return false;
	}
	return true;
}

/* RFC 2018 4: blocks name what is held beyond the acknowledgement; RFC 2883 4: the first may not.
 */
static void
check_sacks(struct conn *c, uint32_t side, const struct seg *s)
{
	const struct view *me = &c->view[side], *peer = &c->view[!side];
	uint32_t base = peer->iss + 1;

	for (uint32_t i = 0; i < s->nb_sacks; i++) {
		uint32_t l = s->sack[i].l, r = s->sack[i].r;

		if (!lt(l, r) || lt(peer->end, r) || lt(l, base))
			BROKEN(c, side, "a SACK block %d..%d of %u bytes sent", (int)(l - base),
			       (int)(r - base), peer->end - base);
		else if (!lt(s->ack, l) && i != 0)
			BROKEN(c, side, "a SACK block at %u below the acknowledgement", l - base);
		else if (!has_arrived(me, l - base, place_of(peer, r)))
			BROKEN(c, side, "a SACK block of bytes that have not come: %u..%u",
			       l - base, r - base);
	}
}

/* What is offered has room beside what is unread; rounding may give a segment away. */
static void
check_room(struct conn *c, uint32_t side, const struct seg *s, uint32_t edge)
{
	const struct end *e = &c->end[side];
	const struct view *me = &c->view[side], *peer = &c->view[!side];
	uint32_t most = e->got + pw_tcp_rx_window(e->host->tcp) + e->host->port.mtu + rounding(me);

	if ((s->flags & F_SYN) || !peer->has_iss || e->closed || e->dropped)
		return;
	if (edge - peer->iss - 1 > most)
		BROKEN(c, side, "a window up to %u with %u consumed", edge - peer->iss - 1, e->got);
}

static void
check_ack(struct conn *c, uint32_t side, const struct seg *s)
{
	struct view *me = &c->view[side];
	const struct view *peer = &c->view[!side];
	uint32_t edge = offered(me, s);

	if (me->acked && lt(s->ack, me->ack))
		BROKEN(c, side, "an ACK that goes back by %u", me->ack - s->ack);
	if (peer->has_iss && lt(peer->end, s->ack))
		BROKEN(c, side, "an ACK of %u bytes that were never sent", s->ack - peer->end);
	if (peer->has_iss && lt(peer->iss, s->ack) &&
	    !has_arrived(me, me->acked ? me->ack - peer->iss - 1 : 0, place_of(peer, s->ack)))
		BROKEN(c, side, "an ACK of bytes that have not come");
	/* A SYN can't say more than 64 KiB (RFC 7323 2.2), one that is repeated neither. */
	if (me->acked && !(s->flags & F_SYN) && lt(edge + rounding(me), me->edge))
		BROKEN(c, side, "the right edge shrinks by %u", me->edge - edge);
	check_room(c, side, s, edge);
	me->ack = s->ack;
	me->edge = me->acked ? later(me->edge, edge) : edge;
	me->acked = true;
}

/*
 * A listener answers any SYN, forged and old ones too, and keeps what comes of it for a while. What
 * it sends then is judged by nobody: the opener knows nothing of it and resets it.
 */
static bool
ghost(const struct conn *c, uint32_t side, const struct seg *s)
{
	const struct end *e = &c->end[side];
	const struct view *peer = &c->view[!side];

	if (side == 1 && (s->flags & F_SYN) && (s->flags & F_ACK) && s->ack != peer->iss + 1)
		return true;
	if (e->opened && !e->gone)
		return false;
	if (e->up && !e->gone)
		return false;
	return e->gone || !peer->has_iss || !lt(peer->iss, s->ack) || lt(peer->end, s->ack);
}

/*
 * Both were to open, and this side has given up before it was heard of: the opener may meet its SYN
 * or its listener, in either order, and what comes of that has two beginnings.
 */
static bool
left_to_the_listener(struct conn *c, uint32_t side, const struct seg *s)
{
	const struct end *e = &c->end[side];

	if (side == 1 && (s->flags & F_SYN) && (s->flags & F_ACK) && e->opened && e->gone && !e->up)
		c->view[1].listener_answered = true;
	return c->view[1].listener_answered;
}

void
judge_sent(struct conn *c, uint32_t side, const struct seg *s, bool stateless)
{
	struct view *me = &c->view[side];

	if (left_to_the_listener(c, side, s) || ghost(c, side, s))
		return;
	if (stateless && !(s->flags & F_SYN))
		return;
	if (s->flags & F_SYN)
		sent_syn(c, side, s);
	if (stateless)
		me->end = s->seq + 1;
	if (stateless || (s->flags & F_RST))
		return;
	if (!me->has_iss && !(s->flags & F_SYN)) {
		/* Which of its cookies the peer has answered; a keepalive probe is one before. */
		if (s->seq != me->iss)
			me->iss = s->seq - 1;
		me->end = me->iss + 1;
	}
	me->has_iss = true;
	check_numbers(c, side, s);
	check_bytes(c, side, s);
	check_options(c, side, s);
	if (s->flags & F_ACK) {
		check_ack(c, side, s);
		check_sacks(c, side, s);
	}
	if (s->has_ts) {
		me->has_tsval = true;
		me->tsval = s->tsval;
	}
	if (s->flags & F_FIN) {
		me->fin_sent = true;
		me->fin = s->seq + s->len;
	}
	me->end = later(me->end, s->seq + seg_space(s));
}

static void
heard_syn(struct conn *c, struct view *me, const struct seg *s)
{
	me->heard_syn = true;
	me->heard_ts = s->has_ts;
	me->heard_ws = s->has_ws;
	me->peer_ws = s->ws;
	me->heard_sack = s->sack_ok;
	me->peer_mss = s->mss != 0 ? s->mss : c->v6 ? DEFAULT_MSS_V6 : DEFAULT_MSS_V4;
}

/* Listeners answer forged SYNs, TIME_WAIT records forged segments, both in the peer's name. */
static bool
is_of_this_life(const struct view *me, const struct view *peer, const struct seg *s)
{
	if (!peer->sent_syn || lt(s->seq, peer->iss) || lt(peer->end, s->seq))
		return false;
	if (!(s->flags & F_ACK) || (me->sent_syn && !me->has_iss))
		return true;
	return me->has_iss && !lt(s->ack, me->iss) && !lt(me->end, s->ack);
}

void
judge_heard(struct conn *c, uint32_t side, const struct seg *s)
{
	struct view *me = &c->view[side];
	const struct view *peer = &c->view[!side];
	uint32_t off = s->seq - peer->iss - 1;

	if ((s->flags & F_RST) || !is_of_this_life(me, peer, s))
		return;
	if (s->flags & F_SYN)
		heard_syn(c, me, s);
	for (uint32_t i = off; i < off + s->len && i < me->room; i++)
		me->arrived[i / 8] |= (uint8_t)(1 << i % 8);
	if (!(s->flags & F_ACK))
		return;
	/* RFC 9293 3.10.7.4: the ACK of a segment that brings nothing new may go unread. */
	if (me->heard && lt(s->seq, me->heard_end)) {
		me->heard_edge = later(me->heard_edge, heard_edge(me, s));
		return;
	}
	me->heard_end = s->seq + seg_space(s);
	if (me->heard) {
		if (me->una_at != c->w->now)
			me->una_before = me->una;
		me->una = later(me->una, s->ack);
		me->heard_edge = later(me->heard_edge, heard_edge(me, s));
	} else {
		me->una = me->una_before = s->ack;
		me->heard_edge = heard_edge(me, s);
		me->heard = true;
	}
	me->una_at = c->w->now;
}
