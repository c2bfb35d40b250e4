/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Workers that wait: a frame wakes them through their ports' receive interrupts, another thread
 * through a bell (an eventfd), time through the time-out.
 *
 * Nothing may come between a worker's last look and its wait and stay unseen. So it arms first
 * (its ports raise interrupts, its flag says that it waits), then has one more turn, and waits only
 * if that turn found nothing: what came before arming is found by that turn, and what comes after
 * it wakes. Who hands something to a worker puts it where it belongs, then looks at the flag, and
 * rings if it is set; a fence on either side keeps both in this order.
 *
 * An adaptive worker waits so too, but later. A worker whose ports cannot wake it does not wait: it
 * is adaptive, and sleeps.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <pubwire/base/log.h>

#include "worker_pvt.h"

#define NS_PER_MS     UINT64_C(1000000)
#define LONGEST_WAIT  (100 * NS_PER_MS) /* the wire wants its turn, and who watches us a sign */
#define WAIT_PRESSURE (10 * NS_PER_MS)	/* others may give buffers back without a bell */
#define WAIT_RETRY    (1 * NS_PER_MS)	/* a ring was full; who empties it rings no bell */
#define SOURCES	      (2 * PW_WIRE_MAX_IFACES)
#define EVENTS	      (SOURCES + 1)
#define UNTOLD_WAIT   (20 * NS_PER_MS) /* a NIC tells of a frame much sooner, however it gathers */
#define UNTOLD_MAX    4 /* one frame may come between a time-out and the look: so many do not */

static_assert(PW_FORWARD_MAX_WORKERS <= 64, "a bit each in worker.told");
static_assert(SOURCES <= 32, "a bit each in worker.watched");

/*
 * A worker's i-th receive queue: of the ports, then of the kernel's interfaces beside them, which
 * worker 0 reads. False where there is none.
 */
static bool
source(const struct worker *w, uint32_t i, const struct pw_port **port, uint16_t *queue)
{
	const struct pw_fleet *f = w->fleet;
	const struct kernel_side *k;

	if (i < f->nb_ifaces) {
		*port = f->port[i];
		*queue = (uint16_t)w->index;
		return w->index < f->port[i]->nb_rxq;
	}
	if (w->index != 0 || i >= 2 * f->nb_ifaces)
		return false;
	k = &f->kernel[i - f->nb_ifaces];
	*port = k->port;
	*queue = 0;
	/* Pairs with the release in pw_fleet_kernel_gone(). */
	return k->port != NULL && !__atomic_load_n(&k->gone, __ATOMIC_ACQUIRE);
}

/*
 * A queue's own descriptor, readable as long as there are frames. net_tap learns of frames by a
 * signal, which another thread may handle later than this one wakes: were it told of each frame
 * once, it could find nothing and wait beside a frame.
 */
static int
watch_queue(struct worker *w, const struct pw_port *port, uint16_t q, uint32_t i)
{
	int fd = pw_port_rx_fd(port, q);
	int rc;

	if (fd < 0)
		return fd;
	w->queue_fd[i] = fd;
	w->queue[i] = (struct rte_epoll_event){.epdata.event = EPOLLIN};
	rc = rte_epoll_ctl(w->epoll_fd, EPOLL_CTL_ADD, fd, &w->queue[i]);
	if (rc == 0)
		w->watched |= UINT32_C(1) << i;
	return rc;
}

/* 0 where the port will wake the worker; -errno why not. */
static int
watch(struct worker *w, const struct pw_port *port, uint16_t q, uint32_t i)
{
	int rc;

	if (port->rx_interrupts == PW_PORT_INTR_NONE)
		return -ENOTSUP;
	if (port->rx_interrupts == PW_PORT_INTR_ALWAYS)
		return watch_queue(w, port, q, i);
	rc = rte_eth_dev_rx_intr_ctl_q(port->id, q, w->epoll_fd, RTE_INTR_EVENT_ADD, NULL);
	if (rc < 0)
		return rc;
	w->watched |= UINT32_C(1) << i;
	rc = rte_eth_dev_rx_intr_enable(port->id, q);
	if (rc == 0)
		rc = rte_eth_dev_rx_intr_disable(port->id, q);
	return rc;
}

static void
unwatch(struct worker *w, const struct pw_port *port, uint16_t q, uint32_t i)
{
	if (!(w->watched >> i & 1))
		return;
	w->watched &= ~(UINT32_C(1) << i);
	if (port->rx_interrupts == PW_PORT_INTR_ARMED)
		(void)rte_eth_dev_rx_intr_ctl_q(port->id, q, w->epoll_fd, RTE_INTR_EVENT_DEL, NULL);
	else
		(void)rte_epoll_ctl(w->epoll_fd, EPOLL_CTL_DEL, w->queue_fd[i], &w->queue[i]);
}

static int
open_bell(struct worker *w)
{
	w->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	w->bell_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (w->epoll_fd < 0 || w->bell_fd < 0)
		return -errno;
	w->bell = (struct rte_epoll_event){.epdata.event = EPOLLIN};
	return rte_epoll_ctl(w->epoll_fd, EPOLL_CTL_ADD, w->bell_fd, &w->bell);
}

/* Who asked for interrupts wants to know why there are none. */
static void
say_why_not(const struct worker *w, const struct pw_port *port, int rc)
{
	if (port == NULL)
		PW_LOG(worker, WARNING,
		       "worker %u on lcore %u sleeps by the clock: no descriptors to wait on: %s",
		       w->index, w->lcore, strerror(-rc));
	else if (w->idle.policy == PW_IDLE_INTERRUPT)
		PW_LOG(worker, WARNING,
		       "worker %u on lcore %u sleeps by the clock: port %s (%s) has no receive "
		       "interrupts that could wake it: %s",
		       w->index, w->lcore, port->device, port->driver, strerror(-rc));
	else
		PW_LOG(worker, INFO, "worker %u on lcore %u sleeps by the clock for port %s (%s)",
		       w->index, w->lcore, port->device, port->driver);
}

static void
prepare(struct worker *w)
{
	const struct pw_port *port = NULL;
	uint16_t q;
	int rc = open_bell(w);

	for (uint32_t i = 0; i < SOURCES && rc == 0; i++) {
		if (source(w, i, &port, &q))
			rc = watch(w, port, q, i);
	}
	w->idle.woken = rc == 0;
	if (rc == 0)
		return;
	say_why_not(w, port, rc);
	w->idle.policy = PW_IDLE_ADAPTIVE;
}

void
fleet_interrupts(struct pw_fleet *f)
{
	for (uint32_t i = 0; i < f->nb_workers; i++) {
		struct worker *w = f->worker[i];

		f->apart |= w->role != (PW_ROLE_DEVICES | PW_ROLE_BROKERS);
		if (w->idle.policy == PW_IDLE_POLL)
			continue;
		prepare(w);
		f->bells |= w->idle.woken;
	}
}

void
worker_interrupts_close(struct worker *w)
{
	const struct pw_port *port;
	uint16_t q;

	for (uint32_t i = 0; i < SOURCES; i++) {
		if (source(w, i, &port, &q))
			unwatch(w, port, q, i);
	}
	if (w->bell_fd >= 0)
		close(w->bell_fd);
	if (w->epoll_fd >= 0)
		close(w->epoll_fd);
}

void
fleet_kernel_unwatch(struct pw_fleet *f, uint32_t iface)
{
	unwatch(f->worker[0], f->kernel[iface].port, 0, f->nb_ifaces + iface);
}

/* From here on the clock ends its sleeps. */
static void
wait_no_more(struct worker *w)
{
	__atomic_store_n(&w->idle.policy, PW_IDLE_ADAPTIVE, __ATOMIC_RELAXED);
	__atomic_store_n(&w->idle.woken, false, __ATOMIC_RELAXED);
}

static void
arm(struct worker *w)
{
	const struct pw_port *port;
	uint16_t q;
	int rc = 0;

	for (uint32_t i = 0; i < SOURCES && rc == 0; i++) {
		if (!source(w, i, &port, &q) || port->rx_interrupts != PW_PORT_INTR_ARMED)
			continue;
		rc = rte_eth_dev_rx_intr_enable(port->id, q);
		if (rc < 0)
			PW_LOG(worker, ERR,
			       "worker %u sleeps by the clock: port %s (%s) no longer arms its "
			       "interrupt: %s",
			       w->index, port->device, port->driver, strerror(-rc));
	}
	if (rc < 0) {
		wait_no_more(w);
		return;
	}
	w->armed = true;
	__atomic_store_n(&w->waits, true, __ATOMIC_RELAXED);
	/* Pairs with the fence in fleet_ring(): the look that follows comes after the flag. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

void
worker_disarm(struct worker *w)
{
	const struct pw_port *port;
	uint64_t rings;
	uint16_t q;

	w->armed = false;
	__atomic_store_n(&w->waits, false, __ATOMIC_RELAXED);
	for (uint32_t i = 0; i < SOURCES; i++) {
		if (source(w, i, &port, &q) && port->rx_interrupts == PW_PORT_INTR_ARMED)
			(void)rte_eth_dev_rx_intr_disable(port->id, q);
	}
	if (read(w->bell_fd, &rings, sizeof(rings)) > 0)
		count_add(&w->count.bells, 1);
}

void
worker_found_armed(struct worker *w)
{
	bool untold = w->timed_out && w->count.rx_frames != w->rx_then;

	w->timed_out = false;
	worker_disarm(w);
	if (!untold || ++w->untold < UNTOLD_MAX)
		return;
	PW_LOG(worker, WARNING,
	       "worker %u on lcore %u sleeps by the clock: its ports have not told of frames that "
	       "came while it waited, so their interrupts do not arrive",
	       w->index, w->lcore);
	wait_no_more(w);
}

uint64_t
worker_next_timer(const struct worker *w)
{
	return RTE_MIN(pw_tcp_next(w->tcp), pw_forward_next(w->forward));
}

uint64_t
worker_wait_end(const struct worker *w, uint64_t now)
{
	uint64_t longest = LONGEST_WAIT, end;

	if (w->refused || w->drain_told)
		longest = WAIT_RETRY;
	else if (w->pressure > 0)
		longest = WAIT_PRESSURE;
	end = RTE_MIN(worker_next_timer(w), now + longest);
	return w->unclean > 0 ? RTE_MIN(end, w->cleanup_due) : end;
}

/* What arming, the look after it and the wait have cost, or the turn since a wait and the next. */
static void
weigh_wait(struct worker *w)
{
	uint64_t cpu = worker_cpu_time();

	idle_waited(&w->idle, cpu - w->wait_cpu);
	w->wait_cpu = cpu;
}

/*
 * A socket whose interface went down is readable by its error until that is taken, however often
 * the driver looks; a device of the kernel that is no socket says so.
 */
static void
take_errors(const struct rte_epoll_event *events, int n)
{
	for (int i = 0; i < n; i++) {
		int error;
		socklen_t len = sizeof(error);

		if (events[i].epdata.event & EPOLLERR)
			(void)getsockopt(events[i].fd, SOL_SOCKET, SO_ERROR, &error, &len);
	}
}

void
worker_wait(struct worker *w, uint64_t now)
{
	struct rte_epoll_event events[EVENTS];
	uint64_t end, before, took;
	int n, ms;

	if (!w->armed) {
		w->wait_cpu = worker_cpu_time();
		arm(w);
		return; /* and look once more */
	}
	end = worker_wait_end(w, now);
	if (end <= now)
		return;
	w->timed_out = false;
	before = rte_get_tsc_cycles();
	/* In ms, and a timer that is not due yet would make it 0. */
	ms = (int)((end - now - 1) / NS_PER_MS) + 1;
	n = rte_epoll_wait(w->epoll_fd, events, EVENTS, ms);
	took = rte_get_tsc_cycles() - before;
	count_add(&w->count.sleep_cycles, took);
	count_add(&w->count.sleeps, 1);
	if (n == 0) {
		took = (uint64_t)((double)took * 1e9 / (double)rte_get_tsc_hz());
		idle_woke_late(&w->idle, took - RTE_MIN(took, (uint64_t)ms * NS_PER_MS));
		weigh_wait(w);
		w->timed_out = took >= UNTOLD_WAIT;
		w->rx_then = w->count.rx_frames;
		return; /* armed as it is, the next turn is the look before the next wait */
	}
	count_add(&w->count.wakeups, 1);
	if (n > 1 || events[0].fd != w->bell_fd)
		w->untold = 0;
	take_errors(events, n);
	worker_disarm(w);
	weigh_wait(w);
	idle_found_work(&w->idle);
}

static void
wake(struct worker *w)
{
	static const uint64_t one = 1;

	/* The first who sees the flag rings. It fails only where the bell rings already. */
	if (__atomic_load_n(&w->waits, __ATOMIC_RELAXED) &&
	    __atomic_exchange_n(&w->waits, false, __ATOMIC_RELAXED) &&
	    write(w->bell_fd, &one, sizeof(one)) < 0)
		return;
}

void
fleet_ring(struct pw_fleet *f, uint64_t workers)
{
	if (!f->bells || workers == 0)
		return;
	/* Pairs with the fence in arm(): what was handed over comes before the look at the flag. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	for (uint32_t i = 0; i < f->nb_workers; i++) {
		if (workers >> i & 1)
			wake(f->worker[i]);
	}
}

void
worker_ring(struct worker *w, bool acted)
{
	uint64_t told = w->told;

	w->told = 0;
	/* Logs between workers are read in place: no message says that they have moved. */
	if (acted && w->fleet->apart)
		told = UINT64_MAX;
	fleet_ring(w->fleet, told & ~(UINT64_C(1) << w->index));
}
