/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a worker does between turns that find nothing. Two wishes oppose each other: a message
 * should not wait for a sleeper, and each sleep costs the CPU something, however short it is. What
 * one costs here (a microsecond or two on a machine of one's own, ten times that and more in some
 * virtual machines) is measured by the caller's clock.
 *
 * A worker that its ports wake delays a message by what waking it takes. How long that is shows
 * where a time-out ends the wait, and it is no less than what it costs. It waits once that is a
 * small part of the silence so far, and then for as long as it likes.
 *
 * One that sleeps by the clock delays it by the rest of the sleep. So a sleep is a small part of
 * the silence so far, which delays nobody by more than a small part of the gap between messages;
 * and it is no longer than it has to be for an idle worker to stay within its share of the CPU.
 */
#include <rte_common.h>

#include "idle_pvt.h"

#define SPIN_TURNS  64	    /* an upcall may leave work to the turns that follow it */
#define SPIN_NS	    50000   /* a peer on the same network answers within this */
#define SHORT_NS    50000   /* sleeps up to here are as nothing beside a network's delays */
#define SHORT_PART  16	    /* of the silence */
#define SHORT_COSTS 2	    /* or so many times what one costs */
#define LONG_PART   256	    /* of the silence */
#define PAUSE_NS    2000000 /* who is silent for longer leaves the CPU to others anywhere */
#define IDLE_SHARE  45	    /* a sleep lasts so many times what it costs: 2.2 % of the CPU */
#define WINDOW	    32	    /* sleeps whose cost is taken together */

void
idle_init(struct idle *i, enum pw_idle policy, uint64_t bound)
{
	*i = (struct idle){.policy = policy, .bound = bound, .longest = RTE_MIN(bound, SHORT_NS)};
}

void
idle_found_work(struct idle *i)
{
	i->turns = 0;
	i->window = 0;
}

uint64_t
idle_step(struct idle *i, uint64_t now)
{
	uint64_t silence, few, want;

	if (i->turns++ == 0)
		i->since = now;
	silence = now - i->since;
	if (i->policy == PW_IDLE_POLL || i->turns <= SPIN_TURNS || silence < SPIN_NS)
		return 0;
	if (i->policy == PW_IDLE_INTERRUPT)
		return IDLE_WAIT;
	if (i->woken)
		return silence > RTE_MIN(RTE_MAX(i->cost, i->late) * SHORT_PART, (uint64_t)PAUSE_NS)
			       ? IDLE_WAIT
			       : 0;
	/* Where a sleep costs more than a short one lasts, none of those would be worth it. */
	few = RTE_MAX((uint64_t)SHORT_NS, i->cost * SHORT_COSTS);
	want = RTE_MAX(RTE_MIN(silence / SHORT_PART, few), silence / LONG_PART);
	/* What is shorter than it costs saves nothing. */
	return want > i->cost ? RTE_MIN(want, i->longest) : 0;
}

bool
idle_wants_cpu_time(const struct idle *i)
{
	return i->window % WINDOW == 0;
}

/* One time that the caches were cold, or warm, is not the rule; nor is a pause of the machine. */
static uint64_t
weigh(uint64_t old, uint64_t sample)
{
	return old == 0 ? sample : (old * 3 + RTE_MIN(sample, 2 * old)) / 4;
}

void
idle_cpu_time(struct idle *i, uint64_t used)
{
	if (i->window > 0) {
		i->cost = weigh(i->cost, (used - i->used) / WINDOW);
		i->longest = RTE_MIN(RTE_MAX(i->cost * IDLE_SHARE, (uint64_t)SHORT_NS), i->bound);
	}
	i->used = used;
}

void
idle_slept(struct idle *i)
{
	i->window++;
}

void
idle_waited(struct idle *i, uint64_t cost)
{
	i->cost = weigh(i->cost, cost);
}

void
idle_woke_late(struct idle *i, uint64_t late)
{
	i->late = weigh(i->late, late);
}
