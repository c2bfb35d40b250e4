/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A group on a leg that cannot take it as it lies, because it translates, or because the broker
 * does not take messages of the size of some: each message as if it stood alone. For the log it
 * stays one: where a broker has got some messages of it and the others are too large for it, which
 * is counted here, all of them count as completed.
 */
#include "group_pvt.h"
#include "leg_pvt.h"

bool
pw_apart_next(const struct pw_flog_entry *e, struct pw_flog_entry *one)
{
	uint32_t at = 0, head;

	if (one->len > 0)
		at = (uint32_t)(one->first.off - e->first.off) + one->len;
	if (at == e->len)
		return false;
	*one = *e;
	one->further = 0;
	one->first.off = (uint16_t)(e->first.off + at);
	one->len = pw_group_frame(pw_slice_data(&one->first), &head);
	one->first.len = (uint16_t)one->len;
	return true;
}

bool
pw_apart_too_large(const struct pw_upstream *u, const struct pw_flog_entry *e)
{
	struct pw_flog_entry one = {.len = 0};

	while (pw_apart_next(e, &one)) {
		if (!pw_leg_too_large(u, &one))
			return false;
	}
	return true;
}

void
pw_apart_count(struct pw_upstream *u, const struct pw_flog_entry *e)
{
	struct pw_flog_entry one = {.len = 0};

	while (pw_apart_next(e, &one)) {
		if (pw_leg_too_large(u, &one)) {
			u->counters.dropped_too_large++;
			continue;
		}
		u->counters.messages_qos0++;
		if (pw_leg_translates(u))
			pw_leg_count(u, &one);
	}
}
