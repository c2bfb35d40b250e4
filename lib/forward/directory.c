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
 * handle. A holder that may not let go, or may not be evicted, REFUSEs its waiter, who is DENIED.
 *
 * A holder that remembers exchanges of QoS 2 lets go of them only to somebody who has them:
 *
 *     holder --OFFER--> shard --GRANT--> claimant
 *     holder <--FREED-- shard <--TOOK--- claimant    and the claimant is the holder
 *     holder <--KEEP--- shard <-DECLINED- claimant    it was gone, or has no memory for them
 *
 * However many there are, the messages carry a pointer to the first block of them. The blocks stay
 * the holder's: it lends them from OFFER to the answer, changes nothing in them, and the claimant
 * copies what it reads into blocks of its own worker while it handles GRANT. So no identifier is
 * known to nobody, whenever either of them ends. One of these messages is under way for each offer,
 * and a worker has a bounded number of those: they always find room.
 */
#include <errno.h>

#include <rte_malloc.h>

#include "outbox_pvt.h"
#include "session_pvt.h"

/* 111 bits of the hash stand for the identifier. */
struct pw_dir_entry {
	uint64_t hash0;
	uint64_t hash1 : 47, offered : 1, holder_worker : 8, waiter_worker : 8;
	pw_handle holder; /* 0: the entry is empty */
	pw_handle waiter; /* 0: none */
};

static_assert(sizeof(struct pw_dir_entry) == 32, "part of what a session may cost");
static_assert(PW_FORWARD_MAX_WORKERS <= 256, "workers fit eight bits");

/* Eight ninths full where every session of a worker has an identifier; the rest is for shards that
 * get more than their share. */
static uint32_t
places(uint32_t sessions)
{
	return sessions + sessions / 8 + 256;
}

size_t
pw_dir_bytes(uint32_t sessions)
{
	return (size_t)places(sessions) * sizeof(struct pw_dir_entry);
}

int
pw_dir_create(struct pw_forward *f)
{
	uint32_t sessions = f->max_sessions;

	f->dir_size = places(sessions);
	f->dir = rte_zmalloc_socket("pw_dir", pw_dir_bytes(sessions), RTE_CACHE_LINE_SIZE,
				    f->conf.socket);
	return f->dir != NULL ? pw_outbox_create(f) : -ENOMEM;
}

void
pw_dir_destroy(struct pw_forward *f)
{
	rte_free(f->dir);
	pw_outbox_destroy(f);
}

static void dispatch(struct pw_forward *f, const struct pw_dir_msg *m, uint64_t now);

/* Send to a worker; what is for this one happens at once, so nothing may follow in the caller. */
static void
tell(struct pw_forward *f, uint32_t worker, const struct pw_dir_msg *m, uint64_t now)
{
	struct pw_forward_msg msg = {0};

	if (f->destroying)
		return;
	if (worker == f->worker) {
		dispatch(f, m, now);
		return;
	}
	memcpy(&msg, m, sizeof(*m));
	if (pw_outbox_post(f, worker, &msg, m->kind == PW_DIR_RELEASE || m->exchanges != NULL))
		return;
	/* The other side's session waits in vain and is ended by its connect_deadline. */
	f->counters.claims_dropped++;
	if (m->kind == PW_DIR_GRANT)
		pw_limits_drop(f, m->place);
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
	return h->w[1] & ((UINT64_C(1) << 47) - 1);
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
deny(struct pw_forward *f, uint32_t worker, pw_handle claimant, enum pw_dir_why why, uint64_t now)
{
	struct pw_dir_msg m = {.kind = PW_DIR_DENY, .why = why, .handle = claimant};

	tell(f, worker, &m, now);
}

static void
claim(struct pw_forward *f, const struct pw_dir_msg *m, uint64_t now)
{
	struct pw_dir_entry *e = find(f, &m->hash);
	struct pw_dir_msg out = *m, second = *m;

	/* Nothing is changed that nobody could be told of. */
	if (!pw_outbox_room(f, 2)) {
		f->counters.claims_dropped++;
		return;
	}
	if (e->holder == 0) {
		if (f->dir_used >= f->dir_size - f->dir_size / 16) {
			deny(f, m->worker, m->handle, PW_DIR_FULL, now);
			return;
		}
		f->dir_used++;
		e->hash0 = m->hash.w[0];
		e->hash1 = tail_of(&m->hash);
		e->holder = m->handle;
		e->holder_worker = (uint8_t)m->worker;
		out.kind = PW_DIR_GRANT;
		out.place = 0;
		tell(f, m->worker, &out, now);
		return;
	}
	/* Who needs the holder's place can't have it before somebody who is in line for it. */
	if (m->place != 0 && e->waiter != 0) {
		deny(f, m->worker, m->handle, PW_DIR_NO_PLACE, now);
		return;
	}
	/* Out goes whoever is in line; the holder must also know who comes after it. */
	out.kind = second.kind = PW_DIR_EVICT;
	out.by = second.by = m->handle;
	out.by_worker = second.by_worker = m->worker;
	out.handle = e->holder;
	out.worker = e->holder_worker;
	second.handle = e->waiter;
	second.worker = e->waiter_worker;
	e->waiter = m->handle;
	e->waiter_worker = (uint8_t)m->worker;
	/* The old waiter has no place any more: its end changes nothing here. */
	if (second.handle != 0)
		tell(f, second.worker, &second, now);
	tell(f, out.worker, &out, now);
}

static bool
is_holder(const struct pw_dir_entry *e, const struct pw_dir_msg *m)
{
	return e->holder == m->handle && e->holder_worker == m->worker;
}

static void
release(struct pw_forward *f, const struct pw_dir_msg *m, uint64_t now)
{
	struct pw_dir_entry *e = find(f, &m->hash);
	struct pw_dir_msg out = *m;

	if (e->holder != 0 && is_holder(e, m) && e->waiter != 0) {
		e->holder = e->waiter;
		e->holder_worker = e->waiter_worker;
		e->waiter = 0;
		out.kind = PW_DIR_GRANT;
		out.worker = e->holder_worker;
		out.handle = e->holder;
		tell(f, out.worker, &out, now);
		return;
	}
	pw_limits_drop(f, m->place);
	if (e->holder == 0)
		return;
	if (e->waiter == m->handle && e->waiter_worker == m->worker)
		e->waiter = 0;
	else if (is_holder(e, m))
		erase(f, e);
}

/* Of an offer: the holder again, which keeps its exchanges. */
static void
keep(struct pw_forward *f, const struct pw_dir_entry *e, const struct pw_dir_msg *m, uint64_t now)
{
	struct pw_dir_msg out = *m;

	out.kind = PW_DIR_KEEP;
	out.handle = e->holder;
	tell(f, e->holder_worker, &out, now);
}

static void
offer(struct pw_forward *f, const struct pw_dir_msg *m, uint64_t now)
{
	struct pw_dir_entry *e = find(f, &m->hash);
	struct pw_dir_msg out = *m;

	/* Somebody else is in line by now, of whom the holder is being told, or nobody. */
	if (e->waiter == 0 || e->waiter != m->by || e->waiter_worker != m->by_worker) {
		pw_limits_drop(f, m->place);
		keep(f, e, m, now);
		return;
	}
	e->offered = 1;
	out.kind = PW_DIR_GRANT;
	out.handle = m->by;
	out.worker = m->by_worker;
	out.by = m->handle;
	out.by_worker = m->worker;
	tell(f, out.worker, &out, now);
}

/* The claimant of an offer has the exchanges, or can't take them. */
static void
settle(struct pw_forward *f, const struct pw_dir_msg *m, uint64_t now)
{
	struct pw_dir_entry *e = find(f, &m->hash);
	struct pw_dir_msg out = *m;
	uint32_t to = e->holder_worker;

	assert(e->offered);
	e->offered = 0;
	if (e->waiter == m->handle && e->waiter_worker == m->worker)
		e->waiter = 0;
	if (m->kind == PW_DIR_DECLINED) {
		keep(f, e, m, now);
		return;
	}
	out.kind = PW_DIR_FREED;
	out.handle = e->holder;
	e->holder = m->handle;
	e->holder_worker = (uint8_t)m->worker;
	tell(f, to, &out, now);
}

static void
refuse(struct pw_forward *f, const struct pw_dir_msg *m, uint64_t now)
{
	struct pw_dir_entry *e = find(f, &m->hash);

	if (e->waiter == 0 || e->waiter != m->by || e->waiter_worker != m->by_worker)
		return;
	e->waiter = 0;
	deny(f, m->by_worker, m->by, (enum pw_dir_why)m->why, now);
}

/* A claimant has the identifier. With an offer, it answers: it is there, or it is not. */
static void
grant(struct pw_forward *f, const struct pw_dir_msg *m, uint64_t now)
{
	struct pw_session *s = pw_pool_find(f->sessions, m->handle);
	struct pw_dir_msg out = *m;
	bool up = false;

	if (s != NULL && s->state == PW_SESSION_CLAIM)
		up = pw_session_granted(f, s, m, now);
	else
		pw_limits_drop(f, m->place);
	if (m->exchanges == NULL)
		return;
	out.kind = up ? PW_DIR_TOOK : PW_DIR_DECLINED;
	tell(f, shard_of(f, &m->hash), &out, now);
}

/* What is for a session. */
static void
for_session(struct pw_forward *f, const struct pw_dir_msg *m, uint64_t now)
{
	struct pw_session *s = pw_pool_find(f->sessions, m->handle);

	if (s == NULL)
		return;
	if (m->kind == PW_DIR_EVICT)
		pw_session_evicted(f, s, m, now);
	else if (m->kind == PW_DIR_DENY)
		pw_session_denied(f, s, (enum pw_dir_why)m->why, now);
	else
		pw_session_answered(f, s, m->kind == PW_DIR_FREED, now);
}

static void
dispatch(struct pw_forward *f, const struct pw_dir_msg *m, uint64_t now)
{
	switch ((enum pw_dir_kind)m->kind) {
	case PW_DIR_CLAIM:
		claim(f, m, now);
		break;
	case PW_DIR_RELEASE:
		release(f, m, now);
		break;
	case PW_DIR_REFUSE:
		refuse(f, m, now);
		break;
	case PW_DIR_OFFER:
		offer(f, m, now);
		break;
	case PW_DIR_TOOK:
	case PW_DIR_DECLINED:
		settle(f, m, now);
		break;
	case PW_DIR_GRANT:
		grant(f, m, now);
		break;
	case PW_DIR_EVICT:
	case PW_DIR_DENY:
	case PW_DIR_FREED:
	case PW_DIR_KEEP:
		for_session(f, m, now);
		break;
	}
}

void
pw_dir_receive(struct pw_forward *f, const struct pw_forward_msg *msg, uint64_t now)
{
	struct pw_dir_msg m;

	memcpy(&m, msg, sizeof(m));
	dispatch(f, &m, now);
}

/* What a session says. */
static struct pw_dir_msg
message(const struct pw_forward *f, const struct pw_session *s, enum pw_dir_kind kind)
{
	return (struct pw_dir_msg){
		.kind = kind,
		.clean = (s->flags & PW_SESSION_CLEAN) != 0,
		.worker = (uint16_t)f->worker,
		.lane = (uint8_t)pw_session_lane(s),
		.hash = s->hash,
		.handle = pw_pool_handle(f->sessions, s),
	};
}

void
pw_dir_claim(struct pw_forward *f, struct pw_session *s, uint64_t now)
{
	struct pw_dir_msg m = message(f, s, PW_DIR_CLAIM);

	m.place = pw_limits_wanted(f, s);
	s->flags |= PW_SESSION_REGISTERED;
	tell(f, shard_of(f, &s->hash), &m, now);
}

void
pw_dir_release(struct pw_forward *f, struct pw_session *s, uint64_t now)
{
	struct pw_dir_msg m = message(f, s, PW_DIR_RELEASE);

	if (!(s->flags & PW_SESSION_REGISTERED))
		return;
	s->flags &= (uint16_t)~PW_SESSION_REGISTERED;
	m.place = pw_limits_pass(f, s);
	tell(f, shard_of(f, &s->hash), &m, now);
}

void
pw_dir_offer(struct pw_forward *f, struct pw_session *s, uint64_t now)
{
	struct pw_dir_msg m = message(f, s, PW_DIR_OFFER);

	m.place = pw_limits_pass(f, s);
	m.by = s->more->heir.session;
	m.by_worker = s->more->heir.worker;
	m.exchanges = s->more->exchanges;
	tell(f, shard_of(f, &s->hash), &m, now);
}

void
pw_dir_refuse(struct pw_forward *f, struct pw_session *s, pw_handle by, uint32_t by_worker,
	      enum pw_dir_why why, uint64_t now)
{
	struct pw_dir_msg m = message(f, s, PW_DIR_REFUSE);

	m.by = by;
	m.by_worker = (uint16_t)by_worker;
	m.why = why;
	tell(f, shard_of(f, &s->hash), &m, now);
}
