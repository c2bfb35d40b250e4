/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PUBWIRE_BASE_LOG_H
#define PUBWIRE_BASE_LOG_H

/**
 * @file
 * Log lines from any lcore, written by the main lcore.
 *
 * A worker formats its line into a slot of its own bounded ring: no system call, no allocation, no
 * lock. The main lcore drains the rings into rte_log under the types pubwire.<room>. A full ring
 * drops the line and counts it. Before pw_log_start(), and on the main lcore, lines go to rte_log
 * at once. Each call site is rate-limited by PW_LOG_EVERY where a peer can provoke it.
 */

#include <stdbool.h>
#include <stdint.h>

#include <rte_log.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Log types: row = name of the room. */
#define PW_LOG_TYPES(X)                                                                            \
	X(base)                                                                                    \
	X(wire)                                                                                    \
	X(tcp)                                                                                     \
	X(mqtt)                                                                                    \
	X(forward)                                                                                 \
	X(worker)                                                                                  \
	X(manage)                                                                                  \
	X(app)

#define PW_LOG_ENUM(room) PW_LOG_##room,
enum pw_log_type { PW_LOG_TYPES(PW_LOG_ENUM) PW_LOG_TYPE_MAX };
#undef PW_LOG_ENUM

/** Register the types with rte_log. Idempotent; any time after or before rte_eal_init(). */
void pw_log_init(void);

/** "pubwire.tcp". Any thread. */
const char *pw_log_type_str(enum pw_log_type type);

/** The level from which on lines of the type are left out: those above it. Any thread. */
uint32_t pw_log_level(enum pw_log_type type);

/** Lines up to this level (RTE_LOG_...) are written. One thread at a time. */
void pw_log_set_level(enum pw_log_type type, uint32_t level);

/** Levels as users write them. */
#define PW_LOG_LEVELS(X)                                                                           \
	X(EMERG, "emergency")                                                                      \
	X(ALERT, "alert")                                                                          \
	X(CRIT, "critical")                                                                        \
	X(ERR, "error")                                                                            \
	X(WARNING, "warning")                                                                      \
	X(NOTICE, "notice")                                                                        \
	X(INFO, "info")                                                                            \
	X(DEBUG, "debug")

/** Name of a level; "?" where there is no such. Any thread. */
const char *pw_log_level_str(uint32_t level);

/** The level of a name; -EINVAL. */
int pw_log_level_of(const char *name);

/** Give every worker lcore a ring. Main lcore, after rte_eal_init(). 0 or -errno. */
int pw_log_start(void) __attribute__((warn_unused_result));

/** Write what the workers have queued; main lcore, often. Returns lines written. */
uint32_t pw_log_drain(void);

/** Drain and free the rings. Main lcore, after the workers have stopped. */
void pw_log_stop(void);

/** Lines that found their ring full, over all lcores. */
uint64_t pw_log_dropped(void);

/**
 * One line, without its newline. Use PW_LOG(). It holds 247 bytes on a worker, 1023 elsewhere; one
 * that is cut ends in "...".
 */
void pw_log_write(enum pw_log_type type, uint32_t level, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/** True where a line of this type and level would be written. */
bool pw_log_on(enum pw_log_type type, uint32_t level);

/** PW_LOG(tcp, INFO, "port %u", p): level is the tail of RTE_LOG_. */
#define PW_LOG(room, level, ...)                                                                   \
	do {                                                                                       \
		if (pw_log_on(PW_LOG_##room, RTE_LOG_##level))                                     \
			pw_log_write(PW_LOG_##room, RTE_LOG_##level, __VA_ARGS__);                 \
	} while (0)

/** State of a rate-limited call site; one per lcore-owned object, zeroed at first. */
struct pw_log_limit {
	uint64_t until;	     /**< ns; silent before this time */
	uint64_t suppressed; /**< lines since the last one written */
};

/** True at most once in interval ns; says in *suppressed how many were held back before. */
bool pw_log_allow(struct pw_log_limit *l, uint64_t now, uint64_t interval, uint64_t *suppressed);

/** Like PW_LOG, at most once a second for the limit; appends how many were held back. */
#define PW_LOG_EVERY(limit, now, room, level, fmt, ...)                                            \
	do {                                                                                       \
		uint64_t held_back_;                                                               \
		if (pw_log_on(PW_LOG_##room, RTE_LOG_##level) &&                                   \
		    pw_log_allow(limit, now, 1000000000ull, &held_back_))                          \
			pw_log_write(PW_LOG_##room, RTE_LOG_##level, fmt " (%lu more held back)",  \
				     ##__VA_ARGS__, (unsigned long)held_back_);                    \
	} while (0)

#ifdef __cplusplus
}
#endif

#endif
