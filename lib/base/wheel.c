/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Slot s of level l holds the timers whose expiry tick, shifted right by 8 * l, ends in s, as far
 * as that lies 1 to 255 steps ahead of the wheel at that level; each timer stands on the lowest
 * level that can hold it. When the wheel arrives at the first tick of a slot of a higher level, its
 * timers move down. Thus the slot that the wheel stands on is empty at every level, and the next
 * event of a level is the first slot that is not empty, found in the bit map: ticks without timers
 * cost nothing.
 *
 * What is due stands in a queue of its own, oldest expiry first. An advance takes the whole queue
 * over before it fires, so that a timer which its callback arms in the past waits for the next
 * advance.
 */
#include <assert.h>

#include <rte_common.h>

#include <pubwire/base/wheel.h>

#define SLOTS (1u << PW_WHEEL_BITS)

static void
queue_init(struct pw_timer_queue *q)
{
	q->head = NULL;
	q->tail = &q->head;
}

static void
queue_append(struct pw_timer_queue *q, struct pw_timer *t)
{
	t->next = NULL;
	t->prev = q->tail;
	*q->tail = t;
	q->tail = &t->next;
}

/* All of b behind all of a; b is left empty. */
static void
queue_concat(struct pw_timer_queue *a, struct pw_timer_queue *b)
{
	if (b->head == NULL)
		return;
	*a->tail = b->head;
	b->head->prev = a->tail;
	a->tail = b->tail;
	queue_init(b);
}

void
pw_wheel_init(struct pw_wheel *w, uint64_t now, uint64_t tick_ns)
{
	*w = (struct pw_wheel){.tick_ns = tick_ns, .tick = now / tick_ns, .soonest = UINT64_MAX};
	queue_init(&w->due);
	queue_init(&w->firing);
}

static void
map_set(struct pw_wheel *w, uint32_t level, uint32_t slot)
{
	w->map[level][slot / 64] |= UINT64_C(1) << (slot % 64);
}

static void
map_clear(struct pw_wheel *w, uint32_t level, uint32_t slot)
{
	w->map[level][slot / 64] &= ~(UINT64_C(1) << (slot % 64));
}

/* First tick at which the timer may fire: its expiry, rounded up. */
static uint64_t
tick_of(const struct pw_wheel *w, const struct pw_timer *t)
{
	return t->expiry / w->tick_ns + (t->expiry % w->tick_ns != 0);
}

static void
insert(struct pw_wheel *w, struct pw_timer *t)
{
	uint64_t at = tick_of(w, t);
	uint32_t level, shift = 0;
	uint64_t step; /* of that level: slots counted from the start of time */
	struct pw_timer **head;

	if (at <= w->tick) {
		queue_append(&w->due, t);
		return;
	}
	for (level = 0; level < PW_WHEEL_LEVELS; level++) {
		shift = level * PW_WHEEL_BITS;
		if ((at >> shift) - (w->tick >> shift) < SLOTS)
			break;
	}
	if (level == PW_WHEEL_LEVELS) {
		/* Beyond the span: as far out as there is a slot; queued anew from there. */
		level--;
		step = (w->tick >> shift) + SLOTS - 1;
	} else {
		step = at >> shift;
	}
	w->soonest = RTE_MIN(w->soonest, step << shift);
	head = &w->slot[level][step & (SLOTS - 1)];
	t->next = *head;
	t->prev = head;
	if (t->next != NULL)
		t->next->prev = &t->next;
	*head = t;
	map_set(w, level, step & (SLOTS - 1));
}

void
pw_wheel_cancel(struct pw_wheel *w, struct pw_timer *t)
{
	struct pw_timer **first = &w->slot[0][0], **last = &w->slot[PW_WHEEL_LEVELS - 1][SLOTS - 1];

	if (t->prev == NULL)
		return;
	*t->prev = t->next;
	if (t->next != NULL)
		t->next->prev = t->prev;
	else if (w->due.tail == &t->next)
		w->due.tail = t->prev;
	else if (w->firing.tail == &t->next)
		w->firing.tail = t->prev;
	else if (t->prev >= first && t->prev <= last) {
		uint32_t i = (uint32_t)(t->prev - first);

		map_clear(w, i / SLOTS, i % SLOTS);
	}
	t->prev = NULL;
	t->next = NULL;
	w->armed--;
}

void
pw_wheel_arm(struct pw_wheel *w, struct pw_timer *t, uint64_t expiry)
{
	pw_wheel_cancel(w, t);
	t->expiry = expiry;
	insert(w, t);
	w->armed++;
}

/* Steps from a slot to the next one that is not empty, 1 .. 255; 0 where all are empty. */
static uint32_t
distance(const uint64_t *map, uint32_t from)
{
	uint32_t i = (from + 1) & (SLOTS - 1);

	for (uint32_t seen = 0; seen < SLOTS;) {
		uint64_t bits = map[i / 64] >> (i % 64);

		if (bits != 0) {
			i += (uint32_t)__builtin_ctzll(bits);
			return (i - from) & (SLOTS - 1);
		}
		seen += 64 - i % 64;
		i = (i - i % 64 + 64) & (SLOTS - 1);
	}
	return 0;
}

/* Tick of the next slot that is not empty, UINT64_MAX where there is none. */
static uint64_t
next_event(const struct pw_wheel *w)
{
	uint64_t best = UINT64_MAX;

	for (uint32_t level = 0; level < PW_WHEEL_LEVELS; level++) {
		uint32_t shift = level * PW_WHEEL_BITS;
		uint32_t d = distance(w->map[level], (w->tick >> shift) & (SLOTS - 1));

		if (d != 0)
			best = RTE_MIN(best, ((w->tick >> shift) + d) << shift);
	}
	return best;
}

/* Take the timers of a slot and place each where it belongs now. */
static void
empty_slot(struct pw_wheel *w, uint32_t level)
{
	uint32_t slot = (w->tick >> (level * PW_WHEEL_BITS)) & (SLOTS - 1);
	struct pw_timer *t = w->slot[level][slot], *next;

	w->slot[level][slot] = NULL;
	map_clear(w, level, slot);
	for (; t != NULL; t = next) {
		next = t->next;
		insert(w, t);
	}
}

/* Pass by all slots that are due. */
static void
turn(struct pw_wheel *w, uint64_t target)
{
	uint64_t at;

	for (at = next_event(w); at <= target; at = next_event(w)) {
		w->tick = at;
		for (uint32_t level = PW_WHEEL_LEVELS; level-- > 0;) {
			if ((at & ((UINT64_C(1) << (level * PW_WHEEL_BITS)) - 1)) == 0)
				empty_slot(w, level);
		}
	}
	w->soonest = at;
}

uint32_t
pw_wheel_advance(struct pw_wheel *w, uint64_t now, uint32_t budget, pw_wheel_fn fn, void *ctx)
{
	uint64_t target = now / w->tick_ns;
	uint32_t fired = 0;

	if (target >= w->soonest)
		turn(w, target);
	if (w->tick < target)
		w->tick = target;

	assert(w->firing.head == NULL);
	queue_concat(&w->firing, &w->due);
	while (fired < budget && w->firing.head != NULL) {
		struct pw_timer *t = w->firing.head;

		pw_wheel_cancel(w, t);
		fired++;
		fn(ctx, t, now);
	}
	queue_concat(&w->firing, &w->due);
	queue_concat(&w->due, &w->firing);
	return fired;
}

uint64_t
pw_wheel_next(const struct pw_wheel *w)
{
	uint64_t at;

	if (w->due.head != NULL)
		return 0;
	at = next_event(w);
	return at > UINT64_MAX / w->tick_ns ? UINT64_MAX : at * w->tick_ns;
}
