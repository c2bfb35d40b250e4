/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TEST_PACKETDRILL_SEG_H
#define TEST_PACKETDRILL_SEG_H

/**
 * @file
 * A segment as a script writes it: relative numbers, options in the order they stand in. The same
 * shape holds what a script wants, what it injects, and what the stack has sent, so that they
 * compare and print alike.
 *
 * Numbers of the stack count from its SYN, those of the peer from its own. The stack's timestamps
 * count from 1000 at the first of them; the peer's stand as written.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PD_FIN	    0x01
#define PD_SYN	    0x02
#define PD_RST	    0x04
#define PD_PSH	    0x08
#define PD_ACK	    0x10
#define PD_URG	    0x20

#define PD_OPT_END  0
#define PD_OPT_NOP  1
#define PD_OPT_MSS  2
#define PD_OPT_WS   3
#define PD_OPT_SOK  4
#define PD_OPT_SACK 5
#define PD_OPT_TS   8
#define PD_OPT_RAW  255 /**< bytes as written */

#define PD_OPTS	    12
#define PD_VALUES   8
#define PD_RAW	    40

/** One option; v holds MSS, shift, edges of blocks in pairs, or val and ecr. */
struct pd_opt {
	uint8_t kind;
	uint8_t n;   /**< values, or raw bytes */
	uint8_t any; /**< bit i: value i is not compared, or chosen when the segment is built */
	int64_t v[PD_VALUES];
	uint8_t raw[PD_RAW];
};

struct pd_seg {
	uint8_t flags;
	bool any_seq;
	bool any_ack;
	bool has_win;
	bool has_opts; /**< the list was written, maybe empty */
	int64_t seq;
	int64_t ack;
	uint32_t len;
	uint32_t win; /**< as in the header, not scaled */
	uint8_t nb_opts;
	struct pd_opt opt[PD_OPTS];
};

/** What relative numbers count from. `mine` is the side that sends. */
struct pd_base {
	uint32_t mine;
	uint32_t theirs;
	uint32_t ts_mine; /**< added to a relative timestamp gives the one on the wire */
	uint32_t ts_theirs;
};

/** One line of text; returns buf. */
const char *pd_seg_str(const struct pd_seg *s, char *buf, size_t size);

/** The first option of a kind, NULL where there is none. */
const struct pd_opt *pd_seg_opt(const struct pd_seg *s, uint8_t kind);

/**
 * Write header, options and payload. Values marked `any` must have been chosen.
 *
 * @param payload  s->len bytes
 * @return bytes written, 0 where the options do not fit a header or the segment does not fit size
 */
uint32_t pd_seg_build(const struct pd_seg *s, const struct pd_base *b, uint16_t sport,
		      uint16_t dport, const uint8_t *payload, uint8_t *p, size_t size);

/** Read a TCP segment that the stack has sent. Bytes of its header, or 0 where it is malformed. */
uint32_t pd_seg_parse(struct pd_seg *out, const struct pd_base *b, const uint8_t *p, uint32_t n);

/** How a sent segment differs from the one wanted, NULL where it does not. */
const char *pd_seg_differs(const struct pd_seg *want, const struct pd_seg *got);

#endif
