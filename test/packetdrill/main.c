/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Each script is one case.
 *
 *     packetdrill [--wrong] FILE.tcp | DIRECTORY ...
 *
 * --wrong: scripts that must not pass, which is how the runner itself is tested.
 */
#include <dirent.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "eal.h"
#include "script.h"

#define SUFFIX ".tcp"
#define CASES  1024

static struct pw_mem mem;
static struct pd_world world;
static struct CMUnitTest cases[CASES];
static size_t nb_cases;
static bool wrong;

static int
group_setup(void **state)
{
	struct pw_mem_conf conf = {.name = "pd", .pkt = 1023, .hdr = 1023, .ind = 2047};

	(void)state;
	test_eal_init();
	conf.socket = SOCKET_ID_ANY;
	return pw_mem_create(&mem, &conf);
}

static int
group_teardown(void **state)
{
	(void)state;
	pw_mem_destroy(&mem);
	return 0;
}

static void
run_case(void **state)
{
	const char *file = *state;
	struct script script;
	bool good = script_read(&script, file) && script_run(&script, &world, &mem);

	script_free(&script);
	/* A script that is wrong leaves no buffers behind either. */
	if (!pw_mem_full(&mem)) {
		fprintf(stderr, "%s: buffers are missing: pkt %u hdr %u ind %u\n", file,
			rte_mempool_in_use_count(mem.pkt), rte_mempool_in_use_count(mem.hdr),
			rte_mempool_in_use_count(mem.ind));
		good = wrong;
	}
	assert_true(good != wrong);
}

static bool
add_case(const char *file)
{
	const char *slash = strrchr(file, '/');
	const char *base = slash != NULL ? slash + 1 : file;
	char *name = strdup(base), *state = strdup(file);

	if (name == NULL || state == NULL || nb_cases == CASES)
		return false;
	if (strlen(name) > strlen(SUFFIX))
		name[strlen(name) - strlen(SUFFIX)] = '\0';
	cases[nb_cases++] =
		(struct CMUnitTest){.name = name, .test_func = run_case, .initial_state = state};
	return true;
}

static int
is_script(const struct dirent *e)
{
	size_t n = strlen(e->d_name);

	return n > strlen(SUFFIX) && strcmp(e->d_name + n - strlen(SUFFIX), SUFFIX) == 0;
}

static bool
add_directory(const char *dir)
{
	struct dirent **e;
	int n = scandir(dir, &e, is_script, alphasort);
	bool good = n > 0;

	for (int i = 0; i < n; i++) {
		char file[1024];

		snprintf(file, sizeof(file), "%s/%s", dir, e[i]->d_name);
		good = add_case(file) && good;
		free(e[i]);
	}
	if (n >= 0)
		free(e);
	return good;
}

int
main(int argc, char **argv)
{
	wrong = argc > 1 && strcmp(argv[1], "--wrong") == 0;
	for (int i = 1 + wrong; i < argc; i++) {
		size_t n = strlen(argv[i]);
		bool file = n > strlen(SUFFIX) && strcmp(argv[i] + n - strlen(SUFFIX), SUFFIX) == 0;

		if (!(file ? add_case(argv[i]) : add_directory(argv[i]))) {
			fprintf(stderr,
				"%s: no such file or directory, no *" SUFFIX
				" in it, or too many\n",
				argv[i]);
			return 64;
		}
	}
	if (nb_cases == 0) {
		fprintf(stderr, "usage: packetdrill [--wrong] FILE%s | DIRECTORY ...\n", SUFFIX);
		return 64;
	}
	return _cmocka_run_group_tests("packetdrill", cases, nb_cases, group_setup, group_teardown);
}
