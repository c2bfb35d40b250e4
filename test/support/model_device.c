/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "model_device.h"
#include "mqtt_end.h"

static void
connected(void *ctx, struct pw_tcp_conn *conn, uint64_t now)
{
	struct model_device *d = ctx;
	struct pw_mqtt_connect_out c = {
		.version = d->version,
		.clean = true,
		.keepalive = 60,
		.client_id = {d->client_id, (uint32_t)strlen(d->client_id)},
	};
	struct pw_mqtt_str user, password;
	uint8_t out[256];
	int n;

	(void)now;
	if (d->user != NULL) {
		user = (struct pw_mqtt_str){d->user, (uint32_t)strlen(d->user)};
		password = (struct pw_mqtt_str){d->password, (uint32_t)strlen(d->password)};
		c.username = &user;
		c.password = &password;
	}
	n = pw_mqtt_encode_connect(out, sizeof(out), &c);
	assert_true(n > 0);
	mqtt_end_send(d->peer->tcp, conn, out, (uint32_t)n);
}

static void
readable(void *ctx, struct pw_tcp_conn *conn, uint64_t now)
{
	struct model_device *d = ctx;
	struct mqtt_end_frame f;
	struct pw_mqtt_connack connack;
	struct pw_mqtt_ack ack;
	enum pw_mqtt_error err;

	while (mqtt_end_next(conn, &f)) {
		switch (f.type) {
		case PW_MQTT_CONNACK:
			assert_true(pw_mqtt_decode_connack(&f.buf, d->version, &connack, &err) > 0);
			d->connected = connack.code == 0;
			break;
		case PW_MQTT_PUBACK:
			assert_true(pw_mqtt_decode_ack(&f.buf, d->version, &ack, &err) > 0);
			assert_int_equal(ack.reason, 0);
			assert_true(d->nb_acks < DEVICE_MAX_ACKS);
			d->ack[d->nb_acks++] = ack.packet_id;
			break;
		default:
			assert_true(f.type == PW_MQTT_PINGRESP || f.type == PW_MQTT_DISCONNECT);
		}
		pw_tcp_consume(d->peer->tcp, conn, f.buf.len);
	}
	if (pw_tcp_eof(conn))
		pw_tcp_close(d->peer->tcp, conn, now);
}

static void
gone(void *ctx, struct pw_tcp_conn *conn, enum pw_tcp_end why, uint64_t now)
{
	struct model_device *d = ctx;

	(void)conn;
	(void)now;
	d->conn = NULL;
	d->gone = true;
	d->why = why;
	d->connected = false;
}

static const struct pw_tcp_ops ops = {
	.connected = connected,
	.readable = readable,
	.gone = gone,
};

void
device_create(struct model_device *d, struct peer *peer, const char *from, const char *to,
	      uint16_t port, uint8_t version, const char *client_id, uint64_t now)
{
	struct pw_flow flow = {.rport = port};

	memset(d, 0, sizeof(*d));
	d->peer = peer;
	d->version = version;
	d->next_id = 1;
	snprintf(d->client_id, sizeof(d->client_id), "%s", client_id);
	assert_int_equal(pw_addr_parse(&flow.local, from), 0);
	assert_int_equal(pw_addr_parse(&flow.remote, to), 0);
	assert_int_equal(pw_tcp_connect(peer->tcp, &flow, &ops, d, 0, &d->conn, now), 0);
}

uint16_t
device_publish(struct model_device *d, uint8_t qos, const char *topic, const void *payload,
	       uint32_t len)
{
	struct pw_mqtt_str t = {topic, (uint32_t)strlen(topic)};
	uint16_t id = qos == 0 ? 0 : d->next_id++;
	uint8_t out[64];
	int n = pw_mqtt_encode_publish(out, sizeof(out), d->version, false, qos, false, t, id, NULL,
				       len);

	assert_true(n > 0);
	assert_non_null(d->conn);
	mqtt_end_send(d->peer->tcp, d->conn, out, (uint32_t)n);
	mqtt_end_send(d->peer->tcp, d->conn, payload, len);
	return id;
}

void
device_disconnect(struct model_device *d, uint64_t now)
{
	static const uint8_t out[] = {PW_MQTT_DISCONNECT << 4, 0};

	if (d->conn == NULL)
		return;
	mqtt_end_send(d->peer->tcp, d->conn, out, sizeof(out));
	pw_tcp_close(d->peer->tcp, d->conn, now);
}
