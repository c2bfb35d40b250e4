/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_errno.h>

#include "script.h"

#define LINE_MAX_LEN 400

bool
pd_wrong(const char *fmt, ...)
{
	va_list ap;

	fputs("  ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	return false;
}

static bool
parse_when(struct text *t, struct when *when)
{
	*when = (struct when){.given = text_char(t, '+')};
	if (!when->given)
		return true;
	if (!text_duration(t, &when->lo))
		return text_expected(t, "a time such as 250ms");
	when->hi = when->lo;
	if (t->p[0] != '.' || t->p[1] != '.')
		return true;
	t->p += 2;
	when->range = true;
	if (!text_duration(t, &when->hi) || when->hi < when->lo)
		return text_expected(t, "a later time");
	return true;
}

static const struct verb *
find_verb(struct text *t)
{
	static const struct verb *const table[] = {verbs_seg, verbs_app, verbs_check, verbs_setup};

	for (uint32_t i = 0; i < RTE_DIM(table); i++) {
		for (const struct verb *v = table[i]; v->name != NULL; v++) {
			size_t n = strlen(v->name);

			/* Signs need no blank behind them. */
			if (v->name[0] == '<' || v->name[0] == '>') {
				if (strncmp(t->p, v->name, n) == 0) {
					t->p += n;
					return v;
				}
			} else if (text_is(t, v->name)) {
				return v;
			}
		}
	}
	return NULL;
}

static bool
parse_step(struct text *t, struct step *s)
{
	if (!parse_when(t, &s->when))
		return false;
	if (text_end(t))
		return s->when.given && !s->when.range ? true
						       : text_expected(t, "what happens then");
	s->verb = find_verb(t);
	if (s->verb == NULL)
		return text_expected(t, "<, >, or the name of a step");
	if (s->when.range && s->verb->kind != VERB_AWAIT)
		return text_expected(t, "one time, as only what is awaited has a range");
	if (s->when.given && s->verb->kind == VERB_SETUP)
		return text_expected(t, "no time before what is set up");
	if (s->verb->parse != NULL && !s->verb->parse(t, s))
		return false;
	return text_end(t) || text_expected(t, "the end of the line");
}

static bool
add_line(struct script *s, char *line, int number)
{
	struct text t = {.file = s->file, .line = number, .start = line, .p = line};
	struct step step = {.line = number, .times = 1};

	if (text_end(&t))
		return true;
	if (!parse_step(&t, &step))
		return false;
	if (step.verb != NULL && step.verb->kind == VERB_SETUP) {
		if (s->n > 0) {
			t.p = line;
			return text_expected(&t, "this before the first step");
		}
		step.verb->setup(&s->setup, &step);
		return true;
	}
	step.text = strdup(line);
	s->step = realloc(s->step, (s->n + 1) * sizeof(*s->step));
	if (s->step == NULL || step.text == NULL)
		abort();
	s->step[s->n++] = step;
	return true;
}

bool
script_read(struct script *s, const char *file)
{
	char line[LINE_MAX_LEN];
	bool good = true;
	FILE *f;

	*s = (struct script){
		.file = file,
		.setup = {.mtu = 1500, .max_segs = 16, .peer_isn = 0x7ffffff0},
	};
	f = fopen(file, "r");
	if (f == NULL) {
		fprintf(stderr, "%s: %s\n", file, strerror(errno));
		return false;
	}
	for (int n = 1; fgets(line, sizeof(line), f) != NULL; n++) {
		line[strcspn(line, "\n")] = '\0';
		good = add_line(s, line, n) && good;
	}
	fclose(f);
	if (good && s->n == 0) {
		fprintf(stderr, "%s: there is no step in it\n", file);
		good = false;
	}
	return good;
}

void
script_free(struct script *s)
{
	for (uint32_t i = 0; i < s->n; i++)
		free(s->step[i].text);
	free(s->step);
	*s = (struct script){.file = NULL};
}

bool
pd_all_taken(const struct pd_world *w)
{
	char text[160];

	if (w->taken == w->nb_out)
		return true;
	for (uint32_t i = w->taken; i != w->nb_out; i++) {
		const struct pd_sent *o = &w->out[i % PD_OUT];

		pd_wrong("sent, not expected: %s, at %.6f s",
			 pd_seg_str(&o->seg, text, sizeof(text)), (double)(o->at - w->start) / 1e9);
	}
	return false;
}

bool
pd_pass(struct pd_world *w, uint64_t until)
{
	while (w->now < until) {
		(void)pd_world_step(w, until);
		if (w->taken != w->nb_out)
			return pd_all_taken(w);
	}
	w->clock = w->now;
	return true;
}

/* The step's time, then the step. */
static bool
run_step(struct pd_world *w, const struct step *s)
{
	bool acts = s->verb == NULL || s->verb->kind == VERB_ACT;

	if ((acts || (s->when.given && s->verb->kind == VERB_CHECK)) && !pd_all_taken(w))
		return false;
	if (s->when.given && (acts || s->verb->kind == VERB_CHECK) &&
	    !pd_pass(w, w->clock + s->when.lo))
		return false;
	if (s->verb != NULL && !s->verb->run(w, s))
		return false;
	return w->fault[0] == '\0' || pd_wrong("%s", w->fault);
}

/* Nothing may be left over: segments, events, times that were not waited for. */
static bool
check_end(const struct pd_world *w)
{
	if (!pd_all_taken(w))
		return false;
	if (w->heard != w->nb_told)
		return pd_wrong("at the end of the script: the application was told something "
				"that the script does not ask for (see below)");
	return true;
}

static void
tell_story(const struct pd_world *w)
{
	uint32_t first = w->nb_trace > PD_TRACE ? w->nb_trace - PD_TRACE : 0;

	fprintf(stderr, "  what happened%s:\n", first > 0 ? " last" : "");
	for (uint32_t i = first; i < w->nb_trace; i++)
		fprintf(stderr, "  %s\n", w->trace[i % PD_TRACE]);
}

bool
script_run(const struct script *s, struct pd_world *w, struct pw_mem *mem)
{
	const char *text = "";
	int rc = pd_world_open(w, &s->setup, mem), line = 0;
	bool good = true;

	if (rc < 0) {
		fprintf(stderr, "%s: the stack does not start: %s\n", s->file, rte_strerror(-rc));
		return false;
	}
	for (uint32_t i = 0; i < s->n && good; i++) {
		line = s->step[i].line;
		text = s->step[i].text;
		good = run_step(w, &s->step[i]);
	}
	good = good && check_end(w);
	if (!good) {
		fprintf(stderr, "%s:%d: %s\n", s->file, line, text);
		tell_story(w);
	}
	pd_world_close(w);
	return good;
}
