/* SPDX-License-Identifier: BSD-3-Clause */
/* Brokers that speak another version than the device: what arrives, what is left out, who is told.
 */
#include <stdio.h>

#include <rte_common.h>

#include "world.h"

#define BYTES(...) ((const uint8_t[]){__VA_ARGS__}), sizeof((const uint8_t[]){__VA_ARGS__})
#define BIG	   200000

static uint8_t big[BIG];
static uint8_t out[BIG + 1000];

static void
fill(void)
{
	for (uint32_t k = 0; k < sizeof(big); k++)
		big[k] = (uint8_t)(k * 7 + k / 251);
}

/* A PUBLISH of 5.0 with every property that one may have; expiry 0: not that one. */
static uint32_t
rich(uint8_t qos, uint16_t id, uint32_t expiry, const void *payload, uint32_t len)
{
	struct pw_mqtt_prop_out p[] = {
		{.which = PW_MQTT_PROP_USER_PROPERTY, .str = {"a", 1}, .value = {"bc", 2}},
		{.which = PW_MQTT_PROP_PAYLOAD_FORMAT, .num = 1},
		{.which = PW_MQTT_PROP_CONTENT_TYPE, .str = {"text", 4}},
		{.which = PW_MQTT_PROP_RESPONSE_TOPIC, .str = {"r/t", 3}},
		{.which = PW_MQTT_PROP_CORRELATION_DATA, .str = {"\0\1", 2}},
		{.which = PW_MQTT_PROP_USER_PROPERTY, .str = {"", 0}, .value = {"", 0}},
		{.which = PW_MQTT_PROP_MESSAGE_EXPIRY, .num = expiry},
	};
	struct pw_mqtt_props_out props = {.p = p, .n = expiry > 0 ? 7 : 6};
	int n = pw_mqtt_encode_publish(out, sizeof(out), 5, false, qos, false,
				       (struct pw_mqtt_str){"t/opic", 6}, id, &props, len);

	assert_true(n > 0 && len <= sizeof(out) - (uint32_t)n);
	memcpy(out + n, payload, len);
	return (uint32_t)n + len;
}

static uint32_t
plain(uint8_t version, uint8_t qos, uint16_t id, const void *payload, uint32_t len)
{
	return publish_bytes(out, sizeof(out), version, qos, false, id, "t/opic", payload, len);
}

static void
arrived(uint32_t b, uint32_t m, uint8_t lane, const void *payload, uint32_t len)
{
	const struct record *r = &w.broker[b].record[m];

	assert_true(w.broker[b].nb > m);
	assert_int_equal(r->lane, lane);
	assert_string_equal(r->topic, "t/opic");
	assert_int_equal(r->len, len);
	assert_int_equal(r->sum, payload_sum(payload, len));
	if (lane == 3)
		assert_int_equal(r->props_len, 0);
}

static void
start(void)
{
	world_start(1, 3, 0);
	world_run(4000);
}

static void
messages_of_5_lose_their_properties_towards_a_broker_of_3(void **state)
{
	struct pw_upstream_counters c;
	uint8_t reasons[4];

	(void)state;
	w.broker[0].only = 4;
	start();
	device_connect(0, 0, 5, "dev");
	device_send(0, out, rich(1, 1, 100, "first", 5));
	device_send(0, out, rich(0, 0, 0, "second", 6));
	device_send(0, out, plain(5, 1, 2, "third", 5));
	world_run(20);
	for (uint32_t b = 0; b < 2; b++) {
		assert_int_equal(w.broker[b].nb, 3);
		arrived(b, 0, b == 0 ? 3 : 5, "first", 5);
		arrived(b, 1, b == 0 ? 3 : 5, "second", 6);
		arrived(b, 2, b == 0 ? 3 : 5, "third", 5);
	}
	assert_int_equal(w.broker[1].record[0].props_len, 38);
	c = upstream(0, PW_LANE_5).counters;
	assert_int_equal(c.translated, 3);
	assert_int_equal(c.stripped_payload_format, 2);
	assert_int_equal(c.stripped_expiry, 1);
	assert_int_equal(c.stripped_content_type, 2);
	assert_int_equal(c.stripped_response_topic, 2);
	assert_int_equal(c.stripped_correlation_data, 2);
	assert_int_equal(c.stripped_user_property, 4);
	assert_int_equal(upstream(1, PW_LANE_5).counters.translated, 0);
	assert_int_equal(device_acks(0, 5, NULL, reasons, 4), 2);
	assert_int_equal(reasons[0], 0);
	ledger();
}

static void
messages_of_3_have_no_properties_towards_a_broker_of_5(void **state)
{
	(void)state;
	w.broker[0].only = 5;
	start();
	device_connect(0, 0, 4, "dev");
	device_send(0, out, plain(4, 1, 1, "first", 5));
	device_send(0, out, plain(4, 0, 0, "", 0));
	/* A remaining length of more bytes than it needs, which 5.0 forbids. */
	device_send(0, BYTES(0x31, 0x89, 0x00, 0, 6, 't', '/', 'o', 'p', 'i', 'c', 'x'));
	world_run(20);
	for (uint32_t b = 0; b < 2; b++) {
		arrived(b, 0, b == 0 ? 5 : 3, "first", 5);
		arrived(b, 1, b == 0 ? 5 : 3, "", 0);
		arrived(b, 2, b == 0 ? 5 : 3, "x", 1);
		assert_int_equal(w.broker[b].record[0].props_len, 0);
		assert_int_equal(w.broker[b].record[2].first, 0x31);
	}
	assert_int_equal(upstream(0, PW_LANE_3).counters.translated, 3);
	assert_int_equal(device_acks(0, 4, NULL, NULL, 4), 1);
	ledger();
}

static void
reason_codes_go_both_ways(void **state)
{
	uint8_t reasons[4];

	(void)state;
	w.broker[0].only = 4;
	w.broker[1].only = 5;
	start();
	device_connect(0, 0, 5, "five");
	device_connect(1, 0, 4, "three");
	/* The broker of 3.1.1 cannot say that nobody has subscribed: so somebody may have. */
	w.broker[1].reason = 0x10;
	device_send(0, out, plain(5, 1, 1, "x", 1));
	world_run(20);
	w.broker[1].reason = 0x87;
	device_send(0, out, plain(5, 1, 2, "x", 1));
	device_send(1, out, plain(4, 1, 1, "x", 1));
	world_run(20);
	assert_int_equal(device_acks(0, 5, NULL, reasons, 4), 2);
	assert_int_equal(reasons[0], 0);
	assert_int_equal(reasons[1], 0x87);
	/* The device of 3.1.1 cannot be told. */
	assert_true(device_got(1, BYTES(0x40, 2, 0, 1)));
	assert_int_equal(counters()->refused_by_broker, 2);
	ledger();
}

static void
auto_falls_back_to(bool closes, bool same_form)
{
	w.broker[0].only = 4;
	w.broker[1].only = 5;
	for (uint32_t b = 0; b < 2; b++) {
		w.set.broker[b].restart_base = 100;
		w.set.broker[b].restart_cap = 300;
		w.broker[b].closes = closes;
		w.broker[b].same_form = same_form;
	}
	start();
	assert_false(upstream(0, PW_LANE_5).v5);
	assert_false(upstream(0, PW_LANE_3).v5);
	assert_true(upstream(1, PW_LANE_5).v5);
	assert_true(upstream(1, PW_LANE_3).v5);
	for (uint32_t b = 0; b < 2; b++) {
		for (uint32_t lane = 0; lane < PW_LANE_MAX; lane++) {
			struct pw_upstream_info u = upstream(b, (enum pw_lane)lane);

			assert_int_equal(u.state, PW_UPSTREAM_UP);
			assert_int_equal(u.counters.connect_failures,
					 lane != (b == 0 ? PW_LANE_5 : PW_LANE_3) ? 0
					 : closes				  ? 3
										  : 1);
		}
	}
}

static void
a_broker_that_refuses_a_version_in_its_own_is_spoken_to_in_that(void **state)
{
	(void)state;
	auto_falls_back_to(false, false);
	/* It has said so: no further attempt. */
	broker_reset(0);
	world_run(4000);
	assert_int_equal(upstream(0, PW_LANE_5).counters.connect_failures, 1);
	assert_false(upstream(0, PW_LANE_5).v5);
	/* Until it is another one. */
	w.broker[0].only = 5;
	broker_reset(0);
	world_run(40000);
	assert_true(upstream(0, PW_LANE_5).v5);
	assert_int_equal(upstream(0, PW_LANE_5).state, PW_UPSTREAM_UP);
}

static void
a_broker_that_refuses_a_version_in_that_version_is_spoken_to_in_the_other(void **state)
{
	(void)state;
	auto_falls_back_to(false, true);
}

static void
a_broker_that_closes_is_tried_in_the_other_version_and_later_again_in_the_first(void **state)
{
	(void)state;
	auto_falls_back_to(true, false);
	/* Why it closed nobody knows. */
	w.broker[0].only = 0;
	broker_reset(0);
	world_run(4000);
	assert_true(upstream(0, PW_LANE_5).v5);
	/* Now it is known to speak it: closing is something else. */
	w.broker[0].only = 4;
	broker_reset(0);
	world_run(4000);
	assert_true(upstream(0, PW_LANE_5).v5);
}

static void
a_protocol_that_is_configured_is_the_only_one_that_is_tried(void **state)
{
	(void)state;
	w.set.broker[0].protocol = PW_BROKER_3;
	w.set.broker[1].protocol = PW_BROKER_5;
	w.broker[1].only = 4;
	start();
	assert_int_equal(upstream(0, PW_LANE_5).counters.connect_failures, 0);
	assert_false(upstream(0, PW_LANE_5).v5);
	assert_false(upstream(0, PW_LANE_3).v5);
	assert_true(upstream(1, PW_LANE_3).v5);
	assert_true(upstream(1, PW_LANE_5).counters.connect_failures > 1);
	assert_int_not_equal(upstream(1, PW_LANE_5).state, PW_UPSTREAM_UP);
}

/* Around the steps of the remaining length, and of what is copied whole. */
static void
all_sizes(uint8_t version)
{
	static const uint32_t at[] = {0, 100, 128, 240, 256, 16384};
	uint8_t lane = version == 5 ? 3 : 5;
	uint32_t m = 0;

	fill();
	w.broker[0].only = lane == 5 ? 5 : 4;
	start();
	device_connect(0, 0, version, "dev");
	for (uint32_t i = 0; i < RTE_DIM(at); i++) {
		for (uint32_t len = at[i] > 60 ? at[i] - 60 : 0; len < at[i] + 3; len++, m++) {
			uint8_t qos = len & 1;
			uint32_t n = version == 5 ? rich(qos, 7, 60, big, len)
						  : plain(version, qos, 7, big, len);

			device_send(0, out, n);
			world_run(2);
			arrived(0, m, lane, big, len);
			assert_int_equal(w.broker[0].nb, m + 1);
			assert_int_equal(w.broker[1].nb, m + 1);
		}
	}
	assert_int_equal(upstream(0, version == 5 ? PW_LANE_5 : PW_LANE_3).counters.translated, m);
	ledger();
}

static void
messages_of_5_of_all_sizes_are_translated(void **state)
{
	(void)state;
	all_sizes(5);
}

static void
messages_of_3_of_all_sizes_are_translated(void **state)
{
	(void)state;
	w.set.limits.copy_break = 0;
	all_sizes(4);
}

/* The frame in two buffers, cut at every byte. */
static void
cut_at_every_byte(uint8_t version)
{
	uint8_t lane = version == 5 ? 3 : 5;
	uint32_t n, m = 0, len = 400;

	fill();
	w.set.limits.copy_break = 0;
	w.rx_copy_break = 1;
	w.broker[0].only = lane == 5 ? 5 : 4;
	start();
	device_connect(0, 0, version, "dev");
	n = version == 5 ? rich(1, 7, 60, big, len) : plain(version, 1, 7, big, len);
	for (uint32_t at = 1; at < 100; at++, m++) {
		device_send(0, out, at);
		world_run(1);
		device_send(0, out + at, n - at);
		world_run(2);
		arrived(0, m, lane, big, len);
	}
	ledger();
}

static void
messages_of_5_that_lie_in_pieces_are_translated(void **state)
{
	(void)state;
	cut_at_every_byte(5);
}

static void
messages_of_3_that_lie_in_pieces_are_translated(void **state)
{
	(void)state;
	cut_at_every_byte(4);
}

/* Larger than the send queue takes, and the first connection ends in the middle. */
static void
large(uint8_t version)
{
	uint8_t lane = version == 5 ? 3 : 5;
	uint32_t n;

	fill();
	w.broker[0].only = lane == 5 ? 5 : 4;
	w.set.broker[0].restart_base = 100;
	w.set.broker[0].restart_cap = 200;
	start();
	device_connect(0, 0, version, "dev");
	device_send(0, out, plain(version, 1, 1, "before", 6));
	world_run(10);
	w.broker[0].deaf = true;
	n = version == 5 ? rich(1, 2, 0, big, BIG) : plain(version, 1, 2, big, BIG);
	for (uint32_t at = 0; at < n; at += 20000) {
		device_send(0, out + at, RTE_MIN(20000u, n - at));
		world_run(50);
	}
	device_send(0, out, plain(version, 1, 3, "behind", 6));
	world_run(200);
	assert_int_equal(w.broker[0].nb, 1);
	broker_reset(0);
	w.broker[0].deaf = false;
	world_run(3000);
	assert_int_equal(w.broker[0].nb, 3);
	arrived(0, 1, lane, big, BIG);
	arrived(0, 2, lane, "behind", 6);
	assert_int_equal(device_acks(0, version, NULL, NULL, 4), 3);
	ledger();
}

static void
large_messages_of_5_are_translated_in_parts(void **state)
{
	(void)state;
	large(5);
}

static void
large_messages_of_3_are_translated_in_parts(void **state)
{
	(void)state;
	large(4);
}

static void
a_redelivery_is_translated_alike_with_dup(void **state)
{
	(void)state;
	w.broker[0].only = 4;
	w.broker[1].only = 5;
	start();
	device_connect(0, 0, 5, "five");
	device_connect(1, 0, 4, "three");
	w.broker[0].hold = w.broker[1].hold = true;
	device_send(0, out, rich(1, 1, 60, "of 5", 4));
	device_send(1, out, plain(4, 1, 1, "of 3", 4));
	world_run(20);
	broker_reset(0);
	broker_reset(1);
	world_run(4000);
	for (uint32_t b = 0; b < 2; b++) {
		const struct record *r = w.broker[b].record;

		assert_int_equal(w.broker[b].nb, 4);
		for (uint32_t m = 0; m < 4; m++) {
			assert_int_equal(r[m].lane, b == 0 ? 3 : 5);
			assert_int_equal(r[m].first, m < 2 ? 0x32 : 0x3A);
			assert_string_equal(r[m].topic, "t/opic");
		}
		assert_true(strcmp(r[2].text, r[0].text) == 0 || strcmp(r[2].text, r[1].text) == 0);
	}
	/* What it lost is counted once. */
	assert_int_equal(upstream(0, PW_LANE_5).counters.stripped_expiry, 1);
	assert_int_equal(upstream(0, PW_LANE_5).counters.translated, 1);
	while (world_ack(0, 16) + world_ack(1, 16) > 0)
		world_run(20);
	ledger();
}

static void
what_expires_here_is_dropped_also_where_the_broker_cannot_be_told(void **state)
{
	(void)state;
	w.set.broker[0].protocol = PW_BROKER_3;
	w.set.broker[0].max_inflight_messages = 1;
	start();
	w.broker[0].hold = true;
	device_connect(0, 0, 5, "dev");
	device_send(0, out, rich(1, 1, 60, "first", 5));
	device_send(0, out, rich(1, 2, 2, "expires", 7));
	device_send(0, out, rich(1, 3, 60, "lives", 5));
	world_run(4000);
	world_ack(0, 1);
	world_run(20);
	world_ack(0, 1);
	world_run(20);
	assert_int_equal(w.broker[0].nb, 2);
	arrived(0, 1, 3, "lives", 5);
	assert_int_equal(upstream(0, PW_LANE_5).counters.dropped_expired, 1);
	assert_int_equal(device_acks(0, 5, NULL, NULL, 4), 3);
	ledger();
}

static void
sizes_are_those_that_the_broker_gets(void **state)
{
	(void)state;
	w.set.broker[0].protocol = PW_BROKER_5;
	w.broker[0].max = 30;
	start();
	device_connect(0, 0, 4, "dev");
	fill();
	/* 12 bytes before the payload; 5.0 has one more. */
	device_send(0, out, plain(4, 1, 1, big, 17));
	device_send(0, out, plain(4, 1, 2, big, 18));
	world_run(20);
	assert_int_equal(w.broker[0].nb, 1);
	assert_int_equal(w.broker[1].nb, 2);
	assert_int_equal(upstream(0, PW_LANE_3).counters.dropped_too_large, 1);
	assert_int_equal(device_acks(0, 4, NULL, NULL, 4), 2);
	ledger();
}

static void
retained(bool strict)
{
	w.set.broker[0].protocol = PW_BROKER_5;
	w.set.broker[0].strict = strict;
	w.broker[0].no_retain = true;
	start();
	device_connect(0, 0, 4, "dev");
	for (uint8_t qos = 0; qos < 2; qos++)
		device_send(0, out,
			    publish_bytes(out, sizeof(out), 4, qos, true, qos, "t/opic", "r", 1));
	device_send(0, out, plain(4, 1, 2, "x", 1));
	world_run(20);
	assert_int_equal(w.broker[1].nb, 3);
	assert_int_equal(w.broker[1].record[0].first, 0x31);
	assert_int_equal(device_acks(0, 4, NULL, NULL, 4), 2);
	ledger();
}

static void
a_strict_broker_without_retain_gets_no_retained_message(void **state)
{
	(void)state;
	retained(true);
	assert_int_equal(w.broker[0].nb, 1);
	assert_int_equal(upstream(0, PW_LANE_3).counters.refused_retain, 2);
	assert_int_equal(upstream(0, PW_LANE_3).counters.retain_cleared, 0);
	assert_int_equal(counters()->refused_by_broker, 1);
}

static void
another_gets_it_without_the_flag(void **state)
{
	(void)state;
	retained(false);
	assert_int_equal(w.broker[0].nb, 3);
	assert_int_equal(w.broker[0].record[0].first, 0x30);
	assert_int_equal(w.broker[0].record[1].first, 0x32);
	assert_int_equal(upstream(0, PW_LANE_3).counters.retain_cleared, 2);
}

static void
a_broker_of_3_holds_devices_of_5_to_its_packet_size(void **state)
{
	(void)state;
	w.set.broker[0].protocol = PW_BROKER_3;
	w.set.broker[0].max_packet_size = 300;
	start();
	fill();
	device_connect(0, 0, 5, "dev");
	device_send(0, out, plain(5, 0, 0, big, 280));
	world_run(20);
	assert_int_equal(w.broker[0].nb, 1);
	device_send(0, out, plain(5, 0, 0, big, 300));
	world_run(20);
	assert_true(device_got(0, BYTES(0xE0, 1, 0x95)) || device_got(0, BYTES(0xE0, 2, 0x95, 0)));
}

#define T(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(messages_of_5_lose_their_properties_towards_a_broker_of_3),
		T(messages_of_3_have_no_properties_towards_a_broker_of_5),
		T(reason_codes_go_both_ways),
		T(a_broker_that_refuses_a_version_in_its_own_is_spoken_to_in_that),
		T(a_broker_that_refuses_a_version_in_that_version_is_spoken_to_in_the_other),
		T(a_broker_that_closes_is_tried_in_the_other_version_and_later_again_in_the_first),
		T(a_protocol_that_is_configured_is_the_only_one_that_is_tried),
		T(messages_of_5_of_all_sizes_are_translated),
		T(messages_of_3_of_all_sizes_are_translated),
		T(messages_of_5_that_lie_in_pieces_are_translated),
		T(messages_of_3_that_lie_in_pieces_are_translated),
		T(large_messages_of_5_are_translated_in_parts),
		T(large_messages_of_3_are_translated_in_parts),
		T(a_redelivery_is_translated_alike_with_dup),
		T(what_expires_here_is_dropped_also_where_the_broker_cannot_be_told),
		T(sizes_are_those_that_the_broker_gets),
		T(a_strict_broker_without_retain_gets_no_retained_message),
		T(another_gets_it_without_the_flag),
		T(a_broker_of_3_holds_devices_of_5_to_its_packet_size),
	};

	return cmocka_run_group_tests(tests, world_init, world_fini);
}
