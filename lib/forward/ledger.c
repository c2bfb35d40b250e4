/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where the messages of each broker and of each route are. Where one ended is counted at its end,
 * and what is still there apart from that: what is left between the two was lost by a mistake.
 */
#include "forward_pvt.h"

void
pw_forward_broker_ledger(const struct pw_forward *f,
			 struct pw_broker_ledger sum[PW_FORWARD_MAX_BROKERS])
{
	struct pw_upstream_info u[4];
	uint32_t from = 0, n;

	do {
		n = pw_forward_upstreams(f, from, u, RTE_DIM(u));
		for (uint32_t i = 0; from < n && i < RTE_DIM(u); i++, from++) {
			struct pw_broker_ledger *s = &sum[u[i].broker];
			const uint64_t *c = (const uint64_t *)&u[i].counters;

			s->accepted += u[i].accepted;
			s->held += u[i].held;
			s->inflight += u[i].inflight;
			for (uint32_t k = 0; k < sizeof(s->n) / sizeof(*c); k++)
				((uint64_t *)&s->n)[k] += c[k];
		}
	} while (from < n);
}

int64_t
pw_broker_unexplained(const struct pw_broker_ledger *l)
{
	const struct pw_upstream_counters *n = &l->n;
	uint64_t ended = n->messages_qos0 + n->acked + n->refused + n->refused_retain +
			 n->dropped_disconnected + n->dropped_slow + n->dropped_expired +
			 n->dropped_too_large + n->dropped_hold + n->dropped_unanswered +
			 n->dropped_detached + n->dropped_failover;

	return (int64_t)(l->accepted - ended - l->held);
}

uint64_t
pw_route_outstanding(const struct pw_route_counters *c)
{
	return c->accepted - c->acknowledged - c->completed_qos0 - c->given_up_qos0 - c->orphaned;
}
