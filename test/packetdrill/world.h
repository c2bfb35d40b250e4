/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TEST_PACKETDRILL_WORLD_H
#define TEST_PACKETDRILL_WORLD_H

/**
 * @file
 * The stack under test, one connection, its application and its peer, under virtual time.
 *
 * Beside what a script expects, every segment that the stack sends is held against rules that
 * always stand: it fits the path, its payload is that of the stream at this place, it stays within
 * the window that the peer has offered (a probe's one byte aside), and the right edge of the
 * window that it offers has not moved left.
 */

#include <stdbool.h>
#include <stdint.h>

#include <pubwire/tcp/tcp.h>

#include "seg.h"

#define PD_MS	      UINT64_C(1000000)
#define PD_SEGMENT    2048 /**< bytes of TCP that the world handles */
#define PD_OUT	      512
#define PD_EVENTS     32
#define PD_TRACE      40
#define PD_LOCAL_PORT 1883
#define PD_PEER_PORT  40000
#define PD_TS_FIRST   1000 /**< relative value of the stack's first timestamp */

/** What an application must be told, in order. */
enum pd_event { PD_EV_ACCEPTED, PD_EV_CONNECTED, PD_EV_GONE };

struct pd_told {
	enum pd_event what;
	enum pw_tcp_end why;
};

struct pd_sent {
	uint64_t at;
	struct pd_seg seg;
};

/** What a script sets before its first step. */
struct pd_setup {
	struct pw_tcp_conf conf;
	bool v6;
	uint16_t mtu;
	uint16_t max_segs;
	uint32_t peer_isn;
};

struct pd_world {
	struct pw_tcp *t;
	struct pw_mem *mem;
	struct pd_setup setup;
	uint64_t start;
	uint64_t now;
	uint64_t clock; /**< time of the last step, from which the next one counts */
	uint64_t tolerance;
	int path_rc;
	int output_rc;

	/* Numbers. */
	uint32_t iss;
	bool iss_known;
	bool later; /**< the next initial number must lie beyond `highest` */
	uint32_t highest;
	uint32_t peer_isn;
	uint32_t ts_base;
	bool ts_known;
	uint32_t ts_last;  /**< newest value that the stack has sent, raw */
	uint32_t peer_ts;  /**< the peer's clock, less milliseconds since the start */
	bool peer_ts_used; /**< the peer's segments carry timestamps unless they say otherwise */

	/* Windows, as the peer sees them. */
	bool stack_ws, peer_ws;
	uint8_t stack_scale, peer_scale;
	bool edge_known, offer_known;
	uint32_t edge;	/**< raw: right edge that the stack has offered */
	uint32_t offer; /**< raw: right edge that the peer has offered */

	uint16_t lport;
	uint16_t rport;
	struct pw_tcp_conn *conn;
	bool ended;
	enum pw_tcp_end why;
	struct pd_told told[PD_EVENTS];
	uint32_t nb_told, heard;
	bool refuse, auto_read;
	bool corked;	  /**< the stack acts when the burst is over */
	uint32_t reply;	  /**< bytes that the next readable upcall writes */
	uint32_t written; /**< bytes of the stream given to the stack */
	uint32_t consumed;

	struct pd_sent out[PD_OUT];
	uint32_t nb_out, taken;
	struct rte_mbuf *burst[64];
	uint32_t nb_burst;

	char fault[200]; /**< the first rule that was broken, empty where none */
	char trace[PD_TRACE][200];
	uint32_t nb_trace;
};

/** Build the stack. 0 or -errno. Given back by pd_world_close(). */
int pd_world_open(struct pd_world *w, const struct pd_setup *setup, struct pw_mem *mem);
void pd_world_close(struct pd_world *w);

/** Listen on the script's port, open from this side. 0 or -errno. */
int pd_world_listen(struct pd_world *w);
int pd_world_connect(struct pd_world *w);

/** Queue n bytes of the stream, as references or as a copy; what pw_tcp_send() answers. */
int pd_world_write(struct pd_world *w, uint32_t n, bool copy);

/** Consume n bytes; they must be those of the peer's stream. */
void pd_world_read(struct pd_world *w, uint32_t n);

/** The flow as the stack sees it. */
struct pw_flow pd_world_flow(const struct pd_world *w);

/** Let a segment of the peer arrive; with `more`, in one burst with the next. False: a fault. */
bool pd_world_inject(struct pd_world *w, const struct pd_seg *s, bool more);

/** Dispatch and flush at the present time. */
void pd_world_act(struct pd_world *w);

/** One step of time, to the next timer or to `end`; false at the end. */
bool pd_world_step(struct pd_world *w, uint64_t end);

/** Note the first fault; later ones are not told. */
void pd_fault(struct pd_world *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/** A line for the story that is told where a script fails. */
void pd_trace(struct pd_world *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
