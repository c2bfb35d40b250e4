/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Segments that are too large for the path: where a router says so (RFC 1191, 8201), and where it
 * does not and they vanish (RFC 2923 2.1, a simple form of RFC 4821).
 */
#include <rte_common.h>

#include "stack_pvt.h"

#define LEAST_V4 576  /* smaller answers are taken for this: they are forged or broken */
#define LEAST_V6 1280 /* RFC 8200 5 */

/*
 * Timeouts in a row, with no byte acknowledged, at which another size is tried. The smaller ones
 * may have been lost by chance, so after the size before it is their turn again.
 */
#define TRY_1280   3
#define TRY_LEAST  5
#define TRY_BEFORE 7

static uint16_t
size_for(const struct pw_tcp_conn *c, uint16_t mtu)
{
	uint16_t headers = (pw_addr_is_v4(&c->flow.remote) ? 20 : 40) + TCP_HDR_LEN;

	return mtu - headers - (c->flags & CONN_TS ? TCP_OPT_TS_LEN : 0);
}

/* What was larger goes again at once. Not congestion (RFC 1191 6.5): cwnd stays. */
static void
take_size(struct pw_tcp *t, struct pw_tcp_conn *c, uint16_t mss)
{
	struct tx_pos p;

	c->mss = mss;
	if (c->flight != NULL)
		FLIGHT_FOREACH (c->flight, p)
			if (rec_payload(flight_rec(p)) > mss && !(flight_rec(p)->flags & TX_SACKED))
				pw_tcp_flight_mark(c->flight, flight_rec(p), TX_LOST, 0);
	pw_tcp_dirty(t, c);
}

void
pw_tcp_mtu_lower(struct pw_tcp *t, struct pw_tcp_conn *c, uint16_t mtu)
{
	mtu = RTE_MAX(mtu, pw_addr_is_v4(&c->flow.remote) ? LEAST_V4 : LEAST_V6);
	if (mtu >= c->mtu)
		return;
	c->mtu = mtu;
	if (size_for(c, mtu) >= c->mss)
		return;
	t->count.mtu_lowered++;
	take_size(t, c, size_for(c, mtu));
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
