/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * libFuzzer target: TCP bytes into a listener and into an established connection. The input is a
 * run of records: length (1 byte), what to do (1 byte), TCP bytes. Ports are forced, so that
 * segments meet something; numbers may be made relative to those that the connection expects.
 */
#include <stdlib.h>
#include <string.h>

#include <rte_byteorder.h>

#include "eal.h"
#include "sim_wire.h"

#define PORT	    1883
#define PEER_PORT   40000
#define PEER_ISS    1000u
#define DO_RELATIVE 0x01 /* add the expected numbers */
#define DO_LISTENER 0x02 /* a port of its own: meets the listener */
#define DO_TIME	    0x04 /* let time pass before */
#define DO_CONSUME  0x08
#define DO_SEND	    0x10
#define DO_CLOSE    0x20

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/** The stack, and what is needed to speak to it. */
struct target {
	struct pw_tcp *t;
	struct pw_tcp_conn *conn;
	uint64_t now;
	uint32_t iss;
};

static struct pw_mem mem;
static struct target target;

static int
on_accepted(void *ctx, struct pw_tcp_conn *conn, uint64_t now)
{
	struct target *g = ctx;

	(void)now;
	if (g->conn == NULL)
		g->conn = conn;
	return 0;
}

static void
on_gone(void *ctx, struct pw_tcp_conn *conn, enum pw_tcp_end why, uint64_t now)
{
	struct target *g = ctx;

	(void)why;
	(void)now;
	if (g->conn == conn)
		g->conn = NULL;
}

static const struct pw_tcp_ops ops = {.accepted = on_accepted, .gone = on_gone};

static int
output(void *ctx, const struct pw_flow *flow, struct rte_mbuf *m, uint64_t now)
{
	struct target *g = ctx;
	const uint8_t *p = rte_pktmbuf_mtod(m, uint8_t *);

	(void)now;
	if (flow->rport == PEER_PORT && p[13] == (SEG_SYN | SEG_ACK))
		g->iss = rte_be_to_cpu_32(*(const unaligned_uint32_t *)(p + 4));
	rte_pktmbuf_free(m);
	return 0;
}

static int
path(void *ctx, const struct pw_addr *dst, uint16_t *mtu, uint16_t *max_segs)
{
	(void)ctx;
	(void)dst;
	*mtu = 1500;
	*max_segs = 8;
	return 0;
}

static void
settle(struct target *g)
{
	pw_tcp_dispatch(g->t, g->now);
	pw_tcp_advance(g->t, g->now);
	pw_tcp_flush(g->t, g->now);
}

static void
inject(struct target *g, const uint8_t *tcp, uint32_t n)
{
	struct pw_addr local = sim_wire_addr(0), remote = sim_wire_addr(1);
	struct rte_mbuf *m = tcp_seg_frame(mem.pkt, &remote, &local, tcp, n);

	if (m == NULL)
		return;
	pw_tcp_input(g->t, &m, 1, g->now);
	settle(g);
}

static void
inject_seg(struct target *g, struct tcp_seg seg)
{
	uint8_t raw[SEG_MAX];

	seg.sport = PEER_PORT;
	seg.dport = PORT;
	inject(g, raw, tcp_seg_build(&seg, raw));
}

static void
establish(struct target *g, bool options)
{
	struct tcp_seg syn = {.flags = SEG_SYN, .seq = PEER_ISS, .win = 65535, .mss = 1460};

	if (options) {
		syn.has_ws = true;
		syn.ws = 7;
	}
	inject_seg(g, syn);
	inject_seg(g,
		   (struct tcp_seg){
			   .flags = SEG_ACK, .seq = PEER_ISS + 1, .ack = g->iss + 1, .win = 65535});
}

static void
add32(uint8_t *p, uint32_t v)
{
	unaligned_uint32_t *be = (unaligned_uint32_t *)p;

	*be = rte_cpu_to_be_32(rte_be_to_cpu_32(*be) + v);
}

static void
play(struct target *g, uint8_t what, const uint8_t *p, uint32_t n)
{
	uint8_t raw[256] = {0};

	memcpy(raw, p, n);
	raw[0] = (PEER_PORT + (what & DO_LISTENER ? 1 : 0)) >> 8;
	raw[1] = (PEER_PORT + (what & DO_LISTENER ? 1 : 0)) & 0xff;
	raw[2] = PORT >> 8;
	raw[3] = PORT & 0xff;
	if (what & DO_RELATIVE) {
		add32(raw + 4, PEER_ISS);
		add32(raw + 8, g->iss);
	}
	if (what & DO_TIME)
		g->now += 700 * SIM_MS;
	if (g->conn != NULL && what & DO_CONSUME)
		pw_tcp_consume(g->t, g->conn, pw_tcp_rx_len(g->conn));
	if (g->conn != NULL && what & DO_SEND && pw_tcp_send_room(g->t, g->conn) >= 200)
		(void)!pw_tcp_send_copy(g->t, g->conn, raw, 200);
	if (g->conn != NULL && what & DO_CLOSE)
		pw_tcp_close(g->t, g->conn, g->now);
	inject(g, raw, n);
}

static void
start(void)
{
	struct pw_mem_conf conf = {.name = "fuzz", .pkt = 1023, .hdr = 511, .ind = 1023};

	test_eal_init();
	conf.socket = SOCKET_ID_ANY;
	if (pw_mem_create(&mem, &conf) != 0)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct target *g = &target;
	struct pw_addr local = sim_wire_addr(0);
	struct pw_tcp_conf conf = {.name = "fuzz", .max_conns = 8, .max_tx_slices = 64, .seed = 3};

	if (mem.pkt == NULL)
		start();
	memset(g, 0, sizeof(*g));
	g->now = SIM_S;
	conf.mem = &mem;
	conf.socket = mem.socket;
	conf.hooks = (struct pw_tcp_hooks){.ctx = g, .output = output, .path = path};
	g->t = pw_tcp_create(&conf, g->now);
	if (g->t == NULL || pw_tcp_listen(g->t, &local, PORT, &ops, g) != 0)
		abort();
	if (size != 0)
		establish(g, data[0] & 1);
	while (size >= 2) {
		uint32_t n = RTE_MIN((uint32_t)data[0], (uint32_t)(size - 2));

		play(g, data[1], data + 2, n);
		data += 2 + n;
		size -= 2 + n;
	}
	pw_tcp_destroy(g->t);
	if (!pw_mem_full(&mem))
		abort();
	return 0;
}
