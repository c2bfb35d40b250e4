/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A host: lib/wire under lib/tcp as a worker's loop joins them, above a driver that may do
 * checksums, keep sent chains for a while, and spread a received frame over several buffers.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include <rte_common.h>
#include <rte_errno.h>

#include "tso.h"
#include "world.h"

#define BURST	     32
#define ADVANCE_NS   (100 * MS) /* lib/wire wants to be called so often */
#define MTU_FOR_V6   1280
#define MIN_HEADROOM 64 /* what pw_wire_send_tcp() asks for */

void
host_mac(uint32_t id, uint8_t *mac)
{
	memset(mac, 0, 6);
	mac[0] = 2;
	mac[5] = (uint8_t)(id + 1);
}

/** What a real port would stumble over. */
static const char *
chain_fault(const struct host *h, const struct rte_mbuf *m)
{
	const char *reason;

	if (rte_mbuf_check(m, 1, &reason) != 0)
		return reason;
	if (m->nb_segs > h->port.max_segs)
		return "more segments than the port takes";
	if (m->tso_segsz == 0 && m->pkt_len > h->port.mtu + (uint32_t)FRAME_ETHER)
		return "larger than the MTU";
	if (m->tso_segsz != 0 && !(h->port.caps & PW_PORT_TX_TSO))
		return "to be cut by a port that does not";
	if (m->tso_segsz != 0 && !(m->ol_flags & RTE_MBUF_F_TX_TCP_SEG))
		return "says what to cut it into, not that it is to be cut";
	if (rte_mbuf_refcnt_read(m) != 1 || !RTE_MBUF_DIRECT(m))
		return "the header buffer is shared";
	return NULL;
}

static void
tx_done_first(struct host *h)
{
	rte_pktmbuf_free(h->tx[h->tx_first].m);
	h->tx_first = (h->tx_first + 1) % MAX_HELD_TX;
	h->tx_count--;
}

void
host_tx_done(struct host *h, uint64_t now)
{
	while (h->tx_count != 0 && h->tx[h->tx_first].until <= now)
		tx_done_first(h);
}

/* The driver's side: the frame is on its way, the chain comes back later. */
static void
keep_chain(struct host *h, struct rte_mbuf *m)
{
	struct held_tx *k;

	if (h->hold_ns == 0) {
		rte_pktmbuf_free(m);
		return;
	}
	if (h->tx_count == MAX_HELD_TX)
		tx_done_first(h);
	k = &h->tx[(h->tx_first + h->tx_count++) % MAX_HELD_TX];
	k->m = m;
	k->until = h->w->now + sim_rng_next(&h->w->rng) % h->hold_ns;
}

static void
digest(struct world *w, const uint8_t *p, uint32_t n)
{
	w->digest ^= w->now;
	for (uint32_t i = 0; i < n; i++)
		w->digest = (w->digest ^ p[i]) * UINT64_C(0x100000001b3);
}

/* One segment, or another packet, is on its way. */
static void
send_frame(struct host *h, uint8_t *frame, uint32_t n, bool sums)
{
	struct world *w = h->w;
	struct conn *c = NULL;
	struct packet p;
	uint32_t side;
	struct seg s;

	if (packet_parse(frame, n, &p) == 0) {
		if (sums)
			packet_sum(frame, &p);
		else if (!packet_sums_right(frame, &p))
			world_fault(w, "host %u sends a wrong checksum", h->id);
		if (p.proto == IPPROTO_TCP && seg_parse(frame + p.l4, p.end - p.l4, &s) == 0) {
			struct pw_flow flow = {p.src, p.dst, s.sport, s.dport};

			c = app_conn_of(w, &flow, h->id, &side);
		}
	}
	digest(w, frame, n);
	trace_frame(w->trace, h->id, false, w->now, frame, n, "");
	link_send(w, h->id, frame, n, 0, c);
}

static void
on_tx(void *ctx, uint32_t iface, struct rte_mbuf *m)
{
	bool sums = (m->ol_flags & (RTE_MBUF_F_TX_IP_CKSUM | RTE_MBUF_F_TX_TCP_CKSUM)) != 0;
	struct host *h = ctx;
	const char *fault = chain_fault(h, m);
	uint8_t frame[FRAME_MAX];

	(void)iface;
	for (uint32_t i = 0; fault == NULL && i < tso_pieces(m); i++) {
		uint32_t n = tso_piece(m, i, frame, sizeof(frame));

		if (n == 0 || n > (uint32_t)h->port.mtu + FRAME_ETHER)
			fault = "long";
		else
			send_frame(h, frame, n, sums);
	}
	if (fault == NULL) {
		keep_chain(h, m);
		return;
	}
	world_fault(h->w, "host %u sends a frame: %s", h->id, fault);
	rte_pktmbuf_free(m);
}

static void
print_seg(struct host *h, struct conn *c, uint32_t side, const struct seg *s, const char *how)
{
	const struct view *from = &c->view[how[0] == '>' ? side : !side];
	const struct view *to = &c->view[how[0] == '>' ? !side : side];
	char line[300];

	if (h->w->verbose)
		printf("%12.6f host%u %s [%u.%u %s] %s\n", (double)h->w->now / 1e9, h->id, how,
		       c->id, c->gen, side == 0 ? "opener" : "server",
		       seg_str(s, from->iss, to->iss, line, sizeof(line)));
}

static void
look_at_segment(struct host *h, const struct pw_flow *flow, const uint8_t *segment, uint32_t n,
		uint32_t l4_len)
{
	struct world *w = h->w;
	struct conn *c;
	struct seg s;
	uint32_t side;

	w->tally->segments++;
	if (n == 0 || seg_parse(segment, n, &s) < 0) {
		world_fault(w, "host %u sends a TCP header that can't be read", h->id);
		return;
	}
	if (l4_len != 20u + s.opt_len)
		world_fault(w, "host %u: l4_len is not the header's length", h->id);
	c = app_conn_of(w, flow, h->id, &side);
	if (c != NULL) {
		print_seg(h, c, side, &s, ">");
		judge_sent(c, side, &s, !inside_has_conn(h, flow));
	}
}

static int
on_output(void *ctx, const struct pw_flow *flow, struct rte_mbuf *m, uint64_t now)
{
	struct host *h = ctx;
	uint8_t segment[FRAME_MAX];

	h->w->last_sent = now;
	if (rte_pktmbuf_headroom(m) < MIN_HEADROOM)
		world_fault(h->w, "host %u: no headroom for the headers below", h->id);
	for (uint32_t i = 0; i < tso_pieces(m); i++) {
		uint32_t n = tso_piece(m, i, segment, sizeof(segment));

		look_at_segment(h, flow, segment, n, m->l4_len);
	}
	return pw_wire_send_tcp(h->wire, flow, m, 0, now);
}

static int
on_path(void *ctx, const struct pw_addr *dst, struct pw_tcp_path *to)
{
	const struct host *h = ctx;
	struct pw_wire_path path;
	int rc = pw_wire_path(h->wire, dst, &path);

	if (rc < 0)
		return rc;
	to->mtu = path.mtu;
	to->max_segs = path.max_segs;
	to->tso = (path.caps & PW_PORT_TX_TSO) != 0;
	return 0;
}

static void
on_icmp(void *ctx, const struct pw_flow *flow, uint32_t seq, uint16_t mtu, uint8_t code,
	uint64_t now)
{
	struct host *h = ctx;

	if (h->w->verbose)
		printf("%12.6f host%u hears ICMP: mtu %u code %u for port %u\n", (double)now / 1e9,
		       h->id, mtu, code, flow->lport);
	pw_tcp_icmp_error(h->tcp, flow, seq, mtu, code, now);
}

static int
wire_up(struct host *h, const char *name)
{
	struct pw_wire_conf conf = {
		.name = name,
		.iface = {{.port = &h->port,
			   .addr = {{h->addr[0], 24}, {h->addr[1], 64}},
			   /* RFC 8200 5: no IPv6 over less */
			   .nb_addrs = h->port.mtu < MTU_FOR_V6 ? 1 : 2}},
		.nb_ifaces = 1,
		.neighbours = 16,
		.mem = h->mem,
		.hooks = {.ctx = h, .tx = on_tx, .icmp_error = on_icmp},
		.socket = h->mem->socket,
		.seed = sim_rng_next(&h->w->rng),
	};

	h->wire = pw_wire_create(&conf);
	return h->wire != NULL ? 0 : -rte_errno;
}

int
host_up(struct world *w, uint32_t id, const struct pw_mem *mem, struct pw_tcp_conf *tcp,
	const struct pw_port *port)
{
	struct host *h = &w->host[id];
	char name[16];
	int rc;

	memset(h, 0, sizeof(*h));
	h->w = w;
	h->id = id;
	h->mem = mem;
	h->port = *port;
	h->relax_at = NEVER;
	h->probes = tcp->keepalive_ms != 0;
	host_mac(id, h->port.mac.addr_bytes);
	h->addr[0] = pw_addr_v4(htonl(0x0a000001 + id));
	h->addr[1] = (struct pw_addr){{0xfd, 0x77, [15] = (uint8_t)(id + 1)}};
	snprintf(name, sizeof(name), "sim%u", id);
	rc = wire_up(h, name);
	if (rc < 0)
		return rc;
	tcp->name = name;
	tcp->mem = mem;
	tcp->socket = mem->socket;
	tcp->seed = sim_rng_next(&w->rng);
	tcp->hooks = (struct pw_tcp_hooks){.ctx = h, .output = on_output, .path = on_path};
	h->tcp = pw_tcp_create(tcp, w->now);
	if (h->tcp == NULL)
		return -rte_errno;
	pw_wire_announce(h->wire, w->now);
	return 0;
}

static void
add_counters(uint64_t *sum, const void *counters, size_t bytes)
{
	for (uint32_t i = 0; i < bytes / sizeof(*sum); i++)
		sum[i] += pw_counter_read(counters, i);
}

void
host_down(struct host *h)
{
	struct tally *t = h->w->tally;

	host_relax(h);
	if (h->tcp != NULL) {
		add_counters((uint64_t *)&t->tcp, pw_tcp_counters(h->tcp), sizeof(t->tcp));
		add_counters((uint64_t *)&t->wire, pw_wire_counters(h->wire), sizeof(t->wire));
		pw_tcp_destroy(h->tcp);
	}
	pw_wire_destroy(h->wire);
	host_tx_done(h, NEVER);
	h->tcp = NULL;
	h->wire = NULL;
}

/** The frame in buffers of this host's; NULL where its pool is empty. */
static struct rte_mbuf *
fill(struct host *h, const uint8_t *b, uint32_t n)
{
	bool scatter = sim_rng_chance(&h->w->rng, h->scatter);
	struct rte_mbuf *first = NULL;
	uint32_t at = 0;

	while (at < n) {
		uint32_t part = scatter ? sim_rng_range(&h->w->rng, 1, n - at) : n - at;
		struct rte_mbuf *m = rte_pktmbuf_alloc(h->mem->pkt);

		if (m == NULL) {
			rte_pktmbuf_free(first);
			return NULL;
		}
		memcpy(rte_pktmbuf_append(m, (uint16_t)part), b + at, part);
		at += part;
		if (first == NULL)
			first = m;
		else if (rte_pktmbuf_chain(first, m) < 0)
			world_fault(h->w, "a chain that DPDK does not take");
	}
	return first;
}

static const char *
what_happened(const struct frame *f)
{
	if (f->flags & FRAME_FORGED)
		return "forged";
	if (f->flags & FRAME_CORRUPT)
		return "corrupted on the way";
	return f->flags & FRAME_AGAIN ? "duplicated on the way" : "";
}

/** What the judge learns of a segment that the stack is about to read. */
static void
tell_judge(struct host *h, const struct frame *f, const struct rte_mbuf *m)
{
	uint32_t l4 = m->l2_len + m->l3_len, side;
	struct packet p;
	struct conn *c;
	struct seg s;

	if (packet_parse(f->b, f->len, &p) < 0 || seg_parse(f->b + p.l4, p.end - p.l4, &s) < 0)
		return;
	if (p.l4 != l4 || p.end != m->pkt_len)
		world_fault(h->w, "lib/wire leaves wrong lengths: l4 at %u, %u bytes", l4,
			    m->pkt_len);
	c = app_conn_of(h->w, &(struct pw_flow){p.dst, p.src, s.dport, s.sport}, h->id, &side);
	if (c == NULL)
		return;
	print_seg(h, c, side, &s, f->flags & FRAME_FORGED ? "< FORGED" : "<");
	if (!(f->flags & FRAME_FORGED) && c == f->conn && c->gen == f->gen)
		judge_heard(c, side, &s);
}

void
host_receive(struct host *h, struct frame **f, uint32_t n)
{
	struct rte_mbuf *tcp[BURST], *m;
	uint32_t got = 0;

	for (uint32_t i = 0; i < n; i++) {
		trace_frame(h->w->trace, h->id, true, h->w->now, f[i]->b, f[i]->len,
			    what_happened(f[i]));
		m = fill(h, f[i]->b, f[i]->len);
		if (m == NULL) {
			h->w->tally->lost++;
			continue;
		}
		if (pw_wire_input(h->wire, 0, &m, 1, &tcp[got], h->w->now) == 0)
			continue;
		/* Of IPv6's header only addresses, length and next header are covered by a sum. */
		if ((f[i]->flags & FRAME_CORRUPT) && f[i]->b[12] == 0x08)
			world_fault(h->w, "host %u takes a corrupted packet", h->id);
		tell_judge(h, f[i], tcp[got]);
		got++;
	}
	if (got != 0)
		pw_tcp_input(h->tcp, tcp, got, h->w->now);
}

static void
take_pool(struct host *h, struct rte_mempool *pool, uint32_t leave)
{
	while (h->nb_hog < RTE_DIM(h->hog)) {
		struct rte_mbuf *m = rte_pktmbuf_alloc(pool);

		if (m == NULL)
			break;
		h->hog[h->nb_hog++] = m;
	}
	for (; leave != 0 && h->nb_hog != 0; leave--)
		rte_pktmbuf_free(h->hog[--h->nb_hog]);
}

void
host_harden(struct host *h)
{
	struct rte_mempool *pool[] = {h->mem->pkt, h->mem->hdr, h->mem->ind};
	struct sim_rng *rng = &h->w->rng;
	uint32_t which = sim_rng_below(rng, 5), leave = sim_rng_below(rng, 20);

	if (h->relax_at != NEVER)
		return;
	h->relax_at = h->w->now + sim_rng_range(rng, 1, 400) * MS;
	if (which < RTE_DIM(pool))
		take_pool(h, pool[which], leave);
	else if (which == RTE_DIM(pool))
		pw_tcp_set_pressure(h->tcp, sim_rng_range(rng, 0, 2));
	else
		h->stalled = h->relax_at;
}

void
host_relax(struct host *h)
{
	while (h->nb_hog != 0)
		rte_pktmbuf_free(h->hog[--h->nb_hog]);
	if (h->tcp != NULL)
		pw_tcp_set_pressure(h->tcp, 0);
	h->relax_at = NEVER;
}

uint64_t
host_next(const struct host *h)
{
	uint64_t next = pw_tcp_next(h->tcp);

	/* A lower bound may lie at or before now; a tick later it must have moved. */
	if (next <= h->w->now)
		next = h->w->now + MS;
	next = RTE_MIN(next, h->advance_at);
	if (h->tx_count != 0)
		next = RTE_MIN(next, RTE_MAX(h->tx[h->tx_first].until, h->w->now + 1));
	if (next < h->stalled)
		next = h->stalled;
	return RTE_MIN(next, h->relax_at);
}

void
host_settle(struct host *h)
{
	uint64_t now = h->w->now;

	host_tx_done(h, now);
	if (h->relax_at <= now)
		host_relax(h);
	if (h->stalled > now)
		return;
	pw_tcp_dispatch(h->tcp, now);
	pw_tcp_advance(h->tcp, now);
	pw_tcp_flush(h->tcp, now);
	if (h->advance_at <= now) {
		pw_wire_advance(h->wire, now);
		h->advance_at = now + ADVANCE_NS;
	}
}
