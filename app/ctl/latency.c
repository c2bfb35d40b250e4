/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Percentiles, and the text that plotters of HdrHistogram read: a line for each of five steps in
 * every halving of the distance to 100 %.
 */

#include <math.h>
#include <string.h>

#include "view.h"

#define STEPS 5

static double seconds;
static bool hgrm;
static const char *qos = "";

static const struct ctl_option options[] = {
	{"seconds", 's', CTL_SECONDS, &seconds},
	{"hgrm", 0, CTL_FLAG, &hgrm},
	{"qos", 'q', CTL_TEXT, &qos},
	{0},
};

static void
moments(const struct pw_hist *h, double *mean, double *deviation, uint64_t *count)
{
	double sum = 0, squares = 0;

	*count = 0;
	for (uint32_t b = 0; b < PW_HIST_BUCKETS; b++) {
		double v = (double)(pw_hist_edge(b) < h->max ? pw_hist_edge(b) : h->max) / 1e3;

		*count += h->bucket[b];
		sum += (double)h->bucket[b] * v;
		squares += (double)h->bucket[b] * v * v;
	}
	*mean = *count > 0 ? sum / (double)*count : 0;
	*deviation = *count > 0 ? sqrt(fmax(0, squares / (double)*count - *mean * *mean)) : 0;
}

/* Values in microseconds. */
static void
put_hgrm(const struct pw_hist *h, FILE *out)
{
	double mean, deviation, percent = 0;
	uint64_t count, seen = 0;
	uint32_t b = 0;

	moments(h, &mean, &deviation, &count);
	fprintf(out, "%12s %14s %10s %14s\n\n", "Value", "Percentile", "TotalCount",
		"1/(1-Percentile)");
	while (count > 0) {
		double share = percent / 100, value, ticks;
		uint64_t rank = (uint64_t)ceil(share * (double)count);

		for (; b < PW_HIST_BUCKETS && seen + h->bucket[b] < (rank > 0 ? rank : 1); b++)
			seen += h->bucket[b];
		value = (double)(pw_hist_edge(b) < h->max ? pw_hist_edge(b) : h->max) / 1e3;
		/* With all of them below, the line is that of 100 %. */
		if (seen + h->bucket[b] == count) {
			fprintf(out, "%12.3f %14.12f %10lu\n", value, 1.0, (unsigned long)count);
			break;
		}
		fprintf(out, "%12.3f %14.12f %10lu %14.2f\n", value, share,
			(unsigned long)(seen + h->bucket[b]), 1 / (1 - share));
		ticks = STEPS * exp2(floor(log2(100 / (100 - percent))) + 1);
		percent += 100 / ticks;
	}
	fprintf(out, "#[Mean    = %12.3f, StdDeviation   = %12.3f]\n", mean, deviation);
	fprintf(out, "#[Max     = %12.3f, Total count    = %12lu]\n",
		count > 0 ? (double)h->max / 1e3 : 0, (unsigned long)count);
	fprintf(out, "#[Buckets = %12u, SubBuckets     = %12u]\n",
		PW_HIST_BUCKETS >> PW_HIST_SUB_BITS, 1u << PW_HIST_SUB_BITS);
}

/* Since the start, or of the time that was asked for. */
static int
read_histogram(struct ctl *c, struct pw_hist h[2])
{
	static struct pw_hist before[2];

	for (uint32_t q = 0; seconds > 0 && q < 2; q++)
		if (ctl_ask_histogram(c, q, &before[q]) != CTL_OK)
			return CTL_FAILED;
	if (seconds > 0)
		ctl_sleep(seconds);
	for (uint32_t q = 0; q < 2; q++) {
		if (ctl_ask_histogram(c, q, &h[q]) != CTL_OK)
			return CTL_FAILED;
		if (seconds > 0)
			ctl_hist_since(&h[q], &before[q]);
	}
	return CTL_OK;
}

static void
put(struct ctl *c, const json_t *doc)
{
	static const char *const head[] = {"",	   ">messages", ">p50", ">p90",
					   ">p99", ">p99.9",	">max", NULL};
	static const char *const key[] = {"p50_ns", "p90_ns", "p99_ns", "p99_9_ns", "max_ns"};
	struct ctl_table t;

	ctl_table_begin(&t, head);
	for (uint32_t q = 0; q < 2; q++) {
		const json_t *o = json_object_get(doc, q == 0 ? "qos0" : "qos1");

		if (o == NULL)
			continue;
		ctl_table_row(&t);
		ctl_cell(&t, CTL_PLAIN, "%s", q == 0 ? "QoS 0" : "QoS 1, 2");
		ctl_cell(&t, CTL_PLAIN, "%s", ctl_whole(ctl_u64(o, "count")));
		for (size_t i = 0; i < sizeof(key) / sizeof(key[0]); i++)
			ctl_cell(&t, CTL_PLAIN, "%s",
				 ctl_u64(o, "count") > 0 ? ctl_ns((double)ctl_u64(o, key[i]))
							 : "-");
	}
	ctl_table_end(c, &t, stdout, -1);
	if (seconds > 0)
		printf("of %g s\n", seconds);
	else
		printf("since the start; --seconds N for those of N seconds\n");
}

static int
run(struct ctl *c, char **args, int nb_args)
{
	static struct pw_hist h[2];
	json_t *doc;

	(void)args;
	(void)nb_args;
	if (qos[0] != '\0' && strcmp(qos, "0") != 0 && strcmp(qos, "1") != 0)
		return ctl_fail(c, CTL_USAGE, "--qos: expected 0 or 1 (which includes 2), not '%s'",
				qos);
	if (hgrm && c->json)
		return ctl_fail(c, CTL_USAGE, "--hgrm and --json exclude each other");
	if (read_histogram(c, h) != CTL_OK)
		return CTL_FAILED;
	if (hgrm) {
		put_hgrm(&h[qos[0] == '0' ? 0 : 1], stdout);
		return CTL_OK;
	}
	doc = json_object();
	if (qos[0] != '1')
		json_object_set_new(doc, "qos0", ctl_view_latency(NULL, &h[0]));
	if (qos[0] != '0')
		json_object_set_new(doc, "qos1", ctl_view_latency(NULL, &h[1]));
	if (c->json) {
		json_object_set_new(doc, "seconds", json_real(seconds));
		return ctl_json(c, doc, false);
	}
	put(c, doc);
	json_decref(doc);
	return CTL_OK;
}

const struct ctl_command ctl_cmd_latency = {
	.name = "latency",
	.arguments = "[-s N] [-q 0|1] [--hgrm]",
	.summary = "How long messages take through pubwire, in percentiles",
	.help = "\n"
		"From the arrival of a PUBLISH until it stands in the send queue of every broker\n"
		"that is given it (QoS 0), or until its acknowledgement is queued to the device\n"
		"(QoS 1, 2: the brokers' own time is in it). Readings are at most 3.2 % above\n"
		"what was measured.\n"
		"\n"
		"  -s, --seconds N  of the next N seconds [since the start]\n"
		"  -q, --qos 0|1    only those [both; with --hgrm: 1]\n"
		"      --hgrm       percentiles as text of HdrHistogram (us), for plotters\n",
	.options = options,
	.run = run,
};
