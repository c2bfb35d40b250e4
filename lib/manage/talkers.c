/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The devices that send most. Sessions say how many messages they have sent; a sweep goes over all
 * of them, some at a time between the main lcore's other jobs, and holds each against what it had
 * at the sweep before. So the rate of a device is that between two sweeps, which are a second
 * apart, or as long as a sweep takes where there are very many. Nothing is swept unless somebody
 * looks.
 */

#include <string.h>

#include <rte_common.h>

#include "metrics_pvt.h"
#include "telemetry_pvt.h"

#define STEP_SESSIONS 1024	   /* at once; about half a millisecond */
#define STEP_NS	      20000000u	   /* between steps */
#define PAUSE_NS      1000000000u  /* between the beginnings of sweeps */
#define WATCHED_NS    10000000000u /* after the page was asked for */

size_t
talkers_bytes(const struct metrics_shape *s)
{
	return (size_t)s->device_workers * s->sessions * sizeof(struct talker_seen);
}

/* Into the list, which stays ordered; the last one falls out. */
static void
consider(struct talkers *t, const struct pw_session_info *info, uint64_t gained, uint64_t ms)
{
	struct talker *row = t->next;
	uint64_t rate = gained * 1000000 / RTE_MAX(ms, UINT64_C(1));
	uint32_t at = t->nb_next;

	while (at > 0 && row[at - 1].rate < rate)
		at--;
	if (at == t->most)
		return;
	t->nb_next = RTE_MIN(t->nb_next + 1, t->most);
	memmove(&row[at + 1], &row[at], (t->nb_next - 1 - at) * sizeof(*row));
	row[at] = (struct talker){.rate = rate, .info = *info};
}

static void
visit(struct talkers *t, struct talker_seen *seen, const struct pw_session_info *info, uint64_t now)
{
	uint64_t gained = info->messages;

	/* Fewer than before: another device stands there, and all of its messages are new. */
	if (gained >= seen->messages)
		gained -= seen->messages;
	/* At the first sight nobody knows since when. */
	if (seen->at != 0 && gained != 0)
		consider(t, info, gained, (now - seen->at) / 1000000);
	*seen = (struct talker_seen){.messages = info->messages, .at = now};
}

static void
publish(struct talkers *t)
{
	memcpy(t->shown, t->next, sizeof(t->shown));
	t->nb_shown = t->nb_next;
	t->nb_next = 0;
	t->worker = t->at = 0;
}

void
talkers_step(struct metrics *m, uint64_t now)
{
	static struct pw_session_info info[64]; /* too large for a stack */
	struct talkers *t = &m->talkers;

	if (t->most == 0 || now > t->watched_until || now < t->step_at)
		return;
	t->step_at = now + STEP_NS;
	if (t->worker == 0 && t->at == 0) {
		if (now < t->begin_at)
			return;
		t->begin_at = now + PAUSE_NS;
	}
	for (uint32_t left = STEP_SESSIONS; left > 0;) {
		const struct pw_forward *f =
			pw_fleet_forward(m->src->fleet, m->device_worker[t->worker]);
		struct talker_seen *seen = &t->seen[(size_t)t->worker * m->shape.sessions];
		uint32_t n = pw_forward_session_list(f, &t->at, info,
						     RTE_MIN(left, (uint32_t)RTE_DIM(info)));

		for (uint32_t i = 0; i < n; i++)
			if (info[i].index < m->shape.sessions)
				visit(t, &seen[info[i].index], &info[i], now);
		left -= n;
		if (n == RTE_DIM(info) || left == 0)
			continue;
		t->at = 0;
		if (++t->worker == m->shape.device_workers) {
			publish(t);
			return;
		}
	}
}

void
talkers_watch(struct metrics *m, uint64_t now)
{
	struct talkers *t = &m->talkers;

	/* What was found before nobody looked is old. */
	if (now > t->watched_until)
		t->nb_shown = 0;
	t->watched_until = now + WATCHED_NS;
}
