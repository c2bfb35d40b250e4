/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "support.h"

#define STR(s) ((struct pw_mqtt_str){.data = (s), .len = sizeof(s) - 1})

static uint8_t got[512];

/* What an encoder wrote is exactly what the notation says. */
static void
wrote(int n, const char *text)
{
	uint8_t want[512];
	uint32_t len = notation(text, want, sizeof(want));

	assert_int_equal(n, len);
	assert_memory_equal(got, want, len);
}

static const struct pw_mqtt_prop_out reason[] = {
	{.which = PW_MQTT_PROP_REASON_STRING, .str = STR("no")},
	{.which = PW_MQTT_PROP_USER_PROPERTY, .str = STR("k"), .value = STR("v")},
};
static const struct pw_mqtt_props_out reasons = {.p = reason, .n = 2};
static const struct pw_mqtt_props_out none;

static void
connect_is_written_as_each_version_wants_it(void **state)
{
	struct pw_mqtt_str user = STR("u"), password = STR("p");
	struct pw_mqtt_prop_out maximum[] = {
		{.which = PW_MQTT_PROP_RECEIVE_MAXIMUM, .num = 20},
		{.which = PW_MQTT_PROP_MAXIMUM_PACKET_SIZE, .num = 65536},
		{.which = PW_MQTT_PROP_REQUEST_PROBLEM, .num = 0},
	};
	struct pw_mqtt_prop_out delay = {.which = PW_MQTT_PROP_WILL_DELAY, .num = 5};
	struct pw_mqtt_connect_out c = {
		.version = 4, .clean = true, .keepalive = 60, .client_id = STR("d")};

	(void)state;
	wrote(pw_mqtt_encode_connect(got, sizeof(got), &c), "10 * S'MQTT' 04 02 003C S'd'");
	c.version = 3;
	wrote(pw_mqtt_encode_connect(got, sizeof(got), &c), "10 * S'MQIsdp' 03 02 003C S'd'");
	c.version = 5;
	wrote(pw_mqtt_encode_connect(got, sizeof(got), &c), "10 * S'MQTT' 05 02 003C 00 S'd'");
	c.clean = false;
	c.username = &user;
	c.password = &password;
	c.has_will = true;
	c.will_qos = 2;
	c.will_retain = true;
	c.will_topic = STR("w");
	c.will_payload = STR("gone");
	c.props = (struct pw_mqtt_props_out){.p = maximum, .n = 3, .raw = STR("\x22\x00\x07")};
	c.will_props = (struct pw_mqtt_props_out){.p = &delay, .n = 1};
	wrote(pw_mqtt_encode_connect(got, sizeof(got), &c),
	      "10 * S'MQTT' 05 F4 003C {21 0014 27 00010000 17 00 22 0007} S'd' {18 00000005} S'w' "
	      "S'gone' S'u' S'p'");
	c.version = 4;
	wrote(pw_mqtt_encode_connect(got, sizeof(got), &c),
	      "10 * S'MQTT' 04 F4 003C S'd' S'w' S'gone' S'u' S'p'");
}

static void
connack_is_written_with_properties_in_5_only(void **state)
{
	(void)state;
	wrote(pw_mqtt_encode_connack(got, sizeof(got), 4, true, 0, NULL), "2002 0100");
	wrote(pw_mqtt_encode_connack(got, sizeof(got), 3, false, 5, &reasons), "2002 0005");
	wrote(pw_mqtt_encode_connack(got, sizeof(got), 5, false, 0x87, NULL), "2003 008700");
	wrote(pw_mqtt_encode_connack(got, sizeof(got), 5, false, 0x87, &reasons),
	      "20 * 00 87 {1F S'no' 26 S'k' S'v'}");
}

static void
publish_is_written_up_to_its_payload(void **state)
{
	struct pw_mqtt_prop_out p[] = {
		{.which = PW_MQTT_PROP_TOPIC_ALIAS, .num = 5},
		{.which = PW_MQTT_PROP_SUBSCRIPTION_ID, .num = 128},
		{.which = PW_MQTT_PROP_CORRELATION_DATA, .str = STR("\0\1")},
	};
	struct pw_mqtt_props_out props = {.p = p, .n = 3};

	(void)state;
	wrote(pw_mqtt_encode_publish(got, sizeof(got), 4, false, 0, false, STR("a/b"), 0, NULL, 2),
	      "30 07 S'a/b'");
	wrote(pw_mqtt_encode_publish(got, sizeof(got), 4, true, 1, true, STR("a"), 0x1234, &props,
				     200),
	      "3B CD01 S'a' 1234");
	wrote(pw_mqtt_encode_publish(got, sizeof(got), 5, false, 2, false, STR("a"), 1, NULL, 0),
	      "34 06 S'a' 0001 00");
	wrote(pw_mqtt_encode_publish(got, sizeof(got), 5, false, 0, false, STR(""), 0, &props, 1),
	      "30 0F S'' {23 0005 0B 8001 09 0002 0001}");
	/* the room is for what is written, not for the payload */
	wrote(pw_mqtt_encode_publish(got, 9, 4, false, 0, false, STR("abc"), 0, NULL, 1000000),
	      "30 C5843D S'abc'");
}

static void
acknowledgements_are_as_short_as_they_may_be(void **state)
{
	(void)state;
	wrote(pw_mqtt_encode_ack(got, sizeof(got), PW_MQTT_PUBACK, 4, 1, 0, NULL), "4002 0001");
	wrote(pw_mqtt_encode_ack(got, sizeof(got), PW_MQTT_PUBREC, 4, 1, 0x87, &reasons),
	      "5002 0001");
	wrote(pw_mqtt_encode_ack(got, sizeof(got), PW_MQTT_PUBREL, 5, 0xFFFF, 0, &none),
	      "6202 FFFF");
	wrote(pw_mqtt_encode_ack(got, sizeof(got), PW_MQTT_PUBCOMP, 5, 1, 0x92, NULL),
	      "7003 0001 92");
	wrote(pw_mqtt_encode_ack(got, sizeof(got), PW_MQTT_PUBACK, 5, 1, 0, &reasons),
	      "40 * 0001 00 {1F S'no' 26 S'k' S'v'}");
	wrote(pw_mqtt_encode_disconnect(got, sizeof(got), PW_MQTT_DISCONNECT, 4, 0x8B, &reasons),
	      "E000");
	wrote(pw_mqtt_encode_disconnect(got, sizeof(got), PW_MQTT_DISCONNECT, 5, 0, NULL), "E000");
	wrote(pw_mqtt_encode_disconnect(got, sizeof(got), PW_MQTT_DISCONNECT, 5, 0x8B, NULL),
	      "E001 8B");
	wrote(pw_mqtt_encode_disconnect(got, sizeof(got), PW_MQTT_DISCONNECT, 5, 0, &reasons),
	      "E0 * 00 {1F S'no' 26 S'k' S'v'}");
	wrote(pw_mqtt_encode_disconnect(got, sizeof(got), PW_MQTT_AUTH, 5, 0, NULL), "F000");
	wrote(pw_mqtt_encode_ping(got, sizeof(got), PW_MQTT_PINGREQ), "C000");
	wrote(pw_mqtt_encode_ping(got, sizeof(got), PW_MQTT_PINGRESP), "D000");
}

static void
subscriptions_and_their_answers_are_written(void **state)
{
	static const struct pw_mqtt_filter_out f[] = {{STR("a/#"), 1}, {STR("+"), 2}};
	static const uint8_t codes[] = {0x01, 0x80};

	(void)state;
	wrote(pw_mqtt_encode_subscribe(got, sizeof(got), PW_MQTT_SUBSCRIBE, 4, 7, f, 2, NULL),
	      "82 * 0007 S'a/#' 01 S'+' 02");
	wrote(pw_mqtt_encode_subscribe(got, sizeof(got), PW_MQTT_SUBSCRIBE, 5, 7, f, 1, NULL),
	      "82 * 0007 00 S'a/#' 01");
	wrote(pw_mqtt_encode_subscribe(got, sizeof(got), PW_MQTT_UNSUBSCRIBE, 4, 7, f, 2, NULL),
	      "A2 * 0007 S'a/#' S'+'");
	wrote(pw_mqtt_encode_suback(got, sizeof(got), PW_MQTT_SUBACK, 4, 7, codes, 2, NULL),
	      "90 * 0007 01 80");
	wrote(pw_mqtt_encode_suback(got, sizeof(got), PW_MQTT_SUBACK, 5, 7, codes, 1, &reasons),
	      "90 * 0007 {1F S'no' 26 S'k' S'v'} 01");
	wrote(pw_mqtt_encode_suback(got, sizeof(got), PW_MQTT_UNSUBACK, 4, 7, codes, 2, NULL),
	      "B002 0007");
	wrote(pw_mqtt_encode_suback(got, sizeof(got), PW_MQTT_UNSUBACK, 5, 7, codes, 2, NULL),
	      "B0 * 0007 00 01 80");
}

static void
the_remaining_length_grows_by_a_byte_where_it_must(void **state)
{
	static const struct {
		uint32_t remaining;
		const char *wire;
	} cases[] = {
		{3, "30 03 S'a'"},
		{127, "30 7F S'a'"},
		{128, "30 8001 S'a'"},
		{16383, "30 FF7F S'a'"},
		{16384, "30 808001 S'a'"},
		{2097151, "30 FFFF7F S'a'"},
		{2097152, "30 80808001 S'a'"},
		{PW_MQTT_MAX_REMAINING, "30 FFFFFF7F S'a'"},
	};

	(void)state;
	for (uint32_t i = 0; i < RTE_DIM(cases); i++)
		wrote(pw_mqtt_encode_publish(got, sizeof(got), 4, false, 0, false, STR("a"), 0,
					     NULL, cases[i].remaining - 3),
		      cases[i].wire);
}

/* Both lengths, of the packet and of its properties, are measured as they are then written. */
static void
the_property_length_grows_by_a_byte_where_it_must(void **state)
{
	static const uint32_t sizes[] = {0,	1,	 124,	  125,	   126,	    127,
					 128,	129,	 16380,	  16381,   16383,   16384,
					 16385, 2097148, 2097149, 2097151, 2097152, 2097153};
	static uint8_t raw[2097153], packet[2097153 + 16];
	enum pw_mqtt_error err;
	uint32_t total;

	(void)state;
	for (uint32_t i = 0; i < RTE_DIM(sizes); i++) {
		struct pw_mqtt_props_out props = {.raw = {.data = raw, .len = sizes[i]}};
		int n = pw_mqtt_encode_connack(packet, sizeof(packet), 5, false, 0, &props);

		assert_true(n > 0);
		assert_true(pw_mqtt_frame(packet, 5, 0, &total, &err) > 0);
		assert_int_equal(total, n);
		assert_int_equal(pw_mqtt_encode_connack(packet, (uint32_t)n, 5, false, 0, &props),
				 n);
		assert_int_equal(
			pw_mqtt_encode_connack(packet, (uint32_t)n - 1, 5, false, 0, &props),
			-ENOBUFS);
	}
}

/* Every room below what is needed is refused and nothing is written. */
#define SHORT_ROOM(call)                                                                           \
	do {                                                                                       \
		uint32_t room = sizeof(got);                                                       \
		int need = (call);                                                                 \
		assert_true(need > 0);                                                             \
		memset(got, 0xEE, sizeof(got));                                                    \
		for (room = 0; room < (uint32_t)need; room++)                                      \
			assert_int_equal((call), -ENOBUFS);                                        \
		for (uint32_t i = 0; i < sizeof(got); i++)                                         \
			assert_int_equal(got[i], 0xEE);                                            \
		assert_int_equal((call), need);                                                    \
		assert_int_equal(got[need], 0xEE);                                                 \
	} while (0)

static void
too_little_room_is_refused_before_anything_is_written(void **state)
{
	static const struct pw_mqtt_filter_out f = {STR("a/#"), 1};
	struct pw_mqtt_connect_out c = {.version = 5, .client_id = STR("d"), .props = reasons};
	uint8_t code = 0;

	(void)state;
	SHORT_ROOM(pw_mqtt_encode_connect(got, room, &c));
	SHORT_ROOM(pw_mqtt_encode_connack(got, room, 5, false, 0, &reasons));
	SHORT_ROOM(pw_mqtt_encode_publish(got, room, 5, false, 1, false, STR("a"), 1, NULL, 500));
	SHORT_ROOM(pw_mqtt_encode_ack(got, room, PW_MQTT_PUBACK, 5, 1, 0, &reasons));
	SHORT_ROOM(pw_mqtt_encode_subscribe(got, room, PW_MQTT_SUBSCRIBE, 5, 1, &f, 1, &reasons));
	SHORT_ROOM(pw_mqtt_encode_suback(got, room, PW_MQTT_SUBACK, 5, 1, &code, 1, &reasons));
	SHORT_ROOM(pw_mqtt_encode_ping(got, room, PW_MQTT_PINGREQ));
	SHORT_ROOM(pw_mqtt_encode_disconnect(got, room, PW_MQTT_DISCONNECT, 5, 0x80, &reasons));
}

static void
a_packet_that_the_protocol_cannot_say_is_refused(void **state)
{
	struct pw_mqtt_props_out huge = {.raw = {.data = got, .len = PW_MQTT_MAX_REMAINING}};

	(void)state;
	assert_int_equal(pw_mqtt_encode_publish(got, sizeof(got), 4, false, 0, false, STR("a"), 0,
						NULL, PW_MQTT_MAX_REMAINING - 3),
			 1 + 4 + 3);
	assert_int_equal(pw_mqtt_encode_publish(got, sizeof(got), 4, false, 0, false, STR("a"), 0,
						NULL, PW_MQTT_MAX_REMAINING - 2),
			 -EMSGSIZE);
	assert_int_equal(pw_mqtt_encode_publish(got, sizeof(got), 5, false, 0, false, STR("a"), 0,
						NULL, UINT32_MAX),
			 -EMSGSIZE);
	assert_int_equal(pw_mqtt_encode_ack(got, sizeof(got), PW_MQTT_PUBACK, 5, 1, 0, &huge),
			 -EMSGSIZE);
	huge.raw.len++;
	assert_int_equal(pw_mqtt_encode_connack(got, sizeof(got), 5, false, 0, &huge), -EMSGSIZE);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(connect_is_written_as_each_version_wants_it),
		cmocka_unit_test(connack_is_written_with_properties_in_5_only),
		cmocka_unit_test(publish_is_written_up_to_its_payload),
		cmocka_unit_test(acknowledgements_are_as_short_as_they_may_be),
		cmocka_unit_test(subscriptions_and_their_answers_are_written),
		cmocka_unit_test(the_remaining_length_grows_by_a_byte_where_it_must),
		cmocka_unit_test(the_property_length_grows_by_a_byte_where_it_must),
		cmocka_unit_test(too_little_room_is_refused_before_anything_is_written),
		cmocka_unit_test(a_packet_that_the_protocol_cannot_say_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
