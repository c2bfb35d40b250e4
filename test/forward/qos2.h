/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TEST_FORWARD_QOS2_H
#define TEST_FORWARD_QOS2_H

/* What tests of QoS 2 look at, and a CONNECT that goes on with a session. */

#include "world.h"

/* Answers of a type that device i has, in order. */
static inline uint32_t
pubrecs(uint32_t i, uint16_t *ids)
{
	return device_answers(i, 0x50, 4, ids, NULL, 99);
}

static inline uint32_t
pubcomps(uint32_t i)
{
	return device_answers(i, 0x70, 4, NULL, NULL, 99);
}

/* Messages that broker b took for new ones. */
static inline uint32_t
delivered(uint32_t b)
{
	uint32_t n = 0;

	for (uint32_t k = 0; k < w.broker[b].nb; k++)
		n += !w.broker[b].record[k].again;
	return n;
}

/* CONNECT that goes on with a session, without an answer yet. */
static inline void
ask_for(uint32_t i, uint32_t k, uint8_t version, const char *id)
{
	struct pw_mqtt_prop_out expiry = {.which = PW_MQTT_PROP_SESSION_EXPIRY, .num = 100};
	struct pw_mqtt_connect_out c = {.version = version,
					.keepalive = 60,
					.client_id = {id, (uint32_t)strlen(id)},
					.props = {.p = &expiry, .n = version == 5}};
	uint8_t out[64];
	int n = pw_mqtt_encode_connect(out, sizeof(out), &c);

	device_open(i, k);
	device_send(i, out, (uint32_t)n);
	world_run(5);
}

/* CONNACK has come, with this. */
static inline bool
connack(uint32_t i, uint8_t present, uint8_t code)
{
	const struct device *d = &w.device[i];

	return d->len >= 4 && d->rx[0] == 0x20 && d->rx[2] == present && d->rx[3] == code;
}

/* The same, and CONNACK; true where that says that there is one. */
static inline bool
come_back(uint32_t i, uint32_t k, uint8_t version, const char *id)
{
	bool present;

	ask_for(i, k, version, id);
	assert_true(connack(i, 0, 0) || connack(i, 1, 0));
	present = w.device[i].rx[2];
	device_clear(i);
	return present;
}

/* Where a client comes back. */
static const struct way {
	uint8_t from, to; /* versions */
	uint32_t worker;  /* from 0 to this */
} ways[] = {{4, 4, 1}, {5, 5, 1}, {4, 5, 0}, {5, 4, 0}, {4, 5, 1}, {5, 4, 1}, {4, 4, 0}, {5, 5, 0}};

#endif
