/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The ready list (upcalls due) and the dirty list (output due), both singly linked by index. A
 * connection that dies leaves them when they reach it: it stays readable until then.
 */
#include <rte_prefetch.h>

#include "stack_pvt.h"

void
pw_tcp_post(struct pw_tcp *t, struct pw_tcp_conn *c, uint32_t events)
{
	struct pw_tcp_conn *tail;
	uint32_t id;

	c->flags |= events;
	if (c->flags & CONN_ON_READY)
		return;
	id = pw_pool_index(t->conns, c) + 1;
	c->flags |= CONN_ON_READY;
	c->ready_next = 0;
	/* Where it is an address, that is what the upcall reads first. */
	rte_prefetch0((const void *)(uintptr_t)c->user);
	if (t->ready_tail != 0) {
		tail = pw_pool_at(t->conns, t->ready_tail - 1);
		tail->ready_next = id;
	} else {
		t->ready_head = id;
	}
	t->ready_tail = id;
}

void
pw_tcp_dirty(struct pw_tcp *t, struct pw_tcp_conn *c)
{
	struct pw_tcp_conn *tail;
	uint32_t id;

	if (c->flags & (CONN_ON_DIRTY | CONN_DEAD))
		return;
	id = pw_pool_index(t->conns, c) + 1;
	c->flags |= CONN_ON_DIRTY;
	c->dirty_next = 0;
	if (t->dirty_tail != 0) {
		tail = pw_pool_at(t->conns, t->dirty_tail - 1);
		tail->dirty_next = id;
	} else {
		t->dirty_head = id;
	}
	t->dirty_tail = id;
}

static struct pw_tcp_conn *
ready_pop(struct pw_tcp *t)
{
	struct pw_tcp_conn *c;

	if (t->ready_head == 0)
		return NULL;
	c = pw_pool_at(t->conns, t->ready_head - 1);
	t->ready_head = c->ready_next;
	if (t->ready_head == 0)
		t->ready_tail = 0;
	c->flags &= ~CONN_ON_READY;
	return c;
}

static struct pw_tcp_conn *
dirty_pop(struct pw_tcp *t)
{
	struct pw_tcp_conn *c;

	if (t->dirty_head == 0)
		return NULL;
	c = pw_pool_at(t->conns, t->dirty_head - 1);
	t->dirty_head = c->dirty_next;
	if (t->dirty_head == 0)
		t->dirty_tail = 0;
	c->flags &= ~CONN_ON_DIRTY;
	return c;
}

/* False where the connection is to have no more upcalls. */
static bool
introduce(struct pw_tcp *t, struct pw_tcp_conn *c)
{
	int rc = 0;

	c->flags |= CONN_OWNED;
	if (c->ops->accepted != NULL)
		rc = c->ops->accepted(c->ctx, c, t->now);
	if (c->flags & CONN_DEAD)
		return false;
	if (rc < 0) {
		pw_tcp_abort(t, c, t->now);
		return false;
	}
	return true;
}

/* The upcalls of one connection, in the order in which a reader expects them. */
static void
upcalls(struct pw_tcp *t, struct pw_tcp_conn *c)
{
	uint32_t ev = c->flags & CONN_EVENTS;

	c->flags &= ~(uint32_t)CONN_EVENTS;
	if ((ev & CONN_EV_ACCEPT) && !introduce(t, c))
		return;
	if ((ev & CONN_EV_CONNECTED) && c->ops->connected != NULL)
		c->ops->connected(c->ctx, c, t->now);
	if (c->flags & CONN_DEAD)
		return;
	if ((ev & CONN_EV_ACKED) && c->ops->acked != NULL)
		c->ops->acked(c->ctx, c, t->now);
	if (c->flags & CONN_DEAD)
		return;
	if ((ev & CONN_EV_READABLE) && c->ops->readable != NULL)
		c->ops->readable(c->ctx, c, t->now);
	if (c->flags & CONN_DEAD)
		return;
	/* Nobody will come back for it, and a shut window would keep the peer's FIN away. */
	if ((c->flags & CONN_DISCARD) && c->rx_len > 0)
		pw_tcp_consume(t, c, c->rx_len);
	if (ev & CONN_EV_GONE) {
		c->ops->gone(c->ctx, c, c->end, t->now);
		if (!(c->flags & CONN_DEAD))
			pw_tcp_conn_release(t, c);
	}
}

void
pw_tcp_run_ready(struct pw_tcp *t)
{
	struct pw_tcp_conn *c;

	t->in_upcall = true;
	/* Ends: an upcall posts no event but the GONE of its own connection. */
	while ((c = ready_pop(t)) != NULL)
		if (!(c->flags & CONN_DEAD))
			upcalls(t, c);
	t->in_upcall = false;
}

void
pw_tcp_dispatch(struct pw_tcp *t, uint64_t now)
{
	if (t->in_upcall)
		return;
	tcp_set_now(t, now);
	pw_tcp_run_ready(t);
	pw_tcp_conn_reap(t);
}

/*
 * The acknowledgements that are due. Segments beyond a gap want one each, and none of them is the
 * one that says something new, or goes with data (RFC 5681 2).
 */
static int
acknowledge(struct pw_tcp *t, struct pw_tcp_conn *c)
{
	int rc = 0;

	if (c->last_ack != c->rcv_nxt || !(c->flags & CONN_BEYOND))
		rc = c->flags & CONN_ACK_NOW ? pw_tcp_send_ack(t, c) : 0;
	while (rc == 0 && (c->flags & CONN_BEYOND)) {
		rc = pw_tcp_send_ack(t, c);
		if (rc == 0)
			c->flags -= CONN_BEYOND_ONE;
	}
	return rc;
}

/* Data first, so that it carries the acknowledgement. -ENOBUFS: again at the next flush. */
static int
settle(struct pw_tcp *t, struct pw_tcp_conn *c)
{
	int rc;

	if (c->state == PW_TCP_CLOSED)
		return 0;
	rc = pw_tcp_output(t, c);
	if (rc == 0)
		rc = acknowledge(t, c);
	if (rc >= 0 && (c->keep_due))
		rc = pw_tcp_keepalive(t, c);
	pw_tcp_timer_update(t, c);
	return rc;
}

void
pw_tcp_flush(struct pw_tcp *t, uint64_t now)
{
	uint32_t last;
	struct pw_tcp_conn *c;

	tcp_set_now(t, now);
	t->retry_at = UINT64_MAX;
	if (t->nb_held != 0 && t->pressure == 0)
		pw_tcp_window_sweep(t);
	if (t->nb_ooo != 0 && t->pressure > 1)
		pw_tcp_gaps_pressed(t);
	/* Those that find no buffer go to the end, behind the last one of this round. */
	last = t->dirty_tail;
	while ((c = dirty_pop(t)) != NULL) {
		bool ends = pw_pool_index(t->conns, c) + 1 == last;

		if (!(c->flags & CONN_DEAD) && settle(t, c) < 0) {
			pw_tcp_dirty(t, c);
			t->retry_at = t->now + 1000000;
		}
		if (ends)
			break;
	}
	/* A gather buffer that nobody else holds any more need not wait for the next message. */
	if (t->gather != NULL && rte_mbuf_refcnt_read(t->gather) == 1 + t->gather_saved)
		pw_tcp_gather_release(t);
	if (!t->in_upcall)
		pw_tcp_conn_reap(t);
}
