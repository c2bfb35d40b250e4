/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * RACK: what was sent some time before something that has been delivered is lost (RFC 8985 6). The
 * steps are those of section 6.2. They need SACK: without it nothing says which of two segments
 * arrived.
 */
#include <rte_common.h>

#include "loss_pvt.h"

#define DUP_THRESH   3	/* RFC 8985 6.2 step 4 */
#define REO_PERSIST  16 /* the same */
#define REO_MULT_MAX UINT8_MAX

/* RFC 8985 6.2 step 2, RACK_sent_after() */
static bool
sent_after(uint64_t t1, uint32_t seq1, uint64_t t2, uint32_t seq2)
{
	return t1 > t2 || (t1 == t2 && seq_gt(seq1, seq2));
}

/* Steps 2 and 3; step 1 is pw_tcp_rtt_least(). */
void
pw_tcp_rack_delivered(struct pw_tcp *t, struct pw_tcp_conn *c, const struct tx_rec *r,
		      const struct pw_tcp_seg *s)
{
	struct tx_flight *f = c->flight;
	uint32_t rtt = (uint32_t)RTE_MIN((t->now - r->sent) / 1000, (uint64_t)UINT32_MAX);

	if (seq_gt(r->end, f->fack))
		f->fack = r->end;
	else if (seq_lt(r->end, f->fack) && !(r->flags & TX_RTX))
		c->flags |= CONN_REORDERED;
	if (r->flags & TX_RTX) {
		/* Which of its transmissions was it? Not the last one where that is too young. */
		uint32_t ts = (uint32_t)((r->sent - t->epoch) / 1000000) + t->ts_offset;

		if ((c->flags & CONN_TS) && (s->opts & SEG_OPT_TS) && seq_lt(s->ts_ecr, ts))
			return;
		if (rtt < c->min_rtt)
			return;
	}
	f->rack_rtt = rtt;
	if (sent_after(r->sent, r->end, f->rack_sent, f->rack_end)) {
		f->rack_sent = r->sent;
		f->rack_end = r->end;
	}
}

/* Step 4, first half: what was sent again for nothing was only late. */
void
pw_tcp_rack_dsack(struct pw_tcp_conn *c, const struct ack_news *n)
{
	struct tx_flight *f = c->flight;

	if (f != NULL && f->in_dsack && seq_ge(c->snd_una, f->dsack_round))
		f->in_dsack = 0;
	if (!n->dsack || (f != NULL && f->in_dsack))
		return;
	if (f != NULL) {
		f->in_dsack = 1;
		f->dsack_round = c->snd_max;
	}
	if (c->reo_mult < REO_MULT_MAX)
		c->reo_mult++;
	c->reo_persist = REO_PERSIST;
}

/* Step 4, second half: how long to wait for what may only be out of order, ns. */
static uint64_t
reo_wnd(const struct pw_tcp_conn *c)
{
	const struct tx_flight *f = c->flight;
	uint64_t us = (uint64_t)(c->reo_mult + 1) * c->min_rtt / 4;

	if (!(c->flags & CONN_REORDERED) && (f->ca != CA_OPEN || f->nb_sacked >= DUP_THRESH))
		return 0;
	return RTE_MIN(us, (uint64_t)(c->srtt >> 3)) * 1000;
}

/* Step 5. */
uint32_t
pw_tcp_rack_detect(struct pw_tcp *t, struct pw_tcp_conn *c)
{
	struct tx_flight *f = c->flight;
	uint64_t wait = 0, allow = (uint64_t)f->rack_rtt * 1000 + reo_wnd(c);
	uint32_t lost = 0;
	struct tx_pos p;

	FLIGHT_FOREACH (f, p) {
		struct tx_rec *r = flight_rec(p);

		if (r->flags & (TX_SACKED | TX_LOST))
			continue;
		if (!sent_after(f->rack_sent, f->rack_end, r->sent, r->end)) {
			/* What went out once did so in order: no later one was sent before. */
			if (seq_ge(r->seq, f->rtx_end))
				break;
			continue;
		}
		if (r->sent + allow <= t->now) {
			/* One that may have been too large says nothing of congestion. */
			lost += r->flags & TX_LARGER ? 0 : rec_len(r);
			pw_tcp_flight_mark(f, r, TX_LOST, 0);
			t->count.rack_lost++;
		} else {
			wait = RTE_MAX(wait, r->sent + allow - t->now);
		}
	}
	f->reo_at = wait != 0 ? tcp_deadline(t, (uint32_t)((wait + 999999) / 1000000)) : 0;
	return lost;
}

void
pw_tcp_rack_timeout(struct pw_tcp *t, struct pw_tcp_conn *c)
{
	struct tx_flight *f = c->flight;
	/* Nothing of this flight may have been delivered: then the last round trips tell. */
	uint64_t rtt = f->rack_sent != 0 ? f->rack_rtt : c->srtt >> 3;
	uint64_t allow = rtt * 1000 + reo_wnd(c);
	struct tx_pos p;

	FLIGHT_FOREACH (f, p) {
		struct tx_rec *r = flight_rec(p);

		if (!(r->flags & (TX_SACKED | TX_LOST)) &&
		    (r->seq == c->snd_una || r->sent + allow <= t->now))
			pw_tcp_flight_mark(f, r, TX_LOST, 0);
	}
}
