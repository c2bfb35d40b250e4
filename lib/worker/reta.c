/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which workers the flows of an interface go to. Flows of devices belong on workers that serve
 * devices, those of brokers on workers that serve brokers; what is reached through an interface
 * follows from the listeners' addresses and the routes to the brokers. Where both are reached
 * through one port and no worker has both roles for all, the local TCP port tells them apart, in
 * software.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <pubwire/base/log.h>

#include "worker_pvt.h"

#define SOFTWARE_RETA 128

/* Workers that have one of the roles, in order; returns how many. */
static uint32_t
workers_of(const struct pw_fleet_conf *conf, uint8_t roles, uint16_t *out)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < conf->nb_workers; i++) {
		if (conf->role[i] & roles)
			out[n++] = (uint16_t)i;
	}
	return n;
}

/* True where every worker has all of the roles. */
static bool
all_serve(const struct pw_fleet_conf *conf, uint8_t roles)
{
	for (uint32_t i = 0; i < conf->nb_workers; i++) {
		if ((conf->role[i] & roles) != roles)
			return false;
	}
	return true;
}

/* Roles that are wanted of those who serve an interface; both where nothing is known of it. */
static uint8_t
roles_of_iface(const struct pw_fleet *f, const struct pw_fleet_conf *conf, uint32_t iface)
{
	const struct pw_forward_settings *s = conf->settings;
	const struct pw_wire_iface *at = &conf->iface[iface];
	struct pw_wire_path path;
	uint8_t roles = 0;

	for (uint32_t i = 0; i < s->nb_listeners; i++) {
		for (uint32_t a = 0; a < at->nb_addrs; a++) {
			if (pw_addr_eq(&at->addr[a].addr, &s->listener[i].address))
				roles |= PW_ROLE_DEVICES;
		}
	}
	for (uint32_t i = 0; i < s->nb_brokers; i++) {
		if (pw_wire_path(f->worker[0]->wire, &s->broker[i].address, &path) == 0 &&
		    path.iface == iface)
			roles |= PW_ROLE_BROKERS;
	}
	return roles != 0 ? roles : PW_ROLE_DEVICES | PW_ROLE_BROKERS;
}

static void
fill(struct pw_port *port, const uint16_t *workers, uint32_t n)
{
	for (uint32_t i = 0; i < port->reta_size; i++)
		port->reta[i] = workers[i % n];
}

static int
steer_iface(struct pw_fleet *f, const struct pw_fleet_conf *conf, uint32_t iface, char *err,
	    size_t err_len)
{
	struct pw_port *port = f->port[iface];
	struct steering *st = &f->steering[iface];
	uint8_t roles = roles_of_iface(f, conf, iface);
	uint16_t workers[PW_FORWARD_MAX_WORKERS];
	uint16_t before[PW_PORT_RETA_MAX];
	uint32_t n;
	int rc;

	if (port->reta_size == 0 || !rte_is_power_of_2(port->reta_size)) {
		port->reta_size = SOFTWARE_RETA;
		port->caps &= ~PW_PORT_RX_RSS;
	}
	/* Queues that are fewer than workers would leave some workers without flows. */
	if (port->nb_rxq < f->nb_workers)
		port->caps &= ~PW_PORT_RX_RSS;
	st->roles = all_serve(conf, PW_ROLE_DEVICES | PW_ROLE_BROKERS)
			    ? PW_ROLE_DEVICES | PW_ROLE_BROKERS
			    : roles;
	st->mixed = roles == (PW_ROLE_DEVICES | PW_ROLE_BROKERS) && !all_serve(conf, roles);
	if (st->mixed) {
		n = workers_of(conf, PW_ROLE_DEVICES, workers);
		st->devices = *port;
		if (n > 0)
			fill(&st->devices, workers, n);
		else
			st->mixed = false;
		roles = PW_ROLE_BROKERS;
		port->caps &= ~PW_PORT_RX_RSS;
	}
	n = workers_of(conf, roles, workers);
	if (n == 0 && st->mixed) {
		n = workers_of(conf, PW_ROLE_DEVICES, workers);
		st->mixed = false;
	}
	if (n == 0) {
		snprintf(err, err_len, "no worker serves what is reached through port %s",
			 port->device);
		return -EINVAL;
	}
	memcpy(before, port->reta, sizeof(before));
	fill(port, workers, n);
	if ((port->caps & PW_PORT_RX_RSS) &&
	    memcmp(before, port->reta, port->reta_size * sizeof(before[0])) != 0) {
		rc = pw_port_write_reta(port);
		if (rc < 0) {
			port->caps &= ~PW_PORT_RX_RSS;
			PW_LOG(worker, WARNING,
			       "port %s: %s does not confirm a table of its RSS that follows the "
			       "workers' roles (%s); steering is done in software",
			       port->device, port->driver, strerror(-rc));
		}
	}
	st->check = f->nb_workers > 1 && (port->caps & PW_PORT_RX_RSS) == 0;
	return 0;
}

int
fleet_steering(struct pw_fleet *f, const struct pw_fleet_conf *conf, char *err, size_t err_len)
{
	for (uint32_t i = 0; i < f->nb_ifaces; i++) {
		int rc = steer_iface(f, conf, i, err, err_len);

		if (rc < 0)
			return rc;
	}
	return 0;
}

bool
fleet_frames_cross(const struct pw_fleet *f)
{
	for (uint32_t i = 0; i < f->nb_ifaces; i++) {
		if (f->steering[i].check || f->port[i]->nb_txq < f->nb_workers)
			return true;
	}
	return false;
}
