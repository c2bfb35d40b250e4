/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TEST_FORWARD_WORLD_PVT_H
#define TEST_FORWARD_WORLD_PVT_H

#include "world.h"

/** Address of a host: net 0 devices, 1 workers, 2 brokers. */
struct pw_addr world_address(uint32_t net, uint32_t host);

/** What a broker does with its connections; ctx is the struct broker. */
extern const struct pw_tcp_ops world_broker_ops;

#endif
