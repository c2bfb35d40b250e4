/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Whether workers turn, from the counter of turns that each writes anyway. DPDK's rte_keepalive
 * would have every turn write one more line, which it shares with other lcores, and tells after a
 * number of pings, not after a time.
 */
#include "worker_pvt.h"

uint64_t
pw_fleet_stands(const struct pw_fleet *f, struct pw_fleet_pulse *p, uint64_t now, uint32_t *worker)
{
	uint64_t longest = 0;

	*worker = 0;
	for (uint32_t i = 0; i < f->nb_workers; i++) {
		uint64_t loops = __atomic_load_n(&f->worker[i]->count.loops, __ATOMIC_RELAXED);

		if (loops != p->loops[i] || p->seen[i] == 0) {
			p->loops[i] = loops;
			p->seen[i] = now;
		} else if (now - p->seen[i] > longest) {
			longest = now - p->seen[i];
			*worker = i;
		}
	}
	return longest;
}
