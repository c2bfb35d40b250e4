/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_lcore.h>
#include <rte_mbuf.h>

#include "rig.h"

const struct rte_ether_addr rig_mac[2] = {{{2, 0, 0, 0, 0, 1}}, {{2, 0, 0, 0, 0, 2}}};
const struct rte_ether_addr rig_peer = {{2, 0, 0, 0, 0, 0x77}};
const struct rte_ether_addr rig_everybody = {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};

static void
on_tx(void *ctx, uint32_t iface, struct rte_mbuf *m)
{
	struct rig *r = ctx;

	assert_true(r->nb_sent < RIG_SENT_MAX);
	rte_mbuf_sanity_check(m, 1);
	r->sent_iface[r->nb_sent] = iface;
	r->sent[r->nb_sent++] = m;
}

static void
on_learnt(void *ctx, uint32_t iface, const struct pw_addr *ip, const struct rte_ether_addr *mac)
{
	struct rig *r = ctx;

	(void)iface;
	r->nb_learnt++;
	r->learnt_ip = *ip;
	r->learnt_mac = *mac;
}

static void
on_icmp(void *ctx, const struct pw_flow *flow, uint32_t seq, uint16_t mtu, uint8_t code,
	uint64_t now)
{
	struct rig *r = ctx;

	assert_int_equal(now, r->now);
	r->nb_icmp++;
	r->icmp_flow = *flow;
	r->icmp_seq = seq;
	r->icmp_mtu = mtu;
	r->icmp_code = code;
}

static void
on_kernel(void *ctx, uint32_t iface, struct rte_mbuf *m, uint64_t now)
{
	struct rig *r = ctx;

	assert_int_equal(now, r->now);
	assert_int_equal(r->conf.iface[iface].kernel != PW_WIRE_KERNEL_NONE, true);
	rte_mbuf_sanity_check(m, 1);
	r->nb_kernel++;
	frame_of(m, &r->kernel);
	rte_pktmbuf_free(m);
}

static struct pw_addr
v4(uint32_t host)
{
	return pw_addr_v4(rte_cpu_to_be_32(host));
}

void
rig_plan(struct rig *r)
{
	static uint32_t serial;
	static char name[16];
	struct pw_mem_conf mem = {.name = name, .pkt = 255, .hdr = 255, .ind = 255, .socket = -1};

	memset(r, 0, sizeof(*r));
	snprintf(name, sizeof(name), "rig%u", serial++);
	assert_int_equal(pw_mem_create(&r->mem, &mem), 0);
	for (uint32_t i = 0; i < 2; i++) {
		r->port[i] = (struct pw_port){.id = i,
					      .nb_rxq = 1,
					      .nb_txq = 1,
					      .mtu = 1500,
					      .max_segs = 8,
					      .caps = PW_PORT_TX_MULTI_SEG,
					      .mac = rig_mac[i],
					      .device = "rig",
					      .reta_size = 1};
	}
	r->now = 1000 * SEC;
	r->conf = (struct pw_wire_conf){
		.name = name,
		.iface = {{.port = &r->port[0], .addr = {{v4(OURS0), 16}}, .nb_addrs = 1},
			  {.port = &r->port[1],
			   .addr = {{v4(OURS1), 24}},
			   .nb_addrs = 1,
			   .gateway = v4(GATEWAY)}},
		.nb_ifaces = 2,
		.neighbours = 8,
		.hold_queue = 2,
		.mem = &r->mem,
		.hooks = {.ctx = r,
			  .tx = on_tx,
			  .learnt = on_learnt,
			  .icmp_error = on_icmp,
			  .kernel = on_kernel},
		.socket = -1,
	};
}

void
rig_up(struct rig *r)
{
	r->w = pw_wire_create(&r->conf);
	assert_non_null(r->w);
}

void
rig_default(struct rig *r)
{
	rig_plan(r);
	rig_up(r);
}

void
rig_down(struct rig *r)
{
	rig_forget_sent(r);
	pw_wire_destroy(r->w);
	assert_true(pw_mem_full(&r->mem));
	pw_mem_destroy(&r->mem);
}

void
frame_put(struct frame *f, const void *bytes, uint32_t len)
{
	assert_true(len <= sizeof(f->b) - f->len);
	if (len != 0)
		memcpy(f->b + f->len, bytes, len);
	f->len += len;
}

void
frame_eth(struct frame *f, const struct rte_ether_addr *dst, const struct rte_ether_addr *src,
	  uint16_t type)
{
	f->len = 0;
	frame_put(f, dst, 6);
	frame_put(f, src, 6);
	f->len += 2;
	put16(f, 12, type);
	f->l3 = f->len;
}

void
frame_vlan(struct frame *f, const struct rte_ether_addr *dst, const struct rte_ether_addr *src,
	   uint16_t tci, uint16_t type)
{
	frame_eth(f, dst, src, 0x8100);
	put16(f, f->len, tci);
	put16(f, f->len + 2, type);
	f->len += 4;
	f->l3 = f->len;
}

uint32_t
sum_add(uint32_t sum, const uint8_t *p, uint32_t len, bool odd)
{
	for (uint32_t i = 0; i < len; i++)
		sum += ((i & 1) != 0) == odd ? (uint32_t)p[i] << 8 : p[i];
	return sum;
}

uint16_t
sum_fold(uint32_t sum)
{
	while (sum > 0xffff)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

static uint32_t
ip_hlen(const struct frame *f)
{
	return (f->b[f->l3] & 15) * 4u;
}

void
frame_ip4_sum(struct frame *f)
{
	put16(f, f->l3 + 10, 0);
	put16(f, f->l3 + 10, ~sum_fold(sum_add(0, f->b + f->l3, ip_hlen(f), false)));
}

void
frame_ip4_opts(struct frame *f, uint32_t src, uint32_t dst, uint8_t proto, const void *opts,
	       uint32_t opts_len, const void *body, uint32_t len)
{
	uint32_t at = f->l3;

	assert_int_equal(f->len, at);
	memset(f->b + at, 0, 20);
	f->b[at] = 0x40 | (5 + opts_len / 4);
	put16(f, at + 2, 20 + opts_len + len);
	put16(f, at + 6, 0x4000);
	f->b[at + 8] = 63;
	f->b[at + 9] = proto;
	put32(f, at + 12, src);
	put32(f, at + 16, dst);
	f->len += 20;
	frame_put(f, opts, opts_len);
	f->l4 = f->len;
	frame_put(f, body, len);
	frame_ip4_sum(f);
}

void
frame_ip4(struct frame *f, uint32_t src, uint32_t dst, uint8_t proto, const void *body,
	  uint32_t len)
{
	frame_ip4_opts(f, src, dst, proto, NULL, 0, body, len);
}

/* Sum of pseudo-header and segment; 0xffff where its checksum is right. */
static uint16_t
tcp_sum(const struct frame *f)
{
	uint32_t len = get16(f, f->l3 + 2) - ip_hlen(f);
	uint32_t sum = sum_add(6 + len, f->b + f->l3 + 12, 8, false);

	return sum_fold(sum_add(sum, f->b + f->l4, len, false));
}

bool
frame_sums_right(const struct frame *f)
{
	uint32_t hlen = ip_hlen(f);

	if (sum_fold(sum_add(0, f->b + f->l3, hlen, false)) != 0xffff)
		return false;
	if (f->b[f->l3 + 9] == 1)
		return sum_fold(sum_add(0, f->b + f->l4, get16(f, f->l3 + 2) - hlen, false)) ==
		       0xffff;
	return tcp_sum(f) == 0xffff;
}

void
frame_tcp(struct frame *f, uint32_t payload)
{
	uint8_t body[20 + 1480] = {0};

	assert_true(payload <= 1480);
	body[0] = 0xc0; /* 49153 -> 1883 */
	body[1] = 0x01;
	body[2] = 1883 >> 8;
	body[3] = 1883 & 0xff;
	body[12] = 5 << 4;
	body[13] = 0x18;
	for (uint32_t i = 0; i < payload; i++)
		body[20 + i] = i & 0xff;
	frame_eth(f, &rig_mac[0], &rig_peer, 0x0800);
	frame_ip4(f, PEER, OURS0, 6, body, 20 + payload);
	put16(f, f->l4 + 16, ~tcp_sum(f));
}

void
frame_arp(struct frame *f, const struct rte_ether_addr *dst, uint16_t op,
	  const struct rte_ether_addr *sha, uint32_t sip, const struct rte_ether_addr *tha,
	  uint32_t tip)
{
	frame_eth(f, dst, sha, 0x0806);
	frame_put(f, "\x00\x01\x08\x00\x06\x04", 6);
	put16(f, f->len, op);
	f->len += 2;
	frame_put(f, sha, 6);
	put32(f, f->len, sip);
	f->len += 4;
	frame_put(f, tha, 6);
	put32(f, f->len, tip);
	f->len += 4;
}

void
frame_icmp(struct frame *f, uint8_t type, uint8_t code, uint32_t rest, const void *body,
	   uint32_t len)
{
	uint8_t msg[2048] = {type, code};

	assert_true(len <= sizeof(msg) - 8);
	memcpy(msg + 8, body, len);
	frame_eth(f, &rig_mac[0], &rig_peer, 0x0800);
	frame_ip4(f, PEER, OURS0, 1, msg, 8 + len);
	put32(f, f->l4 + 4, rest);
	put16(f, f->l4 + 2, ~sum_fold(sum_add(0, f->b + f->l4, 8 + len, false)));
}

struct rte_mbuf *
rig_mbuf(struct rig *r, const struct frame *f, uint32_t seg)
{
	struct rte_mbuf *first = NULL;
	uint32_t at = 0;

	do {
		struct rte_mbuf *m = rte_pktmbuf_alloc(r->mem.pkt);
		uint32_t n = f->len - at;

		assert_non_null(m);
		if (seg != 0 && n > seg)
			n = seg;
		memcpy(rte_pktmbuf_append(m, n), f->b + at, n);
		at += n;
		if (first == NULL)
			first = m;
		else
			assert_int_equal(rte_pktmbuf_chain(first, m), 0);
	} while (at < f->len);
	return first;
}

struct rte_mbuf *
rig_in_mbuf(struct rig *r, uint32_t iface, struct rte_mbuf *m)
{
	struct rte_mbuf *tcp = NULL;
	uint32_t n = pw_wire_input(r->w, iface, &m, 1, &tcp, r->now);

	assert_true(n <= 1);
	return n == 1 ? tcp : NULL;
}

struct rte_mbuf *
rig_in(struct rig *r, uint32_t iface, const struct frame *f)
{
	return rig_in_mbuf(r, iface, rig_mbuf(r, f, 0));
}

void
frame_of(const struct rte_mbuf *m, struct frame *f)
{
	f->len = 0;
	for (const struct rte_mbuf *s = m; s != NULL; s = s->next)
		frame_put(f, rte_pktmbuf_mtod(s, const void *), s->data_len);
	assert_int_equal(f->len, m->pkt_len);
	f->l3 = get16(f, 12) == 0x8100 ? 18 : 14;
	f->l4 = get16(f, f->l3 - 2) == 0x0800 ? f->l3 + ip_hlen(f) : f->l3;
}

void
rig_sent(const struct rig *r, uint32_t i, struct frame *f)
{
	assert_true(i < r->nb_sent);
	frame_of(r->sent[i], f);
}

void
rig_forget_sent(struct rig *r)
{
	for (uint32_t i = 0; i < r->nb_sent; i++)
		rte_pktmbuf_free(r->sent[i]);
	r->nb_sent = 0;
}

void
rig_wait(struct rig *r, uint64_t ns)
{
	for (uint64_t end = r->now + ns; r->now < end;) {
		r->now += RTE_MIN(end - r->now, 100 * MS);
		pw_wire_advance(r->w, r->now);
	}
}

uint64_t
rig_drops(const struct rig *r)
{
	const struct pw_wire_counters *n = pw_wire_counters(r->w);
	uint64_t sum = 0;

	for (uint32_t i = 0; pw_wire_counters_desc[i].name != NULL; i++) {
		if (strncmp(pw_wire_counters_desc[i].name, "drop_", 5) == 0)
			sum += pw_counter_read(n, i);
	}
	return sum;
}

void
rig_know(struct rig *r, uint32_t iface, uint32_t ip, const struct rte_ether_addr *mac)
{
	static const uint32_t own[2] = {OURS0, OURS1};
	struct frame f;
	uint32_t sent = r->nb_sent;

	/* Only an answer to a question counts: a packet asks it, and leaves no trace here. */
	assert_int_equal(rig_send(r, ip, rig_segment(r, NULL, 0)), 0);
	frame_arp(&f, &rig_mac[iface], 2, mac, ip, &rig_mac[iface], own[iface]);
	assert_null(rig_in(r, iface, &f));
	while (r->nb_sent > sent)
		rte_pktmbuf_free(r->sent[--r->nb_sent]);
}

/* Room at the end of a buffer, which is there. */
static uint8_t *
append(struct rte_mbuf *m, uint16_t len)
{
	uint8_t *p = (uint8_t *)rte_pktmbuf_append(m, len);

	if (p == NULL)
		abort();
	return p;
}

struct rte_mbuf *
rig_segment(struct rig *r, const uint32_t *pieces, uint32_t n)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(r->mem.hdr);
	uint8_t *th, next = 0;

	assert_non_null(m);
	th = append(m, 20);
	memset(th, 0, 20);
	th[0] = 1883 >> 8;
	th[1] = 1883 & 0xff;
	th[2] = 0xc0;
	th[3] = 0x01;
	th[12] = 5 << 4;
	m->l4_len = 20;
	for (uint32_t i = 0; i < n; i++) {
		struct rte_mbuf *data = rte_pktmbuf_alloc(r->mem.pkt);
		struct rte_mbuf *ind = rte_pktmbuf_alloc(r->mem.ind);
		uint8_t *p;

		assert_non_null(data);
		assert_non_null(ind);
		p = append(data, pieces[i]);
		for (uint32_t k = 0; k < pieces[i]; k++)
			p[k] = next++;
		rte_pktmbuf_attach(ind, data);
		rte_pktmbuf_free(data);
		assert_int_equal(rte_pktmbuf_chain(m, ind), 0);
	}
	return m;
}

int
rig_send(struct rig *r, uint32_t dst, struct rte_mbuf *m)
{
	struct pw_flow flow = {
		.local = v4(OURS0), .remote = v4(dst), .lport = 1883, .rport = 49153};

	return pw_wire_send_tcp(r->w, &flow, m, 0, r->now);
}
