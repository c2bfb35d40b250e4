/* SPDX-License-Identifier: BSD-3-Clause */
/* ICMP: echo, errors in and out, the rate limits. */
#include <string.h>

#include "eal.h"
#include "rig.h"

#define TCP_SEQ 0x01020304

static void
test_echo_is_answered_byte_for_byte(void **state)
{
	static uint8_t body[1400];
	struct rig r;
	struct frame f, out;

	(void)state;
	rig_default(&r);
	rig_know(&r, 0, PEER, &rig_peer);
	for (uint32_t i = 0; i < sizeof(body); i++)
		body[i] = i * 7;
	for (uint32_t len = 0; len <= sizeof(body); len += 1 + len / 3) {
		frame_icmp(&f, 8, 0, 0xcafe0001, body, len);
		assert_null(rig_in_mbuf(&r, 0, rig_mbuf(&r, &f, len > 700 ? 301 : 0)));
		rig_sent(&r, r.nb_sent - 1, &out);
		assert_int_equal(out.len, f.len);
		assert_memory_equal(out.b, &rig_peer, 6);
		assert_int_equal(get32(&out, out.l3 + 12), OURS0);
		assert_int_equal(get32(&out, out.l3 + 16), PEER);
		assert_int_equal(get16(&out, out.l4), 0);
		assert_memory_equal(out.b + out.l4 + 4, f.b + f.l4 + 4, 4 + len);
		assert_true(frame_sums_right(&out));
	}
	assert_int_equal(counter(&r, icmp_echo_in), r.nb_sent);
	assert_int_equal(rig_drops(&r), 0);
	rig_down(&r);
}

static void
test_echo_with_options_and_padding(void **state)
{
	struct rig r;
	struct frame plain, f, out;

	(void)state;
	rig_default(&r);
	rig_know(&r, 0, PEER, &rig_peer);
	frame_icmp(&plain, 8, 0, 1, "abc", 3);
	frame_eth(&f, &rig_mac[0], &rig_peer, 0x0800);
	frame_ip4_opts(&f, PEER, OURS0, 1, "\x01\x01\x01\x00", 4, plain.b + plain.l4, 11);
	memset(f.b + f.len, 0xee, 20);
	f.len += 20;
	assert_null(rig_in(&r, 0, &f));
	rig_sent(&r, 0, &out);
	assert_int_equal(out.len, 14 + 20 + 11);
	assert_true(frame_sums_right(&out));
	rig_down(&r);
}

static void
test_wrong_or_short_messages_are_dropped(void **state)
{
	struct rig r;
	struct frame f;

	(void)state;
	rig_default(&r);
	frame_icmp(&f, 8, 0, 1, "abc", 3);
	f.b[f.l4 + 9] ^= 4;
	assert_dropped(&r, 0, &f, drop_l4_cksum);
	frame_eth(&f, &rig_mac[0], &rig_peer, 0x0800);
	frame_ip4(&f, PEER, OURS0, 1, "\x08\x00\xf7\xff\x00\x00\x00", 7);
	assert_dropped(&r, 0, &f, drop_runt);
	frame_icmp(&f, 13, 0, 1, "abcdefghijkl", 12); /* a timestamp request */
	assert_null(rig_in(&r, 0, &f));
	assert_int_equal(counter(&r, icmp_ignored), 1);
	assert_int_equal(r.nb_sent, 0);
	rig_down(&r);
}

static void
test_echoes_are_limited(void **state)
{
	struct rig r;
	struct frame f;

	(void)state;
	rig_default(&r);
	rig_know(&r, 0, PEER, &rig_peer);
	frame_icmp(&f, 8, 0, 1, "abc", 3);
	for (uint32_t i = 0; i < 1200; i++) {
		assert_null(rig_in(&r, 0, &f));
		rig_forget_sent(&r);
	}
	assert_int_equal(counter(&r, icmp_echo_in), 1000);
	assert_int_equal(counter(&r, icmp_limited), 200);
	r.now += 100 * MS;
	for (uint32_t i = 0; i < 200; i++) {
		assert_null(rig_in(&r, 0, &f));
		rig_forget_sent(&r);
	}
	assert_int_equal(counter(&r, icmp_echo_in), 1100);
	rig_down(&r);
}

/* The quoted start of a TCP segment that we sent to PEER. */
static void
quote(struct frame *q, uint16_t total, uint8_t proto)
{
	uint8_t th[8] = {1883 >> 8, 1883 & 0xff, 0xc0, 0x01, 1, 2, 3, 4};

	q->len = q->l3 = 0;
	frame_ip4(q, OURS0, PEER, proto, th, sizeof(th));
	put16(q, 2, total);
	frame_ip4_sum(q);
}

static void
test_frag_needed_reaches_the_hook(void **state)
{
	struct pw_addr ours = pw_addr_v4(rte_cpu_to_be_32(OURS0));
	struct pw_addr peer = pw_addr_v4(rte_cpu_to_be_32(PEER));
	struct rig r;
	struct frame f, q;

	(void)state;
	rig_default(&r);
	quote(&q, 1500, 6);
	frame_icmp(&f, 3, 4, 1400, q.b, q.len);
	assert_null(rig_in(&r, 0, &f));
	assert_int_equal(r.nb_icmp, 1);
	assert_int_equal(r.icmp_mtu, 1400);
	assert_int_equal(r.icmp_code, 4);
	assert_int_equal(r.icmp_seq, TCP_SEQ);
	assert_true(pw_addr_eq(&r.icmp_flow.local, &ours));
	assert_true(pw_addr_eq(&r.icmp_flow.remote, &peer));
	assert_int_equal(r.icmp_flow.lport, 1883);
	assert_int_equal(r.icmp_flow.rport, 49153);
	frame_icmp(&f, 3, 4, 20, q.b, q.len); /* less than any link carries */
	assert_null(rig_in(&r, 0, &f));
	assert_int_equal(r.icmp_mtu, 68);
	frame_icmp(&f, 3, 4, 0, q.b, q.len); /* a router older than RFC 1191 */
	assert_null(rig_in(&r, 0, &f));
	assert_int_equal(r.icmp_mtu, 1492);
	quote(&q, 68, 6);
	frame_icmp(&f, 3, 4, 0, q.b, q.len);
	assert_null(rig_in(&r, 0, &f));
	assert_int_equal(r.icmp_mtu, 68);
	assert_int_equal(counter(&r, icmp_errors_in), 4);
	rig_down(&r);
}

static void
test_unreachable_reaches_the_hook(void **state)
{
	struct rig r;
	struct frame f, q;

	(void)state;
	rig_default(&r);
	quote(&q, 1500, 6);
	for (uint32_t code = 0; code < 4; code++) {
		frame_icmp(&f, 3, code, 1400, q.b, q.len);
		assert_null(rig_in(&r, 0, &f));
		assert_int_equal(r.nb_icmp, code + 1);
		assert_int_equal(r.icmp_mtu, 0);
		assert_int_equal(r.icmp_code, code);
	}
	/* Soft errors and those about other protocols are counted, not told. */
	frame_icmp(&f, 11, 0, 0, q.b, q.len);
	assert_null(rig_in(&r, 0, &f));
	quote(&q, 100, 17);
	frame_icmp(&f, 3, 3, 0, q.b, q.len);
	assert_null(rig_in(&r, 0, &f));
	assert_int_equal(r.nb_icmp, 4);
	assert_int_equal(counter(&r, icmp_errors_in), 6);
	rig_down(&r);
}

/* Only the first fragment has ports: what stands in their place later is payload. */
static void
test_error_about_a_later_fragment_names_no_flow(void **state)
{
	static const uint16_t field[] = {1, 0x2001, 0x1fff, 0x2000};
	struct rig r;
	struct frame f, q;

	(void)state;
	rig_default(&r);
	for (uint32_t i = 0; i < RTE_DIM(field); i++) {
		quote(&q, 1500, 6);
		put16(&q, 6, field[i]);
		frame_ip4_sum(&q);
		frame_icmp(&f, 3, 4, 1400, q.b, q.len);
		assert_null(rig_in(&r, 0, &f));
		assert_int_equal(counter(&r, icmp_errors_in), i + 1);
		assert_int_equal(r.nb_icmp, field[i] == 0x2000);
	}
	rig_down(&r);
}

static void
test_errors_about_nothing_of_ours_are_ignored(void **state)
{
	struct rig r;
	struct frame f, q;

	(void)state;
	rig_default(&r);
	for (uint32_t len = 0; len < 28; len++) {
		quote(&q, 1500, 6);
		frame_icmp(&f, 3, 4, 1400, q.b, len);
		assert_null(rig_in(&r, 0, &f));
	}
	put32(&q, 12, OURS0 + 9); /* another host's packet */
	frame_icmp(&f, 3, 4, 1400, q.b, q.len);
	assert_null(rig_in(&r, 0, &f));
	quote(&q, 1500, 6);
	q.b[0] = 0x4f; /* options beyond what is quoted */
	frame_icmp(&f, 3, 4, 1400, q.b, q.len);
	assert_null(rig_in(&r, 0, &f));
	q.b[0] = 0x65;
	frame_icmp(&f, 3, 4, 1400, q.b, q.len);
	assert_null(rig_in(&r, 0, &f));
	assert_int_equal(r.nb_icmp, 0);
	assert_int_equal(counter(&r, icmp_errors_in), 0);
	assert_int_equal(counter(&r, icmp_ignored), 31);
	rig_down(&r);
}

static void
test_error_out_quotes_its_cause(void **state)
{
	struct rte_mbuf *m;
	struct rig r;
	struct frame f, out;

	(void)state;
	rig_default(&r);
	rig_know(&r, 0, PEER, &rig_peer);
	for (uint32_t payload = 0; payload < 1400; payload += 333) {
		uint32_t quoted;

		frame_tcp(&f, payload);
		m = rig_in_mbuf(&r, 0, rig_mbuf(&r, &f, payload > 400 ? 150 : 0));
		assert_non_null(m);
		pw_wire_icmp_error(r.w, 0, m, 3, 3, r.now);
		rte_pktmbuf_free(m);
		rig_sent(&r, r.nb_sent - 1, &out);
		quoted = RTE_MIN(40 + payload, 548u);
		assert_int_equal(out.len, 14 + 28 + quoted);
		assert_true(frame_sums_right(&out));
		assert_int_equal(get16(&out, out.l4), 0x0303);
		assert_memory_equal(out.b + out.l4 + 8, f.b + f.l3, quoted);
	}
	assert_int_equal(counter(&r, icmp_errors_out), 5);
	rig_down(&r);
}

/* Ask for an error about a frame that came in some shape; true where one went out. */
static bool
answered(struct rig *r, const struct frame *f)
{
	struct rte_mbuf *m = rig_mbuf(r, f, 0);
	uint32_t sent = r->nb_sent;

	m->l2_len = f->l3;
	pw_wire_icmp_error(r->w, 0, m, 3, 2, r->now);
	rte_pktmbuf_free(m);
	return r->nb_sent > sent;
}

static void
test_no_error_about_what_must_not_be_answered(void **state)
{
	static const uint8_t errors[] = {0, 3, 4, 5, 11, 12};
	struct rig r;
	struct frame f;

	(void)state;
	rig_default(&r);
	rig_know(&r, 0, PEER, &rig_peer);
	frame_tcp(&f, 0);
	assert_true(answered(&r, &f));
	memcpy(f.b, &rig_everybody, 6);
	assert_false(answered(&r, &f));
	frame_tcp(&f, 0);
	put32(&f, f.l3 + 16, IP(10, 77, 255, 255));
	assert_false(answered(&r, &f));
	frame_tcp(&f, 0);
	put32(&f, f.l3 + 12, IP(224, 0, 0, 5));
	assert_false(answered(&r, &f));
	frame_tcp(&f, 0);
	put16(&f, f.l3 + 6, 5); /* not the first fragment */
	assert_false(answered(&r, &f));
	for (uint32_t i = 0; i < RTE_DIM(errors); i++) {
		frame_icmp(&f, errors[i], 0, 0, "abcdefgh", 8);
		assert_false(answered(&r, &f));
	}
	frame_icmp(&f, 8, 0, 0, "abcdefgh", 8);
	assert_true(answered(&r, &f));
	f.len = f.l3 + 19;
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
	rig_default(&r);
	rig_know(&r, 0, PEER, &rig_peer);
	frame_tcp(&f, 0);
	for (uint32_t i = 0; i < 150; i++)
		(void)answered(&r, &f);
	assert_int_equal(counter(&r, icmp_errors_out), 100);
	assert_int_equal(counter(&r, icmp_limited), 50);
	/* Ten more for each tenth of a second, however finely the time passes. */
	for (uint32_t i = 0; i < 100; i++) {
		r.now += 1 * MS;
		(void)answered(&r, &f);
	}
	assert_int_equal(counter(&r, icmp_errors_out), 110);
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
	rig_default(&r);
	frame_tcp(&f, 0);
	m = rig_in(&r, 0, &f);
	while ((all[n] = rte_pktmbuf_alloc(r.mem.pkt)) != NULL)
		n++;
	pw_wire_icmp_error(r.w, 0, m, 3, 3, r.now);
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
		cmocka_unit_test(test_echo_with_options_and_padding),
		cmocka_unit_test(test_wrong_or_short_messages_are_dropped),
		cmocka_unit_test(test_echoes_are_limited),
		cmocka_unit_test(test_frag_needed_reaches_the_hook),
		cmocka_unit_test(test_unreachable_reaches_the_hook),
		cmocka_unit_test(test_error_about_a_later_fragment_names_no_flow),
		cmocka_unit_test(test_errors_about_nothing_of_ours_are_ignored),
		cmocka_unit_test(test_error_out_quotes_its_cause),
		cmocka_unit_test(test_no_error_about_what_must_not_be_answered),
		cmocka_unit_test(test_errors_are_limited),
		cmocka_unit_test(test_no_buffer_for_an_error),
	};

	test_eal_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
