/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A PUBLISH with a topic alias gets its topic back and loses the alias, which means nothing on
 * another connection; one of a route that rewrites topics gets the other topic: a header of ours,
 * the properties around an alias and the payload by reference.
 */
#include <errno.h>

#include "session_pvt.h"

#define ALIAS_BYTES 3 /* identifier and number */

/* The frame as it is to be: `head` bytes of ours, then the old ones without those between. */
struct form {
	uint8_t *head;
	uint32_t head_len;
	uint32_t keep_from; /* of the old frame: the properties before the alias */
	uint32_t cut_from, cut_to;
	uint32_t len;
	uint32_t id_at;
	uint32_t expiry_at;
};

static uint8_t *
put_u16(uint8_t *p, uint32_t v)
{
	*p++ = (uint8_t)(v >> 8);
	*p++ = (uint8_t)v;
	return p;
}

/* False where MQTT has no packets of that size. */
static bool
shape(const struct pw_forward *f, const struct pw_mqtt_buf *b, const struct pw_resolve *r, bool v5,
      struct form *o)
{
	const struct pw_mqtt_publish *m = r->p;
	uint32_t alias = v5 && pw_mqtt_has(&m->props, PW_MQTT_PROP_TOPIC_ALIAS) ? ALIAS_BYTES : 0;
	uint32_t props = v5 ? m->props.all.len - alias : 0, expiry = 0;
	uint32_t rest = 2 + r->len + (m->qos > 0 ? 2 : 0) + m->payload.len +
			(v5 ? pw_mqtt_varint_size(props) + props : 0);
	uint8_t *p = f->topic + PW_SCRATCH_BYTES;

	if (rest > PW_MQTT_MAX_REMAINING)
		return false;
	o->head = p;
	*p++ = *pw_mqtt_byte(b, 0);
	p = pw_mqtt_varint_put(p, rest);
	o->len = (uint32_t)(p - o->head) + rest;
	p = put_u16(p, r->len);
	memcpy(p, r->topic, r->len);
	p += r->len;
	o->id_at = m->qos > 0 ? (uint32_t)(p - o->head) : 0;
	if (m->qos > 0)
		p = put_u16(p, m->packet_id);
	if (v5)
		p = pw_mqtt_varint_put(p, props);
	o->head_len = (uint32_t)(p - o->head);
	o->keep_from = v5 ? m->props.all.off : m->payload.off;
	o->cut_from = alias != 0 ? m->props.at[PW_MQTT_PROP_TOPIC_ALIAS] : o->keep_from;
	o->cut_to = o->cut_from + alias;
	o->expiry_at = 0;
	if (v5 && pw_mqtt_has(&m->props, PW_MQTT_PROP_MESSAGE_EXPIRY)) {
		expiry = m->props.at[PW_MQTT_PROP_MESSAGE_EXPIRY] + 1;
		expiry -= expiry > o->cut_from ? alias : 0;
		expiry = o->head_len + (expiry - o->keep_from);
	}
	o->expiry_at = expiry;
	return true;
}

/* Our bytes in packet buffers, the slices held, to the end of an array. 0 or -ENOBUFS. */
static int
head_slices(struct pw_forward *f, struct pw_gather *g, const struct form *o, struct pw_slice *out,
	    uint32_t *n)
{
	*n = 0;
	for (uint32_t at = 0, len; at < o->head_len; at += len) {
		struct pw_slice s;

		len = RTE_MIN(o->head_len - at, 256u);
		if (*n == PW_RESOLVE_HEAD || pw_gather_bytes(f, g, o->head + at, len, &s) < 0) {
			while (*n > 0)
				pw_slice_drop(&out[--*n]);
			return -ENOBUFS;
		}
		if (*n > 0 && pw_slice_adjoins(&out[*n - 1], &s)) {
			out[*n - 1].len = (uint16_t)(out[*n - 1].len + len);
			pw_slice_drop(&s);
		} else {
			out[(*n)++] = s;
		}
	}
	return 0;
}

/* Borrowed slices of bytes from .. to of a frame; returns how many. */
static uint32_t
cut(const struct pw_mqtt_buf *b, uint32_t from, uint32_t to, struct pw_slice *out)
{
	uint32_t base = 0, n = 0;

	for (uint32_t i = 0; i < b->n && base < to; base += b->s[i++].len) {
		uint32_t end = base + b->s[i].len, lo = RTE_MAX(base, from), hi = RTE_MIN(end, to);

		if (lo >= hi)
			continue;
		out[n] = b->s[i];
		out[n].off = (uint16_t)(out[n].off + (lo - base));
		out[n++].len = (uint16_t)(hi - lo);
	}
	return n;
}

/* A frame that lies in the receive queue. */
static int
append_borrowed(struct pw_forward *f, struct pw_flog *l, const struct pw_append *a,
		const struct form *o, uint64_t now)
{
	struct pw_slice *s = f->resolved;
	struct pw_mqtt_buf b = {.s = s, .len = o->len};
	struct pw_append mine = *a;
	uint32_t held;
	int rc = head_slices(f, &f->gather, o, s, &held);

	if (rc < 0)
		return rc;
	b.n = held;
	b.n += cut(a->b, o->keep_from, o->cut_from, s + b.n);
	b.n += cut(a->b, o->cut_to, a->b->len, s + b.n);
	mine.b = &b;
	mine.id_at = o->id_at;
	mine.expiry_at = o->expiry_at;
	rc = pw_append(f, l, &mine, now);
	while (held > 0)
		pw_slice_drop(&s[--held]);
	return rc;
}

/* The front of a frame that was taken in parts, in blocks of its own. */
static int
front(struct pw_forward *f, struct pw_part *part, const struct pw_mqtt_buf *b, const struct form *o,
      struct pw_run_list *run)
{
	struct pw_slice *s = f->resolved;
	uint32_t held, n, i;

	if (head_slices(f, &part->gather, o, s, &held) < 0)
		return -ENOBUFS;
	n = held + cut(b, o->keep_from, o->cut_from, s + held);
	for (i = held; i < n; i++)
		pw_slice_hold(&s[i]);
	for (i = 0; i < n && pw_run_push(f->blocks, run, &s[i]) == 0;)
		i++;
	if (i == n)
		return 0;
	for (; i < n; i++)
		pw_slice_drop(&s[i]);
	pw_run_drop(f->blocks, run->first);
	return -ENOBUFS;
}

/*
 * A frame that was taken in parts: it becomes the resolved one where it lies, so that handling it
 * again, where the log is full after all, finds a topic and no alias.
 */
static int
append_part(struct pw_forward *f, struct pw_flog *l, struct pw_session *s,
	    const struct pw_append *a, const struct form *o, uint64_t now)
{
	struct pw_part *part = s->part;
	struct pw_run_list run = {0};
	struct pw_mqtt_buf b = {.s = f->scratch, .len = o->len};
	struct pw_append mine = *a;
	int rc = front(f, part, a->b, o, &run);

	if (rc < 0)
		return rc;
	pw_run_trim(f->blocks, &part->run, o->cut_to);
	run.last->next = part->run.first;
	if (part->run.last == NULL)
		part->run.last = run.last;
	part->run.first = run.first;
	part->total = part->taken = o->len;
	part->copied = RTE_MIN(part->copied + o->head_len, o->len);
	part->reserved += o->head_len / 1024 + 1;
	f->part_reserved += o->head_len / 1024 + 1;
	b.n = pw_run_slices(run.first, f->scratch, f->scratch_max);
	mine.b = &b;
	mine.run = run.first;
	mine.copied = part->copied;
	mine.id_at = o->id_at;
	mine.expiry_at = o->expiry_at;
	return b.n <= f->scratch_max ? pw_append(f, l, &mine, now) : -ENOBUFS;
}

int
pw_resolve_append(struct pw_forward *f, struct pw_flog *l, struct pw_session *s,
		  const struct pw_append *a, const struct pw_resolve *r, uint64_t now)
{
	struct form o;

	/* Before anything is copied. */
	if (pw_flog_full(l))
		return -ENOSPC;
	if (!shape(f, a->b, r, s->version == PW_MQTT_5, &o))
		return -EMSGSIZE;
	return s->part != NULL ? append_part(f, l, s, a, &o, now)
			       : append_borrowed(f, l, a, &o, now);
}
