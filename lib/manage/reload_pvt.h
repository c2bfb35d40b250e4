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

/*
 * Settings as a file has them, but for the places of brokers: a name keeps its place in those in
 * force, and a place that logs still need (used, 1 << place) is nobody else's; a broker that is not
 * in the file keeps it until then. -E2BIG where there is none left.
 */
int reload_places(struct pw_forward_settings *out, const struct pw_forward_settings *fresh,
		  const struct pw_forward_settings *in_force, uint32_t used);

#endif
