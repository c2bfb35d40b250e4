/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "support.h"
#include "vectors.h"

#define WIRE_MAX 70000

static const struct {
	const char *name;
	const struct vector *v;
	const uint32_t *n;
} tables[] = {
#define TABLE(name) {#name, vectors_##name, &nb_vectors_##name},
	VECTOR_TABLES(TABLE)};

static uint8_t wire[WIRE_MAX];
static char first[DUMP_MAX], text[DUMP_MAX];

/* Each vector in turn; f gets its bytes. */
static void
each(void (*f)(const char *table, uint32_t i, const struct vector *v, uint32_t len))
{
	for (uint32_t t = 0; t < RTE_DIM(tables); t++) {
		for (uint32_t i = 0; i < *tables[t].n; i++)
			f(tables[t].name, i, &tables[t].v[i],
			  notation(tables[t].v[i].wire, wire, sizeof(wire)));
	}
}

static void
is(const char *table, uint32_t i, const struct vector *v, const char *got)
{
	if (strcmp(got, v->says) == 0)
		return;
	fail_msg("%s[%u] v%u %s\n  want %s\n  got  %s", table, i, v->version, v->wire, v->says,
		 got);
}

static void
guarded(const char *table, uint32_t i, const struct vector *v, uint32_t len)
{
	struct frame f;

	frame_guarded(&f, wire, len);
	dump(&f.buf, v->version, text);
	frame_free(&f);
	is(table, i, v, text);
}

static void
every_vector_says_what_it_must_before_a_forbidden_page(void **state)
{
	(void)state;
	each(guarded);
}

static void
cut_once(const char *table, uint32_t i, const struct vector *v, uint32_t len)
{
	struct frame f;

	/* long ones: the ends, where the fields are */
	for (uint32_t at = 1; at < len; at += at == 300 && len > 600 ? len - 600 : 1) {
		uint16_t sizes[2] = {(uint16_t)at, UINT16_MAX};

		if (at > UINT16_MAX)
			break;
		frame_cut(&f, wire, len, sizes, 2);
		dump(&f.buf, v->version, text);
		frame_free(&f);
		is(table, i, v, text);
	}
}

static void
every_vector_says_the_same_cut_at_each_byte(void **state)
{
	(void)state;
	each(cut_once);
}

static void
cut_small(const char *table, uint32_t i, const struct vector *v, uint32_t len)
{
	static const uint16_t ones[] = {1}, empties[] = {0, 1, 0, 0, 2}, mixed[] = {3, 1, 2, 7};
	static const struct {
		const uint16_t *sizes;
		uint32_t n;
	} ways[] = {{ones, 1}, {empties, 5}, {mixed, 4}};
	struct frame f;

	for (uint32_t w = 0; w < RTE_DIM(ways); w++) {
		frame_cut(&f, wire, len, ways[w].sizes, ways[w].n);
		dump(&f.buf, v->version, text);
		frame_free(&f);
		is(table, i, v, text);
	}
}

static void
every_vector_says_the_same_in_slices_of_one_byte_and_with_empty_ones(void **state)
{
	(void)state;
	each(cut_small);
}

static bool
valid(const struct vector *v)
{
	return strncmp(v->says, "error", 5) != 0;
}

/* The head that the framing looks at, short of each byte, then the whole. */
static void
framed(const char *table, uint32_t i, const struct vector *v, uint32_t len)
{
	enum pw_mqtt_error err;
	uint32_t total = 0, n = 0;
	int rc = -EAGAIN;

	(void)table;
	(void)i;
	if (!valid(v))
		return;
	while (rc == -EAGAIN && n <= len) {
		rc = pw_mqtt_frame(wire, n, 0, &total, &err);
		assert_int_equal(err, PW_MQTT_E_NONE);
		n++;
	}
	assert_int_equal(rc, n - 1);
	assert_int_equal(total, len);
	assert_int_equal(pw_mqtt_frame(wire, n - 1, len, &total, &err), rc);
	assert_int_equal(pw_mqtt_frame(wire, n - 1, len - 1, &total, &err), -EBADMSG);
	assert_int_equal(err, PW_MQTT_E_TOO_LARGE);
	assert_int_equal(total, len);
}

static void
framing_finds_the_end_of_every_valid_vector(void **state)
{
	(void)state;
	each(framed);
}

static void
truncated(const char *table, uint32_t i, const struct vector *v, uint32_t len)
{
	struct frame f;

	(void)table;
	(void)i;
	if (!valid(v) || len > 600)
		return;
	for (uint32_t n = 1; n < len; n++) {
		frame_guarded(&f, wire, n);
		dump(&f.buf, v->version, text);
		frame_free(&f);
		assert_string_equal(text, "error TRUNCATED");
	}
}

static void
a_valid_vector_cut_short_is_truncated_at_every_length(void **state)
{
	(void)state;
	each(truncated);
}

/*
 * Cut short with a remaining length that agrees: now the fields run out instead. Whatever comes of
 * it, it is the same before a forbidden page and in slices of one byte.
 */
static void
shortened(const char *table, uint32_t i, const struct vector *v, uint32_t len)
{
	static const uint16_t one = 1;
	uint8_t cut[8 + 600];
	uint32_t head = 1;
	struct frame f;

	(void)table;
	(void)i;
	if (!valid(v) || len > 600)
		return;
	while (wire[head++] & 0x80)
		;
	for (uint32_t body = 0; body < len - head; body++) {
		uint32_t n = 0;

		cut[n++] = wire[0];
		if (body > 0x7F)
			cut[n++] = (uint8_t)(body | 0x80);
		cut[n++] = (uint8_t)(body > 0x7F ? body >> 7 : body);
		memcpy(cut + n, wire + head, body);
		n += body;
		frame_guarded(&f, cut, n);
		dump(&f.buf, v->version, first);
		frame_free(&f);
		frame_cut(&f, cut, n, &one, 1);
		dump(&f.buf, v->version, text);
		frame_free(&f);
		assert_string_equal(first, text);
	}
}

static void
a_valid_vector_with_fields_missing_never_reads_beyond(void **state)
{
	(void)state;
	each(shortened);
}

/* A CONNECT or PUBLISH that was decoded, encoded again and decoded once more says the same. */
static void
again(const char *table, uint32_t i, const struct vector *v, uint32_t len)
{
	static const uint16_t sizes[] = {UINT16_MAX};
	uint32_t type = wire[0] >> 4, n;
	struct frame f, g;
	uint8_t *bytes;

	if (!valid(v) || (type != PW_MQTT_CONNECT && type != PW_MQTT_PUBLISH))
		return;
	frame_cut(&f, wire, len, sizes, 1);
	bytes = encoded_again(&f.buf, v->version, &n);
	frame_free(&f);
	frame_cut(&g, bytes, n, sizes, 1);
	dump(&g.buf, v->version, text);
	frame_free(&g);
	free(bytes);
	is(table, i, v, text);
}

static void
a_valid_connect_or_publish_encoded_again_says_the_same(void **state)
{
	(void)state;
	each(again);
}

static bool seen[PW_MQTT_E_MAX];

static void
mark(const char *table, uint32_t i, const struct vector *v, uint32_t len)
{
	(void)table;
	(void)i;
	(void)len;
	for (uint32_t e = 1; e < PW_MQTT_E_MAX; e++) {
		if (!valid(v) && strcmp(v->says + strlen("error "), pw_mqtt_error_name(e)) == 0)
			seen[e] = true;
	}
}

static void
every_error_of_a_decoder_has_a_vector(void **state)
{
	(void)state;
	each(mark);
	seen[PW_MQTT_E_TOO_LARGE] = true;  /* framing's, above */
	seen[PW_MQTT_E_UNEXPECTED] = true; /* of a decoder for another type: test_mqtt_frame */
	for (uint32_t e = 1; e < PW_MQTT_E_MAX; e++) {
		if (!seen[e])
			fail_msg("no vector for %s", pw_mqtt_error_name(e));
	}
}

/* A refused CONNECT is answered by CONNACK, another packet by DISCONNECT: the reason must fit in
 * there. */
static void
answerable(const char *table, uint32_t i, const struct vector *v, uint32_t len)
{
	uint8_t answer = wire[0] >> 4 == PW_MQTT_CONNECT ? PW_MQTT_CONNACK : PW_MQTT_DISCONNECT;

	(void)len;
	for (uint32_t e = 1; e < PW_MQTT_E_MAX; e++) {
		if (valid(v) || strcmp(v->says + strlen("error "), pw_mqtt_error_name(e)) != 0)
			continue;
		if (strcmp(pw_mqtt_reason_str(answer, 5, pw_mqtt_error_reason(e)),
			   "unknown reason") == 0)
			fail_msg("%s[%u] %s: reason %02x does not fit its answer", table, i,
				 v->says, pw_mqtt_error_reason(e));
	}
}

static void
every_error_has_a_reason_that_its_answer_may_carry(void **state)
{
	(void)state;
	each(answerable);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_vector_says_what_it_must_before_a_forbidden_page),
		cmocka_unit_test(every_vector_says_the_same_cut_at_each_byte),
		cmocka_unit_test(
			every_vector_says_the_same_in_slices_of_one_byte_and_with_empty_ones),
		cmocka_unit_test(framing_finds_the_end_of_every_valid_vector),
		cmocka_unit_test(a_valid_vector_cut_short_is_truncated_at_every_length),
		cmocka_unit_test(a_valid_vector_with_fields_missing_never_reads_beyond),
		cmocka_unit_test(a_valid_connect_or_publish_encoded_again_says_the_same),
		cmocka_unit_test(every_error_has_a_reason_that_its_answer_may_carry),
		cmocka_unit_test(every_error_of_a_decoder_has_a_vector),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
