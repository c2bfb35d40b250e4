/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * From one edition to the next. What every message looks at changes at once, between two turns;
 * users get their new numbers with it. What only now and then somebody looks at, session by session
 * (who has to go, until when one waits), follows within the next polls, some of them in each.
 */
#include <errno.h>

#include <rte_malloc.h>

#include "edition_pvt.h"
#include "session_pvt.h"
#include "upstream_pvt.h"

#define SWEEP 256 /* sessions in one poll */

struct pw_edition *
pw_edition_create(const struct pw_edition_conf *conf, int *rc)
{
	struct pw_edition *e = rte_zmalloc("pw_edition", sizeof(*e), RTE_CACHE_LINE_SIZE);

	*rc = -ENOMEM;
	if (e == NULL)
		return NULL;
	e->conf = *conf;
	*rc = pw_routes_compile(&e->routes, conf->settings);
	if (*rc == 0)
		return e;
	rte_free(e);
	return NULL;
}

/* Logs stand by the number of their set. */
static bool
same_sets(const struct pw_routes *a, const struct pw_routes *b)
{
	if (a->nb_sets != b->nb_sets || a->nb_logs != b->nb_logs || a->n != b->n)
		return false;
	for (uint32_t i = 0; i < a->nb_sets; i++) {
		if (a->set[i].brokers != b->set[i].brokers ||
		    a->set[i].pool_size != b->set[i].pool_size)
			return false;
	}
	return true;
}

/* Memory for what devices have used up is there, or not, from the start. */
static bool
fits(const struct pw_forward_shared *s, const struct pw_edition_conf *conf)
{
	const struct pw_edition_conf *old = &s->edition->conf;
	bool accounts = pw_accounts_needed(s);

	return conf->settings->nb_listeners == old->settings->nb_listeners &&
	       conf->settings->nb_brokers == old->settings->nb_brokers &&
	       conf->settings->lanes == old->settings->lanes &&
	       (conf->access == NULL) == (old->access == NULL) &&
	       (accounts || !pw_limits_any(conf->settings));
}

int
pw_forward_renew(struct pw_forward_shared *s, const struct pw_edition_conf *conf)
{
	int rc;

	if (s->next != NULL || !fits(s, conf))
		return -EINVAL;
	s->next = pw_edition_create(conf, &rc);
	if (s->next == NULL)
		return rc;
	if (same_sets(&s->edition->routes, &s->next->routes))
		return 0;
	rte_free(s->next);
	s->next = NULL;
	return -EINVAL;
}

void
pw_forward_renewed(struct pw_forward_shared *s)
{
	rte_free(s->edition);
	s->edition = s->next;
	s->next = NULL;
}

void
pw_edition_set(struct pw_forward *f, const struct pw_edition *e)
{
	f->edition = e;
	f->routes = &e->routes;
	/* Other threads may read the one or the other of each; both are there until they have. */
	__atomic_store_n(&f->set, e->conf.settings, __ATOMIC_RELEASE);
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

static void
adopt_upstream(struct pw_forward *f, struct pw_upstream *u, uint64_t now)
{
	u->conf = &f->set->broker[u->broker];
	pw_cursor_hold(&u->cursor, u->conf->hold_messages, u->conf->hold_bytes);
	pw_upstream_arm(u, now);
}

void
pw_forward_adopt(struct pw_forward *f, uint64_t now)
{
	const struct pw_edition *e = f->shared->next;
	struct pw_flog *l;

	pw_edition_set(f, e);
	for (uint32_t i = 0; i < f->set->nb_listeners; i++)
		f->listening[i].conf = &f->set->listener[i];
	for (uint32_t i = 0; i < f->nb_upstreams; i++)
		adopt_upstream(f, &f->upstream[i], now);
	PW_FOREACH_LOG (f, l) {
		for (uint32_t m = l->brokers; m != 0; m &= m - 1) {
			const struct pw_broker_conf *b = &f->set->broker[__builtin_ctz(m)];

			l->bounded |= b->hold_messages != 0 || b->hold_bytes != 0;
		}
	}
	if (!(f->role & PW_ROLE_DEVICES))
		return;
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
