/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TEST_SUPPORT_HISTORIES_H
#define TEST_SUPPORT_HISTORIES_H

#include <stdbool.h>
#include <stdint.h>

/**
 * @file
 * A program that plays histories of a simulated world by their seeds: a range of them as a test,
 * one aloud, or fresh ones for as long as asked.
 *
 *     PROGRAM FIRST LAST                     the seeds of a range, as a test
 *     PROGRAM --replay SEED [FILE]           one seed, in words; its capture in FILE, if it has one
 *     PROGRAM --soak SECONDS FIRST STRIDE    every STRIDE-th seed, sums at the end
 */

/** How one went. */
struct history {
	bool good;
	const char *fault; /**< what was broken, where it is not good */
	uint64_t digest;   /**< of all that happened */
	uint32_t steps;
	uint64_t ns; /**< virtual time that went by */
};

/** A world whose course follows from a seed alone. */
struct histories {
	const char *replay; /**< the option of scripts/soak that replays a seed of it */
	bool captures;	    /**< it can write a capture */
	/** Once in a process; 0 or not. EAL has begun. */
	int (*start)(void);
	void (*stop)(void);
	/** Play one; aloud says what happens, to a capture too where one is named. */
	struct history (*play)(uint64_t seed, bool aloud, const char *capture);
	/** Played so far, and segments in them. */
	void (*so_far)(uint64_t *histories, uint64_t *segments);
	/** Print lines "sum NAME NUMBER", which scripts/soak adds up over its processes. */
	void (*print_sums)(void);
};

/** What main() returns. */
int histories_main(const struct histories *h, int argc, char **argv);

#endif
