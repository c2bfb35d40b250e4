/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pubwire holds its end back for a moment until somebody who asked for the drain has heard how it
 * went: "heard" lets it go.
 */

#include <string.h>

#include "view.h"

#define STEP_S	      0.1
#define ENDS_WITHIN_S 30

static void
put_progress(const json_t *now, char *last, size_t len)
{
	char line[256];

	snprintf(line, sizeof(line),
		 "%s: %s devices; %s messages without a broker's acknowledgement, %s whose device "
		 "is to be told, %s on their way to a further broker",
		 ctl_str(now, "state"), ctl_whole(ctl_u64(now, "sessions")),
		 ctl_whole(ctl_u64(now, "outstanding")), ctl_whole(ctl_u64(now, "owed")),
		 ctl_whole(ctl_u64(now, "trailing")));
	if (strcmp(line, last) == 0)
		return;
	snprintf(last, len, "%s", line);
	printf("%s\n", line);
	fflush(stdout);
}

/* Until it has ended; the socket ends with it. */
static void
wait_for_end(struct ctl *c)
{
	const double end = ctl_now() + ENDS_WITHIN_S;

	while (ctl_now() < end) {
		json_t *o = ctl_ask(c, "/pubwire/drain");
		bool stopping = strstr(c->err, "is stopping") != NULL;

		json_decref(o);
		if (o == NULL && !stopping)
			break;
		c->err[0] = '\0';
		ctl_sleep(STEP_S / 4);
	}
	c->err[0] = '\0';
}

static int
finish(struct ctl *c, json_t *now, double took)
{
	bool clean = strcmp(ctl_str(now, "state"), "drained") == 0;
	uint64_t lost = ctl_u64(now, "lost_messages"), trailing = ctl_u64(now, "lost_trailing");
	uint64_t wills = ctl_u64(now, "lost_wills");
	int rc = CTL_OK;

	json_decref(ctl_ask(c, "/pubwire/drain,heard"));
	wait_for_end(c);
	if (c->json) {
		json_object_set_new(now, "seconds", json_real(took));
		rc = ctl_json(c, json_incref(now), false);
	} else if (clean) {
		printf("drained in %.1f s: nothing that a device was told is safe was lost\n",
		       took);
	}
	json_decref(now);
	if (rc != CTL_OK || clean)
		return rc;
	return ctl_fail(
		c, CTL_FAILED,
		"the drain was cut: %lu messages were given up, %lu that were acknowledged are "
		"not at every broker, %lu wills were dropped",
		(unsigned long)lost, (unsigned long)trailing, (unsigned long)wills);
}

static int
run(struct ctl *c, char **args, int nb_args)
{
	const double began = ctl_now();
	json_t *now = ctl_ask(c, "/pubwire/drain,start");
	char last[256] = "";

	(void)args;
	(void)nb_args;
	if (now != NULL && !c->json)
		printf("drain: at most %lu ms\n", (unsigned long)ctl_u64(now, "deadline_ms"));
	while (now != NULL) {
		const char *state = ctl_str(now, "state");

		if (strcmp(state, "drained") == 0 || strcmp(state, "cut") == 0)
			return finish(c, now, ctl_now() - began);
		if (!c->json)
			put_progress(now, last, sizeof(last));
		json_decref(now);
		ctl_sleep(STEP_S);
		now = ctl_ask(c, "/pubwire/drain");
	}
	return ctl_fail(c, CTL_FAILED,
			"pubwire ended before it said how the drain went: its log tells");
}

const struct ctl_command ctl_cmd_drain = {
	.name = "drain",
	.arguments = "",
	.summary = "Let pubwire finish what is on its way, and end, as SIGTERM does",
	.help = "\n"
		"Devices are told to go, brokers get what is outstanding, for at most\n"
		"drain_deadline of the configuration. Shows what is left, and returns when\n"
		"pubwire has ended: 0 where everything came through, 1 where the deadline cut\n"
		"it. Ctrl-C ends pubwirectl and not the drain. Under systemd the service ends\n"
		"and stays so; systemctl start begins anew.\n",
	.run = run,
};
