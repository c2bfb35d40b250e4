/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tcp_host: a transfer (see transfer.h) over pubwire's TCP. Received bytes are looked at where they
 * arrived; sent ones are made in packet buffers and given by reference. With -e what was heard is
 * said again: the very buffers that it came in go out.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "host_rig.h"
#include "transfer.h"

#define NS_PER_MS    UINT64_C(1000000)
#define ECHO_SLICES  32
#define SPIN_TURNS   64
#define SLEEP_MAX_NS 50000

/* What a turn of the application may have left undone for want of a buffer. */
struct host {
	struct host_rig rig;
	struct transfer transfer;
	struct pw_tcp_conn *conn[TRANSFER_MAX];
	uint64_t again; /* try those that found no buffer, ns */
};

static struct host host;

static uint64_t
index_of(const struct transfer_conn *c)
{
	return (uint64_t)(c - host.transfer.conn);
}

static struct transfer_conn *
transfer_of(const struct pw_tcp_conn *conn)
{
	uint64_t user = pw_tcp_user(conn);

	return user == 0 ? NULL : &host.transfer.conn[user - 1];
}

/* One buffer more of the stream; false where it must wait. */
static bool
say_a_buffer(struct pw_tcp_conn *conn, struct transfer_conn *c)
{
	uint64_t n = transfer_left(&host.transfer, c);
	uint32_t room = pw_tcp_send_room(host.rig.tcp, conn);
	struct stream before = c->out;
	struct rte_mbuf *m;
	struct pw_slice s;

	n = RTE_MIN(n, (uint64_t)room);
	if (n == 0)
		return false;
	m = rte_pktmbuf_alloc(host.rig.mem.pkt);
	if (m == NULL)
		return false;
	n = RTE_MIN(n, (uint64_t)rte_pktmbuf_tailroom(m));
	stream_make(&c->out, rte_pktmbuf_append(m, (uint16_t)n), n);
	s = pw_slice_of(m);
	if (pw_tcp_send(host.rig.tcp, conn, &s, 1) == 0)
		return true;
	c->out = before;
	rte_pktmbuf_free(m);
	return false;
}

static void
say(struct pw_tcp_conn *conn, struct transfer_conn *c)
{
	while (say_a_buffer(conn, c))
		;
}

/* The bytes at the head of the receive queue join the send queue where they lie. */
static uint32_t
give_back(struct pw_tcp_conn *conn, struct transfer_conn *c, uint32_t len)
{
	struct pw_slice s[ECHO_SLICES];
	uint32_t room = pw_tcp_send_room(host.rig.tcp, conn), n = 0, bytes = 0;
	struct rte_mbuf *m = pw_tcp_rx_chain(conn);

	for (len = RTE_MIN(len, room); m != NULL && bytes < len && n < ECHO_SLICES; m = m->next) {
		s[n] = pw_slice_of(m);
		s[n].len = (uint16_t)RTE_MIN((uint32_t)s[n].len, len - bytes);
		bytes += s[n++].len;
	}
	for (uint32_t i = 0; i < n; i++)
		pw_slice_hold(&s[i]);
	if (n == 0 || pw_tcp_send(host.rig.tcp, conn, s, n) < 0) {
		for (uint32_t i = 0; i < n; i++)
			pw_slice_drop(&s[i]);
		return 0;
	}
	for (uint32_t i = 0; i < n; i++)
		stream_check(&c->out, pw_slice_data(&s[i]), s[i].len);
	return bytes;
}

static void
hear(struct pw_tcp_conn *conn, struct transfer_conn *c)
{
	uint32_t len = pw_tcp_rx_len(conn), took;

	while (len > 0) {
		struct rte_mbuf *m = pw_tcp_rx_chain(conn);
		uint32_t left;

		took = host.transfer.conf.echo ? give_back(conn, c, len) : len;
		if (took == 0)
			return;
		for (left = took; left > 0; m = m->next) {
			uint32_t n = RTE_MIN((uint32_t)m->data_len, left);

			stream_check(&c->in, rte_pktmbuf_mtod(m, void *), n);
			left -= n;
		}
		pw_tcp_consume(host.rig.tcp, conn, took);
		len -= took;
	}
}

/* Everything that the connection can do now. */
static void
serve(struct pw_tcp_conn *conn, uint64_t now)
{
	struct transfer_conn *c = transfer_of(conn);

	if (c == NULL)
		return;
	hear(conn, c);
	if (!host.transfer.conf.echo)
		say(conn, c);
	if (pw_tcp_eof(conn) && pw_tcp_rx_len(conn) == 0 && !c->eof)
		transfer_eof(&host.transfer, c, now);
	if (transfer_closes(&host.transfer, c))
		pw_tcp_shutdown(host.rig.tcp, conn, now);
}

static void
stand(struct pw_tcp_conn *conn, uint64_t now)
{
	struct transfer_conn *c;
	struct pw_flow flow;

	pw_tcp_flow(conn, &flow);
	c = transfer_open(&host.transfer, host.transfer.conf.listen ? flow.rport : flow.lport, now);
	pw_tcp_set_user(conn, index_of(c) + 1);
	host.conn[index_of(c)] = conn;
}

static int
on_accepted(void *ctx, struct pw_tcp_conn *conn, uint64_t now)
{
	(void)ctx;
	if (host.transfer.opened == host.transfer.conf.conns)
		return -ECONNREFUSED;
	stand(conn, now);
	serve(conn, now);
	return 0;
}

static void
on_connected(void *ctx, struct pw_tcp_conn *conn, uint64_t now)
{
	(void)ctx;
	stand(conn, now);
	serve(conn, now);
}

static void
on_work(void *ctx, struct pw_tcp_conn *conn, uint64_t now)
{
	(void)ctx;
	serve(conn, now);
}

static void
on_gone(void *ctx, struct pw_tcp_conn *conn, enum pw_tcp_end why, uint64_t now)
{
	struct transfer_conn *c = transfer_of(conn);

	(void)ctx;
	(void)now;
	if (c != NULL)
		host.conn[index_of(c)] = NULL;
	transfer_end(&host.transfer, c, why == PW_TCP_END_CLOSED ? NULL : pw_tcp_end_str(why));
}

static const struct pw_tcp_ops ops = {
	.accepted = on_accepted,
	.connected = on_connected,
	.readable = on_work,
	.acked = on_work,
	.gone = on_gone,
};

/* ADDRESS@MAC of a neighbour that is not to be asked for. */
static int
learn(const char *text, uint64_t now)
{
	char address[PW_ADDR_STRLEN];
	const char *at = strchr(text, '@');
	struct rte_ether_addr mac;
	struct pw_addr ip;

	if (at == NULL || (size_t)(at - text) >= sizeof(address))
		return -EINVAL;
	memcpy(address, text, (size_t)(at - text));
	address[at - text] = '\0';
	if (pw_addr_parse(&ip, address) < 0 || rte_ether_unformat_addr(at + 1, &mac) < 0)
		return -EINVAL;
	pw_wire_learn(host.rig.wire, 0, &ip, &mac, now);
	return 0;
}

static int
start(uint64_t now)
{
	const struct transfer_conf *k = &host.transfer.conf;
	struct pw_flow flow = {.local = host.rig.local.addr, .rport = k->port};

	if (k->neighbour != NULL && learn(k->neighbour, now) < 0)
		return -EINVAL;
	if (k->listen)
		return pw_tcp_listen(host.rig.tcp, &flow.local, k->port, &ops, NULL);
	if (pw_addr_parse(&flow.remote, k->remote) < 0)
		return -EINVAL;
	for (uint32_t i = 0; i < k->conns; i++) {
		struct pw_tcp_conn *conn;
		int rc = pw_tcp_connect(host.rig.tcp, &flow, &ops, NULL, 0, &conn, now);

		if (rc < 0)
			return rc;
	}
	return 0;
}

/* Those that found no buffer or block get another chance, as no upcall may come for them. */
static void
try_again(uint64_t now)
{
	if (now < host.again)
		return;
	host.again = now + NS_PER_MS;
	for (uint32_t i = 0; i < host.transfer.opened; i++)
		if (host.conn[i] != NULL)
			serve(host.conn[i], now);
}

static void
run(uint64_t until, bool linger)
{
	uint32_t idle = 0;
	uint64_t now;

	while ((now = host_clock()) < until && (linger || !transfer_done(&host.transfer))) {
		uint32_t work = host_rig_turn(&host.rig, now);

		try_again(now);
		host_rig_flush(&host.rig, now);
		idle = work > 0 ? 0 : idle + 1;
		if (idle > SPIN_TURNS)
			(void)clock_nanosleep(CLOCK_MONOTONIC, 0,
					      &(struct timespec){.tv_nsec = SLEEP_MAX_NS}, NULL);
	}
}

static int
report(const struct pw_wire_counters *wire, const struct pw_tcp_counters *tcp, bool buffers_back)
{
	static char more[16384];
	size_t n = 0;

#define PUT(...) n += (size_t)snprintf(more + n, sizeof(more) - n, __VA_ARGS__)
	PUT(", \"buffers_back\": %s, \"tx_full\": %" PRIu64 ", \"low\": %" PRIu64
	    ", \"retransmits\": %" PRIu64,
	    buffers_back ? "true" : "false", host.rig.tx_full, host.rig.low, tcp->retransmits);
	PUT(", \"tcp\": {");
#define ROW(name, text) PUT("\"" #name "\": %" PRIu64 ", ", tcp->name);
	PW_TCP_COUNTERS(ROW)
#undef ROW
	PUT("\"end\": 0}, \"wire\": {");
#define ROW(name, text) PUT("\"" #name "\": %" PRIu64 ", ", wire->name);
	PW_WIRE_COUNTERS(ROW)
#undef ROW
	PUT("\"end\": 0}");
#undef PUT
	if (!buffers_back)
		host.transfer.failed++;
	return transfer_report(&host.transfer, more);
}

int
main(int argc, char **argv)
{
	struct transfer_conf *k = &host.transfer.conf;
	struct pw_wire_counters wire;
	struct pw_tcp_counters tcp;
	struct host_rig_conf rig;
	int rc = transfer_parse(&host.transfer, argc, argv);

	if (rc != 0)
		return rc;
	rig = (struct host_rig_conf){
		.device = k->device,
		.local = k->local,
		.window = k->window,
		.max_ooo = k->max_ooo != NULL ? (uint32_t)strtoul(k->max_ooo, NULL, 0) : 0,
		.max_rto = k->max_rto,
		.conns = k->conns,
		.seed = k->seed,
	};
	if (k->device == NULL || host_rig_open(&host.rig, &rig) < 0)
		return 1;
	(void)prctl(PR_SET_TIMERSLACK, 1000, 0, 0, 0);
	rc = start(host_clock());
	if (rc < 0) {
		fprintf(stderr, "tcp_host: %s\n", strerror(-rc));
		(void)host_rig_close(&host.rig);
		return 1;
	}
	printf("ready\n");
	fflush(stdout);
	run(host_clock() + k->seconds * 1000 * NS_PER_MS, false);
	run(host_clock() + k->linger * NS_PER_MS, true);
	wire = *pw_wire_counters(host.rig.wire);
	tcp = *pw_tcp_counters(host.rig.tcp);
	return report(&wire, &tcp, host_rig_close(&host.rig));
}
