/* SPDX-License-Identifier: BSD-3-Clause */
/* Who may connect, and publish what. */
#include <stdio.h>
#include <stdlib.h>

#include <rte_common.h>

#include <pubwire/mqtt/topic.h>

#include "access_pvt.h"
#include "world.h"

#define BYTES(...) (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__})
#define RULE(text, verdict_, pattern_)                                                             \
	{                                                                                          \
		.filter = (const uint8_t *)(text), .len = sizeof(text) - 1, .verdict = verdict_,   \
		.pattern = pattern_                                                                \
	}

/* Two users, ann and bob, and rules for them, for nobody and for all. */
static struct pw_access_rule rules[] = {
	RULE("ann/#", PW_ACCESS_ALLOW, false),	    RULE("ann/secret", PW_ACCESS_DENY, false),
	RULE("all/read", PW_ACCESS_NOTHING, false), RULE("open/+", PW_ACCESS_ALLOW, false),
	RULE("by-id/%c/x", PW_ACCESS_ALLOW, true),  RULE("%u/#", PW_ACCESS_ALLOW, true),
	RULE("%c/here", PW_ACCESS_ALLOW, true),	    RULE("+/never", PW_ACCESS_DENY, true),
};
static const struct pw_access_user users[] = {
	{.name = (const uint8_t *)"ann", .len = 3, .rules = {0, 3}},
	{.name = (const uint8_t *)"bob", .len = 3},
};
static uint32_t places[8];
static struct pw_access access = {
	.user = users,
	.nb_users = 2,
	.index = places,
	.mask = 7,
	.rule = rules,
	.of_anonymous = {3, 1},
	.of_all = {4, 4},
};

/* As the loader does it. */
static void
index_users(void)
{
	memset(places, 0, sizeof(places));
	for (uint32_t u = 0; u < RTE_DIM(users); u++) {
		uint32_t at = pw_access_place(users[u].name, users[u].len);

		while (places[at & 7] != 0)
			at++;
		places[at & 7] = u + 1;
	}
}

static int
setup(void **state)
{
	int rc = world_setup(state);

	index_users();
	access.anonymous = false;
	access.passwords = true;
	access.acl = false;
	w.access = &access;
	return rc;
}

struct attempt {
	uint8_t version;
	const char *id, *user;
	const char *password;
	uint32_t password_len; /* where it is not that of the text */
	const char *will;      /* topic */
	uint32_t will_len;     /* payload */
};

static void
attempt(uint32_t i, const struct attempt *a)
{
	static uint8_t out[70000], payload[60000];
	struct pw_mqtt_connect_out c = {
		.version = a->version,
		.clean = true,
		.keepalive = 60,
		.client_id = {a->id, (uint32_t)strlen(a->id)},
		.has_will = a->will != NULL,
	};
	struct pw_mqtt_str user, password;
	int n;

	if (a->user != NULL) {
		user = (struct pw_mqtt_str){a->user, (uint32_t)strlen(a->user)};
		c.username = &user;
	}
	if (a->password != NULL) {
		password.data = a->password;
		password.len =
			a->password_len != 0 ? a->password_len : (uint32_t)strlen(a->password);
		c.password = &password;
	}
	if (a->will != NULL) {
		c.will_topic = (struct pw_mqtt_str){a->will, (uint32_t)strlen(a->will)};
		c.will_payload = (struct pw_mqtt_str){payload, a->will_len};
	}
	n = pw_mqtt_encode_connect(out, sizeof(out), &c);
	assert_true(n > 0);
	device_open(i, 0);
	device_send(i, out, (uint32_t)n);
	world_run(10);
}

/* Code of the CONNACK, -1 where there is none. */
static int
connack_code(uint32_t i)
{
	if (w.device[i].len < 4)
		return -1;
	assert_int_equal(w.device[i].rx[0], 0x20);
	return w.device[i].rx[3];
}

static void
answer(uint32_t n, enum pw_auth_verdict v)
{
	assert_true(n < w.nb_asked);
	world_answer(&w.asked[n], v);
	world_run(5);
}

/* Connect as somebody whose password is right. */
static void
admit(uint32_t i, uint8_t version, const char *id, const char *user)
{
	attempt(i, &(struct attempt){version, id, user, "pw"});
	answer(w.nb_asked - 1, PW_AUTH_GOOD);
	assert_int_equal(connack_code(i), 0);
	device_clear(i);
}

static void
a_device_is_let_in_once_its_password_was_found_right(void **state)
{
	const struct pw_auth_request *r = &w.asked[0];
	struct pw_session_info info;
	uint32_t at = 0;

	(void)state;
	world_start(1, 3, 0);
	attempt(0, &(struct attempt){5, "dev", "bob", "sesame"});
	assert_int_equal(w.nb_asked, 1);
	assert_int_equal(r->user, 1);
	assert_int_equal(r->worker, 0);
	assert_int_equal(r->len, 6);
	assert_memory_equal(r->password, "sesame", 6);
	assert_true(r->deadline > w.now && r->deadline <= w.now + 10000 * MS);
	device_publish(0, 5, 1, 7, "t", "behind");
	world_run(100);
	assert_int_equal(connack_code(0), -1);
	assert_int_equal(w.broker[0].nb, 0);
	answer(0, PW_AUTH_GOOD);
	assert_int_equal(connack_code(0), 0);
	world_run(10);
	assert_int_equal(w.broker[0].nb, 1);
	assert_int_equal(pw_forward_session_list(w.forward[0], &at, &info, 1), 1);
	assert_string_equal(info.user, "bob");
	assert_int_equal(counters()->connects, 1);
	assert_int_equal(counters()->auth_refused, 0);
	ledger();
}

static void
a_wrong_password_is_refused_in_the_words_of_each_version(void **state)
{
	(void)state;
	world_start(1, 3, 0);
	attempt(0, &(struct attempt){5, "dev", "bob", "no"});
	answer(0, PW_AUTH_BAD);
	assert_int_equal(connack_code(0), 0x86);
	attempt(1, &(struct attempt){4, "dev", "bob", "no"});
	answer(1, PW_AUTH_BAD);
	assert_int_equal(connack_code(1), 4);
	world_run(20);
	assert_true(w.device[0].closed && w.device[1].closed);
	assert_int_equal(counters()->auth_refused, 2);
	assert_int_equal(counters()->connects_refused, 2);
	assert_int_equal(counters()->connects, 0);
}

static void
a_name_that_nobody_has_is_asked_for_like_any_other(void **state)
{
	(void)state;
	world_start(1, 3, 0);
	attempt(0, &(struct attempt){5, "dev", "eve", "pw"});
	assert_int_equal(w.nb_asked, 1);
	assert_int_equal(w.asked[0].user, PW_ACCESS_NOBODY);
	assert_int_equal(connack_code(0), -1);
	answer(0, PW_AUTH_BAD);
	assert_int_equal(connack_code(0), 0x86);
}

static void
who_names_no_user_gets_in_only_where_that_is_allowed(void **state)
{
	(void)state;
	world_start(1, 3, 0);
	attempt(0, &(struct attempt){5, "a", NULL, NULL});
	assert_int_equal(connack_code(0), 0x87);
	attempt(1, &(struct attempt){4, "b", NULL, NULL});
	assert_int_equal(connack_code(1), 5);
	access.anonymous = true;
	attempt(2, &(struct attempt){4, "c", NULL, NULL});
	assert_int_equal(connack_code(2), 0);
	/* Who names one has to prove it all the same. */
	attempt(3, &(struct attempt){4, "d", "bob", "pw"});
	assert_int_equal(connack_code(3), -1);
	answer(0, PW_AUTH_BAD);
	assert_int_equal(connack_code(3), 4);
	assert_int_equal(w.nb_asked, 1);
	assert_int_equal(counters()->auth_refused, 3);
}

static void
passwords_that_no_file_can_have_are_wrong_without_asking(void **state)
{
	static char name[300], password[300];

	(void)state;
	world_start(1, 3, 0);
	memset(name, 'n', 256);
	memset(password, 'p', 257);
	attempt(0, &(struct attempt){5, "a", "bob", NULL});
	assert_int_equal(connack_code(0), 0x86);
	attempt(1, &(struct attempt){5, "a", "bob", "pw\0more", .password_len = 7});
	assert_int_equal(connack_code(1), 0x86);
	attempt(2, &(struct attempt){5, "a", "bob", password});
	assert_int_equal(connack_code(2), 0x86);
	attempt(3, &(struct attempt){5, "a", name, "pw"});
	assert_int_equal(connack_code(3), 0x86);
	assert_int_equal(w.nb_asked, 0);
	password[256] = '\0';
	attempt(4, &(struct attempt){5, "a", "bob", password});
	assert_int_equal(w.nb_asked, 1);
	assert_int_equal(w.asked[0].len, 256);
}

static void
nobody_takes_a_session_over_before_the_password_was_found_right(void **state)
{
	(void)state;
	world_start(1, 3, 0);
	admit(0, 5, "dev", "ann");
	attempt(1, &(struct attempt){5, "dev", "ann", "guess"});
	world_run(100);
	assert_false(w.device[0].closed);
	answer(1, PW_AUTH_BAD);
	world_run(100);
	assert_false(w.device[0].closed);
	assert_int_equal(counters()->takeovers, 0);
	device_publish(0, 5, 1, 1, "t", "still here");
	world_run(10);
	assert_int_equal(device_acks(0, 5, NULL, NULL, 4), 1);
	attempt(2, &(struct attempt){5, "dev", "ann", "right"});
	answer(2, PW_AUTH_GOOD);
	world_run(100);
	assert_true(w.device[0].closed);
	assert_int_equal(connack_code(2), 0);
	assert_int_equal(counters()->takeovers, 1);
	ledger();
}

static void
digests_are_equal_where_name_and_password_are(void **state)
{
	static const struct attempt a[] = {{4, "a", "bob", "pw"}, {5, "b", "bob", "pw"},
					   {5, "c", "ann", "pw"}, {5, "d", "bob", "pw2"},
					   {5, "e", "bobp", "w"}, {5, "f", "bo", "bpw"}};

	(void)state;
	world_start(1, 3, 0);
	for (uint32_t i = 0; i < RTE_DIM(a); i++)
		attempt(i, &a[i]);
	assert_int_equal(w.nb_asked, RTE_DIM(a));
	assert_memory_equal(w.asked[0].digest, w.asked[1].digest, 16);
	for (uint32_t i = 2; i < RTE_DIM(a); i++)
		for (uint32_t j = 1; j < i; j++)
			assert_memory_not_equal(w.asked[i].digest, w.asked[j].digest, 16);
}

static void
where_too_many_wait_a_device_is_told_to_come_later(void **state)
{
	(void)state;
	world_start(1, 3, 0);
	w.auth_full = true;
	attempt(0, &(struct attempt){5, "a", "bob", "pw"});
	assert_int_equal(connack_code(0), 0x89);
	attempt(1, &(struct attempt){4, "a", "bob", "pw"});
	assert_int_equal(connack_code(1), 3);
	w.auth_full = false;
	attempt(2, &(struct attempt){5, "a", "bob", "pw"});
	answer(0, PW_AUTH_BUSY);
	assert_int_equal(connack_code(2), 0x89);
	assert_int_equal(counters()->auth_busy, 3);
	assert_int_equal(counters()->auth_refused, 0);
	admit(3, 4, "a", "bob");
}

static void
an_answer_that_does_not_come_ends_the_wait(void **state)
{
	(void)state;
	w.set.limits.connect_deadline = 1000;
	world_start(1, 3, 0);
	attempt(0, &(struct attempt){5, "a", "bob", "pw"});
	attempt(1, &(struct attempt){4, "b", "bob", "pw"});
	world_run(900);
	assert_int_equal(connack_code(0), -1);
	world_run(200);
	assert_int_equal(connack_code(0), 0x88);
	assert_int_equal(connack_code(1), 3);
	assert_int_equal(counters()->auth_busy, 2);
	assert_int_equal(counters()->connect_deadline, 0);
	world_run(100);
	/* It comes late: nobody is let in by it. */
	answer(0, PW_AUTH_GOOD);
	answer(1, PW_AUTH_BAD);
	assert_int_equal(counters()->connects, 0);
	admit(2, 4, "c", "bob");
}

static void
the_wait_has_a_deadline_of_its_own(void **state)
{
	(void)state;
	w.set.limits.connect_deadline = 1000;
	world_start(1, 3, 0);
	device_open(1, 0);
	world_run(800);
	device_send(1, BYTES(0x10, 21, 0, 4, 'M', 'Q', 'T', 'T', 4, 0xC2, 0, 60, 0, 1, 'a', 0, 3,
			     'b', 'o', 'b', 0, 1, 'p'));
	world_run(500);
	assert_int_equal(w.nb_asked, 1);
	assert_int_equal(connack_code(1), -1);
	assert_false(w.device[1].closed);
	answer(0, PW_AUTH_GOOD);
	assert_int_equal(connack_code(1), 0);
}

static void
an_answer_that_comes_while_the_device_is_sent_away_changes_nothing(void **state)
{
	(void)state;
	w.set.limits.connect_deadline = 1000;
	world_start(1, 3, 0);
	attempt(0, &(struct attempt){5, "a", "bob", "pw"});
	w.device[0].deaf = true; /* so it does not close its side */
	world_run(1100);
	assert_int_equal(counters()->auth_busy, 1);
	assert_int_equal(pw_forward_sessions(w.forward[0]), 1);
	answer(0, PW_AUTH_GOOD);
	world_run(8000);
	assert_int_equal(counters()->connects, 0);
	assert_int_equal(counters()->connect_deadline, 0);
	assert_int_equal(pw_forward_sessions(w.forward[0]), 0);
}

static void
a_device_that_leaves_while_it_waits_leaves_nothing(void **state)
{
	(void)state;
	world_start(1, 3, 0);
	attempt(0, &(struct attempt){5, "a", "bob", "pw"});
	device_reset(0);
	world_run(10);
	assert_int_equal(pw_forward_sessions(w.forward[0]), 0);
	answer(0, PW_AUTH_GOOD);
	assert_int_equal(counters()->connects, 0);
	/* One that only closes its side is answered still, like where nobody has to be asked. */
	attempt(1, &(struct attempt){5, "a", "bob", "pw"});
	device_close(1);
	world_run(20);
	assert_int_equal(pw_forward_sessions(w.forward[0]), 1);
	answer(1, PW_AUTH_GOOD);
	assert_int_equal(counters()->connects, 1);
	world_run(100);
	assert_int_equal(pw_forward_sessions(w.forward[0]), 0);
	/* The same where the end came with the CONNECT. */
	device_open(2, 0);
	device_send(2, BYTES(0x10, 21, 0, 4, 'M', 'Q', 'T', 'T', 4, 0xC2, 0, 60, 0, 1, 'a', 0, 3,
			     'b', 'o', 'b', 0, 1, 'p'));
	device_close(2);
	world_run(20);
	answer(2, PW_AUTH_GOOD);
	assert_int_equal(connack_code(2), 0);
	assert_int_equal(counters()->connects, 2);
}

static void
places_of_those_that_left_are_given_back(void **state)
{
	(void)state;
	world_start(1, 3, 0);
	/* More than may wait, one after the other, each gone before its answer. */
	for (uint32_t i = 0; i < PW_AUTH_WAITING + 10; i++) {
		attempt(i % 8, &(struct attempt){5, "a", "bob", "pw"});
		device_reset(i % 8);
		world_run(2);
		answer(0, PW_AUTH_BAD);
		w.nb_asked = 0;
	}
	assert_int_equal(counters()->auth_busy, 0);
	admit(0, 5, "a", "bob");
}

static void
draining_ends_a_device_that_waits(void **state)
{
	(void)state;
	world_start(1, 3, 0);
	attempt(0, &(struct attempt){5, "a", "bob", "pw"});
	pw_forward_drain(w.forward[0], w.now);
	world_run(100);
	assert_true(w.device[0].closed);
	answer(0, PW_AUTH_GOOD);
	assert_true(pw_forward_drained(w.forward[0]));
}

static void
a_connect_that_came_in_parts_waits_whole(void **state)
{
	(void)state;
	world_start(1, 3, 0);
	attempt(0, &(struct attempt){5, "a", "bob", "pw", .will = "w", .will_len = 60000});
	world_run(100);
	assert_int_equal(w.nb_asked, 1);
	answer(0, PW_AUTH_GOOD);
	assert_int_equal(connack_code(0), 0);
	device_reset(0);
	world_run(50);
	assert_int_equal(w.broker[0].nb, 1);
	assert_int_equal(w.broker[0].record[0].len, 60000);
	ledger();
}

static void
a_connect_counts_once_for_the_rate(void **state)
{
	(void)state;
	w.set.listener[0].connect_rate = 1;
	world_start(1, 3, 0);
	admit(0, 5, "a", "bob");
	attempt(1, &(struct attempt){5, "b", "bob", "pw"});
	assert_int_equal(connack_code(1), 0x9F);
	assert_int_equal(w.nb_asked, 1);
}

static bool
may(uint32_t user, const char *client, const char *topic)
{
	struct pw_access_who who = {
		.user = user, .key = 5, .client = pw_hash128(5, client, (uint32_t)strlen(client))};

	return pw_access_may_publish(&access, &who, (const uint8_t *)topic,
				     (uint32_t)strlen(topic));
}

/* As the loader does it. */
static void
mark_rules(void)
{
	for (uint32_t i = 0; i < RTE_DIM(rules); i++)
		rules[i].marks = pw_mqtt_filter_marks(rules[i].filter, rules[i].len);
}

static void
rules_allow_what_none_denies(void **state)
{
	const uint32_t ann = 0, bob = 1, nobody = PW_ACCESS_NOBODY;

	(void)state;
	mark_rules();
	access.acl = true;
	assert_true(may(ann, "id", "ann/x/y"));
	assert_true(may(ann, "id", "ann"));
	assert_false(may(ann, "id", "ann/secret"));
	assert_false(may(ann, "id", "ann/never")); /* a pattern denies it to all */
	assert_false(may(ann, "id", "all/read"));
	assert_false(may(ann, "id", "open/1")); /* for who has no name only */
	assert_true(may(bob, "id", "bob/x"));
	assert_true(may(bob, "id", "bob"));
	assert_false(may(bob, "id", "ann/x"));
	assert_true(may(nobody, "id", "open/1"));
	assert_false(may(nobody, "id", "open/1/2"));
	assert_true(may(nobody, "id", "by-id/id/x"));
	assert_false(may(nobody, "id", "by-id/i/x"));
	assert_false(may(nobody, "id", "by-id/id2/x"));
	assert_false(may(nobody, "id", "by-id/id"));
	assert_false(may(nobody, "id", "by-id/id/x/y"));
	assert_true(may(bob, "id", "id/here"));
	/* What stands for a wildcard does not reach $SYS, and no name holds a slash. */
	assert_false(may(bob, "$SYS", "$SYS/here"));
	assert_false(may(bob, "a/here", "a/here"));
	assert_false(may(bob, "", ""));
	access.acl = false;
	assert_true(may(nobody, "id", "anything"));
}

static void
filters_of_patterns_have_whole_levels_for_names(void **state)
{
	static const struct {
		const char *text;
		bool valid;
	} row[] = {{"a/%c/#", true}, {"%u", true},	{"%c/%u", true},  {"a%c", false},
		   {"%cb/x", false}, {"x/a%ub", false}, {"%", true},	  {"%%", true},
		   {"a/#/b", false}, {"", false},	{"100%/x", true}, {"$share/g/t", false}};

	(void)state;
	for (uint32_t i = 0; i < RTE_DIM(row); i++)
		assert_int_equal(pw_access_filter_valid((const uint8_t *)row[i].text,
							(uint32_t)strlen(row[i].text)),
				 row[i].valid);
}

static void
what_a_user_may_not_publish_is_refused_in_its_turn(void **state)
{
	uint16_t ids[8];
	uint8_t reasons[8];

	(void)state;
	access.acl = true;
	world_start(1, 3, 0);
	admit(0, 5, "dev", "ann");
	w.broker[0].hold = true;
	device_publish(0, 5, 1, 1, "ann/a", "first");
	device_publish(0, 5, 1, 2, "ann/secret", "not for you");
	device_publish(0, 5, 1, 3, "ann/b", "third");
	device_publish(0, 5, 0, 0, "bob/x", "nor this");
	world_run(20);
	assert_int_equal(device_acks(0, 5, NULL, NULL, 8), 0);
	assert_int_equal(world_ack(0, 9), 2);
	world_run(20);
	assert_int_equal(device_acks(0, 5, ids, reasons, 8), 3);
	assert_int_equal(ids[1], 2);
	assert_int_equal(reasons[0], 0);
	assert_int_equal(reasons[1], 0x87);
	assert_int_equal(reasons[2], 0);
	assert_int_equal(w.broker[1].nb, 2);
	assert_int_equal(counters()->dropped_not_authorized, 2);
	assert_int_equal(counters()->dropped_no_route, 0);
	assert_int_equal(counters()->publishes_qos1, 3);
	assert_int_equal(counters()->publishes_qos0, 1);
	assert_int_equal(counters()->accepted, 2);
	ledger();
}

static void
publish_alias(uint16_t id, const char *topic, uint16_t alias)
{
	struct pw_mqtt_prop_out p = {.which = PW_MQTT_PROP_TOPIC_ALIAS, .num = alias};
	struct pw_mqtt_props_out props = {.p = &p, .n = 1};
	uint8_t out[256];
	int n = pw_mqtt_encode_publish(out, sizeof(out), 5, false, 1, false,
				       (struct pw_mqtt_str){topic, (uint32_t)strlen(topic)}, id,
				       &props, 0);

	assert_true(n > 0);
	device_send(0, out, (uint32_t)n);
}

static void
rules_hold_for_the_topic_that_an_alias_stands_for(void **state)
{
	uint8_t reasons[8];

	(void)state;
	access.acl = true;
	world_start(1, 3, 0);
	admit(0, 5, "dev", "ann");
	publish_alias(1, "ann/secret", 1);
	publish_alias(2, "", 1);
	publish_alias(3, "ann/open", 2);
	publish_alias(4, "", 2);
	publish_alias(5, "ann/open", 1);
	publish_alias(6, "", 1);
	world_run(20);
	assert_int_equal(device_acks(0, 5, NULL, reasons, 8), 6);
	assert_memory_equal(reasons, ((const uint8_t[]){0x87, 0x87, 0, 0, 0, 0}), 6);
	assert_int_equal(w.broker[0].nb, 4);
	assert_int_equal(counters()->dropped_not_authorized, 2);
	ledger();
}

static void
a_3_1_1_device_is_acknowledged_what_it_may_not_publish(void **state)
{
	(void)state;
	access.acl = true;
	access.anonymous = true;
	world_start(1, 3, 0);
	attempt(0, &(struct attempt){4, "some-id", NULL, NULL});
	assert_int_equal(connack_code(0), 0);
	device_clear(0);
	device_publish(0, 4, 1, 1, "closed", "no");
	device_publish(0, 4, 1, 2, "open/x", "yes");
	device_publish(0, 4, 1, 3, "by-id/some-id/x", "yes");
	world_run(20);
	assert_int_equal(device_acks(0, 4, NULL, NULL, 8), 3);
	assert_int_equal(w.broker[0].nb, 2);
	assert_int_equal(counters()->dropped_not_authorized, 1);
	ledger();
}

static void
qos_2_that_may_not_be_published_ends_where_each_version_can_say_so(void **state)
{
	uint16_t id = 0;
	uint8_t reason = 0;

	(void)state;
	access.acl = true;
	world_start(1, 3, 0);
	admit(0, 5, "five", "ann");
	admit(1, 4, "four", "ann");
	for (uint32_t i = 0; i < 2; i++) {
		uint8_t version = i == 0 ? 5 : 4;

		device_publish(i, version, 2, 7, "ann/secret", "no");
		world_run(20);
		assert_int_equal(device_answers(i, 0x50, version, &id, &reason, 1), 1);
		assert_int_equal(id, 7);
		assert_int_equal(reason, i == 0 ? 0x87 : 0);
		device_clear(i);
	}
	/* 3.1.1 goes on to its end; with 5.0 that was it, and the identifier is free again. */
	device_send(1, BYTES(0x62, 2, 0, 7));
	device_publish(0, 5, 2, 7, "ann/open", "yes");
	world_run(20);
	assert_int_equal(device_answers(1, 0x70, 4, &id, NULL, 1), 1);
	assert_int_equal(device_answers(0, 0x50, 5, &id, &reason, 1), 1);
	assert_int_equal(reason, 0);
	assert_int_equal(w.broker[0].nb, 1);
	assert_int_equal(counters()->dropped_not_authorized, 2);
	ledger();
}

static void
a_client_identifier_is_compared_whole_however_long(void **state)
{
	static const char id[] = "0123456789012345678901234567890123456789-one";

	(void)state;
	access.acl = true;
	world_start(1, 3, 0);
	admit(0, 5, id, "bob");
	device_publish(0, 5, 1, 1, "by-id/0123456789012345678901234567890123456789-one/x", "mine");
	device_publish(0, 5, 1, 2, "by-id/0123456789012345678901234567890123456789-two/x", "not");
	world_run(20);
	assert_int_equal(w.broker[0].nb, 1);
	assert_int_equal(counters()->dropped_not_authorized, 1);
	ledger();
}

static void
a_will_that_may_not_be_published_is_refused_at_connect(void **state)
{
	(void)state;
	access.acl = true;
	world_start(1, 3, 0);
	attempt(0, &(struct attempt){5, "a", "ann", "pw", .will = "bob/x", .will_len = 1});
	answer(0, PW_AUTH_GOOD);
	assert_int_equal(connack_code(0), 0x87);
	attempt(1, &(struct attempt){4, "a", "ann", "pw", .will = "bob/x", .will_len = 1});
	answer(1, PW_AUTH_GOOD);
	assert_int_equal(connack_code(1), 5);
	world_run(100);
	assert_int_equal(w.broker[0].nb, 0);
	attempt(2, &(struct attempt){4, "a", "ann", "pw", .will = "ann/x", .will_len = 1});
	answer(2, PW_AUTH_GOOD);
	assert_int_equal(connack_code(2), 0);
	device_reset(2);
	world_run(50);
	assert_int_equal(w.broker[0].nb, 1);
	assert_int_equal(counters()->auth_refused, 2);
	ledger();
}

static void
rules_without_passwords_take_everybody_for_nobody(void **state)
{
	(void)state;
	access.passwords = false;
	access.anonymous = true;
	access.acl = true;
	world_start(1, 3, 0);
	attempt(0, &(struct attempt){5, "a", "ann", "whatever"});
	assert_int_equal(connack_code(0), 0);
	assert_int_equal(w.nb_asked, 0);
	device_clear(0);
	device_publish(0, 5, 0, 0, "ann/x", "no");
	device_publish(0, 5, 0, 0, "open/x", "yes");
	world_run(20);
	assert_int_equal(w.broker[0].nb, 1);
	assert_int_equal(counters()->dropped_not_authorized, 1);
	ledger();
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, world_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_device_is_let_in_once_its_password_was_found_right),
		TEST(a_wrong_password_is_refused_in_the_words_of_each_version),
		TEST(a_name_that_nobody_has_is_asked_for_like_any_other),
		TEST(who_names_no_user_gets_in_only_where_that_is_allowed),
		TEST(passwords_that_no_file_can_have_are_wrong_without_asking),
		TEST(nobody_takes_a_session_over_before_the_password_was_found_right),
		TEST(digests_are_equal_where_name_and_password_are),
		TEST(where_too_many_wait_a_device_is_told_to_come_later),
		TEST(an_answer_that_does_not_come_ends_the_wait),
		TEST(the_wait_has_a_deadline_of_its_own),
		TEST(an_answer_that_comes_while_the_device_is_sent_away_changes_nothing),
		TEST(a_device_that_leaves_while_it_waits_leaves_nothing),
		TEST(places_of_those_that_left_are_given_back),
		TEST(draining_ends_a_device_that_waits),
		TEST(a_connect_that_came_in_parts_waits_whole),
		TEST(a_connect_counts_once_for_the_rate),
		TEST(rules_allow_what_none_denies),
		TEST(filters_of_patterns_have_whole_levels_for_names),
		TEST(what_a_user_may_not_publish_is_refused_in_its_turn),
		TEST(rules_hold_for_the_topic_that_an_alias_stands_for),
		TEST(a_3_1_1_device_is_acknowledged_what_it_may_not_publish),
		TEST(qos_2_that_may_not_be_published_ends_where_each_version_can_say_so),
		TEST(a_client_identifier_is_compared_whole_however_long),
		TEST(a_will_that_may_not_be_published_is_refused_at_connect),
		TEST(rules_without_passwords_take_everybody_for_nobody),
	};

	return cmocka_run_group_tests(tests, world_init, world_fini);
}
