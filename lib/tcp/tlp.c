/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tail loss probes (RFC 8985 7): where the end of a flight goes unanswered, one more segment makes
 * the peer say what it has, well before the retransmission timer would shut the window.
 */
#include <rte_common.h>

#include "loss_pvt.h"

#define PTO_INITIAL_MS	 1000 /* 7.2 */
#define PTO_LEAST_MS	 10   /* what a busy peer may take beside the path */
#define MAX_ACK_DELAY_MS 200  /* 7.2, of a peer that says nothing of it */

uint32_t
pw_tcp_tlp_deadline(const struct pw_tcp *t, const struct pw_tcp_conn *c)
{
	const struct tx_flight *f = c->flight;
	uint32_t pto = PTO_INITIAL_MS;

	/* 7.2, and the two conditions of 7.3. */
	if (!(c->flags & CONN_SACK) || f->ca != CA_OPEN || f->nb_sacked > 0 || f->lost > 0 ||
	    f->tlp_out || f->tlp_no_rtt || c->snd_wnd == 0 || c->rtos > 0)
		return 0;
	if (c->srtt != 0)
		pto = RTE_MAX((2 * (c->srtt >> 3) + 999) / 1000, (uint32_t)PTO_LEAST_MS);
	if (c->srtt != 0 && f->nb == 1)
		pto += MAX_ACK_DELAY_MS;
	return tcp_deadline(t, pto);
}

void
pw_tcp_tlp_fired(struct pw_tcp *t, struct pw_tcp_conn *c)
{
	struct tx_flight *f = c->flight;
	struct tx_pos last = {f->last, f->last->n - 1u};
	bool rtx = false;
	int rc = pw_tcp_send_probe(t, c);

	if (rc < 0 && (flight_rec(last)->flags & TX_LARGER)) {
		/* Its size may be why it goes unanswered: in smaller pieces, and no judgement. */
		pw_tcp_flight_mark(f, flight_rec(last), TX_LOST, 0);
		pw_tcp_dirty(t, c);
	} else if (rc < 0) {
		rtx = true;
		rc = pw_tcp_send_again(t, c, &last);
	}
	if (rc == 0) {
		f->tlp_out = 1;
		f->tlp_rtx = rtx;
		f->tlp_no_rtt = 1;
		f->tlp_end = c->snd_max;
		t->count.tlp_probes++;
	}
	/* 7.3: whether or not it went out, the retransmission timer is next. */
	f->t_rto = tcp_deadline(t, pw_tcp_rto(t, c));
	c->t_rtx = f->t_rto;
	f->timer = TX_TIMER_RTO;
}

/*
 * 7.4, for a probe that repeated something. A duplicate says that both copies have arrived; an
 * acknowledgement of something later, without one, that only the probe has.
 */
static bool
judged(struct pw_tcp *t, struct pw_tcp_conn *c, const struct ack_news *n, uint32_t end)
{
	if ((n->dsack && n->twice.right == end) || n->repeated)
		return true;
	if (!seq_gt(c->snd_una, end))
		return false;
	t->count.tlp_recovered++;
	pw_tcp_recovery_reduce(t, c);
	return true;
}

void
pw_tcp_tlp_acked(struct pw_tcp *t, struct pw_tcp_conn *c, const struct ack_news *n)
{
	struct tx_flight *f = c->flight;

	if (c->flags & CONN_TLP_OPEN) {
		/* It ended where snd_una stood before this one. */
		if (judged(t, c, n, c->snd_una - n->acked))
			c->flags &= ~CONN_TLP_OPEN;
		return;
	}
	if (f == NULL || !f->tlp_out || seq_lt(c->snd_una, f->tlp_end))
		return;
	if (!f->tlp_rtx || judged(t, c, n, f->tlp_end))
		f->tlp_out = 0;
}
