/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a person reads: the memory plan, what was set up, what a run amounted to.
 */

#include <inttypes.h>
#include <stdio.h>

#include <rte_malloc.h>
#include <rte_memory.h>

#include <pubwire/base/histogram.h>

#include "app.h"

static void
memory_row(FILE *out, const char *what, size_t bytes)
{
	fprintf(out, "  %-36s %10.2f MB\n", what, (double)bytes / 1e6);
}

void
app_report_memory(const struct pw_config *c, FILE *out)
{
	struct pw_config_memory m;

	pw_config_memory(c, &m);
	fprintf(out, "memory plan\n");
	memory_row(out, "packet buffers", m.pkt);
	memory_row(out, "header buffers", m.hdr);
	memory_row(out, "indirect buffers", m.ind);
	memory_row(out, "TCP's tables and send queues", m.tcp);
	memory_row(out, "device sessions", m.sessions);
	memory_row(out, "wills, aliases, QoS 2, kept sessions", m.wills);
	memory_row(out, "forward logs", m.logs);
	if (c->http.on)
		memory_row(out, "status page and metrics", m.http);
	memory_row(out, "DPDK's own and tables, about", m.dpdk);
	memory_row(out, "in all", m.total);
	fprintf(out, "  an idle device connection takes %zu bytes of it, all told %zu\n", m.idle,
		m.each);
}

void
app_report_plan(const struct pw_config *c, FILE *out)
{
	struct pw_config_memory m;
	size_t buffers;

	pw_config_memory(c, &m);
	buffers = m.pkt + m.hdr + m.ind;
	fprintf(out, "plan: buffers=%zu workers=%zu total=%zu\n", buffers, m.total - buffers,
		m.total);
}

static const char *
role_str(uint8_t role)
{
	if (role == (PW_ROLE_DEVICES | PW_ROLE_BROKERS))
		return "devices and brokers";
	return role == PW_ROLE_DEVICES ? "devices" : "brokers";
}

/* Bytes that DPDK's heaps have taken, all NUMA nodes together. */
static size_t
heap_bytes(void)
{
	struct rte_malloc_socket_stats s;
	size_t sum = 0;

	for (uint32_t i = 0; i < RTE_MAX_NUMA_NODES; i++)
		if (rte_malloc_get_socket_stats(i, &s) == 0)
			sum += s.heap_totalsz_bytes;
	return sum;
}

static void
report_ports(const struct app *a, FILE *out)
{
	static const char *const verdict[] = {
		[PW_SELFTEST_OK] = "works",
		[PW_SELFTEST_BROKEN] = "BROKEN, switched off",
		[PW_SELFTEST_UNTRIED] = "not tried",
		[PW_SELFTEST_ABSENT] = "absent",
	};
	char caps[256], text[PW_ADDR_STRLEN];

	for (uint32_t i = 0; i < a->config.nb_ports; i++) {
		const struct pw_port *p = &a->port[i];
		const struct pw_config_port *c = &a->config.port[i];

		fprintf(out, "port %s: %s (%s), %u RX and %u TX queues, MTU %u", c->name, p->device,
			p->driver, p->nb_rxq, p->nb_txq, p->mtu);
		for (uint32_t n = 0; n < c->nb_addrs; n++)
			fprintf(out, ", %s/%u", pw_addr_str(&c->addr[n].addr, text),
				c->addr[n].prefix_len);
		fprintf(out, "\n  offloads in use: %s\n",
			p->caps != 0 ? pw_port_caps_str(p->caps, caps, sizeof(caps)) : "none");
		for (uint32_t r = 0; r < a->selftest_rows[i]; r++) {
			const struct pw_selftest_row *row = &a->selftest[i][r];

			fprintf(out, "  %-16s %s%s%s\n",
				pw_port_caps_str(row->cap, caps, sizeof(caps)),
				verdict[row->verdict], row->why[0] != '\0' ? ": " : "", row->why);
		}
	}
}

void
app_report_start(const struct app *a, FILE *out)
{
	const struct pw_forward_settings *s = &a->config.forward;
	char text[PW_ADDR_PORT_STRLEN];

	report_ports(a, out);
	for (uint32_t w = 0; w < a->config.nb_workers; w++)
		fprintf(out, "worker %u: lcore %u, %s\n", w, a->config.lcore[w],
			role_str(a->config.role[w]));
	for (uint32_t i = 0; i < s->nb_listeners; i++)
		fprintf(out, "listener %s: %s\n", s->listener[i].name,
			pw_addr_port_str(&s->listener[i].address, s->listener[i].port, text));
	for (uint32_t i = 0; i < s->nb_brokers; i++)
		fprintf(out, "broker %s: %s\n", s->broker[i].name,
			pw_addr_port_str(&s->broker[i].address, s->broker[i].port, text));
	if (a->config.http.on)
		fprintf(out, "status page: http://%s/\n",
			pw_addr_port_str(&a->config.http.address, a->config.http.port, text));
	app_report_memory(&a->config, out);
	memory_row(out, "taken from DPDK's heaps now", heap_bytes());
}

/* Never accepted. */
static uint64_t
dropped(const struct pw_device_counters *d)
{
	return d->dropped_no_route + d->dropped_not_authorized + d->dropped_log_full +
	       d->dropped_no_buffer + d->dropped_unread;
}

static void
take_upstreams(const struct pw_forward *f, struct app_summary *s)
{
	struct pw_upstream_info up[16];
	uint32_t from = 0, n;

	do {
		n = pw_forward_upstreams(f, from, up, RTE_DIM(up));
		for (uint32_t i = 0; from + i < n && i < RTE_DIM(up); i++) {
			const struct pw_upstream_counters *c = &up[i].counters;

			s->upstream_messages +=
				c->messages_qos0 + c->messages_qos1 + c->messages_qos2;
			s->redelivered += c->redelivered;
		}
		from += RTE_DIM(up);
	} while (from < n);
}

void
app_lost_take(const struct app *a, struct app_lost *l)
{
	*l = (struct app_lost){0};
	for (uint32_t w = 0; w < pw_fleet_workers(a->fleet); w++) {
		const struct pw_forward *f = pw_fleet_forward(a->fleet, w);
		const struct pw_device_counters *d = pw_forward_counters(f);

		l->given_up += __atomic_load_n(&d->dropped_on_shutdown, __ATOMIC_RELAXED) +
			       pw_forward_outstanding(f);
		l->cut += __atomic_load_n(&d->cut_on_shutdown, __ATOMIC_RELAXED);
		l->wills += __atomic_load_n(&d->wills_dropped, __ATOMIC_RELAXED);
	}
}

void
app_summary_take(const struct app *a, struct app_summary *s)
{
	static struct pw_hist latency[2]; /* too large for a stack */

	for (uint32_t w = 0; w < pw_fleet_workers(a->fleet); w++) {
		const struct pw_forward *f = pw_fleet_forward(a->fleet, w);
		const struct pw_device_counters *d = pw_forward_counters(f);

		s->accepted += d->accepted;
		s->acknowledged += d->acknowledged;
		s->completed_qos0 += d->completed_qos0;
		s->dropped += dropped(d);
		s->given_up_qos0 += d->given_up_qos0;
		s->orphaned += d->orphaned;
		s->given_up += d->dropped_on_shutdown;
		s->payload_bytes += d->payload_bytes;
		s->by_ref += d->bytes_by_ref;
		s->copied += d->bytes_copied;
		s->given_up += pw_forward_outstanding(f);
		take_upstreams(f, s);
		pw_hist_merge(&latency[0], pw_forward_latency_qos0(f));
		pw_hist_merge(&latency[1], pw_forward_latency_qos1(f));
	}
	for (uint32_t q = 0; q < RTE_DIM(latency); q++) {
		s->count[q] = latency[q].count;
		s->p50[q] = pw_hist_quantile(&latency[q], 5000);
		s->p99[q] = pw_hist_quantile(&latency[q], 9900);
	}
}

void
app_report_end(const struct app_summary *s, FILE *out)
{
	uint64_t bytes = s->by_ref + s->copied;
	double share = bytes != 0 ? 100.0 * (double)s->by_ref / (double)bytes : 0;
	uint32_t leaked = s->leaked_pkt + s->leaked_hdr + s->leaked_ind;

	fprintf(out,
		"summary\n"
		"  messages accepted        %" PRIu64 "\n"
		"  QoS 0 given to brokers   %" PRIu64 "\n"
		"  QoS 0 given to nobody    %" PRIu64 "\n"
		"  QoS 1 acknowledged       %" PRIu64 "\n"
		"  acknowledged to nobody   %" PRIu64 " (the device had gone)\n"
		"  given up at the end      %" PRIu64 "\n"
		"  dropped, never accepted  %" PRIu64 "\n"
		"  sent to brokers          %" PRIu64 " (and %" PRIu64 " again after a reconnect)\n"
		"  payload bytes            %" PRIu64 "\n"
		"  bytes by reference       %" PRIu64 " (%.1f %%)\n"
		"  bytes copied             %" PRIu64 "\n",
		s->accepted, s->completed_qos0, s->given_up_qos0, s->acknowledged, s->orphaned,
		s->given_up, s->dropped, s->upstream_messages, s->redelivered, s->payload_bytes,
		s->by_ref, share, s->copied);
	for (uint32_t q = 0; q < 2; q++)
		fprintf(out,
			"  QoS %u latency            p50 %.1f us, p99 %.1f us, of %" PRIu64 "\n", q,
			(double)s->p50[q] / 1e3, (double)s->p99[q] / 1e3, s->count[q]);
	fprintf(out, "  buffers still in use     %u packet, %u header, %u indirect%s\n",
		s->leaked_pkt, s->leaked_hdr, s->leaked_ind,
		leaked != 0 ? " -- LEAKED, this is a defect" : "");
	fflush(out);
}
