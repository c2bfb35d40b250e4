/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ICMP (RFC 792) as a host has to: echo is answered, errors about our TCP segments go to their
 * owner, errors of ours follow RFC 1122 3.2.2 and RFC 1812 4.3.2. All answers are rate-limited.
 */
#include <netinet/in.h>

#include <rte_icmp.h>

#include "wire_pvt.h"

#define ERRORS_A_SECOND 100
#define ECHOES_A_SECOND 1000

/* RFC 1812 4.3.2.3: an error carries as much of its cause as fits into 576 bytes of datagram. */
#define ERROR_MAX    576

#define MTU_MIN	     68 /* RFC 791 3.2: what every link carries */
#define ICMP_TTL     64
#define QUOTE_MIN    8 /* bytes beyond the IP header that every error quotes (RFC 792) */
#define QUOTE_IP_MAX 60

void
wire_icmp_init(struct pw_wire *w)
{
	w->errors = (struct pw_bucket){.tokens = ERRORS_A_SECOND, .rate = ERRORS_A_SECOND};
	w->echoes = (struct pw_bucket){.tokens = ECHOES_A_SECOND, .rate = ECHOES_A_SECOND};
}

bool
wire_icmp_allowed(struct pw_wire *w, struct pw_bucket *b, uint64_t now)
{
	if (pw_bucket_take(b, 1, now) == 1)
		return true;
	w->n.icmp_limited++;
	return false;
}

/* Sum an ICMP message whose header is at the start of m, and send it. Takes m. */
static void
send_message(struct pw_wire *w, uint32_t src, uint32_t dst, struct rte_mbuf *m, uint64_t now)
{
	struct rte_icmp_hdr *icmp = rte_pktmbuf_mtod(m, struct rte_icmp_hdr *);

	icmp->icmp_cksum = 0;
	icmp->icmp_cksum = (uint16_t)~wire_chain_sum(m, 0, m->pkt_len);
	(void)wire_ip4_out(w, src, dst, IPPROTO_ICMP, ICMP_TTL, m, now); /* its drops are counted */
}

/* RFC 1122 3.2.2.6: the same bytes back, from the address that they were sent to. */
static void
echo(struct pw_wire *w, struct rte_mbuf *m, const struct rx *rx)
{
	const struct rte_ipv4_hdr *ip =
		rte_pktmbuf_mtod_offset(m, const struct rte_ipv4_hdr *, m->l2_len);
	uint32_t src = ip->dst_addr, dst = ip->src_addr;
	struct rte_icmp_hdr *icmp;

	if (!wire_icmp_allowed(w, &w->echoes, rx->now)) {
		rte_pktmbuf_free(m);
		return;
	}
	w->n.icmp_echo_in++;
	icmp = (struct rte_icmp_hdr *)rte_pktmbuf_adj(m, m->l2_len + m->l3_len);
	m->ol_flags = 0; /* a direct buffer: all of them are of its reception */
	m->tx_offload = 0;
	icmp->icmp_type = WIRE_ICMP_ECHO_REPLY;
	send_message(w, src, dst, m, rx->now);
}

/* RFC 1191 5 and 7: an old router that names no MTU means the plateau below what was sent. */
static uint16_t
next_mtu(uint16_t named, uint16_t sent)
{
	static const uint16_t plateau[] = {32000, 17914, 8166, 4352, 2002, 1492, 1006, 508, 296};

	if (named != 0)
		return RTE_MAX(named, MTU_MIN);
	for (uint32_t i = 0; i < RTE_DIM(plateau); i++) {
		if (plateau[i] < sent)
			return plateau[i];
	}
	return MTU_MIN;
}

/* An error about a packet of ours: quoted are its IP header and eight bytes. False where it is not.
 */
static bool
error_in(struct pw_wire *w, const struct rte_mbuf *m, const struct rte_icmp_hdr *icmp,
	 const struct rx *rx)
{
	uint32_t off = m->l2_len + m->l3_len + sizeof(*icmp);
	uint8_t room[QUOTE_IP_MAX + QUOTE_MIN];
	uint32_t len = RTE_MIN(m->pkt_len - off, sizeof(room)), hlen;
	const uint8_t *quote = rte_pktmbuf_read(m, off, len, room);
	const struct rte_ipv4_hdr *ip = (const struct rte_ipv4_hdr *)quote;
	uint16_t ports[2], mtu = 0;
	struct pw_flow flow;
	uint32_t seq;

	if (quote == NULL || len < sizeof(*ip))
		return false;
	hlen = rte_ipv4_hdr_len(ip);
	if ((ip->version_ihl >> 4) != IPVERSION || hlen < sizeof(*ip))
		return false;
	if (hlen > len || len - hlen < QUOTE_MIN)
		return false;
	flow.local = pw_addr_v4(ip->src_addr);
	flow.remote = pw_addr_v4(ip->dst_addr);
	if (!pw_wire_is_local(w, &flow.local))
		return false;
	if (icmp->icmp_type != WIRE_ICMP_UNREACHABLE || ip->next_proto_id != IPPROTO_TCP ||
	    (ip->fragment_offset & rte_cpu_to_be_16(RTE_IPV4_HDR_OFFSET_MASK)) != 0)
		return true;
	memcpy(ports, quote + hlen, sizeof(ports));
	memcpy(&seq, quote + hlen + sizeof(ports), sizeof(seq));
	flow.lport = rte_be_to_cpu_16(ports[0]);
	flow.rport = rte_be_to_cpu_16(ports[1]);
	if (icmp->icmp_code == WIRE_ICMP_CODE_FRAG_NEEDED)
		mtu = next_mtu(rte_be_to_cpu_16(icmp->icmp_seq_nb),
			       rte_be_to_cpu_16(ip->total_length));
	if (w->hooks.icmp_error != NULL)
		w->hooks.icmp_error(w->hooks.ctx, &flow, rte_be_to_cpu_32(seq), mtu,
				    icmp->icmp_code, rx->now);
	return true;
}

void
wire_icmp_in(struct pw_wire *w, struct rte_mbuf *m, const struct rx *rx)
{
	uint32_t off = m->l2_len + m->l3_len;
	const struct rte_icmp_hdr *icmp =
		rte_pktmbuf_mtod_offset(m, const struct rte_icmp_hdr *, off);

	if (m->pkt_len - off < sizeof(*icmp)) {
		w->n.drop_runt++;
		rte_pktmbuf_free(m);
		return;
	}
	if (wire_chain_sum(m, off, m->pkt_len - off) != 0xffff) {
		w->n.drop_l4_cksum++;
		rte_pktmbuf_free(m);
		return;
	}
	switch (icmp->icmp_type) {
	case WIRE_ICMP_ECHO:
		if (wire_echo_is_kernels(w, rx))
			break;
		echo(w, m, rx);
		return;
	case WIRE_ICMP_UNREACHABLE:
	case WIRE_ICMP_TIME_EXCEEDED:
	case WIRE_ICMP_PARAMETER_PROBLEM:
		if (!error_in(w, m, icmp, rx))
			break;
		w->n.icmp_errors_in++;
		wire_leave(w, m, rx, NULL); /* whose flow it is about can't be seen here */
		return;
	default:
		break;
	}
	wire_leave(w, m, rx, &w->n.icmp_ignored);
}

/* RFC 1122 3.2.2 and RFC 1812 4.3.2.7: what no error may be sent about. */
static bool
may_answer(const struct pw_wire *w, uint32_t iface, const struct rte_mbuf *frame,
	   const struct rte_ipv4_hdr *ip)
{
	const struct iface *f = &w->iface[iface];
	const struct rte_ether_hdr *eth = rte_pktmbuf_mtod(frame, const struct rte_ether_hdr *);
	struct pw_addr dst = pw_addr_v4(ip->dst_addr);
	uint8_t room;
	const uint8_t *type;

	if (rte_is_multicast_ether_addr(&eth->dst_addr))
		return false;
	if (wire_not_a_host4(f, ip->src_addr) || wire_local_index(f, &dst) < 0)
		return false;
	if (ip->fragment_offset & rte_cpu_to_be_16(RTE_IPV4_HDR_OFFSET_MASK))
		return false;
	if (ip->next_proto_id != IPPROTO_ICMP)
		return true;
	type = rte_pktmbuf_read(frame, frame->l2_len + rte_ipv4_hdr_len(ip), 1, &room);
	return type != NULL && *type == WIRE_ICMP_ECHO;
}

void
pw_wire_icmp_error(struct pw_wire *w, uint32_t iface, const struct rte_mbuf *frame, uint8_t type,
		   uint8_t code, uint64_t now)
{
	struct rte_ipv4_hdr room;
	uint32_t off = frame->l2_len, quoted;
	const struct rte_ipv4_hdr *ip = rte_pktmbuf_read(frame, off, sizeof(room), &room);
	struct rte_icmp_hdr *icmp;
	struct rte_mbuf *m;
	const void *cause;

	if (ip != NULL && (ip->version_ihl >> 4) == 6) {
		wire_icmp6_error(w, iface, frame, type, code, 0, now);
		return;
	}
	if (ip == NULL || (ip->version_ihl >> 4) != IPVERSION || !may_answer(w, iface, frame, ip))
		return;
	if (!wire_icmp_allowed(w, &w->errors, now))
		return;
	m = rte_pktmbuf_alloc(w->mem->pkt);
	if (m == NULL) {
		w->n.drop_no_buffer++;
		return;
	}
	quoted = RTE_MIN(frame->pkt_len - off, ERROR_MAX - sizeof(*ip) - sizeof(*icmp));
	icmp = (struct rte_icmp_hdr *)rte_pktmbuf_append(m, sizeof(*icmp) + quoted);
	*icmp = (struct rte_icmp_hdr){.icmp_type = type, .icmp_code = code};
	cause = rte_pktmbuf_read(frame, off, quoted, icmp + 1);
	if (cause != icmp + 1)
		memcpy(icmp + 1, cause, quoted);
	w->n.icmp_errors_out++;
	send_message(w, ip->dst_addr, ip->src_addr, m, now);
}
