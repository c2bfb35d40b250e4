/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What an operator does about each kind of drop. A row a counter that begins with drop_ or
 * dropped_; a test misses a row that is not there.
 */

#include <errno.h>
#include <string.h>

#include <rte_common.h>

#include "metrics_pvt.h"
#include "telemetry_pvt.h"

static const struct {
	const char *room, *name, *remedy;
} rows[] = {
	{"worker", "drop_tx_full",
	 "The port sends too slowly: look at its link, its speed and tx_descriptors; TCP repeats "
	 "what was lost"},
	{"worker", "drop_tx_refused",
	 "A driver takes no such frame: see offloads in /pubwire/ports, and disable_offloads of "
	 "the port"},
	{"worker", "drop_steer_full",
	 "A worker is overloaded: see its busy share; more workers, or a port with a queue for "
	 "each of them"},
	{"worker", "drop_message_full",
	 "A worker is overloaded, or somebody sends fragments or ICMP errors in masses: see its "
	 "busy share"},
	{"worker", "drop_kernel_rate",
	 "More comes for the host than ports[].kernel.rate: capture shows what; raise the rate, or "
	 "filter it before the port"},
	{"worker", "drop_kernel_ring",
	 "Worker 0, which talks to the kernel, is overloaded: see its busy share, and what comes "
	 "for the host"},
	{"worker", "drop_kernel_refused",
	 "The kernel's interface is down, full or deleted: ip -s link shows it; a restart of "
	 "pubwire makes it anew"},
	{"wire", "drop_runt",
	 "A broken sender or cable: capture, and look at errors of the switch port"},
	{"wire", "drop_not_ours_mac",
	 "A switch floods, or an old MAC is cached: nothing to do unless it is much"},
	{"wire", "drop_group_source", "A broken or hostile sender: capture shows its frames"},
	{"wire", "drop_vlan",
	 "The switch sends another VLAN than vlan of the port: correct either of them"},
	{"wire", "drop_ethertype",
	 "LLDP, STP and the like, which nobody here speaks: nothing to do"},
	{"wire", "drop_ip_header", "A broken or hostile sender: capture shows its packets"},
	{"wire", "drop_ip_cksum",
	 "Damage on the path, or a sender that leaves checksums to a NIC that does not do them"},
	{"wire", "drop_ip_dst",
	 "Packets for an address that the port has not: see addresses of the port and routes of "
	 "the neighbours"},
	{"wire", "drop_ip_src",
	 "Forged or misconfigured senders: nothing to do here; filter at the edge"},
	{"wire", "drop_ip_ext",
	 "Unusual or hostile senders: nothing to do unless a device of yours is among them"},
	{"wire", "drop_ip_scope",
	 "A peer uses its link-local address: give it the global one of the listener"},
	{"wire", "drop_fragment",
	 "Hostile, or fragments refuses them: see it in the configuration"},
	{"wire", "drop_frag_overlap", "Hostile or broken senders: nothing to do"},
	{"wire", "drop_frag_timeout",
	 "Loss on the path: TCP repeats; a smaller MSS or MTU of the senders avoids fragments"},
	{"wire", "drop_frag_full",
	 "More fragments than there is room for: lower the senders' MTU, or it is an attack"},
	{"wire", "drop_frag_pressure",
	 "Packet buffers run short: see pools; more memory.packet_buffers"},
	{"wire", "drop_proto", "UDP and the like, which nobody here speaks: nothing to do"},
	{"wire", "drop_l4_cksum",
	 "Damage on the path, or checksum offload of a virtual port: see its self-test in "
	 "/pubwire/ports"},
	{"wire", "drop_no_buffer",
	 "A pool is empty: see pools; more memory.packet_buffers or header_buffers"},
	{"wire", "drop_no_route",
	 "No gateway for that address family on the port: gateway or gateway6"},
	{"wire", "drop_unresolved",
	 "A gateway, broker or device does not answer ARP or ND: is it up, is VLAN and prefix "
	 "right?"},
	{"wire", "drop_hold_full",
	 "Many neighbours do not answer, or a scan runs: see drop_unresolved"},
	{"wire", "drop_oversize",
	 "A packet above the MTU of its port: a broken path MTU; see mtu of the ports"},
	{"tcp", "drop_ooo_full", "Much loss on the path to a peer: look at its link; TCP repeats"},
	{"tcp", "drop_ooo_old", "A peer never repeated what was lost: its link or host is broken"},
	{"tcp", "drop_header", "Broken or hostile senders: nothing to do"},
	{"tcp", "drop_no_conn",
	 "A scan, or peers of before a restart: nothing to do unless it goes on"},
	{"tcp", "drop_seq", "Late repetitions, or a forger: nothing to do unless it is much"},
	{"tcp", "drop_ack", "Late segments, or a forger: nothing to do unless it is much"},
	{"tcp", "drop_paws",
	 "Late repetitions, or a NAT that mixes clocks of hosts: look at the NAT"},
	{"tcp", "drop_duplicate",
	 "Bytes that came twice: loss of our ACKs or early repetition by the peer; look at the "
	 "path if it is much"},
	{"tcp", "drop_window", "A peer sends more than it may: nothing to do"},
	{"tcp", "drop_pressure", "Packet buffers run short: see pools; more memory.packet_buffers"},
	{"tcp", "drop_syn_full",
	 "As many connections as limits.max_connections: raise it (and memory), or find who opens "
	 "so many"},
	{"tcp", "drop_syn_pressure",
	 "Packet buffers run short: see pools; more memory.packet_buffers"},
	{"tcp", "drop_tx_no_buffer",
	 "A pool ran empty for a moment; it is sent later. If it goes on: more "
	 "memory.header_buffers"},
	{"tcp", "drop_tx_unreachable",
	 "No way to a peer: gateway, neighbour or link; see wire's drop_no_route and "
	 "drop_unresolved"},
	{"forward", "dropped_no_route",
	 "No route's filter matches the topic: add one, or one with filter # as the last"},
	{"forward", "dropped_not_authorized",
	 "The ACL file does not let that user write to the topic: its rule, or the device, is "
	 "wrong"},
	{"forward", "dropped_log_full",
	 "Brokers take less than devices send: see brokers (lag); when_full: block makes devices "
	 "wait instead"},
	{"forward", "dropped_no_buffer", "A pool is empty: see pools; more memory.packet_buffers"},
	{"forward", "dropped_unread",
	 "Devices ended their session while they were not read: see why of such a device, and "
	 "brokers' lag"},
	{"forward", "dropped_on_shutdown",
	 "The drain was cut: a longer limits.drain_deadline, and brokers that answer before one "
	 "drains"},
	{"upstream", "dropped_disconnected",
	 "A broker is away: see brokers for its last error; when_full: block keeps QoS 0 as well"},
	{"upstream", "dropped_slow",
	 "A broker takes less than it is sent: see its lag; a larger pool_size, or another broker "
	 "to share the load"},
	{"upstream", "dropped_hold",
	 "More waits for a broker than its hold: bring it back, or raise hold of the broker or "
	 "route"},
	{"upstream", "dropped_unanswered",
	 "A broker does not acknowledge: see its inflight and last error; it may hang"},
	{"upstream", "dropped_detached",
	 "A broker was detached, its hold was full: bring it back; it is given what comes from "
	 "then on"},
	{"upstream", "dropped_failover",
	 "A broker was lost and its share went to others: see brokers for its last error"},
	{"upstream", "dropped_expired",
	 "Expiry intervals of devices are shorter than brokers take: see lag, or the devices' "
	 "setting"},
	{"upstream", "dropped_too_large",
	 "A broker takes no such large message: its maximum packet size, or max_packet_size of it "
	 "here"},
};

const char *
metrics_drop_remedy(const char *room, const char *name)
{
	for (uint32_t i = 0; i < RTE_DIM(rows); i++)
		if (strcmp(rows[i].room, room) == 0 && strcmp(rows[i].name, name) == 0)
			return rows[i].remedy;
	return "";
}

static uint64_t
room_sum(const struct pw_telemetry_sources *src, uint32_t room, uint32_t counter)
{
	uint64_t sum = 0;

	for (uint32_t w = 0; w < pw_fleet_workers(src->fleet); w++)
		sum += pw_counter_read(tel_rooms[room].of(src->fleet, w), counter);
	return sum;
}

static void
add_upstreams(const struct pw_telemetry_sources *src, struct pw_upstream_counters *sum)
{
	static struct pw_upstream_info up[TEL_PAGE_BROKERS]; /* under the guard */

	for (uint32_t w = 0; w < pw_fleet_workers(src->fleet); w++) {
		const struct pw_forward *f = pw_fleet_forward(src->fleet, w);
		uint32_t from = 0, n;

		do {
			n = pw_forward_upstreams(f, from, up, RTE_DIM(up));
			for (uint32_t i = 0; from + i < n && i < RTE_DIM(up); i++)
				for (uint32_t k = 0; k < sizeof(*sum) / sizeof(uint64_t); k++)
					((uint64_t *)sum)[k] += pw_counter_read(&up[i].counters, k);
			from += RTE_DIM(up);
		} while (from < n);
	}
}

/* What is listed, and where the page begins. */
struct page {
	struct rte_tel_data *d;
	uint32_t start, total, rows;
};

static int
add_row(struct page *p, const char *room, const struct pw_counter_desc *desc, uint64_t count)
{
	const char *reason = metrics_drop_reason(desc);
	uint32_t at = p->total;
	struct rte_tel_data *r;

	if (reason == NULL)
		return 0;
	p->total++;
	if (at < p->start || p->rows == TEL_PAGE_DROPS)
		return 0;
	r = tel_row(p->d, at);
	if (r == NULL)
		return -ENOMEM;
	p->rows++;
	tel_text(r, "room", room);
	tel_text(r, "reason", reason);
	tel_text(r, "counter", desc->name);
	rte_tel_data_add_dict_u64(r, "count", count);
	tel_text(r, "means", desc->help);
	return tel_text(r, "remedy", metrics_drop_remedy(room, desc->name));
}

int
tel_drops(const struct pw_telemetry_sources *src, const char *params, struct rte_tel_data *d)
{
	struct pw_upstream_counters up = {0};
	const struct pw_counter_desc *desc;
	struct page p = {.d = d};
	int rc = 0;

	if (tel_number(&params, &p.start) != 0)
		return -EINVAL;
	for (uint32_t r = 0; r < TEL_ROOMS && rc == 0; r++) {
		desc = tel_rooms[r].desc;
		for (uint32_t i = 0; desc[i].name != NULL && rc == 0; i++)
			rc = add_row(&p, tel_rooms[r].name, &desc[i], room_sum(src, r, i));
	}
	add_upstreams(src, &up);
	desc = pw_upstream_counters_desc;
	for (uint32_t i = 0; desc[i].name != NULL && rc == 0; i++)
		rc = add_row(&p, "upstream", &desc[i], pw_counter_read(&up, i));
	return rc != 0 ? rc : tel_page(d, p.start, p.rows, p.total);
}
