/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PW_MQTT_READER_PVT_H
#define PW_MQTT_READER_PVT_H

/*
 * A reader of one frame that may lie in any number of slices.
 *
 * The first error sticks: it sets err and pulls the limit down to where the reader stands, so that
 * everything read afterwards is 0, an empty span, or "nothing left", and a decoder asks once, at
 * its end. Reads inside one slice take the inline path; the others step from slice to slice.
 */

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>

#include <pubwire/mqtt/frame.h>

struct pw_mqtt_reader {
	const uint8_t *p;   /* next byte, in the current slice */
	const uint8_t *end; /* end of the current slice */
	uint32_t off;	    /* of p, from the frame's first byte */
	uint32_t limit;	    /* where the section that is being read ends, from the same */
	const struct pw_slice *next;
	uint32_t left; /* slices from next on */
	enum pw_mqtt_error err;
	uint8_t version; /* 0 until it is known */
	uint8_t type, flags;
	bool padded; /* the remaining length has more bytes than it needs */
};

/* What a string must be beside well-formed. */
enum pw_mqtt_text { PW_MQTT_TEXT_ANY, PW_MQTT_TEXT_TOPIC };

/*
 * Read the fixed header of a frame whose type must be one of `types` (mask of 1 << type).
 * Afterwards call pw_mqtt_rd_version() as soon as the version is known.
 */
void pw_mqtt_rd_begin(struct pw_mqtt_reader *r, const struct pw_mqtt_buf *b, uint32_t types);

/* Checks of the fixed header that depend on the version. */
void pw_mqtt_rd_version(struct pw_mqtt_reader *r, uint8_t version);

/* Reads that cross slices or fail; use the inline ones. */
uint8_t pw_mqtt_rd_u8_slow(struct pw_mqtt_reader *r);
uint16_t pw_mqtt_rd_u16_slow(struct pw_mqtt_reader *r);
struct pw_mqtt_span pw_mqtt_rd_skip_slow(struct pw_mqtt_reader *r, uint32_t len);

uint32_t pw_mqtt_rd_u32(struct pw_mqtt_reader *r);

/* Variable byte integer (5.0 1.5.5), shortest form only. */
uint32_t pw_mqtt_rd_varint(struct pw_mqtt_reader *r);

/* A UTF-8 string with its two-byte length; the span is of the bytes after the length. */
struct pw_mqtt_span pw_mqtt_rd_str(struct pw_mqtt_reader *r, enum pw_mqtt_text what);

/* A topic filter; *shared receives whether it is a shared subscription. */
struct pw_mqtt_span pw_mqtt_rd_filter(struct pw_mqtt_reader *r, bool *shared);

static inline void
pw_mqtt_rd_fail(struct pw_mqtt_reader *r, enum pw_mqtt_error err)
{
	if (r->err == PW_MQTT_E_NONE)
		r->err = err;
	r->limit = r->off;
}

/* Bytes of the present section that were not read. */
static inline uint32_t
pw_mqtt_rd_left(const struct pw_mqtt_reader *r)
{
	return r->limit - r->off;
}

/* True where n bytes are within both the section and the current slice. */
static inline bool
pw_mqtt_rd_near(const struct pw_mqtt_reader *r, uint32_t n)
{
	return likely(n <= pw_mqtt_rd_left(r) && (ptrdiff_t)n <= r->end - r->p);
}

static inline uint8_t
pw_mqtt_rd_u8(struct pw_mqtt_reader *r)
{
	if (!pw_mqtt_rd_near(r, 1))
		return pw_mqtt_rd_u8_slow(r);
	r->off++;
	return *r->p++;
}

static inline uint16_t
pw_mqtt_rd_u16(struct pw_mqtt_reader *r)
{
	uint16_t v;

	if (!pw_mqtt_rd_near(r, 2))
		return pw_mqtt_rd_u16_slow(r);
	v = (uint16_t)(r->p[0] << 8 | r->p[1]);
	r->p += 2;
	r->off += 2;
	return v;
}

/* Step over len bytes and say where they lay. */
static inline struct pw_mqtt_span
pw_mqtt_rd_skip(struct pw_mqtt_reader *r, uint32_t len)
{
	struct pw_mqtt_span span = {.off = r->off, .len = len};

	if (!pw_mqtt_rd_near(r, len))
		return pw_mqtt_rd_skip_slow(r, len);
	r->p += len;
	r->off += len;
	return span;
}

/* Binary data with its two-byte length (5.0 1.5.6). */
static inline struct pw_mqtt_span
pw_mqtt_rd_bin(struct pw_mqtt_reader *r)
{
	return pw_mqtt_rd_skip(r, pw_mqtt_rd_u16(r));
}

/* A packet identifier: not 0 [MQTT-2.2.1-3], 3.1.1 [MQTT-2.3.1-1]. */
static inline uint16_t
pw_mqtt_rd_packet_id(struct pw_mqtt_reader *r)
{
	uint16_t id = pw_mqtt_rd_u16(r);

	if (id == 0)
		pw_mqtt_rd_fail(r, PW_MQTT_E_PACKET_ID);
	return id;
}

/* What a decoder returns: everything must have been read. */
static inline int
pw_mqtt_rd_end(struct pw_mqtt_reader *r, enum pw_mqtt_error *err)
{
	if (pw_mqtt_rd_left(r) > 0)
		pw_mqtt_rd_fail(r, PW_MQTT_E_TRAILING);
	*err = r->err;
	return r->err == PW_MQTT_E_NONE ? (int)r->off : -EBADMSG;
}

#endif
