/* SPDX-License-Identifier: BSD-3-Clause */
/* Routes that change the beginning of topics on the way to brokers: payload, properties and order
 * stay what they are. */
#include <stdio.h>
#include <stdlib.h>

#include <rte_common.h>

#include "world.h"

static void
prefix(const char *take, const char *add)
{
	snprintf(w.set.route[0].prefix_remove, sizeof(w.set.route[0].prefix_remove), "%s", take);
	snprintf(w.set.route[0].prefix_add, sizeof(w.set.route[0].prefix_add), "%s", add);
}

static void
topics_lose_and_gain_their_beginning(void **state)
{
	static const char *const sent[] = {"plant/7/heat", "plant/", "office/7", "p"};
	static const char *const got[] = {"eu/7/heat", "eu/", "eu/office/7", "eu/p"};

	(void)state;
	prefix("plant/", "eu/");
	world_start(1, 3, 0);
	device_connect(0, 0, 4, "a");
	device_connect(1, 0, 5, "b");
	for (uint16_t i = 0; i < 4; i++) {
		device_publish(0, 4, 1, i + 1, sent[i], "payload");
		device_publish(1, 5, i % 2, i + 1, sent[i], "payload");
	}
	world_run(30);
	for (uint32_t b = 0; b < 2; b++) {
		uint32_t next[2] = {0};

		assert_int_equal(w.broker[b].nb, 8);
		for (uint32_t k = 0; k < 8; k++) {
			const struct record *r = &w.broker[b].record[k];

			assert_string_equal(r->topic, got[next[r->lane == 5]++]);
			assert_string_equal(r->text, "payload");
		}
	}
	assert_int_equal(device_acks(0, 4, NULL, NULL, 9), 4);
	assert_int_equal(device_acks(1, 5, NULL, NULL, 9), 2);
	ledger();
}

static void
large_messages_and_expiry_pass_a_change_of_topic(void **state)
{
	struct pw_mqtt_prop_out p = {.which = PW_MQTT_PROP_MESSAGE_EXPIRY, .num = 3600};
	struct pw_mqtt_props_out props = {.p = &p, .n = 1};
	uint32_t len = 100000;
	uint8_t *out = malloc(len + 100);
	int n;

	(void)state;
	assert_non_null(out);
	prefix("", "a/much/longer/beginning/");
	world_start(1, 3, 0);
	device_connect(0, 0, 5, "a");
	for (uint16_t i = 1; i <= 2; i++) {
		len = i == 1 ? 100000 : 700;
		n = pw_mqtt_encode_publish(out, 100, 5, false, 1, false,
					   (struct pw_mqtt_str){"t", 1}, i, &props, len);
		for (uint32_t k = 0; k < len; k++)
			out[(uint32_t)n + k] = (uint8_t)(k * 7);
		device_send(0, out, (uint32_t)n + len);
		world_run(500);
		for (uint32_t b = 0; b < 2; b++) {
			const struct record *r = &w.broker[b].record[i - 1];

			assert_int_equal(w.broker[b].nb, i);
			assert_string_equal(r->topic, "a/much/longer/beginning/t");
			assert_int_equal(r->expiry, 3600);
			assert_int_equal(r->len, len);
			assert_int_equal(r->sum, payload_sum(out + n, len));
		}
	}
	assert_int_equal(device_acks(0, 5, NULL, NULL, 9), 2);
	free(out);
	ledger();
}

static void
a_topic_that_would_be_empty_or_too_long_is_refused(void **state)
{
	static char topic[65536];
	static uint8_t out[70000];
	uint8_t reasons[3];
	uint32_t n;

	(void)state;
	prefix("gone", "");
	world_start(1, 3, 0);
	device_connect(0, 0, 5, "a");
	device_publish(0, 5, 1, 1, "gone", "x");
	device_publish(0, 5, 1, 2, "gone/not", "x");
	world_run(30);
	assert_int_equal(device_acks(0, 5, NULL, reasons, 3), 2);
	assert_int_equal(reasons[0], 0x90);
	assert_int_equal(reasons[1], 0);
	assert_string_equal(w.broker[0].record[0].topic, "/not");
	assert_int_equal(counters()->dropped_no_route, 1);
	ledger();
	world_teardown(state);

	world_setup(state);
	prefix("", "x/");
	world_start(1, 3, 0);
	device_connect(0, 0, 5, "a");
	memset(topic, 'a', 65534);
	n = publish_bytes(out, sizeof(out), 5, 1, false, 1, topic, "x", 1);
	device_send(0, out, n);
	world_run(200);
	assert_int_equal(device_acks(0, 5, NULL, reasons, 3), 1);
	assert_int_equal(reasons[0], 0x90);
	assert_int_equal(w.broker[0].nb, 0);
	ledger();
}

static void
wills_have_their_topic_changed_too(void **state)
{
	struct pw_mqtt_connect_out o = {
		.version = 5,
		.clean = true,
		.client_id = {"a", 1},
		.has_will = true,
		.will_qos = 1,
		.will_topic = {"plant/will", 10},
		.will_payload = {"x", 1},
	};
	uint8_t out[256];

	(void)state;
	prefix("plant/", "eu/");
	world_start(1, 3, 0);
	device_open(0, 0);
	device_send(0, out, (uint32_t)pw_mqtt_encode_connect(out, sizeof(out), &o));
	world_run(20);
	device_reset(0);
	world_run(20);
	assert_int_equal(w.broker[0].nb, 1);
	assert_string_equal(w.broker[0].record[0].topic, "eu/will");
	ledger();
}

#define T(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(topics_lose_and_gain_their_beginning),
		T(large_messages_and_expiry_pass_a_change_of_topic),
		T(a_topic_that_would_be_empty_or_too_long_is_refused),
		T(wills_have_their_topic_changed_too),
	};

	return cmocka_run_group_tests(tests, world_init, world_fini);
}
