/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PW_FORWARD_EDITION_PVT_H
#define PW_FORWARD_EDITION_PVT_H

#include "forward_pvt.h"

/* Routes and logs. NULL with *rc. */
struct pw_edition *pw_edition_create(struct pw_forward_shared *s,
				     const struct pw_edition_conf *conf, int *rc);
/* With the logs that `but` has not; NULL: with all. */
void pw_edition_free(struct pw_forward_shared *s, struct pw_edition *e, struct pw_edition *but);

/* What a worker looks at, of this edition from here on. */
void pw_edition_set(struct pw_forward *f, const struct pw_edition *e);

/* Look at some of the sessions under the edition that was adopted. */
void pw_edition_sweep(struct pw_forward *f, uint64_t now);

/* logs.c */
/* Take logs over from the edition in force, and make those that it has not. 0 or -errno. */
int pw_edition_logs(struct pw_forward_shared *s, struct pw_edition *e);
/* The same for the connections that a worker serves. */
int pw_edition_upstreams(struct pw_forward *f, struct pw_edition *e);
/* Free what `but` has not. */
void pw_edition_logs_free(struct pw_forward_shared *s, struct pw_edition *e,
			  struct pw_edition *but);
/* True where logs that retire have come to their end: the next edition will be without them. */
bool pw_logs_retired(const struct pw_forward_shared *s);

/* Brokers of all others. */
uint32_t pw_logs_brokers(const struct pw_forward_shared *s);

/* retire.c */
/* Logs that retire, and brokers that are removed, for a worker that has some. */
void pw_retire_step(struct pw_forward *f, uint64_t now);
/* How long a device waits for what it sent before the routes changed. */
#define PW_MOVE_WAIT (2 * PW_NS_S)
/* Whether something from before the routes changed is left, and may still be waited for. */
void pw_move_check(struct pw_forward *f, uint64_t now);

#endif
