/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdio.h>

#include "session_pvt.h"

#define CLOSE_TIME   (5 * PW_NS_S) /* for a device to close its side */
#define READ_QUANTUM 256

const char *
pw_session_name(const struct pw_session *s, char *buf, size_t len)
{
	char addr[PW_ADDR_STRLEN];
	struct pw_flow flow;

	if (s->conn == NULL)
		return "that is gone";
	pw_tcp_flow(s->conn, &flow);
	snprintf(buf, len, "%s port %u", pw_addr_str(&flow.remote, addr), flow.rport);
	return buf;
}

void
pw_session_wait(struct pw_forward *f, struct pw_session *s, enum pw_list which)
{
	if (s->on != PW_LIST_NONE)
		return;
	s->on = which;
	pw_list_push(f, which, s);
}

void
pw_session_unwait(struct pw_forward *f, struct pw_session *s)
{
	if (s->on == PW_LIST_NONE)
		return;
	pw_list_remove(f, s->on, s);
	s->on = PW_LIST_NONE;
}

/* What it remembers ends with time: nobody is about to go on with it. */
static bool
expires(const struct pw_session *s)
{
	return pw_session_kept(s) && !s->more->offered && s->more->heir.session == 0;
}

/* When the timer of a session that is up, or over, is to fire next, 0: never. */
static uint64_t
due(const struct pw_forward *f, const struct pw_session *s)
{
	uint64_t idle, at = UINT64_MAX;

	if (s->state != PW_SESSION_UP) {
		if (s->close_by != 0)
			at = s->close_by;
		if (pw_session_will(s) != NULL && s->more->will.at != 0)
			at = RTE_MIN(at, s->more->will.at);
		if (s->flags & PW_SESSION_SETTLING)
			at = RTE_MIN(at, s->settle_by);
		if (expires(s))
			at = RTE_MIN(at, s->more->keep_by);
		return at == UINT64_MAX ? 0 : at;
	}
	if (s->flags & PW_SESSION_PACED)
		return RTE_MAX(pw_limits_at(f, s), 1u);
	if (s->keepalive > 0)
		idle = s->keepalive * PW_NS_S * 3 / 2; /* [MQTT-3.1.2-22] */
	else
		idle = f->set->limits.idle_timeout * PW_NS_MS;
	return idle == 0 ? 0 : s->heard + idle;
}

void
pw_session_arm(struct pw_forward *f, struct pw_session *s)
{
	uint64_t at = due(f, s);

	if (at == 0)
		pw_wheel_cancel(&f->session_wheel, &s->timer);
	else
		pw_wheel_arm(&f->session_wheel, &s->timer, at);
}

static int
accepted(void *ctx, struct pw_tcp_conn *conn, uint64_t now)
{
	struct pw_listening *listening = ctx;
	struct pw_forward *f = listening->f;
	uint32_t listener = (uint32_t)(listening - f->listening);
	struct pw_session *s = NULL;
	bool placed = false;

	if (f->draining)
		return -ENOMEM;
	if (f->nb_sessions < f->set->limits.max_connections &&
	    pw_limits_enter(f, listener, &placed)) {
		s = pw_pool_get(f->sessions);
		if (s == NULL)
			pw_limits_leave(f, listener, placed);
	}
	if (s == NULL) {
		f->counters.connections_refused++;
		return -ENOMEM;
	}
	if (f->account != NULL)
		*pw_session_account(f, s) =
			(struct pw_account){.listener = (uint8_t)listener, .placed = placed};
	s->state = PW_SESSION_CONNECT;
	s->last = PW_FLOG_NONE;
	s->heard = now;
	s->max_packet = pw_limits_packet(f, s);
	pw_tcp_set_user(conn, (uint64_t)(uintptr_t)s);
	pw_wheel_arm(&f->session_wheel, &s->timer, now + pw_limits_deadline(f, listener));
	__atomic_store_n(&f->name[pw_pool_index(f->sessions, s)].len, 0, __ATOMIC_RELAXED);
	/* Pairs with the acquire in info.c: there is no name before CONNECT. */
	__atomic_store_n(&s->conn, conn, __ATOMIC_RELEASE);
	__atomic_store_n(&f->nb_sessions, f->nb_sessions + 1, __ATOMIC_RELAXED);
	return 0;
}

static struct pw_session *
session_of(struct pw_tcp_conn *conn)
{
	return (struct pw_session *)(uintptr_t)pw_tcp_user(conn);
}

static void
readable(void *ctx, struct pw_tcp_conn *conn, uint64_t now)
{
	struct pw_forward *f = ((struct pw_listening *)ctx)->f;
	struct pw_session *s = session_of(conn);

	if (s->state == PW_SESSION_CLOSING) {
		pw_tcp_consume(f->tcp, conn, pw_tcp_rx_len(conn));
		return;
	}
	/* Those that wait are served in turn: no overtaking by what arrives now. */
	if (s->on == PW_LIST_NONE && !(s->flags & (PW_SESSION_HELD | PW_SESSION_PACED)))
		pw_session_read(f, s, READ_QUANTUM, false, now);
	else if (pw_tcp_eof(conn) && pw_tcp_rx_len(conn) == 0)
		pw_session_read(f, s, READ_QUANTUM, true, now);
}

static void
acked(void *ctx, struct pw_tcp_conn *conn, uint64_t now)
{
	RTE_SET_USED(ctx);
	RTE_SET_USED(conn);
	RTE_SET_USED(now);
}

static void
forget_conn(struct pw_forward *f, struct pw_session *s)
{
	struct pw_account *a;

	s->conn = NULL;
	__atomic_store_n(&f->nb_sessions, f->nb_sessions - 1, __ATOMIC_RELAXED);
	a = pw_session_account(f, s);
	if (a != NULL) {
		pw_limits_leave(f, a->listener, a->placed && !a->promised);
		a->placed = a->promised;
	}
}

/* Its connection has closed, and while it did others may have taken the places of those that stay
 * without one. */
static void
left_alone(struct pw_forward *f, struct pw_session *s, uint64_t now)
{
	if (s->state != PW_SESSION_CLOSING || f->nb_lingering < f->max_lingering)
		return;
	if (pw_session_will(s) != NULL && s->more->will.at != 0)
		pw_will_publish(f, s, now);
	if (expires(s)) {
		f->counters.sessions_not_kept++;
		pw_session_unkeep(f, s);
		pw_session_yield(f, s, now);
	}
}

static void
gone(void *ctx, struct pw_tcp_conn *conn, enum pw_tcp_end why, uint64_t now)
{
	struct pw_forward *f = ((struct pw_listening *)ctx)->f;
	struct pw_session *s = session_of(conn);
	bool will = s->state != PW_SESSION_UP || !pw_session_left(f, s);

	RTE_SET_USED(why);
	forget_conn(f, s);
	if (s->state == PW_SESSION_CLOSING) {
		s->close_by = 0;
		left_alone(f, s, now);
		pw_session_settle(f, s);
		return;
	}
	if (s->state == PW_SESSION_UP)
		f->counters.lost++;
	pw_session_end(f, s, will, false, now);
}

const struct pw_tcp_ops pw_session_ops = {
	.accepted = accepted,
	.readable = readable,
	.acked = acked,
	.gone = gone,
};

void
pw_session_settle(struct pw_forward *f, struct pw_session *s)
{
	if (s->conn != NULL)
		return;
	if (pw_session_will(s) != NULL || pw_session_kept(s) ||
	    (pw_session_lends(s) && !f->destroying) ||
	    ((s->flags & PW_SESSION_SETTLING) && !f->destroying)) {
		if (s->state != PW_SESSION_LINGER) {
			s->state = PW_SESSION_LINGER;
			f->nb_lingering++;
		}
		return;
	}
	if (s->state == PW_SESSION_LINGER)
		f->nb_lingering--;
	pw_session_unwait(f, s);
	pw_wheel_cancel(&f->session_wheel, &s->timer);
	pw_pool_put(f->sessions, s);
}

void
pw_session_unkeep(struct pw_forward *f, struct pw_session *s)
{
	if (!pw_session_kept(s))
		return;
	s->more->keep_by = 0;
	pw_exchanges_drop(f, s);
}

void
pw_session_kept_for(struct pw_forward *f, struct pw_session *s, uint64_t now)
{
	if (s->state == PW_SESSION_UP || pw_session_kept(s))
		return;
	pw_session_yield(f, s, now);
	pw_session_settle(f, s);
}

/* Whether what it remembers of QoS 2 stays beyond its connection. */
static bool
may_keep(struct pw_forward *f, const struct pw_session *s)
{
	if (s->more == NULL || s->more->nb_exchanges == 0 || f->draining || f->destroying ||
	    s->expiry == 0 || !(s->flags & PW_SESSION_REGISTERED))
		return false;
	if (f->nb_lingering < f->max_lingering)
		return true;
	f->counters.sessions_not_kept++;
	return false;
}

void
pw_session_end(struct pw_forward *f, struct pw_session *s, bool will, bool reset, uint64_t now)
{
	bool up = s->state == PW_SESSION_UP, keep;

	if (s->state == PW_SESSION_CLOSING || s->state == PW_SESSION_LINGER)
		return;
	f->claims -= s->state == PW_SESSION_CLAIM;
	s->state = PW_SESSION_CLOSING;
	/* What it did wrong itself, in the frame at hand, ends what follows too. */
	if (up && s->conn != NULL && !(s->flags & PW_SESSION_READING) && pw_session_left(f, s))
		will = false;
	pw_session_unwait(f, s);
	keep = may_keep(f, s);
	pw_session_disown(f, s, keep);
	pw_aliases_forget(f, s);
	if (!keep)
		pw_exchanges_drop(f, s);
	else if (s->more != NULL && s->more->nb_exchanges > 0)
		s->more->keep_by = now + s->expiry * PW_NS_S;
	if (s->part != NULL)
		pw_part_end(f, s, false);
	s->close_by = 0;
	if (s->conn != NULL && reset) {
		pw_tcp_abort(f->tcp, s->conn, now);
		forget_conn(f, s);
	} else if (s->conn != NULL) {
		pw_tcp_consume(f->tcp, s->conn, pw_tcp_rx_len(s->conn));
		pw_tcp_close(f->tcp, s->conn, now);
		s->close_by = now + CLOSE_TIME;
	}
	pw_session_arm(f, s);
	/* A session that never was up has no will to publish: its CONNECT was not accepted. */
	if (pw_session_will(s) != NULL && !(will && up))
		pw_will_forget(f, s);
	if (pw_session_will(s) != NULL)
		pw_will_due(f, s, now);
	/* Not while a will waits: a new connection of the same client has to find and cancel a
	 * delayed one, and must not overtake one that is due. */
	pw_session_yield(f, s, now);
	pw_session_settle(f, s);
}

int
pw_session_send(struct pw_forward *f, struct pw_session *s, const void *data, uint32_t len,
		uint64_t now)
{
	const uint8_t *p = data;
	int rc = 0;

	if (s->conn == NULL)
		return -EPIPE;
	if (!pw_session_takes(s, len))
		return 0; /* [MQTT-3.1.2-25]: as if it had been sent */
	if (pw_tcp_send_room(f->tcp, s->conn) < len)
		rc = -EAGAIN;
	for (uint32_t at = 0, n; rc == 0 && at < len; at += n) {
		n = RTE_MIN(len - at, 1024u);
		rc = pw_tcp_send_copy(f->tcp, s->conn, p + at, n);
		if (rc == -ENOBUFS && at == 0)
			return rc;
	}
	if (rc == 0)
		return 0;
	/*
	 * A send queue full of acknowledgements: the device has stopped reading. Nothing is lost by
	 * ending it, its messages were not acknowledged.
	 */
	pw_session_end(f, s, true, rc != -EPIPE, now);
	return -EPIPE;
}

void
pw_session_refuse_with(struct pw_forward *f, struct pw_session *s, uint8_t reason,
		       const struct pw_mqtt_prop_out *prop, uint64_t now)
{
	struct pw_mqtt_props_out props = {.p = prop, .n = prop != NULL};
	uint8_t out[16 + PW_FORWARD_STR_LEN];

	if (s->state == PW_SESSION_UP && s->version == PW_MQTT_5 && s->conn != NULL) {
		int n = pw_mqtt_encode_disconnect(out, sizeof(out), PW_MQTT_DISCONNECT, s->version,
						  reason, &props);

		/* [MQTT-3.1.2-24]: too long for the device, which has the reason at least. */
		if (n > 0 && prop != NULL && !pw_session_takes(s, (uint32_t)n))
			n = pw_mqtt_encode_disconnect(out, sizeof(out), PW_MQTT_DISCONNECT,
						      s->version, reason, NULL);
		if (n > 0 && pw_session_takes(s, (uint32_t)n) &&
		    pw_tcp_send_copy(f->tcp, s->conn, out, (uint32_t)n) == 0)
			f->counters.disconnects_sent++;
	}
	pw_session_end(f, s, true, false, now);
}

void
pw_session_refuse(struct pw_forward *f, struct pw_session *s, uint8_t reason, uint64_t now)
{
	pw_session_refuse_with(f, s, reason, NULL, now);
}

void
pw_session_bad(struct pw_forward *f, struct pw_session *s, uint8_t type, enum pw_mqtt_error err,
	       uint64_t now)
{
	char name[PW_ADDR_STRLEN + 16];

	f->counters.malformed++;
	PW_LOG_EVERY(&f->limit_device, now, forward, NOTICE, "device %s: %s refused: %s",
		     pw_session_name(s, name, sizeof(name)), pw_mqtt_type_str(type),
		     pw_mqtt_error_str(err));
	pw_session_refuse(f, s, pw_mqtt_error_reason(err), now);
}

static void
keepalive(struct pw_forward *f, struct pw_session *s, uint64_t now)
{
	if (s->flags & PW_SESSION_PACED) {
		s->heard = now;
		if (pw_limits_at(f, s) <= now) {
			s->flags &= (uint16_t)~PW_SESSION_PACED;
			pw_session_wait(f, s, PW_LIST_WAITING);
		}
		pw_session_arm(f, s);
		return;
	}
	/* A device that is not read is not silent. */
	if (f->draining || (s->flags & (PW_SESSION_BLOCKED | PW_SESSION_HELD)))
		s->heard = now;
	if (due(f, s) > now) {
		pw_session_arm(f, s);
		return;
	}
	f->counters.keepalive_expired++;
	pw_session_refuse(f, s, 0x8D, now); /* Keep Alive timeout */
}

/* After the end: a device that does not close its side, a will whose delay is over. */
static void
wind_down(struct pw_forward *f, struct pw_session *s, uint64_t now)
{
	if (s->close_by != 0 && s->close_by <= now) {
		s->close_by = 0;
		if (s->conn != NULL) {
			pw_tcp_abort(f->tcp, s->conn, now);
			forget_conn(f, s);
			left_alone(f, s, now);
		}
	}
	if (pw_session_will(s) != NULL && s->more->will.at != 0 && s->more->will.at <= now)
		pw_will_publish(f, s, now);
	if (expires(s) && s->more->keep_by <= now) {
		f->counters.sessions_expired++;
		pw_session_unkeep(f, s);
		pw_session_yield(f, s, now);
	}
	if ((s->flags & PW_SESSION_SETTLING) && s->settle_by <= now)
		pw_session_unsettled(f, s, now);
	pw_session_arm(f, s);
	pw_session_settle(f, s);
}

void
pw_session_timer(void *ctx, struct pw_timer *t, uint64_t now)
{
	struct pw_forward *f = ctx;
	struct pw_session *s =
		(struct pw_session *)((uint8_t *)t - offsetof(struct pw_session, timer));

	switch (s->state) {
	case PW_SESSION_AUTH:
		pw_session_auth_late(f, s, now);
		return;
	case PW_SESSION_CONNECT:
	case PW_SESSION_CLAIM:
		f->counters.connect_deadline++;
		pw_session_end(f, s, false, true, now);
		return;
	case PW_SESSION_UP:
		keepalive(f, s, now);
		return;
	default:
		wind_down(f, s, now);
	}
}
