/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Rings lie in plain hugepage memory, not in memzones: there are two for each pair of workers, and
 * memzones are few.
 */
#include <assert.h>
#include <errno.h>

#include <rte_common.h>
#include <rte_malloc.h>
#include <rte_ring_elem.h>

#include <pubwire/base/ring.h>

int
pw_ring_create(struct pw_ring *ring, const char *name, uint32_t elem, uint32_t count, int socket)
{
	ssize_t bytes;
	int rc;

	ring->r = NULL;
	if (count == 0 || count >= RTE_RING_SZ_MASK)
		return -EINVAL;
	bytes = rte_ring_get_memsize_elem(elem, rte_align32pow2(count + 1));
	if (bytes < 0)
		return (int)bytes;
	ring->r = rte_zmalloc_socket(name, (size_t)bytes, RTE_CACHE_LINE_SIZE, socket);
	if (ring->r == NULL)
		return -ENOMEM;
	rc = rte_ring_init(ring->r, name, count, RING_F_SP_ENQ | RING_F_SC_DEQ | RING_F_EXACT_SZ);
	if (rc < 0) {
		rte_free(ring->r);
		ring->r = NULL;
		return rc;
	}
	ring->elem = elem;
	return 0;
}

void
pw_ring_destroy(struct pw_ring *ring)
{
	assert(ring->r == NULL || rte_ring_empty(ring->r));
	rte_free(ring->r);
	ring->r = NULL;
}

/*
 * Not inline: a call serves a whole burst, and with the size of the element known gcc 12 warns of
 * the branches for sizes that it is not.
 */
uint32_t
pw_ring_put(struct pw_ring *ring, const void *elems, uint32_t n)
{
	return rte_ring_sp_enqueue_burst_elem(ring->r, elems, ring->elem, n, NULL);
}

uint32_t
pw_ring_get(struct pw_ring *ring, void *elems, uint32_t n)
{
	return rte_ring_sc_dequeue_burst_elem(ring->r, elems, ring->elem, n, NULL);
}
