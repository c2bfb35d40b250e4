/* SPDX-License-Identifier: BSD-3-Clause */
/* Which brokers a topic goes to, and the hash of client identifiers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <pubwire/mqtt/topic.h>

#include "hash_pvt.h"
#include "routes_pvt.h"
#include "sim_rng.h"

static struct pw_forward_settings set;
static struct pw_routes routes;

static void
add(const char *filter, uint32_t brokers)
{
	struct pw_route_conf *r = &set.route[set.nb_routes++];

	snprintf(r->filter, sizeof(r->filter), "%s", filter);
	r->brokers = brokers;
}

static uint32_t
brokers_of(const char *topic)
{
	const struct pw_route *r =
		pw_routes_find(&routes, (const uint8_t *)topic, (uint32_t)strlen(topic));

	return r != NULL ? routes.set[r->set].brokers : 0;
}

static int
setup(void **state)
{
	(void)state;
	pw_forward_defaults(&set);
	set.nb_brokers = 3;
	return 0;
}

static void
the_first_route_in_file_order_wins(void **state)
{
	(void)state;
	add("plant/+/alarm", 1);
	add("plant/7/alarm", 2);
	add("plant/#", 4);
	assert_int_equal(pw_routes_compile(&routes, &set), 0);
	assert_int_equal(brokers_of("plant/7/alarm"), 1);
	assert_int_equal(brokers_of("plant/7/heat"), 4);
	assert_int_equal(brokers_of("plant"), 4);
	assert_int_equal(brokers_of("office"), 0);
}

static void
exact_filters_match_bytes_only(void **state)
{
	(void)state;
	add("a/b", 1);
	assert_int_equal(pw_routes_compile(&routes, &set), 0);
	assert_int_equal(brokers_of("a/b"), 1);
	assert_int_equal(brokers_of("a/b/"), 0);
	assert_int_equal(brokers_of("A/b"), 0);
	assert_int_equal(brokers_of("a"), 0);
}

static void
wildcards_leave_dollar_topics_alone(void **state)
{
	(void)state;
	add("#", 1);
	add("$SYS/#", 2);
	assert_int_equal(pw_routes_compile(&routes, &set), 0);
	assert_int_equal(brokers_of("x/y"), 1);
	assert_int_equal(brokers_of("$SYS/load"), 2);
	assert_int_equal(brokers_of("$other"), 0);
}

static void
bad_routes_are_refused(void **state)
{
	(void)state;
	add("a/#/b", 1);
	assert_int_equal(pw_routes_compile(&routes, &set), -EINVAL);
	set.nb_routes = 0;
	add("a", 0);
	assert_int_equal(pw_routes_compile(&routes, &set), -EINVAL);
	set.nb_routes = 0;
	add("a", 8); /* there are three brokers */
	assert_int_equal(pw_routes_compile(&routes, &set), -EINVAL);
	set.nb_routes = 0;
	add("a", 1);
	set.route[0].pool_size = 0;
	assert_int_equal(pw_routes_compile(&routes, &set), -EINVAL);
	set.route[0].pool_size = PW_FORWARD_MAX_POOL + 1;
	assert_int_equal(pw_routes_compile(&routes, &set), -EINVAL);
}

static void
routes_to_the_same_brokers_share_a_set_with_the_largest_pool(void **state)
{
	(void)state;
	add("a", 5);
	add("b", 2);
	add("c", 5);
	set.route[2].pool_size = 4;
	assert_int_equal(pw_routes_compile(&routes, &set), 0);
	assert_int_equal(routes.nb_sets, 2);
	assert_int_equal(routes.nb_logs, 5);
	assert_int_equal(routes.route[0].set, routes.route[2].set);
	assert_int_equal(routes.set[routes.route[0].set].pool_size, 4);
	assert_int_equal(routes.set[routes.route[1].set].first_log, 4);
}

static void
more_logs_than_there_may_be_are_refused(void **state)
{
	(void)state;
	set.nb_brokers = 8;
	for (uint32_t i = 1; i <= 65; i++) {
		char filter[8];

		snprintf(filter, sizeof(filter), "r/%u", i);
		add(filter, i);
		set.route[i - 1].pool_size = 16;
	}
	assert_int_equal(pw_routes_compile(&routes, &set), -E2BIG);
	set.route[64].brokers = 64;
	assert_int_equal(pw_routes_compile(&routes, &set), 0);
	assert_int_equal(routes.nb_logs, PW_FORWARD_MAX_LOGS);
}

/* A filter of up to four levels, or a topic. */
static void
compose(char *out, struct sim_rng *rng, bool filter)
{
	static const char *const level[] = {"a", "b", "plant", "7", "", "+"};
	uint32_t n = 1 + sim_rng_below(rng, 4);

	*out = '\0';
	for (uint32_t i = 0; i < n; i++) {
		strcat(out, i > 0 ? "/" : "");
		strcat(out, level[sim_rng_below(rng, filter ? 6 : 5)]);
	}
	if (filter && sim_rng_below(rng, 3) == 0)
		strcat(out, *out == '\0' ? "#" : "/#");
	if (*out == '\0')
		strcat(out, "x");
}

static void
of_many_routes_the_first_that_matches_has_a_topic(void **state)
{
	struct sim_rng rng = {.s = 5};
	char text[64];
	uint32_t found = 0;

	(void)state;
	for (uint32_t i = 0; i < PW_FORWARD_MAX_ROUTES; i++) {
		compose(text, &rng, true);
		add(text, 1);
	}
	assert_int_equal(pw_routes_compile(&routes, &set), 0);
	for (uint32_t i = 0; i < 20000; i++) {
		const struct pw_route *want = NULL;
		uint32_t len;

		compose(text, &rng, false);
		len = (uint32_t)strlen(text);
		/* Another part of the routes each time: not always an early one. */
		routes.n = 1 + sim_rng_below(&rng, PW_FORWARD_MAX_ROUTES);
		for (uint32_t k = 0; k < routes.n && want == NULL; k++) {
			const struct pw_route *r = &routes.route[k];

			if (pw_mqtt_topic_match((const uint8_t *)r->conf->filter, r->len,
						(const uint8_t *)text, len))
				want = r;
		}
		assert_ptr_equal(pw_routes_find(&routes, (const uint8_t *)text, len), want);
		found += want != NULL && want > &routes.route[4];
	}
	assert_true(found > 100);
}

static void
the_hash_depends_on_key_length_and_every_byte(void **state)
{
	char text[40];
	struct pw_hash128 seen[82];
	uint32_t n = 0;

	(void)state;
	memset(text, 'a', sizeof(text));
	for (uint32_t len = 0; len <= 40; len++)
		seen[n++] = pw_hash128(1, text, len);
	for (uint32_t i = 0; i < 40; i++) {
		text[i] ^= 1;
		seen[n++] = pw_hash128(1, text, 40);
		text[i] ^= 1;
	}
	seen[n++] = pw_hash128(2, text, 40);
	for (uint32_t i = 0; i < n; i++) {
		for (uint32_t k = i + 1; k < n; k++) {
			assert_int_not_equal(seen[i].w[0], seen[k].w[0]);
			assert_int_not_equal(seen[i].w[1], seen[k].w[1]);
		}
	}
	assert_memory_equal(&seen[40], &(struct pw_hash128[]){pw_hash128(1, text, 40)}[0], 16);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(the_first_route_in_file_order_wins, setup),
		cmocka_unit_test_setup(exact_filters_match_bytes_only, setup),
		cmocka_unit_test_setup(wildcards_leave_dollar_topics_alone, setup),
		cmocka_unit_test_setup(bad_routes_are_refused, setup),
		cmocka_unit_test_setup(routes_to_the_same_brokers_share_a_set_with_the_largest_pool,
				       setup),
		cmocka_unit_test_setup(more_logs_than_there_may_be_are_refused, setup),
		cmocka_unit_test_setup(of_many_routes_the_first_that_matches_has_a_topic, setup),
		cmocka_unit_test(the_hash_depends_on_key_length_and_every_byte),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
