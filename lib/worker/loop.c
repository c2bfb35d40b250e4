/* SPDX-License-Identifier: BSD-3-Clause */
/* The lcore's loop: turns, the clock, and what to do when there is nothing to do. */
#include <errno.h>
#include <sys/prctl.h>
#include <time.h>

#include <rte_cycles.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include <rte_pause.h>

#include <pubwire/base/log.h>

#include "worker_pvt.h"

#define SPIN_TURNS     256  /* turns without work before the first sleep */
#define TIMER_SLACK_NS 1000 /* Linux would add 50 us to each sleep */

/* Where an idle worker stands between spinning and sleeping. */
struct idle {
	uint32_t turns;
	uint32_t sleep_us;
};

uint64_t
pw_clock_now(void)
{
	uint64_t hz = rte_get_tsc_hz(), tsc = rte_get_tsc_cycles();

	return tsc / hz * NS_PER_S + tsc % hz * NS_PER_S / hz;
}

static void
rest(struct worker *w, struct idle *idle)
{
	const struct pw_fleet *f = w->fleet;

	if (f->idle == PW_IDLE_POLL || ++idle->turns < SPIN_TURNS) {
		rte_pause();
		return;
	}
	idle->sleep_us = RTE_MIN(RTE_MAX(idle->sleep_us * 2, 1u), f->idle_sleep_us);
	(void)clock_nanosleep(CLOCK_MONOTONIC, 0,
			      &(struct timespec){.tv_nsec = (long)idle->sleep_us * 1000}, NULL);
	count_add(&w->count.sleeps, 1);
}

static int
loop(void *arg)
{
	struct worker *w = arg;
	struct pw_fleet *f = w->fleet;
	struct idle idle = {0};
	uint64_t before = rte_get_tsc_cycles();

	if (f->idle == PW_IDLE_ADAPTIVE)
		(void)prctl(PR_SET_TIMERSLACK, TIMER_SLACK_NS, 0, 0, 0);
	/* Pairs with the release in pw_fleet_stop(). */
	while (!__atomic_load_n(&f->stopping, __ATOMIC_ACQUIRE)) {
		uint32_t work = pw_worker_turn(f, w->index, pw_clock_now());
		uint64_t after = rte_get_tsc_cycles();

		if (work > 0) {
			count_add(&w->count.busy_cycles, after - before);
			idle = (struct idle){0};
		} else {
			rest(w, &idle);
			after = rte_get_tsc_cycles();
		}
		count_add(&w->count.total_cycles, after - before);
		before = after;
	}
	return 0;
}

int
pw_fleet_start(struct pw_fleet *f)
{
	f->live = true; /* the launch below orders it */
	for (uint32_t i = 0; i < f->nb_workers; i++) {
		struct worker *w = f->worker[i];
		int rc = rte_eal_remote_launch(loop, w, w->lcore);

		if (rc < 0) {
			PW_LOG(worker, ERR, "worker %u does not start on lcore %u%s", i, w->lcore,
			       w->lcore == rte_get_main_lcore() ? ", which is the main lcore" : "");
			pw_fleet_stop(f);
			return rc;
		}
		f->launched = i + 1;
	}
	return 0;
}

void
pw_fleet_drain(struct pw_fleet *f)
{
	/* Pairs with the acquire in watch_drain(). */
	__atomic_store_n(&f->draining, true, __ATOMIC_RELEASE);
}

bool
pw_fleet_drained(const struct pw_fleet *f)
{
	for (uint32_t i = 0; i < f->nb_workers; i++) {
		/* Pairs with the release in watch_drain(). */
		if (!__atomic_load_n(&f->worker[i]->drained, __ATOMIC_ACQUIRE))
			return false;
	}
	return true;
}

void
pw_fleet_stop(struct pw_fleet *f)
{
	/* Pairs with the acquire in loop(). */
	__atomic_store_n(&f->stopping, true, __ATOMIC_RELEASE);
	for (uint32_t i = 0; i < f->launched; i++)
		(void)rte_eal_wait_lcore(f->worker[i]->lcore);
	f->launched = 0;
	f->live = false;
	__atomic_store_n(&f->stopping, false, __ATOMIC_RELEASE);
}
