/* SPDX-License-Identifier: BSD-3-Clause */
/* Sending and its losses: RFC 6298 timers, Karn, RFC 5681 and 6582 recovery, dead peers, path MTU.
 */
#include <errno.h>
#include <string.h>

#include "script.h"

#define MSS 1460

static struct pw_tcp_info
info(struct script *s)
{
	struct pw_tcp_info i;

	pw_tcp_info(s->t, s->conn, &i);
	return i;
}

/** Passive open whose handshake takes `rtt` ms. */
static void
accept_after(struct script *s, uint64_t rtt)
{
	PEER(s, .flags = S, .win = 65535, .mss = MSS);
	EXPECT(s, .flags = S | A, .seq = 0, .ack = 1);
	script_pass(s, rtt * MS);
	PEER(s, .flags = A, .seq = 1, .ack = 1, .win = 65535);
}

/* Only an opener knows the time of a handshake without timestamps. */
static void
connect_after(struct script *s, uint64_t rtt)
{
	script_syn(s);
	script_pass(s, rtt * MS);
	PEER(s, .flags = S | A, .seq = 0, .ack = 1, .win = 65535, .mss = MSS);
	EXPECT(s, .flags = A, .seq = 1, .ack = 1);
}

static void
small_slices_leave_as_full_segments(void **state)
{
	struct script *s = script_open(NULL);

	(void)state;
	script_accept(s);
	for (uint32_t i = 0; i < 300; i++)
		assert_int_equal(pw_tcp_send_copy(s->t, s->conn, script_bytes(i * 10), 10), 0);
	script_act(s);
	EXPECT(s, .flags = A, .seq = 1, .ack = 1, .len = MSS, .data = script_bytes(0));
	EXPECT(s, .flags = A, .seq = 1 + MSS, .ack = 1, .len = MSS, .data = script_bytes(MSS));
	EXPECT(s, .flags = A, .seq = 1 + 2 * MSS, .ack = 1, .len = 80);
	NOTHING(s);
	PEER(s, .flags = A, .seq = 1, .ack = 3001, .win = 65535);
	assert_int_equal(s->acked, 1);
	assert_int_equal(pw_tcp_unacked(s->conn), 0);
}

static void
slices_beyond_what_a_port_takes_are_linearised(void **state)
{
	struct script *s;

	(void)state;
	script.max_segs = 1;
	s = script_open(NULL);
	script_accept(s);
	script_send(s, 0, 5000);
	EXPECT(s, .flags = A, .seq = 1, .ack = 1, .len = MSS, .data = script_bytes(0));
	EXPECT(s, .flags = A, .seq = 1 + MSS, .ack = 1, .len = MSS, .data = script_bytes(MSS));
	EXPECT(s, .flags = A, .seq = 1 + 2 * MSS, .ack = 1, .len = MSS);
	EXPECT(s, .flags = A, .seq = 1 + 3 * MSS, .ack = 1, .len = 620);
	assert_int_equal(pw_tcp_counters(s->t)->bytes_linearised, 5000);
	PEER(s, .flags = A, .seq = 1, .ack = 5001, .win = 65535);
}

/* A buffer, and in most drivers a place in a ring, less for each acknowledgement of MQTT. */
static void
a_few_bytes_leave_in_the_buffer_of_their_header(void **state)
{
	const struct pw_tcp_counters *n;
	struct script *s;

	(void)state;
	script.max_segs = 1;
	s = script_open(NULL);
	n = pw_tcp_counters(s->t);
	script_accept(s);
	script_send(s, 0, 4);
	EXPECT(s, .flags = A, .seq = 1, .ack = 1, .len = 4, .data = script_bytes(0));
	assert_int_equal(n->bytes_beside, 4);
	script_send(s, 4, 68);
	EXPECT(s, .flags = A, .seq = 5, .ack = 1, .len = 68, .data = script_bytes(4));
	assert_int_equal(n->bytes_beside, 72);
	assert_int_equal(n->bytes_linearised, 0);
	script_send(s, 72, 69);
	EXPECT(s, .flags = A, .seq = 73, .ack = 1, .len = 69, .data = script_bytes(72));
	assert_int_equal(n->bytes_linearised, 69);
	PEER(s, .flags = A, .seq = 1, .ack = 142, .win = 65535);
}

static void
partial_acknowledgement_splits_a_slice(void **state)
{
	struct script *s = script_open(NULL);

	(void)state;
	script_accept(s);
	script_send(s, 0, 1000);
	EXPECT(s, .flags = A, .seq = 1, .ack = 1, .len = 1000);
	PEER(s, .flags = A, .seq = 1, .ack = 401, .win = 65535);
	assert_int_equal(pw_tcp_unacked(s->conn), 600);
	assert_true(script_until_sent(s, 1000 * MS));
	EXPECT(s, .flags = A, .seq = 401, .ack = 1, .len = 600, .data = script_bytes(400));
	PEER(s, .flags = A, .seq = 1, .ack = 1001, .win = 65535);
	assert_int_equal(pw_tcp_unacked(s->conn), 0);
}

static void
initial_window_is_ten_segments(void **state)
{
	struct script *s = script_open(NULL);

	(void)state;
	script_accept(s);
	script_send(s, 0, 20 * MSS);
	for (uint32_t i = 0; i < 10; i++)
		EXPECT(s, .flags = A, .seq = 1 + i * MSS, .ack = 1, .len = MSS); /* RFC 6928 */
	NOTHING(s);
	/* Slow start: each acknowledged segment lets two leave. */
	PEER(s, .flags = A, .seq = 1, .ack = 1 + 2 * MSS, .win = 65535);
	for (uint32_t i = 10; i < 13; i++)
		EXPECT(s, .flags = A, .seq = 1 + i * MSS, .ack = 1, .len = MSS);
}

static void
timeout_retransmits_with_doubling_intervals(void **state)
{
	struct script *s = script_open(NULL);
	uint64_t last, gap[5];

	(void)state;
	connect_after(s, 10);
	assert_in_range(info(s).srtt_us, 9000, 11000);
	script_send(s, 0, 100);
	EXPECT(s, .flags = A, .seq = 1, .ack = 1, .len = 100);
	last = s->now;
	for (uint32_t i = 0; i < 5; i++) {
		assert_true(script_until_sent(s, 30000 * MS));
		EXPECT(s, .flags = A, .seq = 1, .ack = 1, .len = 100, .data = script_bytes(0));
		NOTHING(s);
		gap[i] = (s->now - last) / MS;
		last = s->now;
	}
	assert_in_range(gap[0], 200,
			215); /* the least RTO, clamped or added to the smoothed time */
	for (uint32_t i = 1; i < 5; i++)
		assert_in_range(gap[i], 2 * gap[i - 1] - 4, 2 * gap[i - 1] + 4);
	assert_int_equal(pw_tcp_counters(s->t)->rto_fired, 5);
	assert_int_equal(pw_tcp_counters(s->t)->retransmits, 5);
}

static void
timeout_follows_the_round_trip_time(void **state)
{
	struct script *s = script_open(NULL);
	uint64_t at;

	(void)state;
	connect_after(s, 400);
	script_send(s, 0, 100);
	EXPECT(s, .flags = A, .seq = 1, .ack = 1, .len = 100);
	at = s->now;
	assert_true(script_until_sent(s, 5000 * MS));
	/* RFC 6298 2.2: SRTT 400, RTTVAR 200, RTO 400 + 4 * 200. */
	WITHIN_MS(s->now - at, 1195, 1210);
}

static void
timeout_shrinks_the_window_to_one_segment(void **state)
{
	struct script *s = script_open(NULL);

	(void)state;
	accept_after(s, 10);
	script_send(s, 0, 10 * MSS);
	assert_int_equal(script_skip(s), 10);
	assert_true(script_until_sent(s, 1000 * MS));
	EXPECT(s, .flags = A, .seq = 1, .ack = 1, .len = MSS);
	NOTHING(s);
	assert_int_equal(info(s).cwnd, MSS);	     /* RFC 5681 3.1: loss window */
	assert_int_equal(info(s).ssthresh, 5 * MSS); /* (4): half the flight */
	PEER(s, .flags = A, .seq = 1, .ack = 1 + MSS, .win = 65535);
	EXPECT(s, .flags = A, .seq = 1 + MSS, .ack = 1, .len = MSS);
	EXPECT(s, .flags = A, .seq = 1 + 2 * MSS, .ack = 1, .len = MSS);
	NOTHING(s);
	PEER(s, .flags = A, .seq = 1, .ack = 1 + 10 * MSS, .win = 65535);
	assert_int_equal(pw_tcp_unacked(s->conn), 0);
	script_pass(s, 3000 * MS);
	NOTHING(s);
}

static void
retransmitted_segment_gives_no_round_trip_sample(void **state)
{
	struct script *s = script_open(NULL);
	uint32_t before;

	(void)state;
	accept_after(s, 10);
	before = info(s).srtt_us;
	script_send(s, 0, 100);
	script_skip(s);
	assert_true(script_until_sent(s, 1000 * MS));
	script_skip(s);
	script_pass(s, 150 * MS);
	script_skip(s);
	PEER(s, .flags = A, .seq = 1, .ack = 101, .win = 65535);
	assert_int_equal(info(s).srtt_us, before); /* RFC 6298 3 */
	script_send(s, 100, 100);
	script_pass(s, 50 * MS);
	script_skip(s);
	PEER(s, .flags = A, .seq = 1, .ack = 201, .win = 65535);
	assert_int_not_equal(info(s).srtt_us, before);
}

static void
timestamps_give_a_sample_of_a_retransmission(void **state)
{
	struct script *s = script_open(NULL);
	const struct tcp_seg *o;
	uint32_t first, second;

	(void)state;
	script_accept_with(s,
			   (struct tcp_seg){.win = 65535, .mss = MSS, .has_ts = true, .tsval = 1});
	script_send(s, 0, 100);
	first = EXPECT(s, .flags = A, .seq = 1, .ack = 1, .len = 100)->tsval;
	assert_true(script_until_sent(s, 2000 * MS));
	o = EXPECT(s, .flags = A, .seq = 1, .ack = 1, .len = 100);
	second = o->tsval;
	assert_true((int32_t)(second - first) > 0); /* RFC 7323 5.4: the clock ticks */
	script_pass(s, 20 * MS);
	PEER(s, .flags = A, .seq = 1, .ack = 101, .win = 65535, .has_ts = true, .tsval = 2,
	     .tsecr = second);
	assert_true(info(s).srtt_us < 100000);
}

static void
third_duplicate_ack_retransmits_at_once(void **state)
{
	struct script *s = script_open(NULL);

	(void)state;
	accept_after(s, 10);
	script_send(s, 0, 10 * MSS);
	assert_int_equal(script_skip(s), 10);
	PEER(s, .flags = A, .seq = 1, .ack = 1, .win = 65535);
	NOTHING(s);
	PEER(s, .flags = A, .seq = 1, .ack = 1, .win = 65535);
	NOTHING(s);
	PEER(s, .flags = A, .seq = 1, .ack = 1, .win = 65535);
	EXPECT(s, .flags = A, .seq = 1, .ack = 1, .len = MSS, .data = script_bytes(0));
	NOTHING(s);
	assert_int_equal(pw_tcp_counters(s->t)->fast_retransmits, 1);
	assert_int_equal(pw_tcp_counters(s->t)->dup_acks_in, 3);
	assert_int_equal(info(s).ssthresh, 5 * MSS);
	PEER(s, .flags = A, .seq = 1, .ack = 1 + 10 * MSS, .win = 65535);
	NOTHING(s);
	assert_in_range(info(s).cwnd, MSS, 5 * MSS + MSS); /* RFC 6582 3.2: deflated */
	assert_int_equal(pw_tcp_unacked(s->conn), 0);
}

static void
partial_ack_retransmits_the_next_hole(void **state)
{
	struct script *s = script_open(NULL);

	(void)state;
	accept_after(s, 10);
	script_send(s, 0, 10 * MSS);
	assert_int_equal(script_skip(s), 10);
	for (uint32_t i = 0; i < 3; i++)
		PEER(s, .flags = A, .seq = 1, .ack = 1, .win = 65535);
	EXPECT(s, .flags = A, .seq = 1, .ack = 1, .len = MSS);
	PEER(s, .flags = A, .seq = 1, .ack = 1 + 3 * MSS, .win = 65535);
	EXPECT(s, .flags = A, .seq = 1 + 3 * MSS, .ack = 1, .len = MSS); /* RFC 6582 3.2 (5) */
	NOTHING(s);
	PEER(s, .flags = A, .seq = 1, .ack = 1 + 7 * MSS, .win = 65535);
	EXPECT(s, .flags = A, .seq = 1 + 7 * MSS, .ack = 1, .len = MSS);
	NOTHING(s);
	PEER(s, .flags = A, .seq = 1, .ack = 1 + 10 * MSS, .win = 65535);
	NOTHING(s);
	assert_int_equal(pw_tcp_counters(s->t)->fast_retransmits, 1);
	assert_int_equal(pw_tcp_counters(s->t)->rto_fired, 0);
}

static void
acks_with_data_or_another_window_are_not_duplicates(void **state)
{
	struct script *s = script_open(NULL);

	(void)state;
	accept_after(s, 10);
	script_send(s, 0, 5 * MSS);
	script_skip(s);
	for (uint32_t i = 0; i < 5; i++)
		PEER(s, .flags = A, .seq = 1, .ack = 1, .win = 60000 + i);
	NOTHING(s);
	for (uint32_t i = 0; i < 5; i++)
		PEER(s, .flags = A, .seq = 1 + i * 10, .ack = 1, .win = 60004, .len = 10);
	assert_int_equal(pw_tcp_counters(s->t)->fast_retransmits, 0); /* RFC 5681 2 */
}

static void
duplicate_acks_with_nothing_in_flight_do_nothing(void **state)
{
	struct script *s = script_open(NULL);

	(void)state;
	script_accept(s);
	for (uint32_t i = 0; i < 10; i++)
		PEER(s, .flags = A, .seq = 1, .ack = 1, .win = 65535);
	NOTHING(s);
	assert_int_equal(pw_tcp_counters(s->t)->fast_retransmits, 0);
}

static void
silent_peer_ends_the_connection_after_the_user_timeout(void **state)
{
	struct script *s = script_open(&(struct pw_tcp_conf){.user_timeout_ms = 5000});
	uint64_t at;

	(void)state;
	accept_after(s, 10);
	script_send(s, 0, 100);
	at = s->now;
	for (uint32_t i = 0; i < 200 && s->gone == 0; i++) {
		script_pass(s, 50 * MS);
		script_skip(s);
	}
	assert_int_equal(s->gone, 1);
	assert_int_equal(s->why, PW_TCP_END_TIMEOUT);
	WITHIN_MS(s->now - at, 5000, 6600);
	assert_int_equal(pw_tcp_counters(s->t)->timeouts, 1);
}

static void
user_timeout_counts_from_the_oldest_unacknowledged_byte(void **state)
{
	struct script *s = script_open(&(struct pw_tcp_conf){.user_timeout_ms = 3000});

	(void)state;
	accept_after(s, 10);
	for (uint32_t i = 0; i < 10; i++) { /* ten seconds of data, each acknowledged in time */
		script_send(s, i * 100, 100);
		script_pass(s, 1000 * MS);
		script_skip(s);
		PEER(s, .flags = A, .seq = 1, .ack = 101 + i * 100, .win = 65535);
	}
	assert_int_equal(s->gone, 0);
}

/** Seconds (at most 60) until the connection is gone; counts what was sent. */
static uint64_t
seconds_to_end(struct script *s, uint32_t *sent)
{
	uint64_t at = s->now;

	for (*sent = 0; s->gone == 0 && s->now - at < 60000 * MS;) {
		script_pass(s, 100 * MS);
		*sent += script_skip(s);
	}
	return (s->now - at) / (1000 * MS);
}

static void
silent_peer_with_a_small_window_is_given_up(void **state)
{
	struct script *s = script_open(&(struct pw_tcp_conf){.user_timeout_ms = 10000});
	uint32_t sent;

	(void)state;
	accept_after(s, 10);
	PEER(s, .flags = A, .seq = 1, .ack = 1, .win = 100);
	script_send(s, 0, 1000); /* neither a segment nor half the largest window fits */
	assert_in_range(seconds_to_end(s, &sent), 10, 16);
	assert_int_equal(s->why, PW_TCP_END_TIMEOUT);
	assert_in_range(sent, 4, 9); /* the interval doubles (RFC 6298 5.5) */
}

static void
silent_peer_with_a_closed_window_is_given_up(void **state)
{
	struct script *s = script_open(&(struct pw_tcp_conf){.user_timeout_ms = 10000});
	uint32_t sent;

	(void)state;
	accept_after(s, 10);
	PEER(s, .flags = A, .seq = 1, .ack = 1, .win = 0);
	script_send(s, 0, 1000);
	assert_in_range(seconds_to_end(s, &sent), 10, 16);
	assert_int_equal(s->why, PW_TCP_END_TIMEOUT);
	assert_in_range(sent, 4, 9);
}

static void
lost_small_window_is_filled_again_at_the_timeout(void **state)
{
	struct script *s = script_open(NULL);

	(void)state;
	connect_after(s, 10);
	script_send(s, 0, 100);
	script_skip(s);
	PEER(s, .flags = A, .seq = 1, .ack = 51, .win = 50); /* shuts behind what is on its way */
	script_send(s, 100, 1000);
	NOTHING(s);
	assert_true(script_until_sent(s, 230 * MS)); /* one RTO, not two */
	EXPECT(s, .flags = A, .seq = 51, .ack = 1, .len = 50, .data = script_bytes(50));
}

static void
peer_without_a_route_is_unreachable(void **state)
{
	struct script *s = script_open(&(struct pw_tcp_conf){.user_timeout_ms = 5000});
	struct pw_flow flow;
	struct pw_tcp_conn *c = NULL;
	uint32_t sent;

	(void)state;
	accept_after(s, 10);
	s->output_rc = -EHOSTUNREACH;
	script_send(s, 0, 100);
	assert_true(pw_tcp_counters(s->t)->drop_tx_unreachable >= 1);
	s->output_rc = 0; /* a passing trouble is mended by the next transmission */
	script_skip(s);
	assert_true(script_until_sent(s, 1000 * MS));
	EXPECT(s, .flags = A, .seq = 1, .ack = 1, .len = 100, .data = script_bytes(0));
	PEER(s, .flags = A, .seq = 1, .ack = 101, .win = 65535);
	s->output_rc = -EHOSTUNREACH;
	script_send(s, 100, 100);
	assert_in_range(seconds_to_end(s, &sent), 5, 7);
	s->path_rc = -EHOSTUNREACH;
	flow = script_flow(s);
	assert_int_equal(pw_tcp_connect(s->t, &flow, &script_ops, s, 0, &c, s->now), -EHOSTUNREACH);
	assert_int_equal(pw_tcp_conns(s->t), 0);
}

static void
keepalive_probes_an_idle_peer(void **state)
{
	struct script *s = script_open(&(struct pw_tcp_conf){.keepalive_ms = 10000});
	const struct tcp_seg *o;
	uint64_t at;

	(void)state;
	script_accept(s);
	at = s->now;
	assert_true(script_until_sent(s, 20000 * MS));
	WITHIN_MS(s->now - at, 10000, 10100);
	o = &s->out[s->taken % SCRIPT_OUT].seg;
	assert_int_equal(o->seq, s->iss); /* RFC 9293 3.8.4: SND.NXT - 1 */
	assert_true(o->len <= 1);
	script_skip(s);
	assert_int_equal(pw_tcp_counters(s->t)->keepalive_probes, 1);
	PEER(s, .flags = A, .seq = 1, .ack = 1, .win = 65535);
	at = s->now;
	assert_true(script_until_sent(s, 20000 * MS));
	WITHIN_MS(s->now - at, 10000, 10100);
	script_skip(s);
	for (uint32_t i = 0; i < 1000 && s->gone == 0; i++) {
		script_pass(s, 1000 * MS);
		script_skip(s);
	}
	assert_int_equal(s->gone, 1);
	assert_int_equal(s->why, PW_TCP_END_TIMEOUT);
	assert_true(pw_tcp_counters(s->t)->keepalive_probes >= 3);
}

static void
no_keepalive_unless_asked_for(void **state)
{
	struct script *s = script_open(NULL);

	(void)state;
	script_accept(s);
	script_pass(s, UINT64_C(3600000) * MS);
	NOTHING(s);
	assert_int_equal(s->gone, 0);
	assert_int_equal(pw_tcp_next(s->t), UINT64_MAX);
}

static void
fragmentation_needed_lowers_the_segment_size(void **state)
{
	struct script *s = script_open(NULL);
	struct pw_flow flow;

	(void)state;
	script_accept(s);
	flow = script_flow(s);
	script_send(s, 0, 3 * MSS);
	script_skip(s);
	pw_tcp_icmp_error(s->t, &flow, s->iss + 1, 1000, 4, s->now);
	script_act(s);
	(void)script_until_sent(s, 2000 * MS);
	EXPECT(s, .flags = A, .seq = 1, .ack = 1, .len = 960, .data = script_bytes(0));
	assert_int_equal(info(s).mss, 960);
	script_skip(s);
	PEER(s, .flags = A, .seq = 1, .ack = 1 + 3 * MSS, .win = 65535);
	script_send(s, 3 * MSS, 2000);
	EXPECT(s, .flags = A, .seq = 1 + 3 * MSS, .ack = 1, .len = 960);
}

static void
implausible_icmp_is_ignored(void **state)
{
	struct script *s = script_open(NULL);
	struct pw_flow flow;

	(void)state;
	script_accept(s);
	flow = script_flow(s);
	script_send(s, 0, 1000);
	script_skip(s);
	pw_tcp_icmp_error(s->t, &flow, s->iss + 5000, 600, 4,
			  s->now); /* never sent: RFC 5927 4.1 */
	assert_int_equal(info(s).mss, MSS);
	pw_tcp_icmp_error(s->t, &flow, s->iss + 1, 9000, 4, s->now); /* larger than ours */
	assert_int_equal(info(s).mss, MSS);
	pw_tcp_icmp_error(s->t, &flow, s->iss + 1, 40, 4, s->now); /* smaller than RFC 791 allows */
	assert_true(info(s).mss >= 28);
	pw_tcp_icmp_error(s->t, &flow, s->iss + 1, 0, 1, s->now); /* soft: RFC 5927 5.2 */
	script_act(s);
	assert_int_equal(s->gone, 0);
	flow.rport++;
	pw_tcp_icmp_error(s->t, &flow, s->iss + 1, 600, 4, s->now);
}

static void
send_beyond_the_queue_is_refused_whole(void **state)
{
	struct script *s = script_open(&(struct pw_tcp_conf){.tx_queue_bytes = 4096});
	uint32_t room;

	(void)state;
	script_accept(s);
	room = pw_tcp_send_room(s->t, s->conn);
	assert_int_equal(room, 4096);
	for (uint32_t i = 0; i < 4; i++)
		assert_int_equal(pw_tcp_send_copy(s->t, s->conn, script_bytes(i * 1000), 1000), 0);
	assert_int_equal(pw_tcp_send_room(s->t, s->conn), 96);
	assert_int_equal(pw_tcp_send_copy(s->t, s->conn, script_bytes(0), 97), -EAGAIN);
	assert_int_equal(pw_tcp_send_room(s->t, s->conn), 96);
	script_act(s);
	script_skip(s);
	PEER(s, .flags = A, .seq = 1, .ack = 2001, .win = 65535);
	assert_int_equal(pw_tcp_send_room(s->t, s->conn), 2096);
	assert_int_equal(s->acked, 1);
}

static void
send_without_slices_leaves_the_references_with_the_caller(void **state)
{
	struct script *s = script_open(&(struct pw_tcp_conf){.max_tx_slices = 8});
	uint32_t n = 0;
	int rc = 0;

	(void)state;
	script_accept(s);
	while (rc == 0 && n < 200) {
		struct rte_mbuf *m = rte_pktmbuf_alloc(script_mem()->pkt);
		struct pw_slice slice;

		assert_non_null(m);
		memcpy(rte_pktmbuf_append(m, 10), script_bytes(n * 10), 10);
		slice = pw_slice_of(m);
		rc = pw_tcp_send(s->t, s->conn, &slice, 1);
		if (rc != 0)
			pw_slice_drop(&slice);
		else
			n++;
	}
	assert_int_equal(rc, -ENOBUFS);
	assert_in_range(n, 1, 64);
	assert_int_equal(pw_tcp_unacked(s->conn), n * 10);
	script_act(s);
	EXPECT(s, .flags = A, .seq = 1, .ack = 1, .len = n * 10, .data = script_bytes(0));
	PEER(s, .flags = A, .seq = 1, .ack = 1 + n * 10, .win = 65535);
	script_send(s, n * 10, 10);
	EXPECT(s, .flags = A, .seq = 1 + n * 10, .ack = 1, .len = 10);
}

static void
memory_plan_counts_slices_and_records(void **state)
{
	struct script *s =
		script_open(&(struct pw_tcp_conf){.max_tx_slices = 700, .max_conns = 200});
	uint32_t n = 0;

	(void)state;
	/* A connection with one message on its way takes a block for it and one for its record. */
	for (; n < 90; n++) {
		s->rport = PEER_PORT + n;
		s->iss_known = false;
		script_accept(s);
		script_send(s, 0, 10);
		EXPECT(s, .flags = A, .seq = 1, .ack = 1, .len = 10);
	}
	assert_true(pw_tcp_queue_bytes(700) >= 180 * 256);
	assert_true(pw_tcp_queue_bytes(1400) >= 2 * 180 * 256);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		SCRIPT(small_slices_leave_as_full_segments),
		SCRIPT(slices_beyond_what_a_port_takes_are_linearised),
		SCRIPT(a_few_bytes_leave_in_the_buffer_of_their_header),
		SCRIPT(partial_acknowledgement_splits_a_slice),
		SCRIPT(initial_window_is_ten_segments),
		SCRIPT(timeout_retransmits_with_doubling_intervals),
		SCRIPT(timeout_follows_the_round_trip_time),
		SCRIPT(timeout_shrinks_the_window_to_one_segment),
		SCRIPT(retransmitted_segment_gives_no_round_trip_sample),
		SCRIPT(timestamps_give_a_sample_of_a_retransmission),
		SCRIPT(third_duplicate_ack_retransmits_at_once),
		SCRIPT(partial_ack_retransmits_the_next_hole),
		SCRIPT(acks_with_data_or_another_window_are_not_duplicates),
		SCRIPT(duplicate_acks_with_nothing_in_flight_do_nothing),
		SCRIPT(silent_peer_ends_the_connection_after_the_user_timeout),
		SCRIPT(user_timeout_counts_from_the_oldest_unacknowledged_byte),
		SCRIPT(silent_peer_with_a_small_window_is_given_up),
		SCRIPT(silent_peer_with_a_closed_window_is_given_up),
		SCRIPT(lost_small_window_is_filled_again_at_the_timeout),
		SCRIPT(peer_without_a_route_is_unreachable),
		SCRIPT(keepalive_probes_an_idle_peer),
		SCRIPT(no_keepalive_unless_asked_for),
		SCRIPT(fragmentation_needed_lowers_the_segment_size),
		SCRIPT(implausible_icmp_is_ignored),
		SCRIPT(send_beyond_the_queue_is_refused_whole),
		SCRIPT(send_without_slices_leaves_the_references_with_the_caller),
		SCRIPT(memory_plan_counts_slices_and_records),
	};

	return cmocka_run_group_tests(tests, script_group_setup, script_group_teardown);
}
