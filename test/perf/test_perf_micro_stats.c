/* SPDX-License-Identifier: BSD-3-Clause */
/* The statistics of perf/micro. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "stats.h"

#define NEAR 1e-6f

static void
an_odd_number_of_values_has_its_middle_one_as_median(void **state)
{
	double v[] = {5, 1, 9, 3, 7};
	struct micro_stats s = micro_stats(v, 5);

	(void)state;
	assert_float_equal(s.median, 5, NEAR);
	assert_float_equal(s.least, 1, NEAR);
	assert_float_equal(s.greatest, 9, NEAR);
}

static void
an_even_number_has_the_mean_of_the_two_in_the_middle(void **state)
{
	double v[] = {8, 2, 4, 100};

	(void)state;
	assert_float_equal(micro_stats(v, 4).median, 6, NEAR);
}

static void
percentiles_lie_between_their_neighbours_in_proportion(void **state)
{
	double v[11];
	struct micro_stats s;

	(void)state;
	for (uint32_t i = 0; i < 11; i++)
		v[i] = 100 - 10.0 * i;
	s = micro_stats(v, 11);
	assert_float_equal(s.p10, 10, NEAR);
	assert_float_equal(s.p90, 90, NEAR);
	assert_float_equal(micro_quantile(v, 11, 0.25), 25, NEAR);
	assert_float_equal(micro_quantile(v, 11, 0), 0, NEAR);
	assert_float_equal(micro_quantile(v, 11, 1), 100, NEAR);
}

static void
one_value_is_all_of_them(void **state)
{
	double v[] = {3};
	struct micro_stats s = micro_stats(v, 1);

	(void)state;
	assert_float_equal(s.median, 3, NEAR);
	assert_float_equal(s.p10, 3, NEAR);
	assert_float_equal(s.p90, 3, NEAR);
	assert_float_equal(s.greatest, 3, NEAR);
}

static void
one_value_far_off_does_not_move_the_median(void **state)
{
	double v[] = {10, 11, 12, 1e12, 10};

	(void)state;
	assert_float_equal(micro_stats(v, 5).median, 11, NEAR);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_odd_number_of_values_has_its_middle_one_as_median),
		cmocka_unit_test(an_even_number_has_the_mean_of_the_two_in_the_middle),
		cmocka_unit_test(percentiles_lie_between_their_neighbours_in_proportion),
		cmocka_unit_test(one_value_is_all_of_them),
		cmocka_unit_test(one_value_far_off_does_not_move_the_median),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
