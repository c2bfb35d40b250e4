/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fragments of IPv4 (RFC 791 3.2) and IPv6 (RFC 8200 4.5) put together, on DPDK's tables.
 *
 * The MSS and path MTU keep TCP's peers from sending any, so this is a courtesy with narrow bounds:
 * a fixed number of packets and buffers, the first thing to go when buffers are short. What is
 * refused here, before a table sees it: pieces that make no sense, and first pieces that do not
 * hold all headers (RFC 1858, RFC 7112), so that nothing behind this room reads a header made of
 * two. The table gives a packet up, with all that it holds of it, where pieces overlap (RFC 5722)
 * or repeat, or are more than RTE_LIBRTE_IP_FRAG_MAX_FRAG: TCP sends it again.
 */
#define ALLOW_EXPERIMENTAL_API /* rte_ip_frag_table_del_expired_entries() */

#include <errno.h>
#include <netinet/in.h>

#include <rte_ip_frag.h>
#include <rte_log.h>
#include <rte_malloc.h>
#include <rte_tcp.h>

#include "wire_pvt.h"

/*
 * RFC 791 suggests 15 s and RFC 8200 asks for 60; a TCP segment that lacks a piece for so long has
 * been sent again, in other pieces, many times.
 */
#define LIFETIME (5 * SECOND)

/*
 * Where there is no room, packets that have waited so long give way: pieces of one packet follow
 * each other closely, and a flood of first pieces can't keep the others out.
 */
#define PATIENCE	   (SECOND / 10)

#define BUFFERS_PER_PACKET 4
#define ECHOES		   8 /* ICMP messages in pieces at a time */

/* The largest payload: an IPv4 packet's first piece may have a header of 60 bytes. */
#define PAYLOAD4_MAX	(UINT16_MAX - 60)

#define FRAG6_MF	1 /* RFC 8200 4.5, of frag_data in host order */
#define FRAG6_OFFSET	0xfff8

#define TCP_HEADER_MIN	20
#define ICMP_HEADER_MIN 8

/*
 * RFC 791 tells packets of different protocols apart whose identification is the same. DPDK 22.11's
 * table does not: each protocol has one of its own. IPv6 needs none (RFC 8200 4.5), and so ICMPv6
 * is in the table of TCP.
 */
enum table { TABLE_MAIN, TABLE_ICMP4, TABLES };

struct frag {
	struct rte_ip_frag_tbl *table[TABLES];
	uint32_t held; /* buffers in the tables */
	uint32_t held_max;
	bool shed; /* buffers are short: nothing is held */
	struct rte_ip_frag_death_row gone;
};

/* One piece. */
struct piece {
	struct rte_mbuf *m; /* l2_len and l3_len lead to its payload */
	enum table table;
	struct rte_ipv4_hdr *ip4;
	struct rte_ipv6_hdr *ip6;
	struct rte_ipv6_fragment_ext *ext;
};

/* A bucket holds all: the library's hash is a known one, and must not be worth colliding. */
static struct rte_ip_frag_tbl *
table_create(uint32_t packets, int socket)
{
	int level = rte_log_get_level(RTE_LOGTYPE_USER1);
	struct rte_ip_frag_tbl *table;

	/* The library has a line of information for every table. */
	rte_log_set_level(RTE_LOGTYPE_USER1, RTE_LOG_NOTICE);
	table = rte_ip_frag_table_create(1, rte_align32pow2(packets), packets, LIFETIME, socket);
	rte_log_set_level(RTE_LOGTYPE_USER1, (uint32_t)level);
	return table;
}

int
wire_frag_init(struct pw_wire *w, const struct pw_wire_conf *conf)
{
	struct frag *t;

	if (conf->fragments == 0)
		return 0;
	t = rte_zmalloc_socket("pw_wire_frag", sizeof(*t), RTE_CACHE_LINE_SIZE, conf->socket);
	if (t == NULL)
		return -ENOMEM;
	w->frag = t;
	t->held_max = (conf->fragments + ECHOES) * BUFFERS_PER_PACKET;
	t->table[TABLE_MAIN] = table_create(conf->fragments, conf->socket);
	t->table[TABLE_ICMP4] = table_create(ECHOES, conf->socket);
	if (t->table[TABLE_MAIN] == NULL || t->table[TABLE_ICMP4] == NULL) {
		wire_frag_fini(w);
		return -ENOMEM;
	}
	return 0;
}

void
wire_frag_fini(struct pw_wire *w)
{
	if (w->frag == NULL)
		return;
	for (uint32_t i = 0; i < TABLES; i++) {
		if (w->frag->table[i] != NULL)
			rte_ip_frag_table_destroy(w->frag->table[i]);
	}
	rte_free(w->frag);
	w->frag = NULL;
}

/* Free what a table has let go of; returns how many pieces that were. */
static uint32_t
bury(struct frag *t, uint64_t *counter)
{
	uint32_t n = t->gone.cnt;

	for (uint32_t i = 0; i < n; i++)
		t->held -= t->gone.row[i]->nb_segs;
	rte_ip_frag_free_death_row(&t->gone, 0);
	*counter += n;
	return n;
}

/* Give up packets whose first piece to come came before then. */
static void
give_up(struct frag *t, uint64_t then, uint64_t *counter)
{
	for (uint32_t i = 0; i < TABLES && t->held > 0; i++) {
		do /* a death row holds fewer than a table may */
			rte_ip_frag_table_del_expired_entries(t->table[i], &t->gone,
							      then + LIFETIME);
		while (bury(t, counter) > 0);
	}
}

static struct rte_mbuf *
insert(struct frag *t, const struct piece *p, uint64_t now)
{
	struct rte_ip_frag_tbl *table = t->table[p->table];

	if (p->ip4 != NULL)
		return rte_ipv4_frag_reassemble_packet(table, &t->gone, p->m, now, p->ip4);
	return rte_ipv6_frag_reassemble_packet(table, &t->gone, p->m, now, p->ip6, p->ext);
}

/*
 * True where a table had no place for a piece: it alone is given back. Where the packet was given
 * up, another piece of it at least lies there too, for no piece is wrong alone.
 */
static bool
no_place(const struct frag *t, const struct rte_mbuf *m)
{
	return t->gone.cnt == 1 && t->gone.row[0] == m;
}

/* A port saw a fragment, or several: what it said of their sums says nothing of the packet. */
static struct rte_mbuf *
seen_whole(struct rte_mbuf *m, struct rx *rx)
{
	m->ol_flags &= ~(RTE_MBUF_F_RX_L4_CKSUM_MASK | RTE_MBUF_F_RX_IP_CKSUM_MASK);
	rx->detour = true;
	return m;
}

/* Takes the piece; returns the packet where it was the last that it lacked. */
static struct rte_mbuf *
join(struct pw_wire *w, const struct piece *p, struct rx *rx)
{
	struct frag *t = w->frag;
	struct rte_mbuf *whole;

	if (t->shed) {
		w->n.drop_frag_pressure++;
		rte_pktmbuf_free(p->m);
		return NULL;
	}
	give_up(t, rx->now - LIFETIME, &w->n.drop_frag_timeout);
	if (t->held + p->m->nb_segs > t->held_max)
		give_up(t, rx->now - PATIENCE, &w->n.drop_frag_full);
	if (t->held + p->m->nb_segs > t->held_max) {
		w->n.drop_frag_full++;
		rte_pktmbuf_free(p->m);
		return NULL;
	}
	t->held += p->m->nb_segs;
	whole = insert(t, p, rx->now);
	if (no_place(t, p->m)) {
		t->gone.cnt = 0;
		give_up(t, rx->now - PATIENCE, &w->n.drop_frag_full);
		whole = insert(t, p, rx->now);
		if (no_place(t, p->m))
			bury(t, &w->n.drop_frag_full);
	}
	bury(t, &w->n.drop_frag_overlap);
	if (whole == NULL)
		return NULL;
	t->held -= whole->nb_segs;
	w->n.frag_joined++;
	return seen_whole(whole, rx);
}

/* True where a transport header is whole between p and end: RFC 1858 3, RFC 7112 5. */
static bool
transport_whole(uint8_t proto, const uint8_t *p, const uint8_t *end)
{
	if (proto == IPPROTO_TCP) {
		uint32_t len;

		if (end - p < TCP_HEADER_MIN)
			return false;
		len = (p[offsetof(struct rte_tcp_hdr, data_off)] >> 4) * 4u;
		return len <= end - p;
	}
	return end - p >= ICMP_HEADER_MIN;
}

static struct rte_mbuf *
refuse(struct pw_wire *w, struct rte_mbuf *m)
{
	w->n.drop_fragment++;
	rte_pktmbuf_free(m);
	return NULL;
}

struct rte_mbuf *
wire_frag4_in(struct pw_wire *w, struct rte_mbuf *m, struct rx *rx)
{
	struct rte_ipv4_hdr *ip = rte_pktmbuf_mtod_offset(m, struct rte_ipv4_hdr *, m->l2_len);
	uint16_t field = rte_be_to_cpu_16(ip->fragment_offset);
	uint32_t at = (field & RTE_IPV4_HDR_OFFSET_MASK) * RTE_IPV4_HDR_OFFSET_UNITS;
	uint32_t len = m->pkt_len - m->l2_len - m->l3_len;
	const uint8_t *payload = (const uint8_t *)ip + m->l3_len;
	const uint8_t *end = rte_pktmbuf_mtod_offset(m, const uint8_t *, m->data_len);
	struct piece p = {.m = m, .ip4 = ip};

	w->n.frag_in++;
	if (w->frag == NULL || len == 0 || len > PAYLOAD4_MAX || at > PAYLOAD4_MAX - len)
		return refuse(w, m);
	/* RFC 791 3.1: all but the last are a multiple of eight bytes. */
	if ((field & RTE_IPV4_HDR_MF_FLAG) && len % 8 != 0)
		return refuse(w, m);
	if (at == 0 && !transport_whole(ip->next_proto_id, payload, end))
		return refuse(w, m);
	if (ip->next_proto_id == IPPROTO_ICMP)
		p.table = TABLE_ICMP4;
	m = join(w, &p, rx);
	if (m != NULL) {
		ip = rte_pktmbuf_mtod_offset(m, struct rte_ipv4_hdr *, m->l2_len);
		ip->hdr_checksum = rte_ipv4_cksum(ip);
	}
	return m;
}

/* RFC 7112 5: true where all headers of a first piece lie in its first buffer. */
static bool
headers6_whole(uint8_t proto, const uint8_t *p, const uint8_t *end)
{
	while (proto == IPPROTO_HOPOPTS || proto == IPPROTO_ROUTING || proto == IPPROTO_DSTOPTS) {
		uint32_t len;

		if (end - p < 8)
			return false;
		len = (p[1] + 1u) * 8;
		if (len > end - p)
			return false;
		proto = p[0];
		p += len;
	}
	/* A packet of pieces of pieces is nobody's honest work. */
	return proto != IPPROTO_FRAGMENT && transport_whole(proto, p, end);
}

/*
 * Cut `len` bytes out of a frame that follow its first `keep`; both are in the first buffer.
 */
static void
cut(struct rte_mbuf *m, uint32_t keep, uint16_t len)
{
	uint8_t *p = rte_pktmbuf_mtod(m, uint8_t *);

	if (len == 0)
		return;
	memmove(p + len, p, keep);
	rte_pktmbuf_adj(m, len);
}

/*
 * RFC 8200 4.5: who sends what can't be a piece is told which field is wrong, at an offset from the
 * fixed header.
 */
static struct rte_mbuf *
refuse_and_tell6(struct pw_wire *w, struct rte_mbuf *m, const struct rx *rx, uint8_t code,
		 uint32_t at)
{
	wire_icmp6_error(w, rx->iface, m, ICMP6_PARAMETER_PROBLEM, code, at, rx->now);
	return refuse(w, m);
}

/* Takes a piece of several; ext_off as in wire_frag6_in(). */
static struct rte_mbuf *
join6(struct pw_wire *w, struct rte_mbuf *m, uint16_t ext_off, struct rx *rx)
{
	uint32_t fixed = m->l2_len + sizeof(struct rte_ipv6_hdr);
	struct piece p = {.m = m};

	/* The headers in front have been obeyed: the table wants the fragment header first. */
	cut(m, fixed, (uint16_t)(ext_off - fixed));
	p.ip6 = rte_pktmbuf_mtod_offset(m, struct rte_ipv6_hdr *, m->l2_len);
	p.ext = (struct rte_ipv6_fragment_ext *)(p.ip6 + 1);
	p.ip6->proto = IPPROTO_FRAGMENT;
	p.ip6->payload_len = rte_cpu_to_be_16((uint16_t)(m->pkt_len - fixed));
	m->l3_len = sizeof(*p.ip6) + sizeof(*p.ext);
	m = join(w, &p, rx);
	if (m != NULL)
		m->l3_len = sizeof(struct rte_ipv6_hdr);
	return m;
}

/* RFC 6946 4: whole in one piece, whatever else came with its identification. Takes m. */
static struct rte_mbuf *
atomic6(struct rte_mbuf *m, uint16_t ext_off, uint8_t next_header, struct rx *rx)
{
	uint32_t fixed = m->l2_len + sizeof(struct rte_ipv6_hdr);
	struct rte_ipv6_hdr *ip;

	cut(m, fixed, (uint16_t)(ext_off + sizeof(struct rte_ipv6_fragment_ext) - fixed));
	ip = rte_pktmbuf_mtod_offset(m, struct rte_ipv6_hdr *, m->l2_len);
	ip->proto = next_header;
	ip->payload_len = rte_cpu_to_be_16((uint16_t)(m->pkt_len - fixed));
	m->l3_len = sizeof(*ip);
	return seen_whole(m, rx);
}

struct rte_mbuf *
wire_frag6_in(struct pw_wire *w, struct rte_mbuf *m, uint16_t ext_off, struct rx *rx)
{
	const struct rte_ipv6_fragment_ext *ext =
		rte_pktmbuf_mtod_offset(m, const struct rte_ipv6_fragment_ext *, ext_off);
	const uint8_t *end = rte_pktmbuf_mtod_offset(m, const uint8_t *, m->data_len);
	uint16_t field = rte_be_to_cpu_16(ext->frag_data);
	uint32_t at = field & FRAG6_OFFSET, len = m->pkt_len - ext_off - sizeof(*ext);
	bool more = field & FRAG6_MF;

	w->n.frag_in++;
	if (more && len % 8 != 0)
		return refuse_and_tell6(w, m, rx, ICMP6_CODE_FIELD,
					offsetof(struct rte_ipv6_hdr, payload_len));
	if (len > UINT16_MAX - at)
		return refuse_and_tell6(w, m, rx, ICMP6_CODE_FIELD,
					ext_off - m->l2_len +
						offsetof(struct rte_ipv6_fragment_ext, frag_data));
	/* 4: with the fragment header gone, they would stand where they are allowed. */
	if (at == 0 && ext->next_header == IPPROTO_HOPOPTS)
		return refuse_and_tell6(w, m, rx, ICMP6_CODE_NEXT_HEADER, ext_off - m->l2_len);
	if (at == 0 && !headers6_whole(ext->next_header, (const uint8_t *)(ext + 1), end))
		return refuse_and_tell6(w, m, rx, ICMP6_CODE_FIRST_FRAGMENT, 0);
	if (at == 0 && !more)
		return atomic6(m, ext_off, ext->next_header, rx);
	if (len == 0 || w->frag == NULL)
		return refuse(w, m);
	return join6(w, m, ext_off, rx);
}

void
wire_frag_advance(struct pw_wire *w, uint64_t now)
{
	if (w->frag != NULL)
		give_up(w->frag, now - LIFETIME, &w->n.drop_frag_timeout);
}

void
pw_wire_set_pressure(struct pw_wire *w, uint32_t level)
{
	if (w->frag == NULL)
		return;
	w->frag->shed = level > 0;
	if (w->frag->shed)
		give_up(w->frag, UINT64_MAX - LIFETIME, &w->n.drop_frag_pressure);
}
