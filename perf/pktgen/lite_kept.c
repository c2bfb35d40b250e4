/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What is not acknowledged, for each connection in a list. Hundreds of thousands of segments are,
 * where so many devices speak in turn: a peer may wait with an acknowledgement for tens of
 * milliseconds. So a segment keeps no buffer if the application can write it again, but what it has
 * to be told for that; and what buffers are kept (of CONNECT, of answers) leave as many for others.
 */
#include <errno.h>

#include <rte_malloc.h>

#include "lite_pvt.h"

#define BESIDE 65536 /* segments, besides one for each connection */

int
lite_kept_init(struct lite *l)
{
	struct store *s = &l->store;
	uint32_t n = l->conf.n + BESIDE;

	s->at = rte_zmalloc("lite kept", sizeof(*s->at) * ((size_t)n + 1), 64);
	s->free = rte_zmalloc("lite free", sizeof(*s->free) * (size_t)n, 64);
	if (s->at == NULL || s->free == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < n; i++)
		s->free[i] = n - i;
	s->nb_free = n;
	s->max_bytes = l->conf.net->mem->pkt->size / 2;
	return 0;
}

void
lite_kept_fini(struct lite *l)
{
	rte_free(l->store.at);
	rte_free(l->store.free);
}

bool
lite_kept_room(struct lite *l, uint32_t n, bool bytes)
{
	const struct store *s = &l->store;

	if (s->nb_free >= n && (!bytes || s->nb_bytes + n <= s->max_bytes))
		return true;
	l->n.kept_full++;
	return false;
}

struct kept *
lite_kept_add(struct lite *l, struct conn *c, struct rte_mbuf *m, uint32_t len, uint8_t flags)
{
	struct store *s = &l->store;
	uint32_t i = s->free[--s->nb_free];
	struct kept *k = &s->at[i];

	if (s->nb_free > 0)
		rte_prefetch0(&s->at[s->free[s->nb_free - 1]]);
	k->m = m;
	k->next = 0;
	k->seq = c->end;
	k->len = (uint16_t)len;
	k->flags = flags;
	if (c->first == 0)
		c->first = i;
	else
		s->at[c->last].next = i;
	c->last = i;
	c->end += len;
	if (m != NULL) {
		s->nb_bytes++;
		c->flags |= F_BYTES;
	}
	return k;
}

static void
drop_first(struct store *s, struct conn *c)
{
	struct kept *k = &s->at[c->first];

	s->free[s->nb_free++] = c->first;
	c->first = k->next;
	if (k->m != NULL) {
		s->nb_bytes--;
		rte_pktmbuf_free(k->m);
	}
}

void
lite_kept_acked(struct lite *l, struct conn *c, uint32_t ack)
{
	struct store *s = &l->store;

	/* Most often it is one and all: it need not be brought into the cache to be forgotten. */
	if (ack == c->end && c->first == c->last && !(c->flags & F_BYTES)) {
		if (c->first != 0)
			s->free[s->nb_free++] = c->first;
		c->first = c->last = 0;
		return;
	}
	while (c->first != 0) {
		const struct kept *k = &s->at[c->first];

		if (lite_before(ack, k->seq + k->len))
			return;
		drop_first(s, c);
	}
	c->last = 0;
	c->flags &= (uint8_t)~F_BYTES;
}

void
lite_kept_drop(struct lite *l, struct conn *c)
{
	while (c->first != 0)
		drop_first(&l->store, c);
	c->last = 0;
	c->flags &= (uint8_t)~F_BYTES;
}
