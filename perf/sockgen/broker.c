/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <pubwire/mqtt/frame.h>

#include "broker.h"
#include "now.h"
#include "payload.h"
#include "socket.h"

#define SPARE_CONNS 1024

/* What is found in one read of a connection. */
struct reading {
	struct brokers *k;
	struct broker_conn *c;
	uint64_t now;
	uint32_t n;
	uint8_t out[16384]; /* answers */
};

static int
send_out(struct reading *r)
{
	uint32_t n = r->n;

	r->n = 0;
	return n == 0 ? 0 : stream_send(&r->c->s, r->out, n);
}

static int
answer(struct reading *r, const uint8_t *bytes, uint32_t len)
{
	if (r->n + len > sizeof(r->out)) {
		int rc = send_out(r);

		if (rc < 0)
			return rc;
	}
	memcpy(r->out + r->n, bytes, len);
	r->n += len;
	return 0;
}

static void
judge(struct reading *r, const uint8_t *payload, uint32_t len)
{
	struct broker *b = r->c->broker;
	struct brokers *k = r->k;
	struct payload_stamp stamp;

	k->count.messages++;
	k->count.bytes += len;
	b->messages++;
	if (r->now >= k->from && r->now < k->to)
		k->measured++;
	if (!payload_read(payload, len, &stamp) || stamp.sender >= k->o->connections) {
		k->count.corrupt++;
		return;
	}
	order_take(&b->order[stamp.sender], &b->counts, stamp.seq);
	if (stamp.sent >= k->from && stamp.sent < k->to)
		pw_hist_record(&k->latency, r->now > stamp.sent ? r->now - stamp.sent : 0);
}

static int
connect(struct reading *r, const uint8_t *p, uint32_t len, uint32_t head)
{
	static const uint8_t v5[5] = {PW_MQTT_CONNACK << 4, 3}, v3[4] = {PW_MQTT_CONNACK << 4, 2};
	struct broker_conn *c = r->c;

	if (c->version != 0 || len <= head + 6)
		return -EBADMSG;
	c->version = p[head + 6] == PW_MQTT_5 ? PW_MQTT_5 : PW_MQTT_3_1_1;
	c->broker->connections++;
	return c->version == PW_MQTT_5 ? answer(r, v5, sizeof(v5)) : answer(r, v3, sizeof(v3));
}

/* A device's, and they all speak 3.1.1: no forwarder makes another version of it. */
static int
publish(struct reading *r, const uint8_t *p, uint32_t len, uint32_t head)
{
	uint8_t qos = p[0] >> 1 & 3;
	uint32_t at = head, id;

	if (r->c->version != PW_MQTT_3_1_1 || len - at < 2)
		return -EBADMSG;
	at += 2 + (uint32_t)(p[at] << 8 | p[at + 1]);
	id = at;
	at += qos > 0 ? 2 : 0;
	if (at > len)
		return -EBADMSG;
	r->k->count.wrong_qos += qos != r->k->o->qos;
	r->k->count.marked_dup += p[0] >> 3 & 1;
	judge(r, p + at, len - at);
	if (qos == 0)
		return 0;
	return answer(r, (uint8_t[]){PW_MQTT_PUBACK << 4, 2, p[id], p[id + 1]}, 4);
}

static int
on_packet(void *ctx, const uint8_t *p, uint32_t len, uint32_t head)
{
	struct reading *r = ctx;

	switch (p[0] >> 4) {
	case PW_MQTT_CONNECT:
		return connect(r, p, len, head);
	case PW_MQTT_PUBLISH:
		return publish(r, p, len, head);
	case PW_MQTT_PINGREQ:
		return answer(r, (uint8_t[]){PW_MQTT_PINGRESP << 4, 0}, 2);
	case PW_MQTT_DISCONNECT:
		return 0;
	default:
		r->k->count.strange++;
		return 0;
	}
}

static void
gone(struct brokers *k, struct broker_conn *c)
{
	k->count.gone++;
	if (c->version != 0)
		c->broker->connections--;
	stream_close(&c->s);
}

void
broker_event(struct brokers *k, struct broker_conn *c, uint32_t events)
{
	struct reading r;
	int rc = 0;

	if (events & EPOLLOUT)
		rc = stream_flush(&c->s);
	if (rc == 0 && (events & ~(uint32_t)EPOLLOUT)) {
		r.k = k;
		r.c = c;
		r.n = 0;
		r.now = now_ns();
		rc = stream_read(&c->s, on_packet, &r);
		k->count.strange += rc == -EBADMSG;
		if (rc == 0)
			rc = send_out(&r);
	}
	if (rc < 0)
		gone(k, c);
}

void
broker_accept(struct brokers *k, struct broker *b)
{
	struct broker_conn *c = NULL;
	int fd = socket_accept(b->s.fd);

	if (fd < 0)
		return;
	if (k->nb_conns < k->max_conns)
		c = &k->conn[k->nb_conns++];
	for (uint32_t i = 0; c == NULL && i < k->max_conns; i++) {
		if (k->conn[i].s.fd < 0)
			c = &k->conn[i];
	}
	if (c == NULL) {
		close(fd);
		return;
	}
	c->broker = b;
	c->version = 0;
	k->count.connects++;
	if (stream_open(&c->s, STREAM_BROKER, fd) < 0)
		gone(k, c);
}

int
brokers_create(struct brokers *k, const struct args *a)
{
	k->o = &a->o;
	/* One for each device where they are proxied; else a forwarder has a few. */
	k->max_conns = k->o->connections + SPARE_CONNS;
	k->conn = calloc(k->max_conns, sizeof(*k->conn));
	if (k->conn == NULL)
		return -1;
	for (uint32_t i = 0; i < k->o->brokers; i++) {
		struct broker *b = &k->broker[i];
		int fd = socket_listen(k->o->broker + i, k->o->broker_port), rc = fd;

		if (fd >= 0)
			rc = stream_open(&b->s, STREAM_LISTENER, fd);
		if (rc < 0) {
			fprintf(stderr, "sockgen: broker %u cannot listen: %s\n", i, strerror(-rc));
			return -1;
		}
		b->order = calloc(k->o->connections, sizeof(*b->order));
		if (b->order == NULL)
			return -1;
	}
	return 0;
}

void
brokers_destroy(struct brokers *k)
{
	for (uint32_t i = 0; i < k->nb_conns; i++)
		stream_close(&k->conn[i].s);
	for (uint32_t i = 0; k->conn != NULL && i < k->o->brokers; i++) {
		if (k->broker[i].s.fd > 0)
			stream_close(&k->broker[i].s);
		free(k->broker[i].order);
	}
	free(k->conn);
}

bool
brokers_ready(const struct brokers *k)
{
	for (uint32_t i = 0; i < k->o->brokers; i++) {
		if (k->broker[i].connections == 0)
			return false;
	}
	return true;
}

uint64_t
brokers_lost(const struct brokers *k, uint32_t device, uint32_t sent)
{
	uint64_t lost = 0;

	for (uint32_t i = 0; i < k->o->brokers; i++)
		lost += sent - k->broker[i].order[device].next;
	return lost;
}

struct order_counts
brokers_counts(const struct brokers *k)
{
	struct order_counts sum = {0};

	for (uint32_t i = 0; i < k->o->brokers; i++) {
#define BROKER_SUM(name, text) sum.name += k->broker[i].counts.name;
		ORDER_COUNTS(BROKER_SUM)
#undef BROKER_SUM
	}
	return sum;
}
