/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PUBWIRE_FORWARD_ACCESS_H
#define PUBWIRE_FORWARD_ACCESS_H

/**
 * @file
 * Who may connect, and publish what: users and rules as flat tables, compiled by
 * lib/manage from the password and ACL files, read-only while workers go by them; and the messages
 * between a device worker and whoever verifies passwords, which takes milliseconds and so is no
 * worker's work.
 */

#include <stdbool.h>
#include <stdint.h>

#include <pubwire/base/pool.h>

#ifdef __cplusplus
extern "C" {
#endif

#define PW_ACCESS_NAME_MAX     255	  /**< bytes of a user name */
#define PW_ACCESS_PASSWORD_MAX 256	  /**< bytes; a longer one is wrong */
#define PW_ACCESS_RULES_MAX    1024	  /**< that one PUBLISH may have to be held against */
#define PW_ACCESS_NOBODY       UINT32_MAX /**< no user: anonymous, or a name that is not known */
#define PW_AUTH_WAITING	       256	  /**< requests of one worker that have no answer yet */

/** What a rule says of a topic. */
enum pw_access_verdict {
	PW_ACCESS_NOTHING, /**< nothing about publishing: it grants reading */
	PW_ACCESS_ALLOW,
	PW_ACCESS_DENY,
};

/** One line of the ACL file. */
struct pw_access_rule {
	const uint8_t *filter; /**< a topic filter; with %c and %u as whole levels in a pattern */
	uint64_t marks;	       /**< pw_mqtt_filter_marks(); 0 rules nothing out */
	uint16_t len;
	uint8_t verdict; /**< enum pw_access_verdict */
	bool pattern;	 /**< %c and %u stand for the client identifier and the user name */
};

/** Rules that lie together. */
struct pw_access_rules {
	uint32_t first, n;
};

/** One line of the password file. */
struct pw_access_user {
	const uint8_t *name;
	const char *hash; /**< as crypt(3) writes it */
	uint16_t len;
	struct pw_access_rules rules;
};

/** Everything; what it points to outlives it. */
struct pw_access {
	bool anonymous; /**< who names no user may connect */
	bool passwords; /**< users are those below and have to prove it */
	bool acl;	/**< what no rule allows may not be published */
	const struct pw_access_user *user;
	uint32_t nb_users;
	const uint32_t *index; /**< places of a hash table: user + 1, 0: free */
	uint32_t mask;
	const struct pw_access_rule *rule;
	struct pw_access_rules of_anonymous; /**< the rules of who names no user */
	struct pw_access_rules of_all;	     /**< the patterns */
};

/** Where the table begins to look for a name; lib/manage fills it by the same. */
uint32_t pw_access_place(const uint8_t *name, uint32_t len);

/** A user by name; PW_ACCESS_NOBODY. */
uint32_t pw_access_find(const struct pw_access *a, const uint8_t *name, uint32_t len);

/** True for a topic filter where the whole levels %c and %u may stand too. */
bool pw_access_filter_valid(const uint8_t *filter, uint32_t len);

/** "Is this the user's password?" Of at most PW_AUTH_WAITING at a time each has one answer. */
struct pw_auth_request {
	pw_handle session;
	uint64_t deadline;  /**< ns: nobody waits beyond */
	uint64_t digest[2]; /**< keyed, of name and password: equal where both are */
	uint32_t user;	    /**< PW_ACCESS_NOBODY: no such user, and the answer takes as long */
	uint32_t edition;   /**< of the table that numbers users so */
	uint16_t worker;
	uint16_t len;
	uint8_t password[PW_ACCESS_PASSWORD_MAX];
};

/** What became of a request. */
enum pw_auth_verdict {
	PW_AUTH_GOOD,
	PW_AUTH_BAD,
	PW_AUTH_BUSY, /**< too many wait: try again later */
};

struct pw_auth_answer {
	pw_handle session;
	uint32_t verdict; /**< enum pw_auth_verdict */
	uint32_t unused;
};

#ifdef __cplusplus
}
#endif

#endif
