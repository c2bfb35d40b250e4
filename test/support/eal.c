/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_lcore.h>

#include "eal.h"

#define MAX_ARGS 32

static void
leave(void)
{
	(void)rte_eal_cleanup();
}

unsigned int
test_eal_init_with(const char *lcores, unsigned int mb, const char *const *extra, unsigned int n)
{
	char memory[16], prefix[40];
	/* A mapping of lcores to CPUs ("0@0,1@0") has an option of its own. */
	char *argv[MAX_ARGS] = {
		"test",		  strchr(lcores, '@') != NULL ? "--lcores" : "-l",
		(char *)lcores,	  "-m",
		memory,		  "--no-huge",
		"--no-pci",	  "--no-shconf",
		"--no-telemetry", "--log-level",
		"lib.eal:error",  "--file-prefix",
		prefix,
	};
	int rc, argc = 0;

	snprintf(memory, sizeof(memory), "%u", mb);
	snprintf(prefix, sizeof(prefix), "pwtest%d", (int)getpid());
	while (argv[argc] != NULL)
		argc++;
	for (unsigned int i = 0; i < n && argc < MAX_ARGS - 1; i++)
		argv[argc++] = (char *)extra[i];
	rc = rte_eal_init(argc, argv);
	/* EAL would leave its directory behind, and one that is killed could not remove it. Nothing
	 * is in it where nothing is shared.
	 */
	(void)rmdir(rte_eal_get_runtime_dir());
	if (rc < 0) {
		fprintf(stderr, "EAL does not start\n");
		exit(1);
	}
	(void)atexit(leave);
	return rte_lcore_count();
}

void
test_eal_init(void)
{
	(void)test_eal_init_with("0", 256, NULL, 0);
}
