/* SPDX-License-Identifier: BSD-3-Clause */
/* One worker, one device or a few, two brokers: what goes in comes out, and is acknowledged when
 * safe. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "eal.h"
#include "world.h"

static const struct world_conf plain = {.workers = 1};

static uint32_t want; /* of the conditions below */

static bool
brokers_have(const struct world *w)
{
	return w->broker[0].nb_records >= want && w->broker[1].nb_records >= want;
}

static bool
device_acked(const struct world *w)
{
	return w->device[0].nb_acks >= want;
}

/* Payload number k: its length and bytes follow from k. */
static uint32_t
payload_of(uint32_t k, uint8_t *out)
{
	uint32_t len = 8 + k * 37 % 500;

	for (uint32_t i = 0; i < len; i++)
		out[i] = (uint8_t)(k * 7 + i);
	memcpy(out, &k, sizeof(k));
	return len;
}

static void
publish(struct world *w, uint32_t device, uint8_t qos, uint32_t k)
{
	uint8_t payload[512];
	uint32_t len = payload_of(k, payload);

	(void)device_publish(&w->device[device], qos, "plant/line", payload, len);
}

/* Records at..at+n of a broker are the payloads k..k+n in order. */
static void
check_records(const struct model_broker *b, uint32_t at, uint32_t k, uint32_t n, uint8_t qos)
{
	uint8_t payload[512];

	for (uint32_t i = 0; i < n; i++) {
		const struct broker_record *r = &b->record[at + i];
		uint32_t len = payload_of(k + i, payload);

		assert_int_equal(r->len, len);
		assert_int_equal(r->hash, broker_hash(payload, len));
		assert_int_equal(r->qos, qos);
		assert_string_equal(r->topic, "plant/line");
	}
}

static void
qos0_reaches_both(uint8_t version)
{
	struct world *w = world_create(&plain);

	world_connect(w, 1, version);
	for (uint32_t k = 0; k < 50; k++)
		publish(w, 0, 0, k);
	want = 50;
	assert_true(world_until(w, brokers_have, 2000));
	world_run(w, 50);
	for (uint32_t b = 0; b < WORLD_BROKERS; b++) {
		assert_int_equal(w->broker[b].nb_records, 50);
		check_records(&w->broker[b], 0, 0, 50, 0);
	}
	assert_int_equal(w->device[0].nb_acks, 0);
	assert_int_equal(WORLD_SUM(w, publishes_qos0), 50);
	assert_int_equal(WORLD_SUM(w, completed_qos0), 50);
	world_destroy(w);
}

static void
test_qos0_reaches_both_brokers_in_order(void **state)
{
	(void)state;
	qos0_reaches_both(PW_MQTT_3_1_1);
}

static void
test_qos0_of_version_5_reaches_both_brokers_in_order(void **state)
{
	(void)state;
	qos0_reaches_both(PW_MQTT_5);
}

static void
test_puback_waits_for_both_brokers(void **state)
{
	struct world *w = world_create(&plain);

	(void)state;
	w->broker[0].hold_acks = true;
	w->broker[1].hold_acks = true;
	world_connect(w, 1, PW_MQTT_3_1_1);
	for (uint32_t k = 0; k < 10; k++)
		publish(w, 0, 1, k);
	want = 10;
	assert_true(world_until(w, brokers_have, 2000));
	check_records(&w->broker[0], 0, 0, 10, 1);
	check_records(&w->broker[1], 0, 0, 10, 1);
	world_run(w, 500);
	assert_int_equal(w->device[0].nb_acks, 0);
	assert_int_equal(broker_ack(&w->broker[0], 10), 10);
	world_run(w, 500);
	assert_int_equal(w->device[0].nb_acks, 0); /* one is not enough */
	assert_int_equal(broker_ack(&w->broker[1], 4), 4);
	world_run(w, 500);
	assert_int_equal(w->device[0].nb_acks, 4);
	assert_int_equal(broker_ack(&w->broker[1], 6), 6);
	want = 10;
	assert_true(world_until(w, device_acked, 500));
	for (uint16_t i = 0; i < 10; i++)
		assert_int_equal(w->device[0].ack[i], i + 1);
	assert_int_equal(WORLD_SUM(w, publishes_qos1), 10);
	assert_int_equal(WORLD_SUM(w, acknowledged), 10);
	assert_int_equal(WORLD_SUM(w, orphaned), 0);
	world_destroy(w);
}

static void
test_same_message_has_the_same_identifier_at_both_brokers(void **state)
{
	struct world *w = world_create(&plain);

	(void)state;
	world_connect(w, 2, PW_MQTT_3_1_1);
	for (uint32_t k = 0; k < 20; k++)
		publish(w, k & 1, 1, k);
	want = 20;
	assert_true(world_until(w, brokers_have, 2000));
	for (uint32_t i = 0; i < 20; i++) {
		assert_int_equal(w->broker[0].record[i].packet_id,
				 w->broker[1].record[i].packet_id);
		for (uint32_t j = 0; j < i; j++)
			assert_int_not_equal(w->broker[0].record[i].packet_id,
					     w->broker[0].record[j].packet_id);
	}
	world_run(w, 100);
	assert_int_equal(w->device[0].nb_acks, 10);
	assert_int_equal(w->device[1].nb_acks, 10);
	world_destroy(w);
}

static void
test_many_frames_of_one_segment_leave_in_few_segments(void **state)
{
	struct world *w = world_create(&plain);
	uint64_t before;

	(void)state;
	world_connect(w, 1, PW_MQTT_3_1_1);
	world_run(w, 100);
	before = pw_tcp_counters(pw_fleet_tcp(w->fleet, 0))->segs_in;
	for (uint32_t k = 0; k < 14; k++)
		(void)device_publish(&w->device[0], 0, "t", "0123456789abcdef", 16);
	want = 14;
	assert_true(world_until(w, brokers_have, 1000));
	/* All came in one segment; beside it are the brokers' acknowledgements. */
	assert_true(pw_tcp_counters(pw_fleet_tcp(w->fleet, 0))->segs_in - before <= 4);
	for (uint32_t i = 0; i < 14; i++)
		assert_memory_equal(w->broker[1].record[i].payload, "0123456789abcdef", 16);
	world_destroy(w);
}

static void
large_frames(uint8_t qos, uint32_t copy_break)
{
	static uint8_t payload[40000];
	struct world_conf conf = {.workers = 1, .copy_break = copy_break};
	struct world *w = world_create(&conf);

	for (uint32_t i = 0; i < sizeof(payload); i++)
		payload[i] = (uint8_t)(i * 31 + (i >> 8));
	world_connect(w, 1, PW_MQTT_3_1_1);
	for (uint32_t k = 0; k < 4; k++)
		(void)device_publish(&w->device[0], qos, "plant/big", payload, 40000 - k);
	want = 4;
	assert_true(world_until(w, brokers_have, 10000));
	for (uint32_t b = 0; b < WORLD_BROKERS; b++) {
		for (uint32_t k = 0; k < 4; k++) {
			assert_int_equal(w->broker[b].record[k].len, 40000 - k);
			assert_int_equal(w->broker[b].record[k].hash,
					 broker_hash(payload, 40000 - k));
		}
	}
	if (qos == 1) {
		assert_true(world_until(w, device_acked, 1000));
		assert_int_equal(w->device[0].nb_acks, 4);
	}
	/* Pieces that would pin a buffer for little are copied: the ends of windows, no more. */
	if (copy_break == 0)
		assert_true(WORLD_SUM(w, bytes_copied) < WORLD_SUM(w, bytes_by_ref) / 10);
	world_destroy(w);
}

static void
test_frame_over_many_segments_arrives_whole(void **state)
{
	(void)state;
	large_frames(0, 0);
	large_frames(1, 0);
	large_frames(1, 256);
}

static void
test_frames_that_share_buffers_with_their_sender_are_copied_first(void **state)
{
	struct world *w = world_create(&plain);

	(void)state;
	world_connect(w, 1, PW_MQTT_3_1_1);
	publish(w, 0, 1, 3);
	want = 1;
	assert_true(world_until(w, device_acked, 1000));
	assert_true(pw_wire_counters(pw_fleet_wire(w->fleet, 0))->rx_copied > 0);
	world_destroy(w);
}

static bool
broker_0_redelivered(const struct world *w)
{
	const struct model_broker *b = &w->broker[0];
	uint32_t n = 0;

	for (uint32_t i = 0; i < b->nb_records; i++)
		n += b->record[i].conn == b->nb_conns - 1;
	return n >= want;
}

static void
test_unacknowledged_messages_come_again_in_order_after_a_reset(void **state)
{
	struct world *w = world_create(&plain);
	uint16_t id[20];

	(void)state;
	w->broker[0].hold_acks = true;
	world_connect(w, 1, PW_MQTT_3_1_1);
	for (uint32_t k = 0; k < 20; k++)
		publish(w, 0, 1, k);
	want = 20;
	assert_true(world_until(w, brokers_have, 2000));
	for (uint32_t i = 0; i < 20; i++)
		id[i] = w->broker[0].record[i].packet_id;
	assert_int_equal(broker_ack(&w->broker[0], 5), 5);
	world_run(w, 50);
	assert_int_equal(w->device[0].nb_acks, 5);
	broker_reset(&w->broker[0], w->now);
	want = 15;
	w->broker[0].nb_records = 0; /* only what comes after */
	assert_true(world_until(w, broker_0_redelivered, 5000));
	check_records(&w->broker[0], 0, 5, 15, 1);
	for (uint32_t i = 0; i < 15; i++) {
		assert_int_equal(w->broker[0].record[i].packet_id, id[5 + i]);
		assert_true(w->broker[0].record[i].dup); /* [MQTT-3.3.1-1] */
	}
	assert_int_equal(w->device[0].nb_acks, 5);
	publish(w, 0, 1, 20);
	world_run(w, 100);
	assert_int_equal(broker_ack(&w->broker[0], 16), 16);
	want = 21;
	assert_true(world_until(w, device_acked, 1000));
	check_records(&w->broker[0], 15, 20, 1, 1);
	assert_false(w->broker[0].record[15].dup);
	assert_int_equal(w->broker[1].nb_records, 21); /* the other saw nothing of it */
	world_destroy(w);
}

static void
test_messages_to_a_broker_that_is_away_wait_for_it(void **state)
{
	struct world *w = world_create(&plain);

	(void)state;
	world_connect(w, 1, PW_MQTT_3_1_1);
	w->side[1].unplugged = true;
	for (uint32_t k = 0; k < 30; k++)
		publish(w, 0, 1, k);
	world_run(w, 3000);
	assert_int_equal(w->device[0].nb_acks, 0);
	w->side[1].unplugged = false;
	want = 30;
	assert_true(world_until(w, device_acked, 60000));
	check_records(&w->broker[0], 0, 0, 30, 1);
	check_records(&w->broker[1], 0, 0, 30, 1);
	world_destroy(w);
}

static void
test_acknowledgements_of_a_device_that_left_are_counted_not_sent(void **state)
{
	struct world *w = world_create(&plain);

	(void)state;
	w->broker[0].hold_acks = true;
	world_connect(w, 1, PW_MQTT_3_1_1);
	for (uint32_t k = 0; k < 5; k++)
		publish(w, 0, 1, k);
	want = 5;
	assert_true(world_until(w, brokers_have, 1000));
	pw_tcp_abort(w->side[0].tcp, w->device[0].conn, w->now);
	w->device[0].conn = NULL;
	world_run(w, 100);
	assert_int_equal(broker_ack(&w->broker[0], 5), 5);
	world_run(w, 200);
	assert_int_equal(WORLD_SUM(w, orphaned), 5);
	assert_int_equal(WORLD_SUM(w, lost), 1);
	world_destroy(w);
}

static bool
drained(const struct world *w)
{
	return pw_fleet_drained(w->fleet);
}

static void
test_drain_lets_acknowledgements_through_and_then_closes(void **state)
{
	struct world *w = world_create(&plain);

	(void)state;
	w->broker[1].hold_acks = true;
	world_connect(w, 3, PW_MQTT_3_1_1);
	for (uint32_t k = 0; k < 9; k++)
		publish(w, k % 3, 1, k);
	want = 9;
	assert_true(world_until(w, brokers_have, 1000));
	pw_fleet_drain(w->fleet);
	world_run(w, 100);
	assert_false(pw_fleet_drained(w->fleet));
	assert_int_equal(broker_ack(&w->broker[1], 9), 9);
	assert_true(world_until(w, drained, 6000));
	for (uint32_t i = 0; i < 3; i++)
		assert_int_equal(w->device[i].nb_acks, 3);
	world_destroy(w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_qos0_reaches_both_brokers_in_order),
		cmocka_unit_test(test_qos0_of_version_5_reaches_both_brokers_in_order),
		cmocka_unit_test(test_puback_waits_for_both_brokers),
		cmocka_unit_test(test_same_message_has_the_same_identifier_at_both_brokers),
		cmocka_unit_test(test_many_frames_of_one_segment_leave_in_few_segments),
		cmocka_unit_test(test_frame_over_many_segments_arrives_whole),
		cmocka_unit_test(test_frames_that_share_buffers_with_their_sender_are_copied_first),
		cmocka_unit_test(test_unacknowledged_messages_come_again_in_order_after_a_reset),
		cmocka_unit_test(test_messages_to_a_broker_that_is_away_wait_for_it),
		cmocka_unit_test(test_acknowledgements_of_a_device_that_left_are_counted_not_sent),
		cmocka_unit_test(test_drain_lets_acknowledgements_through_and_then_closes),
	};

	test_eal_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
