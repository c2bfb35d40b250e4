/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "eal_args.h"
#include "options.h"

static struct app_options o;
static struct app_eal eal;
static struct pw_config conf;
static char err[256];

/* Arguments as main() gets them, writable and ended by NULL. */
#define PARSE(...) parse((const char *const[]){"pubwire", ##__VA_ARGS__, NULL})

static int
parse(const char *const *args)
{
	static char text[16][128];
	static char *argv[17];
	int argc = 0;

	err[0] = '\0';
	for (; args[argc] != NULL; argc++) {
		assert_true(argc < 16);
		snprintf(text[argc], sizeof(text[0]), "%s", args[argc]);
		argv[argc] = text[argc];
	}
	argv[argc] = NULL;
	return app_options_parse(&o, argc, argv, err, sizeof(err));
}

static void
no_argument_runs_the_default_file(void **state)
{
	(void)state;
	assert_int_equal(PARSE(), 0);
	assert_int_equal(o.action, APP_RUN);
	assert_string_equal(o.config, "/etc/pubwire/pubwire.yaml");
	assert_int_equal(o.nb_eal, 0);
}

static void
every_option_is_taken(void **state)
{
	(void)state;
	assert_int_equal(PARSE("-c", "x.yaml"), 0);
	assert_string_equal(o.config, "x.yaml");
	assert_int_equal(PARSE("--config=y.yaml", "--check-config"), 0);
	assert_string_equal(o.config, "y.yaml");
	assert_int_equal(o.action, APP_CHECK_CONFIG);
	assert_int_equal(PARSE("--print-config"), 0);
	assert_int_equal(o.action, APP_PRINT_CONFIG);
	assert_int_equal(PARSE("--print-schema"), 0);
	assert_int_equal(o.action, APP_PRINT_SCHEMA);
	assert_int_equal(PARSE("--version"), 0);
	assert_int_equal(o.action, APP_VERSION);
	assert_int_equal(PARSE("-h"), 0);
	assert_int_equal(o.action, APP_HELP);
}

static void
what_follows_the_dashes_is_for_eal(void **state)
{
	(void)state;
	assert_int_equal(PARSE("-c", "x", "--", "-c", "3", "--help"), 0);
	assert_string_equal(o.config, "x");
	assert_int_equal(o.action, APP_RUN);
	assert_int_equal(o.nb_eal, 3);
	assert_string_equal(o.eal[0], "-c");
	assert_string_equal(o.eal[2], "--help");
	assert_int_equal(PARSE("--"), 0);
	assert_int_equal(o.nb_eal, 0);
}

static void
wrong_usage_is_refused_and_says_why(void **state)
{
	(void)state;
	assert_int_equal(PARSE("--no-huge"), -EINVAL);
	assert_non_null(strstr(err, "'--no-huge'"));
	assert_non_null(strstr(err, "after --"));
	assert_int_equal(PARSE("-x"), -EINVAL);
	assert_non_null(strstr(err, "'-x'"));
	assert_int_equal(PARSE("--check-config", "-kh"), -EINVAL);
	assert_non_null(strstr(err, "'-k'"));
	assert_int_equal(PARSE("file.yaml"), -EINVAL);
	assert_non_null(strstr(err, "'file.yaml'"));
	assert_int_equal(PARSE("-c"), -EINVAL);
	assert_non_null(strstr(err, "needs a value"));
	assert_int_equal(PARSE("--config="), -EINVAL);
	assert_int_equal(PARSE("--check-config=1"), -EINVAL);
	assert_non_null(strstr(err, "'--check-config=1'"));
	assert_int_equal(PARSE("--version", "--help=1"), -EINVAL);
	assert_non_null(strstr(err, "'--help=1'"));
	assert_int_equal(PARSE("--check-config", "--print-config"), -EINVAL);
}

static const char *
value_after(const char *option)
{
	for (int i = 0; i < eal.argc - 1; i++)
		if (strcmp(eal.argv[i], option) == 0)
			return eal.argv[i + 1];
	return NULL;
}

static bool
has(const char *arg)
{
	for (int i = 0; i < eal.argc; i++)
		if (strcmp(eal.argv[i], arg) == 0)
			return true;
	return false;
}

static uint32_t
first_cpu(void)
{
	uint32_t cpu = 0;

	while (!pw_config_cpu_usable(cpu))
		cpu++;
	return cpu;
}

static void
eal_gets_lcores_and_prefix_where_nobody_says(void **state)
{
	char want[32];
	const char *lcores;

	(void)state;
	pw_config_defaults(&conf);
	conf.lcore[conf.nb_workers++] = first_cpu();
	assert_int_equal(PARSE("--", "--no-pci"), 0);
	assert_int_equal(app_eal_compose(&eal, &conf, &o, err, sizeof(err)), 0);
	lcores = value_after("--lcores");
	assert_non_null(lcores);
	snprintf(want, sizeof(want), "%u@%u,", first_cpu(), first_cpu());
	assert_int_equal(strncmp(lcores, want, strlen(want)), 0);
	assert_non_null(value_after("--main-lcore"));
	assert_true(has("--file-prefix=pubwire"));
	assert_string_equal(eal.argv[eal.argc - 1], "--no-pci");
	assert_null(eal.argv[eal.argc]);
	assert_null(value_after("-m"));
}

/* The main thread has an lcore id of its own even where every CPU has a worker. */
static void
main_lcore_is_never_a_worker(void **state)
{
	(void)state;
	pw_config_defaults(&conf);
	for (uint32_t cpu = 0; cpu < PW_FORWARD_MAX_WORKERS; cpu++)
		if (pw_config_cpu_usable(cpu))
			conf.lcore[conf.nb_workers++] = cpu;
	assert_int_equal(PARSE(), 0);
	assert_int_equal(app_eal_compose(&eal, &conf, &o, err, sizeof(err)), 0);
	for (uint32_t w = 0; w < conf.nb_workers; w++) {
		char id[16];

		snprintf(id, sizeof(id), "%u", conf.lcore[w]);
		assert_string_not_equal(value_after("--main-lcore"), id);
	}
}

static void
what_the_user_says_to_eal_stands(void **state)
{
	(void)state;
	pw_config_defaults(&conf);
	conf.lcore[conf.nb_workers++] = 1;
	snprintf(conf.eal[conf.nb_eal++], sizeof(conf.eal[0]), "--file-prefix=mine");
	assert_int_equal(PARSE("--", "-l", "0,1", "--no-huge"), 0);
	assert_true(app_eal_chooses_lcores(&o));
	assert_int_equal(app_eal_compose(&eal, &conf, &o, err, sizeof(err)), 0);
	assert_null(value_after("--lcores"));
	assert_null(value_after("--main-lcore"));
	assert_false(has("--file-prefix=pubwire"));
	assert_true(has("--file-prefix=mine"));
	assert_true(eal.no_huge);
	assert_non_null(value_after("-m"));
	assert_int_equal(PARSE("--", "-l", "0,1", "--no-huge", "-m", "300"), 0);
	assert_int_equal(app_eal_compose(&eal, &conf, &o, err, sizeof(err)), 0);
	assert_string_equal(value_after("-m"), "300");
}

static void
contradictions_across_file_and_command_line_are_refused(void **state)
{
	(void)state;
	pw_config_defaults(&conf);
	conf.lcore[conf.nb_workers++] = 0;
	snprintf(conf.eal[conf.nb_eal++], sizeof(conf.eal[0]), "--in-memory");
	assert_int_equal(PARSE("--", "--no-huge"), 0);
	assert_int_equal(app_eal_compose(&eal, &conf, &o, err, sizeof(err)), -EINVAL);
	assert_non_null(strstr(err, "--in-memory"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_argument_runs_the_default_file),
		cmocka_unit_test(every_option_is_taken),
		cmocka_unit_test(what_follows_the_dashes_is_for_eal),
		cmocka_unit_test(wrong_usage_is_refused_and_says_why),
		cmocka_unit_test(eal_gets_lcores_and_prefix_where_nobody_says),
		cmocka_unit_test(main_lcore_is_never_a_worker),
		cmocka_unit_test(what_the_user_says_to_eal_stands),
		cmocka_unit_test(contradictions_across_file_and_command_line_are_refused),
	};

	return cmocka_run_group_tests_name("manage_options", tests, NULL, NULL);
}
