/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ICMP errors about our segments. Anybody can send one, so each must name a sequence number that is
 * on its way (RFC 5927 4.1), and none ends a connection that has been established (RFC 1122
 * 4.2.3.9 calls unreachable soft; RFC 5927 5.2 all of them).
 */
#include <rte_common.h>

#include "stack_pvt.h"

#define MTU_LEAST_V4 576  /* smaller answers are taken for this: they are forged or broken */
#define MTU_LEAST_V6 1280 /* RFC 8200 5 */

static void
too_big(struct pw_tcp *t, struct pw_tcp_conn *c, uint16_t mtu)
{
	uint16_t least = pw_addr_is_v4(&c->flow.remote) ? MTU_LEAST_V4 : MTU_LEAST_V6;
	uint16_t mss;

	mtu = RTE_MAX(mtu, least);
	if (mtu >= c->mtu || !conn_synchronized(c))
		return;
	c->mtu = mtu;
	mss = pw_tcp_conn_max_mss(c) - (c->flags & CONN_TS ? TCP_OPT_TS_LEN : 0);
	if (mss >= c->mss)
		return;
	c->mss = mss;
	/* Not congestion (RFC 1191 6.5): the same bytes go again at once, in smaller pieces. */
	pw_tcp_pull_back(c);
	pw_tcp_dirty(t, c);
}

void
pw_tcp_icmp_error(struct pw_tcp *t, const struct pw_flow *flow, uint32_t seq, uint16_t mtu,
		  uint8_t code, uint64_t now)
{
	struct pw_tcp_conn *c;

	(void)code;
	tcp_set_now(t, now);
	c = pw_tcp_table_find(t, flow, pw_tcp_flow_hash(t, flow));
	if (c == NULL || seq_lt(seq, c->snd_una) || !seq_lt(seq, c->snd_max))
		return;
	if (mtu != 0) {
		too_big(t, c, mtu);
		return;
	}
	c->flags |= CONN_SOFT_ERROR;
	if (c->state == PW_TCP_SYN_SENT)
		pw_tcp_conn_end(t, c, PW_TCP_END_UNREACHABLE);
}
