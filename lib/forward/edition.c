/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * From one edition to the next. What every message looks at changes at once, between two turns;
 * users get their new numbers with it. What only now and then somebody looks at, session by session
 * (who has to go, until when one waits), follows within the next polls, some of them in each.
 */
#include <errno.h>
#include <string.h>

#include <rte_malloc.h>

#include "edition_pvt.h"
#include "session_pvt.h"
#include "upstream_pvt.h"

#define SWEEP 256 /* sessions in one poll */

/* No worker has messages that count there: what it counts is as of a route that is new. */
static bool
route_idle(struct pw_forward_shared *s, uint32_t slot)
{
	for (uint32_t w = 0; w < s->conf.nb_workers; w++) {
		const struct pw_forward *f = s->forward[w];

		if (f != NULL && f->route != NULL && pw_route_outstanding(&f->route[slot]) > 0)
			return false;
	}
	for (uint32_t w = 0; w < s->conf.nb_workers; w++) {
		if (s->forward[w] != NULL && s->forward[w]->route != NULL)
			memset(&s->forward[w]->route[slot], 0, sizeof(struct pw_route_counters));
	}
	return true;
}

/* Each route keeps its number as long as it has its name; a new one has one that nothing counts by.
 */
static int
number_routes(struct pw_forward_shared *s, struct pw_edition *e)
{
	const struct pw_edition *old = s->edition;
	bool taken[PW_FORWARD_MAX_ROUTES] = {false};
	bool kept[PW_FORWARD_MAX_ROUTES] = {false};
	uint32_t free = 0;

	if (old == NULL)
		return 0;
	for (uint32_t i = 0; i < old->routes.n; i++)
		taken[old->routes.route[i].slot] = true;
	for (uint32_t i = 0; i < e->routes.n; i++) {
		struct pw_route *r = &e->routes.route[i];

		for (uint32_t k = 0; k < old->routes.n && !kept[i]; k++) {
			const struct pw_route *before = &old->routes.route[k];

			if (strcmp(r->conf->name, before->conf->name) != 0)
				continue;
			r->slot = before->slot;
			kept[i] = true;
		}
	}
	for (uint32_t i = 0; i < e->routes.n; i++) {
		if (kept[i])
			continue;
		while (free < PW_FORWARD_MAX_ROUTES && (taken[free] || !route_idle(s, free)))
			free++;
		if (free == PW_FORWARD_MAX_ROUTES)
			return -E2BIG;
		e->routes.route[i].slot = free;
		taken[free] = true;
	}
	return 0;
}

/* Brokers that have a name, or logs, and no route. */
static void
find_removed(struct pw_edition *e)
{
	uint32_t used = 0;

	for (uint32_t i = 0; i < e->routes.nb_sets; i++)
		used |= e->set[i].brokers;
	for (uint32_t i = e->routes.nb_sets; i < e->nb_sets; i++)
		e->removed |= e->set[i].brokers & ~used;
}

/* By these routes a message may go elsewhere than by those before. */
static bool
moves(const struct pw_routes *before, const struct pw_routes *after)
{
	if (before->n != after->n)
		return true;
	for (uint32_t i = 0; i < after->n; i++) {
		const struct pw_route_conf *a = before->route[i].conf, *b = after->route[i].conf;

		if (strcmp(a->filter, b->filter) != 0 || a->brokers != b->brokers ||
		    memcmp(a->order, b->order, sizeof(a->order)) != 0 || a->fanout != b->fanout ||
		    a->hash_by_topic != b->hash_by_topic || a->pool_size != b->pool_size)
			return true;
	}
	return false;
}

struct pw_edition *
pw_edition_create(struct pw_forward_shared *s, const struct pw_edition_conf *conf, int *rc)
{
	struct pw_edition *e = rte_zmalloc("pw_edition", sizeof(*e), RTE_CACHE_LINE_SIZE);

	*rc = -ENOMEM;
	if (e == NULL)
		return NULL;
	e->conf = *conf;
	*rc = pw_routes_compile(&e->routes, conf->settings);
	if (*rc == 0)
		*rc = number_routes(s, e);
	if (*rc == 0)
		*rc = pw_edition_logs(s, e);
	for (uint32_t w = 0; *rc == 0 && w < s->conf.nb_workers; w++) {
		if (s->forward[w] != NULL && (s->conf.role[w] & PW_ROLE_BROKERS))
			*rc = pw_edition_upstreams(s->forward[w], e);
	}
	if (*rc == 0) {
		find_removed(e);
		e->moved = s->edition != NULL && moves(&s->edition->routes, &e->routes);
		return e;
	}
	pw_edition_free(s, e, s->edition);
	return NULL;
}

void
pw_edition_free(struct pw_forward_shared *s, struct pw_edition *e, struct pw_edition *but)
{
	pw_edition_logs_free(s, e, but);
	rte_free(e);
}

/* Memory for what devices have used up is there, or not, from the start. */
static bool
fits(const struct pw_forward_shared *s, const struct pw_edition_conf *conf)
{
	const struct pw_edition_conf *old = &s->edition->conf;

	return conf->settings->nb_listeners == old->settings->nb_listeners &&
	       conf->settings->lanes == old->settings->lanes &&
	       (conf->access == NULL) == (old->access == NULL) &&
	       (s->accounts || !pw_limits_any(conf->settings));
}

int
pw_forward_renew(struct pw_forward_shared *s, const struct pw_edition_conf *conf)
{
	int rc;

	if (s->next != NULL || !fits(s, conf))
		return -EINVAL;
	s->next = pw_edition_create(s, conf, &rc);
	return rc;
}

void
pw_forward_renewed(struct pw_forward_shared *s)
{
	pw_edition_free(s, s->edition, s->next);
	s->edition = s->next;
	s->next = NULL;
}

bool
pw_forward_retired(const struct pw_forward_shared *s)
{
	return pw_logs_retired(s);
}

uint32_t
pw_forward_brokers(const struct pw_forward_shared *s)
{
	return pw_logs_brokers(s);
}

void
pw_edition_set(struct pw_forward *f, const struct pw_edition *e)
{
	__atomic_store_n(&f->edition, e, __ATOMIC_RELEASE);
	f->routes = &e->routes;
	/* Other threads may read the one or the other of each; both are there until they have. */
	__atomic_store_n(&f->set, e->conf.settings, __ATOMIC_RELEASE);
	__atomic_store_n(&f->view, &e->view[f->worker], __ATOMIC_RELEASE);
	__atomic_store_n(&f->access, e->conf.access, __ATOMIC_RELEASE);
}

/* Who proved a password that does not hold any more, or came without a name where one is needed. */
static bool
must_go(const struct pw_edition_conf *c, struct pw_account *a)
{
	bool named = a->user != PW_ACCESS_NOBODY;

	if (!named)
		return c->access->passwords && !c->access->anonymous && a->auth == PW_AUTH_DONE;
	if (c->users != NULL)
		__atomic_store_n(&a->user,
				 a->user < c->nb_users ? c->users[a->user] : PW_ACCESS_NOBODY,
				 __ATOMIC_RELAXED);
	return a->user == PW_ACCESS_NOBODY;
}

/*
 * All at once: by its number alone nobody could tell whose it is. What a device has used up beyond
 * a second's worth is forgotten, for it was reckoned by another rate.
 */
static void
adopt_accounts(struct pw_forward *f, const struct pw_edition_conf *c, uint64_t now)
{
	for (uint32_t i = 0; f->account != NULL && i < f->max_sessions; i++) {
		struct pw_account *a = &f->account[i];

		a->messages_at = RTE_MIN(a->messages_at, now + PW_NS_S);
		a->bytes_at = RTE_MIN(a->bytes_at, now + PW_NS_S);
		if (c->access != NULL && a->auth != PW_AUTH_UNASKED && must_go(c, a))
			a->auth = PW_AUTH_REVOKED;
	}
}

/* Brokers that no route names, and until when what waits for them is kept. */
static void
adopt_removed(struct pw_forward *f, uint32_t removed, uint64_t now)
{
	for (uint32_t b = 0; b < PW_FORWARD_MAX_BROKERS; b++) {
		if (!(removed & 1u << b))
			f->gone_at[b] = 0;
		else if (f->gone_at[b] == 0)
			f->gone_at[b] = now + f->set->limits.drain_deadline * PW_NS_MS;
	}
}

static void
adopt_logs(struct pw_forward *f, const struct pw_edition *e)
{
	struct pw_flog *l;

	PW_FOREACH_LOG (f, l) {
		for (uint32_t m = l->brokers; m != 0; m &= m - 1) {
			const struct pw_broker_conf *b = &f->set->broker[__builtin_ctz(m)];

			l->bounded |= b->hold_messages != 0 || b->hold_bytes != 0;
		}
	}
	for (uint32_t i = e->routes.nb_sets; i < e->nb_sets; i++) {
		const struct pw_log_set *t = &e->set[i];

		PW_FOREACH_LOG (f, l) {
			/* Pairs with the acquire in step_upstream(): nothing will be appended. */
			if (l->number >= t->first && l->number < t->first + t->pool_size)
				__atomic_store_n(&l->retiring, 1, __ATOMIC_RELEASE);
		}
	}
}

static bool
has_upstream(const struct pw_view *v, const struct pw_upstream *u)
{
	for (uint32_t i = 0; i < v->nb_upstreams; i++) {
		if (v->upstream[i] == u)
			return true;
	}
	return false;
}

/* What a connection that goes has counted is the broker's still: the first one that stays has it.
 */
static void
inherit(const struct pw_view *old, const struct pw_view *next)
{
	for (uint32_t i = 0; i < old->nb_upstreams; i++) {
		struct pw_upstream *from = old->upstream[i], *to = NULL;

		if (has_upstream(next, from))
			continue;
		for (uint32_t k = 0; k < next->nb_upstreams && to == NULL; k++) {
			if (next->upstream[k]->broker == from->broker)
				to = next->upstream[k];
		}
		if (to == NULL)
			continue;
		to->cursor.accepted += from->cursor.accepted;
		for (uint32_t c = 0; c < sizeof(to->counters) / sizeof(uint64_t); c++)
			((uint64_t *)&to->counters)[c] += ((const uint64_t *)&from->counters)[c];
	}
}

void
pw_forward_adopt(struct pw_forward *f, uint64_t now)
{
	const struct pw_edition *e = f->shared->next;
	struct pw_upstream *u;

	inherit(f->view, &e->view[f->worker]);
	pw_edition_set(f, e);
	for (uint32_t i = 0; i < f->set->nb_listeners; i++)
		f->listening[i].conf = &f->set->listener[i];
	adopt_removed(f, e->removed, now);
	f->retiring = e->nb_retiring > 0 || e->removed != 0;
	PW_FOREACH_UPSTREAM(f, u)
	pw_upstream_adopt(u, &f->set->broker[u->broker], now);
	if (!(f->role & PW_ROLE_DEVICES))
		return;
	adopt_logs(f, e);
	pw_wills_follow(f);
	if (e->moved) {
		f->moved = true;
		f->move_over = false;
		f->moved_at = now;
	}
	adopt_accounts(f, &e->conf, now);
	f->sweeping = true;
	f->sweep_at = 0;
}

/* One session under the edition that its worker has adopted. */
static void
sweep_session(struct pw_forward *f, struct pw_session *s, uint64_t now)
{
	const struct pw_account *a = pw_session_account(f, s);

	if (a != NULL && a->auth == PW_AUTH_REVOKED &&
	    (s->state == PW_SESSION_UP || s->state == PW_SESSION_CLAIM)) {
		pw_session_revoke(f, s, now);
		return;
	}
	if (s->state == PW_SESSION_UP)
		pw_session_arm(f, s);
}

void
pw_edition_sweep(struct pw_forward *f, uint64_t now)
{
	uint32_t end = RTE_MIN(f->sweep_at + SWEEP, f->max_sessions);

	for (; f->sweep_at < end; f->sweep_at++) {
		struct pw_session *s = pw_pool_peek(f->sessions, f->sweep_at);

		if (s != NULL)
			sweep_session(f, s, now);
	}
	f->sweeping = f->sweep_at < f->max_sessions;
}
