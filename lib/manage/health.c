/* SPDX-License-Identifier: BSD-3-Clause */
/* /healthz and /readyz, for probes: is it alive, and would a message that comes now get anywhere?
 */

#include "health_pvt.h"

void
health_step(struct health *h, const struct metrics *m, uint64_t now)
{
	if (now - h->step_at < HEALTH_STEP_NS)
		return;
	h->step_at = now;
	h->stood = pw_fleet_stands(m->src->fleet, &h->pulse, now, &h->worker);
}

bool
health_live(const struct health *h, struct metrics *m)
{
	struct text *t = &m->text;

	text_reset(t);
	if (h->stood < HEALTH_STUCK_NS) {
		text_put(t, "live\n");
		return true;
	}
	text_put(t, "lcore ");
	text_u64(t, pw_fleet_lcore(m->src->fleet, h->worker));
	text_put(t, ": no turn of its loop for ");
	text_u64(t, h->stood / HEALTH_SECOND);
	text_put(t, " s\n");
	return false;
}

/* Every worker that serves brokers has all of its connections to this one. Right after a reload
 * that brought it, none has any. */
static bool
broker_is_up(const struct metrics *m, uint32_t broker)
{
	uint64_t connections = 0;

	for (uint32_t i = 0; i < m->shape.broker_workers; i++) {
		const struct metrics_broker *b = &m->broker[(size_t)i * m->shape.brokers + broker];

		if (b->up < b->connections)
			return false;
		connections += b->connections;
	}
	return connections > 0;
}

bool
health_ready(struct metrics *m)
{
	const struct pw_forward_settings *s = m->src->settings;
	enum pw_run_state state =
		(enum pw_run_state)__atomic_load_n(&m->src->control->state, __ATOMIC_RELAXED);
	uint32_t up = 0;
	struct text *t = &m->text;
	bool ready = state == PW_RUN_RUNNING;

	text_reset(t);
	if (!ready) {
		text_put(t, pw_run_state_str(state));
		text_put(t, "\n");
	}
	metrics_read_brokers(m);
	for (uint32_t b = 0; b < m->shape.brokers; b++)
		if (broker_is_up(m, b))
			up |= 1u << b;
	for (uint32_t r = 0; r < m->shape.routes; r++) {
		if (s->route[r].brokers & up)
			continue;
		ready = false;
		text_put(t, "route ");
		text_put(t, s->route[r].name);
		text_put(t, ": none of its brokers is connected\n");
	}
	if (ready)
		text_put(t, "ready\n");
	return ready;
}
