/* SPDX-License-Identifier: BSD-3-Clause */
#include <pubwire/mqtt/packet.h>

#include "props_pvt.h"
#include "reader_pvt.h"
#include "reason_pvt.h"

#define ACK_TYPES (PW_MQTT_P(PUBACK) | PW_MQTT_P(PUBREC) | PW_MQTT_P(PUBREL) | PW_MQTT_P(PUBCOMP))

int
pw_mqtt_decode_ack(const struct pw_mqtt_buf *b, uint8_t version, struct pw_mqtt_ack *o,
		   enum pw_mqtt_error *err)
{
	struct pw_mqtt_reader r;

	pw_mqtt_rd_begin(&r, b, ACK_TYPES);
	pw_mqtt_rd_version(&r, version);
	o->packet_id = pw_mqtt_rd_packet_id(&r);
	o->reason = 0;
	pw_mqtt_no_props(&r, &o->props);
	/* 5.0 3.4.2.1, 3.4.2.2.1: success needs no reason code, and no properties need no length */
	if (version == PW_MQTT_5 && pw_mqtt_rd_left(&r) > 0) {
		o->reason = pw_mqtt_rd_u8(&r);
		if (o->reason != 0 && !pw_mqtt_reason_ok(r.type, version, o->reason))
			pw_mqtt_rd_fail(&r, PW_MQTT_E_REASON_CODE);
		if (pw_mqtt_rd_left(&r) > 0)
			pw_mqtt_rd_props(&r, r.type, &o->props);
	}
	return pw_mqtt_rd_end(&r, err);
}
