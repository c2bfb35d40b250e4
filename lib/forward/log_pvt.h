/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PW_FORWARD_LOG_PVT_H
#define PW_FORWARD_LOG_PVT_H

/*
 * The forward log: a bounded ring of messages with one producer, the device worker that owns it,
 * and a reader per broker (cursor_pvt.h), on the same lcore or on another one.
 *
 * A position counts messages from the start of the process and never wraps; its slot is position &
 * mask, its packet identifier on every broker is slot + 1, so an acknowledgement finds its message
 * by index and an identifier is not used again while its slot is occupied.
 *
 * Messages of QoS 0 may stand in one entry, as a group (group.c): the entry is in the slot of the
 * first, the slots of the others are taken but never looked at. So differences of positions are
 * numbers of messages, and bounds hold as if each stood alone; who walks the log goes on by
 * pw_flog_messages(), and positions that producer and readers tell each other are such of entries.
 *
 * Who writes what. The producer writes entries, `tail` (release, pairs with the acquire in
 * pw_cursor_scan) and `head`. A reader writes only its own line: `given` (every QoS 0 message for
 * this broker below it is queued there or given up) and `low` (the reader will not look at anything
 * below it again), both release, paired with the acquires in pw_flog_sweep and pw_flog_trim. Fields
 * of an entry that change after publication (pending, state, reason, next) are the producer's
 * alone, but `given_up`: the readers of a log share one lcore and write it before they publish
 * `given` or report that a message was given up.
 *
 * QoS 2 completes for a broker in two steps: with its PUBREC the broker has the message, as far as
 * the rule goes; with its PUBCOMP the packet identifier, and so the slot, is free again. The bytes
 * stay until then, for a broker that loses its session is sent them again.
 *
 * Two things happen to an entry, in either order. It is done when no broker needs it: its buffers
 * are let go. It is answered when its device may be told how it went, because enough brokers have
 * it or too few can still have it; then the device is told, or is gone. Where both have happened
 * the slot may be used again, once it is the oldest. An acknowledgement that waits for its turn
 * behind one of another log does not keep it: where the log fills, what is left of the message is
 * parked with the device's worker (ack.c).
 */

#include <pubwire/base/ring.h>
#include <pubwire/forward/conf.h>

#include "run_pvt.h"

#define PW_FLOG_NONE UINT32_MAX /* no message */

/* Of a reference to a message: it is in no log any more, or never was; its index in the pool of
 * those follows. expiry_at of such an entry is the number of its log. */
#define PW_FLOG_PARKED (1u << 31)

/* Logs of a worker and lane that references can tell apart. */
#define PW_FLOG_NUMBERS (1u << 15)

/* Flags: fixed at publication, read by all. */
#define PW_FLOG_QOS    0x03u
#define PW_FLOG_RETAIN 0x04u
#define PW_FLOG_KEEP   0x08u /* a reader may not give it up: its route blocks */
#define PW_FLOG_NOBODY 0x10u /* in no log: for no broker */
#define PW_FLOG_SHARE  0x80u /* others take it where its broker is lost */
#define PW_FLOG_DETACH 0x40u /* a reader gives it up with all others, and stays away */
#define PW_FLOG_ALL    0x20u /* its rule hears every broker out before it says no */

/* States: the producer's. */
#define PW_FLOG_DONE	 0x01u /* no broker needs it */
#define PW_FLOG_ANSWERED 0x02u /* its device may be told how it went */
#define PW_FLOG_TOLD	 0x04u /* and has been, or is gone */
#define PW_FLOG_HAD	 0x08u /* a broker has it */
#define PW_FLOG_MATCHED	 0x10u /* and one of those has subscribers for it */
#define PW_FLOG_LOST	 0x20u /* a reader gave it up */

/* What PUBACK says when no broker has a subscriber: MQTT 5.0 3.4.2.1. */
#define PW_FLOG_REASON_NONE 0x10u

struct pw_flog_entry {
	struct pw_slice first; /* held; mbuf NULL where the frame was let go or never was; aux:
				* see pw_flog_aux() */
	struct pw_run *more;   /* further slices */
	pw_handle origin;      /* session, 0 for nobody */
	uint64_t arrival;      /* ns */
	uint32_t next;	       /* the same session's next message in flight, see pw_flog_ref() */
	uint32_t pending;      /* brokers that have not completed it */
	uint32_t len;	       /* bytes of the frame */
	uint32_t expiry_at; /* where the Message Expiry Interval's four bytes stand, 0: nowhere */
	uint16_t dev_id;    /* the device's packet identifier */
	uint8_t need;	    /* brokers that must yet have it before the rule is met */
	union {
		uint8_t received; /* QoS 2: brokers among `pending` that the rule has counted
				     already */
		uint8_t further;  /* QoS 0: messages beside the first; see pw_flog_messages() */
	};
	uint8_t flags;
	uint8_t state;
	uint8_t reason;	  /* the worst of those that refused it */
	uint8_t given_up; /* QoS 0: brokers that it was given up for; the readers', see below */
};

static_assert(sizeof(struct pw_flog_entry) == 64, "an entry is one cache line");

#define PW_GROUP_MAX   256  /* messages in one entry */
#define PW_GROUP_BYTES 2048 /* of them together: they lie in one packet buffer, also as a copy */

/* Messages in an entry. */
static inline uint32_t
pw_flog_messages(const struct pw_flog_entry *e)
{
	return (e->flags & PW_FLOG_QOS) == 0 ? e->further + 1u : 1;
}

/* first.aux: the route, and the packet buffers that the message keeps and the one before it does
 * not: of the largest packet, 2^28 bytes in pieces of 1 KiB, 2^18. */
static inline uint32_t
pw_flog_aux(uint32_t route, uint32_t pins)
{
	return route << 23 | RTE_MIN(pins, (1u << 23) - 1);
}

static inline uint32_t
pw_flog_route(const struct pw_flog_entry *e)
{
	return e->first.aux >> 23;
}

static inline uint32_t
pw_flog_pins(const struct pw_flog_entry *e)
{
	return e->first.aux & ((1u << 23) - 1);
}

static_assert(PW_FORWARD_MAX_ROUTES <= 1 << 9, "a route fits beside them");

/* What a broker's reader publishes; its own cache line. */
struct pw_flog_reader {
	uint64_t given;
	uint64_t low;
	uint64_t limit;	     /* a message appended from here on is beyond its hold, if it has one */
	uint64_t over_at;    /* ns: since when nothing more may be appended, 0: something may */
	uint32_t max_packet; /* 0: no limit known */
	uint8_t up;	     /* CONNACK accepted */
	uint8_t no_retain;   /* Retain Available 0 */
	uint8_t max_qos;     /* Maximum QoS, where `up` */
	uint8_t closed;	     /* drained: nothing will be taken any more */
} __attribute__((aligned(64)));

/* How a message ended for a broker. */
enum pw_flog_end {
	PW_FLOG_ACKED,	  /* it answered, or can't have it: success or not by the reason */
	PW_FLOG_GIVEN_UP, /* more waited for it than its hold allows */
	PW_FLOG_DETACHED, /* the same, and by the operator's choice `all` does without it */
	PW_FLOG_RECEIVED, /* PUBREC: it has the message, and completes it later */
	PW_FLOG_RELEASED, /* PUBCOMP, or no more to come, after PW_FLOG_RECEIVED */
};

/* A completion on its way to the log's owner. */
struct pw_flog_done {
	uint32_t pos; /* low half; the owner knows the rest */
	uint8_t broker;
	uint8_t end; /* enum pw_flog_end */
	uint8_t reason;
	uint8_t pad;
};

struct pw_flog {
	/* fixed after creation */
	struct pw_flog_entry *entry;
	uint32_t mask;
	uint32_t brokers; /* a reader for each; every message is for all of them */
	uint32_t worker;  /* owner */
	uint32_t server;  /* worker that runs the readers */
	enum pw_lane lane;
	uint16_t number; /* among the logs of its worker and lane */
	uint16_t set;	 /* of brokers */
	uint16_t pool;	 /* among the logs of this set */
	uint16_t pool_size;
	bool alone;   /* it was the only one of its lane: its connections bear no number */
	bool remote;  /* server is another worker: completions come by ring */
	bool bounded; /* a reader has a hold */
	struct pw_ring done;
	struct pw_pool *blocks; /* of the owner */

	/* published by the producer */
	uint64_t tail __attribute__((aligned(64)));
	uint8_t closed;	  /* nothing will be appended any more */
	uint8_t lost;	  /* the broker's share has gone to others: its reader gives it up */
	uint8_t retiring; /* nothing will be appended any more: readers leave once they are done */
	uint8_t gone;	  /* and nothing of it is used any more by its owner */

	/* the producer's */
	uint64_t head __attribute__((aligned(64)));
	uint32_t outstanding;	     /* QoS 0: some broker still needs it; QoS 1: not answered */
	uint32_t trailing;	     /* QoS 1, answered, but some broker still needs it */
	uint32_t qos0;		     /* entries that are not done */
	uint32_t shares;	     /* the same, of routes that have other brokers for them */
	uint64_t newest;	     /* position of the newest entry */
	const struct rte_mbuf *last; /* in which it ends; not to be followed */
	bool awaited;		     /* a device that waits found no place when it was last read */
	bool usable;		     /* the broker, where it is one, may have its share */
	uint64_t since;		     /* ns: when it was first seen otherwise, 0: it was not */
	uint64_t back_at;	     /* ns: when it became usable again */
	uint64_t guest_at;	     /* ns: when it last took what prefers another broker */
	uint32_t owed;		     /* answered, but its device has not been told */
	uint64_t swept[PW_FORWARD_MAX_BROKERS]; /* QoS 0 looked at for this broker */

	struct pw_flog_reader reader[PW_FORWARD_MAX_BROKERS];
};

/* How a line of the log names a log's connection, in the words of telemetry (log_worker). */
#define PW_FLOG_ID "log of worker %u, %s, set %u, pool %u"
#define PW_FLOG_ID_OF(l)                                                                           \
	(l)->worker, (l)->lane == PW_LANE_5 ? "5.0" : "3.1.1", (uint32_t)(l)->set,                 \
		(uint32_t)(l)->pool

/* Called for each QoS 0 entry that is complete; its buffers go by the end of the sweep. */
typedef void (*pw_flog_fn)(void *ctx, const struct pw_flog *l, const struct pw_flog_entry *e);

/* Reserve the entries, and a completion ring where the readers run elsewhere. 0 or -errno. */
int pw_flog_init(struct pw_flog *l, const char *name, uint32_t capacity, uint32_t brokers,
		 bool remote, int socket);

/* Bytes that pw_flog_init() reserves, the log itself not counted. */
size_t pw_flog_bytes(uint32_t capacity, uint32_t brokers, bool remote);

/* Let every buffer go and free the memory; returns messages that were not complete. */
uint32_t pw_flog_fini(struct pw_flog *l);

/* Forget all messages: those whose device was not told are given up. Returns how many. Readers have
 * stopped. */
uint32_t pw_flog_abandon(struct pw_flog *l);

/* QoS 0, complete: no broker was given it. */
static inline bool
pw_flog_wasted(const struct pw_flog *l, const struct pw_flog_entry *e)
{
	return e->given_up == __builtin_popcount(l->brokers);
}

/* A message among those of a worker and lane: log and slot. */
static inline uint32_t
pw_flog_ref(const struct pw_flog *l, uint64_t pos)
{
	return (uint32_t)l->number << 16 | (uint32_t)(pos & l->mask);
}

static inline struct pw_flog_entry *
pw_flog_at(const struct pw_flog *l, uint64_t pos)
{
	return &l->entry[pos & l->mask];
}

/* Producer only. */
static inline bool
pw_flog_full(const struct pw_flog *l)
{
	return l->tail - l->head > l->mask;
}

/* Messages from this position on are beyond a reader's hold. Producer only. */
static inline uint64_t
pw_flog_limit(const struct pw_flog *l)
{
	uint64_t limit = UINT64_MAX;

	if (!l->bounded)
		return limit;
	for (uint32_t m = l->brokers; m != 0; m &= m - 1)
		limit = RTE_MIN(limit, __atomic_load_n(&l->reader[__builtin_ctz(m)].limit,
						       __ATOMIC_RELAXED));
	return limit;
}

/* One message more is. */
static inline bool
pw_flog_over(const struct pw_flog *l)
{
	return l->tail >= pw_flog_limit(l);
}

/* Packet identifier that the next message will have. */
static inline uint16_t
pw_flog_next_id(const struct pw_flog *l)
{
	return (uint16_t)((l->tail & l->mask) + 1);
}

/*
 * Append: the references in e pass to the log, which has room for its messages. It is pending at
 * all brokers; one whose rule needs no broker is answered at once. Returns its position.
 */
uint64_t pw_flog_publish(struct pw_flog *l, const struct pw_flog_entry *e);

/*
 * A broker has completed a message of QoS 1 or 2, or a step of it. True where that answered it: the
 * device is owed its acknowledgement, after which comes pw_flog_told(). Once no broker needs it the
 * buffers are gone, and, where the device was told before, the message with them. A position or a
 * broker that owes nothing changes nothing.
 */
bool pw_flog_complete(struct pw_flog *l, uint64_t pos, uint32_t broker, enum pw_flog_end end,
		      uint8_t reason);

/*
 * A broker has given up an entry of QoS 0 before its reader could say so by `given`, which stands
 * in front of another one. True where no broker needs it any more: its buffers are gone. One that
 * `given` has passed meanwhile is not there any more.
 */
bool pw_flog_forgo(struct pw_flog *l, uint64_t pos, uint32_t broker);

/* The device of an answered message has its acknowledgement or is gone. */
void pw_flog_told(struct pw_flog *l, uint64_t pos);

/* Answered and done, but its device waits for its turn: what is left of it goes elsewhere, and the
 * slot may be used again. The log still counts it as owed. */
void pw_flog_part(struct pw_flog *l, uint64_t pos);

/* The device of such a message has been told. */
void pw_flog_parted_told(struct pw_flog *l);

/* Answered, and the rule was not met. */
static inline bool
pw_flog_refused(const struct pw_flog_entry *e)
{
	return e->need > 0;
}

/* What PUBACK says of an answered message. */
static inline uint8_t
pw_flog_reason(const struct pw_flog_entry *e)
{
	if (pw_flog_refused(e) || (e->flags & PW_FLOG_NOBODY))
		return e->reason;
	return (e->state & (PW_FLOG_HAD | PW_FLOG_MATCHED)) == PW_FLOG_HAD ? PW_FLOG_REASON_NONE
									   : 0;
}

/* The position of which a completion carries the low half. */
static inline uint64_t
pw_flog_widen(const struct pw_flog *l, uint32_t low)
{
	return l->head + (uint32_t)(low - (uint32_t)l->head);
}

/* Position of an occupied slot. Producer only. */
static inline uint64_t
pw_flog_pos(const struct pw_flog *l, uint32_t slot)
{
	return l->head + ((slot - (uint32_t)l->head) & l->mask);
}

/* Complete the QoS 0 messages that every broker was given. Returns how many. */
uint32_t pw_flog_sweep(struct pw_flog *l, pw_flog_fn fn, void *ctx);

/* Advance head over what is free and what no reader looks at any more. */
void pw_flog_trim(struct pw_flog *l);

#endif
