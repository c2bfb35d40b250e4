/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Frames to send are gathered per interface and leave in bursts. A worker without a TX queue on a
 * port lends its frames to one that has.
 */
#include <errno.h>

#include <pubwire/base/stage.h>

#include "worker_pvt.h"

#define TX_TRIES	 8
#define CLEANUP_INTERVAL UINT64_C(10000000) /* ns */
#define CLEANUPS	 2		    /* at the first, frames may still be on their way out */

#define TX_OFFLOADS	 (PW_PORT_TX_IP_CKSUM | PW_PORT_TX_TCP_CKSUM | PW_PORT_TX_TSO | PW_PORT_TX_VLAN)

/* Drops what the driver's checks refuse; returns how many frames are left. */
static uint16_t
prepare(struct worker *w, const struct pw_port *port, struct rte_mbuf **m, uint16_t n)
{
	uint16_t good = 0;

	if ((port->caps & TX_OFFLOADS) == 0)
		return n;
	while (good < n) {
		good += rte_eth_tx_prepare(port->id, (uint16_t)w->index, m + good, n - good);
		if (good == n)
			break;
		rte_pktmbuf_free(m[good]);
		count_add(&w->count.drop_tx_refused, 1);
		n--;
		for (uint16_t i = good; i < n; i++)
			m[i] = m[i + 1];
	}
	return n;
}

static void
send_own(struct worker *w, const struct pw_port *port, struct tx_buf *b)
{
	uint16_t n = prepare(w, port, b->m, b->n), sent = 0;

	for (uint32_t tries = 0; sent < n && tries < TX_TRIES; tries++)
		sent += rte_eth_tx_burst(port->id, (uint16_t)w->index, b->m + sent, n - sent);
	count_add(&w->count.tx_frames, sent);
	if (sent < n) {
		count_add(&w->count.drop_tx_full, n - sent);
		for (uint16_t i = sent; i < n; i++)
			rte_pktmbuf_free(b->m[i]);
	}
}

static void
lend(struct worker *w, uint32_t iface, struct tx_buf *b)
{
	uint32_t to = w->index % w->fleet->port[iface]->nb_txq;
	struct frame_msg msg[WORKER_BURST];
	uint32_t n;

	for (uint32_t i = 0; i < b->n; i++)
		msg[i] = (struct frame_msg){
			.m = b->m[i],
			.iface = (uint16_t)iface,
			.kind = FRAME_TO_SEND,
		};
	n = pw_ring_put(&lane_of(w->fleet, w->index, to)->frames, msg, b->n);
	w->told |= UINT64_C(1) << to;
	count_add(&w->count.tx_lent, n);
	if (n < b->n) {
		count_add(&w->count.drop_steer_full, b->n - n);
		for (uint32_t i = n; i < b->n; i++)
			rte_pktmbuf_free(b->m[i]);
	}
}

static void
flush_iface(struct worker *w, uint32_t iface)
{
	const struct pw_port *port = w->fleet->port[iface];
	struct tx_buf *b = &w->tx[iface];
	uint32_t was;

	if (b->n == 0)
		return;
	was = pw_stage_enter(PW_STAGE_TX_BURST);
	if (w->index < port->nb_txq)
		send_own(w, port, b);
	else
		lend(w, iface, b);
	pw_stage_leave(was);
	b->n = 0;
	w->unclean = CLEANUPS;
}

void
worker_tx(struct worker *w, uint32_t iface, struct rte_mbuf *m)
{
	struct tx_buf *b = &w->tx[iface];

	if (b->n == WORKER_BURST)
		flush_iface(w, iface);
	b->m[b->n++] = m;
}

void
worker_tx_flush(struct worker *w)
{
	for (uint32_t i = 0; i < w->fleet->nb_ifaces; i++)
		flush_iface(w, i);
}

/* A queue that sends nothing would keep the buffers of its last burst for ever. */
void
worker_tx_cleanup(struct worker *w, uint64_t now)
{
	if (now < w->cleanup_due)
		return;
	w->cleanup_due = now + CLEANUP_INTERVAL;
	worker_kernel_cleanup(w);
	w->unclean -= w->unclean > 0;
	for (uint32_t i = 0; i < w->fleet->nb_ifaces; i++) {
		const struct pw_port *port = w->fleet->port[i];

		if (w->index < port->nb_txq && !port->no_tx_cleanup &&
		    rte_eth_tx_done_cleanup(port->id, (uint16_t)w->index, 0) == -ENOTSUP)
			(void)rte_eth_tx_burst(port->id, (uint16_t)w->index, NULL, 0);
	}
}
