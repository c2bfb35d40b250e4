/* SPDX-License-Identifier: BSD-3-Clause */
/* IPv6 fragments: what differs from IPv4, which is their header and what may stand around it. */
#include <string.h>

#include <rte_mbuf.h>

#include "eal.h"
#include "rig6.h"
#include "sim_rng.h"

#define PACKETS	 16
#define LIFETIME (5 * SEC)

/* Options to skip, eight bytes. */
static const uint8_t padn[8] = {0, 0, 1, 4};

static void
rig6_with_fragments(struct rig *r)
{
	rig6_plan(r);
	r->conf.fragments = PACKETS;
	rig_up(r);
}

/*
 * The piece of whole (what follows its fixed header) from at on; front: options before the fragment
 * header.
 */
static void
piece_of(struct frame *f, const struct frame *whole, uint32_t at, uint32_t len, uint32_t id,
	 bool front)
{
	uint32_t start = whole->l3 + 40, body = whole->len - start;
	uint8_t ext[8] = {0, 0, at >> 8, at & 0xf8};

	assert_true(at % 8 == 0 && at + len <= body);
	ext[3] |= at + len < body;
	memcpy(ext + 4, &id, 4);
	f->len = 0;
	f->l3 = whole->l3;
	frame_put(f, whole->b, start);
	frame_put(f, whole->b + start + at, len);
	put16(f, f->l3 + 4, len);
	frame_ip6_insert(f, 44, ext, 8);
	if (front)
		frame_ip6_insert(f, 60, padn, 8);
}

static struct rte_mbuf *
in_piece(struct rig *r, const struct frame *whole, uint32_t at, uint32_t len, uint32_t id)
{
	struct frame f;

	piece_of(&f, whole, at, len, id, false);
	return rig_in(r, 0, &f);
}

/* As pw_wire_input() promises, and byte for byte the frame that was cut. */
static void
assert_whole(struct rte_mbuf *m, const struct frame *whole)
{
	struct frame got;

	assert_non_null(m);
	rte_mbuf_sanity_check(m, 1);
	assert_int_equal(m->l2_len, whole->l3);
	assert_int_equal(m->l3_len, whole->l4 - whole->l3);
	assert_true(m->data_len >= whole->l4 + 20);
	for (const struct rte_mbuf *s = m; s != NULL; s = s->next) {
		assert_true(RTE_MBUF_DIRECT(s));
		assert_int_equal(rte_mbuf_refcnt_read(s), 1);
	}
	frame_of(m, &got);
	assert_int_equal(got.len, whole->len);
	assert_memory_equal(got.b, whole->b, whole->len);
	rte_pktmbuf_free(m);
}

static void
test_pieces_in_either_order_make_the_packet(void **state)
{
	struct frame whole;
	struct rig r;

	(void)state;
	rig6_with_fragments(&r);
	frame_tcp6(&whole, 1001);
	for (uint32_t id = 0; id < 10; id++) {
		uint32_t cut = 40 + 8 * id;

		assert_null(in_piece(&r, &whole, 0, cut, id));
		assert_whole(in_piece(&r, &whole, cut, 1021 - cut, id), &whole);
		assert_null(in_piece(&r, &whole, cut, 1021 - cut, id));
		assert_whole(in_piece(&r, &whole, 0, cut, id), &whole);
	}
	assert_int_equal(counter(&r, frag_joined), 20);
	assert_int_equal(rig_drops(&r), 0);
	rig_down(&r);
}

static void
test_options_before_the_fragment_header_are_obeyed_and_cut_out(void **state)
{
	struct frame whole, f;
	struct rig r;

	(void)state;
	rig6_with_fragments(&r);
	frame_tcp6(&whole, 300);
	for (uint32_t i = 0; i < 4; i++) {
		piece_of(&f, &whole, 0, 160, i, i & 1);
		assert_null(rig_in(&r, 0, &f));
		piece_of(&f, &whole, 160, 160, i, i & 2);
		assert_whole(rig_in(&r, 0, &f), &whole);
	}
	assert_int_equal(rig_drops(&r), 0);
	rig_down(&r);
}

static void
test_options_behind_the_fragment_header_are_walked_in_the_whole(void **state)
{
	static const uint8_t unknown[8] = {0, 0, 0xc7, 4}; /* an option to complain about */
	struct frame whole;
	struct rig r;

	(void)state;
	rig6_with_fragments(&r);
	rig6_know(&r, 0, PEER6, &rig_peer);
	frame_tcp6(&whole, 300);
	frame_ip6_insert(&whole, 60, padn, 8);
	frame_sum6(&whole);
	assert_null(in_piece(&r, &whole, 0, 160, 1));
	assert_whole(in_piece(&r, &whole, 160, 168, 1), &whole);
	frame_tcp6(&whole, 300);
	frame_ip6_insert(&whole, 60, unknown, 8);
	assert_null(in_piece(&r, &whole, 0, 160, 2));
	assert_null(in_piece(&r, &whole, 160, 168, 2));
	assert_int_equal(counter(&r, drop_ip_ext), 1);
	assert_int_equal(counter(&r, icmp_errors_out), 1);
	rig_down(&r);
}

static void
test_atomic_fragment_is_a_packet(void **state)
{
	struct frame whole, f;
	struct rig r;

	(void)state;
	rig6_plan(&r);
	for (uint32_t i = 0; i < 2; i++) { /* also where no fragments are taken */
		r.conf.fragments = i * PACKETS;
		rig_up(&r);
		frame_tcp6(&whole, 77);
		/* RFC 6946: even among pieces of the same identification. */
		if (i == 1)
			assert_null(in_piece(&r, &whole, 0, 48, 5));
		piece_of(&f, &whole, 0, 97, 5, false);
		assert_whole(rig_in(&r, 0, &f), &whole);
		piece_of(&f, &whole, 0, 97, 5, true);
		assert_whole(rig_in(&r, 0, &f), &whole);
		if (i == 1)
			assert_whole(in_piece(&r, &whole, 48, 49, 5), &whole);
		assert_int_equal(rig_drops(&r), 0);
		if (i == 0)
			pw_wire_destroy(r.w);
	}
	rig_down(&r);
}

static void
test_what_a_port_says_of_an_atomic_fragment_is_not_believed(void **state)
{
	struct frame whole, f;
	struct rte_mbuf *m;
	struct rig r;

	(void)state;
	rig6_plan(&r);
	r.port[0].caps |= PW_PORT_RX_CKSUM;
	rig_up(&r);
	frame_tcp6(&whole, 77);
	for (uint32_t bad = 0; bad < 2; bad++) {
		piece_of(&f, &whole, 0, 97, 5, false);
		f.b[f.len - 1] ^= bad;
		m = rig_mbuf(&r, &f, 0);
		m->ol_flags |= RTE_MBUF_F_RX_L4_CKSUM_GOOD;
		m = rig_in_mbuf(&r, 0, m);
		assert_int_equal(m == NULL, bad);
		rte_pktmbuf_free(m);
	}
	assert_int_equal(counter(&r, drop_l4_cksum), 1);
	rig_down(&r);
}

/* RFC 8200 4.1: hop-by-hop options follow the fixed header alone, whatever is cut out in between.
 */
static void
test_hop_by_hop_options_behind_a_fragment_header_are_refused(void **state)
{
	struct frame whole, f, sent;
	struct rig r;

	(void)state;
	rig6_with_fragments(&r);
	rig6_know(&r, 0, PEER6, &rig_peer);
	frame_tcp6(&whole, 300);
	frame_ip6_insert(&whole, 0, padn, 8);
	for (uint32_t i = 0; i < 2; i++) {
		piece_of(&f, &whole, 0, i == 0 ? 328 : 160, i, i == 1);
		assert_dropped(&r, 0, &f, drop_fragment);
		rig_sent(&r, i, &sent);
		assert_int_equal(frame_type6(&sent), 4);
		assert_int_equal(sent.b[sent.l4 + 1], 1);
		assert_int_equal(get32(&sent, sent.l4 + 4), i == 0 ? 40 : 48);
	}
	rig_down(&r);
}

static void
test_first_piece_holds_all_headers(void **state)
{
	static const uint8_t options[64] = {0, 7, 1, 60};
	struct frame whole, f;
	struct rig r;

	(void)state;
	rig6_with_fragments(&r);
	rig6_know(&r, 0, PEER6, &rig_peer);
	frame_tcp6(&whole, 300);
	piece_of(&f, &whole, 0, 16, 1, false);
	assert_dropped(&r, 0, &f, drop_fragment);
	/* RFC 7112: extension headers too. */
	frame_ip6_insert(&whole, 60, options, sizeof(options));
	for (uint32_t len = 8; len < sizeof(options) + 20; len += 8) {
		piece_of(&f, &whole, 0, len, len, false);
		assert_dropped(&r, 0, &f, drop_fragment);
	}
	assert_null(in_piece(&r, &whole, 0, 88, 2));
	rig_down(&r);
}

static void
test_pieces_that_make_no_sense_are_dropped(void **state)
{
	struct frame whole, f;
	struct rig r;

	(void)state;
	rig6_with_fragments(&r);
	rig6_know(&r, 0, PEER6, &rig_peer);
	frame_tcp6(&whole, 300);
	piece_of(&f, &whole, 0, 61, 1, false); /* not a multiple of eight */
	assert_dropped(&r, 0, &f, drop_fragment);
	piece_of(&f, &whole, 64, 0, 1, false);
	assert_dropped(&r, 0, &f, drop_fragment);
	piece_of(&f, &whole, 64, 256, 1, false); /* beyond 65,535 bytes */
	put16(&f, f.l3 + 42, 0xfff8);
	assert_dropped(&r, 0, &f, drop_fragment);
	piece_of(&f, &whole, 0, 64, 1, false); /* a piece of a piece */
	frame_ip6_insert(&f, 44, f.b + f.l3 + 40, 8);
	assert_dropped(&r, 0, &f, drop_fragment);
	assert_int_equal(counter(&r, frag_joined), 0);
	rig_down(&r);
}

/* The error that the last frame sent is: its code and pointer. */
static void
assert_told(const struct rig *r, uint8_t code, uint32_t pointer)
{
	struct frame f;

	rig_sent(r, r->nb_sent - 1, &f);
	assert_true(frame_sum6_right(&f));
	assert_int_equal(frame_type6(&f), 4);
	assert_int_equal(f.b[f.l4 + 1], code);
	assert_int_equal(get32(&f, f.l4 + 4), pointer);
}

static void
test_sender_is_told_what_is_wrong_with_a_piece(void **state)
{
	struct frame whole, f;
	struct rig r;

	(void)state;
	rig6_with_fragments(&r);
	rig6_know(&r, 0, PEER6, &rig_peer);
	frame_tcp6(&whole, 300);
	for (uint32_t front = 0; front < 2; front++) {
		piece_of(&f, &whole, 0, 61, 1, front);
		assert_dropped(&r, 0, &f, drop_fragment);
		assert_told(&r, 0, 4); /* the payload length */
		piece_of(&f, &whole, 64, 256, 1, front);
		put16(&f, f.l3 + 42 + 8 * front, 0xfff8);
		assert_dropped(&r, 0, &f, drop_fragment);
		assert_told(&r, 0, 42 + 8 * front); /* the fragment's offset */
		piece_of(&f, &whole, 0, 16, 1, front);
		assert_dropped(&r, 0, &f, drop_fragment);
		assert_told(&r, 3, 0);
	}
	assert_int_equal(r.nb_sent, 6);
	rig_down(&r);
}

static void
test_largest_payload_is_put_together(void **state)
{
	static uint8_t payload[65535];
	const uint32_t piece = 8192;
	struct rte_mbuf *m = NULL;
	struct frame f;
	struct rig r;
	uint32_t sum;

	(void)state;
	rig6_with_fragments(&r);
	payload[12] = 5 << 4;
	frame_ip6(&f, PEER6, OURS6, 6, 63, NULL, 0);
	sum = sum_add(6 + sizeof(payload), f.b + f.l3 + 8, 32, false);
	sum = ~sum_fold(sum_add(sum, payload, sizeof(payload), false));
	payload[16] = sum >> 8 & 0xff;
	payload[17] = sum & 0xff;
	for (uint32_t at = 0; at < sizeof(payload); at += piece) {
		uint32_t len = RTE_MIN(piece, sizeof(payload) - at);
		uint8_t ext[8] = {0, 0, at >> 8, (at & 0xf8) | (at + len < sizeof(payload))};

		assert_null(m);
		frame_ip6(&f, PEER6, OURS6, 6, 63, payload + at, len);
		frame_ip6_insert(&f, 44, ext, sizeof(ext));
		m = rig_in_mbuf(&r, 0, rig_mbuf(&r, &f, 2048));
	}
	assert_non_null(m);
	assert_int_equal(m->pkt_len, 14 + 40 + sizeof(payload));
	rte_pktmbuf_free(m);
	rig_down(&r);
}

static void
test_overlap_gives_the_packet_up(void **state)
{
	struct frame whole;
	struct rig r;

	(void)state;
	rig6_with_fragments(&r);
	frame_tcp6(&whole, 780);
	assert_null(in_piece(&r, &whole, 0, 200, 1));
	assert_null(in_piece(&r, &whole, 192, 208, 1));
	assert_null(in_piece(&r, &whole, 400, 400, 1));
	assert_int_equal(counter(&r, drop_frag_overlap), 3);
	assert_null(in_piece(&r, &whole, 200, 200, 1));
	rig_wait(&r, LIFETIME + 200 * MS);
	assert_int_equal(rig_drops(&r), 4);
	rig_down(&r);
}

/* RFC 6980 5: who is on the link sends these whole; pieces only hide them from those who watch. */
static void
test_neighbour_discovery_in_fragments_is_ignored(void **state)
{
	struct frame whole, f;
	struct rig r;

	(void)state;
	rig6_with_fragments(&r);
	frame_nd(&whole, PEER6, OURS6, 135, 0, OURS6, 1, &rig_peer);
	piece_of(&f, &whole, 0, whole.len - whole.l3 - 40, 1, false);
	assert_null(rig_in(&r, 0, &f));
	assert_int_equal(counter(&r, nd_invalid), 1);
	assert_null(in_piece(&r, &whole, 0, 16, 2));
	assert_null(in_piece(&r, &whole, 16, 16, 2));
	assert_int_equal(counter(&r, nd_invalid), 2);
	assert_int_equal(r.nb_sent, 0);
	assert_null(rig_in(&r, 0, &whole));
	assert_int_equal(r.nb_sent, 1);
	rig_down(&r);
}

static void
test_both_families_share_the_table(void **state)
{
	struct frame four, six, piece;
	struct rig r;

	(void)state;
	rig6_with_fragments(&r);
	frame_tcp(&four, 100);
	frame_tcp6(&six, 100);
	piece = four;
	piece.len = piece.l4 + 64;
	put16(&piece, piece.l3 + 2, 84);
	put16(&piece, piece.l3 + 6, 0x2000);
	for (uint32_t i = 0; i < PACKETS; i++) {
		put16(&piece, piece.l3 + 4, i);
		frame_ip4_sum(&piece);
		assert_null(rig_in(&r, 0, &piece));
	}
	assert_null(in_piece(&r, &six, 0, 64, 1));
	assert_int_equal(counter(&r, drop_frag_full), 1);
	r.now += 200 * MS;
	assert_null(in_piece(&r, &six, 0, 64, 1));
	assert_whole(in_piece(&r, &six, 64, 56, 1), &six);
	assert_int_equal(counter(&r, drop_frag_full), 1 + PACKETS);
	rig_down(&r);
}

/* Every cut of a piece of every kind, in buffers of every size: dropped or held, never misread. */
static void
test_any_cut_of_any_piece_is_harmless(void **state)
{
	struct frame whole, f;
	struct rte_mbuf *m;
	struct rig r;

	(void)state;
	rig6_with_fragments(&r);
	frame_tcp6(&whole, 60);
	frame_ip6_insert(&whole, 60, padn, 8);
	for (uint32_t kind = 0; kind < 4; kind++) {
		piece_of(&f, &whole, kind & 1 ? 40 : 0, 40, kind, kind & 2);
		for (uint32_t len = f.l3; len <= f.len; len++) {
			struct frame cut = f;

			cut.len = len;
			for (uint32_t seg = 15; seg < 150; seg += 27) {
				if (len >= f.l3 + 40)
					put16(&cut, f.l3 + 4, len - f.l3 - 40);
				m = rig_in_mbuf(&r, 0, rig_mbuf(&r, &cut, seg));
				rte_pktmbuf_free(m);
			}
			r.now += 200 * MS;
		}
	}
	rig_wait(&r, LIFETIME + 200 * MS);
	rig_down(&r);
}

static void
test_any_history_of_pieces_ends_right(void **state)
{
	struct sim_rng rng = {.s = 815};
	uint32_t joined = 0;
	struct frame whole, f;
	struct rig r;

	(void)state;
	rig6_with_fragments(&r);
	for (uint32_t id = 0; id < 2000; id++) {
		uint32_t body, n = 0, at[9] = {0};

		frame_tcp6(&whole, sim_rng_range(&rng, 20, 1440));
		body = whole.len - whole.l3 - 40;
		while (at[n] < body && n < 8) {
			uint32_t len = 8 * sim_rng_range(&rng, 3, 60);

			at[n + 1] = n == 7 || len > body - at[n] ? body : at[n] + len;
			n++;
		}
		for (uint32_t left = (1u << n) - 1; left != 0;) {
			uint32_t i = sim_rng_below(&rng, n);
			struct rte_mbuf *m = NULL;

			if (!(left & 1u << i) && !sim_rng_chance(&rng, 5))
				continue; /* now and then one comes twice */
			left &= ~(1u << i);
			piece_of(&f, &whole, at[i], at[i + 1] - at[i], id,
				 sim_rng_chance(&rng, 100));
			if (!sim_rng_chance(&rng, 20))
				m = rig_in(&r, 0, &f);
			if (m != NULL) {
				joined++;
				assert_whole(m, &whole);
			}
		}
		rig_wait(&r, sim_rng_below(&rng, 200) * MS);
	}
	assert_true(joined > 1000);
	rig_down(&r);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pieces_in_either_order_make_the_packet),
		cmocka_unit_test(test_options_before_the_fragment_header_are_obeyed_and_cut_out),
		cmocka_unit_test(test_options_behind_the_fragment_header_are_walked_in_the_whole),
		cmocka_unit_test(test_atomic_fragment_is_a_packet),
		cmocka_unit_test(test_what_a_port_says_of_an_atomic_fragment_is_not_believed),
		cmocka_unit_test(test_hop_by_hop_options_behind_a_fragment_header_are_refused),
		cmocka_unit_test(test_first_piece_holds_all_headers),
		cmocka_unit_test(test_pieces_that_make_no_sense_are_dropped),
		cmocka_unit_test(test_sender_is_told_what_is_wrong_with_a_piece),
		cmocka_unit_test(test_largest_payload_is_put_together),
		cmocka_unit_test(test_overlap_gives_the_packet_up),
		cmocka_unit_test(test_neighbour_discovery_in_fragments_is_ignored),
		cmocka_unit_test(test_both_families_share_the_table),
		cmocka_unit_test(test_any_cut_of_any_piece_is_harmless),
		cmocka_unit_test(test_any_history_of_pieces_ends_right),
	};

	test_eal_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
