/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which keys differ between two configurations, and which of those only a start can change: what
 * sized memory, opened ports or numbered logs, and what connected devices were told. A key that
 * nothing here knows is found by what is left over, and needs a start too.
 */
#include <stdio.h>
#include <string.h>

#include <rte_common.h>

#include "config_pvt.h"
#include "reload_pvt.h"

struct comparison {
	const struct pw_reload *r;
	struct pw_reload_result *o;
	uint32_t restart;
	struct pw_config left; /* the new one, with the old value of each key that was seen */
};

static const char *const limits_live[] = {
	"connect_deadline", "max_keepalive", "max_session_expiry", "idle_timeout", "copy_break",
	"drain_deadline",   "message_rate",  "byte_rate",	   NULL,
};
/* Of listeners, all but where they are. */
static const char *const listener_live[] = {
	"max_connections", "connect_rate",     "message_rate", "byte_rate",
	"max_packet_size", "connect_deadline", NULL,
};
static const char *const broker_live[] = {
	"port",
	"keepalive_interval",
	"connect_timeout",
	"ack_timeout",
	"max_inflight_messages",
	"session_expiry_interval",
	"max_packet_size",
	"replay_rate",
	"failover_delay",
	"failback_delay",
	NULL,
};
static const char *const none_live[] = {NULL};
/* Of these, the ones that are kept in a session's account. */
static const char *const accounted[] = {
	"message_rate", "byte_rate", "max_connections", "connect_rate", "max_packet_size", NULL,
};

static bool
among(const char *const *list, const char *key)
{
	while (*list != NULL && strcmp(*list, key) != 0)
		list++;
	return *list != NULL;
}

static void
changed(struct comparison *c, const char *path)
{
	if (c->o->nb_changed < PW_RELOAD_LINES)
		snprintf(c->o->changed[c->o->nb_changed], PW_RELOAD_KEY_LEN, "%s", path);
	c->o->nb_changed++;
}

static void
restart(struct comparison *c, const char *path, const char *why)
{
	char where[512];

	pw_config_where(c->r->file, path, where, sizeof(where));
	reload_say(c->o, "%s: needs a restart%s", where, why);
	c->restart++;
}

/* A key that is no number: whether its bytes differ. `left` is where they lie in c->left. */
static void
bytes(struct comparison *c, const char *path, void *left, const void *old, size_t len, bool live)
{
	if (memcmp(left, old, len) == 0)
		return;
	memcpy(left, old, len);
	changed(c, path);
	if (!live)
		restart(c, path, "");
}

#define BYTES(c, path, field, live)                                                                \
	bytes(c, path, &(c)->left.field, &old->field, sizeof(old->field), live)

/* Why a number that may change may not change so; NULL where it may. */
static const char *
hindrance(const struct comparison *c, const struct num_key *k, bool listener, uint64_t from,
	  uint64_t to)
{
	bool account = among(accounted, k->key);

	if (listener && strcmp(k->key, "max_connections") == 0 && (from == 0) != (to == 0))
		return ": connections are counted from the start, or not at all";
	if (account && !c->r->accounts && k->dst_size == sizeof(uint32_t))
		return ": at the start there was no limit of a listener or a device";
	return NULL;
}

enum section { SECTION_OTHER, SECTION_LIMITS, SECTION_LISTENER, SECTION_BROKER };

static void
numbers(struct comparison *c, const char *section, const struct num_key *keys, void *left,
	const void *old, enum section which)
{
	static const char *const *const live[] = {none_live, limits_live, listener_live,
						  broker_live};

	for (const struct num_key *k = keys; k->key != NULL; k++) {
		uint64_t from = config_number_get(k, old), to = config_number_get(k, left);
		const char *why = NULL;
		char path[CONFIG_PATH_LEN];

		if (from == to)
			continue;
		snprintf(path, sizeof(path), "%s.%s", section, k->key);
		memcpy((uint8_t *)left + k->dst_off, (const uint8_t *)old + k->dst_off,
		       k->dst_size);
		changed(c, path);
		if (which == SECTION_LIMITS || which == SECTION_LISTENER)
			why = hindrance(c, k, which == SECTION_LISTENER, from, to);
		if (!among(live[which], k->key))
			restart(c, path, "");
		else if (why != NULL)
			restart(c, path, why);
	}
}

static void
listeners(struct comparison *c, const struct pw_config *old)
{
	char path[CONFIG_PATH_LEN], section[CONFIG_SECTION_LEN];

	BYTES(c, "listeners", forward.nb_listeners, false);
	for (uint32_t i = 0; i < old->forward.nb_listeners; i++) {
		snprintf(section, sizeof(section), "listeners[%u]", i);
		snprintf(path, sizeof(path), "%s.name", section);
		BYTES(c, path, forward.listener[i].name, false);
		snprintf(path, sizeof(path), "%s.address", section);
		BYTES(c, path, forward.listener[i].address, false);
		snprintf(path, sizeof(path), "%s.port", section);
		BYTES(c, path, forward.listener[i].port, false);
		numbers(c, section, config_listener_keys, &c->left.forward.listener[i],
			&old->forward.listener[i], SECTION_LISTENER);
	}
}

static void
hold(struct comparison *c, const char *section, struct pw_broker_conf *left,
     const struct pw_broker_conf *old)
{
	char path[CONFIG_PATH_LEN];
	bool live = (left->hold_bytes == 0) == (old->hold_bytes == 0);

	snprintf(path, sizeof(path), "%s.hold.messages", section);
	bytes(c, path, &left->hold_messages, &old->hold_messages, sizeof(old->hold_messages), true);
	snprintf(path, sizeof(path), "%s.hold.bytes", section);
	bytes(c, path, &left->hold_bytes, &old->hold_bytes, sizeof(old->hold_bytes), live);
}

static void
broker(struct comparison *c, uint32_t i, const struct pw_broker_conf *old)
{
	struct pw_broker_conf *left = &c->left.forward.broker[i];
	char path[CONFIG_PATH_LEN], section[CONFIG_SECTION_LEN];

	snprintf(section, sizeof(section), "brokers[%u]", i);
#define KEY(key, field)                                                                            \
	snprintf(path, sizeof(path), "%s." key, section);                                          \
	bytes(c, path, &left->field, &old->field, sizeof(old->field), true)
	KEY("address", address);
	KEY("username", username);
	KEY("password", password);
	KEY("restart_timeout", restart_base);
	KEY("restart_timeout", restart_cap);
	KEY("protocol", protocol);
	KEY("strict", strict);
#undef KEY
	hold(c, section, left, old);
	numbers(c, section, config_broker_keys, left, old, SECTION_BROKER);
}

/* By name: where they stand in the list means nothing. */
static void
brokers(struct comparison *c, const struct pw_forward_settings *old)
{
	struct pw_forward_settings *left = &c->left.forward;
	char path[CONFIG_PATH_LEN];
	uint32_t seen = 0, k;

	for (uint32_t i = 0; i < left->nb_brokers; i++) {
		for (k = 0;
		     k < old->nb_brokers && strcmp(left->broker[i].name, old->broker[k].name) != 0;
		     k++)
			;
		if (k < old->nb_brokers) {
			seen |= 1u << k;
			broker(c, i, &old->broker[k]);
			continue;
		}
		snprintf(path, sizeof(path), "brokers[%u] (%s is new)", i, left->broker[i].name);
		changed(c, path);
	}
	for (k = 0; k < old->nb_brokers; k++) {
		if (seen & 1u << k)
			continue;
		snprintf(path, sizeof(path), "brokers (%s is gone)", old->broker[k].name);
		changed(c, path);
	}
}

/* Names of a route's brokers are what it is about, not their places. */
static bool
same_brokers(const struct pw_forward_settings *a, const struct pw_route_conf *ra,
	     const struct pw_forward_settings *b, const struct pw_route_conf *rb)
{
	uint32_t n = (uint32_t)__builtin_popcount(ra->brokers);

	if (n != (uint32_t)__builtin_popcount(rb->brokers))
		return false;
	for (uint32_t i = 0; i < n; i++) {
		if (strcmp(a->broker[ra->order[i]].name, b->broker[rb->order[i]].name) != 0)
			return false;
	}
	return true;
}

static void
route(struct comparison *c, const struct pw_config *fresh, uint32_t i, const struct pw_config *old,
      uint32_t k)
{
	const struct pw_route_conf *was = &old->forward.route[k];
	struct pw_route_conf *left = &c->left.forward.route[i];
	char path[CONFIG_PATH_LEN];

	snprintf(path, sizeof(path), "routes[%u].brokers", i);
	if (!same_brokers(&fresh->forward, &fresh->forward.route[i], &old->forward, was))
		changed(c, path);
#define KEY(key, field)                                                                            \
	snprintf(path, sizeof(path), "routes[%u]." key, i);                                        \
	bytes(c, path, &left->field, &was->field, sizeof(was->field), true)
	KEY("filter", filter);
	KEY("fanout", fanout);
	KEY("hash_by", hash_by_topic);
	KEY("topic_prefix", prefix_remove);
	KEY("topic_prefix", prefix_add);
	KEY("ack", ack);
	KEY("ack", quorum);
	KEY("when_full", when_full_qos0);
	KEY("when_full", when_full_qos1);
	KEY("pool_size", pool_size);
#undef KEY
}

static void
routes(struct comparison *c, const struct pw_config *fresh, const struct pw_config *old)
{
	static bool seen[PW_FORWARD_MAX_ROUTES]; /* main lcore */
	const struct pw_forward_settings *was = &old->forward, *is = &fresh->forward;
	uint32_t last = 0, k;
	bool moved = false;
	char path[CONFIG_PATH_LEN];

	memset(seen, 0, sizeof(seen));
	for (uint32_t i = 0; i < is->nb_routes; i++) {
		for (k = 0;
		     k < was->nb_routes && strcmp(is->route[i].name, was->route[k].name) != 0; k++)
			;
		if (k == was->nb_routes) {
			snprintf(path, sizeof(path), "routes[%u] (%s is new)", i,
				 is->route[i].name);
			changed(c, path);
			continue;
		}
		moved |= k < last;
		last = k;
		seen[k] = true;
		route(c, fresh, i, old, k);
	}
	for (k = 0; k < was->nb_routes; k++) {
		if (seen[k])
			continue;
		snprintf(path, sizeof(path), "routes (%s is gone)", was->route[k].name);
		changed(c, path);
	}
	if (moved)
		changed(c, "routes (another order)");
}

static void
access_files(struct comparison *c, const struct pw_config *old)
{
	struct pw_access_conf *left = &c->left.access;
	bool passwords = left->password_file[0] != '\0', acl = left->acl_file[0] != '\0';
	bool had_passwords = old->access.password_file[0] != '\0';
	bool had_acl = old->access.acl_file[0] != '\0';
	bool contents = left->digest != old->access.digest;

	BYTES(c, "authentication.password_file", access.password_file, passwords == had_passwords);
	BYTES(c, "authentication.acl_file", access.acl_file,
	      passwords == had_passwords && (had_passwords || acl == had_acl));
	BYTES(c, "authentication.allow_anonymous", access.allow_anonymous, true);
	left->digest = old->access.digest;
	if (contents && (passwords || acl))
		changed(c, "authentication (what its files say)");
}

static void
the_rest(struct comparison *c, const struct pw_config *old)
{
	char section[CONFIG_SECTION_LEN];

	BYTES(c, "eal", eal, false);
	BYTES(c, "eal", nb_eal, false);
	BYTES(c, "instance", forward.instance, false);
	BYTES(c, "clientid_prefix", forward.clientid_prefix, false);
	BYTES(c, "server_reference", forward.server_reference, true);
	BYTES(c, "protocols", forward.lanes, false);
	BYTES(c, "log.level", log_level, true);
	BYTES(c, "workers", lcore, false);
	BYTES(c, "workers", role, false);
	BYTES(c, "workers", nb_workers, false);
	BYTES(c, "workers.main_cpu", main_cpu, false);
	BYTES(c, "workers.idle", idle, false);
	numbers(c, "workers", config_worker_keys, &c->left, old, SECTION_OTHER);
	numbers(c, "memory", config_memory_keys, &c->left, old, SECTION_OTHER);
	numbers(c, "tcp", config_tcp_keys, &c->left.tcp, &old->tcp, SECTION_OTHER);
	numbers(c, "limits", config_wire_keys, &c->left, old, SECTION_OTHER);
	BYTES(c, "ports", nb_ports, false);
	for (uint32_t i = 0; i < old->nb_ports; i++) {
		snprintf(section, sizeof(section), "ports[%u]", i);
		BYTES(c, section, port[i], false);
	}
	BYTES(c, "http", http, false);
}

/* What routes make of TCP's tables, which are as large as they were at the start: there is room for
 * connections that close, which some to brokers may take. */
static void
connections(struct comparison *c, const struct pw_config *old, const struct pw_config *fresh)
{
	uint32_t room = c->r->reserved + config_closing(old);
	char why[128];

	c->left.tcp.reserve_active = old->tcp.reserve_active;
	c->left.tcp.max_conns = old->tcp.max_conns;
	if (fresh->tcp.reserve_active <= room)
		return;
	snprintf(why, sizeof(why),
		 ": %u connections of a worker to brokers, and room for %u since the start",
		 fresh->tcp.reserve_active, room);
	restart(c, "routes", why);
}

uint32_t
reload_compare(const struct pw_reload *r, const struct pw_config *old,
	       const struct pw_config *fresh, struct pw_reload_result *o)
{
	static struct comparison c; /* large; main lcore */

	c.r = r;
	c.o = o;
	c.restart = 0;
	c.left = *fresh;
	numbers(&c, "limits", config_limit_keys, &c.left.forward.limits, &old->forward.limits,
		SECTION_LIMITS);
	the_rest(&c, old);
	listeners(&c, old);
	access_files(&c, old);
	brokers(&c, &old->forward);
	routes(&c, fresh, old);
	/* Lists whose members were compared by name. */
	memcpy(c.left.forward.broker, old->forward.broker, sizeof(old->forward.broker));
	memcpy(c.left.forward.route, old->forward.route, sizeof(old->forward.route));
	c.left.forward.nb_brokers = old->forward.nb_brokers;
	c.left.forward.nb_routes = old->forward.nb_routes;
	connections(&c, old, fresh);
	if (c.restart == 0 && memcmp(&c.left, old, sizeof(*old)) != 0)
		restart(&c, "", ": something else is different");
	return c.restart;
}
