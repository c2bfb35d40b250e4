/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Slow start and congestion avoidance of RFC 5681, initial window of RFC 6928. Growth counts bytes
 * (RFC 3465 with L = 2).
 */
#include <rte_common.h>

#include "cc_pvt.h"

uint32_t
pw_tcp_initial_window(const struct pw_tcp_conn *c)
{
	return RTE_MIN(10u * c->mss, RTE_MAX(2u * c->mss, 14600u));
}

void
pw_tcp_cc_open(struct pw_tcp_conn *c, int lost)
{
	c->cwnd = lost ? c->mss : pw_tcp_initial_window(c);
	c->ssthresh = CWND_MAX;
}

void
pw_tcp_cc_idle(struct pw_tcp_conn *c)
{
	c->cwnd = RTE_MIN(c->cwnd, pw_tcp_initial_window(c));
}

static void
newreno_acked(struct pw_tcp_conn *c, uint32_t acked, uint64_t now)
{
	uint32_t add = RTE_MIN(acked, 2u * c->mss);

	(void)now;
	if (c->cwnd >= c->ssthresh)
		add = RTE_MAX((uint32_t)((uint64_t)c->mss * add / c->cwnd), 1u);
	c->cwnd = RTE_MIN(c->cwnd + add, CWND_MAX);
}

static void
newreno_reduce(struct pw_tcp_conn *c, uint32_t flight)
{
	c->ssthresh = RTE_MAX(flight / 2, 2u * c->mss); /* RFC 5681 (4) */
}

const struct pw_tcp_cc_ops pw_tcp_newreno = {
	.name = "newreno",
	.open = pw_tcp_cc_open,
	.acked = newreno_acked,
	.reduce = newreno_reduce,
	.idle = pw_tcp_cc_idle,
};
