/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Frames larger than a TCP window can hold: references are taken on what has come, and the window
 * opens. What they may hold in all is bounded by a budget of packet buffers, of which a frame
 * reserves the most that it can come to hold before its first byte is taken; who finds it spent
 * stands in line and is not read. A frame that has reserved can therefore always be completed, and
 * one that stops while others wait is ended, so the line moves.
 *
 * Pieces that use less than half of their packet buffer are copied together, each behind the one
 * before, so that every buffer of a frame but the last holds at least PIECE_MIN of its bytes.
 */
#include <errno.h>

#include "session_pvt.h"

#define PIECE_MIN 1024
#define STALL	  (10 * PW_NS_S)

static uint32_t
most_buffers(uint32_t total)
{
	return total / PIECE_MIN + 1;
}

enum pw_taken
pw_part_begin(struct pw_forward *f, struct pw_session *s, uint32_t total, uint64_t now)
{
	uint32_t buffers = most_buffers(total);
	struct pw_part *p = NULL;
	bool turn = f->part_turn == s;

	if (buffers > f->part_buffers) {
		pw_session_bad(f, s, PW_MQTT_PUBLISH, PW_MQTT_E_TOO_LARGE, now);
		return PW_GONE;
	}
	if ((turn || pw_list_first(f, PW_LIST_PARTS) == NULL) &&
	    f->part_reserved + buffers <= f->part_buffers)
		p = pw_pool_get(f->parts);
	if (p == NULL) {
		pw_session_wait(f, s, PW_LIST_PARTS);
		if (turn) { /* still the first in line */
			pw_list_remove(f, PW_LIST_PARTS, s);
			pw_list_push_front(f, PW_LIST_PARTS, s);
		}
		return PW_LATER;
	}
	p->session = s;
	p->total = total;
	p->reserved = buffers;
	p->progress = now;
	f->part_reserved += buffers;
	TAILQ_INSERT_TAIL(&f->part_list, p, link);
	s->part = p;
	return PW_TAKEN;
}

/* One slice of the receive queue: by reference, or copied behind the one before. */
static int
take_slice(struct pw_forward *f, struct pw_part *p, const struct pw_slice *in)
{
	struct pw_slice *last, out;

	if (in->len >= PIECE_MIN && RTE_MBUF_DIRECT(in->mbuf)) {
		if (pw_run_push(f->blocks, &p->run, in) < 0)
			return -ENOBUFS;
		pw_slice_hold(in);
		p->held++;
		return 0;
	}
	for (uint32_t at = 0, len; at < in->len; at += len) {
		const struct rte_mbuf *before = p->gather.m;

		len = RTE_MIN((uint32_t)in->len - at, 256u);
		if (pw_gather_bytes(f, &p->gather, pw_slice_data(in) + at, len, &out) < 0)
			return -ENOBUFS;
		p->held += p->gather.m != before;
		last = pw_run_last(&p->run);
		if (last != NULL && pw_slice_adjoins(last, &out)) {
			last->len = (uint16_t)(last->len + len);
			pw_slice_drop(&out);
		} else if (pw_run_push(f->blocks, &p->run, &out) < 0) {
			pw_slice_drop(&out);
			return -ENOBUFS;
		}
		p->taken += len;
		p->copied += len;
		pw_tcp_consume(f->tcp, p->session->conn, len);
	}
	return 1;
}

enum pw_taken
pw_part_take(struct pw_forward *f, struct pw_session *s, uint64_t now)
{
	struct pw_part *p = s->part;
	enum pw_taken r = PW_HOLD;

	while (p->taken < p->total && pw_tcp_rx_len(s->conn) > 0) {
		struct rte_mbuf *m = pw_tcp_rx_chain(s->conn);
		struct pw_slice in = pw_slice_of(m);
		int rc;

		in.len = (uint16_t)RTE_MIN((uint32_t)in.len, p->total - p->taken);
		rc = take_slice(f, p, &in);
		if (rc < 0) {
			r = PW_LATER;
			break;
		}
		if (rc == 0) {
			p->taken += in.len;
			pw_tcp_consume(f->tcp, s->conn, in.len);
		}
		p->progress = s->heard = now;
	}
	return p->taken == p->total ? PW_TAKEN : r;
}

void
pw_part_end(struct pw_forward *f, struct pw_session *s, bool forget)
{
	struct pw_part *p = s->part;

	if (!forget)
		pw_run_drop(f->blocks, p->run.first);
	pw_gather_release(&p->gather);
	f->part_reserved -= p->reserved;
	TAILQ_REMOVE(&f->part_list, p, link);
	pw_pool_put(f->parts, p);
	s->part = NULL;
	f->part_freed = true;
}

/* Some of the budget came back, or who stood first has left: let in the others in their order. */
static void
admit(struct pw_forward *f, uint64_t now)
{
	struct pw_session *s;

	f->part_freed = false;
	while ((s = pw_list_first(f, PW_LIST_PARTS)) != NULL) {
		pw_session_unwait(f, s);
		f->part_turn = s;
		pw_session_read(f, s, 1, false, now);
		f->part_turn = NULL;
		if (pw_list_first(f, PW_LIST_PARTS) == s)
			break;
	}
	f->part_first = pw_list_first(f, PW_LIST_PARTS);
}

/* It stands still because it is not read: that is not its doing. */
static bool
excused(const struct pw_forward *f, const struct pw_part *p)
{
	const struct pw_session *s = p->session;

	return f->pressure > 0 || f->draining || p->taken == p->total || s->on != PW_LIST_NONE ||
	       (s->flags & (PW_SESSION_BLOCKED | PW_SESSION_HELD));
}

void
pw_parts_check(struct pw_forward *f, uint64_t now)
{
	struct pw_part *p, *next;

	if (f->part_freed || f->part_first != pw_list_first(f, PW_LIST_PARTS))
		admit(f, now);
	if (now < f->part_check)
		return;
	f->part_check = now + PW_NS_S;
	for (p = TAILQ_FIRST(&f->part_list); p != NULL; p = next) {
		next = TAILQ_NEXT(p, link);
		if (excused(f, p))
			p->progress = now;
		if (pw_list_first(f, PW_LIST_PARTS) == NULL || p->progress + STALL > now)
			continue;
		f->counters.shed++;
		pw_session_refuse(f, p->session, 0x97, now); /* Quota exceeded */
		return;
	}
}
