/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PW_FORWARD_CURSOR_PVT_H
#define PW_FORWARD_CURSOR_PVT_H

/*
 * One broker's reader of a log: where it stands, and which messages it still owes. Knows nothing of
 * connections; owned by the worker that serves the log.
 *
 *     head .. low .. next .. given/sent .. seen .. tail
 *
 * low    everything below is done for this broker
 * next   what this connection has queued ends here; a rewind puts it back to low
 * sent   what any connection has queued ended here: below it a QoS 1 message is a redelivery
 * given  below it no QoS 0 message is owed: queued once, or given up
 * seen   entries looked at: their marks are right
 *
 * A group is one for a reader too: queued whole, given up whole. Its positions but the first are
 * marked as done from the start.
 *
 * QoS 0 is done when it was queued, QoS 1 when the broker acknowledged it, QoS 2 when it sent
 * PUBCOMP or refused it, what is for nobody at once.
 *
 * A message of QoS 2 that has its PUBREC is not queued again while the broker keeps the session:
 * what is owed is PUBREL. Its identifier is not used for another message before the broker, or its
 * session, has forgotten it.
 *
 * A message that is on the wire ties its slot, and with it the whole ring, to a broker that does
 * not answer. It can be abandoned: it is done, its slot may have another message, but nothing goes
 * out with the slot's identifier on this connection until the answer has come after all.
 */

#include "log_pvt.h"

/* Which messages to give up. */
enum pw_give_up {
	PW_GIVE_UP_OLDEST, /* of routes that drop, until no more than the hold waits */
	PW_GIVE_UP_PINNED, /* the same, until no more packet buffers are kept than may be */
	PW_GIVE_UP_DETACH, /* of routes that detach */
	PW_GIVE_UP_SHARE,  /* of routes that have other brokers */
	PW_GIVE_UP_ALL,	   /* whatever its route says */
	PW_GIVE_UPS,
};

struct pw_cursor {
	struct pw_flog *log;
	uint8_t *marks;	   /* a byte a slot: how far its message is, see cursor.c */
	uint16_t *release; /* a ring, a place a slot: identifiers that PUBREL is owed for */
	uint32_t release_head, release_tail;
	uint32_t broker;
	uint64_t next, low, given, sent, seen;
	uint64_t session;   /* what the broker's session has been sent ends here */
	uint32_t part;	    /* bytes of the message at next that are queued */
	uint32_t inflight;  /* QoS 1 and 2 queued on this connection and not answered */
	uint32_t abandoned; /* of them, those that are given up */
	uint32_t
		abandoned_pins; /* packet buffers that these keep, as long as TCP has their bytes */
	bool abandoned_qos2;	/* there may be some of QoS 2 among them */
	bool resumed;		/* the broker has kept the session of the connection before */
	bool spoilt;		/* it may know identifiers that are given up: it has to forget */

	/* what it owes, and how much of that it may */
	uint64_t accepted; /* messages that it has ever owed */
	uint32_t held;
	uint64_t held_bytes;
	uint32_t held_detach; /* of routes that detach */
	uint32_t hold_messages;
	uint64_t hold_bytes;
	bool bounded;		     /* the hold is configured */
	uint32_t pinned;	     /* packet buffers that what it owes keeps, about */
	uint32_t pinned_told;	     /* of them, those that pinned_all counts */
	uint32_t pinned_own;	     /* so many are always allowed */
	uint32_t pinned_max;	     /* for all logs of the broker together */
	uint32_t *pinned_all;	     /* of all of them, atomic; NULL: there is no bound */
	uint64_t tried[PW_GIVE_UPS]; /* below it nothing is left to give up */
	uint64_t compacted;	     /* nor to copy together */
};

/* Words that marks and releases of a cursor take for a capacity of the log. */
size_t pw_cursor_words(uint32_t capacity);

/* words: pw_cursor_words(), zeroed. The log is empty or was never read by this broker. */
void pw_cursor_init(struct pw_cursor *c, struct pw_flog *l, uint32_t broker, uint64_t *words);

/* How much may wait for this broker; 0: half of the log, and any number of bytes. */
void pw_cursor_hold(struct pw_cursor *c, uint32_t messages, uint32_t bytes);

/* How many packet buffers may be kept for the broker: in all its logs, which are counted in *all,
 * and in any case in this one. */
void pw_cursor_pin(struct pw_cursor *c, uint32_t *all, uint32_t max, uint32_t own);

static inline bool
pw_cursor_pins(const struct pw_cursor *c)
{
	return c->pinned_all != NULL && c->pinned > c->pinned_own &&
	       __atomic_load_n(c->pinned_all, __ATOMIC_RELAXED) + c->pinned - c->pinned_told >
		       c->pinned_max;
}

/* One message alone is never too many bytes: it would not be delivered, however often it came. */
static inline bool
pw_cursor_over(const struct pw_cursor *c)
{
	return c->held > c->hold_messages || (c->held_bytes > c->hold_bytes && c->held > 1);
}

/* Look at what was appended; returns how many messages. */
uint32_t pw_cursor_scan(struct pw_cursor *c);

/* Move to the next message, or group, to queue; NULL where there is none. */
const struct pw_flog_entry *pw_cursor_peek(struct pw_cursor *c);

/* The message, or group, at next is queued whole. */
void pw_cursor_queued(struct pw_cursor *c);

/* It will not be sent to this broker: how it ended for the log. */
enum pw_flog_end pw_cursor_skip(struct pw_cursor *c);

/* True where the message at next was queued before, on a connection that is gone. */
static inline bool
pw_cursor_again(const struct pw_cursor *c)
{
	return c->next < c->sent;
}

/* True where the identifier of the message at next is that of one which is abandoned. */
bool pw_cursor_tied(const struct pw_cursor *c);

/*
 * A PUBACK (qos 1), or a PUBREC that ends the exchange (qos 2): 0, the position, and how it ended
 * for the log; 1 where the message was abandoned; -ENOENT where nothing with this identifier is in
 * flight.
 */
int pw_cursor_acked(struct pw_cursor *c, uint16_t packet_id, uint8_t qos, uint64_t *pos,
		    enum pw_flog_end *end);

/*
 * A PUBREC came, whose PUBREL is now owed. 1: the log's owner is to be told of the position; 0: it
 * knows, or the message was abandoned; -ENOENT: nothing with this identifier is in flight, PUBREL
 * is owed all the same; -EBADMSG: more of them than there are identifiers.
 */
int pw_cursor_received(struct pw_cursor *c, uint16_t packet_id, uint64_t *pos);

/* A PUBCOMP came: 0 and the position; 1 where the message was abandoned; or -ENOENT. */
int pw_cursor_completed(struct pw_cursor *c, uint16_t packet_id, uint64_t *pos);

/* Identifiers that PUBREL is owed for, oldest first; known: the exchange stands there. */
static inline bool
pw_cursor_releases(const struct pw_cursor *c)
{
	return c->release_head != c->release_tail;
}
uint16_t pw_cursor_release(const struct pw_cursor *c, uint32_t n, bool *known);

/* A connection begins; resumed: the broker has kept the session of the one before. */
void pw_cursor_resume(struct pw_cursor *c, bool resumed);

/* True where a PUBACK (qos 1) or a PUBREC (qos 2) that refuses finds its message in flight: it is
 * still owed, is sent again after a rewind, and not looked for until then. */
bool pw_cursor_refused(struct pw_cursor *c, uint16_t packet_id, uint8_t qos);

/* Start again at the oldest message that this broker owes; nothing else is in flight. */
void pw_cursor_rewind(struct pw_cursor *c);

/* The connection is gone: start again, on the next one. */
void pw_cursor_suspend(struct pw_cursor *c);

/*
 * True where the oldest message that could be given up is half on the wire: it has to be completed,
 * or the connection given up with it.
 */
static inline bool
pw_cursor_midway(const struct pw_cursor *c)
{
	return c->part > 0 && c->given == c->next &&
	       (pw_flog_at(c->log, c->next)->flags & (PW_FLOG_QOS | PW_FLOG_KEEP)) == 0;
}

/*
 * Give up QoS 0 messages, oldest first, until no more than `keep` entries lie between given and the
 * end. Stops at a message that may not be given up. Returns how many.
 */
uint32_t pw_cursor_shed(struct pw_cursor *c, uint64_t keep);

/* Called for each message, or group, that is given up; counted: after its PUBREC. */
typedef void (*pw_cursor_fn)(void *ctx, uint64_t pos, bool counted);

/* Give up messages, oldest first. What is on the wire stays: its identifier is in use on this
 * connection, that of QoS 2 perhaps in this session. Returns how many. */
uint32_t pw_cursor_give_up(struct pw_cursor *c, enum pw_give_up what, pw_cursor_fn fn, void *ctx);

/* What keeps a log short of places. */
enum pw_cursor_holder {
	PW_HOLDER_NONE,
	PW_HOLDER_CONNECTION, /* a message that is half sent, or that the session may know of */
	PW_HOLDER_DETACH,     /* one of a route that detaches */
	PW_HOLDER_BLOCK,      /* one that may not be given up */
};

struct pw_cursor_relief {
	uint32_t waiting;    /* messages given up before they were sent */
	uint32_t unanswered; /* and those that were abandoned */
	enum pw_cursor_holder holder;
};

/*
 * The log is short of places because of this reader: give up messages of routes that drop, oldest
 * first, on the wire or not, until no more than `keep` entries lie between low and the end, or one
 * cannot be given up.
 */
struct pw_cursor_relief pw_cursor_relieve(struct pw_cursor *c, uint64_t keep, pw_cursor_fn fn,
					  void *ctx);

/* TCP has no bytes any more of what was abandoned until now. */
void pw_cursor_unpin(struct pw_cursor *c);

/* A message that was looked at is owed to this broker. */
bool pw_cursor_owes(const struct pw_cursor *c, uint64_t pos);

/* A message keeps another number of packet buffers than when it was looked at. */
void pw_cursor_repin(struct pw_cursor *c, uint64_t pos, uint32_t before, uint32_t pins);

/* Tell the log's owner where this reader stands. */
void pw_cursor_publish(struct pw_cursor *c);

#endif
