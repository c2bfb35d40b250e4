/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * New settings for workers that run. The main lcore makes an edition and moves the fleet's number
 * on; each worker sees that between two turns, goes over, and says so by its own number. A turn
 * without news costs one comparison of words that it reads anyway.
 */
#include <errno.h>

#include "worker_pvt.h"

int
pw_fleet_renew(struct pw_fleet *f, const struct pw_edition_conf *conf)
{
	int rc = pw_fleet_renewed(f) ? 0 : -EBUSY;

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
	if (!f->renewing)
		return true;
	for (uint32_t i = 0; i < f->nb_workers; i++) {
		/* Pairs with the release in worker_renew(): nobody looks at the old one. */
		if (__atomic_load_n(&f->worker[i]->edition, __ATOMIC_ACQUIRE) != f->edition)
			return false;
	}
	f->renewing = false;
	pw_forward_renewed(f->shared);
	return true;
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
