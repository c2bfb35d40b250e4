/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TEST_SIM_WORLD_H
#define TEST_SIM_WORLD_H

/**
 * @file
 * A simulated world: hosts (each a lib/wire under a lib/tcp, with pools of its own), wires between
 * them that misbehave, applications that are careless, an attacker, and a judge. One thread,
 * virtual time, and one seed from which all of it follows: the same seed is the same history, bit
 * by bit.
 *
 *     plan.c    draws a history from its seed
 *     world.c   what happens next, and what must be true at the end
 *     link.c    wires: loss, bursts, duplicates, reordering, corruption, rate, queue, MTU, outages
 *     host.c    a host: frames in and out, its driver, its pools running empty, its stalls
 *     app.c     the two applications of a connection
 *     attack.c  forged segments, old duplicates, ICMP lies
 *     judge.c   what every segment on the wires must obey
 *     inside.c  what must hold in a stack between two events
 *     trace.c   the capture that a replay leaves behind
 */

#include <stdbool.h>
#include <stdint.h>

#include <pubwire/tcp/tcp.h>
#include <pubwire/wire/wire.h>

#include "frame.h"
#include "sim_rng.h"

#define HOSTS	     4
#define CONNS	     10
#define MAX_FRAMES   4096
#define MAX_HELD_TX  256
#define MAX_KEPT     16
#define SERVER_PORTS 2
#define FIRST_PORT   1883
#define NEVER	     UINT64_MAX

#define US	     UINT64_C(1000)
#define MS	     UINT64_C(1000000)
#define SEC	     UINT64_C(1000000000)

#define BEGINS	     (5 * SEC) /**< the time at which a history begins */

#define POOL_PKT     2047
#define POOL_HDR     1023
#define POOL_IND     2047

struct world;
struct conn;

/** How one direction of a wire behaves. Chances are per mille. */
struct link_conf {
	uint64_t delay_ns;
	uint64_t jitter_ns; /**< up to this on top, order kept */
	uint64_t rate;	    /**< bits a second, 0: no limit */
	uint32_t queue;	    /**< bytes that may wait for the rate */
	uint32_t loss;
	uint32_t burst_enter; /**< Gilbert-Elliott: chance a packet to fall into the bad state, */
	uint32_t burst_leave; /**< to leave it, */
	uint32_t burst_loss;  /**< and of loss in it */
	uint32_t dup;
	uint32_t reorder;
	uint32_t corrupt;
	uint64_t down_every_ns; /**< 0: no outages */
	uint64_t down_for_ns;
};

/** What stands in the middle of the path and rewrites SYNs, as carriers' boxes do. */
struct middlebox {
	bool no_ts;
	bool no_ws;
	bool no_sack;
	uint16_t mss; /**< clamp, 0: none */
};

struct link {
	struct link_conf rough; /**< until the world calms down */
	struct link_conf calm;
	uint16_t mtu;
	bool silent;   /**< too large packets vanish without an ICMP message */
	bool bad;      /**< Gilbert-Elliott state */
	bool cut;      /**< for good */
	uint64_t busy; /**< the transmitter is free again */
	uint64_t last; /**< arrival of the last packet that kept its place */
};

#define FRAME_FORGED  1u
#define FRAME_CORRUPT 2u
#define FRAME_LOST    4u
#define FRAME_AGAIN   8u

/** A frame on its way. */
struct frame {
	uint64_t at;
	uint64_t serial;
	uint32_t from;
	uint32_t to;
	uint32_t flags;
	uint32_t len;
	struct conn *conn; /**< whose segment it is, NULL: nobody's */
	uint32_t gen;	   /**< and of which life of the connection */
	uint8_t b[FRAME_MAX];
};

/** A sent chain that the driver has not let go of. */
struct held_tx {
	uint64_t until;
	struct rte_mbuf *m;
};

struct host {
	struct world *w;
	uint32_t id;
	const struct pw_mem *mem;
	struct pw_port port;
	struct pw_wire *wire;
	struct pw_tcp *tcp;
	struct pw_addr addr[2]; /**< IPv4, IPv6 */
	uint64_t stalled;	/**< its lcore does nothing until then */
	uint64_t advance_at;	/**< when lib/wire wants to be called */
	uint64_t relax_at;	/**< when pools and pressure are given free again */
	uint64_t hold_ns;	/**< how long the driver keeps a sent chain */
	uint32_t scatter;	/**< chance that a received frame lies in several buffers */
	struct held_tx tx[MAX_HELD_TX];
	uint32_t tx_first;
	uint32_t tx_count;
	struct rte_mbuf *hog[POOL_PKT];
	uint32_t nb_hog;
	uint32_t wakes; /**< advances that found something to do while nothing was going on */
	bool probes;	/**< keepalive is on */
};

/** How an application takes its leave. */
enum leave {
	LEAVE_WHEN_SENT,  /**< closes once its bytes are queued */
	LEAVE_AFTER_PEER, /**< and the peer has closed */
	LEAVE_HALF,	  /**< shuts down once its bytes are queued, reads on */
	LEAVE_ABORT,	  /**< resets somewhere on the way */
	LEAVE_EARLY,	  /**< closes before the handshake is through, or soon after */
};

/** One side of a connection: the plan of its application, and how far it has come. */
struct end {
	struct conn *conn;
	struct host *host;
	uint32_t side;
	struct pw_tcp_conn *tcp;
	/* the plan */
	uint32_t to_send;
	uint32_t chunk;	    /**< largest buffer it fills */
	uint32_t pause;	    /**< us between two looks, at most */
	uint32_t nibble;    /**< most bytes it reads at a look, 0: all */
	uint32_t late_read; /**< us before its first look at received bytes */
	uint32_t abort_at;  /**< sent and received bytes after which it aborts */
	enum leave leave;
	uint64_t linger; /**< ns between its last byte and its leave */
	bool drops;	 /**< leaves unread what comes after its close */
	bool echoes;	 /**< sends what it receives, by reference */
	bool copies;	 /**< by pw_tcp_send_copy() */
	bool keeps;	 /**< holds slices of what it has consumed for a while */
	bool refuses;	 /**< turns the connection down when it is accepted */
	/* so far */
	uint32_t sent;
	uint32_t got;
	uint64_t next;
	uint64_t up_at;
	uint64_t linger_until;
	uint64_t moved; /**< virtual time of the last progress */
	bool opened;
	bool up;
	bool shut;
	bool closed;
	bool gone;
	bool aborted;
	bool dropped;
	bool saw_eof;
	enum pw_tcp_end why;
	struct pw_slice kept[MAX_KEPT];
	uint32_t nb_kept;
};

/** What one side has sent and heard, as far as the wire shows it. */
struct view {
	bool has_iss;
	bool sent_syn;
	bool sent_ts;
	bool sent_ws;
	bool sent_sack;
	bool heard_syn;
	bool heard_ts;
	bool heard_ws;
	bool heard_sack;
	bool acked; /**< has sent an acknowledgement */
	bool heard; /**< and heard one */
	bool fin_sent;
	bool listener_answered; /**< for an open of both sides that this one gave up */
	uint8_t ws;		/**< of its own */
	uint8_t peer_ws;
	uint16_t peer_mss;
	uint32_t iss;
	uint32_t end; /**< one past the highest number sent */
	uint32_t fin;
	uint32_t una;	     /**< highest acknowledgement heard, */
	uint64_t una_at;     /**< when, */
	uint32_t una_before; /**< and before: a burst is read segment by segment */
	uint32_t ack;	     /**< last sent */
	uint32_t edge;	     /**< right edge offered */
	uint32_t heard_edge;
	uint32_t heard_end; /**< one past the highest number heard */
	bool has_tsval;
	uint32_t tsval;
	uint8_t *arrived; /**< a bit for each byte of the peer's stream that has reached it */
	uint32_t room;	  /**< bits */
};

struct conn {
	struct world *w;
	uint32_t id;
	struct end end[2]; /**< [0] opens; with both_open [1] too */
	struct view view[2];
	bool v6;
	bool both_open;
	uint16_t port;	/**< of the opener; 0 before an ephemeral one is known */
	uint16_t fixed; /**< port that it asks for, 0: any */
	uint16_t server;
	uint32_t gen;	/**< lives so far */
	uint32_t lives; /**< lives there are to be */
	uint32_t tries; /**< connects of this life that found the port in use */
	uint64_t open_at;
	bool over;     /**< its last life is over */
	bool may_fail; /**< something happens to it that may end it */
};

/** What a seed decides for the world as a whole. */
struct plan {
	uint64_t seed;
	uint64_t calm_at;
	uint64_t patience; /**< ns without progress after which something is wrong */
	bool hard;	   /**< pools run empty, pressure rises, lcores stall */
	bool attacked;
	bool may_fail;	 /**< timeouts are part of the plan: no connection has to succeed */
	uint64_t mtu_at; /**< when the path MTU changes, NEVER */
	uint16_t mtu_to;
	bool mtu_silent;
	uint64_t cut_at; /**< when a path dies for good, NEVER */
	uint64_t attack_every;
	struct middlebox box;
};

/** What all histories of a process have come to. */
struct tally {
	uint64_t histories;
	uint64_t frames;
	uint64_t segments;
	uint64_t lost;
	uint64_t corrupted;
	uint64_t duplicated;
	uint64_t forged;
	uint64_t bytes;
	uint64_t conns;
	uint64_t v6;
	uint64_t ends[PW_TCP_END_NO_BUFFER + 1];
	uint64_t states[PW_TCP_TIME_WAIT + 1]; /**< times an event found a connection in it */
	struct pw_tcp_counters tcp;
	struct pw_wire_counters wire;
};

/** When a frame that is on its way arrives; id is its place in frame[]. */
struct frame_due {
	uint64_t at, serial;
	uint32_t id;
};

struct world {
	struct plan plan;
	struct sim_rng rng;  /**< applications and hosts */
	struct sim_rng dice; /**< wires and attacker */
	uint64_t now;
	struct host host[HOSTS];
	uint32_t nb_hosts;
	struct link link[HOSTS][HOSTS];
	struct conn conn[CONNS];
	uint32_t nb_conns;
	struct frame *frame; /**< MAX_FRAMES */
	struct frame_due heap[MAX_FRAMES];
	uint32_t nb_frames;
	uint32_t idle[MAX_FRAMES]; /**< frames that are free */
	uint32_t nb_idle;
	uint64_t serial;
	uint64_t digest; /**< of every frame, to compare two runs of one seed */
	uint64_t attack_at;
	uint64_t last_sent; /**< when the last segment of anybody left */
	uint32_t steps;
	bool verbose;
	struct trace *trace;
	struct tally *tally;
	char fault[300]; /**< the first rule that was broken */
};

/** Keep the first rule that was broken. */
void world_fault(struct world *w, const char *format, ...) __attribute__((format(printf, 2, 3)));

/** Reserve frames and pools, once a process. 0 or -errno. */
int world_start(struct world *w);
void world_stop(struct world *w);

/** Play a history to its end; true where nothing was wrong. trace: capture file, or NULL. */
bool world_play(struct world *w, uint64_t seed, bool verbose, const char *trace,
		struct tally *tally);

/* plan.c */
void plan_draw(struct world *w, uint64_t seed, struct pw_tcp_conf *tcp, struct pw_port *port);
void plan_print(const struct world *w);

/* link.c */
void link_init(struct world *w);
/** A host (or, FRAME_FORGED, somebody in its name) sends; the bytes are copied. */
void link_send(struct world *w, uint32_t from, const uint8_t *bytes, uint32_t n, uint32_t flags,
	       struct conn *c);
/** When the next frame arrives; NEVER where none is on its way. */
uint64_t link_next(const struct world *w);
/** Take the next frame whose time has come; give it back. NULL where there is none. */
struct frame *link_take(struct world *w);
void link_give(struct world *w, struct frame *f);
/** Deliver later: the host is not listening. */
void link_put_off(struct world *w, struct frame *f, uint64_t until);
/** What the paths between two hosts take at least. */
uint16_t link_mtu(const struct world *w, uint32_t a, uint32_t b);

/* host.c */
void host_mac(uint32_t id, uint8_t *mac);
int host_up(struct world *w, uint32_t id, const struct pw_mem *mem, struct pw_tcp_conf *tcp,
	    const struct pw_port *port);
void host_down(struct host *h);
void host_receive(struct host *h, struct frame **f, uint32_t n);
/** Take its buffers away, or raise its pressure, or let its lcore stall. */
void host_harden(struct host *h);
void host_relax(struct host *h);
/** Everything that the poll loop of a worker does after it has received. */
void host_settle(struct host *h);
uint64_t host_next(const struct host *h);
/** Give back the chains that the driver is done with. */
void host_tx_done(struct host *h, uint64_t now);

/* app.c */
void app_init(struct world *w);
void app_open(struct conn *c);
void app_act(struct end *e);
/** Stream that a side sends. */
uint32_t app_stream(const struct conn *c, uint32_t side);
bool app_same(uint32_t stream, uint32_t off, const uint8_t *p, uint32_t n);
/** Bytes that a side will have sent in all where it is not cut off. */
uint32_t app_total(const struct end *e);
void app_listen(struct world *w);
struct conn *app_conn_of(struct world *w, const struct pw_flow *flow, uint32_t host,
			 uint32_t *side);
/** Release what the applications hold. */
void app_fini(struct world *w);

/* attack.c */
void attack(struct world *w);

/* judge.c */
void judge_open(struct conn *c);
void judge_fini(struct conn *c);
/** stateless: the stack has no connection for it (TIME_WAIT, cookie, refusal). */
void judge_sent(struct conn *c, uint32_t side, const struct seg *s, bool stateless);
void judge_heard(struct conn *c, uint32_t side, const struct seg *s);

/* inside.c */
bool inside_has_conn(const struct host *h, const struct pw_flow *flow);
void inside_check(struct host *h);
/** Every buffer of the host's pools has as many references as there are holders. */
void inside_account(struct host *h);
/** Where a blind attacker would have to aim: numbers that only the two ends know. */
struct aim {
	uint32_t rcv_nxt;
	uint32_t rcv_wnd;
	uint32_t snd_una;
	uint32_t snd_max;
	bool synchronized;
	bool ts;
};
bool inside_aim(const struct end *e, struct aim *aim);

/* trace.c */
struct trace *trace_open(const char *path, uint32_t nb_hosts);
void trace_frame(struct trace *t, uint32_t host, bool in, uint64_t now, const uint8_t *b,
		 uint32_t n, const char *comment);
int trace_close(struct trace *t);

#endif
