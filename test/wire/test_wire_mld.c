/* SPDX-License-Identifier: BSD-3-Clause */
/* What an interface says unasked of its IPv6 addresses, and to who asks for listeners. */
#include "eal.h"
#include "rig6.h"

static uint32_t
flags_of(const struct rig *r, uint32_t i)
{
	struct frame f;

	rig_sent(r, i, &f);
	return get32(&f, f.l3 + 44);
}

/* Sent frame i: a report of version 2 with these records. */
static void
assert_report(struct rig *r, uint32_t i, uint8_t record, struct pw_addr src)
{
	struct frame f;

	rig_sent(r, i, &f);
	assert_memory_equal(f.b, "\x33\x33\x00\x00\x00\x16", 6);
	assert_true(frame_sum6_right(&f));
	assert_int_equal(frame_type6(&f), 143);
	assert_memory_equal(f.b + f.l3 + 40, "\x3a\x00\x05\x02\x00\x00\x01\x00", 8);
	assert_int_equal(f.b[f.l3 + 7], 1);
	assert_addr(&f, f.l3 + 8, src);
	assert_addr(&f, f.l3 + 24, rig6_addr("ff02::16"));
	/* fd77::1 and fe80::ff:fe00:1 are asked for in one group. */
	assert_int_equal(get16(&f, f.l4 + 6), 1);
	assert_int_equal(get32(&f, f.l4 + 8), (uint32_t)record << 24);
	assert_addr(&f, f.l4 + 12, GROUP_OF_OURS);
	assert_int_equal(f.len, f.l4 + 28);
}

static void
test_announcement_joins_asks_and_tells(void **state)
{
	const struct rte_ether_addr group = {{0x33, 0x33, 0xff, 0, 0, 1}};
	const struct rte_ether_addr all = {{0x33, 0x33, 0, 0, 0, 1}};
	struct rig r;

	(void)state;
	rig6_plan(&r);
	r.conf.nb_ifaces = 1;
	rig_up(&r);
	pw_wire_announce(r.w, r.now);
	assert_int_equal(r.nb_sent, 4); /* the first is ARP's */
	assert_report(&r, 1, 4, NONE6);
	assert_nd(&r, 2, SOLICIT, NONE6, GROUP_OF_OURS, OURS6, &group);
	assert_nd(&r, 3, SOLICIT, NONE6, GROUP_OF_OURS, OURS6_LL, &group);
	rig_wait(&r, 900 * MS);
	assert_int_equal(r.nb_sent, 4);
	rig_wait(&r, 100 * MS);
	assert_int_equal(r.nb_sent, 7);
	assert_report(&r, 4, 4, OURS6_LL);
	assert_nd(&r, 5, ADVERT, OURS6, ALL6, OURS6, &all);
	assert_nd(&r, 6, ADVERT, OURS6_LL, ALL6, OURS6_LL, &all);
	assert_int_equal(flags_of(&r, 5), OVERRIDE);
	rig_wait(&r, 10 * SEC);
	assert_int_equal(r.nb_sent, 10); /* each once more, and ARP's second */
	rig_down(&r);
}

/* A query of version 1 (24 bytes) or 2 (28), with or without its router alert. */
static void
query(struct rig *r, struct pw_addr src, uint8_t hop_limit, uint16_t delay, uint32_t len,
      bool alert)
{
	static const uint8_t rest[20];
	struct frame f;

	frame_icmp6(&f, src, ALL6, hop_limit, 130, 0, (uint32_t)delay << 16, rest, len - 8);
	if (alert)
		frame_ip6_insert(&f, 0, "\x00\x00\x05\x02\x00\x00\x01\x00", 8);
	assert_null(rig_in(r, 0, &f));
}

static void
test_queries_are_answered_in_time_and_in_their_version(void **state)
{
	struct rig r;
	struct frame f;

	(void)state;
	rig6_default(&r);
	query(&r, PEER6_LL, 1, 1000, 28, true);
	query(&r, PEER6_LL, 1, 1000, 28, true); /* one answer for both */
	assert_int_equal(r.nb_sent, 0);
	rig_wait(&r, 1000 * MS);
	assert_int_equal(r.nb_sent, 1);
	assert_report(&r, 0, 2, OURS6_LL);
	query(&r, PEER6_LL, 1, 1000, 24, true);
	rig_wait(&r, 1000 * MS);
	assert_int_equal(r.nb_sent, 2);
	rig_sent(&r, 1, &f);
	assert_true(frame_sum6_right(&f));
	assert_int_equal(frame_type6(&f), 131);
	assert_addr(&f, f.l3 + 24, GROUP_OF_OURS);
	assert_addr(&f, f.l4 + 8, GROUP_OF_OURS);
	assert_memory_equal(f.b, "\x33\x33\xff\x00\x00\x01", 6);
	assert_int_equal(counter(&r, mld_queries_in), 3);
	assert_int_equal(counter(&r, mld_reports_out), 2);
	rig_down(&r);
}

/* Delays are floats from 0x8000 on, and are cut to ten seconds; answers spread over all of them. */
static void
test_answers_to_queries_are_spread_over_their_time(void **state)
{
	/* 10 s; floats: the shortest (32,768 ms), one of 131,072 ms, the longest. */
	static const uint16_t code[] = {10000, 0x8000, 0xa000, 0xffff};
	uint32_t late = 0;
	struct rig r;

	(void)state;
	rig6_default(&r);
	for (uint32_t i = 1; i <= 40; i++) {
		query(&r, PEER6_LL, 1, code[i % RTE_DIM(code)], 28, true);
		rig_wait(&r, 5 * SEC);
		late += r.nb_sent < i;
		rig_wait(&r, 5 * SEC);
		assert_int_equal(r.nb_sent, i);
		r.now += 12345;
	}
	assert_in_range(late, 10, 30);
	/* No time at all: at once. */
	query(&r, PEER6_LL, 1, 0, 28, true);
	pw_wire_advance(r.w, r.now);
	assert_int_equal(r.nb_sent, 41);
	rig_down(&r);
}

static void
test_queries_of_no_router_are_ignored(void **state)
{
	struct rig r;

	(void)state;
	rig6_default(&r);
	query(&r, PEER6, 1, 0, 28, true);
	query(&r, PEER6_LL, 2, 0, 28, true);
	query(&r, PEER6_LL, 1, 0, 28, false);
	query(&r, PEER6_LL, 1, 0, 26, true);
	query(&r, PEER6_LL, 1, 0, 12, true);
	rig_wait(&r, 1 * SEC);
	assert_int_equal(counter(&r, icmp_ignored), 5);
	assert_int_equal(r.nb_sent, 0);
	rig_down(&r);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_announcement_joins_asks_and_tells),
		cmocka_unit_test(test_queries_are_answered_in_time_and_in_their_version),
		cmocka_unit_test(test_answers_to_queries_are_spread_over_their_time),
		cmocka_unit_test(test_queries_of_no_router_are_ignored),
	};

	test_eal_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
