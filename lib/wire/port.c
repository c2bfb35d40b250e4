/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * From an ethdev's name to a running port: ask what it can do, take what is wanted and not known to
 * be broken, configure, read back what it made of that. Main lcore; nothing here is on the packet
 * path.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <rte_ethdev.h>

#include <pubwire/base/log.h>
#include <pubwire/wire/port.h>

#include "port_pvt.h"

#define DEFAULT_DESC  512
#define VLAN_RESERVED 4095 /* IEEE 802.1Q 9.6 */
#define KEY_MIN	      40   /* bytes of Toeplitz key that IPv6 with ports needs */
#define SOFTWARE_RETA 128  /* hash buckets where the device has none */

/* Flows that a device has to tell apart by addresses and ports: of both families, or RSS is ours.
 */
#define RSS_TYPES (RTE_ETH_RSS_NONFRAG_IPV4_TCP | RTE_ETH_RSS_NONFRAG_IPV6_TCP)

/*
 * The key of software RSS, and offered to devices: the verification key of Microsoft's RSS
 * specification, whose spread is well known, lengthened for devices that take more.
 */
static const uint8_t default_key[64] = {
	0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43,
	0xa3, 0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb, 0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb,
	0x2d, 0xa3, 0x80, 0x30, 0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01,
	0xfa, 0x35, 0xd1, 0x9c, 0x64, 0x5e, 0x03, 0xe7, 0x8a, 0x1b, 0x70, 0xc9, 0x2f,
	0x96, 0x4d, 0xb8, 0x13, 0xe2, 0x6c, 0x39, 0xa5, 0x58, 0xf1, 0x0d, 0x97,
};

/* A capability: what it is called, and the ethdev offloads that it stands on. */
struct cap_row {
	uint32_t cap;
	const char *word;
	uint64_t rx;
	uint64_t tx;
};

static const struct cap_row cap_rows[] = {
	{PW_PORT_RX_CKSUM, "rx-cksum", RTE_ETH_RX_OFFLOAD_IPV4_CKSUM | RTE_ETH_RX_OFFLOAD_TCP_CKSUM,
	 0},
	{PW_PORT_TX_IP_CKSUM, "ip-cksum", 0, RTE_ETH_TX_OFFLOAD_IPV4_CKSUM},
	{PW_PORT_TX_TCP_CKSUM, "tcp-cksum", 0, RTE_ETH_TX_OFFLOAD_TCP_CKSUM},
	{PW_PORT_TX_MULTI_SEG, "multi-seg", 0, RTE_ETH_TX_OFFLOAD_MULTI_SEGS},
	{PW_PORT_TX_TSO, "tso", 0, RTE_ETH_TX_OFFLOAD_TCP_TSO},
	{PW_PORT_RX_RSS, "rss", 0, 0},
	{PW_PORT_TX_VLAN, "vlan", 0, RTE_ETH_TX_OFFLOAD_VLAN_INSERT},
};

/* What pw_port_open() is in the middle of. */
struct opening {
	struct pw_port *port;
	const struct pw_port_conf *conf;
	const struct pw_mem *mem;
	const struct port_quirk *quirk;
	struct rte_eth_dev_info info;
	struct rte_eth_conf eth;
	uint16_t rx_desc;
	uint16_t tx_desc;
	bool configured;
	bool started;
	char *err;
	size_t err_len;
};

__attribute__((format(printf, 3, 4))) static int
fail(struct opening *o, int rc, const char *fmt, ...)
{
	va_list ap;
	int n;

	n = snprintf(o->err, o->err_len, "port %s: ", o->conf->device);
	if (n < 0 || (size_t)n >= o->err_len)
		return rc;
	va_start(ap, fmt);
	vsnprintf(o->err + n, o->err_len - n, fmt, ap);
	va_end(ap);
	return rc;
}

static int
look_up(struct opening *o)
{
	struct pw_port *port = o->port;
	int rc;

	if (rte_eth_dev_get_port_by_name(o->conf->device, &port->id) < 0)
		return fail(o, -ENODEV,
			    "no such device; create it with an EAL argument (--vdev=%s,... or -a "
			    "PCI-ADDRESS after dpdk-devbind.py has bound it)",
			    o->conf->device);
	rc = rte_eth_dev_info_get(port->id, &o->info);
	if (rc < 0)
		return fail(o, rc, "the driver does not describe it: %s", strerror(-rc));
	snprintf(port->device, sizeof(port->device), "%s", o->conf->device);
	snprintf(port->driver, sizeof(port->driver), "%s", o->info.driver_name);
	o->quirk = wire_port_quirk(port->driver);
	port->no_tx_cleanup = o->quirk->no_tx_cleanup;
	return 0;
}

/* The tag, and queues: one a worker, as far as the device has them. */
static int
plan_shape(struct opening *o)
{
	struct pw_port *port = o->port;
	const uint16_t want = o->conf->nb_workers, best = o->quirk->max_queues;
	const uint16_t most = best != 0 ? RTE_MIN(want, best) : want;

	if (port->vlan >= VLAN_RESERVED)
		return fail(o, -EINVAL, "vlan %u; identifiers are 1 to %u, 0 stands for none",
			    port->vlan, VLAN_RESERVED - 1);
	if (want == 0 || want > PW_PORT_MAX_WORKERS)
		return fail(o, -EINVAL, "%u workers; 1 to %u can share a port", want,
			    PW_PORT_MAX_WORKERS);
	port->nb_rxq = RTE_MIN(most, o->info.max_rx_queues);
	port->nb_txq = RTE_MIN(most, o->info.max_tx_queues);
	if (port->nb_rxq == 0 || port->nb_txq == 0)
		return fail(o, -ENOTSUP, "has %u receive and %u send queues; one of each is needed",
			    o->info.max_rx_queues, o->info.max_tx_queues);
	if (o->quirk->all_queues && o->info.max_rx_queues > want)
		return fail(
			o, -EINVAL,
			"receives into %u queues but only %u workers would read them; create it "
			"with at most as many queues as workers (net_af_packet: qpairs=%u)",
			o->info.max_rx_queues, want, want);
	return 0;
}

/* The capabilities to use: offered, not switched off by the operator, not known to be broken. */
static void
plan_caps(struct opening *o)
{
	const uint32_t refused = o->conf->disable_caps | o->quirk->never;
	const uint32_t tso_needs =
		PW_PORT_TX_IP_CKSUM | PW_PORT_TX_TCP_CKSUM | PW_PORT_TX_MULTI_SEG;
	struct pw_port *port = o->port;
	bool rss;

	for (uint32_t i = 0; i < RTE_DIM(cap_rows); i++) {
		const struct cap_row *r = &cap_rows[i];

		if (r->cap == PW_PORT_RX_RSS || (refused & r->cap))
			continue;
		if ((o->info.rx_offload_capa & r->rx) == r->rx &&
		    (o->info.tx_offload_capa & r->tx) == r->tx)
			port->caps |= r->cap;
	}
	if (port->vlan == 0)
		port->caps &= ~PW_PORT_TX_VLAN;
	if ((port->caps & tso_needs) != tso_needs)
		port->caps &= ~PW_PORT_TX_TSO;
	/* RSS in the device is of use only where each worker has a queue, so that hash -> worker
	 * holds. */
	rss = (o->info.flow_type_rss_offloads & RSS_TYPES) == RSS_TYPES &&
	      (o->info.hash_key_size == 0 || o->info.hash_key_size >= KEY_MIN) &&
	      o->info.hash_key_size <= sizeof(port->rss_key) &&
	      rte_is_power_of_2(o->info.reta_size);
	if (rss && !(refused & PW_PORT_RX_RSS) && port->nb_rxq > 1 &&
	    port->nb_rxq == o->conf->nb_workers)
		port->caps |= PW_PORT_RX_RSS;
}

/* Does a frame of the MTU fit through the driver, and into a buffer? */
static int
plan_mtu(struct opening *o)
{
	const uint32_t overhead = RTE_ETHER_HDR_LEN + RTE_ETHER_CRC_LEN;
	const uint32_t room = rte_pktmbuf_data_room_size(o->mem->pkt) - RTE_PKTMBUF_HEADROOM;
	struct pw_port *port = o->port;
	uint32_t largest = o->info.max_mtu;

	port->mtu = o->conf->mtu != 0 ? o->conf->mtu : RTE_ETHER_MTU;
	if (o->info.max_rx_pktlen > overhead)
		largest = RTE_MIN(largest, o->info.max_rx_pktlen - overhead);
	if (port->mtu < RTE_MAX(o->info.min_mtu, RTE_ETHER_MIN_MTU) || port->mtu > largest)
		return fail(o, -EINVAL, "mtu %u; %s takes %u to %u", port->mtu, port->driver,
			    RTE_MAX(o->info.min_mtu, RTE_ETHER_MIN_MTU), largest);
	if (port->mtu + overhead + RTE_VLAN_HLEN > room) {
		if (!(o->info.rx_offload_capa & RTE_ETH_RX_OFFLOAD_SCATTER))
			return fail(o, -EINVAL,
				    "mtu %u does not fit into a buffer of %u bytes and %s can't "
				    "receive into several; set mtu to at most %u",
				    port->mtu, room, port->driver, room - overhead - RTE_VLAN_HLEN);
		o->eth.rxmode.offloads |= RTE_ETH_RX_OFFLOAD_SCATTER;
	}
	o->eth.rxmode.mtu = port->mtu;
	return 0;
}

static int
configure(struct opening *o)
{
	struct pw_port *port = o->port;
	int rc;

	for (uint32_t i = 0; i < RTE_DIM(cap_rows); i++) {
		if (!(port->caps & cap_rows[i].cap))
			continue;
		o->eth.rxmode.offloads |= cap_rows[i].rx;
		o->eth.txmode.offloads |= cap_rows[i].tx;
	}
	memcpy(port->rss_key, default_key, sizeof(default_key));
	port->rss_key_len = o->info.hash_key_size != 0 ? o->info.hash_key_size : KEY_MIN;
	if (port->caps & PW_PORT_RX_RSS) {
		o->eth.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
		o->eth.rx_adv_conf.rss_conf = (struct rte_eth_rss_conf){
			.rss_key = port->rss_key,
			.rss_key_len = port->rss_key_len,
			.rss_hf = RSS_TYPES,
		};
	}
	rc = rte_eth_dev_configure(port->id, port->nb_rxq, port->nb_txq, &o->eth);
	if (rc < 0)
		return fail(o, rc,
			    "%s refuses %u+%u queues with these offloads: %s; try disabling "
			    "offloads of this port",
			    port->driver, port->nb_rxq, port->nb_txq, strerror(-rc));
	o->configured = true;
	rc = rte_eth_dev_set_mtu(port->id, port->mtu);
	if (rc < 0 && rc != -ENOTSUP)
		return fail(o, rc, "%s does not set mtu %u: %s", port->driver, port->mtu,
			    strerror(-rc));
	return 0;
}

static int
set_up_queues(struct opening *o)
{
	struct pw_port *port = o->port;
	struct rte_eth_rxconf rx = o->info.default_rxconf;
	struct rte_eth_txconf tx = o->info.default_txconf;
	int socket = rte_eth_dev_socket_id(port->id);
	int rc;

	o->rx_desc =
		o->conf->rx_desc != 0 ? o->conf->rx_desc : o->info.default_rxportconf.ring_size;
	o->tx_desc =
		o->conf->tx_desc != 0 ? o->conf->tx_desc : o->info.default_txportconf.ring_size;
	o->rx_desc = o->rx_desc != 0 ? o->rx_desc : DEFAULT_DESC;
	o->tx_desc = o->tx_desc != 0 ? o->tx_desc : DEFAULT_DESC;
	rc = rte_eth_dev_adjust_nb_rx_tx_desc(port->id, &o->rx_desc, &o->tx_desc);
	if (rc < 0)
		return fail(o, rc, "%u receive and %u send descriptors do not suit %s", o->rx_desc,
			    o->tx_desc, port->driver);
	rx.offloads = o->eth.rxmode.offloads;
	tx.offloads = o->eth.txmode.offloads;
	for (uint16_t q = 0; q < port->nb_rxq; q++) {
		rc = rte_eth_rx_queue_setup(port->id, q, o->rx_desc, socket, &rx, o->mem->pkt);
		if (rc < 0)
			return fail(o, rc, "receive queue %u: %s", q, strerror(-rc));
	}
	for (uint16_t q = 0; q < port->nb_txq; q++) {
		rc = rte_eth_tx_queue_setup(port->id, q, o->tx_desc, socket, &tx);
		if (rc < 0)
			return fail(o, rc, "send queue %u: %s", q, strerror(-rc));
	}
	return 0;
}

/* Segments of one packet: what the driver can put on the wire, and its ring can hold twice. */
static void
set_max_segs(struct opening *o)
{
	const struct rte_eth_desc_lim *lim = &o->info.tx_desc_lim;
	struct pw_port *port = o->port;
	uint16_t most = o->tx_desc / 2;

	if (lim->nb_seg_max != 0)
		most = RTE_MIN(most, lim->nb_seg_max);
	if (lim->nb_mtu_seg_max != 0)
		most = RTE_MIN(most, lim->nb_mtu_seg_max);
	if (!(port->caps & PW_PORT_TX_MULTI_SEG) || most <= 1) {
		port->caps &= ~(PW_PORT_TX_MULTI_SEG | PW_PORT_TX_TSO);
		most = 1;
	}
	port->max_segs = most;
}

static int
start(struct opening *o)
{
	struct pw_port *port = o->port;
	int rc;

	rc = rte_eth_dev_start(port->id);
	if (rc == -ENOMEM || rc == -ENOBUFS)
		return fail(o, rc,
			    "not enough buffers for %u queues of %u descriptors; configure more "
			    "packet buffers or fewer descriptors",
			    port->nb_rxq, o->rx_desc);
	if (rc < 0)
		return fail(o, rc, "does not start: %s", strerror(-rc));
	o->started = true;
	if (o->conf->promiscuous) {
		rc = rte_eth_promiscuous_enable(port->id);
		if (rc < 0)
			return fail(o, rc, "can't be made promiscuous: %s; leave that out",
				    strerror(-rc));
	}
	rc = rte_eth_macaddr_get(port->id, &port->mac);
	if (rc < 0)
		return fail(o, rc, "does not tell its Ethernet address: %s", strerror(-rc));
	if (!rte_is_valid_assigned_ether_addr(&port->mac)) {
		/* Ports that lead to another part of this process have none: a local one by number.
		 */
		port->mac = (struct rte_ether_addr){
			{0x02, 'p', 'w', 0, port->id >> 8, port->id & 0xff}};
	}
	return 0;
}

/* Hash buckets to workers in turn; bucket 0, where what has no hash goes, is worker 0's. */
static void
fill_reta(struct pw_port *port, uint16_t size, uint16_t nb_workers)
{
	port->reta_size = size;
	for (uint16_t i = 0; i < size; i++)
		port->reta[i] = i % nb_workers;
}

/* What the device made of key and table; where it differs from what is known here, RSS is ours. */
static void
settle_rss(struct opening *o)
{
	struct pw_port *port = o->port;
	struct rte_eth_rss_conf rss = {.rss_key = port->rss_key,
				       .rss_key_len = sizeof(port->rss_key)};
	int rc = -ENOTSUP;

	if (port->caps & PW_PORT_RX_RSS) {
		fill_reta(port, RTE_MIN(o->info.reta_size, PW_PORT_RETA_MAX), port->nb_rxq);
		rss.rss_key_len = port->rss_key_len;
		rc = pw_port_write_reta(port);
		if (rc == 0)
			rc = rte_eth_dev_rss_hash_conf_get(port->id, &rss);
		if (rc == 0 && (rss.rss_hf & RSS_TYPES) != RSS_TYPES)
			rc = -EIO;
		if (rc == 0)
			return;
		PW_LOG(wire, WARNING,
		       "port %s: %s does not confirm its RSS (%s); steering is done in "
		       "software",
		       port->device, port->driver, strerror(-rc));
		memcpy(port->rss_key, default_key, sizeof(default_key));
	}
	port->caps &= ~PW_PORT_RX_RSS;
	fill_reta(port, SOFTWARE_RETA, o->conf->nb_workers);
}

/* After a failure: queues and their buffers are the device's until it is closed. */
static void
undo(struct opening *o)
{
	if (o->started)
		(void)rte_eth_dev_stop(o->port->id);
	if (o->configured)
		(void)rte_eth_dev_close(o->port->id);
}

static int
bring_up(struct opening *o)
{
	int rc = configure(o);

	if (rc == 0)
		rc = set_up_queues(o);
	if (rc == 0) {
		set_max_segs(o);
		rc = start(o);
	}
	return rc;
}

/*
 * Which drivers have receive interrupts shows only when they are asked for: most ignore the wish,
 * some refuse to be configured with it (virtio behind a UIO driver, which has one interrupt for
 * all).
 */
static int
bring_up_as_asked(struct opening *o)
{
	int rc;

	o->eth.intr_conf.rxq = o->conf->rx_interrupts;
	rc = bring_up(o);
	if (rc < 0 && o->eth.intr_conf.rxq) {
		if (o->started)
			(void)rte_eth_dev_stop(o->port->id);
		o->started = false;
		o->eth.intr_conf.rxq = 0;
		rc = bring_up(o);
	}
	if (rc == 0 && o->eth.intr_conf.rxq)
		o->port->rx_interrupts =
			o->quirk->rx_fd != NULL ? PW_PORT_INTR_ALWAYS : PW_PORT_INTR_ARMED;
	return rc;
}

int
pw_port_open(struct pw_port *port, const struct pw_port_conf *conf, const struct pw_mem *mem,
	     char *err, size_t err_len)
{
	struct opening o = {.port = port, .conf = conf, .mem = mem, .err = err, .err_len = err_len};
	int rc;

	memset(port, 0, sizeof(*port));
	port->vlan = conf->vlan;
	rc = look_up(&o);
	if (rc == 0)
		rc = plan_shape(&o);
	if (rc < 0)
		return rc;
	plan_caps(&o);
	rc = plan_mtu(&o);
	if (rc == 0)
		rc = bring_up_as_asked(&o);
	if (rc < 0) {
		undo(&o);
		return rc;
	}
	settle_rss(&o);
	return 0;
}

void
pw_port_close(struct pw_port *port)
{
	int rc = rte_eth_dev_stop(port->id);

	if (rc < 0)
		PW_LOG(wire, WARNING, "port %s does not stop: %s", port->device, strerror(-rc));
	rc = rte_eth_dev_close(port->id);
	if (rc < 0)
		PW_LOG(wire, WARNING, "port %s does not close: %s", port->device, strerror(-rc));
}

const char *
pw_port_caps_str(uint32_t caps, char *buf, size_t len)
{
	size_t at = 0;

	if (len == 0)
		return buf;
	buf[0] = '\0';
	for (uint32_t i = 0; i < RTE_DIM(cap_rows) && at < len; i++) {
		if (caps & cap_rows[i].cap)
			at += snprintf(buf + at, len - at, "%s%s", at != 0 ? " " : "",
				       cap_rows[i].word);
	}
	return buf;
}
