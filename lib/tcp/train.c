/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Trains: full segments of new data that follow each other within one output leave as one packet,
 * which the port's device cuts into them (TSO). They are segments to everything else: each has its
 * record in the flight, and what is lost of them goes again alone.
 *
 * The first segment builds the packet, those behind it add their payload. What is short, or ends
 * the queue, is the last: only there may a device set PSH and FIN.
 */
#include <rte_byteorder.h>
#include <rte_common.h>
#include <rte_tcp.h>

#include "header_pvt.h"

/* TCP header and payload: the length field of IPv4 counts the IP header too. */
#define TRAIN_BYTES (UINT16_MAX - 40u)

/* i40e refuses to cut into less (its driver says -EINVAL where packets are prepared); who offers so
 * small an MSS sends little. */
#define TRAIN_MSS_LEAST 256u

void
pw_tcp_train_begin(struct pw_tcp *t, struct pw_tcp_conn *c)
{
	t->train = (struct train){.conn = c->tso && c->mss >= TRAIN_MSS_LEAST ? c : NULL};
}

static void
let_go(struct pw_tcp *t)
{
	struct train r = t->train;

	t->train.m = NULL;
	if (r.m == NULL)
		return;
	if (r.segs > 1)
		r.m->tso_segsz = r.conn->mss;
	if (pw_tcp_emit_conn(t, r.conn, r.m) != 0) {
		/* What follows is not to share its fate. */
		if (!r.conn->tso)
			t->train.conn = NULL;
		return;
	}
	t->count.bytes_out += r.bytes;
	t->count.bytes_by_ref += r.bytes;
	if (r.segs > 1) {
		t->count.segs_out += r.segs - 1;
		t->count.segs_tso += r.segs;
	}
}

void
pw_tcp_train_end(struct pw_tcp *t)
{
	let_go(t);
	t->train.conn = NULL;
}

/* A segment that another one may follow in the same packet. */
static bool
full(const struct pw_tcp_conn *c, uint32_t len, uint8_t flags)
{
	return len == c->mss && (flags & (TCP_FIN | TCP_PSH)) == 0;
}

bool
pw_tcp_train_keeps(struct pw_tcp *t, const struct pw_tcp_conn *c, struct rte_mbuf *m, uint32_t seq,
		   uint32_t len, uint8_t flags)
{
	struct train *r = &t->train;

	if (r->conn != c || !full(c, len, flags))
		return false;
	assert(r->m == NULL);
	r->m = m;
	r->tail = rte_pktmbuf_lastseg(m);
	r->next = seq + len;
	r->segs = 1;
	r->bytes = len;
	return true;
}

/* Bytes from seq on that lie behind the last ones in the same buffer. */
static uint32_t
adjoining(const struct train *r, struct tx_place *at, uint32_t seq, uint32_t len)
{
	const struct tx_slice *s = pw_tcp_sq_find(r->conn, at, seq);

	if (r->tail->buf_addr != s->mbuf->buf_addr ||
	    (uint32_t)r->tail->data_off + r->tail->data_len != s->off + (seq - s->seq))
		return 0;
	return RTE_MIN(len, s->seq + s->len - seq);
}

/* Hang the bytes behind the packet; the reference of its last buffer stands for what adjoins. */
static bool
add_payload(struct pw_tcp *t, struct tx_place *at, uint32_t seq, uint32_t len)
{
	struct train *r = &t->train;
	struct rte_mbuf *tail = r->tail;
	uint32_t more = adjoining(r, at, seq, len);
	uint32_t most = RTE_MIN((uint32_t)r->conn->max_segs, PIECES_MAX);
	uint32_t room = most - RTE_MIN(most, (uint32_t)r->m->nb_segs);
	uint32_t pieces = pw_tcp_pieces(r->conn, *at, seq + more, len - more, room);

	if (pieces > room || pw_tcp_attach_payload(t, r->conn, r->m, &r->tail, at, seq + more,
						   len - more, pieces) < 0)
		return false;
	tail->data_len += more;
	tail->pkt_len += more;
	r->m->pkt_len += more;
	return true;
}

bool
pw_tcp_train_takes(struct pw_tcp *t, struct tx_place *at, uint32_t seq, uint32_t len, uint8_t flags)
{
	struct train *r = &t->train;

	if (r->m == NULL)
		return false;
	if (seq != r->next || len == 0 || r->m->pkt_len + len > TRAIN_BYTES ||
	    !add_payload(t, at, seq, len)) {
		let_go(t);
		return false;
	}
	rte_pktmbuf_mtod(r->m, struct rte_tcp_hdr *)->tcp_flags |= flags;
	r->next += len;
	r->segs++;
	r->bytes += len;
	if (!full(r->conn, len, flags))
		let_go(t);
	return true;
}
