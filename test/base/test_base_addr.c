/* SPDX-License-Identifier: BSD-3-Clause */
/* Addresses of both families as text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pubwire/base/addr.h>

static void
test_text_of_an_address_reads_back_the_same(void **state)
{
	static const char *const text[] = {
		"10.77.0.1", "255.255.255.255",	     "0.0.0.0",	       "::", "::1",
		"fd77::1",   "2001:db8:1:2:3:4:5:6", "fe80::ff:fe00:1"};
	char buf[PW_ADDR_STRLEN];
	struct pw_addr a;

	(void)state;
	for (uint32_t i = 0; i < sizeof(text) / sizeof(text[0]); i++) {
		assert_int_equal(pw_addr_parse(&a, text[i]), 0);
		assert_string_equal(pw_addr_str(&a, buf), text[i]);
		assert_int_equal(pw_addr_is_v4(&a), i < 3);
	}
}

static void
test_text_with_a_port_is_unambiguous(void **state)
{
	char buf[PW_ADDR_PORT_STRLEN];
	struct pw_addr a;

	(void)state;
	assert_int_equal(pw_addr_parse(&a, "10.77.0.1"), 0);
	assert_string_equal(pw_addr_port_str(&a, 1883, buf), "10.77.0.1:1883");
	assert_int_equal(pw_addr_parse(&a, "fd77::1"), 0);
	assert_string_equal(pw_addr_port_str(&a, 65535, buf), "[fd77::1]:65535");
	assert_int_equal(pw_addr_parse(&a, "2001:db80:1111:2222:3333:4444:5555:6666"), 0);
	assert_string_equal(pw_addr_port_str(&a, 65535, buf),
			    "[2001:db80:1111:2222:3333:4444:5555:6666]:65535");
}

static void
test_text_that_is_no_address_is_refused(void **state)
{
	static const char *const text[] = {"",		 "10.77.0",   "10.77.0.256",  "fd77",
					   "fd77::1::2", "[fd77::1]", "fd77::1%eth0", "fd77::1/64"};
	struct pw_addr a;

	(void)state;
	for (uint32_t i = 0; i < sizeof(text) / sizeof(text[0]); i++)
		assert_true(pw_addr_parse(&a, text[i]) < 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text_of_an_address_reads_back_the_same),
		cmocka_unit_test(test_text_with_a_port_is_unambiguous),
		cmocka_unit_test(test_text_that_is_no_address_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
