/* SPDX-License-Identifier: BSD-3-Clause */
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "frame.h"

#define OPT_END	      0
#define OPT_NOP	      1
#define OPT_MSS	      2
#define OPT_WS	      3
#define OPT_SACK_OK   4
#define OPT_SACK      5
#define OPT_TS	      8

#define TCP_HEADER    20
#define QUOTE_MAX     512 /* of a packet that an ICMP error names */

#define TYPE_IPV4     0x0800
#define TYPE_IPV6     0x86dd
#define DONT_FRAGMENT 0x4000

static uint32_t
get16(const uint8_t *p)
{
	return (uint32_t)p[0] << 8 | p[1];
}

static uint32_t
get32(const uint8_t *p)
{
	return get16(p) << 16 | get16(p + 2);
}

static uint8_t *
put16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
	return p + 2;
}

static uint8_t *
put32(uint8_t *p, uint32_t v)
{
	return put16(put16(p, v >> 16), v);
}

static int
parse_sacks(const uint8_t *p, struct seg *s)
{
	if ((p[1] - 2) % 8 != 0 || p[1] < 10 || p[1] > 2 + 8 * FRAME_MAX_SACKS)
		return -1;
	s->nb_sacks = (uint8_t)((p[1] - 2) / 8);
	for (uint32_t i = 0; i < s->nb_sacks; i++) {
		s->sack[i].l = get32(p + 2 + 8 * i);
		s->sack[i].r = get32(p + 6 + 8 * i);
	}
	return 0;
}

static int
parse_option(const uint8_t *p, struct seg *s)
{
	if (*p == OPT_MSS && p[1] == 4) {
		s->mss = (uint16_t)get16(p + 2);
	} else if (*p == OPT_WS && p[1] == 3) {
		s->has_ws = true;
		s->ws = p[2];
	} else if (*p == OPT_SACK_OK && p[1] == 2) {
		s->sack_ok = true;
	} else if (*p == OPT_TS && p[1] == 10) {
		s->has_ts = true;
		s->tsval = get32(p + 2);
		s->tsecr = get32(p + 6);
	} else if (*p == OPT_SACK) {
		return parse_sacks(p, s);
	}
	return 0;
}

int
seg_parse(const uint8_t *p, uint32_t n, struct seg *s)
{
	const uint8_t *opt = p + TCP_HEADER, *end;
	uint32_t head;

	memset(s, 0, sizeof(*s));
	if (n < TCP_HEADER)
		return -1;
	head = (uint32_t)(p[12] >> 4) * 4;
	if (head < TCP_HEADER || head > n)
		return -1;
	s->sport = (uint16_t)get16(p);
	s->dport = (uint16_t)get16(p + 2);
	s->seq = get32(p + 4);
	s->ack = get32(p + 8);
	s->flags = p[13];
	s->win = (uint16_t)get16(p + 14);
	s->opt_len = (uint16_t)(head - TCP_HEADER);
	s->len = n - head;
	s->data = p + head;
	end = s->data;
	while (opt < end && *opt != OPT_END) {
		if (*opt == OPT_NOP) {
			opt++;
			continue;
		}
		if (end - opt < 2 || opt[1] < 2 || opt[1] > end - opt || parse_option(opt, s) < 0)
			return -1;
		opt += opt[1];
	}
	return 0;
}

uint32_t
seg_build(const struct seg *s, uint8_t *p)
{
	uint8_t *o = p + TCP_HEADER;

	if (s->mss != 0) {
		*o++ = OPT_MSS;
		*o++ = 4;
		o = put16(o, s->mss);
	}
	if (s->has_ws) {
		*o++ = OPT_NOP;
		*o++ = OPT_WS;
		*o++ = 3;
		*o++ = s->ws;
	}
	if (s->has_ts) {
		*o++ = OPT_NOP;
		*o++ = OPT_NOP;
		*o++ = OPT_TS;
		*o++ = 10;
		o = put32(put32(o, s->tsval), s->tsecr);
	}
	put16(put16(p, s->sport), s->dport);
	put32(put32(p + 4, s->seq), s->ack);
	p[12] = (uint8_t)((o - p) / 4 << 4);
	p[13] = s->flags;
	put16(p + 14, s->win);
	memset(p + 16, 0, 4);
	if (s->len != 0 && s->data != NULL)
		memcpy(o, s->data, s->len);
	else
		memset(o, 0x5a, s->len);
	return (uint32_t)(o - p) + s->len;
}

const char *
seg_str(const struct seg *s, uint32_t seq_base, uint32_t ack_base, char *buf, uint32_t size)
{
	char opt[160] = "";
	int n = 0;

	if (s->mss != 0)
		n += snprintf(opt + n, sizeof(opt) - n, " mss %u", s->mss);
	if (s->has_ws)
		n += snprintf(opt + n, sizeof(opt) - n, " ws %u", s->ws);
	if (s->sack_ok)
		n += snprintf(opt + n, sizeof(opt) - n, " sackok");
	if (s->has_ts)
		n += snprintf(opt + n, sizeof(opt) - n, " ts %u ecr %u", s->tsval, s->tsecr);
	for (uint32_t i = 0; i < s->nb_sacks; i++)
		n += snprintf(opt + n, sizeof(opt) - n, " sack %d..%d",
			      (int)(s->sack[i].l - ack_base), (int)(s->sack[i].r - ack_base));
	snprintf(buf, size, "%s%s%s%s%s seq %d ack %d win %u len %u%s", s->flags & F_SYN ? "S" : "",
		 s->flags & F_FIN ? "F" : "", s->flags & F_RST ? "R" : "",
		 s->flags & F_PSH ? "P" : "", s->flags & F_ACK ? "." : "", (int)(s->seq - seq_base),
		 s->flags & F_ACK ? (int)(s->ack - ack_base) : 0, s->win, s->len, opt);
	return buf;
}

static int
parse_v4(const uint8_t *frame, uint32_t n, struct packet *p)
{
	const uint8_t *ip = frame + p->l3;
	uint32_t be;

	if (n - p->l3 < 20 || (ip[0] >> 4) != 4 || get16(ip + 2) > n - p->l3)
		return -1;
	p->v6 = false;
	p->l4 = p->l3 + (ip[0] & 15) * 4u;
	p->end = p->l3 + get16(ip + 2);
	p->proto = ip[9];
	memcpy(&be, ip + 12, 4);
	p->src = pw_addr_v4(be);
	memcpy(&be, ip + 16, 4);
	p->dst = pw_addr_v4(be);
	return p->l4 >= p->l3 + 20 && p->l4 <= p->end ? 0 : -1;
}

static int
parse_v6(const uint8_t *frame, uint32_t n, struct packet *p)
{
	const uint8_t *ip = frame + p->l3;

	if (n - p->l3 < 40 || (ip[0] >> 4) != 6 || get16(ip + 4) > n - p->l3 - 40)
		return -1;
	p->v6 = true;
	p->l4 = p->l3 + 40;
	p->end = p->l4 + get16(ip + 4);
	p->proto = ip[6];
	memcpy(&p->src, ip + 8, 16);
	memcpy(&p->dst, ip + 24, 16);
	return 0;
}

int
packet_parse(const uint8_t *frame, uint32_t n, struct packet *p)
{
	if (n < FRAME_ETHER)
		return -1;
	p->l3 = FRAME_ETHER;
	switch (get16(frame + 12)) {
	case TYPE_IPV4:
		return parse_v4(frame, n, p);
	case TYPE_IPV6:
		return parse_v6(frame, n, p);
	default:
		return -1;
	}
}

uint32_t
packet_head(uint8_t *frame, const uint8_t *dst_mac, const uint8_t *src_mac,
	    const struct pw_addr *src, const struct pw_addr *dst, uint8_t proto, uint32_t len)
{
	uint8_t *ip = frame + FRAME_ETHER;

	memcpy(frame, dst_mac, 6);
	memcpy(frame + 6, src_mac, 6);
	if (pw_addr_is_v4(src)) {
		put16(frame + 12, TYPE_IPV4);
		memset(ip, 0, 20);
		ip[0] = 0x45;
		put16(ip + 2, 20 + len);
		put16(ip + 6, DONT_FRAGMENT);
		ip[8] = 64;
		ip[9] = proto;
		memcpy(ip + 12, &src->b[12], 4);
		memcpy(ip + 16, &dst->b[12], 4);
		return FRAME_ETHER + 20;
	}
	put16(frame + 12, TYPE_IPV6);
	memset(ip, 0, 8);
	ip[0] = 0x60;
	put16(ip + 4, len);
	ip[6] = proto;
	ip[7] = 64;
	memcpy(ip + 8, src, 16);
	memcpy(ip + 24, dst, 16);
	return FRAME_ETHER + 40;
}

static uint32_t
add(uint32_t sum, const uint8_t *p, uint32_t n)
{
	for (uint32_t i = 0; i + 1 < n; i += 2)
		sum += get16(p + i);
	return n & 1 ? sum + (uint32_t)(p[n - 1] << 8) : sum;
}

static uint16_t
fold(uint32_t sum)
{
	while (sum > 0xffff)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

/** Place of the transport's checksum, 0 where it has none that we know. */
static uint32_t
sum_at(const struct packet *p)
{
	switch (p->proto) {
	case IPPROTO_TCP:
		return p->l4 + 16;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		return p->l4 + 2;
	default:
		return 0;
	}
}

/** Sum over what the transport's checksum covers, the field itself included. */
static uint16_t
transport_sum(const uint8_t *frame, const struct packet *p)
{
	const uint8_t *ip = frame + p->l3;
	uint32_t len = p->end - p->l4, sum = 0;

	if (p->proto != IPPROTO_ICMP) {
		sum = p->proto + len;
		sum = p->v6 ? add(sum, ip + 8, 32) : add(sum, ip + 12, 8);
	}
	return fold(add(sum, frame + p->l4, len));
}

void
packet_sum(uint8_t *frame, const struct packet *p)
{
	uint32_t at = sum_at(p);

	if (!p->v6) {
		put16(frame + p->l3 + 10, 0);
		put16(frame + p->l3 + 10, ~(uint32_t)fold(add(0, frame + p->l3, p->l4 - p->l3)));
	}
	if (at != 0 && p->end - at >= 2) {
		put16(frame + at, 0);
		put16(frame + at, ~(uint32_t)transport_sum(frame, p));
	}
}

bool
packet_sums_right(const uint8_t *frame, const struct packet *p)
{
	if (!p->v6 && fold(add(0, frame + p->l3, p->l4 - p->l3)) != 0xffff)
		return false;
	return sum_at(p) == 0 || transport_sum(frame, p) == 0xffff;
}

uint32_t
packet_icmp(uint8_t *out, const uint8_t *dst_mac, const uint8_t *src_mac,
	    const struct pw_addr *from, const uint8_t *frame, const struct packet *p, uint16_t mtu)
{
	uint32_t quote = p->end - p->l3, at;
	struct packet made;

	if (quote > QUOTE_MAX)
		quote = QUOTE_MAX;
	at = packet_head(out, dst_mac, src_mac, from, &p->src,
			 p->v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP, 8 + quote);
	memset(out + at, 0, 8);
	if (p->v6) {
		out[at] = mtu != 0 ? 2 : 1; /* RFC 4443 3.1, 3.2 */
		put32(out + at + 4, mtu);
	} else {
		out[at] = 3; /* RFC 792, RFC 1191 4 */
		out[at + 1] = mtu != 0 ? 4 : 1;
		put16(out + at + 6, mtu);
	}
	memcpy(out + at + 8, frame + p->l3, quote);
	if (packet_parse(out, at + 8 + quote, &made) == 0)
		packet_sum(out, &made);
	return at + 8 + quote;
}
