/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PW_WIRE_IP6_PVT_H
#define PW_WIRE_IP6_PVT_H

/*
 * IPv6 inside lib/wire: a received packet goes ip6 -> ext -> icmp6 (-> nd | mld) | TCP; what is
 * sent goes output6 -> route -> neigh, but for neighbour discovery and multicast listener reports,
 * which know their Ethernet address.
 */

#include <stdbool.h>
#include <stdint.h>

#include <rte_ether.h>
#include <rte_mbuf.h>

#include <pubwire/base/addr.h>

struct pw_wire;
struct rx;

#define IP6_HDR_LEN	40
#define IP6_MTU_MIN	1280 /* RFC 8200 5 */
#define IP6_DEFAULT_HOP 64   /* RFC 1700 */
/*
 * Of a packet's headers in front of TCP, fixed and extension ones. More than this is nobody's
 * honest work (RFC 8504 5.3 lets a host have such a limit), and an mbuf's l3_len ends at 511.
 */
#define IP6_HEADERS_MAX 296

/* RFC 4443 */
#define ICMP6_UNREACHABLE	  0x01
#define ICMP6_TOO_BIG		  0x02
#define ICMP6_TIME_EXCEEDED	  0x03
#define ICMP6_PARAMETER_PROBLEM	  0x04
#define ICMP6_INFORMATIONAL	  0x80 /* types from here on are no errors */
#define ICMP6_ECHO		  128
#define ICMP6_ECHO_REPLY	  129
#define ICMP6_CODE_PORT		  4 /* of UNREACHABLE */
#define ICMP6_CODE_FIELD	  0 /* of PARAMETER_PROBLEM, here to the end */
#define ICMP6_CODE_NEXT_HEADER	  1
#define ICMP6_CODE_OPTION	  2
#define ICMP6_CODE_FIRST_FRAGMENT 3 /* RFC 7112 5 */
#define ICMP6_CODE_CHAIN	  6 /* RFC 8883 3.1: extension header chain too long */

/* RFC 2710, RFC 3810 */
#define MLD_QUERY     130
#define MLD_V1_REPORT 131
#define MLD_V2_REPORT 143

/* RFC 4861 */
#define ND_ROUTER_SOLICIT 133
#define ND_ROUTER_ADVERT  134
#define ND_SOLICIT	  135
#define ND_ADVERT	  136
#define ND_REDIRECT	  137
#define ND_HOP_LIMIT	  255

/* What the input path has found out about an IPv6 packet. */
struct packet6 {
	struct pw_addr src;
	struct pw_addr dst;
	bool group;	   /* dst is a multicast address */
	bool router_alert; /* RFC 2711 */
	bool fragmented;   /* it came with a fragment header */
	uint8_t hop_limit;
	uint8_t proto;	    /* of what follows the extension headers */
	uint16_t proto_at;  /* where, from the fixed header, proto is named */
	uint16_t proto_off; /* where, from there, it begins: the packet's l3_len */
};

/* An interface's announcements and reports that are to come. */
struct nd_iface {
	uint64_t at; /* ns */
	uint8_t left;
	bool tentative; /* the time in which others may object to our addresses (RFC 4862 5.4) */
	bool unasked;	/* for one of them at least there was no buffer to ask */
	bool mld_due;
	bool mld_v1; /* the querier speaks version 1 */
	uint64_t mld_at;
};

static inline bool
wire_is_multicast6(const struct pw_addr *a)
{
	return a->b[0] == 0xff;
}

/* RFC 4291 2.5.6 */
static inline bool
wire_is_link_local(const struct pw_addr *a)
{
	return a->b[0] == 0xfe && (a->b[1] & 0xc0) == 0x80;
}

/* ip6_addr.c */
extern const struct pw_addr wire_ip6_unspecified;
extern const struct pw_addr wire_ip6_all_nodes;
/* The group in which an address is asked for (RFC 4291 2.7.1). */
struct pw_addr wire_solicited_node(const struct pw_addr *a);
/* The Ethernet address of a group (RFC 2464 7). */
struct rte_ether_addr wire_group_mac(const struct pw_addr *group);
/* The link-local address made of an Ethernet address (RFC 4291 appendix A, RFC 2464 4, 5). */
struct pw_addr wire_link_local_of(const struct rte_ether_addr *mac);

/* ip6.c */
/* Takes m; its l2_len is set. Returns it where it is TCP for us, fit for lib/tcp; NULL otherwise.
 */
struct rte_mbuf *wire_ip6_in(struct pw_wire *w, struct rte_mbuf *m, struct rx *rx);
/* Sum of the pseudo-header (RFC 8200 8.1), folded, not complemented. */
uint16_t wire_ip6_phdr_sum(const struct pw_addr *src, const struct pw_addr *dst, uint8_t proto,
			   uint32_t len);

/* ip6_ext.c */
enum ext_verdict { EXT_UPPER, EXT_FRAGMENT, EXT_REFUSED };
/*
 * Walk the extension headers of a borrowed packet whose fixed header is good, up to a transport, a
 * fragment header, or what is refused (counted, and answered where it has to be). Fills p->proto
 * and its places.
 */
enum ext_verdict wire_ip6_walk(struct pw_wire *w, const struct rte_mbuf *m, const struct rx *rx,
			       struct packet6 *p);
/*
 * What transport a borrowed packet carries, as far as can be seen without obeying its headers:
 * *off receives where, from the fixed header, it begins. -1 where that can't be seen.
 */
int wire_ip6_peek(const struct rte_mbuf *m, uint32_t *off);

/* icmp6.c */
/* Takes m: an ICMPv6 message for us, its checksum not looked at yet. */
void wire_icmp6_in(struct pw_wire *w, struct rte_mbuf *m, const struct rx *rx,
		   const struct packet6 *p);
/* An error about a borrowed frame; word is the second word of the message, in host order. */
void wire_icmp6_error(struct pw_wire *w, uint32_t iface, const struct rte_mbuf *frame, uint8_t type,
		      uint8_t code, uint32_t word, uint64_t now);

/* nd.c */
/* Takes m: a neighbour or router message with a right checksum. */
void wire_nd_in(struct pw_wire *w, struct rte_mbuf *m, const struct rx *rx,
		const struct packet6 *p);
/* Ask who has ip; dst NULL: the group of those that may. */
void wire_nd_solicit(struct pw_wire *w, uint32_t iface, const struct pw_addr *ip,
		     const struct rte_ether_addr *dst);
/* Say to all nodes that an address is ours (RFC 4861 7.2.6). */
void wire_nd_advertise(struct pw_wire *w, uint32_t iface, uint32_t own);
/* Ask whether somebody has an address of ours (RFC 4862 5.4.2); nd.unasked where that can't be. */
void wire_nd_probe(struct pw_wire *w, uint32_t iface, uint32_t own);

/* nd_announce.c */
/* Leave an address of ours to somebody who had it first. */
void wire_nd_lose(struct pw_wire *w, uint32_t iface, uint32_t own);
void wire_nd_announce(struct pw_wire *w, uint32_t iface, uint64_t now);
void wire_nd_advance(struct pw_wire *w, uint64_t now);

/* mld.c */
/* Takes m: a query with a right checksum. */
void wire_mld_in(struct pw_wire *w, struct rte_mbuf *m, const struct rx *rx,
		 const struct packet6 *p);
/* Report all groups of an interface as just joined. */
void wire_mld_join(struct pw_wire *w, uint32_t iface);
/* The reports that are due. */
void wire_mld_advance(struct pw_wire *w, uint64_t now);

/* output6.c */
/*
 * Prepend an IPv6 header, do the checksum of TCP or ICMPv6, find the way, and send. Takes m, its
 * data at the transport header, whose checksum field is zero. scope: the interface of link-local
 * destinations. Returns as pw_wire_send_tcp().
 */
int wire_ip6_out(struct pw_wire *w, uint32_t scope, const struct pw_addr *src,
		 const struct pw_addr *dst, uint8_t proto, uint8_t hop_limit, struct rte_mbuf *m,
		 uint64_t now);
/* The same for ICMPv6 to an Ethernet address that is known: on an interface, with no route. */
void wire_icmp6_direct(struct pw_wire *w, uint32_t iface, const struct pw_addr *src,
		       const struct pw_addr *dst, uint8_t hop_limit,
		       const struct rte_ether_addr *mac, struct rte_mbuf *m);
/* The same with a router alert and a hop limit of 1 (RFC 3810 5). */
void wire_icmp6_alert(struct pw_wire *w, uint32_t iface, const struct pw_addr *src,
		      const struct pw_addr *dst, const struct rte_ether_addr *mac,
		      struct rte_mbuf *m);

#endif
