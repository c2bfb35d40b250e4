/* SPDX-License-Identifier: BSD-3-Clause */
/* Rings between workers that are full: what can't cross is counted, and comes through later. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "eal.h"
#include "worker_pvt.h"
#include "world.h"

#define DEVICES 8

static void
publish(struct world *w, uint32_t first)
{
	for (uint32_t i = first; i < w->nb_devices; i++)
		(void)device_publish(&w->device[i], 1, "t", "payload", 7);
}

/* Everybody but worker 1. */
static void
run_without_worker_1(struct world *w)
{
	for (uint32_t i = 0; i < 50; i++) {
		w->now += w->step;
		(void)pw_worker_turn(w->fleet, 0, w->now);
		for (uint32_t s = 0; s < w->nb_sides; s++)
			peer_turn(&w->side[s], w->now);
	}
}

static void
test_frames_for_a_worker_whose_ring_is_full_are_counted_and_come_again(void **state)
{
	static const struct world_conf conf = {.workers = 2};
	struct world *w = world_create(&conf);
	struct frame_msg msg = {.kind = FRAME_RECEIVED};

	(void)state;
	world_connect(w, DEVICES, PW_MQTT_3_1_1);
	assert_true(pw_forward_sessions(pw_fleet_forward(w->fleet, 1)) > 0);
	for (;;) {
		msg.m = rte_pktmbuf_alloc(w->near_mem.pkt);
		assert_non_null(msg.m);
		/* A frame for somebody else. */
		memset(rte_pktmbuf_append(msg.m, 60), 0x02, 60);
		if (pw_ring_put(&lane_of(w->fleet, 0, 1)->frames, &msg, 1) == 0)
			break;
	}
	rte_pktmbuf_free(msg.m);
	publish(w, 0);
	run_without_worker_1(w);
	assert_true(pw_fleet_counters(w->fleet, 0)->drop_steer_full > 0);
	assert_false(world_acked(w));
	assert_true(world_until(w, world_acked, 5000)); /* TCP sends again what was dropped */
	world_destroy(w);
}

static bool
seconds_connected(const struct world *w)
{
	for (uint32_t i = DEVICES; i < w->nb_devices; i++) {
		if (!w->device[i].connected)
			return false;
	}
	return true;
}

/* The same clients once more. */
static void
connect_again(struct world *w)
{
	for (uint32_t i = 0; i < DEVICES; i++)
		device_create(&w->device[w->nb_devices++], &w->side[0], "10.1.0.2", "10.1.0.1",
			      1883, PW_MQTT_3_1_1, w->device[i].client_id, w->now);
}

/* Messages that change nothing where they arrive. */
static void
fill_messages(struct world *w, uint32_t from, uint32_t to)
{
	struct message nothing = {.kind = MESSAGE_ICMP_ERROR};

	while (pw_ring_put(&lane_of(w->fleet, from, to)->messages, &nothing, 1) == 1)
		;
}

/* Both ways full whenever somebody has something to say. */
static void
run_with_full_rings(struct world *w)
{
	for (uint32_t i = 0; i < 50; i++) {
		w->now += w->step;
		for (uint32_t k = 0; k < 2; k++) {
			fill_messages(w, k, 1 - k);
			(void)pw_worker_turn(w->fleet, k, w->now);
		}
		for (uint32_t s = 0; s < w->nb_sides; s++)
			peer_turn(&w->side[s], w->now);
	}
}

static uint64_t
waited(const struct world *w, uint32_t worker)
{
	return pw_fleet_counters(w->fleet, worker)->message_ring_full;
}

static void
test_takeovers_wait_for_room_in_a_full_ring_and_none_is_lost(void **state)
{
	static const struct world_conf conf = {.workers = 2};
	struct world *w = world_create(&conf);

	(void)state;
	world_connect(w, DEVICES, PW_MQTT_3_1_1);
	publish(w, 0);
	assert_true(world_until(w, world_acked, 5000));
	fill_messages(w, 0, 1);
	connect_again(w);
	run_without_worker_1(w);
	assert_true(waited(w, 0) > 0);
	assert_false(seconds_connected(w));
	run_with_full_rings(w);
	assert_true(waited(w, 1) > 0);
	assert_true(world_until(w, seconds_connected, 1000));
	world_run(w, 100);
	for (uint32_t i = 0; i < DEVICES; i++) {
		assert_true(w->device[i].gone);
		assert_false(w->device[DEVICES + i].gone);
	}
	assert_int_equal(WORLD_SUM(w, takeovers), DEVICES);
	assert_int_equal(WORLD_SUM(w, claims_dropped), 0);
	assert_int_equal(pw_forward_sessions(pw_fleet_forward(w->fleet, 0)) +
				 pw_forward_sessions(pw_fleet_forward(w->fleet, 1)),
			 DEVICES);
	publish(w, DEVICES);
	assert_true(world_until(w, world_acked, 5000));
	assert_int_equal(w->broker[0].nb_records, 2 * DEVICES);
	world_destroy(w);
}

/* Messages of a kind that a ring takes on top of what it has. */
static uint32_t
post_all(struct world *w, enum message_kind kind)
{
	struct message m = {.kind = kind};
	uint32_t n = 0;

	for (;; n++) {
		if (kind == MESSAGE_PACKET)
			m.packet = rte_pktmbuf_alloc(w->near_mem.pkt);
		if (worker_post(w->fleet->worker[0], 1, &m) < 0)
			break;
	}
	if (kind == MESSAGE_PACKET)
		rte_pktmbuf_free(m.packet);
	return n;
}

static void
test_what_strangers_cause_leaves_half_of_a_ring_to_the_forward_logs(void **state)
{
	static const struct world_conf conf = {.workers = 2};
	struct world *w = world_create(&conf);
	uint32_t depth = rte_ring_get_capacity(lane_of(w->fleet, 0, 1)->messages.r);

	(void)state;
	assert_int_equal(post_all(w, MESSAGE_ICMP_ERROR), depth / 4);
	assert_int_equal(post_all(w, MESSAGE_PACKET), depth / 8);
	assert_int_equal(post_all(w, MESSAGE_NEIGHBOUR), depth / 8);
	assert_int_equal(post_all(w, MESSAGE_ICMP_ERROR), 0);
	assert_int_equal(post_all(w, MESSAGE_FORWARD), depth / 2);
	world_destroy(w);
}

static void
test_icmp_errors_about_flows_of_others_are_limited(void **state)
{
	static const struct world_conf conf = {.workers = 2};
	struct world *w = world_create(&conf);
	struct pw_wire_hooks hooks = worker_wire_hooks(w->fleet->worker[0]);
	const struct pw_worker_counters *n = pw_fleet_counters(w->fleet, 0);
	struct pw_flow flow = {.lport = 1883};
	uint64_t before;

	(void)state;
	assert_int_equal(pw_addr_parse(&flow.local, "10.1.0.1"), 0);
	assert_int_equal(pw_addr_parse(&flow.remote, "10.1.0.2"), 0);
	while (pw_port_worker(&w->port[0], &flow) != 1)
		flow.rport++;
	for (uint32_t second = 0; second < 2; second++) {
		w->now += 1000 * MS;
		before = n->messages_out;
		for (uint32_t i = 0; i < 3000; i++) {
			hooks.icmp_error(hooks.ctx, &flow, i, 600, 4, w->now);
			if (i % 16 == 0)
				(void)pw_worker_turn(w->fleet, 1, w->now);
		}
		assert_int_equal(n->messages_out - before, 1000);
		assert_int_equal(n->icmp_held_back, 2000 * (second + 1));
	}
	assert_int_equal(n->drop_message_full, 0);
	world_destroy(w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			test_frames_for_a_worker_whose_ring_is_full_are_counted_and_come_again),
		cmocka_unit_test(
			test_what_strangers_cause_leaves_half_of_a_ring_to_the_forward_logs),
		cmocka_unit_test(test_icmp_errors_about_flows_of_others_are_limited),
		cmocka_unit_test(test_takeovers_wait_for_room_in_a_full_ring_and_none_is_lost),
	};

	(void)test_eal_init_with("(0-1)@0", 256, NULL, 0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
