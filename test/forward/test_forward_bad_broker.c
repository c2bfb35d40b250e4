/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Brokers as nobody wants them, beside one that is well: whatever the bad one does, devices are
 * acknowledged by the well one, and it has every message once and in order, as long as no route
 * says `block` for the bad one.
 */
#include <stdio.h>
#include <stdlib.h>

#include <rte_common.h>

#include "world.h"

#define BURSTS 60

static const struct shape {
	uint32_t workers;
	uint8_t role[2];
} shapes[] = {{1, {3, 0}}, {2, {PW_ROLE_DEVICES, PW_ROLE_BROKERS}}};

/* One is enough; broker 1 is bad. */
static void
prepare(void **state, enum pw_when_full full)
{
	world_setup(state);
	w.set.nb_routes = 2;
	w.set.route[1] = w.set.route[0];
	snprintf(w.set.route[0].filter, sizeof(w.set.route[0].filter), "0");
	w.set.route[0].brokers = 1;
	w.set.route[1].ack = PW_ACK_ANY;
	w.set.route[1].when_full_qos1 = full;
	w.set.broker[1].hold_messages = 16;
	w.set.broker[1].ack_timeout = 1000;
	w.set.broker[1].connect_timeout = 200;
	w.set.broker[1].restart_base = 5;
	w.set.broker[1].restart_cap = 50;
	w.set.limits.receive_maximum = 100;
	w.set.limits.max_queued_messages = 64;
}

/* A message to the well broker alone: it is acknowledged at once, too. */
static void
other_goes_on(void)
{
	uint8_t reason = 0xff;

	device_clear(1);
	device_publish(1, 5, 1, 7, "0", "0");
	world_run(3);
	assert_int_equal(device_acks(1, 5, NULL, &reason, 9), 1);
	assert_int_equal(reason, 0);
}

/* Beside `other_goes_on`, whose payload is "0". */
static void
once_and_in_order(uint32_t n)
{
	uint32_t last = 0, found = 0;

	for (uint32_t i = 0; i < w.broker[0].nb; i++) {
		uint32_t number = (uint32_t)atoi(w.broker[0].record[i].text);

		if (number == 0)
			continue;
		assert_true(number > last);
		last = number;
		found++;
	}
	assert_int_equal(found, n);
}

static void
be_well(void)
{
	w.broker[1].deaf = false;
	w.broker[1].resets = 0;
	w.broker[1].code = 0;
	w.broker[1].reason = 0;
	broker_read(1, UINT32_MAX);
}

/* But what it refused with 0x97 comes again. */
static void
in_order_on_the_bad_one(void)
{
	uint32_t last = 0, conn = 0;

	for (uint32_t i = 0; i < w.broker[1].nb; i++) {
		const struct record *r = &w.broker[1].record[i];

		if (r->conn != conn)
			last = 0;
		else if (r->first & 0x08)
			continue;
		conn = r->conn;
		assert_true((uint32_t)atoi(r->text) > last);
		last = (uint32_t)atoi(r->text);
	}
}

/* The bad one is as the caller says; slow: it reads a byte each millisecond. */
static void
history(void **state, const struct shape *s, uint8_t version, uint8_t qos, bool slow)
{
	enum pw_lane lane = version == 5 ? PW_LANE_5 : PW_LANE_3;
	struct pw_upstream_info u;

	world_start(s->workers, s->role[0], s->role[1]);
	w.broker[1].deaf = slow;
	device_connect(0, 0, version, "a");
	device_connect(1, 0, 5, "other");
	for (uint32_t i = 0; i < BURSTS; i++) {
		device_goes_on(0, version, qos, 16);
		other_goes_on();
		for (uint32_t k = 0; k < 10; k++) {
			world_run(1);
			if (slow)
				broker_read(1, 10);
		}
		ledger();
	}
	once_and_in_order(BURSTS * 16);
	be_well();
	world_run(20000);
	device_goes_on(0, version, qos, 16);
	other_goes_on();
	once_and_in_order(BURSTS * 16 + 16);
	in_order_on_the_bad_one();
	u = upstream(1, lane);
	assert_int_equal(u.held, 0);
	assert_int_equal(u.held_buffers, 0);
	assert_int_equal(u.state, PW_UPSTREAM_UP);
	assert_int_equal(pw_forward_outstanding(w.forward[0]), 0);
	assert_int_equal(pw_forward_trailing(w.forward[0]), 0);
	ledger();
	world_teardown(state);
}

static const enum pw_when_full policies[] = {PW_WHEN_FULL_DROP, PW_WHEN_FULL_DETACH};

#define FOR_ALL(k, p, qos)                                                                         \
	for (uint32_t k = 0; (k) < RTE_DIM(shapes); (k)++)                                         \
		for (uint32_t p = 0; (p) < RTE_DIM(policies); (p)++)                               \
			for (uint8_t qos = 1; (qos) <= 2; (qos)++)

static void
one_that_reads_a_kilobyte_a_second(void **state)
{
	FOR_ALL(k, p, qos)
	{
		prepare(state, policies[p]);
		history(state, &shapes[k], qos == 1 ? 5 : 4, qos, true);
	}
}

static void
one_that_resets_at_once_after_connack_and_after_some_packets(void **state)
{
	static const uint32_t resets[] = {1, 2, 5, 12};

	for (uint32_t r = 0; r < RTE_DIM(resets); r++) {
		FOR_ALL(k, p, qos)
		{
			prepare(state, policies[p]);
			w.broker[1].resets = resets[r];
			history(state, &shapes[k], r % 2 ? 5 : 4, qos, false);
		}
	}
}

static void
one_that_refuses_connections(void **state)
{
	static const uint8_t codes[] = {0x80, 0x87, 0x88, 0x97, 0x9F};

	for (uint32_t r = 0; r < RTE_DIM(codes); r++) {
		prepare(state, policies[r % 2]);
		w.broker[1].code = codes[r];
		history(state, &shapes[r % 2], 5, 1, false);
	}
	for (uint8_t code = 2; code <= 5; code++) {
		prepare(state, policies[code % 2]);
		w.broker[1].code = code;
		history(state, &shapes[code % 2], 4, 1, false);
	}
}

static void
one_that_refuses_every_message(void **state)
{
	static const uint8_t reasons[] = {0x80, 0x87, 0x97, 0x99};

	for (uint32_t r = 0; r < RTE_DIM(reasons); r++) {
		FOR_ALL(k, p, qos)
		{
			prepare(state, policies[p]);
			w.broker[1].reason = reasons[r];
			history(state, &shapes[k], 5, qos, false);
		}
	}
}

/* The operator's choice: this route waits, but no other. */
static void
one_that_a_route_blocks_for_stops_that_route_alone(void **state)
{
	prepare(state, PW_WHEN_FULL_BLOCK);
	w.broker[1].resets = 5;
	world_start(1, 3, 0);
	device_connect(0, 0, 5, "a");
	device_connect(1, 0, 5, "other");
	for (uint32_t i = 0; i < 90; i++)
		device_publish_next(0, 5, 1, "t");
	for (uint32_t i = 0; i < 20; i++)
		other_goes_on();
	assert_true(device_acks(0, 5, NULL, NULL, 100) < 90);
	be_well();
	world_run(5000);
	assert_int_equal(device_acks(0, 5, NULL, NULL, 100), 90);
	once_and_in_order(90);
	ledger();
	world_teardown(state);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_that_reads_a_kilobyte_a_second),
		cmocka_unit_test(one_that_resets_at_once_after_connack_and_after_some_packets),
		cmocka_unit_test(one_that_refuses_connections),
		cmocka_unit_test(one_that_refuses_every_message),
		cmocka_unit_test(one_that_a_route_blocks_for_stops_that_route_alone),
	};

	return cmocka_run_group_tests(tests, world_init, world_fini);
}
