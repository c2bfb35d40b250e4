/* SPDX-License-Identifier: BSD-3-Clause */
/* A device's own RSS table is bent to the workers' roles, or not relied upon. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <rte_dev.h>
#include <rte_ethdev.h>

#include <pubwire/worker/worker.h>

#include "eal.h"

static struct pw_mem mem;

struct rig {
	struct pw_port port[2];
	struct pw_forward_settings settings;
	struct pw_fleet_conf conf;
};

static void
device(struct rig *r, uint32_t i, const char *name, const char *addr)
{
	struct pw_port_conf conf = {.device = name, .nb_workers = 2};
	char err[128] = "";

	assert_int_equal(rte_eal_hotplug_add("vdev", name, ""), 0);
	if (pw_port_open(&r->port[i], &conf, &mem, err, sizeof(err)) < 0)
		fail_msg("%s", err);
	r->conf.port[i] = &r->port[i];
	r->conf.iface[i].port = &r->port[i];
	r->conf.iface[i].nb_addrs = 1;
	r->conf.iface[i].addr[0].prefix_len = 24;
	assert_int_equal(pw_addr_parse(&r->conf.iface[i].addr[0].addr, addr), 0);
}

static void
rig(struct rig *r)
{
	memset(r, 0, sizeof(*r));
	device(r, 0, "net_null0", "10.1.0.1");
	device(r, 1, "net_null1", "10.2.0.1");
	pw_forward_defaults(&r->settings);
	r->settings.nb_listeners = 1;
	r->settings.listener[0].port = 1883;
	r->settings.listener[0].address = r->conf.iface[0].addr[0].addr;
	r->settings.nb_brokers = 1;
	r->settings.broker[0].port = 1883;
	assert_int_equal(pw_addr_parse(&r->settings.broker[0].address, "10.2.0.9"), 0);
	r->settings.limits.max_connections = 16;
	r->settings.limits.max_queued_messages = 64;
	r->settings.lanes = 1;
	r->conf.nb_workers = 2;
	r->conf.lcore[1] = 1;
	r->conf.role[0] = PW_ROLE_BROKERS;
	r->conf.role[1] = PW_ROLE_DEVICES;
	r->conf.nb_ifaces = 2;
	r->conf.settings = &r->settings;
	r->conf.mem = &mem;
	r->conf.tcp.max_conns = 16;
}

static void
done(struct rig *r)
{
	for (uint32_t i = 0; i < 2; i++) {
		char name[16];

		pw_port_close(&r->port[i]);
		snprintf(name, sizeof(name), "net_null%u", i);
		(void)rte_eal_hotplug_remove("vdev", name);
	}
	assert_true(pw_mem_full(&mem));
}

/* What becomes of a table that a driver is told. */
static enum reta_mood { RETA_HONEST, RETA_REFUSES, RETA_LIES } reta_mood;

int __real_rte_eth_dev_rss_reta_update(uint16_t id, struct rte_eth_rss_reta_entry64 *entry,
				       uint16_t size);
/* "used": the optimiser of links (b_lto) does not see the linker's renaming. */
int __wrap_rte_eth_dev_rss_reta_update(uint16_t id, struct rte_eth_rss_reta_entry64 *entry,
				       uint16_t size) __attribute__((used));

int
__wrap_rte_eth_dev_rss_reta_update(uint16_t id, struct rte_eth_rss_reta_entry64 *entry,
				   uint16_t size)
{
	switch (reta_mood) {
	case RETA_REFUSES:
		return -ENOTSUP;
	case RETA_LIES:
		return 0;
	default:
		return __real_rte_eth_dev_rss_reta_update(id, entry, size);
	}
}

/* The queue that every entry of the device's table names; fails where they differ. */
static uint16_t
device_queue(const struct pw_port *port)
{
	struct rte_eth_rss_reta_entry64 e[PW_PORT_RETA_MAX / RTE_ETH_RETA_GROUP_SIZE];

	for (uint32_t i = 0; i < RTE_DIM(e); i++)
		e[i].mask = UINT64_MAX;
	assert_int_equal(rte_eth_dev_rss_reta_query(port->id, e, port->reta_size), 0);
	for (uint32_t i = 0; i < port->reta_size; i++)
		assert_int_equal(e[i / 64].reta[i % 64], e[0].reta[0]);
	return e[0].reta[0];
}

static struct pw_fleet *
create(struct rig *r)
{
	char err[256] = "";
	struct pw_fleet *f = pw_fleet_create(&r->conf, err, sizeof(err));

	if (f == NULL)
		fail_msg("%s", err);
	return f;
}

/* This driver hashes nothing, and is opened without RSS for that; but it keeps a table it is given.
 */
static void
claim_rss(struct rig *r)
{
	const struct rte_eth_conf conf = {.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS};
	struct rte_eth_dev_info info;

	for (uint32_t i = 0; i < 2; i++) {
		uint16_t id = r->port[i].id;

		assert_int_equal(r->port[i].nb_rxq, 2);
		assert_int_equal(rte_eth_dev_stop(id), 0);
		assert_int_equal(rte_eth_dev_configure(id, 2, 2, &conf), 0);
		for (uint16_t q = 0; q < 2; q++) {
			assert_int_equal(rte_eth_rx_queue_setup(id, q, 64, 0, NULL, mem.pkt), 0);
			assert_int_equal(rte_eth_tx_queue_setup(id, q, 64, 0, NULL), 0);
		}
		assert_int_equal(rte_eth_dev_start(id), 0);
		assert_int_equal(rte_eth_dev_info_get(id, &info), 0);
		r->port[i].reta_size = info.reta_size;
		for (uint32_t k = 0; k < info.reta_size; k++)
			r->port[i].reta[k] = k & 1;
		r->port[i].caps |= PW_PORT_RX_RSS;
	}
}

static void
test_device_table_names_only_the_workers_of_the_role(void **state)
{
	static struct rig r;
	struct pw_fleet *f;

	(void)state;
	rig(&r);
	claim_rss(&r);
	f = create(&r);
	assert_int_equal(device_queue(&r.port[0]), 1); /* devices */
	assert_int_equal(device_queue(&r.port[1]), 0); /* brokers */
	for (uint32_t i = 0; i < 2; i++)
		assert_true(r.port[i].caps & PW_PORT_RX_RSS);
	pw_fleet_destroy(f);
	done(&r);
}

static void
test_device_table_that_fits_is_left_alone(void **state)
{
	static struct rig r;
	struct pw_fleet *f;

	(void)state;
	rig(&r);
	claim_rss(&r);
	r.conf.role[0] = r.conf.role[1] = PW_ROLE_BROKERS | PW_ROLE_DEVICES;
	f = create(&r);
	for (uint32_t i = 0; i < 2; i++) {
		assert_true(r.port[i].caps & PW_PORT_RX_RSS);
		for (uint32_t k = 0; k < r.port[i].reta_size; k++)
			assert_int_equal(r.port[i].reta[k], k & 1);
	}
	pw_fleet_destroy(f);
	done(&r);
}

static void
test_device_table_that_is_longer_repeats_the_ports(void **state)
{
	static struct rig r;
	struct rte_eth_dev_info info;
	struct pw_fleet *f;

	(void)state;
	rig(&r);
	claim_rss(&r);
	r.port[0].reta_size = 64;
	assert_int_equal(rte_eth_dev_info_get(r.port[0].id, &info), 0);
	assert_true(info.reta_size > 64);
	f = create(&r);
	assert_true(r.port[0].caps & PW_PORT_RX_RSS);
	assert_int_equal(r.port[0].reta_size, 64);
	r.port[0].reta_size = info.reta_size;
	assert_int_equal(device_queue(&r.port[0]), 1);
	pw_fleet_destroy(f);
	done(&r);
}

static void
steered_in_software(enum reta_mood mood)
{
	static struct rig r;
	struct pw_fleet *f;

	rig(&r);
	claim_rss(&r);
	reta_mood = mood;
	f = create(&r);
	reta_mood = RETA_HONEST;
	/* The first: the table of the second, untouched, is what it should be by chance. */
	assert_false(r.port[0].caps & PW_PORT_RX_RSS);
	/* What the device was to do is done here. */
	for (uint32_t k = 0; k < r.port[0].reta_size; k++)
		assert_int_equal(r.port[0].reta[k], 1);
	pw_fleet_destroy(f);
	done(&r);
}

static void
test_device_that_refuses_a_table_is_steered_in_software(void **state)
{
	(void)state;
	steered_in_software(RETA_REFUSES);
}

static void
test_device_that_does_not_do_what_it_says_is_steered_in_software(void **state)
{
	(void)state;
	steered_in_software(RETA_LIES);
}

static void
test_both_roles_behind_one_port_are_never_left_to_the_device(void **state)
{
	static struct rig r;
	struct pw_fleet *f;

	(void)state;
	rig(&r);
	claim_rss(&r);
	assert_int_equal(pw_addr_parse(&r.settings.broker[0].address, "10.1.0.9"), 0);
	f = create(&r);
	assert_false(r.port[0].caps & PW_PORT_RX_RSS);
	for (uint32_t k = 0; k < r.port[0].reta_size; k++)
		assert_int_equal(r.port[0].reta[k], 0); /* what is no listener's is a broker's */
	pw_fleet_destroy(f);
	done(&r);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_device_table_names_only_the_workers_of_the_role),
		cmocka_unit_test(test_device_table_that_fits_is_left_alone),
		cmocka_unit_test(test_device_table_that_is_longer_repeats_the_ports),
		cmocka_unit_test(test_device_that_refuses_a_table_is_steered_in_software),
		cmocka_unit_test(test_device_that_does_not_do_what_it_says_is_steered_in_software),
		cmocka_unit_test(test_both_roles_behind_one_port_are_never_left_to_the_device),
	};
	struct pw_mem_conf conf = {
		.name = "t",
		.pkt = 4095,
		.hdr = 1023,
		.ind = 1023,
		.socket = SOCKET_ID_ANY,
	};
	int rc;

	(void)test_eal_init_with("(0-1)@0", 256, NULL, 0);
	if (pw_mem_create(&mem, &conf) < 0)
		return 1;
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	pw_mem_destroy(&mem);
	return rc;
}
