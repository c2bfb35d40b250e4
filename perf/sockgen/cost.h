/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SOCKGEN_COST_H
#define SOCKGEN_COST_H

/*
 * What a forwarder costs: the time of the CPU on which it and all interrupts of its sockets run,
 * as the kernel accounts it, between two moments.
 */

#include <stdint.h>
#include <stdio.h>

#include "args.h"

/* Fields of a row of /proc/stat, proc(5). */
#define COST_TICKS(X)                                                                              \
	X(user)                                                                                    \
	X(nice)                                                                                    \
	X(system)                                                                                  \
	X(idle)                                                                                    \
	X(iowait)                                                                                  \
	X(irq)                                                                                     \
	X(softirq)                                                                                 \
	X(steal)

enum {
#define COST_TICK_ENUM(name) COST_##name,
	COST_TICKS(COST_TICK_ENUM)
#undef COST_TICK_ENUM
		COST_NB_TICKS
};

struct cost {
	uint64_t now; /* ns */
	uint64_t tick[COST_NB_TICKS];
	uint64_t processes; /* ns on a CPU */
	uint64_t dropped;   /* frames that a CPU's queue had no room for */
};

/* Read it. */
void cost_read(struct cost *c, const struct args *a);

/* As a row of JSON. */
void cost_print(FILE *f, const struct cost *from, const struct cost *to, const struct args *a);

#endif
