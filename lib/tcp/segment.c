/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Building segments. A segment with payload is a header buffer and, behind it, one indirect buffer
 * for each piece of a slice: payload is read in place, never written, never prepended to, so any
 * number of transmissions may be on their way at once. Where the path takes fewer segments than
 * that, the payload is copied behind the header into one packet buffer, and counted. So are the few
 * bytes of an acknowledgement of MQTT, into the header buffer: a second buffer and its place in a
 * transmit ring are dearer than they.
 */
#include <errno.h>

#include <rte_byteorder.h>
#include <rte_common.h>
#include <rte_tcp.h>

#include "header_pvt.h"
#include "stack_pvt.h"

#define BESIDE_MAX 68 /* bytes that the longest header leaves of a header buffer */

/* How the payload of a segment lies. */
enum shape {
	BY_REFERENCE,
	LINEAR, /* too many pieces for the path */
	BESIDE, /* in what the header leaves of its buffer */
};

int
pw_tcp_emit_conn(struct pw_tcp *t, struct pw_tcp_conn *c, struct rte_mbuf *m)
{
	int rc = pw_tcp_emit(t, &c->flow, m);

	if (rc == -EHOSTUNREACH)
		c->flags |= CONN_SOFT_ERROR;
	/* The way leads over another port by now, which may not cut. */
	if (rc == -EMSGSIZE)
		c->tso = 0;
	return rc == 0 ? 0 : XMIT_LOST;
}

uint32_t
pw_tcp_pieces(const struct pw_tcp_conn *c, struct tx_place at, uint32_t seq, uint32_t len,
	      uint32_t limit)
{
	uint32_t n = 0;

	while (len > 0 && n <= limit) {
		const struct tx_slice *s = pw_tcp_sq_find(c, &at, seq);
		uint32_t k = RTE_MIN(len, s->seq + s->len - seq);

		len -= k;
		seq += k;
		n++;
	}
	return n;
}

int
pw_tcp_attach_payload(struct pw_tcp *t, struct pw_tcp_conn *c, struct rte_mbuf *m,
		      struct rte_mbuf **last, struct tx_place *at, uint32_t seq, uint32_t len,
		      uint32_t pieces)
{
	struct rte_mbuf *ind[PIECES_MAX];

	if (pieces > 0 && rte_pktmbuf_alloc_bulk(t->conf.mem->ind, ind, pieces) != 0) {
		t->count.drop_tx_no_buffer++;
		return -ENOBUFS;
	}
	for (uint32_t i = 0; i < pieces; i++) {
		struct tx_slice *s = pw_tcp_sq_find(c, at, seq);
		uint32_t k = RTE_MIN(len, s->seq + s->len - seq);
		struct rte_mbuf *mi = ind[i];

		/* The buffer may stand in a receive queue: of its metadata only the data matters.
		 */
		rte_pktmbuf_attach(mi, s->mbuf);
		mi->ol_flags &= RTE_MBUF_F_INDIRECT | RTE_MBUF_F_EXTERNAL;
		mi->data_off = (uint16_t)(s->off + (seq - s->seq));
		mi->data_len = (uint16_t)k;
		mi->pkt_len = k;
		mi->next = NULL;
		mi->nb_segs = 1;
		(*last)->next = mi;
		*last = mi;
		m->nb_segs++;
		m->pkt_len += k;
		len -= k;
		seq += k;
	}
	return 0;
}

static void
copy_payload(const struct pw_tcp_conn *c, struct rte_mbuf *m, struct tx_place *at, uint32_t seq,
	     uint32_t len)
{
	uint8_t *to = rte_pktmbuf_mtod_offset(m, uint8_t *, m->data_len);

	m->data_len += len;
	m->pkt_len = m->data_len;
	while (len > 0) {
		struct tx_slice *s = pw_tcp_sq_find(c, at, seq);
		uint32_t k = RTE_MIN(len, s->seq + s->len - seq);

		memcpy(to, (uint8_t *)s->mbuf->buf_addr + s->off + (seq - s->seq), k);
		to += k;
		len -= k;
		seq += k;
	}
}

/* Every segment carries our acknowledgement and window. */
static void
acknowledged(struct pw_tcp_conn *c)
{
	c->last_ack = c->rcv_nxt;
	c->flags &= ~CONN_ACK_NOW;
	c->t_delack = 0;
}

static uint32_t
header_len(const struct pw_tcp_conn *c, const struct sack_out *sack)
{
	return TCP_HDR_LEN + (c->flags & CONN_TS ? TCP_OPT_TS_LEN : 0) + pw_tcp_sack_len(sack);
}

/* An acknowledgement that had no room for the blocks that are due leaves another one due. */
static void
put_conn_header(struct pw_tcp *t, struct pw_tcp_conn *c, struct rte_mbuf *m, uint32_t seq,
		uint8_t flags, const struct sack_out *sack)
{
	uint32_t due = sack->n == 0 && pw_tcp_sack_wanted(t, c) ? c->flags & CONN_ACK_NOW : 0;
	uint8_t *p = rte_pktmbuf_mtod_offset(m, uint8_t *, TCP_HDR_LEN);

	pw_tcp_put_header(m, &c->flow, seq, c->rcv_nxt, flags, pw_tcp_window_field(t, c),
			  header_len(c, sack));
	if (c->flags & CONN_TS)
		p = pw_tcp_put_timestamps(t, p, c->ts_recent);
	pw_tcp_put_sack(t, c, p, sack);
	acknowledged(c);
	c->flags |= due;
}

/* A buffer of the pool with a header in it and behind that the payload, as far as there is room. */
static struct rte_mbuf *
copied_mbuf(struct pw_tcp *t, struct pw_tcp_conn *c, struct rte_mempool *pool, uint32_t header,
	    struct tx_place *at, uint32_t seq, uint32_t *len)
{
	struct rte_mbuf *m = pw_tcp_header_mbuf(t, pool, header);

	if (m == NULL)
		return NULL;
	*len = RTE_MIN(*len, (uint32_t)rte_pktmbuf_tailroom(m));
	copy_payload(c, m, at, seq, *len);
	return m;
}

/* A segment with payload in one of the shapes; *len may come back smaller. */
static struct rte_mbuf *
payload_mbuf(struct pw_tcp *t, struct pw_tcp_conn *c, struct tx_place *at, uint32_t seq,
	     uint32_t *len, enum shape *shape, const struct sack_out *sack)
{
	uint32_t header = header_len(c, sack), limit = RTE_MIN(c->max_segs - 1u, PIECES_MAX),
		 pieces;
	struct rte_mbuf *m, *last;

	*shape = BESIDE;
	if (*len <= BESIDE_MAX)
		return copied_mbuf(t, c, t->conf.mem->hdr, header, at, seq, len);
	pieces = pw_tcp_pieces(c, *at, seq, *len, limit);
	*shape = pieces > limit ? LINEAR : BY_REFERENCE;
	if (*shape == LINEAR)
		return copied_mbuf(t, c, t->conf.mem->pkt, header, at, seq, len);
	m = pw_tcp_header_mbuf(t, t->conf.mem->hdr, header);
	if (m == NULL)
		return NULL;
	last = m;
	if (pw_tcp_attach_payload(t, c, m, &last, at, seq, *len, pieces) < 0) {
		rte_pktmbuf_free(m);
		return NULL;
	}
	return m;
}

static void
count_bytes(struct pw_tcp *t, enum shape shape, uint32_t len)
{
	t->count.bytes_out += len;
	switch (shape) {
	case BY_REFERENCE:
		t->count.bytes_by_ref += len;
		return;
	case LINEAR:
		t->count.bytes_linearised += len;
		return;
	case BESIDE:
		t->count.bytes_beside += len;
	}
}

int
pw_tcp_xmit(struct pw_tcp *t, struct pw_tcp_conn *c, struct tx_place *at, uint32_t seq,
	    uint32_t *len, uint8_t flags, bool rtx)
{
	uint32_t want = *len;
	enum shape shape;
	struct sack_out sack;
	struct rte_mbuf *m;

	if (!rtx && pw_tcp_train_takes(t, at, seq, *len, flags))
		return 0;
	/* RFC 6691 3: options take from the payload, never the other way. */
	pw_tcp_sack_gather(t, c, c->mss - RTE_MIN(*len, (uint32_t)c->mss), &sack);
	m = payload_mbuf(t, c, at, seq, len, &shape, &sack);
	if (m == NULL)
		return -ENOBUFS;
	if (*len < want)
		flags &= ~(TCP_FIN | TCP_PSH);
	put_conn_header(t, c, m, seq, flags | TCP_ACK, &sack);
	if (shape == BY_REFERENCE && !rtx && pw_tcp_train_keeps(t, c, m, seq, *len, flags))
		return 0;
	if (pw_tcp_emit_conn(t, c, m) != 0)
		return XMIT_LOST;
	count_bytes(t, shape, *len);
	t->count.retransmits += rtx;
	c->retransmits += rtx;
	return 0;
}

int
pw_tcp_send_syn(struct pw_tcp *t, struct pw_tcp_conn *c)
{
	bool reply = c->state == PW_TCP_SYN_RECEIVED;
	uint8_t opts = SEG_OPT_MSS;
	struct rte_mbuf *m;

	/* The timer stands for it where no buffer can be had. */
	c->t_rtx = tcp_deadline(t, pw_tcp_rto(t, c));
	c->snd_max = c->snd_una + 1;
	opts |= !reply || (c->flags & CONN_SACK) ? SEG_OPT_SACK_OK : 0;
	opts |= !reply || (c->flags & CONN_TS) ? SEG_OPT_TS : 0;
	opts |= !reply || (c->flags & CONN_WS) ? SEG_OPT_WS : 0;
	m = pw_tcp_syn_mbuf(t, &c->flow, c->snd_una, reply ? c->rcv_nxt : 0,
			    reply ? TCP_SYN | TCP_ACK : TCP_SYN, opts, pw_tcp_conn_max_mss(c),
			    c->ts_recent);
	if (m == NULL)
		return -ENOBUFS;
	if (reply) {
		/* The window of a SYN is not scaled (RFC 7323 2.2). */
		c->rcv_adv = seq_max(c->rcv_adv, c->rcv_nxt + pw_tcp_syn_window(t));
		acknowledged(c);
	}
	return pw_tcp_emit_conn(t, c, m);
}

/*
 * Sequence number of a segment that takes up none. What was sent may reach beyond the window that
 * is offered now: by the octet of a window probe, or because the peer has taken its window back.
 * There the peer would not accept it (RFC 9293 table 6), so it stands at the edge instead.
 */
static uint32_t
bare_seq(const struct pw_tcp_conn *c)
{
	uint32_t edge = c->snd_una + c->snd_wnd;

	return conn_synchronized(c) && seq_lt(edge, c->snd_max) ? edge : c->snd_max;
}

static int
send_bare_ack(struct pw_tcp *t, struct pw_tcp_conn *c, uint32_t seq)
{
	struct sack_out sack;
	struct rte_mbuf *m;

	pw_tcp_sack_gather(t, c, UINT32_MAX, &sack);
	m = pw_tcp_header_mbuf(t, t->conf.mem->hdr, header_len(c, &sack));
	if (m == NULL)
		return -ENOBUFS;
	put_conn_header(t, c, m, seq, TCP_ACK, &sack);
	return pw_tcp_emit_conn(t, c, m);
}

int
pw_tcp_send_ack(struct pw_tcp *t, struct pw_tcp_conn *c)
{
	return send_bare_ack(t, c, bare_seq(c));
}

int
pw_tcp_send_probe_ack(struct pw_tcp *t, struct pw_tcp_conn *c)
{
	/* RFC 9293 3.8.4: a sequence number that the peer has acknowledged makes it answer. */
	return send_bare_ack(t, c, c->snd_una - 1);
}

void
pw_tcp_send_rst(struct pw_tcp *t, struct pw_tcp_conn *c)
{
	if (c->state == PW_TCP_SYN_SENT || c->state == PW_TCP_CLOSED)
		return;
	(void)pw_tcp_send_bare(t, &c->flow, bare_seq(c), c->rcv_nxt, TCP_RST | TCP_ACK, 0,
			       c->flags & CONN_TS ? &c->ts_recent : NULL);
}
