/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <rte_byteorder.h>
#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_tcp.h>

#include "tcp_seg.h"

#define OPT_END	    0
#define OPT_NOP	    1
#define OPT_MSS	    2
#define OPT_WS	    3
#define OPT_SACK_OK 4
#define OPT_SACK    5
#define OPT_TS	    8

static uint32_t
get32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static uint8_t *
put32(uint8_t *p, uint32_t v)
{
	p[0] = v >> 24;
	p[1] = v >> 16;
	p[2] = v >> 8;
	p[3] = v;
	return p + 4;
}

static int
parse_options(const uint8_t *p, const uint8_t *end, struct tcp_seg *out)
{
	while (p < end && *p != OPT_END) {
		if (*p == OPT_NOP) {
			p++;
			continue;
		}
		if (end - p < 2 || p[1] < 2 || p[1] > end - p)
			return -EBADMSG;
		if (*p == OPT_MSS && p[1] == 4) {
			out->mss = (uint16_t)(p[2] << 8 | p[3]);
		} else if (*p == OPT_WS && p[1] == 3) {
			out->has_ws = true;
			out->ws = p[2];
		} else if (*p == OPT_SACK_OK && p[1] == 2) {
			out->sack_ok = true;
		} else if (*p == OPT_SACK && p[1] >= 10 && p[1] % 8 == 2 && p[1] <= 34) {
			out->nb_sack = (p[1] - 2) / 8;
			for (uint32_t i = 0; i < out->nb_sack; i++) {
				out->sack[i].left = get32(p + 2 + 8 * i);
				out->sack[i].right = get32(p + 6 + 8 * i);
			}
		} else if (*p == OPT_TS && p[1] == 10) {
			out->has_ts = true;
			out->tsval = get32(p + 2);
			out->tsecr = get32(p + 6);
		}
		p += p[1];
	}
	return 0;
}

int
tcp_seg_parse(const uint8_t *p, uint32_t n, struct tcp_seg *out)
{
	uint32_t head;

	memset(out, 0, sizeof(*out));
	if (n < sizeof(struct rte_tcp_hdr))
		return -EBADMSG;
	head = (uint32_t)(p[12] >> 4) * 4;
	if (head < sizeof(struct rte_tcp_hdr) || head > n)
		return -EBADMSG;
	out->sport = (uint16_t)(p[0] << 8 | p[1]);
	out->dport = (uint16_t)(p[2] << 8 | p[3]);
	out->seq = get32(p + 4);
	out->ack = get32(p + 8);
	out->flags = p[13];
	out->win = (uint16_t)(p[14] << 8 | p[15]);
	out->opt_len = (uint8_t)(head - sizeof(struct rte_tcp_hdr));
	out->len = (uint16_t)(n - head);
	out->data = p + head;
	return parse_options(p + sizeof(struct rte_tcp_hdr), p + head, out);
}

static uint8_t *
build_options(const struct tcp_seg *s, uint8_t *p)
{
	if (s->mss != 0) {
		*p++ = OPT_MSS;
		*p++ = 4;
		*p++ = s->mss >> 8;
		*p++ = s->mss & 0xff;
	}
	if (s->has_ws) {
		*p++ = OPT_NOP;
		*p++ = OPT_WS;
		*p++ = 3;
		*p++ = s->ws;
	}
	if (s->sack_ok) {
		*p++ = OPT_NOP;
		*p++ = OPT_NOP;
		*p++ = OPT_SACK_OK;
		*p++ = 2;
	}
	if (s->has_ts) {
		*p++ = OPT_NOP;
		*p++ = OPT_NOP;
		*p++ = OPT_TS;
		*p++ = 10;
		p = put32(p, s->tsval);
		p = put32(p, s->tsecr);
	}
	if (s->nb_sack != 0) {
		*p++ = OPT_NOP;
		*p++ = OPT_NOP;
		*p++ = OPT_SACK;
		*p++ = 2 + 8 * s->nb_sack;
		for (uint32_t i = 0; i < s->nb_sack; i++) {
			p = put32(p, s->sack[i].left);
			p = put32(p, s->sack[i].right);
		}
	}
	return p;
}

uint32_t
tcp_seg_build(const struct tcp_seg *s, uint8_t *p)
{
	uint8_t *body = build_options(s, p + sizeof(struct rte_tcp_hdr));
	uint32_t head = (uint32_t)(body - p);

	p[0] = s->sport >> 8;
	p[1] = s->sport & 0xff;
	p[2] = s->dport >> 8;
	p[3] = s->dport & 0xff;
	put32(p + 4, s->seq);
	put32(p + 8, s->ack);
	p[12] = (uint8_t)(head / 4 << 4);
	p[13] = s->flags;
	p[14] = s->win >> 8;
	p[15] = s->win & 0xff;
	memset(p + 16, 0, 4);
	if (s->len != 0) {
		if (s->data != NULL)
			memcpy(body, s->data, s->len);
		else
			memset(body, 'x', s->len);
	}
	return head + s->len;
}

struct rte_mbuf *
tcp_seg_frame(struct rte_mempool *pool, const struct pw_addr *src, const struct pw_addr *dst,
	      const uint8_t *tcp, uint32_t n)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);
	struct rte_ether_hdr *eth;
	struct rte_ipv4_hdr *ip;

	if (m == NULL)
		return NULL;
	eth = (struct rte_ether_hdr *)rte_pktmbuf_append(m, SEG_ETHER_LEN + SEG_IP_LEN + n);
	if (eth == NULL) {
		rte_pktmbuf_free(m);
		return NULL;
	}
	memset(eth, 0, SEG_ETHER_LEN + SEG_IP_LEN);
	eth->ether_type = rte_cpu_to_be_16(RTE_ETHER_TYPE_IPV4);
	ip = (struct rte_ipv4_hdr *)(eth + 1);
	ip->version_ihl = RTE_IPV4_VHL_DEF;
	ip->total_length = rte_cpu_to_be_16(SEG_IP_LEN + n);
	ip->time_to_live = 64;
	ip->next_proto_id = IPPROTO_TCP;
	ip->src_addr = pw_addr_be32(src);
	ip->dst_addr = pw_addr_be32(dst);
	ip->hdr_checksum = rte_ipv4_cksum(ip);
	memcpy(ip + 1, tcp, n);
	m->l2_len = SEG_ETHER_LEN;
	m->l3_len = SEG_IP_LEN;
	return m;
}

const char *
tcp_seg_str(const struct tcp_seg *s, uint32_t seq_base, uint32_t ack_base, char *buf, uint32_t size)
{
	char opt[200] = "";
	int n = 0;

	if (s->mss != 0)
		n += snprintf(opt + n, sizeof(opt) - n, " mss %u", s->mss);
	if (s->has_ws)
		n += snprintf(opt + n, sizeof(opt) - n, " ws %u", s->ws);
	if (s->sack_ok)
		n += snprintf(opt + n, sizeof(opt) - n, " sackok");
	if (s->has_ts)
		n += snprintf(opt + n, sizeof(opt) - n, " ts %u ecr %u", s->tsval, s->tsecr);
	for (uint32_t i = 0; i < s->nb_sack; i++)
		n += snprintf(opt + n, sizeof(opt) - n, " sack %d:%d",
			      (int)(s->sack[i].left - ack_base),
			      (int)(s->sack[i].right - ack_base));
	snprintf(buf, size, "%s%s%s%s%s seq %d ack %d win %u len %u%s",
		 s->flags & SEG_SYN ? "S" : "", s->flags & SEG_FIN ? "F" : "",
		 s->flags & SEG_RST ? "R" : "", s->flags & SEG_PSH ? "P" : "",
		 s->flags & SEG_ACK ? "." : "", (int)(s->seq - seq_base),
		 s->flags & SEG_ACK ? (int)(s->ack - ack_base) : 0, s->win, s->len, opt);
	return buf;
}
