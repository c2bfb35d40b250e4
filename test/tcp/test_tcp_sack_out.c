/* SPDX-License-Identifier: BSD-3-Clause */
/* What the stack reports of what it has received: RFC 2018 3 and 4, RFC 2883. */
#include "script.h"

#define MSS 1460

static void
accept_sack(struct script *s, bool ts)
{
	script_accept_with(
		s, (struct tcp_seg){
			   .win = 65535, .mss = MSS, .sack_ok = true, .has_ts = ts, .tsval = 5});
}

static void
arrive(struct script *s, uint32_t seq, uint32_t len, bool ts)
{
	PEER(s, .flags = A, .seq = seq, .ack = 1, .win = 65535, .len = (uint16_t)len,
	     .data = script_bytes(seq - 1), .has_ts = ts, .tsval = 6);
}

/* The segment that comes next acknowledges `ack` and has these blocks, as pairs. */
static void
reports(struct script *s, uint32_t ack, uint32_t n, const uint32_t *pairs, int line)
{
	const struct tcp_seg *o = script_expect(
		s, (struct tcp_seg){.flags = A, .seq = 1, .ack = ack}, __FILE__, line);

	if (o->nb_sack != n)
		fail_msg("line %d: %u blocks, not %u", line, o->nb_sack, n);
	for (uint32_t i = 0; i < n; i++)
		if (o->sack[i].left - PEER_ISS != pairs[2 * i] ||
		    o->sack[i].right - PEER_ISS != pairs[2 * i + 1])
			fail_msg("line %d: block %u is %u:%u, not %u:%u", line, i,
				 o->sack[i].left - PEER_ISS, o->sack[i].right - PEER_ISS,
				 pairs[2 * i], pairs[2 * i + 1]);
}

#define REPORTS(s, ack, ...)                                                                       \
	do {                                                                                       \
		const uint32_t p_[] = {__VA_ARGS__};                                               \
		reports(s, ack, RTE_DIM(p_) / 2, p_, __LINE__);                                    \
	} while (0)

static void
latest_block_stands_first_and_the_others_follow_by_age(void **state)
{
	struct script *s = script_open(NULL);

	(void)state;
	accept_sack(s, false);
	arrive(s, 1001, 100, false);
	REPORTS(s, 1, 1001, 1101);
	arrive(s, 3001, 100, false);
	REPORTS(s, 1, 3001, 3101, 1001, 1101);
	arrive(s, 2001, 100, false);
	REPORTS(s, 1, 2001, 2101, 3001, 3101, 1001, 1101);
	/* Neighbours are one block, which is the latest again. */
	arrive(s, 1101, 500, false);
	REPORTS(s, 1, 1001, 1601, 2001, 2101, 3001, 3101);
	arrive(s, 5001, 100, false);
	arrive(s, 6001, 100, false);
	script_skip(s);
	arrive(s, 7001, 100, false);
	/* RFC 2018 3: four blocks fit where there are no timestamps. */
	REPORTS(s, 1, 7001, 7101, 6001, 6101, 5001, 5101, 1001, 1601);
	arrive(s, 1, 1000, false);
	REPORTS(s, 1601, 7001, 7101, 6001, 6101, 5001, 5101, 2001, 2101);
}

static void
timestamps_leave_room_for_three_blocks(void **state)
{
	struct script *s = script_open(NULL);

	(void)state;
	accept_sack(s, true);
	for (uint32_t i = 1; i < 5; i++) {
		script_skip(s);
		arrive(s, 1 + 1000 * i, 100, true);
	}
	REPORTS(s, 1, 4001, 4101, 3001, 3101, 2001, 2101);
}

static void
nothing_is_reported_where_it_was_not_agreed(void **state)
{
	struct script *s = script_open(NULL);
	const struct tcp_seg *o;

	(void)state;
	script_accept(s);
	arrive(s, 1001, 100, false);
	o = EXPECT(s, .flags = A, .seq = 1, .ack = 1);
	assert_int_equal(o->opt_len, 0);
	arrive(s, 1001, 100, false);
	o = EXPECT(s, .flags = A, .seq = 1, .ack = 1);
	assert_int_equal(o->opt_len, 0);
}

static void
blocks_end_when_the_gap_is_filled(void **state)
{
	struct script *s = script_open(NULL);

	(void)state;
	s->auto_consume = true;
	accept_sack(s, false);
	arrive(s, 1001, 1000, false);
	REPORTS(s, 1, 1001, 2001);
	arrive(s, 1, 1000, false);
	REPORTS(s, 2001);
	script_check_got(s, 2000);
}

/* RFC 2883 4.1, examples of sections 4.1.1 to 4.1.3. */
static void
bytes_that_come_twice_are_reported_once(void **state)
{
	struct script *s = script_open(NULL);

	(void)state;
	accept_sack(s, false);
	arrive(s, 1, 500, false);
	arrive(s, 501, 500, false);
	script_skip(s);
	arrive(s, 501, 500, false);
	REPORTS(s, 1001, 501, 1001);
	arrive(s, 1501, 500, false); /* not a second time */
	REPORTS(s, 1001, 1501, 2001);
	/* Beside a gap: the duplicate first, then what lies beyond. */
	arrive(s, 1, 500, false);
	REPORTS(s, 1001, 1, 501, 1501, 2001);
	/* Beyond it: the block that the duplicate is part of comes second (RFC 2883 4.2). */
	arrive(s, 3001, 500, false);
	REPORTS(s, 1001, 3001, 3501, 1501, 2001);
	arrive(s, 1601, 100, false);
	REPORTS(s, 1001, 1601, 1701, 1501, 2001, 3001, 3501);
	/* Only the part that came before is reported. */
	arrive(s, 801, 400, false);
	REPORTS(s, 1201, 801, 1001, 1501, 2001, 3001, 3501);
	arrive(s, 1901, 300, false);
	REPORTS(s, 1201, 1901, 2001, 1501, 2201, 3001, 3501);
}

static void
duplicate_report_takes_one_of_the_three_places(void **state)
{
	struct script *s = script_open(NULL);

	(void)state;
	accept_sack(s, true);
	for (uint32_t i = 1; i < 5; i++)
		arrive(s, 1 + 1000 * i, 100, true);
	script_skip(s);
	arrive(s, 1001, 100, true);
	REPORTS(s, 1, 1001, 1101, 1001, 1101, 4001, 4101);
}

/* The report belongs to one connection, and ends with it. */
static void
report_of_a_gone_connection_is_not_that_of_the_next(void **state)
{
	struct script *s = script_open(&(struct pw_tcp_conf){.max_conns = 1});
	const struct tcp_seg *o;

	(void)state;
	accept_sack(s, false);
	arrive(s, 1, 100, false);
	s->output_rc = 0;
	/* The duplicate and the RST in one burst: nothing is sent in between. */
	script_peer_burst(s,
			  (struct tcp_seg[]){{.flags = A, .seq = 1, .ack = 1, .win = 9, .len = 50},
					     {.flags = R, .seq = 101}},
			  2);
	assert_int_equal(s->gone, 1);
	script_skip(s);
	s->rport++;
	s->iss_known = false;
	accept_sack(s, false);
	arrive(s, 1, 10, false);
	arrive(s, 11, 10, false);
	o = EXPECT(s, .flags = A, .seq = 1, .ack = 21);
	assert_int_equal(o->nb_sack, 0);
}

/* A segment with bytes takes as many blocks as there is room for beside them. */
static void
bytes_carry_blocks_within_the_segment_size(void **state)
{
	struct script *s = script_open(NULL);
	const struct tcp_seg *o;
	uint32_t off = 0;

	(void)state;
	accept_sack(s, false);
	for (uint32_t i = 1; i < 4; i++)
		arrive(s, 1 + 1000 * i, 100, false);
	script_skip(s);
	for (uint32_t room = 0; room < 40; room++) {
		uint32_t len = MSS - room, blocks = room < 12 ? 0 : (room - 4) / 8;

		script_send(s, off, len);
		o = EXPECT(s, .flags = A, .seq = 1 + off, .ack = 1, .len = (uint16_t)len,
			   .data = script_bytes(off));
		assert_int_equal(o->nb_sack, blocks < 3 ? blocks : 3);
		assert_true(o->len + o->opt_len <= MSS);
		NOTHING(s);
		off += len;
		PEER(s, .flags = A, .seq = 1, .ack = 1 + off, .win = 65535);
		script_skip(s);
	}
}

/* What is due and found no room in a full segment follows it alone. */
static void
full_segment_leaves_the_report_to_one_of_its_own(void **state)
{
	struct script *s = script_open(NULL);
	struct rte_mbuf *m = rte_pktmbuf_alloc(script_mem()->pkt);
	struct pw_slice slice;
	const struct tcp_seg *o;

	(void)state;
	accept_sack(s, false);
	assert_non_null(m);
	memcpy(rte_pktmbuf_append(m, MSS), script_bytes(0), MSS);
	slice = pw_slice_of(m);
	assert_int_equal(pw_tcp_send(s->t, s->conn, &slice, 1), 0);
	arrive(s, 1001, 100, false);
	o = EXPECT(s, .flags = A, .seq = 1, .ack = 1, .len = MSS);
	assert_int_equal(o->opt_len, 0);
	o = EXPECT(s, .flags = A, .seq = 1 + MSS, .ack = 1);
	assert_int_equal(o->nb_sack, 1);
	NOTHING(s);
}

/* RFC 2018 8 allows to drop what was reported; here that never happens. */
static void
what_was_reported_is_kept(void **state)
{
	struct script *s = script_open(&(struct pw_tcp_conf){.max_ooo = 2});

	(void)state;
	s->auto_consume = true;
	accept_sack(s, false);
	arrive(s, 2001, 1000, false);
	arrive(s, 4001, 1000, false);
	script_skip(s);
	arrive(s, 1001, 1000, false); /* earlier, but the peer knows that it is missing */
	REPORTS(s, 1, 4001, 5001, 2001, 3001);
	assert_int_equal(pw_tcp_counters(s->t)->drop_ooo_full, 1);
	arrive(s, 1, 1000, false);
	REPORTS(s, 1001, 4001, 5001, 2001, 3001);
	arrive(s, 1001, 1000, false);
	REPORTS(s, 3001, 4001, 5001);
	arrive(s, 3001, 1000, false);
	REPORTS(s, 5001);
	script_check_got(s, 5000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		SCRIPT(latest_block_stands_first_and_the_others_follow_by_age),
		SCRIPT(timestamps_leave_room_for_three_blocks),
		SCRIPT(nothing_is_reported_where_it_was_not_agreed),
		SCRIPT(blocks_end_when_the_gap_is_filled),
		SCRIPT(bytes_that_come_twice_are_reported_once),
		SCRIPT(duplicate_report_takes_one_of_the_three_places),
		SCRIPT(report_of_a_gone_connection_is_not_that_of_the_next),
		SCRIPT(bytes_carry_blocks_within_the_segment_size),
		SCRIPT(full_segment_leaves_the_report_to_one_of_its_own),
		SCRIPT(what_was_reported_is_kept),
	};

	return cmocka_run_group_tests(tests, script_group_setup, script_group_teardown);
}
