/* SPDX-License-Identifier: BSD-3-Clause */
#include <assert.h>
#include <errno.h>

#include <pubwire/base/sumnote.h>
#include <pubwire/mqtt/frame.h>

#include "varint_pvt.h"

int
pw_mqtt_frame(const uint8_t *head, uint32_t n, uint32_t max, uint32_t *total,
	      enum pw_mqtt_error *err)
{
	uint32_t remaining;
	int len;

	*err = PW_MQTT_E_NONE;
	if (n == 0)
		return -EAGAIN;
	if (head[0] >> 4 == 0) {
		*err = PW_MQTT_E_TYPE;
		return -EBADMSG;
	}
	len = pw_mqtt_varint(head + 1, n - 1, &remaining);
	if (len < 0) {
		if (len == -EBADMSG)
			*err = PW_MQTT_E_REMAINING_LENGTH;
		return len;
	}
	*total = 1 + (uint32_t)len + remaining;
	if (max != 0 && *total > max) {
		*err = PW_MQTT_E_TOO_LARGE;
		return -EBADMSG;
	}
	return 1 + len;
}

/* The slice that holds byte off of the frame; *off becomes an offset into it. */
static const struct pw_slice *
slice_at(const struct pw_mqtt_buf *b, uint32_t *off)
{
	const struct pw_slice *s = b->s;

	for (; *off >= s->len; s++) {
		*off -= s->len;
		assert(s + 1 < b->s + b->n);
	}
	return s;
}

const uint8_t *
pw_mqtt_bytes(const struct pw_mqtt_buf *b, struct pw_mqtt_span span, void *scratch)
{
	static const uint8_t none;
	const struct pw_slice *s;
	uint32_t off = span.off;

	assert(span.off <= b->len && span.len <= b->len - span.off);
	if (span.len == 0)
		return scratch != NULL ? scratch : &none;
	s = slice_at(b, &off);
	if (span.len <= s->len - off)
		return pw_slice_data(s) + off;
	if (scratch == NULL)
		return NULL;
	pw_slices_copy(s, b->n - (uint32_t)(s - b->s), off, scratch, span.len);
	return scratch;
}

const uint8_t *
pw_mqtt_byte(const struct pw_mqtt_buf *b, uint32_t off)
{
	const struct pw_slice *s;

	assert(off < b->len);
	s = slice_at(b, &off);
	return pw_slice_data(s) + off;
}

void
pw_mqtt_put_byte(const struct pw_mqtt_buf *b, uint32_t off, uint8_t v)
{
	const struct pw_slice *s;
	uint8_t *p;

	assert(off < b->len);
	s = slice_at(b, &off);
	p = pw_slice_data(s) + off;
	pw_sumnote_patch(s->mbuf, (uint16_t)(s->off + off), *p, v);
	*p = v;
}
