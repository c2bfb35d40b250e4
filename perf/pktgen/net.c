/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include <rte_arp.h>
#include <rte_ethdev.h>
#include <rte_ip.h>
#include <rte_tcp.h>

#include "clock.h"
#include "net.h"
#include "wire_pvt.h"

PW_COUNTER_DESCRIBE(net_counters, NET_COUNTERS);

#define ASK_INTERVAL (100 * CLOCK_MS)
#define RINGS	     1024 /* descriptors; what memif has by default */

int
net_open(struct net *net, const char *device, const struct pw_mem *mem, char *err, size_t err_len)
{
	struct pw_port_conf conf = {
		.device = device,
		.nb_workers = (uint16_t)net->queues,
		.rx_desc = RINGS,
		.tx_desc = RINGS,
		.disable_caps = PW_PORT_TX_TSO | PW_PORT_RX_RSS,
	};

	int rc = pw_port_open(&net->port, &conf, mem, err, err_len);

	net->mem = mem;
	if (rc < 0 || (net->port.nb_rxq == net->queues && net->port.nb_txq == net->queues))
		return rc;
	snprintf(err, err_len, "%s has %u receive and %u send queues; --queues %u", device,
		 net->port.nb_rxq, net->port.nb_txq, net->queues);
	pw_port_close(&net->port);
	return -ENOTSUP;
}

void
net_close(struct net *net)
{
	while (net->backlog_n > 0) {
		rte_pktmbuf_free(net->backlog[net->backlog_first]);
		net->backlog_first = (net->backlog_first + 1) % NET_BACKLOG;
		net->backlog_n--;
	}
	pw_port_close(&net->port);
}

static bool
is_ours(const struct net *net, uint32_t addr)
{
	return addr == net->link || (addr >= net->range.first && addr <= net->range.last);
}

bool
net_send(struct net *net, struct rte_mbuf *m)
{
	if (net->backlog_n == NET_BACKLOG) {
		net->n.drop_tx_full++;
		rte_pktmbuf_free(m);
		return false;
	}
	net->backlog[(net->backlog_first + net->backlog_n++) % NET_BACKLOG] = m;
	return true;
}

/* ARP. */

static void
arp_send(struct net *net, uint16_t op, uint32_t from, uint32_t to, const struct rte_ether_addr *mac)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(net->mem->pkt);
	struct rte_ether_hdr *eth;
	struct rte_arp_hdr *arp;

	if (m == NULL) {
		net->n.drop_no_buffer++;
		return;
	}
	/* Ethernet's minimum without the checksum. */
	eth = (struct rte_ether_hdr *)rte_pktmbuf_append(m, 60);
	memset(eth, 0, 60);
	if (op == RTE_ARP_OP_REPLY)
		eth->dst_addr = *mac;
	else
		memset(&eth->dst_addr, 0xff, sizeof(eth->dst_addr));
	eth->src_addr = net->port.mac;
	eth->ether_type = rte_cpu_to_be_16(RTE_ETHER_TYPE_ARP);
	arp = (struct rte_arp_hdr *)(eth + 1);
	arp->arp_hardware = rte_cpu_to_be_16(RTE_ARP_HRD_ETHER);
	arp->arp_protocol = rte_cpu_to_be_16(RTE_ETHER_TYPE_IPV4);
	arp->arp_hlen = RTE_ETHER_ADDR_LEN;
	arp->arp_plen = sizeof(uint32_t);
	arp->arp_opcode = rte_cpu_to_be_16(op);
	arp->arp_data.arp_sha = net->port.mac;
	arp->arp_data.arp_sip = rte_cpu_to_be_32(from);
	if (op == RTE_ARP_OP_REPLY)
		arp->arp_data.arp_tha = *mac;
	arp->arp_data.arp_tip = rte_cpu_to_be_32(to);
	(void)net_send(net, m);
}

static void
arp_in(struct net *net, const struct rte_mbuf *m)
{
	const struct rte_arp_hdr *arp = rte_pktmbuf_mtod_offset(m, const struct rte_arp_hdr *,
								sizeof(struct rte_ether_hdr));
	uint32_t sender, target;

	if (m->data_len < sizeof(struct rte_ether_hdr) + sizeof(*arp))
		return;
	net->n.arp_in++;
	sender = rte_be_to_cpu_32(arp->arp_data.arp_sip);
	target = rte_be_to_cpu_32(arp->arp_data.arp_tip);
	if (net->peer != 0 ? sender == net->peer : sender != 0 && is_ours(net, target)) {
		net->peer_mac = arp->arp_data.arp_sha;
		net->resolved = true;
	}
	/* A sender of 0.0.0.0 probes whether the address is free (RFC 5227): it is not. */
	if (arp->arp_opcode == rte_cpu_to_be_16(RTE_ARP_OP_REQUEST) && is_ours(net, target))
		arp_send(net, RTE_ARP_OP_REPLY, target, sender, &arp->arp_data.arp_sha);
}

bool
net_ready(struct net *net, uint64_t now)
{
	if (!net->resolved && net->peer != 0 && now >= net->ask_due) {
		net->ask_due = now + ASK_INTERVAL;
		arp_send(net, RTE_ARP_OP_REQUEST, net->link, net->peer, NULL);
	}
	return net->resolved;
}

/* IPv4. */

static bool
sums_ok(const struct net *net, struct rte_mbuf *m, const struct rte_ipv4_hdr *ip)
{
	uint32_t off = m->l2_len + m->l3_len, sum;

	if ((net->port.caps & PW_PORT_RX_CKSUM) &&
	    (m->ol_flags & RTE_MBUF_F_RX_IP_CKSUM_MASK) == RTE_MBUF_F_RX_IP_CKSUM_GOOD &&
	    (m->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK) == RTE_MBUF_F_RX_L4_CKSUM_GOOD)
		return true;
	if (rte_raw_cksum(ip, m->l3_len) != 0xffff)
		return false;
	sum = wire_chain_sum(m, off, m->pkt_len - off) + rte_ipv4_phdr_cksum(ip, 0);
	return ((sum & 0xffff) + (sum >> 16)) == 0xffff;
}

/* True for TCP that lib/tcp is to have. */
static bool
ip4_in(struct net *net, struct rte_mbuf *m)
{
	const struct rte_ipv4_hdr *ip = rte_pktmbuf_mtod_offset(m, const struct rte_ipv4_hdr *,
								sizeof(struct rte_ether_hdr));
	uint32_t total;

	m->l2_len = sizeof(struct rte_ether_hdr);
	m->l3_len = rte_ipv4_hdr_len(ip);
	total = rte_be_to_cpu_16(ip->total_length);
	if (m->data_len < m->l2_len + m->l3_len + sizeof(struct rte_tcp_hdr) ||
	    m->l3_len < sizeof(*ip) || total < m->l3_len + sizeof(struct rte_tcp_hdr) ||
	    total > m->pkt_len - m->l2_len || ip->next_proto_id != IPPROTO_TCP ||
	    !is_ours(net, rte_be_to_cpu_32(ip->dst_addr))) {
		net->n.drop_other++;
		return false;
	}
	/* Padding of short frames; they have one segment. */
	if (m->pkt_len > m->l2_len + total &&
	    rte_pktmbuf_trim(m, (uint16_t)(m->pkt_len - m->l2_len - total)) < 0) {
		net->n.drop_other++;
		return false;
	}
	if (!sums_ok(net, m, ip)) {
		net->n.drop_checksum++;
		return false;
	}
	/* A peer that knows us from another time does not ask first. */
	if (!net->resolved && net->peer == 0) {
		net->peer_mac = rte_pktmbuf_mtod(m, const struct rte_ether_hdr *)->src_addr;
		net->resolved = true;
	}
	return true;
}

uint32_t
net_input(struct net *net, struct rte_mbuf **rx, uint32_t n, struct rte_mbuf **tcp)
{
	uint32_t out = 0;

	net->n.frames_in += n;
	for (uint32_t i = 0; i < n; i++)
		rte_prefetch0(rte_pktmbuf_mtod(rx[i], void *));
	for (uint32_t i = 0; i < n; i++) {
		const struct rte_ether_hdr *eth =
			rte_pktmbuf_mtod(rx[i], const struct rte_ether_hdr *);

		net->n.bytes_in += rx[i]->pkt_len;
		if (rx[i]->data_len < sizeof(*eth) + sizeof(struct rte_ipv4_hdr)) {
			net->n.drop_other++;
		} else if (eth->ether_type == rte_cpu_to_be_16(RTE_ETHER_TYPE_IPV4)) {
			if (ip4_in(net, rx[i])) {
				tcp[out++] = rx[i];
				continue;
			}
		} else if (eth->ether_type == rte_cpu_to_be_16(RTE_ETHER_TYPE_ARP)) {
			arp_in(net, rx[i]);
		} else {
			net->n.drop_other++;
		}
		rte_pktmbuf_free(rx[i]);
	}
	return out;
}

uint32_t
net_receive(struct net *net, struct rte_mbuf **tcp, uint32_t *frames)
{
	struct rte_mbuf *rx[NET_BURST];

	*frames = rte_eth_rx_burst(net->port.id, (uint16_t)net->next_queue, rx, NET_BURST);
	net->next_queue = (net->next_queue + 1) % net->queues;
	return net_input(net, rx, *frames, tcp);
}

int
net_path(void *ctx, const struct pw_addr *dst, struct pw_tcp_path *to)
{
	const struct net *net = ctx;

	(void)dst;
	to->mtu = net->port.mtu;
	to->max_segs = net->port.max_segs;
	return 0;
}

void
net_sums(const struct net *net, struct rte_mbuf *m, struct rte_ipv4_hdr *ip, struct rte_tcp_hdr *th)
{
	uint32_t off = sizeof(struct rte_ether_hdr) + sizeof(*ip), sum;

	m->l2_len = sizeof(struct rte_ether_hdr);
	m->l3_len = sizeof(*ip);
	if (net->port.caps & PW_PORT_TX_IP_CKSUM)
		m->ol_flags |= RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IP_CKSUM;
	else
		ip->hdr_checksum = rte_ipv4_cksum(ip);
	if (net->port.caps & PW_PORT_TX_TCP_CKSUM) {
		m->ol_flags |= RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_TCP_CKSUM;
		th->cksum = rte_ipv4_phdr_cksum(ip, m->ol_flags);
		return;
	}
	sum = wire_chain_sum(m, off, m->pkt_len - off) + rte_ipv4_phdr_cksum(ip, 0);
	th->cksum = (uint16_t) ~((sum & 0xffff) + (sum >> 16));
}

int
net_output(void *ctx, const struct pw_flow *flow, struct rte_mbuf *m, uint64_t now)
{
	struct net *net = ctx;
	struct rte_tcp_hdr *th = rte_pktmbuf_mtod(m, struct rte_tcp_hdr *);
	uint32_t len = m->pkt_len;
	struct rte_ether_hdr *eth;
	struct rte_ipv4_hdr *ip;

	(void)now;
	if (!net->resolved) {
		rte_pktmbuf_free(m);
		return -EHOSTUNREACH;
	}
	eth = (struct rte_ether_hdr *)rte_pktmbuf_prepend(m, sizeof(*eth) + sizeof(*ip));
	RTE_VERIFY(eth != NULL); /* lib/tcp leaves 64 bytes of headroom */
	eth->dst_addr = net->peer_mac;
	eth->src_addr = net->port.mac;
	eth->ether_type = rte_cpu_to_be_16(RTE_ETHER_TYPE_IPV4);
	ip = (struct rte_ipv4_hdr *)(eth + 1);
	*ip = (struct rte_ipv4_hdr){
		.version_ihl = RTE_IPV4_VHL_DEF,
		.total_length = rte_cpu_to_be_16((uint16_t)(sizeof(*ip) + len)),
		.packet_id = rte_cpu_to_be_16(net->ip_id++),
		.fragment_offset = rte_cpu_to_be_16(RTE_IPV4_HDR_DF_FLAG),
		.time_to_live = NET_TTL,
		.next_proto_id = IPPROTO_TCP,
		.src_addr = pw_addr_be32(&flow->local),
		.dst_addr = pw_addr_be32(&flow->remote),
	};
	net_sums(net, m, ip, th);
	return net_send(net, m) ? 0 : -ENOBUFS;
}

/* The queue for a frame: of a flow always the same, that which a NIC with RSS would choose. */
static uint16_t
queue_of(const struct net *net, const struct rte_mbuf *m)
{
	if (net->send_queue != NET_BY_HASH)
		return (uint16_t)net->send_queue;
	return net->queues == 1 ? 0 : pw_port_worker_of_frame(&net->port, m);
}

/* What the driver's checks refuse would block all behind it: it is dropped. */
static uint32_t
send_by(struct net *net, uint16_t queue, struct rte_mbuf **m, uint32_t *n)
{
	uint64_t bytes = 0;
	uint32_t good = *n, sent;

	if (net->port.caps & (PW_PORT_TX_IP_CKSUM | PW_PORT_TX_TCP_CKSUM))
		good = rte_eth_tx_prepare(net->port.id, queue, m, (uint16_t)*n);
	if (good == 0) {
		net->n.drop_other++;
		rte_pktmbuf_free(m[0]);
		return *n = 1;
	}
	*n = good;
	/* They are the driver's once they are sent. */
	for (uint32_t i = 0; i < good; i++)
		bytes += m[i]->pkt_len;
	sent = rte_eth_tx_burst(net->port.id, queue, m, (uint16_t)good);
	for (uint32_t i = sent; i < good; i++)
		bytes -= m[i]->pkt_len;
	net->n.frames_out += sent;
	net->n.bytes_out += bytes;
	return sent;
}

/* A burst of n frames sorted by their queues; what finds no room is left behind, in its order. */
static uint32_t
send_sorted(struct net *net, struct rte_mbuf **burst, uint32_t n)
{
	struct rte_mbuf *m[NET_QUEUES][NET_BURST];
	uint32_t of[NET_QUEUES] = {0}, left = n;

	for (uint32_t i = 0; i < n; i++) {
		uint16_t q = queue_of(net, burst[i]);

		m[q][of[q]++] = burst[i];
	}
	for (uint32_t q = 0; q < net->queues; q++) {
		uint32_t done = 0;

		while (done < of[q]) {
			uint32_t some = of[q] - done, sent;

			sent = send_by(net, (uint16_t)q, m[q] + done, &some);
			done += sent;
			if (sent < some)
				break;
		}
		while (of[q] > done)
			burst[--left] = m[q][--of[q]];
	}
	return left;
}

void
net_flush(struct net *net)
{
	while (net->backlog_n > 0) {
		uint32_t run = RTE_MIN(net->backlog_n, NET_BACKLOG - net->backlog_first), sent;
		struct rte_mbuf **m = &net->backlog[net->backlog_first];

		run = RTE_MIN(run, (uint32_t)NET_BURST);
		if (net->queues > 1 && net->send_queue == NET_BY_HASH)
			sent = send_sorted(net, m, run);
		else
			sent = send_by(net, queue_of(net, m[0]), m, &run);
		net->backlog_first = (net->backlog_first + sent) % NET_BACKLOG;
		net->backlog_n -= sent;
		if (sent < run)
			break;
	}
}
