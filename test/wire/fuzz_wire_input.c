/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Any frames at all into a wire instance. The input is a byte of options, then frames: two bytes of
 * length and shape, then the bytes of each. Whatever they are, TCP gets only what the header
 * promises, what is sent is well formed, steering stays among the workers, and every buffer comes
 * back.
 */
#include <stdlib.h>
#include <string.h>

#include <netinet/in.h>

#include <rte_ip.h>
#include <rte_mbuf.h>

#include <pubwire/wire/wire.h>

#include "eal.h"

#define CHECK(what)                                                                                \
	do {                                                                                       \
		if (!(what))                                                                       \
			abort();                                                                   \
	} while (0)

#define OPT_VLAN     0x01
#define OPT_ONE_SEG  0x02
#define OPT_MEND_IP  0x04 /* make IP header checksums right, so that more gets through */
#define OPT_MEND_MAC 0x08
#define OPT_MEND_L4  0x10 /* ICMP, ICMPv6 and TCP over IPv6 */
#define OPT_NO_IP6   0x20
#define OPT_ANNOUNCE 0x40
#define OPT_KERNEL   0x80
#define FRAME_MAX    1600
#define WORKERS	     4

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct pw_mem mem;
static struct pw_port port;
static uint64_t now = 1000000000;

/* What leaves over IPv6 ends where its header says, and is from one host. */
static void
check_ip6_out(const struct rte_mbuf *m)
{
	struct rte_ipv6_hdr room;
	const struct rte_ipv6_hdr *ip = rte_pktmbuf_read(m, m->l2_len, sizeof(room), &room);

	CHECK(ip != NULL && rte_be_to_cpu_16(ip->payload_len) == m->pkt_len - m->l2_len - 40);
	CHECK(ip->src_addr[0] != 0xff && ip->hop_limits != 0);
}

static void
on_tx(void *ctx, uint32_t iface, struct rte_mbuf *m)
{
	uint16_t type;

	(void)ctx;
	CHECK(iface == 0);
	memcpy(&type, rte_pktmbuf_mtod_offset(m, const uint8_t *, m->l2_len - 2), sizeof(type));
	if (type == RTE_BE16(RTE_ETHER_TYPE_IPV6))
		check_ip6_out(m);
	CHECK(m->nb_segs <= ((port.caps & PW_PORT_TX_MULTI_SEG) ? port.max_segs : 1));
	CHECK(m->pkt_len >= 14 && m->pkt_len <= 1500u + 18);
	rte_mbuf_sanity_check(m, 1);
	rte_pktmbuf_free(m);
}

static void
on_icmp_error(void *ctx, const struct pw_flow *flow, uint32_t seq, uint16_t mtu, uint8_t code,
	      uint64_t when)
{
	(void)ctx, (void)seq, (void)when;
	if (pw_addr_is_v4(&flow->local))
		CHECK(mtu == 0 || (mtu >= 68 && code == 4));
	else
		CHECK(mtu == 0 || mtu >= 1280);
}

/* The kernel gets frames as they came: never more of them than what came, and with a header. */
static void
on_kernel(void *ctx, uint32_t iface, struct rte_mbuf *m, uint64_t when)
{
	(void)ctx;
	CHECK(iface == 0 && when == now);
	CHECK(m->pkt_len >= 14 && m->data_len >= 14);
	rte_mbuf_sanity_check(m, 1);
	rte_pktmbuf_free(m);
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	const struct pw_mem_conf conf = {
		.name = "fuzz", .pkt = 511, .hdr = 127, .ind = 127, .socket = -1};

	(void)argc, (void)argv;
	test_eal_init();
	CHECK(pw_mem_create(&mem, &conf) == 0);
	return 0;
}

/* Offset of the checksum in a transport header; 0 where it has none that is looked at. */
static uint32_t
sum_offset(uint8_t proto)
{
	return proto == IPPROTO_TCP ? 16 : proto == IPPROTO_ICMP || proto == IPPROTO_ICMPV6 ? 2 : 0;
}

static void
mend_ip4(uint8_t *b, uint32_t len, uint32_t l3, uint8_t options)
{
	struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)(b + l3);
	uint32_t hlen = rte_ipv4_hdr_len(ip);

	if (hlen < sizeof(*ip) || hlen > len - l3)
		return;
	if ((options & OPT_MEND_L4) && ip->next_proto_id == IPPROTO_ICMP) {
		uint32_t l4 = l3 + hlen, total = rte_be_to_cpu_16(ip->total_length);
		uint16_t sum;

		if (total >= hlen + 8 && total <= len - l3) {
			memset(b + l4 + 2, 0, 2);
			sum = ~rte_raw_cksum(b + l4, total - hlen);
			memcpy(b + l4 + 2, &sum, 2);
		}
	}
	if (options & OPT_MEND_IP) {
		ip->hdr_checksum = 0;
		ip->hdr_checksum = ~rte_raw_cksum(ip, hlen);
	}
}

/* Length to the end of the frame, and the sum of what follows the extension headers. */
static void
mend_ip6(uint8_t *b, uint32_t len, uint32_t l3, uint8_t options)
{
	struct rte_ipv6_hdr *ip = (struct rte_ipv6_hdr *)(b + l3);
	uint8_t proto = ip->proto;
	uint32_t l4 = l3 + sizeof(*ip), at;
	uint8_t phdr[40];
	uint32_t sum;
	uint16_t field;

	if (options & OPT_MEND_IP)
		ip->payload_len = rte_cpu_to_be_16(len - l4);
	while (proto == IPPROTO_HOPOPTS || proto == IPPROTO_ROUTING || proto == IPPROTO_DSTOPTS) {
		if (len - l4 < 8 || len - l4 < (b[l4 + 1] + 1u) * 8)
			return;
		proto = b[l4];
		l4 += (b[l4 + 1] + 1u) * 8;
	}
	at = sum_offset(proto);
	if (!(options & OPT_MEND_L4) || at == 0 || len - l4 < at + 2)
		return;
	memcpy(phdr, ip->src_addr, 32);
	memcpy(phdr + 32, &(rte_be32_t){rte_cpu_to_be_32(len - l4)}, 4);
	memcpy(phdr + 36, &(rte_be32_t){rte_cpu_to_be_32(proto)}, 4);
	memset(b + l4 + at, 0, 2);
	sum = (uint32_t)rte_raw_cksum(phdr, sizeof(phdr)) + rte_raw_cksum(b + l4, len - l4);
	field = (uint16_t) ~((sum & 0xffff) + (sum >> 16));
	memcpy(b + l4 + at, &field, 2);
}

static void
mend(uint8_t *b, uint32_t len, uint8_t options)
{
	uint32_t l3 = 14;

	if (len < 38)
		return;
	if ((options & OPT_MEND_MAC) && !(b[0] & 1))
		memcpy(b, &port.mac, 6);
	if (b[12] == 0x81 && b[13] == 0x00)
		l3 = 18;
	if (b[l3 - 2] == 0x86 && b[l3 - 1] == 0xdd && len - l3 >= sizeof(struct rte_ipv6_hdr))
		mend_ip6(b, len, l3, options);
	else
		mend_ip4(b, len, l3, options);
}

static struct rte_mbuf *
chain(const uint8_t *b, uint32_t len, uint32_t seg)
{
	struct rte_mbuf *first = NULL;

	while (len != 0) {
		struct rte_mbuf *m = rte_pktmbuf_alloc(mem.pkt);
		uint32_t n = RTE_MIN(len, seg);

		CHECK(m != NULL);
		memcpy(rte_pktmbuf_append(m, n), b, n);
		b += n;
		len -= n;
		if (first == NULL)
			first = m;
		else
			CHECK(rte_pktmbuf_chain(first, m) == 0);
	}
	return first;
}

static void
check_tcp(struct rte_mbuf *m)
{
	rte_mbuf_sanity_check(m, 1);
	CHECK(m->l2_len == 14 || m->l2_len == 18);
	CHECK(m->l3_len >= 20 && m->l3_len <= 296);
	CHECK(m->data_len >= m->l2_len + m->l3_len + 20);
	for (const struct rte_mbuf *s = m; s != NULL; s = s->next)
		CHECK(RTE_MBUF_DIRECT(s) && rte_mbuf_refcnt_read(s) == 1);
	rte_pktmbuf_free(m);
}

static struct pw_wire *
make(uint8_t options)
{
	struct pw_wire_conf conf = {
		.name = "fuzz",
		.iface = {{.port = &port,
			   .addr = {{pw_addr_v4(RTE_BE32(0x0a4d0001)), 16},
				    {{.b = {0xfd, 0x77, [15] = 1}}, 64}},
			   .nb_addrs = (options & OPT_NO_IP6) ? 1 : 2,
			   .gateway = pw_addr_v4(RTE_BE32(0x0a4d0002)),
			   .gateway6 = {.b = {0xfd, 0x77, [15] = 2}},
			   .kernel = (options & OPT_KERNEL) ? PW_WIRE_KERNEL_AND_ECHO
							    : PW_WIRE_KERNEL_NONE}},
		.nb_ifaces = 1,
		.neighbours = 4,
		.hold_queue = 2,
		.fragments = 4,
		.mem = &mem,
		.hooks = {.tx = on_tx, .icmp_error = on_icmp_error, .kernel = on_kernel},
		.socket = -1,
	};

	port = (struct pw_port){.mtu = 1500,
				.vlan = (options & OPT_VLAN) ? 7 : 0,
				.max_segs = 4,
				.caps = (options & OPT_ONE_SEG) ? 0 : PW_PORT_TX_MULTI_SEG,
				.mac = {{2, 0, 0, 0, 0, 1}},
				.rss_key_len = 40,
				.reta_size = WORKERS,
				.reta = {0, 1, 2, 3}};
	memset(port.rss_key, 0x5a, sizeof(port.rss_key));
	return pw_wire_create(&conf);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *end = data + size;
	struct pw_wire *w;
	uint8_t options;

	if (size < 4)
		return 0;
	options = *data++;
	w = make(options);
	CHECK(w != NULL);
	if (options & OPT_ANNOUNCE)
		pw_wire_announce(w, now);
	while (end - data > 2) {
		uint8_t frame[FRAME_MAX];
		uint32_t len = (data[0] << 8 | data[1]) & 0x7ff;
		uint32_t shape = data[0] >> 3;
		struct rte_mbuf *m, *tcp = NULL;

		data += 2;
		len = RTE_MIN(RTE_MIN(len + 1, (uint32_t)FRAME_MAX), (uint32_t)(end - data));
		memcpy(frame, data, len);
		data += len;
		mend(frame, len, options);
		m = chain(frame, len, shape == 0 ? FRAME_MAX : 13 * shape);
		CHECK(pw_port_worker_of_frame(&port, m) < WORKERS);
		if (pw_wire_input(w, 0, &m, 1, &tcp, now) == 1)
			check_tcp(tcp);
		now += (uint64_t)shape * 50000000;
		pw_wire_advance(w, now);
	}
	pw_wire_destroy(w);
	CHECK(pw_mem_full(&mem));
	return 0;
}
