/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Clients that lose their connections at any packet and come back on whichever worker the ports of
 * their new ones lead to: their QoS 2 goes on there. The workers run on lcores of their own.
 */
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <rte_lcore.h>

#include "eal.h"
#include "mqtt_end.h"
#include "world.h"

#define CLIENTS	 8
#define WINDOW	 5  /* messages of a client in flight */
#define MESSAGES 60 /* of each */

enum state { FREE, SENT, RECEIVED };

/* A client that keeps its session. */
struct client {
	struct pw_tcp *tcp;
	struct pw_tcp_conn *conn;
	uint64_t turn; /* number of the connection */
	uint8_t number;
	uint8_t version;
	bool cut;      /* the connection is to be lost */
	uint32_t left; /* packets until that */
	uint8_t sent, done;
	uint8_t message[WINDOW]; /* in flight, by identifier - 1 */
	uint8_t state[WINDOW];	 /* enum state */
	bool released[WINDOW];	 /* PUBREL has been sent */
};

static struct client client[CLIENTS];
static uint32_t rng = 1;
static uint32_t cuts;

static uint32_t
dice(uint32_t n)
{
	rng = rng * 1664525 + 1013904223;
	return (rng >> 8) % n;
}

static void
send_publish(struct client *c, uint32_t i, bool dup)
{
	uint8_t out[64], payload[2] = {c->number, c->message[i]};
	int n = pw_mqtt_encode_publish(out, sizeof(out), c->version, dup, 2, false,
				       (struct pw_mqtt_str){"t", 1}, (uint16_t)(i + 1), NULL, 2);

	assert_true(n > 0);
	mqtt_end_send(c->tcp, c->conn, out, (uint32_t)n);
	mqtt_end_send(c->tcp, c->conn, payload, 2);
	c->state[i] = SENT;
	c->released[i] = false;
}

static void
send_pubrel(struct client *c, uint32_t i)
{
	uint8_t out[8];
	int n = pw_mqtt_encode_ack(out, sizeof(out), PW_MQTT_PUBREL, c->version, (uint16_t)(i + 1),
				   0, NULL);

	mqtt_end_send(c->tcp, c->conn, out, (uint32_t)n);
	c->released[i] = true;
}

static void
publish_more(struct client *c)
{
	for (uint32_t i = 0; i < WINDOW; i++) {
		if (c->state[i] != FREE || c->sent == MESSAGES)
			continue;
		c->message[i] = c->sent++;
		send_publish(c, i, false);
	}
}

static void
connected(void *ctx, struct pw_tcp_conn *conn, uint64_t now)
{
	struct client *c = ctx;
	char id[] = {'c', (char)('0' + c->number)};
	struct pw_mqtt_prop_out expiry = {.which = PW_MQTT_PROP_SESSION_EXPIRY, .num = 100};
	struct pw_mqtt_connect_out out = {
		.version = c->version,
		.keepalive = 60,
		.client_id = {id, 2},
		.props = {.p = &expiry, .n = c->version == 5},
	};
	uint8_t bytes[64];
	int n = pw_mqtt_encode_connect(bytes, sizeof(bytes), &out);

	(void)now;
	assert_true(n > 0);
	mqtt_end_send(c->tcp, conn, bytes, (uint32_t)n);
}

/* What its session knows goes on. */
static void
take_connack(struct client *c, const struct mqtt_end_frame *f)
{
	struct pw_mqtt_connack a;
	enum pw_mqtt_error err;

	assert_true(pw_mqtt_decode_connack(&f->buf, c->version, &a, &err) > 0);
	if (a.code != 0) {
		c->cut = true; /* it comes again */
		return;
	}
	for (uint32_t i = 0; i < WINDOW; i++) {
		if (c->state[i] == RECEIVED) {
			assert_true(a.session_present || c->released[i]);
			send_pubrel(c, i);
		} else if (c->state[i] == SENT) {
			send_publish(c, i, true);
		}
	}
	publish_more(c);
}

static void
take_answer(struct client *c, const struct mqtt_end_frame *f)
{
	struct pw_mqtt_ack a;
	enum pw_mqtt_error err;
	uint32_t i;

	assert_true(pw_mqtt_decode_ack(&f->buf, c->version, &a, &err) > 0);
	i = a.packet_id - 1u;
	assert_true(i < WINDOW && c->state[i] != FREE);
	if (f->type == PW_MQTT_PUBREC) {
		assert_int_equal(a.reason, 0);
		c->state[i] = RECEIVED;
		send_pubrel(c, i);
		return;
	}
	assert_int_equal(f->type, PW_MQTT_PUBCOMP);
	c->state[i] = FREE;
	c->done++;
	publish_more(c);
}

static void
readable(void *ctx, struct pw_tcp_conn *conn, uint64_t now)
{
	struct client *c = ctx;
	struct mqtt_end_frame f;

	if (pw_tcp_user(conn) != c->turn) { /* one that was taken over */
		pw_tcp_consume(c->tcp, conn, pw_tcp_rx_len(conn));
		if (pw_tcp_eof(conn))
			pw_tcp_close(c->tcp, conn, now);
		return;
	}
	while (!c->cut && mqtt_end_next(conn, &f)) {
		if (f.type == PW_MQTT_CONNACK)
			take_connack(c, &f);
		else if (f.type != PW_MQTT_DISCONNECT)
			take_answer(c, &f);
		pw_tcp_consume(c->tcp, conn, f.buf.len);
		c->cut |= c->left-- == 0;
	}
	c->cut |= pw_tcp_eof(conn);
}

static void
gone(void *ctx, struct pw_tcp_conn *conn, enum pw_tcp_end why, uint64_t now)
{
	struct client *c = ctx;

	(void)why;
	(void)now;
	if (pw_tcp_user(conn) == c->turn)
		c->conn = NULL;
}

static const struct pw_tcp_ops ops = {.connected = connected, .readable = readable, .gone = gone};

static void
come_back(struct world *w, struct client *c)
{
	struct pw_flow flow = {.rport = 1883};

	assert_int_equal(pw_addr_parse(&flow.local, "10.1.0.2"), 0);
	assert_int_equal(pw_addr_parse(&flow.remote, "10.1.0.1"), 0);
	c->cut = false;
	c->turn++;
	c->left = dice(12);
	if (dice(4) == 0)
		c->version = c->version == 5 ? 4 : 5;
	assert_int_equal(pw_tcp_connect(c->tcp, &flow, &ops, c, c->turn, &c->conn, w->now), 0);
}

/* Those that are to lose their connections do, or forget them; those that have none get one. True
 * while messages are not through. */
static bool
turn(struct world *w)
{
	bool busy = false;

	for (uint32_t i = 0; i < CLIENTS; i++) {
		struct client *c = &client[i];

		if (c->conn != NULL && c->cut) {
			if (dice(3) > 0)
				pw_tcp_abort(c->tcp, c->conn, w->now);
			c->conn = NULL;
			cuts++;
		}
		if (c->done == MESSAGES)
			continue;
		busy = true;
		if (c->conn == NULL)
			come_back(w, c);
	}
	world_step(w);
	return busy;
}

static void
each_once(const struct world *w)
{
	for (uint32_t b = 0; b < WORLD_BROKERS; b++) {
		const struct model_broker *br = &w->broker[b];
		uint8_t seen[CLIENTS][MESSAGES] = {0};

		assert_int_equal(br->nb_records, CLIENTS * MESSAGES);
		for (uint32_t i = 0; i < br->nb_records; i++)
			seen[br->record[i].payload[0]][br->record[i].payload[1]]++;
		for (uint32_t i = 0; i < CLIENTS * MESSAGES; i++)
			assert_int_equal(seen[i / MESSAGES][i % MESSAGES], 1);
	}
}

static bool
at_rest(const struct world *w)
{
	for (uint32_t k = 0; k < 2; k++) {
		const struct pw_forward *f = pw_fleet_forward(w->fleet, k);

		if (pw_forward_outstanding(f) + pw_forward_trailing(f) > 0)
			return false;
	}
	return true;
}

static const uint32_t lcores[] = {1, 2};

static void
test_sessions_of_qos_2_go_from_lcore_to_lcore(void **state)
{
	static const struct world_conf conf = {.workers = 2, .lcores = lcores, .real_time = true};
	struct world *w = world_create(&conf);
	uint64_t end;

	(void)state;
	assert_int_equal(pw_fleet_start(w->fleet), 0);
	world_connect(w, 1, PW_MQTT_3_1_1);
	for (uint32_t i = 0; i < CLIENTS; i++)
		client[i] = (struct client){
			.tcp = w->side[0].tcp, .number = (uint8_t)i, .version = i % 2 ? 5 : 4};
	end = w->now + 30000 * MS;
	while (turn(w))
		assert_true(w->now < end);
	assert_true(world_until(w, at_rest, 5000));
	each_once(w);
	assert_true(cuts > CLIENTS * 4);
	for (uint32_t k = 0; k < 2; k++) {
		const struct pw_device_counters *c =
			pw_forward_counters(pw_fleet_forward(w->fleet, k));

		assert_true(c->sessions_resumed > 0);
		assert_int_equal(c->sessions_not_kept + c->overtaken + c->claims_dropped, 0);
	}
	pw_fleet_stop(w->fleet);
	world_destroy(w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sessions_of_qos_2_go_from_lcore_to_lcore),
	};
	cpu_set_t cpus;

	/* Three lcores on two CPUs, or on one where there is no second. */
	CPU_ZERO(&cpus);
	(void)sched_getaffinity(0, sizeof(cpus), &cpus);
	(void)test_eal_init_with(CPU_ISSET(0, &cpus) && CPU_ISSET(1, &cpus) ? "0@0,1@0,2@1"
									    : "(0-2)@0",
				 256, NULL, 0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
