/* SPDX-License-Identifier: BSD-3-Clause */
/* Settings and rules that change while devices are connected. */
#include <errno.h>
#include <stdlib.h>

#include <rte_common.h>
#include <rte_malloc.h>

#include "upstream_pvt.h"
#include "world.h"

#define RULE(text, verdict_)                                                                       \
	{                                                                                          \
		.filter = (const uint8_t *)(text), .len = sizeof(text) - 1, .verdict = verdict_    \
	}

static struct pw_forward_settings pair[2];
static uint32_t turn;
#define next pair[turn]

static int
setup(void **state)
{
	int rc = world_setup(state);

	w.set.limits.message_rate = 1000; /* so that sessions have accounts */
	return rc;
}

/* What is in force, to be changed. */
static struct pw_edition_conf
fresh(void)
{
	turn = 1 - turn;
	next = w.set;
	return (struct pw_edition_conf){.settings = &next, .access = w.access, .number = 1};
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

/* Shapes: one worker of both roles, and roles on two workers. */
static const struct {
	uint32_t workers;
	uint8_t role[2];
} shapes[] = {{1, {3, 0}}, {2, {PW_ROLE_DEVICES, PW_ROLE_BROKERS}}};

static void
start(uint32_t shape)
{
	world_start(shapes[shape].workers, shapes[shape].role[0], shapes[shape].role[1]);
	device_connect(0, 0, 5, "dev");
	device_clear(0);
}

/* For the next shape. */
static void
again(void **state)
{
	(void)world_teardown(state);
	(void)setup(state);
}

static uint32_t
nb_logs(void)
{
	return pw_forward_logs(w.forward[0], 0, NULL, 0);
}

/* As the main lcore does it: what has retired goes. True where something had. */
static bool
clean(struct pw_edition_conf *conf)
{
	if (!pw_forward_retired(w.shared))
		return false;
	assert_int_equal(world_renew(conf), 0);
	return true;
}

static uint32_t
acked(void)
{
	return device_acks(0, 5, NULL, NULL, 64);
}

/* Texts that a broker has in order, each once. */
static void
has(uint32_t b, const char *texts)
{
	char got[256] = "";

	for (uint32_t i = 0; i < w.broker[b].nb; i++) {
		if (!(w.broker[b].record[i].first & 8))
			snprintf(got + strlen(got), sizeof(got) - strlen(got), "%s ",
				 w.broker[b].record[i].text);
	}
	assert_string_equal(got, texts);
}

static void
a_route_takes_another_set_and_no_message_overtakes_another(void **state)
{
	for (uint32_t k = 0; k < RTE_DIM(shapes); k++) {
		struct pw_edition_conf conf;

		start(k);
		w.broker[0].hold = true;
		device_publish(0, 5, 1, 1, "t", "one");
		device_publish(0, 5, 1, 2, "t", "two");
		world_run(20);
		has(0, "one two ");
		conf = fresh();
		next.route[0].brokers = 1;
		next.route[0].order[0] = 0;
		assert_int_equal(world_renew(&conf), 0);
		assert_int_equal(nb_logs(), 4);
		device_publish(0, 5, 1, 3, "t", "three");
		device_publish(0, 5, 0, 0, "t", "four");
		world_run(500);
		/* The broker may read what comes by another connection first: so it does not come.
		 */
		has(0, "one two ");
		assert_int_equal(acked(), 0);
		assert_false(clean(&conf));
		assert_int_equal(world_ack(0, 2), 2);
		w.broker[0].hold = false;
		world_run(50);
		has(0, "one two three four ");
		has(1, "one two ");
		assert_int_equal(acked(), 3);
		assert_true(clean(&conf));
		assert_int_equal(nb_logs(), 2);
		device_publish(0, 5, 1, 4, "t", "five");
		world_run(20);
		assert_int_equal(acked(), 4);
		has(1, "one two ");
		assert_int_equal(counters()->overtaken, 0);
		assert_false(w.device[0].closed);
		w.set = next;
		ledger();
		again(state);
	}
}

static void
a_broker_that_is_away_holds_a_device_up_for_two_seconds_and_keeps_its_messages(void **state)
{
	for (uint32_t k = 0; k < RTE_DIM(shapes); k++) {
		struct pw_edition_conf conf;

		w.broker[0].mute = true;
		w.set.broker[0].connect_timeout = 300;
		w.set.broker[0].restart_cap = 1000;
		start(k);
		device_publish(0, 5, 1, 1, "t", "one");
		world_run(20);
		conf = fresh();
		next.route[0].brokers = 2;
		next.route[0].order[0] = 1;
		snprintf(next.route[0].filter, sizeof(next.route[0].filter), "t");
		next.nb_routes = 2;
		next.route[1] = next.route[0];
		snprintf(next.route[1].name, sizeof(next.route[1].name), "other");
		snprintf(next.route[1].filter, sizeof(next.route[1].filter), "other");
		next.route[1].brokers = 3;
		next.route[1].order[0] = 0;
		next.route[1].order[1] = 1;
		assert_int_equal(world_renew(&conf), 0);
		/* The set of both is named still, by another route: its log stays. */
		assert_int_equal(nb_logs(), 4);
		device_publish(0, 5, 1, 2, "t", "two");
		world_run(1000);
		has(1, "one two ");
		device_publish(0, 5, 1, 3, "other", "three");
		world_run(50);
		has(1, "one two three ");
		assert_int_equal(acked(), 0);
		w.broker[0].mute = false;
		world_run(6000);
		has(0, "one three ");
		assert_int_equal(acked(), 3);
		assert_false(clean(&conf));
		w.set = next;
		ledger();
		again(state);
	}
}

static void
who_waits_for_a_broker_that_does_not_come_back_goes_on(void **state)
{
	struct pw_edition_conf conf;

	(void)state;
	start(0);
	w.broker[0].hold = true;
	device_publish(0, 5, 0, 0, "t", "one");
	device_publish(0, 5, 1, 1, "t", "two");
	world_run(20);
	conf = fresh();
	next.route[0].brokers = 1;
	assert_int_equal(world_renew(&conf), 0);
	device_publish(0, 5, 1, 2, "t", "three");
	world_run(1900);
	has(0, "one two ");
	world_run(200);
	has(0, "one two three ");
	assert_int_equal(counters()->overtaken, 1);
	w.broker[0].hold = false;
	world_ack(0, 8);
	world_run(50);
	assert_int_equal(acked(), 2);
	assert_true(clean(&conf));
	w.set = next;
	ledger();
}

static void
a_broker_is_added(void **state)
{
	for (uint32_t k = 0; k < RTE_DIM(shapes); k++) {
		struct pw_edition_conf conf;

		w.set.nb_brokers = 3;
		w.set.route[0].brokers = 3;
		start(k);
		device_publish(0, 5, 1, 1, "t", "one");
		world_run(20);
		assert_int_equal(w.broker[2].connects, 0);
		conf = fresh();
		next.route[0].brokers = 7;
		next.route[0].order[2] = 2;
		assert_int_equal(world_renew(&conf), 0);
		device_publish(0, 5, 1, 2, "t", "two");
		world_run(100);
		has(0, "one two ");
		has(2, "two ");
		assert_int_equal(acked(), 2);
		assert_true(clean(&conf));
		assert_int_equal(nb_logs(), 2);
		w.set = next;
		ledger();
		again(state);
	}
}

static void
a_broker_is_removed_and_what_it_did_not_take_is_given_up_in_the_end(void **state)
{
	for (uint32_t k = 0; k < RTE_DIM(shapes); k++) {
		struct pw_edition_conf conf;

		w.set.limits.drain_deadline = 3000;
		start(k);
		w.broker[1].hold = true;
		device_publish(0, 5, 0, 0, "t", "one");
		device_publish(0, 5, 1, 1, "t", "two");
		device_publish(0, 5, 2, 2, "t", "three");
		world_run(20);
		conf = fresh();
		next.route[0].brokers = 1;
		assert_int_equal(world_renew(&conf), 0);
		device_publish(0, 5, 1, 3, "t", "four");
		world_run(2500);
		assert_int_equal(acked(), 0);
		assert_false(clean(&conf));
		world_run(1000);
		/* All that are left have it. */
		assert_int_equal(acked(), 2);
		has(0, "one two three four ");
		device_ack(0, PW_MQTT_PUBREL, 2);
		world_run(100);
		assert_true(clean(&conf));
		assert_int_equal(nb_logs(), 2);
		assert_int_equal(pw_forward_brokers(w.shared), 1);
		assert_false(w.device[0].closed);
		assert_int_equal(counters()->unmet, 0);
		w.set = next;
		ledger();
		again(state);
	}
}

static void
a_broker_that_moves_gets_there_what_it_did_not_acknowledge(void **state)
{
	for (uint32_t k = 0; k < RTE_DIM(shapes); k++) {
		struct pw_edition_conf conf;

		w.set.nb_brokers = 3;
		w.set.route[0].brokers = 3;
		start(k);
		w.broker[1].hold = true;
		device_publish(0, 5, 1, 1, "t", "one");
		device_publish(0, 5, 2, 2, "t", "two");
		world_run(20);
		conf = fresh();
		next.broker[1].address = w.set.broker[2].address;
		assert_int_equal(world_renew(&conf), 0);
		world_run(100);
		assert_int_equal(w.broker[2].nb, 2);
		assert_string_equal(w.broker[2].record[0].text, "one");
		assert_int_equal(acked(), 1);
		device_publish(0, 5, 1, 3, "t", "three");
		world_run(100);
		assert_int_equal(w.broker[1].nb, 2);
		assert_int_equal(w.broker[2].nb, 3);
		assert_int_equal(acked(), 2);
		device_ack(0, PW_MQTT_PUBREL, 2);
		world_run(100);
		w.set = next;
		ledger();
		again(state);
	}
}

static void
routes_change_again_while_the_last_ones_deliver(void **state)
{
	for (uint32_t k = 0; k < RTE_DIM(shapes); k++) {
		struct pw_edition_conf conf;

		w.set.limits.drain_deadline = 60000;
		start(k);
		w.broker[0].hold = w.broker[1].hold = true;
		device_publish(0, 5, 1, 1, "t", "one");
		world_run(20);
		for (uint32_t i = 0; i < 6; i++) {
			conf = fresh();
			next.route[0].brokers = 1 + i % 3;
			next.route[0].order[0] = i % 3 == 1;
			next.route[0].order[1] = 1;
			assert_int_equal(world_renew(&conf), 0);
			w.set = next;
			world_run(2100);
			device_publish(0, 5, 1, (uint16_t)(2 + i), "t", "more");
			world_run(2100);
		}
		assert_int_equal(acked(), 0);
		w.broker[0].hold = w.broker[1].hold = false;
		world_ack(0, 64);
		world_ack(1, 64);
		world_run(200);
		assert_int_equal(acked(), 7);
		while (clean(&conf))
			;
		assert_int_equal(nb_logs(), 2);
		has(0, "one more more more more ");
		has(1, "one more more more more ");
		ledger();
		again(state);
	}
}

static void
a_set_that_is_named_again_when_its_logs_are_gone_has_others(void **state)
{
	for (uint32_t k = 0; k < RTE_DIM(shapes); k++) {
		struct pw_edition_conf conf;

		start(k);
		conf = fresh();
		next.route[0].brokers = 1;
		assert_int_equal(world_renew(&conf), 0);
		world_run(100);
		/* They are gone, and the file is read again before they are given back. */
		assert_true(pw_forward_retired(w.shared));
		w.set = next;
		conf = fresh();
		next.route[0].brokers = 3;
		next.route[0].order[1] = 1;
		assert_int_equal(world_renew(&conf), 0);
		device_publish(0, 5, 1, 1, "t", "one");
		world_run(100);
		assert_int_equal(acked(), 1);
		has(0, "one ");
		has(1, "one ");
		w.set = next;
		ledger();
		again(state);
	}
}

static void
a_message_to_others_does_not_let_the_next_one_overtake(void **state)
{
	for (uint32_t k = 0; k < RTE_DIM(shapes); k++) {
		struct pw_edition_conf conf;

		w.set.nb_routes = 2;
		w.set.route[1] = w.set.route[0];
		snprintf(w.set.route[1].name, sizeof(w.set.route[1].name), "other");
		snprintf(w.set.route[0].filter, sizeof(w.set.route[0].filter), "t/#");
		snprintf(w.set.route[1].filter, sizeof(w.set.route[1].filter), "u");
		w.set.route[1].brokers = 2;
		w.set.route[1].order[0] = 1;
		start(k);
		w.broker[0].hold = true;
		device_publish(0, 5, 1, 1, "t/t", "one");
		world_run(20);
		conf = fresh();
		next.route[0].brokers = 1;
		assert_int_equal(world_renew(&conf), 0);
		world_run(20);
		device_publish(0, 5, 1, 2, "u", "two");
		world_run(20);
		has(1, "one two ");
		device_publish(0, 5, 1, 3, "t/t", "three");
		world_run(500);
		has(0, "one ");
		assert_int_equal(world_ack(0, 1), 1);
		w.broker[0].hold = false;
		world_run(50);
		has(0, "one three ");
		assert_int_equal(counters()->overtaken, 0);
		assert_int_equal(acked(), 3);
		w.set = next;
		ledger();
		again(state);
	}
}

static void
who_comes_back_after_the_routes_have_changed_does_not_overtake_what_he_sent(void **state)
{
	for (uint32_t k = 0; k < RTE_DIM(shapes); k++) {
		struct pw_edition_conf conf;

		w.set.lanes = 1u << PW_LANE_5;
		start(k);
		w.broker[0].hold = true;
		device_publish(0, 5, 1, 1, "t", "one");
		world_run(20);
		conf = fresh();
		next.route[0].brokers = 1;
		assert_int_equal(world_renew(&conf), 0);
		device_reset(0);
		world_run(20);
		device_connect(1, 0, 5, "dev");
		device_clear(1);
		device_publish(1, 5, 1, 2, "t", "two");
		world_run(500);
		has(0, "one ");
		assert_int_equal(world_ack(0, 1), 1);
		w.broker[0].hold = false;
		world_run(50);
		has(0, "one two ");
		assert_int_equal(device_acks(1, 5, NULL, NULL, 8), 1);
		assert_int_equal(counters()->overtaken, 0);
		w.set = next;
		ledger();
		again(state);
	}
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

static void
a_connection_that_goes_keeps_no_buffers(void **state)
{
	struct pw_edition_conf conf;
	const struct pw_view *v;

	(void)state;
	w.buffers = 1024;
	start(0);
	v = &w.shared->edition->view[0];
	for (uint32_t i = 0; i < v->nb_upstreams; i++) {
		v->upstream[i]->cursor.pinned += 7;
		v->upstream[i]->cursor.abandoned_pins += 7;
		pw_cursor_publish(&v->upstream[i]->cursor);
	}
	assert_true(w.shared->use[0].pinned > 0 && w.shared->use[1].pinned > 0);
	conf = fresh();
	next.route[0].brokers = 1;
	assert_int_equal(world_renew(&conf), 0);
	world_run(100);
	assert_true(clean(&conf));
	assert_int_equal(w.shared->use[0].pinned, 0);
	assert_int_equal(w.shared->use[1].pinned, 0);
	w.set = next;
}

/* The memory that there is, in pieces of a size, until none is left. */
static uint32_t
take_memory(void **piece, uint32_t n, uint32_t max, size_t size)
{
	while (n < max && (piece[n] = rte_malloc("test", size, 0)) != NULL)
		n++;
	return n;
}

static void
without_memory_nothing_changes(void **state)
{
	static void *piece[65536];

	for (uint32_t k = 0; k < RTE_DIM(shapes); k++) {
		struct pw_edition_conf conf;
		uint32_t n = 0, refused = 0;

		w.set.nb_brokers = 3;
		w.set.route[0].brokers = 3;
		start(k);
		n = take_memory(piece, n, RTE_DIM(piece), 1 << 20);
		rte_free(piece[--n]);
		n = take_memory(piece, n, RTE_DIM(piece), 1 << 12);
		n = take_memory(piece, n, RTE_DIM(piece), 64);
		assert_true(n < RTE_DIM(piece));
		conf = fresh();
		next.route[0].brokers = 7;
		next.route[0].order[2] = 2;
		/* It fails at each step once. */
		for (int rc = -ENOMEM; rc != 0; refused++) {
			rc = world_renew(&conf);
			assert_true(rc == 0 || rc == -ENOMEM);
			if (rc == 0)
				break;
			assert_false(pw_forward_retired(w.shared));
			assert_int_equal(w.shared->use[0].logs, 2);
			assert_int_equal(w.shared->use[2].logs, 0);
			assert_int_equal(nb_logs(), 2);
			assert_true(n > 0);
			rte_free(piece[--n]);
		}
		assert_true(refused > 8);
		while (n > 0)
			rte_free(piece[--n]);
		device_publish(0, 5, 1, 1, "t", "one");
		world_run(100);
		has(2, "one ");
		assert_int_equal(acked(), 1);
		w.set = next;
		ledger();
		again(state);
	}
}

/* One worker has gone over, the other one has not; either may be the first. */
static void
workers_in_different_editions_deliver(void **state)
{
	for (uint32_t k = 0; k < 4; k++) {
		struct pw_edition_conf conf;

		world_start(2, k < 2 ? PW_ROLE_DEVICES : 3, k < 2 ? PW_ROLE_BROKERS : 3);
		device_connect(0, 0, 5, "dev");
		device_clear(0);
		w.broker[0].hold = true;
		device_publish(0, 5, 2, 1, "t", "one");
		world_run(20);
		conf = fresh();
		next.route[0].brokers = 1;
		assert_int_equal(pw_forward_renew(w.shared, &conf), 0);
		pw_forward_adopt(w.forward[k % 2], world_clock(k % 2));
		device_publish(0, 5, 1, 2, "t", "two");
		world_run(50);
		assert_int_equal(world_ack(0, 8) > 0, true);
		w.broker[0].hold = false;
		device_publish(0, 5, 1, 3, "t", "three");
		world_run(50);
		if (k >= 2 && k % 2 == 0) {
			/* The client goes over to the worker that is behind. */
			device_connect(1, 1, 5, "dev");
			device_publish(1, 5, 1, 9, "t", "else");
			world_run(50);
		}
		pw_forward_adopt(w.forward[1 - k % 2], world_clock(1 - k % 2));
		pw_forward_renewed(w.shared);
		world_run(50);
		has(0, k == 2 ? "one two three else " : "one two three ");
		if (k != 2) {
			device_ack(0, PW_MQTT_PUBREL, 1);
			world_run(50);
			assert_int_equal(acked(), 2);
		}
		assert_true(clean(&conf));
		w.set = next;
		again(state);
	}
}

static void
a_drain_ends_though_the_edition_is_another_one_meanwhile(void **state)
{
	for (uint32_t k = 0; k < RTE_DIM(shapes); k++) {
		struct pw_edition_conf conf;

		start(k);
		w.broker[0].hold = true;
		device_publish(0, 5, 1, 1, "t", "one");
		world_run(20);
		conf = fresh();
		next.route[0].brokers = 1;
		assert_int_equal(pw_forward_renew(w.shared, &conf), 0);
		for (uint32_t i = 0; i < w.nb_workers; i++)
			pw_forward_drain(w.forward[i], w.now);
		world_run(20);
		for (uint32_t i = 0; i < w.nb_workers; i++)
			pw_forward_adopt(w.forward[i], world_clock(i));
		pw_forward_renewed(w.shared);
		world_run(100);
		assert_false(pw_forward_drained(w.forward[0]));
		assert_int_equal(acked(), 0);
		w.broker[0].hold = false;
		world_ack(0, 8);
		world_run(1500);
		assert_int_equal(acked(), 1);
		for (uint32_t i = 0; i < w.nb_workers; i++)
			assert_true(pw_forward_drained(w.forward[i]));
		assert_int_equal(counters()->dropped_on_shutdown, 0);
		assert_int_equal(counters()->cut_on_shutdown, 0);
		w.set = next;
		again(state);
	}
}

static void
a_connection_stays_until_tcp_has_let_go_of_it(void **state)
{
	for (uint32_t k = 0; k < RTE_DIM(shapes); k++) {
		struct pw_edition_conf conf;

		start(k);
		device_publish(0, 5, 1, 1, "t", "one");
		world_run(20);
		w.broker[1].dark = true;
		conf = fresh();
		next.route[0].brokers = 1;
		assert_int_equal(world_renew(&conf), 0);
		world_run(800);
		assert_false(clean(&conf));
		world_run(400);
		assert_true(clean(&conf));
		w.broker[1].dark = false;
		w.set = next;
		ledger();
		again(state);
	}
}

static void
a_log_stays_while_acknowledgements_of_it_wait_for_their_turn(void **state)
{
	for (uint32_t k = 0; k < RTE_DIM(shapes); k++) {
		uint32_t n = w.set.limits.max_queued_messages * 3 / 4;
		struct pw_edition_conf conf;

		w.set.limits.receive_maximum = (uint16_t)(n + 1);
		w.set.nb_routes = 2;
		w.set.route[1] = w.set.route[0];
		snprintf(w.set.route[1].name, sizeof(w.set.route[1].name), "other");
		snprintf(w.set.route[0].filter, sizeof(w.set.route[0].filter), "u");
		w.set.route[0].brokers = 2;
		w.set.route[0].order[0] = 1;
		w.set.route[1].brokers = 1;
		start(k);
		w.broker[1].hold = true;
		device_publish(0, 5, 1, 1, "u", "first");
		for (uint32_t i = 0; i < n; i++) {
			device_publish(0, 5, 1, (uint16_t)(2 + i), "t", "more");
			world_run(2);
		}
		assert_int_equal(w.broker[0].nb, n);
		conf = fresh();
		next.route[1].brokers = 3;
		next.route[1].order[1] = 1;
		assert_int_equal(world_renew(&conf), 0);
		world_run(200);
		assert_false(clean(&conf));
		w.broker[1].hold = false;
		world_ack(1, 8);
		world_run(200);
		assert_int_equal(device_acks(0, 5, NULL, NULL, 4096), n + 1);
		assert_true(clean(&conf));
		w.set = next;
		ledger();
		again(state);
	}
}

static void
another_reload_gives_a_removed_broker_no_more_time(void **state)
{
	struct pw_edition_conf conf;

	(void)state;
	w.set.limits.drain_deadline = 3000;
	start(0);
	w.broker[1].hold = true;
	device_publish(0, 5, 1, 1, "t", "one");
	world_run(20);
	for (uint32_t i = 0; i < 2; i++) {
		conf = fresh();
		next.route[0].brokers = 1;
		next.broker[0].replay_rate = i;
		assert_int_equal(world_renew(&conf), 0);
		w.set = next;
		world_run(2000);
		assert_int_equal(acked(), i);
	}
	assert_true(clean(&conf));
	ledger();
}

static void
a_broker_that_is_named_again_keeps_what_waits_for_it(void **state)
{
	struct pw_edition_conf conf;

	(void)state;
	w.set.limits.drain_deadline = 3000;
	start(0);
	w.broker[1].hold = true;
	device_publish(0, 5, 1, 1, "t", "one");
	world_run(20);
	conf = fresh();
	next.route[0].brokers = 1;
	assert_int_equal(world_renew(&conf), 0);
	w.set = next;
	world_run(1000);
	conf = fresh();
	next.route[0].brokers = 3;
	next.route[0].order[1] = 1;
	assert_int_equal(world_renew(&conf), 0);
	w.set = next;
	world_run(5000);
	assert_int_equal(acked(), 0);
	w.broker[1].hold = false;
	world_ack(1, 8);
	world_run(50);
	device_publish(0, 5, 1, 2, "t", "two");
	world_run(50);
	assert_int_equal(acked(), 2);
	has(1, "one two ");
	has(0, "one two ");
	while (clean(&conf))
		;
	ledger();
}

/* What the lost one of several had is not overtaken by what another one of them gets. */
static void
a_key_whose_broker_goes_waits_for_it(void **state)
{
	struct pw_edition_conf conf;
	char id[8];

	(void)state;
	w.set.nb_brokers = 3;
	w.set.route[0].brokers = 7;
	for (uint8_t i = 0; i < 3; i++)
		w.set.route[0].order[i] = i;
	w.set.route[0].fanout = PW_FANOUT_HASH;
	world_start(1, 3, 0);
	for (uint32_t i = 0; w.broker[2].nb == 0; i++) {
		assert_true(i < 64);
		snprintf(id, sizeof(id), "dev%u", i);
		device_connect(0, 0, 5, id);
		device_clear(0);
		w.broker[2].hold = true;
		device_publish(0, 5, 1, 1, "t", "one");
		world_run(20);
		if (w.broker[2].nb == 0) {
			device_close(0);
			world_run(20);
		}
	}
	w.broker[0].nb = w.broker[1].nb = 0;
	conf = fresh();
	next.route[0].brokers = 3;
	assert_int_equal(world_renew(&conf), 0);
	world_run(10);
	device_publish(0, 5, 1, 2, "t", "two");
	world_run(500);
	assert_int_equal(w.broker[0].nb + w.broker[1].nb, 0);
	world_ack(2, 8);
	world_run(50);
	assert_int_equal(w.broker[0].nb + w.broker[1].nb, 1);
	assert_int_equal(acked(), 2);
	assert_true(clean(&conf));
	w.set = next;
	ledger();
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
		TEST(a_route_takes_another_set_and_no_message_overtakes_another, setup),
		TEST(a_broker_that_is_away_holds_a_device_up_for_two_seconds_and_keeps_its_messages,
		     setup),
		TEST(who_waits_for_a_broker_that_does_not_come_back_goes_on, setup),
		TEST(a_broker_is_added, setup),
		TEST(a_broker_is_removed_and_what_it_did_not_take_is_given_up_in_the_end, setup),
		TEST(a_broker_that_moves_gets_there_what_it_did_not_acknowledge, setup),
		TEST(routes_change_again_while_the_last_ones_deliver, setup),
		TEST(a_set_that_is_named_again_when_its_logs_are_gone_has_others, setup),
		TEST(a_message_to_others_does_not_let_the_next_one_overtake, setup),
		TEST(who_comes_back_after_the_routes_have_changed_does_not_overtake_what_he_sent,
		     setup),
		TEST(who_may_stay_is_looked_at_without_a_pause, setup),
		TEST(a_connection_that_goes_keeps_no_buffers, setup),
		TEST(without_memory_nothing_changes, setup),
		TEST(workers_in_different_editions_deliver, setup),
		TEST(a_drain_ends_though_the_edition_is_another_one_meanwhile, setup),
		TEST(a_connection_stays_until_tcp_has_let_go_of_it, setup),
		TEST(a_log_stays_while_acknowledgements_of_it_wait_for_their_turn, setup),
		TEST(another_reload_gives_a_removed_broker_no_more_time, setup),
		TEST(a_broker_that_is_named_again_keeps_what_waits_for_it, setup),
		TEST(a_key_whose_broker_goes_waits_for_it, setup),
		TEST(what_was_reserved_at_the_start_is_refused, setup),
		TEST(a_user_goes_on_by_the_new_rules_and_one_who_is_gone_does_not, setup_access),
		TEST(a_password_that_is_being_verified_is_asked_for_again, setup_access),
	};

	return cmocka_run_group_tests(tests, world_init, world_fini);
}
