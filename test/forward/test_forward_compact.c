/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Small messages that wait long for a broker keep a large packet buffer each. Where buffers run
 * short they are copied together: fewer buffers, the same bytes.
 */
#include <stdio.h>
#include <stdlib.h>

#include <rte_common.h>

#include "world.h"

static const struct shape {
	uint32_t workers;
	uint8_t role[2];
} shapes[] = {{1, {3, 0}}, {2, {PW_ROLE_DEVICES, PW_ROLE_BROKERS}}};

/* Each message in a packet buffer of its own; the brokers of `away` are not there. */
static void
begin(void **state, const struct shape *s, uint32_t away)
{
	world_setup(state);
	w.set.nb_brokers = 3;
	w.set.route[0].brokers = 7;
	w.set.route[0].ack = PW_ACK_ANY;
	w.set.limits.copy_break = 0;
	w.set.limits.max_queued_messages = 1024;
	w.set.limits.receive_maximum = 1000;
	for (uint32_t b = 0; b < 3; b++) {
		w.set.broker[b].hold_bytes = away & 8 ? 0 : 10000000;
		w.set.broker[b].restart_cap = 1000;
		w.broker[b].mute = away >> b & 1;
	}
	w.buffers = 1024;
	world_start(s->workers, s->role[0], s->role[1]);
	device_connect(0, 0, 5, "a");
}

static void
fill(char *text, uint32_t len, uint32_t i)
{
	memset(text, 'a' + (int)(i % 26), len);
	text[len] = 0;
	text[snprintf(text, len, "%u", i)] = ' ';
}

/* Messages from .. to, a millisecond apart, alternately of all QoS. */
static void
send(uint32_t from, uint32_t to, uint32_t len)
{
	char text[2048];

	for (uint32_t i = from; i <= to; i++) {
		fill(text, len, i);
		device_publish(0, 5, (uint8_t)(i % 3), (uint16_t)(i % 3 ? i : 0), "t", text);
		world_run(1);
		device_ack(0, PW_MQTT_PUBREL, (uint16_t)(i % 3 == 2 ? i : 65000));
	}
	world_run(200);
}

static void
scarce(bool yes)
{
	for (uint32_t k = 0; k < w.nb_workers; k++)
		pw_forward_set_scarce(w.forward[k], yes);
}

/* A broker has the messages whole, in their order, once. */
static void
has_all(uint32_t b, uint32_t n, uint32_t len)
{
	char text[2048];

	assert_int_equal(w.broker[b].nb, n);
	for (uint32_t i = 1; i <= n; i++) {
		const struct record *r = &w.broker[b].record[i - 1];

		fill(text, len, i);
		assert_int_equal(r->len, len);
		assert_int_equal(r->sum, payload_sum((const uint8_t *)text, len));
		assert_int_equal(r->first >> 1 & 3, i % 3);
	}
}

static void
come_back(uint32_t away)
{
	for (uint32_t b = 0; b < 3; b++)
		w.broker[b].mute = false;
	world_run(20000);
	for (uint32_t b = 0; b < 3; b++) {
		assert_int_equal(upstream(b, PW_LANE_5).held, 0);
		assert_int_equal(upstream(b, PW_LANE_5).held_buffers, 0);
		if (!(away >> b & 1))
			assert_int_equal(upstream(b, PW_LANE_5).counters.compacted, 0);
	}
	ledger();
}

static uint32_t
compacted(void)
{
	return (uint32_t)(upstream(1, PW_LANE_5).counters.compacted +
			  upstream(2, PW_LANE_5).counters.compacted);
}

static void
what_waits_for_one_or_two_brokers_is_copied_together_where_buffers_run_low(void **state)
{
	for (uint32_t k = 0; k < RTE_DIM(shapes); k++) {
		for (uint32_t away = 2; away <= 6; away += 4) {
			uint32_t before;

			begin(state, &shapes[k], away);
			send(1, 240, 300);
			assert_int_equal(compacted(), 0);
			before = rte_mempool_in_use_count(w.mem.pkt);
			assert_in_range(upstream(1, PW_LANE_5).held_buffers, 240, 240);
			scarce(true);
			world_run(20);
			/* Seven of them to a buffer; what does not fill a group of 32 stays. */
			assert_in_range(compacted(), 224, 240);
			assert_in_range(upstream(1, PW_LANE_5).held_buffers, 35, 70);
			if (away == 6)
				assert_int_equal(upstream(1, PW_LANE_5).held_buffers,
						 upstream(2, PW_LANE_5).held_buffers);
			assert_in_range(rte_mempool_in_use_count(w.mem.pkt), 0, before - 170);
			ledger();
			/* and goes on as more come */
			send(241, 300, 300);
			assert_in_range(compacted(), 280, 300);
			come_back(away);
			has_all(0, 300, 300);
			has_all(1, 300, 300);
			has_all(2, 300, 300);
			world_teardown(state);
		}
	}
}

static void
young_messages_and_those_that_fill_their_buffers_stay(void **state)
{
	begin(state, &shapes[0], 2);
	scarce(true);
	for (uint32_t i = 1; i <= 90; i++)
		send(i, i, 1100);
	assert_int_equal(compacted(), 0);
	come_back(2);
	has_all(1, 90, 1100);
	world_teardown(state);
}

/* Without a hold of bytes, half of the share of the packet buffers is enough of a reason. */
static void
a_broker_that_has_used_up_half_of_its_share_keeps_more_messages_in_it(void **state)
{
	for (uint32_t k = 0; k < RTE_DIM(shapes); k++) {
		begin(state, &shapes[k], 2 | 8);
		for (uint32_t i = 1; i <= 480; i++) {
			send(i, i, 300);
			assert_in_range(upstream(1, PW_LANE_5).held_buffers, 0, 256);
		}
		/* The share is 256 buffers. */
		assert_int_equal(upstream(1, PW_LANE_5).held, 480);
		assert_int_equal(upstream(1, PW_LANE_5).counters.dropped_hold, 0);
		come_back(2);
		has_all(1, 480, 300);
		world_teardown(state);
	}
}

/* Frames that lie across packet buffers, whose slices hang in a run. */
static void
frames_in_pieces_are_put_together(void **state)
{
	static uint8_t out[400 * 340];
	char text[301];

	for (uint32_t k = 0; k < RTE_DIM(shapes); k++) {
		uint32_t len = 0;

		begin(state, &shapes[k], 2);
		for (uint32_t i = 1; i <= 300; i++) {
			fill(text, 300, i);
			len += publish_bytes(out + len, sizeof(out) - len, 5, (uint8_t)(i % 3),
					     false, (uint16_t)(i % 3 ? i : 0), "t", text, 300);
		}
		for (uint32_t at = 0; at < len; at += 190) {
			device_send(0, out + at, RTE_MIN(190u, len - at));
			world_run(1);
		}
		world_run(200);
		scarce(true);
		world_run(20);
		assert_in_range(compacted(), 288, 300);
		assert_in_range(upstream(1, PW_LANE_5).held_buffers, 40, 80);
		for (uint32_t i = 2; i <= 300; i += 3)
			device_ack(0, PW_MQTT_PUBREL, (uint16_t)i);
		come_back(2);
		has_all(0, 300, 300);
		has_all(1, 300, 300);
		world_teardown(state);
	}
}

/* Connected, but it answers nothing: what TCP has delivered lies here still. */
static void
what_a_mute_broker_has_read_is_copied_too(void **state)
{
	begin(state, &shapes[0], 0);
	w.broker[1].hold = true;
	send(1, 240, 300);
	scarce(true);
	world_run(20);
	assert_in_range(compacted(), 140, 160); /* all but those of QoS 0 */
	w.broker[1].hold = false;
	world_ack(1, 9999);
	world_run(50);
	assert_int_equal(upstream(1, PW_LANE_5).held_buffers, 0);
	has_all(1, 240, 300);
	broker_reset(1);
	world_run(3000);
	ledger();
	world_teardown(state);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			what_waits_for_one_or_two_brokers_is_copied_together_where_buffers_run_low),
		cmocka_unit_test(young_messages_and_those_that_fill_their_buffers_stay),
		cmocka_unit_test(
			a_broker_that_has_used_up_half_of_its_share_keeps_more_messages_in_it),
		cmocka_unit_test(frames_in_pieces_are_put_together),
		cmocka_unit_test(what_a_mute_broker_has_read_is_copied_too),
	};

	return cmocka_run_group_tests(tests, world_init, world_fini);
}
