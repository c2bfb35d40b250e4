/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fragments: put together in any order, refused where they make no sense, given up in time, bounded
 * under a flood, and never a buffer lost.
 */
#include <stdlib.h>
#include <string.h>

#include <rte_mbuf.h>

#include "eal.h"
#include "rig.h"
#include "sim_rng.h"

#define PACKETS	 16
#define LIFETIME (5 * SEC)

/* A cut of the payload of a frame's IPv4 header. */
struct cut {
	uint32_t at;
	uint32_t len;
};

static void
rig_with_fragments(struct rig *r)
{
	rig_plan(r);
	r->conf.fragments = PACKETS;
	rig_up(r);
}

/* The piece of a whole frame that a cut names; the last where it reaches the end. */
static void
piece_of(struct frame *f, const struct frame *whole, struct cut c, uint16_t id)
{
	uint32_t body = whole->len - whole->l4;

	assert_true(c.at % 8 == 0 && c.at + c.len <= body);
	f->len = 0;
	frame_put(f, whole->b, whole->l4);
	frame_put(f, whole->b + whole->l4 + c.at, c.len);
	f->l3 = whole->l3;
	f->l4 = whole->l4;
	put16(f, f->l3 + 2, f->len - f->l3);
	put16(f, f->l3 + 4, id);
	put16(f, f->l3 + 6, c.at / 8 | (c.at + c.len < body ? 0x2000 : 0));
	frame_ip4_sum(f);
}

static struct rte_mbuf *
in_piece(struct rig *r, const struct frame *whole, struct cut c, uint16_t id)
{
	struct frame f;

	piece_of(&f, whole, c, id);
	return rig_in(r, 0, &f);
}

/* As pw_wire_input() promises, and the bytes of the whole frame behind the IPv4 header. */
static void
assert_whole(struct rte_mbuf *m, const struct frame *whole)
{
	struct frame got;

	assert_non_null(m);
	assert_int_equal(m->l2_len, whole->l3);
	assert_int_equal(m->l3_len, whole->l4 - whole->l3);
	assert_true(m->data_len >= whole->l4 + 20);
	rte_mbuf_sanity_check(m, 1);
	for (const struct rte_mbuf *s = m; s != NULL; s = s->next) {
		assert_true(RTE_MBUF_DIRECT(s));
		assert_int_equal(rte_mbuf_refcnt_read(s), 1);
	}
	frame_of(m, &got);
	assert_int_equal(got.len, whole->len);
	assert_int_equal(get16(&got, got.l3 + 6) & 0x3fff, 0);
	assert_true(frame_sums_right(&got));
	assert_memory_equal(got.b + got.l4, whole->b + whole->l4, whole->len - whole->l4);
	rte_pktmbuf_free(m);
}

static void
test_pieces_in_any_order_make_the_packet(void **state)
{
	static const struct cut cut[] = {{0, 200}, {200, 400}, {600, 120}, {720, 301}};
	struct frame whole;
	uint16_t id = 7;
	struct rig r;

	(void)state;
	rig_with_fragments(&r);
	frame_tcp(&whole, 1001);
	for (uint32_t code = 0; code < 256; code++) {
		uint32_t order[4] = {code & 3, code >> 2 & 3, code >> 4 & 3, code >> 6}, seen = 0;

		for (uint32_t i = 0; i < 4; i++)
			seen |= 1u << order[i];
		if (seen != 15)
			continue;
		id++;
		for (uint32_t i = 0; i < 3; i++)
			assert_null(in_piece(&r, &whole, cut[order[i]], id));
		assert_whole(in_piece(&r, &whole, cut[order[3]], id), &whole);
	}
	assert_int_equal(counter(&r, frag_joined), 24);
	assert_int_equal(counter(&r, frag_in), 96);
	assert_int_equal(rig_drops(&r), 0);
	rig_down(&r);
}

static void
test_pieces_of_many_packets_are_told_apart(void **state)
{
	struct frame whole[PACKETS];
	struct rig r;

	(void)state;
	rig_with_fragments(&r);
	for (uint16_t i = 0; i < PACKETS; i++) {
		frame_tcp(&whole[i], 100 + i);
		assert_null(in_piece(&r, &whole[i], (struct cut){0, 64}, i));
	}
	for (uint16_t i = 0; i < PACKETS; i++)
		assert_whole(in_piece(&r, &whole[i], (struct cut){64, 56 + i}, i), &whole[i]);
	/* The same identification of another sender is another packet. */
	assert_null(in_piece(&r, &whole[0], (struct cut){0, 64}, 1));
	put32(&whole[1], whole[1].l3 + 12, PEER + 1);
	assert_null(in_piece(&r, &whole[1], (struct cut){64, 57}, 1));
	assert_int_equal(rig_drops(&r), 0);
	rig_down(&r);
}

static void
test_identification_counts_within_a_protocol(void **state)
{
	struct frame tcp, echo, got;
	struct rig r;

	(void)state;
	rig_with_fragments(&r);
	rig_know(&r, 0, PEER, &rig_peer);
	frame_tcp(&tcp, 100);
	frame_icmp(&echo, 8, 0, 0x12345678, tcp.b, 100);
	assert_null(in_piece(&r, &tcp, (struct cut){0, 64}, 1));
	assert_null(in_piece(&r, &echo, (struct cut){64, 44}, 1));
	assert_null(in_piece(&r, &echo, (struct cut){0, 64}, 1));
	assert_int_equal(counter(&r, icmp_echo_in), 1);
	rig_sent(&r, 0, &got);
	assert_true(frame_sums_right(&got));
	assert_memory_equal(got.b + got.l4 + 8, tcp.b, 100);
	assert_whole(in_piece(&r, &tcp, (struct cut){64, 56}, 1), &tcp);
	assert_int_equal(rig_drops(&r), 0);
	rig_down(&r);
}

static void
test_pieces_in_many_buffers_are_joined(void **state)
{
	struct frame whole, f;
	struct rig r;

	(void)state;
	rig_with_fragments(&r);
	frame_tcp(&whole, 1200);
	for (uint32_t seg = 30; seg < 600; seg += 57) {
		piece_of(&f, &whole, (struct cut){616, 604}, (uint16_t)seg);
		assert_null(rig_in_mbuf(&r, 0, rig_mbuf(&r, &f, seg)));
		piece_of(&f, &whole, (struct cut){0, 616}, (uint16_t)seg);
		assert_whole(rig_in_mbuf(&r, 0, rig_mbuf(&r, &f, seg)), &whole);
	}
	rig_down(&r);
}

static void
test_padding_of_pieces_is_cut_off(void **state)
{
	struct frame whole, f;
	struct rig r;

	(void)state;
	rig_with_fragments(&r);
	frame_tcp(&whole, 30);
	piece_of(&f, &whole, (struct cut){0, 48}, 9);
	frame_put(&f, "padding", 7);
	assert_null(rig_in(&r, 0, &f));
	piece_of(&f, &whole, (struct cut){48, 2}, 9);
	frame_put(&f, "padding beyond sixty bytes", 26);
	assert_whole(rig_in(&r, 0, &f), &whole);
	rig_down(&r);
}

static void
test_overlap_gives_the_packet_up(void **state)
{
	static const struct cut second[] = {
		{192, 200}, /* begins in the first */
		{0, 200},   /* repeats it */
		{0, 208},   /* and says more */
		{8, 64},    /* lies within it */
	};
	struct frame whole;
	struct rig r;

	(void)state;
	rig_with_fragments(&r);
	frame_tcp(&whole, 780);
	for (uint16_t i = 0; i < RTE_DIM(second); i++) {
		uint64_t dropped = rig_drops(&r);

		assert_null(in_piece(&r, &whole, (struct cut){0, 200}, i));
		assert_null(in_piece(&r, &whole, second[i], i));
		assert_null(in_piece(&r, &whole, (struct cut){400, 400}, i));
		/* What would have filled the hole finds its packet gone, or goes with it. */
		assert_null(in_piece(&r, &whole, (struct cut){200, 200}, i));
		rig_wait(&r, LIFETIME + 200 * MS);
		assert_int_equal(rig_drops(&r), dropped + 4);
	}
	assert_true(counter(&r, drop_frag_overlap) >= 8);
	assert_int_equal(counter(&r, frag_joined), 0);
	rig_down(&r);
}

static void
test_too_many_pieces_are_refused(void **state)
{
	struct frame whole;
	struct rig r;

	(void)state;
	rig_with_fragments(&r);
	frame_tcp(&whole, 1004);
	for (uint32_t i = 0; i < 8; i++)
		assert_null(in_piece(&r, &whole, (struct cut){i * 64, 64}, 3));
	assert_int_equal(counter(&r, drop_frag_overlap), 8);
	rig_down(&r);
}

static void
test_pieces_that_make_no_sense_are_dropped(void **state)
{
	struct frame whole, f;
	struct rig r;

	(void)state;
	rig_with_fragments(&r);
	frame_tcp(&whole, 200);
	piece_of(&f, &whole, (struct cut){0, 16}, 1); /* RFC 1858: half a TCP header */
	assert_dropped(&r, 0, &f, drop_fragment);
	whole.b[whole.l4 + 12] = 0xf0; /* sixty bytes of it */
	piece_of(&f, &whole, (struct cut){0, 56}, 1);
	assert_dropped(&r, 0, &f, drop_fragment);
	piece_of(&f, &whole, (struct cut){8, 61}, 1); /* not a multiple of eight */
	assert_dropped(&r, 0, &f, drop_fragment);
	piece_of(&f, &whole, (struct cut){64, 0}, 1);
	assert_dropped(&r, 0, &f, drop_fragment);
	piece_of(&f, &whole, (struct cut){64, 156}, 1); /* beyond 65,535 bytes */
	put16(&f, f.l3 + 6, 0x1fff);
	frame_ip4_sum(&f);
	assert_dropped(&r, 0, &f, drop_fragment);
	rig_down(&r);
}

/* A header of 60 bytes in the first piece must not bring the total beyond its 16 bits. */
static void
test_no_packet_is_longer_than_its_length_field(void **state)
{
	static const uint8_t end_of_options[40], body[8228] = {[12] = 5 << 4};
	const uint32_t piece = 8184;
	struct frame f;
	struct rig r;

	(void)state;
	rig_with_fragments(&r);
	for (uint32_t at = 0, n = 0; n < 8; n++, at += piece) {
		uint32_t len = n < 7 ? piece : 65515 - at;

		frame_eth(&f, &rig_mac[0], &rig_peer, 0x0800);
		if (n == 0)
			frame_ip4_opts(&f, PEER, OURS0, 6, end_of_options, sizeof(end_of_options),
				       body, len);
		else
			frame_ip4(&f, PEER, OURS0, 6, body + 1, len);
		put16(&f, f.l3 + 6, at / 8 | (n < 7 ? 0x2000 : 0));
		frame_ip4_sum(&f);
		assert_null(rig_in_mbuf(&r, 0, rig_mbuf(&r, &f, 2048)));
	}
	assert_int_equal(counter(&r, frag_joined), 0);
	rig_wait(&r, LIFETIME + 200 * MS);
	assert_int_equal(rig_drops(&r), 8);
	rig_down(&r);
}

static void
test_largest_packet_is_put_together(void **state)
{
	static struct frame f;
	uint32_t sum, len = 65475, last = 65475 - 7 * 8184, at = 0;
	static uint8_t body[65475];
	struct rte_mbuf *m = NULL;
	struct rig r;

	(void)state;
	rig_with_fragments(&r);
	memset(body, 0x5a, len);
	body[12] = 5 << 4;
	sum = sum_add(6 + len, (const uint8_t *)"\x0a\x4d\x00\x02\x0a\x4d\x00\x01", 8, false);
	body[16] = body[17] = 0;
	sum = ~sum_fold(sum_add(sum, body, len, false));
	body[16] = (sum >> 8) & 0xff;
	body[17] = sum & 0xff;
	for (uint32_t n = 0; n < 8; n++, at += 8184) {
		frame_eth(&f, &rig_mac[0], &rig_peer, 0x0800);
		frame_ip4(&f, PEER, OURS0, 6, body + at, n < 7 ? 8184 : last);
		put16(&f, f.l3 + 6, at / 8 | (n < 7 ? 0x2000 : 0));
		frame_ip4_sum(&f);
		m = rig_in_mbuf(&r, 0, rig_mbuf(&r, &f, 2048));
	}
	assert_non_null(m);
	assert_int_equal(m->pkt_len, 34 + len);
	rte_pktmbuf_free(m);
	rig_down(&r);
}

static void
test_wrong_checksum_of_the_whole_is_found(void **state)
{
	struct frame whole, f;
	struct rte_mbuf *m;
	struct rig r;

	(void)state;
	rig_plan(&r);
	r.conf.fragments = PACKETS;
	r.port[0].caps |= PW_PORT_RX_CKSUM;
	rig_up(&r);
	frame_tcp(&whole, 100);
	whole.b[whole.len - 1] ^= 1;
	assert_null(in_piece(&r, &whole, (struct cut){64, 56}, 1));
	piece_of(&f, &whole, (struct cut){0, 64}, 1);
	m = rig_mbuf(&r, &f, 0);
	/* What a port says of one piece is not said of the packet. */
	m->ol_flags |= RTE_MBUF_F_RX_IP_CKSUM_GOOD | RTE_MBUF_F_RX_L4_CKSUM_GOOD;
	assert_null(rig_in_mbuf(&r, 0, m));
	assert_int_equal(counter(&r, drop_l4_cksum), 1);
	rig_down(&r);
}

static void
test_hole_times_out(void **state)
{
	struct frame whole;
	struct rig r;

	(void)state;
	rig_with_fragments(&r);
	frame_tcp(&whole, 780);
	assert_null(in_piece(&r, &whole, (struct cut){0, 200}, 1));
	rig_wait(&r, 2 * SEC);
	assert_null(in_piece(&r, &whole, (struct cut){400, 400}, 1));
	rig_wait(&r, 3 * SEC - 100 * MS);
	assert_int_equal(rig_drops(&r), 0);
	/* Of the packet's first piece to come, whatever came since. */
	rig_wait(&r, 300 * MS);
	assert_int_equal(counter(&r, drop_frag_timeout), 2);
	assert_null(in_piece(&r, &whole, (struct cut){200, 200}, 1));
	/* The time passes without pw_wire_advance() too. */
	r.now += LIFETIME + 1;
	assert_null(in_piece(&r, &whole, (struct cut){200, 200}, 2));
	assert_int_equal(counter(&r, drop_frag_timeout), 3);
	rig_down(&r);
}

static void
test_flood_of_first_pieces_is_bounded(void **state)
{
	struct frame whole, flood;
	uint32_t all, in_use;
	struct rig r;

	(void)state;
	rig_with_fragments(&r);
	all = rte_mempool_avail_count(r.mem.pkt);
	frame_tcp(&whole, 200);
	flood = whole;
	for (uint32_t i = 0; i < 2000; i++) {
		put32(&flood, flood.l3 + 12, IP(10, 77, 9, 0) + i % 200);
		assert_null(in_piece(&r, &flood, (struct cut){0, 64}, (uint16_t)i));
		in_use = all - rte_mempool_avail_count(r.mem.pkt);
		assert_true(in_use <= PACKETS);
		r.now += 10 * MS;
	}
	/* At 100 a second, each has a tenth of a second to be completed in. */
	assert_null(in_piece(&r, &whole, (struct cut){0, 64}, 1));
	for (uint32_t i = 0; i < 9; i++) {
		put32(&flood, flood.l3 + 12, IP(10, 77, 8, 0) + i);
		assert_null(in_piece(&r, &flood, (struct cut){0, 64}, 1));
		r.now += 10 * MS;
	}
	assert_whole(in_piece(&r, &whole, (struct cut){64, 156}, 1), &whole);
	assert_int_equal(counter(&r, drop_frag_full), rig_drops(&r));
	rig_down(&r);
}

static void
test_buffers_of_pieces_are_bounded(void **state)
{
	struct frame whole;
	uint32_t all;
	struct rig r;

	(void)state;
	rig_with_fragments(&r);
	all = rte_mempool_avail_count(r.mem.pkt);
	frame_tcp(&whole, 1004);
	for (uint16_t id = 0; id < PACKETS; id++) {
		for (uint32_t i = 0; i < 7; i++)
			assert_null(in_piece(&r, &whole, (struct cut){i * 64, 64}, id));
		assert_true(all - rte_mempool_avail_count(r.mem.pkt) <= (PACKETS + 8) * 4);
	}
	assert_true(counter(&r, drop_frag_full) > 0);
	rig_down(&r);
}

/* What takes all buffers, and not all places, gives way as soon. */
static void
test_flood_of_pieces_keeps_the_others_out_for_a_moment_only(void **state)
{
	const uint32_t packets = PACKETS - 2;
	struct frame whole;
	struct rig r;

	(void)state;
	rig_with_fragments(&r);
	frame_tcp(&whole, 1004);
	for (uint16_t id = 0; id < packets; id++) {
		for (uint32_t i = 0; i < 7; i++)
			assert_null(in_piece(&r, &whole, (struct cut){i * 64, 64}, id));
	}
	assert_in_range(counter(&r, drop_frag_full), 1, 7); /* of the last packet */
	r.now += 50 * MS;
	assert_null(in_piece(&r, &whole, (struct cut){0, 512}, 100));
	assert_null(in_piece(&r, &whole, (struct cut){512, 512}, 100));
	assert_int_equal(counter(&r, frag_joined), 0);
	r.now += 51 * MS;
	assert_null(in_piece(&r, &whole, (struct cut){0, 512}, 101));
	assert_whole(in_piece(&r, &whole, (struct cut){512, 512}, 101), &whole);
	assert_int_equal(counter(&r, drop_frag_full), 7 * packets + 2);
	rig_down(&r);
}

static void
test_pressure_gives_all_buffers_back(void **state)
{
	struct frame whole;
	uint32_t all;
	struct rig r;

	(void)state;
	rig_with_fragments(&r);
	all = rte_mempool_avail_count(r.mem.pkt);
	frame_tcp(&whole, 200);
	for (uint16_t id = 0; id < 10; id++)
		assert_null(in_piece(&r, &whole, (struct cut){0, 64}, id));
	pw_wire_set_pressure(r.w, 1);
	assert_int_equal(rte_mempool_avail_count(r.mem.pkt), all);
	assert_int_equal(counter(&r, drop_frag_pressure), 10);
	assert_null(in_piece(&r, &whole, (struct cut){0, 64}, 77));
	assert_int_equal(rte_mempool_avail_count(r.mem.pkt), all);
	assert_int_equal(counter(&r, drop_frag_pressure), 11);
	pw_wire_set_pressure(r.w, 0);
	assert_null(in_piece(&r, &whole, (struct cut){0, 64}, 78));
	assert_whole(in_piece(&r, &whole, (struct cut){64, 156}, 78), &whole);
	rig_down(&r);
}

/* Cuts, order, repetitions and losses as they come: the packet is right, or there is none. */
static void
test_any_history_of_pieces_ends_right(void **state)
{
	struct sim_rng rng = {.s = 4711};
	uint32_t joined = 0;
	struct frame whole;
	struct rig r;

	(void)state;
	rig_with_fragments(&r);
	for (uint32_t history = 0; history < 3000; history++) {
		uint32_t body, n = 0, at = 0;
		struct cut cut[10];

		frame_tcp(&whole, sim_rng_below(&rng, 1461));
		body = whole.len - whole.l4;
		while (at < body && n < 8) {
			uint32_t len = 8 * sim_rng_range(&rng, n == 0 ? 3 : 1, 100);

			if (len >= body - at || n == 7)
				len = body - at;
			cut[n++] = (struct cut){at, len};
			at += len;
		}
		if (sim_rng_chance(&rng, 200)) /* one more, of anything */
			cut[n++] = (struct cut){8 * sim_rng_below(&rng, body / 8), body % 8};
		if (sim_rng_chance(&rng, 200)) {
			cut[n] = cut[sim_rng_below(&rng, n)];
			n++;
		}
		while (n > 0) {
			uint32_t i = sim_rng_below(&rng, n);
			struct rte_mbuf *m = NULL;

			if (!sim_rng_chance(&rng, 20))
				m = in_piece(&r, &whole, cut[i], (uint16_t)history);
			cut[i] = cut[--n];
			if (m != NULL) {
				joined++;
				assert_whole(m, &whole);
			}
		}
		rig_wait(&r, sim_rng_below(&rng, 200) * MS);
	}
	assert_true(joined > 1500);
	rig_down(&r);
}

static void
on_unsteered(void *ctx, uint32_t iface, struct rte_mbuf *m, uint64_t now)
{
	struct rig *r = ctx;

	assert_int_equal(iface, 0);
	assert_int_equal(now, r->now);
	r->nb_learnt++;
	rte_pktmbuf_free(m);
}

static void
test_packets_of_pieces_are_handed_out_apart(void **state)
{
	struct frame whole;
	struct rte_mbuf *m;
	struct rig r;

	(void)state;
	rig_plan(&r);
	r.conf.fragments = PACKETS;
	r.conf.hooks.unsteered = on_unsteered;
	rig_up(&r);
	frame_tcp(&whole, 100);
	assert_null(in_piece(&r, &whole, (struct cut){64, 56}, 1));
	assert_null(in_piece(&r, &whole, (struct cut){0, 64}, 1));
	assert_int_equal(r.nb_learnt, 1);
	m = rig_in(&r, 0, &whole);
	assert_non_null(m);
	rte_pktmbuf_free(m);
	assert_int_equal(r.nb_learnt, 1);
	rig_down(&r);
}

static void
test_too_large_a_table_is_refused(void **state)
{
	struct rig r;

	(void)state;
	rig_plan(&r);
	r.conf.fragments = PW_WIRE_FRAGMENTS_MAX + 1;
	assert_null(pw_wire_create(&r.conf));
	r.conf.fragments = 5; /* not a power of two */
	rig_up(&r);
	rig_down(&r);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pieces_in_any_order_make_the_packet),
		cmocka_unit_test(test_pieces_of_many_packets_are_told_apart),
		cmocka_unit_test(test_identification_counts_within_a_protocol),
		cmocka_unit_test(test_pieces_in_many_buffers_are_joined),
		cmocka_unit_test(test_padding_of_pieces_is_cut_off),
		cmocka_unit_test(test_overlap_gives_the_packet_up),
		cmocka_unit_test(test_too_many_pieces_are_refused),
		cmocka_unit_test(test_pieces_that_make_no_sense_are_dropped),
		cmocka_unit_test(test_no_packet_is_longer_than_its_length_field),
		cmocka_unit_test(test_largest_packet_is_put_together),
		cmocka_unit_test(test_wrong_checksum_of_the_whole_is_found),
		cmocka_unit_test(test_hole_times_out),
		cmocka_unit_test(test_flood_of_first_pieces_is_bounded),
		cmocka_unit_test(test_buffers_of_pieces_are_bounded),
		cmocka_unit_test(test_flood_of_pieces_keeps_the_others_out_for_a_moment_only),
		cmocka_unit_test(test_pressure_gives_all_buffers_back),
		cmocka_unit_test(test_any_history_of_pieces_ends_right),
		cmocka_unit_test(test_packets_of_pieces_are_handed_out_apart),
		cmocka_unit_test(test_too_large_a_table_is_refused),
	};

	test_eal_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
