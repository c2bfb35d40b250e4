/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * New settings for workers that run. The main lcore makes an edition and moves the fleet's number
 * on; each worker sees that between two turns, goes over, and says so by its own number. A turn
 * without news costs one comparison of words that it reads anyway.
 */
#include <errno.h>

#include "worker_pvt.h"

/* Where roles are split, a port's flows go to workers by what was reached through it at the start:
 * brokers behind a port of devices only would be answered by workers that do not know them. */
static int
check_brokers(const struct pw_fleet *f, const struct pw_forward_settings *s)
{
	struct pw_wire_path path;

	for (uint32_t b = 0; b < s->nb_brokers; b++) {
		if (s->broker[b].name[0] == '\0' ||
		    pw_wire_path(f->worker[0]->wire, &s->broker[b].address, &path) < 0)
			continue;
		if (!(f->steering[path.iface].roles & PW_ROLE_BROKERS))
			return -EHOSTUNREACH;
	}
	return 0;
}

int
pw_fleet_renew(struct pw_fleet *f, const struct pw_edition_conf *conf)
{
	int rc = f->renewing ? -EBUSY : check_brokers(f, conf->settings);

	if (rc == 0)
		rc = pw_forward_renew(f->shared, conf);
	if (rc < 0)
		return rc;
	f->renewing = true;
	/* Pairs with the acquire in worker_renew(): the edition comes before. */
	__atomic_store_n(&f->edition, f->edition + 1, __ATOMIC_RELEASE);
	fleet_ring(f, UINT64_MAX);
	return 0;
}

bool
pw_fleet_renewed(struct pw_fleet *f)
{
	for (uint32_t i = 0; i < f->nb_workers; i++) {
		/* Pairs with the release in worker_renew(): nobody looks at the old one. */
		if (__atomic_load_n(&f->worker[i]->edition, __ATOMIC_ACQUIRE) != f->edition)
			return false;
	}
	return true;
}

void
pw_fleet_release(struct pw_fleet *f)
{
	if (f->renewing)
		pw_forward_renewed(f->shared);
	f->renewing = false;
}

bool
pw_fleet_retired(const struct pw_fleet *f)
{
	return !f->renewing && pw_forward_retired(f->shared);
}

uint32_t
pw_fleet_brokers(const struct pw_fleet *f)
{
	return pw_forward_brokers(f->shared);
}

void
worker_renew(struct worker *w, uint64_t now)
{
	/* Pairs with the release in pw_fleet_renew(). */
	uint32_t edition = __atomic_load_n(&w->fleet->edition, __ATOMIC_ACQUIRE);

	if (edition == w->edition)
		return;
	pw_forward_adopt(w->forward, now);
	/* Pairs with the acquire in pw_fleet_renewed(). */
	__atomic_store_n(&w->edition, edition, __ATOMIC_RELEASE);
}
