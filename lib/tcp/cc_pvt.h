/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PUBWIRE_TCP_CC_PVT_H
#define PUBWIRE_TCP_CC_PVT_H

#include <stdint.h>

struct pw_tcp_conn;

/**
 * Congestion control: how cwnd and ssthresh follow what the sender learns. Loss detection itself
 * (which segment to repeat, when recovery begins and ends) is not its business.
 */
struct pw_tcp_cc_ops {
	const char *name;
	/** The handshake is complete; lost: our SYN had to be repeated. */
	void (*open)(struct pw_tcp_conn *c, int lost);
	/** acked new bytes, flight were outstanding before; outside of recovery. */
	void (*acked)(struct pw_tcp_conn *c, uint32_t acked, uint32_t flight);
	/** Fast recovery begins with flight bytes outstanding. */
	void (*enter)(struct pw_tcp_conn *c, uint32_t flight);
	/** One more duplicate acknowledgement in recovery: a segment has left the network. */
	void (*dup)(struct pw_tcp_conn *c);
	/** acked new bytes, but not all that was outstanding when recovery began. */
	void (*partial)(struct pw_tcp_conn *c, uint32_t acked);
	/** Recovery is over with flight bytes outstanding. */
	void (*leave)(struct pw_tcp_conn *c, uint32_t flight);
	/** The retransmission timer fired with flight outstanding; first: not a repetition. */
	void (*timeout)(struct pw_tcp_conn *c, uint32_t flight, int first);
	/** Nothing was sent for longer than a retransmission timeout. */
	void (*idle)(struct pw_tcp_conn *c);
};

extern const struct pw_tcp_cc_ops pw_tcp_newreno;

#endif
