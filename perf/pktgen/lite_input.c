/* SPDX-License-Identifier: BSD-3-Clause */
/* Segments that arrive. */
#include "lite_pvt.h"

#define DELACK_MS 40u

struct seg {
	uint32_t seq, ack, len, wnd;
	uint32_t ts_val;
	uint16_t headers;
	uint16_t mss;
	uint8_t flags, scale;
};

static void
options(struct seg *s, const uint8_t *p, const uint8_t *end)
{
	if (end - p >= 12 && lite_get32(p) == LITE_TS_HEAD) {
		s->ts_val = lite_get32(p + 4);
		return;
	}
	while (p < end && *p != 0) {
		if (*p == 1) {
			p++;
			continue;
		}
		if (end - p < 2 || p[1] < 2 || p[1] > end - p)
			return;
		if (p[0] == 2 && p[1] == 4)
			s->mss = lite_get16(p + 2);
		else if (p[0] == 3 && p[1] == 3)
			s->scale = RTE_MIN(p[2], 14); /* RFC 7323 2.3 */
		else if (p[0] == 8 && p[1] == 10)
			s->ts_val = lite_get32(p + 2);
		p += p[1];
	}
}

static bool
parse(struct seg *s, struct rte_mbuf *m)
{
	uint32_t l4 = (uint32_t)m->l2_len + m->l3_len, head;
	const uint8_t *p = rte_pktmbuf_mtod_offset(m, const uint8_t *, l4);

	head = (uint32_t)(p[12] >> 4) * 4;
	if (head < 20 || l4 + head > m->data_len)
		return false;
	*s = (struct seg){.seq = lite_get32(p + 4),
			  .ack = lite_get32(p + 8),
			  .flags = p[13],
			  .wnd = lite_get16(p + 14),
			  .headers = (uint16_t)(l4 + head),
			  .len = m->pkt_len - l4 - head};
	options(s, p + 20, p + head);
	return true;
}

static struct conn *
find(const struct lite *l, struct rte_mbuf *m)
{
	const uint8_t *p = rte_pktmbuf_mtod(m, const uint8_t *);
	uint32_t addr = lite_get32(p + m->l2_len + 16) - l->conf.net->range.first;
	uint16_t port = lite_get16(p + m->l2_len + m->l3_len + 2);
	uint64_t i;

	if (addr >= l->addrs || port < l->conf.first_port)
		return NULL;
	i = (uint64_t)((uint32_t)(port - l->conf.first_port) % l->each) * l->addrs + addr;
	return i < l->conf.n ? &l->conn[i] : NULL;
}

/* RFC 9293 3.10.7.3, for those that may come: SYN|ACK or RST. */
static void
syn_sent(struct lite *l, struct conn *c, const struct seg *s, uint64_t now)
{
	if (!(s->flags & RTE_TCP_ACK_FLAG) || s->ack != c->una + 1) {
		l->n.drop_ack++;
		return;
	}
	if (s->flags & RTE_TCP_RST_FLAG) {
		l->n.resets_in++;
		lite_gone(l, c, now);
		return;
	}
	if (!(s->flags & RTE_TCP_SYN_FLAG))
		return;
	if (s->mss >= 64)
		l->mss = RTE_MIN(l->mss, s->mss - 12u);
	c->state = LITE_UP;
	c->una = s->ack;
	c->rcv_nxt = s->seq + 1;
	c->wnd = s->wnd;
	c->scale = s->scale;
	c->ts_recent = s->ts_val;
	c->tries = 0;
	c->flags |= F_ACK;
	l->n.established++;
	l->conf.ops->connected(l->conf.ctx, lite_number(l, c), now);
	if (c->state == LITE_UP && (c->flags & F_ACK))
		lite_send_bare(l, c, c->nxt, 0);
}

static void
acked(struct lite *l, struct conn *c, const struct seg *s)
{
	uint32_t wnd = s->wnd << c->scale;

	if (lite_before(c->nxt, s->ack) || lite_before(s->ack, c->una)) {
		l->n.drop_ack++;
		return;
	}
	if (s->ack == c->una) {
		if (c->nxt == c->una)
			c->tries = 0; /* RFC 9293 3.8.6.1: a shut window that is told of */
		else if (s->len == 0 && wnd == c->wnd && ++c->dups == 3)
			lite_retransmit(l, c);
	} else {
		c->una = s->ack;
		c->dups = 0;
		c->tries = 0;
		c->retry = l->ms + LITE_RTO_MS;
		lite_kept_acked(l, c, s->ack);
	}
	c->wnd = wnd;
	lite_transmit(l, c);
}

/* An acknowledgement within 40 ms, or of the second segment at once (RFC 9293 3.8.6.3). */
static void
ack_later(struct lite *l, struct conn *c)
{
	if (c->flags & F_ACK) {
		lite_send_bare(l, c, c->nxt, 0);
		return;
	}
	c->flags |= F_ACK;
	if (c->flags & F_LISTED)
		return;
	c->flags |= F_LISTED;
	l->due[l->due_tail++ & l->due_mask] = (struct due){lite_number(l, c), l->ms + DELACK_MS};
}

/* A packet without its first bytes, which are not all; buffers that had nothing else go. */
static struct rte_mbuf *
without(struct rte_mbuf *m, uint32_t n)
{
	while (n >= m->data_len) {
		struct rte_mbuf *next = m->next;

		n -= m->data_len;
		next->pkt_len = m->pkt_len - m->data_len;
		next->nb_segs = (uint16_t)(m->nb_segs - 1);
		rte_pktmbuf_free_seg(m);
		m = next;
	}
	(void)rte_pktmbuf_adj(m, (uint16_t)n);
	return m;
}

/* True where the buffer was kept. */
static bool
take_bytes(struct lite *l, struct conn *c, const struct seg *s, struct rte_mbuf *m)
{
	uint32_t known = c->rcv_nxt - s->seq;

	if (lite_before(c->rcv_nxt, s->seq) || known > s->len ||
	    (known == s->len && !(s->flags & RTE_TCP_FIN_FLAG)) || (c->flags & F_EOF)) {
		l->n.drop_seq++;
		lite_send_bare(l, c, c->nxt, 0);
		return false;
	}
	c->ts_recent = s->ts_val;
	c->rcv_nxt += s->len - known;
	l->n.bytes_in += s->len - known;
	if (s->flags & RTE_TCP_FIN_FLAG) {
		c->rcv_nxt++;
		c->flags |= F_EOF;
	}
	if (known == s->len)
		return false;
	m = without(m, s->headers + known);
	if (c->rx == NULL)
		c->rx = m;
	else if (rte_pktmbuf_chain(c->rx, m) < 0)
		RTE_VERIFY(false); /* its window is 64 KiB, a chain has 65535 buffers */
	return true;
}

static bool
over(const struct conn *c)
{
	return (c->flags & (F_FIN | F_EOF)) == (F_FIN | F_EOF) && c->una == c->end;
}

/* A segment of an open connection; true where the buffer was kept. */
static bool
arrives(struct lite *l, struct conn *c, const struct seg *s, struct rte_mbuf *m, uint64_t now)
{
	bool mine = false;

	if (s->flags & RTE_TCP_RST_FLAG) {
		if (s->seq != c->rcv_nxt) {
			l->n.drop_seq++;
			return false;
		}
		l->n.resets_in++;
		lite_gone(l, c, now);
		return false;
	}
	if (s->flags & RTE_TCP_ACK_FLAG)
		acked(l, c, s);
	if (s->len > 0 || (s->flags & (RTE_TCP_FIN_FLAG | RTE_TCP_SYN_FLAG))) {
		uint32_t nxt = c->rcv_nxt;

		mine = take_bytes(l, c, s, m);
		if (c->rcv_nxt != nxt) {
			ack_later(l, c);
			l->conf.ops->readable(l->conf.ctx, lite_number(l, c), now);
		}
	}
	if (c->state == LITE_UP && over(c)) {
		if (c->flags & F_ACK)
			lite_send_bare(l, c, c->nxt, 0);
		lite_gone(l, c, now);
	}
	return mine;
}

void
lite_input(struct lite *l, struct rte_mbuf **m, uint32_t n, uint64_t now)
{
	struct conn *c[NET_BURST];

	l->ms = (uint32_t)(now / CLOCK_MS);
	l->n.segs_in += n;
	for (uint32_t i = 0; i < n; i++) {
		c[i] = find(l, m[i]);
		if (c[i] != NULL)
			rte_prefetch0(c[i]);
	}
	for (uint32_t i = 0; i < n; i++) {
		struct seg s;
		bool mine = false;

		if (!parse(&s, m[i]))
			l->n.drop_header++;
		else if (c[i] == NULL || c[i]->state == LITE_CLOSED ||
			 c[i]->port !=
				 lite_get16(rte_pktmbuf_mtod_offset(
					 m[i], const uint8_t *, m[i]->l2_len + m[i]->l3_len + 2)))
			l->n.drop_no_conn++;
		else if (c[i]->state == LITE_SYN_SENT)
			syn_sent(l, c[i], &s, now);
		else
			mine = arrives(l, c[i], &s, m[i], now);
		if (!mine)
			rte_pktmbuf_free(m[i]);
	}
}
