/* SPDX-License-Identifier: BSD-3-Clause */
/* Who watches the workers learns which of them has stopped turning, and for how long. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "eal.h"
#include "world.h"

static void
turn(struct world *w, uint32_t worker)
{
	w->now += MS;
	(void)pw_worker_turn(w->fleet, worker, w->now);
}

static void
workers_that_turn_do_not_stand(void **state)
{
	static const struct world_conf conf = {.workers = 2};
	struct world *w = world_create(&conf);
	struct pw_fleet_pulse pulse = {0};
	uint32_t worker;

	(void)state;
	assert_int_equal(pw_fleet_stands(w->fleet, &pulse, w->now, &worker), 0);
	for (uint32_t i = 0; i < 10; i++) {
		turn(w, 0);
		turn(w, 1);
		assert_int_equal(pw_fleet_stands(w->fleet, &pulse, w->now, &worker), 0);
	}
	world_destroy(w);
}

static void
the_one_that_has_stood_for_longest_is_named_until_it_turns(void **state)
{
	static const struct world_conf conf = {.workers = 2};
	struct world *w = world_create(&conf);
	struct pw_fleet_pulse pulse = {0};
	uint32_t worker = 7;

	(void)state;
	assert_int_equal(pw_fleet_stands(w->fleet, &pulse, w->now, &worker), 0);
	for (uint32_t i = 1; i <= 5; i++) {
		turn(w, 0);
		assert_int_equal(pw_fleet_stands(w->fleet, &pulse, w->now, &worker), i * MS);
		assert_int_equal(worker, 1);
	}
	/* Now neither turns: the other one has stood for less. */
	w->now += 3 * MS;
	assert_int_equal(pw_fleet_stands(w->fleet, &pulse, w->now, &worker), 8 * MS);
	assert_int_equal(worker, 1);
	turn(w, 1);
	assert_int_equal(pw_fleet_stands(w->fleet, &pulse, w->now, &worker), 4 * MS);
	assert_int_equal(worker, 0);
	turn(w, 0);
	turn(w, 1);
	assert_int_equal(pw_fleet_stands(w->fleet, &pulse, w->now, &worker), 0);
	world_destroy(w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(workers_that_turn_do_not_stand),
		cmocka_unit_test(the_one_that_has_stood_for_longest_is_named_until_it_turns),
	};

	(void)test_eal_init_with("(0-1)@0", 256, NULL, 0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
