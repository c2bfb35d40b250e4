/* SPDX-License-Identifier: BSD-3-Clause */
/* Workers that wait for the interrupts of their ports, or sleep where these have none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include <pubwire/base/log.h>

#include "nics.h"
#include "worker_pvt.h"

#define DEVICES	 4
#define MESSAGES 50

static bool
connected(const struct world *w)
{
	for (uint32_t i = 0; i < w->nb_devices; i++) {
		if (!w->device[i].connected)
			return false;
	}
	return true;
}

static bool
drained(const struct world *w)
{
	return pw_fleet_drained(w->fleet);
}

static void
connect_devices(struct world *w)
{
	for (uint32_t i = 0; i < DEVICES; i++) {
		char id[16];

		snprintf(id, sizeof(id), "dev%u", i);
		device_create(&w->device[w->nb_devices++], &w->side[0], "10.1.0.2", "10.1.0.1",
			      1883, PW_MQTT_3_1_1, id, w->now);
	}
	assert_true(nics_until(w, connected, 20000));
}

static const uint32_t lcores[] = {1, 2};

/* Two workers on lcores of their own forward, and wait in between. */
static void
forward(const struct world_conf *conf)
{
	struct world *w = nics_world(*conf);

	assert_int_equal(pw_fleet_start(w->fleet), 0);
	connect_devices(w);
	for (uint32_t k = 0; k < MESSAGES; k++) {
		for (uint32_t d = 0; d < w->nb_devices; d++)
			(void)device_publish(&w->device[d], 1, "plant/line", "payload", 7);
		for (uint64_t end = w->now + MS; w->now < end;) {
			world_step(w);
			nics_raise();
		}
	}
	assert_true(nics_until(w, world_acked, 30000));
	pw_fleet_drain(w->fleet);
	assert_true(nics_until(w, drained, 20000));
	pw_fleet_stop(w->fleet);
	for (uint32_t i = 0; i < 2; i++) {
		const struct pw_worker_counters *c = pw_fleet_counters(w->fleet, i);

		assert_int_equal(pw_fleet_idle(w->fleet, i),
				 conf->adaptive ? PW_IDLE_ADAPTIVE : PW_IDLE_INTERRUPT);
		assert_true(pw_fleet_woken(w->fleet, i));
		assert_true(c->sleeps > 0 && c->wakeups > 0);
		assert_true(c->total_cycles > c->busy_cycles + c->sleep_cycles);
		/* The port's queues are worker 0's: the other one hears of everything by the bell.
		 */
		assert_true(i == 0 || c->bells > 0);
	}
	assert_int_equal(nics.naps, 0);
	(void)pw_log_drain();
	nics_end(w);
}

static void
workers_that_serve_both_roles_forward_and_wait(void **state)
{
	static const struct world_conf conf = {.workers = 2, .lcores = lcores, .real_time = true};

	(void)state;
	forward(&conf);
}

static void
split_workers_forward_and_wait(void **state)
{
	static const struct world_conf conf = {
		.workers = 2,
		.lcores = lcores,
		.real_time = true,
		.role = {PW_ROLE_DEVICES, PW_ROLE_BROKERS},
	};

	(void)state;
	forward(&conf);
}

static void
adaptive_workers_wait_too(void **state)
{
	static const struct world_conf conf = {
		.workers = 2,
		.lcores = lcores,
		.real_time = true,
		.adaptive = true,
	};

	(void)state;
	forward(&conf);
}

static bool
waited_often(const struct world *w)
{
	(void)w;
	return __atomic_load_n(&nics.waits, __ATOMIC_RELAXED) >= 20;
}

static bool
injected_often(const struct world *w)
{
	(void)w;
	return __atomic_load_n(&nics.injected, __ATOMIC_RELAXED) >= 20;
}

/* Between the look that found nothing and arming: no interrupt tells of it. */
static void
a_frame_that_came_just_before_arming_is_found_by_the_look_after_it(void **state)
{
	static const struct world_conf conf = {.workers = 1, .lcores = lcores, .real_time = true};
	struct world *w = nics_world(conf);

	(void)state;
	nics.inject = true;
	assert_int_equal(pw_fleet_start(w->fleet), 0);
	assert_true(nics_until(w, injected_often, 30000));
	pw_fleet_stop(w->fleet);
	assert_int_equal(nics.wrong, 0);
	(void)pw_log_drain();
	nics_end(w);
}

static void
a_bell_that_rings_after_the_last_look_ends_the_wait_at_once(void **state)
{
	static const struct world_conf conf = {.workers = 1, .lcores = lcores, .real_time = true};
	struct world *w = nics_world(conf);

	(void)state;
	nics.ring_late = true;
	assert_int_equal(pw_fleet_start(w->fleet), 0);
	assert_true(nics_until(w, waited_often, 30000));
	pw_fleet_stop(w->fleet);
	assert_int_equal(nics.wrong, 0);
	assert_true(pw_fleet_counters(w->fleet, 0)->bells >= 20);
	(void)pw_log_drain();
	nics_end(w);
}

static bool
sleeps_by_the_clock(const struct world *w)
{
	return !pw_fleet_woken(w->fleet, 0) && __atomic_load_n(&nics.naps, __ATOMIC_RELAXED) > 0;
}

/* Frames would wait for the longest wait there is: 100 ms. */
static void
a_worker_whose_ports_say_nothing_sleeps_by_the_clock(void **state)
{
	static const struct world_conf conf = {.workers = 1, .lcores = lcores, .real_time = true};
	struct world *w = nics_world(conf);

	(void)state;
	nics.untold = true;
	assert_int_equal(pw_fleet_start(w->fleet), 0);
	assert_true(nics_until(w, sleeps_by_the_clock, 30000));
	pw_fleet_stop(w->fleet);
	assert_int_equal(pw_fleet_idle(w->fleet, 0), PW_IDLE_ADAPTIVE);
	(void)pw_log_drain();
	nics_end(w);
}

static bool
napped_often(const struct world *w)
{
	(void)w;
	return __atomic_load_n(&nics.naps, __ATOMIC_RELAXED) >= 300;
}

static uint64_t
ns_of(uint64_t cycles)
{
	return (uint64_t)((double)cycles * 1e9 / (double)rte_get_tsc_hz());
}

static int
read_own_time(void *arg)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	*(uint64_t *)arg = (uint64_t)t.tv_sec * 1000 * MS + (uint64_t)t.tv_nsec;
	return 0;
}

/* A thread that sleeps uses no CPU, so what the kernel counts has room in the rest of the time. */
static void
the_shares_of_a_worker_agree_with_the_kernel(void **state)
{
	static const struct world_conf conf = {.workers = 1, .lcores = lcores, .real_time = true};
	struct world *w = nics_world(conf);
	const struct pw_worker_counters *c = pw_fleet_counters(w->fleet, 0);
	uint64_t before, cpu, all, asleep;

	(void)state;
	w->fleet->worker[0]->idle.policy = PW_IDLE_ADAPTIVE;
	w->fleet->worker[0]->idle.woken = false;
	assert_int_equal(pw_fleet_cpu_time(w->fleet, 0), 0);
	/* The thread has run the workers of other tests before. */
	assert_int_equal(rte_eal_remote_launch(read_own_time, &before, 1), 0);
	(void)rte_eal_wait_lcore(1);
	assert_int_equal(pw_fleet_start(w->fleet), 0);
	assert_true(nics_until(w, napped_often, 30000));
	pw_fleet_stop(w->fleet);
	cpu = pw_fleet_cpu_time(w->fleet, 0) - before;
	all = ns_of(c->total_cycles);
	asleep = ns_of(c->sleep_cycles);
	assert_int_equal(c->sleeps, nics.naps);
	assert_true(c->busy_cycles + c->sleep_cycles < c->total_cycles);
	assert_true(asleep >= nics.ordered - nics.ordered / 1000);
	assert_true(asleep > all / 3);
	assert_in_range(cpu, 1, all - nics.ordered + 20 * MS);
	assert_true(pw_fleet_longest_sleep(w->fleet, 0) >= 50000);
	(void)pw_log_drain();
	nics_end(w);
}

static void
a_port_without_interrupts_makes_its_worker_adaptive(void **state)
{
	static const struct world_conf conf = {.workers = 2};
	struct world *w;

	(void)state;
	nics.answer_ctl = -ENOTSUP;
	w = nics_world(conf);
	assert_int_equal(pw_fleet_idle(w->fleet, 0), PW_IDLE_ADAPTIVE);
	assert_false(pw_fleet_woken(w->fleet, 0));
	/* Worker 1 has no queue of a port: bells are all that can wake it. */
	assert_int_equal(pw_fleet_idle(w->fleet, 1), PW_IDLE_INTERRUPT);
	assert_true(pw_fleet_woken(w->fleet, 1));
	nics_end(w);
}

static void
a_port_that_refuses_interrupts_comes_up_without(void **state)
{
	static const struct world_conf conf = {.workers = 1};

	(void)state;
	for (uint32_t i = 0; i < 2; i++) {
		struct world *w;

		if (i == 0)
			nics.answer_configure = -ENOTSUP;
		else
			nics.answer_start = -EIO;
		w = nics_world(conf);
		assert_int_equal(nics.asked, 2); /* ports, once each */
		assert_int_equal(w->port[0].rx_interrupts, PW_PORT_INTR_NONE);
		assert_int_equal(pw_fleet_idle(w->fleet, 0), PW_IDLE_ADAPTIVE);
		world_connect(w, 1, PW_MQTT_3_1_1);
		nics_end(w);
	}
}

static void
a_port_that_can_not_be_armed_makes_its_worker_adaptive_at_start_and_later(void **state)
{
	static const struct world_conf conf = {.workers = 1};
	struct world *w;

	(void)state;
	nics.answer_enable = -ENOTSUP;
	w = nics_world(conf);
	assert_int_equal(pw_fleet_idle(w->fleet, 0), PW_IDLE_ADAPTIVE);
	nics_end(w);

	w = nics_world(conf);
	assert_int_equal(pw_fleet_idle(w->fleet, 0), PW_IDLE_INTERRUPT);
	nics.answer_enable = -EIO;
	worker_wait(w->fleet->worker[0], w->now);
	assert_int_equal(pw_fleet_idle(w->fleet, 0), PW_IDLE_ADAPTIVE);
	assert_false(pw_fleet_woken(w->fleet, 0));
	assert_false(w->fleet->worker[0]->armed);
	nics_end(w);
}

/* A socket of the kernel whose peer has gone with something unread. */
static int
broken_socket(void)
{
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
	assert_int_equal(write(pair[0], "x", 1), 1);
	close(pair[1]);
	return pair[0];
}

/* Until then it would end every wait at once. */
static void
the_error_of_a_socket_that_woke_a_worker_is_taken_from_it(void **state)
{
	static const struct world_conf conf = {.workers = 1};
	struct world *w = nics_world(conf);
	struct worker *k = w->fleet->worker[0];
	struct nic *n = &nics.nic[0];
	int error, fd = broken_socket(), eventfd = n->fd;
	socklen_t len = sizeof(error);

	(void)state;
	assert_int_equal(rte_epoll_ctl(k->epoll_fd, EPOLL_CTL_DEL, eventfd, &n->event), 0);
	n->event = (struct rte_epoll_event){.epdata.event = EPOLLIN};
	assert_int_equal(rte_epoll_ctl(k->epoll_fd, EPOLL_CTL_ADD, fd, &n->event), 0);
	for (uint32_t i = 0; i < 10 && k->count.wakeups == 0; i++)
		worker_wait(k, w->now);
	assert_int_equal(k->count.wakeups, 1);
	assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len), 0);
	assert_int_equal(error, 0);
	assert_int_equal(rte_epoll_ctl(k->epoll_fd, EPOLL_CTL_DEL, fd, &n->event), 0);
	n->event = (struct rte_epoll_event){.epdata.event = EPOLLIN | EPOLLET};
	assert_int_equal(rte_epoll_ctl(k->epoll_fd, EPOLL_CTL_ADD, eventfd, &n->event), 0);
	close(fd);
	nics_end(w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(workers_that_serve_both_roles_forward_and_wait),
		cmocka_unit_test(split_workers_forward_and_wait),
		cmocka_unit_test(adaptive_workers_wait_too),
		cmocka_unit_test(
			a_frame_that_came_just_before_arming_is_found_by_the_look_after_it),
		cmocka_unit_test(a_bell_that_rings_after_the_last_look_ends_the_wait_at_once),
		cmocka_unit_test(a_worker_whose_ports_say_nothing_sleeps_by_the_clock),
		cmocka_unit_test(the_shares_of_a_worker_agree_with_the_kernel),
		cmocka_unit_test(a_port_without_interrupts_makes_its_worker_adaptive),
		cmocka_unit_test(a_port_that_refuses_interrupts_comes_up_without),
		cmocka_unit_test(
			a_port_that_can_not_be_armed_makes_its_worker_adaptive_at_start_and_later),
		cmocka_unit_test(the_error_of_a_socket_that_woke_a_worker_is_taken_from_it),
	};
	int rc;

	if (nics_eal_init() < 0)
		return 1;
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	pw_log_stop();
	return rc;
}
