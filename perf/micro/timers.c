/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The timing wheel by the number of timers on it: one armed that was idle, one moved (what each
 * segment does to its connection's), one cancelled, one fired. Those that are used are drawn at
 * random, so with many of them their nodes come from memory, as those of connections do.
 */
#include <stdlib.h>
#include <string.h>

#include <pubwire/base/wheel.h>

#include "micro.h"

#define TICK UINT64_C(1000000)
#define NODE 64 /* nodes lie in objects of at least a cache line */
#define NEAR 16 /* ticks in which a burst of timers fires */

struct timers {
	struct pw_wheel wheel;
	uint8_t *node;
	uint32_t count;
	uint64_t now;
	uint64_t rng;
	uint32_t fired;
	struct pw_timer *drawn[MICRO_BURST];
	struct micro_figure *arm, *move, *cancel, *fire, *advance;
};

static uint32_t
draw(struct timers *t, uint32_t below)
{
	t->rng = t->rng * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)((t->rng >> 32) * below >> 32);
}

static struct pw_timer *
timer(struct timers *t, uint32_t i)
{
	return (struct pw_timer *)(t->node + (size_t)i * NODE);
}

/* Far enough away that none of those fires that are only there. */
static uint64_t
far(struct timers *t)
{
	return t->now + TICK * (1000000 + draw(t, 1000000));
}

static void
fired(void *ctx, struct pw_timer *timer, uint64_t now)
{
	struct timers *t = ctx;

	(void)timer;
	(void)now;
	t->fired++;
}

static void
round_of(void *ctx)
{
	struct timers *t = ctx;
	uint64_t start, expiry[MICRO_BURST];

	for (uint32_t i = 0; i < MICRO_BURST; i++) {
		/* Each of its own part, so that none is drawn twice. */
		uint32_t part = t->count / MICRO_BURST;

		t->drawn[i] = timer(t, i * part + draw(t, part));
		expiry[i] = t->now + TICK * (20 + draw(t, 2000));
	}
	start = micro_time();
	for (uint32_t i = 0; i < MICRO_BURST; i++)
		pw_wheel_arm(&t->wheel, t->drawn[i], expiry[i]);
	micro_round(t->move, start, micro_time());
	start = micro_time();
	for (uint32_t i = 0; i < MICRO_BURST; i++)
		pw_wheel_cancel(&t->wheel, t->drawn[i]);
	micro_round(t->cancel, start, micro_time());
	for (uint32_t i = 0; i < MICRO_BURST; i++)
		expiry[i] = t->now + TICK * (1 + draw(t, NEAR));
	start = micro_time();
	for (uint32_t i = 0; i < MICRO_BURST; i++)
		pw_wheel_arm(&t->wheel, t->drawn[i], expiry[i]);
	micro_round(t->arm, start, micro_time());
	t->fired = 0;
	t->now += TICK * (NEAR + 1);
	start = micro_time();
	(void)pw_wheel_advance(&t->wheel, t->now, UINT32_MAX, fired, t);
	micro_round(t->fire, start, micro_time());
	if (t->fired != MICRO_BURST)
		micro_die("timers: another number of them fired");
	/* A turn of the loop in which the tick is still the same. */
	start = micro_time();
	for (uint32_t i = 0; i < MICRO_BURST; i++)
		(void)pw_wheel_advance(&t->wheel, t->now, UINT32_MAX, fired, t);
	micro_round(t->advance, start, micro_time());
	for (uint32_t i = 0; i < MICRO_BURST; i++)
		pw_wheel_arm(&t->wheel, t->drawn[i], far(t));
}

static struct timers *
timers_of(uint32_t count, const char *name, struct micro_case *c)
{
	struct timers *t = calloc(1, sizeof(*t));
	const char *cache = count > 1000 ? "random" : "warm";

	if (t == NULL || posix_memalign((void **)&t->node, NODE, (size_t)count * NODE) != 0)
		micro_die("no memory");
	memset(t->node, 0, (size_t)count * NODE);
	t->count = count;
	t->rng = count;
	t->now = TICK;
	pw_wheel_init(&t->wheel, t->now, TICK);
	for (uint32_t i = 0; i < count; i++)
		pw_wheel_arm(&t->wheel, timer(t, i), far(t));
	t->move = micro_figure("timer-move", "timer", cache, 0, MICRO_BURST, "%s", name);
	t->cancel = micro_figure("timer-cancel", "timer", "warm", 0, MICRO_BURST, "%s", name);
	t->arm = micro_figure("timer-arm", "timer", "warm", 0, MICRO_BURST, "%s", name);
	t->fire = micro_figure("timer-fire", "timer", "warm", 0, MICRO_BURST, "%s", name);
	t->advance = micro_figure("timer-advance", "advance", "warm", 0, MICRO_BURST, "%s", name);
	*c = (struct micro_case){round_of, t, {t->move, t->cancel, t->arm, t->fire, t->advance}, 5};
	return t;
}

void
micro_timers(void)
{
	struct timers *t[3];
	struct micro_case c[3];
	uint32_t n = 0;

	t[n] = timers_of(1000, "1k", &c[n]);
	n++;
	t[n] = timers_of(100000, "100k", &c[n]);
	n++;
	if (!micro_options.brief) {
		t[n] = timers_of(1000000, "1M", &c[n]);
		n++;
	}
	micro_repeat(c, n);
	while (n-- > 0) {
		free(t[n]->node);
		free(t[n]);
	}
}
