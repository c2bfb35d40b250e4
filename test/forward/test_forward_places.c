/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The places of a listener that is full, where a client connects that has a connection already:
 * the old one's place is the new one's, or the old one stays.
 */
#include <rte_byteorder.h>

#include "world.h"

#define OTHER 1884 /* port of a listener without limits, of worker 0 */

static void
try_connect(uint32_t i, uint32_t k, uint16_t port, uint8_t version, const char *id)
{
	struct pw_mqtt_connect_out c = {.version = version,
					.clean = true,
					.keepalive = 60,
					.client_id = {id, (uint32_t)strlen(id)}};
	uint8_t out[64];
	int n = pw_mqtt_encode_connect(out, sizeof(out), &c);

	w.device_port = port;
	device_open(i, k);
	device_send(i, out, (uint32_t)n);
	world_run(5);
}

static bool
accepted(uint32_t i)
{
	const struct device *d = &w.device[i];

	return d->len >= 4 && d->rx[0] == 0x20 && d->rx[3] == 0;
}

static bool
refused(uint32_t i, uint8_t code)
{
	const struct device *d = &w.device[i];

	return d->len >= 4 && d->rx[0] == 0x20 && d->rx[3] == code;
}

static void
two_places(uint32_t workers)
{
	w.set.listener[0].max_connections = 2;
	w.set.nb_listeners = 2;
	w.set.listener[1] = (struct pw_listener_conf){
		.name = "other",
		.port = OTHER,
		.address = pw_addr_v4(rte_cpu_to_be_32(10u << 24 | 1u << 16 | 1)),
	};
	world_start(workers, 3, 3);
}

static void
a_connection_elsewhere_stays_where_the_new_one_has_no_place(void **state)
{
	(void)state;
	two_places(1);
	try_connect(0, 0, 1883, 4, "a");
	try_connect(1, 0, 1883, 5, "b");
	try_connect(2, 0, OTHER, 5, "c");
	assert_true(accepted(0) && accepted(1) && accepted(2));
	device_clear(2);
	try_connect(3, 0, 1883, 5, "c");
	assert_true(refused(3, 0x97));
	try_connect(4, 0, 1883, 4, "c");
	assert_true(refused(4, 3));
	assert_int_equal(counters()->listener_full, 2);
	assert_int_equal(counters()->takeovers, 0);
	assert_false(w.device[2].closed);
	device_publish(2, 5, 1, 7, "t", "x");
	world_run(20);
	assert_int_equal(device_acks(2, 5, NULL, NULL, 9), 1);
	/* a place is free: it goes over, and the one after it has none */
	device_reset(0);
	world_run(20);
	try_connect(5, 0, 1883, 5, "c");
	assert_true(accepted(5));
	assert_true(w.device[2].closed);
	try_connect(6, 0, 1883, 5, "d");
	assert_true(refused(6, 0x97));
}

static void
a_will_that_waits_is_not_cancelled_by_a_connection_without_a_place(void **state)
{
	struct pw_mqtt_prop_out delay = {.which = PW_MQTT_PROP_WILL_DELAY, .num = 10};
	struct pw_mqtt_prop_out expiry = {.which = PW_MQTT_PROP_SESSION_EXPIRY, .num = 100};
	struct pw_mqtt_connect_out c = {.version = 5,
					.client_id = {"c", 1},
					.props = {.p = &expiry, .n = 1},
					.has_will = true,
					.will_topic = {"t", 1},
					.will_payload = {"bye", 3},
					.will_props = {.p = &delay, .n = 1}};
	uint8_t out[64];
	int n = pw_mqtt_encode_connect(out, sizeof(out), &c);

	(void)state;
	two_places(1);
	w.device_port = OTHER;
	device_open(2, 0);
	device_send(2, out, (uint32_t)n);
	world_run(20);
	assert_true(accepted(2));
	try_connect(0, 0, 1883, 4, "a");
	try_connect(1, 0, 1883, 5, "b");
	device_reset(2);
	world_run(20);
	try_connect(3, 0, 1883, 5, "c");
	assert_true(refused(3, 0x97));
	assert_int_equal(w.broker[0].nb, 0);
	world_run(11000);
	assert_int_equal(w.broker[0].nb, 1);
	assert_string_equal(w.broker[0].record[0].text, "bye");
}

/* While brokers are waited for, others come, who would take a place that is nobody's. */
static void
the_place_of_a_client_is_its_own_on_the_way_to_another_worker(void **state)
{
	(void)state;
	w.broker[0].hold = true;
	two_places(2);
	try_connect(0, 0, 1883, 4, "a");
	try_connect(1, 0, 1883, 5, "b");
	device_publish(0, 4, 1, 7, "t", "x");
	world_run(20);
	try_connect(2, 1, 1883, 4, "a");
	assert_int_equal(w.device[2].len, 0);
	world_run(1000);
	assert_true(w.device[0].closed && w.device[0].conn == NULL);
	try_connect(3, 1, 1883, 5, "d");
	assert_true(refused(3, 0x97));
	world_ack(0, 9);
	world_run(20);
	assert_true(accepted(2));
	try_connect(4, 0, 1883, 5, "d");
	assert_true(refused(4, 0x97));
	device_reset(2);
	world_run(20);
	try_connect(5, 0, 1883, 5, "d"); /* and it is given back once */
	assert_true(accepted(5));
	try_connect(6, 1, 1883, 5, "e");
	assert_true(refused(6, 0x97));
	ledger();
}

static void
a_client_that_goes_to_another_listener_leaves_its_place_to_others(void **state)
{
	(void)state;
	two_places(1);
	w.set.listener[1].max_connections = 1;
	try_connect(0, 0, OTHER, 5, "a");
	try_connect(1, 0, OTHER, 5, "b");
	assert_true(accepted(0) && refused(1, 0x97));
	for (uint32_t k = 0; k < 3; k++) { /* there and back */
		try_connect(2 + 4 * k, 0, 1883, 5, "a");
		assert_true(accepted(2 + 4 * k));
		try_connect(3 + 4 * k, 0, OTHER, 4, "b");
		assert_true(accepted(3 + 4 * k));
		try_connect(4 + 4 * k, 0, OTHER, 5, "a"); /* it has none there */
		assert_true(refused(4 + 4 * k, 0x97));
		assert_false(w.device[2 + 4 * k].closed);
		device_reset(3 + 4 * k);
		world_run(20);
		try_connect(5 + 4 * k, 0, OTHER, 5, "a");
		assert_true(accepted(5 + 4 * k) && w.device[2 + 4 * k].closed);
	}
	ledger();
}

static void
a_place_whose_heir_has_gone_is_given_back(void **state)
{
	(void)state;
	w.broker[0].hold = true;
	two_places(2);
	try_connect(0, 0, 1883, 4, "a");
	try_connect(1, 0, 1883, 5, "b");
	device_publish(0, 4, 1, 7, "t", "x");
	world_run(20);
	try_connect(2, 1, 1883, 4, "a");
	world_run(100);
	device_reset(2);
	world_ack(0, 9);
	world_run(20);
	try_connect(3, 1, 1883, 5, "d");
	assert_true(accepted(3));
	try_connect(4, 0, 1883, 5, "e");
	assert_true(refused(4, 0x97));
	ledger();
}

#define T(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_connection_elsewhere_stays_where_the_new_one_has_no_place),
		T(a_will_that_waits_is_not_cancelled_by_a_connection_without_a_place),
		T(the_place_of_a_client_is_its_own_on_the_way_to_another_worker),
		T(a_client_that_goes_to_another_listener_leaves_its_place_to_others),
		T(a_place_whose_heir_has_gone_is_given_back),
	};

	return cmocka_run_group_tests(tests, world_init, world_fini);
}
