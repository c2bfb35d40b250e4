/* SPDX-License-Identifier: BSD-3-Clause */
#include <pubwire/mqtt/packet.h>

#include "props_pvt.h"
#include "reader_pvt.h"
#include "reason_pvt.h"

int
pw_mqtt_decode_disconnect(const struct pw_mqtt_buf *b, uint8_t version,
			  struct pw_mqtt_disconnect *o, enum pw_mqtt_error *err)
{
	struct pw_mqtt_reader r;

	pw_mqtt_rd_begin(&r, b, PW_MQTT_P(DISCONNECT) | PW_MQTT_P(AUTH));
	pw_mqtt_rd_version(&r, version);
	o->reason = 0;
	pw_mqtt_no_props(&r, &o->props);
	if (version != PW_MQTT_5) {
		if (r.type == PW_MQTT_AUTH)
			pw_mqtt_rd_fail(&r, PW_MQTT_E_TYPE); /* 3.1.1 2.2.1: 15 is reserved */
		return pw_mqtt_rd_end(&r, err);
	}
	/* 3.14.2.1, 3.15.2.1: nothing at all means success */
	if (pw_mqtt_rd_left(&r) == 0)
		return pw_mqtt_rd_end(&r, err);
	o->reason = pw_mqtt_rd_u8(&r);
	if (!pw_mqtt_reason_ok(r.type, version, o->reason))
		pw_mqtt_rd_fail(&r, PW_MQTT_E_REASON_CODE);
	/* 3.14.2.2.1: DISCONNECT may leave the property length out; AUTH may not */
	if (pw_mqtt_rd_left(&r) > 0 || r.type == PW_MQTT_AUTH)
		pw_mqtt_rd_props(&r, r.type, &o->props);
	if (r.type == PW_MQTT_AUTH && !pw_mqtt_has(&o->props, PW_MQTT_PROP_AUTH_METHOD))
		pw_mqtt_rd_fail(&r, PW_MQTT_E_PROPERTY_MISSING); /* 3.15.2.2.2 */
	return pw_mqtt_rd_end(&r, err);
}

int
pw_mqtt_decode_ping(const struct pw_mqtt_buf *b, enum pw_mqtt_error *err)
{
	struct pw_mqtt_reader r;

	pw_mqtt_rd_begin(&r, b, PW_MQTT_P(PINGREQ) | PW_MQTT_P(PINGRESP));
	if (r.flags != 0) /* [MQTT-2.1.3-1] */
		pw_mqtt_rd_fail(&r, PW_MQTT_E_FLAGS);
	return pw_mqtt_rd_end(&r, err);
}
