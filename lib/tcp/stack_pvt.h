/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PUBWIRE_TCP_STACK_PVT_H
#define PUBWIRE_TCP_STACK_PVT_H

/**
 * @file
 * A stack and what its files ask of each other.
 *
 * Life of a connection: made by open.c or listen.c, it stands in the table until pw_tcp_conn_end().
 * Then, with nothing left UNREAD, it waits for its `gone` upcall on the ready list, is DEAD after
 * it, and goes back to its pool when no list names it any more. So a pointer that some caller up
 * the stack still holds stays readable, and DEAD tells it to let go.
 *
 * Every entry point sets t->now; nothing below it passes time around.
 */

#include <stdbool.h>
#include <stdint.h>

#include <pubwire/base/pool.h>
#include <pubwire/base/wheel.h>
#include <pubwire/tcp/tcp.h>

#include "cc_pvt.h"
#include "conn_pvt.h"
#include "flight_pvt.h"
#include "gaps_pvt.h"
#include "seg_pvt.h"
#include "siphash_pvt.h"
#include "train_pvt.h"

#define DSACK_SLOTS 64

/** Bytes that came twice, until a segment tells the peer. */
struct dsack {
	uint32_t conn; /**< index + 1, 0 none */
	struct sack_block block;
};

#define TABLE_WAYS 8

/** Eight places of the connection table: one line. */
struct table_bucket {
	uint16_t tag[TABLE_WAYS];  /**< bits of the hash that did not choose the bucket */
	uint32_t conn[TABLE_WAYS]; /**< index + 1 in the pool, 0 empty */
	uint32_t passed; /**< entries that wanted to stand here or before and stand further on */
	uint32_t pad[3];
};

static_assert(sizeof(struct table_bucket) == 64, "a look-up reads one line");

struct conn_table {
	struct table_bucket *bucket;
	uint32_t buckets;
	uint32_t count;
};

/** The bucket of a hash, whose upper bits choose it: no power of two of buckets is needed. */
static inline uint32_t
pw_tcp_table_at(const struct conn_table *tb, uint32_t hash)
{
	return (uint32_t)((uint64_t)hash * tb->buckets >> 32);
}

/** What is left of a connection that has ended. */
struct tw_record {
	uint64_t print; /**< pw_tcp_flow_print() */
	uint32_t snd_nxt;
	uint32_t rcv_nxt;
	uint32_t ts_recent;
	uint32_t expiry; /**< ms */
	uint32_t chain;	 /**< next of the same hash, index + 1 */
	uint32_t flags;	 /**< TW_ */
};

static_assert(sizeof(struct tw_record) == 32, "two a line");

#define TW_LIVE	 (1u << 0) /**< stands in its chain */
#define TW_TS	 (1u << 1) /**< timestamps were agreed */
#define TW_LATER (1u << 2) /**< its time was lengthened */
#define TW_SPENT (1u << 3) /**< no TIME_WAIT: only the cookie is not to serve again */

struct tw_table {
	struct tw_record *rec;
	uint32_t *head; /**< chains, index + 1 */
	uint32_t mask;
	uint32_t size;
	uint32_t oldest; /**< index; a ring from here */
	uint32_t count;	 /**< of records and gaps */
	struct pw_timer timer;
};

#define MAX_LISTENERS 16

/** Doublings of the retransmission timeout; as many times a SYN goes again at most. */
#define PW_TCP_BACKOFF_MAX 20u

/** FIN_WAIT_2 of a connection that its owner has closed ends after so long without a byte. */
#define PW_TCP_FIN_WAIT_2_MS 60000

/**
 * Answers to segments of no connection: so many a second at least to the addresses of one bucket,
 * and up to 255 more. Enough for peers of a process that was restarted.
 */
#define PW_TCP_REFUSALS	       128
#define PW_TCP_REFUSAL_BUCKETS 64

/** The longest time after a SYN|ACK at which its acknowledgement still opens the connection. */
#define PW_TCP_COOKIE_LIFE_MS 64000

struct listener {
	struct pw_addr local;
	uint16_t port;
	bool used;
	const struct pw_tcp_ops *ops;
	void *ctx;
};

struct pw_tcp {
	struct pw_tcp_conf conf;
	uint64_t now;
	uint64_t epoch; /**< what the millisecond clock counts from */
	uint32_t pressure;
	uint8_t rcv_scale; /**< what we offer (RFC 7323 2.2) */
	bool in_upcall;
	bool no_prediction; /**< a test sends what is expected the long way, too */
	bool closing;	    /**< pw_tcp_destroy() is at work */
	uint32_t ready_head;
	uint32_t ready_tail;
	uint32_t dirty_head;
	uint32_t dirty_tail;
	uint64_t retry_at; /**< what a pool was too empty for is tried again, UINT64_MAX nothing */
	struct pw_tcp_conn *dead;
	struct pw_pool *conns;
	struct pw_pool *blocks;
	uint32_t blocks_free;
	uint32_t blocks_slices; /**< of them slices may take so many yet */
	uint32_t blocks_urgent; /**< and only what must not wait takes the last so many */
	uint32_t blocks_first;	/**< and before them so many are for who has none */
	uint32_t blocks_cuts;	/**< and SACK blocks cut no record where fewer are free */
	uint32_t max_flight;	/**< records of one connection */
	uint32_t nb_passive;	/**< connections that came from listeners, the dead among them */
	uint32_t nb_ooo;
	uint32_t ooo_clock; /**< counts segments beyond a gap */
	struct gap_ring gaps;
	struct dsack dsack[DSACK_SLOTS];
	uint32_t nb_held;    /**< connections with CONN_WND_HELD */
	uint32_t held_sweep; /**< bucket from which they are looked for */
	uint64_t refuse_second;
	uint16_t refusals[PW_TCP_REFUSAL_BUCKETS]; /**< that are left in it */
	struct rte_mbuf *gather;		   /**< where pw_tcp_send_copy() writes next */
	uint32_t gather_saved;	 /**< references to it beside our own, for slices to come */
	struct rte_mbuf *let_go; /**< what was acknowledged last, see pw_tcp_sq_let_go() */
	uint32_t let_go_refs;	 /**< and how many references to it are to be dropped */
	struct conn_table table;
	struct tw_table tw;
	struct listener listener[MAX_LISTENERS];
	struct pw_siphash_key key_isn;
	struct pw_siphash_key key_table;
	struct pw_siphash_key key_refuse;
	struct pw_siphash_key key_secrets;   /**< that those of the cookies come from */
	struct pw_siphash_key key_cookie[2]; /**< of this period and of the one before */
	uint64_t cookie_period;
	uint32_t ts_offset;   /**< added to the millisecond clock in timestamps */
	uint32_t port_offset; /**< where the search for an ephemeral port goes on */
	struct pw_wheel wheel;
	struct train train;
	struct pw_tcp_counters count;
};

/* Time. */

/** The clock of the deadlines, ms. */
static inline uint32_t
tcp_ms(const struct pw_tcp *t)
{
	return (uint32_t)((t->now - t->epoch) / 1000000);
}

/** A deadline no earlier than ms from now; never 0. */
static inline uint32_t
tcp_deadline(const struct pw_tcp *t, uint32_t ms)
{
	uint32_t d = (uint32_t)((t->now - t->epoch + 999999) / 1000000) + ms;

	return d != 0 ? d : 1;
}

/** The clock of the timestamps option: 1 ms (RFC 7323 5.4). */
static inline uint32_t
tcp_ts_now(const struct pw_tcp *t)
{
	return tcp_ms(t) + t->ts_offset;
}

static inline void
tcp_set_now(struct pw_tcp *t, uint64_t now)
{
	if (now > t->now)
		t->now = now;
}

/* table.c: connections by flow. */
size_t pw_tcp_table_bytes(uint32_t max);
int pw_tcp_table_init(struct conn_table *tb, uint32_t max, int socket);
void pw_tcp_table_fini(struct conn_table *tb);
/** A keyed hash of a flow; its lower half is that of the table. */
uint64_t pw_tcp_flow_print(const struct pw_tcp *t, const struct pw_flow *flow);
static inline uint32_t
pw_tcp_flow_hash(const struct pw_tcp *t, const struct pw_flow *flow)
{
	return (uint32_t)pw_tcp_flow_print(t, flow);
}
/**
 * Have the lines of the connection that a hash most likely is of fetched; its bucket is read. NULL
 * where there is none; else it stays readable until connections are reaped.
 */
struct pw_tcp_conn *pw_tcp_table_fetch(const struct pw_tcp *t, uint32_t hash);
/** A connection that was fetched stands in the table, and is of this flow. */
bool pw_tcp_table_is(const struct pw_tcp_conn *c, const struct pw_flow *flow);
struct pw_tcp_conn *pw_tcp_table_find(const struct pw_tcp *t, const struct pw_flow *flow,
				      uint32_t hash);
void pw_tcp_table_add(struct pw_tcp *t, struct pw_tcp_conn *c, uint32_t hash);
void pw_tcp_table_remove(struct pw_tcp *t, struct pw_tcp_conn *c);

/* timewait.c */
/** Records of a stack with so many connections; asked 0: as is the default. */
uint32_t pw_tcp_tw_records(uint32_t asked, uint32_t max_conns);
int pw_tcp_tw_init(struct tw_table *tw, uint32_t max, int socket);
void pw_tcp_tw_fini(struct tw_table *tw);
/** The record of a flow whose time is not over, or NULL. */
struct tw_record *pw_tcp_tw_find(struct pw_tcp *t, uint64_t print);
/** The connection's last act: leave a record, end it. */
void pw_tcp_tw_enter(struct pw_tcp *t, struct pw_tcp_conn *c);
/** A connection of a peer ends otherwise: its cookie has been used, if it still is good. */
void pw_tcp_tw_spend(struct pw_tcp *t, const struct pw_tcp_conn *c);
/**
 * A segment for a record; true where it belongs to a new connection of the same flow (RFC 6191)
 * and the listener is to have it. The record stands until there is one.
 */
bool pw_tcp_tw_input(struct pw_tcp *t, struct tw_record *r, const struct pw_tcp_seg *s);
/** Keep a record for as long as a cookie that counts from it may come back. */
void pw_tcp_tw_extend(struct pw_tcp *t, struct tw_record *r);
/** A new connection takes the record's place. */
void pw_tcp_tw_reuse(struct pw_tcp *t, struct tw_record *r);
void pw_tcp_tw_expire(struct pw_tcp *t);

/* isn.c: initial sequence numbers (RFC 6528). */
uint32_t pw_tcp_isn(const struct pw_tcp *t, const struct pw_flow *flow);

/* conn.c: birth and death. */
/** The way to a peer, as the hook says it now. 0 or -errno. */
int pw_tcp_way(struct pw_tcp *t, const struct pw_addr *peer, struct pw_tcp_path *to);
struct pw_tcp_conn *pw_tcp_conn_new(struct pw_tcp *t, const struct pw_flow *flow, uint32_t hash,
				    const struct pw_tcp_path *to);
void pw_tcp_conn_end(struct pw_tcp *t, struct pw_tcp_conn *c, enum pw_tcp_end why);
/** Nothing is unread any more: `gone` is due if the connection has ended. */
void pw_tcp_conn_read_up(struct pw_tcp *t, struct pw_tcp_conn *c);
void pw_tcp_conn_release(struct pw_tcp *t, struct pw_tcp_conn *c);
void pw_tcp_conn_reap(struct pw_tcp *t);
void pw_tcp_conn_state(struct pw_tcp_conn *c, enum pw_tcp_state to);
/** Payload that fits a packet of the path beside our headers; and what we tell the peer. */
uint16_t pw_tcp_path_mss(const struct pw_addr *remote, uint16_t mtu);
uint16_t pw_tcp_conn_max_mss(const struct pw_tcp_conn *c);
/** What the peer's SYN says of its own, or what counts where it says nothing. */
uint16_t pw_tcp_peer_mss(const struct pw_tcp_seg *s);
/** Take over the peer's options of its SYN. */
void pw_tcp_conn_options(struct pw_tcp_conn *c, const struct pw_tcp_seg *s);
/** The handshake is complete. */
void pw_tcp_conn_established(struct pw_tcp *t, struct pw_tcp_conn *c);

/* events.c: the two work lists. */
void pw_tcp_post(struct pw_tcp *t, struct pw_tcp_conn *c, uint32_t events);
void pw_tcp_dirty(struct pw_tcp *t, struct pw_tcp_conn *c);
void pw_tcp_run_ready(struct pw_tcp *t);

/* listen.c */
struct listener *pw_tcp_listener(struct pw_tcp *t, const struct pw_addr *local, uint16_t port);
/** r: the record of the same flow that a new connection may replace, or NULL. */
void pw_tcp_listen_input(struct pw_tcp *t, const struct listener *l, struct pw_tcp_seg *s,
			 struct tw_record *r);

/* cookie.c: what a SYN has said, in the sequence number that answers it (RFC 4987 3.6). */
enum cookie_verdict {
	COOKIE_NONE,  /**< the acknowledgement is of no SYN|ACK of ours */
	COOKIE_EARLY, /**< it is, but the segments that follow the SYN are missing or late */
	COOKIE_VALID,
};
/** The initial sequence number that answers a SYN; r: the record of the same flow, or NULL. */
uint32_t pw_tcp_cookie(struct pw_tcp *t, const struct pw_tcp_seg *s, const struct tw_record *r,
		       uint16_t path_mss);
/** What the acknowledgement of a segment says; where it is VALID, syn is what the SYN was. */
enum cookie_verdict pw_tcp_cookie_check(struct pw_tcp *t, const struct pw_tcp_seg *s,
					const struct tw_record *r, struct pw_tcp_seg *syn);

/** The connection was opened by a cookie just now; and ms for which that could serve again. */
void pw_tcp_cookie_used(struct pw_tcp *t, struct pw_tcp_conn *c);
uint32_t pw_tcp_cookie_left(const struct pw_tcp *t, const struct pw_tcp_conn *c);

/* parse.c */
int pw_tcp_parse(struct pw_tcp_seg *s, struct rte_mbuf *m);

/* rx_states.c, ack.c, rx_data.c: a segment of a connection. */
void pw_tcp_arrives(struct pw_tcp *t, struct pw_tcp_conn *c, struct pw_tcp_seg *s);
/** Sequence numbers that a segment takes up. */
static inline uint32_t
seg_span(const struct pw_tcp_seg *s)
{
	return s->len + !!(s->flags & TCP_SYN) + !!(s->flags & TCP_FIN);
}

/** Window of a segment: that of a SYN is never scaled (RFC 7323 2.2). */
static inline uint32_t
seg_window(const struct pw_tcp_conn *c, const struct pw_tcp_seg *s)
{
	return (uint32_t)s->wnd << (s->was_syn ? 0 : c->snd_scale);
}

/** False where the acknowledgement is out of range and the segment must go. */
bool pw_tcp_ack_input(struct pw_tcp *t, struct pw_tcp_conn *c, const struct pw_tcp_seg *s);
/** Take payload and FIN position; true where the peer's FIN is now in order. */
bool pw_tcp_rx_input(struct pw_tcp *t, struct pw_tcp_conn *c, struct pw_tcp_seg *s);
/** Take payload that begins at rcv_nxt and lies within the window. */
void pw_tcp_rx_in_order(struct pw_tcp *t, struct pw_tcp_conn *c, struct pw_tcp_seg *s);
void pw_tcp_rx_release(struct pw_tcp_conn *c);
void pw_tcp_ooo_release(struct pw_tcp *t, struct pw_tcp_conn *c);
/** Cut bytes off the front or the back of a segment's payload. */
void pw_tcp_seg_trim_head(struct pw_tcp_seg *s, uint32_t n);
void pw_tcp_seg_trim_tail(struct pw_tcp_seg *s, uint32_t n);

/* sack_out.c: what we tell the peer (RFC 2018, RFC 2883). */
void pw_tcp_sack_duplicate(struct pw_tcp *t, const struct pw_tcp_conn *c, uint32_t left,
			   uint32_t right);
/** The connection has ended. */
void pw_tcp_sack_forget(struct pw_tcp *t, const struct pw_tcp_conn *c);
/** There is something to tell. */
bool pw_tcp_sack_wanted(struct pw_tcp *t, const struct pw_tcp_conn *c);
/** As many blocks as go into so many bytes of options. */
void pw_tcp_sack_gather(struct pw_tcp *t, struct pw_tcp_conn *c, uint32_t space,
			struct sack_out *out);
/** Bytes of the option. */
uint32_t pw_tcp_sack_len(const struct sack_out *s);
void pw_tcp_put_sack(struct pw_tcp *t, const struct pw_tcp_conn *c, uint8_t *p,
		     const struct sack_out *s);

/* window.c: the window that we offer. */
/** Bytes of the window that one packet buffer stands for. */
static inline uint32_t
pw_tcp_buffer_share(const struct pw_tcp *t)
{
	return (t->conf.rx_window + t->conf.rx_buffers - 1) / t->conf.rx_buffers;
}
/** What the next segment says in its window field; the right edge is remembered. */
uint16_t pw_tcp_window_field(struct pw_tcp *t, struct pw_tcp_conn *c);
/** The right edge that the next segment may offer, with silly windows avoided. */
uint32_t pw_tcp_window_edge(struct pw_tcp *t, struct pw_tcp_conn *c);
/** After bytes were consumed: is the opening worth a segment of its own? */
void pw_tcp_window_opened(struct pw_tcp *t, struct pw_tcp_conn *c);
/** After pressure has ended: open the windows that it held. */
void pw_tcp_window_sweep(struct pw_tcp *t);

/* api.c */
/** The buffer that pw_tcp_send_copy() fills is left to the slices that lie in it. */
void pw_tcp_gather_release(struct pw_tcp *t);

/* sendq.c */
int pw_tcp_sq_append(struct pw_tcp *t, struct pw_tcp_conn *c, const struct pw_slice *s, uint32_t n);
/** The first n bytes from snd_una on are acknowledged; snd_una itself is moved by the caller. */
void pw_tcp_sq_ack(struct pw_tcp *t, struct pw_tcp_conn *c, uint32_t n);
/** At the end of a burst: the references that its acknowledgements have set free are dropped. */
void pw_tcp_sq_let_go(struct pw_tcp *t);
void pw_tcp_sq_release(struct pw_tcp *t, struct pw_tcp_conn *c);
/** Slice that holds a byte, looked for from a place on, which moves to it; NULL where none does. */
struct tx_slice *pw_tcp_sq_find(const struct pw_tcp_conn *c, struct tx_place *p, uint32_t seq);

/*
 * segment.c: one segment. 0; -ENOBUFS where it could not be built; XMIT_LOST where it was built and
 * the layers below did not take it, which is a loss like any other but not counted as sent.
 */
#define XMIT_LOST 1
/**
 * Send *len bytes of the queue from seq on, whose slice is looked for from a place on; the place
 * moves to the last slice of them. *len comes back smaller where one packet holds no more, and then
 * without FIN.
 */
int pw_tcp_xmit(struct pw_tcp *t, struct pw_tcp_conn *c, struct tx_place *at, uint32_t seq,
		uint32_t *len, uint8_t flags, bool rtx);
int pw_tcp_send_syn(struct pw_tcp *t, struct pw_tcp_conn *c);
/** SYN|ACK for a request; nothing is kept of it. */
int pw_tcp_send_syn_ack(struct pw_tcp *t, const struct pw_tcp_seg *s, uint32_t iss,
			uint16_t path_mss);
int pw_tcp_send_ack(struct pw_tcp *t, struct pw_tcp_conn *c);
int pw_tcp_send_probe_ack(struct pw_tcp *t, struct pw_tcp_conn *c);
void pw_tcp_send_rst(struct pw_tcp *t, struct pw_tcp_conn *c);
/** An answer that belongs to no connection. */
int pw_tcp_send_bare(struct pw_tcp *t, const struct pw_flow *flow, uint32_t seq, uint32_t ack,
		     uint8_t flags, uint16_t wnd, const uint32_t *ts_echo);
/** Spend one of the answers that an address may have to segments of no connection. */
bool pw_tcp_refusal_allowed(struct pw_tcp *t, const struct pw_addr *to);
/** RST for a segment (RFC 9293 3.10.7.1), within the limit. */
void pw_tcp_refuse(struct pw_tcp *t, const struct pw_tcp_seg *s);
/** A connection has answered nothing yet. */
void pw_tcp_stray_init(const struct pw_tcp *t, struct pw_tcp_conn *c);
/** May a connection answer something out of place? Once in a while; the moment is noted. */
bool pw_tcp_stray_allowed(const struct pw_tcp *t, struct pw_tcp_conn *c);
/** Challenge ACK, within the limit (RFC 5961 7). */
void pw_tcp_challenge(struct pw_tcp *t, struct pw_tcp_conn *c);

/* output.c: what may be sent. */
int pw_tcp_output(struct pw_tcp *t, struct pw_tcp_conn *c);
int pw_tcp_window_probe(struct pw_tcp *t, struct pw_tcp_conn *c);
/** Bytes that are thought to be in the network (RFC 6675 4, RFC 9937 5). */
uint32_t pw_tcp_pipe(const struct pw_tcp_conn *c);
/**
 * Send a record again, in a segment of the present size; p stays at it. 0, -ENOBUFS, or -EAGAIN
 * where it lies beyond the peer's window.
 */
int pw_tcp_send_again(struct pw_tcp *t, struct pw_tcp_conn *c, struct tx_pos *p);
/**
 * Send one segment of new data whatever cwnd says; 0, -ENOBUFS, or -EAGAIN where there is none or
 * the peer's window forbids it.
 */
int pw_tcp_send_probe(struct pw_tcp *t, struct pw_tcp_conn *c);

/* rtt.c (RFC 6298) */
void pw_tcp_rtt_sample(struct pw_tcp_conn *c, uint64_t us);
/** A round trip measured in ns, for the least of the last minutes. */
void pw_tcp_rtt_least(const struct pw_tcp *t, struct pw_tcp_conn *c, uint64_t us);
uint32_t pw_tcp_rto(const struct pw_tcp *t, const struct pw_tcp_conn *c);

/* timer.c */
/** Send the keepalive probe that is due. -ENOBUFS: it is due still, for the next flush. */
int pw_tcp_keepalive(struct pw_tcp *t, struct pw_tcp_conn *c);
void pw_tcp_timer_update(struct pw_tcp *t, struct pw_tcp_conn *c);
/** Set t_rtx to what is due first of what is on its way. */
void pw_tcp_rtx_arm(struct pw_tcp *t, struct pw_tcp_conn *c);
/** The same, with the retransmission timer started anew (RFC 6298 5.3). */
void pw_tcp_rtx_restart(struct pw_tcp *t, struct pw_tcp_conn *c);
void pw_tcp_timer_fired(void *ctx, struct pw_timer *tm, uint64_t now);

#endif
