/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PERF_MICRO_WORLD_H
#define PERF_MICRO_WORLD_H

/*
 * A worker (lib/tcp and lib/forward) between model devices and model brokers, in one thread under
 * virtual time. The far ends have a TCP stack each and packet buffers of their own. What they do,
 * and what the wire does, is not measured: segments are copied between calls of the worker, as a
 * NIC would. Driver and lib/wire are left out.
 */

#include <pubwire/forward/forward.h>

#define BENCH_MAX_BROKERS 8
#define BENCH_MAX_DEVICES 110000
#define BENCH_MAX_BATCH	  64
#define BENCH_MAX_PAYLOAD 65536

/* Where the cycles of a worker's turn go. */
#define BENCH_PARTS(X)                                                                             \
	X(INPUT, "tcp input")                                                                      \
	X(DISPATCH, "upcalls")                                                                     \
	X(POLL, "poll")                                                                            \
	X(FLUSH, "tcp output")                                                                     \
	X(FREE, "buffers sent")

#define BENCH_PART_ENUM(p, text) BENCH_##p,
enum bench_part { BENCH_PARTS(BENCH_PART_ENUM) BENCH_NB_PARTS };
#undef BENCH_PART_ENUM

/* Whose segments a turn begins with. */
enum bench_leg { BENCH_PUBLISH, BENCH_ANSWER, BENCH_REST, BENCH_LEGS };

struct bench_conf {
	uint32_t brokers; /* a route sends everything to all of them */
	uint32_t devices;
	uint32_t batch; /* messages that a device sends at once */
	uint32_t payload;
	uint8_t qos;
	uint8_t version;
	uint32_t log;	     /* entries, 0: 8192 */
	uint32_t copy_break; /* 0: the default */
};

/* Cycles, since they were last cleared. */
struct bench_cycles {
	uint64_t part[BENCH_LEGS][BENCH_NB_PARTS];
	uint64_t segments[BENCH_LEGS]; /* that the worker was given */
	uint64_t sent;		       /* that it gave away */
};

extern struct bench_cycles bench_cycles;

/* Once a process; with so many packet buffers for the worker, and so much memory. */
void bench_init(uint32_t buffers, uint32_t megabytes);
/* Where EAL has started. */
void bench_memory(uint32_t buffers);
/* Buffers are all back. */
void bench_fini(void);

/* A world with all devices and brokers connected. */
void bench_start(const struct bench_conf *conf);
/* And its end, where every buffer is back. */
void bench_stop(void);

/* Another payload, and another copy-break, from the next round on. */
void bench_payload(uint32_t payload);
void bench_copy_break(uint32_t bytes);

/* Each device publishes its batch, and everything is answered. */
void bench_round(void);

/* Brokers answer nothing from here on. */
void bench_hold(void);
/* Each device publishes its batch, and the worker has taken what it takes. */
void bench_publish(void);
/* Packet buffers of the worker that are in use. */
uint32_t bench_buffers(void);
/* Cycles of a turn of the worker to which nothing has come. */
uint64_t bench_turn(void);
/* Brokers answer again, until everything is answered. */
void bench_release(void);

void bench_die(const char *why) __attribute__((noreturn));

#endif
