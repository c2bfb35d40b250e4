/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Logs that no route names any more. Their owner has said that nothing will be appended; each
 * reader leaves when it has let go of the last message, the owner when it owes no device anything.
 * A broker that no route names any more has until a deadline; then it is as if it were detached.
 *
 * Who may free what: a log is the main lcore's again when its owner has set `gone`, which it does
 * after every reader has closed; a connection when its worker has, after TCP has let go of it.
 */
#include "edition_pvt.h"
#include "session_pvt.h"
#include "upstream_pvt.h"

struct leaving {
	struct pw_upstream *u;
	uint64_t now;
};

static void
given_up(void *ctx, uint64_t pos, bool counted)
{
	struct leaving *l = ctx;

	/* Quota exceeded, as for `detach` */
	pw_upstream_done(l->u, pos, counted ? PW_FLOG_RELEASED : PW_FLOG_DETACHED, 0x97, l->now);
}

/* Nobody waits for it any longer. */
static void
abandon(struct pw_upstream *u, uint64_t now)
{
	struct leaving l = {u, now};

	if (u->conn != NULL && u->state != PW_UPSTREAM_CLOSED)
		pw_upstream_fail(u, "removed from the configuration, and out of time", now);
	(void)pw_cursor_scan(&u->cursor);
	u->counters.dropped_detached += pw_cursor_give_up(&u->cursor, PW_GIVE_UP_ALL, given_up, &l);
	pw_cursor_publish(&u->cursor);
}

static void
step_upstream(struct pw_forward *f, struct pw_upstream *u, uint64_t now)
{
	uint64_t gone_at = f->gone_at[u->broker];
	/* Pairs with the release in pw_forward_adopt() of its owner: the end of the log is known.
	 */
	bool last = __atomic_load_n(&u->log->retiring, __ATOMIC_ACQUIRE);

	if (u->state != PW_UPSTREAM_CLOSED) {
		if (gone_at != 0 && now >= gone_at)
			abandon(u, now);
		if (!last)
			return;
		(void)pw_cursor_scan(&u->cursor);
		pw_cursor_publish(&u->cursor);
		if (u->cursor.low != u->cursor.seen || pw_cursor_releases(&u->cursor))
			return;
		pw_upstream_close(u, now);
	}
	/* A drain that was cut closes it with messages, which the ledger shows to the end. */
	if (!last || u->conn != NULL || u->cursor.held > 0 || u->gone)
		return;
	/* What TCP still had of messages given up counts against the broker's other logs. */
	pw_cursor_unpin(&u->cursor);
	pw_cursor_publish(&u->cursor);
	/* Pairs with the acquire in set_is_gone(). */
	__atomic_store_n(&u->gone, 1, __ATOMIC_RELEASE);
}

static void
step_log(struct pw_flog *l)
{
	if (!l->retiring || l->gone || l->outstanding + l->trailing + l->owed > 0)
		return;
	for (uint32_t m = l->brokers; m != 0; m &= m - 1) {
		/* Pairs with the release in pw_upstream_close(). */
		if (!__atomic_load_n(&l->reader[__builtin_ctz(m)].closed, __ATOMIC_ACQUIRE))
			return;
	}
	pw_flog_trim(l);
	if (l->head != l->tail || (l->remote && pw_ring_count(&l->done) > 0))
		return;
	/* Pairs with the acquire in set_is_gone(). */
	__atomic_store_n(&l->gone, 1, __ATOMIC_RELEASE);
}

void
pw_retire_step(struct pw_forward *f, uint64_t now)
{
	struct pw_upstream *u;
	struct pw_flog *l;

	PW_FOREACH_UPSTREAM(f, u)
	step_upstream(f, u, now);
	PW_FOREACH_LOG (f, l)
		step_log(l);
}

/* A reader of a log that is to have what comes, too, has not let go of what came until then. */
static bool
behind(const struct pw_flog *old, const struct pw_flog *l, bool share, uint64_t time)
{
	uint32_t brokers = share ? old->brokers : old->brokers & l->brokers;

	return old != l && brokers != 0 && !pw_log_passed_by(old, brokers, time);
}

/*
 * Messages of one device keep their order at each broker though routes have changed: the first one
 * after that waits until brokers that its log has in common with those of before have let go of
 * what the device sent. Not for ever: one that is away would stop the device for others.
 */
bool
pw_session_may_move(struct pw_forward *f, const struct pw_session *s, const struct pw_flog *l,
		    bool share, uint64_t now)
{
	struct pw_flog *const *logs = pw_session_logs(f, s);
	uint64_t unit = now >> PW_SETTLED_SHIFT;
	bool late = now >= f->moved_at + PW_MOVE_WAIT;

	unit -= (uint32_t)((uint32_t)unit - s->appended);
	/* What it has sent since may have gone elsewhere: that says nothing of what came before. */
	if (s->logs == 0 || (late && unit > f->moved_at >> PW_SETTLED_SHIFT))
		return true;
	for (uint32_t n = 0; n < pw_view(f)->nb_numbers; n++) {
		if (logs[n] == NULL || !(s->logs & 1u << n % 32) ||
		    !behind(logs[n], l, share, f->moved_at))
			continue;
		if (!late)
			return false;
		f->counters.overtaken++;
		return true;
	}
	return true;
}

void
pw_session_follows(const struct pw_forward *f, struct pw_session *s, uint64_t now)
{
	struct pw_flog *const *logs = pw_session_logs(f, s);
	uint32_t unit = (uint32_t)(f->moved_at >> PW_SETTLED_SHIFT), before = 0;

	if (!f->moved || now >= f->moved_at + PW_MOVE_WAIT)
		return;
	for (uint32_t n = 0; n < pw_view(f)->nb_numbers; n++) {
		if (logs[n] != NULL && !pw_log_passed(logs[n], f->moved_at))
			before |= 1u << n % 32;
	}
	if (before != 0 && (s->logs == 0 || (int32_t)(unit - s->appended) > 0))
		s->appended = unit;
	s->logs |= before;
}

void
pw_move_check(struct pw_forward *f, uint64_t now)
{
	struct pw_flog *l;

	f->move_over = now >= f->moved_at + PW_MOVE_WAIT;
	PW_FOREACH_LOG (f, l) {
		if (!pw_log_passed(l, f->moved_at))
			return;
	}
	f->moved = false;
}
