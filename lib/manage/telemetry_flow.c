/* SPDX-License-Identifier: BSD-3-Clause */
/* Commands about messages: brokers, devices, logs, latency, the ledger. */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <rte_common.h>

#include <pubwire/base/histogram.h>

#include "telemetry_pvt.h"

static const char *
lane_str(enum pw_lane lane)
{
	return lane == PW_LANE_5 ? "5.0" : "3.1.1";
}

/* For people, to whom a time since the machine's start says little. 0: not connected. */
static uint64_t
seconds_since(uint64_t at)
{
	uint64_t now = pw_clock_now();

	return at != 0 && now > at ? (now - at) / 1000000000u : 0;
}

static int
broker_row(struct rte_tel_data *d, uint32_t row, uint32_t worker,
	   const struct pw_broker_conf *broker, const struct pw_upstream_info *u)
{
	struct rte_tel_data *r = tel_row(d, row);
	char text[PW_ADDR_STRLEN];

	if (r == NULL)
		return -ENOMEM;
	tel_text(r, "broker", broker->name);
	rte_tel_data_add_dict_string(r, "address", pw_addr_str(&broker->address, text));
	rte_tel_data_add_dict_u64(r, "port", broker->port);
	rte_tel_data_add_dict_u64(r, "worker", worker);
	rte_tel_data_add_dict_u64(r, "log_worker", u->log_worker);
	rte_tel_data_add_dict_string(r, "protocol", lane_str(u->lane));
	rte_tel_data_add_dict_u64(r, "set", u->set);
	rte_tel_data_add_dict_u64(r, "pool", u->pool);
	rte_tel_data_add_dict_string(r, "speaks", lane_str(u->v5 ? PW_LANE_5 : PW_LANE_3));
	rte_tel_data_add_dict_string(r, "state", pw_upstream_state_str(u->state));
	rte_tel_data_add_dict_u64(r, "lag", u->lag);
	rte_tel_data_add_dict_u64(r, "inflight", u->inflight);
	rte_tel_data_add_dict_u64(r, "held", u->held);
	rte_tel_data_add_dict_u64(r, "held_bytes", u->held_bytes);
	rte_tel_data_add_dict_u64(r, "held_buffers", u->held_buffers);
	rte_tel_data_add_dict_u64(r, "over_hold", u->over);
	rte_tel_data_add_dict_u64(r, "detached_now", u->detached);
	rte_tel_data_add_dict_u64(r, "window", u->window);
	rte_tel_data_add_dict_u64(r, "connected_for", seconds_since(u->connected_at));
	tel_text(r, "last_error", u->last_error);
	return tel_counters(r, pw_upstream_counters_desc, (const uint64_t *)&u->counters);
}

int
tel_brokers(const struct pw_telemetry_sources *src, const char *params, struct rte_tel_data *d)
{
	static struct pw_upstream_info up[TEL_PAGE_BROKERS]; /* under the guard */
	uint32_t start, total = 0, rows = 0;

	if (tel_number(&params, &start) != 0)
		return -EINVAL;
	for (uint32_t w = 0; w < pw_fleet_workers(src->fleet); w++) {
		uint32_t from = start > total ? start - total : 0;
		uint32_t n = pw_forward_upstreams(pw_fleet_forward(src->fleet, w), from, up,
						  RTE_DIM(up));

		for (uint32_t i = from; i < n && rows < TEL_PAGE_BROKERS; i++, rows++) {
			const struct pw_upstream_info *u = &up[i - from];
			int rc = broker_row(d, total + i, w, &src->settings->broker[u->broker], u);

			if (rc != 0)
				return rc;
		}
		total += n;
	}
	return tel_page(d, start, rows, total);
}

static int
device_row(struct rte_tel_data *d, uint32_t row, const struct pw_session_info *s)
{
	struct rte_tel_data *r = tel_row(d, row);
	char text[PW_ADDR_STRLEN];

	if (r == NULL)
		return -ENOMEM;
	tel_text(r, "client_id", s->client_id);
	tel_text(r, "user", s->user);
	rte_tel_data_add_dict_string(r, "address", pw_addr_str(&s->flow.remote, text));
	rte_tel_data_add_dict_u64(r, "port", s->flow.rport);
	rte_tel_data_add_dict_u64(r, "version", s->version);
	rte_tel_data_add_dict_u64(r, "inflight", s->inflight);
	rte_tel_data_add_dict_u64(r, "keepalive", s->keepalive);
	return rte_tel_data_add_dict_u64(r, "messages", s->messages);
}

/* Rows of those that match, from place *at on; a call looks at so many sessions and no more. */
static int
add_devices(struct rte_tel_data *d, const struct pw_forward *f, uint32_t *at, const char *text,
	    bool *end)
{
	static struct pw_session_info info[TEL_PAGE_DEVICES]; /* under the guard */
	uint32_t rows = 0, looked = 0;
	int rc = 0;

	*end = false;
	while (rc == 0 && !*end && rows < TEL_PAGE_DEVICES && looked < TEL_LOOK_DEVICES) {
		uint32_t want = TEL_PAGE_DEVICES - rows;
		uint32_t n = pw_forward_session_list(f, at, info, want);

		*end = n < want;
		looked += n;
		for (uint32_t i = 0; i < n && rc == 0; i++)
			if (strstr(info[i].client_id, text) != NULL)
				rc = device_row(d, rows++, &info[i]);
	}
	return rc;
}

int
tel_devices(const struct pw_telemetry_sources *src, const char *params, struct rte_tel_data *d)
{
	const struct pw_forward *f;
	uint32_t worker, at;
	char text[PW_CLIENT_NAME_MAX + 1];
	bool end;
	int rc;

	if (tel_number(&params, &worker) != 0 || tel_number(&params, &at) != 0 ||
	    worker >= pw_fleet_workers(src->fleet))
		return -EINVAL;
	/* What stands behind both numbers is looked for; no more of it is known of any device. */
	snprintf(text, sizeof(text), "%s", params);
	f = pw_fleet_forward(src->fleet, worker);
	rc = add_devices(d, f, &at, text, &end);
	if (rc == 0)
		rc = rte_tel_data_add_dict_u64(d, "total", pw_forward_sessions(f));
	if (rc == 0 && !end)
		rc = rte_tel_data_add_dict_u64(d, "next", at);
	return rc;
}

static int
log_row(const struct pw_telemetry_sources *src, struct rte_tel_data *d, uint32_t row,
	uint32_t worker, const struct pw_log_info *l)
{
	const struct pw_forward_settings *set = src->settings;
	struct rte_tel_data *r = tel_row(d, row);
	char names[256];
	size_t at = 0;

	if (r == NULL)
		return -ENOMEM;
	names[0] = '\0';
	for (uint32_t m = l->brokers; m != 0 && at < sizeof(names); m &= m - 1)
		at += (size_t)snprintf(names + at, sizeof(names) - at, "%s%s", at > 0 ? " " : "",
				       set->broker[__builtin_ctz(m)].name);
	rte_tel_data_add_dict_u64(r, "worker", worker);
	rte_tel_data_add_dict_string(r, "protocol", lane_str(l->lane));
	rte_tel_data_add_dict_u64(r, "set", l->set);
	rte_tel_data_add_dict_u64(r, "pool", l->pool);
	tel_text(r, "brokers", names);
	rte_tel_data_add_dict_u64(r, "usable", l->usable);
	rte_tel_data_add_dict_u64(r, "capacity", l->capacity);
	rte_tel_data_add_dict_u64(r, "used", l->used);
	rte_tel_data_add_dict_u64(r, "outstanding", l->outstanding);
	rte_tel_data_add_dict_u64(r, "trailing", l->trailing);
	return rte_tel_data_add_dict_u64(r, "appended", l->appended);
}

int
tel_logs(const struct pw_telemetry_sources *src, const char *params, struct rte_tel_data *d)
{
	uint32_t start, total = 0, rows = 0;

	if (tel_number(&params, &start) != 0)
		return -EINVAL;
	for (uint32_t w = 0; w < pw_fleet_workers(src->fleet); w++) {
		struct pw_log_info info[TEL_PAGE_LOGS];
		uint32_t from = start > total ? start - total : 0;
		uint32_t n =
			pw_forward_logs(pw_fleet_forward(src->fleet, w), from, info, RTE_DIM(info));

		for (uint32_t i = from; i < n && rows < TEL_PAGE_LOGS; i++, rows++) {
			int rc = log_row(src, d, total + i, w, &info[i - from]);

			if (rc != 0)
				return rc;
		}
		total += n;
	}
	return tel_page(d, start, rows, total);
}

static int
latency_row(struct rte_tel_data *d, const char *name, const struct pw_hist *h)
{
	static const struct {
		const char *name;
		uint32_t permyriad;
	} row[] = {{"p50", 5000}, {"p90", 9000}, {"p99", 9900}, {"p99_9", 9990}, {"max", 10000}};
	struct rte_tel_data *r = tel_dict(d, name);

	if (r == NULL)
		return -ENOMEM;
	rte_tel_data_add_dict_u64(r, "count", h->count);
	rte_tel_data_add_dict_u64(r, "mean", h->count != 0 ? h->sum / h->count : 0);
	for (uint32_t i = 0; i < RTE_DIM(row); i++)
		rte_tel_data_add_dict_u64(r, row[i].name, pw_hist_quantile(h, row[i].permyriad));
	return 0;
}

int
tel_latency(const struct pw_telemetry_sources *src, const char *params, struct rte_tel_data *d)
{
	static struct pw_hist sum[2]; /* under the guard */
	int rc;

	(void)params;
	memset(sum, 0, sizeof(sum));
	for (uint32_t w = 0; w < pw_fleet_workers(src->fleet); w++) {
		pw_hist_merge(&sum[0], pw_forward_latency_qos0(pw_fleet_forward(src->fleet, w)));
		pw_hist_merge(&sum[1], pw_forward_latency_qos1(pw_fleet_forward(src->fleet, w)));
	}
	rc = latency_row(d, "qos0", &sum[0]);
	if (rc == 0)
		rc = latency_row(d, "qos1", &sum[1]);
	return rc;
}

/* Two lists that belong together: numbers of buckets, and what they count. */
static int
add_buckets(struct rte_tel_data *d, const struct pw_hist *h, uint32_t start)
{
	struct rte_tel_data *bucket = rte_tel_data_alloc(), *n = rte_tel_data_alloc();
	uint32_t b = start, rows = 0;

	if (bucket == NULL || n == NULL) {
		rte_tel_data_free(bucket);
		rte_tel_data_free(n);
		return -ENOMEM;
	}
	rte_tel_data_start_array(bucket, RTE_TEL_U64_VAL);
	rte_tel_data_start_array(n, RTE_TEL_U64_VAL);
	for (; b < PW_HIST_BUCKETS && rows < TEL_PAGE_BUCKETS; b++) {
		if (h->bucket[b] == 0)
			continue;
		rte_tel_data_add_array_u64(bucket, b);
		rte_tel_data_add_array_u64(n, h->bucket[b]);
		rows++;
	}
	rte_tel_data_add_dict_container(d, "bucket", bucket, 0);
	rte_tel_data_add_dict_container(d, "n", n, 0);
	return b < PW_HIST_BUCKETS ? rte_tel_data_add_dict_u64(d, "next", b) : 0;
}

int
tel_histogram(const struct pw_telemetry_sources *src, const char *params, struct rte_tel_data *d)
{
	static struct pw_hist sum; /* under the guard */
	uint32_t qos, start;

	if (*params == '\0' || tel_number(&params, &qos) != 0 || tel_number(&params, &start) != 0 ||
	    qos > 1)
		return -EINVAL;
	memset(&sum, 0, sizeof(sum));
	for (uint32_t w = 0; w < pw_fleet_workers(src->fleet); w++) {
		const struct pw_forward *f = pw_fleet_forward(src->fleet, w);

		pw_hist_merge(&sum,
			      qos == 0 ? pw_forward_latency_qos0(f) : pw_forward_latency_qos1(f));
	}
	rte_tel_data_add_dict_u64(d, "qos", qos);
	rte_tel_data_add_dict_u64(d, "sub_bits", PW_HIST_SUB_BITS);
	rte_tel_data_add_dict_u64(d, "buckets", PW_HIST_BUCKETS);
	rte_tel_data_add_dict_u64(d, "count", sum.count);
	rte_tel_data_add_dict_u64(d, "sum", sum.sum);
	rte_tel_data_add_dict_u64(d, "max", sum.max);
	return add_buckets(d, &sum, start);
}

/*
 * Every accepted message is in one of the rows below "accepted". "unexplained" is what is left: 0
 * at rest; under load the counters are read one after the other and it wavers around 0.
 */
int
tel_ledger(const struct pw_telemetry_sources *src, const char *params, struct rte_tel_data *d)
{
	struct pw_device_counters sum = {0};
	uint64_t outstanding = 0, owed = 0, trailing = 0, done;

	(void)params;
	for (uint32_t w = 0; w < pw_fleet_workers(src->fleet); w++) {
		const struct pw_forward *f = pw_fleet_forward(src->fleet, w);
		const struct pw_device_counters *c = pw_forward_counters(f);

		for (uint32_t i = 0; i < sizeof(sum) / sizeof(uint64_t); i++)
			((uint64_t *)&sum)[i] += pw_counter_read(c, i);
		outstanding += pw_forward_outstanding(f);
		owed += pw_forward_owed(f);
		trailing += pw_forward_trailing(f);
	}
	done = sum.acknowledged + sum.completed_qos0 + sum.given_up_qos0 + sum.orphaned +
	       sum.dropped_on_shutdown;
	rte_tel_data_add_dict_u64(d, "accepted", sum.accepted);
	rte_tel_data_add_dict_u64(d, "acknowledged", sum.acknowledged);
	rte_tel_data_add_dict_u64(d, "completed_qos0", sum.completed_qos0);
	rte_tel_data_add_dict_u64(d, "given_up_qos0", sum.given_up_qos0);
	rte_tel_data_add_dict_u64(d, "orphaned", sum.orphaned);
	rte_tel_data_add_dict_u64(d, "dropped_on_shutdown", sum.dropped_on_shutdown);
	rte_tel_data_add_dict_u64(d, "outstanding", outstanding);
	rte_tel_data_add_dict_u64(d, "owed", owed);
	rte_tel_data_add_dict_int(d, "unexplained",
				  (int)(sum.accepted - done - outstanding - owed));
	/* Acknowledged by their rule already, and still to go to some broker. */
	rte_tel_data_add_dict_u64(d, "trailing", trailing);
	/* Among those acknowledged or orphaned: the device was told the broker's reason. */
	rte_tel_data_add_dict_u64(d, "refused_by_broker", sum.refused_by_broker);
	/* Never accepted, so not in the sum; here because this is where people look. */
	rte_tel_data_add_dict_u64(d, "refused_no_route", sum.dropped_no_route);
	rte_tel_data_add_dict_u64(d, "refused_not_authorized", sum.dropped_not_authorized);
	rte_tel_data_add_dict_u64(d, "refused_log_full", sum.dropped_log_full);
	return rte_tel_data_add_dict_u64(d, "refused_no_buffer", sum.dropped_no_buffer);
}
