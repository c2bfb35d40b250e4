/* SPDX-License-Identifier: BSD-3-Clause */
/* The records of what is on its way, in blocks of the pool that the send queues use too. */
#include <errno.h>
#include <string.h>

#include <rte_common.h>

#include "stack_pvt.h"

/*
 * Data leaves the last blocks to what must not fail for lack of one: a FIN, a window probe. What
 * makes a flight larger leaves some more to connections that have none, so that those whose peers
 * acknowledge nothing can't keep the others from sending; and what a peer's SACK blocks cut leaves
 * a good part. Its bytes are the taker's to set.
 */
static void *
take_block(struct pw_tcp *t, uint32_t leave)
{
	void *b;

	if (t->blocks_free <= leave)
		return NULL;
	b = pw_pool_get_raw(t->blocks);
	assert(b != NULL);
	t->blocks_free--;
	return b;
}

static void
give_block(struct pw_tcp *t, void *b)
{
	pw_pool_put(t->blocks, b);
	t->blocks_free++;
}

static struct tx_recs *
new_recs(struct pw_tcp *t, uint32_t leave)
{
	struct tx_recs *b = take_block(t, leave);

	if (b != NULL)
		*b = (struct tx_recs){.cap = TX_BLOCK_RECS};
	return b;
}

/* Make a place at the end of a block whose first records have gone. */
static void
close_up(struct tx_recs *b)
{
	memmove(&b->r[0], &b->r[b->first], (b->n - b->first) * sizeof(b->r[0]));
	b->n -= b->first;
	b->first = 0;
}

/* Unlink the block after b, which has become empty. */
static void
drop_next(struct pw_tcp *t, struct tx_flight *f, struct tx_recs *b)
{
	struct tx_recs *gone = b->next;

	b->next = gone->next;
	if (f->last == gone)
		f->last = b;
	give_block(t, gone);
}

int
pw_tcp_flight_room(struct pw_tcp *t, struct pw_tcp_conn *c, bool urgent)
{
	struct tx_flight *f = c->flight;
	uint32_t leave = urgent ? 0 : t->blocks_urgent;
	struct tx_recs *b;

	if (f == NULL) {
		f = take_block(t, leave);
		if (f == NULL) {
			t->count.drop_tx_no_buffer++;
			return -ENOBUFS;
		}
		memset(f, 0, sizeof(*f)); /* records are set as they are made */
		f->head.cap = TX_FLIGHT_RECS;
		f->last = &f->head;
		f->recover = c->snd_una;
		f->fack = c->snd_una;
		f->rtx_end = c->snd_una;
		c->flight = f;
		return 0;
	}
	if (f->last->n < f->last->cap)
		return 0;
	if (f->last->first > 0) {
		close_up(f->last);
		return 0;
	}
	if (!urgent && f->nb >= t->max_flight)
		return -ENOBUFS;
	b = new_recs(t, urgent ? 0 : leave + t->blocks_first);
	if (b == NULL) {
		t->count.drop_tx_no_buffer++;
		return -ENOBUFS;
	}
	f->last->next = b;
	f->last = b;
	return 0;
}

void
pw_tcp_flight_no_room(struct pw_tcp *t, struct pw_tcp_conn *c)
{
	struct tx_flight *f = c->flight;
	struct tx_recs *b = &f->head;

	if (f->nb == 0) {
		pw_tcp_flight_end(t, c);
		return;
	}
	if (f->last->n > 0)
		return;
	while (b->next != f->last)
		b = b->next;
	drop_next(t, f, b);
}

struct tx_rec *
pw_tcp_flight_add(struct pw_tcp *t, struct pw_tcp_conn *c, uint32_t end, uint8_t flags)
{
	struct tx_flight *f = c->flight;
	struct tx_recs *b = f->last;
	struct tx_rec *r = &b->r[b->n++];

	*r = (struct tx_rec){.sent = t->now, .seq = c->snd_max, .end = end, .flags = flags};
	f->nb++;
	c->snd_max = end;
	return r;
}

static void
insert_after(struct tx_recs *b, uint32_t i, const struct tx_rec *r)
{
	memmove(&b->r[i + 2], &b->r[i + 1], (b->n - i - 1) * sizeof(*r));
	b->r[i + 1] = *r;
	b->n++;
}

/* A full block gives its records behind p to a new one that follows it. */
static int
divide(struct pw_tcp *t, struct tx_flight *f, struct tx_pos p, const struct tx_rec *r,
       uint32_t leave)
{
	struct tx_recs *b = new_recs(t, leave);
	uint32_t n = p.b->n - p.i - 1;

	if (b == NULL)
		return -ENOBUFS;
	b->r[0] = *r;
	memcpy(&b->r[1], &p.b->r[p.i + 1], n * sizeof(*r));
	b->n = (uint8_t)(n + 1);
	p.b->n = (uint8_t)(p.i + 1);
	b->next = p.b->next;
	p.b->next = b;
	if (f->last == p.b)
		f->last = b;
	return 0;
}

int
pw_tcp_flight_split(struct pw_tcp *t, struct pw_tcp_conn *c, struct tx_pos *p, uint32_t at,
		    uint32_t leave)
{
	struct tx_flight *f = c->flight;
	struct tx_rec *r = flight_rec(*p), second = *r;
	struct tx_place place = {r->block, r->idx};

	assert(seq_gt(at, r->seq) && seq_lt(at, r->end));
	second.seq = at;
	if (rec_payload(&second) > 0) {
		(void)pw_tcp_sq_find(c, &place, at);
		second.block = place.block;
		second.idx = (uint8_t)place.idx;
	} else {
		second.block = NULL;
	}
	if (p->b->n == p->b->cap && p->b->first > 0) {
		p->i -= p->b->first;
		close_up(p->b);
	}
	if (f->nb >= t->max_flight)
		return -ENOBUFS;
	if (p->b->n < p->b->cap)
		insert_after(p->b, p->i, &second);
	else if (divide(t, f, *p, &second, leave) < 0)
		return -ENOBUFS;
	r = flight_rec(*p);
	r->end = at;
	r->flags &= ~TX_FIN;
	f->nb++;
	f->nb_sacked += !!(r->flags & TX_SACKED);
	return 0;
}

/* A record begins later: at seq, within it. */
static void
move_begin(struct pw_tcp_conn *c, struct tx_rec *r, uint32_t seq)
{
	struct tx_place place = {r->block, r->idx};

	assert(seq_gt(seq, r->seq) && seq_lt(seq, r->end));
	r->seq = seq;
	if (rec_payload(r) == 0) {
		r->block = NULL;
		return;
	}
	(void)pw_tcp_sq_find(c, &place, seq);
	r->block = place.block;
	r->idx = (uint8_t)place.idx;
}

void
pw_tcp_flight_trim(struct pw_tcp_conn *c, uint32_t una)
{
	struct tx_flight *f = c->flight;
	struct tx_rec *r = flight_rec(flight_first(f));

	if (r->flags & TX_LOST)
		f->lost -= una - r->seq;
	if (r->flags & TX_SACKED)
		f->sacked -= una - r->seq;
	move_begin(c, r, una);
}

void
pw_tcp_flight_shift(struct pw_tcp_conn *c, struct tx_pos p, uint32_t n)
{
	struct tx_rec *r = flight_rec(p), *next = flight_rec(flight_next(p));

	assert((r->flags & next->flags & TX_LOST) && n < rec_len(next));
	move_begin(c, next, next->seq + n);
	r->end = next->seq;
	r->flags |= next->flags & TX_RTX;
}

void
pw_tcp_flight_join(struct pw_tcp *t, struct pw_tcp_conn *c, struct tx_pos p)
{
	struct tx_flight *f = c->flight;
	struct tx_pos q = flight_next(p);
	struct tx_rec *r = flight_rec(p), *next = flight_rec(q);

	assert((r->flags & (TX_LOST | TX_SACKED)) == TX_LOST &&
	       (next->flags & (TX_LOST | TX_SACKED)) == TX_LOST && !(r->flags & TX_FIN));
	r->end = next->end;
	r->flags |= next->flags;
	f->nb--;
	if (q.b == p.b) {
		memmove(next, next + 1, (q.b->n - q.i - 1) * sizeof(*next));
		q.b->n--;
	} else if (++q.b->first == q.b->n) {
		drop_next(t, f, p.b);
	}
}

void
pw_tcp_flight_pop(struct pw_tcp *t, struct pw_tcp_conn *c)
{
	struct tx_flight *f = c->flight;
	struct tx_pos p = flight_first(f);

	pw_tcp_flight_mark(f, flight_rec(p), 0, TX_SACKED | TX_LOST);
	f->nb--;
	if (++p.b->first < p.b->n)
		return;
	if (p.b == &f->head) {
		p.b->first = 0;
		p.b->n = 0;
	} else {
		drop_next(t, f, &f->head);
	}
}

void
pw_tcp_flight_end(struct pw_tcp *t, struct pw_tcp_conn *c)
{
	struct tx_flight *f = c->flight;

	if (f == NULL)
		return;
	while (f->head.next != NULL)
		drop_next(t, f, &f->head);
	give_block(t, f);
	c->flight = NULL;
}

void
pw_tcp_flight_mark(struct tx_flight *f, struct tx_rec *r, uint8_t set, uint8_t clear)
{
	uint8_t flags = (r->flags & ~clear) | set;
	uint32_t n = rec_len(r);

	if (flags & TX_LOST)
		flags &= ~TX_LARGER;
	if ((flags ^ r->flags) & TX_LOST)
		f->lost += flags & TX_LOST ? n : -n;
	if ((flags ^ r->flags) & TX_SACKED) {
		f->sacked += flags & TX_SACKED ? n : -n;
		f->nb_sacked += flags & TX_SACKED ? 1 : -1;
	}
	r->flags = flags;
}

void
pw_tcp_flight_lose_all(struct tx_flight *f)
{
	struct tx_pos p;

	FLIGHT_FOREACH (f, p)
		if (!(flight_rec(p)->flags & TX_SACKED))
			pw_tcp_flight_mark(f, flight_rec(p), TX_LOST, 0);
}
