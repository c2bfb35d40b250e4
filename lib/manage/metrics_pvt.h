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
#include <pubwire/manage/config.h>
#include <pubwire/manage/telemetry.h>

#include "text_pvt.h"

/* What the number of rows follows from. */
struct metrics_shape {
	uint32_t workers, broker_workers, brokers, routes, ports;
	uint32_t device_workers, sessions; /* of each of them; 0: talkers are not asked for */
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

/* What a place for a session was found to have sent, and when: ns, 0 for never. */
struct talker_seen {
	uint64_t messages, at;
};

struct talker {
	uint64_t rate; /* messages in 1000 seconds */
	struct pw_session_info info;
};

/* The devices that send most: those of the last sweep, and those of the one that is under way. */
struct talkers {
	uint32_t most; /* 0: they are not looked for */
	uint32_t nb_shown, nb_next;
	struct talker shown[PW_HTTP_MAX_TOP], next[PW_HTTP_MAX_TOP];
	uint32_t worker, at; /* where the sweep is: a number of device_worker[], a place */
	uint64_t begin_at, step_at, watched_until; /* ns */
	struct talker_seen *seen;		   /* [device_workers][sessions] */
};

/* What both texts are made of. */
struct metrics {
	const struct pw_telemetry_sources *src;
	const char *version;
	uint64_t started; /* seconds of the calendar */
	struct metrics_shape shape;
	struct metrics_broker *broker;			/* [broker_workers][brokers] */
	uint32_t broker_worker[PW_FORWARD_MAX_WORKERS]; /* their numbers */
	uint32_t device_worker[PW_FORWARD_MAX_WORKERS];
	struct talkers talkers;
	const struct pw_counter_desc *http_desc;
	const uint64_t *http_counters;
	struct text text;
};

/* Find out which workers have connections and devices. */
void metrics_init(struct metrics *m);

/* talkers.c: bytes of what was seen; a step of the sweep; somebody looks. now: ns. */
size_t talkers_bytes(const struct metrics_shape *s);
void talkers_step(struct metrics *m, uint64_t now);
void talkers_watch(struct metrics *m, uint64_t now);

/* Read every connection to a broker once. */
void metrics_read_brokers(struct metrics *m);

/* Both lanes' histograms of all workers: QoS 0; QoS 1 and 2. */
void metrics_read_latency(const struct metrics *m, struct pw_hist sum[2]);

/* A counter of a room, all workers together; one of a broker, all connections together. */
uint64_t metrics_room_sum(const struct metrics *m, uint32_t room, uint32_t counter);
uint64_t metrics_broker_sum(const struct metrics *m, uint32_t broker, uint32_t counter);

/* The reason where a counter counts what was dropped, NULL where it does not. */
const char *metrics_drop_reason(const struct pw_counter_desc *d);

/* What an operator does about it; at most 127 bytes, "" where nobody has said. */
const char *metrics_drop_remedy(const char *room, const char *counter);

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
