/* SPDX-License-Identifier: BSD-3-Clause */
#include <string.h>

#include <rte_byteorder.h>
#include <rte_ip.h>
#include <rte_tcp.h>

#include "tso.h"

static uint32_t
headers(const struct rte_mbuf *m)
{
	return m->l2_len + m->l3_len + m->l4_len;
}

uint32_t
tso_pieces(const struct rte_mbuf *m)
{
	uint32_t payload = m->pkt_len - headers(m);

	return m->tso_segsz == 0 ? 1 : (payload + m->tso_segsz - 1) / m->tso_segsz;
}

static void
copy_out(const struct rte_mbuf *m, uint32_t off, uint32_t len, uint8_t *to)
{
	const uint8_t *from = rte_pktmbuf_read(m, off, len, to);

	if (from != to)
		memcpy(to, from, len);
}

static void
put_ip_len(uint8_t *ip, uint32_t l3_len, uint32_t len)
{
	if (*ip >> 4 == 4)
		((struct rte_ipv4_hdr *)ip)->total_length = rte_cpu_to_be_16(l3_len + len);
	else
		((struct rte_ipv6_hdr *)ip)->payload_len = rte_cpu_to_be_16(len);
}

uint32_t
tso_piece(const struct rte_mbuf *m, uint32_t i, uint8_t *out, uint32_t room)
{
	struct rte_tcp_hdr *th = (struct rte_tcp_hdr *)(out + m->l2_len + m->l3_len);
	bool whole = m->tso_segsz == 0;
	uint32_t hdr = whole ? 0 : headers(m), off = i * m->tso_segsz;
	uint32_t left = m->pkt_len - hdr - off;
	uint32_t len = whole ? left : RTE_MIN(left, (uint32_t)m->tso_segsz);

	if (hdr + len > room)
		return 0;
	copy_out(m, 0, hdr, out);
	copy_out(m, hdr + off, len, out + hdr);
	if (whole)
		return len;
	th->sent_seq = rte_cpu_to_be_32(rte_be_to_cpu_32(th->sent_seq) + off);
	if (i + 1 < tso_pieces(m))
		th->tcp_flags &= ~(RTE_TCP_FIN_FLAG | RTE_TCP_PSH_FLAG);
	if (m->l3_len > 0)
		put_ip_len(out + m->l2_len, m->l3_len, m->l4_len + len);
	return hdr + len;
}
