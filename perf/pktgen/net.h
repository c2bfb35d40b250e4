/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PKTGEN_NET_H
#define PKTGEN_NET_H

/*
 * A port that speaks for a whole range of IPv4 addresses: devices, or brokers. lib/wire speaks for
 * a few addresses and is careful with strangers; here is one peer, and there are up to millions of
 * addresses. ARP is answered for all of them, and everything goes to one next hop. Where the range
 * lies outside the link's network, the peer has a gateway: any address of ours on the link.
 */

#include <stdbool.h>
#include <stdint.h>

#include <rte_ether.h>
#include <rte_mbuf.h>

#include <pubwire/base/addr.h>
#include <pubwire/base/counter.h>
#include <pubwire/base/pool.h>
#include <pubwire/tcp/tcp.h>
#include <pubwire/wire/port.h>

#define NET_TTL	    64
#define NET_BURST   64
#define NET_QUEUES  8
#define NET_BY_HASH UINT32_MAX
#define NET_BACKLOG 4096 /* frames that wait for room in the send queue */
#define NET_BUSY    512	 /* so many, and nothing new should be begun */

#define NET_COUNTERS(X)                                                                            \
	X(frames_in, "Frames received")                                                            \
	X(frames_out, "Frames sent")                                                               \
	X(bytes_in, "Bytes received, Ethernet headers included")                                   \
	X(bytes_out, "Bytes sent, Ethernet headers included")                                      \
	X(arp_in, "ARP packets received")                                                          \
	X(drop_checksum, "Packets with a wrong IP or TCP checksum")                                \
	X(drop_other, "Frames that are neither ARP nor TCP over IPv4 for us")                      \
	X(drop_tx_full, "Frames not sent because the backlog was full")                            \
	X(drop_no_buffer, "Frames not sent because a pool was empty")

PW_COUNTER_STRUCT(net_counters, NET_COUNTERS);

struct net_range {
	uint32_t first, last; /* host order */
};

struct net {
	struct pw_port port;
	const struct pw_mem *mem;
	struct net_range range; /* addresses that are ours */
	uint32_t link;		/* address of ours on the link, host order */
	uint32_t peer;		/* next hop; 0: whoever asks for one of ours */
	uint32_t queues;	/* of the port, each way; 1 to NET_QUEUES */
	uint32_t send_queue;	/* what all is sent by; NET_BY_HASH: each flow by its own */
	uint32_t next_queue;	/* that is received from */
	struct rte_ether_addr peer_mac;
	bool resolved;
	uint64_t ask_due; /* ns */
	uint16_t ip_id;
	uint32_t backlog_first, backlog_n;
	struct net_counters n;
	struct rte_mbuf *backlog[NET_BACKLOG];
};

/* Open the device. 0; or -errno with a line in err. What is chosen above is set before. */
int net_open(struct net *net, const char *device, const struct pw_mem *mem, char *err,
	     size_t err_len);
void net_close(struct net *net);

/* True once the peer can be sent to; asks for it until then. */
bool net_ready(struct net *net, uint64_t now);

/*
 * One burst of received frames, of each queue in turn: ARP is answered, TCP for our addresses is
 * left in tcp (NET_BURST of room) as pw_tcp_input() takes it. *frames receives how many frames
 * there were.
 */
uint32_t net_receive(struct net *net, struct rte_mbuf **tcp, uint32_t *frames);

/* The same of n frames that have been received; takes them. */
uint32_t net_input(struct net *net, struct rte_mbuf **rx, uint32_t n, struct rte_mbuf **tcp);

struct rte_ipv4_hdr;
struct rte_tcp_hdr;

/* Sums of a packet whose fields for them are 0, as the port wants them. */
void net_sums(const struct net *net, struct rte_mbuf *m, struct rte_ipv4_hdr *ip,
	      struct rte_tcp_hdr *th);

/* Hooks of pw_tcp_conf, with struct net as context. */
int net_output(void *ctx, const struct pw_flow *flow, struct rte_mbuf *m, uint64_t now);
int net_path(void *ctx, const struct pw_addr *dst, struct pw_tcp_path *to);

/* Send what waits. */
void net_flush(struct net *net);

/* Put a whole frame behind what waits; false where it was dropped. Takes m. */
bool net_send(struct net *net, struct rte_mbuf *m);

static inline bool
net_busy(const struct net *net)
{
	return net->backlog_n >= NET_BUSY;
}

static inline uint32_t
net_range_size(const struct net_range *r)
{
	return r->last - r->first + 1;
}

static inline struct pw_addr
net_addr(uint32_t host)
{
	return pw_addr_v4(rte_cpu_to_be_32(host));
}

#endif
