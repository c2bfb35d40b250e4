/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Ports, their networks, and the listeners on them: every address has one port, and no two networks
 * overlap, so that a route is a matter of looking and never of order.
 */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "config_pvt.h"

#define IP6_LEAST_MTU 1280

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
			if (config_on_link(&c->port[p].addr[i], a))
				return p;
	return -1;
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
			bool overlap = config_on_link(a, &b->addr) || config_on_link(b, &a->addr);
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
		rc = config_prefix(l, path, r->addresses.v[i], &a);
		if (rc == 0)
			rc = check_overlap(l, path, p, &a);
		if (rc != 0)
			return rc;
		p->addr[p->nb_addrs++] = a;
	}
	return 0;
}

const struct pw_addr *
config_gateway(const struct pw_config_port *p, bool v4)
{
	const struct pw_addr *gateway = v4 ? &p->gateway : &p->gateway6;

	return addr_unset(gateway) ? NULL : gateway;
}

/* One family's gateway; text NULL: none. */
static int
take_gateway(struct config_loader *l, const char *section, const char *text, bool v4,
	     struct pw_config_port *p)
{
	struct pw_addr *gateway = v4 ? &p->gateway : &p->gateway6;
	char path[CONFIG_PATH_LEN];
	bool here = false, family = false;
	int rc;

	if (text == NULL)
		return 0;
	snprintf(path, sizeof(path), "%s.%s", section, v4 ? "gateway" : "gateway6");
	rc = config_gateway_addr(l, path, text, v4, gateway);
	if (rc != 0)
		return rc;
	for (uint32_t i = 0; i < p->nb_addrs; i++) {
		if (pw_addr_eq(&p->addr[i].addr, gateway))
			return config_refuse(
				l, path, "%s is the port's own address; expected another host's",
				text);
		family = family || pw_addr_is_v4(&p->addr[i].addr) == v4;
		here = here || config_on_link(&p->addr[i], gateway);
	}
	/* Routers are known by their link-local addresses: RFC 4861 6.1.2. */
	here = here || (family && config_is_link_local(gateway));
	if (!here)
		return config_refuse(l, path,
				     "%s is on none of the port's networks; expected an address on "
				     "one",
				     text);
	for (uint32_t o = 0; o < l->c->nb_ports; o++)
		if (config_gateway(&l->c->port[o], v4) != NULL)
			return config_refuse(l, path, "port '%s' has a %s too; expected one in all",
					     l->c->port[o].name, v4 ? "gateway" : "gateway6");
	return 0;
}

/* RFC 8200 5: every link of IPv6 carries so much. */
static int
check_mtu(struct config_loader *l, const char *section, const struct pw_config_port *p)
{
	char path[CONFIG_PATH_LEN];

	if (p->mtu >= IP6_LEAST_MTU)
		return 0;
	for (uint32_t i = 0; i < p->nb_addrs; i++) {
		if (pw_addr_is_v4(&p->addr[i].addr))
			continue;
		snprintf(path, sizeof(path), "%s.mtu", section);
		return config_refuse(l, path,
				     "%u is too small for IPv6; expected at least %u, or IPv4 "
				     "addresses alone",
				     p->mtu, IP6_LEAST_MTU);
	}
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
	rc = config_device(l, path, r->device, p->device, sizeof(p->device));
	if (rc != 0)
		return rc;
	for (uint32_t i = 0; i < l->c->nb_ports; i++)
		if (strcmp(l->c->port[i].device, p->device) == 0)
			return config_refuse(l, path,
					     "'%s' is port '%s' already; expected each device once",
					     p->device, l->c->port[i].name);
	rc = config_numbers(l, section, config_port_keys, r, p);
	if (rc == 0)
		rc = take_addresses(l, section, r, p);
	if (rc == 0)
		rc = take_gateway(l, section, r->gateway, true, p);
	if (rc == 0)
		rc = take_gateway(l, section, r->gateway6, false, p);
	if (rc == 0)
		rc = check_mtu(l, section, p);
	if (rc == 0)
		rc = take_offloads(l, section, r, p);
	if (rc == 0 && r->kernel != NULL)
		rc = config_take_kernel(l, section, r->kernel, &p->kernel);
	return rc;
}

uint64_t
config_posted(const struct pw_config *c)
{
	uint64_t posted = 0;

	for (uint32_t i = 0; i < c->nb_ports; i++) {
		posted += (c->port[i].rx_desc != 0 ? c->port[i].rx_desc : 512u) * c->nb_workers;
		posted += c->port[i].kernel.interface[0] != '\0' ? CONFIG_KERNEL_BUFFERS : 0;
	}
	return posted;
}

int
config_take_ports(struct config_loader *l)
{
	struct pw_config *c = l->c;
	char section[CONFIG_SECTION_LEN];
	uint64_t posted;

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
	}
	posted = config_posted(c);
	if (posted > c->pkt_buffers - c->pkt_buffers / 4)
		return config_refuse(l, "memory.packet_buffers",
				     "receive queues alone may hold %" PRIu64 " of %u; expected at "
				     "least %" PRIu64 ", or fewer rx_descriptors",
				     posted, c->pkt_buffers, (posted * 4 + 2) / 3);
	return 0;
}

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
		rc = config_addr(l, path, r->address, &n->address);
		if (rc != 0)
			return rc;
		if (config_port_with(l->c, &n->address) < 0)
			return config_refuse(l, path,
					     "%s is no port's address; expected one of those in "
					     "ports",
					     r->address);
		snprintf(path, sizeof(path), "listeners[%u]", i);
		rc = config_numbers(l, path, config_listener_keys, r, n);
		if (rc != 0)
			return rc;
		snprintf(path, sizeof(path), "listeners[%u].port", i);
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
