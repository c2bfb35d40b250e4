/* SPDX-License-Identifier: BSD-3-Clause */
/* Steering: the hash against Microsoft's verification suite, frames of every shape against it. */
#include <stdlib.h>
#include <string.h>

#include "eal.h"
#include "rig.h"

/* The key of "Verifying the RSS Hash Calculation" (Windows driver documentation). */
static const uint8_t key[40] = {0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67,
				0x25, 0x3d, 0x43, 0xa3, 0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb,
				0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3, 0x80, 0x30,
				0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa};

static const struct {
	const char *dst;
	uint16_t dport;
	const char *src;
	uint16_t sport;
	uint32_t hash;
} vector[] = {
	{"161.142.100.80", 1766, "66.9.149.187", 2794, 0x51ccc178},
	{"65.69.140.83", 4739, "199.92.111.2", 14230, 0xc626b0ea},
	{"12.22.207.184", 38024, "24.19.198.95", 12898, 0x5c2b394a},
	{"209.142.163.6", 2217, "38.27.205.30", 48228, 0xafc7327f},
	{"202.188.127.2", 1303, "153.39.163.191", 44251, 0x10e828a2},
	{"3ffe:2501:200:3::1", 1766, "3ffe:2501:200:1fff::7", 2794, 0x40207d3d},
	{"ff02::1", 4739, "3ffe:501:8::260:97ff:fe40:efab", 14230, 0xdde51bbf},
	{"fe80::200:f8ff:fe21:67cf", 38024, "3ffe:1900:4545:3:200:f8ff:fe21:67cf", 44251,
	 0x02d1feef},
};

static void
vector_flow(uint32_t i, struct pw_flow *flow)
{
	assert_int_equal(pw_addr_parse(&flow->local, vector[i].dst), 0);
	assert_int_equal(pw_addr_parse(&flow->remote, vector[i].src), 0);
	flow->lport = vector[i].dport;
	flow->rport = vector[i].sport;
}

/* A port of four workers. */
static void
make_port(struct pw_port *port)
{
	memset(port, 0, sizeof(*port));
	memcpy(port->rss_key, key, sizeof(key));
	port->rss_key_len = sizeof(key);
	port->reta_size = 128;
	for (uint32_t i = 0; i < 128; i++)
		port->reta[i] = 1 + i % 3; /* worker 0 gets what has no flow, and only that */
}

static void
test_hash_agrees_with_the_verification_suite(void **state)
{
	struct pw_port port;
	struct pw_flow flow;

	(void)state;
	make_port(&port);
	for (uint32_t i = 0; i < RTE_DIM(vector); i++) {
		vector_flow(i, &flow);
		assert_int_equal(pw_port_hash(&port, &flow), vector[i].hash);
		assert_int_equal(pw_port_worker(&port, &flow), 1 + (vector[i].hash & 127) % 3);
	}
}

/* The frame of a vector's flow, behind a tag or none. */
static void
vector_frame(uint32_t i, bool tagged, struct frame *f)
{
	static const uint8_t rest[16];
	struct pw_flow flow;
	bool four;

	vector_flow(i, &flow);
	four = pw_addr_is_v4(&flow.local);
	if (tagged)
		frame_vlan(f, &rig_mac[0], &rig_peer, 7, four ? 0x0800 : 0x86dd);
	else
		frame_eth(f, &rig_mac[0], &rig_peer, four ? 0x0800 : 0x86dd);
	if (four) {
		frame_ip4(f, rte_be_to_cpu_32(pw_addr_be32(&flow.remote)),
			  rte_be_to_cpu_32(pw_addr_be32(&flow.local)), 6, NULL, 0);
		put16(f, f->l3 + 2, 40);
	} else {
		frame_put(f, "\x60\x00\x00\x00\x00\x14\x06\x40", 8);
		frame_put(f, flow.remote.b, 16);
		frame_put(f, flow.local.b, 16);
		f->l4 = f->len;
	}
	put16(f, f->len, flow.rport);
	put16(f, f->len + 2, flow.lport);
	f->len += 4;
	frame_put(f, rest, sizeof(rest));
}

static uint16_t
worker_of(struct rig *r, const struct pw_port *port, const struct frame *f, uint32_t seg)
{
	struct rte_mbuf *m = rig_mbuf(r, f, seg);
	uint16_t worker = pw_port_worker_of_frame(port, m);

	rte_pktmbuf_free(m);
	return worker;
}

static void
test_frame_goes_where_its_flow_belongs(void **state)
{
	struct pw_port port;
	struct pw_flow flow;
	struct rig r;
	struct frame f;

	(void)state;
	rig_default(&r);
	make_port(&port);
	for (uint32_t i = 0; i < RTE_DIM(vector); i++) {
		vector_flow(i, &flow);
		for (uint32_t seg = 0; seg < 40; seg++) {
			vector_frame(i, seg % 2, &f);
			assert_int_equal(worker_of(&r, &port, &f, seg),
					 pw_port_worker(&port, &flow));
		}
	}
	rig_down(&r);
}

static void
test_what_has_no_flow_goes_to_worker_0(void **state)
{
	static const uint16_t fragment[] = {0x2000, 0x0001, 0x1fff};
	struct pw_port port;
	struct rig r;
	struct frame f;

	(void)state;
	rig_default(&r);
	make_port(&port);
	for (uint32_t i = 0; i < RTE_DIM(fragment); i++) {
		vector_frame(0, false, &f);
		put16(&f, f.l3 + 6, fragment[i]);
		assert_int_equal(worker_of(&r, &port, &f, 0), 0);
	}
	vector_frame(0, false, &f);
	f.b[f.l3 + 9] = 17;
	assert_int_equal(worker_of(&r, &port, &f, 0), 0);
	vector_frame(5, false, &f);
	f.b[f.l3 + 6] = 44; /* an IPv6 fragment header */
	assert_int_equal(worker_of(&r, &port, &f, 0), 0);
	vector_frame(0, false, &f);
	f.b[f.l3] = 0x44;
	assert_int_equal(worker_of(&r, &port, &f, 0), 0);
	f.b[f.l3] = 0x65;
	assert_int_equal(worker_of(&r, &port, &f, 0), 0);
	frame_arp(&f, &rig_everybody, 1, &rig_peer, PEER, &rig_peer, OURS0);
	assert_int_equal(worker_of(&r, &port, &f, 0), 0);
	rig_down(&r);
}

static void
test_cut_frames_go_to_worker_0(void **state)
{
	struct pw_port port;
	struct rig r;
	struct frame f;

	(void)state;
	rig_default(&r);
	make_port(&port);
	for (uint32_t i = 0; i < RTE_DIM(vector); i += 5) {
		for (uint32_t len = 1;; len++) {
			vector_frame(i, true, &f);
			if (len >= f.l4 + 4)
				break;
			f.len = len;
			assert_int_equal(worker_of(&r, &port, &f, 0), 0);
			assert_int_equal(worker_of(&r, &port, &f, 3), 0);
		}
	}
	rig_down(&r);
}

static void
test_damaged_frames_stay_within_the_workers(void **state)
{
	struct pw_port port;
	struct rig r;
	struct frame f;

	(void)state;
	rig_default(&r);
	make_port(&port);
	srand(7);
	for (uint32_t i = 0; i < 20000; i++) {
		vector_frame(i % RTE_DIM(vector), i & 1, &f);
		for (uint32_t k = 0; k < 4; k++)
			f.b[12 + rand() % (f.len - 12)] = rand();
		f.len = 1 + rand() % f.len;
		assert_true(worker_of(&r, &port, &f, i % 23) <= 3);
	}
	rig_down(&r);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hash_agrees_with_the_verification_suite),
		cmocka_unit_test(test_frame_goes_where_its_flow_belongs),
		cmocka_unit_test(test_what_has_no_flow_goes_to_worker_0),
		cmocka_unit_test(test_cut_frames_go_to_worker_0),
		cmocka_unit_test(test_damaged_frames_stay_within_the_workers),
	};

	test_eal_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
