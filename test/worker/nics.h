/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TEST_WORKER_NICS_H
#define TEST_WORKER_NICS_H

/*
 * Ports whose interrupts are made here: as those of a NIC, a queue raises one for a frame that
 * comes after it was armed, and none for one that was there. The functions of DPDK that a worker
 * calls for it, and the sleep of the clock, are wrapped.
 */

#include <stdbool.h>
#include <stdint.h>

#include <rte_interrupts.h>
#include <rte_ring.h>

#include "world.h"

struct nic {
	struct rte_ring *ring;
	int fd;
	bool armed;
	uint32_t told; /* frames put into the ring up to the last look */
	struct rte_epoll_event event;
};

struct nics {
	/* Receive queue 0 of each of the two ports, and of the kernel's interface beside the first.
	 */
	struct nic nic[3];
	struct world *world;
	/* What functions of DPDK answer, where not 0. */
	int answer_ctl, answer_enable, answer_configure, answer_start;
	bool inject;	/* a frame just before a queue is armed */
	bool ring_late; /* the worker's bell, after its last look */
	bool untold;	/* nothing raises an interrupt */

	uint64_t ordered;  /* ns of sleep that lcore 1 has asked for */
	uint32_t naps;	   /* and how often */
	uint32_t asked;	   /* times that a port was configured with interrupts */
	bool wanted;	   /* by the latest configuration */
	uint32_t injected; /* frames that came just before arming */
	uint32_t wrong;	   /* waits beside a frame, or that a bell did not end */
	uint32_t waits;
};

extern struct nics nics;

/* Three lcores, and the log. 0 or -1. */
int nics_eal_init(void);

/* A world whose workers wait for these ports' interrupts, and its end. */
struct world *nics_world(struct world_conf conf);
void nics_end(struct world *w);

/* The interrupts of frames that the far ends have just sent. */
void nics_raise(void);

/* Run a world until something holds, for so many ms at most. */
bool nics_until(struct world *w, bool (*holds)(const struct world *w), uint32_t ms);

#endif
