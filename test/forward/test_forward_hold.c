/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What one broker may have waiting (hold), and what happens beyond it: devices of its sets wait,
 * its oldest messages go, or it goes without until it is back. Whatever it is, devices of other
 * sets and the deliveries to other brokers do not notice.
 */
#include <errno.h>
#include <stdio.h>

#include <rte_common.h>

#include "world.h"

static const struct shape {
	uint32_t workers;
	uint8_t role[2];
} shapes[] = {{1, {3, 0}}, {2, {PW_ROLE_DEVICES, PW_ROLE_BROKERS}}};

/* "0" goes to broker 0, all else to both; broker 1 may have four messages waiting. */
static void
bounded(void **state, enum pw_when_full qos1)
{
	world_setup(state);
	w.set.nb_routes = 2;
	w.set.route[1] = w.set.route[0];
	snprintf(w.set.route[0].filter, sizeof(w.set.route[0].filter), "0");
	w.set.route[0].brokers = 1;
	w.set.route[1].when_full_qos1 = qos1;
	w.set.broker[1].hold_messages = 4;
	w.set.broker[1].restart_cap = 1000;
	w.set.limits.receive_maximum = 100;
	w.set.limits.max_queued_messages = 64;
}

static void
begin(const struct shape *s)
{
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
flood(uint32_t device, uint8_t version, const char *topic, uint32_t from, uint32_t to)
{
	char text[16];

	for (uint32_t i = from; i <= to; i++) {
		snprintf(text, sizeof(text), "%u", i);
		device_publish(device, version, 1, (uint16_t)i, topic, text);
		if (i % 8 == 0)
			world_run(2);
	}
	world_run(50);
}

static uint32_t
acks(uint32_t device, uint8_t version, uint8_t reason)
{
	uint8_t reasons[128];
	uint32_t n = device_acks(device, version, NULL, reasons, 128), same = 0;

	for (uint32_t i = 0; i < RTE_MIN(n, 128u); i++)
		same += reasons[i] == reason;
	return same;
}

static void
others_do_not_notice(uint32_t device)
{
	uint32_t before = w.broker[0].nb;

	device_connect(device, 0, 5, "other");
	flood(device, 5, "0", 1, 60);
	assert_int_equal(acks(device, 5, 0), 60);
	assert_int_equal(w.broker[0].nb, before + 60);
	ledger();
}

static void
a_full_hold_blocks_the_devices_of_sets_with_that_broker(void **state)
{
	for (uint32_t k = 0; k < RTE_DIM(shapes); k++) {
		bounded(state, PW_WHEN_FULL_BLOCK);
		w.broker[1].hold = true;
		begin(&shapes[k]);
		device_connect(0, 0, 5, "a");
		flood(0, 5, "t", 1, 40);
		assert_int_equal(w.broker[1].nb, 4);
		assert_int_equal(w.broker[0].nb, 4);
		assert_int_equal(upstream(1, PW_LANE_5).held, 4);
		assert_true(upstream(1, PW_LANE_5).over);
		others_do_not_notice(1);
		world_ack(1, 1);
		world_run(20);
		assert_int_equal(acks(0, 5, 0), 1);
		assert_int_equal(w.broker[1].nb, 5);
		w.broker[1].hold = false;
		world_ack(1, 9);
		world_run(100);
		assert_int_equal(acks(0, 5, 0), 40);
		assert_int_equal(w.broker[1].nb, 40);
		assert_int_equal(upstream(1, PW_LANE_5).held, 0);
		assert_int_equal(upstream(1, PW_LANE_5).held_bytes, 0);
		ledger();
		world_teardown(state);
	}
}

static void
a_hold_of_bytes_bounds_them_to_within_one_turn(void **state)
{
	bounded(state, PW_WHEN_FULL_BLOCK);
	w.set.broker[1].hold_messages = 0;
	w.set.broker[1].hold_bytes = 100;
	w.broker[1].hold = true;
	begin(&shapes[0]);
	device_connect(0, 0, 5, "a");
	for (uint16_t i = 1; i <= 40; i++) {
		device_publish(0, 5, 1, i, "t", "thirty bytes of payload, or so");
		world_run(2);
	}
	assert_in_range(upstream(1, PW_LANE_5).held_bytes, 101, 140);
	others_do_not_notice(1);
	w.broker[1].hold = false;
	world_ack(1, 99);
	world_run(100);
	assert_int_equal(acks(0, 5, 0), 40);
	world_teardown(state);
}

/* Else it would never be delivered, and its device would send it for ever. */
static void
one_message_that_is_larger_than_the_hold_of_bytes_passes_alone(void **state)
{
	static const enum pw_when_full how[] = {PW_WHEN_FULL_BLOCK, PW_WHEN_FULL_DROP,
						PW_WHEN_FULL_DETACH};

	for (uint32_t k = 0; k < RTE_DIM(how); k++) {
		bounded(state, how[k]);
		w.set.broker[1].hold_messages = 0;
		w.set.broker[1].hold_bytes = 20;
		begin(&shapes[0]);
		device_connect(0, 0, 4, "a");
		for (uint16_t i = 1; i <= 3; i++) {
			device_publish(0, 4, 1, i, "t", "thirty bytes of payload, or so");
			world_run(20);
		}
		assert_int_equal(acks(0, 4, 0), 3);
		assert_int_equal(w.broker[1].nb, 3);
		assert_int_equal(upstream(1, PW_LANE_3).counters.disconnects, 0);
		world_teardown(state);
	}
}

static void
dropped_messages_are_the_oldest_and_their_device_is_told(void **state)
{
	for (uint32_t k = 0; k < RTE_DIM(shapes); k++) {
		bounded(state, PW_WHEN_FULL_DROP);
		begin(&shapes[k]);
		device_connect(0, 0, 5, "a");
		away(1);
		flood(0, 5, "t", 1, 40);
		assert_int_equal(w.broker[0].nb, 40);
		assert_int_equal(acks(0, 5, 0x97), 36);
		assert_int_equal(upstream(1, PW_LANE_5).counters.dropped_hold, 36);
		assert_int_equal(counters()->unmet, 36);
		assert_int_equal(counters()->refused_by_broker, 0);
		others_do_not_notice(1);
		w.broker[1].mute = false;
		world_run(5000);
		assert_int_equal(acks(0, 5, 0), 4);
		assert_int_equal(w.broker[1].nb, 4);
		assert_string_equal(w.broker[1].record[0].text, "37");
		ledger();
		world_teardown(state);
	}
}

static void
a_device_of_3_1_1_is_closed_rather_than_told_a_lie(void **state)
{
	for (uint32_t k = 0; k < RTE_DIM(shapes); k++) {
		bounded(state, PW_WHEN_FULL_DROP);
		begin(&shapes[k]);
		device_connect(0, 0, 4, "a");
		away(1);
		flood(0, 4, "t", 1, 5);
		assert_true(w.device[0].closed);
		assert_int_equal(device_acks(0, 4, NULL, NULL, 99), 0);
		assert_int_equal(counters()->closed_unmet, 1);
		assert_int_equal(counters()->unmet, 1);
		others_do_not_notice(1);
		w.broker[1].mute = false;
		world_run(5000);
		assert_int_equal(pw_forward_outstanding(w.forward[0]), 0);
		assert_int_equal(counters()->orphaned, 5);
		ledger();
		world_teardown(state);
	}
}

static void
a_rule_that_can_do_without_the_broker_is_met_all_the_same(void **state)
{
	for (uint32_t v = 4; v <= 5; v++) {
		bounded(state, PW_WHEN_FULL_DROP);
		w.set.route[1].ack = PW_ACK_ANY;
		begin(&shapes[0]);
		device_connect(0, 0, (uint8_t)v, "a");
		away(1);
		flood(0, (uint8_t)v, "t", 1, 40);
		assert_int_equal(device_acks(0, (uint8_t)v, NULL, NULL, 99), 40);
		assert_int_equal(counters()->unmet, 0);
		assert_int_equal(upstream(1, v == 5 ? PW_LANE_5 : PW_LANE_3).counters.dropped_hold,
				 36);
		ledger();
		world_teardown(state);
	}
}

/* An identifier that is in use on the connection is not given to another message. */
static void
what_is_on_the_wire_is_not_dropped(void **state)
{
	bounded(state, PW_WHEN_FULL_DROP);
	w.broker[1].hold = true;
	w.set.broker[1].max_inflight_messages = 2;
	begin(&shapes[0]);
	device_connect(0, 0, 5, "a");
	flood(0, 5, "t", 1, 40);
	assert_int_equal(w.broker[1].nb, 2);
	assert_int_equal(acks(0, 5, 0x97), 0); /* in their order, behind those two */
	assert_int_equal(upstream(1, PW_LANE_5).counters.dropped_hold, 36);
	world_ack(1, 2);
	world_run(50);
	assert_int_equal(acks(0, 5, 0), 2);
	assert_int_equal(acks(0, 5, 0x97), 36);
	assert_int_equal(w.broker[1].nb, 4);
	assert_string_equal(w.broker[1].record[2].text, "39");
	world_ack(1, 2);
	world_run(50);
	assert_int_equal(acks(0, 5, 0), 4);
	ledger();
	world_teardown(state);
}

/* Once its connection is gone, what was on the wire is the oldest of all. */
static void
what_was_on_the_wire_goes_first_when_the_broker_has_gone(void **state)
{
	bounded(state, PW_WHEN_FULL_DROP);
	w.broker[1].hold = true;
	w.set.broker[1].max_inflight_messages = 2;
	begin(&shapes[0]);
	device_connect(0, 0, 5, "a");
	flood(0, 5, "t", 1, 10);
	assert_int_equal(w.broker[1].nb, 2);
	away(1);
	flood(0, 5, "t", 11, 12);
	assert_int_equal(acks(0, 5, 0x97), 8);
	w.broker[1].mute = w.broker[1].hold = false;
	world_run(5000);
	assert_int_equal(w.broker[1].nb, 2 + 4);
	assert_string_equal(w.broker[1].record[2].text, "9");
	assert_string_equal(w.broker[1].record[5].text, "12");
	assert_int_equal(acks(0, 5, 0), 4);
	ledger();
	world_teardown(state);
}

static void
qos0_beyond_the_hold_goes_oldest_first(void **state)
{
	bounded(state, PW_WHEN_FULL_BLOCK);
	begin(&shapes[0]);
	device_connect(0, 0, 5, "a");
	away(1);
	for (uint16_t i = 1; i <= 20; i++)
		device_publish(0, 5, 0, 0, "t", (const char[]){(char)('a' + i), 0});
	world_run(20);
	assert_int_equal(w.broker[0].nb, 20);
	assert_int_equal(upstream(1, PW_LANE_5).counters.dropped_hold, 16);
	w.broker[1].mute = false;
	world_run(5000);
	assert_int_equal(w.broker[1].nb, 4);
	assert_int_equal(w.broker[1].record[0].text[0], 'a' + 17);
	assert_int_equal(counters()->completed_qos0, 20);
	ledger();
	world_teardown(state);
}

static void
a_detached_broker_goes_without_until_it_is_back(void **state)
{
	for (uint32_t k = 0; k < RTE_DIM(shapes); k++) {
		bounded(state, PW_WHEN_FULL_DETACH);
		begin(&shapes[k]);
		device_connect(0, 0, 5, "a");
		device_connect(2, 0, 4, "b");
		away(1);
		flood(0, 5, "t", 1, 4);
		assert_int_equal(acks(0, 5, 0), 0);
		flood(0, 5, "t", 5, 40);
		flood(2, 4, "t", 1, 40);
		assert_int_equal(acks(0, 5, 0), 40); /* `all` does without it */
		assert_int_equal(device_acks(2, 4, NULL, NULL, 99), 40);
		assert_int_equal(w.broker[0].nb, 80);
		assert_true(upstream(1, PW_LANE_5).detached);
		assert_int_equal(upstream(1, PW_LANE_5).counters.detached, 1);
		assert_int_equal(upstream(1, PW_LANE_5).counters.dropped_detached, 40);
		assert_int_equal(upstream(1, PW_LANE_5).held, 0);
		others_do_not_notice(1);
		w.broker[1].mute = false;
		world_run(5000);
		assert_false(upstream(1, PW_LANE_5).detached);
		flood(0, 5, "t", 41, 43);
		assert_int_equal(acks(0, 5, 0), 43);
		assert_int_equal(w.broker[1].nb, 3);
		ledger();
		world_teardown(state);
	}
}

static void
a_hung_broker_is_detached_with_its_connection(void **state)
{
	bounded(state, PW_WHEN_FULL_DETACH);
	w.broker[1].hold = true;
	begin(&shapes[0]);
	device_connect(0, 0, 5, "a");
	flood(0, 5, "t", 1, 5);
	assert_int_equal(acks(0, 5, 0), 5);
	assert_int_equal(upstream(1, PW_LANE_5).counters.disconnects, 1);
	assert_non_null(strstr(upstream(1, PW_LANE_5).last_error, "detached"));
	w.broker[1].hold = false;
	world_run(3000);
	flood(0, 5, "t", 6, 9);
	assert_int_equal(acks(0, 5, 0), 9);
	assert_int_equal(upstream(1, PW_LANE_5).counters.protocol_errors, 0);
	ledger();
	world_teardown(state);
}

/* A quorum is what the operator asked for, and `all` of nobody is nobody. */
static void
detaching_meets_no_quorum_and_no_rule_without_any_broker(void **state)
{
	bounded(state, PW_WHEN_FULL_DETACH);
	w.set.route[1].ack = PW_ACK_QUORUM;
	w.set.route[1].quorum = 2;
	begin(&shapes[0]);
	device_connect(0, 0, 5, "a");
	away(1);
	flood(0, 5, "t", 1, 20);
	assert_int_equal(acks(0, 5, 0x97), 20);
	ledger();
	world_teardown(state);

	bounded(state, PW_WHEN_FULL_DETACH);
	w.set.broker[0].hold_messages = 4;
	begin(&shapes[0]);
	device_connect(0, 0, 5, "a");
	away(0);
	away(1);
	flood(0, 5, "t", 1, 20);
	assert_int_equal(acks(0, 5, 0x97), 20);
	ledger();
	world_teardown(state);
}

/* Two routes over the same brokers, one of which blocks: what it has appended is kept. */
static void
routes_of_one_set_keep_their_own_choice(void **state)
{
	bounded(state, PW_WHEN_FULL_DROP);
	w.set.nb_routes = 3;
	w.set.route[2] = w.set.route[1];
	snprintf(w.set.route[1].filter, sizeof(w.set.route[1].filter), "keep");
	w.set.route[1].when_full_qos1 = PW_WHEN_FULL_BLOCK;
	begin(&shapes[0]);
	device_connect(0, 0, 5, "a");
	device_connect(2, 0, 5, "b");
	away(1);
	flood(0, 5, "keep", 1, 3);
	flood(2, 5, "t", 1, 20);
	assert_int_equal(acks(0, 5, 0x97), 0);
	assert_int_equal(acks(2, 5, 0x97), 19);
	w.broker[1].mute = false;
	world_run(5000);
	assert_int_equal(acks(0, 5, 0), 3);
	assert_int_equal(acks(2, 5, 0), 1);
	ledger();
	world_teardown(state);
}

/* No hold is configured: what is bounded is the share of the packet buffers. */
static void
hung_in_one_set(void **state, uint32_t buffers)
{
	bounded(state, PW_WHEN_FULL_BLOCK);
	w.set.broker[1].hold_messages = 0;
	w.set.limits.max_queued_messages = 256;
	w.set.limits.receive_maximum = 250;
	w.set.limits.copy_break = 256; /* each message of flood_large() keeps a buffer */
	w.buffers = buffers;
}

static void
flood_large(uint32_t device, uint8_t qos, uint32_t from, uint32_t to)
{
	char text[401];

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = 0;
	for (uint32_t i = from; i <= to; i++) {
		device_publish(device, 5, qos, qos > 0 ? (uint16_t)i : 0, "t", text);
		world_run(1);
	}
	world_run(50);
}

static void
without_a_hold_a_hung_broker_keeps_a_quarter_of_the_buffers(void **state)
{
	for (uint32_t k = 0; k < RTE_DIM(shapes); k++) {
		hung_in_one_set(state, 256);
		w.broker[1].hold = true;
		begin(&shapes[k]);
		device_connect(0, 0, 5, "a");
		flood_large(0, 1, 1, 120);
		assert_in_range(upstream(1, PW_LANE_5).held_buffers, 65, 70);
		assert_in_range(w.broker[1].nb, 64, 70);
		assert_true(upstream(1, PW_LANE_5).over);
		assert_false(upstream(0, PW_LANE_5).over);
		assert_in_range(rte_mempool_in_use_count(w.mem.pkt), 65, 64 + 256);
		others_do_not_notice(1);
		w.broker[1].hold = false;
		world_ack(1, 99);
		world_run(100);
		assert_int_equal(acks(0, 5, 0), 120);
		assert_int_equal(w.broker[1].nb, 120);
		assert_int_equal(upstream(1, PW_LANE_5).held_buffers, 0);
		ledger();
		world_teardown(state);
	}
}

/* One connection of a broker hangs, another one does not. */
static void
a_connection_that_is_not_hung_has_a_share_of_its_own(void **state)
{
	hung_in_one_set(state, 256);
	begin(&shapes[0]);
	device_connect(0, 0, 5, "a");
	w.broker[1].hold = true;
	flood_large(0, 1, 1, 100);
	w.broker[1].hold = false;
	device_connect(2, 0, 4, "b");
	flood(2, 4, "t", 1, 60);
	assert_int_equal(device_acks(2, 4, NULL, NULL, 99), 60);
	assert_int_equal(acks(0, 5, 0), 0);
	world_ack(1, 99);
	world_run(100);
	assert_int_equal(acks(0, 5, 0), 100);
	world_teardown(state);
}

static void
qos0_beyond_the_share_of_buffers_goes_oldest_first(void **state)
{
	hung_in_one_set(state, 64);
	begin(&shapes[0]);
	device_connect(0, 0, 5, "a");
	away(1);
	flood_large(0, 0, 1, 100);
	assert_int_equal(w.broker[0].nb, 100);
	assert_int_equal(upstream(1, PW_LANE_5).held_buffers, 16);
	assert_int_equal(upstream(1, PW_LANE_5).counters.dropped_hold, 84);
	w.broker[1].mute = false;
	world_run(5000);
	assert_int_equal(w.broker[1].nb, 16);
	ledger();
	world_teardown(state);
}

/* Small messages share buffers: the log is their bound, as it would be without this one. */
static void
small_messages_are_counted_by_the_buffers_that_they_share(void **state)
{
	hung_in_one_set(state, 64);
	w.broker[1].hold = true;
	begin(&shapes[0]);
	device_connect(0, 0, 5, "a");
	flood(0, 5, "t", 1, 200);
	assert_int_equal(w.broker[1].nb, 200);
	assert_in_range(upstream(1, PW_LANE_5).held_buffers, 1, 4);
	w.broker[1].hold = false;
	world_ack(1, 255);
	world_run(100);
	assert_int_equal(upstream(1, PW_LANE_5).held_buffers, 0);
	world_teardown(state);
}

/* A hold of bytes is the operator's word. */
static void
a_hold_of_bytes_stands_in_for_the_share_of_buffers(void **state)
{
	hung_in_one_set(state, 64);
	w.set.broker[1].hold_bytes = 100000;
	w.broker[1].hold = true;
	begin(&shapes[0]);
	device_connect(0, 0, 5, "a");
	flood_large(0, 1, 1, 100);
	assert_int_equal(w.broker[1].nb, 100);
	w.broker[1].hold = false;
	world_ack(1, 128);
	world_run(100);
	world_teardown(state);
}

static void
ledgers_of_brokers_and_routes_say_where_every_message_is(void **state)
{
	for (uint32_t k = 0; k < RTE_DIM(shapes); k++) {
		struct pw_broker_ledger b[PW_FORWARD_MAX_BROKERS] = {0};
		const struct pw_route_counters *r;

		bounded(state, PW_WHEN_FULL_DROP);
		begin(&shapes[k]);
		device_connect(0, 0, 5, "a");
		device_connect(1, 0, 5, "b");
		away(1);
		flood(0, 5, "t", 1, 40);
		flood(1, 5, "0", 1, 10);
		ledger(); /* under load */
		for (uint32_t i = 0; i < w.nb_workers; i++)
			pw_forward_broker_ledger(w.forward[i], b);
		assert_int_equal(b[0].accepted, 50);
		assert_int_equal(b[0].n.acked, 50);
		assert_int_equal(b[0].held, 0);
		assert_int_equal(b[1].accepted, 40);
		assert_int_equal(b[1].n.dropped_hold, 36);
		assert_int_equal(b[1].held, 4);
		r = pw_forward_route_counters(w.forward[0], 0);
		assert_int_equal(r->accepted, 10);
		assert_int_equal(r->acknowledged, 10);
		r = pw_forward_route_counters(w.forward[0], 1);
		assert_int_equal(r->accepted, 40);
		assert_int_equal(r->unmet, 36);
		assert_int_equal(r->acknowledged, 36);
		assert_int_equal(pw_route_outstanding(r), 4);
		w.broker[1].mute = false;
		world_run(5000);
		assert_int_equal(r->acknowledged, 40);
		assert_int_equal(pw_route_outstanding(r), 0);
		ledger();
		world_teardown(state);
	}
}

static bool
says(const char *client, const char *text)
{
	struct pw_why why;

	if (pw_forward_why(w.forward[0], client, &why, world_clock(0)) != 0)
		return false;
	for (uint32_t i = 0; i < why.n; i++) {
		if (strstr(why.reason[i], text) != NULL)
			return true;
	}
	return false;
}

static void
a_device_that_waits_is_told_apart_by_why(void **state)
{
	for (uint32_t k = 0; k < RTE_DIM(shapes); k++) {
		struct pw_why why;

		bounded(state, PW_WHEN_FULL_BLOCK);
		w.set.limits.receive_maximum = 10;
		w.broker[1].hold = true;
		begin(&shapes[k]);
		assert_int_equal(pw_forward_why(w.forward[0], "a", &why, w.now), -ENOENT);
		device_connect(0, 0, 5, "a");
		assert_true(says("a", "does not wait"));
		flood(0, 5, "t", 17, 25);
		assert_true(says("a", "not read") || says("a", "over its hold"));
		assert_true(says("a", "broker b1 of set 1 is over its hold, for "));
		assert_true(says("a", "message 17 waits for PUBACK of b1"));
		assert_false(says("a", "full"));
		device_connect(1, 0, 4, "b");
		flood(1, 4, "t", 1, 3);
		assert_true(says("b", "message 1 waits for PUBACK of b1"));
		assert_false(says("b", "over its hold")); /* it is read */
		w.broker[1].hold = false;
		world_ack(1, 9);
		world_run(100);
		assert_true(says("a", "does not wait"));
		assert_int_equal(acks(0, 5, 0), 9);
		world_teardown(state);
	}
}

static void
a_device_that_fills_a_log_or_its_window_is_told_so(void **state)
{
	bounded(state, PW_WHEN_FULL_BLOCK);
	w.set.broker[1].hold_messages = 0;
	w.set.limits.max_queued_messages = 8;
	w.set.limits.receive_maximum = 20;
	w.broker[1].hold = true;
	begin(&shapes[0]);
	device_connect(0, 0, 5, "a");
	flood(0, 5, "t", 1, 12);
	assert_true(says("a", "the log of set 1 (b0, b1) is full"));
	w.broker[1].hold = false;
	world_ack(1, 8);
	world_run(100);
	assert_int_equal(acks(0, 5, 0), 12);
	world_teardown(state);

	bounded(state, PW_WHEN_FULL_BLOCK);
	w.set.broker[1].hold_messages = 0;
	w.set.limits.receive_maximum = 3;
	w.broker[1].hold = true;
	begin(&shapes[0]);
	device_connect(0, 0, 4, "a");
	flood(0, 4, "t", 1, 6);
	assert_true(says("a", "receive_maximum"));
	w.broker[1].hold = false;
	world_ack(1, 3);
	world_run(100);
	assert_true(says("a", "does not wait"));
	world_teardown(state);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_full_hold_blocks_the_devices_of_sets_with_that_broker),
		cmocka_unit_test(a_hold_of_bytes_bounds_them_to_within_one_turn),
		cmocka_unit_test(one_message_that_is_larger_than_the_hold_of_bytes_passes_alone),
		cmocka_unit_test(dropped_messages_are_the_oldest_and_their_device_is_told),
		cmocka_unit_test(a_device_of_3_1_1_is_closed_rather_than_told_a_lie),
		cmocka_unit_test(a_rule_that_can_do_without_the_broker_is_met_all_the_same),
		cmocka_unit_test(what_is_on_the_wire_is_not_dropped),
		cmocka_unit_test(what_was_on_the_wire_goes_first_when_the_broker_has_gone),
		cmocka_unit_test(qos0_beyond_the_hold_goes_oldest_first),
		cmocka_unit_test(a_detached_broker_goes_without_until_it_is_back),
		cmocka_unit_test(a_hung_broker_is_detached_with_its_connection),
		cmocka_unit_test(detaching_meets_no_quorum_and_no_rule_without_any_broker),
		cmocka_unit_test(routes_of_one_set_keep_their_own_choice),
		cmocka_unit_test(without_a_hold_a_hung_broker_keeps_a_quarter_of_the_buffers),
		cmocka_unit_test(a_connection_that_is_not_hung_has_a_share_of_its_own),
		cmocka_unit_test(qos0_beyond_the_share_of_buffers_goes_oldest_first),
		cmocka_unit_test(small_messages_are_counted_by_the_buffers_that_they_share),
		cmocka_unit_test(a_hold_of_bytes_stands_in_for_the_share_of_buffers),
		cmocka_unit_test(a_device_that_waits_is_told_apart_by_why),
		cmocka_unit_test(a_device_that_fills_a_log_or_its_window_is_told_so),
		cmocka_unit_test(ledgers_of_brokers_and_routes_say_where_every_message_is),
	};

	return cmocka_run_group_tests(tests, world_init, world_fini);
}
