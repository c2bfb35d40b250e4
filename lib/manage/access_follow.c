/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * From one pair of files to the next: who is who, and what is known of their passwords. A user is
 * the same where name and hash are; one whose hash is another has to prove the password again.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include <pubwire/manage/access.h>

int
pw_access_follow(struct pw_access_files *next, const struct pw_access_files *prev)
{
	const struct pw_access *old = &prev->access;
	size_t len = old->nb_users * 2 * sizeof(uint32_t);
	void *p;

	next->nb_before = old->nb_users;
	if (len == 0)
		return 0;
	p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1,
		 0);
	if (p == MAP_FAILED)
		return -ENOMEM;
	next->same = p;
	next->named = next->same + old->nb_users;
	for (uint32_t u = 0; u < old->nb_users; u++) {
		const struct pw_access_user *user = &old->user[u];
		uint32_t to = pw_access_find(&next->access, user->name, user->len);

		next->named[u] = to;
		if (to != PW_ACCESS_NOBODY && strcmp(next->access.user[to].hash, user->hash) != 0)
			to = PW_ACCESS_NOBODY;
		next->same[u] = to;
		if (to != PW_ACCESS_NOBODY)
			memcpy(next->good[to], prev->good[u], sizeof(next->good[to]));
	}
	return 0;
}
