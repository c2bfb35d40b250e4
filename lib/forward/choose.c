/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which broker a message goes to, where a route has several and each message is for one of them.
 *
 * Each key (a client identifier, a topic, or all there is) prefers the brokers of its route in an
 * order that does not change: by rendezvous hashing, or as the list says. It goes to the first that
 * is usable. So the loss of a broker moves its own share and nothing else.
 *
 * Order, when a key moves. Down, because brokers that it prefers are lost: those have given up what
 * they owed (the readers do, once the log is marked lost), and a broker is used only when that has
 * been done. Up, because a broker is back: what other brokers have taken in its place until then
 * must have been acknowledged first. Until then the message waits with its device. It takes no
 * memory of keys: logs keep how many messages of shares they hold, when they last took one that
 * prefers another broker, and when their own came back.
 */
#include "session_pvt.h"

#define HEALTH_EVERY (10 * PW_NS_MS)

/* Of 64 bits, any change changes half (the finalizer of MurmurHash3). */
static uint64_t
mix(uint64_t x)
{
	x ^= x >> 33;
	x *= UINT64_C(0xff51afd7ed558ccd);
	x ^= x >> 33;
	x *= UINT64_C(0xc4ceb9fe1a85ec53);
	return x ^ x >> 33;
}

uint64_t
pw_topic_key(const struct pw_forward *f, const struct pw_route *r, const void *topic, uint32_t len)
{
	if (r->conf->fanout != PW_FANOUT_HASH || !r->conf->hash_by_topic)
		return 0;
	return pw_hash128(f->shared->conf.seed, topic, len).w[0];
}

static struct pw_flog *
log_of(const struct pw_forward *f, const struct pw_session *s, uint32_t set)
{
	const struct pw_set *t = &f->routes->set[set];

	return pw_session_logs(f, s)[t->first_log + pw_session_pool(s, t->pool_size)];
}

/* How much a key prefers the i-th broker of a route. */
static uint64_t
preference(const struct pw_forward *f, const struct pw_route *r, uint32_t i, uint64_t key)
{
	if (r->conf->fanout == PW_FANOUT_FAILOVER)
		return r->nb - i;
	return mix(key ^ f->routes->seed[r->one[i].broker]);
}

/* Nothing that the key has sent elsewhere can still be on its way. */
static bool
in_order(const struct pw_forward *f, const struct pw_session *s, const struct pw_route *r,
	 uint64_t key, uint32_t chosen)
{
	const struct pw_flog *l = log_of(f, s, r->one[chosen].set);
	uint64_t until = l->usable ? l->back_at : UINT64_MAX;
	uint64_t mine = preference(f, r, chosen, key);

	for (uint32_t i = 0; i < r->nb; i++) {
		const struct pw_flog *other = log_of(f, s, r->one[i].set);

		if (i == chosen || other->shares == 0)
			continue;
		if (preference(f, r, i, key) > mine ||
		    !pw_log_passed(other, RTE_MIN(until, other->guest_at)))
			return false;
	}
	return true;
}

static struct pw_flog *
by_key(struct pw_forward *f, const struct pw_session *s, const struct pw_route *r, uint64_t key,
       uint64_t now)
{
	struct pw_flog *l;

	uint64_t best = 0, most = 0;
	uint32_t chosen = r->nb, first = 0;

	for (uint32_t i = 0; i < r->nb; i++) {
		uint64_t p = preference(f, r, i, key);

		if (p >= most) {
			most = p;
			first = i;
		}
		if (log_of(f, s, r->one[i].set)->usable && p >= best) {
			best = p;
			chosen = i;
		}
	}
	/* Where none is there, messages wait for the one that they would like best; but not for one
	 * whose messages are being given up for the sake of another route. */
	if (chosen == r->nb)
		chosen = first;
	l = log_of(f, s, r->one[chosen].set);
	if (l->lost || !in_order(f, s, r, key, chosen))
		return NULL;
	if (chosen != first)
		l->guest_at = now;
	return l;
}

static struct pw_flog *
in_turn(struct pw_forward *f, const struct pw_session *s, const struct pw_route *r)
{
	uint32_t *turn = &f->turn[r->slot];
	struct pw_flog *fallback = NULL;

	for (uint32_t i = 1; i <= r->nb; i++) {
		uint32_t at = (*turn + i) % r->nb;
		struct pw_flog *l = log_of(f, s, r->one[at].set);

		if (!l->usable)
			continue;
		if (!pw_flog_full(l) && !pw_flog_over(l)) {
			*turn = at;
			return l;
		}
		fallback = l;
	}
	if (fallback != NULL)
		return fallback;
	fallback = log_of(f, s, r->one[*turn % r->nb].set);
	return fallback->lost ? NULL : fallback;
}

static struct pw_flog *
log_for(struct pw_forward *f, const struct pw_session *s, const struct pw_route *r, uint64_t topic,
	uint64_t now)
{
	switch (r->conf->fanout) {
	case PW_FANOUT_HASH:
		return by_key(f, s, r, r->conf->hash_by_topic ? topic : s->hash.w[1], now);
	case PW_FANOUT_FAILOVER:
		return by_key(f, s, r, 0, now);
	case PW_FANOUT_ROUND_ROBIN:
		return in_turn(f, s, r);
	default:
		return log_of(f, s, r->set);
	}
}

struct pw_flog *
pw_session_log(struct pw_forward *f, const struct pw_session *s, const struct pw_route *r,
	       uint64_t topic, uint64_t now)
{
	struct pw_flog *l = log_for(f, s, r, topic, now);

	if (unlikely(f->moved) && l != NULL && !pw_session_may_move(f, s, l, r->nb > 1, now))
		return NULL;
	return l;
}

/* A broker that is not connected for a while is lost; one that is for a while is back. */
static void
judge(const struct pw_forward *f, struct pw_flog *l, uint64_t now)
{
	uint32_t b = (uint32_t)__builtin_ctz(l->brokers);
	const struct pw_broker_conf *conf = &f->set->broker[b];
	bool up = __atomic_load_n(&l->reader[b].up, __ATOMIC_RELAXED);
	uint64_t delay = (l->usable ? conf->failover_delay : conf->failback_delay) * PW_NS_MS;

	if (up == l->usable) {
		l->since = 0;
		return;
	}
	if (l->since == 0)
		l->since = now;
	if (pw_since(now, l->since) < delay)
		return;
	l->since = 0;
	__atomic_store_n(&l->usable, up, __ATOMIC_RELAXED);
	if (up)
		l->back_at = now;
	PW_LOG(forward, WARNING, "broker %s (" PW_FLOG_ID "): %s", conf->name, PW_FLOG_ID_OF(l),
	       up ? "back, has its share again" : "lost, its share goes to others");
}

/* Some route has another broker for what is in a log. */
static bool
has_others(const struct pw_forward *f, const struct pw_flog *l)
{
	const struct pw_routes *routes = f->routes;
	struct pw_flog *const *logs = pw_lane_logs(f, l->lane);

	for (uint32_t k = 0; k < routes->n; k++) {
		const struct pw_route *r = &routes->route[k];
		bool mine = false, other = false;

		for (uint32_t i = 0; i < r->nb; i++) {
			const struct pw_set *t = &routes->set[r->one[i].set];

			uint32_t number = t->first_log + RTE_MIN(l->pool, t->pool_size - 1);

			mine |= number == l->number;
			other |= logs[number]->usable;
		}
		if (mine && other)
			return true;
	}
	return false;
}

void
pw_brokers_health(struct pw_forward *f, uint64_t now)
{
	struct pw_flog *l;

	if (!f->routes->shares || now < f->health_at)
		return;
	f->health_at = now + HEALTH_EVERY;
	PW_FOREACH_LOG (f, l) {
		if (__builtin_popcount(l->brokers) == 1)
			judge(f, l, now);
	}
	PW_FOREACH_LOG (f, l) {
		uint8_t lost = !l->usable && has_others(f, l);

		if (l->lost != lost)
			__atomic_store_n(&l->lost, lost, __ATOMIC_RELAXED);
	}
}
