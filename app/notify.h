/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PUBWIRE_APP_NOTIFY_H
#define PUBWIRE_APP_NOTIFY_H

/*
 * What the service manager is told: sd_notify(3)'s datagrams to $NOTIFY_SOCKET. Without that
 * variable nothing here does anything, so that the program is the same in a container, a guest or a
 * shell. The protocol is stable and documented; libsystemd would bring six more libraries along.
 *
 * Main lcore only.
 */

#include <stdint.h>

#include "app.h"

/* Read the environment; before EAL. What is wrong with it is logged, and nobody is told anything.
 */
void app_notify_open(void);

void app_notify_close(void);

/* The workers run: READY=1, after a start and after each app_notify_reloading(). */
void app_notify_ready(const struct app *a);

/* A reload has begun. app_notify_ready() ends it, whether the file was taken or not. */
void app_notify_reloading(void);

/* A drain has begun, which lasts so many ns at most: STOPPING=1, and a wait that is long enough for
 * it and for what is taken down afterwards, whatever the service manager is configured to wait. */
void app_notify_stopping(uint64_t ns);

/*
 * What people read in `systemctl status`, for as long as the watch below finds nothing newer to
 * say; once stopping, until the end.
 */
void app_notify_status(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/*
 * In each turn of the main loop: WATCHDOG=1 while every worker makes progress, and what is
 * connected as STATUS=, where that is due.
 */
void app_notify_watch(const struct app *a, uint64_t now);

#endif
