/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <string.h>

#include "support.h"

/* Where the fields of one packet are copied to, one after the other. */
struct arena {
	const struct pw_mqtt_buf *b;
	uint8_t *p;
};

static struct pw_mqtt_str
take(struct arena *a, struct pw_mqtt_span span)
{
	struct pw_mqtt_str s = {.data = a->p, .len = span.len};

	memmove(a->p, pw_mqtt_bytes(a->b, span, a->p), span.len);
	a->p += span.len;
	return s;
}

static int
again_connect(struct arena *a, uint8_t *dst, uint32_t room)
{
	struct pw_mqtt_str username, password;
	struct pw_mqtt_connect_out out;
	struct pw_mqtt_connect c;
	enum pw_mqtt_error err;

	CHECK(pw_mqtt_decode_connect(a->b, 0, &c, &err) > 0);
	out = (struct pw_mqtt_connect_out){
		.version = c.version,
		.clean = c.clean,
		.keepalive = c.keepalive,
		.client_id = take(a, c.client_id),
		.has_will = c.has_will,
		.will_retain = c.will_retain,
		.will_qos = c.will_qos,
		.will_topic = take(a, c.will_topic),
		.will_payload = take(a, c.will_payload),
		.props.raw = take(a, c.props.all),
		.will_props.raw = take(a, c.will_props.all),
	};
	username = take(a, c.username);
	password = take(a, c.password);
	out.username = c.has_username ? &username : NULL;
	out.password = c.has_password ? &password : NULL;
	return pw_mqtt_encode_connect(dst, room, &out);
}

static int
again_publish(struct arena *a, uint8_t version, uint8_t *dst, uint32_t room)
{
	struct pw_mqtt_props_out props = {0};
	struct pw_mqtt_str topic, payload;
	struct pw_mqtt_publish p;
	enum pw_mqtt_error err;
	int head;

	CHECK(pw_mqtt_decode_publish(a->b, version, &p, &err) > 0);
	topic = take(a, p.topic);
	payload = take(a, p.payload);
	props.raw = take(a, p.props.all);
	head = pw_mqtt_encode_publish(dst, room, version, p.dup, p.qos, p.retain, topic,
				      p.packet_id, &props, payload.len);
	CHECK(head > 0 && payload.len <= room - (uint32_t)head);
	memcpy(dst + head, payload.data, payload.len);
	return head + (int)payload.len;
}

uint8_t *
encoded_again(const struct pw_mqtt_buf *b, uint8_t version, uint32_t *len)
{
	uint32_t room = b->len + 16;
	uint8_t *dst = malloc(room), *fields = malloc(room);
	struct arena a = {.b = b, .p = fields};
	int rc;

	CHECK(dst != NULL && fields != NULL);
	if (*pw_mqtt_byte(b, 0) >> 4 == PW_MQTT_CONNECT)
		rc = again_connect(&a, dst, room);
	else
		rc = again_publish(&a, version, dst, room);
	CHECK(rc > 0);
	CHECK((size_t)(a.p - fields) <= room);
	free(fields);
	*len = (uint32_t)rc;
	return dst;
}
