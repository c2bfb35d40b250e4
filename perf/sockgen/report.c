/* SPDX-License-Identifier: BSD-3-Clause */
/* Keys of JSON are those of pktgen's result where they say the same. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <rte_common.h>

#include "figures.h"
#include "now.h"
#include "report.h"

static double
rate(const struct gen *g, uint64_t n)
{
	return figures_rate(n, g->to.now - g->from.now);
}

static double
busy(const struct gen *g)
{
	return RTE_MIN(1.0, figures_share(g->busy_ns, g->to.now - g->from.now));
}

static void
print_settings(FILE *f, const struct options *o)
{
	fprintf(f,
		"  \"settings\": {\"connections\": %u, \"brokers\": %u, \"qos\": %u, \"rate\": "
		"%" PRIu64 ", \"window\": %u, \"inflight\": %u, \"payload\": %u, \"per_segment\": ",
		o->connections, o->brokers, o->qos, o->rate, o->window, o->inflight,
		o->size[0].bytes);
	if (o->per_segment == OPTIONS_FULL)
		fprintf(f, "\"full\"},\n");
	else
		fprintf(f, "%u},\n", o->per_segment);
}

static void
print_json(FILE *f, const void *of)
{
	const struct gen *g = of;
	const struct order_counts n = brokers_counts(&g->brokers);

	fprintf(f, "{\n  \"clean\": %s,\n  \"failure\": \"%s\",\n", gen_clean(g) ? "true" : "false",
		g->failure != NULL ? g->failure : "");
	print_settings(f, &g->a->o);
	fprintf(f,
		"  \"seconds\": %.4f,\n  \"connect_seconds\": %.3f,\n  \"connected\": %u,\n"
		"  \"sent_per_second\": %.0f,\n  \"delivered_per_second\": %.0f,\n"
		"  \"window_full_share\": %.3f,\n  \"behind_us\": %.1f,\n"
		"  \"generator_busy_share\": %.3f,\n  \"lost\": %" PRIu64 ",\n",
		(double)(g->to.now - g->from.now) / NOW_S, g->connect_s, g->clients.up,
		rate(g, g->sent), rate(g, g->brokers.measured),
		figures_share(g->full_turns, g->turns), (double)g->behind / 1000, busy(g),
		gen_lost(g));
	figures_order_json(f, &n);
	figures_latency_json(f, "latency_us", &g->brokers.latency);
	fprintf(f,
		"  \"devices\": {\"messages\": %" PRIu64 ", \"settled\": %" PRIu64
		", \"refused\": %" PRIu64 ", \"broken\": %" PRIu64 ", \"strange\": %" PRIu64 "},\n",
		g->clients.messages, g->clients.settled, g->clients.refused, g->clients.broken,
		g->clients.strange);
	cost_print(f, &g->from, &g->to, g->a);
	fprintf(f, "  \"sink\": {");
#define REPORT_COUNT(name, text)                                                                   \
	fprintf(f, "%s\"" #name "\": %" PRIu64, strcmp(#name, "connects") != 0 ? ", " : "",        \
		g->brokers.count.name);
	BROKER_COUNTERS(REPORT_COUNT)
#undef REPORT_COUNT
	fprintf(f, "},\n  \"brokers\": [");
	for (uint32_t i = 0; i < g->a->o.brokers; i++)
		fprintf(f, "%s%" PRIu64, i > 0 ? ", " : "", g->brokers.broker[i].messages);
	fprintf(f, "]\n}\n");
}

static void
print_words(FILE *f, const struct gen *g)
{
	const struct order_counts n = brokers_counts(&g->brokers);

	if (g->failure != NULL)
		fprintf(f, "ended early: %s\n", g->failure);
	fprintf(f, "%.0f messages/s sent, %.0f/s delivered; %u connected in %.2f s\n",
		rate(g, g->sent), rate(g, g->brokers.measured), g->clients.up, g->connect_s);
	figures_latency_words(f, "latency", &g->brokers.latency);
	fprintf(f, "%" PRIu64 " lost", gen_lost(g));
	figures_order_words(f, &n);
	fprintf(f, ", %" PRIu64 " corrupt: %s\n", g->brokers.count.corrupt,
		gen_clean(g) ? "clean" : "NOT CLEAN");
}

int
report_gen(const struct gen *g)
{
	const char *path = g->a->o.json;
	bool out = path != NULL && strcmp(path, "-") == 0;

	print_words(out ? stderr : stdout, g);
	return path != NULL ? figures_write(path, print_json, g) : 0;
}
