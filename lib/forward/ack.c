/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * PUBACK and PUBREC to the device. The messages of a session, whichever logs they lie in, hang on a
 * list in the order in which they came; an acknowledgement leaves only from its front, so that the
 * order holds even where routes to different brokers complete out of order [MQTT-4.6.0-2]. The list
 * is a ring: the session knows the newest, which knows the oldest.
 */
#include <errno.h>

#include <rte_prefetch.h>

#include "session_pvt.h"

/* A message in flight. */
struct place {
	struct pw_flog *log;
	struct pw_flog_entry *entry;
	uint64_t pos;
	bool parked; /* in no log */
};

static inline struct pw_flog_entry *
entry(const struct pw_forward *f, const struct pw_session *s, uint32_t ref)
{
	if (ref & PW_FLOG_PARKED)
		return pw_pool_at(f->parked, ref & ~PW_FLOG_PARKED);
	return &pw_session_logs(f, s)[ref >> 16]->entry[ref & 0xFFFF];
}

static struct place
place(const struct pw_forward *f, const struct pw_session *s, uint32_t ref)
{
	struct pw_flog *const *logs = pw_session_logs(f, s);
	struct pw_flog *l;
	uint32_t slot = ref & 0xFFFF;

	if (ref & PW_FLOG_PARKED) {
		struct pw_flog_entry *e = pw_pool_at(f->parked, ref & ~PW_FLOG_PARKED);

		return (struct place){logs[e->expiry_at], e, 0, true};
	}
	l = logs[ref >> 16];
	return (struct place){l, &l->entry[slot], pw_flog_pos(l, slot), false};
}

/* Its device has its acknowledgement, or is gone. */
static void
told(struct pw_forward *f, const struct place *at)
{
	if (!at->parked) {
		pw_flog_told(at->log, at->pos);
		return;
	}
	if (!(at->entry->flags & PW_FLOG_NOBODY))
		pw_flog_parted_told(at->log);
	pw_pool_put(f->parked, at->entry);
}

/* At the end of a session's list. */
static void
enlist(struct pw_forward *f, struct pw_session *s, struct pw_flog_entry *e, uint32_t ref)
{
	struct pw_flog_entry *last;

	e->next = ref;
	if (s->last != PW_FLOG_NONE) {
		last = entry(f, s, s->last);
		e->next = last->next;
		last->next = ref;
	}
	s->last = ref;
	s->inflight++;
}

void
pw_session_track(struct pw_forward *f, struct pw_session *s, const struct pw_flog *l, uint64_t pos)
{
	enlist(f, s, pw_flog_at(l, pos), pw_flog_ref(l, pos));
}

int
pw_session_owe(struct pw_forward *f, struct pw_session *s, uint8_t qos, uint16_t id, uint8_t reason,
	       uint64_t now)
{
	struct pw_flog_entry *e = pw_pool_get(f->parked);

	if (e == NULL)
		return -ENOBUFS;
	e->dev_id = id;
	e->flags = qos | PW_FLOG_NOBODY;
	e->state = PW_FLOG_DONE | PW_FLOG_ANSWERED;
	e->reason = reason;
	enlist(f, s, e, PW_FLOG_PARKED | pw_pool_index(f->parked, e));
	pw_session_ack(f, s, now);
	return 0;
}

/* The oldest in flight; there is one. */
static struct place
oldest(const struct pw_forward *f, const struct pw_session *s)
{
	return place(f, s, entry(f, s, s->last)->next);
}

static void
pop(struct pw_forward *f, struct pw_session *s, const struct pw_flog_entry *e)
{
	struct pw_flog_entry *last = entry(f, s, s->last);

	if (last == e)
		s->last = PW_FLOG_NONE;
	else
		last->next = e->next;
	s->inflight--;
}

/* Its rule was not met, and not by the brokers' word alone. */
static bool
given_up(const struct pw_flog_entry *e)
{
	return pw_flog_refused(e) && (e->state & PW_FLOG_LOST);
}

/* What the device is told of an answered message. */
static uint8_t
reason_for(const struct pw_session *s, const struct pw_flog_entry *e)
{
	return s->version == PW_MQTT_5 ? pw_flog_reason(e) : 0;
}

static int
send_ack(struct pw_forward *f, struct pw_session *s, enum pw_mqtt_type type, uint16_t id,
	 uint8_t reason, uint64_t now)
{
	uint8_t out[8];
	int n = pw_mqtt_encode_ack(out, sizeof(out), type, s->version, id, reason, NULL);

	return n < 0 ? n : pw_session_send(f, s, out, (uint32_t)n, now);
}

int
pw_session_send_pubrec(struct pw_forward *f, struct pw_session *s, uint16_t id, uint8_t reason,
		       uint64_t now)
{
	return send_ack(f, s, PW_MQTT_PUBREC, id, reason, now);
}

/* A PUBREC has gone: with an error the exchange is over (5.0 4.3.3), else PUBREL is awaited. */
static void
received(struct pw_forward *f, struct pw_session *s, uint16_t id, uint8_t reason)
{
	struct pw_exchange *x = pw_exchange_find(s, id);

	if (x == NULL)
		return;
	if (reason >= 0x80)
		pw_exchange_end(f, s, x);
	else
		pw_exchange_received(s, x);
}

void
pw_session_ack(struct pw_forward *f, struct pw_session *s, uint64_t now)
{
	while (s->last != PW_FLOG_NONE) {
		struct place at = oldest(f, s);
		struct pw_flog_entry *e = at.entry;
		bool qos2 = (e->flags & PW_FLOG_QOS) == 2;
		int rc;

		if (!(e->state & PW_FLOG_ANSWERED))
			break;
		if (s->version != PW_MQTT_5 && given_up(e)) {
			/* It can't be told otherwise, and will send again what has no PUBACK. */
			f->counters.closed_unmet++;
			pw_session_end(f, s, true, false, now);
			return;
		}
		rc = send_ack(f, s, qos2 ? PW_MQTT_PUBREC : PW_MQTT_PUBACK, e->dev_id,
			      reason_for(s, e), now);
		if (rc == -EPIPE)
			return; /* the session has ended and disowned its messages */
		if (rc < 0) {
			if (!(s->flags & PW_SESSION_UNACKED)) {
				s->flags |= PW_SESSION_UNACKED;
				pw_list_push(f, PW_LIST_UNACKED, s);
			}
			return;
		}
		pop(f, s, e);
		if (qos2)
			received(f, s, e->dev_id, reason_for(s, e));
		if (!(e->flags & PW_FLOG_NOBODY)) {
			f->counters.acknowledged++;
			pw_route_of(f, e)->acknowledged++;
			pw_hist_record(&f->latency_qos1, pw_since(now, e->arrival));
		}
		told(f, &at);
	}
	if (s->flags & PW_SESSION_UNACKED) {
		s->flags &= (uint16_t)~PW_SESSION_UNACKED;
		pw_list_remove(f, PW_LIST_UNACKED, s);
	}
	if ((s->flags & PW_SESSION_HELD) && s->inflight < f->set->limits.receive_maximum) {
		s->flags &= (uint16_t)~PW_SESSION_HELD;
		pw_session_wait(f, s, PW_LIST_WAITING);
	}
}

/* How a message of QoS 2 went, for when the device asks again. */
static void
remember(struct pw_forward *f, struct pw_session *s, struct pw_exchange *x,
	 const struct pw_flog_entry *e)
{
	/* A 3.1.1 device is to send again what was given up, and that is another message then. */
	if (s->version != PW_MQTT_5 && given_up(e)) {
		pw_exchange_end(f, s, x);
		return;
	}
	x->state = PW_EXCHANGE_ANSWERED;
	x->reason = reason_for(s, e);
	if (!(e->flags & PW_FLOG_NOBODY)) /* else it is known from before */
		x->lost = given_up(e);
}

void
pw_session_disown(struct pw_forward *f, struct pw_session *s, bool keep)
{
	if (s->flags & PW_SESSION_UNACKED) {
		s->flags &= (uint16_t)~PW_SESSION_UNACKED;
		pw_list_remove(f, PW_LIST_UNACKED, s);
	}
	while (s->last != PW_FLOG_NONE) {
		struct place at = oldest(f, s);
		struct pw_flog_entry *e = at.entry;

		struct pw_exchange *x = keep && (e->flags & PW_FLOG_QOS) == 2
						? pw_exchange_find(s, e->dev_id)
						: NULL;

		pop(f, s, e);
		if (x != NULL && !(e->state & PW_FLOG_ANSWERED)) {
			x->state = PW_EXCHANGE_LOOSE;
			continue;
		}
		e->origin = 0;
		if (!(e->state & PW_FLOG_ANSWERED))
			continue; /* counted when it is */
		if (x != NULL)
			remember(f, s, x, e);
		if (!(e->flags & PW_FLOG_NOBODY)) {
			f->counters.orphaned++;
			pw_route_of(f, e)->orphaned++;
		}
		told(f, &at);
	}
}

/* Park what waits for its turn of a session. False where there is no place for it. */
static bool
park(struct pw_forward *f, struct pw_session *s)
{
	struct pw_flog_entry *before = entry(f, s, s->last);
	uint32_t ref = before->next, last = s->last;

	for (;; ref = before->next) {
		struct place at = place(f, s, ref);
		bool end = ref == last;

		if (!at.parked && (at.entry->state & (PW_FLOG_DONE | PW_FLOG_ANSWERED)) ==
					  (PW_FLOG_DONE | PW_FLOG_ANSWERED)) {
			struct pw_flog_entry *e = pw_pool_get(f->parked);

			if (e == NULL)
				return false;
			ref = PW_FLOG_PARKED | pw_pool_index(f->parked, e);
			before->next = ref; /* which is its own where there is no other */
			*e = *at.entry;
			e->expiry_at = at.log->number;
			if (end)
				s->last = ref;
			pw_flog_part(at.log, at.pos);
			at.entry = e;
		}
		before = at.entry;
		if (end)
			return true;
	}
}

void
pw_log_make_room(struct pw_forward *f, struct pw_flog *l, uint64_t now)
{
	while (l->tail - l->head > l->mask / 2) {
		const struct pw_flog_entry *e = pw_flog_at(l, l->head);
		struct pw_session *s = pw_pool_find(f->sessions, e->origin);

		if ((e->state & (PW_FLOG_DONE | PW_FLOG_ANSWERED | PW_FLOG_TOLD)) !=
			    (PW_FLOG_DONE | PW_FLOG_ANSWERED) ||
		    s == NULL)
			return;
		if (!park(f, s)) {
			f->counters.shed++;
			pw_session_refuse(f, s, 0x97, now); /* Quota exceeded */
		}
	}
}

uint32_t
pw_sessions_ack_again(struct pw_forward *f, uint64_t now)
{
	struct pw_session *s = pw_list_first(f, PW_LIST_UNACKED);
	uint32_t n = 0;

	/* One failure stands for all: the pools are empty. */
	while (s != NULL) {
		pw_session_ack(f, s, now);
		if (pw_list_first(f, PW_LIST_UNACKED) == s)
			break;
		s = pw_list_first(f, PW_LIST_UNACKED);
		n++;
	}
	return n;
}

void
pw_forward_fetch(const struct pw_forward *f, const struct pw_flog *l, const uint32_t *slot,
		 uint32_t n)
{
	struct pw_session *s[PW_FETCH_MAX];

	assert(n <= PW_FETCH_MAX);
	for (uint32_t i = 0; i < n; i++)
		rte_prefetch0(pw_flog_at(l, slot[i]));
	for (uint32_t i = 0; i < n; i++) {
		const struct pw_flog_entry *e = pw_flog_at(l, slot[i]);

		s[i] = pw_pool_find(f->sessions, e->origin);
		rte_prefetch0(s[i]);
		/* Another lcore may just be putting the bytes elsewhere (compact.c). */
		if (!l->remote)
			rte_prefetch0(e->first.mbuf);
	}
	for (uint32_t i = 0; i < n; i++) {
		if (s[i] != NULL && s[i]->conn != NULL)
			pw_tcp_fetch(s[i]->conn);
	}
}

void
pw_forward_completed(struct pw_forward *f, struct pw_flog *l, const struct pw_flog_done *d,
		     uint64_t now)
{
	uint64_t pos = pw_flog_widen(l, d->pos);
	struct pw_flog_entry *e = pw_flog_at(l, pos);
	struct pw_exchange *x;
	struct pw_session *s;

	if ((e->flags & PW_FLOG_QOS) == 0) {
		if (pw_flog_forgo(l, pos, d->broker))
			pw_forward_given(f, l, e, now);
		return;
	}
	if (!pw_flog_complete(l, pos, d->broker, (enum pw_flog_end)d->end, d->reason))
		return;
	f->counters.unmet += given_up(e);
	f->counters.refused_by_broker += pw_flog_refused(e) && !given_up(e);
	pw_route_of(f, e)->unmet += given_up(e);
	pw_route_of(f, e)->refused_by_broker += pw_flog_refused(e) && !given_up(e);
	s = e->origin != 0 ? pw_pool_find(f->sessions, e->origin) : NULL;
	x = s != NULL && (e->flags & PW_FLOG_QOS) == 2 ? pw_exchange_find(s, e->dev_id) : NULL;
	if (x != NULL && x->state == PW_EXCHANGE_LOOSE)
		remember(f, s, x, e);
	else
		x = NULL;
	if (s == NULL || x != NULL) {
		f->counters.orphaned++;
		pw_route_of(f, e)->orphaned++;
		pw_flog_told(l, pos);
		if (s != NULL)
			pw_session_kept_for(f, s, now);
		return;
	}
	pw_session_ack(f, s, now);
}
