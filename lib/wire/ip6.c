/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * IPv6 input: the checks of RFC 8200 3 and RFC 4291 2, each with its counter; then the extension
 * headers, and what lies behind them.
 */
#include <netinet/in.h>

#include "wire_pvt.h"

/* What of a frame has to lie in its first buffer: all headers up to TCP's. */
#define HEADERS_MAX    (IP6_HEADERS_MAX + 60)

#define TCP_HEADER_MIN 20

static const struct rte_ipv6_hdr *
header(const struct rte_mbuf *m)
{
	return rte_pktmbuf_mtod_offset(m, const struct rte_ipv6_hdr *, m->l2_len);
}

uint16_t
wire_ip6_phdr_sum(const struct pw_addr *src, const struct pw_addr *dst, uint8_t proto, uint32_t len)
{
	struct {
		struct pw_addr src;
		struct pw_addr dst;
		rte_be32_t len;
		rte_be32_t proto;
	} phdr = {*src, *dst, rte_cpu_to_be_32(len), rte_cpu_to_be_32(proto)};

	return rte_raw_cksum(&phdr, sizeof(phdr));
}

/* RFC 4291 2.8: the groups that a host with these addresses is in. */
static bool
is_our_group(const struct iface *f, const struct pw_addr *group)
{
	static const struct pw_addr this_node = {.b = {0xff, 0x01, [15] = 1}};

	if (pw_addr_eq(group, &wire_ip6_all_nodes) || pw_addr_eq(group, &this_node))
		return true;
	for (uint32_t i = 0; i < f->nb_own; i++) {
		struct pw_addr own = wire_solicited_node(&f->own[i].addr);

		if (wire_is_ours6(f, i) && pw_addr_eq(group, &own))
			return true;
	}
	return false;
}

/* The counter of the first check that a header fails; NULL where it passes all. Fills p. */
static uint64_t *
failed_check(struct pw_wire *w, const struct rte_mbuf *m, const struct rx *rx, struct packet6 *p)
{
	const struct iface *f = &w->iface[rx->iface];
	const struct rte_ipv6_hdr *ip = header(m);

	if ((rte_be_to_cpu_32(ip->vtc_flow) >> 28) != 6)
		return &w->n.drop_ip_header;
	if (rte_be_to_cpu_16(ip->payload_len) > m->pkt_len - m->l2_len - IP6_HDR_LEN)
		return &w->n.drop_ip_header;
	memcpy(&p->src, ip->src_addr, sizeof(p->src));
	memcpy(&p->dst, ip->dst_addr, sizeof(p->dst));
	p->group = wire_is_multicast6(&p->dst);
	p->hop_limit = ip->hop_limits;
	/* IPv4 addresses in mapped form would be taken for IPv4 from here on: RFC 4291 2.5.5.2. */
	if (pw_addr_is_v4(&p->dst))
		return &w->n.drop_ip_dst;
	if (p->group ? !is_our_group(f, &p->dst) : rx->l2_group || wire_local_index(f, &p->dst) < 0)
		return &w->n.drop_ip_dst;
	if (wire_not_a_host6(&p->src) && !pw_addr_eq(&p->src, &wire_ip6_unspecified))
		return &w->n.drop_ip_src;
	return NULL;
}

/* What only neighbour discovery may come from: nobody (RFC 4862 5.4.2), and who has our address. */
static bool
can_be_answered(const struct pw_wire *w, const struct packet6 *p)
{
	return wire_addr_is_set(&p->src) && !pw_wire_is_local(w, &p->src);
}

/* The counter that a TCP packet's drop raises; NULL where it is good. */
static uint64_t *
tcp_failed_check(struct pw_wire *w, struct rte_mbuf *m, const struct rx *rx,
		 const struct packet6 *p)
{
	uint32_t len = m->pkt_len - m->l2_len - m->l3_len;
	uint16_t phdr;

	if (p->group) /* RFC 9293 3.9.2.3 */
		return &w->n.drop_ip_dst;
	if (wire_is_link_local(&p->src) || wire_is_link_local(&p->dst))
		return &w->n.drop_ip_scope;
	if (len < TCP_HEADER_MIN)
		return &w->n.drop_runt;
	phdr = wire_ip6_phdr_sum(&p->src, &p->dst, IPPROTO_TCP, len);
	if (wire_tcp_sum_ok(w, w->iface[rx->iface].port, m, phdr))
		return NULL;
	wire_explain_bad_sum(w, m, rx, &p->src, phdr);
	return &w->n.drop_l4_cksum;
}

/* RFC 8200 4: a next header that is not known is named to the sender; RFC 4443 3.1: so is a port.
 */
static void
refuse_upper(struct pw_wire *w, const struct rte_mbuf *m, const struct rx *rx,
	     const struct packet6 *p)
{
	switch (p->proto) {
	case IPPROTO_NONE: /* RFC 8200 4.7: nothing follows, and that is all right */
		return;
	case IPPROTO_UDP: /* known here, but none of its ports */
		wire_icmp6_error(w, rx->iface, m, ICMP6_UNREACHABLE, ICMP6_CODE_PORT, 0, rx->now);
		return;
	default:
		wire_icmp6_error(w, rx->iface, m, ICMP6_PARAMETER_PROBLEM, ICMP6_CODE_NEXT_HEADER,
				 p->proto_at, rx->now);
	}
}

/* Takes m, whose headers have been walked. */
static struct rte_mbuf *
upper_in(struct pw_wire *w, struct rte_mbuf *m, struct rx *rx, const struct packet6 *p)
{
	uint64_t *drop = NULL;

	m->l3_len = p->proto_off;
	if (p->proto == IPPROTO_ICMPV6) {
		wire_icmp6_in(w, m, rx, p);
		return NULL;
	}
	if (!can_be_answered(w, p)) {
		drop = &w->n.drop_ip_src;
	} else if (p->proto == IPPROTO_TCP) {
		drop = tcp_failed_check(w, m, rx, p);
		/* A port that chooses a queue looks for ports behind the fixed header. */
		rx->detour = rx->detour || m->l3_len > IP6_HDR_LEN;
		if (drop == NULL)
			return m;
	} else {
		if (w->iface[rx->iface].conf.kernel == PW_WIRE_KERNEL_NONE)
			refuse_upper(w, m, rx, p);
		wire_leave(w, m, rx, &w->n.drop_proto);
		return NULL;
	}
	if (drop == &w->n.drop_ip_scope) {
		wire_leave(w, m, rx, drop);
		return NULL;
	}
	(*drop)++;
	rte_pktmbuf_free(m);
	return NULL;
}

/* A piece of what the kernel is to have: it puts such together itself. m is borrowed. */
static bool
is_kernels_piece(const struct pw_wire *w, const struct rte_mbuf *m, const struct rx *rx,
		 const struct packet6 *p)
{
	if (w->iface[rx->iface].conf.kernel == PW_WIRE_KERNEL_NONE)
		return false;
	switch (*rte_pktmbuf_mtod_offset(m, const uint8_t *, m->l2_len + p->proto_off)) {
	case IPPROTO_TCP:
	case IPPROTO_HOPOPTS:
	case IPPROTO_ROUTING:
	case IPPROTO_DSTOPTS:
		return false;
	case IPPROTO_ICMPV6:
		return wire_echo_is_kernels(w, rx);
	default:
		return true;
	}
}

/* Walk the headers of a packet whose fixed one is good. Takes m; returns it where it is TCP. */
static struct rte_mbuf *
walk_in(struct pw_wire *w, struct rte_mbuf *m, struct rx *rx, struct packet6 *p)
{
	enum ext_verdict verdict = wire_ip6_walk(w, m, rx, p);

	if (verdict == EXT_FRAGMENT && is_kernels_piece(w, m, rx, p)) {
		wire_leave(w, m, rx, NULL);
		return NULL;
	}
	if (verdict == EXT_FRAGMENT) {
		m = wire_frag6_in(w, m, m->l2_len + p->proto_off, rx);
		if (m != NULL)
			m = wire_chain_own(w, m, m->l2_len + HEADERS_MAX);
		if (m == NULL)
			return NULL;
		p->fragmented = true;
		verdict = wire_ip6_walk(w, m, rx, p);
	}
	if (verdict == EXT_UPPER)
		return upper_in(w, m, rx, p);
	/* Fragments of fragments are not put together. */
	if (verdict == EXT_FRAGMENT)
		w->n.drop_fragment++;
	rte_pktmbuf_free(m);
	return NULL;
}

struct rte_mbuf *
wire_ip6_in(struct pw_wire *w, struct rte_mbuf *m, struct rx *rx)
{
	struct packet6 p = {.router_alert = false};
	uint64_t *drop;

	if (m->pkt_len - m->l2_len < IP6_HDR_LEN) {
		w->n.drop_runt++;
		rte_pktmbuf_free(m);
		return NULL;
	}
	m = wire_chain_own(w, m, m->l2_len + HEADERS_MAX);
	if (m == NULL)
		return NULL;
	drop = failed_check(w, m, rx, &p);
	if (drop == &w->n.drop_ip_dst) {
		wire_leave(w, m, rx, drop);
		return NULL;
	}
	if (drop != NULL) {
		(*drop)++;
		rte_pktmbuf_free(m);
		return NULL;
	}
	/* Short frames are padded to Ethernet's minimum: the packet says where it ends. */
	wire_chain_trim(m, m->l2_len + IP6_HDR_LEN + rte_be_to_cpu_16(header(m)->payload_len));
	return walk_in(w, m, rx, &p);
}
