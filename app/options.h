/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PUBWIRE_APP_OPTIONS_H
#define PUBWIRE_APP_OPTIONS_H

#include <stddef.h>
#include <stdio.h>

#define APP_DEFAULT_CONFIG "/etc/pubwire/pubwire.yaml"

/* Exit status; the last two are those of sysexits.h, which init systems and people know. */
enum app_exit { APP_EXIT_OK = 0, APP_EXIT_FATAL = 1, APP_EXIT_USAGE = 64, APP_EXIT_CONFIG = 78 };

enum app_action {
	APP_RUN,
	APP_CHECK_CONFIG,
	APP_PRINT_CONFIG,
	APP_PRINT_SCHEMA,
	APP_VERSION,
	APP_HELP
};

/* The command line. Strings are borrowed from argv. */
struct app_options {
	enum app_action action;
	const char *config;
	char **eal; /* what followed "--" */
	int nb_eal;
};

/* Parse argv; may reorder nothing in it. 0; -EINVAL with one line in err. */
int app_options_parse(struct app_options *o, int argc, char **argv, char *err, size_t err_len);

void app_options_help(FILE *out);

#endif
