/* SPDX-License-Identifier: BSD-3-Clause */
/* What a worker does when buffers or queues run short, and what it tells the others. */
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <rte_ethdev.h>
#include <rte_ip.h>
#include <rte_tcp.h>

#include "../../lib/tcp/stack_pvt.h"
#include "eal.h"
#include "world.h"

#define PRESSURE_MS 40 /* the pool is looked at once in 256 turns */

static uint32_t want;

/* Descriptors that each receive queue claims to have; 0: its driver does not tell. */
static uint16_t told;

/* "used": the optimiser of links (b_lto) does not see the linker's renaming. */
int __wrap_rte_eth_rx_queue_info_get(uint16_t port, uint16_t queue, struct rte_eth_rxq_info *info)
	__attribute__((used));

int
__wrap_rte_eth_rx_queue_info_get(uint16_t port, uint16_t queue, struct rte_eth_rxq_info *info)
{
	(void)port;
	(void)queue;
	info->nb_desc = told;
	return told != 0 ? 0 : -ENOTSUP;
}

static bool
device_acked(const struct world *w)
{
	return w->device[0].nb_acks >= want;
}

static bool
second_connected(const struct world *w)
{
	return w->device[1].connected;
}

static uint32_t
take(struct world *w, struct rte_mbuf **held, uint32_t percent)
{
	uint32_t n = 0;

	while (pw_mem_used_percent(&w->near_mem) < percent)
		held[n++] = rte_pktmbuf_alloc(w->near_mem.pkt);
	return n;
}

static void
test_short_buffers_stop_devices_first_and_new_connections_next(void **state)
{
	static const struct world_conf conf = {.workers = 1};
	static struct rte_mbuf *held[8192];
	struct world *w = world_create(&conf);
	uint32_t n;

	(void)state;
	world_connect(w, 1, PW_MQTT_3_1_1);
	/* One is outstanding: its completion is what others wait for. */
	w->broker[0].hold_acks = true;
	(void)device_publish(&w->device[0], 1, "t", "payload", 7);
	world_run(w, 100);
	assert_int_equal(w->broker[0].nb_records, 1);
	n = take(w, held, 77);
	world_run(w, PRESSURE_MS);
	(void)device_publish(&w->device[0], 1, "t", "payload", 7);
	world_run(w, 500);
	assert_int_equal(w->broker[0].nb_records, 1); /* the device is not read */
	assert_int_equal(pw_tcp_counters(pw_fleet_tcp(w->fleet, 0))->drop_syn_pressure, 0);

	n += take(w, held + n, 87);
	world_run(w, PRESSURE_MS);
	device_create(&w->device[1], &w->side[0], "10.1.0.2", "10.1.0.1", 1883, PW_MQTT_3_1_1,
		      "second", w->now);
	world_run(w, 500);
	assert_false(w->device[1].connected);
	assert_true(pw_tcp_counters(pw_fleet_tcp(w->fleet, 0))->drop_syn_pressure > 0);

	rte_pktmbuf_free_bulk(held, n);
	world_run(w, PRESSURE_MS);
	w->broker[0].hold_acks = false;
	assert_int_equal(broker_ack(&w->broker[0], 2), 2);
	want = 2;
	assert_true(world_until(w, device_acked, 5000));
	assert_true(world_until(w, second_connected, 10000));
	world_destroy(w);
}

/* Of two receive queues together: 74 % of the buffers. */
#define POSTED 6100

static bool
read_at_rest_and_held_under_pressure(struct world *w)
{
	static struct rte_mbuf *held[WORLD_PKT];
	uint32_t n = (WORLD_PKT - POSTED) * 78 / 100;
	bool ok;

	world_run(w, PRESSURE_MS);
	world_connect(w, 1, PW_MQTT_3_1_1);
	w->broker[0].hold_acks = true;
	for (uint32_t i = 0; i < 2; i++) {
		(void)device_publish(&w->device[0], 1, "t", "payload", 7);
		world_run(w, 200);
	}
	ok = w->broker[0].nb_records == 2;
	assert_int_equal(rte_pktmbuf_alloc_bulk(w->near_mem.pkt, held, n), 0);
	world_run(w, PRESSURE_MS);
	(void)device_publish(&w->device[0], 1, "t", "payload", 7);
	world_run(w, 200);
	ok = ok && w->broker[0].nb_records == 2;
	rte_pktmbuf_free_bulk(held, n);
	world_run(w, 200);
	return ok && w->broker[0].nb_records == 3;
}

static void
test_buffers_that_a_driver_took_for_receive_queues_are_no_pressure(void **state)
{
	static const struct world_conf conf = {.workers = 1, .posted = POSTED};
	struct world *w = world_create(&conf);

	(void)state;
	assert_true(read_at_rest_and_held_under_pressure(w));
	world_destroy(w);
}

static void
test_descriptors_that_a_driver_tells_of_are_no_pressure(void **state)
{
	static const struct world_conf conf = {.workers = 1, .posted = POSTED / 10};
	static struct rte_mbuf *later[POSTED];
	struct world *w;
	bool ok;

	(void)state;
	told = POSTED / 2;
	w = world_create(&conf);
	told = 0;
	/* The rest of the rings fills as a lazy driver fills it. */
	assert_int_equal(rte_pktmbuf_alloc_bulk(w->near_mem.pkt, later, POSTED - POSTED / 10), 0);
	ok = read_at_rest_and_held_under_pressure(w);
	rte_pktmbuf_free_bulk(later, POSTED - POSTED / 10);
	assert_true(ok);
	world_destroy(w);
}

static void
test_receive_queues_that_leave_too_few_buffers_are_refused(void **state)
{
	static const struct world_conf conf = {
		.workers = 1,
		.refusal = "receive queues hold 6146 of 8191 packet buffers; give at least 8195 "
			   "packet_buffers, or fewer rx_descriptors",
	};

	(void)state;
	told = 3073;
	world_destroy(world_create(&conf));
	told = 0;
}

/* As many again on each worker would be pressure that no peer's silence ends. */
static void
test_workers_hold_an_eighth_beyond_gaps_together(void **state)
{
	static const struct world_conf conf = {.workers = 2, .posted = 4000};
	struct world *w = world_create(&conf);
	uint32_t sum = 0;

	(void)state;
	for (uint32_t i = 0; i < 2; i++)
		sum += pw_fleet_tcp(w->fleet, i)->conf.max_ooo_total;
	assert_in_range(sum, (WORLD_PKT - 4000) / 8 - 2, (WORLD_PKT - 4000) / 8);
	world_destroy(w);
}

static void
test_full_queue_of_a_port_drops_counts_and_recovers(void **state)
{
	static const struct world_conf conf = {.workers = 1};
	struct world *w = world_create(&conf);
	struct rte_mbuf *m;

	(void)state;
	world_connect(w, 1, PW_MQTT_3_1_1);
	while ((m = rte_pktmbuf_alloc(w->far_mem.pkt)) != NULL &&
	       rte_ring_enqueue(w->side[1].from_near[0], m) == 0)
		;
	rte_pktmbuf_free(m);
	(void)device_publish(&w->device[0], 1, "t", "payload", 7);
	for (uint32_t i = 0; i < 20; i++) {
		w->now += MS;
		peer_turn(&w->side[0], w->now);
		(void)pw_worker_turn(w->fleet, 0, w->now);
	}
	assert_true(pw_fleet_counters(w->fleet, 0)->drop_tx_full > 0);
	assert_int_equal(w->broker[0].nb_records, 0);
	want = 1; /* TCP sends again what was dropped */
	assert_true(world_until(w, device_acked, 5000));
	world_destroy(w);
}

/* A segment of ours to a device, as it would come back inside an ICMP error. */
static struct rte_mbuf *
our_segment(struct world *w, uint16_t device_port)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(w->far_mem.pkt);
	uint8_t *p = rte_pktmbuf_mtod(m, uint8_t *);
	struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)(p + 14);
	struct rte_tcp_hdr *tcp = (struct rte_tcp_hdr *)(ip + 1);

	assert_non_null(rte_pktmbuf_append(m, 54));
	memset(p, 0, 54);
	memcpy(p, &w->side[0].port.mac, 6);
	memcpy(p + 6, &w->port[0].mac, 6);
	p[12] = 0x08;
	ip->version_ihl = 0x45;
	ip->time_to_live = 64;
	ip->total_length = rte_cpu_to_be_16(40);
	ip->next_proto_id = IPPROTO_TCP;
	ip->src_addr = rte_cpu_to_be_32(RTE_IPV4(10, 1, 0, 1));
	ip->dst_addr = rte_cpu_to_be_32(RTE_IPV4(10, 1, 0, 2));
	ip->hdr_checksum = rte_ipv4_cksum(ip);
	tcp->src_port = rte_cpu_to_be_16(1883);
	tcp->dst_port = rte_cpu_to_be_16(device_port);
	tcp->data_off = 5 << 4;
	m->l2_len = 14;
	m->l3_len = 20;
	return m;
}

static void
test_icmp_error_reaches_the_worker_of_the_flow(void **state)
{
	static const struct world_conf conf = {.workers = 2};
	struct world *w = world_create(&conf);
	struct rte_mbuf *m;
	struct pw_flow flow, ours;
	uint64_t before;
	uint32_t i;

	(void)state;
	world_connect(w, 8, PW_MQTT_3_1_1);
	for (i = 0; i < 8; i++) {
		pw_tcp_flow(w->device[i].conn, &flow);
		ours = (struct pw_flow){flow.remote, flow.local, flow.rport, flow.lport};
		if (pw_port_worker(&w->port[0], &ours) == 1)
			break;
	}
	assert_true(i < 8);
	world_run(w, 200);
	before = pw_fleet_counters(w->fleet, 1)->messages_in;
	m = our_segment(w, flow.lport);
	pw_wire_icmp_error(w->side[0].wire, 0, m, 3, 1, w->now);
	rte_pktmbuf_free(m);
	world_run(w, 5);
	assert_int_equal(pw_wire_counters(pw_fleet_wire(w->fleet, 0))->icmp_errors_in, 1);
	assert_int_equal(pw_fleet_counters(w->fleet, 1)->messages_in - before, 1);
	world_destroy(w);
}

static void
test_neighbours_learnt_by_one_worker_are_known_to_all(void **state)
{
	static const struct world_conf conf = {.workers = 2};
	struct world *w = world_create(&conf);

	(void)state;
	/* ARP goes to worker 0 alone; worker 1 reaches its peers all the same. */
	world_connect(w, 8, PW_MQTT_3_1_1);
	assert_int_equal(pw_wire_counters(pw_fleet_wire(w->fleet, 1))->arp_replies_in, 0);
	assert_true(pw_wire_counters(pw_fleet_wire(w->fleet, 1))->neigh_learnt > 0);
	assert_true(pw_tcp_counters(pw_fleet_tcp(w->fleet, 1))->established > 0);
	assert_int_equal(pw_wire_counters(pw_fleet_wire(w->fleet, 1))->drop_unresolved, 0);
	world_destroy(w);
}

static void
to_near(void *ctx, uint32_t iface, struct rte_mbuf *m)
{
	struct world *w = ctx;

	(void)iface;
	assert_int_equal(rte_ring_enqueue(w->side[0].to_near[0], m), 0);
}

/* Somebody on the devices' link wants an address of ours at the same moment as we. */
static void
claim(struct world *w, const char *address)
{
	struct pw_wire_conf conf = {
		.name = "claim",
		.iface = {{.port = &w->side[0].port, .addr = {{.prefix_len = 16}}, .nb_addrs = 1}},
		.nb_ifaces = 1,
		.mem = &w->far_mem,
		.hooks = {.ctx = w, .tx = to_near},
		.socket = SOCKET_ID_ANY,
	};
	struct pw_wire *wire;

	assert_int_equal(pw_addr_parse(&conf.iface[0].addr[0].addr, address), 0);
	wire = pw_wire_create(&conf);
	assert_non_null(wire);
	pw_wire_announce(wire, w->now);
	pw_wire_destroy(wire);
}

static void
test_address_that_worker_0_loses_is_lost_to_all(void **state)
{
	static const struct world_conf conf = {.workers = 2, .v6 = true};
	struct world *w = world_create(&conf);
	const struct pw_wire *wire[2] = {pw_fleet_wire(w->fleet, 0), pw_fleet_wire(w->fleet, 1)};
	struct pw_addr ours;

	(void)state;
	assert_int_equal(pw_addr_parse(&ours, "fd01::1"), 0);
	world_run(w, 50);
	assert_true(pw_wire_is_local(wire[1], &ours));
	claim(w, "fd01::1");
	world_run(w, 50);
	assert_int_equal(pw_wire_counters(wire[0])->nd_conflicts, 1);
	assert_int_equal(pw_wire_counters(wire[1])->nd_conflicts, 0);
	for (uint32_t i = 0; i < 2; i++)
		assert_false(pw_wire_is_local(wire[i], &ours));
	world_destroy(w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_short_buffers_stop_devices_first_and_new_connections_next),
		cmocka_unit_test(
			test_buffers_that_a_driver_took_for_receive_queues_are_no_pressure),
		cmocka_unit_test(test_descriptors_that_a_driver_tells_of_are_no_pressure),
		cmocka_unit_test(test_receive_queues_that_leave_too_few_buffers_are_refused),
		cmocka_unit_test(test_workers_hold_an_eighth_beyond_gaps_together),
		cmocka_unit_test(test_full_queue_of_a_port_drops_counts_and_recovers),
		cmocka_unit_test(test_icmp_error_reaches_the_worker_of_the_flow),
		cmocka_unit_test(test_neighbours_learnt_by_one_worker_are_known_to_all),
		cmocka_unit_test(test_address_that_worker_0_loses_is_lost_to_all),
	};

	(void)test_eal_init_with("(0-1)@0", 256, NULL, 0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
