/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TEST_SUPPORT_MODEL_BROKER_H
#define TEST_SUPPORT_MODEL_BROKER_H

/**
 * @file
 * A broker as far as a forwarder sees it: takes CONNECT, keeps every PUBLISH in the order of
 * arrival, acknowledges at once or when the test says so; QoS 2 at once.
 */

#include "peer.h"

#define BROKER_MAX_CONNS   8
#define BROKER_MAX_RECORDS 4096
#define BROKER_PAYLOAD	   64

/** One PUBLISH that came. */
struct broker_record {
	uint32_t conn; /* which connection since the start, 0, 1, ... */
	uint8_t qos;
	bool dup;
	bool acked;
	uint16_t packet_id;
	uint32_t len;			 /* bytes of payload */
	uint64_t hash;			 /* of the whole payload */
	uint8_t payload[BROKER_PAYLOAD]; /* its beginning */
	char topic[32];
};

struct model_broker {
	struct peer *peer;
	bool hold_acks;	   /* PUBACKs wait for broker_ack() */
	bool hold_connack; /* CONNECT is read and not answered */
	uint32_t connects;
	uint32_t nb_conns; /* connections since the start */
	struct pw_tcp_conn *conn[BROKER_MAX_CONNS];
	uint8_t version[BROKER_MAX_CONNS];
	uint32_t number[BROKER_MAX_CONNS];
	uint32_t nb_records;
	struct broker_record record[BROKER_MAX_RECORDS];
};

/** Listen at an address of the peer. */
void broker_create(struct model_broker *b, struct peer *peer, const char *addr, uint16_t port);

/** Acknowledge up to n of the oldest QoS 1 messages of live connections; returns how many. */
uint32_t broker_ack(struct model_broker *b, uint32_t n);

/** Reset every connection. */
void broker_reset(struct model_broker *b, uint64_t now);

/** Hash of a payload, as in the records. */
uint64_t broker_hash(const void *data, uint32_t len);

#endif
