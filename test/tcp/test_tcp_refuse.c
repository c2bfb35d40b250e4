/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Answers to segments of no connection, and what somebody who forges addresses can learn from those
 * that come to him: how many there are depends on nothing that was done in another's name.
 */
#include <netinet/in.h>
#include <string.h>

#include "script.h"

#define LEAST	 128 /* answers a second to the addresses of one bucket */
#define MOST	 383
#define IPV6_LEN 40

/* Another header of IP, with the same address for both ends. */
static void
make_ipv6(struct rte_mbuf *m, const struct pw_addr *a)
{
	const uint32_t more = IPV6_LEN - SEG_IP_LEN;
	uint8_t *ip;

	assert_non_null(rte_pktmbuf_prepend(m, more));
	m->l3_len = IPV6_LEN;
	ip = rte_pktmbuf_mtod_offset(m, uint8_t *, SEG_ETHER_LEN);
	memset(ip, 0, IPV6_LEN);
	ip[0] = 0x60;
	ip[5] = (uint8_t)(m->pkt_len - SEG_ETHER_LEN - IPV6_LEN);
	ip[6] = IPPROTO_TCP;
	memcpy(ip + 8, a->b, sizeof(a->b));
	memcpy(ip + 24, a->b, sizeof(a->b));
}

/* One segment from an address to a port; returns how many answers it has had. */
static uint32_t
ask(struct script *s, struct pw_addr from, struct tcp_seg seg)
{
	struct pw_addr local = sim_wire_addr(0);
	uint8_t raw[SEG_MAX];
	struct rte_mbuf *m;

	m = tcp_seg_frame(script_mem()->pkt, &from, &local, raw, tcp_seg_build(&seg, raw));
	assert_non_null(m);
	if (!pw_addr_is_v4(&from))
		make_ipv6(m, &from);
	pw_tcp_input(s->t, &m, 1, s->now);
	script_act(s);
	return script_skip(s);
}

static uint32_t
ask_closed_port(struct script *s, struct pw_addr from, uint32_t n)
{
	uint32_t answers = 0;

	while (n-- != 0)
		answers += ask(s, from,
			       (struct tcp_seg){.sport = 1024, .dport = 7, .ack = 5, .flags = A});
	return answers;
}

static struct pw_addr
host(uint32_t i)
{
	return pw_addr_v4(rte_cpu_to_be_32(0x0b000000u + i));
}

static void
resets_to_one_address_are_bounded_by_the_second(void **state)
{
	struct script *s = script_open(NULL);
	uint32_t n = ask_closed_port(s, host(1), 1000), changes = 0;

	(void)state;
	assert_in_range(n, LEAST, MOST);
	assert_int_equal(pw_tcp_counters(s->t)->resets_out, n);
	assert_int_equal(pw_tcp_counters(s->t)->resets_limited, 1000 - n);
	assert_int_equal(pw_tcp_counters(s->t)->drop_no_conn, 1000);
	/* The number is drawn anew: it says nothing of who else has had answers. */
	for (uint32_t i = 0; i < 8; i++) {
		uint32_t before = n;

		script_pass(s, 1000 * MS);
		n = ask_closed_port(s, host(1), 1000);
		assert_in_range(n, LEAST, MOST);
		changes += n != before;
	}
	assert_true(changes >= 6);
}

/* Those who share a budget are others each second. */
static void
flood_in_one_name_leaves_answers_for_others(void **state)
{
	struct script *s = script_open(NULL);
	uint32_t unheard = 0, same[100] = {0};

	(void)state;
	for (uint32_t i = 0; i < 20; i++) {
		ask_closed_port(s, host(1), 500);
		for (uint32_t k = 0; k < RTE_DIM(same); k++) {
			bool none = ask_closed_port(s, host(100 + k), 1) == 0;

			unheard += none;
			same[k] += none;
		}
		script_pass(s, 1000 * MS);
	}
	assert_in_range(unheard, 1, 20 * RTE_DIM(same) / 20);
	for (uint32_t k = 0; k < RTE_DIM(same); k++)
		assert_true(same[k] < 6);
}

/* Whoever has one address of an IPv6 network has them all. */
static void
addresses_of_one_ipv6_network_share_a_budget(void **state)
{
	struct script *s = script_open(NULL);
	struct pw_addr a;
	uint32_t n = 0;

	(void)state;
	assert_int_equal(pw_addr_parse(&a, "2001:db8:1:2::1"), 0);
	for (uint32_t i = 0; i < 1000; i++) {
		a.b[15] = (uint8_t)i;
		a.b[9] = (uint8_t)(i >> 8);
		n += ask_closed_port(s, a, 1);
	}
	assert_in_range(n, LEAST, MOST);
}

/*
 * Segments to the listener in a victim's name, which acknowledge what the victim was answered, or
 * something else; then as many of the guesser's own as bring answers. Guesser and victim have one
 * address here, so that they share a budget. What is right in part must cost what is wrong does.
 */
static uint32_t
answers_left_after(struct script *s, uint32_t guess, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		(void)ask(s, sim_wire_addr(1),
			  (struct tcp_seg){.sport = s->rport,
					   .dport = LOCAL_PORT,
					   .seq = PEER_ISS + 1000 + i,
					   .ack = guess,
					   .flags = A,
					   .win = 65535});
	return ask_closed_port(s, sim_wire_addr(1), MOST + 1);
}

static void
guess_that_is_right_in_part_shows_in_no_count(void **state)
{
	uint32_t left[4];

	(void)state;
	for (uint32_t i = 0; i < RTE_DIM(left); i++) {
		struct script *s;

		script_setup(NULL);
		s = script_open(NULL);
		PEER(s, .flags = S, .win = 65535, .mss = 1460);
		EXPECT(s, .flags = S | A, .seq = 0, .ack = 1);
		/* Everything wrong; the mark of the flow right, that of the request not. */
		left[i] = answers_left_after(s, s->iss + 1 + (i % 2 == 0 ? 0x55500000 : 0),
					     i < 2 ? 50 : LEAST);
		if (i % 2 != 0)
			assert_true(pw_tcp_counters(s->t)->cookies_early >= 50);
		else
			assert_int_equal(pw_tcp_counters(s->t)->cookies_early, 0);
		pw_tcp_destroy(s->t);
		s->t = NULL;
	}
	assert_int_equal(left[0], left[1]);
	assert_int_equal(left[2], left[3]);
	assert_int_equal(left[0] - left[2], LEAST - 50);
}

/* The same for a flow that has left a record, whose answers are ACK instead of RST. */
static void
guess_for_a_flow_in_time_wait_shows_in_no_count(void **state)
{
	uint32_t left[2];

	(void)state;
	for (uint32_t i = 0; i < RTE_DIM(left); i++) {
		struct script *s;

		script_setup(NULL);
		s = script_open(NULL);
		script_accept(s);
		pw_tcp_close(s->t, s->conn, s->now);
		script_act(s);
		PEER(s, .flags = F | A, .seq = 1, .ack = 2, .win = 65535);
		script_skip(s);
		assert_int_equal(s->gone, 1);
		s->iss_known = false;
		PEER(s, .flags = S, .seq = 100000, .win = 65535, .mss = 1460);
		EXPECT(s, .flags = S | A, .seq = 0, .ack = 100001);
		left[i] = answers_left_after(s, s->iss + 1 + (i == 0 ? 0x15500000 : 0), 50);
		assert_int_equal(pw_tcp_counters(s->t)->cookies_early, i == 0 ? 0 : 50);
		pw_tcp_destroy(s->t);
		s->t = NULL;
	}
	assert_int_equal(left[0], left[1]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		SCRIPT(resets_to_one_address_are_bounded_by_the_second),
		SCRIPT(flood_in_one_name_leaves_answers_for_others),
		SCRIPT(addresses_of_one_ipv6_network_share_a_budget),
		SCRIPT(guess_that_is_right_in_part_shows_in_no_count),
		SCRIPT(guess_for_a_flow_in_time_wait_shows_in_no_count),
	};

	return cmocka_run_group_tests(tests, script_group_setup, script_group_teardown);
}
