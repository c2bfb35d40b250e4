/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PW_FORWARD_EXCHANGE_PVT_H
#define PW_FORWARD_EXCHANGE_PVT_H

/*
 * QoS 2 from devices: the packet identifiers of a session that are in use, from the first PUBLISH
 * to PUBREL. A PUBLISH with one of them is the same message again [MQTT-4.3.3-10]: it is answered,
 * and not forwarded.
 *
 *     PUBLISH -> PENDING -> PUBREC -> RELEASE -> PUBREL, PUBCOMP -> forgotten
 *
 * Where the connection ends and the session stays, what is PENDING becomes LOOSE, and ANSWERED once
 * its rule is decided; the device sends PUBLISH again, and has its PUBREC then.
 */

#include <pubwire/base/pool.h>

#include "hash_pvt.h"

enum pw_exchange_state {
	PW_EXCHANGE_FREE,
	PW_EXCHANGE_PENDING,  /* its message is on the session's list, PUBREC comes in its turn */
	PW_EXCHANGE_LOOSE,    /* its message is in a log, and on no list */
	PW_EXCHANGE_ANSWERED, /* how it went is known, and the device was not told */
	PW_EXCHANGE_RELEASE,  /* PUBREC has gone, PUBREL is awaited */
};

struct pw_exchange {
	uint32_t ref; /* of its message, see pw_flog_ref() */
	uint16_t id;
	uint8_t state : 7; /* enum pw_exchange_state */
	/* ANSWERED: it was given up here; see pw_exchanges_copy(). */
	uint8_t lost : 1;
	/* ANSWERED: what PUBREC is to say. RELEASE: 1 where PUBREC went on a connection before this
	 * one, whose Receive Maximum is not this one's (5.0 4.9). */
	uint8_t reason;
};

#define PW_EXCHANGES_BLOCK 7
#define PW_EXCHANGES_MAX   4096 /* of one session */

/* Some of a session's exchanges. */
struct pw_exchanges {
	struct pw_exchanges *next;
	struct pw_exchange x[PW_EXCHANGES_BLOCK];
};

static_assert(sizeof(struct pw_exchanges) == 64, "a block is one cache line");

struct pw_forward;
struct pw_session;

/* Blocks for a number of sessions that may have any: two of them each. */
static inline uint32_t
pw_exchanges_blocks(uint32_t sessions)
{
	return 2 * sessions + 256;
}

/* NULL where the session has none with this identifier. */
struct pw_exchange *pw_exchange_find(const struct pw_session *s, uint16_t id);
/* A new one, PENDING; NULL where there is no room. */
struct pw_exchange *pw_exchange_begin(struct pw_forward *f, struct pw_session *s, uint16_t id);
/* Its PUBREC, which says that all is well, has gone. */
void pw_exchange_received(struct pw_session *s, struct pw_exchange *x);
void pw_exchange_end(struct pw_forward *f, struct pw_session *s, struct pw_exchange *x);
/* They go over to the next session of the client, in the same logs; false where there is no memory.
 */
bool pw_exchanges_move(struct pw_forward *f, struct pw_session *from, struct pw_session *to);
/* Some of its messages have no outcome yet. */
bool pw_exchanges_open(const struct pw_session *s);
/*
 * They, all of which have an outcome, go over to a session of another log; first is perhaps another
 * worker's, and stays. What was given up a 3.1.1 device is to send again, as another message: such
 * ones are left out. False where there is no memory, and nothing has changed.
 */
bool pw_exchanges_copy(struct pw_forward *f, const struct pw_exchanges *first,
		       struct pw_session *to);
/* Forget all of them. */
void pw_exchanges_drop(struct pw_forward *f, struct pw_session *s);

#endif
