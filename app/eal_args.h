/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PUBWIRE_APP_EAL_ARGS_H
#define PUBWIRE_APP_EAL_ARGS_H

#include <stdbool.h>
#include <stddef.h>

#include <pubwire/manage/config.h>

#include "options.h"

#define APP_EAL_MAX_ARGS 128

/* The arguments of rte_eal_init(), and what they say. */
struct app_eal {
	char *argv[APP_EAL_MAX_ARGS + 1];
	int argc;
	bool no_huge;
	bool no_telemetry;
	char lcores[2048];
	char main_lcore[16];
	char memory[24];
};

/* True where an EAL argument of the file or of the command line chooses lcores. */
bool app_eal_chooses_lcores(const struct app_options *o);

/*
 * Compose. Strings of c and o are borrowed and outlive e.
 * Returns 0; -EINVAL with one line in err where the arguments contradict each other.
 */
int app_eal_compose(struct app_eal *e, const struct pw_config *c, const struct app_options *o,
		    char *err, size_t err_len);

/* What to do about a failed rte_eal_init(), in a sentence or two. */
const char *app_eal_hint(const struct app_eal *e, int err);

#endif
