/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ICMP errors about our segments. Anybody can send one, so each must name a sequence number that is
 * on its way (RFC 5927 4.1), and none ends a connection that has been established (RFC 1122
 * 4.2.3.9 calls unreachable soft; RFC 5927 5.2 all of them).
 */
#include <rte_common.h>

#include "loss_pvt.h"

/*
 * Was what is named sent in a packet that the answer explains? A forger has to guess a segment that
 * is larger than what it claims (RFC 5927 7.2), and repeats of an answer that was honoured go by.
 */
static bool
was_larger(const struct pw_tcp_conn *c, uint32_t seq, uint16_t mtu)
{
	uint32_t headers =
		c->mtu - pw_tcp_conn_max_mss(c) + (c->flags & CONN_TS ? TCP_OPT_TS_LEN : 0);
	struct tx_pos p;

	if (c->flight == NULL)
		return false;
	FLIGHT_FOREACH (c->flight, p) {
		const struct tx_rec *r = flight_rec(p);

		if (seq_ge(seq, r->seq) && seq_lt(seq, r->end))
			return rec_payload(r) + headers > mtu;
	}
	return false;
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
		if (conn_synchronized(c) && was_larger(c, seq, mtu))
			pw_tcp_mtu_lower(t, c, mtu);
		return;
	}
	c->flags |= CONN_SOFT_ERROR;
	if (c->state == PW_TCP_SYN_SENT)
		pw_tcp_conn_end(t, c, PW_TCP_END_UNREACHABLE);
}
