/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Wires. Every ordered pair of hosts has a path of its own, as if a network lay between them; a
 * group address reaches all. A router on the path answers what is too large for it, or does not.
 */
#include <netinet/in.h>
#include <string.h>

#include <rte_common.h>

#include "due_heap.h"
#include "world.h"

#define ROUTER 0xfe

static const struct link_conf *
conf_of(const struct world *w, const struct link *l)
{
	return w->now < w->plan.calm_at ? &l->rough : &l->calm;
}

void
link_init(struct world *w)
{
	w->nb_frames = 0;
	w->nb_idle = 0;
	w->serial = 0;
	for (uint32_t i = MAX_FRAMES; i-- > 0;)
		w->idle[w->nb_idle++] = i;
}

DUE_HEAP(struct frame_due)

static void
push(struct world *w, uint32_t id)
{
	struct frame_due d = {w->frame[id].at, w->frame[id].serial, id};

	due_put(w->heap, &w->nb_frames, &d);
}

uint64_t
link_next(const struct world *w)
{
	return w->nb_frames != 0 ? w->heap[0].at : NEVER;
}

/* Frames that are out are those in the heap and those that a host has taken. */
struct frame *
link_take(struct world *w)
{
	if (w->nb_frames == 0 || w->heap[0].at > w->now)
		return NULL;
	return &w->frame[due_take(w->heap, &w->nb_frames).id];
}

void
link_put_off(struct world *w, struct frame *f, uint64_t until)
{
	f->at = until;
	push(w, (uint32_t)(f - w->frame));
}

void
link_give(struct world *w, struct frame *f)
{
	w->idle[w->nb_idle++] = (uint32_t)(f - w->frame);
}

uint16_t
link_mtu(const struct world *w, uint32_t a, uint32_t b)
{
	return RTE_MIN(w->link[a][b].mtu, w->link[b][a].mtu);
}

/* Gilbert-Elliott: a state that loses much, entered and left by chance at each packet. */
static bool
lost(struct world *w, struct link *l, const struct link_conf *k)
{
	if (l->cut)
		return true;
	if (k->down_every_ns != 0 && w->now % k->down_every_ns < k->down_for_ns)
		return true;
	if (k->burst_enter != 0 &&
	    sim_rng_chance(&w->dice, l->bad ? k->burst_leave : k->burst_enter))
		l->bad = !l->bad;
	if (k->burst_enter == 0)
		l->bad = false;
	return sim_rng_chance(&w->dice, l->bad ? k->burst_loss : k->loss);
}

/* The transmitter takes one packet after the other; false where the queue before it is full. */
static bool
transmit(struct world *w, struct link *l, const struct link_conf *k, uint32_t n, uint64_t *leaves)
{
	uint64_t free_at = RTE_MAX(l->busy, w->now);

	*leaves = w->now;
	if (k->rate == 0)
		return true;
	if ((free_at - w->now) * k->rate / (8 * SEC) + n > k->queue)
		return false;
	l->busy = free_at + n * 8 * SEC / k->rate;
	*leaves = l->busy;
	return true;
}

/*
 * A run of at most fifteen bits changes, behind the Ethernet header: what a bad memory in a router
 * does, where no frame check covers the packet. The Internet checksum notices all of these
 * (RFC 1071 2); a longer run it may miss, and nothing above it could be blamed.
 */
static void
corrupt(struct world *w, struct frame *f)
{
	uint32_t bits = sim_rng_range(&w->dice, 1, 15);
	uint32_t at = sim_rng_below(&w->dice, (f->len - FRAME_ETHER) * 8 - bits);

	for (uint32_t i = 0; i < bits; i++) {
		if (i == 0 || sim_rng_chance(&w->dice, 500))
			f->b[FRAME_ETHER + (at + i) / 8] ^= (uint8_t)(0x80 >> (at + i) % 8);
	}
	f->flags |= FRAME_CORRUPT;
	w->tally->corrupted++;
}

static void
schedule(struct world *w, struct link *l, const struct link_conf *k, uint64_t leaves,
	 const struct frame *f)
{
	struct frame *to;
	uint32_t id;

	if (w->nb_idle == 0) {
		w->tally->lost++;
		return;
	}
	id = w->idle[--w->nb_idle];
	to = &w->frame[id];
	memcpy(to, f, offsetof(struct frame, b) + f->len);
	to->at = leaves + k->delay_ns;
	if (k->jitter_ns != 0)
		to->at += sim_rng_next(&w->dice) % k->jitter_ns;
	if (sim_rng_chance(&w->dice, k->reorder)) {
		to->at += sim_rng_next(&w->dice) % (4 * k->delay_ns + 1);
	} else {
		to->at = RTE_MAX(to->at, l->last);
		l->last = to->at;
	}
	to->serial = w->serial++;
	push(w, id);
}

/* A router says what it can't forward; its message takes the way back like any other packet. */
static void
too_big(struct world *w, const struct frame *f, const struct packet *p, uint16_t mtu)
{
	static const uint8_t router_mac[6] = {2, 0, 0, 0, 0, ROUTER};
	struct link *back = &w->link[f->to][f->from];
	struct pw_addr router = p->dst;
	struct frame icmp = {.from = f->to, .to = f->from};
	uint8_t mac[6];

	router.b[15] = ROUTER;
	host_mac(f->from, mac);
	icmp.len = packet_icmp(icmp.b, mac, router_mac, &router, f->b, p, mtu);
	if (!lost(w, back, conf_of(w, back)))
		schedule(w, back, conf_of(w, back), w->now + conf_of(w, back)->delay_ns, &icmp);
}

static void
rewrite_option(const struct middlebox *box, uint8_t *o)
{
	bool strip = (o[0] == 3 && box->no_ws) || (o[0] == 4 && box->no_sack) ||
		     (o[0] == 8 && box->no_ts);

	if (strip) {
		memset(o, 1, o[1]);
	} else if (o[0] == 2 && box->mss != 0 && (o[2] << 8 | o[3]) > box->mss) {
		o[2] = (uint8_t)(box->mss >> 8);
		o[3] = (uint8_t)box->mss;
	}
}

static void
rewrite(const struct middlebox *box, struct frame *f, const struct packet *p)
{
	uint8_t *tcp = f->b + p->l4, *o = tcp + 20, *end;

	if (p->proto != IPPROTO_TCP || p->end - p->l4 < 20 || !(tcp[13] & F_SYN))
		return;
	end = tcp + (tcp[12] >> 4) * 4;
	if (end > f->b + p->end)
		return;
	while (o < end && *o != 0) {
		if (*o == 1) {
			o++;
			continue;
		}
		if (end - o < 2 || o[1] < 2 || o[1] > end - o)
			return;
		rewrite_option(box, o);
		o += *o == 1 ? 1 : o[1];
	}
	packet_sum(f->b, p);
}

static void
cross(struct world *w, struct frame *f)
{
	struct link *l = &w->link[f->from][f->to];
	const struct link_conf *k = conf_of(w, l);
	struct packet p = {0};
	bool ip = packet_parse(f->b, f->len, &p) == 0;
	uint64_t leaves;

	if (ip && p.end - p.l3 > l->mtu) {
		if (!l->silent && !l->cut)
			too_big(w, f, &p, l->mtu);
		w->tally->lost++;
		return;
	}
	if (!transmit(w, l, k, f->len, &leaves) || lost(w, l, k)) {
		w->tally->lost++;
		return;
	}
	if (ip)
		rewrite(&w->plan.box, f, &p);
	if (sim_rng_chance(&w->dice, k->dup)) {
		struct frame again = *f;

		again.flags |= FRAME_AGAIN;
		w->tally->duplicated++;
		schedule(w, l, k, leaves, &again);
	}
	/* ARP has no checksum of its own. */
	if (ip && sim_rng_chance(&w->dice, k->corrupt))
		corrupt(w, f);
	schedule(w, l, k, leaves, f);
}

void
link_send(struct world *w, uint32_t from, const uint8_t *bytes, uint32_t n, uint32_t flags,
	  struct conn *c)
{
	struct frame f = {.from = from, .flags = flags, .len = n, .conn = c};
	uint8_t mac[6];

	f.gen = c != NULL ? c->gen : 0;
	w->tally->frames++;
	for (uint32_t i = 0; i < w->nb_hosts; i++) {
		host_mac(i, mac);
		if (i == from || (memcmp(mac, bytes, 6) != 0 && !(bytes[0] & 1)))
			continue;
		/* The wire may change its copy. */
		memcpy(f.b, bytes, n);
		f.flags = flags;
		f.to = i;
		cross(w, &f);
	}
}
