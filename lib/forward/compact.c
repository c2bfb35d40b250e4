/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Messages that wait for a broker for long keep the packet buffers that they came in, small ones a
 * large buffer each. Where buffers run short, such messages are copied behind each other, and what
 * they came in is free.
 *
 * This is done by the lcore that serves the log, between two looks of its own at a message. From
 * publication on the log's owner does not look at where the bytes lie, but for letting them go:
 * when every reader has completed the message, among them the one that it is copied for.
 */
#include "leg_pvt.h"

#define LEN_MAX 1024		 /* half a buffer: larger ones have little to gain */
#define AGE	(100 * PW_NS_MS) /* younger ones may leave by themselves */
#define LOOKS	512		 /* messages in one turn */
#define WEIGHED 32		 /* of them, what is weighed together */

struct weighed {
	uint64_t pos[WEIGHED];
	uint32_t n;
	uint32_t bytes;
	uint32_t pins;
};

/* Buffers are short for all, or this broker has used up half of its share. */
static bool
is_scarce(const struct pw_upstream *u)
{
	const struct pw_cursor *c = &u->cursor;

	return u->f->scarce ||
	       (c->pinned_all != NULL &&
		__atomic_load_n(c->pinned_all, __ATOMIC_RELAXED) > c->pinned_max / 2);
}

/* The message lies in one slice of ours, and in nothing else any more. */
static void
replace(struct pw_flog_entry *e, const struct pw_slice *s)
{
	pw_slice_drop(&e->first);
	e->first.mbuf = s->mbuf;
	e->first.off = s->off;
	e->first.len = s->len;
	/* The blocks of the run are the owner's. */
	for (struct pw_run *r = e->more; r != NULL; r = r->next) {
		while (r->n > r->from)
			pw_slice_drop(&r->s[--r->n]);
	}
}

/* What the message keeps is something else: for every reader that owes it. */
static void
repin(struct pw_upstream *u, uint64_t pos, uint32_t pins)
{
	struct pw_flog_entry *e = pw_flog_at(u->log, pos);
	uint32_t before = pw_flog_pins(e);
	struct pw_upstream *other;

	PW_FOREACH_UPSTREAM(u->f, other)
	{
		if (other->log == u->log)
			pw_cursor_repin(&other->cursor, pos, before, pins);
	}
	/* Its route, which the owner reads, stays. */
	__atomic_store_n(&e->first.aux, pw_flog_aux(pw_flog_route(e), pins), __ATOMIC_RELAXED);
}

/* False where no buffer is left. */
static bool
copy_weighed(struct pw_upstream *u, const struct weighed *g)
{
	const struct rte_mbuf *last = NULL;

	/* They have to become half of what they are, or it is not worth the while. */
	if (g->bytes > g->pins * LEN_MAX)
		return true;
	for (uint32_t i = 0; i < g->n; i++) {
		struct pw_flog_entry *e = pw_flog_at(u->log, g->pos[i]);
		struct pw_slice s;

		if (pw_gather_space(u->f, &u->f->compact_gather, e->len, &s) < 0)
			return false;
		(void)pw_leg_flat(e, NULL, 0, pw_slice_data(&s));
		replace(e, &s);
		repin(u, g->pos[i], s.mbuf != last);
		last = s.mbuf;
		u->counters.compacted += pw_flog_messages(e);
	}
	return true;
}

void
pw_upstream_compact(struct pw_upstream *u, uint64_t now)
{
	struct pw_cursor *c = &u->cursor;
	struct weighed g = {0};
	uint64_t pos;

	if (!is_scarce(u))
		return;
	/* What TCP has yet to send it keeps in any case. */
	pos = u->conn != NULL && pw_tcp_unacked(u->conn) > 0 ? c->next : c->low;
	pos = RTE_MAX(pos, c->compacted);
	for (uint32_t looks = 0, n; looks < LOOKS && pos < c->seen; looks++, pos += n) {
		const struct pw_flog_entry *e = pw_flog_at(u->log, pos);

		n = pw_flog_messages(e);
		if (pw_since(now, e->arrival) < AGE)
			break;
		if (!pw_cursor_owes(c, pos) || e->len > LEN_MAX)
			continue;
		g.pos[g.n++] = pos;
		g.bytes += e->len;
		g.pins += pw_flog_pins(e);
		if (g.n < WEIGHED)
			continue;
		if (!copy_weighed(u, &g))
			return;
		g = (struct weighed){0};
		c->compacted = pos + n;
	}
	/* What is left is weighed with those that follow. */
	if (g.n == 0)
		c->compacted = RTE_MAX(c->compacted, pos);
}
