/* SPDX-License-Identifier: BSD-3-Clause */
/* The machine: CPUs, pages, EAL, and how to say so. */
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_lcore.h>

#include "micro.h"

#define HUGE_PAGE (2u << 20)

static int cpu[2] = {-1, -1};
static bool huge;
static char cpu_model[128] = "unknown CPU";

static void
find_cpus(void)
{
	cpu_set_t set;
	uint32_t n = 0;

	if (sched_getaffinity(0, sizeof(set), &set) < 0)
		micro_die("the CPUs that may be used are not known");
	for (int i = 0; i < CPU_SETSIZE && n < 2; i++) {
		if (CPU_ISSET(i, &set))
			cpu[n++] = i;
	}
}

static void
find_model(void)
{
	FILE *f = fopen("/proc/cpuinfo", "r");
	char line[256];

	while (f != NULL && fgets(line, sizeof(line), f) != NULL) {
		if (strncmp(line, "model name\t: ", 13) != 0)
			continue;
		line[strcspn(line, "\n\"\\")] = '\0';
		snprintf(cpu_model, sizeof(cpu_model), "%.120s", line + 13);
		break;
	}
	if (f != NULL)
		fclose(f);
}

/* Pages of 2 MiB that nobody has. */
static uint64_t
free_huge(void)
{
	FILE *f = fopen("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "r");
	uint64_t n = 0;

	if (f == NULL)
		return 0;
	if (fscanf(f, "%lu", &n) != 1)
		n = 0;
	fclose(f);
	return n;
}

/* EAL leaves its runtime directory behind. */
static void
leave(void)
{
	char dir[128];

	snprintf(dir, sizeof(dir), "%s", rte_eal_get_runtime_dir());
	(void)rte_eal_cleanup();
	(void)rmdir(dir);
}

void
micro_machine_start(uint32_t megabytes, bool small_pages)
{
	char lcores[32], memory[16], prefix[32];
	char *argv[16] = {
		"micro",       "--lcores",	lcores,		  "-m",
		memory,	       "--no-pci",	"--no-telemetry", "--no-shconf",
		"--log-level", "lib.eal:error", "--file-prefix",  prefix,
	};

	find_cpus();
	find_model();
	huge = !small_pages && free_huge() * HUGE_PAGE >= (uint64_t)megabytes << 20;
	argv[12] = huge ? "--in-memory" : "--no-huge";
	if (cpu[1] >= 0)
		snprintf(lcores, sizeof(lcores), "0@%d,1@%d", cpu[0], cpu[1]);
	else
		snprintf(lcores, sizeof(lcores), "0@%d", cpu[0]);
	snprintf(memory, sizeof(memory), "%u", megabytes);
	snprintf(prefix, sizeof(prefix), "pwmicro%d", (int)getpid());
	if (rte_eal_init(13, argv) < 0)
		micro_die("EAL does not start");
	(void)atexit(leave);
}

int
micro_machine_other(const char **why)
{
	*why = "there is one CPU: two lcores on it would measure the scheduler";
	return cpu[1] >= 0 ? 1 : -1;
}

/* Two CPUs share a core, and with it its caches and its units. */
static bool
siblings(void)
{
	char path[96], text[2][64] = {"", ""};

	for (int i = 0; i < 2 && cpu[i] >= 0; i++) {
		FILE *f;

		snprintf(path, sizeof(path),
			 "/sys/devices/system/cpu/cpu%d/topology/thread_siblings_list", cpu[i]);
		f = fopen(path, "r");
		if (f == NULL)
			return false;
		if (fgets(text[i], sizeof(text[i]), f) == NULL)
			text[i][0] = '\0';
		fclose(f);
	}
	return text[0][0] != '\0' && strcmp(text[0], text[1]) == 0;
}

static const char *
cpus(void)
{
	static char text[64];

	if (cpu[1] < 0)
		snprintf(text, sizeof(text), "%d", cpu[0]);
	else
		snprintf(text, sizeof(text), "%d and %d, %s", cpu[0], cpu[1],
			 siblings() ? "of one core" : "of two cores");
	return text;
}

void
micro_machine_json(FILE *f)
{
	fprintf(f, "\"cpu\": \"%s\", \"cpus\": \"%s\", \"page_bytes\": %u", cpu_model, cpus(),
		huge ? HUGE_PAGE : (uint32_t)sysconf(_SC_PAGESIZE));
}

void
micro_machine_text(FILE *f)
{
	fprintf(f, "%s, CPU %s; TSC %.0f MHz; pages of %s\n", cpu_model, cpus(),
		(double)rte_get_tsc_hz() / 1e6, huge ? "2 MiB" : "4 KiB");
}
