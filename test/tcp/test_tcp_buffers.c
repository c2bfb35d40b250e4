/* SPDX-License-Identifier: BSD-3-Clause */
/* Packet buffers of the receiving side: how many a peer can pin, and what its window says of it. */
#include <string.h>

#include "script.h"

#define WINDOW	120000
#define BUFFERS (WINDOW / 1024 + 16)

/* Send segments of len bytes until the window is shut; its right edge may not move left. */
static uint32_t
fill(struct script *s, uint32_t len)
{
	uint32_t edge = 1 + 65535, off = 0, scale = 1;

	while (edge - 1 - off > 0) {
		uint32_t part = RTE_MIN(len, edge - 1 - off);

		PEER(s, .flags = A, .seq = 1 + off, .ack = 1, .win = 65535, .len = (uint16_t)part,
		     .data = script_bytes(off));
		off += part;
		if (off % 64 == 0 || edge - 1 - off < len)
			script_pass(s, 50 * MS);
		while (s->taken != s->nb_out) {
			const struct tcp_seg *o = &s->out[s->taken++ % SCRIPT_OUT].seg;
			uint32_t e = o->ack - PEER_ISS + ((uint32_t)o->win << scale);

			/* Scaling may hide less than a unit of it (RFC 7323 2.4). */
			if (e + 2 <= edge)
				fail_msg("the right edge moves from %u to %u", edge, e);
			edge = RTE_MAX(edge, e);
		}
	}
	assert_int_equal(pw_tcp_rx_len(s->conn), off);
	return off;
}

static uint32_t
in_use(void)
{
	return rte_mempool_in_use_count(script_mem()->pkt);
}

/* Whatever the size of its segments: the window is all used, the buffers are not exceeded. */
static void
peer_fills_the_window_from_its_share_of_buffers(void **state)
{
	static const uint32_t size[] = {1, 7, 100, 256, 257, 300, 700, 964, 1000, 1460};

	(void)state;
	for (uint32_t i = 0; i < RTE_DIM(size); i++) {
		struct script *s;
		uint32_t n;

		script_setup(NULL);
		s = script_open(&(struct pw_tcp_conf){.rx_window = WINDOW});
		script_accept_with(
			s, (struct tcp_seg){.win = 65535, .mss = 1460, .has_ws = true, .ws = 0});
		n = fill(s, size[i]);
		assert_in_range(n, WINDOW - 2 * 1460, WINDOW + 1460);
		if (in_use() > BUFFERS)
			fail_msg("segments of %u bytes stand in %u buffers", size[i], in_use());
		script_consume(s, n / 2);
		script_consume(s, n - n / 2);
		assert_int_equal(in_use(), 0);
		script_skip(s);
		pw_tcp_destroy(s->t);
		s->t = NULL;
	}
}

/* A reader that keeps up pays for no copy: bursts are taken by reference. */
static void
burst_of_middling_segments_is_not_copied(void **state)
{
	struct script *s = script_open(NULL);
	struct tcp_seg burst[32];

	(void)state;
	s->auto_consume = true;
	script_accept(s);
	for (uint32_t i = 0; i < RTE_DIM(burst); i++)
		burst[i] = (struct tcp_seg){.flags = A,
					    .seq = 1 + 300 * i,
					    .ack = 1,
					    .win = 65535,
					    .len = 300,
					    .data = script_bytes(300 * i)};
	script_peer_burst(s, burst, RTE_DIM(burst));
	script_check_got(s, 300 * 32);
	assert_int_equal(pw_tcp_counters(s->t)->rx_coalesced, 0);
	script_skip(s);
}

/* Keep a reference on the last buffer of the receive queue, as an application may. */
static struct rte_mbuf *
hold_last(struct script *s)
{
	struct rte_mbuf *m = pw_tcp_rx_chain(s->conn);

	while (m->next != NULL)
		m = m->next;
	rte_mbuf_refcnt_update(m, 1);
	return m;
}

/* Buffers that the application holds can't be written to: then their number shuts the window. */
static void
held_buffers_keep_the_window_where_it_is(void **state)
{
	struct script *s = script_open(&(struct pw_tcp_conf){.rx_buffers = 20, .rx_window = 20000});
	struct rte_mbuf *held[30];

	(void)state;
	script_accept(s);
	for (uint32_t i = 0; i < 10; i++)
		PEER(s, .flags = A, .seq = 1 + 1000 * i, .ack = 1, .win = 65535, .len = 1000,
		     .data = script_bytes(1000 * i));
	held[0] = hold_last(s);
	for (uint32_t i = 1; i < 30; i++) {
		PEER(s, .flags = A, .seq = 10000 + i, .ack = 1, .win = 65535, .len = 1,
		     .data = script_bytes(9999 + i));
		held[i] = hold_last(s);
	}
	script_pass(s, 50 * MS);
	script_skip(s);
	/* Half of the window is read, but the rest stands in more buffers than all of it may. */
	script_consume(s, 9000);
	NOTHING(s);
	PEER(s, .flags = A, .seq = 10030, .ack = 1, .win = 65535, .len = 1);
	script_pass(s, 50 * MS);
	while (s->taken != s->nb_out) {
		const struct tcp_seg *o = &s->out[s->taken++ % SCRIPT_OUT].seg;

		assert_int_equal(o->ack - PEER_ISS + o->win, 20001);
	}
	for (uint32_t i = 0; i < 30; i++)
		rte_pktmbuf_free_seg(held[i]);
	/* What was offered is taken, and opens as it is read. */
	for (uint32_t i = 0; i < 9; i++)
		PEER(s, .flags = A, .seq = 10031 + 1000 * i, .ack = 1, .win = 65535, .len = 1000);
	assert_int_equal(pw_tcp_rx_len(s->conn), 1000 + 30 + 9000);
	script_skip(s);
	pw_tcp_consume(s->t, s->conn, pw_tcp_rx_len(s->conn));
	script_act(s);
	assert_int_equal(s->nb_out - s->taken, 1);
	assert_int_equal(s->out[s->taken++ % SCRIPT_OUT].seg.win, 20000);
}

/* What lies beyond a gap counts too, and is given back with it. */
static void
out_of_order_buffers_are_counted_and_given_back(void **state)
{
	struct script *s = script_open(&(struct pw_tcp_conf){.max_ooo = 64});

	(void)state;
	s->auto_consume = true;
	script_accept(s);
	for (uint32_t i = 0; i < 80; i++)
		PEER(s, .flags = A, .seq = 1001 + 600 * i, .ack = 1, .win = 65535, .len = 500,
		     .data = script_bytes(1000 + 600 * i));
	assert_int_equal(in_use(), 64);
	script_skip(s);
	for (uint32_t i = 0; i < 80; i++) {
		uint32_t off = i == 0 ? 0 : 1000 + 600 * (i - 1);

		PEER(s, .flags = A, .seq = 1 + off, .ack = 1, .win = 65535,
		     .len = i == 0 ? 1000 : 600, .data = script_bytes(off));
	}
	script_skip(s);
	assert_int_equal(in_use(), 0);
	script_check_got(s, 1000 + 600 * 79);
}

/* Windows of 1 to 40 bytes, read in odd bites: every byte passes, none beyond what was offered. */
static void
tiny_windows_carry_a_stream(void **state)
{
	struct sim_rng rng = {.s = 4};

	(void)state;
	for (uint32_t wnd = 1; wnd <= 40; wnd++) {
		struct script *s;
		uint32_t edge = 1 + wnd, off = 0;

		script_setup(NULL);
		s = script_open(&(struct pw_tcp_conf){.rx_window = wnd});
		script_accept(s);
		for (uint32_t turns = 0; off < 200; turns++) {
			uint32_t part = RTE_MIN(sim_rng_range(&rng, 1, 30), edge - 1 - off);
			uint32_t unread = pw_tcp_rx_len(s->conn);

			assert_true(turns < 5000);
			if (part > 0)
				PEER(s, .flags = A, .seq = 1 + off, .ack = 1, .win = 65535,
				     .len = (uint16_t)part, .data = script_bytes(off));
			assert_int_equal(pw_tcp_rx_len(s->conn), unread + part);
			off += part;
			unread += part;
			if (unread > 0 && sim_rng_chance(&rng, 500))
				script_consume(s, sim_rng_range(&rng, 1, unread));
			script_pass(s, 50 * MS);
			while (s->taken != s->nb_out) {
				const struct tcp_seg *o = &s->out[s->taken++ % SCRIPT_OUT].seg;
				uint32_t e = o->ack - PEER_ISS + o->win;

				assert_true(e >= edge && e <= 1 + s->nb_got + wnd);
				edge = e;
			}
		}
		script_consume(s, pw_tcp_rx_len(s->conn));
		script_check_got(s, off);
		script_skip(s);
		pw_tcp_destroy(s->t);
		s->t = NULL;
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		SCRIPT(peer_fills_the_window_from_its_share_of_buffers),
		SCRIPT(burst_of_middling_segments_is_not_copied),
		SCRIPT(held_buffers_keep_the_window_where_it_is),
		SCRIPT(out_of_order_buffers_are_counted_and_given_back),
		SCRIPT(tiny_windows_carry_a_stream),
	};

	return cmocka_run_group_tests(tests, script_group_setup, script_group_teardown);
}
