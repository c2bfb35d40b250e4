/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PUBWIRE_WIRE_PORT_H
#define PUBWIRE_WIRE_PORT_H

/**
 * @file
 * A port: one DPDK ethdev, set up from what the device says it can do and what a self-test proved.
 *
 * Set-up runs on the main lcore before the workers start. In the loop, an RX queue and a TX queue
 * belong to one lcore each; a port with fewer queues than workers is shared by handing packets over
 * (lib/worker), not by locks.
 */

#include <stdbool.h>
#include <stdint.h>

#include <rte_ether.h>
#include <rte_mbuf.h>

#include <pubwire/base/addr.h>
#include <pubwire/base/pool.h>

#ifdef __cplusplus
extern "C" {
#endif

#define PW_PORT_MAX_WORKERS 64
#define PW_PORT_RETA_MAX    512

/** What a port does for us beyond bare frames. */
enum pw_port_cap {
	PW_PORT_RX_CKSUM = 1 << 0, /**< RX checksum status in ol_flags may be believed */
	PW_PORT_TX_IP_CKSUM = 1 << 1,
	PW_PORT_TX_TCP_CKSUM = 1 << 2,
	PW_PORT_TX_MULTI_SEG = 1 << 3,
	PW_PORT_TX_TSO = 1 << 4, /**< large packets of TCP are cut by the device */
	PW_PORT_RX_RSS = 1 << 5, /**< RX queues follow rss_key/reta: steering needs no check */
	PW_PORT_TX_VLAN = 1 << 6,
};

/** How to set a port up. Strings need only live through the call. */
struct pw_port_conf {
	const char *device;  /**< ethdev name or PCI address, e.g. net_af_packet0 */
	uint16_t nb_workers; /**< workers that will share the port; queues are min(this, device) */
	uint16_t rx_desc;    /**< 0: the driver's default, else 512 */
	uint16_t tx_desc;
	uint16_t mtu;	       /**< 0: 1500 */
	uint16_t vlan;	       /**< 802.1Q VLAN id to send and accept, 0: untagged */
	uint32_t disable_caps; /**< enum pw_port_cap bits not to use, the operator's switches */
	bool promiscuous;
	bool rx_interrupts; /**< ask for an interrupt of each receive queue */
};

/** How the receive queues of a port say that a frame has come. */
enum pw_port_intr {
	PW_PORT_INTR_NONE,   /**< not at all, or nobody has asked for it */
	PW_PORT_INTR_ARMED,  /**< by an event, once rte_eth_dev_rx_intr_enable() has armed it */
	PW_PORT_INTR_ALWAYS, /**< a queue's descriptor is readable while there are frames */
};

/** A port after set-up; read-only while the workers run. */
struct pw_port {
	uint16_t id; /**< ethdev port id */
	uint16_t nb_rxq;
	uint16_t nb_txq;
	uint16_t mtu;
	uint16_t vlan;
	uint16_t max_segs; /**< segments a packet may have when sent, at least 1 */
	uint32_t caps;	   /**< enum pw_port_cap bits that are in use */
	enum pw_port_intr rx_interrupts;
	bool no_tx_cleanup; /**< rte_eth_tx_done_cleanup() does harm: a queue keeps what it sent */
	struct rte_ether_addr mac;
	char device[64];
	char driver[32];
	/** Toeplitz key of the device, or ours for software RSS; read as words of 32 bits */
	uint8_t rss_key[64] __attribute__((aligned(8)));
	uint16_t rss_key_len;		 /**< bytes, at least 40 */
	uint16_t reta_size;		 /**< entries in use, a power of two */
	uint16_t reta[PW_PORT_RETA_MAX]; /**< hash -> worker index (queue i belongs to worker i) */
};

/**
 * Configure an ethdev, its queues and offloads, and start it. Main lcore. A device that fails after
 * it took its configuration is closed, so that it lets go of its buffers.
 *
 * @param err  receives one line that says what failed and what to do about it
 * @return     0; -ENODEV unknown device; or the driver's -errno
 */
int pw_port_open(struct pw_port *port, const struct pw_port_conf *conf, const struct pw_mem *mem,
		 char *err, size_t err_len) __attribute__((warn_unused_result));

/**
 * Descriptor that is readable as long as a receive queue has frames, and may be waited for, nothing
 * else. Main lcore, for open ports with PW_PORT_INTR_ALWAYS.
 *
 * @return  it, or -errno: there is none, or which it is can't be told
 */
int pw_port_rx_fd(const struct pw_port *port, uint16_t queue) __attribute__((warn_unused_result));

/** What a port lets in of the frames for groups of stations. */
enum pw_port_groups {
	PW_PORT_GROUPS_EXACT,	/**< those that were asked for */
	PW_PORT_GROUPS_ALL,	/**< all */
	PW_PORT_GROUPS_UNKNOWN, /**< the driver has no filter to set; said in the log */
};

#define PW_PORT_MAX_JOINED 16

/**
 * Let in what an IPv6 host has to receive: frames for all nodes, and for the solicited-node groups
 * of these addresses and of the link-local one made of the port's own. IPv4 addresses among them
 * are passed over. Main lcore, after pw_port_open(), on ports with an IPv6 address.
 *
 * @param nb_addrs  at most PW_PORT_MAX_JOINED
 */
enum pw_port_groups pw_port_join(const struct pw_port *port, const struct pw_addr *addr,
				 uint32_t nb_addrs);

/**
 * Let in frames for all groups, for whom the kernel's interface beside the port listens; a driver
 * that has no such filter is named in the log. Main lcore, after pw_port_join().
 */
void pw_port_all_groups(const struct pw_port *port);

/** Stop and close the ethdev. Main lcore, after the workers have stopped. */
void pw_port_close(struct pw_port *port);

/** Write the caps in words ("multi-seg ip-cksum ...") into buf; returns buf. */
const char *pw_port_caps_str(uint32_t caps, char *buf, size_t len);

/**
 * Toeplitz hash of a flow as the port's receiver sees it (remote = source, local = destination).
 * Both the device's RSS and software RSS compute this. Any lcore.
 */
uint32_t pw_port_hash(const struct pw_port *port, const struct pw_flow *flow);

/** Worker index that a flow's packets go to. Any lcore. */
static inline uint16_t
pw_port_worker_of_hash(const struct pw_port *port, uint32_t hash)
{
	return port->reta[hash & (port->reta_size - 1)];
}

/** Worker index of a flow. Any lcore. */
static inline uint16_t
pw_port_worker(const struct pw_port *port, const struct pw_flow *flow)
{
	return pw_port_worker_of_hash(port, pw_port_hash(port, flow));
}

/**
 * Write the table into the device, whose own may be longer, and read it back. Main lcore, for ports
 * that were opened with PW_PORT_RX_RSS.
 *
 * @return  0; -EIO where the device does not say what it was told; -EINVAL where an entry names no
 *          RX queue; -ENOTSUP, or what the driver says, where it takes no such table
 */
int pw_port_write_reta(const struct pw_port *port) __attribute__((warn_unused_result));

/**
 * Worker index of a received frame: TCP over IPv4 (and IPv6) by its flow; everything else, and
 * fragments, by the default worker 0. Looks at headers only, checks bounds. Any lcore.
 */
uint16_t pw_port_worker_of_frame(const struct pw_port *port, const struct rte_mbuf *m);

#ifdef __cplusplus
}
#endif

#endif
