/* SPDX-License-Identifier: BSD-3-Clause */
/* What can't be built is refused with a line that says what to change. */
#include <errno.h>
#include <stdio.h>

#include <rte_lcore.h>

#include "worker_pvt.h"

#define REFUSE(...)                                                                                \
	do {                                                                                       \
		snprintf(err, err_len, __VA_ARGS__);                                               \
		return -EINVAL;                                                                    \
	} while (0)

static int
check_lcores(const struct pw_fleet_conf *conf, char *err, size_t err_len)
{
	for (uint32_t i = 0; i < conf->nb_workers; i++) {
		if (!rte_lcore_is_enabled(conf->lcore[i]))
			REFUSE("worker %u: lcore %u is not among those EAL was started with", i,
			       conf->lcore[i]);
		for (uint32_t j = 0; j < i; j++) {
			if (conf->lcore[i] == conf->lcore[j])
				REFUSE("workers %u and %u are both on lcore %u", j, i,
				       conf->lcore[i]);
		}
	}
	return 0;
}

static int
check_roles(const struct pw_fleet_conf *conf, char *err, size_t err_len)
{
	uint8_t all = 0;

	for (uint32_t i = 0; i < conf->nb_workers; i++) {
		if (conf->role[i] == 0 || (conf->role[i] & ~(PW_ROLE_DEVICES | PW_ROLE_BROKERS)))
			REFUSE("worker %u serves neither devices nor brokers", i);
		all |= conf->role[i];
	}
	if (conf->settings->nb_listeners > 0 && (all & PW_ROLE_DEVICES) == 0)
		REFUSE("there are listeners, but no worker serves devices");
	if (conf->settings->nb_brokers > 0 && (all & PW_ROLE_BROKERS) == 0)
		REFUSE("there are brokers, but no worker serves brokers");
	return 0;
}

static int
check_ifaces(const struct pw_fleet_conf *conf, char *err, size_t err_len)
{
	for (uint32_t i = 0; i < conf->nb_ifaces; i++) {
		if (conf->port[i] == NULL || conf->iface[i].port != conf->port[i])
			REFUSE("interface %u has no open port", i);
		if (conf->port[i]->nb_rxq == 0 || conf->port[i]->nb_txq == 0)
			REFUSE("port %s has no queues", conf->port[i]->device);
		if (conf->iface[i].nb_addrs == 0)
			REFUSE("port %s has no address", conf->port[i]->device);
		if ((conf->kernel[i].port != NULL) !=
			    (conf->iface[i].kernel != PW_WIRE_KERNEL_NONE) ||
		    (conf->kernel[i].port != NULL && conf->kernel[i].rate == 0))
			REFUSE("port %s: its kernel interface lacks a part", conf->port[i]->device);
		for (uint32_t j = 0; j < i; j++) {
			if (conf->port[i] == conf->port[j])
				REFUSE("interfaces %u and %u are both on port %s", j, i,
				       conf->port[i]->device);
		}
	}
	return 0;
}

int
fleet_check(const struct pw_fleet_conf *conf, char *err, size_t err_len)
{
	int rc;

	if (conf->settings == NULL || conf->mem == NULL)
		REFUSE("no settings or no packet memory given");
	if (conf->nb_workers == 0 || conf->nb_workers > PW_FORWARD_MAX_WORKERS)
		REFUSE("%u workers; 1 to %u are possible", conf->nb_workers,
		       PW_FORWARD_MAX_WORKERS);
	if (conf->neighbours > PW_WIRE_NEIGH_MAX)
		REFUSE("%u neighbours; at most %u are possible", conf->neighbours,
		       PW_WIRE_NEIGH_MAX);
	if (conf->fragments > PW_WIRE_FRAGMENTS_MAX)
		REFUSE("%u packets in fragments; at most %u are possible", conf->fragments,
		       PW_WIRE_FRAGMENTS_MAX);
	if (conf->nb_ifaces == 0 || conf->nb_ifaces > PW_WIRE_MAX_IFACES)
		REFUSE("%u interfaces; 1 to %u are possible", conf->nb_ifaces, PW_WIRE_MAX_IFACES);
	rc = check_lcores(conf, err, err_len);
	if (rc == 0)
		rc = check_roles(conf, err, err_len);
	if (rc == 0)
		rc = check_ifaces(conf, err, err_len);
	return rc;
}
