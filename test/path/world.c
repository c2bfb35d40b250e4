/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <rte_eth_ring.h>
#include <rte_ethdev.h>

#include "world.h"

#define STEP (MS / 10)
#define PORT 1883
#define DEV  1 /* networks */
#define BRK  2
#define NEAR 1 /* hosts; others count from here */
#define FAR  2

static struct world the_world;

/* Address of a host on a network, as text that lives until the fourth call from here. */
static const char *
address(const struct world *w, uint32_t net, uint32_t host)
{
	static char text[4][24];
	static uint32_t turn;
	char *t = text[turn++ % RTE_DIM(text)];

	snprintf(t, sizeof(text[0]), w->v6 ? "fd0%u::%u" : "10.%u.0.%u", net, host);
	return t;
}

static void
memory(struct world *w)
{
	struct pw_mem_conf near_conf = {
		.name = "near",
		.pkt = WORLD_PKT,
		.hdr = 4095,
		.ind = 4095,
		.socket = SOCKET_ID_ANY,
	};
	struct pw_mem_conf far_conf = near_conf;

	far_conf.name = "far";
	assert_int_equal(pw_mem_create(&w->near_mem, &near_conf), 0);
	assert_int_equal(pw_mem_create(&w->far_mem, &far_conf), 0);
}

static void
settings(struct world *w, const struct world_conf *conf)
{
	struct pw_forward_settings *s = &w->settings;

	pw_forward_defaults(s);
	snprintf(s->instance, sizeof(s->instance), "world");
	s->nb_listeners = 1;
	snprintf(s->listener[0].name, sizeof(s->listener[0].name), "devices");
	assert_int_equal(pw_addr_parse(&s->listener[0].address, address(w, DEV, NEAR)), 0);
	s->listener[0].port = PORT;
	s->nb_brokers = WORLD_BROKERS;
	for (uint32_t i = 0; i < WORLD_BROKERS; i++) {
		struct pw_broker_conf *b = &s->broker[i];
		const char *text =
			conf->one_port ? address(w, DEV, FAR + 1 + i) : address(w, BRK, FAR + i);

		if (i > 0)
			*b = s->broker[0];
		snprintf(b->name, sizeof(b->name), "b%u", i);
		assert_int_equal(pw_addr_parse(&b->address, text), 0);
		b->port = PORT;
		b->keepalive_interval = 60000;
		b->connect_timeout = 5000;
		b->ack_timeout = 20000;
		b->restart_base = 10;
		b->restart_cap = 100;
		b->max_inflight_messages = 1024;
		b->session_expiry_interval = 3600000;
	}
	s->nb_routes = 1;
	snprintf(s->route[0].name, sizeof(s->route[0].name), "all");
	snprintf(s->route[0].filter, sizeof(s->route[0].filter), "#");
	s->route[0].brokers = (1u << WORLD_BROKERS) - 1;
	s->route[0].when_full_qos0 = PW_WHEN_FULL_DROP;
	s->route[0].when_full_qos1 = PW_WHEN_FULL_BLOCK;
	s->limits.max_connections = 32;
	s->limits.max_queued_messages = conf->max_queued != 0 ? conf->max_queued : 512;
	s->limits.copy_break = conf->copy_break;
	s->limits.message_rate = conf->message_rate;
	s->lanes = 1u << PW_LANE_3 | 1u << PW_LANE_5;
}

static void
links_up(struct world *w, const struct world_conf *conf, struct pw_fleet_conf *fleet)
{
	uint32_t queues = conf->queues != 0 ? conf->queues : 1;
	char err[256] = "";

	w->nb_sides = conf->one_port ? 1 : 2;
	for (uint32_t i = 0; i < w->nb_sides; i++) {
		const char *const far[] = {address(w, DEV + i, FAR), address(w, DEV + i, FAR + 1),
					   address(w, DEV + i, FAR + 2)};

		peer_create(&w->side[i], i == 0 ? "d" : "b", queues, far, RTE_DIM(far), &w->far_mem,
			    w->now);
	}
	for (uint32_t i = 0; i < w->nb_sides; i++) {
		struct pw_port_conf port = {
			.device = w->side[i].near_device,
			.nb_workers = (uint16_t)conf->workers,
			.rx_interrupts = conf->interrupts,
		};

		if (pw_port_open(&w->port[i], &port, &w->near_mem, err, sizeof(err)) < 0)
			fail_msg("%s", err);
		/* net_ring has no address of its own. */
		w->port[i].mac = (struct rte_ether_addr){{0x02, 0, 0, 0, 0, (uint8_t)(i + 1)}};
		fleet->port[i] = &w->port[i];
		fleet->iface[i].port = &w->port[i];
		fleet->iface[i].nb_addrs = 1;
		fleet->iface[i].addr[0].prefix_len = 16;
		assert_int_equal(
			pw_addr_parse(&fleet->iface[i].addr[0].addr, address(w, DEV + i, NEAR)), 0);
	}
	fleet->nb_ifaces = w->nb_sides;
}

/* A kernel is a pair of rings that the test looks into. */
static void
kernel_up(struct world *w, const struct world_conf *conf, struct pw_fleet_conf *fleet)
{
	struct pw_port_conf port = {
		.nb_workers = 1,
		.rx_interrupts = conf->interrupts,
	};
	static uint32_t made;
	char text[32], device[RTE_ETH_NAME_MAX_LEN], err[256] = "";
	int id;

	if (conf->kernel_rate == 0)
		return;
	snprintf(text, sizeof(text), "to_kernel_%u", made);
	w->to_kernel = rte_ring_create(text, 2048, SOCKET_ID_ANY, 0);
	snprintf(text, sizeof(text), "from_kernel_%u", made);
	w->from_kernel = rte_ring_create(text, 2048, SOCKET_ID_ANY, 0);
	assert_non_null(w->to_kernel);
	assert_non_null(w->from_kernel);
	snprintf(text, sizeof(text), "kernel_%u", made++);
	id = rte_eth_from_rings(text, &w->from_kernel, 1, &w->to_kernel, 1, 0);
	assert_true(id >= 0);
	assert_int_equal(rte_eth_dev_get_name_by_port((uint16_t)id, device), 0);
	port.device = device;
	if (pw_port_open(&w->kernel_port, &port, &w->near_mem, err, sizeof(err)) < 0)
		fail_msg("%s", err);
	fleet->iface[0].kernel = PW_WIRE_KERNEL_REST;
	fleet->kernel[0].port = &w->kernel_port;
	fleet->kernel[0].rate = conf->kernel_rate;
}

static void
kernel_down(struct world *w)
{
	struct rte_ring *const rings[] = {w->to_kernel, w->from_kernel};
	void *m;

	if (w->to_kernel == NULL)
		return;
	pw_port_close(&w->kernel_port);
	for (uint32_t i = 0; i < RTE_DIM(rings); i++) {
		while (rte_ring_dequeue(rings[i], &m) == 0)
			rte_pktmbuf_free(m);
		rte_ring_free(rings[i]);
	}
}

struct world *
world_create(const struct world_conf *conf)
{
	struct world *w = &the_world;
	struct pw_fleet_conf fleet = {
		.nb_workers = conf->workers,
		.settings = &w->settings,
		.access = conf->access,
		.mem = &w->near_mem,
		.tcp = {.max_conns = 64, .msl_ms = 100},
		.fragments = 16,
		.idle = conf->interrupts && !conf->adaptive ? PW_IDLE_INTERRUPT : PW_IDLE_ADAPTIVE,
		.seed = 42,
	};
	char err[256] = "";

	memset(w, 0, sizeof(*w));
	w->real_time = conf->real_time;
	w->v6 = conf->v6;
	w->now = conf->real_time ? pw_clock_now() : 1000 * MS;
	w->step = STEP;
	memory(w);
	settings(w, conf);
	links_up(w, conf, &fleet);
	kernel_up(w, conf, &fleet);
	fleet.now = w->now;
	for (uint32_t i = 0; i < conf->workers; i++) {
		fleet.lcore[i] = conf->lcores != NULL ? conf->lcores[i] : i;
		fleet.role[i] =
			conf->role[i] != 0 ? conf->role[i] : PW_ROLE_DEVICES | PW_ROLE_BROKERS;
	}
	for (uint32_t i = 0; i < WORLD_BROKERS; i++) {
		struct peer *side = &w->side[w->nb_sides - 1];
		char text[PW_ADDR_STRLEN];

		broker_create(&w->broker[i], side,
			      pw_addr_str(&w->settings.broker[i].address, text), PORT);
	}
	for (; w->nb_posted < conf->posted; w->nb_posted++) {
		w->posted[w->nb_posted] = rte_pktmbuf_alloc(w->near_mem.pkt);
		assert_non_null(w->posted[w->nb_posted]);
	}
	w->fleet = pw_fleet_create(&fleet, err, sizeof(err));
	if (conf->refusal != NULL) {
		assert_null(w->fleet);
		assert_string_equal(err, conf->refusal);
	} else if (w->fleet == NULL) {
		fail_msg("%s", err);
	}
	return w;
}

void
world_step(struct world *w)
{
	if (w->real_time) {
		w->now = pw_clock_now();
	} else {
		w->now += w->step;
		for (uint32_t i = 0; i < pw_fleet_workers(w->fleet); i++)
			(void)pw_worker_turn(w->fleet, i, w->now);
	}
	for (uint32_t i = 0; i < w->nb_sides; i++)
		peer_turn(&w->side[i], w->now);
}

bool
world_acked(const struct world *w)
{
	for (uint32_t i = 0; i < w->nb_devices; i++) {
		const struct model_device *d = &w->device[i];

		if (d->next_id == 1 || d->nb_acks < d->next_id - 1u)
			return false;
	}
	return true;
}

bool
world_until(struct world *w, bool (*holds)(const struct world *w), uint32_t ms)
{
	for (uint64_t end = w->now + ms * MS; w->now < end;) {
		if (holds(w))
			return true;
		world_step(w);
	}
	return holds(w);
}

void
world_run(struct world *w, uint32_t ms)
{
	for (uint64_t end = w->now + ms * MS; w->now < end;)
		world_step(w);
}

static bool
all_up(const struct world *w)
{
	for (uint32_t i = 0; i < w->nb_devices; i++) {
		if (!w->device[i].connected)
			return false;
	}
	for (uint32_t k = 0; k < pw_fleet_workers(w->fleet); k++) {
		struct pw_upstream_info up[64];
		uint32_t n = pw_forward_upstreams(pw_fleet_forward(w->fleet, k), 0, up, 64);

		for (uint32_t i = 0; i < n; i++) {
			if (up[i].state != PW_UPSTREAM_UP)
				return false;
		}
	}
	return true;
}

void
world_connect(struct world *w, uint32_t n, uint8_t version)
{
	for (uint32_t i = 0; i < n; i++) {
		char id[16];

		snprintf(id, sizeof(id), "dev%u", w->nb_devices);
		device_create(&w->device[w->nb_devices++], &w->side[0], address(w, DEV, FAR),
			      address(w, DEV, NEAR), PORT, version, id, w->now);
	}
	assert_true(world_until(w, all_up, 5000));
}

void
world_destroy(struct world *w)
{
	pw_fleet_destroy(w->fleet);
	for (uint32_t i = 0; i < w->nb_sides; i++)
		peer_destroy_stacks(&w->side[i]);
	for (uint32_t i = 0; i < w->nb_sides; i++) {
		pw_port_close(&w->port[i]);
		peer_destroy_rings(&w->side[i]);
	}
	kernel_down(w);
	rte_pktmbuf_free_bulk(w->posted, w->nb_posted);
	assert_true(pw_mem_full(&w->near_mem));
	assert_true(pw_mem_full(&w->far_mem));
	pw_mem_destroy(&w->near_mem);
	pw_mem_destroy(&w->far_mem);
}
