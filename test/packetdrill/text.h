/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TEST_PACKETDRILL_TEXT_H
#define TEST_PACKETDRILL_TEXT_H

/**
 * @file
 * Reading one line of a script. A function that finds what it looks for moves on and answers true;
 * one that does not leaves the place as it was, so that the caller can look for something else. The
 * first text_expected() of a line is the one that is told.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "seg.h"

struct text {
	const char *file;
	int line;
	const char *start;
	const char *p;
	bool failed;
};

/** Is there nothing more but a comment? */
bool text_end(struct text *t);

/** The character c, after blanks. */
bool text_char(struct text *t, char c);

/** A whole word: letters, digits, '_' and '-'. */
bool text_word(struct text *t, char *buf, size_t size);

/** This word. */
bool text_is(struct text *t, const char *word);

/** A number: decimal, or hexadecimal with 0x; may be negative. */
bool text_int(struct text *t, int64_t *v);

/** A span of time, ns: a number, decimals allowed, and ns us ms s min h d. */
bool text_duration(struct text *t, uint64_t *ns);

/** A segment as README.md describes it. Says itself what is wrong. */
bool text_seg(struct text *t, struct pd_seg *s);

/** Options between < and >; false after text_expected(). */
bool text_options(struct text *t, struct pd_seg *s);

/** Tell file, line, place and what was expected there; returns false. */
bool text_expected(struct text *t, const char *what);

#endif
