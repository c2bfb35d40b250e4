/* SPDX-License-Identifier: BSD-3-Clause */
/* What the sender makes of SACK blocks: RFC 2018, 2883, recovery by RFC 6675 and 9937. */
#include <string.h>

#include "script.h"

#define MSS 1460

/** Sequence number of the n-th segment of a full flight. */
#define AT(n) (1 + (n)*MSS)

/** A bare ACK with blocks. */
#define ACK(s, n, ...)	  PEER(s, .flags = A, .seq = 1, .ack = (n), .win = 65535, ##__VA_ARGS__)
#define SACK1(a, b)	  .nb_sack = 1, .sack = {{a, b}}
#define SACK2(a, b, c, d) .nb_sack = 2, .sack = {{a, b}, {c, d}}

static struct pw_tcp_info
info(struct script *s)
{
	struct pw_tcp_info i;

	pw_tcp_info(s->t, s->conn, &i);
	return i;
}

/** Passive open with SACK; n segments on their way for rtt ms. */
static struct script *
flight(uint32_t n, uint64_t rtt, const struct pw_tcp_conf *conf)
{
	struct script *s = script_open(conf);

	PEER(s, .flags = S, .win = 65535, .mss = MSS, .sack_ok = true);
	EXPECT(s, .flags = S | A, .seq = 0, .ack = 1);
	script_pass(s, rtt * MS);
	ACK(s, 1);
	script_send(s, 0, n * MSS);
	assert_int_equal(script_skip(s), n);
	script_pass(s, rtt * MS);
	NOTHING(s);
	return s;
}

static void
hole_is_sent_again_when_three_segments_behind_it_arrived(void **state)
{
	struct script *s = flight(10, 10, NULL);

	(void)state;
	ACK(s, 1, SACK1(AT(1), AT(2)));
	ACK(s, 1, SACK1(AT(1), AT(3)));
	NOTHING(s);
	ACK(s, 1, SACK1(AT(1), AT(4)));
	EXPECT(s, .flags = A, .seq = 1, .ack = 1, .len = MSS, .data = script_bytes(0));
	NOTHING(s);
	assert_int_equal(pw_tcp_counters(s->t)->sack_recoveries, 1);
	assert_int_equal(info(s).ssthresh, 5 * MSS); /* RFC 5681 (4) */
	assert_string_equal(info(s).ca, "recovery");
	assert_int_equal(info(s).sacked, 3 * MSS);
	ACK(s, AT(10));
	assert_int_equal(info(s).cwnd, 5 * MSS); /* RFC 9937 5: at the end */
	assert_string_equal(info(s).ca, "open");
	script_pass(s, 5000 * MS);
	NOTHING(s);
	assert_int_equal(pw_tcp_counters(s->t)->retransmits, 1);
	assert_int_equal(pw_tcp_counters(s->t)->rto_fired, 0);
}

static void
only_the_holes_are_sent_again(void **state)
{
	struct script *s = flight(10, 10, NULL);

	(void)state;
	ACK(s, 1, SACK2(AT(5), AT(9), AT(1), AT(4)));
	EXPECT(s, .flags = A, .seq = AT(0), .ack = 1, .len = MSS, .data = script_bytes(0));
	EXPECT(s, .flags = A, .seq = AT(4), .ack = 1, .len = MSS, .data = script_bytes(4 * MSS));
	NOTHING(s); /* the tenth was sent last: nothing says that it is lost */
	ACK(s, AT(4), SACK1(AT(5), AT(9)));
	ACK(s, AT(9));
	ACK(s, AT(10));
	assert_int_equal(pw_tcp_unacked(s->conn), 0);
	assert_int_equal(pw_tcp_counters(s->t)->fast_retransmits, 1);
}

static void
block_that_ends_within_a_segment_cuts_it(void **state)
{
	struct script *s = flight(6, 10, NULL);

	(void)state;
	ACK(s, 1, SACK1(AT(1) + 400, AT(4) + 300));
	EXPECT(s, .flags = A, .seq = 1, .ack = 1, .len = MSS, .data = script_bytes(0));
	assert_int_equal(info(s).sacked, 3 * MSS - 100);
	ACK(s, AT(1), SACK1(AT(1) + 400, AT(4) + 300));
	EXPECT(s, .flags = A, .seq = AT(1), .ack = 1, .len = 400, .data = script_bytes(MSS));
	ACK(s, AT(4) + 300);
	assert_int_equal(info(s).sacked, 0);
	ACK(s, AT(6));
	assert_int_equal(pw_tcp_unacked(s->conn), 0);
}

static void
blocks_of_what_was_not_sent_are_ignored(void **state)
{
	struct script *s = flight(4, 10, NULL);

	(void)state;
	ACK(s, 1, SACK1(AT(1), AT(5)));	    /* beyond */
	ACK(s, 1, SACK1(AT(3), AT(1)));	    /* backwards */
	ACK(s, 1, SACK1(AT(1), AT(1)));	    /* empty */
	ACK(s, 1, SACK1(1 - 70000, AT(2))); /* from before all windows */
	assert_int_equal(info(s).sacked, 0);
	assert_int_equal(pw_tcp_counters(s->t)->sack_invalid, 4);
	NOTHING(s);
	ACK(s, AT(2));
	ACK(s, AT(2),
	    SACK1(1, AT(3))); /* an old one reaches into what is left: its new part counts */
	assert_int_equal(info(s).sacked, MSS);
	NOTHING(s);
}

static void
blocks_without_the_option_agreed_are_ignored(void **state)
{
	struct script *s = script_open(NULL);

	(void)state;
	script_accept(s);
	script_send(s, 0, 5000);
	script_skip(s);
	ACK(s, 1, SACK1(1461, 5001));
	assert_int_equal(info(s).sacked, 0);
	NOTHING(s);
}

static void
duplicates_are_counted_and_start_no_recovery(void **state)
{
	struct script *s = flight(5, 10, NULL);

	(void)state;
	ACK(s, AT(1));
	/* RFC 2883 4: what lies below the acknowledgement arrived twice. */
	for (uint32_t i = 0; i < 5; i++)
		ACK(s, AT(1), SACK1(1, AT(1)));
	assert_int_equal(pw_tcp_counters(s->t)->dsacks_in, 5);
	assert_int_equal(pw_tcp_counters(s->t)->fast_retransmits, 0);
	assert_int_equal(info(s).sacked, 0);
	/* And what lies within the second block, that is a block too. */
	ACK(s, AT(1), SACK2(AT(3), AT(4), AT(2), AT(5)));
	assert_int_equal(pw_tcp_counters(s->t)->dsacks_in, 6);
	assert_int_equal(info(s).sacked, 3 * MSS);
}

static void
timeout_forgets_what_the_peer_said_it_held(void **state)
{
	struct script *s = flight(4, 10, NULL);

	(void)state;
	ACK(s, 1, SACK1(AT(1), AT(4)));
	EXPECT(s, .flags = A, .seq = 1, .ack = 1, .len = MSS);
	assert_true(script_until_sent(s, 1000 * MS)); /* lost again: RFC 2018 8 */
	EXPECT(s, .flags = A, .seq = 1, .ack = 1, .len = MSS);
	NOTHING(s);
	assert_int_equal(info(s).sacked, 0);
	assert_int_equal(info(s).cwnd, MSS);
	ACK(s, AT(1)); /* the peer has let go of the rest */
	EXPECT(s, .flags = A, .seq = AT(1), .ack = 1, .len = MSS, .data = script_bytes(MSS));
	EXPECT(s, .flags = A, .seq = AT(2), .ack = 1, .len = MSS);
	ACK(s, AT(3));
	EXPECT(s, .flags = A, .seq = AT(3), .ack = 1, .len = MSS);
	ACK(s, AT(4));
	assert_int_equal(pw_tcp_unacked(s->conn), 0);
}

static void
first_segment_that_is_sacked_but_not_acknowledged_goes_again(void **state)
{
	struct script *s = flight(4, 10, NULL);

	(void)state;
	ACK(s, 1, SACK1(AT(1), AT(4)));
	EXPECT(s, .flags = A, .seq = 1, .ack = 1, .len = MSS);
	ACK(s, AT(1)); /* and the rest, which it had, is gone */
	NOTHING(s);
	assert_true(script_until_sent(s, 1000 * MS));
	EXPECT(s, .flags = A, .seq = AT(1), .ack = 1, .len = MSS);
	assert_int_equal(pw_tcp_counters(s->t)->sack_reneged, 1);
	ACK(s, AT(4));
}

static void
window_falls_by_half_over_a_round_trip(void **state)
{
	struct script *s = flight(10, 10, NULL);
	uint32_t sent = 0;

	(void)state;
	script_send(s, 10 * MSS, 20 * MSS);
	ACK(s, 1, SACK1(AT(1), AT(4)));
	EXPECT(s, .flags = A, .seq = 1, .ack = 1, .len = MSS);
	/* RFC 9937 5: one segment for two that arrive, until the network holds ssthresh. */
	for (uint32_t i = 4; i < 10; i++) {
		ACK(s, 1, SACK1(AT(1), AT(i + 1)));
		sent += script_skip(s);
		assert_true(info(s).pipe <= 7 * MSS);
	}
	assert_in_range(sent, 3, 4);
	assert_in_range(info(s).pipe, 4 * MSS, 5 * MSS);
	ACK(s, AT(10));
	assert_int_equal(info(s).cwnd, 5 * MSS);
}

static void
lost_fin_is_sent_again(void **state)
{
	struct script *s = flight(3, 10, NULL);

	(void)state;
	pw_tcp_close(s->t, s->conn, s->now);
	script_act(s);
	EXPECT(s, .flags = F | A, .seq = AT(3), .ack = 1);
	ACK(s, AT(3));
	assert_true(script_until_sent(s, 1000 * MS));
	EXPECT(s, .flags = F | A, .seq = AT(3), .ack = 1);
	ACK(s, AT(3) + 1);
	assert_int_equal(pw_tcp_state(s->conn), PW_TCP_FIN_WAIT_2);
}

static void
sacked_fin_is_not_sent_again(void **state)
{
	struct script *s = flight(5, 10, NULL);

	(void)state;
	pw_tcp_close(s->t, s->conn, s->now);
	script_act(s);
	EXPECT(s, .flags = F | A, .seq = AT(5), .ack = 1);
	ACK(s, 1, SACK1(AT(1), AT(5) + 1));
	EXPECT(s, .flags = A, .seq = 1, .ack = 1, .len = MSS);
	NOTHING(s);
	ACK(s, AT(5) + 1);
	assert_int_equal(pw_tcp_state(s->conn), PW_TCP_FIN_WAIT_2);
}

static void
peer_that_acknowledges_every_other_byte_takes_no_more_than_its_share(void **state)
{
	struct script *s = flight(10, 10, &(struct pw_tcp_conf){.max_tx_slices = 64});
	struct pw_tcp_conn *bad = s->conn;
	uint32_t iss = s->iss;

	(void)state;
	for (uint32_t i = 1; i < 9 * MSS; i += 2)
		ACK(s, 1, SACK1(1 + i, 2 + i));
	script_skip(s);
	/* Another connection finds blocks for what it sends, and for its records. */
	s->rport++;
	s->iss_known = false;
	script_accept(s);
	script_send(s, 0, 3 * MSS);
	for (uint32_t i = 0; i < 3; i++)
		EXPECT(s, .flags = A, .seq = AT(i), .ack = 1, .len = MSS);
	ACK(s, AT(3));
	s->rport--;
	s->iss = iss;
	s->conn = bad;
	ACK(s, AT(10));
	assert_int_equal(pw_tcp_unacked(bad), 0);
}

/** Blocks of one byte in every other place cut records until no block of memory is left. */
static void
cuts_without_memory_lose_no_byte(void **state)
{
	struct script *s = flight(10, 10, &(struct pw_tcp_conf){.max_tx_slices = 16});

	(void)state;
	for (uint32_t i = 1; i < 9 * MSS; i += 40)
		ACK(s, 1, SACK1(1 + i, 2 + i));
	script_skip(s);
	/* A peer that forgets all that and acknowledges a segment each time it hears one. */
	for (uint32_t i = 0; i < 100 && pw_tcp_unacked(s->conn) > 0; i++) {
		uint32_t left = pw_tcp_unacked(s->conn);

		assert_true(script_until_sent(s, 120000 * MS));
		for (; s->taken < s->nb_out; s->taken++) {
			const struct tcp_seg *o = &s->out[s->taken % SCRIPT_OUT].seg;

			assert_memory_equal(o->data, script_bytes(o->seq - s->iss - 1), o->len);
		}
		ACK(s, 10 * MSS - left + 1 + RTE_MIN(left, (uint32_t)MSS));
	}
	assert_int_equal(pw_tcp_unacked(s->conn), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		SCRIPT(hole_is_sent_again_when_three_segments_behind_it_arrived),
		SCRIPT(only_the_holes_are_sent_again),
		SCRIPT(block_that_ends_within_a_segment_cuts_it),
		SCRIPT(blocks_of_what_was_not_sent_are_ignored),
		SCRIPT(blocks_without_the_option_agreed_are_ignored),
		SCRIPT(duplicates_are_counted_and_start_no_recovery),
		SCRIPT(timeout_forgets_what_the_peer_said_it_held),
		SCRIPT(first_segment_that_is_sacked_but_not_acknowledged_goes_again),
		SCRIPT(window_falls_by_half_over_a_round_trip),
		SCRIPT(lost_fin_is_sent_again),
		SCRIPT(sacked_fin_is_not_sent_again),
		SCRIPT(peer_that_acknowledges_every_other_byte_takes_no_more_than_its_share),
		SCRIPT(cuts_without_memory_lose_no_byte),
	};

	return cmocka_run_group_tests(tests, script_group_setup, script_group_teardown);
}
