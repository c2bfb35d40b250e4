/* SPDX-License-Identifier: BSD-3-Clause */
/* The lcore's loop: turns, the clock, and what to do when there is nothing to do. */
#include <errno.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <time.h>

#include <rte_cycles.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include <rte_pause.h>

#include <pubwire/base/log.h>
#include <pubwire/base/stage.h>

#include "worker_pvt.h"

#define TIMER_SLACK_NS 1000 /* Linux would add 50 us to each sleep */

uint64_t
pw_clock_now(void)
{
	uint64_t hz = rte_get_tsc_hz(), tsc = rte_get_tsc_cycles();

	return tsc / hz * NS_PER_S + tsc % hz * NS_PER_S / hz;
}

static uint64_t
time_of(clockid_t clock)
{
	struct timespec t;

	/* Fails for the clock of a thread that is gone, and there are none. */
	if (clock_gettime(clock, &t) != 0)
		return 0;
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

uint64_t
worker_cpu_time(void)
{
	return time_of(CLOCK_THREAD_CPUTIME_ID);
}

static void
nap(struct worker *w, uint64_t ns)
{
	uint64_t before;

	if (idle_wants_cpu_time(&w->idle)) {
		idle_cpu_time(&w->idle, worker_cpu_time());
		__atomic_store_n(&w->longest_sleep, w->idle.longest, __ATOMIC_RELAXED);
	}
	before = rte_get_tsc_cycles();
	(void)clock_nanosleep(CLOCK_MONOTONIC, 0, &(struct timespec){.tv_nsec = (long)ns}, NULL);
	count_add(&w->count.sleep_cycles, rte_get_tsc_cycles() - before);
	count_add(&w->count.sleeps, 1);
	idle_slept(&w->idle);
}

static void
rest(struct worker *w)
{
	uint64_t now = pw_clock_now(), ns = idle_step(&w->idle, now);

	if (ns == 0)
		rte_pause();
	else if (ns == IDLE_WAIT)
		worker_wait(w, now);
	else
		nap(w, ns);
}

/* Other threads read this thread's CPU time by it. */
static void
publish_clock(struct worker *w)
{
	clockid_t clock;

	if (pthread_getcpuclockid(pthread_self(), &clock) == 0) {
		w->cpu_clock = clock;
		/* Pairs with the acquire in pw_fleet_cpu_time(). */
		__atomic_store_n(&w->clock_known, true, __ATOMIC_RELEASE);
	}
}

static int
loop(void *arg)
{
	struct worker *w = arg;
	struct pw_fleet *f = w->fleet;
	uint64_t before = rte_get_tsc_cycles();

	publish_clock(w);
	/* Pairs with the acquire in pw_fleet_stages(). */
	__atomic_store_n(&w->stages, pw_stages_mine(), __ATOMIC_RELEASE);
	if (w->idle.policy != PW_IDLE_POLL)
		(void)prctl(PR_SET_TIMERSLACK, TIMER_SLACK_NS, 0, 0, 0);
	/* Pairs with the release in pw_fleet_stop(). */
	while (!__atomic_load_n(&f->stopping, __ATOMIC_ACQUIRE)) {
		uint32_t work = pw_worker_turn(f, w->index, pw_clock_now());
		uint64_t after = rte_get_tsc_cycles();

		if (work > 0) {
			count_add(&w->count.busy_cycles, after - before);
			idle_found_work(&w->idle);
			if (w->armed)
				worker_found_armed(w);
		} else {
			rest(w);
			pw_stage_paused();
			after = rte_get_tsc_cycles();
		}
		count_add(&w->count.total_cycles, after - before);
		before = after;
	}
	if (w->armed)
		worker_disarm(w);
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
	fleet_ring(f, UINT64_MAX);
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
	fleet_ring(f, UINT64_MAX);
	for (uint32_t i = 0; i < f->launched; i++)
		(void)rte_eal_wait_lcore(f->worker[i]->lcore);
	f->launched = 0;
	f->live = false;
	__atomic_store_n(&f->stopping, false, __ATOMIC_RELEASE);
}

enum pw_idle
pw_fleet_idle(const struct pw_fleet *f, uint32_t i)
{
	return __atomic_load_n(&f->worker[i]->idle.policy, __ATOMIC_RELAXED);
}

bool
pw_fleet_woken(const struct pw_fleet *f, uint32_t i)
{
	return __atomic_load_n(&f->worker[i]->idle.woken, __ATOMIC_RELAXED);
}

uint64_t
pw_fleet_cpu_time(const struct pw_fleet *f, uint32_t i)
{
	const struct worker *w = f->worker[i];

	/* Pairs with the release in publish_clock(). */
	return __atomic_load_n(&w->clock_known, __ATOMIC_ACQUIRE) ? time_of(w->cpu_clock) : 0;
}

const struct pw_stages *
pw_fleet_stages(const struct pw_fleet *f, uint32_t i)
{
	/* Pairs with the release in loop(). */
	return __atomic_load_n(&f->worker[i]->stages, __ATOMIC_ACQUIRE);
}

uint64_t
pw_fleet_longest_sleep(const struct pw_fleet *f, uint32_t i)
{
	return __atomic_load_n(&f->worker[i]->longest_sleep, __ATOMIC_RELAXED);
}
