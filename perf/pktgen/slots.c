/* SPDX-License-Identifier: BSD-3-Clause */
#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include <rte_common.h>
#include <rte_malloc.h>

#include "slots.h"

#define STEPS (1u << SLOTS_STEP_BITS)

struct slots *
slots_create(uint64_t ns)
{
	struct slots *s = rte_zmalloc("slots", sizeof(*s), 64);

	if (s == NULL)
		return NULL;
	s->n = (uint32_t)((ns + SLOTS_NS - 1) / SLOTS_NS);
	s->count = rte_zmalloc("slots", s->n * sizeof(s->count[0]), 64);
	if (s->count != NULL)
		return s;
	rte_free(s);
	return NULL;
}

void
slots_destroy(struct slots *s)
{
	if (s != NULL)
		rte_free(s->count);
	rte_free(s);
}

static uint64_t
monotonic(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * UINT64_C(1000000000) + (uint64_t)t.tv_nsec;
}

void
slots_begin(struct slots *s)
{
	s->from = monotonic();
}

void
slots_end(struct slots *s, uint64_t ns)
{
	s->to = monotonic();
	s->ns = ns;
}

static uint32_t
bucket_of(uint64_t ns)
{
	uint32_t shift;

	if (ns < STEPS)
		return (uint32_t)ns;
	if (ns >> SLOTS_LONGEST_BITS != 0)
		return SLOTS_BUCKETS - 1;
	shift = 63 - (uint32_t)__builtin_clzll(ns) - SLOTS_STEP_BITS;
	return ((shift + 1) << SLOTS_STEP_BITS) + (uint32_t)((ns >> shift) & (STEPS - 1));
}

void
slots_pause(struct slots *s, uint64_t from, uint64_t to)
{
	if (to - from > SLOTS_PAUSE_NS && s->nb_pauses < SLOTS_PAUSES)
		s->pause[s->nb_pauses++] = (struct slots_pause){from, to};
}

uint64_t
slots_edge(uint32_t bucket)
{
	uint32_t shift;

	if (bucket < STEPS)
		return bucket;
	shift = (bucket >> SLOTS_STEP_BITS) - 1;
	return (((uint64_t)STEPS + (bucket & (STEPS - 1)) + 1) << shift) - 1;
}

void
slots_record(struct slots *s, uint64_t due, uint64_t latency)
{
	uint64_t slot = due / SLOTS_NS;

	if (slot < s->n)
		s->count[slot][bucket_of(latency)]++;
}

static void
print_slot(FILE *f, uint32_t slot, const uint32_t *count)
{
	const char *before = "";

	for (uint32_t b = 0; b < SLOTS_BUCKETS; b++) {
		if (count[b] == 0)
			continue;
		if (*before == '\0')
			fprintf(f, "%u", slot);
		before = " ";
		fprintf(f, "%s%" PRIu64 ":%u", before, slots_edge(b), count[b]);
	}
	if (*before != '\0')
		fprintf(f, "\n");
}

void
slots_print(FILE *f, const struct slots *s)
{
	double scale = (double)(s->to - s->from) / (double)RTE_MAX(s->ns, UINT64_C(1));

	fprintf(f, "%" PRIu64 " %" PRIu64 " %.0f\n", s->from, s->to, scale * SLOTS_NS);
	for (uint32_t i = 0; i < s->n; i++)
		print_slot(f, i, s->count[i]);
	for (uint32_t i = 0; i < s->nb_pauses; i++)
		fprintf(f, "pause %" PRIu64 " %" PRIu64 "\n",
			s->from + (uint64_t)(scale * (double)s->pause[i].from),
			s->from + (uint64_t)(scale * (double)s->pause[i].to));
}
