/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TEST_DELIVERY_TALLY_H
#define TEST_DELIVERY_TALLY_H

/**
 * @file
 * What may happen in a history, and what histories have come to.
 */

#include <stdint.h>

/** What happens; row: name, text. */
#define FAULTS(X)                                                                                  \
	X(CRASH, "broker crashes, sessions kept")                                                  \
	X(AMNESIA, "broker crashes, sessions lost")                                                \
	X(RESET, "broker resets its connections")                                                  \
	X(CLOSE, "broker closes its connections")                                                  \
	X(POWER, "broker loses power, sessions kept")                                              \
	X(MUTE, "broker answers nothing")                                                          \
	X(DEAF, "broker reads nothing")                                                            \
	X(SLOW, "broker reads little")                                                             \
	X(CABLE, "broker's cable is cut for a while")                                              \
	X(STRAY, "broker answers what nobody asked")                                               \
	X(BROKER_GARBAGE, "broker sends garbage")                                                  \
	X(FORGET, "broker forgets its sessions while connections are cut")                         \
	X(VANISH, "device vanishes")                                                               \
	X(DEVICE_RESET, "device resets its connection")                                            \
	X(LEAVE, "device leaves with DISCONNECT")                                                  \
	X(CLOSES, "device closes without DISCONNECT")                                              \
	X(TAKE_OVER, "device connects anew beside its old connection")                             \
	X(GARBAGE, "device sends garbage")                                                         \
	X(HALF, "device sends half a packet, and no more")                                         \
	X(STRANGER, "somebody connects and sends nonsense")                                        \
	X(PRESSURE, "devices are not read for a while")                                            \
	X(FAMINE, "a pool of buffers is empty for a while")

#define FAULT_ENUM(name, text) FAULT_##name,
enum fault { FAULTS(FAULT_ENUM) FAULT_MAX };
#undef FAULT_ENUM

/** What all histories of a process have come to. */
#define TALLY(X)                                                                                   \
	X(histories)                                                                               \
	X(steps)                                                                                   \
	X(messages)                                                                                \
	X(messages_qos2)                                                                           \
	X(submissions)                                                                             \
	X(acknowledged)                                                                            \
	X(refused)                                                                                 \
	X(copies)                                                                                  \
	X(copies_again)                                                                            \
	X(wills)                                                                                   \
	X(wills_published)                                                                         \
	X(broker_connections)                                                                      \
	X(broker_sessions_resumed)                                                                 \
	X(broker_sessions_lost)                                                                    \
	X(broker_errors)                                                                           \
	X(broker_quota)                                                                            \
	X(broker_cuts)                                                                             \
	X(device_connections)                                                                      \
	X(device_sessions_resumed)                                                                 \
	X(moves)                                                                                   \
	X(takeovers)                                                                               \
	X(segments)                                                                                \
	X(segments_lost)                                                                           \
	X(reloads)                                                                                 \
	X(restarts)                                                                                \
	X(drains)                                                                                  \
	X(dropped_hold)                                                                            \
	X(dropped_detached)                                                                        \
	X(dropped_failover)                                                                        \
	X(dropped_expired)                                                                         \
	X(unmet)                                                                                   \
	X(grouped)                                                                                 \
	X(blocked)                                                                                 \
	X(overtaken)

struct tally {
#define TALLY_FIELD(name) uint64_t name;
	TALLY(TALLY_FIELD)
#undef TALLY_FIELD
	uint64_t fault[FAULT_MAX];
};

#endif
