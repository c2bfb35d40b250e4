/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ARP (RFC 826) with address conflicts as RFC 5227 has them. Requests for us teach us who asks;
 * what others say among themselves only updates neighbours that are known already.
 */
#include <rte_arp.h>
#include <rte_ether.h>

#include "wire_pvt.h"

#define ANNOUNCE_INTERVAL (2 * SECOND)	/* RFC 5227 1.1: ANNOUNCE_NUM is 2 */
#define DEFEND_INTERVAL	  (10 * SECOND) /* RFC 5227 1.1 */

static const struct rte_ether_addr broadcast = {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};

/* Send one ARP packet; a target address of NULL stands for "nobody yet". */
static void
send_arp(struct pw_wire *w, uint32_t iface, uint16_t op, uint32_t sip, uint32_t tip,
	 const struct rte_ether_addr *tha, const struct rte_ether_addr *dst)
{
	struct rte_mbuf *m = wire_neigh_buffer(w);
	struct rte_arp_hdr *arp;

	if (m == NULL)
		return;
	arp = (struct rte_arp_hdr *)rte_pktmbuf_append(m, sizeof(*arp));
	arp->arp_hardware = rte_cpu_to_be_16(RTE_ARP_HRD_ETHER);
	arp->arp_protocol = rte_cpu_to_be_16(RTE_ETHER_TYPE_IPV4);
	arp->arp_hlen = RTE_ETHER_ADDR_LEN;
	arp->arp_plen = sizeof(uint32_t);
	arp->arp_opcode = rte_cpu_to_be_16(op);
	arp->arp_data.arp_sha = w->iface[iface].port->mac;
	arp->arp_data.arp_sip = sip;
	arp->arp_data.arp_tha = tha != NULL ? *tha : (struct rte_ether_addr){{0}};
	arp->arp_data.arp_tip = tip;
	if (op == RTE_ARP_OP_REQUEST)
		w->n.arp_requests_out++;
	else
		w->n.arp_replies_out++;
	wire_ether_out(w, iface, m, dst, RTE_ETHER_TYPE_ARP);
}

void
wire_arp_request(struct pw_wire *w, uint32_t iface, const struct pw_addr *ip,
		 const struct rte_ether_addr *dst)
{
	const struct pw_addr *source = wire_source(w, iface, ip);

	if (source == NULL) /* no address, so no route led here but a gateway's */
		return;
	send_arp(w, iface, RTE_ARP_OP_REQUEST, pw_addr_be32(source), pw_addr_be32(ip), NULL,
		 dst != NULL ? dst : &broadcast);
}

/* RFC 5227 3: a broadcast request for an address, from that address. */
static void
announce(struct pw_wire *w, uint32_t iface, const struct pw_addr *own)
{
	uint32_t be = pw_addr_be32(own);

	send_arp(w, iface, RTE_ARP_OP_REQUEST, be, be, NULL, &broadcast);
}

static void
announce_all(struct pw_wire *w, uint32_t iface)
{
	const struct pw_wire_iface *f = &w->iface[iface].conf;

	for (uint32_t a = 0; a < f->nb_addrs; a++) {
		if (pw_addr_is_v4(&f->addr[a].addr))
			announce(w, iface, &f->addr[a].addr);
	}
}

void
pw_wire_announce(struct pw_wire *w, uint64_t now)
{
	for (uint32_t i = 0; i < w->nb_ifaces; i++) {
		announce_all(w, i);
		wire_nd_announce(w, i, now);
		w->iface[i].announce_left = 1;
		w->iface[i].announce_at = now + ANNOUNCE_INTERVAL;
	}
}

void
wire_arp_advance(struct pw_wire *w, uint64_t now)
{
	for (uint32_t i = 0; i < w->nb_ifaces; i++) {
		struct iface *f = &w->iface[i];

		if (f->announce_left == 0 || f->announce_at > now)
			continue;
		f->announce_left--;
		f->announce_at = now + ANNOUNCE_INTERVAL;
		announce_all(w, i);
	}
}

/* RFC 5227 2.4 (b): somebody else uses our address; say once that it is ours, and carry on. */
static void
conflict(struct pw_wire *w, const struct rx *rx, uint32_t local, const struct rte_ether_addr *mac)
{
	struct iface *f = &w->iface[rx->iface];
	const struct pw_addr *own = &f->own[local].addr;
	char text[PW_ADDR_STRLEN];

	w->n.arp_conflicts++;
	PW_LOG_EVERY(&w->conflict_log, rx->now, wire, ERR,
		     "address conflict on %s: " RTE_ETHER_ADDR_PRT_FMT " also uses %s; give one of "
		     "the two another address",
		     f->port->device, RTE_ETHER_ADDR_BYTES(mac), pw_addr_str(own, text));
	if (rx->now < f->own[local].defended)
		return;
	f->own[local].defended = rx->now + DEFEND_INTERVAL;
	announce(w, rx->iface, own);
}

static bool
is_ours(const struct iface *f, uint32_t be)
{
	struct pw_addr a = pw_addr_v4(be);

	return wire_local_index(f, &a) >= 0;
}

/* Formats, addresses and opcode that are not Ethernet-for-IPv4 from one other station: false. */
static bool
sane(const struct iface *f, const struct rte_arp_hdr *arp)
{
	const struct rte_ether_addr *sha = &arp->arp_data.arp_sha;
	uint16_t op = rte_be_to_cpu_16(arp->arp_opcode);
	uint32_t sip = arp->arp_data.arp_sip;

	if (arp->arp_hardware != rte_cpu_to_be_16(RTE_ARP_HRD_ETHER) ||
	    arp->arp_protocol != rte_cpu_to_be_16(RTE_ETHER_TYPE_IPV4) ||
	    arp->arp_hlen != RTE_ETHER_ADDR_LEN || arp->arp_plen != sizeof(uint32_t))
		return false;
	if (op != RTE_ARP_OP_REQUEST && op != RTE_ARP_OP_REPLY)
		return false;
	if (!rte_is_valid_assigned_ether_addr(sha))
		return false;
	/* Our own packet, come back. Others may well have our address: a TAP's kernel end does. */
	if (rte_is_same_ether_addr(sha, &f->port->mac) && is_ours(f, sip))
		return false;
	if (sip == 0) /* RFC 5227 1.1: a probe asks from no address */
		return op == RTE_ARP_OP_REQUEST;
	return !wire_not_a_host4(f, sip);
}

static void
handle(struct pw_wire *w, const struct rte_arp_hdr *arp, const struct rx *rx)
{
	const struct iface *f = &w->iface[rx->iface];
	const struct rte_ether_addr *sha = &arp->arp_data.arp_sha;
	struct pw_addr sender = pw_addr_v4(arp->arp_data.arp_sip);
	struct pw_addr target = pw_addr_v4(arp->arp_data.arp_tip);
	bool request = arp->arp_opcode == rte_cpu_to_be_16(RTE_ARP_OP_REQUEST);
	bool for_us = wire_local_index(f, &target) >= 0;
	int local = wire_local_index(f, &sender);
	enum neigh_source how = NEIGH_HEARD;

	if (request)
		w->n.arp_requests_in++;
	else
		w->n.arp_replies_in++;
	if (local >= 0) {
		conflict(w, rx, local, sha);
		return;
	}
	if (for_us && request)
		how = NEIGH_ASKED;
	else if (for_us && !rx->l2_group)
		how = NEIGH_ANSWERED;
	if (wire_on_link(w, rx->iface, &sender))
		wire_neigh_learn(w, rx->iface, &sender, sha, how, rx->now);
	if (for_us && request)
		send_arp(w, rx->iface, RTE_ARP_OP_REPLY, arp->arp_data.arp_tip,
			 arp->arp_data.arp_sip, sha, sha);
}

/*
 * What is settled here without the kernel, which has the same addresses: questions for them, and
 * who claims them. Answers both have to hear, and it may have further addresses to be asked for.
 */
static bool
ours_alone(const struct iface *f, const struct rte_arp_hdr *arp)
{
	return is_ours(f, arp->arp_data.arp_sip) ||
	       (arp->arp_opcode == rte_cpu_to_be_16(RTE_ARP_OP_REQUEST) &&
		is_ours(f, arp->arp_data.arp_tip));
}

void
wire_arp_in(struct pw_wire *w, struct rte_mbuf *m, const struct rx *rx)
{
	const struct iface *f = &w->iface[rx->iface];
	struct rte_arp_hdr room;
	const struct rte_arp_hdr *arp = rte_pktmbuf_read(m, m->l2_len, sizeof(room), &room);

	if (arp == NULL) {
		w->n.drop_runt++;
	} else if (!sane(f, arp)) {
		w->n.arp_invalid++;
	} else {
		handle(w, arp, rx);
		if (!ours_alone(f, arp)) {
			wire_leave(w, m, rx, NULL);
			return;
		}
	}
	rte_pktmbuf_free(m);
}
