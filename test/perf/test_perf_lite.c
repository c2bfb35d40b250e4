/* SPDX-License-Identifier: BSD-3-Clause */
/* The light TCP of pktgen's devices against lib/tcp, over a path that loses, in virtual time. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <rte_ip.h>
#include <rte_malloc.h>
#include <rte_mbuf.h>
#include <rte_tcp.h>

#include <pubwire/base/pool.h>
#include <pubwire/tcp/tcp.h>

#include "clock.h"
#include "eal.h"
#include "lite.h"
#include "net.h"
#include "sim_rng.h"

#define CLIENTS	   4 /* addresses */
#define CONNS	   10
#define FIRST_PORT 1024
#define PORT	   1883
#define PEER	   0x0a4d0001u
#define STREAM	   20000
#define SHUT_MS	   150000 /* longer than all retransmissions of a segment */
#define BUFFERS	   2047

uint64_t clock_mult;

static struct world {
	struct pw_mem mem;
	struct net near, far;
	struct lite *lite;
	struct pw_tcp *tcp;
	struct sim_rng rng;
	uint64_t now;
	uint32_t lose; /* per mille */

	/* What the far end has been sent, by device; it sends as much back. */
	uint32_t got[CONNS], back[CONNS], sent_back[CONNS];
	bool read;
	uint32_t connected, gone, far_gone, again;
	struct pw_tcp_conn *conn[CONNS];
	uint32_t accepted;
} w;

static uint8_t
byte_at(uint32_t i, uint32_t at)
{
	return (uint8_t)(i * 37 + at * 11 + (at >> 8));
}

static uint32_t
device_of(const struct pw_tcp_conn *c)
{
	return (uint32_t)pw_tcp_user(c);
}

static int
accepted(void *ctx, struct pw_tcp_conn *c, uint64_t now)
{
	struct pw_flow f;
	uint32_t i;

	(void)ctx;
	(void)now;
	pw_tcp_flow(c, &f);
	i = (f.rport - FIRST_PORT) % lite_each(w.lite) * CLIENTS +
	    (rte_be_to_cpu_32(pw_addr_be32(&f.remote)) - w.near.range.first);
	assert_true(i < CONNS);
	pw_tcp_set_user(c, i);
	w.conn[i] = c;
	w.accepted++;
	return 0;
}

static void
far_readable(void *ctx, struct pw_tcp_conn *c, uint64_t now)
{
	uint32_t i = device_of(c), n = 0;

	(void)ctx;
	if (!w.read)
		return;
	for (struct rte_mbuf *m = pw_tcp_rx_chain(c); m != NULL; m = m->next) {
		for (uint32_t k = 0; k < m->data_len; k++)
			assert_int_equal(rte_pktmbuf_mtod(m, uint8_t *)[k], byte_at(i, w.got[i]++));
		n += m->data_len;
	}
	pw_tcp_consume(w.tcp, c, n);
	if (pw_tcp_eof(c))
		pw_tcp_close(w.tcp, c, now);
}

static void
far_gone(void *ctx, struct pw_tcp_conn *c, enum pw_tcp_end why, uint64_t now)
{
	(void)ctx;
	(void)why;
	(void)now;
	w.conn[device_of(c)] = NULL;
	w.far_gone++;
}

static const struct pw_tcp_ops far_ops = {
	.accepted = accepted, .readable = far_readable, .gone = far_gone};

static void
connected(void *ctx, uint32_t i, uint64_t now)
{
	(void)ctx;
	(void)i;
	(void)now;
	w.connected++;
}

static void
readable(void *ctx, uint32_t i, uint64_t now)
{
	uint32_t n = 0;

	(void)ctx;
	(void)now;
	for (struct rte_mbuf *m = lite_rx(w.lite, i); m != NULL; m = m->next) {
		for (uint32_t k = 0; k < m->data_len; k++)
			assert_int_equal(rte_pktmbuf_mtod(m, uint8_t *)[k],
					 byte_at(i, w.back[i]++));
		n += m->data_len;
	}
	lite_consume(w.lite, i, n);
}

static void
gone(void *ctx, uint32_t i, uint64_t now)
{
	(void)ctx;
	(void)i;
	(void)now;
	w.gone++;
}

static void
again(void *ctx, uint32_t i, const struct lite_note *note, uint8_t *p, uint32_t len)
{
	(void)ctx;
	for (uint32_t k = 0; k < len; k++)
		p[k] = byte_at(i, (uint32_t)note->word[0] + k);
	w.again++;
}

static const struct lite_ops ops = {
	.connected = connected, .readable = readable, .gone = gone, .again = again};

/* What one side has sent, less what is lost, as the other one finds it in its port. */
static uint32_t
carry(struct net *from, struct net *to, struct rte_mbuf **tcp)
{
	struct rte_mbuf *rx[NET_BURST];
	uint32_t n = 0;

	for (; from->backlog_n > 0 && n < NET_BURST; from->backlog_n--) {
		struct rte_mbuf *m = from->backlog[from->backlog_first], *c;

		from->backlog_first = (from->backlog_first + 1) % NET_BACKLOG;
		c = sim_rng_chance(&w.rng, w.lose) ? NULL
						   : rte_pktmbuf_copy(m, w.mem.pkt, 0, UINT32_MAX);
		rte_pktmbuf_free(m);
		if (c != NULL)
			rx[n++] = c;
	}
	return net_input(to, rx, n, tcp);
}

static void
step(void)
{
	struct rte_mbuf *m[NET_BURST];
	uint32_t n;

	w.now += CLOCK_MS;
	n = carry(&w.near, &w.far, m);
	pw_tcp_input(w.tcp, m, n, w.now);
	pw_tcp_dispatch(w.tcp, w.now);
	pw_tcp_advance(w.tcp, w.now);
	pw_tcp_flush(w.tcp, w.now);
	n = carry(&w.far, &w.near, m);
	lite_input(w.lite, m, n, w.now);
	lite_advance(w.lite, w.now);
}

static int
setup(void **state)
{
	const struct pw_mem_conf mem = {
		.name = "lite", .pkt = BUFFERS, .hdr = 1023, .ind = 2047, .socket = SOCKET_ID_ANY};
	const struct pw_addr peer = net_addr(PEER);
	struct pw_tcp_conf tcp = {
		.name = "far",
		.max_conns = 64,
		.rx_window = 16384,
		.mem = &w.mem,
		.hooks = {&w.far, net_output, net_path, NULL},
		.seed = 1,
		.socket = SOCKET_ID_ANY,
	};
	struct lite_conf lite = {
		.n = CONNS,
		.net = &w.near,
		.ops = &ops,
		.first_port = FIRST_PORT,
		.target = PEER,
		.target_port = PORT,
	};

	(void)state;
	memset(&w, 0, sizeof(w));
	w.rng.s = 7;
	w.now = 1000 * CLOCK_S;
	w.read = true;
	assert_int_equal(pw_mem_create(&w.mem, &mem), 0);
	w.near.mem = w.far.mem = &w.mem;
	w.near.port.mtu = w.far.port.mtu = 1500;
	w.far.port.max_segs = 8;
	w.near.resolved = w.far.resolved = true;
	w.near.range = (struct net_range){0x0a4d0101, 0x0a4d0101 + CLIENTS - 1};
	w.far.range = (struct net_range){PEER, PEER};
	w.near.link = w.near.range.first;
	w.far.link = PEER;
	w.tcp = pw_tcp_create(&tcp, w.now);
	w.lite = lite_create(&lite, w.now);
	assert_non_null(w.tcp);
	assert_non_null(w.lite);
	assert_int_equal(pw_tcp_listen(w.tcp, &peer, PORT, &far_ops, NULL), 0);
	return 0;
}

static int
teardown(void **state)
{
	struct rte_mbuf *m[NET_BURST];

	(void)state;
	lite_destroy(w.lite);
	pw_tcp_destroy(w.tcp);
	while (w.near.backlog_n + w.far.backlog_n > 0) {
		w.lose = 1000;
		assert_int_equal(carry(&w.near, &w.far, m) + carry(&w.far, &w.near, m), 0);
	}
	assert_true(pw_mem_full(&w.mem));
	pw_mem_destroy(&w.mem);
	return 0;
}

static void
connect_all(void)
{
	for (uint32_t i = 0; i < CONNS; i++)
		assert_int_equal(lite_connect(w.lite, i, w.near.range.first + i % CLIENTS,
					      (uint16_t)(FIRST_PORT + i / CLIENTS), w.now),
				 0);
	for (uint32_t k = 0; k < 30000 && (w.connected < CONNS || w.accepted < CONNS); k++)
		step();
	assert_int_equal(w.connected, CONNS);
	/* An acknowledgement that was lost is made up for by the first bytes. */
}

/* Pieces of a stream, of all sizes, by both ways of sending. */
static void
send_piece(uint32_t i, uint32_t *at)
{
	static uint8_t bytes[8192];
	uint32_t n = RTE_MIN(1 + sim_rng_below(&w.rng, 3000), STREAM - *at);
	uint8_t *direct = lite_begin(w.lite, i, n);

	for (uint32_t k = 0; k < n; k++)
		(direct != NULL ? direct : bytes)[k] = byte_at(i, *at + k);
	if (direct != NULL)
		lite_commit(w.lite, i, n, &(struct lite_note){.word = {*at}});
	else
		assert_int_equal(lite_send(w.lite, i, bytes, n), 0);
	*at += n;
}

static void
send_back_piece(uint32_t i)
{
	uint8_t bytes[2000];
	uint32_t n = RTE_MIN(1 + sim_rng_below(&w.rng, 1999), STREAM - w.sent_back[i]);

	if (w.conn[i] == NULL || n == 0)
		return;
	for (uint32_t k = 0; k < n; k++)
		bytes[k] = byte_at(i, w.sent_back[i] + k);
	if (pw_tcp_send_copy(w.tcp, w.conn[i], bytes, n) == 0)
		w.sent_back[i] += n;
}

static void
exchange(uint32_t lose)
{
	uint32_t at[CONNS] = {0}, whole = 0;

	w.lose = lose;
	connect_all();
	for (uint32_t k = 0; k < 400000 && whole < CONNS; k++) {
		whole = 0;
		for (uint32_t i = 0; i < CONNS; i++) {
			if (at[i] < STREAM && lite_unacked(w.lite, i) < 8192)
				send_piece(i, &at[i]);
			if (k % 8 == 0)
				send_back_piece(i);
			whole += w.got[i] == STREAM && w.back[i] == STREAM;
		}
		step();
	}
	assert_int_equal(whole, CONNS);
	for (uint32_t i = 0; i < CONNS; i++)
		lite_close(w.lite, i, w.now);
	for (uint32_t k = 0; k < 100000 && w.gone < CONNS; k++)
		step();
	assert_int_equal(w.gone, CONNS);
	step(); /* the far end hears the last of it */
	assert_int_equal(lite_conns(w.lite), 0);
	assert_int_equal(w.near.n.drop_checksum + w.far.n.drop_checksum, 0);
	assert_int_equal(lite_counters(w.lite)->drop_header, 0);
}

static void
test_streams_arrive_whole_both_ways(void **state)
{
	(void)state;
	exchange(0);
	assert_int_equal(lite_counters(w.lite)->retransmits, 0);
	assert_int_equal(pw_tcp_counters(w.tcp)->retransmits, 0);
	assert_int_equal(pw_tcp_counters(w.tcp)->drop_ack, 0);
	assert_int_equal(w.far_gone, CONNS);
}

static void
test_streams_arrive_whole_where_a_tenth_is_lost(void **state)
{
	(void)state;
	exchange(100);
	assert_true(lite_counters(w.lite)->retransmits > 0);
	assert_true(w.again > 0);
}

static void
test_no_more_leaves_than_the_peers_window_takes(void **state)
{
	uint32_t at = 0;

	(void)state;
	connect_all();
	w.read = false;
	while (at < STREAM)
		send_piece(0, &at);
	/* RFC 9293 3.8.6.1: however long it is shut, a peer that answers is there. */
	for (uint32_t k = 0; k < SHUT_MS; k++)
		step();
	assert_int_equal(w.gone, 0);
	assert_true(pw_tcp_rx_len(w.conn[0]) <= pw_tcp_rx_window(w.tcp));
	assert_true(lite_unacked(w.lite, 0) > 0);
	assert_int_equal(pw_tcp_counters(w.tcp)->drop_window, 0);
	w.read = true;
	far_readable(NULL, w.conn[0], w.now);
	for (uint32_t k = 0; k < 10000 && w.got[0] < STREAM; k++)
		step();
	assert_int_equal(w.got[0], STREAM);
}

static void
test_who_is_reset_or_never_answered_is_gone(void **state)
{
	(void)state;
	w.lose = 1000;
	assert_int_equal(lite_connect(w.lite, 0, w.near.range.first, FIRST_PORT, w.now), 0);
	for (uint32_t k = 0; k < 600000 && w.gone == 0; k++)
		step();
	assert_int_equal(w.gone, 1);
	assert_int_equal(lite_counters(w.lite)->timeouts, 1);
	w.lose = 0;
	w.gone = 0;
	connect_all();
	pw_tcp_abort(w.tcp, w.conn[3], w.now);
	for (uint32_t k = 0; k < 100; k++)
		step();
	assert_int_equal(w.gone, 1);
	assert_int_equal(lite_counters(w.lite)->resets_in, 1);
	assert_int_equal(lite_send(w.lite, 3, "x", 1), -EPIPE);
	lite_abort(w.lite, 4);
	for (uint32_t k = 0; k < 100; k++)
		step();
	assert_int_equal(w.far_gone, 1);
	assert_int_equal(lite_conns(w.lite), CONNS - 2);
}

static void
test_more_may_be_unacknowledged_than_there_are_buffers(void **state)
{
	uint32_t at[CONNS] = {0}, before, sent = 0;
	struct rte_mbuf *m[NET_BURST];

	(void)state;
	connect_all();
	for (uint32_t k = 0; k < 100; k++)
		step();
	before = rte_mempool_avail_count(w.mem.pkt);
	/* All of it is lost behind the port, and so are the acknowledgements. */
	w.lose = 1000;
	for (uint32_t k = 0; k < BUFFERS / CONNS + 1; k++) {
		for (uint32_t i = 0; i < CONNS; i++, sent++) {
			uint8_t *p = lite_begin(w.lite, i, 1);

			assert_non_null(p);
			*p = byte_at(i, at[i]);
			lite_commit(w.lite, i, 1, &(struct lite_note){.word = {at[i]++}});
		}
		while (w.near.backlog_n > 0)
			assert_int_equal(carry(&w.near, &w.far, m), 0);
	}
	assert_true(sent > BUFFERS);
	assert_true(rte_mempool_avail_count(w.mem.pkt) >= before - 1);
	w.lose = 0;
	for (uint32_t k = 0; k < 400000; k++) {
		uint32_t whole = 0;

		for (uint32_t i = 0; i < CONNS; i++)
			whole += w.got[i] == at[i];
		if (whole == CONNS)
			break;
		step();
	}
	for (uint32_t i = 0; i < CONNS; i++)
		assert_int_equal(w.got[i], at[i]);
}

static void
test_who_sends_copies_leaves_half_of_the_buffers_to_others(void **state)
{
	struct rte_mbuf *m[NET_BURST];
	uint32_t sent = 0;
	int rc = 0;

	(void)state;
	connect_all();
	w.lose = 1000;
	for (uint32_t k = 0; k < BUFFERS && rc == 0; k++) {
		rc = lite_send(w.lite, k % CONNS, "x", 1);
		sent += rc == 0;
		while (w.near.backlog_n > 0)
			assert_int_equal(carry(&w.near, &w.far, m), 0);
	}
	assert_int_equal(rc, -ENOBUFS);
	assert_int_equal(sent, BUFFERS / 2);
	assert_int_equal(lite_counters(w.lite)->kept_full, 1);
	assert_int_equal(lite_counters(w.lite)->drop_no_buffer, 0);
}

/* A segment of a peer's in buffers of so few bytes of payload each, as net_input() leaves it. */
static struct rte_mbuf *
chained(const struct rte_mbuf *syn, uint32_t seq, const uint8_t *bytes, uint32_t len, uint32_t each)
{
	struct rte_mbuf *first = rte_pktmbuf_copy(syn, w.mem.pkt, 0, 54);
	struct rte_ipv4_hdr *ip;
	struct rte_tcp_hdr *th;
	uint32_t a;

	assert_non_null(first);
	ip = rte_pktmbuf_mtod_offset(first, struct rte_ipv4_hdr *, 14);
	th = (struct rte_tcp_hdr *)(ip + 1);
	first->l2_len = 14;
	first->l3_len = sizeof(*ip);
	a = ip->src_addr;
	ip->src_addr = ip->dst_addr;
	ip->dst_addr = a;
	RTE_SWAP(th->src_port, th->dst_port);
	th->recv_ack = rte_cpu_to_be_32(rte_be_to_cpu_32(th->sent_seq) + 1);
	th->sent_seq = rte_cpu_to_be_32(seq);
	th->data_off = 5 << 4;
	th->tcp_flags = len == 0 ? RTE_TCP_SYN_FLAG | RTE_TCP_ACK_FLAG : RTE_TCP_ACK_FLAG;
	th->rx_win = 0xffff;
	for (uint32_t at = 0; at < len; at += each) {
		uint32_t n = RTE_MIN(each, len - at);
		struct rte_mbuf *m = rte_pktmbuf_alloc(w.mem.pkt);

		assert_non_null(m);
		memcpy(rte_pktmbuf_append(m, (uint16_t)n), bytes + at, n);
		assert_int_equal(rte_pktmbuf_chain(first, m), 0);
	}
	return first;
}

static void
test_a_segment_in_several_buffers_of_which_some_came_before_is_taken_once(void **state)
{
	struct rte_mbuf *syn, *m;
	uint8_t bytes[100];

	(void)state;
	for (uint32_t k = 0; k < sizeof(bytes); k++)
		bytes[k] = byte_at(0, k);
	assert_int_equal(lite_connect(w.lite, 0, w.near.range.first, FIRST_PORT, w.now), 0);
	assert_int_equal(w.near.backlog_n, 1);
	syn = w.near.backlog[w.near.backlog_first];
	m = chained(syn, 999, NULL, 0, 1);
	lite_input(w.lite, &m, 1, w.now);
	assert_int_equal(w.connected, 1);
	/* 40 bytes are new, then 50 of which these are the first, cut in another way, then all. */
	m = chained(syn, 1000, bytes, 40, 40);
	lite_input(w.lite, &m, 1, w.now);
	m = chained(syn, 1000, bytes, 50, 20);
	lite_input(w.lite, &m, 1, w.now);
	assert_int_equal(w.back[0], 50);
	m = chained(syn, 1010, bytes + 10, 90, 30);
	lite_input(w.lite, &m, 1, w.now);
	assert_int_equal(w.back[0], 100);
	assert_int_equal(lite_counters(w.lite)->bytes_in, 100);
}

int
main(void)
{
#define LITE_TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
	const struct CMUnitTest tests[] = {
		LITE_TEST(test_streams_arrive_whole_both_ways),
		LITE_TEST(test_streams_arrive_whole_where_a_tenth_is_lost),
		LITE_TEST(test_no_more_leaves_than_the_peers_window_takes),
		LITE_TEST(test_who_is_reset_or_never_answered_is_gone),
		LITE_TEST(test_more_may_be_unacknowledged_than_there_are_buffers),
		LITE_TEST(test_who_sends_copies_leaves_half_of_the_buffers_to_others),
		LITE_TEST(
			test_a_segment_in_several_buffers_of_which_some_came_before_is_taken_once),
	};

	test_eal_init();
	clock_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
