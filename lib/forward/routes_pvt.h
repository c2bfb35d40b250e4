/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PW_FORWARD_ROUTES_PVT_H
#define PW_FORWARD_ROUTES_PVT_H

/*
 * Which brokers a topic goes to: the first route, in file order, whose filter matches. Filters
 * without a wildcard are compared as bytes, "#" needs no walk, the rest go through the matcher.
 */

#include <pubwire/forward/conf.h>

enum pw_route_kind { PW_ROUTE_ALL, PW_ROUTE_EXACT, PW_ROUTE_PATTERN };

struct pw_route {
	const struct pw_route_conf *conf;
	uint32_t len; /* of the filter */
	uint32_t brokers;
	enum pw_route_kind kind;
};

struct pw_routes {
	struct pw_route route[PW_FORWARD_MAX_ROUTES];
	uint32_t n;
};

/* 0; -EINVAL for a bad filter, no broker, or brokers that do not exist. */
int pw_routes_compile(struct pw_routes *r, const struct pw_forward_settings *s);

/* The route of a topic, NULL where none matches. */
const struct pw_route *pw_routes_find(const struct pw_routes *r, const uint8_t *topic,
				      uint32_t len);

#endif
