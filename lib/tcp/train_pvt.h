/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PUBWIRE_TCP_TRAIN_PVT_H
#define PUBWIRE_TCP_TRAIN_PVT_H

/*
 * train.c: full segments of new data that follow each other leave as one frame, which the port's
 * device cuts. Between begin and end pw_tcp_xmit() may keep a segment back; end lets it go.
 */

#include "conn_pvt.h"

struct pw_tcp;

/** A packet that full segments are added to. */
struct train {
	struct pw_tcp_conn *conn; /**< whose output this is; NULL: none that may */
	struct rte_mbuf *m;	  /**< NULL: nothing waits */
	struct rte_mbuf *tail;	  /**< its last buffer */
	uint32_t next;		  /**< sequence number behind it */
	uint32_t segs;
	uint32_t bytes; /**< of payload */
};

/** The output of a connection begins; no train waits. */
void pw_tcp_train_begin(struct pw_tcp *t, struct pw_tcp_conn *c);
/** It ends: what waits leaves, and is nobody's here any more. */
void pw_tcp_train_end(struct pw_tcp *t);
/** The packet that waits, if one does, takes a segment on and true is returned; else it leaves. */
bool pw_tcp_train_takes(struct pw_tcp *t, struct tx_place *at, uint32_t seq, uint32_t len,
			uint8_t flags);
/**
 * Where others may join a segment, built in m, it is kept: true, and m is the train's. Else m stays
 * the caller's to send.
 */
bool pw_tcp_train_keeps(struct pw_tcp *t, const struct pw_tcp_conn *c, struct rte_mbuf *m,
			uint32_t seq, uint32_t len, uint8_t flags);

#endif
