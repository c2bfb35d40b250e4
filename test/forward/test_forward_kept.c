/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Sessions without a connection: what they are kept for may end before their time is over, and the
 * client identifier has to be free again whichever way it ends.
 */
#include <stdio.h>

#include "world.h"

/* CONNECT that goes on with a session; true where there is a CONNACK that says so. */
static bool
come_back(uint32_t i, uint8_t version, const char *id, bool *present)
{
	struct pw_mqtt_prop_out expiry = {.which = PW_MQTT_PROP_SESSION_EXPIRY, .num = 100};
	struct pw_mqtt_connect_out c = {.version = version,
					.keepalive = 60,
					.client_id = {id, (uint32_t)strlen(id)},
					.props = {.p = &expiry, .n = version == 5}};
	uint8_t out[64];
	int n = pw_mqtt_encode_connect(out, sizeof(out), &c);

	device_open(i, 0);
	device_send(i, out, (uint32_t)n);
	world_run(5);
	if (w.device[i].len < 4 || w.device[i].rx[0] != 0x20 || w.device[i].rx[3] != 0)
		return false;
	*present = w.device[i].rx[2];
	device_clear(i);
	return true;
}

/* One broker, which is away, and may have four messages waiting. */
static void
one_broker_away(void)
{
	w.set.route[0].brokers = 1;
	w.set.route[0].when_full_qos1 = PW_WHEN_FULL_DROP;
	w.set.broker[0].hold_messages = 4;
	w.broker[0].mute = true;
	world_start(1, 3, 0);
}

/* The message that a session is kept for, of which a 3.1.1 device cannot be told, is given up. */
static void
a_session_whose_last_message_is_given_up_lets_go_of_its_identifier(void **state)
{
	bool present;

	(void)state;
	one_broker_away();
	assert_true(come_back(0, 4, "a", &present));
	device_publish(0, 4, 2, 7, "t", "x");
	world_run(20);
	device_send(0, "\x00\x00", 2); /* pubwire closes, the device does not */
	world_run(20);
	device_connect(1, 0, 4, "b");
	for (uint16_t i = 1; i <= 4; i++)
		device_publish(1, 4, 1, i, "t", "y");
	world_run(20);
	assert_int_equal(counters()->unmet, 1);
	assert_int_equal(upstream(0, PW_LANE_3).counters.dropped_hold, 1);
	world_run(10000);
	assert_true(come_back(2, 4, "a", &present));
	assert_false(present);
	ledger();
}

#define T(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_session_whose_last_message_is_given_up_lets_go_of_its_identifier),
	};

	return cmocka_run_group_tests(tests, world_init, world_fini);
}
