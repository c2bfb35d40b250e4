/* SPDX-License-Identifier: BSD-3-Clause */
/* Settings and rules that change while devices are connected. */
#include <errno.h>

#include "forward_pvt.h"

#include "editions.h"

#define RULE(text, verdict_)                                                                       \
	{                                                                                          \
		.filter = (const uint8_t *)(text), .len = sizeof(text) - 1, .verdict = verdict_    \
	}

static void
a_new_limit_holds_for_who_is_connected(void **state)
{
	struct pw_edition_conf conf;

	(void)state;
	w.set.limits.message_rate = 1;
	world_start(1, 3, 0);
	device_connect(0, 0, 4, "dev");
	for (uint16_t id = 1; id <= 4; id++)
		device_publish(0, 4, 1, id, "t", "m");
	world_run(100);
	assert_int_equal(device_acks(0, 4, NULL, NULL, 8), 1);
	conf = fresh();
	next.limits.message_rate = 0;
	assert_int_equal(world_renew(&conf), 0);
	world_run(1100);
	assert_int_equal(device_acks(0, 4, NULL, NULL, 8), 4);
	assert_false(w.device[0].closed);
	ledger();
}

static void
a_new_keepalive_limit_holds_for_who_connects_next(void **state)
{
	struct pw_edition_conf conf;
	struct pw_session_info info[2];
	uint32_t at = 0;

	(void)state;
	world_start(1, 3, 0);
	device_connect(0, 0, 5, "one");
	conf = fresh();
	next.limits.max_keepalive = 20;
	assert_int_equal(world_renew(&conf), 0);
	device_connect(1, 0, 5, "two");
	assert_int_equal(pw_forward_session_list(w.forward[0], &at, info, 2), 2);
	assert_int_equal(info[0].keepalive, 60);
	assert_int_equal(info[1].keepalive, 20);
}

static void
a_route_has_another_filter_and_rule_from_the_next_message_on(void **state)
{
	struct pw_edition_conf conf;

	(void)state;
	world_start(1, 3, 0);
	device_connect(0, 0, 4, "dev");
	w.broker[1].hold = true;
	device_publish(0, 4, 1, 1, "other/t", "m");
	world_run(50);
	assert_int_equal(device_acks(0, 4, NULL, NULL, 8), 0);
	conf = fresh();
	snprintf(next.route[0].filter, sizeof(next.route[0].filter), "mine/#");
	next.route[0].ack = PW_ACK_ANY;
	assert_int_equal(world_renew(&conf), 0);
	/* One by the old rule, none at all for what no route matches, one by the new rule. */
	device_publish(0, 4, 1, 2, "mine/t", "m");
	device_publish(0, 4, 1, 3, "other/t", "m");
	world_run(50);
	assert_int_equal(device_acks(0, 4, NULL, NULL, 8), 0);
	assert_int_equal(counters()->dropped_no_route, 1);
	assert_int_equal(world_ack(1, 1), 1);
	world_run(50);
	assert_int_equal(device_acks(0, 4, NULL, NULL, 8), 3);
	assert_int_equal(w.broker[0].nb, 2);
	world_ack(1, 8);
	world_run(50);
	ledger();
}

static void
a_broker_that_answers_nothing_is_stuck_by_the_new_time(void **state)
{
	struct pw_edition_conf conf;

	(void)state;
	world_start(1, 3, 0);
	device_connect(0, 0, 4, "dev");
	w.broker[0].hold = true;
	device_publish(0, 4, 1, 1, "t", "m");
	world_run(500);
	assert_int_equal(upstream(0, PW_LANE_3).counters.stuck, 0);
	conf = fresh();
	next.broker[0].ack_timeout = 1000;
	assert_int_equal(world_renew(&conf), 0);
	world_run(700);
	assert_int_equal(upstream(0, PW_LANE_3).counters.stuck, 1);
	w.broker[0].hold = false;
	world_run(5000);
	assert_int_equal(device_acks(0, 4, NULL, NULL, 8), 1);
	ledger();
}

static void
a_hold_that_shrinks_gives_up_what_is_beyond_it(void **state)
{
	struct pw_edition_conf conf;

	(void)state;
	w.set.route[0].when_full_qos1 = PW_WHEN_FULL_DROP;
	w.broker[0].refuse = true;
	world_start(1, 3, 0);
	device_connect(0, 0, 5, "dev");
	for (uint16_t id = 1; id <= 6; id++)
		device_publish(0, 5, 1, id, "t", "m");
	world_run(50);
	assert_int_equal(upstream(0, PW_LANE_5).counters.dropped_hold, 0);
	conf = fresh();
	next.broker[0].hold_messages = 2;
	assert_int_equal(world_renew(&conf), 0);
	world_run(50);
	assert_int_equal(upstream(0, PW_LANE_5).counters.dropped_hold, 4);
	assert_int_equal(upstream(0, PW_LANE_5).held, 2);
	ledger();
}

static void
a_hold_that_comes_later_blocks_devices_and_goes_again(void **state)
{
	struct pw_edition_conf conf;

	(void)state;
	w.broker[0].hold = true;
	world_start(1, 3, 0); /* without a bound of buffers, so the log has had none at all */
	device_connect(0, 0, 5, "dev");
	device_publish(0, 5, 1, 1, "t", "m");
	world_run(50);
	conf = fresh();
	next.broker[0].hold_messages = 2;
	assert_int_equal(world_renew(&conf), 0);
	for (uint16_t id = 2; id <= 6; id++)
		device_publish(0, 5, 1, id, "t", "m");
	world_run(50);
	assert_int_equal(w.broker[1].nb, 2);
	assert_int_equal(upstream(0, PW_LANE_5).held, 2);
	assert_true(upstream(0, PW_LANE_5).over);
	w.set = next;
	conf = fresh();
	next.broker[0].hold_messages = 0;
	assert_int_equal(world_renew(&conf), 0);
	world_run(50);
	assert_int_equal(w.broker[1].nb, 6);
	assert_int_equal(world_ack(0, 9), 6);
	world_run(50);
	assert_int_equal(device_acks(0, 5, NULL, NULL, 8), 6);
	ledger();
}

static void
what_was_reserved_at_the_start_is_refused(void **state)
{
	struct pw_edition_conf conf;
	static struct pw_access none;

	(void)state;
	w.set.limits.message_rate = 0;
	world_start(1, 3, 0);
	conf = fresh();
	next.limits.message_rate = 5;
	assert_int_equal(world_renew(&conf), -EINVAL);
	conf = fresh();
	next.route[0].pool_size = 0;
	assert_int_equal(world_renew(&conf), -EINVAL);
	conf = fresh();
	next.nb_listeners = 0;
	assert_int_equal(world_renew(&conf), -EINVAL);
	conf = fresh();
	conf.access = &none;
	assert_int_equal(world_renew(&conf), -EINVAL);
	conf = fresh();
	next.route[0].filter[0] = '\0';
	assert_int_equal(world_renew(&conf), -EINVAL);
	/* And nothing has changed. */
	device_connect(0, 0, 4, "dev");
	device_publish(0, 4, 1, 1, "t", "m");
	world_run(50);
	assert_int_equal(device_acks(0, 4, NULL, NULL, 8), 1);
	assert_int_equal(world_renew(&(struct pw_edition_conf){.settings = &w.set}), 0);
}

/* Two tables: bob has another number, and other rules, in the second; eve is not in it. */
static struct pw_access_rule rules[] = {RULE("bob/#", PW_ACCESS_ALLOW),
					RULE("eve/#", PW_ACCESS_ALLOW),
					RULE("new/#", PW_ACCESS_ALLOW)};
static const struct pw_access_user before[] = {
	{.name = (const uint8_t *)"eve", .len = 3, .rules = {1, 1}},
	{.name = (const uint8_t *)"bob", .len = 3, .rules = {0, 1}},
};
static const struct pw_access_user after[] = {
	{.name = (const uint8_t *)"bob", .len = 3, .rules = {2, 1}},
};
static uint32_t places[2][8];
static struct pw_access old_access = {.anonymous = true,
				      .passwords = true,
				      .acl = true,
				      .user = before,
				      .nb_users = 2,
				      .index = places[0],
				      .mask = 7,
				      .rule = rules,
				      .of_anonymous = {0, 3}};
static struct pw_access new_access = {.passwords = true,
				      .acl = true,
				      .user = after,
				      .nb_users = 1,
				      .index = places[1],
				      .mask = 7,
				      .rule = rules};
static const uint32_t who[] = {PW_ACCESS_NOBODY, 0};

static int
setup_access(void **state)
{
	int rc = setup(state);

	memset(places, 0, sizeof(places));
	for (uint32_t u = 0; u < 2; u++) {
		uint32_t at = pw_access_place(before[u].name, before[u].len);

		while (places[0][at & 7] != 0)
			at++;
		places[0][at & 7] = u + 1;
	}
	places[1][pw_access_place(after[0].name, 3) & 7] = 1;
	old_access.anonymous = true;
	w.access = &old_access;
	return rc;
}

static struct pw_edition_conf
fresh_access(void)
{
	struct pw_edition_conf conf = fresh();

	conf.access = &new_access;
	conf.users = who;
	conf.nb_users = RTE_DIM(who);
	return conf;
}

/* Connect by name, and find the password right. */
static void
admit(uint32_t i, uint8_t version, const char *id, const char *name)
{
	struct pw_mqtt_str user = {name, 3}, password = {"pw", 2};
	struct pw_mqtt_connect_out c = {
		.version = version,
		.clean = true,
		.keepalive = 60,
		.client_id = {id, (uint32_t)strlen(id)},
		.username = &user,
		.password = &password,
	};
	uint8_t out[256];
	int n = pw_mqtt_encode_connect(out, sizeof(out), &c);

	assert_true(n > 0);
	device_open(i, 0);
	device_send(i, out, (uint32_t)n);
	world_run(10);
	world_answer(&w.asked[w.nb_asked - 1], PW_AUTH_GOOD);
	world_run(10);
	assert_int_equal(w.device[i].rx[3], 0);
	device_clear(i);
}

static void
a_user_goes_on_by_the_new_rules_and_one_who_is_gone_does_not(void **state)
{
	struct pw_edition_conf conf;
	struct pw_session_info info;
	uint32_t at = 0;

	(void)state;
	world_start(1, 3, 0);
	admit(0, 5, "b", "bob");
	admit(1, 5, "e5", "eve");
	admit(2, 4, "e4", "eve");
	device_connect(3, 0, 5, "anybody");
	device_clear(3);
	device_publish(0, 5, 1, 1, "bob/t", "m");
	device_publish(1, 5, 1, 1, "eve/t", "m");
	world_run(20);
	assert_int_equal(w.broker[0].nb, 2);
	device_clear(0);
	device_clear(1);
	conf = fresh_access();
	assert_int_equal(world_renew(&conf), 0);
	device_publish(0, 5, 1, 2, "bob/t", "m");
	device_publish(0, 5, 1, 3, "new/t", "m");
	device_publish(1, 5, 1, 2, "eve/t", "m");
	world_run(50);
	assert_int_equal(w.broker[0].nb, 3);
	assert_int_equal(counters()->dropped_not_authorized, 1);
	assert_false(w.device[0].closed);
	assert_true(w.device[1].closed && w.device[2].closed && w.device[3].closed);
	assert_true(device_got(1, (const uint8_t[]){0xE0, 1, 0x87}, 3));
	assert_true(device_got(3, (const uint8_t[]){0xE0, 1, 0x87}, 3));
	assert_int_equal(counters()->revoked, 3);
	assert_int_equal(pw_forward_session_list(w.forward[0], &at, &info, 1), 1);
	assert_string_equal(info.user, "bob");
	ledger();
}

static void
a_password_that_is_being_verified_is_asked_for_again(void **state)
{
	struct pw_edition_conf conf;
	static const uint8_t connect[] = {0x10, 22, 0,	 4, 'M', 'Q', 'T', 'T', 4, 0xC2, 0,   60,
					  0,	1,  'a', 0, 3,	 'e', 'v', 'e', 0, 2,	 'p', 'w'};

	(void)state;
	world_start(1, 3, 0);
	device_open(0, 0);
	device_send(0, connect, sizeof(connect));
	world_run(10);
	assert_int_equal(w.nb_asked, 1);
	assert_int_equal(w.asked[0].user, 0);
	assert_int_equal(w.asked[0].edition, 0);
	conf = fresh_access();
	assert_int_equal(world_renew(&conf), 0);
	world_answer(&w.asked[0], PW_AUTH_GOOD);
	world_run(10);
	assert_int_equal(w.nb_asked, 2);
	assert_int_equal(w.asked[1].user, PW_ACCESS_NOBODY);
	assert_int_equal(w.asked[1].edition, 1);
	assert_int_equal(w.device[0].len, 0);
	world_answer(&w.asked[1], PW_AUTH_BAD);
	world_run(10);
	assert_int_equal(w.device[0].rx[3], 4);
	assert_int_equal(counters()->connects, 0);
}

/* A worker that sleeps until its next timer would leave them for long. */
static void
who_may_stay_is_looked_at_without_a_pause(void **state)
{
	struct pw_edition_conf conf;
	uint32_t turns = 0;

	(void)state;
	w.set.limits.max_connections = 2000;
	world_start(1, 3, 0);
	conf = fresh();
	next.limits.message_rate = 5;
	assert_int_equal(world_renew(&conf), 0);
	for (; pw_forward_next(w.forward[0]) <= w.now; turns++)
		(void)pw_forward_poll(w.forward[0], w.now);
	assert_in_range(turns, 2000 / 256, 20);
	assert_false(w.forward[0]->sweeping);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(f, s) cmocka_unit_test_setup_teardown(f, s, world_teardown)
		TEST(a_new_limit_holds_for_who_is_connected, setup),
		TEST(a_new_keepalive_limit_holds_for_who_connects_next, setup),
		TEST(a_route_has_another_filter_and_rule_from_the_next_message_on, setup),
		TEST(a_broker_that_answers_nothing_is_stuck_by_the_new_time, setup),
		TEST(a_hold_that_shrinks_gives_up_what_is_beyond_it, setup),
		TEST(a_hold_that_comes_later_blocks_devices_and_goes_again, setup),
		TEST(who_may_stay_is_looked_at_without_a_pause, setup),
		TEST(what_was_reserved_at_the_start_is_refused, setup),
		TEST(a_user_goes_on_by_the_new_rules_and_one_who_is_gone_does_not, setup_access),
		TEST(a_password_that_is_being_verified_is_asked_for_again, setup_access),
	};

	return cmocka_run_group_tests(tests, world_init, world_fini);
}
