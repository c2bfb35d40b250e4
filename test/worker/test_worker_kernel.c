/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The way to the kernel's interface and back, with rings for a kernel: what is TCP's, how much goes
 * over, by which worker, and that buffers come back whatever becomes of the interface.
 */
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <rte_ip.h>
#include <rte_tcp.h>

#include "eal.h"
#include "tcp_seg.h"
#include "worker_pvt.h"
#include "world.h"

#define DEVICES	 8
#define SSH	 22
#define RATE	 100
#define NO_BOUND 1000000
#define SECOND	 (1000 * MS)

static struct pw_addr
addr(const char *text)
{
	struct pw_addr a;

	assert_int_equal(pw_addr_parse(&a, text), 0);
	return a;
}

/* A frame from the devices' side to pubwire's address there. */
static struct rte_mbuf *
frame(const struct world *w, uint8_t proto, uint16_t sport, uint16_t dport, uint16_t len)
{
	struct pw_addr from = addr("10.1.0.2"), to = addr("10.1.0.1");
	struct tcp_seg seg = {
		.sport = sport, .dport = dport, .seq = 7, .flags = SEG_SYN, .len = len};
	uint8_t raw[SEG_MAX];
	struct rte_mbuf *m =
		tcp_seg_frame(w->far_mem.pkt, &from, &to, raw, tcp_seg_build(&seg, raw));
	struct rte_ether_hdr *eth;
	struct rte_ipv4_hdr *ip;
	struct rte_tcp_hdr *tcp;

	assert_non_null(m);
	eth = rte_pktmbuf_mtod(m, struct rte_ether_hdr *);
	ip = (struct rte_ipv4_hdr *)(eth + 1);
	tcp = (struct rte_tcp_hdr *)(ip + 1);
	eth->dst_addr = w->port[0].mac;
	eth->src_addr = w->side[0].port.mac;
	ip->next_proto_id = proto;
	ip->hdr_checksum = 0;
	ip->hdr_checksum = rte_ipv4_cksum(ip);
	if (proto == IPPROTO_TCP)
		tcp->cksum = rte_ipv4_udptcp_cksum(ip, tcp);
	return m;
}

static void
arrives(struct world *w, struct rte_mbuf *m)
{
	assert_int_equal(rte_ring_enqueue(w->side[0].to_near[0], m), 0);
}

/* The next IP packet that the kernel has got; NULL: none. Both hear the answers to ARP. */
static struct rte_mbuf *
kernel_got(struct world *w)
{
	void *p;

	while (rte_ring_dequeue(w->to_kernel, &p) == 0) {
		struct rte_mbuf *m = p;

		if (rte_pktmbuf_mtod(m, struct rte_ether_hdr *)->ether_type !=
		    RTE_BE16(RTE_ETHER_TYPE_ARP))
			return m;
		rte_pktmbuf_free(m);
	}
	return NULL;
}

static uint32_t
kernel_swallows(struct world *w)
{
	struct rte_mbuf *m;
	uint32_t n = 0;

	while ((m = kernel_got(w)) != NULL) {
		rte_pktmbuf_free(m);
		n++;
	}
	return n;
}

#define COUNT(w, worker, field) (pw_fleet_counters((w)->fleet, worker)->field)

static uint64_t
resets(const struct world *w)
{
	uint64_t n = 0;

	for (uint32_t i = 0; i < pw_fleet_workers(w->fleet); i++)
		n += pw_tcp_counters(pw_fleet_tcp(w->fleet, i))->resets_out;
	return n;
}

static void
publish(struct world *w)
{
	for (uint32_t i = 0; i < w->nb_devices; i++)
		(void)device_publish(&w->device[i], 1, "t", "x", 1);
}

static void
test_tcp_of_no_connection_and_no_listener_is_the_kernels(void **state)
{
	static const struct world_conf conf = {.workers = 1, .kernel_rate = NO_BOUND};
	struct world *w = world_create(&conf);
	struct rte_mbuf *sent = frame(w, IPPROTO_TCP, 4711, SSH, 5), *m;
	uint8_t before[SEG_MAX];
	uint32_t len = sent->pkt_len;

	(void)state;
	world_connect(w, DEVICES, PW_MQTT_3_1_1);
	assert_int_equal(kernel_swallows(w), 0); /* nothing of what MQTT takes */
	memcpy(before, rte_pktmbuf_mtod(sent, const void *), len);
	arrives(w, sent);
	world_run(w, 1);
	m = kernel_got(w);
	assert_non_null(m);
	assert_int_equal(m->pkt_len, len);
	assert_memory_equal(rte_pktmbuf_mtod(m, const void *), before, len);
	rte_pktmbuf_free(m);
	assert_int_equal(resets(w), 0);
	/* A listener's port is ours, also where nothing fits a connection. */
	m = frame(w, IPPROTO_TCP, 4711, 1883, 0);
	rte_pktmbuf_mtod_offset(m, struct rte_tcp_hdr *, 34)->tcp_flags = SEG_RST;
	arrives(w, m);
	arrives(w, frame(w, IPPROTO_TCP, 4712, 1883, 0));
	world_run(w, 1);
	assert_int_equal(kernel_swallows(w), 0);
	world_destroy(w);
}

/* A server of the host on all its addresses must not have the devices of a pubwire that ends. */
static void
test_listeners_are_ours_while_they_refuse(void **state)
{
	static const struct world_conf conf = {.workers = 1, .kernel_rate = NO_BOUND};
	struct world *w = world_create(&conf);

	(void)state;
	world_connect(w, 1, PW_MQTT_3_1_1);
	pw_fleet_drain(w->fleet);
	world_run(w, 100);
	(void)kernel_swallows(w);
	arrives(w, frame(w, IPPROTO_TCP, 4711, 1883, 0));
	world_run(w, 1);
	assert_int_equal(kernel_swallows(w), 0);
	assert_true(resets(w) > 0);
	world_destroy(w);
}

static void
test_without_a_kernel_tcp_is_reset(void **state)
{
	static const struct world_conf conf = {.workers = 1};
	struct world *w = world_create(&conf);

	(void)state;
	world_connect(w, 1, PW_MQTT_3_1_1);
	arrives(w, frame(w, IPPROTO_TCP, 4711, SSH, 5));
	world_run(w, 1);
	assert_int_equal(resets(w), 1);
	world_destroy(w);
}

static void
test_frames_of_every_worker_reach_the_kernel(void **state)
{
	static const struct world_conf conf = {.workers = 2, .kernel_rate = NO_BOUND};
	struct world *w = world_create(&conf);

	(void)state;
	world_connect(w, DEVICES, PW_MQTT_3_1_1);
	for (uint16_t i = 0; i < 64; i++)
		arrives(w, frame(w, IPPROTO_TCP, 5000 + i, SSH, 0));
	world_run(w, 10);
	assert_int_equal(kernel_swallows(w), 64);
	assert_true(COUNT(w, 1, messages_out) > 0); /* some were worker 1's to judge */
	assert_int_equal(COUNT(w, 1, to_kernel), 0);
	assert_int_equal(resets(w), 0);
	world_destroy(w);
}

static void
test_a_flood_costs_no_more_than_the_rate(void **state)
{
	static const struct world_conf conf = {.workers = 2, .kernel_rate = RATE};
	struct world *w = world_create(&conf);
	uint64_t got = 0, dropped, arp;

	(void)state;
	world_connect(w, DEVICES, PW_MQTT_3_1_1);
	world_run(w, 1000); /* a second's worth has gathered */
	arp = COUNT(w, 0, to_kernel);
	for (uint32_t second = 0; second < 2; second++) {
		uint64_t begin = w->now;

		publish(w);
		for (uint32_t i = 0; i < 500; i++) {
			arrives(w, frame(w, IPPROTO_UDP, 1000, 3784, 16));
			arrives(w, frame(w, IPPROTO_TCP, (uint16_t)(5000 + i), SSH, 0));
			world_step(w);
		}
		world_run(w, 20);
		got += kernel_swallows(w);
		/* What had gathered, and what has come in since. */
		assert_in_range(got, second == 0 ? RATE : 2 * RATE,
				second == 0 ? RATE + 10 : 2 * RATE + 20);
		assert_true(world_acked(w));
		world_run(w, (uint32_t)((begin + SECOND - w->now) / MS));
	}
	dropped = COUNT(w, 0, drop_kernel_rate) + COUNT(w, 1, drop_kernel_rate);
	assert_int_equal(got + dropped, 2000);
	assert_int_equal(COUNT(w, 0, to_kernel), arp + got);
	world_destroy(w);
}

static void
test_frames_of_the_kernel_leave_by_the_port_at_the_rate(void **state)
{
	static const struct world_conf conf = {.workers = 1, .kernel_rate = RATE};
	struct world *w = world_create(&conf);
	uint64_t before;

	(void)state;
	world_connect(w, DEVICES, PW_MQTT_3_1_1);
	world_run(w, 1000);
	before = COUNT(w, 0, tx_frames);
	for (uint32_t i = 0; i < 3 * RATE; i++)
		assert_int_equal(
			rte_ring_enqueue(w->from_kernel, frame(w, IPPROTO_UDP, 3784, 3784, 16)), 0);
	world_run(w, 100);
	assert_in_range(COUNT(w, 0, from_kernel), RATE, RATE + RATE / 10 + 1);
	assert_true(COUNT(w, 0, tx_frames) >= before + RATE);
	assert_true(COUNT(w, 0, kernel_held_back) > 0);
	/* What is above it waits with the kernel, and is lost nowhere. */
	assert_int_equal(COUNT(w, 0, from_kernel) + rte_ring_count(w->from_kernel), 3 * RATE);
	world_run(w, 2100);
	assert_int_equal(COUNT(w, 0, from_kernel), 3 * RATE);
	world_destroy(w);
}

/* A frame that came between the last look and the arming of interrupts would wake nobody. */
static void
test_a_worker_about_to_wait_looks_at_the_kernel_once_more(void **state)
{
	static const struct world_conf conf = {.workers = 1, .kernel_rate = NO_BOUND};
	struct world *w = world_create(&conf);

	(void)state;
	(void)pw_worker_turn(w->fleet, 0, w->now += MS);
	assert_int_equal(rte_ring_enqueue(w->from_kernel, frame(w, IPPROTO_UDP, 3784, 3784, 16)),
			 0);
	(void)pw_worker_turn(w->fleet, 0, w->now += 1000);
	assert_int_equal(COUNT(w, 0, from_kernel), 0); /* too soon after the last look */
	w->fleet->worker[0]->armed = true;
	assert_true(pw_worker_turn(w->fleet, 0, w->now += 1000) > 0);
	assert_int_equal(COUNT(w, 0, from_kernel), 1);
	w->fleet->worker[0]->armed = false;
	world_destroy(w);
}

static void
test_the_kernel_sees_no_tags(void **state)
{
	static const struct world_conf conf = {.workers = 1, .kernel_rate = NO_BOUND};
	struct world *w = world_create(&conf);
	struct rte_mbuf *m = frame(w, IPPROTO_UDP, 1000, 3784, 16);
	uint32_t len = m->pkt_len;
	uint8_t plain[SEG_MAX];
	void *sent;

	(void)state;
	memcpy(plain, rte_pktmbuf_mtod(m, const void *), len);
	w->side[0].unplugged = true;
	while (rte_ring_dequeue(w->side[0].from_near[0], &sent) == 0)
		rte_pktmbuf_free(sent);
	w->port[0].vlan = 7;
	m->vlan_tci = 7;
	assert_int_equal(rte_vlan_insert(&m), 0);
	assert_int_equal(m->pkt_len, len + 4);
	arrives(w, m);
	(void)pw_worker_turn(w->fleet, 0, w->now += MS);
	m = kernel_got(w);
	assert_non_null(m);
	assert_int_equal(m->pkt_len, len);
	assert_memory_equal(rte_pktmbuf_mtod(m, const void *), plain, len);
	assert_int_equal(m->ol_flags, 0);
	/* And back: the port's tag, written by whom the port leaves it to. */
	while (rte_ring_dequeue(w->side[0].from_near[0], &sent) == 0)
		rte_pktmbuf_free(sent);
	assert_int_equal(rte_ring_enqueue(w->from_kernel, m), 0);
	(void)pw_worker_turn(w->fleet, 0, w->now += MS);
	assert_int_equal(COUNT(w, 0, from_kernel), 1);
	m = NULL;
	while (rte_ring_dequeue(w->side[0].from_near[0], &sent) == 0) {
		struct rte_mbuf *s = sent;

		if (s->pkt_len == len + 4)
			m = s;
		else
			rte_pktmbuf_free(s);
	}
	assert_non_null(m);
	assert_memory_equal(rte_pktmbuf_mtod_offset(m, const uint8_t *, 12), "\x81\x00\x00\x07", 4);
	assert_memory_equal(rte_pktmbuf_mtod_offset(m, const uint8_t *, 16), plain + 12, len - 12);
	rte_pktmbuf_free(m);
	w->port[0].vlan = 0;
	world_destroy(w);
}

static void
test_an_interface_that_is_gone_stops_nothing(void **state)
{
	static const struct world_conf conf = {.workers = 1, .kernel_rate = NO_BOUND};
	struct world *w = world_create(&conf);
	uint64_t before;

	(void)state;
	world_connect(w, DEVICES, PW_MQTT_3_1_1);
	before = COUNT(w, 0, to_kernel);
	pw_fleet_kernel_gone(w->fleet, 0);
	for (uint16_t i = 0; i < 100; i++)
		arrives(w, frame(w, IPPROTO_UDP, 1000 + i, 3784, 16));
	assert_int_equal(rte_ring_enqueue(w->from_kernel, frame(w, IPPROTO_UDP, 3784, 3784, 16)),
			 0);
	publish(w);
	assert_true(world_until(w, world_acked, 1000));
	assert_int_equal(COUNT(w, 0, drop_kernel_refused), 100);
	assert_int_equal(COUNT(w, 0, to_kernel), before);
	assert_int_equal(COUNT(w, 0, from_kernel), 0);
	assert_int_equal(kernel_swallows(w), 0);
	world_destroy(w); /* asserts that every buffer is back */
}

static void
test_an_interface_that_takes_no_more_costs_its_own_frames_only(void **state)
{
	static const struct world_conf conf = {.workers = 1, .kernel_rate = NO_BOUND};
	struct world *w = world_create(&conf);
	uint32_t room = rte_ring_get_capacity(w->to_kernel);

	(void)state;
	for (uint32_t i = 0; i < room + 10; i++) {
		arrives(w, frame(w, IPPROTO_UDP, 1000, 3784, 16));
		if (i % 16 == 0)
			world_step(w);
	}
	world_run(w, 5);
	assert_int_equal(COUNT(w, 0, to_kernel), room);
	assert_int_equal(COUNT(w, 0, drop_kernel_refused), 10);
	world_connect(w, DEVICES, PW_MQTT_3_1_1);
	world_destroy(w);
}

static void
test_frames_in_a_ring_are_bounded_and_freed_at_the_end(void **state)
{
	static const struct world_conf conf = {.workers = 2, .kernel_rate = NO_BOUND};
	struct world *w = world_create(&conf);

	(void)state;
	world_connect(w, DEVICES, PW_MQTT_3_1_1);
	/* Worker 0 receives and hands over, but does not look what comes back. */
	for (uint32_t i = 0; i < 1000; i++) {
		struct rte_mbuf *m = frame(w, IPPROTO_TCP, 4711, SSH, 0);

		worker_to_kernel(w->fleet->worker[1], 0, m, w->now);
	}
	assert_int_equal(pw_ring_count(&lane_of(w->fleet, 1, 0)->messages),
			 rte_ring_get_capacity(lane_of(w->fleet, 1, 0)->messages.r) / 4);
	assert_int_equal(COUNT(w, 1, drop_kernel_ring),
			 1000 - rte_ring_get_capacity(lane_of(w->fleet, 1, 0)->messages.r) / 4);
	world_destroy(w); /* asserts that every buffer is back */
}

/* A worker's own bound keeps rings and the owner clear of what would be dropped there. */
static void
test_each_worker_bounds_what_it_hands_over(void **state)
{
	static const struct world_conf conf = {.workers = 2, .kernel_rate = RATE};
	struct world *w = world_create(&conf);
	uint64_t before = COUNT(w, 1, messages_out);

	(void)state;
	for (uint32_t i = 0; i < 2 * RATE; i++)
		worker_to_kernel(w->fleet->worker[1], 0, frame(w, IPPROTO_TCP, 4711, SSH, 0),
				 w->now);
	assert_int_equal(COUNT(w, 1, messages_out) - before, RATE);
	assert_int_equal(COUNT(w, 1, drop_kernel_rate), RATE);
	world_destroy(w); /* asserts that every buffer is back */
}

static void
test_more_than_a_burst_of_a_turn_reaches_the_kernel(void **state)
{
	static const struct world_conf conf = {.workers = 1, .kernel_rate = NO_BOUND};
	const uint32_t n = 3 * WORKER_BURST + 1;
	struct world *w = world_create(&conf);

	(void)state;
	for (uint32_t i = 0; i < n; i++)
		worker_kernel_from_other(w->fleet->worker[0], 0, frame(w, IPPROTO_UDP, 1, 3784, 16),
					 w->now);
	(void)pw_worker_turn(w->fleet, 0, w->now += MS);
	assert_int_equal(kernel_swallows(w), n);
	world_destroy(w);
}

/* A tag is taken out of a copy where somebody else reads the frame too. */
static void
test_a_shared_frame_stays_as_it_is(void **state)
{
	static const struct world_conf conf = {.workers = 1, .kernel_rate = NO_BOUND};
	struct world *w = world_create(&conf);
	struct rte_mbuf *m = frame(w, IPPROTO_UDP, 1000, 3784, 16), *got;
	uint8_t before[SEG_MAX];
	uint32_t len;

	(void)state;
	m->vlan_tci = 7;
	assert_int_equal(rte_vlan_insert(&m), 0);
	len = m->pkt_len;
	memcpy(before, rte_pktmbuf_mtod(m, const void *), len);
	rte_mbuf_refcnt_update(m, 1);
	worker_to_kernel(w->fleet->worker[0], 0, m, w->now);
	(void)pw_worker_turn(w->fleet, 0, w->now += MS);
	got = kernel_got(w);
	assert_non_null(got);
	assert_int_equal(got->pkt_len, len - 4);
	rte_pktmbuf_free(got);
	assert_int_equal(rte_mbuf_refcnt_read(m), 1);
	assert_int_equal(m->pkt_len, len);
	assert_memory_equal(rte_pktmbuf_mtod(m, const void *), before, len);
	rte_pktmbuf_free(m);
	world_destroy(w);
}

static void
test_a_frame_of_the_kernel_in_more_pieces_than_the_port_sends_is_dropped(void **state)
{
	static const struct world_conf conf = {.workers = 1, .kernel_rate = NO_BOUND};
	struct world *w = world_create(&conf);
	struct rte_mbuf *m = frame(w, IPPROTO_UDP, 3784, 3784, 16);
	struct rte_mbuf *more = rte_pktmbuf_alloc(w->far_mem.pkt);
	uint16_t max = w->port[0].max_segs;

	(void)state;
	assert_non_null(more);
	memset(rte_pktmbuf_append(more, 10), 0, 10);
	assert_int_equal(rte_pktmbuf_chain(m, more), 0);
	w->port[0].max_segs = 1;
	assert_int_equal(rte_ring_enqueue(w->from_kernel, m), 0);
	(void)pw_worker_turn(w->fleet, 0, w->now += MS);
	assert_int_equal(COUNT(w, 0, drop_tx_refused), 1);
	assert_int_equal(COUNT(w, 0, from_kernel), 0);
	w->port[0].max_segs = max;
	world_destroy(w);
}

/* TCP in pieces is put together before anybody knows whose it is. */
static void
test_what_grew_too_large_for_the_kernel_is_reset(void **state)
{
	static const struct world_conf conf = {.workers = 1, .kernel_rate = NO_BOUND};
	struct world *w = world_create(&conf);
	struct rte_mbuf *m = frame(w, IPPROTO_TCP, 4711, SSH, 1000);

	(void)state;
	w->kernel_port.mtu = 1000;
	arrives(w, m);
	arrives(w, frame(w, IPPROTO_UDP, 1000, 3784, 1000));
	world_run(w, 1);
	assert_int_equal(kernel_swallows(w), 0);
	assert_int_equal(COUNT(w, 0, drop_kernel_refused), 1);
	assert_int_equal(pw_tcp_counters(pw_fleet_tcp(w->fleet, 0))->drop_no_conn, 1);
	w->kernel_port.mtu = 1500;
	world_destroy(w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tcp_of_no_connection_and_no_listener_is_the_kernels),
		cmocka_unit_test(test_listeners_are_ours_while_they_refuse),
		cmocka_unit_test(test_without_a_kernel_tcp_is_reset),
		cmocka_unit_test(test_frames_of_every_worker_reach_the_kernel),
		cmocka_unit_test(test_a_flood_costs_no_more_than_the_rate),
		cmocka_unit_test(test_frames_of_the_kernel_leave_by_the_port_at_the_rate),
		cmocka_unit_test(test_a_worker_about_to_wait_looks_at_the_kernel_once_more),
		cmocka_unit_test(test_the_kernel_sees_no_tags),
		cmocka_unit_test(test_an_interface_that_is_gone_stops_nothing),
		cmocka_unit_test(test_an_interface_that_takes_no_more_costs_its_own_frames_only),
		cmocka_unit_test(test_frames_in_a_ring_are_bounded_and_freed_at_the_end),
		cmocka_unit_test(test_each_worker_bounds_what_it_hands_over),
		cmocka_unit_test(test_more_than_a_burst_of_a_turn_reaches_the_kernel),
		cmocka_unit_test(test_a_shared_frame_stays_as_it_is),
		cmocka_unit_test(
			test_a_frame_of_the_kernel_in_more_pieces_than_the_port_sends_is_dropped),
		cmocka_unit_test(test_what_grew_too_large_for_the_kernel_is_reset),
	};

	(void)test_eal_init_with("(0-1)@0", 256, NULL, 0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
