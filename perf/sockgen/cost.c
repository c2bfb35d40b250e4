/* SPDX-License-Identifier: BSD-3-Clause */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cost.h"
#include "now.h"

static void
read_ticks(struct cost *c, uint32_t cpu)
{
	char line[512], name[16];
	FILE *f = fopen("/proc/stat", "r");
	int n = snprintf(name, sizeof(name), "cpu%u ", cpu);

	while (f != NULL && fgets(line, sizeof(line), f) != NULL) {
		char *p = line + n;

		if (strncmp(line, name, (size_t)n) != 0)
			continue;
		for (uint32_t i = 0; i < COST_NB_TICKS; i++)
			c->tick[i] = strtoull(p, &p, 10);
		break;
	}
	if (f != NULL)
		fclose(f);
}

/* Column 2 of a CPU's row is what its queue of input had no room for. */
static uint64_t
read_dropped(void)
{
	FILE *f = fopen("/proc/net/softnet_stat", "r");
	uint64_t sum = 0;
	char line[512];

	while (f != NULL && fgets(line, sizeof(line), f) != NULL) {
		char *p;

		strtoull(line, &p, 16);
		sum += strtoull(p, NULL, 16);
	}
	if (f != NULL)
		fclose(f);
	return sum;
}

static uint64_t
read_process(uint32_t pid)
{
	char path[64], line[128] = "";
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%u/schedstat", pid);
	f = fopen(path, "r");
	if (f == NULL)
		return 0;
	if (fgets(line, sizeof(line), f) == NULL)
		line[0] = '\0';
	fclose(f);
	return strtoull(line, NULL, 10);
}

void
cost_read(struct cost *c, const struct args *a)
{
	*c = (struct cost){.now = now_ns()};
	if (a->busy_cpu == UINT32_MAX)
		return;
	read_ticks(c, a->busy_cpu);
	c->dropped = read_dropped();
	for (uint32_t i = 0; i < a->nb_pids; i++)
		c->processes += read_process(a->pid[i]);
}

void
cost_print(FILE *f, const struct cost *from, const struct cost *to, const struct args *a)
{
	double hz = (double)sysconf(_SC_CLK_TCK), wall = (double)(to->now - from->now) / 1e9;
	double s[COST_NB_TICKS], idle;

	if (a->busy_cpu == UINT32_MAX)
		return;
	for (uint32_t i = 0; i < COST_NB_TICKS; i++)
		s[i] = (double)(to->tick[i] - from->tick[i]) / hz;
	/* The kernel measures idle time, and samples what the rest went to. */
	idle = s[COST_idle] + s[COST_iowait] + s[COST_steal];
	fprintf(f, "  \"forwarder\": {\"cpu\": %u, \"wall_s\": %.4f, \"busy_s\": %.4f", a->busy_cpu,
		wall, idle < wall ? wall - idle : 0);
#define COST_PRINT(name) fprintf(f, ", \"" #name "_s\": %.2f", s[COST_##name]);
	COST_TICKS(COST_PRINT)
#undef COST_PRINT
	fprintf(f, ", \"processes_s\": %.4f, \"dropped\": %" PRIu64 "},\n",
		(double)(to->processes - from->processes) / 1e9, to->dropped - from->dropped);
}
