/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What may wait for a broker, and what becomes of the rest: its hold, its share of the packet
 * buffers, and the log's places, which its oldest message keeps for all that came after.
 */
#include "upstream_pvt.h"

/* Entries behind a reader that leave the log room enough for others. */
static uint64_t
roomy(const struct pw_flog *l)
{
	uint64_t capacity = (uint64_t)l->mask + 1;

	return capacity - capacity / 4;
}

/* QoS 0 that may not wait longer for this broker. */
static void
shed(struct pw_upstream *u, uint64_t now)
{
	uint64_t capacity = (uint64_t)u->log->mask + 1, keep = roomy(u->log);

	if (u->state == PW_UPSTREAM_UP) {
		u->counters.dropped_slow += pw_cursor_shed(&u->cursor, keep);
		if (u->cursor.seen - u->cursor.given <= keep || !pw_cursor_midway(&u->cursor))
			return;
		u->counters.stuck++;
		pw_upstream_fail(u, "too slow: the log filled during one large message", now);
	}
	u->counters.dropped_disconnected += pw_cursor_shed(&u->cursor, capacity / 2);
}

struct giving_up {
	struct pw_upstream *u;
	enum pw_flog_end end;
	uint64_t now;
};

static void
given_up(void *ctx, uint64_t pos, bool counted)
{
	struct giving_up *g = ctx;

	/* Quota exceeded */
	pw_upstream_done(g->u, pos, counted ? PW_FLOG_RELEASED : g->end, 0x97, g->now);
}

/*
 * What is oldest keeps the log's places behind it, also those of messages that went to other
 * brokers long ago: in time before devices have to wait for them it goes, answered or not.
 */
static enum pw_cursor_holder
relieve(struct pw_upstream *u, struct giving_up *g)
{
	struct pw_cursor_relief r;

	if (u->cursor.seen - u->cursor.low <= roomy(u->log))
		return PW_HOLDER_NONE;
	r = pw_cursor_relieve(&u->cursor, roomy(u->log), given_up, g);
	u->counters.dropped_hold += r.waiting;
	u->counters.dropped_unanswered += r.unanswered;
	if (r.unanswered > 0) {
		u->abandoned = u->queued;
		if (pw_tcp_unacked(u->conn) == 0)
			pw_cursor_unpin(&u->cursor);
	}
	if (r.holder != PW_HOLDER_CONNECTION)
		return r.holder;
	u->counters.stuck++;
	pw_upstream_fail(u, "too slow: the log filled behind a message that it has not taken",
			 g->now);
	return relieve(u, g);
}

/* More waits than the broker's hold allows: what routes say should be given up is. */
static void
bound(struct pw_upstream *u, uint64_t now)
{
	struct giving_up drop = {u, PW_FLOG_GIVEN_UP, now}, detach = {u, PW_FLOG_DETACHED, now};
	struct pw_cursor *c = &u->cursor;
	enum pw_cursor_holder holder;

	if (pw_cursor_over(c))
		u->counters.dropped_hold +=
			pw_cursor_give_up(c, PW_GIVE_UP_OLDEST, given_up, &drop);
	if (pw_cursor_pins(c))
		u->counters.dropped_hold +=
			pw_cursor_give_up(c, PW_GIVE_UP_PINNED, given_up, &drop);
	holder = relieve(u, &drop);
	if (!u->detached && c->held_detach > 0 &&
	    (pw_cursor_over(c) || pw_cursor_pins(c) || holder == PW_HOLDER_DETACH)) {
		u->counters.detached++;
		u->detached = true;
		if (u->conn != NULL)
			pw_upstream_fail(u, "detached: more waits for it than its hold allows",
					 now);
	}
	if (u->detached)
		u->counters.dropped_detached +=
			pw_cursor_give_up(c, PW_GIVE_UP_DETACH, given_up, &detach);
	/* Its owner has found others for them: nothing here may come after what those have. */
	if (u->state != PW_UPSTREAM_UP && __atomic_load_n(&u->log->lost, __ATOMIC_RELAXED))
		u->counters.dropped_failover +=
			pw_cursor_give_up(c, PW_GIVE_UP_SHARE, given_up, &drop);
}

/* For people. */
static void
note_hold(struct pw_upstream *u, uint64_t now)
{
	struct pw_flog_reader *r = &u->log->reader[u->broker];
	bool over = r->limit <= u->cursor.seen;

	if (over != (r->over_at != 0))
		__atomic_store_n(&r->over_at, over ? now : 0, __ATOMIC_RELAXED);
}

void
pw_upstream_bound(struct pw_upstream *u, uint64_t now)
{
	shed(u, now);
	pw_upstream_compact(u, now);
	bound(u, now);
	pw_cursor_publish(&u->cursor);
	note_hold(u, now);
}
