/* SPDX-License-Identifier: BSD-3-Clause */
/* Reading the TCP header and options of a received packet (RFC 9293 3.1, 3.2). */
#include <errno.h>

#include <rte_byteorder.h>
#include <rte_mbuf.h>

#include "stack_pvt.h"

#define OPT_END	    0
#define OPT_NOP	    1
#define OPT_MSS	    2
#define OPT_WS	    3
#define OPT_SACK_OK 4
#define OPT_SACK    5
#define OPT_TS	    8

/* Two NOPs and a timestamps option, the recommended layout (RFC 7323 appendix A). */
#define TS_ALONE 0x0101080au

static uint16_t
get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static uint32_t
get32(const uint8_t *p)
{
	uint32_t be;

	memcpy(&be, p, sizeof(be));
	return rte_be_to_cpu_32(be);
}

static void
parse_sack(struct pw_tcp_seg *s, const uint8_t *p, uint8_t len)
{
	s->nb_sack = (uint8_t)RTE_MIN((len - 2) / 8, SEG_SACK_MAX);
	for (uint32_t i = 0; i < s->nb_sack; i++)
		s->sack[i] = (struct sack_block){get32(p + 2 + 8 * i), get32(p + 2 + 8 * i + 4)};
}

/* Options that are not spoken here are stepped over (MUST-6); a bad length refuses the segment. */
static int
parse_options(struct pw_tcp_seg *s, const uint8_t *p, const uint8_t *end)
{
	while (p < end && *p != OPT_END) {
		uint8_t kind = *p, len;

		if (kind == OPT_NOP) {
			p++;
			continue;
		}
		if (end - p < 2)
			return -EBADMSG;
		len = p[1];
		if (len < 2 || len > end - p)
			return -EBADMSG;
		if (kind == OPT_MSS && len == 4) {
			s->mss = get16(p + 2);
			s->opts |= SEG_OPT_MSS;
		} else if (kind == OPT_WS && len == 3) {
			s->scale = p[2];
			s->opts |= SEG_OPT_WS;
		} else if (kind == OPT_SACK_OK && len == 2) {
			s->opts |= SEG_OPT_SACK_OK;
		} else if (kind == OPT_SACK && len >= 10 && len % 8 == 2) {
			parse_sack(s, p, len);
		} else if (kind == OPT_TS && len == 10) {
			s->ts_val = get32(p + 2);
			s->ts_ecr = get32(p + 6);
			s->opts |= SEG_OPT_TS;
		}
		p += len;
	}
	return 0;
}

/* Source and destination of the IP header; 0 or -EBADMSG. */
static int
parse_ip(struct pw_tcp_seg *s, const uint8_t *ip, uint32_t l3_len)
{
	if (ip[0] >> 4 == 4 && l3_len >= 20) {
		uint32_t be;

		memcpy(&be, ip + 12, 4);
		s->flow.remote = pw_addr_v4(be);
		memcpy(&be, ip + 16, 4);
		s->flow.local = pw_addr_v4(be);
		return 0;
	}
	if (ip[0] >> 4 == 6 && l3_len >= 40) {
		memcpy(s->flow.remote.b, ip + 8, 16);
		memcpy(s->flow.local.b, ip + 24, 16);
		return 0;
	}
	return -EBADMSG;
}

/* Without the blocks, of which nb_sack says that there are none. */
static void
begin(struct pw_tcp_seg *s, struct rte_mbuf *m)
{
	s->m = m;
	s->ts_val = 0;
	s->ts_ecr = 0;
	s->mss = 0;
	s->scale = 0;
	s->opts = 0;
	s->duplicate = false;
	s->was_syn = false;
	s->nb_sack = 0;
}

int
pw_tcp_parse(struct pw_tcp_seg *s, struct rte_mbuf *m)
{
	uint32_t l4 = (uint32_t)m->l2_len + m->l3_len, header;
	const uint8_t *frame = rte_pktmbuf_mtod(m, const uint8_t *);
	const uint8_t *tcp = frame + l4;

	if (m->data_len < l4 + TCP_HDR_LEN || m->l3_len == 0)
		return -EBADMSG;
	header = (tcp[12] >> 4) * 4u;
	if (header < TCP_HDR_LEN || header > m->data_len - l4)
		return -EBADMSG;
	begin(s, m);
	if (parse_ip(s, frame + m->l2_len, m->l3_len) < 0)
		return -EBADMSG;
	s->flow.rport = get16(tcp);
	s->flow.lport = get16(tcp + 2);
	s->seq = get32(tcp + 4);
	s->ack = get32(tcp + 8);
	s->flags = tcp[13] & (TCP_FIN | TCP_SYN | TCP_RST | TCP_PSH | TCP_ACK);
	s->wnd = get16(tcp + 14);
	if (likely(header == TCP_HDR_LEN + TCP_OPT_TS_LEN &&
		   get32(tcp + TCP_HDR_LEN) == TS_ALONE)) {
		s->ts_val = get32(tcp + TCP_HDR_LEN + 4);
		s->ts_ecr = get32(tcp + TCP_HDR_LEN + 8);
		s->opts = SEG_OPT_TS;
	} else if (parse_options(s, tcp + TCP_HDR_LEN, tcp + header) < 0) {
		return -EBADMSG;
	}
	s->len = m->pkt_len - l4 - header;
	s->headers = (uint16_t)(l4 + header);
	(void)rte_pktmbuf_adj(m, s->headers);
	return 0;
}
