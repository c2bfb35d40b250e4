/* SPDX-License-Identifier: BSD-3-Clause */
/* Seeded histories of deliveries; world.h says what is in one, histories.h how it is called. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include <rte_log.h>

#include <pubwire/base/log.h>

#include "histories.h"
#include "world.h"

static struct world world;
static struct tally tally;

static int
start(void)
{
	pw_log_init();
	rte_log_set_level_pattern("pubwire.*", RTE_LOG_CRIT);
	return world_start(&world);
}

static void
stop(void)
{
	/* Nearly every one with devices that send runs has some. */
	if (tally.histories >= 50)
		assert_true(tally.grouped > tally.histories);
	world_stop(&world);
}

static struct history
play(uint64_t seed, bool aloud, const char *capture)
{
	bool good;

	(void)capture;
	if (aloud) {
		rte_log_set_level_pattern("pubwire.*", RTE_LOG_DEBUG);
		rte_openlog_stream(stdout);
	}
	good = world_play(&world, seed, aloud, &tally);
	return (struct history){
		.good = good,
		.fault = world.fault,
		.digest = world.digest,
		.steps = world.steps,
		.ns = world.now - world.began,
	};
}

static void
so_far(uint64_t *histories, uint64_t *segments)
{
	*histories = tally.histories;
	*segments = tally.segments;
}

static void
print_sums(void)
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

int
main(int argc, char **argv)
{
	const struct histories deliveries = {
		.replay = "--replay-delivery",
		.start = start,
		.stop = stop,
		.play = play,
		.so_far = so_far,
		.print_sums = print_sums,
	};

	return histories_main(&deliveries, argc, argv);
}
