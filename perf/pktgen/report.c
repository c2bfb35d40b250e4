/* SPDX-License-Identifier: BSD-3-Clause */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "figures.h"
#include "report.h"

void
report_progress(const struct run *r)
{
	static uint64_t due, sent, came;
	const uint64_t *m = &r->devices.count.messages, *k = &r->sink.count.messages;

	if (r->o->quiet || r->now < due)
		return;
	if (due != 0)
		fprintf(stderr,
			"pktgen: %-34s %8u connected, %9" PRIu64 " sent/s, %9" PRIu64
			" delivered/s, %6" PRIu64 " on their way\n",
			run_phase_str(r->phase), r->devices.nb_up, *m - sent, *k - came,
			*m * run_copies(r) - RTE_MIN(*k, *m * run_copies(r)));
	due = r->now + CLOCK_S;
	sent = *m;
	came = *k;
}

void
report_phase(const struct run *r)
{
	fprintf(stderr, "pktgen: begins: %s\n", run_phase_str(r->phase));
}

bool
report_clean(const struct run *r)
{
	const struct order_counts n = sink_counts(&r->sink);
	const struct sink_counters *k = &r->sink.count;

	/* QoS 1 may come twice, but then it says so. */
	return r->failure[0] == '\0' && run_lost(r) == 0 && n.late == 0 && n.stale == 0 &&
	       n.duplicate <= (r->o->qos == 1 ? k->marked_dup : 0) && k->corrupt == 0 &&
	       k->wrong_qos == 0 && k->strange == 0 && r->devices.count.strange == 0 &&
	       (r->o->qos == 0 || r->devices.count.settled == r->devices.count.messages);
}

static void
print_table(FILE *f, const char *name, const void *counters, const struct pw_counter_desc *d)
{
	fprintf(f, "  \"%s\": {", name);
	for (uint32_t i = 0; d[i].name != NULL; i++)
		fprintf(f, "%s\"%s\": %" PRIu64, i > 0 ? ", " : "", d[i].name,
			pw_counter_read(counters, i));
	fprintf(f, "},\n");
}

static void
print_settings(FILE *f, const struct options *o)
{
	fprintf(f,
		"  \"settings\": {\"tcp\": \"%s\", \"connections\": %u, \"brokers\": %u, "
		"\"fanout\": \"%s\", "
		"\"protocol\": \"%s\", \"qos\": %u, \"rate\": %" PRIu64
		", \"window\": %u, \"inflight\": %u, \"per_segment\": ",
		o->light ? "light" : "full", o->connections, o->brokers,
		o->fanout_one ? "one" : "all", o->version == 5 ? "5.0" : "3.1.1", o->qos, o->rate,
		o->window, o->inflight);
	if (o->per_segment == OPTIONS_FULL)
		fprintf(f, "\"full\"");
	else
		fprintf(f, "%u", o->per_segment);
	fprintf(f,
		", \"churn\": %u, \"silent\": %u, \"slow\": %u, \"keepalive\": %u, \"payload\": [",
		o->churn, o->silent, o->slow, o->keepalive);
	for (uint32_t i = 0; i < o->nb_sizes; i++)
		fprintf(f, "%s{\"bytes\": %u, \"weight\": %u}", i > 0 ? ", " : "", o->size[i].bytes,
			o->size[i].weight);
	fprintf(f, "]},\n");
}

static void
print_json(FILE *f, const void *of)
{
	const struct run *r = of;
	const struct order_counts n = sink_counts(&r->sink);

	fprintf(f, "{\n  \"clean\": %s,\n  \"failure\": \"%s\",\n",
		report_clean(r) ? "true" : "false", r->failure);
	print_settings(f, r->o);
	fprintf(f,
		"  \"seconds\": %.3f,\n  \"connect_seconds\": %.3f,\n  \"connected\": %u,\n"
		"  \"sent_per_second\": %.0f,\n  \"delivered_per_second\": %.0f,\n"
		"  \"window_full_share\": %.3f,\n  \"behind_us\": %.1f,\n"
		"  \"generator_busy_share\": %.3f,\n",
		(double)r->measured_ns / CLOCK_S, r->connect_s, r->peak_up,
		figures_rate(r->sent, r->measured_ns),
		figures_rate(r->sink.measured, r->measured_ns),
		figures_share(r->full_turns, r->turns), (double)r->behind / 1000,
		figures_share(r->busy_cycles, r->total_cycles));
	fprintf(f, "  \"lost\": %" PRIu64 ",\n", run_lost(r));
	figures_order_json(f, &n);
	figures_latency_json(f, "latency_us", &r->sink.latency);
	if (r->o->qos > 0)
		figures_latency_json(f, "puback_us", &r->devices.puback);
	print_table(f, "devices", &r->devices.count, device_counters_desc);
	print_table(f, "sink", &r->sink.count, sink_counters_desc);
	print_table(f, "devices_port", &r->devices_net.n, net_counters_desc);
	print_table(f, "brokers_port", &r->brokers_net.n, net_counters_desc);
	if (r->devices.lite != NULL)
		print_table(f, "devices_tcp", lite_counters(r->devices.lite), lite_counters_desc);
	else
		print_table(f, "devices_tcp", pw_tcp_counters(r->devices_tcp),
			    pw_tcp_counters_desc);
	print_table(f, "brokers_tcp", pw_tcp_counters(r->brokers_tcp), pw_tcp_counters_desc);
	fprintf(f, "  \"brokers\": [");
	for (uint32_t b = 0; b < r->o->brokers; b++)
		fprintf(f, "%s%" PRIu64, b > 0 ? ", " : "", r->sink.broker[b].messages);
	fprintf(f, "]\n}\n");
}

/* As HdrHistogram prints it, in microseconds, so that its plotter draws it. */
static void
print_percentiles(FILE *f, const struct pw_hist *h)
{
	uint64_t sum = 0;

	fprintf(f, "%12s %14s %10s %14s\n\n", "Value", "Percentile", "TotalCount",
		"1/(1-Percentile)");
	for (uint32_t i = 0; i < PW_HIST_BUCKETS; i++) {
		double p, value;

		if (h->bucket[i] == 0)
			continue;
		sum += h->bucket[i];
		p = (double)sum / (double)h->count;
		value = (double)RTE_MIN(pw_hist_edge(i), h->max) / 1000;
		fprintf(f, "%12.3f %14.12f %10" PRIu64, value, p, sum);
		if (sum < h->count)
			fprintf(f, " %14.2f\n", 1 / (1 - p));
		else
			fprintf(f, "\n");
	}
	fprintf(f, "#[Mean    = %12.3f, StdDeviation   = %12s]\n",
		h->count > 0 ? (double)h->sum / (double)h->count / 1000 : 0, "unknown");
	fprintf(f, "#[Max     = %12.3f, Total count    = %12" PRIu64 "]\n", (double)h->max / 1000,
		h->count);
	fprintf(f, "#[Buckets = %12d, SubBuckets     = %12d]\n", 40 - PW_HIST_SUB_BITS + 1,
		1 << PW_HIST_SUB_BITS);
}

static void
print_latency(FILE *f, const void *of)
{
	const struct run *r = of;

	print_percentiles(f, &r->sink.latency);
}

static void
print_puback(FILE *f, const void *of)
{
	const struct run *r = of;

	print_percentiles(f, &r->devices.puback);
}

static void
print_words(FILE *f, const struct run *r)
{
	const struct order_counts n = sink_counts(&r->sink);

	if (r->failure[0] != '\0')
		fprintf(f, "ended early: %s\n", r->failure);
	fprintf(f, "%.0f messages/s sent, %.0f/s delivered, over %.2f s; %u connected in %.2f s\n",
		figures_rate(r->sent, r->measured_ns),
		figures_rate(r->sink.measured, r->measured_ns), (double)r->measured_ns / CLOCK_S,
		r->peak_up, r->connect_s);
	figures_latency_words(f, "latency", &r->sink.latency);
	if (r->o->qos > 0)
		figures_latency_words(f, r->o->qos == 1 ? "until PUBACK" : "until PUBCOMP",
				      &r->devices.puback);
	fprintf(f, "%" PRIu64 " lost", run_lost(r));
	figures_order_words(f, &n);
	fprintf(f, ", %" PRIu64 " corrupt, %" PRIu64 " marked DUP: %s\n", r->sink.count.corrupt,
		r->sink.count.marked_dup, report_clean(r) ? "clean" : "NOT CLEAN");
	fprintf(f, "generator busy %.0f %%, %s in %.0f %% of its turns\n",
		100 * figures_share(r->busy_cycles, r->total_cycles),
		r->o->rate == 0 ? "its window full" : "held up",
		100 * figures_share(r->full_turns, r->turns));
}

static void
print_slots(FILE *f, const void *what)
{
	const struct run *r = what;

	slots_print(f, r->sink.slots);
}

int
report_result(const struct run *r)
{
	const struct {
		const char *path;
		void (*print)(FILE *, const void *);
	} file[] = {
		{r->o->json, print_json},
		{r->o->percentiles, print_latency},
		{r->o->puback_percentiles, print_puback},
		{r->o->slots, print_slots},
	};
	bool json_out = r->o->json != NULL && strcmp(r->o->json, "-") == 0;
	int rc = 0;

	print_words(json_out ? stderr : stdout, r);
	for (uint32_t i = 0; i < RTE_DIM(file); i++) {
		if (file[i].path != NULL && figures_write(file[i].path, file[i].print, r) < 0)
			rc = -1;
	}
	return rc;
}
