/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PKTGEN_SINK_H
#define PKTGEN_SINK_H

/*
 * Brokers that keep nothing: they take every CONNECT, acknowledge every PUBLISH at once, and hold
 * what comes against what the devices of this process have sent.
 */

#include <stdbool.h>
#include <stdint.h>

#include <pubwire/base/counter.h>
#include <pubwire/base/histogram.h>
#include <pubwire/tcp/tcp.h>

#include "options.h"
#include "slots.h"
#include "order.h"

#define SINK_COUNTERS(X)                                                                           \
	X(connects, "Connections of pubwire")                                                      \
	X(gone, "Of them, those that ended")                                                       \
	X(messages, "Messages received")                                                           \
	X(bytes, "Bytes of payload in them")                                                       \
	X(corrupt, "Messages with a byte that was not sent so, or of nobody")                      \
	X(wrong_qos, "Messages of another QoS than they were sent with")                           \
	X(marked_dup, "Messages with the DUP flag")                                                \
	X(strange, "Packets that a broker does not expect, or that make no sense")                 \
	X(no_buffer, "Answers not sent for want of a buffer")

PW_COUNTER_STRUCT(sink_counters, SINK_COUNTERS);

#define SINK_CONNECTIONS 1024

struct sink_broker {
	struct sink *sink;
	uint32_t index;
	uint64_t messages;
	uint32_t connections; /* that are up: CONNECT has come */
	struct order *order;  /* one for each device; shared where a message goes to one broker */
	struct order_counts counts;
};

struct sink {
	const struct options *o;
	struct pw_tcp *tcp;
	struct sink_broker broker[OPTIONS_BROKERS];
	struct pw_tcp_conn *conn[SINK_CONNECTIONS];
	uint32_t nb_conns;
	uint64_t from, to; /* messages that were due in between are measured (ns) */
	uint64_t measured; /* messages that arrived then */
	struct sink_counters count;
	struct pw_hist latency; /* of those due then */
	struct slots *slots;	/* the same by when they were due, or NULL */
};

/* 0; -ENOMEM, or what pw_tcp_listen() says. */
int sink_create(struct sink *s, const struct options *o, struct pw_tcp *tcp);
void sink_destroy(struct sink *s);

/* Take no more connections, and close those that there are. */
void sink_leave(struct sink *s, uint64_t now);

/* What is missing at the end: gaps, and what device i, that has sent so many, sent last. */
uint64_t sink_lost(const struct sink *s, uint32_t device, uint32_t sent);

/*
 * Messages that every broker they are for has. Of what comes twice, one: the other does not stand
 * for one that is still on its way.
 */
uint64_t sink_delivered(const struct sink *s);

/* Sums over all brokers. */
struct order_counts sink_counts(const struct sink *s);

/* True once every broker has a connection. */
bool sink_ready(const struct sink *s);

#endif
