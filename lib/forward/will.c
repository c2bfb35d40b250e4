/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Wills. Kept as the PUBLISH that they will be, in pooled memory where they are short and in packet
 * buffers where not, so that publishing one is an append like any other. A will that is delayed
 * keeps its session object, and the client identifier's place in the directory, until it is
 * published or a new connection of the same client cancels it.
 */
#include <errno.h>

#include "session_pvt.h"

#define TRIES 64 /* wills that wait for room, in one poll */

/* Flat bytes to the end of a run, in buffers of its own. */
static int
push_flat(struct pw_forward *f, struct pw_gather *g, struct pw_run_list *run, const uint8_t *p,
	  uint32_t len)
{
	for (uint32_t at = 0, n; at < len; at += n) {
		struct pw_slice *last = pw_run_last(run), out;

		n = RTE_MIN(len - at, 256u);
		if (pw_gather_bytes(f, g, p + at, n, &out) < 0)
			return -ENOBUFS;
		if (last != NULL && pw_slice_adjoins(last, &out)) {
			last->len = (uint16_t)(last->len + n);
			pw_slice_drop(&out);
		} else if (pw_run_push(f->blocks, run, &out) < 0) {
			pw_slice_drop(&out);
			return -ENOBUFS;
		}
	}
	return 0;
}

static int
keep_large(struct pw_forward *f, struct pw_will *w, const struct pw_mqtt_buf *b,
	   struct pw_mqtt_span payload, const uint8_t *head, uint32_t head_len)
{
	struct pw_run_list run = {0};
	struct pw_gather g = {0};
	uint8_t piece[256];
	int rc = push_flat(f, &g, &run, head, head_len);

	for (uint32_t at = 0, n; rc == 0 && at < payload.len; at += n) {
		n = RTE_MIN(payload.len - at, (uint32_t)sizeof(piece));
		pw_slices_copy(b->s, b->n, payload.off + at, piece, n);
		rc = push_flat(f, &g, &run, piece, n);
	}
	pw_gather_release(&g);
	if (rc < 0) {
		pw_run_drop(f->blocks, run.first);
		return rc;
	}
	w->run = run.first;
	return 0;
}

/* The will's properties without Will Delay, which speaks to the server only. */
static int
properties(const struct pw_mqtt_buf *b, const struct pw_mqtt_connect *c, uint8_t *raw)
{
	const struct pw_mqtt_span all = c->will_props.all;
	uint32_t cut = all.off + all.len, skip = 0;

	if (all.len > PW_SCRATCH_BYTES)
		return -EMSGSIZE;
	if (pw_mqtt_has(&c->will_props, PW_MQTT_PROP_WILL_DELAY)) {
		cut = c->will_props.at[PW_MQTT_PROP_WILL_DELAY];
		skip = 5; /* identifier and four bytes */
	}
	pw_slices_copy(b->s, b->n, all.off, raw, cut - all.off);
	pw_slices_copy(b->s, b->n, cut + skip, raw + (cut - all.off),
		       all.off + all.len - cut - skip);
	return (int)(all.len - skip);
}

/* The bytes of the PUBLISH. */
static int
keep_bytes(struct pw_forward *f, struct pw_will *w, const struct pw_mqtt_buf *b,
	   const struct pw_mqtt_connect *c)
{
	uint8_t *raw = f->topic + PW_SCRATCH_BYTES, *head = raw + PW_SCRATCH_BYTES;
	struct pw_mqtt_props_out props = {0};
	struct pw_mqtt_str topic = {pw_mqtt_bytes(b, c->will_topic, f->topic), c->will_topic.len};
	int n = 0;

	w->route = pw_routes_find(f->routes, topic.data, topic.len);
	if (w->route != NULL) {
		const uint8_t *text = topic.data;

		w->key = pw_topic_key(f, w->route, text, topic.len);
		if (pw_route_topic(w->route, &text, &topic.len, f->rewritten) < 0)
			w->route = NULL;
		topic.data = text;
	}
	if (c->version == PW_MQTT_5) {
		n = properties(b, c, raw);
		if (n < 0)
			return n;
		props.raw = (struct pw_mqtt_str){raw, (uint32_t)n};
	}
	n = pw_mqtt_encode_publish(head, 2 * PW_SCRATCH_BYTES + 64, c->version, false, c->will_qos,
				   c->will_retain, topic, c->will_qos > 0 ? 1 : 0, &props,
				   c->will_payload.len);
	if (n < 0)
		return -EMSGSIZE;
	w->len = (uint32_t)n + c->will_payload.len;
	if (w->len > f->set->limits.max_packet_size)
		return -EMSGSIZE;
	if (w->len <= pw_blob_max())
		w->blob = pw_blob_get(f, w->len);
	/* Too large, or the pools are lent out: packet buffers. */
	if (w->blob == NULL)
		return keep_large(f, w, b, c->will_payload, head, (uint32_t)n);
	/* The topic is in the head. */
	pw_slices_copy(b->s, b->n, c->will_payload.off, f->topic, c->will_payload.len);
	pw_blob_write(w->blob, 0, head, (uint32_t)n);
	pw_blob_write(w->blob, (uint32_t)n, f->topic, c->will_payload.len);
	return 0;
}

int
pw_will_keep(struct pw_forward *f, struct pw_session *s, const struct pw_mqtt_buf *b,
	     const struct pw_mqtt_connect *c)
{
	struct pw_session_more *more = pw_session_more(f, s);
	struct pw_will *w;
	int rc;

	if (more == NULL)
		return -ENOBUFS;
	w = &more->will;
	rc = keep_bytes(f, w, b, c);
	if (rc < 0) {
		memset(w, 0, sizeof(*w));
		pw_session_less(f, s);
		return rc;
	}
	w->qos = c->will_qos;
	w->retain = c->will_retain;
	if (pw_mqtt_has(&c->will_props, PW_MQTT_PROP_WILL_DELAY))
		w->delay = c->will_props.value[PW_MQTT_PROP_WILL_DELAY].num;
	return 0;
}

void
pw_will_forget(struct pw_forward *f, struct pw_session *s)
{
	struct pw_will *w = pw_session_will(s);

	if (w == NULL)
		return;
	pw_blob_put(f, w->blob);
	pw_run_drop(f->blocks, w->run);
	memset(w, 0, sizeof(*w));
	pw_session_less(f, s);
	s->flags &= (uint16_t)~PW_SESSION_WILL_DUE;
	if (s->on == PW_LIST_WILLS)
		pw_session_unwait(f, s);
}

/* The topic that it is kept with, at f->topic; returns its bytes. */
static uint32_t
topic_of(struct pw_forward *f, const struct pw_will *w)
{
	uint8_t head[7];
	uint32_t n = 1, at = 1, len;

	if (w->run != NULL)
		n = pw_run_slices(w->run, f->scratch, f->scratch_max);
	if (w->run == NULL)
		pw_blob_read(w->blob, 0, head, RTE_MIN(w->len, (uint32_t)sizeof(head)));
	else
		pw_slices_copy(f->scratch, n, 0, head, RTE_MIN(w->len, (uint32_t)sizeof(head)));
	while (head[at++] & 0x80) /* our own: at most four bytes, and a topic behind */
		;
	len = (uint32_t)head[at] << 8 | head[at + 1];
	if (w->run == NULL)
		pw_blob_read(w->blob, at + 2, f->topic, len);
	else
		pw_slices_copy(f->scratch, n, at + 2, f->topic, len);
	return len;
}

/* The route of the same name; where it is gone, the one of the topic as brokers were to have it. */
static void
follow(struct pw_forward *f, struct pw_will *w, const struct pw_route *const *by_slot)
{
	const struct pw_route *old = w->route, *next = old != NULL ? by_slot[old->slot] : NULL;
	uint32_t len;

	w->route = next;
	if (next != NULL && next->conf->fanout == old->conf->fanout &&
	    next->conf->hash_by_topic == old->conf->hash_by_topic)
		return;
	len = topic_of(f, w);
	if (next == NULL)
		w->route = pw_routes_find(f->routes, f->topic, len);
	if (w->route != NULL)
		w->key = pw_topic_key(f, w->route, f->topic, len);
}

void
pw_wills_follow(struct pw_forward *f)
{
	const struct pw_route *by_slot[PW_FORWARD_MAX_ROUTES] = {NULL};

	for (uint32_t i = 0; i < f->routes->n; i++)
		by_slot[f->routes->route[i].slot] = &f->routes->route[i];
	/* It is one turn's: not all sessions are looked at, but what few of them have. */
	for (uint32_t i = 0; i < f->max_extras; i++) {
		struct pw_session_more *more = pw_pool_peek(f->more, i);

		if (more != NULL && more->will.len > 0)
			follow(f, &more->will, by_slot);
	}
}

/* A short one, in one piece. */
static int
gather(struct pw_forward *f, const struct pw_will *w, struct pw_slice *out)
{
	int rc = pw_gather_space(f, &f->gather, w->len, out);

	if (rc == 0)
		pw_blob_read(w->blob, 0, pw_slice_data(out), w->len);
	return rc;
}

static int
append(struct pw_forward *f, struct pw_session *s, uint64_t now)
{
	struct pw_will *w = pw_session_will(s);
	struct pw_flog *l;
	struct pw_slice one;
	struct pw_mqtt_buf b = {.s = &one, .n = 1, .len = w->len};
	struct pw_append a = {.b = &b, .route = w->route, .qos = w->qos, .retain = w->retain};
	enum pw_mqtt_error err;
	struct pw_mqtt_publish p;
	int rc;

	if (w->route == NULL)
		return -ENOENT;
	l = pw_session_log(f, s, w->route, w->key, now);
	if (l == NULL || pw_flog_full(l))
		return -ENOSPC;
	if (w->run != NULL) {
		b.n = pw_run_slices(w->run, f->scratch, f->scratch_max);
		b.s = f->scratch;
		a.run = w->run;
		a.copied = w->len;
	} else if (gather(f, w, &one) < 0) {
		return -ENOBUFS;
	}
	rc = pw_mqtt_decode_publish(&b, s->version, &p, &err);
	if (rc > 0) {
		a.id_at = p.packet_id_at;
		if (s->version == PW_MQTT_5 && pw_mqtt_has(&p.props, PW_MQTT_PROP_MESSAGE_EXPIRY))
			a.expiry_at = p.props.at[PW_MQTT_PROP_MESSAGE_EXPIRY] + 1;
		rc = pw_append(f, l, &a, now);
	}
	if (w->run == NULL)
		pw_slice_drop(&one);
	else if (rc == 0)
		w->run = NULL;
	if (rc == 0)
		pw_session_appended(s, l, now);
	return rc;
}

void
pw_will_publish(struct pw_forward *f, struct pw_session *s, uint64_t now)
{
	int rc = append(f, s, now);

	s->more->will.at = 0;
	if ((rc == -ENOSPC || rc == -ENOBUFS) && s->more->will.qos > 0) {
		/* It waits for room like the messages of a device that is not read. */
		s->flags |= PW_SESSION_WILL_DUE;
		pw_session_wait(f, s, PW_LIST_WILLS);
		return;
	}
	if (rc == 0)
		f->counters.wills_published++;
	else if (rc == -ENOENT)
		f->counters.dropped_no_route++;
	if (rc < 0)
		f->counters.wills_dropped++;
	pw_will_forget(f, s);
	pw_session_yield(f, s, now);
}

void
pw_will_due(struct pw_forward *f, struct pw_session *s, uint64_t now)
{
	/* The end of the session publishes it, 5.0 3.1.3.2.2. */
	uint32_t delay = RTE_MIN(s->more->will.delay, s->expiry);

	if (s->flags & PW_SESSION_WILL_DUE)
		return;
	/* Where too many delayed wills wait already, or pubwire itself ends, this one does not. */
	if (delay == 0 || f->draining || f->nb_lingering >= f->max_lingering) {
		pw_will_publish(f, s, now);
		return;
	}
	s->more->will.at = now + delay * PW_NS_S;
	pw_session_arm(f, s);
}

uint32_t
pw_wills_again(struct pw_forward *f, uint64_t now)
{
	struct pw_session *last = pw_list_last(f, PW_LIST_WILLS), *s;
	uint32_t n = pw_sessions_settle(f, now), tries = 0;

	while ((s = pw_list_first(f, PW_LIST_WILLS)) != NULL) {
		bool end = s == last;

		/* One whose log is full does not hold up those that go elsewhere. */
		pw_session_unwait(f, s);
		pw_will_publish(f, s, now);
		n += pw_session_will(s) == NULL;
		pw_session_settle(f, s);
		if (end || tries++ == TRIES)
			break;
	}
	return n;
}
