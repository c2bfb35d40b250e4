/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An exchange of QoS 1 or 2 of which any packet is lost, and the connection with it, on either leg:
 * nothing is lost, and what is QoS 2 comes once.
 */
#include "qos2.h"

/* One exchange of a broker, of which a packet, and with it the connection, is lost. */
static void
cut_broker(uint8_t version, uint8_t qos, uint32_t at, bool after, bool forgets)
{
	void *state = NULL;

	world_setup(&state);
	w.broker[0].cut_at = at;
	w.broker[0].cut_after = after;
	w.broker[0].cut_forgets = forgets;
	world_start(1, 3, 0);
	device_connect(0, 0, version, "a");
	for (uint16_t i = 1; i <= 3; i++)
		device_publish(0, version, qos, i, "t", "x");
	world_run(5000);
	assert_int_equal(device_answers(0, qos == 2 ? 0x50 : 0x40, version, NULL, NULL, 9), 3);
	assert_int_equal(delivered(1), 3);
	/* three PUBLISHes, three PUBRELs; two lanes and the connection that follows the cut */
	assert_int_equal(w.broker[0].connects, at > 3u * qos ? 2 : 3);
	if (qos == 2 && !forgets)
		assert_int_equal(delivered(0), 3);
	else
		assert_in_range(delivered(0), 3, 6);
	assert_int_equal(pw_forward_outstanding(w.forward[0]) + pw_forward_trailing(w.forward[0]),
			 0);
	ledger();
	world_teardown(&state);
}

static void
a_broker_cut_at_any_packet_has_each_message_once_if_its_session_stays(void **state)
{
	(void)state;
	for (uint32_t at = 1; at <= 7; at++) {
		for (uint32_t k = 0; k < 8; k++)
			cut_broker(k & 1 ? 5 : 4, 2, at, k & 2, k & 4);
	}
}

static void
a_broker_cut_at_any_packet_has_each_message_of_qos_1(void **state)
{
	(void)state;
	for (uint32_t at = 1; at <= 4; at++) {
		for (uint32_t k = 0; k < 8; k++)
			cut_broker(k & 1 ? 5 : 4, 1, at, k & 2, k & 4);
	}
}

static void
send_publish(uint8_t version, uint8_t qos, bool dup)
{
	uint8_t out[64];
	uint32_t n = publish_bytes(out, sizeof(out), version, qos, false, 7, "t", "x", 1);

	out[0] |= (uint8_t)(dup << 3);
	device_send(0, out, n);
	world_run(20);
}

static void
lose_and_come_back(uint8_t version, bool held)
{
	device_reset(0);
	world_run(20);
	if (held) { /* the brokers answer while nobody is there */
		w.broker[0].hold = false;
		world_ack(0, 9);
		world_run(20);
	}
	(void)come_back(0, 0, version, "a");
}

/* One exchange of a device, with its connection lost at a place; held: a broker answers late. */
static void
cut_device(uint8_t version, uint8_t qos, uint32_t at, bool held, bool away)
{
	uint8_t ack = qos == 2 ? 0x50 : 0x40;
	void *state = NULL;

	world_setup(&state);
	w.broker[0].hold = held;
	world_start(1, 3, 0);
	(void)come_back(0, 0, version, "a");
	if (at == 0)
		lose_and_come_back(version, held && away);
	send_publish(version, qos, false);
	if (at == 1) { /* its PUBACK or PUBREC does not come */
		lose_and_come_back(version, held && away);
		send_publish(version, qos, true);
	}
	w.broker[0].hold = false;
	world_ack(0, 9);
	world_run(20);
	assert_int_equal(device_answers(0, ack, version, NULL, NULL, 9), 1);
	if (at == 2 && qos == 2) /* before its PUBREL */
		lose_and_come_back(version, false);
	if (qos == 2) {
		device_ack(0, PW_MQTT_PUBREL, 7);
		world_run(20);
		if (at == 3) { /* its PUBCOMP does not come */
			lose_and_come_back(version, false);
			device_ack(0, PW_MQTT_PUBREL, 7);
			world_run(20);
		}
		assert_int_equal(pubcomps(0), 1);
	}
	for (uint32_t b = 0; b < 2; b++) {
		if (qos == 2)
			assert_int_equal(delivered(b), 1);
		else
			assert_in_range(delivered(b), 1, 2);
	}
	assert_int_equal(pw_forward_outstanding(w.forward[0]) + pw_forward_trailing(w.forward[0]),
			 0);
	ledger();
	world_teardown(&state);
}

static void
a_device_cut_at_any_packet_is_forwarded_once_if_it_keeps_its_session(void **state)
{
	(void)state;
	for (uint32_t at = 0; at <= 3; at++) {
		for (uint32_t k = 0; k < 8; k++)
			cut_device(k & 1 ? 5 : 4, 2, at, k & 2, k & 4);
	}
}

static void
a_device_cut_at_any_packet_is_forwarded_at_least_once_at_qos_1(void **state)
{
	(void)state;
	for (uint32_t at = 0; at <= 1; at++) {
		for (uint32_t k = 0; k < 8; k++)
			cut_device(k & 1 ? 5 : 4, 1, at, k & 2, k & 4);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			a_broker_cut_at_any_packet_has_each_message_once_if_its_session_stays),
		cmocka_unit_test(a_broker_cut_at_any_packet_has_each_message_of_qos_1),
		cmocka_unit_test(
			a_device_cut_at_any_packet_is_forwarded_once_if_it_keeps_its_session),
		cmocka_unit_test(a_device_cut_at_any_packet_is_forwarded_at_least_once_at_qos_1),
	};

	return cmocka_run_group_tests(tests, world_init, world_fini);
}
