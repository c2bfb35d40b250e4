/* SPDX-License-Identifier: BSD-3-Clause */
/* Why a device waits, and how the brokers do that it waits for. */

#include <ctype.h>
#include <string.h>

#include "view.h"

/* Whether a sentence names a broker: the name as a word of it. */
static bool
names(const char *sentence, const char *name)
{
	size_t len = strlen(name);

	for (const char *p = sentence; len > 0 && (p = strstr(p, name)) != NULL; p++) {
		char before = p > sentence ? p[-1] : ' ', after = p[len];

		if (strchr(" (", before) != NULL &&
		    (after == '\0' || strchr(" ,).;", after) != NULL))
			return true;
	}
	return false;
}

/* The brokers that some reason names. */
static json_t *
brokers_of(struct ctl *c, const json_t *reasons)
{
	static struct ctl_sample now;
	json_t *all, *out = NULL, *b, *r;
	size_t i, k;

	now.brokers = ctl_ask_rows(c, "/pubwire/brokers");
	if (now.brokers == NULL)
		return NULL;
	all = ctl_view_brokers(NULL, &now, false);
	out = json_array();
	json_array_foreach (all, i, b)
		json_array_foreach (reasons, k, r)
			if (names(json_string_value(r), ctl_str(b, "broker"))) {
				json_array_append(out, b);
				break;
			}
	json_decref(all);
	ctl_sample_free(&now);
	return out;
}

static void
put(const json_t *doc)
{
	json_t *row;
	size_t i;

	printf("%s: %s, worker %lu\n", ctl_str(doc, "client_id"),
	       json_is_true(json_object_get(doc, "connected")) ? "connected" : "not connected",
	       (unsigned long)ctl_u64(doc, "worker"));
	json_array_foreach (json_object_get(doc, "reasons"), i, row)
		printf("  %s\n", json_string_value(row));
	json_array_foreach (json_object_get(doc, "brokers"), i, row) {
		uint64_t up = ctl_u64(row, "up"), all = ctl_u64(row, "connections");
		const char *error = ctl_str(row, "last_error");

		printf("broker %s: ", ctl_str(row, "broker"));
		if (ctl_u64(row, "detached_now") > 0)
			printf("detached, ");
		if (up == all)
			printf("up");
		else if (up == 0)
			printf("it is away (%s)", ctl_str(row, "state"));
		else
			printf("%lu of %lu connections are up, the others: %s", (unsigned long)up,
			       (unsigned long)all, ctl_str(row, "state"));
		printf("; %s messages wait for it, %s of them are sent",
		       ctl_whole(ctl_u64(row, "held")), ctl_whole(ctl_u64(row, "inflight")));
		printf("%s%s\n", error[0] != '\0' ? "; its last error: " : "", error);
	}
}

static int
run(struct ctl *c, char **args, int nb_args)
{
	json_t *reply = ctl_ask(c, "/pubwire/why,%s", args[0]), *doc, *reasons, *brokers;

	(void)nb_args;
	if (reply == NULL)
		return CTL_FAILED;
	if (json_object_get(reply, "worker") == NULL) {
		ctl_fail(c, CTL_UNKNOWN, "no device '%s' is connected, and nothing is kept for one",
			 ctl_str(reply, "client_id"));
		json_decref(reply);
		return CTL_UNKNOWN;
	}
	doc = json_object();
	reasons = json_array();
	json_object_set_new(doc, "client_id", json_string_nocheck(ctl_str(reply, "client_id")));
	json_object_set_new(doc, "connected", json_boolean(ctl_u64(reply, "connected") != 0));
	json_object_set(doc, "worker", json_object_get(reply, "worker"));
	for (int i = 0; i < 16; i++) {
		char key[16];

		snprintf(key, sizeof(key), "why%d", i);
		if (json_is_string(json_object_get(reply, key)))
			json_array_append(reasons, json_object_get(reply, key));
	}
	json_decref(reply);
	json_object_set_new(doc, "reasons", reasons);
	brokers = brokers_of(c, reasons);
	if (brokers == NULL) {
		json_decref(doc);
		return CTL_FAILED;
	}
	json_object_set_new(doc, "brokers", brokers);
	if (c->json)
		return ctl_json(c, doc, false);
	put(doc);
	json_decref(doc);
	return CTL_OK;
}

const struct ctl_command ctl_cmd_why = {
	.name = "why",
	.arguments = "ID",
	.summary = "Why the device of a client identifier waits",
	.help = "\n"
		"What holds it up, most direct first, and how the brokers do that it waits for.\n"
		"pubwire knows devices by the first 39 bytes of their identifier; one that\n"
		"begins with - stands behind --. Exit status 3: there is none such.\n",
	.min_args = 1,
	.max_args = 1,
	.run = run,
};
