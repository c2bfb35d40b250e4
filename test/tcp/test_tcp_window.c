/* SPDX-License-Identifier: BSD-3-Clause */
/* Windows of both sides (RFC 9293 3.8.6). */
#include "script.h"

#define MSS 1460

static void
zero_window_is_probed_with_backoff(void **state)
{
	struct script *s = script_open(NULL);
	uint64_t last, gap, before = 0;

	(void)state;
	script_accept(s);
	PEER(s, .flags = A, .seq = 1, .ack = 1, .win = 0);
	script_send(s, 0, 3000);
	NOTHING(s);
	last = s->now;
	for (uint32_t i = 0; i < 5; i++) {
		assert_true(script_until_sent(s, 120000 * MS));
		assert_true(s->out[s->taken % SCRIPT_OUT].seg.len <= 1);
		assert_int_equal(script_skip(s), 1);
		gap = s->now - last;
		assert_true(gap >= 199 * MS); /* RFC 9293 3.8.6.1: first after the RTO */
		if (i > 1)
			assert_true(gap >= before + before / 2);
		before = gap;
		last = s->now;
		PEER(s, .flags = A, .seq = 1, .ack = 1, .win = 0);
	}
	assert_int_equal(pw_tcp_counters(s->t)->zero_window_probes, 5);
	assert_int_equal(s->gone, 0);
	PEER(s, .flags = A, .seq = 1, .ack = 1, .win = 65535);
	EXPECT(s, .flags = A, .seq = 1, .ack = 1, .len = MSS, .data = script_bytes(0));
	EXPECT(s, .flags = A, .seq = 1 + MSS, .ack = 1, .len = MSS);
	EXPECT(s, .flags = A, .seq = 1 + 2 * MSS, .ack = 1, .len = 80);
}

static void
peer_that_answers_probes_is_never_given_up(void **state)
{
	struct script *s = script_open(&(struct pw_tcp_conf){.user_timeout_ms = 5000});

	(void)state;
	script_accept(s);
	PEER(s, .flags = A, .seq = 1, .ack = 1, .win = 0);
	script_send(s, 0, 3000);
	for (uint32_t i = 0; i < 10; i++) {
		assert_true(script_until_sent(s, 120000 * MS));
		script_skip(s);
		PEER(s, .flags = A, .seq = 1, .ack = 1, .win = 0);
	}
	assert_int_equal(s->gone, 0); /* RFC 9293 3.8.6.1: MUST remain open */
}

/* RFC 9293 3.8.6.1 keeps a connection open for its owner; one that was closed has none. */
static void
closed_connection_ends_though_probes_are_answered(void **state)
{
	struct script *s = script_open(&(struct pw_tcp_conf){.user_timeout_ms = 5000});
	uint64_t closed;

	(void)state;
	script_accept(s);
	PEER(s, .flags = A, .seq = 1, .ack = 1, .win = 0);
	script_send(s, 0, 3000);
	for (uint32_t i = 0; i < 6; i++) { /* longer than the time-out */
		assert_true(script_until_sent(s, 120000 * MS));
		script_skip(s);
		PEER(s, .flags = A, .seq = 1, .ack = 1, .win = 0);
	}
	assert_true(s->now - s->start > 5000 * MS);
	closed = s->now;
	pw_tcp_close(s->t, s->conn, s->now);
	while (s->gone == 0 && s->now - closed < 60000 * MS) {
		script_pass(s, 100 * MS);
		if (s->gone == 0 && script_skip(s) != 0)
			PEER(s, .flags = A, .seq = 1, .ack = 1, .win = 0);
	}
	assert_int_equal(s->gone, 1);
	assert_int_equal(s->why, PW_TCP_END_TIMEOUT);
	WITHIN_MS(s->now - closed, 5000, 5200);
	script_skip(s);
}

/* The same where the window shuts after the close. */
static void
window_that_shuts_after_the_close_ends_the_connection(void **state)
{
	struct script *s = script_open(&(struct pw_tcp_conf){.user_timeout_ms = 5000});
	uint64_t closed;

	(void)state;
	script_accept(s);
	script_pass(s, 20000 * MS);
	script_send(s, 0, 3000);
	pw_tcp_close(s->t, s->conn, s->now);
	closed = s->now;
	script_skip(s);
	PEER(s, .flags = A, .seq = 1, .ack = 1461, .win = 0);
	while (s->gone == 0 && s->now - closed < 60000 * MS) {
		script_pass(s, 100 * MS);
		if (s->gone == 0 && script_skip(s) != 0)
			PEER(s, .flags = A, .seq = 1, .ack = 1461, .win = 0);
	}
	assert_int_equal(s->why, PW_TCP_END_TIMEOUT);
	WITHIN_MS(s->now - closed, 5000, 5200);
	script_skip(s);
}

/* A probe lies beyond the shut window; what carries no byte must not, or the peer drops it. */
static void
bare_segments_stay_within_a_shut_window(void **state)
{
	struct script *s = script_open(NULL);

	(void)state;
	s->auto_consume = true;
	script_accept(s);
	PEER(s, .flags = A, .seq = 1, .ack = 1, .win = 0);
	script_send(s, 0, 3000);
	assert_true(script_until_sent(s, 120000 * MS));
	EXPECT(s, .flags = A, .seq = 1, .ack = 1, .len = 1);
	PEER(s, .flags = A, .seq = 1, .ack = 1, .win = 0); /* the probe is refused */
	NOTHING(s);
	PEER(s, .flags = A, .seq = 1, .ack = 1, .win = 0, .len = 100, .data = script_bytes(0));
	PEER(s, .flags = A, .seq = 101, .ack = 1, .win = 0, .len = 100, .data = script_bytes(100));
	EXPECT(s, .flags = A, .seq = 1, .ack = 201); /* RFC 9293 3.10.7.4: 2 is not acceptable */
	NOTHING(s);
	pw_tcp_abort(s->t, s->conn, s->now);
	s->conn = NULL;
	EXPECT(s, .flags = R | A, .seq = 1, .ack = 201);
}

static void
window_that_opens_within_what_was_sent_lets_the_rest_go(void **state)
{
	struct script *s = script_open(NULL);

	(void)state;
	script_accept(s);
	PEER(s, .flags = A, .seq = 1, .ack = 1, .win = 2 * MSS);
	script_send(s, 0, 6 * MSS);
	EXPECT(s, .flags = A, .seq = 1, .ack = 1, .len = MSS);
	EXPECT(s, .flags = A, .seq = 1 + MSS, .ack = 1, .len = MSS);
	NOTHING(s);
	PEER(s, .flags = A, .seq = 1, .ack = 1 + 2 * MSS, .win = 4 * MSS);
	for (uint32_t i = 2; i < 6; i++)
		EXPECT(s, .flags = A, .seq = 1 + i * MSS, .ack = 1, .len = MSS);
}

static void
old_segment_does_not_change_the_window(void **state)
{
	struct script *s = script_open(NULL);
	struct pw_tcp_info info;

	(void)state;
	script_accept(s);
	PEER(s, .flags = A, .seq = 1, .ack = 1, .win = 5000, .len = 10);
	PEER(s, .flags = A, .seq = 11, .ack = 1, .win = 6000, .len = 10);
	PEER(s, .flags = A, .seq = 1, .ack = 1, .win = 100, .len = 10); /* WL1 keeps it out */
	pw_tcp_info(s->t, s->conn, &info);
	assert_int_equal(info.snd_wnd, 6000);
}

/* RFC 9293 3.10.7.4: SND.WL1 is that of the newest segment, also of one whose window is the same.
 */
static void
old_bytes_with_new_ones_behind_them_do_not_change_the_window(void **state)
{
	struct script *s = script_open(NULL);
	struct pw_tcp_info info;

	(void)state;
	script_accept(s);
	PEER(s, .flags = A, .seq = 1, .ack = 1, .win = 5000, .len = 10);
	PEER(s, .flags = A, .seq = 11, .ack = 1, .win = 5000, .len = 10);
	PEER(s, .flags = A, .seq = 6, .ack = 1, .win = 100, .len = 20);
	assert_int_equal(pw_tcp_rx_len(s->conn), 25);
	pw_tcp_info(s->t, s->conn, &info);
	assert_int_equal(info.snd_wnd, 5000);
	script_consume(s, 25);
}

static void
shrunk_window_stops_new_data_and_recovers(void **state)
{
	struct script *s = script_open(NULL);

	(void)state;
	script_accept(s);
	script_send(s, 0, 4 * MSS);
	assert_int_equal(script_skip(s), 4);
	PEER(s, .flags = A, .seq = 1, .ack = 1 + MSS,
	     .win = 0); /* against RFC 9293 3.8.6, yet seen */
	script_send(s, 4 * MSS, MSS);
	script_pass(s, 10 * MS);
	NOTHING(s);
	PEER(s, .flags = A, .seq = 1, .ack = 1 + 4 * MSS, .win = 65535);
	EXPECT(s, .flags = A, .seq = 1 + 4 * MSS, .ack = 1, .len = MSS,
	       .data = script_bytes(4 * MSS));
}

static void
small_window_holds_data_until_half_of_it_or_a_segment_fits(void **state)
{
	struct script *s = script_open(NULL);

	(void)state;
	script_accept(s);
	script_send(s, 0, 4 * MSS); /* the largest window the peer ever offered is 65535 */
	script_skip(s);
	PEER(s, .flags = A, .seq = 1, .ack = 1 + 4 * MSS, .win = 20);
	script_send(s, 4 * MSS, 2 * MSS);
	NOTHING(s); /* RFC 9293 3.8.6.2.1: neither a segment nor half the largest window */
	assert_true(script_until_sent(s, 5000 * MS)); /* the override timer sends what fits */
	assert_true(s->out[s->taken % SCRIPT_OUT].seg.len <= 20);
}

static void
window_closes_as_bytes_stand_unread(void **state)
{
	struct script *s = script_open(&(struct pw_tcp_conf){.rx_window = 4 * MSS});
	const struct tcp_seg *o;

	(void)state;
	PEER(s, .flags = S, .win = 65535, .mss = MSS);
	o = EXPECT(s, .flags = S | A, .seq = 0, .ack = 1);
	assert_int_equal(o->win, 4 * MSS);
	PEER(s, .flags = A, .seq = 1, .ack = 1, .win = 65535);
	for (uint32_t i = 0; i < 4; i++) {
		PEER(s, .flags = A, .seq = 1 + i * MSS, .ack = 1, .win = 65535, .len = MSS,
		     .data = script_bytes(i * MSS));
		if (i % 2 == 0)
			continue;
		o = EXPECT(s, .flags = A, .seq = 1, .ack = 1 + (i + 1) * MSS);
		assert_int_equal(o->win, (3 - i) * MSS); /* the right edge stands still */
	}
	/* Silly window: one byte opens nothing, a segment does (RFC 9293 3.8.6.2.2). */
	script_consume(s, 1);
	NOTHING(s);
	script_consume(s, MSS - 2);
	NOTHING(s);
	script_consume(s, MSS + 1);
	o = EXPECT(s, .flags = A, .seq = 1, .ack = 1 + 4 * MSS);
	assert_int_equal(o->win, 2 * MSS);
	script_consume(s, 2 * MSS);
	script_check_got(s, 4 * MSS);
}

static void
probe_of_a_closed_window_is_answered_and_not_taken(void **state)
{
	struct script *s = script_open(&(struct pw_tcp_conf){.rx_window = 1000});
	const struct tcp_seg *o;

	(void)state;
	script_accept(s);
	PEER(s, .flags = A, .seq = 1, .ack = 1, .win = 65535, .len = 1000);
	script_pass(s, 50 * MS);
	script_skip(s);
	PEER(s, .flags = A, .seq = 1001, .ack = 1, .win = 65535, .len = 1);
	o = EXPECT(s, .flags = A, .seq = 1, .ack = 1001);
	assert_int_equal(o->win, 0);
	assert_int_equal(pw_tcp_rx_len(s->conn), 1000);
	/* With the window closed, RST and ACK are still heard (RFC 9293 3.10.7.4). */
	script_send(s, 0, 10);
	script_skip(s);
	PEER(s, .flags = A, .seq = 1001, .ack = 11, .win = 65535);
	assert_int_equal(pw_tcp_unacked(s->conn), 0);
	PEER(s, .flags = R, .seq = 1001);
	assert_int_equal(s->why, PW_TCP_END_RESET);
	assert_int_equal(s->gone, 1);
}

/* The part beyond a shut window is not taken; the acknowledgement that comes with it is heard. */
static void
segment_across_the_edge_of_a_shut_window_acknowledges(void **state)
{
	struct script *s = script_open(&(struct pw_tcp_conf){.rx_window = 1000});

	(void)state;
	script_accept(s);
	PEER(s, .flags = A, .seq = 1, .ack = 1, .win = 65535, .len = 1000);
	script_pass(s, 50 * MS);
	script_send(s, 0, 10);
	script_skip(s);
	PEER(s, .flags = A, .seq = 501, .ack = 11, .win = 65535, .len = 1000);
	assert_int_equal(pw_tcp_unacked(s->conn), 0);
	assert_int_equal(pw_tcp_rx_len(s->conn), 1000);
	assert_int_equal(pw_tcp_counters(s->t)->drop_duplicate, 500);
	assert_int_equal(pw_tcp_counters(s->t)->drop_window, 500);
	EXPECT(s, .flags = A, .seq = 11, .ack = 1001);
}

static void
window_of_one_byte_carries_a_stream(void **state)
{
	struct script *s = script_open(&(struct pw_tcp_conf){.rx_window = 1});

	(void)state;
	s->auto_consume = true;
	script_accept(s);
	for (uint32_t i = 0; i < 20; i++) {
		PEER(s, .flags = A, .seq = 1 + i, .ack = 1, .win = 65535, .len = 1,
		     .data = script_bytes(i));
		script_pass(s, 50 * MS);
	}
	script_skip(s);
	script_check_got(s, 20);
}

/*
 * RFC 7323 2.4: bytes that the field can't show are given on top, a segment's worth in all. Then
 * the edge moves left as the peer sees it; what was offered to the right of that is taken none the
 * less.
 */
static void
rounding_gives_a_segment_away_at_most_and_takes_what_it_offered(void **state)
{
	const uint32_t window = 1 << 20, unit = 32, small = unit - 1;
	struct script *s = script_open(&(struct pw_tcp_conf){.rx_window = window});
	uint32_t seq = 1, edge = 0, seen = 0;

	(void)state;
	script_accept_with(s, (struct tcp_seg){.win = 65535, .mss = 1460, .has_ws = true});
	for (uint32_t i = 0; i < 100 && seen >= edge; i++) {
		edge = RTE_MAX(edge, seen);
		PEER(s, .flags = A, .seq = seq, .ack = 1, .win = 65535, .len = small);
		seq += small;
		script_pass(s, 50 * MS);
		seen = seq + EXPECT(s, .flags = A, .seq = 1, .ack = seq)->win * unit;
		assert_true(seen <= 1 + window + MSS);
	}
	assert_in_range(edge, 1 + window + MSS - unit, 1 + window + MSS);
	assert_in_range(seen, edge - unit, edge - 1);
	PEER(s, .flags = A, .seq = edge - 1000, .ack = 1, .win = 65535, .len = 1000);
	EXPECT(s, .flags = A, .seq = 1, .ack = seq);
	assert_int_equal(pw_tcp_counters(s->t)->drop_window, 0);
	assert_int_equal(pw_tcp_counters(s->t)->ooo_in, 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		SCRIPT(zero_window_is_probed_with_backoff),
		SCRIPT(peer_that_answers_probes_is_never_given_up),
		SCRIPT(closed_connection_ends_though_probes_are_answered),
		SCRIPT(window_that_shuts_after_the_close_ends_the_connection),
		SCRIPT(bare_segments_stay_within_a_shut_window),
		SCRIPT(window_that_opens_within_what_was_sent_lets_the_rest_go),
		SCRIPT(old_segment_does_not_change_the_window),
		SCRIPT(old_bytes_with_new_ones_behind_them_do_not_change_the_window),
		SCRIPT(shrunk_window_stops_new_data_and_recovers),
		SCRIPT(small_window_holds_data_until_half_of_it_or_a_segment_fits),
		SCRIPT(window_closes_as_bytes_stand_unread),
		SCRIPT(probe_of_a_closed_window_is_answered_and_not_taken),
		SCRIPT(segment_across_the_edge_of_a_shut_window_acknowledges),
		SCRIPT(window_of_one_byte_carries_a_stream),
		SCRIPT(rounding_gives_a_segment_away_at_most_and_takes_what_it_offered),
	};

	return cmocka_run_group_tests(tests, script_group_setup, script_group_teardown);
}
