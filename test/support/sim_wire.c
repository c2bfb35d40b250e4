/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <rte_byteorder.h>
#include <rte_ip.h>

#include "due_heap.h"
#include "sim_wire.h"

#define BURST	     32
#define MIN_HEADROOM 64 /* what pw_wire_send_tcp() asks for */

struct pw_addr
sim_wire_addr(uint32_t i)
{
	return pw_addr_v4(rte_cpu_to_be_32(RTE_IPV4(10, 0, 0, i + 1)));
}

DUE_HEAP(struct sim_packet)

/** What a real port or the wire library would stumble over. */
static const char *
chain_fault(const struct sim_wire *w, const struct rte_mbuf *m)
{
	const char *reason;

	if (rte_mbuf_check(m, 1, &reason) != 0)
		return reason;
	if (m->nb_segs > w->conf.max_segs)
		return "more segments than the port takes";
	if (m->pkt_len + SEG_IP_LEN > w->conf.mtu)
		return "larger than the MTU";
	if (rte_pktmbuf_headroom(m) < MIN_HEADROOM)
		return "no headroom for the headers below";
	if (rte_mbuf_refcnt_read(m) != 1 || !RTE_MBUF_DIRECT(m))
		return "the header buffer is shared";
	if (m->data_len < 20 || m->l4_len != (rte_pktmbuf_mtod(m, uint8_t *)[12] >> 4) * 4)
		return "l4_len is not the header's length";
	return NULL;
}

static bool
link_down(const struct sim_wire *w, uint64_t now)
{
	return w->conf.down_every_ns != 0 && now % w->conf.down_every_ns < w->conf.down_for_ns;
}

/** Share the chain between two packets. */
static void
chain_hold(struct rte_mbuf *m)
{
	for (; m != NULL; m = m->next)
		rte_mbuf_refcnt_update(m, 1);
}

static void
put_on_wire(struct sim_wire *w, struct sim_packet *p, uint64_t now)
{
	struct sim_port *to = &w->port[p->to];
	uint64_t jitter = w->conf.jitter_ns == 0 ? 0 : sim_rng_next(&w->rng) % w->conf.jitter_ns;

	p->at = now + w->conf.delay_ns + jitter;
	if (sim_rng_chance(&w->rng, w->conf.reorder)) {
		p->at += sim_rng_next(&w->rng) % (4 * w->conf.delay_ns + 1);
	} else {
		if (p->at < to->last)
			p->at = to->last;
		to->last = p->at;
	}
	p->serial = w->serial++;
	due_put(w->heap, &w->nb_packets, p);
}

/** The copy that a driver frees its descriptors after. NULL where the pool is empty. */
static struct rte_mbuf *
frame_of(struct sim_wire *w, const struct pw_flow *flow, const struct rte_mbuf *m)
{
	uint8_t scratch[SEG_MAX];
	const uint8_t *tcp = rte_pktmbuf_read(m, 0, m->pkt_len, scratch);

	return tcp_seg_frame(w->conf.mem->pkt, &flow->local, &flow->remote, tcp, m->pkt_len);
}

static int
output(void *ctx, const struct pw_flow *flow, struct rte_mbuf *m, uint64_t now)
{
	struct sim_port *from = ctx;
	struct sim_wire *w = from->wire;
	struct sim_packet p = {.flow = *flow};
	const char *fault = chain_fault(w, m);
	uint8_t scratch[SEG_MAX];
	struct tcp_seg seg;
	bool twice;

	w->sent++;
	if (fault == NULL &&
	    tcp_seg_parse(rte_pktmbuf_read(m, 0, m->pkt_len, scratch), m->pkt_len, &seg) != 0)
		fault = "a TCP header that can't be read";
	if (fault != NULL) {
		if (w->fault == NULL)
			w->fault = fault;
		rte_pktmbuf_free(m);
		return 0;
	}
	if (w->taps.sent != NULL)
		w->taps.sent(w->taps.ctx, (uint32_t)(from - w->port), flow, &seg, now);
	while (p.to < w->nb_ports) {
		struct pw_addr a = sim_wire_addr(p.to);

		if (pw_addr_eq(&a, &flow->remote))
			break;
		p.to++;
	}
	if (p.to == w->nb_ports || link_down(w, now) || sim_rng_chance(&w->rng, w->conf.loss) ||
	    w->nb_packets + 2 > SIM_MAX_PACKETS) {
		w->lost++;
		rte_pktmbuf_free(m);
		return 0;
	}
	twice = sim_rng_chance(&w->rng, w->conf.dup);
	p.m = m;
	if (w->conf.hold_tx) {
		if (twice)
			chain_hold(m);
	} else {
		p.m = frame_of(w, flow, m);
		rte_pktmbuf_free(m);
		if (p.m == NULL) {
			w->lost++;
			return 0;
		}
		if (twice)
			rte_mbuf_refcnt_update(p.m, 1);
	}
	put_on_wire(w, &p, now);
	if (twice)
		put_on_wire(w, &p, now);
	return 0;
}

static int
path(void *ctx, const struct pw_addr *dst, struct pw_tcp_path *to)
{
	const struct sim_wire *w = ((struct sim_port *)ctx)->wire;

	(void)dst;
	to->mtu = w->conf.mtu;
	to->max_segs = w->conf.max_segs;
	return 0;
}

void
sim_wire_init(struct sim_wire *w, const struct sim_wire_conf *conf, uint64_t now)
{
	memset(w, 0, sizeof(*w));
	w->conf = *conf;
	w->rng.s = conf->seed;
	w->now = now;
	w->app_next = SIM_NEVER;
}

struct pw_tcp *
sim_wire_add(struct sim_wire *w, struct pw_tcp_conf *conf)
{
	struct sim_port *port = &w->port[w->nb_ports];
	char name[16];

	port->wire = w;
	snprintf(name, sizeof(name), "sim%u", w->nb_ports);
	conf->name = name;
	conf->mem = w->conf.mem;
	conf->socket = w->conf.mem->socket;
	conf->hooks = (struct pw_tcp_hooks){.ctx = port, .output = output, .path = path};
	if (conf->seed == 0)
		conf->seed = sim_rng_next(&w->rng);
	port->tcp = pw_tcp_create(conf, w->now);
	if (port->tcp != NULL)
		w->nb_ports++;
	return port->tcp;
}

/** The frame of a packet whose time has come, in a buffer of its own. */
static struct rte_mbuf *
arrive(struct sim_wire *w, const struct sim_packet *p)
{
	struct rte_mbuf *m = p->m;

	if (w->conf.hold_tx) {
		m = frame_of(w, &p->flow, p->m);
		rte_pktmbuf_free(p->m);
	} else if (rte_mbuf_refcnt_read(m) > 1) {
		const uint8_t *ip = rte_pktmbuf_mtod(m, uint8_t *) + SEG_ETHER_LEN;

		m = tcp_seg_frame(w->conf.mem->pkt, &p->flow.local, &p->flow.remote,
				  ip + SEG_IP_LEN, m->pkt_len - SEG_ETHER_LEN - SEG_IP_LEN);
		rte_pktmbuf_free(p->m);
	}
	if (m == NULL)
		w->lost++;
	return m;
}

static void
tap_arrival(struct sim_wire *w, const struct sim_packet *p, const struct rte_mbuf *m)
{
	struct pw_flow flow = {p->flow.remote, p->flow.local, p->flow.rport, p->flow.lport};
	uint32_t below = SEG_ETHER_LEN + SEG_IP_LEN;
	struct tcp_seg seg;

	if (w->taps.arrives == NULL)
		return;
	if (tcp_seg_parse(rte_pktmbuf_mtod_offset(m, uint8_t *, below), m->pkt_len - below, &seg) ==
	    0)
		w->taps.arrives(w->taps.ctx, p->to, &flow, &seg, w->now);
}

static void
deliver(struct sim_wire *w)
{
	struct rte_mbuf *burst[SIM_MAX_STACKS][BURST];
	uint32_t n[SIM_MAX_STACKS] = {0};

	while (w->nb_packets != 0 && w->heap[0].at <= w->now) {
		struct sim_packet p;
		struct rte_mbuf *m;

		if (n[w->heap[0].to] == BURST)
			break;
		p = due_take(w->heap, &w->nb_packets);
		m = arrive(w, &p);
		if (m == NULL)
			continue;
		tap_arrival(w, &p, m);
		burst[p.to][n[p.to]++] = m;
	}
	for (uint32_t i = 0; i < w->nb_ports; i++) {
		if (n[i] != 0)
			pw_tcp_input(w->port[i].tcp, burst[i], n[i], w->now);
	}
}

void
sim_wire_settle(struct sim_wire *w)
{
	for (uint32_t i = 0; i < w->nb_ports; i++) {
		pw_tcp_dispatch(w->port[i].tcp, w->now);
		pw_tcp_advance(w->port[i].tcp, w->now);
		pw_tcp_flush(w->port[i].tcp, w->now);
	}
}

bool
sim_wire_step(struct sim_wire *w)
{
	uint64_t at = w->app_next;

	if (w->nb_packets != 0 && w->heap[0].at < at)
		at = w->heap[0].at;
	for (uint32_t i = 0; i < w->nb_ports; i++) {
		uint64_t next = pw_tcp_next(w->port[i].tcp);

		/* A lower bound may lie at or before now; a tick later it must have moved. */
		if (next <= w->now)
			next = w->now + SIM_MS;
		if (next < at)
			at = next;
	}
	if (at == SIM_NEVER)
		return false;
	if (at > w->now)
		w->now = at;
	deliver(w);
	if (w->app_next <= w->now)
		w->app_next = w->taps.app(w->taps.ctx, w->now);
	sim_wire_settle(w);
	return true;
}

bool
sim_wire_run(struct sim_wire *w, uint64_t until, uint32_t max)
{
	for (uint32_t i = 0; i < max; i++) {
		if (w->now >= until || !sim_wire_step(w))
			return true;
	}
	return false;
}

void
sim_wire_fini(struct sim_wire *w)
{
	for (uint32_t i = 0; i < w->nb_ports; i++)
		pw_tcp_destroy(w->port[i].tcp);
	w->nb_ports = 0;
	while (w->nb_packets != 0) {
		struct sim_packet p = due_take(w->heap, &w->nb_packets);

		rte_pktmbuf_free(p.m);
	}
}
