/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "text_pvt.h"

static char room[64];

static struct text
fresh(size_t len)
{
	struct text t = {.buf = room, .room = len};

	memset(room, '#', sizeof(room));
	text_reset(&t);
	return t;
}

#define assert_text(t, want)                                                                       \
	do {                                                                                       \
		assert_int_equal((t).at, strlen(want));                                            \
		assert_memory_equal((t).buf, want, (t).at);                                        \
	} while (0)

static void
numbers_have_all_their_digits(void **state)
{
	struct text t = fresh(sizeof(room));

	(void)state;
	text_u64(&t, 0);
	text_put(&t, " ");
	text_u64(&t, UINT64_MAX);
	text_put(&t, " ");
	text_u64(&t, 1000);
	assert_text(t, "0 18446744073709551615 1000");
}

static void
seconds_keep_their_nanoseconds(void **state)
{
	struct text t = fresh(sizeof(room));

	(void)state;
	text_seconds(&t, 1);
	text_put(&t, " ");
	text_seconds(&t, 12050000000);
	assert_text(t, "0.000000001 12.050000000");
}

static void
what_a_peer_chose_ends_no_string(void **state)
{
	struct text t = fresh(sizeof(room));

	(void)state;
	text_json(&t, "a\"b\\c\n\x7f\xc3\xa9 <b>");
	assert_text(t, "\"a\\\"b\\\\c???? <b>\"");
}

static void
text_that_finds_no_room_is_left_out_and_told(void **state)
{
	struct text t = fresh(5);

	(void)state;
	text_put(&t, "12345");
	assert_false(t.cut);
	text_put(&t, "");
	assert_false(t.cut);
	text_u64(&t, 6);
	assert_true(t.cut);
	text_put(&t, "");
	assert_text(t, "12345");
	assert_int_equal(room[5], '#');
	/* What comes behind a hole is left out too: a page is whole or it is refused. */
	text_reset(&t);
	text_put(&t, "123456");
	text_put(&t, "1");
	assert_true(t.cut);
	assert_text(t, "");
	text_reset(&t);
	text_put(&t, "1");
	assert_false(t.cut);
	assert_text(t, "1");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_have_all_their_digits),
		cmocka_unit_test(seconds_keep_their_nanoseconds),
		cmocka_unit_test(what_a_peer_chose_ends_no_string),
		cmocka_unit_test(text_that_finds_no_room_is_left_out_and_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
