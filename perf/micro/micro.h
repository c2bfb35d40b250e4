/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PERF_MICRO_H
#define PERF_MICRO_H

/*
 * micro: cycles of the parts of pubwire that a message passes, each alone, called as a worker calls
 * them: 32 at a time.
 *
 * A bench sets up what it measures and makes rounds, each of which counts the cycles of a fixed
 * number of operations between two readings of the TSC, whose own cost is taken off. A repetition
 * is the median of its rounds, so that an interrupt or two do not show; a figure is the median of
 * the repetitions, with the least, the greatest and the 10th and 90th percentile. Figures that are
 * to be compared take turns: a round of each, or a repetition of each.
 *
 * What --json writes (all times of one operation):
 *
 *   {"conditions": {"cpu": "...", "cpus": "0, 1", "compiler": "...", "build": "release",
 *                   "dpdk": "DPDK 22.11.9", "tsc_hz": 2600000000, "timer_cycles": 52.0,
 *                   "page_bytes": 2097152, "burst": 32, "rounds": 200, "short": false},
 *    "results": [{"bench": "lookup", "name": "tcp-lookup", "operation": "segment", "size": 64,
 * "param": "1k", "cache": "warm", "cycles": {"median": 1.0, "least": 1.0, "greatest": 1.0,
 * "p10": 1.0, "p90": 1.0}, "ns": {the same}, "repetitions": 9}], "skipped": [{"name": "hop", "why":
 * "..."}]}
 *
 * size (bytes of payload) and param are null where a figure has none. cache is "warm" where what is
 * touched was touched shortly before, "cold" where it comes from memory, "random" where it is drawn
 * from more than the caches hold, if the param says so many. (name, size, param) name a figure.
 */

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <rte_cycles.h>

#include "stats.h"

#define MICRO_BURST	 32 /* as a worker takes them */
#define MICRO_MAX_ROUNDS 1000
#define MICRO_MAX_REPEAT 101
#define MICRO_MAX_PARTS	 8

/* Sizes of payloads. */
extern const uint32_t micro_sizes[4];

struct micro_options {
	uint32_t repeat;
	uint32_t rounds;
	bool brief; /* to see that it runs: nothing that takes long to set up */
};

extern struct micro_options micro_options;
extern const char *micro_bench_name; /* of the one that runs */

struct micro_bench {
	const char *name;
	const char *what;
	void (*run)(void);
};

/* What is measured, and under which condition. */
struct micro_figure {
	const char *bench;
	const char *name;
	const char *operation; /* that is counted: "message", "segment" */
	uint32_t size;	       /* bytes of payload; 0: none */
	char param[32];	       /* empty: none */
	const char *cache;     /* "warm", "cold", "random" */
	double ops;	       /* in a round */
	uint32_t nb_rounds, nb_repeat;
	double round[MICRO_MAX_ROUNDS]; /* cycles, of the repetition that runs */
	double repetition[MICRO_MAX_REPEAT];
	struct micro_stats cycles; /* once it is done */
};

/* A new figure of the bench that runs. printf's arguments give its param, "" for none. */
struct micro_figure *micro_figure(const char *name, const char *operation, const char *cache,
				  uint32_t size, double ops, const char *param, ...)
	__attribute__((format(printf, 6, 7)));

/* Add the cycles between two readings of micro_time(); the cost of reading is taken off. */
void micro_round(struct micro_figure *f, uint64_t start, uint64_t end);
/* Add cycles of which that cost is off. */
void micro_round_cycles(struct micro_figure *f, double cycles);

/* A repetition ends: the median of its rounds counts. */
void micro_repetition(struct micro_figure *f);

/* A round, and the figures that it adds to. */
struct micro_case {
	void (*round)(void *ctx);
	void *ctx;
	struct micro_figure *figure[MICRO_MAX_PARTS];
	uint32_t nb_figures;
};

/* So many repetitions of so many rounds as were asked for; the cases take turns by repetitions. */
void micro_repeat(const struct micro_case *c, uint32_t n);

/* What follows from the figures of the bench that runs: a sentence under them. */
void micro_note(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The bench that runs, or a part of it, cannot run here. */
void micro_skip(const char *why);

void micro_die(const char *why) __attribute__((noreturn));

/* Everything before it has ended, nothing behind it has begun. */
static inline uint64_t
micro_time(void)
{
	return rte_rdtsc_precise();
}

/* Cycles that reading the time takes. */
double micro_timer_cycles(void);

/* report.c */
struct micro_figure *micro_figure_add(void);
void micro_report_heading(void);
/* Print the figures that were added since the last call. */
void micro_report(void);
void micro_report_skipped(const char *why);
void micro_report_note(const char *text);
/* 0 or -errno. */
int micro_report_json(const char *path);

/* machine.c: EAL on two CPUs where there are two; asks for so many MB. */
void micro_machine_start(uint32_t megabytes, bool small_pages);
/* An lcore on a CPU of its own, or -1 with the reason in *why. */
int micro_machine_other(const char **why);
/* Members of "conditions" that tell of the machine. */
void micro_machine_json(FILE *f);
/* The same for people, in a line. */
void micro_machine_text(FILE *f);

/* Benches, a file each. */
#define MICRO_BENCHES(X)                                                                           \
	X(framing, "framing", "a PUBLISH found and decoded in packet buffers")                     \
	X(tcp_input, "tcp-input", "messages into the TCP stack, consumed and acknowledged")        \
	X(tcp_output, "tcp-output", "messages by reference out of the stack, acknowledged")        \
	X(tcp_sack, "tcp-sack", "acknowledgements with SACK, by segments in flight")               \
	X(lookup, "lookup", "connections found among 1 to 1,000,000")                              \
	X(match, "match", "a topic's route among 1 to 256, and 10 to 1,000 ACL lines")             \
	X(log_append, "log-append", "frames into the forward log, by reference and copied")        \
	X(fan_out, "fan-out", "a message through a worker, by brokers: session, pull, whole")      \
	X(copy_break, "copy-break", "copy against reference, by size and brokers")                 \
	X(hop, "hop", "messages from one lcore to another")                                        \
	X(timers, "timers", "the timing wheel: armed, moved, fired")

#define MICRO_BENCH_DECLARE(fn, name, what) void micro_##fn(void);
MICRO_BENCHES(MICRO_BENCH_DECLARE)
#undef MICRO_BENCH_DECLARE

#endif
