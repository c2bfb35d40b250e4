/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Chains of packet buffers: shorten, make private, sum.
 */
#include <pubwire/base/sumnote.h>

#include "sum_pvt.h"
#include "wire_pvt.h"

void
wire_chain_trim(struct rte_mbuf *m, uint32_t len)
{
	struct rte_mbuf *s = m, *rest;
	uint32_t left = len;
	uint16_t segs = 1;

	if (len >= m->pkt_len)
		return;
	while (left > s->data_len) {
		left -= s->data_len;
		s = s->next;
		segs++;
	}
	s->data_len = left;
	rest = s->next;
	s->next = NULL;
	m->nb_segs = segs;
	m->pkt_len = len;
	rte_pktmbuf_free(rest);
}

struct rte_mbuf *
wire_chain_own(struct pw_wire *w, struct rte_mbuf *m, uint32_t len)
{
	bool ours = m->data_len >= RTE_MIN(len, m->pkt_len);
	struct rte_mbuf *copy;

	for (const struct rte_mbuf *s = m; s != NULL && ours; s = s->next)
		ours = RTE_MBUF_DIRECT(s) && rte_mbuf_refcnt_read(s) == 1;
	if (ours)
		return m;
	copy = rte_pktmbuf_copy(m, w->mem->pkt, 0, UINT32_MAX);
	if (copy == NULL)
		w->n.drop_no_buffer++;
	else
		w->n.rx_copied++;
	rte_pktmbuf_free(m);
	return copy;
}

/* Not rte_raw_cksum_mbuf(): 22.11's drops carries of segments that start at an odd offset. */
uint16_t
wire_chain_sum(const struct rte_mbuf *m, uint32_t off, uint32_t len)
{
	uint32_t sum = 0, done = 0;

	if (likely(off + len <= m->data_len))
		return pw_sum(rte_pktmbuf_mtod_offset(m, const void *, off), len);
	for (const struct rte_mbuf *s = m; s != NULL && done < len; s = s->next) {
		uint32_t n = s->data_len;
		uint16_t part;

		if (off >= n) {
			off -= n;
			continue;
		}
		n = RTE_MIN(n - off, len - done);
		part = pw_sum(rte_pktmbuf_mtod_offset(s, const void *, off), n);
		/* RFC 1071 2 (B): at an odd offset the bytes change places. */
		sum += (done & 1) ? rte_bswap16(part) : part;
		done += n;
		off = 0;
	}
	while (sum > UINT16_MAX)
		sum = (sum & UINT16_MAX) + (sum >> 16);
	return (uint16_t)sum;
}

/* Of a part of a buffer, which may point into another one. */
static uint16_t
piece_sum(const struct rte_mbuf *s, uint32_t off, uint32_t len)
{
	struct rte_mbuf *whose;

	if (!RTE_MBUF_CLONED(s))
		return pw_sum(rte_pktmbuf_mtod_offset(s, const void *, off), len);
	whose = rte_mbuf_from_indirect((struct rte_mbuf *)(uintptr_t)s);
	return pw_sumnote_sum(whose, (uint16_t)(s->data_off + off), (uint16_t)len);
}

uint16_t
wire_chain_sum_out(const struct rte_mbuf *m, uint32_t off)
{
	uint32_t sum = 0, done = 0;

	for (const struct rte_mbuf *s = m; s != NULL; s = s->next) {
		uint32_t n = s->data_len;
		uint16_t part;

		if (off >= n) {
			off -= n;
			continue;
		}
		part = piece_sum(s, off, n - off);
		sum += (done & 1) ? rte_bswap16(part) : part;
		done += n - off;
		off = 0;
	}
	return pw_sum_fold(sum);
}
