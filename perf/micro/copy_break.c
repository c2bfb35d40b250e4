/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Copy against reference: cycles of a message through a whole worker, as in fan_out.c, where every
 * frame is copied into the log and where none is. A copy is made once, whatever the number of
 * brokers, and saves each of them a slice and a reference; it costs the more the longer the frame
 * is. Both take turns in the same world, and the ratio is taken of what ran one after the other.
 * The size from which on a reference takes fewer cycles is where the copy-break belongs (limits:
 * copy_break), as far as cycles are concerned.
 */
#include <string.h>

#include "micro.h"
#include "world.h"

#define FANS	4 /* 1, 2, 4, 8 brokers */
#define SIZES	11
#define DEVICES MICRO_BURST
#define WARM	16
#define BOTH	2

/* crossing() names some of them. */
static const uint32_t sizes[SIZES] = {64, 128, 256, 384, 512, 640, 768, 1024, 1280, 2048, 4096};

static struct micro_figure *curve[FANS][SIZES][BOTH]; /* reference, copy */

static double
whole(void)
{
	uint64_t sum = 0;

	memset(&bench_cycles, 0, sizeof(bench_cycles));
	bench_round();
	for (uint32_t l = 0; l < BENCH_LEGS; l++) {
		for (uint32_t p = 0; p < BENCH_NB_PARTS; p++)
			sum += bench_cycles.part[l][p];
	}
	return (double)sum;
}

static void
measure(struct micro_figure **f, uint32_t size)
{
	uint32_t rounds = (micro_options.rounds + 1) / 2;

	bench_payload(size);
	for (uint32_t i = 0; i < rounds; i++) {
		for (uint32_t copy = 0; copy < BOTH; copy++) {
			bench_copy_break(copy ? UINT32_MAX : 0);
			micro_round_cycles(f[copy], whole());
		}
	}
	for (uint32_t copy = 0; copy < BOTH; copy++)
		micro_repetition(f[copy]);
}

/* A copy's cycles by a reference's, the median of the repetitions. */
static double
ratio(struct micro_figure **f)
{
	double v[MICRO_MAX_REPEAT];

	for (uint32_t r = 0; r < f[0]->nb_repeat; r++)
		v[r] = f[1]->repetition[r] / f[0]->repetition[r];
	return micro_stats(v, f[0]->nb_repeat).median;
}

/* Where they take the same, between two sizes in proportion. */
static void
crossing(uint32_t fan)
{
	double r[SIZES];
	uint32_t i = 0;
	char even[64];

	for (uint32_t k = 0; k < SIZES; k++)
		r[k] = ratio(curve[fan][k]);
	while (i < SIZES && r[i] < 1)
		i++;
	if (i == SIZES)
		snprintf(even, sizeof(even), "not even up to %u bytes", sizes[SIZES - 1]);
	else if (i == 0)
		snprintf(even, sizeof(even), "even below %u bytes", sizes[0]);
	else
		snprintf(even, sizeof(even), "even at about %.0f bytes of payload",
			 sizes[i - 1] +
				 (1 - r[i - 1]) / (r[i] - r[i - 1]) * (sizes[i] - sizes[i - 1]));
	micro_note("%u broker%s: %s; a copy takes %.0f %% of a reference's cycles at 64 bytes, "
		   "%.0f at 256, %.0f at 512, %.0f at 1024, %.0f at 4096",
		   1u << fan, fan > 0 ? "s" : "", even, 100 * r[0], 100 * r[2], 100 * r[4],
		   100 * r[7], 100 * r[10]);
}

void
micro_copy_break(void)
{
	struct bench_conf conf = {
		.devices = DEVICES, .batch = 1, .version = 4, .qos = 1, .payload = 64};

	for (uint32_t k = 0; k < FANS; k++) {
		for (uint32_t i = 0; i < SIZES; i++) {
			for (uint32_t copy = 0; copy < BOTH; copy++)
				curve[k][i][copy] =
					micro_figure(copy ? "by-copy" : "by-reference", "message",
						     "warm", sizes[i], DEVICES, "%u broker%s",
						     1u << k, k > 0 ? "s" : "");
		}
	}
	bench_memory(8191);
	for (uint32_t r = 0; r < micro_options.repeat; r++) {
		for (uint32_t k = 0; k < FANS; k++) {
			conf.brokers = 1u << k;
			bench_start(&conf);
			for (uint32_t i = 0; i < WARM; i++)
				bench_round();
			for (uint32_t i = 0; i < SIZES; i++)
				measure(curve[k][i], sizes[i]);
			bench_stop();
		}
	}
	for (uint32_t k = 0; k < FANS; k++)
		crossing(k);
	bench_fini();
}
