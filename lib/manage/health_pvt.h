/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PUBWIRE_MANAGE_HEALTH_PVT_H
#define PUBWIRE_MANAGE_HEALTH_PVT_H

/*
 * What probes ask. Live: every worker turns its loop. Ready: it runs and does not drain, and each
 * route has a broker that every worker is connected to. Main lcore only.
 */

#include <stdbool.h>
#include <stdint.h>

#include "metrics_pvt.h"

#define HEALTH_SECOND	1000000000ull
#define HEALTH_STEP_NS	(HEALTH_SECOND / 4)
#define HEALTH_STUCK_NS (5 * HEALTH_SECOND)

struct health {
	struct pw_fleet_pulse pulse;
	uint64_t step_at; /* ns */
	uint64_t stood;	  /* ns: of the worker that stood longest, at that time */
	uint32_t worker;
};

/* Look at all workers, now and then. */
void health_step(struct health *h, const struct metrics *m, uint64_t now);

/* The answers; m->text says why not, in lines. */
bool health_live(const struct health *h, struct metrics *m);
bool health_ready(struct metrics *m);

#endif
