/* SPDX-License-Identifier: BSD-3-Clause */
#include <assert.h>
#include <stdlib.h>

#include "stats.h"

static int
by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

void
micro_sort(double *v, uint32_t n)
{
	qsort(v, n, sizeof(*v), by_value);
}

double
micro_quantile(const double *sorted, uint32_t n, double share)
{
	double at = share * (n - 1);
	uint32_t below = (uint32_t)at;

	assert(n > 0 && share >= 0 && share <= 1);
	if (below + 1 >= n)
		return sorted[n - 1];
	return sorted[below] + (at - below) * (sorted[below + 1] - sorted[below]);
}

struct micro_stats
micro_stats(double *v, uint32_t n)
{
	micro_sort(v, n);
	return (struct micro_stats){
		.median = micro_quantile(v, n, 0.5),
		.least = v[0],
		.greatest = v[n - 1],
		.p10 = micro_quantile(v, n, 0.1),
		.p90 = micro_quantile(v, n, 0.9),
	};
}
