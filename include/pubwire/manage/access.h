/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PUBWIRE_MANAGE_ACCESS_H
#define PUBWIRE_MANAGE_ACCESS_H

/**
 * @file
 * The password file and the ACL file, and the verification of passwords. Main lcore only: what
 * crypt(3) does for one password takes milliseconds.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <pubwire/base/counter.h>
#include <pubwire/forward/access.h>
#include <pubwire/manage/config.h>
#include <pubwire/worker/worker.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Tables that were loaded; nothing points into the struct itself. */
struct pw_access_files {
	struct pw_access access;
	uint64_t (*good)[2]; /**< by user: digest of what was found right, for the authenticator */
	uint64_t digest;     /**< of both files' bytes */
	bool acl_unread;     /**< after a load that failed: it was the ACL file that was not read */
	void *text[2], *tables;
	size_t text_len[2], tables_len;
	/** After pw_access_follow(), by the number of a user before: the number of who has that
	 * name, and of who has that name and that hash; PW_ACCESS_NOBODY. */
	uint32_t *named, *same;
	uint32_t nb_before;
};

/**
 * Load and check both files.
 *
 * @param err  receives one line: "FILE:LINE:COLUMN: what is wrong; expected ...", or without a
 *             place where the file could not be read at all
 * @return     0; -EINVAL refused; -errno of opening one, with err; pw_access_unload() releases
 */
int pw_access_load(struct pw_access_files *files, const struct pw_access_conf *conf, char *err,
		   size_t err_len) __attribute__((warn_unused_result));

/** Find out who of the tables in force is who in the next ones, which are to know what was found
 * right of those who are the same. 0 or -ENOMEM. */
int pw_access_follow(struct pw_access_files *next, const struct pw_access_files *prev)
	__attribute__((warn_unused_result));

/** Release; no worker goes by them. Fine for a zeroed struct. */
void pw_access_unload(struct pw_access_files *files);

#define PW_AUTH_QUEUE	256  /**< passwords that wait for crypt(3) */
#define PW_AUTH_REFUSED 4096 /**< wrong ones that are remembered */

#define PW_AUTH_COUNTERS(X)                                                                        \
	X(verified, "Passwords held against their hash")                                           \
	X(remembered, "Passwords that were found right or wrong before")                           \
	X(wrong, "Passwords that were wrong")                                                      \
	X(full, "Passwords that were not taken because too many waited")                           \
	X(late, "Passwords whose device had stopped waiting")

PW_COUNTER_STRUCT(pw_auth_counters, PW_AUTH_COUNTERS);

/** Verifies passwords. Large; zeroed before pw_auth_init(). */
struct pw_authenticator {
	const struct pw_access_files *files;
	uint32_t edition; /**< of the numbers of users */
	struct pw_auth_request queue[PW_AUTH_QUEUE];
	uint32_t head, tail;
	uint64_t refused[PW_AUTH_REFUSED][2];
	struct pw_auth_counters counters; /**< any thread may read, and head and tail */
};

void pw_auth_init(struct pw_authenticator *a, const struct pw_access_files *files);

/**
 * Take a request. True where its answer is known at once: the password was found right or wrong
 * before, or too many wait. Else it is in the queue. Users of the edition before get their numbers
 * in this one.
 */
bool pw_auth_take(struct pw_authenticator *a, struct pw_auth_request *r,
		  enum pw_auth_verdict *verdict);

/** Take what workers have asked until now, while all of them go by the files in force. */
void pw_auth_take_all(struct pw_authenticator *a, struct pw_fleet *f);

/** Go over to files that follow those in force, after pw_auth_take_all(), and when nothing was
 * taken of a worker that has gone over. What waits is held against the next ones. */
void pw_auth_switch(struct pw_authenticator *a, const struct pw_access_files *next,
		    uint32_t edition);

/** Answer the oldest in the queue: one crypt(3) at most. False where it is empty. */
bool pw_auth_step(struct pw_authenticator *a, uint64_t now, struct pw_auth_request *r,
		  enum pw_auth_verdict *verdict);

/** Take what the workers ask, answer what is known and one more; true where more wait. */
bool pw_auth_serve(struct pw_authenticator *a, struct pw_fleet *f);

#ifdef __cplusplus
}
#endif

#endif
