/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Output, and IPv4's part of it. Headers are prepended to the first buffer of a chain, which is the
 * sender's own; payload buffers behind it are only read: others may hold them. Checksums are left
 * to the port where it does them, else summed over the chain.
 */
#include <errno.h>
#include <netinet/in.h>

#include <rte_tcp.h>

#include "sum_pvt.h"
#include "wire_pvt.h"

#define DEFAULT_TTL 64 /* RFC 1122 3.2.1.7, RFC 1700 */

/* Copy a chain into as few buffers as hold it. Takes m; NULL where the pool is empty. */
static struct rte_mbuf *
linearise(struct pw_wire *w, struct rte_mbuf *m)
{
	struct rte_mbuf *flat = rte_pktmbuf_copy(m, w->mem->pkt, 0, UINT32_MAX);

	if (flat == NULL)
		w->n.drop_no_buffer++;
	else
		w->n.tx_linearised++;
	rte_pktmbuf_free(m);
	return flat;
}

/* The transport header is at the start of the chain; ip is complete but for its checksum. Of a
 * packet to be cut the device wants the pseudo-header's sum without the length. */
static void
tcp_sum(const struct pw_port *port, struct rte_mbuf *m, const struct rte_ipv4_hdr *ip)
{
	struct rte_tcp_hdr *th = (struct rte_tcp_hdr *)(uintptr_t)(ip + 1);
	uint32_t sum;

	if (port->caps & PW_PORT_TX_TCP_CKSUM) {
		m->ol_flags |= RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_TCP_CKSUM | wire_tso_flag(m);
		th->cksum = rte_ipv4_phdr_cksum(ip, m->ol_flags);
		return;
	}
	th->cksum = 0;
	sum = (uint32_t)wire_sum_phdr4(ip->src_addr, ip->dst_addr, IPPROTO_TCP,
				       (uint16_t)(m->pkt_len - sizeof(*ip))) +
	      wire_chain_sum_out(m, sizeof(*ip));
	th->cksum = wire_sum_final(sum);
}

/* From values: reading back what was written a moment ago in parts would wait for that. */
static uint16_t
header_sum(uint16_t be_len, uint32_t src, uint32_t dst, uint8_t proto, uint8_t ttl)
{
	uint64_t sum = (uint64_t)src + dst + be_len + rte_cpu_to_be_16(RTE_IPV4_VHL_DEF << 8) +
		       rte_cpu_to_be_16(RTE_IPV4_HDR_DF_FLAG) +
		       rte_cpu_to_be_16((uint16_t)(ttl << 8 | proto));

	return wire_sum_final(pw_sum_fold(sum));
}

static void
prepend_header(const struct pw_port *port, struct rte_mbuf *m, uint32_t src, uint32_t dst,
	       uint8_t proto, uint8_t ttl)
{
	struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)rte_pktmbuf_prepend(m, sizeof(*ip));

	if (ttl == 0)
		ttl = DEFAULT_TTL;
	*ip = (struct rte_ipv4_hdr){
		.version_ihl = RTE_IPV4_VHL_DEF,
		.total_length = rte_cpu_to_be_16(m->pkt_len),
		/* RFC 6864 4.1: what can't be fragmented needs no identification. */
		.fragment_offset = rte_cpu_to_be_16(RTE_IPV4_HDR_DF_FLAG),
		.time_to_live = ttl,
		.next_proto_id = proto,
		.src_addr = src,
		.dst_addr = dst,
	};
	m->l3_len = sizeof(*ip);
	if (proto == IPPROTO_TCP)
		tcp_sum(port, m, ip);
	if (port->caps & PW_PORT_TX_IP_CKSUM)
		m->ol_flags |= RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IP_CKSUM;
	else
		ip->hdr_checksum = header_sum(ip->total_length, src, dst, proto, ttl);
}

int
wire_output_fit(struct pw_wire *w, const struct iface *f, struct rte_mbuf **m, uint32_t hdr_len)
{
	const bool cut = (*m)->tso_segsz != 0;
	uint32_t len = cut ? (uint32_t)(*m)->l4_len + (*m)->tso_segsz : (*m)->pkt_len;

	if (len + hdr_len > f->mtu || (*m)->pkt_len + hdr_len > UINT16_MAX ||
	    (cut && (!(f->port->caps & PW_PORT_TX_TSO) || (*m)->nb_segs > f->max_segs))) {
		w->n.drop_oversize++;
		rte_pktmbuf_free(*m);
		return -EMSGSIZE;
	}
	/* Room for one more tag: a port that inserts it may do so in the buffer. */
	if ((*m)->nb_segs <= f->max_segs &&
	    rte_pktmbuf_headroom(*m) >= hdr_len + RTE_ETHER_HDR_LEN + RTE_VLAN_HLEN)
		return 0;
	*m = linearise(w, *m);
	return *m == NULL ? -ENOBUFS : 0;
}

int
wire_ip4_out(struct pw_wire *w, uint32_t src, uint32_t dst, uint8_t proto, uint8_t ttl,
	     struct rte_mbuf *m, uint64_t now)
{
	struct pw_addr to = pw_addr_v4(dst), next_hop;
	const struct iface *f;
	uint32_t iface;
	int rc;

	rc = wire_route(w, &to, &iface, &next_hop);
	if (rc < 0) {
		w->n.drop_no_route++;
		rte_pktmbuf_free(m);
		return rc;
	}
	f = &w->iface[iface];
	rc = wire_output_fit(w, f, &m, sizeof(struct rte_ipv4_hdr));
	if (rc < 0)
		return rc;
	prepend_header(f->port, m, src, dst, proto, ttl);
	return wire_neigh_send(w, iface, &next_hop, m, now);
}

int
pw_wire_send_tcp(struct pw_wire *w, const struct pw_flow *flow, struct rte_mbuf *m, uint8_t ttl,
		 uint64_t now)
{
	bool v4 = pw_addr_is_v4(&flow->local);

	if (v4 != pw_addr_is_v4(&flow->remote) || wire_is_link_local(&flow->remote) ||
	    wire_is_lost(w, &flow->local)) {
		w->n.drop_no_route++;
		rte_pktmbuf_free(m);
		return -EHOSTUNREACH;
	}
	if (!v4)
		return wire_ip6_out(w, 0, &flow->local, &flow->remote, IPPROTO_TCP, ttl, m, now);
	return wire_ip4_out(w, pw_addr_be32(&flow->local), pw_addr_be32(&flow->remote), IPPROTO_TCP,
			    ttl, m, now);
}
