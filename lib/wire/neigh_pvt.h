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

/* Frames that wait: those that we want to send, and those that others can make us send. */
enum hold_kind { HOLD_OURS, HOLD_ANSWERS, HOLD_KINDS };

/* A neighbour's frames of one kind, in the order in which they came. */
struct hold_queue {
	uint32_t head;
	uint32_t tail;
	uint32_t count; /* of none, head and tail mean nothing */
};

struct hold_node {
	struct rte_mbuf *m;
	uint32_t next;	/* of the same neighbour and kind; the free list uses it alone */
	uint32_t older; /* of the same kind */
	uint32_t newer;
	uint32_t neigh; /* index of the entry */
};

/* All frames of a kind. */
struct hold_line {
	uint32_t oldest;
	uint32_t newest;
	uint32_t count;
};

struct hold {
	struct hold_node *node; /* line_max for each kind */
	uint32_t free;
	uint32_t queue_max;
	uint32_t line_max;
	struct hold_line line[HOLD_KINDS];
};

#define NEIGH_TRIES 3 /* requests before a neighbour counts as silent */
#define NEIGH_NONE  UINT32_MAX
#define NEIGH_MANY  4096 /* some 400 KB of entries */

struct neigh {
	struct pw_addr ip;
	uint64_t deadline; /* ns */
	uint64_t tell_at;  /* ns: not before this time are others told what they were told before */
	uint32_t iface;
	uint32_t prev; /* in the queue of its state; the free list uses next alone */
	uint32_t next;
	struct rte_ether_addr mac;
	uint8_t state; /* enum neigh_state */
	uint8_t tries; /* requests sent since the last answer */
	struct hold_queue held[HOLD_KINDS];
};

struct neigh_queue {
	uint32_t head;
	uint32_t tail;
};

struct neigh_table {
	struct neigh *entry;
	uint32_t *slot; /* entry + 1, 0: empty */
	uint32_t count;
	uint32_t slot_mask;
	uint32_t free; /* head of the free list */
	uint32_t seed;
	struct neigh_queue queue[NEIGH_STATE_MAX];
	struct hold hold;
};

struct pw_wire_conf;

/* hold.c */
int wire_hold_init(struct hold *h, const struct pw_wire_conf *conf);
void wire_hold_fini(struct hold *h);
/* Bytes for this many frames. */
size_t wire_hold_bytes(uint32_t total);
/*
 * Hold m, a frame from its network header on, for an entry of t. Takes m. 0; -ENOBUFS where as many
 * wait for this neighbour as may. *drops counts what is dropped: this one, or the oldest of all.
 */
int wire_hold_put(struct hold *h, struct neigh_table *t, struct neigh *e, struct rte_mbuf *m,
		  uint64_t *drops);
/* The next frame that waited for a neighbour; NULL where none is left. */
struct rte_mbuf *wire_hold_take(struct hold *h, struct neigh *e);
/* Drop all that wait for a neighbour; returns how many. */
uint32_t wire_hold_drop(struct hold *h, struct neigh *e);

#endif
