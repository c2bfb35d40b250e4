/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A PUBLISH in one slice may be read at fixed places, one that is cut is read byte by byte: they
 * must agree, on what is wrong too.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "support.h"

#define ROUNDS 40000

static uint64_t seed;
static char whole_text[DUMP_MAX], cut_text[DUMP_MAX];

/* A PUBLISH of random length and contents, of which most are right; returns its length. */
static uint32_t
some_publish(uint8_t *out, uint8_t version)
{
	static const char alphabet[] = "abcdefghijklmnopqrstuvwxyz/0123456789-_.$\x7f";
	uint8_t qos = (uint8_t)rnd(&seed, 3), body[1024];
	uint32_t topic = rnd(&seed, 10) > 0 ? 1 + rnd(&seed, 40) : 0, n = 0, at = 0;

	body[n++] = 0;
	body[n++] = (uint8_t)topic;
	for (uint32_t i = 0; i < topic; i++)
		body[n++] = (uint8_t)alphabet[rnd(&seed, sizeof(alphabet) - 1)];
	if (qos > 0) {
		body[n++] = (uint8_t)rnd(&seed, 2);
		body[n++] = (uint8_t)rnd(&seed, 4);
	}
	if (version == PW_MQTT_5)
		body[n++] = 0;
	for (uint32_t payload = rnd(&seed, 2) ? rnd(&seed, 20) : rnd(&seed, 700); payload > 0;
	     payload--)
		body[n++] = (uint8_t)rnd(&seed, 256);
	out[at++] = (uint8_t)(0x30 | qos << 1 | rnd(&seed, 2));
	if (n > 127)
		out[at++] = (uint8_t)(n | 0x80);
	out[at++] = (uint8_t)(n > 127 ? n >> 7 : n);
	memcpy(out + at, body, n);
	return at + n;
}

/* Change what matters: bytes of the header and of the topic, or the length of it all. */
static uint32_t
spoil(uint8_t *frame, uint32_t len)
{
	static const uint8_t odd[] = {0, '#', '+', 0x22, 0x2a, 0x80, 0xc3, 0xa4, 0xff, 1};

	for (uint32_t times = rnd(&seed, 3); times > 0; times--) {
		uint32_t at = rnd(&seed, RTE_MIN(len, 60u));

		frame[at] = rnd(&seed, 2) ? odd[rnd(&seed, sizeof(odd))]
					  : (uint8_t)(frame[at] ^ 1u << rnd(&seed, 8));
	}
	if (rnd(&seed, 8) == 0)
		len -= rnd(&seed, RTE_MIN(len, 20u));
	return len;
}

static void
publish_in_one_slice_reads_as_one_in_pieces(void **state)
{
	uint8_t frame[2048];

	(void)state;
	seed = 0x7A11;
	for (uint32_t i = 0; i < ROUNDS; i++) {
		uint8_t version = (uint8_t)(PW_MQTT_3_1 + rnd(&seed, 3));
		uint32_t len = spoil(frame, some_publish(frame, version));
		const uint16_t one = 1;
		struct frame whole, cut;

		if (frame[0] >> 4 != PW_MQTT_PUBLISH)
			continue;
		frame_guarded(&whole, frame, len);
		frame_cut(&cut, frame, len, &one, 1);
		dump(&whole.buf, version, whole_text);
		dump(&cut.buf, version, cut_text);
		assert_string_equal(whole_text, cut_text);
		frame_free(&whole);
		frame_free(&cut);
	}
}

/* Every byte at every place of a topic, of lengths around a machine word. */
static void
every_byte_of_a_topic_is_looked_at(void **state)
{
	static const uint16_t one = 1;
	uint8_t frame[64];

	(void)state;
	for (uint32_t topic = 1; topic <= 18; topic++) {
		uint32_t len = 4 + topic + 1;

		for (uint32_t place = 0; place < topic; place++) {
			for (uint32_t c = 0; c < 256; c++) {
				struct frame whole, cut;

				memset(frame, 'a', sizeof(frame));
				memcpy(frame,
				       (uint8_t[]){0x30, (uint8_t)(len - 2), 0, (uint8_t)topic}, 4);
				frame[4 + place] = (uint8_t)c;
				frame_cut(&whole, frame, len, &(uint16_t){64}, 1);
				frame_cut(&cut, frame, len, &one, 1);
				dump(&whole.buf, PW_MQTT_3_1_1, whole_text);
				dump(&cut.buf, PW_MQTT_3_1_1, cut_text);
				assert_string_equal(whole_text, cut_text);
				frame_free(&whole);
				frame_free(&cut);
			}
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(publish_in_one_slice_reads_as_one_in_pieces),
		cmocka_unit_test(every_byte_of_a_topic_is_looked_at),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
