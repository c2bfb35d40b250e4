/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>
#include <rte_log.h>
#include <rte_mbuf.h>

#include <pubwire/base/log.h>
#include <pubwire/mqtt/packet.h>

#include "eal.h"
#include "hooks.h"
#include "world_pvt.h"

#define US     UINT64_C(1000)
#define BURST  32 /* as a worker takes them */
#define QUEUE  131072
#define WINDOW (1u << 20)
#define TOPIC  "plant/7/line/12/press/temperature"

/* Segments on their way. */
struct queue {
	struct rte_mbuf *m[QUEUE];
	uint32_t n;
};

struct device {
	struct pw_tcp_conn *conn;
	uint16_t id; /* the last one used */
	bool up;
};

struct bench_cycles bench_cycles;

static struct pw_mem mem, far_mem;
static struct bench_conf conf;
static struct pw_forward_settings set;
static struct pw_forward_shared *shared;
static struct pw_forward *forward;
static struct pw_tcp *tcp;
static struct device device[BENCH_MAX_DEVICES];
static uint64_t nb_sent; /* messages of QoS 1 and 2 */
static uint64_t now = 1000000 * US;
static struct queue to_device, to_broker, from_device, from_broker;
static uint8_t publish[BENCH_MAX_PAYLOAD + 64];
static uint32_t publish_len, publish_id_at;

void
bench_die(const char *why)
{
	fprintf(stderr, "%s\n", why);
	exit(1);
}

/* Networks 0 to 2 are the devices', the worker's and the brokers'. */
static struct pw_addr
address(uint32_t net, uint32_t host)
{
	return pw_addr_v4(rte_cpu_to_be_32((10 + net) << 24 | host));
}

static void
push(struct queue *q, struct rte_mbuf *m)
{
	if (q->n == QUEUE)
		bench_die("the wire is full");
	q->m[q->n++] = m;
}

static struct rte_mbuf *
arrives(struct rte_mempool *pool, const struct pw_flow *flow, const struct rte_mbuf *m)
{
	struct rte_mbuf *copy = hook_arrives(pool, flow, m);

	if (copy == NULL)
		bench_die("no buffer for a segment");
	return copy;
}

/* Where a segment of the worker goes stands in front of it until the wire takes it. */
static int
worker_output(void *ctx, const struct pw_flow *flow, struct rte_mbuf *m, uint64_t at)
{
	struct pw_flow *f = (struct pw_flow *)rte_pktmbuf_prepend(m, sizeof(*f));

	(void)ctx;
	(void)at;
	if (f == NULL)
		bench_die("no headroom");
	*f = *flow;
	push(flow->remote.b[12] == 10 ? &to_device : &to_broker, m);
	bench_cycles.sent++;
	return 0;
}

static int
far_output(void *ctx, const struct pw_flow *flow, struct rte_mbuf *m, uint64_t at)
{
	(void)at;
	push(ctx, arrives(mem.pkt, flow, m));
	rte_pktmbuf_free(m);
	return 0;
}

static int
post(void *ctx, uint32_t worker, const struct pw_forward_msg *msg)
{
	(void)ctx;
	(void)worker;
	(void)msg;
	bench_die("there is no other worker");
}

static int
source(void *ctx, const struct pw_addr *dst, struct pw_addr *src)
{
	(void)ctx;
	(void)dst;
	*src = address(1, 1);
	return 0;
}

/* The worker. */

/* Add the cycles since *from to a part; the time now goes to *from. */
static void
add(enum bench_leg leg, enum bench_part part, uint64_t *from)
{
	uint64_t at = rte_rdtsc();

	bench_cycles.part[leg][part] += at - *from;
	*from = at;
}

/* A function of its own for profilers: valgrind --tool=callgrind
 * --toggle-collect='worker_turn*'. */
static __rte_noinline void
worker_turn(enum bench_leg leg, struct rte_mbuf **m, uint32_t n)
{
	uint64_t at = rte_rdtsc();

	bench_cycles.segments[leg] += n;
	if (n > 0)
		pw_tcp_input(tcp, m, n, now);
	add(leg, BENCH_INPUT, &at);
	pw_tcp_dispatch(tcp, now);
	add(leg, BENCH_DISPATCH, &at);
	pw_tcp_advance(tcp, now);
	pw_forward_advance(forward, now);
	(void)pw_forward_poll(forward, now);
	add(leg, BENCH_POLL, &at);
	pw_tcp_flush(tcp, now);
	add(leg, BENCH_FLUSH, &at);
}

/* Turns of the worker until it has taken what stands at a port. */
static void
turns(enum bench_leg leg, struct queue *q)
{
	for (uint32_t i = 0; i < q->n; i += BURST) {
		worker_turn(leg, &q->m[i], RTE_MIN(q->n - i, (uint32_t)BURST));
		now += 10 * US;
	}
	q->n = 0;
}

/* What the worker sent arrives, and its driver gives the buffers back. */
static void
carry(enum bench_leg leg, struct queue *q, struct pw_tcp *to)
{
	uint64_t at;

	for (uint32_t i = 0; i < q->n; i++) {
		struct pw_flow flow = *rte_pktmbuf_mtod(q->m[i], struct pw_flow *);
		struct rte_mbuf *copy;

		(void)rte_pktmbuf_adj(q->m[i], sizeof(flow));
		copy = arrives(far_mem.pkt, &flow, q->m[i]);
		pw_tcp_input(to, &copy, 1, now);
		if (i % BURST == BURST - 1)
			pw_tcp_dispatch(to, now);
	}
	at = rte_rdtsc();
	for (uint32_t i = 0; i < q->n; i++)
		rte_pktmbuf_free(q->m[i]);
	add(leg, BENCH_FREE, &at);
	q->n = 0;
	pw_tcp_dispatch(to, now);
	pw_tcp_advance(to, now);
	pw_tcp_flush(to, now);
}

/* Everybody acts until nothing is on its way. */
static void
settle(void)
{
	enum bench_leg leg = BENCH_REST;

	do {
		turns(leg, &from_device);
		turns(leg, &from_broker);
		carry(leg, &to_broker, bench_far.broker_tcp);
		carry(leg, &to_device, bench_far.device_tcp);
		now += 10 * US;
	} while (from_device.n + from_broker.n > 0);
}

/* Beginning and end. */

static struct pw_tcp *
stack(const char *name, const struct pw_mem *m, uint32_t conns, struct pw_tcp_hooks hooks)
{
	struct pw_tcp_conf c = {
		.name = name,
		.max_conns = conns + 64,
		.max_tx_slices = 65536 + 8 * conns,
		.rx_window = WINDOW,
		.tx_queue_bytes = WINDOW,
		.seed = conns,
		.mem = m,
		.hooks = hooks,
		.socket = SOCKET_ID_ANY,
	};
	struct pw_tcp *t = pw_tcp_create(&c, now);

	if (t == NULL)
		bench_die("no stack");
	return t;
}

static void
settings(void)
{
	pw_forward_defaults(&set);
	snprintf(set.instance, sizeof(set.instance), "bench");
	set.limits.max_connections = conf.devices;
	if (conf.log != 0)
		set.limits.max_queued_messages = conf.log;
	if (conf.copy_break != 0)
		set.limits.copy_break = conf.copy_break;
	set.nb_listeners = 1;
	set.listener[0] = (struct pw_listener_conf){.name = "main", .port = 1883};
	set.listener[0].address = address(1, 1);
	set.nb_brokers = conf.brokers;
	for (uint32_t b = 0; b < conf.brokers; b++) {
		snprintf(set.broker[b].name, sizeof(set.broker[b].name), "b%u", b);
		set.broker[b].address = address(2, 1 + b);
		set.broker[b].port = 1883;
	}
	set.nb_routes = 1;
	snprintf(set.route[0].name, sizeof(set.route[0].name), "all");
	snprintf(set.route[0].filter, sizeof(set.route[0].filter), "#");
	set.route[0].brokers = (1u << conf.brokers) - 1;
}

static void
compose(void)
{
	int n = pw_mqtt_encode_publish(publish, sizeof(publish), conf.version, false, conf.qos,
				       false, (struct pw_mqtt_str){TOPIC, sizeof(TOPIC) - 1}, 1,
				       NULL, conf.payload);

	if (n < 0 || (uint32_t)n + conf.payload > sizeof(publish))
		bench_die("the payload is too large");
	memset(publish + n, 'x', conf.payload);
	publish_len = (uint32_t)n + conf.payload;
	publish_id_at = (uint32_t)n - (conf.version == PW_MQTT_5 ? 3 : 2);
}

void
bench_payload(uint32_t payload)
{
	conf.payload = payload;
	compose();
}

void
bench_copy_break(uint32_t bytes)
{
	set.limits.copy_break = bytes;
}

static void
connect_devices(void)
{
	bench_far.nb_up = bench_far.nb_connected = 0;
	for (uint32_t i = 0; i < conf.devices; i++) {
		struct pw_flow flow = {
			.local = address(0, 1 + i), .remote = address(1, 1), .rport = 1883};

		device[i].id = 0;
		if (pw_tcp_connect(bench_far.device_tcp, &flow, &bench_device_ops, NULL, i,
				   &device[i].conn, now) < 0)
			bench_die("no connection");
		if (i % 256 == 255) {
			settle();
			now += 50000 * US; /* acknowledgements that wait for data wait no longer */
		}
	}
	for (uint32_t i = 0; i < 100 && bench_far.nb_connected < conf.devices; i++)
		settle();
	if (bench_far.nb_connected != conf.devices)
		bench_die("not every device is connected");
}

static void
connect_brokers(void)
{
	struct pw_upstream_info u[2 * BENCH_MAX_BROKERS];
	uint32_t n, up = 0;

	for (uint32_t tries = 0; tries < 1000; tries++) {
		worker_turn(BENCH_REST, NULL, 0);
		settle();
		now += 1000 * US;
		n = pw_forward_upstreams(forward, 0, u, RTE_DIM(u));
		up = 0;
		for (uint32_t i = 0; i < n; i++)
			up += u[i].state == PW_UPSTREAM_UP;
		if (up == n && n > 0)
			return;
	}
	bench_die("not every broker is connected");
}

void
bench_start(const struct bench_conf *c)
{
	struct pw_forward_shared_conf s = {.settings = &set,
					   .nb_workers = 1,
					   .role = {PW_ROLE_DEVICES | PW_ROLE_BROKERS},
					   .socket = {SOCKET_ID_ANY},
					   .seed = 7};
	struct pw_forward_conf f = {
		.mem = &mem, .seed = 100, .post = post, .source = source, .socket = SOCKET_ID_ANY};

	conf = *c;
	bench_far.version = conf.version;
	bench_far.nb_broker_conns = 0;
	settings();
	compose();
	bench_far.device_tcp =
		stack("devices", &far_mem, conf.devices,
		      (struct pw_tcp_hooks){&from_device, far_output, hook_path, NULL});
	bench_far.broker_tcp =
		stack("brokers", &far_mem, 2 * conf.brokers,
		      (struct pw_tcp_hooks){&from_broker, far_output, hook_path, NULL});
	tcp = stack("worker", &mem, conf.devices + 2 * conf.brokers,
		    (struct pw_tcp_hooks){NULL, worker_output, hook_path, NULL});
	for (uint32_t b = 0; b < conf.brokers; b++) {
		struct pw_addr a = address(2, 1 + b);

		if (pw_tcp_listen(bench_far.broker_tcp, &a, 1883, &bench_broker_ops, NULL) < 0)
			bench_die("no broker");
	}
	shared = pw_forward_shared_create(&s);
	if (shared == NULL)
		bench_die("no logs");
	f.shared = shared;
	f.tcp = tcp;
	forward = pw_forward_create(&f, now);
	if (forward == NULL)
		bench_die("no forward");
	connect_brokers();
	connect_devices();
}

void
bench_stop(void)
{
	pw_forward_destroy(forward, now);
	pw_tcp_destroy(tcp);
	pw_forward_shared_destroy(shared);
	pw_tcp_destroy(bench_far.device_tcp);
	pw_tcp_destroy(bench_far.broker_tcp);
	for (uint32_t i = 0; i < to_device.n; i++)
		rte_pktmbuf_free(to_device.m[i]);
	for (uint32_t i = 0; i < to_broker.n; i++)
		rte_pktmbuf_free(to_broker.m[i]);
	rte_pktmbuf_free_bulk(from_device.m, from_device.n);
	rte_pktmbuf_free_bulk(from_broker.m, from_broker.n);
	to_device.n = to_broker.n = from_device.n = from_broker.n = 0;
	if (!pw_mem_full(&mem) || !pw_mem_full(&far_mem))
		bench_die("buffers are missing");
}

static void
send_batch(struct device *d)
{
	for (uint32_t i = 0; i < conf.batch; i++) {
		if (++d->id == 0)
			d->id = 1;
		if (conf.qos > 0) {
			publish[publish_id_at] = (uint8_t)(d->id >> 8);
			publish[publish_id_at + 1] = (uint8_t)d->id;
			nb_sent++;
		}
		if (pw_tcp_send_copy(bench_far.device_tcp, d->conn, publish, publish_len) < 0)
			bench_die("a device cannot send");
	}
}

void
bench_publish(void)
{
	for (uint32_t i = 0; i < conf.devices; i++) {
		send_batch(&device[i]);
		/* The wire holds so many. */
		if (i % 4096 == 4095) {
			pw_tcp_flush(bench_far.device_tcp, now);
			turns(BENCH_PUBLISH, &from_device);
			carry(BENCH_PUBLISH, &to_broker, bench_far.broker_tcp);
		}
	}
	pw_tcp_flush(bench_far.device_tcp, now);
	turns(BENCH_PUBLISH, &from_device);
	carry(BENCH_PUBLISH, &to_broker, bench_far.broker_tcp);
	carry(BENCH_REST, &to_device, bench_far.device_tcp);
}

void
bench_round(void)
{
	bench_publish();
	turns(BENCH_ANSWER, &from_broker);
	carry(BENCH_ANSWER, &to_device, bench_far.device_tcp);
	for (uint32_t i = 0; i < 100 && (i == 0 || bench_far.nb_answered < nb_sent); i++)
		settle();
	if (bench_far.nb_answered < nb_sent)
		bench_die("messages are not answered");
}

uint32_t
bench_buffers(void)
{
	return rte_mempool_in_use_count(mem.pkt);
}

void
bench_hold(void)
{
	bench_far.held = true;
}

uint64_t
bench_turn(void)
{
	uint64_t start = rte_rdtsc();

	worker_turn(BENCH_REST, NULL, 0);
	start = rte_rdtsc() - start;
	now += 10 * US;
	return start;
}

void
bench_release(void)
{
	bench_far.held = false;
	for (uint32_t i = 0; i < bench_far.nb_broker_conns; i++)
		bench_broker_ops.readable(NULL, bench_far.broker_conn[i], now);
	pw_tcp_flush(bench_far.broker_tcp, now);
	for (uint32_t i = 0; i < 1000000 && bench_far.nb_answered < nb_sent; i++) {
		settle();
		worker_turn(BENCH_REST, NULL, 0);
	}
	if (bench_far.nb_answered < nb_sent)
		bench_die("messages are not answered");
}

/*
 * The pools' caches are as large as they can be: what is on the wire goes back all at once here,
 * where a driver gives back a burst at a time, and would pass through a smaller cache into the
 * pool's ring, so that each buffer that is taken next had been used longest ago.
 */
void
bench_memory(uint32_t buffers)
{
	struct pw_mem_conf m = {.name = "bench",
				.pkt = buffers,
				.hdr = 8191,
				.ind = 16383,
				.cache = RTE_MEMPOOL_CACHE_MAX_SIZE,
				.socket = SOCKET_ID_ANY};

	pw_log_init();
	(void)rte_log_set_level_pattern("pubwire.*", RTE_LOG_ERR);
	if (pw_mem_create(&mem, &m) < 0)
		bench_die("no memory");
	m.name = "far";
	m.pkt = 16383;
	if (pw_mem_create(&far_mem, &m) < 0)
		bench_die("no memory");
}

void
bench_init(uint32_t buffers, uint32_t megabytes)
{
	(void)test_eal_init_with("0", megabytes, NULL, 0);
	bench_memory(buffers);
}

void
bench_fini(void)
{
	pw_mem_destroy(&far_mem);
	pw_mem_destroy(&mem);
}
