/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>
#include <rte_eal.h>
#include <rte_malloc.h>

#include "eal.h"

/* A test that is killed has no end in which to remove it. */
static void
test_running_eal_has_no_directory_to_leave_behind(void **state)
{
	void *p = rte_malloc("test", 64, 0);

	(void)state;
	assert_non_null(p);
	rte_free(p);
	assert_int_equal(access(rte_eal_get_runtime_dir(), F_OK), -1);
	assert_int_equal(errno, ENOENT);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_running_eal_has_no_directory_to_leave_behind),
	};

	test_eal_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
