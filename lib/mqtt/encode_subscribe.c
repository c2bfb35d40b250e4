/* SPDX-License-Identifier: BSD-3-Clause */
#include "writer_pvt.h"

int
pw_mqtt_encode_subscribe(void *dst, uint32_t room, enum pw_mqtt_type type, uint8_t version,
			 uint16_t packet_id, const struct pw_mqtt_filter_out *f, uint32_t n,
			 const struct pw_mqtt_props_out *props)
{
	uint64_t body = 2 + (uint64_t)pw_mqtt_props_size(props, version);
	uint32_t options = type == PW_MQTT_SUBSCRIBE; /* bytes of them after each filter */
	uint8_t *p = dst;
	int head;

	assert(type == PW_MQTT_SUBSCRIBE || type == PW_MQTT_UNSUBSCRIBE);
	assert(packet_id != 0 && n > 0);
	for (uint32_t i = 0; i < n; i++)
		body += pw_mqtt_wr_str_size(f[i].filter) + options;
	head = pw_mqtt_wr_room(room, body, (uint32_t)RTE_MIN(body, UINT32_MAX));
	if (head < 0)
		return head;
	p = pw_mqtt_wr_head(p, type, 0x02, (uint32_t)body); /* [MQTT-3.8.1-1], [MQTT-3.10.1-1] */
	p = pw_mqtt_wr_u16(p, packet_id);
	p = pw_mqtt_props_put(p, props, version);
	for (uint32_t i = 0; i < n; i++) {
		p = pw_mqtt_wr_str(p, f[i].filter);
		if (options)
			*p++ = f[i].options;
	}
	return (int)(p - (uint8_t *)dst);
}

int
pw_mqtt_encode_suback(void *dst, uint32_t room, enum pw_mqtt_type type, uint8_t version,
		      uint16_t packet_id, const uint8_t *codes, uint32_t n,
		      const struct pw_mqtt_props_out *props)
{
	uint64_t body = 2 + (uint64_t)pw_mqtt_props_size(props, version);
	uint8_t *p = dst;
	int head;

	assert(type == PW_MQTT_SUBACK || type == PW_MQTT_UNSUBACK);
	assert(packet_id != 0 && n > 0);
	if (type == PW_MQTT_UNSUBACK && version < PW_MQTT_5)
		n = 0; /* 3.1.1 3.11.3: no payload */
	body += n;
	head = pw_mqtt_wr_room(room, body, (uint32_t)RTE_MIN(body, UINT32_MAX));
	if (head < 0)
		return head;
	p = pw_mqtt_wr_head(p, type, 0, (uint32_t)body);
	p = pw_mqtt_wr_u16(p, packet_id);
	p = pw_mqtt_props_put(p, props, version);
	p = pw_mqtt_wr_raw(p, (struct pw_mqtt_str){.data = codes, .len = n});
	return (int)(p - (uint8_t *)dst);
}
