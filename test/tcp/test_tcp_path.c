/* SPDX-License-Identifier: BSD-3-Clause */
/* Segments that are too large for the path, told and untold: RFC 1191, 5927, 2923, 4821. */
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
	};

	return cmocka_run_group_tests(tests, script_group_setup, script_group_teardown);
}
