/* SPDX-License-Identifier: BSD-3-Clause */
/* What a broker sends: CONNACK, then PUBACK, PUBREC, PUBCOMP and PINGRESP; nothing else has a
 * meaning here. */
#include <errno.h>
#include <stdio.h>

#include "upstream_pvt.h"

#define MAX_IN		  65535u /* told to 5.0 brokers; no 3.1.1 broker has reason to send more */
#define MAX_SLICE	  64	 /* pieces that a packet of a broker may lie in */
#define QUOTA_EXCEEDED	  0x97
#define IDENTIFIER_IN_USE 0x91
#define QUOTA_PAUSE	  100u	 /* ms; doubles while the broker takes nothing */
#define QUOTA_PAUSE_MAX	  10000u /* ms */
#define SHORT_ANSWER	  4	 /* bytes of one without reason code and properties */

#define MAX_READ	  4096 /* packets in one upcall; the rest at the next poll */

static uint32_t
number(const struct pw_mqtt_props *p, enum pw_mqtt_prop which, uint32_t absent)
{
	return pw_mqtt_has(p, which) ? p->value[which].num : absent;
}

/* Of two limits, of which 0 is none. */
static uint32_t
smaller(uint32_t a, uint32_t b)
{
	return a == 0 || b == 0 ? RTE_MAX(a, b) : RTE_MIN(a, b);
}

/* Go on with the session that the broker has, or see to it that there is none. */
static bool
known_session(struct pw_upstream *u, bool present, uint64_t now)
{
	/* What began clean is not kept: it has only served to make it forget. What was given up
	 * since CONNECT asked for it, it still knows. */
	if (u->cursor.spoilt && (u->clean || present) && pw_upstream_session_expiry(u) != 0)
		u->purge = true;
	if (u->purge && !present) {
		u->purge = u->session = false;
		u->purged = true;
		pw_cursor_resume(&u->cursor, false);
		pw_upstream_again(u, now);
		return false;
	}
	if (!present || (!u->clean && u->session && !u->purge))
		return true;
	/* 3.1.1: [MQTT-3.1.2-6], [MQTT-3.2.2-1]; 5.0: [MQTT-3.2.2-2], 3.1.2.11.2. */
	if (u->clean || u->purged) {
		u->counters.protocol_errors++;
		pw_upstream_fail(u, "CONNACK says Session Present after a clean start", now);
		return false;
	}
	u->purge = true;
	pw_upstream_again(u, now);
	return false;
}

/* A CONNACK that refuses the version, in the form of 3.1.1 (3.1.2.2) or of 5.0 (3.1.2.2). */
static bool
refuses_version(const struct pw_mqtt_buf *b)
{
	enum pw_mqtt_error err;
	struct pw_mqtt_connack c;

	if (pw_mqtt_decode_connack(b, PW_MQTT_3_1_1, &c, &err) > 0)
		return c.code == 1;
	return pw_mqtt_decode_connack(b, PW_MQTT_5, &c, &err) > 0 && c.code == 0x84;
}

static bool
connack(struct pw_upstream *u, const struct pw_mqtt_buf *b, uint64_t now)
{
	enum pw_mqtt_error err = PW_MQTT_E_NONE;
	struct pw_mqtt_connack c;
	uint32_t receive, ka;
	char why[96];

	if (refuses_version(b)) {
		pw_upstream_turned_down(u, false);
		snprintf(why, sizeof(why), "CONNECT refused: it does not take MQTT %s",
			 u->version == PW_MQTT_5 ? "5.0" : "3.1.1");
		pw_upstream_fail(u, why, now);
		return false;
	}
	if (pw_mqtt_decode_connack(b, u->version, &c, &err) < 0) {
		u->counters.protocol_errors++;
		snprintf(why, sizeof(why), "CONNACK malformed: %s", pw_mqtt_error_str(err));
		pw_upstream_fail(u, why, now);
		return false;
	}
	if (c.code != 0) {
		snprintf(why, sizeof(why), "CONNECT refused, code 0x%02X: %s", c.code,
			 pw_mqtt_reason_str(PW_MQTT_CONNACK, u->version, c.code));
		pw_upstream_fail(u, why, now);
		return false;
	}
	if (!known_session(u, c.session_present, now))
		return false;
	u->max_packet = u->conf->max_packet_size;
	u->no_retain = false;
	u->max_qos = 2;
	u->window = u->conf->max_inflight_messages;
	if (u->version == PW_MQTT_5) {
		receive = number(&c.props, PW_MQTT_PROP_RECEIVE_MAXIMUM, 65535);
		u->window = RTE_MIN(u->window, receive);
		u->max_packet = smaller(u->max_packet,
					number(&c.props, PW_MQTT_PROP_MAXIMUM_PACKET_SIZE, 0));
		u->no_retain = number(&c.props, PW_MQTT_PROP_RETAIN_AVAILABLE, 1) == 0;
		u->max_qos = (uint8_t)number(&c.props, PW_MQTT_PROP_MAXIMUM_QOS, 2);
		ka = number(&c.props, PW_MQTT_PROP_SERVER_KEEP_ALIVE, UINT32_MAX);
		if (ka != UINT32_MAX)
			u->keepalive = ka * 1000; /* [MQTT-3.2.2-21] */
	}
	u->window = RTE_MAX(u->window, 1u);
	pw_upstream_up(u, c.session_present, now);
	if (u->version == PW_MQTT_5 && number(&c.props, PW_MQTT_PROP_SESSION_EXPIRY, 1) == 0)
		u->session = false;
	return true;
}

/* It has answered: the next answer has as long again. */
static void
heard(struct pw_upstream *u, uint64_t now)
{
	u->progress = now;
	u->mark = u->queued;
	u->answered = true;
}

/* An answer to a message that was given up. */
static void
too_late(struct pw_upstream *u, uint64_t now)
{
	heard(u, now);
	u->window_stop = false;
	u->counters.answered_late++;
}

/* A message is over for this broker. */
static void
over(struct pw_upstream *u, uint64_t pos, enum pw_flog_end end, uint8_t reason, uint64_t now)
{
	heard(u, now);
	u->window_stop = false;
	if (reason >= 0x80) {
		u->counters.refused++;
	} else {
		u->counters.acked++;
		u->quota_ms = 0;
	}
	pw_upstream_done(u, pos, end, reason, now);
}

/* False where the connection has ended by it. */
static bool
received(struct pw_upstream *u, uint16_t packet_id, uint8_t reason, uint64_t now)
{
	uint64_t pos;
	int rc = pw_cursor_received(&u->cursor, packet_id, &pos);

	if (rc == -EBADMSG) {
		u->counters.protocol_errors++;
		pw_upstream_fail(u, "more PUBRECs from the broker than messages", now);
		return false;
	}
	/* What is not known is released too, or the broker would remember it for ever. */
	u->counters.protocol_errors += rc < 0;
	if (rc >= 0)
		heard(u, now);
	if (rc > 0)
		pw_upstream_done(u, pos, PW_FLOG_RECEIVED, reason, now);
	return true;
}

/*
 * The broker has no room for a message now. It stays owed; nothing more is begun until what is in
 * flight is answered and a pause is over, then it is sent again, and what follows behind it.
 */
static void
over_quota(struct pw_upstream *u, uint64_t now)
{
	u->counters.quota_exceeded++;
	u->over_quota++;
	u->progress = now;
	u->mark = u->queued;
	if (u->quota_at != 0)
		return;
	u->quota_ms = RTE_MIN(RTE_MAX(2 * u->quota_ms, QUOTA_PAUSE), QUOTA_PAUSE_MAX);
	u->quota_at = now + u->quota_ms * PW_NS_MS;
}

/* PUBACK, PUBREC, PUBCOMP. False where the connection has ended by it. */
static bool
answered(struct pw_upstream *u, uint8_t type, uint16_t id, uint8_t reason, uint64_t now)
{
	enum pw_flog_end end = PW_FLOG_RELEASED;
	uint8_t qos = type == PW_MQTT_PUBACK ? 1 : 2;
	uint64_t pos;
	int rc;

	if (reason == IDENTIFIER_IN_USE)
		reason = 0x83; /* Implementation specific: it is ours, and not the device's */
	if (type != PW_MQTT_PUBCOMP && reason == QUOTA_EXCEEDED &&
	    pw_cursor_refused(&u->cursor, id, qos)) {
		over_quota(u, now);
		return true;
	}
	if (type == PW_MQTT_PUBREC && reason < 0x80)
		return received(u, id, reason, now);
	if (type == PW_MQTT_PUBCOMP) {
		rc = pw_cursor_completed(&u->cursor, id, &pos);
		reason = 0; /* 0x92 says that the broker had forgotten: it is over all the same */
	} else {
		rc = pw_cursor_acked(&u->cursor, id, qos, &pos, &end);
		/* A 3.1.1 broker cannot say that it has no QoS 2: it took it at QoS 1. */
		if (rc < 0 && type == PW_MQTT_PUBACK && u->version != PW_MQTT_5) {
			rc = pw_cursor_acked(&u->cursor, id, 2, &pos, &end);
			u->counters.qos2_as_qos1 += rc == 0;
		}
	}
	if (rc == 0)
		over(u, pos, end, reason, now);
	else if (rc > 0)
		too_late(u, now);
	else
		u->counters.protocol_errors++; /* an answer to nothing changes nothing */
	return true;
}

static bool
answer(struct pw_upstream *u, uint8_t type, const struct pw_mqtt_buf *b, uint64_t now)
{
	enum pw_mqtt_error err = PW_MQTT_E_NONE;
	struct pw_mqtt_ack a;
	char why[96];

	if (pw_mqtt_decode_ack(b, u->version, &a, &err) < 0) {
		u->counters.protocol_errors++;
		snprintf(why, sizeof(why), "%s malformed: %s", pw_mqtt_type_str(type),
			 pw_mqtt_error_str(err));
		pw_upstream_fail(u, why, now);
		return false;
	}
	return answered(u, type, a.packet_id, a.reason, now);
}

/* What the answers that stand here will touch, as far as they are short ones. */
static void
fetch(const struct pw_upstream *u, const uint8_t *p, const uint8_t *end)
{
	uint32_t slot[PW_FETCH_MAX], n = 0;

	if (u->log->remote)
		return; /* of the log's owner, on another lcore */
	for (; n < PW_FETCH_MAX && end - p >= SHORT_ANSWER; p += SHORT_ANSWER)
		slot[n++] = ((uint32_t)p[2] << 8 | p[3]) - 1;
	pw_forward_fetch(u->f, u->log, slot, n);
}

/*
 * Answers that say success in four bytes, as nearly all do, are taken where they lie: as many as
 * stand at the front of the queue, in one buffer. Returns their bytes; -1 where the connection has
 * ended by one.
 */
static int
short_answers(struct pw_upstream *u, uint64_t now)
{
	const struct rte_mbuf *m = pw_tcp_rx_chain(u->conn);
	const uint8_t *begin, *p, *end;
	uint32_t n = 0;

	if (m == NULL || u->state != PW_UPSTREAM_UP)
		return 0;
	begin = rte_pktmbuf_mtod(m, const uint8_t *);
	end = begin + m->data_len;
	for (p = begin; end - p >= SHORT_ANSWER && p[1] == SHORT_ANSWER - 2; p += SHORT_ANSWER) {
		uint16_t id = (uint16_t)(p[2] << 8 | p[3]);

		if ((p[0] != PW_MQTT_PUBACK << 4 && p[0] != PW_MQTT_PUBREC << 4 &&
		     p[0] != PW_MQTT_PUBCOMP << 4) ||
		    id == 0)
			break;
		if (n++ % PW_FETCH_MAX == 0 && end - p > SHORT_ANSWER)
			fetch(u, p, end);
		if (!answered(u, p[0] >> 4, id, 0, now))
			return -1;
	}
	return (int)(p - begin);
}

static bool
packet(struct pw_upstream *u, uint8_t type, const struct pw_mqtt_buf *b, uint64_t now)
{
	enum pw_mqtt_error err = PW_MQTT_E_NONE;
	struct pw_mqtt_disconnect d;
	char why[96];

	if (u->state == PW_UPSTREAM_MQTT && type == PW_MQTT_CONNACK)
		return connack(u, b, now);
	if (u->state == PW_UPSTREAM_UP &&
	    (type == PW_MQTT_PUBACK || type == PW_MQTT_PUBREC || type == PW_MQTT_PUBCOMP))
		return answer(u, type, b, now);
	if (u->state == PW_UPSTREAM_UP && type == PW_MQTT_PINGRESP) {
		u->ping_out = false;
		return true;
	}
	if (type == PW_MQTT_DISCONNECT && u->version == PW_MQTT_5 &&
	    pw_mqtt_decode_disconnect(b, u->version, &d, &err) > 0) {
		snprintf(why, sizeof(why), "the broker disconnected, code 0x%02X: %s", d.reason,
			 pw_mqtt_reason_str(PW_MQTT_DISCONNECT, u->version, d.reason));
		pw_upstream_fail(u, why, now);
		return false;
	}
	u->counters.protocol_errors++;
	snprintf(why, sizeof(why), "an unexpected %s from the broker", pw_mqtt_type_str(type));
	pw_upstream_fail(u, why, now);
	return false;
}

/* First bytes of the queue, up to five. */
static uint32_t
peek(const struct pw_tcp_conn *conn, uint8_t head[5])
{
	uint32_t n = 0;

	for (struct rte_mbuf *m = pw_tcp_rx_chain(conn); m != NULL && n < 5; m = m->next) {
		uint32_t len = RTE_MIN((uint32_t)m->data_len, 5 - n);

		memcpy(head + n, rte_pktmbuf_mtod(m, uint8_t *), len);
		n += len;
	}
	return n;
}

void
pw_upstream_read(struct pw_upstream *u, uint64_t now)
{
	struct pw_tcp *tcp = u->f->tcp;
	struct pw_slice s[MAX_SLICE];
	struct pw_mqtt_buf b = {.s = s};
	enum pw_mqtt_error err = PW_MQTT_E_NONE;
	uint8_t head[5];
	uint32_t total, i;
	int rc, n;

	if (u->state == PW_UPSTREAM_CLOSED) {
		pw_tcp_consume(tcp, u->conn, pw_tcp_rx_len(u->conn));
		return;
	}
	for (i = 0; i < MAX_READ; i++) {
		n = short_answers(u, now);
		if (n < 0)
			return;
		if (n > 0) {
			i += (uint32_t)n / SHORT_ANSWER - 1;
			pw_tcp_consume(tcp, u->conn, (uint32_t)n);
			continue;
		}
		rc = pw_mqtt_frame(head, peek(u->conn, head), MAX_IN, &total, &err);
		if (rc == -EAGAIN || (rc > 0 && total > pw_tcp_rx_len(u->conn)))
			break;
		n = rc < 0 ? rc
			   : pw_slices_from_chain(pw_tcp_rx_chain(u->conn), 0, total, s, MAX_SLICE);
		if (n < 0) {
			u->counters.protocol_errors++;
			pw_upstream_fail(u,
					 rc < 0 ? pw_mqtt_error_str(err)
						: "a packet from the broker in too many pieces",
					 now);
			return;
		}
		b.n = (uint32_t)n;
		b.len = total;
		if (!packet(u, head[0] >> 4, &b, now))
			return;
		pw_tcp_consume(tcp, u->conn, total);
	}
	/* What it said before it closed counts, if not all of it was read the next poll goes on. */
	if (i < MAX_READ && pw_tcp_eof(u->conn)) {
		if (u->state == PW_UPSTREAM_MQTT)
			pw_upstream_turned_down(u, true);
		pw_upstream_fail(u, "closed by the broker", now);
		return;
	}
	if (u->state == PW_UPSTREAM_UP)
		(void)pw_upstream_release(u, now);
	pw_upstream_arm(u, now);
}
