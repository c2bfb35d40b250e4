/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Neighbour discovery (RFC 4861) of a host: solicitations for our addresses are answered and teach
 * us who asks, advertisements answer ours. As with ARP, what nobody asked for adds no neighbour.
 * Routers and redirects are not listened to: routes are configured, and who can't be believed about
 * a neighbour can be believed even less about a way.
 */
#include <netinet/in.h>

#include "wire_pvt.h"

#define DEFEND_INTERVAL	 (10 * SECOND) /* as RFC 5227 1.1 has it for IPv4 */

#define OPTION_SOURCE	 1 /* RFC 4861 4.6.1: link-layer addresses */
#define OPTION_TARGET	 2
#define OPTION_UNIT	 8

#define ADVERT_SOLICITED (UINT32_C(1) << 30) /* RFC 4861 4.4 */
#define ADVERT_OVERRIDE	 (UINT32_C(1) << 29)

/* A solicitation or advertisement, 4.3 and 4.4. */
struct message {
	uint8_t type;
	uint8_t code;
	rte_be16_t sum;
	rte_be32_t flags;
	struct pw_addr target;
};

struct link_option {
	uint8_t type;
	uint8_t units;
	struct rte_ether_addr mac;
};

/* What was read of a message. */
struct news {
	struct message msg;
	struct rte_ether_addr from; /* source address of the frame */
	struct rte_ether_addr mac;  /* that the options name */
	bool has_mac;
	/*
	 * The frame came back to us, or from a kernel at the other end of a TAP, which has the
	 * port's Ethernet address, and by that our link-local one: no conflict.
	 */
	bool from_our_mac;
};

/* Build and send one, false where no buffer is left; mac names us in an option unless the option's
 * type is 0. */
static bool
transmit(struct pw_wire *w, uint32_t iface, const struct message *msg, uint8_t option,
	 const struct pw_addr *src, const struct pw_addr *dst, const struct rte_ether_addr *to)
{
	struct rte_mbuf *m = wire_neigh_buffer(w);

	if (m == NULL)
		return false;
	memcpy(rte_pktmbuf_append(m, sizeof(*msg)), msg, sizeof(*msg));
	if (option != 0) {
		struct link_option o = {option, 1, w->iface[iface].port->mac};

		memcpy(rte_pktmbuf_append(m, sizeof(o)), &o, sizeof(o));
	}
	wire_icmp6_direct(w, iface, src, dst, ND_HOP_LIMIT, to, m);
	return true;
}

/* Ask for an address in the group of those that may have it, or one that is thought to. */
static bool
solicit(struct pw_wire *w, uint32_t iface, const struct pw_addr *target, const struct pw_addr *src,
	const struct rte_ether_addr *to)
{
	const struct message msg = {.type = ND_SOLICIT, .target = *target};
	struct pw_addr group = wire_solicited_node(target);
	struct rte_ether_addr group_mac = wire_group_mac(&group);
	/* 4.3: not from nobody; RFC 4429 3.2: nor from an address that may be another's. */
	bool named = wire_addr_is_set(src) && !w->iface[iface].nd.tentative;
	uint8_t option = named ? OPTION_SOURCE : 0;

	w->n.nd_solicits_out++;
	if (to == NULL)
		return transmit(w, iface, &msg, option, src, &group, &group_mac);
	return transmit(w, iface, &msg, option, src, target, to);
}

void
wire_nd_solicit(struct pw_wire *w, uint32_t iface, const struct pw_addr *ip,
		const struct rte_ether_addr *dst)
{
	const struct pw_addr *source = wire_source(w, iface, ip);

	if (source != NULL)
		(void)solicit(w, iface, ip, source, dst);
}

void
wire_nd_probe(struct pw_wire *w, uint32_t iface, uint32_t own)
{
	if (!solicit(w, iface, &w->iface[iface].own[own].addr, &wire_ip6_unspecified, NULL))
		w->iface[iface].nd.unasked = true;
}

static void
advertise(struct pw_wire *w, uint32_t iface, const struct pw_addr *own, uint32_t flags,
	  const struct pw_addr *dst, const struct rte_ether_addr *to)
{
	const struct message msg = {
		.type = ND_ADVERT, .flags = rte_cpu_to_be_32(flags), .target = *own};

	w->n.nd_adverts_out++;
	(void)transmit(w, iface, &msg, OPTION_TARGET, own, dst, to);
}

void
wire_nd_advertise(struct pw_wire *w, uint32_t iface, uint32_t own)
{
	struct rte_ether_addr everybody = wire_group_mac(&wire_ip6_all_nodes);

	advertise(w, iface, &w->iface[iface].own[own].addr, ADVERT_OVERRIDE, &wire_ip6_all_nodes,
		  &everybody);
}

/*
 * Somebody else uses our address. Who had it while we asked keeps it (RFC 4862 5.4.5); who comes
 * later is told that it is ours, once in a while, and we carry on.
 */
static void
conflict(struct pw_wire *w, const struct rx *rx, uint32_t local, const struct rte_ether_addr *mac)
{
	struct iface *f = &w->iface[rx->iface];
	struct own_addr *own = &f->own[local];
	bool lost = f->nd.tentative;
	char text[PW_ADDR_STRLEN];

	w->n.nd_conflicts++;
	PW_LOG_EVERY(&w->conflict_log, rx->now, wire, ERR,
		     "address conflict on %s: " RTE_ETHER_ADDR_PRT_FMT " also uses %s%s; give one "
		     "of the two another address",
		     f->port->device, RTE_ETHER_ADDR_BYTES(mac), pw_addr_str(&own->addr, text),
		     lost ? " and had it first, so it is left to it" : "");
	if (lost) {
		wire_nd_lose(w, rx->iface, local);
		return;
	}
	if (rx->now < own->defended)
		return;
	own->defended = rx->now + DEFEND_INTERVAL;
	wire_nd_advertise(w, rx->iface, local);
}

/*
 * Answer a solicitation: to who asked, at the address that it names or is known to have. While
 * others may object, what the asker knows of them stays (RFC 4429 3.3).
 */
static void
answer(struct pw_wire *w, const struct rx *rx, const struct packet6 *p, const struct news *n)
{
	const struct rte_ether_addr *to =
		n->has_mac ? &n->mac : wire_neigh_mac(w, rx->iface, &p->src);

	uint32_t flags = ADVERT_SOLICITED;

	if (!w->iface[rx->iface].nd.tentative)
		flags |= ADVERT_OVERRIDE;
	/* A question to us alone, without the asker's address: the frame came from it (7.2.4). */
	advertise(w, rx->iface, &n->msg.target, flags, &p->src, to != NULL ? to : &n->from);
}

/* Somebody wants to take an address of ours (RFC 4862 5.4.3). */
static void
asked_by_nobody(struct pw_wire *w, const struct rx *rx, uint32_t local, const struct news *n)
{
	const struct iface *f = &w->iface[rx->iface];

	if (n->from_our_mac) /* our own question, come back: RFC 7527 1 */
		return;
	if (f->nd.tentative)
		conflict(w, rx, local, &n->from);
	else
		wire_nd_advertise(w, rx->iface, local);
}

static void
solicit_in(struct pw_wire *w, const struct rx *rx, const struct packet6 *p, const struct news *n)
{
	const struct iface *f = &w->iface[rx->iface];
	int local = wire_local_index(f, &n->msg.target);
	int asker = wire_local_index(f, &p->src);

	w->n.nd_solicits_in++;
	if (asker >= 0 && !n->from_our_mac) {
		conflict(w, rx, asker, &n->from);
		return;
	}
	if (local < 0)
		return;
	if (!wire_addr_is_set(&p->src)) {
		asked_by_nobody(w, rx, local, n);
		return;
	}
	if (n->has_mac && asker < 0 && wire_on_link(w, rx->iface, &p->src))
		wire_neigh_learn(w, rx->iface, &p->src, &n->mac, NEIGH_ASKED, rx->now);
	answer(w, rx, p, n);
}

/* RFC 4861 7.2.5, on the states of neigh.c. */
static void
advert_in(struct pw_wire *w, const struct rx *rx, const struct news *n)
{
	const struct pw_addr *ip = &n->msg.target;
	uint32_t flags = rte_be_to_cpu_32(n->msg.flags);
	const struct rte_ether_addr *mac = n->has_mac ? &n->mac : NULL;
	int local = wire_local_index(&w->iface[rx->iface], ip);

	w->n.nd_adverts_in++;
	if (local >= 0) {
		if (!n->from_our_mac)
			conflict(w, rx, local, n->has_mac ? &n->mac : &n->from);
		return;
	}
	if (!wire_on_link(w, rx->iface, ip))
		return;
	if (mac == NULL) /* 4.4: an answer to a question that named its address may leave it out */
		mac = wire_neigh_mac(w, rx->iface, ip);
	if (mac == NULL)
		return;
	if (!(flags & ADVERT_OVERRIDE) && wire_neigh_doubt(w, rx->iface, ip, mac, rx->now))
		return;
	wire_neigh_learn(w, rx->iface, ip, mac,
			 (flags & ADVERT_SOLICITED) ? NEIGH_ANSWERED : NEIGH_HEARD, rx->now);
}

/* Reads the options from off on; false where one is malformed (RFC 4861 4.6). */
static bool
read_options(const struct rte_mbuf *m, uint32_t off, uint8_t wanted, struct news *n)
{
	while (off < m->pkt_len) {
		struct link_option room, o;
		const void *p = rte_pktmbuf_read(m, off, sizeof(room), &room);
		uint32_t len;

		if (p == NULL)
			return false;
		memcpy(&o, p, sizeof(o));
		len = o.units * (uint32_t)OPTION_UNIT;
		if (len == 0 || len > m->pkt_len - off)
			return false;
		if (o.type == wanted && o.units == 1) {
			n->mac = o.mac;
			n->has_mac = true;
		}
		off += len;
	}
	return !n->has_mac || rte_is_valid_assigned_ether_addr(&n->mac);
}

/* RFC 4861 7.1.1 and 7.1.2, but for hop limit and code. */
static bool
sane(const struct packet6 *p, const struct news *n)
{
	if (wire_is_multicast6(&n->msg.target) || pw_addr_is_v4(&n->msg.target))
		return false;
	if (n->msg.type == ND_ADVERT)
		return wire_addr_is_set(&p->src) &&
		       !(p->group && (n->msg.flags & RTE_BE32(ADVERT_SOLICITED)));
	/* From nobody it goes to a group of those who are asked, and names nobody. */
	return wire_addr_is_set(&p->src) ||
	       (p->group && p->dst.b[11] == 1 && p->dst.b[12] == 0xff && !n->has_mac);
}

/* False where a message is not fit to be obeyed. */
static bool
read_news(const struct rte_mbuf *m, const struct packet6 *p, struct news *n)
{
	const struct rte_ether_hdr *eth = rte_pktmbuf_mtod(m, const struct rte_ether_hdr *);
	uint32_t off = m->l2_len + m->l3_len;
	struct message room;
	const void *msg = rte_pktmbuf_read(m, off, sizeof(room), &room);

	if (msg == NULL || p->hop_limit != ND_HOP_LIMIT)
		return false;
	memcpy(&n->msg, msg, sizeof(n->msg));
	n->from = eth->src_addr;
	n->has_mac = false;
	if (n->msg.code != 0)
		return false;
	return read_options(m, off + sizeof(n->msg),
			    n->msg.type == ND_SOLICIT ? OPTION_SOURCE : OPTION_TARGET, n) &&
	       sane(p, n);
}

static void
obey(struct pw_wire *w, const struct rx *rx, const struct packet6 *p, struct news *n)
{
	n->from_our_mac = rte_is_same_ether_addr(&n->from, &w->iface[rx->iface].port->mac);
	if (n->msg.type == ND_SOLICIT)
		solicit_in(w, rx, p, n);
	else
		advert_in(w, rx, n);
}

/*
 * What is settled here without the kernel, which has the same addresses: questions for them, and
 * who claims them.
 */
static bool
ours_alone(const struct iface *f, const struct packet6 *p, const struct news *n)
{
	return wire_local_index(f, &n->msg.target) >= 0 || wire_local_index(f, &p->src) >= 0;
}

void
wire_nd_in(struct pw_wire *w, struct rte_mbuf *m, const struct rx *rx, const struct packet6 *p)
{
	uint8_t type = *rte_pktmbuf_mtod_offset(m, const uint8_t *, m->l2_len + m->l3_len);
	bool both = false;
	struct news n;

	if (type != ND_SOLICIT && type != ND_ADVERT) {
		wire_leave(w, m, rx, &w->n.nd_router_ignored);
		return;
	}
	if (!read_news(m, p, &n)) {
		w->n.nd_invalid++;
	} else {
		both = !ours_alone(&w->iface[rx->iface], p, &n);
		obey(w, rx, p, &n);
	}
	if (both)
		wire_leave(w, m, rx, NULL);
	else
		rte_pktmbuf_free(m);
}
