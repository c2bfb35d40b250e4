/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which worker a flow belongs to. A device's RSS and this code compute the same Toeplitz hash over
 * the same fields (remote address, local address, remote port, local port), so that a packet lands
 * on the worker that software would have chosen for it.
 */
#include <netinet/in.h>
#include <string.h>

#include <rte_ip.h>
#include <rte_tcp.h>
#include <rte_thash.h>

#include <pubwire/wire/port.h>

#define DEFAULT_WORKER 0

/* Input of the hash in host-order words: 32 bytes of addresses and 4 of ports at most. */
struct input {
	uint32_t word[9];
	uint32_t n;
};

static void
add_words(struct input *in, const void *be, uint32_t words)
{
	for (uint32_t i = 0; i < words; i++) {
		uint32_t w;

		memcpy(&w, (const uint8_t *)be + 4 * i, sizeof(w));
		in->word[in->n++] = rte_be_to_cpu_32(w);
	}
}

uint32_t
pw_port_hash(const struct pw_port *port, const struct pw_flow *flow)
{
	struct input in = {.n = 0};

	if (pw_addr_is_v4(&flow->remote)) {
		add_words(&in, &flow->remote.b[12], 1);
		add_words(&in, &flow->local.b[12], 1);
	} else {
		add_words(&in, flow->remote.b, 4);
		add_words(&in, flow->local.b, 4);
	}
	in.word[in.n++] = (uint32_t)flow->rport << 16 | flow->lport;
	return rte_softrss(in.word, in.n, port->rss_key);
}

/* Bytes of a frame at an offset, wherever they lie; NULL where it ends before. */
#define READ(m, off, room) rte_pktmbuf_read(m, off, sizeof(*(room)), room)

/* Flow of a TCP packet over IPv4; false for anything else, and for fragments. */
static bool
flow_of_ip4(const struct rte_mbuf *m, uint32_t off, struct pw_flow *flow, uint32_t *l4)
{
	struct rte_ipv4_hdr room;
	const struct rte_ipv4_hdr *ip = READ(m, off, &room);

	if (ip == NULL || (ip->version_ihl >> 4) != IPVERSION ||
	    rte_ipv4_hdr_len(ip) < sizeof(*ip) || ip->next_proto_id != IPPROTO_TCP)
		return false;
	if (ip->fragment_offset & rte_cpu_to_be_16(RTE_IPV4_HDR_MF_FLAG | RTE_IPV4_HDR_OFFSET_MASK))
		return false;
	flow->remote = pw_addr_v4(ip->src_addr);
	flow->local = pw_addr_v4(ip->dst_addr);
	*l4 = off + rte_ipv4_hdr_len(ip);
	return true;
}

/* The same over IPv6; a packet with extension headers (fragments among them) has no flow here. */
static bool
flow_of_ip6(const struct rte_mbuf *m, uint32_t off, struct pw_flow *flow, uint32_t *l4)
{
	struct rte_ipv6_hdr room;
	const struct rte_ipv6_hdr *ip = READ(m, off, &room);

	if (ip == NULL || ip->proto != IPPROTO_TCP)
		return false;
	memcpy(flow->remote.b, ip->src_addr, sizeof(flow->remote.b));
	memcpy(flow->local.b, ip->dst_addr, sizeof(flow->local.b));
	*l4 = off + sizeof(*ip);
	return true;
}

static bool
flow_of_frame(const struct rte_mbuf *m, struct pw_flow *flow)
{
	struct rte_ether_hdr eth_room;
	struct rte_vlan_hdr tag_room;
	uint32_t off = sizeof(eth_room), l4;
	const struct rte_ether_hdr *eth = READ(m, 0, &eth_room);
	uint16_t ports[2];
	const void *p;
	uint16_t type;
	bool tcp;

	if (eth == NULL)
		return false;
	type = eth->ether_type;
	if (type == rte_cpu_to_be_16(RTE_ETHER_TYPE_VLAN)) {
		const struct rte_vlan_hdr *tag = READ(m, off, &tag_room);

		if (tag == NULL)
			return false;
		type = tag->eth_proto;
		off += sizeof(*tag);
	}
	if (type == rte_cpu_to_be_16(RTE_ETHER_TYPE_IPV4))
		tcp = flow_of_ip4(m, off, flow, &l4);
	else if (type == rte_cpu_to_be_16(RTE_ETHER_TYPE_IPV6))
		tcp = flow_of_ip6(m, off, flow, &l4);
	else
		tcp = false;
	if (!tcp)
		return false;
	p = rte_pktmbuf_read(m, l4, sizeof(ports), ports);
	if (p == NULL)
		return false;
	memcpy(ports, p, sizeof(ports)); /* in a split frame it may lie at an odd address */
	flow->rport = rte_be_to_cpu_16(ports[0]);
	flow->lport = rte_be_to_cpu_16(ports[1]);
	return true;
}

uint16_t
pw_port_worker_of_frame(const struct pw_port *port, const struct rte_mbuf *m)
{
	struct pw_flow flow;

	return flow_of_frame(m, &flow) ? pw_port_worker(port, &flow) : DEFAULT_WORKER;
}
