/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PKTGEN_DEVICE_H
#define PKTGEN_DEVICE_H

/*
 * Devices: MQTT clients over lib/tcp, each with an address and port of its own, brought up at a
 * bounded rate and kept up. device.c is their life, publish.c what they send.
 */

#include <stdbool.h>
#include <stdint.h>

#include <pubwire/base/counter.h>
#include <pubwire/base/histogram.h>
#include <pubwire/tcp/tcp.h>

#include "lite.h"
#include "options.h"
#include "shape.h"

#define DEVICE_COUNTERS(X)                                                                         \
	X(connects, "Connections opened")                                                          \
	X(accepted, "CONNACK packets that accept")                                                 \
	X(refused, "CONNACK packets that refuse")                                                  \
	X(broken, "Connections that ended though nobody here ended them")                          \
	X(messages, "Messages sent")                                                               \
	X(bytes, "Bytes of payload in them")                                                       \
	X(settled, "Messages of QoS 1 and 2 whose exchange is over")                               \
	X(refusals, "Of them, those with a reason code that refuses")                              \
	X(unsettled, "Messages whose exchange ended with their connection")                        \
	X(strange, "Packets that nobody asked for, or that make no sense")                         \
	X(halves, "Messages sent in two halves")                                                   \
	X(pings, "PINGREQ packets sent")                                                           \
	X(no_buffer, "Times that a device could not send for want of a buffer")

PW_COUNTER_STRUCT(device_counters, DEVICE_COUNTERS);

enum device_state {
	DEVICE_DOWN,
	DEVICE_OPENING, /* TCP's handshake */
	DEVICE_SAYING,	/* CONNECT is sent */
	DEVICE_UP,
	DEVICE_LEAVING,
};

struct device {
	struct pw_tcp_conn *conn; /* NULL over lite */
	uint64_t over;		  /* bit i: the exchange of first + i is over */
	uint64_t received;	  /* bit i: its PUBREC has come */
	uint64_t retry;		  /* ns; not opened before */
	const struct shape *half; /* of the message of which half is sent, NULL none */
	uint64_t half_stamp;	  /* ns */
	uint64_t half_due;	  /* ns; the rest follows then */
	uint32_t half_next;	  /* device that is due after this one, one above its number */
	uint32_t seq;		  /* of the next message */
	uint16_t first;		  /* packet identifier of the oldest exchange */
	uint16_t generation;	  /* connections so far, less one */
	uint8_t inflight;	  /* exchanges from first on, over or not */
	uint8_t slot;		  /* of the oldest exchange in devices' due */
	uint8_t state;		  /* enum device_state */
	bool silent;
	bool slow;
	bool half_listed; /* among those that are due */
};

struct devices {
	const struct options *o;
	struct pw_tcp *tcp; /* one of both */
	struct lite *lite;
	struct device *dev;
	uint32_t n;
	uint32_t nb_opening; /* OPENING and SAYING */
	uint32_t nb_up;
	uint32_t opened;	       /* all below this have been opened once */
	uint32_t revive;	       /* where the search for devices to open again stands */
	uint32_t ping, churn;	       /* whose turn it is */
	uint32_t next;		       /* to publish */
	uint32_t half_head, half_tail; /* devices with half a message, one above their numbers */
	uint32_t left;		       /* all below this have been told to leave */
	bool leaving;		       /* nobody is opened any more */
	uint64_t connect_due, ping_due, churn_due; /* ns */
	uint64_t *due;	   /* ns, of each exchange: o->inflight a device; NULL at QoS 0 */
	uint64_t from, to; /* exchanges that were due in between are measured (ns) */
	struct device_counters count;
	struct pw_hist puback; /* of those due then, to the end of the exchange */
};

/* 0 or -ENOMEM. */
int devices_create(struct devices *d, const struct options *o, uint64_t now);

/* Their TCP: one that was built, or the light one, of which they are the application. */
void devices_use_tcp(struct devices *d, struct pw_tcp *tcp);
int devices_use_lite(struct devices *d, struct net *net, uint64_t now);

/* Receive a burst, with all that follows from it. */
void devices_input(struct devices *d, struct rte_mbuf **m, uint32_t n, uint64_t now);
/* Send what that has made due. */
void devices_flush(struct devices *d, uint64_t now);
uint32_t devices_conns(const struct devices *d);
void devices_destroy(struct devices *d);

/* Open, ping, renew or take leave, what is due; returns how much was done. */
uint32_t devices_turn(struct devices *d, uint64_t now);

/* From here on nobody is opened; turn by turn everybody says DISCONNECT and closes. */
void devices_leave(struct devices *d);
/* Reset some of those that have not gone; false where all have. */
bool devices_abort(struct devices *d, uint64_t now);

/*
 * Publish up to n messages, each device in its turn; fewer where devices wait for windows. due(k)
 * is the stamp of the k-th of them. Returns how many were sent.
 */
struct publish_due {
	uint64_t first; /* ns */
	double step;	/* ns from one to the next */
	uint64_t now;	/* ns */
};
uint32_t devices_publish(struct devices *d, uint32_t n, const struct publish_due *due,
			 uint32_t per_segment);

/* Write anew what was sent with a note. */
void publish_again(uint32_t device, const struct lite_note *note, uint8_t *p, uint32_t len);

/* Send what is due of halves; returns how many. */
uint32_t devices_send_halves(struct devices *d, uint64_t now);

/* The other half of a device's message, now. False where there is no room for it. */
bool device_send_half(struct devices *d, struct device *dev);

static inline uint32_t
device_number(const struct devices *d, const struct device *dev)
{
	return (uint32_t)(dev - d->dev);
}

/* Queue bytes; 0 or negative, and nothing is. */
static inline int
device_send(struct devices *d, struct device *dev, const void *data, uint32_t len)
{
	if (d->lite != NULL)
		return lite_send(d->lite, device_number(d, dev), data, len);
	return pw_tcp_send_copy(d->tcp, dev->conn, data, len);
}

/* Read what a device has been sent; not while half a message of its is on its way. */
void device_read(struct devices *d, struct device *dev, uint64_t now);

/* Where stands when a message was due: that of the exchange that comes so many after the oldest. */
static inline uint64_t *
device_due(struct devices *d, struct device *dev, uint32_t ahead)
{
	return &d->due[(size_t)device_number(d, dev) * d->o->inflight +
		       (dev->slot + ahead) % d->o->inflight];
}

/* A packet that answers a message: PUBACK, PUBREC, PUBCOMP. False where it is strange. */
bool device_answer(struct devices *d, struct device *dev, uint8_t type, uint16_t id, uint64_t now);

#endif
