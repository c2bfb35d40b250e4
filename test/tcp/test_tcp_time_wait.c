/* SPDX-License-Identifier: BSD-3-Clause */
/* TIME-WAIT (RFC 9293 3.6, RFC 6191): how long, what it answers, whom it gives way to. */
#include "script.h"

static void
time_wait_acknowledges_a_repeated_fin_until_twice_the_lifetime(void **state)
{
	struct script *s = script_open(&(struct pw_tcp_conf){.msl_ms = 1000});

	(void)state;
	script_accept(s);
	script_close_first(s);
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
	script_close_first(s);
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
	script_close_first(s);
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
	script_close_first(s);
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
	script_close_first(s);
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
	script_close_first(s);
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
		script_close_first(s);
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
	script_close_first(s);
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
	script_close_first(s);
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
		script_close_first(s);
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

int
main(void)
{
	const struct CMUnitTest tests[] = {
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
	};

	return cmocka_run_group_tests(tests, script_group_setup, script_group_teardown);
}
