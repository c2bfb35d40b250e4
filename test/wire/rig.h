/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TEST_WIRE_RIG_H
#define TEST_WIRE_RIG_H

/*
 * A wire instance with two interfaces that lead nowhere: frames are written as bytes, what the
 * instance sends is captured, time is a number. Interface 0 is 10.77.0.1/16, interface 1
 * is 10.78.0.1/24 with the gateway 10.78.0.254.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pubwire/wire/wire.h>

#define RIG_SENT_MAX 512
#define MS	     1000000ull
#define SEC	     (1000 * MS)

/* Host-order IPv4 address. */
#define IP(a, b, c, d) ((uint32_t)(a) << 24 | (b) << 16 | (c) << 8 | (d))

#define OURS0	       IP(10, 77, 0, 1)
#define OURS1	       IP(10, 78, 0, 1)
#define GATEWAY	       IP(10, 78, 0, 254)
#define PEER	       IP(10, 77, 0, 2)

struct frame {
	uint8_t b[16384];
	uint32_t len;
	uint32_t l3; /* where the network header starts */
	uint32_t l4;
};

struct rig {
	struct pw_mem mem;
	struct pw_port port[2];
	struct pw_wire_conf conf;
	struct pw_wire *w;
	uint64_t now;
	struct rte_mbuf *sent[RIG_SENT_MAX];
	uint32_t sent_iface[RIG_SENT_MAX];
	uint32_t nb_sent;
	uint32_t nb_learnt;
	struct pw_addr learnt_ip;
	struct rte_ether_addr learnt_mac;
	uint32_t nb_icmp;
	struct pw_flow icmp_flow;
	uint32_t icmp_seq;
	uint16_t icmp_mtu;
	uint8_t icmp_code;
	uint32_t nb_kernel; /* frames for the kernel */
	struct frame kernel;
};

extern const struct rte_ether_addr rig_mac[2]; /* of our interfaces */
extern const struct rte_ether_addr rig_peer;   /* somebody on a wire */
extern const struct rte_ether_addr rig_everybody;

/* Fill r->conf with defaults (pools, ports): change them, then rig_up(). */
void rig_plan(struct rig *r);
void rig_up(struct rig *r);
/* Destroy; asserts that every buffer is back. */
void rig_down(struct rig *r);
/* Both of the first two. */
void rig_default(struct rig *r);

/* Frames, from the outside in. */
void frame_eth(struct frame *f, const struct rte_ether_addr *dst, const struct rte_ether_addr *src,
	       uint16_t type);
void frame_vlan(struct frame *f, const struct rte_ether_addr *dst, const struct rte_ether_addr *src,
		uint16_t tci, uint16_t type);
void frame_put(struct frame *f, const void *bytes, uint32_t len);
/* IPv4 header without options, correct; then len bytes of body. */
void frame_ip4(struct frame *f, uint32_t src, uint32_t dst, uint8_t proto, const void *body,
	       uint32_t len);
/* The same with options (a multiple of four bytes). */
void frame_ip4_opts(struct frame *f, uint32_t src, uint32_t dst, uint8_t proto, const void *opts,
		    uint32_t opts_len, const void *body, uint32_t len);
/* A whole TCP frame from PEER to OURS0, correct, with payload bytes 0, 1, 2, ... */
void frame_tcp(struct frame *f, uint32_t payload);
void frame_arp(struct frame *f, const struct rte_ether_addr *dst, uint16_t op,
	       const struct rte_ether_addr *sha, uint32_t sip, const struct rte_ether_addr *tha,
	       uint32_t tip);
/* An ICMP message from PEER to OURS0 with a right checksum; rest is the second header word. */
void frame_icmp(struct frame *f, uint8_t type, uint8_t code, uint32_t rest, const void *body,
		uint32_t len);
/* Mend the IPv4 header checksum after a change. */
void frame_ip4_sum(struct frame *f);

/* RFC 1071 sum by bytes, folded: 0xffff over what carries a right checksum. */
uint32_t sum_add(uint32_t sum, const uint8_t *p, uint32_t len, bool odd);
uint16_t sum_fold(uint32_t sum);
/* True where the IPv4 header at l3, and the TCP or ICMP checksum behind it, are right. */
bool frame_sums_right(const struct frame *f);

/* A chain in segments of seg bytes (0: one buffer). */
struct rte_mbuf *rig_mbuf(struct rig *r, const struct frame *f, uint32_t seg);
/* Receive one frame; the TCP packet that comes of it, or NULL. */
struct rte_mbuf *rig_in_mbuf(struct rig *r, uint32_t iface, struct rte_mbuf *m);
struct rte_mbuf *rig_in(struct rig *r, uint32_t iface, const struct frame *f);
/* Bytes of sent frame i. Sets l3 and l4 for IPv4 and ARP behind one tag or none. */
void rig_sent(const struct rig *r, uint32_t i, struct frame *f);
/* Bytes of a chain. */
void frame_of(const struct rte_mbuf *m, struct frame *f);
void rig_forget_sent(struct rig *r);
/* Let time pass in steps of 100 ms, as a worker would. */
void rig_wait(struct rig *r, uint64_t ns);
/* Sum of all drop_ counters. */
uint64_t rig_drops(const struct rig *r);
/* Make a neighbour known. */
void rig_know(struct rig *r, uint32_t iface, uint32_t ip, const struct rte_ether_addr *mac);

/* A TCP segment as lib/tcp hands it over: header buffer, then payload by reference in pieces. */
struct rte_mbuf *rig_segment(struct rig *r, const uint32_t *pieces, uint32_t n);
int rig_send(struct rig *r, uint32_t dst, struct rte_mbuf *m);

static inline uint16_t
get16(const struct frame *f, uint32_t off)
{
	return (uint16_t)(f->b[off] << 8 | f->b[off + 1]);
}

static inline uint32_t
get32(const struct frame *f, uint32_t off)
{
	return (uint32_t)get16(f, off) << 16 | get16(f, off + 2);
}

static inline void
put16(struct frame *f, uint32_t off, uint16_t v)
{
	f->b[off] = v >> 8;
	f->b[off + 1] = v & 0xff;
}

static inline void
put32(struct frame *f, uint32_t off, uint32_t v)
{
	put16(f, off, v >> 16);
	put16(f, off + 2, v & 0xffff);
}

/* The frame is dropped for this reason and no other. */
#define assert_dropped(r, iface, f, counter)                                                       \
	do {                                                                                       \
		uint64_t before_ = pw_wire_counters((r)->w)->counter, all_ = rig_drops(r);         \
		assert_null(rig_in(r, iface, f));                                                  \
		assert_int_equal(pw_wire_counters((r)->w)->counter, before_ + 1);                  \
		assert_int_equal(rig_drops(r), all_ + 1);                                          \
	} while (0)

#define counter(r, name) (pw_wire_counters((r)->w)->name)

#endif
