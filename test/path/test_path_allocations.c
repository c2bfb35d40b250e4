/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Worker lcores make no heap allocation, from their first turn to their last, whatever they call:
 * the heap's entry points are defined here, in front of the C library's, and count per thread.
 */
#include <errno.h>
#include <malloc.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <rte_launch.h>
#include <rte_lcore.h>

#include <pubwire/base/log.h>

#include "eal.h"
#include "world.h"

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t size);
void *__libc_memalign(size_t align, size_t size);
void __libc_free(void *p);

static __thread uint64_t calls; /* of this thread */

void *
malloc(size_t size)
{
	calls++;
	return __libc_malloc(size);
}

void *
calloc(size_t n, size_t size)
{
	calls++;
	return __libc_calloc(n, size);
}

void *
realloc(void *p, size_t size)
{
	calls++;
	return __libc_realloc(p, size);
}

void
free(void *p)
{
	calls += p != NULL;
	__libc_free(p);
}

void *
aligned_alloc(size_t align, size_t size)
{
	calls++;
	return __libc_memalign(align, size);
}

void *
memalign(size_t align, size_t size)
{
	calls++;
	return __libc_memalign(align, size);
}

int
posix_memalign(void **out, size_t align, size_t size)
{
	calls++;
	*out = __libc_memalign(align, size);
	return *out != NULL ? 0 : ENOMEM;
}

static const uint64_t *calls_of[RTE_MAX_LCORE];

static int
show_counter(void *arg)
{
	(void)arg;
	calls_of[rte_lcore_id()] = &calls;
	return 0;
}

static uint64_t
calls_on(uint32_t lcore)
{
	return __atomic_load_n(calls_of[lcore], __ATOMIC_RELAXED);
}

static void
on_lcore(uint32_t lcore, lcore_function_t *fn)
{
	assert_int_equal(rte_eal_remote_launch(fn, NULL, lcore), 0);
	assert_int_equal(rte_eal_wait_lcore(lcore), 0);
}

static int
allocate(void *arg)
{
	void *volatile p = malloc(100);

	(void)arg;
	free(p);
	p = strdup("through another function of the C library");
	free(p);
	return posix_memalign((void **)&p, 64, 100) != 0;
}

static void
test_deliberate_allocations_on_a_worker_lcore_are_counted(void **state)
{
	uint64_t before[2];

	(void)state;
	on_lcore(1, show_counter);
	on_lcore(2, show_counter);
	before[0] = calls_on(1);
	before[1] = calls_on(2);
	on_lcore(1, allocate);
	assert_int_equal(calls_on(1) - before[0], 5);
	assert_int_equal(calls_on(2), before[1]);
}

#define DEVICES	 6
#define MESSAGES 300

static bool
all_drained(const struct world *w)
{
	return pw_fleet_drained(w->fleet);
}

/* Small and large messages, some at a time, so that every side sends many segments. */
static void
publish(struct world *w, uint32_t from, uint32_t to)
{
	static uint8_t payload[3000];

	for (uint32_t k = from; k < to; k++) {
		for (uint32_t d = 0; d < w->nb_devices; d++)
			(void)device_publish(&w->device[d], 1, "plant/line", payload,
					     k % 10 == 0 ? sizeof(payload) : k);
		if (k % 5 == 4)
			world_run(w, 2);
	}
}

/* A broker and a device are lost on the way. */
static void
traffic(struct world *w)
{
	world_connect(w, DEVICES, PW_MQTT_3_1_1);
	publish(w, 0, MESSAGES / 2);
	broker_reset(&w->broker[0], w->now);
	pw_tcp_abort(w->side[0].tcp, w->device[--w->nb_devices].conn, w->now);
	publish(w, MESSAGES / 2, MESSAGES);
	assert_true(world_until(w, world_acked, 20000));
}

static void
lcores_make_none(const struct world_conf *conf)
{
	struct world *w = world_create(conf);
	uint64_t before[2];

	for (uint32_t i = 0; i < 2; i++) {
		on_lcore(conf->lcores[i], show_counter);
		before[i] = calls_on(conf->lcores[i]);
	}
	assert_int_equal(pw_fleet_start(w->fleet), 0);
	traffic(w);
	pw_fleet_drain(w->fleet);
	assert_true(world_until(w, all_drained, 10000));
	pw_fleet_stop(w->fleet);
	for (uint32_t i = 0; i < 2; i++) {
		const struct pw_worker_counters *c = pw_fleet_counters(w->fleet, i);
		const struct pw_tcp_counters *t = pw_tcp_counters(pw_fleet_tcp(w->fleet, i));

		assert_int_equal(calls_on(conf->lcores[i]), before[i]);
		/* They did work meanwhile, in their own loops. */
		assert_true(t->bytes_in + t->bytes_out > 50000);
		assert_true(c->busy_loops > 0);
		assert_true(c->total_cycles > c->busy_cycles && c->busy_cycles > 0);
	}
	(void)pw_log_drain();
	world_destroy(w);
}

static const uint32_t lcores[] = {1, 2};

static void
test_workers_that_serve_both_roles_make_none(void **state)
{
	static const struct world_conf conf = {.workers = 2, .lcores = lcores, .real_time = true};

	(void)state;
	lcores_make_none(&conf);
}

static void
test_split_workers_that_copy_make_none(void **state)
{
	static const struct world_conf conf = {
		.workers = 2,
		.lcores = lcores,
		.real_time = true,
		.role = {PW_ROLE_DEVICES, PW_ROLE_BROKERS},
		.copy_break = 256,
	};

	(void)state;
	lcores_make_none(&conf);
}

static void
test_workers_that_match_rules_and_keep_to_rates_make_none(void **state)
{
#define RULE(text, verdict_)                                                                       \
	{                                                                                          \
		.filter = (const uint8_t *)(text), .len = sizeof(text) - 1, .verdict = verdict_,   \
		.pattern = true                                                                    \
	}
	static const struct pw_access_rule rules[] = {
		RULE("%c/#", PW_ACCESS_ALLOW),
		RULE("+/%u/#", PW_ACCESS_DENY),
		RULE("#", PW_ACCESS_ALLOW),
	};
	static const struct pw_access access = {
		.anonymous = true, .acl = true, .rule = rules, .of_all = {0, 3}};
	static const struct world_conf conf = {
		.workers = 2,
		.lcores = lcores,
		.real_time = true,
		.access = &access,
		.message_rate = 200,
	};

	(void)state;
	lcores_make_none(&conf);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_deliberate_allocations_on_a_worker_lcore_are_counted),
		cmocka_unit_test(test_workers_that_serve_both_roles_make_none),
		cmocka_unit_test(test_split_workers_that_copy_make_none),
		cmocka_unit_test(test_workers_that_match_rules_and_keep_to_rates_make_none),
	};
	cpu_set_t cpus;
	int rc;

	/* Three lcores on two CPUs, or on one where there is no second. */
	CPU_ZERO(&cpus);
	(void)sched_getaffinity(0, sizeof(cpus), &cpus);
	pw_log_init();
	(void)test_eal_init_with(CPU_ISSET(0, &cpus) && CPU_ISSET(1, &cpus) ? "0@0,1@0,2@1"
									    : "(0-2)@0",
				 256, NULL, 0);
	if (pw_log_start() < 0)
		return 1;
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	pw_log_stop();
	return rc;
}
