/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What drivers of DPDK 22.11 say of themselves and don't keep.
 *
 * Frames from a local kernel (veth, TAP, virtio) carry partial TCP checksums, which these drivers
 * report as good or not at all: received checksums are always verified in software there.
 *
 * net_af_packet: receives into every queue pair it was created with, by the kernel's hash, from the
 * moment it exists; a queue that nobody reads swallows its share; its sockets become readable, but
 * it shows them to nobody.
 * net_tap: claims RSS types, but the kernel spreads by a hash of its own; its transmit checksums
 * are a loop in the driver that goes wrong behind a segment of odd length; its receive
 * interrupts are the queues' own descriptors. net_af_xdp, net_null, net_ring: no checksums, no hash
 * that is ours, whatever they list. net_e1000_em: says two queues for every chip. Those before the
 * 82571 send nothing from a second one, later ones have one context for checksums that both would
 * write to, and without a hash no frame is received into it. net_e1000_igb, net_igc: to clean up
 * behind a packet of several segments they forget which descriptor its end was, wait for one that
 * never comes when the ring has gone round, and send no more.
 */
#include <string.h>

#include <rte_common.h>
#include <rte_ethdev.h>

#include <pubwire/wire/port.h>

#include "port_pvt.h"

static const struct port_quirk quirks[] = {
	{"net_af_packet", PW_PORT_RX_CKSUM | PW_PORT_RX_RSS, .rx_fd = wire_port_packet_socket,
	 .all_queues = true},
	{"net_af_xdp", PW_PORT_RX_CKSUM | PW_PORT_RX_RSS},
	{"net_e1000_em", .max_queues = 1},
	{"net_e1000_igb", .no_tx_cleanup = true},
	{"net_igc", .no_tx_cleanup = true},
	{"net_tap",
	 PW_PORT_RX_CKSUM | PW_PORT_RX_RSS | PW_PORT_TX_IP_CKSUM | PW_PORT_TX_TCP_CKSUM |
		 PW_PORT_TX_TSO,
	 .rx_fd = rte_eth_dev_rx_intr_ctl_q_get_fd},
	{"net_virtio", PW_PORT_RX_CKSUM},
	{"net_vhost", PW_PORT_RX_CKSUM},
	{"net_null", PW_PORT_RX_CKSUM | PW_PORT_RX_RSS},
	{"net_ring", PW_PORT_RX_CKSUM | PW_PORT_RX_RSS},
};

const struct port_quirk *
wire_port_quirk(const char *driver)
{
	static const struct port_quirk none;

	for (uint32_t i = 0; i < RTE_DIM(quirks); i++) {
		if (strncmp(driver, quirks[i].driver, strlen(quirks[i].driver)) == 0)
			return &quirks[i];
	}
	return &none;
}
