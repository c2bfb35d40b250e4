/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PW_WIRE_NEIGH_PVT_H
#define PW_WIRE_NEIGH_PVT_H

/*
 * The neighbour table. Entries lie in an array and never move; an index of twice their number,
 * open addressed, finds them. Each state has one time-out, so the entries of a state, queued in the
 * order in which they entered it, are in the order of their deadlines: the clock looks at queue
 * heads only.
 */

#include <stdint.h>

#include <rte_ether.h>
#include <rte_mbuf.h>

#include <pubwire/base/addr.h>

/*
 * States, with how long one lasts (ms). INCOMPLETE and PROBE: a request is out, repeated at each
 * time-out (RFC 1122 2.3.2.1 wants at most one a second). REACHABLE: it has answered us within the
 * last minute. STALE: its address is known but old, or it was it that spoke first; used as it is,
 * and its use asks it directly. FAILED: it did not answer; packets for it are refused for a moment.
 */
#define NEIGH_STATES(X)                                                                            \
	X(INCOMPLETE, 1000)                                                                        \
	X(REACHABLE, 60000)                                                                        \
	X(STALE, 600000)                                                                           \
	X(PROBE, 1000)                                                                             \
	X(FAILED, 1000)

#define NEIGH_ENUM(state, ms) NEIGH_##state,
enum neigh_state { NEIGH_STATES(NEIGH_ENUM) NEIGH_STATE_MAX };
#undef NEIGH_ENUM

#define NEIGH_TRIES 3 /* requests before a neighbour counts as silent */
#define NEIGH_NONE  UINT32_MAX

struct neigh {
	struct pw_addr ip;
	uint64_t deadline; /* ns */
	uint32_t iface;
	uint32_t prev; /* in the queue of its state; the free list uses next alone */
	uint32_t next;
	struct rte_ether_addr mac;
	uint8_t state; /* enum neigh_state */
	uint8_t tries; /* requests sent since the last answer */
	uint32_t held; /* frames in its hold queue */
};

struct neigh_queue {
	uint32_t head;
	uint32_t tail;
};

struct neigh_table {
	struct neigh *entry;
	uint32_t *slot;		/* entry + 1, 0: empty */
	struct rte_mbuf **hold; /* hold_max for each entry */
	uint32_t count;
	uint32_t slot_mask;
	uint32_t hold_max;
	uint32_t free; /* head of the free list */
	uint32_t seed;
	struct neigh_queue queue[NEIGH_STATE_MAX];
};

#endif
