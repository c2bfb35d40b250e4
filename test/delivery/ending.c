/* SPDX-License-Identifier: BSD-3-Clause */
/* What must be true when all is over: every promise is kept, and nothing is left. */
#include <inttypes.h>

#include <rte_common.h>

#include "world.h"

/* Messages that a broker was not to have, by what its connections counted. */
static uint64_t
excused(const struct world *w, uint32_t b)
{
	struct pw_upstream_counters u = inside_upstream(w, b);

	return u.dropped_expired + u.dropped_hold + u.dropped_unanswered + u.dropped_detached +
	       u.dropped_failover + u.dropped_too_large + u.refused_retain + u.refused +
	       u.dropped_disconnected + u.dropped_slow;
}

/* Devices were told that a message is safe: where is it? */
static void
promised(struct world *w)
{
	uint64_t missing[BROKERS] = {0};
	struct pw_device_counters c = inside_counters(w);

	for (uint32_t i = 0; i < w->nb_messages; i++) {
		const struct message *m = &w->message[i];
		uint32_t had = 0;

		if (m->at <= w->restarted_at)
			continue; /* what a rule did not wait for may have gone with pubwire */
		if (m->will || m->denied || !m->answered || m->reason >= 0x80 ||
		    m->route >= w->plan.nb_routes)
			continue;
		for (uint32_t b = 0; b < w->plan.nb_brokers; b++) {
			if (!(w->set.route[m->route].brokers & 1u << b))
				continue;
			had += m->copy[b].had;
			missing[b] +=
				!m->copy[b].had && w->set.route[m->route].fanout == PW_FANOUT_ALL;
		}
		if (had == 0 && m->expiry == 0 && !w->drained) {
			uint64_t all = 0;

			for (uint32_t b = 0; b < w->plan.nb_brokers; b++)
				all += excused(w, b);
			if (all == 0)
				world_fault(w, "m%u was acknowledged, and no broker has it", i);
		}
	}
	for (uint32_t b = 0; b < w->plan.nb_brokers; b++) {
		if (missing[b] > excused(w, b) + c.cut_on_shutdown + c.dropped_on_shutdown)
			world_fault(w,
				    "b%u has not %" PRIu64
				    " of the messages acknowledged, of which %" PRIu64
				    " were given up",
				    b, missing[b], excused(w, b));
	}
}

/* Nobody waits for anything. */
static void
finished(struct world *w)
{
	if (inside_unfinished(w) != 0)
		world_fault(w, "%" PRIu64 " messages that pubwire does not finish",
			    inside_unfinished(w));
	for (uint32_t i = 0; i < w->plan.nb_devices && !w->drained; i++) {
		const struct device *d = &w->device[i];

		if (d->link == NULL || !d->link->up)
			world_fault(w, "d%u is not connected", i);
		else if (d->nb_flight > 0)
			world_fault(w, "d%u waits for the answer to m%u", i, d->flight[0].message);
		for (uint32_t k = 0; k <= OLD; k++) {
			const struct link *l = &d->links[k];

			if (l != d->link && l->conn != NULL && l->up && !l->eof && !l->left &&
			    !d->hole[l->gen])
				world_fault(w, "d%u.%u stands beside d%u.%u", i, l->gen, i,
					    d->link != NULL ? d->link->gen : 0);
		}
	}
}

/* QoS 0, on connections that stand: with the brokers, or counted. */
static void
sent_once(struct world *w)
{
	struct pw_device_counters c = inside_counters(w);
	uint64_t missing[BROKERS] = {0};

	if (w->set.limits.message_rate + w->set.limits.byte_rate > 0)
		return;
	for (uint32_t i = 0; i < w->nb_messages; i++) {
		const struct message *m = &w->message[i];
		const struct link *l = w->device[m->device].link;

		if (m->qos > 0 || m->will || m->denied || m->at == 0 ||
		    m->route >= w->plan.nb_routes || l == NULL || l->gen != m->gen ||
		    w->set.route[m->route].fanout != PW_FANOUT_ALL)
			continue;
		for (uint32_t b = 0; b < w->plan.nb_brokers; b++)
			missing[b] +=
				(w->set.route[m->route].brokers & 1u << b) && m->copy[b].first == 0;
	}
	for (uint32_t b = 0; b < w->plan.nb_brokers; b++) {
		uint32_t standing = 0;

		for (uint32_t i = 0; i < LEGS; i++)
			standing += w->broker[b].leg[i].conn != NULL;
		/* What was on its way when a connection ended is nobody's to count. */
		if (standing == w->broker[b].nb_legs &&
		    missing[b] > excused(w, b) + c.dropped_log_full + c.dropped_no_buffer)
			world_fault(w, "b%u has not %" PRIu64 " messages of QoS 0", b, missing[b]);
	}
}

static void
wills(struct world *w)
{
	struct pw_device_counters c = inside_counters(w);
	uint64_t all = c.wills_dropped + c.unmet + c.refused_by_broker;

	for (uint32_t b = 0; b < w->plan.nb_brokers; b++)
		all += excused(w, b);
	for (uint32_t i = 0; i < w->nb_messages; i++) {
		const struct message *m = &w->message[i];
		bool somewhere = false;

		for (uint32_t b = 0; b < w->plan.nb_brokers; b++)
			somewhere |= m->copy[b].first != 0;
		w->tally->wills_published += m->will && somewhere;
		if (m->will && m->due && m->at > w->restarted_at && m->qos > 0 && !somewhere &&
		    all == 0)
			world_fault(w, "m%u, a will, was not published", i);
	}
}

void
ending(struct world *w)
{
	struct pw_device_counters c = inside_counters(w);

	inside_ledger(w);
	if (w->fault[0] == '\0')
		finished(w);
	if (w->fault[0] == '\0')
		promised(w);
	if (w->fault[0] == '\0' && !w->drained) {
		wills(w);
		sent_once(w);
	}
	w->tally->unmet += c.unmet;
	w->tally->grouped += c.grouped;
	w->tally->blocked += c.blocked;
	w->tally->overtaken += c.overtaken;
	for (uint32_t b = 0; b < w->plan.nb_brokers; b++) {
		struct pw_upstream_counters u = inside_upstream(w, b);

		w->tally->dropped_hold += u.dropped_hold;
		w->tally->dropped_detached += u.dropped_detached;
		w->tally->dropped_failover += u.dropped_failover;
		w->tally->dropped_expired += u.dropped_expired;
	}
}
