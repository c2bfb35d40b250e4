/* SPDX-License-Identifier: BSD-3-Clause */
/* What is said of why a device waits: each sentence, in the situation that it is for. */
#include <errno.h>
#include <stdio.h>

#include <rte_common.h>
#include <rte_mbuf.h>

#include "access_pvt.h"
#include "qos2.h"

static bool
says(const char *client, const char *text)
{
	struct pw_why why;

	if (pw_forward_why(w.forward[0], client, &why, world_clock(0)) != 0)
		return false;
	for (uint32_t i = 0; i < why.n; i++) {
		if (strcmp(why.reason[i], text) == 0)
			return true;
	}
	for (uint32_t i = 0; i < why.n; i++)
		print_message("%s: %s\n", client, why.reason[i]);
	return false;
}

static bool
is_connected(const char *client)
{
	struct pw_why why;

	assert_int_equal(pw_forward_why(w.forward[0], client, &why, world_clock(0)), 0);
	return why.connected;
}

static void
nobody_is_not_there(void **state)
{
	struct pw_why why;

	(void)state;
	world_start(2, PW_ROLE_DEVICES, PW_ROLE_BROKERS);
	assert_int_equal(pw_forward_why(w.forward[0], "a", &why, w.now), -ENOENT);
	assert_int_equal(pw_forward_why(w.forward[1], "a", &why, w.now), -ENOENT);
	device_connect(0, 0, 4, "a");
	assert_true(is_connected("a"));
	assert_true(says("a", "it does not wait: what it has sent was taken and acknowledged"));
	assert_int_equal(pw_forward_why(w.forward[0], "ab", &why, w.now), -ENOENT);
}

static void
a_password_is_being_verified(void **state)
{
	static uint32_t places[2];
	static const struct pw_access_user user = {.name = (const uint8_t *)"ann", .len = 3};
	static const struct pw_access access = {
		.passwords = true, .user = &user, .nb_users = 1, .index = places, .mask = 1};
	const struct pw_mqtt_str name = {"ann", 3}, password = {"x", 1};
	struct pw_mqtt_connect_out c = {.version = 4,
					.clean = true,
					.client_id = {"a", 1},
					.username = &name,
					.password = &password};
	uint8_t out[64];
	int n = pw_mqtt_encode_connect(out, sizeof(out), &c);

	(void)state;
	w.access = &access;
	world_start(1, 3, 0);
	for (uint32_t i = 0; i < 2; i++) {
		device_open(i, 0);
		device_send(i, out, (uint32_t)n);
		world_run(5);
		if (i == 0) {
			assert_true(
				says("a", "its password is being verified, 1 of this worker are"));
			world_answer(&w.asked[0], PW_AUTH_GOOD);
			assert_true(says("a", "its CONNECT is being handled"));
			world_run(5);
			assert_true(connack(0, 0, 0));
		}
	}
	/* The one that is connected, not the one that would be. */
	assert_true(says("a", "it does not wait: what it has sent was taken and acknowledged"));
}

static void
a_former_session_is_waited_for(void **state)
{
	(void)state;
	w.broker[0].hold = true;
	world_start(2, 3, 3);
	(void)come_back(0, 1, 4, "a");
	device_publish(0, 4, 1, 7, "t", "x");
	world_run(20);
	ask_for(1, 0, 4, "a");
	assert_true(says("a", "CONNACK waits until brokers have what its former session sent"));
	world_ack(0, 9);
	world_run(20);
	assert_true(connack(1, 0, 0));
}

static void
a_connection_is_being_closed(void **state)
{
	(void)state;
	world_start(1, 3, 0);
	device_connect(0, 0, 4, "a");
	w.device[0].deaf = true; /* it does not close its side */
	device_send(0, "\xff\x00", 2);
	world_run(20);
	assert_true(is_connected("a"));
	assert_true(says("a", "its connection is being closed"));
}

static void
something_is_kept_without_a_connection(void **state)
{
	(void)state;
	world_start(1, 3, 0);
	(void)come_back(0, 0, 4, "a");
	device_publish(0, 4, 2, 7, "t", "x");
	world_run(20);
	device_reset(0);
	world_run(20);
	assert_false(is_connected("a"));
	assert_true(says("a",
			 "it is not connected; its will, its QoS 2 or its last messages are kept "
			 "for it"));
}

static void
a_rate_is_exceeded(void **state)
{
	(void)state;
	w.set.limits.message_rate = 2;
	world_start(1, 3, 0);
	device_connect(0, 0, 4, "a");
	for (uint32_t i = 0; i < 4; i++)
		device_publish(0, 4, 0, 0, "t", "x");
	world_run(20);
	assert_true(says("a", "not read: it is over its message_rate or byte_rate"));
}

static void
the_window_is_full_and_brokers_owe_the_oldest(void **state)
{
	(void)state;
	w.set.limits.receive_maximum = 2;
	w.broker[0].hold = w.broker[1].hold = true;
	world_start(1, 3, 0);
	device_connect(0, 0, 4, "a");
	for (uint16_t id = 5; id <= 7; id++)
		device_publish(0, 4, id == 5 ? 2 : 1, id, "t", "x");
	world_run(20);
	assert_true(says("a", "not read: it has receive_maximum messages in flight"));
	assert_true(says("a", "its message 5 waits for PUBREC of b0, b1"));
	world_ack(0, 1);
	world_run(20);
	assert_true(says("a", "its message 5 waits for PUBREC of b1"));
	world_ack(1, 1);
	world_run(20);
	assert_true(says("a", "its message 6 waits for PUBACK of b0, b1"));
	world_ack(1, 1);
	world_run(20);
	assert_true(says("a", "its message 6 waits for PUBACK of b0"));
}

static void
packet_buffers_are_short(void **state)
{
	(void)state;
	w.broker[0].hold = true;
	world_start(1, 3, 0);
	device_connect(0, 0, 4, "a");
	device_publish(0, 4, 1, 1, "t", "x");
	world_run(20);
	pw_forward_set_pressure(w.forward[0], 1);
	device_publish(0, 4, 1, 2, "t", "x");
	world_run(20);
	assert_true(says("a", "not read: packet buffers are short"));
	pw_forward_set_pressure(w.forward[0], 0);
}

static void
a_log_is_full(void **state)
{
	(void)state;
	w.set.limits.max_queued_messages = 16;
	w.broker[1].hold = true;
	world_start(1, 3, 0);
	device_connect(0, 0, 4, "a");
	for (uint16_t id = 1; id <= 20; id++)
		device_publish(0, 4, 1, id, "t", "x");
	world_run(20);
	assert_true(says("a", "the log of set 0 (b0, b1) is full"));
	assert_true(says("a", "its message 1 waits for PUBACK of b1"));
	/* and where pubwire is to end meanwhile */
	pw_forward_drain(w.forward[0], world_clock(0));
	assert_true(says("a", "not read: pubwire is stopping"));
}

/* Its set has a number of its own then, which is not that of the routes' list. */
static void
a_log_made_by_a_reload_is_full(void **state)
{
	static struct pw_forward_settings other;
	const struct pw_edition_conf conf = {.settings = &other, .access = w.access, .number = 1};
	const struct pw_forward_settings before = w.set;

	(void)state;
	w.set.limits.max_queued_messages = 16;
	w.broker[1].hold = true;
	world_start(1, 3, 0);
	other = w.set;
	other.route[0].brokers = 2;
	other.route[0].order[0] = 1;
	other.route[0].pool_size = 4;
	assert_int_equal(world_renew(&conf), 0);
	/* Of so many, not all are in the first pool. */
	for (uint32_t i = 0; i < 6; i++) {
		const char name[] = {(char)('a' + i), '\0'};

		device_connect(i, 0, 4, name);
		for (uint16_t id = 1; id <= 20; id++)
			device_publish(i, 4, 1, id, "t", "x");
		world_run(20);
		assert_true(says(name, "the log of set 1 (b1) is full"));
	}
	w.set = before;
}

static void
a_broker_is_over_its_hold(void **state)
{
	(void)state;
	w.set.broker[1].hold_messages = 4;
	w.broker[1].hold = true;
	world_start(1, 3, 0);
	device_connect(0, 0, 4, "a");
	for (uint16_t id = 1; id <= 20; id++)
		device_publish(0, 4, 1, id, "t", "x");
	world_run(1);
	{
		struct pw_why why;

		assert_int_equal(pw_forward_why(w.forward[0], "a", &why, world_clock(0)), 0);
		assert_non_null(strstr(why.reason[0], "broker b1 of set 0 is over its hold, for "));
	}
}

static void
what_went_to_another_broker_must_be_settled(void **state)
{
	(void)state;
	w.set.route[0].fanout = PW_FANOUT_FAILOVER;
	w.set.route[0].order[1] = 1;
	w.set.broker[0].failover_delay = 1000;
	w.set.broker[0].failback_delay = 1000;
	w.broker[0].mute = true;
	w.broker[1].hold = true;
	world_start(1, 3, 0);
	world_run(3000);
	device_connect(0, 0, 4, "a");
	device_publish(0, 4, 1, 1, "t", "x");
	world_run(20);
	assert_int_equal(w.broker[1].nb, 1);
	w.broker[0].mute = false;
	world_run(15000);
	device_publish(0, 4, 1, 2, "t", "x");
	world_run(20);
	assert_int_equal(w.broker[0].nb, 0);
	assert_true(says("a", "not read: what it has sent before must be settled, or memory be "
			      "free, first"));
	assert_true(says("a", "its message 1 waits for PUBACK of b1"));
}

/* With one packet buffer, which the message takes that comes: its PUBACK can't go where the one
 * that it is to be written to is full. */
static bool
starve(void)
{
	static struct rte_mbuf *taken[16384];
	struct pw_why why;
	uint32_t n = 0;

	while (n < RTE_DIM(taken) && rte_mempool_avail_count(w.mem.pkt) > 1)
		taken[n++] = rte_pktmbuf_alloc(w.mem.pkt);
	world_run(0);
	assert_int_equal(pw_forward_why(w.forward[0], "a", &why, world_clock(0)), 0);
	rte_pktmbuf_free_bulk(taken, n);
	return strcmp(why.reason[0], "acknowledgement of its message 7 waits for a buffer") == 0;
}

static void
a_buffer_is_waited_for(void **state)
{
	bool said = false;
	uint32_t n;

	(void)state;
	w.set.limits.copy_break = 0;
	w.set.route[0].ack = PW_ACK_LOCAL;
	world_start(1, 3, 0);
	device_connect(0, 0, 4, "a");
	for (n = 0; n < 600 && !said; n++) {
		device_publish(0, 4, 1, 7, "t", "x");
		said = starve();
		world_run(1000);
		device_clear(0);
	}
	assert_true(said);
	assert_int_equal(counters()->acknowledged, n);
	ledger();
}

#define T(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(nobody_is_not_there),
		T(a_password_is_being_verified),
		T(a_former_session_is_waited_for),
		T(a_connection_is_being_closed),
		T(something_is_kept_without_a_connection),
		T(a_rate_is_exceeded),
		T(the_window_is_full_and_brokers_owe_the_oldest),
		T(packet_buffers_are_short),
		T(a_log_is_full),
		T(a_log_made_by_a_reload_is_full),
		T(a_broker_is_over_its_hold),
		T(what_went_to_another_broker_must_be_settled),
		T(a_buffer_is_waited_for),
	};

	return cmocka_run_group_tests(tests, world_init, world_fini);
}
