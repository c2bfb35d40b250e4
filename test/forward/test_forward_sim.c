/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Seeded histories of everything at once: devices that publish, vanish and come back, brokers that
 * hold their acknowledgements, reset and return, a path that loses segments. Whatever happened: a
 * message whose PUBACK a device has received is on every broker, each device's messages came first
 * in their order, the ledger balances, and every buffer is back.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <rte_common.h>

#include "hash_pvt.h"
#include "world.h"

#define DEVICES	 6
#define MESSAGES 120 /* of one device */
#define STEPS	 400

static struct {
	uint32_t sent;
	uint8_t version;
	bool on;
	bool qos1[MESSAGES];
	bool acked[MESSAGES];
} dev[DEVICES];

static uint64_t rng;

static uint32_t
dice(uint32_t n)
{
	return (uint32_t)(pw_random(&rng) % n);
}

/* Note the acknowledgements that have come. */
static void
harvest(uint32_t i)
{
	uint16_t ids[MESSAGES];
	uint32_t n = device_acks(i, dev[i].version, ids, NULL, MESSAGES);

	for (uint32_t k = 0; k < n; k++) {
		assert_in_range(ids[k], 1, dev[i].sent);
		assert_true(dev[i].qos1[ids[k] - 1]);
		assert_true(k == 0 || ids[k] > ids[k - 1]); /* in the order of its messages */
		dev[i].acked[ids[k] - 1] = true;
	}
}

static void
come(uint32_t i, uint32_t workers)
{
	struct pw_mqtt_connect_out c = {.version = dev[i].version, .clean = true};
	char id[8];
	uint8_t out[64];
	int n;

	snprintf(id, sizeof(id), "d%u", i);
	c.client_id = (struct pw_mqtt_str){id, (uint32_t)strlen(id)};
	n = pw_mqtt_encode_connect(out, sizeof(out), &c);
	device_open(i, workers == 1 ? 0 : i % workers);
	device_send(i, out, (uint32_t)n);
	dev[i].on = true;
}

static void
publish(uint32_t i)
{
	static const uint32_t sizes[] = {8, 100, 300, 1500, 5000};
	static uint8_t out[8192], payload[8192];
	uint32_t n = dev[i].sent, size = sizes[dice(RTE_DIM(sizes))];

	if (n == MESSAGES || w.device[i].conn == NULL || w.device[i].closed)
		return;
	dev[i].qos1[n] = dice(3) > 0;
	dev[i].sent++;
	memset(payload, ' ', size);
	snprintf((char *)payload, size, "%u %u", i, n);
	device_send(i, out,
		    publish_bytes(out, sizeof(out), dev[i].version, dev[i].qos1[n], false,
				  dev[i].qos1[n] ? (uint16_t)(n + 1) : 0, "t", payload, size));
}

static void
step(uint32_t workers)
{
	uint32_t i = dice(DEVICES), b = dice(2), what = dice(100);

	if (!dev[i].on) {
		if (what < 40)
			come(i, workers);
	} else if (w.device[i].conn == NULL || w.device[i].closed || what < 2) {
		harvest(i);
		if (w.device[i].conn != NULL)
			device_reset(i);
		dev[i].on = false;
	} else if (what < 60) {
		publish(i);
	}
	if (what >= 60 && what < 64)
		w.broker[b].hold = !w.broker[b].hold;
	else if (what < 85 && what >= 64)
		world_ack(b, dice(20));
	else if (what == 85)
		broker_reset(b);
	world_run(dice(4) == 0 ? dice(300) : dice(3));
}

static void
check_broker(uint32_t b)
{
	static bool seen[DEVICES][MESSAGES];
	uint32_t next[DEVICES] = {0};

	memset(seen, 0, sizeof(seen));
	for (uint32_t k = 0; k < w.broker[b].nb; k++) {
		const struct record *r = &w.broker[b].record[k];
		unsigned int i, n;

		assert_int_equal(sscanf(r->text, "%u %u", &i, &n), 2);
		assert_true(i < DEVICES && n < dev[i].sent);
		if (!seen[i][n]) {
			assert_true(n >= next[i]);
			next[i] = n + 1;
		} else {
			assert_true(dev[i].qos1[n]);  /* QoS 0 at most once */
			assert_true(r->first & 0x08); /* DUP */
		}
		seen[i][n] = true;
	}
	for (uint32_t i = 0; i < DEVICES; i++) {
		for (uint32_t n = 0; n < dev[i].sent; n++)
			assert_true(!dev[i].acked[n] || seen[i][n]);
	}
}

static uint32_t
outstanding(void)
{
	struct pw_log_info l[PW_LANE_MAX];
	uint32_t sum = 0;

	for (uint32_t k = 0; k < w.nb_workers; k++) {
		for (uint32_t i = 0, n = pw_forward_logs(w.forward[k], l, PW_LANE_MAX); i < n; i++)
			sum += l[i].outstanding;
	}
	return sum;
}

static void
history(uint64_t seed, uint32_t workers, uint8_t role0, uint8_t role1)
{
	void *state = NULL;

	world_setup(&state);
	memset(dev, 0, sizeof(dev));
	rng = seed;
	for (uint32_t i = 0; i < DEVICES; i++)
		dev[i].version = i % 2 ? 5 : 4;
	w.set.limits.max_queued_messages = 32u << dice(3);
	w.set.limits.copy_break = dice(2) ? 256 : 0;
	w.set.route[0].when_full_qos0 = dice(2) ? PW_WHEN_FULL_BLOCK : PW_WHEN_FULL_DROP;
	w.behind[1] = dice(2) ? 3000 : 2 * MS;
	for (uint32_t b = 0; b < 2; b++)
		w.set.broker[b].restart_cap = 2000;
	world_start(workers, role0, role1);
	w.lost = dice(2) ? 0 : 40 + dice(60);
	for (uint32_t k = 0; k < STEPS; k++) {
		step(role1 & PW_ROLE_DEVICES ? workers : 1);
		ledger();
	}
	w.lost = 0;
	w.broker[0].hold = w.broker[1].hold = false;
	for (uint32_t k = 0; k < 100 && (outstanding() > 0 || k < 10); k++) {
		world_ack(0, WORLD_RECORDS);
		world_ack(1, WORLD_RECORDS);
		world_run(1000);
	}
	assert_int_equal(outstanding(), 0);
	for (uint32_t i = 0; i < DEVICES; i++) {
		if (dev[i].on)
			harvest(i);
	}
	check_broker(0);
	check_broker(1);
	ledger();
	world_teardown(&state);
}

static void
one_worker_keeps_every_promise(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 12; seed++)
		history(seed, 1, 3, 0);
}

static void
two_workers_keep_every_promise(void **state)
{
	(void)state;
	for (uint64_t seed = 101; seed <= 108; seed++)
		history(seed, 2, 3, 3);
}

static void
split_workers_keep_every_promise(void **state)
{
	(void)state;
	for (uint64_t seed = 201; seed <= 208; seed++)
		history(seed, 2, PW_ROLE_DEVICES, PW_ROLE_BROKERS);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_worker_keeps_every_promise),
		cmocka_unit_test(two_workers_keep_every_promise),
		cmocka_unit_test(split_workers_keep_every_promise),
	};

	return cmocka_run_group_tests(tests, world_init, world_fini);
}
