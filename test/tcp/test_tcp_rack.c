/* SPDX-License-Identifier: BSD-3-Clause */
/* Loss by time, RFC 8985 6.2. Round trip 40 ms, so the reordering window is 10 ms at first. */
#include <string.h>

#include "script.h"

#define MSS	       1460
#define RTT	       40
#define AT(n)	       (1 + (n)*MSS)

#define ACK(s, n, ...) PEER(s, .flags = A, .seq = 1, .ack = (n), .win = 65535, ##__VA_ARGS__)
#define SACK1(a, b)    .nb_sack = 1, .sack = {{a, b}}

static struct pw_tcp_info
info(struct script *s)
{
	struct pw_tcp_info i;

	pw_tcp_info(s->t, s->conn, &i);
	return i;
}

/** Passive open with SACK and one round trip measured; n segments are on their way for RTT. */
static struct script *
flight(uint32_t n, uint32_t *at)
{
	struct script *s = script_open(NULL);

	PEER(s, .flags = S, .win = 65535, .mss = MSS, .sack_ok = true);
	EXPECT(s, .flags = S | A, .seq = 0, .ack = 1);
	ACK(s, 1);
	script_send(s, 0, MSS);
	script_skip(s);
	script_pass(s, RTT * MS);
	ACK(s, AT(1));
	assert_in_range(info(s).min_rtt_us, 40000, 40000);
	script_send(s, MSS, n * MSS);
	assert_int_equal(script_skip(s), n);
	script_pass(s, RTT * MS);
	NOTHING(s);
	*at = 1;
	return s;
}

static void
two_segments_behind_a_hole_wait_for_the_reordering_window(void **state)
{
	uint32_t a;
	struct script *s = flight(3, &a);
	uint64_t t = s->now;

	(void)state;
	ACK(s, AT(a), SACK1(AT(a + 1), AT(a + 3)));
	NOTHING(s);
	assert_true(script_until_sent(s, 200 * MS));
	WITHIN_MS(s->now - t, 10, 11); /* min_rtt / 4 */
	EXPECT(s, .flags = A, .seq = AT(a), .ack = 1, .len = MSS);
	NOTHING(s);
	assert_int_equal(pw_tcp_counters(s->t)->reorder_timeouts, 1);
	assert_int_equal(pw_tcp_counters(s->t)->rack_lost, 1);
	assert_int_equal(pw_tcp_counters(s->t)->rto_fired, 0);
	ACK(s, AT(a + 3));
}

static void
late_segment_within_the_window_is_not_sent_again(void **state)
{
	uint32_t a;
	struct script *s = flight(3, &a);

	(void)state;
	ACK(s, AT(a), SACK1(AT(a + 1), AT(a + 3)));
	script_pass(s, 5 * MS);
	ACK(s, AT(a + 3));
	script_pass(s, 5000 * MS);
	NOTHING(s);
	assert_int_equal(pw_tcp_counters(s->t)->retransmits, 0);
}

static void
reordering_once_seen_is_waited_for_behind_three_segments_too(void **state)
{
	uint32_t a;
	struct script *s = flight(8, &a);
	uint64_t t;

	(void)state;
	ACK(s, AT(a), SACK1(AT(a + 1), AT(a + 2)));
	ACK(s, AT(a + 2)); /* what was sent first came second: step 3 */
	t = s->now;
	ACK(s, AT(a + 2), SACK1(AT(a + 3), AT(a + 8)));
	NOTHING(s); /* five behind it, and still time */
	assert_true(script_until_sent(s, 200 * MS));
	WITHIN_MS(s->now - t, 10, 11);
	EXPECT(s, .flags = A, .seq = AT(a + 2), .ack = 1, .len = MSS);
	ACK(s, AT(a + 8));
}

static void
reports_of_duplicates_widen_the_window(void **state)
{
	uint32_t a;
	struct script *s = flight(8, &a);
	uint64_t t;

	(void)state;
	ACK(s, AT(a), SACK1(AT(a + 1), AT(a + 2)));
	ACK(s, AT(a + 2), .nb_sack = 1, .sack = {{AT(a), AT(a + 1)}});
	t = s->now;
	ACK(s, AT(a + 2), SACK1(AT(a + 3), AT(a + 8)));
	assert_true(script_until_sent(s, 200 * MS));
	WITHIN_MS(s->now - t, 20, 21); /* step 4: twice a quarter */
	EXPECT(s, .flags = A, .seq = AT(a + 2), .ack = 1, .len = MSS);
	ACK(s, AT(a + 8));
}

/* 6.2 step 4: as many as there are in a round trip say the same. */
static void
reports_of_one_round_trip_widen_the_window_once(void **state)
{
	uint32_t a;
	struct script *s = flight(8, &a);
	uint64_t t;

	(void)state;
	ACK(s, AT(a), SACK1(AT(a + 1), AT(a + 2)));
	ACK(s, AT(a + 2), SACK1(AT(a), AT(a + 1)));
	ACK(s, AT(a + 2), SACK1(AT(a + 1), AT(a + 2)));
	ACK(s, AT(a + 2), SACK1(AT(a), AT(a + 1)));
	assert_int_equal(pw_tcp_counters(s->t)->dsacks_in, 3);
	t = s->now;
	ACK(s, AT(a + 2), SACK1(AT(a + 3), AT(a + 8)));
	assert_true(script_until_sent(s, 200 * MS));
	WITHIN_MS(s->now - t, 20, 21);
	script_skip(s);
	ACK(s, AT(a + 8));
}

/* How long the n-th segment and the one behind it wait for each other: the latter arrives. */
static uint64_t
waits(struct script *s, uint32_t n)
{
	uint64_t t;

	script_send(s, n * MSS, 2 * MSS);
	assert_int_equal(script_skip(s), 2);
	script_pass(s, RTT * MS);
	ACK(s, AT(n), SACK1(AT(n + 1), AT(n + 2)));
	t = s->now;
	assert_true(script_until_sent(s, 200 * MS));
	t = s->now - t;
	EXPECT(s, .flags = A, .seq = AT(n), .ack = 1, .len = MSS);
	script_pass(s, RTT * MS);
	ACK(s, AT(n + 2));
	return t;
}

/* 6.2 step 4: after sixteen recoveries without a report they are forgotten. */
static void
reports_of_duplicates_are_forgotten(void **state)
{
	uint32_t a;
	struct script *s = flight(2, &a);

	(void)state;
	ACK(s, AT(a + 2), SACK1(AT(a), AT(a + 1)));
	for (uint32_t i = 0; i < 16; i++)
		WITHIN_MS(waits(s, a + 2 + 2 * i), 20, 21);
	WITHIN_MS(waits(s, a + 34), 10, 11);
	assert_int_equal(pw_tcp_counters(s->t)->rto_fired, 0);
}

static void
lost_retransmission_is_found_by_what_was_sent_after_it(void **state)
{
	uint32_t a;
	struct script *s = flight(10, &a);

	(void)state;
	ACK(s, AT(a), SACK1(AT(a + 1), AT(a + 10)));
	EXPECT(s, .flags = A, .seq = AT(a), .ack = 1, .len = MSS);
	script_send(s, 11 * MSS, 4 * MSS);
	assert_in_range(script_skip(s), 2, 4);
	script_pass(s, RTT * MS);
	script_skip(s);
	/* What left after the retransmission has arrived, and it has not. */
	ACK(s, AT(a), SACK1(AT(a + 1), AT(a + 12)));
	EXPECT(s, .flags = A, .seq = AT(a), .ack = 1, .len = MSS);
	assert_int_equal(pw_tcp_counters(s->t)->rto_fired, 0);
	assert_int_equal(pw_tcp_counters(s->t)->fast_retransmits, 1); /* of the same window */
}

/* 6.2 step 2: an acknowledgement too early for the repetition is of the first transmission. */
static void
late_original_is_not_taken_for_the_repetition(void **state)
{
	uint32_t a;
	struct script *s = flight(8, &a);

	(void)state;
	ACK(s, AT(a), SACK1(AT(a + 1), AT(a + 4)));
	EXPECT(s, .flags = A, .seq = AT(a), .ack = 1, .len = MSS);
	script_pass(s, 5 * MS);
	ACK(s, AT(a + 4));
	NOTHING(s); /* what was sent before the repetition is not lost for that */
	ACK(s, AT(a + 8));
	assert_int_equal(pw_tcp_counters(s->t)->retransmits, 1);
}

/* The same where the time would do, but the echoed timestamp is that of the first. */
static void
timestamp_tells_the_original_from_the_repetition(void **state)
{
	struct script *s = script_open(NULL);
	uint32_t ts;

	(void)state;
	script_accept_with(s, (struct tcp_seg){.win = 65535,
					       .mss = MSS + 12,
					       .has_ts = true,
					       .tsval = 1,
					       .sack_ok = true});
	script_send(s, 0, MSS);
	ts = EXPECT(s, .flags = A, .seq = 1, .ack = 1, .len = 1448)->tsval;
	script_skip(s);
	script_pass(s, RTT * MS);
	ACK(s, AT(1), .has_ts = true, .tsval = 2, .tsecr = ts);
	script_send(s, MSS, 8 * 1448);
	ts = EXPECT(s, .flags = A, .seq = AT(1), .ack = 1, .len = 1448)->tsval;
	assert_int_equal(script_skip(s), 7);
	script_pass(s, RTT * MS);
	ACK(s, AT(1), .has_ts = true, .tsval = 3, .tsecr = ts,
	    SACK1(AT(1) + 1448, AT(1) + 4 * 1448));
	EXPECT(s, .flags = A, .seq = AT(1), .ack = 1, .len = 1448);
	script_pass(s, RTT * MS + 5 * MS);
	ACK(s, AT(1) + 4 * 1448, .has_ts = true, .tsval = 4, .tsecr = ts);
	NOTHING(s);
	ACK(s, AT(1) + 8 * 1448, .has_ts = true, .tsval = 5, .tsecr = ts);
	assert_int_equal(pw_tcp_counters(s->t)->retransmits, 1);
}

/* Step 1: a path that has become longer is noticed after some minutes. */
static void
least_round_trip_grows_old(void **state)
{
	uint32_t a;
	struct script *s = flight(1, &a);

	(void)state;
	ACK(s, AT(a + 1));
	for (uint32_t i = 0; i < 2; i++) {
		script_pass(s, (i == 0 ? 60 : 300) * 1000 * MS);
		script_send(s, (a + 1 + i) * MSS, MSS);
		script_skip(s);
		script_pass(s, 80 * MS);
		ACK(s, AT(a + 2 + i));
		assert_in_range(info(s).min_rtt_us, i == 0 ? 40000 : 80000, i == 0 ? 40000 : 81000);
	}
}

static void
timeout_spares_what_was_sent_a_moment_ago(void **state)
{
	uint32_t a;
	struct script *s = flight(1, &a);

	(void)state;
	assert_true(script_until_sent(s, 1000 * MS)); /* a probe */
	script_skip(s);
	script_pass(s, info(s).rto_ms * MS - 10 * MS);
	NOTHING(s);
	script_send(s, 2 * MSS, 100);
	EXPECT(s, .flags = A, .seq = AT(a + 1), .ack = 1, .len = 100);
	assert_true(script_until_sent(s, 20 * MS));
	assert_int_equal(pw_tcp_counters(s->t)->rto_fired, 1);
	EXPECT(s, .flags = A, .seq = AT(a), .ack = 1, .len = MSS);
	assert_int_equal(info(s).lost, 0); /* 6.3: 10 ms are less than a round trip */
	ACK(s, AT(a + 1) + 100);
	script_pass(s, 1000 * MS);
	NOTHING(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		SCRIPT(two_segments_behind_a_hole_wait_for_the_reordering_window),
		SCRIPT(late_segment_within_the_window_is_not_sent_again),
		SCRIPT(reordering_once_seen_is_waited_for_behind_three_segments_too),
		SCRIPT(reports_of_duplicates_widen_the_window),
		SCRIPT(reports_of_one_round_trip_widen_the_window_once),
		SCRIPT(reports_of_duplicates_are_forgotten),
		SCRIPT(lost_retransmission_is_found_by_what_was_sent_after_it),
		SCRIPT(late_original_is_not_taken_for_the_repetition),
		SCRIPT(timestamp_tells_the_original_from_the_repetition),
		SCRIPT(least_round_trip_grows_old),
		SCRIPT(timeout_spares_what_was_sent_a_moment_ago),
	};

	return cmocka_run_group_tests(tests, script_group_setup, script_group_teardown);
}
