/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The way of frames that are not ours to the kernel's interface beside a port, and of the kernel's
 * frames out of the port. One worker, the owner of queue 0 of every port, talks to the kernel: each
 * frame costs it a system call where the driver is a TAP. The others hand it theirs through the
 * rings. Every worker bounds what it hands over, and the owner what all of them do together, so
 * that a flood of what is not ours costs no more than the configured rate does.
 */
#include <errno.h>

#include "worker_pvt.h"

#define OWNER	      0
#define POLL_INTERVAL UINT64_C(20000) /* ns: an empty look costs little, but not nothing */

void
worker_kernel_init(struct worker *w)
{
	for (uint32_t i = 0; i < w->fleet->nb_ifaces; i++) {
		uint32_t rate = w->fleet->kernel[i].rate;
		const struct pw_bucket full = {.tokens = rate, .rate = rate};

		w->to_kernel[i] = full;
		if (w->index == OWNER) {
			w->to_kernel_all[i] = full;
			w->from_kernel[i] = full;
		}
	}
}

static void
drop(struct rte_mbuf *m, uint64_t *counter)
{
	rte_pktmbuf_free(m);
	count_add(counter, 1);
}

/* The kernel's interface has no tag. Takes m; NULL where no buffer was left for a copy. */
static struct rte_mbuf *
untag(struct worker *w, struct rte_mbuf *m)
{
	const struct rte_ether_hdr *eth = rte_pktmbuf_mtod(m, const struct rte_ether_hdr *);

	if (m->data_len >= sizeof(*eth) + sizeof(struct rte_vlan_hdr) &&
	    eth->ether_type == rte_cpu_to_be_16(RTE_ETHER_TYPE_VLAN)) {
		if (!RTE_MBUF_DIRECT(m) || rte_mbuf_refcnt_read(m) > 1) {
			struct rte_mbuf *copy =
				rte_pktmbuf_copy(m, w->fleet->mem->pkt, 0, UINT32_MAX);

			rte_pktmbuf_free(m);
			if (copy == NULL)
				return NULL;
			m = copy;
		}
		(void)rte_vlan_strip(m);
	}
	m->ol_flags &= RTE_MBUF_F_INDIRECT | RTE_MBUF_F_EXTERNAL;
	m->tx_offload = 0;
	return m;
}

/* The owner's: what is on its way to one interface leaves with the turn. */
static void
queue(struct worker *w, uint32_t iface, struct rte_mbuf *m)
{
	struct tx_buf *b = &w->kernel_tx[iface];

	if (b->n == WORKER_BURST)
		worker_kernel_flush(w);
	b->m[b->n++] = m;
}

void
worker_kernel_from_other(struct worker *w, uint32_t iface, struct rte_mbuf *m, uint64_t now)
{
	if (pw_bucket_take(&w->to_kernel_all[iface], 1, now) == 0)
		drop(m, &w->count.drop_kernel_rate);
	else
		queue(w, iface, m);
}

bool
worker_kernel_fits(const struct pw_fleet *f, uint32_t iface, const struct rte_mbuf *m)
{
	return m->pkt_len <=
	       f->kernel[iface].port->mtu + (uint32_t)(RTE_ETHER_HDR_LEN + RTE_VLAN_HLEN);
}

void
worker_to_kernel(struct worker *w, uint32_t iface, struct rte_mbuf *m, uint64_t now)
{
	struct message msg = {.kind = MESSAGE_KERNEL, .iface = iface};

	if (pw_bucket_take(&w->to_kernel[iface], 1, now) == 0) {
		drop(m, &w->count.drop_kernel_rate);
		return;
	}
	if (!worker_kernel_fits(w->fleet, iface, m)) {
		drop(m, &w->count.drop_kernel_refused);
		return;
	}
	m = untag(w, m);
	if (m == NULL) {
		count_add(&w->count.drop_kernel_refused, 1);
		return;
	}
	msg.packet = m;
	if (w->index == OWNER)
		worker_kernel_from_other(w, iface, m, now);
	else if (worker_post(w, OWNER, &msg) < 0)
		drop(m, &w->count.drop_kernel_ring);
}

void
worker_kernel_flush(struct worker *w)
{
	const struct pw_fleet *f = w->fleet;

	for (uint32_t i = 0; i < f->nb_ifaces; i++) {
		struct tx_buf *b = &w->kernel_tx[i];
		uint16_t sent = 0;

		if (b->n == 0)
			continue;
		/* Pairs with the release in pw_fleet_kernel_gone(). */
		if (!__atomic_load_n(&f->kernel[i].gone, __ATOMIC_ACQUIRE))
			sent = rte_eth_tx_burst(f->kernel[i].port->id, 0, b->m, b->n);
		count_add(&w->count.to_kernel, sent);
		if (sent < b->n) {
			count_add(&w->count.drop_kernel_refused, b->n - sent);
			rte_pktmbuf_free_bulk(b->m + sent, b->n - sent);
		}
		b->n = 0;
	}
}

/* A frame of the kernel, out of the port as it is, but for the port's tag. */
static void
leave(struct worker *w, uint32_t iface, struct rte_mbuf *m)
{
	const struct pw_port *port = w->fleet->port[iface];

	m->ol_flags &= RTE_MBUF_F_INDIRECT | RTE_MBUF_F_EXTERNAL;
	m->tx_offload = 0;
	m->vlan_tci = port->vlan;
	if (port->vlan != 0 && (port->caps & PW_PORT_TX_VLAN)) {
		m->ol_flags |= RTE_MBUF_F_TX_VLAN;
	} else if (port->vlan != 0 && rte_vlan_insert(&m) < 0) {
		drop(m, &w->count.drop_tx_refused);
		return;
	}
	if (m->nb_segs > port->max_segs) {
		drop(m, &w->count.drop_tx_refused);
		return;
	}
	worker_tx(w, iface, m);
	count_add(&w->count.from_kernel, 1);
}

static uint32_t
poll_one(struct worker *w, uint32_t iface, uint64_t now)
{
	const struct kernel_side *k = &w->fleet->kernel[iface];
	struct rte_mbuf *frames[WORKER_BURST];
	uint32_t may, n;

	/* Pairs with the release in pw_fleet_kernel_gone(). */
	if (k->port == NULL || __atomic_load_n(&k->gone, __ATOMIC_ACQUIRE))
		return 0;
	may = pw_bucket_take(&w->from_kernel[iface], WORKER_BURST, now);
	if (may == 0) {
		count_add(&w->count.kernel_held_back, 1);
		return 0;
	}
	n = rte_eth_rx_burst(k->port->id, 0, frames, (uint16_t)may);
	pw_bucket_give(&w->from_kernel[iface], may - n);
	for (uint32_t i = 0; i < n; i++)
		leave(w, iface, frames[i]);
	return n;
}

uint32_t
worker_kernel_poll(struct worker *w, uint64_t now)
{
	uint32_t total = 0;

	/* The look between arming interrupts and waiting for them may not be left out. */
	if (w->index != OWNER || !w->fleet->has_kernel || (now < w->kernel_due && !w->armed))
		return 0;
	w->kernel_due = now + POLL_INTERVAL;
	for (uint32_t i = 0; i < w->fleet->nb_ifaces; i++)
		total += poll_one(w, i, now);
	return total;
}

void
worker_kernel_cleanup(struct worker *w)
{
	const struct pw_fleet *f = w->fleet;

	for (uint32_t i = 0; w->index == OWNER && f->has_kernel && i < f->nb_ifaces; i++) {
		const struct pw_port *port = f->kernel[i].port;

		if (port != NULL && rte_eth_tx_done_cleanup(port->id, 0, 0) == -ENOTSUP)
			(void)rte_eth_tx_burst(port->id, 0, NULL, 0);
	}
}

void
pw_fleet_kernel_gone(struct pw_fleet *f, uint32_t iface)
{
	/* What is gone would be readable for ever. */
	fleet_kernel_unwatch(f, iface);
	/* Pairs with the acquires in poll_one(), worker_kernel_flush() and source(). */
	__atomic_store_n(&f->kernel[iface].gone, true, __ATOMIC_RELEASE);
}
