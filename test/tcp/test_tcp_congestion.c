/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How fast the window grows and when it does not, and how long a peer may be silent: RFC 3465,
 * 6298, 9293.
 */
#include <string.h>

#include <rte_common.h>

#include "script.h"

#define MSS	       1460
#define AT(n)	       (1 + (n)*MSS)

#define ACK(s, n, ...) PEER(s, .flags = A, .seq = 1, .ack = (n), .win = 65535, ##__VA_ARGS__)

static struct pw_tcp_info
info(struct script *s)
{
	struct pw_tcp_info i;

	pw_tcp_info(s->t, s->conn, &i);
	return i;
}

/* RFC 3465 2.3: what a timeout makes a peer acknowledge at once has not left the network at once.
 */
static void
slow_start_after_a_timeout_grows_by_one_segment_an_acknowledgement(void **state)
{
	struct script *s = script_open(NULL);

	(void)state;
	script_accept(s);
	script_send(s, 0, 20 * MSS);
	assert_int_equal(script_skip(s), 10);
	assert_true(script_until_sent(s, 1100 * MS));
	EXPECT(s, .flags = A, .seq = 1, .ack = 1, .len = MSS);
	assert_int_equal(info(s).cwnd, MSS);
	ACK(s, AT(4));
	assert_int_equal(info(s).cwnd, 2 * MSS);
	script_skip(s);
	ACK(s, AT(7));
	assert_int_equal(info(s).cwnd, 3 * MSS);
	script_skip(s);
	ACK(s, AT(10)); /* all that was out at the timeout: it is over */
	assert_int_equal(script_skip(s), 3);
	ACK(s, AT(13));
	assert_int_equal(info(s).cwnd, 5 * MSS);
	assert_int_equal(script_skip(s), 5);
	ACK(s, AT(18));
	script_skip(s);
	ACK(s, AT(20));
	assert_int_equal(pw_tcp_unacked(s->conn), 0);
}

/* RFC 3465 2.2: otherwise by two at most. */
static void
slow_start_grows_by_two_segments_an_acknowledgement(void **state)
{
	struct script *s = script_open(NULL);

	(void)state;
	script_accept(s);
	script_send(s, 0, 20 * MSS);
	assert_int_equal(script_skip(s), 10);
	ACK(s, AT(10));
	assert_int_equal(info(s).cwnd, 12 * MSS);
	script_skip(s);
	ACK(s, AT(20));
	assert_int_equal(info(s).cwnd, 14 * MSS);
}

/* The same with CUBIC (RFC 9438 4.10). */
static void
slow_start_of_an_active_open_grows_by_two_segments(void **state)
{
	struct script *s = script_open(NULL);

	(void)state;
	script_connect(s);
	script_send(s, 0, 20 * MSS);
	assert_int_equal(script_skip(s), 10);
	ACK(s, AT(10));
	assert_int_equal(info(s).cwnd, 12 * MSS);
	script_skip(s);
	ACK(s, AT(20));
	assert_int_equal(info(s).cwnd, 14 * MSS);
}

/* RFC 6298 5, Karn: what was sent twice keeps the timeout long, what was sent once ends that. */
static void
backoff_ends_with_the_next_round_trip_that_is_measured(void **state)
{
	struct script *s = script_open(NULL);

	(void)state;
	script_accept(s);
	script_send(s, 0, MSS);
	script_skip(s);
	script_pass(s, 10 * MS);
	ACK(s, AT(1));
	assert_int_equal(info(s).rto_ms, 200);
	script_send(s, MSS, MSS);
	script_skip(s);
	for (uint32_t i = 0; i < 2; i++) {
		assert_true(script_until_sent(s, 5000 * MS));
		script_skip(s);
	}
	assert_int_equal(info(s).rto_ms, 800);
	script_pass(s, 10 * MS);
	ACK(s, AT(2));
	assert_int_equal(info(s).rto_ms, 800);
	script_send(s, 2 * MSS, MSS);
	script_skip(s);
	script_pass(s, 10 * MS);
	ACK(s, AT(3));
	assert_int_equal(info(s).rto_ms, 200);
}

/* RFC 9293 3.8.6.1: a peer that dies behind a shut window counts from the last probe it answered.
 */
static void
peer_that_answered_a_window_probe_and_dies_is_given_up(void **state)
{
	struct script *s = script_open(&(struct pw_tcp_conf){.user_timeout_ms = 20000});

	(void)state;
	script_accept(s);
	PEER(s, .flags = A, .seq = 1, .ack = 1, .win = 0);
	script_send(s, 0, 100);
	assert_true(script_until_sent(s, 2000 * MS));
	script_skip(s);
	PEER(s, .flags = A, .seq = 1, .ack = 1, .win = 0);
	script_pass(s, 90000 * MS);
	script_skip(s);
	assert_int_equal(s->gone, 1);
	assert_int_equal(s->why, PW_TCP_END_TIMEOUT);
}

/* RFC 9293 3.8.4: keepalive is for idle connections; what is on its way has the user timeout. */
static void
keepalive_leaves_what_is_on_its_way_alone(void **state)
{
	struct script *s =
		script_open(&(struct pw_tcp_conf){.user_timeout_ms = 100000, .keepalive_ms = 4000});

	(void)state;
	script_accept(s);
	script_send(s, 0, 100);
	script_pass(s, 60000 * MS);
	script_skip(s);
	assert_int_equal(s->gone, 0);
	assert_int_equal(pw_tcp_counters(s->t)->keepalive_probes, 0);
	ACK(s, 101);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		SCRIPT(slow_start_after_a_timeout_grows_by_one_segment_an_acknowledgement),
		SCRIPT(slow_start_grows_by_two_segments_an_acknowledgement),
		SCRIPT(slow_start_of_an_active_open_grows_by_two_segments),
		SCRIPT(backoff_ends_with_the_next_round_trip_that_is_measured),
		SCRIPT(peer_that_answered_a_window_probe_and_dies_is_given_up),
		SCRIPT(keepalive_leaves_what_is_on_its_way_alone),
	};

	return cmocka_run_group_tests(tests, script_group_setup, script_group_teardown);
}
