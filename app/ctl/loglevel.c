/* SPDX-License-Identifier: BSD-3-Clause */
#include <string.h>

#include "view.h"

static const char *const levels[] = {"emergency", "alert",  "critical", "error",
				     "warning",	  "notice", "info",	"debug"};
#define NB_LEVELS (sizeof(levels) / sizeof(levels[0]))

/* Keys of telemetry have no dots. */
static json_t *
with_dots(const json_t *reply)
{
	json_t *o = json_object(), *v;
	const char *key;

	json_object_foreach ((json_t *)(uintptr_t)reply, key, v) {
		char name[64];

		snprintf(name, sizeof(name), "%s", key);
		if (strncmp(name, "pubwire_", 8) == 0)
			name[7] = '.';
		json_object_set(o, name, v);
	}
	return o;
}

/* The levels as they are, by type. */
static json_t *
read_levels(struct ctl *c)
{
	json_t *reply = ctl_ask(c, "/pubwire/log_level"), *o = NULL;

	if (reply != NULL)
		o = with_dots(reply);
	json_decref(reply);
	return o;
}

static int
check(struct ctl *c, const json_t *now, const char *type, const char *level)
{
	char list[512] = "";
	size_t at = 0;
	const char *key;
	json_t *v;

	for (size_t i = 0; i < NB_LEVELS; i++)
		if (strcmp(levels[i], level) == 0)
			goto type;
	return ctl_fail(c, CTL_USAGE,
			"'%s' is no level: expected emergency, alert, critical, error, warning, "
			"notice, info or debug",
			level);
type:
	if (strcmp(type, "all") == 0 || json_object_get(now, type) != NULL)
		return CTL_OK;
	json_object_foreach ((json_t *)(uintptr_t)now, key, v)
		if (at < sizeof(list))
			at += (size_t)snprintf(list + at, sizeof(list) - at, ", %s", key);
	return ctl_fail(c, CTL_USAGE, "'%s' is no type: expected all%s", type, list);
}

static bool
is_set(const json_t *now, const char *type, const char *level)
{
	const char *key;
	json_t *v;

	json_object_foreach ((json_t *)(uintptr_t)now, key, v)
		if ((strcmp(type, "all") == 0 || strcmp(type, key) == 0) &&
		    strcmp(json_string_value(v) != NULL ? json_string_value(v) : "", level) != 0)
			return false;
	return true;
}

/* Asks for it, and waits until pubwire has done it; now: the levels then. */
static int
set(struct ctl *c, json_t **now, const char *type, const char *level)
{
	const double end = ctl_now() + 5;
	json_t *reply = ctl_ask(c, "/pubwire/log_level,%s,%s", type, level);

	if (reply == NULL)
		return CTL_FAILED;
	json_decref(reply);
	for (;;) {
		json_decref(*now);
		*now = read_levels(c);
		if (*now == NULL)
			return CTL_FAILED;
		if (is_set(*now, type, level))
			return CTL_OK;
		if (ctl_now() > end)
			return ctl_fail(c, CTL_FAILED,
					"pubwire did not set the level: its main thread is stuck");
		ctl_sleep(0.02);
	}
}

static int
run(struct ctl *c, char **args, int nb_args)
{
	json_t *now = read_levels(c), *v;
	char type[64] = "";
	int rc = CTL_OK;
	const char *key;

	if (now == NULL)
		return CTL_FAILED;
	if (nb_args == 1)
		rc = ctl_fail(c, CTL_USAGE, "usage: pubwirectl log-level [TYPE LEVEL]");
	if (nb_args == 2) {
		bool whole = strcmp(args[0], "all") == 0 || strncmp(args[0], "pubwire.", 8) == 0;

		snprintf(type, sizeof(type), "%s%s", whole ? "" : "pubwire.", args[0]);
		rc = check(c, now, type, args[1]);
		if (rc == CTL_OK)
			rc = set(c, &now, type, args[1]);
	}
	if (rc == CTL_OK && c->json)
		return ctl_json(c, now, false);
	if (rc == CTL_OK)
		json_object_foreach (now, key, v)
			printf("%-16s %s\n", key, json_string_value(v));
	json_decref(now);
	return rc;
}

const struct ctl_command ctl_cmd_log_level = {
	.name = "log-level",
	.arguments = "[TYPE LEVEL]",
	.summary = "What is logged: show the levels, or set one until the restart",
	.help = "\n"
		"TYPE is pubwire.wire, pubwire.tcp and the like, with or without \"pubwire.\", or\n"
		"all; LEVEL is emergency, alert, critical, error, warning, notice, info or\n"
		"debug. Lines up to that level are logged. log.level of the configuration counts\n"
		"again after a restart.\n",
	.max_args = 2,
	.run = run,
};
