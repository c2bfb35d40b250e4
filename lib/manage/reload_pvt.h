/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PUBWIRE_MANAGE_RELOAD_PVT_H
#define PUBWIRE_MANAGE_RELOAD_PVT_H

#include <pubwire/manage/reload.h>

/* One more line of what is to be said; those beyond the room are counted in the last one. */
void reload_say(struct pw_reload_result *o, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/*
 * Hold a configuration against the one in force: the keys that differ go to o->changed, those that
 * only a start can change to o->text. Returns how many of the latter there are.
 */
uint32_t reload_compare(const struct pw_reload *r, const struct pw_config *old,
			const struct pw_config *fresh, struct pw_reload_result *o);

#endif
