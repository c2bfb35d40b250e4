/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WORKER_PVT_H
#define WORKER_PVT_H

/*
 * A worker is its lcore's alone but for its counters and flags, which anybody may read, and the
 * rings, which have one producer and one consumer each. The fleet is read-only once it was built,
 * but for the flags at its end.
 */

#include <time.h>

#include <rte_common.h>
#include <rte_epoll.h>
#include <rte_ethdev.h>

#include <pubwire/base/bucket.h>
#include <pubwire/base/ring.h>
#include <pubwire/worker/worker.h>

#include "idle_pvt.h"

#define WORKER_BURST 32

/* Frames that one worker hands to another. */
enum frame_kind {
	FRAME_RECEIVED, /* for its stack: it owns the flow */
	FRAME_TO_SEND,	/* for the port: it owns a TX queue */
};

struct frame_msg {
	struct rte_mbuf *m;
	uint16_t iface;
	uint16_t kind;
	uint32_t unused;
};

static_assert(sizeof(struct frame_msg) == 16, "four a cache line");

/* Everything else that crosses. */
enum message_kind {
	MESSAGE_FORWARD,
	MESSAGE_NEIGHBOUR,
	MESSAGE_ICMP_ERROR,
	MESSAGE_PACKET, /* for the stack of the worker that owns its flow; a reference passes */
	MESSAGE_KERNEL, /* a frame for the kernel, for the worker that talks to it; the same */
};

struct neighbour_msg {
	struct pw_addr ip;
	struct rte_ether_addr mac;
};

struct icmp_msg {
	struct pw_flow flow;
	uint32_t seq;
	uint16_t mtu;
	uint8_t code;
};

struct message {
	uint32_t kind;
	uint32_t iface; /* of a neighbour, packet or frame */
	union {
		struct pw_forward_msg forward;
		struct neighbour_msg neighbour;
		struct icmp_msg icmp;
		struct rte_mbuf *packet;
	};
};

static_assert(sizeof(struct message) % 4 == 0, "rings take multiples of 4");

/* From one worker to another. */
struct lane {
	struct pw_ring frames;
	struct pw_ring messages;
};

/* Frames on their way to one interface. */
struct tx_buf {
	uint16_t n;
	struct rte_mbuf *m[WORKER_BURST];
};

/* The kernel's interface beside a port. */
struct kernel_side {
	const struct pw_port *port; /* NULL: none */
	uint32_t rate;
	bool gone; /* atomic: written by any thread, read by the worker that talks to it */
};

/* Which workers the flows of an interface go to. */
struct steering {
	bool check;    /* received frames may be another worker's */
	uint8_t roles; /* of workers that may be asked for through it */
	bool mixed;    /* devices and brokers behind one port, served by different workers */
	/* mixed: as the port, but its table names the workers of devices; the port's own, of
	 * brokers */
	struct pw_port devices;
};

struct worker {
	struct pw_fleet *fleet;
	struct pw_wire *wire;
	struct pw_tcp *tcp;
	struct pw_forward *forward;
	uint32_t index;
	uint32_t lcore;
	uint8_t role;
	bool drain_told;
	bool announced;
	bool drained;	  /* atomic: the main lcore reads it */
	uint32_t edition; /* the fleet's, which it has adopted; likewise */
	uint32_t pressure;
	uint32_t next_port; /* where the search for a source port goes on */
	uint64_t wire_due;  /* ns */
	uint64_t cleanup_due;
	uint64_t link_due;
	uint64_t icmp_second; /* ns: when the one began in which icmp_told were passed on */
	uint32_t icmp_told;
	uint32_t links_up;	   /* a bit an interface */
	struct pw_ring auth_asked; /* to the main lcore; without memory where nobody is asked */
	struct pw_ring auth_answered;
	struct tx_buf tx[PW_WIRE_MAX_IFACES];
	uint8_t unclean; /* times that TX queues have to be cleaned, frames having been sent */
	bool refused;	 /* in this turn a ring was too full for a message */
	bool armed;	 /* interrupts are, and `waits` was set */
	uint64_t told;	 /* a bit for each worker that was handed something in this turn */
	uint64_t pressure_due;
	int epoll_fd;	  /* -1: none */
	int bell_fd;	  /* -1: none; written by others */
	uint32_t watched; /* a bit for each receive queue that epoll_fd hears of */
	struct rte_epoll_event bell;
	/* Receive queues that have a descriptor of their own. */
	struct rte_epoll_event queue[2 * PW_WIRE_MAX_IFACES];
	int queue_fd[2 * PW_WIRE_MAX_IFACES];
	struct idle idle;
	uint64_t wait_cpu;	/* ns of its thread's CPU time when a wait began */
	uint64_t rx_then;	/* rx_frames when a time-out ended the last wait */
	uint8_t untold;		/* such waits, one after the other, that frames were found behind */
	bool timed_out;		/* a long last wait, which a time-out ended */
	clockid_t cpu_clock;	/* of its thread, once clock_known */
	bool clock_known;	/* atomic: any thread reads it */
	uint64_t longest_sleep; /* atomic, ns: for telemetry */
	const struct pw_stages *stages; /* atomic; its thread's, NULL where they are not counted */
	struct pw_bucket to_kernel[PW_WIRE_MAX_IFACES];
	/* Of the worker that talks to the kernel alone, from here on. */
	uint64_t kernel_due;
	struct pw_bucket to_kernel_all[PW_WIRE_MAX_IFACES];
	struct pw_bucket from_kernel[PW_WIRE_MAX_IFACES];
	struct tx_buf kernel_tx[PW_WIRE_MAX_IFACES];
	struct pw_worker_counters count __rte_cache_aligned;
	bool waits __rte_cache_aligned; /* atomic: set by itself, cleared by who rings first */
} __rte_cache_aligned;

struct pw_fleet {
	uint32_t nb_workers;
	uint32_t nb_ifaces;
	struct worker *worker[PW_FORWARD_MAX_WORKERS];
	struct pw_port *port[PW_WIRE_MAX_IFACES];
	struct steering steering[PW_WIRE_MAX_IFACES];
	uint16_t listener_port[PW_FORWARD_MAX_LISTENERS];
	struct pw_addr listener_addr[PW_FORWARD_MAX_LISTENERS];
	uint32_t nb_listeners;
	struct kernel_side kernel[PW_WIRE_MAX_IFACES];
	bool has_kernel; /* some interface has one */
	struct pw_forward_shared *shared;
	struct pw_mem *mem;
	uint32_t posted;    /* packet buffers that stand empty in receive queues */
	struct lane *lane;  /* [from * nb_workers + to] */
	bool lend_frames;   /* frames cross: the lanes have frame rings */
	uint32_t auth_turn; /* the worker that is served first; the main lcore's */
	uint32_t launched;  /* workers on their lcores; the main lcore's */
	bool renewing;	    /* some worker has not adopted the edition yet; the main lcore's */
	bool bells;	    /* some worker waits for interrupts: others have to ring */
	bool apart;	    /* devices and brokers on different workers */
	bool live;	    /* time is pw_clock_now(); changes only while no worker runs */
	/* Written by any thread, read by the workers. */
	bool draining __rte_cache_aligned;
	bool stopping;
	uint32_t edition; /* counts those that workers were given */
	/* Written by worker 0, which announces the addresses; read by the others. */
	uint32_t standing[PW_WIRE_MAX_IFACES];
};

static inline void
count_add(uint64_t *counter, uint64_t n)
{
	__atomic_store_n(counter, *counter + n, __ATOMIC_RELAXED);
}

static inline struct lane *
lane_of(struct pw_fleet *f, uint32_t from, uint32_t to)
{
	return &f->lane[from * f->nb_workers + to];
}

/* check.c */
int fleet_check(const struct pw_fleet_conf *conf, char *err, size_t err_len);

/* posted.c: sets f->posted; refuses where that leaves too little for messages. */
int fleet_posted(struct pw_fleet *f, char *err, size_t err_len);

/* reta.c: which workers the flows of each interface go to; needs worker 0's wire. */
int fleet_steering(struct pw_fleet *f, const struct pw_fleet_conf *conf, char *err, size_t err_len);
/* True where frames of some port have to cross workers. */
bool fleet_frames_cross(const struct pw_fleet *f);

/* steer.c */
uint32_t worker_steer(struct worker *w, uint32_t iface, struct rte_mbuf **frames, uint32_t n);
bool worker_is_listener_port(const struct pw_fleet *f, uint16_t port);

/* rings.c */
int fleet_rings_create(struct pw_fleet *f);
void fleet_rings_destroy(struct pw_fleet *f);
/* 0; -ENOBUFS where messages of this kind have as much of the ring as they may. */
int worker_post(struct worker *w, uint32_t to, const struct message *m);
uint32_t worker_read_messages(struct worker *w, uint64_t now);
uint32_t worker_read_frames(struct worker *w, uint64_t now);

/* auth.c */
int fleet_auth_create(struct pw_fleet *f, const struct pw_fleet_conf *conf);
void worker_auth_destroy(struct worker *w);
int worker_authenticate(void *ctx, const struct pw_auth_request *r);
uint32_t worker_read_answers(struct worker *w, uint64_t now);

/* kernel.c */
void worker_kernel_init(struct worker *w);
/* Takes a frame for the kernel; it has l2_len and may be tagged. */
void worker_to_kernel(struct worker *w, uint32_t iface, struct rte_mbuf *m, uint64_t now);
/* False for what the kernel's interface is too small for. */
bool worker_kernel_fits(const struct pw_fleet *f, uint32_t iface, const struct rte_mbuf *m);
/* The same of another worker, or of none: as the owner has it. Takes m. */
void worker_kernel_from_other(struct worker *w, uint32_t iface, struct rte_mbuf *m, uint64_t now);
/* Frames of the kernel to where they are to leave; returns how many. */
uint32_t worker_kernel_poll(struct worker *w, uint64_t now);
void worker_kernel_flush(struct worker *w);
/* Let the driver free what it has sent. */
void worker_kernel_cleanup(struct worker *w);

/* tx.c */
void worker_tx(struct worker *w, uint32_t iface, struct rte_mbuf *m);
void worker_tx_flush(struct worker *w);
void worker_tx_cleanup(struct worker *w, uint64_t now);

/* hooks.c */
struct pw_wire_hooks worker_wire_hooks(struct worker *w);
struct pw_tcp_hooks worker_tcp_hooks(struct worker *w);
int worker_post_forward(void *ctx, uint32_t worker, const struct pw_forward_msg *msg);
int worker_source(void *ctx, const struct pw_addr *dst, struct pw_addr *src);

/* renew.c: go over to the edition that the fleet has, if it has not yet. */
void worker_renew(struct worker *w, uint64_t now);

/* turn.c: frames that this worker's stack is to have, ownership passes. */
void worker_input(struct worker *w, uint32_t iface, struct rte_mbuf **frames, uint32_t n,
		  uint64_t now);

/* loop.c: CPU time of the calling thread (ns). */
uint64_t worker_cpu_time(void);

/* interrupt.c: main lcore, once workers, ports and rings stand. */
void fleet_interrupts(struct pw_fleet *f);
void worker_interrupts_close(struct worker *w);
/* The kernel's interface beside one is gone. Main lcore. */
void fleet_kernel_unwatch(struct pw_fleet *f, uint32_t iface);
/* A turn found nothing for long: arm, or wait where that is done. */
void worker_wait(struct worker *w, uint64_t now);
uint64_t worker_next_timer(const struct worker *w);
/* The time (ns) at which a worker has to turn again though nobody wakes it. */
uint64_t worker_wait_end(const struct worker *w, uint64_t now);
/* It does not wait, or not any more. */
void worker_disarm(struct worker *w);
/* A turn found something after all: disarm, and judge whether the ports should have said so. */
void worker_found_armed(struct worker *w);
/* Wake those of these workers, a bit each, that wait. Any thread, after it has put something
 * where they look. */
void fleet_ring(struct pw_fleet *f, uint64_t workers);
/* After a turn: wake those that were handed something; acted: it found work, or a timer fired. */
void worker_ring(struct worker *w, bool acted);

#endif
