/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PUBWIRE_MANAGE_METRICS_PVT_H
#define PUBWIRE_MANAGE_METRICS_PVT_H

/*
 * /metrics (OpenMetrics 1.0) and /status.json. Main lcore only. Both are written whole into one
 * text whose room is reserved at start, for as much as a configuration can ever make of them: the
 * number of rows follows from workers, brokers, routes and ports, and from nothing that a peer
 * does.
 *
 * The name of a counter's metric is its room and its name in telemetry: "forward", "accepted" is
 * pubwire_forward_accepted_total.
 */

#include <stdbool.h>
#include <stdint.h>

#include <pubwire/base/histogram.h>
#include <pubwire/manage/telemetry.h>

#include "text_pvt.h"

/* What the number of rows follows from. */
struct metrics_shape {
	uint32_t workers, broker_workers, brokers, routes, ports;
};

/* Bytes of the longer one of the two texts, at most. */
size_t metrics_text_bytes(const struct metrics_shape *s);

/* The connections of one worker to one broker, all together. */
struct metrics_broker {
	uint64_t connections, up, lag, inflight, held, held_bytes, held_buffers, over_hold;
	uint64_t detached_now, window;
	uint64_t worst; /* rank of state */
	struct pw_upstream_counters n;
	const char *state;   /* of the one that is furthest from being up */
	char last_error[96]; /* of one that is not up, where there is one */
};

/* Bytes of the rows of connections. */
size_t metrics_broker_bytes(const struct metrics_shape *s);

/* What both texts are made of. */
struct metrics {
	const struct pw_telemetry_sources *src;
	const char *version;
	uint64_t started; /* seconds of the calendar */
	struct metrics_shape shape;
	struct metrics_broker *broker;			/* [broker_workers][brokers] */
	uint32_t broker_worker[PW_FORWARD_MAX_WORKERS]; /* their numbers */
	const struct pw_counter_desc *http_desc;
	const uint64_t *http_counters;
	struct text text;
};

/* Find out which workers have connections. */
void metrics_init(struct metrics *m);

/* Read every connection to a broker once. */
void metrics_read_brokers(struct metrics *m);

/* Both lanes' histograms of all workers: QoS 0; QoS 1 and 2. */
void metrics_read_latency(const struct metrics *m, struct pw_hist sum[2]);

/* A counter of a room, all workers together; one of a broker, all connections together. */
uint64_t metrics_room_sum(const struct metrics *m, uint32_t room, uint32_t counter);
uint64_t metrics_broker_sum(const struct metrics *m, uint32_t broker, uint32_t counter);

/* The reason where a counter counts what was dropped, NULL where it does not. */
const char *metrics_drop_reason(const struct pw_counter_desc *d);

/* Write m->text; false where it was cut, which is a defect of metrics_text_bytes(). */
bool metrics_write(struct metrics *m);
bool status_write(struct metrics *m);

/* The rows of metrics.c that are about messages: metrics_flow.c. */
void metrics_flow(struct metrics *m);

/* Writing a family: its head, then its samples. */
void metrics_head(struct text *t, const char *prefix, const char *name, const char *type,
		  const char *help);

/* One sample: pubwire_PREFIX_NAME SUFFIX {LABEL="VALUE"[,lcore="LCORE"]} V. label NULL: none;
 * lcore < 0: none. */
struct metrics_labels {
	const char *label, *value;
	int64_t lcore;
};
void metrics_sample(struct text *t, const char *prefix, const char *name, const char *suffix,
		    const struct metrics_labels *l, uint64_t v);

#endif
