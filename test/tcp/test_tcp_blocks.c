/* SPDX-License-Identifier: BSD-3-Clause */
/* Send queues and flights share a pool of blocks: what happens to others when one takes many. */
#include <string.h>

#include <rte_common.h>

#include "script.h"

#define MSS   1460
#define CONNS 5

/** A connection of the script that is not its present one. */
struct other {
	struct pw_tcp_conn *conn;
	uint32_t iss;
	uint16_t rport;
};

static struct other
leave(struct script *s)
{
	return (struct other){.conn = s->conn, .iss = s->iss, .rport = s->rport};
}

static void
turn_to(struct script *s, const struct other *o)
{
	s->conn = o->conn;
	s->iss = o->iss;
	s->rport = o->rport;
}

static void
another(struct script *s)
{
	s->rport++;
	s->iss_known = false;
	script_accept(s);
}

/** Write n bytes from an offset of the stream in a segment of their own; false where refused. */
static bool
piece(struct script *s, uint32_t off, uint32_t n)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(script_mem()->pkt);
	struct pw_slice slice;
	int rc;

	assert_non_null(m);
	memcpy(rte_pktmbuf_append(m, (uint16_t)n), script_bytes(off), n);
	slice = pw_slice_of(m);
	rc = pw_tcp_send(s->t, s->conn, &slice, 1);
	if (rc < 0) {
		assert_int_equal(rc, -ENOBUFS);
		rte_pktmbuf_free(m);
		return false;
	}
	script_act(s);
	return true;
}

/** Fill the window with small segments that nobody acknowledges; bytes queued. */
static uint32_t
hoard(struct script *s)
{
	uint32_t off = 0;

	while (off < 10 * MSS && piece(s, off, 200))
		off += 200;
	script_skip(s);
	return off;
}

static void
acknowledge(struct script *s, uint32_t ack)
{
	PEER(s, .flags = A, .seq = 1, .ack = ack, .win = 65535);
	script_skip(s);
}

static void
slow_readers_leave_blocks_to_who_has_none(void **state)
{
	struct script *s = script_open(&(struct pw_tcp_conf){.max_tx_slices = 256});
	struct other hog[CONNS];
	uint32_t n[CONNS];

	(void)state;
	script_accept(s);
	for (uint32_t i = 0; i < CONNS; i++) {
		if (i > 0)
			another(s);
		n[i] = hoard(s);
		hog[i] = leave(s);
	}
	assert_true(n[CONNS - 1] < 10 * MSS); /* it ran out */
	another(s);
	assert_true(piece(s, 0, MSS));
	EXPECT(s, .flags = A, .seq = 1, .ack = 1, .len = MSS, .data = script_bytes(0));
	acknowledge(s, 1 + MSS);
	for (uint32_t i = 0; i < CONNS; i++) {
		turn_to(s, &hog[i]);
		acknowledge(s, 1 + n[i]);
		assert_int_equal(pw_tcp_unacked(s->conn), 0);
	}
}

/* One that is sent many small messages, and reads none, leaves places to who has none. */
static void
queue_of_crumbs_leaves_slices_to_others(void **state)
{
	struct script *s = script_open(&(struct pw_tcp_conf){.max_tx_slices = 256});
	struct other crumbs;
	uint32_t n = 0;

	(void)state;
	script_accept(s);
	script_send(s, 0, 10 * MSS); /* the window is full */
	script_skip(s);
	while (n < 1000 && piece(s, 10 * MSS + n, 1))
		n++;
	assert_in_range(n, 256, 999);
	crumbs = leave(s);
	another(s);
	assert_true(piece(s, 0, MSS));
	EXPECT(s, .flags = A, .seq = 1, .ack = 1, .len = MSS, .data = script_bytes(0));
	acknowledge(s, 1 + MSS);
	turn_to(s, &crumbs);
	acknowledge(s, 1 + 10 * MSS);
	acknowledge(s, 1 + 10 * MSS + n);
	assert_int_equal(pw_tcp_unacked(s->conn), 0);
}

static void
single_bytes_do_not_take_the_blocks_of_a_fin(void **state)
{
	struct script *s = script_open(&(struct pw_tcp_conf){.max_tx_slices = 64});
	struct other idle;
	uint32_t n = 0;

	(void)state;
	script_accept(s);
	idle = leave(s);
	another(s);
	while (n < 1000 && piece(s, n, 1))
		n++;
	script_skip(s);
	assert_true(n < 1000);
	turn_to(s, &idle);
	idle.rport++;
	pw_tcp_close(s->t, s->conn, s->now);
	script_act(s);
	EXPECT(s, .flags = F | A, .seq = 1, .ack = 1);
	acknowledge(s, 2);
}

/* A router asks for smaller segments on all of them: what has to be cut leaves the last blocks. */
static void
cuts_of_what_goes_again_leave_the_blocks_of_a_fin(void **state)
{
	struct script *s = script_open(&(struct pw_tcp_conf){.max_tx_slices = 64});
	struct other idle, hog[6];

	(void)state;
	script_accept(s);
	idle = leave(s);
	for (uint32_t i = 0; i < RTE_DIM(hog); i++) {
		another(s);
		for (uint32_t k = 0; k < 10 && piece(s, k * MSS, MSS); k++)
			;
		hog[i] = leave(s);
		script_skip(s);
	}
	for (uint32_t i = 0; i < RTE_DIM(hog); i++) {
		struct pw_flow flow;

		turn_to(s, &hog[i]);
		flow = script_flow(s);
		pw_tcp_icmp_error(s->t, &flow, s->iss + 1, 576, 4, s->now);
		script_act(s);
		script_skip(s);
	}
	turn_to(s, &idle);
	pw_tcp_close(s->t, s->conn, s->now);
	script_act(s);
	EXPECT(s, .flags = F | A, .seq = 1, .ack = 1);
	acknowledge(s, 2);
	/* Without blocks they go on with what one segment takes at a time. */
	for (uint32_t i = 0; i < RTE_DIM(hog); i++) {
		uint32_t una = 1, end;

		turn_to(s, &hog[i]);
		end = 1 + pw_tcp_unacked(s->conn);
		for (uint32_t k = 0; k < 100 && una < end; k++) {
			una += RTE_MIN(end - una, 536u);
			PEER(s, .flags = A, .seq = 1, .ack = una, .win = 65535);
			while (s->taken != s->nb_out) {
				const struct tcp_seg *o = &s->out[s->taken++ % SCRIPT_OUT].seg;

				if (o->dport != s->rport)
					continue; /* another has found a block */
				assert_in_range(o->len, 0, 536);
				assert_memory_equal(o->data, script_bytes(o->seq - s->iss - 1),
						    o->len);
			}
		}
		assert_int_equal(pw_tcp_unacked(s->conn), 0);
	}
}

/* A timeout that finds no buffer is not one lost segment more: it goes when there are some. */
static void
timeout_without_buffers_sends_when_there_are_some(void **state)
{
	static struct rte_mbuf *hog[4096];
	struct script *s = script_open(NULL);
	uint32_t n = 0;

	(void)state;
	script_accept(s);
	assert_true(piece(s, 0, MSS));
	script_skip(s);
	while ((hog[n] = rte_pktmbuf_alloc(script_mem()->hdr)) != NULL)
		n++;
	script_pass(s, 1010 * MS);
	NOTHING(s);
	assert_int_equal(pw_tcp_counters(s->t)->rto_fired, 1);
	while (n != 0)
		rte_pktmbuf_free(hog[--n]);
	script_pass(s, 2 * MS);
	EXPECT(s, .flags = A, .seq = 1, .ack = 1, .len = MSS, .data = script_bytes(0));
	acknowledge(s, 1 + MSS);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		SCRIPT(slow_readers_leave_blocks_to_who_has_none),
		SCRIPT(queue_of_crumbs_leaves_slices_to_others),
		SCRIPT(single_bytes_do_not_take_the_blocks_of_a_fin),
		SCRIPT(cuts_of_what_goes_again_leave_the_blocks_of_a_fin),
		SCRIPT(timeout_without_buffers_sends_when_there_are_some),
	};

	return cmocka_run_group_tests(tests, script_group_setup, script_group_teardown);
}
