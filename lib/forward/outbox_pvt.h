/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PW_FORWARD_OUTBOX_PVT_H
#define PW_FORWARD_OUTBOX_PVT_H

/*
 * Messages to other workers that could not be posted yet, in their order. Bounded, so that what
 * may not be lost always has a place: the RELEASE of a session, without which an identifier would
 * be lost, and the messages about offers. Others leave as many places free as those may need:
 * sessions release once each, and there are no more than `max_sessions` of them; a worker has
 * PW_DIR_OFFERS offers under way, each of which is one message somewhere.
 */

#include "forward_pvt.h"

int pw_outbox_create(struct pw_forward *f);
void pw_outbox_destroy(struct pw_forward *f);
/* Messages that may be lost have room for n more. */
bool pw_outbox_room(const struct pw_forward *f, uint32_t n);
/* False where it had no room; sure: it may not be lost, and has. */
bool pw_outbox_post(struct pw_forward *f, uint32_t worker, const struct pw_forward_msg *msg,
		    bool sure);

#endif
