/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What telemetry reads, from any thread: counters and single words as they are at that moment.
 * Nothing here follows a pointer to what may be given back: sessions are found by index in a table,
 * and pools never return memory while they live.
 */
#include <stdio.h>

#include "session_pvt.h"
#include "upstream_pvt.h"

PW_COUNTER_DESCRIBE(pw_device_counters, PW_DEVICE_COUNTERS);
PW_COUNTER_DESCRIBE(pw_upstream_counters, PW_UPSTREAM_COUNTERS);

#define READ(v) __atomic_load_n(&(v), __ATOMIC_RELAXED)

static void
upstream_info(const struct pw_upstream *u, struct pw_upstream_info *out)
{
	uint64_t *to = (uint64_t *)&out->counters;
	uint64_t tail = READ(u->log->tail), next = READ(u->cursor.next);

	memset(out, 0, sizeof(*out));
	out->broker = u->broker;
	out->log_worker = u->log->worker;
	out->lane = u->log->lane;
	out->state = (enum pw_upstream_state)READ(u->state);
	out->lag = tail > next ? tail - next : 0;
	out->inflight = READ(u->cursor.inflight);
	out->window = READ(u->window);
	out->connected_at = READ(u->connected_at);
	for (uint32_t i = 0; i < sizeof(out->last_error) - 1; i++)
		out->last_error[i] = READ(u->last_error[i]);
	for (uint32_t i = 0; i < sizeof(out->counters) / sizeof(*to); i++)
		to[i] = pw_counter_read(&u->counters, i);
}

uint32_t
pw_forward_upstreams(const struct pw_forward *f, struct pw_upstream_info *out, uint32_t max)
{
	for (uint32_t i = 0; i < f->nb_upstreams && i < max; i++)
		upstream_info(&f->upstream[i], &out[i]);
	return f->nb_upstreams;
}

uint32_t
pw_forward_logs(const struct pw_forward *f, struct pw_log_info *out, uint32_t max)
{
	uint32_t n = 0;

	for (uint32_t lane = 0; lane < PW_LANE_MAX; lane++) {
		const struct pw_flog *l = f->log[lane];
		uint64_t tail, head;

		if (l == NULL)
			continue;
		if (n < max) {
			/* head first: it never passes the tail that is read after it */
			head = __atomic_load_n(&l->head, __ATOMIC_ACQUIRE);
			tail = __atomic_load_n(&l->tail, __ATOMIC_ACQUIRE);
			out[n] = (struct pw_log_info){
				.lane = l->lane,
				.capacity = l->mask + 1,
				.used = (uint32_t)RTE_MIN(tail - head, (uint64_t)l->mask + 1),
				.outstanding = READ(l->outstanding),
				.owed = READ(l->owed),
				.appended = tail,
			};
		}
		n++;
	}
	return n;
}

uint32_t
pw_forward_sessions(const struct pw_forward *f)
{
	return READ(f->nb_sessions);
}

const struct pw_device_counters *
pw_forward_counters(const struct pw_forward *f)
{
	return &f->counters;
}

const struct pw_hist *
pw_forward_latency_qos0(const struct pw_forward *f)
{
	return &f->latency_qos0;
}

const struct pw_hist *
pw_forward_latency_qos1(const struct pw_forward *f)
{
	return &f->latency_qos1;
}

static void
session_info(const struct pw_session *s, struct pw_session_info *out)
{
	const struct pw_blob *id = READ(s->client_id);
	uint32_t len = 0;

	memset(out, 0, sizeof(*out));
	/* The smallest blob has room for 60 bytes: what is read stays inside, whoever owns it now.
	 */
	if (id != NULL)
		len = RTE_MIN((uint32_t)READ(id->len), 60u);
	for (uint32_t i = 0; i < len; i++)
		out->client_id[i] = (char)READ(id->data[i]);
	out->flow = s->flow;
	out->version = READ(s->version);
	out->inflight = READ(s->inflight);
	out->keepalive = READ(s->keepalive);
	out->messages = READ(s->messages);
}

uint32_t
pw_forward_session_list(const struct pw_forward *f, uint32_t *at, struct pw_session_info *out,
			uint32_t max)
{
	uint32_t n = 0;

	while (n < max && *at < f->nb_slots) {
		const struct pw_session *s = __atomic_load_n(&f->slot[(*at)++], __ATOMIC_ACQUIRE);

		if (s != NULL && READ(s->conn) != NULL && READ(s->client_id) != NULL)
			session_info(s, &out[n++]);
	}
	return n;
}

size_t
pw_forward_session_size(void)
{
	/* What the pools hold for each (blob.c), used or not; its places in the table and the
	 * directory. */
	return RTE_ALIGN_CEIL(sizeof(struct pw_session), (size_t)RTE_CACHE_LINE_SIZE) +
	       pw_blob_share() + sizeof(struct pw_session *) + 2 * 40;
}
