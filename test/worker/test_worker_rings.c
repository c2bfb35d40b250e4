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

static bool
all_acked(const struct world *w)
{
	for (uint32_t i = 0; i < w->nb_devices; i++) {
		if (w->device[i].nb_acks == 0)
			return false;
	}
	return true;
}

static void
publish(struct world *w)
{
	for (uint32_t i = 0; i < w->nb_devices; i++)
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
	publish(w);
	run_without_worker_1(w);
	assert_true(pw_fleet_counters(w->fleet, 0)->drop_steer_full > 0);
	assert_false(all_acked(w));
	assert_true(world_until(w, all_acked, 5000)); /* TCP sends again what was dropped */
	world_destroy(w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			test_frames_for_a_worker_whose_ring_is_full_are_counted_and_come_again),
	};

	(void)test_eal_init_with("(0-1)@0", 256, NULL, 0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
