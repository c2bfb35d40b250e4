/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Multicast listener discovery (RFC 3810): reports of the groups in which neighbours look for our
 * addresses, so that switches which snoop on them let solicitations through. Each query is answered
 * in its own version (RFC 2710 for the old one), with all groups.
 */
#include <netinet/in.h>

#include <rte_jhash.h>

#include "wire_pvt.h"

#define HOP_LIMIT	  1 /* RFC 3810 5 */
#define V1_LEN		  24
#define V2_QUERY_LEN	  28

#define RECORD_IS_EXCLUDE 2 /* RFC 3810 5.2.12: all sources, as ever */
#define RECORD_TO_EXCLUDE 4 /* all sources, from here on */

#define MS		  (SECOND / 1000)
#define DELAY_MAX	  (10 * SECOND)

/* Version 1, and what a query of version 2 begins with. */
struct v1 {
	uint8_t type;
	uint8_t code;
	rte_be16_t sum;
	rte_be16_t delay; /* ms */
	rte_be16_t reserved;
	struct pw_addr group;
};

struct v2_report {
	uint8_t type;
	uint8_t reserved;
	rte_be16_t sum;
	rte_be16_t reserved2;
	rte_be16_t records;
};

struct v2_record {
	uint8_t type;
	uint8_t aux_len;
	rte_be16_t sources;
	struct pw_addr group;
};

static const struct pw_addr all_v2_routers = {.b = {0xff, 0x02, [15] = 0x16}};

/* The groups of an interface, each once. */
static uint32_t
groups_of(const struct iface *f, struct pw_addr *group)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < f->nb_own; i++) {
		uint32_t k = 0;

		if (!wire_is_ours6(f, i))
			continue;
		group[n] = wire_solicited_node(&f->own[i].addr);
		while (!pw_addr_eq(&group[k], &group[n]))
			k++;
		n += k == n;
	}
	return n;
}

/* Give m, a message, its headers and send it to a group. Takes m. */
static void
transmit(struct pw_wire *w, uint32_t iface, const struct pw_addr *src, const struct pw_addr *dst,
	 struct rte_mbuf *m)
{
	struct rte_ether_addr mac = wire_group_mac(dst);

	w->n.mld_reports_out++;
	wire_icmp6_alert(w, iface, src, dst, &mac, m);
}

static struct rte_mbuf *
message(struct pw_wire *w, const void *bytes, uint32_t len)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(w->mem->pkt);

	if (m == NULL)
		w->n.drop_no_buffer++;
	else
		memcpy(rte_pktmbuf_append(m, len), bytes, len);
	return m;
}

/* RFC 3590 4: nobody, while the link-local address may turn out, or did, to be another's. */
static const struct pw_addr *
reporter(const struct iface *f)
{
	const struct pw_addr *link_local = wire_link_local(f);

	return link_local == NULL || f->nd.tentative ? &wire_ip6_unspecified : link_local;
}

static void
report_v2(struct pw_wire *w, uint32_t iface, uint8_t type)
{
	const struct iface *f = &w->iface[iface];
	struct {
		struct v2_report head;
		struct v2_record record[OWN_MAX];
	} all = {.head.type = MLD_V2_REPORT};
	struct pw_addr group[OWN_MAX];
	uint32_t n = groups_of(f, group);
	struct rte_mbuf *m;

	if (n == 0)
		return;
	for (uint32_t i = 0; i < n; i++)
		all.record[i] = (struct v2_record){.type = type, .group = group[i]};
	all.head.records = rte_cpu_to_be_16(n);
	m = message(w, &all, sizeof(all.head) + n * sizeof(all.record[0]));
	if (m != NULL)
		transmit(w, iface, reporter(f), &all_v2_routers, m);
}

static void
report_v1(struct pw_wire *w, uint32_t iface)
{
	const struct iface *f = &w->iface[iface];
	struct pw_addr group[OWN_MAX];
	uint32_t n = groups_of(f, group);

	for (uint32_t i = 0; i < n; i++) {
		const struct v1 msg = {.type = MLD_V1_REPORT, .group = group[i]};
		struct rte_mbuf *m = message(w, &msg, sizeof(msg));

		if (m != NULL)
			transmit(w, iface, reporter(f), &group[i], m);
	}
}

void
wire_mld_join(struct pw_wire *w, uint32_t iface)
{
	report_v2(w, iface, RECORD_TO_EXCLUDE);
}

/*
 * RFC 3810 5.1.3: from 0x8000 on a code of version 2 is a float. All of those are 32 s and more, as
 * they would be if read as plain numbers, and so longer than anybody is kept waiting here.
 */
static uint64_t
longest_delay(uint16_t code)
{
	return RTE_MIN(code * MS, DELAY_MAX);
}

/* Answer at some time that differs from host to host, and from query to query. */
static void
answer_later(struct pw_wire *w, const struct rx *rx, uint64_t longest, bool v1)
{
	struct nd_iface *nd = &w->iface[rx->iface].nd;
	uint32_t some =
		rte_jhash_3words((uint32_t)rx->now, (uint32_t)(rx->now >> 32), rx->iface, w->seed);
	uint64_t at = rx->now + (longest * (some & UINT16_MAX) >> 16); /* both fit: 34 + 16 bits */

	if (nd->mld_due && nd->mld_at < at) /* RFC 3810 6.2: one answer for both */
		at = nd->mld_at;
	nd->mld_due = true;
	nd->mld_v1 = v1;
	nd->mld_at = at;
}

void
wire_mld_in(struct pw_wire *w, struct rte_mbuf *m, const struct rx *rx, const struct packet6 *p)
{
	uint32_t off = m->l2_len + m->l3_len, len = m->pkt_len - off;
	struct v1 room, q;
	const void *bytes = rte_pktmbuf_read(m, off, sizeof(room), &room);
	bool ok = bytes != NULL && (len == V1_LEN || len >= V2_QUERY_LEN);

	/* RFC 3810 6.2: who is no router of this link has nothing to ask. */
	if (!ok || p->hop_limit != HOP_LIMIT || !wire_is_link_local(&p->src) || !p->router_alert) {
		wire_leave(w, m, rx, &w->n.icmp_ignored);
		return;
	}
	memcpy(&q, bytes, sizeof(q));
	w->n.mld_queries_in++;
	answer_later(w, rx, longest_delay(rte_be_to_cpu_16(q.delay)), len == V1_LEN);
	wire_leave(w, m, rx, NULL); /* it reports the groups of its own programs */
}

void
wire_mld_advance(struct pw_wire *w, uint64_t now)
{
	for (uint32_t i = 0; i < w->nb_ifaces; i++) {
		struct nd_iface *nd = &w->iface[i].nd;

		if (!nd->mld_due || nd->mld_at > now)
			continue;
		nd->mld_due = false;
		if (nd->mld_v1)
			report_v1(w, i);
		else
			report_v2(w, i, RECORD_IS_EXCLUDE);
	}
}
