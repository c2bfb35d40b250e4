/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PUBWIRE_BASE_POOL_H
#define PUBWIRE_BASE_POOL_H

/**
 * @file
 * Typed pools in hugepage memory, all of it taken at start.
 *
 * `pw_pool` holds fixed-size objects of one lcore (connections, sessions, slice blocks): get and
 * put are a few instructions and take no lock. Handles carry a generation, so that a late message
 * about an object that was put back finds nobody.
 *
 * `pw_mem` is the set of packet buffer pools of one NUMA node, shared by the lcores of that node
 * through DPDK's per-lcore caches.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <rte_mempool.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Object index in the low 32 bits, generation in the high 32; 0 is never a valid handle. */
typedef uint64_t pw_handle;

/** Objects of one size, owned by one lcore. */
struct pw_pool;

/**
 * Reserve a pool. Main lcore, at start.
 *
 * @param name    unique among all pools of the process, at most 31 bytes
 * @param count   objects
 * @param size    bytes an object; rounded up to 8, and to a cache line from 64 up
 * @param socket  NUMA node, or SOCKET_ID_ANY
 * @return        the pool, given back by pw_pool_destroy(); NULL with rte_errno
 */
struct pw_pool *pw_pool_create(const char *name, uint32_t count, uint32_t size, int socket);

/** Give the memory back. Every object must have been put; checked by assertion in debug builds. */
void pw_pool_destroy(struct pw_pool *p);

/** Take an object, its bytes zeroed; NULL when the pool is empty (counted). Owner lcore only. */
void *pw_pool_get(struct pw_pool *p);

/** The same, but its bytes are not set: what they are is left to the caller. */
void *pw_pool_get_raw(struct pw_pool *p);

/** Put an object back; its handle becomes stale. Owner lcore only. */
void pw_pool_put(struct pw_pool *p, void *obj);

/** Handle of an object that is out of the pool. Owner lcore only. */
pw_handle pw_pool_handle(const struct pw_pool *p, const void *obj);

/** Object of a handle, or NULL where it was put back since. Owner lcore only. */
void *pw_pool_find(const struct pw_pool *p, pw_handle h);

/** Index of an object, 0 .. count-1. */
uint32_t pw_pool_index(const struct pw_pool *p, const void *obj);

/** Object at an index that is out of the pool. */
void *pw_pool_at(const struct pw_pool *p, uint32_t index);

/**
 * Object at an index, or NULL where it is in the pool: to walk over what is out. From other threads
 * than the owner the answer may be outdated when it arrives; the memory stays.
 */
void *pw_pool_peek(const struct pw_pool *p, uint32_t index);

/** What a pool says of itself; readable from any thread. */
struct pw_pool_stats {
	const char *name;
	uint32_t count;	    /**< objects in all */
	uint32_t in_use;    /**< objects out of the pool now */
	uint32_t high;	    /**< most that were ever out */
	uint64_t exhausted; /**< times that get found the pool empty */
	uint32_t size;	    /**< bytes an object takes */
};

/** Fill stats; any thread. */
void pw_pool_stats(const struct pw_pool *p, struct pw_pool_stats *out);

/** Bytes that a pool of these sizes takes. */
size_t pw_pool_bytes(uint32_t count, uint32_t size);

/** Packet buffer pools of one NUMA node. */
struct pw_mem {
	struct rte_mempool *pkt; /**< RX and gather buffers: headroom + 2048 bytes */
	struct rte_mempool *hdr; /**< protocol headers of sent segments: headroom + 128 bytes */
	struct rte_mempool *ind; /**< indirect buffers: no data room */
	int socket;
};

/** Sizes of struct pw_mem, in elements. */
struct pw_mem_conf {
	const char *name; /**< prefix of the pool names, at most 20 bytes */
	uint32_t pkt;
	uint32_t hdr;
	uint32_t ind;
	uint32_t cache; /**< elements in each lcore's cache; 0 for tests that count exactly */
	int socket;
};

/** Reserve packet pools. Main lcore, at start. 0 or -errno; given back by pw_mem_destroy(). */
int pw_mem_create(struct pw_mem *mem, const struct pw_mem_conf *conf)
	__attribute__((warn_unused_result));

/** Free the packet pools. Every buffer must be back. */
void pw_mem_destroy(struct pw_mem *mem);

/** True where every buffer of the three pools is back; what every test checks at its end. */
bool pw_mem_full(const struct pw_mem *mem);

/** Share of pkt buffers in use, 0 .. 100. Walks the lcore caches: call it once in many loops. */
uint32_t pw_mem_used_percent(const struct pw_mem *mem);

#ifdef __cplusplus
}
#endif

#endif
