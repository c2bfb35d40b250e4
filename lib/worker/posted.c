/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Packet buffers that receive queues hold before a frame has come. They are in use, but by nobody:
 * pressure is a matter of the others.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "worker_pvt.h"

/* Descriptors of a port's receive queues, where its driver tells. */
static uint32_t
descriptors(const struct pw_port *port)
{
	uint32_t sum = 0;

	for (uint16_t q = 0; q < port->nb_rxq; q++) {
		struct rte_eth_rxq_info info = {0};

		if (rte_eth_rx_queue_info_get(port->id, q, &info) == 0)
			sum += info.nb_desc;
	}
	return sum;
}

int
fleet_posted(struct pw_fleet *f, char *err, size_t err_len)
{
	uint32_t size = f->mem->pkt->size;
	uint64_t posted = 0;

	for (uint32_t i = 0; i < f->nb_ifaces; i++)
		posted += descriptors(f->port[i]);
	/* Of the drivers that do not tell, some have taken buffers all the same. */
	posted = RTE_MAX(posted, rte_mempool_in_use_count(f->mem->pkt));
	/* What is left has to do for messages and for segments out of order: an eighth each. */
	if (posted > size - size / 4) {
		snprintf(err, err_len,
			 "receive queues hold %" PRIu64
			 " of %u packet buffers; give at least %" PRIu64 " "
			 "packet_buffers, or fewer rx_descriptors",
			 posted, size, (posted * 4 + 2) / 3);
		return -EINVAL;
	}
	f->posted = (uint32_t)posted;
	return 0;
}
