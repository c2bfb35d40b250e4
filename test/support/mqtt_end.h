/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TEST_SUPPORT_MQTT_END_H
#define TEST_SUPPORT_MQTT_END_H

/** @file Frames out of a TCP receive queue and into a send queue, for models of devices and
 * brokers. */

#include <pubwire/mqtt/frame.h>
#include <pubwire/mqtt/packet.h>
#include <pubwire/tcp/tcp.h>

#define MQTT_END_SLICES 64

/** A frame at the head of a receive queue. */
struct mqtt_end_frame {
	struct pw_slice s[MQTT_END_SLICES];
	struct pw_mqtt_buf buf;
	uint8_t type;
};

/** The next whole frame; false where there is none. Malformed ones fail the test. */
bool mqtt_end_next(const struct pw_tcp_conn *c, struct mqtt_end_frame *f);

/** Queue bytes, in pieces; the send queue has to take them. */
void mqtt_end_send(struct pw_tcp *t, struct pw_tcp_conn *c, const void *data, uint32_t len);

#endif
