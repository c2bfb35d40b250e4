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
 * Who writes what. The producer writes entries, `tail` (release, pairs with the acquire in
 * pw_cursor_scan) and `head`. A reader writes only its own line: `given` (every QoS 0 message for
 * this broker below it is queued there or given up) and `low` (the reader will not look at anything
 * below it again), both release, paired with the acquires in pw_flog_sweep and pw_flog_trim. Fields
 * of an entry that change after publication (pending, state, reason, next) are the producer's
 * alone, but `given_up`: the readers of a log share one lcore and write it before they publish
 * `given`.
 *
 * An entry passes through: published -> done (no broker needs it, its buffers are let go) -> free
 * (its device has its acknowledgement too, the slot may be used again once it is the oldest).
 */

#include <pubwire/base/ring.h>
#include <pubwire/forward/conf.h>

#include "run_pvt.h"

#define PW_FLOG_NONE UINT32_MAX /* no message */

/* Flags: fixed at publication, read by all. */
#define PW_FLOG_QOS    0x03u
#define PW_FLOG_RETAIN 0x04u
#define PW_FLOG_KEEP   0x08u /* QoS 0 of a route that blocks: a reader may not give it up */
#define PW_FLOG_NOBODY 0x10u /* for no broker: a place in the order of its session */

/* States: the producer's. */
#define PW_FLOG_DONE 0x01u
#define PW_FLOG_FREE 0x02u

/* No broker has answered yet, and what PUBACK says when none has a subscriber: MQTT 5.0 3.4.2.1. */
#define PW_FLOG_REASON_NONE 0x10u

struct pw_flog_entry {
	struct pw_slice first; /* held; mbuf NULL where the frame was let go or never was */
	struct pw_run *more;   /* further slices */
	pw_handle origin;      /* session, 0 for nobody */
	uint64_t arrival;      /* ns */
	uint32_t next;	       /* the same session's next message in flight, see pw_flog_ref() */
	uint32_t pending;      /* brokers that have not completed it */
	uint32_t len;	       /* bytes of the frame */
	uint32_t expiry_at; /* where the Message Expiry Interval's four bytes stand, 0: nowhere */
	uint16_t dev_id;    /* the device's packet identifier */
	uint16_t pad;
	uint8_t flags;
	uint8_t state;
	uint8_t reason;	  /* of all brokers so far */
	uint8_t given_up; /* QoS 0: brokers that it was given up for; the readers', see below */
};

static_assert(sizeof(struct pw_flog_entry) == 64, "an entry is one cache line");

/* What a broker's reader publishes; its own cache line. */
struct pw_flog_reader {
	uint64_t given;
	uint64_t low;
	uint32_t max_packet; /* 0: no limit known */
	uint8_t up;	     /* CONNACK accepted */
	uint8_t no_retain;   /* Retain Available 0 */
	uint8_t no_qos1;     /* Maximum QoS 0 */
	uint8_t closed;	     /* drained: nothing will be taken any more */
} __attribute__((aligned(64)));

/* A completion on its way to the log's owner. */
struct pw_flog_done {
	uint32_t pos; /* low half; the owner knows the rest */
	uint8_t broker;
	uint8_t reason;
	uint16_t pad;
};

struct pw_flog {
	/* fixed after creation */
	struct pw_flog_entry *entry;
	uint32_t mask;
	uint32_t brokers; /* a reader for each; every message is for all of them, or for nobody */
	uint32_t worker;  /* owner */
	uint32_t server;  /* worker that runs the readers */
	enum pw_lane lane;
	uint16_t number; /* among the logs of its worker and lane */
	uint16_t set;	 /* of brokers */
	uint16_t pool;	 /* among the logs of this set */
	bool remote;	 /* server is another worker: completions come by ring */
	struct pw_ring done;
	struct pw_pool *blocks; /* of the owner */

	/* published by the producer */
	uint64_t tail __attribute__((aligned(64)));
	uint8_t closed; /* nothing will be appended any more */

	/* the producer's */
	uint64_t head __attribute__((aligned(64)));
	uint32_t outstanding; /* messages that some broker still needs */
	uint32_t qos0;	      /* of them, QoS 0 */
	uint32_t owed;	      /* complete QoS 1 messages whose device has no acknowledgement yet */
	uint64_t swept[PW_FORWARD_MAX_BROKERS]; /* QoS 0 looked at for this broker */

	struct pw_flog_reader reader[PW_FORWARD_MAX_BROKERS];
};

/* Called for each QoS 0 message that is complete; its buffers are gone already. */
typedef void (*pw_flog_fn)(void *ctx, const struct pw_flog *l, const struct pw_flog_entry *e);

/* Reserve the entries, and a completion ring where the readers run elsewhere. 0 or -errno. */
int pw_flog_init(struct pw_flog *l, const char *name, uint32_t capacity, uint32_t brokers,
		 bool remote, int socket);

/* Bytes that pw_flog_init() reserves, the log itself not counted. */
size_t pw_flog_bytes(uint32_t capacity, uint32_t brokers, bool remote);

/* Let every buffer go and free the memory; returns messages that were not complete. */
uint32_t pw_flog_fini(struct pw_flog *l);

/* Forget all messages: those not complete are given up. Returns how many. Readers have stopped. */
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

/* Packet identifier that the next message will have. */
static inline uint16_t
pw_flog_next_id(const struct pw_flog *l)
{
	return (uint16_t)((l->tail & l->mask) + 1);
}

/*
 * Append: the references in e pass to the log; the log is not full. It is pending at all brokers;
 * one that is for nobody is done at once and waits to be freed. Returns its position.
 */
uint64_t pw_flog_publish(struct pw_flog *l, const struct pw_flog_entry *e);

/*
 * A broker has completed a QoS 1 message. True where that was the last one: the buffers are gone
 * and the device is owed its acknowledgement, after which comes pw_flog_free(). A position or a
 * broker that owes nothing changes nothing.
 */
bool pw_flog_complete(struct pw_flog *l, uint64_t pos, uint32_t broker, uint8_t reason);

/* The device has its acknowledgement or is gone. */
void pw_flog_free(struct pw_flog *l, uint64_t pos);

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
