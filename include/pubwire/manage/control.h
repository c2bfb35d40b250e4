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

/** Zeroed memory is a program that runs, and of which nothing is asked. */
struct pw_control {
	uint32_t drain; /**< not 0: asked for, and not begun */
	uint32_t watch; /**< not 0: somebody asked for the drain and wants to hear its end */
	uint32_t heard; /**< not 0: he has */
	uint32_t state; /**< enum pw_run_state */
	/** What the drain lost; written before state becomes PW_RUN_DRAINED or PW_RUN_CUT. */
	uint64_t given_up, cut, wills;
	uint8_t level[PW_LOG_TYPE_MAX]; /**< wanted level; 0: none is */
};

/** Name of a state. */
const char *pw_run_state_str(enum pw_run_state state);

/** Set what log levels were asked for. True where a drain was. Main lcore. */
bool pw_control_serve(struct pw_control *c);

/** What the program is doing now on. Main lcore. */
void pw_control_set_state(struct pw_control *c, enum pw_run_state state);

/** True while somebody who asked for the drain has not heard how it ended. Main lcore. */
bool pw_control_unheard(const struct pw_control *c);

#ifdef __cplusplus
}
#endif

#endif
