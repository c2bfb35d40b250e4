/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * micro_wait: what devices cost that are not read because the log is full: cycles of a turn of the
 * worker to which nothing has come while they wait, and cycles of a message of theirs once brokers
 * answer again. Two brokers, a log of 1,024 messages, each device has one message of 64 bytes.
 *
 *     micro_wait [-s]      -s: short, to see that it runs
 */
#include <stdio.h>
#include <string.h>

#include <rte_cycles.h>

#include "stats.h"
#include "world.h"

#define EX_USAGE 64
#define LOG	 1024
#define TURNS	 1000
#define REPEAT	 5

/* Cycles a message while brokers answer. */
static uint64_t
release(uint32_t messages)
{
	uint64_t sum = 0;

	memset(&bench_cycles, 0, sizeof(bench_cycles));
	bench_release();
	for (uint32_t l = 0; l < BENCH_LEGS; l++) {
		for (uint32_t p = 0; p < BENCH_NB_PARTS; p++)
			sum += bench_cycles.part[l][p];
	}
	return sum / messages;
}

static void
measure(uint32_t waiting)
{
	static double v[TURNS];
	struct micro_stats turn;
	struct bench_conf c = {.brokers = 2,
			       .devices = LOG + waiting,
			       .batch = 1,
			       .payload = 64,
			       .qos = 1,
			       .version = 4,
			       .log = LOG};
	uint64_t least = UINT64_MAX;

	bench_start(&c);
	for (uint32_t r = 0; r < REPEAT; r++) {
		bench_hold();
		bench_publish();
		for (uint32_t i = 0; i < TURNS; i++)
			v[i] = (double)bench_turn();
		least = RTE_MIN(least, release(c.devices));
	}
	bench_stop();
	turn = micro_stats(v, TURNS);
	printf("%8u %8.0f  (%.0f..%.0f)  %6.1f us %8lu\n", waiting, turn.median, turn.p10, turn.p90,
	       turn.median * 1e6 / (double)rte_get_tsc_hz(), least);
}

int
main(int argc, char **argv)
{
	bool brief = argc == 2 && strcmp(argv[1], "-s") == 0;

	if (argc > 1 && !brief) {
		fprintf(stderr,
			"micro_wait: '%s'; expected -s alone, to see that it runs, or "
			"nothing\n",
			argv[argc > 2 ? 2 : 1]);
		return EX_USAGE;
	}
	bench_init(brief ? 8191 : 131071, brief ? 512 : 2048);
	printf("devices that wait; cycles of a turn, median (tenth and ninetieth percentile); of a "
	       "message once they are read, least of %u\n",
	       REPEAT);
	measure(0);
	measure(1);
	measure(1000);
	if (!brief) {
		measure(10000);
		measure(100000);
	}
	bench_fini();
	return 0;
}
