/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PKTGEN_FRAMES_H
#define PKTGEN_FRAMES_H

/* Whole MQTT packets in what a connection has received, each as one run of bytes. */

#include <stdint.h>

#include <rte_mbuf.h>

#define FRAMES_MAX (PAYLOAD_MAX + 1024)

/*
 * A packet: p, its bytes len of which head are the fixed header. Negative: stop, the connection is
 * to be ended.
 */
typedef int frames_fn(void *ctx, const uint8_t *p, uint32_t len, uint32_t head);

/*
 * Call fn for each whole packet of a chain.
 *
 * @return  bytes of them; negative where fn said so, or where the bytes are no MQTT
 */
int frames_walk(struct rte_mbuf *chain, frames_fn *fn, void *ctx);

#endif
