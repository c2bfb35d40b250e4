/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PUBWIRE_APP_CTL_VIEW_H
#define PUBWIRE_APP_CTL_VIEW_H

/*
 * Counters are running totals; rates come from asking twice. A sample is all that pubwire says at
 * one time; a view is what two of them say together, as the document that --json prints and that
 * status and top render.
 */

#include <pubwire/base/histogram.h>

#include "ctl.h"

struct ctl_sample {
	double at; /* s; 0: empty */
	json_t *info, *workers, *counters, *drops, *brokers, *pools, *drain, *ports;
	struct pw_hist latency[2]; /* of QoS 0; of QoS 1 and 2 */
};

/* CTL_OK, or why not in err; what was in the sample before is let go. */
int ctl_sample_take(struct ctl *c, struct ctl_sample *s);
void ctl_sample_free(struct ctl_sample *s);

/* Two samples, so many seconds apart; static: they are large. The view, or NULL with err. */
json_t *ctl_view_take(struct ctl *c, double seconds);

json_t *ctl_view(const struct ctl_sample *before, const struct ctl_sample *now);

/* The brokers' part of it: a row a broker, with "rows", its connections, where asked for. */
json_t *ctl_view_brokers(const struct ctl_sample *before, const struct ctl_sample *now, bool rows);

/* Take away what was recorded before; the largest is then known to its bucket. */
void ctl_hist_since(struct pw_hist *h, const struct pw_hist *before);

/* p50, p90, p99, p99.9 and max (ns) of what was recorded between two histograms; NULL: of all. */
json_t *ctl_view_latency(const struct pw_hist *before, const struct pw_hist *now);

/* "ok" or what one should look at, as an array of strings. */
json_t *ctl_view_warnings(const json_t *view, const struct ctl_sample *now);

/* /pubwire/histogram of a QoS into h. CTL_OK, or err. */
int ctl_ask_histogram(struct ctl *c, uint32_t qos, struct pw_hist *h);

/* Devices of all workers whose identifier contains a text; NULL: err. */
json_t *ctl_find_devices(struct ctl *c, uint64_t workers, const char *text);

double ctl_now(void); /* s, monotonic */
void ctl_sleep(double seconds);

/* --- render.c --- */

enum ctl_sort { CTL_BY_RATE, CTL_BY_LAG, CTL_BY_NAME, CTL_SORTS };

/* Brokers in the order; the array is left as it was. */
json_t *ctl_sorted(const json_t *rows, const char *key, bool text);

/* A whole view; height: lines that there are, 0 for as many as it takes. */
void ctl_render(struct ctl *c, const json_t *view, FILE *out, enum ctl_sort sort, int height);

void ctl_render_brokers(struct ctl *c, const json_t *brokers, FILE *out, int max);

#endif
