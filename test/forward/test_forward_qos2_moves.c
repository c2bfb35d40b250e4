/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A session of QoS 2 whose client comes back elsewhere, on another worker or with another protocol
 * family: what it remembers goes along, or the CONNECT is refused.
 */
#include <stdio.h>

#include <rte_common.h>

#include "qos2.h"
#include "session_pvt.h"

static const struct pw_device_counters *
counters_of(uint32_t worker)
{
	return pw_forward_counters(w.forward[worker]);
}

static void
publish(uint32_t i, uint8_t version, uint16_t id, bool dup)
{
	uint8_t out[64];
	char text[16];
	uint32_t n;

	snprintf(text, sizeof(text), "%u", id);
	n = publish_bytes(out, sizeof(out), version, 2, false, id, "t", text,
			  (uint32_t)strlen(text));
	out[0] |= (uint8_t)(dup << 3);
	device_send(i, out, n);
}

/* Nothing waits any more, and both brokers have so many messages, each once. */
static void
all_once(uint32_t n)
{
	for (uint32_t b = 0; b < 2; b++)
		assert_int_equal(delivered(b), n);
	for (uint32_t k = 0; k < w.nb_workers; k++)
		assert_int_equal(pw_forward_outstanding(w.forward[k]) +
					 pw_forward_trailing(w.forward[k]),
				 0);
	ledger();
}

static void
each_way(void (*test)(uint8_t from, uint8_t to, uint32_t worker))
{
	void *state = NULL;

	for (uint32_t i = 0; i < RTE_DIM(ways); i++) {
		world_setup(&state);
		test(ways[i].from, ways[i].to, ways[i].worker);
		world_teardown(&state);
	}
}

/* 1 was released, 2 and 3 have PUBREC, of 4 and 5 PUBREC was lost. */
static void
what_is_remembered(uint8_t from, uint8_t to, uint32_t worker)
{
	world_start(2, 3, 3);
	(void)come_back(0, 0, from, "a");
	for (uint16_t id = 1; id <= 3; id++)
		publish(0, from, id, false);
	world_run(20);
	device_ack(0, PW_MQTT_PUBREL, 1);
	world_run(20);
	w.broker[0].hold = true;
	publish(0, from, 4, false);
	publish(0, from, 5, false);
	world_run(20);
	device_reset(0);
	world_run(20);
	w.broker[0].hold = false;
	world_ack(0, 99);
	world_run(20);
	assert_true(come_back(1, worker, to, "a"));
	assert_int_equal(counters_of(worker)->sessions_resumed, 1);
	publish(1, to, 4, true);
	publish(1, to, 5, true);
	publish(1, to, 3, true);
	world_run(20);
	assert_int_equal(device_answers(1, 0x50, to, NULL, NULL, 99), 3);
	assert_int_equal(counters_of(worker)->duplicates_qos2, 3);
	for (uint16_t id = 1; id <= 5; id++)
		device_ack(1, PW_MQTT_PUBREL, id);
	world_run(20);
	assert_int_equal(pubcomps(1), 5);
	assert_int_equal(counters_of(worker)->unknown_releases, 1); /* that of 1 */
	all_once(5);
	/* and nothing is left of it */
	device_reset(1);
	world_run(20);
	assert_false(come_back(0, 0, from, "a"));
}

static void
what_a_session_remembers_goes_along(void **state)
{
	(void)state;
	each_way(what_is_remembered);
}

static void
a_take_over_in_flight(uint8_t from, uint8_t to, uint32_t worker)
{
	bool same = worker == 0 && from == to;

	w.broker[0].hold = true;
	world_start(2, 3, 3);
	(void)come_back(0, 0, from, "a");
	publish(0, from, 1, false);
	publish(0, from, 2, false);
	world_run(20);
	ask_for(1, worker, to, "a");
	world_run(1500);
	assert_true(w.device[0].closed);
	assert_int_equal(connack(1, 1, 0), same); /* else it waits for the brokers */
	w.broker[0].hold = false;
	world_ack(0, 99);
	world_run(20);
	assert_true(connack(1, 1, 0));
	device_clear(1);
	publish(1, to, 1, true);
	publish(1, to, 2, true);
	world_run(20);
	assert_int_equal(pubrecs(1, NULL), 2);
	device_ack(1, PW_MQTT_PUBREL, 1);
	device_ack(1, PW_MQTT_PUBREL, 2);
	world_run(20);
	assert_int_equal(pubcomps(1), 2);
	all_once(2);
	for (uint32_t k = 0; k < 2; k++)
		assert_int_equal(counters_of(k)->overtaken, 0);
}

static void
a_take_over_waits_until_brokers_have_answered(void **state)
{
	(void)state;
	each_way(a_take_over_in_flight);
}

static void
a_broker_that_does_not_answer(uint8_t from, uint8_t to, uint32_t worker)
{
	bool same = worker == 0 && from == to;

	w.broker[0].hold = true;
	world_start(2, 3, 3);
	(void)come_back(0, 0, from, "a");
	publish(0, from, 1, false);
	world_run(20);
	device_reset(0);
	world_run(20);
	if (same)
		return;
	for (uint32_t i = 1; i <= 3; i++) {
		ask_for(i, worker, to, "a");
		world_run(1900);
		assert_int_equal(w.device[i].len, 0);
		world_run(200);
		assert_true(connack(i, 0, to == 5 ? 0x88 : 3));
		assert_true(w.device[i].closed);
		assert_int_equal(counters_of(worker)->resumes_refused, i);
		assert_int_equal(counters_of(worker)->connects_refused, i);
	}
	assert_int_equal(counters_of(0)->overtaken, 0);
	w.broker[0].hold = false;
	world_ack(0, 99);
	world_run(20);
	assert_true(come_back(1, worker, to, "a"));
	publish(1, to, 1, true);
	world_run(20);
	assert_int_equal(pubrecs(1, NULL), 1);
	all_once(1);
}

static void
a_connect_is_refused_while_a_broker_does_not_answer(void **state)
{
	(void)state;
	each_way(a_broker_that_does_not_answer);
}

/* The rule is decided, and a broker still has not answered: only order may suffer. */
static void
what_the_rule_can_do_without_is_not_waited_for_forever(void **state)
{
	(void)state;
	w.set.route[0].ack = PW_ACK_ANY;
	w.broker[0].hold = true;
	world_start(2, 3, 3);
	(void)come_back(0, 0, 4, "a");
	publish(0, 4, 1, false);
	world_run(20);
	assert_int_equal(pubrecs(0, NULL), 1);
	device_reset(0);
	ask_for(1, 1, 4, "a");
	world_run(1900);
	assert_int_equal(w.device[1].len, 0);
	world_run(200);
	assert_true(connack(1, 1, 0));
	assert_int_equal(counters_of(0)->overtaken, 1);
	publish(1, 4, 1, true);
	world_run(20);
	world_ack(0, 99);
	world_run(20);
	world_ack(0, 99);
	world_run(20);
	all_once(1);
}

static void
a_clean_start_elsewhere_forgets(void **state)
{
	(void)state;
	world_start(2, 3, 3);
	(void)come_back(0, 0, 4, "a");
	publish(0, 4, 1, false);
	world_run(20);
	device_reset(0);
	device_connect(1, 1, 5, "a");
	publish(1, 5, 1, false);
	world_run(20);
	all_once(2);
	device_reset(1);
	world_run(20);
	assert_false(come_back(2, 0, 4, "a"));
	assert_int_equal(counters_of(0)->sessions_not_kept, 0);
}

static void
a_session_that_has_expired_is_none_elsewhere(void **state)
{
	(void)state;
	world_start(2, 3, 3);
	(void)come_back(0, 0, 5, "a");
	publish(0, 5, 1, false);
	world_run(20);
	device_reset(0);
	world_run(101000);
	assert_false(come_back(1, 1, 5, "a"));
	assert_int_equal(counters_of(0)->sessions_expired, 1);
}

/* Two bytes each would fill sixty messages: it takes as many as for one. */
#define MANY 2000

static void
as_many_identifiers_as_there_are_go_along(void **state)
{
	(void)state;
	world_start(2, 3, 3);
	(void)come_back(0, 0, 4, "a");
	for (uint32_t id = 1; id <= MANY; id++) {
		publish(0, 4, (uint16_t)id, false);
		if (id % 50 == 0) {
			world_run(10);
			device_clear(0);
		}
	}
	world_run(50);
	assert_int_equal(delivered(0), MANY);
	device_reset(0);
	for (uint32_t k = 1; k <= 6; k++) { /* there and back */
		assert_true(come_back(k, k % 2, k % 3 == 0 ? 5 : 4, "a"));
		if (k < 6)
			device_reset(k);
	}
	for (uint32_t id = 1; id <= MANY; id++) {
		device_ack(6, PW_MQTT_PUBREL, (uint16_t)id);
		if (id % 50 == 0) {
			world_run(10);
			assert_int_equal(pubcomps(6), 50);
			device_clear(6);
		}
	}
	world_run(20);
	assert_int_equal(counters_of(0)->unknown_releases, 0);
	all_once(MANY);
}

static void
a_connect_is_refused_where_there_is_no_memory_for_them(void **state)
{
	(void)state;
	world_start(2, 3, 3);
	(void)come_back(0, 0, 5, "a");
	(void)come_back(1, 1, 4, "b");
	for (uint32_t id = 1; id <= MANY; id++) {
		if (id <= MANY / 2 && id < w.set.limits.receive_maximum)
			publish(0, 5, (uint16_t)id, false);
		publish(1, 4, (uint16_t)id, false);
		if (id % 50 == 0) {
			world_run(10);
			device_clear(1);
		}
	}
	for (uint32_t id = MANY + 1; id <= 2520; id++) { /* all of that worker's */
		publish(1, 4, (uint16_t)id, false);
		if (id % 50 == 0) {
			world_run(10);
			device_clear(1);
		}
	}
	world_run(20);
	device_reset(0);
	world_run(20);
	ask_for(2, 1, 5, "a");
	assert_true(connack(2, 0, 0x88));
	assert_int_equal(counters_of(1)->resumes_refused, 1);
	for (uint16_t id = 1; id <= 700; id++) {
		device_ack(1, PW_MQTT_PUBREL, id);
		if (id % 50 == 0) {
			world_run(10);
			device_clear(1);
		}
	}
	assert_true(come_back(2, 1, 5, "a"));
	publish(2, 5, 1, true);
	world_run(20);
	assert_int_equal(counters_of(1)->duplicates_qos2, 1);
	ledger();
}

/* The claimant goes, or another one comes, while the session settles. */
static void
claimants_that_give_up_lose_nothing(void **state)
{
	(void)state;
	w.broker[0].hold = true;
	world_start(2, 3, 3);
	(void)come_back(0, 0, 4, "a");
	publish(0, 4, 1, false);
	world_run(20);
	device_reset(0);
	world_run(20);
	ask_for(1, 1, 4, "a");
	device_reset(1); /* gone */
	world_run(20);
	ask_for(2, 1, 5, "a");
	ask_for(3, 0, 5, "a"); /* is in its place */
	assert_true(w.device[2].closed);
	ask_for(4, 1, 4, "a");
	world_ack(0, 99);
	w.broker[0].hold = false;
	world_run(20);
	assert_true(connack(4, 1, 0));
	device_clear(4);
	publish(4, 4, 1, true);
	world_run(20);
	assert_int_equal(pubrecs(4, NULL), 1);
	all_once(1);
	device_reset(4);
	world_run(20);
	assert_true(come_back(5, 0, 5, "a"));
}

/*
 * Messages between the workers stand still after so many of them. Meanwhile the claimant goes, and
 * another one comes, or comes first.
 */
static void
a_move_that_stands_still(const char *id, uint32_t step, uint32_t worker, uint8_t version, bool goes)
{
	void *state = NULL;
	uint32_t i;

	world_setup(&state);
	world_start(2, 3, 3);
	(void)come_back(0, 0, 4, id);
	publish(0, 4, 1, false);
	world_run(20);
	device_reset(0);
	world_run(20);
	w.post_full = step == 0;
	w.post_left = step;
	ask_for(1, 1, 4, id);
	if (goes && w.device[1].conn != NULL)
		device_reset(1);
	world_run(5);
	ask_for(2, worker, version, id);
	world_run(20);
	w.post_full = false;
	w.post_left = 0;
	world_run(20);
	/* Whose claim comes last has it; where that one is gone, the client comes once more. */
	i = w.device[2].closed ? 1 : 2;
	if (w.device[i].closed) {
		i = 3;
		ask_for(i, worker, version, id);
	} else {
		assert_true(w.device[3 - i].closed);
	}
	assert_true(connack(i, 1, 0));
	device_clear(i);
	publish(i, i == 1 ? 4 : version, 1, true);
	world_run(20);
	assert_int_equal(pubrecs(i, NULL), 1);
	device_ack(i, PW_MQTT_PUBREL, 1);
	world_run(20);
	assert_int_equal(pubcomps(i), 1);
	assert_int_equal(counters_of(0)->unknown_releases + counters_of(1)->unknown_releases, 0);
	all_once(1);
	device_reset(i);
	world_run(20);
	assert_false(come_back(4, 0, 4, id)); /* and the identifier is free */
	world_teardown(&state);
}

static void
a_move_that_stands_still_anywhere_loses_nothing(void **state)
{
	static const char *const ids[] = {"a", "e"}; /* one of each worker's shard */

	(void)state;
	for (uint32_t k = 0; k < RTE_DIM(ids) * 9 * 8; k++)
		a_move_that_stands_still(ids[k / 72], k / 8 % 9, k & 1, k & 2 ? 5 : 4, k & 4);
}

static void
a_drain_or_an_end_while_a_session_is_lent_leaves_nothing(void **state)
{
	for (uint32_t k = 0; k < 16; k++) {
		world_setup(state);
		world_start(2, 3, 3);
		(void)come_back(0, 0, 4, k & 1 ? "a" : "e");
		publish(0, 4, 1, false);
		world_run(20);
		device_reset(0);
		world_run(20);
		w.post_left = 1 + k / 4;
		ask_for(1, 1, 4, k & 1 ? "a" : "e");
		if (k & 2) {
			pw_forward_drain(w.forward[0], world_clock(0));
			world_run(5);
			pw_forward_drain(w.forward[1], world_clock(1));
			w.post_full = false;
			w.post_left = 0;
			world_run(100);
			assert_true(w.device[1].closed);
			assert_true(pw_forward_drained(w.forward[0]));
			assert_true(pw_forward_drained(w.forward[1]));
		}
		world_teardown(state);
	}
}

static void
no_more_sessions_are_lent_at_a_time_than_messages_have_room_for(void **state)
{
	(void)state;
	world_start(2, 3, 3);
	(void)come_back(0, 0, 4, "a");
	publish(0, 4, 1, false);
	world_run(20);
	device_reset(0);
	world_run(20);
	w.forward[0]->nb_offers = PW_DIR_OFFERS; /* as if so many were under way */
	ask_for(1, 1, 4, "a");
	world_run(5000);
	assert_int_equal(w.device[1].len, 0);
	w.forward[0]->nb_offers--;
	world_run(5);
	assert_true(connack(1, 1, 0));
	assert_int_equal(counters_of(0)->overtaken, 0);
	assert_int_equal(w.forward[0]->nb_offers, PW_DIR_OFFERS - 1);
	ledger();
}

/* A message of client "a" is given up for others, behind it in a hold, while the client is away. */
static void
given_up_while_away(uint8_t version)
{
	w.set.route[0].when_full_qos1 = PW_WHEN_FULL_DROP;
	w.set.broker[0].hold_messages = 1;
	w.broker[0].mute = true;
	world_start(2, 3, 3);
	(void)come_back(0, 0, version, "a");
	publish(0, version, 1, false);
	world_run(20);
	device_reset(0);
	world_run(20);
	device_connect(1, 0, version, "b");
	for (uint16_t id = 1; id <= 4; id++)
		device_publish(1, version, 1, id, "t", "other");
	world_run(20);
	w.broker[0].mute = false;
	world_run(20000);
}

/* What was given up has not been taken from a 3.1.1 device: it is to be forwarded when it comes
 * again. And nothing is left to keep the session for. */
static void
a_session_whose_last_message_is_given_up_makes_room(void **state)
{
	(void)state;
	w.set.limits.max_session_expiry = 10;
	given_up_while_away(4);
	assert_false(come_back(2, 1, 4, "a"));
	publish(2, 4, 1, true);
	world_run(20);
	assert_int_equal(pubrecs(2, NULL), 1);
	assert_int_equal(counters_of(1)->duplicates_qos2, 0);
	ledger();
}

/* The same where a 5.0 device would have been told. */
static void
what_was_given_up_is_not_taken_from_a_3_1_1_device(void **state)
{
	(void)state;
	given_up_while_away(5);
	assert_false(come_back(2, 1, 4, "a"));
	publish(2, 4, 1, true);
	world_run(20);
	assert_int_equal(pubrecs(2, NULL), 1);
	assert_int_equal(counters_of(1)->duplicates_qos2, 0);
	ledger();
}

/* And where its PUBREC stood behind another message's when the connection ended again. */
static void
what_was_given_up_is_not_taken_when_its_turn_has_not_come_either(void **state)
{
	(void)state;
	given_up_while_away(5);
	w.broker[0].hold = true;
	assert_true(come_back(2, 0, 5, "a"));
	publish(2, 5, 9, false);
	publish(2, 5, 1, true);
	world_run(20);
	assert_int_equal(counters_of(0)->duplicates_qos2, 1);
	device_reset(2);
	world_run(20);
	w.broker[0].hold = false;
	world_ack(0, 99);
	world_run(20);
	assert_true(come_back(3, 1, 4, "a"));
	publish(3, 4, 9, true);
	publish(3, 4, 1, true);
	world_run(20);
	assert_int_equal(pubrecs(3, NULL), 2);
	assert_int_equal(counters_of(1)->duplicates_qos2, 1);
	assert_int_equal(counters_of(1)->publishes_qos2, 1);
	ledger();
}

#define T(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_a_session_remembers_goes_along),
		cmocka_unit_test(a_take_over_waits_until_brokers_have_answered),
		cmocka_unit_test(a_connect_is_refused_while_a_broker_does_not_answer),
		T(what_the_rule_can_do_without_is_not_waited_for_forever),
		T(a_clean_start_elsewhere_forgets),
		T(a_session_that_has_expired_is_none_elsewhere),
		T(as_many_identifiers_as_there_are_go_along),
		T(a_connect_is_refused_where_there_is_no_memory_for_them),
		T(claimants_that_give_up_lose_nothing),
		cmocka_unit_test(a_move_that_stands_still_anywhere_loses_nothing),
		cmocka_unit_test(a_drain_or_an_end_while_a_session_is_lent_leaves_nothing),
		T(no_more_sessions_are_lent_at_a_time_than_messages_have_room_for),
		T(a_session_whose_last_message_is_given_up_makes_room),
		T(what_was_given_up_is_not_taken_from_a_3_1_1_device),
		T(what_was_given_up_is_not_taken_when_its_turn_has_not_come_either),
	};

	return cmocka_run_group_tests(tests, world_init, world_fini);
}
