/* SPDX-License-Identifier: BSD-3-Clause */
/* Packets that came in fragments reach the worker of their flow, whoever received the pieces. */
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
publish_in_pieces(struct world *w)
{
	static const char payload[300];

	w->side[0].cut = 64;
	for (uint32_t i = 0; i < w->nb_devices; i++)
		(void)device_publish(&w->device[i], 1, "t", payload, sizeof(payload));
}

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
rejoin(const struct world_conf *conf)
{
	struct world *w = world_create(conf);
	const struct pw_wire_counters *n = pw_wire_counters(pw_fleet_wire(w->fleet, 0));

	world_connect(w, DEVICES, PW_MQTT_3_1_1);
	assert_true(pw_forward_sessions(pw_fleet_forward(w->fleet, 1)) > 0);
	publish_in_pieces(w);
	assert_true(world_until(w, world_acked, 100)); /* no retransmission was needed */
	assert_true(n->frag_joined >= DEVICES);
	assert_int_equal(pw_fleet_counters(w->fleet, 0)->regrouped,
			 pw_forward_sessions(pw_fleet_forward(w->fleet, 1)));
	for (uint32_t i = 0; i < 2; i++)
		assert_int_equal(pw_tcp_counters(pw_fleet_tcp(w->fleet, i))->resets_out, 0);
	world_destroy(w);
}

static void
test_rejoined_packets_reach_the_worker_of_their_flow(void **state)
{
	(void)state;
	rejoin(&(struct world_conf){.workers = 2});
	rejoin(&(struct world_conf){.workers = 2, .v6 = true});
}

static void
test_rejoined_packets_are_dropped_where_the_ring_is_full(void **state)
{
	static const struct world_conf conf = {.workers = 2};
	struct world *w = world_create(&conf);
	struct message msg = {.kind = MESSAGE_ICMP_ERROR};

	(void)state;
	world_connect(w, DEVICES, PW_MQTT_3_1_1);
	while (pw_ring_put(&lane_of(w->fleet, 0, 1)->messages, &msg, 1) == 1)
		;
	publish_in_pieces(w);
	run_without_worker_1(w);
	assert_true(pw_fleet_counters(w->fleet, 0)->drop_message_full > 0);
	assert_false(world_acked(w));
	assert_true(world_until(w, world_acked, 5000)); /* TCP sends again what was dropped */
	world_destroy(w);
}

static void
test_rejoined_packets_in_a_ring_are_freed_at_the_end(void **state)
{
	static const struct world_conf conf = {.workers = 2};
	struct world *w = world_create(&conf);

	(void)state;
	world_connect(w, DEVICES, PW_MQTT_3_1_1);
	publish_in_pieces(w);
	run_without_worker_1(w);
	assert_true(pw_fleet_counters(w->fleet, 0)->regrouped > 0);
	world_destroy(w); /* asserts that every buffer is back */
}

static void
test_pieces_are_the_first_to_go_when_buffers_are_short(void **state)
{
	static const struct world_conf conf = {.workers = 1};
	static struct rte_mbuf *held[WORLD_PKT];
	struct world *w = world_create(&conf);
	const struct pw_wire_counters *c = pw_wire_counters(pw_fleet_wire(w->fleet, 0));
	uint32_t n = 0;

	(void)state;
	world_connect(w, DEVICES, PW_MQTT_3_1_1);
	while (pw_mem_used_percent(&w->near_mem) < 78)
		held[n++] = rte_pktmbuf_alloc(w->near_mem.pkt);
	world_run(w, 40);
	publish_in_pieces(w);
	world_run(w, 40);
	assert_true(c->drop_frag_pressure > 0);
	assert_int_equal(c->frag_joined, 0);
	rte_pktmbuf_free_bulk(held, n);
	assert_true(world_until(w, world_acked, 5000));
	assert_true(c->frag_joined >= DEVICES);
	world_destroy(w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rejoined_packets_reach_the_worker_of_their_flow),
		cmocka_unit_test(test_rejoined_packets_are_dropped_where_the_ring_is_full),
		cmocka_unit_test(test_rejoined_packets_in_a_ring_are_freed_at_the_end),
		cmocka_unit_test(test_pieces_are_the_first_to_go_when_buffers_are_short),
	};

	(void)test_eal_init_with("(0-1)@0", 256, NULL, 0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
