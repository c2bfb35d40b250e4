/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TEST_FORWARD_CONNECT_H
#define TEST_FORWARD_CONNECT_H

/* A CONNECT with what tests of sessions vary, and its answer. */

#include "world.h"

struct connect {
	uint8_t version;
	const char *id;
	bool dirty;
	uint16_t keepalive;
	const char *will; /* payload; topic "will" */
	uint8_t will_qos;
	bool will_retain;
	uint32_t will_delay, expiry;
};

static inline void
connect_with(uint32_t i, uint32_t k, const struct connect *c)
{
	struct pw_mqtt_prop_out expiry = {.which = PW_MQTT_PROP_SESSION_EXPIRY, .num = c->expiry};
	struct pw_mqtt_prop_out delay = {.which = PW_MQTT_PROP_WILL_DELAY, .num = c->will_delay};
	struct pw_mqtt_connect_out o = {
		.version = c->version,
		.clean = !c->dirty,
		.keepalive = c->keepalive,
		.client_id = {c->id, (uint32_t)strlen(c->id)},
		.has_will = c->will != NULL,
		.will_qos = c->will_qos,
		.will_retain = c->will_retain,
		.will_topic = {"will", 4},
	};
	static uint8_t out[70000];
	int n;

	if (c->will != NULL)
		o.will_payload = (struct pw_mqtt_str){c->will, (uint32_t)strlen(c->will)};
	if (c->expiry != 0)
		o.props = (struct pw_mqtt_props_out){.p = &expiry, .n = 1};
	if (c->will_delay != 0)
		o.will_props = (struct pw_mqtt_props_out){.p = &delay, .n = 1};
	n = pw_mqtt_encode_connect(out, sizeof(out), &o);
	assert_true(n > 0);
	device_open(i, k);
	device_send(i, out, (uint32_t)n);
	world_run(10);
}

static inline uint8_t
connack_code(uint32_t i)
{
	assert_true(w.device[i].len >= 4);
	assert_int_equal(w.device[i].rx[0], 0x20);
	return w.device[i].rx[3];
}

#endif
