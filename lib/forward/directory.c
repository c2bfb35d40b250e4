/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Who holds a client identifier, over all device workers. Each worker keeps the shard of the
 * identifiers whose hash is its own; what concerns another worker's shard or session goes there as
 * a message, in order.
 *
 *     claimant --CLAIM--> shard --EVICT--> holder
 *     claimant <--GRANT-- shard <--RELEASE-- holder
 *
 * An identifier has a holder and at most one waiter: a further claim evicts the waiter. CONNACK
 * goes out on GRANT only, so the old session has ended everywhere before the new one begins; its
 * RELEASE waits, for a bounded time, until brokers have what it sent where the new one appends to
 * another log (session.c), so that the new one overtakes nothing. Every
 * session that claimed releases once, when it ends; an EVICT that crosses a RELEASE finds a stale
 * handle.
 */
#include <errno.h>

#include <rte_malloc.h>

#include "session_pvt.h"

/* 112 bits of the hash stand for the identifier. */
struct pw_dir_entry {
	uint64_t hash0;
	uint64_t hash1 : 48, holder_worker : 8, waiter_worker : 8;
	pw_handle holder; /* 0: the entry is empty */
	pw_handle waiter; /* 0: none */
};

static_assert(sizeof(struct pw_dir_entry) == 32, "part of what a session may cost");
static_assert(PW_FORWARD_MAX_WORKERS <= 256, "workers fit eight bits");

/* Four fifths full where every session of a worker has an identifier; the rest is for shards that
 * get more than their share. */
static uint32_t
places(uint32_t sessions)
{
	return sessions + sessions / 4 + 64;
}

size_t
pw_dir_bytes(uint32_t sessions)
{
	return (size_t)places(sessions) * sizeof(struct pw_dir_entry);
}

int
pw_dir_create(struct pw_forward *f)
{
	uint32_t size, sessions = f->max_sessions;

	f->dir_size = places(sessions);
	f->dir = rte_zmalloc_socket("pw_dir", pw_dir_bytes(sessions), RTE_CACHE_LINE_SIZE,
				    f->conf.socket);
	if (f->dir == NULL)
		return -ENOMEM;
	if (f->shared->nb_device_workers == 1)
		return 0;
	size = rte_align32pow2(2 * sessions + 1024);
	f->outbox = rte_zmalloc_socket("pw_outbox", (size_t)size * sizeof(*f->outbox),
				       RTE_CACHE_LINE_SIZE, f->conf.socket);
	if (f->outbox == NULL)
		return -ENOMEM;
	f->out_mask = size - 1;
	f->out_room = size - sessions;
	return 0;
}

void
pw_dir_destroy(struct pw_forward *f)
{
	rte_free(f->dir);
	rte_free(f->outbox);
}

/*
 * The outbox is bounded so that a RELEASE, without which an identifier would be lost, always has a
 * place. Claims and answers leave `sessions` places free. Once they have filled the others, only
 * sessions that have claimed by then release, each once, and there are no more than `sessions`.
 */
static bool
room_for(const struct pw_forward *f, uint32_t n)
{
	return f->outbox == NULL || f->out_tail - f->out_head + n <= f->out_room;
}

bool
pw_dir_busy(const struct pw_forward *f)
{
	return f->outbox != NULL && f->out_tail - f->out_head > f->out_room / 2;
}

uint32_t
pw_dir_flush(struct pw_forward *f)
{
	uint32_t n = 0;

	while (f->out_head != f->out_tail) {
		struct pw_outgoing *o = &f->outbox[f->out_head & f->out_mask];

		if (f->conf.post(f->conf.ctx, o->worker, &o->msg) < 0)
			break;
		f->out_head++;
		n++;
	}
	return n;
}

static void dispatch(struct pw_forward *f, const struct pw_dir_msg *m, uint64_t now);

/* Send to a worker; what is for this one happens at once, so nothing may follow in the caller. */
static void
tell(struct pw_forward *f, uint32_t worker, const struct pw_dir_msg *m, uint64_t now)
{
	struct pw_outgoing *o;

	if (f->destroying)
		return;
	if (worker == f->worker) {
		dispatch(f, m, now);
		return;
	}
	/* The other side's session waits in vain and is ended by its connect_deadline. */
	if (m->kind != PW_DIR_RELEASE && !room_for(f, 1)) {
		f->counters.claims_dropped++;
		return;
	}
	assert(f->out_tail - f->out_head <= f->out_mask);
	o = &f->outbox[f->out_tail++ & f->out_mask];
	o->worker = worker;
	memset(&o->msg, 0, sizeof(o->msg));
	memcpy(&o->msg, m, sizeof(*m));
	(void)pw_dir_flush(f);
}

static uint32_t
shard_of(const struct pw_forward *f, const struct pw_hash128 *h)
{
	return f->shared->device_worker[h->w[1] % f->shared->nb_device_workers];
}

/* Where an identifier's place would be if nobody else had one. */
static uint32_t
home_of(const struct pw_forward *f, uint64_t hash0)
{
	return (uint32_t)((hash0 >> 32) * f->dir_size >> 32);
}

static uint32_t
next_place(const struct pw_forward *f, uint32_t i)
{
	return i + 1 < f->dir_size ? i + 1 : 0;
}

/* Steps from one place forward to another. */
static uint32_t
steps(const struct pw_forward *f, uint32_t from, uint32_t to)
{
	return to >= from ? to - from : to + f->dir_size - from;
}

static uint64_t
tail_of(const struct pw_hash128 *h)
{
	return h->w[1] & ((UINT64_C(1) << 48) - 1);
}

static struct pw_dir_entry *
find(struct pw_forward *f, const struct pw_hash128 *h)
{
	uint32_t i = home_of(f, h->w[0]);

	while (f->dir[i].holder != 0 &&
	       (f->dir[i].hash0 != h->w[0] || f->dir[i].hash1 != tail_of(h)))
		i = next_place(f, i);
	return &f->dir[i];
}

/* Empty a place and move up those that probed past it. */
static void
erase(struct pw_forward *f, struct pw_dir_entry *e)
{
	uint32_t hole = (uint32_t)(e - f->dir), i = hole;

	f->dir_used--;
	for (;;) {
		uint32_t home;

		i = next_place(f, i);
		if (f->dir[i].holder == 0)
			break;
		home = home_of(f, f->dir[i].hash0);
		if (steps(f, home, i) >= steps(f, hole, i)) {
			f->dir[hole] = f->dir[i];
			hole = i;
		}
	}
	memset(&f->dir[hole], 0, sizeof(f->dir[hole]));
}

static void
claim(struct pw_forward *f, const struct pw_dir_msg *m, uint64_t now)
{
	struct pw_dir_entry *e = find(f, &m->hash);
	struct pw_dir_msg out = *m, second = *m;
	uint32_t to = m->worker, second_to = 0;

	/* Nothing is changed that nobody could be told of. */
	if (!room_for(f, 2)) {
		f->counters.claims_dropped++;
		return;
	}
	out.kind = PW_DIR_GRANT;
	out.by = second.by = m->handle;
	second.handle = 0;
	if (e->holder == 0) {
		if (f->dir_used >= f->dir_size - f->dir_size / 16) {
			out.kind = PW_DIR_DENY;
		} else {
			f->dir_used++;
			e->hash0 = m->hash.w[0];
			e->hash1 = tail_of(&m->hash);
			e->holder = m->handle;
			e->holder_worker = (uint8_t)m->worker;
		}
	} else {
		/* Out goes whoever is in line; the holder must also know who comes after it. */
		out.kind = second.kind = PW_DIR_EVICT;
		out.handle = e->holder;
		to = e->holder_worker;
		second.handle = e->waiter;
		second_to = e->waiter_worker;
		e->waiter = m->handle;
		e->waiter_worker = (uint8_t)m->worker;
	}
	/* The old waiter has no place any more: its end changes nothing here. */
	if (second.handle != 0)
		tell(f, second_to, &second, now);
	tell(f, to, &out, now);
}

static void
release(struct pw_forward *f, const struct pw_dir_msg *m, uint64_t now)
{
	struct pw_dir_entry *e = find(f, &m->hash);
	struct pw_dir_msg out = *m;

	if (e->holder == 0)
		return;
	if (e->waiter == m->handle && e->waiter_worker == m->worker) {
		e->waiter = 0;
		return;
	}
	if (e->holder != m->handle || e->holder_worker != m->worker)
		return;
	if (e->waiter == 0) {
		erase(f, e);
		return;
	}
	e->holder = e->waiter;
	e->holder_worker = e->waiter_worker;
	e->waiter = 0;
	out.kind = PW_DIR_GRANT;
	out.worker = e->holder_worker;
	out.handle = e->holder;
	tell(f, e->holder_worker, &out, now);
}

static void
dispatch(struct pw_forward *f, const struct pw_dir_msg *m, uint64_t now)
{
	struct pw_session *s;

	if (m->kind == PW_DIR_CLAIM) {
		claim(f, m, now);
		return;
	}
	if (m->kind == PW_DIR_RELEASE) {
		release(f, m, now);
		return;
	}
	s = pw_pool_find(f->sessions, m->handle);
	if (s == NULL)
		return;
	if (m->kind == PW_DIR_EVICT)
		pw_session_evicted(f, s, m->clean,
				   m->worker == f->worker &&
					   pw_session_lane(s) == (enum pw_lane)m->lane,
				   m->by, now);
	else if (m->kind == PW_DIR_GRANT)
		pw_session_granted(f, s, now);
	else
		pw_session_denied(f, s, now);
}

void
pw_dir_receive(struct pw_forward *f, const struct pw_forward_msg *msg, uint64_t now)
{
	struct pw_dir_msg m;

	memcpy(&m, msg, sizeof(m));
	dispatch(f, &m, now);
}

void
pw_dir_claim(struct pw_forward *f, struct pw_session *s, uint64_t now)
{
	struct pw_dir_msg m = {
		.kind = PW_DIR_CLAIM,
		.clean = (s->flags & PW_SESSION_CLEAN) != 0,
		.worker = (uint16_t)f->worker,
		.lane = (uint8_t)pw_session_lane(s),
		.hash = s->hash,
		.handle = pw_pool_handle(f->sessions, s),
	};

	s->flags |= PW_SESSION_REGISTERED;
	tell(f, shard_of(f, &s->hash), &m, now);
}

void
pw_dir_release(struct pw_forward *f, struct pw_session *s, uint64_t now)
{
	struct pw_dir_msg m = {
		.kind = PW_DIR_RELEASE,
		.worker = (uint16_t)f->worker,
		.hash = s->hash,
	};

	if (!(s->flags & PW_SESSION_REGISTERED))
		return;
	s->flags &= (uint16_t)~PW_SESSION_REGISTERED;
	m.handle = pw_pool_handle(f->sessions, s);
	/* Before who waits for the identifier asks for a place. */
	pw_limits_yield(f, s);
	tell(f, shard_of(f, &s->hash), &m, now);
}
