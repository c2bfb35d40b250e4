/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <rte_byteorder.h>
#include <rte_errno.h>
#include <rte_ether.h>
#include <rte_ip.h>

#include "world.h"

#define ETHER_LEN 14

void
pd_fault(struct pd_world *w, const char *fmt, ...)
{
	va_list ap;

	if (w->fault[0] != '\0')
		return;
	va_start(ap, fmt);
	vsnprintf(w->fault, sizeof(w->fault), fmt, ap);
	va_end(ap);
}

void
pd_trace(struct pd_world *w, const char *fmt, ...)
{
	char *line = w->trace[w->nb_trace++ % PD_TRACE];
	int n = snprintf(line, sizeof(w->trace[0]), "%12.6f s  ",
			 (double)(w->now - w->start) / 1e9);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line + n, sizeof(w->trace[0]) - (size_t)n, fmt, ap);
	va_end(ap);
}

/* Byte of either stream at an offset: no two places within 64 KiB look alike for long. */
static uint8_t
stream_byte(uint32_t off)
{
	uint32_t x = (off ^ off >> 8) * 2654435761u;

	return (uint8_t)(x >> 24 ^ off);
}

static void
stream_fill(uint8_t *p, uint32_t off, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		p[i] = stream_byte(off + i);
}

static bool
stream_same(const uint8_t *p, uint32_t off, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		if (p[i] != stream_byte(off + i))
			return false;
	return true;
}

static struct pw_addr
address(const struct pd_world *w, uint8_t host)
{
	struct pw_addr a = {{0xfd}};

	if (!w->setup.v6)
		return pw_addr_v4(rte_cpu_to_be_32(RTE_IPV4(10, 0, 0, host)));
	a.b[15] = host;
	return a;
}

struct pw_flow
pd_world_flow(const struct pd_world *w)
{
	return (struct pw_flow){address(w, 1), address(w, 2), w->lport, w->rport};
}

/* The application. */

static void
tell(struct pd_world *w, enum pd_event what, enum pw_tcp_end why)
{
	static const char *const name[] = {"accepted", "connected", "gone"};

	if (w->nb_told - w->heard == PD_EVENTS) {
		pd_fault(w, "more than %d events that the script does not ask for", PD_EVENTS);
		return;
	}
	w->told[w->nb_told++ % PD_EVENTS] = (struct pd_told){what, why};
	pd_trace(w, "  application: %s%s%s", name[what], what == PD_EV_GONE ? ", " : "",
		 what == PD_EV_GONE ? pw_tcp_end_str(why) : "");
}

static int
on_accepted(void *ctx, struct pw_tcp_conn *conn, uint64_t now)
{
	struct pd_world *w = ctx;

	(void)now;
	tell(w, PD_EV_ACCEPTED, 0);
	if (w->refuse)
		return -ECONNREFUSED;
	w->conn = conn;
	w->ended = false;
	return 0;
}

static void
on_connected(void *ctx, struct pw_tcp_conn *conn, uint64_t now)
{
	(void)conn;
	(void)now;
	tell(ctx, PD_EV_CONNECTED, 0);
}

static void
on_readable(void *ctx, struct pw_tcp_conn *conn, uint64_t now)
{
	struct pd_world *w = ctx;
	uint32_t n = w->reply;

	(void)now;
	if (conn != w->conn)
		return;
	if (w->auto_read)
		pd_world_read(w, pw_tcp_rx_len(conn));
	w->reply = 0;
	if (n > 0 && pd_world_write(w, n, false) < 0)
		pd_fault(w, "the reply was not taken");
}

static void
on_gone(void *ctx, struct pw_tcp_conn *conn, enum pw_tcp_end why, uint64_t now)
{
	struct pd_world *w = ctx;

	(void)now;
	if (conn != w->conn) {
		pd_fault(w, "gone for a connection that the application does not know");
		return;
	}
	w->conn = NULL;
	w->ended = true;
	w->why = why;
	tell(w, PD_EV_GONE, why);
}

static const struct pw_tcp_ops app = {
	.accepted = on_accepted,
	.connected = on_connected,
	.readable = on_readable,
	.gone = on_gone,
};

int
pd_world_listen(struct pd_world *w)
{
	struct pw_addr local = address(w, 1);

	return pw_tcp_listen(w->t, &local, PD_LOCAL_PORT, &app, w);
}

int
pd_world_connect(struct pd_world *w)
{
	struct pw_flow flow = pd_world_flow(w);
	int rc;

	flow.lport = 0;
	rc = pw_tcp_connect(w->t, &flow, &app, w, 1, &w->conn, w->now);
	if (rc < 0)
		return rc;
	w->ended = false;
	pw_tcp_flow(w->conn, &flow);
	w->lport = flow.lport;
	return 0;
}

int
pd_world_write(struct pd_world *w, uint32_t n, bool copy)
{
	static uint8_t bytes[PW_TCP_SEND_COPY_MAX];
	int rc = 0;

	while (n > 0 && rc == 0) {
		uint32_t k = RTE_MIN(n, copy ? (uint32_t)sizeof(bytes) : 1600u);

		if (copy) {
			stream_fill(bytes, w->written, k);
			rc = pw_tcp_send_copy(w->t, w->conn, bytes, k);
		} else {
			struct rte_mbuf *m = rte_pktmbuf_alloc(w->mem->pkt);
			struct pw_slice s;

			if (m == NULL)
				return -ENOBUFS;
			stream_fill((uint8_t *)rte_pktmbuf_append(m, (uint16_t)k), w->written, k);
			s = pw_slice_of(m);
			rc = pw_tcp_send(w->t, w->conn, &s, 1);
			if (rc < 0)
				rte_pktmbuf_free(m);
		}
		if (rc == 0)
			w->written += k;
		n -= k;
	}
	return rc;
}

void
pd_world_read(struct pd_world *w, uint32_t n)
{
	const struct rte_mbuf *m = pw_tcp_rx_chain(w->conn);
	uint32_t left = n, off = w->consumed;

	if (n > pw_tcp_rx_len(w->conn)) {
		pd_fault(w, "%u bytes are to be read, %u are there", n, pw_tcp_rx_len(w->conn));
		return;
	}
	for (; m != NULL && left > 0; m = m->next) {
		uint32_t k = RTE_MIN(left, (uint32_t)m->data_len);

		if (!stream_same(rte_pktmbuf_mtod(m, const uint8_t *), off, k))
			pd_fault(w, "bytes %u to %u of the peer's stream are wrong", off, off + k);
		off += k;
		left -= k;
	}
	if (left > 0)
		pd_fault(w, "the receive queue is shorter than it says");
	w->consumed = off;
	pw_tcp_consume(w->t, w->conn, n);
}

/* The wire. */

static void
learn_numbers(struct pd_world *w, const struct pd_seg *raw)
{
	const struct pd_opt *ts = pd_seg_opt(raw, PD_OPT_TS);

	if ((raw->flags & PD_SYN) && !w->iss_known) {
		if (w->later && (int32_t)((uint32_t)raw->seq - w->highest) <= 0)
			pd_fault(w, "the new initial number does not lie beyond the old numbers");
		w->iss = (uint32_t)raw->seq;
		w->iss_known = true;
		w->later = false;
		w->highest = w->iss;
		w->edge_known = false;
	}
	if (ts == NULL)
		return;
	w->ts_last = (uint32_t)ts->v[0];
	if (!w->ts_known)
		w->ts_base = (uint32_t)ts->v[0] - PD_TS_FIRST;
	w->ts_known = true;
}

static struct pd_base
base_of_stack(const struct pd_world *w)
{
	return (struct pd_base){w->iss, w->peer_isn, w->ts_base, 0};
}

/* Rules for what the stack sends, in raw numbers. */
static void
check_sent(struct pd_world *w, const struct pd_seg *raw, uint32_t header, const uint8_t *payload)
{
	uint32_t seq = (uint32_t)raw->seq, end = seq + raw->len;
	uint32_t ip = w->setup.v6 ? 40 : 20;

	if (ip + header + raw->len > w->setup.mtu)
		pd_fault(w, "%u bytes of payload behind %u of header do not fit an MTU of %u",
			 raw->len, header, w->setup.mtu);
	if (raw->len > 0 && !stream_same(payload, seq - w->iss - 1, raw->len))
		pd_fault(w, "payload at %u is not that of the stream", seq - w->iss);
	if (raw->len > 0 && w->offer_known) {
		int32_t over = (int32_t)(end - w->offer);

		if (over > 0 && !(over == 1 && raw->len == 1))
			pd_fault(w, "bytes up to %u lie %d beyond the window offered", end - w->iss,
				 over);
	}
	if ((int32_t)(end + !!(raw->flags & PD_FIN) - w->highest) > 0 && !(raw->flags & PD_RST))
		w->highest = end + !!(raw->flags & PD_FIN);
	if (raw->flags & PD_RST || !(raw->flags & PD_ACK))
		return;
	end = (uint32_t)raw->ack +
	      (raw->win << (w->stack_ws && w->peer_ws && !(raw->flags & PD_SYN) ? w->stack_scale
										: 0));
	if (w->edge_known && (int32_t)(end - w->edge) < 0)
		pd_fault(w, "the right edge of the window moves left, from %u to %u",
			 w->edge - w->peer_isn, end - w->peer_isn);
	w->edge = end;
	w->edge_known = true;
}

static int
output(void *ctx, const struct pw_flow *flow, struct rte_mbuf *m, uint64_t now)
{
	struct pd_world *w = ctx;
	struct pd_sent *o = &w->out[w->nb_out % PD_OUT];
	struct pd_base none = {0}, base;
	uint8_t bytes[PD_SEGMENT];
	struct pd_seg raw;
	uint32_t n = 0, header;
	char text[160];

	for (const struct rte_mbuf *s = m; s != NULL; s = s->next) {
		if (n + s->data_len > sizeof(bytes))
			break;
		memcpy(bytes + n, rte_pktmbuf_mtod(s, uint8_t *), s->data_len);
		n += s->data_len;
	}
	header = pd_seg_parse(&raw, &none, bytes, n);
	if (header == 0 || n != m->pkt_len || m->l4_len != header ||
	    m->nb_segs > w->setup.max_segs || w->nb_out - w->taken == PD_OUT) {
		pd_fault(w, "a segment that no wire could accept, or too many at once");
		rte_pktmbuf_free(m);
		return 0;
	}
	rte_pktmbuf_free(m);
	if (raw.flags & PD_SYN) {
		const struct pd_opt *ws = pd_seg_opt(&raw, PD_OPT_WS);

		w->stack_ws = ws != NULL;
		w->stack_scale = ws != NULL ? (uint8_t)ws->v[0] : 0;
	}
	/* The port of an active open is chosen on the way. */
	if (!w->iss_known && raw.flags == PD_SYN)
		w->lport = flow->lport;
	learn_numbers(w, &raw);
	check_sent(w, &raw, header, bytes + header);
	base = base_of_stack(w);
	(void)pd_seg_parse(&o->seg, &base, bytes, n);
	o->at = now;
	pd_trace(w, "> %s%s", pd_seg_str(&o->seg, text, sizeof(text)),
		 w->output_rc != 0 ? " (not taken below)" : "");
	if (flow->lport != w->lport || flow->rport != w->rport)
		pd_fault(w, "a segment of another flow");
	if (w->output_rc == 0)
		w->nb_out++;
	return w->output_rc;
}

static int
path(void *ctx, const struct pw_addr *dst, struct pw_tcp_path *to)
{
	const struct pd_world *w = ctx;

	(void)dst;
	to->mtu = w->setup.mtu;
	to->max_segs = w->setup.max_segs;
	return w->path_rc;
}

static struct rte_mbuf *
frame(struct pd_world *w, const uint8_t *tcp, uint32_t n)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(w->mem->pkt);
	struct pw_flow flow = pd_world_flow(w);
	uint32_t l3 = w->setup.v6 ? 40 : 20;
	uint8_t *p;

	if (m == NULL)
		return NULL;
	p = (uint8_t *)rte_pktmbuf_append(m, (uint16_t)(ETHER_LEN + l3 + n));
	if (p == NULL) {
		rte_pktmbuf_free(m);
		return NULL;
	}
	memset(p, 0, ETHER_LEN + l3);
	if (w->setup.v6) {
		struct rte_ipv6_hdr *ip = (struct rte_ipv6_hdr *)(p + ETHER_LEN);

		ip->vtc_flow = rte_cpu_to_be_32(6u << 28);
		ip->payload_len = rte_cpu_to_be_16((uint16_t)n);
		ip->proto = IPPROTO_TCP;
		memcpy(ip->src_addr, flow.remote.b, 16);
		memcpy(ip->dst_addr, flow.local.b, 16);
	} else {
		struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)(p + ETHER_LEN);

		ip->version_ihl = RTE_IPV4_VHL_DEF;
		ip->total_length = rte_cpu_to_be_16((uint16_t)(l3 + n));
		ip->next_proto_id = IPPROTO_TCP;
		ip->src_addr = pw_addr_be32(&flow.remote);
		ip->dst_addr = pw_addr_be32(&flow.local);
	}
	memcpy(p + ETHER_LEN + l3, tcp, n);
	m->l2_len = ETHER_LEN;
	m->l3_len = l3;
	return m;
}

/* What a peer does without being told: its timestamps, where the script leaves them to it. */
static void
fill_in(struct pd_world *w, struct pd_seg *s)
{
	uint32_t ms = (uint32_t)((w->now - w->start) / PD_MS);

	if (!s->has_opts && w->peer_ts_used && !(s->flags & PD_RST)) {
		s->nb_opts = 3;
		s->opt[0] = s->opt[1] = (struct pd_opt){.kind = PD_OPT_NOP};
		s->opt[2] = (struct pd_opt){.kind = PD_OPT_TS, .n = 2, .any = 3};
	}
	for (uint32_t i = 0; i < s->nb_opts; i++) {
		struct pd_opt *o = &s->opt[i];

		if (o->kind != PD_OPT_TS)
			continue;
		if (o->any & 1)
			o->v[0] = (int64_t)(w->peer_ts + ms);
		else
			w->peer_ts = (uint32_t)o->v[0] - ms;
		if (o->any & 2)
			o->v[1] = s->flags & PD_ACK && w->ts_known
					  ? (int64_t)(uint32_t)(w->ts_last - w->ts_base)
					  : 0;
		o->any = 0;
	}
	if (!s->has_win)
		s->win = 65535;
}

static void
learn_offer(struct pd_world *w, const struct pd_seg *s)
{
	uint32_t scale, edge;

	if (s->flags & PD_SYN) {
		const struct pd_opt *ws = pd_seg_opt(s, PD_OPT_WS);

		w->peer_ws = ws != NULL;
		w->peer_scale = ws != NULL ? (uint8_t)RTE_MIN(ws->v[0], 14) : 0;
		w->offer_known = false;
	}
	if (!(s->flags & PD_ACK) || !w->iss_known)
		return;
	scale = w->stack_ws && w->peer_ws && !(s->flags & PD_SYN) ? w->peer_scale : 0;
	edge = w->iss + (uint32_t)s->ack + (s->win << scale);
	if (!w->offer_known || (int32_t)(edge - w->offer) > 0)
		w->offer = edge;
	w->offer_known = true;
}

bool
pd_world_inject(struct pd_world *w, const struct pd_seg *seg, bool more)
{
	struct pd_base base = {w->peer_isn, w->iss, 0, w->ts_base};
	uint8_t payload[PD_SEGMENT], bytes[PD_SEGMENT];
	struct pd_seg s = *seg;
	struct rte_mbuf *m;
	char text[160];
	uint32_t n;

	fill_in(w, &s);
	if (s.len > sizeof(payload)) {
		pd_fault(w, "a segment of the script is longer than %d bytes", PD_SEGMENT);
		return false;
	}
	stream_fill(payload, (uint32_t)s.seq - !(s.flags & PD_SYN), s.len);
	n = pd_seg_build(&s, &base, w->rport, w->lport, payload, bytes, sizeof(bytes));
	if (n == 0) {
		pd_fault(w, "the options do not fit, or the segment is too long");
		return false;
	}
	s.has_win = true;
	s.has_opts = s.nb_opts > 0;
	pd_trace(w, "< %s", pd_seg_str(&s, text, sizeof(text)));
	learn_offer(w, &s);
	m = frame(w, bytes, n);
	if (m == NULL || w->nb_burst == RTE_DIM(w->burst)) {
		rte_pktmbuf_free(m);
		pd_fault(w, "no buffer for a segment of the script");
		return false;
	}
	w->burst[w->nb_burst++] = m;
	if (more)
		return true;
	pw_tcp_input(w->t, w->burst, w->nb_burst, w->now);
	w->nb_burst = 0;
	pd_world_act(w);
	return w->fault[0] == '\0';
}

void
pd_world_act(struct pd_world *w)
{
	if (w->corked)
		return;
	pw_tcp_dispatch(w->t, w->now);
	pw_tcp_flush(w->t, w->now);
}

bool
pd_world_step(struct pd_world *w, uint64_t end)
{
	uint64_t next = pw_tcp_next(w->t);

	if (next <= w->now)
		next = w->now + PD_MS;
	w->now = RTE_MIN(next, end);
	pw_tcp_advance(w->t, w->now);
	pd_world_act(w);
	return w->now < end;
}

int
pd_world_open(struct pd_world *w, const struct pd_setup *setup, struct pw_mem *mem)
{
	struct pw_tcp_conf conf = setup->conf;

	memset(w, 0, sizeof(*w));
	w->setup = *setup;
	w->mem = mem;
	w->start = w->now = w->clock = UINT64_C(1000000) * PD_MS;
	w->tolerance = 3 * PD_MS;
	w->peer_isn = setup->peer_isn;
	w->lport = PD_LOCAL_PORT;
	w->rport = PD_PEER_PORT;
	conf.name = "packetdrill";
	conf.seed = 7;
	conf.mem = mem;
	conf.socket = mem->socket;
	conf.max_conns = conf.max_conns != 0 ? conf.max_conns : 32;
	conf.max_tx_slices = conf.max_tx_slices != 0 ? conf.max_tx_slices : 1024;
	conf.hooks = (struct pw_tcp_hooks){.ctx = w, .output = output, .path = path};
	w->t = pw_tcp_create(&conf, w->now);
	return w->t != NULL ? 0 : -rte_errno;
}

void
pd_world_close(struct pd_world *w)
{
	for (uint32_t i = 0; i < w->nb_burst; i++)
		rte_pktmbuf_free(w->burst[i]);
	w->nb_burst = 0;
	if (w->t != NULL)
		pw_tcp_destroy(w->t);
	w->t = NULL;
}
