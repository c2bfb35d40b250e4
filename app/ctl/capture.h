/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PUBWIRE_APP_CTL_CAPTURE_H
#define PUBWIRE_APP_CTL_CAPTURE_H

#include "ctl.h"

struct capture {
	const char *file, *filter;
	const char *socket; /* telemetry's: DIR/dpdk/PREFIX/dpdk_telemetry.v2 */
	const char *prefix;
	const char *port; /* DPDK's name of the device */
	long pid;	  /* of pubwire */
	double seconds;
	uint32_t packets, kilobytes, snaplen; /* 0: as dumpcap thinks */
};

struct capture_result {
	uint64_t packets, bytes;
};

/* The row of /pubwire/ports that an address is behind: of its subnet, or the one with a gateway for
 * it. NULL: there is none, or several. */
const json_t *capture_port_of(const json_t *ports, const char *address);

/* Run dpdk-dumpcap until it has ended. CTL_OK, or err. */
int capture_run(struct ctl *c, const struct capture *how, struct capture_result *result);

#endif
