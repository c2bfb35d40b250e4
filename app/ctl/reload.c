/* SPDX-License-Identifier: BSD-3-Clause */
#include <string.h>

#include "view.h"

#define PATIENCE_S 60
#define PIECE	   120 /* a text of this length goes on in the next one */

/* Lines as they were before telemetry cut them. */
static json_t *
whole_lines(const json_t *pieces)
{
	json_t *out = json_array(), *p;
	char line[2048] = "";
	size_t i;

	json_array_foreach (pieces, i, p) {
		const char *s = json_string_value(p) != NULL ? json_string_value(p) : "";
		size_t at = strlen(line);

		snprintf(line + at, sizeof(line) - at, "%s", s);
		if (strlen(s) == PIECE && i + 1 < json_array_size(pieces))
			continue;
		json_array_append_new(out, json_string_nocheck(line));
		line[0] = '\0';
	}
	return out;
}

/* The result of the attempt, or NULL with err. */
static json_t *
wait_for_result(struct ctl *c, uint64_t generation)
{
	const double end = ctl_now() + PATIENCE_S;

	for (;;) {
		json_t *r = ctl_ask(c, "/pubwire/reload_result");

		if (r == NULL)
			return NULL;
		if (ctl_u64(r, "generation") >= generation &&
		    (strcmp(ctl_str(r, "state"), "done") == 0 ||
		     strcmp(ctl_str(r, "state"), "refused") == 0))
			return r;
		json_decref(r);
		if (ctl_now() > end) {
			ctl_fail(c, CTL_FAILED, "the reload has not ended within %d s", PATIENCE_S);
			return NULL;
		}
		ctl_sleep(0.02);
	}
}

static int
refused(struct ctl *c, const json_t *text)
{
	size_t i, at = 0;
	json_t *line;

	at = (size_t)snprintf(c->err, sizeof(c->err), "refused, everything stays as it was:");
	json_array_foreach (text, i, line)
		if (at < sizeof(c->err))
			at += (size_t)snprintf(c->err + at, sizeof(c->err) - at, "\n  %s",
					       json_string_value(line));
	return CTL_FAILED;
}

static void
put(const json_t *result)
{
	const json_t *changed = json_object_get(result, "changed");
	uint64_t all = ctl_u64(result, "nb_changed");
	json_t *line;
	size_t i;

	json_array_foreach (json_object_get(result, "text"), i, line)
		printf("%s\n", json_string_value(line));
	json_array_foreach (changed, i, line)
		printf("  %s\n", json_string_value(line) != NULL ? json_string_value(line) : "");
	if (all > json_array_size(changed))
		printf("  and %lu more\n", (unsigned long)(all - json_array_size(changed)));
}

static int
run(struct ctl *c, char **args, int nb_args)
{
	json_t *asked = ctl_ask(c, "/pubwire/reload"), *result;
	int rc = CTL_OK;

	(void)args;
	(void)nb_args;
	if (asked == NULL)
		return CTL_FAILED;
	result = wait_for_result(c, ctl_u64(asked, "generation"));
	json_decref(asked);
	if (result == NULL)
		return CTL_FAILED;
	json_object_set_new(result, "text", whole_lines(json_object_get(result, "text")));
	if (c->json)
		rc = ctl_json(c, json_incref(result), false);
	else if (strcmp(ctl_str(result, "state"), "done") == 0)
		put(result);
	if (rc == CTL_OK && strcmp(ctl_str(result, "state"), "refused") == 0)
		rc = refused(c, json_object_get(result, "text"));
	json_decref(result);
	return rc;
}

const struct ctl_command ctl_cmd_reload = {
	.name = "reload",
	.arguments = "",
	.summary = "Take the configuration anew without dropping a connection",
	.help = "\n"
		"The file is taken whole or not at all: 0 where it was, with the keys that are\n"
		"others; 1 where it was refused, with the reasons, and everything stays as it\n"
		"was.\n",
	.run = run,
};
