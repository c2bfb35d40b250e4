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
	uint64_t came;	   /* frames of ours, or answers */
	uint64_t strange;  /* other frames, or changed ones */
	uint64_t starved;  /* turns without a buffer */
	uint64_t from, to; /* ns; what was sent between is measured */
	uint64_t sent_then, came_then;
	uint64_t busy_cycles, total_cycles;
	bool linked; /* the other end is there */
	struct pw_hist latency;
};

/* 0 or -1 with a line on stderr. */
int flood_create(struct flood *f, const struct options *o);
void flood_run(struct flood *f, const bool *stop);
/* True where every frame came; a SYN flood expects nothing. */
bool flood_clean(const struct flood *f);
int flood_report(const struct flood *f);
/* -1 where a buffer is missing. */
int flood_destroy(struct flood *f);

#endif
