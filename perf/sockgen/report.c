/* SPDX-License-Identifier: BSD-3-Clause */
/* Keys of JSON are those of pktgen's result where they say the same. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <rte_common.h>

#include "now.h"
#include "report.h"

static const uint32_t quantile[] = {5000, 9000, 9900, 9990, 10000};
static const char *const quantile_name[] = {"p50", "p90", "p99", "p99_9", "max"};

static double
rate(const struct gen *g, uint64_t n)
{
	uint64_t ns = g->to.now - g->from.now;

	return ns == 0 ? 0 : (double)n * NOW_S / (double)ns;
}

static double
busy(const struct gen *g)
{
	uint64_t ns = g->to.now - g->from.now;

	return ns == 0 ? 0 : RTE_MIN(1.0, (double)g->busy_ns / (double)ns);
}

static double
full(const struct gen *g)
{
	return g->turns == 0 ? 0 : (double)g->full_turns / (double)g->turns;
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
print_json(FILE *f, const struct gen *g)
{
	const struct order_counts n = brokers_counts(&g->brokers);
	const struct pw_hist *h = &g->brokers.latency;

	fprintf(f, "{\n  \"clean\": %s,\n  \"failure\": \"%s\",\n", gen_clean(g) ? "true" : "false",
		g->failure != NULL ? g->failure : "");
	print_settings(f, &g->a->o);
	fprintf(f,
		"  \"seconds\": %.4f,\n  \"connect_seconds\": %.3f,\n  \"connected\": %u,\n"
		"  \"sent_per_second\": %.0f,\n  \"delivered_per_second\": %.0f,\n"
		"  \"window_full_share\": %.3f,\n  \"behind_us\": %.1f,\n"
		"  \"generator_busy_share\": %.3f,\n  \"lost\": %" PRIu64 ",\n  \"order\": {",
		(double)(g->to.now - g->from.now) / NOW_S, g->connect_s, g->clients.up,
		rate(g, g->sent), rate(g, g->brokers.measured), full(g), (double)g->behind / 1000,
		busy(g), gen_lost(g));
#define REPORT_ORDER(name, text)                                                                   \
	fprintf(f, "%s\"" #name "\": %" PRIu64, strcmp(#name, "missing") != 0 ? ", " : "", n.name);
	ORDER_COUNTS(REPORT_ORDER)
#undef REPORT_ORDER
	fprintf(f, "},\n  \"latency_us\": {\"count\": %" PRIu64, h->count);
	for (uint32_t i = 0; i < RTE_DIM(quantile); i++)
		fprintf(f, ", \"%s\": %.1f", quantile_name[i],
			(double)pw_hist_quantile(h, quantile[i]) / 1000);
	fprintf(f,
		"},\n  \"devices\": {\"messages\": %" PRIu64 ", \"settled\": %" PRIu64
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
	const struct pw_hist *h = &g->brokers.latency;
	const struct order_counts n = brokers_counts(&g->brokers);

	if (g->failure != NULL)
		fprintf(f, "ended early: %s\n", g->failure);
	fprintf(f, "%.0f messages/s sent, %.0f/s delivered; %u connected in %.2f s\n",
		rate(g, g->sent), rate(g, g->brokers.measured), g->clients.up, g->connect_s);
	fprintf(f, "latency of %" PRIu64 " messages, us:", h->count);
	for (uint32_t i = 0; i < RTE_DIM(quantile); i++)
		fprintf(f, " %s %.1f", quantile_name[i],
			(double)pw_hist_quantile(h, quantile[i]) / 1000);
	fprintf(f, "\n%" PRIu64 " lost", gen_lost(g));
#define REPORT_WORDS(name, text) fprintf(f, ", %" PRIu64 " " #name, n.name);
	ORDER_COUNTS(REPORT_WORDS)
#undef REPORT_WORDS
	fprintf(f, ", %" PRIu64 " corrupt: %s\n", g->brokers.count.corrupt,
		gen_clean(g) ? "clean" : "NOT CLEAN");
}

int
report_gen(const struct gen *g)
{
	const char *name = g->a->o.json;
	bool out = name != NULL && strcmp(name, "-") == 0;
	FILE *f = out ? stdout : NULL;

	print_words(out ? stderr : stdout, g);
	if (name == NULL)
		return 0;
	if (!out)
		f = fopen(name, "w");
	if (f != NULL)
		print_json(f, g);
	if (f == NULL || ferror(f) || (out ? fflush(f) : fclose(f)) != 0) {
		fprintf(stderr, "sockgen: %s: %s\n", name, strerror(errno));
		return -1;
	}
	return 0;
}
