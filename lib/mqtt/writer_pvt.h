/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PW_MQTT_WRITER_PVT_H
#define PW_MQTT_WRITER_PVT_H

/*
 * Encoders measure first and write afterwards, so that nothing is written where room is too small
 * and the writing needs no checks.
 */

#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include <pubwire/mqtt/packet.h>

#include "props_pvt.h"
#include "varint_pvt.h"

#define PW_MQTT_STR_MAX 65535u /* 5.0 1.5.4 */

static inline uint32_t
pw_mqtt_wr_str_size(struct pw_mqtt_str s)
{
	assert(s.len <= PW_MQTT_STR_MAX);
	return 2 + s.len;
}

static inline uint8_t *
pw_mqtt_wr_u16(uint8_t *p, uint32_t v)
{
	*p++ = (uint8_t)(v >> 8);
	*p++ = (uint8_t)v;
	return p;
}

static inline uint8_t *
pw_mqtt_wr_u32(uint8_t *p, uint32_t v)
{
	return pw_mqtt_wr_u16(pw_mqtt_wr_u16(p, v >> 16), v & 0xFFFF);
}

static inline uint8_t *
pw_mqtt_wr_raw(uint8_t *p, struct pw_mqtt_str s)
{
	if (s.len > 0)
		memcpy(p, s.data, s.len);
	return p + s.len;
}

static inline uint8_t *
pw_mqtt_wr_str(uint8_t *p, struct pw_mqtt_str s)
{
	return pw_mqtt_wr_raw(pw_mqtt_wr_u16(p, s.len), s);
}

/*
 * Bytes of a fixed header for a body of `body` bytes, of which `here` are written now.
 * -EMSGSIZE, -ENOBUFS.
 */
static inline int
pw_mqtt_wr_room(uint32_t room, uint64_t body, uint32_t here)
{
	uint32_t head;

	if (body > PW_MQTT_MAX_REMAINING)
		return -EMSGSIZE;
	head = 1 + pw_mqtt_varint_size((uint32_t)body);
	if (here > room || head > room - here)
		return -ENOBUFS;
	return (int)head;
}

/* Fixed header; returns the byte after it. */
static inline uint8_t *
pw_mqtt_wr_head(uint8_t *p, uint8_t type, uint8_t flags, uint32_t body)
{
	*p++ = (uint8_t)(type << 4 | flags);
	return pw_mqtt_varint_put(p, body);
}

#endif
