/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TEST_SUPPORT_EAL_H
#define TEST_SUPPORT_EAL_H

/** Start EAL for a unit test: one lcore, no hugepages, no PCI, nothing shared. Exits on failure. */
void test_eal_init(void);

/**
 * The same with these lcores ("0-1", or with a mapping to CPUs, "0@0,1@0"; returns how many there
 * are), mb of memory and n extra arguments.
 */
unsigned int test_eal_init_with(const char *lcores, unsigned int mb, const char *const *extra,
				unsigned int n);

#endif
