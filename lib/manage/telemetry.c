/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Registration, the guard between DPDK's telemetry thread and the end of the program, and helpers.
 * DPDK can't unregister a command: after pw_telemetry_stop() each one answers that pubwire is
 * stopping.
 */

#include <ctype.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include <rte_common.h>

#include "telemetry_pvt.h"

#define COMMANDS(X)                                                                                \
	X(workers, tel_workers, "Workers: lcore, role, busy share. Parameter: START")              \
	X(stages, tel_stages, "Where cycles go, in builds that count. Parameter: START")           \
	X(counters, tel_all_counters, "All counters by room. Parameter: WORKER, or none for sums") \
	X(brokers, tel_brokers, "Broker connections: state, lag, counters. Parameter: START")      \
	X(devices, tel_devices, "Device sessions of a worker. Parameters: WORKER,START,TEXT")      \
	X(logs, tel_logs, "Forward logs. Parameter: START")                                        \
	X(pools, tel_pools, "Buffers and objects in use")                                          \
	X(latency, tel_latency, "Latency quantiles in ns")                                         \
	X(ports, tel_ports, "Ports: queues, offloads, self-test, link")                            \
	X(auth, tel_auth, "Passwords: how many users, how many wait, what was found")              \
	X(ledger, tel_ledger, "Where every accepted message is")                                   \
	X(ledger_brokers, tel_ledger_brokers, "The same for each broker. Parameter: START")        \
	X(ledger_routes, tel_ledger_routes, "The same for each route. Parameter: START")           \
	X(why, tel_why, "Why a device waits. Parameter: CLIENT, its identifier")                   \
	X(drops, tel_drops, "What was dropped, what it means, what to do. Parameter: START")       \
	X(histogram, tel_histogram, "Buckets of latency. Parameters: QOS,START")                   \
	X(info, tel_info, "What runs: version, instance, file, PID, uptime, state")                \
	X(reload, tel_reload, "Asks for a reload of the configuration: generation of the attempt") \
	X(reload_result, tel_reload_result, "How the last reload went, and what it changed")       \
	X(drain, tel_drain, "How a drain goes. Parameter: start, to begin one")                    \
	X(capture, tel_capture, "Whether frames can be captured. Parameter: start, to make it so") \
	X(log_level, tel_log_level, "Log levels. Parameters: TYPE,LEVEL sets one")

/* Held by a command while it runs, and by stop while it takes the sources away. Never by a worker.
 */
static pthread_mutex_t guard = PTHREAD_MUTEX_INITIALIZER;
static const struct pw_telemetry_sources *sources;
static bool registered;

static int
run(tel_fn fn, const char *params, struct rte_tel_data *d)
{
	int rc;

	rte_tel_data_start_dict(d);
	pthread_mutex_lock(&guard);
	if (sources != NULL)
		rc = fn(sources, params != NULL ? params : "", d);
	else
		rc = rte_tel_data_add_dict_string(d, "state", "stopping");
	pthread_mutex_unlock(&guard);
	return rc;
}

#define HANDLER(name, fn, help)                                                                    \
	static int handle_##name(const char *cmd, const char *params, struct rte_tel_data *d)      \
	{                                                                                          \
		(void)cmd;                                                                         \
		return run(fn, params, d);                                                         \
	}
COMMANDS(HANDLER)

static int
register_commands(void)
{
	int rc = 0;

#define REGISTER(name, fn, help)                                                                   \
	if (rc == 0)                                                                               \
		rc = rte_telemetry_register_cmd("/pubwire/" #name, handle_##name, help);
	COMMANDS(REGISTER)
	return rc;
}

int
pw_telemetry_start(const struct pw_telemetry_sources *src)
{
	int rc = 0;

	if (!registered)
		rc = register_commands();
	if (rc != 0)
		return rc;
	registered = true;
	pthread_mutex_lock(&guard);
	sources = src;
	pthread_mutex_unlock(&guard);
	return 0;
}

void
pw_telemetry_stop(void)
{
	pthread_mutex_lock(&guard);
	sources = NULL;
	pthread_mutex_unlock(&guard);
}

void
pw_telemetry_pause(void)
{
	pthread_mutex_lock(&guard);
}

void
pw_telemetry_resume(void)
{
	pthread_mutex_unlock(&guard);
}

struct rte_tel_data *
tel_dict(struct rte_tel_data *in, const char *name)
{
	struct rte_tel_data *d = rte_tel_data_alloc();

	if (d == NULL)
		return NULL;
	rte_tel_data_start_dict(d);
	if (rte_tel_data_add_dict_container(in, name, d, 0) != 0) {
		rte_tel_data_free(d);
		return NULL;
	}
	return d;
}

struct rte_tel_data *
tel_row(struct rte_tel_data *in, uint32_t row)
{
	char name[16];

	snprintf(name, sizeof(name), "%u", row);
	return tel_dict(in, name);
}

int
tel_text(struct rte_tel_data *in, const char *name, const char *text)
{
	char safe[RTE_TEL_MAX_STRING_LEN];

	snprintf(safe, sizeof(safe), "%s", text);
	for (char *c = safe; *c != '\0'; c++)
		if (!isprint((unsigned char)*c) || *c == '"' || *c == '\\')
			*c = '?';
	return rte_tel_data_add_dict_string(in, name, safe);
}

int
tel_number(const char **params, uint32_t *out)
{
	const char *p = *params;
	uint32_t v = 0;

	for (; isdigit((unsigned char)*p); p++) {
		if (v > (UINT32_MAX - 9) / 10)
			return -EINVAL;
		v = v * 10 + (*p - '0');
	}
	if (*p != '\0' && *p != ',')
		return -EINVAL;
	*params = *p == ',' ? p + 1 : p;
	*out = v;
	return 0;
}

int
tel_page(struct rte_tel_data *d, uint32_t start, uint32_t rows, uint32_t total)
{
	int rc = rte_tel_data_add_dict_u64(d, "total", total);

	if (rc == 0 && rows > 0 && start + rows < total)
		rc = rte_tel_data_add_dict_u64(d, "next", start + rows);
	return rc;
}

int
tel_counters(struct rte_tel_data *d, const struct pw_counter_desc *desc, const uint64_t *values)
{
	int rc = 0;

	for (uint32_t i = 0; desc[i].name != NULL && rc == 0; i++)
		rc = rte_tel_data_add_dict_u64(d, desc[i].name, values[i]);
	return rc;
}
