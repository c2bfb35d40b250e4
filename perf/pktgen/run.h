/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PKTGEN_RUN_H
#define PKTGEN_RUN_H

/* One measurement: devices and brokers on one lcore, from the first SYN to the last FIN. */

#include <stdbool.h>
#include <stdint.h>

#include <pubwire/base/pool.h>
#include <pubwire/tcp/tcp.h>

#include "device.h"
#include "net.h"
#include "options.h"
#include "sink.h"

/* Row: name, text of the line of progress. */
#define RUN_PHASES(X)                                                                              \
	X(LINK, "waiting for pubwire's port")                                                      \
	X(BROKERS, "waiting for pubwire at the brokers")                                           \
	X(CONNECT, "connecting")                                                                   \
	X(WARMUP, "warming up")                                                                    \
	X(MEASURE, "measuring")                                                                    \
	X(SETTLE, "waiting for the last messages")                                                 \
	X(LEAVE, "disconnecting")                                                                  \
	X(CLOSE, "closing the brokers' connections")                                               \
	X(DONE, "done")

#define RUN_PHASE_ENUM(name, text) RUN_##name,
enum run_phase { RUN_PHASES(RUN_PHASE_ENUM) };
#undef RUN_PHASE_ENUM

struct run {
	const struct options *o;
	struct pw_mem mem;
	struct net devices_net, brokers_net;
	struct pw_tcp *devices_tcp, *brokers_tcp;
	struct devices devices;
	struct sink sink;

	enum run_phase phase;
	uint64_t now, since; /* ns; of the phase */
	uint64_t deadline;   /* ns; of the phase */
	uint64_t pace;	     /* ns; the next message with a rate is due */
	uint64_t progress;   /* ns; something last came in the phase */
	uint64_t came;	     /* what had come then */

	/* Of the measured time. */
	uint64_t measured_ns;
	uint64_t sent_before, sent; /* messages */
	uint64_t turns, full_turns; /* in which the window, or pubwire's, stopped us */
	uint64_t behind;	    /* ns; most that a message left after it was due */
	uint64_t busy_cycles, total_cycles;

	double connect_s; /* from the first SYN to the last CONNACK */
	uint32_t peak_up;
	char failure[160]; /* why it ended early */
};

/* Ports, stacks, devices and brokers. 0 or -1 with a line on stderr. */
int run_create(struct run *r, const struct options *o);

/* Until it is done, or *stop is set. 0; or -1 where it ended early (r->failure). */
int run_measure(struct run *r, const bool *stop);

/* Give everything back. -1 where a buffer is missing. */
int run_destroy(struct run *r);

const char *run_phase_str(enum run_phase phase);

/* Deliveries that should come of what was sent. */
static inline uint64_t
run_copies(const struct run *r)
{
	return r->o->fanout_one ? 1 : r->o->brokers;
}

/* Messages that did not arrive where they should; once it is done. */
uint64_t run_lost(const struct run *r);

#endif
