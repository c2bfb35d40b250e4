/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * QoS 2 on the devices' leg beyond one connection: what a session remembers, for how long, and what
 * its next connection is told.
 */
#include <stdio.h>

#include "qos2.h"

#define BYTES(...) (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__})

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
a_pubrec_that_goes_again_stays_behind_one_that_is_waited_for(void **state)
{
	uint16_t ids[9];

	(void)state;
	w.broker[0].hold = true;
	w.broker[0].reason = 0x87;
	world_start(1, 3, 0);
	(void)come_back(0, 0, 5, "a");
	device_publish(0, 5, 2, 1, "t", "x");
	device_publish(0, 5, 2, 2, "t", "y");
	world_run(20);
	assert_int_equal(world_ack(0, 1), 1);
	w.broker[0].reason = 0;
	assert_int_equal(world_ack(0, 1), 1);
	world_run(20);
	assert_int_equal(pubrecs(0, ids), 2);
	/* It does not know. The first one, which was refused, is forwarded again. */
	device_reset(0);
	world_run(20);
	assert_true(come_back(0, 0, 5, "a"));
	device_publish(0, 5, 2, 1, "t", "x");
	device_publish(0, 5, 2, 2, "t", "y");
	world_run(20);
	assert_int_equal(pubrecs(0, ids), 0);
	assert_int_equal(world_ack(0, 9), 1);
	world_run(20);
	assert_int_equal(pubrecs(0, ids), 2);
	assert_int_equal(ids[0], 1);
	assert_int_equal(ids[1], 2);
	device_ack(0, PW_MQTT_PUBREL, 1);
	device_ack(0, PW_MQTT_PUBREL, 2);
	world_run(20);
	assert_int_equal(pubcomps(0), 2);
	world_ack(0, 9);
	world_run(20);
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

/* Connections that are still closing when others of their kind end. */
static void
no_more_are_kept_where_they_end_together_either(void **state)
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
		device_send(i, BYTES(0xE0, 0));
	world_run(10000);
	assert_int_equal(counters()->sessions_not_kept, 2);
	ledger();
}

/* CONNECT with a Session Expiry Interval of 100 s; what CONNACK says of it, UINT32_MAX: nothing. */
static uint32_t
granted_expiry(uint32_t i)
{
	static const uint8_t connect[] = {0x10, 19, 0,	  4, 'M', 'Q', 'T', 'T', 5, 0,	0,
					  60,	5,  0x11, 0, 0,	  0,   100, 0,	 1, 'a'};
	const uint8_t *p = w.device[i].rx;

	device_open(i, 0);
	device_send(i, connect, sizeof(connect));
	world_run(5);
	assert_true(w.device[i].len >= 5 && p[0] == 0x20 && p[3] == 0);
	for (uint32_t at = 5; at + 5 <= 5u + p[4];) {
		switch (p[at]) {
		case 0x11:
			return (uint32_t)p[at + 1] << 24 | (uint32_t)p[at + 2] << 16 |
			       (uint32_t)p[at + 3] << 8 | p[at + 4];
		case 0x21: /* Receive Maximum, Topic Alias Maximum: two bytes */
		case 0x22:
			at += 3;
			break;
		case 0x27: /* Maximum Packet Size */
			at += 5;
			break;
		default:
			at += 2;
		}
	}
	return UINT32_MAX;
}

static void
connack_says_how_long_a_session_stays_where_that_is_less_than_asked(void **state)
{
	(void)state;
	w.set.limits.max_session_expiry = 100;
	world_start(1, 3, 0);
	assert_int_equal(granted_expiry(0), UINT32_MAX);
	w.set.limits.max_session_expiry = 30;
	assert_int_equal(granted_expiry(1), 30);
	device_clear(1);
	device_publish(1, 5, 2, 7, "t", "x");
	world_run(20);
	/* DISCONNECT cannot make it longer */
	device_send(1, BYTES(0xE0, 7, 0, 5, 0x11, 0, 0, 1, 0));
	world_run(29000);
	assert_int_equal(counters()->sessions_expired, 0);
	world_run(2000);
	assert_int_equal(counters()->sessions_expired, 1);
	ledger();
}

static void
a_session_of_3_1_1_stays_for_as_long_as_configured(void **state)
{
	(void)state;
	w.set.limits.max_session_expiry = 10;
	world_start(1, 3, 0);
	(void)come_back(0, 0, 4, "a");
	device_publish(0, 4, 2, 7, "t", "x");
	world_run(20);
	device_reset(0);
	world_run(9000);
	assert_true(come_back(0, 0, 4, "a"));
	device_reset(0);
	world_run(11000);
	assert_false(come_back(0, 0, 4, "a"));
	assert_int_equal(counters()->sessions_expired, 1);
	ledger();
}

static void
sessions_end_with_their_connection_where_none_may_stay(void **state)
{
	(void)state;
	w.set.limits.max_session_expiry = 0;
	world_start(1, 3, 0);
	assert_int_equal(granted_expiry(0), 0);
	device_publish(0, 5, 2, 7, "t", "x");
	world_run(20);
	/* It had asked for one, so this is no error of its. */
	device_send(0, BYTES(0xE0, 7, 0, 5, 0x11, 0, 0, 0, 9));
	world_run(20);
	assert_int_equal(counters()->malformed, 0);
	assert_false(come_back(0, 0, 5, "a"));
	device_publish(0, 5, 2, 7, "t", "x");
	world_run(20);
	assert_int_equal(delivered(0), 2);
	(void)come_back(1, 0, 4, "b");
	device_publish(1, 4, 2, 7, "t", "x");
	world_run(20);
	device_reset(1);
	world_run(20);
	assert_false(come_back(1, 0, 4, "b"));
	assert_int_equal(counters()->sessions_not_kept, 0);
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
		T(connack_says_how_long_a_session_stays_where_that_is_less_than_asked),
		T(a_session_of_3_1_1_stays_for_as_long_as_configured),
		T(sessions_end_with_their_connection_where_none_may_stay),
		T(a_refusal_that_was_not_told_is_told_on_the_next_connection),
		T(a_pubrec_that_goes_again_stays_behind_one_that_is_waited_for),
		T(a_new_connection_has_a_receive_maximum_of_its_own),
		T(no_more_sessions_are_kept_than_there_are_places),
		T(no_more_are_kept_where_they_end_together_either),
	};

	return cmocka_run_group_tests(tests, world_init, world_fini);
}
