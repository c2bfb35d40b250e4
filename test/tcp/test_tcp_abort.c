/* SPDX-License-Identifier: BSD-3-Clause */
/* Connections that this side ends at once: by abort, refusal, or the end of the stack. */
#include "script.h"

static void
refusal_by_the_application_resets_the_peer(void **state)
{
	struct script *s = script_open(NULL);

	(void)state;
	s->refuse = true;
	PEER(s, .flags = S, .win = 65535);
	EXPECT(s, .flags = S | A, .seq = 0, .ack = 1);
	PEER(s, .flags = A, .seq = 1, .ack = 1, .win = 65535);
	assert_int_equal(s->nb_out - s->taken, 1);
	assert_int_equal(s->out[s->taken % SCRIPT_OUT].seg.flags & R, R);
	assert_int_equal(s->out[s->taken % SCRIPT_OUT].seg.seq, s->iss + 1);
	script_skip(s);
	assert_int_equal(s->accepted, 1);
	assert_int_equal(s->gone, 0);
	assert_int_equal(pw_tcp_conns(s->t), 0);
}

static void
check_abort(struct script *s, uint32_t seq)
{
	const struct tcp_seg *o = &s->out[s->taken % SCRIPT_OUT].seg;

	assert_int_equal(s->nb_out - s->taken, 1);
	assert_int_equal(o->flags & R, R);
	assert_int_equal(o->seq, s->iss + seq);
	script_skip(s);
	assert_int_equal(s->gone, 0);
	assert_int_equal(pw_tcp_conns(s->t), 0);
	script_pass(s, 3000 * MS);
	NOTHING(s);
	assert_int_equal(s->gone, 0);
	assert_true(pw_mem_full(script_mem()));
}

static void
abort_resets_and_frees_what_was_queued(void **state)
{
	struct script *s = script_open(NULL);

	(void)state;
	script_accept(s);
	script_send(s, 0, 30000);
	assert_int_equal(script_skip(s), 10); /* RFC 6928 */
	PEER(s, .flags = A, .seq = 1, .ack = 1, .win = 65535, .len = 100);
	PEER(s, .flags = A, .seq = 201, .ack = 1, .win = 65535, .len = 100);
	script_skip(s);
	pw_tcp_abort(s->t, s->conn, s->now);
	script_act(s);
	check_abort(s, 14601);
}

static void
abort_in_readable(struct script *s)
{
	if (s->conn == NULL)
		return;
	pw_tcp_abort(s->t, s->conn, s->now);
	s->conn = NULL;
}

static void
abort_inside_readable_is_allowed(void **state)
{
	struct script *s = script_open(NULL);

	(void)state;
	script_accept(s);
	s->in_readable = abort_in_readable;
	PEER(s, .flags = A | F, .seq = 1, .ack = 1, .win = 65535, .len = 100);
	check_abort(s, 1);
}

static void
abort_inside_acked_is_allowed(void **state)
{
	struct script *s = script_open(NULL);

	(void)state;
	script_accept(s);
	s->in_acked = abort_in_readable;
	s->in_readable = abort_in_readable;
	script_send(s, 0, 100);
	script_skip(s);
	PEER(s, .flags = A, .seq = 1, .ack = 101, .win = 65535, .len = 100);
	check_abort(s, 101);
}

static void
abort_inside_connected_is_allowed(void **state)
{
	struct script *s = script_open(NULL);

	(void)state;
	s->in_connected = abort_in_readable;
	script_syn(s);
	PEER(s, .flags = S | A, .seq = 0, .ack = 1, .win = 65535, .len = 0);
	while (s->nb_out - s->taken > 1)
		s->taken++;
	check_abort(s, 1);
}

static void
abort_of_a_syn_sent_connection_is_silent(void **state)
{
	struct script *s = script_open(NULL);

	(void)state;
	script_syn(s);
	pw_tcp_abort(s->t, s->conn, s->now); /* RFC 9293 3.10.5 */
	script_pass(s, 3000 * MS);
	NOTHING(s);
	assert_int_equal(s->gone, 0);
	assert_int_equal(pw_tcp_conns(s->t), 0);
}

static void
destroying_the_stack_tells_every_owner(void **state)
{
	struct script *s = script_open(NULL);

	(void)state;
	script_accept(s);
	script_send(s, 0, 5000);
	script_skip(s);
	PEER(s, .flags = A, .seq = 1, .ack = 1, .win = 65535, .len = 100);
	script_skip(s);
	pw_tcp_destroy(s->t);
	s->t = NULL;
	NOTHING(s);
	assert_int_equal(s->gone, 1);
	assert_int_equal(s->why, PW_TCP_END_ABORTED);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		SCRIPT(refusal_by_the_application_resets_the_peer),
		SCRIPT(abort_resets_and_frees_what_was_queued),
		SCRIPT(abort_inside_readable_is_allowed),
		SCRIPT(abort_inside_acked_is_allowed),
		SCRIPT(abort_inside_connected_is_allowed),
		SCRIPT(abort_of_a_syn_sent_connection_is_silent),
		SCRIPT(destroying_the_stack_tells_every_owner),
	};

	return cmocka_run_group_tests(tests, script_group_setup, script_group_teardown);
}
