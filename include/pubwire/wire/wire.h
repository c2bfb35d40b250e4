/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PUBWIRE_WIRE_WIRE_H
#define PUBWIRE_WIRE_WIRE_H

/**
 * @file
 * Everything between an ethdev and TCP: Ethernet, VLAN, IPv4 with ARP and ICMP, IPv6 with
 * neighbour discovery and ICMPv6, neighbours, routes.
 *
 * One instance per worker, single-threaded and sans-I/O: received bursts are passed in, frames
 * leave through the tx hook, time is an argument. Interfaces (a port with its addresses) are the
 * same on every worker; neighbours learnt by one are told to the others through the learn hook.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <rte_ether.h>
#include <rte_mbuf.h>

#include <pubwire/base/addr.h>
#include <pubwire/base/counter.h>
#include <pubwire/base/pool.h>
#include <pubwire/wire/port.h>

#ifdef __cplusplus
extern "C" {
#endif

#define PW_WIRE_MAX_IFACES    8
#define PW_WIRE_MAX_ADDRS     8
#define PW_WIRE_NEIGH_MAX     65536 /**< upper bound of the conf value, see pw_wire_conf.neighbours */
#define PW_WIRE_FRAGMENTS_MAX 4096
#define PW_WIRE_HOLD_MAX      16384 /**< upper bound of pw_wire_conf.hold_total */

/** An address with its on-link prefix. */
struct pw_wire_addr {
	struct pw_addr addr;
	uint8_t prefix_len; /**< of the address's own family, 0..32 or 0..128 */
};

/** What of a port's frames goes to the kernel, through pw_wire_hooks.kernel. */
enum pw_wire_kernel {
	PW_WIRE_KERNEL_NONE,	 /**< nothing: what is not ours is refused or dropped */
	PW_WIRE_KERNEL_REST,	 /**< what is not ours, and what both have to know */
	PW_WIRE_KERNEL_AND_ECHO, /**< the same and echo requests: the kernel answers them */
};

/**
 * One interface: a port, its addresses, the gateways behind it. One with an IPv6 address needs an
 * MTU of 1280 or more, and answers to a link-local address too: that which is configured, else one
 * made of the port's Ethernet address.
 */
struct pw_wire_iface {
	const struct pw_port
		*port; /**< caps, mtu, mac, vlan; owned by the caller, outlives the wire */
	struct pw_wire_addr addr[PW_WIRE_MAX_ADDRS];
	uint32_t nb_addrs;
	struct pw_addr gateway;	 /**< of IPv4; all zero: none */
	struct pw_addr gateway6; /**< of IPv6, may be a link-local address; all zero: none */
	enum pw_wire_kernel kernel;
};

/** The link-local address that an interface answers to; all zero where it has no IPv6 address. */
struct pw_addr pw_wire_link_local(const struct pw_wire_iface *f);

/** Received packets that lib/tcp is to have. */
#define PW_WIRE_BURST 64

/** What leaves the instance. The hooks are called on the instance's lcore. */
struct pw_wire_hooks {
	void *ctx;
	/** Takes the frame (ownership passes), on interface index iface. */
	void (*tx)(void *ctx, uint32_t iface, struct rte_mbuf *m);
	/** A neighbour was learnt or changed; tell the other instances. May be NULL. */
	void (*learnt)(void *ctx, uint32_t iface, const struct pw_addr *ip,
		       const struct rte_ether_addr *mac);
	/**
	 * ICMP said "fragmentation needed" or "packet too big" (mtu > 0) or "unreachable" (mtu 0,
	 * code of the flow's family in code) about a TCP segment that flow sent with sequence
	 * number seq. May be NULL.
	 */
	void (*icmp_error)(void *ctx, const struct pw_flow *flow, uint32_t seq, uint16_t mtu,
			   uint8_t code, uint64_t now);
	/**
	 * Takes a TCP packet, as pw_wire_input() returns them, that may be another instance's: it
	 * came in fragments, or with its ports not where a port looks for them to choose a queue.
	 * NULL: pw_wire_input() returns them with the others.
	 */
	void (*unsteered)(void *ctx, uint32_t iface, struct rte_mbuf *m, uint64_t now);
	/**
	 * Takes a frame for the kernel, as it was received but for padding that may be gone, of an
	 * interface whose `kernel` asks for it: docs/wire.md lists which. What is not ours is not
	 * answered here then. Must be there where an interface asks.
	 */
	void (*kernel)(void *ctx, uint32_t iface, struct rte_mbuf *m, uint64_t now);
};

/** How to build an instance. */
struct pw_wire_conf {
	const char *name; /**< unique in the process, at most 16 bytes */
	struct pw_wire_iface iface[PW_WIRE_MAX_IFACES];
	uint32_t nb_ifaces;
	uint32_t neighbours; /**< size of the neighbour table, 0: 1024 */
	/** Frames held for an unresolved neighbour, 0: 64; so many of our own, and so many that
	 * answer what others have sent */
	uint32_t hold_queue;
	/** Frames held for all of them together, half of them of each kind; the oldest gives way.
	 * 0: pw_wire_hold_share() of mem's header buffers, of one instance */
	uint32_t hold_total;
	/** Packets that are put together from fragments at a time, at most PW_WIRE_FRAGMENTS_MAX;
	 * 0: none, fragments are dropped */
	uint32_t fragments;
	const struct pw_mem *mem;
	struct pw_wire_hooks hooks;
	int socket;
	uint64_t seed; /**< of the neighbour table's hash */
};

/**
 * Frames that each of several instances may hold: together an eighth of the header buffers, so that
 * neighbours who do not answer leave enough for everybody else; 2 at least, PW_WIRE_HOLD_MAX at
 * most.
 */
static inline uint32_t
pw_wire_hold_share(uint32_t hdr_buffers, uint32_t instances)
{
	uint32_t share = hdr_buffers / 8 / instances;

	return share < 2 ? 2 : share < PW_WIRE_HOLD_MAX ? share : PW_WIRE_HOLD_MAX;
}

/** Bytes of an instance's neighbours and of the list of frames that wait for them. */
size_t pw_wire_neigh_bytes(uint32_t neighbours, uint32_t hold_total);

#define PW_WIRE_COUNTERS(X)                                                                        \
	X(frames_in, "Frames received")                                                            \
	X(frames_out, "Frames handed to ports")                                                    \
	X(bytes_in, "Bytes received, Ethernet headers included")                                   \
	X(bytes_out, "Bytes sent, Ethernet headers included")                                      \
	X(drop_runt, "Frames shorter than their headers")                                          \
	X(drop_not_ours_mac, "Unicast frames for another Ethernet address")                        \
	X(drop_group_source, "Frames whose source is a group address")                             \
	X(drop_vlan, "Frames with another VLAN tag than the interface's")                          \
	X(drop_ethertype, "Frames of a protocol that is not spoken here")                          \
	X(drop_ip_header, "IP headers with a bad version, length or option field")                 \
	X(drop_ip_cksum, "IPv4 headers with a bad checksum")                                       \
	X(drop_ip_dst, "IP packets for another address")                                           \
	X(drop_ip_src,                                                                             \
	  "IP packets from a source that can't be answered (multicast, none, ourselves)")          \
	X(drop_ip_ext, "IPv6 packets with extension headers that are malformed or refused")        \
	X(drop_ip_scope, "TCP between link-local addresses, which are for neighbours' talk alone") \
	X(drop_fragment, "Fragments that make no sense, lack headers, or where none are taken")    \
	X(drop_frag_overlap, "Fragments of packets with overlaps, repetitions or too many pieces") \
	X(drop_frag_timeout, "Fragments of packets that stayed incomplete")                        \
	X(drop_frag_full, "Fragments that found no room, or made room for newer ones")             \
	X(drop_frag_pressure, "Fragments dropped because buffers were short")                      \
	X(drop_proto, "IP packets of a protocol that is not spoken here")                          \
	X(drop_l4_cksum, "TCP or ICMP checksums that are wrong")                                   \
	X(drop_no_buffer, "Packets dropped because a buffer pool was empty")                       \
	X(drop_no_route, "Packets with no route to their destination")                             \
	X(drop_unresolved, "Packets whose next hop did not answer ARP or ND")                      \
	X(drop_hold_full, "Packets dropped because too many waited for neighbours")                \
	X(drop_oversize, "Packets larger than the interface's MTU")                                \
	X(rx_copied, "Received packets copied: shared, or their headers not in one buffer")        \
	X(frag_in, "Fragments received")                                                           \
	X(frag_joined, "Packets put together from fragments")                                      \
	X(tx_linearised, "Sent packets copied into one buffer because the port takes no more")     \
	X(arp_requests_in, "ARP requests received")                                                \
	X(arp_replies_in, "ARP replies received")                                                  \
	X(arp_requests_out, "ARP requests sent")                                                   \
	X(arp_replies_out, "ARP replies sent")                                                     \
	X(arp_conflicts, "ARP packets of somebody who uses one of our addresses")                  \
	X(arp_invalid, "ARP packets that make no sense")                                           \
	X(nd_solicits_in, "IPv6 neighbour solicitations received")                                 \
	X(nd_adverts_in, "IPv6 neighbour advertisements received")                                 \
	X(nd_solicits_out, "IPv6 neighbour solicitations sent")                                    \
	X(nd_adverts_out, "IPv6 neighbour advertisements sent")                                    \
	X(nd_conflicts, "IPv6 neighbours that use one of our addresses")                           \
	X(nd_invalid, "IPv6 neighbour messages that make no sense")                                \
	X(nd_router_ignored, "IPv6 router messages and redirects: routes are configured here")     \
	X(mld_queries_in, "Multicast listener queries received")                                   \
	X(mld_reports_out, "Multicast listener reports sent")                                      \
	X(neigh_learnt, "Neighbours learnt or changed")                                            \
	X(neigh_expired, "Neighbours forgotten")                                                   \
	X(neigh_untold, "Answers nobody asked for here, held back from other workers by a limit")  \
	X(neigh_table_full, "Neighbours not learnt because the table was full")                    \
	X(icmp_echo_in, "ICMP echo requests answered")                                             \
	X(icmp_errors_in, "ICMP errors received about our packets")                                \
	X(icmp_errors_out, "ICMP errors sent")                                                     \
	X(icmp_limited, "ICMP answers held back by the rate limit")                                \
	X(icmp_ignored, "ICMP messages of a type that needs no answer")

PW_COUNTER_STRUCT(pw_wire_counters, PW_WIRE_COUNTERS);

/** An instance. */
struct pw_wire;

/** Build an instance. Main lcore. NULL with rte_errno (EMSGSIZE: an MTU too small for
 * IPv6). Given back by pw_wire_destroy(). */
struct pw_wire *pw_wire_create(const struct pw_wire_conf *conf);

/** Drop held frames and free the instance. */
void pw_wire_destroy(struct pw_wire *w);

/**
 * Process a burst of received frames (ownership of all passes in). ARP, ND and ICMP are answered
 * here.
 *
 * @param iface  interface index they arrived on
 * @param n      at most PW_WIRE_BURST
 * @param tcp    room for n; receives the TCP packets for us, which the caller then owns: data
 * starts at the Ethernet header, l2_len and l3_len are set, headers lie in the first segment,
 * padding is trimmed, checksums are verified, and every segment is direct, unshared (reference
 * count 1) and ours to rewrite
 * @return       packets in tcp
 */
uint32_t pw_wire_input(struct pw_wire *w, uint32_t iface, struct rte_mbuf **frames, uint32_t n,
		       struct rte_mbuf **tcp, uint64_t now);

/** What the output path has to know about a destination. */
struct pw_wire_path {
	uint32_t iface; /**< interface index */
	uint16_t mtu;	/**< bytes of IP packet */
	uint32_t caps;	/**< enum pw_port_cap of the port */
	uint16_t max_segs;
	struct pw_addr source; /**< address we would send from */
};

/** Route lookup. 0; -EHOSTUNREACH where no route exists. */
int pw_wire_path(const struct pw_wire *w, const struct pw_addr *dst, struct pw_wire_path *out)
	__attribute__((warn_unused_result));

/** True where the address is one of ours; one that somebody else had first is not. */
bool pw_wire_is_local(const struct pw_wire *w, const struct pw_addr *a);

/** Index of the interface that an address of ours is on; -1 where it is none of ours. */
int pw_wire_iface_of(const struct pw_wire *w, const struct pw_addr *a);

/**
 * Send a TCP segment. m is a chain that starts at the TCP header (l4_len set, headroom of at least
 * 64 bytes in the first segment) with its checksum field zero; wire prepends IP and
 * Ethernet, does both checksums (by offload or in software), resolves the next hop (holding the
 * frame while it is asked for), linearises where the port takes fewer segments, and calls the tx
 * hook. Where m->tso_segsz is not 0 the packet may be larger than the MTU: the device cuts it into
 * segments with so many bytes of payload; only over a port with PW_PORT_TX_TSO.
 *
 * Ownership of m passes in, whatever is returned.
 * @param ttl  time to live, 0: 64
 * @return     0; -EHOSTUNREACH no route, the next hop did not answer a moment ago, or the local
 *             address is somebody else's; -EMSGSIZE
 *             larger than the MTU, or to be cut by a port that does not, or takes fewer
 *             segments; -ENOBUFS no buffer or hold queue full
 */
int pw_wire_send_tcp(struct pw_wire *w, const struct pw_flow *flow, struct rte_mbuf *m, uint8_t ttl,
		     uint64_t now);

/**
 * Send ICMP "port unreachable"-class answers about a received frame (borrowed): type and code are
 * those of the frame's family. Rate-limited.
 */
void pw_wire_icmp_error(struct pw_wire *w, uint32_t iface, const struct rte_mbuf *frame,
			uint8_t type, uint8_t code, uint64_t now);

/** A neighbour that another instance has learnt. */
void pw_wire_learn(struct pw_wire *w, uint32_t iface, const struct pw_addr *ip,
		   const struct rte_ether_addr *mac, uint64_t now);

/**
 * Announce our addresses at start and after a link came up: gratuitous ARP (RFC 5227 3); for IPv6
 * listener reports, duplicate address detection, and a second later neighbour advertisements.
 */
void pw_wire_announce(struct pw_wire *w, uint64_t now);

/**
 * How the IPv6 addresses of an interface stand: whether others may still object to them, and which
 * turned out to be somebody else's; those are neither spoken from nor listened to until the next
 * announcement. What it holds is for pw_wire_set_standing() of other instances alone.
 */
uint32_t pw_wire_standing(const struct pw_wire *w, uint32_t iface);

/** Take over the standing of the instance that announces; for those that do not. */
void pw_wire_set_standing(struct pw_wire *w, uint32_t iface, uint32_t standing);

/** Retry and expire neighbours, refill rate limits. Call at least every 100 ms of time. */
void pw_wire_advance(struct pw_wire *w, uint64_t now);

/** Buffers are short where level is not 0: no fragments are held, those that are held go. */
void pw_wire_set_pressure(struct pw_wire *w, uint32_t level);

/** Counters; readable from any thread. */
const struct pw_wire_counters *pw_wire_counters(const struct pw_wire *w);

#ifdef __cplusplus
}
#endif

#endif
