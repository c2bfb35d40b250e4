/* SPDX-License-Identifier: BSD-3-Clause */
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
#include "nics.h"
#include "worker_pvt.h"

struct nics nics;

static struct nic *
nic_of(uint16_t port)
{
	char name[RTE_ETH_NAME_MAX_LEN];

	/* The devices' side is called d, the brokers' b. */
	if (rte_eth_dev_get_name_by_port(port, name) != 0)
		return NULL;
	if (strstr(name, "kernel") != NULL)
		return &nics.nic[2];
	return &nics.nic[strchr(name, 'b') == NULL ? 0 : 1];
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
	if (nics.answer_ctl != 0)
		return nics.answer_ctl;
	n->event.epdata.event = EPOLLIN | EPOLLET;
	return rte_epoll_ctl(epfd, op == RTE_INTR_EVENT_ADD ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, n->fd,
			     &n->event);
}

/* A frame for nobody, which is work all the same. */
static void
put_frame(struct nic *n)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(nics.world->far_mem.pkt);

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
	if (nics.answer_enable != 0)
		return nics.answer_enable;
	if (nics.inject) {
		put_frame(n);
		__atomic_add_fetch(&nics.injected, 1, __ATOMIC_RELAXED);
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
		nics.ordered += (uint64_t)t->tv_sec * 1000 * MS + (uint64_t)t->tv_nsec;
		__atomic_add_fetch(&nics.naps, 1, __ATOMIC_RELAXED);
	}
	return __real_clock_nanosleep(clock, flags, t, left);
}

/* Where a driver learns that interrupts are nics.wanted. */
int
__wrap_rte_eth_dev_configure(uint16_t port, uint16_t rxq, uint16_t txq,
			     const struct rte_eth_conf *conf)
{
	nics.asked += conf->intr_conf.rxq;
	nics.wanted = conf->intr_conf.rxq;
	if (nics.wanted && nics.answer_configure != 0)
		return nics.answer_configure;
	return __real_rte_eth_dev_configure(port, rxq, txq, conf);
}

int
__wrap_rte_eth_dev_start(uint16_t port)
{
	if (nics.wanted && nics.answer_start != 0)
		return nics.answer_start;
	return __real_rte_eth_dev_start(port);
}

/* What the worker's lcore does instead of waiting; it can't fail the test itself. */
int
__wrap_rte_epoll_wait(int epfd, struct rte_epoll_event *events, int max, int timeout)
{
	int n;

	for (uint32_t i = 0; i < RTE_DIM(nics.nic) && nics.inject && nics.nic[i].ring != NULL; i++)
		nics.wrong += rte_ring_count(nics.nic[i].ring) > 0;
	if (nics.ring_late)
		fleet_ring(nics.world->fleet, 1);
	n = __real_rte_epoll_wait(epfd, events, max, timeout);
	if (nics.ring_late)
		nics.wrong += n == 0;
	if (nics.untold && n == 0)
		put_frame(&nics.nic[0]);
	__atomic_add_fetch(&nics.waits, 1, __ATOMIC_RELAXED);
	return n;
}

/* The interrupts of frames that the far ends have just sent. */
void
nics_raise(void)
{
	static const uint64_t one = 1;

	if (nics.untold)
		return;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	for (uint32_t i = 0; i < RTE_DIM(nics.nic) && nics.nic[i].ring != NULL; i++) {
		uint32_t sent = __atomic_load_n(&nics.nic[i].ring->prod.tail, __ATOMIC_ACQUIRE);

		if (sent == nics.nic[i].told)
			continue;
		nics.nic[i].told = sent;
		if (__atomic_load_n(&nics.nic[i].armed, __ATOMIC_SEQ_CST))
			assert_int_equal(write(nics.nic[i].fd, &one, sizeof(one)), sizeof(one));
	}
}

struct world *
nics_world(struct world_conf conf)
{
	struct world *w;

	conf.interrupts = true;
	for (uint32_t i = 0; i < RTE_DIM(nics.nic); i++)
		nics.nic[i] = (struct nic){.fd = eventfd(0, EFD_NONBLOCK)};
	w = world_create(&conf);
	nics.world = w;
	for (uint32_t i = 0; i < RTE_DIM(w->side); i++)
		nics.nic[i].ring = w->side[i].to_near[0];
	nics.nic[2].ring = w->from_kernel;
	return w;
}

void
nics_end(struct world *w)
{
	world_destroy(w);
	for (uint32_t i = 0; i < RTE_DIM(nics.nic); i++)
		close(nics.nic[i].fd);
	nics = (struct nics){0};
}

bool
nics_until(struct world *w, bool (*holds)(const struct world *w), uint32_t ms)
{
	for (uint64_t end = w->now + ms * MS; w->now < end;) {
		if (holds(w))
			return true;
		world_step(w);
		nics_raise();
	}
	return holds(w);
}

int
nics_eal_init(void)
{
	cpu_set_t cpus;

	/* Three lcores on two CPUs, or on one where there is no second. */
	CPU_ZERO(&cpus);
	(void)sched_getaffinity(0, sizeof(cpus), &cpus);
	pw_log_init();
	(void)test_eal_init_with(CPU_ISSET(0, &cpus) && CPU_ISSET(1, &cpus) ? "0@0,1@0,2@1"
									    : "(0-2)@0",
				 256, NULL, 0);
	return pw_log_start();
}
