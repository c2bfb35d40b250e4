/* SPDX-License-Identifier: BSD-3-Clause */
#include <pubwire/mqtt/packet.h>

#include "reason_pvt.h"

#define CONNACK	 PW_MQTT_P(CONNACK)
#define PUBACK	 PW_MQTT_P(PUBACK)
#define PUBREC	 PW_MQTT_P(PUBREC)
#define PUBREL	 PW_MQTT_P(PUBREL)
#define PUBCOMP	 PW_MQTT_P(PUBCOMP)
#define SUBACK	 PW_MQTT_P(SUBACK)
#define UNSUBACK PW_MQTT_P(UNSUBACK)
#define DISCONN	 PW_MQTT_P(DISCONNECT)
#define AUTH	 PW_MQTT_P(AUTH)
#define PUB_IN	 (PUBACK | PUBREC)
#define PUB_OUT	 (PUBREL | PUBCOMP)
#define SUBS	 (SUBACK | UNSUBACK)

struct reason_row {
	uint8_t code;
	uint16_t packets; /* 1 << type */
	const char *text;
};

/* 5.0 2.4 with the lists of 3.2.2.2, 3.4.2.1 to 3.7.2.1, 3.9.3, 3.11.3, 3.14.2.1 and 3.15.2.1. */
static const struct reason_row reasons[] = {
	{0x00, CONNACK | PUB_IN | PUB_OUT | UNSUBACK | AUTH, "success"},
	{0x00, DISCONN, "normal disconnection"},
	{0x00, SUBACK, "granted QoS 0"},
	{0x01, SUBACK, "granted QoS 1"},
	{0x02, SUBACK, "granted QoS 2"},
	{0x04, DISCONN, "disconnect with will message"},
	{0x10, PUB_IN, "no matching subscribers"},
	{0x11, UNSUBACK, "no subscription existed"},
	{0x18, AUTH, "continue authentication"},
	{0x19, AUTH, "re-authenticate"},
	{0x80, CONNACK | PUB_IN | SUBS | DISCONN, "unspecified error"},
	{0x81, CONNACK | DISCONN, "malformed packet"},
	{0x82, CONNACK | DISCONN, "protocol error"},
	{0x83, CONNACK | PUB_IN | SUBS | DISCONN, "implementation specific error"},
	{0x84, CONNACK, "unsupported protocol version"},
	{0x85, CONNACK, "client identifier not valid"},
	{0x86, CONNACK, "bad user name or password"},
	{0x87, CONNACK | PUB_IN | SUBS | DISCONN, "not authorized"},
	{0x88, CONNACK, "server unavailable"},
	{0x89, CONNACK | DISCONN, "server busy"},
	{0x8A, CONNACK, "banned"},
	{0x8B, DISCONN, "server shutting down"},
	{0x8C, CONNACK | DISCONN, "bad authentication method"},
	{0x8D, DISCONN, "keep alive timeout"},
	{0x8E, DISCONN, "session taken over"},
	{0x8F, SUBS | DISCONN, "topic filter invalid"},
	{0x90, CONNACK | PUB_IN | DISCONN, "topic name invalid"},
	{0x91, PUB_IN | SUBS, "packet identifier in use"},
	{0x92, PUB_OUT, "packet identifier not found"},
	{0x93, DISCONN, "receive maximum exceeded"},
	{0x94, DISCONN, "topic alias invalid"},
	{0x95, CONNACK | DISCONN, "packet too large"},
	{0x96, DISCONN, "message rate too high"},
	{0x97, CONNACK | PUB_IN | SUBACK | DISCONN, "quota exceeded"},
	{0x98, DISCONN, "administrative action"},
	{0x99, CONNACK | PUB_IN | DISCONN, "payload format invalid"},
	{0x9A, CONNACK | DISCONN, "retain not supported"},
	{0x9B, CONNACK | DISCONN, "QoS not supported"},
	{0x9C, CONNACK | DISCONN, "use another server"},
	{0x9D, CONNACK | DISCONN, "server moved"},
	{0x9E, SUBACK | DISCONN, "shared subscriptions not supported"},
	{0x9F, CONNACK | DISCONN, "connection rate exceeded"},
	{0xA0, DISCONN, "maximum connect time"},
	{0xA1, SUBACK | DISCONN, "subscription identifiers not supported"},
	{0xA2, SUBACK | DISCONN, "wildcard subscriptions not supported"},
};

/* 3.1.1 3.2.2.3 and 3.9.3. */
static const struct reason_row old_reasons[] = {
	{0x00, CONNACK, "connection accepted"},
	{0x01, CONNACK, "unacceptable protocol version"},
	{0x02, CONNACK, "identifier rejected"},
	{0x03, CONNACK, "server unavailable"},
	{0x04, CONNACK, "bad user name or password"},
	{0x05, CONNACK, "not authorized"},
	{0x00, SUBACK, "granted QoS 0"},
	{0x01, SUBACK, "granted QoS 1"},
	{0x02, SUBACK, "granted QoS 2"},
	{0x80, SUBACK, "failure"},
};

static const struct reason_row *
find(uint8_t type, uint8_t version, uint8_t code)
{
	const struct reason_row *rows = version == PW_MQTT_5 ? reasons : old_reasons;
	uint32_t n = version == PW_MQTT_5 ? RTE_DIM(reasons) : RTE_DIM(old_reasons);

	for (uint32_t i = 0; i < n; i++) {
		if (rows[i].code == code && rows[i].packets & 1u << type)
			return &rows[i];
	}
	return NULL;
}

bool
pw_mqtt_reason_ok(uint8_t type, uint8_t version, uint8_t code)
{
	return find(type, version, code) != NULL;
}

const char *
pw_mqtt_reason_str(uint8_t type, uint8_t version, uint8_t reason)
{
	const struct reason_row *row = type <= PW_MQTT_AUTH ? find(type, version, reason) : NULL;

	return row != NULL ? row->text : "unknown reason";
}
