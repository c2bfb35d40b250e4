/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Seeded histories of a simulated world; world.h says what is in one.
 *
 *     test_sim_histories FIRST LAST              a range of seeds, as a test
 *     test_sim_histories --replay SEED [FILE]    one seed, every segment printed, a capture in FILE
 *     test_sim_histories --soak SECONDS FIRST    fresh seeds, one after the other, a line at the
 * end
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

#include "eal.h"
#include "world.h"

#define MAX_BAD		  10

#define END_NAME(e, text) #e,
static const char *const end_name[] = {PW_TCP_ENDS(END_NAME)};
#undef END_NAME

static struct world world;
static struct tally tally;
static uint64_t first = 1, last = 100;

static bool
play(uint64_t seed)
{
	bool good = world_play(&world, seed, false, NULL, &tally);

	if (!good)
		printf("seed %" PRIu64 " fails %s\n    replay it: scripts/soak --replay %" PRIu64
		       "\n",
		       seed, world.fault, seed);
	return good;
}

static void
histories_end_with_every_rule_kept(void **state)
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
	uint64_t digest;

	(void)state;
	for (uint64_t seed = first; seed <= last && seed < first + 3; seed++) {
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
replay(uint64_t seed, const char *trace)
{
	bool good;

	if (setup(NULL) != 0)
		return 1;
	good = world_play(&world, seed, true, trace, &tally);
	printf("seed %" PRIu64 ": %s; %u steps, %.3f s of time, %" PRIu64 " segments\n", seed,
	       good ? "ends well" : world.fault, world.steps, (double)world.now / 1e9 - 5,
	       tally.segments);
	if (trace != NULL)
		printf("capture: %s\n", trace);
	world_stop(&world);
	return !good;
}

/* Lines that scripts/soak adds up over its processes. */
static void
print_tally(void)
{
	const struct pw_tcp_counters *n = &tally.tcp;

#define SUM(name, value) printf("sum %s %" PRIu64 "\n", name, (uint64_t)(value))
	SUM("histories", tally.histories);
	SUM("connections", tally.conns);
	SUM("connections_ipv6", tally.v6);
	SUM("frames", tally.frames);
	SUM("segments", tally.segments);
	SUM("bytes_delivered", tally.bytes);
	SUM("frames_lost", tally.lost);
	SUM("frames_duplicated", tally.duplicated);
	SUM("frames_corrupted", tally.corrupted);
	SUM("frames_forged", tally.forged);
	SUM("retransmits", n->retransmits);
	SUM("fast_recoveries", n->fast_retransmits);
	SUM("timeouts_rto", n->rto_fired);
	SUM("window_probes", n->zero_window_probes);
	SUM("keepalive_probes", n->keepalive_probes);
	SUM("out_of_order", n->ooo_in);
	SUM("challenges", n->challenge_acks);
	SUM("refused_paws", n->drop_paws);
	SUM("wrong_checksums", tally.wire.drop_l4_cksum + tally.wire.drop_ip_cksum);
	SUM("no_buffer", n->drop_tx_no_buffer);
	for (uint32_t i = 0; i < RTE_DIM(tally.states); i++) {
		char name[40];

		snprintf(name, sizeof(name), "in_%s", pw_tcp_state_str((enum pw_tcp_state)i));
		if (tally.states[i] != 0)
			SUM(name, tally.states[i]);
	}
	for (uint32_t i = 0; i < RTE_DIM(tally.ends); i++) {
		char name[40];

		snprintf(name, sizeof(name), "end_%s", end_name[i]);
		if (tally.ends[i] != 0)
			SUM(name, tally.ends[i]);
	}
#undef SUM
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
		cmocka_unit_test(histories_end_with_every_rule_kept),
		cmocka_unit_test(a_seed_gives_the_same_history_twice),
	};

	if (argc > 2 && strcmp(argv[1], "--replay") == 0)
		return replay(strtoull(argv[2], NULL, 10), argc > 3 ? argv[3] : NULL);
	if (argc > 4 && strcmp(argv[1], "--soak") == 0)
		return soak(strtoull(argv[2], NULL, 10), strtoull(argv[3], NULL, 10),
			    strtoull(argv[4], NULL, 10));
	if (argc > 1)
		first = last = strtoull(argv[1], NULL, 10);
	if (argc > 2)
		last = strtoull(argv[2], NULL, 10);
	return cmocka_run_group_tests(tests, setup, teardown);
}
