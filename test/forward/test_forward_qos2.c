/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * QoS 2 from a device to brokers: each step of the exchange on both legs, what repeats, what is
 * refused and what limits.
 */
#include <stdio.h>

#include <rte_common.h>

#include "qos2.h"

#define BYTES(...) (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__})

static void
an_exchange_goes_through_all_of_its_steps(uint8_t version, enum pw_lane lane)
{
	uint16_t ids[99];

	w.broker[0].hold = w.broker[0].hold_comp = true;
	world_start(1, 3, 0);
	device_connect(0, 0, version, "a");
	device_publish(0, version, 2, 7, "t", "x");
	world_run(20);
	assert_int_equal(w.broker[0].nb, 1);
	assert_int_equal(w.broker[0].record[0].first, 0x34);
	assert_int_equal(w.broker[0].record[0].id, 1);
	assert_int_equal(pubrecs(0, ids), 0); /* broker 1 has it, broker 0 did not say so */
	ledger();
	assert_int_equal(world_ack(0, 1), 1);
	world_run(20);
	assert_int_equal(pubrecs(0, ids), 1);
	assert_int_equal(ids[0], 7);
	assert_int_equal(w.broker[0].releases, 1);
	assert_int_equal(counters()->acknowledged, 1);
	assert_int_equal(pw_forward_trailing(w.forward[0]), 1); /* until its PUBCOMP */
	assert_int_equal(upstream(0, lane).inflight, 1);
	device_ack(0, PW_MQTT_PUBREL, 7);
	world_run(20);
	assert_int_equal(pubcomps(0), 1);
	assert_int_equal(world_ack(0, 1), 1);
	world_run(20);
	assert_int_equal(pw_forward_trailing(w.forward[0]), 0);
	assert_int_equal(upstream(0, lane).inflight, 0);
	assert_int_equal(upstream(0, lane).counters.acked, 1);
	assert_int_equal(upstream(0, lane).counters.messages_qos2, 1);
	assert_int_equal(upstream(0, lane).counters.protocol_errors, 0);
	assert_int_equal(counters()->publishes_qos2, 1);
	ledger();
}

static void
an_exchange_of_3_1_1_goes_through_all_of_its_steps(void **state)
{
	(void)state;
	an_exchange_goes_through_all_of_its_steps(4, PW_LANE_3);
}

static void
an_exchange_of_5_goes_through_all_of_its_steps(void **state)
{
	(void)state;
	an_exchange_goes_through_all_of_its_steps(5, PW_LANE_5);
}

static void
a_publish_that_comes_again_is_answered_and_not_forwarded(void **state)
{
	(void)state;
	w.broker[0].hold = true;
	world_start(1, 3, 0);
	device_connect(0, 0, 4, "a");
	device_publish(0, 4, 2, 7, "t", "x");
	device_publish(0, 4, 2, 7, "t", "x"); /* before its PUBREC */
	world_run(20);
	world_ack(0, 9);
	world_run(20);
	assert_int_equal(pubrecs(0, NULL), 1);
	device_publish(0, 4, 2, 7, "t", "x"); /* and behind it */
	world_run(20);
	assert_int_equal(pubrecs(0, NULL), 2);
	assert_int_equal(w.broker[0].nb, 1);
	assert_int_equal(counters()->duplicates_qos2, 2);
	device_ack(0, PW_MQTT_PUBREL, 7);
	device_publish(0, 4, 2, 7, "t", "y"); /* released: another message */
	world_run(20);
	assert_int_equal(pubcomps(0), 1);
	assert_int_equal(w.broker[0].nb, 2);
	ledger();
}

static void
a_release_of_an_unknown_identifier_is_completed(void **state)
{
	(void)state;
	world_start(1, 3, 0);
	device_connect(0, 0, 4, "a");
	device_ack(0, PW_MQTT_PUBREL, 9);
	device_connect(1, 0, 5, "b");
	device_ack(1, PW_MQTT_PUBREL, 9);
	world_run(20);
	assert_true(device_got(0, BYTES(0x70, 2, 0, 9)));
	assert_true(device_got(1, BYTES(0x70, 3, 0, 9, 0x92)));
	assert_int_equal(counters()->unknown_releases, 2);
}

static void
a_release_before_its_pubrec_ends_the_session(void **state)
{
	(void)state;
	w.broker[0].hold = true;
	world_start(1, 3, 0);
	device_connect(0, 0, 5, "a");
	device_publish(0, 5, 2, 7, "t", "x");
	device_ack(0, PW_MQTT_PUBREL, 7);
	world_run(20);
	assert_true(w.device[0].closed);
	assert_int_equal(pubcomps(0), 0);
	ledger();
}

static void
acknowledgements_of_both_kinds_leave_in_the_order_of_their_messages(void **state)
{
	const struct device *d = &w.device[0];
	uint32_t at = 0;

	(void)state;
	w.broker[0].hold = true;
	world_start(1, 3, 0);
	device_connect(0, 0, 4, "a");
	for (uint16_t i = 1; i <= 8; i++)
		device_publish(0, 4, 1 + i % 2, i, "t", "x");
	device_publish(0, 4, 2, 9, "t", "x");
	world_run(20);
	assert_int_equal(d->len, 0);
	world_ack(0, 99);
	world_run(20);
	for (uint16_t i = 1; i <= 9; i++, at += 4) {
		assert_int_equal(d->rx[at], i % 2 ? 0x50 : 0x40);
		assert_int_equal(d->rx[at + 3], i);
	}
	assert_int_equal(d->len, at);
}

static void
rules_count_pubrecs(void **state)
{
	(void)state;
	w.set.route[0].ack = PW_ACK_ANY;
	w.broker[0].hold = w.broker[0].hold_comp = w.broker[1].hold_comp = true;
	world_start(1, 3, 0);
	device_connect(0, 0, 4, "a");
	device_publish(0, 4, 2, 7, "t", "x");
	world_run(20);
	assert_int_equal(pubrecs(0, NULL), 1);
	assert_int_equal(pw_forward_trailing(w.forward[0]), 1);
	while (world_ack(0, 9) + world_ack(1, 9) > 0)
		world_run(20);
	assert_int_equal(pw_forward_trailing(w.forward[0]), 0);
	ledger();
}

static void
refused(uint8_t code, uint8_t told)
{
	uint16_t id;
	uint8_t reason;

	w.broker[0].reason = code;
	world_start(1, 3, 0);
	device_connect(0, 0, 5, "a");
	device_publish(0, 5, 2, 7, "t", "x");
	world_run(20);
	assert_int_equal(device_answers(0, 0x50, 5, &id, &reason, 9), 1);
	assert_int_equal(reason, told);
	assert_int_equal(w.broker[0].releases, 0);
	assert_int_equal(w.broker[1].releases, 1);
	assert_int_equal(upstream(0, PW_LANE_5).counters.refused, 1);
	assert_int_equal(upstream(0, PW_LANE_5).inflight, 0);
	assert_int_equal(counters()->refused_by_broker, 1);
	w.broker[0].reason = 0;
	device_publish(0, 5, 2, 7, "t", "y"); /* the identifier is free again */
	world_run(20);
	assert_int_equal(w.broker[1].nb, 2);
	assert_int_equal(counters()->duplicates_qos2, 0);
	ledger();
}

static void
a_refusal_ends_the_exchange_on_both_legs(void **state)
{
	refused(0x87, 0x87);
	world_teardown(state);
	world_setup(state);
	refused(0x80, 0x80); /* the least of them */
	world_teardown(state);
	world_setup(state);
	refused(0x91, 0x83); /* an identifier in use: ours, not the device's */
}

/* A message that had to wait for a place in the log is no duplicate when it is read again. */
static void
what_waits_for_a_full_log_is_forwarded_when_there_is_room(void **state)
{
	(void)state;
	w.set.limits.max_queued_messages = 8;
	w.broker[0].hold = true;
	world_start(1, 3, 0);
	device_connect(0, 0, 4, "a");
	for (uint16_t i = 1; i <= 30; i++)
		device_publish(0, 4, 2, i, "t", "x");
	world_run(20);
	assert_int_equal(w.broker[0].nb, 8);
	w.broker[0].hold = false;
	world_ack(0, 99);
	world_run(100);
	assert_int_equal(delivered(0), 30);
	assert_int_equal(delivered(1), 30);
	assert_int_equal(pubrecs(0, NULL), 30);
	assert_int_equal(counters()->duplicates_qos2, 0);
	ledger();
}

/* It is in the window already: one that comes again takes no more of it. */
static void
a_publish_that_comes_again_is_within_the_receive_maximum(void **state)
{
	(void)state;
	w.set.limits.receive_maximum = 1;
	w.broker[0].hold = true;
	world_start(1, 3, 0);
	for (uint32_t i = 0; i < 2; i++) {
		device_connect(i, 0, i == 0 ? 4 : 5, i == 0 ? "a" : "b");
		device_publish(i, i == 0 ? 4 : 5, 2, 7, "t", "x");
		device_publish(i, i == 0 ? 4 : 5, 2, 7, "t", "x");
	}
	world_run(20);
	assert_false(w.device[0].closed || w.device[1].closed);
	assert_int_equal(counters()->duplicates_qos2, 2);
	w.broker[0].hold = false;
	world_ack(0, 9);
	world_run(20);
	assert_int_equal(pubrecs(0, NULL), 1);
	assert_int_equal(pubrecs(1, NULL), 1);
	ledger();
}

static void
nobody_needs_a_message_without_a_route_and_its_exchange_goes_on(void **state)
{
	(void)state;
	snprintf(w.set.route[0].filter, sizeof(w.set.route[0].filter), "in/#");
	world_start(1, 3, 0);
	device_connect(0, 0, 5, "a");
	device_publish(0, 5, 2, 7, "out", "x");
	world_run(20);
	assert_true(device_got(0, BYTES(0x50, 3, 0, 7, 0x10)));
	device_ack(0, PW_MQTT_PUBREL, 7);
	world_run(20);
	assert_true(device_got(0, BYTES(0x70, 2, 0, 7)));
	ledger();
}

static void
the_receive_maximum_counts_until_pubcomp(void **state)
{
	(void)state;
	w.set.limits.receive_maximum = 3;
	world_start(1, 3, 0);
	device_connect(0, 0, 5, "a");
	for (uint16_t i = 1; i <= 3; i++)
		device_publish(0, 5, 2, i, "t", "x");
	world_run(20);
	assert_int_equal(pubrecs(0, NULL), 3);
	device_ack(0, PW_MQTT_PUBREL, 1);
	device_publish(0, 5, 2, 4, "t", "x");
	world_run(20);
	assert_false(w.device[0].closed);
	device_publish(0, 5, 1, 5, "t", "x");
	world_run(20);
	assert_true(device_got(0, BYTES(0xE0, 1, 0x93)));
	ledger();
}

static void
a_3_1_1_device_may_have_more_than_a_window_unreleased(void **state)
{
	(void)state;
	w.set.limits.receive_maximum = 3;
	world_start(1, 3, 0);
	device_connect(0, 0, 4, "a");
	/* All of them before the first PUBREL, which could not be read behind a PUBLISH that
	 * waits for it. */
	for (uint16_t i = 1; i <= 40; i++)
		device_publish(0, 4, 2, i, "t", "x");
	for (uint16_t i = 1; i <= 40; i++)
		device_ack(0, PW_MQTT_PUBREL, i);
	world_run(100);
	assert_int_equal(pubcomps(0), 40);
	assert_int_equal(delivered(0), 40);
	ledger();
}

static void
the_window_of_a_broker_counts_until_pubcomp(void **state)
{
	(void)state;
	w.broker[0].receive = 4;
	w.broker[0].hold_comp = true;
	world_start(1, 3, 0);
	device_connect(0, 0, 5, "a");
	for (uint16_t i = 1; i <= 10; i++)
		device_publish(0, 5, 1 + i % 2, i, "t", "x");
	world_run(50);
	assert_true(w.broker[0].nb < 10);
	while (world_ack(0, 1) > 0)
		world_run(10);
	assert_int_equal(w.broker[0].nb, 10);
	assert_in_range(w.broker[0].max_inflight, 1, 4);
	assert_int_equal(delivered(0), 10);
}

/* Broker 0 sends this on its connections of the version. */
static void
broker_says(uint8_t version, const uint8_t *bytes, uint32_t n)
{
	for (uint32_t k = 0; k < RTE_DIM(w.broker[0].leg); k++) {
		struct leg *l = &w.broker[0].leg[k];

		if (l->conn != NULL && l->version == version)
			assert_int_equal(pw_tcp_send_copy(w.broker_tcp, l->conn, bytes, n), 0);
	}
	world_run(20);
}

static void
a_broker_of_3_1_1_that_has_no_qos_2_is_done_with_its_puback(void **state)
{
	(void)state;
	w.broker[0].hold = true;
	world_start(1, 3, 0);
	device_connect(0, 0, 4, "a");
	device_publish(0, 4, 2, 1, "t", "x");
	world_run(20);
	assert_int_equal(pubrecs(0, NULL), 0);
	broker_says(4, BYTES(0x40, 2, 0, 1));
	assert_int_equal(pubrecs(0, NULL), 1);
	device_ack(0, PW_MQTT_PUBREL, 1);
	world_run(20);
	assert_int_equal(pubcomps(0), 1);
	assert_int_equal(upstream(0, PW_LANE_3).inflight, 0);
	assert_int_equal(upstream(0, PW_LANE_3).counters.acked, 1);
	assert_int_equal(upstream(0, PW_LANE_3).counters.qos2_as_qos1, 1);
	assert_int_equal(upstream(0, PW_LANE_3).counters.protocol_errors, 0);
	assert_int_equal(w.broker[0].releases, 0);
	assert_int_equal(pw_forward_trailing(w.forward[0]), 0);
	broker_says(4, BYTES(0x40, 2, 0, 1)); /* once */
	assert_int_equal(upstream(0, PW_LANE_3).counters.protocol_errors, 1);
	ledger();
}

static void
strange_answers_change_nothing(void **state)
{
	(void)state;
	w.broker[0].hold = true;
	world_start(1, 3, 0);
	device_connect(0, 0, 5, "a");
	device_publish(0, 5, 2, 1, "t", "x");
	device_publish(0, 5, 1, 2, "t", "x");
	world_run(20);
	/* PUBACK for QoS 2, PUBREC for QoS 1, PUBCOMP before PUBREC, what nobody knows */
	broker_says(5, BYTES(0x40, 2, 0, 1, 0x50, 2, 0, 2, 0x70, 2, 0, 1, 0x50, 2, 0, 99));
	assert_int_equal(upstream(0, PW_LANE_5).counters.protocol_errors, 4 + 2); /* PUBCOMPs */
	assert_int_equal(w.broker[0].strange_releases, 2); /* so that the broker forgets them */
	assert_int_equal(w.device[0].len, 0);
	while (world_ack(0, 9) > 0)
		world_run(20);
	assert_int_equal(pubrecs(0, NULL), 1);
	assert_int_equal(device_acks(0, 5, NULL, NULL, 9), 1);
	ledger();
}

static void
a_will_of_qos_2_is_published(void **state)
{
	struct pw_mqtt_connect_out c = {.version = 4,
					.clean = true,
					.client_id = {"a", 1},
					.has_will = true,
					.will_qos = 2,
					.will_topic = {"t", 1},
					.will_payload = {"bye", 3}};
	uint8_t out[64];
	int n = pw_mqtt_encode_connect(out, sizeof(out), &c);

	(void)state;
	world_start(1, 3, 0);
	device_open(0, 0);
	device_send(0, out, (uint32_t)n);
	world_run(20);
	assert_true(device_got(0, BYTES(0x20, 2, 0, 0)));
	device_reset(0);
	world_run(50);
	assert_int_equal(w.broker[0].nb, 1);
	assert_int_equal(w.broker[0].record[0].first, 0x34);
	assert_int_equal(w.broker[0].releases, 1);
	assert_int_equal(counters()->orphaned, 1);
	ledger();
}

static void
readers_on_another_worker_report_both_steps(void **state)
{
	(void)state;
	w.broker[0].hold_comp = true;
	world_start(2, PW_ROLE_DEVICES, PW_ROLE_BROKERS);
	device_connect(0, 0, 4, "a");
	for (uint16_t i = 1; i <= 50; i++)
		device_publish(0, 4, 2, i, "t", "x");
	world_run(50);
	assert_int_equal(pubrecs(0, NULL), 50);
	assert_int_equal(pw_forward_trailing(w.forward[0]), 50);
	world_ack(0, 99);
	world_run(50);
	assert_int_equal(pw_forward_trailing(w.forward[0]), 0);
	ledger();
}

static void
pubrel_does_not_go_into_the_midst_of_a_message(void **state)
{
	static uint8_t out[600100], payload[600000];
	uint32_t n;

	(void)state;
	for (uint32_t k = 0; k < sizeof(payload); k++)
		payload[k] = (uint8_t)(k * 31 >> 3);
	w.broker[0].hold = true;
	world_start(1, 3, 0);
	device_connect(0, 0, 4, "a");
	for (uint16_t i = 1; i <= 60; i++)
		device_publish(0, 4, 2, i, "t", "x");
	world_run(20);
	w.lost = 9;
	n = publish_bytes(out, sizeof(out), 4, 0, false, 0, "big", payload, sizeof(payload));
	device_send(0, out, n);
	for (uint32_t k = 0; k < 4000 && w.broker[0].nb < 61; k++) {
		world_ack(0, k % 8 == 0);
		world_run(2);
	}
	w.lost = 0;
	while (world_ack(0, 9) > 0)
		world_run(2000);
	assert_int_equal(w.broker[0].nb, 61);
	assert_int_equal(w.broker[0].record[60].len, sizeof(payload));
	assert_int_equal(w.broker[0].record[60].sum, payload_sum(payload, sizeof(payload)));
	assert_int_equal(w.broker[0].releases, 60);
	assert_int_equal(pubrecs(0, NULL), 60);
	ledger();
}

#define T(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(an_exchange_of_3_1_1_goes_through_all_of_its_steps),
		T(an_exchange_of_5_goes_through_all_of_its_steps),
		T(a_publish_that_comes_again_is_answered_and_not_forwarded),
		T(a_release_of_an_unknown_identifier_is_completed),
		T(a_release_before_its_pubrec_ends_the_session),
		T(acknowledgements_of_both_kinds_leave_in_the_order_of_their_messages),
		T(rules_count_pubrecs),
		T(a_refusal_ends_the_exchange_on_both_legs),
		T(what_waits_for_a_full_log_is_forwarded_when_there_is_room),
		T(a_publish_that_comes_again_is_within_the_receive_maximum),
		T(nobody_needs_a_message_without_a_route_and_its_exchange_goes_on),
		T(the_receive_maximum_counts_until_pubcomp),
		T(a_3_1_1_device_may_have_more_than_a_window_unreleased),
		T(the_window_of_a_broker_counts_until_pubcomp),
		T(a_broker_of_3_1_1_that_has_no_qos_2_is_done_with_its_puback),
		T(strange_answers_change_nothing),
		T(a_will_of_qos_2_is_published),
		T(readers_on_another_worker_report_both_steps),
		T(pubrel_does_not_go_into_the_midst_of_a_message),
	};

	return cmocka_run_group_tests(tests, world_init, world_fini);
}
