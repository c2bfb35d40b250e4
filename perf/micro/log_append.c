/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A frame becomes an entry of the forward log (pw_append): by reference to the buffers in which it
 * lies, or as a copy behind the one before. Then the log lets it go again: the sweep that completes
 * what the broker was given, and frees the buffers that nobody else holds. Messages of QoS 0, a
 * buffer each, 4096 bytes in three; all in the cache.
 */
#include <string.h>

#include "hooks.h"
#include "micro.h"
#include "session_pvt.h"

#define SLICES	3
#define PIECE	1448
#define BUFFERS 1023

struct appending {
	uint32_t len;
	bool copy;
	struct micro_figure *append, *sweep;
};

static struct pw_mem mem;
static struct pw_forward_settings set;
static struct pw_forward_shared *shared;
static struct pw_forward *forward;
static struct pw_tcp *tcp;
static struct pw_flog *flog;
static struct pw_cursor cursor; /* the broker's, which is never connected */
static uint64_t words[8192];
static uint64_t now = 1000000;

static void
settings(void)
{
	pw_forward_defaults(&set);
	snprintf(set.instance, sizeof(set.instance), "bench");
	set.limits.max_connections = 16;
	set.nb_listeners = 1;
	set.listener[0] = (struct pw_listener_conf){.name = "main", .port = 1883};
	set.listener[0].address = pw_addr_v4(rte_cpu_to_be_32(0x0a000001));
	set.nb_brokers = 1;
	snprintf(set.broker[0].name, sizeof(set.broker[0].name), "b");
	set.broker[0].address = pw_addr_v4(rte_cpu_to_be_32(0x0a000002));
	set.broker[0].port = 1883;
	set.nb_routes = 1;
	snprintf(set.route[0].name, sizeof(set.route[0].name), "all");
	snprintf(set.route[0].filter, sizeof(set.route[0].filter), "#");
	set.route[0].brokers = 1;
}

static void
create(void)
{
	struct pw_mem_conf m = {.name = "append",
				.pkt = BUFFERS,
				.hdr = 63,
				.ind = 63,
				.cache = 128,
				.socket = SOCKET_ID_ANY};
	struct pw_tcp_conf t = {.name = "append",
				.max_conns = 64,
				.mem = &mem,
				.hooks = {.output = hook_lost, .path = hook_path},
				.socket = SOCKET_ID_ANY};
	struct pw_forward_shared_conf s = {.settings = &set,
					   .nb_workers = 1,
					   .role = {PW_ROLE_DEVICES | PW_ROLE_BROKERS},
					   .socket = {SOCKET_ID_ANY}};
	struct pw_forward_conf f = {.mem = &mem, .source = hook_source, .socket = SOCKET_ID_ANY};
	struct pw_flog *l;

	settings();
	if (pw_mem_create(&mem, &m) < 0)
		micro_die("no memory for packet buffers");
	tcp = pw_tcp_create(&t, now);
	shared = pw_forward_shared_create(&s);
	f.tcp = tcp;
	f.shared = shared;
	forward = tcp != NULL && shared != NULL ? pw_forward_create(&f, now) : NULL;
	if (forward == NULL)
		micro_die("no memory for a log");
	PW_FOREACH_LOG (forward, l)
		flog = l;
	if (pw_cursor_words(flog->mask + 1) > RTE_DIM(words))
		micro_die("the log is larger than expected");
	memset(words, 0, sizeof(words));
	pw_cursor_init(&cursor, flog, 0, words);
}

static void
destroy(void)
{
	pw_gather_release(&forward->gather);
	pw_forward_destroy(forward, now);
	pw_tcp_destroy(tcp);
	pw_forward_shared_destroy(shared);
	if (!pw_mem_full(&mem))
		micro_die("packet buffers are missing");
	pw_mem_destroy(&mem);
}

/* As it lies in the receive queue. */
static uint32_t
frame(uint32_t len, struct pw_slice *s)
{
	uint32_t n = 0;

	for (uint32_t at = 0; at < len; at += PIECE) {
		struct rte_mbuf *m = rte_pktmbuf_alloc(mem.pkt);
		uint16_t piece = (uint16_t)RTE_MIN(len - at, (uint32_t)PIECE);

		if (m == NULL)
			micro_die("no buffer");
		memset(rte_pktmbuf_append(m, piece), 'x', piece);
		s[n++] = pw_slice_of(m);
	}
	return n;
}

static void
ignore(void *ctx, const struct pw_flog *l, const struct pw_flog_entry *e)
{
	(void)ctx;
	(void)l;
	(void)e;
}

/* The broker is given everything. */
static void
pull(void)
{
	(void)pw_cursor_scan(&cursor);
	while (pw_cursor_peek(&cursor) != NULL)
		pw_cursor_queued(&cursor);
	pw_cursor_publish(&cursor);
}

static void
round_of(void *ctx)
{
	const struct appending *a = ctx;
	struct pw_slice s[MICRO_BURST][SLICES];
	struct pw_mqtt_buf b[MICRO_BURST];
	uint64_t start;
	int bad = 0;

	for (uint32_t i = 0; i < MICRO_BURST; i++)
		b[i] = (struct pw_mqtt_buf){s[i], frame(a->len, s[i]), a->len};
	set.limits.copy_break = a->copy ? UINT32_MAX : 0;
	start = micro_time();
	for (uint32_t i = 0; i < MICRO_BURST; i++) {
		struct pw_append p = {.b = &b[i], .route = &forward->routes->route[0]};

		bad |= pw_append(forward, flog, &p, now);
	}
	micro_round(a->append, start, micro_time());
	if (bad != 0)
		micro_die("the log does not take a message");
	/* TCP has consumed them. */
	for (uint32_t i = 0; i < MICRO_BURST; i++) {
		for (uint32_t k = 0; k < b[i].n; k++)
			pw_slice_drop(&s[i][k]);
	}
	pull();
	start = micro_time();
	(void)pw_flog_sweep(flog, ignore, NULL);
	micro_round(a->sweep, start, micro_time());
	if (flog->head != flog->tail)
		micro_die("the log keeps messages that are complete");
}

void
micro_log_append(void)
{
	struct appending a[2 * RTE_DIM(micro_sizes)];
	struct micro_case c[RTE_DIM(a)];

	create();
	for (uint32_t i = 0; i < RTE_DIM(a); i++) {
		uint32_t size = micro_sizes[i / 2];
		const char *how = i % 2 == 0 ? "reference" : "copy";

		a[i] = (struct appending){.len = size, .copy = i % 2 != 0};
		a[i].append =
			micro_figure("log-append", "message", "warm", size, MICRO_BURST, "%s", how);
		a[i].sweep =
			micro_figure("log-sweep", "message", "warm", size, MICRO_BURST, "%s", how);
		c[i] = (struct micro_case){round_of, &a[i], {a[i].append, a[i].sweep}, 2};
	}
	micro_repeat(c, RTE_DIM(c));
	destroy();
}
