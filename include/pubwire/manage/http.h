/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PUBWIRE_MANAGE_HTTP_H
#define PUBWIRE_MANAGE_HTTP_H

/**
 * @file
 * The status page, /status.json, /metrics (OpenMetrics) and, for probes, /healthz and /readyz, by
 * libmicrohttpd on the main lcore: without threads, from the main loop's poll. GET and HEAD only.
 *
 * The library allocates, as the main lcore may: at most so much a connection and its answer, and
 * connections are bounded. What an answer is written into is reserved at start.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <pubwire/manage/config.h>
#include <pubwire/manage/telemetry.h>

#ifdef __cplusplus
extern "C" {
#endif

struct pw_http;

/**
 * Listen. Main lcore, after EAL; conf->on.
 *
 * @param src      outlives it
 * @param version  of the program, for the page; outlives it
 * @param err      receives one line of text
 * @return         NULL with rte_errno
 */
struct pw_http *pw_http_create(const struct pw_http_conf *conf,
			       const struct pw_telemetry_sources *src, const char *version,
			       char *err, size_t err_len);

/** A descriptor that is readable when there is something to serve. Main lcore, as all below. */
int pw_http_fd(const struct pw_http *h);

/** Serve what is there, never waiting; also now and then without, for timeouts. True: call again at
 * once, a part of an answer waits. */
bool pw_http_serve(struct pw_http *h);

/** Make room for the brokers and routes of other settings, which the sources have from then on. 0
 * or -ENOMEM with nothing changed; NULL is fine. Twice: before they have them, and after. */
int pw_http_fit(struct pw_http *h, const struct pw_forward_settings *s);

/** Close everything. NULL is fine. */
void pw_http_destroy(struct pw_http *h);

/** Bytes that pw_http_create() reserves for a configuration, for the memory plan. */
size_t pw_http_bytes(const struct pw_config *c);

#ifdef __cplusplus
}
#endif

#endif
