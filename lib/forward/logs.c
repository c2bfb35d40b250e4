/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The logs of an edition, and the connections that read them. Where the edition before has a set of
 * the same brokers and pool, its logs are taken over as they are; others are made. Those that no
 * route names any more stay until they have delivered what they hold. Main lcore.
 */
#include <errno.h>
#include <stdio.h>

#include <rte_malloc.h>

#include "edition_pvt.h"
#include "upstream_pvt.h"

/* The worker that serves the log of a device worker, see forward.h. */
static uint32_t
server_of(const struct pw_forward_shared *s, uint32_t ordinal)
{
	uint32_t worker = s->device_worker[ordinal], n = ordinal % s->nb_broker_workers;

	if (s->conf.role[worker] & PW_ROLE_BROKERS)
		return worker;
	for (uint32_t i = 0; i < s->conf.nb_workers; i++) {
		if ((s->conf.role[i] & PW_ROLE_BROKERS) && n-- == 0)
			return i;
	}
	return worker;
}

static struct pw_flog **
place(struct pw_edition *e, uint32_t ordinal, uint32_t lane, uint32_t number)
{
	return &e->log[(ordinal * PW_LANE_MAX + lane) * e->nb_numbers + number];
}

/* What one more log means for its brokers' share of the packet buffers. */
static void
use_brokers(struct pw_forward_shared *s, const struct pw_forward_settings *set, struct pw_flog *l)
{
	for (uint32_t m = l->brokers; m != 0; m &= m - 1) {
		const struct pw_broker_conf *b = &set->broker[__builtin_ctz(m)];
		struct pw_broker_use *use = &s->use[__builtin_ctz(m)];

		/* Three hung brokers make a shortage, one does not. */
		use->max = b->hold_bytes == 0 && s->conf.buffers != 0
				   ? RTE_MAX(s->conf.buffers / 4, 1u)
				   : 0;
		use->logs++;
		l->bounded |= b->hold_messages != 0 || b->hold_bytes != 0 || use->max != 0;
	}
}

static void
log_free(struct pw_forward_shared *s, struct pw_flog *l)
{
	for (uint32_t m = l->entry != NULL ? l->brokers : 0; m != 0; m &= m - 1)
		s->use[__builtin_ctz(m)].logs--;
	(void)pw_flog_fini(l);
	rte_free(l);
}

static int
log_create(struct pw_forward_shared *s, struct pw_edition *e, uint32_t ordinal, uint32_t lane,
	   const struct pw_log_set *t, uint32_t pool)
{
	const struct pw_forward_settings *set = e->conf.settings;
	uint32_t worker = s->device_worker[ordinal], number = t->first + pool;
	struct pw_flog *l = rte_zmalloc("pw_flog", sizeof(*l), RTE_CACHE_LINE_SIZE);
	char name[32];
	int rc;

	if (l == NULL)
		return -ENOMEM;
	l->worker = worker;
	l->server = server_of(s, ordinal);
	l->lane = (enum pw_lane)lane;
	l->number = (uint16_t)number;
	l->set = t->id;
	l->pool = (uint16_t)pool;
	l->pool_size = t->pool_size;
	l->alone = s->edition == NULL && e->routes.nb_logs == 1;
	if (s->forward[worker] != NULL)
		l->blocks = s->forward[worker]->blocks;
	snprintf(name, sizeof(name), "fwd%u.w%u.l%u.%u", s->id, worker, lane, number);
	rc = pw_flog_init(l, name, set->limits.max_queued_messages, t->brokers, l->server != worker,
			  s->conf.socket[worker]);
	if (rc < 0) {
		rte_free(l);
		return rc;
	}
	use_brokers(s, set, l);
	*place(e, ordinal, lane, number) = l;
	return 0;
}

/* The same set in the edition before; NULL: it has none. */
static const struct pw_log_set *
find_set(const struct pw_edition *old, uint32_t brokers, uint32_t pool_size)
{
	for (uint32_t i = 0; old != NULL && i < old->nb_sets; i++) {
		const struct pw_log_set *t = &old->set[i];

		if (!t->retiring && t->brokers == brokers && t->pool_size == pool_size)
			return t;
	}
	return NULL;
}

static bool
is_free(const struct pw_edition *e, uint32_t first, uint32_t n, bool ids)
{
	for (uint32_t i = 0; i < e->nb_sets; i++) {
		const struct pw_log_set *t = &e->set[i];

		if (t->pool_size == 0)
			continue; /* has no place yet */
		if (ids ? t->id == first : first < t->first + t->pool_size && t->first < first + n)
			return false;
	}
	return true;
}

/* True once nobody uses any log of a set that retires. */
static bool
set_is_gone(const struct pw_forward_shared *s, const struct pw_edition *e,
	    const struct pw_log_set *t)
{
	for (uint32_t n = t->first; n < t->first + t->pool_size; n++) {
		for (uint32_t i = 0; i < s->nb_device_workers * PW_LANE_MAX; i++) {
			const struct pw_flog *l = e->log[i * e->nb_numbers + n];

			/* Pairs with the release in pw_retire_step(). */
			if (l != NULL && !__atomic_load_n(&l->gone, __ATOMIC_ACQUIRE))
				return false;
		}
	}
	for (uint32_t w = 0; w < s->conf.nb_workers; w++) {
		for (uint32_t i = 0; i < e->view[w].nb_upstreams; i++) {
			const struct pw_upstream *u = e->view[w].upstream[i];

			if (u->log->number >= t->first &&
			    u->log->number < t->first + t->pool_size &&
			    !__atomic_load_n(&u->gone, __ATOMIC_ACQUIRE))
				return false;
		}
	}
	return true;
}

bool
pw_logs_retired(const struct pw_forward_shared *s)
{
	const struct pw_edition *e = s->edition;

	for (uint32_t i = 0; i < e->nb_sets; i++) {
		if (e->set[i].retiring && set_is_gone(s, e, &e->set[i]))
			return true;
	}
	return false;
}

uint32_t
pw_logs_brokers(const struct pw_forward_shared *s)
{
	const struct pw_edition *e = s->edition;
	uint32_t brokers = 0;

	for (uint32_t i = 0; i < e->nb_sets; i++) {
		if (!e->set[i].retiring || !set_is_gone(s, e, &e->set[i]))
			brokers |= e->set[i].brokers;
	}
	return brokers;
}

/* Which sets there are, with the numbers of their logs. -E2BIG. */
static int
number_sets(const struct pw_forward_shared *s, struct pw_edition *e)
{
	const struct pw_edition *old = s->edition;
	struct pw_routes *r = &e->routes;
	uint32_t logs = 0;

	e->nb_sets = r->nb_sets;
	for (uint32_t i = 0; i < r->nb_sets; i++) {
		const struct pw_log_set *t = find_set(old, r->set[i].brokers, r->set[i].pool_size);

		if (t != NULL)
			e->set[i] = *t;
	}
	for (uint32_t i = 0; old != NULL && i < old->nb_sets; i++) {
		const struct pw_log_set *t = &old->set[i];

		if (!is_free(e, t->first, t->pool_size, false) ||
		    (t->retiring && set_is_gone(s, old, t)))
			continue;
		if (e->nb_sets == PW_MAX_LOG_SETS)
			return -E2BIG;
		e->set[e->nb_sets] = *t;
		e->set[e->nb_sets++].retiring = true;
		e->nb_retiring++;
	}
	for (uint32_t i = 0; i < r->nb_sets; i++) {
		struct pw_log_set *t = &e->set[i];
		uint32_t first = 0, id = 0, pool_size = r->set[i].pool_size;

		if (t->pool_size == 0) {
			while (!is_free(e, first, pool_size, false))
				first++;
			while (!is_free(e, id, 1, true))
				id++;
			*t = (struct pw_log_set){
				.brokers = r->set[i].brokers,
				.first = first,
				.pool_size = (uint16_t)pool_size,
				.id = (uint16_t)id,
			};
		}
		r->set[i].first_log = t->first;
	}
	for (uint32_t i = 0; i < e->nb_sets; i++) {
		logs += e->set[i].pool_size;
		e->nb_numbers = RTE_MAX(e->nb_numbers, e->set[i].first + e->set[i].pool_size);
	}
	return logs > 2 * PW_FORWARD_MAX_LOGS || e->nb_numbers > PW_FLOG_NUMBERS ? -E2BIG : 0;
}

/* The logs of a set for one device worker and lane: those that there are, or new ones. */
static int
fill_set(struct pw_forward_shared *s, struct pw_edition *e, uint32_t ordinal, uint32_t lane,
	 const struct pw_log_set *t)
{
	struct pw_edition *old = s->edition;
	int rc = 0;

	for (uint32_t pool = 0; rc == 0 && pool < t->pool_size; pool++) {
		struct pw_flog **to = place(e, ordinal, lane, t->first + pool);

		if (old != NULL && t->first + pool < old->nb_numbers)
			*to = *place(old, ordinal, lane, t->first + pool);
		/* One that retires, or has, takes nothing: a set that is new has its place at most.
		 */
		if (*to != NULL && ((*to)->brokers != t->brokers || (*to)->set != t->id ||
				    (!t->retiring && (*to)->retiring)))
			*to = NULL;
		if (*to == NULL)
			rc = log_create(s, e, ordinal, lane, t, pool);
	}
	return rc;
}

static struct pw_upstream *
find_upstream(const struct pw_view *v, const struct pw_flog *l, uint32_t broker)
{
	for (uint32_t i = 0; v != NULL && i < v->nb_upstreams; i++) {
		if (v->upstream[i]->log == l && v->upstream[i]->broker == broker)
			return v->upstream[i];
	}
	return NULL;
}

static struct pw_upstream *
upstream_create(struct pw_forward *f, const struct pw_edition *e, struct pw_flog *l,
		uint32_t broker)
{
	size_t words = pw_cursor_words(l->mask + 1);
	struct pw_upstream *u;

	u = rte_zmalloc_socket("pw_upstream", sizeof(*u) + words * sizeof(uint64_t),
			       RTE_CACHE_LINE_SIZE, f->conf.socket);
	if (u != NULL)
		pw_upstream_init(f, u, l, broker, &e->conf.settings->broker[broker],
				 (uint64_t *)(u + 1));
	return u;
}

int
pw_edition_upstreams(struct pw_forward *f, struct pw_edition *e)
{
	struct pw_forward_shared *s = f->shared;
	const struct pw_view *old = s->edition != e ? &s->edition->view[f->worker] : NULL;
	struct pw_view *v = &e->view[f->worker];
	uint32_t nb_logs = s->nb_device_workers * PW_LANE_MAX * e->nb_numbers, n = 0;

	for (uint32_t i = 0; i < nb_logs; i++) {
		if (e->log[i] != NULL && e->log[i]->server == f->worker)
			n += (uint32_t)__builtin_popcount(e->log[i]->brokers);
	}
	v->upstream = rte_zmalloc("pw_view", RTE_MAX(n, 1u) * sizeof(*v->upstream), 0);
	if (v->upstream == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < nb_logs; i++) {
		struct pw_flog *l = e->log[i];

		if (l == NULL || l->server != f->worker)
			continue;
		for (uint32_t m = l->brokers; m != 0; m &= m - 1) {
			uint32_t b = (uint32_t)__builtin_ctz(m);
			struct pw_upstream *u = find_upstream(old, l, b);

			if (u == NULL)
				u = upstream_create(f, e, l, b);
			if (u == NULL)
				return -ENOMEM;
			v->upstream[v->nb_upstreams++] = u;
		}
	}
	return 0;
}

static bool
has_log(const struct pw_forward_shared *s, const struct pw_edition *e, const struct pw_flog *l)
{
	for (uint32_t i = 0; e != NULL && i < s->nb_device_workers * PW_LANE_MAX; i++) {
		if (l->number < e->nb_numbers && e->log[i * e->nb_numbers + l->number] == l)
			return true;
	}
	return false;
}

void
pw_edition_logs_free(struct pw_forward_shared *s, struct pw_edition *e, struct pw_edition *but)
{
	uint32_t nb_logs = s->nb_device_workers * PW_LANE_MAX * e->nb_numbers;

	for (uint32_t w = 0; w < s->conf.nb_workers; w++) {
		struct pw_view *v = &e->view[w];

		for (uint32_t i = 0; i < v->nb_upstreams; i++) {
			if (but == NULL || find_upstream(&but->view[w], v->upstream[i]->log,
							 v->upstream[i]->broker) != v->upstream[i])
				rte_free(v->upstream[i]);
		}
		rte_free(v->upstream);
		v->upstream = NULL;
		v->nb_upstreams = 0;
	}
	for (uint32_t i = 0; e->log != NULL && i < nb_logs; i++) {
		if (e->log[i] != NULL && !has_log(s, but, e->log[i]))
			log_free(s, e->log[i]);
	}
	rte_free(e->log);
	e->log = NULL;
}

int
pw_edition_logs(struct pw_forward_shared *s, struct pw_edition *e)
{
	int rc = number_sets(s, e);

	if (rc < 0)
		return rc;
	e->log = rte_zmalloc("pw_flogs",
			     RTE_MAX(s->nb_device_workers * PW_LANE_MAX * e->nb_numbers, 1u) *
				     sizeof(*e->log),
			     RTE_CACHE_LINE_SIZE);
	if (e->log == NULL)
		return -ENOMEM;
	for (uint32_t o = 0; o < s->nb_device_workers; o++) {
		struct pw_view *v = &e->view[s->device_worker[o]];

		v->nb_numbers = e->nb_numbers;
		v->nb_logs = PW_LANE_MAX * e->nb_numbers;
		v->log = place(e, o, 0, 0);
		for (uint32_t lane = 0; lane < PW_LANE_MAX; lane++) {
			if (!(e->conf.settings->lanes & 1u << lane))
				continue;
			for (uint32_t i = 0; rc == 0 && i < e->nb_sets; i++)
				rc = fill_set(s, e, o, lane, &e->set[i]);
		}
	}
	return rc;
}
