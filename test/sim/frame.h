/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TEST_SIM_FRAME_H
#define TEST_SIM_FRAME_H

/**
 * @file
 * Ethernet frames as bytes: what the wires, the attacker and the judge of a simulated world read
 * and write. Nothing here is shared with lib/wire or lib/tcp, so that a mistake of theirs (a sum,
 * a length, an option) does not cancel itself out.
 */

#include <stdbool.h>
#include <stdint.h>

#include <pubwire/base/addr.h>

#define FRAME_MAX	1600
#define FRAME_ETHER	14
#define FRAME_MAX_SACKS 4

#define F_FIN		0x01
#define F_SYN		0x02
#define F_RST		0x04
#define F_PSH		0x08
#define F_ACK		0x10

/** A TCP segment, host order; options that are absent are zero or false. */
struct seg {
	uint16_t sport;
	uint16_t dport;
	uint32_t seq;
	uint32_t ack;
	uint8_t flags;
	uint16_t win; /**< as in the header */
	uint16_t mss;
	bool has_ws;
	uint8_t ws;
	bool sack_ok;
	bool has_ts;
	uint32_t tsval;
	uint32_t tsecr;
	uint8_t nb_sacks;
	struct {
		uint32_t l;
		uint32_t r;
	} sack[FRAME_MAX_SACKS];
	uint16_t opt_len;
	uint32_t len; /**< bytes of payload */
	const uint8_t *data;
};

/** Where things lie in a frame. */
struct packet {
	bool v6;
	uint8_t proto;
	struct pw_addr src;
	struct pw_addr dst;
	uint32_t l3; /**< offsets from the frame's start */
	uint32_t l4;
	uint32_t end; /**< of the IP packet; what follows is padding */
};

/** Sequence numbers that a segment takes up. */
static inline uint32_t
seg_space(const struct seg *s)
{
	return s->len + !!(s->flags & F_SYN) + !!(s->flags & F_FIN);
}

/** Read n bytes that start at the TCP header; 0 or -1. data points into p. */
int seg_parse(const uint8_t *p, uint32_t n, struct seg *s);

/** Write header, options and payload, the checksum left 0; bytes written. */
uint32_t seg_build(const struct seg *s, uint8_t *p);

/** One line of text, sequence numbers less the bases; returns buf. */
const char *seg_str(const struct seg *s, uint32_t seq_base, uint32_t ack_base, char *buf,
		    uint32_t size);

/** Find the IP packet in a frame; 0, or -1 where it is none (ARP) or broken. */
int packet_parse(const uint8_t *frame, uint32_t n, struct packet *p);

/** Write Ethernet and IP headers for len bytes behind them; their length. Sums are left 0. */
uint32_t packet_head(uint8_t *frame, const uint8_t *dst_mac, const uint8_t *src_mac,
		     const struct pw_addr *src, const struct pw_addr *dst, uint8_t proto,
		     uint32_t len);

/** Make the checksums right: of the IPv4 header, and of TCP, ICMP or ICMPv6. */
void packet_sum(uint8_t *frame, const struct packet *p);

/** True where all of them are. */
bool packet_sums_right(const uint8_t *frame, const struct packet *p);

/** An ICMP or ICMPv6 "too big" (mtu > 0) or "unreachable" (mtu 0) about a packet; its length. */
uint32_t packet_icmp(uint8_t *out, const uint8_t *dst_mac, const uint8_t *src_mac,
		     const struct pw_addr *from, const uint8_t *frame, const struct packet *p,
		     uint16_t mtu);

#endif
