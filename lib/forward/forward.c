/* SPDX-License-Identifier: BSD-3-Clause */
/* One worker's part: what it is made of, and what it does in a turn of the poll loop. */
#include <errno.h>
#include <stdio.h>

#include <rte_errno.h>
#include <rte_malloc.h>

#include "drain_pvt.h"
#include "edition_pvt.h"
#include "session_pvt.h"
#include "upstream_pvt.h"

#define TICK	     PW_NS_MS
#define TIMER_BUDGET 4096
#define DONE_BURST   PW_FETCH_MAX
#define MUCH	     64 /* packet buffers of one device */

void
pw_forward_name(const struct pw_forward *f, const char *what, char *name, size_t len)
{
	snprintf(name, len, "fwd%u.w%u.%s", f->shared->id, f->worker, what);
}

static void *
reserve(const struct pw_forward *f, size_t size)
{
	return rte_zmalloc_socket("pw_forward", size, RTE_CACHE_LINE_SIZE, f->conf.socket);
}

static struct pw_pool *
pool(const struct pw_forward *f, const char *what, uint32_t count, uint32_t size)
{
	char name[32];

	pw_forward_name(f, what, name, sizeof(name));
	return pw_pool_create(name, count, size, f->conf.socket);
}

/*
 * Blocks of runs: each message may end in a block that is not full, and between them the messages
 * can hold no more slices than two for each packet buffer.
 */
static uint32_t
nb_blocks(const struct pw_forward *f)
{
	uint32_t pkt = f->conf.mem->pkt->size;
	uint64_t entries = (uint64_t)f->set->limits.max_queued_messages *
			   (uint32_t)__builtin_popcount(f->set->lanes) * f->routes->nb_logs;

	return (uint32_t)RTE_MIN(entries, (uint64_t)pkt) + 2 * pkt / PW_RUN_SLICES + 64;
}

static int
create_devices(struct pw_forward *f)
{
	const struct pw_limits_conf *limits = &f->set->limits;
	uint32_t copies = limits->max_packet_size / 1024 + 8 + PW_RESOLVE_HEAD;
	struct pw_flog *l;

	f->max_lingering = pw_forward_max_kept(limits);
	f->max_sessions = pw_forward_max_sessions(limits);
	f->max_extras = pw_forward_max_extras(limits);
	f->scratch_max = limits->max_packet_size / 128 + 64;
	/* A quarter of the packet buffers for frames that are not whole yet; see part.c. */
	f->part_buffers = f->conf.mem->pkt->size / 4 + 1;
	f->part_budget = (uint32_t)RTE_MIN((uint64_t)f->conf.mem->pkt->size * 256, UINT32_MAX / 2);
	f->route = reserve(f, PW_FORWARD_MAX_ROUTES * sizeof(*f->route));
	f->sessions = pool(f, "session", f->max_sessions, sizeof(struct pw_session));
	f->name = reserve(f, f->max_sessions * sizeof(*f->name));
	f->more = pool(f, "more", f->max_extras, sizeof(struct pw_session_more));
	f->exchanges =
		pool(f, "qos2", pw_exchanges_blocks(f->max_extras), sizeof(struct pw_exchanges));
	f->parked =
		pool(f, "parked", pw_parked_places(limits->max_queued_messages, f->routes->nb_logs),
		     sizeof(struct pw_flog_entry));
	f->blocks = pool(f, "run", nb_blocks(f), sizeof(struct pw_run));
	f->parts = pool(f, "part", 256, sizeof(struct pw_part));
	f->scratch = reserve(f, (f->scratch_max + copies) * sizeof(*f->scratch));
	f->resolved = reserve(f, (f->scratch_max + PW_RESOLVE_HEAD + 2) * sizeof(*f->resolved));
	f->topic = reserve(f, 5 * PW_SCRATCH_BYTES + 64);
	f->rewritten = f->topic + 4 * PW_SCRATCH_BYTES + 64;
	if (f->shared->accounts) {
		f->account = reserve(f, f->max_sessions * sizeof(*f->account));
		if (f->account == NULL)
			return -ENOMEM;
	}
	if (f->route == NULL || f->sessions == NULL || f->name == NULL || f->more == NULL ||
	    f->exchanges == NULL || f->parked == NULL || f->blocks == NULL || f->parts == NULL ||
	    f->scratch == NULL || f->resolved == NULL || f->topic == NULL ||
	    pw_aliases_create(f) < 0 || pw_blobs_create(f, f->max_extras) < 0)
		return -ENOMEM;
	PW_FOREACH_LOG (f, l)
		l->blocks = f->blocks;
	return pw_dir_create(f);
}

struct pw_forward *
pw_forward_create(const struct pw_forward_conf *conf, uint64_t now)
{
	struct pw_forward *f =
		rte_zmalloc_socket("pw_forward", sizeof(*f), RTE_CACHE_LINE_SIZE, conf->socket);
	int rc = 0;

	if (f == NULL) {
		rte_errno = ENOMEM;
		return NULL;
	}
	f->conf = *conf;
	f->shared = conf->shared;
	f->tcp = conf->tcp;
	f->worker = conf->worker;
	f->shared->forward[f->worker] = f;
	pw_edition_set(f, conf->shared->edition);
	f->role = conf->shared->conf.role[conf->worker];
	f->rng = conf->seed;
	TAILQ_INIT(&f->part_list);
	pw_wheel_init(&f->session_wheel, now, TICK);
	pw_wheel_init(&f->upstream_wheel, now, TICK);
	while (f->ordinal < f->shared->nb_device_workers &&
	       f->shared->device_worker[f->ordinal] != f->worker)
		f->ordinal++;
	if (f->role & PW_ROLE_DEVICES)
		rc = create_devices(f);
	if (rc == 0 && (f->role & PW_ROLE_BROKERS))
		rc = pw_edition_upstreams(f, f->shared->edition);
	if (rc < 0) {
		pw_forward_destroy(f, now);
		rte_errno = -rc;
		return NULL;
	}
	return f;
}

static void
destroy_devices(struct pw_forward *f, uint64_t now)
{
	struct pw_flog *l;

	for (uint32_t i = 0; f->sessions != NULL && i < f->max_sessions; i++) {
		struct pw_session *s = pw_pool_peek(f->sessions, i);

		if (s == NULL)
			continue;
		pw_session_end(f, s, false, true, now);
		s = pw_pool_peek(f->sessions, i);
		if (s == NULL)
			continue;
		/* It had ended before: a connection that winds down, a will that waits. */
		pw_will_forget(f, s);
		if (s->more != NULL)
			s->more->offered = false;
		pw_exchanges_drop(f, s);
		if (s->conn != NULL)
			pw_tcp_abort(f->tcp, s->conn, now);
		s->conn = NULL;
		pw_session_settle(f, s);
	}
	PW_FOREACH_LOG (f, l) {
		if (l->blocks == NULL)
			continue;
		f->counters.cut_on_shutdown += l->trailing;
		f->counters.dropped_on_shutdown += pw_flog_abandon(l);
		l->blocks = NULL;
	}
	pw_gather_release(&f->gather);
	pw_blobs_destroy(f);
	pw_aliases_destroy(f);
	pw_dir_destroy(f);
	if (f->sessions != NULL)
		pw_pool_destroy(f->sessions);
	pw_pool_destroy(f->more);
	pw_pool_destroy(f->exchanges);
	pw_pool_destroy(f->parked);
	if (f->blocks != NULL)
		pw_pool_destroy(f->blocks);
	if (f->parts != NULL)
		pw_pool_destroy(f->parts);
	rte_free(f->route);
	rte_free(f->name);
	rte_free(f->account);
	rte_free(f->scratch);
	rte_free(f->resolved);
	rte_free(f->topic);
}

static void
unlisten(struct pw_forward *f)
{
	for (uint32_t i = 0; i < f->set->nb_listeners; i++) {
		struct pw_listening *l = &f->listening[i];

		if (l->open)
			(void)pw_tcp_unlisten(f->tcp, &l->conf->address, l->conf->port);
		l->open = false;
	}
}

void
pw_forward_unlisten(struct pw_forward *f)
{
	unlisten(f);
}

void
pw_forward_destroy(struct pw_forward *f, uint64_t now)
{
	struct pw_upstream *u;

	if (f == NULL)
		return;
	f->destroying = true;
	unlisten(f);
	PW_FOREACH_UPSTREAM(f, u)
	{
		if (u->conn != NULL)
			pw_tcp_abort(f->tcp, u->conn, now);
		u->conn = NULL;
	}
	pw_gather_release(&f->private_gather);
	pw_gather_release(&f->compact_gather);
	if (f->role & PW_ROLE_DEVICES)
		destroy_devices(f, now);
	f->shared->forward[f->worker] = NULL;
	rte_free(f);
}

void
pw_forward_receive(struct pw_forward *f, const struct pw_forward_msg *msg, uint64_t now)
{
	if (f->role & PW_ROLE_DEVICES)
		pw_dir_receive(f, msg, now);
}

static void
start(struct pw_forward *f, uint64_t now)
{
	struct pw_upstream *u;

	f->started = true;
	for (uint32_t i = 0; (f->role & PW_ROLE_DEVICES) && i < f->set->nb_listeners; i++) {
		struct pw_listening *l = &f->listening[i];
		char addr[PW_ADDR_STRLEN];
		int rc;

		l->f = f;
		l->conf = &f->set->listener[i];
		rc = pw_tcp_listen(f->tcp, &l->conf->address, l->conf->port, &pw_session_ops, l);
		l->open = rc == 0;
		if (rc < 0)
			PW_LOG(forward, ERR, "listener %s: cannot listen on %s port %u: %s",
			       l->conf->name, pw_addr_str(&l->conf->address, addr), l->conf->port,
			       strerror(-rc));
	}
	PW_FOREACH_UPSTREAM(f, u)
	{
		u->deadline = RTE_MAX(u->deadline, now);
		pw_upstream_arm(u, now);
	}
}

/* What broker workers report of a log of ours. */
static uint32_t
completions(struct pw_forward *f, struct pw_flog *l, uint64_t now)
{
	struct pw_flog_done d[DONE_BURST];
	uint32_t slot[DONE_BURST], n, total = 0;

	if (!l->remote)
		return 0;
	do {
		n = pw_ring_get(&l->done, d, DONE_BURST);
		for (uint32_t i = 0; i < n; i++)
			slot[i] = d[i].pos;
		pw_forward_fetch(f, l, slot, n);
		for (uint32_t i = 0; i < n; i++)
			pw_forward_completed(f, l, &d[i], now);
		total += n;
	} while (n == DONE_BURST); /* all: see completions() of log.c */
	return total;
}

struct swept {
	struct pw_forward *f;
	uint64_t now;
};

void
pw_forward_given(struct pw_forward *f, const struct pw_flog *l, const struct pw_flog_entry *e,
		 uint64_t now)
{
	uint32_t n = pw_flog_messages(e);

	if (pw_flog_wasted(l, e)) {
		f->counters.given_up_qos0 += n;
		pw_route_of(f, e)->given_up_qos0 += n;
		return;
	}
	f->counters.completed_qos0 += n;
	pw_route_of(f, e)->completed_qos0 += n;
	pw_hist_record_many(&f->latency_qos0, pw_since(now, e->arrival), n);
}

static void
given(void *ctx, const struct pw_flog *l, const struct pw_flog_entry *e)
{
	const struct swept *w = ctx;

	pw_forward_given(w->f, l, e, w->now);
}

/* Packet buffers that a device's bytes hold here. */
static uint32_t
held_by(const struct pw_session *s)
{
	uint32_t n = s->part != NULL ? s->part->held : 0;

	for (const struct rte_mbuf *m = pw_tcp_rx_chain(s->conn); m != NULL; m = m->next)
		n++;
	return n;
}

/*
 * Buffers are short and nothing will give any back: end whoever holds most. The shortage may be
 * another worker's: devices that hold little stay, unless together they hold much.
 */
static void
relieve(struct pw_forward *f, uint32_t outstanding, uint64_t now)
{
	uint32_t share = f->conf.mem->pkt->size / (4 * RTE_MAX(f->shared->nb_device_workers, 1u));
	struct pw_session *most = NULL;
	uint32_t held = 0, all = 0;

	if (f->pressure == 0 || outstanding > 0) {
		f->pressure_at = now;
		return;
	}
	if (f->pressure_at + PW_NS_S > now)
		return;
	f->pressure_at = now;
	for (uint32_t i = 0; i < f->max_sessions; i++) {
		struct pw_session *s = pw_pool_peek(f->sessions, i);
		uint32_t n;

		if (s == NULL || s->conn == NULL)
			continue;
		n = held_by(s);
		all += n;
		if (n > held) {
			held = n;
			most = s;
		}
	}
	if (most == NULL || (held < MUCH && all < share))
		return;
	f->counters.shed++;
	pw_session_refuse(f, most, 0x97, now); /* Quota exceeded */
}

static uint32_t
poll_devices(struct pw_forward *f, uint64_t now)
{
	uint32_t n = 0, outstanding = 0;
	struct pw_flog *l;

	PW_FOREACH_LOG (f, l) {
		n += completions(f, l, now);
		pw_log_make_room(f, l, now);
		outstanding += l->outstanding + l->trailing;
	}
	pw_brokers_health(f, now);
	n += pw_sessions_ack_again(f, now);
	n += pw_wills_again(f, now);
	n += pw_sessions_wake(f, now);
	n += pw_dir_flush(f);
	pw_parts_check(f, now);
	if (f->sweeping)
		pw_edition_sweep(f, now);
	relieve(f, outstanding, now);
	return n;
}

static uint32_t
poll_brokers(struct pw_forward *f, uint64_t now)
{
	struct pw_upstream *u;
	uint32_t n = 0;

	PW_FOREACH_UPSTREAM(f, u)
	{
		if (u->state == PW_UPSTREAM_UP && pw_tcp_rx_len(u->conn) > 0)
			pw_upstream_read(u, now);
		n += pw_upstream_pull(u, now);
	}
	return n;
}

uint32_t
pw_forward_poll(struct pw_forward *f, uint64_t now)
{
	struct swept w = {f, now};
	struct pw_flog *l;
	uint32_t n = 0;

	if (!f->started)
		start(f, now);
	if (f->role & PW_ROLE_DEVICES)
		n += poll_devices(f, now);
	n += poll_brokers(f, now);
	PW_FOREACH_LOG (f, l)
		n += pw_flog_sweep(l, given, &w);
	if (f->retiring)
		pw_retire_step(f, now);
	if (f->moved)
		pw_move_check(f, now);
	if (f->draining)
		pw_drain_step(f, now);
	return n;
}

void
pw_forward_advance(struct pw_forward *f, uint64_t now)
{
	pw_wheel_advance(&f->session_wheel, now, TIMER_BUDGET, pw_session_timer, f);
	pw_wheel_advance(&f->upstream_wheel, now, TIMER_BUDGET, pw_upstream_timer, f);
	if (f->draining)
		pw_drain_step(f, now);
}

uint64_t
pw_forward_next(const struct pw_forward *f)
{
	uint64_t at = RTE_MIN(pw_wheel_next(&f->session_wheel), pw_wheel_next(&f->upstream_wheel));

	if (f->sweeping)
		return 0;
	if (f->draining && !f->drain_over)
		at = RTE_MIN(at, f->drain_deadline);
	if (f->routes->shares && (f->role & PW_ROLE_DEVICES))
		at = RTE_MIN(at, f->health_at);
	if (pw_list_first(f, PW_LIST_PARTS) != NULL && !TAILQ_EMPTY(&f->part_list))
		at = RTE_MIN(at, f->part_check);
	if (f->moved && !f->move_over)
		at = RTE_MIN(at, f->moved_at + PW_MOVE_WAIT);
	return at;
}

void
pw_forward_set_pressure(struct pw_forward *f, uint32_t level)
{
	f->pressure = level;
}

void
pw_forward_set_scarce(struct pw_forward *f, bool scarce)
{
	f->scarce = scarce;
}
