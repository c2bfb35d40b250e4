/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The life of a broker connection: wait, TCP, CONNECT, up, and again. What was not acknowledged
 * when it ends is sent again on the next one, out of the log.
 *
 * The broker is asked to keep our session, which is what makes QoS 2 go on where it stood. It must
 * not be the session of a process before this one, whose identifiers mean other messages: one that
 * is found is purged by a connection of its own. For with 3.1.1 a session that starts clean ends
 * with its connection, and with 5.0, where it need not, there are brokers that do not store such a
 * one (mosquitto 2.0).
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "upstream_pvt.h"

#define SHUT_MAX       3	      /* connections in a row that a broker closes before CONNACK */
#define PROVEN	       (10 * PW_NS_S) /* a connection that stood so long was a good one */
#define OUR_MAX_PACKET 65535u	      /* what a 5.0 broker may send us */

void
pw_upstream_set_state(struct pw_upstream *u, enum pw_upstream_state state)
{
	__atomic_store_n(&u->state, state, __ATOMIC_RELAXED);
}

const char *
pw_upstream_state_str(enum pw_upstream_state s)
{
#define TEXT(name, text) [PW_UPSTREAM_##name] = text,
	static const char *const texts[] = {PW_UPSTREAM_STATES(TEXT)};
#undef TEXT

	return (uint32_t)s < RTE_DIM(texts) ? texts[s] : "unknown";
}

/* The version that the next CONNECT has. */
static uint8_t
speaks(const struct pw_upstream *u)
{
	bool v5 = u->conf->protocol == PW_BROKER_5;

	if (u->conf->protocol == PW_BROKER_AUTO)
		v5 = (u->log->lane == PW_LANE_5) != u->other;
	return v5 ? PW_MQTT_5 : PW_MQTT_3_1_1;
}

/*
 * A broker that only closes may do so for other reasons: once it has accepted the lane's version
 * that says nothing, before it has to do so several times, and it is asked anew after each
 * connection that stood.
 */
void
pw_upstream_turned_down(struct pw_upstream *u, bool guess)
{
	if (u->conf->protocol != PW_BROKER_AUTO || (guess && (u->spoken || ++u->shut < SHUT_MAX)))
		return;
	u->shut = 0;
	u->other = !u->other;
	u->guess = guess;
}

void
pw_upstream_init(struct pw_forward *f, struct pw_upstream *u, struct pw_flog *l, uint32_t broker,
		 const struct pw_broker_conf *conf, uint64_t *marks)
{
	struct pw_broker_use *use = &f->shared->use[broker];

	u->f = f;
	u->log = l;
	u->broker = broker;
	u->conf = conf;
	u->version = speaks(u);
	pw_cursor_init(&u->cursor, l, broker, marks);
	pw_cursor_hold(&u->cursor, u->conf->hold_messages, u->conf->hold_bytes);
	if (use->max != 0)
		pw_cursor_pin(&u->cursor, &use->pinned, use->max, use->max / use->logs);
	pw_cursor_publish(&u->cursor);
	pw_upstream_set_state(u, PW_UPSTREAM_WAITING);
}

/* The broker is elsewhere: it does not know what the one there knew. */
static void
moved(struct pw_upstream *u, uint64_t now)
{
	u->session = u->other = u->guess = u->spoken = false;
	if (u->conn != NULL)
		pw_upstream_fail(u, "its address is another one now", now);
	u->deadline = now;
	u->restart_ms = 0;
}

void
pw_upstream_adopt(struct pw_upstream *u, const struct pw_broker_conf *conf, uint64_t now)
{
	const struct pw_broker_conf *old = u->conf;
	bool elsewhere = !pw_addr_eq(&old->address, &conf->address) || old->port != conf->port;

	u->conf = conf;
	pw_cursor_hold(&u->cursor, conf->hold_messages, conf->hold_bytes);
	if (elsewhere && u->state != PW_UPSTREAM_CLOSED)
		moved(u, now);
	pw_upstream_arm(u, now);
}

/* When a cursor that stands for a while is to go on; not after now where it is not time's doing. */
static uint64_t
resume(const struct pw_upstream *u)
{
	uint32_t rate = u->conf->replay_rate;

	if (u->quota_at != 0)
		return u->quota_at;
	if (rate != 0 && u->cursor.next < u->replay_end)
		return u->replay_from + u->replayed * PW_NS_S / rate + PW_NS_MS;
	return 0;
}

/* The next thing to look at. */
static uint64_t
due(const struct pw_upstream *u, uint64_t now)
{
	uint64_t ack = u->conf->ack_timeout * PW_NS_MS, at = UINT64_MAX;

	if (u->state != PW_UPSTREAM_UP)
		return u->state == PW_UPSTREAM_CLOSED && u->conn == NULL ? UINT64_MAX : u->deadline;
	if (resume(u) > now)
		at = resume(u);
	if (u->keepalive != 0 && !u->ping_out)
		at = RTE_MIN(at, u->spoke + u->keepalive * PW_NS_MS);
	if (ack == 0)
		return at;
	if (u->ping_out)
		at = RTE_MIN(at, u->ping_at + ack);
	if (u->cursor.inflight > u->over_quota)
		at = RTE_MIN(at, u->progress + ack);
	if (pw_tcp_unacked(u->conn) > 0)
		at = RTE_MIN(at, u->tx_progress + ack);
	return at;
}

void
pw_upstream_arm(struct pw_upstream *u, uint64_t now)
{
	uint64_t at = due(u, now);

	if (at == UINT64_MAX)
		pw_wheel_cancel(&u->f->upstream_wheel, &u->timer);
	else if (!pw_timer_armed(&u->timer) || u->timer.expiry != at)
		pw_wheel_arm(&u->f->upstream_wheel, &u->timer, at);
}

static void
say(struct pw_upstream *u, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(u->last_error, sizeof(u->last_error), fmt, ap);
	va_end(ap);
}

/* Decorrelated jitter: between the base and three times the last wait, up to the cap. */
static uint64_t
next_wait(struct pw_upstream *u)
{
	uint64_t base = RTE_MAX(u->conf->restart_base, 1u);
	uint64_t top = 3 * RTE_MAX(u->restart_ms, base);

	u->restart_ms = base + pw_random(&u->f->rng) % (top - base);
	u->restart_ms = RTE_MIN(u->restart_ms, (uint64_t)RTE_MAX(u->conf->restart_cap, 1u));
	return u->restart_ms;
}

/* The connection ended at the message at which the one before it did: perhaps because of it. */
static void
stalled(struct pw_upstream *u, uint64_t now)
{
	const struct pw_flog_entry *e = pw_flog_at(u->log, u->cursor.low);

	u->counters.stalled_at_message++;
	PW_LOG_EVERY(&u->f->limit_broker, now, forward, WARNING,
		     "broker %s (" PW_FLOG_ID "): ended again before it had a message of QoS %u, "
		     "%u bytes, topic of %u bytes, identifier %u",
		     u->conf->name, PW_FLOG_ID_OF(u->log), e->flags & PW_FLOG_QOS, e->len,
		     pw_upstream_topic_len(e), (uint32_t)(u->cursor.low & u->log->mask) + 1);
}

/* An established connection has ended: whether the next wait begins from the least again. */
static void
judge(struct pw_upstream *u, bool part, uint64_t now)
{
	struct pw_cursor *c = &u->cursor;
	bool owed = c->low != c->seen && (c->low < c->sent || part);

	if (owed && u->owed && c->low == u->oldest)
		stalled(u, now);
	else if (u->answered || pw_since(now, u->connected_at) >= PROVEN)
		u->restart_ms = 0;
	u->owed = owed;
	u->oldest = c->low;
}

/* After the connection has gone, for whatever reason. */
static void
down(struct pw_upstream *u, uint64_t now)
{
	struct pw_flog_reader *r = &u->log->reader[u->broker];
	bool part = u->cursor.part > 0;

	pw_cursor_suspend(&u->cursor);
	u->over_quota = 0;
	u->quota_at = 0;
	pw_cursor_publish(&u->cursor);
	if (u->state == PW_UPSTREAM_UP) {
		u->counters.disconnects++;
		judge(u, part, now);
		u->other = u->other && !u->guess;
	} else {
		u->counters.connect_failures++;
	}
	__atomic_store_n(&r->up, 0, __ATOMIC_RELEASE);
	__atomic_store_n(&u->connected_at, 0, __ATOMIC_RELAXED);
	u->conn = NULL;
	u->ping_out = u->purged = false;
	pw_upstream_set_state(u, PW_UPSTREAM_WAITING);
	u->deadline = now + next_wait(u) * PW_NS_MS;
	PW_LOG(forward, WARNING, "broker %s (" PW_FLOG_ID "): %s; next attempt in %lu ms",
	       u->conf->name, PW_FLOG_ID_OF(u->log), u->last_error, (unsigned long)u->restart_ms);
	pw_upstream_arm(u, now);
}

void
pw_upstream_fail(struct pw_upstream *u, const char *why, uint64_t now)
{
	say(u, "%s", why);
	if (u->conn != NULL)
		pw_tcp_abort(u->f->tcp, u->conn, now);
	down(u, now);
}

static void
start(struct pw_upstream *u, uint64_t now)
{
	struct pw_forward *f = u->f;
	struct pw_flow flow = {.remote = u->conf->address, .rport = u->conf->port};
	int rc = f->conf.source(f->conf.ctx, &u->conf->address, &flow.local);

	u->deadline = now + u->conf->connect_timeout * PW_NS_MS;
	__atomic_store_n(&u->version, speaks(u), __ATOMIC_RELAXED);
	pw_upstream_set_state(u, PW_UPSTREAM_TCP);
	if (rc == 0)
		rc = pw_tcp_connect(f->tcp, &flow, &pw_upstream_ops, f, (uint64_t)(uintptr_t)u,
				    &u->conn, now);
	if (rc < 0) {
		u->conn = NULL;
		say(u, "cannot connect: %s", strerror(-rc));
		down(u, now);
		return;
	}
	pw_upstream_arm(u, now);
}

static struct pw_mqtt_str
text(const char *s)
{
	return (struct pw_mqtt_str){s, (uint32_t)strlen(s)};
}

/* Stable over restarts, and different for each connection to a broker. */
static void
client_id(const struct pw_upstream *u, char *id, size_t len)
{
	const struct pw_forward *f = u->f;
	int n = snprintf(id, len, "%s-%s-w%u-l%u", f->set->clientid_prefix, f->set->instance,
			 u->log->worker, u->log->lane == PW_LANE_5 ? 5 : 3);

	if (!u->log->alone)
		snprintf(id + n, len - (size_t)n, "-s%u-p%u", u->log->set, u->log->pool);
}

/* Whether the next session is to know nothing. */
static bool
starts_clean(const struct pw_upstream *u)
{
	return pw_upstream_session_expiry(u) == 0 || u->cursor.spoilt || u->purge;
}

static void
connected(void *ctx, struct pw_tcp_conn *conn, uint64_t now)
{
	struct pw_upstream *u = (struct pw_upstream *)(uintptr_t)pw_tcp_user(conn);
	struct pw_forward *f = ctx;
	struct pw_mqtt_str username = text(u->conf->username), password = text(u->conf->password);
	struct pw_mqtt_prop_out p[] = {
		{.which = PW_MQTT_PROP_MAXIMUM_PACKET_SIZE, .num = OUR_MAX_PACKET},
		{.which = PW_MQTT_PROP_SESSION_EXPIRY, .num = pw_upstream_session_expiry(u)},
	};
	char id[4 * PW_FORWARD_NAME_LEN];
	uint8_t out[1024];
	struct pw_mqtt_connect_out c = {
		.version = u->version,
		.clean = starts_clean(u),
		.keepalive = (uint16_t)RTE_MIN((u->conf->keepalive_interval + 999) / 1000, 65535u),
		.props = {.p = p, .n = starts_clean(u) ? 1 : 2},
	};
	int n;

	u->clean = c.clean;
	client_id(u, id, sizeof(id));
	c.client_id = text(id);
	if (username.len > 0)
		c.username = &username;
	if (password.len > 0)
		c.password = &password;
	n = pw_mqtt_encode_connect(out, sizeof(out), &c);
	assert(n > 0);
	if (pw_tcp_send_copy(f->tcp, conn, out, (uint32_t)n) < 0) {
		pw_upstream_fail(u, "no buffer for CONNECT", now);
		return;
	}
	pw_upstream_set_state(u, PW_UPSTREAM_MQTT);
	u->deadline = now + u->conf->connect_timeout * PW_NS_MS;
	u->keepalive = u->conf->keepalive_interval;
	u->spoke = u->progress = u->tx_progress = now;
	u->queued = (uint32_t)n;
	u->mark = 0;
	pw_upstream_arm(u, now);
}

void
pw_upstream_again(struct pw_upstream *u, uint64_t now)
{
	pw_tcp_abort(u->f->tcp, u->conn, now);
	u->conn = NULL;
	pw_upstream_set_state(u, PW_UPSTREAM_WAITING);
	u->deadline = now;
	pw_upstream_arm(u, now);
}

/* Whether the broker knows what it knew; what it does not is sent anew. */
static void
recall(struct pw_upstream *u, bool present)
{
	if (u->session && !present && !u->clean)
		u->counters.sessions_lost++;
	u->counters.sessions_resumed += present;
	u->session = pw_upstream_session_expiry(u) != 0;
	pw_cursor_resume(&u->cursor, present);
}

void
pw_upstream_up(struct pw_upstream *u, bool present, uint64_t now)
{
	struct pw_flog_reader *r = &u->log->reader[u->broker];

	u->counters.connects++;
	u->spoken |= !u->other;
	u->shut = 0;
	recall(u, present);
	u->replay_end = __atomic_load_n(&u->log->tail, __ATOMIC_ACQUIRE);
	u->replay_from = now;
	u->replayed = 0;
	u->answered = u->detached = u->purged = false;
	u->last_error[0] = '\0';
	u->window_stop = u->socket_stop = false;
	u->progress = u->tx_progress = now;
	__atomic_store_n(&u->connected_at, now, __ATOMIC_RELAXED);
	/* Devices are held to it where CONNACK can tell them; for others it is this broker's loss.
	 */
	__atomic_store_n(&r->max_packet, u->log->lane == PW_LANE_5 ? u->max_packet : 0,
			 __ATOMIC_RELAXED);
	__atomic_store_n(&r->no_retain, u->no_retain, __ATOMIC_RELAXED);
	__atomic_store_n(&r->max_qos, u->max_qos, __ATOMIC_RELAXED);
	/* Pairs with the acquire in connect.c: what CONNACK said comes before. */
	__atomic_store_n(&r->up, 1, __ATOMIC_RELEASE);
	pw_upstream_set_state(u, PW_UPSTREAM_UP);
	PW_LOG(forward, INFO, "broker %s (" PW_FLOG_ID "): up, in %s", u->conf->name,
	       PW_FLOG_ID_OF(u->log), u->version == PW_MQTT_5 ? "5.0" : "3.1.1");
	pw_upstream_arm(u, now);
}

static void
readable(void *ctx, struct pw_tcp_conn *conn, uint64_t now)
{
	RTE_SET_USED(ctx);
	pw_upstream_read((struct pw_upstream *)(uintptr_t)pw_tcp_user(conn), now);
}

static void
acked(void *ctx, struct pw_tcp_conn *conn, uint64_t now)
{
	struct pw_upstream *u = (struct pw_upstream *)(uintptr_t)pw_tcp_user(conn);

	RTE_SET_USED(ctx);
	u->tx_progress = now;
	/* While bytes of the messages that are waited for still travel, the broker cannot answer.
	 */
	if (u->queued - pw_tcp_unacked(conn) <= u->mark)
		u->progress = now;
	if (u->queued - pw_tcp_unacked(conn) >= u->abandoned)
		pw_cursor_unpin(&u->cursor);
}

static void
gone(void *ctx, struct pw_tcp_conn *conn, enum pw_tcp_end why, uint64_t now)
{
	struct pw_upstream *u = (struct pw_upstream *)(uintptr_t)pw_tcp_user(conn);

	RTE_SET_USED(ctx);
	if (u->state == PW_UPSTREAM_CLOSED) {
		u->conn = NULL;
		pw_upstream_arm(u, now);
		return;
	}
	if (u->state == PW_UPSTREAM_MQTT && (why == PW_TCP_END_RESET || why == PW_TCP_END_CLOSED))
		pw_upstream_turned_down(u, true);
	say(u, "%s%s", u->state == PW_UPSTREAM_MQTT ? "before CONNACK: " : "", pw_tcp_end_str(why));
	down(u, now);
}

const struct pw_tcp_ops pw_upstream_ops = {
	.connected = connected,
	.readable = readable,
	.acked = acked,
	.gone = gone,
};

static void
ping(struct pw_upstream *u, uint64_t now)
{
	uint8_t out[2];
	int n = pw_mqtt_encode_ping(out, sizeof(out), PW_MQTT_PINGREQ);

	/* Where all was taken long ago, its own bytes have as long as any. */
	if (pw_tcp_unacked(u->conn) == 0)
		u->tx_progress = now;
	/* A message that is half queued has to be completed first; the deadline of its bytes
	 * watches. */
	if (n > 0 && u->cursor.part == 0 &&
	    pw_tcp_send_copy(u->f->tcp, u->conn, out, (uint32_t)n) == 0) {
		u->ping_out = true;
		u->ping_at = now;
		u->queued += (uint32_t)n;
		u->spoke = now;
		return;
	}
	u->spoke = now + PW_NS_S - u->keepalive * PW_NS_MS; /* again in a second */
}

static void
watch(struct pw_upstream *u, uint64_t now)
{
	uint64_t ack = u->conf->ack_timeout * PW_NS_MS;

	if (ack != 0 && ((u->cursor.inflight > u->over_quota && u->progress + ack <= now) ||
			 (pw_tcp_unacked(u->conn) > 0 && u->tx_progress + ack <= now) ||
			 (u->ping_out && u->ping_at + ack <= now))) {
		u->counters.stuck++;
		pw_upstream_fail(u, "stuck: connected, but acknowledgements stopped", now);
		return;
	}
	if (u->keepalive != 0 && !u->ping_out && u->spoke + u->keepalive * PW_NS_MS <= now)
		ping(u, now);
	pw_upstream_arm(u, now);
}

void
pw_upstream_timer(void *ctx, struct pw_timer *t, uint64_t now)
{
	struct pw_upstream *u =
		(struct pw_upstream *)((uint8_t *)t - offsetof(struct pw_upstream, timer));

	RTE_SET_USED(ctx);
	switch (u->state) {
	case PW_UPSTREAM_WAITING:
		start(u, now);
		return;
	case PW_UPSTREAM_TCP:
		pw_upstream_fail(u, "no answer to the TCP handshake in time", now);
		return;
	case PW_UPSTREAM_MQTT:
		pw_upstream_fail(u, "no CONNACK in time", now);
		return;
	case PW_UPSTREAM_UP:
		watch(u, now);
		return;
	default:
		if (u->conn != NULL)
			pw_tcp_abort(u->f->tcp, u->conn, now);
		u->conn = NULL;
	}
}

void
pw_upstream_close(struct pw_upstream *u, uint64_t now)
{
	struct pw_mqtt_prop_out expiry = {.which = PW_MQTT_PROP_SESSION_EXPIRY};
	struct pw_mqtt_props_out props = {.p = &expiry, .n = u->version == PW_MQTT_5};
	uint8_t out[16];
	int n;

	if (u->state == PW_UPSTREAM_CLOSED)
		return;
	if (u->conn != NULL && u->state == PW_UPSTREAM_UP) {
		/* Nobody comes who could go on with this session. */
		n = pw_mqtt_encode_disconnect(out, sizeof(out), PW_MQTT_DISCONNECT, u->version, 0,
					      &props);
		if (n > 0 && u->cursor.part == 0)
			(void)!pw_tcp_send_copy(u->f->tcp, u->conn, out, (uint32_t)n);
		pw_tcp_close(u->f->tcp, u->conn, now);
		u->deadline = now + PW_NS_S;
	} else if (u->conn != NULL) {
		pw_tcp_abort(u->f->tcp, u->conn, now);
		u->conn = NULL;
	}
	__atomic_store_n(&u->log->reader[u->broker].up, 0, __ATOMIC_RELEASE);
	__atomic_store_n(&u->connected_at, 0, __ATOMIC_RELAXED);
	pw_upstream_set_state(u, PW_UPSTREAM_CLOSED);
	/* Pairs with the acquire in give_up(): this reader has let go of the log. */
	__atomic_store_n(&u->log->reader[u->broker].closed, 1, __ATOMIC_RELEASE);
	pw_upstream_arm(u, now);
}
