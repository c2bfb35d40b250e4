/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A message that is half on the wire when something happens to it or to the connection: nothing may
 * go into its midst, and the rest of it has to follow or the connection to end.
 */
#include <rte_common.h>

#include "world.h"

#define LARGE 600000

static uint8_t frame[LARGE + 100], payload[LARGE];

/* One broker that does not read, and a large message half way to it. */
static void
half_sent(uint8_t qos, uint32_t expiry)
{
	struct pw_mqtt_prop_out e = {.which = PW_MQTT_PROP_MESSAGE_EXPIRY, .num = expiry};
	struct pw_mqtt_props_out props = {.p = &e, .n = expiry != 0};
	int n;

	for (uint32_t i = 0; i < LARGE; i++)
		payload[i] = (uint8_t)(i * 31 >> 3);
	w.set.route[0].brokers = 1;
	world_start(1, 3, 0);
	device_connect(0, 0, 5, "a");
	device_connect(1, 0, 5, "b");
	w.broker[0].deaf = true;
	n = pw_mqtt_encode_publish(frame, sizeof(frame), 5, false, qos, false,
				   (struct pw_mqtt_str){"large", 5}, qos > 0 ? 9 : 0, &props,
				   LARGE);
	assert_true(n > 0);
	memcpy(frame + n, payload, LARGE);
	device_send(0, frame, (uint32_t)n + LARGE);
	world_run(50);
	assert_int_equal(w.broker[0].nb, 0);
}

/* It reads again. */
static void
hears(void)
{
	w.broker[0].deaf = false;
	broker_read(0, UINT32_MAX);
	world_run(5000);
}

static void
arrives_whole(uint32_t at)
{
	assert_true(w.broker[0].nb > at);
	assert_string_equal(w.broker[0].record[at].topic, "large");
	assert_int_equal(w.broker[0].record[at].len, LARGE);
	assert_int_equal(w.broker[0].record[at].sum, payload_sum(payload, LARGE));
}

static void
what_fills_the_log_behind_it_ends_the_connection_rather_than_the_message(void **state)
{
	(void)state;
	half_sent(0, 0);
	for (uint32_t i = 0; i < 250; i++)
		device_publish(1, 5, 0, 0, "t", "small");
	world_run(50);
	assert_int_equal(upstream(0, PW_LANE_5).counters.stuck, 1);
	assert_true(upstream(0, PW_LANE_5).counters.dropped_disconnected >= 123);
	hears();
	/* Half of the log, the newest, but for what went with others of a group. */
	assert_in_range(w.broker[0].nb, 128 - 15, 128);
	assert_string_equal(w.broker[0].record[0].text, "small");
	assert_int_equal(upstream(0, PW_LANE_5).counters.protocol_errors, 0);
	ledger();
}

static void
it_is_completed_though_it_expires_meanwhile(void **state)
{
	for (uint8_t qos = 0; qos <= 1; qos++) {
		world_setup(state);
		half_sent(qos, 2);
		world_run(3000);
		hears();
		arrives_whole(0);
		assert_int_equal(upstream(0, PW_LANE_5).counters.dropped_expired, 0);
		assert_int_equal(upstream(0, PW_LANE_5).counters.disconnects, 0);
		ledger();
		world_teardown(state);
	}
}

static void
it_is_not_given_up_for_a_hold(void **state)
{
	(void)state;
	w.set.route[0].when_full_qos1 = PW_WHEN_FULL_DROP;
	w.set.broker[0].hold_messages = 4;
	half_sent(1, 0);
	for (uint16_t i = 1; i <= 20; i++)
		device_publish(1, 5, 1, i, "t", "small");
	world_run(50);
	assert_int_equal(upstream(0, PW_LANE_5).counters.dropped_hold, 17);
	hears();
	assert_int_equal(w.broker[0].nb, 4);
	arrives_whole(0);
	assert_int_equal(upstream(0, PW_LANE_5).counters.disconnects, 0);
	ledger();
}

/* 0x97 for an older message: what is half sent comes first, then that one again. */
static void
a_pause_for_quota_begins_behind_it(void **state)
{
	(void)state;
	w.broker[0].hold = true;
	w.set.route[0].brokers = 1;
	world_start(1, 3, 0);
	device_connect(2, 0, 5, "c");
	device_publish(2, 5, 1, 1, "t", "again");
	world_run(20);
	assert_int_equal(w.broker[0].nb, 1);
	for (uint32_t i = 0; i < LARGE; i++)
		payload[i] = (uint8_t)(i * 31 >> 3);
	w.broker[0].deaf = true;
	device_send(2, frame,
		    publish_bytes(frame, sizeof(frame), 5, 0, false, 0, "large", payload, LARGE));
	world_run(50);
	w.broker[0].reason = 0x97;
	assert_int_equal(world_ack(0, 1), 1);
	w.broker[0].reason = 0;
	world_run(1000);
	assert_int_equal(upstream(0, PW_LANE_5).counters.quota_exceeded, 1);
	hears();
	assert_int_equal(w.broker[0].nb, 3);
	arrives_whole(1);
	assert_string_equal(w.broker[0].record[2].text, "again");
	ledger();
}

#define T(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(what_fills_the_log_behind_it_ends_the_connection_rather_than_the_message),
		cmocka_unit_test(it_is_completed_though_it_expires_meanwhile),
		T(it_is_not_given_up_for_a_hold),
		T(a_pause_for_quota_begins_behind_it),
	};

	return cmocka_run_group_tests(tests, world_init, world_fini);
}
