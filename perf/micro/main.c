/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "micro.h"
#include "values.h"

#define EX_USAGE  64
#define MEGABYTES 900
#define MB_BRIEF  512

static const struct micro_bench bench[] = {
#define MICRO_BENCH_ROW(fn, name, what) {name, what, micro_##fn},
	MICRO_BENCHES(MICRO_BENCH_ROW)
#undef MICRO_BENCH_ROW
};

#define NB_BENCHES (sizeof(bench) / sizeof(bench[0]))

static bool wanted[NB_BENCHES];

static void
usage(FILE *f)
{
	fprintf(f,
		"usage: micro [--json FILE] [--only NAME...] [--list] [--repetitions N] [--rounds "
		"N]\n"
		"             [--small-pages] [--short]\n"
		"Cycles and ns of the parts of pubwire that a message passes, each alone.\n"
		"  --json FILE      the same as JSON; its form is described in perf/micro/micro.h\n"
		"  --only NAME...   these benches, or all whose name begins so\n"
		"  --list           their names, and what they measure\n"
		"  --repetitions N  a figure is the median of so many, 1 to %u (9)\n"
		"  --rounds N       and each of them the median of so many, 1 to %u (200)\n"
		"  --small-pages    pages of 4 KiB, also where enough of 2 MiB are free\n"
		"  --short          to see that it runs: few rounds, little memory\n"
		"Exit status: 0; 1 a bench failed, or packet buffers were missing after it; 64 "
		"usage.\n",
		MICRO_MAX_REPEAT, MICRO_MAX_ROUNDS);
}

static void
list(void)
{
	for (uint32_t i = 0; i < NB_BENCHES; i++)
		printf("%-14s %s\n", bench[i].name, bench[i].what);
}

static void
want(const char *name)
{
	bool found = false;

	for (uint32_t i = 0; i < NB_BENCHES; i++) {
		if (strncmp(bench[i].name, name, strlen(name)) == 0)
			wanted[i] = found = true;
	}
	if (found)
		return;
	fprintf(stderr, "micro: no bench is called %s; --list names them\n", name);
	exit(EX_USAGE);
}

static uint32_t
number(const char *option, const char *text, uint32_t most)
{
	uint32_t n;

	if (value_number32(option, text, 1, most, &n) < 0)
		exit(EX_USAGE);
	return n;
}

struct choice {
	const char *json;
	bool small_pages;
};

static void
options(int argc, char **argv, struct choice *c)
{
	static const struct option option[] = {
		{"json", 1, NULL, 'j'},	 {"only", 1, NULL, 'o'},	{"list", 0, NULL, 'l'},
		{"help", 0, NULL, 'h'},	 {"repetitions", 1, NULL, 'r'}, {"rounds", 1, NULL, 'n'},
		{"short", 0, NULL, 's'}, {"small-pages", 0, NULL, 'p'}, {NULL, 0, NULL, 0},
	};
	uint32_t repeat = 0, rounds = 0;
	bool only = false;
	int o;

	while ((o = getopt_long(argc, argv, "", option, NULL)) != -1) {
		if (o == 'j') {
			c->json = optarg;
		} else if (o == 'o') {
			want(optarg);
			only = true;
		} else if (o == 'r') {
			repeat = number("repetitions", optarg, MICRO_MAX_REPEAT);
		} else if (o == 'n') {
			rounds = number("rounds", optarg, MICRO_MAX_ROUNDS);
		} else if (o == 's') {
			micro_options.brief = true;
		} else if (o == 'p') {
			c->small_pages = true;
		} else if (o == 'l') {
			list();
			exit(0);
		} else {
			usage(o == 'h' ? stdout : stderr);
			exit(o == 'h' ? 0 : EX_USAGE);
		}
	}
	/* The names that follow the first. */
	if (optind < argc && !only) {
		usage(stderr);
		exit(EX_USAGE);
	}
	while (optind < argc)
		want(argv[optind++]);
	for (uint32_t i = 0; i < NB_BENCHES && !only; i++)
		wanted[i] = true;
	micro_options.repeat = repeat != 0 ? repeat : micro_options.brief ? 2 : 9;
	micro_options.rounds = rounds != 0 ? rounds : micro_options.brief ? 3 : 200;
}

int
main(int argc, char **argv)
{
	struct choice choice = {0};
	int rc;

	options(argc, argv, &choice);
	micro_machine_start(micro_options.brief ? MB_BRIEF : MEGABYTES, choice.small_pages);
	micro_report_heading();
	for (uint32_t i = 0; i < NB_BENCHES; i++) {
		if (!wanted[i])
			continue;
		micro_bench_name = bench[i].name;
		bench[i].run();
		micro_report();
	}
	if (choice.json == NULL)
		return 0;
	rc = micro_report_json(choice.json);
	if (rc == 0)
		return 0;
	fprintf(stderr, "micro: %s: %s\n", choice.json, strerror(-rc));
	return 1;
}
