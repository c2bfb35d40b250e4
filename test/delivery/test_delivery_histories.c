/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Seeded histories of deliveries; world.h says what is in one.
 *
 *     test_delivery_histories FIRST LAST           a range of seeds, as a test
 *     test_delivery_histories --replay SEED        one seed, every packet and every fault in words
 *     test_delivery_histories --soak SECONDS FIRST STRIDE    fresh seeds, sums at the end
 */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include <rte_common.h>
#include <rte_log.h>

#include <pubwire/base/log.h>

#include "eal.h"
#include "world.h"

#define MAX_BAD 10

static struct world world;
static struct tally tally;
static uint64_t first = 1, last = 100;

static bool
play(uint64_t seed)
{
	bool good = world_play(&world, seed, false, &tally);

	if (!good)
		printf("seed %" PRIu64 " fails %s\n    replay it: scripts/soak --replay-delivery "
		       "%" PRIu64 "\n",
		       seed, world.fault, seed);
	return good;
}

static void
histories_end_with_every_promise_kept(void **state)
{
	uint32_t bad = 0;

	(void)state;
	for (uint64_t seed = first; seed <= last && bad < MAX_BAD; seed++)
		bad += !play(seed);
	assert_int_equal(bad, 0);
}

static void
a_seed_gives_the_same_history_twice(void **state)
{
	(void)state;
	for (uint64_t seed = first; seed <= last && seed < first + 3; seed++) {
		uint64_t digest;

		assert_true(play(seed));
		digest = world.digest;
		assert_true(play(seed));
		assert_int_equal(digest, world.digest);
	}
}

static int
setup(void **state)
{
	(void)state;
	test_eal_init();
	pw_log_init();
	rte_log_set_level_pattern("pubwire.*", RTE_LOG_CRIT);
	return world_start(&world);
}

static int
teardown(void **state)
{
	(void)state;
	world_stop(&world);
	return 0;
}

static int
replay(uint64_t seed)
{
	bool good;

	if (setup(NULL) != 0)
		return 1;
	rte_log_set_level_pattern("pubwire.*", RTE_LOG_DEBUG);
	setvbuf(stdout, NULL, _IOLBF, 0);
	rte_openlog_stream(stdout);
	good = world_play(&world, seed, true, &tally);
	printf("seed %" PRIu64 ": %s; %u steps, %.3f s of time, %" PRIu64 " segments\n", seed,
	       good ? "ends well" : world.fault, world.steps,
	       (double)(world.now - world.began) / 1e9, tally.segments);
	world_stop(&world);
	return !good;
}

/* Lines that scripts/soak adds up over its processes. */
static void
print_tally(void)
{
#define SUM(name) printf("sum %s %" PRIu64 "\n", #name, tally.name);
	TALLY(SUM)
#undef SUM
	for (uint32_t i = 0; i < FAULT_MAX; i++) {
		char name[64];

		snprintf(name, sizeof(name), "%s", fault_text((enum fault)i));
		for (char *c = name; *c != '\0'; c++)
			*c = *c == ' ' || *c == ',' || *c == '\'' ? '_' : *c;
		printf("sum %s %" PRIu64 "\n", name, tally.fault[i]);
	}
}

/* Fresh seeds until the time is up: every stride-th from the first on. */
static int
soak(uint64_t seconds, uint64_t seed, uint64_t stride)
{
	time_t start = time(NULL), said = start;
	uint64_t bad = 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (setup(NULL) != 0)
		return 1;
	for (; (uint64_t)(time(NULL) - start) < seconds && bad < MAX_BAD; seed += stride) {
		bad += !play(seed);
		if (time(NULL) - said >= 5) {
			said = time(NULL);
			printf("so far: %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", tally.histories,
			       tally.segments, bad);
		}
	}
	print_tally();
	world_stop(&world);
	return bad != 0;
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(histories_end_with_every_promise_kept),
		cmocka_unit_test(a_seed_gives_the_same_history_twice),
	};

	if (argc > 2 && strcmp(argv[1], "--replay") == 0)
		return replay(strtoull(argv[2], NULL, 10));
	if (argc > 4 && strcmp(argv[1], "--soak") == 0)
		return soak(strtoull(argv[2], NULL, 10), strtoull(argv[3], NULL, 10),
			    strtoull(argv[4], NULL, 10));
	if (argc > 1)
		first = last = strtoull(argv[1], NULL, 10);
	if (argc > 2)
		last = strtoull(argv[2], NULL, 10);
	return cmocka_run_group_tests(tests, setup, teardown);
}
