/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PUBWIRE_TCP_HEADER_PVT_H
#define PUBWIRE_TCP_HEADER_PVT_H

#include <string.h>

#include <rte_byteorder.h>
#include <rte_common.h>

#include "stack_pvt.h"

static inline uint8_t *
pw_tcp_put32(uint8_t *p, uint32_t v)
{
	v = rte_cpu_to_be_32(v);
	memcpy(p, &v, 4);
	return p + 4;
}

/** The window of a SYN, which is not scaled (RFC 7323 2.2). */
static inline uint16_t
pw_tcp_syn_window(const struct pw_tcp *t)
{
	return (uint16_t)RTE_MIN(t->conf.rx_window, (uint32_t)UINT16_MAX);
}

/** The 12 bytes of the timestamps option; returns what follows them. */
uint8_t *pw_tcp_put_timestamps(const struct pw_tcp *t, uint8_t *p, uint32_t echo);

/** Fill a header of so many bytes, options included, whose bytes the caller writes. */
void pw_tcp_put_header(struct rte_mbuf *m, const struct pw_flow *flow, uint32_t seq, uint32_t ack,
		       uint8_t flags, uint16_t wnd, uint32_t header);

/** A buffer with header bytes of data and room for the lower layers in front; NULL counted. */
struct rte_mbuf *pw_tcp_header_mbuf(struct pw_tcp *t, struct rte_mempool *pool, uint32_t header);

/** A whole SYN or SYN|ACK; opts: SEG_OPT_, echo: the peer's timestamp. NULL counted. */
struct rte_mbuf *pw_tcp_syn_mbuf(struct pw_tcp *t, const struct pw_flow *flow, uint32_t seq,
				 uint32_t ack, uint8_t flags, uint8_t opts, uint16_t path_mss,
				 uint32_t echo);

/** Hand a segment to the layers below; what they answer. */
int pw_tcp_emit(struct pw_tcp *t, const struct pw_flow *flow, struct rte_mbuf *m);

/* segment.c */
#define PIECES_MAX 64u /* indirect buffers in one packet */

/** The same for a packet of a connection, which remembers why it fails. 0 or XMIT_LOST. */
int pw_tcp_emit_conn(struct pw_tcp *t, struct pw_tcp_conn *c, struct rte_mbuf *m);
/** Pieces of slices that len bytes from seq on touch, counted up to limit + 1. */
uint32_t pw_tcp_pieces(const struct pw_tcp_conn *c, struct tx_place at, uint32_t seq, uint32_t len,
		       uint32_t limit);
/** Hang references to len bytes behind *last, of m; all or -ENOBUFS and nothing done. */
int pw_tcp_attach_payload(struct pw_tcp *t, struct pw_tcp_conn *c, struct rte_mbuf *m,
			  struct rte_mbuf **last, struct tx_place *at, uint32_t seq, uint32_t len,
			  uint32_t pieces);

#endif
