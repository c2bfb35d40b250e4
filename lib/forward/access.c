/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Rules about topics. They are held against a topic one after the other, where they are many only
 * those that their marks do not rule out; nothing is allocated, and a client identifier that stands
 * in a pattern is compared by its hash.
 */
#include <string.h>

#include <pubwire/mqtt/topic.h>

#include "access_pvt.h"

uint32_t
pw_access_place(const uint8_t *name, uint32_t len)
{
	uint32_t h = 2166136261u; /* FNV-1a: the names are the operator's, not a stranger's */

	for (uint32_t i = 0; i < len; i++)
		h = (h ^ name[i]) * 16777619u;
	return h;
}

uint32_t
pw_access_find(const struct pw_access *a, const uint8_t *name, uint32_t len)
{
	uint32_t at = pw_access_place(name, len);

	if (a->nb_users == 0 || len > PW_ACCESS_NAME_MAX)
		return PW_ACCESS_NOBODY;
	for (;; at++) {
		uint32_t user = a->index[at & a->mask];

		if (user == 0)
			return PW_ACCESS_NOBODY;
		user--;
		if (a->user[user].len == len && memcmp(a->user[user].name, name, len) == 0)
			return user;
	}
}

/* Bytes up to the next slash or the end. */
static uint32_t
level(const uint8_t *p, const uint8_t *end)
{
	const uint8_t *slash = memchr(p, '/', (size_t)(end - p));

	return (uint32_t)((slash != NULL ? slash : end) - p);
}

bool
pw_access_filter_valid(const uint8_t *filter, uint32_t len)
{
	const uint8_t *p = filter, *end = filter + len;

	if (!pw_mqtt_filter_valid(filter, len) || (len > 7 && memcmp(filter, "$share/", 7) == 0))
		return false;
	for (;;) {
		uint32_t n = level(p, end);

		for (uint32_t i = 0; n > 2 && i + 1 < n; i++) {
			if (p[i] == '%' && (p[i + 1] == 'c' || p[i + 1] == 'u'))
				return false;
		}
		if (n == (uint32_t)(end - p))
			return true;
		p += n + 1;
	}
}

/* One level of a pattern, which is not "#". */
static bool
level_matches(const struct pw_access *a, const struct pw_access_who *who, const uint8_t *f,
	      uint32_t f_len, const uint8_t *t, uint32_t t_len)
{
	if (f_len == 1 && *f == '+')
		return true;
	if (f_len == 2 && f[0] == '%' && f[1] == 'c') {
		struct pw_hash128 h = pw_hash128(who->key, t, t_len);

		return h.w[0] == who->client.w[0] && h.w[1] == who->client.w[1];
	}
	if (f_len == 2 && f[0] == '%' && f[1] == 'u') {
		const struct pw_access_user *u;

		if (who->user == PW_ACCESS_NOBODY)
			return false;
		u = &a->user[who->user];
		return u->len == t_len && memcmp(u->name, t, t_len) == 0;
	}
	return f_len == t_len && memcmp(f, t, t_len) == 0;
}

static bool
pattern_matches(const struct pw_access *a, const struct pw_access_who *who,
		const struct pw_access_rule *r, const uint8_t *topic, uint32_t len)
{
	const uint8_t *f = r->filter, *f_end = f + r->len, *t = topic, *t_end = topic + len;

	/* As of a wildcard [MQTT-4.7.2-1]: no client may name itself into $SYS. */
	if (*t == '$' && (*f == '+' || *f == '#' || *f == '%'))
		return false;
	for (;;) {
		uint32_t f_len = level(f, f_end), t_len = level(t, t_end);

		if (f_len == 1 && *f == '#')
			return true;
		if (!level_matches(a, who, f, f_len, t, t_len))
			return false;
		f += f_len;
		t += t_len;
		/* "a/#" matches "a" too, 4.7.1.2 */
		if (t == t_end)
			return f == f_end || (f_end - f == 2 && f[1] == '#');
		if (f == f_end)
			return false;
		f++;
		t++;
	}
}

/* DENY where any rule denies, else ALLOW where any allows. absent: marks that the topic lacks. */
static enum pw_access_verdict
judge(const struct pw_access *a, const struct pw_access_who *who, struct pw_access_rules rules,
      const uint8_t *topic, uint32_t len, uint64_t absent)
{
	enum pw_access_verdict v = PW_ACCESS_NOTHING;

	for (uint32_t i = 0; i < rules.n; i++) {
		const struct pw_access_rule *r = &a->rule[rules.first + i];

		if (r->verdict <= v || (r->marks & absent) != 0)
			continue;
		if (r->pattern ? pattern_matches(a, who, r, topic, len)
			       : pw_mqtt_topic_match(r->filter, r->len, topic, len))
			v = (enum pw_access_verdict)r->verdict;
	}
	return v;
}

bool
pw_access_may_publish(const struct pw_access *a, const struct pw_access_who *who,
		      const uint8_t *topic, uint32_t len)
{
	enum pw_access_verdict own, all;
	struct pw_access_rules rules = a->of_anonymous;
	uint64_t absent = 0;

	if (!a->acl)
		return true;
	if (len == 0)
		return false;
	if (who->user != PW_ACCESS_NOBODY)
		rules = a->user[who->user].rules;
	if (rules.n + a->of_all.n > PW_MQTT_MARKS_FEW)
		absent = ~pw_mqtt_topic_marks(topic, len);
	own = judge(a, who, rules, topic, len, absent);
	if (own == PW_ACCESS_DENY)
		return false;
	all = judge(a, who, a->of_all, topic, len, absent);
	return all != PW_ACCESS_DENY && (own == PW_ACCESS_ALLOW || all == PW_ACCESS_ALLOW);
}
