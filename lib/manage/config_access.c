/* SPDX-License-Identifier: BSD-3-Clause */
/* Authentication: the files are loaded to be checked, and loaded again at start. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <pubwire/manage/access.h>

#include "config_pvt.h"

/*
 * A path; one that does not begin at the root begins where the configuration file lies. What is
 * kept begins at the root, so that a print of it holds for a file that lies elsewhere.
 */
static int
take_path(struct config_loader *l, const char *key, const char *text, char *dst, size_t room)
{
	const char *slash = strrchr(l->file, '/');
	char here[PATH_MAX];
	int dir, n;

	if (text == NULL)
		return 0;
	if (text[0] == '\0')
		return config_refuse(l, key, "empty; expected the path of a file");
	dir = text[0] != '/' && slash != NULL ? (int)(slash - l->file + 1) : 0;
	here[0] = '\0';
	if (text[0] != '/' && l->file[0] != '/' && getcwd(here, sizeof(here)) == NULL)
		return config_refuse(l, key,
				     "the working directory has no path (%s); expected a "
				     "path that begins with /",
				     strerror(errno));
	n = snprintf(dst, room, "%s%s%.*s%s", here, here[0] != '\0' ? "/" : "", dir, l->file, text);
	if (n < 0 || (size_t)n >= room)
		return config_refuse(l, key, "a path of %d bytes; expected at most %zu", n,
				     room - 1);
	return 0;
}

static int
take_anonymous(struct config_loader *l, const char *text, struct pw_access_conf *a)
{
	uint32_t word;
	int rc;

	a->allow_anonymous = a->password_file[0] == '\0';
	if (text == NULL)
		return 0;
	rc = config_word(l, "authentication.allow_anonymous", text, config_bool_words, &word);
	if (rc != 0)
		return rc;
	if (word == 0 && a->password_file[0] == '\0')
		return config_refuse(l, "authentication.allow_anonymous",
				     "false without a password_file would let in whoever makes up "
				     "a name; expected a password_file too");
	a->allow_anonymous = word != 0;
	return 0;
}

int
config_take_access(struct config_loader *l)
{
	const struct raw_access *r = l->raw->authentication;
	struct pw_access_conf *a = &l->c->access;
	char reason[1024];
	struct pw_access_files files;
	int rc;

	if (r == NULL)
		return 0;
	rc = take_path(l, "authentication.password_file", r->password_file, a->password_file,
		       sizeof(a->password_file));
	if (rc == 0)
		rc = take_path(l, "authentication.acl_file", r->acl_file, a->acl_file,
			       sizeof(a->acl_file));
	if (rc == 0)
		rc = take_anonymous(l, r->allow_anonymous, a);
	if (rc != 0 || !pw_config_has_access(l->c))
		return rc;
	rc = pw_access_load(&files, a, reason, sizeof(reason));
	/* A refusal has a place in the file that it is about; one that was not read has none. */
	if (rc == -EINVAL) {
		snprintf(l->err, l->err_len, "%s", reason);
		return rc;
	}
	if (rc != 0)
		return config_refuse(l,
				     files.acl_unread ? "authentication.acl_file"
						      : "authentication.password_file",
				     "%s", reason);
	a->digest = files.digest;
	pw_access_unload(&files);
	return 0;
}
