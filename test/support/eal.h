/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TEST_SUPPORT_EAL_H
#define TEST_SUPPORT_EAL_H

/** Start EAL for a unit test: one lcore, no hugepages, no PCI, nothing shared. Exits on failure. */
void test_eal_init(void);

/** The same with lcores 0-1 where the machine has them (returns how many) and extra arguments. */
unsigned int test_eal_init_with(const char *lcores, unsigned int mb, const char *const *extra,
				unsigned int n);

#endif
