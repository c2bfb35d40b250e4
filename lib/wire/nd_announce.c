/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Making our IPv6 addresses known, at the start and after a link came up: first join their groups
 * and ask whether somebody has them (RFC 4862 5.4), a second later say that they are ours, and a
 * second later again. They are answered for from the beginning (as RFC 4429 allows): a restart must
 * not make devices wait; but who objects in that second keeps the address.
 */
#include "wire_pvt.h"

#define INTERVAL       SECOND /* RFC 4861 10: RetransTimer */
#define ADVERTISEMENTS 2      /* at most MAX_NEIGHBOR_ADVERTISEMENT, 3 */

static void
each_own(struct pw_wire *w, uint32_t iface, void (*what)(struct pw_wire *, uint32_t, uint32_t))
{
	const struct iface *f = &w->iface[iface];

	for (uint32_t i = 0; i < f->nb_own; i++) {
		if (!pw_addr_is_v4(&f->own[i].addr) && !f->own[i].duplicate)
			what(w, iface, i);
	}
}

void
wire_nd_announce(struct pw_wire *w, uint32_t iface, uint64_t now)
{
	struct iface *f = &w->iface[iface];

	if (!f->v6)
		return;
	for (uint32_t i = 0; i < f->nb_own; i++)
		f->own[i].duplicate = false;
	f->nd.tentative = true;
	f->nd.left = ADVERTISEMENTS;
	f->nd.at = now + INTERVAL;
	/* The group first: a switch that snoops lets no objection through before (5.4.2). */
	wire_mld_join(w, iface);
	each_own(w, iface, wire_nd_probe);
}

void
wire_nd_advance(struct pw_wire *w, uint64_t now)
{
	for (uint32_t i = 0; i < w->nb_ifaces; i++) {
		struct nd_iface *nd = &w->iface[i].nd;
		bool joined_once;

		if (nd->left == 0 || nd->at > now)
			continue;
		/* Reports are not acknowledged either, so they go twice (RFC 3810 9.1). */
		joined_once = nd->tentative;
		nd->tentative = false;
		if (joined_once)
			wire_mld_join(w, i);
		nd->left--;
		nd->at = now + INTERVAL;
		each_own(w, i, wire_nd_advertise);
	}
}
