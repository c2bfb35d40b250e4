/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * From a device's receive queue to whole frames. A frame stays in the queue, and keeps the TCP
 * window closed by its size, until it is whole and could be handled; one that may never fit the
 * window is taken in parts (part.c).
 */
#include <errno.h>

#include "session_pvt.h"

#define PART_MIN     32768 /* larger frames than this do not wait in TCP's queue */
#define WAKE_QUANTUM 16	   /* frames of one waiting device before the next has its turn */
#define WAKE_MAX     256   /* devices in one poll */
#define WAKE_VAIN    16	   /* of them, those that still had to wait: any number may */

#define PEEK	     5U /* the longest fixed header */

/* First bytes of the queue, up to five: where they lie, or, out of several buffers, in `copy`. */
static const uint8_t *
peek(const struct rte_mbuf *m, uint8_t copy[PEEK], uint32_t *n)
{
	if (likely(m != NULL && m->data_len >= PEEK)) {
		*n = PEEK;
		return rte_pktmbuf_mtod(m, const uint8_t *);
	}
	for (*n = 0; m != NULL && *n < PEEK; m = m->next) {
		uint32_t len = RTE_MIN((uint32_t)m->data_len, PEEK - *n);

		memcpy(copy + *n, rte_pktmbuf_mtod(m, const uint8_t *), len);
		*n += len;
	}
	return copy;
}

/* The first bytes of the queue as slices in f->scratch, of which there are enough. -ENOBUFS: in
 * more pieces. */
static int
slices(struct pw_forward *f, struct rte_mbuf *m, uint32_t total)
{
	if (unlikely(total > m->data_len))
		return pw_slices_from_chain(m, 0, total, f->scratch, f->scratch_max);
	f->scratch[0] = (struct pw_slice){.mbuf = m, .off = m->data_off, .len = (uint16_t)total};
	return 1;
}

static enum pw_taken
handle(struct pw_forward *f, struct pw_session *s, uint8_t type, struct pw_mqtt_buf *b,
       uint64_t now)
{
	bool up = s->state == PW_SESSION_UP;
	enum pw_taken r;

	s->flags |= PW_SESSION_READING;
	if (s->state == PW_SESSION_CONNECT)
		r = pw_session_connect(f, s, b, now);
	else if (type == PW_MQTT_PUBLISH)
		r = pw_session_publish(f, s, b, now);
	else
		r = pw_session_packet(f, s, type, b, now);
	if (r != PW_GONE)
		s->flags &= (uint16_t)~PW_SESSION_READING;
	if (r == PW_TAKEN) {
		s->heard = now;
		if (up && f->account != NULL)
			pw_limits_spend(f, s, type, b->len, now);
	}
	f->frames += r == PW_TAKEN || r == PW_GONE;
	return r;
}

/* A frame that is taken in parts. */
static enum pw_taken
read_part(struct pw_forward *f, struct pw_session *s, uint64_t now)
{
	enum pw_taken r = pw_part_take(f, s, now);
	struct pw_mqtt_buf b = {.s = f->scratch};

	if (r != PW_TAKEN)
		return r == PW_HOLD ? PW_HOLD : PW_LATER;
	b.n = pw_run_slices(s->part->run.first, f->scratch, f->scratch_max);
	b.len = s->part->total;
	if (b.n > f->scratch_max) {
		f->counters.shed++;
		pw_session_refuse(f, s, 0x97, now); /* Quota exceeded */
		return PW_GONE;
	}
	r = handle(f, s, *pw_slice_data(b.s) >> 4, &b, now);
	if (r == PW_TAKEN && s->part != NULL)
		pw_part_end(f, s, false);
	return r;
}

/* One frame, or a group of them. PW_HOLD: no whole frame is there. */
static enum pw_taken
read_frame(struct pw_forward *f, struct pw_session *s, uint64_t now)
{
	enum pw_mqtt_error err = PW_MQTT_E_NONE;
	struct pw_mqtt_buf b = {.s = f->scratch};
	uint32_t there = pw_tcp_rx_len(s->conn), total, n;
	const uint8_t *head;
	uint8_t copy[PEEK];
	enum pw_taken r;
	int rc;

	if (s->part != NULL)
		return read_part(f, s, now);
	if (there == 0)
		return PW_HOLD;
	head = peek(pw_tcp_rx_chain(s->conn), copy, &n);
	rc = pw_mqtt_frame(head, n, s->max_packet, &total, &err);
	if (rc == -EAGAIN)
		return PW_HOLD;
	if (rc < 0) {
		pw_session_bad(f, s, head[0] >> 4, err, now);
		return PW_GONE;
	}
	if (s->state == PW_SESSION_CONNECT && head[0] >> 4 != PW_MQTT_CONNECT) {
		pw_session_bad(f, s, head[0] >> 4, PW_MQTT_E_UNEXPECTED, now); /* [MQTT-3.1.0-1] */
		return PW_GONE;
	}
	/* The window closes by what waits, so only what is sure to fit it may wait there. */
	if (there < total && total <= RTE_MIN((uint32_t)PART_MIN, pw_tcp_rx_window(f->tcp) / 2))
		return PW_HOLD;
	rc = -ENOBUFS;
	if (there >= total)
		rc = slices(f, pw_tcp_rx_chain(s->conn), total);
	if (rc < 0) {
		/* Too large to wait for, or in more pieces than a frame of its size should be. */
		r = pw_part_begin(f, s, total, now);
		return r == PW_TAKEN ? read_part(f, s, now) : r;
	}
	b.n = (uint32_t)rc;
	b.len = total;
	r = handle(f, s, head[0] >> 4, &b, now);
	if (r == PW_TAKEN)
		pw_tcp_consume(f->tcp, s->conn, b.len);
	return r;
}

static bool
may_read(const struct pw_forward *f, const struct pw_session *s, bool forced)
{
	if (s->conn == NULL || (s->state != PW_SESSION_CONNECT && s->state != PW_SESSION_UP))
		return false;
	return (f->pressure == 0 || forced) && !f->draining;
}

static void
block(struct pw_forward *f, struct pw_session *s)
{
	f->counters.blocked += !(s->flags & PW_SESSION_BLOCKED);
	s->flags |= PW_SESSION_BLOCKED;
}

/* Over its rates: the TCP window closes, and it is read again when it is within them. */
static void
pace(struct pw_forward *f, struct pw_session *s)
{
	f->counters.paced++;
	s->flags |= PW_SESSION_PACED | PW_SESSION_BLOCKED;
	pw_session_arm(f, s);
}

void
pw_session_read(struct pw_forward *f, struct pw_session *s, uint32_t quantum, bool forced,
		uint64_t now)
{
	enum pw_taken r = PW_TAKEN;
	uint64_t end = f->frames + quantum;

	if (s->flags & PW_SESSION_READING)
		return;
	if (f->pressure > 0 && !forced) {
		block(f, s);
		pw_session_wait(f, s, PW_LIST_WAITING);
		return;
	}
	while (r == PW_TAKEN && f->frames < end && may_read(f, s, forced)) {
		if (f->account != NULL && pw_limits_at(f, s) > now && pw_tcp_rx_len(s->conn) > 0) {
			pace(f, s);
			return;
		}
		f->quantum = (uint32_t)(end - f->frames);
		r = read_frame(f, s, now);
		if (r == PW_GONE)
			return;
	}
	if (r == PW_TAKEN && f->frames >= end) {
		pw_session_wait(f, s, PW_LIST_WAITING);
		return;
	}
	if (r == PW_LATER) {
		block(f, s);
		pw_session_wait(f, s,
				PW_LIST_WAITING); /* unless it stands in line for the budget */
		return;
	}
	if (s->flags & PW_SESSION_HELD) {
		block(f, s);
		return;
	}
	s->flags &= (uint16_t)~PW_SESSION_BLOCKED;
	if (r == PW_HOLD && s->conn != NULL && pw_tcp_eof(s->conn) && s->state != PW_SESSION_AUTH) {
		if (s->state == PW_SESSION_UP)
			f->counters.lost++;
		pw_session_end(f, s, true, false, now);
	}
}

/* A waiting device has its turn. Who got on with it stands behind those that did not. False where
 * it was in vain. */
static bool
wake(struct pw_forward *f, struct pw_session *s, bool forced, uint64_t now)
{
	pw_handle h = pw_pool_handle(f->sessions, s);
	uint64_t before = f->frames;

	pw_session_unwait(f, s);
	pw_session_read(f, s, WAKE_QUANTUM, forced, now);
	if (f->frames == before)
		return false;
	if (pw_pool_find(f->sessions, h) == s && s->on == PW_LIST_WAITING) {
		pw_session_unwait(f, s);
		pw_session_wait(f, s, PW_LIST_SERVED);
	}
	return true;
}

uint32_t
pw_sessions_wake(struct pw_forward *f, uint64_t now)
{
	struct pw_session *last = pw_list_last(f, PW_LIST_WAITING), *s;
	bool forced = f->pressure > 0;
	uint64_t before = f->frames;
	uint32_t n = 0, vain = 0, busy = 0;
	struct pw_flog *l;

	PW_FOREACH_LOG (f, l)
		busy += l->outstanding + l->trailing;
	/*
	 * Under pressure devices are not read while messages are outstanding, whose completion
	 * gives buffers back. Where none is, reading whole frames is the only way on: it takes no
	 * buffer more.
	 */
	if (f->draining || (forced && busy > 0))
		return 0;
	/* Set again where one of them finds no place: what arrives now stands behind them then. */
	PW_FOREACH_LOG (f, l)
		l->awaited = false;
	f->connack_awaited = false;
	f->waking = true;
	while (n < WAKE_MAX && vain < WAKE_VAIN &&
	       (s = pw_list_first(f, PW_LIST_WAITING)) != NULL) {
		bool end = s == last;

		vain += !wake(f, s, forced, now);
		n++;
		if (end)
			break;
	}
	f->waking = false;
	while ((s = pw_list_first(f, PW_LIST_SERVED)) != NULL) {
		pw_session_unwait(f, s);
		pw_session_wait(f, s, PW_LIST_WAITING);
	}
	return (uint32_t)(f->frames - before);
}
