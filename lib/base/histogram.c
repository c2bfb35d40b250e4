/* SPDX-License-Identifier: BSD-3-Clause */
#include <rte_common.h>

#include <pubwire/base/histogram.h>

#define SUB (1u << PW_HIST_SUB_BITS)

/* One lcore writes; the plain loads of the writer need no order, the stores must not tear. */
static inline void
add(uint64_t *to, uint64_t n)
{
	__atomic_store_n(to, __atomic_load_n(to, __ATOMIC_RELAXED) + n, __ATOMIC_RELAXED);
}

static inline uint32_t
bucket_of(uint64_t ns)
{
	uint32_t shift;

	if (ns < SUB)
		return (uint32_t)ns;
	if (ns >> 40 != 0)
		return PW_HIST_BUCKETS - 1;
	shift = 63 - (uint32_t)__builtin_clzll(ns) - PW_HIST_SUB_BITS;
	return ((shift + 1) << PW_HIST_SUB_BITS) + (uint32_t)((ns >> shift) & (SUB - 1));
}

uint64_t
pw_hist_edge(uint32_t b)
{
	uint32_t shift;

	if (b < SUB)
		return b;
	if (b == PW_HIST_BUCKETS - 1)
		return UINT64_MAX;
	shift = (b >> PW_HIST_SUB_BITS) - 1;
	return (((uint64_t)SUB + (b & (SUB - 1)) + 1) << shift) - 1;
}

void
pw_hist_record_many(struct pw_hist *h, uint64_t ns, uint64_t n)
{
	add(&h->bucket[bucket_of(ns)], n);
	add(&h->count, n);
	add(&h->sum, n * ns);
	if (ns > h->max)
		__atomic_store_n(&h->max, ns, __ATOMIC_RELAXED);
}

void
pw_hist_record(struct pw_hist *h, uint64_t ns)
{
	pw_hist_record_many(h, ns, 1);
}

void
pw_hist_merge(struct pw_hist *into, const struct pw_hist *from)
{
	uint64_t max = __atomic_load_n(&from->max, __ATOMIC_RELAXED);

	for (uint32_t b = 0; b < PW_HIST_BUCKETS; b++)
		add(&into->bucket[b], __atomic_load_n(&from->bucket[b], __ATOMIC_RELAXED));
	add(&into->count, __atomic_load_n(&from->count, __ATOMIC_RELAXED));
	add(&into->sum, __atomic_load_n(&from->sum, __ATOMIC_RELAXED));
	if (max > into->max)
		__atomic_store_n(&into->max, max, __ATOMIC_RELAXED);
}

uint64_t
pw_hist_quantile(const struct pw_hist *h, uint32_t permyriad)
{
	uint64_t max = __atomic_load_n(&h->max, __ATOMIC_RELAXED);
	uint64_t total = 0, seen = 0, rank;

	/* Not h->count: it may be ahead of the buckets that a concurrent writer has touched. */
	for (uint32_t b = 0; b < PW_HIST_BUCKETS; b++)
		total += __atomic_load_n(&h->bucket[b], __ATOMIC_RELAXED);
	if (total == 0)
		return 0;
	permyriad = RTE_MIN(permyriad, 10000u);
	/* ceil(total * share), in two parts so that the product can't overflow */
	rank = total / 10000 * permyriad + (total % 10000 * permyriad + 9999) / 10000;
	rank = RTE_MAX(rank, UINT64_C(1));
	for (uint32_t b = 0; b < PW_HIST_BUCKETS; b++) {
		seen += __atomic_load_n(&h->bucket[b], __ATOMIC_RELAXED);
		if (seen >= rank)
			return RTE_MIN(pw_hist_edge(b), max);
	}
	return max;
}
