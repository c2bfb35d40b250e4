/* SPDX-License-Identifier: BSD-3-Clause */
/* Ports over net_ring (two ends in this process) and net_null: set-up, refusals, the self-test. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <rte_dev.h>
#include <rte_errno.h>
#include <rte_eth_ring.h>
#include <rte_ethdev.h>

#include <pubwire/wire/selftest.h>

#include "eal.h"
#include "rig6.h"

#define RING_SIZE 64

/* What a port is made to say of itself: NULL, the truth. Linked in place of ethdev's (--wrap). */
static const char *claimed_driver;
static uint16_t claimed_queues;

int __real_rte_eth_dev_info_get(uint16_t port_id, struct rte_eth_dev_info *info);
int __wrap_rte_eth_dev_info_get(uint16_t port_id, struct rte_eth_dev_info *info);

int
__wrap_rte_eth_dev_info_get(uint16_t port_id, struct rte_eth_dev_info *info)
{
	int rc = __real_rte_eth_dev_info_get(port_id, info);

	if (rc == 0 && claimed_driver != NULL) {
		info->driver_name = claimed_driver;
		info->max_rx_queues = claimed_queues;
		info->max_tx_queues = claimed_queues;
	}
	return rc;
}

static struct pw_mem mem;
static struct rte_ring *ring[2];

static int
set_up(void **state)
{
	const struct pw_mem_conf conf = {
		.name = "port", .pkt = 4095, .hdr = 255, .ind = 255, .socket = -1};

	(void)state;
	if (pw_mem_create(&mem, &conf) < 0)
		return -1;
	ring[0] =
		rte_ring_create("a_to_b", RING_SIZE, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
	ring[1] =
		rte_ring_create("b_to_a", RING_SIZE, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
	return ring[0] == NULL || ring[1] == NULL ? -1 : 0;
}

static int
tear_down(void **state)
{
	(void)state;
	rte_ring_free(ring[0]);
	rte_ring_free(ring[1]);
	pw_mem_destroy(&mem);
	return 0;
}

/* Two ends of one wire, called a and b; receives what the ethdevs are called. */
static void
make_pair(char name[2][32])
{
	static uint32_t serial;

	for (uint32_t i = 0; i < 2; i++) {
		char label[16];
		uint16_t id;
		int rc;

		snprintf(label, sizeof(label), "end%u", serial++);
		rc = rte_eth_from_rings(label, &ring[1 - i], 1, &ring[i], 1, SOCKET_ID_ANY);
		assert_true(rc >= 0);
		id = rc;
		assert_int_equal(rte_eth_dev_get_name_by_port(id, name[i]), 0);
	}
}

static void
open_port(struct pw_port *port, const char *device, uint16_t workers)
{
	const struct pw_port_conf conf = {.device = device, .nb_workers = workers};
	char err[256] = "";

	if (pw_port_open(port, &conf, &mem, err, sizeof(err)) < 0)
		fail_msg("%s", err);
}

static void
test_frame_crosses_a_ring(void **state)
{
	struct pw_port a, b;
	char name[2][32];
	struct rte_mbuf *m, *got[4];

	(void)state;
	make_pair(name);
	open_port(&a, name[0], 1);
	open_port(&b, name[1], 1);
	assert_string_equal(a.driver, "net_ring");
	assert_int_equal(a.nb_rxq, 1);
	assert_int_equal(a.mtu, 1500);
	assert_true(a.caps & PW_PORT_TX_MULTI_SEG);
	assert_true(a.max_segs > 1);
	assert_false(a.caps & (PW_PORT_RX_CKSUM | PW_PORT_TX_TCP_CKSUM | PW_PORT_RX_RSS));
	assert_true(rte_is_valid_assigned_ether_addr(&a.mac));
	assert_false(rte_is_same_ether_addr(&a.mac, &b.mac));
	m = rte_pktmbuf_alloc(mem.pkt);
	memset(rte_pktmbuf_append(m, 60), 0x5a, 60);
	assert_int_equal(rte_eth_tx_burst(a.id, 0, &m, 1), 1);
	assert_int_equal(rte_eth_rx_burst(b.id, 0, got, 4), 1);
	assert_ptr_equal(got[0], m);
	rte_pktmbuf_free(m);
	pw_port_close(&a);
	pw_port_close(&b);
	assert_true(pw_mem_full(&mem));
}

static void
test_more_workers_than_queues_are_steered_in_software(void **state)
{
	struct pw_port a, b;
	char name[2][32];
	uint32_t share[3] = {0};
	struct pw_flow flow = {.lport = 1883};

	(void)state;
	make_pair(name);
	open_port(&a, name[0], 3);
	open_port(&b, name[1], 1);
	assert_int_equal(a.nb_rxq, 1);
	assert_int_equal(a.nb_txq, 1);
	assert_int_equal(a.reta_size, 128);
	assert_int_equal(a.reta[0], 0);
	flow.local = pw_addr_v4(rte_cpu_to_be_32(OURS0));
	for (uint32_t i = 0; i < 3000; i++) {
		uint16_t w;

		flow.remote = pw_addr_v4(rte_cpu_to_be_32(PEER + i / 50));
		flow.rport = 1024 + i * 7;
		w = pw_port_worker(&a, &flow);
		assert_true(w < 3);
		share[w]++;
	}
	for (uint32_t w = 0; w < 3; w++) /* a third each, by and large */
		assert_in_range(share[w], 800, 1200);
	for (uint32_t i = 0; i < b.reta_size; i++)
		assert_int_equal(b.reta[i], 0);
	pw_port_close(&a);
	pw_port_close(&b);
	assert_true(pw_mem_full(&mem));
}

/*
 * Of net_e1000_em's two queues the second one sends nothing on an 82540: every answer of the second
 * worker was lost. Seen in a guest.
 */
static void
test_second_queue_of_e1000_em_is_not_used(void **state)
{
	struct pw_port port;
	char name[2][32];

	(void)state;
	make_pair(name);
	claimed_driver = "net_e1000_em";
	claimed_queues = 2;
	open_port(&port, name[0], 2);
	claimed_driver = NULL;
	assert_int_equal(port.nb_rxq, 1);
	assert_int_equal(port.nb_txq, 1);
	assert_int_equal(port.reta[1], 1); /* the second worker has its share, handed over */
	pw_port_close(&port);
}

/* After a clean-up behind packets of several segments they sent no more. Seen in a guest. */
static void
test_drivers_that_do_not_clean_up_are_known(void **state)
{
	static const struct {
		const char *driver;
		bool harm;
	} row[] = {{"net_e1000_igb", true},
		   {"net_e1000_igb_vf", true},
		   {"net_igc", true},
		   {"net_e1000_em", false},
		   {"net_ring", false}};
	struct pw_port port;
	char name[2][32];

	(void)state;
	for (uint32_t i = 0; i < RTE_DIM(row); i++) {
		make_pair(name);
		claimed_driver = row[i].driver;
		claimed_queues = 1;
		open_port(&port, name[0], 1);
		claimed_driver = NULL;
		assert_int_equal(port.no_tx_cleanup, row[i].harm);
		pw_port_close(&port);
	}
}

static void
test_disabled_caps_are_not_used(void **state)
{
	struct pw_port a;
	struct pw_port_conf conf = {.nb_workers = 1,
				    .disable_caps = PW_PORT_TX_MULTI_SEG,
				    .vlan = 5,
				    .mtu = 1400,
				    .rx_desc = 128,
				    .tx_desc = 256};
	char name[2][32], err[256] = "";

	(void)state;
	make_pair(name);
	conf.device = name[0];
	assert_int_equal(pw_port_open(&a, &conf, &mem, err, sizeof(err)), 0);
	assert_int_equal(a.caps & PW_PORT_TX_MULTI_SEG, 0);
	assert_int_equal(a.max_segs, 1);
	assert_int_equal(a.vlan, 5);
	assert_int_equal(a.mtu, 1400);
	pw_port_close(&a);
	assert_int_equal(rte_eth_dev_get_port_by_name(name[1], &a.id), 0);
	pw_port_close(&a);
	assert_true(pw_mem_full(&mem));
}

static void
assert_refused(const struct pw_port_conf *conf, int rc, const char *says)
{
	struct pw_port port;
	char err[256] = "";

	assert_int_equal(pw_port_open(&port, conf, &mem, err, sizeof(err)), rc);
	if (strstr(err, says) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", err, says);
	assert_null(strchr(err, '\n'));
}

static void
test_refusals_say_what_to_do(void **state)
{
	struct pw_port_conf conf = {.device = "net_nowhere", .nb_workers = 1};
	struct pw_port port;

	(void)state;
	assert_refused(&conf, -ENODEV, "--vdev=net_nowhere");
	assert_int_equal(rte_dev_probe("net_null7"), 0);
	conf.device = "net_null7";
	conf.nb_workers = 0;
	assert_refused(&conf, -EINVAL, "1 to 64");
	conf.nb_workers = 1;
	conf.mtu = 20;
	assert_refused(&conf, -EINVAL, "mtu 20");
	conf.mtu = 9000;
	assert_refused(&conf, -EINVAL, "set mtu to at most");
	conf.mtu = 0;
	conf.vlan = 4095;
	assert_refused(&conf, -EINVAL, "vlan 4095");
	open_port(&port, "net_null7", 1);
	conf.vlan = 0;
	assert_refused(&conf, -EBUSY, "refuses"); /* in use: left as it is */
	assert_true(rte_eth_dev_is_valid_port(port.id));
	pw_port_close(&port);
}

static void
test_null_port_is_not_believed(void **state)
{
	struct pw_port port;
	struct rte_mbuf *got[8];
	uint16_t n;

	(void)state;
	assert_int_equal(rte_dev_probe("net_null8"), 0);
	open_port(&port, "net_null8", 1);
	assert_string_equal(port.driver, "net_null");
	assert_false(port.caps & PW_PORT_RX_RSS);
	n = rte_eth_rx_burst(port.id, 0, got, 8);
	assert_int_equal(n, 8);
	rte_pktmbuf_free_bulk(got, n);
	pw_port_close(&port);
	assert_true(pw_mem_full(&mem));
}

static void
test_caps_in_words(void **state)
{
	char buf[64];

	(void)state;
	assert_string_equal(pw_port_caps_str(0, buf, sizeof(buf)), "");
	assert_string_equal(
		pw_port_caps_str(PW_PORT_TX_MULTI_SEG | PW_PORT_TX_IP_CKSUM, buf, sizeof(buf)),
		"ip-cksum multi-seg");
	assert_string_equal(pw_port_caps_str(UINT32_MAX, buf, sizeof(buf)),
			    "rx-cksum ip-cksum tcp-cksum multi-seg tso rss vlan");
	pw_port_caps_str(UINT32_MAX, buf, 12); /* cut, ended */
	assert_string_equal(buf, "rx-cksum ip");
}

static const struct pw_selftest_row *
row_of(const struct pw_selftest_row *rows, uint32_t n, enum pw_port_cap cap)
{
	for (uint32_t i = 0; i < n; i++) {
		if (rows[i].cap == cap)
			return &rows[i];
	}
	fail_msg("no row for capability %u", cap);
	return NULL;
}

static void
test_selftest_over_a_ring(void **state)
{
	struct pw_selftest_row rows[PW_SELFTEST_ROWS];
	struct rte_mbuf *got[4];
	struct pw_port a, b;
	char name[2][32];
	uint32_t n;

	(void)state;
	make_pair(name);
	open_port(&a, name[0], 1);
	open_port(&b, name[1], 1);
	n = pw_port_selftest(&a, &mem, rows);
	assert_true(n > 0 && n <= PW_SELFTEST_ROWS);
	assert_int_equal(row_of(rows, n, PW_PORT_TX_MULTI_SEG)->verdict, PW_SELFTEST_OK);
	assert_int_equal(row_of(rows, n, PW_PORT_TX_TCP_CKSUM)->verdict, PW_SELFTEST_ABSENT);
	assert_int_equal(row_of(rows, n, PW_PORT_RX_RSS)->verdict, PW_SELFTEST_ABSENT);
	assert_true(a.caps & PW_PORT_TX_MULTI_SEG);
	/* What it sent: from us to us, of the experimental type, once whole and once in two. */
	n = rte_eth_rx_burst(b.id, 0, got, 4);
	assert_int_equal(n, 2);
	for (uint32_t i = 0; i < n; i++) {
		struct frame f;

		frame_of(got[i], &f);
		assert_int_equal(f.len, 60);
		assert_memory_equal(f.b, &a.mac, 6);
		assert_memory_equal(f.b + 6, &a.mac, 6);
		assert_int_equal(get16(&f, 12), 0x88b5);
		assert_int_equal(got[i]->nb_segs, i + 1);
	}
	rte_pktmbuf_free_bulk(got, n);
	pw_port_close(&a);
	pw_port_close(&b);
	assert_true(pw_mem_full(&mem));
}

/* As net_vmxnet3 does, which has TCP's checksum and not IPv4's. */
static uint16_t
refuse_ip_cksum(void *queue, struct rte_mbuf **m, uint16_t n)
{
	(void)queue;
	for (uint16_t i = 0; i < n; i++) {
		if (m[i]->ol_flags & RTE_MBUF_F_TX_IP_CKSUM) {
			rte_errno = ENOTSUP;
			return i;
		}
	}
	return n;
}

/* TCP's checksum of a driver without IPv4's was found broken, as the test asked for both. */
static void
test_selftest_asks_for_what_is_sent(void **state)
{
	struct pw_selftest_row rows[PW_SELFTEST_ROWS];
	struct rte_mbuf *got[4];
	struct pw_port a, b;
	char name[2][32];
	uint32_t n;

	(void)state;
	make_pair(name);
	open_port(&a, name[0], 1);
	open_port(&b, name[1], 1);
	a.caps |= PW_PORT_TX_TCP_CKSUM;
	rte_eth_fp_ops[a.id].tx_pkt_prepare = refuse_ip_cksum;
	n = pw_port_selftest(&a, &mem, rows);
	assert_int_equal(row_of(rows, n, PW_PORT_TX_TCP_CKSUM)->verdict, PW_SELFTEST_UNTRIED);
	assert_true(a.caps & PW_PORT_TX_TCP_CKSUM);
	a.caps |= PW_PORT_TX_IP_CKSUM;
	n = pw_port_selftest(&a, &mem, rows);
	assert_int_equal(row_of(rows, n, PW_PORT_TX_IP_CKSUM)->verdict, PW_SELFTEST_BROKEN);
	assert_false(a.caps & PW_PORT_TX_IP_CKSUM);
	/* And then again without it. */
	assert_int_equal(row_of(rows, n, PW_PORT_TX_TCP_CKSUM)->verdict, PW_SELFTEST_UNTRIED);
	n = rte_eth_rx_burst(b.id, 0, got, 4);
	rte_pktmbuf_free_bulk(got, n);
	pw_port_close(&a);
	pw_port_close(&b);
	assert_true(pw_mem_full(&mem));
}

static void
test_selftest_with_a_full_ring_blames_the_link(void **state)
{
	struct pw_selftest_row rows[PW_SELFTEST_ROWS];
	struct rte_mbuf *got[RING_SIZE];
	struct pw_port a, b;
	char name[2][32];
	uint32_t n, filled = 0;

	(void)state;
	make_pair(name);
	open_port(&a, name[0], 1);
	open_port(&b, name[1], 1);
	for (;;) {
		struct rte_mbuf *m = rte_pktmbuf_alloc(mem.pkt);

		if (rte_eth_tx_burst(a.id, 0, &m, 1) == 0) {
			rte_pktmbuf_free(m);
			break;
		}
		filled++;
	}
	n = pw_port_selftest(&a, &mem, rows);
	assert_int_equal(row_of(rows, n, PW_PORT_TX_MULTI_SEG)->verdict, PW_SELFTEST_UNTRIED);
	assert_true(a.caps & PW_PORT_TX_MULTI_SEG);
	assert_int_equal(rte_eth_rx_burst(b.id, 0, got, RING_SIZE), filled);
	rte_pktmbuf_free_bulk(got, filled);
	pw_port_close(&a);
	pw_port_close(&b);
	assert_true(pw_mem_full(&mem));
}

static void
test_ipv6_groups_are_let_in(void **state)
{
	struct pw_addr addr[] = {rig6_addr("fd77::1"), rig6_addr("10.77.0.1")};
	struct pw_port port;
	char name[2][32];

	(void)state;
	make_pair(name);
	open_port(&port, name[0], 1);
	/* net_ring has no list of groups, but lets all in where it is told so. */
	assert_int_equal(pw_port_join(&port, addr, 2), PW_PORT_GROUPS_ALL);
	assert_int_equal(rte_eth_allmulticast_get(port.id), 1);
	pw_port_close(&port);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_frame_crosses_a_ring),
		cmocka_unit_test(test_more_workers_than_queues_are_steered_in_software),
		cmocka_unit_test(test_second_queue_of_e1000_em_is_not_used),
		cmocka_unit_test(test_drivers_that_do_not_clean_up_are_known),
		cmocka_unit_test(test_disabled_caps_are_not_used),
		cmocka_unit_test(test_refusals_say_what_to_do),
		cmocka_unit_test(test_null_port_is_not_believed),
		cmocka_unit_test(test_caps_in_words),
		cmocka_unit_test(test_selftest_over_a_ring),
		cmocka_unit_test(test_selftest_asks_for_what_is_sent),
		cmocka_unit_test(test_selftest_with_a_full_ring_blames_the_link),
		cmocka_unit_test(test_ipv6_groups_are_let_in),
	};

	test_eal_init();
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
