/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The configuration changes while all of this goes on: routes get other pools of connections, so
 * that logs are made, and others deliver what they hold and go. What a message is promised stays as
 * it was. Workers go over one after the other, as they do on lcores of their own.
 */
#include <rte_common.h>

#include <pubwire/forward/edition.h>

#include "world.h"

#define RELOADS 6 /* of a history */

void
reload_draw(struct world *w)
{
	struct reloads *r = &w->reloads;

	/* Dice of its own: histories without a reload are what they were without this. */
	r->rng.s = w->plan.seed ^ UINT64_C(0x72656c6f6164);
	r->left = sim_rng_chance(&r->rng, 400) ? sim_rng_range(&r->rng, 1, RELOADS) : 0;
	r->at = r->left > 0 ? w->now + sim_rng_range(&r->rng, 100, 4000) * MS : NEVER;
}

/* Settings that nobody looks at, as those in force. */
static struct pw_forward_settings *
fresh(struct world *w)
{
	struct reloads *r = &w->reloads;
	const struct pw_forward_settings *now = r->turn > 0 ? &r->set[r->turn % 2] : &w->set;
	struct pw_forward_settings *next = &r->set[(r->turn + 1) % 2];

	*next = *now;
	return next;
}

static void
give(struct world *w, const struct pw_forward_settings *set)
{
	struct pw_edition_conf conf = {
		.settings = set,
		.access = w->plan.passwords ? access_tables() : NULL,
	};

	if (pw_forward_renew(w->shared, &conf) < 0) {
		world_fault(w, "a reload is refused");
		return;
	}
	/* Numbers of sets are used again: their connections may find sessions of those before. */
	for (uint32_t b = 0; b < w->plan.nb_brokers; b++) {
		for (uint32_t i = 0; i < LEGS; i++)
			w->broker[b].kept[i].proven = false;
	}
	w->reloads.turn++;
	w->reloads.running = true;
	for (uint32_t k = 0; k < w->plan.nb_workers; k++)
		w->reloads.pending[k] = true;
}

static void
change(struct world *w)
{
	struct pw_forward_settings *set = fresh(w);
	struct reloads *r = &w->reloads;

	for (uint32_t i = 0; i < set->nb_routes; i++)
		set->route[i].pool_size = sim_rng_range(&r->rng, 1, 3);
	SAY(w, "reload: pools of %u, %u, %u", set->route[0].pool_size, set->route[1].pool_size,
	    set->route[2].pool_size);
	r->at = --r->left > 0 ? w->now + sim_rng_range(&r->rng, 20, 5000) * MS : NEVER;
	w->tally->reloads++;
	give(w, set);
}

static void
go_over(struct world *w)
{
	struct reloads *r = &w->reloads;
	bool left = false;

	for (uint32_t k = 0; k < w->plan.nb_workers; k++) {
		if (r->pending[k] && sim_rng_chance(&r->rng, 300)) {
			pw_forward_adopt(w->forward[k], worker_clock(w, k));
			r->pending[k] = false;
		}
		left |= r->pending[k];
	}
	if (left)
		return;
	pw_forward_renewed(w->shared);
	r->running = false;
}

void
reload_step(struct world *w)
{
	struct reloads *r = &w->reloads;

	if (r->running)
		go_over(w);
	else if (r->turn > 0 && pw_forward_retired(w->shared))
		give(w, fresh(w));
	else if (r->at <= w->now && !w->drained && !w->calm)
		change(w);
}

void
reload_forget(struct world *w)
{
	struct reloads *r = &w->reloads;

	if (r->turn > 0)
		w->set = r->set[r->turn % 2];
	r->turn = 0;
	r->running = false;
}
