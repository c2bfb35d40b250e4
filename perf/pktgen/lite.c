/* SPDX-License-Identifier: BSD-3-Clause */
/* Life of a connection, what is read from it, and what is known of all. */
#include <errno.h>

#include <rte_errno.h>
#include <rte_malloc.h>

#include "lite_pvt.h"

PW_COUNTER_DESCRIBE(lite_counters, LITE_COUNTERS);

int
lite_connect(struct lite *l, uint32_t i, uint32_t addr, uint16_t port, uint64_t now)
{
	struct conn *c = &l->conn[i];
	uint8_t listed = c->flags & F_LISTED;
	/* Numbers that grow with time, as RFC 9293 3.4.1 has them. */
	uint32_t isn = (uint32_t)(now >> 2) + i * 2654435761u;

	*c = (struct conn){.addr = addr,
			   .port = port,
			   .state = LITE_SYN_SENT,
			   .flags = listed,
			   .una = isn,
			   .nxt = isn + 1,
			   .end = isn + 1};
	l->ms = (uint32_t)(now / CLOCK_MS);
	l->nb++;
	l->n.active_opens++;
	lite_send_syn(l, c);
	return 0;
}

void
lite_release(struct lite *l, struct conn *c)
{
	lite_kept_drop(l, c);
	rte_pktmbuf_free(c->rx);
	c->rx = NULL;
	c->flags &= F_LISTED;
	c->state = LITE_CLOSED;
	l->nb--;
}

void
lite_gone(struct lite *l, struct conn *c, uint64_t now)
{
	lite_release(l, c);
	l->conf.ops->gone(l->conf.ctx, lite_number(l, c), now);
}

void
lite_close(struct lite *l, uint32_t i, uint64_t now)
{
	struct conn *c = &l->conn[i];

	if (c->state == LITE_CLOSED || (c->flags & F_FIN))
		return;
	if (c->state != LITE_UP || !lite_kept_room(l, 1, false)) {
		lite_abort(l, i);
		l->conf.ops->gone(l->conf.ctx, i, now);
		return;
	}
	c->flags |= F_FIN;
	(void)lite_kept_add(l, c, NULL, 1, RTE_TCP_FIN_FLAG);
	lite_transmit(l, c);
}

void
lite_abort(struct lite *l, uint32_t i)
{
	struct conn *c = &l->conn[i];

	if (c->state == LITE_CLOSED)
		return;
	if (c->state == LITE_UP) {
		lite_send_bare(l, c, c->nxt, RTE_TCP_RST_FLAG);
		l->n.resets_out++;
	}
	lite_release(l, c);
}

struct rte_mbuf *
lite_rx(const struct lite *l, uint32_t i)
{
	return l->conn[i].rx;
}

void
lite_consume(struct lite *l, uint32_t i, uint32_t n)
{
	struct conn *c = &l->conn[i];

	while (c->rx != NULL && n >= c->rx->data_len) {
		struct rte_mbuf *m = c->rx;

		n -= m->data_len;
		c->rx = m->next;
		if (c->rx != NULL) {
			c->rx->pkt_len = m->pkt_len - m->data_len;
			c->rx->nb_segs = (uint16_t)(m->nb_segs - 1);
		}
		rte_pktmbuf_free_seg(m);
	}
	if (n > 0)
		(void)rte_pktmbuf_adj(c->rx, (uint16_t)n);
}

bool
lite_eof(const struct lite *l, uint32_t i)
{
	return l->conn[i].flags & F_EOF;
}

uint32_t
lite_unacked(const struct lite *l, uint32_t i)
{
	return l->conn[i].end - l->conn[i].una;
}

uint32_t
lite_mss(const struct lite *l)
{
	return l->mss;
}

uint32_t
lite_each(const struct lite *l)
{
	return l->each;
}

uint32_t
lite_conns(const struct lite *l)
{
	return l->nb;
}

const struct lite_counters *
lite_counters(const struct lite *l)
{
	return &l->n;
}

struct lite *
lite_create(const struct lite_conf *conf, uint64_t now)
{
	struct lite *l = rte_zmalloc("lite", sizeof(*l), 64);

	if (l == NULL)
		return NULL;
	l->conf = *conf;
	l->ms = (uint32_t)(now / CLOCK_MS);
	l->addrs = net_range_size(&conf->net->range);
	l->each = (conf->n + l->addrs - 1) / l->addrs;
	l->mss = conf->net->port.mtu - 52u;
	l->due_mask = rte_align32pow2(conf->n) - 1;
	l->conn = rte_zmalloc("lite conns", sizeof(struct conn) * (size_t)conf->n, 64);
	l->due = rte_zmalloc("lite due", sizeof(struct due) * ((size_t)l->due_mask + 1), 64);
	if (l->conn == NULL || l->due == NULL || lite_kept_init(l) < 0) {
		lite_destroy(l);
		rte_errno = ENOMEM;
		return NULL;
	}
	lite_frame_init(l);
	return l;
}

void
lite_destroy(struct lite *l)
{
	if (l == NULL)
		return;
	for (uint32_t i = 0; l->conn != NULL && i < l->conf.n; i++) {
		if (l->conn[i].state != LITE_CLOSED)
			lite_release(l, &l->conn[i]);
	}
	rte_pktmbuf_free(l->building);
	lite_kept_fini(l);
	rte_free(l->conn);
	rte_free(l->due);
	rte_free(l);
}
