/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TEST_SUPPORT_MODEL_DEVICE_H
#define TEST_SUPPORT_MODEL_DEVICE_H

/** @file A device: connects, publishes what it is told to, keeps the acknowledgements. */

#include <pubwire/mqtt/frame.h>

#include "peer.h"

#define DEVICE_MAX_ACKS 4096

struct model_device {
	struct peer *peer;
	struct pw_tcp_conn *conn;
	uint8_t version;
	char client_id[24];
	const char *user, *password; /* NULL: none; may be set until the connection stands */
	bool connected;		     /* CONNACK with code 0 came */
	bool gone;
	enum pw_tcp_end why;
	uint16_t next_id;
	uint32_t nb_acks;
	uint16_t ack[DEVICE_MAX_ACKS]; /* packet identifiers in the order of their PUBACKs */
};

/** Open the connection; CONNECT follows by itself. */
void device_create(struct model_device *d, struct peer *peer, const char *from, const char *to,
		   uint16_t port, uint8_t version, const char *client_id, uint64_t now);

/** Queue a PUBLISH; returns its packet identifier, 0 for QoS 0. */
uint16_t device_publish(struct model_device *d, uint8_t qos, const char *topic, const void *payload,
			uint32_t len);

/** DISCONNECT and close. */
void device_disconnect(struct model_device *d, uint64_t now);

#endif
