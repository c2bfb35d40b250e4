/* SPDX-License-Identifier: BSD-3-Clause */
/* Shutting down, buffer pressure, and large frames that share a budget. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <rte_common.h>
#include <rte_mempool.h>

#include "world.h"

#define BYTES(...) (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__})

static void
connect_with_will(uint32_t i, const char *id, const char *will)
{
	struct pw_mqtt_connect_out o = {
		.version = 5,
		.clean = true,
		.client_id = {id, (uint32_t)strlen(id)},
		.has_will = true,
		.will_qos = 1,
		.will_topic = {"will", 4},
		.will_payload = {will, (uint32_t)strlen(will)},
	};
	uint8_t out[256];
	int n = pw_mqtt_encode_connect(out, sizeof(out), &o);

	device_open(i, 0);
	device_send(i, out, (uint32_t)n);
	world_run(10);
	device_clear(i);
}

static void
a_drain_lets_acknowledgements_through_then_says_goodbye(void **state)
{
	(void)state;
	w.broker[0].hold = true;
	world_start(1, 3, 0);
	device_connect(0, 0, 5, "a");
	device_connect(1, 0, 4, "b");
	connect_with_will(2, "c", "going down");
	device_publish(0, 5, 1, 1, "t", "x");
	world_run(10);
	pw_forward_drain(w.forward[0], w.now);
	world_run(100);
	assert_false(w.device[0].closed); /* its message is outstanding */
	assert_true(w.device[1].closed && w.device[2].closed);
	assert_true(device_got(2, BYTES(0xE0, 1, 0x8B)) || device_got(2, BYTES(0xE0, 2, 0x8B, 0)));
	assert_false(pw_forward_drained(w.forward[0]));
	world_ack(0, 9);
	world_run(100);
	assert_int_equal(device_acks(0, 5, NULL, NULL, 4), 1);
	assert_true(w.device[0].closed);
	world_ack(0, 9);
	world_run(100);
	assert_int_equal(w.broker[0].nb, 2);
	assert_string_equal(w.broker[1].record[1].text, "going down");
	world_run(1500);
	assert_true(pw_forward_drained(w.forward[0]));
	assert_int_equal(w.broker[0].disconnects, 2);
	assert_int_equal(counters()->dropped_on_shutdown, 0);
	ledger();
}

/* It is not read any more: that it is silent is not its doing. */
static void
a_drain_names_the_server_to_go_to(void **state)
{
	static const uint8_t connect[] = {0x10, 20, 0,	  4, 'M', 'Q', 'T', 'T', 5, 2,	 0,
					  60,	5,  0x27, 0, 0,	  0,   22,  0,	 2, 'l', 'i'};

	(void)state;
	snprintf(w.set.server_reference, sizeof(w.set.server_reference), "b.example:1883 c");
	world_start(1, 3, 0);
	device_connect(0, 0, 5, "a");
	device_connect(1, 0, 4, "b");
	/* Maximum Packet Size 22: DISCONNECT with the name has 23 bytes. */
	device_open(2, 0);
	device_send(2, connect, sizeof(connect));
	world_run(10);
	for (uint32_t i = 0; i < 3; i++)
		device_clear(i);
	pw_forward_drain(w.forward[0], w.now);
	world_run(100);
	assert_true(device_got(0, BYTES(0xE0, 21, 0x9C, 19, 0x1C, 0, 16, 'b', '.', 'e', 'x', 'a',
					'm', 'p', 'l', 'e', ':', '1', '8', '8', '3', ' ', 'c')));
	assert_int_equal(w.device[1].len, 0);
	assert_true(device_got(2, BYTES(0xE0, 1, 0x9C)) || device_got(2, BYTES(0xE0, 2, 0x9C, 0)));
	assert_true(w.device[0].closed && w.device[1].closed && w.device[2].closed);
	world_run(1500);
	assert_true(pw_forward_drained(w.forward[0]));
}

static void
a_drain_outlasts_keepalives(void **state)
{
	(void)state;
	w.set.limits.drain_deadline = 10000;
	w.broker[0].hold = true;
	world_start(1, 3, 0);
	device_open(0, 0);
	device_send(0, BYTES(0x10, 13, 0, 4, 'M', 'Q', 'T', 'T', 4, 2, 0, 1, 0, 1, 'a'));
	world_run(20);
	device_clear(0);
	device_publish(0, 4, 1, 1, "t", "x");
	world_run(20);
	pw_forward_drain(w.forward[0], w.now);
	world_run(5000);
	assert_false(w.device[0].closed);
	world_ack(0, 9);
	world_run(20);
	assert_int_equal(device_acks(0, 4, NULL, NULL, 9), 1);
	assert_true(w.device[0].closed);
	assert_int_equal(counters()->keepalive_expired, 0);
	ledger();
}

/* A 3.1.1 device knows of no window: it is read one message at a time. */
static void
a_window_of_one_moves_on_with_each_acknowledgement(void **state)
{
	(void)state;
	w.set.limits.receive_maximum = 1;
	w.broker[0].hold = true;
	world_start(1, 3, 0);
	device_connect(0, 0, 4, "a");
	for (uint16_t i = 1; i <= 3; i++)
		device_publish(0, 4, 1, i, "t", "x");
	for (uint32_t i = 1; i <= 3; i++) {
		world_run(20);
		assert_int_equal(w.broker[0].nb, i);
		world_ack(0, 1);
	}
	world_run(20);
	assert_int_equal(device_acks(0, 4, NULL, NULL, 9), 3);
	ledger();
}

static void
nothing_more_is_read_while_draining(void **state)
{
	(void)state;
	w.broker[0].hold = true;
	world_start(1, 3, 0);
	device_connect(0, 0, 5, "a");
	device_publish(0, 5, 1, 1, "t", "x");
	world_run(10);
	pw_forward_drain(w.forward[0], w.now);
	device_publish(0, 5, 0, 0, "t", "not read any more");
	world_run(100);
	assert_int_equal(w.broker[1].nb, 1);
	assert_int_equal(pw_forward_sessions(w.forward[0]), 1);
}

static void
the_drain_deadline_ends_what_does_not_end_by_itself(void **state)
{
	(void)state;
	w.broker[0].hold = true;
	world_start(1, 3, 0);
	device_connect(0, 0, 5, "a");
	device_publish(0, 5, 1, 1, "t", "x");
	world_run(10);
	pw_forward_drain(w.forward[0], w.now);
	world_run(4900);
	assert_false(w.device[0].closed);
	world_run(3000);
	assert_true(w.device[0].closed);
	assert_int_equal(device_acks(0, 5, NULL, NULL, 4),
			 0); /* nothing is claimed that is not so */
	assert_true(pw_forward_drained(w.forward[0]));
	assert_int_equal(counters()->dropped_on_shutdown, 1);
	ledger();
}

static void
a_drain_across_workers_empties_the_log_first(void **state)
{
	(void)state;
	w.broker[1].hold = true;
	world_start(2, PW_ROLE_DEVICES, PW_ROLE_BROKERS);
	device_connect(0, 0, 5, "a");
	device_publish(0, 5, 1, 1, "t", "x");
	world_run(20);
	pw_forward_drain(w.forward[0], w.now);
	pw_forward_drain(w.forward[1], world_clock(1));
	world_run(100);
	assert_int_equal(upstream(1, PW_LANE_5).state, PW_UPSTREAM_UP);
	world_ack(1, 1);
	world_run(2000);
	assert_int_equal(device_acks(0, 5, NULL, NULL, 4), 1);
	assert_true(pw_forward_drained(w.forward[0]));
	assert_true(pw_forward_drained(w.forward[1]));
	ledger();
}

static void
under_pressure_devices_wait_and_are_read_afterwards(void **state)
{
	(void)state;
	w.broker[0].hold = true;
	world_start(1, 3, 0);
	device_connect(0, 0, 4, "a");
	device_publish(0, 4, 1, 1, "t", "first");
	world_run(10);
	pw_forward_set_pressure(w.forward[0], 1);
	device_publish(0, 4, 1, 2, "t", "second");
	world_run(100);
	assert_int_equal(w.broker[0].nb, 1);
	assert_true(counters()->blocked > 0);
	pw_forward_set_pressure(w.forward[0], 0);
	world_run(10);
	assert_int_equal(w.broker[0].nb, 2);
	world_ack(0, 9);
	world_run(10);
	assert_int_equal(device_acks(0, 4, NULL, NULL, 9), 2);
	ledger();
}

static void
pressure_with_nothing_outstanding_still_moves_whole_frames(void **state)
{
	(void)state;
	world_start(1, 3, 0);
	device_connect(0, 0, 4, "a");
	pw_forward_set_pressure(w.forward[0], 1);
	device_publish(0, 4, 0, 0, "t", "x");
	world_run(100);
	assert_int_equal(w.broker[0].nb, 1);
	ledger();
}

/* Half of a frame of 1 MiB: QoS 0, topic "t". */
static void
begin_large(uint32_t i, uint32_t bytes)
{
	static uint8_t chunk[300000];
	const uint8_t head[] = {0x30, 0x83, 0x80, 0x40, 0, 1, 't'};

	memset(chunk, 0, sizeof(chunk));
	device_send(i, head, sizeof(head));
	while (bytes > 0) {
		uint32_t n = RTE_MIN(bytes, (uint32_t)sizeof(chunk));

		device_send(i, chunk, n);
		bytes -= n;
	}
}

static void
pressure_that_lasts_ends_the_device_that_holds_most(void **state)
{
	static uint8_t part[9000] = {0x30, 0xA0, 0x9C, 0x01};

	(void)state;
	world_start(1, 3, 0);
	device_connect(0, 0, 5, "small");
	device_connect(1, 0, 5, "large");
	device_connect(2, 0, 5, "larger");
	device_send(0, part, 2000);
	device_send(1, part, 9000);
	world_run(20);
	/* the shortage is another worker's: what little these hold would help nobody */
	pw_forward_set_pressure(w.forward[0], 1);
	world_run(3500);
	assert_int_equal(counters()->shed, 0);
	pw_forward_set_pressure(w.forward[0], 0);
	begin_large(2, 200000);
	world_run(20);
	pw_forward_set_pressure(w.forward[0], 1);
	world_run(3500);
	assert_true(w.device[2].closed);
	assert_false(w.device[1].closed);
	assert_false(w.device[0].closed);
	assert_int_equal(counters()->shed, 1);
}

static void
large_frames_beyond_the_budget_stand_in_line_and_a_stalled_one_gives_way(void **state)
{
	const uint32_t n = 6; /* 4 MiB of budget hold three frames of a MiB */

	(void)state;
	world_start(1, 3, 0);
	for (uint32_t i = 0; i < n; i++) {
		char id[8];

		snprintf(id, sizeof(id), "d%u", i);
		device_connect(i, 0, 4, id);
		begin_large(i, 100000);
	}
	world_run(100);
	assert_true(counters()->blocked > 0);
	assert_int_equal(counters()->shed, 0);
	/* none of them goes on: the oldest gives way, one after the other, while others wait */
	world_run(60000);
	assert_int_equal(counters()->shed, n - 3);
	assert_true(w.device[0].closed && w.device[1].closed && w.device[2].closed);
	for (uint32_t i = 3; i < n; i++) {
		assert_false(w.device[i].closed);
		begin_large(i, 0);
	}
	/* and those that were let in are completed: seven bytes more of payload have come already
	 */
	for (uint32_t i = 3; i < n; i++) {
		static uint8_t zero[50000];
		uint32_t left = (1 << 20) + 3 - 3 - 100000 - 7;

		while (left > 0) {
			uint32_t k = RTE_MIN(left, (uint32_t)sizeof(zero));

			device_send(i, zero, k);
			left -= k;
		}
	}
	world_run(3000);
	assert_int_equal(w.broker[0].nb, 3);
	assert_int_equal(w.broker[1].nb, 3);
	ledger();
}

static void
a_large_frame_in_tiny_segments_holds_no_more_than_its_size(void **state)
{
	const uint32_t total = 40000, rl = total - 4;
	const uint8_t head[] = {
		0x32, 0x80 | (rl & 127), 0x80 | (rl >> 7 & 127), rl >> 14, 0, 1, 't', 0, 9};
	uint32_t least, before;
	uint8_t four[4] = "abcd";

	(void)state;
	world_start(1, 3, 0);
	device_connect(0, 0, 4, "a");
	before = least = rte_mempool_avail_count(w.mem.pkt);
	device_send(0, head, sizeof(head));
	world_run(1);
	for (uint32_t at = sizeof(head); at < total; at += 4) {
		device_send(0, four, RTE_MIN(total - at, 4u));
		world_run(1);
		least = RTE_MIN(least, rte_mempool_avail_count(w.mem.pkt));
	}
	world_run(50);
	assert_true(before - least < 100);
	assert_int_equal(w.broker[0].nb, 1);
	assert_int_equal(w.broker[1].record[0].len, total - sizeof(head));
	assert_int_equal(device_acks(0, 4, NULL, NULL, 4), 1);
	ledger();
}

static void
a_small_receive_window_lets_frames_beyond_it_pass(void **state)
{
	static uint8_t out[40000], payload[40000];

	(void)state;
	w.rx_window = 16384;
	world_start(1, 3, 0);
	device_connect(0, 0, 4, "a");
	for (uint32_t k = 0; k < 5; k++) {
		static const uint32_t sizes[] = {8000, 8200, 16384, 19000, 33000};

		device_send(0, out,
			    publish_bytes(out, sizeof(out), 4, 1, false, (uint16_t)(k + 1), "t",
					  payload, sizes[k]));
		world_run(500);
		assert_int_equal(w.broker[1].nb, k + 1);
	}
	assert_int_equal(device_acks(0, 4, NULL, NULL, 9), 5);
	ledger();
}

static void
a_large_frame_that_is_not_read_is_not_blamed_for_standing_still(void **state)
{
	(void)state;
	world_start(1, 3, 0);
	for (uint32_t i = 0; i < 4; i++) {
		device_connect(i, 0, 4, (const char *[]){"a", "b", "c", "d"}[i]);
		begin_large(i, 100000);
	}
	world_run(100);
	w.broker[0].hold = true;
	device_connect(4, 0, 4, "e");
	device_publish(4, 4, 1, 1, "t", "x"); /* outstanding: nobody has to make room */
	world_run(20);
	pw_forward_set_pressure(w.forward[0], 1);
	world_run(15000);
	pw_forward_set_pressure(w.forward[0], 0);
	world_run(9000);
	assert_int_equal(counters()->shed, 0);
	world_run(3000);
	assert_int_equal(counters()->shed, 1);
}

static void
when_the_first_in_line_leaves_the_next_is_let_in(void **state)
{
	static uint8_t out[300100], payload[300000];

	(void)state;
	world_start(1, 3, 0);
	for (uint32_t i = 0; i < 5; i++)
		device_connect(i, 0, 4, (const char *[]){"a", "b", "c", "d", "e"}[i]);
	for (uint32_t i = 0; i < 4; i++) {
		begin_large(i, 100000);
		world_run(20);
	}
	device_send(4, out,
		    publish_bytes(out, sizeof(out), 4, 1, false, 1, "t", payload, sizeof(payload)));
	world_run(100);
	assert_int_equal(w.broker[0].nb, 0);
	device_reset(3);
	world_run(1500);
	assert_int_equal(w.broker[0].nb, 1);
	assert_int_equal(counters()->shed, 0);
	ledger();
}

#define T(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_drain_lets_acknowledgements_through_then_says_goodbye),
		T(a_drain_names_the_server_to_go_to),
		T(a_drain_outlasts_keepalives),
		T(a_window_of_one_moves_on_with_each_acknowledgement),
		T(nothing_more_is_read_while_draining),
		T(the_drain_deadline_ends_what_does_not_end_by_itself),
		T(a_drain_across_workers_empties_the_log_first),
		T(under_pressure_devices_wait_and_are_read_afterwards),
		T(pressure_with_nothing_outstanding_still_moves_whole_frames),
		T(pressure_that_lasts_ends_the_device_that_holds_most),
		T(large_frames_beyond_the_budget_stand_in_line_and_a_stalled_one_gives_way),
		T(a_large_frame_in_tiny_segments_holds_no_more_than_its_size),
		T(a_small_receive_window_lets_frames_beyond_it_pass),
		T(a_large_frame_that_is_not_read_is_not_blamed_for_standing_still),
		T(when_the_first_in_line_leaves_the_next_is_let_in),
	};

	return cmocka_run_group_tests(tests, world_init, world_fini);
}
