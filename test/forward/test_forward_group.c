/* SPDX-License-Identifier: BSD-3-Clause */
/* Messages of QoS 0 that came behind each other enter a log together, and nobody can tell. */
#include <stdio.h>

#include <rte_common.h>

#include "world.h"

#define MANY 12

/* Frames that leave a device in one segment. */
static uint8_t out[1400];
static uint32_t len;

static void
put(uint8_t version, uint8_t qos, bool retain, const char *topic, const char *text)
{
	len += publish_bytes(out + len, sizeof(out) - len, version, qos, retain, qos > 0 ? 7 : 0,
			     topic, text, (uint32_t)strlen(text));
}

/* Numbers from..to, of QoS 0, the odd ones with `more` behind them. */
static void
numbers(uint8_t version, const char *topic, uint32_t from, uint32_t to, const char *more)
{
	char text[300];

	for (uint32_t i = from; i <= to; i++) {
		snprintf(text, sizeof(text), "%u%s", i, i % 2 ? more : "");
		put(version, 0, false, topic, text);
	}
}

static void
leave(uint32_t device)
{
	device_send(device, out, len);
	len = 0;
}

/* Record m of a broker is the number, and is as it was sent. */
static void
is_number(uint32_t b, uint32_t m, uint32_t number, const char *more)
{
	const struct record *r = &w.broker[b].record[m];
	char text[300];

	snprintf(text, sizeof(text), "%u%s", number, number % 2 ? more : "");
	assert_true(w.broker[b].nb > m);
	assert_int_equal(r->len, strlen(text));
	assert_int_equal(r->sum, payload_sum((const uint8_t *)text, (uint32_t)strlen(text)));
	assert_int_equal(r->first, 0x30);
}

static void
in_order(uint32_t b, uint32_t from, uint32_t to, const char *more)
{
	assert_int_equal(w.broker[b].nb, to + 1 - from);
	for (uint32_t i = from; i <= to; i++)
		is_number(b, i - from, i, more);
}

static void
start(uint32_t workers)
{
	if (workers == 1)
		world_start(1, PW_ROLE_DEVICES | PW_ROLE_BROKERS, 0);
	else
		world_start(2, PW_ROLE_DEVICES, PW_ROLE_BROKERS);
	world_run(4000);
}

static void
settled(uint32_t n)
{
	const struct pw_device_counters *c = counters();

	assert_int_equal(c->publishes_qos0, n);
	assert_int_equal(c->accepted, n);
	assert_int_equal(c->completed_qos0 + c->given_up_qos0, n);
	assert_int_equal(pw_forward_outstanding(w.forward[0]), 0);
	assert_int_equal(pw_forward_latency_qos0(w.forward[0])->count, c->completed_qos0);
	ledger();
}

static void
what_came_in_one_segment_is_one_entry_and_counts_as_many(void **state)
{
	static const char *const more[] = {"",
					   "and with a payload of some more bytes than that, so "
					   "that the group is above copy_break"};

	for (uint32_t k = 0; k < 8; k++) {
		uint8_t version = k & 1 ? 5 : 4;
		uint32_t payload;

		world_setup(state);
		start(1 + (k >> 1 & 1));
		device_connect(0, 0, version, "dev");
		numbers(version, "some/topic", 1, MANY, more[k >> 2]);
		payload = len - MANY * (2 + 2 + 10 + (version == 5));
		leave(0);
		world_run(20);
		in_order(0, 1, MANY, more[k >> 2]);
		in_order(1, 1, MANY, more[k >> 2]);
		settled(MANY);
		assert_int_equal(counters()->grouped, MANY - 1);
		assert_int_equal(counters()->payload_bytes, payload);
		assert_int_equal(counters()->completed_qos0, MANY);
		for (uint32_t b = 0; b < 2; b++) {
			struct pw_upstream_info u =
				upstream(b, version == 5 ? PW_LANE_5 : PW_LANE_3);

			assert_int_equal(u.counters.messages_qos0, MANY);
			assert_int_equal(u.accepted, MANY);
			assert_int_equal(u.held, 0);
			assert_int_equal(u.held_bytes, 0);
		}
		world_teardown(state);
	}
}

/* A second frame that may not follow: nothing is grouped, all arrives as it is. */
static void
what_is_in_any_way_different_stands_alone(void **state)
{
	static const uint8_t padded[] = {0x30, 0x84, 0x00, 0, 1, 't', 'x'};

	for (uint32_t k = 0; k < 9; k++) {
		uint8_t version = k >= 7 ? 5 : 4;
		struct pw_mqtt_prop_out expiry = {.which = PW_MQTT_PROP_MESSAGE_EXPIRY, .num = 9};
		struct pw_mqtt_prop_out alias = {.which = PW_MQTT_PROP_TOPIC_ALIAS, .num = 1};
		struct pw_mqtt_props_out props = {.p = k == 7 ? &expiry : &alias, .n = 1};

		world_setup(state);
		if (k == 0)
			w.set.limits.message_rate = 1000;
		if (k == 1)
			w.set.limits.byte_rate = 100000;
		if (k == 2)
			snprintf(w.set.route[0].prefix_add, sizeof(w.set.route[0].prefix_add),
				 "a/");
		if (k == 8)
			w.set.limits.topic_alias_maximum = 4;
		start(1);
		device_connect(0, 0, version, "dev");
		put(version, 0, false, "t", "first");
		if (k <= 2) {
			put(version, 0, false, "t", "second");
		} else if (k == 3) {
			put(version, 0, false, "u", "second");
		} else if (k == 4) {
			put(version, 0, true, "t", "second");
		} else if (k == 5) {
			put(version, 1, false, "t", "second");
		} else if (k == 6) {
			memcpy(out + len, padded, sizeof(padded));
			len += sizeof(padded);
		} else {
			int n = pw_mqtt_encode_publish(out + len, 100, 5, false, 0, false,
						       (struct pw_mqtt_str){"t", 1}, 0, &props, 6);

			assert_true(n > 0);
			len += (uint32_t)n;
			memcpy(out + len, "second", 6);
			len += 6;
		}
		leave(0);
		world_run(20);
		assert_int_equal(counters()->grouped, 0);
		for (uint32_t b = 0; b < 2; b++) {
			assert_int_equal(w.broker[b].nb, 2);
			assert_string_equal(w.broker[b].record[0].text, "first");
			assert_string_equal(w.broker[b].record[1].text, k == 6 ? "x" : "second");
			assert_string_equal(w.broker[b].record[1].topic, k == 2	  ? "a/t"
									 : k == 3 ? "u"
										  : "t");
			assert_int_equal(w.broker[b].record[1].first & 1, k == 4);
		}
		ledger();
		world_teardown(state);
	}
}

/* It deals messages out one by one. */
static void
a_route_that_takes_brokers_in_turn_has_no_groups(void **state)
{
	static const uint8_t order[] = {0, 1};

	(void)state;
	w.set.route[0].fanout = PW_FANOUT_ROUND_ROBIN;
	memcpy(w.set.route[0].order, order, sizeof(order));
	start(1);
	device_connect(0, 0, 4, "dev");
	numbers(4, "t", 1, MANY, "");
	leave(0);
	world_run(20);
	assert_int_equal(w.broker[0].nb, MANY / 2);
	assert_int_equal(w.broker[1].nb, MANY / 2);
	settled(MANY);
	assert_int_equal(counters()->grouped, 0);
}

/* A group goes to the broker that each of its messages would go to. */
static void
a_key_takes_its_groups_to_its_broker(void **state)
{
	static const uint8_t order[] = {0, 1};
	uint32_t at = 0;

	(void)state;
	w.set.route[0].fanout = PW_FANOUT_HASH;
	w.set.route[0].hash_by_topic = true;
	memcpy(w.set.route[0].order, order, sizeof(order));
	start(1);
	device_connect(0, 0, 4, "dev");
	for (uint32_t t = 0; t < 8; t++) {
		char topic[8];

		snprintf(topic, sizeof(topic), "%u", t);
		numbers(4, topic, 1, 4, "");
		leave(0);
		world_run(5);
		assert_int_equal(w.broker[0].nb + w.broker[1].nb, at + 4);
		assert_int_equal(w.broker[0].nb % 4, 0);
		at += 4;
	}
	assert_true(w.broker[0].nb > 0 && w.broker[1].nb > 0);
	settled(at);
	assert_int_equal(counters()->grouped, 24);
}

static void
a_message_that_is_not_whole_yet_waits_for_its_rest(void **state)
{
	for (uint32_t rest = 1; rest < 7; rest++) {
		world_setup(state);
		start(1);
		device_connect(0, 0, 4, "dev");
		numbers(4, "t", 1, MANY, "");
		device_send(0, out, len - rest);
		world_run(5);
		assert_int_equal(w.broker[0].nb, MANY - 1);
		assert_int_equal(counters()->grouped, MANY - 2);
		device_send(0, out + len - rest, rest);
		len = 0;
		world_run(5);
		in_order(0, 1, MANY, "");
		settled(MANY);
		world_teardown(state);
	}
}

/* The malformed one ends the session, whatever stands before it is forwarded. */
static void
a_group_ends_before_what_is_malformed(void **state)
{
	static const uint8_t wild[] = {0x30, 4, 0, 1, '#', 'x'};

	(void)state;
	start(1);
	device_connect(0, 0, 4, "dev");
	numbers(4, "t", 1, 5, "");
	memcpy(out + len, wild, sizeof(wild));
	len += sizeof(wild);
	leave(0);
	world_run(20);
	assert_true(w.device[0].closed);
	in_order(0, 1, 5, "");
	assert_int_equal(counters()->malformed, 1);
	settled(5);
}

/* One broker of each version: the lane's takes a group as it lies, the other one's leg apart. */
static void
a_leg_that_translates_takes_it_apart(void **state)
{
	for (uint32_t k = 0; k < 2; k++) {
		uint8_t version = k == 0 ? 4 : 5;
		enum pw_lane lane = k == 0 ? PW_LANE_3 : PW_LANE_5;
		static const char more[] =
			"a payload that is too long for a translated message to be copied whole: "
			"what follows the header is referred to where it lies ................... "
			"........................................................................ "
			"......................................";

		world_setup(state);
		w.broker[0].only = 4;
		w.broker[1].only = 5;
		start(1);
		device_connect(0, 0, version, "dev");
		numbers(version, "t/opic", 1, 7, more);
		leave(0);
		world_run(20);
		in_order(0, 1, 7, more);
		in_order(1, 1, 7, more);
		assert_int_equal(w.broker[0].record[0].lane, 3);
		assert_int_equal(w.broker[1].record[0].lane, 5);
		settled(7);
		assert_int_equal(counters()->grouped, 6);
		for (uint32_t b = 0; b < 2; b++) {
			assert_int_equal(upstream(b, lane).counters.messages_qos0, 7);
			assert_int_equal(upstream(b, lane).counters.translated, b != k ? 7 : 0);
		}
		world_teardown(state);
	}
}

/* Of a group, a broker gets what it takes, in order; where it takes none it is passed over. */
static void
a_broker_that_takes_small_messages_only_gets_those(void **state)
{
	static const char more[] = ", which is odd, and therefore larger";

	for (uint32_t k = 0; k < 4; k++) {
		uint32_t some = k < 2;

		world_setup(state);
		w.set.broker[1].max_packet_size = some ? 20 : 4;
		w.broker[1].only = k & 1 ? 5 : 4;
		start(1);
		device_connect(0, 0, 4, "dev");
		numbers(4, "t", 1, 9, more);
		leave(0);
		world_run(20);
		in_order(0, 1, 9, more);
		assert_int_equal(counters()->grouped, 8);
		assert_int_equal(upstream(1, PW_LANE_3).counters.messages_qos0, some ? 4 : 0);
		assert_int_equal(upstream(1, PW_LANE_3).counters.dropped_too_large, some ? 5 : 9);
		assert_int_equal(w.broker[1].nb, some ? 4 : 0);
		for (uint32_t i = 0; i < w.broker[1].nb; i++)
			is_number(1, i, 2 + 2 * i, "");
		settled(9);
		world_teardown(state);
	}
}

/* What TCP has of it goes with the connection, the rest follows on the next one: nothing twice. */
static void
a_group_is_sent_whole_or_not_at_all(void **state)
{
	static const char more[] =
		" and more, so that there is more than TCP takes ...............";

	for (uint32_t k = 0; k < 2; k++) {
		uint32_t sent = 0, first;

		world_setup(state);
		w.set.limits.max_queued_messages = 1024;
		w.set.broker[1].hold_bytes = 32000; /* TCP takes no more */
		w.broker[1].only = k == 0 ? 4 : 5;
		start(1);
		device_connect(0, 0, 4, "dev");
		w.broker[1].dark = true;
		for (uint32_t i = 0; i < 60; i++, sent += 16) {
			numbers(4, "t", sent + 1, sent + 16, more);
			leave(0);
			world_run(1);
		}
		first = (uint32_t)upstream(1, PW_LANE_3).counters.messages_qos0 + 1;
		assert_in_range(first, 2, sent);
		assert_int_equal(upstream(1, PW_LANE_3).held, sent + 1 - first);
		broker_reset(1);
		w.broker[1].nb = 0;
		w.broker[1].dark = false;
		world_run(20000);
		in_order(0, 1, sent, more);
		in_order(1, first, sent, more);
		settled(sent);
		assert_true(counters()->grouped > sent / 2);
		world_teardown(state);
	}
}

static void
away(uint32_t b)
{
	w.broker[b].mute = true;
	broker_reset(b);
	world_run(10);
}

/* n messages, by `each` in a segment. */
static void
flood(uint32_t n, uint32_t each)
{
	for (uint32_t i = 0; i < n; i += each) {
		numbers(4, "t", i + 1, i + each, "");
		leave(0);
		world_run(2);
	}
}

/* A group goes whole, and is a small part of what may wait. */
static void
what_a_broker_that_is_away_misses_is_counted_by_messages(void **state)
{
	for (uint32_t k = 0; k < 3; k++) {
		uint32_t may = k == 0 ? 128 : 70, dropped, held;
		struct pw_upstream_info u;

		world_setup(state);
		if (k == 1)
			w.set.broker[1].hold_messages = may;
		if (k == 2)
			w.set.broker[1].hold_bytes = may * 8; /* a message has six to eight */
		start(1);
		device_connect(0, 0, 4, "dev");
		away(1);
		flood(9, 9);
		flood(240, 12);
		u = upstream(1, PW_LANE_3);
		dropped = (uint32_t)(k == 0 ? u.counters.dropped_disconnected
					    : u.counters.dropped_hold);
		held = u.held;
		assert_int_equal(u.accepted, 249);
		assert_int_equal(dropped + held, 249);
		assert_in_range(held, may - may / 16, may);
		assert_true(k != 2 || u.held_bytes <= may * 8);
		assert_true(counters()->grouped > 100);
		w.broker[1].mute = false;
		world_run(20000);
		in_order(1, 241 - held, 240, "");
		assert_int_equal(upstream(1, PW_LANE_3).held, 0);
		assert_int_equal(upstream(1, PW_LANE_3).held_bytes, 0);
		assert_int_equal(counters()->given_up_qos0, 0); /* the other broker has them */
		settled(249);
		world_teardown(state);
	}
}

static void
a_hold_that_blocks_is_kept_to_the_message(void **state)
{
	(void)state;
	w.set.route[0].when_full_qos0 = PW_WHEN_FULL_BLOCK;
	w.set.broker[1].hold_messages = 50;
	start(1);
	device_connect(0, 0, 4, "dev");
	away(1);
	flood(120, 12);
	assert_int_equal(upstream(1, PW_LANE_3).held, 50);
	assert_int_equal(w.broker[0].nb, 50);
	w.broker[1].mute = false;
	world_run(20000);
	in_order(0, 1, 120, "");
	in_order(1, 1, 120, "");
	settled(120);
	assert_true(counters()->grouped > 60);
}

/* The log has places for some of a segment's messages. */
static void
what_a_full_log_has_no_place_for_is_dropped_by_messages(void **state)
{
	(void)state;
	w.set.limits.max_queued_messages = 128;
	w.set.limits.receive_maximum = 128;
	w.broker[1].hold = true;
	start(1);
	device_connect(0, 0, 4, "dev");
	device_connect(1, 0, 4, "other");
	for (uint32_t i = 0; i < 120; i++) {
		device_publish(1, 4, 1, (uint16_t)(i + 1), "o", "x");
		if (i % 16 == 0)
			world_run(2);
	}
	world_run(5);
	assert_int_equal(w.broker[0].nb, 120);
	w.broker[0].nb = 0;
	numbers(4, "t", 1, MANY, "");
	leave(0);
	world_run(5);
	in_order(0, 1, 8, "");
	assert_int_equal(counters()->grouped, 7);
	assert_int_equal(counters()->dropped_log_full, MANY - 8);
	assert_int_equal(counters()->publishes_qos0, MANY);
	w.broker[1].hold = false;
	world_ack(1, 128);
	world_run(50);
	assert_int_equal(counters()->completed_qos0, 8);
	ledger();
}

static void
what_waits_at_the_end_is_counted_by_messages(void **state)
{
	(void)state;
	w.set.limits.drain_deadline = 1000;
	start(1);
	device_connect(0, 0, 4, "dev");
	away(0);
	away(1);
	flood(24, 12);
	assert_int_equal(pw_forward_outstanding(w.forward[0]), 24);
	pw_forward_drain(w.forward[0], w.now);
	world_run(3000);
	assert_int_equal(counters()->grouped, 22);
	assert_int_equal(counters()->dropped_on_shutdown, 24);
	ledger();
}

static void
a_backlog_is_replayed_at_so_many_messages_a_second(void **state)
{
	(void)state;
	w.set.broker[1].replay_rate = 100;
	start(1);
	device_connect(0, 0, 4, "dev");
	away(1);
	flood(120, 12);
	w.broker[1].mute = false;
	for (uint32_t i = 0; i < 10000 && w.broker[1].nb == 0; i++)
		world_run(1);
	world_run(500);
	assert_in_range(w.broker[1].nb, 50, 50 + 2 * 12);
	world_run(2000);
	in_order(1, 1, 120, "");
	settled(120);
}

int
main(void)
{
#define T(t) cmocka_unit_test_setup_teardown(t, world_setup, world_teardown)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_came_in_one_segment_is_one_entry_and_counts_as_many),
		cmocka_unit_test(what_is_in_any_way_different_stands_alone),
		T(a_route_that_takes_brokers_in_turn_has_no_groups),
		T(a_key_takes_its_groups_to_its_broker),
		cmocka_unit_test(a_message_that_is_not_whole_yet_waits_for_its_rest),
		T(a_group_ends_before_what_is_malformed),
		cmocka_unit_test(a_leg_that_translates_takes_it_apart),
		cmocka_unit_test(a_broker_that_takes_small_messages_only_gets_those),
		cmocka_unit_test(a_group_is_sent_whole_or_not_at_all),
		cmocka_unit_test(what_a_broker_that_is_away_misses_is_counted_by_messages),
		T(a_hold_that_blocks_is_kept_to_the_message),
		T(what_a_full_log_has_no_place_for_is_dropped_by_messages),
		T(what_waits_at_the_end_is_counted_by_messages),
		T(a_backlog_is_replayed_at_so_many_messages_a_second),
	};
#undef T

	return cmocka_run_group_tests(tests, world_init, world_fini);
}
