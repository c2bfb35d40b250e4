/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Making our IPv6 addresses known, at the start and after a link came up: first join their groups
 * and ask whether somebody has them (RFC 4862 5.4), a second later say that they are ours, and a
 * second later again. They are answered for from the beginning, in the way of RFC 4429, which
 * leaves what others know of an address as it is: a restart must not make devices wait; but who
 * objects in that second keeps the address, and it is not ours until the next announcement.
 *
 * One instance announces and hears the objections; its standing is told to the others.
 */
#include "wire_pvt.h"

#define INTERVAL       SECOND /* RFC 4861 10: RetransTimer */
#define ADVERTISEMENTS 2      /* at most MAX_NEIGHBOR_ADVERTISEMENT, 3 */

#define TENTATIVE      (UINT32_C(1) << 31) /* in a standing; the other bits: what is lost */

static_assert(OWN_MAX < 31, "a bit each");

static void
each_own(struct pw_wire *w, uint32_t iface, void (*what)(struct pw_wire *, uint32_t, uint32_t))
{
	const struct iface *f = &w->iface[iface];

	for (uint32_t i = 0; i < f->nb_own; i++) {
		if (wire_is_ours6(f, i))
			what(w, iface, i);
	}
}

static void
set_lost(struct pw_wire *w, uint32_t iface, uint32_t lost)
{
	w->iface[iface].lost = lost;
	w->lost = false;
	for (uint32_t i = 0; i < w->nb_ifaces; i++)
		w->lost = w->lost || w->iface[i].lost != 0;
}

void
wire_nd_lose(struct pw_wire *w, uint32_t iface, uint32_t own)
{
	set_lost(w, iface, w->iface[iface].lost | UINT32_C(1) << own);
}

uint32_t
pw_wire_standing(const struct pw_wire *w, uint32_t iface)
{
	const struct iface *f = &w->iface[iface];

	return f->lost | (f->nd.tentative ? TENTATIVE : 0);
}

void
pw_wire_set_standing(struct pw_wire *w, uint32_t iface, uint32_t standing)
{
	w->iface[iface].nd.tentative = (standing & TENTATIVE) != 0;
	set_lost(w, iface, standing & ~TENTATIVE);
}

/* Whether somebody has our addresses; until a second later they are tentative. */
static void
ask(struct pw_wire *w, uint32_t iface, uint64_t now)
{
	struct nd_iface *nd = &w->iface[iface].nd;

	nd->unasked = false;
	nd->at = now + INTERVAL;
	each_own(w, iface, wire_nd_probe);
}

void
wire_nd_announce(struct pw_wire *w, uint32_t iface, uint64_t now)
{
	struct iface *f = &w->iface[iface];

	if (!f->v6)
		return;
	set_lost(w, iface, 0);
	f->nd.tentative = true;
	f->nd.left = ADVERTISEMENTS;
	/* The group first: a switch that snoops lets no objection through before (5.4.2). */
	wire_mld_join(w, iface);
	ask(w, iface, now);
}

void
wire_nd_advance(struct pw_wire *w, uint64_t now)
{
	for (uint32_t i = 0; i < w->nb_ifaces; i++) {
		struct nd_iface *nd = &w->iface[i].nd;
		bool joined_once;

		if (nd->left == 0 || nd->at > now)
			continue;
		/* Where buffers were short nobody could object. */
		if (nd->tentative && nd->unasked) {
			ask(w, i, now);
			continue;
		}
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
