/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * EAL's arguments: those of the file, then those of the command line, and before both what pubwire
 * adds where neither says it: lcores, file prefix, memory without hugepages.
 *
 * Worker lcores are named by CPU number. The main lcore takes a CPU that no worker has; on a
 * machine with none left it shares one, under an lcore id of its own. It only sleeps and logs.
 */

#include <errno.h>
#include <glob.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <rte_config.h>

#include "eal_args.h"

/* Hugepage heaps grow in pages, --no-huge memory is fixed: DPDK's own needs and fragments. */
#define NO_HUGE_SPARE_MB 64

static char prog[] = "pubwire";
static char default_prefix[] = "--file-prefix=pubwire";
static char opt_lcores[] = "--lcores";
static char opt_main[] = "--main-lcore";
static char opt_memory[] = "-m";

static const char *
arg_at(const struct pw_config *c, const struct app_options *o, uint32_t i)
{
	return i < c->nb_eal ? c->eal[i] : o->eal[i - c->nb_eal];
}

/* True where some argument is the option, or the option with =value. */
static bool
given(const struct pw_config *c, const struct app_options *o, const char *option)
{
	size_t len = strlen(option);

	for (uint32_t i = 0; i < c->nb_eal + o->nb_eal; i++) {
		const char *a = arg_at(c, o, i);

		if (strncmp(a, option, len) == 0 && (a[len] == '\0' || a[len] == '='))
			return true;
	}
	return false;
}

bool
app_eal_chooses_lcores(const struct app_options *o)
{
	for (int i = 0; i < o->nb_eal; i++)
		if (pw_config_eal_lcores(o->eal[i]))
			return true;
	return false;
}

static bool
is_worker(const struct pw_config *c, uint32_t id)
{
	for (uint32_t w = 0; w < c->nb_workers; w++)
		if (c->lcore[w] == id)
			return true;
	return false;
}

static int
add_lcores(struct app_eal *e, const struct pw_config *c, char *err, size_t err_len)
{
	int32_t cpu = c->main_cpu;
	uint32_t id;
	size_t at = 0;

	for (uint32_t i = 0; cpu < 0 && i < RTE_MAX_LCORE; i++)
		if (pw_config_cpu_usable(i) && !is_worker(c, i))
			cpu = i;
	for (uint32_t i = 0; cpu < 0 && i < RTE_MAX_LCORE; i++)
		if (pw_config_cpu_usable(i))
			cpu = i;
	id = cpu < 0 ? 0 : cpu;
	for (uint32_t i = 0; is_worker(c, id) && i < RTE_MAX_LCORE; i++)
		id = i;
	if (cpu < 0 || is_worker(c, id)) {
		snprintf(err, err_len, "no CPU or lcore id is left for the main thread");
		return -EINVAL;
	}
	for (uint32_t w = 0; w < c->nb_workers && at < sizeof(e->lcores); w++)
		at += snprintf(e->lcores + at, sizeof(e->lcores) - at, "%u@%u,", c->lcore[w],
			       c->lcore[w]);
	if (at < sizeof(e->lcores))
		at += snprintf(e->lcores + at, sizeof(e->lcores) - at, "%u@%d", id, cpu);
	snprintf(e->main_lcore, sizeof(e->main_lcore), "%u", id);
	e->argv[e->argc++] = opt_lcores;
	e->argv[e->argc++] = e->lcores;
	e->argv[e->argc++] = opt_main;
	e->argv[e->argc++] = e->main_lcore;
	return 0;
}

int
app_eal_compose(struct app_eal *e, const struct pw_config *c, const struct app_options *o,
		char *err, size_t err_len)
{
	bool lcores = app_eal_chooses_lcores(o);
	struct pw_config_memory plan;

	memset(e, 0, sizeof(*e));
	/* Eight are the most that are added below. */
	if (c->nb_eal + o->nb_eal > APP_EAL_MAX_ARGS - 8) {
		snprintf(err, err_len, "more than %d EAL arguments", APP_EAL_MAX_ARGS - 8);
		return -EINVAL;
	}
	for (uint32_t i = 0; i < c->nb_eal; i++)
		lcores = lcores || pw_config_eal_lcores(c->eal[i]);
	e->no_huge = given(c, o, "--no-huge");
	e->no_telemetry = given(c, o, "--no-telemetry");
	if (e->no_huge && given(c, o, "--in-memory")) {
		snprintf(err, err_len,
			 "--no-huge and --in-memory exclude each other in DPDK 22.11: leave one "
			 "out");
		return -EINVAL;
	}
	e->argv[e->argc++] = prog;
	if (!lcores && add_lcores(e, c, err, err_len) != 0)
		return -EINVAL;
	if (!given(c, o, "--file-prefix"))
		e->argv[e->argc++] = default_prefix;
	if (e->no_huge && !given(c, o, "-m") && !given(c, o, "--socket-mem")) {
		pw_config_memory(c, &plan);
		snprintf(e->memory, sizeof(e->memory), "%zu",
			 (plan.total + plan.total / 8) / (1 << 20) + NO_HUGE_SPARE_MB);
		e->argv[e->argc++] = opt_memory;
		e->argv[e->argc++] = e->memory;
	}
	/* EAL takes char *, and keeps the strings as they are. */
	for (uint32_t i = 0; i < c->nb_eal + o->nb_eal; i++)
		e->argv[e->argc++] = (char *)(uintptr_t)arg_at(c, o, i);
	return 0;
}

/* Hugepages of all sizes: reserved by the administrator, or not yet in use. */
static uint64_t
hugepages(const char *pattern)
{
	uint64_t sum = 0, n;
	glob_t g;

	if (glob(pattern, 0, NULL, &g) != 0)
		return 0;
	for (size_t i = 0; i < g.gl_pathc; i++) {
		FILE *f = fopen(g.gl_pathv[i], "r");

		if (f == NULL)
			continue;
		if (fscanf(f, "%" SCNu64, &n) == 1)
			sum += n;
		fclose(f);
	}
	globfree(&g);
	return sum;
}

/* EAL's files lie in a file system of their own. */
static bool
hugetlbfs_mounted(void)
{
	FILE *f = fopen("/proc/self/mounts", "r");
	char line[4096];
	bool found = f == NULL; /* who knows */

	while (!found && fgets(line, sizeof(line), f) != NULL)
		found = strstr(line, " hugetlbfs ") != NULL;
	if (f != NULL)
		fclose(f);
	return found;
}

const char *
app_eal_hint(const struct app_eal *e, int err)
{
	if (!e->no_huge && hugepages("/sys/kernel/mm/hugepages/*/nr_hugepages") == 0)
		return "No hugepages are reserved: run 'pubwire-hugepages reserve' as root "
		       "(scripts/hugepages in the source tree), or try without them: pubwire ... "
		       "-- --no-huge";
	if (!e->no_huge && err == EACCES && !hugetlbfs_mounted())
		return "No hugetlbfs is mounted: 'mount -t hugetlbfs none /dev/hugepages' as root, "
		       "or try without hugepages: pubwire ... -- --no-huge";
	if (geteuid() != 0 && (err == EACCES || err == EPERM || err == ENOMEM || err == 0))
		return "Permission: run as root, or give the user write access to the hugetlbfs "
		       "mount "
		       "and the devices, and CAP_IPC_LOCK";
	if (!e->no_huge && hugepages("/sys/kernel/mm/hugepages/*/free_hugepages") == 0)
		return "All hugepages are in use: end what uses them (files below /dev/hugepages "
		       "tell), "
		       "or reserve more with 'pubwire-hugepages reserve'";
	if (err == EINVAL || err == EPROTO)
		return "An EAL argument is wrong, or a driver of DPDK cannot be loaded: see EAL's "
		       "line above; the arguments are those of 'eal' in the file and those after "
		       "--";
	if (err == ENOTSUP)
		return "A device given by --vdev or --allow could not be set up: see the lines "
		       "above";
	return "See EAL's lines above, and pubwire-doctor. Another process with the same "
	       "--file-prefix makes it fail too";
}
