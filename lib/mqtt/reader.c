/* SPDX-License-Identifier: BSD-3-Clause */
#include <assert.h>
#include <string.h>

#include "reader_pvt.h"
#include "topic_pvt.h"
#include "utf8_pvt.h"
#include "varint_pvt.h"

/* Make the next slice the current one; false where there is none. Empty slices are stepped over. */
static bool
refill(struct pw_mqtt_reader *r)
{
	while (r->p == r->end) {
		if (r->left == 0)
			return false;
		r->p = pw_slice_data(r->next);
		r->end = r->p + r->next->len;
		r->next++;
		r->left--;
	}
	return true;
}

uint8_t
pw_mqtt_rd_u8_slow(struct pw_mqtt_reader *r)
{
	if (pw_mqtt_rd_left(r) == 0 || !refill(r)) {
		pw_mqtt_rd_fail(r, PW_MQTT_E_TRUNCATED);
		return 0;
	}
	r->off++;
	return *r->p++;
}

uint16_t
pw_mqtt_rd_u16_slow(struct pw_mqtt_reader *r)
{
	uint16_t v;

	if (pw_mqtt_rd_left(r) < 2) {
		pw_mqtt_rd_fail(r, PW_MQTT_E_TRUNCATED);
		return 0;
	}
	v = (uint16_t)(pw_mqtt_rd_u8(r) << 8);
	return v | pw_mqtt_rd_u8(r);
}

uint32_t
pw_mqtt_rd_u32(struct pw_mqtt_reader *r)
{
	uint32_t v = (uint32_t)pw_mqtt_rd_u16(r) << 16;

	return v | pw_mqtt_rd_u16(r);
}

/* Some of the next bytes, at most max of them, as they lie in one slice; NULL at the end. */
static const uint8_t *
piece(struct pw_mqtt_reader *r, uint32_t max, uint32_t *n)
{
	const uint8_t *p;

	if (max > pw_mqtt_rd_left(r) || !refill(r)) {
		pw_mqtt_rd_fail(r, PW_MQTT_E_TRUNCATED);
		return NULL;
	}
	p = r->p;
	*n = RTE_MIN(max, (uint32_t)(r->end - r->p));
	r->p += *n;
	r->off += *n;
	return p;
}

struct pw_mqtt_span
pw_mqtt_rd_skip_slow(struct pw_mqtt_reader *r, uint32_t len)
{
	struct pw_mqtt_span span = {.off = r->off, .len = len};
	uint32_t n;

	while (len > 0) {
		if (piece(r, len, &n) == NULL)
			return (struct pw_mqtt_span){.off = r->off, .len = 0};
		len -= n;
	}
	return span;
}

uint32_t
pw_mqtt_rd_varint(struct pw_mqtt_reader *r)
{
	uint8_t bytes[PW_MQTT_VARINT_BYTES];
	uint32_t value;
	uint32_t n = 0;

	do {
		if (n == PW_MQTT_VARINT_BYTES) {
			pw_mqtt_rd_fail(r, PW_MQTT_E_VARINT);
			return 0;
		}
		bytes[n] = pw_mqtt_rd_u8(r);
	} while (bytes[n++] & 0x80);
	if (n > 1 && bytes[n - 1] == 0) { /* [MQTT-1.5.5-1] */
		pw_mqtt_rd_fail(r, PW_MQTT_E_VARINT);
		return 0;
	}
	if (pw_mqtt_varint(bytes, n, &value) < 0)
		return 0;
	return value;
}

struct pw_mqtt_span
pw_mqtt_rd_str(struct pw_mqtt_reader *r, enum pw_mqtt_text what)
{
	struct pw_mqtt_utf8 utf8 = {0};
	bool wildcard = false;
	uint32_t left = pw_mqtt_rd_u16(r);
	struct pw_mqtt_span span = {.off = r->off, .len = left};
	const uint8_t *p;
	uint32_t n;

	while (left > 0) {
		p = piece(r, left, &n);
		if (p == NULL)
			goto fail;
		pw_mqtt_utf8_feed(&utf8, p, n);
		if (what == PW_MQTT_TEXT_TOPIC)
			wildcard |= memchr(p, '+', n) != NULL || memchr(p, '#', n) != NULL;
		left -= n;
	}
	if (!pw_mqtt_utf8_ok(&utf8))
		pw_mqtt_rd_fail(r, PW_MQTT_E_UTF8);
	else if (wildcard) /* [MQTT-3.3.2-2] */
		pw_mqtt_rd_fail(r, PW_MQTT_E_TOPIC_NAME);
	if (r->err == PW_MQTT_E_NONE)
		return span;
fail:
	return (struct pw_mqtt_span){.off = r->off, .len = 0};
}

struct pw_mqtt_span
pw_mqtt_rd_filter(struct pw_mqtt_reader *r, bool *shared)
{
	struct pw_mqtt_utf8 utf8 = {0};
	struct pw_mqtt_filter_check check = {.plain = r->version < PW_MQTT_5};
	uint32_t left = pw_mqtt_rd_u16(r);
	struct pw_mqtt_span span = {.off = r->off, .len = left};
	const uint8_t *p;
	uint32_t n;

	*shared = false;
	while (left > 0) {
		p = piece(r, left, &n);
		if (p == NULL)
			goto fail;
		pw_mqtt_utf8_feed(&utf8, p, n);
		pw_mqtt_filter_feed(&check, p, n);
		left -= n;
	}
	if (!pw_mqtt_utf8_ok(&utf8))
		pw_mqtt_rd_fail(r, PW_MQTT_E_UTF8);
	else if (!pw_mqtt_filter_ok(&check))
		pw_mqtt_rd_fail(r, PW_MQTT_E_TOPIC_FILTER);
	*shared = check.shared;
	if (r->err == PW_MQTT_E_NONE)
		return span;
fail:
	return (struct pw_mqtt_span){.off = r->off, .len = 0};
}

void
pw_mqtt_rd_begin(struct pw_mqtt_reader *r, const struct pw_mqtt_buf *b, uint32_t types)
{
	static const uint8_t none;
	uint32_t remaining = 0, shift = 0;
	uint8_t c;

	*r = (struct pw_mqtt_reader){
		.p = &none, .end = &none, .limit = b->len, .next = b->s, .left = b->n};
	c = pw_mqtt_rd_u8(r);
	r->type = c >> 4;
	r->flags = c & 0x0F;
	if (r->type == 0)
		pw_mqtt_rd_fail(r, PW_MQTT_E_TYPE);
	else if (!(types & 1u << r->type))
		pw_mqtt_rd_fail(r, PW_MQTT_E_UNEXPECTED);
	do {
		if (shift == 7 * PW_MQTT_VARINT_BYTES) {
			pw_mqtt_rd_fail(r, PW_MQTT_E_REMAINING_LENGTH);
			return;
		}
		c = pw_mqtt_rd_u8(r);
		remaining |= (uint32_t)(c & 0x7F) << shift;
		r->padded = shift > 0 && c == 0;
		shift += 7;
	} while (c & 0x80);
	if (remaining > pw_mqtt_rd_left(r))
		pw_mqtt_rd_fail(r, PW_MQTT_E_TRUNCATED);
	else if (remaining < pw_mqtt_rd_left(r))
		pw_mqtt_rd_fail(r, PW_MQTT_E_TRAILING);
}

void
pw_mqtt_rd_version(struct pw_mqtt_reader *r, uint8_t version)
{
	uint8_t want = 0, mask = 0x0F;

	assert(version >= PW_MQTT_3_1 && version <= PW_MQTT_5);
	r->version = version;
	switch (r->type) {
	case PW_MQTT_PUBLISH:
		mask = 0; /* its own flags, read there */
		break;
	case PW_MQTT_PUBREL:
	case PW_MQTT_SUBSCRIBE:
	case PW_MQTT_UNSUBSCRIBE:
		want = 0x02;
		if (version == PW_MQTT_3_1) /* 3.1 repeats these with DUP set (3.6, 3.8, 3.10) */
			mask = 0x07;
		break;
	default:
		break;
	}
	if ((r->flags & mask) != want) /* [MQTT-2.1.3-1] */
		pw_mqtt_rd_fail(r, PW_MQTT_E_FLAGS);
	if (r->padded && version == PW_MQTT_5) /* [MQTT-1.5.5-1]; 3.1.1 has no such rule */
		pw_mqtt_rd_fail(r, PW_MQTT_E_REMAINING_LENGTH);
}
