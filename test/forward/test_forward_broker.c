/* SPDX-License-Identifier: BSD-3-Clause */
/* What brokers do to a forwarder: limits, refusals, silence, absence, and what devices see of it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <rte_common.h>

#include "world.h"

#define BYTES(...) (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__})

static void
receive_maximum_of_the_broker_is_never_exceeded(void **state)
{
	(void)state;
	w.broker[0].receive = 20;
	w.broker[0].hold = true;
	world_start(1, 3, 0);
	device_connect(0, 0, 5, "a");
	for (uint16_t i = 1; i <= 60; i++)
		device_publish(0, 5, 1, i, "t", "x");
	world_run(50);
	assert_int_equal(w.broker[0].nb, 20);
	assert_int_equal(upstream(0, PW_LANE_5).inflight, 20);
	assert_int_equal(upstream(0, PW_LANE_5).window, 20);
	assert_int_equal(upstream(0, PW_LANE_5).counters.window_full, 1);
	assert_int_equal(upstream(0, PW_LANE_5).lag, 40);
	while (world_ack(0, 7) > 0)
		world_run(10);
	assert_int_equal(w.broker[0].nb, 60);
	assert_int_equal(w.broker[0].max_inflight, 20);
	assert_int_equal(device_acks(0, 5, NULL, NULL, 99), 60);
	ledger();
}

static void
a_window_of_3_1_1_comes_from_the_configuration(void **state)
{
	(void)state;
	w.broker[0].hold = true;
	w.set.broker[0].max_inflight_messages = 5;
	world_start(1, 3, 0);
	device_connect(0, 0, 4, "a");
	for (uint16_t i = 1; i <= 12; i++)
		device_publish(0, 4, 1, i, "t", "x");
	world_run(50);
	assert_int_equal(w.broker[0].nb, 5);
	while (world_ack(0, 1) > 0)
		world_run(5);
	assert_int_equal(w.broker[0].max_inflight, 5);
	assert_int_equal(device_acks(0, 4, NULL, NULL, 99), 12);
}

static void
a_broker_that_stops_acknowledging_is_found_out_and_reconnected(void **state)
{
	(void)state;
	w.broker[0].hold = true;
	world_start(1, 3, 0);
	device_connect(0, 0, 4, "a");
	device_publish(0, 4, 1, 1, "t", "x");
	for (uint32_t s = 0; s < 19; s++) {
		world_run(1000);
		device_publish(0, 4, 0, 0, "t", "taken all the time, and no sign of progress");
	}
	assert_int_equal(upstream(0, PW_LANE_3).counters.stuck, 0);
	world_run(4000);
	assert_int_equal(upstream(0, PW_LANE_3).counters.stuck, 1);
	assert_true(upstream(0, PW_LANE_3).counters.redelivered >= 1);
	assert_int_equal(upstream(1, PW_LANE_3).counters.stuck, 0);
	world_ack(0, 9);
	world_run(50);
	assert_int_equal(device_acks(0, 4, NULL, NULL, 9), 1);
	ledger();
}

static void
silence_is_broken_by_pings_and_their_answer_is_awaited(void **state)
{
	(void)state;
	w.set.broker[0].keepalive_interval = 5000;
	world_start(1, 3, 0);
	world_run(16000);
	assert_true(w.broker[0].pings >= 4); /* two lanes */
	assert_int_equal(upstream(0, PW_LANE_3).counters.stuck, 0);
	w.broker[0].deaf = true;
	world_run(30000);
	assert_true(upstream(0, PW_LANE_3).counters.stuck >= 1);
}

/* Its TCP acknowledges a moment later, its program within ack_timeout. */
static void
a_ping_after_long_silence_has_all_of_its_time(void **state)
{
	(void)state;
	w.set.broker[0].keepalive_interval = 5000;
	w.set.broker[0].ack_timeout = 1000;
	world_start(1, 3, 0);
	world_run(4900);
	w.broker[0].deaf = true;
	world_run(1000);
	assert_int_equal(upstream(0, PW_LANE_3).counters.stuck, 0);
	world_run(200);
	assert_int_equal(upstream(0, PW_LANE_3).counters.stuck, 1);
}

static void
refusals_and_silence_at_connect_are_named(void **state)
{
	(void)state;
	w.broker[0].code = 5;
	w.broker[1].mute = true;
	w.set.nb_brokers = 3;
	w.set.route[0].brokers = 7;
	w.broker[2].refuse = true;
	world_start(1, 3, 0);
	world_run(7000);
	assert_non_null(strstr(upstream(0, PW_LANE_3).last_error, "0x05"));
	assert_non_null(strstr(upstream(1, PW_LANE_3).last_error, "CONNACK in time"));
	assert_non_null(strstr(upstream(2, PW_LANE_3).last_error, "refused"));
	for (uint32_t b = 0; b < 3; b++) {
		assert_true(upstream(b, PW_LANE_3).counters.connect_failures > 0);
		assert_int_equal(upstream(b, PW_LANE_3).counters.connects, 0);
	}
	/* back-off grows: no more than a few attempts in a minute */
	world_run(60000);
	assert_true(upstream(2, PW_LANE_3).counters.connect_failures < 30);
	w.broker[0].code = 0;
	world_run(40000);
	assert_int_equal(upstream(0, PW_LANE_3).state, PW_UPSTREAM_UP);
	assert_int_equal(upstream(0, PW_LANE_3).last_error[0], 0);
}

static void
identifiers_towards_brokers_name_instance_worker_and_lane(void **state)
{
	bool three = false, five = false;

	(void)state;
	world_start(1, 3, 0);
	for (uint32_t i = 0; i < 2; i++) {
		three |= strcmp(w.broker[0].leg[i].client_id, "pubwire-test-w0-l3") == 0;
		five |= strcmp(w.broker[0].leg[i].client_id, "pubwire-test-w0-l5") == 0;
	}
	assert_true(three && five);
}

static void
qos0_for_an_absent_broker_is_kept_to_half_the_log_and_the_oldest_go(void **state)
{
	char text[16];

	(void)state;
	w.broker[1].code = 5;
	world_start(1, 3, 0);
	device_connect(0, 0, 4, "a");
	for (uint32_t i = 0; i < 300; i++) {
		snprintf(text, sizeof(text), "%u", i);
		device_publish(0, 4, 0, 0, "t", text);
		world_run(1);
	}
	world_run(20);
	assert_int_equal(w.broker[0].nb, 300); /* the other is not held up */
	assert_int_equal(upstream(1, PW_LANE_3).counters.dropped_disconnected, 300 - 128);
	w.broker[1].code = 0;
	world_run(60000);
	assert_int_equal(w.broker[1].nb, 128);
	assert_string_equal(w.broker[1].record[0].text, "172");
	assert_string_equal(w.broker[1].record[127].text, "299");
	assert_int_equal(counters()->completed_qos0, 300);
	ledger();
}

static void
qos1_waits_for_an_absent_broker_and_a_full_log_blocks_the_devices(void **state)
{
	(void)state;
	w.broker[1].code = 5;
	w.set.limits.max_queued_messages = 16;
	world_start(1, 3, 0);
	device_connect(0, 0, 4, "a");
	device_connect(1, 0, 4, "b");
	for (uint16_t i = 1; i <= 20; i++) {
		device_publish(0, 4, 1, i, "t", "a");
		device_publish(1, 4, 1, i, "t", "b");
	}
	device_send(1, BYTES(0xC0, 0));
	world_run(100);
	assert_int_equal(w.broker[0].nb, 16);
	assert_int_equal(device_acks(0, 4, NULL, NULL, 99), 0);
	assert_true(counters()->blocked > 0);
	world_run(200000); /* longer than their keepalive: they are not read, hence not silent */
	assert_false(w.device[0].closed || w.device[1].closed);
	w.broker[1].code = 0;
	world_run(60000);
	assert_int_equal(device_acks(0, 4, NULL, NULL, 99), 20);
	assert_int_equal(device_acks(1, 4, NULL, NULL, 99), 20);
	assert_int_equal(counters()->pings, 1);
	assert_int_equal(w.broker[0].nb, 40);
	assert_int_equal(w.broker[1].nb, 40);
	assert_int_equal(counters()->dropped_log_full, 0);
	ledger();
}

static void
qos0_finds_the_log_full_and_is_dropped_or_blocks_as_the_route_says(void **state)
{
	(void)state;
	w.broker[1].code = 5;
	w.set.limits.max_queued_messages = 16;
	w.set.nb_routes = 2;
	w.set.route[1] = w.set.route[0];
	snprintf(w.set.route[0].filter, sizeof(w.set.route[0].filter), "keep/#");
	w.set.route[0].when_full_qos0 = PW_WHEN_FULL_BLOCK;
	world_start(1, 3, 0);
	device_connect(0, 0, 4, "a");
	device_connect(1, 0, 4, "b");
	device_connect(2, 0, 4, "c");
	for (uint16_t i = 1; i <= 16; i++)
		device_publish(0, 4, 1, i, "t", "fill");
	world_run(20);
	for (uint32_t i = 0; i < 5; i++) {
		device_publish(1, 4, 0, 0, "t", "drop");
		device_publish(2, 4, 0, 0, "keep/t", "block");
	}
	world_run(20);
	assert_int_equal(counters()->dropped_log_full, 5);
	w.broker[1].code = 0;
	world_run(60000);
	assert_int_equal(w.broker[0].nb, 21);
	assert_int_equal(w.broker[1].nb, 21);
	assert_int_equal(counters()->completed_qos0, 5);
	ledger();
}

static void
a_slow_broker_does_not_stop_the_other(void **state)
{
	static uint8_t out[4096], payload[3000];
	uint32_t n = publish_bytes(out, sizeof(out), 4, 0, false, 0, "t", payload, sizeof(payload));

	(void)state;
	world_start(1, 3, 0);
	device_connect(0, 0, 4, "a");
	w.broker[1].deaf = true;
	for (uint32_t i = 0; i < 600; i++) {
		device_send(0, out, n);
		if (i % 8 == 0)
			world_run(2);
	}
	world_run(100);
	assert_int_equal(w.broker[0].nb, 600);
	assert_int_equal(counters()->dropped_log_full, 0);
	assert_true(upstream(1, PW_LANE_3).counters.dropped_slow > 100);
	assert_true(upstream(1, PW_LANE_3).counters.socket_full > 0);
	ledger();
	/* it is stuck, and comes back with what was kept */
	world_run(25000);
	assert_int_equal(upstream(1, PW_LANE_3).counters.stuck, 1);
	w.broker[1].deaf = false;
	world_run(40000);
	assert_int_equal(upstream(1, PW_LANE_3).state, PW_UPSTREAM_UP);
	assert_int_equal(counters()->completed_qos0, 600);
	ledger();
}

static void
what_is_too_large_for_one_broker_goes_to_the_others(void **state)
{
	static uint8_t out[3000], payload[2000];
	uint8_t reasons[4];
	uint32_t n;

	(void)state;
	world_start(1, 3, 0);
	device_connect(0, 0, 5, "a");
	w.broker[0].max = 1000; /* learnt only after the device has its CONNACK */
	broker_reset(0);
	world_run(4000);
	n = publish_bytes(out, sizeof(out), 5, 1, false, 1, "t", payload, sizeof(payload));
	device_send(0, out, n);
	device_publish(0, 5, 1, 2, "t", "small");
	world_run(50);
	assert_int_equal(w.broker[0].nb, 1);
	assert_int_equal(w.broker[1].nb, 2);
	assert_int_equal(device_acks(0, 5, NULL, reasons, 4), 2);
	assert_int_equal(reasons[0], 0x83);
	assert_int_equal(reasons[1], 0);
	assert_int_equal(upstream(0, PW_LANE_5).counters.dropped_too_large, 1);
	ledger();
}

static void
retain_is_cleared_for_the_broker_that_has_none(void **state)
{
	uint8_t out[64];

	(void)state;
	world_start(1, 3, 0);
	device_connect(0, 0, 5, "a");
	w.broker[0].no_retain = true; /* learnt only after the device has its CONNACK */
	broker_reset(0);
	world_run(4000);
	device_send(0, out, publish_bytes(out, sizeof(out), 5, 1, true, 1, "t", "x", 1));
	world_run(20);
	assert_int_equal(w.broker[0].record[0].first, 0x32);
	assert_int_equal(w.broker[1].record[0].first, 0x33);
	assert_int_equal(upstream(0, PW_LANE_5).counters.retain_cleared, 1);
	ledger();
}

static void
the_worst_reason_goes_back_to_the_device(void **state)
{
	uint8_t reasons[4];

	(void)state;
	w.broker[0].reason = 0x87;
	w.broker[1].reason = 0x10;
	world_start(1, 3, 0);
	device_connect(0, 0, 5, "a");
	device_publish(0, 5, 1, 1, "t", "x");
	world_run(20);
	w.broker[0].reason = 0x10;
	device_publish(0, 5, 1, 2, "t", "x");
	world_run(20);
	w.broker[0].reason = 0;
	device_publish(0, 5, 1, 3, "t", "x");
	world_run(20);
	assert_int_equal(device_acks(0, 5, NULL, reasons, 4), 3);
	assert_int_equal(reasons[0], 0x87);
	assert_int_equal(reasons[1], 0x10);
	assert_int_equal(reasons[2], 0);
	assert_int_equal(counters()->refused_by_broker, 1);
	assert_int_equal(upstream(0, PW_LANE_5).counters.refused, 1);
	ledger();
}

static void
no_route_is_acknowledged_in_order_and_counted(void **state)
{
	uint8_t reasons[4];
	uint16_t ids[4];

	(void)state;
	snprintf(w.set.route[0].filter, sizeof(w.set.route[0].filter), "known");
	w.broker[0].hold = true;
	world_start(1, 3, 0);
	device_connect(0, 0, 5, "a");
	device_publish(0, 5, 1, 1, "known", "x");
	device_publish(0, 5, 1, 2, "unknown", "x");
	device_publish(0, 5, 0, 0, "unknown", "x");
	world_run(20);
	assert_int_equal(w.device[0].len, 0);
	world_ack(0, 1);
	world_run(20);
	assert_int_equal(device_acks(0, 5, ids, reasons, 4), 2);
	assert_int_equal(ids[0], 1);
	assert_int_equal(ids[1], 2);
	assert_int_equal(reasons[1], 0x10);
	assert_int_equal(counters()->dropped_no_route, 2);
	assert_int_equal(counters()->accepted, 1);
	ledger();
}

static void
answers_to_nothing_change_nothing_and_a_publish_from_a_broker_reconnects(void **state)
{
	(void)state;
	w.broker[0].hold = true;
	world_start(1, 3, 0);
	device_connect(0, 0, 4, "a");
	device_publish(0, 4, 1, 1, "t", "x");
	world_run(10);
	broker_send(0, BYTES(0x40, 2, 0, 99));
	broker_send(0, BYTES(0x40, 2, 0xFF, 0xFF));
	world_run(10);
	assert_int_equal(upstream(0, PW_LANE_3).counters.protocol_errors, 2);
	assert_int_equal(upstream(0, PW_LANE_3).state, PW_UPSTREAM_UP);
	assert_int_equal(device_acks(0, 4, NULL, NULL, 4), 0);
	broker_send(0, BYTES(0x30, 4, 0, 1, 't', 'x'));
	world_run(10);
	assert_int_equal(upstream(0, PW_LANE_3).counters.protocol_errors, 3);
	assert_int_equal(upstream(0, PW_LANE_3).state, PW_UPSTREAM_WAITING);
	world_run(5000);
	while (world_ack(0, 9) > 0)
		world_run(10);
	assert_int_equal(device_acks(0, 4, NULL, NULL, 4), 1);
	ledger();
}

static void
message_expiry_counts_the_time_spent_here(void **state)
{
	static const uint8_t ten[] = {0x30, 10, 0, 1, 't', 5, 2, 0, 0, 0, 10, 'x'};
	static const uint8_t two[] = {0x32, 12, 0, 1, 't', 0, 5, 5, 2, 0, 0, 0, 2, 'y'};

	(void)state;
	w.broker[1].code = 0x88;
	world_start(1, 3, 0);
	device_connect(0, 0, 5, "a");
	device_send(0, ten, sizeof(ten));
	device_send(0, two, sizeof(two));
	world_run(3500);
	assert_int_equal(w.broker[0].nb, 2);
	assert_int_equal(w.broker[0].record[0].expiry, 10);
	w.broker[1].code = 0;
	world_run(6000);
	assert_int_equal(w.broker[1].nb, 1);
	assert_true(w.broker[1].record[0].expiry >= 1 && w.broker[1].record[0].expiry <= 7);
	assert_string_equal(w.broker[1].record[0].text, "x");
	assert_int_equal(upstream(1, PW_LANE_5).counters.dropped_expired, 1);
	assert_int_equal(device_acks(0, 5, NULL, NULL, 4), 1);
	ledger();
}

static void
a_broker_of_qos0_only_lowers_what_devices_are_told(void **state)
{
	uint8_t reasons[2];

	(void)state;
	world_start(1, 3, 0);
	device_connect(0, 0, 5, "a");
	w.broker[0].max_qos0 = true; /* learnt only after the device has its CONNACK */
	broker_reset(0);
	world_run(4000);
	device_publish(0, 5, 1, 1, "t", "x");
	device_publish(0, 5, 0, 0, "t", "y");
	world_run(20);
	assert_int_equal(w.broker[0].nb, 1);
	assert_string_equal(w.broker[0].record[0].text, "y");
	assert_int_equal(w.broker[1].nb, 2);
	assert_int_equal(device_acks(0, 5, NULL, reasons, 2), 1);
	assert_int_equal(reasons[0], 0x83);
	ledger();
}

static void
identifiers_are_not_reused_while_any_broker_owes_an_answer(void **state)
{
	uint16_t held;

	(void)state;
	w.set.limits.max_queued_messages = 8;
	w.broker[1].hold = true;
	w.set.route[0].when_full_qos0 = PW_WHEN_FULL_BLOCK;
	world_start(1, 3, 0);
	device_connect(0, 0, 4, "a");
	device_publish(0, 4, 1, 1, "t", "x");
	world_run(10);
	held = w.broker[1].record[0].id;
	for (uint16_t i = 2; i <= 30; i++) {
		device_publish(0, 4, i % 15 == 0, i, "t", "y");
		world_run(2);
	}
	for (uint32_t i = 1; i < w.broker[0].nb; i++)
		assert_int_not_equal(w.broker[0].record[i].id, held);
	assert_int_equal(w.broker[0].nb, 8); /* the slot of the oldest bounds the log */
	w.broker[1].hold = false;
	world_ack(1, 1);
	world_run(50);
	assert_int_equal(w.broker[0].nb, 30);
	assert_int_equal(device_acks(0, 4, NULL, NULL, 99), 3);
	ledger();
}

static void
a_clock_that_stands_behind_expires_nothing(void **state)
{
	struct pw_mqtt_prop_out p = {.which = PW_MQTT_PROP_MESSAGE_EXPIRY, .num = 3600};
	struct pw_mqtt_props_out props = {.p = &p, .n = 1};
	uint8_t out[64], reason;
	int n;

	(void)state;
	w.behind[1] = 5 * MS;
	world_start(2, PW_ROLE_DEVICES, PW_ROLE_BROKERS);
	device_connect(0, 0, 5, "a");
	n = pw_mqtt_encode_publish(out, sizeof(out), 5, false, 1, false,
				   (struct pw_mqtt_str){"t", 1}, 7, &props, 1);
	out[n++] = 'x';
	device_send(0, out, (uint32_t)n);
	world_run(50);
	for (uint32_t b = 0; b < 2; b++) {
		assert_int_equal(w.broker[b].nb, 1);
		assert_int_equal(w.broker[b].record[0].expiry, 3600);
		assert_int_equal(upstream(b, PW_LANE_5).counters.dropped_expired, 0);
	}
	assert_int_equal(device_acks(0, 5, NULL, &reason, 1), 1);
	assert_int_equal(reason, 0);
	ledger();
}

static void
a_blocking_route_keeps_a_healthy_connection_through_one_large_message(void **state)
{
	static uint8_t out[900100], payload[900000];
	uint32_t n;

	(void)state;
	w.set.route[0].when_full_qos0 = PW_WHEN_FULL_BLOCK;
	w.set.route[0].brokers = 1;
	world_start(1, 3, 0);
	w.broker[0].deaf = true;
	for (uint32_t i = 0; i < 5; i++)
		device_connect(i, 0, 4, (const char *[]){"a", "b", "c", "d", "e"}[i]);
	n = publish_bytes(out, sizeof(out), 4, 0, false, 0, "t", payload, sizeof(payload));
	device_send(0, out, n);
	world_run(50);
	for (uint32_t i = 1; i < 5; i++) {
		for (uint16_t k = 1; k <= 60; k++)
			device_publish(i, 4, 1, k, "t", "m");
	}
	world_run(100);
	assert_true(upstream(0, PW_LANE_3).lag > 200);
	assert_int_equal(w.broker[0].connects, 2); /* one for each lane */
	w.broker[0].deaf = false;
	world_run(30000);
	assert_true(w.broker[0].connects <= 3); /* deaf it was stuck at most once */
	assert_int_equal(w.broker[0].nb, 241);
	assert_int_equal(w.broker[0].record[0].len, sizeof(payload));
	assert_int_equal(upstream(0, PW_LANE_3).counters.dropped_slow, 0);
	ledger();
}

static void
a_broker_that_ends_at_the_same_message_each_time_is_named_and_left_alone_longer(void **state)
{
	(void)state;
	w.broker[0].hold = true;
	world_start(1, 3, 0);
	device_connect(0, 0, 4, "a");
	device_publish(0, 4, 1, 1, "topic", "poison");
	for (uint32_t k = 0; k < 600; k++) {
		uint32_t nb = w.broker[0].nb;

		world_run(100);
		if (w.broker[0].nb != nb || k == 0)
			broker_reset(0);
	}
	assert_true(upstream(0, PW_LANE_3).counters.stalled_at_message >= 2);
	assert_in_range(w.broker[0].nb, 3, 20); /* a minute of the least waits would be 60 */
	assert_int_equal(upstream(1, PW_LANE_3).counters.stalled_at_message, 0);
	w.broker[0].hold = false;
	world_run(60000);
	assert_int_equal(device_acks(0, 4, NULL, NULL, 4), 1);
	ledger();
}

static void
a_largest_packet_may_be_configured_for_a_broker_that_does_not_say(void **state)
{
	char text[200] = {0};

	(void)state;
	w.set.broker[0].max_packet_size = 100;
	world_start(1, 3, 0);
	device_connect(0, 0, 4, "a");
	memset(text, 'x', sizeof(text) - 1);
	device_publish(0, 4, 1, 1, "t", text);
	device_publish(0, 4, 0, 0, "t", text);
	world_run(20);
	assert_int_equal(w.broker[0].nb, 0);
	assert_int_equal(w.broker[1].nb, 2);
	assert_int_equal(upstream(0, PW_LANE_3).counters.dropped_too_large, 2);
	assert_int_equal(device_acks(0, 4, NULL, NULL, 4), 1);
	assert_int_equal(counters()->completed_qos0, 1);
	ledger();
}

static void
qos0_that_no_broker_was_given_is_not_called_complete(void **state)
{
	(void)state;
	w.broker[0].refuse = w.broker[1].refuse = true;
	world_start(1, 3, 0);
	device_connect(0, 0, 4, "a");
	for (uint32_t i = 0; i < 200; i++)
		device_publish(0, 4, 0, 0, "t", "x");
	world_run(20);
	/* By groups, of up to a sixteenth of the log. */
	assert_in_range(counters()->given_up_qos0, 200 - 128, 200 - 128 + 15);
	assert_int_equal(counters()->completed_qos0, 0);
	ledger();
}

#define T(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(receive_maximum_of_the_broker_is_never_exceeded),
		T(a_window_of_3_1_1_comes_from_the_configuration),
		T(a_broker_that_stops_acknowledging_is_found_out_and_reconnected),
		T(silence_is_broken_by_pings_and_their_answer_is_awaited),
		T(a_ping_after_long_silence_has_all_of_its_time),
		T(refusals_and_silence_at_connect_are_named),
		T(identifiers_towards_brokers_name_instance_worker_and_lane),
		T(qos0_for_an_absent_broker_is_kept_to_half_the_log_and_the_oldest_go),
		T(qos1_waits_for_an_absent_broker_and_a_full_log_blocks_the_devices),
		T(qos0_finds_the_log_full_and_is_dropped_or_blocks_as_the_route_says),
		T(a_slow_broker_does_not_stop_the_other),
		T(what_is_too_large_for_one_broker_goes_to_the_others),
		T(retain_is_cleared_for_the_broker_that_has_none),
		T(the_worst_reason_goes_back_to_the_device),
		T(no_route_is_acknowledged_in_order_and_counted),
		T(answers_to_nothing_change_nothing_and_a_publish_from_a_broker_reconnects),
		T(message_expiry_counts_the_time_spent_here),
		T(a_broker_of_qos0_only_lowers_what_devices_are_told),
		T(identifiers_are_not_reused_while_any_broker_owes_an_answer),
		T(a_clock_that_stands_behind_expires_nothing),
		T(a_broker_that_ends_at_the_same_message_each_time_is_named_and_left_alone_longer),
		T(a_largest_packet_may_be_configured_for_a_broker_that_does_not_say),
		T(qos0_that_no_broker_was_given_is_not_called_complete),
		T(a_blocking_route_keeps_a_healthy_connection_through_one_large_message),
	};

	return cmocka_run_group_tests(tests, world_init, world_fini);
}
