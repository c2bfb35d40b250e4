/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Frames that wait for a neighbour to be known. Anybody on a link can have us send to addresses
 * that nobody has (a connection request from each of them does it), so what waits is bounded in
 * all, not for each neighbour alone, and the oldest gives way: who exists answers within a moment.
 * Answers, which others cause, and frames of our own have half of the room each.
 */
#include <errno.h>
#include <netinet/in.h>

#include <rte_malloc.h>
#include <rte_tcp.h>

#include "wire_pvt.h"

#define DEFAULT_QUEUE 64

static struct hold_node *
node_at(struct hold *h, uint32_t i)
{
	return &h->node[i];
}

/* All but segments of connections, and of those the ones that begin or refuse one from afar. */
static enum hold_kind
kind_of(const struct rte_mbuf *m)
{
	const uint8_t *ip = rte_pktmbuf_mtod(m, const uint8_t *);
	const struct rte_tcp_hdr *tcp = (const struct rte_tcp_hdr *)(ip + m->l3_len);
	const uint8_t syn_ack = RTE_TCP_SYN_FLAG | RTE_TCP_ACK_FLAG;
	uint8_t proto = ip[0] >> 4 == 4 ? ip[offsetof(struct rte_ipv4_hdr, next_proto_id)]
					: ip[offsetof(struct rte_ipv6_hdr, proto)];

	if (proto != IPPROTO_TCP || (tcp->tcp_flags & RTE_TCP_RST_FLAG) ||
	    (tcp->tcp_flags & syn_ack) == syn_ack)
		return HOLD_ANSWERS;
	return HOLD_OURS;
}

/* Take a neighbour's oldest frame of a kind, which it has. */
static struct rte_mbuf *
take(struct hold *h, struct neigh *e, enum hold_kind kind)
{
	struct hold_queue *q = &e->held[kind];
	struct hold_line *line = &h->line[kind];
	uint32_t i = q->head;
	struct hold_node *n = node_at(h, i);

	q->head = n->next;
	q->count--;
	if (n->older == NEIGH_NONE)
		line->oldest = n->newer;
	else
		node_at(h, n->older)->newer = n->newer;
	if (n->newer == NEIGH_NONE)
		line->newest = n->older;
	else
		node_at(h, n->newer)->older = n->older;
	line->count--;
	n->next = h->free;
	h->free = i;
	return n->m;
}

struct rte_mbuf *
wire_hold_take(struct hold *h, struct neigh *e)
{
	for (uint32_t kind = 0; kind < HOLD_KINDS; kind++) {
		if (e->held[kind].count != 0)
			return take(h, e, kind);
	}
	return NULL;
}

uint32_t
wire_hold_drop(struct hold *h, struct neigh *e)
{
	struct rte_mbuf *m;
	uint32_t n = 0;

	for (; (m = wire_hold_take(h, e)) != NULL; n++)
		rte_pktmbuf_free(m);
	return n;
}

int
wire_hold_put(struct hold *h, struct neigh_table *t, struct neigh *e, struct rte_mbuf *m,
	      uint64_t *drops)
{
	enum hold_kind kind = kind_of(m);
	struct hold_queue *q = &e->held[kind];
	struct hold_line *line = &h->line[kind];
	struct hold_node *n;
	uint32_t i;

	if (q->count == h->queue_max) {
		(*drops)++;
		rte_pktmbuf_free(m);
		return -ENOBUFS;
	}
	if (line->count == h->line_max) {
		/* Of all frames the oldest: of its neighbour, too. */
		(*drops)++;
		rte_pktmbuf_free(take(h, &t->entry[node_at(h, line->oldest)->neigh], kind));
	}
	i = h->free;
	n = node_at(h, i);
	h->free = n->next;
	*n = (struct hold_node){.m = m,
				.next = NEIGH_NONE,
				.older = line->newest,
				.newer = NEIGH_NONE,
				.neigh = e - t->entry};
	if (q->count++ == 0)
		q->head = i;
	else
		node_at(h, q->tail)->next = i;
	q->tail = i;
	if (line->count++ == 0)
		line->oldest = i;
	else
		node_at(h, line->newest)->newer = i;
	line->newest = i;
	return 0;
}

/* Half of what is held in all, at least one. */
static uint32_t
line_max(uint32_t total)
{
	return RTE_MAX(total / HOLD_KINDS, 1u);
}

size_t
wire_hold_bytes(uint32_t total)
{
	return (size_t)line_max(total) * HOLD_KINDS * sizeof(struct hold_node);
}

int
wire_hold_init(struct hold *h, const struct pw_wire_conf *conf)
{
	uint32_t total = conf->hold_total;
	uint32_t nodes;

	if (total == 0)
		total = pw_wire_hold_share(conf->mem->hdr->size, 1);
	h->queue_max = conf->hold_queue != 0 ? conf->hold_queue : DEFAULT_QUEUE;
	h->line_max = line_max(total);
	for (uint32_t kind = 0; kind < HOLD_KINDS; kind++)
		h->line[kind] = (struct hold_line){NEIGH_NONE, NEIGH_NONE, 0};
	h->node = rte_zmalloc_socket(conf->name, wire_hold_bytes(total), RTE_CACHE_LINE_SIZE,
				     conf->socket);
	if (h->node == NULL)
		return -ENOMEM;
	nodes = h->line_max * HOLD_KINDS;
	for (uint32_t i = 0; i < nodes; i++)
		h->node[i].next = i + 1 < nodes ? i + 1 : NEIGH_NONE;
	h->free = 0;
	return 0;
}

void
wire_hold_fini(struct hold *h)
{
	for (uint32_t kind = 0; h->node != NULL && kind < HOLD_KINDS; kind++) {
		for (uint32_t i = h->line[kind].oldest; i != NEIGH_NONE; i = h->node[i].newer)
			rte_pktmbuf_free(h->node[i].m);
	}
	rte_free(h->node);
}
