/* SPDX-License-Identifier: BSD-3-Clause */
/* The rings between workers: one pair for each ordered pair of workers. */
#include <errno.h>
#include <stdio.h>

#include <rte_lcore.h>
#include <rte_malloc.h>

#include "worker_pvt.h"

/* Rings grow with the square of the workers: their depth shrinks so that the sum stays modest. */
static uint32_t
depth(const struct pw_fleet *f)
{
	return RTE_MAX(128u, RTE_MIN(1024u, 8192u / f->nb_workers));
}

int
fleet_rings_create(struct pw_fleet *f)
{
	f->lane = rte_zmalloc("pw_lanes", sizeof(*f->lane) * f->nb_workers * f->nb_workers,
			      RTE_CACHE_LINE_SIZE);
	if (f->lane == NULL)
		return -ENOMEM;
	for (uint32_t from = 0; from < f->nb_workers; from++) {
		for (uint32_t to = 0; to < f->nb_workers; to++) {
			struct lane *l = lane_of(f, from, to);
			char name[RTE_RING_NAMESIZE];
			int rc, socket = f->mem->socket;

			if (from == to)
				continue;
			snprintf(name, sizeof(name), "pw_msg_%u_%u", from, to);
			rc = pw_ring_create(&l->messages, name, sizeof(struct message), depth(f),
					    socket);
			if (rc < 0)
				return rc;
			if (!f->lend_frames)
				continue;
			snprintf(name, sizeof(name), "pw_frm_%u_%u", from, to);
			rc = pw_ring_create(&l->frames, name, sizeof(struct frame_msg), depth(f),
					    socket);
			if (rc < 0)
				return rc;
		}
	}
	return 0;
}

static void
lane_destroy(struct lane *l)
{
	struct frame_msg frame;
	struct message message;

	if (l->frames.r != NULL) {
		while (pw_ring_get(&l->frames, &frame, 1) == 1)
			rte_pktmbuf_free(frame.m);
	}
	if (l->messages.r != NULL) {
		while (pw_ring_get(&l->messages, &message, 1) == 1) {
			if (message.kind == MESSAGE_PACKET || message.kind == MESSAGE_KERNEL)
				rte_pktmbuf_free(message.packet);
		}
	}
	pw_ring_destroy(&l->frames);
	pw_ring_destroy(&l->messages);
}

void
fleet_rings_destroy(struct pw_fleet *f)
{
	if (f->lane == NULL)
		return;
	for (uint32_t i = 0; i < f->nb_workers * f->nb_workers; i++)
		lane_destroy(&f->lane[i]);
	rte_free(f->lane);
	f->lane = NULL;
}

/*
 * How far a ring may be filled, in eighths, for a message of each kind to go in. All kinds but
 * those of the forward logs can be provoked by strangers, in any number: half of each ring is out
 * of their reach, and what anybody on the Internet can forge leaves room for what only neighbours
 * can.
 */
static const uint8_t share[] = {
	[MESSAGE_FORWARD] = 8,	  [MESSAGE_NEIGHBOUR] = 4, [MESSAGE_PACKET] = 3,
	[MESSAGE_ICMP_ERROR] = 2, [MESSAGE_KERNEL] = 2,
};

int
worker_post(struct worker *w, uint32_t to, const struct message *m)
{
	struct pw_ring *ring = &lane_of(w->fleet, w->index, to)->messages;

	if (pw_ring_count(ring) >= rte_ring_get_capacity(ring->r) * share[m->kind] / 8 ||
	    pw_ring_put(ring, m, 1) == 0) {
		w->refused = true;
		return -ENOBUFS;
	}
	w->told |= UINT64_C(1) << to;
	count_add(&w->count.messages_out, 1);
	return 0;
}

static void
take(struct worker *w, const struct message *m, uint64_t now)
{
	switch ((enum message_kind)m->kind) {
	case MESSAGE_FORWARD:
		pw_forward_receive(w->forward, &m->forward, now);
		break;
	case MESSAGE_NEIGHBOUR:
		pw_wire_learn(w->wire, m->iface, &m->neighbour.ip, &m->neighbour.mac, now);
		break;
	case MESSAGE_PACKET:
		pw_tcp_input(w->tcp, (struct rte_mbuf *[]){m->packet}, 1, now);
		break;
	case MESSAGE_KERNEL:
		worker_kernel_from_other(w, m->iface, m->packet, now);
		break;
	case MESSAGE_ICMP_ERROR:
		pw_tcp_icmp_error(w->tcp, &m->icmp.flow, m->icmp.seq, m->icmp.mtu, m->icmp.code,
				  now);
		break;
	}
}

uint32_t
worker_read_messages(struct worker *w, uint64_t now)
{
	struct message m[WORKER_BURST];
	uint32_t total = 0;

	for (uint32_t from = 0; from < w->fleet->nb_workers; from++) {
		uint32_t n;

		if (from == w->index)
			continue;
		n = pw_ring_get(&lane_of(w->fleet, from, w->index)->messages, m, RTE_DIM(m));
		for (uint32_t i = 0; i < n; i++)
			take(w, &m[i], now);
		total += n;
	}
	if (total > 0)
		count_add(&w->count.messages_in, total);
	return total;
}

uint32_t
worker_read_frames(struct worker *w, uint64_t now)
{
	struct frame_msg msg[WORKER_BURST];
	struct rte_mbuf *run[WORKER_BURST];
	uint32_t total = 0;

	if (!w->fleet->lend_frames)
		return 0;
	for (uint32_t from = 0; from < w->fleet->nb_workers; from++) {
		uint32_t n, len = 0, steered = 0;

		if (from == w->index)
			continue;
		n = pw_ring_get(&lane_of(w->fleet, from, w->index)->frames, msg, RTE_DIM(msg));
		for (uint32_t i = 0; i < n; i++) {
			if (msg[i].kind == FRAME_TO_SEND) {
				worker_tx(w, msg[i].iface, msg[i].m);
				continue;
			}
			/* Frames of one interface go in together. */
			run[len++] = msg[i].m;
			steered++;
			if (i + 1 == n || msg[i + 1].kind != FRAME_RECEIVED ||
			    msg[i + 1].iface != msg[i].iface) {
				worker_input(w, msg[i].iface, run, len, now);
				len = 0;
			}
		}
		if (steered > 0)
			count_add(&w->count.steered_in, steered);
		total += n;
	}
	return total;
}
