/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * micro_match: cycles that a topic costs by the number of routes and of ACL rules it is held
 * against. Topics are drawn at random; each is matched by one filter: any, or the last of all. A
 * figure is the median of repetitions, the tenth and the ninetieth percentile beside it.
 *
 *     micro_match [-s]      -s: short, to see that it runs
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>

#include <pubwire/mqtt/topic.h>

#include "access_pvt.h"
#include "eal.h"
#include "routes_pvt.h"
#include "sim_rng.h"

#define MAX_FILTERS 1000
#define TOPICS	    256 /* of each shape */
#define LOOKUPS	    64	/* in a repetition: few enough not to be interrupted */
#define MAX_REPEAT  1001

/* How filters are written; a number stands where %u does. */
struct shape {
	const char *name;
	const char *filter;
	bool pattern; /* %c stands for the client identifier */
};

static const struct shape shapes[] = {
	{"plant/N/line/12/press", "plant/%u/line/12/press", false},
	{"plant/N/#", "plant/%u/#", false},
	{"plant/+/line/N/press", "plant/+/line/%u/press", false},
	{"plant/N/+/12/#", "plant/%u/+/12/#", false},
};

static uint32_t repeat = MAX_REPEAT, lookups = LOOKUPS;
static char filter[MAX_FILTERS][64];
static char topic[TOPICS][64];
static uint32_t topic_len[TOPICS];
static struct pw_forward_settings set;
static struct pw_routes routes;
static struct pw_access_rule rule[MAX_FILTERS];
static struct pw_access access_table = {.acl = true, .rule = rule};

static int
by_value(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static void
print(const char *what, const struct shape *s, uint32_t n, const char *which, uint32_t *v)
{
	qsort(v, repeat, sizeof(*v), by_value);
	printf("%-7s %5u  %-22s %-6s %6u  (%u..%u)  %.0f ns\n", what, n, s->name, which,
	       v[repeat / 2], v[repeat / 10], v[repeat - 1 - repeat / 10],
	       v[repeat / 2] * 1e9 / (double)rte_get_tsc_hz());
}

/* Numbers of three digits, so that no length tells them apart. */
static void
name(const struct shape *s, uint32_t n, bool worst)
{
	struct sim_rng rng = {.s = n};

	for (uint32_t i = 0; i < n; i++)
		snprintf(filter[i], sizeof(filter[i]), s->filter, 1000 + i);
	for (uint32_t i = 0; i < TOPICS; i++) {
		uint32_t k = 1000 + (worst ? n - 1 : sim_rng_below(&rng, n));
		bool late = strstr(s->filter, "+/line") != NULL;

		topic_len[i] =
			(uint32_t)snprintf(topic[i], sizeof(topic[i]), "plant/%u/line/%u/press",
					   late ? 1000 + i : k, late ? k : 12);
	}
}

static void
routes_of(const struct shape *s, uint32_t n, bool worst)
{
	uint32_t v[MAX_REPEAT];

	name(s, n, worst);
	pw_forward_defaults(&set);
	set.nb_brokers = 1;
	snprintf(set.broker[0].name, sizeof(set.broker[0].name), "b");
	set.nb_routes = n;
	for (uint32_t i = 0; i < n; i++) {
		memcpy(set.route[i].filter, filter[i], sizeof(filter[i]));
		set.route[i].brokers = 1;
		set.route[i].pool_size = 1;
	}
	if (pw_routes_compile(&routes, &set) < 0)
		exit(1);
	for (uint32_t r = 0; r < repeat; r++) {
		struct sim_rng rng = {.s = r};
		uint64_t start = rte_rdtsc_precise();
		uint32_t found = 0;

		for (uint32_t i = 0; i < lookups; i++) {
			uint32_t k = sim_rng_below(&rng, TOPICS);

			found += pw_routes_find(&routes, (const uint8_t *)topic[k], topic_len[k]) !=
				 NULL;
		}
		v[r] = (uint32_t)((rte_rdtsc_precise() - start) / lookups);
		if (found != lookups)
			exit(1);
	}
	print("routes", s, n, worst ? "last" : "any", v);
}

static void
rules_of(const struct shape *s, uint32_t n, bool worst)
{
	struct pw_access_who who = {.user = PW_ACCESS_NOBODY};
	uint32_t v[MAX_REPEAT];

	name(s, n, worst);
	for (uint32_t i = 0; i < n; i++)
		rule[i] = (struct pw_access_rule){
			.filter = (const uint8_t *)filter[i],
			.marks = pw_mqtt_filter_marks((const uint8_t *)filter[i],
						      (uint32_t)strlen(filter[i])),
			.len = (uint16_t)strlen(filter[i]),
			.verdict = PW_ACCESS_ALLOW};
	access_table.of_anonymous.n = n;
	for (uint32_t r = 0; r < repeat; r++) {
		struct sim_rng rng = {.s = r};
		uint64_t start = rte_rdtsc_precise();
		uint32_t found = 0;

		for (uint32_t i = 0; i < lookups; i++) {
			uint32_t k = sim_rng_below(&rng, TOPICS);

			found += pw_access_may_publish(&access_table, &who,
						       (const uint8_t *)topic[k], topic_len[k]);
		}
		v[r] = (uint32_t)((rte_rdtsc_precise() - start) / lookups);
		if (found != lookups)
			exit(1);
	}
	print("rules", s, n, worst ? "last" : "any", v);
}

int
main(int argc, char **argv)
{
	static const uint32_t nb_routes[] = {1, 10, 100, 256}, nb_rules[] = {10, 100, 1000};

	if (argc > 1 && strcmp(argv[1], "-s") == 0) {
		repeat = 1;
		lookups = 4;
	}
	test_eal_init();
	printf("cycles to find a route, or to judge by rules\n");
	for (uint32_t i = 0; i < RTE_DIM(shapes); i++) {
		for (uint32_t k = 0; k < RTE_DIM(nb_routes); k++) {
			routes_of(&shapes[i], nb_routes[k], false);
			routes_of(&shapes[i], nb_routes[k], true);
		}
		for (uint32_t k = 0; k < RTE_DIM(nb_rules); k++) {
			rules_of(&shapes[i], nb_rules[k], false);
			rules_of(&shapes[i], nb_rules[k], true);
		}
	}
	return 0;
}
