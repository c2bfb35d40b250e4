/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What telemetry reads, from any thread: counters and single words as they are at that moment.
 * Nothing here follows a pointer to what may be given back: sessions and
 * their names are found by index, connections through sessions, all of it in memory that nobody
 * returns while the worker lives.
 */
#include <stdio.h>

#include "session_pvt.h"
#include "upstream_pvt.h"

PW_COUNTER_DESCRIBE(pw_device_counters, PW_DEVICE_COUNTERS);
PW_COUNTER_DESCRIBE(pw_upstream_counters, PW_UPSTREAM_COUNTERS);
PW_COUNTER_DESCRIBE(pw_route_counters, PW_ROUTE_COUNTERS);

#define READ(v) __atomic_load_n(&(v), __ATOMIC_RELAXED)

static void
upstream_info(const struct pw_upstream *u, struct pw_upstream_info *out)
{
	uint64_t *to = (uint64_t *)&out->counters;
	uint64_t tail = READ(u->log->tail), next = READ(u->cursor.next);
	uint32_t inflight = READ(u->cursor.inflight);

	memset(out, 0, sizeof(*out));
	out->broker = u->broker;
	out->log_worker = u->log->worker;
	out->lane = u->log->lane;
	out->set = u->log->set;
	out->pool = u->log->pool;
	out->v5 = READ(u->version) == PW_MQTT_5;
	out->state = (enum pw_upstream_state)READ(u->state);
	out->lag = tail > next ? tail - next : 0;
	out->inflight = inflight - RTE_MIN(inflight, READ(u->cursor.abandoned));
	out->accepted = READ(u->cursor.accepted);
	out->held = READ(u->cursor.held);
	out->held_bytes = READ(u->cursor.held_bytes);
	out->held_buffers = READ(u->cursor.pinned);
	out->over = tail >= READ(u->log->reader[u->broker].limit);
	out->detached = READ(u->detached);
	out->window = READ(u->window);
	out->connected_at = READ(u->connected_at);
	for (uint32_t i = 0; i < sizeof(out->last_error) - 1; i++)
		out->last_error[i] = READ(u->last_error[i]);
	for (uint32_t i = 0; i < sizeof(out->counters) / sizeof(*to); i++)
		to[i] = pw_counter_read(&u->counters, i);
}

uint32_t
pw_forward_upstreams(const struct pw_forward *f, uint32_t from, struct pw_upstream_info *out,
		     uint32_t max)
{
	const struct pw_view *v = pw_view(f);

	for (uint32_t i = from; i < v->nb_upstreams && i - from < max; i++)
		upstream_info(v->upstream[i], &out[i - from]);
	return v->nb_upstreams;
}

uint32_t
pw_forward_logs(const struct pw_forward *f, uint32_t from, struct pw_log_info *out, uint32_t max)
{
	const struct pw_flog *l;
	uint32_t n = 0;

	PW_FOREACH_LOG (f, l) {
		uint64_t tail, head;

		if (n >= from && n - from < max) {
			/* head first: it never passes the tail that is read after it */
			head = __atomic_load_n(&l->head, __ATOMIC_ACQUIRE);
			tail = __atomic_load_n(&l->tail, __ATOMIC_ACQUIRE);
			out[n - from] = (struct pw_log_info){
				.lane = l->lane,
				.set = l->set,
				.pool = l->pool,
				.brokers = l->brokers,
				.usable = READ(l->usable),
				.capacity = l->mask + 1,
				.used = (uint32_t)RTE_MIN(tail - head, (uint64_t)l->mask + 1),
				.outstanding = READ(l->outstanding),
				.owed = READ(l->owed),
				.trailing = READ(l->trailing),
				.appended = tail,
			};
		}
		n++;
	}
	return n;
}

uint32_t
pw_forward_trailing(const struct pw_forward *f)
{
	const struct pw_flog *l;
	uint32_t sum = 0;

	PW_FOREACH_LOG (f, l)
		sum += READ(l->trailing);
	return sum;
}

uint32_t
pw_forward_outstanding(const struct pw_forward *f)
{
	const struct pw_flog *l;
	uint32_t sum = 0;

	PW_FOREACH_LOG (f, l)
		sum += READ(l->outstanding);
	return sum;
}

uint32_t
pw_forward_owed(const struct pw_forward *f)
{
	const struct pw_flog *l;
	uint32_t sum = 0;

	PW_FOREACH_LOG (f, l)
		sum += READ(l->owed);
	return sum;
}

uint32_t
pw_forward_sessions(const struct pw_forward *f)
{
	return READ(f->nb_sessions);
}

const struct pw_device_counters *
pw_forward_counters(const struct pw_forward *f)
{
	return &f->counters;
}

const struct pw_route_counters *
pw_forward_route_counters(const struct pw_forward *f, uint32_t route)
{
	const struct pw_edition *e = __atomic_load_n(&f->edition, __ATOMIC_ACQUIRE);

	if (f->route == NULL || route >= e->routes.n)
		return NULL;
	return &f->route[e->routes.route[route].slot];
}

const struct pw_route_counters *
pw_forward_route_slot(const struct pw_forward *f, uint32_t slot)
{
	return f->route != NULL && slot < PW_FORWARD_MAX_ROUTES ? &f->route[slot] : NULL;
}

const struct pw_hist *
pw_forward_latency_qos0(const struct pw_forward *f)
{
	return &f->latency_qos0;
}

const struct pw_hist *
pw_forward_latency_qos1(const struct pw_forward *f)
{
	return &f->latency_qos1;
}

static void
session_info(const struct pw_session *s, const struct pw_tcp_conn *conn,
	     const struct pw_client_name *name, uint32_t len, struct pw_session_info *out)
{
	static_assert(sizeof(out->client_id) > sizeof(name->text), "a name fits, and its end");
	memset(out, 0, sizeof(*out));
	for (uint32_t i = 0; i < len; i++)
		out->client_id[i] = (char)READ(name->text[i]);
	pw_tcp_flow(conn, &out->flow);
	out->version = READ(s->version);
	out->inflight = READ(s->inflight);
	out->keepalive = READ(s->keepalive);
	out->messages = READ(s->messages);
}

/* The tables stay while somebody reads here; the number may be that of another table. */
static void
session_user(const struct pw_forward *f, uint32_t at, struct pw_session_info *out)
{
	const struct pw_access *access = __atomic_load_n(&f->access, __ATOMIC_ACQUIRE);
	uint32_t user;

	if (access == NULL || !access->passwords)
		return;
	user = READ(f->account[at].user);
	if (user < access->nb_users)
		memcpy(out->user, access->user[user].name,
		       RTE_MIN((size_t)access->user[user].len, sizeof(out->user) - 1));
}

uint32_t
pw_forward_session_list(const struct pw_forward *f, uint32_t *at, struct pw_session_info *out,
			uint32_t max)
{
	uint32_t n = 0;

	for (; n < max && *at < f->max_sessions; ++*at) {
		const struct pw_session *s = pw_pool_peek(f->sessions, *at);
		const struct pw_tcp_conn *conn;
		uint32_t len;

		if (s == NULL)
			continue;
		/* These pair with the releases of accepted() and keep_client_id(). */
		conn = __atomic_load_n(&s->conn, __ATOMIC_ACQUIRE);
		len = __atomic_load_n(&f->name[*at].len, __ATOMIC_ACQUIRE);
		if (conn == NULL || len == 0)
			continue;
		session_info(s, conn, &f->name[*at], len, &out[n]);
		session_user(f, *at, &out[n]);
		out[n++].index = *at;
	}
	return n;
}

static size_t
sessions_bytes(uint32_t sessions)
{
	return pw_pool_bytes(sessions, sizeof(struct pw_session)) +
	       sessions * sizeof(struct pw_client_name) + pw_dir_bytes(sessions);
}

/* What few devices need has a place for each where there are not many; beyond, for one of so many
 * more: whose devices need more of them says so. */
#define NOT_MANY 16384u
#define MANY	 128

static uint32_t
not_many(uint32_t n)
{
	return RTE_MIN(n, NOT_MANY);
}

uint32_t
pw_forward_max_kept(const struct pw_limits_conf *l)
{
	uint32_t few = not_many(l->max_connections);

	return l->max_kept != 0 ? l->max_kept : few / 8 + 16 + (l->max_connections - few) / MANY;
}

uint32_t
pw_forward_max_sessions(const struct pw_limits_conf *l)
{
	return l->max_connections + pw_forward_max_kept(l);
}

uint32_t
pw_forward_max_extras(const struct pw_limits_conf *l)
{
	uint32_t few = not_many(l->max_connections);

	if (l->max_extras != 0)
		return RTE_MIN(l->max_extras, pw_forward_max_sessions(l));
	return few + (l->max_connections - few) / MANY + pw_forward_max_kept(l);
}

size_t
pw_forward_session_size(void)
{
	/* What each of many adds. */
	const uint32_t many = 1u << 16;

	return (sessions_bytes(2 * many) - sessions_bytes(many)) / many;
}

size_t
pw_forward_sessions_bytes(uint32_t max_connections)
{
	return sessions_bytes(max_connections);
}

size_t
pw_forward_accounts_bytes(const struct pw_forward_settings *set, bool access)
{
	return access || pw_limits_any(set)
		       ? pw_forward_max_sessions(&set->limits) * sizeof(struct pw_account)
		       : 0;
}

size_t
pw_forward_wills_bytes(const struct pw_limits_conf *l)
{
	uint32_t extras = pw_forward_max_extras(l);

	return sessions_bytes(pw_forward_max_sessions(l)) - sessions_bytes(l->max_connections) +
	       pw_blobs_bytes(extras) + pw_pool_bytes(extras, sizeof(struct pw_session_more)) +
	       pw_pool_bytes(pw_exchanges_blocks(extras), sizeof(struct pw_exchanges));
}
