/* SPDX-License-Identifier: BSD-3-Clause */
/* The far ends: devices and brokers that answer what they are sent. */
#include <stdio.h>
#include <string.h>

#include <rte_mbuf.h>

#include <pubwire/mqtt/packet.h>

#include "world_pvt.h"

#define FLAT (2u << 20)

struct bench_far bench_far;

static uint8_t flat[FLAT];

/* Whole frames of what has come, one after the other; returns the bytes they take. */
static uint32_t
frames(struct pw_tcp_conn *c, void (*fn)(void *ctx, const uint8_t *frame, uint32_t len), void *ctx)
{
	uint32_t len = 0, at = 0, total;
	enum pw_mqtt_error err;

	for (struct rte_mbuf *m = pw_tcp_rx_chain(c); m != NULL; m = m->next) {
		if (len + m->data_len > FLAT)
			bench_die("a far end has too much to read");
		memcpy(flat + len, rte_pktmbuf_mtod(m, void *), m->data_len);
		len += m->data_len;
	}
	while (pw_mqtt_frame(flat + at, len - at, 0, &total, &err) > 0 && total <= len - at) {
		fn(ctx, flat + at, total);
		at += total;
	}
	return at;
}

/* Answers of a far end to what it reads. */
struct answers {
	uint8_t bytes[65536];
	uint32_t n;
	uint32_t finished; /* exchanges */
	bool connected;
};

static void
answer(struct answers *a, uint8_t first, const uint8_t *id)
{
	const uint8_t out[4] = {first, 2, id[0], id[1]};

	if (a->n + 4 > sizeof(a->bytes))
		bench_die("a far end has too much to say");
	memcpy(a->bytes + a->n, out, 4);
	a->n += 4;
}

static void
device_frame(void *ctx, const uint8_t *frame, uint32_t len)
{
	struct answers *a = ctx;

	(void)len;
	switch (frame[0] >> 4) {
	case PW_MQTT_CONNACK:
		a->connected = true;
		break;
	case PW_MQTT_PUBREC:
		answer(a, PW_MQTT_PUBREL << 4 | 2, frame + 2);
		break;
	case PW_MQTT_PUBACK:
	case PW_MQTT_PUBCOMP:
		a->finished++;
		break;
	default:
		bench_die("a device was sent something strange");
	}
}

static void
broker_frame(void *ctx, const uint8_t *frame, uint32_t len)
{
	static const uint8_t connack[5] = {PW_MQTT_CONNACK << 4, 2};
	const uint8_t *p = frame + 1;
	struct answers *a = ctx;

	(void)len;
	while (*p++ & 0x80)
		;
	switch (frame[0] >> 4) {
	case PW_MQTT_CONNECT:
		memcpy(a->bytes, connack, sizeof(connack));
		/* The version stands behind the protocol's name. 5.0: no properties. */
		a->n = p[6] == 5 ? 5 : 4;
		a->bytes[1] = (uint8_t)(a->n - 2);
		break;
	case PW_MQTT_PUBLISH:
		p += 2 + (p[0] << 8 | p[1]);
		if ((frame[0] >> 1 & 3) == 1)
			answer(a, PW_MQTT_PUBACK << 4, p);
		else if ((frame[0] >> 1 & 3) == 2)
			answer(a, PW_MQTT_PUBREC << 4, p);
		break;
	case PW_MQTT_PUBREL:
		answer(a, PW_MQTT_PUBCOMP << 4, p);
		break;
	default:
		break;
	}
}

static void
read_frames(struct pw_tcp *t, struct pw_tcp_conn *c,
	    void (*fn)(void *ctx, const uint8_t *frame, uint32_t len), struct answers *a)
{
	a->n = a->finished = 0;
	a->connected = false;
	pw_tcp_consume(t, c, frames(c, fn, a));
	if (a->n > 0 && pw_tcp_send_copy(t, c, a->bytes, a->n) < 0)
		bench_die("a far end cannot answer");
}

static void
device_readable(void *ctx, struct pw_tcp_conn *c, uint64_t at)
{
	static struct answers a;

	(void)ctx;
	(void)at;
	read_frames(bench_far.device_tcp, c, device_frame, &a);
	bench_far.nb_answered += a.finished;
	bench_far.nb_connected += a.connected;
}

static void
broker_readable(void *ctx, struct pw_tcp_conn *c, uint64_t at)
{
	static struct answers a;

	(void)ctx;
	(void)at;
	if (!bench_far.held)
		read_frames(bench_far.broker_tcp, c, broker_frame, &a);
}

static void
device_connected(void *ctx, struct pw_tcp_conn *c, uint64_t at)
{
	char id[24];
	struct pw_mqtt_connect_out out = {
		.version = bench_far.version,
		.clean = true,
		.keepalive = 600,
		.client_id = {id,
			      (uint32_t)snprintf(id, sizeof(id), "d%u", (unsigned)pw_tcp_user(c))}};
	uint8_t bytes[128];
	int n = pw_mqtt_encode_connect(bytes, sizeof(bytes), &out);

	(void)ctx;
	(void)at;
	if (n < 0 || pw_tcp_send_copy(bench_far.device_tcp, c, bytes, (uint32_t)n) < 0)
		bench_die("no CONNECT");
	bench_far.nb_up++;
}

static int
broker_accepted(void *ctx, struct pw_tcp_conn *c, uint64_t at)
{
	(void)ctx;
	(void)at;
	if (bench_far.nb_broker_conns == RTE_DIM(bench_far.broker_conn))
		return -1;
	bench_far.broker_conn[bench_far.nb_broker_conns++] = c;
	return 0;
}

static void
gone(void *ctx, struct pw_tcp_conn *c, enum pw_tcp_end why, uint64_t at)
{
	(void)ctx;
	(void)c;
	(void)at;
	if (why != PW_TCP_END_ABORTED)
		bench_die(pw_tcp_end_str(why));
}

const struct pw_tcp_ops bench_device_ops = {
	.connected = device_connected, .readable = device_readable, .gone = gone};
const struct pw_tcp_ops bench_broker_ops = {
	.accepted = broker_accepted, .readable = broker_readable, .gone = gone};
