/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Ways out: the on-link networks of the interfaces, longest prefix first, then the first gateway.
 * Hosts follow the strong model (RFC 1122 3.3.4.2): an address belongs to its interface.
 */
#include <errno.h>

#include "wire_pvt.h"

static uint32_t
mask_of(uint8_t prefix_len)
{
	return prefix_len == 0 ? 0 : UINT32_MAX << (32 - prefix_len);
}

static uint32_t
host_order(const struct pw_addr *a)
{
	return rte_be_to_cpu_32(pw_addr_be32(a));
}

static bool
is_set(const struct pw_addr *a)
{
	static const struct pw_addr none;

	return !pw_addr_eq(a, &none) && !(pw_addr_is_v4(a) && pw_addr_be32(a) == 0);
}

/* Insertion keeps longer prefixes first, and the order of configuration among equals. */
static void
insert(struct pw_wire *w, const struct route *r)
{
	uint32_t i = w->nb_routes++;

	while (i > 0 && w->route[i - 1].mask < r->mask) {
		w->route[i] = w->route[i - 1];
		i--;
	}
	w->route[i] = *r;
}

void
wire_routes_build(struct pw_wire *w)
{
	for (uint32_t i = 0; i < w->nb_ifaces; i++) {
		const struct pw_wire_iface *f = &w->iface[i].conf;

		for (uint32_t a = 0; a < f->nb_addrs; a++) {
			struct route r = {.iface = i, .addr = a};

			if (!pw_addr_is_v4(&f->addr[a].addr))
				continue;
			r.mask = mask_of(f->addr[a].prefix_len);
			r.net = host_order(&f->addr[a].addr) & r.mask;
			insert(w, &r);
		}
	}
}

static const struct route *
on_link(const struct pw_wire *w, uint32_t host)
{
	for (uint32_t i = 0; i < w->nb_routes; i++) {
		if ((host & w->route[i].mask) == w->route[i].net)
			return &w->route[i];
	}
	return NULL;
}

int
wire_route(const struct pw_wire *w, const struct pw_addr *dst, uint32_t *iface,
	   struct pw_addr *next_hop)
{
	const struct route *r;

	if (!pw_addr_is_v4(dst) || pw_wire_is_local(w, dst))
		return -EHOSTUNREACH;
	r = on_link(w, host_order(dst));
	if (r != NULL) {
		if (wire_not_a_host4(&w->iface[r->iface], pw_addr_be32(dst)))
			return -EHOSTUNREACH;
		*iface = r->iface;
		*next_hop = *dst;
		return 0;
	}
	for (uint32_t i = 0; i < w->nb_ifaces; i++) {
		const struct pw_addr *gateway = &w->iface[i].conf.gateway;

		if (!is_set(gateway) || !pw_addr_is_v4(gateway))
			continue;
		if (wire_not_a_host4(&w->iface[i], pw_addr_be32(dst)))
			return -EHOSTUNREACH;
		*iface = i;
		*next_hop = *gateway;
		return 0;
	}
	return -EHOSTUNREACH;
}

bool
wire_on_link(const struct pw_wire *w, uint32_t iface, const struct pw_addr *a)
{
	uint32_t host = host_order(a);

	if (pw_addr_eq(a, &w->iface[iface].conf.gateway))
		return true;
	for (uint32_t i = 0; i < w->nb_routes; i++) {
		const struct route *r = &w->route[i];

		if (r->iface == iface && (host & r->mask) == r->net)
			return true;
	}
	return false;
}

const struct pw_addr *
wire_source(const struct pw_wire *w, uint32_t iface, const struct pw_addr *next_hop)
{
	const struct pw_wire_iface *f = &w->iface[iface].conf;
	uint32_t host = host_order(next_hop);

	for (uint32_t i = 0; i < w->nb_routes; i++) {
		const struct route *r = &w->route[i];

		if (r->iface == iface && (host & r->mask) == r->net)
			return &f->addr[r->addr].addr;
	}
	for (uint32_t a = 0; a < f->nb_addrs; a++) {
		if (pw_addr_is_v4(&f->addr[a].addr))
			return &f->addr[a].addr;
	}
	return NULL;
}

int
wire_local_index(const struct iface *f, const struct pw_addr *a)
{
	for (uint32_t i = 0; i < f->conf.nb_addrs; i++) {
		if (pw_addr_eq(&f->conf.addr[i].addr, a))
			return (int)i;
	}
	return -1;
}

bool
wire_is_broadcast4(const struct iface *f, uint32_t be)
{
	uint32_t host = rte_be_to_cpu_32(be);

	if (host == UINT32_MAX)
		return true;
	for (uint32_t i = 0; i < f->conf.nb_addrs; i++) {
		const struct pw_wire_addr *own = &f->conf.addr[i];
		uint32_t mask;

		/* A prefix of 31 or 32 bits has none (RFC 3021). */
		if (!pw_addr_is_v4(&own->addr) || own->prefix_len > 30)
			continue;
		mask = mask_of(own->prefix_len);
		if ((host & mask) != (host_order(&own->addr) & mask))
			continue;
		if ((host & ~mask) == ~mask || (host & ~mask) == 0)
			return true;
	}
	return false;
}

bool
wire_not_a_host4(const struct iface *f, uint32_t be)
{
	uint32_t top = rte_be_to_cpu_32(be) >> 24;

	/* "This network", loopback, multicast and what is reserved (RFC 6890). */
	return top == 0 || top == 127 || top >= 224 || wire_is_broadcast4(f, be);
}

int
pw_wire_path(const struct pw_wire *w, const struct pw_addr *dst, struct pw_wire_path *out)
{
	struct pw_addr next_hop;
	const struct pw_addr *source;
	uint32_t iface;
	int rc;

	rc = wire_route(w, dst, &iface, &next_hop);
	if (rc < 0)
		return rc;
	source = wire_source(w, iface, &next_hop);
	if (source == NULL)
		return -EHOSTUNREACH;
	*out = (struct pw_wire_path){
		.iface = iface,
		.mtu = w->iface[iface].mtu,
		.caps = w->iface[iface].port->caps,
		.max_segs = w->iface[iface].max_segs,
		.source = *source,
	};
	return 0;
}

bool
pw_wire_is_local(const struct pw_wire *w, const struct pw_addr *a)
{
	for (uint32_t i = 0; i < w->nb_ifaces; i++) {
		if (wire_local_index(&w->iface[i], a) >= 0)
			return true;
	}
	return false;
}
