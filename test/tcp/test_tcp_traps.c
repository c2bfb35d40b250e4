/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Traps that other stacks have fallen into and that no other file here is about; docs/tcp.md lists
 * all of them with their tests.
 */
#include <errno.h>

#include "script.h"

#define ROUNDS 300

static uint32_t
pkt_in_use(void)
{
	return rte_mempool_in_use_count(script_mem()->pkt);
}

/* The packet pool is what peers can use up; what a connection needs to end lies in another one. */
static void
control_goes_on_while_the_packet_pool_is_empty(void **state)
{
	struct rte_mbuf *kept[4096];
	uint32_t n = 0;
	struct script *s = script_open(NULL);

	(void)state;
	script_accept(s);
	script_send(s, 0, 1000);
	EXPECT(s, .flags = A, .seq = 1, .ack = 1, .len = 1000);
	while (n < RTE_DIM(kept) && (kept[n] = rte_pktmbuf_alloc(script_mem()->pkt)) != NULL)
		n++;
	assert_true(n < RTE_DIM(kept));
	/* The timer repeats by reference: 40 bytes of header are all that it takes. */
	assert_true(script_until_sent(s, 5000 * MS));
	EXPECT(s, .flags = A, .seq = 1, .ack = 1, .len = 1000);
	assert_int_equal(pw_tcp_send_copy(s->t, s->conn, "x", 1), -ENOBUFS);
	pw_tcp_close(s->t, s->conn, s->now);
	script_act(s);
	EXPECT(s, .flags = F | A, .seq = 1001, .ack = 1);
	/* Each segment of the peer takes one buffer and gives it back. */
	rte_pktmbuf_free(kept[--n]);
	PEER(s, .flags = F | A, .seq = 1, .ack = 1002, .win = 65535);
	EXPECT(s, .flags = A, .seq = 1002, .ack = 2);
	assert_int_equal(s->why, PW_TCP_END_CLOSED);
	while (n > 0)
		rte_pktmbuf_free(kept[--n]);
}

/* Peers that send all but the first byte, each as much as it may. */
static void
hoarders_beyond_a_gap_leave_buffers_for_the_others(void **state)
{
	struct script *s = script_open(&(struct pw_tcp_conf){.max_ooo_total = 40});
	uint32_t before;

	(void)state;
	before = pkt_in_use();
	for (uint32_t c = 0; c < 30; c++) {
		s->rport = PEER_PORT + c;
		s->iss_known = false;
		script_accept(s);
		for (uint32_t i = 0; i < 20; i++)
			PEER(s, .flags = A, .seq = 1002 + i * 2000, .ack = 1, .win = 65535,
			     .len = 1000);
		script_skip(s);
	}
	assert_true(pkt_in_use() - before <= 40);
	assert_true(pw_tcp_counters(s->t)->drop_ooo_full > 0);
	/* One that sends in order does not notice them. */
	s->rport = PEER_PORT + 30;
	s->iss_known = false;
	s->auto_consume = true;
	script_accept(s);
	for (uint32_t i = 0; i < 20; i++)
		PEER(s, .flags = A, .seq = 1 + i * 1000, .ack = 1, .win = 65535, .len = 1000,
		     .data = script_bytes(i * 1000));
	script_check_got(s, 20000);
	script_skip(s);
}

/* Peers that are returned to: the connection, and the stack's first number in it. */
static struct pw_tcp_conn *conn_of[32];
static uint32_t first_number[32];

static void
next_peer(struct script *s)
{
	script_skip(s);
	s->rport++;
	s->iss_known = false;
	script_accept(s);
	first_number[s->rport - PEER_PORT] = s->iss;
	conn_of[s->rport - PEER_PORT] = s->conn;
}

static void
back_to(struct script *s, uint32_t peer)
{
	s->rport = PEER_PORT + peer;
	s->iss = first_number[peer];
	s->conn = conn_of[peer];
	s->nb_got = 0;
}

/* Fills what may be held in all, and falls silent. */
static void
hoard(struct script *s, uint32_t total)
{
	s->rport = PEER_PORT - 1;
	for (uint32_t i = 0; i < total; i++) {
		if (i % 5 == 0)
			next_peer(s);
		PEER(s, .flags = A, .seq = 1001 + i % 5 * 2000, .ack = 1, .win = 65535, .len = 1000,
		     .data = script_bytes(1000 + i % 5 * 2000));
		script_skip(s);
	}
}

/* All of them came before: their places go to who has lost something just now. */
static void
hoarders_beyond_a_gap_leave_reassembly_to_the_others(void **state)
{
	struct script *s = script_open(&(struct pw_tcp_conf){.max_ooo_total = 20});
	uint32_t before;

	(void)state;
	before = pkt_in_use();
	s->auto_consume = true;
	hoard(s, 20);
	assert_int_equal(pkt_in_use() - before, 20);
	/* A gap that moves by a byte in a while is no younger for it. */
	back_to(s, 0);
	PEER(s, .flags = A, .seq = 1, .ack = 1, .win = 65535, .len = 1, .data = script_bytes(0));
	script_check_got(s, 1);
	s->rport = PEER_PORT + 10;
	s->nb_got = 0;
	next_peer(s);
	for (uint32_t i = 1; i < 10; i++)
		PEER(s, .flags = A, .seq = 1 + i * 1000, .ack = 1, .win = 65535, .len = 1000,
		     .data = script_bytes(i * 1000));
	assert_int_equal(pkt_in_use() - before, 20);
	PEER(s, .flags = A, .seq = 1, .ack = 1, .win = 65535, .len = 1000, .data = script_bytes(0));
	script_check_got(s, 10000);
	assert_int_equal(pkt_in_use() - before, 11);
	/* Those that had to yield are as good as before. */
	back_to(s, 1);
	for (uint32_t i = 0; i < 10; i++)
		PEER(s, .flags = A, .seq = 1 + i * 1000, .ack = 1, .win = 65535, .len = 1000,
		     .data = script_bytes(i * 1000));
	script_check_got(s, 10000);
	script_skip(s);
}

/* A short loss: held, and the gap filled. */
static void
lose_and_repeat(struct script *s, uint32_t at)
{
	PEER(s, .flags = A, .seq = 101 + at, .ack = 1, .win = 65535, .len = 100,
	     .data = script_bytes(100 + at));
	PEER(s, .flags = A, .seq = 1 + at, .ack = 1, .win = 65535, .len = 100,
	     .data = script_bytes(at));
	script_skip(s);
}

/* Two places of three are taken by others, between losses of this one that were made good. */
static void
hold_three_of_three(uint32_t losses)
{
	struct script *s = script_open(&(struct pw_tcp_conf){.max_ooo_total = 3});
	uint32_t at = 0;

	s->auto_consume = true;
	s->rport = PEER_PORT - 1;
	next_peer(s);
	for (; at < 400; at += 200)
		lose_and_repeat(s, at);
	for (uint32_t i = 0; i < 2; i++) {
		next_peer(s);
		PEER(s, .flags = A, .seq = 1001, .ack = 1, .win = 65535, .len = 1000);
	}
	script_skip(s);
	back_to(s, 0);
	s->nb_got = at;
	for (; at < 400 + losses * 200; at += 200)
		lose_and_repeat(s, at);
	script_check_got(s, at);
	assert_int_equal(pw_tcp_counters(s->t)->drop_ooo_full, 0);
	for (uint32_t i = 0; i < 3; i++)
		PEER(s, .flags = A, .seq = at + 101 + i * 200, .ack = 1, .win = 65535, .len = 100,
		     .data = script_bytes(at + 100 + i * 200));
	assert_int_equal(pw_tcp_counters(s->t)->drop_ooo_full, 2);
	for (uint32_t i = 0; i < 3; i++)
		PEER(s, .flags = A, .seq = at + 1 + i * 200, .ack = 1, .win = 65535, .len = 100,
		     .data = script_bytes(at + i * 200));
	script_check_got(s, at + 600);
	script_skip(s);
}

static void
losses_of_before_make_nobody_the_first_to_yield(void **state)
{
	(void)state;
	hold_three_of_three(0);
}

/* More than the record of who holds what has places for, and than numbers. */
static void
many_losses_leave_the_order_of_those_who_hold_something(void **state)
{
	(void)state;
	hold_three_of_three(300);
}

static void
bytes_beyond_a_gap_that_stays_are_given_up(void **state)
{
	struct script *s = script_open(NULL);
	uint32_t before;

	(void)state;
	s->rport = PEER_PORT - 1;
	next_peer(s);
	before = pkt_in_use();
	PEER(s, .flags = A, .seq = 2001, .ack = 1, .win = 65535, .len = 1000,
	     .data = script_bytes(2000));
	EXPECT(s, .flags = A, .seq = 1, .ack = 1);
	script_pass(s, 50000 * MS);
	/* It moves: its time begins again. */
	PEER(s, .flags = A, .seq = 1, .ack = 1, .win = 65535, .len = 1000, .data = script_bytes(0));
	EXPECT(s, .flags = A, .seq = 1, .ack = 1001);
	script_consume(s, 1000);
	script_pass(s, 59000 * MS);
	assert_int_equal(pkt_in_use() - before, 1);
	script_pass(s, 7000 * MS);
	assert_int_equal(pkt_in_use() - before, 0);
	assert_int_equal(pw_tcp_counters(s->t)->drop_ooo_old, 1);
	/* The peer sends it again. */
	PEER(s, .flags = A, .seq = 1001, .ack = 1, .win = 65535, .len = 1000,
	     .data = script_bytes(1000));
	PEER(s, .flags = A, .seq = 2001, .ack = 1, .win = 65535, .len = 1000,
	     .data = script_bytes(2000));
	EXPECT(s, .flags = A, .seq = 1, .ack = 3001);
	script_consume(s, 2000);
	script_check_got(s, 3000);
}

static void
pressure_takes_back_what_is_held_beyond_gaps(void **state)
{
	struct script *s = script_open(&(struct pw_tcp_conf){.max_ooo_total = 100});
	uint32_t before;

	(void)state;
	before = pkt_in_use();
	hoard(s, 100);
	pw_tcp_set_pressure(s->t, 1);
	script_act(s);
	assert_int_equal(pkt_in_use() - before, 100);
	pw_tcp_set_pressure(s->t, 2);
	script_act(s);
	assert_int_equal(pkt_in_use() - before, 36);
	script_act(s);
	assert_int_equal(pkt_in_use() - before, 0);
	NOTHING(s);
}

/* What was advertised last: acknowledgement and right edge, in the script's numbers. */
static void
last_word(struct script *s, uint32_t *ack, uint32_t *edge)
{
	for (; s->taken != s->nb_out; s->taken++) {
		const struct tcp_seg *o = &s->out[s->taken % SCRIPT_OUT].seg;
		uint32_t now = o->ack - PEER_ISS + o->win;

		assert_true(now >= *edge); /* never to the left */
		*ack = o->ack - PEER_ISS;
		*edge = now;
	}
}

/*
 * A peer that cuts its stream into crumbs, to an application that does not read: what is held
 * stands in few buffers, whatever the size of the segments, and nothing is lost for it.
 */
static void
crumbs_do_not_pin_a_buffer_each(void **state)
{
	static const uint32_t size[] = {2, 300, 700, 1460};

	(void)state;
	for (uint32_t i = 0; i < RTE_DIM(size); i++) {
		uint32_t ack = 1, edge = 65536, before;
		struct script *s;

		script_setup(NULL);
		s = script_open(&(struct pw_tcp_conf){.rx_window = 65535});
		before = pkt_in_use();
		script_accept(s);
		while (edge - ack >= size[i]) {
			PEER(s, .flags = A, .seq = ack, .ack = 1, .win = 65535, .len = size[i],
			     .data = script_bytes(ack - 1));
			ack += size[i];
			script_pass(s, 50 * MS);
			last_word(s, &ack, &edge);
			/* A buffer for each KiB of the window, and a few. */
			assert_true(pkt_in_use() - before <= 64 + 16);
		}
		assert_true(pw_tcp_rx_len(s->conn) >= 40000);
		script_consume(s, pw_tcp_rx_len(s->conn));
		script_check_got(s, ack - 1);
		last_word(s, &ack, &edge);
		assert_true(edge - ack >= 32768);
		assert_int_equal(script_teardown(NULL), 0);
	}
	script_setup(NULL);
}

static void
arm_retransmission(struct script *s)
{
	script_send(s, 0, 100);
}

static void
arm_delayed_ack(struct script *s)
{
	PEER(s, .flags = A, .seq = 1, .ack = 1, .win = 65535, .len = 10);
}

static void
arm_persist(struct script *s)
{
	PEER(s, .flags = A, .seq = 1, .ack = 1, .win = 0);
	script_send(s, 0, 100);
}

static void
arm_fin(struct script *s)
{
	pw_tcp_close(s->t, s->conn, s->now);
	script_act(s);
}

static void
arm_nothing(struct script *s)
{
	(void)s;
}

/* The place of a connection that ended goes to the next one, whose timer must be its own. */
static void
timers_of_a_reset_connection_do_not_fire_in_its_successor(void **state)
{
	void (*const arm[])(struct script *) = {arm_retransmission, arm_delayed_ack, arm_persist,
						arm_fin, arm_nothing};

	(void)state;
	for (uint32_t i = 0; i < 2 * RTE_DIM(arm); i++) {
		struct script *s;
		pw_handle old;
		uint32_t next;

		script_setup(NULL);
		s = script_open(&(struct pw_tcp_conf){.max_conns = 1, .keepalive_ms = 3000});
		script_accept(s);
		old = pw_tcp_handle(s->t, s->conn);
		arm[i / 2](s);
		script_skip(s);
		next = arm[i / 2] == arm_delayed_ack ? 11 : 1;
		if (i % 2 == 0) {
			PEER(s, .flags = R, .seq = next);
			assert_int_equal(s->why, PW_TCP_END_RESET);
		} else {
			pw_tcp_abort(s->t, s->conn, s->now);
			s->conn = NULL;
			script_act(s);
			script_skip(s);
		}
		assert_null(pw_tcp_find(s->t, old));
		/* There is one place: the successor stands in it. */
		s->rport++;
		s->iss_known = false;
		script_accept(s);
		assert_null(pw_tcp_find(s->t, old));
		script_pass(s, 2900 * MS);
		NOTHING(s);
		assert_int_equal(pw_tcp_state(s->conn), PW_TCP_ESTABLISHED);
		script_pass(s, 200 * MS); /* its own: the keepalive */
		EXPECT(s, .flags = A, .seq = 0, .ack = 1);
		assert_int_equal(script_teardown(NULL), 0);
	}
	script_setup(NULL);
}

/* Three timers stand side by side in the wheel; the one in the middle goes. */
static void
neighbours_of_a_reset_connection_keep_their_timers(void **state)
{
	struct script *s = script_open(&(struct pw_tcp_conf){.max_conns = 3});
	uint32_t iss[3];

	(void)state;
	for (uint32_t c = 0; c < 3; c++) {
		s->rport = PEER_PORT + c;
		s->iss_known = false;
		script_accept(s);
		iss[c] = s->iss;
		script_send(s, 0, 100);
		script_skip(s);
	}
	s->rport = PEER_PORT + 1;
	s->iss = iss[1];
	PEER(s, .flags = R, .seq = 1);
	assert_int_equal(s->gone, 1);
	script_pass(s, 1200 * MS);
	assert_int_equal(script_skip(s), 2);
	/* And so does the one that takes its place. */
	s->rport = PEER_PORT + 3;
	s->iss_known = false;
	script_accept(s);
	script_send(s, 0, 100);
	script_skip(s);
	script_pass(s, 1200 * MS);
	assert_true(pw_tcp_counters(s->t)->rto_fired >= 3);
	assert_true(script_skip(s) >= 1);
	script_pass(s, 200000 * MS);
	script_skip(s);
	assert_int_equal(s->gone, 4);
	assert_int_equal(pw_tcp_next(s->t), UINT64_MAX);
}

/* A reset that arrives in the burst in which a timer is due, and one from inside an upcall. */
static void
abort_at_the_moment_of_a_timer_leaves_nothing(void **state)
{
	struct script *s = script_open(NULL);

	(void)state;
	script_accept(s);
	script_send(s, 0, 100);
	script_skip(s);
	assert_true(script_until_sent(s, 5000 * MS));
	s->now = pw_tcp_next(s->t); /* due, not fired */
	script_skip(s);
	PEER(s, .flags = R, .seq = 1);
	assert_int_equal(s->gone, 1);
	script_pass(s, 600000 * MS);
	NOTHING(s);
	assert_int_equal(s->gone, 1);
}

/* Sending: the peer's window is 0 to 3 bytes, its updates get lost as often as not. */
static void
tiny_windows_of_a_peer_that_loses_updates_carry_the_stream(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 40; seed++) {
		struct sim_rng rng = {.s = seed};
		uint32_t rcv = 1, edge, win, end = 61;
		struct script *s;
		uint64_t start;

		script_setup(NULL);
		s = script_open(NULL);
		script_accept(s);
		win = sim_rng_below(&rng, 2);
		edge = rcv + win;
		PEER(s, .flags = A, .seq = 1, .ack = 1, .win = win);
		script_send(s, 0, end - 1);
		start = s->now;
		while (rcv != end) {
			assert_true(s->now - start < UINT64_C(3600) * 4 * 1000 * MS);
			assert_non_null(s->conn);
			(void)script_until_sent(s, 1000 * MS);
			while (s->taken != s->nb_out) {
				const struct tcp_seg *o = &s->out[s->taken % SCRIPT_OUT].seg;
				uint32_t at = o->seq - s->iss, last = at + o->len;

				/* A probe reaches one byte beyond a window that is shut. */
				assert_true(last <= edge || (o->len == 1 && last == edge + 1));
				if (at <= rcv && RTE_MIN(last, edge) > rcv)
					rcv = RTE_MIN(last, edge);
				s->taken++;
			}
			/* The reader takes what came; the edge never moves left. */
			edge = RTE_MAX(edge, rcv + sim_rng_below(&rng, 4));
			if (sim_rng_chance(&rng, 500))
				PEER(s, .flags = A, .seq = 1, .ack = rcv, .win = edge - rcv);
		}
		PEER(s, .flags = A, .seq = 1, .ack = rcv, .win = 1);
		assert_int_equal(pw_tcp_unacked(s->conn), 0);
		assert_int_equal(script_teardown(NULL), 0);
	}
	script_setup(NULL);
}

/* Receiving: the window is 0 to 3 bytes; exactly what was offered is taken. */
static void
tiny_windows_that_are_advertised_are_the_ones_enforced(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 40; seed++) {
		struct sim_rng rng = {.s = seed};
		uint32_t ack = 1, edge = 0, size = 1 + sim_rng_below(&rng, 3);
		struct script *s;

		script_setup(NULL);
		s = script_open(&(struct pw_tcp_conf){.rx_window = size});
		script_accept(s);
		edge = 1 + size;
		for (uint32_t i = 0; i < ROUNDS; i++) {
			uint32_t len = 1 + sim_rng_below(&rng, 6);
			uint32_t before = pw_tcp_rx_len(s->conn);
			uint32_t want = RTE_MIN(len, edge - ack);

			assert_true(edge - ack <= size);
			PEER(s, .flags = A, .seq = ack, .ack = 1, .win = 65535, .len = len,
			     .data = script_bytes(ack - 1));
			assert_int_equal(pw_tcp_rx_len(s->conn) - before, want);
			script_pass(s, 50 * MS);
			last_word(s, &ack, &edge);
			assert_int_equal(ack, 1 + s->nb_got + pw_tcp_rx_len(s->conn));
			if (sim_rng_chance(&rng, 600) && pw_tcp_rx_len(s->conn) > 0)
				script_consume(s, 1 + sim_rng_below(&rng, pw_tcp_rx_len(s->conn)));
			last_word(s, &ack, &edge);
		}
		assert_true(s->nb_got > ROUNDS / 4);
		script_check_got(s, s->nb_got);
		assert_int_equal(script_teardown(NULL), 0);
	}
	script_setup(NULL);
}

/* A listener that is full says nothing; those that are established neither notice nor pay. */
static void
requests_beyond_the_table_cost_the_established_nothing(void **state)
{
	struct script *s = script_open(&(struct pw_tcp_conf){.max_conns = 2});
	struct pw_tcp_conn *first;

	(void)state;
	for (uint32_t c = 0; c < 2; c++) {
		s->rport = PEER_PORT + c;
		s->iss_known = false;
		script_accept(s);
	}
	first = s->conn;
	for (uint32_t i = 0; i < 1000; i++) {
		s->rport = PEER_PORT + 2 + i;
		PEER(s, .flags = S, .seq = 0, .win = 65535, .mss = 1460);
	}
	NOTHING(s);
	assert_int_equal(s->gone, 0);
	s->rport = PEER_PORT + 1;
	PEER(s, .flags = A, .seq = 1, .ack = 1, .win = 65535, .len = 10, .data = script_bytes(0));
	assert_int_equal(pw_tcp_rx_len(first), 10);
	script_pass(s, 100 * MS);
	EXPECT(s, .flags = A, .seq = 1, .ack = 11);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		SCRIPT(control_goes_on_while_the_packet_pool_is_empty),
		SCRIPT(crumbs_do_not_pin_a_buffer_each),
		SCRIPT(hoarders_beyond_a_gap_leave_buffers_for_the_others),
		SCRIPT(hoarders_beyond_a_gap_leave_reassembly_to_the_others),
		SCRIPT(losses_of_before_make_nobody_the_first_to_yield),
		SCRIPT(many_losses_leave_the_order_of_those_who_hold_something),
		SCRIPT(bytes_beyond_a_gap_that_stays_are_given_up),
		SCRIPT(pressure_takes_back_what_is_held_beyond_gaps),
		SCRIPT(timers_of_a_reset_connection_do_not_fire_in_its_successor),
		SCRIPT(neighbours_of_a_reset_connection_keep_their_timers),
		SCRIPT(abort_at_the_moment_of_a_timer_leaves_nothing),
		SCRIPT(tiny_windows_of_a_peer_that_loses_updates_carry_the_stream),
		SCRIPT(tiny_windows_that_are_advertised_are_the_ones_enforced),
		SCRIPT(requests_beyond_the_table_cost_the_established_nothing),
	};

	return cmocka_run_group_tests(tests, script_group_setup, script_group_teardown);
}
