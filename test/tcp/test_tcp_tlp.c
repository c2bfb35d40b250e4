/* SPDX-License-Identifier: BSD-3-Clause */
/* Tail loss probes, RFC 8985 7. Round trip 40 ms. */
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

/** Passive open; some round trips measured, so that the smoothed one is RTT and its deviation
 * small; then n segments leave. */
static struct script *
flight(uint32_t n, bool sack)
{
	struct script *s = script_open(NULL);

	PEER(s, .flags = S, .win = 65535, .mss = MSS, .sack_ok = sack);
	EXPECT(s, .flags = S | A, .seq = 0, .ack = 1);
	ACK(s, 1);
	for (uint32_t i = 0; i < 10; i++) {
		script_send(s, i * MSS, MSS);
		script_skip(s);
		script_pass(s, RTT * MS);
		ACK(s, AT(i + 1));
	}
	script_send(s, 10 * MSS, n * MSS);
	assert_int_equal(script_skip(s), n);
	return s;
}

static void
last_segment_goes_again_after_two_round_trips(void **state)
{
	struct script *s = flight(4, true);
	uint64_t t = s->now;

	(void)state;
	assert_true(script_until_sent(s, 1000 * MS));
	WITHIN_MS(s->now - t, 80, 82); /* 7.2: 2 * SRTT */
	EXPECT(s, .flags = A, .seq = AT(13), .ack = 1, .len = MSS);
	NOTHING(s);
	assert_int_equal(pw_tcp_counters(s->t)->tlp_probes, 1);
	assert_int_equal(pw_tcp_counters(s->t)->rto_fired, 0);
	/* The probe arrived, what stood before it had not: time says which. */
	script_pass(s, RTT * MS);
	ACK(s, AT(10), SACK1(AT(13), AT(14)));
	EXPECT(s, .flags = A, .seq = AT(10), .ack = 1, .len = MSS);
	script_skip(s);
	assert_string_equal(info(s).ca, "recovery");
	assert_int_equal(pw_tcp_counters(s->t)->rto_fired, 0);
}

static void
one_segment_is_given_time_for_a_delayed_acknowledgement(void **state)
{
	struct script *s = flight(1, true);
	uint64_t t = s->now;
	uint32_t rto = info(s).rto_ms;

	(void)state;
	assert_true(script_until_sent(s, 1000 * MS));
	/* 2 * SRTT + 200 ms, but no later than the timeout would be. */
	WITHIN_MS(s->now - t, rto - 1, rto + 2);
	EXPECT(s, .flags = A, .seq = AT(10), .ack = 1, .len = MSS);
	assert_int_equal(pw_tcp_counters(s->t)->tlp_probes, 1);
	assert_true(info(s).cwnd > MSS); /* it came in place of the timeout */
	assert_true(script_until_sent(s, 1000 * MS));
	EXPECT(s, .flags = A, .seq = AT(10), .ack = 1, .len = MSS);
	assert_int_equal(pw_tcp_counters(s->t)->tlp_probes, 1); /* 7.3: one at a time */
	assert_int_equal(pw_tcp_counters(s->t)->rto_fired, 1);
	assert_int_equal(info(s).cwnd, MSS);
}

static void
new_data_is_the_probe_where_there_is_some(void **state)
{
	struct script *s = flight(10, true);

	(void)state;
	script_send(s, 20 * MSS, 3 * MSS);
	script_skip(s); /* the window is full, or takes some of it */
	script_send(s, 23 * MSS, 20 * MSS);
	script_skip(s);
	assert_true(script_until_sent(s, 150 * MS));
	assert_true(s->out[s->taken % SCRIPT_OUT].seg.seq - s->iss >= AT(20));
	script_skip(s);
	assert_int_equal(pw_tcp_counters(s->t)->tlp_probes, 1);
	assert_int_equal(pw_tcp_counters(s->t)->retransmits, 0);
}

static void
probe_that_mended_a_loss_reduces_the_window(void **state)
{
	struct script *s = flight(4, true);
	uint32_t before = info(s).cwnd;

	(void)state;
	assert_true(script_until_sent(s, 1000 * MS));
	script_skip(s);
	script_pass(s, RTT * MS);
	ACK(s, AT(14)); /* all of it, and no word of a duplicate */
	assert_int_equal(info(s).cwnd, before);
	script_send(s, 14 * MSS, MSS);
	script_skip(s);
	script_pass(s, RTT * MS);
	ACK(s, AT(15)); /* 7.4: nor now */
	assert_int_equal(pw_tcp_counters(s->t)->tlp_recovered, 1);
	assert_true(info(s).cwnd < before);
}

static void
needless_probe_costs_nothing(void **state)
{
	struct script *s = flight(4, true);
	uint32_t before = info(s).cwnd;

	(void)state;
	assert_true(script_until_sent(s, 1000 * MS));
	script_skip(s);
	ACK(s, AT(14));
	script_pass(s, RTT * MS);
	ACK(s, AT(14), SACK1(AT(13), AT(14))); /* the probe was the second copy */
	script_send(s, 14 * MSS, MSS);
	script_skip(s);
	script_pass(s, RTT * MS);
	ACK(s, AT(15));
	assert_int_equal(pw_tcp_counters(s->t)->tlp_recovered, 0);
	assert_true(info(s).cwnd >= before);
}

/* 7.4: the report of a duplicate counts in whatever segment it comes. */
static void
report_of_a_needless_probe_beside_a_window_update_counts(void **state)
{
	struct script *s = flight(4, true);

	(void)state;
	assert_true(script_until_sent(s, 1000 * MS));
	script_skip(s);
	ACK(s, AT(14));
	script_pass(s, RTT * MS);
	PEER(s, .flags = A, .seq = 1, .ack = AT(14), .win = 60000, SACK1(AT(13), AT(14)));
	script_send(s, 14 * MSS, MSS);
	script_skip(s);
	script_pass(s, RTT * MS);
	ACK(s, AT(15));
	assert_int_equal(pw_tcp_counters(s->t)->tlp_recovered, 0);
}

/* 7.4: of a peer that reports no duplicates, the same acknowledgement again says as much. */
static void
repeated_acknowledgement_says_that_the_probe_was_needless(void **state)
{
	struct script *s = flight(4, true);

	(void)state;
	assert_true(script_until_sent(s, 1000 * MS));
	script_skip(s);
	ACK(s, AT(14));
	script_pass(s, RTT * MS);
	ACK(s, AT(14));
	script_send(s, 14 * MSS, MSS);
	script_skip(s);
	script_pass(s, RTT * MS);
	ACK(s, AT(15));
	assert_int_equal(pw_tcp_counters(s->t)->tlp_recovered, 0);
}

/* 7.4: an acknowledgement with blocks of something later is not the answer to the probe. */
static void
blocks_of_later_segments_do_not_make_a_probe_needless(void **state)
{
	struct script *s = flight(4, true);

	(void)state;
	assert_true(script_until_sent(s, 1000 * MS));
	script_skip(s);
	script_pass(s, RTT * MS);
	ACK(s, AT(14)); /* thanks to the probe */
	script_send(s, 14 * MSS, 4 * MSS);
	script_skip(s);
	script_pass(s, RTT * MS);
	ACK(s, AT(14), SACK1(AT(15), AT(16)));
	ACK(s, AT(18));
	assert_int_equal(pw_tcp_counters(s->t)->tlp_recovered, 1);
	assert_int_equal(pw_tcp_counters(s->t)->cwnd_reductions, 1);
}

/* And where they begin a recovery, that is the reduction for both. */
static void
probe_that_mended_a_loss_before_a_recovery_reduces_once(void **state)
{
	struct script *s = flight(4, true);

	(void)state;
	assert_true(script_until_sent(s, 1000 * MS));
	script_skip(s);
	script_pass(s, RTT * MS);
	ACK(s, AT(14));
	script_send(s, 14 * MSS, 6 * MSS);
	script_skip(s);
	script_pass(s, RTT * MS);
	ACK(s, AT(14), SACK1(AT(15), AT(19)));
	EXPECT(s, .flags = A, .seq = AT(14), .ack = 1, .len = MSS);
	script_pass(s, RTT * MS);
	ACK(s, AT(19));
	assert_int_equal(pw_tcp_counters(s->t)->tlp_recovered, 1);
	assert_int_equal(pw_tcp_counters(s->t)->cwnd_reductions, 1);
	script_skip(s);
	ACK(s, AT(20));
}

/* 7.3: no second probe before a round trip was measured. */
static void
probe_after_a_probe_waits_for_a_round_trip(void **state)
{
	struct script *s = flight(4, true);

	(void)state;
	assert_true(script_until_sent(s, 1000 * MS));
	script_skip(s);
	script_send(s, 14 * MSS, 2 * MSS);
	assert_int_equal(script_skip(s), 2);
	script_pass(s, RTT * MS);
	ACK(s, AT(14), SACK1(AT(13), AT(14))); /* which copy it was can't be said */
	assert_true(script_until_sent(s, 1000 * MS));
	assert_int_equal(pw_tcp_counters(s->t)->tlp_probes, 1);
	assert_int_equal(pw_tcp_counters(s->t)->rto_fired, 1);
	script_skip(s);
	ACK(s, AT(16));
}

static void
no_probe_without_sack(void **state)
{
	struct script *s = flight(4, false);
	uint64_t t = s->now;

	(void)state;
	assert_true(script_until_sent(s, 1000 * MS));
	assert_true(s->now - t >= 200 * MS);
	EXPECT(s, .flags = A, .seq = AT(10), .ack = 1, .len = MSS);
	assert_int_equal(pw_tcp_counters(s->t)->tlp_probes, 0);
	assert_int_equal(pw_tcp_counters(s->t)->rto_fired, 1);
}

static void
idle_connection_has_no_timer(void **state)
{
	struct script *s = flight(4, true);

	(void)state;
	script_pass(s, RTT * MS);
	ACK(s, AT(14));
	script_pass(s, 10000 * MS);
	NOTHING(s);
	assert_int_equal(pw_tcp_next(s->t), UINT64_MAX);
	assert_int_equal(pw_tcp_counters(s->t)->tlp_probes, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		SCRIPT(last_segment_goes_again_after_two_round_trips),
		SCRIPT(one_segment_is_given_time_for_a_delayed_acknowledgement),
		SCRIPT(new_data_is_the_probe_where_there_is_some),
		SCRIPT(probe_that_mended_a_loss_reduces_the_window),
		SCRIPT(needless_probe_costs_nothing),
		SCRIPT(report_of_a_needless_probe_beside_a_window_update_counts),
		SCRIPT(repeated_acknowledgement_says_that_the_probe_was_needless),
		SCRIPT(blocks_of_later_segments_do_not_make_a_probe_needless),
		SCRIPT(probe_that_mended_a_loss_before_a_recovery_reduces_once),
		SCRIPT(probe_after_a_probe_waits_for_a_round_trip),
		SCRIPT(no_probe_without_sack),
		SCRIPT(idle_connection_has_no_timer),
	};

	return cmocka_run_group_tests(tests, script_group_setup, script_group_teardown);
}
