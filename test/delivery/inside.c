/* SPDX-License-Identifier: BSD-3-Clause */
/* What pubwire says of itself: ledgers that have to balance at every moment. */
#include <inttypes.h>

#include <rte_common.h>

#include "world.h"

struct pw_device_counters
inside_counters(const struct world *w)
{
	struct pw_device_counters sum = w->before;

	for (uint32_t k = 0; k < w->plan.nb_workers; k++) {
		const uint64_t *from = (const uint64_t *)pw_forward_counters(w->forward[k]);
		uint64_t *to = (uint64_t *)&sum;

		for (uint32_t i = 0; i < sizeof(sum) / sizeof(*to); i++)
			to[i] += from[i];
	}
	return sum;
}

struct pw_upstream_counters
inside_upstream(const struct world *w, uint32_t b)
{
	struct pw_broker_ledger sum[PW_FORWARD_MAX_BROKERS] = {0};

	for (uint32_t k = 0; k < w->plan.nb_workers; k++)
		pw_forward_broker_ledger(w->forward[k], sum);
	for (uint32_t i = 0; i < sizeof(sum[b].n) / sizeof(uint64_t); i++)
		((uint64_t *)&sum[b].n)[i] += ((const uint64_t *)&w->before_upstream[b])[i];
	return sum[b].n;
}

bool
inside_overtakes(const struct world *w, uint32_t b)
{
	struct pw_device_counters c = inside_counters(w);
	struct pw_upstream_counters u = inside_upstream(w, b);

	return c.overtaken + c.unmet + u.dropped_hold + u.dropped_unanswered + u.dropped_detached +
		       u.dropped_failover + u.quota_exceeded >
	       0;
}

uint64_t
inside_unfinished(const struct world *w)
{
	uint64_t n = 0;

	for (uint32_t k = 0; k < w->plan.nb_workers; k++)
		n += pw_forward_outstanding(w->forward[k]) + pw_forward_trailing(w->forward[k]) +
		     pw_forward_owed(w->forward[k]);
	return n;
}

static void
brokers_and_routes(struct world *w)
{
	struct pw_broker_ledger sum[PW_FORWARD_MAX_BROKERS] = {0};
	uint64_t left = 0, there = 0;

	for (uint32_t k = 0; k < w->plan.nb_workers; k++) {
		pw_forward_broker_ledger(w->forward[k], sum);
		for (uint32_t r = 0; r < w->plan.nb_routes; r++) {
			const struct pw_route_counters *c =
				pw_forward_route_counters(w->forward[k], r);

			left += c != NULL ? pw_route_outstanding(c) : 0;
		}
		there += pw_forward_outstanding(w->forward[k]) + pw_forward_owed(w->forward[k]) +
			 pw_forward_counters(w->forward[k])->dropped_on_shutdown;
	}
	for (uint32_t b = 0; b < w->plan.nb_brokers; b++) {
		if (pw_broker_unexplained(&sum[b]) != 0)
			world_fault(w, "ledger of b%u: %" PRId64 " unexplained", b,
				    pw_broker_unexplained(&sum[b]));
	}
	if (left != there)
		world_fault(w, "ledger of routes: %" PRIu64 " without an end, %" PRIu64 " in logs",
			    left, there);
}

bool
inside_connected(const struct world *w)
{
	for (uint32_t k = 0; k < w->plan.nb_workers; k++) {
		struct pw_upstream_info u[128];
		uint32_t n = pw_forward_upstreams(w->forward[k], 0, u, RTE_DIM(u));

		for (uint32_t i = 0; i < RTE_MIN(n, RTE_DIM(u)); i++) {
			if (u[i].state != PW_UPSTREAM_UP)
				return false;
		}
	}
	return true;
}

uint64_t
inside_ended(const struct world *w)
{
	uint64_t n = 0;

	for (uint32_t b = 0; b < w->plan.nb_brokers; b++) {
		struct pw_upstream_counters u = inside_upstream(w, b);

		n += u.disconnects + u.connect_failures;
	}
	return n;
}

/* What pubwire would tell an operator who asks. */
void
inside_explain(const struct world *w)
{
	for (uint32_t k = 0; k < w->plan.nb_workers; k++) {
		struct pw_upstream_info u[64];
		struct pw_log_info l[64];
		uint32_t n;

		for (uint32_t i = 0; i < w->plan.nb_devices; i++) {
			struct pw_why why;

			if (pw_forward_why(w->forward[k], w->device[i].client_id, &why,
					   worker_clock(w, k)) < 0)
				continue;
			for (uint32_t r = 0; r < why.n; r++)
				SAY(w, "worker %u, d%u: %s", k, i, why.reason[r]);
		}
		n = pw_forward_logs(w->forward[k], 0, l, RTE_DIM(l));
		for (uint32_t i = 0; i < RTE_MIN(n, RTE_DIM(l)); i++)
			SAY(w,
			    "worker %u, log %u.%u.%u: %u used, %u outstanding, %u trailing, %u "
			    "owed",
			    k, l[i].lane, l[i].set, l[i].pool, l[i].used, l[i].outstanding,
			    l[i].trailing, l[i].owed);
		n = pw_forward_upstreams(w->forward[k], 0, u, RTE_DIM(u));
		for (uint32_t i = 0; i < RTE_MIN(n, RTE_DIM(u)); i++)
			SAY(w,
			    "worker %u, log %u.%u.%u.%u, b%u: %s, lag %" PRIu64
			    ", %u in flight of %u, %u held%s%s",
			    k, u[i].log_worker, u[i].lane, u[i].set, u[i].pool, u[i].broker,
			    pw_upstream_state_str(u[i].state), u[i].lag, u[i].inflight, u[i].window,
			    u[i].held, u[i].over ? ", over" : "",
			    u[i].detached ? ", detached" : "");
	}
}

/* docs/delivery.md, "The ledger". */
void
inside_ledger(struct world *w)
{
	brokers_and_routes(w);
	for (uint32_t k = 0; k < w->plan.nb_workers; k++) {
		const struct pw_device_counters *c = pw_forward_counters(w->forward[k]);
		uint64_t taken = c->publishes_qos0 + c->publishes_qos1 + c->publishes_qos2;
		uint64_t ends = c->acknowledged + c->completed_qos0 + c->given_up_qos0 +
				c->orphaned + c->dropped_on_shutdown +
				pw_forward_outstanding(w->forward[k]) +
				pw_forward_owed(w->forward[k]);

		if (c->accepted != ends)
			world_fault(w,
				    "ledger of worker %u: %" PRIu64 " accepted, %" PRIu64
				    " explained",
				    k, c->accepted, ends);
		if (taken + c->wills_published !=
		    c->accepted + c->dropped_no_route + c->dropped_not_authorized +
			    c->dropped_log_full + c->dropped_no_buffer)
			world_fault(w,
				    "ledger of worker %u: %" PRIu64 " PUBLISH packets, %" PRIu64
				    " accepted",
				    k, taken, c->accepted);
	}
}
