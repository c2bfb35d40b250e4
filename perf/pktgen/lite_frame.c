/* SPDX-License-Identifier: BSD-3-Clause */
/* Frames: one header for all, into which the numbers of a segment are written. */
#include <netinet/in.h>

#include <rte_ip.h>

#include "lite_pvt.h"

#define SYN_HEAD 74 /* with MSS, timestamps, window scale */
#define WINDOW	 65535u

/* RFC 1071, by words of eight bytes, whose carries are carries of any of their halves. */
static uint16_t
sum_of(const uint8_t *p, uint32_t len, uint64_t sum)
{
	uint64_t w;

	for (; len >= 8; p += 8, len -= 8) {
		memcpy(&w, p, 8);
		sum += w;
		sum += sum < w;
	}
	w = 0;
	memcpy(&w, p, len);
	sum += w;
	sum += sum < w;
	sum = (sum & UINT32_MAX) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16 & 0xffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

/* A pseudo header's addresses stand before the TCP header: one sum over both (RFC 9293 3.1). */
static void
put_sums(const struct lite *l, struct rte_mbuf *m, uint8_t *p)
{
	struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)(p + LITE_ETH);
	struct rte_tcp_hdr *th = (struct rte_tcp_hdr *)(p + LITE_ETH + LITE_IP);
	uint32_t tcp_len = m->data_len - LITE_ETH - LITE_IP;

	ip->hdr_checksum = th->cksum = 0;
	if (l->conf.net->port.caps & (PW_PORT_TX_IP_CKSUM | PW_PORT_TX_TCP_CKSUM)) {
		net_sums(l->conf.net, m, ip, th);
		return;
	}
	ip->hdr_checksum = sum_of(p + LITE_ETH, LITE_IP, 0);
	th->cksum = sum_of(p + LITE_ETH + 12, tcp_len + 8,
			   rte_cpu_to_be_16(IPPROTO_TCP) +
				   (uint64_t)rte_cpu_to_be_16((uint16_t)tcp_len));
}

void
lite_frame_put(struct lite *l, struct conn *c, struct rte_mbuf *m, uint32_t seq, uint32_t len,
	       uint8_t flags)
{
	uint8_t *p = rte_pktmbuf_mtod(m, uint8_t *);
	uint32_t queued = c->rx != NULL ? c->rx->pkt_len : 0;

	memcpy(p, l->head, LITE_HEAD);
	memcpy(p, &l->conf.net->peer_mac, RTE_ETHER_ADDR_LEN);
	lite_put16(p + 16, (uint16_t)(LITE_HEAD - LITE_ETH + len));
	lite_put32(p + 26, c->addr);
	lite_put16(p + 34, c->port);
	lite_put32(p + 38, seq);
	lite_put32(p + 42, c->rcv_nxt);
	p[47] = flags | RTE_TCP_ACK_FLAG;
	lite_put16(p + 48, (uint16_t)(queued < WINDOW ? WINDOW - queued : 0));
	lite_put32(p + 58, l->ms);
	lite_put32(p + 62, c->ts_recent);
	m->data_len = (uint16_t)(LITE_HEAD + len);
	m->pkt_len = LITE_HEAD + len;
	put_sums(l, m, p);
	c->flags &= (uint8_t)~F_ACK;
	l->n.segs_out++;
	l->n.bytes_out += len;
}

struct rte_mbuf *
lite_frame_new(struct lite *l)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(l->conf.net->mem->pkt);

	l->n.drop_no_buffer += m == NULL;
	return m;
}

void
lite_send_bare(struct lite *l, struct conn *c, uint32_t seq, uint8_t flags)
{
	struct rte_mbuf *m = lite_frame_new(l);

	if (m == NULL)
		return;
	lite_frame_put(l, c, m, seq, 0, flags);
	(void)net_send(l->conf.net, m);
}

void
lite_send_syn(struct lite *l, struct conn *c)
{
	struct rte_mbuf *m = lite_frame_new(l);
	uint8_t *p;

	c->retry = l->ms + (LITE_SYN_RTO_MS << c->tries);
	if (m == NULL)
		return;
	lite_frame_put(l, c, m, c->una, 0, 0);
	p = rte_pktmbuf_mtod(m, uint8_t *);
	lite_put16(p + 16, SYN_HEAD - LITE_ETH);
	lite_put32(p + 42, 0);
	p[46] = (SYN_HEAD - LITE_ETH - LITE_IP) / 4 << 4;
	p[47] = RTE_TCP_SYN_FLAG;
	lite_put32(p + 54, 0x02040000u | (uint32_t)(l->conf.net->port.mtu - 40));
	lite_put32(p + 58, LITE_TS_HEAD);
	lite_put32(p + 62, l->ms);
	lite_put32(p + 66, 0);
	lite_put32(p + 70, 0x01030300u); /* window scale of 0: the peer may use its own */
	m->data_len = SYN_HEAD;
	m->pkt_len = SYN_HEAD;
	put_sums(l, m, p);
	(void)net_send(l->conf.net, m);
}

void
lite_frame_init(struct lite *l)
{
	struct net *net = l->conf.net;
	uint8_t *p = l->head;

	memcpy(p + 6, &net->port.mac, RTE_ETHER_ADDR_LEN);
	lite_put16(p + 12, RTE_ETHER_TYPE_IPV4);
	p[LITE_ETH] = RTE_IPV4_VHL_DEF;
	lite_put16(p + 20, RTE_IPV4_HDR_DF_FLAG); /* so it needs no identification (RFC 6864 4.1) */
	p[22] = NET_TTL;
	p[23] = IPPROTO_TCP;
	lite_put32(p + 30, l->conf.target);
	lite_put16(p + 36, l->conf.target_port);
	p[46] = (LITE_HEAD - LITE_ETH - LITE_IP) / 4 << 4;
	lite_put32(p + 54, LITE_TS_HEAD);
}
