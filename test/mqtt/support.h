/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TEST_MQTT_SUPPORT_H
#define TEST_MQTT_SUPPORT_H

/*
 * What the MQTT tests and fuzz targets share: packets in a readable notation, frames cut into
 * slices of any sizes, each in memory of its own, and a decoded packet as text. No EAL: a slice
 * needs of its mbuf nothing but the address.
 */

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <pubwire/mqtt/packet.h>

/* Always on, in release builds too; the fuzz targets use it. */
#define CHECK(x)                                                                                   \
	do {                                                                                       \
		if (!(x)) {                                                                        \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #x);                    \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

/*
 * Bytes from notation:
 *   3F 0a12     hex digits in pairs, blanks ignored
 *   'text'      those bytes
 *   S'text'     the same with a two-byte length before it
 *   { ... }     the same with a variable byte integer before it: a property section
 *   *           a variable byte integer: the length of all that follows, the remaining length
 *   xN.HH       N (decimal) times the byte HH
 * Returns the length; aborts on bad notation.
 */
uint32_t notation(const char *text, uint8_t *out, uint32_t room);

/* A frame in slices; free with frame_free(). */
struct frame {
	struct pw_mqtt_buf buf;
	struct pw_slice *s;
	struct rte_mbuf *m;
};

/*
 * Cut bytes into slices whose lengths are sizes[0], sizes[1], .. and so on from the start again; a
 * size of 0 makes an empty slice. Each slice is an allocation of its own, so that a sanitizer sees
 * each overrun.
 */
void frame_cut(struct frame *f, const uint8_t *bytes, uint32_t len, const uint16_t *sizes,
	       uint32_t n);

/* One slice (several beyond 65,535 bytes) that ends where a page begins that must not be touched.
 */
void frame_guarded(struct frame *f, const uint8_t *bytes, uint32_t len);

void frame_free(struct frame *f);

#define DUMP_MAX 16384

/*
 * Decode whatever packet it is and say what was in it, or "error NAME". Checks on the way what must
 * hold of every result: spans lie in the frame, offsets point to what they say, the return value is
 * right.
 */
void dump(const struct pw_mqtt_buf *b, uint8_t version, char *out);

/*
 * Encode again what was decoded from a valid CONNECT or PUBLISH, properties as they stood.
 * Returns the bytes, to be freed; *len receives how many.
 */
uint8_t *encoded_again(const struct pw_mqtt_buf *b, uint8_t version, uint32_t *len);

/* pw_mqtt_topic_match() level by level, slow and plain: what the fast one is held against. */
bool slow_match(const char *filter, size_t filter_len, const char *topic, size_t topic_len);

/* A small generator, the same everywhere (xorshift64*). */
static inline uint32_t
rnd(uint64_t *state, uint32_t below)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return (uint32_t)((*state * UINT64_C(2685821657736338717)) >> 32) % below;
}

#endif
