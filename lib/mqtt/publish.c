/* SPDX-License-Identifier: BSD-3-Clause */
#include <string.h>

#include <pubwire/mqtt/packet.h>

#include "props_pvt.h"
#include "reader_pvt.h"

#define ONES  UINT64_C(0x0101010101010101)
#define HIGHS UINT64_C(0x8080808080808080)

/*
 * A high bit where one of eight bytes is null, not ASCII, or a wildcard ('#' is 0x23, '+' 0x2B). To
 * subtract one from bytes without high bits sets one where a byte was zero, and nowhere if none
 * was.
 */
static uint64_t
unusual(uint64_t w)
{
	uint64_t wild = (w & ~(ONES * 0x08)) ^ ONES * '#';

	return (w | (w - ONES) | (wild - ONES)) & HIGHS;
}

/* One to seven bytes, some of them twice, among others that are usual. */
static uint64_t
few(const uint8_t *p, uint32_t len)
{
	uint32_t first, last;

	if (len < sizeof(first))
		return ONES * 'a' << 24 | (uint32_t)p[len - 1] << 16 | (uint32_t)p[len / 2] << 8 |
		       p[0];
	memcpy(&first, p, sizeof(first));
	memcpy(&last, p + len - sizeof(last), sizeof(last));
	return (uint64_t)last << 32 | first;
}

/* True where a topic name is ASCII and in order; false where it may be in order all the same. */
static bool
plain_topic(const uint8_t *p, uint32_t len)
{
	uint64_t w;
	uint32_t i = 0;

	if (len < sizeof(w))
		return unusual(few(p, len)) == 0;
	for (; len - i > sizeof(w); i += sizeof(w)) {
		memcpy(&w, p + i, sizeof(w));
		if (unusual(w) != 0)
			return false;
	}
	/* The last eight, some of them a second time. */
	memcpy(&w, p + len - sizeof(w), sizeof(w));
	return unusual(w) == 0;
}

/*
 * Nearly every PUBLISH: in one slice, up to 16 KiB, with a plain topic, without properties, and
 * breaking no rule of any version. What is in any way different is left to the reader, which gives
 * the same answer and the reasons.
 */
static bool
decode_plain(const struct pw_mqtt_buf *b, uint8_t version, struct pw_mqtt_publish *o)
{
	const uint8_t *p;
	uint32_t at = 2, remaining, topic;
	uint8_t flags;

	if (b->n != 1 || b->len < 5)
		return false;
	p = pw_slice_data(b->s);
	remaining = p[1];
	if (remaining & 0x80) {
		if (p[2] == 0 || (p[2] & 0x80))
			return false;
		remaining = (remaining & 0x7F) | (uint32_t)p[2] << 7;
		at = 3;
	}
	flags = p[0] & 0x0F;
	if (p[0] >> 4 != PW_MQTT_PUBLISH || at + remaining != b->len || flags >= 6)
		return false; /* QoS 3 (6, 7), or DUP (8 and above) */
	topic = (uint32_t)p[at] << 8 | p[at + 1];
	at += 2;
	o->dup = false;
	o->qos = flags >> 1;
	o->retain = flags & 1;
	o->packet_id = 0;
	o->packet_id_at = 0;
	if (topic == 0 || topic + (o->qos > 0 ? 2 : 0) + (version == PW_MQTT_5) > b->len - at ||
	    !plain_topic(p + at, topic))
		return false;
	o->topic = (struct pw_mqtt_span){.off = at, .len = topic};
	at += topic;
	if (o->qos > 0) {
		o->packet_id_at = at;
		o->packet_id = (uint16_t)(p[at] << 8 | p[at + 1]);
		at += 2;
		if (o->packet_id == 0)
			return false;
	}
	if (version == PW_MQTT_5 && p[at++] != 0)
		return false;
	o->props.present = 0;
	o->props.user_pairs = 0;
	o->props.all = (struct pw_mqtt_span){.off = at, .len = 0};
	o->payload = (struct pw_mqtt_span){.off = at, .len = b->len - at};
	return true;
}

int
pw_mqtt_decode_publish(const struct pw_mqtt_buf *b, uint8_t version, struct pw_mqtt_publish *o,
		       enum pw_mqtt_error *err)
{
	struct pw_mqtt_reader r;

	if (likely(decode_plain(b, version, o))) {
		*err = PW_MQTT_E_NONE;
		return (int)b->len;
	}
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
