/* SPDX-License-Identifier: BSD-3-Clause */
/* What a device may do, and what it is told: CONNECT, keepalive, take-over, refusals. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <rte_common.h>

#include "connect.h"

#define BYTES(...) (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__})

/* CONNECT with what a test needs. */
static void
connack_of_5_tells_what_is_not_available(void **state)
{
	struct pw_mqtt_connack c;
	enum pw_mqtt_error err;
	static struct rte_mbuf m;
	struct pw_slice s = {.mbuf = &m};
	struct pw_mqtt_buf b = {.s = &s, .n = 1};

	(void)state;
	w.set.nb_brokers = 3;
	w.set.route[0].brokers = 7;
	w.broker[1].no_retain = true;
	w.broker[0].max = 5000;
	w.broker[2].max = 6000;
	world_start(1, 3, 0);
	connect_with(0, 0, &(struct connect){.version = 5, .id = "", .keepalive = 5000});
	m.buf_addr = w.device[0].rx;
	s.len = (uint16_t)w.device[0].len;
	b.len = w.device[0].len;
	assert_true(pw_mqtt_decode_connack(&b, 5, &c, &err) > 0);
	assert_int_equal(c.code, 0);
	assert_false(c.session_present);
	assert_int_equal(c.props.value[PW_MQTT_PROP_RECEIVE_MAXIMUM].num, 64);
	assert_false(pw_mqtt_has(&c.props, PW_MQTT_PROP_MAXIMUM_QOS));
	assert_int_equal(c.props.value[PW_MQTT_PROP_SERVER_KEEP_ALIVE].num, 1200);
	assert_int_equal(c.props.value[PW_MQTT_PROP_MAXIMUM_PACKET_SIZE].num, 5000);
	assert_true(pw_mqtt_has(&c.props, PW_MQTT_PROP_RETAIN_AVAILABLE));
	assert_int_equal(c.props.value[PW_MQTT_PROP_RETAIN_AVAILABLE].num, 0);
	assert_true(pw_mqtt_has(&c.props, PW_MQTT_PROP_WILDCARD_AVAILABLE));
	assert_int_equal(c.props.value[PW_MQTT_PROP_WILDCARD_AVAILABLE].num, 0);
	assert_true(pw_mqtt_has(&c.props, PW_MQTT_PROP_TOPIC_ALIAS_MAXIMUM));
	assert_int_equal(c.props.value[PW_MQTT_PROP_TOPIC_ALIAS_MAXIMUM].num, 16);
	assert_true(c.props.value[PW_MQTT_PROP_ASSIGNED_CLIENT_ID].span.len > 8);
	ledger();
}

static void
empty_client_identifiers_need_a_clean_session(void **state)
{
	(void)state;
	world_start(1, 3, 0);
	connect_with(0, 0, &(struct connect){.version = 4, .id = ""});
	assert_int_equal(connack_code(0), 0);
	connect_with(1, 0, &(struct connect){.version = 4, .id = "", .dirty = true});
	assert_int_equal(connack_code(1), 2);
	world_run(20);
	assert_true(w.device[1].closed);
	connect_with(2, 0, &(struct connect){.version = 4, .id = ""});
	assert_int_equal(connack_code(2), 0);
	assert_false(w.device[0].closed); /* its identifier is its own */
	assert_int_equal(counters()->connects_refused, 1);
}

static void
an_unknown_version_is_told_so(void **state)
{
	(void)state;
	world_start(1, 3, 0);
	device_open(0, 0);
	device_send(0, BYTES(0x10, 13, 0, 4, 'M', 'Q', 'T', 'T', 9, 2, 0, 60, 0, 1, 'a'));
	world_run(20);
	assert_int_equal(connack_code(0), 1);
	assert_true(w.device[0].closed);
}

static void
a_version_whose_lane_is_off_is_refused(void **state)
{
	(void)state;
	w.set.lanes = 1u << PW_LANE_3;
	world_start(1, 3, 0);
	connect_with(0, 0, &(struct connect){.version = 5, .id = "a"});
	assert_int_equal(connack_code(0), 0x84);
	connect_with(1, 0, &(struct connect){.version = 4, .id = "a"});
	assert_int_equal(connack_code(1), 0);
}

static void
anything_before_connect_closes(void **state)
{
	(void)state;
	world_start(1, 3, 0);
	device_open(0, 0);
	device_send(0, BYTES(0xC0, 0));
	world_run(20);
	assert_true(w.device[0].closed);
	assert_int_equal(w.device[0].len, 0);
	assert_int_equal(counters()->malformed, 1);
}

static void
a_second_connect_is_a_protocol_error(void **state)
{
	(void)state;
	world_start(1, 3, 0);
	device_connect(0, 0, 5, "a");
	device_send(0, BYTES(0x10, 14, 0, 4, 'M', 'Q', 'T', 'T', 5, 2, 0, 60, 0, 0, 1, 'a'));
	world_run(20);
	assert_true(device_got(0, BYTES(0xE0, 1, 0x82)) || device_got(0, BYTES(0xE0, 2, 0x82, 0)));
	assert_true(w.device[0].closed);
}

static void
no_connect_in_time_closes(void **state)
{
	(void)state;
	world_start(1, 3, 0);
	device_open(0, 0);
	device_send(0, BYTES(0x10, 14, 0, 4));
	world_run(9000);
	assert_false(w.device[0].closed);
	world_run(1500);
	assert_true(w.device[0].closed);
	assert_int_equal(counters()->connect_deadline, 1);
	assert_int_equal(pw_forward_sessions(w.forward[0]), 0);
}

static void
silence_beyond_one_and_a_half_keepalives_closes_and_pings_prevent_it(void **state)
{
	(void)state;
	world_start(1, 3, 0);
	connect_with(0, 0,
		     &(struct connect){.version = 5, .id = "a", .keepalive = 10, .will = "w"});
	connect_with(1, 0, &(struct connect){.version = 5, .id = "b", .keepalive = 10});
	for (int i = 0; i < 4; i++) {
		world_run(7000);
		device_send(1, BYTES(0xC0, 0));
	}
	world_run(100);
	assert_true(w.device[0].closed);
	assert_false(w.device[1].closed);
	assert_true(device_got(1, BYTES(0xD0, 0)));
	assert_int_equal(counters()->keepalive_expired, 1);
	assert_int_equal(counters()->pings, 4);
	assert_int_equal(w.broker[0].nb, 1);
	assert_string_equal(w.broker[0].record[0].text, "w");
	ledger();
}

static void
a_second_connection_takes_the_identifier_over(void **state)
{
	(void)state;
	world_start(1, 3, 0);
	device_connect(0, 0, 5, "same");
	device_connect(1, 0, 4, "same");
	world_run(20);
	assert_true(w.device[0].closed);
	assert_true(device_got(0, BYTES(0xE0, 1, 0x8E)) || device_got(0, BYTES(0xE0, 2, 0x8E, 0)));
	assert_false(w.device[1].closed);
	assert_int_equal(counters()->takeovers, 1);
	device_connect(2, 0, 4, "same");
	world_run(20);
	assert_true(w.device[1].closed);
	assert_int_equal(w.device[1].len, 0);
}

static void
takeover_works_across_workers(void **state)
{
	uint32_t closed = 0;

	(void)state;
	world_start(2, 3, 3);
	for (uint32_t i = 0; i < 8; i++) {
		char id[8];

		snprintf(id, sizeof(id), "id%u", i);
		device_connect(i, i % 2, 5, id);
		device_connect(8 + i, 1 - i % 2, 5, id);
	}
	world_run(50);
	for (uint32_t i = 0; i < 16; i++) {
		closed += w.device[i].closed;
		assert_int_equal(w.device[i].closed, i < 8);
	}
	assert_int_equal(closed, 8);
	assert_int_equal(pw_forward_counters(w.forward[0])->takeovers +
				 pw_forward_counters(w.forward[1])->takeovers,
			 8);
}

static void
a_claim_waits_for_its_grant_and_three_in_line_leave_the_last(void **state)
{
	(void)state;
	world_start(2, 3, 3);
	device_connect(0, 0, 5, "x");
	w.post_full = true;
	for (uint32_t i = 1; i <= 3; i++)
		connect_with(i, i % 2, &(struct connect){.version = 5, .id = "x"});
	w.post_full = false;
	world_run(100);
	assert_true(w.device[0].closed);
	assert_int_equal(w.device[1].closed + w.device[2].closed + w.device[3].closed, 2);
	assert_int_equal(pw_forward_sessions(w.forward[0]) + pw_forward_sessions(w.forward[1]), 1);
}

static void
subscriptions_are_refused_filter_by_filter(void **state)
{
	(void)state;
	world_start(1, 3, 0);
	device_connect(0, 0, 4, "a");
	device_send(0, BYTES(0x82, 11, 0, 7, 0, 1, 'a', 1, 0, 2, 'b', '/', 0));
	world_run(10);
	assert_true(device_got(0, BYTES(0x90, 4, 0, 7, 0x80, 0x80)));
	device_connect(1, 0, 5, "b");
	device_send(1, BYTES(0x82, 11, 0, 7, 0, 0, 1, 'a', 1, 0, 1, '#', 0));
	world_run(10);
	assert_true(device_got(1, BYTES(0x90, 5, 0, 7, 0, 0x83, 0xA2)));
	device_send(1, BYTES(0xA2, 6, 0, 8, 0, 0, 1, 'a'));
	world_run(10);
	assert_true(device_got(1, BYTES(0xB0, 4, 0, 8, 0, 0x11)));
	assert_int_equal(counters()->subscribes_refused, 2);
}

static void
a_qos_that_a_broker_does_not_take_is_refused(void **state)
{
	(void)state;
	w.broker[1].max_qos1 = true;
	world_start(1, 3, 0);
	device_open(0, 0);
	device_send(0, BYTES(0x10, 14, 0, 4, 'M', 'Q', 'T', 'T', 5, 2, 0, 60, 0, 0, 1, 'a'));
	world_run(20);
	assert_non_null(memmem(w.device[0].rx, w.device[0].len, BYTES(0x24, 1)));
	device_publish(0, 5, 2, 1, "t", "x");
	world_run(20);
	assert_true(device_got(0, BYTES(0xE0, 1, 0x9B)) || device_got(0, BYTES(0xE0, 2, 0x9B, 0)));
	assert_true(w.device[0].closed);
	assert_int_equal(counters()->refused_qos, 1);
	assert_int_equal(w.broker[0].nb, 0);
}

static void
everything_whole_before_a_malformed_packet_is_forwarded(void **state)
{
	uint8_t out[64];
	uint32_t n = publish_bytes(out, sizeof(out), 5, 1, false, 9, "t", "good", 4);

	(void)state;
	world_start(1, 3, 0);
	device_connect(0, 0, 5, "a");
	memcpy(out + n, (const uint8_t[]){0x36, 4, 0, 1, 't', 0}, 6); /* QoS 3 */
	device_send(0, out, n + 6);
	world_run(20);
	assert_int_equal(w.broker[0].nb, 1);
	assert_string_equal(w.broker[0].record[0].text, "good");
	assert_true(w.device[0].closed);
	assert_int_equal(counters()->malformed, 1);
	assert_int_equal(counters()->disconnects_sent, 1);
	ledger();
}

static void
a_packet_larger_than_told_is_refused_at_its_header(void **state)
{
	(void)state;
	w.set.limits.max_packet_size = 10000;
	world_start(1, 3, 0);
	device_connect(0, 0, 5, "a");
	device_send(0, BYTES(0x30, 0xFF, 0x7F, 0, 1));
	world_run(20);
	assert_true(device_got(0, BYTES(0xE0, 1, 0x95)) || device_got(0, BYTES(0xE0, 2, 0x95, 0)));
	assert_true(w.device[0].closed);
}

static void
topic_aliases_are_an_error_where_none_were_granted(void **state)
{
	(void)state;
	w.set.limits.topic_alias_maximum = 0;
	world_start(1, 3, 0);
	device_connect(0, 0, 5, "a");
	device_send(0, BYTES(0x30, 8, 0, 1, 't', 3, 0x23, 0, 1, 'x'));
	world_run(20);
	assert_true(device_got(0, BYTES(0xE0, 1, 0x94)) || device_got(0, BYTES(0xE0, 2, 0x94, 0)));
	assert_int_equal(w.broker[0].nb, 0);
}

static void
receive_maximum_ends_a_device_of_5_and_holds_one_of_3(void **state)
{
	(void)state;
	w.set.limits.receive_maximum = 3;
	w.broker[0].hold = true;
	world_start(1, 3, 0);
	device_connect(0, 0, 5, "a");
	device_connect(1, 0, 4, "b");
	for (uint16_t i = 1; i <= 5; i++) {
		device_publish(0, 5, 1, i, "t", "five");
		device_publish(1, 4, 1, i, "t", "three");
		world_run(5);
	}
	assert_true(device_got(0, BYTES(0xE0, 1, 0x93)) || device_got(0, BYTES(0xE0, 2, 0x93, 0)));
	assert_true(w.device[0].closed);
	assert_false(w.device[1].closed);
	assert_int_equal(w.broker[1].nb, 6);
	while (world_ack(0, 1) > 0)
		world_run(5);
	assert_int_equal(device_acks(1, 4, NULL, NULL, 9), 5);
	assert_int_equal(w.broker[1].nb, 8);
	assert_int_equal(counters()->orphaned, 3);
	ledger();
}

static void
sessions_are_listed(void **state)
{
	struct pw_session_info info[4];
	uint32_t at = 0;

	(void)state;
	world_start(1, 3, 0);
	device_connect(0, 0, 5, "first");
	device_connect(1, 0, 4, "second");
	device_publish(1, 4, 0, 0, "t", "x");
	world_run(5);
	assert_int_equal(pw_forward_sessions(w.forward[0]), 2);
	assert_int_equal(pw_forward_session_list(w.forward[0], &at, info, 4), 2);
	for (uint32_t i = 0; i < 2; i++) {
		bool second = info[i].version == 4;

		assert_string_equal(info[i].client_id, second ? "second" : "first");
		assert_int_equal(info[i].messages, second);
		assert_true(info[i].index < pw_forward_max_sessions(&(struct pw_limits_conf){
						    .max_connections = 32}));
		assert_true(info[0].index != info[1].index);
		assert_int_equal(info[i].keepalive, 60);
	}
}

static void
long_identifiers_are_told_apart_by_all_of_their_bytes_and_listed_by_the_first(void **state)
{
	static const char first[] = "urn:example:site-0123456789:device-4567:a";
	static const char second[] = "urn:example:site-0123456789:device-4567:b";
	struct pw_session_info info[4];
	uint32_t at = 0;

	(void)state;
	world_start(1, 3, 0);
	device_connect(0, 0, 5, first);
	device_connect(1, 0, 5, second);
	world_run(5);
	assert_false(w.device[0].closed);
	assert_int_equal(counters()->takeovers, 0);
	assert_int_equal(pw_forward_session_list(w.forward[0], &at, info, 4), 2);
	for (uint32_t i = 0; i < 2; i++) {
		assert_int_equal(strlen(info[i].client_id), 39);
		assert_memory_equal(info[i].client_id, first, 39);
		assert_int_equal(info[i].flow.lport, 1883);
	}
	device_connect(2, 0, 5, second);
	world_run(5);
	assert_true(w.device[1].closed);
	assert_false(w.device[0].closed);
	assert_int_equal(counters()->takeovers, 1);
}

static void
an_assigned_identifier_is_told_whole_and_listed_whole(void **state)
{
	struct pw_session_info info[4];
	uint32_t at = 0, len;

	(void)state;
	snprintf(w.set.clientid_prefix, sizeof(w.set.clientid_prefix), "0123456789abcdefghij");
	world_start(1, 3, 0);
	connect_with(0, 0, &(struct connect){.version = 5, .id = ""});
	assert_int_equal(connack_code(0), 0);
	assert_int_equal(pw_forward_session_list(w.forward[0], &at, info, 4), 1);
	len = (uint32_t)strlen(info[0].client_id);
	assert_int_equal(len, 16 + 1 + 18);
	assert_memory_equal(info[0].client_id, "0123456789abcdef-00", 19);
	/* CONNACK holds it: property 0x12 and the string. */
	for (uint32_t i = 0; i + 3 + len <= w.device[0].len; i++) {
		const uint8_t *p = w.device[0].rx + i;

		if (p[0] == 0x12 && p[2] == len && memcmp(p + 3, info[0].client_id, len) == 0)
			return;
	}
	fail_msg("CONNACK does not name %s", info[0].client_id);
}

static void
more_devices_than_sessions_are_refused_and_the_rest_stay(void **state)
{
	(void)state;
	w.set.limits.max_connections = 2;
	world_start(1, 3, 0);
	device_connect(0, 0, 4, "a");
	device_connect(1, 0, 4, "b");
	device_open(2, 0);
	world_run(20);
	assert_true(w.device[2].closed);
	assert_false(w.device[0].closed || w.device[1].closed);
}

#define T(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(connack_of_5_tells_what_is_not_available),
		T(empty_client_identifiers_need_a_clean_session),
		T(an_unknown_version_is_told_so),
		T(a_version_whose_lane_is_off_is_refused),
		T(anything_before_connect_closes),
		T(a_second_connect_is_a_protocol_error),
		T(no_connect_in_time_closes),
		T(silence_beyond_one_and_a_half_keepalives_closes_and_pings_prevent_it),
		T(a_second_connection_takes_the_identifier_over),
		T(takeover_works_across_workers),
		T(a_claim_waits_for_its_grant_and_three_in_line_leave_the_last),
		T(subscriptions_are_refused_filter_by_filter),
		T(a_qos_that_a_broker_does_not_take_is_refused),
		T(everything_whole_before_a_malformed_packet_is_forwarded),
		T(a_packet_larger_than_told_is_refused_at_its_header),
		T(topic_aliases_are_an_error_where_none_were_granted),
		T(receive_maximum_ends_a_device_of_5_and_holds_one_of_3),
		T(sessions_are_listed),
		T(long_identifiers_are_told_apart_by_all_of_their_bytes_and_listed_by_the_first),
		T(an_assigned_identifier_is_told_whole_and_listed_whole),
		T(more_devices_than_sessions_are_refused_and_the_rest_stay),
	};

	return cmocka_run_group_tests(tests, world_init, world_fini);
}
