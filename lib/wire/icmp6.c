/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ICMPv6 (RFC 4443) as a host has to: echo is answered, errors about our TCP segments go to their
 * owner, errors of ours follow 2.4. Answers share their rate limits with those of ICMP.
 */
#include <netinet/in.h>

#include "wire_pvt.h"

#define QUOTE_MIN 8 /* bytes of TCP header that an error has to quote to be of use */

struct icmp6 {
	uint8_t type;
	uint8_t code;
	rte_be16_t sum;
	rte_be32_t word;
} __rte_packed;

/* RFC 4443 4.2: the same bytes back; from an address of ours where a group was asked. */
static void
echo(struct pw_wire *w, struct rte_mbuf *m, const struct rx *rx, const struct packet6 *p)
{
	const struct pw_addr *src = p->group ? wire_source(w, rx->iface, &p->src) : &p->dst;
	struct icmp6 *icmp;

	if (src == NULL || !wire_icmp_allowed(w, &w->echoes, rx->now)) {
		rte_pktmbuf_free(m);
		return;
	}
	w->n.icmp_echo_in++;
	icmp = (struct icmp6 *)rte_pktmbuf_adj(m, m->l2_len + m->l3_len);
	m->ol_flags = 0; /* a direct buffer: all of them are of its reception */
	m->tx_offload = 0;
	icmp->type = ICMP6_ECHO_REPLY;
	(void)wire_ip6_out(w, rx->iface, src, &p->src, IPPROTO_ICMPV6, 0, m, rx->now);
}

/* A quoted packet, from its IPv6 header on at an offset of a borrowed frame. */
static bool
quoted_flow(struct pw_wire *w, const struct rte_mbuf *m, uint32_t off, struct pw_flow *flow,
	    uint32_t *seq)
{
	struct {
		rte_be16_t ports[2];
		rte_be32_t seq;
	} room;
	struct rte_ipv6_hdr ip_room;
	const struct rte_ipv6_hdr *ip = rte_pktmbuf_read(m, off, sizeof(ip_room), &ip_room);
	const void *th;

	if (ip == NULL || (rte_be_to_cpu_32(ip->vtc_flow) >> 28) != 6)
		return false;
	memcpy(&flow->local, ip->src_addr, sizeof(flow->local));
	memcpy(&flow->remote, ip->dst_addr, sizeof(flow->remote));
	if (pw_addr_is_v4(&flow->local) || !pw_wire_is_local(w, &flow->local))
		return false;
	flow->lport = 0;
	/* We send no extension headers, so there are none to be stepped over. */
	off += sizeof(*ip);
	if (ip->proto != IPPROTO_TCP)
		return true;
	th = rte_pktmbuf_read(m, off, QUOTE_MIN, &room);
	if (th == NULL)
		return false;
	memcpy(&room, th, sizeof(room));
	flow->lport = rte_be_to_cpu_16(room.ports[0]);
	flow->rport = rte_be_to_cpu_16(room.ports[1]);
	*seq = rte_be_to_cpu_32(room.seq);
	return true;
}

/* An error about a packet of ours (borrowed). False where it is not. */
static bool
error_in(struct pw_wire *w, const struct rte_mbuf *m, const struct icmp6 *icmp, const struct rx *rx)
{
	uint32_t quote = m->l2_len + m->l3_len + sizeof(*icmp);
	uint32_t word = rte_be_to_cpu_32(icmp->word);
	uint8_t type = icmp->type, code = icmp->code;
	struct pw_flow flow;
	uint16_t mtu = 0;
	uint32_t seq = 0;

	if (!quoted_flow(w, m, quote, &flow, &seq))
		return false;
	/* RFC 8201 4: less than what every link carries is no honest answer. */
	if (type == ICMP6_TOO_BIG && word < IP6_MTU_MIN)
		return false;
	if (flow.lport == 0 || (type != ICMP6_UNREACHABLE && type != ICMP6_TOO_BIG))
		return true;
	if (type == ICMP6_TOO_BIG)
		mtu = (uint16_t)RTE_MIN(word, (uint32_t)UINT16_MAX);
	if (w->hooks.icmp_error != NULL)
		w->hooks.icmp_error(w->hooks.ctx, &flow, seq, mtu, code, rx->now);
	return true;
}

/* Errors and echo: what anybody may send. Takes m. */
static void
message_in(struct pw_wire *w, struct rte_mbuf *m, const struct rx *rx, const struct packet6 *p,
	   const struct icmp6 *icmp)
{
	if (!wire_addr_is_set(&p->src) || pw_wire_is_local(w, &p->src)) {
		w->n.drop_ip_src++;
		rte_pktmbuf_free(m);
	} else if (icmp->type == ICMP6_ECHO && !wire_echo_is_kernels(w, rx)) {
		echo(w, m, rx, p);
	} else if (icmp->type < ICMP6_INFORMATIONAL && error_in(w, m, icmp, rx)) {
		w->n.icmp_errors_in++;
		wire_leave(w, m, rx, NULL); /* whose flow it is about can't be seen here */
	} else {
		wire_leave(w, m, rx, &w->n.icmp_ignored);
	}
}

void
wire_icmp6_in(struct pw_wire *w, struct rte_mbuf *m, const struct rx *rx, const struct packet6 *p)
{
	uint32_t off = m->l2_len + m->l3_len, len = m->pkt_len - off;
	const struct icmp6 *icmp = rte_pktmbuf_mtod_offset(m, const struct icmp6 *, off);
	uint32_t sum;

	if (len < sizeof(*icmp)) {
		w->n.drop_runt++;
		rte_pktmbuf_free(m);
		return;
	}
	sum = (uint32_t)wire_ip6_phdr_sum(&p->src, &p->dst, IPPROTO_ICMPV6, len) +
	      wire_chain_sum(m, off, len);
	if (((sum & 0xffff) + (sum >> 16)) != 0xffff) {
		w->n.drop_l4_cksum++;
		rte_pktmbuf_free(m);
		return;
	}
	switch (icmp->type) {
	case ND_SOLICIT:
	case ND_ADVERT:
	case ND_ROUTER_SOLICIT:
	case ND_ROUTER_ADVERT:
	case ND_REDIRECT:
		/* RFC 6980 5 */
		if (!p->fragmented) {
			wire_nd_in(w, m, rx, p);
			return;
		}
		w->n.nd_invalid++;
		rte_pktmbuf_free(m);
		return;
	case MLD_QUERY:
		wire_mld_in(w, m, rx, p);
		return;
	default:
		message_in(w, m, rx, p, icmp);
	}
}

/* RFC 4443 2.4 (e): what no error may be sent about. despite_group: one that groups get too. */
static bool
may_answer(const struct pw_wire *w, uint32_t iface, const struct rte_mbuf *frame,
	   const struct packet6 *p, bool despite_group)
{
	const struct rte_ether_hdr *eth = rte_pktmbuf_mtod(frame, const struct rte_ether_hdr *);
	uint8_t room;
	const uint8_t *type;
	uint32_t off;

	if (wire_not_a_host6(&p->src) || pw_wire_is_local(w, &p->src))
		return false;
	if (rte_is_multicast_ether_addr(&eth->dst_addr) && !despite_group)
		return false;
	if (wire_is_multicast6(&p->dst) ? !despite_group
					: wire_local_index(&w->iface[iface], &p->dst) < 0)
		return false;
	if (wire_ip6_peek(frame, &off) != IPPROTO_ICMPV6)
		return true;
	type = rte_pktmbuf_read(frame, frame->l2_len + off, 1, &room);
	return type != NULL && *type >= ICMP6_INFORMATIONAL && *type != ND_REDIRECT;
}

void
wire_icmp6_error(struct pw_wire *w, uint32_t iface, const struct rte_mbuf *frame, uint8_t type,
		 uint8_t code, uint32_t word, uint64_t now)
{
	bool despite_group = type == ICMP6_PARAMETER_PROBLEM && code == ICMP6_CODE_OPTION;
	struct rte_ipv6_hdr room;
	uint32_t off = frame->l2_len, quoted;
	const struct rte_ipv6_hdr *ip = rte_pktmbuf_read(frame, off, sizeof(room), &room);
	const struct pw_addr *source;
	struct icmp6 *icmp;
	struct packet6 p;
	struct rte_mbuf *m;
	const void *cause;

	if (ip == NULL)
		return;
	memcpy(&p.src, ip->src_addr, sizeof(p.src));
	memcpy(&p.dst, ip->dst_addr, sizeof(p.dst));
	if (!may_answer(w, iface, frame, &p, despite_group))
		return;
	source = wire_is_multicast6(&p.dst) ? wire_source(w, iface, &p.src) : &p.dst;
	if (source == NULL || !wire_icmp_allowed(w, &w->errors, now))
		return;
	m = rte_pktmbuf_alloc(w->mem->pkt);
	if (m == NULL) {
		w->n.drop_no_buffer++;
		return;
	}
	/* 2.4 (c): as much of the cause as fits into what every link carries. */
	quoted = RTE_MIN(frame->pkt_len - off, IP6_MTU_MIN - IP6_HDR_LEN - (uint32_t)sizeof(*icmp));
	icmp = (struct icmp6 *)rte_pktmbuf_append(m, sizeof(*icmp) + quoted);
	*icmp = (struct icmp6){.type = type, .code = code, .word = rte_cpu_to_be_32(word)};
	cause = rte_pktmbuf_read(frame, off, quoted, icmp + 1);
	if (cause != icmp + 1)
		memcpy(icmp + 1, cause, quoted);
	w->n.icmp_errors_out++;
	(void)wire_ip6_out(w, iface, source, &p.src, IPPROTO_ICMPV6, 0, m, now);
}
