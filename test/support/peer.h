/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TEST_SUPPORT_PEER_H
#define TEST_SUPPORT_PEER_H

/**
 * @file
 * The far end of a link: a wire and a TCP stack of their own behind a pair of rings, whose other
 * ends are the queues of a net_ring port. Frames cross as the sender made them, buffers and all.
 */

#include <stdbool.h>
#include <stdint.h>

#include <rte_ring.h>

#include <pubwire/tcp/tcp.h>
#include <pubwire/wire/wire.h>

#define PEER_MAX_QUEUES 4

struct peer {
	struct pw_port port; /* of the far end: no device behind it */
	struct pw_wire *wire;
	struct pw_tcp *tcp;
	const struct pw_mem *mem;
	uint32_t queues;
	struct rte_ring *to_near[PEER_MAX_QUEUES];   /* the near port's RX queues */
	struct rte_ring *from_near[PEER_MAX_QUEUES]; /* the near port's TX queues */
	char near_device[64];
	uint32_t spread;  /* frames sent so far, for the choice of a queue */
	uint64_t data_in; /* TCP frames that came over, control segments included */
	bool unplugged;	  /* everything sent either way is lost */
	uint32_t cut; /* what is sent comes in fragments of so many bytes, the last first; 0: whole
		       */
	uint32_t identification; /* of the latest that was cut */
	struct pw_tcp_hooks hooks;
};

/** Rings, the near device (named near_device after the call), stacks with these addresses (/16). */
void peer_create(struct peer *p, const char *name, uint32_t queues, const char *const *addrs,
		 uint32_t nb_addrs, const struct pw_mem *mem, uint64_t now);

/** One turn of the far end. */
void peer_turn(struct peer *p, uint64_t now);

/** Stacks first; the rings go once the near port is closed. */
void peer_destroy_stacks(struct peer *p);
void peer_destroy_rings(struct peer *p);

#endif
