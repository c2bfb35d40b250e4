/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Segments on their way: 10.0.g.i is device i (a new g with each connection, so that an old one can
 * be cut off), 10.1.0.k worker k, 10.2.0.b broker b.
 */
#include <string.h>

#include <rte_byteorder.h>
#include <rte_mbuf.h>

#include "due_heap.h"
#include "world.h"

enum { NET_DEVICES, NET_WORKERS, NET_BROKERS };

static struct pw_addr
address(uint32_t net, uint32_t gen, uint32_t host)
{
	return pw_addr_v4(rte_cpu_to_be_32(10u << 24 | net << 16 | gen << 8 | (host + 1)));
}

struct pw_addr
wire_device(const struct device *d, uint8_t gen)
{
	return address(NET_DEVICES, gen, d->id);
}

struct pw_addr
wire_worker(uint32_t k)
{
	return address(NET_WORKERS, 0, k);
}

struct pw_addr
wire_broker(uint32_t b)
{
	return address(NET_BROKERS, 0, b);
}

DUE_HEAP(struct segment)

static struct pw_tcp *
stack_at(const struct world *w, const struct pw_addr *a)
{
	uint32_t host = a->b[15] - 1u;

	if (a->b[13] == NET_DEVICES)
		return w->device_tcp;
	if (a->b[13] == NET_BROKERS)
		return w->broker_tcp;
	return host < w->plan.nb_workers ? w->worker_tcp[host] : NULL;
}

/* The cable of one of the ends is cut. */
static bool
cut(const struct world *w, const struct pw_addr *a)
{
	uint32_t host = a->b[15] - 1u;

	if (a->b[13] == NET_BROKERS)
		return host < BROKERS && w->broker[host].hole_until > w->now;
	if (a->b[13] == NET_DEVICES)
		return host < DEVICES && w->device[host].hole[a->b[14]];
	return false;
}

/* The chain as one buffer with an IPv4 header in front, as a wire would hand it over. */
static struct rte_mbuf *
copy_of(struct world *w, const struct pw_flow *flow, const struct rte_mbuf *m)
{
	struct rte_mbuf *copy = rte_pktmbuf_alloc(w->mem.pkt);
	uint8_t *p;

	if (copy == NULL)
		return NULL;
	p = (uint8_t *)rte_pktmbuf_append(copy, (uint16_t)(20 + m->pkt_len));
	if (p == NULL) {
		world_fault(w, "a segment of %u bytes", m->pkt_len);
		rte_pktmbuf_free(copy);
		return NULL;
	}
	memset(p, 0, 20);
	p[0] = 0x45;
	memcpy(p + 12, &flow->local.b[12], 4);
	memcpy(p + 16, &flow->remote.b[12], 4);
	p += 20;
	for (; m != NULL; m = m->next) {
		memcpy(p, rte_pktmbuf_mtod(m, void *), m->data_len);
		p += m->data_len;
	}
	copy->l2_len = 0;
	copy->l3_len = 20;
	return copy;
}

static void
put(struct world *w, const struct pw_flow *flow, struct rte_mbuf *m, struct pw_tcp *to)
{
	const struct plan *p = &w->plan;
	bool device = flow->local.b[13] == NET_DEVICES || flow->remote.b[13] == NET_DEVICES;
	uint64_t delay = device ? p->device_delay : p->broker_delay;
	uint64_t *last = &w->last_at[flow->remote.b[13] % 3]
				    [(flow->remote.b[15] << 4 | flow->local.b[15]) & 0xff];
	struct segment s = {.serial = w->serial++, .m = m, .to = to};

	s.at = w->now + delay + sim_rng_below(&w->dice, (uint32_t)(delay / 4 + 1));
	if (!w->calm && p->reorder != 0 && sim_rng_chance(&w->dice, p->reorder)) {
		s.at += sim_rng_below(&w->dice, (uint32_t)(3 * delay + 1));
	} else {
		s.at = RTE_MAX(s.at, *last);
		*last = s.at;
	}
	due_put(w->heap, &w->nb_segments, &s);
}

int
wire_output(void *ctx, const struct pw_flow *flow, struct rte_mbuf *m, uint64_t now)
{
	struct world *w = ctx;
	struct pw_tcp *to = stack_at(w, &flow->remote);
	bool lost = !w->calm && w->plan.loss != 0 && sim_rng_chance(&w->dice, w->plan.loss);
	uint32_t times = 1;

	RTE_SET_USED(now);
	w->tally->segments++;
	if (to == NULL || lost || cut(w, &flow->remote) || cut(w, &flow->local)) {
		w->tally->segments_lost++;
		times = 0;
	} else if (!w->calm && w->plan.dup != 0 && sim_rng_chance(&w->dice, w->plan.dup)) {
		times = 2;
	}
	for (; times > 0; times--) {
		struct rte_mbuf *copy = copy_of(w, flow, m);

		if (copy == NULL)
			continue;
		if (w->nb_segments == SEGMENTS) {
			world_fault(w, "%u segments on their way", SEGMENTS);
			rte_pktmbuf_free(copy);
			continue;
		}
		put(w, flow, copy, to);
	}
	rte_pktmbuf_free(m);
	return 0;
}

int
wire_path(void *ctx, const struct pw_addr *dst, struct pw_tcp_path *to)
{
	RTE_SET_USED(ctx);
	RTE_SET_USED(dst);
	to->mtu = 1500;
	to->max_segs = 40;
	return 0;
}

uint64_t
wire_next(const struct world *w)
{
	return w->nb_segments > 0 ? w->heap[0].at : NEVER;
}

void
wire_deliver(struct world *w)
{
	while (w->nb_segments > 0 && w->heap[0].at <= w->now) {
		struct segment s = due_take(w->heap, &w->nb_segments);
		uint64_t now = w->now;

		if (s.m == NULL)
			continue;
		for (uint32_t k = 0; k < w->plan.nb_workers; k++) {
			if (w->worker_tcp[k] == s.to)
				now = worker_clock(w, k);
		}
		pw_tcp_input(s.to, &s.m, 1, now);
	}
}

void
wire_forget_workers(struct world *w)
{
	for (uint32_t i = 0; i < w->nb_segments; i++) {
		struct segment *s = &w->heap[i];

		if (s->to == w->device_tcp || s->to == w->broker_tcp)
			continue;
		rte_pktmbuf_free(s->m);
		s->m = NULL;
	}
}

void
wire_clear(struct world *w)
{
	while (w->nb_segments > 0)
		rte_pktmbuf_free(w->heap[--w->nb_segments].m);
}
