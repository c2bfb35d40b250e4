/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <rte_mbuf.h>

#include "eal.h"
#include "hooks.h"
#include "world_pvt.h"

#define QUEUE 16384

struct world w;

static struct {
	struct rte_mbuf *m;
	struct pw_tcp *to;
} queue[QUEUE];
static uint32_t q_head, q_tail, q_count;

static struct {
	uint32_t worker;
	struct pw_forward_msg msg;
} posted[1024];
static uint32_t p_head, p_tail;

struct pw_addr
world_address(uint32_t net, uint32_t host)
{
	return pw_addr_v4(rte_cpu_to_be_32(10u << 24 | net << 16 | host));
}

static struct pw_tcp *
stack_at(const struct pw_addr *a)
{
	switch (a->b[13]) {
	case 0:
		return w.device_tcp;
	case 1:
		return a->b[15] <= w.nb_workers ? w.worker_tcp[a->b[15] - 1] : NULL;
	default:
		return w.broker_tcp;
	}
}

/* One end of it is a broker whose cable is cut. */
static bool
is_dark(const struct pw_flow *flow)
{
	const struct pw_addr *a = flow->remote.b[13] == 2 ? &flow->remote : &flow->local;

	return a->b[13] == 2 && w.broker[a->b[15] - 1].dark;
}

static int
output(void *ctx, const struct pw_flow *flow, struct rte_mbuf *m, uint64_t now)
{
	struct rte_mbuf *copy = hook_arrives(w.mem.pkt, flow, m);

	(void)ctx;
	(void)now;
	rte_pktmbuf_free(m);
	if (copy == NULL || (w.lost != 0 && ++q_count % w.lost == 0) || is_dark(flow)) {
		rte_pktmbuf_free(copy);
		return 0;
	}
	assert_true(q_tail - q_head < QUEUE);
	queue[q_tail % QUEUE].m = copy;
	queue[q_tail++ % QUEUE].to = stack_at(&flow->remote);
	return 0;
}

static int
post(void *ctx, uint32_t worker, const struct pw_forward_msg *msg)
{
	(void)ctx;
	if (w.post_full || p_tail - p_head == RTE_DIM(posted))
		return -ENOBUFS;
	posted[p_tail % RTE_DIM(posted)].worker = worker;
	posted[p_tail++ % RTE_DIM(posted)].msg = *msg;
	if (w.post_left > 0 && --w.post_left == 0)
		w.post_full = true;
	return 0;
}

static int
source(void *ctx, const struct pw_addr *dst, struct pw_addr *src)
{
	(void)dst;
	*src = world_address(1, 1 + (uint32_t)(uintptr_t)ctx);
	return 0;
}

static int
authenticate(void *ctx, const struct pw_auth_request *r)
{
	(void)ctx;
	if (w.auth_full || w.nb_asked == RTE_DIM(w.asked))
		return -ENOBUFS;
	w.asked[w.nb_asked++] = *r;
	return 0;
}

void
world_answer(const struct pw_auth_request *r, enum pw_auth_verdict verdict)
{
	struct pw_auth_answer a = {.session = r->session, .verdict = verdict};

	pw_forward_authenticated(w.forward[r->worker], &a, world_clock(r->worker));
}

/* Time. */

uint64_t
world_clock(uint32_t worker)
{
	return w.now - w.behind[worker];
}

static uint64_t
clock_of(const struct pw_tcp *t)
{
	for (uint32_t i = 0; i < w.nb_workers; i++) {
		if (w.worker_tcp[i] == t)
			return world_clock(i);
	}
	return w.now;
}

static void
deliver(void)
{
	while (q_head != q_tail) {
		struct rte_mbuf *m = queue[q_head % QUEUE].m;
		struct pw_tcp *to = queue[q_head++ % QUEUE].to;

		if (to == NULL)
			rte_pktmbuf_free(m);
		else
			pw_tcp_input(to, &m, 1, clock_of(to));
	}
}

/* Those that have had as many packets as their broker bears; its last answer has left. */
static void
reset_legs(void)
{
	for (uint32_t b = 0; b < WORLD_BROKERS; b++) {
		for (uint32_t i = 0; i < RTE_DIM(w.broker[b].leg); i++) {
			struct leg *l = &w.broker[b].leg[i];

			if (l->conn == NULL || w.broker[b].resets < 2 ||
			    l->packets + 1 < w.broker[b].resets)
				continue;
			pw_tcp_abort(w.broker_tcp, l->conn, w.now);
			l->conn = NULL;
		}
	}
}

static void
turn(void)
{
	deliver();
	pw_tcp_dispatch(w.device_tcp, w.now);
	pw_tcp_dispatch(w.broker_tcp, w.now);
	for (uint32_t i = 0; i < w.nb_workers; i++) {
		uint32_t n = p_tail - p_head;

		pw_tcp_dispatch(w.worker_tcp[i], world_clock(i));
		while (n-- > 0) {
			uint32_t at = p_head++ % RTE_DIM(posted);

			if (posted[at].worker == i) {
				pw_forward_receive(w.forward[i], &posted[at].msg, world_clock(i));
			} else {
				posted[p_tail % RTE_DIM(posted)] = posted[at];
				p_tail++;
			}
		}
		pw_forward_poll(w.forward[i], world_clock(i));
		pw_tcp_flush(w.worker_tcp[i], world_clock(i));
	}
	pw_tcp_flush(w.device_tcp, w.now);
	pw_tcp_flush(w.broker_tcp, w.now);
	reset_legs();
}

static uint64_t
next_event(void)
{
	uint64_t at = RTE_MIN(pw_tcp_next(w.device_tcp), pw_tcp_next(w.broker_tcp));

	for (uint32_t i = 0; i < w.nb_workers; i++) {
		uint64_t next =
			RTE_MIN(pw_tcp_next(w.worker_tcp[i]), pw_forward_next(w.forward[i]));

		if (next != UINT64_MAX)
			at = RTE_MIN(at, next + w.behind[i]);
	}
	return at;
}

int
world_renew(const struct pw_edition_conf *conf)
{
	int rc = pw_forward_renew(w.shared, conf);

	if (rc < 0)
		return rc;
	for (uint32_t i = 0; i < w.nb_workers; i++)
		pw_forward_adopt(w.forward[i], world_clock(i));
	pw_forward_renewed(w.shared);
	return 0;
}

void
world_run(uint32_t ms)
{
	uint64_t end = w.now + ms * MS;

	for (;;) {
		uint32_t turns = 0;

		do
			turn();
		while ((q_head != q_tail || p_head != p_tail) && turns++ < 200 && !w.post_full);
		turn();
		if (w.now >= end)
			break;
		w.now = RTE_MIN(end, RTE_MAX(next_event(), w.now + MS / 5));
		pw_tcp_advance(w.device_tcp, w.now);
		pw_tcp_advance(w.broker_tcp, w.now);
		for (uint32_t i = 0; i < w.nb_workers; i++) {
			pw_tcp_advance(w.worker_tcp[i], world_clock(i));
			pw_forward_advance(w.forward[i], world_clock(i));
		}
	}
}

/* Beginning and end. */

int
world_init(void **state)
{
	struct pw_mem_conf conf = {
		.name = "world", .pkt = 16383, .hdr = 4095, .ind = 8191, .socket = SOCKET_ID_ANY};

	(void)state;
	test_eal_init();
	w.now = 1000 * MS;
	return pw_mem_create(&w.mem, &conf);
}

int
world_fini(void **state)
{
	(void)state;
	pw_mem_destroy(&w.mem);
	return 0;
}

int
world_setup(void **state)
{
	struct pw_mem mem = w.mem;
	uint64_t now = w.now + 1000000 * MS;

	(void)state;
	memset(&w, 0, sizeof(w));
	w.mem = mem;
	w.now = now;
	w.rx_window = 131072;
	w.device_port = 1883;
	w.behind[1] = 3000; /* the clocks of lcores are read at different moments */
	pw_forward_defaults(&w.set);
	snprintf(w.set.instance, sizeof(w.set.instance), "test");
	w.set.limits.max_connections = 32;
	w.set.limits.max_queued_messages = 256;
	w.set.nb_listeners = 1;
	w.set.listener[0] = (struct pw_listener_conf){.name = "main", .port = 1883};
	w.set.nb_brokers = 2;
	for (uint32_t b = 0; b < WORLD_BROKERS; b++) {
		snprintf(w.set.broker[b].name, sizeof(w.set.broker[b].name), "b%u", b);
		w.set.broker[b].address = world_address(2, 1 + b);
		w.set.broker[b].port = 1883;
	}
	w.set.nb_routes = 1;
	snprintf(w.set.route[0].name, sizeof(w.set.route[0].name), "all");
	snprintf(w.set.route[0].filter, sizeof(w.set.route[0].filter), "#");
	w.set.route[0].brokers = 3;
	return 0;
}

static struct pw_tcp *
stack(const char *name, uint64_t seed, uint64_t now)
{
	struct pw_tcp_conf conf = {
		.name = name,
		.max_conns = 128,
		.max_tx_slices = seed >= 10 && w.tx_slices != 0 ? w.tx_slices : 8192,
		.rx_window = seed >= 10 ? w.rx_window : 131072,
		.rx_copy_break = w.rx_copy_break,
		.seed = seed,
		.mem = &w.mem,
		.hooks = {.output = output, .path = hook_path},
		.socket = SOCKET_ID_ANY,
	};
	struct pw_tcp *t = pw_tcp_create(&conf, now);

	assert_non_null(t);
	return t;
}

void
world_start(uint32_t nb_workers, uint8_t role0, uint8_t role1)
{
	struct pw_forward_shared_conf conf = {
		.settings = &w.set, .nb_workers = nb_workers, .role = {role0, role1}, .seed = 7};

	conf.socket[0] = conf.socket[1] = SOCKET_ID_ANY;
	conf.access = w.access;
	conf.buffers = w.buffers;
	w.nb_workers = nb_workers;
	w.device_tcp = stack("devices", 1, w.now);
	w.broker_tcp = stack("brokers", 2, w.now);
	for (uint32_t b = 0; b < WORLD_BROKERS; b++) {
		struct pw_addr a = world_address(2, 1 + b);

		if (!w.broker[b].refuse)
			assert_int_equal(pw_tcp_listen(w.broker_tcp, &a, 1883, &world_broker_ops,
						       &w.broker[b]),
					 0);
	}
	w.set.listener[0].address = world_address(1, 1);
	w.shared = pw_forward_shared_create(&conf);
	assert_non_null(w.shared);
	for (uint32_t i = 0; i < nb_workers; i++) {
		struct pw_forward_conf f = {
			.shared = w.shared,
			.worker = i,
			.mem = &w.mem,
			.seed = 100 + i,
			.ctx = (void *)(uintptr_t)i,
			.post = post,
			.authenticate = authenticate,
			.source = source,
			.socket = SOCKET_ID_ANY,
		};

		w.worker_tcp[i] = stack(i == 0 ? "worker0" : "worker1", 10 + i, world_clock(i));
		f.tcp = w.worker_tcp[i];
		w.forward[i] = pw_forward_create(&f, world_clock(i));
		assert_non_null(w.forward[i]);
		/* each worker has an address of its own here; it takes it when it begins to listen
		 */
		w.set.listener[0].address = world_address(1, 1 + i);
		pw_forward_poll(w.forward[i], world_clock(i));
	}
	world_run(20);
}

int
world_teardown(void **state)
{
	(void)state;
	if (w.device_tcp == NULL)
		return 0;
	for (uint32_t i = 0; i < w.nb_workers; i++)
		pw_forward_destroy(w.forward[i], world_clock(i));
	for (uint32_t i = 0; i < w.nb_workers; i++)
		pw_tcp_destroy(w.worker_tcp[i]);
	pw_forward_shared_destroy(w.shared);
	pw_tcp_destroy(w.device_tcp);
	pw_tcp_destroy(w.broker_tcp);
	for (; q_head != q_tail; q_head++)
		rte_pktmbuf_free(queue[q_head % QUEUE].m);
	p_head = p_tail = 0;
	for (uint32_t b = 0; b < WORLD_BROKERS; b++) {
		for (uint32_t i = 0; i < RTE_DIM(w.broker[b].leg); i++)
			free(w.broker[b].leg[i].buf);
	}
	assert_true(pw_mem_full(&w.mem));
	return 0;
}
