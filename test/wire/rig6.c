/* SPDX-License-Identifier: BSD-3-Clause */
#include <string.h>

#include "rig6.h"

struct pw_addr
rig6_addr(const char *text)
{
	struct pw_addr a;

	assert_int_equal(pw_addr_parse(&a, text), 0);
	return a;
}

void
rig6_plan(struct rig *r)
{
	rig_plan(r);
	r->conf.iface[0].addr[1] = (struct pw_wire_addr){OURS6, 64};
	r->conf.iface[0].nb_addrs = 2;
	r->conf.iface[1].addr[1] = (struct pw_wire_addr){OURS6_1, 64};
	r->conf.iface[1].nb_addrs = 2;
	r->conf.iface[1].gateway6 = rig6_addr("fd78::fe");
}

void
rig6_default(struct rig *r)
{
	rig6_plan(r);
	rig_up(r);
}

void
frame_ip6(struct frame *f, struct pw_addr src, struct pw_addr dst, uint8_t proto, uint8_t hop_limit,
	  const void *body, uint32_t len)
{
	struct rte_ether_addr group = {{0x33, 0x33, dst.b[12], dst.b[13], dst.b[14], dst.b[15]}};

	frame_eth(f, dst.b[0] == 0xff ? &group : &rig_mac[0], &rig_peer, 0x86dd);
	put32(f, f->l3, 0x60000000);
	put16(f, f->l3 + 4, len);
	f->b[f->l3 + 6] = proto;
	f->b[f->l3 + 7] = hop_limit;
	f->len += 8;
	frame_put(f, &src, 16);
	frame_put(f, &dst, 16);
	f->l4 = f->len;
	frame_put(f, body, len);
}

void
frame_ip6_insert(struct frame *f, uint8_t proto, const void *bytes, uint32_t len)
{
	uint32_t at = f->l3 + 40;

	memmove(f->b + at + len, f->b + at, f->len - at);
	memcpy(f->b + at, bytes, len);
	f->b[at] = f->b[f->l3 + 6];
	f->b[f->l3 + 6] = proto;
	f->len += len;
	f->l4 += len;
	put16(f, f->l3 + 4, get16(f, f->l3 + 4) + len);
}

/* Where the transport starts, and what it is. */
static uint8_t
walk(struct frame *f)
{
	uint8_t proto = f->b[f->l3 + 6];

	f->l4 = f->l3 + 40;
	while (proto == 0 || proto == 43 || proto == 44 || proto == 60) {
		uint32_t len = proto == 44 ? 8 : (f->b[f->l4 + 1] + 1u) * 8;

		proto = f->b[f->l4];
		f->l4 += len;
	}
	return proto;
}

static uint16_t
sum(const struct frame *f, uint8_t proto)
{
	uint32_t len = get16(f, f->l3 + 4) - (f->l4 - f->l3 - 40);
	uint32_t s = sum_add(proto + len, f->b + f->l3 + 8, 32, false);

	return sum_fold(sum_add(s, f->b + f->l4, len, false));
}

void
frame_sum6(struct frame *f)
{
	uint8_t proto = walk(f);
	uint32_t at = f->l4 + (proto == 6 ? 16 : 2);

	put16(f, at, 0);
	put16(f, at, ~sum(f, proto));
}

bool
frame_sum6_right(struct frame *f)
{
	uint8_t proto;

	if (f->b[f->l3] >> 4 != 6 || f->len - f->l3 - 40 != get16(f, f->l3 + 4))
		return false;
	proto = walk(f);
	return sum(f, proto) == 0xffff;
}

uint8_t
frame_type6(struct frame *f)
{
	assert_int_equal(walk(f), 58);
	return f->b[f->l4];
}

struct pw_addr
frame_addr(const struct frame *f, uint32_t off)
{
	struct pw_addr a;

	memcpy(&a, f->b + off, sizeof(a));
	return a;
}

void
frame_tcp6_between(struct frame *f, struct pw_addr src, struct pw_addr dst, uint32_t payload)
{
	uint8_t body[20 + 1440] = {0xc0, 0x01, 1883 >> 8, 1883 & 0xff};

	assert_true(payload <= 1440);
	body[12] = 5 << 4;
	body[13] = 0x18;
	for (uint32_t i = 0; i < payload; i++)
		body[20 + i] = i & 0xff;
	frame_ip6(f, src, dst, 6, 63, body, 20 + payload);
	frame_sum6(f);
}

void
frame_tcp6(struct frame *f, uint32_t payload)
{
	frame_tcp6_between(f, PEER6, OURS6, payload);
}

void
frame_icmp6(struct frame *f, struct pw_addr src, struct pw_addr dst, uint8_t hop_limit,
	    uint8_t type, uint8_t code, uint32_t rest, const void *body, uint32_t len)
{
	uint8_t msg[2048] = {type, code, 0, 0, rest >> 24, rest >> 16, rest >> 8, rest};

	assert_true(len <= sizeof(msg) - 8);
	if (len != 0)
		memcpy(msg + 8, body, len);
	frame_ip6(f, src, dst, 58, hop_limit, msg, 8 + len);
	frame_sum6(f);
}

void
frame_nd(struct frame *f, struct pw_addr src, struct pw_addr dst, uint8_t type, uint32_t flags,
	 struct pw_addr target, uint8_t option, const struct rte_ether_addr *mac)
{
	uint8_t body[24];

	memcpy(body, &target, 16);
	body[16] = option;
	body[17] = 1;
	if (option != 0)
		memcpy(body + 18, mac, 6);
	frame_icmp6(f, src, dst, 255, type, 0, flags, body, option != 0 ? 24 : 16);
}

void
rig6_know(struct rig *r, uint32_t iface, struct pw_addr ip, const struct rte_ether_addr *mac)
{
	struct frame f;
	uint32_t sent = r->nb_sent;

	/* Only an answer to a question counts: a packet asks it, and leaves no trace here. */
	assert_int_equal(rig6_send(r, ip, rig_segment(r, NULL, 0)), 0);
	frame_nd(&f, ip, iface == 0 ? OURS6 : OURS6_1, 136, 0x60000000, ip, 2, mac);
	memcpy(f.b, &rig_mac[iface], 6);
	assert_null(rig_in(r, iface, &f));
	assert_int_equal(r->nb_sent, sent + 2);
	while (r->nb_sent > sent)
		rte_pktmbuf_free(r->sent[--r->nb_sent]);
}

int
rig6_send(struct rig *r, struct pw_addr dst, struct rte_mbuf *m)
{
	struct pw_flow flow = {.local = OURS6, .remote = dst, .lport = 1883, .rport = 49153};

	return pw_wire_send_tcp(r->w, &flow, m, 0, r->now);
}

void
assert_nd(struct rig *r, uint32_t i, uint8_t type, struct pw_addr src, struct pw_addr dst,
	  struct pw_addr target, const struct rte_ether_addr *mac)
{
	struct frame f;

	rig_sent(r, i, &f);
	assert_memory_equal(f.b, mac, 6);
	assert_true(frame_sum6_right(&f));
	assert_int_equal(frame_type6(&f), type);
	assert_int_equal(f.b[f.l4 + 1], 0);
	assert_int_equal(f.b[f.l3 + 7], 255);
	assert_addr(&f, f.l3 + 8, src);
	assert_addr(&f, f.l3 + 24, dst);
	assert_addr(&f, f.l4 + 8, target);
	if (src.b[0] == 0) {
		assert_int_equal(f.len, f.l4 + 24);
		return;
	}
	assert_int_equal(f.len, f.l4 + 32);
	assert_int_equal(f.b[f.l4 + 24], type == SOLICIT ? SOURCE : TARGET);
	assert_int_equal(f.b[f.l4 + 25], 1);
	assert_memory_equal(f.b + f.l4 + 26, &rig_mac[r->sent_iface[i]], 6);
}
