/* SPDX-License-Identifier: BSD-3-Clause */
/* Messages and their order when routes and brokers change. */
#include "editions.h"

static void
a_route_takes_another_set_and_no_message_overtakes_another(void **state)
{
	for (uint32_t k = 0; k < RTE_DIM(shapes); k++) {
		struct pw_edition_conf conf;

		start(k);
		w.broker[0].hold = true;
		device_publish(0, 5, 1, 1, "t", "one");
		device_publish(0, 5, 1, 2, "t", "two");
		world_run(20);
		has(0, "one two ");
		conf = fresh();
		next.route[0].brokers = 1;
		next.route[0].order[0] = 0;
		assert_int_equal(world_renew(&conf), 0);
		assert_int_equal(nb_logs(), 4);
		device_publish(0, 5, 1, 3, "t", "three");
		device_publish(0, 5, 0, 0, "t", "four");
		world_run(500);
		/* The broker may read what comes by another connection first: so it does not come.
		 */
		has(0, "one two ");
		assert_int_equal(acked(), 0);
		assert_false(clean(&conf));
		assert_int_equal(world_ack(0, 2), 2);
		w.broker[0].hold = false;
		world_run(50);
		has(0, "one two three four ");
		has(1, "one two ");
		assert_int_equal(acked(), 3);
		assert_true(clean(&conf));
		assert_int_equal(nb_logs(), 2);
		device_publish(0, 5, 1, 4, "t", "five");
		world_run(20);
		assert_int_equal(acked(), 4);
		has(1, "one two ");
		assert_int_equal(counters()->overtaken, 0);
		assert_false(w.device[0].closed);
		w.set = next;
		ledger();
		again(state);
	}
}

static void
a_broker_that_is_away_holds_a_device_up_for_two_seconds_and_keeps_its_messages(void **state)
{
	for (uint32_t k = 0; k < RTE_DIM(shapes); k++) {
		struct pw_edition_conf conf;

		w.broker[0].mute = true;
		w.set.broker[0].connect_timeout = 300;
		w.set.broker[0].restart_cap = 1000;
		start(k);
		device_publish(0, 5, 1, 1, "t", "one");
		world_run(20);
		conf = fresh();
		next.route[0].brokers = 2;
		next.route[0].order[0] = 1;
		snprintf(next.route[0].filter, sizeof(next.route[0].filter), "t");
		next.nb_routes = 2;
		next.route[1] = next.route[0];
		snprintf(next.route[1].name, sizeof(next.route[1].name), "other");
		snprintf(next.route[1].filter, sizeof(next.route[1].filter), "other");
		next.route[1].brokers = 3;
		next.route[1].order[0] = 0;
		next.route[1].order[1] = 1;
		assert_int_equal(world_renew(&conf), 0);
		/* The set of both is named still, by another route: its log stays. */
		assert_int_equal(nb_logs(), 4);
		device_publish(0, 5, 1, 2, "t", "two");
		world_run(1000);
		has(1, "one two ");
		device_publish(0, 5, 1, 3, "other", "three");
		world_run(50);
		has(1, "one two three ");
		assert_int_equal(acked(), 0);
		w.broker[0].mute = false;
		world_run(6000);
		has(0, "one three ");
		assert_int_equal(acked(), 3);
		assert_false(clean(&conf));
		w.set = next;
		ledger();
		again(state);
	}
}

static void
who_waits_for_a_broker_that_does_not_come_back_goes_on(void **state)
{
	struct pw_edition_conf conf;

	(void)state;
	start(0);
	w.broker[0].hold = true;
	device_publish(0, 5, 0, 0, "t", "one");
	device_publish(0, 5, 1, 1, "t", "two");
	world_run(20);
	conf = fresh();
	next.route[0].brokers = 1;
	assert_int_equal(world_renew(&conf), 0);
	device_publish(0, 5, 1, 2, "t", "three");
	world_run(1900);
	has(0, "one two ");
	world_run(200);
	has(0, "one two three ");
	assert_int_equal(counters()->overtaken, 1);
	w.broker[0].hold = false;
	world_ack(0, 8);
	world_run(50);
	assert_int_equal(acked(), 2);
	assert_true(clean(&conf));
	w.set = next;
	ledger();
}

static void
a_broker_is_added(void **state)
{
	for (uint32_t k = 0; k < RTE_DIM(shapes); k++) {
		struct pw_edition_conf conf;

		w.set.nb_brokers = 3;
		w.set.route[0].brokers = 3;
		start(k);
		device_publish(0, 5, 1, 1, "t", "one");
		world_run(20);
		assert_int_equal(w.broker[2].connects, 0);
		conf = fresh();
		next.route[0].brokers = 7;
		next.route[0].order[2] = 2;
		assert_int_equal(world_renew(&conf), 0);
		device_publish(0, 5, 1, 2, "t", "two");
		world_run(100);
		has(0, "one two ");
		has(2, "two ");
		assert_int_equal(acked(), 2);
		assert_true(clean(&conf));
		assert_int_equal(nb_logs(), 2);
		w.set = next;
		ledger();
		again(state);
	}
}

static void
a_broker_is_removed_and_what_it_did_not_take_is_given_up_in_the_end(void **state)
{
	for (uint32_t k = 0; k < RTE_DIM(shapes); k++) {
		struct pw_edition_conf conf;

		w.set.limits.drain_deadline = 3000;
		start(k);
		w.broker[1].hold = true;
		device_publish(0, 5, 0, 0, "t", "one");
		device_publish(0, 5, 1, 1, "t", "two");
		device_publish(0, 5, 2, 2, "t", "three");
		world_run(20);
		conf = fresh();
		next.route[0].brokers = 1;
		assert_int_equal(world_renew(&conf), 0);
		device_publish(0, 5, 1, 3, "t", "four");
		world_run(2500);
		assert_int_equal(acked(), 0);
		assert_false(clean(&conf));
		assert_int_equal(pw_forward_brokers(w.shared), 3);
		world_run(1000);
		/* All that are left have it. */
		assert_int_equal(acked(), 2);
		has(0, "one two three four ");
		device_ack(0, PW_MQTT_PUBREL, 2);
		world_run(100);
		assert_int_equal(pw_forward_brokers(w.shared), 1);
		assert_true(clean(&conf));
		assert_int_equal(nb_logs(), 2);
		assert_int_equal(pw_forward_brokers(w.shared), 1);
		assert_false(w.device[0].closed);
		assert_int_equal(counters()->unmet, 0);
		w.set = next;
		ledger();
		again(state);
	}
}

static void
a_broker_that_moves_gets_there_what_it_did_not_acknowledge(void **state)
{
	for (uint32_t k = 0; k < RTE_DIM(shapes); k++) {
		struct pw_edition_conf conf;

		w.set.nb_brokers = 3;
		w.set.route[0].brokers = 3;
		start(k);
		w.broker[1].hold = true;
		device_publish(0, 5, 1, 1, "t", "one");
		device_publish(0, 5, 2, 2, "t", "two");
		world_run(20);
		conf = fresh();
		next.broker[1].address = w.set.broker[2].address;
		assert_int_equal(world_renew(&conf), 0);
		world_run(100);
		assert_int_equal(w.broker[2].nb, 2);
		assert_string_equal(w.broker[2].record[0].text, "one");
		assert_int_equal(acked(), 1);
		device_publish(0, 5, 1, 3, "t", "three");
		world_run(100);
		assert_int_equal(w.broker[1].nb, 2);
		assert_int_equal(w.broker[2].nb, 3);
		assert_int_equal(acked(), 2);
		device_ack(0, PW_MQTT_PUBREL, 2);
		world_run(100);
		w.set = next;
		ledger();
		again(state);
	}
}

/* What it knows is of another time: its identifiers have other messages by now, which it would take
 * for those that it has. */
static void
a_place_that_a_broker_comes_back_to_forgets_what_it_knew(void **state)
{
	for (uint32_t k = 0; k < RTE_DIM(shapes); k++) {
		const struct pw_addr home = w.set.broker[1].address;
		struct pw_edition_conf conf;

		w.set.nb_brokers = 3;
		w.set.limits.max_queued_messages = 16;
		start(k);
		w.broker[1].hold = true;
		device_publish(0, 5, 2, 1, "t", "old");
		world_run(20);
		assert_int_equal(w.broker[1].nb, 1);
		conf = fresh();
		next.broker[1].address = w.set.broker[2].address;
		assert_int_equal(world_renew(&conf), 0);
		world_run(100);
		device_ack(0, PW_MQTT_PUBREL, 1);
		world_run(100);
		assert_int_equal(w.broker[2].nb, 1);
		assert_int_equal(w.broker[2].clean_starts, 0);
		/* Nothing was lost there: there was nothing. */
		assert_int_equal(upstream(1, PW_LANE_5).counters.sessions_lost, 0);
		w.broker[1].hold = false;
		w.set = next;
		conf = fresh();
		next.broker[1].address = home;
		assert_int_equal(world_renew(&conf), 0);
		world_run(100);
		assert_int_equal(w.broker[1].clean_starts, 2); /* a connection a lane */
		device_goes_on(0, 5, 2, 32);
		assert_int_equal(w.broker[1].nb, 33);
		for (uint32_t i = 0; i < w.broker[1].nb; i++)
			assert_false(w.broker[1].record[i].again);
		w.set = next;
		ledger();
		again(state);
	}
}

/* Its logs are gone, but the edition that has them is in force until all workers have the next. */
static void
a_broker_keeps_its_place_until_all_workers_go_without_it(void **state)
{
	struct pw_edition_conf conf;

	(void)state;
	start(0);
	conf = fresh();
	next.route[0].brokers = 1;
	assert_int_equal(pw_forward_renew(w.shared, &conf), 0);
	pw_forward_adopt(w.forward[0], world_clock(0));
	world_run(100);
	assert_int_equal(pw_forward_brokers(w.shared), 3);
	assert_false(pw_forward_retired(w.shared));
	pw_forward_renewed(w.shared);
	assert_int_equal(pw_forward_brokers(w.shared), 1);
	assert_true(pw_forward_retired(w.shared));
	w.set = next;
	assert_true(clean(&conf));
}

static void
routes_change_again_while_the_last_ones_deliver(void **state)
{
	for (uint32_t k = 0; k < RTE_DIM(shapes); k++) {
		struct pw_edition_conf conf;

		w.set.limits.drain_deadline = 60000;
		start(k);
		w.broker[0].hold = w.broker[1].hold = true;
		device_publish(0, 5, 1, 1, "t", "one");
		world_run(20);
		for (uint32_t i = 0; i < 6; i++) {
			conf = fresh();
			next.route[0].brokers = 1 + i % 3;
			next.route[0].order[0] = i % 3 == 1;
			next.route[0].order[1] = 1;
			assert_int_equal(world_renew(&conf), 0);
			w.set = next;
			world_run(2100);
			device_publish(0, 5, 1, (uint16_t)(2 + i), "t", "more");
			world_run(2100);
		}
		assert_int_equal(acked(), 0);
		w.broker[0].hold = w.broker[1].hold = false;
		world_ack(0, 64);
		world_ack(1, 64);
		world_run(200);
		assert_int_equal(acked(), 7);
		while (clean(&conf))
			;
		assert_int_equal(nb_logs(), 2);
		has(0, "one more more more more ");
		has(1, "one more more more more ");
		ledger();
		again(state);
	}
}

static void
a_message_to_others_does_not_let_the_next_one_overtake(void **state)
{
	for (uint32_t k = 0; k < RTE_DIM(shapes); k++) {
		struct pw_edition_conf conf;

		w.set.nb_routes = 2;
		w.set.route[1] = w.set.route[0];
		snprintf(w.set.route[1].name, sizeof(w.set.route[1].name), "other");
		snprintf(w.set.route[0].filter, sizeof(w.set.route[0].filter), "t/#");
		snprintf(w.set.route[1].filter, sizeof(w.set.route[1].filter), "u");
		w.set.route[1].brokers = 2;
		w.set.route[1].order[0] = 1;
		start(k);
		w.broker[0].hold = true;
		device_publish(0, 5, 1, 1, "t/t", "one");
		world_run(20);
		conf = fresh();
		next.route[0].brokers = 1;
		assert_int_equal(world_renew(&conf), 0);
		world_run(20);
		device_publish(0, 5, 1, 2, "u", "two");
		world_run(20);
		has(1, "one two ");
		device_publish(0, 5, 1, 3, "t/t", "three");
		world_run(500);
		has(0, "one ");
		assert_int_equal(world_ack(0, 1), 1);
		w.broker[0].hold = false;
		world_run(50);
		has(0, "one three ");
		assert_int_equal(counters()->overtaken, 0);
		assert_int_equal(acked(), 3);
		w.set = next;
		ledger();
		again(state);
	}
}

static void
who_comes_back_after_the_routes_have_changed_does_not_overtake_what_he_sent(void **state)
{
	for (uint32_t k = 0; k < RTE_DIM(shapes); k++) {
		struct pw_edition_conf conf;

		w.set.lanes = 1u << PW_LANE_5;
		start(k);
		w.broker[0].hold = true;
		device_publish(0, 5, 1, 1, "t", "one");
		world_run(20);
		conf = fresh();
		next.route[0].brokers = 1;
		assert_int_equal(world_renew(&conf), 0);
		device_reset(0);
		world_run(20);
		device_connect(1, 0, 5, "dev");
		device_clear(1);
		device_publish(1, 5, 1, 2, "t", "two");
		world_run(500);
		has(0, "one ");
		assert_int_equal(world_ack(0, 1), 1);
		w.broker[0].hold = false;
		world_run(50);
		has(0, "one two ");
		assert_int_equal(device_acks(1, 5, NULL, NULL, 8), 1);
		assert_int_equal(counters()->overtaken, 0);
		w.set = next;
		ledger();
		again(state);
	}
}

/* What the lost one of several had is not overtaken by what another one of them gets. */
static void
a_key_whose_broker_goes_waits_for_it(void **state)
{
	struct pw_edition_conf conf;
	char id[8];

	(void)state;
	w.set.nb_brokers = 3;
	w.set.route[0].brokers = 7;
	for (uint8_t i = 0; i < 3; i++)
		w.set.route[0].order[i] = i;
	w.set.route[0].fanout = PW_FANOUT_HASH;
	world_start(1, 3, 0);
	for (uint32_t i = 0; w.broker[2].nb == 0; i++) {
		assert_true(i < 64);
		snprintf(id, sizeof(id), "dev%u", i);
		device_connect(0, 0, 5, id);
		device_clear(0);
		w.broker[2].hold = true;
		device_publish(0, 5, 1, 1, "t", "one");
		world_run(20);
		if (w.broker[2].nb == 0) {
			device_close(0);
			world_run(20);
		}
	}
	w.broker[0].nb = w.broker[1].nb = 0;
	conf = fresh();
	next.route[0].brokers = 3;
	assert_int_equal(world_renew(&conf), 0);
	world_run(10);
	device_publish(0, 5, 1, 2, "t", "two");
	world_run(500);
	assert_int_equal(w.broker[0].nb + w.broker[1].nb, 0);
	world_ack(2, 8);
	world_run(50);
	assert_int_equal(w.broker[0].nb + w.broker[1].nb, 1);
	assert_int_equal(acked(), 2);
	assert_true(clean(&conf));
	w.set = next;
	ledger();
}

static void
another_reload_gives_a_removed_broker_no_more_time(void **state)
{
	struct pw_edition_conf conf;

	(void)state;
	w.set.limits.drain_deadline = 3000;
	start(0);
	w.broker[1].hold = true;
	device_publish(0, 5, 1, 1, "t", "one");
	world_run(20);
	for (uint32_t i = 0; i < 2; i++) {
		conf = fresh();
		next.route[0].brokers = 1;
		next.broker[0].replay_rate = i;
		assert_int_equal(world_renew(&conf), 0);
		w.set = next;
		world_run(2000);
		assert_int_equal(acked(), i);
	}
	assert_true(clean(&conf));
	ledger();
}

static void
a_broker_that_is_named_again_keeps_what_waits_for_it(void **state)
{
	struct pw_edition_conf conf;

	(void)state;
	w.set.limits.drain_deadline = 3000;
	start(0);
	w.broker[1].hold = true;
	device_publish(0, 5, 1, 1, "t", "one");
	world_run(20);
	conf = fresh();
	next.route[0].brokers = 1;
	assert_int_equal(world_renew(&conf), 0);
	w.set = next;
	world_run(1000);
	conf = fresh();
	next.route[0].brokers = 3;
	next.route[0].order[1] = 1;
	assert_int_equal(world_renew(&conf), 0);
	w.set = next;
	world_run(5000);
	assert_int_equal(acked(), 0);
	w.broker[1].hold = false;
	world_ack(1, 8);
	world_run(50);
	device_publish(0, 5, 1, 2, "t", "two");
	world_run(50);
	assert_int_equal(acked(), 2);
	has(1, "one two ");
	has(0, "one two ");
	while (clean(&conf))
		;
	ledger();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, world_teardown)
		TEST(a_route_takes_another_set_and_no_message_overtakes_another),
		TEST(a_broker_that_is_away_holds_a_device_up_for_two_seconds_and_keeps_its_messages),
		TEST(who_waits_for_a_broker_that_does_not_come_back_goes_on),
		TEST(a_broker_is_added),
		TEST(a_broker_is_removed_and_what_it_did_not_take_is_given_up_in_the_end),
		TEST(a_broker_that_moves_gets_there_what_it_did_not_acknowledge),
		TEST(a_place_that_a_broker_comes_back_to_forgets_what_it_knew),
		TEST(a_broker_keeps_its_place_until_all_workers_go_without_it),
		TEST(routes_change_again_while_the_last_ones_deliver),
		TEST(a_message_to_others_does_not_let_the_next_one_overtake),
		TEST(who_comes_back_after_the_routes_have_changed_does_not_overtake_what_he_sent),
		TEST(a_key_whose_broker_goes_waits_for_it),
		TEST(another_reload_gives_a_removed_broker_no_more_time),
		TEST(a_broker_that_is_named_again_keeps_what_waits_for_it),
	};

	return cmocka_run_group_tests(tests, world_init, world_fini);
}
