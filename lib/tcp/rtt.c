/* SPDX-License-Identifier: BSD-3-Clause */
/* Round-trip time and retransmission timeout (RFC 6298), in microseconds and milliseconds. */
#include <rte_common.h>

#include "stack_pvt.h"

#define RTO_INITIAL_MS	1000 /* RFC 6298 2.1 */
#define RTO_SYN_LOST_MS 3000 /* RFC 6298 5.7 */
#define SAMPLE_MAX_US	60000000u
#define LEAST_SHIFT	14 /* ages of min_rtt are counted in 16 s, */
#define LEAST_AGE	18 /* and it counts for 5 minutes */

void
pw_tcp_rtt_sample(struct pw_tcp_conn *c, uint64_t us)
{
	uint32_t r = (uint32_t)RTE_MAX(RTE_MIN(us, (uint64_t)SAMPLE_MAX_US), 1u);
	int32_t err;

	if (c->srtt == 0) {
		c->srtt = r << 3;
		c->rttvar = r << 1; /* r / 2, scaled by 4 */
		return;
	}
	/* RFC 6298 2.3: rttvar first, with the old srtt. The scales make the gains shifts. */
	err = (int32_t)(r - (c->srtt >> 3));
	c->rttvar += (uint32_t)(err < 0 ? -err : err) - (c->rttvar >> 2);
	c->srtt = (uint32_t)((int32_t)c->srtt + err);
	if (c->srtt == 0)
		c->srtt = 1;
}

/*
 * RFC 8985 6.2 step 1: the least round trip of the last minutes. A younger one takes the place of
 * one that has grown old, so that a path that has become longer is noticed.
 */
void
pw_tcp_rtt_least(const struct pw_tcp *t, struct pw_tcp_conn *c, uint64_t us)
{
	uint32_t r = (uint32_t)RTE_MAX(RTE_MIN(us, (uint64_t)SAMPLE_MAX_US), 1u);
	uint8_t at = (uint8_t)(tcp_ms(t) >> LEAST_SHIFT);

	if (c->min_rtt != 0 && r > c->min_rtt && (uint8_t)(at - c->min_rtt_at) < LEAST_AGE)
		return;
	c->min_rtt = r;
	c->min_rtt_at = at;
}

uint32_t
pw_tcp_rto(const struct pw_tcp *t, const struct pw_tcp_conn *c)
{
	uint64_t ms;

	if (c->srtt != 0)
		/* RFC 6298 2.3; the clock's granularity is that of the wheel, 1 ms. */
		ms = (c->srtt >> 3) / 1000 + RTE_MAX(c->rttvar / 1000, 1u) + 1;
	else if (conn_synchronized(c) && (c->flags & CONN_SYN_RTX))
		ms = RTO_SYN_LOST_MS;
	else
		ms = RTO_INITIAL_MS;
	ms = RTE_MAX(ms, (uint64_t)t->conf.min_rto_ms);
	ms = RTE_MIN(ms << c->backoff, (uint64_t)t->conf.max_rto_ms);
	return (uint32_t)ms;
}
