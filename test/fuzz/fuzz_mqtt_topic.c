/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Topic names, filters and UTF-8. Input: how to cut, length of the filter, the filter, the topic.
 * - A filter in an UNSUBSCRIBE, in slices, is judged as the flat one is.
 * - A topic in a PUBLISH, in slices, is judged as the flat one is.
 * - Where both are valid they match as a slow plain matcher says.
 */
#include <pubwire/mqtt/topic.h>

#include "fuzz.h"

/* Decode a packet whose last field is the text, in slices. */
static bool
accepted(const uint8_t *text, uint32_t len, uint8_t pattern, bool filter)
{
	uint8_t *body = malloc(len + 5), *packet;
	uint32_t n = 0, total;
	struct pw_mqtt_subscribe s;
	struct pw_mqtt_publish p;
	enum pw_mqtt_error err;
	uint16_t sizes[2];
	struct frame f;
	int rc;

	CHECK(body != NULL);
	if (filter) { /* identifier 1, no properties */
		memcpy(body, "\0\1\0", 3);
		n = 3;
	}
	body[n++] = (uint8_t)(len >> 8);
	body[n++] = (uint8_t)len;
	memcpy(body + n, text, len);
	packet = fuzz_packet(filter ? 0xA2 : 0x30, body, n + len, &total);
	fuzz_sizes(pattern, sizes);
	frame_cut(&f, packet, total, sizes, 2);
	free(body);
	free(packet);
	if (filter)
		rc = pw_mqtt_decode_subscribe(&f.buf, PW_MQTT_5, &s, &err);
	else
		rc = pw_mqtt_decode_publish(&f.buf, PW_MQTT_3_1_1, &p, &err);
	frame_free(&f);
	return rc > 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint32_t flen, tlen;
	uint8_t *f, *t;
	bool filter, topic;

	if (size < 2 || size > 65535)
		return 0;
	flen = RTE_MIN((uint32_t)data[1], (uint32_t)size - 2);
	tlen = (uint32_t)size - 2 - flen;
	f = malloc(flen + 1);
	t = malloc(tlen + 1);
	CHECK(f != NULL && t != NULL);
	/* at the end of what was allocated */
	memcpy(f + 1, data + 2, flen);
	memcpy(t + 1, data + 2 + flen, tlen);
	filter = pw_mqtt_filter_valid(f + 1, flen);
	topic = pw_mqtt_topic_valid(t + 1, tlen);
	CHECK(accepted(f + 1, flen, data[0], true) == (filter && pw_mqtt_utf8(f + 1, flen)));
	CHECK(accepted(t + 1, tlen, data[0], false) == (topic && pw_mqtt_utf8(t + 1, tlen)));
	if (filter && topic)
		CHECK(pw_mqtt_topic_match(f + 1, flen, t + 1, tlen) ==
		      slow_match((char *)f + 1, flen, (char *)t + 1, tlen));
	if (topic)
		CHECK(pw_mqtt_topic_match(t + 1, tlen, t + 1, tlen));
	free(f);
	free(t);
	return 0;
}
