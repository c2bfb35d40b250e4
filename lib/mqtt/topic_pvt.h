/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PW_MQTT_TOPIC_PVT_H
#define PW_MQTT_TOPIC_PVT_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Validity of a topic filter, fed in pieces of any size. Zero-initialise, set `plain`, feed, ask.
 *
 * A shared filter is $share/NAME/FILTER (5.0 4.8.2): the name is checked first, then the filter
 * that follows it starts over as if it stood alone.
 */
struct pw_mqtt_filter_check {
	bool plain;	 /* 3.1, 3.1.1: $share/ has no meaning */
	bool shared;	 /* starts with $share/ */
	bool bad;	 /* cannot become right */
	bool in_name;	 /* within the share name */
	uint8_t wild;	 /* the wildcard that this level began with, 0 without one */
	uint8_t prefix;	 /* bytes of "$share/" matched so far */
	bool level_open; /* the level has a byte */
	uint32_t len;	 /* bytes fed of the share name, or of the filter */
};

void pw_mqtt_filter_feed(struct pw_mqtt_filter_check *c, const uint8_t *p, uint32_t n);

/* True where what was fed is a whole valid filter. */
static inline bool
pw_mqtt_filter_ok(const struct pw_mqtt_filter_check *c)
{
	return !c->bad && !c->in_name && c->len > 0;
}

#endif
