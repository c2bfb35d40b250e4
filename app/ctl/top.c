/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The live view. It outlives pubwire: where that ends, it says so and asks for it again, so that a
 * restart can be watched.
 */

#include <string.h>
#include <time.h>

#include "term.h"
#include "view.h"

static double interval = 1;
static uint32_t times;

static const struct ctl_option options[] = {
	{"interval", 'i', CTL_SECONDS, &interval},
	{"times", 'n', CTL_NUMBER, &times},
	{0},
};

struct top {
	struct ctl_sample sample[2]; /* large */
	uint32_t at;		     /* the newer one */
	json_t *view;		     /* NULL: there is none yet */
	enum ctl_sort sort;
	bool paused;
};

static bool
connected(struct ctl *c)
{
	return c->fd >= 0 || ctl_connect(c) == CTL_OK;
}

/* Ask once more. Where that fails the view stays, and err says why. */
static void
look(struct ctl *c, struct top *t)
{
	struct ctl_sample *older = &t->sample[t->at], *newer = &t->sample[!t->at];

	if (!connected(c) || ctl_sample_take(c, newer) != CTL_OK) {
		ctl_disconnect(c);
		ctl_sample_free(older);
		ctl_sample_free(newer);
		return;
	}
	t->at = !t->at;
	c->err[0] = '\0';
	if (older->at == 0)
		return;
	json_decref(t->view);
	t->view = ctl_view(older, newer);
}

static const char *
sort_str(enum ctl_sort sort)
{
	static const char *const name[] = {"rate", "lag", "name"};

	return name[sort];
}

static void
draw(struct ctl *c, const struct top *t)
{
	static char text[1 << 18];
	FILE *out = fmemopen(text, sizeof(text) - 1, "w");
	int width, height, lines = 0;
	time_t now = time(NULL);
	char clock[16];

	if (out == NULL)
		return;
	term_size(&width, &height);
	if (c->err[0] != '\0')
		fprintf(out, "%s%.*s%s\n", ctl_esc(c, CTL_BAD), (int)strcspn(c->err, "\n"), c->err,
			ctl_esc(c, CTL_PLAIN));
	if (t->view != NULL)
		ctl_render(c, t->view, out, t->sort, height - 1 - (c->err[0] != '\0'));
	else if (c->err[0] == '\0')
		fprintf(out, "rates come with the second look\n");
	fclose(out);
	/* The last line is that of the keys. */
	for (char *p = text; *p != '\0'; p++)
		if (*p == '\n' && ++lines == height - 1)
			p[1] = '\0';
	for (; lines < height - 1; lines++)
		strcat(text, "\n");
	strftime(clock, sizeof(clock), "%H:%M:%S", localtime(&now));
	snprintf(text + strlen(text), sizeof(text) - strlen(text),
		 "%sq quit  space %s  s sort by: %s  %s", ctl_esc(c, CTL_DIM),
		 t->paused ? "go on (paused)" : "pause", sort_str(t->sort), clock);
	term_draw(text);
}

/* Keys, until it is time to look again. False: it is over. */
static bool
keys(struct ctl *c, struct top *t)
{
	const double until = ctl_now() + interval;

	for (;;) {
		double left = until - ctl_now();
		int key;

		if (left <= 0 && !t->paused)
			return true;
		key = term_wait(t->paused || left > 1 ? 1 : left);
		if (key == TERM_TIME)
			continue;
		if (key == 'q' || key == 'Q' || key == TERM_GONE)
			return false;
		if (key == ' ')
			t->paused = !t->paused;
		if (key == 's')
			t->sort = (t->sort + 1) % CTL_SORTS;
		draw(c, t);
	}
}

static int
stream(struct ctl *c, struct top *t)
{
	for (uint32_t n = 0; times == 0 || n < times;) {
		look(c, t);
		if (c->err[0] != '\0')
			return CTL_FAILED;
		if (t->view != NULL) {
			if (ctl_json(c, json_incref(t->view), true) != CTL_OK)
				return CTL_FAILED;
			n++;
		}
		if (times == 0 || n < times)
			ctl_sleep(interval);
	}
	return CTL_OK;
}

static int
run(struct ctl *c, char **args, int nb_args)
{
	static struct top t;
	int rc = CTL_OK;

	(void)args;
	(void)nb_args;
	if (c->json) {
		rc = stream(c, &t);
	} else if (!term_open()) {
		rc = ctl_fail(
			c, CTL_USAGE,
			"top needs a terminal: use status, or top --json for a line each time");
	} else {
		for (uint32_t n = 0; times == 0 || n < times; n++) {
			look(c, &t);
			draw(c, &t);
			if (!keys(c, &t))
				break;
		}
		term_close();
		c->err[0] = '\0';
	}
	json_decref(t.view);
	ctl_sample_free(&t.sample[0]);
	ctl_sample_free(&t.sample[1]);
	return rc;
}

const struct ctl_command ctl_cmd_top = {
	.name = "top",
	.arguments = "[-i SECONDS] [-n N]",
	.summary = "The same as status, live",
	.help = "\n"
		"Keys: q ends it, space stops and goes on, s sorts brokers by rate, lag or name;\n"
		"workers stand by how busy they are, drops by their rate. What finds no room in\n"
		"the window is counted. Where pubwire ends, top waits for it to come back. With\n"
		"--json it prints a document a line and needs no terminal.\n"
		"\n"
		"  -i, --interval SECONDS  how often to look [1]\n"
		"  -n, --times N           end after N looks [0: never]\n",
	.options = options,
	.run = run,
};
