/* SPDX-License-Identifier: BSD-3-Clause */
/* Who wakes a worker that waits, and when its wait ends by itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pubwire/base/log.h>

#include "nics.h"
#include "worker_pvt.h"

#define DEVICES 4

/* True where somebody rang for a worker since it was made to wait. */
static bool
rung(struct worker *w)
{
	bool yes = !w->waits;

	w->waits = true;
	return yes;
}

static void
a_log_that_moved_and_frames_to_send_wake_the_worker_that_they_concern(void **state)
{
	static const struct world_conf conf = {
		.workers = 2,
		.role = {PW_ROLE_DEVICES, PW_ROLE_BROKERS},
	};
	struct world *w = nics_world(conf);
	struct worker *devices = w->fleet->worker[0], *brokers = w->fleet->worker[1];

	(void)state;
	world_connect(w, 1, PW_MQTT_3_1_1);
	world_run(w, 1000);
	devices->waits = true;
	brokers->waits = true;
	(void)device_publish(&w->device[0], 1, "t", "payload", 7);
	peer_turn(&w->side[0], w->now);
	/* Its message stands in the log; nothing was handed over but by that. */
	assert_true(pw_worker_turn(w->fleet, 0, w->now) > 0);
	assert_true(rung(brokers));
	assert_false(rung(devices));
	/* The broker's segment leaves through the queue of the other one. */
	devices->waits = true;
	assert_true(pw_worker_turn(w->fleet, 1, w->now) > 0);
	assert_true(rung(devices));
	assert_false(rung(brokers));
	nics_end(w);
}

static void
what_is_handed_over_wakes_who_gets_it(void **state)
{
	static const struct world_conf conf = {.workers = 2};
	struct message nothing = {.kind = MESSAGE_ICMP_ERROR};
	struct world *w = nics_world(conf);
	struct worker *first = w->fleet->worker[0], *second = w->fleet->worker[1];

	(void)state;
	world_connect(w, DEVICES, PW_MQTT_3_1_1);
	world_run(w, 1000);
	assert_true(pw_forward_sessions(second->forward) > 0);
	first->waits = true;
	second->waits = true;
	for (uint32_t i = 0; i < DEVICES; i++)
		(void)device_publish(&w->device[i], 1, "t", "payload", 7);
	peer_turn(&w->side[0], w->now);
	assert_true(pw_worker_turn(w->fleet, 0, w->now) > 0);
	assert_true(rung(second)); /* by frames of its flows */
	first->waits = true;
	assert_true(pw_worker_turn(w->fleet, 1, w->now) > 0);
	assert_true(rung(first)); /* by frames to send */
	world_run(w, 1000);
	second->waits = true;
	assert_int_equal(worker_post(first, 1, &nothing), 0);
	(void)pw_worker_turn(w->fleet, 0, w->now);
	assert_true(rung(second));
	nics_end(w);
}

static void
a_turn_without_work_wakes_nobody(void **state)
{
	static const struct world_conf conf = {
		.workers = 2,
		.role = {PW_ROLE_DEVICES, PW_ROLE_BROKERS},
	};
	struct world *w = nics_world(conf);
	uint32_t rings = 0;

	(void)state;
	world_connect(w, 1, PW_MQTT_3_1_1);
	world_run(w, 1000);
	w->fleet->worker[1]->waits = true;
	for (uint32_t i = 0; i < 100; i++) {
		w->now += MS / 10;
		(void)pw_worker_turn(w->fleet, 0, w->now);
		rings += rung(w->fleet->worker[1]);
	}
	/* A timer may fire among them. */
	assert_true(rings <= 2);
	nics_end(w);
}

static void
the_main_lcore_wakes_whom_it_tells(void **state)
{
	static const struct world_conf conf = {.workers = 2};
	struct world *w = nics_world(conf);
	struct pw_edition_conf renewed = {.settings = &w->settings, .number = 1};

	(void)state;
	w->fleet->worker[0]->waits = true;
	w->fleet->worker[1]->waits = true;
	pw_fleet_drain(w->fleet);
	assert_true(rung(w->fleet->worker[0]) && rung(w->fleet->worker[1]));
	pw_fleet_stop(w->fleet);
	assert_true(rung(w->fleet->worker[0]) && rung(w->fleet->worker[1]));
	assert_int_equal(pw_fleet_renew(w->fleet, &renewed), 0);
	assert_true(rung(w->fleet->worker[0]) && rung(w->fleet->worker[1]));
	world_run(w, 10);
	assert_true(pw_fleet_renewed(w->fleet));
	nics_end(w);
}

static void
the_kernels_interface_wakes_the_worker_that_reads_it_until_it_is_gone(void **state)
{
	static const struct world_conf conf = {.workers = 1, .kernel_rate = 1000};
	struct world *w = nics_world(conf);
	struct worker *k = w->fleet->worker[0];

	(void)state;
	assert_int_equal(pw_fleet_idle(w->fleet, 0), PW_IDLE_INTERRUPT);
	worker_wait(k, w->now);
	assert_true(nics.nic[0].armed && nics.nic[1].armed && nics.nic[2].armed);
	worker_disarm(k);
	assert_false(nics.nic[0].armed || nics.nic[1].armed || nics.nic[2].armed);
	assert_int_equal(k->watched, 1 | 2 | 4);
	pw_fleet_kernel_gone(w->fleet, 0);
	assert_int_equal(k->watched, 1 | 2);
	worker_wait(k, w->now);
	assert_true(nics.nic[0].armed && nics.nic[1].armed && !nics.nic[2].armed);
	nics_end(w);
}

static void
a_wait_ends_where_something_is_due(void **state)
{
	static const struct world_conf conf = {.workers = 1};
	struct world *w = nics_world(conf);
	struct worker *k = w->fleet->worker[0];
	uint64_t next;

	(void)state;
	world_connect(w, 1, PW_MQTT_3_1_1);
	world_run(w, 1000);
	next = RTE_MIN(pw_tcp_next(k->tcp), pw_forward_next(k->forward));
	assert_true(next < UINT64_MAX);
	k->unclean = 0;
	assert_int_equal(worker_wait_end(k, w->now), RTE_MIN(next, w->now + 100 * MS));
	assert_int_equal(worker_wait_end(k, next - 1), next);
	k->pressure = 1;
	assert_true(worker_wait_end(k, w->now) <= w->now + 10 * MS);
	k->refused = true;
	assert_true(worker_wait_end(k, w->now) <= w->now + MS);
	k->refused = false;
	k->pressure = 0;
	/* What a drain waits for may come about without a bell. */
	k->drain_told = true;
	assert_true(worker_wait_end(k, w->now) <= w->now + MS);
	k->drain_told = false;
	/* Buffers of frames that were sent come back soon after, not at the next message. */
	k->unclean = 2;
	assert_true(worker_wait_end(k, w->now) <= k->cleanup_due);
	world_run(w, 100);
	assert_int_equal(k->unclean, 0);
	nics_end(w);
}

static void
pressure_is_seen_and_gone_however_rare_turns_are(void **state)
{
	static const struct world_conf conf = {.workers = 1};
	struct world *w = nics_world(conf);
	struct worker *k = w->fleet->worker[0];
	uint32_t n = WORLD_PKT * 8 / 10;

	(void)state;
	world_connect(w, 1, PW_MQTT_3_1_1);
	assert_int_equal(k->pressure, 0);
	assert_int_equal(rte_pktmbuf_alloc_bulk(w->near_mem.pkt, w->posted, n), 0);
	w->step = 50 * MS;
	world_run(w, 100);
	assert_int_equal(k->pressure, 1);
	rte_pktmbuf_free_bulk(w->posted, n);
	world_run(w, 100);
	assert_int_equal(k->pressure, 0);
	nics_end(w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			a_log_that_moved_and_frames_to_send_wake_the_worker_that_they_concern),
		cmocka_unit_test(what_is_handed_over_wakes_who_gets_it),
		cmocka_unit_test(a_turn_without_work_wakes_nobody),
		cmocka_unit_test(the_main_lcore_wakes_whom_it_tells),
		cmocka_unit_test(
			the_kernels_interface_wakes_the_worker_that_reads_it_until_it_is_gone),
		cmocka_unit_test(a_wait_ends_where_something_is_due),
		cmocka_unit_test(pressure_is_seen_and_gone_however_rare_turns_are),
	};
	int rc;

	if (nics_eal_init() < 0)
		return 1;
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	pw_log_stop();
	return rc;
}
