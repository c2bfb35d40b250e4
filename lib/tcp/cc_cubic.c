/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * CUBIC (RFC 9438), for the connections that this side opens: to brokers, over paths that may be
 * long and fast. Windows are in bytes; the RFC's segments are of mss bytes. Times are in ms, which
 * makes C = 0.4 segments / s^3 one of 4e-10 segments / ms^3.
 *
 * An epoch lies in the flight, so it ends when nothing is on its way: what is to come after a pause
 * begins a new one from the window that there is, as RFC 9438 4.2 and 5.8 want it.
 */
#include <rte_common.h>

#include "cc_pvt.h"
#include "flight_pvt.h"

#define BETA_NUM       7 /* 4.6: 0.7 */
#define BETA_DEN       10
#define ALPHA_NUM      9 /* 4.3: 3 * (1 - 0.7) / (1 + 0.7) */
#define ALPHA_DEN      17
#define TIME_MAX       1000000 /* ms: its cube has to fit */
#define SSTHRESH_LEAST 2       /* segments (4.6) */

static uint32_t
cube_root(uint64_t v)
{
	uint64_t r = 0;

	for (int bit = 20; bit >= 0; bit--) {
		uint64_t next = r | UINT64_C(1) << bit;

		if (next * next * next <= v)
			r = next;
	}
	return (uint32_t)r;
}

/* 4.2, equation (2): ms from the start of an epoch until cwnd is the origin again. */
static uint32_t
time_to_origin(uint32_t distance, uint32_t mss)
{
	return cube_root((uint64_t)distance * 2500000000u / mss);
}

/* 4.2, equation (1): C * (t - K)^3 in bytes. */
static int64_t
cubic_distance(const struct pw_tcp_conn *c, uint64_t t)
{
	int64_t d = (int64_t)RTE_MIN(t, (uint64_t)TIME_MAX) - c->flight->cubic_k;
	uint64_t cube = (uint64_t)(d < 0 ? -d : d);
	int64_t bytes;

	cube = RTE_MIN(cube, (uint64_t)TIME_MAX);
	cube = cube * cube * cube;
	bytes = (int64_t)(cube * 4 / 10000 * c->mss / 1000000);
	return d < 0 ? -bytes : bytes;
}

/* 4.2: a new epoch, from a window that stands below the last maximum or above it. */
static void
begin_epoch(struct pw_tcp_conn *c, uint64_t now)
{
	struct tx_flight *f = c->flight;

	f->epoch = now;
	f->w_est = c->cwnd;
	if (f->cwnd_prior == 0)
		f->cwnd_prior = c->w_max;
	if (c->cwnd < c->w_max) {
		f->cubic_origin = c->w_max;
		f->cubic_k = time_to_origin(c->w_max - c->cwnd, c->mss);
	} else {
		f->cubic_origin = c->cwnd;
		f->cubic_k = 0;
	}
}

/* 4.3: what Reno would have, with the gain that makes its mean that of CUBIC's decrease. */
static void
reno_estimate(struct pw_tcp_conn *c, uint32_t acked)
{
	struct tx_flight *f = c->flight;
	uint64_t add = (uint64_t)c->mss * acked / c->cwnd;

	if (f->w_est < f->cwnd_prior)
		add = add * ALPHA_NUM / ALPHA_DEN;
	f->w_est = RTE_MIN(f->w_est + (uint32_t)add, CWND_MAX);
}

/* 4.2 to 4.5: congestion avoidance. */
static void
avoid(struct pw_tcp_conn *c, uint32_t acked, uint64_t now)
{
	struct tx_flight *f = c->flight;
	uint64_t ms;
	int64_t at, target;

	if (f->epoch == 0)
		begin_epoch(c, now);
	ms = (now - f->epoch) / 1000000;
	reno_estimate(c, acked);
	at = f->cubic_origin + cubic_distance(c, ms);
	if (at < f->w_est) {
		c->cwnd = RTE_MAX(c->cwnd, f->w_est);
		return;
	}
	/* Where it is to be a round trip from now, but no more than half of it up from here. */
	target = f->cubic_origin + cubic_distance(c, ms + (c->srtt >> 3) / 1000);
	target = RTE_MIN(target, (int64_t)c->cwnd + c->cwnd / 2);
	if (target > c->cwnd)
		c->cwnd += (uint32_t)((uint64_t)(target - c->cwnd) * RTE_MIN(acked, c->cwnd) /
				      c->cwnd);
	c->cwnd = RTE_MIN(c->cwnd, CWND_MAX);
}

static void
cubic_acked(struct pw_tcp_conn *c, uint32_t acked, uint64_t now)
{
	if (c->cwnd < c->ssthresh)
		c->cwnd = RTE_MIN(c->cwnd + RTE_MIN(acked, 2u * c->mss), CWND_MAX);
	else if (c->flight != NULL)
		avoid(c, acked, now);
}

static void
cubic_reduce(struct pw_tcp_conn *c, uint32_t flight)
{
	uint32_t cwnd = c->cwnd;

	/* 4.7: a flow that did not reach its last maximum leaves room for others. */
	if (cwnd < c->w_max)
		c->w_max = (uint32_t)((uint64_t)cwnd * (BETA_DEN + BETA_NUM) / (2 * BETA_DEN));
	else
		c->w_max = cwnd;
	c->ssthresh = RTE_MAX((uint32_t)((uint64_t)flight * BETA_NUM / BETA_DEN),
			      (uint32_t)SSTHRESH_LEAST * c->mss);
	if (c->flight != NULL) {
		c->flight->epoch = 0;
		c->flight->cwnd_prior = cwnd;
	}
}

const struct pw_tcp_cc_ops pw_tcp_cubic = {
	.name = "cubic",
	.open = pw_tcp_cc_open,
	.acked = cubic_acked,
	.reduce = cubic_reduce,
	.idle = pw_tcp_cc_idle,
};
