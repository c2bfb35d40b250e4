/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PERF_MICRO_TCP_RIG_H
#define PERF_MICRO_TCP_RIG_H

/*
 * A TCP stack alone: peers are frames made beforehand, what it sends is freed at once, time passes
 * as the bench says. No driver, no lib/wire, no payload touched.
 */

#include <pubwire/base/pool.h>
#include <pubwire/tcp/tcp.h>

#include "micro.h"
#include "tcp_seg.h"

#define RIG_MSS 1448 /* with timestamps, of 1500 */
#define RIG_MS	UINT64_C(1000000)

/* The far end of a connection, and ours. */
struct rig_end {
	struct pw_tcp_conn *conn;
	struct pw_addr addr;
	uint32_t seq; /* the peer's next */
	uint32_t ack; /* ours */
	uint32_t ts;  /* our timestamp clock at time 0 */
};

struct rig {
	struct pw_mem mem;
	struct pw_tcp *tcp;
	struct rig_end *end;
	uint32_t nb_ends, max_ends;
	uint64_t now;
	uint64_t sent; /* segments */
};

extern struct rig rig;

/* A stack for so many connections, with so many packet buffers. */
void rig_start(uint32_t max_conns, uint32_t buffers);
/* And its end: every buffer is back. */
void rig_stop(void);

/* Connections until there are so many. */
void rig_open(uint32_t conns);

/* A segment of a peer's, without payload where len is 0; its sequence number goes on by len. */
struct rte_mbuf *rig_segment(struct rig_end *e, uint16_t len);
/* A bare acknowledgement with a SACK block. */
struct rte_mbuf *rig_sack(struct rig_end *e, uint32_t left, uint32_t right);

/* A turn of the worker: input, upcalls, timers, output. */
void rig_turn(struct rte_mbuf **m, uint32_t n);

#endif
