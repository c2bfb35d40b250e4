/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TEST_FUZZ_TCP_TARGET_H
#define TEST_FUZZ_TCP_TARGET_H

/**
 * @file
 * A whole stack with a listener, for the fuzzers of TCP. Its peers are what the input says.
 */

#include "sim_wire.h"

#define TARGET_PORT  1883
#define TARGET_PORTS 4	   /**< of the peer, told apart by their lowest bits */
#define PEER_PORT    40000 /* a multiple of TARGET_PORTS */

/** The stack, and what is needed to speak to it. */
struct target {
	struct pw_tcp *t;
	struct pw_tcp_conn *conn; /**< the first that was accepted or opened, NULL once gone */
	uint64_t now;
	uint32_t iss[TARGET_PORTS]; /**< number of the last SYN or SYN|ACK to each port */
};

extern const struct pw_tcp_ops target_ops;

/** A new stack; what a test leaves behind is found by target_end(). */
struct target *target_begin(void);

/** Destroy it; aborts where a buffer is missing. */
void target_end(struct target *g);

/** Give it n bytes that begin with a TCP header, and let it act. */
void target_inject(struct target *g, const uint8_t *tcp, uint32_t n);

/** Upcalls, timers, output. */
void target_settle(struct target *g);

/** Add to the number in network order at p. */
void target_add32(uint8_t *p, uint32_t v);

#endif
