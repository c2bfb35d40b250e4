/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PUBWIRE_TCP_RX_PVT_H
#define PUBWIRE_TCP_RX_PVT_H

/**
 * @file
 * What the files of the receiving side ask of each other.
 */

#include "stack_pvt.h"

/** Take the first buffer of a chain, alone; NULL at its end. */
struct rte_mbuf *pw_tcp_take_first(struct rte_mbuf **chain);

/** Copy m, of at most so many bytes, behind those of another buffer that nobody else reads. */
bool pw_tcp_rx_join(struct pw_tcp *t, struct rte_mbuf *into, struct rte_mbuf *m, uint32_t most);

/** One buffer, in order and alone, to the receive queue. */
void pw_tcp_rx_append(struct pw_tcp *t, struct pw_tcp_conn *c, struct rte_mbuf *m);

/** A segment beyond a gap. */
void pw_tcp_ooo_hold(struct pw_tcp *t, struct pw_tcp_conn *c, struct pw_tcp_seg *s);

/** Append what the last bytes have connected. */
void pw_tcp_ooo_drain(struct pw_tcp *t, struct pw_tcp_conn *c);

/** The last buffer beyond the gap goes; there is one. */
void pw_tcp_ooo_drop_last(struct pw_tcp *t, struct pw_tcp_conn *c);

/** A connection begins to hold bytes beyond a gap; that gap has moved. */
void pw_tcp_gap_began(struct pw_tcp *t, struct pw_tcp_conn *c);
void pw_tcp_gap_moved(const struct pw_tcp *t, struct pw_tcp_conn *c);

/** Take a buffer from whoever began first. False where nobody holds one, or that is `but`. */
bool pw_tcp_gap_yield(struct pw_tcp *t, const struct pw_tcp_conn *but);

#endif
