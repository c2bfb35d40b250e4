/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * QoS 2 from a device to brokers: each step of the exchange on both legs, what repeats, what is
 * refused, what limits, and what a lost connection or a lost session makes of it.
 */
#include <stdio.h>

#include <rte_common.h>

#include "world.h"

#define BYTES(...) (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__})

/* Answers of a type that device i has, in order. */
static uint32_t
pubrecs(uint32_t i, uint16_t *ids)
{
	return device_answers(i, 0x50, 4, ids, NULL, 99);
}

static uint32_t
pubcomps(uint32_t i)
{
	return device_answers(i, 0x70, 4, NULL, NULL, 99);
}

/* Messages that broker b took for new ones. */
static uint32_t
delivered(uint32_t b)
{
	uint32_t n = 0;

	for (uint32_t k = 0; k < w.broker[b].nb; k++)
		n += !w.broker[b].record[k].again;
	return n;
}

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
a_refusal_ends_the_exchange_on_both_legs(void **state)
{
	uint16_t id;
	uint8_t reason;

	(void)state;
	w.broker[0].reason = 0x87;
	world_start(1, 3, 0);
	device_connect(0, 0, 5, "a");
	device_publish(0, 5, 2, 7, "t", "x");
	world_run(20);
	assert_int_equal(device_answers(0, 0x50, 5, &id, &reason, 9), 1);
	assert_int_equal(reason, 0x87);
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

static void
a_kept_session_goes_on_where_it_stood(void **state)
{
	(void)state;
	w.broker[0].hold = w.broker[0].hold_comp = true;
	world_start(1, 3, 0);
	device_connect(0, 0, 4, "a");
	for (uint16_t i = 1; i <= 4; i++)
		device_publish(0, 4, 2, i, "t", "x");
	world_run(20);
	world_ack(0, 2); /* two have PUBREC, two have not */
	world_run(20);
	assert_int_equal(w.broker[0].releases, 2);
	broker_reset(0);
	world_run(3000);
	assert_int_equal(w.broker[0].releases, 4);     /* PUBREL again for the first two */
	assert_int_equal(w.broker[0].nb, 6);	       /* PUBLISH again for the others */
	assert_int_equal(w.broker[0].record[4].id, 3); /* with DUP and identifier */
	assert_int_equal(w.broker[0].record[4].first, 0x3C);
	assert_true(w.broker[0].record[4].again && w.broker[0].record[5].again);
	w.broker[0].hold = w.broker[0].hold_comp = false;
	while (world_ack(0, 9) > 0)
		world_run(20);
	assert_int_equal(delivered(0), 4);
	assert_int_equal(pubrecs(0, NULL), 4);
	assert_int_equal(upstream(0, PW_LANE_3).counters.sessions_lost, 0);
	assert_int_equal(upstream(0, PW_LANE_3).counters.sessions_resumed, 1);
	assert_int_equal(pw_forward_trailing(w.forward[0]), 0);
	ledger();
}

static void
a_lost_session_has_everything_published_anew(void **state)
{
	(void)state;
	w.broker[0].hold = w.broker[0].hold_comp = true;
	world_start(1, 3, 0);
	device_connect(0, 0, 5, "a");
	for (uint16_t i = 1; i <= 4; i++)
		device_publish(0, 5, 2, i, "t", "x");
	world_run(20);
	world_ack(0, 2);
	world_run(20);
	broker_restart(0);
	world_run(3000);
	assert_int_equal(upstream(0, PW_LANE_5).counters.sessions_lost, 1);
	assert_int_equal(w.broker[0].nb, 8);
	while (world_ack(0, 9) > 0)
		world_run(20);
	assert_int_equal(pubrecs(0, NULL), 4); /* once each, whatever the broker says twice */
	assert_int_equal(pw_forward_trailing(w.forward[0]), 0);
	assert_int_equal(pw_forward_outstanding(w.forward[0]), 0);
	ledger();
}

static void
a_broker_that_keeps_no_session_is_not_said_to_have_lost_it(void **state)
{
	(void)state;
	w.broker[0].expiry_0 = true;
	w.set.broker[1].session_expiry_interval = 0;
	world_start(1, 3, 0);
	broker_reset(0);
	broker_reset(1);
	world_run(3000);
	assert_int_equal(upstream(0, PW_LANE_5).state, PW_UPSTREAM_UP);
	assert_int_equal(upstream(0, PW_LANE_5).counters.sessions_lost, 0);
	assert_int_equal(upstream(1, PW_LANE_3).counters.sessions_lost, 0);
	assert_int_equal(w.broker[1].clean_starts, 4);
}

/* A session of a process before this one: its identifiers mean other messages. */
static void
a_session_of_another_process_is_purged_first(void **state)
{
	static const char *const ids[] = {"pubwire-test-w0-l3", "pubwire-test-w0-l5"};

	(void)state;
	for (uint32_t i = 0; i < 2; i++) {
		struct kept *k = &w.broker[0].kept[i];

		snprintf(k->client_id, sizeof(k->client_id), "%s", ids[i]);
		k->stays = true;
		memset(k->known, 0xff, sizeof(k->known));
	}
	world_start(1, 3, 0);
	world_run(3000);
	device_connect(0, 0, 4, "a");
	device_publish(0, 4, 2, 1, "t", "x");
	device_connect(1, 0, 5, "b");
	device_publish(1, 5, 2, 1, "t", "x");
	world_run(20);
	assert_int_equal(delivered(0), 2);
	assert_int_equal(upstream(0, PW_LANE_3).counters.protocol_errors, 0);
	/* and the session that follows is kept */
	broker_reset(0);
	world_run(3000);
	assert_int_equal(upstream(0, PW_LANE_3).counters.sessions_resumed, 1);
	assert_int_equal(upstream(0, PW_LANE_5).counters.sessions_resumed, 1);
}

/* [MQTT-3.1.2-6]: what began clean ends with its connection. One that says otherwise is no reason
 * to connect to it without a pause. */
static void
a_broker_that_keeps_what_began_clean_is_asked_with_pauses(void **state)
{
	(void)state;
	w.broker[0].stubborn = true;
	snprintf(w.broker[0].kept[0].client_id, sizeof(w.broker[0].kept[0].client_id),
		 "pubwire-test-w0-l3");
	w.broker[0].kept[0].stays = true;
	world_start(1, 3, 0);
	world_run(10000);
	assert_int_not_equal(upstream(0, PW_LANE_3).counters.protocol_errors, 0);
	assert_int_equal(upstream(0, PW_LANE_3).counters.protocol_errors,
			 upstream(0, PW_LANE_3).counters.connect_failures);
	assert_in_range(w.broker[0].connects, 4, 200);
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
identifiers_of_what_is_given_up_are_forgotten_before_they_are_used_again(void **state)
{
	char text[16];

	(void)state;
	w.set.limits.max_queued_messages = 16;
	w.set.route[0].ack = PW_ACK_ANY;
	w.set.route[0].when_full_qos1 = PW_WHEN_FULL_DROP;
	w.set.broker[0].hold_messages = 4;
	w.broker[0].hold = true;
	world_start(1, 3, 0);
	device_connect(0, 0, 4, "a");
	for (uint16_t i = 1; i <= 36; i++) {
		snprintf(text, sizeof(text), "%u", i);
		device_publish(0, 4, 2, i, "t", text);
		world_run(10);
		if (i == 3) { /* the broker knows three of them, and goes */
			assert_int_equal(w.broker[0].nb, 3);
			w.broker[0].mute = true;
			broker_reset(0);
		}
	}
	assert_true(upstream(0, PW_LANE_3).counters.dropped_hold >= 31);
	w.broker[0].mute = w.broker[0].hold = false;
	world_run(30000);
	/* The last four have the identifiers of others, and are no duplicates of those. */
	assert_int_equal(w.broker[0].nb, 3 + 4);
	for (uint32_t k = 3; k < 7; k++) {
		snprintf(text, sizeof(text), "%u", 30 + k);
		assert_string_equal(w.broker[0].record[k].text, text);
		assert_false(w.broker[0].record[k].again);
	}
	ledger();
}

/* CONNECT that goes on with a session; true where CONNACK says that there is one. */
static bool
come_back(uint32_t i, uint32_t k, uint8_t version, const char *id)
{
	struct pw_mqtt_prop_out expiry = {.which = PW_MQTT_PROP_SESSION_EXPIRY, .num = 100};
	struct pw_mqtt_connect_out c = {.version = version,
					.keepalive = 60,
					.client_id = {id, (uint32_t)strlen(id)},
					.props = {.p = &expiry, .n = version == 5}};
	uint8_t out[64];
	bool present;
	int n = pw_mqtt_encode_connect(out, sizeof(out), &c);

	device_open(i, k);
	device_send(i, out, (uint32_t)n);
	world_run(5);
	assert_true(w.device[i].len >= 4 && w.device[i].rx[0] == 0x20);
	assert_int_equal(w.device[i].rx[3], 0);
	present = w.device[i].rx[2];
	device_clear(i);
	return present;
}

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

static void
session_present_says_that_something_is_remembered(void **state)
{
	(void)state;
	w.broker[0].hold = true;
	world_start(1, 3, 0);
	assert_false(come_back(0, 0, 4, "a"));
	device_publish(0, 4, 2, 7, "t", "x");
	world_run(20);
	device_reset(0);
	world_run(20);
	assert_true(come_back(0, 0, 4, "a"));
	assert_int_equal(counters()->sessions_resumed, 1);
	/* taken over, too */
	assert_true(come_back(1, 0, 4, "a"));
	world_ack(0, 9);
	world_run(20);
	assert_int_equal(pubrecs(1, NULL), 0); /* it has not asked */
	device_publish(1, 4, 2, 7, "t", "x");
	world_run(20);
	assert_int_equal(pubrecs(1, NULL), 1);
	device_ack(1, PW_MQTT_PUBREL, 7);
	world_run(20);
	device_reset(1);
	world_run(20);
	assert_false(come_back(1, 0, 4, "a"));
	assert_int_equal(delivered(0), 1);
	ledger();
}

static void
a_clean_start_forgets(void **state)
{
	(void)state;
	w.broker[0].hold = true;
	world_start(1, 3, 0);
	(void)come_back(0, 0, 5, "a");
	device_publish(0, 5, 2, 7, "t", "x");
	world_run(20);
	device_reset(0);
	world_run(20);
	device_connect(0, 0, 5, "a");
	world_ack(0, 9);
	world_run(20);
	device_publish(0, 5, 2, 7, "t", "y");
	world_run(20);
	assert_int_equal(delivered(0), 2);
	assert_int_equal(counters()->sessions_resumed, 0);
	assert_int_equal(counters()->orphaned, 1);
	ledger();
}

static void
a_session_expires(void **state)
{
	(void)state;
	world_start(1, 3, 0);
	(void)come_back(0, 0, 5, "a");
	device_publish(0, 5, 2, 7, "t", "x");
	world_run(20);
	device_reset(0);
	world_run(90000);
	assert_int_equal(counters()->sessions_expired, 0);
	world_run(11000);
	assert_int_equal(counters()->sessions_expired, 1);
	assert_false(come_back(0, 0, 5, "a"));
	ledger();
}

static void
a_refusal_that_was_not_told_is_told_on_the_next_connection(void **state)
{
	uint8_t reason;

	(void)state;
	w.broker[0].hold = true;
	w.broker[0].reason = 0x87;
	world_start(1, 3, 0);
	(void)come_back(0, 0, 5, "a");
	device_publish(0, 5, 2, 7, "t", "x");
	world_run(20);
	device_reset(0);
	world_run(20);
	world_ack(0, 9);
	world_run(20);
	assert_true(come_back(0, 0, 5, "a"));
	device_publish(0, 5, 2, 7, "t", "x");
	world_run(20);
	assert_int_equal(device_answers(0, 0x50, 5, NULL, &reason, 9), 1);
	assert_int_equal(reason, 0x87);
	assert_int_equal(delivered(1), 1);
	ledger();
}

static void
a_new_connection_has_a_receive_maximum_of_its_own(void **state)
{
	(void)state;
	w.set.limits.receive_maximum = 3;
	world_start(1, 3, 0);
	(void)come_back(0, 0, 5, "a");
	for (uint16_t i = 1; i <= 3; i++)
		device_publish(0, 5, 2, i, "t", "x");
	world_run(20);
	device_reset(0);
	world_run(20);
	assert_true(come_back(0, 0, 5, "a"));
	for (uint16_t i = 4; i <= 6; i++)
		device_publish(0, 5, 2, i, "t", "x");
	world_run(20);
	assert_false(w.device[0].closed);
	for (uint16_t i = 1; i <= 5; i++)
		device_ack(0, PW_MQTT_PUBREL, i);
	world_run(20);
	assert_int_equal(pubcomps(0), 5);
	for (uint16_t i = 7; i <= 8; i++)
		device_publish(0, 5, 2, i, "t", "x");
	world_run(20);
	assert_false(w.device[0].closed);
	device_publish(0, 5, 2, 9, "t", "x"); /* to which it is held */
	world_run(20);
	assert_true(w.device[0].closed);
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

static void
no_more_sessions_are_kept_than_there_are_places(void **state)
{
	char id[8];

	(void)state;
	world_start(1, 3, 0); /* 32 / 8 + 16 places */
	for (uint32_t i = 0; i < 22; i++) {
		snprintf(id, sizeof(id), "d%u", i);
		(void)come_back(i, 0, 4, id);
		device_publish(i, 4, 2, 7, "t", "x");
	}
	world_run(20);
	for (uint32_t i = 0; i < 22; i++)
		device_reset(i);
	world_run(20);
	assert_int_equal(counters()->sessions_not_kept, 2);
	assert_true(come_back(0, 0, 4, "d0"));
	assert_false(come_back(21, 0, 4, "d21"));
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
		T(nobody_needs_a_message_without_a_route_and_its_exchange_goes_on),
		T(the_receive_maximum_counts_until_pubcomp),
		T(a_3_1_1_device_may_have_more_than_a_window_unreleased),
		T(the_window_of_a_broker_counts_until_pubcomp),
		T(a_kept_session_goes_on_where_it_stood),
		T(a_lost_session_has_everything_published_anew),
		T(a_broker_that_keeps_no_session_is_not_said_to_have_lost_it),
		T(a_session_of_another_process_is_purged_first),
		T(a_broker_that_keeps_what_began_clean_is_asked_with_pauses),
		T(a_broker_of_3_1_1_that_has_no_qos_2_is_done_with_its_puback),
		T(strange_answers_change_nothing),
		T(a_will_of_qos_2_is_published),
		T(readers_on_another_worker_report_both_steps),
		T(identifiers_of_what_is_given_up_are_forgotten_before_they_are_used_again),
		cmocka_unit_test(
			a_broker_cut_at_any_packet_has_each_message_once_if_its_session_stays),
		cmocka_unit_test(a_broker_cut_at_any_packet_has_each_message_of_qos_1),
		cmocka_unit_test(
			a_device_cut_at_any_packet_is_forwarded_once_if_it_keeps_its_session),
		cmocka_unit_test(a_device_cut_at_any_packet_is_forwarded_at_least_once_at_qos_1),
		T(session_present_says_that_something_is_remembered),
		T(a_clean_start_forgets),
		T(a_session_expires),
		T(a_refusal_that_was_not_told_is_told_on_the_next_connection),
		T(a_new_connection_has_a_receive_maximum_of_its_own),
		T(pubrel_does_not_go_into_the_midst_of_a_message),
		T(no_more_sessions_are_kept_than_there_are_places),
	};

	return cmocka_run_group_tests(tests, world_init, world_fini);
}
