/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PERF_MICRO_WORLD_PVT_H
#define PERF_MICRO_WORLD_PVT_H

#include "world.h"

/* The far ends' stacks, and what they have seen. */
struct bench_far {
	struct pw_tcp *device_tcp, *broker_tcp;
	struct pw_tcp_conn *broker_conn[2 * BENCH_MAX_BROKERS];
	uint32_t nb_broker_conns;
	uint32_t nb_up, nb_connected; /* devices: with TCP, and with CONNACK */
	uint64_t nb_answered;	      /* messages whose exchange with the device is over */
	uint8_t version;	      /* of MQTT, that devices speak */
	bool held;		      /* brokers answer nothing */
};

extern struct bench_far bench_far;

extern const struct pw_tcp_ops bench_device_ops, bench_broker_ops;

#endif
