/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdlib.h>

#include "tcp_rig.h"

#define WINDOW (1u << 20)

struct rig rig;

static struct pw_addr here;
static struct pw_tcp_conn *accepted;
static struct tcp_seg answer; /* the last segment while `listening` */
static bool listening;

static int
output(void *ctx, const struct pw_flow *flow, struct rte_mbuf *m, uint64_t at)
{
	(void)ctx;
	(void)flow;
	(void)at;
	rig.sent++;
	if (listening)
		(void)tcp_seg_parse(rte_pktmbuf_mtod(m, uint8_t *), m->data_len, &answer);
	rte_pktmbuf_free(m);
	return 0;
}

static int
path(void *ctx, const struct pw_addr *dst, struct pw_tcp_path *to)
{
	(void)ctx;
	(void)dst;
	to->mtu = 1500;
	to->max_segs = 64;
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
	pw_tcp_consume(rig.tcp, conn, pw_tcp_rx_len(conn));
}

static void
on_gone(void *ctx, struct pw_tcp_conn *conn, enum pw_tcp_end why, uint64_t at)
{
	(void)ctx;
	(void)conn;
	(void)at;
	if (why != PW_TCP_END_ABORTED)
		micro_die(pw_tcp_end_str(why));
}

static const struct pw_tcp_ops ops = {
	.accepted = on_accepted,
	.readable = on_readable,
	.gone = on_gone,
};

static struct rte_mbuf *
frame(const struct rig_end *e, struct tcp_seg *s)
{
	uint8_t bytes[SEG_MAX];
	struct rte_mbuf *m;

	s->sport = 4000;
	s->dport = 1883;
	s->seq = e->seq;
	s->ack = e->ack;
	s->win = 65535;
	s->has_ts = true;
	s->tsval = (uint32_t)(rig.now / RIG_MS);
	s->tsecr = (s->flags & SEG_SYN) != 0 ? 0 : e->ts + (uint32_t)(rig.now / RIG_MS);
	m = tcp_seg_frame(rig.mem.pkt, &e->addr, &here, bytes, tcp_seg_build(s, bytes));
	if (m == NULL)
		micro_die("no buffer");
	return m;
}

struct rte_mbuf *
rig_segment(struct rig_end *e, uint16_t len)
{
	struct tcp_seg s = {.flags = SEG_ACK, .len = len};
	struct rte_mbuf *m = frame(e, &s);

	e->seq += len;
	return m;
}

struct rte_mbuf *
rig_sack(struct rig_end *e, uint32_t left, uint32_t right)
{
	struct tcp_seg s = {.flags = SEG_ACK, .nb_sack = 1};

	s.sack[0].left = left;
	s.sack[0].right = right;
	return frame(e, &s);
}

void
rig_turn(struct rte_mbuf **m, uint32_t n)
{
	pw_tcp_input(rig.tcp, m, n, rig.now);
	pw_tcp_dispatch(rig.tcp, rig.now);
	pw_tcp_advance(rig.tcp, rig.now);
	pw_tcp_flush(rig.tcp, rig.now);
}

static void
open_one(void)
{
	struct rig_end *e = &rig.end[rig.nb_ends];
	struct tcp_seg syn = {
		.flags = SEG_SYN, .mss = 1460, .has_ws = true, .ws = 8, .sack_ok = true};
	struct rte_mbuf *m;

	e->addr = pw_addr_v4(rte_cpu_to_be_32(UINT32_C(0x0b000000) + rig.nb_ends));
	e->seq = 1000;
	listening = true;
	m = frame(e, &syn);
	e->seq++;
	rig_turn(&m, 1);
	e->ack = answer.seq + 1;
	e->ts = answer.tsval - (uint32_t)(rig.now / RIG_MS);
	accepted = NULL;
	m = rig_segment(e, 0);
	rig_turn(&m, 1);
	listening = false;
	if (accepted == NULL)
		micro_die("a handshake failed");
	e->conn = accepted;
	rig.nb_ends++;
	if (rig.nb_ends % 64 == 0)
		rig.now += RIG_MS;
}

void
rig_open(uint32_t conns)
{
	while (rig.nb_ends < conns)
		open_one();
}

void
rig_start(uint32_t max_conns, uint32_t buffers)
{
	struct pw_mem_conf m = {
		.name = "rig",
		.pkt = buffers,
		.hdr = 2047,
		.ind = 4095,
		.cache = 128,
		.socket = SOCKET_ID_ANY,
	};
	struct pw_tcp_conf conf = {
		.name = "rig",
		.max_conns = max_conns + 1024,
		.max_time_wait = 1024,
		.rx_window = WINDOW,
		.tx_queue_bytes = WINDOW,
		.seed = 7,
		.mem = &rig.mem,
		.hooks = {.output = output, .path = path},
		.socket = SOCKET_ID_ANY,
	};

	rig = (struct rig){.now = 1000 * RIG_MS, .max_ends = max_conns};
	if (pw_mem_create(&rig.mem, &m) < 0 || pw_addr_parse(&here, "10.0.0.1") < 0)
		micro_die("no memory for packet buffers");
	rig.tcp = pw_tcp_create(&conf, rig.now);
	rig.end = calloc(max_conns, sizeof(*rig.end));
	if (rig.tcp == NULL || rig.end == NULL ||
	    pw_tcp_listen(rig.tcp, &here, 1883, &ops, NULL) < 0)
		micro_die("no memory for a stack");
}

void
rig_stop(void)
{
	pw_tcp_destroy(rig.tcp);
	if (!pw_mem_full(&rig.mem))
		micro_die("packet buffers are missing");
	pw_mem_destroy(&rig.mem);
	free(rig.end);
}
