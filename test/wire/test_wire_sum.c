/* SPDX-License-Identifier: BSD-3-Clause */
/* The checksum against the plain loop of RFC 1071 4.1: any length, any place, any contents. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include <rte_byteorder.h>

#include "sum_pvt.h"

#define BYTES 9000

static uint8_t bytes[BYTES + 8];

/* In the order of the packet, 16 bits at a time. */
static uint16_t
plain(const uint8_t *p, uint32_t n)
{
	uint32_t sum = 0;

	for (uint32_t i = 0; i < n; i++) {
		sum += i % 2 == 0 ? (uint32_t)p[i] << 8 : p[i];
		sum = (sum & 0xffff) + (sum >> 16);
	}
	return (uint16_t)sum;
}

static void
assert_sums_agree(void)
{
	for (uint32_t n = 0; n < 200; n++) {
		for (uint32_t at = 0; at < 8; at++)
			assert_int_equal(rte_be_to_cpu_16(pw_sum(bytes + at, n)),
					 plain(bytes + at, n));
	}
	for (uint32_t n = BYTES - 20; n <= BYTES; n++)
		assert_int_equal(rte_be_to_cpu_16(pw_sum(bytes, n)), plain(bytes, n));
}

static void
sum_of_any_bytes_is_that_of_the_plain_loop(void **state)
{
	(void)state;
	srandom(1071);
	for (uint32_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)random();
	assert_sums_agree();
}

static void
sum_loses_no_carry(void **state)
{
	(void)state;
	memset(bytes, 0xff, sizeof(bytes));
	assert_sums_agree();
	memset(bytes, 0, sizeof(bytes));
	assert_sums_agree();
	for (uint32_t i = 0; i < sizeof(bytes); i += 3)
		bytes[i] = 0xff;
	assert_sums_agree();
}

static void
pseudo_header_sum_is_that_of_its_bytes(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 1000; i++) {
		uint8_t phdr[12];
		uint32_t src, dst;

		for (uint32_t k = 0; k < sizeof(phdr); k++)
			phdr[k] = (uint8_t)(i == 0 ? 0xff : random());
		phdr[8] = 0;
		memcpy(&src, phdr, 4);
		memcpy(&dst, phdr + 4, 4);
		assert_int_equal(rte_be_to_cpu_16(wire_sum_phdr4(
					 src, dst, phdr[9], (uint16_t)(phdr[10] << 8 | phdr[11]))),
				 plain(phdr, sizeof(phdr)));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sum_of_any_bytes_is_that_of_the_plain_loop),
		cmocka_unit_test(sum_loses_no_carry),
		cmocka_unit_test(pseudo_header_sum_is_that_of_its_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
