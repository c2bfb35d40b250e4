/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a device connection costs, from what DPDK's heap gives away: the memory plan promises it
 * before anything is reserved.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>
#include <rte_malloc.h>
#include <rte_memory.h>

#include <pubwire/forward/forward.h>

#include "eal.h"
#include "hooks.h"

#define FEW 16

static struct pw_mem mem;

/* Bytes that a worker for some connections takes from the heaps. */
struct taken {
	size_t tcp, forward;
};

static size_t
heap(void)
{
	struct rte_malloc_socket_stats s;
	size_t sum = 0;

	for (uint32_t i = 0; i < RTE_MAX_NUMA_NODES; i++) {
		if (rte_malloc_get_socket_stats((int)i, &s) == 0)
			sum += s.heap_allocsz_bytes;
	}
	return sum;
}

static int
post(void *ctx, uint32_t worker, const struct pw_forward_msg *msg)
{
	(void)ctx;
	(void)worker;
	(void)msg;
	return 0;
}

static struct taken
taken_by(uint32_t connections, uint32_t workers)
{
	struct pw_forward_settings set;
	struct pw_forward_shared_conf sc = {
		.settings = &set,
		.nb_workers = workers,
		.role = {PW_ROLE_DEVICES | PW_ROLE_BROKERS, PW_ROLE_DEVICES | PW_ROLE_BROKERS},
		.socket = {SOCKET_ID_ANY, SOCKET_ID_ANY},
	};
	struct pw_tcp_conf tc = {
		.name = "cost",
		.max_conns = connections,
		.max_time_wait = FEW,
		.max_tx_slices = 64,
		.mem = &mem,
		.hooks = {.output = hook_lost, .path = hook_path},
		.socket = SOCKET_ID_ANY,
	};
	struct pw_forward_conf fc = {
		.mem = &mem,
		.post = post,
		.source = hook_source,
		.socket = SOCKET_ID_ANY,
	};
	struct pw_forward *f;
	struct taken t;
	size_t before;

	pw_forward_defaults(&set);
	set.limits.max_connections = connections;
	set.nb_brokers = 1;
	before = heap();
	fc.tcp = pw_tcp_create(&tc, 0);
	assert_non_null(fc.tcp);
	t.tcp = heap() - before;
	fc.shared = pw_forward_shared_create(&sc);
	assert_non_null(fc.shared);
	before = heap();
	f = pw_forward_create(&fc, 0);
	assert_non_null(f);
	t.forward = heap() - before;
	pw_forward_destroy(f, 0);
	pw_tcp_destroy(fc.tcp);
	pw_forward_shared_destroy(fc.shared);
	assert_true(pw_mem_full(&mem));
	return t;
}

static void
few_have_a_place_for_everything_and_many_as_many_as_is_said(void **state)
{
	struct pw_limits_conf l = {.max_connections = 16384};

	(void)state;
	assert_int_equal(pw_forward_max_kept(&l), 2048 + 16);
	assert_int_equal(pw_forward_max_sessions(&l), 16384 + 2048 + 16);
	assert_int_equal(pw_forward_max_extras(&l), pw_forward_max_sessions(&l));
	l.max_connections = 1000000;
	assert_int_equal(pw_forward_max_kept(&l), 2048 + 16 + 983616 / 128);
	assert_int_equal(pw_forward_max_extras(&l), 16384 + 983616 / 128 + pw_forward_max_kept(&l));
	l.max_kept = 5;
	assert_int_equal(pw_forward_max_sessions(&l), 1000005);
	l.max_extras = 2000000;
	assert_int_equal(pw_forward_max_extras(&l), 1000005);
}

static size_t
wills(uint32_t connections)
{
	struct pw_forward_settings set;

	pw_forward_defaults(&set);
	set.limits.max_connections = connections;
	return pw_forward_wills_bytes(&set.limits) + pw_forward_aliases_bytes(&set);
}

static void
an_idle_connection_takes_at_most_512_bytes_and_as_many_as_the_plan_says(void **state)
{
	/* The second leaves TCP's table as empty as it can be. */
	static const uint32_t many[] = {32768, 43800};
	struct taken few = taken_by(FEW, 1);

	(void)state;
	for (uint32_t i = 0; i < RTE_DIM(many); i++) {
		struct taken t = taken_by(many[i], 1);
		size_t tcp = (t.tcp - few.tcp) / (many[i] - FEW);
		size_t forward = t.forward - few.forward - (wills(many[i]) - wills(FEW));

		forward /= many[i] - FEW;
		print_message("%u connections: %zu bytes each of TCP, %zu of sessions\n", many[i],
			      tcp, forward);
		assert_in_range(tcp + forward, 256, 512);
		assert_in_range(tcp, 256, pw_tcp_conn_size());
		/* What reservations are rounded to is a byte a connection at most. */
		assert_in_range(forward, pw_forward_session_size() - 1,
				pw_forward_session_size() + 1);
	}
	assert_true(pw_tcp_conn_size() + pw_forward_session_size() <= 512);
}

static void
messages_that_wait_for_other_workers_take_as_many_bytes_as_the_plan_says(void **state)
{
	const uint32_t many = 20000;
	size_t few_one = taken_by(FEW, 1).forward, few_two = taken_by(FEW, 2).forward;
	size_t one = taken_by(many, 1).forward, two = taken_by(many, 2).forward;
	struct pw_limits_conf lf = {.max_connections = FEW}, lm = {.max_connections = many};
	size_t plan = pw_forward_outbox_bytes(&lm, 2) - pw_forward_outbox_bytes(&lf, 2);

	(void)state;
	assert_int_equal(pw_forward_outbox_bytes(&lm, 1), 0);
	assert_true(plan > (size_t)many * 2 * sizeof(struct pw_forward_msg));
	/* What else a second worker brings depends on no number of connections. */
	assert_in_range((two - one) - (few_two - few_one), plan - 256, plan + 256);
}

/* What a worker takes for one route more, whose set of brokers is another one. */
static void
logs_and_cursors_take_as_many_bytes_as_the_plan_says(void **state)
{
	size_t took[2], plan[2];

	(void)state;
	for (uint32_t i = 0; i < 2; i++) {
		struct pw_forward_settings set;
		struct pw_forward_shared_conf sc = {
			.settings = &set,
			.nb_workers = 1,
			.role = {PW_ROLE_DEVICES | PW_ROLE_BROKERS},
			.socket = {SOCKET_ID_ANY},
		};
		struct pw_forward_conf fc = {
			.mem = &mem, .post = post, .source = hook_source, .socket = SOCKET_ID_ANY};
		struct pw_tcp_conf tc = {
			.name = "cost",
			.max_conns = FEW,
			.max_time_wait = FEW,
			.max_tx_slices = 64,
			.mem = &mem,
			.hooks = {.output = hook_lost, .path = hook_path},
			.socket = SOCKET_ID_ANY,
		};
		struct pw_forward *f;
		size_t before;

		pw_forward_defaults(&set);
		set.limits.max_connections = FEW;
		set.limits.max_queued_messages = 32768;
		set.nb_brokers = 4;
		set.nb_routes = 1 + i;
		for (uint32_t k = 0; k < set.nb_routes; k++) {
			snprintf(set.route[k].filter, sizeof(set.route[k].filter), "%u/#", k);
			set.route[k].brokers = 15u >> k;
			set.route[k].pool_size = 1;
		}
		fc.tcp = pw_tcp_create(&tc, 0);
		assert_non_null(fc.tcp);
		before = heap();
		fc.shared = pw_forward_shared_create(&sc);
		assert_non_null(fc.shared);
		f = pw_forward_create(&fc, 0);
		assert_non_null(f);
		took[i] = heap() - before;
		plan[i] = pw_forward_logs_bytes(&set, 1, false);
		pw_forward_destroy(f, 0);
		pw_tcp_destroy(fc.tcp);
		pw_forward_shared_destroy(fc.shared);
	}
	/* Blocks for slices are planned elsewhere: no more of them than packet buffers. */
	assert_in_range(took[1] - took[0], plan[1] - plan[0] - 4096, plan[1] - plan[0] + 131072);
	assert_true(pw_mem_full(&mem));
}

/* The tables of a stack for a number of connections, beside those of one for few. */
static size_t
tcp_beyond_few(uint32_t time_wait, uint32_t connections)
{
	struct pw_tcp_conf tc = {
		.name = "cost",
		.max_tx_slices = 64,
		.mem = &mem,
		.hooks = {.output = hook_lost, .path = hook_path},
		.socket = SOCKET_ID_ANY,
	};
	size_t took[2];

	for (uint32_t i = 0; i < RTE_DIM(took); i++) {
		size_t before = heap();
		struct pw_tcp *t;

		tc.max_conns = connections;
		tc.max_time_wait = i == 0 ? FEW : time_wait;
		t = pw_tcp_create(&tc, 0);
		assert_non_null(t);
		took[i] = heap() - before;
		pw_tcp_destroy(t);
	}
	return took[1] - took[0];
}

static void
time_wait_records_take_as_many_bytes_as_the_plan_says(void **state)
{
	static const uint32_t many[] = {30000, 32768, 32769};

	(void)state;
	for (uint32_t i = 0; i < RTE_DIM(many); i++) {
		size_t few = pw_tcp_time_wait_bytes(FEW, 1);
		size_t plan = pw_tcp_time_wait_bytes(many[i], 1);

		assert_true(plan >= many[i] * 36);
		/* What reservations are rounded to is a line each. */
		assert_in_range(tcp_beyond_few(many[i], FEW), plan - few - 256, plan - few + 256);
		/* Where nothing is said as many as connections, and of a great many fewer. */
		plan = pw_tcp_time_wait_bytes(RTE_MIN(many[i], 32768u), 1);
		assert_in_range(tcp_beyond_few(0, many[i]), plan - few - 256, plan - few + 256);
		assert_int_equal(pw_tcp_time_wait_bytes(0, many[i]), plan);
	}
	assert_int_equal(pw_tcp_time_wait_bytes(0, 65536), pw_tcp_time_wait_bytes(33792, 1));
}

static int
init(void **state)
{
	const struct pw_mem_conf conf = {
		.name = "cost", .pkt = 512, .hdr = 64, .ind = 64, .socket = SOCKET_ID_ANY};

	(void)state;
	test_eal_init();
	return pw_mem_create(&mem, &conf);
}

static int
fini(void **state)
{
	(void)state;
	pw_mem_destroy(&mem);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			an_idle_connection_takes_at_most_512_bytes_and_as_many_as_the_plan_says),
		cmocka_unit_test(
			messages_that_wait_for_other_workers_take_as_many_bytes_as_the_plan_says),
		cmocka_unit_test(logs_and_cursors_take_as_many_bytes_as_the_plan_says),
		cmocka_unit_test(few_have_a_place_for_everything_and_many_as_many_as_is_said),
		cmocka_unit_test(time_wait_records_take_as_many_bytes_as_the_plan_says),
	};

	return cmocka_run_group_tests(tests, init, fini);
}
