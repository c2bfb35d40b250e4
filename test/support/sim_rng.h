/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TEST_SUPPORT_SIM_RNG_H
#define TEST_SUPPORT_SIM_RNG_H

#include <stdbool.h>
#include <stdint.h>

/** A seeded state; the same seed gives the same history. */
struct sim_rng {
	uint64_t s;
};

/** Next 64 bits: a counter stepped by the golden ratio, then mixed. */
static inline uint64_t
sim_rng_next(struct sim_rng *r)
{
	uint64_t z = r->s += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

/** A value below n; 0 where n is 0. */
static inline uint32_t
sim_rng_below(struct sim_rng *r, uint32_t n)
{
	return n == 0 ? 0 : (uint32_t)(((sim_rng_next(r) >> 32) * n) >> 32);
}

/** A value of lo .. hi. */
static inline uint32_t
sim_rng_range(struct sim_rng *r, uint32_t lo, uint32_t hi)
{
	return lo + sim_rng_below(r, hi - lo + 1);
}

/** True in per_mille of a thousand cases. */
static inline bool
sim_rng_chance(struct sim_rng *r, uint32_t per_mille)
{
	return sim_rng_below(r, 1000) < per_mille;
}

#endif
