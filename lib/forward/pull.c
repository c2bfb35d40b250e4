/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A cursor pulls: messages of the log become slices in the send queue of a broker's connection, as
 * far as its windows allow. The bytes are those of the device's packet; what has to differ on one
 * broker's leg (DUP, a retain bit that it does not take, the rest of an expiry interval) goes out
 * of a private copy of those very bytes, for the shared ones may at that moment be in another
 * broker's retransmission.
 */
#include <errno.h>

#include "leg_pvt.h"

#define PULL_MAX 1024 /* messages in one poll, so that one log does not keep the others waiting */
#define COPY_MAX 256  /* of a translated message that is copied whole */
#define PART_MIN 4096 /* room below which no part of a large message is queued */

/* What is to go out in one pw_tcp_send(). */
struct batch {
	struct pw_slice s[PW_BATCH];
	uint32_t n;
	uint32_t bytes;
	uint32_t room;	   /* bytes left */
	uint32_t whole;	   /* messages up to this size are queued whole or not yet */
	uint32_t entries;  /* whole ones, from the cursor's next on */
	uint32_t messages; /* in them */
	uint32_t part;	   /* and so many bytes of the entry behind them */
	bool full;	   /* it ends where no slice more had room */
	bool no_buffer;	   /* it ends where a pool was empty */
};

void
pw_upstream_done(struct pw_upstream *u, uint64_t pos, enum pw_flog_end end, uint8_t reason,
		 uint64_t now)
{
	struct pw_flog_done d = {
		.pos = (uint32_t)pos, .broker = (uint8_t)u->broker, .end = end, .reason = reason};

	if (!u->log->remote)
		pw_forward_completed(u->f, u->log, &d, now);
	else if (pw_ring_put(&u->log->done, &d, 1) != 1)
		assert(!"a ring with a place for every completion is full");
}

/* Add a held slice; false where the batch is full. */
static bool
add(struct batch *b, const struct pw_slice *s)
{
	if (b->n > 0 && pw_slice_adjoins(&b->s[b->n - 1], s) &&
	    (uint32_t)b->s[b->n - 1].len + s->len <= UINT16_MAX) {
		b->s[b->n - 1].len = (uint16_t)(b->s[b->n - 1].len + s->len);
	} else if (b->n == PW_BATCH) {
		b->full = true;
		return false;
	} else {
		pw_slice_hold(s);
		b->s[b->n] = *s;
		b->s[b->n++].aux = 0;
	}
	b->bytes += s->len;
	b->room -= s->len;
	return true;
}

/* Bytes from .. to of a frame; returns where it had to stop. */
static uint32_t
add_shared(struct batch *b, const struct pw_flog_entry *e, uint32_t from, uint32_t to)
{
	struct pw_walk w = pw_walk_to(e, from);

	while (from < to) {
		struct pw_slice s = w.now;
		uint32_t skip = from - w.base;

		s.off = (uint16_t)(s.off + skip);
		s.len = (uint16_t)RTE_MIN(RTE_MIN((uint32_t)s.len - skip, to - from), b->room);
		if (s.len == 0 || !add(b, &s))
			break;
		from += s.len;
		if (from == w.base + w.now.len)
			pw_walk_next(&w);
	}
	return from;
}

/* A whole frame that is short, as one piece of ours, so that neighbours leave as one slice. */
static uint32_t
add_copy(struct pw_upstream *u, struct batch *b, const struct pw_flog_entry *e,
	 const struct pw_patch *p, uint32_t n)
{
	uint8_t flat[COPY_MAX];
	struct pw_slice s;
	uint32_t len = pw_leg_flat(e, p, n, flat);

	if (len > b->room)
		return 0;
	if (pw_gather_bytes(u->f, &u->f->private_gather, flat, len, &s) < 0) {
		b->no_buffer = true;
		return 0;
	}
	n = add(b, &s) ? e->len : 0;
	pw_slice_drop(&s); /* add() has taken a reference where one was needed */
	return n;
}

/* A frame from byte `from` on, with what differs on this leg; returns where it had to stop. */
static uint32_t
add_frame(struct pw_upstream *u, struct batch *b, const struct pw_flog_entry *e, uint32_t from,
	  const struct pw_patch *p, uint32_t n)
{
	struct pw_slice s;

	/* As most are: in one piece, and as it came. */
	if (n == 0 && from == 0 && e->more == NULL && e->len <= b->room)
		return add(b, &e->first) ? e->len : 0;
	if (from == 0 && pw_leg_translates(u) && e->len <= COPY_MAX - PW_PATCH_GROWTH)
		return add_copy(u, b, e, p, n);
	for (uint32_t i = 0; i < n; i++, p++) {
		if (p->at < from)
			continue;
		from = add_shared(b, e, from, p->at);
		/* All of a patch, or nothing: its value may be another one next time. */
		if (from < p->at || b->room < p->len)
			return from;
		if (p->len > 0) {
			if (pw_gather_bytes(u->f, &u->f->private_gather, p->byte, p->len, &s) < 0) {
				b->no_buffer = true;
				return from;
			}
			if (!add(b, &s)) {
				pw_slice_drop(&s);
				return from;
			}
			pw_slice_drop(&s); /* add() has taken a reference where one was needed */
		}
		from += p->cut;
	}
	return add_shared(b, e, from, e->len);
}

/* A group, each message with what differs on this leg; all of it, or nothing. */
static uint32_t
add_apart(struct pw_upstream *u, struct batch *b, const struct pw_flog_entry *e, uint64_t now)
{
	uint32_t n = b->n, bytes = b->bytes, len = n > 0 ? b->s[n - 1].len : 0;
	struct pw_flog_entry one = {.len = 0};
	struct pw_patch p[PW_PATCHES];
	bool whole = b->room >= e->len + pw_flog_messages(e) * PW_PATCH_GROWTH;

	while (whole && pw_apart_next(e, &one)) {
		int patches = pw_leg_patches(u, &u->cursor, &one, now, p);

		if (!pw_leg_too_large(u, &one))
			whole = add_frame(u, b, &one, 0, p, (uint32_t)patches) == one.len;
	}
	if (whole)
		return e->len;
	while (b->n > n)
		pw_slice_drop(&b->s[--b->n]);
	if (n > 0)
		b->s[n - 1].len = (uint16_t)len;
	b->room += b->bytes - bytes;
	b->bytes = bytes;
	return 0;
}

#define RELEASES 64 /* PUBRELs that leave together */

bool
pw_upstream_release(struct pw_upstream *u, uint64_t now)
{
	struct pw_cursor *c = &u->cursor;

	/* Not into the midst of a message. */
	while (c->part == 0 && pw_cursor_releases(c)) {
		uint32_t n, len = 0, owed = c->release_tail - c->release_head;
		uint8_t out[RELEASES * 8];

		for (n = 0; n < RTE_MIN(owed, (uint32_t)RELEASES); n++) {
			bool known;
			uint16_t id = pw_cursor_release(c, n, &known);
			int rc = pw_mqtt_encode_ack(out + len, sizeof(out) - len, PW_MQTT_PUBREL,
						    u->version, id, known ? 0 : 0x92, NULL);

			assert(rc > 0);
			len += (uint32_t)rc;
		}
		if (pw_tcp_send_room(u->f->tcp, u->conn) < len)
			return false;
		if (pw_tcp_unacked(u->conn) == 0)
			u->tx_progress = now;
		if (pw_tcp_send_copy(u->f->tcp, u->conn, out, len) < 0) {
			u->counters.no_buffer++;
			return false;
		}
		c->release_head += n;
		u->queued += len;
		u->spoke = now;
	}
	return !pw_cursor_releases(c);
}

/* A message that this broker is not to have is complete for it. */
static void
skip(struct pw_upstream *u, const struct pw_flog_entry *e, uint8_t reason, uint64_t now)
{
	uint64_t pos = u->cursor.next;
	bool qos0 = (e->flags & PW_FLOG_QOS) == 0;
	enum pw_flog_end end = pw_cursor_skip(&u->cursor);

	if (!qos0)
		pw_upstream_done(u, pos, end, reason, now);
}

/* Its CONNACK rules the message out. */
static bool
refuses(const struct pw_upstream *u, const struct pw_flog_entry *e)
{
	return pw_leg_too_large(u, e) || pw_leg_refuses_retain(u, e) ||
	       (e->flags & PW_FLOG_QOS) > u->max_qos;
}

/* Count and pass over what the broker can't take. True where the message is out of the way. */
static bool
unfit(struct pw_upstream *u, const struct pw_flog_entry *e, uint64_t now)
{
	struct pw_patch p[PW_PATCHES];

	if (u->cursor.part > 0)
		return false;
	/* It may know the identifier, and takes the message no more: it has to forget all. */
	if (refuses(u, e) && u->cursor.resumed && pw_cursor_again(&u->cursor) &&
	    (e->flags & PW_FLOG_QOS) == 2) {
		u->cursor.spoilt = true;
		pw_upstream_fail(u, "its limits have changed within a session", now);
		return true;
	}
	if (pw_leg_too_large(u, e)) {
		u->counters.dropped_too_large += pw_flog_messages(e);
		skip(u, e, 0x83, now); /* Implementation specific error */
		return true;
	}
	if ((e->flags & PW_FLOG_QOS) > u->max_qos) {
		u->counters.refused++;
		skip(u, e, 0x83, now);
		return true;
	}
	if (pw_leg_refuses_retain(u, e)) {
		u->counters.refused_retain++;
		skip(u, e, 0x83, now);
		return true;
	}
	if (e->expiry_at != 0 && pw_leg_patches(u, &u->cursor, e, now, p) < 0) {
		u->counters.dropped_expired++;
		skip(u, e, PW_FLOG_REASON_NONE, now);
		return true;
	}
	return false;
}

/* The send queue has the batch: move the cursor over what it holds. */
static void
commit(struct pw_upstream *u, const struct batch *b, uint64_t now)
{
	struct pw_cursor *c = &u->cursor;

	if (c->inflight == 0) {
		u->progress = now;
		u->mark = u->queued + b->bytes;
	}
	for (uint32_t i = 0; i < b->entries; i++) {
		const struct pw_flog_entry *e = pw_cursor_peek(c);
		uint32_t messages = pw_flog_messages(e);
		bool apart = pw_leg_apart(u, e);

		if (apart)
			pw_apart_count(u, e);
		else if ((e->flags & PW_FLOG_QOS) == 0)
			u->counters.messages_qos0 += messages;
		else if (pw_cursor_again(c))
			u->counters.redelivered++;
		else if ((e->flags & PW_FLOG_QOS) == 1)
			u->counters.messages_qos1++;
		else
			u->counters.messages_qos2++;
		if (u->no_retain && (e->flags & PW_FLOG_RETAIN))
			u->counters.retain_cleared++;
		u->replayed += c->next < u->replay_end ? messages : 0;
		if (pw_leg_translates(u) && !apart && !pw_cursor_again(c))
			pw_leg_count(u, e);
		pw_cursor_queued(c);
	}
	if (b->part > 0) {
		(void)pw_cursor_peek(c);
		c->part = b->part;
	}
	u->queued += b->bytes;
	u->counters.bytes += b->bytes;
	u->spoke = now;
}

/* Send what the batch holds. False where TCP has no room for it after all. */
static bool
flush(struct pw_upstream *u, struct batch *b, uint64_t now)
{
	int rc;

	if (b->n == 0)
		return true;
	if (pw_tcp_unacked(u->conn) == 0)
		u->tx_progress = now;
	rc = pw_tcp_send(u->f->tcp, u->conn, b->s, b->n);
	if (rc < 0) {
		u->counters.no_buffer += rc == -ENOBUFS;
		for (uint32_t i = 0; i < b->n; i++)
			pw_slice_drop(&b->s[i]);
		return false;
	}
	commit(u, b, now);
	return true;
}

/* After 0x97 the cursor stands until what is in flight is answered and the pause is over. */
static bool
paused(struct pw_upstream *u, uint64_t now)
{
	struct pw_cursor *c = &u->cursor;

	if (u->quota_at == 0)
		return false;
	if (now < u->quota_at || c->inflight > u->over_quota || c->part > 0)
		return true;
	pw_cursor_rewind(c);
	u->over_quota = 0;
	u->quota_at = 0;
	return false;
}

/* It keeps more packet buffers than it may already, and will answer what it was sent or end. */
static bool
crowded(const struct pw_upstream *u)
{
	return u->cursor.inflight > 0 && pw_cursor_pins(&u->cursor);
}

/* Messages that may be queued now: one that was begun has to be ended. */
static uint32_t
allowance(const struct pw_upstream *u, uint64_t now)
{
	uint64_t rate = u->conf->replay_rate, due;

	if (u->quota_at != 0 || crowded(u))
		return u->cursor.part > 0;
	if (rate == 0 || u->cursor.next >= u->replay_end)
		return PULL_MAX;
	due = 1 + pw_since(now, u->replay_from) / 1000 * rate / 1000000;
	if (due <= u->replayed)
		return u->cursor.part > 0;
	return (uint32_t)RTE_MIN(due - u->replayed, (uint64_t)PULL_MAX);
}

/*
 * Fill a batch from the cursor's next message on. Returns true where more could follow. The cursor
 * itself stays: it is tentative until TCP has taken the batch.
 */
static bool
fill(struct pw_upstream *u, struct batch *b, uint64_t now)
{
	struct pw_cursor at = u->cursor;
	uint32_t max = allowance(u, now);

	for (uint32_t messages; max > 0; max -= RTE_MIN(max, messages)) {
		const struct pw_flog_entry *e = pw_cursor_peek(&at);
		struct pw_patch p[PW_PATCHES];
		uint32_t end, left;
		bool apart;
		int n = 0;

		if (e == NULL)
			return false;
		if (at.part == 0 && (refuses(u, e) || pw_cursor_releases(&u->cursor)))
			return true; /* the caller passes over it, or sends PUBREL first */
		apart = pw_leg_apart(u, e);
		if (!apart && !pw_leg_plain(u, &at, e))
			n = pw_leg_patches(u, &at, e, now, p);
		if (n < 0)
			return true;
		if (at.part == 0 && (e->flags & PW_FLOG_QOS) != 0 && at.inflight >= u->window) {
			u->counters.window_full += !u->window_stop;
			u->window_stop = true;
			return false;
		}
		if ((e->flags & PW_FLOG_QOS) != 0 && pw_cursor_tied(&at))
			return false;
		end = at.part;
		left = n == 0 ? e->len - end : pw_leg_left(e, end, p, (uint32_t)n);
		if (apart)
			end = add_apart(u, b, e, now);
		else if (left <= b->room || (e->len > b->whole && b->room >= PART_MIN))
			end = add_frame(u, b, e, end, p, (uint32_t)n);
		if (end < e->len) {
			b->part = end;
			if (b->no_buffer) {
				u->counters.no_buffer++;
				return false;
			}
			u->counters.socket_full += !b->full && !u->socket_stop;
			u->socket_stop |= !b->full;
			return b->full && b->room > 0;
		}
		messages = pw_flog_messages(e);
		b->entries++;
		b->messages += messages;
		at.part = 0;
		if ((e->flags & PW_FLOG_QOS) != 0)
			at.inflight++;
		at.next += messages;
	}
	return true;
}

/* Bytes that TCP may have of this broker's: they lie in packet buffers that its hold bounds. */
static uint32_t
room(const struct pw_upstream *u)
{
	uint32_t least = 4 * PART_MIN, max = RTE_MAX(u->conf->hold_bytes, least);
	uint32_t unacked = pw_tcp_unacked(u->conn), room = pw_tcp_send_room(u->f->tcp, u->conn);

	if (u->conf->hold_bytes == 0)
		return room;
	return RTE_MIN(room, max - RTE_MIN(max, unacked));
}

uint32_t
pw_upstream_pull(struct pw_upstream *u, uint64_t now)
{
	uint32_t moved = 0;
	bool more = true;

	if (u->state == PW_UPSTREAM_CLOSED)
		return 0;
	pw_cursor_scan(&u->cursor);
	(void)paused(u, now);
	while (u->state == PW_UPSTREAM_UP && more && moved < PULL_MAX && allowance(u, now) > 0) {
		const struct pw_flog_entry *e = pw_cursor_peek(&u->cursor);
		struct batch b;

		if ((u->cursor.part == 0 && !pw_upstream_release(u, now)) || e == NULL)
			break;
		if (unfit(u, e, now)) {
			moved++;
			continue;
		}
		b.n = b.bytes = b.entries = b.messages = b.part = 0;
		b.full = b.no_buffer = false;
		b.room = room(u);
		/* A message in parts ties the cursor down: only where it could hardly go otherwise.
		 */
		b.whole = (b.room + pw_tcp_unacked(u->conn)) / 2;
		more = fill(u, &b, now);
		if (!flush(u, &b, now) || b.n == 0)
			break;
		u->socket_stop = u->socket_stop && b.part > 0;
		moved += b.messages;
	}
	pw_upstream_bound(u, now);
	if (moved > 0)
		pw_upstream_arm(u, now);
	return moved;
}
