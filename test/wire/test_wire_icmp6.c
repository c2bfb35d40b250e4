/* SPDX-License-Identifier: BSD-3-Clause */
/* ICMPv6: echo, errors in and out, the rate limits that it shares with ICMP. */
#include <string.h>

#include "eal.h"
#include "rig6.h"

#define TCP_SEQ 0x01020304

static void
test_echo_is_answered_byte_for_byte(void **state)
{
	static uint8_t body[1400];
	struct rig r;
	struct frame f, out;

	(void)state;
	rig6_default(&r);
	rig6_know(&r, 0, PEER6, &rig_peer);
	for (uint32_t i = 0; i < sizeof(body); i++)
		body[i] = i * 7;
	for (uint32_t len = 0; len <= sizeof(body); len += 1 + len / 3) {
		frame_icmp6(&f, PEER6, OURS6, 63, 128, 0, 0xcafe0001, body, len);
		assert_null(rig_in_mbuf(&r, 0, rig_mbuf(&r, &f, len > 700 ? 301 : 0)));
		rig_sent(&r, r.nb_sent - 1, &out);
		assert_int_equal(out.len, f.len);
		assert_memory_equal(out.b, &rig_peer, 6);
		assert_addr(&out, out.l3 + 8, OURS6);
		assert_addr(&out, out.l3 + 24, PEER6);
		assert_true(frame_sum6_right(&out));
		assert_int_equal(frame_type6(&out), 129);
		assert_int_equal(out.b[out.l3 + 7], 64);
		assert_memory_equal(out.b + out.l4 + 4, f.b + f.l4 + 4, 4 + len);
	}
	assert_int_equal(counter(&r, icmp_echo_in), r.nb_sent);
	assert_int_equal(rig_drops(&r), 0);
	rig_down(&r);
}

static void
test_echo_to_a_group_is_answered_by_one(void **state)
{
	struct rig r;
	struct frame f, out;

	(void)state;
	rig6_default(&r);
	rig6_know(&r, 0, PEER6, &rig_peer);
	frame_icmp6(&f, PEER6, ALL6, 64, 128, 0, 1, "abc", 3);
	assert_null(rig_in(&r, 0, &f));
	rig_sent(&r, 0, &out);
	assert_addr(&out, out.l3 + 8, OURS6);
	assert_true(frame_sum6_right(&out));
	rig_down(&r);
}

/* The way back is the interface that the question came through: here it is asked for the asker. */
static void
test_echo_between_link_local_addresses(void **state)
{
	struct pw_addr ours1 = rig6_addr("fe80::ff:fe00:2");
	struct rig r;
	struct frame f, out;

	(void)state;
	rig6_default(&r);
	frame_icmp6(&f, PEER6_LL, ours1, 64, 128, 0, 1, "abc", 3);
	memcpy(f.b, &rig_mac[1], 6);
	assert_null(rig_in(&r, 1, &f));
	assert_int_equal(r.nb_sent, 1);
	assert_int_equal(r.sent_iface[0], 1);
	rig_sent(&r, 0, &out);
	assert_int_equal(frame_type6(&out), 135);
	assert_addr(&out, out.l3 + 8, ours1);
	frame_nd(&f, PEER6_LL, ours1, 136, 0x60000000, PEER6_LL, 2, &rig_peer);
	memcpy(f.b, &rig_mac[1], 6);
	assert_null(rig_in(&r, 1, &f));
	rig_sent(&r, 1, &out);
	assert_true(frame_sum6_right(&out));
	assert_int_equal(frame_type6(&out), 129);
	assert_addr(&out, out.l3 + 24, PEER6_LL);
	assert_int_equal(r.sent_iface[1], 1);
	rig_down(&r);
}

static void
test_echo_with_extension_headers_and_padding(void **state)
{
	struct rig r;
	struct frame f, out;

	(void)state;
	rig6_default(&r);
	rig6_know(&r, 0, PEER6, &rig_peer);
	frame_icmp6(&f, PEER6, OURS6, 63, 128, 0, 1, "abc", 3);
	frame_ip6_insert(&f, 60, "\x00\x00\x01\x04\x00\x00\x00\x00", 8);
	memset(f.b + f.len, 0xee, 20);
	f.len += 20;
	assert_null(rig_in(&r, 0, &f));
	rig_sent(&r, 0, &out);
	assert_int_equal(out.len, 14 + 40 + 11);
	assert_true(frame_sum6_right(&out));
	rig_down(&r);
}

static void
test_wrong_or_short_messages_are_dropped(void **state)
{
	struct rig r;
	struct frame f;

	(void)state;
	rig6_default(&r);
	frame_icmp6(&f, PEER6, OURS6, 63, 128, 0, 1, "abc", 3);
	f.b[f.l4 + 9] ^= 4;
	assert_dropped(&r, 0, &f, drop_l4_cksum);
	/* The pseudo-header is under the sum: a changed address shows. */
	frame_icmp6(&f, PEER6, OURS6, 63, 128, 0, 1, "abc", 3);
	f.b[f.l3 + 23] ^= 4;
	assert_dropped(&r, 0, &f, drop_l4_cksum);
	for (uint32_t len = 0; len < 8; len++) {
		frame_ip6(&f, PEER6, OURS6, 58, 64, "\x80\x00\x00\x00\x00\x00\x00", len);
		assert_dropped(&r, 0, &f, drop_runt);
	}
	frame_icmp6(&f, NONE6, OURS6, 63, 128, 0, 1, "abc", 3);
	assert_dropped(&r, 0, &f, drop_ip_src);
	frame_icmp6(&f, OURS6_1, OURS6, 63, 128, 0, 1, "abc", 3);
	assert_dropped(&r, 0, &f, drop_ip_src);
	frame_icmp6(&f, PEER6, OURS6, 63, 129, 0, 1, "abc", 3); /* a reply that nobody wants */
	assert_null(rig_in(&r, 0, &f));
	frame_icmp6(&f, PEER6, OURS6, 63, 200, 0, 1, "abc", 3);
	assert_null(rig_in(&r, 0, &f));
	assert_int_equal(counter(&r, icmp_ignored), 2);
	assert_int_equal(r.nb_sent, 0);
	rig_down(&r);
}

static void
test_echoes_share_their_limit_with_those_of_ipv4(void **state)
{
	struct rig r;
	struct frame f;

	(void)state;
	rig6_default(&r);
	rig6_know(&r, 0, PEER6, &rig_peer);
	rig_know(&r, 0, PEER, &rig_peer);
	for (uint32_t i = 0; i < 1200; i++) {
		if (i & 1)
			frame_icmp(&f, 8, 0, 1, "abc", 3);
		else
			frame_icmp6(&f, PEER6, OURS6, 63, 128, 0, 1, "abc", 3);
		assert_null(rig_in(&r, 0, &f));
		rig_forget_sent(&r);
	}
	assert_int_equal(counter(&r, icmp_echo_in), 1000);
	assert_int_equal(counter(&r, icmp_limited), 200);
	rig_down(&r);
}

/* The quoted start of a TCP segment that we sent to PEER6. */
static void
quote(struct frame *q, uint8_t proto)
{
	static const uint8_t th[8] = {1883 >> 8, 1883 & 0xff, 0xc0, 0x01, 1, 2, 3, 4};

	frame_ip6(q, OURS6, PEER6, proto, 63, th, sizeof(th));
	memmove(q->b, q->b + q->l3, q->len - q->l3);
	q->len -= q->l3;
	q->l3 = 0;
}

static void
error_about(struct rig *r, const struct frame *q, uint8_t type, uint8_t code, uint32_t rest)
{
	struct frame f;

	frame_icmp6(&f, rig6_addr("2001:db8::ffff"), OURS6, 63, type, code, rest, q->b, q->len);
	assert_null(rig_in(r, 0, &f));
}

static void
test_packet_too_big_reaches_the_hook(void **state)
{
	struct pw_addr ours = OURS6, peer = PEER6;
	struct rig r;
	struct frame q;

	(void)state;
	rig6_default(&r);
	quote(&q, 6);
	error_about(&r, &q, 2, 0, 1400);
	assert_int_equal(r.nb_icmp, 1);
	assert_true(pw_addr_eq(&r.icmp_flow.local, &ours));
	assert_true(pw_addr_eq(&r.icmp_flow.remote, &peer));
	assert_int_equal(r.icmp_flow.lport, 1883);
	assert_int_equal(r.icmp_flow.rport, 49153);
	assert_int_equal(r.icmp_seq, TCP_SEQ);
	assert_int_equal(r.icmp_mtu, 1400);
	error_about(&r, &q, 2, 0, 1280);
	assert_int_equal(r.icmp_mtu, 1280);
	/* Wider than what a word of 16 bits can say: it must not come out small. */
	error_about(&r, &q, 2, 0, 0x10000 + 1300);
	assert_int_equal(r.icmp_mtu, 65535);
	assert_int_equal(counter(&r, icmp_errors_in), 3);
	/* RFC 8201 4: less than every link carries is no honest answer. */
	error_about(&r, &q, 2, 0, 1279);
	error_about(&r, &q, 2, 0, 0);
	assert_int_equal(r.nb_icmp, 3);
	assert_int_equal(counter(&r, icmp_ignored), 2);
	rig_down(&r);
}

static void
test_unreachable_reaches_the_hook(void **state)
{
	struct rig r;
	struct frame q;

	(void)state;
	rig6_default(&r);
	quote(&q, 6);
	for (uint8_t code = 0; code <= 6; code++) {
		error_about(&r, &q, 1, code, 0);
		assert_int_equal(r.nb_icmp, code + 1);
		assert_int_equal(r.icmp_code, code);
		assert_int_equal(r.icmp_mtu, 0);
	}
	/* Others are known about, and change nothing; so are those about what is not TCP. */
	error_about(&r, &q, 3, 0, 0);
	error_about(&r, &q, 4, 1, 40);
	quote(&q, 17);
	error_about(&r, &q, 1, 4, 0);
	assert_int_equal(r.nb_icmp, 7);
	assert_int_equal(counter(&r, icmp_errors_in), 10);
	rig_down(&r);
}

static void
test_errors_about_nothing_of_ours_are_ignored(void **state)
{
	struct pw_addr foreign = rig6_addr("fd77::9");
	struct rig r;
	struct frame q;
	uint32_t n = 0;

	(void)state;
	rig6_default(&r);
	for (uint32_t len = 0; len < 48; len++, n++) {
		quote(&q, 6);
		q.len = len;
		error_about(&r, &q, 2, 0, 1400);
	}
	quote(&q, 6);
	memcpy(q.b + 8, &foreign, 16);
	error_about(&r, &q, 2, 0, 1400);
	quote(&q, 6);
	q.b[0] = 0x45;
	error_about(&r, &q, 2, 0, 1400);
	/* IPv4 in the shape that it has inside: a forger's. */
	quote(&q, 6);
	memset(q.b + 8, 0, 10);
	memcpy(q.b + 18, "\xff\xff\x0a\x4d\x00\x01", 6);
	error_about(&r, &q, 2, 0, 1400);
	assert_int_equal(r.nb_icmp, 0);
	assert_int_equal(counter(&r, icmp_errors_in), 0);
	assert_int_equal(counter(&r, icmp_ignored), n + 3);
	rig_down(&r);
}

static void
test_error_out_quotes_its_cause(void **state)
{
	struct rte_mbuf *m;
	struct rig r;
	struct frame f, out;

	(void)state;
	rig6_default(&r);
	rig6_know(&r, 0, PEER6, &rig_peer);
	for (uint32_t payload = 0; payload < 1400; payload += 333) {
		uint32_t quoted;

		frame_tcp6(&f, payload);
		m = rig_in_mbuf(&r, 0, rig_mbuf(&r, &f, payload > 400 ? 150 : 0));
		assert_non_null(m);
		pw_wire_icmp_error(r.w, 0, m, 1, 1, r.now);
		rte_pktmbuf_free(m);
		rig_sent(&r, r.nb_sent - 1, &out);
		quoted = RTE_MIN(60 + payload, 1232u);
		assert_int_equal(out.len, 14 + 48 + quoted);
		assert_true(frame_sum6_right(&out));
		assert_int_equal(frame_type6(&out), 1);
		assert_int_equal(out.b[out.l4 + 1], 1);
		assert_memory_equal(out.b + out.l4 + 8, f.b + f.l3, quoted);
	}
	assert_int_equal(counter(&r, icmp_errors_out), 5);
	rig_down(&r);
}

/* Give a frame in that is worth an error (of an unknown protocol); true where one went out. */
static bool
answered(struct rig *r, const struct frame *f)
{
	uint32_t sent = r->nb_sent;

	assert_null(rig_in(r, 0, f));
	return r->nb_sent > sent;
}

/* The same by an option that has to be told of even to a group's sender. */
static void
bad_option(struct frame *f, struct pw_addr src, struct pw_addr dst, uint8_t option, uint8_t type)
{
	uint8_t ext[8] = {0, 0, option, 4};

	frame_icmp6(f, src, dst, 64, type, 0, 0, "abcdefgh", 8);
	frame_ip6_insert(f, 60, ext, 8);
}

static void
test_no_error_about_what_must_not_be_answered(void **state)
{
	struct rig r;
	struct frame f;

	(void)state;
	rig6_default(&r);
	rig6_know(&r, 0, PEER6, &rig_peer);
	bad_option(&f, PEER6, OURS6, 0xc1, 128);
	assert_true(answered(&r, &f));
	for (uint32_t type = 0; type < 128; type += 17) { /* errors */
		bad_option(&f, PEER6, OURS6, 0xc1, type);
		assert_false(answered(&r, &f));
	}
	bad_option(&f, PEER6, OURS6, 0xc1, 137); /* a redirect */
	assert_false(answered(&r, &f));
	bad_option(&f, NONE6, OURS6, 0xc1, 128);
	assert_false(answered(&r, &f));
	bad_option(&f, OURS6, OURS6, 0xc1, 128);
	assert_false(answered(&r, &f));
	/* Groups: the one exception of RFC 4443 2.4 (e.3) that a host meets. */
	bad_option(&f, PEER6, ALL6, 0xc1, 128);
	assert_false(answered(&r, &f));
	bad_option(&f, PEER6, ALL6, 0x81, 128);
	assert_true(answered(&r, &f));
	frame_ip6(&f, PEER6, ALL6, 132, 64, "abcdefgh", 8);
	assert_false(answered(&r, &f));
	frame_ip6(&f, PEER6, ALL6, 17, 64, "abcdefgh", 8);
	assert_false(answered(&r, &f));
	assert_int_equal(counter(&r, icmp_errors_out), 2);
	rig_down(&r);
}

static void
test_errors_are_limited(void **state)
{
	struct rig r;
	struct frame f;

	(void)state;
	rig6_default(&r);
	rig6_know(&r, 0, PEER6, &rig_peer);
	frame_ip6(&f, PEER6, OURS6, 132, 64, "abcdefgh", 8);
	for (uint32_t i = 0; i < 150; i++)
		(void)answered(&r, &f);
	assert_int_equal(counter(&r, icmp_errors_out), 100);
	assert_int_equal(counter(&r, icmp_limited), 50);
	rig_down(&r);
}

static void
test_no_buffer_for_an_error(void **state)
{
	struct rte_mbuf *all[255], *m;
	struct rig r;
	struct frame f;
	uint32_t n = 0;

	(void)state;
	rig6_default(&r);
	frame_tcp6(&f, 0);
	m = rig_in(&r, 0, &f);
	while ((all[n] = rte_pktmbuf_alloc(r.mem.pkt)) != NULL)
		n++;
	pw_wire_icmp_error(r.w, 0, m, 1, 4, r.now);
	assert_int_equal(counter(&r, drop_no_buffer), 1);
	rte_pktmbuf_free(m);
	rte_pktmbuf_free_bulk(all, n);
	rig_down(&r);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_echo_is_answered_byte_for_byte),
		cmocka_unit_test(test_echo_to_a_group_is_answered_by_one),
		cmocka_unit_test(test_echo_between_link_local_addresses),
		cmocka_unit_test(test_echo_with_extension_headers_and_padding),
		cmocka_unit_test(test_wrong_or_short_messages_are_dropped),
		cmocka_unit_test(test_echoes_share_their_limit_with_those_of_ipv4),
		cmocka_unit_test(test_packet_too_big_reaches_the_hook),
		cmocka_unit_test(test_unreachable_reaches_the_hook),
		cmocka_unit_test(test_errors_about_nothing_of_ours_are_ignored),
		cmocka_unit_test(test_error_out_quotes_its_cause),
		cmocka_unit_test(test_no_error_about_what_must_not_be_answered),
		cmocka_unit_test(test_errors_are_limited),
		cmocka_unit_test(test_no_buffer_for_an_error),
	};

	test_eal_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
