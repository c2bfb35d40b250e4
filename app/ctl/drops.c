/* SPDX-License-Identifier: BSD-3-Clause */
#include <time.h>

#include "view.h"

static double interval = 1;
static bool watch, all;

static const struct ctl_option options[] = {
	{"all", 'a', CTL_FLAG, &all},
	{"watch", 'w', CTL_FLAG, &watch},
	{"interval", 'i', CTL_SECONDS, &interval},
	{0},
};

static void
put_row(struct ctl *c, const json_t *row)
{
	bool some = ctl_u64(row, "count") > 0;

	printf("%s%s %s%s: %s", ctl_esc(c, some ? CTL_WARN : CTL_DIM), ctl_str(row, "room"),
	       ctl_str(row, "reason"), ctl_esc(c, CTL_PLAIN), ctl_whole(ctl_u64(row, "count")));
	if (json_object_get(row, "per_second") != NULL)
		printf(", %s a second", ctl_count(ctl_real(row, "per_second")));
	printf("\n    %s\n    -> %s\n", ctl_str(row, "means"), ctl_str(row, "remedy"));
}

/* Those that there were, or those that moved. */
static json_t *
chosen(const json_t *before, const json_t *now, double seconds)
{
	json_t *out = json_array(), *row;
	size_t i;

	json_array_foreach (now, i, row) {
		uint64_t n = ctl_u64(row, "count"), was;

		if (before == NULL) {
			if (n > 0 || all)
				json_array_append(out, row);
			continue;
		}
		was = ctl_u64(json_array_get(before, i), "count");
		if (n <= was && !all)
			continue;
		json_object_set_new(row, "per_second",
				    json_real(n > was ? (double)(n - was) / seconds : 0));
		json_array_append(out, row);
	}
	return out;
}

static int
print(struct ctl *c, const json_t *before, const json_t *now, double seconds)
{
	json_t *rows = chosen(before, now, seconds), *doc, *row;
	time_t t = time(NULL);
	char clock[16];
	size_t i;

	if (c->json) {
		doc = json_object();
		json_object_set_new(doc, "time", json_integer((json_int_t)t));
		json_object_set_new(doc, "drops", rows);
		return ctl_json(c, doc, watch);
	}
	if (before == NULL && json_array_size(rows) == 0)
		printf("nothing was dropped since the start\n");
	if (before != NULL && json_array_size(rows) > 0) {
		strftime(clock, sizeof(clock), "%H:%M:%S", localtime(&t));
		printf("%s%s%s\n", ctl_esc(c, CTL_BOLD), clock, ctl_esc(c, CTL_PLAIN));
	}
	json_array_foreach (rows, i, row)
		put_row(c, row);
	json_decref(rows);
	if (fflush(stdout) != 0)
		return ctl_fail(c, CTL_FAILED, "the output could not be written");
	return CTL_OK;
}

static int
run(struct ctl *c, char **args, int nb_args)
{
	json_t *before = NULL, *now = ctl_ask_rows(c, "/pubwire/drops");
	double at = ctl_now(), then = 0;
	int rc = now != NULL ? print(c, NULL, now, 0) : CTL_FAILED;

	(void)args;
	(void)nb_args;
	while (watch && rc == CTL_OK) {
		ctl_sleep(interval);
		json_decref(before);
		before = now;
		then = at;
		at = ctl_now();
		now = ctl_ask_rows(c, "/pubwire/drops");
		rc = now != NULL ? print(c, before, now, at - then) : CTL_FAILED;
	}
	json_decref(before);
	json_decref(now);
	return rc;
}

const struct ctl_command ctl_cmd_drops = {
	.name = "drops",
	.arguments = "[-a] [-w] [-i SECONDS]",
	.summary = "What was dropped and why, what that means, and what to do about it",
	.help = "\n"
		"Counts are those since the start. Rooms are parts of pubwire: worker, wire and\n"
		"tcp drop frames and segments, which TCP repeats; forward and upstream drop\n"
		"messages.\n"
		"\n"
		"  -a, --all               also what never happened\n"
		"  -w, --watch             go on with what moves, until Ctrl-C; with --json a\n"
		"                          line each time\n"
		"  -i, --interval SECONDS  how often [1]\n",
	.options = options,
	.run = run,
};
