/* SPDX-License-Identifier: BSD-3-Clause */
/* Log lines and rings between two lcores; needs a second one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include <rte_pause.h>

#include <pubwire/base/counter.h>
#include <pubwire/base/log.h>
#include <pubwire/base/ring.h>

#include "eal.h"

#define RING_LINES 256

static char text[1 << 17];
static FILE *stream;

static uint32_t
lines(const char *like)
{
	uint32_t n = 0;

	fflush(stream);
	for (const char *p = text; (p = strstr(p, like)) != NULL; p++)
		n++;
	return n;
}

static int
begin(void **state)
{
	(void)state;
	memset(text, 0, sizeof(text));
	stream = fmemopen(text, sizeof(text), "w");
	rte_openlog_stream(stream);
	return 0;
}

static int
end(void **state)
{
	(void)state;
	rte_openlog_stream(NULL);
	return fclose(stream);
}

static int
write_lines(void *arg)
{
	for (uint32_t i = 0; i < *(uint32_t *)arg; i++)
		PW_LOG(tcp, INFO, "line %u.", i);
	return 0;
}

static void
on_worker(uint32_t n)
{
	uint32_t lcore = rte_get_next_lcore(-1, 1, 0);

	assert_int_equal(rte_eal_remote_launch(write_lines, &n, lcore), 0);
	rte_eal_wait_lcore(lcore);
}

static void
test_main_lcore_writes_at_once_and_below_the_level_not_at_all(void **state)
{
	(void)state;
	PW_LOG(base, INFO, "here %d", 1);
	PW_LOG(base, DEBUG, "not here");
	assert_int_equal(lines("pubwire.base: here 1\n"), 1);
	assert_int_equal(lines("not here"), 0);
	assert_true(pw_log_on(PW_LOG_base, RTE_LOG_ERR));
	assert_false(pw_log_on(PW_LOG_base, RTE_LOG_DEBUG));
}

static void
test_worker_lines_wait_for_the_main_lcore_and_keep_their_order(void **state)
{
	(void)state;
	assert_int_equal(pw_log_start(), 0);
	on_worker(10);
	assert_int_equal(lines("line"), 0);
	assert_int_equal(pw_log_drain(), 10);
	assert_int_equal(lines("pubwire.tcp: line"), 10);
	assert_true(strstr(text, "line 3.") < strstr(text, "line 4."));
	pw_log_stop();
	assert_int_equal(pw_log_dropped(), 0);
}

static void
test_full_ring_drops_the_newest_lines_and_counts_them(void **state)
{
	uint64_t before = pw_log_dropped();

	(void)state;
	assert_int_equal(pw_log_start(), 0);
	on_worker(RING_LINES + 7);
	assert_int_equal(pw_log_dropped() - before, 7);
	assert_int_equal(pw_log_drain(), RING_LINES);
	assert_int_equal(lines("line 255."), 1);
	assert_int_equal(lines("line 256."), 0);
	on_worker(2); /* there is room again */
	pw_log_stop();
	assert_int_equal(lines("line 1."), 2);
	assert_int_equal(pw_log_dropped() - before, 7); /* also once the rings are gone */
}

static void
test_limited_line_says_how_many_were_held_back(void **state)
{
	struct pw_log_limit limit = {0};

	(void)state;
	for (uint64_t ms = 0; ms < 2500; ms += 100)
		PW_LOG_EVERY(&limit, ms * 1000000, wire, WARNING, "again at %s", "x");
	assert_int_equal(lines("again at x"), 3);
	assert_int_equal(lines("(0 more held back)"), 1);
	assert_int_equal(lines("(9 more held back)"), 2);
}

/* So many bytes without an end of a line, the last of them a '.'. */
static const char *
text_of(uint32_t len)
{
	static char out[4096];

	assert_true(len < sizeof(out));
	memset(out, 'a', len);
	out[len - 1] = '.';
	out[len] = '\0';
	return out;
}

static int
write_text(void *arg)
{
	PW_LOG(tcp, INFO, "%s", (const char *)arg);
	return 0;
}

/* The text of the one line that was written since the last call, in a buffer that is used again. */
static const char *
written(const char *what, bool by_worker)
{
	static char out[4096];
	static const char before[] = "pubwire.tcp: ";
	const char *at;
	uint32_t lcore = rte_get_next_lcore(-1, 1, 0);
	size_t from;

	fflush(stream);
	from = strlen(text);
	if (by_worker) {
		assert_int_equal(rte_eal_remote_launch(write_text, (void *)what, lcore), 0);
		rte_eal_wait_lcore(lcore);
		assert_int_equal(pw_log_drain(), 1);
	} else {
		(void)write_text((void *)what);
	}
	fflush(stream);
	at = strstr(text + from, before);
	assert_non_null(at);
	snprintf(out, sizeof(out), "%s", at + strlen(before));
	assert_ptr_equal(strchr(out, '\n'), out + strlen(out) - 1);
	out[strlen(out) - 1] = '\0';
	return out;
}

static void
test_line_that_is_cut_ends_in_dots(void **state)
{
	static const uint32_t most[2] = {1023, 247};
	const char *is;

	(void)state;
	assert_int_equal(pw_log_start(), 0);
	for (uint32_t w = 0; w < 2; w++) {
		assert_string_equal(written(text_of(most[w]), w == 1), text_of(most[w]));
		is = written(text_of(most[w] + 1), w == 1);
		assert_int_equal(strlen(is), most[w]);
		assert_string_equal(is + most[w] - 4, "a...");
	}
	pw_log_stop();
}

static void
test_line_is_not_cut_within_a_character(void **state)
{
	const char *is;

	(void)state;
	for (uint32_t len = 1018; len <= 1023; len++) {
		char what[1200];

		/* U+20AC of three bytes ends at each of the places around the cut. */
		snprintf(what, sizeof(what), "%.1024s\xe2\x82\xac", text_of(len - 3));
		strcat(what, text_of(50));
		is = written(what, false);
		assert_true(strlen(is) <= 1023);
		assert_string_equal(is + strlen(is) - 3, "...");
		assert_int_equal(strstr(is, "\xe2\x82\xac") != NULL, len <= 1020);
		assert_int_equal(strchr(is, '\xe2') != NULL, len <= 1020);
	}
}

struct hand_over {
	struct pw_ring ring;
	uint32_t total;
};

struct elem {
	uint32_t number, check, filler;
};

static int
produce(void *arg)
{
	struct hand_over *h = arg;

	for (uint32_t i = 0; i < h->total; i++) {
		struct elem e = {i, ~i, 0};

		while (pw_ring_put(&h->ring, &e, 1) == 0)
			rte_pause();
	}
	return 0;
}

static void
test_ring_hands_over_whole_elements_in_order(void **state)
{
	struct hand_over h = {.total = 50000};
	struct elem e[7];
	uint32_t want = 0, lcore = rte_get_next_lcore(-1, 1, 0);

	(void)state;
	assert_int_equal(pw_ring_create(&h.ring, "hand", sizeof(struct elem), 8, 0), 0);
	assert_int_equal(rte_eal_remote_launch(produce, &h, lcore), 0);
	while (want < h.total) {
		uint32_t n = pw_ring_get(&h.ring, e, 7);

		for (uint32_t i = 0; i < n; i++, want++) {
			assert_int_equal(e[i].number, want);
			assert_int_equal(e[i].check, ~want);
		}
		if (n == 0)
			rte_pause();
	}
	rte_eal_wait_lcore(lcore);
	assert_int_equal(pw_ring_count(&h.ring), 0);
	pw_ring_destroy(&h.ring);
}

static void
test_ring_takes_what_it_was_made_for_and_no_more(void **state)
{
	struct pw_ring r;
	uint32_t in[12] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, out[12];

	(void)state;
	assert_int_equal(pw_ring_create(&r, "bound", 4, 10, 0), 0);
	assert_int_equal(pw_ring_put(&r, in, 12), 10);
	assert_int_equal(pw_ring_put(&r, in, 1), 0);
	assert_int_equal(pw_ring_get(&r, out, 12), 10);
	assert_memory_equal(in, out, 40);
	pw_ring_destroy(&r);
	assert_true(pw_ring_create(&r, "odd", 3, 10, 0) < 0);
}

#define TEST_COUNTERS(X)                                                                           \
	X(first, "the first")                                                                      \
	X(second, "the second")
PW_COUNTER_STRUCT(test_counters, TEST_COUNTERS);
PW_COUNTER_DESCRIBE(test_counters, TEST_COUNTERS);

static void
test_counter_rows_name_their_fields(void **state)
{
	struct test_counters c = {.second = 5};

	(void)state;
	assert_string_equal(test_counters_desc[1].name, "second");
	assert_string_equal(test_counters_desc[1].help, "the second");
	assert_null(test_counters_desc[2].name);
	assert_int_equal(pw_counter_read(&c, 1), 5);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			test_main_lcore_writes_at_once_and_below_the_level_not_at_all, begin, end),
		cmocka_unit_test_setup_teardown(
			test_worker_lines_wait_for_the_main_lcore_and_keep_their_order, begin, end),
		cmocka_unit_test_setup_teardown(
			test_full_ring_drops_the_newest_lines_and_counts_them, begin, end),
		cmocka_unit_test_setup_teardown(test_limited_line_says_how_many_were_held_back,
						begin, end),
		cmocka_unit_test_setup_teardown(test_line_that_is_cut_ends_in_dots, begin, end),
		cmocka_unit_test_setup_teardown(test_line_is_not_cut_within_a_character, begin,
						end),
		cmocka_unit_test(test_ring_hands_over_whole_elements_in_order),
		cmocka_unit_test(test_ring_takes_what_it_was_made_for_and_no_more),
		cmocka_unit_test(test_counter_rows_name_their_fields),
	};

	pw_log_init();
	if (test_eal_init_with("0-1", 64, NULL, 0) < 2) {
		printf("needs two lcores\n");
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
