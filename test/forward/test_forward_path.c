/* SPDX-License-Identifier: BSD-3-Clause */
/* PUBLISH from devices to brokers and the acknowledgements back, over real TCP in virtual time. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <rte_common.h>

#include "world.h"

static void
qos0_reaches_every_broker_with_its_bytes_unchanged(void **state)
{
	(void)state;
	world_start(1, 3, 0);
	device_connect(0, 0, 4, "a");
	device_publish(0, 4, 0, 0, "t/1", "hello");
	world_run(10);
	for (uint32_t b = 0; b < 2; b++) {
		assert_int_equal(w.broker[b].nb, 1);
		assert_string_equal(w.broker[b].record[0].topic, "t/1");
		assert_string_equal(w.broker[b].record[0].text, "hello");
		assert_int_equal(w.broker[b].record[0].first, 0x30);
	}
	assert_int_equal(counters()->completed_qos0, 1);
	assert_int_equal(pw_forward_latency_qos0(w.forward[0])->count, 1);
	ledger();
}

static void
puback_waits_for_the_last_broker(void **state)
{
	uint16_t id;

	(void)state;
	w.broker[0].hold = w.broker[1].hold = true;
	world_start(1, 3, 0);
	device_connect(0, 0, 4, "a");
	device_publish(0, 4, 1, 777, "t", "x");
	world_run(10);
	assert_int_equal(w.broker[0].nb, 1);
	assert_int_equal(w.broker[1].nb, 1);
	assert_int_equal(w.broker[0].record[0].id, w.broker[1].record[0].id);
	assert_int_equal(world_ack(0, 1), 1);
	world_run(50);
	assert_int_equal(w.device[0].len, 0);
	assert_int_equal(world_ack(1, 1), 1);
	world_run(10);
	assert_int_equal(device_acks(0, 4, &id, NULL, 1), 1);
	assert_int_equal(id, 777);
	assert_int_equal(counters()->acknowledged, 1);
	ledger();
}

static void
lanes_keep_versions_apart(void **state)
{
	(void)state;
	world_start(1, 3, 0);
	device_connect(0, 0, 4, "a");
	device_connect(1, 0, 5, "b");
	device_connect(2, 0, 3, "c");
	device_publish(0, 4, 1, 1, "t", "four");
	device_publish(1, 5, 1, 2, "t", "five");
	device_publish(2, 3, 1, 3, "t", "three");
	world_run(10);
	assert_int_equal(w.broker[0].nb, 3);
	for (uint32_t i = 0; i < 3; i++)
		assert_int_equal(w.broker[0].record[i].lane,
				 w.broker[0].record[i].text[1] == 'i' ? 5 : 3);
	for (uint32_t i = 0; i < 3; i++)
		assert_int_equal(device_acks(i, i == 1 ? 5 : 4, NULL, NULL, 9), 1);
	ledger();
}

static void
order_holds_per_device_on_each_broker(void **state)
{
	uint32_t next[4] = {0};
	char text[16];

	(void)state;
	world_start(1, 3, 0);
	for (uint32_t d = 0; d < 4; d++) {
		char id[8];

		snprintf(id, sizeof(id), "d%u", d);
		device_connect(d, 0, 4, id);
	}
	for (uint32_t i = 0; i < 200; i++) {
		snprintf(text, sizeof(text), "%u %u", i % 4, i / 4);
		device_publish(i % 4, 4, (uint8_t)(i / 4 % 2), (uint16_t)(i / 4 + 1), "t", text);
		if (i % 16 == 0)
			world_run(1);
	}
	world_run(100);
	assert_int_equal(w.broker[0].nb, 200);
	assert_int_equal(w.broker[1].nb, 200);
	for (uint32_t i = 0; i < 200; i++) {
		unsigned int d, n;

		assert_int_equal(sscanf(w.broker[1].record[i].text, "%u %u", &d, &n), 2);
		assert_int_equal(n, next[d]++);
	}
	for (uint32_t d = 0; d < 4; d++) {
		uint16_t ids[64];

		assert_int_equal(device_acks(d, 4, ids, NULL, 64), 25);
		for (uint32_t i = 0; i < 25; i++)
			assert_int_equal(ids[i], 2 * i + 2);
	}
	ledger();
}

static void
a_reset_broker_gets_what_it_did_not_acknowledge_again_with_dup(void **state)
{
	uint16_t ids[8];

	(void)state;
	w.broker[0].hold = true;
	world_start(1, 3, 0);
	device_connect(0, 0, 5, "a");
	for (uint16_t i = 1; i <= 4; i++)
		device_publish(0, 5, 1, i, "t", i % 2 ? "odd" : "even");
	device_publish(0, 5, 0, 0, "t", "zero");
	world_run(10);
	assert_int_equal(w.broker[0].nb, 5);
	assert_int_equal(world_ack(0, 2), 2);
	world_run(10);
	broker_reset(0);
	world_run(5000);
	/* two again, in order and with DUP; QoS 0 not again */
	assert_int_equal(w.broker[0].nb, 7);
	assert_int_equal(w.broker[0].record[5].id, w.broker[0].record[2].id);
	assert_int_equal(w.broker[0].record[6].id, w.broker[0].record[3].id);
	assert_int_equal(w.broker[0].record[5].first, 0x3A);
	assert_int_equal(w.broker[0].record[2].first, 0x32);
	assert_string_equal(w.broker[0].record[5].text, "odd");
	assert_int_equal(w.broker[1].nb, 5);
	assert_int_equal(world_ack(0, 9), 2);
	world_run(10);
	assert_int_equal(device_acks(0, 5, ids, NULL, 8), 4);
	for (uint16_t i = 0; i < 4; i++)
		assert_int_equal(ids[i], i + 1);
	assert_int_equal(upstream(0, PW_LANE_5).counters.redelivered, 2);
	ledger();
}

static void
dup_of_the_device_is_not_passed_on(void **state)
{
	uint8_t frame[] = {0x3A, 6, 0, 1, 't', 0, 9, 'x'};

	(void)state;
	world_start(1, 3, 0);
	device_connect(0, 0, 4, "a");
	device_send(0, frame, sizeof(frame));
	world_run(10);
	assert_int_equal(w.broker[0].record[0].first, 0x32);
	ledger();
}

static void
large_frames_over_many_segments_arrive_whole(void **state)
{
	const uint32_t size = 1 << 20;
	uint8_t *out = malloc(size + 64), *payload = malloc(size);
	uint32_t sum = 0, n;

	(void)state;
	for (uint32_t i = 0; i < size; i++) {
		payload[i] = (uint8_t)(i * 7 + i / 251);
		sum = sum * 31 + payload[i];
	}
	world_start(1, 3, 0);
	device_connect(0, 0, 5, "a");
	device_publish(0, 5, 0, 0, "t", "before");
	n = publish_bytes(out, size + 64, 5, 1, true, 5, "big", payload, size);
	device_send(0, out, n);
	device_publish(0, 5, 0, 0, "t", "after");
	world_run(2000);
	for (uint32_t b = 0; b < 2; b++) {
		assert_int_equal(w.broker[b].nb, 3);
		assert_int_equal(w.broker[b].record[1].len, size);
		assert_int_equal(w.broker[b].record[1].sum, sum);
		assert_int_equal(w.broker[b].record[1].first, 0x33);
		assert_string_equal(w.broker[b].record[2].text, "after");
	}
	assert_int_equal(device_acks(0, 5, NULL, NULL, 9), 1);
	assert_true(counters()->bytes_by_ref > size / 2);
	ledger();
	free(out);
	free(payload);
}

static void
frames_of_every_size_cross_in_any_segmentation(void **state)
{
	static const uint32_t sizes[] = {0, 1, 100, 255, 256, 257, 1399, 1460, 3000, 30000, 40000};
	static uint8_t out[50000], payload[50000];
	uint32_t sums[RTE_DIM(sizes)];

	(void)state;
	world_start(1, 3, 0);
	device_connect(0, 0, 4, "a");
	for (uint32_t k = 0; k < RTE_DIM(sizes); k++) {
		uint32_t n, step = 1 + k * 37;

		sums[k] = 0;
		for (uint32_t i = 0; i < sizes[k]; i++) {
			payload[i] = (uint8_t)(i * (k + 3));
			sums[k] = sums[k] * 31 + payload[i];
		}
		n = publish_bytes(out, sizeof(out), 4, 1, false, (uint16_t)(k + 1), "t/x", payload,
				  sizes[k]);
		for (uint32_t at = 0; at < n; at += step) {
			device_send(0, out + at, RTE_MIN(step, n - at));
			if (at / step < 40)
				world_run(1);
		}
		world_run(50);
	}
	for (uint32_t b = 0; b < 2; b++) {
		assert_int_equal(w.broker[b].nb, RTE_DIM(sizes));
		for (uint32_t k = 0; k < RTE_DIM(sizes); k++) {
			assert_int_equal(w.broker[b].record[k].len, sizes[k]);
			assert_int_equal(w.broker[b].record[k].sum, sums[k]);
		}
	}
	assert_int_equal(device_acks(0, 4, NULL, NULL, 64), RTE_DIM(sizes));
	ledger();
}

static void
split_roles_forward_and_acknowledge_across_workers(void **state)
{
	uint16_t ids[64];

	(void)state;
	world_start(2, PW_ROLE_DEVICES, PW_ROLE_BROKERS);
	device_connect(0, 0, 5, "a");
	for (uint16_t i = 1; i <= 50; i++)
		device_publish(0, 5, i % 2, i % 2 ? i : 0, "t", "x");
	world_run(50);
	assert_int_equal(w.broker[0].nb, 50);
	assert_int_equal(w.broker[1].nb, 50);
	assert_int_equal(device_acks(0, 5, ids, NULL, 64), 25);
	assert_int_equal(counters()->completed_qos0, 25);
	broker_reset(0);
	device_publish(0, 5, 1, 100, "t", "y");
	world_run(5000);
	assert_int_equal(device_acks(0, 5, ids, NULL, 64), 26);
	ledger();
}

static void
a_lossy_path_loses_nothing_that_was_acknowledged(void **state)
{
	(void)state;
	w.lost = 17;
	world_start(1, 3, 0);
	world_run(3000);
	device_connect(0, 0, 4, "a");
	for (uint16_t i = 1; i <= 60; i++) {
		device_publish(0, 4, 1, i, "t", "lossy");
		world_run(3);
	}
	world_run(20000);
	assert_int_equal(w.broker[0].nb, 60);
	assert_int_equal(device_acks(0, 4, NULL, NULL, 99), 60);
	ledger();
}

#define T(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(qos0_reaches_every_broker_with_its_bytes_unchanged),
		T(puback_waits_for_the_last_broker),
		T(lanes_keep_versions_apart),
		T(order_holds_per_device_on_each_broker),
		T(a_reset_broker_gets_what_it_did_not_acknowledge_again_with_dup),
		T(dup_of_the_device_is_not_passed_on),
		T(large_frames_over_many_segments_arrive_whole),
		T(frames_of_every_size_cross_in_any_segmentation),
		T(split_roles_forward_and_acknowledge_across_workers),
		T(a_lossy_path_loses_nothing_that_was_acknowledged),
	};

	return cmocka_run_group_tests(tests, world_init, world_fini);
}
