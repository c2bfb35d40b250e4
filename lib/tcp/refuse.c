/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Answers that belong to no connection, or to one that they doubt: the SYN|ACK of a listener, RST
 * (RFC 9293 3.10.7.1), challenge ACKs (RFC 5961). The last two are limited.
 */
#include <errno.h>

#include "header_pvt.h"
#include "stack_pvt.h"

int
pw_tcp_send_bare(struct pw_tcp *t, const struct pw_flow *flow, uint32_t seq, uint32_t ack,
		 uint8_t flags, uint16_t wnd, const uint32_t *ts_echo)
{
	uint32_t header = TCP_HDR_LEN + (ts_echo != NULL ? TCP_OPT_TS_LEN : 0);
	struct rte_mbuf *m = pw_tcp_header_mbuf(t, t->conf.mem->hdr, header);

	if (m == NULL)
		return -ENOBUFS;
	pw_tcp_put_header(m, flow, seq, ack, flags, wnd, header);
	if (ts_echo != NULL)
		pw_tcp_put_timestamps(t, rte_pktmbuf_mtod_offset(m, uint8_t *, TCP_HDR_LEN),
				      *ts_echo);
	if (pw_tcp_emit(t, flow, m) != 0)
		return XMIT_LOST;
	t->count.resets_out += !!(flags & TCP_RST);
	return 0;
}

int
pw_tcp_send_syn_ack(struct pw_tcp *t, const struct pw_tcp_seg *s, uint32_t iss, uint16_t path_mss)
{
	/* What the peer has offered, and the MSS, which is no matter of agreement. */
	uint8_t opts = (s->opts & (SEG_OPT_WS | SEG_OPT_TS | SEG_OPT_SACK_OK)) | SEG_OPT_MSS;
	struct rte_mbuf *m = pw_tcp_syn_mbuf(t, &s->flow, iss, s->seq + 1, TCP_SYN | TCP_ACK, opts,
					     path_mss, s->ts_val);

	if (m == NULL)
		return -ENOBUFS;
	return pw_tcp_emit(t, &s->flow, m) == 0 ? 0 : XMIT_LOST;
}

/* A flood of segments from forged addresses must not make us one of RST to whoever has them. */
static bool
refusal_allowed(struct pw_tcp *t)
{
	uint64_t second = t->now / 1000000000;

	if (second != t->refuse_second) {
		t->refuse_second = second;
		t->refuse_budget = PW_TCP_REFUSALS;
	}
	if (t->refuse_budget == 0) {
		t->count.resets_limited++;
		return false;
	}
	t->refuse_budget--;
	return true;
}

void
pw_tcp_refuse(struct pw_tcp *t, const struct pw_tcp_seg *s)
{
	if ((s->flags & TCP_RST) || !refusal_allowed(t))
		return;
	if (s->flags & TCP_ACK)
		(void)pw_tcp_send_bare(t, &s->flow, s->ack, 0, TCP_RST, 0, NULL);
	else
		(void)pw_tcp_send_bare(t, &s->flow, 0, s->seq + seg_span(s), TCP_RST | TCP_ACK, 0,
				       NULL);
}

bool
pw_tcp_challenge_allowed(struct pw_tcp *t)
{
	uint64_t second = t->now / 1000000000;

	if (second != t->challenge_second) {
		/* Drawn anew each second: a fixed number would tell a third party who has used it
		 * up. */
		t->challenge_second = second;
		t->challenge_budget =
			PW_TCP_CHALLENGES_LEAST +
			(uint32_t)(pw_siphash24(&t->key_isn, &second, sizeof(second)) %
				   PW_TCP_CHALLENGES_SPREAD);
	}
	if (t->challenge_budget == 0)
		return false;
	t->challenge_budget--;
	return true;
}

void
pw_tcp_challenge(struct pw_tcp *t, struct pw_tcp_conn *c)
{
	if (!pw_tcp_challenge_allowed(t))
		return;
	if (pw_tcp_send_ack(t, c) == 0)
		t->count.challenge_acks++;
}
