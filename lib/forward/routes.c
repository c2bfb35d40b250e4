/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <string.h>

#include <pubwire/mqtt/topic.h>

#include "routes_pvt.h"

int
pw_routes_compile(struct pw_routes *r, const struct pw_forward_settings *s)
{
	uint64_t known = (UINT64_C(1) << s->nb_brokers) - 1;

	if (s->nb_routes > PW_FORWARD_MAX_ROUTES || s->nb_brokers > PW_FORWARD_MAX_BROKERS)
		return -EINVAL;
	r->n = s->nb_routes;
	for (uint32_t i = 0; i < r->n; i++) {
		const struct pw_route_conf *conf = &s->route[i];
		struct pw_route *route = &r->route[i];
		const uint8_t *filter = (const uint8_t *)conf->filter;

		route->conf = conf;
		route->len = (uint32_t)strnlen(conf->filter, sizeof(conf->filter));
		route->brokers = conf->brokers;
		if (route->len == sizeof(conf->filter) ||
		    !pw_mqtt_filter_valid(filter, route->len) || conf->brokers == 0 ||
		    (conf->brokers & ~known) != 0 || conf->when_full_qos1 != PW_WHEN_FULL_BLOCK)
			return -EINVAL;
		if (strcmp(conf->filter, "#") == 0)
			route->kind = PW_ROUTE_ALL;
		else if (strpbrk(conf->filter, "+#") == NULL)
			route->kind = PW_ROUTE_EXACT;
		else
			route->kind = PW_ROUTE_PATTERN;
	}
	return 0;
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

const struct pw_route *
pw_routes_find(const struct pw_routes *r, const uint8_t *topic, uint32_t len)
{
	if (len == 0)
		return NULL;
	for (uint32_t i = 0; i < r->n; i++) {
		if (matches(&r->route[i], topic, len))
			return &r->route[i];
	}
	return NULL;
}
