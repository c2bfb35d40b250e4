/* SPDX-License-Identifier: BSD-3-Clause */
/* How sessions end and begin: what follows what, what is left behind, what CONNACK said. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <rte_common.h>

#include "session_pvt.h"
#include "world.h"

#define BYTES(...) (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__})

/* CONNECT with a will "will" of `len` bytes of payload, QoS 1; and properties. */
static void
connect_will(uint32_t i, uint32_t k, uint8_t version, const char *id, uint32_t len, uint32_t delay,
	     uint32_t expiry)
{
	static const uint8_t payload[1000] = "gone";
	struct pw_mqtt_prop_out e = {.which = PW_MQTT_PROP_SESSION_EXPIRY, .num = expiry};
	struct pw_mqtt_prop_out d = {.which = PW_MQTT_PROP_WILL_DELAY, .num = delay};
	struct pw_mqtt_connect_out o = {
		.version = version,
		.clean = true,
		.keepalive = 60,
		.client_id = {id, (uint32_t)strlen(id)},
		.has_will = true,
		.will_qos = 1,
		.will_topic = {"will", 4},
		.will_payload = {payload, len},
	};
	uint8_t out[2048];
	int n;

	if (expiry != 0)
		o.props = (struct pw_mqtt_props_out){.p = &e, .n = 1};
	if (delay != 0)
		o.will_props = (struct pw_mqtt_props_out){.p = &d, .n = 1};
	n = pw_mqtt_encode_connect(out, sizeof(out), &o);
	assert_true(n > 0);
	device_open(i, k);
	device_send(i, out, (uint32_t)n);
	world_run(5);
}

static bool
connected(uint32_t i)
{
	return w.device[i].len >= 4 && w.device[i].rx[0] == 0x20 && w.device[i].rx[3] == 0;
}

static bool
said(uint32_t i, uint8_t reason)
{
	return device_got(i, BYTES(0xE0, 1, reason)) || device_got(i, BYTES(0xE0, 2, reason, 0));
}

static void
reset_leg(const char *name)
{
	for (uint32_t i = 0; i < RTE_DIM(w.broker[0].leg); i++) {
		struct leg *l = &w.broker[0].leg[i];

		if (l->conn == NULL || strstr(l->client_id, name) == NULL)
			continue;
		pw_tcp_abort(w.broker_tcp, l->conn, w.now);
		l->conn = NULL;
	}
}

static void
one_broker(void)
{
	w.set.nb_brokers = 1;
	w.set.route[0].brokers = 1;
}

static void
a_device_that_moves_to_another_worker_does_not_overtake_itself(void **state)
{
	(void)state;
	one_broker();
	world_start(2, 3, 3);
	device_connect(0, 0, 4, "a");
	reset_leg("w0-l3");
	world_run(1);
	device_publish(0, 4, 1, 1, "t", "first");
	world_run(2);
	device_reset(0);
	world_run(2);
	connect_will(1, 1, 4, "a", 4, 0, 0);
	assert_false(connected(1)); /* it waits for what came before */
	world_run(1900);
	assert_true(connected(1));
	device_publish(1, 4, 1, 2, "t", "second");
	world_run(2000);
	assert_int_equal(w.broker[0].nb, 2);
	assert_string_equal(w.broker[0].record[0].text, "first");
	assert_string_equal(w.broker[0].record[1].text, "second");
	assert_int_equal(counters()->overtaken, 0);
	ledger();
}

static void
on_the_same_log_nothing_has_to_be_waited_for(void **state)
{
	(void)state;
	one_broker();
	w.broker[0].hold = true;
	world_start(2, 3, 3);
	device_connect(0, 0, 4, "a");
	device_publish(0, 4, 1, 1, "t", "first");
	world_run(2);
	device_reset(0);
	world_run(2);
	device_connect(1, 0, 4, "a");
	/* the other lane is another log */
	device_publish(1, 4, 1, 1, "t", "second");
	world_run(2);
	connect_will(2, 0, 5, "a", 4, 0, 0);
	assert_false(connected(2));
	world_ack(0, 9);
	world_run(10);
	assert_true(connected(2));
	assert_int_equal(counters()->overtaken, 0);
	ledger();
}

static void
a_connection_between_that_sends_nothing_does_not_hide_what_came_before(void **state)
{
	(void)state;
	one_broker();
	w.broker[0].hold = true;
	world_start(2, 3, 3);
	device_connect(0, 0, 4, "a");
	device_publish(0, 4, 1, 1, "t", "first");
	world_run(2);
	device_connect(1, 0, 4, "a"); /* takes over */
	device_reset(1);
	device_connect(2, 0, 4, "a"); /* comes back */
	connect_will(3, 1, 4, "a", 4, 0, 0);
	assert_false(connected(3));
	world_ack(0, 9);
	world_run(10);
	assert_true(connected(3));
	assert_int_equal(counters()->overtaken, 0);
	ledger();
}

static void
the_wait_for_a_broker_that_does_not_answer_is_bounded_and_counted(void **state)
{
	(void)state;
	one_broker();
	w.broker[0].hold = true;
	world_start(2, 3, 3);
	device_connect(0, 0, 4, "a");
	device_publish(0, 4, 1, 1, "t", "first");
	world_run(2);
	device_reset(0);
	connect_will(1, 1, 4, "a", 4, 0, 0);
	world_run(1900);
	assert_false(connected(1));
	world_run(200);
	assert_true(connected(1));
	assert_int_equal(counters()->overtaken, 1);
	world_ack(0, 9);
	world_run(10);
	ledger();
}

static void
a_will_that_waits_for_room_goes_before_the_next_session(void **state)
{
	(void)state;
	one_broker();
	w.set.limits.max_queued_messages = 8;
	w.broker[0].hold = true;
	world_start(1, 3, 0);
	connect_will(0, 0, 4, "a", 4, 0, 0);
	device_connect(1, 0, 4, "b");
	for (uint16_t i = 1; i <= 8; i++)
		device_publish(1, 4, 1, i, "t", "x");
	world_run(10);
	device_reset(0);
	world_run(10);
	assert_int_equal(counters()->wills_published, 0);
	connect_will(2, 0, 4, "a", 4, 0, 0);
	assert_false(connected(2));
	while (world_ack(0, 1) > 0)
		world_run(5);
	assert_int_equal(counters()->wills_published, 1);
	assert_true(connected(2));
	world_ack(0, 9);
	world_run(10);
	assert_int_equal(w.broker[0].nb, 9);
	assert_string_equal(w.broker[0].record[8].text, "gone");
	ledger();
}

static void
every_device_may_have_a_will_and_a_long_identifier(void **state)
{
	char id[1500];

	(void)state;
	w.set.limits.max_connections = 24;
	world_start(1, 3, 0);
	for (uint32_t i = 0; i < 24; i++) {
		memset(id, 'i', sizeof(id) - 1);
		id[i < 12 ? 200 : 1400] = '\0';
		id[i < 12 ? 199 : 1399] = (char)('a' + i);
		connect_will(i, 0, i % 2 ? 4 : 5, id, i < 20 ? 300 : 500, 0, 0);
		assert_true(connected(i));
	}
	assert_int_equal(counters()->takeovers, 0);
	for (uint32_t i = 0; i < 24; i++)
		device_reset(i);
	world_run(50);
	assert_int_equal(counters()->wills_published, 24);
	assert_int_equal(w.broker[0].nb, 24);
	ledger();
}

static void
what_connack_said_is_not_available_is_refused(void **state)
{
	(void)state;
	w.broker[0].max_qos0 = true;
	w.broker[1].no_retain = true;
	world_start(1, 3, 0);
	device_connect(0, 0, 5, "a");
	device_publish(0, 5, 1, 1, "t", "x");
	device_connect(1, 0, 5, "b");
	device_send(1, BYTES(0x31, 5, 0, 1, 't', 0, 'x'));
	connect_will(2, 0, 5, "c", 4, 0, 0);
	device_connect(3, 0, 4, "d"); /* 3.1.1 is told nothing */
	device_send(3, BYTES(0x31, 4, 0, 1, 't', 'y'));
	world_run(20);
	assert_true(said(0, 0x9B) && w.device[0].closed);
	assert_true(said(1, 0x9A) && w.device[1].closed);
	assert_int_equal(w.device[2].rx[3], 0x9B);
	assert_false(w.device[3].closed);
	assert_int_equal(w.broker[0].nb, 1);
	assert_string_equal(w.broker[0].record[0].text, "y");
	ledger();
}

static void
a_device_without_keepalive_is_given_the_longest(void **state)
{
	struct pw_session_info info;
	uint32_t at = 0;

	(void)state;
	world_start(1, 3, 0);
	device_open(0, 0);
	device_send(0, BYTES(0x10, 14, 0, 4, 'M', 'Q', 'T', 'T', 5, 2, 0, 0, 0, 0, 1, 'a'));
	world_run(5);
	assert_true(connected(0));
	assert_int_equal(pw_forward_session_list(w.forward[0], &at, &info, 1), 1);
	assert_int_equal(info.keepalive, 1200);
}

static void
disconnect_may_shorten_the_session_and_with_it_the_wait_of_the_will(void **state)
{
	(void)state;
	world_start(1, 3, 0);
	connect_will(0, 0, 5, "a", 4, 100, 1000);
	device_send(0, BYTES(0xE0, 7, 4, 5, 0x11, 0, 0, 0, 0));
	connect_will(1, 0, 5, "b", 4, 100, 1000);
	device_send(1, BYTES(0xE0, 7, 4, 5, 0x11, 0, 0, 0, 2));
	connect_will(2, 0, 5, "c", 4, 100, 1000);
	device_send(2, BYTES(0xE0, 7, 0, 5, 0x11, 0, 0, 0, 0));
	world_run(20);
	assert_int_equal(w.broker[0].nb, 1);
	world_run(2100);
	assert_int_equal(w.broker[0].nb, 2);
	/* what was to end with the connection cannot be made to stay */
	device_connect(3, 0, 5, "d");
	device_send(3, BYTES(0xE0, 7, 0, 5, 0x11, 0, 0, 0, 9));
	world_run(20);
	assert_true(said(3, 0x82));
	ledger();
}

static void
nothing_larger_than_the_device_takes_is_sent(void **state)
{
	static const struct {
		uint8_t max;
		bool up;
	} step[] = {{4, false}, {10, false}, {16, true}, {200, true}};
	uint32_t last = 0;

	(void)state;
	world_start(1, 3, 0);
	for (uint32_t i = 0; i < RTE_DIM(step); i++) {
		device_open(i, 0);
		device_send(i, BYTES(0x10, 19, 0, 4, 'M', 'Q', 'T', 'T', 5, 2, 0, 60, 5, 0x27, 0, 0,
				     0, step[i].max, 0, 1, (uint8_t)('a' + i)));
		world_run(20);
		assert_true(w.device[i].len <= step[i].max);
		assert_int_equal(connected(i), step[i].up);
		assert_int_equal(w.device[i].closed, !step[i].up);
		assert_true(w.device[i].len >= last);
		last = w.device[i].len;
	}
	assert_true(w.device[3].len > w.device[2].len);
	assert_int_equal(counters()->connects_refused, 2);
}

static void
what_a_blocked_session_leaves_unread_is_counted_and_its_goodbye_heard(void **state)
{
	(void)state;
	one_broker();
	w.set.limits.max_queued_messages = 8;
	w.broker[0].hold = true;
	world_start(1, 3, 0);
	device_connect(1, 0, 4, "b");
	connect_will(0, 0, 4, "a", 4, 0, 0);
	connect_will(2, 0, 4, "c", 4, 0, 0);
	for (uint16_t i = 1; i <= 8; i++)
		device_publish(1, 4, 1, i, "t", "x");
	world_run(10);
	device_publish(0, 4, 1, 1, "t", "blocked");
	device_publish(0, 4, 0, 0, "t", "left");
	device_publish(0, 4, 0, 0, "t", "left");
	device_send(0, BYTES(0xE0, 0));
	device_publish(2, 4, 1, 1, "t", "blocked");
	device_publish(2, 4, 0, 0, "t", "left");
	world_run(10);
	device_reset(0);
	device_reset(2);
	world_run(10);
	assert_int_equal(counters()->dropped_unread, 3);
	while (world_ack(0, 1) > 0)
		world_run(5);
	assert_int_equal(counters()->wills_published, 1);
	ledger();
}

static void
connections_beyond_the_limit_are_counted(void **state)
{
	(void)state;
	w.set.limits.max_connections = 1;
	world_start(1, 3, 0);
	device_connect(0, 0, 4, "a");
	device_open(1, 0);
	world_run(20);
	assert_true(w.device[1].closed);
	assert_int_equal(counters()->connections_refused, 1);
}

static void
a_worker_that_cannot_post_gives_up_claims_but_never_a_release(void **state)
{
	struct pw_dir_msg claim = {.kind = PW_DIR_CLAIM, .worker = 1};
	struct pw_forward *f;
	struct pw_forward_msg m = {0};
	uint32_t before;

	(void)state;
	world_start(2, 3, 3);
	f = w.forward[0];
	/* sessions on worker 0, some of which worker 1 keeps the identifier of */
	for (uint32_t i = 0; i < 8; i++) {
		char id[4];

		snprintf(id, sizeof(id), "d%u", i);
		device_connect(i, 0, 4, id);
	}
	w.post_full = true;
	for (uint32_t i = 0; i < f->out_mask + 10; i++) {
		claim.hash.w[0] = i;
		claim.hash.w[1] = 0;
		claim.handle = i + 1;
		memcpy(&m, &claim, sizeof(claim));
		pw_forward_receive(f, &m, w.now);
	}
	before = f->out_tail - f->out_head;
	assert_true(counters()->claims_dropped > 0);
	assert_true(pw_dir_busy(f));
	for (uint32_t i = 0; i < 8; i++)
		device_reset(i);
	world_run(5);
	assert_true(f->out_tail - f->out_head > before); /* releases */
	assert_true(f->out_tail - f->out_head <= f->out_mask + 1);
	w.post_full = false;
	world_run(50);
	/* every identifier is free again: no take-over */
	for (uint32_t i = 0; i < 8; i++) {
		char id[4];

		snprintf(id, sizeof(id), "d%u", i);
		device_connect(8 + i, 1, 4, id);
	}
	assert_int_equal(pw_forward_counters(w.forward[1])->takeovers, 0);
}

static void
say_connect(uint32_t i)
{
	struct pw_mqtt_connect_out o = {.version = 4, .clean = true, .keepalive = 60};
	uint8_t out[64];
	char id[8];
	int len;

	o.client_id = (struct pw_mqtt_str){id, (uint32_t)snprintf(id, sizeof(id), "d%u", i)};
	len = pw_mqtt_encode_connect(out, sizeof(out), &o);
	assert_true(len > 0);
	device_send(i, out, (uint32_t)len);
}

/*
 * A fleet comes back at once, whose CONNACKs wait for acknowledgements in more send queues than
 * there are: who finds no place is told a moment later, and nobody is reset.
 */
static void
come_at_once(uint32_t nb_workers)
{
	const struct pw_device_counters *n[2];
	uint64_t refused = 0, blocked = 0;

	w.tx_slices = 64;
	one_broker();
	world_start(nb_workers, 3, 3);
	for (uint32_t i = 0; i < WORLD_DEVICES; i++) {
		device_open(i, 0);
		say_connect(i);
	}
	/* All of them find places in one turn: what they are told must find its way, too. */
	world_run(500);
	for (uint32_t k = 0; k < nb_workers; k++) {
		n[k] = pw_forward_counters(w.forward[k]);
		refused += n[k]->connects_refused;
		blocked += n[k]->blocked;
		assert_int_equal(w.forward[k]->claims, 0);
		assert_int_equal(pw_tcp_counters(w.worker_tcp[k])->drop_tx_no_buffer, 0);
	}
	assert_int_equal(refused, 0);
	assert_true(blocked > 0);
	assert_int_equal(n[0]->connects, WORLD_DEVICES);
	for (uint32_t i = 0; i < WORLD_DEVICES; i++)
		assert_true(connected(i) && !w.device[i].closed);
}

static void
a_fleet_that_comes_at_once_is_told_one_after_the_other(void **state)
{
	(void)state;
	come_at_once(1);
}

static void
a_fleet_whose_identifiers_another_worker_grants_is_told_one_after_the_other(void **state)
{
	(void)state;
	come_at_once(2);
}

/* In a flood that does not end those that wait longest would be reset at their deadline. */
static void
who_comes_while_others_wait_for_their_connack_stands_behind_them(void **state)
{
	const uint32_t early = WORLD_DEVICES - 8;
	static const uint8_t publish[] = {0x30, 3, 0, 1, 't'}; /* QoS 0: no answer */
	const struct pw_device_counters *n;
	bool was[WORLD_DEVICES] = {false};
	uint32_t first = 0;

	(void)state;
	w.tx_slices = 64;
	one_broker();
	world_start(1, 3, 3);
	n = pw_forward_counters(w.forward[0]);
	for (uint32_t i = 0; i < WORLD_DEVICES; i++)
		device_open(i, 0);
	world_run(50);
	for (uint32_t i = 0; i < early; i++)
		say_connect(i);
	world_run(1);
	assert_true(n->blocked > 0);
	/* Who has been told acknowledges it, which makes a place, and just then another comes. */
	for (uint32_t i = 0; i < WORLD_DEVICES - early; i++) {
		assert_true(connected(i));
		device_send(i, publish, sizeof(publish));
		say_connect(early + i);
		world_run(1);
		for (uint32_t k = 0; k < WORLD_DEVICES; k++) {
			first += k < early && !was[k] && connected(k);
			assert_true(k < early || !connected(k) || first == early);
			was[k] = connected(k);
		}
	}
	world_run(500);
	for (uint32_t i = 0; i < WORLD_DEVICES; i++)
		assert_true(connected(i) && !w.device[i].closed);
}

#define T(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_device_that_moves_to_another_worker_does_not_overtake_itself),
		T(on_the_same_log_nothing_has_to_be_waited_for),
		T(a_connection_between_that_sends_nothing_does_not_hide_what_came_before),
		T(the_wait_for_a_broker_that_does_not_answer_is_bounded_and_counted),
		T(a_will_that_waits_for_room_goes_before_the_next_session),
		T(every_device_may_have_a_will_and_a_long_identifier),
		T(what_connack_said_is_not_available_is_refused),
		T(a_device_without_keepalive_is_given_the_longest),
		T(disconnect_may_shorten_the_session_and_with_it_the_wait_of_the_will),
		T(nothing_larger_than_the_device_takes_is_sent),
		T(what_a_blocked_session_leaves_unread_is_counted_and_its_goodbye_heard),
		T(connections_beyond_the_limit_are_counted),
		T(a_fleet_that_comes_at_once_is_told_one_after_the_other),
		T(a_fleet_whose_identifiers_another_worker_grants_is_told_one_after_the_other),
		T(who_comes_while_others_wait_for_their_connack_stands_behind_them),
		T(a_worker_that_cannot_post_gives_up_claims_but_never_a_release),
	};

	return cmocka_run_group_tests(tests, world_init, world_fini);
}
