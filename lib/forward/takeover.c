/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How a client identifier goes from one session to the next of its client. What is in two logs has
 * no order, so where the next session appends to others than the last one did, the last one lets go
 * only when brokers have what it sent; after a time all the same. What it remembers of QoS 2 goes
 * along: at once where the logs are the same; else once brokers have answered its messages, for an
 * answer finds its session only where the log is. Where they have not in that time, the new
 * connection is refused: to forget would be to forward again what the device sends again.
 */
#include "session_pvt.h"

#define SETTLE_TIME  (2 * PW_NS_S) /* for brokers to have the last messages of a session */
#define SETTLE_BATCH 64

static bool
unsettled(const struct pw_forward *f, const struct pw_session *s, uint64_t now)
{
	bool others =
		f->shared->nb_device_workers > 1 || (f->set->lanes & (f->set->lanes - 1)) != 0;

	if (!others || f->draining || f->destroying || (s->flags & PW_SESSION_FOLLOWED))
		return false;
	return !pw_session_settled(f, s, now) || (pw_session_kept(s) && pw_exchanges_open(s));
}

/* Stand among those that settle; the timer ends it. */
static void
stand(struct pw_forward *f, struct pw_session *s, uint64_t now)
{
	if (s->flags & PW_SESSION_SETTLING)
		return;
	s->flags |= PW_SESSION_SETTLING;
	s->settle_by = now + SETTLE_TIME;
	pw_session_wait(f, s, PW_LIST_SETTLING);
	pw_session_arm(f, s);
}

static void
leave(struct pw_forward *f, struct pw_session *s)
{
	if (!(s->flags & PW_SESSION_SETTLING))
		return;
	s->flags &= (uint16_t)~PW_SESSION_SETTLING;
	pw_session_unwait(f, s);
}

void
pw_session_yield(struct pw_forward *f, struct pw_session *s, uint64_t now)
{
	bool kept = pw_session_kept(s);

	/* A will that waits is still a message of this session. */
	if (!(s->flags & PW_SESSION_REGISTERED) || pw_session_will(s) != NULL ||
	    pw_session_lends(s) || (kept && s->more->heir.session == 0))
		return;
	if (unsettled(f, s, now)) {
		/* Delayed wills need places too; who is kept has one. */
		if (kept || (s->flags & PW_SESSION_SETTLING) ||
		    f->nb_lingering < f->max_lingering / 2) {
			stand(f, s, now);
			return;
		}
		f->counters.overtaken++;
	}
	if (kept && f->nb_offers == PW_DIR_OFFERS) {
		stand(f, s, now);
		return;
	}
	leave(f, s);
	if (!kept) {
		pw_dir_release(f, s, now);
		return;
	}
	f->nb_offers++;
	s->more->offered = true;
	pw_dir_offer(f, s, now);
}

uint32_t
pw_sessions_settle(struct pw_forward *f, uint64_t now)
{
	struct pw_session *last = pw_list_last(f, PW_LIST_SETTLING), *s;
	uint32_t n = 0;

	for (uint32_t i = 0; i < SETTLE_BATCH && (s = pw_list_first(f, PW_LIST_SETTLING)) != NULL;
	     i++) {
		bool end = s == last;

		pw_session_unwait(f, s);
		pw_session_wait(f, s, PW_LIST_SETTLING);
		pw_session_yield(f, s, now);
		n += !(s->flags & PW_SESSION_SETTLING);
		pw_session_settle(f, s);
		if (end)
			break;
	}
	return n;
}

/* Its heir can't have it; it stays. */
static void
disappoint(struct pw_forward *f, struct pw_session *s, uint64_t now)
{
	struct pw_heir heir = s->more->heir;

	s->more->heir = (struct pw_heir){0};
	leave(f, s);
	pw_limits_unpromise(f, s);
	pw_dir_refuse(f, s, heir.session, heir.worker, PW_DIR_UNSETTLED, now);
}

void
pw_session_unsettled(struct pw_forward *f, struct pw_session *s, uint64_t now)
{
	if (pw_session_kept(s) && pw_exchanges_open(s)) {
		disappoint(f, s, now);
		return;
	}
	f->counters.overtaken +=
		!(s->flags & PW_SESSION_FOLLOWED) && !pw_session_settled(f, s, now);
	s->flags |= PW_SESSION_FOLLOWED; /* so be it */
	pw_session_yield(f, s, now);
}

/* What brokers do not have yet is its heir's to wait for, should that let go to another log. */
static void
pass_on(struct pw_forward *f, const struct pw_session *s, const struct pw_heir *heir)
{
	struct pw_session *next = heir->same ? pw_pool_find(f->sessions, heir->session) : NULL;

	if (next == NULL || s->logs == 0)
		return;
	if (next->logs == 0 || (int32_t)(s->appended - next->appended) > 0)
		next->appended = s->appended;
	next->logs |= s->logs;
}

/* The heir is known, and what it wants. */
static void
inherit(struct pw_forward *f, struct pw_session *s, struct pw_heir heir, uint64_t now)
{
	s->flags &= (uint16_t)~PW_SESSION_FOLLOWED;
	if (heir.same)
		s->flags |= PW_SESSION_FOLLOWED;
	pass_on(f, s, &heir);
	if (heir.clean)
		pw_session_unkeep(f, s);
	if (pw_session_kept(s))
		s->more->heir = heir;
	pw_session_yield(f, s, now);
}

/* 5.0 3.1.3.2.2: the session goes on without its will, unless the new connection starts clean. */
static void
will_of_evicted(struct pw_forward *f, struct pw_session *s, bool clean, bool ended, uint64_t now)
{
	if (pw_session_will(s) == NULL || s->more->will.delay == 0 || s->expiry == 0 ||
	    (s->flags & PW_SESSION_WILL_DUE))
		return;
	s->more->will.delay = 0;
	if (!clean)
		pw_will_forget(f, s);
	else if (ended)
		pw_will_publish(f, s, now);
}

void
pw_session_evicted(struct pw_forward *f, struct pw_session *s, const struct pw_dir_msg *m,
		   uint64_t now)
{
	pw_handle h = pw_pool_handle(f->sessions, s);
	bool ended = s->state == PW_SESSION_CLOSING || s->state == PW_SESSION_LINGER;
	struct pw_heir heir = {
		.session = m->by,
		.worker = m->by_worker,
		.clean = m->clean,
		.same = m->by_worker == f->worker && pw_session_lane(s) == (enum pw_lane)m->lane,
	};

	/* Nobody is ended for a connection that will be refused. */
	if (!pw_limits_promise(f, s, m->place)) {
		pw_dir_refuse(f, s, m->by, m->by_worker, PW_DIR_NO_PLACE, now);
		return;
	}
	if (pw_session_lends(s)) {
		s->more->heir = heir;
		s->more->evicted = true;
		return;
	}
	s->flags &= (uint16_t)~PW_SESSION_FOLLOWED;
	if (heir.same)
		s->flags |= PW_SESSION_FOLLOWED;
	will_of_evicted(f, s, heir.clean, ended, now);
	if (!ended) {
		f->counters.takeovers++;
		pw_session_refuse(f, s, 0x8E, now); /* Session taken over [MQTT-3.1.4-3] */
		s = pw_pool_find(f->sessions, h);
		if (s != NULL)
			pass_on(f, s, &heir);
		if (s == NULL || !pw_session_kept(s))
			return;
	}
	inherit(f, s, heir, now);
	pw_session_settle(f, s);
}

void
pw_session_answered(struct pw_forward *f, struct pw_session *s, bool taken, uint64_t now)
{
	struct pw_heir heir = {0};

	f->nb_offers--;
	if (s->more->evicted)
		heir = s->more->heir;
	s->more->heir = (struct pw_heir){0};
	s->more->offered = s->more->evicted = false;
	if (taken) {
		s->flags &= (uint16_t)~PW_SESSION_REGISTERED;
		pw_session_unkeep(f, s);
	}
	pw_session_less(f, s);
	if (heir.session != 0)
		inherit(f, s, heir, now);
	else
		pw_session_yield(f, s, now);
	/* The caller may hold on to it: the timer looks what is to become of it. */
	pw_wheel_arm(&f->session_wheel, &s->timer, now);
}
