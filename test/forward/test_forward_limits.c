/* SPDX-License-Identifier: BSD-3-Clause */
/* Limits of listeners, rates of devices: who is over is told, or not read, and nothing is lost. */
#include <stdio.h>

#include <rte_common.h>

#include "world.h"

/* CONNECT; what came back is in w.device[i]. */
static void
try_connect(uint32_t i, uint32_t k, uint8_t version, const char *id, uint16_t keepalive)
{
	struct pw_mqtt_connect_out c = {.version = version,
					.clean = true,
					.keepalive = keepalive,
					.client_id = {id, (uint32_t)strlen(id)}};
	uint8_t out[256];
	int n = pw_mqtt_encode_connect(out, sizeof(out), &c);

	assert_true(n > 0);
	device_open(i, k);
	device_send(i, out, (uint32_t)n);
	world_run(5);
}

static uint8_t
connack_code(uint32_t i)
{
	assert_true(w.device[i].len >= 4);
	assert_int_equal(w.device[i].rx[0], 0x20);
	return w.device[i].rx[3];
}

/* Texts "0", "1", ... at once. */
static void
publish_many(uint32_t i, uint8_t version, uint8_t qos, uint32_t n)
{
	char text[16];

	for (uint32_t m = 0; m < n; m++) {
		snprintf(text, sizeof(text), "%u", m);
		device_publish(i, version, qos, (uint16_t)(qos > 0 ? 1 + m : 0), "t", text);
	}
	world_run(1);
}

static void
in_order(uint32_t b, uint32_t n)
{
	char text[16];

	assert_int_equal(w.broker[b].nb, n);
	for (uint32_t m = 0; m < n; m++) {
		snprintf(text, sizeof(text), "%u", m);
		assert_string_equal(w.broker[b].record[m].text, text);
	}
}

static void
messages_beyond_the_rate_wait_in_order_and_none_is_lost(void **state)
{
	uint16_t ids[40];

	(void)state;
	w.set.limits.message_rate = 10;
	world_start(1, 3, 0);
	device_connect(0, 0, 4, "fast");
	publish_many(0, 4, 1, 30);
	in_order(0, 10);
	world_run(150);
	in_order(0, 11);
	world_run(1000);
	in_order(0, 21);
	world_run(1000);
	in_order(0, 30);
	in_order(1, 30);
	assert_int_equal(device_acks(0, 4, ids, NULL, 40), 30);
	for (uint32_t m = 0; m < 30; m++)
		assert_int_equal(ids[m], m + 1);
	assert_true(counters()->paced >= 20);
	assert_int_equal(counters()->dropped_unread, 0);
	ledger();
}

static void
a_rate_is_saved_up_for_a_second_at_most(void **state)
{
	(void)state;
	w.set.limits.message_rate = 10;
	world_start(1, 3, 0);
	device_connect(0, 0, 5, "rare");
	world_run(20000);
	publish_many(0, 5, 0, 30);
	in_order(0, 10);
	world_run(2100);
	in_order(0, 30);
	ledger();
}

static void
a_device_over_its_rate_slows_nobody_else(void **state)
{
	(void)state;
	w.set.limits.message_rate = 10;
	world_start(1, 3, 0);
	device_connect(0, 0, 4, "fast");
	device_connect(1, 0, 4, "other");
	publish_many(0, 4, 1, 50);
	device_publish(1, 4, 1, 9, "t", "mine");
	world_run(3);
	assert_int_equal(w.broker[0].nb, 11);
	assert_string_equal(w.broker[0].record[10].text, "mine");
	assert_int_equal(device_acks(1, 4, NULL, NULL, 10), 1);
	world_run(5000);
	assert_int_equal(w.broker[0].nb, 51);
	ledger();
}

static void
a_packet_larger_than_a_seconds_bytes_passes_and_the_next_one_waits(void **state)
{
	static uint8_t out[60000], payload[50000];
	uint32_t n;

	(void)state;
	w.set.limits.byte_rate = 10000;
	world_start(1, 3, 0);
	device_connect(0, 0, 4, "bulk");
	n = publish_bytes(out, sizeof(out), 4, 1, false, 1, "t", payload, sizeof(payload));
	device_send(0, out, n);
	device_publish(0, 4, 1, 2, "t", "behind");
	world_run(100);
	assert_int_equal(w.broker[0].nb, 1);
	/* 50,000 bytes are five seconds', of which one was saved. */
	world_run(3800);
	assert_int_equal(w.broker[0].nb, 1);
	world_run(200);
	assert_int_equal(w.broker[0].nb, 2);
	world_run(100);
	assert_int_equal(device_acks(0, 4, NULL, NULL, 10), 2);
	ledger();
}

static void
keepalive_does_not_end_a_device_that_its_rate_holds_back(void **state)
{
	static uint8_t out[60000], payload[50000];
	uint32_t n;

	(void)state;
	w.set.limits.byte_rate = 2000;
	world_start(1, 3, 0);
	try_connect(0, 0, 5, "held", 2);
	assert_int_equal(connack_code(0), 0);
	device_clear(0);
	n = publish_bytes(out, sizeof(out), 5, 1, false, 1, "t", payload, sizeof(payload));
	device_send(0, out, n);
	device_send(0, (const uint8_t[]){0xC0, 0}, 2);
	world_run(23000);
	assert_false(w.device[0].closed);
	assert_int_equal(counters()->pings, 0);
	world_run(2000);
	assert_int_equal(counters()->pings, 1);
	assert_false(w.device[0].closed);
	/* Within its rate again, silence counts again. */
	world_run(3500);
	assert_true(w.device[0].closed);
	assert_int_equal(counters()->keepalive_expired, 1);
	ledger();
}

static void
the_beginning_of_a_packet_that_was_not_read_counts_as_a_sign_of_life(void **state)
{
	static uint8_t out[60000], payload[50000];
	uint32_t n;

	(void)state;
	w.set.limits.byte_rate = 2000;
	world_start(1, 3, 0);
	try_connect(0, 0, 5, "half", 2);
	assert_int_equal(connack_code(0), 0);
	n = publish_bytes(out, sizeof(out), 5, 0, false, 0, "t", payload, sizeof(payload));
	device_send(0, out, n);
	n = publish_bytes(out, sizeof(out), 5, 0, false, 0, "t", "later", 5);
	device_send(0, out, 4);
	world_run(25500);
	device_send(0, out + 4, n - 4);
	world_run(100);
	assert_false(w.device[0].closed);
	assert_int_equal(w.broker[0].nb, 2);
	ledger();
}

static void
bytes_that_come_while_a_device_is_held_back_change_nothing(void **state)
{
	(void)state;
	w.set.limits.message_rate = 1;
	world_start(1, 3, 0);
	device_connect(0, 0, 4, "drip");
	publish_many(0, 4, 0, 2);
	assert_int_equal(counters()->paced, 1);
	for (uint32_t i = 0; i < 5; i++) {
		device_publish(0, 4, 0, 0, "t", "more");
		world_run(20);
	}
	assert_int_equal(counters()->paced, 1);
	assert_int_equal(w.broker[0].nb, 1);
	world_run(7000);
	assert_int_equal(w.broker[0].nb, 7);
	ledger();
}

static void
both_rates_hold(void **state)
{
	(void)state;
	w.set.limits.message_rate = 10;
	w.set.limits.byte_rate = 1000000;
	world_start(1, 3, 0);
	device_connect(0, 0, 4, "many");
	publish_many(0, 4, 0, 15);
	in_order(0, 10);
	world_run(600);
	in_order(0, 15);
	ledger();
}

static void
who_owes_bytes_and_has_sent_nothing_more_may_go_at_once(void **state)
{
	static uint8_t out[60000], payload[50000];
	uint32_t n;

	(void)state;
	w.set.limits.byte_rate = 1000;
	world_start(1, 3, 0);
	device_connect(0, 0, 4, "brief");
	n = publish_bytes(out, sizeof(out), 4, 0, false, 0, "t", payload, sizeof(payload));
	device_send(0, out, n);
	world_run(50);
	assert_int_equal(w.broker[0].nb, 1);
	device_close(0);
	world_run(50);
	assert_int_equal(pw_forward_sessions(w.forward[0]), 0);
	assert_int_equal(counters()->lost, 1);
	assert_int_equal(counters()->paced, 0);
}

static void
a_device_that_leaves_while_it_is_held_back_leaves_nothing(void **state)
{
	(void)state;
	w.set.limits.message_rate = 5;
	world_start(1, 3, 0);
	device_connect(0, 0, 4, "gone");
	publish_many(0, 4, 0, 20);
	device_reset(0);
	world_run(10);
	assert_int_equal(pw_forward_sessions(w.forward[0]), 0);
	assert_int_equal(counters()->dropped_unread, 15);
	/* One that says goodbye is read to its end. */
	device_connect(0, 0, 4, "gone");
	publish_many(0, 4, 0, 20);
	device_send(0, (const uint8_t[]){0xE0, 0}, 2);
	device_close(0);
	world_run(4000);
	assert_int_equal(w.broker[0].nb, 5 + 20);
	assert_int_equal(counters()->disconnects, 1);
	assert_int_equal(pw_forward_sessions(w.forward[0]), 0);
	ledger();
}

static void
draining_ends_a_device_that_is_held_back(void **state)
{
	(void)state;
	w.set.limits.message_rate = 5;
	world_start(1, 3, 0);
	device_connect(0, 0, 5, "held");
	publish_many(0, 5, 1, 20);
	pw_forward_drain(w.forward[0], w.now);
	world_run(100);
	assert_true(w.device[0].closed);
	assert_true(pw_forward_drained(w.forward[0]));
	assert_int_equal(device_acks(0, 5, NULL, NULL, 40), 5);
	ledger();
}

static void
a_full_listener_says_so_and_resets_whoever_comes_on_top(void **state)
{
	(void)state;
	w.set.listener[0].max_connections = 2;
	world_start(1, 3, 0);
	device_connect(0, 0, 4, "a");
	device_connect(1, 0, 5, "b");
	try_connect(2, 0, 5, "c", 60);
	assert_int_equal(connack_code(2), 0x97);
	try_connect(3, 0, 4, "d", 60);
	assert_int_equal(connack_code(3), 3);
	world_run(50);
	assert_true(w.device[2].closed && w.device[3].closed);
	assert_int_equal(counters()->listener_full, 2);
	assert_int_equal(counters()->connects_refused, 2);
	assert_int_equal(counters()->connections_refused, 0);
	/* Four places to be told at: those that hold them without a word keep others out. */
	for (uint32_t i = 4; i < 9; i++)
		device_open(i, 0);
	world_run(50);
	assert_true(w.device[8].closed);
	assert_false(w.device[7].closed);
	assert_int_equal(counters()->connections_refused, 1);
	for (uint32_t i = 4; i < 8; i++)
		device_reset(i);
	/* A place that is given back is there for the next one. */
	device_reset(0);
	world_run(50);
	device_connect(9, 0, 4, "e");
	ledger();
}

static void
connections_of_a_listener_are_counted_over_all_workers(void **state)
{
	(void)state;
	w.set.listener[0].max_connections = 2;
	world_start(2, 3, 3);
	device_connect(0, 0, 4, "a");
	device_connect(1, 1, 4, "b");
	try_connect(2, 0, 5, "c", 60);
	assert_int_equal(connack_code(2), 0x97);
	try_connect(3, 1, 5, "d", 60);
	assert_int_equal(connack_code(3), 0x97);
	ledger();
}

static void
a_client_of_a_full_listener_takes_the_place_of_its_older_connection(void **state)
{
	(void)state;
	w.set.listener[0].max_connections = 1;
	world_start(2, 3, 3);
	device_connect(0, 0, 5, "same");
	try_connect(1, 0, 5, "other", 60);
	assert_int_equal(connack_code(1), 0x97);
	device_connect(2, 0, 4, "same");
	device_connect(3, 1, 5, "same");
	device_connect(4, 0, 5, "same");
	world_run(50);
	assert_true(w.device[0].closed && w.device[2].closed && w.device[3].closed);
	assert_false(w.device[4].closed);
	/* The count has not grown, nor shrunk. */
	try_connect(5, 1, 4, "other", 60);
	assert_int_equal(connack_code(5), 3);
	device_reset(4);
	world_run(50);
	device_connect(6, 1, 4, "other");
	try_connect(7, 0, 5, "same", 60);
	assert_int_equal(connack_code(7), 0x97);
	assert_false(w.device[6].closed);
	ledger();
}

static void
connects_beyond_the_rate_are_told_to_come_later(void **state)
{
	(void)state;
	w.set.listener[0].connect_rate = 3;
	world_start(2, 3, 3);
	device_connect(0, 0, 4, "a");
	device_connect(1, 1, 4, "b");
	device_connect(2, 0, 5, "c");
	try_connect(3, 1, 5, "d", 60);
	assert_int_equal(connack_code(3), 0x9F);
	try_connect(4, 0, 4, "e", 60);
	assert_int_equal(connack_code(4), 3);
	world_run(400);
	assert_true(w.device[3].closed && w.device[4].closed);
	device_connect(5, 0, 5, "f");
	assert_int_equal(counters()->connect_rate_exceeded, 1);
	assert_int_equal(pw_forward_counters(w.forward[1])->connect_rate_exceeded, 1);
	ledger();
}

static void
a_listener_has_a_packet_size_of_its_own(void **state)
{
	static uint8_t out[4000], payload[3000];
	const uint8_t told[] = {0x27, 0, 0, 0x07, 0xD0};
	bool found = false;
	uint32_t n;

	(void)state;
	w.set.listener[0].max_packet_size = 2000;
	world_start(1, 3, 0);
	try_connect(0, 0, 5, "small", 60);
	assert_int_equal(connack_code(0), 0);
	for (uint32_t i = 0; i + sizeof(told) <= w.device[0].len; i++)
		found |= memcmp(w.device[0].rx + i, told, sizeof(told)) == 0;
	assert_true(found);
	n = publish_bytes(out, sizeof(out), 5, 1, false, 1, "t", payload, sizeof(payload));
	device_send(0, out, n);
	world_run(50);
	assert_true(device_got(0, (const uint8_t[]){0xE0, 1, 0x95}, 3));
	assert_true(w.device[0].closed);
	assert_int_equal(w.broker[0].nb, 0);
	ledger();
}

static void
a_listener_has_a_connect_deadline_of_its_own(void **state)
{
	(void)state;
	w.set.listener[0].connect_deadline = 500;
	world_start(1, 3, 0);
	device_open(0, 0);
	world_run(450);
	assert_false(w.device[0].closed);
	world_run(100);
	assert_true(w.device[0].closed);
	assert_int_equal(counters()->connect_deadline, 1);
}

static void
a_listener_has_rates_of_its_own(void **state)
{
	(void)state;
	w.set.limits.message_rate = 1000;
	w.set.listener[0].message_rate = 10;
	world_start(1, 3, 0);
	device_connect(0, 0, 4, "slow");
	publish_many(0, 4, 0, 15);
	in_order(0, 10);
	world_run(600);
	in_order(0, 15);
	ledger();
}

static void
without_limits_no_session_has_an_account(void **state)
{
	struct pw_forward_settings set;

	(void)state;
	pw_forward_defaults(&set);
	set.nb_listeners = 1;
	assert_int_equal(pw_forward_accounts_bytes(&set, false), 0);
	set.listener[0].connect_deadline = 5;
	assert_int_equal(pw_forward_accounts_bytes(&set, false), 0);
	set.listener[0].connect_rate = 5;
	assert_true(pw_forward_accounts_bytes(&set, false) >= set.limits.max_connections * 16);
	set.listener[0].connect_rate = 0;
	set.limits.byte_rate = 1;
	assert_true(pw_forward_accounts_bytes(&set, false) > 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(messages_beyond_the_rate_wait_in_order_and_none_is_lost),
		TEST(a_rate_is_saved_up_for_a_second_at_most),
		TEST(a_device_over_its_rate_slows_nobody_else),
		TEST(a_packet_larger_than_a_seconds_bytes_passes_and_the_next_one_waits),
		TEST(keepalive_does_not_end_a_device_that_its_rate_holds_back),
		TEST(the_beginning_of_a_packet_that_was_not_read_counts_as_a_sign_of_life),
		TEST(bytes_that_come_while_a_device_is_held_back_change_nothing),
		TEST(both_rates_hold),
		TEST(who_owes_bytes_and_has_sent_nothing_more_may_go_at_once),
		TEST(a_device_that_leaves_while_it_is_held_back_leaves_nothing),
		TEST(draining_ends_a_device_that_is_held_back),
		TEST(a_full_listener_says_so_and_resets_whoever_comes_on_top),
		TEST(connections_of_a_listener_are_counted_over_all_workers),
		TEST(a_client_of_a_full_listener_takes_the_place_of_its_older_connection),
		TEST(connects_beyond_the_rate_are_told_to_come_later),
		TEST(a_listener_has_a_packet_size_of_its_own),
		TEST(a_listener_has_a_connect_deadline_of_its_own),
		TEST(a_listener_has_rates_of_its_own),
		cmocka_unit_test(without_limits_no_session_has_an_account),
	};

	return cmocka_run_group_tests(tests, world_init, world_fini);
}
