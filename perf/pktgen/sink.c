/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <string.h>

#include <rte_malloc.h>

#include <pubwire/mqtt/packet.h>

#include "clock.h"
#include "frames.h"
#include "payload.h"
#include "sink.h"

PW_COUNTER_DESCRIBE(sink_counters, SINK_COUNTERS);

/* User word of a connection, once CONNECT has come. */
#define VERSION_5 5
#define VERSION_3 4

/* What stands in one receive queue. */
struct reading {
	struct sink_broker *broker;
	struct pw_tcp_conn *conn;
	uint64_t now;
	uint32_t n;
	uint8_t out[8192];
};

static int
send_out(struct reading *r)
{
	struct sink *s = r->broker->sink;
	uint32_t n = r->n;

	r->n = 0;
	if (n == 0 || pw_tcp_send_copy(s->tcp, r->conn, r->out, n) == 0)
		return 0;
	s->count.no_buffer++;
	return -ENOBUFS;
}

static int
answer(struct reading *r, const uint8_t *bytes, uint32_t len)
{
	if (r->n + len > sizeof(r->out) && send_out(r) < 0)
		return -ENOBUFS;
	memcpy(r->out + r->n, bytes, len);
	r->n += len;
	return 0;
}

static int
connect(struct reading *r, const uint8_t *p, uint32_t len, uint32_t head)
{
	static const uint8_t v5[5] = {PW_MQTT_CONNACK << 4, 3}, v3[4] = {PW_MQTT_CONNACK << 4, 2};
	bool is5 = len > head + 6 && p[head + 6] == PW_MQTT_5;

	if (pw_tcp_user(r->conn) != 0)
		return -EBADMSG;
	pw_tcp_set_user(r->conn, is5 ? VERSION_5 : VERSION_3);
	r->broker->connections++;
	return is5 ? answer(r, v5, sizeof(v5)) : answer(r, v3, sizeof(v3));
}

static void
judge(struct reading *r, const uint8_t *payload, uint32_t len)
{
	struct sink_broker *b = r->broker;
	struct sink *s = b->sink;
	struct payload_stamp stamp;
	uint64_t latency;

	s->count.messages++;
	s->count.bytes += len;
	b->messages++;
	if (r->now >= s->from && r->now < s->to)
		s->measured++;
	if (!payload_read(payload, len, &stamp) || stamp.sender >= s->o->connections) {
		s->count.corrupt++;
		return;
	}
	order_take(&b->order[stamp.sender], &b->counts, stamp.seq);
	if (stamp.sent < s->from || stamp.sent >= s->to)
		return;
	latency = r->now > stamp.sent ? r->now - stamp.sent : 0;
	pw_hist_record(&s->latency, latency);
	if (s->slots != NULL)
		slots_record(s->slots, stamp.sent - s->from, latency);
}

static int
publish(struct reading *r, const uint8_t *p, uint32_t len, uint32_t head)
{
	struct sink *s = r->broker->sink;
	uint8_t qos = p[0] >> 1 & 3;
	uint32_t at = head, id;

	if (len - at < 2)
		return -EBADMSG;
	at += 2 + (uint32_t)(p[at] << 8 | p[at + 1]);
	id = at;
	if (qos > 0)
		at += 2;
	if (at > len)
		return -EBADMSG;
	if (pw_tcp_user(r->conn) == VERSION_5) {
		uint32_t props = 0, shift = 0;

		do {
			if (at >= len || shift > 21)
				return -EBADMSG;
			props |= (uint32_t)(p[at] & 0x7f) << shift;
			shift += 7;
		} while (p[at++] & 0x80);
		if (props > len - at)
			return -EBADMSG;
		at += props;
	}
	s->count.wrong_qos += qos != s->o->qos;
	s->count.marked_dup += p[0] >> 3 & 1;
	judge(r, p + at, len - at);
	if (qos == 0)
		return 0;
	return answer(
		r,
		(uint8_t[]){(qos == 1 ? PW_MQTT_PUBACK : PW_MQTT_PUBREC) << 4, 2, p[id], p[id + 1]},
		4);
}

static int
on_frame(void *ctx, const uint8_t *p, uint32_t len, uint32_t head)
{
	struct reading *r = ctx;
	uint8_t type = p[0] >> 4;

	if (type == PW_MQTT_CONNECT)
		return connect(r, p, len, head);
	if (pw_tcp_user(r->conn) == 0)
		return -EBADMSG;
	switch (type) {
	case PW_MQTT_PUBLISH:
		return publish(r, p, len, head);
	case PW_MQTT_PUBREL:
		if (len < head + 2)
			return -EBADMSG;
		return answer(r, (uint8_t[]){PW_MQTT_PUBCOMP << 4, 2, p[head], p[head + 1]}, 4);
	case PW_MQTT_PINGREQ:
		return answer(r, (uint8_t[]){PW_MQTT_PINGRESP << 4, 0}, 2);
	case PW_MQTT_DISCONNECT:
		return 0;
	default:
		r->broker->sink->count.strange++;
		return 0;
	}
}

static int
on_accepted(void *ctx, struct pw_tcp_conn *c, uint64_t now)
{
	struct sink_broker *b = ctx;
	struct sink *s = b->sink;

	(void)now;
	if (s->nb_conns == SINK_CONNECTIONS)
		return -ENOSPC;
	s->conn[s->nb_conns++] = c;
	pw_tcp_set_user(c, 0);
	s->count.connects++;
	return 0;
}

static void
on_readable(void *ctx, struct pw_tcp_conn *c, uint64_t now)
{
	struct sink_broker *b = ctx;
	struct reading r;
	int n;

	(void)now;
	r.broker = b;
	r.conn = c;
	r.n = 0;
	/* A second reading: the turn may have begun well before. */
	r.now = clock_now();
	n = frames_walk(pw_tcp_rx_chain(c), on_frame, &r);
	if (n >= 0)
		pw_tcp_consume(b->sink->tcp, c, (uint32_t)n);
	else
		b->sink->count.strange++;
	(void)send_out(&r);
	if (n < 0 || pw_tcp_eof(c))
		pw_tcp_close(b->sink->tcp, c, r.now);
}

static void
on_gone(void *ctx, struct pw_tcp_conn *c, enum pw_tcp_end why, uint64_t now)
{
	struct sink_broker *b = ctx;
	struct sink *s = b->sink;

	(void)why;
	(void)now;
	for (uint32_t i = 0; i < s->nb_conns; i++) {
		if (s->conn[i] == c) {
			s->conn[i] = s->conn[--s->nb_conns];
			break;
		}
	}
	s->count.gone++;
	if (pw_tcp_user(c) != 0)
		b->connections--;
}

static const struct pw_tcp_ops ops = {
	.accepted = on_accepted, .readable = on_readable, .gone = on_gone};

int
sink_create(struct sink *s, const struct options *o, struct pw_tcp *tcp)
{
	s->o = o;
	s->tcp = tcp;
	for (uint32_t b = 0; b < o->brokers; b++) {
		struct pw_addr a = net_addr(o->broker + b);
		int rc;

		s->broker[b] = (struct sink_broker){.sink = s, .index = b};
		s->broker[b].order = s->broker[0].order;
		if (b == 0 || !o->fanout_one)
			s->broker[b].order = rte_zmalloc(
				"order", sizeof(struct order) * (size_t)o->connections, 64);
		if (s->broker[b].order == NULL)
			return -ENOMEM;
		rc = pw_tcp_listen(tcp, &a, o->broker_port, &ops, &s->broker[b]);
		if (rc < 0)
			return rc;
	}
	return 0;
}

void
sink_destroy(struct sink *s)
{
	for (uint32_t b = 0; s->o != NULL && b < s->o->brokers; b++) {
		if (b == 0 || !s->o->fanout_one)
			rte_free(s->broker[b].order);
	}
}

void
sink_leave(struct sink *s, uint64_t now)
{
	for (uint32_t b = 0; b < s->o->brokers; b++) {
		struct pw_addr a = net_addr(s->o->broker + b);

		(void)pw_tcp_unlisten(s->tcp, &a, s->o->broker_port);
	}
	for (uint32_t i = 0; i < s->nb_conns; i++)
		pw_tcp_close(s->tcp, s->conn[i], now);
}

struct order_counts
sink_counts(const struct sink *s)
{
	struct order_counts sum = {0};

	for (uint32_t b = 0; b < s->o->brokers; b++) {
#define SINK_SUM(name, text) sum.name += s->broker[b].counts.name;
		ORDER_COUNTS(SINK_SUM)
#undef SINK_SUM
	}
	return sum;
}

uint64_t
sink_delivered(const struct sink *s)
{
	return (s->count.messages - sink_counts(s).duplicate) /
	       (s->o->fanout_one ? 1 : s->o->brokers);
}

uint64_t
sink_lost(const struct sink *s, uint32_t device, uint32_t sent)
{
	uint64_t lost = 0;

	for (uint32_t b = 0; b < (s->o->fanout_one ? 1 : s->o->brokers); b++)
		lost += sent - s->broker[b].order[device].next;
	return lost;
}

bool
sink_ready(const struct sink *s)
{
	for (uint32_t b = 0; b < s->o->brokers; b++) {
		if (s->broker[b].connections == 0)
			return false;
	}
	return true;
}
