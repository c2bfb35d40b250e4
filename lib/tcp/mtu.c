/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Segments that are too large for the path: where a router says so (RFC 1191, 8201), and where it
 * does not and they vanish (RFC 2923 2.1, a simple form of RFC 4821). Either may have been so for a
 * while only, so from time to time one segment of new data is sent larger than the others (RFC 1191
 * 6.3, RFC 4821 7.7, RFC 8899 5.1.1). While it is on its way, mss stays: where it is lost there is
 * nothing to take back, its bytes go again in segments of that size.
 */
#include <rte_common.h>

#include "loss_pvt.h"

#define LEAST_V4 576  /* smaller answers are taken for this: they are forged or broken */
#define LEAST_V6 1280 /* RFC 8200 5 */

/*
 * Timeouts in a row, with no byte acknowledged, at which another size is tried. The smaller ones
 * may have been lost by chance, so after the size before it is their turn again.
 */
#define TRY_1280   3
#define TRY_LEAST  5
#define TRY_BEFORE 7

/* Minutes, RFC 8899 5.1.1 PMTU_RAISE_TIMER. */
#define RAISE_AFTER 10

/*
 * The present minute, in eight bits. What is looked at only hours later may seem younger than it
 * is, and waits for ten minutes more.
 */
static uint8_t
minute(const struct pw_tcp *t)
{
	return (uint8_t)((t->now - t->epoch) / UINT64_C(60000000000));
}

static uint16_t
size_for(const struct pw_tcp_conn *c, uint16_t mtu)
{
	return pw_tcp_path_mss(&c->flow.remote, mtu) - (c->flags & CONN_TS ? TCP_OPT_TS_LEN : 0);
}

/* What was larger goes again at once. Not congestion (RFC 1191 6.5): cwnd stays. */
static void
take_size(struct pw_tcp *t, struct pw_tcp_conn *c, uint16_t mss)
{
	struct tx_pos p;

	c->mss = mss;
	c->mtu_at = minute(t);
	if (c->flight != NULL)
		FLIGHT_FOREACH (c->flight, p) {
			struct tx_rec *r = flight_rec(p);

			r->flags &= ~TX_LARGER;
			if (rec_payload(r) > mss && !(r->flags & TX_SACKED))
				pw_tcp_flight_mark(c->flight, r, TX_LOST, 0);
		}
	pw_tcp_dirty(t, c);
}

static bool
larger_is_out(const struct pw_tcp_conn *c)
{
	struct tx_pos p;

	FLIGHT_FOREACH (c->flight, p)
		if (flight_rec(p)->flags & TX_LARGER)
			return true;
	return false;
}

void
pw_tcp_mtu_lower(struct pw_tcp *t, struct pw_tcp_conn *c, uint16_t mtu)
{
	mtu = RTE_MAX(mtu, pw_addr_is_v4(&c->flow.remote) ? LEAST_V4 : LEAST_V6);
	if (mtu >= c->mtu && !larger_is_out(c))
		return;
	c->mtu = mtu;
	if (size_for(c, mtu) < c->mss) {
		t->count.mtu_lowered++;
		take_size(t, c, size_for(c, mtu));
	} else if (larger_is_out(c)) {
		/*
		 * It was too large, but there is room above the present size (RFC 8899 4.6.2). The
		 * next one finds out, as nobody else has confirmed it.
		 */
		take_size(t, c, c->mss);
	}
}

void
pw_tcp_mtu_black_hole(struct pw_tcp *t, struct pw_tcp_conn *c)
{
	struct tx_flight *f = c->flight;
	uint16_t size;

	if (c->rtos == TRY_BEFORE) {
		/* Small ones do not arrive either: the path may be down, whatever the size. */
		if (f->mss_before != 0) {
			c->mss = RTE_MIN(f->mss_before, size_for(c, c->mtu));
			c->cwnd = c->mss;
		}
		c->rtos = TRY_1280 - 1;
		f->mss_before = 0;
		return;
	}
	if (c->rtos == TRY_1280)
		size = size_for(c, LEAST_V6);
	else if (c->rtos == TRY_LEAST && pw_addr_is_v4(&c->flow.remote))
		size = size_for(c, LEAST_V4);
	else
		return;
	/* Of any records: what goes again takes along what follows. */
	if (size >= c->mss || RTE_MIN(c->snd_max - c->snd_una, c->snd_wnd) <= size)
		return;
	if (f->mss_before == 0)
		f->mss_before = c->mss;
	t->count.mtu_black_holes++;
	take_size(t, c, size);
	c->cwnd = size; /* the loss window is one segment */
}

uint16_t
pw_tcp_mtu_try(struct pw_tcp *t, struct pw_tcp_conn *c)
{
	const struct tx_flight *f = c->flight;
	struct pw_tcp_path to;
	uint16_t size;

	if ((uint8_t)(minute(t) - c->mtu_at) <= RAISE_AFTER || c->rtos > 0)
		return 0;
	/* RFC 4821 7.4: not in the midst of losses, whose reason could not be told. */
	if (f != NULL &&
	    (f->ca != CA_OPEN || f->lost > 0 || f->nb_sacked > 0 || f->dupacks > 0 || f->tlp_out))
		return 0;
	/* First what routers are known to allow; then what they may allow by now. */
	size = RTE_MIN(c->mss_agreed, size_for(c, c->mtu));
	if (size <= c->mss && pw_tcp_way(t, &c->flow.remote, &to) == 0)
		size = RTE_MIN(c->mss_agreed, size_for(c, to.mtu));
	if (size > c->mss)
		return size;
	c->mtu_at = minute(t);
	return 0;
}

void
pw_tcp_mtu_tried(struct pw_tcp *t, struct pw_tcp_conn *c)
{
	struct tx_flight *f = c->flight;
	struct tx_rec *r = &f->last->r[f->last->n - 1];

	c->mtu_at = minute(t);
	/* A packet buffer into which the bytes were copied may have taken less. */
	if (rec_payload(r) <= c->mss)
		return;
	r->flags |= TX_LARGER;
	f->larger = (uint16_t)rec_payload(r);
	t->count.mtu_tries++;
}

void
pw_tcp_mtu_arrived(struct pw_tcp *t, struct pw_tcp_conn *c, struct tx_rec *r)
{
	if (!(r->flags & TX_LARGER))
		return;
	r->flags &= ~TX_LARGER;
	if ((r->flags & TX_RTX) || c->flight->larger <= c->mss)
		return;
	c->mtu += RTE_MAX(c->flight->larger, size_for(c, c->mtu)) - size_for(c, c->mtu);
	c->mss = c->flight->larger;
	t->count.mtu_raised++;
}

bool
pw_tcp_mtu_timeout(struct pw_tcp *t, struct pw_tcp_conn *c)
{
	struct tx_flight *f = c->flight;
	struct tx_rec *r = flight_rec(flight_first(f));

	/* RFC 4821 7.6.2 to 7.6.4: where others are missing too the timeout is one like any. */
	if (!(r->flags & TX_LARGER) || f->ca != CA_OPEN || f->nb > 1 + f->nb_sacked + f->dupacks)
		return false;
	t->count.rto_fired++;
	pw_tcp_flight_mark(f, r, TX_LOST, 0);
	f->force = 1;
	f->tlp_out = 0;
	return true;
}
