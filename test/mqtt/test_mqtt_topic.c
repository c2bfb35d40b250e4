/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include <pubwire/mqtt/topic.h>

#include "support.h"

#define BYTES(s) (const uint8_t *)(s), (uint32_t)strlen(s)

static const struct {
	const char *filter, *topic;
	bool matches;
} pairs[] = {
	{"a", "a", true},
	{"a", "b", false},
	{"a", "aa", false},
	{"aa", "a", false},
	{"a", "A", false},
	{"a/b", "a/b", true},
	{"a/b", "a", false},
	{"a", "a/b", false},
	{"a/b/c", "a/b/d", false},
	{"a/", "a/", true},
	{"a/", "a", false},
	{"a", "a/", false},
	{"/a", "/a", true},
	{"/a", "a", false},
	{"a", "/a", false},
	{"/", "/", true},
	{"//", "//", true},
	{"//", "/", false},
	{"#", "a", true},
	{"#", "a/b/c", true},
	{"#", "/", true},
	{"#", "/a", true},
	{"a/#", "a", true},
	{"a/#", "a/", true},
	{"a/#", "a/b", true},
	{"a/#", "a/b/c", true},
	{"a/#", "b", false},
	{"a/#", "ab", false},
	{"a/#", "ab/c", false},
	{"a/#", "b/a", false},
	{"a/b/#", "a/b", true},
	{"a/b/#", "a", false},
	{"a/b/#", "a/bc", false},
	{"a//#", "a/", true},
	{"a//#", "a//b", true},
	{"a//#", "a", false},
	{"a//#", "a/b", false},
	{"/#", "/", true},
	{"/#", "/a", true},
	{"/#", "a", false},
	{"+", "a", true},
	{"+", "abc", true},
	{"+", "a/b", false},
	{"+", "/", false},
	{"+", "/a", false},
	{"+/+", "/a", true},
	{"+/+", "a/b", true},
	{"+/+", "/", true},
	{"+/+", "a", false},
	{"+/+", "a/b/c", false},
	{"/+", "/a", true},
	{"/+", "/", true},
	{"/+", "a", false},
	{"a/+", "a/b", true},
	{"a/+", "a/", true},
	{"a/+", "a", false},
	{"a/+", "a/b/c", false},
	{"a/+/c", "a/b/c", true},
	{"a/+/c", "a//c", true},
	{"a/+/c", "a/b/d", false},
	{"a/+/c", "a/c", false},
	{"a/+/c", "a/b/b/c", false},
	{"+/b", "a/b", true},
	{"+/b", "/b", true},
	{"+/b", "b", false},
	{"+/#", "a", true},
	{"+/#", "a/b/c", true},
	{"+/#", "/", true},
	{"+/a/#", "x/a", true},
	{"+/a/#", "x/a/y/z", true},
	{"+/a/#", "x/b", false},
	{"sport/tennis/player1/#", "sport/tennis/player1", true},
	{"sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon", true},
	{"sport/tennis/+", "sport/tennis/player1", true},
	{"sport/tennis/+", "sport/tennis/player1/ranking", false},
	{"sport/+", "sport", false},
	{"sport/+", "sport/", true},
	/* [MQTT-4.7.2-1] */
	{"#", "$SYS", false},
	{"#", "$SYS/a", false},
	{"+", "$SYS", false},
	{"+/a", "$SYS/a", false},
	{"+/#", "$SYS/a", false},
	{"$SYS/#", "$SYS", true},
	{"$SYS/#", "$SYS/a/b", true},
	{"$SYS/+", "$SYS/a", true},
	{"$SYS/a/+", "$SYS/a/b", true},
	{"a/+", "a/$b", true},
	{"a/#", "a/$b", true},
	{"#", "a/$SYS", true},
};

static void
a_filter_matches_the_topics_that_the_standard_says(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < RTE_DIM(pairs); i++) {
		if (pw_mqtt_topic_match(BYTES(pairs[i].filter), BYTES(pairs[i].topic)) !=
		    pairs[i].matches)
			fail_msg("%s and %s", pairs[i].filter, pairs[i].topic);
	}
}

static void
an_empty_filter_or_topic_matches_nothing(void **state)
{
	(void)state;
	assert_false(pw_mqtt_topic_match(BYTES(""), BYTES("a")));
	assert_false(pw_mqtt_topic_match(BYTES("#"), BYTES("")));
	assert_false(pw_mqtt_topic_match(BYTES(""), BYTES("")));
}

static void
random_filters_match_as_a_slow_plain_matcher_says(void **state)
{
	static const char letters[] = "ab/+#$";
	uint64_t seed = 77;
	uint32_t matched = 0;
	char f[12], t[12];

	(void)state;
	for (uint32_t i = 0; i < 200000; i++) {
		uint32_t fl = 1 + rnd(&seed, 7), tl = 1 + rnd(&seed, 7);
		bool want;

		for (uint32_t k = 0; k < fl; k++)
			f[k] = letters[rnd(&seed, 6)];
		for (uint32_t k = 0; k < tl; k++)
			t[k] = letters[rnd(&seed, 3)];
		f[fl] = t[tl] = '\0';
		if (rnd(&seed, 8) == 0)
			t[0] = '$';
		if (!pw_mqtt_filter_valid(BYTES(f)))
			continue;
		want = slow_match(f, fl, t, tl);
		if (want && (pw_mqtt_filter_marks(BYTES(f)) & ~pw_mqtt_topic_marks(BYTES(t))) != 0)
			fail_msg("%s and %s: marks", f, t);
		if (pw_mqtt_topic_match(BYTES(f), BYTES(t)) != want)
			fail_msg("%s and %s", f, t);
		matched += want;
	}
	assert_true(matched > 500);
}

static void
filters_have_marks_of_the_levels_that_topics_must_have(void **state)
{
	static const char *const none[] = {"#", "+", "+/+/#", "%c/%u/#"};

	(void)state;
	for (uint32_t i = 0; i < RTE_DIM(none); i++)
		assert_int_equal(pw_mqtt_filter_marks(BYTES(none[i])), 0);
	assert_int_equal(pw_mqtt_filter_marks(BYTES("a/b")), pw_mqtt_topic_marks(BYTES("a/b")));
	assert_int_equal(pw_mqtt_filter_marks(BYTES("a/%c/+/d/#")) |
				 pw_mqtt_filter_marks(BYTES("+/bb/c")),
			 pw_mqtt_topic_marks(BYTES("a/bb/c/d")));
	/* The same levels at other places, and those that differ in one byte. */
	assert_int_not_equal(pw_mqtt_topic_marks(BYTES("a/b")), pw_mqtt_topic_marks(BYTES("b/a")));
	assert_int_not_equal(pw_mqtt_topic_marks(BYTES("a/100")),
			     pw_mqtt_topic_marks(BYTES("a/101")));
	assert_int_not_equal(pw_mqtt_topic_marks(BYTES("a/100")),
			     pw_mqtt_topic_marks(BYTES("a/010")));
}

static const struct {
	const char *filter;
	bool valid;
} filters[] = {
	{"", false},
	{"a", true},
	{"a/b", true},
	{"/", true},
	{"//", true},
	{"#", true},
	{"+", true},
	{"a/#", true},
	{"/#", true},
	{"a/+/b", true},
	{"+/+/#", true},
	{"/+", true},
	{"#/", false},
	{"#/a", false},
	{"a#", false},
	{"##", false},
	{"#+", false},
	{"+#", false},
	{"a/#/b", false},
	{"a/b#", false},
	{"++", false},
	{"a+", false},
	{"+a", false},
	{"a/+b", false},
	{"a/b+/c", false},
	{"a/++/c", false},
	{"$SYS/#", true},
	{"$", true},
	{"$share", true},
	{"$share/", false},
	{"$share/g", false},
	{"$share/g/", false},
	{"$share//a", false},
	{"$share/g/a", true},
	{"$share/g/#", true},
	{"$share/g/+", true},
	{"$share/g/+/b/#", true},
	{"$share/g//", true},
	{"$share/g/a#", false},
	{"$share/g/#/a", false},
	{"$share/+/a", false},
	{"$share/#/a", false},
	{"$share/g+/a", false},
	{"$share/$share/a", true},
	{"$share/g/$share/h", true},
	{"$shar/", true},
	{"$shared", true},
	{"$shareg/a", true},
	{"$$share/", true},
	{"a/$share/", true},
	{"$share#", false},
	{"$share+", false},
	{"$Share/", true},
	{"$#", false},
};

static void
a_filter_is_valid_where_its_wildcards_stand_right(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < RTE_DIM(filters); i++) {
		if (pw_mqtt_filter_valid(BYTES(filters[i].filter)) != filters[i].valid)
			fail_msg("%s", filters[i].filter);
	}
	assert_false(pw_mqtt_filter_valid((const uint8_t *)"a\0b", 3));
}

static void
names_and_filters_have_at_most_65535_bytes(void **state)
{
	static uint8_t text[65536];

	(void)state;
	memset(text, 'a', sizeof(text));
	assert_true(pw_mqtt_topic_valid(text, 65535));
	assert_false(pw_mqtt_topic_valid(text, 65536));
	assert_true(pw_mqtt_filter_valid(text, 65535));
	assert_false(pw_mqtt_filter_valid(text, 65536));
}

static void
a_topic_name_has_no_wildcard_and_no_null(void **state)
{
	(void)state;
	assert_true(pw_mqtt_topic_valid(BYTES("a/b")));
	assert_true(pw_mqtt_topic_valid(BYTES("/")));
	assert_true(pw_mqtt_topic_valid(BYTES("$SYS/x")));
	assert_false(pw_mqtt_topic_valid(BYTES("")));
	assert_false(pw_mqtt_topic_valid(BYTES("a/+")));
	assert_false(pw_mqtt_topic_valid(BYTES("a#b")));
	assert_false(pw_mqtt_topic_valid((const uint8_t *)"a\0b", 3));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_filter_matches_the_topics_that_the_standard_says),
		cmocka_unit_test(an_empty_filter_or_topic_matches_nothing),
		cmocka_unit_test(random_filters_match_as_a_slow_plain_matcher_says),
		cmocka_unit_test(filters_have_marks_of_the_levels_that_topics_must_have),
		cmocka_unit_test(a_filter_is_valid_where_its_wildcards_stand_right),
		cmocka_unit_test(names_and_filters_have_at_most_65535_bytes),
		cmocka_unit_test(a_topic_name_has_no_wildcard_and_no_null),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
