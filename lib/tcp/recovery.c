/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * From what acknowledgements and timers say to what the congestion window becomes: fast recovery
 * with proportional rate reduction (RFC 9937) for peers with SACK (RFC 6675, 8985) and without
 * (RFC 6582), and what follows a retransmission timeout (RFC 5681 3.1, 6298 5).
 *
 * Without SACK each duplicate acknowledgement stands for one segment that has left the network,
 * which says the same as the inflated window of RFC 6582 does.
 */
#include <rte_common.h>

#include "loss_pvt.h"

#define DUP_THRESH 3 /* RFC 5681 3.2 */

static void
reduce(struct pw_tcp *t, struct pw_tcp_conn *c, uint32_t flight)
{
	/* What limited transmit has added to the flight does not count (RFC 5681 3.2). */
	pw_tcp_cc(c)->reduce(c, RTE_MIN(flight, c->cwnd));
	t->count.cwnd_reductions++;
}

void
pw_tcp_recovery_reduce(struct pw_tcp *t, struct pw_tcp_conn *c)
{
	if (c->flight != NULL && c->flight->ca != CA_OPEN)
		return;
	reduce(t, c, c->cwnd);
	c->cwnd = c->ssthresh;
}

/* RFC 9937 5; safe: snd_una has moved, and no more losses were found. */
static void
prr(struct pw_tcp_conn *c, uint32_t delivered, bool safe)
{
	struct tx_flight *f = c->flight;
	uint32_t pipe = pw_tcp_pipe(c);
	int64_t send;

	if (delivered == 0)
		return;
	f->prr_delivered += delivered;
	if (pipe > c->ssthresh) {
		send = (int64_t)(((uint64_t)f->prr_delivered * c->ssthresh + f->recover_fs - 1) /
				 f->recover_fs) -
		       f->prr_out;
	} else {
		send = RTE_MAX((int64_t)f->prr_delivered - f->prr_out, (int64_t)delivered);
		if (safe)
			send += c->mss;
		send = RTE_MIN(send, (int64_t)c->ssthresh - pipe);
	}
	c->cwnd = RTE_MAX(pipe + (uint32_t)RTE_MAX(send, 0), (uint32_t)c->mss);
}

static void
enter_recovery(struct pw_tcp *t, struct pw_tcp_conn *c, const struct ack_news *n)
{
	struct tx_flight *f = c->flight;

	reduce(t, c, n->flight);
	f->ca = CA_RECOVERY;
	f->recover = c->snd_max;
	f->force = 1;
	f->tlp_out = 0;
	f->prr_delivered = 0;
	f->prr_out = 0;
	f->recover_fs = RTE_MAX(n->flight - RTE_MIN(n->sacked_before, n->flight), (uint32_t)c->mss);
	t->count.fast_retransmits++;
	t->count.sack_recoveries += f->nb_sacked > 0;
}

/* RFC 8985 6.2 step 4: reports of duplicates are forgotten after some recoveries without one. */
static void
end_of_trouble(struct pw_tcp_conn *c)
{
	c->flight->ca = CA_OPEN;
	c->flight->dupacks = 0;
	if (c->reo_persist > 0 && --c->reo_persist == 0)
		c->reo_mult = 0;
}

/*
 * Mark the first record: without SACK it is the only one of which something is known. Bytes that
 * congestion has lost, about: none where it may have been too large.
 */
static uint32_t
lose_first(const struct pw_tcp_conn *c)
{
	struct tx_flight *f = c->flight;
	struct tx_rec *r = flight_rec(flight_first(f));
	uint32_t lost = r->flags & TX_LARGER ? 0 : c->mss;

	pw_tcp_flight_mark(f, r, TX_LOST, TX_SACKED);
	f->force = 1;
	return lost;
}

/*
 * Duplicates without SACK blocks. Bytes delivered: a segment for each; an acknowledgement of
 * several has been counted in part by the duplicates before it (RFC 9937 5).
 */
static void
count_duplicates(struct pw_tcp_conn *c, struct ack_news *n)
{
	struct tx_flight *f = c->flight;
	uint32_t segs;

	if (n->duplicate && f->ca != CA_LOSS) {
		if (f->dupacks < UINT8_MAX)
			f->dupacks++;
		n->delivered = c->mss;
	} else if (n->acked > 0 && f->dupacks > 0) {
		segs = (n->acked + c->mss - 1) / c->mss;
		segs = RTE_MIN(segs - 1, (uint32_t)f->dupacks);
		n->delivered -= RTE_MIN(n->delivered, segs * c->mss);
		f->dupacks = f->ca == CA_RECOVERY ? f->dupacks - segs : 0;
	}
}

/* New losses, by time or by duplicates; bytes of them. */
static uint32_t
detect(struct pw_tcp *t, struct pw_tcp_conn *c, const struct ack_news *n)
{
	struct tx_flight *f = c->flight;

	if (f->nb_sacked > 0) {
		f->dupacks = 0;
		/* Where nothing has arrived only time tells, and that has a timer. */
		return n->delivered > 0 ? pw_tcp_rack_detect(t, c) : 0;
	}
	f->reo_at = 0;
	if ((c->flags & CONN_SACK) && f->ca != CA_OPEN && f->dupacks == 0)
		return n->delivered > 0 ? pw_tcp_rack_detect(t, c) : 0;
	if (f->ca == CA_OPEN && n->duplicate && f->dupacks == DUP_THRESH)
		return lose_first(c);
	/* RFC 6582 3.2 step 3, partial: the next hole is known. */
	if (f->ca == CA_RECOVERY && n->acked > 0)
		return lose_first(c);
	return 0;
}

/* A window that the application does not fill says nothing of the network (RFC 7661 1). */
static void
grow(struct pw_tcp *t, struct pw_tcp_conn *c, const struct ack_news *n)
{
	uint32_t acked = n->acked;

	if (acked == 0)
		return;
	/* RFC 3465 2.3: much of what is acknowledged after a timeout had arrived long before. */
	if (c->flight->ca == CA_LOSS && c->cwnd < c->ssthresh)
		acked = RTE_MIN(acked, (uint32_t)c->mss);
	if ((uint64_t)n->flight * 2 >= c->cwnd)
		pw_tcp_cc(c)->acked(c, acked, t->now);
	else
		c->flight->epoch = 0;
}

void
pw_tcp_recovery_acked(struct pw_tcp *t, struct pw_tcp_conn *c, const struct ack_news *news)
{
	struct tx_flight *f = c->flight;
	struct ack_news n = *news;
	uint32_t lost;
	bool ended = false;

	count_duplicates(c, &n);
	if (f->ca != CA_OPEN && n.acked > 0 && seq_ge(c->snd_una, f->recover)) {
		if (f->ca == CA_RECOVERY)
			c->cwnd = c->ssthresh;
		end_of_trouble(c);
		ended = true;
	}
	lost = f->nb > 0 ? detect(t, c, &n) : 0;
	if (f->ca == CA_OPEN && lost > 0)
		enter_recovery(t, c, &n);
	if (f->ca == CA_RECOVERY)
		prr(c, n.delivered, n.acked > 0 && lost == 0);
	else if (!ended)
		grow(t, c, &n);
}

void
pw_tcp_recovery_reorder(struct pw_tcp *t, struct pw_tcp_conn *c)
{
	struct tx_flight *f = c->flight;
	struct ack_news n = {.flight = c->snd_max - c->snd_una, .sacked_before = f->sacked};
	uint32_t lost = pw_tcp_rack_detect(t, c);

	t->count.reorder_timeouts += lost > 0;
	if (lost > 0 && f->ca == CA_OPEN)
		enter_recovery(t, c, &n);
	pw_tcp_rtx_arm(t, c);
}

void
pw_tcp_recovery_timeout(struct pw_tcp *t, struct pw_tcp_conn *c)
{
	struct tx_flight *f = c->flight;
	struct tx_pos p;

	t->count.rto_fired++;
	/* RFC 5681 3.1: a repeated timeout of the same data does not halve again. */
	if (c->rtos == 0)
		reduce(t, c, c->snd_max - c->snd_una);
	c->cwnd = c->mss;
	c->w_max = 0; /* RFC 9438 4.8 */
	f->ca = CA_LOSS;
	f->recover = c->snd_max;
	f->dupacks = 0;
	f->tlp_out = 0;
	f->reo_at = 0;
	c->flags &= ~CONN_TLP_OPEN;
	t->count.sack_reneged += !!(flight_rec(flight_first(f))->flags & TX_SACKED);
	/* RFC 2018 8: the peer may have let go of what it said it held. */
	if (f->nb_sacked > 0)
		FLIGHT_FOREACH (f, p)
			pw_tcp_flight_mark(f, flight_rec(p), 0, TX_SACKED);
	if (c->flags & CONN_SACK)
		pw_tcp_rack_timeout(t, c);
	else
		pw_tcp_flight_lose_all(f);
	f->force = 1;
}
