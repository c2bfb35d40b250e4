/* SPDX-License-Identifier: BSD-3-Clause */
/* All workers: how they are built, in the order of the rooms, and taken down in the reverse. */
#include <errno.h>
#include <stdio.h>

#include <rte_errno.h>
#include <rte_lcore.h>
#include <rte_malloc.h>

#include "worker_pvt.h"

PW_COUNTER_DESCRIBE(pw_worker_counters, PW_WORKER_COUNTERS);

/* One seed each for many purposes (splitmix64's output function over a counter). */
static uint64_t
derive(uint64_t seed, uint64_t purpose)
{
	uint64_t z = seed + (purpose + 1) * UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

enum purpose { SEED_SHARED, SEED_PORTS, SEED_TCP, SEED_FORWARD, SEED_WIRE, SEED_PURPOSES };

static uint64_t
worker_seed(const struct pw_fleet_conf *conf, uint32_t worker, enum purpose purpose)
{
	return derive(conf->seed, (uint64_t)worker * SEED_PURPOSES + purpose);
}

static int
worker_create(struct pw_fleet *f, const struct pw_fleet_conf *conf, uint32_t i, char *err,
	      size_t err_len)
{
	int socket = (int)rte_lcore_to_socket_id(conf->lcore[i]);
	struct worker *w = rte_zmalloc_socket("pw_worker", sizeof(*w), RTE_CACHE_LINE_SIZE, socket);
	struct pw_wire_conf wire = {
		.nb_ifaces = conf->nb_ifaces,
		.neighbours = conf->neighbours,
		.hold_total = pw_wire_hold_share(conf->mem->hdr->size, conf->nb_workers),
		.fragments = conf->fragments,
		.mem = conf->mem,
		.socket = socket,
		.seed = worker_seed(conf, i, SEED_WIRE),
	};
	char name[16];

	if (w == NULL) {
		snprintf(err, err_len, "no memory for worker %u", i);
		return -ENOMEM;
	}
	f->worker[i] = w;
	w->fleet = f;
	w->index = i;
	w->lcore = conf->lcore[i];
	w->role = conf->role[i];
	w->epoll_fd = -1;
	w->bell_fd = -1;
	idle_init(&w->idle, conf->idle,
		  (uint64_t)(conf->idle_sleep_us != 0 ? conf->idle_sleep_us : PW_IDLE_SLEEP_US) *
			  1000);
	w->next_port = (uint32_t)worker_seed(conf, i, SEED_PORTS);
	worker_kernel_init(w);

	snprintf(name, sizeof(name), "w%u", i);
	wire.name = name;
	wire.hooks = worker_wire_hooks(w);
	for (uint32_t k = 0; k < conf->nb_ifaces; k++)
		wire.iface[k] = conf->iface[k];
	w->wire = pw_wire_create(&wire);
	if (w->wire == NULL) {
		snprintf(err, err_len, "worker %u: no memory for its addresses and neighbours: %s",
			 i, rte_strerror(rte_errno));
		return -rte_errno;
	}
	return 0;
}

/*
 * Buffers that one worker may hold beyond gaps: all together an eighth of those that receive queues
 * leave, however many peers send such segments, so that alone they are no pressure.
 */
static uint32_t
ooo_share(const struct pw_fleet *f)
{
	return RTE_MAX((f->mem->pkt->size - f->posted) / 8 / f->nb_workers, 1u);
}

/* The stacks above the wire; after steering was decided. */
static int
worker_stacks(struct pw_fleet *f, const struct pw_fleet_conf *conf, uint32_t i, uint64_t now,
	      char *err, size_t err_len)
{
	struct worker *w = f->worker[i];
	struct pw_tcp_conf tcp = conf->tcp;
	struct pw_forward_conf forward = {
		.shared = f->shared,
		.worker = i,
		.mem = conf->mem,
		.seed = worker_seed(conf, i, SEED_FORWARD),
		.ctx = w,
		.post = worker_post_forward,
		.source = worker_source,
		.authenticate = worker_authenticate,
		.socket = (int)rte_lcore_to_socket_id(conf->lcore[i]),
	};
	char name[16];

	snprintf(name, sizeof(name), "w%u", i);
	tcp.name = name;
	tcp.mem = conf->mem;
	tcp.hooks = worker_tcp_hooks(w);
	tcp.seed = worker_seed(conf, i, SEED_TCP);
	tcp.socket = forward.socket;
	if (tcp.max_ooo_total == 0)
		tcp.max_ooo_total = ooo_share(f);
	w->tcp = pw_tcp_create(&tcp, now);
	if (w->tcp == NULL) {
		snprintf(err, err_len, "worker %u: no memory for its TCP connections: %s", i,
			 rte_strerror(rte_errno));
		return -rte_errno;
	}
	forward.tcp = w->tcp;
	w->forward = pw_forward_create(&forward, now);
	if (w->forward == NULL) {
		snprintf(err, err_len, "worker %u: no memory for its sessions: %s", i,
			 rte_strerror(rte_errno));
		return -rte_errno;
	}
	return 0;
}

static int
shared_create(struct pw_fleet *f, const struct pw_fleet_conf *conf, char *err, size_t err_len)
{
	struct pw_forward_shared_conf shared = {
		.settings = conf->settings,
		.nb_workers = conf->nb_workers,
		.seed = derive(conf->seed, SEED_SHARED),
		.access = conf->access,
		.buffers = f->mem->pkt->size - f->posted,
	};

	for (uint32_t i = 0; i < conf->nb_workers; i++) {
		shared.role[i] = conf->role[i];
		shared.socket[i] = (int)rte_lcore_to_socket_id(conf->lcore[i]);
	}
	f->shared = pw_forward_shared_create(&shared);
	if (f->shared == NULL) {
		snprintf(err, err_len, "no memory for the forward logs and routes: %s",
			 rte_strerror(rte_errno));
		return -rte_errno;
	}
	return 0;
}

static int
build(struct pw_fleet *f, const struct pw_fleet_conf *conf, char *err, size_t err_len)
{
	uint64_t now = conf->now != 0 ? conf->now : pw_clock_now();
	int rc = 0;

	for (uint32_t i = 0; i < conf->nb_workers && rc == 0; i++)
		rc = worker_create(f, conf, i, err, err_len);
	if (rc == 0)
		rc = fleet_steering(f, conf, err, err_len);
	if (rc < 0)
		return rc;
	f->lend_frames = fleet_frames_cross(f);
	rc = fleet_rings_create(f);
	if (rc < 0) {
		snprintf(err, err_len, "no memory for the rings between workers");
		return rc;
	}
	rc = fleet_auth_create(f, conf);
	if (rc < 0) {
		snprintf(err, err_len, "no memory for the rings to the main lcore");
		return rc;
	}
	rc = shared_create(f, conf, err, err_len);
	for (uint32_t i = 0; i < conf->nb_workers && rc == 0; i++)
		rc = worker_stacks(f, conf, i, now, err, err_len);
	if (rc == 0)
		fleet_interrupts(f);
	return rc;
}

static void
take_iface(struct pw_fleet *f, const struct pw_fleet_conf *conf, uint32_t i)
{
	f->port[i] = conf->port[i];
	f->kernel[i].port = conf->kernel[i].port;
	f->kernel[i].rate = conf->kernel[i].rate;
	f->has_kernel = f->has_kernel || f->kernel[i].port != NULL;
}

struct pw_fleet *
pw_fleet_create(const struct pw_fleet_conf *conf, char *err, size_t err_len)
{
	struct pw_fleet *f;
	int rc;

	rc = fleet_check(conf, err, err_len);
	if (rc < 0) {
		rte_errno = -rc;
		return NULL;
	}
	f = rte_zmalloc("pw_fleet", sizeof(*f), RTE_CACHE_LINE_SIZE);
	if (f == NULL) {
		snprintf(err, err_len, "no memory for the fleet");
		rte_errno = ENOMEM;
		return NULL;
	}
	f->nb_workers = conf->nb_workers;
	f->nb_ifaces = conf->nb_ifaces;
	f->nb_listeners = conf->settings->nb_listeners;
	for (uint32_t i = 0; i < f->nb_listeners; i++) {
		f->listener_port[i] = conf->settings->listener[i].port;
		f->listener_addr[i] = conf->settings->listener[i].address;
	}
	f->mem = conf->mem;
	for (uint32_t i = 0; i < conf->nb_ifaces; i++)
		take_iface(f, conf, i);
	rc = fleet_posted(f, err, err_len);
	if (rc == 0)
		rc = build(f, conf, err, err_len);
	if (rc < 0) {
		pw_fleet_destroy(f);
		rte_errno = -rc;
		return NULL;
	}
	return f;
}

static void
worker_destroy(struct worker *w)
{
	if (w == NULL)
		return;
	if (w->wire != NULL)
		pw_wire_destroy(w->wire);
	worker_auth_destroy(w);
	worker_interrupts_close(w);
	for (uint32_t i = 0; i < w->fleet->nb_ifaces; i++) {
		rte_pktmbuf_free_bulk(w->tx[i].m, w->tx[i].n);
		rte_pktmbuf_free_bulk(w->kernel_tx[i].m, w->kernel_tx[i].n);
	}
	rte_free(w);
}

void
pw_fleet_destroy(struct pw_fleet *f)
{
	uint64_t now = pw_clock_now();

	if (f == NULL)
		return;
	for (uint32_t i = 0; i < f->nb_workers; i++) {
		if (f->worker[i] == NULL || f->worker[i]->forward == NULL)
			continue;
		pw_forward_destroy(f->worker[i]->forward, now);
		/* Peers are told of the connections that were aborted. */
		worker_tx_flush(f->worker[i]);
	}
	for (uint32_t i = 0; i < f->nb_workers; i++) {
		if (f->worker[i] != NULL && f->worker[i]->tcp != NULL)
			pw_tcp_destroy(f->worker[i]->tcp);
	}
	if (f->shared != NULL)
		pw_forward_shared_destroy(f->shared);
	for (uint32_t i = 0; i < f->nb_workers; i++)
		worker_destroy(f->worker[i]);
	fleet_rings_destroy(f);
	rte_free(f);
}

uint32_t
pw_fleet_workers(const struct pw_fleet *f)
{
	return f->nb_workers;
}

uint32_t
pw_fleet_lcore(const struct pw_fleet *f, uint32_t i)
{
	return f->worker[i]->lcore;
}

uint8_t
pw_fleet_role(const struct pw_fleet *f, uint32_t i)
{
	return f->worker[i]->role;
}

const struct pw_wire *
pw_fleet_wire(const struct pw_fleet *f, uint32_t i)
{
	return f->worker[i]->wire;
}

const struct pw_tcp *
pw_fleet_tcp(const struct pw_fleet *f, uint32_t i)
{
	return f->worker[i]->tcp;
}

const struct pw_forward *
pw_fleet_forward(const struct pw_fleet *f, uint32_t i)
{
	return f->worker[i]->forward;
}

const struct pw_worker_counters *
pw_fleet_counters(const struct pw_fleet *f, uint32_t i)
{
	return &f->worker[i]->count;
}
