/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Answers that belong to no connection, or to one that they doubt: the SYN|ACK of a listener, RST
 * (RFC 9293 3.10.7.1), challenge ACKs (RFC 5961). The last two are limited.
 */
#include <errno.h>
#include <string.h>

#include <rte_common.h>

#include "header_pvt.h"
#include "stack_pvt.h"

#define STRAY_UNIT_SHIFT 2   /* stray_answered counts 4 ms */
#define STRAY_PAUSE	 125 /* of these between answers of one connection to what is out of place */

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

/*
 * A flood of segments from forged addresses must not make us one of RST to whoever has them, so
 * there is a bound on the answers to an address. Nor must the answers that somebody gets tell him
 * what others had: a segment in another's name that meets a connection, say, costs none. So budgets
 * are those of buckets of addresses; which ones share a bucket, and how much there is in it, is
 * drawn anew each second.
 */
static void
draw_budgets(struct pw_tcp *t)
{
	for (uint64_t i = 0; i < PW_TCP_REFUSAL_BUCKETS; i += 8) {
		uint64_t in[3] = {t->refuse_second, i, 0};
		uint64_t more = pw_siphash24(&t->key_refuse, in, sizeof(in));

		for (uint32_t k = 0; k < 8; k++)
			t->refusals[i + k] = (uint16_t)(PW_TCP_REFUSALS + (more >> 8 * k & 0xff));
	}
}

/* Of an IPv6 address only the network counts: who has one of them has as many as he likes. */
static uint16_t *
budget_of(struct pw_tcp *t, const struct pw_addr *to)
{
	uint64_t in[2] = {t->refuse_second, 0};

	memcpy(&in[1], &to->b[pw_addr_is_v4(to) ? 8 : 0], sizeof(in[1]));
	return &t->refusals[pw_siphash24(&t->key_refuse, in, sizeof(in)) % PW_TCP_REFUSAL_BUCKETS];
}

bool
pw_tcp_refusal_allowed(struct pw_tcp *t, const struct pw_addr *to)
{
	uint64_t second = t->now / 1000000000;
	uint16_t *left;

	if (second != t->refuse_second) {
		t->refuse_second = second;
		draw_budgets(t);
	}
	left = budget_of(t, to);
	if (*left == 0)
		return false;
	(*left)--;
	return true;
}

void
pw_tcp_refuse(struct pw_tcp *t, const struct pw_tcp_seg *s)
{
	if (s->flags & TCP_RST)
		return;
	if (!pw_tcp_refusal_allowed(t, &s->flow.remote)) {
		t->count.resets_limited++;
		return;
	}
	if (s->flags & TCP_ACK)
		(void)pw_tcp_send_bare(t, &s->flow, s->ack, 0, TCP_RST, 0, NULL);
	else
		(void)pw_tcp_send_bare(t, &s->flow, 0, s->seq + seg_span(s), TCP_RST | TCP_ACK, 0,
				       NULL);
}

/* Sixteen bits of the clock: after 262 s an answer may seem recent, for one time in 500. */
static uint16_t
stray_clock(const struct pw_tcp *t)
{
	return (uint16_t)(tcp_ms(t) >> STRAY_UNIT_SHIFT);
}

void
pw_tcp_stray_init(const struct pw_tcp *t, struct pw_tcp_conn *c)
{
	c->stray_answered = stray_clock(t) - STRAY_PAUSE;
}

bool
pw_tcp_stray_allowed(const struct pw_tcp *t, struct pw_tcp_conn *c)
{
	if ((uint16_t)(stray_clock(t) - c->stray_answered) < STRAY_PAUSE)
		return false;
	c->stray_answered = stray_clock(t);
	return true;
}

/*
 * RFC 5961 7 wants a bound. One over all connections could be used up by whoever has a few, and
 * what is left of it would tell him whether a number that he guessed for another's connection lies
 * in its window; so it is each connection's own.
 */
void
pw_tcp_challenge(struct pw_tcp *t, struct pw_tcp_conn *c)
{
	if (pw_tcp_stray_allowed(t, c) && pw_tcp_send_ack(t, c) == 0)
		t->count.challenge_acks++;
}
