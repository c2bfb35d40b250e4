/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PUBWIRE_BASE_HISTOGRAM_H
#define PUBWIRE_BASE_HISTOGRAM_H

/**
 * @file
 * Log-linear histogram of durations: 32 linear steps in each power of two, so that a reading is at
 * most 1/32 (3.2 %) above the recorded value, from 1 ns to 2^40 ns (18 minutes; longer ones count
 * in a last bucket of their own). One lcore records; any thread may read or merge.
 */

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define PW_HIST_SUB_BITS 5
#define PW_HIST_BUCKETS	 (((40 - PW_HIST_SUB_BITS + 1) << PW_HIST_SUB_BITS) + 1)

/** Counts per bucket. Zeroed memory is an empty histogram. */
struct pw_hist {
	uint64_t count;
	uint64_t sum; /**< ns */
	uint64_t max; /**< ns */
	uint64_t bucket[PW_HIST_BUCKETS];
};

/** Record one duration (ns). */
void pw_hist_record(struct pw_hist *h, uint64_t ns);

/** Record the same duration (ns) n times; n is not 0. */
void pw_hist_record_many(struct pw_hist *h, uint64_t ns, uint64_t n);

/** Largest duration (ns) that counts in a bucket; UINT64_MAX of the last one, which has no edge. */
uint64_t pw_hist_edge(uint32_t bucket);

/** Add the counts of one histogram to another. */
void pw_hist_merge(struct pw_hist *into, const struct pw_hist *from);

/**
 * Value below or at which the given share of the recorded durations lies.
 *
 * @param permyriad  share in 1/10000: 5000 is the median, 9900 is p99, 10000 the maximum
 * @return           ns, upper edge of the bucket (never above max); 0 where nothing was recorded
 */
uint64_t pw_hist_quantile(const struct pw_hist *h, uint32_t permyriad);

#ifdef __cplusplus
}
#endif

#endif
