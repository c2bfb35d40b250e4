/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SOCKGEN_BROKER_H
#define SOCKGEN_BROKER_H

/*
 * Brokers that keep nothing: they take every CONNECT, acknowledge every PUBLISH at once, and hold
 * what comes against what the devices of this process have sent.
 */

#include <stdbool.h>
#include <stdint.h>

#include <pubwire/base/histogram.h>

#include "args.h"
#include "order.h"
#include "stream.h"

#define BROKER_COUNTERS(X)                                                                         \
	X(connects, "Connections")                                                                 \
	X(gone, "Of them, those that ended")                                                       \
	X(messages, "Messages received")                                                           \
	X(bytes, "Bytes of payload in them")                                                       \
	X(corrupt, "Messages with a byte that was not sent so, or of nobody")                      \
	X(wrong_qos, "Messages of another QoS than they were sent with")                           \
	X(marked_dup, "Messages with the DUP flag")                                                \
	X(strange, "Packets that a broker does not expect, or that make no sense")

#define BROKER_FIELD(name, text) uint64_t name;
struct broker_counters {
	BROKER_COUNTERS(BROKER_FIELD)
};
#undef BROKER_FIELD

struct broker {
	struct stream s;      /* first; listens */
	uint32_t connections; /* whose CONNECT has come */
	uint64_t messages;
	struct order *order; /* one for each device */
	struct order_counts counts;
};

struct broker_conn {
	struct stream s; /* first */
	struct broker *broker;
	uint8_t version; /* enum pw_mqtt_version, once CONNECT has come */
};

struct brokers {
	const struct options *o;
	struct broker broker[OPTIONS_BROKERS];
	struct broker_conn *conn;
	uint32_t nb_conns, max_conns;
	uint64_t from, to; /* ns; messages that were due in between are measured */
	uint64_t measured; /* messages that arrived then */
	struct broker_counters count;
	struct pw_hist latency; /* of those due then */
};

/* 0 or -1 with a line on stderr. */
int brokers_create(struct brokers *k, const struct args *a);
void brokers_destroy(struct brokers *k);

/* Events of a listener and of a connection. */
void broker_accept(struct brokers *k, struct broker *b);
void broker_event(struct brokers *k, struct broker_conn *c, uint32_t events);

/* True once every broker has a connection. */
bool brokers_ready(const struct brokers *k);

/* Messages of device i, that has sent so many, which are missing at its end. */
uint64_t brokers_lost(const struct brokers *k, uint32_t device, uint32_t sent);

struct order_counts brokers_counts(const struct brokers *k);

#endif
