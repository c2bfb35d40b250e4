/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Logs by sets of brokers: what a broker does is felt by devices that publish to a set that
 * contains it, and by no others; the acknowledgements of a device keep their order over all logs.
 */
#include <stdio.h>

#include <rte_common.h>

#include "world.h"

/* Routes "0" and "1" to a broker each, "both" to both, in this order. */
static void
three_sets(void)
{
	static const char *const filter[] = {"0", "1", "both"};

	w.set.nb_routes = 3;
	for (uint32_t i = 0; i < 3; i++) {
		w.set.route[i] = w.set.route[0];
		snprintf(w.set.route[i].filter, sizeof(w.set.route[i].filter), "%s", filter[i]);
		snprintf(w.set.route[i].name, sizeof(w.set.route[i].name), "%s", filter[i]);
		w.set.route[i].brokers = i + 1;
	}
	w.set.limits.max_queued_messages = 16;
	w.set.limits.receive_maximum = 100;
}

static void
flood(uint32_t device, const char *topic, uint32_t n)
{
	for (uint16_t i = 1; i <= n; i++)
		device_publish(device, 5, 1, i, topic, "x");
}

static void
isolation(uint32_t workers, uint8_t role0, uint8_t role1)
{
	three_sets();
	w.broker[1].hold = true; /* takes all, answers nothing */
	world_start(workers, role0, role1);
	for (uint32_t i = 0; i < 3; i++)
		device_connect(i, 0, 5, (const char *[]){"a", "b", "c"}[i]);
	flood(1, "1", 40);
	flood(2, "both", 40);
	world_run(50);
	assert_int_equal(device_acks(1, 5, NULL, NULL, 99), 0);
	assert_int_equal(device_acks(2, 5, NULL, NULL, 99), 0);
	assert_int_equal(w.broker[0].nb, 16); /* the share of "both", up to its log */
	flood(0, "0", 60);
	world_run(100);
	assert_int_equal(device_acks(0, 5, NULL, NULL, 99), 60);
	ledger();
	w.broker[1].hold = false;
	world_ack(1, 99);
	world_run(200);
	assert_int_equal(device_acks(1, 5, NULL, NULL, 99), 40);
	assert_int_equal(device_acks(2, 5, NULL, NULL, 99), 40);
	assert_int_equal(w.broker[0].nb, 100);
	assert_int_equal(w.broker[1].nb, 80);
	ledger();
}

static void
a_hung_broker_blocks_no_device_of_a_set_without_it(void **state)
{
	(void)state;
	isolation(1, 3, 0);
}

static void
a_hung_broker_blocks_no_device_of_a_set_without_it_across_workers(void **state)
{
	(void)state;
	isolation(2, PW_ROLE_DEVICES, PW_ROLE_BROKERS);
}

static void
acknowledgements_keep_their_order_over_all_logs(void **state)
{
	uint16_t ids[16];

	(void)state;
	three_sets();
	w.broker[0].hold = true;
	world_start(1, 3, 0);
	device_connect(0, 0, 5, "a");
	for (uint16_t i = 0; i < 9; i++)
		device_publish(0, 5, 1, i + 1, (const char *[]){"1", "0", "none"}[i % 3], "x");
	world_run(20);
	assert_int_equal(device_acks(0, 5, ids, NULL, 16), 1);
	world_ack(0, 1);
	world_run(20);
	assert_int_equal(device_acks(0, 5, ids, NULL, 16), 4); /* 2, "none", "1" */
	world_ack(0, 9);
	world_run(20);
	assert_int_equal(device_acks(0, 5, ids, NULL, 16), 9);
	for (uint16_t i = 0; i < 9; i++)
		assert_int_equal(ids[i], i + 1);
	ledger();
}

static void
a_message_for_nobody_finds_a_place_in_any_log(void **state)
{
	(void)state;
	three_sets();
	w.broker[0].hold = true;
	world_start(1, 3, 0);
	device_connect(0, 0, 5, "a");
	device_connect(1, 0, 5, "b");
	flood(0, "0", 40);
	world_run(20);
	flood(1, "none", 40);
	world_run(50);
	assert_int_equal(device_acks(1, 5, NULL, NULL, 99), 40);
	ledger();
}

static void
a_device_that_goes_leaves_messages_of_all_logs_to_nobody(void **state)
{
	(void)state;
	three_sets();
	w.broker[0].hold = true;
	world_start(1, 3, 0);
	device_connect(0, 0, 5, "a");
	for (uint16_t i = 0; i < 6; i++)
		device_publish(0, 5, 1, i + 1, i % 2 ? "1" : "0", "x");
	world_run(20);
	device_reset(0);
	world_run(20);
	assert_int_equal(counters()->orphaned, 3); /* those that broker 1 had acknowledged */
	world_ack(0, 9);
	world_run(20);
	assert_int_equal(counters()->orphaned, 6);
	assert_int_equal(pw_forward_outstanding(w.forward[0]), 0);
	ledger();
}

/* A message that is done, and whose acknowledgement waits for that of an older one of its device in
 * another log, does not keep its place from others. */
static void
turn_waits(uint8_t qos)
{
	three_sets();
	w.broker[0].hold = true;
	world_start(1, 3, 0);
	device_connect(0, 0, 5, "a");
	device_connect(1, 0, 5, "b");
	for (uint16_t i = 0; i < 6; i++)
		device_publish(0, 5, qos, i + 1, (const char *[]){"0", "1", "none"}[i % 3], "x");
	world_run(20);
	assert_int_equal(device_answers(0, qos == 2 ? 0x50 : 0x40, 5, NULL, NULL, 16), 0);
	flood(1, "1", 60);
	world_run(100);
	assert_int_equal(device_acks(1, 5, NULL, NULL, 99), 60);
	ledger();
}

static void
an_acknowledgement_that_waits_for_its_turn_blocks_no_other_device(void **state)
{
	struct pw_why why;
	uint16_t ids[16];

	for (uint8_t qos = 1; qos <= 2; qos++) {
		world_setup(state);
		turn_waits(qos);
		assert_int_equal(pw_forward_why(w.forward[0], "a", &why, w.now), 0);
		assert_non_null(strstr(why.reason[0], qos == 2 ? "PUBREC of b0" : "PUBACK of b0"));
		world_ack(0, 1);
		world_run(20);
		assert_int_equal(device_answers(0, qos == 2 ? 0x50 : 0x40, 5, ids, NULL, 16), 3);
		flood(1, "1", 60);
		world_ack(0, 9);
		world_run(100);
		assert_int_equal(device_answers(0, qos == 2 ? 0x50 : 0x40, 5, ids, NULL, 16), 6);
		for (uint16_t i = 0; i < 6; i++)
			assert_int_equal(ids[i], i + 1);
		assert_int_equal(pw_forward_owed(w.forward[0]), 0);
		ledger();
		world_teardown(state);
	}
}

static void
acknowledgements_that_wait_go_with_their_device(void **state)
{
	for (uint8_t qos = 1; qos <= 2; qos++) {
		world_setup(state);
		turn_waits(qos);
		device_reset(0);
		world_run(20);
		assert_int_equal(counters()->orphaned, 2); /* broker 1 has two of its messages */
		world_ack(0, 9);
		world_run(20);
		assert_int_equal(counters()->orphaned, 4);
		ledger();
		world_teardown(state);
	}
}

/* They have twice as many places as a log. */
static void
a_device_with_more_acknowledgements_waiting_than_there_are_places_is_closed(void **state)
{
	(void)state;
	three_sets();
	w.broker[0].hold = true;
	world_start(1, 3, 0);
	device_connect(0, 0, 5, "a");
	device_connect(1, 0, 5, "b");
	flood(0, "0", 1);
	for (uint16_t i = 2; i <= 33; i++)
		device_publish(0, 5, 1, i, "1", "x");
	world_run(20);
	assert_false(w.device[0].closed);
	for (uint16_t i = 34; i <= 60; i++)
		device_publish(0, 5, 1, i, "1", "x");
	world_run(20);
	assert_true(w.device[0].closed);
	assert_true(device_got(0, (const uint8_t[]){0xE0, 1, 0x97}, 3) ||
		    device_got(0, (const uint8_t[]){0xE0, 2, 0x97, 0}, 4));
	assert_int_equal(counters()->shed, 1);
	flood(1, "1", 60);
	world_run(100);
	assert_int_equal(device_acks(1, 5, NULL, NULL, 99), 60);
	ledger();
}

/* Nor does what is for nobody take places of a log that does not move. */
static void
messages_for_nobody_do_not_fill_the_log_of_a_broker_that_is_away(void **state)
{
	(void)state;
	three_sets();
	w.broker[0].hold = true;
	world_start(1, 3, 0);
	for (uint32_t i = 0; i < 2; i++)
		device_connect(i, 0, 5, (const char *[]){"a", "b"}[i]);
	flood(0, "0", 1);
	world_run(20);
	flood(1, "none", 60);
	world_run(50);
	assert_int_equal(device_acks(1, 5, NULL, NULL, 99), 60);
	flood(0, "0", 15);
	world_run(50);
	assert_int_equal(w.broker[0].nb, 16);
	ledger();
}

/* A set that the session never used does not hold its successor up. */
static void
a_client_that_moves_waits_for_the_logs_that_it_used_only(void **state)
{
	(void)state;
	three_sets();
	w.broker[1].hold = true;
	world_start(2, 3, 3);
	device_connect(0, 0, 5, "stuck");
	device_connect(1, 0, 5, "moves");
	flood(0, "1", 4);
	flood(1, "0", 4);
	world_run(20);
	device_connect(2, 1, 5, "moves");
	assert_int_equal(counters()->overtaken, 0);
	flood(2, "1", 1); /* and "1" it does use */
	world_run(20);
	device_open(3, 0);
	device_send(3, (const uint8_t[]){0x10, 18, 0, 4, 'M', 'Q', 'T', 'T', 5,	  2,
					 0,    60, 0, 0, 5,   'm', 'o', 'v', 'e', 's'},
		    20);
	world_run(100);
	assert_int_equal(w.device[3].len, 0);
	world_ack(1, 99);
	world_run(100);
	assert_true(w.device[3].len > 0);
	ledger();
}

static void
a_pool_spreads_clients_and_keeps_each_on_one_connection(void **state)
{
	uint32_t conn[16] = {0}, used[8] = {0}, n = 0;
	bool named[4] = {false};
	char text[48];

	(void)state;
	w.set.route[0].pool_size = 4;
	w.set.lanes = 1u << PW_LANE_5;
	w.set.route[0].brokers = 1;
	world_start(1, 3, 0);
	for (uint32_t i = 0; i < 4; i++) {
		for (uint32_t p = 0; p < 4; p++) {
			snprintf(text, sizeof(text), "pubwire-test-w0-l5-s0-p%u", p);
			named[p] |= strcmp(w.broker[0].leg[i].client_id, text) == 0;
		}
	}
	assert_true(named[0] && named[1] && named[2] && named[3]);
	for (uint32_t i = 0; i < 16; i++) {
		snprintf(text, sizeof(text), "client %u", i);
		device_connect(i, 0, 5, text);
		for (uint16_t k = 1; k <= 5; k++)
			device_publish(i, 5, 1, k, "t", text);
	}
	world_run(50);
	assert_int_equal(w.broker[0].nb, 80);
	for (uint32_t k = 0; k < 80; k++) {
		const struct record *r = &w.broker[0].record[k];
		unsigned int i;

		assert_int_equal(sscanf(r->text, "client %u", &i), 1);
		assert_true(conn[i] == 0 || conn[i] == r->conn);
		conn[i] = r->conn;
	}
	for (uint32_t i = 0; i < 16; i++) {
		assert_int_equal(device_acks(i, 5, NULL, NULL, 9), 5);
		used[conn[i] % 8]++;
	}
	for (uint32_t i = 0; i < 8; i++)
		n += used[i] > 0;
	assert_int_equal(n, 4);
	ledger();
}

static void
each_set_has_connections_of_its_own_to_its_brokers_alone(void **state)
{
	struct pw_upstream_info u[16];
	struct pw_forward_layout l;

	(void)state;
	three_sets();
	world_start(1, 3, 0);
	assert_int_equal(pw_forward_layout(&w.set, &l), 0);
	assert_int_equal(l.sets, 3);
	assert_int_equal(l.logs, 3);
	assert_int_equal(l.connections, 4);
	assert_int_equal(pw_forward_upstreams(w.forward[0], 0, u, 16), 8); /* two lanes */
	for (uint32_t i = 0; i < 8; i++)
		assert_true((u[i].set + 1) & 1u << u[i].broker);
}

/* More devices than are tried in vain in one poll stand before it in line. */
static void
a_device_whose_log_has_room_again_is_found_among_many_that_wait_on(void **state)
{
	uint16_t ids[24];

	(void)state;
	three_sets();
	w.broker[0].hold = w.broker[1].hold = true;
	world_start(1, 3, 0);
	for (uint32_t i = 0; i < WORLD_DEVICES; i++) {
		char id[8];

		snprintf(id, sizeof(id), "d%u", i);
		device_connect(i, 0, 5, id);
	}
	for (uint32_t i = 1; i < WORLD_DEVICES; i++)
		flood(i, "1", 20);
	flood(0, "0", 20);
	world_run(20);
	w.broker[0].hold = false;
	world_ack(0, 99);
	world_run(20);
	assert_int_equal(device_acks(0, 5, NULL, NULL, 99), 20);
	assert_int_equal(w.broker[1].nb, 16);
	ledger();
	w.broker[1].hold = false;
	world_ack(1, 99);
	world_run(100);
	for (uint32_t i = 1; i < WORLD_DEVICES; i++) {
		assert_int_equal(device_acks(i, 5, ids, NULL, RTE_DIM(ids)), 20);
		for (uint32_t k = 0; k < 20; k++)
			assert_int_equal(ids[k], k + 1);
	}
	ledger();
}

#define T(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_hung_broker_blocks_no_device_of_a_set_without_it),
		T(a_hung_broker_blocks_no_device_of_a_set_without_it_across_workers),
		T(acknowledgements_keep_their_order_over_all_logs),
		T(a_message_for_nobody_finds_a_place_in_any_log),
		cmocka_unit_test(an_acknowledgement_that_waits_for_its_turn_blocks_no_other_device),
		cmocka_unit_test(acknowledgements_that_wait_go_with_their_device),
		T(a_device_with_more_acknowledgements_waiting_than_there_are_places_is_closed),
		T(messages_for_nobody_do_not_fill_the_log_of_a_broker_that_is_away),
		T(a_device_that_goes_leaves_messages_of_all_logs_to_nobody),
		T(a_client_that_moves_waits_for_the_logs_that_it_used_only),
		T(a_device_whose_log_has_room_again_is_found_among_many_that_wait_on),
		T(a_pool_spreads_clients_and_keeps_each_on_one_connection),
		T(each_set_has_connections_of_its_own_to_its_brokers_alone),
	};

	return cmocka_run_group_tests(tests, world_init, world_fini);
}
