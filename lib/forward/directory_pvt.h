/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PW_FORWARD_DIRECTORY_PVT_H
#define PW_FORWARD_DIRECTORY_PVT_H

/* What workers tell each other of client identifiers; directory.c says in which order. */

#include <pubwire/base/pool.h>
#include <pubwire/forward/forward.h>

#include "hash_pvt.h"

struct pw_exchanges;
struct pw_session;

enum pw_dir_kind {
	PW_DIR_CLAIM,
	PW_DIR_RELEASE,
	PW_DIR_EVICT,
	PW_DIR_GRANT,
	PW_DIR_DENY,
	PW_DIR_REFUSE,
	PW_DIR_OFFER,
	PW_DIR_TOOK,
	PW_DIR_DECLINED,
	PW_DIR_FREED,
	PW_DIR_KEEP,
};

/* Why a claimant is denied the client identifier. */
enum pw_dir_why {
	PW_DIR_FULL,	  /* no room for it in the directory */
	PW_DIR_NO_PLACE,  /* its listener is full, and the holder has no place to give */
	PW_DIR_UNSETTLED, /* brokers have not answered messages of QoS 2 of the session that it
			   * goes on with */
};

struct pw_dir_msg {
	uint8_t kind;
	uint8_t clean;	    /* of the claim */
	uint16_t worker;    /* of the session that `handle` names */
	uint16_t by_worker; /* likewise */
	uint8_t lane;	    /* of the claim */
	/* A listener plus one. CLAIM, EVICT: of which the claimant needs the holder's place.
	 * RELEASE, OFFER, GRANT: the holder's place, which goes over. */
	uint8_t place;
	struct pw_hash128 hash;
	pw_handle handle;
	pw_handle by; /* EVICT, REFUSE, OFFER: who claims; GRANT: who offers */
	/* Of an offer and all that follows from it: the holder's, lent; never NULL there. */
	const struct pw_exchanges *exchanges;
	uint8_t why; /* REFUSE, DENY: enum pw_dir_why */
	uint8_t pad[7];
};

#define PW_DIR_OFFERS 64 /* of one worker, under way */

static_assert(sizeof(struct pw_dir_msg) <= sizeof(struct pw_forward_msg), "fits a message");

int pw_dir_create(struct pw_forward *f);
/* Bytes of the directory's places for a number of sessions. */
size_t pw_dir_bytes(uint32_t sessions);
void pw_dir_destroy(struct pw_forward *f);
/* Ask for a client identifier; pw_session_granted() follows, perhaps before this returns. */
void pw_dir_claim(struct pw_forward *f, struct pw_session *s, uint64_t now);
void pw_dir_release(struct pw_forward *f, struct pw_session *s, uint64_t now);
/* Offer its exchanges to its heir; pw_session_answered() follows, perhaps before this returns. */
void pw_dir_offer(struct pw_forward *f, struct pw_session *s, uint64_t now);
/* Somebody who claims can't have the identifier. */
void pw_dir_refuse(struct pw_forward *f, struct pw_session *s, pw_handle by, uint32_t by_worker,
		   enum pw_dir_why why, uint64_t now);
/* A message of another worker. */
void pw_dir_receive(struct pw_forward *f, const struct pw_forward_msg *msg, uint64_t now);
/* Post what could not be posted. Returns how many went out. */
uint32_t pw_dir_flush(struct pw_forward *f);
/* True while so much waits to be posted that no further CONNECT is taken. */
bool pw_dir_busy(const struct pw_forward *f);

#endif
