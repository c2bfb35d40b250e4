/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PUBWIRE_TCP_TCP_H
#define PUBWIRE_TCP_TCP_H

/**
 * @file
 * TCP that hands out and takes packet buffers by reference (RFC 9293).
 *
 * One stack per lcore, single-threaded, sans-I/O: packets and time are passed in, segments leave
 * through a hook, randomness comes from the seed. Upcalls are made from pw_tcp_dispatch(),
 * pw_tcp_advance() and, for connections that it ends, from pw_tcp_destroy(); never from inside
 * another call of the application, so an application may call anything from an upcall.
 *
 * Receiving: in-order bytes stand in the connection's receive queue, a chain of mbufs. The
 * application looks at them in place (pw_tcp_rx_chain), takes references of its own on what it
 * wants to keep (pw_slice_hold) and says how much it is done with (pw_tcp_consume), which opens the
 * window.
 *
 * Sending: the application gives held slices (pw_tcp_send); the connection keeps each until the
 * peer has acknowledged its last byte, then drops the reference. Every transmission is a new header
 * buffer and new indirect buffers: payload bytes are never written by this library.
 */

#include <stdbool.h>
#include <stdint.h>

#include <rte_mbuf.h>

#include <pubwire/base/addr.h>
#include <pubwire/base/counter.h>
#include <pubwire/base/pool.h>
#include <pubwire/base/slice.h>

#ifdef __cplusplus
extern "C" {
#endif

/** States of RFC 9293 3.3.2; CLOSED is the state of a handle that finds nothing. */
#define PW_TCP_STATES(X)                                                                           \
	X(CLOSED)                                                                                  \
	X(LISTEN)                                                                                  \
	X(SYN_SENT)                                                                                \
	X(SYN_RECEIVED)                                                                            \
	X(ESTABLISHED)                                                                             \
	X(FIN_WAIT_1)                                                                              \
	X(FIN_WAIT_2)                                                                              \
	X(CLOSE_WAIT)                                                                              \
	X(CLOSING)                                                                                 \
	X(LAST_ACK)                                                                                \
	X(TIME_WAIT)

#define PW_TCP_STATE_ENUM(s) PW_TCP_##s,
enum pw_tcp_state { PW_TCP_STATES(PW_TCP_STATE_ENUM) };
#undef PW_TCP_STATE_ENUM

/** Why a connection ended; row: name, text. */
#define PW_TCP_ENDS(X)                                                                             \
	X(CLOSED, "closed by both sides")                                                          \
	X(RESET, "reset by the peer")                                                              \
	X(ABORTED, "aborted by this side")                                                         \
	X(REFUSED, "refused by the peer")                                                          \
	X(TIMEOUT, "the peer stopped acknowledging")                                               \
	X(UNREACHABLE, "no route or no answer from the next hop")                                  \
	X(NO_BUFFER, "a pool was empty")

#define PW_TCP_END_ENUM(e, text) PW_TCP_END_##e,
enum pw_tcp_end { PW_TCP_ENDS(PW_TCP_END_ENUM) };
#undef PW_TCP_END_ENUM

/** Text of a state or an end. */
const char *pw_tcp_state_str(enum pw_tcp_state s);
const char *pw_tcp_end_str(enum pw_tcp_end e);

struct pw_tcp;	    /**< a stack */
struct pw_tcp_conn; /**< a connection; valid until its `gone` upcall returns */

/** What a connection tells its owner. `conn` is borrowed. Unused ones may be NULL but gone. */
struct pw_tcp_ops {
	/**
	 * Passive open: the handshake is complete. Set the user word here. A negative return
	 * refuses the connection (it is reset and no further upcall is made).
	 */
	int (*accepted)(void *ctx, struct pw_tcp_conn *conn, uint64_t now);
	/** Active open: the handshake is complete. */
	void (*connected)(void *ctx, struct pw_tcp_conn *conn, uint64_t now);
	/** New bytes stand in the receive queue, or the peer has closed its side (see pw_tcp_eof).
	 */
	void (*readable)(void *ctx, struct pw_tcp_conn *conn, uint64_t now);
	/** The peer has acknowledged sent bytes: pw_tcp_send_room() has grown. */
	void (*acked)(void *ctx, struct pw_tcp_conn *conn, uint64_t now);
	/** The connection has ended; last upcall, its buffers are released after it. */
	void (*gone)(void *ctx, struct pw_tcp_conn *conn, enum pw_tcp_end why, uint64_t now);
};

/** What the way towards a peer takes. */
struct pw_tcp_path {
	uint16_t mtu;	   /**< bytes of IP packet */
	uint16_t max_segs; /**< segments (buffers) a packet may have, at least 1 */
	bool tso;	   /**< packets may be larger than the MTU where they say what to cut them
			      into: mbuf.tso_segsz, bytes of payload of each segment but the last */
};

/** Where segments go and ports come from. */
struct pw_tcp_hooks {
	void *ctx;
	/**
	 * As pw_wire_send_tcp(): ownership of m passes. 0 or -errno; -EMSGSIZE for a packet that
	 * is to be cut ends that for the connection.
	 */
	int (*output)(void *ctx, const struct pw_flow *flow, struct rte_mbuf *m, uint64_t now);
	/** The way towards dst, into *to, which is zero. 0 or -errno. */
	int (*path)(void *ctx, const struct pw_addr *dst, struct pw_tcp_path *to);
	/**
	 * Choose flow->lport for an active open so that replies come back to this lcore; attempt
	 * counts from 0 while the choices are found in use. NULL: any ephemeral port. 0 or
	 * -EADDRNOTAVAIL.
	 */
	int (*choose_port)(void *ctx, struct pw_flow *flow, uint32_t attempt);
	/**
	 * A segment of no connection here and for no listener: true where it was taken, m with it
	 * as it came to pw_tcp_input(); false where it is to be answered with RST. NULL: all are.
	 */
	bool (*stranger)(void *ctx, const struct pw_flow *flow, struct rte_mbuf *m, uint64_t now);
};

/** Sizes and policy of a stack; 0 stands for the default in brackets. */
struct pw_tcp_conf {
	const char *name;	 /**< unique in the process, at most 16 bytes */
	uint32_t max_conns;	 /**< [1024] */
	uint32_t max_time_wait;	 /**< records; the oldest is recycled beyond [max_conns, of those
				    beyond 32768 one in 32] */
	uint32_t reserve_active; /**< of max_conns, for none but pw_tcp_connect() [0] */
	uint32_t max_tx_slices;	 /**< slices in all send queues [16384] */
	uint32_t rx_window;	 /**< bytes offered to a peer, per connection [262144] */
	uint32_t rx_buffers;	 /**< packet buffers that they may stand in, unread or beyond a gap
				    [rx_window / 1024 + 16] */
	uint32_t tx_queue_bytes; /**< most bytes in one send queue [262144] */
	uint32_t max_ooo;	 /**< out-of-order segments held per connection, 255 at most [64] */
	uint32_t max_ooo_total;	 /**< and in all [1/8 of the pkt pool]; several stacks share it */
	uint32_t rx_copy_break;	 /**< segments up to this are joined into the buffer before [256] */
	uint32_t msl_ms;      /**< maximum segment lifetime [30000]: TIME_WAIT lasts twice that */
	uint32_t min_rto_ms;  /**< [200] */
	uint32_t max_rto_ms;  /**< [60000] */
	uint32_t syn_retries; /**< of pw_tcp_connect(), at most 20 [5] */
	uint32_t user_timeout_ms; /**< unacknowledged data older than this ends a connection
				     [120000] */
	uint32_t keepalive_ms;	  /**< idle time before probes, 0: none */
	uint32_t delack_ms;	  /**< [40] */
	uint64_t seed;		  /**< of initial sequence numbers and the table's hash */
	const struct pw_mem *mem;
	struct pw_tcp_hooks hooks;
	int socket;
};

#define PW_TCP_COUNTERS(X)                                                                         \
	X(segs_in, "Segments received")                                                            \
	X(segs_out, "Segments sent")                                                               \
	X(segs_tso, "Segments sent that a port's device cuts out of larger ones (TSO)")            \
	X(bytes_in, "Payload bytes accepted in order")                                             \
	X(bytes_out, "Payload bytes sent, retransmissions included")                               \
	X(bytes_by_ref, "Payload bytes sent as references to the buffers they arrived in")         \
	X(bytes_linearised, "Payload bytes copied because the port takes too few segments")        \
	X(bytes_beside, "Payload bytes copied behind their header, being few")                     \
	X(active_opens, "Connections opened by this side")                                         \
	X(passive_opens, "Connections accepted")                                                   \
	X(open_failures, "Connections that never became established")                              \
	X(established, "Connections that became established")                                      \
	X(resets_in, "Connections reset by the peer")                                              \
	X(resets_out, "Segments with RST sent")                                                    \
	X(resets_limited, "RST for no connection held back by the rate limit")                     \
	X(timeouts, "Connections ended because the peer stopped acknowledging")                    \
	X(retransmits, "Segments retransmitted")                                                   \
	X(fast_retransmits, "Fast recoveries entered")                                             \
	X(sack_recoveries, "Fast recoveries entered by selective acknowledgement")                 \
	X(cwnd_reductions, "Reductions of the congestion window")                                  \
	X(rack_lost, "Segments found lost by the times of others")                                 \
	X(reorder_timeouts, "Times that reordering was waited for in vain")                        \
	X(tlp_probes, "Tail loss probes sent")                                                     \
	X(tlp_recovered, "Tail losses that a probe has mended")                                    \
	X(sacks_in, "Acknowledgements that told of bytes beyond a gap")                            \
	X(dsacks_in, "Reports of bytes that arrived twice")                                        \
	X(sack_invalid, "SACK blocks of bytes that are not on their way")                          \
	X(sack_reneged, "Timeouts of bytes that the peer said it held")                            \
	X(mtu_lowered, "Segment sizes lowered because the path said so")                           \
	X(mtu_black_holes, "Segment sizes lowered because large segments went unanswered")         \
	X(mtu_tries, "Segments that were larger than the last ones, to see if they arrive")        \
	X(mtu_raised, "Segment sizes raised because such a segment arrived")                       \
	X(idle_restarts, "Congestion windows taken back after a pause")                            \
	X(rto_fired, "Retransmission timeouts")                                                    \
	X(dup_acks_in, "Duplicate acknowledgements received")                                      \
	X(acks_delayed, "Acknowledgements sent by the delay timer")                                \
	X(zero_window_probes, "Zero-window probes sent")                                           \
	X(keepalive_probes, "Keepalive probes sent")                                               \
	X(ooo_in, "Segments received out of order and held")                                       \
	X(drop_ooo_full, "Out-of-order segments dropped because a bound was reached")              \
	X(drop_ooo_old, "Out-of-order segments given up because nothing filled the gap before")    \
	X(drop_header, "Segments with a bad header length or options")                             \
	X(drop_no_conn, "Segments for no connection or listener")                                  \
	X(drop_seq, "Segments outside the window")                                                 \
	X(drop_ack, "Segments with an unacceptable acknowledgement")                               \
	X(drop_paws, "Segments refused by their timestamp")                                        \
	X(drop_duplicate, "Payload bytes received twice")                                          \
	X(drop_window, "Payload bytes beyond the window")                                          \
	X(drop_pressure, "Segments dropped because buffers ran short")                             \
	X(drop_syn_full, "Connection requests refused because a table was full")                   \
	X(drop_syn_pressure, "Connection requests refused because buffers ran short")              \
	X(drop_tx_no_buffer, "Segments not sent because a pool was empty; retried")                \
	X(drop_tx_unreachable, "Segments not sent because there was no way to the peer")           \
	X(challenge_acks, "Challenge acknowledgements sent")                                       \
	X(cookies_sent, "Connection requests answered, none of which is remembered")               \
	X(cookies_valid, "Handshakes completed by an acknowledgement of such an answer")           \
	X(cookies_early,                                                                           \
	  "Segments dropped because the one that completes the handshake is missing")              \
	X(cookies_invalid, "Segments to a listener that acknowledge no such answer")               \
	X(time_wait_reused, "TIME_WAIT records reused by a new connection")                        \
	X(rx_coalesced, "Small segments copied into the buffer before them")

PW_COUNTER_STRUCT(pw_tcp_counters, PW_TCP_COUNTERS);

/** Build a stack. Main lcore. NULL with rte_errno. Given back by pw_tcp_destroy(). */
struct pw_tcp *pw_tcp_create(const struct pw_tcp_conf *conf, uint64_t now);

/** End every connection (gone: ABORTED, no RST), release every buffer, free the memory. */
void pw_tcp_destroy(struct pw_tcp *t);

/**
 * Accept connections to a local address and port. Nothing is kept of a request before its handshake
 * is complete (SYN cookies), so the SYN|ACK is not repeated unasked: the protocol should be one in
 * which the opener speaks first. 0; -EADDRINUSE; -ENOSPC beyond 16 listeners.
 */
int pw_tcp_listen(struct pw_tcp *t, const struct pw_addr *local, uint16_t port,
		  const struct pw_tcp_ops *ops, void *ctx) __attribute__((warn_unused_result));

/** Stop accepting on a listener; connections stay. 0 or -ENOENT. */
int pw_tcp_unlisten(struct pw_tcp *t, const struct pw_addr *local, uint16_t port);

/**
 * Open a connection; the SYN goes out at once.
 *
 * @param flow  lport 0: chosen by the hook
 * @param user  the connection's user word
 * @param out   receives the connection
 * @return      0; -ENOMEM table full; -EADDRNOTAVAIL; -EADDRINUSE; -EHOSTUNREACH
 */
int pw_tcp_connect(struct pw_tcp *t, const struct pw_flow *flow, const struct pw_tcp_ops *ops,
		   void *ctx, uint64_t user, struct pw_tcp_conn **out, uint64_t now)
	__attribute__((warn_unused_result));

/**
 * Process received TCP packets as pw_wire_input() leaves them; ownership of all passes in. Makes
 * no upcall: touched connections go on the ready list.
 */
void pw_tcp_input(struct pw_tcp *t, struct rte_mbuf **pkts, uint32_t n, uint64_t now);

/** Make the upcalls of the connections on the ready list. */
void pw_tcp_dispatch(struct pw_tcp *t, uint64_t now);

/** Send what the burst has made due: data, then acknowledgements that no data carried. */
void pw_tcp_flush(struct pw_tcp *t, uint64_t now);

/** Fire timers (with their upcalls). */
void pw_tcp_advance(struct pw_tcp *t, uint64_t now);

/** A time no later than the next timer (ns), UINT64_MAX where none runs. */
uint64_t pw_tcp_next(const struct pw_tcp *t);

/** Buffer pressure: 0 none; 1 windows stop growing for what is not consumed; 2 SYNs are refused
 * too, and what is held beyond gaps is given up. */
void pw_tcp_set_pressure(struct pw_tcp *t, uint32_t level);

/** See pw_wire_hooks.icmp_error. */
void pw_tcp_icmp_error(struct pw_tcp *t, const struct pw_flow *flow, uint32_t seq, uint16_t mtu,
		       uint8_t code, uint64_t now);

/** Handle of a connection, for messages that may come late. */
pw_handle pw_tcp_handle(const struct pw_tcp *t, const struct pw_tcp_conn *c);

/** Connection of a handle, NULL where it is gone. */
struct pw_tcp_conn *pw_tcp_find(const struct pw_tcp *t, pw_handle h);

/** The owner's word. */
uint64_t pw_tcp_user(const struct pw_tcp_conn *c);
void pw_tcp_set_user(struct pw_tcp_conn *c, uint64_t user);

/** State and addresses. */
enum pw_tcp_state pw_tcp_state(const struct pw_tcp_conn *c);
void pw_tcp_flow(const struct pw_tcp_conn *c, struct pw_flow *out);

/** Have the lines of a connection fetched into the cache: something is about to be sent on it. */
void pw_tcp_fetch(const struct pw_tcp_conn *c);

/** First mbuf of the receive queue (borrowed; bytes at data_off/data_len, linked by next) or NULL.
 */
struct rte_mbuf *pw_tcp_rx_chain(const struct pw_tcp_conn *c);

/** Bytes in the receive queue. */
uint32_t pw_tcp_rx_len(const struct pw_tcp_conn *c);

/** True where the peer has closed its side and every byte before that is in the queue or consumed.
 */
bool pw_tcp_eof(const struct pw_tcp_conn *c);

/**
 * Done with the first n bytes of the receive queue (n <= pw_tcp_rx_len): the queue's reference on
 * each buffer that is passed is dropped and the window opens.
 */
void pw_tcp_consume(struct pw_tcp *t, struct pw_tcp_conn *c, uint32_t n);

/** Bytes that pw_tcp_send() would take now; 0 where this side has closed. */
uint32_t pw_tcp_send_room(const struct pw_tcp *t, const struct pw_tcp_conn *c);

/**
 * Connections that have nothing queued and could each send a little now: what max_tx_slices and
 * those that wait for acknowledgements leave. An application that answers many at once (a fleet
 * that comes back) leaves requests unread where there is none, rather than fail half-way.
 */
uint32_t pw_tcp_send_places(const struct pw_tcp *t);

/** Bytes given to pw_tcp_send() that the peer has not acknowledged. */
uint32_t pw_tcp_unacked(const struct pw_tcp_conn *c);

/**
 * Queue bytes for sending. Held slices: their references pass to the connection where the call
 * succeeds, and stay with the caller where it fails. All or nothing. Neighbours in one buffer join.
 * Segments leave at pw_tcp_flush().
 *
 * @return 0; -EAGAIN not enough room (bytes); -ENOBUFS no slice blocks; -EPIPE this side has closed
 * or the connection is not established
 */
int pw_tcp_send(struct pw_tcp *t, struct pw_tcp_conn *c, const struct pw_slice *s, uint32_t n)
	__attribute__((warn_unused_result));

/** Most bytes of one pw_tcp_send_copy(). */
#define PW_TCP_SEND_COPY_MAX 65536

/**
 * Copy len bytes into a gather buffer and queue them; as pw_tcp_send(), and -EMSGSIZE beyond
 * PW_TCP_SEND_COPY_MAX, -ENOBUFS where the pkt pool is empty. For small control packets.
 */
int pw_tcp_send_copy(struct pw_tcp *t, struct pw_tcp_conn *c, const void *data, uint32_t len)
	__attribute__((warn_unused_result));

/**
 * No more from this side: FIN after what is queued. Bytes that the peer still sends are offered by
 * `readable` as before, but what that upcall leaves in the queue is dropped when it returns, so
 * that an unread queue can't keep the peer's FIN away. `gone` follows: CLOSED once both sides have
 * closed (TIME_WAIT is kept apart), ABORTED where the handshake was not complete, TIMEOUT where the
 * peer, having acknowledged our FIN, sends no byte for 60 s, has not closed its side after
 * user_timeout_ms, or keeps its window shut for as long.
 */
void pw_tcp_close(struct pw_tcp *t, struct pw_tcp_conn *c, uint64_t now);

/**
 * As pw_tcp_close(), but receiving goes on at the application's pace and without a time limit
 * (half-close): where both sides have closed before the receive queue is consumed, the state is
 * CLOSED and `gone` waits until it is. Before the handshake is complete the FIN waits for it. To be
 * followed by pw_tcp_close() where the application wants
 * no more of it.
 */
void pw_tcp_shutdown(struct pw_tcp *t, struct pw_tcp_conn *c, uint64_t now);

/**
 * Reset the connection now. `gone` (ABORTED) is not called: the caller knows, and c is invalid on
 * return.
 */
void pw_tcp_abort(struct pw_tcp *t, struct pw_tcp_conn *c, uint64_t now);

/** What one connection says of itself. */
struct pw_tcp_info {
	enum pw_tcp_state state;
	uint32_t srtt_us;
	uint32_t rto_ms;
	uint32_t cwnd;	      /**< bytes */
	uint32_t ssthresh;    /**< bytes */
	uint32_t snd_wnd;     /**< bytes the peer offers */
	uint32_t rcv_wnd;     /**< bytes we offer */
	uint32_t unacked;     /**< bytes */
	uint32_t rx_queued;   /**< bytes */
	uint32_t retransmits; /**< segments */
	uint16_t mss;	      /**< bytes of payload a segment may carry */
	uint32_t sacked;      /**< bytes that the peer holds beyond a gap */
	uint32_t lost;	      /**< bytes that wait to be sent again */
	uint32_t pipe;	      /**< bytes thought to be in the network */
	uint32_t min_rtt_us;  /**< least round trip seen in the last minutes, 0 none */
	const char *cc;	      /**< congestion control: "newreno" or "cubic" */
	const char *ca;	      /**< its state: "open", "recovery" (fast), "loss" (after a timeout) */
};

/** Fill info. Owner lcore. */
void pw_tcp_info(const struct pw_tcp *t, const struct pw_tcp_conn *c, struct pw_tcp_info *out);

/** Bytes that a peer is offered at most, as configured; less where it does not scale its window. */
uint32_t pw_tcp_rx_window(const struct pw_tcp *t);

/** Connections in the table now, TIME_WAIT records not among them; any thread. */
uint32_t pw_tcp_conns(const struct pw_tcp *t);

/** Counters; readable from any thread. */
const struct pw_tcp_counters *pw_tcp_counters(const struct pw_tcp *t);

/** Bytes of one connection's state and of its places in the pool and the table. */
size_t pw_tcp_conn_size(void);

/** The same of all connections that a stack may have. */
size_t pw_tcp_conns_bytes(uint32_t max_conns);

/** Bytes of a stack's TIME_WAIT records; max_time_wait 0: as many as are the default. */
size_t pw_tcp_time_wait_bytes(uint32_t max_time_wait, uint32_t max_conns);

/** Bytes of a stack's send queues and of its records of what is on its way, for the same. */
size_t pw_tcp_queue_bytes(uint32_t max_tx_slices);

/** Bytes of memory that it takes to know in which order max_ooo_total buffers came to be held. */
size_t pw_tcp_gaps_bytes(uint32_t max_ooo_total);

#ifdef __cplusplus
}
#endif

#endif
