/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Workers that wait for interrupts, on ports whose interrupts are made here: as those of a NIC, a
 * queue raises one for a frame that comes after it was armed, and none for one that was there.
 */
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

#include <pubwire/base/log.h>

#include "eal.h"
#include "worker_pvt.h"
#include "world.h"

#define DEVICES	 4
#define MESSAGES 50

/* Receive queue 0 of each of the two ports, and of the kernel's interface beside the first. */
static struct nic {
	struct rte_ring *ring;
	int fd;
	bool armed;
	uint32_t told; /* frames put into the ring up to the last look */
	struct rte_epoll_event event;
} nic[3];

static struct world *the_world;
/* What the functions below answer, where not 0. */
static int answer_ctl, answer_enable, answer_configure, answer_start;
static uint64_t ordered; /* ns of sleep that lcore 1 has asked for */
static uint32_t naps;
static uint32_t asked;	  /* times that a port was configured with interrupts */
static bool wanted;	  /* by the latest configuration */
static uint32_t injected; /* frames that came just before arming */
static uint32_t wrong;	  /* waits beside a frame, or that a bell did not end */
static uint32_t waits;
static bool inject, ring_late, untold;

static struct nic *
nic_of(uint16_t port)
{
	char name[RTE_ETH_NAME_MAX_LEN];

	/* The devices' side is called d, the brokers' b. */
	if (rte_eth_dev_get_name_by_port(port, name) != 0)
		return NULL;
	if (strstr(name, "kernel") != NULL)
		return &nic[2];
	return &nic[strchr(name, 'b') == NULL ? 0 : 1];
}

int __wrap_rte_eth_dev_rx_intr_ctl_q(uint16_t port, uint16_t queue, int epfd, int op, void *data);
int __wrap_rte_eth_dev_rx_intr_enable(uint16_t port, uint16_t queue);
int __wrap_rte_eth_dev_rx_intr_disable(uint16_t port, uint16_t queue);
int __wrap_rte_eth_dev_configure(uint16_t port, uint16_t rxq, uint16_t txq,
				 const struct rte_eth_conf *conf);
int __real_rte_eth_dev_configure(uint16_t port, uint16_t rxq, uint16_t txq,
				 const struct rte_eth_conf *conf);
int __wrap_rte_eth_dev_start(uint16_t port);
int __real_rte_eth_dev_start(uint16_t port);
int __wrap_clock_nanosleep(clockid_t clock, int flags, const struct timespec *t,
			   struct timespec *left);
int __real_clock_nanosleep(clockid_t clock, int flags, const struct timespec *t,
			   struct timespec *left);
int __wrap_rte_epoll_wait(int epfd, struct rte_epoll_event *events, int max, int timeout);
int __real_rte_epoll_wait(int epfd, struct rte_epoll_event *events, int max, int timeout);

int
__wrap_rte_eth_dev_rx_intr_ctl_q(uint16_t port, uint16_t queue, int epfd, int op, void *data)
{
	struct nic *n = nic_of(port);

	assert_int_equal(queue, 0);
	(void)data;
	if (answer_ctl != 0)
		return answer_ctl;
	n->event.epdata.event = EPOLLIN | EPOLLET;
	return rte_epoll_ctl(epfd, op == RTE_INTR_EVENT_ADD ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, n->fd,
			     &n->event);
}

/* A frame for nobody, which is work all the same. */
static void
put_frame(struct nic *n)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(the_world->far_mem.pkt);

	if (m == NULL)
		return;
	memset(rte_pktmbuf_append(m, 60), 0x02, 60);
	if (rte_ring_enqueue(n->ring, m) != 0)
		rte_pktmbuf_free(m);
}

int
__wrap_rte_eth_dev_rx_intr_enable(uint16_t port, uint16_t queue)
{
	struct nic *n = nic_of(port);

	(void)queue;
	if (answer_enable != 0)
		return answer_enable;
	if (inject) {
		put_frame(n);
		__atomic_add_fetch(&injected, 1, __ATOMIC_RELAXED);
	}
	__atomic_store_n(&n->armed, true, __ATOMIC_SEQ_CST);
	return 0;
}

int
__wrap_rte_eth_dev_rx_intr_disable(uint16_t port, uint16_t queue)
{
	(void)queue;
	__atomic_store_n(&nic_of(port)->armed, false, __ATOMIC_SEQ_CST);
	return 0;
}

int
__wrap_clock_nanosleep(clockid_t clock, int flags, const struct timespec *t, struct timespec *left)
{
	if (rte_lcore_id() == 1) {
		ordered += (uint64_t)t->tv_sec * 1000 * MS + (uint64_t)t->tv_nsec;
		__atomic_add_fetch(&naps, 1, __ATOMIC_RELAXED);
	}
	return __real_clock_nanosleep(clock, flags, t, left);
}

/* Where a driver learns that interrupts are wanted. */
int
__wrap_rte_eth_dev_configure(uint16_t port, uint16_t rxq, uint16_t txq,
			     const struct rte_eth_conf *conf)
{
	asked += conf->intr_conf.rxq;
	wanted = conf->intr_conf.rxq;
	if (wanted && answer_configure != 0)
		return answer_configure;
	return __real_rte_eth_dev_configure(port, rxq, txq, conf);
}

int
__wrap_rte_eth_dev_start(uint16_t port)
{
	if (wanted && answer_start != 0)
		return answer_start;
	return __real_rte_eth_dev_start(port);
}

/* What the worker's lcore does instead of waiting; it can't fail the test itself. */
int
__wrap_rte_epoll_wait(int epfd, struct rte_epoll_event *events, int max, int timeout)
{
	int n;

	for (uint32_t i = 0; i < RTE_DIM(nic) && inject && nic[i].ring != NULL; i++)
		wrong += rte_ring_count(nic[i].ring) > 0;
	if (ring_late)
		fleet_ring(the_world->fleet, 1);
	n = __real_rte_epoll_wait(epfd, events, max, timeout);
	if (ring_late)
		wrong += n == 0;
	if (untold && n == 0)
		put_frame(&nic[0]);
	__atomic_add_fetch(&waits, 1, __ATOMIC_RELAXED);
	return n;
}

/* The interrupts of frames that the far ends have just sent. */
static void
raise_interrupts(void)
{
	static const uint64_t one = 1;

	if (untold)
		return;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	for (uint32_t i = 0; i < RTE_DIM(nic) && nic[i].ring != NULL; i++) {
		uint32_t sent = __atomic_load_n(&nic[i].ring->prod.tail, __ATOMIC_ACQUIRE);

		if (sent == nic[i].told)
			continue;
		nic[i].told = sent;
		if (__atomic_load_n(&nic[i].armed, __ATOMIC_SEQ_CST))
			assert_int_equal(write(nic[i].fd, &one, sizeof(one)), sizeof(one));
	}
}

static void
forget(void)
{
	answer_ctl = 0;
	answer_enable = 0;
	answer_configure = 0;
	answer_start = 0;
	asked = 0;
	ordered = 0;
	naps = 0;
	injected = 0;
	wrong = 0;
	waits = 0;
	inject = false;
	ring_late = false;
	untold = false;
}

static struct world *
create(struct world_conf conf)
{
	struct world *w;

	conf.interrupts = true;
	for (uint32_t i = 0; i < RTE_DIM(nic); i++)
		nic[i] = (struct nic){.fd = eventfd(0, EFD_NONBLOCK)};
	w = world_create(&conf);
	the_world = w;
	for (uint32_t i = 0; i < RTE_DIM(w->side); i++)
		nic[i].ring = w->side[i].to_near[0];
	nic[2].ring = w->from_kernel;
	return w;
}

static void
destroy(struct world *w)
{
	world_destroy(w);
	for (uint32_t i = 0; i < RTE_DIM(nic); i++)
		close(nic[i].fd);
	forget();
}

static bool
until(struct world *w, bool (*holds)(const struct world *w), uint32_t ms)
{
	for (uint64_t end = w->now + ms * MS; w->now < end;) {
		if (holds(w))
			return true;
		world_step(w);
		raise_interrupts();
	}
	return holds(w);
}

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
all_acked(const struct world *w)
{
	for (uint32_t i = 0; i < w->nb_devices; i++) {
		if (w->device[i].nb_acks < MESSAGES)
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
	assert_true(until(w, connected, 20000));
}

static const uint32_t lcores[] = {1, 2};

/* Two workers on lcores of their own forward, and wait in between. */
static void
forward(const struct world_conf *conf)
{
	struct world *w = create(*conf);

	assert_int_equal(pw_fleet_start(w->fleet), 0);
	connect_devices(w);
	for (uint32_t k = 0; k < MESSAGES; k++) {
		for (uint32_t d = 0; d < w->nb_devices; d++)
			(void)device_publish(&w->device[d], 1, "plant/line", "payload", 7);
		for (uint64_t end = w->now + MS; w->now < end;) {
			world_step(w);
			raise_interrupts();
		}
	}
	assert_true(until(w, all_acked, 30000));
	pw_fleet_drain(w->fleet);
	assert_true(until(w, drained, 20000));
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
	assert_int_equal(naps, 0);
	(void)pw_log_drain();
	destroy(w);
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
	return __atomic_load_n(&waits, __ATOMIC_RELAXED) >= 20;
}

static bool
injected_often(const struct world *w)
{
	(void)w;
	return __atomic_load_n(&injected, __ATOMIC_RELAXED) >= 20;
}

/* Between the look that found nothing and arming: no interrupt tells of it. */
static void
a_frame_that_came_just_before_arming_is_found_by_the_look_after_it(void **state)
{
	static const struct world_conf conf = {.workers = 1, .lcores = lcores, .real_time = true};
	struct world *w = create(conf);

	(void)state;
	inject = true;
	assert_int_equal(pw_fleet_start(w->fleet), 0);
	assert_true(until(w, injected_often, 30000));
	pw_fleet_stop(w->fleet);
	assert_int_equal(wrong, 0);
	(void)pw_log_drain();
	destroy(w);
}

static void
a_bell_that_rings_after_the_last_look_ends_the_wait_at_once(void **state)
{
	static const struct world_conf conf = {.workers = 1, .lcores = lcores, .real_time = true};
	struct world *w = create(conf);

	(void)state;
	ring_late = true;
	assert_int_equal(pw_fleet_start(w->fleet), 0);
	assert_true(until(w, waited_often, 30000));
	pw_fleet_stop(w->fleet);
	assert_int_equal(wrong, 0);
	assert_true(pw_fleet_counters(w->fleet, 0)->bells >= 20);
	(void)pw_log_drain();
	destroy(w);
}

static bool
sleeps_by_the_clock(const struct world *w)
{
	return !pw_fleet_woken(w->fleet, 0) && __atomic_load_n(&naps, __ATOMIC_RELAXED) > 0;
}

/* Frames would wait for the longest wait there is: 100 ms. */
static void
a_worker_whose_ports_say_nothing_sleeps_by_the_clock(void **state)
{
	static const struct world_conf conf = {.workers = 1, .lcores = lcores, .real_time = true};
	struct world *w = create(conf);

	(void)state;
	untold = true;
	assert_int_equal(pw_fleet_start(w->fleet), 0);
	assert_true(until(w, sleeps_by_the_clock, 30000));
	pw_fleet_stop(w->fleet);
	assert_int_equal(pw_fleet_idle(w->fleet, 0), PW_IDLE_ADAPTIVE);
	(void)pw_log_drain();
	destroy(w);
}

static bool
napped_often(const struct world *w)
{
	(void)w;
	return __atomic_load_n(&naps, __ATOMIC_RELAXED) >= 300;
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
	struct world *w = create(conf);
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
	assert_true(until(w, napped_often, 30000));
	pw_fleet_stop(w->fleet);
	cpu = pw_fleet_cpu_time(w->fleet, 0) - before;
	all = ns_of(c->total_cycles);
	asleep = ns_of(c->sleep_cycles);
	assert_int_equal(c->sleeps, naps);
	assert_true(c->busy_cycles + c->sleep_cycles < c->total_cycles);
	assert_true(asleep >= ordered - ordered / 1000);
	assert_true(asleep > all / 3);
	assert_in_range(cpu, 1, all - ordered + 20 * MS);
	assert_true(pw_fleet_longest_sleep(w->fleet, 0) >= 50000);
	(void)pw_log_drain();
	destroy(w);
}

static void
a_port_without_interrupts_makes_its_worker_adaptive(void **state)
{
	static const struct world_conf conf = {.workers = 2};
	struct world *w;

	(void)state;
	answer_ctl = -ENOTSUP;
	w = create(conf);
	assert_int_equal(pw_fleet_idle(w->fleet, 0), PW_IDLE_ADAPTIVE);
	assert_false(pw_fleet_woken(w->fleet, 0));
	/* Worker 1 has no queue of a port: bells are all that can wake it. */
	assert_int_equal(pw_fleet_idle(w->fleet, 1), PW_IDLE_INTERRUPT);
	assert_true(pw_fleet_woken(w->fleet, 1));
	destroy(w);
}

static void
a_port_that_refuses_interrupts_comes_up_without(void **state)
{
	static const struct world_conf conf = {.workers = 1};

	(void)state;
	for (uint32_t i = 0; i < 2; i++) {
		struct world *w;

		if (i == 0)
			answer_configure = -ENOTSUP;
		else
			answer_start = -EIO;
		w = create(conf);
		assert_int_equal(asked, 2); /* ports, once each */
		assert_int_equal(w->port[0].rx_interrupts, PW_PORT_INTR_NONE);
		assert_int_equal(pw_fleet_idle(w->fleet, 0), PW_IDLE_ADAPTIVE);
		world_connect(w, 1, PW_MQTT_3_1_1);
		destroy(w);
	}
}

static void
a_port_that_can_not_be_armed_makes_its_worker_adaptive_at_start_and_later(void **state)
{
	static const struct world_conf conf = {.workers = 1};
	struct world *w;

	(void)state;
	answer_enable = -ENOTSUP;
	w = create(conf);
	assert_int_equal(pw_fleet_idle(w->fleet, 0), PW_IDLE_ADAPTIVE);
	destroy(w);

	w = create(conf);
	assert_int_equal(pw_fleet_idle(w->fleet, 0), PW_IDLE_INTERRUPT);
	answer_enable = -EIO;
	worker_wait(w->fleet->worker[0], w->now);
	assert_int_equal(pw_fleet_idle(w->fleet, 0), PW_IDLE_ADAPTIVE);
	assert_false(pw_fleet_woken(w->fleet, 0));
	assert_false(w->fleet->worker[0]->armed);
	destroy(w);
}

/* True where somebody rang for a worker since it was made to wait. */
static bool
rung(struct worker *w)
{
	bool yes = !w->waits;

	w->waits = true;
	return yes;
}

static void
a_log_that_moved_and_frames_to_send_wake_the_worker_that_they_concern(void **state)
{
	static const struct world_conf conf = {
		.workers = 2,
		.role = {PW_ROLE_DEVICES, PW_ROLE_BROKERS},
	};
	struct world *w = create(conf);
	struct worker *devices = w->fleet->worker[0], *brokers = w->fleet->worker[1];

	(void)state;
	world_connect(w, 1, PW_MQTT_3_1_1);
	world_run(w, 1000);
	devices->waits = true;
	brokers->waits = true;
	(void)device_publish(&w->device[0], 1, "t", "payload", 7);
	peer_turn(&w->side[0], w->now);
	/* Its message stands in the log; nothing was handed over but by that. */
	assert_true(pw_worker_turn(w->fleet, 0, w->now) > 0);
	assert_true(rung(brokers));
	assert_false(rung(devices));
	/* The broker's segment leaves through the queue of the other one. */
	devices->waits = true;
	assert_true(pw_worker_turn(w->fleet, 1, w->now) > 0);
	assert_true(rung(devices));
	assert_false(rung(brokers));
	destroy(w);
}

static void
what_is_handed_over_wakes_who_gets_it(void **state)
{
	static const struct world_conf conf = {.workers = 2};
	struct message nothing = {.kind = MESSAGE_ICMP_ERROR};
	struct world *w = create(conf);
	struct worker *first = w->fleet->worker[0], *second = w->fleet->worker[1];

	(void)state;
	world_connect(w, DEVICES, PW_MQTT_3_1_1);
	world_run(w, 1000);
	assert_true(pw_forward_sessions(second->forward) > 0);
	first->waits = true;
	second->waits = true;
	for (uint32_t i = 0; i < DEVICES; i++)
		(void)device_publish(&w->device[i], 1, "t", "payload", 7);
	peer_turn(&w->side[0], w->now);
	assert_true(pw_worker_turn(w->fleet, 0, w->now) > 0);
	assert_true(rung(second)); /* by frames of its flows */
	first->waits = true;
	assert_true(pw_worker_turn(w->fleet, 1, w->now) > 0);
	assert_true(rung(first)); /* by frames to send */
	world_run(w, 1000);
	second->waits = true;
	assert_int_equal(worker_post(first, 1, &nothing), 0);
	(void)pw_worker_turn(w->fleet, 0, w->now);
	assert_true(rung(second));
	destroy(w);
}

static void
a_turn_without_work_wakes_nobody(void **state)
{
	static const struct world_conf conf = {
		.workers = 2,
		.role = {PW_ROLE_DEVICES, PW_ROLE_BROKERS},
	};
	struct world *w = create(conf);
	uint32_t rings = 0;

	(void)state;
	world_connect(w, 1, PW_MQTT_3_1_1);
	world_run(w, 1000);
	w->fleet->worker[1]->waits = true;
	for (uint32_t i = 0; i < 100; i++) {
		w->now += MS / 10;
		(void)pw_worker_turn(w->fleet, 0, w->now);
		rings += rung(w->fleet->worker[1]);
	}
	/* A timer may fire among them. */
	assert_true(rings <= 2);
	destroy(w);
}

static void
the_main_lcore_wakes_whom_it_tells(void **state)
{
	static const struct world_conf conf = {.workers = 2};
	struct world *w = create(conf);
	struct pw_edition_conf renewed = {.settings = &w->settings, .number = 1};

	(void)state;
	w->fleet->worker[0]->waits = true;
	w->fleet->worker[1]->waits = true;
	pw_fleet_drain(w->fleet);
	assert_true(rung(w->fleet->worker[0]) && rung(w->fleet->worker[1]));
	pw_fleet_stop(w->fleet);
	assert_true(rung(w->fleet->worker[0]) && rung(w->fleet->worker[1]));
	assert_int_equal(pw_fleet_renew(w->fleet, &renewed), 0);
	assert_true(rung(w->fleet->worker[0]) && rung(w->fleet->worker[1]));
	world_run(w, 10);
	assert_true(pw_fleet_renewed(w->fleet));
	destroy(w);
}

static void
the_kernels_interface_wakes_the_worker_that_reads_it_until_it_is_gone(void **state)
{
	static const struct world_conf conf = {.workers = 1, .kernel_rate = 1000};
	struct world *w = create(conf);
	struct worker *k = w->fleet->worker[0];

	(void)state;
	assert_int_equal(pw_fleet_idle(w->fleet, 0), PW_IDLE_INTERRUPT);
	worker_wait(k, w->now);
	assert_true(nic[0].armed && nic[1].armed && nic[2].armed);
	worker_disarm(k);
	assert_false(nic[0].armed || nic[1].armed || nic[2].armed);
	assert_int_equal(k->watched, 1 | 2 | 4);
	pw_fleet_kernel_gone(w->fleet, 0);
	assert_int_equal(k->watched, 1 | 2);
	worker_wait(k, w->now);
	assert_true(nic[0].armed && nic[1].armed && !nic[2].armed);
	destroy(w);
}

static void
a_wait_ends_where_something_is_due(void **state)
{
	static const struct world_conf conf = {.workers = 1};
	struct world *w = create(conf);
	struct worker *k = w->fleet->worker[0];
	uint64_t next;

	(void)state;
	world_connect(w, 1, PW_MQTT_3_1_1);
	world_run(w, 1000);
	next = RTE_MIN(pw_tcp_next(k->tcp), pw_forward_next(k->forward));
	assert_true(next < UINT64_MAX);
	k->unclean = 0;
	assert_int_equal(worker_wait_end(k, w->now), RTE_MIN(next, w->now + 100 * MS));
	assert_int_equal(worker_wait_end(k, next - 1), next);
	k->pressure = 1;
	assert_true(worker_wait_end(k, w->now) <= w->now + 10 * MS);
	k->refused = true;
	assert_true(worker_wait_end(k, w->now) <= w->now + MS);
	k->refused = false;
	k->pressure = 0;
	/* What a drain waits for may come about without a bell. */
	k->drain_told = true;
	assert_true(worker_wait_end(k, w->now) <= w->now + MS);
	k->drain_told = false;
	/* Buffers of frames that were sent come back soon after, not at the next message. */
	k->unclean = 2;
	assert_true(worker_wait_end(k, w->now) <= k->cleanup_due);
	world_run(w, 100);
	assert_int_equal(k->unclean, 0);
	destroy(w);
}

static void
pressure_is_seen_and_gone_however_rare_turns_are(void **state)
{
	static const struct world_conf conf = {.workers = 1};
	struct world *w = create(conf);
	struct worker *k = w->fleet->worker[0];
	uint32_t n = WORLD_PKT * 8 / 10;

	(void)state;
	world_connect(w, 1, PW_MQTT_3_1_1);
	assert_int_equal(k->pressure, 0);
	assert_int_equal(rte_pktmbuf_alloc_bulk(w->near_mem.pkt, w->posted, n), 0);
	w->step = 50 * MS;
	world_run(w, 100);
	assert_int_equal(k->pressure, 1);
	rte_pktmbuf_free_bulk(w->posted, n);
	world_run(w, 100);
	assert_int_equal(k->pressure, 0);
	destroy(w);
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
		cmocka_unit_test(
			a_log_that_moved_and_frames_to_send_wake_the_worker_that_they_concern),
		cmocka_unit_test(what_is_handed_over_wakes_who_gets_it),
		cmocka_unit_test(a_turn_without_work_wakes_nobody),
		cmocka_unit_test(the_main_lcore_wakes_whom_it_tells),
		cmocka_unit_test(
			the_kernels_interface_wakes_the_worker_that_reads_it_until_it_is_gone),
		cmocka_unit_test(a_wait_ends_where_something_is_due),
		cmocka_unit_test(pressure_is_seen_and_gone_however_rare_turns_are),
	};
	cpu_set_t cpus;
	int rc;

	/* Three lcores on two CPUs, or on one where there is no second. */
	CPU_ZERO(&cpus);
	(void)sched_getaffinity(0, sizeof(cpus), &cpus);
	pw_log_init();
	(void)test_eal_init_with(CPU_ISSET(0, &cpus) && CPU_ISSET(1, &cpus) ? "0@0,1@0,2@1"
									    : "(0-2)@0",
				 256, NULL, 0);
	if (pw_log_start() < 0)
		return 1;
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	pw_log_stop();
	return rc;
}
