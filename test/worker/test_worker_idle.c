/* SPDX-License-Identifier: BSD-3-Clause */
/* The ladder of an idle worker, under virtual time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <rte_common.h>

#include "idle_pvt.h"

#define US    UINT64_C(1000)
#define MS    (1000 * US)
#define TURN  500 /* ns that a turn without work takes */
#define BOUND (1000 * US)

/* A worker on a machine where a sleep costs so much, and wakes so late. */
struct host {
	uint64_t now;
	uint64_t cost;
	uint64_t late;
	uint64_t cpu;	 /* of the thread */
	uint64_t asleep; /* in all */
	uint64_t slept;	 /* the last time, 0: it paused */
	uint32_t waits;
	struct idle idle;
};

static struct host
host(uint64_t cost, enum pw_idle policy, uint64_t bound)
{
	struct host h = {.now = 77 * MS, .cost = cost, .late = 5 * US};

	idle_init(&h.idle, policy, bound);
	return h;
}

/* A turn that finds nothing, and what follows it. */
static void
turn(struct host *h)
{
	h->now += TURN;
	h->cpu += TURN;
	h->slept = idle_step(&h->idle, h->now);
	if (h->slept == 0)
		return;
	if (h->slept == IDLE_WAIT) {
		h->cpu += h->cost;
		h->now += 100 * MS + h->late;
		h->waits++;
		idle_waited(&h->idle, h->cost);
		idle_woke_late(&h->idle, h->late);
		return;
	}
	if (idle_wants_cpu_time(&h->idle))
		idle_cpu_time(&h->idle, h->cpu);
	h->cpu += h->cost;
	h->now += h->cost + h->slept + h->late;
	h->asleep += h->slept;
	idle_slept(&h->idle);
}

static void
work(struct host *h)
{
	h->now += 3 * US;
	h->cpu += 3 * US;
	idle_found_work(&h->idle);
}

static void
be_idle(struct host *h, uint64_t ns)
{
	for (uint64_t end = h->now + ns; h->now < end;)
		turn(h);
}

static void
poll_never_sleeps(void **state)
{
	struct host h = host(2 * US, PW_IDLE_POLL, BOUND);

	(void)state;
	be_idle(&h, 100 * MS);
	assert_int_equal(h.asleep, 0);
}

static void
the_ladder_pauses_first_and_never_sleeps_longer_than_the_silence_allows(void **state)
{
	struct host h = host(20 * US, PW_IDLE_ADAPTIVE, BOUND);

	(void)state;
	for (uint32_t round = 0; round < 50; round++) {
		uint64_t began, last = 0;

		work(&h);
		for (began = h.now; h.now < began + 20 * MS;) {
			uint64_t silence = h.now - began;

			turn(&h);
			if (silence < 45 * US)
				assert_int_equal(h.slept, 0);
			if (silence < 12 * MS)
				assert_true(h.slept <= 50 * US);
			assert_true(h.slept <= RTE_MAX(50 * US, (silence + 100 * US) / 256));
			if (h.slept != 0) {
				assert_true(h.slept >= last);
				last = h.slept;
			}
		}
		assert_true(last >= 50 * US);
	}
}

static void
a_sleep_that_is_shorter_than_it_costs_is_not_taken(void **state)
{
	struct host h = host(20 * US, PW_IDLE_ADAPTIVE, BOUND);
	uint64_t began;

	(void)state;
	be_idle(&h, 100 * MS); /* the cost is known */
	work(&h);
	for (began = h.now; h.now < began + 300 * US;) {
		turn(&h);
		assert_int_equal(h.slept, 0);
	}
	be_idle(&h, MS);
	assert_true(h.slept > 20 * US);
}

/* Share of the CPU that ten idle seconds take, in 1/10000, once the host is known. */
static uint64_t
share(struct host *h)
{
	uint64_t cpu, now;

	be_idle(h, 1000 * MS);
	cpu = h->cpu;
	now = h->now;
	be_idle(h, 10000 * MS);
	return (h->cpu - cpu) * 10000 / (h->now - now);
}

static void
an_idle_worker_takes_under_3_percent_whatever_a_sleep_costs(void **state)
{
	(void)state;
	for (uint64_t cost = 500; cost <= 20 * US; cost += 500) {
		struct host h = host(cost, PW_IDLE_ADAPTIVE, BOUND);

		assert_in_range(share(&h), 1, 260);
	}
}

static void
where_a_sleep_costs_little_the_longest_stays_under_100_us(void **state)
{
	struct host h = host(1500, PW_IDLE_ADAPTIVE, BOUND);

	(void)state;
	(void)share(&h);
	assert_true(h.idle.longest + h.late < 100 * US);
	assert_int_equal(h.slept, h.idle.longest);
}

static void
the_configured_bound_holds_whatever_a_sleep_costs(void **state)
{
	struct host dear = host(50 * US, PW_IDLE_ADAPTIVE, BOUND);
	struct host bounded = host(20 * US, PW_IDLE_ADAPTIVE, 30 * US);

	(void)state;
	(void)share(&dear);
	assert_int_equal(dear.slept, BOUND);
	(void)share(&bounded);
	assert_int_equal(bounded.slept, 30 * US);
}

/* A hundred messages a second: the share of the CPU that the silence between them takes. */
static void
a_worker_sleeps_between_messages_however_much_a_sleep_costs(void **state)
{
	(void)state;
	for (uint64_t cost = 10 * US; cost <= 200 * US; cost += 10 * US) {
		struct host h = host(cost, PW_IDLE_ADAPTIVE, 2 * BOUND);
		uint64_t cpu, now;

		be_idle(&h, 1000 * MS);
		cpu = h.cpu;
		now = h.now;
		for (uint32_t i = 0; i < 100; i++) {
			work(&h);
			be_idle(&h, 10 * MS);
		}
		assert_true((h.cpu - cpu) * 100 / (h.now - now) < 70);
	}
}

static struct host
woken_host(uint64_t cost, uint64_t late)
{
	struct host h = host(cost, PW_IDLE_ADAPTIVE, BOUND);

	h.late = late;
	h.idle.woken = true;
	be_idle(&h, 1000 * MS);
	return h;
}

/* How long it pauses after work before it waits. */
static uint64_t
pause_of(struct host *h)
{
	uint64_t began;
	uint32_t waits = h->waits;

	work(h);
	for (began = h->now; h->now < began + 100 * MS;) {
		uint64_t before = h->now;

		turn(h);
		if (h->waits > waits)
			return before + TURN - began;
	}
	return UINT64_MAX;
}

static void
a_worker_that_is_woken_waits_once_that_is_a_small_part_of_the_silence(void **state)
{
	struct host cheap = woken_host(2 * US, 3 * US), dear = woken_host(30 * US, 10 * US),
		    late = woken_host(10 * US, 60 * US), slow = woken_host(10 * US, 900 * US);

	(void)state;
	assert_in_range(pause_of(&cheap), 50 * US, 60 * US);
	assert_in_range(pause_of(&dear), 16 * 30 * US, 17 * 30 * US);
	assert_in_range(pause_of(&late), 16 * 60 * US, 17 * 60 * US);
	/* Where waking takes for ever it does not pause for ever. */
	assert_in_range(pause_of(&slow), 2000 * US, 2010 * US);
}

static void
a_worker_that_is_woken_never_sleeps_by_the_clock(void **state)
{
	struct host h = woken_host(20 * US, 20 * US);
	uint32_t waits = h.waits;

	(void)state;
	be_idle(&h, 10000 * MS);
	assert_int_equal(h.asleep, 0);
	assert_in_range(h.waits - waits, 99, 101);
}

static void
a_pause_of_the_machine_is_not_taken_for_what_waking_takes(void **state)
{
	struct host h = woken_host(10 * US, 20 * US);

	(void)state;
	idle_woke_late(&h.idle, 50 * MS);
	assert_in_range(pause_of(&h), 16 * 20 * US, 16 * 26 * US);
}

static void
work_between_sleeps_does_not_count_as_their_cost(void **state)
{
	struct host h = host(2 * US, PW_IDLE_ADAPTIVE, BOUND);
	uint64_t before;

	(void)state;
	(void)share(&h);
	before = h.idle.longest;
	for (uint32_t i = 0; i < 1000; i++) {
		h.cpu += 5 * MS;
		h.now += 5 * MS;
		work(&h);
		be_idle(&h, (i % 10) * MS);
	}
	(void)share(&h);
	assert_in_range(h.idle.longest, before - 2 * US, before + 2 * US);
}

static void
a_dear_window_is_forgotten(void **state)
{
	struct host h = host(2 * US, PW_IDLE_ADAPTIVE, BOUND);
	uint64_t before;

	(void)state;
	(void)share(&h);
	before = h.idle.longest;
	h.cost = 40 * US;
	be_idle(&h, 100 * MS);
	assert_true(h.idle.longest > before);
	h.cost = 2 * US;
	be_idle(&h, 1000 * MS);
	assert_in_range(h.idle.longest, before - 2 * US, before + 2 * US);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(poll_never_sleeps),
		cmocka_unit_test(
			the_ladder_pauses_first_and_never_sleeps_longer_than_the_silence_allows),
		cmocka_unit_test(a_sleep_that_is_shorter_than_it_costs_is_not_taken),
		cmocka_unit_test(an_idle_worker_takes_under_3_percent_whatever_a_sleep_costs),
		cmocka_unit_test(where_a_sleep_costs_little_the_longest_stays_under_100_us),
		cmocka_unit_test(the_configured_bound_holds_whatever_a_sleep_costs),
		cmocka_unit_test(a_worker_sleeps_between_messages_however_much_a_sleep_costs),
		cmocka_unit_test(
			a_worker_that_is_woken_waits_once_that_is_a_small_part_of_the_silence),
		cmocka_unit_test(a_worker_that_is_woken_never_sleeps_by_the_clock),
		cmocka_unit_test(a_pause_of_the_machine_is_not_taken_for_what_waking_takes),
		cmocka_unit_test(work_between_sleeps_does_not_count_as_their_cost),
		cmocka_unit_test(a_dear_window_is_forgotten),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
