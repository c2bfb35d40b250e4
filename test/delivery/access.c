/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Passwords and rules. Two users: anybody may publish anything, but "b" not by the first route.
 * Passwords are verified after a while, as by another lcore.
 */
#include <errno.h>
#include <string.h>

#include <rte_common.h>

#include "world.h"

#define RULE(text, verdict_)                                                                       \
	{                                                                                          \
		.filter = (const uint8_t *)(text), .len = sizeof(text) - 1, .verdict = verdict_    \
	}
#define USER(text, first, n)                                                                       \
	{                                                                                          \
		.name = (const uint8_t *)(text), .len = sizeof(text) - 1, .rules = { first, n }    \
	}

static const struct pw_access_rule rules[] = {
	RULE("r0/#", PW_ACCESS_DENY),	 RULE("r0/#", PW_ACCESS_ALLOW),
	RULE("r1/#", PW_ACCESS_ALLOW),	 RULE("r2/#", PW_ACCESS_ALLOW),
	RULE("none/#", PW_ACCESS_ALLOW),
};
static const struct pw_access_user users[] = {USER("a", 1, 4), USER("b", 0, 1)};
static uint32_t places[8];
static const struct pw_access tables = {
	.passwords = true,
	.acl = true,
	.user = users,
	.nb_users = RTE_DIM(users),
	.index = places,
	.mask = RTE_DIM(places) - 1,
	.rule = rules,
	.of_all = {1, 4},
};

const char access_password[] = "open sesame";

const struct pw_access *
access_tables(void)
{
	memset(places, 0, sizeof(places));
	for (uint32_t u = 0; u < RTE_DIM(users); u++) {
		uint32_t at = pw_access_place(users[u].name, users[u].len);

		while (places[at % RTE_DIM(places)] != 0)
			at++;
		places[at % RTE_DIM(places)] = u + 1;
	}
	return &tables;
}

struct pw_mqtt_str
access_user(const struct device *d)
{
	const struct pw_access_user *u = &users[d->plan.user - 1];

	return (struct pw_mqtt_str){u->name, u->len};
}

bool
access_denies(const struct world *w, const struct device *d, uint32_t route)
{
	return w->plan.passwords && d->plan.user == 2 && route == 0;
}

int
access_ask(struct world *w, const struct pw_auth_request *r)
{
	struct question *q = &w->question[w->nb_questions];

	if (w->nb_questions == QUESTIONS)
		return -ENOBUFS;
	q->at = w->now + sim_rng_range(&w->rng, 1, 80) * MS;
	q->worker = r->worker;
	q->answer = (struct pw_auth_answer){.session = r->session, .verdict = PW_AUTH_BAD};
	if (r->user != PW_ACCESS_NOBODY && r->len == sizeof(access_password) - 1 &&
	    memcmp(r->password, access_password, r->len) == 0)
		q->answer.verdict = chance(w, 20) ? PW_AUTH_BUSY : PW_AUTH_GOOD;
	w->nb_questions++;
	return 0;
}

uint64_t
access_next(const struct world *w)
{
	uint64_t at = NEVER;

	for (uint32_t i = 0; i < w->nb_questions; i++)
		at = RTE_MIN(at, w->question[i].at);
	return at;
}

void
access_answer(struct world *w)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < w->nb_questions; i++) {
		struct question q = w->question[i];

		if (q.at > w->now)
			w->question[kept++] = q;
		else
			pw_forward_authenticated(w->forward[q.worker], &q.answer,
						 worker_clock(w, q.worker));
	}
	w->nb_questions = kept;
}
