/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Whose a frame is, on a port whose interface has one of the kernel's beside it: a row a kind of
 * frame, with the kernel asked to answer pings and not, and without a kernel.
 */
#include <string.h>

#include "eal.h"
#include "rig6.h"

/* Who is to have it. */
enum whose { NOBODY, OURS, KERNELS, BOTHS, TCPS };

#define ELSEWHERE   IP(10, 77, 0, 9)
#define ALL_ROUTERS IP(224, 0, 0, 18)

static const struct rte_ether_addr group4 = {{1, 0, 0x5e, 0, 0, 18}};
static const struct rte_ether_addr stranger = {{2, 0, 0, 0, 0, 0x99}};
static const struct rte_ether_addr nobody;
static const uint8_t some[64] = {0x12, 0x34, 0x0e, 0xc8}; /* UDP from 4660 to 3784 (BFD) */

static void
ip4_to(struct frame *f, const struct rte_ether_addr *mac, uint32_t dst, uint8_t proto)
{
	frame_eth(f, mac, &rig_peer, 0x0800);
	frame_ip4(f, PEER, dst, proto, some, sizeof(some));
}

static void
tcp(struct frame *f)
{
	frame_tcp(f, 9);
}

static void
tcp_to_another_address(struct frame *f)
{
	ip4_to(f, &rig_mac[0], ELSEWHERE, 6);
}

static void
tcp_with_a_bad_sum(struct frame *f)
{
	ip4_to(f, &rig_mac[0], OURS0, 6);
}

static void
udp(struct frame *f)
{
	ip4_to(f, &rig_mac[0], OURS0, 17);
}

static void
udp_to_all(struct frame *f)
{
	ip4_to(f, &rig_everybody, IP(10, 77, 255, 255), 17);
}

static void
udp_from_ourselves(struct frame *f)
{
	frame_eth(f, &rig_mac[0], &rig_peer, 0x0800);
	frame_ip4(f, OURS0, OURS0, 17, some, sizeof(some));
}

static void
udp_with_a_bad_header_sum(struct frame *f)
{
	udp(f);
	f->b[f->l3 + 10] ^= 1;
}

static void
udp_in_pieces(struct frame *f)
{
	udp(f);
	put16(f, f->l3 + 6, 0x2000);
	frame_ip4_sum(f);
}

static void
ospf(struct frame *f)
{
	ip4_to(f, &rig_mac[0], OURS0, 89);
}

static void
vrrp(struct frame *f)
{
	ip4_to(f, &group4, ALL_ROUTERS, 112);
}

static void
for_another_station(struct frame *f)
{
	ip4_to(f, &stranger, OURS0, 17);
}

static void
of_another_vlan(struct frame *f)
{
	frame_vlan(f, &rig_mac[0], &rig_peer, 7, 0x0800);
	frame_ip4(f, PEER, OURS0, 17, some, sizeof(some));
}

static void
lldp(struct frame *f)
{
	frame_eth(f, &group4, &rig_peer, 0x88cc);
	frame_put(f, some, sizeof(some));
}

static void
echo(struct frame *f)
{
	frame_icmp(f, 8, 0, 1, some, 32);
}

static void
echo_in_pieces(struct frame *f)
{
	echo(f);
	put16(f, f->l3 + 6, 0x2000);
	frame_ip4_sum(f);
}

static void
echo_reply(struct frame *f)
{
	frame_icmp(f, 0, 0, 1, some, 32);
}

static void
icmp_with_a_bad_sum(struct frame *f)
{
	echo_reply(f);
	f->b[f->l4 + 2] ^= 1;
}

/* About a segment from us. */
static void
icmp_error(struct frame *f)
{
	struct frame cause;

	cause.len = cause.l3 = 0;
	frame_ip4(&cause, OURS0, PEER, 6, some, 20);
	frame_icmp(f, 3, 1, 0, cause.b, cause.len);
}

static void
arp_request(struct frame *f)
{
	frame_arp(f, &rig_everybody, 1, &rig_peer, PEER, &nobody, OURS0);
}

static void
arp_request_for_another(struct frame *f)
{
	frame_arp(f, &rig_everybody, 1, &rig_peer, PEER, &nobody, ELSEWHERE);
}

static void
arp_reply(struct frame *f)
{
	frame_arp(f, &rig_mac[0], 2, &rig_peer, PEER, &rig_mac[0], OURS0);
}

static void
arp_claim_of_ours(struct frame *f)
{
	frame_arp(f, &rig_everybody, 1, &rig_peer, OURS0, &nobody, OURS0);
}

static void
arp_nonsense(struct frame *f)
{
	frame_arp(f, &rig_everybody, 7, &rig_peer, PEER, &nobody, OURS0);
}

static void
udp6(struct frame *f)
{
	frame_ip6(f, PEER6, OURS6, 17, 64, some, sizeof(some));
}

static void
udp6_in_pieces(struct frame *f)
{
	const uint8_t header[8] = {0, 0, 0, 1, 0, 0, 0, 9};

	udp6(f);
	frame_ip6_insert(f, 44, header, sizeof(header));
}

static void
udp6_to_another_address(struct frame *f)
{
	frame_ip6(f, PEER6, rig6_addr("fd77::9"), 17, 64, some, sizeof(some));
}

static void
tcp6(struct frame *f)
{
	frame_tcp6(f, 9);
}

static void
tcp6_of_neighbours(struct frame *f)
{
	frame_tcp6_between(f, PEER6_LL, OURS6_LL, 9);
}

static void
vrrp6(struct frame *f)
{
	frame_ip6(f, PEER6_LL, rig6_addr("ff02::12"), 112, 255, some, sizeof(some));
}

static void
udp6_to_all(struct frame *f)
{
	frame_ip6(f, PEER6_LL, ALL6, 17, 255, some, sizeof(some));
}

static void
echo6(struct frame *f)
{
	frame_icmp6(f, PEER6, OURS6, 64, 128, 0, 1, some, 32);
}

static void
echo6_in_pieces(struct frame *f)
{
	const uint8_t header[8] = {0, 0, 0, 1, 0, 0, 0, 9};

	echo6(f);
	frame_ip6_insert(f, 44, header, sizeof(header));
}

static void
echo6_reply(struct frame *f)
{
	frame_icmp6(f, PEER6, OURS6, 64, 129, 0, 1, some, 32);
}

static void
icmp6_error(struct frame *f)
{
	struct frame cause;

	frame_tcp6_between(&cause, OURS6, PEER6, 0);
	frame_icmp6(f, PEER6, OURS6, 64, 1, 0, 0, cause.b + 14, cause.len - 14);
}

static void
solicit(struct frame *f)
{
	frame_nd(f, PEER6, GROUP_OF_OURS, SOLICIT, 0, OURS6, SOURCE, &rig_peer);
}

/* The group of an address tells only its last three bytes. */
static void
solicit_of_another(struct frame *f)
{
	frame_nd(f, PEER6, GROUP_OF_OURS, SOLICIT, 0, rig6_addr("fd77::5:0:1"), SOURCE, &rig_peer);
}

static void
advert(struct frame *f)
{
	frame_nd(f, PEER6, OURS6, ADVERT, SOLICITED, PEER6, TARGET, &rig_peer);
}

static void
advert_of_ours(struct frame *f)
{
	frame_nd(f, PEER6, ALL6, ADVERT, OVERRIDE, OURS6, TARGET, &rig_peer);
}

static void
router_advert(struct frame *f)
{
	frame_icmp6(f, PEER6_LL, ALL6, 255, 134, 0, 0, some, 8);
}

/* A query of MLDv2 for all groups (RFC 3810 5.1), with its router alert. */
static void
mld_query(struct frame *f)
{
	const uint8_t alert[8] = {0, 0, 5, 2, 0, 0, 1, 0};
	const uint8_t query[20] = {0};

	frame_icmp6(f, PEER6_LL, ALL6, 1, 130, 0, 10 << 16, query, sizeof(query));
	frame_ip6_insert(f, 0, alert, sizeof(alert));
}

static const struct row {
	const char *name;
	void (*build)(struct frame *f);
	enum whose alone; /* without a kernel */
	enum whose rest;
	enum whose with_echo;
} rows[] = {
#define ROW(build, ...)                                                                            \
	{                                                                                          \
#build, build, __VA_ARGS__                                                         \
	}
	ROW(tcp, TCPS, TCPS, TCPS), /* lib/tcp knows whether somebody listens */
	ROW(tcp_with_a_bad_sum, NOBODY, NOBODY, NOBODY),
	ROW(tcp_to_another_address, NOBODY, KERNELS, KERNELS),
	ROW(udp, OURS, KERNELS, KERNELS), /* refused with ICMP */
	ROW(udp_to_all, NOBODY, KERNELS, KERNELS),
	ROW(udp_from_ourselves, NOBODY, NOBODY, NOBODY),
	ROW(udp_with_a_bad_header_sum, NOBODY, NOBODY, NOBODY),
	ROW(udp_in_pieces, OURS, KERNELS, KERNELS),
	ROW(ospf, OURS, KERNELS, KERNELS),
	ROW(vrrp, NOBODY, KERNELS, KERNELS),
	ROW(for_another_station, NOBODY, NOBODY, NOBODY),
	ROW(of_another_vlan, NOBODY, NOBODY, NOBODY),
	ROW(lldp, NOBODY, KERNELS, KERNELS),
	ROW(echo, OURS, OURS, KERNELS),
	ROW(echo_in_pieces, NOBODY, NOBODY, KERNELS), /* nobody: the rig takes no fragments */
	ROW(echo_reply, NOBODY, KERNELS, KERNELS),
	ROW(icmp_with_a_bad_sum, NOBODY, NOBODY, NOBODY),
	ROW(icmp_error, OURS, BOTHS, BOTHS),
	ROW(arp_request, OURS, OURS, OURS),
	ROW(arp_request_for_another, OURS, BOTHS, BOTHS), /* it may teach us of who asks */
	ROW(arp_reply, OURS, BOTHS, BOTHS),
	ROW(arp_claim_of_ours, OURS, OURS, OURS),
	ROW(arp_nonsense, NOBODY, NOBODY, NOBODY),
	ROW(udp6, OURS, KERNELS, KERNELS),
	ROW(udp6_in_pieces, NOBODY, KERNELS, KERNELS),
	ROW(udp6_to_another_address, NOBODY, KERNELS, KERNELS),
	ROW(tcp6, TCPS, TCPS, TCPS),
	ROW(tcp6_of_neighbours, NOBODY, KERNELS, KERNELS),
	ROW(vrrp6, NOBODY, KERNELS, KERNELS),
	ROW(udp6_to_all, NOBODY, KERNELS, KERNELS),
	ROW(echo6, OURS, OURS, KERNELS),
	ROW(echo6_in_pieces, NOBODY, NOBODY, KERNELS),
	ROW(echo6_reply, NOBODY, KERNELS, KERNELS),
	ROW(icmp6_error, OURS, BOTHS, BOTHS),
	ROW(solicit, OURS, OURS, OURS),
	ROW(solicit_of_another, OURS, BOTHS, BOTHS),
	ROW(advert, OURS, BOTHS, BOTHS),
	ROW(advert_of_ours, OURS, OURS, OURS),
	ROW(router_advert, NOBODY, KERNELS, KERNELS),
	ROW(mld_query, OURS, BOTHS, BOTHS),
};

/* What of ours a frame can move: an answer, an error passed on, a neighbour, or a count. */
static uint64_t
ours(const struct rig *r)
{
	return r->nb_sent + r->nb_icmp + counter(r, arp_requests_in) + counter(r, arp_replies_in) +
	       counter(r, nd_solicits_in) + counter(r, nd_adverts_in) + counter(r, mld_queries_in);
}

static uint64_t
ignored(const struct rig *r)
{
	return rig_drops(r) + counter(r, icmp_ignored) + counter(r, nd_router_ignored) +
	       counter(r, arp_invalid) + counter(r, nd_invalid);
}

static void
see(struct rig *r, const struct row *row, enum whose whose)
{
	uint64_t before, drops;
	struct rte_mbuf *m;
	struct frame f;

	/* Who asks is known, so that an answer to him leaves at once. */
	rig_know(r, 0, PEER, &rig_peer);
	rig6_know(r, 0, PEER6, &rig_peer);
	rig_forget_sent(r);
	row->build(&f);
	before = ours(r);
	drops = ignored(r);
	r->nb_kernel = 0;
	m = rig_in(r, 0, &f);
	if ((m != NULL) != (whose == TCPS))
		fail_msg("%s: TCP is %sto have it", row->name, whose == TCPS ? "" : "not ");
	rte_pktmbuf_free(m);
	if ((r->nb_kernel > 0) != (whose == KERNELS || whose == BOTHS))
		fail_msg("%s: %u for the kernel", row->name, r->nb_kernel);
	if (r->nb_kernel > 0) {
		assert_int_equal(r->nb_kernel, 1);
		assert_int_equal(r->kernel.len, f.len);
		assert_memory_equal(r->kernel.b, f.b, f.len);
	}
	if ((ours(r) > before) != (whose == OURS || whose == BOTHS))
		fail_msg("%s: is %sto move something of ours", row->name,
			 whose == OURS || whose == BOTHS ? "" : "not ");
	if (whose == NOBODY && ignored(r) != drops + 1)
		fail_msg("%s: a drop is to be counted", row->name);
	if ((whose == KERNELS || whose == BOTHS) && ignored(r) != drops)
		fail_msg("%s: no drop is to be counted", row->name);
}

static void
all_rows(enum pw_wire_kernel kernel)
{
	for (uint32_t i = 0; i < RTE_DIM(rows); i++) {
		const enum whose whose[] = {rows[i].alone, rows[i].rest, rows[i].with_echo};
		struct rig r;

		rig6_plan(&r);
		r.conf.iface[0].kernel = kernel;
		rig_up(&r);
		rig_wait(&r, 5 * SEC); /* nobody may object to our addresses any more */
		see(&r, &rows[i], whose[kernel]);
		rig_down(&r);
	}
}

static void
test_without_a_kernel_all_is_settled_here(void **state)
{
	(void)state;
	all_rows(PW_WIRE_KERNEL_NONE);
}

static void
test_what_is_not_ours_is_the_kernels(void **state)
{
	(void)state;
	all_rows(PW_WIRE_KERNEL_REST);
}

static void
test_the_kernel_answers_pings_where_it_is_asked_to(void **state)
{
	(void)state;
	all_rows(PW_WIRE_KERNEL_AND_ECHO);
}

/* IPv6 on an interface that has none of its addresses. */
static void
test_a_family_that_is_not_spoken_here_is_the_kernels(void **state)
{
	struct rig r;
	struct frame f;

	(void)state;
	rig_plan(&r);
	r.conf.iface[0].kernel = PW_WIRE_KERNEL_REST;
	rig_up(&r);
	tcp6(&f);
	assert_null(rig_in(&r, 0, &f));
	assert_int_equal(r.nb_kernel, 1);
	assert_int_equal(rig_drops(&r), 0);
	/* The other interface has no kernel beside it. */
	frame_eth(&f, &rig_mac[1], &rig_peer, 0x86dd);
	assert_dropped(&r, 1, &f, drop_ethertype);
	assert_int_equal(r.nb_kernel, 1);
	rig_down(&r);
}

static void
test_a_kernel_that_nobody_leads_to_is_refused(void **state)
{
	struct rig r;

	(void)state;
	rig_plan(&r);
	r.conf.iface[1].kernel = PW_WIRE_KERNEL_REST;
	r.conf.hooks.kernel = NULL;
	assert_null(pw_wire_create(&r.conf));
	r.conf.iface[1].kernel = PW_WIRE_KERNEL_NONE;
	rig_up(&r);
	rig_down(&r);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_without_a_kernel_all_is_settled_here),
		cmocka_unit_test(test_what_is_not_ours_is_the_kernels),
		cmocka_unit_test(test_the_kernel_answers_pings_where_it_is_asked_to),
		cmocka_unit_test(test_a_family_that_is_not_spoken_here_is_the_kernels),
		cmocka_unit_test(test_a_kernel_that_nobody_leads_to_is_refused),
	};

	test_eal_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
