/* SPDX-License-Identifier: BSD-3-Clause */
/* A history, drawn from its seed. Bounds are small, so that a few hundred messages reach them. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <rte_common.h>

#include "world.h"

#define PORT 1883

static uint32_t
range(struct world *w, uint32_t lo, uint32_t hi)
{
	return sim_rng_range(&w->rng, lo, hi);
}

static void
draw_workers(struct world *w)
{
	struct plan *p = &w->plan;

	p->nb_workers = 1 + chance(w, 500);
	p->role[0] = p->role[1] = PW_ROLE_DEVICES | PW_ROLE_BROKERS;
	if (p->nb_workers == 2 && chance(w, 400)) {
		p->role[0] = PW_ROLE_DEVICES;
		p->role[1] = chance(w, 700) ? PW_ROLE_BROKERS : PW_ROLE_DEVICES | PW_ROLE_BROKERS;
	}
	p->behind = chance(w, 500) ? 3 * US : 2 * MS;
	p->passwords = chance(w, 150);
	p->buffers = chance(w, 200) ? range(w, 100, 2000) : 0;
	p->post_full = chance(w, 100) ? range(w, 1, 300) : 0;
}

static void
draw_wires(struct world *w)
{
	struct plan *p = &w->plan;

	p->device_delay = chance(w, 500) ? range(w, 20, 500) * US : range(w, 1, 30) * MS;
	p->broker_delay = chance(w, 700) ? range(w, 20, 500) * US : range(w, 1, 20) * MS;
	if (chance(w, 250)) {
		p->loss = range(w, 1, 40);
		p->dup = dice(w, 20);
		p->reorder = dice(w, 60);
	}
	p->rx_window = chance(w, 300) ? range(w, 4000, 20000) : 131072;
	p->rx_copy_break = (uint32_t[]){1, 256, 1460}[dice(w, 3)];
}

static void
draw_broker(struct world *w, uint32_t i)
{
	static const uint32_t windows[] = {1, 2, 5, 20, 100};
	struct broker_plan *p = &w->broker[i].plan;
	struct pw_broker_conf *c = &w->set.broker[i];

	*p = (struct broker_plan){.max_qos = 2};
	p->only = chance(w, 250) ? (chance(w, 500) ? 4 : 5) : 0;
	p->receive = chance(w, 400) ? (uint16_t)windows[dice(w, RTE_DIM(windows))] : 0;
	p->max_packet = chance(w, 100) ? range(w, 600, 4000) : 0;
	p->no_retain = chance(w, 100);
	p->max_qos = chance(w, 80) ? (uint8_t)dice(w, 2) : 2;
	p->delay = chance(w, 500) ? range(w, 1, 2000) * US : range(w, 1, 200) * MS;
	p->reorder = chance(w, 300) ? range(w, 50, 1000) : 0;
	p->errors = chance(w, 200) ? range(w, 5, 150) : 0;
	p->quota = chance(w, 150) ? range(w, 5, 100) : 0;
	p->cuts = chance(w, 200) ? range(w, 1, 25) : 0;
	p->halves = chance(w, 200) ? range(w, 1, 20) : 0;
	p->as_qos1 = p->only == 4 && chance(w, 200);
	snprintf(c->name, sizeof(c->name), "b%u", i);
	c->address = wire_broker(i);
	c->port = PORT;
	c->keepalive_interval = range(w, 1, 20) * 1000;
	c->connect_timeout = range(w, 500, 2000);
	c->ack_timeout = range(w, 800, 5000);
	c->restart_base = range(w, 20, 300);
	c->restart_cap = range(w, 300, 2000);
	c->max_inflight_messages = chance(w, 300) ? windows[dice(w, RTE_DIM(windows))] : 1024;
	c->protocol = (enum pw_broker_protocol)(p->only == 0 ? dice(w, 3) : 0);
	c->strict = chance(w, 300);
	c->hold_messages = chance(w, 500) ? range(w, 2, 40) : 0;
	c->hold_bytes = chance(w, 200) ? range(w, 1000, 30000) : 0;
	c->replay_rate = chance(w, 150) ? range(w, 50, 500) : 0;
	c->failover_delay = range(w, 50, 2000);
	c->failback_delay = range(w, 10, 2000);
}

static void
draw_route(struct world *w, uint32_t i)
{
	struct pw_route_conf *r = &w->set.route[i];
	uint32_t n = 0, all = (1u << w->plan.nb_brokers) - 1;

	snprintf(r->name, sizeof(r->name), "r%u", i);
	snprintf(r->filter, sizeof(r->filter), "r%u/#", i);
	r->brokers = chance(w, 600) ? all : 1 + dice(w, all);
	for (uint32_t b = 0; b < w->plan.nb_brokers; b++) {
		if (r->brokers & 1u << b)
			r->order[n++] = (uint8_t)b;
	}
	for (uint32_t k = n; k > 1; k--) {
		uint32_t other = dice(w, k);
		uint8_t b = r->order[k - 1];

		r->order[k - 1] = r->order[other];
		r->order[other] = b;
	}
	r->fanout = chance(w, 550) ? PW_FANOUT_ALL : (enum pw_fanout)(1 + dice(w, 3));
	r->hash_by_topic = chance(w, 300);
	r->ack = (enum pw_ack_rule)dice(w, 4);
	r->quorum = r->fanout == PW_FANOUT_ALL ? range(w, 1, n) : 1;
	r->when_full_qos0 = (enum pw_when_full)dice(w, 3);
	r->when_full_qos1 = chance(w, 500) ? PW_WHEN_FULL_BLOCK : (enum pw_when_full)dice(w, 3);
	r->pool_size = chance(w, 150) ? 2 : 1;
	if (chance(w, 200)) {
		snprintf(r->prefix_remove, sizeof(r->prefix_remove), "r%u/", i);
		snprintf(r->prefix_add, sizeof(r->prefix_add), "other/r%u/", i);
	}
}

static void
draw_limits(struct world *w)
{
	struct pw_limits_conf *l = &w->set.limits;

	l->max_connections = 64;
	l->max_queued_messages = 32u << dice(w, 4);
	l->receive_maximum = chance(w, 300) ? range(w, 1, 5) : range(w, 10, 64);
	l->copy_break = chance(w, 500) ? 256 : 0;
	l->topic_alias_maximum = chance(w, 700) ? 8 : 0;
	l->connect_deadline = range(w, 1000, 5000);
	l->drain_deadline = range(w, 500, 4000);
	if (chance(w, 150))
		l->message_rate = range(w, 20, 200);
	if (chance(w, 100))
		l->byte_rate = range(w, 20000, 200000);
	if (chance(w, 100))
		w->set.listener[0].max_connections = w->plan.nb_devices + dice(w, 3);
	if (chance(w, 100))
		w->set.listener[0].connect_rate = range(w, 3, 20);
}

static void
draw_device(struct world *w, uint32_t i)
{
	static const uint32_t weights[][3] = {
		{1, 1, 1}, {0, 1, 0}, {0, 0, 1}, {1, 4, 4}, {3, 1, 0}};
	struct device_plan *p = &w->device[i].plan;

	*p = (struct device_plan){.version = (uint8_t)(chance(w, 50) ? 3 : 4 + dice(w, 2))};
	p->clean = p->version == 3 || chance(w, 300);
	p->expiry = chance(w, 800) ? range(w, 20, 4000) : 0;
	if (chance(w, 100))
		p->expiry = range(w, 1, 3);
	p->user = w->plan.passwords ? 1 + dice(w, 2) : 0;
	p->wrong = chance(w, 300) ? range(w, 50, 500) : 0;
	p->keepalive = chance(w, 700) ? (uint16_t)range(w, 2, 30) : 0;
	p->wills = chance(w, 300);
	p->will_delay = chance(w, 400) ? range(w, 1, 4) : 0;
	p->moves = w->plan.nb_workers > 1 && chance(w, 500);
	p->pause = chance(w, 300) ? range(w, 1, 20) * MS : range(w, 50, 600) * MS;
	p->burst = chance(w, 500) ? 1 : range(w, 2, 12);
	p->runs = chance(w, 500) ? 0 : range(w, 50, 500);
	p->crumbs = chance(w, 250) ? range(w, 50, 1000) : 0;
	p->large = chance(w, 60) ? range(w, 10, 100) : 0;
	memcpy(p->qos, weights[dice(w, RTE_DIM(weights))], sizeof(p->qos));
	p->aliases = chance(w, 500);
}

static void
draw_faults(struct world *w)
{
	struct plan *p = &w->plan;

	p->calm_at = w->now + range(w, 2000, 15000) * MS;
	p->fault_every = chance(w, 100) ? 0 : range(w, 50, 1500) * MS;
	p->faults = (1u << FAULT_MAX) - 1;
	/* Some histories have a few kinds of faults only, and more of each. */
	if (chance(w, 500))
		p->faults = (uint32_t)(sim_rng_next(&w->rng) & sim_rng_next(&w->rng)) & p->faults;
	p->drain_at = p->restart_at = NEVER;
	p->idle = chance(w, 150);
	if (chance(w, 150))
		p->restart_at = w->now + range(w, 200, 10000) * MS;
	if (chance(w, 120))
		p->drain_at = w->now + range(w, 500, 15000) * MS;
}

void
plan_draw(struct world *w, uint64_t seed)
{
	struct plan *p = &w->plan;

	*p = (struct plan){.seed = seed};
	w->rng.s = seed;
	w->dice.s = ~seed;
	pw_forward_defaults(&w->set);
	snprintf(w->set.instance, sizeof(w->set.instance), "sim");
	w->set.nb_listeners = 1;
	w->set.listener[0] = (struct pw_listener_conf){.name = "main", .port = PORT};
	draw_workers(w);
	draw_wires(w);
	p->nb_brokers = range(w, 1, BROKERS);
	p->nb_devices = range(w, 1, DEVICES);
	p->nb_routes = range(w, 1, ROUTES);
	p->nb_messages = range(w, 20, 500);
	w->set.nb_brokers = p->nb_brokers;
	w->set.nb_routes = p->nb_routes;
	draw_limits(w);
	for (uint32_t i = 0; i < p->nb_brokers; i++)
		draw_broker(w, i);
	for (uint32_t i = 0; i < p->nb_routes; i++)
		draw_route(w, i);
	for (uint32_t i = 0; i < p->nb_devices; i++)
		draw_device(w, i);
	draw_faults(w);
	reload_draw(w);
}

static const char *
role_text(uint8_t role)
{
	return role == PW_ROLE_DEVICES ? "devices" : role == PW_ROLE_BROKERS ? "brokers" : "both";
}

void
plan_print(struct world *w)
{
	static const char *const fanout[] = {"all", "hash", "failover", "round_robin"};
	static const char *const ack[] = {"all", "any", "quorum", "local"};
	static const char *const full[] = {"block", "drop", "detach"};
	const struct plan *p = &w->plan;
	const struct pw_limits_conf *l = &w->set.limits;

	printf("seed %" PRIu64 "\n", p->seed);
	for (uint32_t k = 0; k < p->nb_workers; k++)
		printf("worker %u: %s\n", k, role_text(p->role[k]));
	printf("wires: %u us to devices, %u us to brokers; per mille lost %u, twice %u, "
	       "overtaken %u\n",
	       (uint32_t)(p->device_delay / US), (uint32_t)(p->broker_delay / US), p->loss, p->dup,
	       p->reorder);
	printf("log %u messages, Receive Maximum %u, copy break %u, %u messages/s, %u bytes/s\n",
	       l->max_queued_messages, l->receive_maximum, l->copy_break, l->message_rate,
	       l->byte_rate);
	for (uint32_t i = 0; i < p->nb_brokers; i++) {
		const struct broker_plan *b = &w->broker[i].plan;
		const struct pw_broker_conf *c = &w->set.broker[i];

		printf("b%u: %s, Receive Maximum %u, packets up to %u, QoS up to %u%s; answers "
		       "within %u us; per mille out of turn %u, errors %u, quota %u, cuts %u, "
		       "halves %u; hold %u messages, %u bytes; window %u\n",
		       i,
		       b->only == 0   ? "any version"
		       : b->only == 5 ? "5.0 only"
				      : "3.1.1 only",
		       b->receive, b->max_packet, b->max_qos, b->no_retain ? ", no retain" : "",
		       (uint32_t)(b->delay / US), b->reorder, b->errors, b->quota, b->cuts,
		       b->halves, c->hold_messages, c->hold_bytes, c->max_inflight_messages);
	}
	for (uint32_t i = 0; i < p->nb_routes; i++) {
		const struct pw_route_conf *r = &w->set.route[i];

		printf("%s: brokers 0x%x, fanout %s, ack %s %u, when full %s, QoS 0 %s, pool %u\n",
		       r->filter, r->brokers, fanout[r->fanout], ack[r->ack], r->quorum,
		       full[r->when_full_qos1], full[r->when_full_qos0], r->pool_size);
	}
	for (uint32_t i = 0; i < p->nb_devices; i++) {
		const struct device_plan *d = &w->device[i].plan;

		printf("d%u: version %u%s, expiry %u s, keepalive %u s%s%s, up to %u messages "
		       "within %u ms\n",
		       i, d->version, d->clean ? ", clean" : "", d->expiry, d->keepalive,
		       d->wills ? ", wills" : "", d->moves ? ", moves" : "", d->burst,
		       (uint32_t)(2 * d->pause / MS));
	}
}
