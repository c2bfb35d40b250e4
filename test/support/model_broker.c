/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <rte_common.h>

#include "model_broker.h"
#include "mqtt_end.h"

#define MAX_PAYLOAD (1u << 17)

uint64_t
broker_hash(const void *data, uint32_t len)
{
	const uint8_t *p = data;
	uint64_t h = UINT64_C(0xcbf29ce484222325);

	for (uint32_t i = 0; i < len; i++)
		h = (h ^ p[i]) * UINT64_C(0x100000001b3);
	return h;
}

static void
answer(struct model_broker *b, uint32_t i, enum pw_mqtt_type type, uint16_t id)
{
	uint8_t out[8];
	int n = pw_mqtt_encode_ack(out, sizeof(out), type, b->version[i], id, 0, NULL);

	assert_true(n > 0);
	mqtt_end_send(b->peer->tcp, b->conn[i], out, (uint32_t)n);
}

static void
puback(struct model_broker *b, uint32_t i, struct broker_record *r)
{
	answer(b, i, PW_MQTT_PUBACK, r->packet_id);
	r->acked = true;
}

static void
take_pubrel(struct model_broker *b, uint32_t i, const struct mqtt_end_frame *f)
{
	struct pw_mqtt_ack a;
	enum pw_mqtt_error err;

	assert_true(pw_mqtt_decode_ack(&f->buf, b->version[i], &a, &err) > 0);
	answer(b, i, PW_MQTT_PUBCOMP, a.packet_id);
}

static void
take_connect(struct model_broker *b, uint32_t i, const struct mqtt_end_frame *f)
{
	struct pw_mqtt_connect c;
	enum pw_mqtt_error err;
	uint8_t out[16];
	int n;

	assert_true(pw_mqtt_decode_connect(&f->buf, 0, &c, &err) > 0);
	b->version[i] = c.version;
	b->connects++;
	if (b->hold_connack)
		return;
	n = pw_mqtt_encode_connack(out, sizeof(out), c.version, false, 0, NULL);
	assert_true(n > 0);
	mqtt_end_send(b->peer->tcp, b->conn[i], out, (uint32_t)n);
}

static void
take_publish(struct model_broker *b, uint32_t i, const struct mqtt_end_frame *f)
{
	static uint8_t payload[MAX_PAYLOAD];
	struct broker_record *r = &b->record[b->nb_records];
	struct pw_mqtt_publish p;
	enum pw_mqtt_error err;

	assert_true(pw_mqtt_decode_publish(&f->buf, b->version[i], &p, &err) > 0);
	assert_true(b->nb_records < BROKER_MAX_RECORDS);
	assert_true(p.payload.len <= MAX_PAYLOAD && p.topic.len < sizeof(r->topic));
	b->nb_records++;
	pw_slices_copy(f->buf.s, f->buf.n, p.payload.off, payload, p.payload.len);
	*r = (struct broker_record){
		.conn = b->number[i],
		.qos = p.qos,
		.dup = p.dup,
		.packet_id = p.packet_id,
		.len = p.payload.len,
		.hash = broker_hash(payload, p.payload.len),
	};
	memcpy(r->payload, payload, RTE_MIN(p.payload.len, (uint32_t)BROKER_PAYLOAD));
	pw_slices_copy(f->buf.s, f->buf.n, p.topic.off, r->topic, p.topic.len);
	if (p.qos == 1 && !b->hold_acks)
		puback(b, i, r);
	else if (p.qos == 2)
		answer(b, i, PW_MQTT_PUBREC, p.packet_id);
}

static void
readable(void *ctx, struct pw_tcp_conn *conn, uint64_t now)
{
	struct model_broker *b = ctx;
	uint32_t i = (uint32_t)pw_tcp_user(conn);
	static const uint8_t pingresp[] = {PW_MQTT_PINGRESP << 4, 0};
	struct mqtt_end_frame f;

	while (mqtt_end_next(conn, &f)) {
		switch (f.type) {
		case PW_MQTT_CONNECT:
			take_connect(b, i, &f);
			break;
		case PW_MQTT_PUBLISH:
			take_publish(b, i, &f);
			break;
		case PW_MQTT_PUBREL:
			take_pubrel(b, i, &f);
			break;
		case PW_MQTT_PINGREQ:
			mqtt_end_send(b->peer->tcp, conn, pingresp, sizeof(pingresp));
			break;
		default:
			assert_int_equal(f.type, PW_MQTT_DISCONNECT);
		}
		pw_tcp_consume(b->peer->tcp, conn, f.buf.len);
	}
	if (pw_tcp_eof(conn))
		pw_tcp_close(b->peer->tcp, conn, now);
}

static int
accepted(void *ctx, struct pw_tcp_conn *conn, uint64_t now)
{
	struct model_broker *b = ctx;

	(void)now;
	for (uint32_t i = 0; i < BROKER_MAX_CONNS; i++) {
		if (b->conn[i] != NULL)
			continue;
		b->conn[i] = conn;
		b->number[i] = b->nb_conns++;
		pw_tcp_set_user(conn, i);
		return 0;
	}
	return -1;
}

static void
gone(void *ctx, struct pw_tcp_conn *conn, enum pw_tcp_end why, uint64_t now)
{
	(void)why;
	(void)now;
	((struct model_broker *)ctx)->conn[pw_tcp_user(conn)] = NULL;
}

static const struct pw_tcp_ops ops = {
	.accepted = accepted,
	.readable = readable,
	.gone = gone,
};

void
broker_create(struct model_broker *b, struct peer *peer, const char *addr, uint16_t port)
{
	struct pw_addr a;

	memset(b, 0, sizeof(*b));
	b->peer = peer;
	assert_int_equal(pw_addr_parse(&a, addr), 0);
	assert_int_equal(pw_tcp_listen(peer->tcp, &a, port, &ops, b), 0);
}

uint32_t
broker_ack(struct model_broker *b, uint32_t n)
{
	uint32_t done = 0;

	for (uint32_t k = 0; k < b->nb_records && done < n; k++) {
		struct broker_record *r = &b->record[k];

		if (r->qos != 1 || r->acked)
			continue;
		for (uint32_t i = 0; i < BROKER_MAX_CONNS; i++) {
			if (b->conn[i] != NULL && b->number[i] == r->conn) {
				puback(b, i, r);
				done++;
			}
		}
	}
	return done;
}

void
broker_reset(struct model_broker *b, uint64_t now)
{
	for (uint32_t i = 0; i < BROKER_MAX_CONNS; i++) {
		if (b->conn[i] != NULL)
			pw_tcp_abort(b->peer->tcp, b->conn[i], now);
		b->conn[i] = NULL;
	}
}
