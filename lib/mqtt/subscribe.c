/* SPDX-License-Identifier: BSD-3-Clause */
#include <assert.h>

#include <pubwire/mqtt/packet.h>

#include "props_pvt.h"
#include "reader_pvt.h"
#include "reason_pvt.h"

/* Subscription options, 5.0 3.8.3.1 */
#define OPT_QOS(o)    ((o)&3)
#define OPT_NO_LOCAL  0x04
#define OPT_RETAIN(o) ((o) >> 4 & 3)
#define OPT_RESERVED  0xC0
#define OPT_OLD	      0xFC /* 3.1.1: all but the QoS is reserved [MQTT-3.8.3-4] */

static void
check_options(struct pw_mqtt_reader *r, uint8_t options, bool shared)
{
	if (OPT_QOS(options) > 2) {
		pw_mqtt_rd_fail(r, PW_MQTT_E_QOS);
		return;
	}
	switch (r->version) {
	case PW_MQTT_5:
		if (options & OPT_RESERVED) /* [MQTT-3.8.3-5] */
			pw_mqtt_rd_fail(r, PW_MQTT_E_SUBSCRIPTION);
		/* 5.0 3.8.3.1: Protocol Errors, the second by [MQTT-3.8.3-4] */
		else if (OPT_RETAIN(options) == 3 || (shared && options & OPT_NO_LOCAL))
			pw_mqtt_rd_fail(r, PW_MQTT_E_OPTION_VALUE);
		break;
	case PW_MQTT_3_1_1:
		if (options & OPT_OLD)
			pw_mqtt_rd_fail(r, PW_MQTT_E_SUBSCRIPTION);
		break;
	default: /* 3.1 leaves them unused */
		break;
	}
}

int
pw_mqtt_decode_subscribe(const struct pw_mqtt_buf *b, uint8_t version, struct pw_mqtt_subscribe *o,
			 enum pw_mqtt_error *err)
{
	struct pw_mqtt_reader r;
	uint8_t options;
	bool shared;

	pw_mqtt_rd_begin(&r, b, PW_MQTT_P(SUBSCRIBE) | PW_MQTT_P(UNSUBSCRIBE));
	pw_mqtt_rd_version(&r, version);
	o->packet_id = pw_mqtt_rd_packet_id(&r);
	pw_mqtt_rd_props(&r, r.type, &o->props);
	o->filters = (struct pw_mqtt_span){.off = r.off, .len = pw_mqtt_rd_left(&r)};
	o->nb_filters = 0;
	o->slice = 0;
	o->slice_off = 0;
	while (pw_mqtt_rd_left(&r) > 0) {
		(void)pw_mqtt_rd_filter(&r, &shared);
		if (r.type == PW_MQTT_SUBSCRIBE) {
			options = pw_mqtt_rd_u8(&r);
			check_options(&r, options, shared);
		}
		o->nb_filters++;
	}
	if (o->nb_filters == 0) /* [MQTT-3.8.3-2], [MQTT-3.10.3-2] */
		pw_mqtt_rd_fail(&r, PW_MQTT_E_NO_PAYLOAD);
	return pw_mqtt_rd_end(&r, err);
}

/* Byte `off` of the frame, at or after the byte that was asked for last. */
static uint8_t
byte_onwards(const struct pw_mqtt_buf *b, struct pw_mqtt_subscribe *sub, uint32_t off)
{
	while (off - sub->slice_off >= b->s[sub->slice].len) {
		sub->slice_off += b->s[sub->slice].len;
		sub->slice++;
		assert(sub->slice < b->n);
	}
	return pw_slice_data(&b->s[sub->slice])[off - sub->slice_off];
}

bool
pw_mqtt_next_filter(const struct pw_mqtt_buf *b, struct pw_mqtt_subscribe *sub, uint32_t *at,
		    struct pw_mqtt_span *filter, uint8_t *options)
{
	uint32_t off = sub->filters.off + *at;

	if (*at >= sub->filters.len)
		return false;
	if (*at == 0) {
		sub->slice = 0;
		sub->slice_off = 0;
	}
	filter->len = (uint32_t)byte_onwards(b, sub, off) << 8;
	filter->len |= byte_onwards(b, sub, off + 1);
	filter->off = off + 2;
	*at += 2 + filter->len;
	*options = 0;
	if (*pw_mqtt_byte(b, 0) >> 4 == PW_MQTT_SUBSCRIBE) {
		*options = byte_onwards(b, sub, filter->off + filter->len);
		*at += 1;
	}
	return true;
}

int
pw_mqtt_decode_suback(const struct pw_mqtt_buf *b, uint8_t version, struct pw_mqtt_suback *o,
		      enum pw_mqtt_error *err)
{
	struct pw_mqtt_reader r;

	pw_mqtt_rd_begin(&r, b, PW_MQTT_P(SUBACK) | PW_MQTT_P(UNSUBACK));
	pw_mqtt_rd_version(&r, version);
	o->packet_id = pw_mqtt_rd_packet_id(&r);
	pw_mqtt_rd_props(&r, r.type, &o->props);
	o->codes = (struct pw_mqtt_span){.off = r.off, .len = pw_mqtt_rd_left(&r)};
	if (r.type == PW_MQTT_UNSUBACK && version != PW_MQTT_5) { /* 3.1.1 3.11.3: no payload */
		o->codes.len = 0;
		return pw_mqtt_rd_end(&r, err);
	}
	if (pw_mqtt_rd_left(&r) == 0)
		pw_mqtt_rd_fail(&r, PW_MQTT_E_NO_PAYLOAD);
	while (pw_mqtt_rd_left(&r) > 0) {
		if (!pw_mqtt_reason_ok(r.type, version, pw_mqtt_rd_u8(&r)))
			pw_mqtt_rd_fail(&r, PW_MQTT_E_REASON_CODE);
	}
	return pw_mqtt_rd_end(&r, err);
}
