/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>

#include <pubwire/base/stage.h>

#include "session_pvt.h"

/* What the protocol, and what CONNACK said, forbids. NONE where the packet is right. */
static enum pw_mqtt_error
forbidden(const struct pw_forward *f, const struct pw_session *s, const struct pw_mqtt_publish *p)
{
	if (s->version != PW_MQTT_5)
		return PW_MQTT_E_NONE;
	/* [MQTT-3.3.2-9]; where CONNACK named no Topic Alias Maximum it is 0 [MQTT-3.2.2-18]. */
	if (pw_mqtt_has(&p->props, PW_MQTT_PROP_TOPIC_ALIAS) &&
	    (!(s->flags & PW_SESSION_ALIASES) ||
	     p->props.value[PW_MQTT_PROP_TOPIC_ALIAS].num > f->set->limits.topic_alias_maximum))
		return PW_MQTT_E_TOPIC_ALIAS;
	if (pw_mqtt_has(&p->props, PW_MQTT_PROP_SUBSCRIPTION_ID))
		return PW_MQTT_E_PROPERTY; /* [MQTT-3.3.4-6] */
	return PW_MQTT_E_NONE;
}

/* What CONNACK said is not available. 0, or the reason to end the session. */
static uint8_t
unavailable(const struct pw_session *s, const struct pw_mqtt_publish *p, const char **what)
{
	*what = "a QoS that the brokers do not take";
	if ((p->qos == 2 && (s->flags & PW_SESSION_NO_QOS2)) ||
	    (p->qos == 1 && (s->flags & PW_SESSION_NO_QOS1)))
		return 0x9B; /* QoS not supported [MQTT-3.2.2-11] */
	*what = "a retained message, which the brokers do not take";
	if (p->retain && (s->flags & PW_SESSION_NO_RETAIN))
		return 0x9A; /* Retain not supported [MQTT-3.2.2-14] */
	return 0;
}

static enum pw_taken
refuse(struct pw_forward *f, struct pw_session *s, uint8_t reason, const char *what, uint64_t now)
{
	char name[PW_ADDR_STRLEN + 16];

	if (reason == 0x9B)
		f->counters.refused_qos++;
	else
		f->counters.malformed++;
	PW_LOG_EVERY(&f->limit_device, now, forward, NOTICE,
		     "device %s: PUBLISH refused: %s is not supported",
		     pw_session_name(s, name, sizeof(name)), what);
	pw_session_refuse(f, s, reason, now);
	return PW_GONE;
}

static void
count_publish(struct pw_forward *f, const struct pw_append *a)
{
	f->counters.publishes_qos0 += a->qos == 0 ? a->further + 1u : 0;
	f->counters.publishes_qos1 += a->qos == 1;
	f->counters.publishes_qos2 += a->qos == 2;
	f->frames += a->further;
}

/*
 * A message that no broker is to have, counted in *why: acknowledged in its turn, no less and no
 * more.
 */
static enum pw_taken
unforwarded(struct pw_forward *f, struct pw_session *s, const struct pw_append *a, uint8_t reason,
	    uint64_t *why, uint64_t now)
{
	if (a->qos > 0 && pw_session_owe(f, s, a->qos, a->dev_id, reason, now) < 0)
		return PW_LATER;
	count_publish(f, a);
	(*why)++;
	return s->state == PW_SESSION_UP ? PW_TAKEN : PW_GONE;
}

/* No room to remember its identifier by. A 3.1.1 device cannot be told so. */
static enum pw_taken
no_room(struct pw_forward *f, struct pw_session *s, const struct pw_append *a, uint64_t now)
{
	int rc;

	if (s->version != PW_MQTT_5) {
		f->counters.exchanges_refused++;
		pw_session_end(f, s, true, false, now);
		return PW_GONE;
	}
	/* Before those in flight, whose turn it is not: it is no acknowledgement. */
	rc = pw_session_send_pubrec(f, s, a->dev_id, 0x97, now); /* Quota exceeded */
	f->counters.exchanges_refused += rc == 0;
	return rc == 0 ? PW_TAKEN : rc == -ENOBUFS ? PW_LATER : PW_GONE;
}

/* A topic that its user may not publish to. A 3.1.1 device cannot be told (3.1.1 3.3.5). */
static enum pw_taken
not_authorized(struct pw_forward *f, struct pw_session *s, const struct pw_append *a, uint64_t now)
{
	char name[PW_ADDR_STRLEN + 16];

	PW_LOG_EVERY(&f->limit_device, now, forward, NOTICE,
		     "device %s: PUBLISH refused: its user may not publish to that topic",
		     pw_session_name(s, name, sizeof(name)));
	return unforwarded(f, s, a, 0x87, &f->counters.dropped_not_authorized, now);
}

/* Room in the device's own window. */
static enum pw_taken
window(struct pw_forward *f, struct pw_session *s, uint64_t now)
{
	char name[PW_ADDR_STRLEN + 16];

	/* PUBRELs of a 3.1.1 device come behind what it publishes: they are not waited for. */
	if ((s->version == PW_MQTT_5 ? pw_session_window(s) : s->inflight) <
	    f->set->limits.receive_maximum)
		return PW_TAKEN;
	if (s->version != PW_MQTT_5) {
		s->flags |= PW_SESSION_HELD;
		return PW_HOLD;
	}
	f->counters.malformed++;
	PW_LOG_EVERY(&f->limit_device, now, forward, NOTICE,
		     "device %s: PUBLISH refused: more in flight than the Receive Maximum",
		     pw_session_name(s, name, sizeof(name)));
	pw_session_refuse(f, s, 0x93, now); /* Receive Maximum exceeded, 5.0 3.3.4 */
	return PW_GONE;
}

/*
 * The PUBREC of a message that is answered, in its turn behind those of messages that are not
 * [MQTT-4.6.0-3]: one before it that was refused is another message when it comes again.
 */
static enum pw_taken
answer_in_turn(struct pw_forward *f, struct pw_session *s, struct pw_exchange *x, uint8_t reason,
	       uint64_t now)
{
	struct pw_exchange before = *x;
	bool release = x->state == PW_EXCHANGE_RELEASE && x->reason == 0;

	x->state = PW_EXCHANGE_PENDING;
	if (release)
		s->more->releases--;
	if (pw_session_owe(f, s, 2, x->id, reason, now) < 0) {
		*x = before;
		if (release)
			s->more->releases++;
		return PW_LATER;
	}
	return s->state == PW_SESSION_UP ? PW_TAKEN : PW_GONE;
}

/* A message of QoS 2 that is known already: never forwarded again [MQTT-4.3.3-10]. */
static enum pw_taken
again(struct pw_forward *f, struct pw_session *s, struct pw_exchange *x, uint64_t now)
{
	enum pw_taken r = PW_TAKEN;
	int rc;

	if (x->state == PW_EXCHANGE_ANSWERED) {
		r = answer_in_turn(f, s, x, x->reason, now);
	} else if (x->state == PW_EXCHANGE_RELEASE && s->last != PW_FLOG_NONE) {
		r = answer_in_turn(f, s, x, 0, now);
	} else if (x->state == PW_EXCHANGE_LOOSE) {
		struct pw_flog *l = pw_session_logs(f, s)[x->ref >> 16];

		x->state = PW_EXCHANGE_PENDING;
		pw_session_track(f, s, l, pw_flog_pos(l, x->ref & 0xFFFF));
	} else if (x->state == PW_EXCHANGE_RELEASE) {
		rc = pw_session_send_pubrec(f, s, x->id, 0, now);
		r = rc == 0 ? PW_TAKEN : rc == -ENOBUFS ? PW_LATER : PW_GONE;
	}
	f->counters.duplicates_qos2 += r != PW_LATER;
	return r;
}

/* The topic of a message with an alias, which it may set. PW_TAKEN: r has it. */
static enum pw_taken
resolve(struct pw_forward *f, struct pw_session *s, const struct pw_mqtt_publish *p,
	struct pw_resolve *r, uint64_t now)
{
	uint16_t number = (uint16_t)p->props.value[PW_MQTT_PROP_TOPIC_ALIAS].num;
	char name[PW_ADDR_STRLEN + 16];
	int n;

	r->p = p;
	if (p->topic.len == 0) {
		n = pw_alias_topic(s, number, f->topic);
		if (n < 0) {
			pw_session_bad(f, s, PW_MQTT_PUBLISH, PW_MQTT_E_NO_TOPIC, now);
			return PW_GONE;
		}
		r->topic = f->topic;
		r->len = (uint32_t)n;
		return PW_TAKEN;
	}
	if (pw_alias_set(f, s, number, r->topic, r->len) == 0)
		return PW_TAKEN;
	f->counters.aliases_refused++;
	PW_LOG_EVERY(&f->limit_device, now, forward, NOTICE,
		     "device %s: PUBLISH refused: no memory is left for its topic alias",
		     pw_session_name(s, name, sizeof(name)));
	pw_session_refuse(f, s, 0x97, now); /* Quota exceeded */
	return PW_GONE;
}

/* No place for a message that may wait for one; or others have waited for it longer. */
static bool
no_place(const struct pw_forward *f, struct pw_flog *l, bool blocks)
{
	if (!pw_flog_full(l) && !(blocks && pw_flog_over(l)))
		return l->awaited && !f->waking;
	l->awaited = true;
	return true;
}

/* With r: a message whose topic has to be put back. */
static enum pw_taken
append(struct pw_forward *f, struct pw_session *s, struct pw_append *a, const struct pw_resolve *r,
       const struct pw_mqtt_publish *p, uint64_t now)
{
	struct pw_flog *l = pw_session_log(f, s, a->route, a->topic, now);
	bool blocks = pw_route_when_full(a->route, a->qos) == PW_WHEN_FULL_BLOCK;
	uint32_t was, messages;
	int rc;

	if (l == NULL || ((a->qos > 0 || blocks) && no_place(f, l, blocks)))
		return PW_LATER;
	if (a->qos == 0 && a->run == NULL && r->p == NULL)
		pw_group_gather(f, s, l, a, p);
	messages = a->further + 1u;
	was = pw_stage_enter(PW_STAGE_APPEND);
	rc = r->p != NULL ? pw_resolve_append(f, l, s, a, r, now) : pw_append(f, l, a, now);
	pw_stage_leave(was);
	if (rc == -EMSGSIZE) {
		pw_session_bad(f, s, PW_MQTT_PUBLISH, PW_MQTT_E_TOO_LARGE, now);
		return PW_GONE;
	}
	if (rc < 0 && (a->qos > 0 || blocks))
		return PW_LATER;
	count_publish(f, a);
	if (a->qos == 2)
		pw_exchange_find(s, a->dev_id)->ref = pw_flog_ref(l, l->tail - 1);
	if (rc == -ENOSPC) {
		f->counters.dropped_log_full += messages;
		f->route[a->route->slot].dropped_log_full += messages;
	} else if (rc < 0) {
		f->counters.dropped_no_buffer += messages;
		f->route[a->route->slot].dropped_no_buffer += messages;
	} else {
		f->counters.grouped += a->further;
		f->counters.payload_bytes += a->payload;
		__atomic_store_n(&s->messages, s->messages + messages, __ATOMIC_RELAXED);
		if (a->run != NULL)
			pw_part_end(f, s, true);
		if (a->qos > 0 && a->route->need == 0) {
			pw_session_ack(f, s, now);
			return s->state == PW_SESSION_UP ? PW_TAKEN : PW_GONE;
		}
	}
	return PW_TAKEN;
}

/* By rules and routes into a log. */
static enum pw_taken
publish(struct pw_forward *f, struct pw_session *s, struct pw_append *a, struct pw_resolve *topic,
	const struct pw_mqtt_publish *p, uint64_t now)
{
	if (!pw_session_may_publish(f, s, topic->topic, topic->len))
		return not_authorized(f, s, a, now);
	a->route = pw_routes_find(f->routes, topic->topic, topic->len);
	if (a->route == NULL)
		return unforwarded(f, s, a, PW_FLOG_REASON_NONE, &f->counters.dropped_no_route,
				   now);
	a->topic = pw_topic_key(f, a->route, topic->topic, topic->len);
	if (a->route->prefix_remove + a->route->prefix_add > 0) {
		topic->p = p;
		if (pw_route_topic(a->route, &topic->topic, &topic->len, f->rewritten) < 0) {
			a->route = NULL;
			return unforwarded(f, s, a, 0x90, &f->counters.dropped_no_route, now);
		}
	}
	if (s->version == PW_MQTT_5 && pw_mqtt_has(&p->props, PW_MQTT_PROP_MESSAGE_EXPIRY))
		a->expiry_at = p->props.at[PW_MQTT_PROP_MESSAGE_EXPIRY] + 1;
	if (s->part != NULL) {
		a->run = s->part->run.first;
		a->copied = s->part->copied;
	}
	a->payload = p->payload.len;
	return append(f, s, a, topic, p, now);
}

enum pw_taken
pw_session_publish(struct pw_forward *f, struct pw_session *s, struct pw_mqtt_buf *b, uint64_t now)
{
	struct pw_append a = {.b = b, .session = s};
	enum pw_mqtt_error err = PW_MQTT_E_NONE;
	struct pw_mqtt_publish p;
	struct pw_resolve topic = {0};
	struct pw_exchange *x;
	const char *what;
	enum pw_taken r;
	uint8_t reason;

	if (pw_mqtt_decode_publish(b, s->version, &p, &err) < 0 ||
	    (err = forbidden(f, s, &p)) != PW_MQTT_E_NONE) {
		pw_session_bad(f, s, PW_MQTT_PUBLISH, err, now);
		return PW_GONE;
	}
	reason = unavailable(s, &p, &what);
	if (reason != 0)
		return refuse(f, s, reason, what, now);
	x = p.qos == 2 ? pw_exchange_find(s, p.packet_id) : NULL;
	if (p.qos > 0 && x == NULL) {
		r = window(f, s, now);
		if (r != PW_TAKEN)
			return r;
	}
	topic.topic = pw_mqtt_bytes(b, p.topic, f->topic);
	topic.len = p.topic.len;
	if (pw_mqtt_has(&p.props, PW_MQTT_PROP_TOPIC_ALIAS)) {
		r = resolve(f, s, &p, &topic, now);
		if (r != PW_TAKEN)
			return r;
	}
	if (x != NULL)
		return again(f, s, x, now);
	a.qos = p.qos;
	a.retain = p.retain;
	a.dev_id = p.packet_id;
	a.id_at = p.packet_id_at;
	if (p.qos == 2 && pw_exchange_begin(f, s, p.packet_id) == NULL)
		return no_room(f, s, &a, now);
	r = publish(f, s, &a, &topic, &p, now);
	if (r == PW_LATER && p.qos == 2)
		pw_exchange_end(f, s, pw_exchange_find(s, p.packet_id));
	return r;
}
