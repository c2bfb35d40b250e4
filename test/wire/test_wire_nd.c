/* SPDX-License-Identifier: BSD-3-Clause */
/* Neighbour discovery: questions, answers, conflicts, and who may be believed. */
#include <errno.h>
#include <string.h>

#include "eal.h"
#include "rig6.h"

static const struct rte_ether_addr other = {{2, 0, 0, 0, 0, 0x99}};

static uint32_t
flags_of(const struct rig *r, uint32_t i)
{
	struct frame f;

	rig_sent(r, i, &f);
	return get32(&f, f.l3 + 44);
}

/* Sent frame i is TCP to this station. */
static void
assert_tcp_to(const struct rig *r, uint32_t i, const struct rte_ether_addr *mac)
{
	struct frame f;

	rig_sent(r, i, &f);
	assert_int_equal(f.b[f.l3 + 6], 6);
	assert_memory_equal(f.b, mac, 6);
}

static int
send_to(struct rig *r, struct pw_addr ip)
{
	return rig6_send(r, ip, rig_segment(r, NULL, 0));
}

/* PEER6 or another advertises itself. */
static void
advertise(struct rig *r, struct pw_addr ip, uint32_t flags, const struct rte_ether_addr *mac)
{
	struct frame f;

	frame_nd(&f, ip, (flags & SOLICITED) ? OURS6 : ALL6, ADVERT, flags, ip, mac ? TARGET : 0,
		 mac);
	assert_null(rig_in(r, 0, &f));
}

static void
solicit(struct rig *r, struct pw_addr src, struct pw_addr target, const struct rte_ether_addr *mac)
{
	struct frame f;

	frame_nd(&f, src, GROUP_OF_OURS, SOLICIT, 0, target, mac ? SOURCE : 0, mac);
	assert_null(rig_in(r, 0, &f));
}

static void
test_frame_waits_for_the_answer(void **state)
{
	struct rig r;

	(void)state;
	rig6_default(&r);
	assert_int_equal(send_to(&r, PEER6), 0);
	assert_int_equal(send_to(&r, PEER6), 0);
	assert_int_equal(r.nb_sent, 1);
	assert_nd(&r, 0, SOLICIT, OURS6, rig6_addr("ff02::1:ff00:2"), PEER6,
		  &(struct rte_ether_addr){{0x33, 0x33, 0xff, 0, 0, 2}});
	advertise(&r, PEER6, SOLICITED | OVERRIDE, &rig_peer);
	assert_int_equal(r.nb_sent, 3);
	assert_tcp_to(&r, 1, &rig_peer);
	assert_tcp_to(&r, 2, &rig_peer);
	assert_int_equal(r.nb_learnt, 1);
	assert_true(pw_addr_eq(&r.learnt_ip, &(struct pw_addr[]){PEER6}[0]));
	assert_memory_equal(&r.learnt_mac, &rig_peer, 6);
	assert_int_equal(counter(&r, nd_solicits_out), 1);
	assert_int_equal(counter(&r, nd_adverts_in), 1);
	rig_down(&r);
}

static void
test_silence_is_asked_three_times_a_second_apart(void **state)
{
	struct rig r;

	(void)state;
	rig6_default(&r);
	assert_int_equal(send_to(&r, PEER6), 0);
	rig_wait(&r, 2900 * MS);
	assert_int_equal(counter(&r, nd_solicits_out), 3);
	rig_wait(&r, 200 * MS);
	assert_int_equal(counter(&r, drop_unresolved), 1);
	assert_int_equal(send_to(&r, PEER6), -EHOSTUNREACH);
	assert_int_equal(counter(&r, drop_unresolved), 2);
	rig_down(&r);
}

static void
test_stale_neighbour_is_asked_at_its_address(void **state)
{
	struct rig r;

	(void)state;
	rig6_default(&r);
	rig6_know(&r, 0, PEER6, &rig_peer);
	rig_wait(&r, 61 * SEC);
	assert_int_equal(send_to(&r, PEER6), 0);
	assert_nd(&r, 0, SOLICIT, OURS6, PEER6, PEER6, &rig_peer);
	assert_tcp_to(&r, 1, &rig_peer);
	/* Its answer may leave out what both know; then it is fresh again. */
	advertise(&r, PEER6, SOLICITED, NULL);
	rig_wait(&r, 10 * SEC);
	assert_int_equal(r.nb_sent, 2);
	rig_down(&r);
}

static void
test_solicitation_is_answered_and_teaches(void **state)
{
	struct rig r;

	(void)state;
	rig6_default(&r);
	solicit(&r, PEER6, OURS6, &rig_peer);
	assert_nd(&r, 0, ADVERT, OURS6, PEER6, OURS6, &rig_peer);
	assert_int_equal(flags_of(&r, 0), SOLICITED | OVERRIDE);
	solicit(&r, PEER6_LL, OURS6_LL, &rig_peer);
	assert_nd(&r, 1, ADVERT, OURS6_LL, PEER6_LL, OURS6_LL, &rig_peer);
	assert_int_equal(counter(&r, neigh_learnt), 2);
	/* Spoken to at once, and asked whether it is really there. */
	assert_int_equal(send_to(&r, PEER6), 0);
	assert_nd(&r, 2, SOLICIT, OURS6, PEER6, PEER6, &rig_peer);
	assert_tcp_to(&r, 3, &rig_peer);
	/* For others: no answer, and nothing learnt. */
	solicit(&r, rig6_addr("fd77::5"), rig6_addr("fd77::100:1"), &other);
	assert_int_equal(r.nb_sent, 4);
	assert_int_equal(counter(&r, neigh_learnt), 2);
	rig_down(&r);
}

static void
test_solicitation_to_us_alone_needs_no_option(void **state)
{
	struct rig r;
	struct frame f;

	(void)state;
	rig6_default(&r);
	frame_nd(&f, PEER6, OURS6, SOLICIT, 0, OURS6, 0, NULL);
	assert_null(rig_in(&r, 0, &f));
	assert_nd(&r, 0, ADVERT, OURS6, PEER6, OURS6, &rig_peer);
	assert_int_equal(counter(&r, neigh_learnt), 0);
	rig_down(&r);
}

static void
test_off_link_sender_is_not_learnt(void **state)
{
	struct rig r;

	(void)state;
	rig6_default(&r);
	solicit(&r, rig6_addr("2001:db8::5"), OURS6, &rig_peer);
	advertise(&r, rig6_addr("2001:db8::5"), SOLICITED | OVERRIDE, &rig_peer);
	assert_int_equal(counter(&r, neigh_learnt), 0);
	assert_int_equal(r.nb_learnt, 0);
	rig_down(&r);
}

static void
test_answer_to_no_question_is_hearsay(void **state)
{
	struct rig r;

	(void)state;
	rig6_default(&r);
	/* Of one that is not known: nothing is learnt here, but another instance may have asked. */
	advertise(&r, PEER6, SOLICITED | OVERRIDE, &other);
	assert_int_equal(counter(&r, neigh_learnt), 0);
	assert_int_equal(r.nb_learnt, 1);
	advertise(&r, PEER6, OVERRIDE, &other);
	assert_int_equal(r.nb_learnt, 1);
	/* Of one that is: used, and asked there. */
	rig6_know(&r, 0, PEER6, &rig_peer);
	advertise(&r, PEER6, SOLICITED | OVERRIDE, &other);
	assert_int_equal(send_to(&r, PEER6), 0);
	assert_int_equal(r.nb_sent, 2);
	assert_nd(&r, 0, SOLICIT, OURS6, PEER6, PEER6, &other);
	assert_tcp_to(&r, 1, &other);
	rig_down(&r);
}

static void
test_answers_to_no_question_are_told_seldom(void **state)
{
	struct pw_addr stranger = rig6_addr("fd77::a:0");
	struct rig r;

	(void)state;
	rig6_default(&r);
	rig6_know(&r, 0, PEER6, &rig_peer);
	r.nb_learnt = 0;
	/* The same of one that is known: another instance asks at most once a second. */
	rig_wait(&r, 1 * SEC);
	for (uint32_t i = 0; i < 100; i++)
		advertise(&r, PEER6, SOLICITED | OVERRIDE, &rig_peer);
	assert_int_equal(r.nb_learnt, 1);
	rig_wait(&r, 1 * SEC);
	advertise(&r, PEER6, SOLICITED | OVERRIDE, &rig_peer);
	assert_int_equal(r.nb_learnt, 2);
	/* Something new at once. */
	advertise(&r, PEER6, SOLICITED | OVERRIDE, &other);
	assert_int_equal(r.nb_learnt, 3);
	/* Of those that are not known, so many in all. */
	for (uint32_t i = 0; i < 3000; i++) {
		stranger.b[14] = i >> 8;
		stranger.b[15] = i & 0xff;
		advertise(&r, stranger, SOLICITED | OVERRIDE, &other);
	}
	assert_int_equal(r.nb_learnt, 3 + 1000);
	assert_int_equal(counter(&r, neigh_untold), 2000);
	rig_wait(&r, 500 * MS);
	for (uint32_t i = 0; i < 1000; i++)
		advertise(&r, stranger, SOLICITED | OVERRIDE, &other);
	assert_int_equal(r.nb_learnt, 3 + 1500);
	rig_down(&r);
}

/* RFC 4861 7.2.5: who does not claim to override is not believed over what is known. */
static void
test_without_override_only_doubt_is_raised(void **state)
{
	struct rig r;

	(void)state;
	rig6_default(&r);
	rig6_know(&r, 0, PEER6, &rig_peer);
	advertise(&r, PEER6, SOLICITED, &other);
	assert_int_equal(send_to(&r, PEER6), 0);
	assert_nd(&r, 0, SOLICIT, OURS6, PEER6, PEER6, &rig_peer);
	assert_tcp_to(&r, 1, &rig_peer);
	/* Of a stale one, and one that is asked, not even that. */
	advertise(&r, PEER6, SOLICITED, &other);
	assert_int_equal(send_to(&r, PEER6), 0);
	assert_tcp_to(&r, 2, &rig_peer);
	/* One that is not known yet takes what it gets. */
	assert_int_equal(send_to(&r, rig6_addr("fd77::9")), 0);
	advertise(&r, rig6_addr("fd77::9"), SOLICITED, &other);
	assert_tcp_to(&r, 4, &other);
	rig_down(&r);
}

static void
test_flood_of_askers_never_displaces_the_gateway(void **state)
{
	static const struct rte_ether_addr router = {{2, 0, 0, 0, 0, 0xfe}};
	struct pw_addr far = rig6_addr("2001:db8::7"), peer = PEER6;
	struct rig r;

	(void)state;
	rig6_default(&r);
	rig6_know(&r, 1, r.conf.iface[1].gateway6, &router);
	rig_wait(&r, 61 * SEC); /* stale, and the oldest that is */
	for (uint32_t i = 0; i < 40; i++) {
		peer.b[14] = i;
		solicit(&r, peer, OURS6, &rig_peer);
	}
	for (uint32_t i = 0; i < 40; i++) {
		peer.b[14] = 100 + i;
		(void)send_to(&r, peer);
	}
	assert_int_equal(counter(&r, nd_adverts_out), 40); /* answered, known or not */
	rig_forget_sent(&r);
	assert_int_equal(send_to(&r, far), 0);
	assert_tcp_to(&r, 1, &router);
	rig_down(&r);
}

static void
test_gateway_may_be_link_local(void **state)
{
	struct pw_addr far = rig6_addr("2001:db8::7"), ours = OURS6_1;
	struct pw_wire_path path;
	struct rig r;

	(void)state;
	rig6_plan(&r);
	r.conf.iface[1].gateway6 = rig6_addr("fe80::fe");
	rig_up(&r);
	assert_int_equal(pw_wire_path(r.w, &far, &path), 0);
	assert_int_equal(path.iface, 1);
	assert_true(pw_addr_eq(&path.source, &ours));
	assert_int_equal(send_to(&r, far), 0);
	assert_nd(&r, 0, SOLICIT, rig6_addr("fe80::ff:fe00:2"), rig6_addr("ff02::1:ff00:fe"),
		  rig6_addr("fe80::fe"), &(struct rte_ether_addr){{0x33, 0x33, 0xff, 0, 0, 0xfe}});
	rig_down(&r);
}

static void
test_malformed_messages_are_counted_and_change_nothing(void **state)
{
	struct rig r;
	struct frame f;
	uint64_t n = 0;

	(void)state;
	rig6_default(&r);
#define INVALID()                                                                                  \
	do {                                                                                       \
		frame_sum6(&f);                                                                    \
		assert_null(rig_in(&r, 0, &f));                                                    \
		assert_int_equal(counter(&r, nd_invalid), ++n);                                    \
	} while (0)
	for (uint8_t type = SOLICIT; type <= ADVERT; type++) {
		struct pw_addr about = type == SOLICIT ? OURS6 : PEER6;
		uint32_t flags = type == SOLICIT ? 0 : SOLICITED;

		frame_nd(&f, PEER6, OURS6, type, flags, about, type - SOLICIT + 1, &rig_peer);
		f.b[f.l3 + 7] = 254; /* crossed a router */
		INVALID();
		frame_nd(&f, PEER6, OURS6, type, flags, about, type - SOLICIT + 1, &rig_peer);
		f.b[f.l4 + 1] = 1;
		INVALID();
		frame_nd(&f, PEER6, OURS6, type, flags, ALL6, type - SOLICIT + 1, &rig_peer);
		INVALID();
		frame_nd(&f, PEER6, OURS6, type, flags, rig6_addr("::ffff:10.77.0.1"),
			 type - SOLICIT + 1, &rig_peer);
		INVALID();
		frame_nd(&f, PEER6, OURS6, type, flags, about, type - SOLICIT + 1, &rig_peer);
		f.b[f.l4 + 25] = 0; /* an option of no length */
		INVALID();
		f.b[f.l4 + 25] = 2; /* and one beyond the packet */
		INVALID();
		frame_nd(&f, PEER6, OURS6, type, flags, about, type - SOLICIT + 1, &rig_everybody);
		INVALID();
		for (uint32_t len = 8; len < 32; len++) {
			if (len == 24)
				continue;
			frame_nd(&f, PEER6, OURS6, type, flags, about, type - SOLICIT + 1,
				 &rig_peer);
			f.len = f.l4 + len;
			put16(&f, f.l3 + 4, len);
			INVALID();
		}
	}
	/* From nobody: to a group of those who are asked, and without an option. */
	frame_nd(&f, NONE6, GROUP_OF_OURS, SOLICIT, 0, OURS6, SOURCE, &rig_peer);
	INVALID();
	frame_nd(&f, NONE6, ALL6, SOLICIT, 0, OURS6, 0, NULL);
	INVALID();
	frame_nd(&f, NONE6, OURS6, SOLICIT, 0, OURS6, 0, NULL);
	INVALID();
	frame_nd(&f, NONE6, OURS6, ADVERT, 0, PEER6, TARGET, &rig_peer);
	INVALID();
	/* What all get can't be an answer to one. */
	frame_nd(&f, PEER6, ALL6, ADVERT, SOLICITED, PEER6, TARGET, &rig_peer);
	INVALID();
	frame_nd(&f, PEER6, OURS6, ADVERT, SOLICITED, PEER6, TARGET, &rig_peer);
	f.b[f.l4 + 9] ^= 1;
	assert_dropped(&r, 0, &f, drop_l4_cksum);
	assert_int_equal(r.nb_sent, 0);
	assert_int_equal(r.nb_learnt, 0);
	assert_int_equal(counter(&r, neigh_learnt), 0);
	rig_down(&r);
}

static void
test_unknown_options_are_passed_over(void **state)
{
	uint8_t body[48] = {[16] = 14, 1, [24] = SOURCE, 1, 2, 0, 0, 0, 0, 0x77, [32] = 25, 2};
	struct pw_addr ours = OURS6;
	struct rig r;
	struct frame f;

	(void)state;
	rig6_default(&r);
	memcpy(body, &ours, 16);
	for (uint32_t seg = 0; seg <= 80; seg += 27) {
		frame_icmp6(&f, PEER6, GROUP_OF_OURS, 255, SOLICIT, 0, 0, body, sizeof(body));
		assert_null(rig_in_mbuf(&r, 0, rig_mbuf(&r, &f, seg)));
	}
	assert_int_equal(counter(&r, nd_adverts_out), 3);
	assert_nd(&r, 0, ADVERT, OURS6, PEER6, OURS6, &rig_peer);
	assert_int_equal(counter(&r, neigh_learnt), 1);
	rig_down(&r);
}

static void
test_routers_and_redirects_are_not_obeyed(void **state)
{
	static const uint8_t types[] = {133, 134, 137};
	struct rig r;
	struct frame f;

	(void)state;
	rig6_default(&r);
	for (uint32_t i = 0; i < RTE_DIM(types); i++) {
		frame_icmp6(&f, PEER6_LL, ALL6, 255, types[i], 0, 0x40000708, "12345678", 8);
		assert_null(rig_in(&r, 0, &f));
	}
	assert_int_equal(counter(&r, nd_router_ignored), 3);
	assert_int_equal(r.nb_sent, 0);
	rig_down(&r);
}

static void
test_who_had_the_address_first_keeps_it(void **state)
{
	struct rig r;
	uint32_t sent;

	(void)state;
	rig6_default(&r);
	pw_wire_announce(r.w, r.now);
	rig_forget_sent(&r);
	advertise(&r, OURS6, OVERRIDE, &other);
	assert_int_equal(counter(&r, nd_conflicts), 1);
	solicit(&r, PEER6, OURS6, &rig_peer);
	solicit(&r, NONE6, OURS6, NULL);
	assert_int_equal(r.nb_sent, 0);
	solicit(&r, PEER6, OURS6_LL, &rig_peer); /* the other one is ours */
	assert_int_equal(r.nb_sent, 1);
	rig_wait(&r, 3 * SEC);
	sent = r.nb_sent;
	for (uint32_t i = 0; i < sent; i++) {
		struct frame f;

		rig_sent(&r, i, &f);
		if (get16(&f, 12) == 0x86dd && f.b[f.l3 + 40] == ADVERT)
			assert_false(r.sent_iface[i] == 0 && f.b[f.l4 + 8] == 0xfd);
	}
	/* Asked for again when the link comes back, it may be free. */
	pw_wire_announce(r.w, r.now);
	rig_wait(&r, 3 * SEC);
	rig_forget_sent(&r);
	solicit(&r, PEER6, OURS6, &rig_peer);
	assert_int_equal(r.nb_sent, 1);
	rig_down(&r);
}

static void
test_two_that_ask_at_once_both_lose(void **state)
{
	struct rig r;

	(void)state;
	rig6_default(&r);
	pw_wire_announce(r.w, r.now);
	rig_forget_sent(&r);
	solicit(&r, NONE6, OURS6, NULL);
	assert_int_equal(counter(&r, nd_conflicts), 1);
	solicit(&r, PEER6, OURS6, &rig_peer);
	assert_int_equal(r.nb_sent, 0);
	rig_down(&r);
}

static void
test_late_comer_is_told_and_defended_against_seldom(void **state)
{
	const struct rte_ether_addr all = {{0x33, 0x33, 0, 0, 0, 1}};
	struct rig r;

	(void)state;
	rig6_default(&r);
	/* Who asks before taking it gets its answer. */
	solicit(&r, NONE6, OURS6, NULL);
	assert_int_equal(r.nb_sent, 1);
	assert_nd(&r, 0, ADVERT, OURS6, ALL6, OURS6, &all);
	assert_int_equal(counter(&r, nd_conflicts), 0);
	/* Who took it is told once, and again after ten seconds. */
	advertise(&r, OURS6, OVERRIDE, &other);
	assert_int_equal(r.nb_sent, 2);
	assert_nd(&r, 1, ADVERT, OURS6, ALL6, OURS6, &all);
	advertise(&r, OURS6, OVERRIDE, &other);
	solicit(&r, OURS6, rig6_addr("fd77::100:1"), &other);
	assert_int_equal(counter(&r, nd_conflicts), 3);
	assert_int_equal(r.nb_sent, 2);
	rig_wait(&r, 10 * SEC);
	advertise(&r, OURS6, OVERRIDE, &other);
	assert_int_equal(r.nb_sent, 3);
	assert_int_equal(counter(&r, neigh_learnt), 0);
	rig_down(&r);
}

/* The kernel's end of a TAP has the port's Ethernet address, and so its link-local one. */
static void
test_our_ethernet_address_is_no_conflict(void **state)
{
	struct rig r;
	struct frame f;

	(void)state;
	rig6_default(&r);
	pw_wire_announce(r.w, r.now);
	rig_forget_sent(&r);
	/* Our own frames, come back; or its own detection of duplicates. */
	frame_nd(&f, NONE6, GROUP_OF_OURS, SOLICIT, 0, OURS6_LL, 0, NULL);
	memcpy(f.b + 6, &rig_mac[0], 6);
	assert_null(rig_in(&r, 0, &f));
	frame_nd(&f, OURS6, ALL6, ADVERT, OVERRIDE, OURS6, TARGET, &rig_mac[0]);
	memcpy(f.b + 6, &rig_mac[0], 6);
	assert_null(rig_in(&r, 0, &f));
	assert_int_equal(counter(&r, nd_conflicts), 0);
	assert_int_equal(r.nb_sent, 0);
	/* It asks whether we are there. */
	frame_nd(&f, OURS6_LL, OURS6, SOLICIT, 0, OURS6, SOURCE, &rig_mac[0]);
	memcpy(f.b + 6, &rig_mac[0], 6);
	assert_null(rig_in(&r, 0, &f));
	assert_nd(&r, 0, ADVERT, OURS6, OURS6_LL, OURS6, &rig_mac[0]);
	assert_int_equal(counter(&r, neigh_learnt), 0);
	/* And is spoken to. */
	frame_nd(&f, PEER6, GROUP_OF_OURS, SOLICIT, 0, OURS6, SOURCE, &rig_mac[0]);
	memcpy(f.b + 6, &rig_mac[0], 6);
	assert_null(rig_in(&r, 0, &f));
	assert_nd(&r, 1, ADVERT, OURS6, PEER6, OURS6, &rig_mac[0]);
	assert_int_equal(send_to(&r, PEER6), 0);
	assert_tcp_to(&r, 3, &rig_mac[0]);
	assert_int_equal(counter(&r, nd_conflicts), 0);
	rig_down(&r);
}

static void
test_no_buffer_for_a_question(void **state)
{
	struct rte_mbuf *all[2 * 255], *m;
	struct rig r;
	uint32_t n = 0;

	(void)state;
	rig6_default(&r);
	m = rig_segment(&r, NULL, 0);
	while ((all[n] = rte_pktmbuf_alloc(r.mem.hdr)) != NULL)
		n++;
	while (n < RTE_DIM(all) && (all[n] = rte_pktmbuf_alloc(r.mem.pkt)) != NULL)
		n++;
	assert_int_equal(rig6_send(&r, PEER6, m), 0); /* held: asked again in a second */
	assert_int_equal(counter(&r, drop_no_buffer), 1);
	rte_pktmbuf_free_bulk(all, n);
	rig_wait(&r, 1 * SEC);
	assert_int_equal(r.nb_sent, 1);
	rig_down(&r);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_frame_waits_for_the_answer),
		cmocka_unit_test(test_silence_is_asked_three_times_a_second_apart),
		cmocka_unit_test(test_stale_neighbour_is_asked_at_its_address),
		cmocka_unit_test(test_solicitation_is_answered_and_teaches),
		cmocka_unit_test(test_solicitation_to_us_alone_needs_no_option),
		cmocka_unit_test(test_off_link_sender_is_not_learnt),
		cmocka_unit_test(test_answer_to_no_question_is_hearsay),
		cmocka_unit_test(test_answers_to_no_question_are_told_seldom),
		cmocka_unit_test(test_without_override_only_doubt_is_raised),
		cmocka_unit_test(test_flood_of_askers_never_displaces_the_gateway),
		cmocka_unit_test(test_gateway_may_be_link_local),
		cmocka_unit_test(test_malformed_messages_are_counted_and_change_nothing),
		cmocka_unit_test(test_unknown_options_are_passed_over),
		cmocka_unit_test(test_routers_and_redirects_are_not_obeyed),
		cmocka_unit_test(test_who_had_the_address_first_keeps_it),
		cmocka_unit_test(test_two_that_ask_at_once_both_lose),
		cmocka_unit_test(test_late_comer_is_told_and_defended_against_seldom),
		cmocka_unit_test(test_our_ethernet_address_is_no_conflict),
		cmocka_unit_test(test_no_buffer_for_a_question),
	};

	test_eal_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
