/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The Ethernet groups that a port has to let in so that neighbours find our IPv6 addresses (RFC
 * 4861 7.2.1): they are not broadcast for as ARP does. A filter of exactly these where the driver
 * has one, else all groups; drivers with neither mostly filter nothing, but that can't be seen.
 */
#include <string.h>

#include <rte_ethdev.h>

#include <pubwire/base/log.h>
#include <pubwire/wire/port.h>

#include "ip6_pvt.h"

/* All nodes, and one for each address and for the link-local one. */
#define GROUPS_MAX (PW_PORT_MAX_JOINED + 2)

/* Append a group's Ethernet address unless it is there. */
static void
add(struct rte_ether_addr *list, uint32_t *n, const struct pw_addr *group)
{
	const struct rte_ether_addr mac = wire_group_mac(group);

	for (uint32_t i = 0; i < *n; i++) {
		if (rte_is_same_ether_addr(&list[i], &mac))
			return;
	}
	list[(*n)++] = mac;
}

enum pw_port_groups
pw_port_join(const struct pw_port *port, const struct pw_addr *addr, uint32_t nb_addrs)
{
	struct rte_ether_addr list[GROUPS_MAX];
	struct pw_addr own = wire_link_local_of(&port->mac), group = wire_solicited_node(&own);
	uint32_t n = 0;

	add(list, &n, &wire_ip6_all_nodes);
	add(list, &n, &group);
	for (uint32_t i = 0; i < RTE_MIN(nb_addrs, (uint32_t)PW_PORT_MAX_JOINED); i++) {
		group = wire_solicited_node(&addr[i]);
		if (!pw_addr_is_v4(&addr[i]))
			add(list, &n, &group);
	}
	if (rte_eth_dev_set_mc_addr_list(port->id, list, n) == 0)
		return PW_PORT_GROUPS_EXACT;
	if (rte_eth_allmulticast_enable(port->id) == 0)
		return PW_PORT_GROUPS_ALL;
	PW_LOG(wire, INFO,
	       "port %s: %s has no filter for multicast; if neighbours don't find its IPv6 "
	       "addresses, let the device below it receive all (ip link set INTERFACE "
	       "allmulticast on)",
	       port->device, port->driver);
	return PW_PORT_GROUPS_UNKNOWN;
}

void
pw_port_all_groups(const struct pw_port *port)
{
	int rc = rte_eth_allmulticast_enable(port->id);

	if (rc < 0)
		PW_LOG(wire, INFO,
		       "port %s: %s has no filter for multicast to open (%s); if what is for "
		       "groups "
		       "does not reach the kernel, let the device below it receive all (ip link "
		       "set "
		       "INTERFACE allmulticast on)",
		       port->device, port->driver, strerror(-rc));
}
