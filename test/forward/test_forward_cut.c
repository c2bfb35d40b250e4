/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An exchange of QoS 1 or 2 of which any packet is lost, and the connection with it, on either leg:
 * nothing is lost, and what is QoS 2 comes once.
 */
#include <rte_common.h>

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

/* A client that publishes one message, and what it meets with. */
struct history {
	const struct way *way; /* before and after its cut */
	uint8_t qos;
	uint32_t at;   /* its cut: before PUBLISH, PUBACK or PUBREC, PUBREL, PUBCOMP */
	bool held;     /* broker 0 answers late */
	bool away;     /* and while nobody is there */
	uint32_t last; /* device that it has */
	uint8_t version;
	uint32_t worker;
};

static void
let_answer(void)
{
	w.broker[0].hold = false;
	world_ack(0, 9);
	world_run(20);
}

/* CONNECT until one is accepted. */
static void
go_on(struct history *h)
{
	for (uint32_t tries = 0; tries < 10; tries++) {
		ask_for(++h->last, h->worker, h->version, "a");
		if (tries == 0)
			let_answer();
		for (uint32_t k = 0; k < 110 && w.device[h->last].len == 0; k++)
			world_run(20);
		if (connack(h->last, 0, 0) || connack(h->last, 1, 0)) {
			device_clear(h->last);
			return;
		}
	}
	fail_msg("no CONNECT was accepted");
}

static void
lose(struct history *h)
{
	device_reset(h->last);
	world_run(20);
	if (h->away)
		let_answer();
	h->version = h->way->to;
	h->worker = h->way->worker;
	go_on(h);
}

static void
send_publish(const struct history *h, bool dup)
{
	uint8_t out[64];
	uint32_t n = publish_bytes(out, sizeof(out), h->version, h->qos, false, 7, "t", "x", 1);

	out[0] |= (uint8_t)(dup << 3);
	device_send(h->last, out, n);
	world_run(20);
}

static void
wait_for(const struct history *h, uint8_t type)
{
	for (uint32_t k = 0; k < 250; k++) {
		if (device_answers(h->last, type, h->version, NULL, NULL, 9) > 0)
			break;
		world_run(20);
	}
	assert_int_equal(device_answers(h->last, type, h->version, NULL, NULL, 9), 1);
}

static void
exchange(struct history *h)
{
	go_on(h);
	w.broker[0].hold = h->held;
	if (h->at == 0)
		lose(h);
	send_publish(h, false);
	if (h->at == 1) {
		lose(h);
		send_publish(h, true);
	}
	let_answer();
	wait_for(h, h->qos == 2 ? 0x50 : 0x40);
	if (h->qos == 1)
		return;
	if (h->at == 2)
		lose(h);
	device_ack(h->last, PW_MQTT_PUBREL, 7);
	world_run(20);
	if (h->at == 3) {
		lose(h);
		device_ack(h->last, PW_MQTT_PUBREL, 7);
	}
	wait_for(h, 0x70);
}

/* broker: frame of broker 0 that its connection ends at, 0: none; after: when it was seen to. */
static void
cut_device(const struct history *like, uint32_t broker, bool after)
{
	struct history h = *like;
	void *state = NULL;

	world_setup(&state);
	h.version = h.way->from;
	w.broker[0].cut_at = broker;
	w.broker[0].cut_after = after;
	world_start(2, 3, 3);
	exchange(&h);
	for (uint32_t k = 0;
	     k < 250 && pw_forward_trailing(w.forward[0]) + pw_forward_trailing(w.forward[1]) > 0;
	     k++)
		world_run(20);
	for (uint32_t b = 0; b < 2; b++) {
		if (h.qos == 2)
			assert_int_equal(delivered(b), 1);
		else
			assert_in_range(delivered(b), 1, h.at == 1 ? 3 : 2);
	}
	for (uint32_t k = 0; k < 2; k++)
		assert_int_equal(pw_forward_outstanding(w.forward[k]) +
					 pw_forward_trailing(w.forward[k]),
				 0);
	ledger();
	world_teardown(&state);
}

/* At any place, on the way to the same worker, the other one, another protocol family. */
static void
cut_devices(uint8_t qos)
{
	for (uint32_t i = 0; i < RTE_DIM(ways); i++) {
		for (uint32_t at = 0; at < 2u * qos; at++) {
			for (uint32_t k = 0; k < 4; k++)
				cut_device(&(struct history){.way = &ways[i],
							     .qos = qos,
							     .at = at,
							     .held = k & 1,
							     .away = k & 2},
					   0, false);
		}
	}
}

static void
a_device_cut_at_any_packet_is_forwarded_once_if_it_keeps_its_session(void **state)
{
	(void)state;
	cut_devices(2);
}

static void
a_device_cut_at_any_packet_is_forwarded_at_least_once_at_qos_1(void **state)
{
	(void)state;
	cut_devices(1);
}

static void
cut_both(uint8_t qos)
{
	for (uint32_t i = 0; i < RTE_DIM(ways); i++) {
		for (uint32_t at = 0; at < 2u * qos; at++) {
			for (uint32_t k = 0; k < 2u * qos; k++)
				cut_device(&(struct history){.way = &ways[i], .qos = qos, .at = at},
					   1 + k / 2, k & 1);
		}
	}
}

static void
a_cut_of_both_legs_at_any_packets_delivers_once_at_qos_2(void **state)
{
	(void)state;
	cut_both(2);
}

static void
a_cut_of_both_legs_at_any_packets_loses_nothing_at_qos_1(void **state)
{
	(void)state;
	cut_both(1);
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
		cmocka_unit_test(a_cut_of_both_legs_at_any_packets_delivers_once_at_qos_2),
		cmocka_unit_test(a_cut_of_both_legs_at_any_packets_loses_nothing_at_qos_1),
	};

	return cmocka_run_group_tests(tests, world_init, world_fini);
}
