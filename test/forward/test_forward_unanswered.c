/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A broker that is connected and answers nothing, or hardly anything, on a route that drops: what
 * it was sent ties neither the log's places nor packet buffers to it, so devices and the other
 * broker do not notice. Its identifiers are not used again before it has answered, or forgotten.
 */
#include <stdio.h>
#include <stdlib.h>

#include <rte_common.h>

#include "world.h"

#define CAPACITY 64
#define HOLD	 8
#define WINDOW	 16

static const struct shape {
	uint32_t workers;
	uint8_t role[2];
} shapes[] = {{1, {3, 0}}, {2, {PW_ROLE_DEVICES, PW_ROLE_BROKERS}}};

/* Broker 1 is the bad one; one of two is enough. */
static void
prepare(void **state)
{
	world_setup(state);
	w.set.route[0].ack = PW_ACK_ANY;
	w.set.route[0].when_full_qos1 = PW_WHEN_FULL_DROP;
	w.set.broker[1].hold_messages = HOLD;
	w.set.broker[1].max_inflight_messages = WINDOW;
	w.set.broker[1].ack_timeout = 60000;
	w.set.broker[1].restart_cap = 1000;
	w.set.limits.receive_maximum = 100;
	w.set.limits.max_queued_messages = CAPACITY;
}

static void
begin(const struct shape *s)
{
	world_start(s->workers, s->role[0], s->role[1]);
}

static struct pw_upstream_info
bad(uint8_t version)
{
	return upstream(1, version == 5 ? PW_LANE_5 : PW_LANE_3);
}

/* What a history ends with: nothing waits, and the ledger explains every message. */
static void
at_rest(uint8_t version)
{
	struct pw_upstream_info u = bad(version);

	assert_int_equal(u.held, 0);
	assert_int_equal(u.held_bytes, 0);
	assert_int_equal(u.held_buffers, 0);
	assert_int_equal(u.inflight, 0);
	assert_int_equal(u.accepted, u.counters.acked + u.counters.dropped_hold +
					     u.counters.dropped_unanswered);
	assert_int_equal(pw_forward_outstanding(w.forward[0]), 0);
	assert_int_equal(pw_forward_trailing(w.forward[0]), 0);
	ledger();
}

static void
a_mute_broker_does_not_keep_the_log(void **state)
{
	for (uint32_t k = 0; k < RTE_DIM(shapes); k++) {
		for (uint8_t qos = 1; qos <= 2; qos++) {
			for (uint8_t v = 4; v <= 5; v++) {
				uint32_t late;

				prepare(state);
				w.broker[1].hold = true;
				begin(&shapes[k]);
				device_connect(0, 0, v, "a");
				device_goes_on(0, v, qos, 400);
				assert_int_equal(w.broker[0].nb, 400);
				assert_int_equal(w.broker[1].nb, WINDOW);
				assert_int_equal(bad(v).counters.dropped_unanswered, WINDOW);
				assert_int_equal(bad(v).counters.disconnects, 0);
				assert_int_equal(bad(v).held, HOLD);
				assert_int_equal(bad(v).inflight, 0);
				ledger();
				/* It comes to life: what waits is sent as it answers. */
				w.broker[1].hold = false;
				late = world_ack(1, 999);
				assert_int_equal(late, WINDOW);
				world_run(20);
				assert_int_equal(bad(v).counters.answered_late, WINDOW);
				assert_int_equal(w.broker[1].nb, WINDOW + HOLD);
				assert_int_equal(bad(v).counters.protocol_errors, 0);
				device_goes_on(0, v, qos, 40);
				assert_int_equal(w.broker[1].nb, WINDOW + HOLD + 40);
				assert_int_equal(w.broker[1].strange_releases, 0);
				at_rest(v);
				world_teardown(state);
			}
		}
	}
}

static void
a_broker_mute_between_pubrel_and_pubcomp_does_not_either(void **state)
{
	for (uint8_t v = 4; v <= 5; v++) {
		prepare(state);
		w.broker[1].hold_comp = true;
		begin(&shapes[v - 4]);
		device_connect(0, 0, v, "a");
		device_goes_on(0, v, 2, 400);
		assert_int_equal(w.broker[0].nb, 400);
		assert_int_equal(w.broker[1].nb, WINDOW);
		assert_int_equal(bad(v).counters.dropped_unanswered, WINDOW);
		assert_int_equal(w.broker[1].releases, WINDOW);
		w.broker[1].hold_comp = false;
		world_ack(1, 999);
		world_run(20);
		assert_int_equal(bad(v).counters.answered_late, WINDOW);
		device_goes_on(0, v, 2, 40);
		assert_int_equal(w.broker[1].nb, WINDOW + HOLD + 40);
		at_rest(v);
		world_teardown(state);
	}
}

/* One answer in a while: what it is given next is what has waited least long. */
static void
a_broker_that_answers_slowly_gets_what_it_can_take_in_order(void **state)
{
	for (uint32_t k = 0; k < RTE_DIM(shapes); k++) {
		uint32_t last = 0;

		prepare(state);
		w.broker[1].hold = true;
		begin(&shapes[k]);
		device_connect(0, 0, 5, "a");
		for (uint32_t i = 0; i < 200; i++) {
			device_goes_on(0, 5, 1, 16);
			assert_int_equal(world_ack(1, 1), 1);
		}
		assert_int_equal(w.broker[0].nb, 200 * 16);
		assert_in_range(w.broker[1].nb, 200, 200 + WINDOW);
		for (uint32_t i = 0; i < w.broker[1].nb; i++) {
			uint32_t n = (uint32_t)atoi(w.broker[1].record[i].text);

			assert_true(n > last);
			last = n;
		}
		assert_int_equal(bad(5).counters.protocol_errors, 0);
		w.broker[1].hold = false;
		world_ack(1, 999);
		world_run(20);
		at_rest(5);
		world_teardown(state);
	}
}

/* TCP has the bytes: they lie in packet buffers of devices. */
static void
stopped(void **state, const struct shape *s, bool dark)
{
	char text[1001];

	prepare(state);
	w.set.broker[1].hold_messages = 0;
	w.set.broker[1].max_inflight_messages = 1000;
	w.set.limits.max_queued_messages = 256;
	w.buffers = 256;
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = 0;
	begin(s);
	device_connect(0, 0, 5, "a");
	w.broker[1].dark = dark;
	w.broker[1].deaf = !dark;
	for (uint32_t i = 1; i <= 1500; i++) {
		device_publish(0, 5, 1, (uint16_t)i, "t", text);
		world_run(1);
		assert_in_range(bad(5).held_buffers, 0, 64 + 8);
		/* The stacks of the devices and of the brokers keep some, too. */
		assert_in_range(rte_mempool_in_use_count(w.mem.pkt), 0, 64 + 300);
		if (dark)
			assert_in_range(bad(5).counters.bytes, 0, 72 * 1010);
	}
	world_run(5);
	assert_int_equal(w.broker[0].nb, 1500);
	assert_true(bad(5).counters.dropped_unanswered > 0);
	w.broker[1].deaf = w.broker[1].dark = false;
	broker_read(1, UINT32_MAX);
	world_run(70000);
	assert_int_equal(bad(5).counters.protocol_errors, 0);
	at_rest(5);
	world_teardown(state);
}

static void
a_stopped_broker_keeps_no_more_buffers_than_its_share(void **state)
{
	for (uint32_t k = 0; k < RTE_DIM(shapes); k++) {
		stopped(state, &shapes[k], false);
		stopped(state, &shapes[k], true);
	}
}

static void
a_hold_of_bytes_bounds_what_tcp_has_of_them(void **state)
{
	char text[1001];
	uint32_t most = 0;

	prepare(state);
	w.set.broker[1].hold_messages = 0;
	w.set.broker[1].hold_bytes = 20000;
	w.set.broker[1].max_inflight_messages = 1000;
	begin(&shapes[0]);
	device_connect(0, 0, 5, "a");
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = 0;
	w.broker[1].dark = true;
	for (uint32_t i = 1; i <= 400; i++) {
		device_publish(0, 5, 1, (uint16_t)i, "t", text);
		world_run(1);
		most = RTE_MAX(most, (uint32_t)bad(5).counters.bytes);
	}
	assert_int_equal(w.broker[0].nb, 400);
	assert_in_range(most, 10000, 21100);
	w.broker[1].dark = false;
	world_run(70000);
	at_rest(5);
	world_teardown(state);
}

static void
a_broker_whose_cable_is_cut_is_given_up_without_a_pause(void **state)
{
	for (uint32_t k = 0; k < RTE_DIM(shapes); k++) {
		prepare(state);
		w.set.broker[1].ack_timeout = 1000;
		begin(&shapes[k]);
		device_connect(0, 0, 5, "a");
		device_goes_on(0, 5, 1, 80);
		w.broker[1].dark = true;
		device_goes_on(0, 5, 1, 400); /* 150 ms: the connection is up */
		assert_int_equal(bad(5).counters.disconnects, 0);
		assert_true(bad(5).counters.dropped_unanswered > 0);
		for (uint32_t i = 0; i < 20; i++) {
			device_goes_on(0, 5, 1, 8);
			world_run(100);
		}
		assert_int_equal(bad(5).counters.stuck, 1);
		device_goes_on(0, 5, 1, 400);
		assert_int_equal(w.broker[0].nb, 80 + 400 + 160 + 400);
		w.broker[1].dark = false;
		world_run(20000);
		device_goes_on(0, 5, 1, 8);
		assert_int_equal(bad(5).counters.protocol_errors, 0);
		at_rest(5);
		world_teardown(state);
	}
}

/* The session that it keeps knows identifiers that other messages have by then. */
static void
identifiers_in_a_session_that_was_kept_are_forgotten_before_they_are_used_again(void **state)
{
	for (uint8_t v = 4; v <= 5; v++) {
		for (uint32_t comp = 0; comp < 2; comp++) {
			uint32_t before, again = 0;

			prepare(state);
			begin(&shapes[0]);
			device_connect(0, 0, v, "a");
			device_goes_on(0, v, 2, 8);
			broker_reset(1);
			world_run(3000);
			assert_true(w.broker[1].resumed > 0);
			before = w.broker[1].nb;
			if (comp)
				w.broker[1].hold_comp = true;
			else
				w.broker[1].hold = true;
			device_goes_on(0, v, 2, 80);
			assert_int_equal(bad(v).counters.dropped_unanswered, WINDOW);
			assert_int_equal(w.broker[1].nb, before + WINDOW);
			broker_reset(1);
			w.broker[1].hold = w.broker[1].hold_comp = false;
			world_run(5000);
			device_goes_on(0, v, 2, 3 * CAPACITY);
			/* Those that waited, and all that followed, are no duplicates of others. */
			for (uint32_t i = before; i < w.broker[1].nb; i++)
				again += w.broker[1].record[i].again;
			assert_int_equal(again, 0);
			assert_int_equal(w.broker[1].nb, before + WINDOW + HOLD + 3 * CAPACITY);
			at_rest(v);
			world_teardown(state);
		}
	}
}

/* The same where they are given up between CONNECT, which asked for the session, and CONNACK, be
 * it lost or not. */
static void
identifiers_given_up_before_connack_are_forgotten_too(void **state)
{
	for (uint32_t k = 0; k < 4; k++) {
		uint8_t v = 4 + k % 2;
		uint32_t before, again = 0;

		prepare(state);
		w.set.broker[1].connect_timeout = 20000;
		begin(&shapes[0]);
		device_connect(0, 0, v, "a");
		w.broker[1].hold = true;
		device_goes_on(0, v, 2, HOLD);
		w.broker[1].deaf = true;
		broker_reset(1);
		world_run(5000);
		assert_int_equal(bad(v).counters.dropped_hold, 0);
		device_goes_on(0, v, 2, 2 * HOLD);
		assert_int_equal(bad(v).counters.dropped_hold, 2 * HOLD);
		w.broker[1].deaf = w.broker[1].hold = false;
		w.broker[1].forgets = k >= 2;
		before = w.broker[1].nb;
		broker_read(1, 65536);
		w.broker[1].forgets = false;
		world_run(5000);
		assert_int_equal(bad(v).counters.protocol_errors, 0);
		device_goes_on(0, v, 2, 3 * CAPACITY);
		for (uint32_t i = before; i < w.broker[1].nb; i++)
			again += w.broker[1].record[i].again;
		assert_int_equal(again, 0);
		assert_int_equal(w.broker[1].nb, before + HOLD + 3 * CAPACITY);
		at_rest(v);
		world_teardown(state);
	}
}

/* What it has received of QoS 2 keeps the log as little when it is gone as when it is there. */
static void
a_broker_that_goes_half_way_does_not_keep_the_log(void **state)
{
	for (uint8_t v = 4; v <= 5; v++) {
		uint32_t before;

		prepare(state);
		w.set.broker[1].hold_messages = 1000;
		w.broker[1].hold_comp = true;
		begin(&shapes[0]);
		device_connect(0, 0, v, "a");
		device_goes_on(0, v, 2, 8);
		w.broker[1].mute = true;
		broker_reset(1);
		device_goes_on(0, v, 2, 400);
		assert_true(bad(v).counters.dropped_hold >= 400 - CAPACITY);
		assert_int_equal(bad(v).counters.dropped_unanswered, 0);
		w.broker[1].mute = w.broker[1].hold_comp = false;
		before = w.broker[1].nb;
		world_run(10000);
		device_goes_on(0, v, 2, 3 * CAPACITY);
		for (uint32_t i = before; i < w.broker[1].nb; i++)
			assert_false(w.broker[1].record[i].again);
		at_rest(v);
		world_teardown(state);
	}
}

/* Known to a session that was resumed, and not sent on this connection yet: the connection goes. */
static void
what_a_resumed_session_may_know_ends_the_connection(void **state)
{
	uint32_t again = 0;

	prepare(state);
	w.set.broker[1].hold_messages = 32;
	begin(&shapes[0]);
	device_connect(0, 0, 5, "a");
	device_goes_on(0, 5, 2, 8);
	w.broker[1].hold = true;
	w.set.broker[1].max_inflight_messages = 2; /* of the next connection */
	device_goes_on(0, 5, 2, 16);
	assert_int_equal(bad(5).held, 16);
	broker_reset(1);
	world_run(3000);
	assert_int_equal(bad(5).inflight, 2);
	device_goes_on(0, 5, 2, 80);
	assert_true(bad(5).counters.stuck > 0);
	w.broker[1].hold = false;
	world_run(5000);
	device_goes_on(0, 5, 2, 3 * CAPACITY);
	for (uint32_t i = 0; i < w.broker[1].nb; i++)
		again += w.broker[1].record[i].again && !(w.broker[1].record[i].first & 0x08);
	assert_int_equal(again, 0);
	at_rest(5);
	world_teardown(state);
}

/* Half of it is on the wire: the rest has to follow, or the connection goes with it. */
static void
a_message_that_is_half_sent_ends_the_connection(void **state)
{
	static uint8_t out[400000 + 64];
	static uint8_t payload[400000];

	prepare(state);
	w.set.broker[1].hold_messages = 32;
	w.set.limits.max_packet_size = 1 << 20;
	begin(&shapes[0]);
	device_connect(0, 0, 5, "a");
	w.broker[1].deaf = true;
	device_send(0, out,
		    publish_bytes(out, sizeof(out), 5, 1, false, 7, "t", payload, sizeof(payload)));
	world_run(20);
	assert_int_equal(w.broker[0].nb, 1);
	device_goes_on(0, 5, 1, 200);
	assert_int_equal(bad(5).counters.stuck, 1);
	assert_int_equal(bad(5).counters.disconnects, 1);
	assert_int_equal(w.broker[0].nb, 201);
	w.broker[1].deaf = false;
	world_run(10000);
	at_rest(5);
	world_teardown(state);
}

/* The operator's choice for one route holds beside another's. */
static void
what_a_route_blocks_for_is_not_abandoned(void **state)
{
	prepare(state);
	w.set.nb_routes = 2;
	w.set.route[1] = w.set.route[0];
	snprintf(w.set.route[0].filter, sizeof(w.set.route[0].filter), "keep");
	w.set.route[0].when_full_qos1 = PW_WHEN_FULL_BLOCK;
	w.broker[1].hold = true;
	begin(&shapes[0]);
	device_connect(0, 0, 5, "a");
	device_connect(1, 0, 5, "b");
	device_publish_next(1, 5, 1, "keep");
	world_run(3);
	for (uint32_t i = 0; i < 200; i++) {
		device_publish_next(0, 5, 1, "t");
		world_run(1);
	}
	/* The log is full behind it. */
	assert_int_equal(w.broker[0].nb, CAPACITY);
	assert_int_equal(bad(5).counters.dropped_unanswered, 0);
	w.broker[1].hold = false;
	world_ack(1, 999);
	world_run(100);
	assert_int_equal(w.broker[0].nb, 201);
	at_rest(5);
	world_teardown(state);
}

/* Less waits than its hold allows, but the log is short of places behind it. */
static void
a_route_that_detaches_does_so_where_the_log_is_short_too(void **state)
{
	prepare(state);
	w.set.nb_routes = 2;
	w.set.route[1] = w.set.route[0];
	snprintf(w.set.route[0].filter, sizeof(w.set.route[0].filter), "part");
	w.set.route[0].when_full_qos1 = PW_WHEN_FULL_DETACH;
	w.set.broker[1].hold_messages = 32;
	w.broker[1].hold = true;
	begin(&shapes[0]);
	device_connect(0, 0, 5, "a");
	device_connect(1, 0, 5, "b");
	device_publish_next(1, 5, 1, "part");
	world_run(3);
	device_goes_on(0, 5, 1, 400);
	assert_int_equal(bad(5).counters.detached, 1);
	assert_int_equal(w.broker[0].nb, 401);
	w.broker[1].hold = false;
	world_run(5000);
	assert_int_equal(bad(5).held, 0);
	ledger();
	world_teardown(state);
}

/* A hold that is as large as the log bounds nothing before the log does. */
static void
a_hold_beyond_the_log_does_not_make_devices_wait(void **state)
{
	prepare(state);
	w.set.broker[1].hold_messages = 1000;
	begin(&shapes[0]);
	device_connect(0, 0, 5, "a");
	w.broker[1].mute = true;
	broker_reset(1);
	world_run(10);
	device_goes_on(0, 5, 1, 400);
	assert_in_range(bad(5).held, CAPACITY / 2, CAPACITY);
	w.broker[1].mute = false;
	world_run(5000);
	at_rest(5);
	world_teardown(state);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_mute_broker_does_not_keep_the_log),
		cmocka_unit_test(a_broker_mute_between_pubrel_and_pubcomp_does_not_either),
		cmocka_unit_test(a_broker_that_answers_slowly_gets_what_it_can_take_in_order),
		cmocka_unit_test(a_stopped_broker_keeps_no_more_buffers_than_its_share),
		cmocka_unit_test(a_hold_of_bytes_bounds_what_tcp_has_of_them),
		cmocka_unit_test(a_broker_whose_cable_is_cut_is_given_up_without_a_pause),
		cmocka_unit_test(
			identifiers_in_a_session_that_was_kept_are_forgotten_before_they_are_used_again),
		cmocka_unit_test(identifiers_given_up_before_connack_are_forgotten_too),
		cmocka_unit_test(a_broker_that_goes_half_way_does_not_keep_the_log),
		cmocka_unit_test(what_a_resumed_session_may_know_ends_the_connection),
		cmocka_unit_test(a_message_that_is_half_sent_ends_the_connection),
		cmocka_unit_test(what_a_route_blocks_for_is_not_abandoned),
		cmocka_unit_test(a_route_that_detaches_does_so_where_the_log_is_short_too),
		cmocka_unit_test(a_hold_beyond_the_log_does_not_make_devices_wait),
	};

	return cmocka_run_group_tests(tests, world_init, world_fini);
}
