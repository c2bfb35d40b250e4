/* SPDX-License-Identifier: BSD-3-Clause */
#include <pubwire/mqtt/packet.h>

#include "props_pvt.h"
#include "reader_pvt.h"

int
pw_mqtt_decode_publish(const struct pw_mqtt_buf *b, uint8_t version, struct pw_mqtt_publish *o,
		       enum pw_mqtt_error *err)
{
	struct pw_mqtt_reader r;

	pw_mqtt_rd_begin(&r, b, PW_MQTT_P(PUBLISH));
	pw_mqtt_rd_version(&r, version);
	o->dup = r.flags & 8;
	o->qos = r.flags >> 1 & 3;
	o->retain = r.flags & 1;
	if (o->qos > 2) /* [MQTT-3.3.1-4] */
		pw_mqtt_rd_fail(&r, PW_MQTT_E_QOS);
	if (o->dup && o->qos == 0 && version != PW_MQTT_3_1) /* [MQTT-3.3.1-2] */
		pw_mqtt_rd_fail(&r, PW_MQTT_E_DUP_QOS0);
	o->topic = pw_mqtt_rd_str(&r, PW_MQTT_TEXT_TOPIC);
	o->packet_id = 0;
	o->packet_id_at = 0;
	if (o->qos > 0) {
		o->packet_id_at = r.off;
		o->packet_id = pw_mqtt_rd_packet_id(&r);
	}
	pw_mqtt_rd_props(&r, PW_MQTT_PUBLISH, &o->props);
	/*
	 * [MQTT-4.7.3-1]; in 5.0 a topic alias may stand for the name, and a Protocol Error it is
	 * where none does (3.3.2.1).
	 */
	if (o->topic.len == 0 && !pw_mqtt_has(&o->props, PW_MQTT_PROP_TOPIC_ALIAS))
		pw_mqtt_rd_fail(&r,
				version == PW_MQTT_5 ? PW_MQTT_E_NO_TOPIC : PW_MQTT_E_TOPIC_NAME);
	o->payload = pw_mqtt_rd_skip(&r, pw_mqtt_rd_left(&r));
	return pw_mqtt_rd_end(&r, err);
}
