/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TEST_SUPPORT_HOOKS_H
#define TEST_SUPPORT_HOOKS_H

/**
 * @file
 * What stacks and forwarders without lib/wire and lib/worker are given as hooks. None of them looks
 * at its context.
 */

#include <pubwire/tcp/tcp.h>

/** Output: the segment is lost. */
int hook_lost(void *ctx, const struct pw_flow *flow, struct rte_mbuf *m, uint64_t at);

/** Path: Ethernet, a port that takes 40 buffers a frame. */
int hook_path(void *ctx, const struct pw_addr *dst, struct pw_tcp_path *to);

/** Source: the address itself. */
int hook_source(void *ctx, const struct pw_addr *dst, struct pw_addr *src);

/**
 * A copy of a segment as it arrives: one buffer, an IPv4 header's addresses in front.
 *
 * @return  NULL: no buffer
 */
struct rte_mbuf *hook_arrives(struct rte_mempool *pool, const struct pw_flow *flow,
			      const struct rte_mbuf *m);

#endif
