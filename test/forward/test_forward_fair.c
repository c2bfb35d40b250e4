/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Devices that wait for places in a log are served in turn, whoever came first and whoever sends
 * now: none starves.
 */
#include <stdio.h>
#include <stdlib.h>

#include <rte_common.h>

#include "world.h"

#define DEVICES 6

/* Both brokers have each message; broker 0 answers when the test says so. */
static void
begin(enum pw_when_full full, uint32_t hold)
{
	w.set.route[0].when_full_qos1 = full;
	w.set.broker[0].hold_messages = hold;
	w.set.broker[0].ack_timeout = 600000;
	w.set.limits.max_queued_messages = 32;
	w.set.limits.receive_maximum = 1000;
	w.broker[0].hold = true;
	world_start(1, 3, 0);
	for (uint32_t i = 0; i <= DEVICES; i++) {
		char id[8];

		snprintf(id, sizeof(id), "d%u", i);
		device_connect(i, 0, 5, id);
	}
}

/* Messages of each device that broker 1 has. */
static void
progress(uint32_t n[DEVICES + 1])
{
	memset(n, 0, (DEVICES + 1) * sizeof(*n));
	for (uint32_t i = 0; i < w.broker[1].nb; i++)
		n[atoi(w.broker[1].record[i].text)]++;
}

static void
send_many(uint32_t i, uint32_t n)
{
	const char text[2] = {(char)('0' + i), 0};

	for (uint32_t k = 1; k <= n; k++)
		device_publish(i, 5, 1, (uint16_t)k, "t", text);
}

static void
check_shares(const uint32_t before[DEVICES + 1], uint32_t places)
{
	uint32_t now[DEVICES + 1];

	progress(now);
	for (uint32_t i = 0; i < DEVICES; i++) {
		/* To within the 16 frames that one may have at a time. */
		assert_in_range(now[i] - before[i] + 16, places / DEVICES, places / DEVICES + 32);
		assert_true(now[i] > before[i]);
	}
}

static void
finish(uint32_t total)
{
	w.broker[0].hold = false;
	world_ack(0, 9999);
	world_run(2000);
	assert_int_equal(w.broker[1].nb, total);
	ledger();
}

static void
in_turn(uint32_t batch)
{
	uint32_t before[DEVICES + 1];

	for (uint32_t i = 0; i < DEVICES; i++)
		send_many(i, 200);
	world_run(20);
	progress(before);
	for (uint32_t places = 0; places < 240; places += batch) {
		assert_int_equal(world_ack(0, batch), batch);
		world_run(1);
	}
	check_shares(before, 240);
	finish(DEVICES * 200);
}

static void
places_that_come_free_one_by_one_go_round(void **state)
{
	(void)state;
	begin(PW_WHEN_FULL_BLOCK, 0);
	in_turn(1);
}

static void
places_that_come_free_in_batches_go_round(void **state)
{
	(void)state;
	begin(PW_WHEN_FULL_BLOCK, 0);
	in_turn(8);
}

static void
room_in_a_hold_goes_round(void **state)
{
	(void)state;
	begin(PW_WHEN_FULL_BLOCK, 16);
	in_turn(1);
}

/* One sends a message whenever a place comes free, at that very moment. */
static void
who_sends_now_does_not_overtake_those_that_wait(void **state)
{
	uint32_t before[DEVICES + 1], now[DEVICES + 1], more = 0;

	(void)state;
	w.set.route[0].ack = PW_ACK_ANY; /* by broker 1, at once */
	begin(PW_WHEN_FULL_BLOCK, 0);
	for (uint32_t i = 0; i < DEVICES; i++)
		send_many(i, 200);
	world_run(20);
	progress(before);
	for (uint32_t places = 0; places < 240; places++) {
		uint8_t reason;

		/* Its segment comes right behind the answer that makes room. */
		assert_int_equal(world_ack(0, 1), 1);
		pw_tcp_flush(w.broker_tcp, w.now);
		/* It waits for its answer, so that it never has much on its way. */
		if (places == 0 || device_acks(DEVICES, 5, NULL, &reason, 1) > 0) {
			device_clear(DEVICES);
			device_publish(DEVICES, 5, 1, (uint16_t)++more, "t", "6");
		}
		world_run(1);
	}
	check_shares(before, 240);
	progress(now);
	assert_in_range(now[DEVICES], 1, 240 / DEVICES);
	finish(DEVICES * 200 + more);
}

#define T(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(places_that_come_free_one_by_one_go_round),
		T(places_that_come_free_in_batches_go_round),
		T(room_in_a_hold_goes_round),
		T(who_sends_now_does_not_overtake_those_that_wait),
	};

	return cmocka_run_group_tests(tests, world_init, world_fini);
}
