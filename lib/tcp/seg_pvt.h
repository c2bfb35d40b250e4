/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PUBWIRE_TCP_SEG_PVT_H
#define PUBWIRE_TCP_SEG_PVT_H

/**
 * @file
 * A segment between its headers and the connection: flags, options, SACK blocks.
 */

#include <stdbool.h>
#include <stdint.h>

#include <pubwire/tcp/tcp.h>

#define TCP_FIN		0x01
#define TCP_SYN		0x02
#define TCP_RST		0x04
#define TCP_PSH		0x08
#define TCP_ACK		0x10

#define TCP_HDR_LEN	20
#define TCP_OPT_TS_LEN	12 /**< two NOPs and the option */
#define TCP_OPT_SYN_LEN 20 /**< MSS, timestamps, window scale, padded */
#define TCP_HEADROOM	64 /**< for IP, Ethernet and VLAN headers */

/** Bits of pw_tcp_seg.opts. */
#define SEG_OPT_MSS	(1u << 0)
#define SEG_OPT_WS	(1u << 1)
#define SEG_OPT_TS	(1u << 2)
#define SEG_OPT_SACK_OK (1u << 3) /**< SACK-permitted (RFC 2018 2) */

#define SEG_SACK_MAX	4 /**< blocks that fit 40 bytes of options (RFC 2018 3) */

/** Bytes that a peer holds, or had twice (RFC 2018 3, RFC 2883 4). */
struct sack_block {
	uint32_t left;
	uint32_t right; /**< one past the last */
};

/** A received segment after its headers were read. */
struct pw_tcp_seg {
	struct rte_mbuf *m; /**< payload; owned by whoever holds the segment, NULL when taken */
	struct pw_flow flow;
	uint64_t print; /**< pw_tcp_flow_print() */
	uint32_t seq;
	uint32_t ack;
	uint32_t len; /**< bytes of payload left in m */
	uint32_t ts_val;
	uint32_t ts_ecr;
	uint16_t wnd;
	uint16_t mss;
	uint16_t headers; /**< bytes in front of m's data, from the Ethernet header on */
	uint8_t scale;
	uint8_t flags;
	uint8_t opts;
	bool duplicate; /**< nothing in it is new but, maybe, its acknowledgement */
	bool was_syn;	/**< its SYN has been dealt with and taken off the flags */
	uint8_t nb_sack;
	struct sack_block sack[SEG_SACK_MAX]; /**< as they came: not compared with what was sent */
};

/** SACK blocks of a segment that is to be sent. */
struct sack_out {
	uint8_t n;
	bool twice; /**< the first says what came twice */
	struct sack_block block[SEG_SACK_MAX];
};

#endif
