/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * IPv4 input: the checks of RFC 1122 3.2.1 in their order, each with its counter. Options are
 * skipped, source routes refused.
 */
#include <netinet/in.h>

#include <rte_tcp.h>

#include <pubwire/base/sumnote.h>

#include "sum_pvt.h"
#include "wire_pvt.h"

/* The longest IPv4 and TCP headers: what of a frame has to lie in its first buffer. */
#define HEADERS_MAX    120

#define TCP_HEADER_MIN 20

/* Frames above it are worth a note: of shorter ones the log of lib/forward keeps copies. */
#define NOTE_MIN 512

#define OPT_END	 0 /* RFC 791 3.1 */
#define OPT_NOP	 1
#define OPT_LSRR 131 /* loose source route */
#define OPT_SSRR 137 /* strict source route */

static struct rte_ipv4_hdr *
header(const struct rte_mbuf *m)
{
	return rte_pktmbuf_mtod_offset(m, struct rte_ipv4_hdr *, m->l2_len);
}

/* Options that can be skipped: well formed, no source route (a host is not a way, RFC 7126 4.3). */
static bool
options_ok(const uint8_t *p, const uint8_t *end)
{
	while (p < end && *p != OPT_END) {
		if (*p == OPT_NOP) {
			p++;
			continue;
		}
		if (*p == OPT_LSRR || *p == OPT_SSRR)
			return false;
		if (end - p < 2 || p[1] < 2 || p[1] > end - p)
			return false;
		p += p[1];
	}
	return true;
}

static bool
header_sum_ok(const struct pw_port *port, const struct rte_mbuf *m, const struct rte_ipv4_hdr *ip)
{
	if ((port->caps & PW_PORT_RX_CKSUM) &&
	    (m->ol_flags & RTE_MBUF_F_RX_IP_CKSUM_MASK) == RTE_MBUF_F_RX_IP_CKSUM_GOOD)
		return true;
	/* A length that the compiler knows leaves nothing of the sum's loops. */
	if (likely(ip->version_ihl == RTE_IPV4_VHL_DEF))
		return pw_sum(ip, sizeof(*ip)) == 0xffff;
	return pw_sum(ip, rte_ipv4_hdr_len(ip)) == 0xffff;
}

/* The counter of the first check that a header fails; NULL where it passes all. */
static uint64_t *
failed_check(struct pw_wire *w, const struct rte_mbuf *m, const struct rx *rx)
{
	const struct iface *f = &w->iface[rx->iface];
	const struct rte_ipv4_hdr *ip = header(m);
	uint32_t there = m->pkt_len - m->l2_len;
	uint32_t hlen = rte_ipv4_hdr_len(ip);
	uint32_t total = rte_be_to_cpu_16(ip->total_length);
	struct pw_addr src = pw_addr_v4(ip->src_addr);
	struct pw_addr dst = pw_addr_v4(ip->dst_addr);

	if ((ip->version_ihl >> 4) != IPVERSION) /* RFC 1122 3.2.1.1 */
		return &w->n.drop_ip_header;
	if (hlen < sizeof(*ip) || total < hlen || total > there)
		return &w->n.drop_ip_header;
	if (!header_sum_ok(f->port, m, ip)) /* 3.2.1.2 */
		return &w->n.drop_ip_cksum;
	/* 3.2.1.3; 3.3.6: what came to an Ethernet group is for nobody here either */
	if (rx->l2_group || wire_local_index(f, &dst) < 0)
		return &w->n.drop_ip_dst;
	if (wire_not_a_host4(f, ip->src_addr) || pw_wire_is_local(w, &src))
		return &w->n.drop_ip_src;
	if (!options_ok((const uint8_t *)(ip + 1), (const uint8_t *)ip + hlen)) /* 3.2.1.8 */
		return &w->n.drop_ip_header;
	return NULL;
}

/* Pieces of what can be put to use: TCP and echo requests (RFC 1122 3.3.2). */
static bool
is_fragment(const struct rte_ipv4_hdr *ip)
{
	return (ip->fragment_offset &
		rte_cpu_to_be_16(RTE_IPV4_HDR_MF_FLAG | RTE_IPV4_HDR_OFFSET_MASK)) != 0 &&
	       (ip->next_proto_id == IPPROTO_TCP || ip->next_proto_id == IPPROTO_ICMP);
}

/*
 * A payload that is long enough not to be copied is summed apart from its header, and what it sums
 * up to is noted for those that it is sent to.
 */
static bool
sum_and_note(struct rte_mbuf *m, uint32_t off, uint32_t header, uint16_t phdr)
{
	uint32_t at = off + header, len = m->pkt_len - at;
	uint16_t payload = pw_sum(rte_pktmbuf_mtod_offset(m, const void *, at), len);
	uint32_t sum = pw_sum(rte_pktmbuf_mtod_offset(m, const void *, off), header);

	if (pw_sum_fold(sum + phdr + payload) != 0xffff)
		return false;
	pw_sumnote_put(m, (uint16_t)(m->data_off + at), (uint16_t)len, payload);
	return true;
}

bool
wire_tcp_sum_ok(const struct pw_wire *w, const struct pw_port *port, struct rte_mbuf *m,
		uint16_t phdr)
{
	uint32_t off = m->l2_len + m->l3_len, header;
	uint32_t sum;

	/* Drivers say of a packet's first buffer alone what it is: the flags of the others are of
	 * their former life. */
	for (struct rte_mbuf *s = m; s != NULL; s = s->next)
		pw_sumnote_forget(s);
	if ((port->caps & PW_PORT_RX_CKSUM) &&
	    (m->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK) == RTE_MBUF_F_RX_L4_CKSUM_GOOD) {
		/* Whoever reads the bytes first may note what they sum up to. */
		if (w->sums && m->pkt_len > NOTE_MIN)
			pw_sumnote_begin(m);
		return true;
	}
	if (w->sums && m->pkt_len > NOTE_MIN && m->nb_segs == 1) {
		header = (rte_pktmbuf_mtod_offset(m, const struct rte_tcp_hdr *, off)->data_off >>
			  4) *
			 4;
		if (off + header < m->pkt_len)
			return sum_and_note(m, off, header, phdr);
	}
	sum = (uint32_t)phdr + wire_chain_sum(m, off, m->pkt_len - off);
	return ((sum & 0xffff) + (sum >> 16)) == 0xffff;
}

/*
 * A field that holds the sum of the pseudo-header alone was left to an offload that never came: the
 * peer is a kernel at the other end of a veth or TAP. Nothing will work until somebody is told.
 */
void
wire_explain_bad_sum(struct pw_wire *w, const struct rte_mbuf *m, const struct rx *rx,
		     const struct pw_addr *src, uint16_t phdr)
{
	const struct rte_tcp_hdr *th =
		rte_pktmbuf_mtod_offset(m, const struct rte_tcp_hdr *, m->l2_len + m->l3_len);
	char text[PW_ADDR_STRLEN];

	if (th->cksum != phdr)
		return;
	PW_LOG_EVERY(
		&w->partial_log, rx->now, wire, WARNING,
		"%s sends TCP without checksums through %s: turn its transmit checksum offload "
		"off (ethtool -K INTERFACE tx off)",
		pw_addr_str(src, text), w->iface[rx->iface].port->device);
}

static uint16_t
pseudo_sum(const struct rte_ipv4_hdr *ip)
{
	uint32_t len = rte_be_to_cpu_16(ip->total_length) - rte_ipv4_hdr_len(ip);

	return wire_sum_phdr4(ip->src_addr, ip->dst_addr, ip->next_proto_id, (uint16_t)len);
}

static void
complain(struct pw_wire *w, const struct rte_mbuf *m, const struct rx *rx)
{
	const struct rte_ipv4_hdr *ip = header(m);
	struct pw_addr src = pw_addr_v4(ip->src_addr);

	w->n.drop_l4_cksum++;
	wire_explain_bad_sum(w, m, rx, &src, pseudo_sum(ip));
}

static struct rte_mbuf *
tcp_in(struct pw_wire *w, struct rte_mbuf *m, const struct rx *rx)
{
	if (m->pkt_len - m->l2_len - m->l3_len < TCP_HEADER_MIN) {
		w->n.drop_runt++;
	} else if (!wire_tcp_sum_ok(w, w->iface[rx->iface].port, m, pseudo_sum(header(m)))) {
		complain(w, m, rx);
	} else {
		return m;
	}
	rte_pktmbuf_free(m);
	return NULL;
}

/* Takes m, of a protocol that is not spoken here, or pieces of what the kernel answers. */
static void
other_in(struct pw_wire *w, struct rte_mbuf *m, const struct rx *rx)
{
	/* RFC 1122 3.2.2.1; UDP is known here, but none of its ports (4.1.3.1). */
	if (w->iface[rx->iface].conf.kernel == PW_WIRE_KERNEL_NONE)
		pw_wire_icmp_error(w, rx->iface, m, WIRE_ICMP_UNREACHABLE,
				   header(m)->next_proto_id == IPPROTO_UDP
					   ? WIRE_ICMP_CODE_PORT
					   : WIRE_ICMP_CODE_PROTOCOL,
				   rx->now);
	wire_leave(w, m, rx, &w->n.drop_proto);
}

/* Takes m, which failed a check. What is merely for somebody else, or for all, may be the kernel's.
 */
static void
refuse(struct pw_wire *w, struct rte_mbuf *m, const struct rx *rx, uint64_t *drop)
{
	if (drop == &w->n.drop_ip_dst) {
		wire_leave(w, m, rx, drop);
		return;
	}
	(*drop)++;
	rte_pktmbuf_free(m);
}

struct rte_mbuf *
wire_ip4_in(struct pw_wire *w, struct rte_mbuf *m, struct rx *rx)
{
	const struct rte_ipv4_hdr *ip;
	uint64_t *drop;

	if (m->pkt_len - m->l2_len < sizeof(*ip)) {
		w->n.drop_runt++;
		rte_pktmbuf_free(m);
		return NULL;
	}
	m = wire_chain_own(w, m, m->l2_len + HEADERS_MAX);
	if (m == NULL)
		return NULL;
	drop = failed_check(w, m, rx);
	if (drop != NULL) {
		refuse(w, m, rx, drop);
		return NULL;
	}
	ip = header(m);
	m->l3_len = rte_ipv4_hdr_len(ip);
	/* Short frames are padded to Ethernet's minimum: the datagram says where it ends. */
	wire_chain_trim(m, m->l2_len + rte_be_to_cpu_16(ip->total_length));
	if (is_fragment(ip) &&
	    !(ip->next_proto_id == IPPROTO_ICMP && wire_echo_is_kernels(w, rx))) {
		m = wire_frag4_in(w, m, rx);
		if (m == NULL)
			return NULL;
		ip = header(m);
	}
	if (ip->next_proto_id == IPPROTO_TCP)
		return tcp_in(w, m, rx);
	if (ip->next_proto_id == IPPROTO_ICMP && !is_fragment(ip))
		wire_icmp_in(w, m, rx);
	else
		other_in(w, m, rx);
	return NULL;
}
