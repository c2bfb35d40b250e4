/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A history, drawn from its seed. Sizes are chosen so that each ends soon: short streams go with
 * small windows and slow wires.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <rte_common.h>

#include "world.h"

#define MOST_BYTES 150000
#define OPEN_PORT  40000
#define MTU_V6	   1280 /* RFC 8200 5 */

static bool
chance(struct sim_rng *r, uint32_t per_mille)
{
	return sim_rng_chance(r, per_mille);
}

/* Rates and delays from a wire in a rack to a phone behind a hill. */
static void
draw_link(struct sim_rng *r, struct link *l)
{
	static const uint64_t rate[] = {0, 0, 0, 100000000, 20000000, 2000000, 500000, 128000};
	struct link_conf k = {0};

	k.delay_ns = chance(r, 300) ? sim_rng_range(r, 5, 500) * US : sim_rng_range(r, 1, 150) * MS;
	k.jitter_ns = chance(r, 500) ? sim_rng_next(r) % k.delay_ns / 2 : 0;
	k.rate = rate[sim_rng_below(r, RTE_DIM(rate))];
	k.queue = sim_rng_range(r, 4000, 80000);
	l->calm = k;
	l->calm.loss = chance(r, 300) ? sim_rng_below(r, 30) : 0;
	if (chance(r, 500))
		k.loss = chance(r, 700) ? sim_rng_below(r, 60) : sim_rng_below(r, 300);
	if (chance(r, 250)) {
		k.burst_enter = sim_rng_range(r, 2, 30);
		k.burst_leave = sim_rng_range(r, 50, 500);
		k.burst_loss = sim_rng_range(r, 300, 1000);
	}
	k.dup = chance(r, 300) ? sim_rng_below(r, 100) : 0;
	k.reorder = chance(r, 350) ? sim_rng_below(r, 250) : 0;
	k.corrupt = chance(r, 300) ? sim_rng_below(r, 80) : 0;
	if (chance(r, 150)) {
		k.down_every_ns = sim_rng_range(r, 2, 8) * SEC;
		k.down_for_ns = sim_rng_range(r, 50, 1800) * MS;
	}
	l->rough = k;
	l->mtu = 1500;
	l->silent = false;
	l->bad = false;
	l->cut = false;
	l->busy = 0;
	l->last = 0;
}

static void
draw_links(struct world *w)
{
	for (uint32_t i = 0; i < HOSTS; i++) {
		for (uint32_t k = 0; k < i; k++) {
			draw_link(&w->rng, &w->link[i][k]);
			/* The way back is as long, but has troubles of its own. */
			w->link[k][i] = w->link[i][k];
			if (chance(&w->rng, 500)) {
				struct link_conf *back = &w->link[k][i].rough;

				back->loss = 0;
				back->burst_enter = 0;
				back->reorder = sim_rng_below(&w->rng, 100);
			}
		}
	}
}

static void
draw_plan(struct world *w, uint64_t seed)
{
	struct plan *p = &w->plan;
	struct sim_rng *r = &w->rng;

	*p = (struct plan){.seed = seed, .mtu_at = NEVER, .cut_at = NEVER};
	p->calm_at = w->now + sim_rng_below(r, 25000) * MS;
	p->hard = chance(r, 250);
	p->attacked = chance(r, 300);
	p->attack_every = sim_rng_range(r, 5, 300) * MS;
	if (chance(r, 250)) {
		p->mtu_at = chance(r, 300) ? w->now : w->now + sim_rng_below(r, 4000) * MS;
		p->mtu_to = (uint16_t)sim_rng_range(r, 600, 1492);
		p->mtu_silent = chance(r, 300);
	}
	if (chance(r, 80)) {
		p->cut_at = w->now + sim_rng_below(r, 5000) * MS;
		p->may_fail = true;
	}
	if (chance(r, 350)) {
		p->box.no_ts = chance(r, 500);
		p->box.no_ws = chance(r, 300);
		p->box.no_sack = chance(r, 500);
		p->box.mss = chance(r, 300) ? (uint16_t)sim_rng_range(r, 300, 1400) : 0;
	}
}

/* Small windows go with short streams, or a history would not end. */
static uint32_t
draw_window(struct sim_rng *r)
{
	static const uint32_t small[] = {1, 7, 100, 600, 1459, 1461};
	static const uint32_t large[] = {4000, 20000, 65535, 100000, 300000, 0};

	return chance(r, 120) ? small[sim_rng_below(r, RTE_DIM(small))]
			      : large[sim_rng_below(r, RTE_DIM(large))];
}

static void
draw_tcp(struct world *w, struct pw_tcp_conf *f)
{
	struct sim_rng *r = &w->rng;
	bool eager = chance(r, 500);

	*f = (struct pw_tcp_conf){
		.max_conns = 64,
		.max_tx_slices = chance(r, 200) ? 200 : 4096,
		.rx_window = draw_window(r),
		.tx_queue_bytes = chance(r, 500) ? 0 : sim_rng_range(r, 1, 20000),
		.max_ooo = chance(r, 200) ? sim_rng_range(r, 1, 4) : 0,
		.rx_copy_break = chance(r, 500) ? 0 : 1,
		.msl_ms = chance(r, 500) ? 0 : sim_rng_range(r, 10000, 20000),
		.min_rto_ms = chance(r, 800) ? 0 : sim_rng_range(r, 20, 1000),
		.max_rto_ms = eager ? 4000 : 0,
		.syn_retries = 18,
		.user_timeout_ms = 3600000,
		.keepalive_ms = chance(r, 200) ? sim_rng_range(r, 1000, 30000) : 0,
		.delack_ms = chance(r, 700) ? 0 : sim_rng_range(r, 1, 400),
	};
	if (w->plan.may_fail) {
		f->user_timeout_ms = sim_rng_range(r, 3000, 30000);
		f->syn_retries = 4;
	}
}

static void
draw_port(struct sim_rng *r, struct pw_port *port)
{
	*port = (struct pw_port){.nb_rxq = 1, .nb_txq = 1, .device = "sim", .reta_size = 1};
	port->mtu = chance(r, 750) ? 1500 : (uint16_t)sim_rng_range(r, 400, 1500);
	port->max_segs = chance(r, 700) ? 16 : (uint16_t)sim_rng_range(r, 1, 4);
	if (port->max_segs > 1)
		port->caps |= PW_PORT_TX_MULTI_SEG;
	if (chance(r, 300))
		port->caps |= PW_PORT_TX_IP_CKSUM | PW_PORT_TX_TCP_CKSUM;
	if (port->max_segs > 1 && (port->caps & PW_PORT_TX_TCP_CKSUM) && chance(r, 700))
		port->caps |= PW_PORT_TX_TSO;
}

/* Bytes to send: nothing, a few, some, many. */
static uint32_t
draw_size(struct sim_rng *r, uint32_t most)
{
	switch (sim_rng_below(r, 8)) {
	case 0:
		return 0;
	case 1:
	case 2:
		return sim_rng_range(r, 1, RTE_MIN(20u, most));
	case 3:
	case 4:
	case 5:
		return sim_rng_range(r, 1, RTE_MIN(15000u, most));
	default:
		return sim_rng_range(r, 1, most);
	}
}

/* What can pass in about ten seconds. */
static uint32_t
most_bytes(const struct world *w, const struct end *e, const struct pw_tcp_conf *tcp)
{
	const struct end *peer = &e->conn->end[!e->side];
	const struct pw_tcp_conf *mine = &tcp[e->host->id], *its = &tcp[peer->host->id];
	uint64_t rate = w->link[e->host->id][peer->host->id].calm.rate;
	uint32_t most = MOST_BYTES;

	if (its->rx_window != 0)
		most = RTE_MIN(most, 40 * its->rx_window);
	if (mine->tx_queue_bytes != 0)
		most = RTE_MIN(most, 40 * mine->tx_queue_bytes);
	if (rate != 0)
		most = (uint32_t)RTE_MIN((uint64_t)most, rate);
	return most;
}

static void
draw_end(struct world *w, struct end *e, const struct pw_tcp_conf *tcp)
{
	static const enum leave leave[] = {
		LEAVE_WHEN_SENT, LEAVE_WHEN_SENT, LEAVE_WHEN_SENT,  LEAVE_AFTER_PEER,
		LEAVE_HALF,	 LEAVE_HALF,	  LEAVE_AFTER_PEER,
	};
	struct sim_rng *r = &w->rng;

	e->to_send = draw_size(r, most_bytes(w, e, tcp));
	e->chunk = chance(r, 300) ? 100 : 2000;
	e->pause = chance(r, 600) ? 500 : 20000;
	e->leave = leave[sim_rng_below(r, RTE_DIM(leave))];
	e->late_read = chance(r, 150) ? sim_rng_range(r, 1, 5000) * 1000 : 0;
	/* In FIN_WAIT_2 a closed connection waits 60 s for its peer to go on. */
	e->linger = chance(r, 150) ? sim_rng_range(r, 1, 45) * SEC : 0;
	e->copies = chance(r, 200);
	e->keeps = chance(r, 200);
	if (chance(r, 60))
		e->leave = chance(r, 250) ? LEAVE_EARLY : LEAVE_ABORT;
	e->drops = chance(r, 100);
}

/* What the two plans are together. */
static void
match(struct world *w, struct conn *c, const struct pw_tcp_conf *tcp)
{
	struct end *a = &c->end[0], *b = &c->end[1];
	struct sim_rng *r = &w->rng;

	b->refuses = !c->both_open && chance(r, 15);
	b->echoes = chance(r, 120);
	if (b->echoes) {
		a->to_send = RTE_MIN(a->to_send, most_bytes(w, b, tcp));
		b->to_send = 0;
		b->copies = false;
		b->leave = LEAVE_AFTER_PEER;
		b->drops = false;
		a->drops = false;
		if (a->leave == LEAVE_AFTER_PEER || a->leave == LEAVE_WHEN_SENT)
			a->leave = LEAVE_HALF;
	}
	if (a->leave == LEAVE_AFTER_PEER && b->leave == LEAVE_AFTER_PEER)
		b->leave = LEAVE_HALF;
	/* The side that opens speaks first, or leaves: see docs/tcp.md on cookies. */
	if (a->to_send == 0 && (a->leave == LEAVE_AFTER_PEER || a->linger != 0))
		a->to_send = 1;
	for (uint32_t i = 0; i < 2; i++) {
		struct end *e = &c->end[i], *peer = &c->end[!i];
		uint32_t all = app_total(e) + app_total(peer);

		e->nibble = chance(r, 150) ? 1 + app_total(peer) / sim_rng_range(r, 1, 100) : 0;
		e->abort_at = chance(r, 300) ? 0 : sim_rng_below(r, all + 1);
		if (e->leave == LEAVE_ABORT || e->leave == LEAVE_EARLY || e->refuses)
			c->may_fail = true;
		/*
		 * With timeouts that grow the smaller sizes may come after the minute that a cookie
		 * is good for, or FIN_WAIT_2 of a peer that is closed.
		 */
		if (w->plan.mtu_silent && tcp[e->host->id].max_rto_ms == 0 &&
		    (i == 0 || peer->leave == LEAVE_WHEN_SENT))
			c->may_fail = true;
	}
}

static void
draw_conn(struct world *w, uint32_t id, const struct pw_tcp_conf *tcp, const struct pw_port *port)
{
	struct conn *c = &w->conn[id];
	struct sim_rng *r = &w->rng;
	uint32_t from = sim_rng_below(r, w->nb_hosts);
	uint32_t to = (from + 1 + sim_rng_below(r, w->nb_hosts - 1)) % w->nb_hosts;

	memset(c, 0, sizeof(*c));
	c->w = w;
	c->id = id;
	c->fixed = (uint16_t)(OPEN_PORT + id);
	c->server = (uint16_t)(FIRST_PORT + sim_rng_below(r, SERVER_PORTS));
	c->may_fail = w->plan.may_fail;
	c->v6 = port[from].mtu >= MTU_V6 && port[to].mtu >= MTU_V6 && chance(r, 400);
	c->open_at = w->now + (chance(r, 500) ? 0 : sim_rng_below(r, 5000) * MS);
	c->both_open = chance(r, 60);
	c->lives = !c->both_open && chance(r, 200) ? sim_rng_range(r, 2, 4) : 1;
	for (uint32_t i = 0; i < 2; i++) {
		c->end[i] = (struct end){.conn = c, .side = i, .next = NEVER};
		c->end[i].host = &w->host[i == 0 ? from : to];
	}
	for (uint32_t i = 0; i < 2; i++)
		draw_end(w, &c->end[i], tcp);
	match(w, c, tcp);
}

void
plan_draw(struct world *w, uint64_t seed, struct pw_tcp_conf *tcp, struct pw_port *port)
{
	struct sim_rng *r = &w->rng;

	r->s = seed * 1000003;
	w->dice.s = seed * 7919 + 1;
	draw_plan(w, seed);
	draw_links(w);
	w->nb_hosts = chance(r, 600) ? 2 : sim_rng_range(r, 3, HOSTS);
	for (uint32_t i = 0; i < w->nb_hosts; i++) {
		draw_tcp(w, &tcp[i]);
		draw_port(r, &port[i]);
		/* draw_conn() asks for its number, host_up() has not run yet. */
		w->host[i].id = i;
	}
	w->nb_conns = chance(r, 700) ? sim_rng_range(r, 1, 3) : sim_rng_range(r, 1, CONNS);
	for (uint32_t i = 0; i < w->nb_conns; i++)
		draw_conn(w, i, tcp, port);
	for (uint32_t i = 0; i < w->nb_conns; i++) {
		if (w->conn[i].v6)
			w->plan.mtu_to = RTE_MAX(w->plan.mtu_to, MTU_V6);
	}
	w->plan.patience = 400 * SEC;
}

void
plan_print(const struct world *w)
{
	const struct plan *p = &w->plan;

	printf("seed %" PRIu64 ": %u hosts, %u connections, calm after %.3f s%s%s%s\n", p->seed,
	       w->nb_hosts, w->nb_conns, (double)p->calm_at / 1e9, p->hard ? ", hard" : "",
	       p->attacked ? ", attacked" : "", p->may_fail ? ", a path is cut" : "");
	if (p->mtu_at != NEVER)
		printf("  path MTU %u from %.3f s on%s\n", p->mtu_to, (double)p->mtu_at / 1e9,
		       p->mtu_silent ? ", silently" : "");
	for (uint32_t i = 0; i < w->nb_hosts; i++) {
		for (uint32_t k = 0; k < w->nb_hosts; k++) {
			const struct link_conf *l = &w->link[i][k].rough;

			if (i != k)
				printf("  host%u to host%u: %" PRIu64 "+%" PRIu64 " us, %" PRIu64
				       " bit/s, queue %u, per mille: loss %u, bursts %u/%u/%u, "
				       "dup %u, reorder %u, corrupt %u\n",
				       i, k, l->delay_ns / US, l->jitter_ns / US, l->rate, l->queue,
				       l->loss, l->burst_enter, l->burst_leave, l->burst_loss,
				       l->dup, l->reorder, l->corrupt);
		}
	}
	for (uint32_t i = 0; i < w->nb_conns; i++) {
		const struct conn *c = &w->conn[i];

		printf("  connection %u: host%u:%u to host%u:%u, %u lives, %u and %u bytes\n", i,
		       c->end[0].host->id, c->fixed, c->end[1].host->id, c->server, c->lives,
		       app_total(&c->end[0]), app_total(&c->end[1]));
	}
}
