/* SPDX-License-Identifier: BSD-3-Clause */
/* Commands about what runs: workers, counters, pools, ports. */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <rte_common.h>
#include <rte_ethdev.h>
#include <rte_mempool.h>

#include "telemetry_pvt.h"

const char *
tel_role_str(uint8_t role)
{
	if (role == (PW_ROLE_DEVICES | PW_ROLE_BROKERS))
		return "devices+brokers";
	return role == PW_ROLE_DEVICES ? "devices" : "brokers";
}

const char *
tel_idle_str(enum pw_idle policy)
{
	static const char *const word[] = {
		[PW_IDLE_POLL] = "poll",
		[PW_IDLE_ADAPTIVE] = "adaptive",
		[PW_IDLE_INTERRUPT] = "interrupt",
	};

	return word[policy];
}

int
tel_workers(const struct pw_telemetry_sources *src, const char *params, struct rte_tel_data *d)
{
	uint32_t start, rows = 0, total = pw_fleet_workers(src->fleet);

	if (tel_number(&params, &start) != 0)
		return -EINVAL;
	for (uint32_t w = start; w < total && rows < TEL_PAGE_WORKERS; w++, rows++) {
		const struct pw_worker_counters *c = pw_fleet_counters(src->fleet, w);
		struct rte_tel_data *r = tel_row(d, w);
		uint64_t cycles, busy;

		if (r == NULL)
			return -ENOMEM;
		busy = __atomic_load_n(&c->busy_cycles, __ATOMIC_RELAXED);
		cycles = __atomic_load_n(&c->total_cycles, __ATOMIC_RELAXED);
		rte_tel_data_add_dict_u64(r, "lcore", pw_fleet_lcore(src->fleet, w));
		rte_tel_data_add_dict_string(r, "role", tel_role_str(pw_fleet_role(src->fleet, w)));
		rte_tel_data_add_dict_u64(r, "busy_permille",
					  cycles >= 1000 ? RTE_MIN(busy / (cycles / 1000), 1000u)
							 : 0);
		rte_tel_data_add_dict_u64(r, "total_cycles", cycles);
		rte_tel_data_add_dict_u64(r, "busy_cycles", busy);
		rte_tel_data_add_dict_string(r, "idle", tel_idle_str(pw_fleet_idle(src->fleet, w)));
		rte_tel_data_add_dict_u64(r, "woken_by_ports", pw_fleet_woken(src->fleet, w));
		rte_tel_data_add_dict_u64(r, "sleep_cycles",
					  __atomic_load_n(&c->sleep_cycles, __ATOMIC_RELAXED));
		rte_tel_data_add_dict_u64(r, "sleeps",
					  __atomic_load_n(&c->sleeps, __ATOMIC_RELAXED));
		rte_tel_data_add_dict_u64(r, "wakeups",
					  __atomic_load_n(&c->wakeups, __ATOMIC_RELAXED));
		rte_tel_data_add_dict_u64(r, "longest_sleep_us",
					  pw_fleet_longest_sleep(src->fleet, w) / 1000);
		rte_tel_data_add_dict_u64(r, "cpu_ns", pw_fleet_cpu_time(src->fleet, w));
		rte_tel_data_add_dict_u64(r, "sessions",
					  pw_forward_sessions(pw_fleet_forward(src->fleet, w)));
		rte_tel_data_add_dict_u64(r, "tcp_connections",
					  pw_tcp_conns(pw_fleet_tcp(src->fleet, w)));
	}
	return tel_page(d, start, rows, total);
}

static void
stages_row(struct rte_tel_data *r, const struct pw_stages *s)
{
	for (uint32_t i = 0; i < PW_STAGES; i++)
		rte_tel_data_add_dict_u64(r, pw_stage_desc[i].name,
					  __atomic_load_n(&s->cycles[i], __ATOMIC_RELAXED));
	rte_tel_data_add_dict_u64(r, "empty_turns", __atomic_load_n(&s->empty, __ATOMIC_RELAXED));
	rte_tel_data_add_dict_u64(r, "switches", __atomic_load_n(&s->switches, __ATOMIC_RELAXED));
	rte_tel_data_add_dict_u64(r, "cycles_of_1000_switches",
				  __atomic_load_n(&s->switch_cycles, __ATOMIC_RELAXED));
}

int
tel_stages(const struct pw_telemetry_sources *src, const char *params, struct rte_tel_data *d)
{
	uint32_t start, rows = 0, total = pw_fleet_workers(src->fleet);
	bool counted = false;

	if (tel_number(&params, &start) != 0)
		return -EINVAL;
	for (uint32_t w = start; w < total && rows < TEL_PAGE_STAGES; w++, rows++) {
		const struct pw_stages *s = pw_fleet_stages(src->fleet, w);
		struct rte_tel_data *r;

		if (s == NULL)
			continue;
		r = tel_row(d, w);
		if (r == NULL)
			return -ENOMEM;
		counted = true;
		rte_tel_data_add_dict_u64(
			r, "messages",
			__atomic_load_n(
				&pw_forward_counters(pw_fleet_forward(src->fleet, w))->accepted,
				__ATOMIC_RELAXED));
		stages_row(r, s);
	}
	rte_tel_data_add_dict_u64(d, "counted", counted);
	return tel_page(d, start, rows, total);
}

/* Sums of a table's counters; as wide as the widest table may grow, which the code checks. */
#define MAX_COUNTERS 128

static void
add(uint64_t *sum, const struct pw_counter_desc *desc, const void *counters)
{
	for (uint32_t i = 0; desc[i].name != NULL && i < MAX_COUNTERS; i++)
		sum[i] += pw_counter_read(counters, i);
}

static_assert(sizeof(struct pw_tcp_counters) <= MAX_COUNTERS * 8, "sums have room");
static_assert(sizeof(struct pw_wire_counters) <= MAX_COUNTERS * 8, "sums have room");
static_assert(sizeof(struct pw_device_counters) <= MAX_COUNTERS * 8, "sums have room");
static_assert(sizeof(struct pw_worker_counters) <= MAX_COUNTERS * 8, "sums have room");

static const void *
worker_counters(const struct pw_fleet *f, uint32_t w)
{
	return pw_fleet_counters(f, w);
}

static const void *
wire_counters(const struct pw_fleet *f, uint32_t w)
{
	return pw_wire_counters(pw_fleet_wire(f, w));
}

static const void *
tcp_counters(const struct pw_fleet *f, uint32_t w)
{
	return pw_tcp_counters(pw_fleet_tcp(f, w));
}

static const void *
device_counters(const struct pw_fleet *f, uint32_t w)
{
	return pw_forward_counters(pw_fleet_forward(f, w));
}

const struct tel_room tel_rooms[TEL_ROOMS] = {
	{"worker", pw_worker_counters_desc, worker_counters},
	{"wire", pw_wire_counters_desc, wire_counters},
	{"tcp", pw_tcp_counters_desc, tcp_counters},
	{"forward", pw_device_counters_desc, device_counters},
};

int
tel_all_counters(const struct pw_telemetry_sources *src, const char *params, struct rte_tel_data *d)
{
	uint32_t first = 0, end = pw_fleet_workers(src->fleet);
	uint64_t sum[MAX_COUNTERS];

	if (*params != '\0') {
		if (tel_number(&params, &first) != 0 || first >= end)
			return -EINVAL;
		end = first + 1;
	}
	for (uint32_t i = 0; i < TEL_ROOMS; i++) {
		struct rte_tel_data *r = tel_dict(d, tel_rooms[i].name);
		int rc;

		if (r == NULL)
			return -ENOMEM;
		memset(sum, 0, sizeof(sum));
		for (uint32_t w = first; w < end; w++)
			add(sum, tel_rooms[i].desc, tel_rooms[i].of(src->fleet, w));
		rc = tel_counters(r, tel_rooms[i].desc, sum);
		if (rc != 0)
			return rc;
	}
	return 0;
}

int
tel_auth(const struct pw_telemetry_sources *src, const char *params, struct rte_tel_data *d)
{
	const struct pw_authenticator *a = src->auth;
	uint64_t values[sizeof(a->counters) / sizeof(uint64_t)] = {0};
	uint32_t head, tail;

	(void)params;
	if (a->files == NULL)
		return rte_tel_data_add_dict_u64(d, "users", 0);
	/* head first: it never passes the tail that is read after it */
	head = __atomic_load_n(&a->head, __ATOMIC_RELAXED);
	tail = __atomic_load_n(&a->tail, __ATOMIC_RELAXED);
	rte_tel_data_add_dict_u64(d, "users", a->files->access.nb_users);
	rte_tel_data_add_dict_u64(d, "waiting", RTE_MIN(tail - head, (uint32_t)PW_AUTH_QUEUE));
	for (uint32_t i = 0; i < RTE_DIM(values); i++)
		values[i] = pw_counter_read(&a->counters, i);
	return tel_counters(d, pw_auth_counters_desc, values);
}

int
tel_pools(const struct pw_telemetry_sources *src, const char *params, struct rte_tel_data *d)
{
	const struct {
		const char *name;
		const struct rte_mempool *pool;
	} pools[] = {
		{"packet_buffers", src->mem->pkt},
		{"header_buffers", src->mem->hdr},
		{"indirect_buffers", src->mem->ind},
	};
	uint64_t sessions = 0, conns = 0;

	(void)params;
	for (uint32_t i = 0; i < RTE_DIM(pools); i++) {
		struct rte_tel_data *r = tel_dict(d, pools[i].name);

		if (r == NULL)
			return -ENOMEM;
		rte_tel_data_add_dict_u64(r, "count", pools[i].pool->size);
		rte_tel_data_add_dict_u64(r, "in_use", rte_mempool_in_use_count(pools[i].pool));
		rte_tel_data_add_dict_u64(r, "element_bytes",
					  rte_mempool_calc_obj_size(pools[i].pool->elt_size,
								    pools[i].pool->flags, NULL));
	}
	for (uint32_t w = 0; w < pw_fleet_workers(src->fleet); w++) {
		sessions += pw_forward_sessions(pw_fleet_forward(src->fleet, w));
		conns += pw_tcp_conns(pw_fleet_tcp(src->fleet, w));
	}
	rte_tel_data_add_dict_u64(d, "sessions", sessions);
	return rte_tel_data_add_dict_u64(d, "tcp_connections", conns);
}

/* Its addresses, and whom it asks for those that it does not know. */
static int
port_addresses(struct rte_tel_data *r, const struct pw_wire_iface *iface)
{
	static const struct pw_addr none;
	struct rte_tel_data *list = rte_tel_data_alloc();
	char text[PW_ADDR_STRLEN], whole[PW_ADDR_STRLEN + 8];

	if (list == NULL)
		return -ENOMEM;
	rte_tel_data_start_array(list, RTE_TEL_STRING_VAL);
	for (uint32_t i = 0; i < iface->nb_addrs; i++) {
		snprintf(whole, sizeof(whole), "%s/%u", pw_addr_str(&iface->addr[i].addr, text),
			 iface->addr[i].prefix_len);
		rte_tel_data_add_array_string(list, whole);
	}
	if (memcmp(&iface->gateway, &none, sizeof(none)) != 0)
		rte_tel_data_add_dict_string(r, "gateway", pw_addr_str(&iface->gateway, text));
	if (memcmp(&iface->gateway6, &none, sizeof(none)) != 0)
		rte_tel_data_add_dict_string(r, "gateway6", pw_addr_str(&iface->gateway6, text));
	return rte_tel_data_add_dict_container(r, "addresses", list, 0);
}

static int
port_row(const struct pw_telemetry_sources *src, uint32_t i, struct rte_tel_data *d)
{
	static const char *const verdict[] = {
		[PW_SELFTEST_OK] = "works",
		[PW_SELFTEST_BROKEN] = "broken, switched off",
		[PW_SELFTEST_UNTRIED] = "not tried",
		[PW_SELFTEST_ABSENT] = "absent",
	};
	const struct pw_port *p = src->port[i];
	struct rte_tel_data *r = tel_row(d, i), *tests;
	struct rte_eth_link link;
	char text[RTE_TEL_MAX_STRING_LEN], name[64];

	if (r == NULL)
		return -ENOMEM;
	tel_text(r, "name", src->port_name[i]);
	tel_text(r, "device", p->device);
	tel_text(r, "driver", p->driver);
	if (src->kernel_name != NULL && src->kernel_name[i] != NULL)
		tel_text(r, "kernel", src->kernel_name[i]);
	snprintf(text, sizeof(text), RTE_ETHER_ADDR_PRT_FMT, RTE_ETHER_ADDR_BYTES(&p->mac));
	rte_tel_data_add_dict_string(r, "mac", text);
	rte_tel_data_add_dict_u64(r, "mtu", p->mtu);
	rte_tel_data_add_dict_u64(r, "vlan", p->vlan);
	rte_tel_data_add_dict_u64(r, "rx_queues", p->nb_rxq);
	rte_tel_data_add_dict_u64(r, "tx_queues", p->nb_txq);
	rte_tel_data_add_dict_u64(r, "max_segments", p->max_segs);
	tel_text(r, "offloads", pw_port_caps_str(p->caps, text, sizeof(text)));
	if (rte_eth_link_get_nowait(p->id, &link) == 0)
		rte_tel_data_add_dict_string(r, "link", link.link_status ? "up" : "down");
	if (port_addresses(r, &src->iface[i]) != 0)
		return -ENOMEM;
	tests = tel_dict(r, "selftest");
	if (tests == NULL)
		return -ENOMEM;
	for (uint32_t t = 0; t < src->selftest_rows[i]; t++) {
		pw_port_caps_str(src->selftest[i][t].cap, name, sizeof(name));
		/* Names of a dict take letters, digits, _ and / only. */
		for (char *c = name; *c != '\0'; c++)
			*c = *c == '-' || *c == ' ' ? '_' : *c;
		rte_tel_data_add_dict_string(tests, name, verdict[src->selftest[i][t].verdict]);
	}
	return 0;
}

int
tel_ports(const struct pw_telemetry_sources *src, const char *params, struct rte_tel_data *d)
{
	int rc = 0;

	(void)params;
	for (uint32_t i = 0; i < src->nb_ports && rc == 0; i++)
		rc = port_row(src, i, d);
	return rc;
}
