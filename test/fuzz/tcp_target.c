/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdlib.h>
#include <string.h>

#include <rte_byteorder.h>

#include "eal.h"
#include "tcp_target.h"

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

const struct pw_tcp_ops target_ops = {.accepted = on_accepted, .gone = on_gone};

static int
output(void *ctx, const struct pw_flow *flow, struct rte_mbuf *m, uint64_t now)
{
	struct target *g = ctx;
	const uint8_t *p = rte_pktmbuf_mtod(m, uint8_t *);

	(void)now;
	if (p[13] & SEG_SYN)
		g->iss[flow->rport % TARGET_PORTS] =
			rte_be_to_cpu_32(*(const unaligned_uint32_t *)(p + 4));
	rte_pktmbuf_free(m);
	return 0;
}

static int
path(void *ctx, const struct pw_addr *dst, struct pw_tcp_path *to)
{
	(void)ctx;
	(void)dst;
	to->mtu = 1500;
	to->max_segs = 8;
	return 0;
}

void
target_settle(struct target *g)
{
	pw_tcp_dispatch(g->t, g->now);
	pw_tcp_advance(g->t, g->now);
	pw_tcp_flush(g->t, g->now);
}

void
target_inject(struct target *g, const uint8_t *tcp, uint32_t n)
{
	struct pw_addr local = sim_wire_addr(0), remote = sim_wire_addr(1);
	struct rte_mbuf *m = tcp_seg_frame(mem.pkt, &remote, &local, tcp, n);

	if (m == NULL)
		return;
	pw_tcp_input(g->t, &m, 1, g->now);
	target_settle(g);
}

void
target_add32(uint8_t *p, uint32_t v)
{
	unaligned_uint32_t *be = (unaligned_uint32_t *)p;

	*be = rte_cpu_to_be_32(rte_be_to_cpu_32(*be) + v);
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

struct target *
target_begin(void)
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
	if (g->t == NULL || pw_tcp_listen(g->t, &local, TARGET_PORT, &target_ops, g) != 0)
		abort();
	return g;
}

void
target_end(struct target *g)
{
	pw_tcp_destroy(g->t);
	if (!pw_mem_full(&mem))
		abort();
}
