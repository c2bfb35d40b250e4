/* SPDX-License-Identifier: BSD-3-Clause */
#include "view.h"

static double interval = 1;
static bool connections;

static const struct ctl_option options[] = {
	{"interval", 'i', CTL_SECONDS, &interval},
	{"connections", 'c', CTL_FLAG, &connections},
	{0},
};

static void
put_connections(struct ctl *c, const json_t *brokers)
{
	static const char *const head[] = {"broker",	 "address", ">worker", "log of",
					   "speaks",	 "state",   ">up for", ">lag",
					   ">in flight", ">window", NULL};
	struct ctl_table t;
	json_t *b, *row;
	size_t i, k;

	ctl_table_begin(&t, head);
	json_array_foreach (brokers, i, b)
		json_array_foreach (json_object_get(b, "rows"), k, row) {
			ctl_table_row(&t);
			ctl_cell(&t, CTL_PLAIN, "%s", ctl_str(row, "broker"));
			ctl_cell(&t, CTL_PLAIN, "%s port %lu", ctl_str(row, "address"),
				 (unsigned long)ctl_u64(row, "port"));
			ctl_cell(&t, CTL_PLAIN, "%lu", (unsigned long)ctl_u64(row, "worker"));
			ctl_cell(&t, CTL_PLAIN, "worker %lu, %s, set %lu, %lu",
				 (unsigned long)ctl_u64(row, "log_worker"),
				 ctl_str(row, "protocol"), (unsigned long)ctl_u64(row, "set"),
				 (unsigned long)ctl_u64(row, "pool"));
			ctl_cell(&t, CTL_PLAIN, "%s", ctl_str(row, "speaks"));
			ctl_cell(&t, CTL_PLAIN, "%s", ctl_str(row, "state"));
			ctl_cell(&t, CTL_PLAIN, "%s", ctl_span(ctl_u64(row, "connected_for")));
			ctl_cell(&t, CTL_PLAIN, "%s", ctl_count((double)ctl_u64(row, "lag")));
			ctl_cell(&t, CTL_PLAIN, "%s", ctl_count((double)ctl_u64(row, "inflight")));
			ctl_cell(&t, CTL_PLAIN, "%s", ctl_whole(ctl_u64(row, "window")));
		}
	ctl_table_end(c, &t, stdout, -1);
}

static int
run(struct ctl *c, char **args, int nb_args)
{
	static struct ctl_sample before, now;
	json_t *brokers = NULL, *doc;

	(void)args;
	(void)nb_args;
	before.at = ctl_now();
	before.brokers = ctl_ask_rows(c, "/pubwire/brokers");
	if (before.brokers != NULL) {
		ctl_sleep(interval);
		now.at = ctl_now();
		now.brokers = ctl_ask_rows(c, "/pubwire/brokers");
	}
	if (now.brokers != NULL)
		brokers = ctl_view_brokers(&before, &now, c->json || connections);
	ctl_sample_free(&before);
	ctl_sample_free(&now);
	if (brokers == NULL)
		return CTL_FAILED;
	if (c->json) {
		doc = json_object();
		json_object_set_new(doc, "brokers", brokers);
		return ctl_json(c, doc, false);
	}
	if (connections)
		put_connections(c, brokers);
	else
		ctl_render_brokers(c, brokers, stdout, -1);
	json_decref(brokers);
	return CTL_OK;
}

const struct ctl_command ctl_cmd_brokers = {
	.name = "brokers",
	.arguments = "[-c] [-i SECONDS]",
	.summary = "The brokers: state, rates, what waits for them, their last error",
	.help = "\n"
		"A broker's state is that of its connection that is furthest from being up; lag\n"
		"is what waits to be sent, in flight what waits to be acknowledged, held all\n"
		"that is kept.\n"
		"\n"
		"  -c, --connections       a row for each connection instead\n"
		"  -i, --interval SECONDS  over which rates are taken [1]\n",
	.options = options,
	.run = run,
};
