/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PUBWIRE_TCP_CC_PVT_H
#define PUBWIRE_TCP_CC_PVT_H

#include <stdint.h>

#include "conn_pvt.h"

#define CWND_MAX (1u << 30)

/**
 * Congestion control: how cwnd grows and how far it falls. When a loss has happened, which segment
 * to repeat and how cwnd moves within a recovery (RFC 9937) is not its business.
 */
struct pw_tcp_cc_ops {
	const char *name;
	/** The handshake is complete; lost: our SYN had to be repeated. */
	void (*open)(struct pw_tcp_conn *c, int lost);
	/** acked new bytes outside of fast recovery, while the window was in use; now in ns. */
	void (*acked)(struct pw_tcp_conn *c, uint32_t acked, uint64_t now);
	/** A loss with flight bytes outstanding: sets ssthresh, leaves cwnd to the caller. */
	void (*reduce)(struct pw_tcp_conn *c, uint32_t flight);
	/** Nothing was sent for longer than a retransmission timeout. */
	void (*idle)(struct pw_tcp_conn *c);
};

extern const struct pw_tcp_cc_ops pw_tcp_newreno;
extern const struct pw_tcp_cc_ops pw_tcp_cubic;

/** RFC 6928 2 */
uint32_t pw_tcp_initial_window(const struct pw_tcp_conn *c);
/** RFC 5681 3.1; a lost SYN is a sign of congestion. */
void pw_tcp_cc_open(struct pw_tcp_conn *c, int lost);
/** RFC 5681 4.1 */
void pw_tcp_cc_idle(struct pw_tcp_conn *c);

/**
 * CUBIC for what we open: brokers, few, each with much to send. NewReno for what comes to us:
 * devices, many, each with little.
 */
static inline const struct pw_tcp_cc_ops *
pw_tcp_cc(const struct pw_tcp_conn *c)
{
	return c->flags & CONN_PASSIVE ? &pw_tcp_newreno : &pw_tcp_cubic;
}

#endif
