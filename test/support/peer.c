/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <rte_eth_ring.h>
#include <rte_ethdev.h>

#include "fragment.h"
#include "peer.h"

#define RING_SIZE 1024
#define BURST	  32
#define PIECES	  8

static void
enqueue(struct peer *p, struct rte_mbuf *m)
{
	if (p->unplugged || rte_ring_enqueue(p->to_near[p->spread++ % p->queues], m) != 0)
		rte_pktmbuf_free(m);
}

static void
send_frame(void *ctx, uint32_t iface, struct rte_mbuf *m)
{
	struct rte_mbuf *piece[PIECES];
	struct peer *p = ctx;
	uint32_t n = 0;

	(void)iface;
	if (p->cut != 0)
		n = test_fragment(m, p->mem->pkt, p->cut, ++p->identification, piece, PIECES);
	if (n == 0) {
		enqueue(p, m);
		return;
	}
	rte_pktmbuf_free(m);
	while (n > 0)
		enqueue(p, piece[--n]);
}

static int
output(void *ctx, const struct pw_flow *flow, struct rte_mbuf *m, uint64_t now)
{
	return pw_wire_send_tcp(((struct peer *)ctx)->wire, flow, m, 64, now);
}

static int
path(void *ctx, const struct pw_addr *dst, struct pw_tcp_path *to)
{
	struct pw_wire_path out;
	int rc = pw_wire_path(((struct peer *)ctx)->wire, dst, &out);

	to->mtu = rc == 0 ? out.mtu : 0;
	to->max_segs = rc == 0 ? out.max_segs : 0;
	return rc;
}

static void
make_near(struct peer *p, const char *name)
{
	static uint32_t made;
	char text[32];
	int port;

	for (uint32_t q = 0; q < p->queues; q++) {
		snprintf(text, sizeof(text), "in_%s_%u_%u", name, made, q);
		p->to_near[q] = rte_ring_create(text, RING_SIZE, SOCKET_ID_ANY, 0);
		snprintf(text, sizeof(text), "out_%s_%u_%u", name, made, q);
		p->from_near[q] = rte_ring_create(text, RING_SIZE, SOCKET_ID_ANY, 0);
		assert_non_null(p->to_near[q]);
		assert_non_null(p->from_near[q]);
	}
	snprintf(text, sizeof(text), "%s_%u", name, made++);
	port = rte_eth_from_rings(text, p->to_near, p->queues, p->from_near, p->queues, 0);
	assert_true(port >= 0);
	assert_int_equal(rte_eth_dev_get_name_by_port((uint16_t)port, p->near_device), 0);
}

void
peer_create(struct peer *p, const char *name, uint32_t queues, const char *const *addrs,
	    uint32_t nb_addrs, const struct pw_mem *mem, uint64_t now)
{
	struct pw_wire_conf wire = {.name = name, .nb_ifaces = 1, .mem = mem, .socket = -1};
	struct pw_tcp_conf tcp = {
		.name = name,
		.max_conns = 64,
		.msl_ms = 100,
		.seed = 7,
		.mem = mem,
		.hooks = {.ctx = p, .output = output, .path = path},
		.socket = -1,
	};

	memset(p, 0, sizeof(*p));
	p->mem = mem;
	p->queues = queues;
	make_near(p, name);
	p->port = (struct pw_port){
		.mtu = 1500,
		.max_segs = 16,
		.caps = PW_PORT_TX_MULTI_SEG,
		.nb_rxq = 1,
		.nb_txq = 1,
		.mac = {{0x02, 0, 0, 0, 1, (uint8_t)name[0]}},
		.reta_size = 1,
		.rss_key_len = 40,
	};
	wire.iface[0].port = &p->port;
	wire.iface[0].nb_addrs = nb_addrs;
	for (uint32_t i = 0; i < nb_addrs; i++) {
		assert_int_equal(pw_addr_parse(&wire.iface[0].addr[i].addr, addrs[i]), 0);
		wire.iface[0].addr[i].prefix_len = 16;
	}
	wire.hooks = (struct pw_wire_hooks){.ctx = p, .tx = send_frame};
	p->wire = pw_wire_create(&wire);
	assert_non_null(p->wire);
	p->tcp = pw_tcp_create(&tcp, now);
	assert_non_null(p->tcp);
}

void
peer_turn(struct peer *p, uint64_t now)
{
	struct rte_mbuf *frames[BURST], *tcp[BURST];

	for (uint32_t q = 0; q < p->queues; q++) {
		uint32_t n = rte_ring_dequeue_burst(p->from_near[q], (void **)frames, BURST, NULL);

		if (p->unplugged) {
			rte_pktmbuf_free_bulk(frames, n);
			continue;
		}
		n = n == 0 ? 0 : pw_wire_input(p->wire, 0, frames, n, tcp, now);
		p->data_in += n;
		if (n > 0)
			pw_tcp_input(p->tcp, tcp, n, now);
	}
	pw_tcp_dispatch(p->tcp, now);
	pw_tcp_advance(p->tcp, now);
	pw_tcp_flush(p->tcp, now);
	pw_wire_advance(p->wire, now);
}

void
peer_destroy_stacks(struct peer *p)
{
	pw_tcp_destroy(p->tcp);
	pw_wire_destroy(p->wire);
}

static void
ring_free(struct rte_ring *r)
{
	void *m;

	while (rte_ring_dequeue(r, &m) == 0)
		rte_pktmbuf_free(m);
	rte_ring_free(r);
}

void
peer_destroy_rings(struct peer *p)
{
	for (uint32_t q = 0; q < p->queues; q++) {
		ring_free(p->to_near[q]);
		ring_free(p->from_near[q]);
	}
}
