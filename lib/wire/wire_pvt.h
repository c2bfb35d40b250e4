/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PW_WIRE_PVT_H
#define PW_WIRE_PVT_H

/*
 * What the sources of lib/wire share. A received frame goes ether -> arp | ip4 (-> frag) -> icmp |
 * TCP, or ether -> ip6 (-> frag) -> icmp6 -> nd | TCP; a sent packet goes output -> route -> neigh
 * -> ether. Every function that is given a frame it "takes" ends by handing it on, holding it or
 * freeing it; what it "borrows" stays with the caller.
 */

#include <rte_ip.h>
#include <rte_mbuf.h>

#include <pubwire/base/bucket.h>
#include <pubwire/base/log.h>
#include <pubwire/wire/wire.h>

#include "ip6_pvt.h"
#include "neigh_pvt.h"

#define SECOND	     1000000000ull

#define VLAN_ID_MASK 0x0fff /* IEEE 802.1Q: the tag's lower twelve bits */

/* RFC 792 */
#define WIRE_ICMP_ECHO_REPLY	    0
#define WIRE_ICMP_UNREACHABLE	    3
#define WIRE_ICMP_ECHO		    8
#define WIRE_ICMP_TIME_EXCEEDED	    11
#define WIRE_ICMP_PARAMETER_PROBLEM 12
#define WIRE_ICMP_CODE_PROTOCOL	    2
#define WIRE_ICMP_CODE_PORT	    3
#define WIRE_ICMP_CODE_FRAG_NEEDED  4

/* An on-link network, the longest prefixes first. */
struct route {
	uint64_t net[2]; /* host order */
	uint64_t mask[2];
	uint32_t iface;
	uint32_t addr; /* index in the interface's addresses: our own there */
	uint8_t bits;  /* length of the prefix; that of IPv4 includes the 96 bits it is mapped to */
	bool v4;
};

/* An address that we answer to. */
struct own_addr {
	struct pw_addr addr;
	uint64_t defended; /* ns: not before this time is a conflict answered (RFC 5227 2.4) */
};

/* Configured addresses in their order, then a link-local one that no configuration names. */
#define OWN_MAX (PW_WIRE_MAX_ADDRS + 1)

struct iface {
	struct pw_wire_iface conf;
	const struct pw_port *port;
	struct own_addr own[OWN_MAX];
	uint32_t nb_own;
	uint32_t lost; /* a bit for each that somebody had first (RFC 4862 5.4.5): no longer ours */
	struct pw_addr link_local; /* where v6 */
	uint64_t announce_at;	   /* ns: when the second announcement is due */
	uint32_t announce_left;
	struct nd_iface nd;
	bool v6;	   /* has an IPv6 address */
	uint16_t l2_len;   /* bytes of the Ethernet header of frames we write */
	uint16_t mtu;	   /* bytes of IP packet that can be sent */
	uint16_t max_segs; /* buffers that a sent packet may lie in */
};

struct pw_wire {
	struct pw_wire_counters n;
	const struct pw_mem *mem;
	struct pw_wire_hooks hooks;
	uint32_t nb_ifaces;
	uint32_t nb_routes;
	struct pw_bucket errors; /* RFC 1812 4.3.2.8 */
	struct pw_bucket echoes;
	struct pw_bucket relays; /* answers about neighbours that are not known here */
	struct pw_log_limit conflict_log;
	struct pw_log_limit partial_log;
	struct frag *frag; /* NULL where no fragments are taken */
	uint32_t seed;
	bool lost; /* an address of some interface */
	bool sums; /* TCP's are computed here for some interface: they are worth a note */
	struct neigh_table neigh;
	struct route route[PW_WIRE_MAX_IFACES * PW_WIRE_MAX_ADDRS];
	struct iface iface[PW_WIRE_MAX_IFACES];
};

/* What the input path has found out about a frame. */
struct rx {
	uint32_t iface;
	bool l2_group; /* came to a broadcast or multicast Ethernet address */
	bool detour;   /* its flow could not be read from the frame: see pw_wire_hooks.unsteered */
	uint64_t now;
};

/* wire.c */
/*
 * Takes a frame that is not ours, or that has been made use of here and may be of use to the
 * kernel: to its interface, where the port has one. Else it is freed, and *drop (may be NULL)
 * raised.
 */
void wire_leave(struct pw_wire *w, struct rte_mbuf *m, const struct rx *rx, uint64_t *drop);

/* True where the kernel answers echo requests. */
static inline bool
wire_echo_is_kernels(const struct pw_wire *w, const struct rx *rx)
{
	return w->iface[rx->iface].conf.kernel == PW_WIRE_KERNEL_AND_ECHO;
}

/* route.c */
void wire_routes_build(struct pw_wire *w);
/* Interface and next hop of a destination; 0 or -EHOSTUNREACH. */
int wire_route(const struct pw_wire *w, const struct pw_addr *dst, uint32_t *iface,
	       struct pw_addr *next_hop);
/* True where an address is a neighbour on an interface: on its networks, or a gateway of it. */
bool wire_on_link(const struct pw_wire *w, uint32_t iface, const struct pw_addr *a);
/* Our address on an interface that a next hop would expect; NULL where it has none left. */
const struct pw_addr *wire_source(const struct pw_wire *w, uint32_t iface,
				  const struct pw_addr *next_hop);
/* True for the gateways of an interface. */
bool wire_is_gateway(const struct iface *f, const struct pw_addr *a);
/* True where an address is one: not all zero in its family. */
bool wire_addr_is_set(const struct pw_addr *a);
/* The link-local address of an interface; NULL where it has none, or lost it. */
const struct pw_addr *wire_link_local(const struct iface *f);
/* True for an IPv6 address of an interface, by its index, that is not lost. */
bool wire_is_ours6(const struct iface *f, uint32_t own);
/* True where an address was ours, but is somebody else's. */
bool wire_is_lost(const struct pw_wire *w, const struct pw_addr *a);
/* Index of an address among an interface's own, or -1; what was lost is none. */
int wire_local_index(const struct iface *f, const struct pw_addr *a);
/* True for the broadcast addresses of an interface's networks, and 255.255.255.255. */
bool wire_is_broadcast4(const struct iface *f, uint32_t be);
/* True where an IPv4 address (network order) can't be one host's: RFC 1122 3.2.1.3. */
bool wire_not_a_host4(const struct iface *f, uint32_t be);
/* The same for IPv6; a mapped IPv4 address is none. */
bool wire_not_a_host6(const struct pw_addr *a);

/* ether.c */
/*
 * Look at the Ethernet header of a borrowed frame: its l2_len is set, *type receives the protocol
 * (host order). 0; or -1 with the counter of the drop raised.
 */
int wire_ether_in(struct pw_wire *w, struct rte_mbuf *m, struct rx *rx, uint16_t *type);
/* Prepend the header (room is there) and send; takes m, its data at the network header. */
void wire_ether_out(struct pw_wire *w, uint32_t iface, struct rte_mbuf *m,
		    const struct rte_ether_addr *dst, uint16_t type);

/*
 * A buffer for a question or answer about neighbours, on which all else that is sent may depend:
 * where header buffers have run out, a packet buffer does. NULL, counted, without either.
 */
struct rte_mbuf *wire_neigh_buffer(struct pw_wire *w);

/* arp.c */
/* Takes m; its l2_len is set. */
void wire_arp_in(struct pw_wire *w, struct rte_mbuf *m, const struct rx *rx);
/* Ask who has ip; dst NULL: everybody. */
void wire_arp_request(struct pw_wire *w, uint32_t iface, const struct pw_addr *ip,
		      const struct rte_ether_addr *dst);
/* The announcements that are due. */
void wire_arp_advance(struct pw_wire *w, uint64_t now);

/* neigh.c: see also neigh_pvt.h */
/* How an address came to be known, from the weakest to the strongest. */
enum neigh_source {
	NEIGH_HEARD,	/* spoken to others: changes what is known, adds nothing */
	NEIGH_ASKED,	/* it asked for us */
	NEIGH_TOLD,	/* another instance says so */
	NEIGH_ANSWERED, /* it replied to us; HEARD where this instance has not asked */
};
void wire_neigh_learn(struct pw_wire *w, uint32_t iface, const struct pw_addr *ip,
		      const struct rte_ether_addr *mac, enum neigh_source how, uint64_t now);
/*
 * Somebody says without authority (RFC 4861 7.2.5, no override flag) that ip is at mac. True where
 * that contradicts what is known, which is then to be asked; false where it may be learnt.
 */
bool wire_neigh_doubt(struct pw_wire *w, uint32_t iface, const struct pw_addr *ip,
		      const struct rte_ether_addr *mac, uint64_t now);
/* The Ethernet address that is known; NULL where none is. */
const struct rte_ether_addr *wire_neigh_mac(struct pw_wire *w, uint32_t iface,
					    const struct pw_addr *ip);
int wire_neigh_init(struct pw_wire *w, const struct pw_wire_conf *conf);
void wire_neigh_fini(struct pw_wire *w);
/*
 * Send to a neighbour, or hold until it is known. Takes m, its data at the network header.
 * 0; -ENOBUFS as many wait for it as may, or table full; -EHOSTUNREACH it did not answer a moment
 * ago.
 */
int wire_neigh_send(struct pw_wire *w, uint32_t iface, const struct pw_addr *ip, struct rte_mbuf *m,
		    uint64_t now);
/*
 * Have the entries fetched of those who sent a burst of packets that TCP is to have, and who are
 * likely to be answered. Worth while where the table is larger than a cache.
 */
void wire_neigh_fetch(const struct pw_wire *w, uint32_t iface, struct rte_mbuf *const *packets,
		      uint32_t n);
static inline bool
wire_neigh_many(const struct pw_wire *w)
{
	return w->neigh.count > NEIGH_MANY;
}
void wire_neigh_advance(struct pw_wire *w, uint64_t now);

/* ip4.c */
/* Takes m; its l2_len is set. Returns it where it is TCP for us, fit for lib/tcp; NULL otherwise.
 */
struct rte_mbuf *wire_ip4_in(struct pw_wire *w, struct rte_mbuf *m, struct rx *rx);
/*
 * True where a TCP segment, its pseudo-header summed to phdr, carries a right checksum. What its
 * payload sums up to may be noted.
 */
bool wire_tcp_sum_ok(const struct pw_wire *w, const struct pw_port *port, struct rte_mbuf *m,
		     uint16_t phdr);
/* Complain of a peer whose TCP checksum is that of the pseudo-header alone. */
void wire_explain_bad_sum(struct pw_wire *w, const struct rte_mbuf *m, const struct rx *rx,
			  const struct pw_addr *src, uint16_t phdr);

/* frag.c */
int wire_frag_init(struct pw_wire *w, const struct pw_wire_conf *conf);
void wire_frag_fini(struct pw_wire *w);
void wire_frag_advance(struct pw_wire *w, uint64_t now);
/*
 * Take a fragment whose header was checked, l2_len and l3_len set, padding trimmed, its headers in
 * the first buffer. Returns the packet that it completes, of the same shape and with no checksum
 * verified; NULL where it is held or was dropped.
 */
struct rte_mbuf *wire_frag4_in(struct pw_wire *w, struct rte_mbuf *m, struct rx *rx);
/*
 * The same for IPv6. ext_off: offset of the fragment header in the frame; headers in front of it
 * have been obeyed, and are cut out. In what is returned the fixed header (l3_len: its 40 bytes)
 * names what follows the fragment header, which is gone: headers are to be walked from there.
 */
struct rte_mbuf *wire_frag6_in(struct pw_wire *w, struct rte_mbuf *m, uint16_t ext_off,
			       struct rx *rx);

/* icmp.c */
void wire_icmp_init(struct pw_wire *w);
/* One token for an answer; false, and counted, where the bucket is empty. */
bool wire_icmp_allowed(struct pw_wire *w, struct pw_bucket *b, uint64_t now);
/* Takes m: an ICMP message for us, its header and checksum not looked at yet. */
void wire_icmp_in(struct pw_wire *w, struct rte_mbuf *m, const struct rx *rx);

/* chain.c */
/* Shorten a chain to len bytes; buffers that become empty are freed. */
void wire_chain_trim(struct rte_mbuf *m, uint32_t len);
/*
 * Make a received frame ours to rewrite: every segment direct and unshared, and the first len
 * bytes (at most what there is) in the first segment. Takes m; returns it, a copy, or NULL
 * (counted).
 */
struct rte_mbuf *wire_chain_own(struct pw_wire *w, struct rte_mbuf *m, uint32_t len);
/* Internet checksum (RFC 1071) over len bytes of a chain from off, folded, not complemented. */
uint16_t wire_chain_sum(const struct rte_mbuf *m, uint32_t off, uint32_t len);
/* The same to the end of a chain that is to be sent, whose buffers may know what they sum up to. */
uint16_t wire_chain_sum_out(const struct rte_mbuf *m, uint32_t off);

/* output.c */
/* What a packet of TCP that the device is to cut says of itself. */
static inline uint64_t
wire_tso_flag(const struct rte_mbuf *m)
{
	return m->tso_segsz != 0 ? RTE_MBUF_F_TX_TCP_SEG : 0;
}
/*
 * Make m, its data at the transport header, fit to have a network header of hdr_len bytes prepended
 * and to leave through an interface. Takes *m and gives it back, perhaps as another one. 0; or
 * -EMSGSIZE or -ENOBUFS, counted, with *m freed.
 */
int wire_output_fit(struct pw_wire *w, const struct iface *f, struct rte_mbuf **m,
		    uint32_t hdr_len);
/* The checksum field for a sum of at most two folded parts (RFC 1071). */
static inline uint16_t
wire_sum_final(uint32_t sum)
{
	return (uint16_t) ~((sum & 0xffff) + (sum >> 16));
}

/*
 * Prepend an IPv4 header, find the way, and send. Takes m, its data at the transport header, whose
 * checksum is done (or, for TCP, done here: see pw_wire_send_tcp). Returns as pw_wire_send_tcp().
 */
int wire_ip4_out(struct pw_wire *w, uint32_t src, uint32_t dst, uint8_t proto, uint8_t ttl,
		 struct rte_mbuf *m, uint64_t now);

#endif
