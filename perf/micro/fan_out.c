/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A message through a whole worker by the number of brokers that get it: what the session does
 * (frame, decode, route, append), what the cursors do that pull it into the brokers' send queues,
 * and all of it, TCP both ways and the answers included. QoS 1, 32 devices with a message each,
 * which its device is told of once all brokers have answered. Payloads are in the cache, as the far
 * end has just written them. perf/micro_forward shows more of the same.
 */
#include <string.h>

#include "micro.h"
#include "world.h"

#define FANS	4 /* 1, 2, 4, 8 brokers */
#define DEVICES MICRO_BURST
#define WARM	16

struct way {
	struct micro_figure *session, *pull, *whole;
};

static struct way way[FANS][RTE_DIM(micro_sizes)];

static double
sum(const uint64_t *cycles, uint32_t n)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < n; i++)
		sum += cycles[i];
	return (double)sum;
}

static void
measure(const struct way *w, uint32_t size)
{
	bench_payload(size);
	for (uint32_t i = 0; i < micro_options.rounds; i++) {
		const uint64_t(*part)[BENCH_NB_PARTS] = bench_cycles.part;

		memset(&bench_cycles, 0, sizeof(bench_cycles));
		bench_round();
		micro_round_cycles(w->session, (double)part[BENCH_PUBLISH][BENCH_DISPATCH]);
		micro_round_cycles(w->pull, (double)part[BENCH_PUBLISH][BENCH_POLL]);
		micro_round_cycles(w->whole, sum(part[0], BENCH_LEGS * BENCH_NB_PARTS));
	}
	micro_repetition(w->session);
	micro_repetition(w->pull);
	micro_repetition(w->whole);
}

static struct micro_figure *
figure(const char *name, uint32_t fan, uint32_t size)
{
	return micro_figure(name, "message", "warm", size, DEVICES, "%u broker%s", 1u << fan,
			    fan > 0 ? "s" : "");
}

void
micro_fan_out(void)
{
	struct bench_conf conf = {
		.devices = DEVICES, .batch = 1, .version = 4, .qos = 1, .payload = 64};

	for (uint32_t k = 0; k < FANS; k++) {
		for (uint32_t i = 0; i < RTE_DIM(micro_sizes); i++) {
			way[k][i].session = figure("session", k, micro_sizes[i]);
			way[k][i].pull = figure("cursor-pull", k, micro_sizes[i]);
			way[k][i].whole = figure("message", k, micro_sizes[i]);
		}
	}
	bench_memory(8191);
	for (uint32_t r = 0; r < micro_options.repeat; r++) {
		for (uint32_t k = 0; k < FANS; k++) {
			conf.brokers = 1u << k;
			bench_start(&conf);
			for (uint32_t i = 0; i < WARM; i++)
				bench_round();
			for (uint32_t i = 0; i < RTE_DIM(micro_sizes); i++)
				measure(&way[k][i], micro_sizes[i]);
			bench_stop();
		}
	}
	bench_fini();
}
