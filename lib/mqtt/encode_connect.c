/* SPDX-License-Identifier: BSD-3-Clause */
#include "writer_pvt.h"

static uint64_t
body_size(const struct pw_mqtt_connect_out *c)
{
	uint64_t n = c->version == PW_MQTT_3_1 ? 2 + 6 : 2 + 4; /* protocol name */

	n += 1 + 1 + 2; /* level, flags, keepalive */
	n += pw_mqtt_props_size(&c->props, c->version);
	n += pw_mqtt_wr_str_size(c->client_id);
	if (c->has_will) {
		n += pw_mqtt_props_size(&c->will_props, c->version);
		n += pw_mqtt_wr_str_size(c->will_topic);
		n += pw_mqtt_wr_str_size(c->will_payload);
	}
	if (c->username != NULL)
		n += pw_mqtt_wr_str_size(*c->username);
	if (c->password != NULL)
		n += pw_mqtt_wr_str_size(*c->password);
	return n;
}

static uint8_t
flags(const struct pw_mqtt_connect_out *c)
{
	uint8_t f = (uint8_t)(c->clean << 1);

	if (c->has_will)
		f |= (uint8_t)(1 << 2 | c->will_qos << 3 | c->will_retain << 5);
	return (uint8_t)(f | (c->password != NULL) << 6 | (c->username != NULL) << 7);
}

int
pw_mqtt_encode_connect(void *dst, uint32_t room, const struct pw_mqtt_connect_out *c)
{
	uint64_t body = body_size(c);
	int head = pw_mqtt_wr_room(room, body, (uint32_t)RTE_MIN(body, UINT32_MAX));
	uint8_t *p = dst;
	struct pw_mqtt_str name = {.data = "MQTT", .len = 4};

	assert(c->version >= PW_MQTT_3_1 && c->version <= PW_MQTT_5 && c->will_qos <= 2);
	assert(c->version == PW_MQTT_5 || c->password == NULL || c->username != NULL);
	if (head < 0)
		return head;
	if (c->version == PW_MQTT_3_1)
		name = (struct pw_mqtt_str){.data = "MQIsdp", .len = 6};
	p = pw_mqtt_wr_head(p, PW_MQTT_CONNECT, 0, (uint32_t)body);
	p = pw_mqtt_wr_str(p, name);
	*p++ = c->version;
	*p++ = flags(c);
	p = pw_mqtt_wr_u16(p, c->keepalive);
	p = pw_mqtt_props_put(p, &c->props, c->version);
	p = pw_mqtt_wr_str(p, c->client_id);
	if (c->has_will) {
		p = pw_mqtt_props_put(p, &c->will_props, c->version);
		p = pw_mqtt_wr_str(p, c->will_topic);
		p = pw_mqtt_wr_str(p, c->will_payload);
	}
	if (c->username != NULL)
		p = pw_mqtt_wr_str(p, *c->username);
	if (c->password != NULL)
		p = pw_mqtt_wr_str(p, *c->password);
	return (int)(p - (uint8_t *)dst);
}

int
pw_mqtt_encode_connack(void *dst, uint32_t room, uint8_t version, bool session_present,
		       uint8_t code, const struct pw_mqtt_props_out *props)
{
	uint64_t body = 2 + (uint64_t)pw_mqtt_props_size(props, version);
	int head = pw_mqtt_wr_room(room, body, (uint32_t)RTE_MIN(body, UINT32_MAX));
	uint8_t *p = dst;

	if (head < 0)
		return head;
	p = pw_mqtt_wr_head(p, PW_MQTT_CONNACK, 0, (uint32_t)body);
	*p++ = session_present;
	*p++ = code;
	p = pw_mqtt_props_put(p, props, version);
	return (int)(p - (uint8_t *)dst);
}
