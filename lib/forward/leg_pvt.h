/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PW_FORWARD_LEG_PVT_H
#define PW_FORWARD_LEG_PVT_H

/*
 * What one broker's leg says otherwise than the shared bytes of a message: DUP, a retain bit that
 * the broker does not take, the rest of an expiry interval, and, where the broker speaks another
 * version than the device, the header and the properties.
 */

#include "upstream_pvt.h"

#define PW_PATCHES	3
#define PW_PATCH_GROWTH 8 /* bytes that all of them add at most */

/* Bytes at .. at + cut of the shared frame become len others. cut > 0, so that a frame that was
 * queued up to a byte says which patches are. */
struct pw_patch {
	uint32_t at;
	uint32_t cut;
	uint32_t len;
	uint8_t byte[8];
};

/* Walk over the slices of an entry. */
struct pw_walk {
	struct pw_slice now; /* len 0: the end */
	const struct pw_run *run;
	uint32_t i;
	uint32_t base; /* offset of `now` in the frame */
};

struct pw_walk pw_walk_to(const struct pw_flog_entry *e, uint32_t from);
void pw_walk_next(struct pw_walk *w);

/* The broker's version is not that of the log. */
static inline bool
pw_leg_translates(const struct pw_upstream *u)
{
	return (u->version == PW_MQTT_5) != (u->log->lane == PW_LANE_5);
}

/* `strict`: a retained message is not sent without its flag. */
static inline bool
pw_leg_refuses_retain(const struct pw_upstream *u, const struct pw_flog_entry *e)
{
	return u->no_retain && u->conf->strict && (e->flags & PW_FLOG_RETAIN) != 0;
}

/* The same of what is translated. */
bool pw_leg_grows_too_large(const struct pw_upstream *u, const struct pw_flog_entry *e);

/* A group that cannot go out as it lies: each of its messages is looked at. */
static inline bool
pw_leg_apart(const struct pw_upstream *u, const struct pw_flog_entry *e)
{
	return pw_flog_messages(e) > 1 &&
	       (pw_leg_translates(u) || (u->max_packet != 0 && e->len > u->max_packet));
}

/* Of such a group, no message is small enough. */
bool pw_apart_too_large(const struct pw_upstream *u, const struct pw_flog_entry *e);

/* More than the broker takes, or than its version of MQTT can say. */
static inline bool
pw_leg_too_large(const struct pw_upstream *u, const struct pw_flog_entry *e)
{
	if (pw_leg_apart(u, e))
		return pw_apart_too_large(u, e);
	if (pw_leg_translates(u))
		return pw_leg_grows_too_large(u, e);
	return u->max_packet != 0 && e->len > u->max_packet;
}

/* Make `one` the next message of a group, of len 0 the first. False: there are no more. */
bool pw_apart_next(const struct pw_flog_entry *e, struct pw_flog_entry *one);

/* Count the messages of a group that goes out taken apart. */
void pw_apart_count(struct pw_upstream *u, const struct pw_flog_entry *e);

/* Nothing can differ: pw_leg_patches() would find no patch. */
static inline bool
pw_leg_plain(const struct pw_upstream *u, const struct pw_cursor *at, const struct pw_flog_entry *e)
{
	return !u->no_retain && !pw_leg_translates(u) && e->expiry_at == 0 && !pw_cursor_again(at);
}

/* What differs, in order. Returns how many patches, or -1 where the message has expired. */
int pw_leg_patches(const struct pw_upstream *u, const struct pw_cursor *at,
		   const struct pw_flog_entry *e, uint64_t now, struct pw_patch p[PW_PATCHES]);

/* Bytes that go out of what follows byte `from` of the shared frame. */
uint32_t pw_leg_left(const struct pw_flog_entry *e, uint32_t from, const struct pw_patch *p,
		     uint32_t n);

/* Write the frame as it goes out; returns its bytes: up to e->len + PW_PATCH_GROWTH. */
uint32_t pw_leg_flat(const struct pw_flog_entry *e, const struct pw_patch *p, uint32_t n,
		     uint8_t *out);

/* Count a message that goes out translated, and what it loses by it. */
void pw_leg_count(struct pw_upstream *u, const struct pw_flog_entry *e);

#endif
