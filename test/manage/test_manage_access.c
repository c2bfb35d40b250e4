/* SPDX-License-Identifier: BSD-3-Clause */
/* The password and ACL files: refusals by line and column, what the tables hold, verification. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <pubwire/manage/access.h>
#include <pubwire/mqtt/topic.h>

#define DATA   TEST_DATA_DIR "/access/"
#define DIM(a) (sizeof(a) / sizeof((a)[0]))

static struct pw_access_files files;
static struct pw_authenticator auth;
static char err[1024];

static int
load(const char *passwords, const char *acl, bool anonymous)
{
	struct pw_access_conf conf = {.allow_anonymous = anonymous};

	if (passwords != NULL)
		snprintf(conf.password_file, sizeof(conf.password_file), "%s", passwords);
	if (acl != NULL)
		snprintf(conf.acl_file, sizeof(conf.acl_file), "%s", acl);
	err[0] = '\0';
	return pw_access_load(&files, &conf, err, sizeof(err));
}

static int
unload(void **state)
{
	(void)state;
	pw_access_unload(&files);
	return 0;
}

/* The first line of a refused file says what is expected of the refusal, but for the file's name.
 */
static void
refusal_is_the_expected_line(void **state)
{
	const char *path = *state;
	const char *acl = strstr(path, ".acl") != NULL ? path : NULL;
	char line[1024], expected[2048];
	FILE *f = fopen(path, "r");

	assert_non_null(f);
	assert_non_null(fgets(line, sizeof(line), f));
	fclose(f);
	line[strcspn(line, "\n")] = '\0';
	assert_int_equal(strncmp(line, "# expect: ", 10), 0);
	snprintf(expected, sizeof(expected), "%s:%s", path, line + 10);
	assert_int_equal(load(acl != NULL ? DATA "accept.passwd" : path, acl, false), -EINVAL);
	assert_string_equal(err, expected);
	assert_null(files.tables);
	assert_null(files.text[0]);
}

static uint32_t
user(const char *name)
{
	return pw_access_find(&files.access, (const uint8_t *)name, (uint32_t)strlen(name));
}

static void
users_are_found_by_name(void **state)
{
	(void)state;
	assert_int_equal(load(DATA "accept.passwd", NULL, false), 0);
	assert_true(files.access.passwords);
	assert_false(files.access.acl);
	assert_false(files.access.anonymous);
	assert_int_equal(files.access.nb_users, 4);
	assert_int_equal(user("ann"), 0);
	assert_int_equal(user("bob"), 1);
	assert_int_equal(user("machine 7"), 2);
	assert_int_equal(user("y"), 3);
	assert_int_equal(user("an"), PW_ACCESS_NOBODY);
	assert_int_equal(user("annn"), PW_ACCESS_NOBODY);
	assert_int_equal(user(""), PW_ACCESS_NOBODY);
	/* Blanks and ends of lines are no part of a hash. */
	assert_int_equal(strlen(files.access.user[1].hash), 110);
	assert_int_equal(strlen(files.access.user[2].hash), 60);
}

static void
many_users_are_all_found(void **state)
{
	static const char hash[] =
		"$5$rounds=1000$saltsalt$30.yc4HsSpLTxr3NqKw4EhPINDzNTqzxg9qelAitDW2";
	char path[] = "/tmp/pubwire-passwd-XXXXXX", name[32];
	int fd = mkstemp(path);
	FILE *f = fdopen(fd, "w");

	(void)state;
	assert_non_null(f);
	for (uint32_t i = 0; i < 5000; i++)
		fprintf(f, "user-%u:%s\n", i, hash);
	fclose(f);
	assert_int_equal(load(path, NULL, true), 0);
	unlink(path);
	assert_int_equal(files.access.nb_users, 5000);
	for (uint32_t i = 0; i < 5000; i++) {
		snprintf(name, sizeof(name), "user-%u", i);
		assert_int_equal(user(name), i);
	}
	assert_int_equal(user("user-5000"), PW_ACCESS_NOBODY);
}

static void
rule_is(uint32_t at, const char *filter, enum pw_access_verdict verdict, bool pattern)
{
	const struct pw_access_rule *r = &files.access.rule[at];

	assert_int_equal(r->len, strlen(filter));
	assert_memory_equal(r->filter, filter, r->len);
	assert_int_equal(r->verdict, verdict);
	assert_int_equal(r->pattern, pattern);
	assert_int_equal(r->marks, pw_mqtt_filter_marks(r->filter, r->len));
}

static void
rules_lie_together_by_whose_they_are(void **state)
{
	const struct pw_access *a = &files.access;
	uint32_t at;

	(void)state;
	assert_int_equal(load(DATA "accept.passwd", DATA "accept.acl", true), 0);
	assert_true(a->acl && a->anonymous);
	assert_int_equal(a->of_anonymous.n, 2);
	rule_is(a->of_anonymous.first, "open/#", PW_ACCESS_ALLOW, false);
	rule_is(a->of_anonymous.first + 1, "open/closed", PW_ACCESS_DENY, false);
	assert_int_equal(a->of_all.n, 1);
	rule_is(a->of_all.first, "by/%u/%c/#", PW_ACCESS_ALLOW, true);
	at = a->user[0].rules.first;
	assert_int_equal(a->user[0].rules.n, 4);
	rule_is(at, "a b/c", PW_ACCESS_ALLOW, false);
	rule_is(at + 1, "ann/+", PW_ACCESS_ALLOW, false);
	rule_is(at + 2, "everything", PW_ACCESS_NOTHING, false);
	rule_is(at + 3, "ann/no", PW_ACCESS_DENY, false);
	assert_int_equal(a->user[1].rules.n, 1);
	rule_is(a->user[1].rules.first, "write", PW_ACCESS_ALLOW, false);
	assert_int_equal(a->user[2].rules.n, 0);
}

static void
names_in_rules_need_a_password_file(void **state)
{
	char path[] = "/tmp/pubwire-acl-XXXXXX";
	int fd = mkstemp(path);

	(void)state;
	assert_int_equal(write(fd, "user a\n", 7), 7);
	assert_int_equal(load(NULL, path, true), -EINVAL);
	assert_non_null(strstr(err, ":1:6: without a password_file nobody proves a name"));
	assert_int_equal(pwrite(fd, "pattern %u/#\n", 13, 0), 13);
	assert_int_equal(load(NULL, path, true), -EINVAL);
	assert_non_null(strstr(err, ":1:9: %u without a password_file"));
	assert_int_equal(pwrite(fd, "pattern %c/#\n", 13, 0), 13);
	assert_int_equal(load(NULL, path, true), 0);
	close(fd);
	unlink(path);
	assert_int_equal(files.access.of_all.n, 1);
}

static void
files_that_cannot_be_read_are_named(void **state)
{
	(void)state;
	assert_int_equal(load(DATA "nosuch", NULL, false), -ENOENT);
	assert_non_null(strstr(err, "nosuch: No such file or directory; expected a file"));
	assert_int_equal(load(DATA "accept.passwd", DATA "nosuch", false), -ENOENT);
	assert_non_null(strstr(err, "nosuch: No such file or directory; expected a file"));
	assert_int_equal(load(TEST_DATA_DIR, NULL, false), -ENOTSUP);
	assert_int_equal(load("/dev/null", NULL, false), -ENOTSUP);
}

static void
an_empty_password_file_is_refused_an_empty_acl_allows_nothing(void **state)
{
	char path[] = "/tmp/pubwire-empty-XXXXXX";
	int fd = mkstemp(path);

	(void)state;
	assert_int_equal(load(path, NULL, false), -EINVAL);
	assert_non_null(strstr(err, "no line; expected NAME:HASH in each"));
	assert_int_equal(load(NULL, path, true), 0);
	assert_true(files.access.acl);
	assert_int_equal(files.access.of_all.n + files.access.of_anonymous.n, 0);
	close(fd);
	unlink(path);
}

static void
files_that_differ_have_other_digests(void **state)
{
	uint64_t with, without;

	(void)state;
	assert_int_equal(load(DATA "accept.passwd", DATA "accept.acl", true), 0);
	with = files.digest;
	pw_access_unload(&files);
	assert_int_equal(load(DATA "accept.passwd", NULL, true), 0);
	without = files.digest;
	assert_true(with != without);
	pw_access_unload(&files);
	assert_int_equal(load(DATA "accept.passwd", DATA "accept.acl", true), 0);
	assert_true(files.digest == with);
}

/* Cut off anywhere, or with any byte changed, a file is taken or refused in a line of its own. */
static void
answered(const char *path, const char *text, size_t len, bool acl)
{
	FILE *f = fopen(path, "w");
	int rc;

	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, len, f), len);
	fclose(f);
	rc = load(acl ? DATA "accept.passwd" : path, acl ? path : NULL, true);
	if (rc == 0) {
		for (uint32_t i = 0; i < files.access.nb_users; i++)
			assert_int_equal(pw_access_find(&files.access, files.access.user[i].name,
							files.access.user[i].len),
					 i);
	} else {
		assert_int_equal(rc, -EINVAL);
		assert_int_equal(strncmp(err, path, strlen(path)), 0);
		assert_null(strchr(err, '\n'));
	}
	pw_access_unload(&files);
}

static void
every_spoiled_file_is_answered(void **state)
{
	static const char *const good[] = {DATA "accept.passwd", DATA "accept.acl"};
	static const char bytes[] = {0, '\n', ':', '$', ' ', '#', '/', '%', (char)0xff};
	char path[] = "/tmp/pubwire-spoiled-XXXXXX";
	static char text[4096], copy[4096];

	(void)state;
	close(mkstemp(path));
	for (uint32_t g = 0; g < DIM(good); g++) {
		FILE *f = fopen(good[g], "r");
		size_t len;

		assert_non_null(f);
		len = fread(text, 1, sizeof(text), f);
		fclose(f);
		assert_true(len > 100 && len < sizeof(text));
		for (size_t n = 0; n < len; n++) {
			answered(path, text, n, g == 1);
			memcpy(copy, text, len);
			copy[n] = bytes[n % DIM(bytes)];
			answered(path, copy, len, g == 1);
		}
	}
	unlink(path);
}

/* A request; equal digests stand for equal names and passwords. */
static struct pw_auth_request
request(const char *name, const char *password)
{
	struct pw_auth_request r = {.session = 7, .deadline = 100, .user = user(name), .worker = 3};
	uint64_t h = 5381;

	for (const char *p = name; *p != '\0'; p++)
		h = h * 33 + (uint8_t)*p;
	for (const char *p = password; *p != '\0'; p++)
		h = h * 31 + (uint8_t)*p;
	r.digest[0] = h;
	r.digest[1] = ~h;
	r.len = (uint16_t)strlen(password);
	memcpy(r.password, password, r.len);
	return r;
}

static void
begin(void)
{
	assert_int_equal(load(DATA "accept.passwd", NULL, false), 0);
	memset(&auth, 0, sizeof(auth));
	pw_auth_init(&auth, &files);
}

/* Ask, and answer from the queue where the answer is not known. */
static enum pw_auth_verdict
verdict_of(const char *name, const char *password)
{
	struct pw_auth_request r = request(name, password), out;
	enum pw_auth_verdict v;

	if (pw_auth_take(&auth, &r, &v))
		return v;
	assert_true(pw_auth_step(&auth, 1, &out, &v));
	assert_int_equal(out.worker, 3);
	assert_int_equal(out.session, 7);
	return v;
}

static void
every_method_verifies_its_password_and_no_other(void **state)
{
	static const char *const names[] = {"ann", "bob", "machine 7", "y"};

	(void)state;
	begin();
	for (uint32_t i = 0; i < DIM(names); i++) {
		assert_int_equal(verdict_of(names[i], "sesam"), PW_AUTH_BAD);
		assert_int_equal(verdict_of(names[i], "sesame!"), PW_AUTH_BAD);
		assert_int_equal(verdict_of(names[i], ""), PW_AUTH_BAD);
		assert_int_equal(verdict_of(names[i], "sesame"), PW_AUTH_GOOD);
	}
	assert_int_equal(auth.counters.verified, 4 * DIM(names));
}

static void
what_was_found_is_remembered(void **state)
{
	(void)state;
	begin();
	assert_int_equal(verdict_of("ann", "sesame"), PW_AUTH_GOOD);
	assert_int_equal(verdict_of("ann", "wrong"), PW_AUTH_BAD);
	assert_int_equal(auth.counters.verified, 2);
	for (uint32_t i = 0; i < 10; i++) {
		assert_int_equal(verdict_of("ann", "sesame"), PW_AUTH_GOOD);
		assert_int_equal(verdict_of("ann", "wrong"), PW_AUTH_BAD);
	}
	assert_int_equal(auth.counters.verified, 2);
	/* It is her password, not his. */
	assert_int_equal(verdict_of("bob", "wrong"), PW_AUTH_BAD);
	assert_int_equal(auth.counters.verified, 3);
}

static void
a_name_that_nobody_has_takes_the_time_and_is_wrong(void **state)
{
	(void)state;
	begin();
	/* The right password of the user whose hash takes the time. */
	assert_int_equal(verdict_of("nobody", "sesame"), PW_AUTH_BAD);
	assert_int_equal(auth.counters.verified, 1);
	assert_int_equal(verdict_of("nobody", "sesame"), PW_AUTH_BAD);
	assert_int_equal(auth.counters.verified, 1);
}

static void
a_full_queue_answers_at_once_and_lets_the_known_through(void **state)
{
	struct pw_auth_request r, out;
	enum pw_auth_verdict v;
	char text[16];

	(void)state;
	begin();
	assert_int_equal(verdict_of("ann", "sesame"), PW_AUTH_GOOD);
	for (uint32_t i = 0; i < PW_AUTH_QUEUE; i++) {
		snprintf(text, sizeof(text), "guess %u", i);
		r = request("ann", text);
		assert_false(pw_auth_take(&auth, &r, &v));
	}
	r = request("ann", "one more");
	assert_true(pw_auth_take(&auth, &r, &v));
	assert_int_equal(v, PW_AUTH_BUSY);
	assert_int_equal(auth.counters.full, 1);
	assert_int_equal(verdict_of("ann", "sesame"), PW_AUTH_GOOD);
	assert_int_equal(auth.counters.verified, 1);
	/* In their order; who does not wait any more costs nothing. */
	assert_true(pw_auth_step(&auth, 1, &out, &v));
	assert_int_equal(out.len, 7);
	assert_int_equal(v, PW_AUTH_BAD);
	for (uint32_t i = 1; i < PW_AUTH_QUEUE; i++) {
		assert_true(pw_auth_step(&auth, 100, &out, &v));
		assert_int_equal(v, PW_AUTH_BUSY);
	}
	assert_false(pw_auth_step(&auth, 100, &out, &v));
	assert_int_equal(auth.counters.verified, 2);
	assert_int_equal(auth.counters.late, PW_AUTH_QUEUE - 1);
	assert_int_equal(auth.counters.wrong, 1);
	assert_int_equal(auth.counters.remembered, 1);
}

static void
the_same_question_in_the_queue_is_answered_by_the_first(void **state)
{
	struct pw_auth_request r, out;
	enum pw_auth_verdict v;

	(void)state;
	begin();
	r = request("bob", "sesame");
	assert_false(pw_auth_take(&auth, &r, &v));
	assert_false(pw_auth_take(&auth, &r, &v));
	assert_true(pw_auth_step(&auth, 1, &out, &v));
	assert_int_equal(v, PW_AUTH_GOOD);
	assert_true(pw_auth_step(&auth, 1, &out, &v));
	assert_int_equal(v, PW_AUTH_GOOD);
	assert_int_equal(auth.counters.verified, 1);
}

/* The password file, by lines of the accepted one: with another order, and another hash for bob. */
static void
load_next(struct pw_access_files *next)
{
	struct pw_access_conf conf = {0};
	const struct pw_access_user *u = files.access.user;
	char path[] = "/tmp/pubwire-next-XXXXXX";
	FILE *f = fdopen(mkstemp(path), "w");

	assert_non_null(f);
	fprintf(f, "new:%s\nbob:%s\nmachine 7:%s\nann:%s\n", u[0].hash, u[0].hash, u[2].hash,
		u[0].hash);
	fclose(f);
	snprintf(conf.password_file, sizeof(conf.password_file), "%s", path);
	assert_int_equal(pw_access_load(next, &conf, err, sizeof(err)), 0);
	unlink(path);
	assert_int_equal(pw_access_follow(next, &files), 0);
}

static void
users_are_followed_by_name_and_hash_into_the_next_file(void **state)
{
	static struct pw_access_files next;
	struct pw_auth_request waits, out;
	enum pw_auth_verdict v;

	(void)state;
	begin();
	assert_int_equal(verdict_of("ann", "sesame"), PW_AUTH_GOOD);
	assert_int_equal(verdict_of("nobody", "sesame"), PW_AUTH_BAD);
	assert_int_equal(auth.counters.verified, 2);
	/* By the number that bob has before; it is answered after. */
	waits = request("bob", "sesame");
	assert_false(pw_auth_take(&auth, &waits, &v));
	load_next(&next);
	assert_int_equal(next.nb_before, 4);
	assert_int_equal(next.same[0], 3);
	assert_int_equal(next.named[0], 3);
	assert_int_equal(next.same[1], PW_ACCESS_NOBODY);
	assert_int_equal(next.named[1], 1);
	assert_int_equal(next.same[2], 2);
	assert_int_equal(next.named[3], PW_ACCESS_NOBODY);
	pw_auth_switch(&auth, &next, 1);
	assert_true(pw_auth_step(&auth, 1, &out, &v));
	assert_int_equal(out.user, 1);
	assert_int_equal(v, PW_AUTH_GOOD); /* the new hash is that of the same password */
	assert_int_equal(auth.counters.verified, 3);
	/* Asked by a worker that has not gone over, and by one that has: what is known is known. */
	waits = request("ann", "sesame");
	assert_true(pw_auth_take(&auth, &waits, &v));
	assert_int_equal(v, PW_AUTH_GOOD);
	waits = request("ann", "sesame");
	waits.edition = 1;
	waits.user = 3;
	assert_true(pw_auth_take(&auth, &waits, &v));
	assert_int_equal(v, PW_AUTH_GOOD);
	/* Who has gone is nobody; what was wrong may be right now. */
	waits = request("y", "sesame");
	assert_false(pw_auth_take(&auth, &waits, &v));
	assert_true(pw_auth_step(&auth, 1, &out, &v));
	assert_int_equal(v, PW_AUTH_BAD);
	waits = request("nobody", "sesame");
	waits.edition = 1;
	assert_false(pw_auth_take(&auth, &waits, &v));
	pw_access_unload(&next);
}

#define TEST(f) cmocka_unit_test_teardown(f, unload)

static const struct CMUnitTest fixed[] = {
	TEST(users_are_found_by_name),
	TEST(many_users_are_all_found),
	TEST(rules_lie_together_by_whose_they_are),
	TEST(names_in_rules_need_a_password_file),
	TEST(files_that_cannot_be_read_are_named),
	TEST(an_empty_password_file_is_refused_an_empty_acl_allows_nothing),
	TEST(files_that_differ_have_other_digests),
	TEST(every_spoiled_file_is_answered),
	TEST(every_method_verifies_its_password_and_no_other),
	TEST(what_was_found_is_remembered),
	TEST(a_name_that_nobody_has_takes_the_time_and_is_wrong),
	TEST(a_full_queue_answers_at_once_and_lets_the_known_through),
	TEST(users_are_followed_by_name_and_hash_into_the_next_file),
	TEST(the_same_question_in_the_queue_is_answered_by_the_first),
};

int
main(void)
{
	struct CMUnitTest tests[DIM(fixed) + 64] = {0};
	glob_t g;
	int rc;

	if (glob(DATA "refuse-*", 0, NULL, &g) != 0 || g.gl_pathc < 15 || g.gl_pathc > 64) {
		fprintf(stderr, "no refusals in " DATA "\n");
		return 1;
	}
	memcpy(tests, fixed, sizeof(fixed));
	for (size_t i = 0; i < g.gl_pathc; i++)
		tests[DIM(fixed) + i] = (struct CMUnitTest){
			.name = strrchr(g.gl_pathv[i], '/') + 1,
			.test_func = refusal_is_the_expected_line,
			.initial_state = g.gl_pathv[i],
		};
	rc = _cmocka_run_group_tests("manage access", tests, DIM(fixed) + g.gl_pathc, NULL, NULL);
	globfree(&g);
	return rc;
}
