/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Messages for one broker of several: which one it is, that the loss of a broker moves its own
 * share and no other, and that what a key sends keeps its order when it moves, there and back.
 */
#include <stdio.h>

#include <rte_common.h>

#include "world.h"

#define CLIENTS 12

static const struct shape {
	uint32_t workers;
	uint8_t role[2];
} shapes[] = {{1, {3, 0}}, {2, {PW_ROLE_DEVICES, PW_ROLE_BROKERS}}};

static uint32_t hold; /* of each broker */

static void
fan_out(void **state, enum pw_fanout how, bool by_topic, const struct shape *s)
{
	world_setup(state);
	w.set.nb_brokers = 3;
	w.set.route[0].brokers = 7;
	w.set.route[0].fanout = how;
	w.set.route[0].hash_by_topic = by_topic;
	w.set.limits.receive_maximum = 200;
	for (uint32_t b = 0; b < 3; b++) {
		w.set.route[0].order[b] = (uint8_t)((b + 2) % 3); /* 2, 0, 1 */
		w.set.broker[b].restart_cap = 1000;
		w.set.broker[b].connect_timeout = 300;
		w.set.broker[b].hold_messages = hold;
		w.set.broker[b].failover_delay = 2000;
		w.set.broker[b].failback_delay = 3000;
	}
	world_start(s->workers, s->role[0], s->role[1]);
}

static void
away(uint32_t b)
{
	w.broker[b].mute = true;
	broker_reset(b);
	world_run(10);
}

static void
connect_all(void)
{
	char id[16];

	for (uint32_t i = 0; i < CLIENTS; i++) {
		snprintf(id, sizeof(id), "client %u", i);
		device_connect(i, 0, 5, id);
	}
}

/* Each client publishes messages numbered from .. to. */
static void
publish_all(uint32_t from, uint32_t to)
{
	char text[32];

	for (uint32_t n = from; n <= to; n++) {
		for (uint32_t i = 0; i < CLIENTS; i++) {
			snprintf(text, sizeof(text), "%u %u", i, n);
			device_publish(i, 5, 1, (uint16_t)n, "t", text);
		}
	}
	world_run(30);
}

/* The broker that has a client's message, counted over all; WORLD_BROKERS: none. */
static uint32_t
who_has(uint32_t client, uint32_t n, uint32_t *times)
{
	uint32_t who = WORLD_BROKERS;
	char text[32];

	snprintf(text, sizeof(text), "%u %u", client, n);
	*times = 0;
	for (uint32_t b = 0; b < 3; b++) {
		for (uint32_t k = 0; k < w.broker[b].nb; k++) {
			if (strcmp(w.broker[b].record[k].text, text) != 0)
				continue;
			who = b;
			++*times;
		}
	}
	return who;
}

/* When its broker first had a message. */
static uint64_t
when(uint32_t client, uint32_t n)
{
	uint64_t at = UINT64_MAX;
	char text[32];

	snprintf(text, sizeof(text), "%u %u", client, n);
	for (uint32_t b = 0; b < 3; b++) {
		for (uint32_t k = 0; k < w.broker[b].nb; k++) {
			if (strcmp(w.broker[b].record[k].text, text) == 0)
				at = RTE_MIN(at, w.broker[b].record[k].at);
		}
	}
	return at;
}

static uint32_t
acks(uint32_t device, uint8_t reason)
{
	uint8_t reasons[256];
	uint32_t n = device_acks(device, 5, NULL, reasons, 256), same = 0;

	for (uint32_t i = 0; i < n; i++)
		same += reasons[i] == reason;
	return same;
}

static void
the_loss_of_a_broker_moves_its_share_alone_and_back(void **state)
{
	uint32_t home[CLIENTS], had[3] = {0}, times, moved = 0;

	for (uint32_t k = 0; k < RTE_DIM(shapes); k++) {
		fan_out(state, PW_FANOUT_HASH, false, &shapes[k]);
		connect_all();
		publish_all(1, 3);
		memset(had, 0, sizeof(had));
		for (uint32_t i = 0; i < CLIENTS; i++) {
			home[i] = who_has(i, 1, &times);
			assert_int_equal(times, 1);
			assert_int_equal(who_has(i, 3, &times), home[i]);
			had[home[i]]++;
		}
		assert_true(had[0] > 0 && had[1] > 0 && had[2] > 0);
		away(1);
		world_run(2500);
		publish_all(4, 6);
		for (uint32_t i = 0; i < CLIENTS; i++) {
			uint32_t now = who_has(i, 5, &times);

			assert_int_equal(times, 1);
			assert_true(home[i] == 1 ? now != 1 && now < 3 : now == home[i]);
			assert_int_equal(acks(i, 0), 6);
			moved += now != home[i];
		}
		assert_true(moved > 0);
		w.broker[1].mute = false;
		world_run(2500);
		publish_all(7, 7);
		for (uint32_t i = 0; i < CLIENTS; i++)
			assert_int_equal(who_has(i, 7, &times), who_has(i, 5, &times));
		world_run(3000);
		publish_all(8, 9);
		for (uint32_t i = 0; i < CLIENTS; i++)
			assert_int_equal(who_has(i, 9, &times), home[i]);
		ledger();
		world_teardown(state);
	}
}

static void
topics_are_spread_where_the_route_says_so(void **state)
{
	uint32_t had[3] = {0};
	char topic[16];

	fan_out(state, PW_FANOUT_HASH, true, &shapes[0]);
	device_connect(0, 0, 5, "a");
	device_connect(1, 0, 5, "b");
	for (uint16_t i = 0; i < 20; i++) {
		snprintf(topic, sizeof(topic), "topic %u", i);
		device_publish(0, 5, 1, i + 1, topic, topic);
		device_publish(1, 5, 1, i + 1, topic, topic);
	}
	world_run(50);
	for (uint32_t b = 0; b < 3; b++) {
		for (uint32_t k = 0; k < w.broker[b].nb; k++) {
			uint32_t n = 0;

			for (uint32_t j = 0; j < w.broker[b].nb; j++)
				n += strcmp(w.broker[b].record[j].topic,
					    w.broker[b].record[k].topic) == 0;
			assert_int_equal(n, 2);
		}
		had[b] = w.broker[b].nb;
		assert_true(had[b] > 0);
	}
	assert_int_equal(had[0] + had[1] + had[2], 40);
	assert_int_equal(acks(0, 0), 20);
	assert_int_equal(acks(1, 0), 20);
	ledger();
	world_teardown(state);
}

/* What a lost broker owes is given up, and only then its share is used elsewhere. */
static void
messages_of_a_lost_broker_are_given_up_before_its_share_moves(void **state)
{
	uint32_t times;

	for (uint32_t k = 0; k < RTE_DIM(shapes); k++) {
		fan_out(state, PW_FANOUT_FAILOVER, false, &shapes[k]);
		device_connect(0, 0, 5, "a");
		device_connect(1, 0, 4, "b");
		device_publish(0, 5, 1, 1, "t", "0 1");
		world_run(20);
		assert_int_equal(who_has(0, 1, &times), 2); /* the first in the list */
		away(2);
		device_publish(0, 5, 1, 2, "t", "0 2");
		device_publish(1, 4, 1, 1, "t", "1 1");
		world_run(1000);
		device_publish(0, 5, 0, 0, "t", "0 3");
		world_run(100);
		assert_int_equal(acks(0, 0), 1);
		who_has(0, 2, &times);
		assert_int_equal(times, 0);
		world_run(1500);
		assert_int_equal(acks(0, 0x97), 1);
		assert_true(w.device[1].closed);
		assert_int_equal(upstream(2, PW_LANE_5).counters.dropped_failover, 2);
		device_publish(0, 5, 1, 4, "t", "0 4");
		world_run(50);
		assert_int_equal(who_has(0, 4, &times), 0); /* the second */
		assert_int_equal(acks(0, 0), 2);
		w.broker[2].mute = false;
		world_run(6000);
		device_publish(0, 5, 1, 5, "t", "0 5");
		world_run(50);
		assert_int_equal(who_has(0, 5, &times), 2);
		who_has(0, 2, &times);
		assert_int_equal(times, 0);
		ledger();
		world_teardown(state);
	}
}

/* Back only when the other broker has acknowledged what it was sent meanwhile. */
static void
a_share_moves_back_in_order(void **state)
{
	uint32_t times;

	fan_out(state, PW_FANOUT_FAILOVER, false, &shapes[0]);
	device_connect(0, 0, 5, "a");
	away(2);
	world_run(2500);
	device_publish(0, 5, 1, 1, "t", "0 1");
	world_run(20);
	w.broker[0].hold = true;
	w.broker[2].mute = false;
	world_run(2500);
	device_publish(0, 5, 1, 2, "t", "0 2");
	world_run(2500); /* it is back */
	device_publish(0, 5, 1, 3, "t", "0 3");
	device_publish(0, 5, 0, 0, "t", "0 4");
	world_run(100);
	assert_int_equal(who_has(0, 2, &times), 0);
	who_has(0, 3, &times);
	assert_int_equal(times, 0);
	world_ack(0, 9);
	world_run(50);
	assert_int_equal(who_has(0, 3, &times), 2);
	assert_int_equal(who_has(0, 4, &times), 2);
	assert_true(when(0, 2) < when(0, 3) && when(0, 3) <= when(0, 4));
	assert_int_equal(acks(0, 0), 3);
	ledger();
	world_teardown(state);
}

static void
where_no_broker_is_there_messages_wait(void **state)
{
	uint32_t times;

	fan_out(state, PW_FANOUT_FAILOVER, false, &shapes[0]);
	device_connect(0, 0, 5, "a");
	for (uint32_t b = 0; b < 3; b++)
		away(b);
	world_run(3000);
	device_publish(0, 5, 1, 1, "t", "0 1");
	world_run(3000);
	assert_int_equal(acks(0, 0x97), 0);
	w.broker[2].mute = false;
	world_run(2500);
	assert_int_equal(who_has(0, 1, &times), 2);
	assert_int_equal(acks(0, 0), 1);
	ledger();
	world_teardown(state);
}

static void
a_short_absence_moves_nothing(void **state)
{
	fan_out(state, PW_FANOUT_FAILOVER, false, &shapes[0]);
	device_connect(0, 0, 5, "a");
	away(2);
	device_publish(0, 5, 1, 1, "t", "0 1");
	w.broker[2].mute = false;
	world_run(1900);
	assert_int_equal(w.broker[2].nb, 1);
	assert_int_equal(acks(0, 0), 1);
	/* nor do two of them, which together were long */
	away(2);
	world_run(1500);
	device_publish(0, 5, 1, 2, "t", "0 2");
	w.broker[2].mute = false;
	world_run(1900);
	assert_int_equal(w.broker[2].nb, 2);
	assert_int_equal(upstream(2, PW_LANE_5).counters.dropped_failover, 0);
	ledger();
	world_teardown(state);
}

static void
round_robin_takes_turns_among_those_that_are_there_and_have_room(void **state)
{
	for (uint32_t k = 0; k < RTE_DIM(shapes); k++) {
		fan_out(state, PW_FANOUT_ROUND_ROBIN, false, &shapes[k]);
		device_connect(0, 0, 5, "a");
		for (uint16_t i = 1; i <= 30; i++)
			device_publish(0, 5, 1, i, "t", "x");
		world_run(50);
		for (uint32_t b = 0; b < 3; b++)
			assert_int_equal(w.broker[b].nb, 10);
		away(1);
		world_run(2500);
		for (uint16_t i = 31; i <= 60; i++)
			device_publish(0, 5, 1, i, "t", "x");
		world_run(50);
		assert_int_equal(w.broker[0].nb, 25);
		assert_int_equal(w.broker[2].nb, 25);
		assert_int_equal(acks(0, 0), 60);
		ledger();
		world_teardown(state);
	}
}

/* A broker that has its hold takes no turn any more. */
static void
a_hung_broker_is_passed_over_in_round_robin(void **state)
{
	hold = 4;
	fan_out(state, PW_FANOUT_ROUND_ROBIN, false, &shapes[0]);
	hold = 0;
	w.broker[1].hold = true;
	device_connect(0, 0, 5, "a");
	for (uint16_t i = 1; i <= 100; i++) {
		device_publish(0, 5, 1, i, "t", "x");
		world_run(2);
	}
	world_run(50);
	assert_int_equal(w.broker[1].nb, 4);
	assert_int_equal(w.broker[0].nb + w.broker[2].nb, 96);
	ledger();
	world_teardown(state);
}

/* What another route has for the lost broker alone stays, and holds up nobody else's messages. */
static void
a_share_moves_though_other_messages_wait_for_the_lost_broker(void **state)
{
	for (uint32_t k = 0; k < 2 * RTE_DIM(shapes); k++) {
		bool wait_qos0 = k & 1;

		world_setup(state);
		w.set.nb_routes = 2;
		w.set.route[1] = w.set.route[0];
		snprintf(w.set.route[0].filter, sizeof(w.set.route[0].filter), "own");
		w.set.route[0].brokers = 1;
		w.set.route[0].when_full_qos0 = PW_WHEN_FULL_BLOCK;
		w.set.route[1].fanout = PW_FANOUT_FAILOVER;
		w.set.route[1].order[1] = 1;
		w.set.broker[0].failover_delay = 2000;
		world_start(shapes[k / 2].workers, shapes[k / 2].role[0], shapes[k / 2].role[1]);
		device_connect(0, 0, 5, "a");
		device_connect(1, 0, 5, "b");
		away(0);
		device_publish(0, 5, wait_qos0 ? 0 : 1, 1, "own", "waits");
		for (uint32_t i = 1; i <= 3; i++)
			device_publish(1, 5, 0, 0, "t", "lost");
		world_run(3000);
		assert_int_equal(upstream(0, PW_LANE_5).counters.dropped_failover, 3);
		device_publish(1, 5, 0, 0, "t", "moved");
		device_publish(1, 5, 1, 1, "t", "moved");
		world_run(100);
		assert_int_equal(w.broker[1].nb, 2);
		assert_int_equal(acks(1, 0), 1);
		assert_int_equal(counters()->given_up_qos0, 3);
		ledger();
		w.broker[0].mute = false;
		world_run(5000);
		assert_int_equal(w.broker[0].nb, 1);
		assert_string_equal(w.broker[0].record[0].text, "waits");
		assert_int_equal(pw_forward_outstanding(w.forward[0]), 0);
		ledger();
		world_teardown(state);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_loss_of_a_broker_moves_its_share_alone_and_back),
		cmocka_unit_test(topics_are_spread_where_the_route_says_so),
		cmocka_unit_test(messages_of_a_lost_broker_are_given_up_before_its_share_moves),
		cmocka_unit_test(a_share_moves_though_other_messages_wait_for_the_lost_broker),
		cmocka_unit_test(a_share_moves_back_in_order),
		cmocka_unit_test(where_no_broker_is_there_messages_wait),
		cmocka_unit_test(a_short_absence_moves_nothing),
		cmocka_unit_test(round_robin_takes_turns_among_those_that_are_there_and_have_room),
		cmocka_unit_test(a_hung_broker_is_passed_over_in_round_robin),
	};

	return cmocka_run_group_tests(tests, world_init, world_fini);
}
