/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Loading the password and ACL files. The configuration is checked before EAL runs, and the same
 * must hold for these, so their memory is mapped, not taken from hugepages; all of it is touched
 * here, before any worker reads it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <rte_common.h>

#include "access_pvt.h"

#define FILE_MAX (64u << 20)

int
access_refuse(struct access_text *t, const char *where, const char *fmt, ...)
{
	const char *start = where;
	va_list args;
	int at;

	/* A zero byte ends a hash of a line before. */
	while (start > t->p && start[-1] != '\n' && start[-1] != '\0')
		start--;
	at = snprintf(t->err, t->err_len, "%s:%u:%zu: ", t->file, t->line,
		      (size_t)(where - start) + 1);
	va_start(args, fmt);
	if (at >= 0 && (size_t)at < t->err_len)
		vsnprintf(t->err + at, t->err_len - (size_t)at, fmt, args);
	va_end(args);
	/* One line, whatever a value quoted in it holds. */
	for (char *c = t->err; *c != '\0'; c++) {
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			*c = '?';
	}
	return -EINVAL;
}

bool
access_line(struct access_text *t, struct access_word *line)
{
	while (t->at < t->len) {
		char *p = t->p + t->at, *end = memchr(p, '\n', t->len - t->at);

		if (end == NULL)
			end = t->p + t->len;
		t->at = (size_t)(end - t->p) + 1;
		t->line++;
		while (p < end && (*p == ' ' || *p == '\t'))
			p++;
		while (end > p && (end[-1] == ' ' || end[-1] == '\t' || end[-1] == '\r'))
			end--;
		if (p == end || *p == '#')
			continue;
		*line = (struct access_word){p, (uint32_t)(end - p)};
		return true;
	}
	return false;
}

static void *
map(size_t len)
{
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	return p != MAP_FAILED ? p : NULL;
}

/* Bytes of a file, as many as it had when it was looked at. -errno. */
static ssize_t
read_all(int fd, char *p, size_t len)
{
	size_t at = 0;

	while (at < len) {
		ssize_t n = read(fd, p + at, len - at);

		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		at += (size_t)n;
	}
	return (ssize_t)at;
}

static int
refuse_file(struct access_text *t, int rc)
{
	snprintf(t->err, t->err_len, "%s: %s; expected a file that can be read", t->file,
		 rc == -EFBIG ? "larger than 64 MiB" : strerror(-rc));
	return rc;
}

static int
text_open(struct pw_access_files *files, uint32_t which, struct access_text *t)
{
	int fd = open(t->file, O_RDONLY | O_CLOEXEC), rc = 0;
	struct stat st;
	ssize_t n;

	if (fd < 0)
		return refuse_file(t, -errno);
	if (fstat(fd, &st) < 0)
		rc = -errno;
	else if (!S_ISREG(st.st_mode))
		rc = -ENOTSUP;
	else if (st.st_size > FILE_MAX)
		rc = -EFBIG;
	if (rc < 0)
		goto out;
	files->text_len[which] = (size_t)st.st_size + 1;
	files->text[which] = map(files->text_len[which]);
	if (files->text[which] == NULL) {
		rc = -ENOMEM;
		goto out;
	}
	t->p = files->text[which];
	n = read_all(fd, t->p, (size_t)st.st_size);
	if (n < 0)
		rc = (int)n;
	else
		t->len = (size_t)n;
out:
	close(fd);
	return rc < 0 ? refuse_file(t, rc) : 0;
}

/* FNV-1a, to tell files that differ. */
static uint64_t
fold(uint64_t h, const struct access_text *t)
{
	for (size_t i = 0; i < t->len; i++)
		h = (h ^ (uint8_t)t->p[i]) * UINT64_C(0x100000001b3);
	return (h ^ 0x100) * UINT64_C(0x100000001b3);
}

/* Where the tables lie in their memory. */
struct layout {
	struct pw_access_user *user;
	uint64_t (*good)[2];
	struct pw_access_rule *rule;
	uint32_t *index;
};

static uint32_t
lines(struct access_text *t)
{
	struct access_word line;
	uint32_t n = 0;

	access_rewind(t);
	while (access_line(t, &line))
		n++;
	access_rewind(t);
	return n;
}

static int
reserve(struct pw_access_files *files, uint32_t users, uint32_t rules, struct layout *l)
{
	uint32_t places = rte_align32pow2(2 * users + 1);
	uint8_t *p;

	files->tables_len = users * (sizeof(*l->user) + sizeof(*l->good)) +
			    rules * sizeof(*l->rule) + places * sizeof(*l->index);
	p = files->tables = map(files->tables_len);
	if (p == NULL)
		return -ENOMEM;
	l->user = (void *)p;
	l->good = (void *)(l->user + users);
	l->rule = (void *)(l->good + users);
	l->index = (void *)(l->rule + rules);
	files->good = l->good;
	files->access.user = l->user;
	files->access.rule = l->rule;
	files->access.index = l->index;
	files->access.mask = places - 1;
	return 0;
}

static int
load_users(struct access_text *t, struct pw_access *a, struct layout *l)
{
	struct access_word line, name, hash;

	while (access_line(t, &line)) {
		struct pw_access_user *u = &l->user[a->nb_users];
		uint32_t at;
		int rc = access_user_line(t, line, &name, &hash);

		if (rc != 0)
			return rc;
		if (pw_access_find(a, (const uint8_t *)name.p, name.len) != PW_ACCESS_NOBODY)
			return access_refuse(t, name.p,
					     "'%.*s' stands twice; expected each name once",
					     (int)RTE_MIN(name.len, 40u), name.p);
		u->name = (const uint8_t *)name.p;
		u->len = (uint16_t)name.len;
		u->hash = hash.p;
		for (at = pw_access_place(u->name, u->len); l->index[at & a->mask] != 0; at++)
			;
		l->index[at & a->mask] = ++a->nb_users;
	}
	if (a->nb_users == 0) {
		t->line = 1;
		return access_refuse(t, t->p, "no line; expected NAME:HASH in each");
	}
	return 0;
}

static int
load(struct pw_access_files *files, struct access_text *passwords, struct access_text *acl)
{
	struct pw_access *a = &files->access;
	uint32_t total;
	struct layout l;
	int rc;

	rc = reserve(files, lines(passwords), lines(acl), &l);
	if (rc < 0) {
		snprintf(passwords->err, passwords->err_len,
			 "no memory for the tables of the password and ACL files");
		return rc;
	}
	if (a->passwords)
		rc = load_users(passwords, a, &l);
	if (rc == 0 && a->acl)
		rc = access_rules_count(acl, a, l.user, &total);
	if (rc == 0 && a->acl)
		access_rules_fill(acl, a, l.user, l.rule);
	return rc;
}

int
pw_access_load(struct pw_access_files *files, const struct pw_access_conf *conf, char *err,
	       size_t err_len)
{
	struct access_text passwords = {
		.file = conf->password_file, .err = err, .err_len = err_len};
	struct access_text acl = {.file = conf->acl_file, .err = err, .err_len = err_len};
	bool acl_unread = false;
	int rc = 0;

	memset(files, 0, sizeof(*files));
	files->access.anonymous = conf->allow_anonymous;
	files->access.passwords = conf->password_file[0] != '\0';
	files->access.acl = conf->acl_file[0] != '\0';
	if (files->access.passwords)
		rc = text_open(files, 0, &passwords);
	if (rc == 0 && files->access.acl) {
		rc = text_open(files, 1, &acl);
		acl_unread = rc != 0;
	}
	files->digest = fold(fold(UINT64_C(0xcbf29ce484222325), &passwords), &acl);
	if (rc == 0)
		rc = load(files, &passwords, &acl);
	if (rc != 0)
		pw_access_unload(files);
	files->acl_unread = acl_unread;
	return rc;
}

void
pw_access_unload(struct pw_access_files *files)
{
	for (uint32_t i = 0; i < RTE_DIM(files->text); i++) {
		if (files->text[i] == NULL)
			continue;
		/* Hashes of passwords lie in it. */
		explicit_bzero(files->text[i], files->text_len[i]);
		munmap(files->text[i], files->text_len[i]);
	}
	if (files->tables != NULL)
		munmap(files->tables, files->tables_len);
	if (files->same != NULL)
		munmap(files->same, files->nb_before * 2 * sizeof(uint32_t));
	memset(files, 0, sizeof(*files));
}
