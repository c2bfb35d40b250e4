/* SPDX-License-Identifier: BSD-3-Clause */
/* What an application does with a connection, and what it may ask of a stack. */
#include <errno.h>

#include <rte_common.h>
#include <rte_prefetch.h>

#include "stack_pvt.h"

#define GATHER_SAVED 64 /* references; a buffer has room for 512 of the shortest answers */

pw_handle
pw_tcp_handle(const struct pw_tcp *t, const struct pw_tcp_conn *c)
{
	return pw_pool_handle(t->conns, c);
}

struct pw_tcp_conn *
pw_tcp_find(const struct pw_tcp *t, pw_handle h)
{
	struct pw_tcp_conn *c = pw_pool_find(t->conns, h);

	return c != NULL && !(c->flags & CONN_DEAD) ? c : NULL;
}

uint64_t
pw_tcp_user(const struct pw_tcp_conn *c)
{
	return c->user;
}

void
pw_tcp_set_user(struct pw_tcp_conn *c, uint64_t user)
{
	c->user = user;
}

enum pw_tcp_state
pw_tcp_state(const struct pw_tcp_conn *c)
{
	return c->state;
}

void
pw_tcp_flow(const struct pw_tcp_conn *c, struct pw_flow *out)
{
	*out = c->flow;
}

void
pw_tcp_fetch(const struct pw_tcp_conn *c)
{
	for (uint32_t at = 0; at < sizeof(*c); at += RTE_CACHE_LINE_SIZE)
		rte_prefetch0((const uint8_t *)c + at);
}

struct rte_mbuf *
pw_tcp_rx_chain(const struct pw_tcp_conn *c)
{
	return c->rx_head;
}

uint32_t
pw_tcp_rx_len(const struct pw_tcp_conn *c)
{
	return c->rx_len;
}

bool
pw_tcp_eof(const struct pw_tcp_conn *c)
{
	return c->flags & CONN_FIN_RCVD;
}

uint32_t
pw_tcp_send_room(const struct pw_tcp *t, const struct pw_tcp_conn *c)
{
	if (c->state != PW_TCP_ESTABLISHED && c->state != PW_TCP_CLOSE_WAIT)
		return 0;
	return c->sq_bytes < t->conf.tx_queue_bytes ? t->conf.tx_queue_bytes - c->sq_bytes : 0;
}

uint32_t
pw_tcp_send_places(const struct pw_tcp *t)
{
	uint32_t urgent = t->blocks_urgent, slices = (urgent + 1) / 2;

	if (t->blocks_free <= urgent || t->blocks_slices <= slices)
		return 0;
	/*
	 * Each takes a block for its slices and one for its flight. Those of this turn have no
	 * flight yet, and slices are lent half of all blocks: what is urgent is taken from both.
	 */
	return RTE_MIN(t->blocks_slices - slices, (t->blocks_free - urgent) / 2);
}

uint32_t
pw_tcp_unacked(const struct pw_tcp_conn *c)
{
	return c->sq_bytes;
}

int
pw_tcp_send(struct pw_tcp *t, struct pw_tcp_conn *c, const struct pw_slice *s, uint32_t n)
{
	int rc;

	if (c->state != PW_TCP_ESTABLISHED && c->state != PW_TCP_CLOSE_WAIT)
		return -EPIPE;
	if (pw_slices_len(s, n) > pw_tcp_send_room(t, c))
		return -EAGAIN;
	rc = pw_tcp_sq_append(t, c, s, n);
	if (rc == 0)
		pw_tcp_dirty(t, c);
	return rc;
}

void
pw_tcp_gather_release(struct pw_tcp *t)
{
	if (t->gather == NULL)
		return;
	if (t->gather_saved > 0)
		rte_mbuf_refcnt_update(t->gather, (int16_t) - (int32_t)t->gather_saved);
	rte_pktmbuf_free_seg(t->gather);
	t->gather = NULL;
	t->gather_saved = 0;
}

/* A reference to the gather buffer: many are taken at a time, as each is an atomic operation. */
static void
gather_hold(struct pw_tcp *t)
{
	if (t->gather_saved == 0) {
		rte_mbuf_refcnt_update(t->gather, GATHER_SAVED);
		t->gather_saved = GATHER_SAVED;
	}
	t->gather_saved--;
}

/* Room in the gather buffer; a full one is left to the slices that lie in it. */
static uint32_t
gather_room(struct pw_tcp *t)
{
	if (t->gather != NULL && rte_pktmbuf_tailroom(t->gather) == 0)
		pw_tcp_gather_release(t);
	if (t->gather == NULL)
		t->gather = rte_pktmbuf_alloc(t->conf.mem->pkt);
	return t->gather != NULL ? rte_pktmbuf_tailroom(t->gather) : 0;
}

int
pw_tcp_send_copy(struct pw_tcp *t, struct pw_tcp_conn *c, const void *data, uint32_t len)
{
	struct pw_slice s[PW_TCP_SEND_COPY_MAX / 1024 + 1];
	const uint8_t *p = data;
	uint32_t n = 0;
	int rc = 0;

	if (len > PW_TCP_SEND_COPY_MAX)
		return -EMSGSIZE;
	while (len > 0) {
		uint32_t k = RTE_MIN(gather_room(t), len);
		struct rte_mbuf *m = t->gather;

		if (k == 0 || n == RTE_DIM(s)) {
			rc = -ENOBUFS;
			break;
		}
		memcpy(rte_pktmbuf_mtod_offset(m, uint8_t *, m->data_len), p, k);
		s[n] = (struct pw_slice){
			.mbuf = m, .off = m->data_off + m->data_len, .len = (uint16_t)k};
		gather_hold(t);
		n++;
		m->data_len += k;
		m->pkt_len = m->data_len;
		p += k;
		len -= k;
	}
	if (rc == 0)
		rc = pw_tcp_send(t, c, s, n);
	for (uint32_t i = 0; i < n && rc < 0; i++)
		pw_slice_drop(&s[i]);
	return rc;
}

/* This side has no more to send. */
static void
queue_fin(struct pw_tcp *t, struct pw_tcp_conn *c)
{
	if (c->flags & CONN_FIN_QUEUED)
		return;
	switch (c->state) {
	case PW_TCP_SYN_SENT:
	case PW_TCP_SYN_RECEIVED:
		break; /* it follows the handshake */
	case PW_TCP_ESTABLISHED:
		pw_tcp_conn_state(c, PW_TCP_FIN_WAIT_1);
		break;
	case PW_TCP_CLOSE_WAIT:
		pw_tcp_conn_state(c, PW_TCP_LAST_ACK);
		break;
	default:
		return;
	}
	c->flags |= CONN_FIN_QUEUED;
	pw_tcp_dirty(t, c);
}

void
pw_tcp_shutdown(struct pw_tcp *t, struct pw_tcp_conn *c, uint64_t now)
{
	tcp_set_now(t, now);
	queue_fin(t, c);
}

void
pw_tcp_close(struct pw_tcp *t, struct pw_tcp_conn *c, uint64_t now)
{
	tcp_set_now(t, now);
	if (c->flags & CONN_UNREAD) {
		c->flags |= CONN_DISCARD;
		pw_tcp_post(t, c, CONN_EV_READABLE);
	}
	if (c->state == PW_TCP_CLOSED)
		return;
	if (c->state == PW_TCP_SYN_SENT) {
		pw_tcp_conn_end(t, c, PW_TCP_END_ABORTED);
		return;
	}
	queue_fin(t, c);
	/* From now on answers to window probes do not count as progress. */
	if ((c->flags & (CONN_PERSIST | CONN_DISCARD)) == CONN_PERSIST)
		c->progress = tcp_ms(t);
	c->flags |= CONN_DISCARD;
	/* What waits unread is offered once more, then dropped. */
	if (c->rx_len > 0)
		pw_tcp_post(t, c, CONN_EV_READABLE);
	if (c->state == PW_TCP_FIN_WAIT_2 && c->t_rtx == 0) {
		c->t_rtx = tcp_deadline(t, PW_TCP_FIN_WAIT_2_MS);
		c->progress = tcp_ms(t);
	}
	pw_tcp_timer_update(t, c);
}

void
pw_tcp_abort(struct pw_tcp *t, struct pw_tcp_conn *c, uint64_t now)
{
	tcp_set_now(t, now);
	if (c->flags & CONN_DEAD)
		return;
	if (c->state == PW_TCP_CLOSED) {
		pw_tcp_conn_release(t, c);
		return;
	}
	pw_tcp_send_rst(t, c);
	c->flags &= ~CONN_OWNED;
	pw_tcp_conn_end(t, c, PW_TCP_END_ABORTED);
}

void
pw_tcp_set_pressure(struct pw_tcp *t, uint32_t level)
{
	t->pressure = level;
}

uint32_t
pw_tcp_rx_window(const struct pw_tcp *t)
{
	return t->conf.rx_window;
}

void
pw_tcp_info(const struct pw_tcp *t, const struct pw_tcp_conn *c, struct pw_tcp_info *out)
{
	static const char *const ca_name[] = {
		[CA_OPEN] = "open", [CA_RECOVERY] = "recovery", [CA_LOSS] = "loss"};
	const struct tx_flight *f = c->flight;

	*out = (struct pw_tcp_info){
		.state = c->state,
		.srtt_us = c->srtt >> 3,
		.rto_ms = pw_tcp_rto(t, c),
		.cwnd = c->cwnd,
		.ssthresh = c->ssthresh,
		.snd_wnd = c->snd_wnd,
		.rcv_wnd = conn_rcv_wnd(c),
		.unacked = c->sq_bytes,
		.rx_queued = c->rx_len,
		.retransmits = c->retransmits,
		.mss = c->mss,
		.sacked = f != NULL ? f->sacked : 0,
		.lost = f != NULL ? f->lost : 0,
		.pipe = pw_tcp_pipe(c),
		.min_rtt_us = c->min_rtt,
		.cc = pw_tcp_cc(c)->name,
		.ca = ca_name[f != NULL ? f->ca : CA_OPEN],
	};
}

uint32_t
pw_tcp_conns(const struct pw_tcp *t)
{
	return __atomic_load_n(&t->table.count, __ATOMIC_RELAXED);
}

const struct pw_tcp_counters *
pw_tcp_counters(const struct pw_tcp *t)
{
	return &t->count;
}

size_t
pw_tcp_conn_size(void)
{
	const uint32_t many = 1u << 16;

	return (pw_tcp_conns_bytes(2 * many) - pw_tcp_conns_bytes(many)) / many;
}

size_t
pw_tcp_conns_bytes(uint32_t max_conns)
{
	return pw_pool_bytes(max_conns, sizeof(struct pw_tcp_conn)) + pw_tcp_table_bytes(max_conns);
}
