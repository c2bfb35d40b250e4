/* SPDX-License-Identifier: BSD-3-Clause */
/* The directory of client identifiers as a table: full, crowded at its end, erased in any order. */
#include <stdlib.h>

#include <rte_common.h>

#include "session_pvt.h"
#include "world.h"

#define SESSIONS 40

static struct pw_session *session[SESSIONS];
static uint64_t rng = 1;

static uint32_t
dice(uint32_t n)
{
	return (uint32_t)(pw_random(&rng) % n);
}

/* Hashes that differ; crowded: all of them belong to the last places. */
static struct pw_hash128
hash(uint32_t i, bool crowded)
{
	struct pw_hash128 h = {{pw_random(&rng), pw_random(&rng)}};

	if (crowded)
		h.w[0] |= UINT64_C(0xff) << 56;
	h.w[1] = (h.w[1] & ~UINT64_C(0xff)) | i;
	return h;
}

static void
claim(struct pw_forward *f, uint32_t i, bool crowded)
{
	struct pw_session *s = pw_pool_get(f->sessions);

	assert_non_null(s);
	s->version = PW_MQTT_5;
	s->last = PW_FLOG_NONE;
	s->hash = hash(i, crowded);
	session[i] = s;
	pw_dir_claim(f, s, w.now);
}

static void
give_back(struct pw_forward *f, uint32_t i)
{
	pw_dir_release(f, session[i], w.now);
	pw_pool_put(f->sessions, session[i]);
	session[i] = NULL;
}

static void
churn(bool crowded)
{
	struct pw_forward *f;
	uint32_t used = 0;

	world_start(1, 3, 0);
	f = w.forward[0];
	for (uint32_t k = 0; k < 20000; k++) {
		uint32_t i = dice(SESSIONS);

		if (session[i] == NULL) {
			claim(f, i, crowded);
			used++;
		} else {
			give_back(f, i);
			used--;
		}
		/* Who is not found where it stands is not erased. */
		assert_int_equal(f->dir_used, used);
	}
	for (uint32_t i = 0; i < SESSIONS; i++) {
		if (session[i] != NULL)
			give_back(f, i);
	}
	assert_int_equal(f->dir_used, 0);
	for (size_t k = 0; k < pw_dir_bytes(f->max_sessions); k++)
		assert_int_equal(((const uint8_t *)f->dir)[k], 0);
	assert_int_equal(counters()->takeovers, 0);
}

static void
identifiers_come_and_go_in_any_order_and_leave_nothing(void **state)
{
	(void)state;
	churn(false);
}

static void
identifiers_that_crowd_the_last_places_go_on_at_the_first(void **state)
{
	(void)state;
	churn(true);
}

static bool
try_connect(uint32_t i, uint32_t k, const char *id)
{
	struct pw_mqtt_connect_out c = {
		.version = 5, .clean = true, .keepalive = 60, .client_id = {id, 1}};
	uint8_t out[64];
	int n = pw_mqtt_encode_connect(out, sizeof(out), &c);

	device_open(i, k);
	device_send(i, out, (uint32_t)n);
	world_run(20);
	return w.device[i].len >= 4 && w.device[i].rx[3] == 0;
}

/* A session of one worker whose messages brokers do not have yet, and claims of another's. */
static void
held(void)
{
	w.broker[0].hold = true;
	world_start(2, 3, 3);
	device_connect(0, 0, 5, "a");
	device_publish(0, 5, 1, 1, "t", "x");
	world_run(20);
	assert_false(try_connect(1, 1, "a"));
	assert_true(w.device[0].closed);
}

static void
who_waits_and_leaves_is_not_given_the_identifier(void **state)
{
	(void)state;
	held();
	device_reset(1);
	world_run(20);
	world_ack(0, 9);
	world_run(100);
	assert_true(try_connect(2, 0, "a"));
	assert_true(try_connect(3, 1, "a"));
	ledger();
}

static void
who_waits_makes_place_for_who_comes_later(void **state)
{
	(void)state;
	held();
	assert_false(try_connect(2, 1, "a"));
	assert_true(w.device[1].closed);
	assert_false(w.device[2].closed);
	world_ack(0, 9);
	world_run(100);
	assert_true(w.device[2].len >= 4 && w.device[2].rx[3] == 0);
	assert_int_equal(w.device[1].len, 0);
	assert_true(try_connect(3, 1, "a"));
	ledger();
}

#define T(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(identifiers_come_and_go_in_any_order_and_leave_nothing),
		T(identifiers_that_crowd_the_last_places_go_on_at_the_first),
		T(who_waits_and_leaves_is_not_given_the_identifier),
		T(who_waits_makes_place_for_who_comes_later),
	};

	return cmocka_run_group_tests(tests, world_init, world_fini);
}
