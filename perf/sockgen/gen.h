/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SOCKGEN_GEN_H
#define SOCKGEN_GEN_H

/* One measurement: devices and brokers in one thread, from the first connection to the last
 * message. */

#include <stdbool.h>
#include <stdint.h>

#include "args.h"
#include "broker.h"
#include "client.h"
#include "cost.h"

/* Row: name, text of the line where it begins. */
#define GEN_PHASES(X)                                                                              \
	X(BROKERS, "waiting for the forwarder at the brokers")                                     \
	X(CONNECT, "connecting")                                                                   \
	X(WARMUP, "warming up")                                                                    \
	X(MEASURE, "measuring")                                                                    \
	X(SETTLE, "waiting for the last messages")                                                 \
	X(DONE, "done")

#define GEN_PHASE_ENUM(name, text) GEN_##name,
enum gen_phase { GEN_PHASES(GEN_PHASE_ENUM) };
#undef GEN_PHASE_ENUM

struct gen {
	const struct args *a;
	struct clients clients;
	struct brokers brokers;

	enum gen_phase phase;
	uint64_t now, since, deadline; /* ns; of the phase */
	double pace;		       /* ns; the next message with a rate is due */
	uint64_t progress, came;       /* ns at which something last came, and what had come then */

	/* Of the measured time. */
	struct cost from, to;
	uint64_t sent_before, sent; /* messages */
	uint64_t turns, full_turns; /* in which the window stopped us */
	uint64_t behind;	    /* ns; most that a message left after it was due */
	uint64_t busy_ns;
	double connect_s;
	const char *failure; /* NULL none */
};

/* 0 or -1 with a line on stderr. */
int gen_create(struct gen *g, const struct args *a);
void gen_destroy(struct gen *g);

/* Until it is done, or *stop is set. */
void gen_run(struct gen *g, const bool *stop);

/* Messages that did not arrive where they should; once it is done. */
uint64_t gen_lost(const struct gen *g);

/* True where every message came once, whole and in order. */
bool gen_clean(const struct gen *g);

#endif
