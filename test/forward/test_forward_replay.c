/* SPDX-License-Identifier: BSD-3-Clause */
/* Messages that a broker is sent again: those that it had no room for (0x97), and the backlog after
 * a reconnect at the rate that it can bear. */
#include <stdio.h>

#include <rte_common.h>

#include "world.h"

static void
flood(uint32_t from, uint32_t to)
{
	char text[16];

	for (uint32_t i = from; i <= to; i++) {
		snprintf(text, sizeof(text), "%u", i);
		device_publish(0, 5, 1, (uint16_t)i, "t", text);
	}
	world_run(20);
}

/* The last n records of a broker are messages from .. from + n - 1. */
static void
check_tail(uint32_t b, uint32_t from, uint32_t n)
{
	char text[16];

	assert_true(w.broker[b].nb >= n);
	for (uint32_t i = 0; i < n; i++) {
		snprintf(text, sizeof(text), "%u", from + i);
		assert_string_equal(w.broker[b].record[w.broker[b].nb - n + i].text, text);
	}
}

static void
over_quota(uint32_t workers, uint8_t role0, uint8_t role1)
{
	uint8_t reasons[16];
	uint32_t before;

	w.broker[0].reason = 0x97;
	world_start(workers, role0, role1);
	device_connect(0, 0, 5, "a");
	flood(1, 5);
	assert_int_equal(w.broker[0].nb, 5);
	flood(6, 10); /* wait behind them */
	assert_int_equal(w.broker[0].nb, 5);
	assert_int_equal(w.broker[1].nb, 10);
	world_run(900);
	/* after 100, 200, 400 ms; the second time all ten */
	assert_int_equal(w.broker[0].nb, 5 + 3 * 10);
	assert_int_equal(device_acks(0, 5, NULL, NULL, 16), 0);
	assert_int_equal(upstream(0, PW_LANE_5).counters.quota_exceeded, 35);
	assert_int_equal(upstream(0, PW_LANE_5).counters.disconnects, 0);
	w.broker[0].reason = 0;
	world_run(1000);
	assert_int_equal(device_acks(0, 5, NULL, reasons, 16), 10);
	for (uint32_t i = 0; i < 10; i++)
		assert_int_equal(reasons[i], 0);
	check_tail(0, 1, 10);
	assert_int_equal(w.broker[1].nb, 10);
	assert_int_equal(upstream(0, PW_LANE_5).counters.refused, 0);
	before = w.broker[0].nb;
	flood(11, 15);
	assert_int_equal(w.broker[0].nb, before + 5);
	assert_int_equal(device_acks(0, 5, NULL, NULL, 16), 15);
	ledger();
}

static void
quota_exceeded_waits_and_is_sent_again_in_order(void **state)
{
	(void)state;
	over_quota(1, 3, 0);
}

static void
quota_exceeded_waits_and_is_sent_again_in_order_across_workers(void **state)
{
	(void)state;
	over_quota(2, PW_ROLE_DEVICES, PW_ROLE_BROKERS);
}

static void
some_of_a_window_may_be_over_quota(void **state)
{
	(void)state;
	w.set.broker[0].max_inflight_messages = 4;
	w.broker[0].hold = true;
	world_start(1, 3, 0);
	device_connect(0, 0, 5, "a");
	flood(1, 8);
	assert_int_equal(w.broker[0].nb, 4);
	world_ack(0, 1);
	w.broker[0].reason = 0x97;
	world_run(10); /* 5 is on its way now */
	world_ack(0, 1);
	w.broker[0].reason = 0;
	world_run(500);
	assert_int_equal(w.broker[0].nb, 5); /* 3, 4 and 5 are not answered yet */
	world_ack(0, 3);
	world_run(100);
	assert_int_equal(w.broker[0].nb, 9);
	assert_string_equal(w.broker[0].record[5].text, "2");
	assert_string_equal(w.broker[0].record[6].text, "6");
	w.broker[0].hold = false;
	world_ack(0, 9);
	world_run(100);
	assert_int_equal(device_acks(0, 5, NULL, NULL, 16), 8);
	assert_int_equal(w.broker[0].nb, 9);
	assert_int_equal(upstream(0, PW_LANE_5).inflight, 0);
	ledger();
}

/* Each message is answered once: what is in flight beside it is waited for all the same. */
static void
the_same_message_is_over_quota_only_once(void **state)
{
	static const uint8_t again[] = {0x40, 3, 0, 1, 0x97, 0x40, 3, 0, 1, 0x97, 0x40, 2, 0, 1};

	(void)state;
	w.set.lanes = 1u << PW_LANE_5;
	w.set.route[0].brokers = 1;
	w.broker[0].hold = true;
	world_start(1, 3, 0);
	device_connect(0, 0, 5, "a");
	flood(1, 2);
	w.broker[0].reason = 0x97;
	world_ack(0, 1);
	w.broker[0].reason = 0;
	broker_send(0, again, sizeof(again));
	world_run(500);
	assert_int_equal(w.broker[0].nb, 2);
	assert_int_equal(upstream(0, PW_LANE_5).counters.quota_exceeded, 1);
	assert_int_equal(upstream(0, PW_LANE_5).counters.protocol_errors, 3);
	assert_int_equal(device_acks(0, 5, NULL, NULL, 9), 0);
	world_ack(0, 1);
	world_run(100);
	assert_int_equal(w.broker[0].nb, 3);
	check_tail(0, 1, 1);
	world_ack(0, 1);
	world_run(20);
	assert_int_equal(device_acks(0, 5, NULL, NULL, 9), 2);
	assert_int_equal(upstream(0, PW_LANE_5).inflight, 0);
	ledger();
}

static void
a_broker_over_quota_is_not_taken_for_stuck(void **state)
{
	(void)state;
	w.set.broker[0].ack_timeout = 300;
	w.set.broker[0].keepalive_interval = 100;
	w.broker[0].reason = 0x97;
	world_start(1, 3, 0);
	device_connect(0, 0, 5, "a");
	flood(1, 1);
	world_run(5000);
	assert_int_equal(upstream(0, PW_LANE_5).counters.stuck, 0);
	w.broker[0].reason = 0;
	world_run(10000);
	assert_int_equal(device_acks(0, 5, NULL, NULL, 16), 1);
	ledger();
}

static void
the_backlog_is_replayed_at_its_rate_and_what_is_fresh_comes_behind_it(void **state)
{
	uint32_t first;

	(void)state;
	w.set.broker[0].replay_rate = 100;
	w.set.broker[0].restart_cap = 600;
	w.set.broker[0].connect_timeout = 300;
	w.set.limits.receive_maximum = 200;
	world_start(1, 3, 0);
	device_connect(0, 0, 5, "a");
	w.broker[0].mute = true;
	broker_reset(0);
	world_run(10);
	flood(1, 100);
	w.broker[0].mute = false;
	for (uint32_t i = 0; i < 2000 && w.broker[0].nb == 0; i++)
		world_run(1);
	first = w.broker[0].nb;
	assert_in_range(first, 1, 3);
	flood(101, 110);
	world_run(480);
	assert_in_range(w.broker[0].nb, 48, 53);
	world_run(600);
	assert_int_equal(w.broker[0].nb, 110);
	check_tail(0, 1, 110);
	flood(111, 150);
	assert_int_equal(w.broker[0].nb, 150); /* as fast as it takes them */
	assert_int_equal(device_acks(0, 5, NULL, NULL, 200), 150);
	ledger();
}

#define T(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)

/* Its broker may have it, and the device was not told: it is sent again, expired or not. */
static void
what_was_sent_is_sent_again_though_it_has_expired(void **state)
{
	struct pw_mqtt_prop_out e = {.which = PW_MQTT_PROP_MESSAGE_EXPIRY, .num = 2};
	struct pw_mqtt_props_out props = {.p = &e, .n = 1};
	uint8_t out[64];
	int n = pw_mqtt_encode_publish(out, sizeof(out), 5, false, 1, false,
				       (struct pw_mqtt_str){"t", 1}, 7, &props, 0);

	(void)state;
	w.broker[0].hold = true;
	w.set.broker[0].restart_cap = 1000;
	world_start(1, 3, 0);
	device_connect(0, 0, 5, "a");
	device_send(0, out, (uint32_t)n);
	world_run(20);
	w.broker[0].mute = true;
	broker_reset(0);
	world_run(3000);
	w.broker[0].mute = w.broker[0].hold = false;
	world_run(10000);
	assert_int_equal(w.broker[0].nb, 2);
	assert_int_equal(w.broker[0].record[1].first, 0x3A);
	assert_int_equal(w.broker[0].record[1].expiry, 1);
	assert_int_equal(upstream(0, PW_LANE_5).counters.dropped_expired, 0);
	assert_int_equal(device_acks(0, 5, NULL, NULL, 9), 1);
	ledger();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(what_was_sent_is_sent_again_though_it_has_expired),
		T(the_same_message_is_over_quota_only_once),
		T(quota_exceeded_waits_and_is_sent_again_in_order),
		T(quota_exceeded_waits_and_is_sent_again_in_order_across_workers),
		T(some_of_a_window_may_be_over_quota),
		T(a_broker_over_quota_is_not_taken_for_stuck),
		T(the_backlog_is_replayed_at_its_rate_and_what_is_fresh_comes_behind_it),
	};

	return cmocka_run_group_tests(tests, world_init, world_fini);
}
