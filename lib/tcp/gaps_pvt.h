/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PUBWIRE_TCP_GAPS_PVT_H
#define PUBWIRE_TCP_GAPS_PVT_H

/**
 * @file
 * Who gives up what he holds beyond a gap (RFC 2018 8).
 */

#include <stdint.h>

struct pw_tcp;
struct pw_tcp_conn;

/** A connection that began to hold bytes beyond a gap; see gaps.c. */
struct gap_entry {
	uint32_t conn; /**< index */
	uint32_t id;   /**< its gap_id then */
};

/** Those that hold some, in the order in which they began, among entries out of date. */
struct gap_ring {
	struct gap_entry *entry;
	uint32_t size;
	uint32_t first;
	uint32_t n;
	uint32_t id; /**< of the last that began; connections keep eight bits of it */
};

int pw_tcp_gaps_init(struct gap_ring *g, uint32_t max_ooo_total, int socket);
void pw_tcp_gaps_fini(struct gap_ring *g);
/** When a connection gives it up, as its gap has not moved; 0 where it holds nothing. */
uint32_t pw_tcp_gap_deadline(const struct pw_tcp *t, const struct pw_tcp_conn *c);
void pw_tcp_gap_expired(struct pw_tcp *t, struct pw_tcp_conn *c);
/** Pressure 2: some of what is held goes, of the oldest list first. */
void pw_tcp_gaps_pressed(struct pw_tcp *t);

#endif
