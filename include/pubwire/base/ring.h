/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PUBWIRE_BASE_RING_H
#define PUBWIRE_BASE_RING_H

/**
 * @file
 * Hand-over between two lcores: a bounded ring of fixed-size elements, one producer, one consumer,
 * in hugepage memory (rte_ring beneath). A full ring is the sender's to handle; nothing is dropped
 * here.
 */

#include <stdint.h>

#include <rte_ring.h>

#ifdef __cplusplus
extern "C" {
#endif

/** One direction between two lcores. */
struct pw_ring {
	struct rte_ring *r;
	uint32_t elem; /**< bytes an element, a multiple of 4 */
};

/** Reserve a ring of at least count elements. Main lcore, at start. 0 or -errno. */
int pw_ring_create(struct pw_ring *ring, const char *name, uint32_t elem, uint32_t count,
		   int socket) __attribute__((warn_unused_result));

/** Free an empty ring. */
void pw_ring_destroy(struct pw_ring *ring);

/** Append up to n elements; returns how many went in. Producer lcore only. */
uint32_t pw_ring_put(struct pw_ring *ring, const void *elems, uint32_t n);

/** Take up to n elements; returns how many came out. Consumer lcore only. */
uint32_t pw_ring_get(struct pw_ring *ring, void *elems, uint32_t n);

/** Elements waiting; any thread, a snapshot. */
static inline uint32_t
pw_ring_count(const struct pw_ring *ring)
{
	return rte_ring_count(ring->r);
}

#ifdef __cplusplus
}
#endif

#endif
