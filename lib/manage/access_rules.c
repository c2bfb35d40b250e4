/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The ACL file: "user NAME" says whose the "topic" lines below it are, those above the first one
 * are of who names no user; "pattern" lines are everybody's.
 */
#include <string.h>

#include <pubwire/mqtt/topic.h>

#include "access_pvt.h"

enum kind { KIND_USER, KIND_TOPIC, KIND_PATTERN };

static const char *const kinds[] = {"user", "topic", "pattern"};

static const struct {
	const char *word;
	enum pw_access_verdict verdict;
} verdicts[] = {
	{"readwrite", PW_ACCESS_ALLOW},
	{"write", PW_ACCESS_ALLOW},
	{"read", PW_ACCESS_NOTHING},
	{"deny", PW_ACCESS_DENY},
};

struct rule_line {
	enum kind kind;
	enum pw_access_verdict verdict;
	struct access_word rest; /* the name, or the filter */
};

static bool
blank(char c)
{
	return c == ' ' || c == '\t';
}

/* The word in front, and what comes behind it. */
static struct access_word
cut(struct access_word *rest)
{
	struct access_word w = {rest->p, 0};

	while (w.len < rest->len && !blank(rest->p[w.len]))
		w.len++;
	rest->p += w.len;
	rest->len -= w.len;
	while (rest->len > 0 && blank(*rest->p)) {
		rest->p++;
		rest->len--;
	}
	return w;
}

static bool
is(struct access_word w, const char *text)
{
	return w.len == strlen(text) && memcmp(w.p, text, w.len) == 0;
}

static bool
names_level(struct access_word filter, const char *name)
{
	for (const char *p = filter.p, *end = p + filter.len; p < end;) {
		const char *slash = memchr(p, '/', (size_t)(end - p));
		size_t n = (size_t)((slash != NULL ? slash : end) - p);

		if (n == 2 && memcmp(p, name, 2) == 0)
			return true;
		p += n + 1;
	}
	return false;
}

static int
check_filter(struct access_text *t, const struct rule_line *r, bool passwords)
{
	struct access_word f = r->rest;

	if (f.len == 0)
		return access_refuse(t, f.p, "no filter; expected a topic filter");
	if (f.len > UINT16_MAX || !pw_access_filter_valid((const uint8_t *)f.p, f.len))
		return access_refuse(t, f.p,
				     "no topic filter; expected + as a whole level, # as the whole "
				     "last one%s",
				     r->kind == KIND_PATTERN ? ", %c and %u as whole levels" : "");
	if (r->kind == KIND_TOPIC && (names_level(f, "%c") || names_level(f, "%u")))
		return access_refuse(t, f.p,
				     "%%c and %%u stand for nothing in a topic line; expected a "
				     "pattern line");
	if (r->kind == KIND_PATTERN && !passwords && names_level(f, "%u"))
		return access_refuse(
			t, f.p,
			"%%u without a password_file stands for a name that nobody has "
			"proven; expected a password_file too");
	return 0;
}

/* Take a line apart. */
static int
parse(struct access_text *t, struct access_word line, bool passwords, struct rule_line *r)
{
	struct access_word word, rest = line, after;

	word = cut(&rest);
	for (r->kind = KIND_USER; r->kind <= KIND_PATTERN && !is(word, kinds[r->kind]); r->kind++)
		;
	if (r->kind > KIND_PATTERN)
		return access_refuse(t, line.p,
				     "'%.*s' is unknown; expected user, topic or pattern",
				     (int)(word.len < 40 ? word.len : 40), word.p);
	r->rest = rest;
	if (r->kind == KIND_USER)
		return 0;
	r->verdict = PW_ACCESS_ALLOW;
	after = rest;
	word = cut(&after);
	for (uint32_t i = 0; i < sizeof(verdicts) / sizeof(verdicts[0]); i++) {
		if (!is(word, verdicts[i].word) || after.len == 0)
			continue;
		r->verdict = verdicts[i].verdict;
		r->rest = after;
		return check_filter(t, r, passwords);
	}
	/* A filter with a blank in it, or a word that was meant to allow or to deny. */
	if (after.len != 0)
		return access_refuse(t, word.p,
				     "'%.*s' is unknown; expected write, readwrite, read or deny, "
				     "also before a filter with a blank in it",
				     (int)(word.len < 40 ? word.len : 40), word.p);
	return check_filter(t, r, passwords);
}

static int
find_user(struct access_text *t, const struct pw_access *a, struct access_word name, uint32_t *user)
{
	if (!a->passwords)
		return access_refuse(t, name.p,
				     "without a password_file nobody proves a name; expected a "
				     "password_file too");
	*user = pw_access_find(a, (const uint8_t *)name.p, name.len);
	if (*user == PW_ACCESS_NOBODY)
		return access_refuse(
			t, name.p, "'%.*s' is not in the password_file; expected one of its names",
			(int)(name.len < 40 ? name.len : 40), name.p);
	return 0;
}

static struct pw_access_rules *
rules_of(struct pw_access *a, struct pw_access_user *user, uint32_t who, enum kind kind)
{
	if (kind == KIND_PATTERN)
		return &a->of_all;
	return who != PW_ACCESS_NOBODY ? &user[who].rules : &a->of_anonymous;
}

int
access_rules_count(struct access_text *t, struct pw_access *a, struct pw_access_user *user,
		   uint32_t *total)
{
	uint32_t who = PW_ACCESS_NOBODY;
	struct access_word line;
	struct rule_line r;
	int rc;

	*total = 0;
	while (access_line(t, &line)) {
		struct pw_access_rules *rules;

		rc = parse(t, line, a->passwords, &r);
		if (rc == 0 && r.kind == KIND_USER)
			rc = find_user(t, a, r.rest, &who);
		if (rc != 0)
			return rc;
		if (r.kind == KIND_USER)
			continue;
		rules = rules_of(a, user, who, r.kind);
		/* Patterns are held against every topic too: half of what there may be for each. */
		if (++rules->n > PW_ACCESS_RULES_MAX / 2)
			return access_refuse(
				t, line.p,
				"more than %u lines for one user, or patterns; expected "
				"fewer, wider ones",
				PW_ACCESS_RULES_MAX / 2);
		(*total)++;
	}
	return 0;
}

void
access_rules_fill(struct access_text *t, struct pw_access *a, struct pw_access_user *user,
		  struct pw_access_rule *rule)
{
	uint32_t who = PW_ACCESS_NOBODY, next;
	struct access_word line;
	struct rule_line r;

	/* Each one's place from the counts, which then count anew. */
	next = a->of_anonymous.n;
	a->of_all.first = next;
	next += a->of_all.n;
	a->of_anonymous.n = a->of_all.n = 0;
	for (uint32_t u = 0; u < a->nb_users; u++) {
		user[u].rules.first = next;
		next += user[u].rules.n;
		user[u].rules.n = 0;
	}
	access_rewind(t);
	while (access_line(t, &line)) {
		struct pw_access_rules *rules;

		if (parse(t, line, a->passwords, &r) != 0)
			continue;
		if (r.kind == KIND_USER) {
			(void)find_user(t, a, r.rest, &who);
			continue;
		}
		rules = rules_of(a, user, who, r.kind);
		rule[rules->first + rules->n++] = (struct pw_access_rule){
			.filter = (const uint8_t *)r.rest.p,
			.marks = pw_mqtt_filter_marks((const uint8_t *)r.rest.p, r.rest.len),
			.len = (uint16_t)r.rest.len,
			.verdict = (uint8_t)r.verdict,
			.pattern = r.kind == KIND_PATTERN,
		};
	}
}
