/* SPDX-License-Identifier: BSD-3-Clause */
/* Floods: of requests that nobody means, and of acknowledgements that nobody asked for. */
#include <string.h>

#include "script.h"

#define FLOOD 100096 /* a multiple of four bursts */
#define BURST 32

/* Segments from forged addresses: 11.x.y.z, one port each. */
static void
flood(struct script *s, uint32_t from, uint32_t n, uint8_t flags)
{
	struct pw_addr local = sim_wire_addr(0);
	struct rte_mbuf *burst[BURST];

	for (uint32_t i = 0; i < n; i++) {
		struct pw_addr remote = pw_addr_v4(rte_cpu_to_be_32(0x0b000000u + from + i));
		struct tcp_seg seg = {.sport = (uint16_t)(1024 + i),
				      .dport = LOCAL_PORT,
				      .seq = from + 17 * i,
				      .ack = from + 2654435761u * i,
				      .flags = flags,
				      .win = 65535,
				      .mss = flags & S ? 1460 : 0};
		uint8_t raw[SEG_MAX];

		burst[i] = tcp_seg_frame(script_mem()->pkt, &remote, &local, raw,
					 tcp_seg_build(&seg, raw));
		assert_non_null(burst[i]);
	}
	pw_tcp_input(s->t, burst, n, s->now);
	script_act(s);
}

static void
hundred_thousand_requests_cost_nothing_and_a_client_still_connects(void **state)
{
	struct script *s = script_open(&(struct pw_tcp_conf){.max_conns = 8});
	uint32_t clients = 0;

	(void)state;
	s->auto_consume = true;
	for (uint32_t i = 0; i < FLOOD; i += BURST) {
		flood(s, i, BURST, S);
		script_skip(s);
		assert_int_equal(rte_mempool_in_use_count(script_mem()->pkt), 0);
		assert_int_equal(rte_mempool_in_use_count(script_mem()->hdr), 0);
		assert_int_equal(pw_tcp_conns(s->t), clients);
		if (i / BURST % (FLOOD / BURST / 4) != 0)
			continue;
		/* Its answer and its acknowledgement have the flood between them. */
		s->rport = PEER_PORT + clients;
		s->iss_known = false;
		PEER(s, .flags = S, .win = 65535, .mss = 1460);
		EXPECT(s, .flags = S | A, .seq = 0, .ack = 1);
		for (uint32_t k = 0; k < 1000; k += BURST) {
			flood(s, 0x400000 + k, BURST, S);
			script_skip(s);
		}
		s->nb_got = 0;
		PEER(s, .flags = A, .seq = 1, .ack = 1, .win = 65535, .len = 10,
		     .data = script_bytes(0));
		assert_int_equal(s->accepted, ++clients);
		script_check_got(s, 10);
	}
	assert_int_equal(clients, 4);
	assert_true(pw_tcp_counters(s->t)->cookies_sent > FLOOD);
	assert_int_equal(pw_tcp_counters(s->t)->cookies_valid, 4);
	assert_int_equal(pw_tcp_counters(s->t)->drop_syn_full, 0);
	assert_int_equal(pw_tcp_counters(s->t)->open_failures, 0);
	/* Nothing waits for the forged; the clients' bytes are acknowledged. */
	s->now += 300000 * MS;
	pw_tcp_advance(s->t, s->now);
	script_act(s);
	assert_int_equal(script_skip(s), clients);
}

static void
forged_acknowledgements_are_answered_within_the_limit(void **state)
{
	struct script *s = script_open(NULL);
	uint32_t resets = 0;

	(void)state;
	for (uint32_t i = 0; i < FLOOD; i += BURST) {
		flood(s, i, BURST, A);
		resets += script_skip(s);
	}
	assert_int_equal(s->accepted, 0);
	assert_int_equal(pw_tcp_conns(s->t), 0);
	/* All in one second: 128 to 383 for each of 64 buckets of addresses. */
	assert_in_range(resets, 64 * 128, 64 * 383);
	assert_int_equal(pw_tcp_counters(s->t)->resets_out, resets);
	assert_int_equal(pw_tcp_counters(s->t)->cookies_invalid +
				 pw_tcp_counters(s->t)->cookies_early,
			 FLOOD);
	assert_in_range(pw_tcp_counters(s->t)->cookies_early, FLOOD / 2048 / 2, FLOOD / 2048 * 2);
	s->rport++;
	script_accept(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		SCRIPT(hundred_thousand_requests_cost_nothing_and_a_client_still_connects),
		SCRIPT(forged_acknowledgements_are_answered_within_the_limit),
	};

	return cmocka_run_group_tests(tests, script_group_setup, script_group_teardown);
}
