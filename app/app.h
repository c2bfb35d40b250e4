/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PUBWIRE_APP_APP_H
#define PUBWIRE_APP_APP_H

/*
 * The program's parts, built from the configuration in the order of the fields and taken down in
 * the reverse order. Main lcore only.
 */

#include <stdbool.h>
#include <stdio.h>

#include <pubwire/base/pool.h>
#include <pubwire/manage/access.h>
#include <pubwire/manage/config.h>
#include <pubwire/manage/control.h>
#include <pubwire/manage/http.h>
#include <pubwire/manage/kernel.h>
#include <pubwire/manage/reload.h>
#include <pubwire/manage/telemetry.h>
#include <pubwire/wire/selftest.h>
#include <pubwire/worker/worker.h>

/* The kernel's interface beside a port. */
struct app_kernel {
	struct pw_kernel_link link;
	struct pw_port port;
	char device[32];
	unsigned int index;
	bool open;
	bool missed; /* it is no longer there, and that was said */
};

struct app {
	const char *file;
	uint32_t load_flags; /* that the file is read with, whenever */
	struct pw_config config;
	struct pw_access_files access;
	struct pw_authenticator auth;
	struct pw_mem mem;
	struct pw_port port[PW_CONFIG_MAX_PORTS];
	uint32_t nb_open;
	struct app_kernel kernel[PW_CONFIG_MAX_PORTS];
	uint64_t kernel_due; /* ns: the next look at them */
	struct pw_selftest_row selftest[PW_CONFIG_MAX_PORTS][PW_SELFTEST_ROWS];
	uint32_t selftest_rows[PW_CONFIG_MAX_PORTS];
	struct pw_fleet_conf fleet_conf;
	struct pw_fleet *fleet;
	const struct pw_port *port_ref[PW_CONFIG_MAX_PORTS];
	const char *port_name[PW_CONFIG_MAX_PORTS];
	const char *kernel_name[PW_CONFIG_MAX_PORTS];
	struct pw_telemetry_sources sources;
	struct pw_control control;
	bool telemetry;
	struct pw_reload reload;
	struct pw_http *http; /* NULL: not asked for */
};

/* What a run amounted to; taken before the fleet is destroyed. */
struct app_summary {
	uint64_t accepted, acknowledged, completed_qos0, dropped, payload_bytes;
	uint64_t given_up_qos0; /* no broker was there to be given them */
	uint64_t orphaned;	/* the brokers had them, the device was gone */
	uint64_t given_up;	/* what the brokers had not acknowledged when the workers stopped */
	uint64_t by_ref, copied, upstream_messages, redelivered;
	uint64_t p50[2], p99[2], count[2]; /* of QoS 0 and 1, ns */
	uint32_t leaked_pkt, leaked_hdr, leaked_ind;
};

/* What a drain has not got through so far; taken while the workers run. */
struct app_lost {
	uint64_t given_up; /* not acknowledged by brokers */
	uint64_t cut;	   /* acknowledged to the device, and not at every broker */
	uint64_t wills;
};

/* Build everything after EAL. An exit status; what failed has been printed. */
int app_assemble(struct app *a);

/* Take it down; fills the leaks of s. */
void app_dismantle(struct app *a, struct app_summary *s);

/* kernel.c: the kernel's interfaces, after the ports and before the fleet. */
int app_kernel_open(struct app *a);
void app_kernel_close(struct app *a);
/* Workers leave an interface alone that is no longer there, and that is said; called now and then.
 */
void app_kernel_watch(struct app *a);

/* Memory plan as a table. */
void app_report_memory(const struct pw_config *c, FILE *out);

/* The same as one line for programs, in bytes: the buffers lie on the NUMA node of the first port,
 * the rest on those of the workers. */
void app_report_plan(const struct pw_config *c, FILE *out);

/* What runs, before the workers start. */
void app_report_start(const struct app *a, FILE *out);

/* Gather counters; the workers have stopped, the fleet stands. */
void app_summary_take(const struct app *a, struct app_summary *s);
void app_report_end(const struct app_summary *s, FILE *out);

void app_lost_take(const struct app *a, struct app_lost *l);

/* Block the signals that the main loop waits for; before any thread is made. */
void app_signals_block(void);

/* Run until the fleet has drained or a second signal came. */
void app_serve(struct app *a);

#endif
