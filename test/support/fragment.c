/* SPDX-License-Identifier: BSD-3-Clause */
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>
#include <rte_ether.h>
#include <rte_ip.h>

#include "fragment.h"

#define L2 RTE_ETHER_HDR_LEN

/* The header of the fragment at an offset, of which len bytes of payload follow. */
static uint32_t
header4(uint8_t *at, uint32_t off, uint32_t len, bool more, uint32_t id)
{
	struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)at;

	ip->total_length = rte_cpu_to_be_16((uint16_t)(sizeof(*ip) + len));
	ip->packet_id = rte_cpu_to_be_16((uint16_t)id);
	ip->fragment_offset = rte_cpu_to_be_16((uint16_t)(off / 8 | (more ? 0x2000 : 0)));
	ip->hdr_checksum = 0;
	ip->hdr_checksum = rte_ipv4_cksum(ip);
	return sizeof(*ip);
}

static uint32_t
header6(uint8_t *at, uint32_t off, uint32_t len, bool more, uint32_t id)
{
	struct rte_ipv6_hdr *ip = (struct rte_ipv6_hdr *)at;
	uint8_t *ext = at + sizeof(*ip);

	ip->payload_len = rte_cpu_to_be_16((uint16_t)(8 + len));
	ext[0] = ip->proto;
	ext[1] = 0;
	ext[2] = (uint8_t)(off >> 8);
	ext[3] = (uint8_t)((off & 0xf8) | more);
	memcpy(ext + 4, &id, sizeof(id));
	ip->proto = IPPROTO_FRAGMENT;
	return sizeof(*ip) + 8;
}

uint32_t
test_fragment(struct rte_mbuf *frame, struct rte_mempool *pool, uint32_t size, uint32_t id,
	      struct rte_mbuf **out, uint32_t max)
{
	bool v6;
	uint8_t room[L2 + sizeof(struct rte_ipv6_hdr)];
	const uint8_t *head = rte_pktmbuf_read(frame, 0, sizeof(room), room);
	uint32_t l4, body, n = 0;

	if (head == NULL || head[12] != (head[13] == 0 ? 0x08 : 0x86))
		return 0;
	v6 = head[12] == 0x86;
	l4 = L2 + (v6 ? sizeof(struct rte_ipv6_hdr) : sizeof(struct rte_ipv4_hdr));
	body = frame->pkt_len - l4;
	if (body <= size)
		return 0;
	for (uint32_t off = 0; off < body; off += size) {
		uint32_t len = RTE_MIN(size, body - off), at = L2;
		bool more = off + len < body;
		struct rte_mbuf *m = rte_pktmbuf_alloc(pool);
		const uint8_t *from;
		uint8_t *p;

		assert_non_null(m);
		assert_true(n < max);
		p = rte_pktmbuf_mtod(m, uint8_t *);
		memcpy(p, head, l4);
		at += v6 ? header6(p + L2, off, len, more, id)
			 : header4(p + L2, off, len, more, id);
		assert_non_null(rte_pktmbuf_append(m, (uint16_t)(at + len)));
		from = rte_pktmbuf_read(frame, l4 + off, len, p + at);
		if (from != p + at)
			memcpy(p + at, from, len);
		out[n++] = m;
	}
	return n;
}
