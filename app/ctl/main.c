/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdlib.h>
#include <unistd.h>

#include "ctl.h"

/* NO_COLOR: not empty means none, by no-color.org. */
static bool
colours(void)
{
	const char *no = getenv("NO_COLOR"), *term = getenv("TERM");

	return isatty(STDOUT_FILENO) && (no == NULL || no[0] == '\0') &&
	       (term == NULL || term[0] != 'd'); /* dumb */
}

int
main(int argc, char **argv)
{
	static struct ctl c = {.prefix = "pubwire", .fd = -1};
	struct ctl_line line = {0};
	int status = ctl_parse(&c, &line, argc, argv);

	if (status != CTL_OK) {
		fprintf(stderr, "pubwirectl: %s\nTry 'pubwirectl %s%s--help'.\n", c.err,
			line.command != NULL ? line.command->name : "",
			line.command != NULL ? " " : "");
		return status;
	}
	if (line.help) {
		ctl_help(line.command, stdout);
		return CTL_OK;
	}
	if (line.version) {
		printf("pubwirectl %s\n", PUBWIRE_VERSION);
		return CTL_OK;
	}
	c.colour = colours();
	status = ctl_connect(&c);
	if (status == CTL_OK)
		status = line.command->run(&c, line.args, line.nb_args);
	if (status != CTL_OK) {
		fflush(stdout);
		if (c.err[0] != '\0')
			fprintf(stderr, "pubwirectl: %s\n", c.err);
	}
	ctl_disconnect(&c);
	return status;
}
