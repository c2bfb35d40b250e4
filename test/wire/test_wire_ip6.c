/* SPDX-License-Identifier: BSD-3-Clause */
/* IPv6 in and out: what TCP gets, what it sends, and every reason for which a packet is dropped. */
#include <errno.h>
#include <string.h>

#include <rte_errno.h>

#include "eal.h"
#include "rig6.h"

static void
test_tcp_is_handed_on_as_it_came(void **state)
{
	struct rig r;
	struct frame f, got;

	(void)state;
	rig6_default(&r);
	for (uint32_t payload = 0; payload <= 1440; payload += 1 + payload / 2) {
		for (uint32_t seg = 0; seg <= 100; seg += 50) {
			struct rte_mbuf *m;

			frame_tcp6(&f, payload);
			m = rig_in_mbuf(&r, 0, rig_mbuf(&r, &f, seg));
			assert_non_null(m);
			assert_int_equal(m->l2_len, 14);
			assert_int_equal(m->l3_len, 40);
			assert_true(m->data_len >= RTE_MIN(74u, m->pkt_len));
			frame_of(m, &got);
			assert_int_equal(got.len, f.len);
			assert_memory_equal(got.b, f.b, f.len);
			rte_pktmbuf_free(m);
		}
	}
	assert_int_equal(rig_drops(&r), 0);
	rig_down(&r);
}

static void
test_padding_is_trimmed(void **state)
{
	struct rte_mbuf *m;
	struct rig r;
	struct frame f;

	(void)state;
	rig6_default(&r);
	frame_tcp6(&f, 3);
	memset(f.b + f.len, 0xee, 9);
	f.len += 9;
	m = rig_in_mbuf(&r, 0, rig_mbuf(&r, &f, 80));
	assert_non_null(m);
	assert_int_equal(m->pkt_len, 14 + 40 + 20 + 3);
	rte_pktmbuf_free(m);
	rig_down(&r);
}

static void
test_every_truncation_is_dropped(void **state)
{
	static const uint8_t hop[8] = {0, 0, 5, 2, 0, 0, 1, 0};
	struct rig r;
	struct frame whole;

	(void)state;
	rig6_default(&r);
	frame_tcp6(&whole, 0);
	frame_ip6_insert(&whole, 60, hop, 8);
	for (uint32_t lie = 0; lie < 2; lie++) {
		for (uint32_t len = 1; len < whole.len; len++) {
			struct frame f = whole;
			uint64_t drops = rig_drops(&r);

			f.len = len;
			if (lie && len >= 54) /* a header that says so is right as far as it goes */
				put16(&f, f.l3 + 4, len - 54);
			assert_null(rig_in(&r, 0, &f));
			assert_int_equal(rig_drops(&r), drops + 1);
		}
	}
	assert_int_equal(r.nb_sent, 0);
	rig_down(&r);
}

static void
test_bad_headers_are_dropped(void **state)
{
	struct rig r;
	struct frame f;

	(void)state;
	rig6_default(&r);
	frame_tcp6(&f, 1);
	f.b[f.l3] = 0x40;
	assert_dropped(&r, 0, &f, drop_ip_header);
	frame_tcp6(&f, 1);
	put16(&f, f.l3 + 4, 22);
	assert_dropped(&r, 0, &f, drop_ip_header);
	frame_tcp6(&f, 1);
	f.b[f.len - 1] ^= 1;
	assert_dropped(&r, 0, &f, drop_l4_cksum);
	frame_tcp6(&f, 1);
	put16(&f, f.l3 + 4, 19);
	assert_dropped(&r, 0, &f, drop_runt);
	frame_ip6(&f, PEER6, OURS6, 59, 64, "", 0);
	assert_dropped(&r, 0, &f, drop_proto);
	assert_int_equal(r.nb_sent, 0);
	rig_down(&r);
}

static void
test_destinations_that_are_not_ours(void **state)
{
	static const char *const other[] = {
		"fd77::3",	    /* a neighbour */
		"fd78::1",	    /* ours, elsewhere: the strong model */
		"::ffff:10.77.0.1", /* ours, in a shape that is for no wire */
		"::1",
		"::",
		"ff02::2",
		"ff02::1:ff00:3",
		"ff05::1",
	};
	struct rig r;
	struct frame f;

	(void)state;
	rig6_default(&r);
	for (uint32_t i = 0; i < RTE_DIM(other); i++) {
		frame_tcp6_between(&f, PEER6, rig6_addr(other[i]), 0);
		assert_dropped(&r, 0, &f, drop_ip_dst);
	}
	/* TCP is for one: not for our groups either, nor for a group of stations. */
	frame_tcp6_between(&f, PEER6, ALL6, 0);
	assert_dropped(&r, 0, &f, drop_ip_dst);
	frame_tcp6_between(&f, PEER6, rig6_addr("ff02::1:ff00:1"), 0);
	assert_dropped(&r, 0, &f, drop_ip_dst);
	frame_tcp6(&f, 0);
	memcpy(f.b, "\x33\x33\x00\x00\x00\x01", 6);
	assert_dropped(&r, 0, &f, drop_ip_dst);
	rig_down(&r);
}

static void
test_sources_that_cannot_be_answered(void **state)
{
	static const char *const other[] = {
		"ff02::1", "::1", "::", "::ffff:10.77.0.2", "fd77::1", "fd78::1"};
	struct rig r;
	struct frame f;

	(void)state;
	rig6_default(&r);
	for (uint32_t i = 0; i < RTE_DIM(other); i++) {
		frame_tcp6_between(&f, rig6_addr(other[i]), OURS6, 0);
		assert_dropped(&r, 0, &f, drop_ip_src);
	}
	frame_tcp6_between(&f, PEER6_LL, OURS6_LL, 0);
	assert_dropped(&r, 0, &f, drop_ip_scope);
	frame_tcp6_between(&f, PEER6_LL, OURS6, 0);
	assert_dropped(&r, 0, &f, drop_ip_scope);
	frame_tcp6_between(&f, PEER6, OURS6_LL, 0);
	assert_dropped(&r, 0, &f, drop_ip_scope);
	rig_down(&r);
}

static void
test_an_interface_without_ipv6_does_not_speak_it(void **state)
{
	struct rig r;
	struct frame f;

	(void)state;
	rig_default(&r);
	frame_tcp6(&f, 0);
	assert_dropped(&r, 0, &f, drop_ethertype);
	frame_icmp6(&f, PEER6, ALL6, 64, 128, 0, 1, "abc", 3);
	assert_dropped(&r, 0, &f, drop_ethertype);
	rig_down(&r);
}

/* Offloads: a port's word counts where it is to be believed. */
static void
test_checksum_is_believed_where_the_port_can_be(void **state)
{
	struct rte_mbuf *m;
	struct rig r;
	struct frame f;

	(void)state;
	for (uint32_t believed = 0; believed < 2; believed++) {
		rig6_plan(&r);
		if (believed)
			r.port[0].caps |= PW_PORT_RX_CKSUM;
		rig_up(&r);
		frame_tcp6(&f, 1);
		f.b[f.l4 + 16] ^= 1;
		m = rig_mbuf(&r, &f, 0);
		m->ol_flags |= RTE_MBUF_F_RX_L4_CKSUM_GOOD;
		m = rig_in_mbuf(&r, 0, m);
		assert_int_equal(m != NULL, believed);
		rte_pktmbuf_free(m);
		rig_down(&r);
	}
}

static void
test_segment_out_is_whole(void **state)
{
	static const uint32_t pieces[] = {1, 400, 33, 700};
	struct rig r;
	struct frame f;

	(void)state;
	rig6_default(&r);
	rig6_know(&r, 0, PEER6, &rig_peer);
	assert_int_equal(rig6_send(&r, PEER6, rig_segment(&r, pieces, 4)), 0);
	rig_sent(&r, 0, &f);
	assert_int_equal(f.len, 14 + 40 + 20 + 1134);
	assert_memory_equal(f.b, &rig_peer, 6);
	assert_memory_equal(f.b + 6, &rig_mac[0], 6);
	assert_int_equal(get16(&f, 12), 0x86dd);
	assert_int_equal(get32(&f, 14), 0x60000000);
	assert_int_equal(f.b[20], 6);
	assert_int_equal(f.b[21], 64);
	assert_addr(&f, 22, OURS6);
	assert_addr(&f, 38, PEER6);
	assert_true(frame_sum6_right(&f));
	rig_down(&r);
}

static void
test_checksum_is_left_to_a_port_that_does_it(void **state)
{
	static const uint32_t pieces[] = {5};
	struct rig r;
	struct frame f;
	uint16_t phdr;

	(void)state;
	rig6_plan(&r);
	r.port[0].caps |= PW_PORT_TX_TCP_CKSUM | PW_PORT_TX_IP_CKSUM;
	rig_up(&r);
	rig6_know(&r, 0, PEER6, &rig_peer);
	assert_int_equal(rig6_send(&r, PEER6, rig_segment(&r, pieces, 1)), 0);
	assert_true(r.sent[0]->ol_flags & RTE_MBUF_F_TX_IPV6);
	assert_false(r.sent[0]->ol_flags & (RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IP_CKSUM));
	assert_int_equal(r.sent[0]->ol_flags & RTE_MBUF_F_TX_L4_MASK, RTE_MBUF_F_TX_TCP_CKSUM);
	assert_int_equal(r.sent[0]->l2_len, 14);
	assert_int_equal(r.sent[0]->l3_len, 40);
	assert_int_equal(r.sent[0]->l4_len, 20);
	rig_sent(&r, 0, &f);
	phdr = sum_fold(sum_add(6 + 25, f.b + 22, 32, false));
	assert_int_equal(get16(&f, 54 + 16), phdr);
	rig_down(&r);
}

static void
test_packet_to_be_cut_asks_for_it(void **state)
{
	static const uint32_t pieces[] = {1500, 1500, 1500};
	struct rte_mbuf *m;
	struct rig r;
	struct frame f;

	(void)state;
	rig6_plan(&r);
	r.port[0].caps |= PW_PORT_TX_TCP_CKSUM | PW_PORT_TX_IP_CKSUM | PW_PORT_TX_TSO;
	rig_up(&r);
	rig6_know(&r, 0, PEER6, &rig_peer);
	m = rig_segment(&r, pieces, 3);
	m->tso_segsz = 1440;
	assert_int_equal(rig6_send(&r, PEER6, m), 0);
	assert_int_equal(r.sent[0]->ol_flags,
			 RTE_MBUF_F_TX_IPV6 | RTE_MBUF_F_TX_TCP_CKSUM | RTE_MBUF_F_TX_TCP_SEG);
	rig_sent(&r, 0, &f);
	assert_int_equal(get16(&f, 54 + 16), sum_fold(sum_add(6, f.b + 22, 32, false)));
	m = rig_segment(&r, pieces, 3);
	m->tso_segsz = 1441;
	assert_int_equal(rig6_send(&r, PEER6, m), -EMSGSIZE);
	rig_down(&r);
}

static void
test_ways_out(void **state)
{
	struct pw_wire_path path;
	struct pw_addr near = PEER6, far = rig6_addr("2001:db8::7");
	struct pw_addr ours[] = {OURS6, OURS6_1};
	struct rig r;
	struct frame f;

	(void)state;
	rig6_default(&r);
	assert_int_equal(pw_wire_path(r.w, &near, &path), 0);
	assert_int_equal(path.iface, 0);
	assert_true(pw_addr_eq(&path.source, &ours[0]));
	assert_int_equal(pw_wire_path(r.w, &far, &path), 0);
	assert_int_equal(path.iface, 1);
	assert_int_equal(path.mtu, 1500);
	assert_true(pw_addr_eq(&path.source, &ours[1]));
	/* The gateway is asked for, and gets the packet. */
	assert_int_equal(rig6_send(&r, far, rig_segment(&r, NULL, 0)), 0);
	rig_sent(&r, 0, &f);
	assert_int_equal(frame_type6(&f), 135);
	assert_addr(&f, f.l4 + 8, rig6_addr("fd78::fe"));
	assert_int_equal(r.sent_iface[0], 1);
	rig_down(&r);
}

static void
test_no_way_out(void **state)
{
	static const char *const nowhere[] = {
		"ff02::1", "::1", "::", "fd77::1", "fd78::1", "fe80::ff:fe00:77"};
	struct pw_wire_path path;
	struct rig r;

	(void)state;
	rig6_default(&r);
	for (uint32_t i = 0; i < RTE_DIM(nowhere); i++) {
		struct pw_addr dst = rig6_addr(nowhere[i]);

		assert_int_equal(pw_wire_path(r.w, &dst, &path), -EHOSTUNREACH);
		assert_int_equal(rig6_send(&r, dst, rig_segment(&r, NULL, 0)), -EHOSTUNREACH);
	}
	/* A flow of both families is none. */
	assert_int_equal(
		rig6_send(&r, pw_addr_v4(rte_cpu_to_be_32(PEER)), rig_segment(&r, NULL, 0)),
		-EHOSTUNREACH);
	assert_int_equal(counter(&r, drop_no_route), RTE_DIM(nowhere) + 1);
	assert_int_equal(r.nb_sent, 0);
	rig_down(&r);
}

/* What is beyond the link could not answer it. */
static void
test_no_way_beyond_the_link_from_a_link_local_address(void **state)
{
	struct pw_addr far = rig6_addr("2001:db8::7");
	struct pw_wire_path path;
	struct rig r;

	(void)state;
	rig6_plan(&r);
	r.conf.iface[1].addr[1] = (struct pw_wire_addr){rig6_addr("fe80::5"), 64};
	r.conf.iface[1].gateway6 = rig6_addr("fe80::fe");
	rig_up(&r);
	assert_int_equal(pw_wire_path(r.w, &far, &path), -EHOSTUNREACH);
	rig_down(&r);
}

static void
test_what_does_not_fit_is_refused(void **state)
{
	static const uint32_t pieces[] = {1000, 441};
	struct rig r;

	(void)state;
	rig6_default(&r);
	assert_int_equal(rig6_send(&r, PEER6, rig_segment(&r, pieces, 2)), -EMSGSIZE);
	assert_int_equal(counter(&r, drop_oversize), 1);
	rig_down(&r);
}

static void
test_configurations_that_cannot_work(void **state)
{
	static const char *const bad[] = {"ff02::1", "::", "::1"};
	struct rig r;

	(void)state;
	rig6_plan(&r);
	for (uint32_t i = 0; i < RTE_DIM(bad); i++) {
		r.conf.iface[0].addr[1].addr = rig6_addr(bad[i]);
		assert_null(pw_wire_create(&r.conf));
		assert_int_equal(rte_errno, EINVAL);
	}
	r.conf.iface[0].addr[1].addr = OURS6;
	r.conf.iface[1].gateway = rig6_addr("fd78::fe");
	assert_null(pw_wire_create(&r.conf));
	r.conf.iface[1].gateway = NONE6;
	r.port[0].mtu = 1279; /* RFC 8200 5 */
	assert_null(pw_wire_create(&r.conf));
	assert_int_equal(rte_errno, EMSGSIZE);
	r.port[0].mtu = 1280;
	rig_up(&r);
	rig_down(&r);
}

/* One destination options header whose body is these bytes, a multiple of 8 less 2. */
static void
with_options(struct frame *f, uint8_t proto, const void *body, uint32_t len)
{
	uint8_t ext[256] = {0, (len + 2) / 8 - 1};

	assert_int_equal((len + 2) % 8, 0);
	memcpy(ext + 2, body, len);
	frame_tcp6(f, 4);
	frame_ip6_insert(f, proto, ext, len + 2);
}

static void
test_headers_that_may_be_skipped_are(void **state)
{
	struct rte_mbuf *m;
	struct rig r;
	struct frame f;

	(void)state;
	rig6_default(&r);
	for (uint32_t seg = 0; seg <= 60; seg += 60) {
		with_options(&f, 60, "\x00\x00\x00\x01\x01\x07", 6);
		frame_ip6_insert(&f, 43, "\x00\x00\x04\x00\x00\x00\x00\x00", 8);
		frame_ip6_insert(&f, 60, "\x00\x00\x1e\x04xxxx", 8); /* unknown, to be skipped */
		frame_ip6_insert(&f, 0, "\x00\x00\x05\x02\x00\x00\x01\x00", 8);
		m = rig_in_mbuf(&r, 0, rig_mbuf(&r, &f, seg));
		assert_non_null(m);
		assert_int_equal(m->l3_len, 40 + 32);
		assert_true(m->data_len >= 14 + 72 + 20);
		rte_pktmbuf_free(m);
	}
	assert_int_equal(r.nb_sent, 0);
	assert_int_equal(rig_drops(&r), 0);
	rig_down(&r);
}

/* The frame is dropped as a bad extension header; told: code and pointer of the answer, or none. */
static void
assert_refused(struct rig *r, const struct frame *f, int code, uint32_t pointer)
{
	uint32_t sent = r->nb_sent;
	struct frame out;

	assert_dropped(r, 0, f, drop_ip_ext);
	assert_int_equal(r->nb_sent, sent + (code >= 0));
	if (code < 0)
		return;
	rig_sent(r, sent, &out);
	assert_true(frame_sum6_right(&out));
	assert_int_equal(frame_type6(&out), 4);
	assert_int_equal(out.b[out.l4 + 1], code);
	assert_int_equal(get32(&out, out.l4 + 4), pointer);
	assert_memory_equal(out.b + out.l4 + 8, f->b + 14, f->len - 14);
}

static void
test_headers_that_may_not_be_skipped_are_told_of(void **state)
{
	struct rig r;
	struct frame f;

	(void)state;
	rig6_default(&r);
	rig6_know(&r, 0, PEER6, &rig_peer);
	with_options(&f, 60, "\x41\x04xxxx", 6);
	assert_refused(&r, &f, -1, 0);
	with_options(&f, 60, "\x01\x00\x81\x02xx", 6);
	assert_refused(&r, &f, 2, 44);
	with_options(&f, 0, "\xc2\x04\x00\x02\x00\x00", 6); /* a jumbogram (RFC 2675) */
	assert_refused(&r, &f, 2, 42);
	/* Routing on to others, of any type; RFC 5095. */
	frame_tcp6(&f, 0);
	frame_ip6_insert(&f, 43, "\x00\x00\x00\x01\x00\x00\x00\x00", 8);
	assert_refused(&r, &f, 0, 42);
	/* Hop-by-hop options anywhere but in front. */
	with_options(&f, 0, "\x01\x04xxxx", 6);
	frame_ip6_insert(&f, 60, "\x00\x00\x01\x04\x00\x00\x00\x00", 8);
	assert_refused(&r, &f, 1, 40);
	rig_down(&r);
}

static void
test_malformed_extension_headers(void **state)
{
	struct rig r;
	struct frame f;

	(void)state;
	rig6_default(&r);
	with_options(&f, 60, "\x01\x05xxxx", 6); /* beyond its header */
	assert_refused(&r, &f, -1, 0);
	with_options(&f, 60, "\x00\x00\x00\x00\x00\x01", 6); /* no room for a length */
	assert_refused(&r, &f, -1, 0);
	with_options(&f, 60, "\x01\x04xxxx", 6);
	f.b[f.l3 + 41] = 9; /* beyond the packet */
	assert_refused(&r, &f, -1, 0);
	frame_ip6(&f, PEER6, OURS6, 60, 64, "\x06\x00\x01", 3);
	assert_refused(&r, &f, -1, 0);
	frame_ip6(&f, PEER6, OURS6, 44, 64, "\x06\x00\x00\x01\x00\x00\x00", 7);
	assert_refused(&r, &f, -1, 0);
	rig_down(&r);
}

static void
test_chains_of_headers_have_an_end(void **state)
{
	uint8_t filler[256] = {0, 31, 1, 252};
	struct rte_mbuf *m;
	struct rig r;
	struct frame f;

	(void)state;
	rig6_default(&r);
	rig6_know(&r, 0, PEER6, &rig_peer);
	frame_tcp6(&f, 0);
	frame_ip6_insert(&f, 60, filler, 256);
	m = rig_in(&r, 0, &f);
	assert_non_null(m);
	assert_int_equal(m->l3_len, 296);
	rte_pktmbuf_free(m);
	frame_ip6_insert(&f, 60, "\x00\x00\x01\x04\x00\x00\x00\x00", 8);
	assert_refused(&r, &f, 6, 48);
	rig_down(&r);
}

static void
test_unknown_protocols_are_told_of(void **state)
{
	struct rig r;
	struct frame f, out;

	(void)state;
	rig6_default(&r);
	rig6_know(&r, 0, PEER6, &rig_peer);
	frame_ip6(&f, PEER6, OURS6, 132, 64, "abcdefgh", 8);
	frame_ip6_insert(&f, 60, "\x00\x00\x01\x04\x00\x00\x00\x00", 8);
	assert_dropped(&r, 0, &f, drop_proto);
	rig_sent(&r, 0, &out);
	assert_int_equal(frame_type6(&out), 4);
	assert_int_equal(out.b[out.l4 + 1], 1);
	assert_int_equal(get32(&out, out.l4 + 4), 40);
	frame_ip6(&f, PEER6, OURS6, 17, 64, "abcdefgh", 8);
	assert_dropped(&r, 0, &f, drop_proto);
	rig_sent(&r, 1, &out);
	assert_int_equal(frame_type6(&out), 1);
	assert_int_equal(out.b[out.l4 + 1], 4);
	rig_down(&r);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tcp_is_handed_on_as_it_came),
		cmocka_unit_test(test_padding_is_trimmed),
		cmocka_unit_test(test_every_truncation_is_dropped),
		cmocka_unit_test(test_bad_headers_are_dropped),
		cmocka_unit_test(test_destinations_that_are_not_ours),
		cmocka_unit_test(test_sources_that_cannot_be_answered),
		cmocka_unit_test(test_an_interface_without_ipv6_does_not_speak_it),
		cmocka_unit_test(test_checksum_is_believed_where_the_port_can_be),
		cmocka_unit_test(test_segment_out_is_whole),
		cmocka_unit_test(test_checksum_is_left_to_a_port_that_does_it),
		cmocka_unit_test(test_packet_to_be_cut_asks_for_it),
		cmocka_unit_test(test_ways_out),
		cmocka_unit_test(test_no_way_out),
		cmocka_unit_test(test_no_way_beyond_the_link_from_a_link_local_address),
		cmocka_unit_test(test_what_does_not_fit_is_refused),
		cmocka_unit_test(test_configurations_that_cannot_work),
		cmocka_unit_test(test_headers_that_may_be_skipped_are),
		cmocka_unit_test(test_headers_that_may_not_be_skipped_are_told_of),
		cmocka_unit_test(test_malformed_extension_headers),
		cmocka_unit_test(test_chains_of_headers_have_an_end),
		cmocka_unit_test(test_unknown_protocols_are_told_of),
	};

	test_eal_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
