/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdio.h>
#include <string.h>

#include <rte_errno.h>

#include "eal.h"
#include "script.h"
#include "tso.h"

#define PATTERN (1 << 16)

struct script script;

static struct pw_mem mem;
static uint8_t pattern[PATTERN + 2048];

const struct pw_mem *
script_mem(void)
{
	return &mem;
}

const uint8_t *
script_bytes(uint32_t off)
{
	return &pattern[off % PATTERN];
}

int
script_group_setup(void **state)
{
	struct pw_mem_conf conf = {.name = "script", .pkt = 2047, .hdr = 1023, .ind = 2047};
	struct sim_rng rng = {.s = 1};

	(void)state;
	test_eal_init();
	for (uint32_t i = 0; i < sizeof(pattern); i++)
		pattern[i] = i < PATTERN ? (uint8_t)sim_rng_next(&rng) : pattern[i - PATTERN];
	conf.socket = SOCKET_ID_ANY;
	return pw_mem_create(&mem, &conf);
}

int
script_group_teardown(void **state)
{
	(void)state;
	pw_mem_destroy(&mem);
	return 0;
}

int
script_setup(void **state)
{
	(void)state;
	memset(&script, 0, sizeof(script));
	return 0;
}

int
script_teardown(void **state)
{
	(void)state;
	if (script.t != NULL)
		pw_tcp_destroy(script.t);
	if (!pw_mem_full(&mem)) {
		fprintf(stderr, "buffers are missing: pkt %u hdr %u ind %u out\n",
			rte_mempool_in_use_count(mem.pkt), rte_mempool_in_use_count(mem.hdr),
			rte_mempool_in_use_count(mem.ind));
		return -1;
	}
	return 0;
}

static int
on_accepted(void *ctx, struct pw_tcp_conn *conn, uint64_t now)
{
	struct script *s = ctx;

	(void)now;
	s->accepted++;
	if (s->refuse)
		return -1;
	s->conn = conn;
	return 0;
}

static void
on_connected(void *ctx, struct pw_tcp_conn *conn, uint64_t now)
{
	struct script *s = ctx;

	(void)now;
	s->connected++;
	s->conn = conn;
	if (s->in_connected != NULL)
		s->in_connected(s);
}

static void
take(struct script *s, uint32_t n)
{
	const struct rte_mbuf *m = pw_tcp_rx_chain(s->conn);
	uint32_t left = n;

	assert_true(s->nb_got + n <= sizeof(s->got));
	for (; m != NULL && left != 0; m = m->next) {
		uint32_t part = RTE_MIN(left, (uint32_t)m->data_len);

		memcpy(s->got + s->nb_got, rte_pktmbuf_mtod(m, uint8_t *), part);
		s->nb_got += part;
		left -= part;
	}
	assert_int_equal(left, 0);
	pw_tcp_consume(s->t, s->conn, n);
}

static void
on_readable(void *ctx, struct pw_tcp_conn *conn, uint64_t now)
{
	struct script *s = ctx;

	(void)conn;
	(void)now;
	s->readable++;
	if (s->auto_consume)
		take(s, pw_tcp_rx_len(s->conn));
	if (s->in_readable != NULL)
		s->in_readable(s);
}

static void
on_acked(void *ctx, struct pw_tcp_conn *conn, uint64_t now)
{
	struct script *s = ctx;

	(void)conn;
	(void)now;
	s->acked++;
	if (s->in_acked != NULL)
		s->in_acked(s);
}

static void
on_gone(void *ctx, struct pw_tcp_conn *conn, enum pw_tcp_end why, uint64_t now)
{
	struct script *s = ctx;

	(void)now;
	s->gone++;
	s->why = why;
	if (s->conn == conn)
		s->conn = NULL;
}

const struct pw_tcp_ops script_ops = {
	.accepted = on_accepted,
	.connected = on_connected,
	.readable = on_readable,
	.acked = on_acked,
	.gone = on_gone,
};

static int
output(void *ctx, const struct pw_flow *flow, struct rte_mbuf *m, uint64_t now)
{
	struct script *s = ctx;
	const char *why;

	assert_int_equal(rte_mbuf_check(m, 1, &why), 0);
	assert_true(m->nb_segs <= s->max_segs);
	assert_true(m->tso_segsz == 0 || (s->tso && m->pkt_len > m->l4_len + m->tso_segsz));
	assert_true(m->pkt_len <= UINT16_MAX - 20);
	s->nb_packets++;
	for (uint32_t i = 0; i < tso_pieces(m); i++) {
		struct sent *o = &s->out[s->nb_out % SCRIPT_OUT];
		uint32_t len = tso_piece(m, i, o->data, sizeof(o->data));

		assert_true(s->nb_out - s->taken < SCRIPT_OUT);
		assert_in_range(len, 20, s->mtu - 20);
		assert_int_equal(tcp_seg_parse(o->data, len, &o->seg), 0);
		assert_int_equal(m->l4_len, 20 + o->seg.opt_len);
		assert_int_equal(o->seg.sport, flow->lport);
		assert_int_equal(o->seg.dport, flow->rport);
		o->at = now;
		o->packet = s->nb_packets;
		s->nb_out++;
	}
	rte_pktmbuf_free(m);
	return s->output_rc;
}

static int
path(void *ctx, const struct pw_addr *dst, struct pw_tcp_path *to)
{
	const struct script *s = ctx;

	(void)dst;
	to->mtu = s->mtu;
	to->max_segs = s->max_segs;
	to->tso = s->tso;
	return s->path_rc;
}

struct script *
script_open(const struct pw_tcp_conf *conf)
{
	struct pw_tcp_conf c = {.max_conns = 32, .max_tx_slices = 512};
	struct script *s = &script;
	struct pw_addr local = sim_wire_addr(0);

	if (conf != NULL)
		c = *conf;
	c.name = "script";
	c.max_conns = c.max_conns != 0 ? c.max_conns : 32;
	c.max_tx_slices = c.max_tx_slices != 0 ? c.max_tx_slices : 512;
	c.seed = 7;
	c.mem = &mem;
	c.socket = mem.socket;
	c.hooks = (struct pw_tcp_hooks){.ctx = s, .output = output, .path = path};
	s->mtu = s->mtu != 0 ? s->mtu : 1500;
	s->max_segs = s->max_segs != 0 ? s->max_segs : 16;
	s->start = s->now = 1000 * 1000 * MS;
	s->lport = LOCAL_PORT;
	s->rport = PEER_PORT;
	s->t = pw_tcp_create(&c, s->now);
	if (s->t == NULL)
		fail_msg("pw_tcp_create: %s", rte_strerror(rte_errno));
	assert_int_equal(pw_tcp_listen(s->t, &local, LOCAL_PORT, &script_ops, s), 0);
	return s;
}

struct pw_flow
script_flow(const struct script *s)
{
	return (struct pw_flow){sim_wire_addr(0), sim_wire_addr(1), s->lport, s->rport};
}

void
script_act(struct script *s)
{
	pw_tcp_dispatch(s->t, s->now);
	pw_tcp_flush(s->t, s->now);
}

static struct rte_mbuf *
frame(struct script *s, struct tcp_seg seg)
{
	struct pw_addr local = sim_wire_addr(0), remote = sim_wire_addr(1);
	uint8_t raw[SEG_MAX];
	struct rte_mbuf *m;

	seg.sport = seg.sport != 0 ? seg.sport : s->rport;
	seg.dport = seg.dport != 0 ? seg.dport : s->lport;
	seg.seq += PEER_ISS;
	if (seg.flags & SEG_ACK)
		seg.ack += s->iss;
	for (uint32_t i = 0; i < seg.nb_sack; i++) {
		seg.sack[i].left += s->iss;
		seg.sack[i].right += s->iss;
	}
	m = tcp_seg_frame(mem.pkt, &remote, &local, raw, tcp_seg_build(&seg, raw));
	assert_non_null(m);
	return m;
}

void
script_peer_burst(struct script *s, const struct tcp_seg *seg, uint32_t n)
{
	struct rte_mbuf *burst[64];

	assert_true(n <= RTE_DIM(burst));
	for (uint32_t i = 0; i < n; i++)
		burst[i] = frame(s, seg[i]);
	pw_tcp_input(s->t, burst, n, s->now);
	script_act(s);
}

void
script_peer(struct script *s, struct tcp_seg seg)
{
	script_peer_burst(s, &seg, 1);
}

/** One step of time towards `end`; false at the end. */
static bool
step(struct script *s, uint64_t end)
{
	uint64_t next = pw_tcp_next(s->t);

	if (next <= s->now)
		next = s->now + MS;
	if (next > end) {
		s->now = end;
		return false;
	}
	s->now = next;
	pw_tcp_advance(s->t, s->now);
	script_act(s);
	return true;
}

void
script_pass(struct script *s, uint64_t ns)
{
	uint64_t end = s->now + ns;

	while (step(s, end))
		;
	pw_tcp_advance(s->t, s->now);
	script_act(s);
}

bool
script_until_sent(struct script *s, uint64_t ns)
{
	uint64_t end = s->now + ns;

	while (s->nb_out == s->taken) {
		if (!step(s, end))
			break;
	}
	return s->nb_out != s->taken;
}

/** A segment in the script's numbers, for a person. */
static void
print_seg(const struct script *s, const char *what, uint64_t at, const struct tcp_seg *seg)
{
	char line[360];

	fprintf(stderr, "  %s %8.3f ms: %s\n", what, (double)(at - s->start) / 1e6,
		tcp_seg_str(seg, s->iss, PEER_ISS, line, sizeof(line)));
}

const struct tcp_seg *
script_expect(struct script *s, struct tcp_seg want, const char *file, int line)
{
	const struct tcp_seg *got;
	bool same;

	want.seq += s->iss;
	want.ack += want.flags & SEG_ACK ? PEER_ISS : 0;
	if (s->taken == s->nb_out) {
		print_seg(s, "wanted", s->now, &want);
		fprintf(stderr, "  sent     nothing\n");
		_fail(file, line);
		return NULL;
	}
	got = &s->out[s->taken % SCRIPT_OUT].seg;
	if (want.flags & SEG_SYN && !s->iss_known) {
		want.seq += got->seq - s->iss;
		s->iss = got->seq;
		s->iss_known = true;
	}
	same = (got->flags & ~SEG_PSH) == (want.flags & ~SEG_PSH) && got->seq == want.seq &&
	       got->len == want.len && (!(want.flags & SEG_ACK) || got->ack == want.ack) &&
	       (want.mss == 0 || got->mss == want.mss) && (want.win == 0 || got->win == want.win) &&
	       (want.data == NULL || memcmp(want.data, got->data, want.len) == 0);
	if (!same) {
		print_seg(s, "wanted", s->now, &want);
		print_seg(s, "sent  ", s->out[s->taken % SCRIPT_OUT].at, got);
		_fail(file, line);
	}
	s->taken++;
	return got;
}

void
script_nothing(struct script *s, const char *file, int line)
{
	if (s->taken == s->nb_out)
		return;
	fprintf(stderr, "  wanted   nothing\n");
	for (; s->taken != s->nb_out; s->taken++)
		print_seg(s, "sent  ", s->out[s->taken % SCRIPT_OUT].at,
			  &s->out[s->taken % SCRIPT_OUT].seg);
	_fail(file, line);
}

uint32_t
script_skip(struct script *s)
{
	uint32_t n = s->nb_out - s->taken;

	s->taken = s->nb_out;
	return n;
}

void
script_accept_with(struct script *s, struct tcp_seg syn)
{
	uint32_t before = s->accepted;

	syn.flags = S;
	script_peer(s, syn);
	EXPECT(s, .flags = S | A, .seq = 0, .ack = 1);
	PEER(s, .flags = A, .seq = 1, .ack = 1, .win = 65535, .has_ts = syn.has_ts,
	     .tsval = syn.tsval);
	NOTHING(s);
	assert_int_equal(s->accepted, before + 1);
	assert_non_null(s->conn);
	assert_int_equal(pw_tcp_state(s->conn), PW_TCP_ESTABLISHED);
}

void
script_accept(struct script *s)
{
	script_accept_with(s, (struct tcp_seg){.win = 65535, .mss = 1460});
}

const struct tcp_seg *
script_syn(struct script *s)
{
	struct pw_flow flow = script_flow(s);
	const struct tcp_seg *syn;

	flow.lport = 0;
	flow.rport = s->rport;
	assert_int_equal(pw_tcp_connect(s->t, &flow, &script_ops, s, 99, &s->conn, s->now), 0);
	assert_non_null(s->conn);
	assert_int_equal(pw_tcp_user(s->conn), 99);
	script_act(s);
	pw_tcp_flow(s->conn, &flow);
	s->lport = flow.lport;
	assert_int_not_equal(s->lport, 0);
	syn = EXPECT(s, .flags = S, .seq = 0);
	assert_int_equal(syn->sport, s->lport);
	assert_int_equal(pw_tcp_state(s->conn), PW_TCP_SYN_SENT);
	return syn;
}

void
script_connect(struct script *s)
{
	script_syn(s);
	PEER(s, .flags = S | A, .seq = 0, .ack = 1, .win = 65535, .mss = 1460);
	EXPECT(s, .flags = A, .seq = 1, .ack = 1);
	NOTHING(s);
	assert_int_equal(s->connected, 1);
	assert_int_equal(pw_tcp_state(s->conn), PW_TCP_ESTABLISHED);
}

void
script_send(struct script *s, uint32_t off, uint32_t n)
{
	while (n != 0) {
		uint32_t part = RTE_MIN(n, 1400u);
		struct rte_mbuf *m = rte_pktmbuf_alloc(mem.pkt);
		struct pw_slice slice;

		assert_non_null(m);
		memcpy(rte_pktmbuf_append(m, part), script_bytes(off), part);
		slice = pw_slice_of(m);
		assert_int_equal(pw_tcp_send(s->t, s->conn, &slice, 1), 0);
		off += part;
		n -= part;
	}
	script_act(s);
}

void
script_check_got(struct script *s, uint32_t n)
{
	assert_int_equal(s->nb_got, n);
	for (uint32_t i = 0; i < n; i++) {
		if (s->got[i] != *script_bytes(i))
			fail_msg("byte %u of the stream is wrong", i);
	}
}

void
script_consume(struct script *s, uint32_t n)
{
	take(s, n);
	script_act(s);
}

void
script_close_first(struct script *s)
{
	pw_tcp_close(s->t, s->conn, s->now);
	script_act(s);
	EXPECT(s, .flags = F | A, .seq = 1, .ack = 1);
	assert_int_equal(pw_tcp_state(s->conn), PW_TCP_FIN_WAIT_1);
	PEER(s, .flags = A, .seq = 1, .ack = 2, .win = 65535);
	NOTHING(s);
	assert_int_equal(pw_tcp_state(s->conn), PW_TCP_FIN_WAIT_2);
	assert_int_equal(s->gone, 0);
	PEER(s, .flags = F | A, .seq = 1, .ack = 2, .win = 65535);
	EXPECT(s, .flags = A, .seq = 2, .ack = 2);
	assert_int_equal(s->gone, 1);
	assert_int_equal(s->why, PW_TCP_END_CLOSED);
	assert_int_equal(pw_tcp_conns(s->t), 0);
}
