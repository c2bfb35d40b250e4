/* SPDX-License-Identifier: BSD-3-Clause */
/* Two workers: flows go to who owns them, roles are kept apart, frames and messages cross. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <rte_errno.h>

#include "eal.h"
#include "world.h"

#define DEVICES	 8
#define MESSAGES 12 /* of each device */

static void
publish_all(struct world *w)
{
	for (uint8_t k = 0; k < MESSAGES; k++) {
		for (uint8_t d = 0; d < w->nb_devices; d++) {
			uint8_t payload[40] = {d, k};

			(void)device_publish(&w->device[d], 1, "plant/line", payload,
					     sizeof(payload));
		}
	}
}

/* Every message once at each broker, those of one device in their order. */
static void
check_brokers(const struct world *w)
{
	for (uint32_t b = 0; b < WORLD_BROKERS; b++) {
		const struct model_broker *br = &w->broker[b];
		uint8_t next[DEVICES] = {0};

		assert_int_equal(br->nb_records, w->nb_devices * MESSAGES);
		for (uint32_t i = 0; i < br->nb_records; i++) {
			uint8_t d = br->record[i].payload[0];

			assert_true(d < w->nb_devices);
			assert_int_equal(br->record[i].payload[1], next[d]);
			next[d]++;
		}
	}
}

static void
run(struct world *w)
{
	world_connect(w, DEVICES, PW_MQTT_3_1_1);
	publish_all(w);
	assert_true(world_until(w, world_acked, 5000));
	check_brokers(w);
	for (uint32_t i = 0; i < pw_fleet_workers(w->fleet); i++) {
		const struct pw_worker_counters *c = pw_fleet_counters(w->fleet, i);
		const struct pw_tcp_counters *t = pw_tcp_counters(pw_fleet_tcp(w->fleet, i));

		assert_int_equal(c->drop_steer_full + c->drop_tx_full + c->drop_tx_refused, 0);
		assert_int_equal(t->resets_out, 0); /* nobody was given a stranger's flow */
		assert_int_equal(t->drop_no_conn, 0);
	}
}

static uint64_t
sessions(const struct world *w, uint32_t worker)
{
	return pw_forward_sessions(pw_fleet_forward(w->fleet, worker));
}

static void
test_two_workers_share_ports_of_one_queue(void **state)
{
	static const struct world_conf conf = {.workers = 2};
	struct world *w = world_create(&conf);

	(void)state;
	run(w);
	assert_true(sessions(w, 0) > 0 && sessions(w, 1) > 0);
	assert_int_equal(sessions(w, 0) + sessions(w, 1), DEVICES);
	/* Worker 1 has no queue: all that it received and sent went through worker 0. */
	assert_int_equal(pw_fleet_counters(w->fleet, 1)->rx_frames, 0);
	assert_true(pw_fleet_counters(w->fleet, 1)->steered_in > 0);
	assert_int_equal(pw_fleet_counters(w->fleet, 1)->steered_in,
			 pw_fleet_counters(w->fleet, 0)->steered_out);
	assert_true(pw_fleet_counters(w->fleet, 1)->tx_lent > 0);
	assert_int_equal(pw_fleet_counters(w->fleet, 0)->tx_lent, 0);
	world_destroy(w);
}

/* The same hash over longer addresses, chosen ports of ours included. */
static void
test_two_workers_share_ports_over_ipv6(void **state)
{
	static const struct world_conf conf = {.workers = 2, .v6 = true};
	struct world *w = world_create(&conf);

	(void)state;
	run(w);
	assert_true(sessions(w, 0) > 0 && sessions(w, 1) > 0);
	assert_int_equal(sessions(w, 0) + sessions(w, 1), DEVICES);
	assert_int_equal(pw_fleet_counters(w->fleet, 1)->rx_frames, 0);
	assert_true(pw_fleet_counters(w->fleet, 1)->steered_in > 0);
	for (uint32_t i = 0; i < 2; i++)
		assert_true(pw_wire_counters(pw_fleet_wire(w->fleet, i))->nd_conflicts == 0);
	assert_true(pw_wire_counters(pw_fleet_wire(w->fleet, 0))->nd_adverts_in > 0);
	assert_int_equal(pw_wire_counters(pw_fleet_wire(w->fleet, 0))->arp_requests_out, 0);
	world_destroy(w);
}

static void
test_split_roles_over_ipv6_on_one_port(void **state)
{
	static const struct world_conf conf = {
		.workers = 2,
		.role = {PW_ROLE_BROKERS, PW_ROLE_DEVICES},
		.one_port = true,
		.v6 = true,
	};
	struct world *w = world_create(&conf);

	(void)state;
	run(w);
	assert_int_equal(sessions(w, 1), DEVICES);
	world_destroy(w);
}

static void
test_strays_of_two_queues_find_their_worker(void **state)
{
	static const struct world_conf conf = {.workers = 2, .queues = 2};
	struct world *w = world_create(&conf);

	(void)state;
	/* The far ends deal their frames out over the queues without a look at the flow. */
	run(w);
	for (uint32_t i = 0; i < 2; i++) {
		assert_true(sessions(w, i) > 0);
		assert_true(pw_fleet_counters(w->fleet, i)->rx_frames > 0);
		assert_true(pw_fleet_counters(w->fleet, i)->steered_out > 0);
		assert_int_equal(pw_fleet_counters(w->fleet, i)->tx_lent, 0);
	}
	world_destroy(w);
}

static void
test_split_roles_keep_devices_and_brokers_apart(void **state)
{
	static const struct world_conf conf = {
		.workers = 2,
		.role = {PW_ROLE_BROKERS, PW_ROLE_DEVICES},
	};
	struct world *w = world_create(&conf);

	(void)state;
	run(w);
	assert_int_equal(sessions(w, 0), 0);
	assert_int_equal(sessions(w, 1), DEVICES);
	assert_int_equal(pw_tcp_counters(pw_fleet_tcp(w->fleet, 0))->passive_opens, 0);
	assert_int_equal(pw_tcp_counters(pw_fleet_tcp(w->fleet, 1))->active_opens, 0);
	assert_true(pw_fleet_counters(w->fleet, 1)->messages_in > 0);
	world_destroy(w);
}

static void
test_split_roles_behind_one_port_are_told_apart_by_the_local_port(void **state)
{
	static const struct world_conf conf = {
		.workers = 2,
		.role = {PW_ROLE_DEVICES, PW_ROLE_BROKERS},
		.one_port = true,
	};
	struct world *w = world_create(&conf);

	(void)state;
	run(w);
	assert_int_equal(sessions(w, 0), DEVICES);
	assert_int_equal(pw_tcp_counters(pw_fleet_tcp(w->fleet, 0))->active_opens, 0);
	assert_int_equal(pw_tcp_counters(pw_fleet_tcp(w->fleet, 1))->passive_opens, 0);
	world_destroy(w);
}

static void
test_reset_broker_is_served_again_across_workers(void **state)
{
	static const struct world_conf conf = {
		.workers = 2,
		.role = {PW_ROLE_DEVICES, PW_ROLE_BROKERS},
	};
	struct world *w = world_create(&conf);

	(void)state;
	w->broker[1].hold_acks = true;
	world_connect(w, DEVICES, PW_MQTT_5);
	publish_all(w);
	world_run(w, 200);
	assert_int_equal(w->broker[1].nb_records, DEVICES * MESSAGES);
	broker_reset(&w->broker[1], w->now);
	w->broker[1].nb_records = 0;
	w->broker[1].hold_acks = false;
	assert_true(world_until(w, world_acked, 5000));
	check_brokers(w);
	world_destroy(w);
}

static void
test_fleets_that_cannot_work_are_refused_with_a_reason(void **state)
{
	static const struct world_conf conf = {.workers = 1};
	struct world *w = world_create(&conf);
	struct pw_fleet_conf bad = {
		.nb_workers = 1,
		.role = {PW_ROLE_DEVICES},
		.settings = &w->settings,
		.mem = &w->near_mem,
		.nb_ifaces = 1,
	};
	char err[256];

	(void)state;
	assert_null(pw_fleet_create(&bad, err, sizeof(err)));
	assert_int_equal(rte_errno, EINVAL);
	assert_non_null(strstr(err, "no worker serves brokers"));
	bad.role[0] = 3;
	assert_null(pw_fleet_create(&bad, err, sizeof(err)));
	assert_non_null(strstr(err, "interface 0 has no open port"));
	bad.nb_workers = 2;
	bad.role[1] = 3;
	assert_null(pw_fleet_create(&bad, err, sizeof(err)));
	assert_non_null(strstr(err, "both on lcore 0"));
	bad.lcore[1] = 77;
	assert_null(pw_fleet_create(&bad, err, sizeof(err)));
	assert_non_null(strstr(err, "lcore 77"));
	bad.nb_workers = 0;
	assert_null(pw_fleet_create(&bad, err, sizeof(err)));
	assert_non_null(strstr(err, "0 workers"));
	world_destroy(w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_two_workers_share_ports_of_one_queue),
		cmocka_unit_test(test_two_workers_share_ports_over_ipv6),
		cmocka_unit_test(test_split_roles_over_ipv6_on_one_port),
		cmocka_unit_test(test_strays_of_two_queues_find_their_worker),
		cmocka_unit_test(test_split_roles_keep_devices_and_brokers_apart),
		cmocka_unit_test(test_split_roles_behind_one_port_are_told_apart_by_the_local_port),
		cmocka_unit_test(test_reset_broker_is_served_again_across_workers),
		cmocka_unit_test(test_fleets_that_cannot_work_are_refused_with_a_reason),
	};

	(void)test_eal_init_with("(0-1)@0", 256, NULL, 0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
