/* SPDX-License-Identifier: BSD-3-Clause */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "eal.h"
#include "histories.h"

#define MAX_BAD 10

static const struct histories *world;
static uint64_t first = 1, last = 100;

static struct history
play(uint64_t seed)
{
	struct history h = world->play(seed, false, NULL);

	if (!h.good)
		printf("seed %" PRIu64 " fails %s\n    replay it: scripts/soak %s %" PRIu64 "\n",
		       seed, h.fault, world->replay, seed);
	return h;
}

static void
histories_end_with_every_promise_kept(void **state)
{
	uint32_t bad = 0;

	(void)state;
	for (uint64_t seed = first; seed <= last && bad < MAX_BAD; seed++)
		bad += !play(seed).good;
	assert_int_equal(bad, 0);
}

static void
a_seed_gives_the_same_history_twice(void **state)
{
	(void)state;
	for (uint64_t seed = first; seed <= last && seed < first + 3; seed++) {
		struct history once = play(seed), again = play(seed);

		assert_true(once.good && again.good);
		assert_int_equal(once.digest, again.digest);
	}
}

static int
setup(void **state)
{
	(void)state;
	test_eal_init();
	return world->start();
}

static int
teardown(void **state)
{
	(void)state;
	world->stop();
	return 0;
}

static int
replay(uint64_t seed, const char *capture)
{
	uint64_t histories, segments;
	struct history h;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (setup(NULL) != 0)
		return 1;
	h = world->play(seed, true, capture);
	world->so_far(&histories, &segments);
	printf("seed %" PRIu64 ": %s; %u steps, %.3f s of time, %" PRIu64 " segments\n", seed,
	       h.good ? "ends well" : h.fault, h.steps, (double)h.ns / 1e9, segments);
	if (capture != NULL)
		printf("capture: %s\n", capture);
	world->stop();
	return !h.good;
}

static int
soak(uint64_t seconds, uint64_t seed, uint64_t stride)
{
	time_t start = time(NULL), said = start;
	uint64_t bad = 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (setup(NULL) != 0)
		return 1;
	for (; (uint64_t)(time(NULL) - start) < seconds && bad < MAX_BAD; seed += stride) {
		bad += !play(seed).good;
		if (time(NULL) - said >= 5) {
			uint64_t histories, segments;

			said = time(NULL);
			world->so_far(&histories, &segments);
			printf("so far: %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", histories, segments,
			       bad);
		}
	}
	world->print_sums();
	world->stop();
	return bad != 0;
}

static uint64_t
number(const char *text)
{
	return strtoull(text, NULL, 10);
}

int
histories_main(const struct histories *h, int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(histories_end_with_every_promise_kept),
		cmocka_unit_test(a_seed_gives_the_same_history_twice),
	};

	world = h;
	if (argc > 2 && strcmp(argv[1], "--replay") == 0)
		return replay(number(argv[2]), argc > 3 && h->captures ? argv[3] : NULL);
	if (argc > 4 && strcmp(argv[1], "--soak") == 0)
		return soak(number(argv[2]), number(argv[3]), number(argv[4]));
	if (argc > 1)
		first = last = number(argv[1]);
	if (argc > 2)
		last = number(argv[2]);
	return cmocka_run_group_tests(tests, setup, teardown);
}
