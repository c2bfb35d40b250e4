/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PUBWIRE_BASE_WHEEL_H
#define PUBWIRE_BASE_WHEEL_H

/**
 * @file
 * Hierarchical timing wheel with embedded nodes: arm and cancel in constant time, no allocation.
 *
 * Time is passed in, in nanoseconds; the wheel counts ticks. A timer fires at the first advance
 * whose time is at or past its expiry, never before it, at most one tick late relative to that
 * time. One lcore owns a wheel and all nodes on it.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A node, embedded in the object it times. Zeroed memory is an idle timer. */
struct pw_timer {
	struct pw_timer *next;
	struct pw_timer **prev; /**< NULL where the timer is idle */
	uint64_t expiry;	/**< ns */
};

/** Timers in the order of their arrival. */
struct pw_timer_queue {
	struct pw_timer *head;
	struct pw_timer **tail;
};

#define PW_WHEEL_BITS	8
#define PW_WHEEL_LEVELS 4

/**
 * The wheel: 4 levels of 256 slots; at 1 ms a tick it spans 49 days, beyond which timers re-queue.
 * Nodes point into it: it stays where pw_wheel_init() found it.
 */
struct pw_wheel {
	uint64_t tick_ns;
	uint64_t tick;	  /**< ticks that have been advanced over */
	uint64_t soonest; /**< no slot is due before this tick */
	uint32_t armed;
	struct pw_timer_queue due;    /**< waiting for an advance */
	struct pw_timer_queue firing; /**< taken over by the advance that runs */
	struct pw_timer *slot[PW_WHEEL_LEVELS][1 << PW_WHEEL_BITS];
	uint64_t map[PW_WHEEL_LEVELS][(1 << PW_WHEEL_BITS) / 64]; /**< slots that are not empty */
};

/** Called for each timer that fires; the timer is idle by then and may be armed again or freed. */
typedef void (*pw_wheel_fn)(void *ctx, struct pw_timer *t, uint64_t now);

/** Start a wheel at a time. */
void pw_wheel_init(struct pw_wheel *w, uint64_t now, uint64_t tick_ns);

/** Arm a timer, or move it where it is armed. An expiry in the past fires at the next advance. */
void pw_wheel_arm(struct pw_wheel *w, struct pw_timer *t, uint64_t expiry);

/** Disarm; harmless on an idle timer. */
void pw_wheel_cancel(struct pw_wheel *w, struct pw_timer *t);

/** True while the timer is armed. */
static inline bool
pw_timer_armed(const struct pw_timer *t)
{
	return t->prev != NULL;
}

/**
 * Fire what is due.
 *
 * @param budget  most timers to fire in this call; the rest fire at the next
 * @return        timers fired
 */
uint32_t pw_wheel_advance(struct pw_wheel *w, uint64_t now, uint32_t budget, pw_wheel_fn fn,
			  void *ctx);

/**
 * Time of the next advance that has something to do (ns): 0 where a timer is overdue, UINT64_MAX
 * where nothing is armed, else no more than one tick past the earliest expiry. An advance to it
 * makes progress, but need not fire: far timers come near in steps.
 */
uint64_t pw_wheel_next(const struct pw_wheel *w);

#ifdef __cplusplus
}
#endif

#endif
