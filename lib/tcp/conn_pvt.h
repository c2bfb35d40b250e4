/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PUBWIRE_TCP_CONN_PVT_H
#define PUBWIRE_TCP_CONN_PVT_H

/**
 * @file
 * The state of one connection: 256 bytes, grouped by who touches them. Line 0 decides whether a
 * segment is acceptable, line 1 takes its acknowledgement and its bytes, line 2 sends, line 3
 * belongs to the owner and the lists. Buffers hang off it only while bytes wait.
 */

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include <pubwire/base/addr.h>
#include <pubwire/base/wheel.h>
#include <pubwire/tcp/tcp.h>

#include "seq_pvt.h"

/** Bits of pw_tcp_conn.flags. */
enum conn_flag {
	CONN_PASSIVE = 1 << 0,	  /**< came from a listener */
	CONN_OWNED = 1 << 1,	  /**< the application knows it: `gone` is due at its end */
	CONN_TS = 1 << 2,	  /**< timestamps agreed (RFC 7323 3.2) */
	CONN_WS = 1 << 3,	  /**< window scaling agreed (RFC 7323 2.2) */
	CONN_ACK_NOW = 1 << 4,	  /**< acknowledge at the next flush */
	CONN_FIN_QUEUED = 1 << 5, /**< this side has no more to send */
	CONN_FIN_ACKED = 1 << 6,  /**< and the peer knows */
	CONN_FIN_KNOWN = 1 << 7,  /**< rcv_fin is valid */
	CONN_FIN_RCVD = 1 << 8,	  /**< and reached in order */
	CONN_DISCARD = 1 << 9,	  /**< closed by the owner: what it leaves unread is dropped */
	CONN_PERSIST = 1 << 10,	  /**< t_rtx probes a closed window */
	CONN_REORDERED = 1 << 11, /**< the path has reordered segments (RFC 8985 6.2) */
	CONN_SYN_RTX = 1 << 12,	  /**< our SYN went out more than once */
	CONN_SOFT_ERROR =
		1 << 13,	 /**< ICMP or the route said unreachable since the last progress */
	CONN_WND_HELD = 1 << 14, /**< buffer pressure keeps the window from opening */
	CONN_TS_STALE = 1 << 15, /**< ts_recent is too old to refuse by (RFC 7323 5.5) */
	CONN_ON_READY = 1 << 16,
	CONN_ON_DIRTY = 1 << 17,
	CONN_DEAD = 1 << 18,	 /**< waits on the list of the dead */
	CONN_TLP_OPEN = 1 << 19, /**< all is acknowledged, a probe not yet judged (RFC 8985 7.4) */
	CONN_UNREAD = 1 << 20,	 /**< closed by both sides; gone when the rest is read */
	CONN_SACK = 1 << 21,	 /**< selective acknowledgement agreed (RFC 2018 2) */
	CONN_BEYOND = 3 << 22, /**< segments beyond a gap that were not acknowledged; 3 and more */
	CONN_EV_ACCEPT = 1 << 24,
	CONN_EV_CONNECTED = 1 << 25,
	CONN_EV_READABLE = 1 << 26,
	CONN_EV_ACKED = 1 << 27,
	CONN_EV_GONE = 1 << 28,
};

/** One segment of CONN_BEYOND. */
#define CONN_BEYOND_ONE (1u << 22)

/** The uppermost bits are those of the period in which a cookie opened the connection. */
#define CONN_PERIOD_SHIFT 29

#define CONN_EVENTS                                                                                \
	(CONN_EV_ACCEPT | CONN_EV_CONNECTED | CONN_EV_READABLE | CONN_EV_ACKED | CONN_EV_GONE)

/** Bytes that wait in a send queue. The reference on mbuf is the queue's. */
struct tx_slice {
	struct rte_mbuf *mbuf;
	uint16_t off; /**< from buf_addr */
	uint16_t len;
	uint32_t seq; /**< of the first byte; it stays when an acknowledgement cuts the slice */
};

static_assert(sizeof(struct tx_slice) == 16, "four a cache line");

#define TX_BLOCK_SLICES 15

/** A link of a send queue; slices first .. n-1 wait. */
struct tx_block {
	struct tx_block *next;
	uint16_t first;
	uint16_t n;
	uint32_t pad;
	struct tx_slice s[TX_BLOCK_SLICES];
};

static_assert(sizeof(struct tx_block) == 256, "header and fifteen slices in four lines");

/** A slice of a send queue; block NULL is the first. Where in it follows from its seq. */
struct tx_place {
	struct tx_block *block;
	uint32_t idx;
};

struct pw_tcp_conn {
	/* Line 0: is this segment ours and acceptable? */
	struct pw_flow flow;
	uint32_t flags;
	uint32_t rcv_nxt;
	uint32_t rcv_adv;  /**< right edge of the window that was offered; never moves left */
	uint32_t last_ack; /**< rcv_nxt in the last segment sent (RFC 7323 Last.ACK.sent) */
	uint32_t ts_recent;
	uint32_t snd_una;
	uint32_t snd_max; /**< one past the highest sequence number sent */

	/* Line 1: its acknowledgement and its bytes. */
	struct rte_mbuf *rx_head; /**< in order, waiting for the application */
	struct rte_mbuf *rx_tail;
	struct rte_mbuf
		*ooo; /**< beyond a gap: sorted, disjoint; hash.usr is the sequence number */
	uint32_t rx_len;
	uint32_t snd_wnd;
	uint32_t snd_wl1;
	uint32_t max_wnd; /**< largest window the peer ever offered */
	uint32_t cwnd;
	uint32_t ssthresh;
	uint32_t min_rtt; /**< us, 0 before the first sample (RFC 8985 6.2) */
	uint8_t state;	  /**< enum pw_tcp_state */
	uint8_t reo_mult; /**< RFC 8985 reo_wnd_mult - 1 */
	uint8_t gap_id;	  /**< of the list of bytes beyond a gap, see gaps.c */
	uint8_t gap_at;	  /**< when rcv_nxt moved last, or that list began, in 4096 ms */
	uint32_t rcv_fin; /**< sequence number of the peer's FIN */
	uint32_t rx_bufs; /**< packet buffers that unread and out-of-order bytes stand in */

	/* Line 2: sending, and when. */
	struct tx_block *sq_head;
	struct tx_flight *flight; /**< of what is on its way, NULL while nothing is */
	uint32_t sq_tail;	  /**< index + 1 in the pool of blocks, 0 none */
	uint32_t w_max;		  /**< bytes: cwnd at the last reduction (RFC 9438 4.1.2) */
	uint32_t sq_bytes;	  /**< in the send queue; its first byte is snd_una */
	uint32_t t_rtx;		  /**< ms: retransmission, persist, or end of FIN_WAIT_2; 0 off */
	uint32_t t_delack;	  /**< ms, 0 off */
	uint32_t progress;	  /**< ms: snd_una last moved, or outstanding data began */
	uint32_t last_rx;	  /**< ms: last acceptable segment */
	uint32_t srtt;		  /**< us << 3, 0 before the first sample */
	uint32_t rttvar;	  /**< us << 2 */
	uint16_t mss;		  /**< payload of a full segment we send */
	uint16_t mtu;		  /**< of the path as routers say, bytes of IP packet */
	uint32_t retransmits;
	uint8_t backoff : 5, rtos : 3; /**< timeouts, and those since snd_una moved last */
	uint8_t snd_scale : 4, rcv_scale : 4;
	uint8_t reo_persist; /**< recoveries until reo_mult is forgotten */
	uint8_t min_rtt_at;  /**< when min_rtt was seen, in 16 s */

	/* Line 3: owner, timer, lists. */
	union {
		struct pw_timer timer;
		struct pw_tcp_conn *next_dead;
	};
	const struct pw_tcp_ops *ops;
	void *ctx;
	uint64_t user;
	uint32_t ready_next; /**< index + 1 in the pool, 0 ends */
	uint32_t dirty_next;
	uint8_t max_segs : 7; /**< segments a packet may have on this path, 127 and more alike */
	uint8_t tso : 1;      /**< and its device cuts larger ones */
	uint8_t ooo_count;
	uint8_t keep_probes : 4;
	uint8_t keep_due : 1;	 /**< a keepalive probe waits for a buffer */
	uint8_t end : 3;	 /**< enum pw_tcp_end */
	uint8_t mtu_at;		 /**< minute in which mss was lowered or a larger one was tried */
	uint16_t mss_agreed;	 /**< mss as the handshake left it */
	uint16_t stray_answered; /**< in 4 ms: last answer that pw_tcp_stray_allowed() bounds */
};

static_assert(sizeof(struct pw_tcp_conn) == 256, "an idle connection is four cache lines");
static_assert(offsetof(struct pw_tcp_conn, rx_head) == 64, "line 0 accepts");
static_assert(offsetof(struct pw_tcp_conn, sq_head) == 128, "line 1 acknowledges and receives");
static_assert(offsetof(struct pw_tcp_conn, timer) == 192, "line 2 sends");

/** First sequence number after the send queue, where the FIN stands. */
static inline uint32_t
conn_queue_end(const struct pw_tcp_conn *c)
{
	return c->snd_una + c->sq_bytes;
}

/** Bytes of window the peer may still use. */
static inline uint32_t
conn_rcv_wnd(const struct pw_tcp_conn *c)
{
	return seq_ahead(c->rcv_nxt, c->rcv_adv);
}

/** States in which the handshake is behind us. */
static inline bool
conn_synchronized(const struct pw_tcp_conn *c)
{
	return c->state >= PW_TCP_ESTABLISHED;
}

#endif
