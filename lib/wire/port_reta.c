/* SPDX-License-Identifier: BSD-3-Clause */
/* A port's table of hash buckets, in the device. */
#include <errno.h>
#include <string.h>

#include <rte_ethdev.h>

#include <pubwire/wire/port.h>

#define DEVICE_RETA_MAX 4096

/* The port's table is the beginning of the device's, which repeats it. */
static uint16_t
queue_of(const struct pw_port *port, uint32_t bucket)
{
	return port->reta[bucket & (port->reta_size - 1)];
}

/* True where the device's table says what the port's does. */
static bool
confirmed(const struct pw_port *port, const struct rte_eth_rss_reta_entry64 *entry, uint32_t size)
{
	for (uint32_t i = 0; i < size; i++) {
		const struct rte_eth_rss_reta_entry64 *e = &entry[i / RTE_ETH_RETA_GROUP_SIZE];

		if (e->reta[i % RTE_ETH_RETA_GROUP_SIZE] != queue_of(port, i))
			return false;
	}
	return true;
}

int
pw_port_write_reta(const struct pw_port *port)
{
	struct rte_eth_rss_reta_entry64 entry[DEVICE_RETA_MAX / RTE_ETH_RETA_GROUP_SIZE];
	struct rte_eth_dev_info info;
	int rc = rte_eth_dev_info_get(port->id, &info);

	if (rc < 0)
		return rc;
	if (info.reta_size < port->reta_size || info.reta_size > DEVICE_RETA_MAX ||
	    !rte_is_power_of_2(info.reta_size))
		return -ENOTSUP;
	memset(entry, 0, sizeof(entry));
	for (uint32_t i = 0; i < info.reta_size; i++) {
		struct rte_eth_rss_reta_entry64 *e = &entry[i / RTE_ETH_RETA_GROUP_SIZE];

		if (queue_of(port, i) >= port->nb_rxq)
			return -EINVAL;
		e->mask = UINT64_MAX;
		e->reta[i % RTE_ETH_RETA_GROUP_SIZE] = queue_of(port, i);
	}
	rc = rte_eth_dev_rss_reta_update(port->id, entry, info.reta_size);
	if (rc < 0)
		return rc;
	for (uint32_t i = 0; i < RTE_DIM(entry); i++)
		memset(entry[i].reta, 0xff, sizeof(entry[i].reta));
	rc = rte_eth_dev_rss_reta_query(port->id, entry, info.reta_size);
	if (rc < 0)
		return rc;
	return confirmed(port, entry, info.reta_size) ? 0 : -EIO;
}
