/* SPDX-License-Identifier: BSD-3-Clause */
/* What comes in: each reason to drop a frame, VLAN tags, padding, and the shape of what TCP gets.
 */
#include <string.h>

#include <rte_mbuf.h>

#include <pubwire/base/sum.h>
#include <pubwire/base/sumnote.h>

#include "eal.h"
#include "rig.h"

static const struct rte_ether_addr stranger = {{2, 0, 0, 0, 0, 0x99}};
static const struct rte_ether_addr group = {{1, 0, 0x5e, 0, 0, 1}};

/* A TCP packet as the header of pw_wire_input() promises it. */
static void
assert_fit_for_tcp(const struct rte_mbuf *m, uint32_t l2, uint32_t l3, uint32_t payload)
{
	assert_non_null(m);
	assert_int_equal(m->l2_len, l2);
	assert_int_equal(m->l3_len, l3);
	assert_int_equal(m->pkt_len, l2 + l3 + 20 + payload);
	assert_true(m->data_len >= l2 + l3 + 20);
	for (const struct rte_mbuf *s = m; s != NULL; s = s->next) {
		assert_true(RTE_MBUF_DIRECT(s));
		assert_int_equal(rte_mbuf_refcnt_read(s), 1);
	}
}

static void
test_whole_tcp_frame_reaches_tcp(void **state)
{
	struct rig r;
	struct frame f, got;
	struct rte_mbuf *m;

	(void)state;
	rig_default(&r);
	for (uint32_t len = 0; len < 70; len++) { /* odd lengths too */
		frame_tcp(&f, len);
		m = rig_in(&r, 0, &f);
		assert_fit_for_tcp(m, 14, 20, len);
		frame_of(m, &got);
		assert_memory_equal(got.b, f.b, f.len);
		rte_pktmbuf_free(m);
	}
	assert_int_equal(counter(&r, frames_in), 70);
	assert_int_equal(counter(&r, bytes_in), 70 * 54 + 69 * 70 / 2);
	assert_int_equal(rig_drops(&r), 0);
	rig_down(&r);
}

/* Entries of those who are likely to be answered are fetched where the table is large. */
static void
test_large_table_of_neighbours_changes_nothing(void **state)
{
	struct rig r;
	struct frame f;
	struct rte_mbuf *m;

	(void)state;
	rig_plan(&r);
	r.conf.neighbours = 8192;
	rig_up(&r);
	for (uint32_t known = 0; known < 2; known++) {
		frame_tcp(&f, 10);
		m = rig_in(&r, 0, &f);
		assert_fit_for_tcp(m, 14, 20, 10);
		rte_pktmbuf_free(m);
		rig_know(&r, 0, PEER, &rig_peer);
	}
	assert_int_equal(rig_drops(&r), 0);
	rig_down(&r);
}

static void
test_padding_is_cut_off(void **state)
{
	struct rig r;
	struct frame f;
	struct rte_mbuf *m;

	(void)state;
	rig_default(&r);
	frame_tcp(&f, 2);
	memset(f.b + f.len, 0xaa, 100);
	f.len = 60;
	m = rig_in(&r, 0, &f);
	assert_fit_for_tcp(m, 14, 20, 2);
	rte_pktmbuf_free(m);
	/* Padding in buffers of its own goes with them. */
	f.len = 140;
	m = rig_in_mbuf(&r, 0, rig_mbuf(&r, &f, 54));
	assert_fit_for_tcp(m, 14, 20, 2);
	assert_int_equal(m->nb_segs, 1);
	rte_pktmbuf_free(m);
	rig_down(&r);
}

/* Drivers that receive into several buffers set the flags of the first alone. */
static void
test_buffers_of_a_chain_have_no_notes_of_a_former_life(void **state)
{
	struct rte_mbuf *m, *s;
	struct rig r;
	struct frame f;

	(void)state;
	rig_default(&r);
	frame_tcp(&f, 600);
	m = rig_mbuf(&r, &f, 300);
	for (s = m; s != NULL; s = s->next)
		pw_sumnote_put(s, s->data_off, s->data_len, 0x1234);
	m = rig_in_mbuf(&r, 0, m);
	assert_non_null(m);
	assert_int_equal(m->nb_segs, 3);
	for (s = m->next; s != NULL; s = s->next)
		assert_int_equal(pw_sumnote_sum(s, s->data_off, s->data_len),
				 pw_sum(rte_pktmbuf_mtod(s, void *), s->data_len));
	rte_pktmbuf_free(m);
	rig_down(&r);
}

static void
test_split_headers_are_joined(void **state)
{
	struct rig r;
	struct frame f, got;
	struct rte_mbuf *m;

	(void)state;
	rig_default(&r);
	frame_tcp(&f, 300);
	for (uint32_t seg = 14; seg < 134; seg += 3) {
		m = rig_in_mbuf(&r, 0, rig_mbuf(&r, &f, seg));
		assert_fit_for_tcp(m, 14, 20, 300);
		frame_of(m, &got);
		assert_memory_equal(got.b, f.b, f.len);
		rte_pktmbuf_free(m);
	}
	assert_int_equal(counter(&r, rx_copied), 40);
	rig_down(&r);
}

static void
test_shared_buffers_are_copied(void **state)
{
	struct rig r;
	struct frame f;
	struct rte_mbuf *m, *clone, *tcp;

	(void)state;
	rig_default(&r);
	frame_tcp(&f, 400);
	m = rig_mbuf(&r, &f, 0);
	clone = rte_pktmbuf_clone(m, r.mem.ind);
	tcp = rig_in_mbuf(&r, 0, clone); /* indirect */
	assert_fit_for_tcp(tcp, 14, 20, 400);
	rte_pktmbuf_free(tcp);
	clone = rte_pktmbuf_clone(m, r.mem.ind);
	tcp = rig_in_mbuf(&r, 0, m); /* direct, but somebody else reads it */
	assert_ptr_not_equal(tcp, m);
	assert_fit_for_tcp(tcp, 14, 20, 400);
	rte_pktmbuf_free(tcp);
	rte_pktmbuf_free(clone);
	assert_int_equal(counter(&r, rx_copied), 2);
	rig_down(&r);
}

static void
test_shared_buffer_without_a_free_one_is_dropped(void **state)
{
	struct rte_mbuf *all[255], *m, *clone;
	struct rig r;
	struct frame f;
	uint32_t n = 0;

	(void)state;
	rig_default(&r);
	frame_tcp(&f, 400);
	m = rig_mbuf(&r, &f, 0);
	clone = rte_pktmbuf_clone(m, r.mem.ind);
	while ((all[n] = rte_pktmbuf_alloc(r.mem.pkt)) != NULL)
		n++;
	assert_null(rig_in_mbuf(&r, 0, m));
	assert_int_equal(counter(&r, drop_no_buffer), 1);
	assert_int_equal(rig_drops(&r), 1);
	rte_pktmbuf_free(clone);
	rte_pktmbuf_free_bulk(all, n);
	rig_down(&r);
}

static void
test_ethernet_reasons_to_drop(void **state)
{
	struct rig r;
	struct frame f;

	(void)state;
	rig_default(&r);
	frame_tcp(&f, 1);
	for (uint32_t len = 1; len < 34; len++) {
		f.len = len;
		assert_dropped(&r, 0, &f, drop_runt);
	}
	frame_tcp(&f, 1);
	memcpy(f.b, &stranger, 6);
	assert_dropped(&r, 0, &f, drop_not_ours_mac);
	frame_eth(&f, &rig_mac[0], &rig_peer, 0x88b5);
	frame_put(&f, "experiment", 10);
	assert_dropped(&r, 0, &f, drop_ethertype);
	frame_eth(&f, &rig_mac[0], &rig_peer, 0x86dd);
	frame_put(&f, "\x60", 1);
	assert_dropped(&r, 0, &f, drop_ethertype);
	frame_tcp(&f, 1);
	memcpy(f.b + 6, &group, 6);
	assert_dropped(&r, 0, &f, drop_group_source);
	frame_vlan(&f, &rig_mac[0], &rig_peer, 5, 0x0800);
	assert_dropped(&r, 0, &f, drop_vlan);
	f.len = 16; /* ends within the tag */
	assert_dropped(&r, 0, &f, drop_runt);
	rig_down(&r);
}

static void
test_vlan_tag_in(void **state)
{
	struct rte_mbuf *m;
	struct rig r;
	struct frame plain, f;

	(void)state;
	rig_plan(&r);
	r.port[0].vlan = 42;
	rig_up(&r);
	frame_tcp(&plain, 9);
	assert_dropped(&r, 0, &plain, drop_vlan);
	frame_vlan(&f, &rig_mac[0], &rig_peer, 0xe000 | 42, 0x0800); /* the priority is no matter */
	frame_put(&f, plain.b + 14, plain.len - 14);
	m = rig_in(&r, 0, &f);
	assert_fit_for_tcp(m, 18, 20, 9);
	rte_pktmbuf_free(m);
	put16(&f, 14, 43);
	assert_dropped(&r, 0, &f, drop_vlan);
	/* Lifted out by the port. */
	m = rig_mbuf(&r, &plain, 0);
	m->ol_flags |= RTE_MBUF_F_RX_VLAN | RTE_MBUF_F_RX_VLAN_STRIPPED;
	m->vlan_tci = 42;
	m = rig_in_mbuf(&r, 0, m);
	assert_fit_for_tcp(m, 14, 20, 9);
	rte_pktmbuf_free(m);
	rig_down(&r);
}

static void
test_priority_tag_counts_as_none(void **state)
{
	struct rte_mbuf *m;
	struct rig r;
	struct frame plain, f;

	(void)state;
	rig_default(&r);
	frame_tcp(&plain, 9);
	frame_vlan(&f, &rig_mac[0], &rig_peer, 0xe000, 0x0800);
	frame_put(&f, plain.b + 14, plain.len - 14);
	m = rig_in(&r, 0, &f);
	assert_fit_for_tcp(m, 18, 20, 9);
	rte_pktmbuf_free(m);
	rig_down(&r);
}

static void
test_ip_header_reasons_to_drop(void **state)
{
	struct rig r;
	struct frame f;

	(void)state;
	rig_default(&r);
	frame_tcp(&f, 1);
	f.b[f.l3] = 0x65;
	assert_dropped(&r, 0, &f, drop_ip_header);
	f.b[f.l3] = 0x44; /* header of 16 bytes */
	assert_dropped(&r, 0, &f, drop_ip_header);
	f.b[f.l3] = 0x4f; /* 60 bytes of header, 41 of datagram */
	assert_dropped(&r, 0, &f, drop_ip_header);
	frame_tcp(&f, 1);
	put16(&f, f.l3 + 2, 42); /* says more than there is */
	frame_ip4_sum(&f);
	assert_dropped(&r, 0, &f, drop_ip_header);
	put16(&f, f.l3 + 2, 19); /* less than its own header */
	frame_ip4_sum(&f);
	assert_dropped(&r, 0, &f, drop_ip_header);
	for (uint32_t bit = 0; bit < 160; bit++) {
		uint64_t drops = rig_drops(&r);

		frame_tcp(&f, 1);
		f.b[f.l3 + bit / 8] ^= 1 << bit % 8;
		assert_null(rig_in(&r, 0, &f)); /* one reason or another: the checksum at last */
		assert_int_equal(rig_drops(&r), drops + 1);
	}
	frame_tcp(&f, 1);
	f.b[f.l3 + 8] ^= 1;
	assert_dropped(&r, 0, &f, drop_ip_cksum);
	rig_down(&r);
}

static void
test_ip_addresses_to_drop(void **state)
{
	static const uint32_t not_ours[] = {
		OURS0 + 1, OURS1, IP(10, 77, 255, 255), UINT32_MAX, IP(224, 0, 0, 1), 0};
	static const uint32_t nobody[] = {0,
					  IP(0, 1, 2, 3),
					  IP(127, 0, 0, 1),
					  IP(224, 0, 0, 1),
					  IP(240, 0, 0, 1),
					  UINT32_MAX,
					  IP(10, 77, 255, 255),
					  IP(10, 77, 0, 0),
					  OURS0,
					  OURS1};
	struct rig r;
	struct frame f;

	(void)state;
	rig_default(&r);
	for (uint32_t i = 0; i < RTE_DIM(not_ours); i++) {
		frame_tcp(&f, 1);
		put32(&f, f.l3 + 16, not_ours[i]);
		frame_ip4_sum(&f);
		assert_dropped(&r, 0, &f, drop_ip_dst);
	}
	for (uint32_t i = 0; i < RTE_DIM(nobody); i++) {
		frame_tcp(&f, 1);
		put32(&f, f.l3 + 12, nobody[i]);
		frame_ip4_sum(&f);
		assert_dropped(&r, 0, &f, drop_ip_src);
	}
	frame_tcp(&f, 1);
	memcpy(f.b, &rig_everybody, 6);
	assert_dropped(&r, 0, &f, drop_ip_dst);
	memcpy(f.b, &group, 6);
	assert_dropped(&r, 0, &f, drop_ip_dst);
	rig_down(&r);
}

/* A correct TCP frame with the given options in its IP header. */
static void
tcp_with_options(struct frame *f, const char *opts, uint32_t len)
{
	struct frame plain;

	frame_tcp(&plain, 5);
	frame_eth(f, &rig_mac[0], &rig_peer, 0x0800);
	frame_ip4_opts(f, PEER, OURS0, 6, opts, len, plain.b + plain.l4, 25);
}

static void
test_ip_options(void **state)
{
	static const struct {
		const char *bytes;
		bool good;
	} row[] = {
		{"\x01\x01\x01\x00", true},  /* no-operations */
		{"\x07\x04\x04\x00", true},  /* record route */
		{"\x00\xff\xff\xff", true},  /* end: what follows is no option */
		{"\x83\x04\x04\x00", false}, /* loose source route */
		{"\x01\x89\x03\x04", false}, /* strict source route */
		{"\x07\x05\x04\x00", false}, /* longer than the header */
		{"\x07\x00\x00\x00", false}, /* no length */
		{"\x07\x01\x00\x00", false}, /* shorter than itself */
		{"\x01\x01\x01\x07", false}, /* ends before its length */
	};
	struct rig r;
	struct frame f;

	(void)state;
	rig_default(&r);
	for (uint32_t i = 0; i < RTE_DIM(row); i++) {
		tcp_with_options(&f, row[i].bytes, 4);
		if (row[i].good) {
			struct rte_mbuf *m = rig_in(&r, 0, &f);

			assert_fit_for_tcp(m, 14, 24, 5);
			rte_pktmbuf_free(m);
		} else {
			assert_dropped(&r, 0, &f, drop_ip_header);
		}
	}
	rig_down(&r);
}

static void
test_fragments_are_dropped_where_none_are_taken(void **state)
{
	static const uint16_t field[] = {0x2000, 0x2001, 0x0001, 0x1fff};
	struct rig r;
	struct frame f;

	(void)state;
	rig_default(&r);
	for (uint32_t i = 0; i < RTE_DIM(field); i++) {
		frame_tcp(&f, 1);
		put16(&f, f.l3 + 6, field[i]);
		frame_ip4_sum(&f);
		assert_dropped(&r, 0, &f, drop_fragment);
	}
	rig_down(&r);
}

static void
test_unknown_protocols_are_dropped_and_answered(void **state)
{
	struct rig r;
	struct frame f, out;

	(void)state;
	rig_default(&r);
	rig_know(&r, 0, PEER, &rig_peer);
	frame_eth(&f, &rig_mac[0], &rig_peer, 0x0800);
	frame_ip4(&f, PEER, OURS0, 17,
		  "\x00\x35\x00\x35\x00\x0c\x00\x00"
		  "abcd",
		  12);
	assert_dropped(&r, 0, &f, drop_proto);
	rig_sent(&r, 0, &out);
	assert_int_equal(get16(&out, out.l4), 0x0303); /* port unreachable */
	frame_eth(&f, &rig_mac[0], &rig_peer, 0x0800);
	frame_ip4(&f, PEER, OURS0, 132, "abcdefghijkl", 12);
	assert_dropped(&r, 0, &f, drop_proto);
	rig_sent(&r, 1, &out);
	assert_int_equal(get16(&out, out.l4), 0x0302); /* protocol unreachable */
	rig_down(&r);
}

static void
test_wrong_tcp_checksum_is_dropped(void **state)
{
	struct rig r;
	struct frame f;

	(void)state;
	rig_default(&r);
	for (uint32_t bit = 0; bit < 8 * 27; bit++) {
		frame_tcp(&f, 7);
		f.b[f.l4 + bit / 8] ^= 1 << bit % 8;
		assert_dropped(&r, 0, &f, drop_l4_cksum);
	}
	frame_tcp(&f, 0);
	put16(&f, f.l3 + 2, 39); /* no room for a TCP header */
	frame_ip4_sum(&f);
	assert_dropped(&r, 0, &f, drop_runt);
	rig_down(&r);
}

/* What a kernel at the other end of a veth sends while its checksum offload is on. */
static void
test_partial_checksum_is_dropped(void **state)
{
	struct rig r;
	struct frame f;

	(void)state;
	rig_default(&r);
	frame_tcp(&f, 7);
	put16(&f, f.l4 + 16, sum_fold(sum_add(6 + 27, f.b + f.l3 + 12, 8, false)));
	assert_dropped(&r, 0, &f, drop_l4_cksum);
	rig_down(&r);
}

static void
test_port_is_believed_only_where_it_may_be(void **state)
{
	struct rte_mbuf *m;
	struct rig r;
	struct frame f;

	(void)state;
	rig_plan(&r);
	r.port[0].caps |= PW_PORT_RX_CKSUM;
	rig_up(&r);
	frame_tcp(&f, 7);
	put16(&f, f.l4 + 16, 0);
	m = rig_mbuf(&r, &f, 0);
	m->ol_flags |= RTE_MBUF_F_RX_L4_CKSUM_GOOD;
	m = rig_in_mbuf(&r, 0, m);
	assert_fit_for_tcp(m, 14, 20, 7);
	rte_pktmbuf_free(m);
	/* "Bad" is looked at again, "good" without the capability means nothing. */
	frame_tcp(&f, 7);
	m = rig_mbuf(&r, &f, 0);
	m->ol_flags |= RTE_MBUF_F_RX_L4_CKSUM_BAD | RTE_MBUF_F_RX_IP_CKSUM_BAD;
	m = rig_in_mbuf(&r, 0, m);
	assert_fit_for_tcp(m, 14, 20, 7);
	rte_pktmbuf_free(m);
	r.port[0].caps &= ~PW_PORT_RX_CKSUM;
	put16(&f, f.l4 + 16, 0);
	m = rig_mbuf(&r, &f, 0);
	m->ol_flags |= RTE_MBUF_F_RX_L4_CKSUM_GOOD | RTE_MBUF_F_RX_IP_CKSUM_GOOD;
	assert_null(rig_in_mbuf(&r, 0, m));
	assert_int_equal(counter(&r, drop_l4_cksum), 1);
	rig_down(&r);
}

static void
test_any_cut_of_any_frame_is_harmless(void **state)
{
	struct rig r;
	struct frame f;

	(void)state;
	rig_default(&r);
	for (uint32_t len = 1; len < 130; len++) {
		for (uint32_t seg = 1; seg < 8; seg++) {
			uint64_t drops = rig_drops(&r);

			frame_tcp(&f, 80);
			f.len = len;
			assert_null(rig_in_mbuf(&r, 0, rig_mbuf(&r, &f, 14 * seg)));
			assert_int_equal(rig_drops(&r), drops + 1);
		}
	}
	rig_down(&r);
}

static void
test_bad_configurations_are_refused(void **state)
{
	struct rig r;

	(void)state;
	rig_plan(&r);
	r.conf.nb_ifaces = 0;
	assert_null(pw_wire_create(&r.conf));
	r.conf.nb_ifaces = PW_WIRE_MAX_IFACES + 1;
	assert_null(pw_wire_create(&r.conf));
	r.conf.nb_ifaces = 2;
	r.conf.iface[0].addr[0].prefix_len = 33;
	assert_null(pw_wire_create(&r.conf));
	r.conf.iface[0].addr[0].prefix_len = 16;
	r.conf.neighbours = PW_WIRE_NEIGH_MAX + 1;
	assert_null(pw_wire_create(&r.conf));
	r.conf.neighbours = 8;
	rig_up(&r);
	rig_down(&r);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole_tcp_frame_reaches_tcp),
		cmocka_unit_test(test_large_table_of_neighbours_changes_nothing),
		cmocka_unit_test(test_padding_is_cut_off),
		cmocka_unit_test(test_buffers_of_a_chain_have_no_notes_of_a_former_life),
		cmocka_unit_test(test_split_headers_are_joined),
		cmocka_unit_test(test_shared_buffers_are_copied),
		cmocka_unit_test(test_shared_buffer_without_a_free_one_is_dropped),
		cmocka_unit_test(test_ethernet_reasons_to_drop),
		cmocka_unit_test(test_vlan_tag_in),
		cmocka_unit_test(test_priority_tag_counts_as_none),
		cmocka_unit_test(test_ip_header_reasons_to_drop),
		cmocka_unit_test(test_ip_addresses_to_drop),
		cmocka_unit_test(test_ip_options),
		cmocka_unit_test(test_fragments_are_dropped_where_none_are_taken),
		cmocka_unit_test(test_unknown_protocols_are_dropped_and_answered),
		cmocka_unit_test(test_wrong_tcp_checksum_is_dropped),
		cmocka_unit_test(test_partial_checksum_is_dropped),
		cmocka_unit_test(test_port_is_believed_only_where_it_may_be),
		cmocka_unit_test(test_any_cut_of_any_frame_is_harmless),
		cmocka_unit_test(test_bad_configurations_are_refused),
	};

	test_eal_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
