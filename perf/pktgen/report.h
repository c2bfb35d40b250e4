/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PKTGEN_REPORT_H
#define PKTGEN_REPORT_H

#include "run.h"

/* A line a second, on stderr; as often as one likes. */
void report_progress(const struct run *r);

/* A line where a phase begins. */
void report_phase(const struct run *r);

/* What a person reads, on stdout; and the files that were asked for. -1 where one can't be written.
 */
int report_result(const struct run *r);

/* True where every message came once, whole and in order. */
bool report_clean(const struct run *r);

#endif
