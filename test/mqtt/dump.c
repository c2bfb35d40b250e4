/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "support.h"

struct sink {
	const struct pw_mqtt_buf *b;
	char *p;
	uint32_t left;
};

__attribute__((format(printf, 2, 3))) static void
say(struct sink *k, const char *format, ...)
{
	va_list ap;
	int n;

	va_start(ap, format);
	n = vsnprintf(k->p, k->left, format, ap);
	va_end(ap);
	if (n < 0 || (uint32_t)n >= k->left)
		n = (int)k->left - 1; /* the text ends; what is said so far is still compared */
	k->p += n;
	k->left -= (uint32_t)n;
}

/* Text as it is, other bytes as hex, long ones as their length and byte, or hash where bytes
 * differ. */
static void
say_span(struct sink *k, const char *name, struct pw_mqtt_span span)
{
	uint8_t *scratch = malloc(span.len + 1);
	const uint8_t *p;
	uint64_t hash = UINT64_C(14695981039346656037);
	bool same = true;

	CHECK(scratch != NULL);
	CHECK(span.off <= k->b->len && span.len <= k->b->len - span.off);
	p = pw_mqtt_bytes(k->b, span, scratch);
	say(k, " %s=", name);
	if (span.len > 64) {
		for (uint32_t i = 0; i < span.len; i++) {
			hash = (hash ^ p[i]) * UINT64_C(1099511628211);
			same &= p[i] == p[0];
		}
		if (same)
			say(k, "<%u of %02x>", span.len, p[0]);
		else
			say(k, "<%u bytes %016llx>", span.len, (unsigned long long)hash);
	} else {
		for (uint32_t i = 0; i < span.len; i++)
			say(k, p[i] > ' ' && p[i] < 0x7F ? "%c" : "\\%02x", p[i]);
	}
	free(scratch);
}

enum kind { BYTE, U16, U32, VARINT, STR, BIN, PAIR };

#define ROW(name, id, type, once, packets) {#name, type},
static const struct {
	const char *name;
	enum kind kind;
} rows[] = {PW_MQTT_PROPERTIES(ROW)};

static void
say_props(struct sink *k, const struct pw_mqtt_props *p)
{
	CHECK(p->all.off <= k->b->len && p->all.len <= k->b->len - p->all.off);
	if (p->present == 0) {
		CHECK(p->all.len == 0 && p->user_pairs == 0);
		return;
	}
	say(k, " {");
	for (uint32_t i = 0; i < PW_MQTT_PROP_MAX; i++) {
		if (!pw_mqtt_has(p, i))
			continue;
		CHECK(*pw_mqtt_byte(k->b, p->at[i]) == pw_mqtt_prop_id(i));
		CHECK(p->at[i] >= p->all.off && p->at[i] - p->all.off < p->all.len);
		if (rows[i].kind >= STR)
			say_span(k, rows[i].name, p->value[i].span);
		else
			say(k, " %s=%u", rows[i].name, p->value[i].num);
		if (rows[i].kind == PAIR)
			say(k, " x%u", p->user_pairs);
	}
	say(k, " }");
}

static int
dump_connect(struct sink *k, enum pw_mqtt_error *err)
{
	struct pw_mqtt_connect c;
	int rc = pw_mqtt_decode_connect(k->b, 0, &c, err);

	if (rc < 0)
		return rc;
	say(k, "CONNECT v%u%s ka=%u", c.version, c.clean ? " clean" : "", c.keepalive);
	say_span(k, "id", c.client_id);
	say_props(k, &c.props);
	if (c.has_will) {
		say(k, " will q%u%s", c.will_qos, c.will_retain ? " retain" : "");
		say_span(k, "topic", c.will_topic);
		say_span(k, "payload", c.will_payload);
		say_props(k, &c.will_props);
	}
	if (c.has_username)
		say_span(k, "user", c.username);
	if (c.has_password)
		say_span(k, "password", c.password);
	return rc;
}

static int
dump_connack(struct sink *k, uint8_t version, enum pw_mqtt_error *err)
{
	struct pw_mqtt_connack c;
	int rc = pw_mqtt_decode_connack(k->b, version, &c, err);

	if (rc < 0)
		return rc;
	say(k, "CONNACK%s code=%02x", c.session_present ? " present" : "", c.code);
	say_props(k, &c.props);
	return rc;
}

static int
dump_publish(struct sink *k, uint8_t version, enum pw_mqtt_error *err)
{
	struct pw_mqtt_publish p;
	int rc = pw_mqtt_decode_publish(k->b, version, &p, err);

	if (rc < 0)
		return rc;
	say(k, "PUBLISH q%u%s%s", p.qos, p.dup ? " dup" : "", p.retain ? " retain" : "");
	if (p.qos > 0) {
		CHECK(*pw_mqtt_byte(k->b, p.packet_id_at) == p.packet_id >> 8);
		CHECK(*pw_mqtt_byte(k->b, p.packet_id_at + 1) == (p.packet_id & 0xFF));
		say(k, " id=%u", p.packet_id);
	} else {
		CHECK(p.packet_id == 0 && p.packet_id_at == 0);
	}
	say_span(k, "topic", p.topic);
	say_props(k, &p.props);
	say_span(k, "payload", p.payload);
	return rc;
}

static int
dump_ack(struct sink *k, uint8_t type, uint8_t version, enum pw_mqtt_error *err)
{
	struct pw_mqtt_ack a;
	int rc = pw_mqtt_decode_ack(k->b, version, &a, err);

	if (rc < 0)
		return rc;
	say(k, "%s id=%u reason=%02x", pw_mqtt_type_str(type), a.packet_id, a.reason);
	say_props(k, &a.props);
	return rc;
}

static int
dump_subscribe(struct sink *k, uint8_t type, uint8_t version, enum pw_mqtt_error *err)
{
	struct pw_mqtt_subscribe s;
	struct pw_mqtt_span filter;
	uint32_t at = 0, n = 0;
	uint8_t options;
	int rc = pw_mqtt_decode_subscribe(k->b, version, &s, err);

	if (rc < 0)
		return rc;
	say(k, "%s id=%u", pw_mqtt_type_str(type), s.packet_id);
	say_props(k, &s.props);
	while (pw_mqtt_next_filter(k->b, &s, &at, &filter, &options)) {
		say_span(k, "filter", filter);
		if (type == PW_MQTT_SUBSCRIBE)
			say(k, ":%02x", options);
		n++;
	}
	CHECK(n == s.nb_filters && n > 0 && at == s.filters.len);
	return rc;
}

static int
dump_suback(struct sink *k, uint8_t type, uint8_t version, enum pw_mqtt_error *err)
{
	struct pw_mqtt_suback s;
	int rc = pw_mqtt_decode_suback(k->b, version, &s, err);

	if (rc < 0)
		return rc;
	say(k, "%s id=%u", pw_mqtt_type_str(type), s.packet_id);
	say_props(k, &s.props);
	for (uint32_t i = 0; i < s.codes.len; i++)
		say(k, " %02x", *pw_mqtt_byte(k->b, s.codes.off + i));
	return rc;
}

static int
dump_disconnect(struct sink *k, uint8_t type, uint8_t version, enum pw_mqtt_error *err)
{
	struct pw_mqtt_disconnect d;
	int rc = pw_mqtt_decode_disconnect(k->b, version, &d, err);

	if (rc < 0)
		return rc;
	say(k, "%s reason=%02x", pw_mqtt_type_str(type), d.reason);
	say_props(k, &d.props);
	return rc;
}

static int
dump_any(struct sink *k, uint8_t version, enum pw_mqtt_error *err)
{
	uint8_t type = *pw_mqtt_byte(k->b, 0) >> 4;
	int rc;

	switch (type) {
	case PW_MQTT_CONNECT:
		return dump_connect(k, err);
	case PW_MQTT_CONNACK:
		return dump_connack(k, version, err);
	case PW_MQTT_PUBLISH:
		return dump_publish(k, version, err);
	case PW_MQTT_PUBACK:
	case PW_MQTT_PUBREC:
	case PW_MQTT_PUBREL:
	case PW_MQTT_PUBCOMP:
		return dump_ack(k, type, version, err);
	case PW_MQTT_SUBSCRIBE:
	case PW_MQTT_UNSUBSCRIBE:
		return dump_subscribe(k, type, version, err);
	case PW_MQTT_SUBACK:
	case PW_MQTT_UNSUBACK:
		return dump_suback(k, type, version, err);
	case PW_MQTT_DISCONNECT:
	case PW_MQTT_AUTH:
		return dump_disconnect(k, type, version, err);
	default:
		rc = pw_mqtt_decode_ping(k->b, err);
		if (rc > 0)
			say(k, "%s", pw_mqtt_type_str(type));
		return rc;
	}
}

void
dump(const struct pw_mqtt_buf *b, uint8_t version, char *out)
{
	struct sink k = {.b = b, .p = out, .left = DUMP_MAX};
	enum pw_mqtt_error err = PW_MQTT_E_MAX;
	int rc = dump_any(&k, version, &err);

	if (rc > 0) {
		CHECK((uint32_t)rc == b->len && err == PW_MQTT_E_NONE);
		return;
	}
	CHECK(rc == -EBADMSG && err > PW_MQTT_E_NONE && err < PW_MQTT_E_MAX);
	say(&k, "error %s", pw_mqtt_error_name(err));
}
