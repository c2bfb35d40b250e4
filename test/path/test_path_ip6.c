/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * TCP over IPv6 between two ends, each a wire and a stack as a worker has them, under a clock of
 * their own: neighbours are found, bytes go through, whatever a path may do to packets.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <rte_ip.h>

#include <pubwire/tcp/tcp.h>
#include <pubwire/wire/wire.h>

#include "eal.h"

#define MS	  UINT64_C(1000000)
#define INBOX	  1024
#define BYTES	  200000
#define PORT	  1883
#define NARROW	  1300 /* MTU of the path in one test */
#define TCP_PROTO 6
#define L2	  14
#define L3	  40

/* What happens to TCP packets on their way. */
enum path { PATH_PLAIN, PATH_OPTIONS, PATH_NARROW };

struct end {
	struct pw_port port;
	struct pw_wire *wire;
	struct pw_tcp *tcp;
	struct pw_addr addr;
	struct end *other;
	struct rte_mbuf *inbox[INBOX];
	uint32_t nb_in;
	struct pw_tcp_conn *conn;
	uint32_t sent;
	uint32_t got;
	bool gone;
	enum pw_tcp_end why;
};

static struct pw_mem mem;
static struct end end[2];
static enum path path;
static uint32_t too_big;
static uint64_t now;

static uint8_t
byte_at(uint32_t i)
{
	return (uint8_t)(i * 7 + i / 251);
}

static void
deliver(struct end *to, struct rte_mbuf *m)
{
	assert_true(to->nb_in < INBOX);
	to->inbox[to->nb_in++] = m;
}

/* A packet with a destination options header of padding in front of TCP. */
static struct rte_mbuf *
with_options(struct rte_mbuf *m)
{
	static const uint8_t options[8] = {TCP_PROTO, 0, 1, 4};
	struct rte_mbuf *flat = rte_pktmbuf_copy(m, mem.pkt, 0, UINT32_MAX);
	struct rte_ipv6_hdr *ip;
	uint8_t *p;

	assert_non_null(flat);
	rte_pktmbuf_free(m);
	assert_non_null(rte_pktmbuf_prepend(flat, sizeof(options)));
	p = rte_pktmbuf_mtod(flat, uint8_t *);
	memmove(p, p + sizeof(options), L2 + L3);
	memcpy(p + L2 + L3, options, sizeof(options));
	ip = (struct rte_ipv6_hdr *)(p + L2);
	ip->proto = 60;
	ip->payload_len = rte_cpu_to_be_16(rte_be_to_cpu_16(ip->payload_len) + sizeof(options));
	return flat;
}

/* A router on the way says that a packet (taken) does not fit. */
static struct rte_mbuf *
refuse(struct end *from, struct rte_mbuf *m)
{
	struct rte_mbuf *e = rte_pktmbuf_alloc(mem.pkt);
	uint8_t *p = (uint8_t *)rte_pktmbuf_append(e, L2 + L3 + 8 + 1232);
	struct rte_ipv6_hdr *ip = (struct rte_ipv6_hdr *)(p + L2);
	const void *quoted = rte_pktmbuf_read(m, L2, 1232, p + L2 + L3 + 8);
	uint32_t sum;

	if (quoted != p + L2 + L3 + 8)
		memcpy(p + L2 + L3 + 8, quoted, 1232);
	memcpy(p, &from->port.mac, 6);
	memcpy(p + 6, &from->other->port.mac, 6);
	memcpy(p + 12, "\x86\xdd", 2);
	*ip = (struct rte_ipv6_hdr){.vtc_flow = RTE_BE32(0x60000000),
				    .payload_len = RTE_BE16(8 + 1232),
				    .proto = 58,
				    .hop_limits = 64,
				    .src_addr = {0x20, 1, 0x0d, 0xb8, [15] = 9}};
	memcpy(ip->dst_addr, &from->addr, 16);
	memcpy(p + L2 + L3, "\x02\x00\x00\x00\x00\x00", 6);
	p[L2 + L3 + 6] = NARROW >> 8;
	p[L2 + L3 + 7] = NARROW & 0xff;
	sum = (uint32_t)rte_ipv6_phdr_cksum(ip, 0) + rte_raw_cksum(ip + 1, 8 + 1232);
	sum = ~((sum & 0xffff) + (sum >> 16));
	memcpy(p + L2 + L3 + 2, &(uint16_t){sum}, 2);
	rte_pktmbuf_free(m);
	too_big++;
	return e;
}

static void
on_tx(void *ctx, uint32_t iface, struct rte_mbuf *m)
{
	struct end *e = ctx;
	bool tcp = rte_pktmbuf_mtod(m, uint8_t *)[12] == 0x86 &&
		   rte_pktmbuf_mtod(m, uint8_t *)[L2 + 6] == TCP_PROTO;

	assert_int_equal(iface, 0);
	if (tcp && path == PATH_NARROW && m->pkt_len > L2 + NARROW)
		deliver(e, refuse(e, m));
	else if (tcp && path == PATH_OPTIONS)
		deliver(e->other, with_options(m));
	else
		deliver(e->other, m);
}

static void
on_icmp_error(void *ctx, const struct pw_flow *flow, uint32_t seq, uint16_t mtu, uint8_t code,
	      uint64_t when)
{
	pw_tcp_icmp_error(((struct end *)ctx)->tcp, flow, seq, mtu, code, when);
}

static int
output(void *ctx, const struct pw_flow *flow, struct rte_mbuf *m, uint64_t when)
{
	return pw_wire_send_tcp(((struct end *)ctx)->wire, flow, m, 64, when);
}

static int
way(void *ctx, const struct pw_addr *dst, struct pw_tcp_path *to)
{
	struct pw_wire_path out;
	int rc = pw_wire_path(((struct end *)ctx)->wire, dst, &out);

	if (rc == 0) {
		to->mtu = out.mtu;
		to->max_segs = out.max_segs;
	}
	return rc;
}

static int
accepted(void *ctx, struct pw_tcp_conn *conn, uint64_t when)
{
	(void)when;
	((struct end *)ctx)->conn = conn;
	return 0;
}

static void
readable(void *ctx, struct pw_tcp_conn *conn, uint64_t when)
{
	struct end *e = ctx;
	uint32_t n = pw_tcp_rx_len(conn);

	for (struct rte_mbuf *m = pw_tcp_rx_chain(conn); m != NULL; m = m->next) {
		const uint8_t *p = rte_pktmbuf_mtod(m, const uint8_t *);

		for (uint32_t i = 0; i < m->data_len; i++)
			assert_int_equal(p[i], byte_at(e->got++));
	}
	pw_tcp_consume(e->tcp, conn, n);
	if (pw_tcp_eof(conn))
		pw_tcp_close(e->tcp, conn, when);
}

static void
gone(void *ctx, struct pw_tcp_conn *conn, enum pw_tcp_end why, uint64_t when)
{
	struct end *e = ctx;

	(void)conn, (void)when;
	e->conn = NULL;
	e->gone = true;
	e->why = why;
}

static const struct pw_tcp_ops ops = {.accepted = accepted, .readable = readable, .gone = gone};

static void
make_end(uint32_t i)
{
	static const char *const name[] = {"a", "b"}, *const text[] = {"fd77::1", "fd77::2"};
	struct end *e = &end[i];
	struct pw_wire_conf wire = {.name = name[i], .nb_ifaces = 1, .mem = &mem, .socket = -1};
	const struct pw_tcp_conf tcp = {.name = name[i],
					.max_conns = 4,
					.msl_ms = 10,
					.seed = 5 + i,
					.mem = &mem,
					.hooks = {.ctx = e, .output = output, .path = way},
					.socket = -1};

	memset(e, 0, sizeof(*e));
	e->other = &end[1 - i];
	assert_int_equal(pw_addr_parse(&e->addr, text[i]), 0);
	e->port = (struct pw_port){.mtu = 1500,
				   .max_segs = 8,
				   .caps = PW_PORT_TX_MULTI_SEG,
				   .mac = {{2, 0, 0, 0, 0, i + 1}},
				   .reta_size = 1};
	wire.iface[0] = (struct pw_wire_iface){
		.port = &e->port, .addr = {{e->addr, 64}}, .nb_addrs = 1, .gateway6 = e->addr};
	wire.iface[0].gateway6.b[15] = 2 - i;
	wire.hooks = (struct pw_wire_hooks){.ctx = e, .tx = on_tx, .icmp_error = on_icmp_error};
	e->wire = pw_wire_create(&wire);
	assert_non_null(e->wire);
	e->tcp = pw_tcp_create(&tcp, now);
	assert_non_null(e->tcp);
}

static void
turn(struct end *e)
{
	struct rte_mbuf *in[INBOX], *tcp[PW_WIRE_BURST];
	uint32_t n = e->nb_in;

	memcpy(in, e->inbox, n * sizeof(in[0]));
	e->nb_in = 0;
	for (uint32_t at = 0; at < n; at += PW_WIRE_BURST) {
		uint32_t some = RTE_MIN(n - at, (uint32_t)PW_WIRE_BURST);
		uint32_t got = pw_wire_input(e->wire, 0, in + at, some, tcp, now);

		pw_tcp_input(e->tcp, tcp, got, now);
	}
	pw_tcp_dispatch(e->tcp, now);
	pw_tcp_advance(e->tcp, now);
	pw_tcp_flush(e->tcp, now);
	pw_wire_advance(e->wire, now);
}

/* Queue what there is room for. */
static void
feed(struct end *e)
{
	uint8_t buf[1000];

	while (e->conn != NULL && e->sent < BYTES &&
	       pw_tcp_send_room(e->tcp, e->conn) >= sizeof(buf)) {
		for (uint32_t i = 0; i < sizeof(buf); i++)
			buf[i] = byte_at(e->sent + i);
		if (pw_tcp_send_copy(e->tcp, e->conn, buf, sizeof(buf)) != 0)
			return;
		e->sent += sizeof(buf);
	}
}

/* Both ends send BYTES, then one closes. */
static void
transfer(enum path p)
{
	struct pw_flow flow;

	path = p;
	too_big = 0;
	now = 1000 * 1000 * MS;
	make_end(0);
	make_end(1);
	assert_int_equal(pw_tcp_listen(end[0].tcp, &end[0].addr, PORT, &ops, &end[0]), 0);
	flow = (struct pw_flow){.local = end[1].addr, .remote = end[0].addr, .rport = PORT};
	assert_int_equal(pw_tcp_connect(end[1].tcp, &flow, &ops, &end[1], 0, &end[1].conn, now), 0);
	for (uint32_t i = 0; i < 20000 && (end[0].got < BYTES || end[1].got < BYTES); i++) {
		for (uint32_t k = 0; k < 2; k++) {
			if (end[k].conn != NULL && pw_tcp_state(end[k].conn) == PW_TCP_ESTABLISHED)
				feed(&end[k]);
			turn(&end[k]);
		}
		now += MS;
	}
	assert_int_equal(end[0].got, BYTES);
	assert_int_equal(end[1].got, BYTES);
	pw_tcp_close(end[1].tcp, end[1].conn, now);
	for (uint32_t i = 0; i < 1000; i++, now += MS) {
		turn(&end[0]);
		turn(&end[1]);
	}
	for (uint32_t k = 0; k < 2; k++) {
		assert_true(end[k].gone);
		assert_int_equal(end[k].why, PW_TCP_END_CLOSED);
	}
}

static void
take_down(void)
{
	for (uint32_t k = 0; k < 2; k++) {
		const struct pw_wire_counters *n = pw_wire_counters(end[k].wire);

		assert_int_equal(n->drop_l4_cksum, 0);
		rte_pktmbuf_free_bulk(end[k].inbox, end[k].nb_in);
		pw_tcp_destroy(end[k].tcp);
		pw_wire_destroy(end[k].wire);
	}
	assert_true(pw_mem_full(&mem));
}

static void
test_bytes_go_both_ways(void **state)
{
	(void)state;
	transfer(PATH_PLAIN);
	assert_true(pw_wire_counters(end[0].wire)->nd_solicits_in > 0);
	assert_int_equal(pw_tcp_counters(end[0].tcp)->retransmits, 0);
	take_down();
}

static void
test_bytes_go_both_ways_behind_extension_headers(void **state)
{
	(void)state;
	transfer(PATH_OPTIONS);
	assert_int_equal(pw_tcp_counters(end[0].tcp)->drop_header, 0);
	take_down();
}

static void
test_segments_shrink_to_a_narrow_path(void **state)
{
	(void)state;
	transfer(PATH_NARROW);
	assert_true(too_big > 0);
	assert_int_equal(pw_tcp_counters(end[0].tcp)->mtu_lowered, 1);
	assert_int_equal(pw_tcp_counters(end[1].tcp)->mtu_lowered, 1);
	assert_int_equal(pw_tcp_counters(end[0].tcp)->rto_fired, 0);
	take_down();
}

static int
set_up(void **state)
{
	const struct pw_mem_conf conf = {
		.name = "ip6", .pkt = 4095, .hdr = 2047, .ind = 4095, .socket = -1};

	(void)state;
	return pw_mem_create(&mem, &conf);
}

static int
tear_down(void **state)
{
	(void)state;
	pw_mem_destroy(&mem);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bytes_go_both_ways),
		cmocka_unit_test(test_bytes_go_both_ways_behind_extension_headers),
		cmocka_unit_test(test_segments_shrink_to_a_narrow_path),
	};

	test_eal_init();
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
