/* SPDX-License-Identifier: BSD-3-Clause */
/* Which port an address is behind, by the rules that pubwire itself goes by. */

#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>

#include "capture.h"

/* 4 or 6, and the bytes; 0: it is none. */
static int
parse(const char *text, unsigned char bytes[16])
{
	if (inet_pton(AF_INET, text, bytes) == 1)
		return 4;
	return inet_pton(AF_INET6, text, bytes) == 1 ? 6 : 0;
}

static bool
same_prefix(const unsigned char *a, const unsigned char *b, unsigned int bits)
{
	unsigned int whole = bits / 8, rest = bits % 8;

	if (memcmp(a, b, whole) != 0)
		return false;
	return rest == 0 || (a[whole] ^ b[whole]) >> (8 - rest) == 0;
}

/* "10.77.0.1/16" */
static bool
in_subnet(const char *subnet, int family, const unsigned char *bytes)
{
	unsigned char own[16];
	char text[64];
	unsigned int bits;
	char *slash;

	snprintf(text, sizeof(text), "%s", subnet);
	slash = strchr(text, '/');
	if (slash == NULL)
		return false;
	*slash = '\0';
	bits = (unsigned int)atoi(slash + 1);
	return parse(text, own) == family && bits <= (family == 4 ? 32u : 128u) &&
	       same_prefix(own, bytes, bits);
}

static bool
is_behind(const json_t *port, int family, const unsigned char *bytes)
{
	const char *subnet;
	json_t *a;
	size_t i;

	/* Everybody on the link has one of those, and no port says so. */
	if (family == 6 && bytes[0] == 0xfe && (bytes[1] & 0xc0) == 0x80)
		return false;
	json_array_foreach (json_object_get(port, "addresses"), i, a) {
		subnet = json_string_value(a);
		if (subnet != NULL && in_subnet(subnet, family, bytes))
			return true;
	}
	return false;
}

const json_t *
capture_port_of(const json_t *ports, const char *address)
{
	const json_t *gateway = NULL;
	unsigned char bytes[16];
	int family = parse(address, bytes);
	uint32_t gateways = 0;
	const char *key;
	json_t *p;

	json_object_foreach ((json_t *)(uintptr_t)ports, key, p) {
		if (is_behind(p, family, bytes))
			return p;
		if (ctl_str(p, family == 4 ? "gateway" : "gateway6")[0] == '\0')
			continue;
		gateway = p;
		gateways++;
	}
	return gateways == 1 ? gateway : NULL;
}
