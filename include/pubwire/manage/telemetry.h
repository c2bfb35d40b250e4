/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PUBWIRE_MANAGE_TELEMETRY_H
#define PUBWIRE_MANAGE_TELEMETRY_H

/**
 * @file
 * rte_telemetry commands, answered on DPDK's telemetry thread from counters that workers publish:
 *
 *     /pubwire/workers             lcore, role, busy share, sessions, TCP connections of each
 *     /pubwire/counters[,WORKER]   every counter, summed or of one worker, by room
 *     /pubwire/brokers             state, lag, in-flight, last error, counters of each connection
 *     /pubwire/devices[,WORKER[,START[,TEXT]]]  a page of device sessions, whose name has TEXT
 *     /pubwire/logs                capacity, used, outstanding of each log
 *     /pubwire/pools               buffers and objects in use
 *     /pubwire/latency             p50, p90, p99, p99.9, max of QoS 0 and QoS 1 (ns)
 *     /pubwire/ports               queues, offloads in use, self-test, link
 *     /pubwire/auth                passwords: users, how many wait, what was found
 *     /pubwire/ledger              accepted = acknowledged + outstanding + queued + dropped
 *     /pubwire/drops[,START]       every kind of drop: count, meaning, remedy
 *     /pubwire/histogram,QOS[,START]  buckets that are not empty: pw_hist_edge() says of what
 *     /pubwire/info                version, instance, file, PID, uptime (s), state
 *     /pubwire/drain[,start]       how a drain goes; start begins one, as SIGTERM does
 *     /pubwire/capture[,start]     whether frames can be captured; start makes it so
 *     /pubwire/log_level[,TYPE,LEVEL]  log levels; sets one within moments
 */

#include <pubwire/base/pool.h>
#include <pubwire/manage/access.h>
#include <pubwire/manage/control.h>
#include <pubwire/manage/reload.h>
#include <pubwire/wire/selftest.h>
#include <pubwire/worker/worker.h>

#ifdef __cplusplus
extern "C" {
#endif

/** What the commands read; everything outlives pw_telemetry_stop(). */
struct pw_telemetry_sources {
	const struct pw_fleet *fleet;
	const struct pw_mem *mem;
	const struct pw_forward_settings *settings;
	const struct pw_port *const *port;
	const char *const *port_name;
	const char *const *kernel_name;	   /**< of the kernel's interface beside each; NULL: none */
	const struct pw_wire_iface *iface; /**< of each port */
	uint32_t nb_ports;
	const struct pw_selftest_row (*selftest)[PW_SELFTEST_ROWS];
	const uint32_t *selftest_rows; /**< rows a port */
	const struct pw_authenticator *auth;
	struct pw_reload *reload; /**< NULL: there is none */
	struct pw_control *control;
	const char *version; /**< of the program */
	const char *file;    /**< that the configuration was read from */
	uint64_t started;    /**< ns of pw_clock_now() */
};

/** Register the commands (once a process). Main lcore, after the fleet is built. 0 or -errno. */
int pw_telemetry_start(const struct pw_telemetry_sources *src) __attribute__((warn_unused_result));

/** Commands wait until pw_telemetry_resume(): what they read may change. */
void pw_telemetry_pause(void);
void pw_telemetry_resume(void);

/** From now on commands answer that the program is stopping. Waits for one that is running. */
void pw_telemetry_stop(void);

#ifdef __cplusplus
}
#endif

#endif
