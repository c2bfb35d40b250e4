/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PUBWIRE_MANAGE_TEXT_PVT_H
#define PUBWIRE_MANAGE_TEXT_PVT_H

/*
 * Text written into room that was reserved before. What finds no room is left out and `cut` says
 * so: the writer is asked once, at the end.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct text {
	char *buf;
	size_t at, room;
	bool cut;
};

/* Begin anew. */
void text_reset(struct text *t);

void text_put(struct text *t, const char *s);
void text_u64(struct text *t, uint64_t v);

/* Nanoseconds as seconds: "0.000025000". */
void text_seconds(struct text *t, uint64_t ns);

/* A JSON string with its quotes (RFC 8259 7). What is not ASCII becomes '?', as in telemetry. */
void text_json(struct text *t, const char *s);

/* A label's value with its quotes; the same letters need a backslash in OpenMetrics. */
#define text_label text_json

#endif
