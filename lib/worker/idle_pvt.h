/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef IDLE_PVT_H
#define IDLE_PVT_H

/*
 * The ladder of an idle worker: pause, short sleeps, longer ones as silence grows. It sees no clock
 * and sleeps itself never; loop.c does. Times are in ns.
 */

#include <stdbool.h>
#include <stdint.h>

#include <pubwire/worker/worker.h>

struct idle {
	enum pw_idle policy;
	bool woken;	  /* its ports and other threads wake it: it waits, and sleeps never */
	uint32_t turns;	  /* without work */
	uint32_t window;  /* sleeps since work was found */
	uint64_t since;	  /* the first turn without work */
	uint64_t bound;	  /* of a sleep, as configured */
	uint64_t longest; /* sleep that the cost of one asks for */
	uint64_t cost;	  /* CPU time of a sleep or wait, and the turn after it; 0: not known */
	uint64_t late;	  /* what a wait takes to end; 0: not known */
	uint64_t used;	  /* CPU time of the thread at the last look */
};

void idle_init(struct idle *i, enum pw_idle policy, uint64_t bound);

/* A turn found work: the ladder begins anew. */
void idle_found_work(struct idle *i);

/* Wait for an event, however long. */
#define IDLE_WAIT UINT64_MAX

/* A turn found none. Returns how long to sleep before the next one, 0: not at all, or IDLE_WAIT. */
uint64_t idle_step(struct idle *i, uint64_t now);

/* Before a sleep: true where idle_cpu_time() has to be told of the thread's CPU time. */
bool idle_wants_cpu_time(const struct idle *i);
void idle_cpu_time(struct idle *i, uint64_t used);

/* After a sleep. */
void idle_slept(struct idle *i);

/* After a wait that has cost so much CPU time, and has ended so long after its time was out. */
void idle_waited(struct idle *i, uint64_t cost);
void idle_woke_late(struct idle *i, uint64_t late);

#endif
