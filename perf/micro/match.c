/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a topic costs by the number of routes and of ACL lines that it is held against. The last one
 * matches, all differ in one level (N), topics are drawn at random.
 */
#include <stdio.h>
#include <string.h>

#include <pubwire/mqtt/topic.h>

#include "access_pvt.h"
#include "micro.h"
#include "routes_pvt.h"
#include "sim_rng.h"

#define MAX_FILTERS 1000
#define TOPICS	    256 /* of each shape */

/* How filters are written: N is a number, of three digits so that no length tells them apart. */
struct shape {
	const char *name;
	const char *filter;
	bool late; /* N stands behind a wildcard */
};

static const struct shape shapes[] = {
	{"plant/N/line/12/press", "plant/%u/line/12/press", false},
	{"plant/N/#", "plant/%u/#", false},
	{"plant/+/line/N/press", "plant/+/line/%u/press", true},
	{"plant/N/+/12/#", "plant/%u/+/12/#", false},
};

/* One set of filters; the topics that the last of them matches. */
struct matching {
	char filter[MAX_FILTERS][32];
	char topic[TOPICS][64];
	uint32_t topic_len[TOPICS];
	struct sim_rng rng;
	struct micro_figure *figure;
};

static struct matching matching;
static struct pw_forward_settings set;
static struct pw_routes routes;
static struct pw_access_rule rule[MAX_FILTERS];
static struct pw_access access_table = {.acl = true, .rule = rule};

static void
name(struct matching *x, const struct shape *s, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		snprintf(x->filter[i], sizeof(x->filter[i]), s->filter, 1000 + i);
	for (uint32_t i = 0; i < TOPICS; i++) {
		uint32_t last = 1000 + n - 1;

		x->topic_len[i] = (uint32_t)snprintf(
			x->topic[i], sizeof(x->topic[i]), "plant/%u/line/%u/press",
			s->late ? 1000 + i : last, s->late ? last : 12);
	}
	x->rng.s = n;
}

static void
round_of_routes(void *ctx)
{
	struct matching *x = ctx;
	uint64_t start = micro_time();
	uint32_t found = 0;

	for (uint32_t i = 0; i < MICRO_BURST; i++) {
		uint32_t k = sim_rng_below(&x->rng, TOPICS);

		found += pw_routes_find(&routes, (const uint8_t *)x->topic[k], x->topic_len[k]) !=
			 NULL;
	}
	micro_round(x->figure, start, micro_time());
	if (found != MICRO_BURST)
		micro_die("a topic has no route");
}

static void
routes_of(const struct shape *s, uint32_t n)
{
	struct micro_case c = {round_of_routes, &matching, {NULL}, 1};

	name(&matching, s, n);
	pw_forward_defaults(&set);
	set.nb_brokers = 1;
	snprintf(set.broker[0].name, sizeof(set.broker[0].name), "b");
	set.nb_routes = n;
	for (uint32_t i = 0; i < n; i++) {
		memcpy(set.route[i].filter, matching.filter[i], sizeof(matching.filter[i]));
		set.route[i].brokers = 1;
		set.route[i].pool_size = 1;
	}
	if (pw_routes_compile(&routes, &set) < 0)
		micro_die("the routes are refused");
	c.figure[0] = matching.figure =
		micro_figure("route", "topic", "warm", 0, MICRO_BURST, "%u %s", n, s->name);
	micro_repeat(&c, 1);
}

static void
round_of_rules(void *ctx)
{
	struct pw_access_who who = {.user = PW_ACCESS_NOBODY};
	struct matching *x = ctx;
	uint64_t start = micro_time();
	uint32_t found = 0;

	for (uint32_t i = 0; i < MICRO_BURST; i++) {
		uint32_t k = sim_rng_below(&x->rng, TOPICS);

		found += pw_access_may_publish(&access_table, &who, (const uint8_t *)x->topic[k],
					       x->topic_len[k]);
	}
	micro_round(x->figure, start, micro_time());
	if (found != MICRO_BURST)
		micro_die("a topic is not allowed");
}

static void
rules_of(const struct shape *s, uint32_t n)
{
	struct micro_case c = {round_of_rules, &matching, {NULL}, 1};

	name(&matching, s, n);
	for (uint32_t i = 0; i < n; i++) {
		const uint8_t *filter = (const uint8_t *)matching.filter[i];
		uint32_t len = (uint32_t)strlen(matching.filter[i]);

		rule[i] = (struct pw_access_rule){
			.filter = filter,
			.marks = pw_mqtt_filter_marks(filter, len),
			.len = (uint16_t)len,
			.verdict = PW_ACCESS_ALLOW,
		};
	}
	access_table.of_anonymous.n = n;
	c.figure[0] = matching.figure =
		micro_figure("acl", "topic", "warm", 0, MICRO_BURST, "%u %s", n, s->name);
	micro_repeat(&c, 1);
}

void
micro_match(void)
{
	static const uint32_t nb_routes[] = {1, 10, 100, 256}, nb_rules[] = {10, 100, 1000};

	for (uint32_t i = 0; i < RTE_DIM(shapes); i++) {
		for (uint32_t k = 0; k < RTE_DIM(nb_routes); k++)
			routes_of(&shapes[i], nb_routes[k]);
		for (uint32_t k = 0; k < RTE_DIM(nb_rules); k++)
			rules_of(&shapes[i], nb_rules[k]);
	}
}
