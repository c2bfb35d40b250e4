/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Extension headers (RFC 8200 4): obeyed as far as a host has to, which is to skip what it may skip
 * and to tell the sender of what it may not. All of them lie in the packet's first buffer.
 */
#include <netinet/in.h>

#include "wire_pvt.h"

#define UNIT		 8 /* lengths count these, the first one not included */

#define OPT_PAD1	 0 /* RFC 8200 4.2 */
#define OPT_PADN	 1
#define OPT_ROUTER_ALERT 5 /* RFC 2711 2.1 */
#define OPT_ACTION(type) ((type) >> 6)

#define ROUTING_TYPE_AT	 2
#define ROUTING_LEFT_AT	 3

/* RFC 8200 4.2: what the two highest bits of an unknown option's type ask for. */
enum option_action { ACTION_SKIP, ACTION_DROP, ACTION_TELL, ACTION_TELL_UNLESS_GROUP };

/* A walk in progress; offsets count from the fixed header. */
struct walk {
	struct pw_wire *w;
	const struct rte_mbuf *m;
	const struct rx *rx;
	struct packet6 *p;
	const uint8_t *ip;
	uint32_t end; /* of the packet, or of what is looked at */
};

static enum ext_verdict
refuse(const struct walk *k)
{
	k->w->n.drop_ip_ext++;
	return EXT_REFUSED;
}

static enum ext_verdict
refuse_and_tell(const struct walk *k, uint8_t code, uint32_t at)
{
	wire_icmp6_error(k->w, k->rx->iface, k->m, ICMP6_PARAMETER_PROBLEM, code, at, k->rx->now);
	return refuse(k);
}

/* The options of a hop-by-hop or destination header, from at to end. */
static enum ext_verdict
options(const struct walk *k, uint32_t at, uint32_t end)
{
	while (at < end) {
		uint8_t type = k->ip[at];
		uint32_t len;

		if (type == OPT_PAD1) {
			at++;
			continue;
		}
		if (end - at < 2)
			return refuse(k);
		len = 2u + k->ip[at + 1];
		if (len > end - at)
			return refuse(k);
		if (type == OPT_ROUTER_ALERT) {
			k->p->router_alert = true;
		} else if (type != OPT_PADN) {
			switch ((enum option_action)OPT_ACTION(type)) {
			case ACTION_SKIP:
				break;
			case ACTION_TELL_UNLESS_GROUP:
				if (k->p->group)
					return refuse(k);
				return refuse_and_tell(k, ICMP6_CODE_OPTION, at);
			case ACTION_TELL:
				return refuse_and_tell(k, ICMP6_CODE_OPTION, at);
			case ACTION_DROP:
				return refuse(k);
			}
		}
		at += len;
	}
	return EXT_UPPER;
}

/*
 * RFC 8200 4.4: this is the last node of the way, or it isn't ours to know how to go on; types that
 * once were known (0, RFC 5095) are no exception.
 */
static enum ext_verdict
routing(const struct walk *k, uint32_t at)
{
	if (k->ip[at + ROUTING_LEFT_AT] == 0)
		return EXT_UPPER;
	return refuse_and_tell(k, ICMP6_CODE_FIELD, at + ROUTING_TYPE_AT);
}

/* One header of this type at an offset, whole. */
static enum ext_verdict
header(const struct walk *k, uint8_t type, uint32_t at, uint32_t len)
{
	if (type == IPPROTO_ROUTING)
		return routing(k, at);
	return options(k, at + 2, at + len);
}

static bool
is_extension(uint8_t type)
{
	return type == IPPROTO_HOPOPTS || type == IPPROTO_ROUTING || type == IPPROTO_DSTOPTS;
}

static const uint8_t *
fixed_header(const struct rte_mbuf *m)
{
	return rte_pktmbuf_mtod_offset(m, const uint8_t *, m->l2_len);
}

enum ext_verdict
wire_ip6_walk(struct pw_wire *w, const struct rte_mbuf *m, const struct rx *rx, struct packet6 *p)
{
	const uint32_t there = m->pkt_len - m->l2_len;
	struct walk k = {.w = w, .m = m, .rx = rx, .p = p, .ip = fixed_header(m)};
	uint32_t at = IP6_HDR_LEN;

	k.end = RTE_MIN(there, (uint32_t)IP6_HEADERS_MAX);
	p->proto_at = offsetof(struct rte_ipv6_hdr, proto);
	p->proto = k.ip[p->proto_at];
	while (is_extension(p->proto)) {
		enum ext_verdict verdict;
		uint32_t len;

		/* RFC 8200 4: hop-by-hop options come first, or are something else. */
		if (p->proto == IPPROTO_HOPOPTS && at != IP6_HDR_LEN)
			return refuse_and_tell(&k, ICMP6_CODE_NEXT_HEADER, p->proto_at);
		len = k.end - at < UNIT ? UINT32_MAX : (k.ip[at + 1] + 1u) * UNIT;
		if (len > k.end - at)
			return k.end == there ? refuse(&k)
					      : refuse_and_tell(&k, ICMP6_CODE_CHAIN, at);
		verdict = header(&k, p->proto, at, len);
		if (verdict != EXT_UPPER)
			return verdict;
		p->proto_at = at;
		p->proto = k.ip[at];
		at += len;
	}
	p->proto_off = at;
	if (p->proto != IPPROTO_FRAGMENT)
		return EXT_UPPER;
	return there - at < UNIT ? refuse(&k) : EXT_FRAGMENT;
}

int
wire_ip6_peek(const struct rte_mbuf *m, uint32_t *off)
{
	uint8_t room[UNIT];
	const uint8_t *p;
	uint8_t type;

	p = rte_pktmbuf_read(m, m->l2_len + offsetof(struct rte_ipv6_hdr, proto), 1, room);
	if (p == NULL)
		return -1;
	type = *p;
	*off = IP6_HDR_LEN;
	while (is_extension(type) || type == IPPROTO_FRAGMENT) {
		p = rte_pktmbuf_read(m, m->l2_len + *off, UNIT, room);
		if (p == NULL)
			return -1;
		*off += type == IPPROTO_FRAGMENT ? UNIT : (p[1] + 1u) * UNIT;
		type = p[0];
	}
	return type;
}
