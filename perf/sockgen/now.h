/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SOCKGEN_NOW_H
#define SOCKGEN_NOW_H

/* Nanoseconds of the kernel's clock, read without a system call. */

#include <stdint.h>
#include <time.h>

#define NOW_S UINT64_C(1000000000)

static inline uint64_t
now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * NOW_S + (uint64_t)t.tv_nsec;
}

#endif
