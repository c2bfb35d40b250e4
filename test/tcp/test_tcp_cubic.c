/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * CUBIC against the formulas of RFC 9438 in floating point: a whole flight is acknowledged each
 * round trip, and the window is compared with what the text says.
 */
#include <math.h>
#include <string.h>

#include "script.h"

#define MSS 1000
#define RTT 100 /* ms */
#define C   0.4 /* RFC 9438 5.1 */

static struct pw_tcp_info
info(struct script *s)
{
	struct pw_tcp_info i;

	pw_tcp_info(s->t, s->conn, &i);
	return i;
}

/** An active open over a path of RTT, with SACK and windows that are never the limit. */
static struct script *
open_path(void)
{
	struct script *s = script_open(&(struct pw_tcp_conf){.tx_queue_bytes = 1 << 20});

	script_syn(s);
	script_pass(s, RTT * MS);
	PEER(s, .flags = S | A, .seq = 0, .ack = 1, .win = 65535, .mss = MSS, .sack_ok = true,
	     .has_ws = true, .ws = 6);
	EXPECT(s, .flags = A, .seq = 1, .ack = 1);
	PEER(s, .flags = A, .seq = 1, .ack = 1, .win = 65535);
	assert_string_equal(info(s).cc, "cubic");
	return s;
}

struct stream {
	uint32_t queued;
	uint32_t acked;
};

/** One round trip: everything on its way is acknowledged, two segments at a time; or, with a hole
 * in it, by SACK. */
static void
round_trip(struct script *s, struct stream *st, bool hole)
{
	uint32_t out, hi;

	while (st->queued - st->acked < 3 * info(s).cwnd) {
		script_send(s, st->queued, MSS);
		st->queued += MSS;
		script_skip(s);
	}
	out = info(s).pipe;
	hi = st->acked + out;
	script_pass(s, RTT * MS);
	script_skip(s);
	if (hole) {
		for (uint32_t at = st->acked + 2 * MSS; at <= hi; at += MSS) {
			PEER(s, .flags = A, .seq = 1, .ack = 1 + st->acked, .win = 65535,
			     .nb_sack = 1, .sack = {{1 + st->acked + MSS, 1 + at}});
			script_skip(s);
		}
		hi = st->acked + out;
	}
	while (st->acked < hi) {
		st->acked = hole ? hi : RTE_MIN(st->acked + 2 * MSS, hi);
		PEER(s, .flags = A, .seq = 1, .ack = 1 + st->acked, .win = 65535);
		script_skip(s);
	}
}

static double
segments(struct script *s)
{
	return (double)info(s).cwnd / MSS;
}

/** Slow start until the window is about n segments, then a loss, and its recovery. */
static double
lose_at(struct script *s, struct stream *st, double n)
{
	double top;

	while (segments(s) < n)
		round_trip(s, st, false);
	top = segments(s);
	round_trip(s, st, true);
	return top;
}

static void
window_falls_to_seven_tenths(void **state)
{
	struct script *s = open_path();
	struct stream st = {0, 0};
	double top;

	(void)state;
	top = lose_at(s, &st, 60);
	assert_string_equal(info(s).ca, "recovery");
	assert_true(fabs((double)info(s).ssthresh / MSS - 0.7 * top) <= 1); /* 4.6 */
	while (strcmp(info(s).ca, "open") != 0)
		round_trip(s, &st, false);
	assert_true(fabs(segments(s) - 0.7 * top) <= 1.5);
}

static void
window_follows_the_cube(void **state)
{
	struct script *s = open_path();
	struct stream st = {0, 0};
	double top, start, k, reno;
	uint64_t epoch;

	(void)state;
	top = lose_at(s, &st, 60);
	while (strcmp(info(s).ca, "open") != 0)
		round_trip(s, &st, false);
	epoch = s->now + RTT * MS; /* the first acknowledgement after recovery begins it */
	start = segments(s);
	reno = start;
	k = cbrt((top - start) / C); /* (2) */
	for (uint32_t i = 0; i < 80; i++) {
		double t, cube, want;

		round_trip(s, &st, false);
		t = (double)(s->now - epoch) / 1e9;
		cube = C * pow(t - k, 3) + top;		/* (1) */
		reno += reno < top ? 3 * 0.3 / 1.7 : 1; /* (4) */
		want = RTE_MAX(cube, reno);
		if (i < 2 || want > 400)
			continue;
		/* The target is where the cube will be a round trip later (4.4). */
		assert_true(segments(s) > 0.93 * want - 1);
		assert_true(segments(s) <
			    1.05 * RTE_MAX(C * pow(t + RTT / 1e3 - k, 3) + top, reno) + 2);
	}
	assert_true(segments(s) > top);
}

static void
second_loss_below_the_last_maximum_leaves_room(void **state)
{
	struct script *s = open_path();
	struct stream st = {0, 0};
	double second;

	(void)state;
	lose_at(s, &st, 300);
	while (strcmp(info(s).ca, "open") != 0)
		round_trip(s, &st, false);
	second = segments(s);
	round_trip(s, &st, true);
	while (strcmp(info(s).ca, "open") != 0)
		round_trip(s, &st, false);
	/* 4.7: the plateau is now at 0.85 of where that happened. */
	for (uint32_t i = 0; i < 43; i++)
		round_trip(s, &st, false);
	assert_true(segments(s) < second);
	assert_true(fabs(segments(s) - 0.85 * second) < 6);
}

static void
timeout_begins_slow_start_to_seven_tenths(void **state)
{
	struct script *s = open_path();
	struct stream st = {0, 0};
	double top;

	(void)state;
	while (segments(s) < 40)
		round_trip(s, &st, false);
	top = RTE_MIN((double)info(s).pipe / MSS, segments(s));
	script_pass(s, 3000 * MS);
	script_skip(s);
	assert_int_equal(info(s).cwnd, MSS);
	assert_string_equal(info(s).ca, "loss");
	assert_true(fabs((double)info(s).ssthresh / MSS - 0.7 * top) <= 1);
}

/* RFC 9438 4.8: after a timeout the cube starts flat, and does not linger at the last maximum. */
static void
growth_after_a_timeout_passes_the_last_maximum(void **state)
{
	struct script *s = open_path();
	uint32_t una = 1 + 10 * MSS, rounds = 0;

	(void)state;
	script_send(s, 0, 10 * MSS);
	assert_int_equal(script_skip(s), 10);
	while (pw_tcp_counters(s->t)->rto_fired == 0) {
		assert_true(script_until_sent(s, 1100 * MS));
		script_skip(s);
	}
	PEER(s, .flags = A, .seq = 1, .ack = una, .win = 65535);
	script_send(s, 10 * MSS, 70 * MSS);
	for (uint32_t after = 0; after < 6; rounds++) {
		uint32_t n = info(s).pipe / MSS;

		assert_true(rounds < 20);
		script_pass(s, 400 * MS);
		for (uint32_t i = 0; i < n; i++) {
			una += MSS;
			PEER(s, .flags = A, .seq = 1, .ack = una, .win = 65535);
		}
		script_skip(s);
		after += info(s).cwnd >= info(s).ssthresh;
	}
	assert_int_equal(info(s).ssthresh, 7 * MSS);
	assert_in_range(info(s).cwnd, 11 * MSS, 12 * MSS);
	PEER(s, .flags = A, .seq = 1, .ack = una + info(s).pipe, .win = 65535);
}

static void
passive_opens_use_newreno(void **state)
{
	struct script *s = script_open(NULL);

	(void)state;
	script_accept(s);
	assert_string_equal(info(s).cc, "newreno");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		SCRIPT(window_falls_to_seven_tenths),
		SCRIPT(window_follows_the_cube),
		SCRIPT(second_loss_below_the_last_maximum_leaves_room),
		SCRIPT(timeout_begins_slow_start_to_seven_tenths),
		SCRIPT(growth_after_a_timeout_passes_the_last_maximum),
		SCRIPT(passive_opens_use_newreno),
	};

	return cmocka_run_group_tests(tests, script_group_setup, script_group_teardown);
}
