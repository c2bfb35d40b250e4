/* SPDX-License-Identifier: BSD-3-Clause */
/* The devices of the world, which speak raw bytes. */
#include "world_pvt.h"

static struct device *
device_of(const struct pw_tcp_conn *c)
{
	return &w.device[pw_tcp_user(c)];
}

static void
device_connected(void *ctx, struct pw_tcp_conn *c, uint64_t now)
{
	(void)ctx;
	(void)now;
	device_of(c)->up = true;
}

static void
device_readable(void *ctx, struct pw_tcp_conn *c, uint64_t now)
{
	struct device *d = device_of(c);
	uint32_t n = pw_tcp_rx_len(c);

	(void)ctx;
	if (d->deaf)
		return;
	for (struct rte_mbuf *m = pw_tcp_rx_chain(c); m != NULL; m = m->next) {
		assert_true(d->len + m->data_len <= WORLD_RX);
		memcpy(d->rx + d->len, rte_pktmbuf_mtod(m, void *), m->data_len);
		d->len += m->data_len;
	}
	pw_tcp_consume(w.device_tcp, c, n);
	if (pw_tcp_eof(c) && !d->closed) {
		d->closed = true;
		pw_tcp_close(w.device_tcp, c, now);
	}
}

static void
device_gone(void *ctx, struct pw_tcp_conn *c, enum pw_tcp_end why, uint64_t now)
{
	(void)ctx;
	(void)why;
	(void)now;
	device_of(c)->closed = true;
	device_of(c)->conn = NULL;
}

static const struct pw_tcp_ops device_ops = {
	.connected = device_connected, .readable = device_readable, .gone = device_gone};

void
device_open(uint32_t i, uint32_t k)
{
	struct pw_flow flow = {.local = world_address(0, 1 + i),
			       .remote = world_address(1, 1 + k),
			       .rport = w.device_port};
	struct device *d = &w.device[i];

	memset(d, 0, sizeof(*d));
	assert_int_equal(pw_tcp_connect(w.device_tcp, &flow, &device_ops, NULL, i, &d->conn, w.now),
			 0);
	world_run(2);
	for (uint32_t tries = 0; !d->up && tries < 20; tries++)
		world_run(1000); /* a lost SYN */
	assert_true(d->up);
}

void
device_send(uint32_t i, const void *data, uint32_t len)
{
	const uint8_t *p = data;

	for (uint32_t at = 0, n; at < len && w.device[i].conn != NULL; at += n) {
		n = RTE_MIN(len - at, 1000u);
		for (uint32_t tries = 0;
		     pw_tcp_send_copy(w.device_tcp, w.device[i].conn, p + at, n) < 0; tries++) {
			if (tries > 200 || w.device[i].conn == NULL || w.device[i].closed)
				return;
			world_run(1);
		}
	}
}

void
device_reset(uint32_t i)
{
	pw_tcp_abort(w.device_tcp, w.device[i].conn, w.now);
	w.device[i].conn = NULL;
	w.device[i].closed = true;
}

void
device_close(uint32_t i)
{
	pw_tcp_close(w.device_tcp, w.device[i].conn, w.now);
}

void
device_clear(uint32_t i)
{
	w.device[i].len = 0;
}

void
device_connect(uint32_t i, uint32_t k, uint8_t version, const char *id)
{
	struct pw_mqtt_connect_out c = {.version = version,
					.clean = true,
					.keepalive = 60,
					.client_id = {id, (uint32_t)strlen(id)}};
	uint8_t out[512];
	int n = pw_mqtt_encode_connect(out, sizeof(out), &c);

	assert_true(n > 0);
	device_open(i, k);
	device_send(i, out, (uint32_t)n);
	world_run(5);
	assert_true(w.device[i].len >= 4);
	assert_int_equal(w.device[i].rx[0], 0x20);
	assert_int_equal(w.device[i].rx[3], 0);
	device_clear(i);
}

uint32_t
publish_bytes(uint8_t *out, uint32_t room, uint8_t version, uint8_t qos, bool retain, uint16_t id,
	      const char *topic, const void *payload, uint32_t len)
{
	int n = pw_mqtt_encode_publish(out, room, version, false, qos, retain,
				       (struct pw_mqtt_str){topic, (uint32_t)strlen(topic)}, id,
				       NULL, len);

	assert_true(n > 0 && len <= room - (uint32_t)n);
	memcpy(out + n, payload, len);
	return (uint32_t)n + len;
}

void
device_publish(uint32_t i, uint8_t version, uint8_t qos, uint16_t id, const char *topic,
	       const char *text)
{
	uint8_t out[2048];

	device_send(i, out,
		    publish_bytes(out, sizeof(out), version, qos, false, id, topic, text,
				  (uint32_t)strlen(text)));
}

void
device_publish_next(uint32_t i, uint8_t version, uint8_t qos, const char *topic)
{
	static uint32_t number, id;
	char text[16];

	snprintf(text, sizeof(text), "%u", ++number);
	device_publish(i, version, qos, (uint16_t)(id++ % 60000 + 1), topic, text);
}

void
device_goes_on(uint32_t i, uint8_t version, uint8_t qos, uint32_t n)
{
	uint8_t type = qos == 2 ? PW_MQTT_PUBREC << 4 : PW_MQTT_PUBACK << 4, reasons[8];
	uint16_t ids[8];

	for (uint32_t k = 0; k < n; k += 8) {
		device_clear(i);
		for (uint32_t j = 0; j < 8; j++)
			device_publish_next(i, version, qos, "t");
		world_run(3);
		assert_int_equal(device_answers(i, type, version, ids, reasons, 8), 8);
		for (uint32_t j = 0; j < 8; j++) {
			assert_true(reasons[j] < 0x80);
			if (qos == 2)
				device_ack(i, PW_MQTT_PUBREL, ids[j]);
		}
	}
	world_run(3);
}

void
device_ack(uint32_t i, uint8_t type, uint16_t id)
{
	uint8_t out[8];
	int n = pw_mqtt_encode_ack(out, sizeof(out), type, 4, id, 0, NULL);

	device_send(i, out, (uint32_t)n);
}

uint32_t
device_acks(uint32_t i, uint8_t version, uint16_t *ids, uint8_t *reasons, uint32_t max)
{
	return device_answers(i, 0x40, version, ids, reasons, max);
}

uint32_t
device_answers(uint32_t i, uint8_t first, uint8_t version, uint16_t *ids, uint8_t *reasons,
	       uint32_t max)
{
	const struct device *d = &w.device[i];
	enum pw_mqtt_error err;
	uint32_t n = 0, total;

	for (uint32_t at = 0; at < d->len; at += total) {
		if (pw_mqtt_frame(d->rx + at, d->len - at, 0, &total, &err) < 0)
			break;
		if ((first != 0 ? d->rx[at] != first : d->rx[at] != 0x40 && d->rx[at] != 0x50) ||
		    n == max)
			continue;
		if (ids != NULL)
			ids[n] = (uint16_t)(d->rx[at + 2] << 8 | d->rx[at + 3]);
		if (reasons != NULL)
			reasons[n] = version == 5 && total > 4 ? d->rx[at + 4] : 0;
		n++;
	}
	return n;
}

bool
device_got(uint32_t i, const void *data, uint32_t len)
{
	const struct device *d = &w.device[i];

	return d->len >= len && memcmp(d->rx + d->len - len, data, len) == 0;
}
