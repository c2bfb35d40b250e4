/* SPDX-License-Identifier: BSD-3-Clause */
#include <assert.h>
#include <string.h>

#include <pubwire/mqtt/packet.h>

#include "props_pvt.h"
#include "reader_pvt.h"
#include "reason_pvt.h"

/* CONNECT flags, 5.0 3.1.2.3 */
#define FLAG_RESERVED 0x01
#define FLAG_CLEAN    0x02
#define FLAG_WILL     0x04
#define FLAG_RETAIN   0x20
#define FLAG_PASSWORD 0x40
#define FLAG_USERNAME 0x80
#define FLAGS_QOS(f)  ((f) >> 3 & 3)

#define NAME_MAX_LEN  6

/* Protocol name and level [MQTT-3.1.2-1], [MQTT-3.1.2-2]; returns the version, 0 where refused. */
static uint8_t
read_version(struct pw_mqtt_reader *r)
{
	uint8_t name[NAME_MAX_LEN] = {0};
	uint16_t len = pw_mqtt_rd_u16(r);
	bool old, right;
	uint8_t level;

	if (r->err == PW_MQTT_E_NONE && len != 4 && len != 6)
		pw_mqtt_rd_fail(r, PW_MQTT_E_PROTOCOL_NAME);
	for (uint16_t i = 0; i < len && r->err == PW_MQTT_E_NONE; i++)
		name[i] = pw_mqtt_rd_u8(r);
	if (r->err != PW_MQTT_E_NONE)
		return 0;
	old = len == 6 && memcmp(name, "MQIsdp", 6) == 0;
	if (!old && !(len == 4 && memcmp(name, "MQTT", 4) == 0)) {
		pw_mqtt_rd_fail(r, PW_MQTT_E_PROTOCOL_NAME);
		return 0;
	}
	level = pw_mqtt_rd_u8(r);
	right = old ? level == PW_MQTT_3_1 : level == PW_MQTT_3_1_1 || level == PW_MQTT_5;
	if (r->err == PW_MQTT_E_NONE && !right)
		pw_mqtt_rd_fail(r, PW_MQTT_E_PROTOCOL_VERSION);
	return r->err == PW_MQTT_E_NONE ? level : 0;
}

static void
read_flags(struct pw_mqtt_reader *r, struct pw_mqtt_connect *o)
{
	uint8_t flags = pw_mqtt_rd_u8(r);

	/* [MQTT-3.1.2-3]; 3.1 leaves the bit unused */
	if (flags & FLAG_RESERVED && o->version != PW_MQTT_3_1)
		pw_mqtt_rd_fail(r, PW_MQTT_E_CONNECT_FLAGS);
	o->clean = flags & FLAG_CLEAN;
	o->has_will = flags & FLAG_WILL;
	if (o->has_will) {
		o->will_qos = FLAGS_QOS(flags);
		o->will_retain = flags & FLAG_RETAIN;
		if (o->will_qos > 2) /* [MQTT-3.1.2-12] */
			pw_mqtt_rd_fail(r, PW_MQTT_E_QOS);
	} else if ((FLAGS_QOS(flags) != 0 || flags & FLAG_RETAIN) && o->version != PW_MQTT_3_1) {
		pw_mqtt_rd_fail(r, PW_MQTT_E_CONNECT_FLAGS); /* [MQTT-3.1.2-11], [MQTT-3.1.2-13] */
	}
	o->has_username = flags & FLAG_USERNAME;
	o->has_password = flags & FLAG_PASSWORD;
	/* 3.1.1 [MQTT-3.1.2-22], 3.1 3.1; 5.0 allows it (3.1.2.9) */
	if (o->has_password && !o->has_username && o->version != PW_MQTT_5)
		pw_mqtt_rd_fail(r, PW_MQTT_E_CONNECT_FLAGS);
}

/* Client identifier; an empty one asks the server for one (5.0 3.1.3.1). */
static void
read_client_id(struct pw_mqtt_reader *r, struct pw_mqtt_connect *o)
{
	o->client_id = pw_mqtt_rd_str(r, PW_MQTT_TEXT_ANY);
	if (r->err != PW_MQTT_E_NONE || o->client_id.len > 0)
		return;
	/* 3.1 wants at least one character; 3.1.1 [MQTT-3.1.3-7] wants a clean session with none */
	if (o->version == PW_MQTT_3_1 || (o->version == PW_MQTT_3_1_1 && !o->clean))
		pw_mqtt_rd_fail(r, PW_MQTT_E_CLIENT_ID);
}

static void
read_will(struct pw_mqtt_reader *r, struct pw_mqtt_connect *o)
{
	pw_mqtt_rd_props(r, 0, &o->will_props);
	o->will_topic = pw_mqtt_rd_str(r, PW_MQTT_TEXT_TOPIC);
	if (o->will_topic.len == 0)
		pw_mqtt_rd_fail(r, PW_MQTT_E_TOPIC_NAME); /* [MQTT-4.7.3-1] */
	o->will_payload = pw_mqtt_rd_bin(r);
}

/*
 * User name and password. 3.1 3.1: the flags may announce what the remaining length has no place
 * for, and the connection goes on without.
 */
static void
read_credentials(struct pw_mqtt_reader *r, struct pw_mqtt_connect *o)
{
	bool lenient = o->version == PW_MQTT_3_1 && r->err == PW_MQTT_E_NONE;

	if (o->has_username && lenient && pw_mqtt_rd_left(r) == 0)
		o->has_username = false;
	if (o->has_username)
		o->username = pw_mqtt_rd_str(r, PW_MQTT_TEXT_ANY);
	if (o->has_password && lenient && pw_mqtt_rd_left(r) == 0)
		o->has_password = false;
	if (o->has_password)
		o->password = pw_mqtt_rd_bin(r);
}

int
pw_mqtt_decode_connect(const struct pw_mqtt_buf *b, uint8_t version, struct pw_mqtt_connect *o,
		       enum pw_mqtt_error *err)
{
	struct pw_mqtt_reader r;

	(void)version;
	memset(o, 0, sizeof(*o));
	pw_mqtt_rd_begin(&r, b, PW_MQTT_P(CONNECT));
	o->version = read_version(&r);
	if (o->version != 0) {
		pw_mqtt_rd_version(&r, o->version);
		read_flags(&r, o);
		o->keepalive = pw_mqtt_rd_u16(&r);
		pw_mqtt_rd_props(&r, PW_MQTT_CONNECT, &o->props);
		read_client_id(&r, o);
		if (o->has_will)
			read_will(&r, o);
		read_credentials(&r, o);
	}
	return pw_mqtt_rd_end(&r, err);
}

int
pw_mqtt_decode_connack(const struct pw_mqtt_buf *b, uint8_t version, struct pw_mqtt_connack *o,
		       enum pw_mqtt_error *err)
{
	struct pw_mqtt_reader r;
	uint8_t flags;

	pw_mqtt_rd_begin(&r, b, PW_MQTT_P(CONNACK));
	pw_mqtt_rd_version(&r, version);
	flags = pw_mqtt_rd_u8(&r);
	o->code = pw_mqtt_rd_u8(&r);
	o->session_present = flags & 1;
	if (version == PW_MQTT_3_1)
		o->session_present = false; /* a byte without meaning there */
	else if (flags & 0xFE || (o->session_present && o->code != 0))
		pw_mqtt_rd_fail(&r, PW_MQTT_E_CONNECT_FLAGS); /* [MQTT-3.2.2-1], [MQTT-3.2.2-6] */
	if (!pw_mqtt_reason_ok(PW_MQTT_CONNACK, version, o->code))
		pw_mqtt_rd_fail(&r, PW_MQTT_E_REASON_CODE); /* [MQTT-3.2.2-8] */
	pw_mqtt_rd_props(&r, PW_MQTT_CONNACK, &o->props);
	return pw_mqtt_rd_end(&r, err);
}
