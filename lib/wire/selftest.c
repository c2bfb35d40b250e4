/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Offloads tried from one end of the wire. What leaves is an Ethernet frame of the type for local
 * experiments (IEEE 802 88-B5) from our own address to our own address: no station takes notice.
 * What only the other end could tell (is the checksum on the wire right?) is reported as untried.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <rte_cycles.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_ip.h>
#include <rte_tcp.h>

#include <pubwire/wire/selftest.h>

#define EXPERIMENTAL_TYPE 0x88b5
#define FRAME_LEN	  60
#define COUNTED_MS	  20 /* how long a driver has to count a frame */

/* How a frame fared. */
enum fate { SENT, ACCEPTED, REFUSED };

struct test {
	struct pw_port *port;
	const struct pw_mem *mem;
	struct pw_selftest_row *row;
	uint32_t rows;
};

__attribute__((format(printf, 4, 5))) static void
report(struct test *t, enum pw_port_cap cap, enum pw_selftest_verdict verdict, const char *fmt, ...)
{
	struct pw_selftest_row *row = &t->row[t->rows++];
	va_list ap;

	row->cap = cap;
	row->verdict = verdict;
	va_start(ap, fmt);
	vsnprintf(row->why, sizeof(row->why), fmt, ap);
	va_end(ap);
	if (verdict == PW_SELFTEST_BROKEN)
		t->port->caps &= ~(uint32_t)cap;
}

/* Append an indirect buffer over len fresh bytes of payload, as the TCP output does. 0 or -ENOBUFS.
 */
static int
append_payload(const struct pw_mem *mem, struct rte_mbuf *m, uint16_t len)
{
	struct rte_mbuf *data = rte_pktmbuf_alloc(mem->pkt);
	struct rte_mbuf *ind = rte_pktmbuf_alloc(mem->ind);

	if (data == NULL || ind == NULL) {
		rte_pktmbuf_free(data);
		rte_pktmbuf_free(ind);
		return -ENOBUFS;
	}
	memset(rte_pktmbuf_append(data, len), 0, len);
	rte_pktmbuf_attach(ind, data);
	rte_pktmbuf_free(data); /* ind holds it now */
	if (rte_pktmbuf_chain(m, ind) < 0) {
		rte_pktmbuf_free(ind);
		return -ENOBUFS;
	}
	return 0;
}

/* A frame to ourselves in one buffer, or in two. NULL where a pool is empty. */
static struct rte_mbuf *
frame_to_self(const struct test *t, bool chained)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(t->mem->hdr);
	struct rte_ether_hdr *eth;
	uint16_t body = FRAME_LEN - sizeof(*eth);

	if (m == NULL)
		return NULL;
	eth = (struct rte_ether_hdr *)rte_pktmbuf_append(m, sizeof(*eth));
	eth->dst_addr = t->port->mac;
	eth->src_addr = t->port->mac;
	eth->ether_type = rte_cpu_to_be_16(EXPERIMENTAL_TYPE);
	m->l2_len = sizeof(*eth);
	if (t->port->caps & PW_PORT_TX_VLAN) {
		m->vlan_tci = t->port->vlan;
		m->ol_flags |= RTE_MBUF_F_TX_VLAN;
	}
	if (!chained) {
		memset(rte_pktmbuf_append(m, body), 0, body);
	} else if (append_payload(t->mem, m, body) < 0) {
		rte_pktmbuf_free(m);
		return NULL;
	}
	return m;
}

/* Send one frame (taken) on queue 0 and see what the driver's counters make of it. */
static enum fate
send_one(const struct test *t, struct rte_mbuf *m)
{
	struct rte_eth_stats before, after;
	const uint16_t id = t->port->id;

	if (rte_eth_stats_get(id, &before) < 0)
		memset(&before, 0, sizeof(before));
	if (rte_eth_tx_prepare(id, 0, &m, 1) != 1 || rte_eth_tx_burst(id, 0, &m, 1) != 1) {
		rte_pktmbuf_free(m);
		return REFUSED;
	}
	for (uint32_t ms = 0; ms < COUNTED_MS; ms++) {
		if (rte_eth_stats_get(id, &after) < 0)
			break;
		if (after.oerrors != before.oerrors)
			return REFUSED;
		if (after.opackets != before.opackets)
			return SENT;
		rte_delay_us_block(1000);
	}
	return ACCEPTED;
}

static void
try_multi_seg(struct test *t)
{
	const enum pw_port_cap cap = PW_PORT_TX_MULTI_SEG;
	struct rte_mbuf *plain, *chained;
	enum fate fate;

	if (!(t->port->caps & cap)) {
		report(t, cap, PW_SELFTEST_ABSENT, "packets are copied into one buffer to be sent");
		return;
	}
	plain = frame_to_self(t, false);
	chained = frame_to_self(t, true);
	if (plain == NULL || chained == NULL) {
		rte_pktmbuf_free(plain);
		rte_pktmbuf_free(chained);
		report(t, cap, PW_SELFTEST_UNTRIED, "no buffer free for the test");
		return;
	}
	/* A plain frame first: where that does not leave, the link is to blame. */
	fate = send_one(t, plain);
	if (fate != SENT) {
		rte_pktmbuf_free(chained);
		report(t, cap, PW_SELFTEST_UNTRIED, "no frame leaves now (%s)",
		       fate == REFUSED ? "refused: is the link up?" : "none counted");
		return;
	}
	fate = send_one(t, chained);
	if (fate == SENT) {
		report(t, cap, PW_SELFTEST_OK, "a frame in 2 buffers left; up to %u a packet",
		       t->port->max_segs);
	} else if (fate == ACCEPTED) {
		report(t, cap, PW_SELFTEST_UNTRIED, "a frame in 2 buffers was taken, not counted");
	} else {
		t->port->max_segs = 1;
		t->port->caps &= ~PW_PORT_TX_TSO;
		report(t, cap, PW_SELFTEST_BROKEN, "a frame in 2 buffers is refused");
	}
}

/* Network header of a packet that stays here; returns its length. */
static uint16_t
put_header(void *at, bool v6)
{
	struct rte_ipv6_hdr *ip6 = at;
	struct rte_ipv4_hdr *ip = at;

	if (v6) {
		ip6->vtc_flow = RTE_BE32(UINT32_C(6) << 28);
		ip6->proto = IPPROTO_TCP;
		ip6->payload_len = rte_cpu_to_be_16(sizeof(struct rte_tcp_hdr));
		return sizeof(*ip6);
	}
	ip->version_ihl = RTE_IPV4_VHL_DEF;
	ip->next_proto_id = IPPROTO_TCP;
	ip->total_length = rte_cpu_to_be_16(sizeof(*ip) + sizeof(struct rte_tcp_hdr));
	return sizeof(*ip);
}

/* Does the driver take the request for these checksums? The packet itself is not sent. */
static int
prepare_tcp(const struct test *t, bool v6, uint64_t flags)
{
	const uint16_t l3_len = v6 ? sizeof(struct rte_ipv6_hdr) : sizeof(struct rte_ipv4_hdr);
	struct rte_mbuf *m = rte_pktmbuf_alloc(t->mem->hdr);
	struct rte_ether_hdr *eth;
	struct rte_tcp_hdr *th;
	int rc = 0;

	if (m == NULL)
		return -ENOBUFS;
	eth = (struct rte_ether_hdr *)rte_pktmbuf_append(m, sizeof(*eth) + l3_len + sizeof(*th));
	memset(eth, 0, m->data_len);
	eth->dst_addr = t->port->mac;
	eth->src_addr = t->port->mac;
	eth->ether_type = v6 ? RTE_BE16(RTE_ETHER_TYPE_IPV6) : RTE_BE16(RTE_ETHER_TYPE_IPV4);
	m->l2_len = sizeof(*eth);
	m->l3_len = put_header(eth + 1, v6);
	m->l4_len = sizeof(*th);
	th = rte_pktmbuf_mtod_offset(m, struct rte_tcp_hdr *, sizeof(*eth) + l3_len);
	th->data_off = sizeof(*th) << 2;
	m->ol_flags |= (v6 ? RTE_MBUF_F_TX_IPV6 : RTE_MBUF_F_TX_IPV4) | flags;
	if (rte_eth_tx_prepare(t->port->id, 0, &m, 1) != 1)
		rc = rte_errno != 0 ? -rte_errno : -EINVAL;
	rte_pktmbuf_free(m);
	return rc;
}

/*
 * flags6: what is asked of the driver for IPv6, 0: nothing. IPv4's own checksum is asked for along
 * with TCP's only where it will be when packets are sent: some drivers have the one without the
 * other, and refuse a packet that wants both.
 */
static void
try_cksum(struct test *t, enum pw_port_cap cap, uint64_t flags, uint64_t flags6)
{
	int rc;

	if (!(t->port->caps & cap)) {
		report(t, cap, PW_SELFTEST_ABSENT, "computed in software");
		return;
	}
	rc = prepare_tcp(t, false, flags);
	if (rc == 0 && flags6 != 0)
		rc = prepare_tcp(t, true, flags6);
	if (rc == -ENOBUFS)
		report(t, cap, PW_SELFTEST_UNTRIED, "no buffer free for the test");
	else if (rc < 0)
		report(t, cap, PW_SELFTEST_BROKEN,
		       "the driver refuses a packet that asks for it: %s", strerror(-rc));
	else
		report(t, cap, PW_SELFTEST_UNTRIED,
		       "the driver takes the request; only a receiver sees the sum");
}

static void
untried(struct test *t, enum pw_port_cap cap, const char *present, const char *absent)
{
	bool there = (t->port->caps & cap) != 0;

	report(t, cap, there ? PW_SELFTEST_UNTRIED : PW_SELFTEST_ABSENT, "%s",
	       there ? present : absent);
}

uint32_t
pw_port_selftest(struct pw_port *port, const struct pw_mem *mem, struct pw_selftest_row *rows)
{
	struct test t = {.port = port, .mem = mem, .row = rows};
	uint64_t ip_cksum;

	try_multi_seg(&t);
	try_cksum(&t, PW_PORT_TX_IP_CKSUM, RTE_MBUF_F_TX_IP_CKSUM, 0);
	ip_cksum = port->caps & PW_PORT_TX_IP_CKSUM ? RTE_MBUF_F_TX_IP_CKSUM : 0;
	try_cksum(&t, PW_PORT_TX_TCP_CKSUM, ip_cksum | RTE_MBUF_F_TX_TCP_CKSUM,
		  RTE_MBUF_F_TX_TCP_CKSUM);
	untried(&t, PW_PORT_TX_TSO, "needs a receiver", "segments are built here");
	untried(&t, PW_PORT_RX_CKSUM, "needs a sender of wrong sums", "verified in software");
	untried(&t, PW_PORT_RX_RSS, "key and table read back as set; needs a peer's packets",
		"packets are steered in software");
	untried(&t, PW_PORT_TX_VLAN, "needs a receiver", "tags, if any, are written here");
	return t.rows;
}
