/* SPDX-License-Identifier: BSD-3-Clause */
#include "writer_pvt.h"

int
pw_mqtt_encode_publish(void *dst, uint32_t room, uint8_t version, bool dup, uint8_t qos,
		       bool retain, struct pw_mqtt_str topic, uint16_t packet_id,
		       const struct pw_mqtt_props_out *props, uint32_t payload_len)
{
	uint64_t here = (uint64_t)pw_mqtt_wr_str_size(topic) + (qos > 0 ? 2 : 0) +
			pw_mqtt_props_size(props, version);
	uint64_t body = here + payload_len;
	int head = pw_mqtt_wr_room(room, body, (uint32_t)RTE_MIN(here, UINT32_MAX));
	uint8_t *p = dst;

	assert(qos <= 2 && (qos == 0 || packet_id != 0));
	if (head < 0)
		return head;
	p = pw_mqtt_wr_head(p, PW_MQTT_PUBLISH, (uint8_t)(dup << 3 | qos << 1 | retain),
			    (uint32_t)body);
	p = pw_mqtt_wr_str(p, topic);
	if (qos > 0)
		p = pw_mqtt_wr_u16(p, packet_id);
	p = pw_mqtt_props_put(p, props, version);
	return (int)(p - (uint8_t *)dst);
}
