/* SPDX-License-Identifier: BSD-3-Clause */
/* /metrics: what becomes of messages. Brokers, routes, drops by reason, latency. */

#include <stdio.h>
#include <string.h>

#include <rte_common.h>

#include "metrics_pvt.h"
#include "telemetry_pvt.h"

/* What a row and a family's head take at most; names, labels and helps are ours, and short. */
#define ROW_BYTES    160
#define FAMILY_BYTES 320
/* Of /status.json. */
#define OBJECT_BYTES  1024 /* a broker or a port */
#define WORKER_BYTES  320
#define DROP_BYTES    256
#define BUCKET_BYTES  48 /* an edge and a count */
#define TALKER_BYTES  512
#define FIXED_BYTES   16384

#define COUNTERS(tag) (sizeof(struct tag) / sizeof(uint64_t))
#define ROOM_COUNTERS                                                                              \
	(COUNTERS(pw_worker_counters) + COUNTERS(pw_wire_counters) + COUNTERS(pw_tcp_counters) +   \
	 COUNTERS(pw_device_counters))
#define BROKER_FAMILIES (COUNTERS(pw_upstream_counters) + 10)
#define PORT_FAMILIES	9
#define WORKER_FAMILIES 8

size_t
metrics_broker_bytes(const struct metrics_shape *s)
{
	return (size_t)s->broker_workers * s->brokers * sizeof(struct metrics_broker);
}

size_t
metrics_text_bytes(const struct metrics_shape *s)
{
	const size_t drops = ROOM_COUNTERS + COUNTERS(pw_upstream_counters);
	const size_t families = drops + BROKER_FAMILIES + COUNTERS(pw_route_counters) +
				PORT_FAMILIES + WORKER_FAMILIES;
	size_t rows = (ROOM_COUNTERS + WORKER_FAMILIES) * s->workers +
		      BROKER_FAMILIES * s->broker_workers * s->brokers +
		      COUNTERS(pw_route_counters) * s->routes + PORT_FAMILIES * s->ports + drops;
	size_t metrics = families * FAMILY_BYTES + rows * ROW_BYTES + FIXED_BYTES;
	size_t status = (size_t)(s->brokers + s->ports) * OBJECT_BYTES + s->workers * WORKER_BYTES +
			drops * DROP_BYTES + (size_t)2 * PW_HIST_BUCKETS * BUCKET_BYTES +
			PW_HTTP_MAX_TOP * TALKER_BYTES + FIXED_BYTES;

	return RTE_MAX(metrics, status);
}

void
metrics_init(struct metrics *m)
{
	uint32_t brokers = 0, devices = 0;

	for (uint32_t w = 0; w < m->shape.workers; w++) {
		uint8_t role = pw_fleet_role(m->src->fleet, w);

		if (role & PW_ROLE_BROKERS)
			m->broker_worker[brokers++] = w;
		if (role & PW_ROLE_DEVICES)
			m->device_worker[devices++] = w;
	}
}

static void
add_connection(struct metrics_broker *b, const struct pw_upstream_info *u)
{
	static const uint8_t rank[] = {
		[PW_UPSTREAM_CLOSED] = 0, [PW_UPSTREAM_WAITING] = 1, [PW_UPSTREAM_TCP] = 2,
		[PW_UPSTREAM_MQTT] = 3,	  [PW_UPSTREAM_UP] = 4,
	};
	bool up = u->state == PW_UPSTREAM_UP;

	if (b->state == NULL || rank[u->state] < b->worst) {
		b->state = pw_upstream_state_str(u->state);
		b->worst = rank[u->state];
	}
	b->connections++;
	b->up += up;
	b->lag += u->lag;
	b->inflight += u->inflight;
	b->held += u->held;
	b->held_bytes += u->held_bytes;
	b->held_buffers += u->held_buffers;
	b->over_hold += u->over;
	b->detached_now += u->detached;
	b->window += u->window;
	if (u->last_error[0] != '\0' && (b->last_error[0] == '\0' || !up))
		memcpy(b->last_error, u->last_error, sizeof(b->last_error));
	for (uint32_t i = 0; i < COUNTERS(pw_upstream_counters); i++)
		((uint64_t *)&b->n)[i] += ((const uint64_t *)&u->counters)[i];
}

void
metrics_read_brokers(struct metrics *m)
{
	static struct pw_upstream_info up[16]; /* too large for a stack */

	if (metrics_broker_bytes(&m->shape) > 0)
		memset(m->broker, 0, metrics_broker_bytes(&m->shape));
	for (uint32_t i = 0; i < m->shape.broker_workers; i++) {
		const struct pw_forward *f = pw_fleet_forward(m->src->fleet, m->broker_worker[i]);
		struct metrics_broker *row = &m->broker[(size_t)i * m->shape.brokers];
		uint32_t from = 0, n;

		do {
			n = pw_forward_upstreams(f, from, up, RTE_DIM(up));
			for (uint32_t k = 0; from + k < n && k < RTE_DIM(up); k++) {
				/* One that a reload has just brought is not in the shape yet. */
				if (up[k].broker < m->shape.brokers)
					add_connection(&row[up[k].broker], &up[k]);
			}
			from += RTE_DIM(up);
		} while (from < n);
	}
}

void
metrics_read_latency(const struct metrics *m, struct pw_hist sum[2])
{
	memset(sum, 0, 2 * sizeof(sum[0]));
	for (uint32_t w = 0; w < m->shape.workers; w++) {
		const struct pw_forward *f = pw_fleet_forward(m->src->fleet, w);

		pw_hist_merge(&sum[0], pw_forward_latency_qos0(f));
		pw_hist_merge(&sum[1], pw_forward_latency_qos1(f));
	}
}

const char *
metrics_drop_reason(const struct pw_counter_desc *d)
{
	static const char *const prefix[] = {"drop_", "dropped_"};

	for (uint32_t i = 0; i < RTE_DIM(prefix); i++)
		if (strncmp(d->name, prefix[i], strlen(prefix[i])) == 0)
			return d->name + strlen(prefix[i]);
	return NULL;
}

/* A family of every broker and worker; the value lies at an offset of their row. */
static void
broker_family(struct metrics *m, const char *name, const char *suffix, const char *type,
	      const char *help, size_t at)
{
	metrics_head(&m->text, "upstream_", name, type, help);
	for (uint32_t i = 0; i < m->shape.broker_workers; i++) {
		struct metrics_labels l = {
			.label = "broker",
			.lcore = pw_fleet_lcore(m->src->fleet, m->broker_worker[i]),
		};

		for (uint32_t b = 0; b < m->shape.brokers; b++) {
			const struct metrics_broker *row =
				&m->broker[(size_t)i * m->shape.brokers + b];

			l.value = m->src->settings->broker[b].name;
			if (l.value[0] == '\0')
				continue;
			metrics_sample(&m->text, "upstream_", name, suffix, &l,
				       pw_counter_read(row, (uint32_t)(at / 8)));
		}
	}
}

static void
write_brokers(struct metrics *m)
{
	static const struct {
		const char *name, *help;
		size_t at;
	} gauge[BROKER_FAMILIES - COUNTERS(pw_upstream_counters)] = {
#define GAUGE(field, help) {#field, help, offsetof(struct metrics_broker, field)}
		GAUGE(connections, "Connections that there should be"),
		GAUGE(up, "Connections that are up"),
		GAUGE(lag, "Messages that wait to be sent to the broker"),
		GAUGE(inflight, "Messages of QoS 1 and 2 sent and not acknowledged"),
		GAUGE(held, "Messages kept for the broker, those in flight included"),
		GAUGE(held_bytes, "Bytes of their frames"),
		GAUGE(held_buffers, "Packet buffers that they keep, about"),
		GAUGE(over_hold, "Connections with more than their hold: devices may wait"),
		GAUGE(detached_now, "Connections that are detached until the broker is back"),
		GAUGE(window, "Messages that may be in flight at most"),
	};
	const struct pw_counter_desc *d = pw_upstream_counters_desc;

	for (uint32_t i = 0; i < RTE_DIM(gauge); i++)
		broker_family(m, gauge[i].name, "", "gauge", gauge[i].help, gauge[i].at);
	for (uint32_t i = 0; d[i].name != NULL; i++)
		broker_family(m, d[i].name, "_total", "counter", d[i].help,
			      offsetof(struct metrics_broker, n) + (size_t)i * 8);
}

/* All workers together: there may be many routes. */
static void
write_routes(struct metrics *m)
{
	const struct pw_counter_desc *d = pw_route_counters_desc;
	struct metrics_labels l = {.label = "route", .lcore = -1};

	for (uint32_t i = 0; d[i].name != NULL; i++) {
		metrics_head(&m->text, "route_", d[i].name, "counter", d[i].help);
		for (uint32_t r = 0; r < m->shape.routes; r++) {
			uint64_t sum = 0;

			for (uint32_t w = 0; w < m->shape.workers; w++) {
				const struct pw_forward *f = pw_fleet_forward(m->src->fleet, w);
				const void *c = pw_forward_route_counters(f, r);

				sum += c != NULL ? pw_counter_read(c, i) : 0;
			}
			l.value = m->src->settings->route[r].name;
			metrics_sample(&m->text, "route_", d[i].name, "_total", &l, sum);
		}
	}
}

static void
drop(struct metrics *m, const char *room, const char *reason, uint64_t v)
{
	text_put(&m->text, "pubwire_dropped_total{room=");
	text_label(&m->text, room);
	text_put(&m->text, ",reason=");
	text_label(&m->text, reason);
	text_put(&m->text, "} ");
	text_u64(&m->text, v);
	text_put(&m->text, "\n");
}

uint64_t
metrics_room_sum(const struct metrics *m, uint32_t room, uint32_t counter)
{
	uint64_t sum = 0;

	for (uint32_t w = 0; w < m->shape.workers; w++)
		sum += pw_counter_read(tel_rooms[room].of(m->src->fleet, w), counter);
	return sum;
}

uint64_t
metrics_broker_sum(const struct metrics *m, uint32_t broker, uint32_t counter)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < m->shape.broker_workers; i++)
		sum += pw_counter_read(&m->broker[(size_t)i * m->shape.brokers + broker].n,
				       counter);
	return sum;
}

/* The same counters once more, in one family. */
static void
write_drops(struct metrics *m)
{
	const struct pw_counter_desc *d;

	metrics_head(&m->text, "", "dropped", "counter",
		     "What was dropped: frames (worker, wire), segments (tcp), messages (forward, "
		     "upstream)");
	for (uint32_t r = 0; r < TEL_ROOMS; r++) {
		d = tel_rooms[r].desc;
		for (uint32_t i = 0; d[i].name != NULL; i++)
			if (metrics_drop_reason(&d[i]) != NULL)
				drop(m, tel_rooms[r].name, metrics_drop_reason(&d[i]),
				     metrics_room_sum(m, r, i));
	}
	d = pw_upstream_counters_desc;
	for (uint32_t i = 0; d[i].name != NULL; i++) {
		uint64_t sum = 0;

		for (uint32_t b = 0; b < m->shape.brokers; b++)
			sum += metrics_broker_sum(m, b, i);
		if (metrics_drop_reason(&d[i]) != NULL)
			drop(m, "upstream", metrics_drop_reason(&d[i]), sum);
	}
}

static void
latency_sample(struct text *t, const char *suffix, const char *qos, const char *le)
{
	text_put(t, "pubwire_latency_seconds");
	text_put(t, suffix);
	text_put(t, "{qos=");
	text_label(t, qos);
	if (le != NULL) {
		text_put(t, ",le=");
		text_label(t, le);
	}
	text_put(t, "} ");
}

static void
write_histogram(struct text *t, const char *qos, const struct pw_hist *h)
{
	static const struct {
		const char *le;
		uint64_t ns;
	} edge[] = {
		{"0.00001", 10000},    {"0.000025", 25000},  {"0.00005", 50000},
		{"0.0001", 100000},    {"0.00025", 250000},  {"0.0005", 500000},
		{"0.001", 1000000},    {"0.0025", 2500000},  {"0.005", 5000000},
		{"0.01", 10000000},    {"0.025", 25000000},  {"0.05", 50000000},
		{"0.1", 100000000},    {"0.25", 250000000},  {"0.5", 500000000},
		{"1.0", 1000000000},   {"2.5", 2500000000},  {"5.0", 5000000000},
		{"10.0", 10000000000}, {"+Inf", UINT64_MAX},
	};
	uint64_t seen = 0;
	uint32_t b = 0;

	for (uint32_t i = 0; i < RTE_DIM(edge); i++) {
		for (; b < PW_HIST_BUCKETS && pw_hist_edge(b) <= edge[i].ns; b++)
			seen += h->bucket[b];
		latency_sample(t, "_bucket", qos, edge[i].le);
		text_u64(t, seen);
		text_put(t, "\n");
	}
	/* The sum of the buckets: the histogram's own count may be ahead of them. */
	latency_sample(t, "_count", qos, NULL);
	text_u64(t, seen);
	text_put(t, "\n");
	latency_sample(t, "_sum", qos, NULL);
	text_seconds(t, h->sum);
	text_put(t, "\n");
}

static void
write_latency(struct metrics *m)
{
	static struct pw_hist sum[2]; /* too large for a stack */

	metrics_read_latency(m, sum);
	metrics_head(
		&m->text, "", "latency_seconds", "histogram",
		"From the arrival of a PUBLISH until it stood in the send queue of every broker "
		"that was given it (qos 0), or until its acknowledgement was queued to the "
		"device (qos 1: 1 and 2)");
	write_histogram(&m->text, "0", &sum[0]);
	write_histogram(&m->text, "1", &sum[1]);
}

void
metrics_flow(struct metrics *m)
{
	write_brokers(m);
	write_routes(m);
	write_drops(m);
	write_latency(m);
}
