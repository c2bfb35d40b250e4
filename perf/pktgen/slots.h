/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PKTGEN_SLOTS_H
#define PKTGEN_SLOTS_H

/*
 * Latencies by when messages were due, in slots of a millisecond: for who knows when the machine
 * ran something else, and wants to see the other messages apart. 16 linear steps in each power of
 * two, so that a reading is at most a sixteenth above the value, up to 17 s.
 */

#include <stdint.h>
#include <stdio.h>

#define SLOTS_NS	   UINT64_C(1000000)
#define SLOTS_SECONDS	   30 /* that can be measured so: 60 MB of them */
#define SLOTS_STEP_BITS	   4
#define SLOTS_LONGEST_BITS 34
#define SLOTS_BUCKETS	   ((SLOTS_LONGEST_BITS - SLOTS_STEP_BITS + 1) << SLOTS_STEP_BITS)

#define SLOTS_PAUSES	   65536
#define SLOTS_PAUSE_NS	   UINT64_C(50000) /* of a turn without work: a hundred times what it takes */

struct slots_pause {
	uint64_t from, to; /* ns since the first slot began */
};

struct slots {
	uint32_t n;
	uint64_t from, to; /* CLOCK_MONOTONIC, ns: the first begins, the last has ended */
	uint64_t ns;	   /* between them by our clock: EAL rounds its frequency */
	uint32_t (*count)[SLOTS_BUCKETS];
	uint32_t nb_pauses;
	struct slots_pause pause[SLOTS_PAUSES];
};

/* For so many ns. NULL where there is no memory. */
struct slots *slots_create(uint64_t ns);
void slots_destroy(struct slots *s);

/* The first slot begins, and the last one has ended, so many ns later by our clock, at the time of
 * the call. */
void slots_begin(struct slots *s);
void slots_end(struct slots *s, uint64_t ns);

/* A message that was due so many ns after the first slot began. */
void slots_record(struct slots *s, uint64_t due, uint64_t latency);

/*
 * A turn that found nothing to do has lasted so long: who takes the time and does not poll is the
 * machine. At most as many as there is room for.
 */
void slots_pause(struct slots *s, uint64_t from, uint64_t to);

/* Largest latency that counts in a bucket (ns). */
uint64_t slots_edge(uint32_t bucket);

/* "FROM TO SLOT", for each slot with messages its number and "LATENCY:COUNT ...", and "pause FROM
 * TO" for each of these; all in ns, and by CLOCK_MONOTONIC. */
void slots_print(FILE *f, const struct slots *s);

#endif
