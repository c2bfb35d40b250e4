/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What may be sent, and when to wait: the smaller of the two windows, whole segments where the
 * window is the limit (RFC 9293 3.8.6.2.1). There is no Nagle algorithm: the application corks by
 * sending within one burst, and what it has sent leaves at the flush.
 */
#include <errno.h>

#include <rte_common.h>

#include "stack_pvt.h"

void
pw_tcp_pull_back(struct pw_tcp_conn *c)
{
	c->snd_nxt = c->snd_una;
	c->cur_block = 0;
	c->cur_idx = 0;
	c->cur_off = 0;
}

static bool
may_send(const struct pw_tcp_conn *c)
{
	return conn_synchronized(c) && c->state != PW_TCP_FIN_WAIT_2 &&
	       !(c->flags & CONN_FIN_ACKED);
}

/* Bytes queued that snd_nxt has not passed; and whether the FIN is among what is left to send. */
static uint32_t
left_to_send(const struct pw_tcp_conn *c, bool *fin)
{
	uint32_t end = conn_queue_end(c);

	*fin = (c->flags & CONN_FIN_QUEUED) && seq_le(c->snd_nxt, end);
	return seq_ahead(c->snd_nxt, end);
}

/* RFC 3042: the first two duplicates let one new segment out each. */
static uint32_t
send_window(const struct pw_tcp_conn *c)
{
	uint32_t cwnd = c->cwnd;

	if (!(c->flags & CONN_RECOVERY))
		cwnd += RTE_MIN(c->dupacks, 2u) * c->mss;
	return RTE_MIN(cwnd, c->snd_wnd);
}

/* Next segment; false where nothing is to be sent, or the window forbids it. */
static bool
plan(const struct pw_tcp_conn *c, uint32_t *len, uint8_t *flags, bool *blocked)
{
	uint32_t limit = c->snd_una + send_window(c);
	uint32_t usable = seq_ahead(c->snd_nxt, limit);
	bool fin;
	uint32_t left = left_to_send(c, &fin);

	*blocked = false;
	if (left == 0 && !fin)
		return false;
	*len = RTE_MIN(RTE_MIN(left, usable), (uint32_t)c->mss);
	*flags = *len == left ? TCP_PSH : 0;
	/* The FIN takes a place in the peer's window, none in the network's. */
	if (fin && *len == left && seq_lt(c->snd_nxt + *len, c->snd_una + c->snd_wnd))
		*flags |= TCP_FIN;
	*blocked = true;
	if (*len == 0)
		return *flags & TCP_FIN;
	/* What a timeout has pulled back goes again in whatever fits. */
	if (c->snd_nxt == c->snd_una && c->snd_nxt != c->snd_max)
		return true;
	return *len == left || *len == c->mss || *len >= RTE_MAX(c->max_wnd / 2, 1u);
}

/* Bookkeeping of len bytes and maybe a FIN that have left at snd_nxt. */
static void
advance(struct pw_tcp *t, struct pw_tcp_conn *c, struct tx_cursor cur, uint32_t span)
{
	if (c->snd_max == c->snd_una)
		c->progress = tcp_ms(t);
	c->cur_block = cur.block != NULL ? pw_pool_index(t->blocks, cur.block) + 1 : 0;
	c->cur_idx = (uint8_t)cur.idx;
	c->cur_off = cur.off;
	c->snd_nxt += span;
	c->snd_max = seq_max(c->snd_max, c->snd_nxt);
	if (c->flags & CONN_PERSIST) {
		c->flags &= ~CONN_PERSIST;
		c->t_rtx = 0;
	}
	if (c->t_rtx == 0)
		c->t_rtx = tcp_deadline(t, pw_tcp_rto(t, c)); /* RFC 6298 5.1 */
}

/* The first segment again, as recovery asks; the rest of the burst may have made it needless. */
static int
retransmit_first(struct pw_tcp *t, struct pw_tcp_conn *c)
{
	struct tx_cursor cur = {NULL, 0, 0};
	uint32_t sent = c->snd_max - c->snd_una;
	uint32_t len = RTE_MIN(RTE_MIN(c->sq_bytes, sent), (uint32_t)c->mss);
	uint8_t flags = 0;
	int rc = 0;

	if (len == c->sq_bytes) {
		flags |= TCP_PSH;
		if ((c->flags & CONN_FIN_QUEUED) && sent > c->sq_bytes)
			flags |= TCP_FIN;
	}
	if (len > 0 || (flags & TCP_FIN))
		rc = pw_tcp_xmit(t, c, &cur, c->snd_una, &len, flags);
	if (rc >= 0) {
		c->flags &= ~CONN_RTX_DUE;
		c->t_rtx = tcp_deadline(t, pw_tcp_rto(t, c));
	}
	return rc;
}

static void
start_persist(struct pw_tcp *t, struct pw_tcp_conn *c)
{
	if (!(c->flags & CONN_PERSIST)) {
		c->flags |= CONN_PERSIST;
		c->backoff = 0;
		if (!(c->flags & CONN_DISCARD))
			c->progress = c->last_rx;
		else if (c->snd_max == c->snd_una)
			c->progress = tcp_ms(t);
		c->t_rtx = 0;
	}
	if (c->t_rtx == 0)
		c->t_rtx = tcp_deadline(t, pw_tcp_rto(t, c));
}

int
pw_tcp_output(struct pw_tcp *t, struct pw_tcp_conn *c)
{
	bool blocked;
	uint32_t len;
	uint8_t flags;

	if (!may_send(c))
		return 0;
	if ((c->flags & CONN_RTX_DUE) && retransmit_first(t, c) < 0)
		return -ENOBUFS;
	/* RFC 5681 4.1: after a pause the old window says nothing of the network. */
	if (c->snd_max == c->snd_una && tcp_ms(t) - c->progress > pw_tcp_rto(t, c))
		t->cc->idle(c);
	while (plan(c, &len, &flags, &blocked)) {
		struct tx_cursor cur = {c->cur_block != 0 ? pw_pool_at(t->blocks, c->cur_block - 1)
							  : NULL,
					c->cur_idx, c->cur_off};
		uint32_t want = len;
		int rc = pw_tcp_xmit(t, c, &cur, c->snd_nxt, &len, flags);

		if (rc < 0)
			return rc;
		advance(t, c, cur, len + (len == want && (flags & TCP_FIN)));
	}
	/* Nothing is on its way whose acknowledgement would open the window: ask for it. */
	if (blocked && c->snd_nxt == c->snd_una)
		start_persist(t, c);
	return 0;
}

int
pw_tcp_window_probe(struct pw_tcp *t, struct pw_tcp_conn *c)
{
	struct tx_cursor cur = {NULL, 0, 0};
	bool fin;
	uint32_t left, len, want;
	uint8_t flags = TCP_PSH;
	int rc;

	pw_tcp_pull_back(c);
	left = left_to_send(c, &fin);
	if (left == 0 && !fin)
		return 0;
	/* A small window that is open is used (3.8.6.2.1, the override); a shut one gets one octet.
	 */
	len = RTE_MIN(RTE_MIN(left, RTE_MAX(c->snd_wnd, 1u)), (uint32_t)c->mss);
	if (left == 0)
		flags = TCP_FIN;
	want = len;
	rc = pw_tcp_xmit(t, c, &cur, c->snd_una, &len, flags);
	if (rc < 0)
		return rc;
	t->count.zero_window_probes += rc == 0 && c->snd_wnd == 0;
	if (c->snd_wnd > 0) {
		advance(t, c, cur, len + (len == want && (flags & TCP_FIN)));
		return 0;
	}
	c->snd_max = seq_max(c->snd_max, c->snd_una + 1);
	return 0;
}
