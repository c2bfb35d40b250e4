/* SPDX-License-Identifier: BSD-3-Clause */
#include "writer_pvt.h"

/*
 * The tail that acknowledgements, DISCONNECT and AUTH share (5.0 3.4.2.1, 3.14.2.1): nothing where
 * reason is 0 and there are no properties; the reason alone where there are none; else both.
 */
static uint64_t
tail_size(uint8_t version, uint8_t reason, const struct pw_mqtt_props_out *props)
{
	if (version < PW_MQTT_5)
		return 0;
	if (!pw_mqtt_props_empty(props))
		return 1 + (uint64_t)pw_mqtt_props_size(props, version);
	return reason != 0;
}

static uint8_t *
put_tail(uint8_t *p, uint8_t version, uint8_t reason, const struct pw_mqtt_props_out *props)
{
	uint64_t size = tail_size(version, reason, props);

	if (size > 0)
		*p++ = reason;
	if (size > 1)
		p = pw_mqtt_props_put(p, props, version);
	return p;
}

int
pw_mqtt_encode_ack(void *dst, uint32_t room, enum pw_mqtt_type type, uint8_t version,
		   uint16_t packet_id, uint8_t reason, const struct pw_mqtt_props_out *props)
{
	uint64_t body = 2 + tail_size(version, reason, props);
	int head = pw_mqtt_wr_room(room, body, (uint32_t)RTE_MIN(body, UINT32_MAX));
	uint8_t *p = dst;

	assert(type >= PW_MQTT_PUBACK && type <= PW_MQTT_PUBCOMP && packet_id != 0);
	if (head < 0)
		return head;
	/* [MQTT-3.6.1-1] */
	p = pw_mqtt_wr_head(p, type, type == PW_MQTT_PUBREL ? 0x02 : 0, (uint32_t)body);
	p = pw_mqtt_wr_u16(p, packet_id);
	p = put_tail(p, version, reason, props);
	return (int)(p - (uint8_t *)dst);
}

int
pw_mqtt_encode_disconnect(void *dst, uint32_t room, enum pw_mqtt_type type, uint8_t version,
			  uint8_t reason, const struct pw_mqtt_props_out *props)
{
	uint64_t body = tail_size(version, reason, props);
	int head = pw_mqtt_wr_room(room, body, (uint32_t)RTE_MIN(body, UINT32_MAX));
	uint8_t *p = dst;

	assert(type == PW_MQTT_DISCONNECT || (type == PW_MQTT_AUTH && version == PW_MQTT_5));
	/* 3.15.2.2.2: an AUTH that says anything names its method */
	assert(type == PW_MQTT_DISCONNECT || body != 1);
	if (head < 0)
		return head;
	p = pw_mqtt_wr_head(p, type, 0, (uint32_t)body);
	p = put_tail(p, version, reason, props);
	return (int)(p - (uint8_t *)dst);
}

int
pw_mqtt_encode_ping(void *dst, uint32_t room, enum pw_mqtt_type type)
{
	int head = pw_mqtt_wr_room(room, 0, 0);

	assert(type == PW_MQTT_PINGREQ || type == PW_MQTT_PINGRESP);
	if (head < 0)
		return head;
	(void)pw_mqtt_wr_head(dst, type, 0, 0);
	return head;
}
