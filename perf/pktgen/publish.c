/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Publishing, and the window of exchanges of QoS 1 and 2. Packet identifiers of a device count
 * round from 1 to 65535, so an answer finds its place in the window by subtraction.
 */
#include <string.h>

#include <rte_debug.h>
#include <rte_prefetch.h>

#include <pubwire/mqtt/frame.h>

#include "clock.h"
#include "device.h"
#include "frames.h"
#include "payload.h"
#include "shape.h"

#define SCAN	  256 /* devices looked at beyond four a message */
#define IDS	  65535
#define MSS	  1448 /* of 1500 bytes, with timestamps */
#define HALF_WAIT (100 * CLOCK_MS)
#define UNSENT	  65536 /* bytes that a device may have on their way before it waits */

#define AHEAD	  8 /* devices whose turn comes soon are brought into the cache */

static uint8_t out[PAYLOAD_MAX + MSS + SHAPE_HEAD];

/* Messages of a segment, by what they can be written from, and again where it was lost. */
struct batch {
	uint64_t first; /* stamps: see struct publish_due */
	double step;
	uint32_t done;
	uint32_t seq;
	uint16_t turn; /* of their shapes */
	uint16_t id;
	uint16_t n;
};

static_assert(sizeof(struct batch) <= sizeof(struct lite_note), "lite keeps it");

static uint16_t
id_after(uint16_t id, uint32_t ahead)
{
	return (uint16_t)((id - 1 + ahead) % IDS + 1);
}

static uint16_t
id_at(const struct device *dev, uint32_t ahead)
{
	return id_after(dev->first, ahead);
}

static void
settle_first(const struct devices *d, struct device *dev)
{
	while (dev->inflight > 0 && (dev->over & 1)) {
		dev->over >>= 1;
		dev->received >>= 1;
		dev->first = id_at(dev, 1);
		dev->slot = (uint8_t)((dev->slot + 1) % d->o->inflight);
		dev->inflight--;
	}
}

/* From when a message was due to the end of its exchange. */
static void
measure(struct devices *d, struct device *dev, uint32_t ahead, uint64_t now)
{
	uint64_t due = *device_due(d, dev, ahead);

	if (due >= d->from && due < d->to)
		pw_hist_record(&d->puback, now > due ? now - due : 0);
}

bool
device_answer(struct devices *d, struct device *dev, uint8_t type, uint16_t id, uint64_t now)
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
	measure(d, dev, ahead, now);
	settle_first(d, dev);
	return true;
}

/* Messages that a device may send now. */
static uint32_t
room(const struct devices *d, const struct device *dev)
{
	uint32_t unacked;

	if (dev->state != DEVICE_UP || dev->silent || dev->half != NULL)
		return 0;
	unacked = d->lite != NULL ? lite_unacked(d->lite, device_number(d, dev))
				  : pw_tcp_unacked(dev->conn);
	if (unacked > UNSENT)
		return 0;
	return d->o->qos == 0 ? UINT32_MAX : d->o->inflight - dev->inflight;
}

/* Where a light TCP takes so many messages without a copy; NULL where they need not fit. */
static uint8_t *
begin(struct devices *d, uint32_t device, uint32_t n)
{
	uint32_t mss = lite_mss(d->lite), largest = shapes_largest();

	if (d->o->per_segment == OPTIONS_FULL ? d->o->nb_sizes > 1 || largest > MSS || mss < MSS
					      : (uint64_t)largest * n > mss)
		return NULL;
	return lite_begin(d->lite, device, mss);
}

static uint64_t
stamp_of(const struct batch *b, uint32_t k)
{
	return b->first + (uint64_t)((b->done + k) * b->step);
}

static uint8_t *
write_message(const struct batch *b, uint32_t k, uint8_t *p, uint32_t device)
{
	return shape_write(shape_at(b->turn + k), p, device, id_after(b->id, k), b->seq + k,
			   stamp_of(b, k));
}

void
publish_again(uint32_t device, const struct lite_note *note, uint8_t *p, uint32_t len)
{
	const uint8_t *end = p + len;
	struct batch b;

	memcpy(&b, note, sizeof(b));
	for (uint32_t k = 0; k < b.n; k++)
		p = write_message(&b, k, p, device);
	RTE_VERIFY(p == end);
}

/* One segment's worth of a device; returns the messages. */
static uint32_t
send_some(struct devices *d, struct device *dev, uint32_t n, const struct publish_due *due,
	  uint32_t done)
{
	uint32_t device = (uint32_t)(dev - d->dev), bytes = 0;
	const bool full = d->o->per_segment == OPTIONS_FULL;
	uint8_t *direct = d->lite != NULL ? begin(d, device, n) : NULL;
	uint8_t *start = direct != NULL ? direct : out, *p = start;
	struct batch b = {.first = due->first,
			  .step = due->step,
			  .done = done,
			  .seq = dev->seq,
			  .turn = shape_turn(),
			  .id = id_at(dev, dev->inflight)};
	uint32_t sent;

	for (; b.n < n; b.n++) {
		const struct shape *s = shape_at(b.turn + b.n);

		if (p + s->total > (full && b.n > 0 ? start + MSS : start + sizeof(out)))
			break;
		if (d->o->qos > 0)
			*device_due(d, dev, dev->inflight + b.n) = stamp_of(&b, b.n);
		p = write_message(&b, b.n, p, device);
		bytes += s->payload;
	}
	sent = b.n;
	shape_took(sent);
	if (direct != NULL) {
		struct lite_note note = {0};

		memcpy(&note, &b, sizeof(b));
		lite_commit(d->lite, device, (uint32_t)(p - start), &note);
	} else if (sent == 0 || device_send(d, dev, out, (uint32_t)(p - out)) < 0) {
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

/*
 * Slow devices. The first half of a message leaves at once, the rest after a while; nothing else
 * may leave in between. All wait equally long, so the first in the list is due first.
 */
static uint32_t
send_slowly(struct devices *d, struct device *dev, uint64_t stamp, uint64_t now)
{
	const struct shape *s = shape_next();
	uint32_t device = (uint32_t)(dev - d->dev);

	(void)shape_write(s, out, device, id_at(dev, dev->inflight), dev->seq, stamp);
	if (device_send(d, dev, out, s->total / 2) < 0) {
		d->count.no_buffer++;
		return 0;
	}
	dev->half = s;
	dev->half_stamp = stamp;
	dev->half_due = now + HALF_WAIT;
	dev->half_listed = true;
	dev->half_next = 0;
	if (d->half_tail != 0)
		d->dev[d->half_tail - 1].half_next = device + 1;
	else
		d->half_head = device + 1;
	d->half_tail = device + 1;
	d->count.messages++;
	d->count.halves++;
	d->count.bytes += s->payload;
	return 1;
}

bool
device_send_half(struct devices *d, struct device *dev)
{
	const struct shape *s = dev->half;
	uint32_t first = s->total / 2;

	(void)shape_write(s, out, (uint32_t)(dev - d->dev), id_at(dev, dev->inflight), dev->seq,
			  dev->half_stamp);
	if (device_send(d, dev, out + first, s->total - first) < 0) {
		d->count.no_buffer++;
		return false;
	}
	dev->half = NULL;
	dev->seq++;
	if (d->o->qos > 0) {
		*device_due(d, dev, dev->inflight) = dev->half_stamp;
		dev->inflight++;
	}
	return true;
}

uint32_t
devices_send_halves(struct devices *d, uint64_t now)
{
	uint32_t done = 0;

	while (d->half_head != 0) {
		struct device *dev = &d->dev[d->half_head - 1];

		if (now < dev->half_due)
			break;
		/* It may have gone, or said the rest when it took leave. */
		if (dev->half != NULL) {
			if (!device_send_half(d, dev))
				break;
			device_read(d, dev, now);
		}
		d->half_head = dev->half_next;
		if (d->half_head == 0)
			d->half_tail = 0;
		dev->half_listed = false;
		done++;
	}
	return done;
}

static void
fetch(const struct devices *d, uint32_t device)
{
	if (device >= d->opened)
		return;
	rte_prefetch0(&d->dev[device]);
	if (d->lite != NULL)
		lite_prefetch(d->lite, device);
}

uint32_t
devices_publish(struct devices *d, uint32_t n, const struct publish_due *due, uint32_t per_segment)
{
	uint32_t done = 0;

	/* Each device once at most, so that a segment is what was asked for. */
	for (uint32_t i = 0; i < d->opened && done < n && i < 4 * n + SCAN; i++) {
		struct device *dev = &d->dev[d->next];
		uint32_t most;

		d->next = d->next + 1 < d->opened ? d->next + 1 : 0;
		fetch(d, d->next + AHEAD);
		most = RTE_MIN(RTE_MIN(room(d, dev), per_segment), n - done);
		if (dev->slow && !dev->half_listed && most > 0) {
			done += send_slowly(d, dev, due->first + (uint64_t)(done * due->step),
					    due->now);
			continue;
		}
		/* Not half a batch, where the window of the device has no room for a whole one. */
		if (most > 0 && (d->o->qos == 0 || most >= RTE_MIN(per_segment, d->o->inflight) ||
				 most == n - done || per_segment == OPTIONS_FULL))
			done += send_some(d, dev, most, due, done);
	}
	return done;
}
