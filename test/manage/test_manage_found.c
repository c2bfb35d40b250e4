/* SPDX-License-Identifier: BSD-3-Clause */
/* What a file leaves to the place where it is read: CPUs of auto, devices of the environment. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config_pvt.h"

#define VARIABLE "PCIDEVICE_EXAMPLE_COM_EDGE"

static struct pw_config conf;
static char err[1024];
static uint32_t cpu[RTE_MAX_LCORE], nb_cpus; /* of this process, ascending */

/* Load a file with these workers, this device and these EAL arguments. */
static int
load(const char *eal, const char *workers, const char *device, uint32_t flags)
{
	char name[] = "/tmp/pubwire-found-XXXXXX";
	int fd = mkstemp(name), rc;

	assert_true(fd >= 0);
	dprintf(fd,
		"eal: [%s]\nworkers: {%s}\n"
		"ports: [{name: p, device: \"%s\", addresses: [10.77.0.1/16]}]\n"
		"listeners: [{name: m, address: 10.77.0.1}]\n"
		"brokers: [{name: a, address: 10.77.0.11}]\n"
		"routes: [{filter: \"#\", brokers: [a]}]\n"
		"memory: {packet_buffers: 1048576}\n",
		eal, workers, device);
	close(fd);
	rc = pw_config_load_as(&conf, name, flags, err, sizeof(err));
	unlink(name);
	return rc;
}

static void
refused(int rc, const char *text)
{
	assert_int_equal(rc, -EINVAL);
	if (strstr(err, text) == NULL)
		fail_msg("'%s' lacks '%s'", err, text);
}

static void
auto_takes_all_cpus_but_the_lowest(void **state)
{
	uint32_t first = nb_cpus > 1;

	(void)state;
	assert_int_equal(load("", "lcores: [auto]", "net_ring0", 0), 0);
	assert_int_equal(conf.nb_workers, nb_cpus - first);
	for (uint32_t w = 0; w < conf.nb_workers; w++) {
		assert_int_equal(conf.lcore[w], cpu[first + w]);
		assert_int_equal(conf.role[w], PW_ROLE_DEVICES | PW_ROLE_BROKERS);
	}
}

static void
auto_with_a_number_takes_so_many(void **state)
{
	char text[64];

	(void)state;
	assert_int_equal(load("", "lcores: [\"auto:1\"]", "net_ring0", 0), 0);
	assert_int_equal(conf.nb_workers, 1);
	assert_int_equal(conf.lcore[0], cpu[nb_cpus > 1]);
	snprintf(text, sizeof(text), "lcores: [\"auto:%u\"]", nb_cpus);
	assert_int_equal(load("", text, "net_ring0", 0), 0);
	assert_int_equal(conf.nb_workers, nb_cpus);
	assert_int_equal(conf.lcore[0], cpu[0]);
	snprintf(text, sizeof(text), "lcores: [\"auto:%u\"]", nb_cpus + 1);
	refused(load("", text, "net_ring0", 0), "workers.lcores[0]: 'auto:");
}

static void
auto_leaves_out_what_is_taken(void **state)
{
	char text[64];

	(void)state;
	if (nb_cpus < 2) {
		print_message("skipped: one CPU only\n");
		skip();
	}
	assert_int_equal(load("", "devices: [\"auto:1\"], brokers: [\"auto:1\"]", "net_ring0", 0),
			 0);
	assert_int_equal(conf.nb_workers, 2);
	assert_int_not_equal(conf.lcore[0], conf.lcore[1]);
	assert_int_equal(conf.role[0], PW_ROLE_DEVICES);
	assert_int_equal(conf.role[1], PW_ROLE_BROKERS);
	snprintf(text, sizeof(text), "main_cpu: %u, lcores: [auto]", cpu[nb_cpus - 1]);
	assert_int_equal(load("", text, "net_ring0", 0), 0);
	assert_int_equal(conf.nb_workers, nb_cpus - 1);
	assert_int_equal(conf.lcore[0], cpu[0]);
}

static void
auto_that_can_not_be_is_refused(void **state)
{
	(void)state;
	refused(load("", "lcores: [auto, 1]", "net_ring0", 0), "beside others; expected it alone");
	refused(load("", "lcores: [\"auto:0\"]", "net_ring0", 0), "expected a whole number");
	refused(load("", "lcores: [\"auto:x\"]", "net_ring0", 0), "expected a whole number");
	refused(load("", "lcores: [autos]", "net_ring0", 0), "expected a whole number");
	refused(load("\"--lcores=0-3\"", "lcores: [auto]", "net_ring0", 0),
		"beside an EAL option that chooses lcores");
	refused(load("", "lcores: [auto]", "net_ring0", PW_CONFIG_EAL_LCORES),
		"beside an EAL option that chooses lcores");
}

/* EAL binds the main thread; HUP reads the file again after that. */
static void
a_file_means_the_same_after_eal_has_bound_the_thread(void **state)
{
	cpu_set_t one, before;
	uint32_t n, lcore;

	(void)state;
	assert_int_equal(load("", "lcores: [auto]", "net_ring0", 0), 0);
	n = conf.nb_workers;
	lcore = conf.lcore[0];
	assert_int_equal(sched_getaffinity(0, sizeof(before), &before), 0);
	CPU_ZERO(&one);
	CPU_SET(cpu[0], &one);
	assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
	assert_int_equal(load("", "lcores: [auto]", "net_ring0", 0), 0);
	assert_int_equal(sched_setaffinity(0, sizeof(before), &before), 0);
	assert_int_equal(conf.nb_workers, n);
	assert_int_equal(conf.lcore[0], lcore);
}

static void
device_comes_from_the_environment_and_is_allowed(void **state)
{
	(void)state;
	setenv(VARIABLE, "0000:3b:02.1,0000:3B:02.7", 1);
	assert_int_equal(load("--no-telemetry", "lcores: [auto]", "env:" VARIABLE, 0), 0);
	assert_string_equal(conf.port[0].device, "0000:3b:02.1");
	assert_int_equal(conf.nb_eal, 2);
	assert_string_equal(conf.eal[1], "--allow=0000:3b:02.1");
	assert_int_equal(load("", "lcores: [auto]", "env:" VARIABLE ":2", 0), 0);
	assert_string_equal(conf.port[0].device, "0000:3B:02.7");
	assert_string_equal(conf.eal[0], "--allow=0000:3B:02.7");
	assert_int_equal(
		load("\"--allow=0000:3b:02.1\"", "lcores: [auto]", "env:" VARIABLE ":1", 0), 0);
	assert_int_equal(conf.nb_eal, 1);
	unsetenv(VARIABLE);
}

static void
device_that_the_environment_does_not_have_is_refused(void **state)
{
	(void)state;
	unsetenv(VARIABLE);
	refused(load("", "lcores: [auto]", "env:" VARIABLE, 0),
		"ports[0].device: " VARIABLE " is not in the environment");
	setenv(VARIABLE, "", 1);
	refused(load("", "lcores: [auto]", "env:" VARIABLE, 0), "is not in the environment");
	setenv(VARIABLE, "0000:3b:02.1", 1);
	refused(load("", "lcores: [auto]", "env:" VARIABLE ":2", 0), "fewer than 2 devices");
	refused(load("", "lcores: [auto]", "env:" VARIABLE ":0", 0), "expected a whole number");
	refused(load("", "lcores: [auto]", "env:", 0), "names no variable");
	refused(load("", "lcores: [auto]", "env:A-B", 0), "names no variable");
	setenv(VARIABLE, "eth1", 1);
	refused(load("", "lcores: [auto]", "env:" VARIABLE, 0), "'eth1' in " VARIABLE " is no PCI");
	setenv(VARIABLE, ",0000:3b:02.1", 1);
	refused(load("", "lcores: [auto]", "env:" VARIABLE, 0), "is no PCI");
	unsetenv(VARIABLE);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(auto_takes_all_cpus_but_the_lowest),
		cmocka_unit_test(auto_with_a_number_takes_so_many),
		cmocka_unit_test(auto_leaves_out_what_is_taken),
		cmocka_unit_test(auto_that_can_not_be_is_refused),
		cmocka_unit_test(a_file_means_the_same_after_eal_has_bound_the_thread),
		cmocka_unit_test(device_comes_from_the_environment_and_is_allowed),
		cmocka_unit_test(device_that_the_environment_does_not_have_is_refused),
	};
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof(set), &set) != 0)
		return 1;
	/* No more than workers can have. */
	for (uint32_t i = 0; i < RTE_MAX_LCORE; i++) {
		if (CPU_ISSET(i, &set) && nb_cpus < 16)
			cpu[nb_cpus++] = i;
		else
			CPU_CLR(i, &set);
	}
	if (sched_setaffinity(0, sizeof(set), &set) != 0)
		return 1;
	return cmocka_run_group_tests_name("manage_found", tests, NULL, NULL);
}
