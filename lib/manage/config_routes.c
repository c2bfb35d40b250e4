/* SPDX-License-Identifier: BSD-3-Clause */
/* Routes: that every filter is one, that every broker has a use, that rules can be met. */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <rte_common.h>

#include <pubwire/mqtt/topic.h>

#include "config_pvt.h"

static int
take_fanout(struct config_loader *l, const char *section, const struct raw_route *r,
	    struct pw_route_conf *t)
{
	char path[CONFIG_PATH_LEN];
	uint32_t word;
	int rc = 0;

	t->fanout = PW_FANOUT_ALL;
	t->hash_by_topic = false;
	if (r->fanout != NULL) {
		snprintf(path, sizeof(path), "%s.fanout", section);
		rc = config_word(l, path, r->fanout, config_fanout_words, &word);
		if (rc == 0)
			t->fanout = (enum pw_fanout)word;
	}
	if (rc != 0 || r->hash_by == NULL)
		return rc;
	snprintf(path, sizeof(path), "%s.hash_by", section);
	if (t->fanout != PW_FANOUT_HASH)
		return config_refuse(l, path, "nothing is hashed; expected fanout: hash too");
	rc = config_word(l, path, r->hash_by, config_hash_by_words, &word);
	if (rc == 0)
		t->hash_by_topic = word == 1;
	return rc;
}

static int
take_ack(struct config_loader *l, const char *section, const char *text, struct pw_route_conf *t)
{
	static const struct num_key quorum = {
		.kind = NUM_COUNT, .min = 1, .max = PW_FORWARD_MAX_BROKERS};
	uint32_t brokers = (uint32_t)__builtin_popcount(t->brokers), word;
	char path[CONFIG_PATH_LEN];
	uint64_t v;
	int rc;

	t->ack = PW_ACK_ALL;
	if (text == NULL)
		return 0;
	snprintf(path, sizeof(path), "%s.ack", section);
	if (strncmp(text, "quorum:", 7) != 0) {
		rc = config_word(l, path, text, config_ack_words, &word);
		if (rc == 0)
			t->ack = (enum pw_ack_rule)word;
		return rc;
	}
	rc = config_number(l, path, text + 7, &quorum, &v);
	if (rc != 0)
		return rc;
	if (t->fanout != PW_FANOUT_ALL)
		brokers = 1;
	if (v > brokers)
		return config_refuse(l, path,
				     "a quorum of %u of %u brokers can never be had; expected 1 to "
				     "%u",
				     (uint32_t)v, brokers, brokers);
	t->ack = PW_ACK_QUORUM;
	t->quorum = (uint32_t)v;
	return 0;
}

static int
take_when_full(struct config_loader *l, const char *section, const struct raw_when_full *w,
	       struct pw_route_conf *t)
{
	char path[CONFIG_PATH_LEN];
	uint32_t word;
	int rc;

	t->when_full_qos0 = PW_WHEN_FULL_DROP;
	t->when_full_qos1 = PW_WHEN_FULL_BLOCK;
	if (w == NULL)
		return 0;
	if (w->qos0 != NULL) {
		snprintf(path, sizeof(path), "%s.when_full.qos0", section);
		rc = config_word(l, path, w->qos0, config_when_full_words, &word);
		if (rc != 0)
			return rc;
		t->when_full_qos0 = (enum pw_when_full)word;
	}
	if (w->qos1 != NULL) {
		snprintf(path, sizeof(path), "%s.when_full.qos1", section);
		rc = config_word(l, path, w->qos1, config_when_full_words, &word);
		if (rc != 0)
			return rc;
		t->when_full_qos1 = (enum pw_when_full)word;
	}
	return 0;
}

static int
take_targets(struct config_loader *l, const char *section, const struct raw_list *r,
	     struct pw_route_conf *t)
{
	const struct pw_forward_settings *s = &l->c->forward;
	char path[CONFIG_PATH_LEN];

	if (r->n == 0) {
		snprintf(path, sizeof(path), "%s.brokers", section);
		return config_refuse(l, path, "no broker; expected names of brokers");
	}
	for (uint32_t i = 0; i < r->n; i++) {
		uint32_t b = 0;

		snprintf(path, sizeof(path), "%s.brokers[%u]", section, i);
		while (b < s->nb_brokers && strcmp(s->broker[b].name, r->v[i]) != 0)
			b++;
		if (b == s->nb_brokers)
			return config_refuse(l, path,
					     "'%.40s' is no broker; expected a name that stands in "
					     "brokers",
					     r->v[i]);
		if (t->brokers & (1u << b))
			return config_refuse(
				l, path, "'%s' stands twice; expected each broker once", r->v[i]);
		t->brokers |= 1u << b;
		t->order[i] = (uint8_t)b;
	}
	return 0;
}

/* Beginnings of topics: any text that a topic may begin with. */
static int
take_prefix(struct config_loader *l, const char *section, const struct raw_prefix *r,
	    struct pw_route_conf *t)
{
	static const char *const key[] = {"remove", "add"};
	char *const dst[] = {t->prefix_remove, t->prefix_add};
	const char *const text[] = {r != NULL ? r->remove : NULL, r != NULL ? r->add : NULL};
	char path[CONFIG_PATH_LEN];

	for (uint32_t i = 0; i < RTE_DIM(text); i++) {
		if (text[i] == NULL || text[i][0] == '\0')
			continue;
		snprintf(path, sizeof(path), "%s.topic_prefix.%s", section, key[i]);
		if (strlen(text[i]) >= PW_FORWARD_STR_LEN)
			return config_refuse(l, path, "%zu bytes; expected at most %d",
					     strlen(text[i]), PW_FORWARD_STR_LEN - 1);
		if (!pw_mqtt_topic_valid((const uint8_t *)text[i], strlen(text[i])))
			return config_refuse(l, path,
					     "'%.60s' cannot stand in a topic; expected no + or #",
					     text[i]);
		snprintf(dst[i], PW_FORWARD_STR_LEN, "%s", text[i]);
	}
	return 0;
}

static int
take_filter(struct config_loader *l, const char *section, const char *filter,
	    struct pw_route_conf *t)
{
	const struct pw_forward_settings *s = &l->c->forward;
	char path[CONFIG_PATH_LEN];

	snprintf(path, sizeof(path), "%s.filter", section);
	if (filter == NULL)
		return config_refuse(l, path, "missing; expected a topic filter such as \"#\"");
	if (strlen(filter) >= sizeof(t->filter))
		return config_refuse(l, path, "%zu bytes; expected at most %zu", strlen(filter),
				     sizeof(t->filter) - 1);
	if (strncmp(filter, "$share/", 7) == 0)
		return config_refuse(l, path,
				     "a shared subscription is not a route; expected a plain topic "
				     "filter");
	if (!pw_mqtt_filter_valid((const uint8_t *)filter, strlen(filter)))
		return config_refuse(
			l, path,
			"'%.60s' is no topic filter; expected + as a whole level and # "
			"as the whole last one",
			filter);
	snprintf(t->filter, sizeof(t->filter), "%s", filter);
	for (uint32_t i = 0; i < s->nb_routes; i++)
		if (strcmp(s->route[i].filter, filter) == 0)
			return config_refuse(l, path,
					     "route '%s' has this filter and comes first; expected "
					     "each filter once",
					     s->route[i].name);
	return 0;
}

static int
take_route(struct config_loader *l, uint32_t index, const struct raw_route *r,
	   struct pw_route_conf *t)
{
	const struct pw_forward_settings *s = &l->c->forward;
	char section[32], path[CONFIG_PATH_LEN];
	int rc = 0;

	snprintf(section, sizeof(section), "routes[%u]", index);
	snprintf(path, sizeof(path), "%s.name", section);
	snprintf(t->name, sizeof(t->name), "route-%u", index + 1);
	if (r->name != NULL)
		rc = config_name(l, path, r->name, t->name);
	if (rc != 0)
		return rc;
	for (uint32_t i = 0; i < s->nb_routes; i++)
		if (strcmp(s->route[i].name, t->name) == 0)
			return config_refuse(l, path, "'%s' stands twice; expected each name once",
					     t->name);
	rc = take_filter(l, section, r->filter, t);
	if (rc == 0)
		rc = take_targets(l, section, &r->brokers, t);
	if (rc == 0)
		rc = take_fanout(l, section, r, t);
	if (rc == 0)
		rc = take_ack(l, section, r->ack, t);
	if (rc == 0)
		rc = take_prefix(l, section, r->topic_prefix, t);
	if (rc == 0)
		rc = take_when_full(l, section, r->when_full, t);
	if (rc == 0)
		rc = config_numbers(l, section, config_route_keys, r, t);
	return rc;
}

int
config_take_routes(struct config_loader *l)
{
	struct pw_forward_settings *s = &l->c->forward;
	uint32_t used = 0;
	char path[CONFIG_PATH_LEN];

	if (l->raw->nb_routes == 0 || l->raw->nb_routes > PW_FORWARD_MAX_ROUTES)
		return config_refuse(l, "routes", "%u routes; expected 1 to %d", l->raw->nb_routes,
				     PW_FORWARD_MAX_ROUTES);
	for (uint32_t i = 0; i < l->raw->nb_routes; i++) {
		int rc = take_route(l, i, &l->raw->routes[i], &s->route[i]);

		if (rc != 0)
			return rc;
		used |= s->route[i].brokers;
		s->nb_routes++;
	}
	for (uint32_t b = 0; b < s->nb_brokers; b++) {
		if (used & (1u << b))
			continue;
		snprintf(path, sizeof(path), "brokers[%u].name", b);
		return config_refuse(l, path,
				     "no route names '%s'; expected every broker in a route",
				     s->broker[b].name);
	}
	return 0;
}
