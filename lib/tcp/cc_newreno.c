/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * NewReno: slow start and congestion avoidance of RFC 5681, recovery of RFC 6582, initial window of
 * RFC 6928. Growth counts bytes (RFC 3465 with L = 2) and only where the window was in use.
 */
#include <rte_common.h>

#include "cc_pvt.h"
#include "conn_pvt.h"

#define CWND_MAX (1u << 30)

static uint32_t
initial_window(const struct pw_tcp_conn *c)
{
	/* RFC 6928 2 */
	return RTE_MIN(10u * c->mss, RTE_MAX(2u * c->mss, 14600u));
}

static uint32_t
half(const struct pw_tcp_conn *c, uint32_t flight)
{
	/* RFC 5681 (4) */
	return RTE_MAX(flight / 2, 2u * c->mss);
}

static void
newreno_open(struct pw_tcp_conn *c, int lost)
{
	/* RFC 5681 3.1: a lost SYN is a sign of congestion. */
	c->cwnd = lost ? c->mss : initial_window(c);
	c->ssthresh = CWND_MAX;
}

static void
newreno_acked(struct pw_tcp_conn *c, uint32_t acked, uint32_t flight)
{
	uint32_t add;

	/* A window that the application does not fill says nothing of the network (RFC 7661 1). */
	if ((uint64_t)flight * 2 < c->cwnd)
		return;
	if (c->cwnd < c->ssthresh)
		add = RTE_MIN(acked, 2u * c->mss);
	else
		add = RTE_MAX((uint32_t)((uint64_t)c->mss * RTE_MIN(acked, 2u * c->mss) / c->cwnd),
			      1u);
	c->cwnd = RTE_MIN(c->cwnd + add, CWND_MAX);
}

static void
newreno_enter(struct pw_tcp_conn *c, uint32_t flight)
{
	c->ssthresh = half(c, flight);
	/* Three segments have left the network: the duplicates say so. */
	c->cwnd = c->ssthresh + 3u * c->mss;
}

static void
newreno_dup(struct pw_tcp_conn *c)
{
	c->cwnd = RTE_MIN(c->cwnd + c->mss, CWND_MAX);
}

static void
newreno_partial(struct pw_tcp_conn *c, uint32_t acked)
{
	/* RFC 6582 3.2 step 3: deflate by what was acknowledged, add back one segment. */
	c->cwnd -= RTE_MIN(acked, c->cwnd);
	if (acked >= c->mss)
		c->cwnd += c->mss;
	c->cwnd = RTE_MAX(c->cwnd, (uint32_t)c->mss);
}

static void
newreno_leave(struct pw_tcp_conn *c, uint32_t flight)
{
	/* The smaller of the two choices of RFC 6582 3.2 step 3, which sends no burst. */
	c->cwnd = RTE_MIN(c->ssthresh, RTE_MAX(flight, (uint32_t)c->mss) + c->mss);
}

static void
newreno_timeout(struct pw_tcp_conn *c, uint32_t flight, int first)
{
	/* RFC 5681 3.1: a repeated timeout of the same data does not halve again. */
	if (first)
		c->ssthresh = half(c, flight);
	c->cwnd = c->mss;
}

static void
newreno_idle(struct pw_tcp_conn *c)
{
	c->cwnd = RTE_MIN(c->cwnd, initial_window(c)); /* RFC 5681 4.1 */
}

const struct pw_tcp_cc_ops pw_tcp_newreno = {
	.name = "newreno",
	.open = newreno_open,
	.acked = newreno_acked,
	.enter = newreno_enter,
	.dup = newreno_dup,
	.partial = newreno_partial,
	.leave = newreno_leave,
	.timeout = newreno_timeout,
	.idle = newreno_idle,
};
