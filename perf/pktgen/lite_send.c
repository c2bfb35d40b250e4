/* SPDX-License-Identifier: BSD-3-Clause */
/* Sending: what is queued leaves as the peer's window takes it, and again where it is lost. */
#include <errno.h>

#include "lite_pvt.h"

#define PARTS 64

/* A frame of what is kept; NULL where there is no buffer, or the driver has not sent the last. */
static struct rte_mbuf *
frame_of(struct lite *l, struct conn *c, const struct kept *k)
{
	const bool fin = k->flags & RTE_TCP_FIN_FLAG;
	struct rte_mbuf *m = k->m;

	if (m == NULL) {
		m = lite_frame_new(l);
		if (m != NULL && !fin)
			l->conf.ops->again(l->conf.ctx, lite_number(l, c), &k->note,
					   rte_pktmbuf_mtod_offset(m, uint8_t *, LITE_HEAD),
					   k->len);
	} else if (rte_mbuf_refcnt_read(m) > 1) {
		return NULL;
	} else {
		rte_mbuf_refcnt_update(m, 1); /* which the driver takes */
	}
	if (m != NULL)
		lite_frame_put(l, c, m, k->seq, fin ? 0 : k->len, k->flags);
	return m;
}

void
lite_transmit(struct lite *l, struct conn *c)
{
	const struct store *s = &l->store;
	uint32_t i = c->first;

	if (c->nxt == c->end)
		return;
	while (i != 0 && lite_before(s->at[i].seq, c->nxt))
		i = s->at[i].next;
	if (c->nxt == c->una)
		c->retry = l->ms + LITE_RTO_MS;
	for (; i != 0; i = s->at[i].next) {
		const struct kept *k = &s->at[i];
		struct rte_mbuf *m;

		if (lite_before(c->una + c->wnd, k->seq + k->len))
			return;
		m = frame_of(l, c, k);
		if (m == NULL)
			return;
		(void)net_send(l->conf.net, m);
		c->nxt = k->seq + k->len;
	}
}

void
lite_retransmit(struct lite *l, struct conn *c)
{
	struct rte_mbuf *m;

	if (c->first == 0 || c->nxt == c->una)
		return;
	m = frame_of(l, c, &l->store.at[c->first]);
	if (m == NULL)
		return;
	(void)net_send(l->conf.net, m);
	l->n.retransmits++;
}

void
lite_prefetch(const struct lite *l, uint32_t i)
{
	rte_prefetch0(&l->conn[i]);
}

uint8_t *
lite_begin(struct lite *l, uint32_t i, uint32_t len)
{
	struct conn *c = &l->conn[i];

	if (c->state != LITE_UP || (c->flags & F_FIN) || len > l->mss ||
	    !lite_kept_room(l, 1, false))
		return NULL;
	if (l->building == NULL)
		l->building = lite_frame_new(l);
	return l->building == NULL ? NULL
				   : rte_pktmbuf_mtod_offset(l->building, uint8_t *, LITE_HEAD);
}

void
lite_commit(struct lite *l, uint32_t i, uint32_t len, const struct lite_note *note)
{
	struct conn *c = &l->conn[i];
	uint32_t seq = c->end;

	lite_kept_add(l, c, NULL, len, RTE_TCP_PSH_FLAG)->note = *note;
	/* Where something waits before it, or the window is shut, it is written when its turn
	 * comes. */
	if (c->nxt != seq || lite_before(c->una + c->wnd, c->end)) {
		lite_transmit(l, c);
		return;
	}
	if (c->nxt == c->una)
		c->retry = l->ms + LITE_RTO_MS;
	lite_frame_put(l, c, l->building, seq, len, RTE_TCP_PSH_FLAG);
	(void)net_send(l->conf.net, l->building);
	l->building = NULL;
	c->nxt = c->end;
}

int
lite_send(struct lite *l, uint32_t i, const void *data, uint32_t len)
{
	uint32_t parts = (len + l->mss - 1) / l->mss;
	struct conn *c = &l->conn[i];
	struct rte_mbuf *m[PARTS];
	const uint8_t *from = data;

	if (c->state != LITE_UP || (c->flags & F_FIN))
		return -EPIPE;
	if (parts > PARTS || !lite_kept_room(l, parts, true))
		return -ENOBUFS;
	if (rte_pktmbuf_alloc_bulk(l->conf.net->mem->pkt, m, parts) != 0) {
		l->n.drop_no_buffer++;
		return -ENOBUFS;
	}
	for (uint32_t k = 0; k < parts; k++) {
		uint32_t here = RTE_MIN(len, l->mss);

		memcpy(rte_pktmbuf_mtod_offset(m[k], uint8_t *, LITE_HEAD), from, here);
		(void)lite_kept_add(l, c, m[k], here, k + 1 == parts ? RTE_TCP_PSH_FLAG : 0);
		from += here;
		len -= here;
	}
	lite_transmit(l, c);
	return 0;
}
