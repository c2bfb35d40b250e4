/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TEST_PACKETDRILL_SCRIPT_H
#define TEST_PACKETDRILL_SCRIPT_H

/**
 * @file
 * A script is a list of steps. Each verb of the language knows how to read its line and how to do
 * what it says; README.md is the language's one page.
 */

#include <stdbool.h>
#include <stdint.h>

#include "seg.h"
#include "text.h"
#include "world.h"

struct verb;

/** When a step happens, counted from the step before. */
struct when {
	bool given;
	bool range; /**< lo .. hi was written, not one time */
	uint64_t lo;
	uint64_t hi;
};

struct step {
	int line;
	char *text; /**< as it stands in the file */
	struct when when;
	const struct verb *verb;
	struct pd_seg seg;
	uint32_t times; /**< how often the segment repeats, each behind the bytes of the last */
	bool flag;
	int64_t n[2];
	uint64_t ns;
	char word[32];
	uint32_t at; /**< offset of a field, row of a table */
	uint8_t op;
};

enum verb_kind {
	VERB_ACT,   /**< does something: nothing may have been sent that was not expected */
	VERB_AWAIT, /**< waits for what the stack does: it sees to the time itself */
	VERB_CHECK, /**< looks */
	VERB_SETUP, /**< before the first step */
};

struct verb {
	const char *name;
	enum verb_kind kind;
	/** Read what follows the name; false after text_expected(). NULL: nothing follows. */
	bool (*parse)(struct text *t, struct step *s);
	/** Do it; false after pd_wrong(). */
	bool (*run)(struct pd_world *w, const struct step *s);
	/** VERB_SETUP: note it. */
	void (*setup)(struct pd_setup *setup, const struct step *s);
};

struct script {
	const char *file;
	struct step *step;
	uint32_t n;
	struct pd_setup setup;
};

/** Tables of verbs, ended by one without a name. */
extern const struct verb verbs_seg[], verbs_app[], verbs_check[], verbs_setup[];

/** Read a file; false where it can't be, after saying why. Given back by script_free(). */
bool script_read(struct script *s, const char *file);
void script_free(struct script *s);

/** Run it; false where a step fails, after telling which and why. */
bool script_run(const struct script *s, struct pd_world *w, struct pw_mem *mem);

/** Say what is wrong with the present step; returns false. */
bool pd_wrong(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/** What was sent and not expected is told; true where there is none. */
bool pd_all_taken(const struct pd_world *w);

/** Let time pass until the step's; false where something is sent on the way. */
bool pd_pass(struct pd_world *w, uint64_t until);

#endif
