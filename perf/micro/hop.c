/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * From one lcore to another, each on a CPU of its own: a ring between workers with messages of the
 * size that cross it (72 bytes), and a forward log whose reader runs elsewhere. In bursts of 32,
 * one burst at a time: each side's cycles for what it does itself, all lines of which the other
 * side had last; and one message there and back, half of which is a hop. Where a hypervisor takes
 * one of the CPUs away for a while, rounds are longer by milliseconds; medians don't see it, the
 * greatest may.
 */
#include <string.h>

#include <rte_lcore.h>
#include <rte_launch.h>
#include <rte_malloc.h>
#include <rte_pause.h>

#include "cursor_pvt.h"
#include "micro.h"
#include "worker_pvt.h"

#define CAPACITY 1024

enum order { ORDER_RING, ORDER_ECHO, ORDER_LOG, ORDER_STOP };

/* Of both; `order` and `done` pass the turn from one to the other. */
static struct {
	struct pw_ring there, back;
	struct pw_flog *log;
	struct pw_cursor cursor;
	uint32_t order __rte_cache_aligned; /* number of the burst << 2 | enum order */
	uint32_t done __rte_cache_aligned;
	uint64_t start, end; /* the other side's */
} hop;

static struct micro_figure *put, *get, *echo, *publish, *scan;

/* The far side. */

static void
far_ring(void)
{
	struct message m[MICRO_BURST];
	uint32_t n = 0;

	while (pw_ring_count(&hop.there) < MICRO_BURST)
		rte_pause();
	hop.start = micro_time();
	while (n < MICRO_BURST)
		n += pw_ring_get(&hop.there, m, MICRO_BURST - n);
	hop.end = micro_time();
}

static void
far_echo(void)
{
	struct message m;

	while (pw_ring_get(&hop.there, &m, 1) == 0)
		;
	(void)pw_ring_put(&hop.back, &m, 1);
}

static void
far_log(void)
{
	uint32_t n = 0;

	while (__atomic_load_n(&hop.log->tail, __ATOMIC_ACQUIRE) - hop.cursor.seen < MICRO_BURST)
		rte_pause();
	hop.start = micro_time();
	(void)pw_cursor_scan(&hop.cursor);
	for (; pw_cursor_peek(&hop.cursor) != NULL; n++)
		pw_cursor_queued(&hop.cursor);
	pw_cursor_publish(&hop.cursor);
	hop.end = micro_time();
	if (n != MICRO_BURST)
		micro_die("the log's reader has seen another number of messages");
}

static int
far_side(void *arg)
{
	uint32_t order = 0, before = 0;

	(void)arg;
	for (;;) {
		/* Pairs with the release in begin(). */
		while ((order = __atomic_load_n(&hop.order, __ATOMIC_ACQUIRE)) == before)
			rte_pause();
		before = order;
		if ((order & 3) == ORDER_STOP)
			return 0;
		if ((order & 3) == ORDER_RING)
			far_ring();
		else if ((order & 3) == ORDER_ECHO)
			far_echo();
		else
			far_log();
		/* Pairs with the acquire in wait(). */
		__atomic_store_n(&hop.done, order, __ATOMIC_RELEASE);
	}
}

/* The near side. */

static void
begin(enum order what)
{
	__atomic_store_n(&hop.order, (((hop.order >> 2) + 1) << 2) | what, __ATOMIC_RELEASE);
}

static void
wait(void)
{
	while (__atomic_load_n(&hop.done, __ATOMIC_ACQUIRE) != hop.order)
		rte_pause();
}

static void
ring_round(void *ctx)
{
	static struct message m[MICRO_BURST];
	uint64_t start;

	(void)ctx;
	begin(ORDER_RING);
	start = micro_time();
	if (pw_ring_put(&hop.there, m, MICRO_BURST) != MICRO_BURST)
		micro_die("a ring is full");
	micro_round(put, start, micro_time());
	wait();
	micro_round(get, hop.start, hop.end);
}

static void
echo_round(void *ctx)
{
	static struct message m;
	uint64_t start;

	(void)ctx;
	begin(ORDER_ECHO);
	start = micro_time();
	(void)pw_ring_put(&hop.there, &m, 1);
	while (pw_ring_get(&hop.back, &m, 1) == 0)
		;
	micro_round(echo, start, micro_time());
	wait();
}

static void
ignore(void *ctx, const struct pw_flog *l, const struct pw_flog_entry *e)
{
	(void)ctx;
	(void)l;
	(void)e;
}

/* Messages without bytes: those are in buffers, which the log does not touch. */
static void
log_round(void *ctx)
{
	struct pw_flog_entry e = {.len = 100};
	uint64_t start;

	(void)ctx;
	begin(ORDER_LOG);
	start = micro_time();
	for (uint32_t i = 0; i < MICRO_BURST; i++)
		(void)pw_flog_publish(hop.log, &e);
	micro_round(publish, start, micro_time());
	wait();
	micro_round(scan, hop.start, hop.end);
	if (pw_flog_sweep(hop.log, ignore, NULL) != MICRO_BURST)
		micro_die("the log has not completed every message");
}

static uint64_t *
create(void)
{
	uint64_t *words = rte_zmalloc(NULL, pw_cursor_words(CAPACITY) * sizeof(*words), 64);

	memset(&hop, 0, sizeof(hop));
	hop.log = rte_zmalloc(NULL, sizeof(*hop.log), RTE_CACHE_LINE_SIZE);
	if (words == NULL || hop.log == NULL ||
	    pw_ring_create(&hop.there, "there", sizeof(struct message), CAPACITY, SOCKET_ID_ANY) <
		    0 ||
	    pw_ring_create(&hop.back, "back", sizeof(struct message), CAPACITY, SOCKET_ID_ANY) <
		    0 ||
	    pw_flog_init(hop.log, "hop", CAPACITY, 1, true, SOCKET_ID_ANY) < 0)
		micro_die("no memory");
	pw_cursor_init(&hop.cursor, hop.log, 0, words);
	return words;
}

void
micro_hop(void)
{
	struct micro_case c[] = {
		{ring_round, NULL, {NULL}, 2},
		{echo_round, NULL, {NULL}, 1},
		{log_round, NULL, {NULL}, 2},
	};
	const char *why;
	int other = micro_machine_other(&why);
	uint64_t *words;

	if (other < 0) {
		micro_skip(why);
		return;
	}
	words = create();
	c[0].figure[0] = put = micro_figure("hop-put", "message", "cold", 0, MICRO_BURST, "ring");
	c[0].figure[1] = get = micro_figure("hop-get", "message", "cold", 0, MICRO_BURST, "ring");
	c[1].figure[0] = echo = micro_figure("hop-alone", "hop", "cold", 0, 2, "ring");
	c[2].figure[0] = publish =
		micro_figure("hop-put", "message", "cold", 0, MICRO_BURST, "log");
	c[2].figure[1] = scan = micro_figure("hop-get", "message", "cold", 0, MICRO_BURST, "log");
	if (rte_eal_remote_launch(far_side, NULL, (unsigned int)other) < 0)
		micro_die("the other lcore does not start");
	micro_repeat(c, RTE_DIM(c));
	begin(ORDER_STOP);
	rte_eal_wait_lcore((unsigned int)other);
	pw_ring_destroy(&hop.there);
	pw_ring_destroy(&hop.back);
	(void)pw_flog_fini(hop.log);
	rte_free(hop.log);
	rte_free(words);
}
