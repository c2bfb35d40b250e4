/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <pubwire/base/histogram.h>

static void
test_reading_is_at_most_a_thirty_second_above_the_value(void **state)
{
	static struct pw_hist h;

	(void)state;
	for (uint32_t bit = 0; bit < 40; bit++) {
		for (uint64_t k = 0; k < 67; k++) {
			uint64_t v = (UINT64_C(1) << bit) + ((k << bit) / 67), read;

			memset(&h, 0, sizeof(h));
			pw_hist_record(&h, v);
			pw_hist_record(&h, UINT64_C(1) << 45); /* so that max does not help */
			read = pw_hist_quantile(&h, 5000);
			assert_true(read >= v);
			assert_true(read - v <= v / 32);
		}
	}
}

static void
test_quantiles_are_ranks(void **state)
{
	static struct pw_hist h;

	(void)state;
	memset(&h, 0, sizeof(h));
	assert_int_equal(pw_hist_quantile(&h, 5000), 0);
	for (uint64_t v = 1; v <= 20; v++)
		pw_hist_record(&h, v);
	assert_int_equal(pw_hist_quantile(&h, 0), 1);
	assert_int_equal(pw_hist_quantile(&h, 5000), 10);
	assert_int_equal(pw_hist_quantile(&h, 5001), 11);
	assert_int_equal(pw_hist_quantile(&h, 9500), 19);
	assert_int_equal(pw_hist_quantile(&h, 10000), 20);
	assert_int_equal(h.count, 20);
	assert_int_equal(h.sum, 210);
	assert_int_equal(h.max, 20);
}

static void
test_longest_durations_count_in_the_last_bucket(void **state)
{
	static struct pw_hist h;

	(void)state;
	memset(&h, 0, sizeof(h));
	pw_hist_record(&h, (UINT64_C(1) << 40) - 1);
	pw_hist_record(&h, UINT64_C(1) << 40);
	pw_hist_record(&h, UINT64_MAX / 2);
	assert_int_equal(h.bucket[PW_HIST_BUCKETS - 1], 2);
	assert_int_equal(h.bucket[PW_HIST_BUCKETS - 2], 1);
	assert_int_equal(pw_hist_quantile(&h, 10000), UINT64_MAX / 2);
}

static void
test_merge_is_as_if_recorded_in_one(void **state)
{
	static struct pw_hist a, b, both;

	(void)state;
	for (uint64_t v = 1; v < 100000; v = v * 3 / 2 + 1) {
		pw_hist_record(v & 1 ? &a : &b, v);
		pw_hist_record(&both, v);
	}
	pw_hist_merge(&a, &b);
	assert_memory_equal(&a, &both, sizeof(a));
}

static void
test_many_at_once_are_as_many_one_by_one(void **state)
{
	static struct pw_hist at_once, one_by_one;

	(void)state;
	for (uint64_t v = 1; v < 1000; v *= 3) {
		pw_hist_record_many(&at_once, v, v % 7 + 1);
		for (uint64_t i = 0; i < v % 7 + 1; i++)
			pw_hist_record(&one_by_one, v);
	}
	assert_memory_equal(&at_once, &one_by_one, sizeof(at_once));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reading_is_at_most_a_thirty_second_above_the_value),
		cmocka_unit_test(test_quantiles_are_ranks),
		cmocka_unit_test(test_longest_durations_count_in_the_last_bucket),
		cmocka_unit_test(test_merge_is_as_if_recorded_in_one),
		cmocka_unit_test(test_many_at_once_are_as_many_one_by_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
