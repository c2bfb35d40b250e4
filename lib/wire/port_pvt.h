/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PW_WIRE_PORT_PVT_H
#define PW_WIRE_PORT_PVT_H

/*
 * Drivers whose word can't be taken. Each row has its reason in port_quirk.c.
 */

#include <stdbool.h>
#include <stdint.h>

struct port_quirk {
	const char *driver;  /* prefix of the driver's name */
	uint32_t never;	     /* enum pw_port_cap bits not to be used whatever the device says */
	uint16_t max_queues; /* of each direction that are of use; 0: as many as it says */
	/* Descriptor that is readable while a queue has frames: interrupts that need no arming.
	 * -errno where there is none. */
	int (*rx_fd)(uint16_t port, uint16_t queue);
	bool no_tx_cleanup; /* its rte_eth_tx_done_cleanup() makes a queue stop */
	bool all_queues;    /* frames go to every queue the device has, whether it is read or not */
};

/* What is known of a driver; a row of nothing where nothing is. */
const struct port_quirk *wire_port_quirk(const char *driver);

/* port_socket.c: rx_fd of net_af_packet. */
int wire_port_packet_socket(uint16_t port, uint16_t queue);

#endif
