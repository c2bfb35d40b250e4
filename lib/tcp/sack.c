/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The scoreboard: what a peer says that it holds beyond a gap (RFC 2018), and what it had twice
 * (RFC 2883), noted in the records of what is on its way. The blocks are sorted, so that one walk
 * does for all of them.
 */
#include <rte_common.h>

#include "loss_pvt.h"

/* RFC 2883 4: the first block lies below the acknowledgement, or within the second. */
static bool
is_dsack(const struct pw_tcp_seg *s)
{
	const struct sack_block *a = &s->sack[0], *b = &s->sack[1];

	if (!seq_lt(a->left, a->right))
		return false;
	if (seq_le(a->right, s->ack))
		return true;
	return s->nb_sack > 1 && seq_ge(a->left, b->left) && seq_le(a->right, b->right);
}

/* Take over the blocks that speak of what is on its way, in ascending order; their number. */
static uint32_t
collect(struct pw_tcp *t, const struct pw_tcp_conn *c, const struct pw_tcp_seg *s, uint32_t from,
	struct sack_block *out)
{
	uint32_t n = 0;

	for (uint32_t i = from; i < s->nb_sack; i++) {
		struct sack_block b = s->sack[i];
		uint32_t k = n;

		if (!seq_lt(b.left, b.right) || seq_gt(b.right, c->snd_max) ||
		    seq_lt(b.left, c->snd_una - c->max_wnd)) {
			t->count.sack_invalid++;
			continue;
		}
		if (seq_le(b.right, c->snd_una))
			continue; /* an acknowledgement has overtaken it */
		b.left = seq_max(b.left, c->snd_una);
		for (; k > 0 && seq_lt(b.left, out[k - 1].left); k--)
			out[k] = out[k - 1];
		out[k] = b;
		n++;
	}
	return n;
}

static void
delivered(struct pw_tcp *t, struct pw_tcp_conn *c, struct tx_rec *r, const struct pw_tcp_seg *s,
	  struct ack_news *n)
{
	n->delivered += rec_len(r);
	if (!(r->flags & TX_RTX))
		n->sent = RTE_MAX(n->sent, r->sent);
	pw_tcp_rack_delivered(t, c, r, s);
	pw_tcp_mtu_arrived(t, c, r);
	pw_tcp_flight_mark(c->flight, r, TX_SACKED, TX_LOST);
}

static void
mark(struct pw_tcp *t, struct pw_tcp_conn *c, const struct pw_tcp_seg *s,
     const struct sack_block *b, const struct sack_block *end, struct ack_news *n)
{
	struct tx_pos p = flight_first(c->flight);

	while (p.b != NULL && b < end) {
		struct tx_rec *r = flight_rec(p);

		if (seq_ge(r->seq, b->right)) {
			b++;
			continue;
		}
		if (!(r->flags & TX_SACKED) && seq_gt(r->end, b->left)) {
			/* Where there is no room to cut a record, it counts as missing. */
			if (seq_lt(r->seq, b->left))
				(void)pw_tcp_flight_split(t, c, &p, b->left, t->blocks_cuts);
			else if (seq_le(r->end, b->right) ||
				 pw_tcp_flight_split(t, c, &p, b->right, t->blocks_cuts) == 0)
				delivered(t, c, flight_rec(p), s, n);
		}
		p = flight_next(p);
	}
}

void
pw_tcp_sack_input(struct pw_tcp *t, struct pw_tcp_conn *c, const struct pw_tcp_seg *s,
		  struct ack_news *n)
{
	struct sack_block b[SEG_SACK_MAX];
	uint32_t nb, before = n->delivered;

	n->dsack = is_dsack(s) && seq_le(s->sack[0].right, c->snd_max) &&
		   seq_ge(s->sack[0].left, c->snd_una - c->max_wnd);
	if (n->dsack) {
		n->twice = s->sack[0];
		t->count.dsacks_in++;
	}
	nb = collect(t, c, s, n->dsack ? 1 : 0, b);
	if (nb == 0 || c->flight == NULL || c->flight->nb == 0)
		return;
	mark(t, c, s, b, b + nb, n);
	if (n->delivered == before)
		return;
	t->count.sacks_in++;
	pw_tcp_dirty(t, c);
}
