/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_ethdev.h>

#include <pubwire/wire/selftest.h>

#include "host_rig.h"

#define NS_PER_MS      UINT64_C(1000000)
#define TCP_TTL	       64
#define TX_TRIES       8
#define WIRE_INTERVAL  (10 * NS_PER_MS)
#define PRESSURE_TURNS 256

uint64_t
host_clock(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 * NS_PER_MS + (uint64_t)t.tv_nsec;
}

static void
send_all(struct host_rig *r)
{
	uint32_t sent = 0;

	for (int i = 0; sent < r->nb_tx && i < TX_TRIES; i++)
		sent += rte_eth_tx_burst(r->port.id, 0, r->tx + sent, (uint16_t)(r->nb_tx - sent));
	r->tx_full += r->nb_tx - sent;
	rte_pktmbuf_free_bulk(r->tx + sent, r->nb_tx - sent);
	r->nb_tx = 0;
}

static void
wire_tx(void *ctx, uint32_t iface, struct rte_mbuf *m)
{
	struct host_rig *r = ctx;

	(void)iface;
	if (r->nb_tx == RIG_BURST)
		send_all(r);
	r->tx[r->nb_tx++] = m;
}

static void
wire_icmp_error(void *ctx, const struct pw_flow *flow, uint32_t seq, uint16_t mtu, uint8_t code,
		uint64_t now)
{
	struct host_rig *r = ctx;

	pw_tcp_icmp_error(r->tcp, flow, seq, mtu, code, now);
}

static int
tcp_output(void *ctx, const struct pw_flow *flow, struct rte_mbuf *m, uint64_t now)
{
	struct host_rig *r = ctx;

	return pw_wire_send_tcp(r->wire, flow, m, TCP_TTL, now);
}

static int
tcp_path(void *ctx, const struct pw_addr *dst, struct pw_tcp_path *to)
{
	struct host_rig *r = ctx;
	struct pw_wire_path path;
	int rc = pw_wire_path(r->wire, dst, &path);

	if (rc == 0) {
		to->mtu = path.mtu;
		to->max_segs = path.max_segs;
	}
	return rc;
}

static int
fail(const char *what, const char *why)
{
	fprintf(stderr, "tcp_host: %s: %s\n", what, why);
	return -1;
}

static int
eal_open(const struct host_rig_conf *conf, uint32_t mb)
{
	char vdev[256], memory[16], prefix[64];
	char *argv[] = {"tcp_host",    "--lcores",	"0@0-1023",	"-m",
			memory,	       "--no-huge",	"--no-pci",	"--vdev",
			vdev,	       "--file-prefix", prefix,		"--no-telemetry",
			"--no-shconf", "--log-level",	"lib.eal:error"};
	long cpus = sysconf(_SC_NPROCESSORS_CONF);
	char lcores[32];

	/* Left to the kernel's scheduler: everything shares the CPUs of a test machine. */
	snprintf(lcores, sizeof(lcores), "0@0-%ld", cpus - 1);
	argv[2] = lcores;
	snprintf(memory, sizeof(memory), "%u", mb);
	snprintf(prefix, sizeof(prefix), "pwhost%d", (int)getpid());
	snprintf(vdev, sizeof(vdev),
		 "net_af_packet0,iface=%s,blocksz=131072,framesz=2048,framecnt=4096,qdisc_bypass=1",
		 conf->device);
	return rte_eal_init(RTE_DIM(argv), argv) < 0 ? fail("EAL", rte_strerror(rte_errno)) : 0;
}

static int
local_parse(struct pw_wire_addr *a, const char *text)
{
	char address[PW_ADDR_STRLEN];
	const char *slash = strchr(text, '/');

	if (slash == NULL || (size_t)(slash - text) >= sizeof(address))
		return -EINVAL;
	memcpy(address, text, (size_t)(slash - text));
	address[slash - text] = '\0';
	a->prefix_len = (uint8_t)atoi(slash + 1);
	return pw_addr_parse(&a->addr, address);
}

static int
stacks_open(struct host_rig *r, const struct host_rig_conf *conf)
{
	struct pw_wire_conf wire = {
		.name = "host",
		.iface[0] = {.port = &r->port, .addr[0] = r->local, .nb_addrs = 1},
		.nb_ifaces = 1,
		.mem = &r->mem,
		.hooks = {.ctx = r, .tx = wire_tx, .icmp_error = wire_icmp_error},
		.socket = SOCKET_ID_ANY,
		.seed = conf->seed,
	};
	struct pw_tcp_conf tcp = {
		.name = "host",
		.rx_window = conf->window,
		.tx_queue_bytes = conf->window,
		.max_ooo = conf->max_ooo,
		.max_rto_ms = conf->max_rto,
		/* At a loss of 20 % each way, six requests in a row go unanswered too often. */
		.syn_retries = 20,
		.seed = conf->seed,
		.mem = &r->mem,
		.hooks = {.ctx = r, .output = tcp_output, .path = tcp_path},
		.socket = SOCKET_ID_ANY,
	};

	r->wire = pw_wire_create(&wire);
	if (r->wire == NULL)
		return fail("wire", rte_strerror(rte_errno));
	r->tcp = pw_tcp_create(&tcp, host_clock());
	return r->tcp == NULL ? fail("tcp", rte_strerror(rte_errno)) : 0;
}

int
host_rig_open(struct host_rig *r, const struct host_rig_conf *conf)
{
	/* A queue's worth of sent bytes and a window's worth of received ones for each. */
	uint32_t window = conf->window != 0 ? conf->window : 262144;
	uint32_t pkt = 8192 + conf->conns * (window / 1024);
	struct pw_mem_conf mem = {
		.name = "host",
		.pkt = pkt,
		.hdr = 16384,
		.ind = 16384,
		.cache = 128,
		.socket = SOCKET_ID_ANY,
	};
	struct pw_port_conf port = {.device = "net_af_packet0", .nb_workers = 1};
	struct pw_selftest_row rows[PW_SELFTEST_ROWS];
	char err[256] = "";

	*r = (struct host_rig){.posted = 0};
	if (local_parse(&r->local, conf->local) < 0)
		return fail(conf->local, "no address with a prefix");
	/* Buffers, headers, connections, and room for fragments of a heap that can't grow. */
	if (eal_open(conf, 160 + pkt / 400) < 0)
		return -1;
	if (pw_mem_create(&r->mem, &mem) < 0)
		return fail("buffers", rte_strerror(rte_errno));
	if (pw_port_open(&r->port, &port, &r->mem, err, sizeof(err)) < 0)
		return fail("port", err);
	(void)pw_port_selftest(&r->port, &r->mem, rows);
	r->posted = rte_mempool_in_use_count(r->mem.pkt);
	return stacks_open(r, conf);
}

/* The thresholds of a worker (lib/worker/turn.c). */
static void
watch_pressure(struct host_rig *r)
{
	uint32_t used, level;

	if (r->turns++ % PRESSURE_TURNS != 0)
		return;
	used = (rte_mempool_in_use_count(r->mem.pkt) - r->posted) * 100 / r->mem.pkt->size;
	level = used >= 85 ? 2 : used >= 75 ? 1 : 0;
	if (level == r->pressure)
		return;
	r->pressure = level;
	r->low += level > 0;
	pw_tcp_set_pressure(r->tcp, level);
}

uint32_t
host_rig_turn(struct host_rig *r, uint64_t now)
{
	struct rte_mbuf *frames[RIG_BURST], *tcp[RIG_BURST];
	uint32_t n = rte_eth_rx_burst(r->port.id, 0, frames, RIG_BURST), nb_tcp;

	watch_pressure(r);
	if (n > 0) {
		nb_tcp = pw_wire_input(r->wire, 0, frames, n, tcp, now);
		if (nb_tcp > 0)
			pw_tcp_input(r->tcp, tcp, nb_tcp, now);
	}
	pw_tcp_dispatch(r->tcp, now);
	pw_tcp_advance(r->tcp, now);
	if (now >= r->wire_due) {
		r->wire_due = now + WIRE_INTERVAL;
		pw_wire_advance(r->wire, now);
	}
	return n;
}

void
host_rig_flush(struct host_rig *r, uint64_t now)
{
	pw_tcp_flush(r->tcp, now);
	if (r->nb_tx > 0)
		send_all(r);
}

bool
host_rig_close(struct host_rig *r)
{
	char dir[128];
	bool full;

	pw_tcp_destroy(r->tcp);
	pw_wire_destroy(r->wire);
	rte_pktmbuf_free_bulk(r->tx, r->nb_tx);
	pw_port_close(&r->port);
	full = pw_mem_full(&r->mem);
	if (full)
		pw_mem_destroy(&r->mem);
	snprintf(dir, sizeof(dir), "%s", rte_eal_get_runtime_dir());
	(void)rte_eal_cleanup();
	(void)rmdir(dir);
	return full;
}
