/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PKTGEN_FLOOD_H
#define PKTGEN_FLOOD_H

/*
 * Frames without state, numbered and stamped: from one port to the other through whatever passes
 * frames on, to know what the ports and the path take; or connection requests that nobody will
 * complete.
 */

#include <stdbool.h>
#include <stdint.h>

#include <pubwire/base/histogram.h>

#include "clock.h"
#include "net.h"
#include "options.h"
#include "order.h"

struct flood {
	const struct options *o;
	struct pw_mem mem;
	struct net out, in;
	struct order order;
	struct order_counts counts;
	uint8_t head[64];
	uint32_t head_len;
	uint32_t seq;	   /* of the next frame */
	uint32_t first;	   /* number of the first that a rate asks for */
	uint64_t begun;	   /* ns; that one is due, 0: not yet known */
	uint64_t came;	   /* frames of ours, or answers */
	uint64_t strange;  /* other frames, or changed ones */
	uint64_t starved;  /* turns without a buffer */
	uint64_t from, to; /* ns; what was sent between is measured */
	uint64_t sent_then, came_then;
	uint64_t busy_cycles, total_cycles;
	bool linked; /* the other end is there */
	struct pw_hist latency;
};

/* Frames that are due by the clock and have not left. */
static inline uint64_t
flood_owed(const struct flood *f, uint64_t now)
{
	/* The first is due when it begins. */
	uint64_t due = (uint64_t)((double)(now - f->begun) * (double)f->o->rate / CLOCK_S) + 1;
	uint32_t sent = f->seq - f->first;

	return due > sent ? due - sent : 0;
}

/* When the next frame was to leave: with a rate by the clock, so that a wait of ours counts. */
static inline uint64_t
flood_due(const struct flood *f, uint64_t now)
{
	double step = (double)CLOCK_S / (double)f->o->rate;
	uint64_t due;

	if (f->o->rate == 0 || f->begun == 0)
		return now;
	due = f->begun + (uint64_t)((f->seq - f->first) * step);
	return due < now ? due : now;
}

/* 0 or -1 with a line on stderr. */
int flood_create(struct flood *f, const struct options *o);
void flood_run(struct flood *f, const bool *stop);
/* True where every frame came; a SYN flood expects nothing. */
bool flood_clean(const struct flood *f);
int flood_report(const struct flood *f);
/* -1 where a buffer is missing. */
int flood_destroy(struct flood *f);

#endif
