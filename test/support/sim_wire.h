/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TEST_SUPPORT_SIM_WIRE_H
#define TEST_SUPPORT_SIM_WIRE_H

/**
 * @file
 * Several TCP stacks under virtual time, joined by a seeded wire that loses, duplicates, delays and
 * reorders. Everything that happens follows from the seed.
 *
 * Stack i has the address 10.0.0.(i + 1). A segment is a chain as the stack's output hook gives
 * it; it reaches the other stack as one buffer with Ethernet and IPv4 in front.
 */

#include <stdbool.h>
#include <stdint.h>

#include <pubwire/tcp/tcp.h>

#include "sim_rng.h"
#include "tcp_seg.h"

#define SIM_MAX_STACKS	4
#define SIM_MAX_PACKETS 4096
#define SIM_NEVER	UINT64_MAX

#define SIM_US		UINT64_C(1000)
#define SIM_MS		UINT64_C(1000000)
#define SIM_S		UINT64_C(1000000000)

struct sim_wire;

/** How the wire behaves. Chances are per mille. */
struct sim_wire_conf {
	uint64_t seed;
	const struct pw_mem *mem;
	uint64_t delay_ns;	/**< one way */
	uint64_t jitter_ns;	/**< up to this on top, order kept */
	uint32_t loss;		/**< chance that a packet is lost */
	uint32_t dup;		/**< chance that it arrives twice */
	uint32_t reorder;	/**< chance that it takes up to four delays more and is overtaken */
	uint64_t down_every_ns; /**< 0: the link never goes down */
	uint64_t down_for_ns;	/**< at the start of each such period every packet is lost */
	uint16_t mtu;
	uint16_t max_segs;
	bool hold_tx; /**< sent chains stay with the driver until their packet arrives */
};

/** Observers; called for every segment that a stack sends (lost ones too) and that it is given. */
struct sim_wire_taps {
	void *ctx;
	void (*sent)(void *ctx, uint32_t stack, const struct pw_flow *flow,
		     const struct tcp_seg *seg, uint64_t now);
	void (*arrives)(void *ctx, uint32_t stack, const struct pw_flow *flow,
			const struct tcp_seg *seg, uint64_t now);
	/** The application: called when its time has come, returns the next (SIM_NEVER: none). */
	uint64_t (*app)(void *ctx, uint64_t now);
};

/** A packet on its way. */
struct sim_packet {
	uint64_t at;
	uint64_t serial; /**< packets due at one time arrive in the order they were sent */
	struct rte_mbuf *m;
	struct pw_flow flow; /**< as the sender names it */
	uint32_t to;
};

/** One stack's place at the wire. */
struct sim_port {
	struct sim_wire *wire;
	struct pw_tcp *tcp;
	uint64_t last; /**< time at which the last packet towards it arrives */
};

struct sim_wire {
	struct sim_wire_conf conf;
	struct sim_wire_taps taps;
	struct sim_rng rng;
	uint64_t now;
	uint64_t app_next;
	struct sim_port port[SIM_MAX_STACKS];
	uint32_t nb_ports;
	struct sim_packet heap[SIM_MAX_PACKETS];
	uint32_t nb_packets;
	uint64_t serial;
	uint64_t sent;
	uint64_t lost;
	const char *fault; /**< the first thing that a stack did that no wire could accept */
};

/** Start an empty wire at time `now`. */
void sim_wire_init(struct sim_wire *w, const struct sim_wire_conf *conf, uint64_t now);

/** Address of stack i. */
struct pw_addr sim_wire_addr(uint32_t i);

/** Add a stack: hooks, memory and (where zero) seed are filled in conf. NULL with rte_errno. */
struct pw_tcp *sim_wire_add(struct sim_wire *w, struct pw_tcp_conf *conf);

/** Go to the next event and let everybody act. False where nothing will ever happen. */
bool sim_wire_step(struct sim_wire *w);

/** Let every stack act now: the application has called some of them from outside. */
void sim_wire_settle(struct sim_wire *w);

/** Step until `until`, or until nothing is left, or until max steps are taken (false). */
bool sim_wire_run(struct sim_wire *w, uint64_t until, uint32_t max);

/** Destroy the stacks and free what is on its way. */
void sim_wire_fini(struct sim_wire *w);

#endif
