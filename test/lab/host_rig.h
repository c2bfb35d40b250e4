/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TEST_LAB_HOST_RIG_H
#define TEST_LAB_HOST_RIG_H

/*
 * One TCP stack of pubwire on one port, polled by one lcore, without anything above it: what a
 * worker ties together (lib/worker), with an application of the caller's choice in the place of
 * lib/forward. The port is net_af_packet on an interface of this namespace, which the kernel must
 * have given no address: it would answer too.
 */

#include <stdint.h>

#include <pubwire/tcp/tcp.h>
#include <pubwire/wire/port.h>
#include <pubwire/wire/wire.h>

#define RIG_BURST 32

struct host_rig_conf {
	const char *device; /* interface */
	const char *local;  /* ADDRESS/PREFIX */
	uint32_t window;    /* see pw_tcp_conf.rx_window and tx_queue_bytes, 0: default */
	uint32_t max_ooo;
	uint32_t max_rto;
	uint32_t conns; /* that buffers have to do for */
	uint64_t seed;
};

struct host_rig {
	struct pw_mem mem;
	struct pw_port port;
	struct pw_wire *wire;
	struct pw_tcp *tcp;
	struct pw_wire_addr local;
	struct rte_mbuf *tx[RIG_BURST];
	uint32_t nb_tx;
	uint32_t posted; /* packet buffers that the port holds */
	uint32_t pressure;
	uint64_t turns;
	uint64_t wire_due;
	uint64_t tx_full; /* frames that the port did not take */
	uint64_t low;	  /* times that buffers were short */
};

uint64_t host_clock(void);

/* 0, or -1 with a line on stderr. */
int host_rig_open(struct host_rig *r, const struct host_rig_conf *conf);

/* One turn of the loop up to the application's own work; packets and timers that were handled. */
uint32_t host_rig_turn(struct host_rig *r, uint64_t now);

/* What the turn and the application have made due leaves. */
void host_rig_flush(struct host_rig *r, uint64_t now);

/* Ends everything; true where every buffer is back in its pool. */
bool host_rig_close(struct host_rig *r);

#endif
