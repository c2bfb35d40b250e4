/* SPDX-License-Identifier: BSD-3-Clause */
/* Full segments that leave as one packet, which the port's device cuts (TSO). */
#include <errno.h>
#include <string.h>

#include "script.h"

#define MSS 1460

/* A connection over a port that cuts, of so many buffers a packet. */
static struct script *
accepted(uint16_t max_segs)
{
	struct script *s;

	script.tso = true;
	script.max_segs = max_segs;
	s = script_open(NULL);
	script_accept(s);
	s->nb_packets = 0;
	return s;
}

/* The next n segments, whole, from a byte of the stream on; the packet that all of them left in. */
static uint32_t
expect_train(struct script *s, uint32_t from, uint32_t n)
{
	uint32_t packet = s->out[s->taken % SCRIPT_OUT].packet;

	for (uint32_t i = 0; i < n; i++) {
		uint32_t off = from + i * MSS;

		assert_int_equal(s->out[s->taken % SCRIPT_OUT].packet, packet);
		EXPECT(s, .flags = A, .seq = 1 + off, .ack = 1, .len = MSS,
		       .data = script_bytes(off));
	}
	return packet;
}

static void
what_one_output_sends_is_one_packet(void **state)
{
	struct script *s = accepted(40);
	const struct pw_tcp_counters *n = pw_tcp_counters(s->t);
	uint64_t out = n->segs_out;

	(void)state;
	script_send(s, 0, 5 * MSS + 100);
	assert_int_equal(expect_train(s, 0, 5), 1);
	assert_int_equal(s->out[s->taken % SCRIPT_OUT].packet, 1);
	assert_true(s->out[s->taken % SCRIPT_OUT].seg.flags & P);
	assert_false(s->out[(s->taken - 1) % SCRIPT_OUT].seg.flags & P);
	EXPECT(s, .flags = A, .seq = 1 + 5 * MSS, .ack = 1, .len = 100,
	       .data = script_bytes(5 * MSS));
	NOTHING(s);
	assert_int_equal(n->segs_out - out, 6);
	assert_int_equal(n->segs_tso, 6);
	assert_int_equal(n->bytes_by_ref, 5 * MSS + 100);
	assert_int_equal(n->bytes_out, 5 * MSS + 100);
	PEER(s, .flags = A, .seq = 1, .ack = 1 + 5 * MSS + 100, .win = 65535);
	assert_int_equal(pw_tcp_unacked(s->conn), 0);
}

static void
a_single_segment_is_not_to_be_cut(void **state)
{
	struct script *s = accepted(40);

	(void)state;
	script_send(s, 0, MSS); /* the script refuses a packet to be cut that fits a segment */
	expect_train(s, 0, 1);
	assert_int_equal(pw_tcp_counters(s->t)->segs_tso, 0);
	PEER(s, .flags = A, .seq = 1, .ack = 1 + MSS, .win = 65535);
}

static void
windows_bound_it(void **state)
{
	struct script *s = accepted(40);
	uint32_t end;

	(void)state;
	script_send(s, 0, 20 * MSS);
	assert_int_equal(expect_train(s, 0, 10), 1); /* RFC 6928 */
	NOTHING(s);
	PEER(s, .flags = A, .seq = 1, .ack = 1 + 4 * MSS, .win = 65535);
	end = 10 + s->nb_out - s->taken;
	assert_in_range(end, 12, 18);
	assert_int_equal(expect_train(s, 10 * MSS, end - 10), 2);
	PEER(s, .flags = A, .seq = 1, .ack = 1 + end * MSS, .win = 2 * MSS - 1);
	assert_int_equal(expect_train(s, end * MSS, 1), 3);
	NOTHING(s); /* RFC 9293 3.8.6.2.1 */
	PEER(s, .flags = A, .seq = 1, .ack = 1 + (end + 1) * MSS, .win = 65535);
	assert_int_equal(expect_train(s, (end + 1) * MSS, 19 - end), 4);
	PEER(s, .flags = A, .seq = 1, .ack = 1 + 20 * MSS, .win = 65535);
	assert_int_equal(pw_tcp_unacked(s->conn), 0);
}

/* Slices of 1400 bytes: two segments lie in three of them, four buffers with the header. */
static void
buffers_of_a_packet_bound_it(void **state)
{
	struct script *s = accepted(4);

	(void)state;
	script_send(s, 0, 9 * MSS);
	for (uint32_t i = 0; i < 4; i++)
		assert_int_equal(expect_train(s, i * 2 * MSS, 2), 1 + i);
	assert_int_equal(expect_train(s, 8 * MSS, 1), 5);
	PEER(s, .flags = A, .seq = 1, .ack = 1 + 9 * MSS, .win = 65535);
}

static void
the_length_field_of_ip_bounds_it(void **state)
{
	struct script *s;

	(void)state;
	script.tso = true;
	script.max_segs = 100;
	s = script_open(&(struct pw_tcp_conf){.tx_queue_bytes = 1 << 20});
	script_accept_with(
		s, (struct tcp_seg){.flags = S, .win = 65535, .mss = MSS, .ws = 7, .has_ws = true});
	script_send(s, 0, 300 * MSS);
	/* Slow start, until the window takes more than one packet holds. */
	for (uint32_t una = 0; una < 300 * MSS;) {
		uint32_t packets = s->nb_packets, segs = s->nb_out - s->taken;

		assert_true(segs > 0);
		assert_true(segs <= packets * (65535 / MSS));
		s->nb_packets = 0;
		una += script_skip(s) * MSS;
		PEER(s, .flags = A, .seq = 1, .ack = 1 + una, .win = 8000);
	}
	assert_int_equal(pw_tcp_unacked(s->conn), 0);
}

static void
a_lost_part_goes_again_alone(void **state)
{
	struct script *s = accepted(40);

	(void)state;
	script_send(s, 0, 8 * MSS);
	expect_train(s, 0, 8);
	PEER(s, .flags = A, .seq = 1, .ack = 1 + 2 * MSS, .win = 65535);
	for (uint32_t i = 0; i < 3; i++)
		PEER(s, .flags = A, .seq = 1, .ack = 1 + 2 * MSS, .win = 65535);
	EXPECT(s, .flags = A, .seq = 1 + 2 * MSS, .ack = 1, .len = MSS,
	       .data = script_bytes(2 * MSS));
	NOTHING(s);
	PEER(s, .flags = A, .seq = 1, .ack = 1 + 8 * MSS, .win = 65535);
	assert_int_equal(pw_tcp_unacked(s->conn), 0);
}

static void
fin_rides_at_the_end(void **state)
{
	struct script *s = accepted(40);
	uint32_t last;

	(void)state;
	assert_int_equal(pw_tcp_send_copy(s->t, s->conn, script_bytes(0), 2000), 0);
	assert_int_equal(pw_tcp_send_copy(s->t, s->conn, script_bytes(2000), 2000), 0);
	pw_tcp_close(s->t, s->conn, s->now);
	script_act(s);
	last = expect_train(s, 0, 2);
	assert_int_equal(s->out[s->taken % SCRIPT_OUT].packet, last);
	EXPECT(s, .flags = F | A, .seq = 1 + 2 * MSS, .ack = 1, .len = 4000 - 2 * MSS);
	PEER(s, .flags = A, .seq = 1, .ack = 4002, .win = 65535);
}

/* Drivers refuse a packet that is to be cut into very little, each time it comes. */
static void
a_tiny_mss_is_not_cut(void **state)
{
	struct script *s;

	(void)state;
	script.tso = true;
	script.max_segs = 40;
	s = script_open(NULL);
	script_syn(s);
	PEER(s, .flags = S | A, .seq = 0, .ack = 1, .win = 65535, .mss = 200);
	EXPECT(s, .flags = A, .seq = 1, .ack = 1);
	s->nb_packets = 0;
	script_send(s, 0, 1000);
	assert_int_equal(script_skip(s), 5);
	assert_int_equal(s->nb_packets, 5);
	assert_int_equal(pw_tcp_counters(s->t)->segs_tso, 0);
	PEER(s, .flags = A, .seq = 1, .ack = 1001, .win = 65535);
}

/* The way leads over another port by now: what left is lost, and goes again in segments. */
static void
a_port_that_does_not_cut_ends_it(void **state)
{
	struct script *s = accepted(40);
	uint32_t first;

	(void)state;
	s->output_rc = -EMSGSIZE;
	script_send(s, 0, 3 * MSS);
	script_skip(s);
	s->output_rc = 0;
	assert_true(script_until_sent(s, 5000 * MS));
	for (uint32_t una = 0; una < 3 * MSS;) {
		uint32_t packets = s->nb_packets, segs = script_skip(s);

		assert_true(segs > 0);
		una += MSS * segs;
		PEER(s, .flags = A, .seq = 1, .ack = 1 + RTE_MIN(una, 3u * MSS), .win = 65535);
		assert_true(s->nb_packets - packets == s->nb_out - s->taken);
		if (s->nb_out == s->taken && una < 3 * MSS)
			assert_true(script_until_sent(s, 5000 * MS));
	}
	script_send(s, 3 * MSS, 2 * MSS);
	first = expect_train(s, 3 * MSS, 1);
	assert_int_not_equal(expect_train(s, 4 * MSS, 1), first);
	assert_int_equal(pw_tcp_counters(s->t)->segs_tso, 0);
	PEER(s, .flags = A, .seq = 1, .ack = 1 + 5 * MSS, .win = 65535);
}

/* No buffer for what follows: the packet leaves as it is. */
static void
an_empty_pool_ends_a_packet_early(void **state)
{
	const struct pw_mem *mem = script_mem();
	struct script *s = accepted(40);
	struct rte_mbuf *kept[2047];
	uint32_t n = rte_mempool_avail_count(mem->ind) - 3;

	(void)state;
	assert_int_equal(rte_pktmbuf_alloc_bulk(mem->ind, kept, n), 0);
	script_send(s, 0, 8 * MSS);
	/* The script gives a packet's buffers back at once, as a device does sooner or later. */
	for (uint32_t i = 0; i < 4; i++)
		assert_int_equal(expect_train(s, i * 2 * MSS, 2), 1 + i);
	rte_pktmbuf_free_bulk(kept, n);
	PEER(s, .flags = A, .seq = 1, .ack = 1 + 8 * MSS, .win = 65535);
	assert_int_equal(pw_tcp_unacked(s->conn), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		SCRIPT(what_one_output_sends_is_one_packet),
		SCRIPT(a_single_segment_is_not_to_be_cut),
		SCRIPT(windows_bound_it),
		SCRIPT(buffers_of_a_packet_bound_it),
		SCRIPT(the_length_field_of_ip_bounds_it),
		SCRIPT(a_lost_part_goes_again_alone),
		SCRIPT(fin_rides_at_the_end),
		SCRIPT(a_tiny_mss_is_not_cut),
		SCRIPT(a_port_that_does_not_cut_ends_it),
		SCRIPT(an_empty_pool_ends_a_packet_early),
	};

	return cmocka_run_group_tests(tests, script_group_setup, script_group_teardown);
}
