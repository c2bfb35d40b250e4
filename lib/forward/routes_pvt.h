/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PW_FORWARD_ROUTES_PVT_H
#define PW_FORWARD_ROUTES_PVT_H

/*
 * Which brokers a topic goes to: the first route, in file order, whose filter matches. Filters
 * without a wildcard are compared as bytes, "#" needs no walk, the rest go through the matcher.
 * Where there are many, most are ruled out by their marks.
 */

#include <pubwire/forward/conf.h>

enum pw_route_kind { PW_ROUTE_ALL, PW_ROUTE_EXACT, PW_ROUTE_PATTERN };

struct pw_route {
	const struct pw_route_conf *conf;
	uint32_t len;  /* of the filter */
	uint32_t slot; /* its number, as long as it has its name: where it is counted */
	uint32_t set;  /* fanout: all */
	uint32_t nb;   /* else the brokers in their order, each a set of its own */
	struct {
		uint16_t set;
		uint8_t broker;
	} one[PW_FORWARD_MAX_BROKERS];
	uint16_t prefix_remove, prefix_add; /* bytes */
	uint32_t group, group_bytes;	    /* most messages, and bytes of them, in one entry */
	uint8_t need;	  /* brokers that must have a message before its device is told so */
	uint8_t flags[2]; /* PW_FLOG_ of its messages, of QoS 0 and of the others */
	enum pw_route_kind kind;
};

static inline enum pw_when_full
pw_route_when_full(const struct pw_route *r, uint32_t qos)
{
	return qos == 0 ? r->conf->when_full_qos0 : r->conf->when_full_qos1;
}

/* Brokers that messages go to together. Routes that come to the same set share its logs; the
 * largest pool_size among them holds. */
struct pw_set {
	uint32_t brokers;
	uint32_t first_log;
	uint32_t pool_size;
};

#define PW_MAX_SETS (PW_FORWARD_MAX_ROUTES + PW_FORWARD_MAX_BROKERS)

struct pw_routes {
	struct pw_route route[PW_FORWARD_MAX_ROUTES];
	uint64_t marks[PW_FORWARD_MAX_ROUTES]; /* of their filters: pw_mqtt_filter_marks() */
	uint32_t n;
	struct pw_set set[PW_MAX_SETS]; /* in the order in which routes first name them */
	uint32_t nb_sets;
	uint32_t nb_logs;		       /* of one worker and lane */
	uint64_t seed[PW_FORWARD_MAX_BROKERS]; /* of brokers' names, for rendezvous hashing */
	bool shares;			       /* some route goes to one broker of several */
};

/* 0; -EINVAL for a bad filter, no broker, or brokers that do not exist; -E2BIG: too many logs. */
int pw_routes_compile(struct pw_routes *r, const struct pw_forward_settings *s);

/*
 * The topic as brokers are to have it: in `out`, which has room for 65,535 bytes, or the same where
 * the route changes none. 0, or -EINVAL where it would be empty or too long.
 */
int pw_route_topic(const struct pw_route *r, const uint8_t **topic, uint32_t *len, uint8_t *out);

/* The route of a topic, NULL where none matches. */
const struct pw_route *pw_routes_find(const struct pw_routes *r, const uint8_t *topic,
				      uint32_t len);

#endif
