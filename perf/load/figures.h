/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef LOAD_FIGURES_H
#define LOAD_FIGURES_H

/* What results say in the same words and keys, whoever was between devices and brokers. */

#include <stdint.h>
#include <stdio.h>

#include <pubwire/base/histogram.h>

#include "order.h"

/* A second's worth; 0 of no time. */
double figures_rate(uint64_t n, uint64_t ns);
double figures_share(uint64_t part, uint64_t all);

/* A member of JSON, {"count", "p50", ...} in microseconds of a histogram in nanoseconds. */
void figures_latency_json(FILE *f, const char *key, const struct pw_hist *h);
/* The same as a line. */
void figures_latency_words(FILE *f, const char *what, const struct pw_hist *h);

/* {"missing", ...} */
void figures_order_json(FILE *f, const struct order_counts *n);
/* ", 0 missing, ..." */
void figures_order_words(FILE *f, const struct order_counts *n);

/* Write with print() to a file, - the standard output. 0, or -1 with a line on stderr. */
int figures_write(const char *path, void (*print)(FILE *f, const void *of), const void *of);

#endif
