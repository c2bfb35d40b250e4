/* SPDX-License-Identifier: BSD-3-Clause */
#include <assert.h>

#include <rte_errno.h>

#include <pubwire/base/ring.h>

int
pw_ring_create(struct pw_ring *ring, const char *name, uint32_t elem, uint32_t count, int socket)
{
	ring->r = rte_ring_create_elem(name, elem, count, socket,
				       RING_F_SP_ENQ | RING_F_SC_DEQ | RING_F_EXACT_SZ);
	if (ring->r == NULL)
		return -rte_errno;
	ring->elem = elem;
	return 0;
}

void
pw_ring_destroy(struct pw_ring *ring)
{
	assert(ring->r == NULL || rte_ring_empty(ring->r));
	rte_ring_free(ring->r);
	ring->r = NULL;
}
