/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PUBWIRE_BASE_STAGE_H
#define PUBWIRE_BASE_STAGE_H

/**
 * @file
 * Where a worker's cycles go, by stage of a message's path, for measuring: counted only in builds
 * with -Dstages=true (PW_STAGE_COUNTERS), where each change of stage reads the TSC. In others all
 * of this compiles to nothing.
 *
 * A thread is in one stage at a time, and what is called inside another counts for itself alone:
 *
 *     uint32_t was = pw_stage_enter(PW_STAGE_WIRE_OUT);
 *     ...
 *     pw_stage_leave(was);
 *
 * A turn's cycles are added up when it ends, for turns that found work apart from those that did
 * not.
 */

#include <stdbool.h>
#include <stdint.h>

#include <rte_cycles.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Stages: field, what belongs to it. The first is where a turn begins and ends. */
#define PW_STAGE_LIST(X)                                                                           \
	X(HOUSEKEEPING, housekeeping, "the loop, its clock, other workers, the kernel's ports")    \
	X(RX_BURST, rx_burst, "drivers that receive, and steering")                                \
	X(WIRE_IN, wire_in, "Ethernet, IP and checksums of received frames, ARP, ND, ICMP")        \
	X(TCP_IN, tcp_in, "look-up of the connection, TCP's state, its receive queue")             \
	X(SESSION, session, "upcalls: framing, decoding, routes; what brokers send")               \
	X(APPEND, append, "the log takes a message: references or a copy, its entry")              \
	X(PULL, pull, "cursors fill send queues; completions; entries given back")                 \
	X(TCP_OUT, tcp_out, "segments, acknowledgements and the timers of connections")            \
	X(WIRE_OUT, wire_out, "IP and Ethernet of frames to send, checksums, neighbours")          \
	X(TX_BURST, tx_burst, "drivers that send")                                                 \
	X(TIMERS, timers, "timers that are due, and the search for them")

#define PW_STAGE_ENUM(id, field, help) PW_STAGE_##id,
enum pw_stage { PW_STAGE_LIST(PW_STAGE_ENUM) PW_STAGES };

/** Name and meaning of a stage. */
struct pw_stage_desc {
	const char *name;
	const char *help;
};

extern const struct pw_stage_desc pw_stage_desc[PW_STAGES];

/** Of one thread, which writes it; others read single words. */
struct pw_stages {
	uint64_t cycles[PW_STAGES]; /**< in turns that found work */
	uint64_t empty;		    /**< cycles of the other turns, and between turns */
	uint64_t switches;	    /**< changes of stage, in turns that found work */
	uint64_t switch_cycles;	    /**< what 1,000 of them cost, back to back */
};

/** What a thread has counted since this was first called on it; NULL in builds without. Any lcore,
 * for itself; any other thread may read it as long as that one lives. */
const struct pw_stages *pw_stages_mine(void);

#ifdef PW_STAGE_COUNTERS

/** The turn of this thread; only the functions below touch it. */
struct pw_stage_clock {
	uint64_t since; /**< TSC at the last change of stage */
	uint32_t stage;
	uint32_t switches;
	uint64_t cycles[PW_STAGES];
};

extern __thread struct pw_stage_clock pw_stage_clock;

/** Go to a stage; returns the one that was left. Any lcore, for its own turn. */
static inline uint32_t
pw_stage_enter(uint32_t stage)
{
	struct pw_stage_clock *c = &pw_stage_clock;
	uint64_t now = rte_rdtsc();
	uint32_t was = c->stage;

	c->cycles[was] += now - c->since;
	c->since = now;
	c->stage = stage;
	c->switches++;
	return was;
}

/** A turn ends. The lcore whose turn it is. */
void pw_stage_turn(bool found_work);

/** Between turns there was a pause: its cycles are nobody's. The lcore that paused. */
void pw_stage_paused(void);

#else

static inline uint32_t
pw_stage_enter(uint32_t stage)
{
	return stage;
}

static inline void
pw_stage_turn(bool found_work)
{
	(void)found_work;
}

static inline void
pw_stage_paused(void)
{
}

#endif

/** Back to the stage that pw_stage_enter() returned, on the same lcore. */
static inline void
pw_stage_leave(uint32_t was)
{
	(void)pw_stage_enter(was);
}

#ifdef __cplusplus
}
#endif

#endif
