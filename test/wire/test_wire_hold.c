/* SPDX-License-Identifier: BSD-3-Clause */
/* Frames that wait for neighbours: how many, which of them give way, and who is spoken to still. */
#include <errno.h>
#include <string.h>

#include "eal.h"
#include "rig6.h"

#define RST	0x04
#define SYN	0x02
#define SYN_ACK 0x12
#define ACK	0x10

static const struct rte_ether_addr nobody = {{0}};

static int
send_flags(struct rig *r, uint32_t dst, uint8_t flags)
{
	struct rte_mbuf *m = rig_segment(r, NULL, 0);

	rte_pktmbuf_mtod(m, uint8_t *)[13] = flags;
	return rig_send(r, dst, m);
}

/* A whole number of frames went to PEER; returns how many. */
static uint32_t
answered(struct rig *r)
{
	struct frame f;
	uint32_t n;

	rig_forget_sent(r);
	frame_arp(&f, &rig_mac[0], 2, &rig_peer, PEER, &rig_mac[0], OURS0);
	assert_null(rig_in(r, 0, &f));
	n = r->nb_sent;
	rig_forget_sent(r);
	return n;
}

static void
up(struct rig *r, uint32_t queue, uint32_t total)
{
	rig6_plan(r);
	r->conf.neighbours = 1024;
	r->conf.hold_queue = queue;
	r->conf.hold_total = total;
	rig_up(r);
}

static void
test_unresolved_neighbours_leave_header_buffers_to_others(void **state)
{
	static const uint8_t flags[] = {SYN_ACK, SYN, RST};
	struct rig r;
	struct frame f;

	(void)state;
	up(&r, 0, 0);
	for (uint32_t i = 0; i < 3 * 700; i++) {
		(void)send_flags(&r, IP(10, 77, 4, 0) + i / 4, flags[i % 3]);
		rig_forget_sent(&r);
		assert_true(rte_mempool_avail_count(r.mem.hdr) >= 255 - 255 / 8);
	}
	assert_true(counter(&r, drop_hold_full) >= 3 * 700 - 255 / 8);
	assert_int_equal(counter(&r, drop_no_buffer), 0);
	/* Who is there is spoken to, and found. */
	assert_int_equal(send_flags(&r, PEER, SYN_ACK), 0);
	assert_int_equal(answered(&r), 1);
	frame_arp(&f, &rig_everybody, 1, &rig_peer, PEER, &nobody, OURS0);
	assert_null(rig_in(&r, 0, &f));
	assert_int_equal(r.nb_sent, 1);
	rig_down(&r);
}

static void
test_burst_to_one_neighbour_waits_for_it(void **state)
{
	struct rig r;

	(void)state;
	up(&r, 0, 250);
	for (uint32_t i = 0; i < 64; i++)
		assert_int_equal(send_flags(&r, PEER, SYN), 0);
	assert_int_equal(send_flags(&r, PEER, SYN), -ENOBUFS);
	for (uint32_t i = 0; i < 64; i++)
		assert_int_equal(send_flags(&r, PEER, SYN_ACK), 0);
	assert_int_equal(send_flags(&r, PEER, SYN_ACK), -ENOBUFS);
	assert_int_equal(counter(&r, drop_hold_full), 2);
	assert_int_equal(answered(&r), 128);
	rig_down(&r);
}

static void
test_oldest_frame_gives_way(void **state)
{
	struct rig r;

	(void)state;
	up(&r, 4, 8); /* four of ours in all */
	assert_int_equal(send_flags(&r, PEER + 1, SYN), 0);
	assert_int_equal(send_flags(&r, PEER, SYN), 0);
	assert_int_equal(send_flags(&r, PEER + 2, SYN), 0);
	assert_int_equal(send_flags(&r, PEER, ACK), 0);
	assert_int_equal(counter(&r, drop_hold_full), 0);
	assert_int_equal(send_flags(&r, PEER + 3, SYN), 0); /* for the one of PEER + 1 */
	assert_int_equal(send_flags(&r, PEER + 3, SYN), 0); /* for PEER's first */
	assert_int_equal(counter(&r, drop_hold_full), 2);
	assert_int_equal(answered(&r), 1);
	/* Its place is free again. */
	assert_int_equal(send_flags(&r, PEER + 4, SYN), 0);
	assert_int_equal(counter(&r, drop_hold_full), 2);
	rig_wait(&r, 3 * SEC);
	assert_int_equal(counter(&r, drop_unresolved), 4);
	rig_down(&r);
}

static void
test_answers_to_strangers_do_not_push_out_frames_of_ours(void **state)
{
	struct rig r;
	struct frame f;

	(void)state;
	up(&r, 4, 8);
	assert_int_equal(send_flags(&r, PEER, SYN), 0);
	assert_int_equal(send_flags(&r, PEER, ACK), 0);
	for (uint32_t i = 1; i <= 20; i++) {
		assert_int_equal(send_flags(&r, PEER + i, SYN_ACK), 0);
		assert_int_equal(send_flags(&r, PEER + i, RST), 0);
	}
	/* An echo is an answer, too. */
	frame_icmp(&f, 8, 0, 0, "ping", 4);
	assert_null(rig_in(&r, 0, &f));
	assert_int_equal(counter(&r, drop_hold_full), 37);
	assert_int_equal(answered(&r), 3);
	rig_down(&r);
}

static void
test_asker_takes_no_place_of_one_that_frames_wait_for(void **state)
{
	static const struct rte_ether_addr other = {{2, 0, 0, 0, 0, 0x55}};
	struct rig r;
	struct frame f;

	(void)state;
	rig_default(&r); /* room for 8 */
	for (uint32_t i = 0; i < 8; i++)
		assert_int_equal(send_flags(&r, PEER + i, SYN), 0);
	frame_arp(&f, &rig_everybody, 1, &other, PEER + 9, &nobody, OURS0);
	assert_null(rig_in(&r, 0, &f));
	assert_int_equal(counter(&r, arp_replies_out), 1);
	assert_int_equal(counter(&r, drop_unresolved), 0);
	assert_int_equal(answered(&r), 1);
	/* One that is known and rests makes room. */
	rig_wait(&r, 61 * SEC);
	rig_forget_sent(&r);
	for (uint32_t i = 1; i < 8; i++)
		assert_int_equal(send_flags(&r, PEER + i, SYN), 0);
	assert_null(rig_in(&r, 0, &f));
	assert_int_equal(counter(&r, drop_unresolved), 7); /* of the minute ago */
	assert_int_equal(counter(&r, neigh_learnt), 2);
	rig_down(&r);
}

static void
test_frames_of_ipv6_are_told_apart_as_well(void **state)
{
	static const uint8_t flags[] = {SYN, SYN_ACK, ACK, RST};
	struct rig r;

	(void)state;
	up(&r, 1, 8);
	for (uint32_t i = 0; i < 4; i++) {
		struct rte_mbuf *m = rig_segment(&r, NULL, 0);

		/* One of each kind has room. */
		rte_pktmbuf_mtod(m, uint8_t *)[13] = flags[i];
		assert_int_equal(rig6_send(&r, PEER6, m), i < 2 ? 0 : -ENOBUFS);
	}
	rig_down(&r);
}

static void
test_neighbours_are_spoken_to_without_header_buffers(void **state)
{
	struct rte_mbuf *all[255];
	struct rig r;
	struct frame f;

	(void)state;
	up(&r, 0, 0);
	assert_int_equal(rte_pktmbuf_alloc_bulk(r.mem.hdr, all, 255), 0);
	frame_arp(&f, &rig_everybody, 1, &rig_peer, PEER, &nobody, OURS0);
	assert_null(rig_in(&r, 0, &f));
	frame_nd(&f, PEER6, GROUP_OF_OURS, SOLICIT, 0, OURS6, SOURCE, &rig_peer);
	assert_null(rig_in(&r, 0, &f));
	assert_int_equal(counter(&r, drop_no_buffer), 0);
	assert_int_equal(r.nb_sent, 2);
	assert_int_equal(counter(&r, arp_replies_out), 1);
	assert_nd(&r, 1, ADVERT, OURS6, PEER6, OURS6, &rig_peer);
	rte_pktmbuf_free_bulk(all, 255);
	rig_down(&r);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_unresolved_neighbours_leave_header_buffers_to_others),
		cmocka_unit_test(test_burst_to_one_neighbour_waits_for_it),
		cmocka_unit_test(test_oldest_frame_gives_way),
		cmocka_unit_test(test_answers_to_strangers_do_not_push_out_frames_of_ours),
		cmocka_unit_test(test_asker_takes_no_place_of_one_that_frames_wait_for),
		cmocka_unit_test(test_frames_of_ipv6_are_told_apart_as_well),
		cmocka_unit_test(test_neighbours_are_spoken_to_without_header_buffers),
	};

	test_eal_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
