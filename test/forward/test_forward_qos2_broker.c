/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * QoS 2 on the brokers' leg beyond one connection: a session that is kept, lost, another process's,
 * and identifiers that are used again.
 */
#include <stdio.h>

#include "qos2.h"

static void
a_kept_session_goes_on_where_it_stood(void **state)
{
	(void)state;
	w.broker[0].hold = w.broker[0].hold_comp = true;
	world_start(1, 3, 0);
	device_connect(0, 0, 4, "a");
	for (uint16_t i = 1; i <= 4; i++)
		device_publish(0, 4, 2, i, "t", "x");
	world_run(20);
	world_ack(0, 2); /* two have PUBREC, two have not */
	world_run(20);
	assert_int_equal(w.broker[0].releases, 2);
	broker_reset(0);
	world_run(3000);
	assert_int_equal(w.broker[0].releases, 4);     /* PUBREL again for the first two */
	assert_int_equal(w.broker[0].nb, 6);	       /* PUBLISH again for the others */
	assert_int_equal(w.broker[0].record[4].id, 3); /* with DUP and identifier */
	assert_int_equal(w.broker[0].record[4].first, 0x3C);
	assert_true(w.broker[0].record[4].again && w.broker[0].record[5].again);
	w.broker[0].hold = w.broker[0].hold_comp = false;
	while (world_ack(0, 9) > 0)
		world_run(20);
	assert_int_equal(delivered(0), 4);
	assert_int_equal(pubrecs(0, NULL), 4);
	assert_int_equal(upstream(0, PW_LANE_3).counters.sessions_lost, 0);
	assert_int_equal(upstream(0, PW_LANE_3).counters.sessions_resumed, 1);
	assert_int_equal(pw_forward_trailing(w.forward[0]), 0);
	ledger();
}

static void
a_lost_session_has_everything_published_anew(void **state)
{
	(void)state;
	w.broker[0].hold = w.broker[0].hold_comp = true;
	world_start(1, 3, 0);
	device_connect(0, 0, 5, "a");
	for (uint16_t i = 1; i <= 4; i++)
		device_publish(0, 5, 2, i, "t", "x");
	world_run(20);
	world_ack(0, 2);
	world_run(20);
	broker_restart(0);
	world_run(3000);
	assert_int_equal(upstream(0, PW_LANE_5).counters.sessions_lost, 1);
	assert_int_equal(w.broker[0].nb, 8);
	while (world_ack(0, 9) > 0)
		world_run(20);
	assert_int_equal(pubrecs(0, NULL), 4); /* once each, whatever the broker says twice */
	assert_int_equal(pw_forward_trailing(w.forward[0]), 0);
	assert_int_equal(pw_forward_outstanding(w.forward[0]), 0);
	ledger();
}

static void
a_broker_that_keeps_no_session_is_not_said_to_have_lost_it(void **state)
{
	(void)state;
	w.broker[0].expiry_0 = true;
	w.set.broker[1].session_expiry_interval = 0;
	world_start(1, 3, 0);
	broker_reset(0);
	broker_reset(1);
	world_run(3000);
	assert_int_equal(upstream(0, PW_LANE_5).state, PW_UPSTREAM_UP);
	assert_int_equal(upstream(0, PW_LANE_5).counters.sessions_lost, 0);
	assert_int_equal(upstream(1, PW_LANE_3).counters.sessions_lost, 0);
	assert_int_equal(w.broker[1].clean_starts, 4);
}

static void
a_session_survives_a_broker_that_stores_none_that_began_clean(void **state)
{
	(void)state;
	for (uint32_t found = 0; found < 2; found++) {
		for (uint8_t v = 4; v <= 5; v++) {
			enum pw_lane lane = v == 5 ? PW_LANE_5 : PW_LANE_3;

			world_setup(state);
			w.broker[0].hold = true;
			snprintf(w.broker[0].kept[0].client_id,
				 sizeof(w.broker[0].kept[0].client_id), "pubwire-test-w0-l%u",
				 v == 5 ? 5u : 3u);
			w.broker[0].kept[0].stays = found != 0;
			world_start(1, 3, 0);
			world_run(3000);
			device_connect(0, 0, v, "a");
			for (uint16_t i = 1; i <= 4; i++)
				device_publish(0, v, 2, i, "t", "x");
			world_run(20);
			broker_reload(0);
			w.broker[0].hold = false;
			world_run(3000);
			assert_int_equal(upstream(0, lane).counters.sessions_lost, 0);
			assert_int_equal(upstream(0, lane).counters.sessions_resumed, 1);
			assert_int_equal(upstream(0, lane).counters.protocol_errors, 0);
			assert_int_equal(delivered(0), 4);
			ledger();
			world_teardown(state);
		}
	}
	world_setup(state);
}

/* A session of a process before this one: its identifiers mean other messages. */
static void
a_session_of_another_process_is_purged_first(void **state)
{
	static const char *const ids[] = {"pubwire-test-w0-l3", "pubwire-test-w0-l5"};

	(void)state;
	for (uint32_t i = 0; i < 2; i++) {
		struct kept *k = &w.broker[0].kept[i];

		snprintf(k->client_id, sizeof(k->client_id), "%s", ids[i]);
		k->stays = true;
		memset(k->known, 0xff, sizeof(k->known));
	}
	world_start(1, 3, 0);
	world_run(3000);
	device_connect(0, 0, 4, "a");
	device_publish(0, 4, 2, 1, "t", "x");
	device_connect(1, 0, 5, "b");
	device_publish(1, 5, 2, 1, "t", "x");
	world_run(20);
	assert_int_equal(delivered(0), 2);
	assert_int_equal(upstream(0, PW_LANE_3).counters.protocol_errors, 0);
	/* and the session that follows is kept */
	broker_reset(0);
	world_run(3000);
	assert_int_equal(upstream(0, PW_LANE_3).counters.sessions_resumed, 1);
	assert_int_equal(upstream(0, PW_LANE_5).counters.sessions_resumed, 1);
}

/* [MQTT-3.1.2-6]: what began clean ends with its connection. One that says otherwise is no reason
 * to connect to it without a pause. */
static void
a_broker_that_keeps_what_began_clean_is_asked_with_pauses(void **state)
{
	(void)state;
	w.broker[0].stubborn = true;
	snprintf(w.broker[0].kept[0].client_id, sizeof(w.broker[0].kept[0].client_id),
		 "pubwire-test-w0-l3");
	w.broker[0].kept[0].stays = true;
	world_start(1, 3, 0);
	world_run(10000);
	assert_int_not_equal(upstream(0, PW_LANE_3).counters.protocol_errors, 0);
	assert_int_equal(upstream(0, PW_LANE_3).counters.protocol_errors,
			 upstream(0, PW_LANE_3).counters.connect_failures);
	assert_in_range(w.broker[0].connects, 4, 200);
}

static void
identifiers_of_what_is_given_up_are_forgotten_before_they_are_used_again(void **state)
{
	char text[16];

	(void)state;
	w.set.limits.max_queued_messages = 16;
	w.set.route[0].ack = PW_ACK_ANY;
	w.set.route[0].when_full_qos1 = PW_WHEN_FULL_DROP;
	w.set.broker[0].hold_messages = 4;
	w.broker[0].hold = true;
	world_start(1, 3, 0);
	device_connect(0, 0, 4, "a");
	for (uint16_t i = 1; i <= 36; i++) {
		snprintf(text, sizeof(text), "%u", i);
		device_publish(0, 4, 2, i, "t", text);
		world_run(10);
		if (i == 3) { /* the broker knows three of them, and goes */
			assert_int_equal(w.broker[0].nb, 3);
			w.broker[0].mute = true;
			broker_reset(0);
		}
	}
	assert_true(upstream(0, PW_LANE_3).counters.dropped_hold >= 31);
	w.broker[0].mute = w.broker[0].hold = false;
	world_run(30000);
	/* The last four have the identifiers of others, and are no duplicates of those. */
	assert_int_equal(w.broker[0].nb, 3 + 4);
	for (uint32_t k = 3; k < 7; k++) {
		snprintf(text, sizeof(text), "%u", 30 + k);
		assert_string_equal(w.broker[0].record[k].text, text);
		assert_false(w.broker[0].record[k].again);
	}
	/* What follows has a session that is kept. */
	w.broker[0].hold = true;
	device_publish(0, 4, 2, 37, "t", "37");
	world_run(10);
	broker_reset(0);
	w.broker[0].hold = false;
	world_run(30000);
	assert_int_equal(upstream(0, PW_LANE_3).counters.sessions_resumed, 1);
	assert_int_equal(upstream(0, PW_LANE_3).counters.sessions_lost, 0);
	assert_int_equal(delivered(0), 3 + 4 + 1);
	ledger();
}

/* What its session knows is not given up while that goes on: its identifier would be another
 * message's, which the broker would take for a duplicate. */
static void
what_a_session_that_goes_on_knows_is_not_given_up(void **state)
{
	char text[16];

	(void)state;
	w.set.limits.max_queued_messages = 16;
	w.set.limits.receive_maximum = 100;
	w.set.route[0].ack = PW_ACK_ANY;
	w.set.route[0].when_full_qos1 = PW_WHEN_FULL_DROP;
	w.set.broker[0].hold_messages = 4;
	w.broker[0].hold = true;
	world_start(1, 3, 0);
	device_connect(0, 0, 5, "a");
	for (uint16_t i = 1; i <= 9; i++) {
		snprintf(text, sizeof(text), "%u", i);
		device_publish(0, 5, 2, i, "t", text);
		world_run(10);
		if (i == 3) { /* all three are known, and wait for their turn on the next one */
			w.broker[0].receive = 1;
			broker_reset(0);
			world_run(3000);
			assert_int_equal(w.broker[0].nb, 4);
			assert_true(w.broker[0].record[3].again);
		}
	}
	assert_int_equal(upstream(0, PW_LANE_5).counters.sessions_resumed, 1);
	assert_int_equal(upstream(0, PW_LANE_5).counters.dropped_hold, 5);
	w.broker[0].hold = false;
	world_ack(0, 9);
	world_run(1000);
	assert_int_equal(delivered(0), 4);
	assert_string_equal(w.broker[0].record[w.broker[0].nb - 1].text, "9");
	for (uint16_t i = 10; i <= 40; i++) {
		device_publish(0, 5, 2, i, "t", "x");
		world_run(20);
	}
	assert_int_equal(delivered(0), 4 + 31);
	ledger();
}

#define T(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_kept_session_goes_on_where_it_stood),
		T(a_lost_session_has_everything_published_anew),
		T(a_broker_that_keeps_no_session_is_not_said_to_have_lost_it),
		T(a_session_survives_a_broker_that_stores_none_that_began_clean),
		T(a_session_of_another_process_is_purged_first),
		T(a_broker_that_keeps_what_began_clean_is_asked_with_pauses),
		T(identifiers_of_what_is_given_up_are_forgotten_before_they_are_used_again),
		T(what_a_session_that_goes_on_knows_is_not_given_up),
	};

	return cmocka_run_group_tests(tests, world_init, world_fini);
}
