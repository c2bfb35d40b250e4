/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Topic aliases of devices, 5.0 3.3.2.3.4: every broker has the topic, none has the alias, wherever
 * the packet was cut on its way.
 */
#include <stdio.h>

#include <rte_common.h>

#include "world.h"

#define BYTES(...) ((const uint8_t[]){__VA_ARGS__}), sizeof((const uint8_t[]){__VA_ARGS__})
#define BIG	   200000

static uint8_t big[BIG + 70000];

/* CONNECT; the Topic Alias Maximum of the CONNACK, 0 where it has none. */
static uint32_t
connect_5(uint32_t i, const char *id, uint32_t takes)
{
	struct pw_mqtt_prop_out max = {.which = PW_MQTT_PROP_MAXIMUM_PACKET_SIZE, .num = takes};
	struct pw_mqtt_connect_out c = {.version = 5,
					.clean = true,
					.keepalive = 60,
					.client_id = {id, (uint32_t)strlen(id)},
					.props = {.p = &max, .n = takes > 0}};
	uint8_t out[256];
	struct rte_mbuf fake = {.buf_addr = w.device[i].rx};
	struct pw_slice s = {.mbuf = &fake};
	struct pw_mqtt_buf b = {.s = &s, .n = 1};
	struct pw_mqtt_connack a;
	enum pw_mqtt_error err;
	int n = pw_mqtt_encode_connect(out, sizeof(out), &c);

	device_open(i, 0);
	device_send(i, out, (uint32_t)n);
	world_run(5);
	s.len = (uint16_t)w.device[i].len;
	b.len = s.len;
	assert_true(pw_mqtt_decode_connack(&b, 5, &a, &err) > 0);
	assert_int_equal(a.code, 0);
	device_clear(i);
	return pw_mqtt_has(&a.props, PW_MQTT_PROP_TOPIC_ALIAS_MAXIMUM)
		       ? a.props.value[PW_MQTT_PROP_TOPIC_ALIAS_MAXIMUM].num
		       : 0;
}

/* A PUBLISH with an alias between other properties; expiry 0: without one. */
static uint32_t
message(uint8_t *out, uint32_t room, uint8_t qos, uint16_t id, const char *topic,
	uint32_t topic_len, uint16_t alias, uint32_t expiry, const void *payload, uint32_t len)
{
	struct pw_mqtt_prop_out p[4] = {
		{.which = PW_MQTT_PROP_CONTENT_TYPE, .str = {"text", 4}},
		{.which = PW_MQTT_PROP_TOPIC_ALIAS, .num = alias},
		{.which = PW_MQTT_PROP_USER_PROPERTY, .str = {"k", 1}, .value = {"value", 5}},
		{.which = PW_MQTT_PROP_MESSAGE_EXPIRY, .num = expiry},
	};
	struct pw_mqtt_props_out props = {.p = p, .n = expiry > 0 ? 4 : 3};
	int n = pw_mqtt_encode_publish(out, room, 5, false, qos, false,
				       (struct pw_mqtt_str){topic, topic_len}, id, &props, len);

	assert_true(n > 0 && len <= room - (uint32_t)n);
	memcpy(out + n, payload, len);
	return (uint32_t)n + len;
}

static void
publish(uint32_t i, uint8_t qos, uint16_t id, const char *topic, uint16_t alias, const char *text)
{
	uint8_t out[4096];

	device_send(i, out,
		    message(out, sizeof(out), qos, id, topic, (uint32_t)strlen(topic), alias, 0,
			    text, (uint32_t)strlen(text)));
}

/* The rest of the properties above, as they came. */
static void
has_the_others(const struct record *r)
{
	static const uint8_t rest[] = {3, 0,   4, 't', 'e', 'x', 't', 0x26, 0,
				       1, 'k', 0, 5,   'v', 'a', 'l', 'u',  'e'};

	assert_int_equal(r->lane, 5);
	assert_int_equal(r->props_len, sizeof(rest));
	assert_int_equal(r->props_sum, payload_sum(rest, sizeof(rest)));
}

static void
an_alias_stands_for_its_topic_until_it_is_mapped_anew(void **state)
{
	static const char *const topics[] = {"a/one", "a/one",	 "b/two",   "a/one",
					     "b/two", "c/three", "c/three", "b/two"};
	uint8_t reasons[16];

	(void)state;
	world_start(1, 3, 0);
	assert_int_equal(connect_5(0, "dev", 0), 16);
	publish(0, 1, 1, "a/one", 1, "0");
	publish(0, 1, 2, "", 1, "1");
	publish(0, 1, 3, "b/two", 16, "2");
	publish(0, 1, 4, "", 1, "3");
	publish(0, 0, 0, "", 16, "4");
	publish(0, 1, 5, "c/three", 1, "5");
	publish(0, 0, 0, "", 1, "6");
	publish(0, 1, 6, "", 16, "7");
	world_run(20);
	for (uint32_t b = 0; b < 2; b++) {
		assert_int_equal(w.broker[b].nb, RTE_DIM(topics));
		for (uint32_t m = 0; m < RTE_DIM(topics); m++) {
			char text[8];

			snprintf(text, sizeof(text), "%u", m);
			assert_string_equal(w.broker[b].record[m].topic, topics[m]);
			assert_string_equal(w.broker[b].record[m].text, text);
			has_the_others(&w.broker[b].record[m]);
		}
	}
	assert_int_equal(device_acks(0, 5, NULL, reasons, 16), 6);
	ledger();
}

static void
an_alias_may_be_the_only_property(void **state)
{
	(void)state;
	world_start(1, 3, 0);
	assert_int_equal(connect_5(0, "dev", 0), 16);
	device_send(0, BYTES(0x30, 8, 0, 1, 't', 3, 0x23, 0, 1, 'x'));
	device_send(0, BYTES(0x31, 6, 0, 0, 3, 0x23, 0, 1));
	world_run(20);
	for (uint32_t m = 0; m < 2; m++) {
		assert_string_equal(w.broker[0].record[m].topic, "t");
		assert_int_equal(w.broker[0].record[m].props_len, 0);
	}
	assert_string_equal(w.broker[0].record[0].text, "x");
	assert_int_equal(w.broker[0].record[1].len, 0);
	assert_int_equal(w.broker[0].record[1].first, 0x31);
}

static void
ends_with(uint32_t i, uint8_t reason)
{
	world_run(20);
	assert_true(device_got(i, BYTES(0xE0, 1, reason)) ||
		    device_got(i, BYTES(0xE0, 2, reason, 0)));
	assert_int_equal(w.broker[0].nb, 0);
}

static void
aliases_that_mean_nothing_end_the_connection(void **state)
{
	(void)state;
	w.set.limits.topic_alias_maximum = 3;
	world_start(1, 3, 0);
	for (uint32_t i = 0; i < 4; i++) {
		char id[8];

		snprintf(id, sizeof(id), "d%u", i);
		assert_int_equal(connect_5(i, id, 0), 3);
	}
	publish(0, 0, 0, "t", 0, "zero");
	ends_with(0, 0x94);
	publish(1, 0, 0, "t", 4, "above the maximum");
	ends_with(1, 0x94);
	publish(2, 0, 0, "", 3, "unknown");
	ends_with(2, 0x82);
	/* No topic and no alias. */
	device_send(3, BYTES(0x30, 4, 0, 0, 0, 'x'));
	ends_with(3, 0x82);
}

static void
aliases_end_with_their_connection(void **state)
{
	(void)state;
	world_start(1, 3, 0);
	connect_5(0, "dev", 0);
	publish(0, 0, 0, "t", 1, "x");
	world_run(20);
	device_close(0);
	world_run(20);
	connect_5(1, "dev", 0);
	w.broker[0].nb = 0;
	publish(1, 0, 0, "", 1, "y");
	ends_with(1, 0x82);
}

/* Two packets, cut in two at every byte. */
static void
cut_at_every_byte(uint32_t payload)
{
	uint8_t out[4096], text[1500];
	uint32_t n, all, m = 0;

	world_start(1, 3, 0);
	memset(text, 'p', sizeof(text));
	assert_int_equal(connect_5(0, "dev", 0), 16);
	n = message(out, sizeof(out), 1, 7, "some/topic", 10, 2, 0, text, payload);
	all = n + message(out + n, sizeof(out) - n, 0, 0, "", 0, 2, 0, text, payload);
	for (uint32_t at = 1; at < all; at += at < 60 || (at > n - 8 && at < n + 60) ? 1 : 53) {
		device_send(0, out, at);
		world_run(1);
		device_send(0, out + at, all - at);
		world_run(1);
		m += 2;
		for (uint32_t b = 0; b < 2; b++) {
			assert_int_equal(w.broker[b].nb, m);
			for (uint32_t k = m - 2; k < m; k++) {
				const struct record *r = &w.broker[b].record[k];

				assert_string_equal(r->topic, "some/topic");
				assert_int_equal(r->len, payload);
				assert_int_equal(r->sum, payload_sum(text, payload));
				has_the_others(r);
			}
		}
	}
	assert_true(m > 100);
	ledger();
}

static void
packets_cut_at_every_byte_are_resolved_where_they_are_copied(void **state)
{
	(void)state;
	cut_at_every_byte(40);
}

static void
packets_cut_at_every_byte_are_resolved_where_they_go_by_reference(void **state)
{
	(void)state;
	w.set.limits.copy_break = 0;
	cut_at_every_byte(700);
	assert_true(counters()->bytes_by_ref > 0);
}

static void
large_frames_taken_in_parts_are_resolved_also_where_the_log_is_full(void **state)
{
	uint32_t n;

	(void)state;
	w.set.limits.max_queued_messages = 16;
	w.set.limits.receive_maximum = 16;
	w.set.route[0].when_full_qos0 = PW_WHEN_FULL_BLOCK;
	for (uint32_t k = 0; k < sizeof(big); k++)
		big[k] = (uint8_t)(k * 7 + k / 251);
	world_start(1, 3, 0);
	w.broker[0].hold = true;
	assert_int_equal(connect_5(0, "dev", 0), 16);
	assert_int_equal(connect_5(1, "other", 0), 16);
	for (uint16_t m = 1; m <= 16; m++)
		publish(1, 1, m, "fill", 1, "x");
	world_run(20);
	{
		static uint8_t out[BIG + 1000];

		publish(0, 0, 0, "large/topic", 5, "small");
		n = message(out, sizeof(out), 1, 9, "", 0, 5, 0, big, BIG);
		for (uint32_t at = 0; at < n; at += 1000) {
			device_send(0, out + at, RTE_MIN(1000u, n - at));
			world_run(1);
		}
	}
	world_run(100);
	assert_int_equal(w.broker[1].nb, 16);
	w.broker[0].hold = false;
	while (world_ack(0, 16) > 0)
		world_run(20);
	world_run(500);
	for (uint32_t b = 0; b < 2; b++) {
		const struct record *r = &w.broker[b].record[17];

		assert_int_equal(w.broker[b].nb, 18);
		assert_string_equal(r->topic, "large/topic");
		assert_int_equal(r->len, BIG);
		assert_int_equal(r->sum, payload_sum(big, BIG));
		has_the_others(r);
	}
	assert_int_equal(device_acks(0, 5, NULL, NULL, 16), 1);
	ledger();
}

static void
an_expiry_behind_the_alias_is_reduced_by_the_time_spent_here(void **state)
{
	uint8_t out[256];

	(void)state;
	world_start(1, 3, 0);
	w.broker[0].receive = 1;
	broker_reset(0);
	world_run(3000);
	w.broker[0].hold = true;
	connect_5(0, "dev", 0);
	publish(0, 1, 1, "topic", 1, "first");
	device_send(0, out, message(out, sizeof(out), 1, 2, "", 0, 1, 100, "second", 6));
	world_run(5000);
	assert_int_equal(w.broker[0].nb, 1);
	assert_int_equal(w.broker[1].record[1].expiry, 100);
	world_ack(0, 1);
	world_run(20);
	assert_int_equal(w.broker[0].nb, 2);
	assert_string_equal(w.broker[0].record[1].topic, "topic");
	assert_in_range(w.broker[0].record[1].expiry, 94, 96);
	assert_string_equal(w.broker[0].record[1].text, "second");
	world_ack(0, 1);
	world_run(20);
	ledger();
}

static void
the_longest_topic_has_an_alias(void **state)
{
	static char topic[65535];
	static uint8_t out[70000];

	(void)state;
	memset(topic, 't', sizeof(topic));
	world_start(1, 3, 0);
	connect_5(0, "dev", 0);
	device_send(0, out, message(out, sizeof(out), 1, 1, topic, 65535, 1, 0, "x", 1));
	world_run(100);
	for (uint32_t m = 1; m < 3; m++) {
		device_send(0, out, message(out, sizeof(out), 1, 2, "", 0, 1, 0, "xy", 2));
		world_run(100);
	}
	assert_int_equal(w.broker[0].nb, 3);
	for (uint32_t m = 0; m < 3; m++) {
		assert_memory_equal(w.broker[0].record[m].topic, topic, 63);
		has_the_others(&w.broker[0].record[m]);
	}
	assert_int_equal(device_acks(0, 5, NULL, NULL, 16), 3);
	ledger();
}

static void
one_device_may_not_take_all_memory_and_new_ones_do_without_where_it_is_short(void **state)
{
	static char topic[4000];
	static uint8_t out[5000];
	char id[8];
	uint32_t i;

	(void)state;
	memset(topic, 't', sizeof(topic));
	world_start(1, 3, 0);
	for (i = 0; i < 7; i++) {
		snprintf(id, sizeof(id), "d%u", i);
		assert_int_equal(connect_5(i, id, 0), 16);
		for (uint16_t a = 1; a <= 16; a++) {
			topic[0] = (char)('a' + a);
			device_send(i, out,
				    message(out, sizeof(out), 0, 0, topic, sizeof(topic), a, 0, "x",
					    1));
			world_run(2);
		}
		assert_int_equal(w.device[i].len, 0);
	}
	assert_int_equal(connect_5(7, "late", 0), 0);
	/* Mapping anew takes the place of what was there; more than its share is refused. */
	for (uint16_t a = 1; a <= 4; a++) {
		topic[0] = 'z';
		device_send(0, out,
			    message(out, sizeof(out), 0, 0, topic, sizeof(topic), a, 0, "x", 1));
		world_run(5);
	}
	assert_false(w.device[0].closed);
	device_close(1);
	world_run(20);
	assert_int_equal(connect_5(8, "next", 0), 16);
	{
		static char longest[65535];
		static uint8_t large[70000];

		memset(longest, 'l', sizeof(longest));
		device_send(0, large,
			    message(large, sizeof(large), 0, 0, longest, 65535, 3, 0, "x", 1));
	}
	world_run(50);
	assert_true(device_got(0, BYTES(0xE0, 1, 0x97)) || device_got(0, BYTES(0xE0, 2, 0x97, 0)));
	assert_int_equal(counters()->aliases_refused, 1);
	ledger();
}

static void
a_device_that_takes_no_longer_connack_is_granted_none(void **state)
{
	(void)state;
	world_start(1, 3, 0);
	assert_int_equal(connect_5(0, "dev", 15), 0);
	publish(0, 0, 0, "t", 1, "x");
	world_run(20);
	assert_int_equal(w.broker[0].nb, 0);
	assert_true(w.device[0].closed);
}

#define T(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(an_alias_stands_for_its_topic_until_it_is_mapped_anew),
		T(an_alias_may_be_the_only_property),
		T(aliases_that_mean_nothing_end_the_connection),
		T(aliases_end_with_their_connection),
		T(packets_cut_at_every_byte_are_resolved_where_they_are_copied),
		T(packets_cut_at_every_byte_are_resolved_where_they_go_by_reference),
		T(large_frames_taken_in_parts_are_resolved_also_where_the_log_is_full),
		T(an_expiry_behind_the_alias_is_reduced_by_the_time_spent_here),
		T(the_longest_topic_has_an_alias),
		T(one_device_may_not_take_all_memory_and_new_ones_do_without_where_it_is_short),
		T(a_device_that_takes_no_longer_connack_is_granted_none),
	};

	return cmocka_run_group_tests(tests, world_init, world_fini);
}
