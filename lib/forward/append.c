/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A PUBLISH becomes an entry of the log: by reference to the buffers it arrived in, or, where it is
 * shorter than the copy-break, as a copy behind the one before, so that its packet buffer is free
 * at once and neighbours leave as one slice. A group (group.c) is taken like one message of its
 * size, but is never in two pieces. A message's packet identifier is rewritten, and DUP cleared
 * (it speaks of one leg only, MQTT 5.0 3.3.1.1), in place, before anybody else can see the bytes.
 */
#include <errno.h>

#include "session_pvt.h"

#define COPY_SLICES(f) ((f)->set->limits.max_packet_size / 1024 + 8 + PW_RESOLVE_HEAD)

/* Buffers that others may look at are not ours to rewrite: clones, and what is read-only. */
static bool
rewritable(const struct pw_mqtt_buf *b)
{
	for (uint32_t i = 0; i < b->n; i++) {
		if (!RTE_MBUF_DIRECT(b->s[i].mbuf))
			return false;
	}
	return true;
}

static int
hold_rest(struct pw_forward *f, const struct pw_slice *s, uint32_t n, struct pw_run **more)
{
	struct pw_run_list list = {0};

	for (uint32_t i = 1; i < n; i++) {
		if (pw_run_push(f->blocks, &list, &s[i]) < 0) {
			pw_run_forget(f->blocks, list.first);
			return -ENOBUFS;
		}
	}
	*more = list.first;
	return 0;
}

static int
copy_group(struct pw_forward *f, const struct pw_mqtt_buf *b, struct pw_slice *out)
{
	if (pw_gather_space(f, &f->gather, b->len, out) < 0)
		return -ENOBUFS;
	memcpy(pw_slice_data(out), pw_slice_data(b->s), b->len);
	return 1;
}

/* Take the slices into an entry; `out` tells where the bytes lie now. */
static int
take(struct pw_forward *f, const struct pw_append *a, struct pw_flog_entry *e,
     struct pw_mqtt_buf *out)
{
	struct pw_slice *copy = f->scratch + f->scratch_max;
	int n;

	*out = *a->b;
	if (a->run != NULL) {
		e->more = a->run;
		f->counters.bytes_by_ref += a->b->len - a->copied;
		f->counters.bytes_copied += a->copied;
		e->first = a->run->s[a->run->from++];
		return 0;
	}
	if (a->b->len < f->set->limits.copy_break || !rewritable(a->b)) {
		n = a->further > 0
			    ? copy_group(f, a->b, copy)
			    : pw_gather_copy(f, &f->gather, a->b->s, a->b->n, copy, COPY_SLICES(f));
		if (n < 0)
			return n;
		out->s = copy;
		out->n = (uint32_t)n;
		if (hold_rest(f, copy, out->n, &e->more) < 0) {
			for (int i = 0; i < n; i++)
				pw_slice_drop(&copy[i]);
			return -ENOBUFS;
		}
		f->counters.bytes_copied += a->b->len;
	} else {
		if (hold_rest(f, a->b->s, a->b->n, &e->more) < 0)
			return -ENOBUFS;
		for (uint32_t i = 0; i < a->b->n; i++)
			pw_slice_hold(&a->b->s[i]);
		f->counters.bytes_by_ref += a->b->len;
	}
	e->first = out->s[0];
	return 0;
}

/* Packet buffers that a message keeps and the one before it in the log does not. */
static uint32_t
pins(struct pw_flog *l, const struct pw_flog_entry *e)
{
	const struct pw_flog_entry *before = pw_flog_at(l, l->newest);
	const struct rte_mbuf *last = NULL;
	uint32_t n;

	if (l->tail != l->head && !(before->state & PW_FLOG_DONE))
		last = l->last;
	n = e->first.mbuf != last;
	last = e->first.mbuf;
	for (const struct pw_run *r = e->more; r != NULL; r = r->next) {
		for (uint32_t i = r->from; i < r->n; i++) {
			n += r->s[i].mbuf != last;
			last = r->s[i].mbuf;
		}
	}
	l->last = last;
	return n;
}

static void
rewrite(const struct pw_mqtt_buf *b, uint32_t id_at, uint16_t id)
{
	pw_mqtt_put_byte(b, 0, *pw_mqtt_byte(b, 0) & (uint8_t)~0x08);
	if (id_at == 0)
		return;
	pw_mqtt_put_byte(b, id_at, (uint8_t)(id >> 8));
	pw_mqtt_put_byte(b, id_at + 1, (uint8_t)id);
}

int
pw_append(struct pw_forward *f, struct pw_flog *l, const struct pw_append *a, uint64_t now)
{
	struct pw_flog_entry e = {
		.origin = a->session != NULL && a->qos > 0 ? pw_pool_handle(f->sessions, a->session)
							   : 0,
		.arrival = now,
		.len = a->b->len,
		.expiry_at = a->expiry_at,
		.dev_id = a->dev_id,
		.flags = (uint8_t)(a->qos | (a->retain ? PW_FLOG_RETAIN : 0) |
				   a->route->flags[a->qos > 0]),
		.need = a->route->need,
	};
	uint32_t messages = a->further + 1u;
	struct pw_mqtt_buf bytes;
	uint64_t pos;
	int rc;

	if (pw_flog_full(l))
		return -ENOSPC;
	if (a->qos == 0)
		e.further = a->further;
	rc = take(f, a, &e, &bytes);
	if (rc < 0)
		return rc;
	rewrite(&bytes, a->qos > 0 ? a->id_at : 0, pw_flog_next_id(l));
	e.first.aux = pw_flog_aux(a->route->slot, pins(l, &e));
	f->counters.accepted += messages;
	pw_route_of(f, &e)->accepted += messages;
	pos = pw_flog_publish(l, &e);
	if (a->session == NULL) {
		if (a->qos > 0 && e.need == 0) {
			f->counters.orphaned++;
			pw_route_of(f, &e)->orphaned++;
			pw_flog_told(l, pos);
		}
		return 0;
	}
	pw_session_appended(a->session, l, now);
	if (a->qos > 0)
		pw_session_track(f, a->session, l, pos);
	return 0;
}
