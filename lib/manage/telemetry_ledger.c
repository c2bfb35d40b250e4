/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The ledger of each broker and of each route. Where a message ended is counted at its end, and
 * what is still there apart from that, so "unexplained" says where one was lost: 0 at rest; under
 * load the words are read one after the other, and it wavers around 0.
 */

#include <errno.h>
#include <string.h>

#include <rte_common.h>

#include "telemetry_pvt.h"

static int
broker_row(struct rte_tel_data *d, uint32_t row, const char *name, const struct pw_broker_ledger *s)
{
	const struct pw_upstream_counters *n = &s->n;
	const struct {
		const char *name;
		uint64_t value;
	} end[] = {
		{"messages_qos0", n->messages_qos0},
		{"acked", n->acked},
		{"refused", n->refused},
		{"refused_retain", n->refused_retain},
		{"dropped_disconnected", n->dropped_disconnected},
		{"dropped_slow", n->dropped_slow},
		{"dropped_expired", n->dropped_expired},
		{"dropped_too_large", n->dropped_too_large},
		{"dropped_hold", n->dropped_hold},
		{"dropped_unanswered", n->dropped_unanswered},
		{"dropped_detached", n->dropped_detached},
		{"dropped_failover", n->dropped_failover},
	};
	struct rte_tel_data *r = tel_row(d, row);

	if (r == NULL)
		return -ENOMEM;
	tel_text(r, "broker", name);
	rte_tel_data_add_dict_u64(r, "accepted", s->accepted);
	for (uint32_t i = 0; i < RTE_DIM(end); i++)
		rte_tel_data_add_dict_u64(r, end[i].name, end[i].value);
	rte_tel_data_add_dict_u64(r, "inflight", s->inflight);
	rte_tel_data_add_dict_u64(r, "queued", s->held - RTE_MIN(s->held, s->inflight));
	return rte_tel_data_add_dict_int(r, "unexplained", (int)pw_broker_unexplained(s));
}

int
tel_ledger_brokers(const struct pw_telemetry_sources *src, const char *params,
		   struct rte_tel_data *d)
{
	static struct pw_broker_ledger sum[PW_FORWARD_MAX_BROKERS]; /* under the guard */
	uint32_t total = src->settings->nb_brokers, start, i;

	if (tel_number(&params, &start) != 0)
		return -EINVAL;
	memset(sum, 0, sizeof(sum));
	for (i = 0; i < pw_fleet_workers(src->fleet); i++)
		pw_forward_broker_ledger(pw_fleet_forward(src->fleet, i), sum);
	for (i = start; i < total && i - start < TEL_PAGE_LEDGER; i++) {
		int rc = 0;

		/* Not for a place that a removed broker has left. */
		if (src->settings->broker[i].name[0] != '\0')
			rc = broker_row(d, i, src->settings->broker[i].name, &sum[i]);
		if (rc != 0)
			return rc;
	}
	return tel_page(d, start, i - RTE_MIN(i, start), total);
}

/* A route's counters, all workers together. */
static struct pw_route_counters
sum_route(const struct pw_telemetry_sources *src, uint32_t route)
{
	struct pw_route_counters sum = {0};

	for (uint32_t w = 0; w < pw_fleet_workers(src->fleet); w++) {
		const struct pw_route_counters *c =
			pw_forward_route_counters(pw_fleet_forward(src->fleet, w), route);

		for (uint32_t i = 0; c != NULL && i < sizeof(sum) / sizeof(uint64_t); i++)
			((uint64_t *)&sum)[i] += pw_counter_read(c, i);
	}
	return sum;
}

/* Messages that routes have not seen the end of, those of routes that are gone too. */
static uint64_t
unfinished(const struct pw_forward *f)
{
	const struct pw_route_counters *c;
	uint64_t sum = 0;

	for (uint32_t i = 0; (c = pw_forward_route_slot(f, i)) != NULL; i++) {
		struct pw_route_counters now;

		for (uint32_t k = 0; k < sizeof(now) / sizeof(uint64_t); k++)
			((uint64_t *)&now)[k] = pw_counter_read(c, k);
		sum += pw_route_outstanding(&now);
	}
	return sum;
}

int
tel_ledger_routes(const struct pw_telemetry_sources *src, const char *params,
		  struct rte_tel_data *d)
{
	const struct pw_forward_settings *set = src->settings;
	uint64_t left = 0, there = 0;
	uint32_t start, rows = 0;

	if (tel_number(&params, &start) != 0)
		return -EINVAL;
	for (uint32_t i = 0; i < set->nb_routes; i++) {
		struct pw_route_counters c = sum_route(src, i);
		uint64_t outstanding = pw_route_outstanding(&c);
		struct rte_tel_data *r;

		if (i < start || rows == TEL_PAGE_LEDGER)
			continue;
		r = tel_row(d, i);
		if (r == NULL)
			return -ENOMEM;
		rows++;
		tel_text(r, "route", set->route[i].name);
		(void)tel_counters(r, pw_route_counters_desc, (const uint64_t *)&c);
		rte_tel_data_add_dict_u64(r, "outstanding", outstanding);
	}
	for (uint32_t w = 0; w < pw_fleet_workers(src->fleet); w++) {
		const struct pw_forward *f = pw_fleet_forward(src->fleet, w);

		left += unfinished(f);
		there += pw_forward_outstanding(f) + pw_forward_owed(f) +
			 pw_counter_read(&pw_forward_counters(f)->dropped_on_shutdown, 0);
	}
	/* What the routes have not seen the end of, and the logs do not hold. */
	rte_tel_data_add_dict_int(d, "unexplained", (int)(left - there));
	return tel_page(d, start, rows, set->nb_routes);
}
