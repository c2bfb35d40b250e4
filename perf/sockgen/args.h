/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SOCKGEN_ARGS_H
#define SOCKGEN_ARGS_H

/* What the command line asks for. */

#include <stdbool.h>
#include <stdint.h>

#include "options.h"

#define ARGS_PIDS 32

struct args {
	struct options o; /* what pktgen's means, as far as it is used here */
	const char *devices_netns, *brokers_netns; /* NULL: the one it is started in */
	uint32_t payload;			   /* bytes; also in o */
	bool proxied;	   /* a broker's connections come with the devices', not before */
	uint32_t busy_cpu; /* whose time is told, UINT32_MAX none */
	uint32_t pid[ARGS_PIDS];
	uint32_t nb_pids;
};

/* 0; 1 where help was asked for and given; -1 with a line on stderr. */
int args_read(struct args *a, int argc, char **argv);

#endif
