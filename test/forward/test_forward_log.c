/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The log and its cursors alone, against a model that remembers every message: seeded histories of
 * appends, queueing, acknowledgements, lost connections and give-ups, over a small ring so that it
 * wraps often.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <errno.h>
#include <string.h>

#include <rte_malloc.h>

#include "cursor_pvt.h"
#include "eal.h"
#include "hash_pvt.h"

#define MESSAGES 600
#define BROKERS	 4
#define CAPACITY 32

struct model {
	uint8_t qos;
	bool keep;
	uint8_t queued[BROKERS]; /* times */
	bool done[BROKERS];
	bool had[BROKERS]; /* the rule has counted it */
	bool complete, acked;
	uint8_t delivered[BROKERS]; /* QoS 2: times that its broker took it for a new one */
};

/* What a broker's session knows of identifiers of QoS 2. */
struct known {
	uint32_t message; /* plus one; 0: the identifier is free */
	bool comp;	  /* PUBREL came, PUBCOMP is on its way */
};

struct fixture {
	struct pw_mem mem;
	struct pw_pool *blocks;
};

static struct fixture fix;
static struct pw_flog *flog;
static struct pw_cursor cursor[BROKERS];
static struct model model[MESSAGES];
static struct known known[BROKERS][CAPACITY + 3];
static uint32_t sessions_lost[BROKERS];
static uint64_t bits[BROKERS][4096];
static uint32_t nb_completed;

static struct pw_flog_entry
message(uint32_t index, uint32_t pieces, uint8_t flags)
{
	struct pw_flog_entry e = {.flags = flags | PW_FLOG_ALL,
				  .need = (uint8_t)__builtin_popcount(flog->brokers),
				  .len = 4 * pieces,
				  .dev_id = 1};
	struct pw_run_list run = {0};

	for (uint32_t i = 0; i < pieces; i++) {
		struct rte_mbuf *m = rte_pktmbuf_alloc(fix.mem.pkt);
		struct pw_slice s;

		assert_non_null(m);
		memcpy(rte_pktmbuf_append(m, 4), &index, 4);
		s = pw_slice_of(m);
		if (i == 0)
			e.first = s;
		else
			assert_int_equal(pw_run_push(fix.blocks, &run, &s), 0);
	}
	e.more = run.first;
	return e;
}

static void
check_bytes(const struct pw_flog_entry *e, uint32_t index)
{
	struct pw_slice s[32];
	uint32_t n = pw_run_slices(e->more, s, 32), got;

	assert_non_null(e->first.mbuf);
	memcpy(&got, pw_slice_data(&e->first), 4);
	assert_int_equal(got, index);
	for (uint32_t i = 0; i < n; i++) {
		memcpy(&got, pw_slice_data(&s[i]), 4);
		assert_int_equal(got, index);
	}
	assert_int_equal(e->len, 4 * (n + 1));
}

static void
qos0_complete(void *ctx, const struct pw_flog *l, const struct pw_flog_entry *e)
{
	(void)ctx;
	(void)l;
	assert_null(e->first.mbuf);
	nb_completed += pw_flog_messages(e);
}

static void
complete(uint64_t pos, uint32_t b, enum pw_flog_end end, uint8_t reason)
{
	struct model *m = &model[pos];
	bool all;

	all = end != PW_FLOG_RELEASED;
	m->done[b] = end != PW_FLOG_RECEIVED;
	m->had[b] = true;
	for (uint32_t i = 0; i < BROKERS; i++)
		all &= !(flog->brokers & 1u << i) || m->had[i];
	assert_int_equal(pw_flog_complete(flog, pos, b, end, reason), all);
	/* a second time changes nothing */
	assert_true(!m->done[b] || !pw_flog_complete(flog, pos, b, end, reason));
	if (all) {
		m->complete = true;
		pw_flog_told(flog, pos);
	}
}

/* PUBRELs arrive: the broker forgets. */
static void
release_some(uint32_t b)
{
	struct pw_cursor *c = &cursor[b];

	while (pw_cursor_releases(c)) {
		bool there;
		uint16_t id = pw_cursor_release(c, 0, &there);

		c->release_head++;
		assert_true(there || known[b][id].message == 0);
		known[b][id] = (struct known){.comp = there};
	}
}

static void
queue_one(uint32_t b)
{
	struct pw_cursor *c = &cursor[b];
	const struct pw_flog_entry *e = pw_cursor_peek(c);
	struct model *m;

	if (e == NULL)
		return;
	release_some(b); /* before identifiers are used again */
	m = &model[c->next];
	assert_false(m->done[b]);
	check_bytes(e, (uint32_t)c->next);
	assert_int_equal(pw_cursor_again(c), m->queued[b] > 0);
	for (uint32_t i = 0; m->qos == 0 && i < pw_flog_messages(e); i++) {
		assert_int_equal(m[i].queued[b], 0);
		assert_false(m[i].done[b]);
		m[i].done[b] = true;
	}
	m->queued[b]++;
	if (m->qos == 2) {
		struct known *k = &known[b][(c->next & flog->mask) + 1];

		/* The same message again, or an identifier that the broker does not know. */
		assert_true(k->message == 0 || k->message == c->next + 1);
		m->delivered[b] += k->message == 0;
		k->message = (uint32_t)c->next + 1;
	}
	pw_cursor_queued(c);
}

/* Any identifier, more often one of the oldest messages that are not done. */
static uint16_t
some_id(uint32_t b, uint64_t *rng)
{
	if (pw_random(rng) % 8 == 0)
		return (uint16_t)(1 + pw_random(rng) % (CAPACITY + 2));
	return (uint16_t)(1 + ((cursor[b].low + pw_random(rng) % 6) & flog->mask));
}

static void
ack_one(uint32_t b, uint64_t *rng)
{
	struct pw_cursor *c = &cursor[b];
	uint16_t id = some_id(b, rng);
	uint32_t before = c->inflight;
	uint8_t qos = 1;
	enum pw_flog_end end;
	uint64_t pos;

	/* Some PUBRECs refuse. */
	if (known[b][id].message != 0 && !known[b][id].comp && pw_random(rng) % 16 == 0)
		qos = 2;
	if (pw_cursor_acked(c, id, qos, &pos, &end) < 0) {
		assert_int_equal(c->inflight, before);
		return;
	}
	assert_int_equal((pos & flog->mask) + 1, id);
	assert_int_equal(model[pos].qos, qos);
	assert_true(model[pos].queued[b] > 0);
	assert_false(model[pos].done[b]);
	assert_int_equal(end, model[pos].had[b] ? PW_FLOG_RELEASED : PW_FLOG_ACKED);
	complete(pos, b, end, qos == 2 ? 0x97 : 0);
	if (qos == 2)
		known[b][id].message = 0;
	assert_int_equal(pw_cursor_acked(c, id, qos, &pos, &end), -ENOENT);
}

/* PUBREC for what the broker knows, perhaps again; or for what it does not. */
static void
receive_one(uint32_t b, uint64_t *rng)
{
	struct pw_cursor *c = &cursor[b];
	uint16_t id = some_id(b, rng);
	const struct known *k = &known[b][id];
	uint64_t pos;
	int rc;

	if (k->comp || c->release_tail - c->release_head == CAPACITY ||
	    (k->message == 0 && pw_random(rng) % 8 != 0))
		return;
	rc = pw_cursor_received(c, id, &pos);
	if (k->message == 0) {
		/* Or it is, and the broker has forgotten it since: PUBREL goes again. */
		assert_true(rc == -ENOENT || rc == 0);
		return;
	}
	assert_int_equal(pos, k->message - 1);
	assert_int_equal(rc, !model[pos].had[b]);
	if (rc == 1)
		complete(pos, b, PW_FLOG_RECEIVED, 0);
}

static void
comp_one(uint32_t b, uint64_t *rng)
{
	uint16_t id = some_id(b, rng);
	uint64_t pos;

	if (!known[b][id].comp) {
		return;
	}
	known[b][id].comp = false;
	assert_int_equal(pw_cursor_completed(&cursor[b], id, &pos), 0);
	complete(pos, b, PW_FLOG_RELEASED, 0);
	assert_int_equal(pw_cursor_completed(&cursor[b], id, &pos), -ENOENT);
}

/* The connection ends; the broker keeps the session, or not. */
static void
reconnect(uint32_t b, uint64_t *rng)
{
	bool keeps = pw_random(rng) % 3 != 0;

	pw_cursor_suspend(&cursor[b]);
	assert_int_equal(cursor[b].inflight, 0);
	pw_cursor_resume(&cursor[b], keeps);
	for (uint32_t i = 0; i < RTE_DIM(known[b]); i++) {
		known[b][i].comp = false;
		if (!keeps)
			known[b][i].message = 0;
	}
	sessions_lost[b] += !keeps;
}

static void
append_one(uint32_t *appended, uint64_t *rng)
{
	uint32_t pieces = 1 + pw_random(rng) % 12;
	uint8_t qos = pw_random(rng) % 3, keep = qos == 0 && pw_random(rng) % 4 == 0;
	uint32_t n = qos == 0 && pw_random(rng) % 2 == 0 ? 1 + pw_random(rng) % 6 : 1;
	struct pw_flog_entry e;

	n = RTE_MIN(n, MESSAGES - *appended);
	if (n == 0 || flog->tail + n - flog->head > CAPACITY)
		return;
	e = message(*appended, pieces, qos | (keep ? PW_FLOG_KEEP : 0));
	if (qos == 0)
		e.further = (uint8_t)(n - 1);
	assert_int_equal(pw_flog_messages(&e), n);
	assert_int_equal(pw_flog_publish(flog, &e), *appended);
	for (uint32_t i = 0; i < n; i++)
		model[(*appended)++] = (struct model){.qos = qos, .keep = keep};
	assert_int_equal(flog->tail, *appended);
}

static void
shed_some(uint32_t b, uint64_t *rng)
{
	struct pw_cursor *c = &cursor[b];
	uint64_t from = RTE_MAX(c->given, c->next);
	uint32_t n = pw_cursor_shed(c, pw_random(rng) % CAPACITY), seen = 0;

	for (uint64_t pos = from; pos < c->given; pos++) {
		struct model *m = &model[pos];

		if (m->done[b] || m->qos > 0)
			continue;
		assert_false(m->keep);
		m->done[b] = true;
		seen++;
	}
	assert_int_equal(n, seen);
}

static void
history(uint64_t seed)
{
	uint64_t rng = seed;
	uint32_t nb = 1 + pw_random(&rng) % BROKERS, appended = 0, qos0 = 0;

	memset(bits, 0, sizeof(bits));
	memset(known, 0, sizeof(known));
	memset(sessions_lost, 0, sizeof(sessions_lost));
	nb_completed = 0;
	flog = rte_zmalloc(NULL, sizeof(*flog), RTE_CACHE_LINE_SIZE);
	assert_int_equal(pw_flog_init(flog, "test", CAPACITY, (1u << nb) - 1, false, SOCKET_ID_ANY),
			 0);
	flog->blocks = fix.blocks;
	for (uint32_t b = 0; b < nb; b++)
		pw_cursor_init(&cursor[b], flog, b, bits[b]);
	for (uint32_t i = 0;
	     i < 400 * MESSAGES && (appended < MESSAGES || flog->head != flog->tail); i++) {
		uint32_t b = pw_random(&rng) % nb, what = pw_random(&rng) % 100;

		pw_cursor_scan(&cursor[b]);
		if (what < 30)
			append_one(&appended, &rng);
		else if (what < 60)
			queue_one(b);
		else if (what < 74)
			ack_one(b, &rng);
		else if (what < 82)
			receive_one(b, &rng);
		else if (what < 84)
			release_some(b);
		else if (what < 90 && i % 16 != 0)
			comp_one(b, &rng);
		else if (what < 90)
			reconnect(b, &rng);
		else if (what < 92)
			shed_some(b, &rng);
		pw_cursor_publish(&cursor[b]);
		if (what >= 92)
			pw_flog_sweep(flog, qos0_complete, NULL);
		assert_true(flog->tail - flog->head <= CAPACITY);
		for (uint32_t k = 0; k < nb; k++)
			assert_true(cursor[k].low >= flog->head);
	}
	assert_int_equal(appended, MESSAGES);
	assert_int_equal(flog->head, flog->tail);
	assert_int_equal(flog->outstanding, 0);
	for (uint32_t i = 0; i < MESSAGES; i++) {
		for (uint32_t b = 0; b < nb; b++) {
			assert_true(model[i].done[b]);
			if (model[i].qos == 2)
				assert_in_range(model[i].delivered[b], 1, 1 + sessions_lost[b]);
		}
		qos0 += model[i].qos == 0;
	}
	assert_int_equal(nb_completed, qos0);
	assert_int_equal(pw_flog_fini(flog), 0);
	rte_free(flog);
}

static void
all_back(void)
{
	struct pw_pool_stats st;

	pw_pool_stats(fix.blocks, &st);
	assert_int_equal(st.in_use, 0);
	assert_true(pw_mem_full(&fix.mem));
}

static void
seeded_histories_deliver_once_in_order_and_give_every_buffer_back(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 60; seed++) {
		history(seed);
	}
	all_back();
}

static void
start_log(uint32_t capacity, uint32_t nb)
{
	memset(bits, 0, sizeof(bits));
	nb_completed = 0;
	flog = rte_zmalloc(NULL, sizeof(*flog), RTE_CACHE_LINE_SIZE);
	assert_int_equal(pw_flog_init(flog, "test", capacity, (1u << nb) - 1, false, SOCKET_ID_ANY),
			 0);
	flog->blocks = fix.blocks;
	for (uint32_t b = 0; b < nb; b++)
		pw_cursor_init(&cursor[b], flog, b, bits[b]);
}

static void
put(uint8_t flags)
{
	struct pw_flog_entry e = message((uint32_t)flog->tail, 1, flags);

	pw_flog_publish(flog, &e);
}

static void
buffers_leave_before_an_older_entry_of_another_broker_does(void **state)
{
	(void)state;
	start_log(16, 2);
	put(1); /* held by broker 0 */
	put(0);
	put(1);
	for (uint32_t b = 0; b < 2; b++) {
		pw_cursor_scan(&cursor[b]);
		while (pw_cursor_peek(&cursor[b]) != NULL)
			pw_cursor_queued(&cursor[b]);
		pw_cursor_publish(&cursor[b]);
	}
	assert_int_equal(pw_flog_sweep(flog, qos0_complete, NULL), 1);
	assert_false(pw_flog_complete(flog, 0, 1, PW_FLOG_ACKED, 0));
	assert_false(pw_flog_complete(flog, 2, 0, PW_FLOG_ACKED, 0));
	assert_true(pw_flog_complete(flog, 2, 1, PW_FLOG_ACKED, 0));
	pw_flog_told(flog, 2);
	assert_null(pw_flog_at(flog, 1)->first.mbuf);
	assert_null(pw_flog_at(flog, 2)->first.mbuf);
	assert_non_null(pw_flog_at(flog, 0)->first.mbuf);
	assert_int_equal(flog->head, 0);
	assert_int_equal(flog->outstanding, 1);
	assert_int_equal(pw_flog_abandon(flog), 1);
	assert_int_equal(pw_flog_fini(flog), 0);
	rte_free(flog);
	all_back();
}

static void
ignore(void *ctx, const struct pw_flog *l, const struct pw_flog_entry *e)
{
	(void)ctx;
	(void)l;
	(void)e;
}

static void
a_slot_is_not_reused_while_a_reader_has_yet_to_pass_it(void **state)
{
	(void)state;
	start_log(4, 2);
	for (uint64_t i = 0; i < 4; i++) {
		put(1);
		for (uint32_t b = 0; b < 2; b++)
			(void)pw_flog_complete(flog, i, b, PW_FLOG_ACKED, 0);
		pw_flog_told(flog, i);
	}
	assert_true(pw_flog_full(flog));
	for (uint32_t b = 0; b < 2; b++) {
		assert_int_equal(flog->head, 0); /* a reader has yet to pass them */
		pw_cursor_scan(&cursor[b]);
		while (pw_cursor_peek(&cursor[b]) != NULL)
			(void)pw_cursor_skip(&cursor[b]);
		pw_cursor_publish(&cursor[b]);
		pw_flog_trim(flog);
	}
	assert_int_equal(flog->head, 4);
	assert_int_equal(pw_flog_fini(flog), 0);
	rte_free(flog);
	all_back();
}

/* Its reader had passed it by the time that the owner hears that it was given up: its slot has
 * another message, which that is not about. */
static void
what_was_given_up_is_not_taken_for_the_next_message_of_its_slot(void **state)
{
	(void)state;
	start_log(4, 1);
	for (uint32_t i = 0; i < 5; i++) {
		if (i == 4) {
			pw_cursor_scan(&cursor[0]);
			for (uint32_t k = 0; k < 4 && pw_cursor_peek(&cursor[0]) != NULL; k++)
				(void)pw_cursor_skip(&cursor[0]);
			pw_cursor_publish(&cursor[0]);
			assert_int_equal(pw_flog_sweep(flog, ignore, NULL), 4);
		}
		put(0);
	}
	assert_false(pw_flog_forgo(flog, 0, 0));
	assert_int_equal(flog->qos0, 1);
	assert_true(pw_flog_forgo(flog, 4, 0));
	assert_int_equal(flog->qos0, 0);
	assert_false(pw_flog_forgo(flog, 4, 0));
	(void)pw_flog_abandon(flog);
	assert_int_equal(pw_flog_fini(flog), 0);
	rte_free(flog);
	all_back();
}

static void
the_worst_reason_wins_and_no_subscriber_needs_all_brokers(void **state)
{
	static const uint8_t in[][3] = {
		{0x00, 0x10, 0x00}, {0x10, 0x10, 0x10}, {0x87, 0x00, 0x87}, {0x10, 0x97, 0x97}};

	(void)state;
	start_log(16, 2);
	for (uint32_t i = 0; i < RTE_DIM(in); i++) {
		put(1);
		assert_false(pw_flog_complete(flog, i, 0, PW_FLOG_ACKED, in[i][0]));
		assert_true(pw_flog_complete(flog, i, 1, PW_FLOG_ACKED, in[i][1]));
		assert_int_equal(pw_flog_reason(pw_flog_at(flog, i)), in[i][2]);
		pw_flog_told(flog, i);
	}
	assert_int_equal(pw_flog_fini(flog), 0);
	rte_free(flog);
	all_back();
}

/* Two lcores: the consumer checks every byte that it is shown, and answers through the ring. */
#define ACROSS 20000

static void *
consumer(void *arg)
{
	struct pw_cursor *c = arg;
	uint32_t got = 0;
	intptr_t bad = 0;

	while (got < ACROSS) {
		const struct pw_flog_entry *e;

		if (pw_cursor_scan(c) == 0)
			sched_yield();
		while ((e = pw_cursor_peek(c)) != NULL) {
			uint64_t at = c->next, pos;
			enum pw_flog_end end;
			uint32_t index;

			memcpy(&index, pw_slice_data(&e->first), 4);
			bad += index != (uint32_t)at;
			if ((e->flags & PW_FLOG_QOS) == 0) {
				pw_cursor_queued(c);
			} else {
				struct pw_flog_done d = {.pos = (uint32_t)at, .broker = 0};

				pw_cursor_queued(c);
				bad += pw_cursor_acked(c, (uint16_t)((at & c->log->mask) + 1), 1,
						       &pos, &end) != 0;
				bad += pw_ring_put(&c->log->done, &d, 1) != 1;
			}
			got++;
		}
		pw_cursor_publish(c);
	}
	return (void *)bad;
}

static void
a_reader_on_another_thread_sees_whole_messages_in_order(void **state)
{
	struct pw_flog_done d[64];
	uint32_t sent = 0, acks = 0, qos1 = 0;
	pthread_t thread;
	void *bad;

	(void)state;
	memset(bits, 0, sizeof(bits));
	nb_completed = 0;
	flog = rte_zmalloc(NULL, sizeof(*flog), RTE_CACHE_LINE_SIZE);
	assert_int_equal(pw_flog_init(flog, "across", 64, 1, true, SOCKET_ID_ANY), 0);
	flog->blocks = fix.blocks;
	pw_cursor_init(&cursor[0], flog, 0, bits[0]);
	assert_int_equal(pthread_create(&thread, NULL, consumer, &cursor[0]), 0);
	while (sent < ACROSS || flog->head != flog->tail) {
		uint32_t n;

		if (sent < ACROSS && !pw_flog_full(flog)) {
			qos1 += sent & 1;
			put(sent & 1);
			sent++;
		} else {
			sched_yield();
		}
		n = pw_ring_get(&flog->done, d, 64);
		for (uint32_t i = 0; i < n; i++) {
			uint64_t pos = pw_flog_widen(flog, d[i].pos);

			assert_true(pw_flog_complete(flog, pos, 0, PW_FLOG_ACKED, 0));
			pw_flog_told(flog, pos);
			acks++;
		}
		pw_flog_sweep(flog, qos0_complete, NULL);
	}
	assert_int_equal(pthread_join(thread, &bad), 0);
	assert_int_equal((intptr_t)bad, 0);
	assert_int_equal(acks, qos1);
	assert_int_equal(nb_completed, ACROSS - qos1);
	assert_int_equal(pw_flog_fini(flog), 0);
	rte_free(flog);
	all_back();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(seeded_histories_deliver_once_in_order_and_give_every_buffer_back),
		cmocka_unit_test(buffers_leave_before_an_older_entry_of_another_broker_does),
		cmocka_unit_test(a_slot_is_not_reused_while_a_reader_has_yet_to_pass_it),
		cmocka_unit_test(what_was_given_up_is_not_taken_for_the_next_message_of_its_slot),
		cmocka_unit_test(the_worst_reason_wins_and_no_subscriber_needs_all_brokers),
		cmocka_unit_test(a_reader_on_another_thread_sees_whole_messages_in_order),
	};
	struct pw_mem_conf conf = {
		.name = "log", .pkt = 1024, .hdr = 16, .ind = 16, .socket = SOCKET_ID_ANY};
	int rc;

	test_eal_init();
	rc = pw_mem_create(&fix.mem, &conf);
	fix.blocks = pw_pool_create("test.blocks", 512, sizeof(struct pw_run), SOCKET_ID_ANY);
	if (rc < 0 || fix.blocks == NULL)
		return 1;
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	pw_pool_destroy(fix.blocks);
	pw_mem_destroy(&fix.mem);
	return rc;
}
