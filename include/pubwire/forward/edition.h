/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PUBWIRE_FORWARD_EDITION_H
#define PUBWIRE_FORWARD_EDITION_H

/**
 * @file
 * Settings and rules that change while workers run. An edition is what workers go by: read-only,
 * made by the main lcore beside the one in force. Each worker goes over to it between two turns of
 * its loop, so that no packet is handled by half of one and half of the other; what the one before
 * points to is not to be touched until all of them have.
 */

#include <stdbool.h>
#include <stdint.h>

#include <pubwire/forward/access.h>
#include <pubwire/forward/conf.h>

#ifdef __cplusplus
extern "C" {
#endif

struct pw_forward;
struct pw_forward_shared;

/** What an edition is made of; all of it outlives it. */
struct pw_edition_conf {
	/**
	 * May differ from those in force in all but what memory and ports were reserved by, and
	 * what hold.bytes of a broker is 0. Limits on listeners and devices may come only where
	 * there were any at the start. A broker keeps its place as long as pw_forward_brokers() has
	 * it: one that no route names has until the drain deadline for what waits for it.
	 */
	const struct pw_forward_settings *settings;
	const struct pw_access *access; /**< NULL where it was NULL at the start, else not */
	/** By the number of a user in force: who goes on as whom. PW_ACCESS_NOBODY: connections
	 * that this user has proven a password for are closed. NULL: each as the same. */
	const uint32_t *users;
	uint32_t nb_users;
	/** Counts editions, from 0; in each struct pw_auth_request, which names a user by number.
	 */
	uint32_t number;
};

/**
 * Make the next edition; there is none yet that workers still have to take. Main lcore. 0; -EINVAL
 * where settings make no sense or differ in what they may not; -E2BIG, -ENOMEM. On failure nothing
 * has changed.
 */
int pw_forward_renew(struct pw_forward_shared *s, const struct pw_edition_conf *conf)
	__attribute__((warn_unused_result));

/** Go over to it. On the worker's lcore, not within its poll, once a worker; whoever calls has seen
 * to it that what pw_forward_renew() wrote is visible here. */
void pw_forward_adopt(struct pw_forward *f, uint64_t now);

/** Every worker has, and no other thread looks at the edition before: free it. Main lcore. */
void pw_forward_renewed(struct pw_forward_shared *s);

/** True where logs that no route names any more have delivered what they held: an edition of what
 * is in force gives their memory back. Main lcore. */
bool pw_forward_retired(const struct pw_forward_shared *s);

/** Brokers that there are logs for, 1 << index: by routes, or because something waits. Main lcore.
 */
uint32_t pw_forward_brokers(const struct pw_forward_shared *s);

#ifdef __cplusplus
}
#endif

#endif
