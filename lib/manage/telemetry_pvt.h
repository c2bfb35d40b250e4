/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PUBWIRE_MANAGE_TELEMETRY_PVT_H
#define PUBWIRE_MANAGE_TELEMETRY_PVT_H

/*
 * Telemetry replies are dicts of rows. DPDK 22.11 sends at most 16 KiB a reply and cuts nothing
 * gracefully, so lists come in pages: rows are named by their number, "total" says how many there
 * are, and "next" is the START of the page after this one, absent on the last.
 */

#include <stdint.h>

#include <rte_telemetry.h>

#include <pubwire/manage/telemetry.h>

/* Rows a page, by the bytes that a row can take in JSON. */
#define TEL_PAGE_BROKERS 7     /* 59 fields, at most 2,190 bytes */
#define TEL_PAGE_DEVICES 32    /* 9 fields, at most 400 bytes */
#define TEL_LOOK_DEVICES 65536 /* sessions that a page may look at */
#define TEL_PAGE_LOGS	 32    /* 9 fields, at most 430 bytes */
#define TEL_PAGE_LEDGER	 20    /* 18 fields, at most 740 bytes */
#define TEL_PAGE_DROPS	 36    /* 6 fields, at most 430 bytes */
#define TEL_PAGE_BUCKETS 400   /* two numbers, at most 27 bytes */
#define TEL_PAGE_WORKERS 24    /* 14 fields, at most 560 bytes */
#define TEL_PAGE_STAGES	 24    /* 16 fields, at most 620 bytes */

/*
 * The rooms whose counters every worker has: a table, and where a worker's are. Telemetry and
 * /metrics go through the same rows, so neither can forget one.
 */
struct tel_room {
	const char *name;
	const struct pw_counter_desc *desc;
	const void *(*of)(const struct pw_fleet *f, uint32_t worker);
};
#define TEL_ROOMS 4
extern const struct tel_room tel_rooms[TEL_ROOMS];

/* "devices", "brokers" or "devices+brokers" of enum pw_role bits. */
const char *tel_role_str(uint8_t role);

/* An idle policy as configurations call it. */
const char *tel_idle_str(enum pw_idle policy);

/* A command's body: src is set and stays through the call. 0 or -errno. */
typedef int (*tel_fn)(const struct pw_telemetry_sources *src, const char *params,
		      struct rte_tel_data *d);

/* A dict inside a dict; NULL where memory is short or the dict is full. DPDK frees it. */
struct rte_tel_data *tel_dict(struct rte_tel_data *in, const char *name);
/* The same, named by a row's number. */
struct rte_tel_data *tel_row(struct rte_tel_data *in, uint32_t row);

/* Text that anybody may have chosen: what JSON would stumble on becomes '?'. */
int tel_text(struct rte_tel_data *in, const char *name, const char *text);

/* The number at *params, 0 where there is none; *params moves behind it and a comma. -EINVAL. */
int tel_number(const char **params, uint32_t *out);

/* "total", and "next" where rows are left. */
int tel_page(struct rte_tel_data *d, uint32_t start, uint32_t rows, uint32_t total);

/* All counters of a table, under their names. */
int tel_counters(struct rte_tel_data *d, const struct pw_counter_desc *desc,
		 const uint64_t *values);

int tel_workers(const struct pw_telemetry_sources *src, const char *params, struct rte_tel_data *d);
int tel_stages(const struct pw_telemetry_sources *src, const char *params, struct rte_tel_data *d);
int tel_all_counters(const struct pw_telemetry_sources *src, const char *params,
		     struct rte_tel_data *d);
int tel_brokers(const struct pw_telemetry_sources *src, const char *params, struct rte_tel_data *d);
int tel_devices(const struct pw_telemetry_sources *src, const char *params, struct rte_tel_data *d);
int tel_logs(const struct pw_telemetry_sources *src, const char *params, struct rte_tel_data *d);
int tel_pools(const struct pw_telemetry_sources *src, const char *params, struct rte_tel_data *d);
int tel_latency(const struct pw_telemetry_sources *src, const char *params, struct rte_tel_data *d);
int tel_ports(const struct pw_telemetry_sources *src, const char *params, struct rte_tel_data *d);
int tel_auth(const struct pw_telemetry_sources *src, const char *params, struct rte_tel_data *d);
int tel_ledger(const struct pw_telemetry_sources *src, const char *params, struct rte_tel_data *d);
int tel_reload(const struct pw_telemetry_sources *src, const char *params, struct rte_tel_data *d);
int tel_reload_result(const struct pw_telemetry_sources *src, const char *params,
		      struct rte_tel_data *d);
int tel_why(const struct pw_telemetry_sources *src, const char *params, struct rte_tel_data *d);
int tel_ledger_brokers(const struct pw_telemetry_sources *src, const char *params,
		       struct rte_tel_data *d);
int tel_drops(const struct pw_telemetry_sources *src, const char *params, struct rte_tel_data *d);
int tel_histogram(const struct pw_telemetry_sources *src, const char *params,
		  struct rte_tel_data *d);
int tel_info(const struct pw_telemetry_sources *src, const char *params, struct rte_tel_data *d);
int tel_drain(const struct pw_telemetry_sources *src, const char *params, struct rte_tel_data *d);
int tel_capture(const struct pw_telemetry_sources *src, const char *params, struct rte_tel_data *d);
int tel_log_level(const struct pw_telemetry_sources *src, const char *params,
		  struct rte_tel_data *d);
int tel_ledger_routes(const struct pw_telemetry_sources *src, const char *params,
		      struct rte_tel_data *d);

#endif
