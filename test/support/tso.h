/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TEST_SUPPORT_TSO_H
#define TEST_SUPPORT_TSO_H

/**
 * @file
 * What a device makes of a packet that it is to cut (TSO). The packet begins l2_len + l3_len bytes
 * before its TCP header, both of which may be 0; a packet without tso_segsz is its only piece.
 */

#include <stdint.h>

#include <rte_mbuf.h>

/** Segments that come of a packet. */
uint32_t tso_pieces(const struct rte_mbuf *m);

/**
 * Write the i-th of them, headers and all, into room bytes. Its sums are those of the packet: the
 * caller computes what the device was asked for.
 * @return  its length; 0 where it has no room
 */
uint32_t tso_piece(const struct rte_mbuf *m, uint32_t i, uint8_t *out, uint32_t room);

#endif
