/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PUBWIRE_BASE_ADDR_H
#define PUBWIRE_BASE_ADDR_H

/**
 * @file
 * Addresses of both families in one shape: IPv4 stands as ::ffff:a.b.c.d (RFC 4291 2.5.5.2), bytes
 * in network order. Ports are in host order everywhere but in packets.
 */

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

/** An IPv6 address, or an IPv4 one mapped into it; network order. */
struct pw_addr {
	uint8_t b[16];
} __attribute__((aligned(4)));

#define PW_ADDR_STRLEN	    46
#define PW_ADDR_PORT_STRLEN (PW_ADDR_STRLEN + sizeof("[]:65535"))

/** The mapped form of an IPv4 address given in network order. */
static inline struct pw_addr
pw_addr_v4(uint32_t be)
{
	struct pw_addr a = {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}};

	memcpy(&a.b[12], &be, 4);
	return a;
}

/** True for a mapped IPv4 address. */
static inline bool
pw_addr_is_v4(const struct pw_addr *a)
{
	static const uint8_t map[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

	return memcmp(a->b, map, sizeof(map)) == 0;
}

/** The IPv4 address (network order) of a mapped one. */
static inline uint32_t
pw_addr_be32(const struct pw_addr *a)
{
	uint32_t be;

	memcpy(&be, &a->b[12], 4);
	return be;
}

/** True where both are the same address. */
static inline bool
pw_addr_eq(const struct pw_addr *a, const struct pw_addr *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

/** Parse dotted IPv4 or IPv6 text. 0 or -EINVAL. */
int pw_addr_parse(struct pw_addr *a, const char *text) __attribute__((warn_unused_result));

/** Write as text into buf (PW_ADDR_STRLEN bytes); returns buf. */
const char *pw_addr_str(const struct pw_addr *a, char *buf);

/** Write with a port, "10.0.0.1:1883" or "[fd00::1]:1883", into buf (PW_ADDR_PORT_STRLEN bytes). */
const char *pw_addr_port_str(const struct pw_addr *a, uint16_t port, char *buf);

/** The four values that name a TCP connection. */
struct pw_flow {
	struct pw_addr local;
	struct pw_addr remote;
	uint16_t lport; /**< host order */
	uint16_t rport; /**< host order */
};

#ifdef __cplusplus
}
#endif

#endif
