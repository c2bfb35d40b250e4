/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * IPv6 output, as output.c does that of IPv4. The flow label is 0 (RFC 6437 3 lets a source leave
 * it so), and there is no fragmentation: TCP and what answers here fit into the MTU.
 */
#include <errno.h>
#include <netinet/in.h>

#include <rte_tcp.h>

#include "wire_pvt.h"

#define VERSION_6	RTE_BE32(UINT32_C(6) << 28)
#define ICMP6_SUM_OFF	2
#define ALERT_HOP_LIMIT 1 /* RFC 3810 5 */

/* The transport header is at the start of the chain: its checksum, in software. */
static uint16_t
transport_sum(const struct pw_addr *src, const struct pw_addr *dst, uint8_t proto,
	      const struct rte_mbuf *m)
{
	return wire_sum_final((uint32_t)wire_ip6_phdr_sum(src, dst, proto, m->pkt_len) +
			      wire_chain_sum_out(m, 0));
}

static void
prepend_header(struct rte_mbuf *m, const struct pw_addr *src, const struct pw_addr *dst,
	       uint8_t proto, uint8_t hop_limit)
{
	uint16_t len = rte_cpu_to_be_16(m->pkt_len);
	struct rte_ipv6_hdr *ip = (struct rte_ipv6_hdr *)rte_pktmbuf_prepend(m, sizeof(*ip));

	ip->vtc_flow = VERSION_6;
	ip->payload_len = len;
	ip->proto = proto;
	ip->hop_limits = hop_limit;
	memcpy(ip->src_addr, src, sizeof(*src));
	memcpy(ip->dst_addr, dst, sizeof(*dst));
	m->l3_len = sizeof(*ip);
}

static void
tcp_header(const struct pw_port *port, struct rte_mbuf *m, const struct pw_addr *src,
	   const struct pw_addr *dst, uint8_t hop_limit)
{
	struct rte_tcp_hdr *th = rte_pktmbuf_mtod(m, struct rte_tcp_hdr *);

	if (port->caps & PW_PORT_TX_TCP_CKSUM) {
		m->ol_flags |= RTE_MBUF_F_TX_IPV6 | RTE_MBUF_F_TX_TCP_CKSUM | wire_tso_flag(m);
		prepend_header(m, src, dst, IPPROTO_TCP, hop_limit);
		th->cksum = rte_ipv6_phdr_cksum(rte_pktmbuf_mtod(m, const struct rte_ipv6_hdr *),
						m->ol_flags);
		return;
	}
	th->cksum = 0;
	th->cksum = transport_sum(src, dst, IPPROTO_TCP, m);
	prepend_header(m, src, dst, IPPROTO_TCP, hop_limit);
}

static void
icmp6_header(struct rte_mbuf *m, const struct pw_addr *src, const struct pw_addr *dst,
	     uint8_t hop_limit)
{
	uint16_t *sum = rte_pktmbuf_mtod_offset(m, uint16_t *, ICMP6_SUM_OFF);

	*sum = 0;
	*sum = transport_sum(src, dst, IPPROTO_ICMPV6, m);
	prepend_header(m, src, dst, IPPROTO_ICMPV6, hop_limit);
}

int
wire_ip6_out(struct pw_wire *w, uint32_t scope, const struct pw_addr *src,
	     const struct pw_addr *dst, uint8_t proto, uint8_t hop_limit, struct rte_mbuf *m,
	     uint64_t now)
{
	struct pw_addr next_hop = *dst;
	uint32_t iface = scope;
	const struct iface *f;
	int rc = 0;

	if (!wire_is_link_local(dst))
		rc = wire_route(w, dst, &iface, &next_hop);
	if (rc < 0) {
		w->n.drop_no_route++;
		rte_pktmbuf_free(m);
		return rc;
	}
	f = &w->iface[iface];
	rc = wire_output_fit(w, f, &m, IP6_HDR_LEN);
	if (rc < 0)
		return rc;
	if (hop_limit == 0)
		hop_limit = IP6_DEFAULT_HOP;
	if (proto == IPPROTO_TCP)
		tcp_header(f->port, m, src, dst, hop_limit);
	else
		icmp6_header(m, src, dst, hop_limit);
	return wire_neigh_send(w, iface, &next_hop, m, now);
}

void
wire_icmp6_direct(struct pw_wire *w, uint32_t iface, const struct pw_addr *src,
		  const struct pw_addr *dst, uint8_t hop_limit, const struct rte_ether_addr *mac,
		  struct rte_mbuf *m)
{
	icmp6_header(m, src, dst, hop_limit);
	wire_ether_out(w, iface, m, mac, RTE_ETHER_TYPE_IPV6);
}

void
wire_icmp6_alert(struct pw_wire *w, uint32_t iface, const struct pw_addr *src,
		 const struct pw_addr *dst, const struct rte_ether_addr *mac, struct rte_mbuf *m)
{
	/* Hop-by-hop options: router alert of value 0, and two bytes of padding. */
	static const uint8_t alert[] = {IPPROTO_ICMPV6, 0, 5, 2, 0, 0, 1, 0};
	uint16_t *sum = rte_pktmbuf_mtod_offset(m, uint16_t *, ICMP6_SUM_OFF);

	*sum = 0;
	*sum = transport_sum(src, dst, IPPROTO_ICMPV6, m);
	memcpy(rte_pktmbuf_prepend(m, sizeof(alert)), alert, sizeof(alert));
	prepend_header(m, src, dst, IPPROTO_HOPOPTS, ALERT_HOP_LIMIT);
	wire_ether_out(w, iface, m, mac, RTE_ETHER_TYPE_IPV6);
}
