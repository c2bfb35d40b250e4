/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * QoS 2 on the devices' leg beyond one connection: what a session remembers, for how long, and what
 * its next connection is told.
 */
#include <stdio.h>

#include "qos2.h"

static void
session_present_says_that_something_is_remembered(void **state)
{
	(void)state;
	w.broker[0].hold = true;
	world_start(1, 3, 0);
	assert_false(come_back(0, 0, 4, "a"));
	device_publish(0, 4, 2, 7, "t", "x");
	world_run(20);
	device_reset(0);
	world_run(20);
	assert_true(come_back(0, 0, 4, "a"));
	assert_int_equal(counters()->sessions_resumed, 1);
	/* taken over, too */
	assert_true(come_back(1, 0, 4, "a"));
	world_ack(0, 9);
	world_run(20);
	assert_int_equal(pubrecs(1, NULL), 0); /* it has not asked */
	device_publish(1, 4, 2, 7, "t", "x");
	world_run(20);
	assert_int_equal(pubrecs(1, NULL), 1);
	device_ack(1, PW_MQTT_PUBREL, 7);
	world_run(20);
	device_reset(1);
	world_run(20);
	assert_false(come_back(1, 0, 4, "a"));
	assert_int_equal(delivered(0), 1);
	ledger();
}

static void
a_clean_start_forgets(void **state)
{
	(void)state;
	w.broker[0].hold = true;
	world_start(1, 3, 0);
	(void)come_back(0, 0, 5, "a");
	device_publish(0, 5, 2, 7, "t", "x");
	world_run(20);
	device_reset(0);
	world_run(20);
	device_connect(0, 0, 5, "a");
	world_ack(0, 9);
	world_run(20);
	device_publish(0, 5, 2, 7, "t", "y");
	world_run(20);
	assert_int_equal(delivered(0), 2);
	assert_int_equal(counters()->sessions_resumed, 0);
	assert_int_equal(counters()->orphaned, 1);
	ledger();
}

static void
a_session_expires(void **state)
{
	(void)state;
	world_start(1, 3, 0);
	(void)come_back(0, 0, 5, "a");
	device_publish(0, 5, 2, 7, "t", "x");
	world_run(20);
	device_reset(0);
	world_run(90000);
	assert_int_equal(counters()->sessions_expired, 0);
	world_run(11000);
	assert_int_equal(counters()->sessions_expired, 1);
	assert_false(come_back(0, 0, 5, "a"));
	ledger();
}

static void
a_refusal_that_was_not_told_is_told_on_the_next_connection(void **state)
{
	uint8_t reason;

	(void)state;
	w.broker[0].hold = true;
	w.broker[0].reason = 0x87;
	world_start(1, 3, 0);
	(void)come_back(0, 0, 5, "a");
	device_publish(0, 5, 2, 7, "t", "x");
	world_run(20);
	device_reset(0);
	world_run(20);
	world_ack(0, 9);
	world_run(20);
	assert_true(come_back(0, 0, 5, "a"));
	device_publish(0, 5, 2, 7, "t", "x");
	world_run(20);
	assert_int_equal(device_answers(0, 0x50, 5, NULL, &reason, 9), 1);
	assert_int_equal(reason, 0x87);
	assert_int_equal(delivered(1), 1);
	ledger();
}

static void
a_new_connection_has_a_receive_maximum_of_its_own(void **state)
{
	(void)state;
	w.set.limits.receive_maximum = 3;
	world_start(1, 3, 0);
	(void)come_back(0, 0, 5, "a");
	for (uint16_t i = 1; i <= 3; i++)
		device_publish(0, 5, 2, i, "t", "x");
	world_run(20);
	device_reset(0);
	world_run(20);
	assert_true(come_back(0, 0, 5, "a"));
	for (uint16_t i = 4; i <= 6; i++)
		device_publish(0, 5, 2, i, "t", "x");
	world_run(20);
	assert_false(w.device[0].closed);
	for (uint16_t i = 1; i <= 5; i++)
		device_ack(0, PW_MQTT_PUBREL, i);
	world_run(20);
	assert_int_equal(pubcomps(0), 5);
	for (uint16_t i = 7; i <= 8; i++)
		device_publish(0, 5, 2, i, "t", "x");
	world_run(20);
	assert_false(w.device[0].closed);
	device_publish(0, 5, 2, 9, "t", "x"); /* to which it is held */
	world_run(20);
	assert_true(w.device[0].closed);
	ledger();
}

static void
no_more_sessions_are_kept_than_there_are_places(void **state)
{
	char id[8];

	(void)state;
	world_start(1, 3, 0); /* 32 / 8 + 16 places */
	for (uint32_t i = 0; i < 22; i++) {
		snprintf(id, sizeof(id), "d%u", i);
		(void)come_back(i, 0, 4, id);
		device_publish(i, 4, 2, 7, "t", "x");
	}
	world_run(20);
	for (uint32_t i = 0; i < 22; i++)
		device_reset(i);
	world_run(20);
	assert_int_equal(counters()->sessions_not_kept, 2);
	assert_true(come_back(0, 0, 4, "d0"));
	assert_false(come_back(21, 0, 4, "d21"));
	ledger();
}

#define T(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(session_present_says_that_something_is_remembered),
		T(a_clean_start_forgets),
		T(a_session_expires),
		T(a_refusal_that_was_not_told_is_told_on_the_next_connection),
		T(a_new_connection_has_a_receive_maximum_of_its_own),
		T(no_more_sessions_are_kept_than_there_are_places),
	};

	return cmocka_run_group_tests(tests, world_init, world_fini);
}
