/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Software RSS: frames of flows that belong to another worker are handed to it before any stack has
 * looked at them. ARP, ICMP and whatever has no TCP flow is worker 0's, who tells the others what
 * they have to know of it.
 */
#include <netinet/in.h>

#include <rte_ip.h>
#include <rte_tcp.h>

#include "worker_pvt.h"

bool
worker_is_listener_port(const struct pw_fleet *f, uint16_t port)
{
	for (uint32_t i = 0; i < f->nb_listeners; i++) {
		if (f->listener_port[i] == port)
			return true;
	}
	return false;
}

/* Destination port of a TCP frame, 0 where it has none; headers of one buffer only. */
static uint16_t
tcp_destination(const struct rte_mbuf *m)
{
	const uint8_t *p = rte_pktmbuf_mtod(m, const uint8_t *);
	uint32_t left = m->data_len, off = sizeof(struct rte_ether_hdr);
	uint32_t l4;
	uint16_t type;

	if (left < off + sizeof(struct rte_vlan_hdr))
		return 0;
	type = (uint16_t)(p[off - 2] << 8 | p[off - 1]);
	if (type == RTE_ETHER_TYPE_VLAN) {
		off += sizeof(struct rte_vlan_hdr);
		type = (uint16_t)(p[off - 2] << 8 | p[off - 1]);
	}
	if (type == RTE_ETHER_TYPE_IPV4) {
		const struct rte_ipv4_hdr *ip = (const struct rte_ipv4_hdr *)(p + off);

		if (left - off < sizeof(*ip) || ip->next_proto_id != IPPROTO_TCP)
			return 0;
		l4 = off + rte_ipv4_hdr_len(ip);
	} else if (type == RTE_ETHER_TYPE_IPV6) {
		const struct rte_ipv6_hdr *ip = (const struct rte_ipv6_hdr *)(p + off);

		if (left - off < sizeof(*ip) || ip->proto != IPPROTO_TCP)
			return 0;
		l4 = off + sizeof(*ip);
	} else {
		return 0;
	}
	if (left < l4 + 4)
		return 0;
	return (uint16_t)(p[l4 + 2] << 8 | p[l4 + 3]);
}

static uint16_t
owner(const struct pw_fleet *f, uint32_t iface, const struct rte_mbuf *m)
{
	const struct steering *st = &f->steering[iface];

	if (st->mixed && worker_is_listener_port(f, tcp_destination(m)))
		return pw_port_worker_of_frame(&st->devices, m);
	return pw_port_worker_of_frame(f->port[iface], m);
}

static void
hand_over(struct worker *w, uint32_t iface, uint32_t to, struct rte_mbuf *m)
{
	struct frame_msg msg = {.m = m, .iface = (uint16_t)iface, .kind = FRAME_RECEIVED};

	if (pw_ring_put(&lane_of(w->fleet, w->index, to)->frames, &msg, 1) == 1) {
		w->told |= UINT64_C(1) << to;
		count_add(&w->count.steered_out, 1);
	} else {
		rte_pktmbuf_free(m);
		count_add(&w->count.drop_steer_full, 1);
	}
}

/* Hands strays to their owners; returns how many frames are left at the front of the array. */
uint32_t
worker_steer(struct worker *w, uint32_t iface, struct rte_mbuf **frames, uint32_t n)
{
	uint32_t mine = 0;

	if (!w->fleet->steering[iface].check)
		return n;
	for (uint32_t i = 0; i < n; i++) {
		uint32_t to = owner(w->fleet, iface, frames[i]);

		if (to == w->index)
			frames[mine++] = frames[i];
		else
			hand_over(w, iface, to, frames[i]);
	}
	return mine;
}
