/* SPDX-License-Identifier: BSD-3-Clause */
/* The parts of perf/pktgen that judge: a judge that sees nothing finds everything clean. */
#include <getopt.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <rte_ip.h>
#include <rte_mbuf.h>
#include <rte_tcp.h>

#include <pubwire/mqtt/packet.h>

#include "clock.h"
#include "device.h"
#include "eal.h"
#include "flood.h"
#include "frames.h"
#include "options.h"
#include "order.h"
#include "payload.h"
#include "shape.h"
#include "sink.h"
#include "slots.h"

static struct rte_mempool *pool;

static void
test_messages_in_order_leave_no_trace(void **state)
{
	struct order o = {0};
	struct order_counts n = {0};

	(void)state;
	for (uint32_t seq = 0; seq < 1000; seq++)
		order_take(&o, &n, seq);
	assert_int_equal(o.next, 1000);
	assert_int_equal(n.missing | n.late | n.duplicate | n.stale, 0);
}

static void
test_gaps_repetitions_and_late_comers_are_told_apart(void **state)
{
	struct order o = {0};
	struct order_counts n = {0};

	(void)state;
	order_take(&o, &n, 2); /* 0 and 1 are missing */
	assert_int_equal(n.missing, 2);
	order_take(&o, &n, 1);
	assert_int_equal(n.missing, 1);
	assert_int_equal(n.late, 1);
	order_take(&o, &n, 1);
	order_take(&o, &n, 2);
	assert_int_equal(n.duplicate, 2);
	assert_int_equal(n.missing, 1);
	order_take(&o, &n, 100);
	assert_int_equal(n.missing, 1 + 97);
	order_take(&o, &n, 37); /* the oldest that is remembered */
	assert_int_equal(n.late, 2);
	order_take(&o, &n, 36);
	assert_int_equal(n.stale, 1);
	assert_int_equal(n.missing, 97);
}

static void
test_a_gap_of_64_and_more_forgets_what_came_before(void **state)
{
	(void)state;
	for (uint32_t gap = 60; gap < 70; gap++) {
		struct order o = {0};
		struct order_counts n = {0};

		order_take(&o, &n, 0);
		order_take(&o, &n, gap + 1);
		assert_int_equal(n.missing, gap);
		order_take(&o, &n, gap + 1);
		assert_int_equal(n.duplicate, 1);
		order_take(&o, &n, gap);
		assert_int_equal(n.late, 1);
		order_take(&o, &n, 0);
		/* 64 are remembered: gap + 1 down to gap - 62. */
		assert_int_equal(n.duplicate, gap <= 62 ? 2 : 1);
		assert_int_equal(n.stale, gap <= 62 ? 0 : 1);
	}
}

static void
test_every_byte_of_a_payload_counts(void **state)
{
	static const uint32_t size[] = {24, 25, 47, 48, 64, 95, 256, 1000};
	static uint8_t p[1000];
	struct payload_stamp s;

	(void)state;
	for (uint32_t k = 0; k < RTE_DIM(size); k++) {
		payload_write(p, size[k], payload_filler_check(size[k]), 7, 9, 11);
		assert_true(payload_read(p, size[k], &s));
		assert_int_equal(s.sender, 7);
		assert_int_equal(s.seq, 9);
		assert_int_equal(s.sent, 11);
		for (uint32_t i = 0; i < size[k]; i++) {
			p[i] ^= 0x10;
			assert_false(payload_read(p, size[k], &s));
			p[i] ^= 0x10;
		}
		assert_false(payload_read(p, size[k] - 1, &s));
		/* Two words of the filler in each other's place. */
		if (size[k] >= 24 + 16) {
			uint8_t word[8];

			memcpy(word, p + 24, 8);
			memmove(p + 24, p + 32, 8);
			memcpy(p + 32, word, 8);
			assert_false(payload_read(p, size[k], &s));
		}
	}
}

struct seen {
	uint32_t n, bytes;
	uint8_t type[8];
};

static int
see(void *ctx, const uint8_t *p, uint32_t len, uint32_t head)
{
	struct seen *s = ctx;

	s->type[s->n++] = p[0] >> 4;
	s->bytes += len;
	if (p[0] >> 4 == PW_MQTT_PUBLISH) {
		for (uint32_t i = head; i < len; i++)
			assert_int_equal(p[i], (uint8_t)i);
	}
	return 0;
}

/* However it is cut: into buffers of each length from 1 on. */
static void
test_packets_are_found_across_buffers(void **state)
{
	uint8_t bytes[2 + 203 + 2 + 3] = {PW_MQTT_PINGREQ << 4, 0, PW_MQTT_PUBLISH << 4, 200, 1};
	uint32_t whole = 2 + 203 + 2;

	(void)state;
	for (uint32_t i = 3; i < 203; i++)
		bytes[2 + i] = (uint8_t)i;
	bytes[205] = PW_MQTT_PINGRESP << 4;
	bytes[207] = PW_MQTT_PUBLISH << 4; /* the beginning of one more */
	bytes[208] = 100;
	for (uint32_t cut = 1; cut <= sizeof(bytes); cut++) {
		struct rte_mbuf *first = NULL, **end = &first;
		struct seen s = {0};

		for (uint32_t at = 0; at < sizeof(bytes); at += cut) {
			uint32_t n = RTE_MIN(cut, (uint32_t)sizeof(bytes) - at);
			struct rte_mbuf *m = rte_pktmbuf_alloc(pool);

			assert_non_null(m);
			memcpy(rte_pktmbuf_append(m, (uint16_t)n), bytes + at, n);
			*end = m;
			end = &m->next;
		}
		assert_int_equal(frames_walk(first, see, &s), whole);
		assert_int_equal(s.n, 3);
		assert_int_equal(s.bytes, whole);
		assert_memory_equal(
			s.type, ((uint8_t[]){PW_MQTT_PINGREQ, PW_MQTT_PUBLISH, PW_MQTT_PINGRESP}),
			3);
		while (first != NULL) {
			struct rte_mbuf *next = first->next;

			rte_pktmbuf_free_seg(first);
			first = next;
		}
	}
	assert_int_equal(rte_mempool_in_use_count(pool), 0);
}

static void
test_a_shape_is_a_publish_of_its_device(void **state)
{
	struct options o = {.topic = "a/%d/b", .nb_sizes = 1, .size = {{100, 1}}};
	static uint8_t p[512];
	enum pw_mqtt_error err;

	(void)state;
	for (uint32_t i = 0; i < 6; i++) {
		const struct shape *s;
		struct pw_mqtt_publish pub;
		struct payload_stamp stamp;
		struct rte_mbuf m = {.buf_addr = p};
		struct pw_slice slice = {.mbuf = &m};
		struct pw_mqtt_buf b = {&slice, 1, 0};

		o.qos = (uint8_t)(i % 3);
		o.version = i < 3 ? PW_MQTT_3_1_1 : PW_MQTT_5;
		shapes_init(o.version, o.qos, o.topic, o.size, o.nb_sizes);
		s = shape_next();
		slice.len = (uint16_t)(shape_write(s, p, 1234567, 77, 3, 4) - p);
		b.len = slice.len;
		assert_int_equal(b.len, s->total);
		assert_int_equal(pw_mqtt_decode_publish(&b, o.version, &pub, &err), b.len);
		assert_int_equal(pub.qos, o.qos);
		assert_int_equal(pub.packet_id, o.qos > 0 ? 77 : 0);
		assert_int_equal(pub.topic.len, 11);
		assert_memory_equal(p + pub.topic.off, "a/1234567/b", 11);
		assert_true(payload_read(p + pub.payload.off, pub.payload.len, &stamp));
		assert_int_equal(stamp.sender, 1234567);
	}
}

static void
test_answers_settle_what_was_sent_and_nothing_else(void **state)
{
	struct options o = {.qos = 1, .inflight = 4};
	struct device dev = {.first = 65534, .inflight = 4}; /* 65534, 65535, 1, 2 */
	uint64_t due[4] = {0};
	struct devices d = {.o = &o, .dev = &dev, .due = due};

	(void)state;
	assert_false(device_answer(&d, &dev, PW_MQTT_PUBACK, 0, 0));
	assert_false(device_answer(&d, &dev, PW_MQTT_PUBACK, 3, 0));
	assert_false(device_answer(&d, &dev, PW_MQTT_PUBREC, 1, 0));
	assert_true(device_answer(&d, &dev, PW_MQTT_PUBACK, 1, 0));
	assert_false(device_answer(&d, &dev, PW_MQTT_PUBACK, 1, 0));
	assert_int_equal(dev.inflight, 4);
	assert_true(device_answer(&d, &dev, PW_MQTT_PUBACK, 65534, 0));
	assert_true(device_answer(&d, &dev, PW_MQTT_PUBACK, 65535, 0));
	assert_int_equal(dev.inflight, 1);
	assert_int_equal(dev.first, 2);
	o.qos = 2;
	assert_false(device_answer(&d, &dev, PW_MQTT_PUBACK, 2, 0));
	assert_false(device_answer(&d, &dev, PW_MQTT_PUBCOMP, 2, 0));
	assert_true(device_answer(&d, &dev, PW_MQTT_PUBREC, 2, 0));
	assert_false(device_answer(&d, &dev, PW_MQTT_PUBREC, 2, 0));
	assert_true(device_answer(&d, &dev, PW_MQTT_PUBCOMP, 2, 0));
	assert_int_equal(dev.inflight, 0);
	assert_int_equal(d.count.settled, 4);
}

/* The time of a message is kept in a ring of as many as may be in flight, whatever answers come
 * first. */
static void
test_the_end_of_an_exchange_is_measured_from_when_it_was_due(void **state)
{
	struct options o = {.qos = 1, .inflight = 3};
	struct device dev[2] = {{.first = 1}, {.first = 65535, .inflight = 3, .slot = 2}};
	uint64_t due[6] = {0};
	struct devices d = {.o = &o, .dev = dev, .due = due, .from = 1000, .to = 2000};

	(void)state;
	*device_due(&d, &dev[1], 0) = 999;
	*device_due(&d, &dev[1], 1) = 1000;
	*device_due(&d, &dev[1], 2) = 1999;
	assert_int_equal(due[0] | due[1] | due[2], 0);
	assert_true(device_answer(&d, &dev[1], PW_MQTT_PUBACK, 2, 2009));
	assert_int_equal(d.puback.count, 1);
	assert_int_equal(d.puback.max, 10);
	assert_true(device_answer(&d, &dev[1], PW_MQTT_PUBACK, 65535, 3000)); /* was due before */
	assert_int_equal(d.puback.count, 1);
	*device_due(&d, &dev[1], 2) = 2000;
	dev[1].inflight++;
	o.qos = 2;
	assert_true(device_answer(&d, &dev[1], PW_MQTT_PUBREC, 1, 1010));
	assert_int_equal(d.puback.count, 1);
	assert_true(device_answer(&d, &dev[1], PW_MQTT_PUBCOMP, 1, 1020));
	assert_int_equal(d.puback.count, 2);
	assert_int_equal(d.puback.sum, 30);
	assert_int_equal(dev[1].inflight, 1);
	o.qos = 1;
	assert_true(device_answer(&d, &dev[1], PW_MQTT_PUBACK, 3, 5000)); /* was due after */
	assert_int_equal(d.puback.count, 2);
	assert_int_equal(dev[1].inflight, 0);
}

/* The peer acknowledges a frame, as net_input() leaves it. */
static struct rte_mbuf *
answer_to(const struct rte_mbuf *frame)
{
	struct rte_mbuf *m = rte_pktmbuf_copy(frame, pool, 0, 54);
	struct rte_ipv4_hdr *ip;
	struct rte_tcp_hdr *th;
	uint32_t len;

	assert_non_null(m);
	m->l2_len = 14;
	m->l3_len = sizeof(*ip);
	ip = rte_pktmbuf_mtod_offset(m, struct rte_ipv4_hdr *, 14);
	ip->dst_addr = ip->src_addr;
	th = (struct rte_tcp_hdr *)(ip + 1);
	len = th->tcp_flags & RTE_TCP_SYN_FLAG ? 1 : frame->data_len - 66u;
	th->dst_port = th->src_port;
	th->recv_ack = rte_cpu_to_be_32(rte_be_to_cpu_32(th->sent_seq) + len);
	th->sent_seq = rte_cpu_to_be_32(th->tcp_flags & RTE_TCP_SYN_FLAG ? 0 : 1);
	th->data_off = 5 << 4;
	th->tcp_flags = (th->tcp_flags & RTE_TCP_SYN_FLAG) | RTE_TCP_ACK_FLAG;
	th->rx_win = 0xffff;
	return m;
}

static struct rte_mbuf *
last_sent(struct net *net)
{
	assert_true(net->backlog_n > 0);
	return net->backlog[(net->backlog_first + --net->backlog_n) % NET_BACKLOG];
}

/* Messages are written anew then: with their numbers, stamps, sizes and identifiers of before. */
static void
test_a_segment_is_the_same_when_it_is_sent_again(void **state)
{
	struct options o = {.topic = "a/%d",
			    .nb_sizes = 3,
			    .size = {{24, 1}, {100, 2}, {33, 3}},
			    .connections = 1,
			    .connect_rate = 1,
			    .qos = 1,
			    .inflight = 32,
			    .keepalive = 600,
			    .version = PW_MQTT_5,
			    .per_segment = 5,
			    .clients = {0x0a4d0101, 0x0a4d0101}};
	static struct net net = {.port.mtu = 1500, .range = {0x0a4d0101, 0x0a4d0101}};
	const struct publish_due due = {.first = 12345, .step = 1234.5, .now = CLOCK_S};
	const struct pw_mem mem = {.pkt = pool};
	uint64_t now = CLOCK_S;
	struct rte_mbuf *sent, *again, *m;
	struct devices d;

	(void)state;
	net.mem = &mem;
	shapes_init(o.version, o.qos, o.topic, o.size, o.nb_sizes);
	assert_int_equal(devices_create(&d, &o, now), 0);
	assert_int_equal(devices_use_lite(&d, &net, now), 0);
	(void)devices_turn(&d, now);
	/* SYN, and CONNECT, whose own answer is not needed here. */
	for (uint32_t k = 0; k < 2; k++) {
		sent = last_sent(&net);
		m = answer_to(sent);
		rte_pktmbuf_free(sent);
		lite_input(d.lite, &m, 1, now);
	}
	d.dev[0].state = DEVICE_UP;
	for (uint32_t seq = 0; seq < 30; seq += 5) {
		assert_int_equal(devices_publish(&d, 5, &due, 5), 5);
		sent = last_sent(&net);
		now += CLOCK_S;
		lite_advance(d.lite, now);
		again = last_sent(&net);
		assert_ptr_not_equal(again, sent);
		assert_int_equal(again->data_len, sent->data_len);
		assert_memory_equal(rte_pktmbuf_mtod_offset(again, uint8_t *, 66),
				    rte_pktmbuf_mtod_offset(sent, uint8_t *, 66),
				    sent->data_len - 66u);
		m = answer_to(sent);
		rte_pktmbuf_free(sent);
		rte_pktmbuf_free(again);
		lite_input(d.lite, &m, 1, now);
		assert_int_equal(lite_unacked(d.lite, 0), 0);
	}
	assert_int_equal(net.backlog_n, 0);
	devices_destroy(&d);
	assert_int_equal(rte_mempool_in_use_count(pool), 0);
}

/* A generator that took the repetition for the missing one would end before that has come. */
static void
test_what_comes_twice_is_delivered_once(void **state)
{
	struct options o = {.brokers = 2};
	struct sink s = {.o = &o, .count = {.messages = 6}};

	(void)state;
	assert_int_equal(sink_delivered(&s), 3);
	s.broker[1].counts.duplicate = 1;
	assert_int_equal(sink_delivered(&s), 2);
	o.fanout_one = true;
	assert_int_equal(sink_delivered(&s), 5);
}

static int
read_options(struct options *o, const char *a, const char *b)
{
	char *argv[] = {
		"pktgen", "--devices-port=x", "--brokers-port=y", (char *)a, (char *)b, "--", NULL};
	int rest;

	optind = 0;
	return options_read(o, 6, argv, &rest);
}

static void
test_options_out_of_range_are_refused(void **state)
{
	static const char *const bad[][2] = {
		{"--payload", "23"},
		{"--payload", "64:0"},
		{"--payload", ""},
		{"--qos", "3"},
		{"--connections", "0"},
		{"--rate", "-1"},
		{"--inflight", "65"},
		{"--topic", "a/#"},
		{"--clients", "10.0.0.2-10.0.0.1"},
		{"--target", "10.0.0:1"},
		{"--target", "10.0.0.1:0"},
		{"--connections", "9000000"},
		{"--brokers", "17"},
		{"--seconds", "nan"},
		{"--per-segment", "x"},
		{"--connections", "8x"},
		{"--puback-percentiles=f", "--qos=0"},
	};
	struct options o;

	(void)state;
	for (uint32_t i = 0; i < RTE_DIM(bad); i++)
		assert_int_equal(read_options(&o, bad[i][0], bad[i][1]), -1);
	assert_int_equal(read_options(&o, "--payload", "64:3,1024"), 0);
	assert_int_equal(o.nb_sizes, 2);
	assert_int_equal(o.size[0].weight, 3);
	assert_int_equal(o.size[1].bytes, 1024);
}

static void
test_a_frame_that_leaves_late_is_stamped_with_when_it_was_due(void **state)
{
	const struct options o = {.rate = 10000}, unpaced = {0};
	struct flood f = {.o = &o, .begun = 5000, .first = 77, .seq = 77};

	(void)state;
	assert_int_equal(flood_owed(&f, 5000), 1);
	assert_int_equal(flood_due(&f, 5000), 5000);
	f.seq++;
	assert_int_equal(flood_owed(&f, 5000 + 99 * 1000), 0);
	assert_int_equal(flood_owed(&f, 5000 + 101 * 1000), 1);
	/* A wait of ten steps: ten are owed, each from its own time on. */
	assert_int_equal(flood_owed(&f, 5000 + 1001 * 1000), 10);
	for (uint32_t i = 1; i <= 10; i++, f.seq++)
		assert_int_equal(flood_due(&f, 5000 + 1001 * 1000), 5000 + i * 100 * 1000);
	assert_int_equal(flood_owed(&f, 5000 + 1001 * 1000), 0);
	/* Without a rate, and before it begins, it is due when it leaves. */
	f.o = &unpaced;
	assert_int_equal(flood_due(&f, 4242), 4242);
	f = (struct flood){.o = &o};
	assert_int_equal(flood_due(&f, 4242), 4242);
}

static void
test_latencies_are_kept_by_the_millisecond_in_which_messages_were_due(void **state)
{
	struct slots *s = slots_create(2 * SLOTS_NS + 1);
	char text[256] = "";
	FILE *f = fmemopen(text, sizeof(text), "w");

	(void)state;
	assert_non_null(s);
	assert_non_null(f);
	assert_int_equal(s->n, 3);
	slots_record(s, 0, 15);
	slots_record(s, SLOTS_NS - 1, 15);
	slots_record(s, SLOTS_NS - 1, 1000);
	slots_record(s, 2 * SLOTS_NS, UINT64_MAX);
	slots_record(s, 3 * SLOTS_NS, 1);
	slots_pause(s, 100, 100 + SLOTS_PAUSE_NS);
	slots_pause(s, 100, 101 + SLOTS_PAUSE_NS);
	s->from = 7;
	s->to = 2000007;
	s->ns = 4000000; /* our clock runs twice as fast */
	slots_print(f, s);
	fclose(f);
	assert_string_equal(text, "7 2000007 500000\n0 15:2 1023:1\n2 17179869183:1\n"
				  "pause 57 25057\n");
	for (uint32_t b = 1; b < SLOTS_BUCKETS; b++)
		assert_in_range(slots_edge(b), slots_edge(b - 1) + 1,
				slots_edge(b - 1) * 17 / 16 + 1);
	slots_destroy(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_messages_in_order_leave_no_trace),
		cmocka_unit_test(test_gaps_repetitions_and_late_comers_are_told_apart),
		cmocka_unit_test(test_a_gap_of_64_and_more_forgets_what_came_before),
		cmocka_unit_test(test_a_frame_that_leaves_late_is_stamped_with_when_it_was_due),
		cmocka_unit_test(
			test_latencies_are_kept_by_the_millisecond_in_which_messages_were_due),
		cmocka_unit_test(test_every_byte_of_a_payload_counts),
		cmocka_unit_test(test_packets_are_found_across_buffers),
		cmocka_unit_test(test_a_shape_is_a_publish_of_its_device),
		cmocka_unit_test(test_answers_settle_what_was_sent_and_nothing_else),
		cmocka_unit_test(test_the_end_of_an_exchange_is_measured_from_when_it_was_due),
		cmocka_unit_test(test_a_segment_is_the_same_when_it_is_sent_again),
		cmocka_unit_test(test_what_comes_twice_is_delivered_once),
		cmocka_unit_test(test_options_out_of_range_are_refused),
	};
	int rc;

	test_eal_init();
	payload_init();
	pool = rte_pktmbuf_pool_create("test", 511, 0, 0, 2048 + RTE_PKTMBUF_HEADROOM,
				       SOCKET_ID_ANY);
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	rte_mempool_free(pool);
	return rc;
}
