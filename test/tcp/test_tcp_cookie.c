/* SPDX-License-Identifier: BSD-3-Clause */
/* Handshakes of which nothing is remembered (RFC 4987 3.6): what comes back, and what does not. */
#include "script.h"

#define PERIOD_MS 32000 /* of a secret; it is honoured for one more */

static struct pw_tcp_info
info(struct script *s)
{
	struct pw_tcp_info i;

	pw_tcp_info(s->t, s->conn, &i);
	return i;
}

/* Which options the SYN had comes back in the number that is acknowledged, all 64 combinations. */
static void
options_come_back_with_the_acknowledgement(void **state)
{
	static const uint16_t mss[] = {0, 100, 1240, 1360, 1412, 1440, 1452, 1460};
	static const uint16_t kept[] = {536, 64, 1220, 1360, 1400, 1440, 1452, 1460};
	struct script *s = script_open(&(struct pw_tcp_conf){.max_conns = 200});

	(void)state;
	for (uint32_t i = 0; i < 64; i++) {
		bool ts = i & 8, ws = i & 16, sack = i & 32;
		const struct tcp_seg *o;

		s->rport = PEER_PORT + i;
		s->iss_known = false;
		PEER(s, .flags = S, .win = 1000, .mss = mss[i % 8], .has_ts = ts, .tsval = 500,
		     .has_ws = ws, .ws = i % 15, .sack_ok = sack);
		o = EXPECT(s, .flags = S | A, .seq = 0, .ack = 1, .mss = 1460);
		assert_int_equal(o->has_ts, ts);
		assert_int_equal(o->has_ws, ws);
		assert_int_equal(o->sack_ok, sack);
		PEER(s, .flags = A, .seq = 1, .ack = 1, .win = 1000, .has_ts = ts, .tsval = 501,
		     .tsecr = o->tsval);
		assert_int_equal(s->accepted, i + 1);
		assert_int_equal(info(s).mss, kept[i % 8] - (ts ? 12 : 0));
		assert_int_equal(info(s).snd_wnd, 1000u << (ws ? i % 15 : 0));
		script_send(s, 0, 10);
		o = EXPECT(s, .flags = A, .seq = 1, .ack = 1, .len = 10);
		assert_int_equal(o->has_ts, ts);
		if (ts)
			assert_int_equal(o->tsecr, 501);
	}
	assert_int_equal(pw_tcp_counters(s->t)->cookies_sent, 64);
	assert_int_equal(pw_tcp_counters(s->t)->cookies_valid, 64);
	assert_int_equal(pw_tcp_counters(s->t)->cookies_invalid, 0);
}

static void
first_bytes_complete_the_handshake_where_the_ack_was_lost(void **state)
{
	struct script *s = script_open(NULL);

	(void)state;
	s->auto_consume = true;
	PEER(s, .flags = S, .win = 65535, .mss = 1460);
	EXPECT(s, .flags = S | A, .seq = 0, .ack = 1);
	/* The second segment alone proves the flow and not its start: it waits, and is not reset.
	 */
	PEER(s, .flags = A, .seq = 101, .ack = 1, .win = 65535, .len = 50,
	     .data = script_bytes(100));
	NOTHING(s);
	assert_int_equal(s->accepted, 0);
	assert_int_equal(pw_tcp_counters(s->t)->cookies_early, 1);
	assert_int_equal(pw_tcp_counters(s->t)->resets_out, 0);
	PEER(s, .flags = A, .seq = 1, .ack = 1, .win = 65535, .len = 100, .data = script_bytes(0));
	PEER(s, .flags = A, .seq = 101, .ack = 1, .win = 65535, .len = 50,
	     .data = script_bytes(100));
	assert_int_equal(s->accepted, 1);
	script_check_got(s, 150);
	EXPECT(s, .flags = A, .seq = 1, .ack = 151);
}

static void
fin_with_the_first_bytes_completes_the_handshake_too(void **state)
{
	struct script *s = script_open(NULL);

	(void)state;
	s->auto_consume = true;
	PEER(s, .flags = S, .win = 65535, .mss = 1460);
	EXPECT(s, .flags = S | A, .seq = 0, .ack = 1);
	PEER(s, .flags = F | A, .seq = 1, .ack = 1, .win = 65535, .len = 20,
	     .data = script_bytes(0));
	EXPECT(s, .flags = A, .seq = 1, .ack = 22);
	script_check_got(s, 20);
	assert_int_equal(pw_tcp_state(s->conn), PW_TCP_CLOSE_WAIT);
}

static void
acknowledgement_of_no_answer_is_reset(void **state)
{
	struct script *s = script_open(NULL);

	(void)state;
	PEER(s, .flags = S, .win = 65535, .mss = 1460);
	EXPECT(s, .flags = S | A, .seq = 0, .ack = 1);
	PEER(s, .flags = A, .seq = 1, .ack = 2, .win = 65535);
	EXPECT(s, .flags = R, .seq = 2);
	PEER(s, .flags = A, .seq = 1, .ack = 0x40000001, .win = 65535);
	EXPECT(s, .flags = R, .seq = 0x40000001);
	/* Another flow's. */
	s->rport++;
	PEER(s, .flags = A, .seq = 1, .ack = 1, .win = 65535);
	EXPECT(s, .flags = R, .seq = 1);
	s->rport--;
	assert_int_equal(pw_tcp_counters(s->t)->cookies_invalid, 3);
	assert_int_equal(s->accepted, 0);
	/* The right one still opens. */
	PEER(s, .flags = A, .seq = 1, .ack = 1, .win = 65535);
	assert_int_equal(s->accepted, 1);
}

/* The MAC covers the peer's number: with another one it is no start of anything. */
static void
acknowledgement_with_another_number_of_the_peer_opens_nothing(void **state)
{
	struct script *s = script_open(NULL);

	(void)state;
	PEER(s, .flags = S, .win = 65535, .mss = 1460);
	EXPECT(s, .flags = S | A, .seq = 0, .ack = 1);
	for (uint32_t i = 0; i < 100; i++)
		PEER(s, .flags = A, .seq = 2 + 7 * i, .ack = 1, .win = 65535);
	assert_int_equal(s->accepted, 0);
	NOTHING(s);
}

static void
timestamps_that_were_not_agreed_are_ignored(void **state)
{
	struct script *s = script_open(NULL);
	const struct tcp_seg *o;

	(void)state;
	PEER(s, .flags = S, .win = 65535, .mss = 1460);
	EXPECT(s, .flags = S | A, .seq = 0, .ack = 1);
	PEER(s, .flags = A, .seq = 1, .ack = 1, .win = 65535, .has_ts = true, .tsval = 5);
	assert_int_equal(s->accepted, 1); /* RFC 7323 3.2 */
	script_send(s, 0, 10);
	o = EXPECT(s, .flags = A, .seq = 1, .ack = 1, .len = 10);
	assert_false(o->has_ts);
}

static void
acknowledgement_without_the_agreed_timestamp_is_dropped(void **state)
{
	struct script *s = script_open(NULL);

	(void)state;
	PEER(s, .flags = S, .win = 65535, .mss = 1460, .has_ts = true, .tsval = 5);
	EXPECT(s, .flags = S | A, .seq = 0, .ack = 1);
	PEER(s, .flags = A, .seq = 1, .ack = 1, .win = 65535);
	NOTHING(s); /* RFC 7323 3.2: silently */
	assert_int_equal(s->accepted, 0);
}

/*
 * RFC 9293 3.8.4: a probe stands one before what is due, with an octet of garbage or none. Whoever
 * sends it has had our answer, and its acknowledgement was lost; so there is a connection.
 */
static void
keepalive_probe_completes_the_handshake_whose_ack_was_lost(void **state)
{
	struct script *s = script_open(NULL);
	const struct tcp_seg *o;

	(void)state;
	for (uint32_t len = 0; len <= 1; len++) {
		s->rport = PEER_PORT + len;
		s->iss_known = false;
		PEER(s, .flags = S, .win = 65535, .mss = 1460, .has_ts = true, .tsval = 5);
		o = EXPECT(s, .flags = S | A, .seq = 0, .ack = 1);
		script_pass(s, 10000 * MS);
		PEER(s, .flags = A, .seq = 0, .ack = 1, .win = 500, .has_ts = true, .tsval = 10005,
		     .tsecr = o->tsval, .len = (uint16_t)len, .data = script_bytes(7));
		assert_int_equal(s->accepted, 1 + len);
		o = EXPECT(s, .flags = A, .seq = 1, .ack = 1);
		assert_int_equal(o->tsecr, 10005);
		assert_int_equal(pw_tcp_rx_len(s->conn), 0);
		assert_int_equal(info(s).snd_wnd, 500);
		/* Its echo is as old as the answer, which says nothing of the path. */
		assert_int_equal(info(s).srtt_us, 0);
		s->nb_got = 0;
		PEER(s, .flags = A, .seq = 1, .ack = 1, .win = 500, .has_ts = true, .tsval = 10006,
		     .len = 10, .data = script_bytes(0));
		script_consume(s, 10);
		script_pass(s, 50 * MS);
		script_skip(s);
	}
	/* More than that, or a FIN, is no probe. */
	s->rport = PEER_PORT + 2;
	s->iss_known = false;
	PEER(s, .flags = S, .win = 65535, .mss = 1460);
	EXPECT(s, .flags = S | A, .seq = 0, .ack = 1);
	PEER(s, .flags = A, .seq = 0, .ack = 1, .win = 65535, .len = 2);
	PEER(s, .flags = F | A, .seq = 0, .ack = 1, .win = 65535);
	NOTHING(s);
	assert_int_equal(s->accepted, 2);
	/* When the secret is forgotten, so is the handshake. */
	script_pass(s, 2 * PERIOD_MS * MS);
	script_skip(s);
	PEER(s, .flags = A, .seq = 0, .ack = 1, .win = 65535);
	EXPECT(s, .flags = R, .seq = 1);
}

/* A secret is honoured for one period after its own: 32 to 64 s. */
static void
answer_is_good_for_at_least_one_period_and_at_most_two(void **state)
{
	struct script *s = script_open(NULL);
	uint32_t late = 0;

	(void)state;
	for (uint32_t i = 0; i < 6; i++) {
		s->rport = PEER_PORT + i;
		s->iss_known = false;
		PEER(s, .flags = S, .win = 65535, .mss = 1460);
		EXPECT(s, .flags = S | A, .seq = 0, .ack = 1);
		script_pass(s, (PERIOD_MS - 1) * MS);
		PEER(s, .flags = A, .seq = 1, .ack = 1, .win = 65535);
		assert_int_equal(s->accepted, i + 1);
	}
	for (uint32_t i = 6; i < 12; i++) {
		s->rport = PEER_PORT + i;
		s->iss_known = false;
		PEER(s, .flags = S, .win = 65535, .mss = 1460);
		EXPECT(s, .flags = S | A, .seq = 0, .ack = 1);
		script_pass(s, 2 * PERIOD_MS * MS);
		PEER(s, .flags = A, .seq = 1, .ack = 1, .win = 65535);
		late += script_skip(s);
		assert_int_equal(s->accepted, 6);
	}
	assert_int_equal(late, 6); /* RST */
}

/* Within a period a repeated SYN gets the same answer, whatever happened in between. */
static void
repeated_syn_gets_the_same_number(void **state)
{
	struct script *s = script_open(NULL);

	(void)state;
	PEER(s, .flags = S, .win = 65535, .mss = 1460);
	EXPECT(s, .flags = S | A, .seq = 0, .ack = 1);
	script_pass(s, 1000 * MS);
	PEER(s, .flags = S, .win = 65535, .mss = 1460);
	EXPECT(s, .flags = S | A, .seq = 0, .ack = 1);
	/* Another number of the peer's is another request. */
	PEER(s, .flags = S, .seq = 1000000, .win = 65535, .mss = 1460);
	assert_int_not_equal(s->out[s->taken % SCRIPT_OUT].seg.seq, s->iss);
	script_skip(s);
}

static void
echoed_timestamp_gives_the_round_trip_time(void **state)
{
	struct script *s = script_open(NULL);
	const struct tcp_seg *o;
	uint32_t echo;

	(void)state;
	PEER(s, .flags = S, .win = 65535, .mss = 1460, .has_ts = true, .tsval = 5);
	o = EXPECT(s, .flags = S | A, .seq = 0, .ack = 1);
	echo = o->tsval;
	script_pass(s, 123 * MS);
	PEER(s, .flags = A, .seq = 1, .ack = 1, .win = 65535, .has_ts = true, .tsval = 6,
	     .tsecr = echo);
	assert_in_range(info(s).srtt_us, 122000, 124000);
	/* Bytes may have waited for their sender's reasons; an echo of never is none. */
	for (uint32_t i = 1; i < 3; i++) {
		s->rport = PEER_PORT + i;
		s->iss_known = false;
		PEER(s, .flags = S, .win = 65535, .mss = 1460, .has_ts = true, .tsval = 5);
		o = EXPECT(s, .flags = S | A, .seq = 0, .ack = 1);
		echo = i == 1 ? o->tsval : o->tsval + 1000;
		script_pass(s, 123 * MS);
		PEER(s, .flags = A, .seq = 1, .ack = 1, .win = 65535, .has_ts = true, .tsval = 6,
		     .tsecr = echo, .len = i == 1 ? 10 : 0);
		assert_int_equal(s->accepted, i + 1);
		assert_int_equal(info(s).srtt_us, 0);
	}
}

static void
full_table_answers_neither_the_request_nor_its_completion(void **state)
{
	struct script *s = script_open(&(struct pw_tcp_conf){.max_conns = 2});
	uint32_t iss[3];

	(void)state;
	for (uint32_t i = 0; i < 3; i++) {
		s->rport = PEER_PORT + i;
		s->iss_known = false;
		PEER(s, .flags = S, .win = 65535, .mss = 1460);
		EXPECT(s, .flags = S | A, .seq = 0, .ack = 1);
		iss[i] = s->iss;
	}
	for (uint32_t i = 0; i < 3; i++) {
		s->rport = PEER_PORT + i;
		s->iss = iss[i];
		PEER(s, .flags = A, .seq = 1, .ack = 1, .win = 65535, .len = 5 * (i == 2));
	}
	assert_int_equal(s->accepted, 2);
	/* The third believes itself connected: its bytes are not refused, they wait. */
	NOTHING(s);
	assert_int_equal(pw_tcp_counters(s->t)->drop_syn_full, 1);
	s->rport = PEER_PORT + 3;
	PEER(s, .flags = S, .win = 65535, .mss = 1460);
	NOTHING(s);
	assert_int_equal(pw_tcp_counters(s->t)->drop_syn_full, 2);
	s->rport = PEER_PORT + 1;
	s->iss = iss[1];
	PEER(s, .flags = R, .seq = 1);
	assert_int_equal(s->gone, 1);
	s->rport = PEER_PORT + 2;
	s->iss = iss[2];
	PEER(s, .flags = A, .seq = 1, .ack = 1, .win = 65535, .len = 5);
	assert_int_equal(s->accepted, 3);
	assert_int_equal(pw_tcp_rx_len(s->conn), 5);
}

static void
pressure_lets_the_completion_wait(void **state)
{
	struct script *s = script_open(NULL);

	(void)state;
	PEER(s, .flags = S, .win = 65535, .mss = 1460);
	EXPECT(s, .flags = S | A, .seq = 0, .ack = 1);
	pw_tcp_set_pressure(s->t, 2);
	PEER(s, .flags = A, .seq = 1, .ack = 1, .win = 65535, .len = 5);
	NOTHING(s);
	assert_int_equal(pw_tcp_counters(s->t)->drop_syn_pressure, 1);
	assert_int_equal(s->accepted, 0);
	pw_tcp_set_pressure(s->t, 0);
	PEER(s, .flags = A, .seq = 1, .ack = 1, .win = 65535, .len = 5);
	assert_int_equal(s->accepted, 1);
}

static void
burst_of_syn_ack_and_bytes_opens_one_connection(void **state)
{
	struct script *s = script_open(NULL);
	struct tcp_seg burst[3];

	(void)state;
	PEER(s, .flags = S, .win = 65535, .mss = 1460);
	EXPECT(s, .flags = S | A, .seq = 0, .ack = 1);
	for (uint32_t i = 0; i < 3; i++)
		burst[i] = (struct tcp_seg){
			.flags = A, .seq = 1, .ack = 1, .win = 65535, .len = i == 0 ? 0 : 10};
	script_peer_burst(s, burst, 3);
	assert_int_equal(s->accepted, 1);
	assert_int_equal(pw_tcp_conns(s->t), 1);
	assert_int_equal(pw_tcp_rx_len(s->conn), 10);
	script_skip(s);
}

/* A copy of the first bytes that comes when all is over must not start it anew. */
static void
acknowledgement_that_opened_a_connection_opens_no_second_one(void **state)
{
	struct script *s = script_open(NULL);
	uint32_t old;

	(void)state;
	script_accept(s);
	PEER(s, .flags = R, .seq = 1);
	assert_int_equal(s->gone, 1);
	PEER(s, .flags = A, .seq = 1, .ack = 1, .win = 65535, .len = 10);
	EXPECT(s, .flags = R, .seq = 1);
	assert_int_equal(s->accepted, 1);
	script_pass(s, (PERIOD_MS - 1) * MS);
	PEER(s, .flags = A, .seq = 1, .ack = 1, .win = 65535);
	EXPECT(s, .flags = R, .seq = 1);
	/* A device that has lost its memory begins with an older number: it is none of TIME_WAIT.
	 */
	old = s->iss;
	s->iss_known = false;
	PEER(s, .flags = S, .seq = -5000, .win = 65535, .mss = 1460);
	EXPECT(s, .flags = S | A, .seq = 0, .ack = -4999);
	assert_in_range(s->iss - old, 128000, 0x7fffffff);
	PEER(s, .flags = A, .seq = -4999, .ack = 1, .win = 65535);
	assert_int_equal(s->accepted, 2);
	assert_int_equal(pw_tcp_counters(s->t)->time_wait_reused, 0);
}

/* The record of it goes with the secret. */
static void
record_of_a_cookie_ends_with_its_secret(void **state)
{
	struct script *s = script_open(&(struct pw_tcp_conf){.max_time_wait = 2});

	(void)state;
	for (uint32_t i = 0; i < 5; i++) {
		s->rport = PEER_PORT + i;
		s->iss_known = false;
		script_accept(s);
		PEER(s, .flags = R, .seq = 1);
		/* The third and fourth find no room: they can be repeated, that is all. */
		PEER(s, .flags = A, .seq = 1, .ack = 1, .win = 65535);
		assert_int_equal(pw_tcp_conns(s->t), i == 2 || i == 3);
		if (i == 2 || i == 3)
			PEER(s, .flags = R, .seq = 1);
		script_skip(s);
		if (i == 3)
			script_pass(s, 2 * PERIOD_MS * MS);
	}
	assert_int_equal(s->accepted, 7);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		SCRIPT(options_come_back_with_the_acknowledgement),
		SCRIPT(first_bytes_complete_the_handshake_where_the_ack_was_lost),
		SCRIPT(fin_with_the_first_bytes_completes_the_handshake_too),
		SCRIPT(acknowledgement_of_no_answer_is_reset),
		SCRIPT(acknowledgement_with_another_number_of_the_peer_opens_nothing),
		SCRIPT(timestamps_that_were_not_agreed_are_ignored),
		SCRIPT(acknowledgement_without_the_agreed_timestamp_is_dropped),
		SCRIPT(keepalive_probe_completes_the_handshake_whose_ack_was_lost),
		SCRIPT(answer_is_good_for_at_least_one_period_and_at_most_two),
		SCRIPT(repeated_syn_gets_the_same_number),
		SCRIPT(echoed_timestamp_gives_the_round_trip_time),
		SCRIPT(full_table_answers_neither_the_request_nor_its_completion),
		SCRIPT(pressure_lets_the_completion_wait),
		SCRIPT(acknowledgement_that_opened_a_connection_opens_no_second_one),
		SCRIPT(record_of_a_cookie_ends_with_its_secret),
		SCRIPT(burst_of_syn_ack_and_bytes_opens_one_connection),
	};

	return cmocka_run_group_tests(tests, script_group_setup, script_group_teardown);
}
