/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Ways out: the on-link networks of the interfaces, longest prefix first, then the first gateway of
 * the destination's family. Hosts follow the strong model (RFC 1122 3.3.4.2): an address belongs to
 * its interface. Link-local addresses lie on every interface that speaks IPv6: they have a way only
 * for who names the interface.
 */
#include <errno.h>

#include "wire_pvt.h"

#define V4_BITS 96 /* in front of an IPv4 address in its mapped form */

static uint32_t
host_order(const struct pw_addr *a)
{
	return rte_be_to_cpu_32(pw_addr_be32(a));
}

bool
wire_addr_is_set(const struct pw_addr *a)
{
	static const struct pw_addr none;

	return !pw_addr_eq(a, &none) && !(pw_addr_is_v4(a) && pw_addr_be32(a) == 0);
}

/* Half of an address as a number, the first bit the highest. */
static uint64_t
half(const struct pw_addr *a, uint32_t i)
{
	rte_be64_t be;

	memcpy(&be, &a->b[8 * i], sizeof(be));
	return rte_be_to_cpu_64(be);
}

static uint64_t
mask_of(uint32_t bits)
{
	return bits == 0 ? 0 : UINT64_MAX << (64 - bits);
}

/* IPv4 stands inside its mapped prefix, which is on the wire in no IPv6 packet (see ip6.c). */
static void
prefix_set(struct route *r, const struct pw_wire_addr *own)
{
	uint32_t bits = own->prefix_len;

	r->v4 = pw_addr_is_v4(&own->addr);
	if (r->v4)
		bits += V4_BITS;
	r->bits = (uint8_t)bits;
	r->mask[0] = mask_of(RTE_MIN(bits, 64u));
	r->mask[1] = mask_of(bits - RTE_MIN(bits, 64u));
	r->net[0] = half(&own->addr, 0) & r->mask[0];
	r->net[1] = half(&own->addr, 1) & r->mask[1];
}

static bool
prefix_has(const struct route *r, const struct pw_addr *a)
{
	return (half(a, 0) & r->mask[0]) == r->net[0] && (half(a, 1) & r->mask[1]) == r->net[1] &&
	       r->v4 == pw_addr_is_v4(a);
}

/* Insertion keeps longer prefixes first, and the order of configuration among equals. */
static void
insert(struct pw_wire *w, const struct route *r)
{
	uint32_t i = w->nb_routes++;

	while (i > 0 && w->route[i - 1].bits < r->bits) {
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

			if (wire_is_link_local(&f->addr[a].addr))
				continue;
			prefix_set(&r, &f->addr[a]);
			insert(w, &r);
		}
	}
}

static const struct route *
on_link(const struct pw_wire *w, const struct pw_addr *a)
{
	for (uint32_t i = 0; i < w->nb_routes; i++) {
		if (prefix_has(&w->route[i], a))
			return &w->route[i];
	}
	return NULL;
}

/* What no packet of ours may be sent to, on an interface that it would leave through. */
static bool
not_a_host(const struct iface *f, const struct pw_addr *a)
{
	return pw_addr_is_v4(a) ? wire_not_a_host4(f, pw_addr_be32(a)) : wire_not_a_host6(a);
}

static const struct pw_addr *
gateway_for(const struct iface *f, const struct pw_addr *dst)
{
	return pw_addr_is_v4(dst) ? &f->conf.gateway : &f->conf.gateway6;
}

int
wire_route(const struct pw_wire *w, const struct pw_addr *dst, uint32_t *iface,
	   struct pw_addr *next_hop)
{
	const struct route *r;

	if (wire_is_link_local(dst) || pw_wire_is_local(w, dst))
		return -EHOSTUNREACH;
	r = on_link(w, dst);
	if (r != NULL) {
		if (not_a_host(&w->iface[r->iface], dst))
			return -EHOSTUNREACH;
		*iface = r->iface;
		*next_hop = *dst;
		return 0;
	}
	for (uint32_t i = 0; i < w->nb_ifaces; i++) {
		const struct pw_addr *gateway = gateway_for(&w->iface[i], dst);

		if (!wire_addr_is_set(gateway))
			continue;
		if (not_a_host(&w->iface[i], dst))
			return -EHOSTUNREACH;
		*iface = i;
		*next_hop = *gateway;
		return 0;
	}
	return -EHOSTUNREACH;
}

bool
wire_is_gateway(const struct iface *f, const struct pw_addr *a)
{
	return pw_addr_eq(a, &f->conf.gateway) || pw_addr_eq(a, &f->conf.gateway6);
}

bool
wire_on_link(const struct pw_wire *w, uint32_t iface, const struct pw_addr *a)
{
	const struct iface *f = &w->iface[iface];

	if (wire_is_gateway(f, a) || (f->v6 && wire_is_link_local(a)))
		return true;
	for (uint32_t i = 0; i < w->nb_routes; i++) {
		const struct route *r = &w->route[i];

		if (r->iface == iface && prefix_has(r, a))
			return true;
	}
	return false;
}

/* Own addresses begin with the configured ones. */
static bool
is_left(const struct iface *f, uint32_t own)
{
	return (f->lost & UINT32_C(1) << own) == 0;
}

const struct pw_addr *
wire_link_local(const struct iface *f)
{
	return f->v6 && wire_local_index(f, &f->link_local) >= 0 ? &f->link_local : NULL;
}

const struct pw_addr *
wire_source(const struct pw_wire *w, uint32_t iface, const struct pw_addr *next_hop)
{
	const struct iface *f = &w->iface[iface];
	const struct pw_addr *link_local = wire_link_local(f);

	if (wire_is_link_local(next_hop) && link_local != NULL)
		return link_local;
	for (uint32_t i = 0; i < w->nb_routes; i++) {
		const struct route *r = &w->route[i];

		if (r->iface == iface && prefix_has(r, next_hop) && is_left(f, r->addr))
			return &f->conf.addr[r->addr].addr;
	}
	for (uint32_t a = 0; a < f->conf.nb_addrs; a++) {
		const struct pw_addr *own = &f->conf.addr[a].addr;

		if (pw_addr_is_v4(own) == pw_addr_is_v4(next_hop) && !wire_is_link_local(own) &&
		    is_left(f, a))
			return own;
	}
	return pw_addr_is_v4(next_hop) ? NULL : link_local;
}

bool
wire_is_ours6(const struct iface *f, uint32_t own)
{
	return !pw_addr_is_v4(&f->own[own].addr) && is_left(f, own);
}

int
wire_local_index(const struct iface *f, const struct pw_addr *a)
{
	for (uint32_t i = 0; i < f->nb_own; i++) {
		if (pw_addr_eq(&f->own[i].addr, a))
			return is_left(f, i) ? (int)i : -1;
	}
	return -1;
}

bool
wire_is_lost(const struct pw_wire *w, const struct pw_addr *a)
{
	for (uint32_t i = 0; w->lost && i < w->nb_ifaces; i++) {
		const struct iface *f = &w->iface[i];

		for (uint32_t own = 0; own < f->nb_own; own++) {
			if (!is_left(f, own) && pw_addr_eq(&f->own[own].addr, a))
				return true;
		}
	}
	return false;
}

bool
wire_is_broadcast4(const struct iface *f, uint32_t be)
{
	uint32_t host = rte_be_to_cpu_32(be);

	if (host == UINT32_MAX)
		return true;
	for (uint32_t i = 0; i < f->conf.nb_addrs; i++) {
		const struct pw_wire_addr *own = &f->conf.addr[i];
		uint32_t rest;

		/* RFC 3021: both addresses of a /31 are hosts. */
		if (!pw_addr_is_v4(&own->addr) || own->prefix_len > 30)
			continue;
		rest = UINT32_MAX >> own->prefix_len;
		if ((host & ~rest) != (host_order(&own->addr) & ~rest))
			continue;
		if ((host & rest) == rest || (host & rest) == 0)
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

bool
wire_not_a_host6(const struct pw_addr *a)
{
	static const struct pw_addr loopback = {.b = {[15] = 1}};

	/* RFC 4291 2.5.2, 2.5.3, 2.7; mapped addresses (2.5.5.2) are on no wire. */
	return !wire_addr_is_set(a) || wire_is_multicast6(a) || pw_addr_is_v4(a) ||
	       pw_addr_eq(a, &loopback);
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
	/* A gateway may well be known by its link-local address; it is not who gets the packets. */
	source = wire_source(w, iface, wire_is_link_local(&next_hop) ? dst : &next_hop);
	if (source == NULL || wire_is_link_local(source))
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

int
pw_wire_iface_of(const struct pw_wire *w, const struct pw_addr *a)
{
	for (uint32_t i = 0; i < w->nb_ifaces; i++) {
		if (wire_local_index(&w->iface[i], a) >= 0)
			return (int)i;
	}
	return -1;
}

bool
pw_wire_is_local(const struct pw_wire *w, const struct pw_addr *a)
{
	return pw_wire_iface_of(w, a) >= 0;
}
