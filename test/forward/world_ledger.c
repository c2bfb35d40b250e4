/* SPDX-License-Identifier: BSD-3-Clause */
/* What the workers of the world count, held against itself. */
#include "world.h"

const struct pw_device_counters *
counters(void)
{
	return pw_forward_counters(w.forward[0]);
}

struct pw_upstream_info
upstream(uint32_t b, enum pw_lane lane)
{
	struct pw_upstream_info u[16];

	for (uint32_t k = 0; k < w.nb_workers; k++) {
		uint32_t n = pw_forward_upstreams(w.forward[k], 0, u, 16);

		for (uint32_t i = 0; i < n; i++) {
			if (u[i].broker == b && u[i].lane == lane && u[i].log_worker == 0)
				return u[i];
		}
	}
	fail_msg("no such upstream");
	return u[0];
}

static void
broker_and_route_ledgers(void)
{
	struct pw_broker_ledger sum[PW_FORWARD_MAX_BROKERS] = {0};
	uint64_t left = 0, there = 0;

	for (uint32_t k = 0; k < w.nb_workers; k++) {
		const struct pw_route_counters *c;

		pw_forward_broker_ledger(w.forward[k], sum);
		for (uint32_t r = 0; r < w.set.nb_routes; r++) {
			c = pw_forward_route_counters(w.forward[k], r);
			left += c != NULL ? pw_route_outstanding(c) : 0;
		}
		there += pw_forward_outstanding(w.forward[k]) + pw_forward_owed(w.forward[k]) +
			 pw_forward_counters(w.forward[k])->dropped_on_shutdown;
	}
	for (uint32_t b = 0; b < w.set.nb_brokers; b++)
		assert_int_equal(pw_broker_unexplained(&sum[b]), 0);
	assert_int_equal(left, there);
}

void
ledger(void)
{
	broker_and_route_ledgers();
	for (uint32_t k = 0; k < w.nb_workers; k++) {
		const struct pw_device_counters *c = pw_forward_counters(w.forward[k]);
		struct pw_log_info l[64];
		uint64_t outstanding = 0;

		for (uint32_t i = 0, n = pw_forward_logs(w.forward[k], 0, l, 64); i < n; i++)
			outstanding += l[i].outstanding + l[i].owed;
		assert_int_equal(c->accepted, c->acknowledged + c->completed_qos0 +
						      c->given_up_qos0 + c->orphaned +
						      c->dropped_on_shutdown + outstanding);
	}
}
