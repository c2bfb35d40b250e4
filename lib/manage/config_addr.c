/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Addresses of both families as text, and what can't be an address of a host here.
 */

#include <stdio.h>
#include <string.h>

#include <rte_byteorder.h>
#include <rte_common.h>

#include "config_pvt.h"

#define MAPPED_BITS 96 /* of an IPv4 address's mapped form, in front of it: RFC 4291 2.5.5.2 */

bool
config_is_link_local(const struct pw_addr *a)
{
	return a->b[0] == 0xfe && (a->b[1] & 0xc0) == 0x80; /* RFC 4291 2.5.6 */
}

/* What an address that parses is, where that can't be used; NULL where it can. */
static const char *
unusable(const struct pw_addr *a)
{
	static const struct pw_addr unspecified, loopback = {.b = {[15] = 1}};

	if (pw_addr_is_v4(a)) {
		/*
		 * RFC 1122 3.2.1.3: this network, loopback, multicast and the reserved block are
		 * nobody's.
		 */
		return a->b[12] == 0 || a->b[12] == 127 || a->b[12] >= 224
			       ? "can't be used here; expected a unicast IPv4 address"
			       : NULL;
	}
	/* RFC 4291 2.5.2, 2.5.3, 2.7 */
	if (pw_addr_eq(a, &unspecified) || pw_addr_eq(a, &loopback) || a->b[0] == 0xff)
		return "can't be used here; expected a unicast IPv6 address";
	return NULL;
}

static int
parse(struct config_loader *l, const char *path, const char *text, const char *family,
      struct pw_addr *out)
{
	const char *why;

	if (text == NULL)
		return config_refuse(l, path, "missing; expected an %s address", family);
	if (pw_addr_parse(out, text) != 0)
		return config_refuse(l, path, "'%.60s' is no address; expected an %s address", text,
				     family);
	if (pw_addr_is_v4(out) && strchr(text, ':') != NULL)
		return config_refuse(l, path,
				     "'%.60s' is an IPv4 address written as IPv6; expected "
				     "%u.%u.%u.%u",
				     text, out->b[12], out->b[13], out->b[14], out->b[15]);
	why = unusable(out);
	if (why != NULL)
		return config_refuse(l, path, "'%.60s' %s", text, why);
	return 0;
}

int
config_addr(struct config_loader *l, const char *path, const char *text, struct pw_addr *out)
{
	int rc = parse(l, path, text, "IPv4 or IPv6", out);

	if (rc == 0 && config_is_link_local(out))
		return config_refuse(l, path,
				     "'%.60s' is a link-local address, which names no host beyond "
				     "its link; expected a global or unique local one",
				     text);
	return rc;
}

int
config_gateway_addr(struct config_loader *l, const char *path, const char *text, bool v4,
		    struct pw_addr *out)
{
	int rc = parse(l, path, text, v4 ? "IPv4" : "IPv6", out);

	if (rc == 0 && pw_addr_is_v4(out) != v4)
		return config_refuse(l, path,
				     "'%.60s' is an IPv%d address; expected it as %s, or an IPv%d "
				     "address",
				     text, v4 ? 6 : 4, v4 ? "gateway6" : "gateway", v4 ? 4 : 6);
	return rc;
}

bool
config_on_link(const struct pw_wire_addr *net, const struct pw_addr *a)
{
	bool v4 = pw_addr_is_v4(&net->addr);
	uint32_t bits = net->prefix_len + (v4 ? MAPPED_BITS : 0);
	uint8_t mask = (uint8_t)(0xff00 >> bits % 8);

	if (pw_addr_is_v4(a) != v4 || memcmp(a->b, net->addr.b, bits / 8) != 0)
		return false;
	return bits % 8 == 0 || ((a->b[bits / 8] ^ net->addr.b[bits / 8]) & mask) == 0;
}

/* True where all bits behind the prefix are zero, or all are one. */
static bool
host_is(const struct pw_wire_addr *a, bool ones)
{
	uint32_t first = a->prefix_len + (pw_addr_is_v4(&a->addr) ? MAPPED_BITS : 0);

	for (uint32_t i = first; i < 128; i++) {
		if (((a->addr.b[i / 8] >> (7 - i % 8)) & 1) != ones)
			return false;
	}
	return true;
}

/* A host's address on a network, not the network's own. */
static int
check_host(struct config_loader *l, const char *path, const char *text,
	   const struct pw_wire_addr *a)
{
	bool v4 = pw_addr_is_v4(&a->addr);

	/* RFC 3021, RFC 6164: the longest prefixes but one have two hosts, and nothing beside. */
	if (a->prefix_len >= (v4 ? 31 : 127))
		return 0;
	if (host_is(a, false)) /* IPv6: all routers', RFC 4291 2.6.1 */
		return config_refuse(
			l, path, "'%.60s' is the network's own address; expected a host's", text);
	if (v4 && host_is(a, true))
		return config_refuse(l, path,
				     "'%.60s' is the network's broadcast address; expected a "
				     "host's",
				     text);
	return 0;
}

int
config_prefix(struct config_loader *l, const char *path, const char *text, struct pw_wire_addr *out)
{
	static const struct num_key v4 = {.kind = NUM_COUNT, .min = 1, .max = 32};
	static const struct num_key v6 = {.kind = NUM_COUNT, .min = 1, .max = 128};
	const char *slash = strchr(text, '/');
	char addr[PW_ADDR_STRLEN];
	uint64_t len;
	int rc;

	if (slash == NULL || slash - text >= (ptrdiff_t)sizeof(addr))
		return config_refuse(
			l, path,
			"'%.60s' has no prefix length; expected ADDRESS/LENGTH such as "
			"192.0.2.1/24",
			text);
	memcpy(addr, text, slash - text);
	addr[slash - text] = '\0';
	rc = config_addr(l, path, addr, &out->addr);
	if (rc == 0)
		rc = config_number(l, path, slash + 1, pw_addr_is_v4(&out->addr) ? &v4 : &v6, &len);
	if (rc != 0)
		return rc;
	out->prefix_len = (uint8_t)len;
	return check_host(l, path, text, out);
}
