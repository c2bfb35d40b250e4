/* SPDX-License-Identifier: BSD-3-Clause */
/* /metrics: what runs. Families of workers, memory, ports; those of messages are metrics_flow.c's.
 */

#include <stdio.h>
#include <string.h>

#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_malloc.h>
#include <rte_memory.h>
#include <rte_mempool.h>
#include <rte_version.h>

#include <pubwire/base/log.h>

#include "metrics_pvt.h"
#include "telemetry_pvt.h"

void
metrics_head(struct text *t, const char *prefix, const char *name, const char *type,
	     const char *help)
{
	static const char *const word[] = {"# TYPE pubwire_", "# HELP pubwire_"};
	const char *const said[] = {type, help};

	for (uint32_t i = 0; i < RTE_DIM(word); i++) {
		text_put(t, word[i]);
		text_put(t, prefix);
		text_put(t, name);
		text_put(t, " ");
		text_put(t, said[i]);
		text_put(t, "\n");
	}
}

static void
sample_name(struct text *t, const char *prefix, const char *name, const char *suffix,
	    const struct metrics_labels *l)
{
	text_put(t, "pubwire_");
	text_put(t, prefix);
	text_put(t, name);
	text_put(t, suffix);
	if (l == NULL || (l->label == NULL && l->lcore < 0))
		return;
	text_put(t, "{");
	if (l->label != NULL) {
		text_put(t, l->label);
		text_put(t, "=");
		text_label(t, l->value);
	}
	if (l->lcore >= 0) {
		text_put(t, l->label != NULL ? ",lcore=\"" : "lcore=\"");
		text_u64(t, (uint64_t)l->lcore);
		text_put(t, "\"");
	}
	text_put(t, "}");
}

void
metrics_sample(struct text *t, const char *prefix, const char *name, const char *suffix,
	       const struct metrics_labels *l, uint64_t v)
{
	sample_name(t, prefix, name, suffix, l);
	text_put(t, " ");
	text_u64(t, v);
	text_put(t, "\n");
}

static struct metrics_labels
lcore_of(const struct metrics *m, uint32_t w)
{
	return (struct metrics_labels){.lcore = pw_fleet_lcore(m->src->fleet, w)};
}

static void
write_about(struct metrics *m)
{
	const char *dpdk = rte_version();
	struct text *t = &m->text;

	metrics_head(t, "", "build", "info", "What runs");
	text_put(t, "pubwire_build_info{version=");
	text_label(t, m->version);
	text_put(t, ",dpdk=");
	text_label(t, strncmp(dpdk, "DPDK ", 5) == 0 ? dpdk + 5 : dpdk);
	text_put(t, ",name=");
	text_label(t, m->src->settings->instance);
	text_put(t, "} 1\n");
	metrics_head(t, "", "start_time_seconds", "gauge", "Start, since the epoch");
	metrics_sample(t, "", "start_time_seconds", "", NULL, m->started);
	metrics_head(t, "", "worker", "info", "What each worker lcore serves");
	for (uint32_t w = 0; w < m->shape.workers; w++) {
		struct metrics_labels l = lcore_of(m, w);

		l.label = "role";
		l.value = tel_role_str(pw_fleet_role(m->src->fleet, w));
		metrics_sample(t, "", "worker", "_info", &l, 1);
	}
	metrics_head(t, "", "worker_idle", "info", "What each worker does when it is idle");
	for (uint32_t w = 0; w < m->shape.workers; w++) {
		struct metrics_labels l = lcore_of(m, w);

		l.label = "policy";
		l.value = tel_idle_str(pw_fleet_idle(m->src->fleet, w));
		metrics_sample(t, "", "worker_idle", "_info", &l, 1);
	}
}

/* Every counter of every room, of each worker. */
static void
write_rooms(struct metrics *m)
{
	char prefix[32];

	for (uint32_t r = 0; r < TEL_ROOMS; r++) {
		const struct tel_room *room = &tel_rooms[r];

		snprintf(prefix, sizeof(prefix), "%s_", room->name);
		for (uint32_t i = 0; room->desc[i].name != NULL; i++) {
			metrics_head(&m->text, prefix, room->desc[i].name, "counter",
				     room->desc[i].help);
			for (uint32_t w = 0; w < m->shape.workers; w++) {
				struct metrics_labels l = lcore_of(m, w);

				metrics_sample(&m->text, prefix, room->desc[i].name, "_total", &l,
					       pw_counter_read(room->of(m->src->fleet, w), i));
			}
		}
	}
}

static void
write_table(struct metrics *m, const char *prefix, const struct pw_counter_desc *desc,
	    const void *counters)
{
	for (uint32_t i = 0; desc[i].name != NULL; i++) {
		metrics_head(&m->text, prefix, desc[i].name, "counter", desc[i].help);
		metrics_sample(&m->text, prefix, desc[i].name, "_total", NULL,
			       pw_counter_read(counters, i));
	}
}

static void
write_seconds(struct metrics *m, const char *name, uint32_t w, uint64_t ns)
{
	struct metrics_labels l = lcore_of(m, w);

	sample_name(&m->text, "worker_", name, "_total", &l);
	text_put(&m->text, " ");
	text_seconds(&m->text, ns);
	text_put(&m->text, "\n");
}

/* What the shares of a lcore are made of: rate(busy) / rate(all), rate(sleep) / rate(all). */
static void
write_busy(struct metrics *m)
{
	static const struct {
		const char *name, *help;
		size_t at;
	} family[] = {
		{"busy_seconds", "Time in turns of the loop that found work",
		 offsetof(struct pw_worker_counters, busy_cycles)},
		{"sleep_seconds", "Time asleep or waiting",
		 offsetof(struct pw_worker_counters, sleep_cycles)},
		{"seconds", "Time in the loop", offsetof(struct pw_worker_counters, total_cycles)},
	};
	uint64_t hz = rte_get_tsc_hz();

	for (uint32_t i = 0; i < RTE_DIM(family) && hz != 0; i++) {
		metrics_head(&m->text, "worker_", family[i].name, "counter", family[i].help);
		for (uint32_t w = 0; w < m->shape.workers; w++) {
			const void *c = pw_fleet_counters(m->src->fleet, w);
			uint64_t cycles = pw_counter_read(c, (uint32_t)(family[i].at / 8));

			write_seconds(m, family[i].name, w,
				      cycles / hz * 1000000000u + cycles % hz * 1000000000u / hz);
		}
	}
	metrics_head(&m->text, "worker_", "cpu_seconds", "counter",
		     "CPU time of the thread, by the kernel's account");
	for (uint32_t w = 0; w < m->shape.workers; w++)
		write_seconds(m, "cpu_seconds", w, pw_fleet_cpu_time(m->src->fleet, w));
}

static uint64_t
sessions(const struct pw_fleet *f, uint32_t w)
{
	return pw_forward_sessions(pw_fleet_forward(f, w));
}

static uint64_t
tcp_connections(const struct pw_fleet *f, uint32_t w)
{
	return pw_tcp_conns(pw_fleet_tcp(f, w));
}

static uint64_t
outstanding(const struct pw_fleet *f, uint32_t w)
{
	return pw_forward_outstanding(pw_fleet_forward(f, w));
}

static uint64_t
owed(const struct pw_fleet *f, uint32_t w)
{
	return pw_forward_owed(pw_fleet_forward(f, w));
}

static uint64_t
trailing(const struct pw_fleet *f, uint32_t w)
{
	return pw_forward_trailing(pw_fleet_forward(f, w));
}

static void
write_gauges(struct metrics *m)
{
	static const struct {
		const char *name, *help;
		uint64_t (*of)(const struct pw_fleet *f, uint32_t w);
	} gauge[] = {
		{"device_sessions", "Devices that are connected", sessions},
		{"tcp_connections", "TCP connections of devices and to brokers", tcp_connections},
		{"outstanding_messages",
		 "Accepted messages that are not decided: QoS 0 that some broker still needs, "
		 "others "
		 "whose acknowledgement rule is not met",
		 outstanding},
		{"owed_messages", "Decided messages whose acknowledgement to the device waits",
		 owed},
		{"trailing_messages", "Acknowledged messages that some broker still needs",
		 trailing},
	};

	for (uint32_t i = 0; i < RTE_DIM(gauge); i++) {
		metrics_head(&m->text, "", gauge[i].name, "gauge", gauge[i].help);
		for (uint32_t w = 0; w < m->shape.workers; w++) {
			struct metrics_labels l = lcore_of(m, w);

			metrics_sample(&m->text, "", gauge[i].name, "", &l,
				       gauge[i].of(m->src->fleet, w));
		}
	}
}

static void
write_pools(struct metrics *m)
{
	const struct {
		const char *name;
		const struct rte_mempool *pool;
	} pool[] = {
		{"packet_buffers", m->src->mem->pkt},
		{"header_buffers", m->src->mem->hdr},
		{"indirect_buffers", m->src->mem->ind},
	};
	struct metrics_labels l = {.label = "pool", .lcore = -1};

	metrics_head(&m->text, "pool_", "buffers", "gauge", "Buffers that a pool has in all");
	for (uint32_t i = 0; i < RTE_DIM(pool); i++) {
		l.value = pool[i].name;
		metrics_sample(&m->text, "pool_", "buffers", "", &l, pool[i].pool->size);
	}
	metrics_head(&m->text, "pool_", "buffers_in_use", "gauge", "Buffers that are in use");
	for (uint32_t i = 0; i < RTE_DIM(pool); i++) {
		l.value = pool[i].name;
		metrics_sample(&m->text, "pool_", "buffers_in_use", "", &l,
			       rte_mempool_in_use_count(pool[i].pool));
	}
}

static void
write_heap(struct metrics *m)
{
	static const struct {
		const char *name, *help;
		size_t at;
	} family[] = {
		{"size_bytes", "Memory of DPDK's heaps, of hugepages unless --no-huge",
		 offsetof(struct rte_malloc_socket_stats, heap_totalsz_bytes)},
		{"free_bytes", "Memory of DPDK's heaps that is free",
		 offsetof(struct rte_malloc_socket_stats, heap_freesz_bytes)},
	};

	for (uint32_t i = 0; i < RTE_DIM(family); i++) {
		metrics_head(&m->text, "heap_", family[i].name, "gauge", family[i].help);
		for (uint32_t n = 0; n < rte_socket_count(); n++) {
			struct rte_malloc_socket_stats s;
			struct metrics_labels l = {.label = "numa", .lcore = -1};
			int socket = rte_socket_id_by_idx(n);
			char numa[16];
			size_t v;

			if (socket < 0 || rte_malloc_get_socket_stats(socket, &s) != 0)
				continue;
			snprintf(numa, sizeof(numa), "%d", socket);
			l.value = numa;
			memcpy(&v, (const char *)&s + family[i].at, sizeof(v));
			metrics_sample(&m->text, "heap_", family[i].name, "", &l, v);
		}
	}
}

/* As the drivers count; what never reached a worker shows here alone. */
static void
write_ports(struct metrics *m)
{
	static const struct {
		const char *name, *help;
		size_t at;
	} family[] = {
		{"receive_packets", "Packets that a port received",
		 offsetof(struct rte_eth_stats, ipackets)},
		{"receive_bytes", "Bytes that a port received",
		 offsetof(struct rte_eth_stats, ibytes)},
		{"receive_missed", "Packets that found a port's receive queue full",
		 offsetof(struct rte_eth_stats, imissed)},
		{"receive_errors", "Packets that a port received damaged",
		 offsetof(struct rte_eth_stats, ierrors)},
		{"receive_no_buffer", "Times that a port found no buffer to receive into",
		 offsetof(struct rte_eth_stats, rx_nombuf)},
		{"transmit_packets", "Packets that a port sent",
		 offsetof(struct rte_eth_stats, opackets)},
		{"transmit_bytes", "Bytes that a port sent",
		 offsetof(struct rte_eth_stats, obytes)},
		{"transmit_errors", "Packets that a port failed to send",
		 offsetof(struct rte_eth_stats, oerrors)},
	};
	struct metrics_labels l = {.label = "port", .lcore = -1};
	struct rte_eth_stats stats[PW_CONFIG_MAX_PORTS];
	bool there[PW_CONFIG_MAX_PORTS];

	metrics_head(&m->text, "port_", "up", "gauge", "1 where the link of a port is up");
	for (uint32_t p = 0; p < m->shape.ports; p++) {
		struct rte_eth_link link;

		l.value = m->src->port_name[p];
		there[p] = rte_eth_stats_get(m->src->port[p]->id, &stats[p]) == 0;
		if (rte_eth_link_get_nowait(m->src->port[p]->id, &link) == 0)
			metrics_sample(&m->text, "port_", "up", "", &l, link.link_status);
	}
	for (uint32_t i = 0; i < RTE_DIM(family); i++) {
		metrics_head(&m->text, "port_", family[i].name, "counter", family[i].help);
		for (uint32_t p = 0; p < m->shape.ports; p++) {
			l.value = m->src->port_name[p];
			if (there[p])
				metrics_sample(
					&m->text, "port_", family[i].name, "_total", &l,
					pw_counter_read(&stats[p], (uint32_t)(family[i].at / 8)));
		}
	}
}

static void
write_auth(struct metrics *m)
{
	const struct pw_authenticator *a = m->src->auth;
	uint32_t head, tail;

	if (a->files == NULL)
		return;
	/* head first: it never passes the tail that is read after it */
	head = __atomic_load_n(&a->head, __ATOMIC_RELAXED);
	tail = __atomic_load_n(&a->tail, __ATOMIC_RELAXED);
	metrics_head(&m->text, "auth_", "waiting", "gauge", "Passwords that wait for crypt(3)");
	metrics_sample(&m->text, "auth_", "waiting", "", NULL,
		       RTE_MIN(tail - head, (uint32_t)PW_AUTH_QUEUE));
	metrics_head(&m->text, "auth_", "users", "gauge", "Users of the password file");
	metrics_sample(&m->text, "auth_", "users", "", NULL, a->files->access.nb_users);
	write_table(m, "auth_", pw_auth_counters_desc, &a->counters);
}

bool
metrics_write(struct metrics *m)
{
	struct text *t = &m->text;

	text_reset(t);
	metrics_read_brokers(m);
	write_about(m);
	write_busy(m);
	write_gauges(m);
	write_rooms(m);
	metrics_flow(m);
	write_pools(m);
	write_heap(m);
	write_ports(m);
	write_auth(m);
	write_table(m, "http_", m->http_desc, m->http_counters);
	metrics_head(t, "log_", "lines_dropped", "counter", "Log lines that found their ring full");
	metrics_sample(t, "log_", "lines_dropped", "_total", NULL, pw_log_dropped());
	text_put(t, "# EOF\n");
	return !t->cut;
}
