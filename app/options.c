/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <string.h>

#include "options.h"

/* Of options without a short form: above every character. */
enum { OPT_CHECK = 256, OPT_PRINT, OPT_SCHEMA };

static const struct option long_options[] = {
	{"config", required_argument, NULL, 'c'},
	{"check-config", no_argument, NULL, OPT_CHECK},
	{"print-config", no_argument, NULL, OPT_PRINT},
	{"version", no_argument, NULL, 'V'},
	{"help", no_argument, NULL, 'h'},
	{"print-schema", no_argument, NULL, OPT_SCHEMA},
	{NULL, 0, NULL, 0},
};

/* One action a run; --help and --version win over nothing but the default. */
static int
choose(struct app_options *o, enum app_action action, char *err, size_t err_len)
{
	if (o->action != APP_RUN && o->action != action) {
		snprintf(err, err_len,
			 "--check-config, --print-config, --print-schema, --version and --help "
			 "exclude each other");
		return -EINVAL;
	}
	o->action = action;
	return 0;
}

/* An option that getopt refused: behind others in one word it stands before optind, not behind. */
static void
refuse(char **argv, char *err, size_t err_len)
{
	const char letter[] = {'-', (char)optopt, '\0'};
	bool one = optopt > 0 && optopt < OPT_CHECK && strchr(":chV", optopt) == NULL;

	snprintf(err, err_len, "option '%s' is unknown or takes no value (EAL's go after --)",
		 one ? letter : argv[optind > 1 ? optind - 1 : 1]);
}

int
app_options_parse(struct app_options *o, int argc, char **argv, char *err, size_t err_len)
{
	int ch, rc = 0;

	memset(o, 0, sizeof(*o));
	o->config = APP_DEFAULT_CONFIG;
	optind = 0; /* glibc: scan from the start, whatever was parsed before */
	opterr = 0;
	/* "+": stop at the first argument that is no option; ":": tell a missing value apart. */
	while (rc == 0 && (ch = getopt_long(argc, argv, "+:c:hV", long_options, NULL)) != -1) {
		switch (ch) {
		case 'c':
			o->config = optarg;
			break;
		case OPT_CHECK:
			rc = choose(o, APP_CHECK_CONFIG, err, err_len);
			break;
		case OPT_PRINT:
			rc = choose(o, APP_PRINT_CONFIG, err, err_len);
			break;
		case OPT_SCHEMA:
			rc = choose(o, APP_PRINT_SCHEMA, err, err_len);
			break;
		case 'V':
			rc = choose(o, APP_VERSION, err, err_len);
			break;
		case 'h':
			rc = choose(o, APP_HELP, err, err_len);
			break;
		case ':':
			snprintf(err, err_len, "option '%s' needs a value", argv[optind - 1]);
			return -EINVAL;
		default:
			refuse(argv, err, err_len);
			return -EINVAL;
		}
	}
	if (rc != 0)
		return rc;
	if (optind < argc && (optind == 0 || strcmp(argv[optind - 1], "--") != 0)) {
		snprintf(err, err_len,
			 "'%s' is not an option (a file goes after --config, EAL's arguments after "
			 "--)",
			 argv[optind]);
		return -EINVAL;
	}
	if (o->config[0] == '\0') {
		snprintf(err, err_len, "--config needs the name of a file");
		return -EINVAL;
	}
	o->eal = argv + optind;
	o->nb_eal = argc - optind;
	return 0;
}

void
app_options_help(FILE *out)
{
	fputs("Usage: pubwire [options] -- [EAL arguments]\n"
	      "\n"
	      "Forwards MQTT from many devices to a few brokers, over TCP of its own on DPDK "
	      "ports.\n"
	      "\n"
	      "  -c, --config FILE  configuration [" APP_DEFAULT_CONFIG "]\n"
	      "      --check-config check it, print the memory plan, and end\n"
	      "      --print-config print it with every default, and end\n"
	      "      --print-schema print what a file may say as JSON Schema, and end\n"
	      "  -V, --version      print the versions of pubwire and DPDK, and end\n"
	      "  -h, --help         print this, and end\n"
	      "\n"
	      "EAL arguments follow those of the configuration file. Without one of -l, -c, "
	      "--lcores\n"
	      "the lcores are the CPUs of workers in the file and one more for the main thread;\n"
	      "without --file-prefix it is 'pubwire'. With --no-huge and no -m the memory is what\n"
	      "the plan needs.\n"
	      "\n"
	      "Signals: TERM and INT drain (a second one stops at once); HUP reads the "
	      "file\n"
	      "again, while it runs; USR1 is accepted, there being no log file.\n"
	      "\n"
	      "Exit status: 0 fine, 1 fatal, 64 wrong usage, 78 wrong configuration.\n",
	      out);
}
