/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Ports, their networks, and the listeners on them: every address has one port, and no two networks
 * overlap, so that a route is a matter of looking and never of order.
 */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <rte_byteorder.h>
#include <rte_common.h>

#include "config_pvt.h"

static uint32_t
host_order(const struct pw_addr *a)
{
	return rte_be_to_cpu_32(pw_addr_be32(a));
}

static uint32_t
mask_of(uint8_t prefix_len)
{
	return prefix_len == 0 ? 0 : UINT32_MAX << (32 - prefix_len);
}

static bool
on_link(const struct pw_wire_addr *net, const struct pw_addr *a)
{
	return ((host_order(&net->addr) ^ host_order(a)) & mask_of(net->prefix_len)) == 0;
}

static bool
addr_unset(const struct pw_addr *a)
{
	static const struct pw_addr zero;

	return pw_addr_eq(a, &zero);
}

int
config_port_with(const struct pw_config *c, const struct pw_addr *a)
{
	for (uint32_t p = 0; p < c->nb_ports; p++)
		for (uint32_t i = 0; i < c->port[p].nb_addrs; i++)
			if (pw_addr_eq(&c->port[p].addr[i].addr, a))
				return p;
	return -1;
}

int
config_port_onlink(const struct pw_config *c, const struct pw_addr *a)
{
	for (uint32_t p = 0; p < c->nb_ports; p++)
		for (uint32_t i = 0; i < c->port[p].nb_addrs; i++)
			if (on_link(&c->port[p].addr[i], a))
				return p;
	return -1;
}

/* "10.77.0.1/16" */
static int
take_prefix(struct config_loader *l, const char *path, const char *text, struct pw_wire_addr *out)
{
	static const struct num_key prefix = {.kind = NUM_COUNT, .min = 1, .max = 32};
	const char *slash = strchr(text, '/');
	char addr[PW_ADDR_STRLEN];
	uint64_t len;
	uint32_t host;
	int rc;

	if (slash == NULL || slash - text >= (ptrdiff_t)sizeof(addr))
		return config_refuse(
			l, path,
			"'%.60s' has no prefix length; expected ADDRESS/LENGTH such as "
			"192.0.2.1/24",
			text);
	memcpy(addr, text, slash - text);
	addr[slash - text] = '\0';
	rc = config_v4(l, path, addr, &out->addr);
	if (rc != 0)
		return rc;
	rc = config_number(l, path, slash + 1, &prefix, &len);
	if (rc != 0)
		return rc;
	out->prefix_len = len;
	host = host_order(&out->addr) & ~mask_of(len);
	/* RFC 3021: a prefix of 31 has two hosts and neither network nor broadcast address. */
	if (len < 31 && (host == 0 || host == ~mask_of(len)))
		return config_refuse(l, path,
				     "'%.60s' is the network's %s address; expected a host's", text,
				     host == 0 ? "own" : "broadcast");
	return 0;
}

/* A new address against all before it. The port itself is not counted yet. */
static int
check_overlap(struct config_loader *l, const char *path, const struct pw_config_port *port,
	      const struct pw_wire_addr *a)
{
	for (uint32_t p = 0; p <= l->c->nb_ports; p++) {
		const struct pw_config_port *o = p < l->c->nb_ports ? &l->c->port[p] : port;

		for (uint32_t i = 0; i < o->nb_addrs; i++) {
			const struct pw_wire_addr *b = &o->addr[i];
			bool overlap = on_link(a, &b->addr) || on_link(b, &a->addr);
			char text[PW_ADDR_STRLEN];

			pw_addr_str(&b->addr, text);
			if (pw_addr_eq(&a->addr, &b->addr))
				return config_refuse(
					l, path, "the address stands twice; expected each once");
			/* More addresses of one port may share its network, whole. */
			if (overlap && (o != port || a->prefix_len != b->prefix_len))
				return config_refuse(
					l, path,
					"overlaps %s/%u of port '%s'; expected networks "
					"apart from each other",
					text, b->prefix_len, o->name);
		}
	}
	return 0;
}

static int
take_addresses(struct config_loader *l, const char *section, const struct raw_port *r,
	       struct pw_config_port *p)
{
	char path[CONFIG_PATH_LEN];

	snprintf(path, sizeof(path), "%s.addresses", section);
	if (r->addresses.n == 0 || r->addresses.n > PW_WIRE_MAX_ADDRS)
		return config_refuse(l, path, "%u addresses; expected 1 to %d of ADDRESS/LENGTH",
				     r->addresses.n, PW_WIRE_MAX_ADDRS);
	for (uint32_t i = 0; i < r->addresses.n; i++) {
		struct pw_wire_addr a = {0};
		int rc;

		snprintf(path, sizeof(path), "%s.addresses[%u]", section, i);
		rc = take_prefix(l, path, r->addresses.v[i], &a);
		if (rc == 0)
			rc = check_overlap(l, path, p, &a);
		if (rc != 0)
			return rc;
		p->addr[p->nb_addrs++] = a;
	}
	return 0;
}

static int
take_gateway(struct config_loader *l, const char *section, const struct raw_port *r,
	     struct pw_config_port *p)
{
	char path[CONFIG_PATH_LEN];
	bool here = false;
	int rc;

	if (r->gateway == NULL)
		return 0;
	snprintf(path, sizeof(path), "%s.gateway", section);
	rc = config_v4(l, path, r->gateway, &p->gateway);
	if (rc != 0)
		return rc;
	for (uint32_t i = 0; i < p->nb_addrs; i++) {
		if (pw_addr_eq(&p->addr[i].addr, &p->gateway))
			return config_refuse(
				l, path, "%s is the port's own address; expected another host's",
				r->gateway);
		here = here || on_link(&p->addr[i], &p->gateway);
	}
	if (!here)
		return config_refuse(l, path,
				     "%s is on none of the port's networks; expected an address on "
				     "one",
				     r->gateway);
	for (uint32_t o = 0; o < l->c->nb_ports; o++)
		if (!addr_unset(&l->c->port[o].gateway))
			return config_refuse(
				l, path, "port '%s' has a gateway too; expected one gateway in all",
				l->c->port[o].name);
	return 0;
}

static int
take_offloads(struct config_loader *l, const char *section, const struct raw_port *r,
	      struct pw_config_port *p)
{
	char path[CONFIG_PATH_LEN], list[256];

	for (uint32_t i = 0; i < r->disable_offloads.n; i++) {
		const char *text = r->disable_offloads.v[i];
		const struct cap_word *w = config_cap_words;
		size_t at = 0;

		while (w->word != NULL && strcmp(w->word, text) != 0)
			w++;
		p->disable_caps |= w->cap;
		if (w->word != NULL)
			continue;
		for (w = config_cap_words; w->word != NULL && at < sizeof(list); w++)
			at += snprintf(list + at, sizeof(list) - at, "%s%s", at > 0 ? ", " : "",
				       w->word);
		snprintf(path, sizeof(path), "%s.disable_offloads[%u]", section, i);
		return config_refuse(l, path, "'%.40s' is unknown; expected one of %s", text, list);
	}
	return 0;
}

static int
take_port(struct config_loader *l, const char *section, const struct raw_port *r,
	  struct pw_config_port *p)
{
	char path[CONFIG_PATH_LEN];
	int rc;

	snprintf(path, sizeof(path), "%s.name", section);
	rc = config_name(l, path, r->name, p->name);
	if (rc != 0)
		return rc;
	for (uint32_t i = 0; i < l->c->nb_ports; i++)
		if (strcmp(l->c->port[i].name, p->name) == 0)
			return config_refuse(l, path, "'%s' stands twice; expected each name once",
					     p->name);
	snprintf(path, sizeof(path), "%s.device", section);
	if (r->device == NULL || r->device[0] == '\0' || strlen(r->device) >= sizeof(p->device) ||
	    strpbrk(r->device, " \t,") != NULL)
		return config_refuse(l, path,
				     "%s; expected the name of a DPDK device (net_af_packet0, "
				     "0000:01:00.0), at most %zu bytes",
				     r->device == NULL ? "missing" : "not a device name",
				     sizeof(p->device) - 1);
	snprintf(p->device, sizeof(p->device), "%s", r->device);
	for (uint32_t i = 0; i < l->c->nb_ports; i++)
		if (strcmp(l->c->port[i].device, p->device) == 0)
			return config_refuse(l, path,
					     "'%s' is port '%s' already; expected each device once",
					     p->device, l->c->port[i].name);
	p->mtu = 1500;
	rc = config_numbers(l, section, config_port_keys, r, p);
	if (rc == 0)
		rc = take_addresses(l, section, r, p);
	if (rc == 0)
		rc = take_gateway(l, section, r, p);
	if (rc == 0)
		rc = take_offloads(l, section, r, p);
	return rc;
}

int
config_take_ports(struct config_loader *l)
{
	struct pw_config *c = l->c;
	char section[CONFIG_SECTION_LEN];
	uint64_t posted = 0;

	if (l->raw->nb_ports == 0 || l->raw->nb_ports > PW_CONFIG_MAX_PORTS)
		return config_refuse(l, "ports", "%u ports; expected 1 to %d", l->raw->nb_ports,
				     PW_CONFIG_MAX_PORTS);
	for (uint32_t i = 0; i < l->raw->nb_ports; i++) {
		int rc;

		snprintf(section, sizeof(section), "ports[%u]", i);
		rc = take_port(l, section, &l->raw->ports[i], &c->port[i]);
		if (rc != 0)
			return rc;
		c->nb_ports++;
		posted += (c->port[i].rx_desc != 0 ? c->port[i].rx_desc : 512u) * c->nb_workers;
	}
	/* Receive queues hold a buffer a descriptor before a frame has come. */
	if (posted > c->pkt_buffers - c->pkt_buffers / 4)
		return config_refuse(l, "memory.packet_buffers",
				     "receive queues alone may hold %" PRIu64 " of %u; expected at "
				     "least %" PRIu64 ", or fewer rx_descriptors",
				     posted, c->pkt_buffers, (posted * 4 + 2) / 3);
	return 0;
}

static const struct num_key listener_port = {.kind = NUM_COUNT, .min = 1, .max = 65535};

int
config_take_listeners(struct config_loader *l)
{
	struct pw_forward_settings *s = &l->c->forward;
	char path[CONFIG_PATH_LEN];

	if (l->raw->nb_listeners == 0 || l->raw->nb_listeners > PW_FORWARD_MAX_LISTENERS)
		return config_refuse(l, "listeners", "%u listeners; expected 1 to %d",
				     l->raw->nb_listeners, PW_FORWARD_MAX_LISTENERS);
	for (uint32_t i = 0; i < l->raw->nb_listeners; i++) {
		const struct raw_listener *r = &l->raw->listeners[i];
		struct pw_listener_conf *n = &s->listener[i];
		uint64_t port = 1883;
		int rc;

		snprintf(path, sizeof(path), "listeners[%u].name", i);
		rc = config_name(l, path, r->name, n->name);
		if (rc != 0)
			return rc;
		for (uint32_t o = 0; o < i; o++)
			if (strcmp(s->listener[o].name, n->name) == 0)
				return config_refuse(l, path,
						     "'%s' stands twice; expected each name once",
						     n->name);
		snprintf(path, sizeof(path), "listeners[%u].address", i);
		rc = config_v4(l, path, r->address, &n->address);
		if (rc != 0)
			return rc;
		if (config_port_with(l->c, &n->address) < 0)
			return config_refuse(l, path,
					     "%s is no port's address; expected one of those in "
					     "ports",
					     r->address);
		snprintf(path, sizeof(path), "listeners[%u].port", i);
		if (r->port != NULL) {
			rc = config_number(l, path, r->port, &listener_port, &port);
			if (rc != 0)
				return rc;
		}
		n->port = port;
		for (uint32_t o = 0; o < i; o++)
			if (pw_addr_eq(&s->listener[o].address, &n->address) &&
			    s->listener[o].port == n->port)
				return config_refuse(l, path,
						     "listener '%s' has this address and port; "
						     "expected each pair once",
						     s->listener[o].name);
		s->nb_listeners++;
	}
	return 0;
}
