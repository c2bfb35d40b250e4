/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Brokers and limits: that every broker can be reached, and that sizes fit each other.
 */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <rte_common.h>

#include "config_pvt.h"

#define NEIGHBOURS 1024u /* that are reserved at least where it does not ask */

static int
take_restart(struct config_loader *l, const char *section, const struct raw_list *r,
	     struct pw_broker_conf *b)
{
	static const struct num_key wait = {
		.kind = NUM_MS, .min = CONFIG_RESTART_LEAST_MS, .max = CONFIG_RESTART_MOST_MS};
	char path[CONFIG_PATH_LEN];
	uint64_t v[2];

	snprintf(path, sizeof(path), "%s.restart_timeout", section);
	if (!config_yaml_present(l, path))
		return 0;
	if (r->n != 2)
		return config_refuse(l, path, "%u values; expected [LEAST, LONGEST] wait", r->n);
	for (uint32_t i = 0; i < 2; i++) {
		char item[CONFIG_PATH_LEN + 16];
		int rc;

		snprintf(item, sizeof(item), "%s[%u]", path, i);
		rc = config_number(l, item, r->v[i], &wait, &v[i]);
		if (rc != 0)
			return rc;
	}
	if (v[1] < v[0])
		return config_refuse(
			l, path, "the longest wait is below the least; expected [LEAST, LONGEST]");
	b->restart_base = v[0];
	b->restart_cap = v[1];
	return 0;
}

static int
take_hold(struct config_loader *l, const char *section, const struct raw_hold *r,
	  struct pw_broker_conf *b)
{
	char path[CONFIG_PATH_LEN];

	snprintf(path, sizeof(path), "%s.hold", section);
	return r != NULL ? config_numbers(l, path, config_hold_keys, r, b) : 0;
}

static int
take_credentials(struct config_loader *l, const char *section, const struct raw_broker *r,
		 struct pw_broker_conf *b)
{
	const char *const text[] = {r->username, r->password};
	char *const dst[] = {b->username, b->password};
	static const char *const key[] = {"username", "password"};
	char path[CONFIG_PATH_LEN];

	for (uint32_t i = 0; i < RTE_DIM(text); i++) {
		if (text[i] == NULL)
			continue;
		snprintf(path, sizeof(path), "%s.%s", section, key[i]);
		if (strlen(text[i]) >= PW_FORWARD_STR_LEN)
			return config_refuse(l, path, "%zu bytes; expected at most %d",
					     strlen(text[i]), PW_FORWARD_STR_LEN - 1);
		snprintf(dst[i], PW_FORWARD_STR_LEN, "%s", text[i]);
	}
	/* [MQTT-3.1.2-22] of 3.1.1: a password goes with a user name. */
	if (b->password[0] != '\0' && b->username[0] == '\0')
		return config_refuse_key(l, path,
					 "a password without a user name; expected username too");
	return 0;
}

static int
take_protocol(struct config_loader *l, const char *section, const struct raw_broker *r,
	      struct pw_broker_conf *b)
{
	char path[CONFIG_PATH_LEN];
	uint32_t word;
	int rc;

	if (r->protocol != NULL) {
		snprintf(path, sizeof(path), "%s.protocol", section);
		rc = config_word(l, path, r->protocol, config_protocol_words, &word);
		if (rc != 0)
			return rc;
		b->protocol = (enum pw_broker_protocol)word;
	}
	if (r->strict != NULL) {
		snprintf(path, sizeof(path), "%s.strict", section);
		rc = config_word(l, path, r->strict, config_bool_words, &word);
		if (rc != 0)
			return rc;
		b->strict = word != 0;
	}
	return 0;
}

/* The address must be somebody else's, and there must be a way to it. */
static int
check_reachable(struct config_loader *l, const char *path, const char *text,
		const struct pw_broker_conf *b)
{
	bool v4 = pw_addr_is_v4(&b->address);

	if (config_port_with(l->c, &b->address) >= 0)
		return config_refuse(l, path, "%s is pubwire's own address; expected the broker's",
				     text);
	if (config_port_onlink(l->c, &b->address) >= 0)
		return 0;
	for (uint32_t p = 0; p < l->c->nb_ports; p++)
		if (config_gateway(&l->c->port[p], v4) != NULL)
			return 0;
	return config_refuse(l, path,
			     "no port has a way to %s; expected an address on a port's network, or "
			     "a port with a %s",
			     text, v4 ? "gateway" : "gateway6");
}

static int
take_broker(struct config_loader *l, const char *section, const struct raw_broker *r,
	    struct pw_broker_conf *b)
{
	const struct pw_forward_settings *s = &l->c->forward;
	char path[CONFIG_PATH_LEN];
	int rc;

	snprintf(path, sizeof(path), "%s.name", section);
	rc = config_name(l, path, r->name, b->name);
	if (rc != 0)
		return rc;
	for (uint32_t i = 0; i < s->nb_brokers; i++)
		if (strcmp(s->broker[i].name, b->name) == 0)
			return config_refuse(l, path, "'%s' stands twice; expected each name once",
					     b->name);
	snprintf(path, sizeof(path), "%s.address", section);
	rc = config_addr(l, path, r->address, &b->address);
	if (rc != 0)
		return rc;
	rc = check_reachable(l, path, r->address, b);
	if (rc != 0)
		return rc;
	rc = config_numbers(l, section, config_broker_keys, r, b);
	if (rc != 0)
		return rc;
	snprintf(path, sizeof(path), "%s.max_packet_size", section);
	if (b->max_packet_size != 0 && b->max_packet_size < CONFIG_LEAST_PACKET)
		return config_refuse(l, path, "%u is too small; expected 0 or at least %u",
				     b->max_packet_size, CONFIG_LEAST_PACKET);
	snprintf(path, sizeof(path), "%s.address", section);
	for (uint32_t i = 0; i < s->nb_brokers; i++)
		if (pw_addr_eq(&s->broker[i].address, &b->address) && s->broker[i].port == b->port)
			return config_refuse(l, path,
					     "broker '%s' has this address and port; expected each "
					     "pair once",
					     s->broker[i].name);
	rc = take_credentials(l, section, r, b);
	if (rc == 0)
		rc = take_protocol(l, section, r, b);
	if (rc == 0)
		rc = take_restart(l, section, &r->restart_timeout, b);
	if (rc == 0)
		rc = take_hold(l, section, r->hold, b);
	return rc;
}

int
config_take_brokers(struct config_loader *l)
{
	struct pw_forward_settings *s = &l->c->forward;
	char section[CONFIG_SECTION_LEN];

	if (l->raw->nb_brokers == 0 || l->raw->nb_brokers > PW_FORWARD_MAX_BROKERS)
		return config_refuse(l, "brokers", "%u brokers; expected 1 to %d",
				     l->raw->nb_brokers, PW_FORWARD_MAX_BROKERS);
	for (uint32_t i = 0; i < l->raw->nb_brokers; i++) {
		int rc;

		snprintf(section, sizeof(section), "brokers[%u]", i);
		rc = take_broker(l, section, &l->raw->brokers[i], &s->broker[i]);
		if (rc != 0)
			return rc;
		s->nb_brokers++;
	}
	return 0;
}

static int
take_protocols(struct config_loader *l)
{
	const struct raw_list *r = &l->raw->protocols;
	char path[CONFIG_PATH_LEN];

	if (!config_yaml_present(l, "protocols"))
		return 0;
	l->c->forward.lanes = 0;
	for (uint32_t i = 0; i < r->n; i++) {
		uint32_t lane;

		snprintf(path, sizeof(path), "protocols[%u]", i);
		if (strcmp(r->v[i], "3.1.1") == 0)
			lane = 1u << PW_LANE_3;
		else if (strcmp(r->v[i], "5.0") == 0 || strcmp(r->v[i], "5") == 0)
			lane = 1u << PW_LANE_5;
		else
			return config_refuse(l, path,
					     "'%.40s' is no protocol; expected 3.1.1 (which serves "
					     "3.1 too) or 5.0",
					     r->v[i]);
		if (l->c->forward.lanes & lane)
			return config_refuse(
				l, path, "'%s' stands twice; expected each protocol once", r->v[i]);
		l->c->forward.lanes |= lane;
	}
	if (l->c->forward.lanes == 0)
		return config_refuse(l, "protocols", "empty; expected 3.1.1, 5.0 or both");
	return 0;
}

/* What a listener asks for itself can't be more, and not so little that nothing works. */
static int
check_listeners(struct config_loader *l)
{
	uint32_t most = l->c->forward.limits.max_packet_size;
	char path[CONFIG_PATH_LEN];

	for (uint32_t i = 0; i < l->c->forward.nb_listeners; i++) {
		const struct pw_listener_conf *n = &l->c->forward.listener[i];

		snprintf(path, sizeof(path), "listeners[%u].max_packet_size", i);
		if (n->max_packet_size != 0 &&
		    (n->max_packet_size < CONFIG_LEAST_PACKET || n->max_packet_size > most))
			return config_refuse(l, path,
					     "%u does not fit; expected 0, or %u to "
					     "limits.max_packet_size (%u)",
					     n->max_packet_size, CONFIG_LEAST_PACKET, most);
		snprintf(path, sizeof(path), "listeners[%u].connect_deadline", i);
		if (n->connect_deadline != 0 && n->connect_deadline < CONFIG_LEAST_DEADLINE)
			return config_refuse(l, path,
					     "%u ms is too short; expected 0 or at least %u ms",
					     n->connect_deadline, CONFIG_LEAST_DEADLINE);
	}
	return 0;
}

/* Sizes that have to fit each other. */
static int
check_sizes(struct config_loader *l)
{
	const struct pw_config *c = l->c;
	const struct pw_limits_conf *m = &c->forward.limits;
	/* Frames that are not whole yet may hold a quarter of the packet buffers: lib/forward. */
	uint64_t most = (uint64_t)c->pkt_buffers * 2048 / 8;

	if (!rte_is_power_of_2(m->max_queued_messages))
		return config_refuse(l, "limits.max_queued_messages",
				     "%u is not a power of two; expected 16, 32, ... 32768",
				     m->max_queued_messages);
	if (m->receive_maximum > m->max_queued_messages)
		return config_refuse(l, "limits.receive_maximum",
				     "%u is above max_queued_messages; expected at most %u",
				     m->receive_maximum, m->max_queued_messages);
	if (m->max_packet_size > most)
		return config_refuse(l, "limits.max_packet_size",
				     "%u is more than %u packet_buffers can collect; expected at "
				     "most %" PRIu64 ", or more packet_buffers",
				     m->max_packet_size, c->pkt_buffers, most);
	if (c->neighbours != 0 && c->neighbours < CONFIG_LEAST_NEIGHBOURS)
		return config_refuse(l, "limits.neighbours",
				     "%u is too small; expected 0 or at least %u", c->neighbours,
				     CONFIG_LEAST_NEIGHBOURS);
	if (c->tcp.max_rto_ms < c->tcp.min_rto_ms)
		return config_refuse(l, "tcp.max_rto", "%u is below min_rto; expected at least %u",
				     c->tcp.max_rto_ms, c->tcp.min_rto_ms);
	if (c->tcp.keepalive_ms != 0 && c->tcp.keepalive_ms < CONFIG_LEAST_KEEPALIVE)
		return config_refuse(l, "tcp.keepalive",
				     "%u ms is too short; expected 0, or at least %us",
				     c->tcp.keepalive_ms, CONFIG_LEAST_KEEPALIVE / 1000);
	return 0;
}

/* Connections that are closing, about to take another's place, or to be refused: as many beside
 * those of devices as sessions that are kept, unless the configuration says otherwise of these. */
uint32_t
config_closing(const struct pw_config *c)
{
	struct pw_limits_conf l = c->forward.limits;

	l.max_kept = 0;
	return pw_forward_max_kept(&l);
}

/*
 * Connections of a worker's stack: devices, some more for those that are closing, and one to every
 * broker for every log that the worker may serve, which no device can take.
 */
int
config_size(struct config_loader *l)
{
	struct pw_config *c = l->c;
	uint32_t devices = 0, brokers = 0, lanes, upstreams;
	struct pw_forward_layout layout;

	if (pw_forward_layout(&c->forward, &layout) < 0)
		return config_refuse(
			l, "routes",
			"more than %u logs; expected fewer sets of brokers, or smaller "
			"pool_size",
			PW_FORWARD_MAX_LOGS);

	for (uint32_t w = 0; w < c->nb_workers; w++) {
		devices += (c->role[w] & PW_ROLE_DEVICES) != 0;
		brokers += (c->role[w] & PW_ROLE_BROKERS) != 0;
	}
	lanes = (devices + brokers - 1) / brokers * (uint32_t)__builtin_popcount(c->forward.lanes);
	upstreams = lanes * layout.connections;
	c->tcp.reserve_active = upstreams;
	c->tcp.max_conns = c->forward.limits.max_connections + config_closing(c) + upstreams;
	return 0;
}

/* Neighbours are told to every worker, so each may have to know the devices of all. */
uint32_t
pw_config_neighbours(const struct pw_config *c)
{
	uint64_t n = CONFIG_LEAST_NEIGHBOURS;

	if (c->neighbours != 0)
		return c->neighbours;
	for (uint32_t w = 0; w < c->nb_workers; w++)
		n += (c->role[w] & PW_ROLE_DEVICES) ? c->forward.limits.max_connections : 0;
	return (uint32_t)RTE_MIN(RTE_MAX(n, NEIGHBOURS), (uint64_t)PW_WIRE_NEIGH_MAX);
}

/* 5.0 4.11, 3.14.2.2.5 */
static int
take_server_reference(struct config_loader *l)
{
	const char *text = l->raw->server_reference;
	size_t n = text != NULL ? strlen(text) : 0;

	if (n >= PW_FORWARD_STR_LEN)
		return config_refuse(l, "server_reference", "%zu bytes; expected at most %d", n,
				     PW_FORWARD_STR_LEN - 1);
	for (size_t i = 0; i < n; i++) {
		if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
			return config_refuse(l, "server_reference",
					     "a control character; expected names or addresses, "
					     "separated by spaces");
	}
	if (n > 0)
		snprintf(l->c->forward.server_reference, PW_FORWARD_STR_LEN, "%s", text);
	return 0;
}

int
config_take_limits(struct config_loader *l)
{
	const struct raw_config *raw = l->raw;
	struct pw_config *c = l->c;
	int rc = 0;

	if (raw->instance != NULL)
		rc = config_name(l, "instance", raw->instance, c->forward.instance);
	if (rc == 0 && raw->clientid_prefix != NULL)
		rc = config_name(l, "clientid_prefix", raw->clientid_prefix,
				 c->forward.clientid_prefix);
	if (rc == 0)
		rc = take_server_reference(l);
	if (rc == 0 && raw->limits != NULL)
		rc = config_numbers(l, "limits", config_limit_keys, raw->limits,
				    &c->forward.limits);
	if (rc == 0 && raw->limits != NULL)
		rc = config_numbers(l, "limits", config_wire_keys, raw->limits, c);
	if (rc == 0 && raw->tcp != NULL)
		rc = config_numbers(l, "tcp", config_tcp_keys, raw->tcp, &c->tcp);
	if (rc == 0)
		rc = take_protocols(l);
	if (rc == 0)
		rc = check_sizes(l);
	if (rc == 0)
		rc = check_listeners(l);
	return rc;
}
