/* SPDX-License-Identifier: BSD-3-Clause */
#include "view.h"

static double interval = 1;

static const struct ctl_option options[] = {
	{"interval", 'i', CTL_SECONDS, &interval},
	{0},
};

static int
run(struct ctl *c, char **args, int nb_args)
{
	json_t *view = ctl_view_take(c, interval);

	(void)args;
	(void)nb_args;
	if (view == NULL)
		return CTL_FAILED;
	if (c->json)
		return ctl_json(c, view, false);
	ctl_render(c, view, stdout, CTL_BY_NAME, 0);
	json_decref(view);
	return CTL_OK;
}

const struct ctl_command ctl_cmd_status = {
	.name = "status",
	.arguments = "[-i SECONDS]",
	.summary = "How pubwire does, on one screen",
	.help = "\n"
		"Rates, busy shares and latencies are those of the time that it looks; what was\n"
		"dropped is listed where it moves in that time. Lines with ! want to be looked\n"
		"at.\n"
		"\n"
		"  -i, --interval SECONDS  how long to look [1]\n",
	.options = options,
	.run = run,
};
