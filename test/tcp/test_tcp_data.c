/* SPDX-License-Identifier: BSD-3-Clause */
/* Receiving: delayed ACKs, trimming, reassembly and its bounds, timestamps, windows. */
#include <pubwire/base/sum.h>
#include <pubwire/base/sumnote.h>

#include "script.h"

#define MSS 1460

static void
data_is_acknowledged_after_the_delay(void **state)
{
	struct script *s = script_open(NULL);
	uint64_t at;

	(void)state;
	script_accept(s);
	at = s->now;
	PEER(s, .flags = A, .seq = 1, .ack = 1, .win = 65535, .len = 100, .data = script_bytes(0));
	NOTHING(s);
	assert_int_equal(s->readable, 1);
	assert_int_equal(pw_tcp_rx_len(s->conn), 100);
	assert_true(script_until_sent(s, 200 * MS));
	EXPECT(s, .flags = A, .seq = 1, .ack = 101);
	WITHIN_MS(s->now - at, 40, 42);
	assert_int_equal(pw_tcp_counters(s->t)->acks_delayed, 1);
	script_consume(s, 100);
	script_check_got(s, 100);
}

static void
second_full_segment_is_acknowledged_at_once(void **state)
{
	struct script *s = script_open(NULL);

	(void)state;
	script_accept(s);
	PEER(s, .flags = A, .seq = 1, .ack = 1, .win = 65535, .len = MSS);
	NOTHING(s);
	PEER(s, .flags = A, .seq = 1 + MSS, .ack = 1, .win = 65535, .len = MSS);
	EXPECT(s, .flags = A, .seq = 1, .ack = 1 + 2 * MSS); /* RFC 5681 4.2 */
	NOTHING(s);
	script_pass(s, 100 * MS);
	NOTHING(s);
}

static void
burst_is_acknowledged_once(void **state)
{
	struct script *s = script_open(NULL);
	struct tcp_seg burst[6];

	(void)state;
	script_accept(s);
	for (uint32_t i = 0; i < 6; i++)
		burst[i] = (struct tcp_seg){.flags = A,
					    .seq = 1 + i * MSS,
					    .ack = 1,
					    .win = 65535,
					    .len = MSS,
					    .data = script_bytes(i * MSS)};
	script_peer_burst(s, burst, 6);
	EXPECT(s, .flags = A, .seq = 1, .ack = 1 + 6 * MSS);
	NOTHING(s);
	script_consume(s, 6 * MSS);
	script_check_got(s, 6 * MSS);
}

static void
ack_rides_on_data(void **state)
{
	struct script *s = script_open(NULL);

	(void)state;
	script_accept(s);
	PEER(s, .flags = A, .seq = 1, .ack = 1, .win = 65535, .len = 100);
	script_send(s, 0, 10);
	EXPECT(s, .flags = A, .seq = 1, .ack = 101, .len = 10);
	PEER(s, .flags = A, .seq = 101, .ack = 11, .win = 65535);
	script_pass(s, 100 * MS);
	NOTHING(s);
}

static void
bytes_already_received_are_trimmed_on_the_left(void **state)
{
	struct script *s = script_open(NULL);

	(void)state;
	script_accept(s);
	PEER(s, .flags = A, .seq = 1, .ack = 1, .win = 65535, .len = 100, .data = script_bytes(0));
	PEER(s, .flags = A, .seq = 51, .ack = 1, .win = 65535, .len = 100,
	     .data = script_bytes(50));
	script_skip(s);
	assert_int_equal(pw_tcp_rx_len(s->conn), 150);
	assert_int_equal(pw_tcp_counters(s->t)->drop_duplicate, 50);
	script_consume(s, 150);
	script_check_got(s, 150);
}

static void
duplicate_is_acknowledged_at_once(void **state)
{
	struct script *s = script_open(NULL);

	(void)state;
	script_accept(s);
	PEER(s, .flags = A, .seq = 1, .ack = 1, .win = 65535, .len = 100);
	script_pass(s, 50 * MS);
	script_skip(s);
	PEER(s, .flags = A, .seq = 1, .ack = 1, .win = 65535, .len = 100);
	EXPECT(s, .flags = A, .seq = 1, .ack = 101);
	assert_int_equal(pw_tcp_rx_len(s->conn), 100);
}

static void
bytes_beyond_the_window_are_trimmed_on_the_right(void **state)
{
	struct script *s = script_open(&(struct pw_tcp_conf){.rx_window = 1000});

	(void)state;
	script_accept(s);
	PEER(s, .flags = A, .seq = 1, .ack = 1, .win = 65535, .len = 1200, .data = script_bytes(0));
	script_skip(s);
	assert_int_equal(pw_tcp_rx_len(s->conn), 1000);
	assert_int_equal(pw_tcp_counters(s->t)->drop_window, 200);
	script_consume(s, 1000);
	script_check_got(s, 1000);
}

static void
fin_beyond_the_window_is_not_taken(void **state)
{
	struct script *s = script_open(&(struct pw_tcp_conf){.rx_window = 1000});

	(void)state;
	script_accept(s);
	PEER(s, .flags = A | F, .seq = 1, .ack = 1, .win = 65535, .len = 1200);
	assert_int_equal(pw_tcp_state(s->conn), PW_TCP_ESTABLISHED);
	assert_false(pw_tcp_eof(s->conn));
}

static void
hole_is_reported_and_filling_it_acknowledges_all(void **state)
{
	struct script *s = script_open(NULL);

	(void)state;
	script_accept(s);
	for (uint32_t i = 1; i <= 3; i++) {
		PEER(s, .flags = A, .seq = 1 + i * 100, .ack = 1, .win = 65535, .len = 100,
		     .data = script_bytes(i * 100));
		EXPECT(s, .flags = A, .seq = 1, .ack = 1); /* RFC 5681 4.2: at once */
		NOTHING(s);
	}
	assert_int_equal(pw_tcp_rx_len(s->conn), 0);
	assert_int_equal(pw_tcp_counters(s->t)->ooo_in, 3);
	PEER(s, .flags = A, .seq = 1, .ack = 1, .win = 65535, .len = 100, .data = script_bytes(0));
	EXPECT(s, .flags = A, .seq = 1, .ack = 401);
	script_consume(s, 400);
	script_check_got(s, 400);
}

static void
duplicate_acks_carry_an_unchanged_window(void **state)
{
	struct script *s = script_open(NULL);
	uint16_t win;

	(void)state;
	script_accept(s);
	PEER(s, .flags = A, .seq = 101, .ack = 1, .win = 65535, .len = 100);
	win = EXPECT(s, .flags = A, .seq = 1, .ack = 1)->win;
	PEER(s, .flags = A, .seq = 201, .ack = 1, .win = 65535, .len = 100);
	/* RFC 5681 2: otherwise the peer would not count it. */
	assert_int_equal(EXPECT(s, .flags = A, .seq = 1, .ack = 1)->win, win);
}

static void
reassembly_is_bounded_per_connection(void **state)
{
	struct script *s = script_open(&(struct pw_tcp_conf){.max_ooo = 4, .rx_copy_break = 1});

	(void)state;
	script_accept(s);
	for (uint32_t i = 1; i <= 6; i++) /* every other one, so that none can join */
		PEER(s, .flags = A, .seq = 1 + i * 200, .ack = 1, .win = 65535, .len = 100,
		     .data = script_bytes(i * 200));
	script_skip(s);
	assert_int_equal(pw_tcp_counters(s->t)->drop_ooo_full, 2);
	for (uint32_t i = 0; i < 8; i++) {
		PEER(s, .flags = A, .seq = 1 + i * 200, .ack = 1, .win = 65535, .len = 200,
		     .data = script_bytes(i * 200));
	}
	script_skip(s);
	script_consume(s, 1600);
	script_check_got(s, 1600);
}

static void
reassembly_is_bounded_in_all(void **state)
{
	struct script *s =
		script_open(&(struct pw_tcp_conf){.max_ooo_total = 3, .rx_copy_break = 1});

	(void)state;
	for (uint32_t c = 0; c < 3; c++) {
		s->rport = PEER_PORT + c;
		s->iss_known = false;
		script_accept(s);
		PEER(s, .flags = A, .seq = 201, .ack = 1, .win = 65535, .len = 100);
		PEER(s, .flags = A, .seq = 401, .ack = 1, .win = 65535, .len = 100);
		script_skip(s);
	}
	assert_int_equal(pw_tcp_counters(s->t)->drop_ooo_full, 3);
	/* The hole itself is never refused: that frees what is held. */
	s->rport = PEER_PORT + 1;
	PEER(s, .flags = R, .seq = 1);
	assert_int_equal(s->gone, 1);
	s->rport = PEER_PORT + 2;
	PEER(s, .flags = A, .seq = 601, .ack = 1, .win = 65535, .len = 100);
	assert_int_equal(pw_tcp_counters(s->t)->drop_ooo_full, 3);
}

static void
overlapping_pieces_in_any_order_give_the_stream(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 60; seed++) {
		struct sim_rng rng = {.s = seed};
		struct script *s;

		script_setup(NULL);
		s = script_open(NULL);
		s->auto_consume = true;
		script_accept(s);
		for (uint32_t i = 0; i < 300 && s->nb_got < 4000; i++) {
			uint32_t lo = sim_rng_below(&rng, 4000), n;

			if (i % 8 == 7)
				lo = s->nb_got;
			n = 1 + sim_rng_below(&rng, 400);
			n = RTE_MIN(n, 4000 - lo);
			if (n == 0)
				continue;
			PEER(s, .flags = A, .seq = 1 + lo, .ack = 1, .win = 65535, .len = n,
			     .data = script_bytes(lo));
			script_skip(s);
		}
		PEER(s, .flags = A, .seq = 1 + s->nb_got, .ack = 1, .win = 65535, .len = 0);
		for (uint32_t off = s->nb_got; off < 4000; off = s->nb_got)
			PEER(s, .flags = A, .seq = 1 + off, .ack = 1, .win = 65535,
			     .len = RTE_MIN(1000u, 4000 - off), .data = script_bytes(off));
		script_check_got(s, 4000);
		pw_tcp_destroy(s->t);
		s->t = NULL;
		assert_true(pw_mem_full(script_mem()));
	}
}

static void
small_segments_share_buffers(void **state)
{
	struct script *s = script_open(NULL);
	uint32_t bufs = 0;

	(void)state;
	script_accept(s);
	for (uint32_t i = 0; i < 40; i++)
		PEER(s, .flags = A, .seq = 1 + i * 10, .ack = 1, .win = 65535, .len = 10,
		     .data = script_bytes(i * 10));
	for (struct rte_mbuf *m = pw_tcp_rx_chain(s->conn); m != NULL; m = m->next)
		bufs++;
	assert_in_range(bufs, 1, 4); /* tiny data must not pin big buffers */
	assert_in_range(pw_tcp_counters(s->t)->rx_coalesced, 36, 40);
	script_skip(s);
	script_consume(s, 400);
	script_check_got(s, 400);
}

/* As where a segment was cut to the window: what stood behind its end is written over. */
static void
bytes_joined_to_a_buffer_leave_no_sum_of_what_stood_there(void **state)
{
	struct script *s = script_open(NULL);
	struct rte_mbuf *m;
	uint16_t off;

	(void)state;
	script_accept(s);
	PEER(s, .flags = A, .seq = 1, .ack = 1, .win = 65535, .len = 500, .data = script_bytes(0));
	m = pw_tcp_rx_chain(s->conn);
	off = m->data_off;
	memset((uint8_t *)m->buf_addr + off + 500, 0xee, 200);
	pw_sumnote_put(m, off, 700, pw_sum((uint8_t *)m->buf_addr + off, 700));
	PEER(s, .flags = A, .seq = 501, .ack = 1, .win = 65535, .len = 200,
	     .data = script_bytes(500));
	assert_ptr_equal(pw_tcp_rx_chain(s->conn), m);
	assert_int_equal(m->data_len, 700);
	assert_int_equal(pw_sumnote_sum(m, off, 700), pw_sum(script_bytes(0), 700));
	script_skip(s);
	script_consume(s, 700);
	script_check_got(s, 700);
}

static void
slice_held_by_the_application_keeps_its_bytes(void **state)
{
	struct script *s = script_open(NULL);
	struct pw_slice slice;

	(void)state;
	script_accept(s);
	PEER(s, .flags = A, .seq = 1, .ack = 1, .win = 65535, .len = 50, .data = script_bytes(0));
	slice = pw_slice_of(pw_tcp_rx_chain(s->conn));
	pw_slice_hold(&slice);
	script_consume(s, 50);
	PEER(s, .flags = A, .seq = 51, .ack = 1, .win = 65535, .len = 50, .data = script_bytes(50));
	script_consume(s, 50);
	script_check_got(s, 100);
	assert_memory_equal(pw_slice_data(&slice), script_bytes(0), 50);
	pw_slice_drop(&slice);
}

static void
urgent_data_is_taken_in_line(void **state)
{
	struct script *s = script_open(NULL);

	(void)state;
	script_accept(s);
	PEER(s, .flags = A | SEG_URG, .seq = 1, .ack = 1, .win = 65535, .len = 20,
	     .data = script_bytes(0));
	script_consume(s, 20);
	script_check_got(s, 20);
}

static void
old_timestamp_is_refused(void **state)
{
	struct script *s = script_open(NULL);

	(void)state;
	script_accept_with(
		s, (struct tcp_seg){.win = 65535, .mss = 1460, .has_ts = true, .tsval = 1000});
	PEER(s, .flags = A, .seq = 1, .ack = 1, .win = 65535, .len = 10, .has_ts = true,
	     .tsval = 1010);
	script_pass(s, 50 * MS);
	script_skip(s);
	PEER(s, .flags = A, .seq = 11, .ack = 1, .win = 65535, .len = 10, .has_ts = true,
	     .tsval = 1009);
	EXPECT(s, .flags = A, .seq = 1, .ack = 11); /* RFC 7323 5.3 R1 */
	assert_int_equal(pw_tcp_rx_len(s->conn), 10);
	assert_int_equal(pw_tcp_counters(s->t)->drop_paws, 1);
	PEER(s, .flags = A, .seq = 11, .ack = 1, .win = 65535, .len = 10, .has_ts = true,
	     .tsval = 1010);
	assert_int_equal(pw_tcp_rx_len(s->conn), 20);
	/* RFC 7323 5.2: a reset is not subject to it. */
	PEER(s, .flags = R, .seq = 21, .has_ts = true, .tsval = 5);
	assert_int_equal(s->why, PW_TCP_END_RESET);
	assert_int_equal(s->gone, 1);
}

static void
segment_without_the_negotiated_timestamp_is_dropped(void **state)
{
	struct script *s = script_open(NULL);

	(void)state;
	script_accept_with(
		s, (struct tcp_seg){.win = 65535, .mss = 1460, .has_ts = true, .tsval = 1000});
	PEER(s, .flags = A, .seq = 1, .ack = 1, .win = 65535, .len = 10);
	assert_int_equal(pw_tcp_rx_len(s->conn), 0); /* RFC 7323 3.2 SHOULD */
}

static void
timestamp_echo_is_that_of_the_segment_acknowledged_first(void **state)
{
	struct script *s = script_open(NULL);
	const struct tcp_seg *o;

	(void)state;
	script_accept_with(
		s, (struct tcp_seg){.win = 65535, .mss = 1460, .has_ts = true, .tsval = 1000});
	PEER(s, .flags = A, .seq = 1, .ack = 1, .win = 65535, .len = 1448, .has_ts = true,
	     .tsval = 1010);
	PEER(s, .flags = A, .seq = 1449, .ack = 1, .win = 65535, .len = 1448, .has_ts = true,
	     .tsval = 1020);
	o = EXPECT(s, .flags = A, .seq = 1, .ack = 2897);
	assert_int_equal(o->tsecr, 1010); /* RFC 7323 4.3 (2) */
	PEER(s, .flags = A, .seq = 3897, .ack = 1, .win = 65535, .len = 100, .has_ts = true,
	     .tsval = 1030);
	o = EXPECT(s, .flags = A, .seq = 1, .ack = 2897);
	assert_int_not_equal(o->tsecr, 1030);
}

/* What is not acceptable, or was received before, says nothing of the peer's clock. */
static void
forged_old_segment_does_not_move_the_timestamp(void **state)
{
	struct script *s = script_open(NULL);
	uint32_t late = 1001 + 0x7ffffff0u;

	(void)state;
	script_accept_with(
		s, (struct tcp_seg){.win = 65535, .mss = 1460, .has_ts = true, .tsval = 1000});
	PEER(s, .flags = A, .seq = 1, .ack = 1, .win = 65535, .len = 1000, .has_ts = true,
	     .tsval = 1001);
	/* Blind: a sequence number of long ago and any acknowledgement. */
	PEER(s, .flags = A, .seq = 1 - 100000u, .ack = 0x51234567, .win = 1, .len = 1,
	     .has_ts = true, .tsval = late);
	assert_int_equal(pw_tcp_counters(s->t)->drop_ack, 1);
	/* In place, but it acknowledges what was never sent. */
	PEER(s, .flags = A, .seq = 1001, .ack = 500, .win = 1, .len = 1, .has_ts = true,
	     .tsval = late);
	assert_int_equal(pw_tcp_counters(s->t)->drop_ack, 2);
	/* An acknowledgement that would do, on bytes that stand in the queue already. */
	PEER(s, .flags = A, .seq = 1, .ack = 1, .win = 65535, .len = 10, .has_ts = true,
	     .tsval = late);
	PEER(s, .flags = A, .seq = 1001, .ack = 1, .win = 65535, .len = 1000, .has_ts = true,
	     .tsval = 1002);
	assert_int_equal(pw_tcp_rx_len(s->conn), 2000);
	assert_int_equal(pw_tcp_counters(s->t)->drop_paws, 0);
	script_skip(s);
}

static void
duplicate_evicts_nothing_that_waits_beyond_a_gap(void **state)
{
	struct script *s = script_open(NULL);

	(void)state;
	s->auto_consume = true;
	script_accept(s);
	for (uint32_t i = 0; i < 8; i++) /* as many as are held */
		PEER(s, .flags = A, .seq = 1001 + i * 2000, .ack = 1, .win = 65535, .len = 1000,
		     .data = script_bytes(1000 + i * 2000));
	for (uint32_t i = 0; i < 3; i++)
		PEER(s, .flags = A, .seq = 1001, .ack = 1, .win = 65535, .len = 1000,
		     .data = script_bytes(1000));
	assert_int_equal(pw_tcp_counters(s->t)->drop_duplicate, 3000);
	assert_int_equal(pw_tcp_counters(s->t)->drop_ooo_full, 0);
	for (uint32_t i = 0; i < 8; i++)
		PEER(s, .flags = A, .seq = 1 + i * 2000, .ack = 1, .win = 65535, .len = 1000,
		     .data = script_bytes(i * 2000));
	script_check_got(s, 16000);
	script_skip(s);
}

static void
bad_option_lengths_are_dropped(void **state)
{
	struct script *s = script_open(NULL);
	struct pw_addr local = sim_wire_addr(0), remote = sim_wire_addr(1);
	struct tcp_seg syn = {.sport = PEER_PORT, .dport = LOCAL_PORT, .flags = S, .mss = 1460};
	uint8_t raw[SEG_MAX];
	uint32_t n = tcp_seg_build(&syn, raw);
	struct rte_mbuf *m;

	(void)state;
	raw[12] = 0x40; /* a header of 16 bytes */
	m = tcp_seg_frame(script_mem()->pkt, &remote, &local, raw, n);
	pw_tcp_input(s->t, &m, 1, s->now);
	raw[12] = 0xf0; /* a header of 60 in a segment of 24 */
	m = tcp_seg_frame(script_mem()->pkt, &remote, &local, raw, n);
	pw_tcp_input(s->t, &m, 1, s->now);
	m = tcp_seg_frame(script_mem()->pkt, &remote, &local, raw, 7);
	pw_tcp_input(s->t, &m, 1, s->now);
	script_act(s);
	NOTHING(s);
	assert_int_equal(pw_tcp_counters(s->t)->drop_header, 3);
	raw[12] = 0x60;
	raw[21] = 40; /* an option that is longer than the header */
	m = tcp_seg_frame(script_mem()->pkt, &remote, &local, raw, n);
	pw_tcp_input(s->t, &m, 1, s->now);
	raw[21] = 0; /* and one that would never end */
	m = tcp_seg_frame(script_mem()->pkt, &remote, &local, raw, n);
	pw_tcp_input(s->t, &m, 1, s->now);
	script_act(s);
	script_skip(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		SCRIPT(data_is_acknowledged_after_the_delay),
		SCRIPT(second_full_segment_is_acknowledged_at_once),
		SCRIPT(burst_is_acknowledged_once),
		SCRIPT(ack_rides_on_data),
		SCRIPT(bytes_already_received_are_trimmed_on_the_left),
		SCRIPT(duplicate_is_acknowledged_at_once),
		SCRIPT(bytes_beyond_the_window_are_trimmed_on_the_right),
		SCRIPT(fin_beyond_the_window_is_not_taken),
		SCRIPT(hole_is_reported_and_filling_it_acknowledges_all),
		SCRIPT(duplicate_acks_carry_an_unchanged_window),
		SCRIPT(reassembly_is_bounded_per_connection),
		SCRIPT(reassembly_is_bounded_in_all),
		SCRIPT(overlapping_pieces_in_any_order_give_the_stream),
		SCRIPT(small_segments_share_buffers),
		SCRIPT(bytes_joined_to_a_buffer_leave_no_sum_of_what_stood_there),
		SCRIPT(slice_held_by_the_application_keeps_its_bytes),
		SCRIPT(urgent_data_is_taken_in_line),
		SCRIPT(old_timestamp_is_refused),
		SCRIPT(segment_without_the_negotiated_timestamp_is_dropped),
		SCRIPT(timestamp_echo_is_that_of_the_segment_acknowledged_first),
		SCRIPT(forged_old_segment_does_not_move_the_timestamp),
		SCRIPT(duplicate_evicts_nothing_that_waits_beyond_a_gap),
		SCRIPT(bad_option_lengths_are_dropped),
	};

	return cmocka_run_group_tests(tests, script_group_setup, script_group_teardown);
}
