/* SPDX-License-Identifier: BSD-3-Clause */
/* Logs and connections that come and go: when, and what they leave. */
#include <errno.h>

#include <rte_malloc.h>

#include "upstream_pvt.h"

#include "editions.h"

static void
a_set_that_is_named_again_when_its_logs_are_gone_has_others(void **state)
{
	for (uint32_t k = 0; k < RTE_DIM(shapes); k++) {
		struct pw_edition_conf conf;

		start(k);
		conf = fresh();
		next.route[0].brokers = 1;
		assert_int_equal(world_renew(&conf), 0);
		world_run(100);
		/* They are gone, and the file is read again before they are given back. */
		assert_true(pw_forward_retired(w.shared));
		w.set = next;
		conf = fresh();
		next.route[0].brokers = 3;
		next.route[0].order[1] = 1;
		assert_int_equal(world_renew(&conf), 0);
		device_publish(0, 5, 1, 1, "t", "one");
		world_run(100);
		assert_int_equal(acked(), 1);
		has(0, "one ");
		has(1, "one ");
		w.set = next;
		ledger();
		again(state);
	}
}

static void
a_connection_that_goes_keeps_no_buffers(void **state)
{
	struct pw_edition_conf conf;
	const struct pw_view *v;

	(void)state;
	w.buffers = 1024;
	start(0);
	v = &w.shared->edition->view[0];
	for (uint32_t i = 0; i < v->nb_upstreams; i++) {
		v->upstream[i]->cursor.pinned += 7;
		v->upstream[i]->cursor.abandoned_pins += 7;
		pw_cursor_publish(&v->upstream[i]->cursor);
	}
	assert_true(w.shared->use[0].pinned > 0 && w.shared->use[1].pinned > 0);
	conf = fresh();
	next.route[0].brokers = 1;
	assert_int_equal(world_renew(&conf), 0);
	world_run(100);
	assert_true(clean(&conf));
	assert_int_equal(w.shared->use[0].pinned, 0);
	assert_int_equal(w.shared->use[1].pinned, 0);
	w.set = next;
}

/* The memory that there is, in pieces of a size, until none is left. */
static uint32_t
take_memory(void **piece, uint32_t n, uint32_t max, size_t size)
{
	while (n < max && (piece[n] = rte_malloc("test", size, 0)) != NULL)
		n++;
	return n;
}

static void
without_memory_nothing_changes(void **state)
{
	static void *piece[65536];

	for (uint32_t k = 0; k < RTE_DIM(shapes); k++) {
		struct pw_edition_conf conf;
		uint32_t n = 0, refused = 0;

		w.set.nb_brokers = 3;
		w.set.route[0].brokers = 3;
		start(k);
		n = take_memory(piece, n, RTE_DIM(piece), 1 << 20);
		rte_free(piece[--n]);
		n = take_memory(piece, n, RTE_DIM(piece), 1 << 12);
		n = take_memory(piece, n, RTE_DIM(piece), 64);
		assert_true(n < RTE_DIM(piece));
		conf = fresh();
		next.route[0].brokers = 7;
		next.route[0].order[2] = 2;
		/* It fails at each step once. */
		for (int rc = -ENOMEM; rc != 0; refused++) {
			rc = world_renew(&conf);
			assert_true(rc == 0 || rc == -ENOMEM);
			if (rc == 0)
				break;
			assert_false(pw_forward_retired(w.shared));
			assert_int_equal(w.shared->use[0].logs, 2);
			assert_int_equal(w.shared->use[2].logs, 0);
			assert_int_equal(nb_logs(), 2);
			assert_true(n > 0);
			rte_free(piece[--n]);
		}
		assert_true(refused > 8);
		while (n > 0)
			rte_free(piece[--n]);
		device_publish(0, 5, 1, 1, "t", "one");
		world_run(100);
		has(2, "one ");
		assert_int_equal(acked(), 1);
		w.set = next;
		ledger();
		again(state);
	}
}

/* One worker has gone over, the other one has not; either may be the first. */
static void
workers_in_different_editions_deliver(void **state)
{
	for (uint32_t k = 0; k < 4; k++) {
		struct pw_edition_conf conf;

		world_start(2, k < 2 ? PW_ROLE_DEVICES : 3, k < 2 ? PW_ROLE_BROKERS : 3);
		device_connect(0, 0, 5, "dev");
		device_clear(0);
		w.broker[0].hold = true;
		device_publish(0, 5, 2, 1, "t", "one");
		world_run(20);
		conf = fresh();
		next.route[0].brokers = 1;
		assert_int_equal(pw_forward_renew(w.shared, &conf), 0);
		pw_forward_adopt(w.forward[k % 2], world_clock(k % 2));
		device_publish(0, 5, 1, 2, "t", "two");
		world_run(50);
		assert_int_equal(world_ack(0, 8) > 0, true);
		w.broker[0].hold = false;
		device_publish(0, 5, 1, 3, "t", "three");
		world_run(50);
		if (k >= 2 && k % 2 == 0) {
			/* The client goes over to the worker that is behind. */
			device_connect(1, 1, 5, "dev");
			device_publish(1, 5, 1, 9, "t", "else");
			world_run(50);
		}
		pw_forward_adopt(w.forward[1 - k % 2], world_clock(1 - k % 2));
		pw_forward_renewed(w.shared);
		world_run(50);
		has(0, k == 2 ? "one two three else " : "one two three ");
		if (k != 2) {
			device_ack(0, PW_MQTT_PUBREL, 1);
			world_run(50);
			assert_int_equal(acked(), 2);
		}
		assert_true(clean(&conf));
		w.set = next;
		again(state);
	}
}

static void
a_drain_ends_though_the_edition_is_another_one_meanwhile(void **state)
{
	for (uint32_t k = 0; k < RTE_DIM(shapes); k++) {
		struct pw_edition_conf conf;

		start(k);
		w.broker[0].hold = true;
		device_publish(0, 5, 1, 1, "t", "one");
		world_run(20);
		conf = fresh();
		next.route[0].brokers = 1;
		assert_int_equal(pw_forward_renew(w.shared, &conf), 0);
		for (uint32_t i = 0; i < w.nb_workers; i++)
			pw_forward_drain(w.forward[i], w.now);
		world_run(20);
		for (uint32_t i = 0; i < w.nb_workers; i++)
			pw_forward_adopt(w.forward[i], world_clock(i));
		pw_forward_renewed(w.shared);
		world_run(100);
		assert_false(pw_forward_drained(w.forward[0]));
		assert_int_equal(acked(), 0);
		w.broker[0].hold = false;
		world_ack(0, 8);
		world_run(1500);
		assert_int_equal(acked(), 1);
		for (uint32_t i = 0; i < w.nb_workers; i++)
			assert_true(pw_forward_drained(w.forward[i]));
		assert_int_equal(counters()->dropped_on_shutdown, 0);
		assert_int_equal(counters()->cut_on_shutdown, 0);
		w.set = next;
		again(state);
	}
}

static void
a_connection_stays_until_tcp_has_let_go_of_it(void **state)
{
	for (uint32_t k = 0; k < RTE_DIM(shapes); k++) {
		struct pw_edition_conf conf;

		start(k);
		device_publish(0, 5, 1, 1, "t", "one");
		world_run(20);
		w.broker[1].dark = true;
		conf = fresh();
		next.route[0].brokers = 1;
		assert_int_equal(world_renew(&conf), 0);
		world_run(800);
		assert_false(clean(&conf));
		world_run(400);
		assert_true(clean(&conf));
		w.broker[1].dark = false;
		w.set = next;
		ledger();
		again(state);
	}
}

static void
a_log_stays_while_acknowledgements_of_it_wait_for_their_turn(void **state)
{
	for (uint32_t k = 0; k < RTE_DIM(shapes); k++) {
		uint32_t n = w.set.limits.max_queued_messages / 2;
		struct pw_edition_conf conf;

		w.set.limits.receive_maximum = (uint16_t)(n + 1);
		w.set.nb_routes = 2;
		w.set.route[1] = w.set.route[0];
		snprintf(w.set.route[1].name, sizeof(w.set.route[1].name), "other");
		snprintf(w.set.route[0].filter, sizeof(w.set.route[0].filter), "u");
		w.set.route[0].brokers = 2;
		w.set.route[0].order[0] = 1;
		w.set.route[1].brokers = 1;
		start(k);
		w.broker[1].hold = true;
		device_publish(0, 5, 1, 1, "u", "first");
		for (uint32_t i = 0; i < n - 1; i++) {
			device_publish(0, 5, 1, (uint16_t)(2 + i), "t", "more");
			world_run(2);
		}
		/* With one more they are parked, and nothing is left in the log. */
		device_publish(0, 5, 0, 0, "t", "last");
		world_run(2);
		assert_int_equal(w.broker[0].nb, n);
		conf = fresh();
		next.route[1].brokers = 3;
		next.route[1].order[1] = 1;
		assert_int_equal(world_renew(&conf), 0);
		world_run(200);
		assert_false(clean(&conf));
		w.broker[1].hold = false;
		world_ack(1, 8);
		world_run(200);
		assert_int_equal(device_acks(0, 5, NULL, NULL, 4096), n);
		assert_true(clean(&conf));
		w.set = next;
		ledger();
		again(state);
	}
}

static uint64_t
acked_by(uint32_t b)
{
	struct pw_upstream_info u[16];
	uint32_t n = pw_forward_upstreams(w.forward[w.nb_workers - 1], 0, u, RTE_DIM(u));
	uint64_t sum = 0;

	for (uint32_t i = 0; i < n && i < RTE_DIM(u); i++)
		sum += u[i].broker == b ? u[i].counters.acked : 0;
	return sum;
}

static void
what_a_connection_has_counted_stays_when_it_goes(void **state)
{
	for (uint32_t k = 0; k < RTE_DIM(shapes); k++) {
		struct pw_edition_conf conf;

		start(k);
		device_publish(0, 5, 1, 1, "t", "one");
		world_run(20);
		assert_int_equal(acked_by(0), 1);
		conf = fresh();
		next.route[0].brokers = 1;
		assert_int_equal(world_renew(&conf), 0);
		device_publish(0, 5, 1, 2, "t", "two");
		world_run(100);
		assert_int_equal(acked_by(0), 2);
		assert_true(clean(&conf));
		assert_int_equal(acked_by(0), 2);
		w.set = next;
		ledger();
		again(state);
	}
}

/* The route that it was kept with is freed with its edition, and by then another one's place. */
static void
a_will_goes_by_the_routes_that_are_in_force(void **state)
{
	struct pw_mqtt_connect_out c = {
		.version = PW_MQTT_3_1_1,
		.clean = true,
		.keepalive = 60,
		.client_id = {"will", 4},
		.has_will = true,
		.will_qos = 1,
		.will_topic = {"w", 1},
		.will_payload = {"last", 4},
	};
	struct pw_edition_conf conf;
	uint8_t out[256];
	int n = pw_mqtt_encode_connect(out, sizeof(out), &c);

	(void)state;
	assert_true(n > 0);
	start(0);
	device_open(1, 0);
	device_send(1, out, (uint32_t)n);
	world_run(20);
	for (uint32_t i = 0; i < 3; i++) {
		conf = fresh();
		next.nb_routes = 2;
		next.route[1] = next.route[0] = w.set.route[w.set.nb_routes - 1];
		snprintf(next.route[0].name, sizeof(next.route[0].name), "first%u", i);
		snprintf(next.route[0].filter, sizeof(next.route[0].filter), "other%u", i);
		assert_int_equal(world_renew(&conf), 0);
		w.set = next;
	}
	conf = fresh();
	next.route[1].brokers = 2;
	next.route[1].order[0] = 1;
	assert_int_equal(world_renew(&conf), 0);
	w.set = next;
	world_run(100);
	device_reset(1);
	world_run(100);
	has(1, "last ");
	has(0, "");
	assert_int_equal(counters()->wills_published, 1);
	ledger();
}

static void
a_route_is_counted_apart_from_one_whose_messages_are_under_way(void **state)
{
	static const char *const names[] = {"next", "last"};
	struct pw_edition_conf conf;

	(void)state;
	start(0);
	w.broker[0].hold = true;
	device_publish(0, 5, 1, 1, "t", "one");
	world_run(20);
	for (uint32_t i = 0; i < RTE_DIM(names); i++) {
		conf = fresh();
		snprintf(next.route[0].name, sizeof(next.route[0].name), "%s", names[i]);
		assert_int_equal(world_renew(&conf), 0);
		w.set = next;
	}
	world_ack(0, 8);
	world_run(20);
	assert_int_equal(acked(), 1);
	assert_int_equal(pw_forward_route_counters(w.forward[0], 0)->acknowledged, 0);
	ledger();
}

static void
connack_says_what_brokers_of_routes_take(void **state)
{
	struct pw_edition_conf conf;
	uint8_t len[2];

	(void)state;
	w.broker[1].max_qos1 = true;
	start(0);
	w.broker[1].hold = true;
	device_publish(0, 5, 1, 1, "t", "one");
	device_connect(1, 0, 5, "one");
	len[0] = w.device[1].rx[1];
	conf = fresh();
	next.route[0].brokers = 1;
	assert_int_equal(world_renew(&conf), 0);
	world_run(100);
	assert_false(clean(&conf));
	device_connect(2, 0, 5, "two");
	len[1] = w.device[2].rx[1];
	/* Maximum QoS has two bytes. */
	assert_int_equal(len[0], len[1] + 2);
	w.broker[1].hold = false;
	world_ack(1, 8);
	world_run(50);
	w.set = next;
	ledger();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, world_teardown)
		TEST(a_set_that_is_named_again_when_its_logs_are_gone_has_others),
		TEST(a_connection_that_goes_keeps_no_buffers),
		TEST(without_memory_nothing_changes),
		TEST(workers_in_different_editions_deliver),
		TEST(a_drain_ends_though_the_edition_is_another_one_meanwhile),
		TEST(a_connection_stays_until_tcp_has_let_go_of_it),
		TEST(a_log_stays_while_acknowledgements_of_it_wait_for_their_turn),
		TEST(what_a_connection_has_counted_stays_when_it_goes),
		TEST(a_route_is_counted_apart_from_one_whose_messages_are_under_way),
		TEST(connack_says_what_brokers_of_routes_take),
		TEST(a_will_goes_by_the_routes_that_are_in_force),
	};

	return cmocka_run_group_tests(tests, world_init, world_fini);
}
