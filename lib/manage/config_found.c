/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a file leaves to the place where the program runs, as pods need it: which CPUs work, and
 * which PCI device is ours. What was found stands in struct pw_config as if the file had said it.
 */

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_config.h>

#include "config_pvt.h"

#define AUTO	"auto"
#define FROM	"env:"
#define ENV_MAX 64 /* bytes of a variable's name */

/*
 * The CPUs of the first question: EAL binds the main thread to one of them afterwards, and a file
 * that is read again has to mean the same.
 */
bool
pw_config_cpu_usable(uint32_t cpu)
{
	static cpu_set_t at_first;
	static bool known;

	if (!known && sched_getaffinity(0, sizeof(at_first), &at_first) != 0)
		return false;
	known = true;
	return cpu < CPU_SETSIZE && CPU_ISSET(cpu, &at_first);
}

bool
config_is_auto(const char *text)
{
	size_t len = sizeof(AUTO) - 1;

	return strncmp(text, AUTO, len) == 0 && (text[len] == '\0' || text[len] == ':');
}

static bool
is_taken(const struct pw_config *c, uint32_t cpu)
{
	if (c->main_cpu == (int32_t)cpu)
		return true;
	for (uint32_t w = 0; w < c->nb_workers; w++)
		if (c->lcore[w] == cpu)
			return true;
	return false;
}

int
config_auto_lcores(struct config_loader *l, const char *path, const char *text, uint8_t role)
{
	static const struct num_key count = {.kind = NUM_COUNT, .min = 1, .max = RTE_MAX_LCORE};
	struct pw_config *c = l->c;
	uint32_t cpus[RTE_MAX_LCORE], n = 0, first;
	uint64_t wanted = 0;
	int rc = 0;

	if (l->flags & PW_CONFIG_EAL_LCORES)
		return config_refuse(l, path,
				     "'%.40s' stands beside an EAL option that chooses lcores; "
				     "expected one of them",
				     text);
	if (text[sizeof(AUTO) - 1] == ':')
		rc = config_number(l, path, text + sizeof(AUTO), &count, &wanted);
	if (rc != 0)
		return rc;
	for (uint32_t cpu = 0; cpu < RTE_MAX_LCORE; cpu++)
		if (pw_config_cpu_usable(cpu) && !is_taken(c, cpu))
			cpus[n++] = cpu;
	if (n < wanted || n == 0)
		return config_refuse(l, path,
				     "'%.40s' of %u CPUs that this process may use and nothing "
				     "else here has; expected at most so many",
				     text, n);
	/* The lowest stays with the main thread, where it can, as main_cpu: auto takes it. */
	first = c->main_cpu < 0 && n > 1 && wanted < n;
	if (wanted == 0)
		wanted = n - first;
	if (c->nb_workers + wanted > PW_FORWARD_MAX_WORKERS)
		return config_refuse(l, path, "%u workers; expected at most %d, as by auto:%d",
				     c->nb_workers + (uint32_t)wanted, PW_FORWARD_MAX_WORKERS,
				     PW_FORWARD_MAX_WORKERS - c->nb_workers);
	for (uint32_t i = 0; i < wanted; i++) {
		c->lcore[c->nb_workers] = cpus[first + i];
		c->role[c->nb_workers++] = role;
	}
	return 0;
}

/* EAL would else try every device of the host that sysfs shows, other pods' too. */
static int
allow(struct config_loader *l, const char *path, const char *device)
{
	struct pw_config *c = l->c;
	char arg[sizeof(c->eal[0])];

	snprintf(arg, sizeof(arg), "--allow=%s", device);
	for (uint32_t i = 0; i < c->nb_eal; i++)
		if (strcmp(c->eal[i], arg) == 0)
			return 0;
	if (c->nb_eal == PW_CONFIG_MAX_EAL)
		return config_refuse(l, path,
				     "no room for %s beside %u arguments; expected fewer in eal",
				     arg, c->nb_eal);
	memcpy(c->eal[c->nb_eal++], arg, sizeof(arg));
	return 0;
}

/* DOMAIN:BUS:DEVICE.FUNCTION, as the kernel writes it and device plug-ins pass it on. */
static bool
is_pci_address(const char *text, size_t len)
{
	static const char shape[] = "xxxx:xx:xx.x";

	if (len != sizeof(shape) - 1)
		return false;
	for (size_t i = 0; i < len; i++) {
		if (shape[i] == 'x' ? strchr("0123456789abcdefABCDEF", text[i]) == NULL
				    : text[i] != shape[i])
			return false;
	}
	return true;
}

/* Item number index, from 0, of a comma list; NULL where it has fewer. */
static const char *
item_of(const char *list, uint64_t index, size_t *len)
{
	for (; index > 0 && list != NULL; index--) {
		list = strchr(list, ',');
		list = list != NULL ? list + 1 : NULL;
	}
	*len = list != NULL ? strcspn(list, ",") : 0;
	return list;
}

int
config_device(struct config_loader *l, const char *path, const char *text, char *dst, size_t room)
{
	static const struct num_key nth = {.kind = NUM_COUNT, .min = 1, .max = 64};
	const char *name = text + sizeof(FROM) - 1, *list, *item;
	size_t len = strcspn(name, ":");
	char variable[ENV_MAX];
	uint64_t n = 1;
	int rc = 0;

	if (strncmp(text, FROM, sizeof(FROM) - 1) != 0) {
		snprintf(dst, room, "%s", text);
		return 0;
	}
	if (len == 0 || len >= sizeof(variable) ||
	    strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
			 "abcdefghijklmnopqrstuvwxyz0123456789_") != len)
		return config_refuse(l, path,
				     "'%.60s' names no variable of the environment; expected "
				     "env:NAME, or env:NAME:2 for the second device of a list",
				     text);
	snprintf(variable, sizeof(variable), "%.*s", (int)len, name);
	if (name[len] == ':')
		rc = config_number(l, path, name + len + 1, &nth, &n);
	if (rc != 0)
		return rc;
	list = getenv(variable);
	if (list == NULL || list[0] == '\0')
		return config_refuse(l, path,
				     "%s is not in the environment; expected the PCI addresses "
				     "that a device plug-in puts there (does the container ask for "
				     "the resource?)",
				     variable);
	item = item_of(list, n - 1, &len);
	if (item == NULL)
		return config_refuse(l, path,
				     "%s has fewer than %u devices ('%.80s'); expected one more, "
				     "or a smaller number",
				     variable, (uint32_t)n, list);
	if (!is_pci_address(item, len) || len >= room)
		return config_refuse(l, path,
				     "'%.*s' in %s is no PCI address; expected one such as "
				     "0000:01:00.2",
				     (int)(len < 40 ? len : 40), item, variable);
	snprintf(dst, room, "%.*s", (int)len, item);
	return allow(l, path, dst);
}
