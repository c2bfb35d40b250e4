/* SPDX-License-Identifier: BSD-3-Clause */
#include "session_pvt.h"

static struct pw_exchange *
find(const struct pw_session *s, uint16_t id, bool taken)
{
	if (s->more == NULL)
		return NULL;
	for (struct pw_exchanges *b = s->more->exchanges; b != NULL; b = b->next) {
		for (uint32_t i = 0; i < PW_EXCHANGES_BLOCK; i++) {
			struct pw_exchange *x = &b->x[i];

			if (taken ? x->state != PW_EXCHANGE_FREE && x->id == id
				  : x->state == PW_EXCHANGE_FREE)
				return x;
		}
	}
	return NULL;
}

void
pw_exchange_received(struct pw_session *s, struct pw_exchange *x)
{
	x->state = PW_EXCHANGE_RELEASE;
	x->reason = 0;
	s->more->releases++;
}

struct pw_exchange *
pw_exchange_find(const struct pw_session *s, uint16_t id)
{
	return find(s, id, true);
}

struct pw_exchange *
pw_exchange_begin(struct pw_forward *f, struct pw_session *s, uint16_t id)
{
	struct pw_session_more *more = pw_session_more(f, s);
	struct pw_exchange *x = NULL;

	if (more != NULL && more->nb_exchanges < PW_EXCHANGES_MAX)
		x = find(s, id, false);
	if (x == NULL && more != NULL && more->nb_exchanges < PW_EXCHANGES_MAX) {
		struct pw_exchanges *b = pw_pool_get(f->exchanges);

		if (b != NULL) {
			b->next = more->exchanges;
			more->exchanges = b;
			x = &b->x[0];
		}
	}
	if (x == NULL) {
		pw_session_less(f, s);
		return NULL;
	}
	*x = (struct pw_exchange){.id = id, .state = PW_EXCHANGE_PENDING};
	more->nb_exchanges++;
	return x;
}

/* Give a block back in which nothing is left, and with the last one what held them. */
static void
tidy(struct pw_forward *f, struct pw_session *s)
{
	struct pw_exchanges **at = &s->more->exchanges;

	while (*at != NULL) {
		struct pw_exchanges *b = *at;
		bool used = false;

		for (uint32_t i = 0; i < PW_EXCHANGES_BLOCK; i++)
			used |= b->x[i].state != PW_EXCHANGE_FREE;
		if (used) {
			at = &b->next;
			continue;
		}
		*at = b->next;
		pw_pool_put(f->exchanges, b);
	}
	pw_session_less(f, s);
}

void
pw_exchange_end(struct pw_forward *f, struct pw_session *s, struct pw_exchange *x)
{
	if (x->state == PW_EXCHANGE_RELEASE && x->reason == 0)
		s->more->releases--;
	x->state = PW_EXCHANGE_FREE;
	/* Not at each one: a walk over all of them would make a burst quadratic. */
	if (--s->more->nb_exchanges % PW_EXCHANGES_BLOCK == 0)
		tidy(f, s);
}

void
pw_exchanges_drop(struct pw_forward *f, struct pw_session *s)
{
	struct pw_flog *const *logs = pw_session_logs(f, s);

	if (s->more == NULL)
		return;
	for (struct pw_exchanges *b = s->more->exchanges; b != NULL; b = b->next) {
		for (uint32_t i = 0; i < PW_EXCHANGES_BLOCK; i++) {
			struct pw_exchange *x = &b->x[i];

			if (x->state == PW_EXCHANGE_LOOSE)
				logs[x->ref >> 16]->entry[x->ref & 0xFFFF].origin = 0;
			x->state = PW_EXCHANGE_FREE;
		}
	}
	s->more->nb_exchanges = s->more->releases = 0;
	tidy(f, s);
}

bool
pw_exchanges_open(const struct pw_session *s)
{
	for (const struct pw_exchanges *b = s->more->exchanges; b != NULL; b = b->next) {
		for (uint32_t i = 0; i < PW_EXCHANGES_BLOCK; i++) {
			if (b->x[i].state == PW_EXCHANGE_LOOSE)
				return true;
		}
	}
	return false;
}

bool
pw_exchanges_copy(struct pw_forward *f, const struct pw_exchanges *first, struct pw_session *to)
{
	struct pw_session_more *more = pw_session_more(f, to);
	uint32_t n = PW_EXCHANGES_BLOCK;

	for (const struct pw_exchanges *b = first; more != NULL && b != NULL; b = b->next) {
		for (uint32_t i = 0; i < PW_EXCHANGES_BLOCK; i++) {
			struct pw_exchange x = b->x[i];

			if (x.state == PW_EXCHANGE_FREE || (x.lost && to->version != PW_MQTT_5))
				continue;
			if (n == PW_EXCHANGES_BLOCK) {
				struct pw_exchanges *own = pw_pool_get(f->exchanges);

				if (own == NULL) {
					pw_exchanges_drop(f, to);
					return false;
				}
				own->next = more->exchanges;
				more->exchanges = own;
				n = 0;
			}
			if (x.state == PW_EXCHANGE_RELEASE)
				x.reason = 1;
			more->exchanges->x[n++] = x;
			more->nb_exchanges++;
		}
	}
	if (more == NULL)
		return false;
	pw_session_less(f, to);
	return true;
}

bool
pw_exchanges_move(struct pw_forward *f, struct pw_session *from, struct pw_session *to)
{
	struct pw_session_more *more = pw_session_more(f, to);
	struct pw_flog *const *logs = pw_session_logs(f, from);

	if (more == NULL)
		return false;
	for (struct pw_exchanges *b = from->more->exchanges; b != NULL; b = b->next) {
		for (uint32_t i = 0; i < PW_EXCHANGES_BLOCK; i++) {
			struct pw_exchange *x = &b->x[i];

			if (x->state == PW_EXCHANGE_RELEASE)
				x->reason = 1;
			else if (x->state == PW_EXCHANGE_LOOSE)
				logs[x->ref >> 16]->entry[x->ref & 0xFFFF].origin =
					pw_pool_handle(f->sessions, to);
		}
	}
	more->exchanges = from->more->exchanges;
	more->nb_exchanges = from->more->nb_exchanges;
	from->more->exchanges = NULL;
	from->more->nb_exchanges = from->more->releases = 0;
	pw_session_less(f, to);
	return true;
}
