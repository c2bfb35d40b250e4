/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * NAME:HASH. A hash is taken only where it looks whole and is of a method that takes time to try: a
 * line that could never match is the operator's mistake, and found at start.
 */
#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "access_pvt.h"

#define METHODS "expected a hash of crypt(3): $y$, $2b$, $6$ or $5$ (mkpasswd, openssl passwd -6)"

static const struct {
	const char *prefix;
	uint32_t parts; /* between the prefix and the hash itself; sha-crypt's rounds may come on
			   top */
	uint32_t len;	/* of the hash itself */
} methods[] = {
	{"$y$", 2, 43},	 {"$6$", 1, 86},  {"$5$", 1, 43},
	{"$2a$", 1, 53}, {"$2b$", 1, 53}, {"$2y$", 1, 53},
};

static bool
of_alphabet(const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (!isalnum((unsigned char)p[i]) && p[i] != '.' && p[i] != '/')
			return false;
	}
	return true;
}

static int
check_hash(struct access_text *t, const char *hash)
{
	const char *p = hash, *last;
	uint32_t parts = 0, m = 0;

	while (m < sizeof(methods) / sizeof(methods[0]) &&
	       strncmp(hash, methods[m].prefix, strlen(methods[m].prefix)) != 0)
		m++;
	if (m == sizeof(methods) / sizeof(methods[0]))
		return access_refuse(t, hash,
				     strncmp(hash, "$7$", 3) == 0
					     ? "a hash of mosquitto_passwd; " METHODS
					     : "a hash of no method that is taken; " METHODS);
	p += strlen(methods[m].prefix);
	if (hash[1] != '2' && hash[1] != 'y' && strncmp(p, "rounds=", 7) == 0)
		p = strchr(p, '$') != NULL ? strchr(p, '$') + 1 : p;
	for (last = p; (p = strchr(last, '$')) != NULL; last = p + 1)
		parts++;
	if (parts != methods[m].parts || strlen(last) != methods[m].len ||
	    !of_alphabet(last, strlen(last)))
		return access_refuse(t, last,
				     "the hash is not whole, or not crypt(3)'s: %zu characters "
				     "behind its last $; expected %u of ./0-9A-Za-z",
				     strlen(last), methods[m].len);
	return 0;
}

int
access_user_line(struct access_text *t, struct access_word line, struct access_word *name,
		 struct access_word *hash)
{
	char *colon = memchr(line.p, ':', line.len);

	if (colon == NULL)
		return access_refuse(t, line.p, "no colon; expected NAME:HASH");
	*name = (struct access_word){line.p, (uint32_t)(colon - line.p)};
	*hash = (struct access_word){colon + 1, line.len - name->len - 1};
	if (name->len == 0 || name->len > PW_ACCESS_NAME_MAX)
		return access_refuse(t, line.p, "a name of %u bytes; expected 1 to %d", name->len,
				     PW_ACCESS_NAME_MAX);
	for (uint32_t i = 0; i < name->len; i++) {
		if (iscntrl((unsigned char)name->p[i]))
			return access_refuse(t, name->p + i,
					     "a control character in a name; expected none");
	}
	if (hash->len == 0)
		return access_refuse(t, hash->p, "no hash; " METHODS);
	hash->p[hash->len] = '\0';
	if (strlen(hash->p) != hash->len)
		return access_refuse(t, hash->p, "a zero byte; expected text");
	return check_hash(t, hash->p);
}
