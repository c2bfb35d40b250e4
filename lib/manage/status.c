/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * /status.json: what the status page shows. Counters are running totals, and "now" is the time they
 * were read at: whoever asks twice has rates. Names of clients are among it where top_devices of
 * the configuration asks for that; topics never.
 */

#include <stdio.h>
#include <string.h>

#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_malloc.h>
#include <rte_mempool.h>

#include "metrics_pvt.h"
#include "telemetry_pvt.h"

#define DEVICE_COUNTER(field) (uint32_t)(offsetof(struct pw_device_counters, field) / 8)
#define ROOM_FORWARD	      (TEL_ROOMS - 1) /* of tel_rooms */

/* ,"name": with the comma only behind something. */
static void
key(struct text *t, const char *name)
{
	char before = t->at > 0 ? t->buf[t->at - 1] : '{';

	if (before != '{' && before != '[')
		text_put(t, ",");
	text_json(t, name);
	text_put(t, ":");
}

static void
number(struct text *t, const char *name, uint64_t v)
{
	key(t, name);
	text_u64(t, v);
}

static void
string(struct text *t, const char *name, const char *v)
{
	key(t, name);
	text_json(t, v);
}

/* The next object of a list. */
static void
object(struct text *t)
{
	text_put(t, t->at > 0 && t->buf[t->at - 1] == '}' ? ",{" : "{");
}

static void
write_traffic(struct metrics *m)
{
	static const struct {
		const char *name;
		uint32_t counter;
	} row[] = {
		{"accepted", DEVICE_COUNTER(accepted)},
		{"acknowledged", DEVICE_COUNTER(acknowledged)},
		{"payload_bytes", DEVICE_COUNTER(payload_bytes)},
		{"connects", DEVICE_COUNTER(connects)},
		{"connects_refused", DEVICE_COUNTER(connects_refused)},
	};
	uint64_t out = 0, bytes = 0, sessions = 0, outstanding = 0;
	struct text *t = &m->text;

	key(t, "traffic");
	text_put(t, "{");
	for (uint32_t i = 0; i < RTE_DIM(row); i++)
		number(t, row[i].name, metrics_room_sum(m, ROOM_FORWARD, row[i].counter));
	for (uint32_t i = 0; i < m->shape.broker_workers * m->shape.brokers; i++) {
		const struct pw_upstream_counters *n = &m->broker[i].n;

		out += n->messages_qos0 + n->messages_qos1 + n->messages_qos2 + n->redelivered;
		bytes += n->bytes;
	}
	for (uint32_t w = 0; w < m->shape.workers; w++) {
		const struct pw_forward *f = pw_fleet_forward(m->src->fleet, w);

		sessions += pw_forward_sessions(f);
		outstanding += pw_forward_outstanding(f);
	}
	number(t, "sent", out);
	number(t, "sent_bytes", bytes);
	number(t, "devices", sessions);
	number(t, "outstanding", outstanding);
	text_put(t, "}");
}

static void
write_workers(struct metrics *m)
{
	struct text *t = &m->text;

	number(t, "tsc_hz", rte_get_tsc_hz());
	key(t, "workers");
	text_put(t, "[");
	for (uint32_t w = 0; w < m->shape.workers; w++) {
		const struct pw_fleet *f = m->src->fleet;
		const struct pw_worker_counters *c = pw_fleet_counters(f, w);

		object(t);
		number(t, "lcore", pw_fleet_lcore(f, w));
		string(t, "role", tel_role_str(pw_fleet_role(f, w)));
		number(t, "busy_cycles", __atomic_load_n(&c->busy_cycles, __ATOMIC_RELAXED));
		number(t, "total_cycles", __atomic_load_n(&c->total_cycles, __ATOMIC_RELAXED));
		number(t, "sleep_cycles", __atomic_load_n(&c->sleep_cycles, __ATOMIC_RELAXED));
		string(t, "idle", tel_idle_str(pw_fleet_idle(f, w)));
		number(t, "devices", pw_forward_sessions(pw_fleet_forward(f, w)));
		number(t, "tcp_connections", pw_tcp_conns(pw_fleet_tcp(f, w)));
		text_put(t, "}");
	}
	text_put(t, "]");
}

static uint64_t
broker_drops(const struct pw_upstream_counters *n)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; pw_upstream_counters_desc[i].name != NULL; i++)
		if (metrics_drop_reason(&pw_upstream_counters_desc[i]) != NULL)
			sum += pw_counter_read(n, i);
	return sum;
}

/* All workers' connections to a broker together. */
static void
write_broker(struct metrics *m, uint32_t b)
{
	const struct pw_broker_conf *conf = &m->src->settings->broker[b];
	struct metrics_broker sum = {0};
	char address[PW_ADDR_PORT_STRLEN];
	struct text *t = &m->text;

	for (uint32_t i = 0; i < m->shape.broker_workers; i++) {
		const struct metrics_broker *row = &m->broker[(size_t)i * m->shape.brokers + b];

		if (row->state != NULL && (sum.state == NULL || row->worst < sum.worst)) {
			sum.state = row->state;
			sum.worst = row->worst;
		}
		if (row->last_error[0] != '\0' &&
		    (sum.last_error[0] == '\0' || row->up < row->connections))
			memcpy(sum.last_error, row->last_error, sizeof(sum.last_error));
		sum.connections += row->connections;
		sum.up += row->up;
		sum.lag += row->lag;
		sum.inflight += row->inflight;
		sum.held += row->held;
		sum.held_bytes += row->held_bytes;
		sum.detached_now += row->detached_now;
		for (uint32_t c = 0; c < sizeof(sum.n) / sizeof(uint64_t); c++)
			((uint64_t *)&sum.n)[c] += ((const uint64_t *)&row->n)[c];
	}
	object(t);
	string(t, "name", conf->name);
	string(t, "address", pw_addr_port_str(&conf->address, conf->port, address));
	string(t, "state", sum.state != NULL ? sum.state : "no connection");
	number(t, "connections", sum.connections);
	number(t, "up", sum.up);
	number(t, "lag", sum.lag);
	number(t, "inflight", sum.inflight);
	number(t, "held", sum.held);
	number(t, "held_bytes", sum.held_bytes);
	number(t, "detached", sum.detached_now);
	number(t, "sent",
	       sum.n.messages_qos0 + sum.n.messages_qos1 + sum.n.messages_qos2 + sum.n.redelivered);
	number(t, "acked", sum.n.acked);
	number(t, "dropped", broker_drops(&sum.n));
	string(t, "last_error", sum.last_error);
	text_put(t, "}");
}

static void
write_pools(struct metrics *m)
{
	const struct {
		const char *name;
		const struct rte_mempool *pool;
	} pool[] = {
		{"packet buffers", m->src->mem->pkt},
		{"header buffers", m->src->mem->hdr},
		{"indirect buffers", m->src->mem->ind},
	};
	struct text *t = &m->text;
	size_t size = 0, left = 0;

	key(t, "pools");
	text_put(t, "[");
	for (uint32_t i = 0; i < RTE_DIM(pool); i++) {
		object(t);
		string(t, "name", pool[i].name);
		number(t, "count", pool[i].pool->size);
		number(t, "in_use", rte_mempool_in_use_count(pool[i].pool));
		text_put(t, "}");
	}
	text_put(t, "]");
	for (uint32_t n = 0; n < rte_socket_count(); n++) {
		struct rte_malloc_socket_stats s;
		int socket = rte_socket_id_by_idx(n);

		if (socket < 0 || rte_malloc_get_socket_stats(socket, &s) != 0)
			continue;
		size += s.heap_totalsz_bytes;
		left += s.heap_freesz_bytes;
	}
	number(t, "heap_bytes", size);
	number(t, "heap_free_bytes", left);
}

static void
write_ports(struct metrics *m)
{
	struct text *t = &m->text;

	key(t, "ports");
	text_put(t, "[");
	for (uint32_t p = 0; p < m->shape.ports; p++) {
		const struct pw_port *port = m->src->port[p];
		struct rte_eth_stats s = {0};
		struct rte_eth_link link = {0};
		bool known = rte_eth_link_get_nowait(port->id, &link) == 0;

		(void)rte_eth_stats_get(port->id, &s); /* zeros where the driver counts nothing */
		object(t);
		string(t, "name", m->src->port_name[p]);
		string(t, "device", port->device);
		string(t, "driver", port->driver);
		string(t, "link", !known ? "unknown" : link.link_status ? "up" : "down");
		number(t, "rx_packets", s.ipackets);
		number(t, "rx_bytes", s.ibytes);
		number(t, "rx_missed", s.imissed + s.rx_nombuf + s.ierrors);
		number(t, "tx_packets", s.opackets);
		number(t, "tx_bytes", s.obytes);
		number(t, "tx_errors", s.oerrors);
		text_put(t, "}");
	}
	text_put(t, "]");
}

static void
write_drop(struct text *t, const char *room, const struct pw_counter_desc *d, uint64_t count)
{
	if (count == 0 || metrics_drop_reason(d) == NULL)
		return;
	object(t);
	string(t, "room", room);
	string(t, "reason", metrics_drop_reason(d));
	string(t, "meaning", d->help);
	number(t, "count", count);
	text_put(t, "}");
}

/* Those that happened. */
static void
write_drops(struct metrics *m)
{
	struct text *t = &m->text;
	const struct pw_counter_desc *d;

	key(t, "drops");
	text_put(t, "[");
	for (uint32_t r = 0; r < TEL_ROOMS; r++) {
		d = tel_rooms[r].desc;
		for (uint32_t i = 0; d[i].name != NULL; i++)
			write_drop(t, tel_rooms[r].name, &d[i], metrics_room_sum(m, r, i));
	}
	d = pw_upstream_counters_desc;
	for (uint32_t i = 0; d[i].name != NULL; i++) {
		uint64_t sum = 0;

		for (uint32_t b = 0; b < m->shape.brokers; b++)
			sum += metrics_broker_sum(m, b, i);
		write_drop(t, "upstream", &d[i], sum);
	}
	text_put(t, "]");
}

/* Buckets that hold something: the edge in ns and the count, so that differences have quantiles. */
static void
write_latency(struct metrics *m)
{
	static const char *const name[2] = {"qos0", "qos1"};
	static struct pw_hist sum[2]; /* too large for a stack */
	struct text *t = &m->text;

	metrics_read_latency(m, sum);
	key(t, "latency");
	text_put(t, "{");
	for (uint32_t q = 0; q < 2; q++) {
		key(t, name[q]);
		text_put(t, "[");
		for (uint32_t b = 0; b < PW_HIST_BUCKETS; b++) {
			if (sum[q].bucket[b] == 0)
				continue;
			text_put(t, t->buf[t->at - 1] == ']' ? ",[" : "[");
			text_u64(t, RTE_MIN(pw_hist_edge(b), sum[q].max));
			text_put(t, ",");
			text_u64(t, sum[q].bucket[b]);
			text_put(t, "]");
		}
		text_put(t, "]");
	}
	text_put(t, "}");
}

/* Those of the last sweep, who sends most first. */
static void
write_talkers(struct metrics *m)
{
	const struct talkers *top = &m->talkers;
	char address[PW_ADDR_STRLEN];
	struct text *t = &m->text;

	if (top->most == 0)
		return;
	talkers_watch(m, pw_clock_now());
	key(t, "talkers");
	text_put(t, "[");
	for (uint32_t i = 0; i < top->nb_shown; i++) {
		const struct pw_session_info *s = &top->shown[i].info;

		object(t);
		string(t, "client", s->client_id);
		string(t, "user", s->user);
		string(t, "address", pw_addr_str(&s->flow.remote, address));
		number(t, "millirate", top->shown[i].rate);
		number(t, "messages", s->messages);
		number(t, "inflight", s->inflight);
		text_put(t, "}");
	}
	text_put(t, "]");
}

bool
status_write(struct metrics *m)
{
	struct text *t = &m->text;

	text_reset(t);
	metrics_read_brokers(m);
	text_put(t, "{");
	string(t, "version", m->version);
	string(t, "instance", m->src->settings->instance);
	number(t, "started", m->started);
	number(t, "now", pw_clock_now());
	write_traffic(m);
	write_workers(m);
	key(t, "brokers");
	text_put(t, "[");
	for (uint32_t b = 0; b < m->shape.brokers; b++) {
		/* A place that a removed broker has left. */
		if (m->src->settings->broker[b].name[0] != '\0')
			write_broker(m, b);
	}
	text_put(t, "]");
	write_pools(m);
	write_ports(m);
	write_drops(m);
	write_latency(m);
	write_talkers(m);
	text_put(t, "}\n");
	return !t->cut;
}
