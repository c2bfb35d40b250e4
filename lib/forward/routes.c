/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <string.h>

#include <rte_common.h>

#include <pubwire/mqtt/topic.h>

#include "hash_pvt.h"
#include "log_pvt.h"
#include "routes_pvt.h"

/* The number of a set, which is a new one where no route before named these brokers. */
static uint32_t
set_of(struct pw_routes *r, uint32_t brokers, uint32_t pool_size)
{
	uint32_t i = 0;

	while (i < r->nb_sets && r->set[i].brokers != brokers)
		i++;
	if (i == r->nb_sets)
		r->set[r->nb_sets++] = (struct pw_set){.brokers = brokers};
	r->set[i].pool_size = RTE_MAX(r->set[i].pool_size, pool_size);
	return i;
}

static int
number_logs(struct pw_routes *r)
{
	for (uint32_t i = 0; i < r->nb_sets; i++) {
		r->set[i].first_log = r->nb_logs;
		r->nb_logs += r->set[i].pool_size;
	}
	return r->nb_logs > PW_FORWARD_MAX_LOGS ? -E2BIG : 0;
}

/* Successes that the rule asks for, -EINVAL where they can't be had. */
static int
need_of(const struct pw_route_conf *conf)
{
	uint32_t n = (uint32_t)__builtin_popcount(conf->brokers);

	if (conf->fanout != PW_FANOUT_ALL)
		n = 1;
	switch (conf->ack) {
	case PW_ACK_ALL:
		return (int)n;
	case PW_ACK_ANY:
		return 1;
	case PW_ACK_QUORUM:
		return conf->quorum >= 1 && conf->quorum <= n ? (int)conf->quorum : -EINVAL;
	case PW_ACK_LOCAL:
		return 0;
	}
	return -EINVAL;
}

/* What a log is to know of the route's messages. */
static uint8_t
flags_of(const struct pw_route *route, uint32_t qos)
{
	uint8_t flags = 0;

	switch (pw_route_when_full(route, qos)) {
	case PW_WHEN_FULL_BLOCK:
		flags = PW_FLOG_KEEP;
		break;
	case PW_WHEN_FULL_DETACH:
		flags = PW_FLOG_DETACH;
		break;
	case PW_WHEN_FULL_DROP:
		break;
	}
	if (route->nb > 1)
		flags |= PW_FLOG_SHARE;
	if (route->conf->ack == PW_ACK_ALL)
		flags |= PW_FLOG_ALL;
	return flags;
}

/* The sets of a route. */
static int
take_sets(struct pw_routes *r, struct pw_route *route)
{
	const struct pw_route_conf *conf = route->conf;
	uint32_t seen = 0;

	if (conf->fanout == PW_FANOUT_ALL) {
		route->set = set_of(r, conf->brokers, conf->pool_size);
		return 0;
	}
	r->shares = true;
	route->nb = (uint32_t)__builtin_popcount(conf->brokers);
	for (uint32_t i = 0; i < route->nb; i++) {
		uint32_t bit = conf->order[i] < 32 ? 1u << conf->order[i] : 0;

		if (!(conf->brokers & bit) || (seen & bit))
			return -EINVAL;
		seen |= bit;
		route->one[i].broker = conf->order[i];
		route->one[i].set = (uint16_t)set_of(r, bit, conf->pool_size);
	}
	return 0;
}

#define SHARE 16

/* What a log of the route may have in one entry, see group.c: so little of what may wait that it is
 * no matter that it is given up together. */
static void
bound_group(struct pw_route *route, const struct pw_forward_settings *s)
{
	const struct pw_route_conf *conf = route->conf;

	route->group = RTE_MIN((uint32_t)PW_GROUP_MAX, s->limits.max_queued_messages / SHARE);
	route->group_bytes = PW_GROUP_BYTES;
	if (conf->fanout == PW_FANOUT_ROUND_ROBIN || route->prefix_remove + route->prefix_add > 0)
		route->group = 1;
	for (uint32_t m = conf->brokers; m != 0; m &= m - 1) {
		const struct pw_broker_conf *b = &s->broker[__builtin_ctz(m)];

		if (b->hold_messages != 0)
			route->group = RTE_MIN(route->group, b->hold_messages / SHARE);
		if (b->hold_bytes != 0)
			route->group_bytes = RTE_MIN(route->group_bytes, b->hold_bytes / SHARE);
	}
}

int
pw_routes_compile(struct pw_routes *r, const struct pw_forward_settings *s)
{
	uint64_t known = (UINT64_C(1) << s->nb_brokers) - 1;

	if (s->nb_routes > PW_FORWARD_MAX_ROUTES || s->nb_brokers > PW_FORWARD_MAX_BROKERS)
		return -EINVAL;
	memset(r, 0, sizeof(*r));
	r->n = s->nb_routes;
	for (uint32_t i = 0; i < r->n; i++) {
		const struct pw_route_conf *conf = &s->route[i];
		struct pw_route *route = &r->route[i];
		const uint8_t *filter = (const uint8_t *)conf->filter;

		route->conf = conf;
		route->slot = i;
		route->prefix_remove =
			(uint16_t)strnlen(conf->prefix_remove, sizeof(conf->prefix_remove));
		route->prefix_add = (uint16_t)strnlen(conf->prefix_add, sizeof(conf->prefix_add));
		route->len = (uint32_t)strnlen(conf->filter, sizeof(conf->filter));
		if (route->len == sizeof(conf->filter) ||
		    !pw_mqtt_filter_valid(filter, route->len) || conf->brokers == 0 ||
		    (conf->brokers & ~known) != 0 || conf->pool_size == 0 ||
		    conf->pool_size > PW_FORWARD_MAX_POOL)
			return -EINVAL;
		r->marks[i] = pw_mqtt_filter_marks(filter, route->len);
		if (need_of(conf) < 0)
			return -EINVAL;
		route->need = (uint8_t)need_of(conf);
		if (take_sets(r, route) < 0)
			return -EINVAL;
		route->flags[0] = flags_of(route, 0);
		route->flags[1] = flags_of(route, 1);
		bound_group(route, s);
		if (strcmp(conf->filter, "#") == 0)
			route->kind = PW_ROUTE_ALL;
		else if (strpbrk(conf->filter, "+#") == NULL)
			route->kind = PW_ROUTE_EXACT;
		else
			route->kind = PW_ROUTE_PATTERN;
	}
	for (uint32_t b = 0; b < s->nb_brokers; b++)
		r->seed[b] = pw_hash128(0, s->broker[b].name, strlen(s->broker[b].name)).w[0];
	return number_logs(r);
}

static bool
matches(const struct pw_route *r, const uint8_t *topic, uint32_t len)
{
	switch (r->kind) {
	case PW_ROUTE_ALL:
		return topic[0] != '$'; /* [MQTT-4.7.2-1] */
	case PW_ROUTE_EXACT:
		return r->len == len && memcmp(r->conf->filter, topic, len) == 0;
	default:
		return pw_mqtt_topic_match((const uint8_t *)r->conf->filter, r->len, topic, len);
	}
}

int
pw_route_topic(const struct pw_route *r, const uint8_t **topic, uint32_t *len, uint8_t *out)
{
	const uint8_t *rest = *topic;
	uint32_t n = *len;

	if (r->prefix_remove + r->prefix_add == 0)
		return 0;
	if (n >= r->prefix_remove && memcmp(rest, r->conf->prefix_remove, r->prefix_remove) == 0) {
		rest += r->prefix_remove;
		n -= r->prefix_remove;
	}
	if (n + r->prefix_add == 0 || n + r->prefix_add > UINT16_MAX)
		return -EINVAL;
	memcpy(out, r->conf->prefix_add, r->prefix_add);
	memcpy(out + r->prefix_add, rest, n);
	*topic = out;
	*len = n + r->prefix_add;
	return 0;
}

const struct pw_route *
pw_routes_find(const struct pw_routes *r, const uint8_t *topic, uint32_t len)
{
	uint64_t absent = 0;

	if (len == 0)
		return NULL;
	if (r->n > PW_MQTT_MARKS_FEW)
		absent = ~pw_mqtt_topic_marks(topic, len);
	for (uint32_t i = 0; i < r->n; i++) {
		if ((r->marks[i] & absent) == 0 && matches(&r->route[i], topic, len))
			return &r->route[i];
	}
	return NULL;
}
