/* SPDX-License-Identifier: BSD-3-Clause */
/* Where room runs out: tables that are full, pressure, no buffer for a segment. */
#include <errno.h>

#include "script.h"

#define MSS 1460

static void
table_full_refuses_a_connection_and_keeps_the_others(void **state)
{
	struct script *s = script_open(&(struct pw_tcp_conf){.max_conns = 3});
	struct pw_flow flow;
	struct pw_tcp_conn *c = NULL;

	(void)state;
	for (uint32_t i = 0; i < 3; i++) {
		s->rport = PEER_PORT + i;
		s->iss_known = false;
		script_accept(s);
	}
	s->rport = PEER_PORT + 9;
	PEER(s, .flags = S, .win = 65535);
	assert_int_equal(s->nb_out - s->taken, 0);
	assert_int_equal(pw_tcp_counters(s->t)->drop_syn_full, 1);
	flow = script_flow(s);
	assert_int_equal(pw_tcp_connect(s->t, &flow, &script_ops, s, 0, &c, s->now), -ENOMEM);
	assert_int_equal(pw_tcp_conns(s->t), 3);
	s->rport = PEER_PORT + 2;
	PEER(s, .flags = A, .seq = 1, .ack = 1, .win = 65535, .len = 4);
	assert_int_equal(pw_tcp_rx_len(s->conn), 4);
	PEER(s, .flags = R, .seq = 5);
	s->rport = PEER_PORT + 9;
	s->iss_known = false;
	script_skip(s);
	script_accept(s);
}

static void
passive_opens_leave_room_for_active_ones(void **state)
{
	struct script *s = script_open(&(struct pw_tcp_conf){.max_conns = 8, .reserve_active = 2});
	struct pw_flow flow;
	struct pw_tcp_conn *c = NULL;

	(void)state;
	for (uint32_t i = 0; i < 6; i++) {
		s->rport = PEER_PORT + i;
		s->iss_known = false;
		script_accept(s);
	}
	s->rport = PEER_PORT + 10;
	PEER(s, .flags = S, .win = 65535);
	NOTHING(s);
	assert_int_equal(pw_tcp_counters(s->t)->drop_syn_full, 1);
	flow = script_flow(s);
	flow.lport = 0;
	for (uint32_t i = 0; i < 2; i++)
		assert_int_equal(pw_tcp_connect(s->t, &flow, &script_ops, s, 0, &c, s->now), 0);
	assert_int_equal(pw_tcp_connect(s->t, &flow, &script_ops, s, 0, &c, s->now), -ENOMEM);
	/* Those that were opened stand in what was kept, and take nothing from the others. */
	pw_tcp_abort(s->t, s->conn, s->now);
	script_act(s);
	assert_int_equal(pw_tcp_conns(s->t), 7);
	script_skip(s);
	s->iss_known = false;
	script_accept(s);
	assert_int_equal(pw_tcp_conns(s->t), 8);
}

static void
pressure_refuses_requests_and_keeps_connections(void **state)
{
	struct script *s = script_open(NULL);

	(void)state;
	script_accept(s);
	pw_tcp_set_pressure(s->t, 2);
	s->rport = PEER_PORT + 1;
	PEER(s, .flags = S, .win = 65535);
	assert_int_equal(s->nb_out - s->taken, 0);
	assert_int_equal(pw_tcp_counters(s->t)->drop_syn_pressure, 1);
	s->rport = PEER_PORT;
	PEER(s, .flags = A, .seq = 1, .ack = 1, .win = 65535, .len = 10);
	assert_int_equal(pw_tcp_rx_len(s->conn), 10);
	script_send(s, 0, 100);
	EXPECT(s, .flags = A, .seq = 1, .ack = 11, .len = 100);
	pw_tcp_set_pressure(s->t, 0);
	script_act(s);
	script_skip(s);
	s->rport = PEER_PORT + 1;
	s->iss_known = false;
	script_accept(s);
}

static void
pressure_keeps_the_window_of_unread_bytes(void **state)
{
	struct script *s = script_open(&(struct pw_tcp_conf){.rx_window = 20000});
	uint32_t edge = 0;

	(void)state;
	script_accept(s);
	pw_tcp_set_pressure(s->t, 1);
	for (uint32_t i = 0; i < 4; i++) {
		PEER(s, .flags = A, .seq = 1 + i * 1000, .ack = 1, .win = 65535, .len = 1000);
		script_pass(s, 50 * MS);
		while (s->taken != s->nb_out) {
			const struct tcp_seg *o = &s->out[s->taken++ % SCRIPT_OUT].seg;
			uint32_t e = o->ack + o->win - PEER_ISS;

			assert_in_range(e, edge, 20001);
			edge = e;
		}
	}
	assert_int_equal(edge, 20001);
}

/* What was offered is taken; nothing is offered anew, be it consumed or not, until it is over. */
static void
pressure_keeps_windows_where_they_are_and_its_end_opens_them(void **state)
{
	struct script *s = script_open(&(struct pw_tcp_conf){.rx_window = 20000});
	uint32_t iss[10], opened = 0;
	struct pw_tcp_conn *c[10];

	(void)state;
	for (uint32_t i = 0; i < RTE_DIM(c); i++) {
		s->rport = PEER_PORT + i;
		s->iss_known = false;
		script_accept(s);
		iss[i] = s->iss;
		c[i] = s->conn;
	}
	pw_tcp_set_pressure(s->t, 1);
	for (uint32_t i = 0; i < RTE_DIM(c); i++) {
		s->rport = PEER_PORT + i;
		s->iss = iss[i];
		for (uint32_t k = 0; k < 12; k++)
			PEER(s, .flags = A, .seq = 1 + 1000 * k, .ack = 1, .win = 65535,
			     .len = 1000);
		/* Beyond a gap nothing is held. */
		PEER(s, .flags = A, .seq = 14001, .ack = 1, .win = 65535, .len = 1000);
		script_skip(s);
		pw_tcp_consume(s->t, c[i], 12000);
		script_act(s);
		NOTHING(s);
		PEER(s, .flags = A, .seq = 12001, .ack = 1, .win = 65535, .len = 10);
		script_pass(s, 50 * MS);
		EXPECT(s, .flags = A, .seq = 1, .ack = 12011, .win = 20001 - 12011);
		NOTHING(s);
	}
	assert_int_equal(pw_tcp_counters(s->t)->drop_pressure, RTE_DIM(c));
	pw_tcp_set_pressure(s->t, 0);
	script_pass(s, 50 * MS);
	while (s->taken != s->nb_out) {
		const struct tcp_seg *o = &s->out[s->taken++ % SCRIPT_OUT].seg;

		assert_int_equal(o->ack - PEER_ISS, 12011);
		assert_in_range(o->win, 19000, 19990); /* the ten unread take a buffer */
		opened++;
	}
	assert_int_equal(opened, RTE_DIM(c));
}

/* A flush looks at some of the table; the next ones follow soon and see the rest. */
static void
windows_open_again_all_over_a_large_table(void **state)
{
	struct script *s = script_open(&(struct pw_tcp_conf){
		.max_conns = 4096, .rx_window = 20000, .max_tx_slices = 4096});
	struct pw_tcp_conn *c[20];
	uint64_t at;

	(void)state;
	for (uint32_t i = 0; i < RTE_DIM(c); i++) {
		s->rport = PEER_PORT + i;
		s->iss_known = false;
		script_accept(s);
		c[i] = s->conn;
		for (uint32_t k = 0; k < 12; k++)
			PEER(s, .flags = A, .seq = 1 + 1000 * k, .ack = 1, .win = 65535,
			     .len = 1000);
		script_skip(s);
	}
	pw_tcp_set_pressure(s->t, 1);
	for (uint32_t i = 0; i < RTE_DIM(c); i++)
		pw_tcp_consume(s->t, c[i], 12000);
	script_pass(s, 50 * MS);
	script_skip(s);
	pw_tcp_set_pressure(s->t, 0);
	at = s->now;
	script_act(s);
	assert_true(s->nb_out - s->taken < RTE_DIM(c));
	while (s->nb_out - s->taken < RTE_DIM(c) && pw_tcp_next(s->t) - s->now <= MS)
		script_pass(s, MS);
	assert_int_equal(script_skip(s), RTE_DIM(c));
	WITHIN_MS(s->now - at, 1, 30);
	assert_true(pw_tcp_next(s->t) == UINT64_MAX);
}

/* Nobody looks for the window of one that has ended meanwhile. */
static void
window_that_waits_is_forgotten_with_its_connection(void **state)
{
	struct script *s = script_open(&(struct pw_tcp_conf){.rx_window = 20000});

	(void)state;
	script_accept(s);
	for (uint32_t k = 0; k < 12; k++)
		PEER(s, .flags = A, .seq = 1 + 1000 * k, .ack = 1, .win = 65535, .len = 1000);
	pw_tcp_set_pressure(s->t, 1);
	pw_tcp_consume(s->t, s->conn, 12000);
	PEER(s, .flags = R, .seq = 12001);
	assert_int_equal(s->gone, 1);
	script_skip(s);
	pw_tcp_set_pressure(s->t, 0);
	script_pass(s, 65000 * MS); /* the record of its cookie has gone too */
	assert_true(pw_tcp_next(s->t) == UINT64_MAX);
}

static void
sending_resumes_after_the_header_pool_was_empty(void **state)
{
	struct script *s = script_open(NULL);
	static struct rte_mbuf *hog[4096];
	uint32_t n = 0;

	(void)state;
	script_accept(s);
	while ((hog[n] = rte_pktmbuf_alloc(script_mem()->hdr)) != NULL)
		n++;
	assert_int_equal(pw_tcp_send_copy(s->t, s->conn, script_bytes(0), 100), 0);
	script_act(s);
	NOTHING(s);
	assert_true(pw_tcp_counters(s->t)->drop_tx_no_buffer >= 1);
	while (n != 0)
		rte_pktmbuf_free(hog[--n]);
	assert_true(script_until_sent(s, 5000 * MS)); /* nothing is lost but time */
	EXPECT(s, .flags = A, .seq = 1, .ack = 1, .len = 100, .data = script_bytes(0));
}

static uint32_t
take_headers(struct rte_mbuf **hog)
{
	uint32_t n = 0;

	while ((hog[n] = rte_pktmbuf_alloc(script_mem()->hdr)) != NULL)
		n++;
	return n;
}

static void
give_headers(struct rte_mbuf **hog, uint32_t n)
{
	while (n != 0)
		rte_pktmbuf_free(hog[--n]);
}

/* Otherwise one empty moment costs a backed-off interval, of a minute in the end. */
static void
window_probe_that_found_no_buffer_comes_when_there_is_one(void **state)
{
	struct script *s = script_open(NULL);
	static struct rte_mbuf *hog[4096];
	uint64_t t, step[2];
	uint32_t n;

	(void)state;
	script_accept(s);
	PEER(s, .flags = A, .seq = 1, .ack = 1, .win = 0);
	script_send(s, 0, 100);
	for (uint32_t i = 0; i < 4; i++) {
		t = s->now;
		assert_true(script_until_sent(s, 60000 * MS));
		EXPECT(s, .flags = A, .seq = 1, .ack = 1, .len = 1);
		PEER(s, .flags = A, .seq = 1, .ack = 1, .win = 0);
		step[i % 2] = s->now - t;
	}
	n = take_headers(hog);
	script_pass(s, 2 * step[1] + 500 * MS);
	NOTHING(s);
	give_headers(hog, n);
	t = s->now;
	assert_true(script_until_sent(s, 60000 * MS));
	WITHIN_MS(s->now - t, 0, 2);
	EXPECT(s, .flags = A, .seq = 1, .ack = 1, .len = 1);
	/* And what was not sent has not doubled the time. */
	t = s->now;
	assert_true(script_until_sent(s, 60000 * MS));
	WITHIN_MS(s->now - t, 4 * step[1] / MS - 20, 4 * step[1] / MS + 20);
	script_skip(s);
	PEER(s, .flags = A, .seq = 1, .ack = 2, .win = 65535);
	script_skip(s);
	PEER(s, .flags = A, .seq = 1, .ack = 101, .win = 65535);
}

/* However long there is no buffer: the peer was not asked, so its silence says nothing. */
static void
keepalive_probe_that_found_no_buffer_does_not_count(void **state)
{
	struct script *s = script_open(&(struct pw_tcp_conf){.keepalive_ms = 4000});
	static struct rte_mbuf *hog[4096];
	uint64_t t;
	uint32_t n;

	(void)state;
	script_accept(s);
	n = take_headers(hog);
	script_pass(s, 60000 * MS);
	NOTHING(s);
	assert_int_equal(s->gone, 0);
	assert_int_equal(pw_tcp_counters(s->t)->keepalive_probes, 0);
	give_headers(hog, n);
	t = s->now;
	for (uint32_t i = 0; i < 8; i++) {
		assert_true(script_until_sent(s, 2000 * MS));
		EXPECT(s, .flags = A, .seq = 0, .ack = 1);
		WITHIN_MS(s->now - t, i * 1000, i * 1000 + 10);
		assert_int_equal(pw_tcp_counters(s->t)->keepalive_probes, i + 1);
	}
	assert_int_equal(s->gone, 0);
	script_pass(s, 1100 * MS);
	assert_int_equal(s->gone, 1);
	script_skip(s);
}

static void
keepalive_probe_that_waits_is_dropped_when_the_peer_speaks(void **state)
{
	struct script *s = script_open(&(struct pw_tcp_conf){.keepalive_ms = 4000});
	static struct rte_mbuf *hog[4096];
	uint64_t t;
	uint32_t n;

	(void)state;
	script_accept(s);
	n = take_headers(hog);
	script_pass(s, 4100 * MS);
	PEER(s, .flags = A, .seq = 1, .ack = 1, .win = 65535);
	t = s->now;
	give_headers(hog, n);
	assert_true(script_until_sent(s, 60000 * MS));
	WITHIN_MS(s->now - t, 4000, 4010);
	EXPECT(s, .flags = A, .seq = 0, .ack = 1);
}

/* Nothing has left the host: no counter says that it did, and the timers bring it again. */
static void
segment_that_the_layers_below_refuse_is_not_counted_as_sent(void **state)
{
	struct script *s = script_open(NULL);
	struct pw_tcp_counters before;

	(void)state;
	script_accept(s);
	before = *pw_tcp_counters(s->t);
	s->output_rc = -ENOBUFS;
	script_send(s, 0, 100);
	script_pass(s, 1500 * MS); /* sent, and sent again */
	PEER(s, .flags = A, .seq = 1, .ack = 1, .win = 65535, .len = 10);
	script_pass(s, 50 * MS);
	assert_true(script_skip(s) >= 3);
	assert_int_equal(pw_tcp_counters(s->t)->segs_out, before.segs_out);
	assert_int_equal(pw_tcp_counters(s->t)->bytes_out, before.bytes_out);
	assert_int_equal(pw_tcp_counters(s->t)->bytes_by_ref, before.bytes_by_ref);
	assert_int_equal(pw_tcp_counters(s->t)->retransmits, before.retransmits);
	assert_int_equal(pw_tcp_counters(s->t)->acks_delayed, before.acks_delayed);
	assert_true(pw_tcp_counters(s->t)->rto_fired > before.rto_fired);
	s->output_rc = 0;
	assert_true(script_until_sent(s, 10000 * MS));
	EXPECT(s, .flags = A, .seq = 1, .ack = 11, .len = 100, .data = script_bytes(0));
	assert_int_equal(pw_tcp_counters(s->t)->bytes_out, before.bytes_out + 100);
}

/* A repetition for which the indirect buffers ran out half-way was none: Karn has no say. */
static void
segment_that_was_not_built_leaves_no_mark_on_its_bytes(void **state)
{
	struct script *s = script_open(NULL);
	static struct rte_mbuf *hog[4096];
	struct pw_tcp_info info;
	uint32_t n = 0;

	(void)state;
	script_accept(s);
	script_send(s, 0, MSS); /* in two pieces */
	EXPECT(s, .flags = A, .seq = 1, .ack = 1, .len = MSS);
	while ((hog[n] = rte_pktmbuf_alloc(script_mem()->ind)) != NULL)
		n++;
	rte_pktmbuf_free(hog[--n]); /* one is left, two are needed */
	script_pass(s, 1050 * MS);
	while (n != 0)
		rte_pktmbuf_free(hog[--n]);
	NOTHING(s);
	assert_int_equal(pw_tcp_counters(s->t)->rto_fired, 1);
	assert_true(pw_tcp_counters(s->t)->drop_tx_no_buffer >= 1);
	PEER(s, .flags = A, .seq = 1, .ack = 1 + MSS, .win = 65535);
	pw_tcp_info(s->t, s->conn, &info);
	assert_in_range(info.srtt_us, 10000, 1050000); /* the time of the one transmission */
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		SCRIPT(table_full_refuses_a_connection_and_keeps_the_others),
		SCRIPT(passive_opens_leave_room_for_active_ones),
		SCRIPT(pressure_refuses_requests_and_keeps_connections),
		SCRIPT(pressure_keeps_the_window_of_unread_bytes),
		SCRIPT(pressure_keeps_windows_where_they_are_and_its_end_opens_them),
		SCRIPT(windows_open_again_all_over_a_large_table),
		SCRIPT(window_that_waits_is_forgotten_with_its_connection),
		SCRIPT(sending_resumes_after_the_header_pool_was_empty),
		SCRIPT(window_probe_that_found_no_buffer_comes_when_there_is_one),
		SCRIPT(keepalive_probe_that_found_no_buffer_does_not_count),
		SCRIPT(keepalive_probe_that_waits_is_dropped_when_the_peer_speaks),
		SCRIPT(segment_that_the_layers_below_refuse_is_not_counted_as_sent),
		SCRIPT(segment_that_was_not_built_leaves_no_mark_on_its_bytes),
	};

	return cmocka_run_group_tests(tests, script_group_setup, script_group_teardown);
}
