/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PKTGEN_LITE_H
#define PKTGEN_LITE_H

/*
 * The TCP of devices where the generator has to be faster than what it measures (--tcp light): on
 * the wire it does what lib/tcp does on a path without loss (timestamps, window scale, delayed
 * acknowledgements), and what it lacks costs its devices time, never bytes: no congestion control,
 * what comes out of order is dropped, a loss is mended by three duplicate acknowledgements or by a
 * timeout of 200 ms.
 *
 * A connection is the number of its device, which its address and port tell, so nothing is looked
 * up. A segment that the application writes in place (lite_begin()) keeps no buffer: where it is
 * lost, the application writes it again. Upcalls are made from lite_input() and lite_advance(),
 * and again() from all that sends.
 */

#include <stdbool.h>
#include <stdint.h>

#include <rte_mbuf.h>

#include <pubwire/base/counter.h>

#include "net.h"

#define LITE_COUNTERS(X)                                                                           \
	X(segs_in, "Segments received")                                                            \
	X(segs_out, "Segments sent")                                                               \
	X(bytes_in, "Payload bytes accepted in order")                                             \
	X(bytes_out, "Payload bytes sent, retransmissions included")                               \
	X(active_opens, "Connections opened")                                                      \
	X(established, "Connections that became established")                                      \
	X(resets_in, "Connections reset by the peer")                                              \
	X(resets_out, "Connections reset by this side")                                            \
	X(timeouts, "Connections ended because the peer stopped acknowledging")                    \
	X(retransmits, "Segments retransmitted")                                                   \
	X(acks_delayed, "Acknowledgements sent by the delay timer")                                \
	X(drop_header, "Segments with a bad header length")                                        \
	X(drop_no_conn, "Segments for no connection")                                              \
	X(drop_seq, "Segments behind a gap, or that came before")                                  \
	X(drop_ack, "Segments with an unacceptable acknowledgement")                               \
	X(kept_full, "Times that nothing could be sent for what is not acknowledged yet")          \
	X(drop_no_buffer, "Segments not built because a pool was empty")

PW_COUNTER_STRUCT(lite_counters, LITE_COUNTERS);

/* What an application wants to know of a segment when it has to write it again. */
struct lite_note {
	uint64_t word[4];
};

struct lite_ops {
	void (*connected)(void *ctx, uint32_t i, uint64_t now);
	/* New bytes stand in lite_rx(), or the peer has closed its side. */
	void (*readable)(void *ctx, uint32_t i, uint64_t now);
	/* Last upcall; broken where this side has not closed. */
	void (*gone)(void *ctx, uint32_t i, uint64_t now);
	/* The len bytes that were committed with this note, as they were. */
	void (*again)(void *ctx, uint32_t i, const struct lite_note *note, uint8_t *p,
		      uint32_t len);
};

struct lite_conf {
	uint32_t n; /* connections */
	struct net *net;
	const struct lite_ops *ops;
	void *ctx;
	uint16_t first_port;
	uint16_t target_port;
	uint32_t target; /* host order */
};

struct lite;

/* NULL with rte_errno. */
struct lite *lite_create(const struct lite_conf *conf, uint64_t now);
/* Buffers go back, nobody is told. */
void lite_destroy(struct lite *l);

/*
 * Connection i, from an address and a port whose distance to first_port, modulo lite_each(), is i
 * over the number of addresses. 0 or -ENOBUFS.
 */
int lite_connect(struct lite *l, uint32_t i, uint32_t addr, uint16_t port, uint64_t now);

/* Connections that share an address. */
uint32_t lite_each(const struct lite *l);

void lite_input(struct lite *l, struct rte_mbuf **m, uint32_t n, uint64_t now);
void lite_advance(struct lite *l, uint64_t now);

/*
 * Queue bytes: what the peer's window has room for leaves at once. All, or -ENOBUFS, -EPIPE. Half
 * of the buffers of the pool are kept at most for what is sent so.
 */
int lite_send(struct lite *l, uint32_t i, const void *data, uint32_t len);

/*
 * The same for what fits into a segment and can be written again, without a copy: where to write
 * up to len bytes, NULL for want of a buffer or of a connection; then how many they are.
 */
uint8_t *lite_begin(struct lite *l, uint32_t i, uint32_t len);
void lite_commit(struct lite *l, uint32_t i, uint32_t len, const struct lite_note *note);

/* What a connection has, into the cache: it will be sent from in a moment. */
void lite_prefetch(const struct lite *l, uint32_t i);

/* Bytes that fit into a segment. */
uint32_t lite_mss(const struct lite *l);

uint32_t lite_unacked(const struct lite *l, uint32_t i);

struct rte_mbuf *lite_rx(const struct lite *l, uint32_t i);
void lite_consume(struct lite *l, uint32_t i, uint32_t n);
bool lite_eof(const struct lite *l, uint32_t i);

/* FIN behind what is queued; gone follows. */
void lite_close(struct lite *l, uint32_t i, uint64_t now);
/* RST; nobody is told. */
void lite_abort(struct lite *l, uint32_t i);

uint32_t lite_conns(const struct lite *l);
const struct lite_counters *lite_counters(const struct lite *l);

#endif
