/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * From a checked configuration to workers that are ready to start: buffers on the ports' NUMA node,
 * ports with their offloads tried, the fleet, telemetry.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_lcore.h>

#include <pubwire/base/log.h>

#include "app.h"
#include "options.h"

/* Elements that an lcore keeps of each pool; a burst or two. */
#define MEM_CACHE 128

/* EAL decided which lcores there are; each worker needs one of its own. */
static int
check_lcores(const struct app *a)
{
	const struct pw_config *c = &a->config;
	char where[512];

	for (uint32_t w = 0; w < c->nb_workers; w++) {
		uint32_t id = c->lcore[w];

		if (rte_lcore_is_enabled(id) && id != rte_get_main_lcore())
			continue;
		pw_config_where(a->file, "workers", where, sizeof(where));
		fprintf(stderr, "%s: lcore %u is %s; expected one of EAL's other lcores\n", where,
			id,
			rte_lcore_is_enabled(id) ? "EAL's main lcore" : "not among EAL's lcores");
		return APP_EXIT_CONFIG;
	}
	return APP_EXIT_OK;
}

/* Every device must be one that EAL has found. */
static int
check_devices(const struct app *a)
{
	char key[64], where[512], name[RTE_ETH_NAME_MAX_LEN];
	uint16_t id;

	for (uint32_t p = 0; p < a->config.nb_ports; p++) {
		const char *sep = "";

		if (rte_eth_dev_get_port_by_name(a->config.port[p].device, &id) == 0)
			continue;
		snprintf(key, sizeof(key), "ports[%u].device", p);
		pw_config_where(a->file, key, where, sizeof(where));
		fprintf(stderr,
			"%s: '%s' is not there; expected one of the devices that EAL found: ",
			where, a->config.port[p].device);
		RTE_ETH_FOREACH_DEV (id) {
			if (rte_eth_dev_get_name_by_port(id, name) != 0)
				continue;
			fprintf(stderr, "%s%s", sep, name);
			sep = ", ";
		}
		fprintf(stderr, "%s\n",
			*sep == '\0' ? "none (bind one to vfio-pci, or give --vdev)" : "");
		return APP_EXIT_CONFIG;
	}
	return APP_EXIT_OK;
}

/* The node of the first port; that of the first worker where the port has none. */
static int
socket_of(const struct app *a)
{
	int socket = -1;
	uint16_t id;

	if (rte_eth_dev_get_port_by_name(a->config.port[0].device, &id) == 0)
		socket = rte_eth_dev_socket_id(id);
	return socket >= 0 ? socket : (int)rte_lcore_to_socket_id(a->config.lcore[0]);
}

static int
load_access(struct app *a)
{
	char err[1024];

	if (!pw_config_has_access(&a->config))
		return APP_EXIT_OK;
	if (pw_access_load(&a->access, &a->config.access, err, sizeof(err)) != 0) {
		fprintf(stderr, "%s\n", err);
		return APP_EXIT_CONFIG;
	}
	pw_auth_init(&a->auth, &a->access);
	a->fleet_conf.access = &a->access.access;
	return APP_EXIT_OK;
}

static int
reserve_memory(struct app *a)
{
	const struct pw_mem_conf conf = {
		.name = "pubwire",
		.pkt = a->config.pkt_buffers,
		.hdr = a->config.hdr_buffers,
		.ind = a->config.ind_buffers,
		.cache = MEM_CACHE,
		.socket = socket_of(a),
	};
	int rc = pw_mem_create(&a->mem, &conf);

	if (rc == 0)
		return APP_EXIT_OK;
	fprintf(stderr,
		"pubwire: packet buffers: %s. Reserve more hugepages (pubwire-hugepages reserve), "
		"give more with -m, or ask for fewer buffers in 'memory'; the plan:\n",
		strerror(-rc));
	app_report_memory(&a->config, stderr);
	return APP_EXIT_FATAL;
}

/* Neighbours look for IPv6 addresses in groups, which a port has to be told of. */
static void
join_groups(const struct pw_port *port, const struct pw_wire_iface *iface)
{
	struct pw_addr addr[PW_WIRE_MAX_ADDRS];
	uint32_t n = 0;

	for (uint32_t i = 0; i < iface->nb_addrs; i++) {
		if (!pw_addr_is_v4(&iface->addr[i].addr))
			addr[n++] = iface->addr[i].addr;
	}
	if (n > 0)
		(void)pw_port_join(port, addr, n);
}

static int
open_ports(struct app *a)
{
	char err[256];

	for (uint32_t i = 0; i < a->config.nb_ports; i++) {
		const struct pw_config_port *p = &a->config.port[i];
		const struct pw_port_conf conf = {
			.device = p->device,
			.nb_workers = a->config.nb_workers,
			.rx_desc = p->rx_desc,
			.tx_desc = p->tx_desc,
			.mtu = p->mtu,
			.vlan = p->vlan,
			.disable_caps = p->disable_caps,
			.rx_interrupts = a->config.idle != PW_IDLE_POLL,
		};
		struct pw_wire_iface *iface = &a->fleet_conf.iface[i];

		err[0] = '\0';
		if (pw_port_open(&a->port[i], &conf, &a->mem, err, sizeof(err)) != 0) {
			fprintf(stderr, "pubwire: port '%s': %s\n", p->name, err);
			return APP_EXIT_FATAL;
		}
		a->nb_open++;
		a->selftest_rows[i] = pw_port_selftest(&a->port[i], &a->mem, a->selftest[i]);
		a->port_ref[i] = &a->port[i];
		a->port_name[i] = p->name;
		a->fleet_conf.port[i] = &a->port[i];
		iface->port = &a->port[i];
		memcpy(iface->addr, p->addr, sizeof(iface->addr));
		iface->nb_addrs = p->nb_addrs;
		iface->gateway = p->gateway;
		iface->gateway6 = p->gateway6;
		join_groups(&a->port[i], iface);
	}
	a->fleet_conf.nb_ifaces = a->config.nb_ports;
	return APP_EXIT_OK;
}

static int
build_fleet(struct app *a)
{
	struct pw_fleet_conf *f = &a->fleet_conf;
	char err[256] = "";

	f->nb_workers = a->config.nb_workers;
	memcpy(f->lcore, a->config.lcore, sizeof(f->lcore));
	memcpy(f->role, a->config.role, sizeof(f->role));
	f->settings = &a->config.forward;
	f->mem = &a->mem;
	f->tcp = a->config.tcp;
	f->neighbours = pw_config_neighbours(&a->config);
	f->fragments = a->config.fragments;
	f->idle = a->config.idle;
	f->idle_sleep_us = a->config.idle_sleep_us;
	if (getrandom(&f->seed, sizeof(f->seed), 0) != sizeof(f->seed)) {
		fprintf(stderr, "pubwire: no random seed: %s\n", strerror(errno));
		return APP_EXIT_FATAL;
	}
	a->fleet = pw_fleet_create(f, err, sizeof(err));
	if (a->fleet == NULL) {
		fprintf(stderr, "pubwire: workers: %s (%s)\n", err, rte_strerror(rte_errno));
		return APP_EXIT_FATAL;
	}
	return APP_EXIT_OK;
}

/* The status page grows with brokers and routes. */
static int
fit_page(void *ctx, const struct pw_forward_settings *s)
{
	return pw_http_fit(((struct app *)ctx)->http, s);
}

static int
start_telemetry(struct app *a)
{
	a->sources = (struct pw_telemetry_sources){
		.fleet = a->fleet,
		.mem = &a->mem,
		.settings = &a->config.forward,
		.port = a->port_ref,
		.port_name = a->port_name,
		.kernel_name = a->kernel_name,
		.iface = a->fleet_conf.iface,
		.nb_ports = a->config.nb_ports,
		.selftest = (const struct pw_selftest_row(*)[PW_SELFTEST_ROWS])a->selftest,
		.selftest_rows = a->selftest_rows,
		.auth = &a->auth,
		.control = &a->control,
		.reload = &a->reload,
		.version = PUBWIRE_VERSION,
		.file = a->file,
		.started = pw_clock_now(),
	};
	const struct pw_reload_conf reload = {
		.file = a->file,
		.flags = a->load_flags,
		.fleet = a->fleet,
		.sources = &a->sources,
		.auth = &a->auth,
		.config = &a->config,
		.access = &a->access,
		.fit = fit_page,
		.ctx = a,
	};
	int rc;

	a->control.mem = &a->mem;
	a->control.port = a->port[0].id;
	pw_reload_init(&a->reload, &reload);
	rc = pw_telemetry_start(&a->sources);

	if (rc != 0) {
		fprintf(stderr, "pubwire: telemetry: %s\n", strerror(-rc));
		return APP_EXIT_FATAL;
	}
	a->telemetry = true;
	return APP_EXIT_OK;
}

static int
start_http(struct app *a)
{
	char err[256];

	if (!a->config.http.on)
		return APP_EXIT_OK;
	a->http = pw_http_create(&a->config.http, &a->sources, PUBWIRE_VERSION, err, sizeof(err));
	if (a->http != NULL)
		return APP_EXIT_OK;
	fprintf(stderr, "pubwire: http: %s\n", err);
	return APP_EXIT_FATAL;
}

int
app_assemble(struct app *a)
{
	static int (*const step[])(struct app *) = {
		load_access, reserve_memory,  open_ports, app_kernel_open,
		build_fleet, start_telemetry, start_http};
	int status = check_lcores(a);

	if (status == APP_EXIT_OK)
		status = check_devices(a);
	for (uint32_t i = 0; status == APP_EXIT_OK && i < RTE_DIM(step); i++)
		status = step[i](a);
	return status;
}

void
app_dismantle(struct app *a, struct app_summary *s)
{
	pw_http_destroy(a->http);
	if (a->telemetry)
		pw_telemetry_stop();
	if (a->fleet != NULL)
		pw_fleet_destroy(a->fleet);
	pw_reload_fini(&a->reload);
	pw_control_fini(&a->control);
	pw_access_unload(&a->access);
	app_kernel_close(a);
	while (a->nb_open > 0)
		pw_port_close(&a->port[--a->nb_open]);
	if (a->mem.pkt == NULL)
		return;
	s->leaked_pkt = rte_mempool_in_use_count(a->mem.pkt);
	s->leaked_hdr = rte_mempool_in_use_count(a->mem.hdr);
	s->leaked_ind = rte_mempool_in_use_count(a->mem.ind);
	pw_mem_destroy(&a->mem);
}
