/* SPDX-License-Identifier: BSD-3-Clause */
/* Wills: when they are published, and when not. */
#include <stdio.h>

#include "connect.h"

#define BYTES(...) (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__})

static void
a_will_is_published_when_the_connection_is_lost_and_not_after_disconnect(void **state)
{
	(void)state;
	world_start(1, 3, 0);
	connect_with(0, 0,
		     &(struct connect){.version = 4, .id = "a", .will = "lost", .will_qos = 1});
	connect_with(1, 0, &(struct connect){.version = 4, .id = "b", .will = "kept"});
	device_send(1, BYTES(0xE0, 0));
	device_reset(0);
	world_run(50);
	assert_int_equal(w.broker[0].nb, 1);
	assert_int_equal(w.broker[1].nb, 1);
	assert_string_equal(w.broker[0].record[0].topic, "will");
	assert_string_equal(w.broker[0].record[0].text, "lost");
	assert_int_equal(w.broker[0].record[0].first, 0x32);
	assert_int_equal(counters()->wills_published, 1);
	assert_int_equal(counters()->disconnects, 1);
	assert_int_equal(counters()->lost, 1);
	ledger();
}

static void
disconnect_with_will_message_publishes_it(void **state)
{
	(void)state;
	world_start(1, 3, 0);
	connect_with(0, 0, &(struct connect){.version = 5, .id = "a", .will = "asked"});
	device_send(0, BYTES(0xE0, 1, 4));
	world_run(50);
	assert_int_equal(w.broker[0].nb, 1);
	assert_string_equal(w.broker[0].record[0].text, "asked");
}

/* [MQTT-3.14.4-3]: only 0x00 discards it. */
static void
disconnect_with_an_error_publishes_the_will(void **state)
{
	(void)state;
	world_start(1, 3, 0);
	connect_with(0, 0, &(struct connect){.version = 5, .id = "a", .will = "asked"});
	device_send(0, BYTES(0xE0, 1, 0x80));
	connect_with(1, 0, &(struct connect){.version = 5, .id = "b", .will = "not"});
	device_send(1, BYTES(0xE0, 1, 0));
	world_run(50);
	assert_int_equal(w.broker[0].nb, 1);
	assert_string_equal(w.broker[0].record[0].text, "asked");
}

static void
a_large_will_is_kept_and_published_whole(void **state)
{
	static char text[30001];

	(void)state;
	memset(text, 'w', sizeof(text) - 1);
	world_start(1, 3, 0);
	connect_with(0, 0, &(struct connect){.version = 5, .id = "a", .will = text});
	assert_int_equal(connack_code(0), 0);
	device_reset(0);
	world_run(50);
	assert_int_equal(w.broker[0].nb, 1);
	assert_int_equal(w.broker[0].record[0].len, 30000);
}

static void
a_delayed_will_waits_and_a_resuming_connection_cancels_it(void **state)
{
	const struct connect c = {
		.version = 5, .id = "a", .will = "late", .will_delay = 10, .expiry = 100};
	const struct connect again = {.version = 5, .id = "a", .dirty = true};
	const struct connect clean = {.version = 5, .id = "a"};

	(void)state;
	world_start(1, 3, 0);
	connect_with(0, 0, &c);
	device_reset(0);
	world_run(9000);
	assert_int_equal(w.broker[0].nb, 0);
	world_run(1500);
	assert_int_equal(w.broker[0].nb, 1);
	/* resumed: no will */
	connect_with(1, 0, &c);
	device_reset(1);
	world_run(5000);
	connect_with(2, 0, &again);
	assert_int_equal(connack_code(2), 0);
	world_run(10000);
	assert_int_equal(w.broker[0].nb, 1);
	device_send(2, BYTES(0xE0, 0));
	/* started anew: the session has ended, the will goes out at once */
	connect_with(3, 0, &c);
	device_reset(3);
	world_run(1000);
	connect_with(4, 0, &clean);
	assert_int_equal(connack_code(4), 0);
	world_run(100);
	assert_int_equal(w.broker[0].nb, 2);
	ledger();
}

/* 5.0 3.1.4: who starts anew ends the session, and with it the delay. */
static void
a_delayed_will_goes_out_at_once_where_a_clean_start_takes_over(void **state)
{
	const struct connect c = {
		.version = 5, .id = "a", .will = "late", .will_delay = 10, .expiry = 100};
	const struct connect clean = {.version = 5, .id = "a"};

	for (uint32_t workers = 1; workers <= 2; workers++) {
		world_setup(state);
		world_start(workers, 3, 3);
		connect_with(0, 0, &c);
		connect_with(1, workers - 1, &clean);
		assert_int_equal(connack_code(1), 0);
		world_run(100);
		assert_int_equal(w.broker[0].nb, 1);
		connect_with(2, 0,
			     &(struct connect){.version = 5,
					       .id = "b",
					       .will = "late",
					       .will_delay = 10,
					       .expiry = 100});
		connect_with(3, workers - 1,
			     &(struct connect){.version = 5, .id = "b", .dirty = true});
		assert_int_equal(connack_code(3), 0);
		world_run(20000);
		assert_int_equal(w.broker[0].nb, 1);
		ledger();
		world_teardown(state);
	}
}

/* [MQTT-3.2.2-12], [MQTT-3.2.2-13] */
static void
a_will_that_the_brokers_do_not_take_is_refused_with_its_connect(void **state)
{
	(void)state;
	w.broker[0].no_retain = w.broker[0].max_qos1 = true;
	world_start(1, 3, 0);
	connect_with(0, 0,
		     &(struct connect){.version = 5, .id = "a", .will = "w", .will_retain = true});
	assert_int_equal(connack_code(0), 0x9A);
	connect_with(1, 0, &(struct connect){.version = 5, .id = "b", .will = "w", .will_qos = 2});
	assert_int_equal(connack_code(1), 0x9B);
	connect_with(2, 0, &(struct connect){.version = 5, .id = "c", .will = "w", .will_qos = 1});
	assert_int_equal(connack_code(2), 0);
	/* 3.1.1 cannot be told */
	connect_with(3, 0,
		     &(struct connect){.version = 4, .id = "d", .will = "w", .will_retain = true});
	assert_int_equal(connack_code(3), 0);
	assert_int_equal(counters()->connects_refused, 2);
}

static void
wills_beyond_the_places_for_those_that_wait_go_out_at_once(void **state)
{
	char id[8];

	(void)state;
	world_start(1, 3, 0); /* 32 / 8 + 16 places */
	for (uint32_t i = 0; i < 22; i++) {
		snprintf(id, sizeof(id), "d%u", i);
		connect_with(i, 0,
			     &(struct connect){.version = 5,
					       .id = id,
					       .will = "late",
					       .will_delay = 10,
					       .expiry = 100});
	}
	for (uint32_t i = 0; i < 22; i++)
		device_reset(i);
	world_run(100);
	assert_int_equal(w.broker[0].nb, 2);
	world_run(10000);
	assert_int_equal(w.broker[0].nb, 22);
	ledger();
}

/* They are kept in pieces of 56 bytes, up to eighteen of them; head and topic are ten or eleven. */
static void
wills_of_any_length_are_published_whole(void **state)
{
	static const uint32_t lens[] = {0,   1,	  44,  45,  46,	 47,  48,   56,	 100,
					101, 102, 103, 996, 997, 998, 1008, 1009};
	static char text[2000];
	char id[8];

	(void)state;
	for (uint32_t i = 0; i < sizeof(text); i++)
		text[i] = (char)('!' + i % 90);
	world_start(1, 3, 0);
	for (uint32_t i = 0; i < RTE_DIM(lens); i++) {
		char was = text[lens[i]];

		snprintf(id, sizeof(id), "d%u", i);
		text[lens[i]] = '\0';
		connect_with(i, 0, &(struct connect){.version = 4 + i % 2, .id = id, .will = text});
		text[lens[i]] = was;
		assert_int_equal(connack_code(i), 0);
	}
	for (uint32_t i = 0; i < RTE_DIM(lens); i++) {
		const struct record *r = &w.broker[0].record[i];

		device_reset(i);
		world_run(50);
		assert_int_equal(w.broker[0].nb, i + 1);
		assert_string_equal(r->topic, "will");
		assert_int_equal(r->len, lens[i]);
		assert_int_equal(r->sum, payload_sum((const uint8_t *)text, lens[i]));
	}
	ledger();
}

static void
a_will_beyond_max_extras_is_refused_with_its_connect_and_counted(void **state)
{
	const struct connect c[] = {
		{.version = 4, .id = "a", .will = "w"},
		{.version = 5, .id = "b", .will = "w"},
		{.version = 5, .id = "c", .will = "w"},
		{.version = 4, .id = "d", .will = "w"},
		{.version = 4, .id = "e"},
		{.version = 4, .id = "f", .will = "w"},
	};
	static const uint8_t code[] = {0, 0, 0x97, 3, 0};

	(void)state;
	w.set.limits.max_extras = 2;
	world_start(1, 3, 0);
	for (uint32_t i = 0; i < RTE_DIM(code); i++) {
		connect_with(i, 0, &c[i]);
		assert_int_equal(connack_code(i), code[i]);
	}
	assert_int_equal(counters()->wills_refused, 2);
	assert_int_equal(counters()->connects_refused, 2);
	device_send(0, BYTES(0xE0, 0));
	world_run(50);
	connect_with(5, 0, &c[5]);
	assert_int_equal(connack_code(5), 0);
	assert_int_equal(counters()->wills_refused, 2);
	ledger();
}

static void
as_many_sessions_are_kept_as_max_kept_says(void **state)
{
	const struct connect c = {
		.version = 5, .id = "a", .will = "late", .will_delay = 10, .expiry = 100};
	struct connect d = c;

	(void)state;
	w.set.limits.max_kept = 1;
	world_start(1, 3, 0);
	connect_with(0, 0, &c);
	d.id = "b";
	connect_with(1, 0, &d);
	device_reset(0);
	device_reset(1);
	world_run(100);
	assert_int_equal(w.broker[0].nb, 1);
	world_run(10000);
	assert_int_equal(w.broker[0].nb, 2);
	ledger();
}

static void
session_expiry_caps_the_will_delay(void **state)
{
	(void)state;
	world_start(1, 3, 0);
	connect_with(
		0, 0,
		&(struct connect){
			.version = 5, .id = "a", .will = "soon", .will_delay = 1000, .expiry = 2});
	device_reset(0);
	world_run(1500);
	assert_int_equal(w.broker[0].nb, 0);
	world_run(1000);
	assert_int_equal(w.broker[0].nb, 1);
}

#define T(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_will_is_published_when_the_connection_is_lost_and_not_after_disconnect),
		T(disconnect_with_will_message_publishes_it),
		T(disconnect_with_an_error_publishes_the_will),
		T(a_large_will_is_kept_and_published_whole),
		T(a_delayed_will_waits_and_a_resuming_connection_cancels_it),
		T(a_will_that_the_brokers_do_not_take_is_refused_with_its_connect),
		T(wills_beyond_the_places_for_those_that_wait_go_out_at_once),
		T(wills_of_any_length_are_published_whole),
		T(a_will_beyond_max_extras_is_refused_with_its_connect_and_counted),
		T(as_many_sessions_are_kept_as_max_kept_says),
		T(session_expiry_caps_the_will_delay),
		cmocka_unit_test(a_delayed_will_goes_out_at_once_where_a_clean_start_takes_over),
	};

	return cmocka_run_group_tests(tests, world_init, world_fini);
}
