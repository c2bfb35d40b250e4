/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include <rte_common.h>

#include <pubwire/mqtt/packet.h>

#include "client.h"
#include "payload.h"
#include "shape.h"
#include "socket.h"

#define OPENING_MAX 64 /* handshakes at a time */
#define IDS	    65535
#define MSS	    1448 /* of 1500 bytes, with timestamps: what "full" fills */

static uint8_t out[PAYLOAD_MAX + MSS + SHAPE_HEAD];

/* Connecting. */

static void
gone(struct clients *d, struct client *c)
{
	if (c->state == CLIENT_UP)
		d->up--;
	else
		d->opening--;
	d->broken++;
	d->failure = "a device's connection ended";
	c->state = CLIENT_DOWN;
	stream_close(&c->s);
}

uint32_t
clients_open(struct clients *d)
{
	uint32_t done = 0;

	for (; d->opened < d->n && d->opening < OPENING_MAX; done++) {
		struct client *c = &d->client[d->opened++];
		int fd = socket_connect(d->o->target, d->o->target_port);

		if (fd < 0 || stream_open(&c->s, STREAM_DEVICE, fd) < 0) {
			d->failure = "a device finds no socket";
			break;
		}
		c->state = CLIENT_OPENING;
		d->opening++;
	}
	return done;
}

static int
say_connect(struct clients *d, struct client *c)
{
	char id[24];
	const struct pw_mqtt_connect_out connect = {
		.version = d->o->version,
		.clean = true,
		.client_id = {id, (uint32_t)snprintf(id, sizeof(id), "sockgen-%07u",
						     (uint32_t)(c - d->client))},
	};
	uint8_t bytes[128];
	int n = pw_mqtt_encode_connect(bytes, sizeof(bytes), &connect);

	c->state = CLIENT_SAYING;
	return n < 0 ? n : stream_send(&c->s, bytes, (uint32_t)n);
}

/* What they are told. Identifiers count round from 1, so a message's place is a subtraction. */

static uint16_t
id_at(const struct client *c, uint32_t ahead)
{
	return (uint16_t)((c->first - 1 + ahead) % IDS + 1);
}

static bool
acknowledged(struct clients *d, struct client *c, uint16_t id)
{
	uint32_t ahead = (uint32_t)(id - c->first + IDS) % IDS;
	uint64_t bit = UINT64_C(1) << (ahead & 63);

	if (id == 0 || ahead >= c->inflight || (c->over & bit))
		return false;
	c->over |= bit;
	d->settled++;
	while (c->inflight > 0 && (c->over & 1)) {
		c->over >>= 1;
		c->first = id_at(c, 1);
		c->inflight--;
	}
	return true;
}

struct reading {
	struct clients *d;
	struct client *c;
};

static int
on_packet(void *ctx, const uint8_t *p, uint32_t len, uint32_t head)
{
	struct reading *r = ctx;
	struct clients *d = r->d;
	struct client *c = r->c;

	if (len < head + 2)
		return -EBADMSG;
	if (p[0] >> 4 == PW_MQTT_CONNACK && c->state == CLIENT_SAYING) {
		if (p[head + 1] != 0) {
			d->refused++;
			return -ECONNREFUSED;
		}
		c->state = CLIENT_UP;
		d->opening--;
		d->up++;
	} else if (p[0] >> 4 != PW_MQTT_PUBACK ||
		   !acknowledged(d, c, (uint16_t)(p[head] << 8 | p[head + 1]))) {
		d->strange++;
	}
	return 0;
}

void
client_event(struct clients *d, struct client *c, uint32_t events)
{
	struct reading r = {d, c};
	int rc = 0;

	if ((events & EPOLLOUT) && c->state == CLIENT_OPENING && !(events & EPOLLERR))
		rc = say_connect(d, c);
	if (rc == 0 && (events & EPOLLOUT))
		rc = stream_flush(&c->s);
	if (rc == 0 && (events & ~(uint32_t)EPOLLOUT))
		rc = stream_read(&c->s, on_packet, &r);
	if (rc < 0)
		gone(d, c);
}

/* Publishing. */

/* Messages that a client may send now. */
static uint32_t
room(const struct clients *d, const struct client *c)
{
	if (c->state != CLIENT_UP || stream_waits(&c->s))
		return 0;
	return d->o->qos == 0 ? UINT32_MAX : d->o->inflight - c->inflight;
}

/* One write; returns the messages in it. */
static uint32_t
write_some(struct clients *d, struct client *c, uint32_t n, uint64_t first, double step)
{
	const bool full = d->o->per_segment == OPTIONS_FULL;
	uint32_t sent = 0;
	uint8_t *p = out;

	while (sent < n) {
		const struct shape *s = shape_next();

		if (p + s->total > out + sizeof(out))
			break;
		p = shape_write(s, p, (uint32_t)(c - d->client), id_at(c, c->inflight + sent),
				c->seq + sent, first + (uint64_t)(sent * step));
		sent++;
		if (full && (uint32_t)(p - out) + s->total > MSS)
			break;
	}
	if (stream_send(&c->s, out, (uint32_t)(p - out)) < 0) {
		gone(d, c);
		return 0;
	}
	c->seq += sent;
	if (d->o->qos > 0)
		c->inflight = (uint8_t)(c->inflight + sent);
	d->messages += sent;
	return sent;
}

uint32_t
clients_publish(struct clients *d, uint32_t n, uint64_t first, double step)
{
	const uint32_t per = d->o->per_segment;
	uint32_t done = 0;

	/* Each client once at most, so that a write is what was asked for. */
	for (uint32_t i = 0; i < d->opened && done < n; i++) {
		struct client *c = &d->client[d->next];
		uint32_t most = RTE_MIN(RTE_MIN(room(d, c), per), n - done);

		d->next = d->next + 1 < d->opened ? d->next + 1 : 0;
		/* Not half a batch, where the window of the client has no room for a whole one. */
		if (most > 0 && (d->o->qos == 0 || most >= RTE_MIN(per, d->o->inflight) ||
				 most == n - done || per == OPTIONS_FULL))
			done += write_some(d, c, most, first + (uint64_t)(done * step), step);
	}
	return done;
}

int
clients_create(struct clients *d, const struct args *a)
{
	*d = (struct clients){.o = &a->o, .n = a->o.connections};
	d->client = calloc(d->n, sizeof(*d->client));
	if (d->client == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < d->n; i++) {
		d->client[i].s.fd = -1;
		d->client[i].first = 1;
	}
	return 0;
}

void
clients_destroy(struct clients *d)
{
	for (uint32_t i = 0; d->client != NULL && i < d->n; i++)
		stream_close(&d->client[i].s);
	free(d->client);
}
