/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An instance: built at start, fed bursts, advanced by the clock that its owner passes in.
 */
#include <errno.h>
#include <string.h>

#include <rte_errno.h>
#include <rte_malloc.h>
#include <rte_prefetch.h>

#include <pubwire/wire/wire.h>

#include "wire_pvt.h"

PW_COUNTER_DESCRIBE(pw_wire_counters, PW_WIRE_COUNTERS);

static bool
conf_ok(const struct pw_wire_conf *conf)
{
	if (conf->name == NULL || conf->mem == NULL || conf->hooks.tx == NULL)
		return false;
	if (conf->nb_ifaces == 0 || conf->nb_ifaces > PW_WIRE_MAX_IFACES)
		return false;
	if (conf->neighbours > PW_WIRE_NEIGH_MAX || conf->hold_queue > UINT16_MAX ||
	    conf->hold_total > PW_WIRE_HOLD_MAX)
		return false;
	if (conf->fragments > PW_WIRE_FRAGMENTS_MAX)
		return false;
	for (uint32_t i = 0; i < conf->nb_ifaces; i++) {
		const struct pw_wire_iface *f = &conf->iface[i];

		if (f->port == NULL || f->nb_addrs > PW_WIRE_MAX_ADDRS)
			return false;
		if (f->kernel != PW_WIRE_KERNEL_NONE && conf->hooks.kernel == NULL)
			return false;
		if (wire_addr_is_set(&f->gateway) && !pw_addr_is_v4(&f->gateway))
			return false;
		if (pw_addr_is_v4(&f->gateway6))
			return false;
		for (uint32_t a = 0; a < f->nb_addrs; a++) {
			uint8_t longest = pw_addr_is_v4(&f->addr[a].addr) ? 32 : 128;

			if (f->addr[a].prefix_len > longest)
				return false;
			if (longest == 128 && wire_not_a_host6(&f->addr[a].addr))
				return false;
		}
	}
	return true;
}

/*
 * A packet that has to be copied to be sent must fit into the buffers that the port takes for one:
 * that bounds the MTU that TCP is told.
 */
static uint16_t
sendable_mtu(const struct pw_port *port, const struct pw_mem *mem, uint16_t l2_len,
	     uint16_t max_segs)
{
	uint32_t room = rte_pktmbuf_data_room_size(mem->pkt) - RTE_PKTMBUF_HEADROOM;

	return RTE_MIN((uint32_t)port->mtu, room * max_segs - l2_len);
}

/* An interface with an IPv6 address has a link-local one too (RFC 4291 2.1). */
struct pw_addr
pw_wire_link_local(const struct pw_wire_iface *f)
{
	bool v6 = false;

	for (uint32_t a = 0; a < f->nb_addrs; a++) {
		if (wire_is_link_local(&f->addr[a].addr))
			return f->addr[a].addr;
		v6 = v6 || !pw_addr_is_v4(&f->addr[a].addr);
	}
	return v6 ? wire_link_local_of(&f->port->mac) : (struct pw_addr){{0}};
}

static void
own_addresses(struct iface *f)
{
	bool among = false;

	f->link_local = pw_wire_link_local(&f->conf);
	f->v6 = wire_addr_is_set(&f->link_local);
	for (uint32_t a = 0; a < f->conf.nb_addrs; a++) {
		f->own[f->nb_own++].addr = f->conf.addr[a].addr;
		among = among || pw_addr_eq(&f->conf.addr[a].addr, &f->link_local);
	}
	if (f->v6 && !among)
		f->own[f->nb_own++].addr = f->link_local;
}

/* False where an interface can't do what its addresses need. */
static bool
set_up(struct pw_wire *w, struct iface *f, const struct pw_wire_iface *conf)
{
	f->conf = *conf;
	f->port = conf->port;
	f->l2_len = RTE_ETHER_HDR_LEN;
	if (f->port->vlan != 0 && !(f->port->caps & PW_PORT_TX_VLAN))
		f->l2_len += RTE_VLAN_HLEN;
	f->max_segs = 1;
	if (f->port->caps & PW_PORT_TX_MULTI_SEG)
		f->max_segs = RTE_MAX(f->port->max_segs, 1);
	f->mtu = sendable_mtu(f->port, w->mem, f->l2_len, f->max_segs);
	w->sums = w->sums || !(f->port->caps & PW_PORT_TX_TCP_CKSUM);
	own_addresses(f);
	return !f->v6 || f->mtu >= IP6_MTU_MIN;
}

struct pw_wire *
pw_wire_create(const struct pw_wire_conf *conf)
{
	struct pw_wire *w;
	int rc;

	if (!conf_ok(conf)) {
		rte_errno = EINVAL;
		return NULL;
	}
	w = rte_zmalloc_socket(conf->name, sizeof(*w), RTE_CACHE_LINE_SIZE, conf->socket);
	if (w == NULL) {
		rte_errno = ENOMEM;
		return NULL;
	}
	w->mem = conf->mem;
	w->hooks = conf->hooks;
	w->nb_ifaces = conf->nb_ifaces;
	w->seed = (uint32_t)(conf->seed ^ (conf->seed >> 32));
	for (uint32_t i = 0; i < conf->nb_ifaces; i++) {
		if (!set_up(w, &w->iface[i], &conf->iface[i])) {
			rte_free(w);
			rte_errno = EMSGSIZE;
			return NULL;
		}
	}
	wire_routes_build(w);
	wire_icmp_init(w);
	rc = wire_neigh_init(w, conf);
	if (rc < 0)
		goto fail_neigh;
	rc = wire_frag_init(w, conf);
	if (rc < 0)
		goto fail_frag;
	return w;

fail_frag:
	wire_neigh_fini(w);
fail_neigh:
	rte_free(w);
	rte_errno = -rc;
	return NULL;
}

void
pw_wire_destroy(struct pw_wire *w)
{
	if (w == NULL)
		return;
	wire_frag_fini(w);
	wire_neigh_fini(w);
	rte_free(w);
}

/* One received frame. Takes m; returns it where it is TCP for us. */
static struct rte_mbuf *
input_one(struct pw_wire *w, struct rte_mbuf *m, struct rx *rx)
{
	uint16_t type;

	rx->detour = false;
	if (wire_ether_in(w, m, rx, &type) < 0) {
		rte_pktmbuf_free(m);
		return NULL;
	}
	if (type == RTE_ETHER_TYPE_IPV6 && w->iface[rx->iface].v6)
		return wire_ip6_in(w, m, rx);
	switch (type) {
	case RTE_ETHER_TYPE_IPV4:
		return wire_ip4_in(w, m, rx);
	case RTE_ETHER_TYPE_ARP:
		wire_arp_in(w, m, rx);
		return NULL;
	default:
		wire_leave(w, m, rx, &w->n.drop_ethertype);
		return NULL;
	}
}

void
wire_leave(struct pw_wire *w, struct rte_mbuf *m, const struct rx *rx, uint64_t *drop)
{
	if (w->iface[rx->iface].conf.kernel != PW_WIRE_KERNEL_NONE) {
		w->hooks.kernel(w->hooks.ctx, rx->iface, m, rx->now);
		return;
	}
	if (drop != NULL)
		(*drop)++;
	rte_pktmbuf_free(m);
}

uint32_t
pw_wire_input(struct pw_wire *w, uint32_t iface, struct rte_mbuf **frames, uint32_t n,
	      struct rte_mbuf **tcp, uint64_t now)
{
	struct rx rx = {.iface = iface, .now = now};
	uint32_t out = 0;

	RTE_ASSERT(iface < w->nb_ifaces && n <= PW_WIRE_BURST);
	for (uint32_t i = 0; i < n; i++)
		rte_prefetch0(rte_pktmbuf_mtod(frames[i], void *));
	for (uint32_t i = 0; i < n; i++) {
		struct rte_mbuf *m;

		w->n.frames_in++;
		w->n.bytes_in += frames[i]->pkt_len;
		m = input_one(w, frames[i], &rx);
		if (m == NULL)
			continue;
		if (rx.detour && w->hooks.unsteered != NULL)
			w->hooks.unsteered(w->hooks.ctx, iface, m, now);
		else
			tcp[out++] = m;
	}
	if (wire_neigh_many(w))
		wire_neigh_fetch(w, iface, tcp, out);
	return out;
}

void
pw_wire_advance(struct pw_wire *w, uint64_t now)
{
	wire_neigh_advance(w, now);
	wire_arp_advance(w, now);
	wire_frag_advance(w, now);
	wire_nd_advance(w, now);
	wire_mld_advance(w, now);
}

const struct pw_wire_counters *
pw_wire_counters(const struct pw_wire *w)
{
	return &w->n;
}
