/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TEST_TCP_SIM_CHECK_H
#define TEST_TCP_SIM_CHECK_H

/**
 * @file
 * What every segment of a simulated history must obey, whatever the wire does: numbers without
 * gaps, nothing beyond the window that was heard (save a probe's one byte, and never a bare ACK),
 * no right edge that shrinks, no segment above the MSS, and at each place of a stream always the
 * same byte.
 *
 * Stack 0 opens, stack 1 accepts; a connection is named by the opener's port.
 */

#include <stdbool.h>
#include <stdint.h>

#include "sim_wire.h"

#define CHECK_CONNS 8

/** What one side of a connection has sent and heard. */
struct check_side {
	bool syn_sent;
	bool has_ws;
	bool heard; /* a segment of the other side has arrived */
	bool acked; /* it has sent an ACK */
	bool fin_sent;
	uint8_t ws;
	uint16_t mss; /* that it offered; 536 where it did not */
	uint32_t iss;
	uint32_t other_iss;  /* the number before, where a SYN|ACK went out under a newer secret */
	uint32_t end;	     /* one past the highest number sent */
	uint32_t fin;	     /* number of its FIN */
	uint32_t una;	     /* highest acknowledgement that has arrived, */
	uint64_t una_at;     /* when, */
	uint32_t una_before; /* and before that time: a burst is read segment by segment */
	uint32_t ack;	     /* last acknowledgement sent */
	uint32_t edge;	     /* highest right edge offered */
	uint32_t heard_edge; /* highest right edge that has arrived */
};

struct check_conn {
	uint16_t port;
	struct check_side side[2];
};

struct check {
	struct check_conn conn[CHECK_CONNS];
	uint32_t nb_conns;
	uint16_t mtu;
	bool verbose;
	uint64_t segments;
	char fault[256]; /* the first rule that was broken; empty: none */
};

void check_init(struct check *k, uint16_t mtu, bool verbose);

/** Taps of the wire; ctx is the struct check. */
void check_sent(struct check *k, uint32_t stack, const struct pw_flow *flow,
		const struct tcp_seg *seg, uint64_t now);
void check_arrives(struct check *k, uint32_t stack, const struct pw_flow *flow,
		   const struct tcp_seg *seg, uint64_t now);

/** Stream that stack `from` sends on the connection with this port. */
static inline uint32_t
check_stream(uint16_t port, uint32_t from)
{
	return port * 2u + from;
}

/** Write n bytes of a stream from an offset. */
void check_fill(uint32_t stream, uint32_t off, uint8_t *p, uint32_t n);

/** True where p holds the n bytes of a stream at an offset. */
bool check_same(uint32_t stream, uint32_t off, const uint8_t *p, uint32_t n);

#endif
