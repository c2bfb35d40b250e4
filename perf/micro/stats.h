/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PERF_MICRO_STATS_H
#define PERF_MICRO_STATS_H

#include <stdint.h>

struct micro_stats {
	double median, least, greatest;
	double p10, p90;
};

/* The value below which a share of 0..1 of the values lies, between neighbours in proportion.
 * The values are in order, and there is one. */
double micro_quantile(const double *sorted, uint32_t n, double share);

/* Puts the values, at least one, in order. */
void micro_sort(double *v, uint32_t n);

/* Of at least one value; puts them in order. */
struct micro_stats micro_stats(double *v, uint32_t n);

#endif
