/* SPDX-License-Identifier: BSD-3-Clause */
#include <assert.h>

#include "props_pvt.h"
#include "writer_pvt.h"

enum prop_type { BYTE, U16, U32, VARINT, STR, BIN, PAIR };

struct prop_row {
	uint8_t id;
	uint8_t type;
	bool once;
	uint16_t packets;
};

#define ROW(name, wire_id, kind, one, where)                                                       \
	[PW_MQTT_PROP_##name] = {.id = wire_id, .type = kind, .once = one, .packets = where},
static const struct prop_row rows[PW_MQTT_PROP_MAX] = {PW_MQTT_PROPERTIES(ROW)};

#define PROP_ID_MAX 0x2A

/* wire identifier -> index + 1 */
#define BY_ID(name, wire_id, kind, one, where) [wire_id] = PW_MQTT_PROP_##name + 1,
static const uint8_t by_id[PROP_ID_MAX + 1] = {PW_MQTT_PROPERTIES(BY_ID)};

static_assert(PW_MQTT_PROP_MAX <= 32, "a bit each in struct pw_mqtt_props");

uint8_t
pw_mqtt_prop_id(enum pw_mqtt_prop which)
{
	assert(which < PW_MQTT_PROP_MAX);
	return rows[which].id;
}

/* Values that the sections of 2.2.2.2 and their packets forbid. */
static enum pw_mqtt_error
check_number(enum pw_mqtt_prop which, uint32_t v)
{
	switch (which) {
	case PW_MQTT_PROP_TOPIC_ALIAS: /* [MQTT-3.3.2-8] */
		return v == 0 ? PW_MQTT_E_TOPIC_ALIAS : PW_MQTT_E_NONE;
	case PW_MQTT_PROP_RECEIVE_MAXIMUM:     /* 3.1.2.11.3, 3.2.2.3.3 */
	case PW_MQTT_PROP_MAXIMUM_PACKET_SIZE: /* 3.1.2.11.4, 3.2.2.3.6 */
	case PW_MQTT_PROP_SUBSCRIPTION_ID:     /* 3.3.2.3.8, 3.8.2.1.2 */
		return v == 0 ? PW_MQTT_E_PROPERTY_VALUE : PW_MQTT_E_NONE;
	default:
		/* every property of one byte is a flag, Maximum QoS being 0 or 1 among them */
		return rows[which].type == BYTE && v > 1 ? PW_MQTT_E_PROPERTY_VALUE
							 : PW_MQTT_E_NONE;
	}
}

/* Value of one property; num or span of it. */
static enum pw_mqtt_error
read_value(struct pw_mqtt_reader *r, enum pw_mqtt_prop which, uint32_t *num,
	   struct pw_mqtt_span *span)
{
	switch ((enum prop_type)rows[which].type) {
	case BYTE:
		*num = pw_mqtt_rd_u8(r);
		break;
	case U16:
		*num = pw_mqtt_rd_u16(r);
		break;
	case U32:
		*num = pw_mqtt_rd_u32(r);
		break;
	case VARINT:
		*num = pw_mqtt_rd_varint(r);
		break;
	case BIN:
		*span = pw_mqtt_rd_bin(r);
		return r->err;
	case PAIR:
		*span = pw_mqtt_rd_str(r, PW_MQTT_TEXT_ANY);
		(void)pw_mqtt_rd_str(r, PW_MQTT_TEXT_ANY);
		return r->err;
	case STR:
		if (which != PW_MQTT_PROP_RESPONSE_TOPIC) {
			*span = pw_mqtt_rd_str(r, PW_MQTT_TEXT_ANY);
			return r->err;
		}
		*span = pw_mqtt_rd_str(r, PW_MQTT_TEXT_TOPIC);	/* [MQTT-3.3.2-14] */
		if (r->err == PW_MQTT_E_NONE && span->len == 0) /* [MQTT-4.7.3-1] */
			return PW_MQTT_E_TOPIC_NAME;
		return r->err;
	}
	return r->err != PW_MQTT_E_NONE ? r->err : check_number(which, *num);
}

/* One property, identifier and value. */
static void
read_one(struct pw_mqtt_reader *r, uint8_t where, struct pw_mqtt_props *p)
{
	struct pw_mqtt_span span = {0};
	uint32_t num = 0, at = r->off, id;
	enum pw_mqtt_error err;
	enum pw_mqtt_prop which;
	bool again;

	id = pw_mqtt_rd_varint(r);
	if (r->err != PW_MQTT_E_NONE)
		return;
	if (id > PROP_ID_MAX || by_id[id] == 0 || !(rows[by_id[id] - 1].packets & 1u << where)) {
		pw_mqtt_rd_fail(r, PW_MQTT_E_PROPERTY);
		return;
	}
	which = by_id[id] - 1;
	again = pw_mqtt_has(p, which);
	/* many subscription identifiers may stand in a PUBLISH, one in a SUBSCRIBE (3.8.2.1.2) */
	if (again && (rows[which].once ||
		      (which == PW_MQTT_PROP_SUBSCRIPTION_ID && where == PW_MQTT_SUBSCRIBE))) {
		pw_mqtt_rd_fail(r, PW_MQTT_E_PROPERTY_TWICE);
		return;
	}
	err = read_value(r, which, &num, &span);
	if (err != PW_MQTT_E_NONE) {
		pw_mqtt_rd_fail(r, err);
		return;
	}
	p->user_pairs += which == PW_MQTT_PROP_USER_PROPERTY;
	if (again)
		return;
	p->present |= 1u << which;
	p->at[which] = at;
	if (rows[which].type >= STR)
		p->value[which].span = span;
	else
		p->value[which].num = num;
}

void
pw_mqtt_rd_props(struct pw_mqtt_reader *r, uint8_t where, struct pw_mqtt_props *p)
{
	uint32_t len, outer;

	pw_mqtt_no_props(r, p);
	if (r->version < PW_MQTT_5)
		return;
	len = pw_mqtt_rd_varint(r);
	if (len > pw_mqtt_rd_left(r)) {
		pw_mqtt_rd_fail(r, PW_MQTT_E_TRUNCATED);
		return;
	}
	p->all = (struct pw_mqtt_span){.off = r->off, .len = len};
	outer = r->limit;
	r->limit = r->off + len;
	while (pw_mqtt_rd_left(r) > 0)
		read_one(r, where, p);
	if (r->err != PW_MQTT_E_NONE)
		return;
	r->limit = outer;
	/* 3.1.2.11.10, 3.2.2.3.18, 3.15.2.2.3: data without a method */
	if (pw_mqtt_has(p, PW_MQTT_PROP_AUTH_DATA) && !pw_mqtt_has(p, PW_MQTT_PROP_AUTH_METHOD))
		pw_mqtt_rd_fail(r, PW_MQTT_E_PROPERTY_MISSING);
}

static uint32_t
one_size(const struct pw_mqtt_prop_out *o)
{
	assert(o->which < PW_MQTT_PROP_MAX);
	switch ((enum prop_type)rows[o->which].type) {
	case BYTE:
		assert(o->num <= UINT8_MAX);
		return 2;
	case U16:
		assert(o->num <= UINT16_MAX);
		return 3;
	case U32:
		return 5;
	case VARINT:
		assert(o->num <= PW_MQTT_MAX_REMAINING);
		return 1 + pw_mqtt_varint_size(o->num);
	case STR:
	case BIN:
		return 1 + pw_mqtt_wr_str_size(o->str);
	case PAIR:
		return 1 + pw_mqtt_wr_str_size(o->str) + pw_mqtt_wr_str_size(o->value);
	}
	return 0;
}

/* Bytes of the properties themselves. */
static uint64_t
inner_size(const struct pw_mqtt_props_out *p)
{
	uint64_t size = 0;

	if (p == NULL)
		return 0;
	for (uint32_t i = 0; i < p->n; i++)
		size += one_size(&p->p[i]);
	return size + p->raw.len;
}

uint32_t
pw_mqtt_props_size(const struct pw_mqtt_props_out *p, uint8_t version)
{
	uint64_t size;

	if (version < PW_MQTT_5)
		return 0;
	size = inner_size(p);
	if (size > PW_MQTT_MAX_REMAINING)
		return UINT32_MAX;
	return pw_mqtt_varint_size((uint32_t)size) + (uint32_t)size;
}

static uint8_t *
put_one(uint8_t *dst, const struct pw_mqtt_prop_out *o)
{
	*dst++ = rows[o->which].id;
	switch ((enum prop_type)rows[o->which].type) {
	case BYTE:
		*dst++ = (uint8_t)o->num;
		return dst;
	case U16:
		return pw_mqtt_wr_u16(dst, o->num);
	case U32:
		return pw_mqtt_wr_u32(dst, o->num);
	case VARINT:
		return pw_mqtt_varint_put(dst, o->num);
	case STR:
	case BIN:
		return pw_mqtt_wr_str(dst, o->str);
	case PAIR:
		return pw_mqtt_wr_str(pw_mqtt_wr_str(dst, o->str), o->value);
	}
	return dst;
}

uint8_t *
pw_mqtt_props_put(uint8_t *dst, const struct pw_mqtt_props_out *p, uint8_t version)
{
	if (version < PW_MQTT_5)
		return dst;
	dst = pw_mqtt_varint_put(dst, (uint32_t)inner_size(p));
	if (p == NULL)
		return dst;
	for (uint32_t i = 0; i < p->n; i++)
		dst = put_one(dst, &p->p[i]);
	return pw_mqtt_wr_raw(dst, p->raw);
}
