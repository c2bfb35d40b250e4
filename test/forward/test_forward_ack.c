/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Acknowledgement rules: when a device is told, by how many brokers have its message; what it is
 * told when they refuse; and that brokers which the rule did not wait for have the message too.
 */
#include <stdio.h>

#include <rte_common.h>

#include "world.h"

/* Rules over three brokers, and how many of them each needs. */
static const struct rule {
	enum pw_ack_rule ack;
	uint32_t quorum;
	uint32_t need;
} rules[] = {
	{PW_ACK_ALL, 0, 3},    {PW_ACK_ANY, 0, 1},    {PW_ACK_QUORUM, 1, 1},
	{PW_ACK_QUORUM, 2, 2}, {PW_ACK_QUORUM, 3, 3}, {PW_ACK_LOCAL, 0, 0},
};

static const struct shape {
	uint32_t workers;
	uint8_t role[2];
} shapes[] = {{1, {3, 0}}, {2, {PW_ROLE_DEVICES, PW_ROLE_BROKERS}}};

static const uint8_t versions[] = {4, 5};

static void
three(enum pw_ack_rule ack, uint32_t quorum)
{
	w.set.nb_brokers = 3;
	w.set.route[0].brokers = 7;
	w.set.route[0].ack = ack;
	w.set.route[0].quorum = quorum;
}

static void
start(const struct shape *s)
{
	world_start(s->workers, s->role[0], s->role[1]);
}

static uint32_t
trailing(void)
{
	return pw_forward_trailing(w.forward[0]);
}

static uint32_t
outstanding(void)
{
	return pw_forward_outstanding(w.forward[0]);
}

static void
check_rule(const struct rule *r, uint8_t version, const struct shape *s)
{
	static const uint32_t order[] = {2, 0, 1};
	uint32_t told;

	three(r->ack, r->quorum);
	for (uint32_t b = 0; b < 3; b++)
		w.broker[b].hold = true;
	start(s);
	device_connect(0, 0, version, "a");
	device_publish(0, version, 1, 7, "t", "x");
	for (uint32_t had = 0; had <= 3; had++) {
		world_run(20);
		told = device_acks(0, version, NULL, NULL, 9);
		assert_int_equal(told, had >= r->need);
		assert_int_equal(counters()->acknowledged, told);
		assert_int_equal(outstanding(), 1 - told);
		assert_int_equal(trailing(), told && had < 3);
		ledger();
		if (had < 3)
			assert_int_equal(world_ack(order[had], 1), 1);
	}
	for (uint32_t b = 0; b < 3; b++)
		assert_int_equal(w.broker[b].nb, 1);
}

static void
a_device_is_told_when_as_many_brokers_have_it_as_the_rule_says(void **state)
{
	for (uint32_t i = 0; i < RTE_DIM(rules); i++) {
		for (uint32_t k = 0; k < 4; k++) {
			world_setup(state);
			check_rule(&rules[i], versions[k / 2], &shapes[k % 2]);
			world_teardown(state);
		}
	}
}

static void
refusals(enum pw_ack_rule ack, uint32_t quorum, const uint8_t *reasons, uint32_t heard,
	 uint8_t expected, const struct shape *s)
{
	uint8_t reason = 0xFF;

	three(ack, quorum);
	for (uint32_t b = 0; b < 3; b++) {
		w.broker[b].reason = reasons[b];
		w.broker[b].hold = true;
	}
	start(s);
	device_connect(0, 0, 5, "a");
	device_publish(0, 5, 1, 7, "t", "x");
	for (uint32_t b = 0; b < 3; b++) {
		world_run(20);
		assert_int_equal(device_acks(0, 5, NULL, &reason, 1), b >= heard);
		assert_int_equal(world_ack(b, 1), 1);
	}
	world_run(20);
	assert_int_equal(device_acks(0, 5, NULL, &reason, 1), 1);
	assert_int_equal(reason, expected);
	assert_int_equal(counters()->refused_by_broker, expected >= 0x80);
	assert_int_equal(outstanding() + trailing(), 0);
	ledger();
}

static void
what_a_device_is_told_follows_from_its_rule_and_the_brokers_reasons(void **state)
{
	static const struct {
		enum pw_ack_rule ack;
		uint32_t quorum;
		uint8_t reasons[3];
		uint32_t heard; /* brokers that have to be heard first */
		uint8_t expected;
	} t[] = {
		{PW_ACK_ALL, 0, {0x87, 0, 0}, 3, 0x87},
		{PW_ACK_ALL, 0, {0x87, 0x99, 0x83}, 3, 0x99},
		{PW_ACK_ALL, 0, {0x10, 0x10, 0}, 3, 0},
		{PW_ACK_ALL, 0, {0x10, 0x10, 0x10}, 3, 0x10},
		{PW_ACK_ANY, 0, {0x87, 0x99, 0}, 3, 0},
		{PW_ACK_ANY, 0, {0x87, 0, 0x99}, 2, 0},
		{PW_ACK_ANY, 0, {0x87, 0x99, 0x83}, 3, 0x99},
		{PW_ACK_ANY, 0, {0x10, 0, 0}, 1, 0x10},
		{PW_ACK_QUORUM, 2, {0x87, 0, 0}, 3, 0},
		{PW_ACK_QUORUM, 2, {0x87, 0x99, 0}, 2, 0x99}, /* the third can't help it any more */
		{PW_ACK_QUORUM, 2, {0, 0x87, 0x99}, 3, 0x99},
		{PW_ACK_LOCAL, 0, {0x87, 0x99, 0x83}, 0, 0},
	};

	for (uint32_t i = 0; i < RTE_DIM(t); i++) {
		for (uint32_t k = 0; k < RTE_DIM(shapes); k++) {
			world_setup(state);
			refusals(t[i].ack, t[i].quorum, t[i].reasons, t[i].heard, t[i].expected,
				 &shapes[k]);
			world_teardown(state);
		}
	}
}

/* One of three brokers never answers again: what the rule can do without, and what not. */
static void
death(const struct rule *r, uint8_t version, const struct shape *s)
{
	uint32_t told = r->need < 3 ? 20 : 0;
	uint16_t ids[32];

	three(r->ack, r->quorum);
	w.set.limits.receive_maximum = 100;
	w.set.broker[1].restart_cap = 1000;
	start(s);
	device_connect(0, 0, version, "a");
	w.broker[1].mute = true;
	broker_reset(1);
	world_run(10);
	for (uint16_t i = 1; i <= 20; i++)
		device_publish(0, version, 1, i, "t", (const char[]){(char)('a' + i), 0});
	world_run(100);
	assert_int_equal(device_acks(0, version, ids, NULL, 32), told);
	assert_int_equal(trailing(), told);
	ledger();
	w.broker[1].mute = false;
	world_run(10000);
	assert_int_equal(device_acks(0, version, ids, NULL, 32), 20);
	for (uint16_t i = 0; i < 20; i++) {
		assert_int_equal(ids[i], i + 1);
		assert_int_equal(w.broker[1].record[i].text[0], 'a' + i + 1);
	}
	assert_int_equal(w.broker[1].nb, 20);
	assert_int_equal(outstanding() + trailing(), 0);
	ledger();
}

static void
a_broker_that_dies_has_everything_when_it_is_back_and_holds_up_only_rules_that_need_it(void **state)
{
	for (uint32_t i = 0; i < RTE_DIM(rules); i++) {
		for (uint32_t k = 0; k < 4; k++) {
			world_setup(state);
			death(&rules[i], versions[k / 2], &shapes[k % 2]);
			world_teardown(state);
		}
	}
}

static void
gone(const struct rule *r, uint8_t version, const struct shape *s)
{
	three(r->ack, r->quorum);
	for (uint32_t b = 0; b < 3; b++)
		w.broker[b].hold = true;
	start(s);
	device_connect(0, 0, version, "a");
	device_publish(0, version, 1, 7, "t", "x");
	world_run(20);
	device_reset(0);
	world_run(20);
	device_connect(1, 0, version, "b");
	device_publish(1, version, 1, 7, "t", "y");
	for (uint32_t b = 0; b < 3; b++) {
		assert_int_equal(counters()->orphaned, r->need > 0 && b >= r->need);
		assert_int_equal(world_ack(b, 1), 1);
		world_run(20);
		ledger();
	}
	assert_int_equal(counters()->orphaned, r->need > 0);
	assert_int_equal(device_acks(1, version, NULL, NULL, 9), r->need == 0);
	for (uint32_t b = 0; b < 3; b++)
		world_ack(b, 9);
	world_run(20);
	assert_int_equal(device_acks(1, version, NULL, NULL, 9), 1);
	assert_int_equal(outstanding() + trailing(), 0);
}

static void
an_acknowledgement_for_a_device_that_is_gone_touches_nobody_else(void **state)
{
	for (uint32_t i = 0; i < RTE_DIM(rules); i++) {
		for (uint32_t k = 0; k < 4; k++) {
			world_setup(state);
			gone(&rules[i], versions[k / 2], &shapes[k % 2]);
			world_teardown(state);
		}
	}
}

static void
a_will_of_a_local_route_is_nobodys_at_once(void **state)
{
	struct pw_mqtt_connect_out o = {
		.version = 5,
		.clean = true,
		.client_id = {"a", 1},
		.has_will = true,
		.will_qos = 1,
		.will_topic = {"will", 4},
		.will_payload = {"x", 1},
	};
	uint8_t out[256];

	world_setup(state);
	three(PW_ACK_LOCAL, 0);
	w.broker[0].hold = true;
	start(&shapes[0]);
	device_open(0, 0);
	device_send(0, out, (uint32_t)pw_mqtt_encode_connect(out, sizeof(out), &o));
	world_run(20);
	device_reset(0);
	world_run(20);
	assert_int_equal(counters()->orphaned, 1);
	assert_int_equal(trailing(), 1);
	world_ack(0, 1);
	world_run(20);
	assert_int_equal(trailing(), 0);
	ledger();
	world_teardown(state);
}

static void
a_drain_waits_for_brokers_that_the_rule_did_not_and_counts_what_they_miss(void **state)
{
	for (uint32_t k = 0; k < RTE_DIM(shapes); k++) {
		world_setup(state);
		three(PW_ACK_ANY, 0);
		w.broker[2].hold = true;
		start(&shapes[k]);
		device_connect(0, 0, 5, "a");
		device_publish(0, 5, 1, 1, "t", "x");
		device_publish(0, 5, 1, 2, "t", "y");
		world_run(20);
		assert_int_equal(device_acks(0, 5, NULL, NULL, 9), 2);
		for (uint32_t i = 0; i < w.nb_workers; i++)
			pw_forward_drain(w.forward[i], world_clock(i));
		world_run(1000);
		assert_false(pw_forward_drained(w.forward[0]));
		world_ack(2, 1);
		world_run(6000);
		assert_true(pw_forward_drained(w.forward[0]));
		assert_int_equal(counters()->cut_on_shutdown, 1);
		assert_int_equal(counters()->dropped_on_shutdown, 0);
		ledger();
		world_teardown(state);
	}
}

static void
rules_of_different_routes_keep_the_order_of_acknowledgements(void **state)
{
	uint16_t ids[8];

	world_setup(state);
	three(PW_ACK_ALL, 0);
	w.set.nb_routes = 2;
	w.set.route[1] = w.set.route[0];
	snprintf(w.set.route[0].filter, sizeof(w.set.route[0].filter), "fast");
	w.set.route[0].ack = PW_ACK_LOCAL;
	w.broker[0].hold = true;
	start(&shapes[0]);
	device_connect(0, 0, 5, "a");
	device_publish(0, 5, 1, 1, "fast", "x");
	device_publish(0, 5, 1, 2, "slow", "x");
	device_publish(0, 5, 1, 3, "fast", "x");
	world_run(20);
	assert_int_equal(device_acks(0, 5, ids, NULL, 8), 1);
	world_ack(0, 9);
	world_run(20);
	assert_int_equal(device_acks(0, 5, ids, NULL, 8), 3);
	assert_int_equal(ids[2], 3);
	ledger();
	world_teardown(state);
}

#define BYTES(...) (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__})

/* A 5.0 device has published five messages, whose PUBACKs broker 0 owes. */
static void
five_are_owed(void **state)
{
	world_setup(state);
	w.broker[0].hold = true;
	world_start(1, 3, 0);
	device_connect(0, 0, 5, "a");
	for (uint16_t i = 1; i <= 5; i++)
		device_publish(0, 5, 1, i, "t", "x");
	world_run(20);
	assert_int_equal(upstream(0, PW_LANE_5).inflight, 5);
}

static void
answers_count_in_whatever_form_and_pieces_they_come(void **state)
{
	uint8_t reasons[5];

	five_are_owed(state);
	broker_send(0, BYTES(0x40, 2, 0, 1, 0x40, 3, 0, 2, 0x87, 0x40, 2, 0, 3, 0x40, 4, 0, 4, 0, 0,
			     0x40, 2));
	world_run(20);
	assert_int_equal(device_acks(0, 5, NULL, reasons, 5), 4);
	assert_int_equal(reasons[1], 0x87);
	assert_int_equal(upstream(0, PW_LANE_5).counters.acked, 3);
	assert_int_equal(upstream(0, PW_LANE_5).counters.refused, 1);
	broker_send(0, BYTES(0, 5));
	world_run(20);
	assert_int_equal(device_acks(0, 5, NULL, reasons, 5), 5);
	assert_int_equal(upstream(0, PW_LANE_5).counters.protocol_errors, 0);
	ledger();
	world_teardown(state);
}

static void
good_answers_before_a_malformed_one_count(void **state)
{
	static const uint8_t bad[][4] = {
		{0x40, 2, 0, 0}, /* [MQTT-2.2.1-3] */
		{0x42, 2, 0, 3}, /* flags, 2.1.3 */
		{0x40, 1, 3, 0},
	};

	for (uint32_t i = 0; i < RTE_DIM(bad); i++) {
		uint8_t bytes[12] = {0x40, 2, 0, 1, 0x40, 2, 0, 2};

		five_are_owed(state);
		memcpy(bytes + 8, bad[i], 4);
		broker_send(0, bytes, sizeof(bytes));
		world_run(5);
		assert_int_equal(device_acks(0, 5, NULL, NULL, 5), 2);
		assert_int_equal(upstream(0, PW_LANE_5).counters.acked, 2);
		assert_int_equal(upstream(0, PW_LANE_5).counters.disconnects, 1);
		assert_int_equal(upstream(0, PW_LANE_5).counters.protocol_errors, 1);
		ledger();
		world_teardown(state);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_device_is_told_when_as_many_brokers_have_it_as_the_rule_says),
		cmocka_unit_test(
			what_a_device_is_told_follows_from_its_rule_and_the_brokers_reasons),
		cmocka_unit_test(
			a_broker_that_dies_has_everything_when_it_is_back_and_holds_up_only_rules_that_need_it),
		cmocka_unit_test(an_acknowledgement_for_a_device_that_is_gone_touches_nobody_else),
		cmocka_unit_test(a_will_of_a_local_route_is_nobodys_at_once),
		cmocka_unit_test(
			a_drain_waits_for_brokers_that_the_rule_did_not_and_counts_what_they_miss),
		cmocka_unit_test(rules_of_different_routes_keep_the_order_of_acknowledgements),
		cmocka_unit_test(answers_count_in_whatever_form_and_pieces_they_come),
		cmocka_unit_test(good_answers_before_a_malformed_one_count),
	};

	return cmocka_run_group_tests(tests, world_init, world_fini);
}
