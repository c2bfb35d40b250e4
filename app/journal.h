/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PUBWIRE_APP_JOURNAL_H
#define PUBWIRE_APP_JOURNAL_H

/*
 * Log lines go to stderr, once each. Where that is the journal's ($JOURNAL_STREAM,
 * systemd.exec(5)), each begins with its priority as sd-daemon(3) writes it: "<4>" is a warning.
 * Before EAL.
 */
void app_journal_open(void);

#endif
