/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TEST_SUPPORT_FRAGMENT_H
#define TEST_SUPPORT_FRAGMENT_H

/**
 * @file
 * A frame cut into IP fragments, as a router with a smaller MTU would.
 */

#include <stdint.h>

#include <rte_mbuf.h>

/**
 * Cut a frame (borrowed; no VLAN tag, no IP options or extension headers) into fragments of size
 * bytes of payload, a multiple of eight.
 *
 * @return  fragments in out; 0 where the frame is no IP or fits into one
 */
uint32_t test_fragment(struct rte_mbuf *frame, struct rte_mempool *pool, uint32_t size, uint32_t id,
		       struct rte_mbuf **out, uint32_t max);

#endif
