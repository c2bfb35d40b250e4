/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "support.h"

/* Random packets of ours, encoded, cut into random slices, decoded: what comes out is what went in.
 */

#define ROUNDS	  3000
#define MAX_PROPS 48

static uint64_t seed;
static uint8_t pool[1 << 20], wire[1 << 20];
static uint32_t used;

enum kind { BYTE, U16, U32, VARINT, STR, BIN, PAIR };

#define ROW(name, id, type, one, where) {type, one, where},
static const struct {
	uint8_t kind;
	bool once;
	uint32_t packets;
} rows[] = {PW_MQTT_PROPERTIES(ROW)};

struct random_props {
	struct pw_mqtt_prop_out p[MAX_PROPS];
	struct pw_mqtt_props_out out;
};

static uint32_t
length(void)
{
	switch (rnd(&seed, 20)) {
	case 0:
		return rnd(&seed, 5000);
	case 1:
		return 0;
	default:
		return rnd(&seed, 24);
	}
}

static struct pw_mqtt_str
blob(uint32_t len)
{
	struct pw_mqtt_str s = {.data = pool + used, .len = len};

	for (uint32_t i = 0; i < len; i++)
		pool[used++] = (uint8_t)rnd(&seed, 256);
	return s;
}

/* Well-formed text of at least `least` bytes, without wildcards. */
static struct pw_mqtt_str
text(uint32_t least)
{
	static const char *const letters[] = {"a",
					      "Z",
					      "/",
					      "0",
					      " ",
					      "$",
					      "\x7f",
					      "\x01",
					      "\xc3\xa9",
					      "\xe2\x82\xac",
					      "\xed\x9f\xbf",
					      "\xee\x80\x80",
					      "\xef\xbf\xbf",
					      "\xf0\x9f\x98\x80"};
	uint32_t len = RTE_MAX(length(), least);
	struct pw_mqtt_str s = {.data = pool + used};

	while (s.len < len) {
		const char *c = letters[rnd(&seed, RTE_DIM(letters))];

		memcpy(pool + used, c, strlen(c));
		used += (uint32_t)strlen(c);
		s.len += (uint32_t)strlen(c);
	}
	return s;
}

static uint32_t
number(enum pw_mqtt_prop which)
{
	uint32_t v = rnd(&seed, 4) == 0 ? rnd(&seed, 4) : rnd(&seed, UINT32_MAX);

	switch ((enum kind)rows[which].kind) {
	case BYTE:
		return v & 1;
	case U16:
		return (v & 0xFFFF) == 0 ? 1 : v & 0xFFFF;
	case VARINT:
		v >>= 4 + 7 * rnd(&seed, 4);
		return v == 0 ? 1 : v;
	default:
		return v == 0 ? 1 : v;
	}
}

static void
add(struct random_props *r, enum pw_mqtt_prop which)
{
	struct pw_mqtt_prop_out *o = &r->p[r->out.n++];

	*o = (struct pw_mqtt_prop_out){.which = which};
	switch ((enum kind)rows[which].kind) {
	case STR:
		o->str = text(1);
		break;
	case BIN:
		o->str = blob(length());
		break;
	case PAIR:
		o->str = text(0);
		o->value = text(0);
		break;
	default:
		o->num = number(which);
	}
}

/* Some of the properties that may stand there, those that may stand often up to four times. */
static const struct pw_mqtt_props_out *
properties(struct random_props *r, uint8_t where)
{
	r->out = (struct pw_mqtt_props_out){.p = r->p};
	if (rnd(&seed, 4) == 0 && where != PW_MQTT_AUTH)
		return &r->out;
	for (uint32_t i = 0; i < PW_MQTT_PROP_MAX; i++) {
		uint32_t times = rnd(&seed, 2);

		if (!(rows[i].packets & 1u << where))
			continue;
		if (i == PW_MQTT_PROP_AUTH_METHOD)
			times = 1; /* so that its data may stand */
		if (!rows[i].once && where != PW_MQTT_SUBSCRIBE)
			times = rnd(&seed, 5);
		while (times-- > 0)
			add(r, i);
	}
	for (uint32_t i = r->out.n; i > 1; i--) {
		uint32_t k = rnd(&seed, i);
		struct pw_mqtt_prop_out o = r->p[k];

		r->p[k] = r->p[i - 1];
		r->p[i - 1] = o;
	}
	return &r->out;
}

static void
same(const struct pw_mqtt_buf *b, struct pw_mqtt_span span, struct pw_mqtt_str s)
{
	static uint8_t scratch[1 << 17];

	assert_int_equal(span.len, s.len);
	if (s.len > 0)
		assert_memory_equal(pw_mqtt_bytes(b, span, scratch), s.data, s.len);
}

static void
same_props(const struct pw_mqtt_buf *b, uint8_t version, const struct pw_mqtt_props *p,
	   const struct pw_mqtt_props_out *out)
{
	uint32_t present = 0, pairs = 0;

	for (uint32_t i = 0; version == 5 && i < out->n; i++) {
		const struct pw_mqtt_prop_out *o = &out->p[i];

		pairs += rows[o->which].kind == PAIR;
		if (present & 1u << o->which)
			continue; /* the first counts */
		present |= 1u << o->which;
		assert_true(pw_mqtt_has(p, o->which));
		if (rows[o->which].kind >= STR)
			same(b, p->value[o->which].span, o->str);
		else
			assert_int_equal(p->value[o->which].num, o->num);
		assert_int_equal(*pw_mqtt_byte(b, p->at[o->which]), pw_mqtt_prop_id(o->which));
	}
	assert_int_equal(p->present, present);
	assert_int_equal(p->user_pairs, pairs);
}

/* The len bytes at `wire` in random slices. */
static void
slices(struct frame *f, int len)
{
	uint16_t sizes[7];
	uint32_t most = 1 + rnd(&seed, rnd(&seed, 3) == 0 ? 4 : 2000);

	assert_true(len > 0);
	for (uint32_t i = 0; i < 7; i++)
		sizes[i] = (uint16_t)(1 + rnd(&seed, most));
	frame_cut(f, wire, (uint32_t)len, sizes, 7);
}

static uint8_t
version(void)
{
	return (uint8_t)(3 + rnd(&seed, 3));
}

static uint16_t
identifier(void)
{
	return (uint16_t)(1 + rnd(&seed, 65535));
}

static void
one_connect(void)
{
	struct random_props props, will_props;
	struct pw_mqtt_str user = text(0), password = blob(length());
	struct pw_mqtt_connect_out o = {
		.version = version(),
		.clean = rnd(&seed, 2),
		.keepalive = (uint16_t)rnd(&seed, 65536),
		.client_id = text(1),
		.username = rnd(&seed, 2) ? &user : NULL,
		.has_will = rnd(&seed, 2),
	};
	struct pw_mqtt_connect c;
	enum pw_mqtt_error err;
	struct frame f;

	if (o.username != NULL || o.version == 5)
		o.password = rnd(&seed, 2) ? &password : NULL;
	if (o.has_will) {
		o.will_qos = (uint8_t)rnd(&seed, 3);
		o.will_retain = rnd(&seed, 2);
		o.will_topic = text(1);
		o.will_payload = blob(length());
	}
	o.props = *properties(&props, PW_MQTT_CONNECT);
	o.will_props = *properties(&will_props, 0);
	slices(&f, pw_mqtt_encode_connect(wire, sizeof(wire), &o));
	assert_int_equal(pw_mqtt_decode_connect(&f.buf, 0, &c, &err), f.buf.len);
	assert_int_equal(c.version, o.version);
	assert_int_equal(c.clean, o.clean);
	assert_int_equal(c.keepalive, o.keepalive);
	assert_int_equal(c.has_will, o.has_will);
	assert_int_equal(c.will_qos, o.will_qos);
	assert_int_equal(c.will_retain, o.will_retain);
	assert_int_equal(c.has_username, o.username != NULL);
	assert_int_equal(c.has_password, o.password != NULL);
	same(&f.buf, c.client_id, o.client_id);
	same(&f.buf, c.will_topic, o.will_topic);
	same(&f.buf, c.will_payload, o.will_payload);
	if (c.has_username)
		same(&f.buf, c.username, user);
	if (c.has_password)
		same(&f.buf, c.password, password);
	same_props(&f.buf, o.version, &c.props, &o.props);
	if (o.has_will)
		same_props(&f.buf, o.version, &c.will_props, &o.will_props);
	frame_free(&f);
}

static void
one_connack(void)
{
	bool present = rnd(&seed, 2);
	struct random_props props;
	struct pw_mqtt_connack c;
	enum pw_mqtt_error err;
	uint8_t v = version(), code = 0;
	struct frame f;

	if (v == 3)
		present = false;
	if (!present)
		code = v == 5 ? (uint8_t)(0x80 + rnd(&seed, 0x0B)) : (uint8_t)rnd(&seed, 6);
	properties(&props, PW_MQTT_CONNACK);
	slices(&f, pw_mqtt_encode_connack(wire, sizeof(wire), v, present, code, &props.out));
	assert_int_equal(pw_mqtt_decode_connack(&f.buf, v, &c, &err), f.buf.len);
	assert_int_equal(c.session_present, present);
	assert_int_equal(c.code, code);
	same_props(&f.buf, v, &c.props, &props.out);
	frame_free(&f);
}

static void
one_publish(void)
{
	struct pw_mqtt_str topic = text(1), payload = blob(length());
	uint8_t v = version(), qos = (uint8_t)rnd(&seed, 3);
	bool dup = qos > 0 && rnd(&seed, 2), retain = rnd(&seed, 2);
	uint16_t id = qos > 0 ? identifier() : 0;
	struct random_props props;
	struct pw_mqtt_publish p;
	enum pw_mqtt_error err;
	struct frame f;
	int head;

	properties(&props, PW_MQTT_PUBLISH);
	head = pw_mqtt_encode_publish(wire, sizeof(wire), v, dup, qos, retain, topic, id,
				      &props.out, payload.len);
	assert_true(head > 0);
	memcpy(wire + head, payload.data, payload.len);
	slices(&f, head + (int)payload.len);
	assert_int_equal(pw_mqtt_decode_publish(&f.buf, v, &p, &err), f.buf.len);
	assert_int_equal(p.dup, dup);
	assert_int_equal(p.qos, qos);
	assert_int_equal(p.retain, retain);
	assert_int_equal(p.packet_id, id);
	assert_int_equal(p.payload.off, head);
	same(&f.buf, p.topic, topic);
	same(&f.buf, p.payload, payload);
	same_props(&f.buf, v, &p.props, &props.out);
	frame_free(&f);
}

static void
one_ack(void)
{
	enum pw_mqtt_type type = PW_MQTT_PUBACK + rnd(&seed, 4);
	uint8_t v = version(), reason = 0;
	uint16_t id = identifier();
	struct random_props props;
	struct pw_mqtt_ack a;
	enum pw_mqtt_error err;
	struct frame f;

	if (v == 5 && rnd(&seed, 2))
		reason = type >= PW_MQTT_PUBREL ? 0x92 : 0x97;
	properties(&props, (uint8_t)type);
	slices(&f, pw_mqtt_encode_ack(wire, sizeof(wire), type, v, id, reason, &props.out));
	assert_int_equal(wire[0] >> 4, type);
	assert_int_equal(pw_mqtt_decode_ack(&f.buf, v, &a, &err), f.buf.len);
	assert_int_equal(a.packet_id, id);
	assert_int_equal(a.reason, reason);
	same_props(&f.buf, v, &a.props, &props.out);
	frame_free(&f);
}

static void
one_subscribe(void)
{
	enum pw_mqtt_type type = rnd(&seed, 2) ? PW_MQTT_SUBSCRIBE : PW_MQTT_UNSUBSCRIBE;
	uint32_t n = 1 + rnd(&seed, 8), at = 0;
	struct pw_mqtt_filter_out out[8];
	uint8_t v = version(), options;
	uint16_t id = identifier();
	struct random_props props;
	struct pw_mqtt_subscribe s;
	struct pw_mqtt_span filter;
	enum pw_mqtt_error err;
	struct frame f;

	for (uint32_t i = 0; i < n; i++) {
		out[i].filter = text(1);
		out[i].options = type == PW_MQTT_SUBSCRIBE ? (uint8_t)rnd(&seed, 3) : 0;
		if (v == 5 && type == PW_MQTT_SUBSCRIBE)
			out[i].options |= (uint8_t)(rnd(&seed, 3) << 4 | rnd(&seed, 4) << 2);
	}
	properties(&props, (uint8_t)type);
	slices(&f, pw_mqtt_encode_subscribe(wire, sizeof(wire), type, v, id, out, n, &props.out));
	assert_int_equal(pw_mqtt_decode_subscribe(&f.buf, v, &s, &err), f.buf.len);
	assert_int_equal(s.packet_id, id);
	assert_int_equal(s.nb_filters, n);
	for (uint32_t i = 0; i < n; i++) {
		assert_true(pw_mqtt_next_filter(&f.buf, &s, &at, &filter, &options));
		same(&f.buf, filter, out[i].filter);
		assert_int_equal(options, out[i].options);
	}
	assert_false(pw_mqtt_next_filter(&f.buf, &s, &at, &filter, &options));
	same_props(&f.buf, v, &s.props, &props.out);
	frame_free(&f);
}

static void
one_suback(void)
{
	static const uint8_t some[] = {0x80, 0x00}, more[] = {0x83, 0x87, 0x8F, 0x91};
	enum pw_mqtt_type type = rnd(&seed, 2) ? PW_MQTT_SUBACK : PW_MQTT_UNSUBACK;
	uint32_t n = 1 + rnd(&seed, 30);
	struct pw_mqtt_str codes = {.data = pool + used, .len = n};
	uint8_t v = version();
	uint16_t id = identifier();
	struct random_props props;
	struct pw_mqtt_suback s;
	enum pw_mqtt_error err;
	struct frame f;

	for (uint32_t i = 0; i < n; i++)
		pool[used++] = v == 5 && rnd(&seed, 2) ? more[rnd(&seed, 4)] : some[rnd(&seed, 2)];
	properties(&props, (uint8_t)type);
	slices(&f,
	       pw_mqtt_encode_suback(wire, sizeof(wire), type, v, id, codes.data, n, &props.out));
	assert_int_equal(pw_mqtt_decode_suback(&f.buf, v, &s, &err), f.buf.len);
	assert_int_equal(s.packet_id, id);
	if (type == PW_MQTT_UNSUBACK && v < 5)
		codes.len = 0;
	same(&f.buf, s.codes, codes);
	same_props(&f.buf, v, &s.props, &props.out);
	frame_free(&f);
}

static void
one_disconnect(void)
{
	uint8_t v = version();
	enum pw_mqtt_type type = v == 5 && rnd(&seed, 2) ? PW_MQTT_AUTH : PW_MQTT_DISCONNECT;
	uint8_t reason = v < 5 ? 0 : type == PW_MQTT_AUTH ? 0x18 : 0x8B;
	struct random_props props;
	struct pw_mqtt_disconnect d;
	enum pw_mqtt_error err;
	struct frame f;

	properties(&props, (uint8_t)type);
	slices(&f, pw_mqtt_encode_disconnect(wire, sizeof(wire), type, v, reason, &props.out));
	assert_int_equal(pw_mqtt_decode_disconnect(&f.buf, v, &d, &err), f.buf.len);
	assert_int_equal(d.reason, reason);
	same_props(&f.buf, v, &d.props, &props.out);
	frame_free(&f);
}

static void
many(void (*one)(void))
{
	for (uint32_t i = 0; i < ROUNDS; i++) {
		seed = UINT64_C(0x9E3779B97F4A7C15) + i;
		used = 0;
		one();
	}
}

#define ROUND_TRIP(name)                                                                           \
	static void a_random_##name##_comes_back_as_it_was(void **state)                           \
	{                                                                                          \
		(void)state;                                                                       \
		many(one_##name);                                                                  \
	}
ROUND_TRIP(connect)
ROUND_TRIP(connack)
ROUND_TRIP(publish)
ROUND_TRIP(ack)
ROUND_TRIP(subscribe)
ROUND_TRIP(suback)
ROUND_TRIP(disconnect)

/* Valid packets with a few bytes changed: the same result whole and in small slices, and no
 * overrun. */
static void
a_damaged_packet_is_judged_the_same_however_it_is_cut(void **state)
{
	static char whole[DUMP_MAX], cut[DUMP_MAX];
	static const uint16_t sizes[] = {1, 3, 2};
	void (*const makers[])(void) = {one_connect,   one_connack, one_publish,   one_ack,
					one_subscribe, one_suback,  one_disconnect};
	uint32_t refused = 0;

	(void)state;
	for (uint32_t i = 0; i < ROUNDS; i++) {
		uint8_t v = (uint8_t)(3 + i % 3), head[5];
		enum pw_mqtt_error err;
		uint32_t total;
		struct frame f;

		seed = 12345 + i;
		used = 0;
		makers[i % RTE_DIM(makers)]();
		memcpy(head, wire, sizeof(head));
		assert_true(pw_mqtt_frame(head, 5, 0, &total, &err) > 0);
		for (uint32_t k = rnd(&seed, 4); k > 0; k--)
			wire[rnd(&seed, RTE_MIN(total, 64u))] ^= (uint8_t)(1 << rnd(&seed, 8));
		frame_guarded(&f, wire, total);
		dump(&f.buf, v, whole);
		frame_free(&f);
		frame_cut(&f, wire, total, sizes, 3);
		dump(&f.buf, v, cut);
		frame_free(&f);
		assert_string_equal(whole, cut);
		refused += strncmp(whole, "error", 5) == 0;
	}
	assert_in_range(refused, ROUNDS / 10, ROUNDS - ROUNDS / 10);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_random_connect_comes_back_as_it_was),
		cmocka_unit_test(a_random_connack_comes_back_as_it_was),
		cmocka_unit_test(a_random_publish_comes_back_as_it_was),
		cmocka_unit_test(a_random_ack_comes_back_as_it_was),
		cmocka_unit_test(a_random_subscribe_comes_back_as_it_was),
		cmocka_unit_test(a_random_suback_comes_back_as_it_was),
		cmocka_unit_test(a_random_disconnect_comes_back_as_it_was),
		cmocka_unit_test(a_damaged_packet_is_judged_the_same_however_it_is_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
