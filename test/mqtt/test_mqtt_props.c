/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "support.h"

/*
 * Table 2-4 of 5.0, copied by hand and apart from the library's: which packets each property may
 * stand in. A letter a packet: C CONNECT, W will, c CONNACK, P PUBLISH, a PUBACK, r PUBREC, l
 * PUBREL, o PUBCOMP, S SUBSCRIBE, s SUBACK, U UNSUBSCRIBE, u UNSUBACK, D DISCONNECT, A AUTH.
 */
static const struct {
	enum pw_mqtt_prop prop;
	uint8_t id;
	const char *value; /* a valid one */
	const char *packets;
	const char *many; /* packets in which it may stand twice */
} spec[] = {
	{PW_MQTT_PROP_PAYLOAD_FORMAT, 0x01, "01", "PW", ""},
	{PW_MQTT_PROP_MESSAGE_EXPIRY, 0x02, "00000001", "PW", ""},
	{PW_MQTT_PROP_CONTENT_TYPE, 0x03, "S'a'", "PW", ""},
	{PW_MQTT_PROP_RESPONSE_TOPIC, 0x08, "S'a'", "PW", ""},
	{PW_MQTT_PROP_CORRELATION_DATA, 0x09, "S'a'", "PW", ""},
	{PW_MQTT_PROP_SUBSCRIPTION_ID, 0x0B, "01", "PS", "P"},
	{PW_MQTT_PROP_SESSION_EXPIRY, 0x11, "00000001", "CcD", ""},
	{PW_MQTT_PROP_ASSIGNED_CLIENT_ID, 0x12, "S'a'", "c", ""},
	{PW_MQTT_PROP_SERVER_KEEP_ALIVE, 0x13, "0001", "c", ""},
	{PW_MQTT_PROP_AUTH_METHOD, 0x15, "S'a'", "CcA", ""},
	{PW_MQTT_PROP_AUTH_DATA, 0x16, "S'a'", "CcA", ""},
	{PW_MQTT_PROP_REQUEST_PROBLEM, 0x17, "01", "C", ""},
	{PW_MQTT_PROP_WILL_DELAY, 0x18, "00000001", "W", ""},
	{PW_MQTT_PROP_REQUEST_RESPONSE, 0x19, "01", "C", ""},
	{PW_MQTT_PROP_RESPONSE_INFO, 0x1A, "S'a'", "c", ""},
	{PW_MQTT_PROP_SERVER_REFERENCE, 0x1C, "S'a'", "cD", ""},
	{PW_MQTT_PROP_REASON_STRING, 0x1F, "S'a'", "carlosuDA", ""},
	{PW_MQTT_PROP_RECEIVE_MAXIMUM, 0x21, "0001", "Cc", ""},
	{PW_MQTT_PROP_TOPIC_ALIAS_MAXIMUM, 0x22, "0001", "Cc", ""},
	{PW_MQTT_PROP_TOPIC_ALIAS, 0x23, "0001", "P", ""},
	{PW_MQTT_PROP_MAXIMUM_QOS, 0x24, "01", "c", ""},
	{PW_MQTT_PROP_RETAIN_AVAILABLE, 0x25, "01", "c", ""},
	{PW_MQTT_PROP_USER_PROPERTY, 0x26, "S'a' S'b'", "CcPWarloSsUuDA", "CcPWarloSsUuDA"},
	{PW_MQTT_PROP_MAXIMUM_PACKET_SIZE, 0x27, "00000001", "Cc", ""},
	{PW_MQTT_PROP_WILDCARD_AVAILABLE, 0x28, "01", "c", ""},
	{PW_MQTT_PROP_SUBSCRIPTION_ID_AVAILABLE, 0x29, "01", "c", ""},
	{PW_MQTT_PROP_SHARED_AVAILABLE, 0x2A, "01", "c", ""},
};

/* Packets around the properties, %s. */
static const struct {
	char letter;
	const char *wire;
} packets[] = {
	{'C', "10 * S'MQTT' 05 02 0000 {%s} S'd'"},
	{'W', "10 * S'MQTT' 05 06 0000 00 S'd' {%s} S'w' S'p'"},
	{'c', "20 * 00 00 {%s}"},
	{'P', "30 * S't' {%s} 'p'"},
	{'a', "40 * 0001 00 {%s}"},
	{'r', "50 * 0001 00 {%s}"},
	{'l', "62 * 0001 00 {%s}"},
	{'o', "70 * 0001 00 {%s}"},
	{'S', "82 * 0001 {%s} S'f' 00"},
	{'s', "90 * 0001 {%s} 00"},
	{'U', "A2 * 0001 {%s} S'f'"},
	{'u', "B0 * 0001 {%s} 00"},
	{'D', "E0 * 00 {%s}"},
	{'A', "F0 * 00 {%s}"},
};

/* Property i, `times` times, in packet k. */
static void
decoded(uint32_t i, uint32_t k, uint32_t times, char *out)
{
	static const uint16_t whole = UINT16_MAX;
	char props[128] = "", text[256];
	uint8_t wire[256];
	struct frame f;
	uint32_t len;

	/* what demands an authentication method gets one */
	if (spec[i].prop != PW_MQTT_PROP_AUTH_METHOD &&
	    (packets[k].letter == 'A' || spec[i].prop == PW_MQTT_PROP_AUTH_DATA) &&
	    strchr("CcA", packets[k].letter) != NULL)
		strcpy(props, "15 S'm' ");
	for (uint32_t n = 0; n < times; n++) {
		size_t used = strlen(props);

		snprintf(props + used, sizeof(props) - used, "%02X %s ", spec[i].id, spec[i].value);
	}
	snprintf(text, sizeof(text), packets[k].wire, props);
	len = notation(text, wire, sizeof(wire));
	frame_cut(&f, wire, len, &whole, 1);
	dump(&f.buf, 5, out);
	frame_free(&f);
}

static void
each_property_stands_in_the_packets_of_table_2_4_and_in_no_other(void **state)
{
	static char out[DUMP_MAX];

	(void)state;
	assert_int_equal(RTE_DIM(spec), PW_MQTT_PROP_MAX);
	for (uint32_t i = 0; i < RTE_DIM(spec); i++) {
		assert_int_equal(spec[i].prop, i);
		assert_int_equal(pw_mqtt_prop_id(i), spec[i].id);
		assert_non_null(pw_mqtt_prop_str(i));
		for (uint32_t k = 0; k < RTE_DIM(packets); k++) {
			bool allowed = strchr(spec[i].packets, packets[k].letter) != NULL;

			decoded(i, k, 1, out);
			if (allowed != (strncmp(out, "error", 5) != 0))
				fail_msg("%s in %c: %s", pw_mqtt_prop_str(i), packets[k].letter,
					 out);
			if (!allowed)
				assert_string_equal(out, "error PROPERTY");
		}
	}
}

static void
a_property_that_stands_twice_is_refused_where_it_may_stand_once(void **state)
{
	static char out[DUMP_MAX];

	(void)state;
	for (uint32_t i = 0; i < RTE_DIM(spec); i++) {
		for (uint32_t k = 0; k < RTE_DIM(packets); k++) {
			if (strchr(spec[i].packets, packets[k].letter) == NULL)
				continue;
			decoded(i, k, 2, out);
			if (strchr(spec[i].many, packets[k].letter) != NULL)
				assert_int_not_equal(strncmp(out, "error", 5), 0);
			else
				assert_string_equal(out, "error PROPERTY_TWICE");
		}
	}
}

/* 5.0 2.4 and the sections of the packets: type, codes that it may carry, in order. */
static const struct {
	enum pw_mqtt_type type;
	const char *codes;
} reasons[] = {
	{PW_MQTT_CONNACK, "00 80 81 82 83 84 85 86 87 88 89 8A 8C 90 95 97 99 9A 9B 9C 9D 9F"},
	{PW_MQTT_PUBACK, "00 10 80 83 87 90 91 97 99"},
	{PW_MQTT_PUBREC, "00 10 80 83 87 90 91 97 99"},
	{PW_MQTT_PUBREL, "00 92"},
	{PW_MQTT_PUBCOMP, "00 92"},
	{PW_MQTT_SUBACK, "00 01 02 80 83 87 8F 91 97 9E A1 A2"},
	{PW_MQTT_UNSUBACK, "00 11 80 83 87 8F 91"},
	{PW_MQTT_DISCONNECT, "00 04 80 81 82 83 87 89 8B 8C 8D 8E 8F 90 93 94 95 96 97 98 99 9A 9B "
			     "9C 9D 9E 9F A0 A1 A2"},
	{PW_MQTT_AUTH, "00 18 19"},
};

static const char *
around(enum pw_mqtt_type type)
{
	switch (type) {
	case PW_MQTT_CONNACK:
		return "20 * 00 %02X 00";
	case PW_MQTT_PUBACK:
		return "40 * 0001 %02X 00";
	case PW_MQTT_PUBREC:
		return "50 * 0001 %02X 00";
	case PW_MQTT_PUBREL:
		return "62 * 0001 %02X 00";
	case PW_MQTT_PUBCOMP:
		return "70 * 0001 %02X 00";
	case PW_MQTT_SUBACK:
		return "90 * 0001 00 %02X";
	case PW_MQTT_UNSUBACK:
		return "B0 * 0001 00 %02X";
	case PW_MQTT_DISCONNECT:
		return "E0 * %02X 00";
	default:
		return "F0 * %02X {15 S'm'}";
	}
}

static void
each_packet_takes_its_own_reason_codes_and_no_other(void **state)
{
	static const uint16_t whole = UINT16_MAX;
	static char out[DUMP_MAX];
	char text[64], code[4];
	uint8_t wire[64];
	struct frame f;

	(void)state;
	for (uint32_t i = 0; i < RTE_DIM(reasons); i++) {
		for (uint32_t c = 0; c < 256; c++) {
			bool allowed;

			snprintf(code, sizeof(code), "%02X", c);
			allowed = strstr(reasons[i].codes, code) != NULL;
			snprintf(text, sizeof(text), around(reasons[i].type), c);
			frame_cut(&f, wire, notation(text, wire, sizeof(wire)), &whole, 1);
			dump(&f.buf, 5, out);
			frame_free(&f);
			if (allowed == (strcmp(out, "error REASON_CODE") == 0))
				fail_msg("%s %02X: %s", pw_mqtt_type_str(reasons[i].type), c, out);
			assert_int_equal(strcmp(pw_mqtt_reason_str(reasons[i].type, 5, (uint8_t)c),
						"unknown reason") != 0,
					 allowed);
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_property_stands_in_the_packets_of_table_2_4_and_in_no_other),
		cmocka_unit_test(a_property_that_stands_twice_is_refused_where_it_may_stand_once),
		cmocka_unit_test(each_packet_takes_its_own_reason_codes_and_no_other),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
