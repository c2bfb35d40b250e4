/* SPDX-License-Identifier: BSD-3-Clause */
/* A view as a screen of text. */

#include <stdlib.h>
#include <string.h>

#include "view.h"

static const char *sort_key;
static bool sort_text;

static int
compare(const void *a, const void *b)
{
	const json_t *x = *(json_t *const *)a, *y = *(json_t *const *)b;
	double p = ctl_real(x, sort_key), q = ctl_real(y, sort_key);

	if (sort_text)
		return strcmp(ctl_str(x, sort_key), ctl_str(y, sort_key));
	return p < q ? 1 : p > q ? -1 : 0;
}

json_t *
ctl_sorted(const json_t *rows, const char *key, bool text)
{
	json_t *row[256], *out = json_array();
	size_t n = json_array_size(rows);

	/* Brokers, workers and reasons are fewer. */
	if (n > sizeof(row) / sizeof(row[0]))
		return json_incref((json_t *)(uintptr_t)rows);
	for (size_t i = 0; i < n; i++)
		row[i] = json_array_get(rows, i);
	sort_key = key;
	sort_text = text;
	qsort(row, n, sizeof(row[0]), compare);
	for (size_t i = 0; i < n; i++)
		json_array_append(out, row[i]);
	return out;
}

static void
put_head(struct ctl *c, const json_t *view, FILE *out)
{
	const json_t *i = json_object_get(view, "info");
	const char *instance = ctl_str(i, "instance"), *state = ctl_str(i, "state");

	fprintf(out, "%spubwire %s%s", ctl_esc(c, CTL_BOLD), ctl_str(i, "version"),
		ctl_esc(c, CTL_PLAIN));
	if (instance[0] != '\0')
		fprintf(out, " (%s)", instance);
	fprintf(out, ", %s%s%s for %s, PID %lu, DPDK %s\n",
		ctl_esc(c, strcmp(state, "running") == 0 ? CTL_GOOD : CTL_WARN), state,
		ctl_esc(c, CTL_PLAIN), ctl_span(ctl_u64(i, "uptime")),
		(unsigned long)ctl_u64(i, "pid"), ctl_str(i, "dpdk"));
}

static void
put_latency(const json_t *view, const char *qos, const char *label, FILE *out)
{
	const json_t *l = json_object_get(json_object_get(view, "latency"), qos);

	if (ctl_u64(l, "count") == 0) {
		fprintf(out, "%-10s %-8s nothing yet\n", "", label);
		return;
	}
	fprintf(out, "%-10s %-8s p50 %s, p99 %s, max %s%s\n", "", label,
		ctl_ns((double)ctl_u64(l, "p50_ns")), ctl_ns((double)ctl_u64(l, "p99_ns")),
		ctl_ns((double)ctl_u64(l, "max_ns")),
		strcmp(ctl_str(l, "of"), "start") == 0 ? " (since the start: it is quiet)" : "");
}

static void
put_traffic(const json_t *view, FILE *out)
{
	const json_t *t = json_object_get(view, "traffic");

	fprintf(out, "devices    %s connected, %s/s come; %s TCP connections\n",
		ctl_whole(ctl_u64(t, "devices")), ctl_count(ctl_real(t, "connects_per_second")),
		ctl_whole(ctl_u64(t, "tcp_connections")));
	fprintf(out, "messages   %s/s accepted, %s/s acknowledged, %s/s; %s outstanding\n",
		ctl_count(ctl_real(t, "messages_per_second")),
		ctl_count(ctl_real(t, "acknowledged_per_second")),
		ctl_bytes(ctl_real(t, "payload_bytes_per_second")),
		ctl_whole(ctl_u64(t, "outstanding")));
	fprintf(out, "latency\n");
	put_latency(view, "qos0", "QoS 0", out);
	put_latency(view, "qos1", "QoS 1, 2", out);
}

static void
put_workers(struct ctl *c, const json_t *workers, FILE *out, int max)
{
	static const char *const head[] = {"worker",   ">lcore",     "role", ">busy",
					   ">devices", ">TCP conns", NULL};
	struct ctl_table t;
	json_t *w;
	size_t i;

	ctl_table_begin(&t, head);
	json_array_foreach (workers, i, w) {
		double busy = ctl_real(w, "busy");

		ctl_table_row(&t);
		ctl_cell(&t, CTL_PLAIN, "%lu", (unsigned long)ctl_u64(w, "worker"));
		ctl_cell(&t, CTL_PLAIN, "%lu", (unsigned long)ctl_u64(w, "lcore"));
		ctl_cell(&t, CTL_PLAIN, "%s", ctl_str(w, "role"));
		ctl_cell(&t,
			 busy > 0.9   ? CTL_BAD
			 : busy > 0.7 ? CTL_WARN
				      : CTL_PLAIN,
			 "%.1f %%", busy * 100);
		ctl_cell(&t, CTL_PLAIN, "%s", ctl_whole(ctl_u64(w, "sessions")));
		ctl_cell(&t, CTL_PLAIN, "%s", ctl_whole(ctl_u64(w, "tcp_connections")));
	}
	ctl_table_end(c, &t, out, max);
}

void
ctl_render_brokers(struct ctl *c, const json_t *brokers, FILE *out, int max)
{
	static const char *const head[] = {"broker",   "state",	     ">up",	   ">messages/s",
					   ">acked/s", ">lag",	     ">in flight", ">held",
					   ">dropped", "last error", NULL};
	struct ctl_table t;
	json_t *b;
	size_t i;

	ctl_table_begin(&t, head);
	json_array_foreach (brokers, i, b) {
		uint64_t up = ctl_u64(b, "up"), all = ctl_u64(b, "connections");

		ctl_table_row(&t);
		ctl_cell(&t, CTL_PLAIN, "%s", ctl_str(b, "broker"));
		ctl_cell(&t,
			 up == all ? CTL_GOOD
			 : up > 0  ? CTL_WARN
				   : CTL_BAD,
			 "%s", ctl_u64(b, "detached_now") > 0 ? "detached" : ctl_str(b, "state"));
		ctl_cell(&t, CTL_PLAIN, "%lu/%lu", (unsigned long)up, (unsigned long)all);
		ctl_cell(&t, CTL_PLAIN, "%s", ctl_count(ctl_real(b, "messages_per_second")));
		ctl_cell(&t, CTL_PLAIN, "%s", ctl_count(ctl_real(b, "acknowledged_per_second")));
		ctl_cell(&t, ctl_u64(b, "over_hold") > 0 ? CTL_WARN : CTL_PLAIN, "%s",
			 ctl_count((double)ctl_u64(b, "lag")));
		ctl_cell(&t, CTL_PLAIN, "%s", ctl_count((double)ctl_u64(b, "inflight")));
		ctl_cell(&t, CTL_PLAIN, "%s", ctl_bytes((double)ctl_u64(b, "held_bytes")));
		ctl_cell(&t, ctl_real(b, "dropped_per_second") > 0 ? CTL_BAD : CTL_PLAIN, "%s",
			 ctl_count((double)ctl_u64(b, "dropped")));
		ctl_cell(&t, CTL_PLAIN, "%s", ctl_str(b, "last_error"));
	}
	ctl_table_end(c, &t, out, max);
}

static void
put_drops(struct ctl *c, const json_t *drops, FILE *out, int max)
{
	static const char *const head[] = {"dropped now", ">per second", ">in all", "what", NULL};
	struct ctl_table t;
	json_t *d;
	size_t i;

	ctl_table_begin(&t, head);
	json_array_foreach (drops, i, d) {
		ctl_table_row(&t);
		ctl_cell(&t, CTL_WARN, "%s %s", ctl_str(d, "room"), ctl_str(d, "reason"));
		ctl_cell(&t, CTL_PLAIN, "%s", ctl_count(ctl_real(d, "per_second")));
		ctl_cell(&t, CTL_PLAIN, "%s", ctl_count((double)ctl_u64(d, "count")));
		ctl_cell(&t, CTL_PLAIN, "%s", ctl_str(d, "means"));
	}
	ctl_table_end(c, &t, out, max);
}

static void
put_warnings(struct ctl *c, const json_t *warnings, FILE *out, int max)
{
	size_t n = json_array_size(warnings);

	if (n == 0) {
		fprintf(out, "%sno warnings%s\n", ctl_esc(c, CTL_GOOD), ctl_esc(c, CTL_PLAIN));
		return;
	}
	for (size_t i = 0; i < n; i++) {
		if (max >= 0 && (int)i + 1 == max && n > (size_t)max) {
			fprintf(out, "... and %zu more warnings\n", n - i);
			return;
		}
		fprintf(out, "%s!%s %s\n", ctl_esc(c, CTL_BAD), ctl_esc(c, CTL_PLAIN),
			json_string_value(json_array_get(warnings, i)));
	}
}

/* Lines for rows of the lists, by how much each wants: brokers first, then the others evenly. */
static void
share(int left, const int *want, int *get, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		get[i] = 0;
	for (bool more = true; more && left > 0;) {
		more = false;
		for (uint32_t i = 0; i < n && left > 0; i++) {
			if (get[i] == want[i])
				continue;
			get[i]++;
			left--;
			more = true;
		}
	}
}

/* Lines of put_head() and put_traffic(), heads of three tables, empty lines between. */
#define FIXED_LINES 13

void
ctl_render(struct ctl *c, const json_t *view, FILE *out, enum ctl_sort sort, int height)
{
	static const char *const key[] = {"messages_per_second", "lag", "broker"};
	const json_t *warnings = json_object_get(view, "warnings");
	json_t *brokers =
		ctl_sorted(json_object_get(view, "brokers"), key[sort], sort == CTL_BY_NAME);
	json_t *workers = json_object_get(view, "workers");
	json_t *drops = ctl_sorted(json_object_get(view, "drops"), "per_second", false);
	int want[] = {(int)json_array_size(brokers), (int)json_array_size(warnings),
		      (int)json_array_size(workers), (int)json_array_size(drops)};
	int get[] = {-1, -1, -1, -1};

	workers = height > 0 ? ctl_sorted(workers, "busy", false) : json_incref(workers);
	if (height > 0)
		share(height > FIXED_LINES ? height - FIXED_LINES : 4, want, get, 4);
	put_head(c, view, out);
	put_traffic(view, out);
	fputc('\n', out);
	ctl_render_brokers(c, brokers, out, get[0]);
	fputc('\n', out);
	put_workers(c, workers, out, get[2]);
	fputc('\n', out);
	if (json_array_size(drops) > 0) {
		put_drops(c, drops, out, get[3]);
		fputc('\n', out);
	}
	put_warnings(c, warnings, out, get[1]);
	json_decref(brokers);
	json_decref(workers);
	json_decref(drops);
}
