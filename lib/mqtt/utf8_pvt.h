/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PW_MQTT_UTF8_PVT_H
#define PW_MQTT_UTF8_PVT_H

#include <stdbool.h>
#include <stdint.h>

/*
 * UTF-8 as MQTT wants it, fed in pieces of any size (5.0 1.5.4, 3.1.1 1.5.3).
 *
 * Refused, as [MQTT-1.5.4-1] and [MQTT-1.5.4-2] demand: what RFC 3629 calls ill-formed (overlong
 * forms, surrogates U+D800..U+DFFF, above U+10FFFF) and U+0000. Control characters and
 * noncharacters may be refused by a receiver but need not be; brokers differ, so they pass here and
 * the broker decides. 3.1 says "modified UTF-8", whose two-byte null and paired surrogates no
 * client is known to send: the same rule.
 */
struct pw_mqtt_utf8 {
	uint8_t need;	/* continuation bytes still to come */
	uint8_t lo, hi; /* range of the next one */
	bool bad;	/* seen what cannot become right */
};

/* Look at the next n bytes. */
void pw_mqtt_utf8_feed(struct pw_mqtt_utf8 *u, const uint8_t *p, uint32_t n);

/* True where all that was fed is well-formed and no character is cut off. */
static inline bool
pw_mqtt_utf8_ok(const struct pw_mqtt_utf8 *u)
{
	return !u->bad && u->need == 0;
}

#endif
