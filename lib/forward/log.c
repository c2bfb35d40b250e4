/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>

#include <rte_malloc.h>

#include "log_pvt.h"

#define DROPS_MAX 1024 /* reference counts have 16 bits */
#define AHEAD	  4    /* messages, between fetching a slot and filling it */

/* Each slot completes once per broker, in two steps at most, before it is used again, and may be
 * used again before it is seen that its last message, of QoS 0, was given up: a ring of these is
 * never full. */
static uint32_t
completions(uint32_t capacity, uint32_t brokers)
{
	return 3 * capacity * (uint32_t)RTE_MAX(__builtin_popcount(brokers), 1);
}

size_t
pw_flog_bytes(uint32_t capacity, uint32_t brokers, bool remote)
{
	size_t ring =
		rte_align32pow2(completions(capacity, brokers) + 1) * sizeof(struct pw_flog_done);

	return capacity * sizeof(struct pw_flog_entry) + (remote ? ring : 0);
}

int
pw_flog_init(struct pw_flog *l, const char *name, uint32_t capacity, uint32_t brokers, bool remote,
	     int socket)
{
	l->entry = rte_zmalloc_socket("pw_flog", (size_t)capacity * sizeof(*l->entry),
				      RTE_CACHE_LINE_SIZE, socket);
	if (l->entry == NULL)
		return -ENOMEM;
	l->mask = capacity - 1;
	l->brokers = brokers;
	l->usable = true;
	l->remote = remote;
	if (remote) {
		int rc = pw_ring_create(&l->done, name, sizeof(struct pw_flog_done),
					completions(capacity, brokers), socket);

		if (rc < 0) {
			rte_free(l->entry);
			l->entry = NULL;
			return rc;
		}
	}
	return 0;
}

static void
let_go(struct pw_flog *l, struct pw_flog_entry *e)
{
	if (e->first.mbuf != NULL)
		pw_slice_drop(&e->first);
	pw_run_drop(l->blocks, e->more);
	e->more = NULL;
}

uint32_t
pw_flog_abandon(struct pw_flog *l)
{
	uint32_t given_up = 0;

	for (uint64_t pos = l->head; pos != l->tail;) {
		struct pw_flog_entry *e = pw_flog_at(l, pos);

		pos += pw_flog_messages(e);
		given_up += !(e->state & PW_FLOG_TOLD) ? pw_flog_messages(e) : 0;
		let_go(l, e);
		e->pending = 0;
		e->state = PW_FLOG_DONE | PW_FLOG_ANSWERED | PW_FLOG_TOLD;
	}
	__atomic_store_n(&l->head, l->tail, __ATOMIC_RELAXED);
	__atomic_store_n(&l->outstanding, 0, __ATOMIC_RELAXED);
	__atomic_store_n(&l->owed, 0, __ATOMIC_RELAXED);
	__atomic_store_n(&l->trailing, 0, __ATOMIC_RELAXED);
	l->qos0 = l->shares = 0;
	return given_up;
}

uint32_t
pw_flog_fini(struct pw_flog *l)
{
	uint32_t given_up;

	if (l->entry == NULL)
		return 0;
	given_up = pw_flog_abandon(l);
	if (l->remote) {
		struct pw_flog_done d[64];

		while (pw_ring_get(&l->done, d, 64) > 0)
			;
		pw_ring_destroy(&l->done);
	}
	rte_free(l->entry);
	l->entry = NULL;
	return given_up;
}

static void
count(uint32_t *what, int delta)
{
	__atomic_store_n(what, *what + (uint32_t)delta, __ATOMIC_RELAXED);
}

/* Enough brokers have it, or too few can still have it. */
static bool
decided(const struct pw_flog_entry *e)
{
	int left = __builtin_popcount(e->pending) - e->received;

	if (e->need == 0 || left == 0)
		return true;
	return !(e->flags & PW_FLOG_ALL) && e->need > left;
}

static void
answer(struct pw_flog *l, struct pw_flog_entry *e)
{
	e->state |= PW_FLOG_ANSWERED;
	count(&l->owed, 1);
	if (e->pending != 0)
		count(&l->trailing, 1);
}

uint64_t
pw_flog_publish(struct pw_flog *l, const struct pw_flog_entry *e)
{
	uint64_t pos = l->tail;
	struct pw_flog_entry *at = pw_flog_at(l, pos);
	uint32_t messages = pw_flog_messages(e);

	assert(l->tail - l->head + messages <= (uint64_t)l->mask + 1);
	/* A ring of half a megabyte: each slot was last touched long ago. */
	__builtin_prefetch(pw_flog_at(l, pos + RTE_MAX(messages, (uint32_t)AHEAD)), 1);
	*at = *e;
	at->pending = l->brokers;
	at->state = 0;
	at->given_up = 0;
	at->reason = 0;
	at->next = PW_FLOG_NONE;
	if ((e->flags & PW_FLOG_QOS) == 0) {
		count(&l->outstanding, (int)messages);
		l->qos0++;
	} else if (e->need == 0) {
		answer(l, at);
	} else {
		count(&l->outstanding, 1);
	}
	l->shares += (at->flags & PW_FLOG_SHARE) != 0;
	l->newest = pos;
	/* Pairs with the acquire in pw_cursor_scan(): the entry is whole before it is seen. */
	__atomic_store_n(&l->tail, pos + messages, __ATOMIC_RELEASE);
	return pos;
}

static void
note(struct pw_flog_entry *e, enum pw_flog_end end, uint8_t reason)
{
	if (end == PW_FLOG_RELEASED) {
		e->received--;
		return;
	}
	e->received += end == PW_FLOG_RECEIVED;
	if (end == PW_FLOG_GIVEN_UP || end == PW_FLOG_DETACHED)
		e->state |= PW_FLOG_LOST;
	/* A rule of all shrinks by brokers that are detached, but not to none. */
	if (end == PW_FLOG_DETACHED && (e->flags & PW_FLOG_ALL) &&
	    e->need > (e->state & PW_FLOG_HAD ? 0 : 1))
		e->need--;
	if (reason >= 0x80) {
		e->reason = RTE_MAX(e->reason, reason);
		return;
	}
	if (e->need > 0)
		e->need--;
	e->state |= PW_FLOG_HAD | (reason != PW_FLOG_REASON_NONE ? PW_FLOG_MATCHED : 0);
}

/* Both have happened: the slot may be used again. */
static bool
is_over(const struct pw_flog_entry *e)
{
	return (e->state & (PW_FLOG_DONE | PW_FLOG_TOLD)) == (PW_FLOG_DONE | PW_FLOG_TOLD);
}

bool
pw_flog_complete(struct pw_flog *l, uint64_t pos, uint32_t broker, enum pw_flog_end end,
		 uint8_t reason)
{
	struct pw_flog_entry *e = pw_flog_at(l, pos);
	uint32_t bit = 1u << broker;
	bool before;

	if (pos - l->head >= l->tail - l->head || !(e->pending & bit))
		return false;
	if (end != PW_FLOG_RECEIVED)
		e->pending &= ~bit;
	note(e, end, reason);
	before = (e->state & PW_FLOG_ANSWERED) != 0;
	if (!before && decided(e)) {
		count(&l->outstanding, -1);
		answer(l, e);
	} else if (before && e->pending == 0) {
		count(&l->trailing, -1);
	}
	if (e->pending == 0) {
		e->state |= PW_FLOG_DONE;
		l->shares -= (e->flags & PW_FLOG_SHARE) != 0;
		let_go(l, e);
		if (is_over(e) && pos == l->head)
			pw_flog_trim(l);
	}
	return !before && (e->state & PW_FLOG_ANSWERED);
}

void
pw_flog_told(struct pw_flog *l, uint64_t pos)
{
	struct pw_flog_entry *e = pw_flog_at(l, pos);

	assert((e->state & PW_FLOG_ANSWERED) && !(e->state & PW_FLOG_TOLD));
	e->state |= PW_FLOG_TOLD;
	count(&l->owed, -1);
	if (is_over(e) && pos == l->head)
		pw_flog_trim(l);
}

void
pw_flog_part(struct pw_flog *l, uint64_t pos)
{
	struct pw_flog_entry *e = pw_flog_at(l, pos);

	assert((e->state & (PW_FLOG_DONE | PW_FLOG_ANSWERED | PW_FLOG_TOLD)) ==
	       (PW_FLOG_DONE | PW_FLOG_ANSWERED));
	e->state |= PW_FLOG_TOLD;
	if (pos == l->head)
		pw_flog_trim(l);
}

void
pw_flog_parted_told(struct pw_flog *l)
{
	count(&l->owed, -1);
}

/* References to one buffer that are given back together: each is an atomic operation. */
struct drops {
	struct rte_mbuf *m;
	uint32_t n;
};

static void
drop_all(struct drops *d)
{
	if (d->n == 0)
		return;
	if (d->n > 1)
		rte_mbuf_refcnt_update(d->m, (int16_t)(1 - (int)d->n));
	rte_pktmbuf_free_seg(d->m);
	d->n = 0;
}

/* As let_go(), but for the first buffer only once another one is to go. */
static void
let_go_with(struct pw_flog *l, struct pw_flog_entry *e, struct drops *d)
{
	if (e->first.mbuf != NULL) {
		if (e->first.mbuf != d->m || d->n == DROPS_MAX)
			drop_all(d);
		d->m = e->first.mbuf;
		d->n++;
		e->first.mbuf = NULL;
	}
	if (unlikely(e->more != NULL)) {
		pw_run_drop(l->blocks, e->more);
		e->more = NULL;
	}
}

/* Some brokers do not need an entry of QoS 0 any more. True where that were the last. */
static bool
forgo(struct pw_flog *l, struct pw_flog_entry *e, uint32_t set, struct drops *d)
{
	if (!(e->pending & set))
		return false;
	e->pending &= ~set;
	if (e->pending != 0)
		return false;
	e->state |= PW_FLOG_DONE | PW_FLOG_ANSWERED | PW_FLOG_TOLD;
	l->qos0--;
	l->shares -= (e->flags & PW_FLOG_SHARE) != 0;
	count(&l->outstanding, -(int)pw_flog_messages(e));
	let_go_with(l, e, d);
	return true;
}

bool
pw_flog_forgo(struct pw_flog *l, uint64_t pos, uint32_t broker)
{
	struct drops d = {0};
	bool last =
		pos - l->head < l->tail - l->head && forgo(l, pw_flog_at(l, pos), 1u << broker, &d);

	drop_all(&d);
	return last;
}

/* Clear a set of brokers from the QoS 0 messages between two positions. */
static uint32_t
sweep_range(struct pw_flog *l, uint64_t from, uint64_t to, uint32_t set, pw_flog_fn fn, void *ctx)
{
	struct drops d = {0};
	uint32_t n = 0;

	while (from != to) {
		struct pw_flog_entry *e = pw_flog_at(l, from);

		from += pw_flog_messages(e);
		if ((e->flags & PW_FLOG_QOS) != 0 || !forgo(l, e, set, &d))
			continue;
		fn(ctx, l, e);
		n += pw_flog_messages(e);
	}
	drop_all(&d);
	return n;
}

/*
 * Brokers that stand at the same place are swept together, so that while they keep pace each entry
 * is looked at once, whatever their number; one that lags costs one more look at what it lags by.
 */
uint32_t
pw_flog_sweep(struct pw_flog *l, pw_flog_fn fn, void *ctx)
{
	uint64_t given[PW_FORWARD_MAX_BROKERS];
	uint32_t n = 0;

	for (uint32_t m = l->brokers; m != 0; m &= m - 1) {
		uint32_t b = (uint32_t)__builtin_ctz(m);

		/* Pairs with the release in pw_cursor_publish(): references were taken before. */
		given[b] = __atomic_load_n(&l->reader[b].given, __ATOMIC_ACQUIRE);
		/* No QoS 0 message waits: nothing to look at below. */
		if (l->qos0 == 0 || l->swept[b] < l->head)
			l->swept[b] = RTE_MIN(given[b], l->qos0 == 0 ? UINT64_MAX : l->head);
	}
	for (;;) {
		uint64_t from = UINT64_MAX, to = UINT64_MAX;
		uint32_t set = 0;

		for (uint32_t m = l->brokers; m != 0; m &= m - 1) {
			uint32_t b = (uint32_t)__builtin_ctz(m);

			if (l->swept[b] < given[b])
				from = RTE_MIN(from, l->swept[b]);
		}
		if (from == UINT64_MAX)
			break;
		for (uint32_t m = l->brokers; m != 0; m &= m - 1) {
			uint32_t b = (uint32_t)__builtin_ctz(m);

			if (l->swept[b] > from) {
				to = RTE_MIN(to, l->swept[b]);
			} else if (l->swept[b] == from && given[b] > from) {
				set |= 1u << b;
				to = RTE_MIN(to, given[b]);
			}
		}
		n += sweep_range(l, from, to, set, fn, ctx);
		for (uint32_t m = set; m != 0; m &= m - 1)
			l->swept[__builtin_ctz(m)] = to;
	}
	pw_flog_trim(l);
	return n;
}

void
pw_flog_trim(struct pw_flog *l)
{
	uint64_t limit = l->tail, head = l->head;

	for (uint32_t m = l->brokers; m != 0; m &= m - 1) {
		/* Pairs with the release in pw_cursor_publish(): the reader is done with the slot.
		 */
		uint64_t low = __atomic_load_n(&l->reader[__builtin_ctz(m)].low, __ATOMIC_ACQUIRE);

		limit = RTE_MIN(limit, low);
	}
	while (head < limit && is_over(pw_flog_at(l, head)))
		head += pw_flog_messages(pw_flog_at(l, head));
	__atomic_store_n(&l->head, head, __ATOMIC_RELAXED);
}
