/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Translation between versions: a PUBLISH of 3.1.1 and one of 5.0 differ in the property section
 * and, by its size, in the remaining length. 5.0 to 3.1.1 leaves the properties out, 3.1.1 to 5.0
 * says that there are none; topic and payload stay where they lie.
 */
#include <errno.h>

#include "leg_pvt.h"

void
pw_walk_next(struct pw_walk *w)
{
	w->base += w->now.len;
	while (w->run != NULL && w->i == w->run->n) {
		w->run = w->run->next;
		w->i = w->run != NULL ? w->run->from : 0;
	}
	if (w->run != NULL)
		w->now = w->run->s[w->i++];
	else
		w->now.len = 0;
}

struct pw_walk
pw_walk_to(const struct pw_flog_entry *e, uint32_t from)
{
	struct pw_walk w = {.now = e->first, .run = e->more};

	w.i = w.run != NULL ? w.run->from : 0;
	while (w.now.len > 0 && w.base + w.now.len <= from)
		pw_walk_next(&w);
	return w;
}

/* A byte at or behind the one that was read last; 0 behind the end. */
static uint8_t
byte_at(struct pw_walk *w, uint32_t at)
{
	while (w->now.len > 0 && at >= w->base + w->now.len)
		pw_walk_next(w);
	return w->now.len > 0 ? pw_slice_data(&w->now)[at - w->base] : 0;
}

static uint32_t
u16_at(struct pw_walk *w, uint32_t at)
{
	uint32_t high = byte_at(w, at);

	return high << 8 | byte_at(w, at + 1);
}

static uint32_t
u32_at(struct pw_walk *w, uint32_t at)
{
	uint32_t high = u16_at(w, at);

	return high << 16 | u16_at(w, at + 2);
}

/* Its value; *at moves behind it. */
static uint32_t
varint_at(struct pw_walk *w, uint32_t *at)
{
	uint32_t v = 0, shift = 0;
	uint8_t c;

	do {
		c = byte_at(w, (*at)++);
		v |= (uint32_t)(c & 0x7F) << shift;
		shift += 7;
	} while ((c & 0x80) && shift < 28);
	return v;
}

uint32_t
pw_upstream_topic_len(const struct pw_flog_entry *e)
{
	struct pw_walk w = pw_walk_to(e, 0);
	uint32_t at = 1;

	(void)varint_at(&w, &at);
	return u16_at(&w, at);
}

/* Where the parts of a frame lie. */
struct parts {
	uint32_t head;	/* bytes of the fixed header */
	uint32_t props; /* offset of the property section, in 3.1.1 of the payload */
	uint32_t body;	/* and of its first property */
	uint32_t payload;
};

static struct parts
parts_of(const struct pw_flog_entry *e, bool v5)
{
	struct pw_walk w = pw_walk_to(e, 0);
	struct parts o = {.head = 1};
	uint32_t len;

	(void)varint_at(&w, &o.head);
	o.props = o.head + 2 + u16_at(&w, o.head) + ((e->flags & PW_FLOG_QOS) != 0 ? 2 : 0);
	o.body = o.payload = o.props;
	if (!v5)
		return o;
	len = varint_at(&w, &o.body);
	o.payload = o.body + len;
	return o;
}

/* The remaining length that a frame has in the other version. */
static uint32_t
translated_rest(const struct pw_flog_entry *e, const struct parts *o, bool v5)
{
	uint32_t rest = e->len - o->head;

	return v5 ? rest - (o->payload - o->props) : rest + 1;
}

bool
pw_leg_grows_too_large(const struct pw_upstream *u, const struct pw_flog_entry *e)
{
	uint32_t max = u->max_packet != 0 ? u->max_packet : UINT32_MAX, rest;
	bool v5 = u->log->lane == PW_LANE_5;
	struct parts o;

	/* Seldom a question: it grows by no more than that. */
	if (e->len + PW_PATCH_GROWTH <= RTE_MIN(max, PW_MQTT_MAX_REMAINING))
		return false;
	o = parts_of(e, v5);
	rest = translated_rest(e, &o, v5);
	return rest > PW_MQTT_MAX_REMAINING || 1 + pw_mqtt_varint_size(rest) + rest > max;
}

/* The other version: the fixed header anew, the property section out or in. */
static uint32_t
translate(const struct pw_flog_entry *e, bool v5, uint8_t first, struct pw_patch p[2])
{
	struct parts o = parts_of(e, v5);
	struct pw_walk w;

	p[0] = (struct pw_patch){.cut = o.head, .byte = {first}};
	p[0].len = (uint32_t)(pw_mqtt_varint_put(p[0].byte + 1, translated_rest(e, &o, v5)) -
			      p[0].byte);
	if (v5) {
		p[1] = (struct pw_patch){.at = o.props, .cut = o.payload - o.props};
		return 2;
	}
	w = pw_walk_to(e, o.props - 1);
	p[1] = (struct pw_patch){
		.at = o.props - 1, .cut = 1, .len = 2, .byte = {byte_at(&w, o.props - 1), 0}};
	return 2;
}

int
pw_leg_patches(const struct pw_upstream *u, const struct pw_cursor *at,
	       const struct pw_flog_entry *e, uint64_t now, struct pw_patch p[PW_PATCHES])
{
	uint8_t first = *pw_slice_data(&e->first), mine = first;
	uint64_t waited = pw_since(now, e->arrival) / PW_NS_S;
	bool again = pw_cursor_again(at);
	struct pw_walk w;
	uint32_t left;
	int n = 0;

	if (again && (e->flags & PW_FLOG_QOS) != 0)
		mine |= 0x08; /* [MQTT-3.3.1-1] */
	if (u->no_retain)
		mine &= (uint8_t)~0x01;
	if (pw_leg_translates(u))
		n = (int)translate(e, u->log->lane == PW_LANE_5, mine, p);
	else if (mine != first)
		p[n++] = (struct pw_patch){.at = 0, .cut = 1, .len = 1, .byte = {mine}};
	if (e->expiry_at == 0 || waited == 0)
		return n;
	w = pw_walk_to(e, e->expiry_at);
	left = u32_at(&w, e->expiry_at);
	/* [MQTT-3.3.2-5], [MQTT-3.3.2-6]; what was begun is not given up any more. */
	if (waited >= left && !again && at->part == 0)
		return -1;
	if (pw_leg_translates(u))
		return n; /* 3.1.1 has no word for what is left of it */
	left = waited >= left ? 1 : left - (uint32_t)waited;
	p[n++] = (struct pw_patch){
		.at = e->expiry_at,
		.cut = 4,
		.len = 4,
		.byte = {(uint8_t)(left >> 24), (uint8_t)(left >> 16), (uint8_t)(left >> 8),
			 (uint8_t)left},
	};
	return n;
}

uint32_t
pw_leg_left(const struct pw_flog_entry *e, uint32_t from, const struct pw_patch *p, uint32_t n)
{
	uint32_t left = e->len - from;

	for (uint32_t i = 0; i < n; i++) {
		if (p[i].at >= from)
			left = left - p[i].cut + p[i].len;
	}
	return left;
}

/* Bytes from .. to of the shared frame; returns the byte after them. */
static uint8_t *
copy(const struct pw_flog_entry *e, uint32_t from, uint32_t to, uint8_t *out)
{
	struct pw_walk w = pw_walk_to(e, from);

	while (from < to) {
		uint32_t skip = from - w.base, len = RTE_MIN(w.now.len - skip, to - from);

		memcpy(out, pw_slice_data(&w.now) + skip, len);
		out += len;
		from += len;
		pw_walk_next(&w);
	}
	return out;
}

uint32_t
pw_leg_flat(const struct pw_flog_entry *e, const struct pw_patch *p, uint32_t n, uint8_t *out)
{
	uint8_t *to = out;
	uint32_t from = 0;

	for (uint32_t i = 0; i < n; i++, p++) {
		to = copy(e, from, p->at, to);
		memcpy(to, p->byte, p->len);
		to += p->len;
		from = p->at + p->cut;
	}
	return (uint32_t)(copy(e, from, e->len, to) - out);
}

/* What one property of a PUBLISH that has none in 3.1.1 is; returns the bytes of its value. */
static uint32_t
stripped(struct pw_upstream *u, struct pw_walk *w, uint32_t at, uint8_t id)
{
	uint32_t len;

#define ID(name, wire_id, type, once, packets) ID_##name = wire_id,
	enum { PW_MQTT_PROPERTIES(ID) };
#undef ID

	switch (id) {
	case ID_PAYLOAD_FORMAT:
		u->counters.stripped_payload_format++;
		return 1;
	case ID_MESSAGE_EXPIRY:
		u->counters.stripped_expiry++;
		return 4;
	case ID_CONTENT_TYPE:
		u->counters.stripped_content_type++;
		break;
	case ID_RESPONSE_TOPIC:
		u->counters.stripped_response_topic++;
		break;
	case ID_CORRELATION_DATA:
		u->counters.stripped_correlation_data++;
		break;
	default: /* no other has passed: [MQTT-3.3.4-6], aliases are resolved */
		u->counters.stripped_user_property++;
		len = 2 + u16_at(w, at);
		return len + 2 + u16_at(w, at + len);
	}
	return 2 + u16_at(w, at);
}

void
pw_leg_count(struct pw_upstream *u, const struct pw_flog_entry *e)
{
	bool v5 = u->log->lane == PW_LANE_5;
	struct parts o = parts_of(e, v5);
	struct pw_walk w = pw_walk_to(e, o.body);
	uint32_t at = o.body;

	u->counters.translated++;
	while (at < o.payload) {
		uint8_t id = byte_at(&w, at++);

		at += stripped(u, &w, at, id);
	}
}
