/* SPDX-License-Identifier: BSD-3-Clause */
/* Resets and blind attacks: RFC 9293 3.10.7, RFC 5961; aborts and refusals of this side. */
#include "script.h"

static void
syn_to_a_closed_port_is_reset(void **state)
{
	struct script *s = script_open(NULL);

	(void)state;
	PEER(s, .flags = S, .seq = 0, .win = 65535, .dport = 9);
	EXPECT(s, .flags = R | A, .seq = 0, .ack = 1);
	NOTHING(s);
	assert_int_equal(pw_tcp_counters(s->t)->drop_no_conn, 1);
	assert_int_equal(pw_tcp_counters(s->t)->resets_out, 1);
}

static void
segment_of_no_connection_is_reset_as_the_rfc_says(void **state)
{
	struct script *s = script_open(NULL);

	(void)state;
	PEER(s, .flags = A, .seq = 5, .ack = 77, .win = 100, .len = 10, .dport = 9);
	EXPECT(s, .flags = R, .seq = 77);
	PEER(s, .flags = F, .seq = 5, .win = 100, .len = 10, .dport = 9);
	EXPECT(s, .flags = R | A, .seq = 0, .ack = 16);
	PEER(s, .flags = R, .seq = 5, .dport = 9);
	NOTHING(s);
	PEER(s, .flags = R | A, .seq = 5, .ack = 5, .dport = 9);
	NOTHING(s);
}

static void
ack_at_a_listener_is_reset(void **state)
{
	struct script *s = script_open(NULL);

	(void)state;
	PEER(s, .flags = A, .seq = 5, .ack = 77, .win = 100);
	EXPECT(s, .flags = R, .seq = 77);
	PEER(s, .flags = R, .seq = 5);
	PEER(s, .flags = F, .seq = 5);
	PEER(s, .flags = 0, .seq = 5, .len = 4);
	NOTHING(s);
}

static void
reset_refuses_an_active_open(void **state)
{
	struct script *s = script_open(NULL);

	(void)state;
	script_syn(s);
	PEER(s, .flags = R | A, .seq = 0, .ack = 1);
	NOTHING(s);
	assert_int_equal(s->gone, 1);
	assert_int_equal(s->why, PW_TCP_END_REFUSED);
	assert_int_equal(s->connected, 0);
	assert_int_equal(pw_tcp_conns(s->t), 0);
	assert_int_equal(pw_tcp_counters(s->t)->open_failures, 1);
}

static void
reset_without_our_number_does_not_refuse_an_active_open(void **state)
{
	struct script *s = script_open(NULL);

	(void)state;
	script_syn(s);
	PEER(s, .flags = R, .seq = 0);
	PEER(s, .flags = R | A, .seq = 0, .ack = 2);
	PEER(s, .flags = R | A, .seq = 0, .ack = 0);
	NOTHING(s);
	assert_int_equal(s->gone, 0);
	PEER(s, .flags = S | A, .seq = 0, .ack = 1, .win = 65535);
	EXPECT(s, .flags = A, .seq = 1, .ack = 1);
	assert_int_equal(s->connected, 1);
}

static void
wrong_ack_of_a_syn_is_reset_and_the_open_goes_on(void **state)
{
	struct script *s = script_open(NULL);

	(void)state;
	script_syn(s);
	PEER(s, .flags = S | A, .seq = 0, .ack = 500, .win = 65535);
	EXPECT(s, .flags = R, .seq = 500);
	PEER(s, .flags = A, .seq = 0, .ack = 0, .win = 65535);
	EXPECT(s, .flags = R, .seq = 0);
	assert_int_equal(pw_tcp_state(s->conn), PW_TCP_SYN_SENT);
	/* An acceptable ACK with neither SYN nor RST is dropped. */
	PEER(s, .flags = A, .seq = 0, .ack = 1, .win = 65535);
	NOTHING(s);
	assert_int_equal(pw_tcp_state(s->conn), PW_TCP_SYN_SENT);
}

static void
reset_of_a_half_open_connection_returns_to_listening(void **state)
{
	struct script *s = script_open(NULL);

	(void)state;
	PEER(s, .flags = S, .win = 65535);
	EXPECT(s, .flags = S | A, .seq = 0, .ack = 1);
	PEER(s, .flags = R, .seq = 1);
	NOTHING(s);
	assert_int_equal(pw_tcp_conns(s->t), 0);
	assert_int_equal(s->gone + s->accepted, 0);
	s->iss_known = false;
	script_accept(s);
}

static void
bad_ack_in_a_handshake_is_reset(void **state)
{
	struct script *s = script_open(NULL);

	(void)state;
	PEER(s, .flags = S, .win = 65535);
	EXPECT(s, .flags = S | A, .seq = 0, .ack = 1);
	PEER(s, .flags = A, .seq = 1, .ack = 900, .win = 65535);
	EXPECT(s, .flags = R, .seq = 900);
	assert_int_equal(s->accepted, 0);
	PEER(s, .flags = A, .seq = 1, .ack = 1, .win = 65535);
	assert_int_equal(s->accepted, 1);
}

static void
exact_reset_ends_a_connection(void **state)
{
	struct script *s = script_open(NULL);

	(void)state;
	script_accept(s);
	PEER(s, .flags = R, .seq = 1);
	NOTHING(s);
	assert_int_equal(s->gone, 1);
	assert_int_equal(s->why, PW_TCP_END_RESET);
	assert_int_equal(pw_tcp_conns(s->t), 0);
	assert_int_equal(pw_tcp_counters(s->t)->resets_in, 1);
}

static void
reset_within_the_window_is_challenged(void **state)
{
	struct script *s = script_open(NULL);

	(void)state;
	script_accept(s);
	PEER(s, .flags = R, .seq = 2);
	EXPECT(s, .flags = A, .seq = 1, .ack = 1); /* RFC 5961 3.2 */
	assert_int_equal(s->gone, 0);
	assert_int_equal(pw_tcp_counters(s->t)->challenge_acks, 1);
	/* The true peer answers with the number that the challenge told it. */
	PEER(s, .flags = R, .seq = 1);
	assert_int_equal(s->why, PW_TCP_END_RESET);
	assert_int_equal(s->gone, 1);
}

static void
reset_outside_the_window_is_dropped(void **state)
{
	struct script *s = script_open(&(struct pw_tcp_conf){.rx_window = 20000});

	(void)state;
	script_accept(s);
	PEER(s, .flags = R, .seq = 0);
	PEER(s, .flags = R, .seq = 20002);
	PEER(s, .flags = R, .seq = -70000);
	NOTHING(s);
	assert_int_equal(s->gone, 0);
	assert_int_equal(pw_tcp_counters(s->t)->drop_seq, 3);
}

static void
syn_in_a_connection_is_challenged(void **state)
{
	struct script *s = script_open(NULL);

	(void)state;
	script_accept(s);
	PEER(s, .flags = S, .seq = 100, .win = 65535);
	EXPECT(s, .flags = A, .seq = 1, .ack = 1); /* RFC 5961 4.2 */
	script_pass(s, 501 * MS);
	PEER(s, .flags = S, .seq = -100000, .win = 65535);
	EXPECT(s, .flags = A, .seq = 1, .ack = 1);
	assert_int_equal(s->gone, 0);
	assert_int_equal(pw_tcp_state(s->conn), PW_TCP_ESTABLISHED);
}

static void
syn_without_the_negotiated_timestamp_is_challenged(void **state)
{
	struct script *s = script_open(NULL);

	(void)state;
	script_accept_with(s,
			   (struct tcp_seg){.win = 65535, .mss = 1460, .has_ts = true, .tsval = 9});
	/* A peer that has restarted and speaks another dialect now must learn of the old
	 * connection. */
	PEER(s, .flags = S, .seq = 100, .win = 65535);
	EXPECT(s, .flags = A, .seq = 1, .ack = 1);
	PEER(s, .flags = R, .seq = 1);
	assert_int_equal(s->gone, 1);
}

/* RFC 5961 7: in the window or not, of whatever kind, one answer in half a second. */
static void
challenges_are_limited(void **state)
{
	struct script *s = script_open(NULL);

	(void)state;
	script_accept(s);
	for (uint32_t turn = 0; turn < 4; turn++) {
		for (uint32_t i = 0; i < 200; i++) {
			PEER(s, .flags = S, .seq = 100 + i, .win = 65535);
			PEER(s, .flags = S, .seq = -100000 - i, .win = 65535);
			PEER(s, .flags = R, .seq = 2 + i);
			PEER(s, .flags = A, .seq = 1, .ack = 50 + i, .win = 65535, .len = 10);
		}
		EXPECT(s, .flags = A, .seq = 1, .ack = 1);
		NOTHING(s);
		script_pass(s, 501 * MS);
	}
	assert_int_equal(s->gone, 0);
	assert_int_equal(pw_tcp_counters(s->t)->challenge_acks, 4);
}

/* What was said in one connection must not show in another one: that is how numbers are guessed. */
static void
challenges_of_one_connection_leave_those_of_others(void **state)
{
	struct script *s = script_open(&(struct pw_tcp_conf){.max_conns = 512});
	uint32_t iss[300];

	(void)state;
	for (uint32_t i = 0; i < RTE_DIM(iss); i++) {
		s->rport = PEER_PORT + i;
		s->iss_known = false;
		script_accept(s);
		iss[i] = s->iss;
	}
	for (uint32_t i = 0; i < 200; i++)
		PEER(s, .flags = S, .seq = 100, .win = 65535);
	assert_int_equal(script_skip(s), 1);
	for (uint32_t i = 0; i + 1 < RTE_DIM(iss); i++) {
		s->rport = PEER_PORT + i;
		s->iss = iss[i];
		PEER(s, .flags = R, .seq = 2);
		EXPECT(s, .flags = A, .seq = 1, .ack = 1);
	}
}

static void
ack_of_what_was_not_sent_is_answered_and_dropped(void **state)
{
	struct script *s = script_open(NULL);

	(void)state;
	script_accept(s);
	PEER(s, .flags = A, .seq = 1, .ack = 50, .win = 65535, .len = 10);
	EXPECT(s, .flags = A, .seq = 1, .ack = 1); /* RFC 9293 3.10.7.4 */
	assert_int_equal(pw_tcp_rx_len(s->conn), 0);
	assert_int_equal(pw_tcp_counters(s->t)->drop_ack, 1);
}

static void
ack_far_in_the_past_is_challenged_and_dropped(void **state)
{
	struct script *s = script_open(NULL);

	(void)state;
	script_accept(s);
	PEER(s, .flags = A, .seq = 1, .ack = -200000, .win = 65535, .len = 10);
	EXPECT(s, .flags = A, .seq = 1, .ack = 1); /* RFC 5961 5.2 */
	assert_int_equal(pw_tcp_rx_len(s->conn), 0);
}

static void
segment_without_ack_is_dropped(void **state)
{
	struct script *s = script_open(NULL);

	(void)state;
	script_accept(s);
	PEER(s, .flags = 0, .seq = 1, .win = 65535, .len = 10);
	NOTHING(s);
	assert_int_equal(pw_tcp_rx_len(s->conn), 0);
}

static void
segment_outside_the_window_is_answered_with_an_ack(void **state)
{
	struct script *s = script_open(&(struct pw_tcp_conf){.rx_window = 20000});

	(void)state;
	script_accept(s);
	PEER(s, .flags = A, .seq = 20002, .ack = 1, .win = 65535, .len = 10);
	EXPECT(s, .flags = A, .seq = 1, .ack = 1);
	PEER(s, .flags = A, .seq = -9, .ack = 1, .win = 65535, .len = 10);
	EXPECT(s, .flags = A, .seq = 1, .ack = 1);
	assert_int_equal(pw_tcp_rx_len(s->conn), 0);
}

/** An exact reset and one within the window, in a state that `enter` leads to. */
static void
check_resets(void (*enter)(struct script *), uint32_t rcv_nxt, enum pw_tcp_state in)
{
	struct script *s = script_open(NULL);

	script_accept(s);
	enter(s);
	script_skip(s);
	assert_int_equal(pw_tcp_state(s->conn), in);
	PEER(s, .flags = R, .seq = rcv_nxt + 3);
	assert_int_equal(s->nb_out - s->taken, 1);
	assert_int_equal(s->out[s->taken % SCRIPT_OUT].seg.flags & R, 0);
	assert_int_equal(s->out[s->taken % SCRIPT_OUT].seg.ack, PEER_ISS + rcv_nxt);
	script_skip(s);
	assert_int_equal(s->gone, 0);
	PEER(s, .flags = R, .seq = rcv_nxt);
	NOTHING(s);
	assert_int_equal(s->gone, 1);
	assert_int_equal(s->why, PW_TCP_END_RESET);
	assert_int_equal(pw_tcp_conns(s->t), 0);
}

static void
enter_fin_wait_1(struct script *s)
{
	pw_tcp_close(s->t, s->conn, s->now);
	script_act(s);
}

static void
enter_fin_wait_2(struct script *s)
{
	enter_fin_wait_1(s);
	PEER(s, .flags = A, .seq = 1, .ack = 2, .win = 65535);
}

static void
enter_closing(struct script *s)
{
	enter_fin_wait_1(s);
	PEER(s, .flags = F | A, .seq = 1, .ack = 1, .win = 65535);
}

static void
enter_close_wait(struct script *s)
{
	PEER(s, .flags = F | A, .seq = 1, .ack = 1, .win = 65535);
}

static void
enter_last_ack(struct script *s)
{
	enter_close_wait(s);
	pw_tcp_close(s->t, s->conn, s->now);
	script_act(s);
}

static void
resets_in_fin_wait_1(void **state)
{
	(void)state;
	check_resets(enter_fin_wait_1, 1, PW_TCP_FIN_WAIT_1);
}

static void
resets_in_fin_wait_2(void **state)
{
	(void)state;
	check_resets(enter_fin_wait_2, 1, PW_TCP_FIN_WAIT_2);
}

static void
resets_in_closing(void **state)
{
	(void)state;
	check_resets(enter_closing, 2, PW_TCP_CLOSING);
}

static void
resets_in_close_wait(void **state)
{
	(void)state;
	check_resets(enter_close_wait, 2, PW_TCP_CLOSE_WAIT);
}

static void
resets_in_last_ack(void **state)
{
	(void)state;
	check_resets(enter_last_ack, 2, PW_TCP_LAST_ACK);
}

/*
 * Answers to one bare stray: the first goes out, the others do not; half a second later there is
 * one again.
 */
static uint32_t
answers_to_strays(struct script *s, uint32_t n)
{
	for (; n != 0; n--) {
		PEER(s, .flags = A, .seq = 0, .ack = 1, .win = 65535);
		if (s->nb_out - s->taken > SCRIPT_OUT / 2)
			fail_msg("%u answers", s->nb_out - s->taken);
	}
	return script_skip(s);
}

static void
answers_to_bare_strays_are_bounded(struct script *s)
{
	assert_int_equal(answers_to_strays(s, 1000), 1);
}

static void
strays_are_answered_in_measure_from_the_first_millisecond(void **state)
{
	struct script *s = script_open(NULL);

	(void)state;
	script_accept(s);
	answers_to_bare_strays_are_bounded(s); /* in the stack's first millisecond */
	script_pass(s, 499 * MS);
	script_skip(s);
	assert_int_equal(answers_to_strays(s, 1), 0);
	script_pass(s, 1500 * MS);
	answers_to_bare_strays_are_bounded(s);
}

/* The millisecond clock wraps after 49.7 days. */
static void
strays_are_answered_in_measure_when_the_clock_wraps(void **state)
{
	struct script *s = script_open(NULL);
	const uint64_t wrap = (UINT64_C(1) << 32) * MS;

	(void)state;
	script_accept(s);
	s->now = s->start + wrap; /* reads 0 again */
	answers_to_bare_strays_are_bounded(s);
	/* More than half of the clock's range later the last answer is not a recent one. */
	s->now = s->start + wrap + wrap / 2 + 1000 * MS;
	answers_to_bare_strays_are_bounded(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		SCRIPT(syn_to_a_closed_port_is_reset),
		SCRIPT(segment_of_no_connection_is_reset_as_the_rfc_says),
		SCRIPT(ack_at_a_listener_is_reset),
		SCRIPT(reset_refuses_an_active_open),
		SCRIPT(reset_without_our_number_does_not_refuse_an_active_open),
		SCRIPT(wrong_ack_of_a_syn_is_reset_and_the_open_goes_on),
		SCRIPT(reset_of_a_half_open_connection_returns_to_listening),
		SCRIPT(bad_ack_in_a_handshake_is_reset),
		SCRIPT(exact_reset_ends_a_connection),
		SCRIPT(reset_within_the_window_is_challenged),
		SCRIPT(reset_outside_the_window_is_dropped),
		SCRIPT(syn_in_a_connection_is_challenged),
		SCRIPT(syn_without_the_negotiated_timestamp_is_challenged),
		SCRIPT(challenges_are_limited),
		SCRIPT(challenges_of_one_connection_leave_those_of_others),
		SCRIPT(ack_of_what_was_not_sent_is_answered_and_dropped),
		SCRIPT(ack_far_in_the_past_is_challenged_and_dropped),
		SCRIPT(segment_without_ack_is_dropped),
		SCRIPT(segment_outside_the_window_is_answered_with_an_ack),
		SCRIPT(resets_in_fin_wait_1),
		SCRIPT(resets_in_fin_wait_2),
		SCRIPT(resets_in_closing),
		SCRIPT(resets_in_close_wait),
		SCRIPT(resets_in_last_ack),
		SCRIPT(strays_are_answered_in_measure_from_the_first_millisecond),
		SCRIPT(strays_are_answered_in_measure_when_the_clock_wraps),
	};

	return cmocka_run_group_tests(tests, script_group_setup, script_group_teardown);
}
