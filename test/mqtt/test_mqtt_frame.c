/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "support.h"

static int
framed(const char *text, uint32_t max, uint32_t *total, enum pw_mqtt_error *err)
{
	uint8_t wire[64];

	return pw_mqtt_frame(wire, notation(text, wire, sizeof(wire)), max, total, err);
}

static void
framing_reads_every_length_of_the_remaining_length(void **state)
{
	static const struct {
		const char *wire;
		int head;
		uint32_t total;
	} cases[] = {
		{"3000", 2, 2},
		{"307F", 2, 129},
		{"308001", 3, 131},
		{"30FF7F", 3, 16386},
		{"30808001", 4, 16388},
		{"30FFFF7F", 4, 2097155},
		{"3080808001", 5, 2097157},
		{"30FFFFFF7F", 5, 268435460},
		{"30FFFFFF7F AAAA", 5, 268435460},
		{"308000", 3, 3},
		{"F000", 2, 2},
		{"3080808000", 5, 5},
	};
	enum pw_mqtt_error err;
	uint32_t total;

	(void)state;
	for (uint32_t i = 0; i < RTE_DIM(cases); i++) {
		assert_int_equal(framed(cases[i].wire, 0, &total, &err), cases[i].head);
		assert_int_equal(total, cases[i].total);
		assert_int_equal(err, PW_MQTT_E_NONE);
	}
}

static void
framing_asks_for_more_until_the_length_ends(void **state)
{
	static const char *const cases[] = {"", "30", "3080", "308080", "30FFFFFF", "10"};
	enum pw_mqtt_error err;
	uint32_t total;

	(void)state;
	for (uint32_t i = 0; i < RTE_DIM(cases); i++) {
		assert_int_equal(framed(cases[i], 0, &total, &err), -EAGAIN);
		assert_int_equal(err, PW_MQTT_E_NONE);
	}
}

static void
framing_refuses_type_0_at_the_first_byte(void **state)
{
	enum pw_mqtt_error err;
	uint32_t total;

	(void)state;
	assert_int_equal(framed("00", 0, &total, &err), -EBADMSG);
	assert_int_equal(err, PW_MQTT_E_TYPE);
	assert_int_equal(framed("0F", 0, &total, &err), -EBADMSG);
	assert_int_equal(err, PW_MQTT_E_TYPE);
}

static void
framing_refuses_a_fifth_length_byte(void **state)
{
	enum pw_mqtt_error err;
	uint32_t total;

	(void)state;
	assert_int_equal(framed("30FFFFFFFF", 0, &total, &err), -EBADMSG);
	assert_int_equal(err, PW_MQTT_E_REMAINING_LENGTH);
	assert_int_equal(framed("308080808001", 0, &total, &err), -EBADMSG);
	assert_int_equal(err, PW_MQTT_E_REMAINING_LENGTH);
}

static void
framing_refuses_a_packet_over_the_limit_and_says_its_size(void **state)
{
	enum pw_mqtt_error err;
	uint32_t total;

	(void)state;
	assert_int_equal(framed("308001", 131, &total, &err), 3);
	assert_int_equal(framed("308001", 130, &total, &err), -EBADMSG);
	assert_int_equal(err, PW_MQTT_E_TOO_LARGE);
	assert_int_equal(total, 131);
	assert_int_equal(pw_mqtt_error_reason(err), 0x95);
}

static void
bytes_are_in_place_within_a_slice_and_copied_across_slices(void **state)
{
	static const uint16_t sizes[] = {4, 0, 3, 5};
	static const uint8_t text[] = "abcdefghijkl";
	uint8_t scratch[16];
	struct frame f;

	(void)state;
	frame_cut(&f, text, 12, sizes, 4);
	for (uint32_t off = 0; off <= 12; off++) {
		for (uint32_t len = 0; len <= 12 - off; len++) {
			struct pw_mqtt_span span = {.off = off, .len = len};
			bool whole = len == 0 || (off + len <= 4) || (off >= 4 && off + len <= 7) ||
				     off >= 7;
			const uint8_t *p = pw_mqtt_bytes(&f.buf, span, scratch);

			assert_memory_equal(p, text + off, len);
			assert_true(len == 0 || (p == scratch) == !whole);
			p = pw_mqtt_bytes(&f.buf, span, NULL);
			assert_int_equal(p != NULL, whole);
		}
	}
	frame_free(&f);
}

static void
a_byte_rewritten_in_place_is_read_again(void **state)
{
	static const uint16_t sizes[] = {1, 0, 2};
	uint8_t wire[32];
	struct pw_mqtt_publish p;
	enum pw_mqtt_error err;
	struct frame f;

	(void)state;
	frame_cut(&f, wire, notation("32 * S'a/b' 0001 'x'", wire, sizeof(wire)), sizes, 3);
	assert_true(pw_mqtt_decode_publish(&f.buf, 4, &p, &err) > 0);
	pw_mqtt_put_byte(&f.buf, p.packet_id_at, 0x12);
	pw_mqtt_put_byte(&f.buf, p.packet_id_at + 1, 0x34);
	pw_mqtt_put_byte(&f.buf, 0, *pw_mqtt_byte(&f.buf, 0) | 8);
	assert_true(pw_mqtt_decode_publish(&f.buf, 4, &p, &err) > 0);
	assert_int_equal(p.packet_id, 0x1234);
	assert_true(p.dup);
	frame_free(&f);
}

static void
a_frame_with_fewer_bytes_in_its_slices_than_it_says_is_truncated(void **state)
{
	static const uint16_t sizes[] = {3};
	struct pw_mqtt_publish p;
	enum pw_mqtt_error err;
	uint8_t wire[32];
	struct frame f;

	(void)state;
	frame_cut(&f, wire, notation("30 * S'abc' 'x'", wire, sizeof(wire)), sizes, 1);
	f.buf.n--;
	assert_int_equal(pw_mqtt_decode_publish(&f.buf, 4, &p, &err), -EBADMSG);
	assert_int_equal(err, PW_MQTT_E_TRUNCATED);
	f.buf.n++;
	frame_free(&f);
}

static void
a_decoder_refuses_a_packet_of_another_type_as_unexpected(void **state)
{
	static const uint16_t whole = UINT16_MAX;
	union {
		struct pw_mqtt_connect connect;
		struct pw_mqtt_connack connack;
		struct pw_mqtt_publish publish;
		struct pw_mqtt_ack ack;
		struct pw_mqtt_subscribe subscribe;
		struct pw_mqtt_suback suback;
		struct pw_mqtt_disconnect disconnect;
	} o;
	enum pw_mqtt_error err;
	struct frame f;

	(void)state;
	for (uint32_t type = 1; type <= 15; type++) {
		uint8_t wire[] = {(uint8_t)(type << 4), 0};

		frame_cut(&f, wire, 2, &whole, 1);
#define TRY(mask, call)                                                                            \
	do {                                                                                       \
		err = PW_MQTT_E_NONE;                                                              \
		(void)!(call);                                                                     \
		assert_int_equal(err == PW_MQTT_E_UNEXPECTED, !((mask)&1u << type));               \
	} while (0)
		TRY(0x0002, pw_mqtt_decode_connect(&f.buf, 5, &o.connect, &err));
		TRY(0x0004, pw_mqtt_decode_connack(&f.buf, 5, &o.connack, &err));
		TRY(0x0008, pw_mqtt_decode_publish(&f.buf, 5, &o.publish, &err));
		TRY(0x00F0, pw_mqtt_decode_ack(&f.buf, 5, &o.ack, &err));
		TRY(0x0500, pw_mqtt_decode_subscribe(&f.buf, 5, &o.subscribe, &err));
		TRY(0x0A00, pw_mqtt_decode_suback(&f.buf, 5, &o.suback, &err));
		TRY(0xC000, pw_mqtt_decode_disconnect(&f.buf, 5, &o.disconnect, &err));
		TRY(0x3000, pw_mqtt_decode_ping(&f.buf, &err));
#undef TRY
		frame_free(&f);
	}
}

static void
a_refused_connect_still_says_its_version(void **state)
{
	static const struct {
		const char *wire;
		uint8_t version;
	} cases[] = {
		{"10 * S'MQTT' 05 03 003C 00 S'd'", 5}, {"10 * S'MQTT' 04 00 003C S''", 4},
		{"10 * S'MQIsdp' 03 02 003C S''", 3},	{"10 * S'MQTT' 06 02 003C S'd'", 0},
		{"10 * S'HTTP' 04 02 003C S'd'", 0},
	};
	static const uint16_t whole = UINT16_MAX;
	struct pw_mqtt_connect c;
	enum pw_mqtt_error err;
	uint8_t wire[64];
	struct frame f;

	(void)state;
	for (uint32_t i = 0; i < RTE_DIM(cases); i++) {
		frame_cut(&f, wire, notation(cases[i].wire, wire, sizeof(wire)), &whole, 1);
		assert_int_equal(pw_mqtt_decode_connect(&f.buf, 0, &c, &err), -EBADMSG);
		assert_int_equal(c.version, cases[i].version);
		frame_free(&f);
	}
}

static void
the_filters_can_be_walked_more_than_once(void **state)
{
	static const uint16_t sizes[] = {2, 0, 1, 4};
	struct pw_mqtt_subscribe s;
	struct pw_mqtt_span filter;
	enum pw_mqtt_error err;
	uint8_t wire[64], options, text[8];
	struct frame f;

	(void)state;
	frame_cut(&f, wire, notation("82 * 0001 S'one' 01 S'two' 02 S'three' 00", wire, 64), sizes,
		  4);
	assert_true(pw_mqtt_decode_subscribe(&f.buf, 4, &s, &err) > 0);
	for (uint32_t walk = 0; walk < 3; walk++) {
		uint32_t at = 0;

		assert_true(pw_mqtt_next_filter(&f.buf, &s, &at, &filter, &options));
		assert_memory_equal(pw_mqtt_bytes(&f.buf, filter, text), "one", filter.len);
		assert_int_equal(options, 1);
		assert_true(pw_mqtt_next_filter(&f.buf, &s, &at, &filter, &options));
		assert_memory_equal(pw_mqtt_bytes(&f.buf, filter, text), "two", filter.len);
		assert_int_equal(options, 2);
	}
	frame_free(&f);
}

/* RFC 3629 written out as a decoder to code points: slow and plain. */
static bool
slow_utf8(const uint8_t *p, uint32_t n)
{
	static const uint32_t least[] = {0, 0x80, 0x800, 0x10000};
	uint32_t i = 0;

	while (i < n) {
		uint32_t more = p[i] < 0x80	  ? 0
				: p[i] >> 5 == 6  ? 1
				: p[i] >> 4 == 14 ? 2
				: p[i] >> 3 == 30 ? 3
						  : 9;
		uint32_t c;

		if (more > 3 || more > n - i - 1)
			return false;
		c = more == 0 ? p[i] : p[i] & (0x3F >> more);
		for (uint32_t k = 1; k <= more; k++) {
			if (p[i + k] >> 6 != 2)
				return false;
			c = c << 6 | (p[i + k] & 0x3F);
		}
		if (c == 0 || c < least[more] || c > 0x10FFFF || (c >= 0xD800 && c <= 0xDFFF))
			return false;
		i += more + 1;
	}
	return true;
}

static void
utf8_agrees_with_a_slow_plain_decoder_on_every_short_sequence(void **state)
{
	static const uint8_t edges[] = {0x01, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0,
					0xC1, 0xC2, 0xDF, 0xE0, 0xE1, 0xEC, 0xED, 0xEE, 0xEF,
					0xF0, 0xF1, 0xF3, 0xF4, 0xF5, 0xFF, 0x00};
	const uint32_t n = sizeof(edges);
	uint8_t p[4] = {0};

	(void)state;
	assert_true(pw_mqtt_utf8(p, 0));
	for (uint32_t i = 0; i < 65536; i++) {
		p[0] = (uint8_t)(i >> 8);
		p[1] = (uint8_t)i;
		assert_int_equal(pw_mqtt_utf8(p, 1), slow_utf8(p, 1));
		assert_int_equal(pw_mqtt_utf8(p, 2), slow_utf8(p, 2));
	}
	for (uint32_t i = 0; i < n * n * n * n; i++) {
		p[0] = edges[i % n];
		p[1] = edges[i / n % n];
		p[2] = edges[i / n / n % n];
		p[3] = edges[i / n / n / n];
		assert_int_equal(pw_mqtt_utf8(p, 3), slow_utf8(p, 3));
		assert_int_equal(pw_mqtt_utf8(p, 4), slow_utf8(p, 4));
	}
}

static void
utf8_finds_one_bad_byte_anywhere_in_a_long_text(void **state)
{
	static const uint8_t bad[] = {0x00, 0x80, 0xC0, 0xFF, 0xED};
	uint8_t text[41];

	(void)state;
	for (uint32_t n = 1; n <= sizeof(text); n++) {
		memset(text, 'a', sizeof(text));
		assert_true(pw_mqtt_utf8(text, n));
		for (uint32_t i = 0; i < n; i++) {
			for (uint32_t k = 0; k < sizeof(bad); k++) {
				text[i] = bad[k];
				assert_false(pw_mqtt_utf8(text, n));
			}
			text[i] = 'a';
		}
	}
}

static void
everything_has_a_name(void **state)
{
	(void)state;
	assert_string_equal(pw_mqtt_type_str(PW_MQTT_PUBLISH), "PUBLISH");
	assert_string_equal(pw_mqtt_type_str(PW_MQTT_AUTH), "AUTH");
	assert_string_equal(pw_mqtt_type_str(0), "reserved");
	for (uint32_t e = 0; e < PW_MQTT_E_MAX; e++) {
		assert_non_null(pw_mqtt_error_name(e));
		assert_true(strlen(pw_mqtt_error_str(e)) > 3);
		assert_int_equal(pw_mqtt_error_reason(e) >= 0x80, e != PW_MQTT_E_NONE);
	}
	assert_string_equal(pw_mqtt_error_name(PW_MQTT_E_TOPIC_NAME), "TOPIC_NAME");
	assert_int_equal(pw_mqtt_error_reason(PW_MQTT_E_TOPIC_NAME), 0x90);
	assert_int_equal(pw_mqtt_error_reason(PW_MQTT_E_NO_TOPIC), 0x82);
	assert_int_equal(pw_mqtt_error_reason(PW_MQTT_E_SUBSCRIPTION), 0x81);
	assert_int_equal(pw_mqtt_error_reason(PW_MQTT_E_OPTION_VALUE), 0x82);
	assert_int_equal(pw_mqtt_error_return_code(PW_MQTT_E_PROTOCOL_VERSION), 1);
	assert_int_equal(pw_mqtt_error_return_code(PW_MQTT_E_CLIENT_ID), 2);
	assert_int_equal(pw_mqtt_error_return_code(PW_MQTT_E_UTF8), 0);
	assert_string_equal(pw_mqtt_prop_str(PW_MQTT_PROP_TOPIC_ALIAS), "Topic Alias");
	assert_string_equal(pw_mqtt_reason_str(PW_MQTT_DISCONNECT, 5, 0), "normal disconnection");
	assert_string_equal(pw_mqtt_reason_str(PW_MQTT_PUBACK, 5, 0), "success");
	assert_string_equal(pw_mqtt_reason_str(PW_MQTT_CONNACK, 4, 5), "not authorized");
	assert_string_equal(pw_mqtt_reason_str(PW_MQTT_SUBACK, 4, 0x80), "failure");
	assert_string_equal(pw_mqtt_reason_str(PW_MQTT_CONNACK, 4, 99), "unknown reason");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(framing_reads_every_length_of_the_remaining_length),
		cmocka_unit_test(framing_asks_for_more_until_the_length_ends),
		cmocka_unit_test(framing_refuses_type_0_at_the_first_byte),
		cmocka_unit_test(framing_refuses_a_fifth_length_byte),
		cmocka_unit_test(framing_refuses_a_packet_over_the_limit_and_says_its_size),
		cmocka_unit_test(bytes_are_in_place_within_a_slice_and_copied_across_slices),
		cmocka_unit_test(a_byte_rewritten_in_place_is_read_again),
		cmocka_unit_test(a_frame_with_fewer_bytes_in_its_slices_than_it_says_is_truncated),
		cmocka_unit_test(a_decoder_refuses_a_packet_of_another_type_as_unexpected),
		cmocka_unit_test(a_refused_connect_still_says_its_version),
		cmocka_unit_test(the_filters_can_be_walked_more_than_once),
		cmocka_unit_test(utf8_agrees_with_a_slow_plain_decoder_on_every_short_sequence),
		cmocka_unit_test(utf8_finds_one_bad_byte_anywhere_in_a_long_text),
		cmocka_unit_test(everything_has_a_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
