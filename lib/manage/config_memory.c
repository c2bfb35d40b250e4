/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a configuration reserves, from the same sizes that the libraries use when they reserve it.
 */

#include <string.h>

#include <rte_common.h>
#include <rte_lcore.h>
#include <rte_mbuf.h>
#include <rte_mempool.h>
#include <rte_ring.h>

#include <pubwire/manage/http.h>

#include "config_pvt.h"

/* Measured: ports, heaps that grow by whole hugepages; rings, names of clients. */
#define DPDK_BYTES   (3u << 20)
#define WORKER_BYTES (1u << 20)
/* Two places in DPDK's table for every packet in fragments (measured; a power of two of them). */
#define FRAGMENTS_BYTES (2 * 264u)

/* A packet pool: its elements, the ring that holds the free ones, a cache for every lcore there
 * could be. */
static size_t
mempool_bytes(uint32_t n, uint32_t room)
{
	size_t element = rte_mempool_calc_obj_size(sizeof(struct rte_mbuf) + room, 0, NULL);
	ssize_t ring = rte_ring_get_memsize(rte_align32pow2(n + 1));

	return (size_t)n * element + (ring > 0 ? ring : 0) + sizeof(struct rte_mempool) +
	       RTE_MAX_LCORE * sizeof(struct rte_mempool_cache);
}

/* Of one worker. */
static size_t
neigh_bytes(const struct pw_config *c)
{
	return pw_wire_neigh_bytes(pw_config_neighbours(c),
				   pw_wire_hold_share(c->hdr_buffers, c->nb_workers));
}

void
pw_config_memory(const struct pw_config *c, struct pw_config_memory *m)
{
	const struct pw_limits_conf *limits = &c->forward.limits;
	uint32_t device_workers = 0, remote = 0;
	struct pw_forward_layout layout = {0};
	size_t log_entries;

	memset(m, 0, sizeof(*m));
	for (uint32_t w = 0; w < c->nb_workers; w++)
		device_workers += (c->role[w] & PW_ROLE_DEVICES) != 0;
	for (uint32_t w = 0; w < c->nb_workers; w++)
		remote += c->role[w] == PW_ROLE_DEVICES;
	(void)pw_forward_layout(&c->forward,
				&layout); /* config_forward.c has refused what is wrong */
	log_entries = (size_t)__builtin_popcount(c->forward.lanes) * limits->max_queued_messages *
		      layout.logs;
	m->pkt = mempool_bytes(c->pkt_buffers, RTE_PKTMBUF_HEADROOM + 2048);
	m->hdr = mempool_bytes(c->hdr_buffers, RTE_PKTMBUF_HEADROOM + 128);
	m->ind = mempool_bytes(c->ind_buffers, 0);
	m->tcp = c->nb_workers * (pw_tcp_conns_bytes(c->tcp.max_conns) +
				  pw_tcp_time_wait_bytes(c->tcp.max_time_wait, c->tcp.max_conns) +
				  pw_tcp_queue_bytes(c->tcp.max_tx_slices)) +
		 pw_tcp_gaps_bytes(c->pkt_buffers / 8);
	m->sessions =
		device_workers * (pw_forward_sessions_bytes(limits->max_connections) +
				  pw_forward_accounts_bytes(&c->forward, pw_config_has_access(c)));
	m->wills = device_workers *
		   (pw_forward_wills_bytes(limits) + pw_forward_aliases_bytes(&c->forward) +
		    pw_forward_outbox_bytes(limits, device_workers));
	m->idle = pw_tcp_conn_size() + pw_forward_session_size();
	m->connections =
		m->sessions + m->wills +
		c->nb_workers * (pw_tcp_conns_bytes(c->tcp.max_conns) +
				 pw_tcp_time_wait_bytes(c->tcp.max_time_wait, c->tcp.max_conns) +
				 neigh_bytes(c));
	m->each = m->connections / RTE_MAX((size_t)device_workers * limits->max_connections, 1u);
	/* And two cache lines for the list of slices of a message that needs one. */
	m->logs = pw_forward_logs_bytes(&c->forward, device_workers - remote, false) +
		  pw_forward_logs_bytes(&c->forward, remote, true) +
		  device_workers * RTE_CACHE_LINE_SIZE * 2 *
			  (RTE_MIN(log_entries, c->pkt_buffers) + (size_t)c->pkt_buffers / 2);
	m->dpdk = DPDK_BYTES +
		  c->nb_workers * (WORKER_BYTES + neigh_bytes(c) +
				   (size_t)rte_align32pow2(c->fragments) * FRAGMENTS_BYTES);
	m->http = pw_http_bytes(c);
	m->total = m->pkt + m->hdr + m->ind + m->tcp + m->sessions + m->wills + m->logs + m->http +
		   m->dpdk;
}
