/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PW_FORWARD_RUN_PVT_H
#define PW_FORWARD_RUN_PVT_H

/*
 * A run: slices in linked blocks of two cache lines, for frames that lie in many packet buffers.
 * The blocks belong to a device worker's pool; a broker worker on another lcore only reads them,
 * between the publication of the log entry that they hang on and its completion.
 */

#include <pubwire/base/pool.h>
#include <pubwire/base/slice.h>

#define PW_RUN_SLICES 7

struct pw_run {
	struct pw_run *next;
	uint32_t from; /* first slice of this block that counts */
	uint32_t n;    /* slices filled, those before `from` included */
	struct pw_slice s[PW_RUN_SLICES];
};

static_assert(sizeof(struct pw_run) == 128, "a block of a run is two cache lines");

/* A run that is being built. */
struct pw_run_list {
	struct pw_run *first;
	struct pw_run *last;
};

/* Append a slice; the reference passes to the run. 0 or -ENOBUFS. */
int pw_run_push(struct pw_pool *blocks, struct pw_run_list *l, const struct pw_slice *s);

/* Last slice of a run, NULL where it is empty. */
struct pw_slice *pw_run_last(struct pw_run_list *l);

/* Drop every reference and put the blocks back; NULL is an empty run. */
void pw_run_drop(struct pw_pool *blocks, struct pw_run *r);

/* Put the blocks back without touching the references. */
void pw_run_forget(struct pw_pool *blocks, struct pw_run *r);

/* Drop bytes from the front; no more than there are. */
void pw_run_trim(struct pw_pool *blocks, struct pw_run_list *l, uint32_t bytes);

/* Copy the slices of a run to an array. Returns how many there are; those beyond max are left out.
 */
uint32_t pw_run_slices(const struct pw_run *r, struct pw_slice *out, uint32_t max);

#endif
