/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TEST_PATH_WORLD_H
#define TEST_PATH_WORLD_H

/**
 * @file
 * A whole pubwire between model devices and model brokers, in one thread, under virtual time: the
 * fleet runs on net_ring ports, each far end has a wire and a TCP stack of its own.
 *
 *     devices 10.1.0.2 -- 10.1.0.1 pubwire 10.2.0.1 -- 10.2.0.2 broker 0, 10.2.0.3 broker 1
 *
 * or, over IPv6, fd01::2, fd01::1, fd02::1, fd02::2, fd02::3.
 */

#include <pubwire/worker/worker.h>

#include "model_broker.h"
#include "model_device.h"

#define WORLD_BROKERS 2
#define WORLD_DEVICES 16
#define WORLD_PKT     8191 /* packet buffers on either side */
#define MS	      UINT64_C(1000000)

/** What a test wants of the world. */
struct world_conf {
	uint32_t workers;		/* 1 or 2 */
	uint8_t role[2];		/* 0: both */
	uint32_t queues;		/* of the near ports, 0: 1 */
	bool v6;			/* over IPv6 */
	bool one_port;			/* brokers are reached through the devices' port */
	uint32_t max_queued;		/* 0: 512 */
	uint32_t copy_break;		/* of the forward log */
	uint32_t posted;		/* near packet buffers in use before the fleet is built */
	const char *refusal;		/* of the fleet, which is not built; NULL: it is */
	const struct pw_access *access; /* who may do what; NULL: anybody anything */
	uint32_t message_rate;		/* of each device, 0: no bound */
	const uint32_t *lcores;		/* NULL: 0, 1 */
	bool interrupts;		/* idle workers wait for them, where ports have any */
	bool adaptive;			/* though the policy is adaptive */
	bool real_time;			/* the fleet runs on lcores of its own */
	uint32_t kernel_rate; /* the devices' port has an interface of the kernel; 0: none */
};

struct world {
	struct pw_mem near_mem, far_mem;
	struct rte_mbuf *posted[WORLD_PKT];
	uint32_t nb_posted;
	struct peer side[2]; /* devices, brokers; with one_port only the first */
	struct pw_port port[2];
	struct pw_port kernel_port;
	struct rte_ring *to_kernel, *from_kernel; /* NULL where there is none */
	struct pw_forward_settings settings;
	struct pw_fleet *fleet;
	struct model_broker broker[WORLD_BROKERS];
	struct model_device device[WORLD_DEVICES];
	uint32_t nb_devices;
	uint32_t nb_sides;
	uint64_t now;
	uint64_t step;
	bool real_time;
	bool v6;
};

struct world *world_create(const struct world_conf *conf);

/** Take everything down; every buffer has to be back. */
void world_destroy(struct world *w);

/** One step of everybody. */
void world_step(struct world *w);

/** Every QoS 1 message that a device has published is acknowledged. */
bool world_acked(const struct world *w);

/** Step until the condition holds; false where it does not within so many ms. */
bool world_until(struct world *w, bool (*holds)(const struct world *w), uint32_t ms);

/** So many ms of steps. */
void world_run(struct world *w, uint32_t ms);

/** Connect n devices and wait until they and the brokers are up. */
void world_connect(struct world *w, uint32_t n, uint8_t version);

/** Sum over workers of one device counter. */
#define WORLD_SUM(w, field)                                                                        \
	__extension__({                                                                            \
		uint64_t sum_ = 0;                                                                 \
		for (uint32_t i_ = 0; i_ < pw_fleet_workers((w)->fleet); i_++)                     \
			sum_ += pw_forward_counters(pw_fleet_forward((w)->fleet, i_))->field;      \
		sum_;                                                                              \
	})

#endif
