/* SPDX-License-Identifier: BSD-3-Clause */
/* A stack from start to end: its sizes, its memory, and how it lets go of everything. */
#include <errno.h>
#include <stdio.h>

#include <rte_common.h>
#include <rte_errno.h>
#include <rte_malloc.h>

#include "stack_pvt.h"

#define TICK_NS	  1000000 /* 1 ms */
#define SCALE_MAX 14	  /* RFC 7323 2.3 */

/*
 * Segments of one connection on their way at once: each acknowledgement with SACK blocks walks
 * their records, so a peer must not make us hold any number of them.
 */
#define FLIGHT_LEAST 1024u
#define FLIGHT_BYTES 256 /* and as many more as the send queue has of these */

static uint32_t
or_default(uint32_t value, uint32_t otherwise)
{
	return value != 0 ? value : otherwise;
}

static void
fill_defaults(struct pw_tcp_conf *f)
{
	f->max_conns = or_default(f->max_conns, 1024);
	f->max_time_wait = pw_tcp_tw_records(f->max_time_wait, f->max_conns);
	f->max_tx_slices = or_default(f->max_tx_slices, 16384);
	f->rx_window = RTE_MIN(or_default(f->rx_window, 262144), 65535u << SCALE_MAX);
	f->tx_queue_bytes = or_default(f->tx_queue_bytes, 262144);
	f->rx_buffers = or_default(f->rx_buffers, f->rx_window / 1024 + 16);
	f->max_ooo = or_default(f->max_ooo, 64);
	f->max_ooo_total = or_default(f->max_ooo_total, RTE_MAX(f->mem->pkt->size / 8, 1u));
	f->rx_copy_break = or_default(f->rx_copy_break, 256);
	f->msl_ms = or_default(f->msl_ms, 30000);
	f->min_rto_ms = or_default(f->min_rto_ms, 200);
	f->max_rto_ms = RTE_MAX(or_default(f->max_rto_ms, 60000), f->min_rto_ms);
	f->syn_retries = RTE_MIN(or_default(f->syn_retries, 5), PW_TCP_BACKOFF_MAX);
	f->user_timeout_ms = or_default(f->user_timeout_ms, 120000);
	f->delack_ms = or_default(f->delack_ms, 40);
}

/*
 * A connection with something to send takes two blocks at least, one for its slices and one for the
 * records of its flight; slices fill half of a block on average where there are many connections.
 */
static uint32_t
queue_blocks(uint32_t slices)
{
	return 2 * RTE_MAX((slices + TX_BLOCK_SLICES / 2 - 1) / (TX_BLOCK_SLICES / 2), 2u);
}

size_t
pw_tcp_queue_bytes(uint32_t max_tx_slices)
{
	return pw_pool_bytes(queue_blocks(max_tx_slices), sizeof(struct tx_block));
}

static int
take_memory(struct pw_tcp *t)
{
	const struct pw_tcp_conf *f = &t->conf;
	uint32_t blocks = queue_blocks(f->max_tx_slices);
	char name[32];

	snprintf(name, sizeof(name), "pw_tcp_%.16s_conn", f->name);
	t->conns = pw_pool_create(name, f->max_conns, sizeof(struct pw_tcp_conn), f->socket);
	snprintf(name, sizeof(name), "pw_tcp_%.16s_txq", f->name);
	t->blocks = pw_pool_create(name, blocks, sizeof(struct tx_block), f->socket);
	if (t->conns == NULL || t->blocks == NULL)
		return -ENOMEM;
	t->blocks_free = blocks;
	t->blocks_slices = blocks / 2;
	t->blocks_urgent = RTE_MAX(blocks / 16, 1u);
	t->blocks_first = 2 * t->blocks_urgent;
	t->blocks_cuts = RTE_MAX(blocks / 2, 1u);
	t->max_flight = RTE_MAX(FLIGHT_LEAST, f->tx_queue_bytes / FLIGHT_BYTES);
	if (pw_tcp_table_init(&t->table, f->max_conns, f->socket) < 0 ||
	    pw_tcp_tw_init(&t->tw, f->max_time_wait, f->socket) < 0 ||
	    pw_tcp_gaps_init(&t->gaps, f->max_ooo_total, f->socket) < 0)
		return -ENOMEM;
	return 0;
}

static void
give_memory(struct pw_tcp *t)
{
	pw_tcp_gaps_fini(&t->gaps);
	pw_tcp_tw_fini(&t->tw);
	pw_tcp_table_fini(&t->table);
	if (t->blocks != NULL)
		pw_pool_destroy(t->blocks);
	if (t->conns != NULL)
		pw_pool_destroy(t->conns);
	rte_free(t);
}

struct pw_tcp *
pw_tcp_create(const struct pw_tcp_conf *conf, uint64_t now)
{
	struct pw_tcp *t;

	if (conf->name == NULL || conf->mem == NULL || conf->hooks.output == NULL ||
	    conf->hooks.path == NULL) {
		rte_errno = EINVAL;
		return NULL;
	}
	t = rte_zmalloc_socket("pw_tcp", sizeof(*t), RTE_CACHE_LINE_SIZE, conf->socket);
	if (t == NULL) {
		rte_errno = ENOMEM;
		return NULL;
	}
	t->conf = *conf;
	fill_defaults(&t->conf);
	t->now = now;
	t->epoch = now;
	t->retry_at = UINT64_MAX;
	t->refuse_second = UINT64_MAX;
	while (t->rcv_scale < SCALE_MAX && t->conf.rx_window > 65535u << t->rcv_scale)
		t->rcv_scale++;
	pw_siphash_key(&t->key_isn, conf->seed, 1);
	pw_siphash_key(&t->key_table, conf->seed, 2);
	pw_siphash_key(&t->key_secrets, conf->seed, 3);
	pw_siphash_key(&t->key_refuse, conf->seed, 4);
	t->cookie_period = UINT64_MAX;
	t->ts_offset = (uint32_t)pw_siphash24(&t->key_isn, "timestamps", 10);
	pw_wheel_init(&t->wheel, now, TICK_NS);
	if (take_memory(t) < 0) {
		give_memory(t);
		rte_errno = ENOMEM;
		return NULL;
	}
	return t;
}

/* Those that wait for nothing but their reader stand in no table. */
static void
end_unread(struct pw_tcp *t)
{
	for (uint32_t i = 0; i < t->conf.max_conns; i++) {
		struct pw_tcp_conn *c = pw_pool_peek(t->conns, i);

		if (c != NULL && (c->flags & CONN_UNREAD)) {
			c->end = PW_TCP_END_ABORTED;
			pw_tcp_conn_read_up(t, c);
		}
	}
}

void
pw_tcp_destroy(struct pw_tcp *t)
{
	if (t == NULL)
		return;
	t->closing = true;
	for (uint32_t i = 0; i < t->table.buckets; i++)
		for (uint32_t k = 0; k < TABLE_WAYS; k++)
			while (t->table.bucket[i].conn[k] != 0)
				pw_tcp_conn_end(
					t, pw_pool_at(t->conns, t->table.bucket[i].conn[k] - 1),
					PW_TCP_END_ABORTED);
	end_unread(t);
	pw_tcp_run_ready(t);
	/* The dead that the dirty list still names. */
	pw_tcp_flush(t, t->now);
	pw_tcp_conn_reap(t);
	pw_wheel_cancel(&t->wheel, &t->tw.timer);
	pw_tcp_gather_release(t);
	give_memory(t);
}
