/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Ethernet II and one 802.1Q tag, in and out. A tag may lie in the frame or have been lifted out of
 * it by the port (vlan_tci); a tag with identifier 0 carries a priority only and counts as none.
 */
#include <rte_ether.h>

#include "wire_pvt.h"

/* The frame's VLAN identifier and protocol. Its l2_len is set. -1 where it is too short. */
static int
parse(struct rte_mbuf *m, uint16_t *vlan, uint16_t *type)
{
	const struct rte_ether_hdr *eth = rte_pktmbuf_mtod(m, const struct rte_ether_hdr *);
	const struct rte_vlan_hdr *tag;

	if (rte_pktmbuf_data_len(m) < sizeof(*eth))
		return -1;
	*vlan = (m->ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED) ? m->vlan_tci & VLAN_ID_MASK : 0;
	*type = rte_be_to_cpu_16(eth->ether_type);
	m->l2_len = sizeof(*eth);
	if (*type != RTE_ETHER_TYPE_VLAN)
		return 0;
	if (rte_pktmbuf_data_len(m) < sizeof(*eth) + sizeof(*tag))
		return -1;
	tag = (const struct rte_vlan_hdr *)(eth + 1);
	*vlan = rte_be_to_cpu_16(tag->vlan_tci) & VLAN_ID_MASK;
	*type = rte_be_to_cpu_16(tag->eth_proto);
	m->l2_len = sizeof(*eth) + sizeof(*tag);
	return 0;
}

int
wire_ether_in(struct pw_wire *w, struct rte_mbuf *m, struct rx *rx, uint16_t *type)
{
	const struct pw_port *port = w->iface[rx->iface].port;
	const struct rte_ether_hdr *eth;
	uint16_t vlan;

	if (parse(m, &vlan, type) < 0) {
		w->n.drop_runt++;
		return -1;
	}
	if (vlan != port->vlan) {
		w->n.drop_vlan++;
		return -1;
	}
	eth = rte_pktmbuf_mtod(m, const struct rte_ether_hdr *);
	/* IEEE 802.3 3.2.3 b: answers would go to many. */
	if (rte_is_multicast_ether_addr(&eth->src_addr)) {
		w->n.drop_group_source++;
		return -1;
	}
	rx->l2_group = rte_is_multicast_ether_addr(&eth->dst_addr);
	if (!rx->l2_group && !rte_is_same_ether_addr(&eth->dst_addr, &port->mac)) {
		w->n.drop_not_ours_mac++;
		return -1;
	}
	return 0;
}

struct rte_mbuf *
wire_neigh_buffer(struct pw_wire *w)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(w->mem->hdr);

	if (m == NULL)
		m = rte_pktmbuf_alloc(w->mem->pkt);
	if (m == NULL)
		w->n.drop_no_buffer++;
	return m;
}

void
wire_ether_out(struct pw_wire *w, uint32_t iface, struct rte_mbuf *m,
	       const struct rte_ether_addr *dst, uint16_t type)
{
	const struct iface *f = &w->iface[iface];
	struct rte_ether_hdr *eth;

	eth = (struct rte_ether_hdr *)rte_pktmbuf_prepend(m, f->l2_len);
	RTE_VERIFY(eth != NULL); /* our own headers: headroom was asked for where m was taken */
	m->l2_len = f->l2_len;
	eth->dst_addr = *dst;
	eth->src_addr = f->port->mac;
	if (f->l2_len == RTE_ETHER_HDR_LEN) {
		eth->ether_type = rte_cpu_to_be_16(type);
		if (f->port->vlan != 0) {
			m->vlan_tci = f->port->vlan;
			m->ol_flags |= RTE_MBUF_F_TX_VLAN;
		}
	} else {
		struct rte_vlan_hdr *tag = (struct rte_vlan_hdr *)(eth + 1);

		eth->ether_type = rte_cpu_to_be_16(RTE_ETHER_TYPE_VLAN);
		tag->vlan_tci = rte_cpu_to_be_16(f->port->vlan);
		tag->eth_proto = rte_cpu_to_be_16(type);
	}
	w->n.frames_out++;
	w->n.bytes_out += m->pkt_len;
	w->hooks.tx(w->hooks.ctx, iface, m);
}
