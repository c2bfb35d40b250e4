/* SPDX-License-Identifier: BSD-3-Clause */
/* Segments that are too large for the path, told and untold: RFC 1191, 5927, 2923, 4821, 8899. */
#include <string.h>

#include <rte_common.h>

#include "script.h"

#define MSS 1460

static struct pw_tcp_info
info(struct script *s)
{
	struct pw_tcp_info i;

	pw_tcp_info(s->t, s->conn, &i);
	return i;
}

/** Active open, no options, round trip 10 ms. */
static struct script *
open_path(void)
{
	struct script *s = script_open(&(struct pw_tcp_conf){.user_timeout_ms = 600000});

	script_syn(s);
	script_pass(s, 10 * MS);
	PEER(s, .flags = S | A, .seq = 0, .ack = 1, .win = 65535, .mss = MSS);
	EXPECT(s, .flags = A, .seq = 1, .ack = 1);
	return s;
}

static void
large_segments_that_vanish_are_tried_smaller(void **state)
{
	struct script *s = open_path();

	(void)state;
	script_send(s, 0, 3 * MSS);
	script_skip(s);
	for (uint32_t i = 0; i < 2; i++) {
		assert_true(script_until_sent(s, 10000 * MS));
		EXPECT(s, .flags = A, .seq = 1, .ack = 1, .len = MSS);
	}
	assert_int_equal(pw_tcp_counters(s->t)->mtu_black_holes, 0);
	assert_true(script_until_sent(s, 10000 * MS));
	EXPECT(s, .flags = A, .seq = 1, .ack = 1, .len = 1240, .data = script_bytes(0));
	assert_int_equal(pw_tcp_counters(s->t)->mtu_black_holes, 1);
	PEER(s, .flags = A, .seq = 1, .ack = 1241, .win = 65535);
	EXPECT(s, .flags = A, .seq = 1241, .ack = 1, .len = 1240, .data = script_bytes(1240));
	EXPECT(s, .flags = A, .seq = 2481, .ack = 1, .len = 1240);
	PEER(s, .flags = A, .seq = 1, .ack = 3721, .win = 65535);
	EXPECT(s, .flags = A, .seq = 3721, .ack = 1, .len = 660, .data = script_bytes(3720));
	PEER(s, .flags = A, .seq = 1, .ack = 4381, .win = 65535);
	assert_int_equal(info(s).mss, 1240); /* what got through stays */
}

static void
smallest_size_is_tried_after_five_timeouts(void **state)
{
	struct script *s = open_path();

	(void)state;
	script_send(s, 0, MSS);
	script_skip(s);
	for (uint32_t i = 0; i < 4; i++) {
		assert_true(script_until_sent(s, 60000 * MS));
		script_skip(s);
	}
	assert_true(script_until_sent(s, 60000 * MS));
	EXPECT(s, .flags = A, .seq = 1, .ack = 1, .len = 536, .data = script_bytes(0));
	PEER(s, .flags = A, .seq = 1, .ack = 537, .win = 65535);
	EXPECT(s, .flags = A, .seq = 537, .ack = 1, .len = 536);
	EXPECT(s, .flags = A, .seq = 1073, .ack = 1, .len = 388);
	PEER(s, .flags = A, .seq = 1, .ack = 1461, .win = 65535);
}

static void
path_that_was_down_gets_its_size_back(void **state)
{
	struct script *s = open_path();

	(void)state;
	script_send(s, 0, 3 * MSS);
	script_skip(s);
	for (uint32_t i = 0; i < 6; i++) {
		assert_true(script_until_sent(s, 60000 * MS));
		script_skip(s);
	}
	assert_true(script_until_sent(s, 60000 * MS));
	EXPECT(s, .flags = A, .seq = 1, .ack = 1, .len = MSS, .data = script_bytes(0));
	assert_int_equal(info(s).mss, MSS);
	PEER(s, .flags = A, .seq = 1, .ack = 1 + MSS, .win = 65535);
	EXPECT(s, .flags = A, .seq = 1 + MSS, .ack = 1, .len = MSS, .data = script_bytes(MSS));
	script_skip(s);
	PEER(s, .flags = A, .seq = 1, .ack = 1 + 3 * MSS, .win = 65535);
}

/* A smaller size that is lost by chance, with the path in trouble, is not given up for good. */
static void
black_hole_whose_first_tries_were_lost_is_tried_again(void **state)
{
	static const uint32_t want[] = {MSS, MSS, 1240, 1240, 536, 536, MSS, 1240};
	struct script *s = open_path();

	(void)state;
	script_send(s, 0, 3 * MSS);
	script_skip(s);
	for (uint32_t round = 0; round < 2; round++)
		for (uint32_t i = round > 0 ? 3 : 0; i < RTE_DIM(want); i++) {
			assert_true(script_until_sent(s, 60000 * MS));
			EXPECT(s, .flags = A, .seq = 1, .ack = 1, .len = want[i],
			       .data = script_bytes(0));
		}
	PEER(s, .flags = A, .seq = 1, .ack = 1241, .win = 65535);
	EXPECT(s, .flags = A, .seq = 1241, .ack = 1, .len = 1240, .data = script_bytes(1240));
	script_skip(s);
	PEER(s, .flags = A, .seq = 1, .ack = 1 + 3 * MSS, .win = 65535);
	assert_int_equal(info(s).mss, 1240);
}

/* The second time of trouble starts from the size that got through, and goes back to that. */
static void
size_that_got_through_outlasts_a_path_that_is_down(void **state)
{
	struct script *s = open_path();
	uint32_t end = 1 + 12 * MSS;

	(void)state;
	script_send(s, 0, 6 * MSS);
	script_send(s, 6 * MSS, 6 * MSS);
	script_skip(s);
	for (uint32_t i = 0; i < 3; i++) {
		assert_true(script_until_sent(s, 60000 * MS));
		script_skip(s);
	}
	PEER(s, .flags = A, .seq = 1, .ack = 1241, .win = 65535);
	script_skip(s);
	for (uint32_t i = 0; i < 7; i++) {
		assert_true(script_until_sent(s, 600000 * MS));
		script_skip(s);
	}
	assert_int_equal(info(s).mss, 1240);
	PEER(s, .flags = A, .seq = 1, .ack = end - MSS, .win = 65535);
	script_skip(s);
	PEER(s, .flags = A, .seq = 1, .ack = end, .win = 65535);
}

/* What a router has said meanwhile is not forgotten when the size before comes back. */
static void
size_that_comes_back_is_what_a_router_allows(void **state)
{
	struct script *s = open_path();
	struct pw_flow flow = script_flow(s);

	(void)state;
	script_send(s, 0, 3 * MSS);
	script_skip(s);
	for (uint32_t i = 0; i < 3; i++) {
		assert_true(script_until_sent(s, 60000 * MS));
		script_skip(s);
	}
	assert_int_equal(info(s).mss, 1240);
	pw_tcp_icmp_error(s->t, &flow, s->iss + 1 + 2 * MSS, 1400, 4, s->now);
	for (uint32_t i = 0; i < 4; i++) {
		assert_true(script_until_sent(s, 60000 * MS));
		script_skip(s);
	}
	assert_int_equal(info(s).mss, 1360);
	PEER(s, .flags = A, .seq = 1, .ack = 1 + MSS, .win = 65535);
	script_skip(s);
	PEER(s, .flags = A, .seq = 1, .ack = 1 + 3 * MSS, .win = 65535);
}

/*
 * A short segment is lost, those behind it are reported, and what goes again is all of them in one
 * that is too large for the path. The reports come again and again, and cut the first off anew.
 */
static void
short_segments_that_go_again_as_a_large_one_fall_into_a_black_hole_too(void **state)
{
	struct script *s = script_open(&(struct pw_tcp_conf){.user_timeout_ms = 600000});

	(void)state;
	script_syn(s);
	script_pass(s, 10 * MS);
	PEER(s, .flags = S | A, .seq = 0, .ack = 1, .win = 65535, .mss = MSS, .sack_ok = true);
	EXPECT(s, .flags = A, .seq = 1, .ack = 1);
	for (uint32_t i = 0; i < 8; i++)
		script_send(s, i * 200, 200);
	assert_int_equal(script_skip(s), 8);
	for (uint32_t i = 0; i < 3; i++) {
		PEER(s, .flags = A, .seq = 1, .ack = 1, .win = 65535, .nb_sack = 1,
		     .sack = {{201, 1401}});
		while (pw_tcp_counters(s->t)->rto_fired == i) {
			script_skip(s);
			assert_true(script_until_sent(s, 60000 * MS));
		}
		EXPECT(s, .flags = A, .seq = 1, .ack = 1, .len = i < 2 ? MSS : 1240);
	}
	PEER(s, .flags = A, .seq = 1, .ack = 1241, .win = 65535);
	EXPECT(s, .flags = A, .seq = 1241, .ack = 1, .len = 360);
	PEER(s, .flags = A, .seq = 1, .ack = 1601, .win = 65535);
}

/* What was too little to try a smaller size with may have become more. */
static void
bytes_that_come_while_a_path_is_down_are_tried_smaller(void **state)
{
	struct script *s = open_path();
	uint32_t tries = 0, size;

	(void)state;
	script_send(s, 0, 400);
	for (uint32_t i = 0; i < 8; i++) {
		assert_true(script_until_sent(s, 60000 * MS));
		script_skip(s);
	}
	assert_int_equal(pw_tcp_counters(s->t)->mtu_black_holes, 0);
	script_send(s, 400, 3 * MSS);
	script_skip(s);
	while (pw_tcp_counters(s->t)->mtu_black_holes == 0 && tries++ < 5) {
		assert_true(script_until_sent(s, 60000 * MS));
		if (pw_tcp_counters(s->t)->mtu_black_holes == 0)
			script_skip(s);
	}
	size = info(s).mss;
	assert_in_range(size, 536, 1240);
	EXPECT(s, .flags = A, .seq = 1, .ack = 1, .len = size, .data = script_bytes(0));
	PEER(s, .flags = A, .seq = 1, .ack = 1 + size, .win = 65535);
	script_skip(s);
	PEER(s, .flags = A, .seq = 1, .ack = 1 + 400 + 3 * MSS, .win = 65535);
}

static void
small_segments_that_vanish_say_nothing_of_the_size(void **state)
{
	struct script *s = open_path();

	(void)state;
	script_send(s, 0, 400);
	for (uint32_t i = 0; i < 7; i++) {
		assert_true(script_until_sent(s, 60000 * MS));
		script_skip(s);
	}
	assert_int_equal(pw_tcp_counters(s->t)->mtu_black_holes, 0);
	assert_int_equal(info(s).mss, MSS);
	PEER(s, .flags = A, .seq = 1, .ack = 401, .win = 65535);
}

static void
answer_about_a_segment_that_was_small_enough_is_forged(void **state)
{
	struct script *s = open_path();
	struct pw_flow flow = script_flow(s);

	(void)state;
	script_send(s, 0, 500);
	script_skip(s);
	pw_tcp_icmp_error(s->t, &flow, s->iss + 1, 576, 4, s->now); /* RFC 5927 7.2 */
	assert_int_equal(info(s).mss, MSS);
	assert_int_equal(pw_tcp_counters(s->t)->mtu_lowered, 0);
	PEER(s, .flags = A, .seq = 1, .ack = 501, .win = 65535);
	script_send(s, 500, MSS);
	script_skip(s);
	pw_tcp_icmp_error(s->t, &flow, s->iss + 501, 576, 4, s->now);
	assert_int_equal(info(s).mss, 536);
	assert_int_equal(pw_tcp_counters(s->t)->mtu_lowered, 1);
	script_act(s);
	script_skip(s);
	PEER(s, .flags = A, .seq = 1, .ack = 501 + MSS, .win = 65535);
}

/* RFC 5927 4.1: only a number that is on its way counts, be it a soft error. */
static void
unreachable_of_what_is_not_on_its_way_is_forged(void **state)
{
	static const uint32_t forged[] = {0, 1, 500, 501 + MSS, 0x40000000};
	struct script *s = script_open(&(struct pw_tcp_conf){.user_timeout_ms = 10000});
	struct pw_flow flow;

	(void)state;
	script_connect(s);
	flow = script_flow(s);
	script_send(s, 0, 500);
	script_skip(s);
	PEER(s, .flags = A, .seq = 1, .ack = 501, .win = 65535);
	script_send(s, 500, MSS);
	script_skip(s);
	for (uint32_t i = 0; i < RTE_DIM(forged); i++)
		pw_tcp_icmp_error(s->t, &flow, s->iss + forged[i], 0, 1, s->now);
	script_pass(s, 11000 * MS);
	script_skip(s);
	assert_int_equal(s->gone, 1);
	assert_int_equal(s->why, PW_TCP_END_TIMEOUT);
}

#define SMALL	       1240 /* what is left for a path of 1280 */
#define MINUTE	       (60000 * MS)
#define BEGIN(n)       (1 + 2 * MSS + (n))

#define ACK(s, n, ...) PEER(s, .flags = A, .seq = 1, .ack = (n), .win = 65535, ##__VA_ARGS__)

/**
 * A quarter of an hour old: full segments have vanished for a while, smaller ones got through, and
 * all is acknowledged.
 */
static struct script *
after_outage(bool sack)
{
	struct script *s = script_open(&(struct pw_tcp_conf){.user_timeout_ms = 600000});

	script_syn(s);
	script_pass(s, 10 * MS);
	PEER(s, .flags = S | A, .seq = 0, .ack = 1, .win = 65535, .mss = MSS, .sack_ok = sack);
	script_pass(s, 15 * MINUTE);
	script_skip(s);
	script_send(s, 0, 2 * MSS);
	script_skip(s);
	for (uint32_t i = 0; i < 20 && info(s).mss == MSS; i++) {
		assert_true(script_until_sent(s, 10000 * MS));
		script_skip(s);
	}
	ACK(s, 1 + SMALL);
	ACK(s, 1 + 2 * MSS);
	script_skip(s);
	assert_int_equal(info(s).mss, SMALL);
	return s;
}

/** A while later; what comes next are n bytes, of which the first segment is a larger one. */
static void
send_after(struct script *s, uint64_t ns, uint32_t off, uint32_t n)
{
	script_pass(s, ns);
	script_send(s, 2 * MSS + off, n);
	EXPECT(s, .flags = A, .seq = BEGIN(off), .ack = 1, .len = MSS,
	       .data = script_bytes(2 * MSS + off));
}

/** Segments of the present size come and go, 8 in all, until four fit the window. */
static void
widen(struct script *s)
{
	for (uint32_t i = 0; i < 4; i++) {
		script_send(s, 2 * MSS + i * 2 * SMALL, 2 * SMALL);
		script_pass(s, 10 * MS);
		script_skip(s);
		ACK(s, BEGIN((i + 1) * 2 * SMALL));
	}
}

static uint32_t
reductions(const struct script *s)
{
	return pw_tcp_counters(s->t)->cwnd_reductions;
}

static void
size_is_raised_when_a_larger_segment_arrives_ten_minutes_later(void **state)
{
	struct script *s = after_outage(false);

	(void)state;
	script_pass(s, 9 * MINUTE);
	script_send(s, 2 * MSS, 2 * SMALL);
	EXPECT(s, .flags = A, .seq = BEGIN(0), .ack = 1, .len = SMALL);
	EXPECT(s, .flags = A, .seq = BEGIN(SMALL), .ack = 1, .len = SMALL);
	ACK(s, BEGIN(2 * SMALL));
	/* Nor is anything tried with what would not fill it. */
	script_pass(s, 2 * MINUTE);
	script_send(s, 2 * MSS + 2 * SMALL, 1300);
	EXPECT(s, .flags = A, .seq = BEGIN(2 * SMALL), .ack = 1, .len = SMALL);
	EXPECT(s, .flags = A, .seq = BEGIN(3 * SMALL), .ack = 1, .len = 60);
	ACK(s, BEGIN(3 * SMALL + 60));
	assert_int_equal(pw_tcp_counters(s->t)->mtu_tries, 0);
	send_after(s, 0, 3 * SMALL + 60, MSS + SMALL);
	EXPECT(s, .flags = A, .seq = BEGIN(3 * SMALL + 60 + MSS), .ack = 1, .len = SMALL);
	assert_int_equal(info(s).mss, SMALL);
	ACK(s, BEGIN(3 * SMALL + 60 + MSS));
	assert_int_equal(info(s).mss, MSS);
	ACK(s, BEGIN(4 * SMALL + 60 + MSS));
	script_send(s, 2 * MSS + 4 * SMALL + 60 + MSS, MSS);
	EXPECT(s, .flags = A, .seq = BEGIN(4 * SMALL + 60 + MSS), .ack = 1, .len = MSS);
	ACK(s, BEGIN(4 * SMALL + 60 + 2 * MSS));
	assert_int_equal(pw_tcp_counters(s->t)->mtu_tries, 1);
	assert_int_equal(pw_tcp_counters(s->t)->mtu_raised, 1);
}

/* The peer tells of the others by duplicates, by SACK blocks, or not at all. */
static void
larger_segment_that_is_lost_is_no_congestion(void **state)
{
	(void)state;
	for (uint32_t way = 0; way < 4; way++) {
		bool sack = way == 1 || way == 3;
		uint32_t n = way < 2 ? MSS + 3 * SMALL : MSS, before, cwnd;
		struct script *s;

		script_setup(NULL);
		s = after_outage(sack);
		widen(s);
		script_pass(s, 11 * MINUTE);
		before = reductions(s);
		send_after(s, 0, 8 * SMALL, n);
		assert_int_equal(script_skip(s), way < 2 ? 3 : 0);
		cwnd = info(s).cwnd;
		script_pass(s, way < 2 ? 10 * MS : 0);
		for (uint32_t i = 0; way == 0 && i < 3; i++)
			ACK(s, BEGIN(8 * SMALL));
		for (uint32_t i = 0; way == 1 && i < 3; i++)
			ACK(s, BEGIN(8 * SMALL), .nb_sack = 1,
			    .sack = {{BEGIN(8 * SMALL + MSS), BEGIN((9 + i) * SMALL + MSS)}});
		if (way >= 2)
			assert_true(script_until_sent(s, 1000 * MS));
		EXPECT(s, .flags = A, .seq = BEGIN(8 * SMALL), .ack = 1, .len = SMALL,
		       .data = script_bytes(2 * MSS + 8 * SMALL));
		ACK(s, BEGIN(9 * SMALL));
		script_act(s);
		EXPECT(s, .flags = A, .seq = BEGIN(9 * SMALL), .ack = 1, .len = MSS - SMALL);
		ACK(s, BEGIN(8 * SMALL + n));
		assert_int_equal(reductions(s), before);
		assert_true(info(s).cwnd >= cwnd);
		assert_int_equal(info(s).mss, SMALL);
		/* The ten minutes begin anew; then the path takes it. */
		script_pass(s, 9 * MINUTE);
		script_send(s, 2 * MSS + 8 * SMALL + n, MSS);
		EXPECT(s, .flags = A, .seq = BEGIN(8 * SMALL + n), .ack = 1, .len = SMALL);
		script_skip(s);
		ACK(s, BEGIN(8 * SMALL + n + MSS));
		send_after(s, 2 * MINUTE, 8 * SMALL + n + MSS, MSS);
		ACK(s, BEGIN(8 * SMALL + n + 2 * MSS));
		assert_int_equal(info(s).mss, MSS);
		script_teardown(NULL);
		script.t = NULL;
	}
}

/* Others are lost beside it: what reason that has nobody knows (RFC 4821 7.6.4). */
static void
larger_segment_that_is_lost_with_others_is_congestion(void **state)
{
	struct script *s = after_outage(true);
	uint64_t timeouts = pw_tcp_counters(s->t)->rto_fired;
	uint32_t before = reductions(s);

	(void)state;
	widen(s);
	send_after(s, 11 * MINUTE, 8 * SMALL, MSS + SMALL);
	assert_int_equal(script_skip(s), 1);
	while (pw_tcp_counters(s->t)->rto_fired == timeouts) {
		assert_true(script_until_sent(s, 10000 * MS));
		script_skip(s);
	}
	assert_int_equal(reductions(s), before + 1);
	assert_int_equal(info(s).mss, SMALL);
	ACK(s, BEGIN(MSS + 9 * SMALL));
	assert_int_equal(info(s).mss, SMALL);
	assert_int_equal(pw_tcp_counters(s->t)->mtu_raised, 0);
}

/** A router says that the segment at off, two full ones, is too large; then all is acknowledged. */
static void
told(struct script *s, uint32_t off, uint16_t mtu)
{
	struct pw_flow flow = script_flow(s);

	script_send(s, 2 * MSS + off, 2 * MSS);
	script_skip(s);
	pw_tcp_icmp_error(s->t, &flow, s->iss + BEGIN(off), mtu, 4, s->now);
	script_act(s);
	script_skip(s);
	ACK(s, BEGIN(off + SMALL));
	script_skip(s);
	ACK(s, BEGIN(off + 2 * MSS));
	script_skip(s);
}

static void
size_that_a_router_lowered_is_raised_to_what_the_path_has(void **state)
{
	static const uint16_t path_mtu[] = {1500, 1400, 9000, 1280};
	static const uint16_t want[] = {MSS, 1360, MSS, SMALL};

	(void)state;
	for (uint32_t i = 0; i < RTE_DIM(path_mtu); i++) {
		struct script *s;

		script_setup(NULL);
		s = open_path();
		script_send(s, 0, 2 * MSS);
		script_skip(s);
		ACK(s, BEGIN(0));
		told(s, 0, 1280);
		assert_int_equal(info(s).mss, SMALL);
		s->mtu = path_mtu[i];
		script_pass(s, 11 * MINUTE);
		script_send(s, 2 * MSS + 2 * MSS, 2 * MSS);
		EXPECT(s, .flags = A, .seq = BEGIN(2 * MSS), .ack = 1, .len = want[i]);
		script_skip(s);
		ACK(s, BEGIN(4 * MSS));
		assert_int_equal(info(s).mss, want[i]);
		script_teardown(NULL);
		script.t = NULL;
	}
}

/*
 * What a router says of the larger segment raises nothing: the next one is of the size it said. The
 * size before was lowered by timeouts, or by a router that knew of less.
 */
static void
answer_to_a_larger_segment_is_the_size_of_the_next(void **state)
{
	(void)state;
	for (uint32_t way = 0; way < 2; way++) {
		struct script *s;
		struct pw_flow flow;
		uint32_t before;

		script_setup(NULL);
		s = way == 0 ? after_outage(false) : open_path();
		if (way == 1) {
			script_send(s, 0, 2 * MSS);
			script_skip(s);
			ACK(s, BEGIN(0));
		}
		flow = script_flow(s);
		told(s, 0, 1280);
		before = reductions(s);
		send_after(s, 11 * MINUTE, 2 * MSS, MSS);
		pw_tcp_icmp_error(s->t, &flow, s->iss + BEGIN(2 * MSS), 1400, 4, s->now);
		assert_int_equal(info(s).mss, SMALL);
		script_act(s);
		EXPECT(s, .flags = A, .seq = BEGIN(2 * MSS), .ack = 1, .len = SMALL);
		script_skip(s);
		ACK(s, BEGIN(2 * MSS + SMALL));
		script_skip(s);
		ACK(s, BEGIN(3 * MSS));
		assert_int_equal(reductions(s), before);
		assert_int_equal(info(s).mss, SMALL);
		script_pass(s, 11 * MINUTE);
		script_send(s, 2 * MSS + 3 * MSS, 2 * MSS);
		EXPECT(s, .flags = A, .seq = BEGIN(3 * MSS), .ack = 1, .len = 1360);
		script_skip(s);
		ACK(s, BEGIN(3 * MSS + 1360));
		script_skip(s);
		ACK(s, BEGIN(5 * MSS));
		assert_int_equal(info(s).mss, 1360);
		script_teardown(NULL);
		script.t = NULL;
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		SCRIPT(large_segments_that_vanish_are_tried_smaller),
		SCRIPT(smallest_size_is_tried_after_five_timeouts),
		SCRIPT(path_that_was_down_gets_its_size_back),
		SCRIPT(black_hole_whose_first_tries_were_lost_is_tried_again),
		SCRIPT(size_that_got_through_outlasts_a_path_that_is_down),
		SCRIPT(size_that_comes_back_is_what_a_router_allows),
		SCRIPT(short_segments_that_go_again_as_a_large_one_fall_into_a_black_hole_too),
		SCRIPT(bytes_that_come_while_a_path_is_down_are_tried_smaller),
		SCRIPT(small_segments_that_vanish_say_nothing_of_the_size),
		SCRIPT(unreachable_of_what_is_not_on_its_way_is_forged),
		SCRIPT(answer_about_a_segment_that_was_small_enough_is_forged),
		SCRIPT(size_is_raised_when_a_larger_segment_arrives_ten_minutes_later),
		SCRIPT(larger_segment_that_is_lost_is_no_congestion),
		SCRIPT(larger_segment_that_is_lost_with_others_is_congestion),
		SCRIPT(size_that_a_router_lowered_is_raised_to_what_the_path_has),
		SCRIPT(answer_to_a_larger_segment_is_the_size_of_the_next),
	};

	return cmocka_run_group_tests(tests, script_group_setup, script_group_teardown);
}
