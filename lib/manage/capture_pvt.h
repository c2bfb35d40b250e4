/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PUBWIRE_MANAGE_CAPTURE_PVT_H
#define PUBWIRE_MANAGE_CAPTURE_PVT_H

#include <stdint.h>

#include <pubwire/base/pool.h>
#include <pubwire/manage/control.h>

/* Let dpdk-dumpcap connect; port: any ethdev. What became of it. Main lcore. */
enum pw_capture_state capture_open(const struct pw_mem *mem, uint16_t port);

/* Where it is PW_CAPTURE_READY. */
void capture_close(void);

#endif
