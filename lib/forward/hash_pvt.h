/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PW_FORWARD_HASH_PVT_H
#define PW_FORWARD_HASH_PVT_H

/*
 * A keyed hash of 128 bits (SipHash-2-4 with the long output): client identifiers come from
 * strangers, who must not be able to choose two that collide. Wide enough that equality of hashes
 * stands for equality of identifiers.
 */

#include <stdint.h>

struct pw_hash128 {
	uint64_t w[2];
};

struct pw_hash128 pw_hash128(uint64_t key, const void *data, uint32_t len);

/* Next number of a sequence that a seed starts (SplitMix64). */
static inline uint64_t
pw_random(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9E3779B97F4A7C15);

	z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
	z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
	return z ^ z >> 31;
}

#endif
