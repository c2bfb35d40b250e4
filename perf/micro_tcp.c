/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * micro_tcp: cycles of the TCP stack alone, a burst of 32 at a time as a worker does it, frames
 * made beforehand and time passed in; no driver, no lib/wire, no payload touched. The caches are
 * warm but for the connections of the look-up, which are drawn at random. Each figure is the median
 * of the repetitions, with the least and the greatest beside it.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <rte_cycles.h>
#include <rte_malloc.h>

#include "eal.h"
#include "flight_pvt.h"
#include "sim_rng.h"
#include "stack_pvt.h"
#include "tcp_seg.h"

#define BURST	  32
#define MSS	  1448 /* with timestamps, of 1500 */
#define ROUNDS	  1000
#define REPEAT	  9
#define WARM	  100 /* rounds: the congestion window opens */
#define MAX_CONNS 100000
#define MS	  UINT64_C(1000000)

/* The far end of a connection, and ours. */
struct end {
	struct pw_tcp_conn *conn;
	struct pw_addr addr;
	uint32_t seq; /* the peer's next */
	uint32_t ack; /* ours */
	uint32_t ts;  /* our timestamp clock at time 0 */
};

/* Of the bursts of one repetition. */
struct cycles {
	uint32_t burst[ROUNDS];
	uint32_t n;
};

static struct pw_mem mem;
static struct pw_tcp *tcp;
static struct pw_addr here;
static struct end *ends;
static uint32_t nb_ends;
static struct pw_tcp_conn *accepted;
static uint64_t now = 1000 * MS;
static struct tcp_seg answer; /* the last segment while `listen` is set */
static bool listen_in;
static uint32_t sack_left, sack_right; /* of bare acknowledgements, where they differ */
static uint64_t nb_out;

static int
output(void *ctx, const struct pw_flow *flow, struct rte_mbuf *m, uint64_t at)
{
	(void)ctx;
	(void)flow;
	(void)at;
	nb_out++;
	if (listen_in)
		(void)tcp_seg_parse(rte_pktmbuf_mtod(m, uint8_t *), m->data_len, &answer);
	rte_pktmbuf_free(m);
	return 0;
}

static int
path(void *ctx, const struct pw_addr *dst, uint16_t *mtu, uint16_t *max_segs)
{
	(void)ctx;
	(void)dst;
	*mtu = 1500;
	*max_segs = 64;
	return 0;
}

static int
on_accepted(void *ctx, struct pw_tcp_conn *conn, uint64_t at)
{
	(void)ctx;
	(void)at;
	accepted = conn;
	return 0;
}

static void
on_readable(void *ctx, struct pw_tcp_conn *conn, uint64_t at)
{
	(void)ctx;
	(void)at;
	pw_tcp_consume(tcp, conn, pw_tcp_rx_len(conn));
}

static void
on_gone(void *ctx, struct pw_tcp_conn *conn, enum pw_tcp_end why, uint64_t at)
{
	(void)ctx;
	(void)conn;
	(void)why;
	(void)at;
}

static const struct pw_tcp_ops ops = {
	.accepted = on_accepted,
	.readable = on_readable,
	.gone = on_gone,
};

static void
die(const char *why)
{
	fprintf(stderr, "micro_tcp: %s\n", why);
	exit(1);
}

static struct rte_mbuf *
frame(const struct end *e, uint8_t flags, uint32_t seq, uint32_t ack, uint16_t len)
{
	struct tcp_seg s = {
		.sport = 4000,
		.dport = 1883,
		.seq = seq,
		.ack = ack,
		.flags = flags,
		.win = 65535,
		.has_ts = true,
		.tsval = (uint32_t)(now / MS),
		.tsecr = (flags & SEG_SYN) != 0 ? 0 : e->ts + (uint32_t)(now / MS),
		.len = len,
	};
	uint8_t bytes[SEG_MAX];
	struct rte_mbuf *m;

	if ((flags & SEG_SYN) != 0) {
		s.mss = 1460;
		s.has_ws = true;
		s.ws = 8;
		s.sack_ok = true;
	}
	if (sack_left != sack_right) {
		s.nb_sack = 1;
		s.sack[0].left = sack_left;
		s.sack[0].right = sack_right;
	}
	m = tcp_seg_frame(mem.pkt, &e->addr, &here, bytes, tcp_seg_build(&s, bytes));
	if (m == NULL)
		die("no buffer");
	return m;
}

static void
give(struct rte_mbuf **m, uint32_t n)
{
	pw_tcp_input(tcp, m, n, now);
	pw_tcp_dispatch(tcp, now);
	pw_tcp_flush(tcp, now);
}

static void
open_one(void)
{
	struct end *e = &ends[nb_ends];
	struct rte_mbuf *m;

	e->addr = pw_addr_v4(rte_cpu_to_be_32(UINT32_C(0x0b000000) + nb_ends));
	e->seq = 1000;
	listen_in = true;
	m = frame(e, SEG_SYN, e->seq++, 0, 0);
	give(&m, 1);
	e->ack = answer.seq + 1;
	e->ts = answer.tsval - (uint32_t)(now / MS);
	accepted = NULL;
	m = frame(e, SEG_ACK, e->seq, e->ack, 0);
	give(&m, 1);
	listen_in = false;
	if (accepted == NULL)
		die("a handshake failed");
	e->conn = accepted;
	nb_ends++;
	if (nb_ends % 64 == 0)
		now += MS;
}

static void
count(struct cycles *c, uint64_t start, uint64_t end)
{
	c->burst[c->n++] = (uint32_t)RTE_MIN(end - start, (uint64_t)UINT32_MAX);
}

static int
by_value(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static void
print(const char *what, struct cycles *c)
{
	uint32_t v[REPEAT];

	for (uint32_t i = 0; i < REPEAT; i++) {
		qsort(c[i].burst, c[i].n, sizeof(c[i].burst[0]), by_value);
		v[i] = (c[i].burst[c[i].n / 2] + BURST / 2) / BURST;
	}
	qsort(v, REPEAT, sizeof(v[0]), by_value);
	printf("%-56s %6u  (%u..%u)  %5.0f ns\n", what, v[REPEAT / 2], v[0], v[REPEAT - 1],
	       v[REPEAT / 2] * 1e9 / (double)rte_get_tsc_hz());
}

/* A burst of segments in order: input, the upcall that consumes them, and the acknowledgements. */
static void
receive(uint16_t len)
{
	static struct cycles c[REPEAT];
	struct end *e = &ends[0];
	struct rte_mbuf *m[BURST];
	char what[64];

	memset(c, 0, sizeof(c));
	for (uint32_t r = 0; r < REPEAT * ROUNDS; r++) {
		uint64_t start;

		now += MS;
		for (uint32_t i = 0; i < BURST; i++, e->seq += len)
			m[i] = frame(e, SEG_ACK, e->seq, e->ack, len);
		start = rte_rdtsc_precise();
		give(m, BURST);
		count(&c[r / ROUNDS], start, rte_rdtsc_precise());
	}
	snprintf(what, sizeof(what), "data segment received, read, acknowledged: %u bytes", len);
	print(what, c);
}

static void
queue(struct end *e, struct rte_mbuf *m, uint16_t len)
{
	for (uint32_t i = 0; i < BURST; i++) {
		struct pw_slice s = {.mbuf = m, .off = m->data_off, .len = len};

		pw_slice_hold(&s);
		if (pw_tcp_send(tcp, e->conn, &s, 1) < 0)
			die("the send queue is full");
	}
}

/* A burst of full segments by reference leaves, and is then acknowledged one by one. */
static void
send_and_ack(void)
{
	static struct cycles out[REPEAT], in[REPEAT], append[REPEAT];
	struct rte_mbuf *m[BURST], *payload = rte_pktmbuf_alloc(mem.pkt);
	struct end *e = &ends[0];

	for (uint32_t r = 0; r < WARM + REPEAT * ROUNDS; r++) {
		uint32_t k = r < WARM ? 0 : (r - WARM) / ROUNDS;
		uint64_t start, queued, sent, had = nb_out, segs;

		now += MS;
		start = rte_rdtsc_precise();
		queue(e, payload, MSS);
		queued = rte_rdtsc_precise();
		pw_tcp_flush(tcp, now);
		sent = rte_rdtsc_precise();
		segs = nb_out - had;
		now += MS;
		for (uint32_t i = 0; i < BURST; i++) {
			e->ack += MSS;
			m[i] = frame(e, SEG_ACK, e->seq, e->ack, 0);
		}
		if (r < WARM) {
			/* What the window held back goes out as it opens. */
			for (uint32_t i = 0; i < BURST; i++)
				give(&m[i], 1);
			continue;
		}
		if (segs != BURST)
			die("the congestion window is shut");
		count(&append[k], start, queued);
		count(&out[k], queued, sent);
		start = rte_rdtsc_precise();
		give(m, BURST);
		count(&in[k], start, rte_rdtsc_precise());
	}
	rte_pktmbuf_free(payload);
	print("slice given to pw_tcp_send", append);
	print("data segment sent by reference: 1448 bytes", out);
	print("acknowledgement of one segment, its slice dropped", in);
}

/*
 * The first of so many segments is missing, and the acknowledgements say that the rest is there:
 * the first of them changes everything, those that follow nothing.
 */
static void
sacked(uint32_t segs)
{
	static struct cycles c[REPEAT];
	struct rte_mbuf *m[BURST], *payload = rte_pktmbuf_alloc(mem.pkt);
	struct end *e = &ends[nb_ends];
	struct pw_slice s = {.mbuf = payload, .off = payload->data_off, .len = 64};
	char what[64];

	memset(c, 0, sizeof(c));
	open_one();
	e->conn->cwnd = segs * MSS;
	for (uint32_t i = 0; i < segs; i++) {
		pw_slice_hold(&s);
		if (pw_tcp_send(tcp, e->conn, &s, 1) < 0)
			die("the send queue is full");
		pw_tcp_flush(tcp, now);
	}
	sack_left = e->ack + 64;
	sack_right = e->ack + segs * 64;
	for (uint32_t r = 0; r < REPEAT * ROUNDS / 10; r++) {
		uint64_t start;

		for (uint32_t i = 0; i < BURST; i++)
			m[i] = frame(e, SEG_ACK, e->seq, e->ack, 0);
		start = rte_rdtsc_precise();
		give(m, BURST);
		count(&c[r * 10 / ROUNDS], start, rte_rdtsc_precise());
	}
	sack_left = sack_right;
	e->ack += segs * 64;
	m[0] = frame(e, SEG_ACK, e->seq, e->ack, 0);
	give(m, 1);
	rte_pktmbuf_free(payload);
	snprintf(what, sizeof(what), "acknowledgement of %u segments by SACK, again", segs - 1);
	print(what, c);
}

/* Pure acknowledgements that change nothing, of connections drawn at random. */
static void
look_up(uint32_t conns)
{
	static struct cycles c[REPEAT];
	struct rte_mbuf *m[BURST];
	struct sim_rng rng = {.s = conns};
	char what[64];

	memset(c, 0, sizeof(c));
	while (nb_ends < conns)
		open_one();
	for (uint32_t r = 0; r < REPEAT * ROUNDS; r++) {
		uint64_t start;

		for (uint32_t i = 0; i < BURST; i++) {
			const struct end *e = &ends[sim_rng_below(&rng, conns)];

			m[i] = frame(e, SEG_ACK, e->seq, e->ack, 0);
		}
		start = rte_rdtsc_precise();
		give(m, BURST);
		count(&c[r / ROUNDS], start, rte_rdtsc_precise());
	}
	snprintf(what, sizeof(what), "idle segment of one of %u connections", conns);
	print(what, c);
}

static void
sizes(void)
{
	printf("bytes: connection %zu, with its place in the table %zu; slice %zu; record of a "
	       "transmission %zu; block of either %zu; TIME_WAIT record %zu\n",
	       sizeof(struct pw_tcp_conn), pw_tcp_conn_size(), sizeof(struct tx_slice),
	       sizeof(struct tx_rec), sizeof(struct tx_block), sizeof(struct tw_record));
}

int
main(void)
{
	struct pw_mem_conf m = {
		.name = "micro",
		.pkt = 4095,
		.hdr = 1023,
		.ind = 1023,
		.cache = 128,
		.socket = SOCKET_ID_ANY,
	};
	struct pw_tcp_conf conf = {
		.name = "micro",
		.max_conns = MAX_CONNS + 1024,
		.max_time_wait = 1024,
		.seed = 7,
		.mem = &mem,
		.hooks = {.output = output, .path = path},
		.socket = SOCKET_ID_ANY,
	};

	(void)test_eal_init_with("0", 256, NULL, 0);
	if (pw_mem_create(&mem, &m) < 0 || pw_addr_parse(&here, "10.0.0.1") < 0)
		die("no memory");
	tcp = pw_tcp_create(&conf, now);
	ends = calloc(MAX_CONNS, sizeof(*ends));
	if (tcp == NULL || ends == NULL || pw_tcp_listen(tcp, &here, 1883, &ops, NULL) < 0)
		die("no stack");
	printf("TSC %.0f MHz, 4 KB pages, bursts of %u; cycles, median of %u repetitions of %u "
	       "bursts "
	       "(least..greatest)\n",
	       (double)rte_get_tsc_hz() / 1e6, BURST, REPEAT, ROUNDS);
	sizes();
	open_one();
	receive(MSS);
	receive(64);
	send_and_ack();
	sacked(10);
	sacked(100);
	sacked(1000);
	look_up(1);
	look_up(1000);
	look_up(MAX_CONNS);
	pw_tcp_destroy(tcp);
	if (!pw_mem_full(&mem))
		die("buffers are missing");
	free(ends);
	return 0;
}
