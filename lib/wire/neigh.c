/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Neighbours: what Ethernet address a next hop has. Knows no ARP and no neighbour discovery beyond
 * "ask for this address"; keys are of either family.
 */
#include <errno.h>

#include <rte_errno.h>
#include <rte_jhash.h>
#include <rte_malloc.h>
#include <rte_prefetch.h>

#include "wire_pvt.h"

#define DEFAULT_NEIGHBOURS 1024

/* Entries of one state handled in one call: many expire together after a flood. */
#define ADVANCE_MAX		 256

#define RELAYS_A_SECOND		 1000

#define NEIGH_TIMEOUT(state, ms) ms *(SECOND / 1000),
static const uint64_t timeout[NEIGH_STATE_MAX] = {NEIGH_STATES(NEIGH_TIMEOUT)};

static uint32_t
hash(const struct neigh_table *t, uint32_t iface, const struct pw_addr *ip)
{
	uint32_t key[5];

	memcpy(key, ip, sizeof(*ip));
	key[4] = iface;
	return rte_jhash_32b(key, 5, t->seed);
}

/* Slot of an address, or the empty one where it would be put. */
static uint32_t
slot_of(const struct neigh_table *t, uint32_t iface, const struct pw_addr *ip)
{
	uint32_t i = hash(t, iface, ip) & t->slot_mask;

	/* Ends: at most half of the slots are in use. */
	for (; t->slot[i] != 0; i = (i + 1) & t->slot_mask) {
		const struct neigh *e = &t->entry[t->slot[i] - 1];

		if (e->iface == iface && pw_addr_eq(&e->ip, ip))
			break;
	}
	return i;
}

/* Who sent a packet, of which the network header lies in the first buffer. */
static struct pw_addr
sender(const struct rte_mbuf *m)
{
	const uint8_t *ip = rte_pktmbuf_mtod_offset(m, const uint8_t *, m->l2_len);
	struct pw_addr a;
	uint32_t be;

	if (*ip >> 4 == 4) {
		memcpy(&be, ip + offsetof(struct rte_ipv4_hdr, src_addr), sizeof(be));
		return pw_addr_v4(be);
	}
	memcpy(&a, ip + offsetof(struct rte_ipv6_hdr, src_addr), sizeof(a));
	return a;
}

void
wire_neigh_fetch(const struct pw_wire *w, uint32_t iface, struct rte_mbuf *const *packets,
		 uint32_t n)
{
	const struct neigh_table *t = &w->neigh;
	const uint32_t *slot[PW_WIRE_BURST];

	RTE_ASSERT(n <= PW_WIRE_BURST);
	for (uint32_t i = 0; i < n; i++) {
		struct pw_addr ip = sender(packets[i]);

		slot[i] = &t->slot[hash(t, iface, &ip) & t->slot_mask];
		rte_prefetch0(slot[i]);
	}
	for (uint32_t i = 0; i < n; i++) {
		if (*slot[i] != 0) {
			const struct neigh *e = &t->entry[*slot[i] - 1];

			rte_prefetch0(e);
			rte_prefetch0(&e->held);
		}
	}
}

static struct neigh *
find(struct neigh_table *t, uint32_t iface, const struct pw_addr *ip)
{
	uint32_t s = t->slot[slot_of(t, iface, ip)];

	return s == 0 ? NULL : &t->entry[s - 1];
}

/* Close the gap that a removed entry leaves, so that no probe stops short of one beyond it. */
static void
slot_clear(struct neigh_table *t, uint32_t gap)
{
	uint32_t i = gap;

	t->slot[gap] = 0;
	for (;;) {
		const struct neigh *e;
		uint32_t home;

		i = (i + 1) & t->slot_mask;
		if (t->slot[i] == 0)
			return;
		e = &t->entry[t->slot[i] - 1];
		home = hash(t, e->iface, &e->ip) & t->slot_mask;
		/* Stays where its home lies in (gap, i], counted around the end. */
		if (((i - home) & t->slot_mask) < ((i - gap) & t->slot_mask))
			continue;
		t->slot[gap] = t->slot[i];
		t->slot[i] = 0;
		gap = i;
	}
}

static void
unqueue(struct neigh_table *t, struct neigh *e)
{
	struct neigh_queue *q = &t->queue[e->state];

	if (e->prev == NEIGH_NONE)
		q->head = e->next;
	else
		t->entry[e->prev].next = e->next;
	if (e->next == NEIGH_NONE)
		q->tail = e->prev;
	else
		t->entry[e->next].prev = e->prev;
}

static void
enqueue(struct neigh_table *t, struct neigh *e, enum neigh_state state, uint64_t now)
{
	struct neigh_queue *q = &t->queue[state];
	uint32_t i = e - t->entry;

	e->state = state;
	e->deadline = now + timeout[state];
	e->prev = q->tail;
	e->next = NEIGH_NONE;
	if (q->tail == NEIGH_NONE)
		q->head = i;
	else
		t->entry[q->tail].next = i;
	q->tail = i;
}

static void
enter(struct neigh_table *t, struct neigh *e, enum neigh_state state, uint64_t now)
{
	unqueue(t, e);
	enqueue(t, e, state, now);
}

static void
drop_held(struct pw_wire *w, struct neigh *e)
{
	w->n.drop_unresolved += wire_hold_drop(&w->neigh.hold, e);
}

static void
forget(struct pw_wire *w, struct neigh *e)
{
	struct neigh_table *t = &w->neigh;

	RTE_ASSERT(e->held[HOLD_OURS].count == 0 && e->held[HOLD_ANSWERS].count == 0);
	slot_clear(t, slot_of(t, e->iface, &e->ip));
	unqueue(t, e);
	e->next = t->free;
	t->free = e - t->entry;
	w->n.neigh_expired++;
}

/*
 * Who leaves a full table: one that failed, else the oldest of those that are being asked (a sweep
 * over addresses that nobody has fills the table with them), else the oldest that is stale. Never a
 * gateway: everything that is not on the link would stop with it. Who merely speaks to us does not
 * take the place of one that is being asked: frames may wait for it, while the speaker is answered
 * without a place.
 */
static struct neigh *
victim(struct pw_wire *w, bool for_frame)
{
	static const enum neigh_state order[] = {NEIGH_FAILED, NEIGH_INCOMPLETE, NEIGH_STALE};
	struct neigh_table *t = &w->neigh;

	for (uint32_t s = 0; s < RTE_DIM(order); s++) {
		uint32_t i = t->queue[order[s]].head;

		if (order[s] == NEIGH_INCOMPLETE && !for_frame)
			continue;
		/* Steps over gateways alone, two an interface. */
		for (; i != NEIGH_NONE; i = t->entry[i].next) {
			struct neigh *e = &t->entry[i];

			if (!wire_is_gateway(&w->iface[e->iface], &e->ip))
				return e;
		}
	}
	return NULL;
}

/* A new entry; NULL where the table is full of neighbours that are in use. */
static struct neigh *
add(struct pw_wire *w, uint32_t iface, const struct pw_addr *ip, enum neigh_state state,
    uint64_t now)
{
	struct neigh_table *t = &w->neigh;
	struct neigh *e;

	if (t->free == NEIGH_NONE) {
		e = victim(w, state == NEIGH_INCOMPLETE);
		if (e == NULL) {
			w->n.neigh_table_full++;
			return NULL;
		}
		drop_held(w, e);
		forget(w, e);
	}
	e = &t->entry[t->free];
	t->free = e->next;
	e->ip = *ip;
	e->iface = iface;
	e->tries = 0;
	e->tell_at = 0;
	memset(e->held, 0, sizeof(e->held));
	t->slot[slot_of(t, iface, ip)] = (e - t->entry) + 1;
	enqueue(t, e, state, now);
	return e;
}

static void
transmit(struct pw_wire *w, const struct neigh *e, struct rte_mbuf *m)
{
	uint16_t type = pw_addr_is_v4(&e->ip) ? RTE_ETHER_TYPE_IPV4 : RTE_ETHER_TYPE_IPV6;

	wire_ether_out(w, e->iface, m, &e->mac, type);
}

/* Ask again; the last question to one that was known goes to everybody, in case it has moved. */
static void
ask(struct pw_wire *w, struct neigh *e)
{
	bool direct = e->state == NEIGH_PROBE && e->tries < NEIGH_TRIES - 1;

	e->tries++;
	if (pw_addr_is_v4(&e->ip))
		wire_arp_request(w, e->iface, &e->ip, direct ? &e->mac : NULL);
	else
		wire_nd_solicit(w, e->iface, &e->ip, direct ? &e->mac : NULL);
}

int
wire_neigh_send(struct pw_wire *w, uint32_t iface, const struct pw_addr *ip, struct rte_mbuf *m,
		uint64_t now)
{
	struct neigh_table *t = &w->neigh;
	struct neigh *e = find(t, iface, ip);

	if (e == NULL) {
		e = add(w, iface, ip, NEIGH_INCOMPLETE, now);
		if (e == NULL) {
			w->n.drop_hold_full++;
			rte_pktmbuf_free(m);
			return -ENOBUFS;
		}
		ask(w, e);
	}
	switch ((enum neigh_state)e->state) {
	case NEIGH_STALE:
		enter(t, e, NEIGH_PROBE, now);
		e->tries = 0;
		ask(w, e);
		/* fallthrough */
	case NEIGH_REACHABLE:
	case NEIGH_PROBE:
		transmit(w, e, m);
		return 0;
	case NEIGH_INCOMPLETE:
		return wire_hold_put(&t->hold, t, e, m, &w->n.drop_hold_full);
	case NEIGH_FAILED:
	case NEIGH_STATE_MAX:
		break;
	}
	w->n.drop_unresolved++;
	rte_pktmbuf_free(m);
	return -EHOSTUNREACH;
}

/* State that news about an entry leads to. */
static enum neigh_state
after_news(const struct neigh *e, bool changed, enum neigh_source how)
{
	if (how == NEIGH_ANSWERED)
		return NEIGH_REACHABLE;
	switch ((enum neigh_state)e->state) {
	case NEIGH_INCOMPLETE:
		return how == NEIGH_TOLD ? NEIGH_REACHABLE : NEIGH_STALE;
	case NEIGH_PROBE:
		if (how == NEIGH_TOLD)
			return NEIGH_REACHABLE;
		return changed ? NEIGH_STALE : NEIGH_PROBE;
	case NEIGH_REACHABLE:
		return changed ? NEIGH_STALE : NEIGH_REACHABLE;
	case NEIGH_STALE:
	case NEIGH_FAILED:
	case NEIGH_STATE_MAX:
		break;
	}
	return NEIGH_STALE;
}

/*
 * Others are told what was asked here, and what changed. Of an answer that was not, nobody here
 * knows whether one of them has asked: it is passed on as often as they may ask.
 */
static void
relay(struct pw_wire *w, uint32_t iface, const struct pw_addr *ip, const struct rte_ether_addr *mac,
      uint64_t now)
{
	if (w->hooks.learnt == NULL)
		return;
	if (pw_bucket_take(&w->relays, 1, now) == 1)
		w->hooks.learnt(w->hooks.ctx, iface, ip, mac);
	else
		w->n.neigh_untold++;
}

static void
tell(struct pw_wire *w, struct neigh *e, bool news, uint64_t now)
{
	if (w->hooks.learnt == NULL || (!news && now < e->tell_at))
		return;
	e->tell_at = now + SECOND;
	w->hooks.learnt(w->hooks.ctx, e->iface, &e->ip, &e->mac);
}

void
wire_neigh_learn(struct pw_wire *w, uint32_t iface, const struct pw_addr *ip,
		 const struct rte_ether_addr *mac, enum neigh_source how, uint64_t now)
{
	struct neigh_table *t = &w->neigh;
	struct neigh *e = find(t, iface, ip);
	const bool reply = how == NEIGH_ANSWERED;
	enum neigh_state next;
	struct rte_mbuf *m;
	bool changed;

	/* An answer that we did not ask for proves nothing. Another instance may have asked. */
	if (reply && (e == NULL || (e->state != NEIGH_INCOMPLETE && e->state != NEIGH_PROBE)))
		how = NEIGH_HEARD;
	if (e == NULL) {
		if (reply)
			relay(w, iface, ip, mac, now);
		if (how == NEIGH_HEARD)
			return;
		e = add(w, iface, ip, NEIGH_STALE, now);
		if (e == NULL)
			return;
		changed = true;
	} else {
		changed = e->state == NEIGH_INCOMPLETE || e->state == NEIGH_FAILED ||
			  !rte_is_same_ether_addr(&e->mac, mac);
	}
	next = after_news(e, changed, how);
	e->mac = *mac;
	/* Being spoken of does not prolong REACHABLE or PROBE; an answer does. */
	if (next != e->state || next == NEIGH_STALE || how == NEIGH_ANSWERED) {
		enter(t, e, next, now);
		e->tries = 0;
	}
	while ((m = wire_hold_take(&t->hold, e)) != NULL)
		transmit(w, e, m);
	if (changed)
		w->n.neigh_learnt++;
	/* Answers are told even where nothing changed. */
	if ((changed || reply) && how != NEIGH_TOLD)
		tell(w, e, changed || how == NEIGH_ANSWERED, now);
}

const struct rte_ether_addr *
wire_neigh_mac(struct pw_wire *w, uint32_t iface, const struct pw_addr *ip)
{
	const struct neigh *e = find(&w->neigh, iface, ip);

	if (e == NULL || e->state == NEIGH_INCOMPLETE || e->state == NEIGH_FAILED)
		return NULL;
	return &e->mac;
}

bool
wire_neigh_doubt(struct pw_wire *w, uint32_t iface, const struct pw_addr *ip,
		 const struct rte_ether_addr *mac, uint64_t now)
{
	const struct rte_ether_addr *known = wire_neigh_mac(w, iface, ip);
	struct neigh *e;

	if (known == NULL || rte_is_same_ether_addr(known, mac))
		return false;
	e = find(&w->neigh, iface, ip);
	if (e->state == NEIGH_REACHABLE)
		enter(&w->neigh, e, NEIGH_STALE, now);
	return true;
}

static void
timed_out(struct pw_wire *w, struct neigh *e, uint64_t now)
{
	struct neigh_table *t = &w->neigh;

	switch ((enum neigh_state)e->state) {
	case NEIGH_INCOMPLETE:
	case NEIGH_PROBE:
		if (e->tries < NEIGH_TRIES) {
			enter(t, e, e->state, now);
			ask(w, e);
			return;
		}
		drop_held(w, e);
		enter(t, e, NEIGH_FAILED, now);
		return;
	case NEIGH_REACHABLE:
		enter(t, e, NEIGH_STALE, now);
		return;
	case NEIGH_STALE:
	case NEIGH_FAILED:
		forget(w, e);
		return;
	case NEIGH_STATE_MAX:
		break;
	}
}

void
wire_neigh_advance(struct pw_wire *w, uint64_t now)
{
	struct neigh_table *t = &w->neigh;

	for (uint32_t s = 0; s < NEIGH_STATE_MAX; s++) {
		for (uint32_t n = 0; n < ADVANCE_MAX; n++) {
			uint32_t head = t->queue[s].head;

			if (head == NEIGH_NONE || t->entry[head].deadline > now)
				break;
			timed_out(w, &t->entry[head], now);
		}
	}
}

void
pw_wire_learn(struct pw_wire *w, uint32_t iface, const struct pw_addr *ip,
	      const struct rte_ether_addr *mac, uint64_t now)
{
	wire_neigh_learn(w, iface, ip, mac, NEIGH_TOLD, now);
}

static uint32_t
slots_for(uint32_t neighbours)
{
	return rte_align32pow2(2 * neighbours);
}

size_t
pw_wire_neigh_bytes(uint32_t neighbours, uint32_t hold_total)
{
	return neighbours * sizeof(struct neigh) + slots_for(neighbours) * sizeof(uint32_t) +
	       wire_hold_bytes(hold_total);
}

int
wire_neigh_init(struct pw_wire *w, const struct pw_wire_conf *conf)
{
	struct neigh_table *t = &w->neigh;
	uint32_t slots;

	t->count = conf->neighbours != 0 ? conf->neighbours : DEFAULT_NEIGHBOURS;
	t->seed = w->seed;
	w->relays = (struct pw_bucket){.tokens = RELAYS_A_SECOND, .rate = RELAYS_A_SECOND};
	slots = slots_for(t->count);
	t->slot_mask = slots - 1;
	t->entry = rte_zmalloc_socket(conf->name, t->count * sizeof(*t->entry), RTE_CACHE_LINE_SIZE,
				      conf->socket);
	t->slot = rte_zmalloc_socket(conf->name, slots * sizeof(*t->slot), RTE_CACHE_LINE_SIZE,
				     conf->socket);
	if (t->entry == NULL || t->slot == NULL || wire_hold_init(&t->hold, conf) < 0) {
		wire_neigh_fini(w);
		return -ENOMEM;
	}
	for (uint32_t s = 0; s < NEIGH_STATE_MAX; s++)
		t->queue[s] = (struct neigh_queue){NEIGH_NONE, NEIGH_NONE};
	for (uint32_t i = 0; i < t->count; i++)
		t->entry[i].next = i + 1 < t->count ? i + 1 : NEIGH_NONE;
	t->free = 0;
	return 0;
}

void
wire_neigh_fini(struct pw_wire *w)
{
	struct neigh_table *t = &w->neigh;

	wire_hold_fini(&t->hold);
	rte_free(t->slot);
	rte_free(t->entry);
}
