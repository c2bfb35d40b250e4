/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The end, in order: no more devices, no more reading; each device leaves when its last message is
 * acknowledged (a DISCONNECT may not come before a PUBACK), its will goes into the log; when the
 * logs are empty the broker connections are closed. At the deadline each of these happens whatever
 * is left, and what is left is counted.
 */
#include <string.h>

#include "drain_pvt.h"
#include "session_pvt.h"
#include "upstream_pvt.h"

void
pw_forward_drain(struct pw_forward *f, uint64_t now)
{
	if (f->draining)
		return;
	f->draining = true;
	f->drain_deadline = now + f->set->limits.drain_deadline * PW_NS_MS;
	pw_forward_unlisten(f);
	pw_drain_step(f, now);
}

/* Server shutting down; or Use another server, where there is one to name (5.0 4.11). */
static void
dismiss(struct pw_forward *f, struct pw_session *s, uint64_t now)
{
	const char *name = f->set->server_reference;
	struct pw_mqtt_prop_out to = {
		.which = PW_MQTT_PROP_SERVER_REFERENCE,
		.str = {name, (uint32_t)strlen(name)},
	};

	if (to.str.len > 0)
		pw_session_refuse_with(f, s, 0x9C, &to, now);
	else
		pw_session_refuse(f, s, 0x8B, now);
}

static void
drain_session(struct pw_forward *f, struct pw_session *s, uint64_t now)
{
	switch (s->state) {
	case PW_SESSION_UP:
		if (s->inflight == 0 || f->drain_over)
			dismiss(f, s, now);
		return;
	case PW_SESSION_CLOSING:
	case PW_SESSION_LINGER:
		if (pw_session_will(s) != NULL && s->more->will.at != 0)
			pw_will_publish(f, s, now);
		if (f->drain_over && pw_session_will(s) != NULL) {
			f->counters.wills_dropped++;
			pw_will_forget(f, s);
		}
		if (!pw_session_lends(s))
			pw_session_unkeep(f, s);
		if (f->drain_over && s->conn != NULL && now >= f->drain_deadline + PW_NS_S)
			s->close_by = now;
		pw_session_arm(f, s);
		pw_session_settle(f, s);
		return;
	default:
		pw_session_end(f, s, false, true, now);
	}
}

/* True once no session holds this worker. */
static bool
drain_devices(struct pw_forward *f, uint64_t now)
{
	uint32_t left = 0;

	for (uint32_t i = 0; i < f->max_sessions; i++) {
		struct pw_session *s = pw_pool_peek(f->sessions, i);

		if (s == NULL)
			continue;
		drain_session(f, s, now);
		s = pw_pool_peek(f->sessions, i);
		left += s != NULL && (s->state == PW_SESSION_UP || pw_session_will(s) != NULL);
	}
	return left == 0;
}

static bool
log_empty(const struct pw_flog *l)
{
	return l->outstanding + l->trailing == 0;
}

/* Nothing more will be appended; broker workers may go once they have given what there is. */
static void
close_logs(struct pw_forward *f)
{
	struct pw_flog *l;

	PW_FOREACH_LOG (f, l) {
		if (l->closed || !(log_empty(l) || f->drain_over))
			continue;
		/* Pairs with the acquire in drain_brokers(). */
		__atomic_store_n(&l->closed, 1, __ATOMIC_RELEASE);
	}
}

static void
drain_brokers(struct pw_forward *f, uint64_t now)
{
	struct pw_upstream *u;

	PW_FOREACH_UPSTREAM(f, u)
	{
		if (__atomic_load_n(&u->log->closed, __ATOMIC_ACQUIRE) || f->drain_over)
			pw_upstream_close(u, now);
	}
}

/* Messages that nobody will take any more are given up, once no reader looks at them. */
static void
give_up(struct pw_forward *f)
{
	struct pw_flog *l;

	PW_FOREACH_LOG (f, l) {
		bool readers = false;

		if (!l->closed || log_empty(l))
			continue;
		/* Pairs with the release in pw_upstream_close(). */
		for (uint32_t m = l->brokers; m != 0; m &= m - 1)
			readers |= !__atomic_load_n(&l->reader[__builtin_ctz(m)].closed,
						    __ATOMIC_ACQUIRE);
		if (readers)
			continue;
		f->counters.cut_on_shutdown += l->trailing;
		f->counters.dropped_on_shutdown += pw_flog_abandon(l);
	}
}

void
pw_drain_step(struct pw_forward *f, uint64_t now)
{
	bool empty = true;

	if (now >= f->drain_deadline)
		f->drain_over = true;
	if (f->role & PW_ROLE_DEVICES)
		empty = drain_devices(f, now);
	if (empty || f->drain_over)
		close_logs(f);
	drain_brokers(f, now);
	if (f->drain_over)
		give_up(f);
}

bool
pw_forward_drained(const struct pw_forward *f)
{
	const struct pw_flog *l;
	const struct pw_upstream *u;

	if (!f->draining || f->nb_sessions > 0)
		return false;
	PW_FOREACH_LOG (f, l) {
		if (!l->closed)
			return false;
	}
	PW_FOREACH_UPSTREAM(f, u)
	{
		if (u->state != PW_UPSTREAM_CLOSED || u->conn != NULL)
			return false;
	}
	return true;
}
