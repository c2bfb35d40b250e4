/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TEST_SUPPORT_TCP_SEG_H
#define TEST_SUPPORT_TCP_SEG_H

/**
 * @file
 * TCP segments as values: what tests inject and what they compare. Host order throughout.
 */

#include <stdbool.h>
#include <stdint.h>

#include <rte_mbuf.h>
#include <rte_mempool.h>

#include <pubwire/base/addr.h>

#define SEG_FIN	      0x01
#define SEG_SYN	      0x02
#define SEG_RST	      0x04
#define SEG_PSH	      0x08
#define SEG_ACK	      0x10
#define SEG_URG	      0x20

#define SEG_ETHER_LEN 14
#define SEG_IP_LEN    20
#define SEG_MAX	      1600 /**< bytes of TCP header and payload that the helpers handle */

/** A segment; options that are absent are zero. */
struct tcp_seg {
	uint16_t sport;
	uint16_t dport;
	uint32_t seq;
	uint32_t ack;
	uint8_t flags;
	uint16_t win; /**< as in the header, not scaled */
	uint16_t mss; /**< 0: no such option */
	bool has_ws;
	uint8_t ws;
	bool sack_ok;
	uint8_t nb_sack;
	struct {
		uint32_t left;
		uint32_t right;
	} sack[4];
	bool has_ts;
	uint32_t tsval;
	uint32_t tsecr;
	uint8_t opt_len; /**< bytes of options; written by tcp_seg_parse() */
	uint16_t len;	 /**< bytes of payload */
	const uint8_t *data;
};

/** Bytes of sequence space that a segment takes. */
static inline uint32_t
tcp_seg_space(const struct tcp_seg *s)
{
	return s->len + ((s->flags & SEG_SYN) != 0) + ((s->flags & SEG_FIN) != 0);
}

/** Read n bytes that start at the TCP header; data points into p. 0 or -EBADMSG. */
int tcp_seg_parse(const uint8_t *p, uint32_t n, struct tcp_seg *out);

/** Write a segment into p (SEG_MAX bytes), checksum zero; payload 0xNN where data is NULL. Bytes
 * written. */
uint32_t tcp_seg_build(const struct tcp_seg *s, uint8_t *p);

/**
 * Wrap TCP bytes in Ethernet and IPv4 as pw_wire_input() leaves them: one buffer, data at the
 * Ethernet header, l2_len and l3_len set. NULL where the pool is empty.
 */
struct rte_mbuf *tcp_seg_frame(struct rte_mempool *pool, const struct pw_addr *src,
			       const struct pw_addr *dst, const uint8_t *tcp, uint32_t n);

/** One line of text about a segment, sequence numbers less the two bases; returns buf. */
const char *tcp_seg_str(const struct tcp_seg *s, uint32_t seq_base, uint32_t ack_base, char *buf,
			uint32_t size);

#endif
