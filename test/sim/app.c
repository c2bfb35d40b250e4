/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Applications. Each end of a connection has a plan (how much to send, in what pieces, how lazily
 * to read, how to leave); what it reads is compared, byte by byte, with what the other end was
 * given to send in this life of the connection.
 */
#include <errno.h>
#include <string.h>

#include <rte_common.h>

#include "world.h"

#define PATTERN	   (1 << 16)
#define MAX_SLICES 8
#define KEEP_NS	   (50 * MS)

static uint8_t pattern[PATTERN + FRAME_MAX];

/* Streams differ by where they begin in one pattern; 40503 is odd, so that all places occur. */
static const uint8_t *
place(uint32_t stream, uint32_t off)
{
	return &pattern[(stream * 40503u + off) % PATTERN];
}

static void
fill(uint32_t stream, uint32_t off, uint8_t *p, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		p[i] = *place(stream, off + i);
}

bool
app_same(uint32_t stream, uint32_t off, const uint8_t *p, uint32_t n)
{
	while (n != 0) {
		uint32_t part = RTE_MIN(n, (uint32_t)FRAME_MAX);

		if (memcmp(place(stream, off), p, part) != 0)
			return false;
		off += part;
		p += part;
		n -= part;
	}
	return true;
}

uint32_t
app_stream(const struct conn *c, uint32_t side)
{
	if (c->end[side].echoes)
		side = !side;
	return (c->id * 64 + c->gen) * 2 + side;
}

uint32_t
app_total(const struct end *e)
{
	return e->echoes ? e->conn->end[!e->side].to_send : e->to_send;
}

void
app_init(struct world *w)
{
	struct sim_rng rng = {.s = 11};

	(void)w;
	for (uint32_t i = 0; i < sizeof(pattern); i++)
		pattern[i] = i < PATTERN ? (uint8_t)sim_rng_next(&rng) : pattern[i - PATTERN];
}

static struct world *
world_of(const struct end *e)
{
	return e->conn->w;
}

static void
moved(struct end *e)
{
	e->moved = world_of(e)->now;
}

static void
wake(struct end *e)
{
	struct world *w = world_of(e);
	uint64_t at = w->now + sim_rng_below(&w->rng, e->pause) * US;

	e->next = RTE_MIN(e->next, at);
}

static void
release_kept(struct end *e)
{
	for (uint32_t i = 0; i < e->nb_kept; i++)
		pw_slice_drop(&e->kept[i]);
	e->nb_kept = 0;
}

void
app_fini(struct world *w)
{
	for (uint32_t i = 0; i < w->nb_conns; i++) {
		release_kept(&w->conn[i].end[0]);
		release_kept(&w->conn[i].end[1]);
		judge_fini(&w->conn[i]);
	}
}

static void
drop_all(struct pw_slice *s, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		pw_slice_drop(&s[i]);
}

/* True where the stack took them. */
static bool
give(struct end *e, struct pw_slice *s, uint32_t nb, uint32_t n)
{
	int rc = pw_tcp_send(e->host->tcp, e->tcp, s, nb);

	if (rc == 0) {
		e->sent += n;
		return true;
	}
	drop_all(s, nb);
	if (rc != -ENOBUFS)
		world_fault(world_of(e), "pw_tcp_send() refuses what pw_tcp_send_room() promised");
	return false;
}

static void
send_copy(struct end *e, uint32_t n)
{
	uint8_t bytes[4096];
	int rc;

	n = RTE_MIN(n, (uint32_t)sizeof(bytes));
	fill(app_stream(e->conn, e->side), e->sent, bytes, n);
	rc = pw_tcp_send_copy(e->host->tcp, e->tcp, bytes, n);
	if (rc == 0)
		e->sent += n;
	else if (rc != -ENOBUFS)
		world_fault(world_of(e), "pw_tcp_send_copy() refuses what has room: %d", rc);
}

static void
send_some(struct end *e)
{
	struct sim_rng *rng = &world_of(e)->rng;
	struct pw_slice slice[MAX_SLICES];
	uint32_t room = pw_tcp_send_room(e->host->tcp, e->tcp);
	uint32_t n = RTE_MIN(RTE_MIN(room, e->to_send - e->sent), sim_rng_range(rng, 1, e->chunk));
	uint32_t nb = 0;
	struct rte_mbuf *m;

	/* Unsent bytes must not take the buffers that the wire needs to bring the ACKs. */
	if (n == 0 || rte_mempool_avail_count(e->host->mem->pkt) < POOL_PKT / 4)
		return;
	if (e->copies) {
		send_copy(e, n);
		return;
	}
	m = rte_pktmbuf_alloc(e->host->mem->pkt);
	if (m == NULL)
		return;
	n = RTE_MIN(n, (uint32_t)rte_pktmbuf_tailroom(m));
	fill(app_stream(e->conn, e->side), e->sent, (uint8_t *)rte_pktmbuf_append(m, (uint16_t)n),
	     n);
	for (uint32_t cut = 0; cut < n; nb++) {
		uint32_t part = nb == MAX_SLICES - 1 ? n - cut : sim_rng_range(rng, 1, n - cut);

		slice[nb] = (struct pw_slice){m, (uint16_t)(m->data_off + cut), (uint16_t)part, 0};
		pw_slice_hold(&slice[nb]);
		cut += part;
	}
	(void)give(e, slice, nb, n);
	rte_pktmbuf_free(m);
}

/* Compare the first n bytes of the receive queue with what the peer was given. */
static void
compare(struct end *e, uint32_t n)
{
	uint32_t stream = app_stream(e->conn, !e->side), off = e->got;

	for (const struct rte_mbuf *m = pw_tcp_rx_chain(e->tcp); n != 0; m = m->next) {
		uint32_t part = RTE_MIN(n, (uint32_t)m->data_len);

		if (!app_same(stream, off, rte_pktmbuf_mtod(m, const uint8_t *), part))
			world_fault(world_of(e),
				    "connection %u.%u side %u: other bytes than were sent, at %u",
				    e->conn->id, e->conn->gen, e->side, off);
		off += part;
		n -= part;
	}
}

/* The first bytes of the queue go back by reference; what could be sent is what is consumed. */
static uint32_t
echo(struct end *e, uint32_t n)
{
	struct pw_slice s[MAX_SLICES];
	uint32_t nb = 0, len = 0;

	n = RTE_MIN(n, pw_tcp_send_room(e->host->tcp, e->tcp));
	for (struct rte_mbuf *m = pw_tcp_rx_chain(e->tcp); m != NULL && nb < MAX_SLICES && len < n;
	     m = m->next) {
		s[nb] = pw_slice_of(m);
		s[nb].len = (uint16_t)RTE_MIN(n - len, (uint32_t)s[nb].len);
		pw_slice_hold(&s[nb]);
		len += s[nb++].len;
	}
	return nb != 0 && give(e, s, nb, len) ? len : 0;
}

static void
keep(struct end *e, uint32_t n)
{
	int rc;

	if (e->nb_kept != 0)
		return;
	rc = pw_slices_from_chain(pw_tcp_rx_chain(e->tcp), 0, n, e->kept, MAX_KEPT);
	if (rc < 0)
		return;
	for (int i = 0; i < rc; i++)
		pw_slice_hold(&e->kept[i]);
	e->nb_kept = (uint32_t)rc;
	e->next = RTE_MIN(e->next, world_of(e)->now + KEEP_NS);
}

static void
take(struct end *e, uint32_t most)
{
	struct world *w = world_of(e);
	uint32_t len = pw_tcp_rx_len(e->tcp), n = RTE_MIN(len, most), sum = 0;

	for (const struct rte_mbuf *m = pw_tcp_rx_chain(e->tcp); m != NULL; m = m->next)
		sum += m->data_len;
	if (sum != len)
		world_fault(w, "the receive queue and its length differ");
	/* After bytes that were left to the stack to drop, none can be told from another. */
	if (n == 0 || sum != len || e->dropped)
		return;
	if (e->got + n > e->conn->end[!e->side].sent) {
		world_fault(w, "connection %u.%u side %u: more bytes than were sent", e->conn->id,
			    e->conn->gen, e->side);
		return;
	}
	if (e->echoes && !e->shut && !e->closed)
		n = echo(e, n);
	if (n == 0)
		return;
	compare(e, n);
	if (e->keeps)
		keep(e, n);
	e->got += n;
	w->tally->bytes += n;
	moved(e);
	pw_tcp_consume(e->host->tcp, e->tcp, n);
}

static void
take_some(struct end *e)
{
	struct world *w = world_of(e);
	uint32_t len = pw_tcp_rx_len(e->tcp);

	if (w->now < e->up_at + e->late_read * US) {
		e->next = RTE_MIN(e->next, e->up_at + e->late_read * US);
		return;
	}
	if (e->nibble != 0)
		take(e, e->nibble);
	else
		take(e, sim_rng_chance(&w->rng, 500) ? len : sim_rng_range(&w->rng, 1, len));
}

static void
abort_now(struct end *e)
{
	e->aborted = true;
	e->gone = true;
	e->next = NEVER;
	pw_tcp_abort(e->host->tcp, e->tcp, world_of(e)->now);
	e->tcp = NULL;
}

static void
close_now(struct end *e)
{
	if (e->closed)
		return;
	e->closed = true;
	pw_tcp_close(e->host->tcp, e->tcp, world_of(e)->now);
}

static void
say_goodbye(struct end *e)
{
	bool eof = pw_tcp_eof(e->tcp) && pw_tcp_rx_len(e->tcp) == 0;

	if (e->leave == LEAVE_ABORT && e->sent + e->got >= e->abort_at) {
		abort_now(e);
		return;
	}
	if (e->leave == LEAVE_EARLY) {
		close_now(e);
		return;
	}
	/* One whose peer does the same closes for want of anything else to do. */
	if (e->sent < app_total(e) && !(e->echoes && eof))
		return;
	if (e->linger != 0 && e->linger_until == 0)
		e->linger_until = world_of(e)->now + e->linger;
	if (world_of(e)->now < e->linger_until) {
		e->next = RTE_MIN(e->next, e->linger_until);
		moved(e);
		return;
	}
	if (e->leave == LEAVE_WHEN_SENT || eof) {
		close_now(e);
	} else if (e->leave == LEAVE_HALF && !e->shut) {
		e->shut = true;
		pw_tcp_shutdown(e->host->tcp, e->tcp, world_of(e)->now);
	}
}

/* Something to do that no upcall will announce. */
static bool
has_work(const struct end *e)
{
	bool room = pw_tcp_send_room(e->host->tcp, e->tcp) != 0;
	bool late = world_of(e)->now < e->up_at + e->late_read * US;

	if (pw_tcp_rx_len(e->tcp) != 0 && !late && (room || !e->echoes || e->closed))
		return true;
	return room && !e->echoes && e->sent < e->to_send;
}

void
app_act(struct end *e)
{
	struct world *w = world_of(e);

	e->next = NEVER;
	release_kept(e);
	if (e->tcp == NULL || e->gone)
		return;
	if (!e->up) {
		if (e->leave == LEAVE_EARLY)
			close_now(e);
		else if (e->leave == LEAVE_ABORT && e->abort_at == 0)
			abort_now(e);
		return;
	}
	for (uint32_t i = sim_rng_range(&w->rng, 1, 8); i != 0 && !e->echoes && !e->closed; i--) {
		if (e->sent == e->to_send)
			break;
		send_some(e);
	}
	take_some(e);
	say_goodbye(e);
	if (e->gone || e->tcp == NULL)
		return;
	if (has_work(e)) {
		wake(e);
		e->next = RTE_MAX(e->next, w->now + 500 * US);
	}
}

struct conn *
app_conn_of(struct world *w, const struct pw_flow *flow, uint32_t host, uint32_t *side)
{
	for (uint32_t i = 0; i < w->nb_conns; i++) {
		struct conn *c = &w->conn[i];

		for (uint32_t k = 0; k < 2; k++) {
			const struct end *me = &c->end[k], *peer = &c->end[!k];
			uint16_t mine = k == 0 ? c->port : c->server;
			uint16_t its = k == 0 ? c->server : c->port;

			if (me->host->id != host || flow->lport != mine || flow->rport != its ||
			    !pw_addr_eq(&flow->remote, &peer->host->addr[c->v6]))
				continue;
			*side = k;
			return c;
		}
	}
	return NULL;
}

static struct end *
end_at(const struct pw_tcp_conn *tcp)
{
	return (struct end *)(uintptr_t)pw_tcp_user(tcp);
}

static int
on_accepted(void *ctx, struct pw_tcp_conn *tcp, uint64_t now)
{
	struct host *h = ctx;
	struct pw_flow flow;
	struct conn *c;
	struct end *e;
	uint32_t side;

	pw_tcp_flow(tcp, &flow);
	c = app_conn_of(h->w, &flow, h->id, &side);
	if (c == NULL) {
		world_fault(h->w, "host %u accepts a connection that nobody opened", h->id);
		return -1;
	}
	e = &c->end[side];
	if ((e->up && !e->gone) || side == 0) {
		world_fault(h->w, "connection %u.%u: accepted twice", c->id, c->gen);
		return -1;
	}
	/* A cookie lives longer than what it opened: its ACK may come once more. */
	if (e->gone || e->refuses) {
		e->gone = true;
		e->aborted = true;
		return -1;
	}
	pw_tcp_set_user(tcp, (uintptr_t)e);
	e->tcp = tcp;
	e->up = true;
	e->up_at = now;
	moved(e);
	wake(e);
	return 0;
}

static void
on_connected(void *ctx, struct pw_tcp_conn *tcp, uint64_t now)
{
	struct end *e = end_at(tcp);

	(void)ctx;
	if (e->up || e->gone)
		world_fault(world_of(e), "connected twice");
	e->up = true;
	e->up_at = now;
	moved(e);
	wake(e);
}

static void
on_readable(void *ctx, struct pw_tcp_conn *tcp, uint64_t now)
{
	struct end *e = end_at(tcp);

	(void)ctx;
	(void)now;
	if (e->gone)
		world_fault(world_of(e), "readable after gone");
	if (pw_tcp_eof(tcp))
		e->saw_eof = true;
	moved(e);
	/* Once this side has closed, what the upcall does not take is dropped. */
	if (e->closed) {
		if (e->drops && pw_tcp_rx_len(tcp) != 0)
			e->dropped = true;
		else
			take(e, UINT32_MAX);
	}
	wake(e);
}

static void
on_acked(void *ctx, struct pw_tcp_conn *tcp, uint64_t now)
{
	struct end *e = end_at(tcp);

	(void)ctx;
	(void)now;
	moved(e);
	wake(e);
}

static void
on_gone(void *ctx, struct pw_tcp_conn *tcp, enum pw_tcp_end why, uint64_t now)
{
	struct end *e = end_at(tcp);
	struct world *w = world_of(e);

	(void)ctx;
	(void)now;
	if (e->gone)
		world_fault(w, "gone twice");
	if (pw_tcp_eof(tcp))
		e->saw_eof = true;
	/* What stands in the queue is still the application's to read before this returns. */
	if (!e->dropped) {
		e->closed = true; /* an echo has nobody to answer any more */
		take(e, UINT32_MAX);
	}
	e->gone = true;
	e->why = why;
	e->tcp = NULL;
	e->next = e->nb_kept != 0 ? w->now + KEEP_NS : NEVER;
	moved(e);
	/* Keepalive gives up after eight probes, all of which a rough wire may lose. */
	if (why == PW_TCP_END_TIMEOUT && e->host->probes && w->now < w->plan.calm_at)
		e->conn->may_fail = true;
	w->tally->ends[why]++;
	if (w->verbose)
		printf("%12.6f host%u [%u.%u side %u] gone: %s\n", (double)w->now / 1e9,
		       e->host->id, e->conn->id, e->conn->gen, e->side, pw_tcp_end_str(why));
}

static const struct pw_tcp_ops ops = {
	.accepted = on_accepted,
	.connected = on_connected,
	.readable = on_readable,
	.acked = on_acked,
	.gone = on_gone,
};

void
app_listen(struct world *w)
{
	for (uint32_t i = 0; i < w->nb_hosts; i++) {
		struct host *h = &w->host[i];

		for (uint32_t k = 0; k < 2 * SERVER_PORTS; k++) {
			if (pw_tcp_listen(h->tcp, &h->addr[k % 2], (uint16_t)(FIRST_PORT + k / 2),
					  &ops, h) != 0)
				world_fault(w, "host %u can't listen", i);
		}
	}
}

static int
open_end(struct conn *c, uint32_t side, uint16_t lport, uint16_t rport)
{
	struct end *e = &c->end[side];
	struct pw_flow flow = {e->host->addr[c->v6], c->end[!side].host->addr[c->v6], lport, rport};
	int rc;

	e->opened = true; /* the SYN leaves inside connect() */
	rc = pw_tcp_connect(e->host->tcp, &flow, &ops, e->host, (uintptr_t)e, &e->tcp, c->w->now);
	if (rc < 0) {
		e->opened = false;
		return rc;
	}
	if (e->leave == LEAVE_EARLY || e->leave == LEAVE_ABORT)
		wake(e);
	return 0;
}

void
app_open(struct conn *c)
{
	int rc;

	if (c->tries == 0)
		judge_open(c);
	c->port = c->fixed;
	rc = open_end(c, 0, c->port, c->server);
	if (rc == -EADDRINUSE || rc == -EHOSTUNREACH) {
		/* Its own TIME_WAIT record stands in the way, or the way is not known. */
		c->tries++;
		c->open_at = c->w->now + SEC;
		return;
	}
	if (rc < 0) {
		world_fault(c->w, "connection %u.%u: can't connect: %d", c->id, c->gen, rc);
		return;
	}
	c->tries = 0;
	moved(&c->end[0]);
	moved(&c->end[1]);
	if (c->both_open)
		(void)open_end(c, 1, c->server, c->port);
}
