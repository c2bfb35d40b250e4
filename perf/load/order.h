/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef LOAD_ORDER_H
#define LOAD_ORDER_H

/*
 * Which messages of one sender have come, and in which order. Sequence numbers count from 0; what
 * came is remembered exactly for the last 64, so that a message that comes late is told from one
 * that comes twice. What is older than that is neither: it counts as stale.
 */

#include <stdint.h>

struct order {
	uint64_t seen; /* bit i: next - 1 - i has come */
	uint32_t next; /* one above the highest that has come */
};

/* Row: name in JSON, text. */
#define ORDER_COUNTS(X)                                                                            \
	X(missing, "not come, though a later one of the same sender has")                          \
	X(late, "come behind a later one of the same sender")                                      \
	X(duplicate, "come more than once")                                                        \
	X(stale, "come more than 64 messages behind")

#define ORDER_FIELD(name, text) uint64_t name;
struct order_counts {
	ORDER_COUNTS(ORDER_FIELD)
};
#undef ORDER_FIELD

static inline void
order_skip(struct order *o, struct order_counts *n, uint32_t ahead)
{
	n->missing += ahead;
	o->seen = ahead < 63 ? o->seen << (ahead + 1) | 1 : 1;
	o->next += ahead + 1;
}

/* A message has come. */
static inline void
order_take(struct order *o, struct order_counts *n, uint32_t seq)
{
	int32_t ahead = (int32_t)(seq - o->next);
	uint32_t back = o->next - 1 - seq;

	if (ahead == 0) {
		o->seen = o->seen << 1 | 1;
		o->next++;
	} else if (ahead > 0) {
		order_skip(o, n, (uint32_t)ahead);
	} else if (back >= 64) {
		n->stale++;
	} else if (o->seen & (UINT64_C(1) << back)) {
		n->duplicate++;
	} else {
		o->seen |= UINT64_C(1) << back;
		n->missing--;
		n->late++;
	}
}

#endif
