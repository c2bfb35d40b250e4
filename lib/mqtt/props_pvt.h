/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PW_MQTT_PROPS_PVT_H
#define PW_MQTT_PROPS_PVT_H

#include <pubwire/mqtt/packet.h>

#include "reader_pvt.h"

/*
 * Read a property section with its length field. `where` is the packet type, 0 for the will.
 * A version before 5.0 has no section: p becomes empty.
 */
void pw_mqtt_rd_props(struct pw_mqtt_reader *r, uint8_t where, struct pw_mqtt_props *p);

/* No properties, as where a packet leaves the section out. */
static inline void
pw_mqtt_no_props(const struct pw_mqtt_reader *r, struct pw_mqtt_props *p)
{
	p->present = 0;
	p->user_pairs = 0;
	p->all = (struct pw_mqtt_span){.off = r->off, .len = 0};
}

/* True where there is nothing to encode. */
static inline bool
pw_mqtt_props_empty(const struct pw_mqtt_props_out *p)
{
	return p == NULL || (p->n == 0 && p->raw.len == 0);
}

/* Bytes of the section, its length field included; 0 before 5.0. UINT32_MAX: too long to say. */
uint32_t pw_mqtt_props_size(const struct pw_mqtt_props_out *p, uint8_t version);

/* Write what pw_mqtt_props_size() measured; returns the byte after it. */
uint8_t *pw_mqtt_props_put(uint8_t *dst, const struct pw_mqtt_props_out *p, uint8_t version);

#endif
