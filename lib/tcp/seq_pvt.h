/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PUBWIRE_TCP_SEQ_PVT_H
#define PUBWIRE_TCP_SEQ_PVT_H

/**
 * @file
 * Arithmetic modulo 2^32 (RFC 9293 3.4): sequence numbers, timestamps (RFC 7323 3) and the
 * millisecond clock of the timers all wrap, and are compared by the sign of their difference.
 */

#include <stdbool.h>
#include <stdint.h>

static inline bool
seq_lt(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) < 0;
}

static inline bool
seq_le(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) <= 0;
}

static inline bool
seq_gt(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) > 0;
}

static inline bool
seq_ge(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) >= 0;
}

static inline uint32_t
seq_max(uint32_t a, uint32_t b)
{
	return seq_lt(a, b) ? b : a;
}

/** b - a where b is ahead of a, else 0. */
static inline uint32_t
seq_ahead(uint32_t a, uint32_t b)
{
	return seq_lt(a, b) ? b - a : 0;
}

#endif
