/* SPDX-License-Identifier: BSD-3-Clause */
/* What happens next, and what must be true of a connection when it is over and of all at the end.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_common.h>
#include <rte_errno.h>

#include "world.h"

#define BURST	      32
#define MAX_STEPS     3000000
#define ACCOUNT_EVERY 16
#define LATE_ACCEPT   (10 * SEC) /* the last packet of a handshake is on its way for less */
#define REOPEN_LEAST  (3 * SEC)	 /* longer than any packet is on its way */

static struct pw_mem mem[HOSTS];

void
world_fault(struct world *w, const char *format, ...)
{
	va_list ap;
	int n;

	if (w->fault[0] != '\0')
		return;
	n = snprintf(w->fault, sizeof(w->fault), "at %.6f s: ", (double)w->now / 1e9);
	va_start(ap, format);
	vsnprintf(w->fault + n, sizeof(w->fault) - (size_t)n, format, ap);
	va_end(ap);
}

int
world_start(struct world *w)
{
	w->frame = calloc(MAX_FRAMES, sizeof(*w->frame));
	if (w->frame == NULL)
		return -ENOMEM;
	app_init(w);
	for (uint32_t i = 0; i < HOSTS; i++) {
		char name[16];
		struct pw_mem_conf conf = {.name = name,
					   .pkt = POOL_PKT,
					   .hdr = POOL_HDR,
					   .ind = POOL_IND,
					   .socket = SOCKET_ID_ANY};
		int rc;

		snprintf(name, sizeof(name), "sim%u", i);
		rc = pw_mem_create(&mem[i], &conf);
		if (rc < 0)
			return rc;
	}
	return 0;
}

void
world_stop(struct world *w)
{
	for (uint32_t i = 0; i < HOSTS; i++)
		pw_mem_destroy(&mem[i]);
	free(w->frame);
	w->frame = NULL;
}

static void
build(struct world *w, uint64_t seed)
{
	struct pw_tcp_conf tcp[HOSTS];
	struct pw_port port[HOSTS];

	w->now = BEGINS;
	w->serial = 0;
	w->digest = seed;
	w->last_sent = 0;
	w->steps = 0;
	w->fault[0] = '\0';
	link_init(w);
	plan_draw(w, seed, tcp, port);
	w->attack_at = w->plan.attacked ? w->now : NEVER;
	for (uint32_t i = 0; i < w->nb_hosts; i++) {
		int rc = host_up(w, i, &mem[i], &tcp[i], &port[i]);

		if (rc < 0)
			world_fault(w, "host %u does not start: %s", i, rte_strerror(-rc));
	}
	if (w->fault[0] == '\0')
		app_listen(w);
}

/* Frames whose time has come, as bursts; a host that stalls hears them later. */
static void
deliver(struct world *w)
{
	struct frame *burst[HOSTS][BURST], *f;
	uint32_t n[HOSTS] = {0};

	while ((f = link_take(w)) != NULL) {
		struct host *h = &w->host[f->to];

		if (h->stalled > w->now) {
			link_put_off(w, f, h->stalled);
			continue;
		}
		burst[f->to][n[f->to]++] = f;
		if (n[f->to] == BURST)
			break;
	}
	for (uint32_t i = 0; i < w->nb_hosts; i++) {
		if (n[i] == 0)
			continue;
		host_receive(&w->host[i], burst[i], n[i]);
		for (uint32_t k = 0; k < n[i]; k++)
			link_give(w, burst[i][k]);
	}
}

static void
set_mtu(struct world *w)
{
	for (uint32_t i = 0; i < w->nb_hosts; i++) {
		for (uint32_t k = 0; k < w->nb_hosts; k++) {
			w->link[i][k].mtu = w->plan.mtu_to;
			w->link[i][k].silent = w->plan.mtu_silent;
		}
	}
	w->plan.mtu_at = NEVER;
}

static void
cut(struct world *w)
{
	w->link[0][1].cut = true;
	w->link[1][0].cut = true;
	w->plan.cut_at = NEVER;
}

/* A side got all that the other gave it, unless one of them did not want that. */
static void
check_delivery(const struct conn *c, uint32_t side)
{
	const struct end *e = &c->end[side], *peer = &c->end[!side];

	if (e->saw_eof && e->got != peer->sent && !e->dropped && !e->aborted)
		world_fault(c->w, "connection %u.%u side %u: end of stream after %u of %u bytes",
			    c->id, c->gen, side, e->got, peer->sent);
	/* CLOSED says that the peer's stack has acknowledged every byte and the FIN. */
	if (peer->up && peer->gone && !peer->aborted && peer->why == PW_TCP_END_CLOSED && e->up &&
	    !e->aborted && !e->dropped && e->got != peer->sent)
		world_fault(c->w,
			    "connection %u.%u side %u: %u of %u bytes were acknowledged and lost",
			    c->id, c->gen, side, peer->sent - e->got, peer->sent);
	if (c->may_fail)
		return;
	if (e->why != PW_TCP_END_CLOSED || peer->sent != app_total(peer) ||
	    (e->got != peer->sent && !e->dropped))
		world_fault(c->w, "connection %u.%u side %u: %s, sent %u of %u, got %u of %u",
			    c->id, c->gen, side, pw_tcp_end_str(e->why), e->sent, app_total(e),
			    e->got, app_total(peer));
}

static void
renew(struct end *e)
{
	e->tcp = NULL;
	e->sent = 0;
	e->got = 0;
	e->opened = false;
	e->up = false;
	e->shut = false;
	e->closed = false;
	e->gone = false;
	e->aborted = false;
	e->dropped = false;
	e->saw_eof = false;
	e->linger_until = 0;
	e->next = e->nb_kept != 0 ? e->next : NEVER;
}

static void
end_life(struct conn *c)
{
	struct world *w = c->w;

	check_delivery(c, 0);
	if (c->end[1].up)
		check_delivery(c, 1);
	w->tally->conns++;
	w->tally->v6 += c->v6;
	c->gen++;
	c->open_at = NEVER;
	if (c->gen == c->lives) {
		c->over = true;
		return;
	}
	renew(&c->end[0]);
	renew(&c->end[1]);
	c->tries = 0;
	c->open_at = w->now + REOPEN_LEAST + sim_rng_below(&w->rng, 3000) * MS;
}

/* Nothing has moved for so long that an application would give up; has it reason to? */
static void
lose_patience(struct end *e)
{
	struct conn *c = e->conn;
	struct world *w = c->w;

	if (e->gone || e->tcp == NULL || w->now < e->moved + w->plan.patience)
		return;
	if (w->now < c->end[!e->side].moved + w->plan.patience)
		return;
	if (!c->may_fail)
		world_fault(w, "connection %u.%u side %u: stuck; sent %u of %u, got %u of %u",
			    c->id, c->gen, e->side, e->sent, app_total(e), e->got,
			    app_total(&c->end[!e->side]));
	e->aborted = true;
	e->gone = true;
	pw_tcp_abort(e->host->tcp, e->tcp, w->now);
	e->tcp = NULL;
}

static void
tend(struct world *w, struct conn *c)
{
	struct end *a = &c->end[0], *b = &c->end[1];

	if (c->open_at <= w->now) {
		c->open_at = NEVER;
		app_open(c);
	}
	for (uint32_t i = 0; i < 2; i++) {
		if (c->end[i].next <= w->now && c->end[i].host->stalled <= w->now)
			app_act(&c->end[i]);
		lose_patience(&c->end[i]);
	}
	if (c->over || !a->gone)
		return;
	if (b->gone || (!b->up && !b->opened && w->now >= a->moved + LATE_ACCEPT))
		end_life(c);
}

static uint64_t
next_event(const struct world *w)
{
	uint64_t at = link_next(w);

	at = RTE_MIN(at, w->plan.mtu_at);
	at = RTE_MIN(at, w->plan.cut_at);
	at = RTE_MIN(at, w->attack_at);
	for (uint32_t i = 0; i < w->nb_hosts; i++)
		at = RTE_MIN(at, host_next(&w->host[i]));
	for (uint32_t i = 0; i < 2 * w->nb_conns; i++) {
		const struct end *e = &w->conn[i / 2].end[i % 2];

		at = RTE_MIN(at, RTE_MAX(e->next, e->next != NEVER ? e->host->stalled : 0));
		at = RTE_MIN(at, w->conn[i / 2].open_at);
	}
	return at;
}

static void
look_inside(struct world *w)
{
	for (uint32_t i = 0; i < w->nb_hosts; i++) {
		struct host *h = &w->host[i];

		/* A stalled stack has not had its turn. */
		if (h->stalled > w->now)
			continue;
		inside_check(h);
		if (w->steps % ACCOUNT_EVERY == 0)
			inside_account(h);
	}
}

static bool
step(struct world *w)
{
	uint64_t at = next_event(w);

	if (at == NEVER || w->fault[0] != '\0' || w->steps++ > MAX_STEPS)
		return false;
	w->now = RTE_MAX(w->now, at);
	deliver(w);
	if (w->plan.mtu_at <= w->now)
		set_mtu(w);
	if (w->plan.cut_at <= w->now)
		cut(w);
	if (w->attack_at <= w->now)
		attack(w);
	if (w->plan.hard && w->now < w->plan.calm_at && sim_rng_chance(&w->rng, 10))
		host_harden(&w->host[sim_rng_below(&w->rng, w->nb_hosts)]);
	for (uint32_t i = 0; i < w->nb_conns; i++)
		tend(w, &w->conn[i]);
	for (uint32_t i = 0; i < w->nb_hosts; i++)
		host_settle(&w->host[i]);
	look_inside(w);
	return true;
}

static bool
all_over(const struct world *w)
{
	for (uint32_t i = 0; i < w->nb_conns; i++) {
		if (!w->conn[i].over)
			return false;
	}
	return true;
}

static bool
all_quiet(const struct world *w)
{
	for (uint32_t i = 0; i < w->nb_hosts; i++) {
		if (pw_tcp_conns(w->host[i].tcp) != 0 || w->host[i].tx_count != 0)
			return false;
	}
	return w->nb_frames == 0;
}

/* Every deadline passes (TIME_WAIT among them), and then there is none. */
static void
sleep_on(struct world *w)
{
	uint64_t until = w->now + 200 * SEC;

	while (w->now < until && step(w)) {
	}
	for (uint32_t i = 0; i < w->nb_hosts; i++) {
		if (pw_tcp_next(w->host[i].tcp) != NEVER)
			world_fault(w, "host %u: a timer that nobody needs", i);
	}
}

static void
check_end(struct world *w)
{
	if (w->fault[0] != '\0')
		return;
	for (uint32_t i = 0; i < w->nb_conns; i++) {
		const struct conn *c = &w->conn[i];

		if (!c->over)
			world_fault(w,
				    "connection %u.%u does not end: opened %d, up %d and %d, gone "
				    "%d and %d",
				    c->id, c->gen, c->end[0].opened, c->end[0].up, c->end[1].up,
				    c->end[0].gone, c->end[1].gone);
	}
	if (!all_quiet(w))
		world_fault(w, "no end in sight after %u steps", w->steps);
	else if (sim_rng_chance(&w->rng, 100))
		sleep_on(w);
	for (uint32_t i = 0; i < w->nb_hosts; i++)
		inside_account(&w->host[i]);
}

static void
run(struct world *w)
{
	while (!all_over(w) && step(w)) {
	}
	w->attack_at = NEVER;
	while (!all_quiet(w) && step(w)) {
	}
	check_end(w);
}

bool
world_play(struct world *w, uint64_t seed, bool verbose, const char *trace, struct tally *tally)
{
	bool good;

	w->tally = tally;
	w->verbose = verbose;
	w->trace = NULL;
	build(w, seed);
	if (verbose)
		plan_print(w);
	if (trace != NULL) {
		w->trace = trace_open(trace, w->nb_hosts);
		if (w->trace == NULL)
			world_fault(w, "can't write %s", trace);
	}
	if (w->fault[0] == '\0')
		run(w);
	for (uint32_t i = 0; i < w->nb_hosts; i++)
		host_down(&w->host[i]);
	app_fini(w);
	for (uint32_t i = 0; i < w->nb_hosts; i++) {
		if (!pw_mem_full(&mem[i]))
			world_fault(w, "host %u: buffers are missing after the end", i);
	}
	if (trace_close(w->trace) != 0)
		world_fault(w, "can't write %s", trace);
	good = w->fault[0] == '\0';
	tally->histories++;
	return good;
}
