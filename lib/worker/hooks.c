/* SPDX-License-Identifier: BSD-3-Clause */
/* What the rooms below ask of each other, passed on. */
#include <errno.h>
#include <string.h>

#include <rte_ip.h>

#include "worker_pvt.h"

#define TCP_TTL		64

#define ERRORS_A_SECOND 1000 /* that are passed on to other workers */

/* RFC 6335 6: dynamic ports; those below are left to listeners and to other programs. */
#define FIRST_PORT 32768
#define PORTS	   (65536 - FIRST_PORT)

static void
wire_tx(void *ctx, uint32_t iface, struct rte_mbuf *m)
{
	worker_tx(ctx, iface, m);
}

/* A lost message costs the others an ARP exchange of their own, whose answer is told again. */
static void
wire_learnt(void *ctx, uint32_t iface, const struct pw_addr *ip, const struct rte_ether_addr *mac)
{
	struct worker *w = ctx;
	struct message m = {
		.kind = MESSAGE_NEIGHBOUR,
		.iface = iface,
		.neighbour = {.ip = *ip, .mac = *mac},
	};

	for (uint32_t to = 0; to < w->fleet->nb_workers; to++) {
		if (to != w->index && worker_post(w, to, &m) < 0)
			count_add(&w->count.drop_message_full, 1);
	}
}

/* Worker of a flow of ours, by the interface that it is reached through. */
static uint32_t
flow_owner(const struct worker *w, const struct pw_flow *flow)
{
	const struct pw_fleet *f = w->fleet;
	struct pw_wire_path path;

	if (f->nb_workers == 1 || pw_wire_path(w->wire, &flow->remote, &path) < 0)
		return w->index;
	if (f->steering[path.iface].mixed && worker_is_listener_port(f, flow->lport))
		return pw_port_worker(&f->steering[path.iface].devices, flow);
	return pw_port_worker(f->port[path.iface], flow);
}

/* Errors are easily forged, and their number checked only where the flow is. */
static bool
may_tell_error(struct worker *w, uint64_t now)
{
	if (now - w->icmp_second >= UINT64_C(1000000000)) {
		w->icmp_second = now;
		w->icmp_told = 0;
	}
	if (w->icmp_told == ERRORS_A_SECOND) {
		count_add(&w->count.icmp_held_back, 1);
		return false;
	}
	w->icmp_told++;
	return true;
}

static void
wire_icmp_error(void *ctx, const struct pw_flow *flow, uint32_t seq, uint16_t mtu, uint8_t code,
		uint64_t now)
{
	struct worker *w = ctx;
	uint32_t to = flow_owner(w, flow);
	struct message m = {
		.kind = MESSAGE_ICMP_ERROR,
		.icmp = {.flow = *flow, .seq = seq, .mtu = mtu, .code = code},
	};

	if (to == w->index)
		pw_tcp_icmp_error(w->tcp, flow, seq, mtu, code, now);
	else if (may_tell_error(w, now) && worker_post(w, to, &m) < 0)
		count_add(&w->count.drop_message_full, 1);
}

/* Flow of a TCP packet that the wire has found fit: its headers lie in the first buffer. */
static struct pw_flow
flow_of(const struct rte_mbuf *m)
{
	const uint8_t *ip = rte_pktmbuf_mtod_offset(m, const uint8_t *, m->l2_len);
	const uint8_t *tcp = ip + m->l3_len;
	struct pw_flow flow;
	uint32_t be;

	if (ip[0] >> 4 == 4) {
		memcpy(&be, ip + offsetof(struct rte_ipv4_hdr, src_addr), sizeof(be));
		flow.remote = pw_addr_v4(be);
		memcpy(&be, ip + offsetof(struct rte_ipv4_hdr, dst_addr), sizeof(be));
		flow.local = pw_addr_v4(be);
	} else {
		memcpy(flow.remote.b, ip + offsetof(struct rte_ipv6_hdr, src_addr), 16);
		memcpy(flow.local.b, ip + offsetof(struct rte_ipv6_hdr, dst_addr), 16);
	}
	flow.rport = (uint16_t)(tcp[0] << 8 | tcp[1]);
	flow.lport = (uint16_t)(tcp[2] << 8 | tcp[3]);
	return flow;
}

/* A port that chose the queue knew less of the packet than is known of it whole. */
static void
wire_unsteered(void *ctx, uint32_t iface, struct rte_mbuf *packet, uint64_t now)
{
	struct worker *w = ctx;
	struct pw_flow flow = flow_of(packet);
	uint32_t to = flow_owner(w, &flow);
	struct message m = {.kind = MESSAGE_PACKET, .iface = iface, .packet = packet};

	if (to == w->index) {
		pw_tcp_input(w->tcp, &packet, 1, now);
	} else if (worker_post(w, to, &m) == 0) {
		count_add(&w->count.regrouped, 1);
	} else {
		rte_pktmbuf_free(packet);
		count_add(&w->count.drop_message_full, 1);
	}
}

static void
wire_kernel(void *ctx, uint32_t iface, struct rte_mbuf *m, uint64_t now)
{
	worker_to_kernel(ctx, iface, m, now);
}

/* True for the address and port of a listener, which is ours while it refuses connections too. */
static bool
is_listener(const struct pw_fleet *f, const struct pw_flow *flow)
{
	for (uint32_t i = 0; i < f->nb_listeners; i++) {
		if (f->listener_port[i] == flow->lport &&
		    pw_addr_eq(&f->listener_addr[i], &flow->local))
			return true;
	}
	return false;
}

/* What came in fragments is refused here where it has become too large for the kernel's interface.
 */
static bool
tcp_stranger(void *ctx, const struct pw_flow *flow, struct rte_mbuf *m, uint64_t now)
{
	struct worker *w = ctx;
	const struct pw_fleet *f = w->fleet;
	int iface = pw_wire_iface_of(w->wire, &flow->local);

	if (iface < 0 || f->kernel[iface].port == NULL || is_listener(f, flow) ||
	    !worker_kernel_fits(f, (uint32_t)iface, m))
		return false;
	worker_to_kernel(w, (uint32_t)iface, m, now);
	return true;
}

static int
tcp_output(void *ctx, const struct pw_flow *flow, struct rte_mbuf *m, uint64_t now)
{
	struct worker *w = ctx;
	uint32_t was = pw_stage_enter(PW_STAGE_WIRE_OUT);
	int rc = pw_wire_send_tcp(w->wire, flow, m, TCP_TTL, now);

	pw_stage_leave(was);
	return rc;
}

static int
tcp_path(void *ctx, const struct pw_addr *dst, struct pw_tcp_path *to)
{
	const struct worker *w = ctx;
	struct pw_wire_path path;
	int rc = pw_wire_path(w->wire, dst, &path);

	if (rc == 0) {
		to->mtu = path.mtu;
		to->max_segs = path.max_segs;
		to->tso = (path.caps & PW_PORT_TX_TSO) != 0;
	}
	return rc;
}

/*
 * Replies have to come back to this worker: ports are tried in turn, from where the last search
 * ended, so that a port which was turned down is not offered again before all others were.
 */
static int
tcp_choose_port(void *ctx, struct pw_flow *flow, uint32_t attempt)
{
	struct worker *w = ctx;

	if (attempt >= PORTS)
		return -EADDRNOTAVAIL;
	for (uint32_t i = 0; i < PORTS; i++) {
		flow->lport = (uint16_t)(FIRST_PORT + w->next_port++ % PORTS);
		if (!worker_is_listener_port(w->fleet, flow->lport) &&
		    flow_owner(w, flow) == w->index)
			return 0;
	}
	return -EADDRNOTAVAIL;
}

struct pw_wire_hooks
worker_wire_hooks(struct worker *w)
{
	return (struct pw_wire_hooks){
		.ctx = w,
		.tx = wire_tx,
		.learnt = wire_learnt,
		.icmp_error = wire_icmp_error,
		.unsteered = wire_unsteered,
		.kernel = wire_kernel,
	};
}

struct pw_tcp_hooks
worker_tcp_hooks(struct worker *w)
{
	return (struct pw_tcp_hooks){
		.ctx = w,
		.output = tcp_output,
		.path = tcp_path,
		.choose_port = tcp_choose_port,
		.stranger = w->fleet->has_kernel ? tcp_stranger : NULL,
	};
}

int
worker_post_forward(void *ctx, uint32_t worker, const struct pw_forward_msg *msg)
{
	struct worker *w = ctx;
	struct message m = {.kind = MESSAGE_FORWARD, .forward = *msg};
	int rc = worker_post(w, worker, &m);

	if (rc < 0)
		count_add(&w->count.message_ring_full, 1);
	return rc;
}

int
worker_source(void *ctx, const struct pw_addr *dst, struct pw_addr *src)
{
	const struct worker *w = ctx;
	struct pw_wire_path path;

	if (pw_wire_path(w->wire, dst, &path) < 0)
		return -EHOSTUNREACH;
	*src = path.source;
	return 0;
}
