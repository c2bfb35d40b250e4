/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a configuration asks of this machine and of EAL: its arguments, memory, which CPUs work.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <rte_common.h>
#include <rte_config.h>
#include <rte_log.h>

#include "config_pvt.h"

uint32_t
pw_config_log_level(const struct pw_config *c)
{
	for (uint32_t i = 0; config_level_words[i] != NULL; i++)
		if (strcmp(config_level_words[i], c->log_level) == 0)
			return RTE_LOG_EMERG + i;
	return RTE_LOG_INFO;
}

bool
pw_config_eal_lcores(const char *arg)
{
	static const char *const short_options[] = {"-l", "-c", "-s", "-S"};

	for (uint32_t i = 0; i < RTE_DIM(short_options); i++)
		if (strncmp(arg, short_options[i], 2) == 0)
			return true;
	return strncmp(arg, "--lcores", 8) == 0 || strncmp(arg, "--main-lcore", 12) == 0;
}

int
config_take_eal(struct config_loader *l)
{
	const struct raw_list *list = &l->raw->eal;
	struct pw_config *c = l->c;
	int no_huge = -1, in_memory = -1;
	char path[CONFIG_PATH_LEN];

	if (list->n > PW_CONFIG_MAX_EAL)
		return config_refuse(l, "eal", "%u arguments; expected at most %d", list->n,
				     PW_CONFIG_MAX_EAL);
	for (uint32_t i = 0; i < list->n; i++) {
		const char *arg = list->v[i];

		snprintf(path, sizeof(path), "eal[%u]", i);
		if (arg[0] == '\0' || strlen(arg) >= sizeof(c->eal[i]))
			return config_refuse(l, path, "an argument of %zu bytes; expected 1 to %zu",
					     strlen(arg), sizeof(c->eal[i]) - 1);
		if (strcmp(arg, "--") == 0 || strcmp(arg, "-h") == 0 ||
		    strcmp(arg, "--help") == 0 || strcmp(arg, "-v") == 0)
			return config_refuse(l, path,
					     "'%s' has no place in a file; expected an EAL option",
					     arg);
		if (i == 0 && arg[0] != '-')
			return config_refuse(
				l, path,
				"'%.40s' is no option; expected one that starts with -, "
				"or --option=value in one item",
				arg);
		if (strcmp(arg, "--no-huge") == 0)
			no_huge = i;
		if (strcmp(arg, "--in-memory") == 0)
			in_memory = i;
		if (pw_config_eal_lcores(arg))
			l->flags |= PW_CONFIG_EAL_LCORES;
		snprintf(c->eal[i], sizeof(c->eal[i]), "%s", arg);
	}
	c->nb_eal = list->n;
	if (no_huge >= 0 && in_memory >= 0) {
		snprintf(path, sizeof(path), "eal[%d]", RTE_MAX(no_huge, in_memory));
		return config_refuse(l, path,
				     "--no-huge and --in-memory exclude each other in DPDK 22.11; "
				     "expected one of them");
	}
	return 0;
}

static const struct num_key lcore_key = {.kind = NUM_COUNT, .min = 0, .max = RTE_MAX_LCORE - 1};

/* Add the lcores of one list with a role. */
static int
take_lcores(struct config_loader *l, const char *key, const struct raw_list *list, uint8_t role)
{
	struct pw_config *c = l->c;
	char path[CONFIG_PATH_LEN];

	for (uint32_t i = 0; i < list->n; i++) {
		uint64_t id;
		int rc;

		snprintf(path, sizeof(path), "workers.%s[%u]", key, i);
		if (config_is_auto(list->v[i]) && list->n == 1)
			return config_auto_lcores(l, path, list->v[i], role);
		if (config_is_auto(list->v[i]))
			return config_refuse(l, path, "'%.40s' beside others; expected it alone",
					     list->v[i]);
		rc = config_number(l, path, list->v[i], &lcore_key, &id);
		if (rc != 0)
			return rc;
		for (uint32_t w = 0; w < c->nb_workers; w++)
			if (c->lcore[w] == id)
				return config_refuse(
					l, path, "lcore %u stands twice; expected each lcore once",
					(uint32_t)id);
		if (!(l->flags & PW_CONFIG_EAL_LCORES) && !pw_config_cpu_usable(id))
			return config_refuse(
				l, path,
				"CPU %u is not there or not allowed to this process; "
				"expected one of those that 'nproc' and 'taskset -p $$' "
				"count",
				(uint32_t)id);
		if (c->nb_workers == PW_FORWARD_MAX_WORKERS)
			return config_refuse(l, path, "too many workers; expected at most %d",
					     PW_FORWARD_MAX_WORKERS);
		c->lcore[c->nb_workers] = id;
		c->role[c->nb_workers++] = role;
	}
	return 0;
}

static int
take_roles(struct config_loader *l, const struct raw_workers *w)
{
	const uint8_t both = PW_ROLE_DEVICES | PW_ROLE_BROKERS;
	int rc;

	if (w->lcores.n > 0 && (w->devices.n > 0 || w->brokers.n > 0))
		return config_refuse_key(l,
					 w->devices.n > 0 ? "workers.devices" : "workers.brokers",
					 "stands beside lcores; expected either lcores, or devices "
					 "and brokers");
	if (w->lcores.n == 0 && (w->devices.n == 0) != (w->brokers.n == 0))
		return config_refuse(l, "workers", "no %s; expected both devices and brokers",
				     w->devices.n == 0 ? "devices" : "brokers");
	rc = take_lcores(l, "lcores", &w->lcores, both);
	if (rc == 0)
		rc = take_lcores(l, "devices", &w->devices, PW_ROLE_DEVICES);
	if (rc == 0)
		rc = take_lcores(l, "brokers", &w->brokers, PW_ROLE_BROKERS);
	return rc;
}

static int
take_main_cpu(struct config_loader *l, const char *text)
{
	uint64_t cpu;
	int rc;

	if (text == NULL || strcmp(text, "auto") == 0)
		return 0;
	rc = config_number(l, "workers.main_cpu", text, &lcore_key, &cpu);
	if (rc != 0)
		return rc;
	if (l->flags & PW_CONFIG_EAL_LCORES)
		return config_refuse(
			l, "workers.main_cpu",
			"stands beside an EAL option that chooses lcores; expected one "
			"of them");
	if (!pw_config_cpu_usable(cpu))
		return config_refuse(l, "workers.main_cpu",
				     "CPU %u is not there or not allowed to this process; expected "
				     "one that is, or auto",
				     (uint32_t)cpu);
	l->c->main_cpu = cpu;
	return 0;
}

/* Logging, memory and workers: what is reserved before a packet is seen. */
int
config_take_workers(struct config_loader *l)
{
	const struct raw_config *raw = l->raw;
	const struct raw_workers *w = raw->workers;
	struct pw_config *c = l->c;
	uint32_t word;
	int rc;

	if (raw->log != NULL && raw->log->level != NULL) {
		rc = config_word(l, "log.level", raw->log->level, config_level_words, &word);
		if (rc != 0)
			return rc;
		snprintf(c->log_level, sizeof(c->log_level), "%s", config_level_words[word]);
	}
	if (raw->memory != NULL) {
		rc = config_numbers(l, "memory", config_memory_keys, raw->memory, c);
		if (rc != 0)
			return rc;
	}
	if (w == NULL || (w->lcores.n == 0 && w->devices.n == 0 && w->brokers.n == 0))
		return config_refuse(l, "workers",
				     "no worker; expected lcores, or devices and brokers");
	rc = take_main_cpu(l, w->main_cpu);
	if (rc == 0)
		rc = take_roles(l, w);
	if (rc == 0)
		rc = config_numbers(l, "workers", config_worker_keys, w, c);
	if (rc == 0 && w->idle != NULL) {
		rc = config_word(l, "workers.idle", w->idle, config_idle_words, &word);
		if (rc == 0)
			c->idle = (enum pw_idle)word;
	}
	return rc;
}
