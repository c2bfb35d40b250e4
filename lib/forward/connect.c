/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdio.h>

#include "session_pvt.h"

#define CLAIMS_SPARED 64

/* What the brokers of a lane have in common; what no connected broker forbids is allowed. */
struct common {
	uint32_t max_packet;
	uint8_t max_qos;
	bool no_retain;
};

static void
restrict_to(struct common *c, const struct pw_flog_reader *r)
{
	uint32_t max;

	/* Pairs with the release in upstream_rx.c: what CONNACK said comes before. */
	if (!__atomic_load_n(&r->up, __ATOMIC_ACQUIRE))
		return;
	max = __atomic_load_n(&r->max_packet, __ATOMIC_RELAXED);
	if (max != 0)
		c->max_packet = RTE_MIN(c->max_packet, max);
	c->no_retain |= __atomic_load_n(&r->no_retain, __ATOMIC_RELAXED);
	c->max_qos = RTE_MIN(c->max_qos, __atomic_load_n(&r->max_qos, __ATOMIC_RELAXED));
}

static struct common
common_of(const struct pw_forward *f, const struct pw_session *s)
{
	struct pw_flog *const *logs = pw_session_logs(f, s);
	struct common c = {.max_packet = RTE_MIN(s->max_packet, f->part_budget), .max_qos = 2};

	for (uint32_t n = 0; n < pw_view(f)->nb_numbers; n++) {
		if (logs[n] == NULL || logs[n]->retiring)
			continue;
		for (uint32_t m = logs[n]->brokers; m != 0; m &= m - 1)
			restrict_to(&c, &logs[n]->reader[__builtin_ctz(m)]);
	}
	return c;
}

/* Return code of 3.1.1 for a reason code of 5.0 (3.1.1 table 3.1). */
static uint8_t
return_code(uint8_t reason)
{
	switch (reason) {
	case 0x84:
		return 1; /* unacceptable protocol version */
	case 0x85:
		return 2; /* identifier rejected */
	case 0x86:
		return 4; /* bad user name or password */
	case 0x87:
	case 0x8C:
		return 5; /* not authorized */
	default:
		return 3; /* server unavailable */
	}
}

enum pw_taken
pw_session_connect_refuse(struct pw_forward *f, struct pw_session *s, uint8_t reason,
			  const char *why, uint64_t now)
{
	char name[PW_ADDR_STRLEN + 16];
	uint8_t out[8];
	int n;

	f->counters.connects_refused++;
	PW_LOG_EVERY(&f->limit_device, now, forward, NOTICE, "device %s: CONNECT refused: %s",
		     pw_session_name(s, name, sizeof(name)), why);
	n = pw_mqtt_encode_connack(out, sizeof(out), s->version, false,
				   s->version == PW_MQTT_5 ? reason : return_code(reason), NULL);
	if (n > 0 && s->conn != NULL && pw_session_takes(s, (uint32_t)n))
		(void)!pw_tcp_send_copy(f->tcp, s->conn, out, (uint32_t)n);
	pw_session_end(f, s, false, false, now);
	return PW_GONE;
}

/* A CONNECT that does not decode. */
static enum pw_taken
malformed(struct pw_forward *f, struct pw_session *s, const struct pw_mqtt_connect *c,
	  enum pw_mqtt_error err, uint64_t now)
{
	f->counters.malformed++;
	if (err == PW_MQTT_E_PROTOCOL_VERSION) {
		/* A level that is not known: the oldest form of the answer [MQTT-3.1.2-2]. */
		s->version = PW_MQTT_3_1_1;
		return pw_session_connect_refuse(f, s, 0x84, pw_mqtt_error_str(err), now);
	}
	if (c->version == PW_MQTT_5 || err == PW_MQTT_E_CLIENT_ID) {
		s->version = c->version != 0 ? c->version : PW_MQTT_3_1_1;
		return pw_session_connect_refuse(f, s, pw_mqtt_error_reason(err),
						 pw_mqtt_error_str(err), now);
	}
	f->counters.connects_refused++;
	pw_session_end(f, s, false, false, now);
	return PW_GONE;
}

/* Give a device that has no client identifier one that nobody else has. */
static uint32_t
assign(struct pw_forward *f, char *id, size_t len)
{
	return (uint32_t)snprintf(id, len, "%.16s-%02x%016lx", f->set->clientid_prefix, f->worker,
				  (unsigned long)pw_random(&f->rng));
}

static void
keep_client_id(struct pw_forward *f, struct pw_session *s, const struct pw_mqtt_buf *b,
	       const struct pw_mqtt_connect *c)
{
	struct pw_client_name *name = &f->name[pw_pool_index(f->sessions, s)];
	char assigned[PW_CLIENT_NAME_MAX + 1];
	const void *id = assigned;
	uint32_t len = c->client_id.len;

	if (name->len > 0)
		return; /* the CONNECT is handled for the second time */
	if (len > 0) {
		id = pw_mqtt_bytes(b, c->client_id, f->topic);
	} else {
		len = assign(f, assigned, sizeof(assigned));
		s->flags |= PW_SESSION_ASSIGNED;
	}
	/* The hash stands for all of it; its beginning is for people. */
	s->hash = pw_hash128(f->shared->conf.seed, id, len);
	len = RTE_MIN(len, (uint32_t)PW_CLIENT_NAME_MAX);
	memcpy(name->text, id, len);
	/* Pairs with the acquire in info.c. */
	__atomic_store_n(&name->len, (uint8_t)len, __ATOMIC_RELEASE);
}

static void
set_keepalive(struct pw_forward *f, struct pw_session *s, uint16_t asked)
{
	uint32_t max = f->set->limits.max_keepalive;

	s->keepalive = asked;
	/* Only 5.0 can tell the device; a 3.1.1 device is held to what it asked for. 0 asks for no
	 * bound at all, which is more than any. */
	if (s->version == PW_MQTT_5 && max != 0 && (asked == 0 || asked > max)) {
		s->keepalive = (uint16_t)max;
		s->flags |= PW_SESSION_SERVER_KA;
	}
}

/* Reasons to refuse a CONNECT that is well-formed. NULL: none. */
static const char *
objection(struct pw_forward *f, const struct pw_session *s, const struct pw_mqtt_connect *c,
	  uint8_t *reason)
{
	bool v5 = c->version == PW_MQTT_5;

	if (pw_session_logs(f, s) == NULL) {
		*reason = 0x84;
		return "no lane for its protocol version";
	}
	if (v5 && pw_mqtt_has(&c->props, PW_MQTT_PROP_AUTH_METHOD)) {
		*reason = 0x8C;
		return "enhanced authentication is not supported";
	}
	if (c->client_id.len == 0 && !v5 && (!c->clean || c->version == PW_MQTT_3_1)) {
		*reason = 0x85;
		return "no client identifier, and no clean session"; /* [MQTT-3.1.3-8] */
	}
	if (c->has_will && v5 && c->will_qos > common_of(f, s).max_qos) {
		*reason = 0x9B;
		return "a will of a QoS that the brokers do not take"; /* [MQTT-3.2.2-12] */
	}
	if (c->has_will && c->will_retain && v5 && common_of(f, s).no_retain) {
		*reason = 0x9A;
		return "a retained will, which the brokers do not take"; /* [MQTT-3.2.2-13] */
	}
	return NULL;
}

/*
 * Whether a CONNACK finds a place: a fleet that comes at once is told in turn, not reset. Those
 * that wait for a grant have places before it, but not any number: some wait for brokers. Who comes
 * just when a place has come free stands behind those that wait, who are read at the next poll.
 */
static bool
connack_room(struct pw_forward *f)
{
	if (pw_tcp_send_places(f->tcp) > RTE_MIN(f->claims, CLAIMS_SPARED))
		return f->waking || !f->connack_awaited;
	f->connack_awaited = true;
	return false;
}

static bool
may_publish_will(struct pw_forward *f, const struct pw_session *s, const struct pw_mqtt_buf *b,
		 const struct pw_mqtt_connect *c)
{
	return pw_session_may_publish(f, s, pw_mqtt_bytes(b, c->will_topic, f->topic),
				      c->will_topic.len);
}

enum pw_taken
pw_session_connect(struct pw_forward *f, struct pw_session *s, const struct pw_mqtt_buf *b,
		   uint64_t now)
{
	struct pw_mqtt_connect c = {0};
	enum pw_mqtt_error err = PW_MQTT_E_NONE;
	const char *why;
	pw_handle h = pw_pool_handle(f->sessions, s);
	enum pw_taken r;
	uint8_t reason = 0;
	int rc = 0;

	if (pw_dir_busy(f) || !connack_room(f))
		return PW_LATER;
	if (pw_mqtt_decode_connect(b, 0, &c, &err) < 0)
		return malformed(f, s, &c, err, now);
	s->version = c.version;
	if (pw_mqtt_has(&c.props, PW_MQTT_PROP_MAXIMUM_PACKET_SIZE))
		s->peer_max_packet = c.props.value[PW_MQTT_PROP_MAXIMUM_PACKET_SIZE].num;
	if (pw_mqtt_has(&c.props, PW_MQTT_PROP_SESSION_EXPIRY))
		s->expiry = c.props.value[PW_MQTT_PROP_SESSION_EXPIRY].num;
	why = objection(f, s, &c, &reason);
	if (why == NULL && !pw_session_proven(f, s))
		reason = pw_limits_connect(f, s, &why, now);
	if (why != NULL)
		return pw_session_connect_refuse(f, s, reason, why, now);
	keep_client_id(f, s, b, &c);
	r = pw_session_authenticate(f, s, b, &c, now);
	if (r != PW_TAKEN)
		return r;
	if (c.clean)
		s->flags |= PW_SESSION_CLEAN;
	else if (c.version != PW_MQTT_5)
		s->expiry = f->set->limits.max_session_expiry; /* it can't say for how long */
	set_keepalive(f, s, c.keepalive);
	if (c.has_will && !may_publish_will(f, s, b, &c)) {
		f->counters.auth_refused++;
		return pw_session_connect_refuse(f, s, 0x87, "it may not publish its will", now);
	}
	if (c.has_will)
		rc = pw_will_keep(f, s, b, &c);
	f->counters.wills_refused += rc == -ENOBUFS;
	if (rc < 0)
		return pw_session_connect_refuse(f, s, rc == -EMSGSIZE ? 0x95 : 0x97,
						 rc == -EMSGSIZE ? "a will that is too large"
								 : "no memory for its will",
						 now);
	s->state = PW_SESSION_CLAIM;
	f->claims++;
	pw_dir_claim(f, s, now);
	/* The grant, and with it the end of this session, may have come before the call returned.
	 */
	s = pw_pool_find(f->sessions, h);
	return s == NULL || s->state == PW_SESSION_CLOSING || s->state == PW_SESSION_LINGER
		       ? PW_GONE
		       : PW_TAKEN;
}

static bool
resumes(const struct pw_session *s)
{
	return s->more != NULL && s->more->nb_exchanges > 0;
}

static int
connack(struct pw_forward *f, struct pw_session *s, void *out, uint32_t room)
{
	bool present = resumes(s);
	struct pw_mqtt_prop_out p[12];
	struct pw_mqtt_props_out props = {.p = p};
	const struct pw_client_name *name = &f->name[pw_pool_index(f->sessions, s)];
	struct common c = common_of(f, s);
	uint32_t n = 0;
	uint16_t alias;
	int len;

	s->max_packet = c.max_packet;
	if (s->version != PW_MQTT_5)
		return pw_mqtt_encode_connack(out, room, s->version,
					      present && s->version != PW_MQTT_3_1, 0, NULL);
	s->flags |= (uint16_t)((c.max_qos < 2 ? PW_SESSION_NO_QOS2 : 0) |
			       (c.max_qos < 1 ? PW_SESSION_NO_QOS1 : 0) |
			       (c.no_retain ? PW_SESSION_NO_RETAIN : 0));
#define ADD(which_, num_)                                                                          \
	p[n++] = (struct pw_mqtt_prop_out)                                                         \
	{                                                                                          \
		.which = PW_MQTT_PROP_##which_, .num = num_                                        \
	}
	if (f->set->limits.receive_maximum < 65535)
		ADD(RECEIVE_MAXIMUM, f->set->limits.receive_maximum);
	if (c.max_qos < 2)
		ADD(MAXIMUM_QOS, c.max_qos);
	if (c.no_retain)
		ADD(RETAIN_AVAILABLE, 0);
	ADD(MAXIMUM_PACKET_SIZE, c.max_packet);
	if (s->flags & PW_SESSION_ASSIGNED) {
		p[n++] = (struct pw_mqtt_prop_out){
			.which = PW_MQTT_PROP_ASSIGNED_CLIENT_ID,
			.str = {(const uint8_t *)name->text, name->len},
		};
	}
	if (s->flags & PW_SESSION_SERVER_KA)
		ADD(SERVER_KEEP_ALIVE, s->keepalive);
	if (s->expiry > f->set->limits.max_session_expiry) {
		s->expiry = f->set->limits.max_session_expiry;
		ADD(SESSION_EXPIRY, s->expiry);
	}
	props.n = n;
	alias = pw_alias_grant(f);
	if (alias > 0)
		ADD(TOPIC_ALIAS_MAXIMUM, alias);
	ADD(WILDCARD_AVAILABLE, 0);
	ADD(SUBSCRIPTION_ID_AVAILABLE, 0);
	ADD(SHARED_AVAILABLE, 0);
#undef ADD
	/* Topic aliases are a favour, and the last three say what SUBACK says too: where the device
	 * takes no more, without them. */
	for (;; n = props.n) {
		struct pw_mqtt_props_out all = {.p = p, .n = n};

		len = pw_mqtt_encode_connack(out, room, s->version, present, 0, &all);
		if (len < 0 || n == props.n || pw_session_takes(s, (uint32_t)len)) {
			if (alias > 0 && n > props.n)
				s->flags |= PW_SESSION_ALIASES;
			return len;
		}
	}
}

void
pw_session_denied(struct pw_forward *f, struct pw_session *s, enum pw_dir_why why, uint64_t now)
{
	const char *text = "the table of client identifiers is full";

	if (s->state != PW_SESSION_CLAIM)
		return;
	if (why == PW_DIR_NO_PLACE) {
		f->counters.listener_full++;
		text = "its listener has max_connections";
	} else if (why == PW_DIR_UNSETTLED) {
		f->counters.resumes_refused++;
		text = "brokers have not answered its session's messages of QoS 2";
	}
	(void)pw_session_connect_refuse(f, s, why == PW_DIR_UNSETTLED ? 0x88 : 0x97, text, now);
}

/* What its client's last session remembers. False: no memory. */
static bool
take_over(struct pw_forward *f, struct pw_session *s, const struct pw_dir_msg *m)
{
	struct pw_session *from =
		m->by_worker == f->worker ? pw_pool_find(f->sessions, m->by) : NULL;

	if (m->exchanges == NULL)
		return true;
	/* Messages without an outcome have theirs in the log, which has to be the same one. */
	if (from != NULL && pw_session_lane(from) == pw_session_lane(s))
		return pw_exchanges_move(f, from, s);
	return pw_exchanges_copy(f, m->exchanges, s);
}

/* It has not come to be, and the last session goes on to be the one that is kept. */
static void
give_back(struct pw_forward *f, struct pw_session *s, const struct pw_dir_msg *m)
{
	struct pw_session *from =
		m->by_worker == f->worker ? pw_pool_find(f->sessions, m->by) : NULL;

	if (!resumes(s))
		return;
	if (from != NULL && pw_session_lane(from) == pw_session_lane(s))
		(void)pw_exchanges_move(f, s, from);
	else
		pw_exchanges_drop(f, s);
}

static int
send_connack(struct pw_forward *f, struct pw_session *s)
{
	uint8_t out[160];
	int n = connack(f, s, out, sizeof(out));

	assert(n > 0);
	/* It must know its limits, and may not be told [MQTT-3.1.2-24]. */
	if (!pw_session_takes(s, (uint32_t)n))
		return -EMSGSIZE;
	return pw_tcp_send_copy(f->tcp, s->conn, out, (uint32_t)n);
}

bool
pw_session_granted(struct pw_forward *f, struct pw_session *s, const struct pw_dir_msg *m,
		   uint64_t now)
{
	int rc;

	/* Here, not before: an older connection of this client has made place. */
	if (!pw_limits_place(f, s, m->place)) {
		pw_session_denied(f, s, PW_DIR_NO_PLACE, now);
		return false;
	}
	if (!take_over(f, s, m)) {
		f->counters.resumes_refused++;
		(void)pw_session_connect_refuse(f, s, 0x88, "no memory for its session", now);
		return false;
	}
	rc = send_connack(f, s);
	if (rc < 0) {
		give_back(f, s, m);
		f->counters.connects_refused++;
		/* No buffer for a CONNACK: it has not been a session yet, the device will come
		 * again. */
		pw_session_end(f, s, false, rc != -EMSGSIZE, now);
		return false;
	}
	f->counters.connects++;
	f->counters.sessions_resumed += resumes(s);
	s->state = PW_SESSION_UP;
	f->claims--;
	s->heard = now;
	pw_session_follows(f, s, now);
	pw_session_arm(f, s);
	/* What came behind CONNECT is read at the next poll. */
	if (pw_tcp_rx_len(s->conn) > 0 || pw_tcp_eof(s->conn))
		pw_session_wait(f, s, PW_LIST_WAITING);
	return true;
}
