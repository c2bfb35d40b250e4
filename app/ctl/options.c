/* SPDX-License-Identifier: BSD-3-Clause */
/* The command line: options of the program may stand on either side of the command's name. */

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "ctl.h"

#define MAX_OPTIONS 24
enum { PREFIX = 256, SOCKET, JSON, OF_COMMAND = 512 };

static const struct option global[] = {
	{"file-prefix", required_argument, NULL, PREFIX},
	{"socket", required_argument, NULL, SOCKET},
	{"json", no_argument, NULL, JSON},
	{"help", no_argument, NULL, 'h'},
	{"version", no_argument, NULL, 'V'},
	{NULL, 0, NULL, 0},
};

static const struct ctl_command *const commands[] = {
#define ROW(name) &ctl_cmd_##name,
	CTL_COMMANDS(ROW)};
#define NB_COMMANDS (sizeof(commands) / sizeof(commands[0]))

void
ctl_help(const struct ctl_command *m, FILE *out)
{
	if (m != NULL) {
		fprintf(out,
			"Usage: pubwirectl [options] %s%s%s\n\n%s.\n%s\n"
			"Options of every command: --file-prefix P, --socket PATH, --json, "
			"--help;\n"
			"see pubwirectl --help.\n",
			m->name, m->arguments[0] != '\0' ? " " : "", m->arguments, m->summary,
			m->help);
		return;
	}
	fputs("Usage: pubwirectl [options] COMMAND [options of the command]\n\n"
	      "Asks a running pubwire, or changes it.\n\n",
	      out);
	for (size_t i = 0; i < NB_COMMANDS; i++)
		fprintf(out, "  %-10s  %s\n", commands[i]->name, commands[i]->summary);
	fputs("\n"
	      "  -p, --file-prefix P  which pubwire: its EAL --file-prefix [pubwire]\n"
	      "      --socket PATH    its telemetry socket, where EAL does not put it\n"
	      "      --json           a JSON document instead of text\n"
	      "  -V, --version        print the version, and end\n"
	      "  -h, --help           print this, or behind a command its own help, and end\n"
	      "\n"
	      "The socket is DIR/dpdk/P/dpdk_telemetry.v2 in the first DIR that has it:\n"
	      "$RUNTIME_DIRECTORY, /var/run, /run/P, $XDG_RUNTIME_DIR, /tmp.\n"
	      "Colours are used on terminals only, and not where NO_COLOR is set.\n"
	      "\n"
	      "Exit status: 0 fine, 1 pubwire refused, failed or ended in the midst,\n"
	      "2 no pubwire is there, 3 it has no such device, 64 wrong usage.\n",
	      out);
}

static const struct ctl_command *
command_of(const char *name)
{
	for (size_t i = 0; i < NB_COMMANDS; i++)
		if (strcmp(commands[i]->name, name) == 0)
			return commands[i];
	return NULL;
}

static int
take_value(struct ctl *c, const struct ctl_option *o, const char *arg)
{
	unsigned long v;
	double seconds;
	bool digit;
	char *end;

	if (o->kind == CTL_FLAG) {
		*(bool *)o->value = true;
		return CTL_OK;
	}
	if (o->kind == CTL_TEXT) {
		*(const char **)o->value = arg;
		return arg[0] != '\0' ? CTL_OK
				      : ctl_fail(c, CTL_USAGE, "--%s: expected a value", o->name);
	}
	digit = arg[0] >= '0' && arg[0] <= '9';
	errno = 0;
	if (o->kind == CTL_SECONDS) {
		seconds = strtod(arg, &end);
		if (!digit || *end != '\0' || !(seconds >= 0.05 && seconds <= 86400))
			return ctl_fail(c, CTL_USAGE,
					"--%s: expected seconds, 0.05 to 86400, not '%s'", o->name,
					arg);
		*(double *)o->value = seconds;
		return CTL_OK;
	}
	v = strtoul(arg, &end, 10);
	if (!digit || *end != '\0' || errno != 0 || v == 0 || v > UINT32_MAX)
		return ctl_fail(c, CTL_USAGE, "--%s: expected a number from 1 to %u, not '%s'",
				o->name, UINT32_MAX, arg);
	*(uint32_t *)o->value = (uint32_t)v;
	return CTL_OK;
}

/* The options of the program, behind them those of the command. Returns how many are the
 * command's. */
static uint32_t
gather(const struct ctl_command *m, struct option *to, char *letters, size_t len)
{
	uint32_t n = 0, own = 0;

	for (; global[n].name != NULL; n++)
		to[n] = global[n];
	snprintf(letters, len, "%s:p:hV", m == NULL ? "+" : "");
	for (; m != NULL && m->options != NULL && m->options[own].name != NULL; own++, n++) {
		const struct ctl_option *o = &m->options[own];
		size_t at = strlen(letters);

		to[n] = (struct option){o->name, o->kind == CTL_FLAG ? 0 : 1, NULL,
					OF_COMMAND + (int)own};
		if (o->letter != 0)
			snprintf(letters + at, len - at, "%c%s", o->letter,
				 o->kind == CTL_FLAG ? "" : ":");
	}
	to[n] = (struct option){0};
	return own;
}

/* One pass of getopt_long(): before the command's name, or behind it. */
static int
scan(struct ctl *c, struct ctl_line *line, int argc, char **argv)
{
	struct option all[MAX_OPTIONS];
	char letters[64];
	uint32_t own = gather(line->command, all, letters, sizeof(letters));
	int ch, rc = CTL_OK;

	optind = 0; /* glibc: from the start */
	opterr = 0;
	while (rc == CTL_OK && (ch = getopt_long(argc, argv, letters, all, NULL)) != -1) {
		const struct ctl_option *o = NULL;

		if (ch >= OF_COMMAND)
			o = &line->command->options[ch - OF_COMMAND];
		for (uint32_t i = 0; i < own && ch > 0 && ch < 256; i++)
			if (line->command->options[i].letter == ch)
				o = &line->command->options[i];
		if (o != NULL)
			rc = take_value(c, o, optarg);
		else if (ch == 'p' || ch == PREFIX)
			c->prefix = optarg;
		else if (ch == SOCKET)
			c->socket = optarg;
		else if (ch == JSON)
			c->json = true;
		else if (ch == 'h')
			line->help = true;
		else if (ch == 'V')
			line->version = true;
		else if (ch == ':')
			rc = ctl_fail(c, CTL_USAGE, "option '%s' needs a value", argv[optind - 1]);
		else
			rc = ctl_fail(c, CTL_USAGE, "option '%s' is unknown or takes no value",
				      argv[optind > 1 ? optind - 1 : 1]);
	}
	return rc;
}

int
ctl_parse(struct ctl *c, struct ctl_line *line, int argc, char **argv)
{
	const struct ctl_command *m;
	int rc = scan(c, line, argc, argv), at = optind;

	if (rc != CTL_OK || line->help || line->version)
		return rc;
	if (c->prefix[0] == '\0' || strchr(c->prefix, '/') != NULL)
		return ctl_fail(c, CTL_USAGE, "--file-prefix: expected a name, not '%s'",
				c->prefix);
	if (at == argc)
		return ctl_fail(c, CTL_USAGE, "expected a command");
	m = command_of(argv[at]);
	if (m == NULL)
		return ctl_fail(c, CTL_USAGE, "there is no command '%s'", argv[at]);
	line->command = m;
	rc = scan(c, line, argc - at, argv + at);
	if (rc != CTL_OK || line->help || line->version)
		return rc;
	if (c->prefix[0] == '\0' || strchr(c->prefix, '/') != NULL)
		return ctl_fail(c, CTL_USAGE, "--file-prefix: expected a name, not '%s'",
				c->prefix);
	line->args = argv + at + optind;
	line->nb_args = argc - at - optind;
	if (line->nb_args < m->min_args || line->nb_args > m->max_args)
		return ctl_fail(c, CTL_USAGE, "usage: pubwirectl %s%s%s", m->name,
				m->arguments[0] != '\0' ? " " : "", m->arguments);
	return CTL_OK;
}
