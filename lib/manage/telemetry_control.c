/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What runs, and commands that change it: drain, log level. A command without parameters only
 * tells; what is asked for is done by the main lcore (control.h).
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <rte_version.h>

#include "telemetry_pvt.h"

int
tel_info(const struct pw_telemetry_sources *src, const char *params, struct rte_tel_data *d)
{
	const char *dpdk = rte_version();
	uint64_t now = pw_clock_now();

	(void)params;
	tel_text(d, "program", "pubwire");
	tel_text(d, "version", src->version);
	tel_text(d, "dpdk", strncmp(dpdk, "DPDK ", 5) == 0 ? dpdk + 5 : dpdk);
	tel_text(d, "instance", src->settings->instance);
	tel_text(d, "file", src->file);
	rte_tel_data_add_dict_u64(d, "pid", (uint64_t)getpid());
	rte_tel_data_add_dict_u64(d, "uptime", (now - src->started) / 1000000000u);
	tel_text(d, "state",
		 pw_run_state_str(__atomic_load_n(&src->control->state, __ATOMIC_RELAXED)));
	rte_tel_data_add_dict_u64(d, "workers", pw_fleet_workers(src->fleet));
	rte_tel_data_add_dict_u64(d, "log_lines_dropped", pw_log_dropped());
	return 0;
}

int
tel_drain(const struct pw_telemetry_sources *src, const char *params, struct rte_tel_data *d)
{
	struct pw_control *c = src->control;
	/* Pairs with the release in pw_control_set_state(). */
	uint32_t state = __atomic_load_n(&c->state, __ATOMIC_ACQUIRE);
	uint64_t outstanding = 0, owed = 0, trailing = 0, sessions = 0;

	if (strcmp(params, "start") == 0) {
		__atomic_store_n(&c->watch, 1, __ATOMIC_RELAXED);
		if (state == PW_RUN_RUNNING)
			__atomic_store_n(&c->drain, 1, __ATOMIC_RELAXED);
	} else if (strcmp(params, "heard") == 0) {
		__atomic_store_n(&c->heard, 1, __ATOMIC_RELAXED);
	} else if (*params != '\0') {
		return -EINVAL;
	}
	for (uint32_t w = 0; w < pw_fleet_workers(src->fleet); w++) {
		const struct pw_forward *f = pw_fleet_forward(src->fleet, w);

		outstanding += pw_forward_outstanding(f);
		owed += pw_forward_owed(f);
		trailing += pw_forward_trailing(f);
		sessions += pw_forward_sessions(f);
	}
	tel_text(d, "state", pw_run_state_str(state));
	rte_tel_data_add_dict_u64(d, "deadline_ms", src->settings->limits.drain_deadline);
	rte_tel_data_add_dict_u64(d, "sessions", sessions);
	rte_tel_data_add_dict_u64(d, "outstanding", outstanding);
	rte_tel_data_add_dict_u64(d, "owed", owed);
	rte_tel_data_add_dict_u64(d, "trailing", trailing);
	if (state != PW_RUN_DRAINED && state != PW_RUN_CUT)
		return 0;
	rte_tel_data_add_dict_u64(d, "lost_messages", c->given_up);
	rte_tel_data_add_dict_u64(d, "lost_trailing", c->cut);
	return rte_tel_data_add_dict_u64(d, "lost_wills", c->wills);
}

/* "TYPE,LEVEL" or "all,LEVEL" is asked for. */
static int
want_level(struct pw_control *c, const char *params)
{
	const char *comma = strchr(params, ',');
	int level = comma != NULL ? pw_log_level_of(comma + 1) : 0;
	uint32_t found = 0;
	size_t len;

	if (level <= 0)
		return -EINVAL;
	len = (size_t)(comma - params);
	for (uint32_t i = 0; i < PW_LOG_TYPE_MAX; i++) {
		const char *name = pw_log_type_str(i);

		if ((len == 3 && strncmp(params, "all", 3) == 0) ||
		    (strlen(name) == len && strncmp(params, name, len) == 0)) {
			__atomic_store_n(&c->level[i], (uint8_t)level, __ATOMIC_RELAXED);
			found++;
		}
	}
	return found > 0 ? 0 : -EINVAL;
}

int
tel_log_level(const struct pw_telemetry_sources *src, const char *params, struct rte_tel_data *d)
{
	int rc = *params != '\0' ? want_level(src->control, params) : 0;

	for (uint32_t i = 0; rc == 0 && i < PW_LOG_TYPE_MAX; i++) {
		char name[64];

		/* Names of a dict take letters, digits, _ and / only. */
		snprintf(name, sizeof(name), "%s", pw_log_type_str(i));
		for (char *p = name; *p != '\0'; p++)
			*p = *p == '.' ? '_' : *p;
		rc = rte_tel_data_add_dict_string(d, name, pw_log_level_str(pw_log_level(i)));
	}
	return rc;
}

int
tel_capture(const struct pw_telemetry_sources *src, const char *params, struct rte_tel_data *d)
{
	struct pw_control *c = src->control;
	const char *why;

	if (strcmp(params, "start") == 0)
		__atomic_store_n(&c->capture, 1, __ATOMIC_RELAXED);
	else if (*params != '\0')
		return -EINVAL;
	/* Pairs with the release in pw_control_serve(), and is read before the state. */
	rte_tel_data_add_dict_u64(d, "asked", __atomic_load_n(&c->capture, __ATOMIC_ACQUIRE));
	tel_text(d, "state",
		 pw_capture_state_str(__atomic_load_n(&c->capture_state, __ATOMIC_RELAXED), &why));
	return tel_text(d, "why", why);
}
