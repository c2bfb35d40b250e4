/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PUBWIRE_TCP_LOSS_PVT_H
#define PUBWIRE_TCP_LOSS_PVT_H

/**
 * @file
 * From an acknowledgement, or its absence, to what is lost and what that does to the window:
 * what sack.c, rack.c, tlp.c, recovery.c and mtu.c ask of each other and offer to ack.c, output.c
 * and timer.c.
 */

#include "stack_pvt.h"

/** What one acknowledgement has told about what is on its way. */
struct ack_news {
	uint32_t acked;	    /**< by how much snd_una has moved */
	uint32_t delivered; /**< bytes that the peer did not say it had before */
	uint32_t flight;    /**< snd_max - snd_una before */
	uint64_t sent;	    /**< ns: when the last of them that went out once was sent, 0 none */
	bool rtx;	    /**< a byte below snd_una was sent more than once */
	uint32_t sacked_before; /**< bytes with TX_SACKED before */
	bool dsack;		/**< something arrived twice: */
	struct sack_block twice;
	bool duplicate; /**< a duplicate acknowledgement without SACK blocks (RFC 5681 2) */
	bool repeated;	/**< the same, even where nothing is on its way */
};

/* sack.c: the scoreboard (RFC 2018, 2883). */
void pw_tcp_sack_input(struct pw_tcp *t, struct pw_tcp_conn *c, const struct pw_tcp_seg *s,
		       struct ack_news *n);

/* rack.c (RFC 8985 6) */
/** A record has been delivered; in the order of sequence numbers. */
void pw_tcp_rack_delivered(struct pw_tcp *t, struct pw_tcp_conn *c, const struct tx_rec *r,
			   const struct pw_tcp_seg *s);
/** Learn from reports of duplicates. */
void pw_tcp_rack_dsack(struct pw_tcp_conn *c, const struct ack_news *n);
/** Mark what is lost; bytes of it. Arms the reordering timer where time will tell. */
uint32_t pw_tcp_rack_detect(struct pw_tcp *t, struct pw_tcp_conn *c);
/** Mark what a retransmission timeout says is lost (RFC 8985 6.3). */
void pw_tcp_rack_timeout(struct pw_tcp *t, struct pw_tcp_conn *c);

/* tlp.c (RFC 8985 7) */
/** Deadline of a probe where there should be one, else 0. */
uint32_t pw_tcp_tlp_deadline(const struct pw_tcp *t, const struct pw_tcp_conn *c);
void pw_tcp_tlp_fired(struct pw_tcp *t, struct pw_tcp_conn *c);
/** What an acknowledgement says about a probe; before the flight it belongs to may end. */
void pw_tcp_tlp_acked(struct pw_tcp *t, struct pw_tcp_conn *c, const struct ack_news *n);

/* recovery.c: from news to congestion state. */
void pw_tcp_recovery_acked(struct pw_tcp *t, struct pw_tcp_conn *c, const struct ack_news *n);
/** The reordering timer has fired. */
void pw_tcp_recovery_reorder(struct pw_tcp *t, struct pw_tcp_conn *c);
/** The retransmission timer has fired. */
void pw_tcp_recovery_timeout(struct pw_tcp *t, struct pw_tcp_conn *c);
/** One reduction of the window, without a recovery. */
void pw_tcp_recovery_reduce(struct pw_tcp *t, struct pw_tcp_conn *c);

/* mtu.c: segments that are too large for the path. */
/** Take over a smaller MTU of the path; what is on its way goes again in pieces that fit. */
void pw_tcp_mtu_lower(struct pw_tcp *t, struct pw_tcp_conn *c, uint16_t mtu);
/** After a timeout: may the size of what is sent be the reason? */
void pw_tcp_mtu_black_hole(struct pw_tcp *t, struct pw_tcp_conn *c);
/** Payload of a segment larger than mss that new data may be sent in at this moment, 0 none. */
uint16_t pw_tcp_mtu_try(struct pw_tcp *t, struct pw_tcp_conn *c);
/** It was, in the last record. */
void pw_tcp_mtu_tried(struct pw_tcp *t, struct pw_tcp_conn *c);
/** A record has been delivered: if it was such a one, its size is that of the next ones. */
void pw_tcp_mtu_arrived(struct pw_tcp *t, struct pw_tcp_conn *c, struct tx_rec *r);
/**
 * The retransmission timer has fired: true where all that is missing is such a one. It goes again
 * in smaller pieces, and that is all.
 */
bool pw_tcp_mtu_timeout(struct pw_tcp *t, struct pw_tcp_conn *c);

#endif
