/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PUBWIRE_MANAGE_ACCESS_PVT_H
#define PUBWIRE_MANAGE_ACCESS_PVT_H

/*
 * How the two files become tables. Each is read whole, and walked over twice: once to check it and
 * to count, once to fill tables that have just the size.
 */

#include <pubwire/manage/access.h>

/* A file, and the line that is being looked at. */
struct access_text {
	const char *file;
	char *p; /* all of it, a zero byte behind */
	size_t len;
	size_t at;     /* where the next line begins */
	uint32_t line; /* from 1 */
	char *err;
	size_t err_len;
};

/* Some bytes of a line. */
struct access_word {
	char *p;
	uint32_t len;
};

/*
 * The next line that is neither empty nor a comment, without blanks at its ends; false at the end
 * of the file. The line is followed by a byte that may be overwritten.
 */
bool access_line(struct access_text *t, struct access_word *line);

/* Begin anew. */
static inline void
access_rewind(struct access_text *t)
{
	t->at = 0;
	t->line = 0;
}

/* "FILE:LINE:COLUMN: text" for a place in the line at hand; returns -EINVAL. */
int access_refuse(struct access_text *t, const char *where, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* access_users.c */
/* Check the line of a user; the name, and the hash, which is ended by a zero byte. */
int access_user_line(struct access_text *t, struct access_word line, struct access_word *name,
		     struct access_word *hash);

/* access_rules.c */
/* Check the ACL file and count: rules of each user, of nobody and of all. */
int access_rules_count(struct access_text *t, struct pw_access *a, struct pw_access_user *user,
		       uint32_t *total);
/* Fill the tables; the file was checked. */
void access_rules_fill(struct access_text *t, struct pw_access *a, struct pw_access_user *user,
		       struct pw_access_rule *rule);

#endif
