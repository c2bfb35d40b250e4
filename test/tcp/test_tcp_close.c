/* SPDX-License-Identifier: BSD-3-Clause */
/* Closing: every order of RFC 9293 3.6, half-close. */
#include <errno.h>

#include "script.h"

static void
peer_closes_first(void **state)
{
	struct script *s = script_open(NULL);

	(void)state;
	script_accept(s);
	PEER(s, .flags = F | A, .seq = 1, .ack = 1, .win = 65535);
	EXPECT(s, .flags = A, .seq = 1, .ack = 2);
	assert_int_equal(s->readable, 1);
	assert_true(pw_tcp_eof(s->conn));
	assert_int_equal(pw_tcp_state(s->conn), PW_TCP_CLOSE_WAIT);
	pw_tcp_close(s->t, s->conn, s->now);
	script_act(s);
	EXPECT(s, .flags = F | A, .seq = 1, .ack = 2);
	assert_int_equal(pw_tcp_state(s->conn), PW_TCP_LAST_ACK);
	PEER(s, .flags = A, .seq = 2, .ack = 2, .win = 65535);
	NOTHING(s);
	assert_int_equal(s->gone, 1);
	assert_int_equal(s->why, PW_TCP_END_CLOSED);
	assert_int_equal(pw_tcp_conns(s->t), 0);
}

static void
this_side_closes_first(void **state)
{
	struct script *s = script_open(NULL);

	(void)state;
	script_accept(s);
	script_close_first(s);
}

static void
fin_and_ack_of_ours_in_one_segment(void **state)
{
	struct script *s = script_open(NULL);

	(void)state;
	script_accept(s);
	pw_tcp_close(s->t, s->conn, s->now);
	script_act(s);
	EXPECT(s, .flags = F | A, .seq = 1, .ack = 1);
	PEER(s, .flags = F | A, .seq = 1, .ack = 2, .win = 65535);
	EXPECT(s, .flags = A, .seq = 2, .ack = 2);
	assert_int_equal(s->gone, 1);
	assert_int_equal(s->why, PW_TCP_END_CLOSED);
}

static void
both_close_at_once(void **state)
{
	struct script *s = script_open(NULL);

	(void)state;
	script_accept(s);
	pw_tcp_close(s->t, s->conn, s->now);
	script_act(s);
	EXPECT(s, .flags = F | A, .seq = 1, .ack = 1);
	PEER(s, .flags = F | A, .seq = 1, .ack = 1, .win = 65535);
	EXPECT(s, .flags = A, .seq = 2, .ack = 2);
	assert_int_equal(pw_tcp_state(s->conn), PW_TCP_CLOSING);
	PEER(s, .flags = A, .seq = 2, .ack = 2, .win = 65535);
	NOTHING(s);
	assert_int_equal(s->gone, 1);
	assert_int_equal(s->why, PW_TCP_END_CLOSED);
}

static void
sending_goes_on_after_the_peer_has_closed(void **state)
{
	struct script *s = script_open(NULL);

	(void)state;
	script_accept(s);
	PEER(s, .flags = F | A, .seq = 1, .ack = 1, .win = 65535, .len = 5);
	EXPECT(s, .flags = A, .seq = 1, .ack = 7);
	assert_true(pw_tcp_eof(s->conn));
	assert_int_equal(pw_tcp_rx_len(s->conn), 5);
	script_send(s, 0, 100);
	EXPECT(s, .flags = A, .seq = 1, .ack = 7, .len = 100, .data = script_bytes(0));
	PEER(s, .flags = A, .seq = 7, .ack = 101, .win = 65535);
	script_send(s, 100, 50);
	pw_tcp_close(s->t, s->conn, s->now);
	script_act(s);
	EXPECT(s, .flags = A, .seq = 101, .ack = 7, .len = 50, .data = script_bytes(100));
	EXPECT(s, .flags = F | A, .seq = 151, .ack = 7);
	PEER(s, .flags = A, .seq = 7, .ack = 152, .win = 65535);
	assert_int_equal(s->why, PW_TCP_END_CLOSED);
	assert_int_equal(s->gone, 1);
}

static void
receiving_goes_on_after_this_side_has_closed(void **state)
{
	struct script *s = script_open(NULL);

	(void)state;
	s->auto_consume = true;
	script_accept(s);
	pw_tcp_close(s->t, s->conn, s->now);
	script_act(s);
	EXPECT(s, .flags = F | A, .seq = 1, .ack = 1);
	PEER(s, .flags = A, .seq = 1, .ack = 1, .win = 65535, .len = 100, .data = script_bytes(0));
	PEER(s, .flags = A, .seq = 101, .ack = 2, .win = 65535, .len = 100,
	     .data = script_bytes(100));
	assert_int_equal(pw_tcp_state(s->conn), PW_TCP_FIN_WAIT_2);
	PEER(s, .flags = A | F, .seq = 201, .ack = 2, .win = 65535, .len = 50,
	     .data = script_bytes(200));
	script_skip(s);
	script_check_got(s, 250);
	assert_int_equal(s->gone, 1);
	assert_int_equal(s->why, PW_TCP_END_CLOSED);
}

/* RFC 9293 3.6: what came before the FIN is delivered, at the pace of whoever reads. */
static void
unread_bytes_outlive_a_half_closed_connection(void **state)
{
	struct script *s = script_open(&(struct pw_tcp_conf){.keepalive_ms = 1000});

	(void)state;
	script_accept(s);
	pw_tcp_shutdown(s->t, s->conn, s->now);
	script_act(s);
	EXPECT(s, .flags = F | A, .seq = 1, .ack = 1);
	PEER(s, .flags = A, .seq = 1, .ack = 2, .win = 65535, .len = 100, .data = script_bytes(0));
	PEER(s, .flags = A | F, .seq = 101, .ack = 2, .win = 65535, .len = 50,
	     .data = script_bytes(100));
	EXPECT(s, .flags = A, .seq = 2, .ack = 152);
	assert_int_equal(s->gone, 0);
	assert_int_equal(s->readable, 2);
	assert_true(pw_tcp_eof(s->conn));
	assert_int_equal(pw_tcp_state(s->conn), PW_TCP_CLOSED);
	assert_int_equal(pw_tcp_conns(s->t), 0);
	assert_int_equal(pw_tcp_send_copy(s->t, s->conn, script_bytes(0), 1), -EPIPE);
	/* On the wire there is only the record of it, as after any other close. */
	PEER(s, .flags = R, .seq = 152);
	PEER(s, .flags = A | F, .seq = 101, .ack = 2, .win = 65535, .len = 50);
	EXPECT(s, .flags = A, .seq = 2, .ack = 152);
	script_pass(s, 300000 * MS);
	NOTHING(s);
	script_consume(s, 60);
	assert_int_equal(s->gone, 0);
	assert_ptr_equal(pw_tcp_find(s->t, pw_tcp_handle(s->t, s->conn)), s->conn);
	script_consume(s, 90);
	script_check_got(s, 150);
	assert_int_equal(s->gone, 1);
	assert_int_equal(s->why, PW_TCP_END_CLOSED);
	NOTHING(s);
	assert_true(pw_mem_full(script_mem()));
}

static void
enter_unread(struct script *s)
{
	uint32_t gone = s->gone;

	script_accept(s);
	PEER(s, .flags = A | F, .seq = 1, .ack = 1, .win = 65535, .len = 50,
	     .data = script_bytes(0));
	EXPECT(s, .flags = A, .seq = 1, .ack = 52);
	pw_tcp_shutdown(s->t, s->conn, s->now);
	script_act(s);
	EXPECT(s, .flags = F | A, .seq = 1, .ack = 52);
	PEER(s, .flags = A, .seq = 52, .ack = 2, .win = 65535);
	NOTHING(s);
	assert_int_equal(s->gone, gone);
	assert_int_equal(pw_tcp_rx_len(s->conn), 50);
	assert_int_equal(pw_tcp_conns(s->t), 0);
}

static void
unread_bytes_outlive_the_last_acknowledgement(void **state)
{
	struct script *s = script_open(NULL);

	(void)state;
	enter_unread(s);
	script_consume(s, 49);
	assert_int_equal(s->gone, 0);
	script_consume(s, 1);
	assert_int_equal(s->gone, 1);
	assert_int_equal(s->why, PW_TCP_END_CLOSED);
	assert_int_equal(s->readable, 1);
}

static void
unread_bytes_are_offered_once_more_by_close_and_dropped_by_abort(void **state)
{
	struct script *s = script_open(NULL);
	struct pw_tcp_conn *c;

	(void)state;
	enter_unread(s);
	script_consume(s, 20);
	pw_tcp_close(s->t, s->conn, s->now);
	assert_int_equal(s->gone, 0);
	script_act(s);
	assert_int_equal(s->readable, 2);
	assert_int_equal(s->gone, 1);
	assert_int_equal(s->why, PW_TCP_END_CLOSED);
	assert_true(pw_mem_full(script_mem()));
	s->rport++;
	s->iss_known = false;
	enter_unread(s);
	c = s->conn;
	s->conn = NULL;
	pw_tcp_abort(s->t, c, s->now);
	script_act(s);
	NOTHING(s);
	assert_int_equal(s->gone, 1);
	assert_true(pw_mem_full(script_mem()));
	/* A stack that ends has no more patience. */
	s->rport++;
	s->iss_known = false;
	enter_unread(s);
	pw_tcp_destroy(s->t);
	s->t = NULL;
	assert_int_equal(s->gone, 2);
	assert_int_equal(s->why, PW_TCP_END_ABORTED);
}

/* It holds its place in the table's bound, and none in the table: its flow may be opened anew. */
static void
unread_bytes_do_not_stand_in_the_way_of_a_newer_connection(void **state)
{
	struct script *s = script_open(&(struct pw_tcp_conf){.max_conns = 2});
	struct pw_tcp_conn *first;

	(void)state;
	enter_unread(s);
	first = s->conn;
	s->iss_known = false;
	PEER(s, .flags = S, .seq = 100000, .win = 65535, .mss = 1460);
	EXPECT(s, .flags = S | A, .seq = 0, .ack = 100001);
	PEER(s, .flags = A, .seq = 100001, .ack = 1, .win = 65535);
	assert_int_equal(s->accepted, 2);
	assert_ptr_not_equal(s->conn, first);
	s->rport++;
	PEER(s, .flags = S, .win = 65535, .mss = 1460);
	NOTHING(s);
	assert_int_equal(pw_tcp_counters(s->t)->drop_syn_full, 1);
	pw_tcp_consume(s->t, first, 50);
	script_act(s);
	assert_int_equal(s->gone, 1);
	PEER(s, .flags = S, .win = 65535, .mss = 1460);
	assert_int_equal(script_skip(s), 1);
}

static void
fin_rides_on_the_last_bytes(void **state)
{
	struct script *s = script_open(NULL);

	(void)state;
	script_accept(s);
	assert_int_equal(pw_tcp_send_copy(s->t, s->conn, script_bytes(0), 30), 0);
	pw_tcp_close(s->t, s->conn, s->now);
	assert_int_equal(pw_tcp_send_copy(s->t, s->conn, script_bytes(0), 30), -EPIPE);
	assert_int_equal(pw_tcp_send_room(s->t, s->conn), 0);
	script_act(s);
	EXPECT(s, .flags = F | A, .seq = 1, .ack = 1, .len = 30, .data = script_bytes(0));
	NOTHING(s);
	PEER(s, .flags = A, .seq = 1, .ack = 31, .win = 65535);
	assert_int_equal(pw_tcp_state(s->conn), PW_TCP_FIN_WAIT_1);
	PEER(s, .flags = A, .seq = 1, .ack = 32, .win = 65535);
	assert_int_equal(pw_tcp_state(s->conn), PW_TCP_FIN_WAIT_2);
}

static void
fin_waits_behind_data_that_the_window_holds_back(void **state)
{
	struct script *s = script_open(NULL);

	(void)state;
	script_accept_with(s, (struct tcp_seg){.win = 65535, .mss = 536});
	PEER(s, .flags = A, .seq = 1, .ack = 1, .win = 536);
	script_send(s, 0, 1000);
	pw_tcp_close(s->t, s->conn, s->now);
	script_act(s);
	EXPECT(s, .flags = A, .seq = 1, .ack = 1, .len = 536);
	NOTHING(s);
	PEER(s, .flags = A, .seq = 1, .ack = 537, .win = 536);
	EXPECT(s, .flags = F | A, .seq = 537, .ack = 1, .len = 464, .data = script_bytes(536));
}

static void
fin_is_retransmitted(void **state)
{
	struct script *s = script_open(NULL);

	(void)state;
	script_accept(s);
	pw_tcp_close(s->t, s->conn, s->now);
	script_act(s);
	EXPECT(s, .flags = F | A, .seq = 1, .ack = 1);
	assert_true(script_until_sent(s, 2000 * MS));
	EXPECT(s, .flags = F | A, .seq = 1, .ack = 1);
	assert_true(script_until_sent(s, 4000 * MS));
	EXPECT(s, .flags = F | A, .seq = 1, .ack = 1);
}

static void
fin_out_of_order_waits_for_the_hole(void **state)
{
	struct script *s = script_open(NULL);

	(void)state;
	script_accept(s);
	PEER(s, .flags = F | A, .seq = 11, .ack = 1, .win = 65535, .len = 10,
	     .data = script_bytes(10));
	EXPECT(s, .flags = A, .seq = 1, .ack = 1);
	assert_false(pw_tcp_eof(s->conn));
	assert_int_equal(pw_tcp_state(s->conn), PW_TCP_ESTABLISHED);
	PEER(s, .flags = A, .seq = 1, .ack = 1, .win = 65535, .len = 10, .data = script_bytes(0));
	EXPECT(s, .flags = A, .seq = 1, .ack = 22);
	assert_true(pw_tcp_eof(s->conn));
	assert_int_equal(pw_tcp_state(s->conn), PW_TCP_CLOSE_WAIT);
	script_consume(s, 20);
	script_check_got(s, 20);
}

static void
bytes_after_a_fin_are_not_delivered(void **state)
{
	struct script *s = script_open(NULL);

	(void)state;
	script_accept(s);
	PEER(s, .flags = F | A, .seq = 1, .ack = 1, .win = 65535, .len = 10);
	script_skip(s);
	PEER(s, .flags = A, .seq = 12, .ack = 1, .win = 65535, .len = 10);
	assert_int_equal(pw_tcp_rx_len(s->conn), 10);
	assert_int_equal(pw_tcp_state(s->conn), PW_TCP_CLOSE_WAIT);
}

static void
repeated_fin_is_acknowledged_in_every_closing_state(void **state)
{
	struct script *s = script_open(NULL);

	(void)state;
	script_accept(s);
	PEER(s, .flags = F | A, .seq = 1, .ack = 1, .win = 65535);
	EXPECT(s, .flags = A, .seq = 1, .ack = 2);
	PEER(s, .flags = F | A, .seq = 1, .ack = 1, .win = 65535);
	EXPECT(s, .flags = A, .seq = 1, .ack = 2);
	pw_tcp_close(s->t, s->conn, s->now);
	script_act(s);
	EXPECT(s, .flags = F | A, .seq = 1, .ack = 2);
	PEER(s, .flags = F | A, .seq = 1, .ack = 1, .win = 65535);
	EXPECT(s, .flags = A, .seq = 2, .ack = 2);
	assert_int_equal(pw_tcp_state(s->conn), PW_TCP_LAST_ACK);
}

static void
close_before_the_handshake_ends_an_active_open(void **state)
{
	struct script *s = script_open(NULL);

	(void)state;
	script_syn(s);
	pw_tcp_close(s->t, s->conn, s->now); /* RFC 9293 3.10.4, SYN-SENT */
	script_pass(s, 10 * MS);
	NOTHING(s);
	assert_int_equal(s->gone, 1);
	assert_int_equal(pw_tcp_conns(s->t), 0);
}

static void
closing_twice_is_harmless(void **state)
{
	struct script *s = script_open(NULL);

	(void)state;
	script_accept(s);
	pw_tcp_close(s->t, s->conn, s->now);
	pw_tcp_close(s->t, s->conn, s->now);
	script_act(s);
	EXPECT(s, .flags = F | A, .seq = 1, .ack = 1);
	pw_tcp_close(s->t, s->conn, s->now);
	script_act(s);
	NOTHING(s);
}

static void
handle_of_a_gone_connection_finds_nobody(void **state)
{
	struct script *s = script_open(NULL);
	pw_handle h;

	(void)state;
	script_accept(s);
	h = pw_tcp_handle(s->t, s->conn);
	assert_ptr_equal(pw_tcp_find(s->t, h), s->conn);
	script_close_first(s);
	assert_null(pw_tcp_find(s->t, h));
	s->rport++;
	s->iss_known = false;
	script_accept(s);
	assert_null(pw_tcp_find(s->t, h));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		SCRIPT(peer_closes_first),
		SCRIPT(this_side_closes_first),
		SCRIPT(fin_and_ack_of_ours_in_one_segment),
		SCRIPT(both_close_at_once),
		SCRIPT(sending_goes_on_after_the_peer_has_closed),
		SCRIPT(receiving_goes_on_after_this_side_has_closed),
		SCRIPT(unread_bytes_outlive_a_half_closed_connection),
		SCRIPT(unread_bytes_outlive_the_last_acknowledgement),
		SCRIPT(unread_bytes_are_offered_once_more_by_close_and_dropped_by_abort),
		SCRIPT(unread_bytes_do_not_stand_in_the_way_of_a_newer_connection),
		SCRIPT(fin_rides_on_the_last_bytes),
		SCRIPT(fin_waits_behind_data_that_the_window_holds_back),
		SCRIPT(fin_is_retransmitted),
		SCRIPT(fin_out_of_order_waits_for_the_hole),
		SCRIPT(bytes_after_a_fin_are_not_delivered),
		SCRIPT(repeated_fin_is_acknowledged_in_every_closing_state),
		SCRIPT(close_before_the_handshake_ends_an_active_open),
		SCRIPT(closing_twice_is_harmless),
		SCRIPT(handle_of_a_gone_connection_finds_nobody),
	};

	return cmocka_run_group_tests(tests, script_group_setup, script_group_teardown);
}
