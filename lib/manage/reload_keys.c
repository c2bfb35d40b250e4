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
brokers(struct comparison *c, const struct pw_config *old)
{
	char path[CONFIG_PATH_LEN], section[CONFIG_SECTION_LEN];

	BYTES(c, "brokers", forward.nb_brokers, false);
	for (uint32_t i = 0; i < old->forward.nb_brokers; i++) {
		snprintf(section, sizeof(section), "brokers[%u]", i);
#define KEY(key, field, live)                                                                      \
	snprintf(path, sizeof(path), "%s." key, section);                                          \
	BYTES(c, path, forward.broker[i].field, live)
		KEY("name", name, false);
		KEY("address", address, false);
		KEY("username", username, true);
		KEY("password", password, true);
		KEY("restart_timeout", restart_base, true);
		KEY("restart_timeout", restart_cap, true);
		KEY("protocol", protocol, true);
		KEY("strict", strict, true);
#undef KEY
		hold(c, section, &c->left.forward.broker[i], &old->forward.broker[i]);
		numbers(c, section, config_broker_keys, &c->left.forward.broker[i],
			&old->forward.broker[i], SECTION_BROKER);
	}
}

/* Fanouts of one broker each have the same logs, whichever of them it is. */
static void
fanout(struct comparison *c, const char *path, enum pw_fanout *left, enum pw_fanout old)
{
	bool live = *left == old || (*left != PW_FANOUT_ALL && old != PW_FANOUT_ALL);

	bytes(c, path, left, &old, sizeof(old), live);
}

static void
routes(struct comparison *c, const struct pw_config *old)
{
	char path[CONFIG_PATH_LEN];

	BYTES(c, "routes", forward.nb_routes, false);
	for (uint32_t i = 0; i < old->forward.nb_routes; i++) {
#define KEY(key, field, live)                                                                      \
	snprintf(path, sizeof(path), "routes[%u]." key, i);                                        \
	BYTES(c, path, forward.route[i].field, live)
		KEY("name", name, true);
		KEY("filter", filter, true);
		KEY("brokers", brokers, false);
		KEY("brokers", order, false);
		KEY("hash_by", hash_by_topic, true);
		KEY("topic_prefix", prefix_remove, true);
		KEY("topic_prefix", prefix_add, true);
		KEY("ack", ack, true);
		KEY("ack", quorum, true);
		KEY("when_full", when_full_qos0, true);
		KEY("when_full", when_full_qos1, true);
		KEY("pool_size", pool_size, false);
#undef KEY
		snprintf(path, sizeof(path), "routes[%u].fanout", i);
		fanout(c, path, &c->left.forward.route[i].fanout, old->forward.route[i].fanout);
	}
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
	/* Places in the lists compare what comes to stand there: one refusal for them is enough. */
	if (c.left.forward.nb_brokers == fresh->forward.nb_brokers)
		brokers(&c, old);
	routes(&c, old);
	if (c.restart == 0 && memcmp(&c.left, old, sizeof(*old)) != 0)
		restart(&c, "", ": something else is different");
	return c.restart;
}
