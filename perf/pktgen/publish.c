/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Publishing, and the window of exchanges of QoS 1 and 2. Packet identifiers of a device count
 * round from 1 to 65535, so an answer finds its place in the window by subtraction.
 */
#include <pubwire/mqtt/frame.h>

#include "device.h"
#include "frames.h"
#include "payload.h"
#include "shape.h"

#define IDS    65535
#define MSS    1448  /* of 1500 bytes, with timestamps */
#define UNSENT 65536 /* bytes that a device may have on their way before it waits */

static uint8_t out[PAYLOAD_MAX + MSS + SHAPE_HEAD];

static uint16_t
id_at(const struct device *dev, uint32_t ahead)
{
	return (uint16_t)((dev->first - 1 + ahead) % IDS + 1);
}

static void
settle_first(struct device *dev)
{
	while (dev->inflight > 0 && (dev->over & 1)) {
		dev->over >>= 1;
		dev->received >>= 1;
		dev->first = id_at(dev, 1);
		dev->inflight--;
	}
}

bool
device_answer(struct devices *d, struct device *dev, uint8_t type, uint16_t id)
{
	uint32_t ahead = (uint32_t)(id - dev->first + IDS) % IDS;
	uint64_t bit;

	if (d->o->qos == 0 || (d->o->qos == 1) != (type == PW_MQTT_PUBACK))
		return false;
	if (id == 0 || ahead >= dev->inflight)
		return false;
	bit = UINT64_C(1) << ahead;
	if ((dev->over & bit) || !(dev->received & bit) != (type != PW_MQTT_PUBCOMP))
		return false;
	if (type == PW_MQTT_PUBREC) {
		dev->received |= bit;
		return true;
	}
	dev->over |= bit;
	d->count.settled++;
	settle_first(dev);
	return true;
}

/* Messages that a device may send now. */
static uint32_t
room(const struct devices *d, const struct device *dev)
{
	if (dev->state != DEVICE_UP || dev->silent || pw_tcp_unacked(dev->conn) > UNSENT)
		return 0;
	return d->o->qos == 0 ? UINT32_MAX : d->o->inflight - dev->inflight;
}

/* One segment's worth of a device; returns the messages. */
static uint32_t
send_some(struct devices *d, struct device *dev, uint32_t n, const struct publish_due *due,
	  uint32_t done)
{
	uint32_t device = (uint32_t)(dev - d->dev), sent = 0, bytes = 0;
	const bool full = d->o->per_segment == OPTIONS_FULL;
	uint8_t *p = out;

	while (sent < n) {
		const struct shape *s = shape_next();

		if (p + s->total > out + sizeof(out))
			break;
		p = shape_write(s, p, device, id_at(dev, dev->inflight + sent), dev->seq + sent,
				due->first + (uint64_t)((done + sent) * due->step));
		bytes += s->payload;
		sent++;
		if (full && (uint32_t)(p - out) + s->total > MSS)
			break;
	}
	if (sent == 0 || pw_tcp_send_copy(d->tcp, dev->conn, out, (uint32_t)(p - out)) < 0) {
		d->count.no_buffer++;
		return 0;
	}
	dev->seq += sent;
	if (d->o->qos > 0)
		dev->inflight = (uint8_t)(dev->inflight + sent);
	d->count.messages += sent;
	d->count.bytes += bytes;
	return sent;
}

uint32_t
devices_publish(struct devices *d, uint32_t n, const struct publish_due *due, uint32_t per_segment)
{
	uint32_t done = 0;

	/* Each device once at most, so that a segment is what was asked for. */
	for (uint32_t i = 0; i < d->opened && done < n; i++) {
		struct device *dev = &d->dev[d->next];
		uint32_t most;

		d->next = d->next + 1 < d->opened ? d->next + 1 : 0;
		most = RTE_MIN(RTE_MIN(room(d, dev), per_segment), n - done);
		/* Not half a batch, where the window of the device has no room for a whole one. */
		if (most > 0 && (d->o->qos == 0 || most >= RTE_MIN(per_segment, d->o->inflight) ||
				 most == n - done || per_segment == OPTIONS_FULL))
			done += send_some(d, dev, most, due, done);
		if (i >= 4 * n + 256)
			break;
	}
	return done;
}
