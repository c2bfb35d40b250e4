/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PUBWIRE_MANAGE_CONTROL_H
#define PUBWIRE_MANAGE_CONTROL_H

/**
 * @file
 * What telemetry asks of the main lcore, and how it went. Telemetry's threads only write down what
 * is wanted; the main lcore looks between its other jobs, and does it. Each word has one writer at
 * a time and is read and written whole.
 */

#include <stdbool.h>
#include <stdint.h>

#include <pubwire/base/log.h>

#ifdef __cplusplus
extern "C" {
#endif

/** What the program is doing: row = constant, name in telemetry. */
#define PW_RUN_STATES(X)                                                                           \
	X(RUNNING, "running")                                                                      \
	X(DRAINING, "draining")                                                                    \
	X(DRAINED, "drained")                                                                      \
	X(CUT, "cut")

#define PW_RUN_ENUM(state, text) PW_RUN_##state,
enum pw_run_state { PW_RUN_STATES(PW_RUN_ENUM) };
#undef PW_RUN_ENUM

/** Whether frames can be captured: row = constant, name in telemetry, why. */
#define PW_CAPTURE_STATES(X)                                                                       \
	X(OFF, "off", "nobody has asked for it since the start")                                   \
	X(READY, "ready", "dpdk-dumpcap may connect")                                              \
	X(NO_HUGE, "impossible",                                                                   \
	  "pubwire runs with --no-huge: no other process can map its memory")                      \
	X(IN_MEMORY, "impossible",                                                                 \
	  "pubwire runs with --in-memory or --no-shconf: other processes cannot connect")          \
	X(NO_MEMORY, "impossible", "no hugepage memory is left for what a capture counts (4 MB)")

#define PW_CAPTURE_ENUM(state, text, why) PW_CAPTURE_##state,
enum pw_capture_state { PW_CAPTURE_STATES(PW_CAPTURE_ENUM) };
#undef PW_CAPTURE_ENUM

struct pw_mem;

/** Zeroed memory is a program that runs, and of which nothing is asked. */
struct pw_control {
	const struct pw_mem *mem; /**< for captures, as is port: an ethdev */
	uint16_t port;
	uint32_t drain;	  /**< not 0: asked for, and not begun */
	uint32_t watch;	  /**< not 0: somebody asked for the drain and wants to hear its end */
	uint32_t heard;	  /**< not 0: he has */
	uint32_t state;	  /**< enum pw_run_state */
	uint32_t capture; /**< not 0: somebody wants to capture */
	uint32_t capture_state; /**< enum pw_capture_state */
	/** What the drain lost; written before state becomes PW_RUN_DRAINED or PW_RUN_CUT. */
	uint64_t given_up, cut, wills;
	uint8_t level[PW_LOG_TYPE_MAX]; /**< wanted level; 0: none is */
};

/** Name of a state. */
const char *pw_run_state_str(enum pw_run_state state);

/** Name of a state, and what it means. */
const char *pw_capture_state_str(enum pw_capture_state state, const char **why);

/** Take down what was set up for captures. Main lcore, before the ports close. */
void pw_control_fini(struct pw_control *c);

/** Do what was asked for, but the drain; true where one was. Main lcore. */
bool pw_control_serve(struct pw_control *c);

/** What the program is doing now on. Main lcore. */
void pw_control_set_state(struct pw_control *c, enum pw_run_state state);

/** True while somebody who asked for the drain has not heard how it ended. Main lcore. */
bool pw_control_unheard(const struct pw_control *c);

#ifdef __cplusplus
}
#endif

#endif
