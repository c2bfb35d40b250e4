/* SPDX-License-Identifier: BSD-3-Clause */
/* Two samples as one document. What is a rate is per second of the time between them. */

#include <string.h>

#include "view.h"

static void
put_u64(json_t *o, const char *key, uint64_t v)
{
	json_object_set_new(o, key, json_integer((json_int_t)v));
}

static void
put_real(json_t *o, const char *key, double v)
{
	json_object_set_new(o, key, json_real(v));
}

static void
put_str(json_t *o, const char *key, const char *v)
{
	json_object_set_new(o, key, json_string_nocheck(v));
}

/* Counters never go back; where they seem to, another pubwire has taken the first one's place. */
static double
rate(uint64_t before, uint64_t now, double seconds)
{
	return now > before && seconds > 0 ? (double)(now - before) / seconds : 0;
}

static double
seconds_of(const struct ctl_sample *before, const struct ctl_sample *now)
{
	return now->at - before->at;
}

static json_t *
view_traffic(const struct ctl_sample *before, const struct ctl_sample *now)
{
	static const char *const counter[][2] = {
		{"accepted", "messages_per_second"},
		{"acknowledged", "acknowledged_per_second"},
		{"payload_bytes", "payload_bytes_per_second"},
		{"connects", "connects_per_second"},
		{"connects_refused", "refused_connects_per_second"},
	};
	const json_t *a = json_object_get(before->counters, "forward");
	const json_t *b = json_object_get(now->counters, "forward");
	json_t *o = json_object();

	put_u64(o, "devices", ctl_u64(now->pools, "sessions"));
	put_u64(o, "tcp_connections", ctl_u64(now->pools, "tcp_connections"));
	put_u64(o, "accepted", ctl_u64(b, "accepted"));
	put_u64(o, "acknowledged", ctl_u64(b, "acknowledged"));
	for (size_t i = 0; i < sizeof(counter) / sizeof(counter[0]); i++)
		put_real(o, counter[i][1],
			 rate(ctl_u64(a, counter[i][0]), ctl_u64(b, counter[i][0]),
			      seconds_of(before, now)));
	put_u64(o, "outstanding", ctl_u64(now->drain, "outstanding"));
	put_u64(o, "owed", ctl_u64(now->drain, "owed"));
	put_u64(o, "trailing", ctl_u64(now->drain, "trailing"));
	return o;
}

void
ctl_hist_since(struct pw_hist *h, const struct pw_hist *before)
{
	uint64_t max = 0;

	for (uint32_t b = 0; b < PW_HIST_BUCKETS; b++) {
		h->bucket[b] -= h->bucket[b] >= before->bucket[b] ? before->bucket[b] : 0;
		if (h->bucket[b] > 0)
			max = pw_hist_edge(b) < h->max ? pw_hist_edge(b) : h->max;
	}
	h->max = max;
}

json_t *
ctl_view_latency(const struct pw_hist *before, const struct pw_hist *now)
{
	static const struct {
		const char *name;
		uint32_t permyriad;
	} row[] = {{"p50_ns", 5000}, {"p90_ns", 9000}, {"p99_ns", 9900}, {"p99_9_ns", 9990}};
	static struct pw_hist h;
	json_t *o = json_object();
	uint64_t n = 0;

	h = *now;
	if (before != NULL)
		ctl_hist_since(&h, before);
	for (uint32_t b = 0; b < PW_HIST_BUCKETS; b++)
		n += h.bucket[b];
	put_u64(o, "count", n);
	for (uint32_t i = 0; i < sizeof(row) / sizeof(row[0]); i++)
		put_u64(o, row[i].name, pw_hist_quantile(&h, row[i].permyriad));
	put_u64(o, "max_ns", n > 0 ? h.max : 0);
	return o;
}

/* Of the time between; of all time where nothing came in between. */
static json_t *
view_latency(const struct ctl_sample *before, const struct ctl_sample *now, uint32_t q)
{
	json_t *o = ctl_view_latency(&before->latency[q], &now->latency[q]);
	bool quiet = ctl_u64(o, "count") == 0;

	if (quiet) {
		json_decref(o);
		o = ctl_view_latency(NULL, &now->latency[q]);
	}
	put_str(o, "of", quiet ? "start" : "interval");
	return o;
}

static json_t *
view_workers(const struct ctl_sample *before, const struct ctl_sample *now)
{
	json_t *rows = json_array(), *w;
	size_t i;

	json_array_foreach (now->workers, i, w) {
		const json_t *was = json_array_get(before->workers, i);
		double cycles = rate(ctl_u64(was, "total_cycles"), ctl_u64(w, "total_cycles"), 1);
		double busy = rate(ctl_u64(was, "busy_cycles"), ctl_u64(w, "busy_cycles"), 1);
		json_t *o = json_object();

		put_u64(o, "worker", i);
		put_u64(o, "lcore", ctl_u64(w, "lcore"));
		put_str(o, "role", ctl_str(w, "role"));
		put_real(o, "busy", cycles > 0 ? busy / cycles : 0);
		put_u64(o, "sessions", ctl_u64(w, "sessions"));
		put_u64(o, "tcp_connections", ctl_u64(w, "tcp_connections"));
		json_array_append_new(rows, o);
	}
	return rows;
}

/* How far a state is from being up. */
static int
distance(const char *state)
{
	static const char *const order[] = {"up", "waiting for CONNACK", "TCP handshake",
					    "waiting to connect"};

	for (int i = 0; i < 4; i++)
		if (strcmp(order[i], state) == 0)
			return i;
	return 4;
}

static uint64_t
all_drops(const json_t *row)
{
	uint64_t sum = 0;
	const char *key;
	json_t *v;

	json_object_foreach ((json_t *)(uintptr_t)row, key, v)
		if (strncmp(key, "dropped_", 8) == 0)
			sum += ctl_u64(row, key);
	return sum;
}

static uint64_t
messages(const json_t *row)
{
	return ctl_u64(row, "messages_qos0") + ctl_u64(row, "messages_qos1") +
	       ctl_u64(row, "messages_qos2") + ctl_u64(row, "redelivered");
}

static void
add(json_t *o, const char *key, uint64_t v)
{
	put_u64(o, key, ctl_u64(o, key) + v);
}

static void
add_real(json_t *o, const char *key, double v)
{
	put_real(o, key, ctl_real(o, key) + v);
}

/* One connection into its broker's row. */
static void
add_connection(json_t *o, const json_t *was, const json_t *row, double seconds)
{
	static const char *const sum[] = {"lag",	  "inflight",	  "held",
					  "held_bytes",	  "held_buffers", "over_hold",
					  "detached_now", "disconnects",  "connect_failures"};
	const char *state = ctl_str(row, "state"), *error = ctl_str(row, "last_error");
	bool up = strcmp(state, "up") == 0;

	if (ctl_u64(o, "connections") == 0 || distance(state) > distance(ctl_str(o, "state")))
		put_str(o, "state", state);
	add(o, "connections", 1);
	add(o, "up", up);
	for (size_t i = 0; i < sizeof(sum) / sizeof(sum[0]); i++)
		add(o, sum[i], ctl_u64(row, sum[i]));
	add(o, "dropped", all_drops(row));
	add_real(o, "messages_per_second", rate(messages(was), messages(row), seconds));
	add_real(o, "acknowledged_per_second",
		 rate(ctl_u64(was, "acked"), ctl_u64(row, "acked"), seconds));
	add_real(o, "bytes_per_second",
		 rate(ctl_u64(was, "bytes"), ctl_u64(row, "bytes"), seconds));
	add_real(o, "dropped_per_second", rate(all_drops(was), all_drops(row), seconds));
	if (error[0] != '\0' && (!up || ctl_str(o, "last_error")[0] == '\0'))
		put_str(o, "last_error", error);
}

/* What the row was before. A reload may have put another connection in its place. */
static const json_t *
same_connection(const struct ctl_sample *before, size_t i, const json_t *row)
{
	static const char *const number[] = {"worker", "log_worker", "set", "pool"};
	const json_t *was = before != NULL ? json_array_get(before->brokers, i) : NULL;
	bool same = strcmp(ctl_str(was, "broker"), ctl_str(row, "broker")) == 0 &&
		    strcmp(ctl_str(was, "protocol"), ctl_str(row, "protocol")) == 0;

	for (size_t k = 0; same && k < sizeof(number) / sizeof(number[0]); k++)
		same = ctl_u64(was, number[k]) == ctl_u64(row, number[k]);
	/* Without a row of before nothing is known of its rates. */
	return same ? was : row;
}

json_t *
ctl_view_brokers(const struct ctl_sample *before, const struct ctl_sample *now, bool rows)
{
	json_t *all = json_array(), *by_name = json_object(), *row;
	size_t i;

	json_array_foreach (now->brokers, i, row) {
		const json_t *was = same_connection(before, i, row);
		const char *name = ctl_str(row, "broker");
		json_t *o = json_object_get(by_name, name);

		if (o == NULL) {
			o = json_object();
			put_str(o, "broker", name);
			put_str(o, "address", ctl_str(row, "address"));
			put_u64(o, "port", ctl_u64(row, "port"));
			put_str(o, "last_error", "");
			if (rows)
				json_object_set_new(o, "rows", json_array());
			json_object_set_nocheck(by_name, name, o);
			json_array_append_new(all, o);
		}
		add_connection(o, was, row, before != NULL ? seconds_of(before, now) : 0);
		if (rows)
			json_array_append(json_object_get(o, "rows"), row);
	}
	json_decref(by_name);
	return all;
}

/* Only those that move. */
static json_t *
view_drops(const struct ctl_sample *before, const struct ctl_sample *now)
{
	json_t *rows = json_array(), *row;
	size_t i;

	json_array_foreach (now->drops, i, row) {
		const json_t *was = json_array_get(before->drops, i);
		double r =
			rate(ctl_u64(was, "count"), ctl_u64(row, "count"), seconds_of(before, now));
		json_t *o;

		if (r <= 0)
			continue;
		o = json_copy(row);
		put_real(o, "per_second", r);
		json_array_append_new(rows, o);
	}
	return rows;
}

json_t *
ctl_view(const struct ctl_sample *before, const struct ctl_sample *now)
{
	json_t *o = json_object(), *latency = json_object();

	json_object_set(o, "info", now->info);
	put_real(o, "interval", seconds_of(before, now));
	json_object_set_new(o, "traffic", view_traffic(before, now));
	json_object_set_new(latency, "qos0", view_latency(before, now, 0));
	json_object_set_new(latency, "qos1", view_latency(before, now, 1));
	json_object_set_new(o, "latency", latency);
	json_object_set_new(o, "workers", view_workers(before, now));
	json_object_set_new(o, "brokers", ctl_view_brokers(before, now, false));
	json_object_set_new(o, "drops", view_drops(before, now));
	json_object_set(o, "pools", now->pools);
	json_object_set_new(o, "warnings", ctl_view_warnings(o, now));
	return o;
}

json_t *
ctl_view_take(struct ctl *c, double seconds)
{
	static struct ctl_sample before, now;
	json_t *view = NULL;

	if (ctl_sample_take(c, &before) == CTL_OK) {
		ctl_sleep(seconds);
		if (ctl_sample_take(c, &now) == CTL_OK)
			view = ctl_view(&before, &now);
	}
	ctl_sample_free(&before);
	ctl_sample_free(&now);
	return view;
}
