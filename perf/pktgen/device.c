/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <rte_malloc.h>

#include <pubwire/mqtt/packet.h>

#include "clock.h"
#include "device.h"
#include "frames.h"
#include "payload.h"

PW_COUNTER_DESCRIBE(device_counters, DEVICE_COUNTERS);

#define OPENING_MAX 4096 /* handshakes at a time */
#define OPEN_BURST  64	 /* and begun in a turn */
#define FIRST_PORT  1024
#define PORTS	    64000
#define RETRY	    CLOCK_S
#define SCAN	    4096 /* devices looked at in a turn */

static const struct pw_tcp_ops ops;
static const struct lite_ops lite_ops;

/* Which of both TCPs. */

static int
link_open(struct devices *d, struct device *dev, uint32_t addr, uint16_t port, uint64_t now)
{
	const struct pw_flow flow = {
		.local = net_addr(addr),
		.remote = net_addr(d->o->target),
		.lport = port,
		.rport = d->o->target_port,
	};

	if (d->lite != NULL)
		return lite_connect(d->lite, device_number(d, dev), addr, port, now);
	return pw_tcp_connect(d->tcp, &flow, &ops, d, device_number(d, dev), &dev->conn, now);
}

static void
link_close(struct devices *d, struct device *dev, uint64_t now)
{
	if (d->lite != NULL)
		lite_close(d->lite, device_number(d, dev), now);
	else
		pw_tcp_close(d->tcp, dev->conn, now);
}

/* Connecting. */

/* Device i speaks from address i mod n; a port of its own, another one each time that it comes. */
static void
open_device(struct devices *d, struct device *dev, uint64_t now)
{
	uint32_t i = device_number(d, dev), addrs = net_range_size(&d->o->clients);
	uint32_t each = (d->n + addrs - 1) / addrs, ports = PORTS / each * each;
	uint32_t port = (i / addrs + (uint32_t)dev->generation * each) % ports;

	if (link_open(d, dev, d->o->clients.first + i % addrs, (uint16_t)(FIRST_PORT + port), now) <
	    0) {
		dev->generation++;
		dev->retry = now + RETRY;
		d->count.no_buffer++;
		return;
	}
	dev->state = DEVICE_OPENING;
	d->nb_opening++;
	d->count.connects++;
}

static void
connected(struct devices *d, struct device *dev)
{
	char id[24];
	struct pw_mqtt_connect_out out = {
		.version = d->o->version,
		.clean = true,
		.keepalive = d->o->keepalive,
		.client_id = {id, (uint32_t)snprintf(id, sizeof(id), "pktgen-%07u",
						     device_number(d, dev))},
	};
	uint8_t bytes[128];
	int n = pw_mqtt_encode_connect(bytes, sizeof(bytes), &out);

	dev->state = DEVICE_SAYING;
	if (n < 0 || device_send(d, dev, bytes, (uint32_t)n) < 0)
		d->count.no_buffer++;
}

static void
gone(struct devices *d, struct device *dev, uint64_t now)
{
	if (dev->state == DEVICE_UP)
		d->nb_up--;
	else if (dev->state != DEVICE_LEAVING)
		d->nb_opening--;
	if (dev->state != DEVICE_LEAVING) {
		d->count.broken++;
		dev->retry = now + RETRY;
	}
	d->count.unsettled += dev->inflight - (uint32_t)__builtin_popcountll(dev->over);
	dev->over = dev->received = 0;
	/* Half a message was counted, and its number is given away: it is missing at the end. */
	dev->seq += dev->half != NULL;
	dev->half = NULL;
	dev->inflight = 0;
	dev->first = 1;
	dev->state = DEVICE_DOWN;
	dev->generation++;
	dev->conn = NULL;
}

/* What they are told. */

struct reading {
	struct devices *d;
	struct device *dev;
	uint64_t now;
	uint8_t out[4096]; /* PUBREL packets */
	uint32_t n;
};

static void
connack(struct reading *r, uint8_t code)
{
	struct devices *d = r->d;

	if (r->dev->state != DEVICE_SAYING) {
		/* Who takes leave before it is answered is answered all the same. */
		d->count.strange += r->dev->state != DEVICE_LEAVING;
		return;
	}
	if (code != 0) {
		d->count.refused++;
		return;
	}
	d->count.accepted++;
	d->nb_opening--;
	d->nb_up++;
	r->dev->state = DEVICE_UP;
	r->dev->first = 1;
}

static int
send_out(struct reading *r)
{
	uint32_t n = r->n;

	r->n = 0;
	return n == 0 ? 0 : device_send(r->d, r->dev, r->out, n);
}

static int
answer(struct reading *r, const uint8_t *p, uint32_t len, uint32_t head)
{
	uint8_t type = p[0] >> 4;
	uint16_t id;

	if (len < head + 2)
		return -EBADMSG;
	id = (uint16_t)(p[head] << 8 | p[head + 1]);
	if (!device_answer(r->d, r->dev, type, id, r->now)) {
		r->d->count.strange++;
		return 0;
	}
	if (len > head + 2 && p[head + 2] >= 0x80)
		r->d->count.refusals++;
	if (type != PW_MQTT_PUBREC)
		return 0;
	if (r->n + 4 > sizeof(r->out) && send_out(r) < 0)
		return -ENOBUFS;
	memcpy(r->out + r->n, (uint8_t[]){PW_MQTT_PUBREL << 4 | 2, 2, p[head], p[head + 1]}, 4);
	r->n += 4;
	return 0;
}

static int
on_frame(void *ctx, const uint8_t *p, uint32_t len, uint32_t head)
{
	struct reading *r = ctx;

	switch (p[0] >> 4) {
	case PW_MQTT_PUBACK:
	case PW_MQTT_PUBREC:
	case PW_MQTT_PUBCOMP:
		return answer(r, p, len, head);
	case PW_MQTT_CONNACK:
		if (len < head + 2)
			return -EBADMSG;
		connack(r, p[head + 1]);
		return 0;
	case PW_MQTT_PINGRESP:
		return 0;
	case PW_MQTT_DISCONNECT:
		return 0; /* the end follows */
	default:
		r->d->count.strange++;
		return 0;
	}
}

void
device_read(struct devices *d, struct device *dev, uint64_t now)
{
	const uint32_t i = device_number(d, dev);
	struct pw_tcp_conn *c = dev->conn;
	struct reading r;
	int n;

	/* An answer in the midst of a message would be taken for a part of it. */
	if (dev->half != NULL)
		return;
	r.d = d;
	r.dev = dev;
	/* A second reading where something is measured: the turn may have begun well before. */
	r.now = d->o->qos > 0 ? clock_now() : now;
	r.n = 0;
	n = frames_walk(d->lite != NULL ? lite_rx(d->lite, i) : pw_tcp_rx_chain(c), on_frame, &r);
	if (n < 0)
		d->count.strange++;
	else if (d->lite != NULL)
		lite_consume(d->lite, i, (uint32_t)n);
	else
		pw_tcp_consume(d->tcp, c, (uint32_t)n);
	if (send_out(&r) < 0)
		d->count.no_buffer++;
	if (n < 0 || (d->lite != NULL ? lite_eof(d->lite, i) : pw_tcp_eof(c)))
		link_close(d, dev, now);
}

static void
on_connected(void *ctx, struct pw_tcp_conn *c, uint64_t now)
{
	struct devices *d = ctx;

	(void)now;
	connected(d, &d->dev[pw_tcp_user(c)]);
}

static void
on_readable(void *ctx, struct pw_tcp_conn *c, uint64_t now)
{
	struct devices *d = ctx;

	device_read(d, &d->dev[pw_tcp_user(c)], now);
}

static void
on_gone(void *ctx, struct pw_tcp_conn *c, enum pw_tcp_end why, uint64_t now)
{
	struct devices *d = ctx;

	(void)why;
	gone(d, &d->dev[pw_tcp_user(c)], now);
}

static const struct pw_tcp_ops ops = {
	.connected = on_connected, .readable = on_readable, .gone = on_gone};

static void
on_lite_connected(void *ctx, uint32_t i, uint64_t now)
{
	struct devices *d = ctx;

	(void)now;
	connected(d, &d->dev[i]);
}

static void
on_lite_readable(void *ctx, uint32_t i, uint64_t now)
{
	struct devices *d = ctx;

	device_read(d, &d->dev[i], now);
}

static void
on_lite_gone(void *ctx, uint32_t i, uint64_t now)
{
	struct devices *d = ctx;

	gone(d, &d->dev[i], now);
}

static void
on_lite_again(void *ctx, uint32_t i, const struct lite_note *note, uint8_t *p, uint32_t len)
{
	(void)ctx;
	publish_again(i, note, p, len);
}

static const struct lite_ops lite_ops = {.connected = on_lite_connected,
					 .readable = on_lite_readable,
					 .gone = on_lite_gone,
					 .again = on_lite_again};

void
devices_use_tcp(struct devices *d, struct pw_tcp *tcp)
{
	d->tcp = tcp;
}

int
devices_use_lite(struct devices *d, struct net *net, uint64_t now)
{
	const struct lite_conf conf = {
		.n = d->n,
		.net = net,
		.ops = &lite_ops,
		.ctx = d,
		.first_port = FIRST_PORT,
		.target = d->o->target,
		.target_port = d->o->target_port,
	};

	d->lite = lite_create(&conf, now);
	return d->lite == NULL ? -ENOMEM : 0;
}

void
devices_input(struct devices *d, struct rte_mbuf **m, uint32_t n, uint64_t now)
{
	if (d->lite != NULL) {
		lite_input(d->lite, m, n, now);
		lite_advance(d->lite, now);
		return;
	}
	if (n > 0)
		pw_tcp_input(d->tcp, m, n, now);
	pw_tcp_dispatch(d->tcp, now);
	pw_tcp_advance(d->tcp, now);
}

void
devices_flush(struct devices *d, uint64_t now)
{
	if (d->lite == NULL)
		pw_tcp_flush(d->tcp, now);
}

uint32_t
devices_conns(const struct devices *d)
{
	return d->lite != NULL ? lite_conns(d->lite) : pw_tcp_conns(d->tcp);
}

/* What is due. */

/* Of something that comes at a rate: how many are due, at most most. */
static uint32_t
due(uint64_t *next, uint64_t now, double rate, uint32_t most)
{
	double step = (double)CLOCK_S / rate;
	uint32_t n;

	if (now < *next)
		return 0;
	n = (uint32_t)RTE_MIN((double)(now - *next) / step + 1, (double)most);
	/* What was missed for longer than that is not made up for. */
	*next = RTE_MAX(*next + (uint64_t)((double)n * step), now > CLOCK_MS ? now - CLOCK_MS : 0);
	return n;
}

static uint32_t
open_due(struct devices *d, uint64_t now)
{
	uint32_t done = 0, n;

	if (d->nb_opening >= OPENING_MAX)
		return 0;
	if (d->opened == d->n && d->nb_up + d->nb_opening == d->n)
		return 0;
	n = due(&d->connect_due, now, d->o->connect_rate, OPEN_BURST);
	for (; done < n && d->opened < d->n; done++)
		open_device(d, &d->dev[d->opened++], now);
	for (uint32_t i = 0; done < n && d->opened == d->n && i < RTE_MIN(d->n, (uint32_t)SCAN);
	     i++) {
		struct device *dev = &d->dev[d->revive];

		d->revive = (d->revive + 1) % d->n;
		if (dev->state == DEVICE_DOWN && now >= dev->retry) {
			open_device(d, dev, now);
			done++;
		}
	}
	return done;
}

static uint32_t
ping_due(struct devices *d, uint64_t now)
{
	static const uint8_t ping[2] = {PW_MQTT_PINGREQ << 4, 0};
	uint32_t n = due(&d->ping_due, now, 2.0 * d->n / d->o->keepalive, OPEN_BURST);

	for (uint32_t i = 0; i < n; i++) {
		struct device *dev = &d->dev[d->ping];

		d->ping = (d->ping + 1) % d->n;
		/* Who is in the midst of a message speaks anyway. */
		if (dev->state == DEVICE_UP && dev->half == NULL &&
		    device_send(d, dev, ping, sizeof(ping)) == 0)
			d->count.pings++;
	}
	return n;
}

static void
leave(struct devices *d, struct device *dev, uint64_t now)
{
	static const uint8_t bye[2] = {PW_MQTT_DISCONNECT << 4, 0};

	if (dev->state == DEVICE_UP) {
		d->nb_up--;
		if (dev->half != NULL)
			(void)device_send_half(d, dev);
		if (device_send(d, dev, bye, sizeof(bye)) < 0)
			d->count.no_buffer++;
	} else {
		d->nb_opening--;
	}
	dev->state = DEVICE_LEAVING;
	link_close(d, dev, now);
}

static uint32_t
churn_due(struct devices *d, uint64_t now)
{
	uint32_t n;

	if (d->o->churn == 0 || d->opened < d->n)
		return 0;
	n = due(&d->churn_due, now, d->o->churn, OPEN_BURST);
	for (uint32_t i = 0; i < n; i++) {
		struct device *dev = &d->dev[d->churn];

		d->churn = (d->churn + 1) % d->n;
		/* Who goes in the midst of an exchange would leave a message in doubt. */
		if (dev->state == DEVICE_UP && dev->inflight == 0 && dev->half == NULL)
			leave(d, dev, now);
	}
	return n;
}

/* So many a turn that their segments find room at the port. */
static uint32_t
leave_some(struct devices *d, uint64_t now)
{
	uint32_t done = 0;

	for (uint32_t i = 0; i < SCAN && done < OPEN_BURST && d->left < d->opened; i++) {
		struct device *dev = &d->dev[d->left++];

		if (dev->state != DEVICE_DOWN && dev->state != DEVICE_LEAVING) {
			leave(d, dev, now);
			done++;
		}
	}
	return done;
}

uint32_t
devices_turn(struct devices *d, uint64_t now)
{
	if (d->leaving)
		return leave_some(d, now);
	return open_due(d, now) + devices_send_halves(d, now) + ping_due(d, now) +
	       churn_due(d, now);
}

void
devices_leave(struct devices *d)
{
	d->leaving = true;
	d->left = 0;
}

bool
devices_abort(struct devices *d, uint64_t now)
{
	uint32_t done = 0;

	for (; d->opened > 0 && done < OPEN_BURST; d->opened--) {
		struct device *dev = &d->dev[d->opened - 1];

		if (dev->state == DEVICE_DOWN)
			continue;
		if (d->lite != NULL)
			lite_abort(d->lite, d->opened - 1);
		else
			pw_tcp_abort(d->tcp, dev->conn, now);
		dev->conn = NULL;
		dev->state = DEVICE_DOWN;
		done++;
	}
	return d->opened > 0;
}

int
devices_create(struct devices *d, const struct options *o, uint64_t now)
{
	*d = (struct devices){.o = o, .n = o->connections};
	d->dev = rte_zmalloc("devices", sizeof(struct device) * (size_t)d->n, 64);
	if (d->dev == NULL)
		return -ENOMEM;
	if (o->qos > 0) {
		d->due = rte_zmalloc("due", sizeof(*d->due) * (size_t)d->n * o->inflight, 64);
		if (d->due == NULL)
			return -ENOMEM;
	}
	/* The silent and the slow ones are spread over all, the silent from the end. */
	for (uint32_t i = 0; i < d->n; i++) {
		d->dev[i].first = 1;
		d->dev[i].silent = (i * 37 + 36) % 100 < o->silent;
		d->dev[i].slow = (i * 37) % 100 < o->slow;
	}
	d->connect_due = d->ping_due = d->churn_due = now;
	return 0;
}

void
devices_destroy(struct devices *d)
{
	lite_destroy(d->lite);
	rte_free(d->due);
	rte_free(d->dev);
}
