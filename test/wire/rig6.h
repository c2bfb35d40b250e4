/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TEST_WIRE_RIG6_H
#define TEST_WIRE_RIG6_H

/*
 * The rig with IPv6 beside IPv4: interface 0 is fd77::1/64 and fe80::ff:fe00:1, interface 1 is
 * fd78::1/64 with the gateway fd78::fe.
 */

#include "rig.h"

#define OURS6	      (rig6_addr("fd77::1"))
#define OURS6_1	      (rig6_addr("fd78::1"))
#define OURS6_LL      (rig6_addr("fe80::ff:fe00:1"))
#define PEER6	      (rig6_addr("fd77::2"))
#define PEER6_LL      (rig6_addr("fe80::ff:fe00:77"))
#define GROUP_OF_OURS (rig6_addr("ff02::1:ff00:1")) /* where both of ours are asked for */
#define ALL6	      (rig6_addr("ff02::1"))
#define NONE6	      (rig6_addr("::"))

/* Types, flags and options of RFC 4861. */
#define SOLICIT	  135
#define ADVERT	  136
#define SOLICITED 0x40000000u
#define OVERRIDE  0x20000000u
#define ROUTER	  0x80000000u
#define SOURCE	  1
#define TARGET	  2

struct pw_addr rig6_addr(const char *text);
void rig6_plan(struct rig *r);
void rig6_default(struct rig *r);

/* A frame from rig_peer to where dst is on Ethernet (our interface 0, or a group), then a header.
 */
void frame_ip6(struct frame *f, struct pw_addr src, struct pw_addr dst, uint8_t proto,
	       uint8_t hop_limit, const void *body, uint32_t len);
/* Put len bytes between the fixed header and what follows; the first of them names what that is. */
void frame_ip6_insert(struct frame *f, uint8_t proto, const void *bytes, uint32_t len);
/* A whole TCP frame from PEER6 to OURS6, correct, with payload bytes 0, 1, 2, ... */
void frame_tcp6(struct frame *f, uint32_t payload);
void frame_tcp6_between(struct frame *f, struct pw_addr src, struct pw_addr dst, uint32_t payload);
/* An ICMPv6 message with a right checksum; rest is its second word. */
void frame_icmp6(struct frame *f, struct pw_addr src, struct pw_addr dst, uint8_t hop_limit,
		 uint8_t type, uint8_t code, uint32_t rest, const void *body, uint32_t len);
/* A solicitation or advertisement: options are the source's or target's, from rig_peer; 0: none. */
void frame_nd(struct frame *f, struct pw_addr src, struct pw_addr dst, uint8_t type, uint32_t flags,
	      struct pw_addr target, uint8_t option, const struct rte_ether_addr *mac);
/* Make the checksum at l4 right after a change. */
void frame_sum6(struct frame *f);
/* True where the transport checksum is right: l4 is set to where the transport is, too. */
bool frame_sum6_right(struct frame *f);
/* Type of the transport message; sets l4. */
uint8_t frame_type6(struct frame *f);
struct pw_addr frame_addr(const struct frame *f, uint32_t off);

void rig6_know(struct rig *r, uint32_t iface, struct pw_addr ip, const struct rte_ether_addr *mac);
int rig6_send(struct rig *r, struct pw_addr dst, struct rte_mbuf *m);

/* Sent frame i is a neighbour message of this type about target, whole and in order. */
void assert_nd(struct rig *r, uint32_t i, uint8_t type, struct pw_addr src, struct pw_addr dst,
	       struct pw_addr target, const struct rte_ether_addr *mac);

#define assert_addr(f, off, addr)                                                                  \
	do {                                                                                       \
		struct pw_addr a_ = addr;                                                          \
		assert_memory_equal((f)->b + (off), a_.b, 16);                                     \
	} while (0)

#endif
