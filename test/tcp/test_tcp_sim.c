/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Seeded histories: two stacks, one to three connections, bytes both ways in slices of random
 * cut, an application that consumes late and closes in random order, a wire that misbehaves.
 *
 *     test_tcp_sim              all histories
 *     test_tcp_sim SEED         one, every segment printed
 *     test_tcp_sim FIRST LAST   a range
 */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <rte_errno.h>

#include "eal.h"
#include "sim_check.h"
#include "stack_pvt.h"

#define CONNS	    3
#define SERVER_PORT 1883
#define MAX_SLICES  8
#define FEW_BYTES   2000
#define POOL_SIZE   8191
#define MOST_BYTES  200000
#define MAX_STEPS   2000000
#define FIRST_SEED  1
#define LAST_SEED   500
#define LAST_TWICE  80

/** One side of one connection. */
struct end {
	struct world *world;
	struct pw_tcp *tcp;
	struct pw_tcp_conn *conn;
	uint32_t stack;
	uint16_t port; /* of the opener: names the streams */
	uint32_t to_send;
	uint32_t sent;
	uint32_t got;
	uint64_t next;	  /* when the application looks at it again */
	bool up;	  /* established */
	bool close_early; /* closes when all is sent and little is to come, not when the peer has
			     closed */
	bool closed;
	bool gone;
	enum pw_tcp_end why;
};

struct world {
	struct sim_wire wire;
	struct check check;
	struct sim_rng rng;
	struct end end[2][CONNS];
	uint32_t nb_conns;
	uint32_t chunk; /* largest buffer that the application fills */
	uint32_t pause; /* longest time (us) it lets pass */
	bool hard;	/* pools run empty and pressure rises now and then */
	uint64_t relax; /* when that ends */
	uint32_t nb_hog;
	struct rte_mbuf *hog[POOL_SIZE];
	uint64_t digest;   /* of all segments that were sent, and when */
	const char *fault; /* the first thing that went wrong */
	char text[160];	   /* room for one */
};

static struct world world;
static struct pw_mem mem;

static void
fault(struct world *w, const char *text)
{
	if (w->fault == NULL)
		w->fault = text;
}

static void
wake(struct end *e, uint64_t now)
{
	struct world *w = e->world;
	uint64_t at = now + sim_rng_below(&w->rng, w->pause) * SIM_US;

	if (at < e->next)
		e->next = at;
	if (e->next < w->wire.app_next)
		w->wire.app_next = e->next;
}

static void
send_some(struct world *w, struct end *e)
{
	struct pw_slice slice[MAX_SLICES];
	uint32_t room = RTE_MIN(pw_tcp_send_room(e->tcp, e->conn), e->to_send - e->sent);
	uint32_t n = sim_rng_range(&w->rng, 1, w->chunk), nb = 0, cut;
	struct rte_mbuf *m;

	n = RTE_MIN(n, room);
	/* Unsent bytes must not take the buffers that the wire needs to bring the ACKs. */
	if (n == 0 || rte_mempool_avail_count(mem.pkt) < POOL_SIZE / 4)
		return;
	m = rte_pktmbuf_alloc(mem.pkt);
	if (m == NULL)
		return;
	check_fill(check_stream(e->port, e->stack), e->sent, (uint8_t *)rte_pktmbuf_append(m, n),
		   n);
	for (cut = 0; cut < n; nb++) {
		uint32_t part = nb == MAX_SLICES - 1 ? n - cut : sim_rng_range(&w->rng, 1, n - cut);

		slice[nb] = (struct pw_slice){m, (uint16_t)(m->data_off + cut), (uint16_t)part, 0};
		pw_slice_hold(&slice[nb]);
		cut += part;
	}
	switch (pw_tcp_send(e->tcp, e->conn, slice, nb)) {
	case 0:
		e->sent += n;
		break;
	case -ENOBUFS:
		for (uint32_t i = 0; i < nb; i++)
			pw_slice_drop(&slice[i]);
		break;
	default:
		fault(w, "pw_tcp_send() refuses what pw_tcp_send_room() promised");
		for (uint32_t i = 0; i < nb; i++)
			pw_slice_drop(&slice[i]);
	}
	rte_pktmbuf_free(m);
}

static void
take_some(struct world *w, struct end *e)
{
	uint32_t len = pw_tcp_rx_len(e->conn), n, left, sum = 0;
	const struct rte_mbuf *m = pw_tcp_rx_chain(e->conn);

	for (const struct rte_mbuf *seg = m; seg != NULL; seg = seg->next)
		sum += seg->data_len;
	if (sum != len)
		fault(w, "the receive queue and its length differ");
	if (len == 0 || sum != len)
		return;
	n = sim_rng_chance(&w->rng, 500) ? len : sim_rng_range(&w->rng, 1, len);
	for (left = n; left != 0; m = m->next) {
		uint32_t part = RTE_MIN(left, (uint32_t)m->data_len);

		if (!check_same(check_stream(e->port, !e->stack), e->got,
				rte_pktmbuf_mtod(m, const uint8_t *), part))
			fault(w, "a byte has changed on its way");
		e->got += part;
		left -= part;
	}
	pw_tcp_consume(e->tcp, e->conn, n);
}

/** A peer that goes on for more than a minute after our close is cut off: few bytes must be left.
 */
static bool
may_close_early(const struct world *w, const struct end *e)
{
	const struct end *peer = &w->end[!e->stack][e - w->end[e->stack]];

	return e->close_early && peer->to_send - e->got <= FEW_BYTES;
}

static void
act(struct world *w, struct end *e, uint64_t now)
{
	e->next = SIM_NEVER;
	if (!e->up || e->gone)
		return;
	for (uint32_t i = sim_rng_range(&w->rng, 1, 8); i != 0 && e->sent < e->to_send; i--)
		send_some(w, e);
	take_some(w, e);
	if (!e->closed && e->sent == e->to_send && (pw_tcp_eof(e->conn) || may_close_early(w, e))) {
		e->closed = true;
		pw_tcp_close(e->tcp, e->conn, now);
	}
	if (pw_tcp_rx_len(e->conn) != 0 || e->sent < e->to_send)
		wake(e, now + 100 * SIM_US);
}

/** Take all buffers of a pool but a few, or tell both stacks that buffers are short. */
static void
harden(struct world *w, uint64_t now)
{
	struct rte_mempool *pool[] = {mem.pkt, mem.hdr, mem.ind};
	uint32_t which = sim_rng_below(&w->rng, 4);
	uint32_t left = sim_rng_below(&w->rng, 20);

	w->relax = now + sim_rng_range(&w->rng, 1, 300) * SIM_MS;
	if (which == RTE_DIM(pool)) {
		for (uint32_t i = 0; i < 2; i++)
			pw_tcp_set_pressure(w->wire.port[i].tcp, sim_rng_range(&w->rng, 0, 2));
		return;
	}
	while (w->nb_hog < POOL_SIZE) {
		struct rte_mbuf *m = rte_pktmbuf_alloc(pool[which]);

		if (m == NULL)
			break;
		w->hog[w->nb_hog++] = m;
	}
	for (; left != 0 && w->nb_hog != 0; left--)
		rte_pktmbuf_free(w->hog[--w->nb_hog]);
}

static void
relax(struct world *w)
{
	while (w->nb_hog != 0)
		rte_pktmbuf_free(w->hog[--w->nb_hog]);
	for (uint32_t i = 0; i < w->wire.nb_ports; i++)
		pw_tcp_set_pressure(w->wire.port[i].tcp, 0);
	w->relax = SIM_NEVER;
}

static uint64_t
app(void *ctx, uint64_t now)
{
	struct world *w = ctx;
	uint64_t next = SIM_NEVER;

	if (w->relax <= now)
		relax(w);
	else if (w->hard && w->relax == SIM_NEVER && sim_rng_chance(&w->rng, 30))
		harden(w, now);
	for (uint32_t i = 0; i < 2 * w->nb_conns; i++) {
		struct end *e = &w->end[i % 2][i / 2];

		if (e->next <= now)
			act(w, e, now);
		next = RTE_MIN(next, e->next);
	}
	return RTE_MIN(next, w->relax);
}

static struct end *
end_of(struct world *w, const struct pw_tcp_conn *c, uint32_t stack)
{
	struct pw_flow flow;

	pw_tcp_flow(c, &flow);
	for (uint32_t i = 0; i < w->nb_conns; i++) {
		if (w->end[stack][i].port == (stack == 0 ? flow.lport : flow.rport))
			return &w->end[stack][i];
	}
	return NULL;
}

static int
on_accepted(void *ctx, struct pw_tcp_conn *conn, uint64_t now)
{
	struct world *w = ctx;
	struct end *e = end_of(w, conn, 1);

	if (e == NULL || e->up || e->gone) {
		fault(w, "accepted twice");
		return -1;
	}
	pw_tcp_set_user(conn, (uintptr_t)e);
	e->conn = conn;
	e->up = true;
	wake(e, now);
	return 0;
}

static struct end *
end_at(struct pw_tcp_conn *conn)
{
	return (struct end *)(uintptr_t)pw_tcp_user(conn);
}

static void
on_connected(void *ctx, struct pw_tcp_conn *conn, uint64_t now)
{
	struct end *e = end_at(conn);

	(void)ctx;
	e->up = true;
	wake(e, now);
}

static void
on_event(void *ctx, struct pw_tcp_conn *conn, uint64_t now)
{
	struct world *w = ctx;
	struct end *e = end_at(conn);

	/* Once this side has closed, what the upcall does not take is dropped. */
	while (e->closed && pw_tcp_rx_len(conn) != 0 && w->fault == NULL)
		take_some(w, e);
	wake(e, now);
}

static void
on_gone(void *ctx, struct pw_tcp_conn *conn, enum pw_tcp_end why, uint64_t now)
{
	struct world *w = ctx;
	struct end *e = end_at(conn);

	(void)now;
	if (e->gone)
		fault(w, "gone twice");
	/* What stands in the queue is still the application's to read before this upcall returns.
	 */
	while (why == PW_TCP_END_CLOSED && pw_tcp_rx_len(conn) != 0 && w->fault == NULL)
		take_some(w, e);
	e->gone = true;
	e->why = why;
	e->conn = NULL;
	e->next = SIM_NEVER;
}

static const struct pw_tcp_ops ops = {
	.accepted = on_accepted,
	.connected = on_connected,
	.readable = on_event,
	.acked = on_event,
	.gone = on_gone,
};

/** FNV-1a, a word at a time. */
static void
mix(struct world *w, uint64_t word)
{
	w->digest = (w->digest ^ word) * UINT64_C(0x100000001b3);
}

static void
digest(struct world *w, uint32_t stack, const struct pw_flow *flow, const struct tcp_seg *seg,
       uint64_t now)
{
	mix(w, now);
	mix(w, (uint64_t)stack << 32 | (uint32_t)flow->lport << 16 | flow->rport);
	mix(w, (uint64_t)seg->seq << 32 | seg->ack);
	mix(w, (uint64_t)seg->flags << 48 | (uint64_t)seg->win << 32 | seg->len);
	mix(w, (uint64_t)seg->tsval << 32 | seg->tsecr);
}

static void
tap_sent(void *ctx, uint32_t stack, const struct pw_flow *flow, const struct tcp_seg *seg,
	 uint64_t now)
{
	struct world *w = ctx;

	check_sent(&w->check, stack, flow, seg, now);
	digest(w, stack, flow, seg, now);
}

static void
tap_arrives(void *ctx, uint32_t stack, const struct pw_flow *flow, const struct tcp_seg *seg,
	    uint64_t now)
{
	struct world *w = ctx;

	check_arrives(&w->check, stack, flow, seg, now);
}

/** Bytes to send: nothing, a few, some, many. */
static uint32_t
draw_size(struct sim_rng *rng, uint32_t most)
{
	switch (sim_rng_below(rng, 8)) {
	case 0:
		return 0;
	case 1:
	case 2:
		return sim_rng_range(rng, 1, RTE_MIN(20u, most));
	case 3:
	case 4:
	case 5:
		return sim_rng_range(rng, 1, RTE_MIN(20000u, most));
	default:
		return sim_rng_range(rng, 1, most);
	}
}

/** The window that a stack offers; small ones go with short streams, or a history would not end. */
static uint32_t
draw_window(struct sim_rng *rng)
{
	static const uint32_t window[] = {1, 7, 100, 1459, 1461, 4000, 20000, 65535, 300000, 0};

	return window[sim_rng_below(rng, RTE_DIM(window))];
}

static void
build(struct world *w, uint64_t seed, bool verbose)
{
	struct sim_rng *rng = &w->rng;
	struct sim_wire_conf conf = {.seed = seed, .mem = &mem};
	uint32_t most[2] = {MOST_BYTES, MOST_BYTES};

	memset(w, 0, sizeof(*w));
	rng->s = seed * 1000003;
	conf.delay_ns = sim_rng_range(rng, 10, 50000) * SIM_US;
	conf.jitter_ns = sim_rng_below(rng, 2) * conf.delay_ns / 4;
	conf.loss = sim_rng_below(rng, 3) * sim_rng_below(rng, 101);
	conf.dup = sim_rng_below(rng, 2) * sim_rng_below(rng, 100);
	conf.reorder = sim_rng_below(rng, 2) * sim_rng_below(rng, 200);
	if (sim_rng_chance(rng, 150)) {
		conf.down_every_ns = 3 * SIM_S;
		conf.down_for_ns = 700 * SIM_MS;
	}
	conf.mtu = sim_rng_chance(rng, 700) ? 1500 : (uint16_t)sim_rng_range(rng, 200, 1500);
	conf.max_segs = sim_rng_chance(rng, 700) ? 16 : (uint16_t)sim_rng_range(rng, 1, 4);
	conf.hold_tx = sim_rng_chance(rng, 500);
	w->chunk = sim_rng_chance(rng, 300) ? 100 : 2000;
	w->pause = sim_rng_chance(rng, 500) ? 500 : 20000;
	w->hard = sim_rng_chance(rng, 250);
	w->relax = SIM_NEVER;
	sim_wire_init(&w->wire, &conf, 5 * SIM_S);
	w->wire.taps = (struct sim_wire_taps){w, tap_sent, tap_arrives, app};
	check_init(&w->check, conf.mtu, verbose);
	for (uint32_t i = 0; i < 2; i++) {
		struct pw_tcp_conf c = {
			.max_conns = 16,
			.max_tx_slices = 8192,
			.rx_window = draw_window(rng),
			.tx_queue_bytes =
				sim_rng_chance(rng, 500) ? 0 : sim_rng_range(rng, 1, 20000),
			.max_rto_ms = 4000,
			.syn_retries = 30,
			.user_timeout_ms = 3600000,
			.rx_copy_break = sim_rng_chance(rng, 500) ? 0 : 1,
			.rx_buffers = sim_rng_chance(rng, 500) ? 0 : sim_rng_range(rng, 8, 64),
			.max_ooo = sim_rng_chance(rng, 500) ? 0 : sim_rng_range(rng, 1, 16),
		};

		most[!i] = RTE_MIN(most[!i], c.rx_window == 0 ? MOST_BYTES : 40 * c.rx_window);
		most[i] = RTE_MIN(most[i],
				  c.tx_queue_bytes == 0 ? MOST_BYTES : 40 * c.tx_queue_bytes);
		if (sim_wire_add(&w->wire, &c) == NULL)
			fail_msg("pw_tcp_create: %s", rte_strerror(rte_errno));
	}
	w->nb_conns = sim_rng_range(rng, 1, CONNS);
	for (uint32_t i = 0; i < 2 * w->nb_conns; i++) {
		struct end *e = &w->end[i % 2][i / 2];

		*e = (struct end){.world = w, .tcp = w->wire.port[i % 2].tcp, .stack = i % 2};
		e->next = SIM_NEVER;
		e->to_send = draw_size(rng, most[i % 2]);
		/* One that opens and waits would wait for ever where its last ACK is lost. */
		if (i % 2 == 0)
			e->to_send = RTE_MAX(e->to_send, 1u);
		e->close_early = sim_rng_chance(rng, 600) || i % 2 == 0;
	}
}

static void
open_all(struct world *w)
{
	struct pw_addr server = sim_wire_addr(1);

	if (pw_tcp_listen(w->wire.port[1].tcp, &server, SERVER_PORT, &ops, w) != 0)
		fault(w, "can't listen");
	for (uint32_t i = 0; i < w->nb_conns; i++) {
		struct pw_flow flow = {sim_wire_addr(0), server, 0, SERVER_PORT};
		struct end *e = &w->end[0][i];

		if (pw_tcp_connect(e->tcp, &flow, &ops, w, (uintptr_t)e, &e->conn, w->wire.now) !=
		    0)
			fault(w, "can't connect");
		pw_tcp_flow(e->conn, &flow);
		e->port = w->end[1][i].port = flow.lport;
	}
	sim_wire_settle(&w->wire);
}

/** What has to be true when nothing moves any more. */
static void
check_end(struct world *w)
{
	for (uint32_t i = 0; i < 2 * w->nb_conns; i++) {
		struct end *e = &w->end[i % 2][i / 2], *peer = &w->end[!(i % 2)][i / 2];

		if (!e->gone || e->why != PW_TCP_END_CLOSED || e->got != peer->to_send) {
			snprintf(w->text, sizeof(w->text),
				 "conn %u stack %u: %s, sent %u/%u, got %u/%u", i / 2, i % 2,
				 !e->gone ? "not gone" : pw_tcp_end_str(e->why), e->sent,
				 e->to_send, e->got, peer->to_send);
			fault(w, w->text);
		}
	}
	for (uint32_t i = 0; i < 2; i++) {
		if (pw_tcp_conns(w->wire.port[i].tcp) != 0)
			fault(w, "a connection is left in the table");
	}
	if (w->wire.nb_packets == 0 && !pw_mem_full(&mem))
		fault(w, "a buffer is missing");
}

static bool
quiet(const struct world *w)
{
	for (uint32_t i = 0; i < 2 * w->nb_conns; i++) {
		if (!w->end[i % 2][i / 2].gone)
			return false;
	}
	return w->wire.nb_packets == 0;
}

/** What the stacks of all histories have counted. */
static struct pw_tcp_counters seen;

static void
add_counters(const struct pw_tcp *t)
{
	uint64_t *sum = (uint64_t *)&seen;

	for (uint32_t i = 0; i < sizeof(seen) / sizeof(*sum); i++)
		sum[i] += pw_counter_read(pw_tcp_counters(t), i);
}

/** Every segment takes the long way through the states, that too which is expected. */
static bool no_prediction;

/** True where the history ends well. */
static bool
play(uint64_t seed, bool verbose)
{
	struct world *w = &world;
	uint32_t steps = 0;
	bool good;

	build(w, seed, verbose);
	for (uint32_t i = 0; i < 2; i++)
		w->wire.port[i].tcp->no_prediction = no_prediction;
	open_all(w);
	while (!quiet(w) && steps++ < MAX_STEPS && sim_wire_step(&w->wire)) {
		if (w->wire.fault != NULL)
			fault(w, w->wire.fault);
		if (w->check.fault[0] != '\0')
			fault(w, w->check.fault);
		if (w->fault != NULL)
			break;
	}
	relax(w);
	if (steps >= MAX_STEPS)
		fault(w, "no end in sight");
	if (w->fault == NULL)
		check_end(w);
	good = w->fault == NULL;
	if (!good || verbose)
		printf("seed %" PRIu64 ": %s; %u steps, %.3f s of time, %" PRIu64
		       " segments, %" PRIu64 " lost%s\n",
		       seed, good ? "ends well" : w->fault, steps, (double)w->wire.now / 1e9 - 5,
		       w->check.segments, w->wire.lost, good ? "" : " (replay: test_tcp_sim SEED)");
	for (uint32_t i = 0; i < 2; i++)
		add_counters(w->wire.port[i].tcp);
	sim_wire_fini(&w->wire);
	if (!pw_mem_full(&mem)) {
		printf("seed %" PRIu64 ": buffers are missing after the end\n", seed);
		return false;
	}
	return good;
}

static uint64_t first = FIRST_SEED, last = LAST_SEED;

static void
histories_end_with_every_byte_delivered(void **state)
{
	uint32_t bad = 0;

	(void)state;
	for (uint64_t seed = first; seed <= last && bad < 10; seed++)
		bad += !play(seed, first == last);
	assert_int_equal(bad, 0);
}

static void
histories_reach_the_rare_paths(void **state)
{
	(void)state;
	if (last - first < 100)
		skip();
	assert_true(seen.rto_fired > 0 && seen.fast_retransmits > 0);
	assert_true(seen.zero_window_probes > 0 && seen.acks_delayed > 0);
	assert_true(seen.ooo_in > 0 && seen.drop_ooo_full > 0 && seen.drop_duplicate > 0);
	assert_true(seen.bytes_linearised > 0 && seen.bytes_by_ref > 0 && seen.rx_coalesced > 0);
	assert_true(seen.drop_tx_no_buffer > 0 && seen.drop_pressure > 0);
	assert_true(seen.sack_recoveries > 0 && seen.dsacks_in > 0 && seen.rack_lost > 0);
	assert_true(seen.reorder_timeouts > 0 && seen.tlp_probes > 0 && seen.tlp_recovered > 0);
	assert_true(seen.mtu_black_holes > 0 && seen.idle_restarts > 0);
}

/* The short way that most segments go does what the long one does: to what is sent, and to
 * counters.
 */
static void
expected_segments_are_treated_as_all_others(void **state)
{
	static struct pw_tcp_counters quick;
	uint64_t end = RTE_MIN(last, first + LAST_TWICE - 1);

	(void)state;
	for (uint64_t seed = first; seed <= end; seed++) {
		uint64_t sent;

		memset(&seen, 0, sizeof(seen));
		assert_true(play(seed, false));
		sent = world.digest;
		quick = seen;
		memset(&seen, 0, sizeof(seen));
		no_prediction = true;
		assert_true(play(seed, false));
		no_prediction = false;
		assert_int_equal(world.digest, sent);
		assert_memory_equal(&seen, &quick, sizeof(seen));
	}
}

static int
setup(void **state)
{
	struct pw_mem_conf conf = {.name = "sim", .pkt = POOL_SIZE, .hdr = 2047, .ind = 4095};

	(void)state;
	test_eal_init();
	conf.socket = SOCKET_ID_ANY;
	return pw_mem_create(&mem, &conf);
}

static int
teardown(void **state)
{
	(void)state;
	pw_mem_destroy(&mem);
	return 0;
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(histories_end_with_every_byte_delivered),
		cmocka_unit_test(histories_reach_the_rare_paths),
		cmocka_unit_test(expected_segments_are_treated_as_all_others),
	};

	if (argc > 1)
		first = last = strtoull(argv[1], NULL, 10);
	if (argc > 2)
		last = strtoull(argv[2], NULL, 10);
	return cmocka_run_group_tests(tests, setup, teardown);
}
