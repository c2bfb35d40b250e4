/* SPDX-License-Identifier: BSD-3-Clause */
/* Duplicate addresses: what is said while others may object, and what becomes of an address that
 * turns out to be somebody else's. */
#include <errno.h>
#include <string.h>

#include "eal.h"
#include "rig6.h"

#define SECOND6	     (rig6_addr("fd77::5")) /* of ours, in the same network */
#define GROUP_OF_2ND (rig6_addr("ff02::1:ff00:5"))

static const struct rte_ether_addr other = {{2, 0, 0, 0, 0, 0x99}};

/* Somebody advertises an address that we have just announced. */
static void
object(struct rig *r, struct pw_addr ours)
{
	struct frame f;

	frame_nd(&f, ours, ALL6, ADVERT, OVERRIDE, ours, TARGET, &other);
	assert_null(rig_in(r, 0, &f));
}

/* Interface 0, announced a while ago, with SECOND6 where two; lost are these of its addresses. */
static void
up(struct rig *r, bool two, const struct pw_addr *lost, uint32_t n)
{
	rig6_plan(r);
	if (two) {
		r->conf.iface[0].addr[2] = (struct pw_wire_addr){SECOND6, 64};
		r->conf.iface[0].nb_addrs = 3;
	}
	rig_up(r);
	pw_wire_announce(r->w, r->now);
	for (uint32_t i = 0; i < n; i++)
		object(r, lost[i]);
	rig_wait(r, 5 * SEC);
	rig_forget_sent(r);
	assert_int_equal(counter(r, nd_conflicts), n);
}

static void
solicit(struct rig *r, struct pw_addr src, struct pw_addr dst, struct pw_addr target)
{
	struct frame f;

	frame_nd(&f, src, dst, SOLICIT, 0, target, SOURCE, &rig_peer);
	assert_null(rig_in(r, 0, &f));
}

static void
test_lost_address_is_not_ours(void **state)
{
	struct pw_addr ours = OURS6, peer = PEER6;
	struct pw_wire_path path;
	struct rig r;
	struct frame f;

	(void)state;
	up(&r, false, &ours, 1);
	assert_false(pw_wire_is_local(r.w, &ours));
	assert_int_equal(pw_wire_path(r.w, &peer, &path), -EHOSTUNREACH);
	/* A connection that was begun with it ends. */
	assert_int_equal(rig6_send(&r, peer, rig_segment(&r, NULL, 0)), -EHOSTUNREACH);
	assert_int_equal(counter(&r, drop_no_route), 1);
	frame_tcp6(&f, 10);
	assert_dropped(&r, 0, &f, drop_ip_dst);
	frame_icmp6(&f, PEER6, OURS6, 64, 128, 0, 0, "ping", 4);
	assert_dropped(&r, 0, &f, drop_ip_dst);
	solicit(&r, PEER6, GROUP_OF_OURS, OURS6);
	assert_int_equal(r.nb_sent, 0);
	assert_int_equal(counter(&r, neigh_learnt), 0);
	/* The other address of the interface is. */
	solicit(&r, PEER6_LL, GROUP_OF_OURS, OURS6_LL);
	assert_nd(&r, 0, ADVERT, OURS6_LL, PEER6_LL, OURS6_LL, &rig_peer);
	rig_down(&r);
}

static void
test_another_address_of_the_network_takes_the_place_of_a_lost_one(void **state)
{
	struct pw_addr ours = OURS6, second = SECOND6, peer = PEER6;
	struct pw_flow flow = {.local = second, .remote = peer, .lport = 1883, .rport = 49153};
	struct pw_wire_path path;
	struct rig r;

	(void)state;
	up(&r, true, &ours, 1);
	assert_int_equal(pw_wire_path(r.w, &peer, &path), 0);
	assert_true(pw_addr_eq(&path.source, &second));
	/* No question names the lost one: that would turn the neighbour's packets for it to us. */
	assert_int_equal(pw_wire_send_tcp(r.w, &flow, rig_segment(&r, NULL, 0), 0, r.now), 0);
	assert_int_equal(r.nb_sent, 1);
	assert_nd(&r, 0, SOLICIT, SECOND6, rig6_addr("ff02::1:ff00:2"), PEER6,
		  &(struct rte_ether_addr){{0x33, 0x33, 0xff, 0, 0, 2}});
	rig_down(&r);
}

static void
test_owner_of_a_lost_address_is_a_neighbour(void **state)
{
	struct pw_addr ours = OURS6;
	struct pw_flow flow = {.local = SECOND6, .remote = OURS6, .lport = 1883, .rport = 49153};
	struct rig r;
	struct frame f;

	(void)state;
	up(&r, true, &ours, 1);
	frame_nd(&f, OURS6, GROUP_OF_2ND, SOLICIT, 0, SECOND6, SOURCE, &other);
	assert_null(rig_in(&r, 0, &f));
	assert_nd(&r, 0, ADVERT, SECOND6, OURS6, SECOND6, &other);
	assert_int_equal(counter(&r, nd_conflicts), 1);
	assert_int_equal(pw_wire_send_tcp(r.w, &flow, rig_segment(&r, NULL, 0), 0, r.now), 0);
	rig_sent(&r, r.nb_sent - 1, &f);
	assert_memory_equal(f.b, &other, 6);
	rig_down(&r);
}

static void
query(struct rig *r)
{
	static const uint8_t rest[20];
	struct frame f;

	frame_icmp6(&f, PEER6_LL, ALL6, 1, 130, 0, 0, rest, 20);
	frame_ip6_insert(&f, 0, "\x00\x00\x05\x02\x00\x00\x01\x00", 8);
	assert_null(rig_in(r, 0, &f));
	rig_wait(r, 100 * MS);
}

static void
test_group_of_a_lost_address_is_left(void **state)
{
	struct pw_addr second = SECOND6;
	struct rig r;
	struct frame f;

	(void)state;
	up(&r, true, &second, 1);
	query(&r);
	assert_int_equal(r.nb_sent, 1);
	rig_sent(&r, 0, &f);
	assert_int_equal(frame_type6(&f), 143);
	assert_addr(&f, f.l3 + 8, OURS6_LL);
	assert_int_equal(get16(&f, f.l4 + 6), 1);
	assert_addr(&f, f.l4 + 12, GROUP_OF_OURS);
	frame_nd(&f, PEER6, GROUP_OF_2ND, SOLICIT, 0, SECOND6, SOURCE, &rig_peer);
	assert_dropped(&r, 0, &f, drop_ip_dst);
	rig_down(&r);
}

static void
test_lost_link_local_address_is_not_spoken_from(void **state)
{
	struct pw_addr lost[] = {OURS6_LL};
	struct rig r;
	struct frame f;

	(void)state;
	up(&r, false, lost, 1);
	query(&r);
	assert_int_equal(r.nb_sent, 1);
	rig_sent(&r, 0, &f);
	assert_int_equal(frame_type6(&f), 143);
	assert_addr(&f, f.l3 + 8, NONE6); /* RFC 3590 4 */
	/* Asked by a neighbour's link-local address, a global one of ours answers. */
	rig_forget_sent(&r);
	frame_icmp6(&f, PEER6_LL, ALL6, 64, 128, 0, 0, "ping", 4);
	assert_null(rig_in(&r, 0, &f));
	assert_nd(&r, 0, SOLICIT, OURS6, rig6_addr("ff02::1:ff00:77"), PEER6_LL,
		  &(struct rte_ether_addr){{0x33, 0x33, 0xff, 0, 0, 0x77}});
	rig_down(&r);
}

static void
test_without_any_address_nothing_is_said(void **state)
{
	struct pw_addr lost[] = {OURS6, OURS6_LL};
	struct rig r;
	struct frame f;

	(void)state;
	up(&r, false, lost, 2);
	frame_icmp6(&f, PEER6, ALL6, 64, 128, 0, 0, "ping", 4);
	assert_null(rig_in(&r, 0, &f));
	assert_int_equal(r.nb_sent, 0);
	query(&r);
	assert_int_equal(r.nb_sent, 0);
	rig_down(&r);
}

static void
test_next_announcement_asks_for_a_lost_address_again(void **state)
{
	struct pw_addr ours = OURS6;
	struct rig r;

	(void)state;
	up(&r, false, &ours, 1);
	pw_wire_announce(r.w, r.now);
	rig_wait(&r, 5 * SEC);
	rig_forget_sent(&r);
	assert_true(pw_wire_is_local(r.w, &ours));
	solicit(&r, PEER6, GROUP_OF_OURS, OURS6);
	assert_nd(&r, 0, ADVERT, OURS6, PEER6, OURS6, &rig_peer);
	rig_down(&r);
}

/* RFC 4429 3.2, 3.3: what others know of an address is left alone as long as it may be theirs. */
static void
test_while_others_may_object_nothing_is_overridden(void **state)
{
	struct rig r;
	struct frame f;

	(void)state;
	rig6_default(&r);
	pw_wire_announce(r.w, r.now);
	rig_forget_sent(&r);
	solicit(&r, PEER6, GROUP_OF_OURS, OURS6);
	assert_nd(&r, 0, ADVERT, OURS6, PEER6, OURS6, &rig_peer);
	rig_sent(&r, 0, &f);
	assert_int_equal(get32(&f, f.l3 + 44), SOLICITED);
	assert_int_equal(rig6_send(&r, rig6_addr("fd77::9"), rig_segment(&r, NULL, 0)), 0);
	rig_sent(&r, 1, &f);
	assert_true(frame_sum6_right(&f));
	assert_int_equal(frame_type6(&f), SOLICIT);
	assert_addr(&f, f.l3 + 8, OURS6);
	assert_int_equal(f.len, f.l4 + 24); /* without our Ethernet address */
	rig_wait(&r, 1 * SEC);
	rig_forget_sent(&r);
	solicit(&r, PEER6, GROUP_OF_OURS, OURS6);
	rig_sent(&r, 0, &f);
	assert_int_equal(get32(&f, f.l3 + 44), SOLICITED | OVERRIDE);
	rig_down(&r);
}

static void
test_standing_is_passed_on(void **state)
{
	struct pw_addr ours = OURS6;
	struct rig a, b;
	struct frame f;

	(void)state;
	rig6_default(&a);
	rig6_default(&b);
	assert_int_equal(pw_wire_standing(a.w, 0), pw_wire_standing(b.w, 0));
	pw_wire_announce(a.w, a.now);
	pw_wire_set_standing(b.w, 0, pw_wire_standing(a.w, 0));
	assert_int_equal(rig6_send(&b, PEER6, rig_segment(&b, NULL, 0)), 0);
	rig_sent(&b, 0, &f);
	assert_int_equal(f.len, f.l3 + 40 + 24); /* tentative there, too */
	object(&a, OURS6);
	rig_wait(&a, 5 * SEC);
	pw_wire_set_standing(b.w, 0, pw_wire_standing(a.w, 0));
	assert_false(pw_wire_is_local(b.w, &ours));
	assert_int_equal(rig6_send(&b, PEER6, rig_segment(&b, NULL, 0)), -EHOSTUNREACH);
	pw_wire_announce(a.w, a.now);
	pw_wire_set_standing(b.w, 0, pw_wire_standing(a.w, 0));
	assert_true(pw_wire_is_local(b.w, &ours));
	rig_down(&a);
	rig_down(&b);
}

static uint32_t
take_all(struct rte_mempool *pool, struct rte_mbuf **m, uint32_t max)
{
	uint32_t n = 0;

	while (n < max && (m[n] = rte_pktmbuf_alloc(pool)) != NULL)
		n++;
	assert_true(n < max);
	return n;
}

/* Nobody can object to what was not asked. */
static void
test_question_that_found_no_buffer_is_asked_again(void **state)
{
	static struct rte_mbuf *hdr[16384], *pkt[16384];
	uint32_t nb_hdr, nb_pkt;
	struct pw_addr ours = OURS6;
	struct rig r;

	(void)state;
	rig6_plan(&r);
	rig_up(&r);
	nb_hdr = take_all(r.mem.hdr, hdr, RTE_DIM(hdr));
	nb_pkt = take_all(r.mem.pkt, pkt, RTE_DIM(pkt));
	pw_wire_announce(r.w, r.now);
	assert_int_equal(r.nb_sent, 0);
	rte_pktmbuf_free_bulk(hdr, nb_hdr);
	rte_pktmbuf_free_bulk(pkt, nb_pkt);
	rig_wait(&r, 1500 * SEC / 1000);
	rig_forget_sent(&r);
	object(&r, OURS6);
	rig_wait(&r, 5 * SEC);
	assert_false(pw_wire_is_local(r.w, &ours));
	rig_down(&r);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lost_address_is_not_ours),
		cmocka_unit_test(test_another_address_of_the_network_takes_the_place_of_a_lost_one),
		cmocka_unit_test(test_owner_of_a_lost_address_is_a_neighbour),
		cmocka_unit_test(test_group_of_a_lost_address_is_left),
		cmocka_unit_test(test_lost_link_local_address_is_not_spoken_from),
		cmocka_unit_test(test_without_any_address_nothing_is_said),
		cmocka_unit_test(test_next_announcement_asks_for_a_lost_address_again),
		cmocka_unit_test(test_while_others_may_object_nothing_is_overridden),
		cmocka_unit_test(test_standing_is_passed_on),
		cmocka_unit_test(test_question_that_found_no_buffer_is_asked_again),
	};

	test_eal_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
