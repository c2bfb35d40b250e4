/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PKTGEN_CLOCK_H
#define PKTGEN_CLOCK_H

/* Nanoseconds of the time stamp counter: stamps and their readers are in one process, so it is the
 * same counter. */

#include <stdint.h>

#include <rte_cycles.h>

#define CLOCK_S	 UINT64_C(1000000000)
#define CLOCK_MS UINT64_C(1000000)

extern uint64_t clock_mult; /* ns of a cycle, times 2^32 */

static inline void
clock_init(void)
{
	clock_mult = (uint64_t)(((unsigned __int128)CLOCK_S << 32) / rte_get_tsc_hz());
}

static inline uint64_t
clock_now(void)
{
	return (uint64_t)(((unsigned __int128)rte_rdtsc() * clock_mult) >> 32);
}

#endif
