/* SPDX-License-Identifier: BSD-3-Clause */
/* Passwords go from device workers to the main lcore, and answers come back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "eal.h"
#include "world.h"

#define DEVICES 12

static const struct pw_access_user users[] = {{.name = (const uint8_t *)"ann", .len = 3}};
static const uint32_t places[2] = {1, 1}; /* she is found wherever one looks */
static const struct pw_access access = {
	.passwords = true,
	.user = users,
	.nb_users = 1,
	.index = places,
	.mask = 1,
};

static uint32_t asked[2]; /* by worker */

/* What the main lcore does. */
static void
serve(struct world *w)
{
	struct pw_auth_request r[3];
	uint32_t n = pw_fleet_auth_get(w->fleet, r, 3);

	for (uint32_t i = 0; i < n; i++) {
		struct pw_auth_answer a = {.session = r[i].session, .verdict = PW_AUTH_BAD};

		assert_int_equal(r[i].user, 0);
		if (r[i].len == 4 && memcmp(r[i].password, "good", 4) == 0)
			a.verdict = PW_AUTH_GOOD;
		asked[r[i].worker]++;
		pw_fleet_auth_put(w->fleet, r[i].worker, &a);
	}
}

static void
devices_of_all_workers_are_let_in_by_their_passwords(void **state)
{
	static const struct world_conf conf = {.workers = 2, .access = &access};
	struct world *w = world_create(&conf);
	uint32_t up = 0;

	(void)state;
	memset(asked, 0, sizeof(asked));
	for (uint32_t i = 0; i < DEVICES; i++) {
		struct model_device *d = &w->device[w->nb_devices++];
		char id[16];

		snprintf(id, sizeof(id), "dev%u", i);
		device_create(d, &w->side[0], "10.1.0.2", "10.1.0.1", 1883, PW_MQTT_3_1_1, id,
			      w->now);
		d->user = "ann";
		d->password = i % 3 == 0 ? "bad" : "good";
	}
	world_run(w, 50);
	for (uint32_t i = 0; i < DEVICES; i++)
		assert_false(w->device[i].connected || w->device[i].gone);
	for (uint32_t i = 0; i < 200; i++) {
		serve(w);
		world_run(w, 1);
	}
	for (uint32_t i = 0; i < DEVICES; i++) {
		assert_int_equal(w->device[i].connected, i % 3 != 0);
		up += w->device[i].connected;
	}
	assert_true(asked[0] > 0 && asked[1] > 0);
	assert_int_equal(asked[0] + asked[1], DEVICES);
	assert_int_equal(WORLD_SUM(w, connects), up);
	assert_int_equal(WORLD_SUM(w, auth_refused), DEVICES - up);
	world_destroy(w);
}

static void
questions_and_answers_that_nobody_took_are_let_go(void **state)
{
	static const struct world_conf conf = {.workers = 1, .access = &access};
	struct world *w = world_create(&conf);
	struct pw_auth_request r;
	struct pw_auth_answer a = {.verdict = PW_AUTH_GOOD};

	(void)state;
	for (uint32_t i = 0; i < 2; i++) {
		struct model_device *d = &w->device[w->nb_devices++];

		device_create(d, &w->side[0], "10.1.0.2", "10.1.0.1", 1883, PW_MQTT_5, "dev",
			      w->now);
		d->user = "ann";
		d->password = "good";
	}
	world_run(w, 50);
	assert_int_equal(pw_fleet_auth_get(w->fleet, &r, 1), 1);
	a.session = r.session;
	pw_fleet_auth_put(w->fleet, r.worker, &a);
	world_destroy(w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(devices_of_all_workers_are_let_in_by_their_passwords),
		cmocka_unit_test(questions_and_answers_that_nobody_took_are_let_go),
	};

	(void)test_eal_init_with("(0-1)@0", 256, NULL, 0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
