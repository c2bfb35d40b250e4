/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Why a device waits, in words. Asked from any thread while the worker goes on: each word is right
 * when it is read, and what is read together may not belong together. Nothing is followed but
 * indices, which are held against the arrays that they are for.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "session_pvt.h"

#define READ(v) __atomic_load_n(&(v), __ATOMIC_RELAXED)

/* One more reason; those beyond the room are left out. */
static void __attribute__((format(printf, 2, 3))) say(struct pw_why *out, const char *fmt, ...)
{
	va_list ap;

	if (out->n == RTE_DIM(out->reason))
		return;
	va_start(ap, fmt);
	vsnprintf(out->reason[out->n++], sizeof(out->reason[0]), fmt, ap);
	va_end(ap);
}

static const struct pw_session *
find(const struct pw_forward *f, const char *client)
{
	size_t want = strnlen(client, PW_CLIENT_NAME_MAX);
	const struct pw_session *found = NULL;

	for (uint32_t i = 0; i < f->max_sessions; i++) {
		const struct pw_session *s = pw_pool_peek(f->sessions, i);
		/* Pairs with the release in keep_client_id(). */
		uint32_t len = __atomic_load_n(&f->name[i].len, __ATOMIC_ACQUIRE);

		if (s == NULL || len != want || memcmp(f->name[i].text, client, len) != 0)
			continue;
		/* Somebody may be trying to be who another one is. */
		if (s->state == PW_SESSION_UP)
			return s;
		if (found == NULL || READ(s->conn) != NULL)
			found = s;
	}
	return found;
}

static void
broker_names(const struct pw_forward *f, uint32_t brokers, char *out, size_t len)
{
	size_t at = 0;

	out[0] = '\0';
	for (uint32_t m = brokers; m != 0 && at < len; m &= m - 1) {
		const char *name = f->set->broker[__builtin_ctz(m)].name;

		at += (size_t)snprintf(out + at, len - at, "%s%s", at > 0 ? ", " : "", name);
	}
}

/* The logs of its lane in what the worker has, NULL: none. */
static struct pw_flog *const *
logs_of(const struct pw_forward *f, const struct pw_session *s, const struct pw_view *v)
{
	return s->version != 0 && v->nb_logs > 0 && (f->set->lanes & 1u << pw_session_lane(s))
		       ? &v->log[pw_session_lane(s) * v->nb_numbers]
		       : NULL;
}

/* Its oldest message without PUBACK or PUBREC. */
static void
in_flight(const struct pw_forward *f, const struct pw_session *s, struct pw_why *out)
{
	const struct pw_view *v = pw_view(f);
	struct pw_flog *const *logs = logs_of(f, s, v);
	uint32_t ref = READ(s->last), pending;
	const struct pw_flog_entry *e = NULL;
	char names[64];

	/* The newest knows the oldest. */
	for (uint32_t i = 0; i < 2; i++) {
		if (logs == NULL || ref == PW_FLOG_NONE)
			return;
		if (ref & PW_FLOG_PARKED)
			e = pw_pool_peek(f->parked, ref & ~PW_FLOG_PARKED);
		else if (ref >> 16 < v->nb_numbers && logs[ref >> 16] != NULL)
			e = &logs[ref >> 16]->entry[ref & logs[ref >> 16]->mask];
		else
			e = NULL;
		if (e == NULL)
			return;
		ref = READ(e->next);
	}
	pending = READ(e->pending);
	broker_names(f, pending, names, sizeof(names));
	if (READ(e->state) & PW_FLOG_ANSWERED)
		say(out, "acknowledgement of its message %u waits for a buffer", READ(e->dev_id));
	else
		say(out, "its message %u waits for %s of %s", READ(e->dev_id),
		    (e->flags & PW_FLOG_QOS) == 2 ? "PUBREC" : "PUBACK", names);
}

/* The logs that it could append to and that take nothing. */
static uint32_t
full_logs(const struct pw_forward *f, const struct pw_session *s, struct pw_why *out, uint64_t now)
{
	const struct pw_view *v = pw_view(f);
	struct pw_flog *const *logs = logs_of(f, s, v);
	uint32_t n = 0;

	for (uint32_t k = 0; logs != NULL && k < v->nb_numbers; k++) {
		const struct pw_flog *l = logs[k];
		uint64_t head, tail;
		char names[64];

		if (l == NULL || READ(l->retiring) || l->pool != pw_session_pool(s, l->pool_size))
			continue;
		head = READ(l->head);
		tail = READ(l->tail);
		broker_names(f, l->brokers, names, sizeof(names));
		if (tail - head > l->mask) {
			say(out, "the log of set %u (%s) is full", l->set, names);
			n++;
		}
		for (uint32_t m = l->brokers; m != 0; m &= m - 1) {
			const struct pw_flog_reader *r = &l->reader[__builtin_ctz(m)];
			uint64_t since = READ(r->over_at);

			if (since == 0)
				continue;
			say(out, "broker %s of set %u is over its hold, for %" PRIu64 " ms",
			    f->set->broker[__builtin_ctz(m)].name, l->set,
			    (uint64_t)(pw_since(now, since) / PW_NS_MS));
			n++;
		}
	}
	return n;
}

/* A device that is connected and has its CONNACK. */
static void
up(const struct pw_forward *f, const struct pw_session *s, struct pw_why *out, uint64_t now)
{
	uint16_t flags = READ(s->flags);

	if (flags & PW_SESSION_PACED) {
		say(out, "not read: it is over its message_rate or byte_rate");
	} else if (flags & PW_SESSION_HELD) {
		say(out, "not read: it has receive_maximum messages in flight");
	} else if (flags & PW_SESSION_BLOCKED) {
		if (READ(f->pressure) > 0)
			say(out, "not read: packet buffers are short");
		else if (READ(f->draining))
			say(out, "not read: pubwire is stopping");
		else if (full_logs(f, s, out, now) == 0)
			say(out, "not read: what it has sent before must be settled, or memory "
				 "be free, first");
	}
	if (READ(s->inflight) > 0)
		in_flight(f, s, out);
	if (out->n == 0)
		say(out, "it does not wait: what it has sent was taken and acknowledged");
}

int
pw_forward_why(const struct pw_forward *f, const char *client, struct pw_why *out, uint64_t now)
{
	const struct pw_session *s = f->sessions != NULL ? find(f, client) : NULL;

	out->n = 0;
	if (s == NULL)
		return -ENOENT;
	out->connected = READ(s->conn) != NULL;
	switch ((enum pw_session_state)s->state) {
	case PW_SESSION_CONNECT:
		say(out, "its CONNECT is being handled");
		break;
	case PW_SESSION_AUTH:
		say(out, "its password is being verified, %u of this worker are",
		    READ(f->auth_waiting));
		break;
	case PW_SESSION_CLAIM:
		say(out, "CONNACK waits until brokers have what its former session sent");
		break;
	case PW_SESSION_UP:
		up(f, s, out, now);
		break;
	case PW_SESSION_CLOSING:
		say(out, "its connection is being closed");
		break;
	case PW_SESSION_LINGER:
		say(out, "it is not connected; its will, its QoS 2 or its last messages are kept "
			 "for it");
		break;
	}
	return 0;
}
