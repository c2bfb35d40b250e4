/* SPDX-License-Identifier: BSD-3-Clause */
/* Closing: every order of RFC 9293 3.6, half-close, TIME_WAIT. */
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

/** Active close up to TIME_WAIT. */
static void
close_first(struct script *s)
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

static void
this_side_closes_first(void **state)
{
	struct script *s = script_open(NULL);

	(void)state;
	script_accept(s);
	close_first(s);
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
time_wait_acknowledges_a_repeated_fin_until_twice_the_lifetime(void **state)
{
	struct script *s = script_open(&(struct pw_tcp_conf){.msl_ms = 1000});

	(void)state;
	script_accept(s);
	close_first(s);
	script_pass(s, 1500 * MS);
	NOTHING(s);
	PEER(s, .flags = F | A, .seq = 1, .ack = 2, .win = 65535);
	EXPECT(s, .flags = A, .seq = 2, .ack = 2);
	/* RFC 9293 3.10.7.4: the FIN has restarted the wait. */
	script_pass(s, 1500 * MS);
	PEER(s, .flags = F | A, .seq = 1, .ack = 2, .win = 65535);
	EXPECT(s, .flags = A, .seq = 2, .ack = 2);
	script_pass(s, 2100 * MS);
	PEER(s, .flags = F | A, .seq = 1, .ack = 2, .win = 65535);
	EXPECT(s, .flags = R, .seq = 2);
}

/* A burst that comes before the timer has been looked at finds the record gone all the same. */
static void
time_wait_is_over_before_its_timer_has_fired(void **state)
{
	struct script *s = script_open(&(struct pw_tcp_conf){.msl_ms = 1000});

	(void)state;
	script_accept(s);
	close_first(s);
	s->now += 1999 * MS;
	PEER(s, .flags = R, .seq = 2);
	PEER(s, .flags = A | P, .seq = 3, .ack = 2, .win = 65535, .len = 1);
	EXPECT(s, .flags = A, .seq = 2, .ack = 2);
	s->now += 2 * MS;
	PEER(s, .flags = F | A, .seq = 1, .ack = 2, .win = 65535);
	EXPECT(s, .flags = R, .seq = 2);
}

static void
time_wait_survives_a_reset(void **state)
{
	struct script *s = script_open(NULL);

	(void)state;
	script_accept(s);
	close_first(s);
	PEER(s, .flags = R, .seq = 2); /* RFC 1337 */
	NOTHING(s);
	PEER(s, .flags = F | A, .seq = 1, .ack = 2, .win = 65535);
	EXPECT(s, .flags = A, .seq = 2, .ack = 2);
}

/* A newer SYN that can't be taken has not taken the record's place. */
static void
time_wait_stays_where_the_newer_syn_is_refused(void **state)
{
	struct script *s = script_open(NULL);

	(void)state;
	script_accept(s);
	close_first(s);
	pw_tcp_set_pressure(s->t, 2);
	PEER(s, .flags = S, .seq = 100000, .win = 65535, .mss = 1460);
	NOTHING(s);
	assert_int_equal(pw_tcp_counters(s->t)->drop_syn_pressure, 1);
	assert_int_equal(pw_tcp_counters(s->t)->time_wait_reused, 0);
	PEER(s, .flags = F | A, .seq = 1, .ack = 2, .win = 65535);
	EXPECT(s, .flags = A, .seq = 2, .ack = 2);
	pw_tcp_set_pressure(s->t, 0);
	s->iss_known = false;
	PEER(s, .flags = S, .seq = 100000, .win = 65535, .mss = 1460);
	EXPECT(s, .flags = S | A, .seq = 0, .ack = 100001);
	assert_int_equal(pw_tcp_counters(s->t)->time_wait_reused, 0);
	PEER(s, .flags = A, .seq = 100001, .ack = 1, .win = 65535);
	assert_int_equal(pw_tcp_counters(s->t)->time_wait_reused, 1);
}

static void
time_wait_gives_way_to_a_newer_syn(void **state)
{
	struct script *s = script_open(NULL);
	uint32_t old;

	(void)state;
	script_accept(s);
	close_first(s);
	old = s->iss;
	s->iss_known = false;
	PEER(s, .flags = S, .seq = 100000, .win = 65535, .mss = 1460);
	EXPECT(s, .flags = S | A, .seq = 0, .ack = 100001);
	assert_true((int32_t)(s->iss - old) > 1); /* RFC 9293 3.6.1: above what the old one used */
	PEER(s, .flags = A, .seq = 100001, .ack = 1, .win = 65535);
	assert_int_equal(s->accepted, 2);
	assert_int_equal(pw_tcp_counters(s->t)->time_wait_reused, 1);
}

static void
time_wait_gives_way_to_a_later_timestamp(void **state)
{
	struct script *s = script_open(NULL);
	const struct tcp_seg ts = {.win = 65535, .mss = 1460, .has_ts = true, .tsval = 100};

	(void)state;
	script_accept_with(s, ts);
	pw_tcp_close(s->t, s->conn, s->now);
	script_act(s);
	EXPECT(s, .flags = F | A, .seq = 1, .ack = 1);
	PEER(s, .flags = F | A, .seq = 1, .ack = 2, .win = 65535, .has_ts = true, .tsval = 100);
	EXPECT(s, .flags = A, .seq = 2, .ack = 2);
	/* RFC 6191 2: the sequence number may lie behind, the timestamp may not. */
	PEER(s, .flags = S, .seq = -5000, .win = 65535, .mss = 1460, .has_ts = true, .tsval = 99);
	EXPECT(s, .flags = A, .seq = 2, .ack = 2);
	s->iss_known = false;
	PEER(s, .flags = S, .seq = -5000, .win = 65535, .mss = 1460, .has_ts = true, .tsval = 101);
	EXPECT(s, .flags = S | A, .seq = 0, .ack = -4999);
}

static void
time_wait_answers_an_older_syn_with_an_ack(void **state)
{
	struct script *s = script_open(NULL);

	(void)state;
	script_accept(s);
	close_first(s);
	PEER(s, .flags = S, .seq = -5000, .win = 65535, .mss = 1460);
	EXPECT(s, .flags = A, .seq = 2, .ack = 2);
	assert_int_equal(s->accepted, 1);
}

static void
time_wait_records_are_recycled_at_their_bound(void **state)
{
	struct script *s = script_open(&(struct pw_tcp_conf){.max_time_wait = 4});

	(void)state;
	for (uint32_t i = 0; i < 8; i++) {
		s->rport = PEER_PORT + i;
		s->iss_known = false;
		s->gone = 0;
		script_accept(s);
		close_first(s);
	}
	s->rport = PEER_PORT; /* recycled: nobody remembers it */
	PEER(s, .flags = F | A, .seq = 1, .ack = 2, .win = 65535);
	assert_int_equal(s->out[s->taken % SCRIPT_OUT].seg.flags, R);
	script_skip(s);
	s->rport = PEER_PORT + 7;
	PEER(s, .flags = F | A, .seq = 1, .ack = 2, .win = 65535);
	EXPECT(s, .flags = A, .seq = 2, .ack = 2);
}

/* RFC 9293 3.6.1 (2): back to TIME_WAIT where the SYN turns out to be an old duplicate. */
static void
time_wait_outlives_an_old_syn_that_looks_newer(void **state)
{
	struct script *s = script_open(NULL);

	(void)state;
	script_accept(s);
	close_first(s);
	PEER(s, .flags = S, .seq = 100000, .win = 65535, .mss = 1460);
	assert_int_equal(script_skip(s), 1);
	PEER(s, .flags = R, .seq = 100001); /* the peer knows nothing of it */
	PEER(s, .flags = F | A, .seq = 1, .ack = 2, .win = 65535);
	EXPECT(s, .flags = A, .seq = 2, .ack = 2);
	assert_int_equal(pw_tcp_counters(s->t)->time_wait_reused, 0);
}

/* The answer to a newer SYN counts from the record, which therefore stays for its sake. */
static void
time_wait_that_ends_within_the_handshake_does_not_spoil_it(void **state)
{
	struct script *s = script_open(&(struct pw_tcp_conf){.msl_ms = 1000});

	(void)state;
	script_accept(s);
	close_first(s);
	script_pass(s, 1900 * MS);
	s->iss_known = false;
	PEER(s, .flags = S, .seq = 100000, .win = 65535, .mss = 1460);
	EXPECT(s, .flags = S | A, .seq = 0, .ack = 100001);
	script_pass(s, 3000 * MS);
	PEER(s, .flags = A, .seq = 100101, .ack = 1, .win = 65535, .len = 10);
	NOTHING(s); /* overtook the first bytes */
	PEER(s, .flags = A, .seq = 100001, .ack = 1, .win = 65535, .len = 100);
	assert_int_equal(s->accepted, 2);
	assert_int_equal(pw_tcp_counters(s->t)->time_wait_reused, 1);
	script_skip(s);
}

/* One whose FIN came again stands longer than those that came after it. */
static void
time_wait_that_was_lengthened_is_passed_by_others(void **state)
{
	struct script *s = script_open(&(struct pw_tcp_conf){.msl_ms = 1000, .max_time_wait = 3});
	uint32_t iss[4];

	(void)state;
	for (uint32_t i = 0; i < 4; i++) {
		s->rport = PEER_PORT + i;
		s->iss_known = false;
		s->gone = 0;
		script_accept(s);
		iss[i] = s->iss;
		close_first(s);
		script_pass(s, 500 * MS);
		if (i != 1)
			continue;
		s->rport = PEER_PORT;
		s->iss = iss[0];
		PEER(s, .flags = F | A, .seq = 1, .ack = 2, .win = 65535);
		EXPECT(s, .flags = A, .seq = 2, .ack = 2);
	}
	/* The fourth has taken the place of the second. */
	s->rport = PEER_PORT + 1;
	s->iss = iss[1];
	PEER(s, .flags = F | A, .seq = 1, .ack = 2, .win = 65535);
	EXPECT(s, .flags = R, .seq = 2);
	s->rport = PEER_PORT;
	s->iss = iss[0];
	PEER(s, .flags = F | A, .seq = 1, .ack = 2, .win = 65535);
	EXPECT(s, .flags = A, .seq = 2, .ack = 2);
	script_pass(s, 2100 * MS);
	PEER(s, .flags = F | A, .seq = 1, .ack = 2, .win = 65535);
	EXPECT(s, .flags = R, .seq = 2);
	/* All are gone from their places too. */
	script_pass(s, 65000 * MS);
	assert_true(pw_tcp_next(s->t) == UINT64_MAX);
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
	close_first(s);
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
		SCRIPT(time_wait_acknowledges_a_repeated_fin_until_twice_the_lifetime),
		SCRIPT(time_wait_is_over_before_its_timer_has_fired),
		SCRIPT(time_wait_survives_a_reset),
		SCRIPT(time_wait_stays_where_the_newer_syn_is_refused),
		SCRIPT(time_wait_gives_way_to_a_newer_syn),
		SCRIPT(time_wait_gives_way_to_a_later_timestamp),
		SCRIPT(time_wait_answers_an_older_syn_with_an_ack),
		SCRIPT(time_wait_records_are_recycled_at_their_bound),
		SCRIPT(time_wait_outlives_an_old_syn_that_looks_newer),
		SCRIPT(time_wait_that_ends_within_the_handshake_does_not_spoil_it),
		SCRIPT(time_wait_that_was_lengthened_is_passed_by_others),
		SCRIPT(close_before_the_handshake_ends_an_active_open),
		SCRIPT(closing_twice_is_harmless),
		SCRIPT(handle_of_a_gone_connection_finds_nobody),
	};

	return cmocka_run_group_tests(tests, script_group_setup, script_group_teardown);
}
