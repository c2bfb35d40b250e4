/* SPDX-License-Identifier: BSD-3-Clause */
/* What happens next, and the end. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_common.h>
#include <rte_errno.h>

#include <pubwire/base/log.h>

#include "world.h"

#define MAX_STEPS    400000
#define PATIENCE     (150 * SEC) /* after which all has to be over */
#define QUIET	     (3 * SEC)
#define NOTICED	     (30 * SEC) /* keepalive and ack_timeout of any plan */
#define LEDGER_EVERY 16

void
world_fault(struct world *w, const char *format, ...)
{
	va_list ap;
	int n;

	if (w->fault[0] != '\0')
		return;
	n = snprintf(w->fault, sizeof(w->fault), "at %.6f s: ", (double)(w->now - w->began) / 1e9);
	va_start(ap, format);
	vsnprintf(w->fault + n, sizeof(w->fault) - (size_t)n, format, ap);
	va_end(ap);
	SAY(w, "FAULT %s", w->fault);
}

void
world_say(const struct world *w, const char *format, ...)
{
	va_list ap;

	printf("%11.6f ", (double)(w->now - w->began) / 1e9);
	va_start(ap, format);
	vprintf(format, ap);
	va_end(ap);
	printf("\n");
}

void
world_mark(struct world *w, uint64_t what, uint64_t a, uint64_t b)
{
	const uint64_t words[] = {w->now, what, a, b};

	for (uint32_t i = 0; i < RTE_DIM(words); i++)
		w->digest = (w->digest ^ words[i]) * UINT64_C(0x100000001b3);
}

static uint64_t
next_event(const struct world *w)
{
	uint64_t at = RTE_MIN(wire_next(w), workers_next(w));

	at = RTE_MIN(at, w->fault_at);
	if (w->reloads.running)
		at = RTE_MIN(at, w->now + MS);
	if (!w->calm && !w->drained)
		at = RTE_MIN(at, w->reloads.at);
	if (w->nb_questions > 0)
		at = RTE_MIN(at, access_next(w));
	if (w->famine_until != 0)
		at = RTE_MIN(at, w->famine_until);
	if (!w->drained)
		at = RTE_MIN(at, RTE_MIN(w->plan.drain_at, w->plan.restart_at));
	if (w->pressure_until != 0)
		at = RTE_MIN(at, w->pressure_until);
	for (uint32_t i = 0; i < w->plan.nb_brokers; i++)
		at = RTE_MIN(at, w->broker[i].next);
	for (uint32_t i = 0; i < w->plan.nb_devices; i++)
		at = RTE_MIN(at, w->device[i].next);
	return at;
}

static void
drain(struct world *w)
{
	SAY(w, "pubwire drains");
	w->drained = true;
	w->tally->drains++;
	for (uint32_t k = 0; k < w->plan.nb_workers; k++)
		pw_forward_drain(w->forward[k], worker_clock(w, k));
}

static void
step(struct world *w)
{
	uint64_t at = next_event(w);

	w->steps++;
	w->now = RTE_MAX(w->now + 1, RTE_MIN(at, w->now + SEC));
	if (w->plan.restart_at <= w->now && !w->drained)
		mischief_restart(w);
	workers_advance(w);
	wire_deliver(w);
	if (w->plan.drain_at <= w->now && !w->drained)
		drain(w);
	mischief(w);
	reload_step(w);
	access_answer(w);
	for (uint32_t i = 0; i < w->plan.nb_brokers; i++) {
		if (w->broker[i].next <= w->now)
			broker_act(&w->broker[i]);
	}
	for (uint32_t i = 0; i < w->plan.nb_devices; i++) {
		if (w->device[i].next <= w->now)
			device_act(&w->device[i]);
	}
	if (w->fault[0] == '\0' && workers_turn(w) && w->plan.post_full == 0)
		world_fault(w, "workers that have always something to do");
	if (w->fault[0] == '\0' && w->steps % LEDGER_EVERY == 0)
		inside_ledger(w);
}

static bool
all_drained(const struct world *w)
{
	for (uint32_t k = 0; k < w->plan.nb_workers; k++) {
		if (!pw_forward_drained(w->forward[k]))
			return false;
	}
	return true;
}

static bool
all_done(const struct world *w)
{
	if (w->drained)
		return all_drained(w);
	for (uint32_t i = 0; i < w->plan.nb_devices; i++) {
		const struct device *d = &w->device[i];

		if (d->link == NULL || !d->link->up || d->nb_flight > 0 || d->out_at < d->out_len)
			return false;
	}
	return inside_unfinished(w) == 0;
}

static bool
all_connected(const struct world *w)
{
	return w->drained || inside_connected(w);
}

static bool
goes_on(const struct world *w)
{
	return w->fault[0] == '\0' && w->steps < MAX_STEPS;
}

/* What was cut off unnoticed is noticed; then nothing ends any more. */
static void
rest(struct world *w)
{
	uint64_t until = w->now + NOTICED, before;

	while (w->now < until && goes_on(w) && !w->drained)
		step(w);
	before = inside_ended(w);
	until = w->now + NOTICED;
	while (w->now < until && goes_on(w) && !w->drained)
		step(w);
	if (!w->drained && inside_ended(w) != before && w->fault[0] == '\0')
		world_fault(w, "%" PRIu64 " connections to brokers end though nothing happens",
			    inside_ended(w) - before);
}

/* Turbulence, then calm in which everything has to come to its end. */
static void
run(struct world *w)
{
	uint64_t until;

	while (w->now < w->plan.calm_at && goes_on(w) && !(w->drained && all_drained(w)))
		step(w);
	mischief_ends(w);
	until = w->now + PATIENCE;
	while (w->now < until && goes_on(w) && !all_done(w))
		step(w);
	/* Wills that are delayed, connections that close. */
	until = w->now + 5 * SEC + QUIET;
	while (w->now < until && goes_on(w) && !w->drained)
		step(w);
	if (w->plan.idle)
		rest(w);
	until = w->now + PATIENCE;
	while (w->now < until && goes_on(w) && !(all_done(w) && all_connected(w)))
		step(w);
	if (w->steps == MAX_STEPS)
		world_fault(w, "no end in sight after %u steps", MAX_STEPS);
	else if (!w->drained && w->fault[0] == '\0' && !inside_connected(w))
		world_fault(w, "pubwire is not connected to every broker");
	else if (w->drained && !all_drained(w))
		world_fault(w, "pubwire does not come to the end of its drain");
	if (w->fault[0] == '\0')
		ending(w);
}

/* A clean world; what is reserved once a process stays. */
static void
clear(struct world *w)
{
	struct pw_mem mem = w->mem;
	struct segment *heap = w->heap;
	uint8_t *out[DEVICES], *buf[BROKERS][LEGS];

	for (uint32_t i = 0; i < DEVICES; i++)
		out[i] = w->device[i].out;
	for (uint32_t i = 0; i < BROKERS * LEGS; i++)
		buf[i / LEGS][i % LEGS] = w->broker[i / LEGS].leg[i % LEGS].buf;
	memset(w, 0, sizeof(*w));
	w->mem = mem;
	w->heap = heap;
	for (uint32_t i = 0; i < DEVICES; i++)
		w->device[i].out = out[i];
	for (uint32_t i = 0; i < BROKERS * LEGS; i++)
		w->broker[i / LEGS].leg[i % LEGS].buf = buf[i / LEGS][i % LEGS];
}

static void
end(struct world *w)
{
	workers_down(w);
	if (w->device_tcp != NULL)
		pw_tcp_destroy(w->device_tcp);
	if (w->broker_tcp != NULL)
		pw_tcp_destroy(w->broker_tcp);
	w->device_tcp = w->broker_tcp = NULL;
	wire_clear(w);
	mischief_feed(w);
	if (!pw_mem_full(&w->mem))
		world_fault(w, "buffers are missing after the end");
}

bool
world_play(struct world *w, uint64_t seed, bool verbose, struct tally *tally)
{
	clear(w);
	w->tally = tally;
	w->verbose = verbose;
	w->now = w->began = 1000 * SEC;
	plan_draw(w, seed);
	if (verbose)
		plan_print(w);
	w->fault_at = w->plan.fault_every != 0 ? w->now + w->plan.fault_every : NEVER;
	if (models_up(w) < 0 || workers_up(w) < 0) {
		world_fault(w, "pubwire does not start: %s", rte_strerror(rte_errno));
	} else {
		for (uint32_t i = 0; i < w->plan.nb_brokers; i++)
			broker_begin(w, i);
		for (uint32_t i = 0; i < w->plan.nb_devices; i++)
			device_begin(w, i);
		run(w);
	}
	if (w->fault[0] != '\0' && w->verbose && w->forward[0] != NULL)
		inside_explain(w);
	end(w);
	tally->histories++;
	tally->steps += w->steps;
	return w->fault[0] == '\0';
}

int
world_start(struct world *w)
{
	struct pw_mem_conf conf = {.name = "delivery",
				   .pkt = 16383,
				   .hdr = 4095,
				   .ind = 8191,
				   .socket = SOCKET_ID_ANY};

	w->heap = malloc(SEGMENTS * sizeof(*w->heap));
	if (w->heap == NULL)
		return -1;
	return pw_mem_create(&w->mem, &conf);
}

void
world_stop(struct world *w)
{
	clear(w);
	for (uint32_t i = 0; i < DEVICES; i++)
		free(w->device[i].out);
	for (uint32_t i = 0; i < BROKERS * LEGS; i++)
		free(w->broker[i / LEGS].leg[i % LEGS].buf);
	free(w->heap);
	pw_mem_destroy(&w->mem);
}
