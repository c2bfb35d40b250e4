/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PUBWIRE_BASE_BUCKET_H
#define PUBWIRE_BASE_BUCKET_H

/**
 * @file
 * A refilling allowance: so many a second, and a second's worth is the most that gathers. One
 * lcore's; time is an argument.
 */

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/** An allowance; {.tokens = N, .rate = N} starts it full. */
struct pw_bucket {
	uint64_t filled; /**< ns: the time up to which tokens have been added */
	uint32_t tokens;
	uint32_t rate; /**< tokens a second, at least 1 */
};

/** Take up to so many tokens; returns how many there were. */
static inline uint32_t
pw_bucket_take(struct pw_bucket *b, uint32_t want, uint64_t now)
{
	const uint64_t second = UINT64_C(1000000000);
	uint64_t gap = now > b->filled ? now - b->filled : 0;

	if (gap >= second) {
		b->tokens = b->rate;
		b->filled = now;
	} else {
		uint64_t more = gap * b->rate / second, all = b->tokens + more;

		b->tokens = all < b->rate ? (uint32_t)all : b->rate;
		b->filled += more * second / b->rate;
	}
	want = want < b->tokens ? want : b->tokens;
	b->tokens -= want;
	return want;
}

/** Give back what was taken and not used. */
static inline void
pw_bucket_give(struct pw_bucket *b, uint32_t unused)
{
	b->tokens += unused;
}

#ifdef __cplusplus
}
#endif

#endif
