/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <string.h>

#include "cursor_pvt.h"

/* Marks of a message. */
#define DONE	 0x01u
#define RECEIVED 0x02u /* QoS 2: PUBREC came, PUBCOMP did not */
#define COUNTED	 0x04u /* QoS 2: the log's owner was told of a PUBREC */
#define TIED	 0x08u /* of the slot: an abandoned message has its identifier still */
#define REFUSED	 0x10u /* the broker had no room for it: it is sent again after a rewind */

static inline uint8_t *
marks(const struct pw_cursor *c, uint64_t pos)
{
	return &c->marks[pos & c->log->mask];
}

static inline bool
is_done(const struct pw_cursor *c, uint64_t pos)
{
	return (*marks(c, pos) & DONE) != 0;
}

static inline bool
is_received(const struct pw_cursor *c, uint64_t pos)
{
	return (*marks(c, pos) & RECEIVED) != 0;
}

static inline bool
is_counted(const struct pw_cursor *c, uint64_t pos)
{
	return (*marks(c, pos) & COUNTED) != 0;
}

static inline uint8_t
qos_of(const struct pw_cursor *c, uint64_t pos)
{
	return pw_flog_at(c->log, pos)->flags & PW_FLOG_QOS;
}

/* What is owed. */
static inline void
owe(struct pw_cursor *c, const struct pw_flog_entry *e)
{
	uint32_t n = pw_flog_messages(e);

	c->accepted += n;
	c->held += n;
	c->held_bytes += e->len;
	c->pinned += pw_flog_pins(e);
	c->held_detach += (e->flags & PW_FLOG_DETACH) != 0 ? n : 0;
}

/* And is not any more. Returns how many messages. */
static inline uint32_t
finish(struct pw_cursor *c, uint64_t pos)
{
	const struct pw_flog_entry *e = pw_flog_at(c->log, pos);
	uint32_t n = pw_flog_messages(e);

	*marks(c, pos) = (*marks(c, pos) & TIED) | DONE;
	c->held -= n;
	c->held_bytes -= e->len;
	c->pinned -= pw_flog_pins(e);
	c->held_detach -= (e->flags & PW_FLOG_DETACH) != 0 ? n : 0;
	return n;
}

size_t
pw_cursor_words(uint32_t capacity)
{
	return (capacity * (sizeof(uint16_t) + sizeof(uint8_t)) + 7) / 8;
}

void
pw_cursor_init(struct pw_cursor *c, struct pw_flog *l, uint32_t broker, uint64_t *words)
{
	uint64_t tail = __atomic_load_n(&l->tail, __ATOMIC_ACQUIRE);

	*c = (struct pw_cursor){
		.log = l,
		.broker = broker,
		.release = (uint16_t *)words,
		.marks = (uint8_t *)words + (l->mask + 1) * sizeof(uint16_t),
	};
	c->next = c->low = c->given = c->sent = c->seen = tail;
	pw_cursor_hold(c, 0, 0);
}

void
pw_cursor_hold(struct pw_cursor *c, uint32_t messages, uint32_t bytes)
{
	c->hold_messages = messages != 0 ? messages : (c->log->mask + 1) / 2;
	c->hold_bytes = bytes != 0 ? bytes : UINT64_MAX;
	c->bounded = messages != 0 || bytes != 0;
}

void
pw_cursor_pin(struct pw_cursor *c, uint32_t *all, uint32_t max, uint32_t own)
{
	c->pinned_all = all;
	c->pinned_max = max;
	c->pinned_own = own;
}

uint32_t
pw_cursor_scan(struct pw_cursor *c)
{
	/* Pairs with the release in pw_flog_publish(). */
	uint64_t tail = __atomic_load_n(&c->log->tail, __ATOMIC_ACQUIRE);
	uint32_t n = (uint32_t)(tail - c->seen);

	while (c->seen != tail) {
		const struct pw_flog_entry *e = pw_flog_at(c->log, c->seen);
		uint64_t end = c->seen + pw_flog_messages(e);

		*marks(c, c->seen) &= TIED;
		while (++c->seen != end)
			*marks(c, c->seen) = (*marks(c, c->seen) & TIED) | DONE;
		owe(c, e);
	}
	return n;
}

const struct pw_flog_entry *
pw_cursor_peek(struct pw_cursor *c)
{
	while (c->next != c->seen && (*marks(c, c->next) & (DONE | RECEIVED)) != 0)
		c->next++;
	return c->next != c->seen ? pw_flog_at(c->log, c->next) : NULL;
}

void
pw_cursor_queued(struct pw_cursor *c)
{
	if (qos_of(c, c->next) == 0) {
		c->next += finish(c, c->next);
	} else {
		c->inflight++;
		c->next++;
	}
	c->part = 0;
	c->sent = RTE_MAX(c->sent, c->next);
	c->session = RTE_MAX(c->session, c->next);
}

enum pw_flog_end
pw_cursor_skip(struct pw_cursor *c)
{
	bool counted = is_counted(c, c->next);

	pw_flog_at(c->log, c->next)->given_up++;
	c->next += finish(c, c->next);
	c->part = 0;
	return counted ? PW_FLOG_RELEASED : PW_FLOG_ACKED;
}

/* The position of an identifier among those that the broker may answer. */
static int
find(const struct pw_cursor *c, uint16_t packet_id, uint8_t qos, uint64_t *pos)
{
	uint32_t slot = (uint32_t)packet_id - 1;

	if (slot > c->log->mask)
		return -ENOENT;
	*pos = c->low + ((slot - (uint32_t)c->low) & c->log->mask);
	/* With the session goes the knowledge of what the connection before has sent. */
	if (*pos >= c->next && !(c->resumed && *pos < c->session))
		return -ENOENT;
	return (*marks(c, *pos) & (DONE | REFUSED)) || qos_of(c, *pos) != qos ? -ENOENT : 0;
}

bool
pw_cursor_tied(const struct pw_cursor *c)
{
	return c->abandoned > 0 && (*marks(c, c->next) & TIED) != 0;
}

/* An identifier is that of a message that was abandoned. */
static bool
is_tied(const struct pw_cursor *c, uint16_t packet_id)
{
	uint32_t slot = (uint32_t)packet_id - 1;

	return c->abandoned > 0 && slot <= c->log->mask && (*marks(c, slot) & TIED) != 0;
}

/* The broker has answered after all. */
static void
untie(struct pw_cursor *c, uint16_t packet_id)
{
	/* What it has answered has left TCP's queue. */
	uint32_t pins = c->abandoned_pins / c->abandoned;

	*marks(c, (uint64_t)packet_id - 1) &= (uint8_t)~TIED;
	c->abandoned_pins -= pins;
	c->pinned -= pins;
	c->inflight--;
	if (--c->abandoned == 0)
		c->abandoned_qos2 = false;
}

void
pw_cursor_unpin(struct pw_cursor *c)
{
	c->pinned -= c->abandoned_pins;
	c->abandoned_pins = 0;
}

int
pw_cursor_acked(struct pw_cursor *c, uint16_t packet_id, uint8_t qos, uint64_t *pos,
		enum pw_flog_end *end)
{
	if (is_tied(c, packet_id)) {
		untie(c, packet_id);
		return 1;
	}
	if (find(c, packet_id, qos, pos) < 0 || *pos >= c->next || is_received(c, *pos))
		return -ENOENT;
	*end = is_counted(c, *pos) ? PW_FLOG_RELEASED : PW_FLOG_ACKED;
	finish(c, *pos);
	c->inflight--;
	return 0;
}

bool
pw_cursor_refused(struct pw_cursor *c, uint16_t packet_id, uint8_t qos)
{
	uint64_t pos;

	if (is_tied(c, packet_id) || find(c, packet_id, qos, &pos) < 0 || pos >= c->next ||
	    is_received(c, pos))
		return false;
	*marks(c, pos) |= REFUSED;
	return true;
}

static int
owe_release(struct pw_cursor *c, uint16_t packet_id)
{
	if (c->release_tail - c->release_head > c->log->mask)
		return -EBADMSG;
	c->release[c->release_tail++ & c->log->mask] = packet_id;
	return 0;
}

int
pw_cursor_received(struct pw_cursor *c, uint16_t packet_id, uint64_t *pos)
{
	bool known;

	if (is_tied(c, packet_id))
		return owe_release(c, packet_id);
	known = find(c, packet_id, 2, pos) == 0;
	/* Half of it is queued again: the rest has to follow, and will be answered too. */
	if (known && *pos == c->next && c->part > 0)
		return 0;
	if (owe_release(c, packet_id) < 0)
		return -EBADMSG;
	if (!known)
		return -ENOENT;
	if (is_received(c, *pos))
		return 0;
	*marks(c, *pos) |= RECEIVED;
	c->inflight += *pos >= c->next;
	if (is_counted(c, *pos))
		return 0;
	*marks(c, *pos) |= COUNTED;
	return 1;
}

int
pw_cursor_completed(struct pw_cursor *c, uint16_t packet_id, uint64_t *pos)
{
	if (is_tied(c, packet_id)) {
		untie(c, packet_id);
		return 1;
	}
	if (find(c, packet_id, 2, pos) < 0 || !is_received(c, *pos))
		return -ENOENT;
	finish(c, *pos);
	c->inflight--;
	return 0;
}

uint16_t
pw_cursor_release(const struct pw_cursor *c, uint32_t n, bool *known)
{
	uint16_t id = c->release[(c->release_head + n) & c->log->mask];
	uint64_t pos;

	*known = is_tied(c, id) || (find(c, id, 2, &pos) == 0 && is_received(c, pos));
	return id;
}

void
pw_cursor_suspend(struct pw_cursor *c)
{
	/* The session may know an abandoned identifier still. */
	c->spoilt |= c->abandoned_qos2;
	pw_cursor_rewind(c);
	c->resumed = false;
	c->release_head = c->release_tail = 0;
}

void
pw_cursor_resume(struct pw_cursor *c, bool resumed)
{
	c->resumed = resumed;
	c->spoilt = false;
	for (uint64_t pos = c->low; pos < c->session; pos++) {
		if (!is_received(c, pos))
			continue;
		if (resumed) {
			c->inflight++;
			(void)owe_release(c, (uint16_t)((pos & c->log->mask) + 1));
		} else {
			*marks(c, pos) &= (uint8_t)~RECEIVED;
		}
	}
	if (!resumed)
		c->session = c->low;
}

void
pw_cursor_rewind(struct pw_cursor *c)
{
	while (c->low != c->next && is_done(c, c->low))
		c->low++;
	for (uint64_t pos = c->low; pos < c->next; pos++)
		*marks(c, pos) &= (uint8_t)~REFUSED;
	c->given = RTE_MAX(c->given, c->next);
	c->next = c->low;
	c->part = 0;
	c->inflight = 0;
	for (uint64_t slot = 0; c->abandoned > 0 && slot <= c->log->mask; slot++)
		*marks(c, slot) &= (uint8_t)~TIED;
	c->abandoned = 0;
	c->abandoned_qos2 = false;
	pw_cursor_unpin(c);
	memset(c->tried, 0, sizeof(c->tried));
}

uint32_t
pw_cursor_shed(struct pw_cursor *c, uint64_t keep)
{
	uint32_t n = 0;

	c->given = RTE_MAX(c->given, c->next);
	while (c->seen - c->given > keep) {
		struct pw_flog_entry *e = pw_flog_at(c->log, c->given);

		if (!is_done(c, c->given) && (e->flags & PW_FLOG_QOS) == 0) {
			if ((e->flags & PW_FLOG_KEEP) || pw_cursor_midway(c))
				break;
			e->given_up++;
			n += finish(c, c->given);
		}
		c->given += pw_flog_messages(e);
	}
	return n;
}

/* May be given up here. Where only a number of messages is too many and no hold is configured, QoS
 * 0 has the bounds of pw_cursor_shed(). */
static bool
may_go(const struct pw_cursor *c, const struct pw_flog_entry *e, enum pw_give_up what)
{
	if (what == PW_GIVE_UP_ALL)
		return true;
	if (what == PW_GIVE_UP_SHARE)
		return (e->flags & PW_FLOG_SHARE) != 0;
	if (what == PW_GIVE_UP_DETACH)
		return (e->flags & PW_FLOG_DETACH) != 0;
	if (e->flags & (PW_FLOG_KEEP | PW_FLOG_DETACH))
		return false;
	return c->bounded || what == PW_GIVE_UP_PINNED || (e->flags & PW_FLOG_QOS) != 0;
}

/* It has given up enough. */
static bool
relieved(const struct pw_cursor *c, enum pw_give_up what)
{
	return (what == PW_GIVE_UP_OLDEST && !pw_cursor_over(c)) ||
	       (what == PW_GIVE_UP_PINNED && !pw_cursor_pins(c));
}

/* Without its PUBCOMP the broker may know its identifier, for which the next message of its slot
 * would be a duplicate: not in this session. */
static bool
may_forget(struct pw_cursor *c, uint64_t pos)
{
	if (qos_of(c, pos) != 2 || pos >= c->session)
		return true;
	c->spoilt |= !c->resumed;
	return !c->resumed;
}

uint32_t
pw_cursor_give_up(struct pw_cursor *c, enum pw_give_up what, pw_cursor_fn fn, void *ctx)
{
	uint64_t pos = RTE_MAX(c->next + (c->part > 0), c->tried[what]);
	uint32_t n = 0;

	for (; pos < c->seen && !relieved(c, what); pos++) {
		struct pw_flog_entry *e = pw_flog_at(c->log, pos);
		bool counted = is_counted(c, pos);

		if (is_done(c, pos) || !may_go(c, e, what) || !may_forget(c, pos))
			continue;
		n += finish(c, pos);
		e->given_up += (e->flags & PW_FLOG_QOS) == 0;
		fn(ctx, pos, counted);
	}
	c->tried[what] = pos;
	return n;
}

bool
pw_cursor_owes(const struct pw_cursor *c, uint64_t pos)
{
	return pos < c->seen && !is_done(c, pos);
}

void
pw_cursor_repin(struct pw_cursor *c, uint64_t pos, uint32_t before, uint32_t pins)
{
	if (pw_cursor_owes(c, pos))
		c->pinned = c->pinned - before + pins;
}

/* A message on the wire is done, but for its identifier. */
static void
abandon(struct pw_cursor *c, uint64_t pos)
{
	uint32_t pins = pw_flog_pins(pw_flog_at(c->log, pos));

	finish(c, pos);
	*marks(c, pos) |= TIED;
	c->abandoned++;
	c->abandoned_qos2 |= qos_of(c, pos) == 2;
	c->abandoned_pins += pins;
	c->pinned += pins;
}

/* Why the message at low cannot be given up. */
static enum pw_cursor_holder
holder(struct pw_cursor *c, bool wire)
{
	const struct pw_flog_entry *e = pw_flog_at(c->log, c->low);

	if (!may_go(c, e, PW_GIVE_UP_PINNED))
		return e->flags & PW_FLOG_KEEP ? PW_HOLDER_BLOCK : PW_HOLDER_DETACH;
	if (wire)
		return PW_HOLDER_NONE;
	return (c->low == c->next && c->part > 0) || !may_forget(c, c->low) ? PW_HOLDER_CONNECTION
									    : PW_HOLDER_NONE;
}

struct pw_cursor_relief
pw_cursor_relieve(struct pw_cursor *c, uint64_t keep, pw_cursor_fn fn, void *ctx)
{
	struct pw_cursor_relief r = {0};

	for (uint32_t n; c->seen - c->low > keep; c->low += n) {
		struct pw_flog_entry *e = pw_flog_at(c->log, c->low);
		bool wire = c->low < c->next || (c->resumed && is_received(c, c->low));
		bool counted = is_counted(c, c->low);

		n = pw_flog_messages(e);
		if (is_done(c, c->low))
			continue;
		r.holder = holder(c, wire);
		if (r.holder != PW_HOLDER_NONE)
			break;
		r.unanswered += wire ? n : 0;
		r.waiting += wire ? 0 : n;
		if (wire)
			abandon(c, c->low);
		else
			finish(c, c->low);
		e->given_up += (e->flags & PW_FLOG_QOS) == 0;
		fn(ctx, c->low, counted);
	}
	return r;
}

void
pw_cursor_publish(struct pw_cursor *c)
{
	uint64_t limit = c->seen;
	struct pw_flog_reader *r = &c->log->reader[c->broker];

	while (c->low != c->seen && is_done(c, c->low))
		c->low += pw_flog_messages(pw_flog_at(c->log, c->low));
	c->next = RTE_MAX(c->next, c->low);
	c->given = RTE_MAX(c->given, c->next);
	/* Pair with the acquires in pw_flog_sweep() and pw_flog_trim(). */
	if (r->given != c->given)
		__atomic_store_n(&r->given, c->given, __ATOMIC_RELEASE);
	if (r->low != c->low)
		__atomic_store_n(&r->low, c->low, __ATOMIC_RELEASE);
	if (c->pinned_all != NULL && c->pinned_told != c->pinned) {
		__atomic_fetch_add(c->pinned_all, c->pinned - c->pinned_told, __ATOMIC_RELAXED);
		c->pinned_told = c->pinned;
	}
	if (!pw_cursor_pins(c)) {
		if (!c->bounded)
			limit = UINT64_MAX;
		else if (c->held < c->hold_messages && c->held_bytes <= c->hold_bytes)
			limit += c->hold_messages - c->held;
	}
	if (r->limit != limit)
		__atomic_store_n(&r->limit, limit, __ATOMIC_RELAXED);
}
