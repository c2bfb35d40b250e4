/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The phases, and the turn that all of them share: what has come, then what is due. Without a rate
 * nothing is sent while the window of messages is full, so that what is found is what the
 * forwarder takes without loss.
 */
#include <stdio.h>
#include <string.h>

#include <rte_common.h>

#include "gen.h"
#include "now.h"
#include "socket.h"

#define BATCH	       64 /* messages of a turn */
#define READY_DEADLINE (20 * NOW_S)
#define SILENCE	       (3 * NOW_S) /* nothing came for so long: nothing will */

static const char *const phase_text[] = {
#define GEN_PHASE_TEXT(name, text) text,
	GEN_PHASES(GEN_PHASE_TEXT)
#undef GEN_PHASE_TEXT
};

static void
enter(struct gen *g, enum gen_phase phase, uint64_t length)
{
	g->phase = phase;
	g->since = g->progress = g->now;
	g->deadline = g->now + length;
	g->came = 0;
	if (!g->a->o.quiet)
		fprintf(stderr, "sockgen: begins: %s\n", phase_text[phase]);
}

static void
fail(struct gen *g, const char *why)
{
	g->failure = why;
	enter(g, GEN_DONE, 0);
}

/* Of what comes twice, one: the other does not stand for one that is still on its way. */
static uint64_t
delivered(const struct gen *g)
{
	return (g->brokers.count.messages - brokers_counts(&g->brokers).duplicate) /
	       g->a->o.brokers;
}

static bool
silent(struct gen *g, uint64_t came)
{
	if (came != g->came) {
		g->came = came;
		g->progress = g->now;
	}
	return g->now - g->progress > SILENCE;
}

/* Sending. */

static uint32_t
send_most(struct gen *g)
{
	uint64_t out = g->clients.messages - delivered(g);
	uint32_t room = out < g->a->o.window ? g->a->o.window - (uint32_t)out : 0, n, sent;

	n = g->a->o.per_segment == 1 ? RTE_MIN(room, (uint32_t)BATCH) : RTE_MIN(room, 8u * BATCH);
	sent = n > 0 ? clients_publish(&g->clients, n, g->now, 0) : 0;
	g->turns++;
	g->full_turns += sent < BATCH / 2;
	return sent;
}

/* What is due by the clock, stamped with when it was, so that a wait counts as latency. */
static uint32_t
send_due(struct gen *g)
{
	double step = (double)NOW_S / (double)g->a->o.rate;
	uint32_t n, sent;

	if ((double)g->now < g->pace)
		return 0;
	n = (uint32_t)RTE_MIN(((double)g->now - g->pace) / step + 1, 4.0 * BATCH);
	if (g->phase == GEN_MEASURE)
		g->behind = RTE_MAX(g->behind, g->now - (uint64_t)g->pace);
	sent = clients_publish(&g->clients, n, (uint64_t)g->pace, step);
	g->pace += sent * step;
	g->turns++;
	g->full_turns += sent < n;
	return sent;
}

static uint32_t
send_messages(struct gen *g)
{
	if (g->phase != GEN_WARMUP && g->phase != GEN_MEASURE)
		return 0;
	return g->a->o.rate == 0 ? send_most(g) : send_due(g);
}

/* Phases. */

static void
measure_from_now(struct gen *g)
{
	enter(g, GEN_MEASURE, (uint64_t)(g->a->o.seconds * NOW_S));
	cost_read(&g->from, g->a);
	g->brokers.from = g->since;
	g->brokers.to = g->deadline;
	g->sent_before = g->clients.messages;
	g->turns = g->full_turns = g->busy_ns = 0;
}

static void
measured(struct gen *g)
{
	cost_read(&g->to, g->a);
	g->sent = g->clients.messages - g->sent_before;
	enter(g, GEN_SETTLE, 0);
}

static void
connecting(struct gen *g)
{
	if (g->clients.up == g->clients.n) {
		g->connect_s = (double)(g->now - g->since) / NOW_S;
		g->pace = (double)g->now;
		enter(g, GEN_WARMUP, (uint64_t)(g->a->o.warmup * NOW_S));
		return;
	}
	clients_open(&g->clients);
	if (silent(g, g->clients.up))
		fail(g, "connections are not answered");
}

static void
settling(struct gen *g)
{
	const struct clients *d = &g->clients;

	if ((delivered(g) >= d->messages && (g->a->o.qos == 0 || d->settled >= d->messages)) ||
	    silent(g, g->brokers.count.messages + d->settled))
		enter(g, GEN_DONE, 0);
}

static void
advance(struct gen *g)
{
	bool late = g->now >= g->deadline;

	if (g->clients.failure != NULL) {
		fail(g, g->clients.refused > 0 ? "connections are refused" : g->clients.failure);
		return;
	}
	switch (g->phase) {
	case GEN_BROKERS:
		if (g->a->proxied || brokers_ready(&g->brokers))
			enter(g, GEN_CONNECT, 0);
		else if (late)
			fail(g, "the forwarder does not connect to every broker");
		break;
	case GEN_CONNECT:
		connecting(g);
		break;
	case GEN_WARMUP:
		if (late)
			measure_from_now(g);
		break;
	case GEN_MEASURE:
		if (late)
			measured(g);
		break;
	case GEN_SETTLE:
		settling(g);
		break;
	default:
		break;
	}
}

static void
on_event(void *ctx, struct stream *s, uint32_t events)
{
	struct gen *g = ctx;

	if (s->fd < 0)
		return;
	switch (s->kind) {
	case STREAM_DEVICE:
		client_event(&g->clients, (struct client *)s, events);
		break;
	case STREAM_LISTENER:
		broker_accept(&g->brokers, (struct broker *)s);
		break;
	case STREAM_BROKER:
		broker_event(&g->brokers, (struct broker_conn *)s, events);
		break;
	}
}

void
gen_run(struct gen *g, const bool *stop)
{
	uint64_t before;

	g->now = now_ns();
	enter(g, GEN_BROKERS, READY_DEADLINE);
	while (g->phase != GEN_DONE) {
		uint32_t work = stream_poll(on_event, g);

		work += send_messages(g);
		advance(g);
		before = g->now;
		g->now = now_ns();
		g->busy_ns += work > 0 ? g->now - before : 0;
		if (__atomic_load_n(stop, __ATOMIC_RELAXED) && g->phase != GEN_DONE)
			fail(g, "interrupted");
	}
}

/* Beginning and end. */

int
gen_create(struct gen *g, const struct args *a)
{
	int rc;

	g->a = a;
	rc = stream_init();
	if (rc == 0)
		rc = clients_create(&g->clients, a);
	if (rc < 0) {
		fprintf(stderr, "sockgen: %s\n", strerror(-rc));
		return -1;
	}
	/* The devices' sockets are made while it runs, the brokers' now; accepted ones follow them.
	 */
	if (socket_enter(a->brokers_netns) < 0 || brokers_create(&g->brokers, a) < 0 ||
	    socket_enter(a->devices_netns) < 0)
		return -1;
	return 0;
}

void
gen_destroy(struct gen *g)
{
	clients_destroy(&g->clients);
	brokers_destroy(&g->brokers);
}

uint64_t
gen_lost(const struct gen *g)
{
	uint64_t lost = brokers_counts(&g->brokers).missing;

	for (uint32_t i = 0; i < g->clients.n; i++)
		lost += brokers_lost(&g->brokers, i, g->clients.client[i].seq);
	return lost;
}

bool
gen_clean(const struct gen *g)
{
	const struct order_counts n = brokers_counts(&g->brokers);
	const struct broker_counters *k = &g->brokers.count;

	/* QoS 1 may come twice, but then it says so. */
	return g->failure == NULL && gen_lost(g) == 0 && n.late == 0 && n.stale == 0 &&
	       n.duplicate <= (g->a->o.qos == 1 ? k->marked_dup : 0) && k->corrupt == 0 &&
	       k->wrong_qos == 0 && k->strange == 0 && g->clients.strange == 0 &&
	       (g->a->o.qos == 0 || g->clients.settled == g->clients.messages);
}
