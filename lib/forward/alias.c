/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Topic aliases of devices (5.0 3.3.2.3.4): a number stands for a topic for as long as the
 * connection lasts. Kept in pieces of one cache line out of one pool, so that a short topic takes
 * one and one of 65,535 bytes is a matter of more of them. The pool is not made for every device to
 * use all that it was granted: none are granted to new devices once it is three quarters used.
 */
#include <errno.h>

#include "session_pvt.h"

#define LEAST_PIECES 10240 /* of the pool */
#define MOST_OF_ONE  8	   /* one device may take this part of it: the longest topic fits */

struct pw_alias_rest {
	struct pw_alias_rest *next;
	uint8_t text[56];
};

struct pw_alias {
	struct pw_alias *next; /* the one used before */
	struct pw_alias_rest *rest;
	uint16_t number;
	uint16_t len;
	uint8_t text[44];
};

static_assert(sizeof(struct pw_alias) == 64, "a piece is one cache line");
static_assert(sizeof(struct pw_alias_rest) == sizeof(struct pw_alias), "of one pool");
static_assert(LEAST_PIECES / MOST_OF_ONE > 1 + UINT16_MAX / 56, "the longest topic fits");

static uint32_t
nb_pieces(const struct pw_forward_settings *set)
{
	uint64_t most =
		(uint64_t)pw_forward_max_extras(&set->limits) * set->limits.topic_alias_maximum;

	if (set->limits.topic_alias_maximum == 0 || !(set->lanes & 1u << PW_LANE_5))
		return 0;
	return (uint32_t)RTE_MIN(most / 16 + LEAST_PIECES, UINT64_C(1) << 28);
}

size_t
pw_forward_aliases_bytes(const struct pw_forward_settings *set)
{
	uint32_t n = nb_pieces(set);

	return n > 0 ? pw_pool_bytes(n, sizeof(struct pw_alias)) : 0;
}

int
pw_aliases_create(struct pw_forward *f)
{
	char name[32];

	f->alias_pieces = nb_pieces(f->set);
	if (f->alias_pieces == 0)
		return 0;
	pw_forward_name(f, "alias", name, sizeof(name));
	f->aliases = pw_pool_create(name, f->alias_pieces, sizeof(struct pw_alias), f->conf.socket);
	return f->aliases != NULL ? 0 : -ENOMEM;
}

void
pw_aliases_destroy(struct pw_forward *f)
{
	if (f->aliases != NULL)
		pw_pool_destroy(f->aliases);
}

uint16_t
pw_alias_grant(const struct pw_forward *f)
{
	if (f->alias_used >= f->alias_pieces - f->alias_pieces / 4)
		return 0;
	/* What is granted is to find its place; where each session has one, it does. */
	if (f->max_extras < f->max_sessions && f->extras >= f->max_extras - f->max_extras / 4)
		return 0;
	return (uint16_t)f->set->limits.topic_alias_maximum;
}

static uint32_t
pieces_of(uint32_t len)
{
	const uint32_t first = sizeof(((struct pw_alias *)0)->text);
	const uint32_t more = sizeof(((struct pw_alias_rest *)0)->text);

	return len <= first ? 1 : 1 + (len - first + more - 1) / more;
}

static void
let_go(struct pw_forward *f, struct pw_session_more *more, struct pw_alias *a)
{
	struct pw_alias_rest *r = a->rest;

	f->alias_used -= pieces_of(a->len);
	more->alias_pieces -= pieces_of(a->len);
	while (r != NULL) {
		struct pw_alias_rest *next = r->next;

		pw_pool_put(f->aliases, r);
		r = next;
	}
	pw_pool_put(f->aliases, a);
}

void
pw_aliases_forget(struct pw_forward *f, struct pw_session *s)
{
	struct pw_alias *a;

	if (s->more == NULL)
		return;
	while ((a = s->more->alias) != NULL) {
		s->more->alias = a->next;
		let_go(f, s->more, a);
	}
	pw_session_less(f, s);
}

/* The alias of a number, brought to the front of its list. */
static struct pw_alias *
find(const struct pw_session *s, uint16_t number)
{
	struct pw_alias **at, *a;

	if (s->more == NULL)
		return NULL;
	for (at = &s->more->alias; (a = *at) != NULL; at = &a->next) {
		if (a->number != number)
			continue;
		*at = a->next;
		a->next = s->more->alias;
		s->more->alias = a;
		return a;
	}
	return NULL;
}

int
pw_alias_topic(const struct pw_session *s, uint16_t number, uint8_t *topic)
{
	const struct pw_alias *a = find(s, number);
	uint32_t n;

	if (a == NULL)
		return -ENOENT;
	n = RTE_MIN((uint32_t)a->len, (uint32_t)sizeof(a->text));
	memcpy(topic, a->text, n);
	for (const struct pw_alias_rest *r = a->rest; r != NULL; r = r->next) {
		uint32_t len = RTE_MIN(a->len - n, (uint32_t)sizeof(r->text));

		memcpy(topic + n, r->text, len);
		n += len;
	}
	return (int)n;
}

static bool
same(const struct pw_alias *a, const uint8_t *topic, uint32_t len)
{
	uint32_t n = RTE_MIN((uint32_t)a->len, (uint32_t)sizeof(a->text));

	if (a->len != len || memcmp(a->text, topic, n) != 0)
		return false;
	for (const struct pw_alias_rest *r = a->rest; r != NULL; r = r->next) {
		uint32_t part = RTE_MIN(len - n, (uint32_t)sizeof(r->text));

		if (memcmp(r->text, topic + n, part) != 0)
			return false;
		n += part;
	}
	return true;
}

/* The pool has the pieces: checked by the caller. */
static struct pw_alias *
keep(struct pw_forward *f, uint16_t number, const uint8_t *topic, uint32_t len)
{
	struct pw_alias *a = pw_pool_get(f->aliases);
	uint32_t n = RTE_MIN(len, (uint32_t)sizeof(a->text));
	struct pw_alias_rest **end;

	a->number = number;
	a->len = (uint16_t)len;
	memcpy(a->text, topic, n);
	for (end = &a->rest; n < len; end = &(*end)->next) {
		uint32_t part = RTE_MIN(len - n, (uint32_t)sizeof((*end)->text));

		*end = pw_pool_get(f->aliases);
		memcpy((*end)->text, topic + n, part);
		n += part;
	}
	return a;
}

int
pw_alias_set(struct pw_forward *f, struct pw_session *s, uint16_t number, const uint8_t *topic,
	     uint32_t len)
{
	struct pw_alias *a = find(s, number);
	uint32_t n = pieces_of(len);
	struct pw_session_more *more;

	if (a != NULL && same(a, topic, len))
		return 0;
	more = pw_session_more(f, s);
	if (more == NULL)
		return -ENOBUFS;
	if (a != NULL) {
		more->alias = a->next; /* find() has brought it there */
		let_go(f, more, a);
	}
	if (n > f->alias_pieces - f->alias_used ||
	    more->alias_pieces + n > f->alias_pieces / MOST_OF_ONE) {
		pw_session_less(f, s);
		return -ENOBUFS;
	}
	f->alias_used += n;
	more->alias_pieces += n;
	a = keep(f, number, topic, len);
	a->next = more->alias;
	more->alias = a;
	return 0;
}
