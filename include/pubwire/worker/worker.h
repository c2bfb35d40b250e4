/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PUBWIRE_WORKER_WORKER_H
#define PUBWIRE_WORKER_WORKER_H

/**
 * @file
 * The poll loop of a pinned lcore, and the rings between workers.
 *
 * A `pw_fleet` is all workers of the process. It owns what they share (steering, rings, logs) and,
 * per worker, one wire, one TCP stack and one forward. Worker i owns RX and TX queue i of each port
 * that has as many; on a port with fewer queues, received frames are steered by the software RSS of
 * their queue's owner, and frames to send are handed to a queue's owner.
 */

#include <stdbool.h>
#include <stdint.h>

#include <pubwire/base/counter.h>
#include <pubwire/base/pool.h>
#include <pubwire/base/stage.h>
#include <pubwire/forward/edition.h>
#include <pubwire/forward/forward.h>
#include <pubwire/tcp/tcp.h>
#include <pubwire/wire/port.h>
#include <pubwire/wire/wire.h>

#ifdef __cplusplus
extern "C" {
#endif

/** What a worker does when a loop found nothing. */
enum pw_idle {
	PW_IDLE_POLL,	   /**< looks again at once */
	PW_IDLE_ADAPTIVE,  /**< pauses for longer, then waits; where its ports can't wake it, it
			      sleeps, the longer the longer it finds nothing */
	PW_IDLE_INTERRUPT, /**< pauses, then waits for a port's interrupt, another thread, a timer
			    */
};

/** The kernel's interface beside a port: a port of its own, opened for one worker. */
struct pw_kernel_conf {
	const struct pw_port *port; /**< NULL: there is none */
	uint32_t rate;		    /**< frames a second, each way; at least 1 */
};

/** Bound of a sleep by the clock where nothing else is said, microseconds. */
#define PW_IDLE_SLEEP_US 2000

/** How to build the fleet. Everything pointed to outlives it. */
struct pw_fleet_conf {
	uint32_t nb_workers;
	uint32_t lcore[PW_FORWARD_MAX_WORKERS]; /**< EAL lcore ids, distinct */
	uint8_t role[PW_FORWARD_MAX_WORKERS];	/**< enum pw_role bits */
	struct pw_wire_iface iface[PW_WIRE_MAX_IFACES];
	uint32_t nb_ifaces;
	/**
	 * Open; of the interface of the same index. Roles decide which workers a port's flows go
	 * to: reta and PW_PORT_RX_RSS of a port are rewritten by pw_fleet_create() where roles are
	 * split.
	 */
	struct pw_port *port[PW_WIRE_MAX_IFACES];
	/**
	 * Of the interface of the same index; what goes there is said by its `kernel`. Worker 0
	 * talks to the kernel.
	 */
	struct pw_kernel_conf kernel[PW_WIRE_MAX_IFACES];
	/** These two outlive it, or until an edition has taken their place. */
	const struct pw_forward_settings *settings;
	const struct pw_access *access; /**< NULL: anybody may publish anything */
	struct pw_mem *mem;
	struct pw_tcp_conf
		tcp; /**< sizes and policy; name, mem, hooks and seed are set by the fleet */
	uint32_t neighbours; /**< of each worker's table, at most PW_WIRE_NEIGH_MAX [1024] */
	uint32_t fragments;  /**< packets that each worker puts together from fragments, 0: none */
	enum pw_idle idle;   /**< but for poll: of ports that were opened with rx_interrupts */
	uint32_t idle_sleep_us; /**< adaptive: bound of a sleep [PW_IDLE_SLEEP_US] */
	uint64_t seed;
	uint64_t now; /**< time at which the stacks start [pw_clock_now()]; for virtual time */
};

#define PW_WORKER_COUNTERS(X)                                                                      \
	X(loops, "Turns of the poll loop")                                                         \
	X(busy_loops, "Turns that found work")                                                     \
	X(total_cycles, "TSC cycles in the loop")                                                  \
	X(busy_cycles, "TSC cycles in turns that found work")                                      \
	X(sleep_cycles, "TSC cycles asleep")                                                       \
	X(sleeps, "Times that an idle worker slept")                                               \
	X(wakeups, "Sleeps that a port's interrupt or another thread has ended")                   \
	X(bells, "Times that another thread rang for a worker that waited")                        \
	X(rx_frames, "Frames received from ports")                                                 \
	X(tx_frames, "Frames accepted by ports")                                                   \
	X(drop_tx_full, "Frames dropped because a port's queue stayed full")                       \
	X(drop_tx_refused, "Frames dropped because a port can't send such a frame")                \
	X(steered_out, "Frames handed to the worker that owns their flow")                         \
	X(steered_in, "Frames received from the worker that owns their queue")                     \
	X(drop_steer_full, "Frames dropped because the ring to another worker was full")           \
	X(regrouped, "Packets handed on once their flow was known: fragments, IPv6 options")       \
	X(tx_lent, "Frames sent through another worker's queue")                                   \
	X(messages_in, "Messages from other workers")                                              \
	X(messages_out, "Messages to other workers")                                               \
	X(message_ring_full, "Times that a message waited because a ring was full")                \
	X(drop_message_full, "Neighbours, ICMP errors, rejoined packets lost to a full ring")      \
	X(to_kernel, "Frames given to the kernel's interfaces beside the ports")                   \
	X(from_kernel, "Frames of the kernel sent through ports")                                  \
	X(kernel_held_back, "Looks for frames of the kernel put off by ports[].kernel.rate")       \
	X(drop_kernel_rate, "Frames for the kernel above ports[].kernel.rate")                     \
	X(drop_kernel_ring, "Frames for the kernel lost to a full ring between workers")           \
	X(drop_kernel_refused, "Frames for the kernel that its interface did not take")            \
	X(icmp_held_back, "ICMP errors about others' flows held back by the rate limit")

PW_COUNTER_STRUCT(pw_worker_counters, PW_WORKER_COUNTERS);

struct pw_fleet;

/** Build. Main lcore. NULL with rte_errno, and one line of text in err. */
struct pw_fleet *pw_fleet_create(const struct pw_fleet_conf *conf, char *err, size_t err_len);

/** Free; the workers have stopped. */
void pw_fleet_destroy(struct pw_fleet *f);

/** One turn of worker i's loop at a time: what the lcore's loop calls, and what tests call. */
uint32_t pw_worker_turn(struct pw_fleet *f, uint32_t i, uint64_t now);

/** Launch every worker on its lcore. 0 or -errno. */
int pw_fleet_start(struct pw_fleet *f) __attribute__((warn_unused_result));

/** Passwords that device workers ask to have verified, in turns between them; returns how many.
 * Main lcore. */
uint32_t pw_fleet_auth_get(struct pw_fleet *f, struct pw_auth_request *out, uint32_t max);

/** Answer one of them. Main lcore. */
void pw_fleet_auth_put(struct pw_fleet *f, uint32_t worker, const struct pw_auth_answer *a);

/**
 * Give workers other settings and rules, while they run: as pw_forward_renew(), and each goes over
 * before its next turn. -EBUSY before pw_fleet_release() of the last ones; -EHOSTUNREACH: a broker
 * is behind a port that only workers without brokers serve. What was in force is to stay until
 * pw_fleet_release(). Main lcore.
 */
int pw_fleet_renew(struct pw_fleet *f, const struct pw_edition_conf *conf)
	__attribute__((warn_unused_result));

/** True once every worker has gone over. Main lcore. */
bool pw_fleet_renewed(struct pw_fleet *f);

/**
 * The kernel's interface beside an interface is no more (its operator deleted it): frames for it
 * are dropped and counted from here on. Main lcore.
 */
void pw_fleet_kernel_gone(struct pw_fleet *f, uint32_t iface);

/** Free what was in force before, once every worker has gone over and no other thread (telemetry)
 * looks at it. Main lcore. */
void pw_fleet_release(struct pw_fleet *f);

/** As pw_forward_retired(), pw_forward_brokers(). Main lcore. */
bool pw_fleet_retired(const struct pw_fleet *f);
uint32_t pw_fleet_brokers(const struct pw_fleet *f);

/** Ask for a drain; returns at once. Any thread. */
void pw_fleet_drain(struct pw_fleet *f);

/** True once every worker has drained. Any thread. */
bool pw_fleet_drained(const struct pw_fleet *f);

/** What is known of the workers' progress; of whoever watches, zeroed at first. */
struct pw_fleet_pulse {
	uint64_t loops[PW_FORWARD_MAX_WORKERS]; /**< turns at the last look */
	uint64_t seen[PW_FORWARD_MAX_WORKERS];	/**< ns: when they were seen to be as many */
};

/**
 * For how many ns the worker that stands still for longest is known to have made no turn, and which
 * that is; 0 where all have turned since the last look. Sleeps of idle workers are between turns
 * and bounded: whoever calls a worker hung allows for them. Any thread.
 */
uint64_t pw_fleet_stands(const struct pw_fleet *f, struct pw_fleet_pulse *p, uint64_t now,
			 uint32_t *worker);

/** Stop the loops and wait for the lcores. Main lcore. */
void pw_fleet_stop(struct pw_fleet *f);

/** Parts of worker i, for telemetry. Their stats functions say which thread may call. */
uint32_t pw_fleet_workers(const struct pw_fleet *f);
uint32_t pw_fleet_lcore(const struct pw_fleet *f, uint32_t i);
uint8_t pw_fleet_role(const struct pw_fleet *f, uint32_t i);
const struct pw_wire *pw_fleet_wire(const struct pw_fleet *f, uint32_t i);
const struct pw_tcp *pw_fleet_tcp(const struct pw_fleet *f, uint32_t i);
const struct pw_forward *pw_fleet_forward(const struct pw_fleet *f, uint32_t i);
const struct pw_worker_counters *pw_fleet_counters(const struct pw_fleet *f, uint32_t i);

/** What worker i does when it is idle. It is adaptive where interrupts are asked for and one of
 * its ports has none. Any thread. */
enum pw_idle pw_fleet_idle(const struct pw_fleet *f, uint32_t i);

/** Whether an idle worker i waits for its ports, other threads and timers; else it sleeps by the
 * clock, or not at all. Any thread. */
bool pw_fleet_woken(const struct pw_fleet *f, uint32_t i);

/** CPU time that worker i's thread has used, by the kernel's account (ns); 0 before it was started.
 * Any thread. */
uint64_t pw_fleet_cpu_time(const struct pw_fleet *f, uint32_t i);

/** Where worker i's cycles went; NULL in builds that do not count them, and before it was started.
 * Any thread, while the worker's lives. */
const struct pw_stages *pw_fleet_stages(const struct pw_fleet *f, uint32_t i);

/** How long worker i sleeps by the clock at most by now (ns); 0 where it has not. Any thread. */
uint64_t pw_fleet_longest_sleep(const struct pw_fleet *f, uint32_t i);

/** Nanoseconds of the monotonic clock that the loops use (TSC). Any thread. */
uint64_t pw_clock_now(void);

#ifdef __cplusplus
}
#endif

#endif
