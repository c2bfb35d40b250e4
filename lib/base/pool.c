/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Objects, and beside them a word each: its generation, and the mark TAKEN while it is out, so that
 * a second put and a handle of a free object show. The generation grows at put; it starts at 1, so
 * that no handle is 0. What was put back forms a list through the last bytes of the objects, which
 * nobody who looks at a pool from another thread follows anywhere; what was never out is beyond
 * `fresh`, and its memory untouched.
 */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include <rte_common.h>
#include <rte_errno.h>
#include <rte_memzone.h>

#include <pubwire/base/pool.h>

#define NIL   UINT32_MAX
#define TAKEN (UINT32_C(1) << 31)

struct pw_pool {
	/* line 0: get and put */
	uint8_t *objects;
	uint32_t *rows;
	uint32_t free;	/* index of the object that was put back last, NIL: none */
	uint32_t fresh; /* those from here on were never out */
	uint32_t size;
	uint32_t count;
	uint32_t in_use; /* atomic stores of the owner, loads of anybody */
	uint32_t high;
	uint32_t shift;	  /* size is an odd number times 2^shift */
	uint64_t inverse; /* of that odd number, modulo 2^64: dividing by it is a multiplication */
	uint64_t exhausted;
	/* cold */
	const struct rte_memzone *zone;
	char name[RTE_MEMZONE_NAMESIZE];
} __rte_cache_aligned;

static uint32_t
round_size(uint32_t size)
{
	return size < RTE_CACHE_LINE_SIZE ? RTE_ALIGN_CEIL(size, 8u)
					  : RTE_ALIGN_CEIL(size, (uint32_t)RTE_CACHE_LINE_SIZE);
}

/* The multiplicative inverse of an odd number: each step doubles the bits that are right, from 3.
 */
static uint64_t
inverse(uint64_t odd)
{
	uint64_t x = odd;

	for (uint32_t bits = 3; bits < 64; bits *= 2)
		x *= 2 - odd * x;
	return x;
}

static size_t
rows_bytes(uint32_t count)
{
	return RTE_ALIGN_CEIL((size_t)count * sizeof(uint32_t), (size_t)RTE_CACHE_LINE_SIZE);
}

size_t
pw_pool_bytes(uint32_t count, uint32_t size)
{
	return sizeof(struct pw_pool) + rows_bytes(count) + (size_t)count * round_size(size);
}

struct pw_pool *
pw_pool_create(const char *name, uint32_t count, uint32_t size, int socket)
{
	const struct rte_memzone *zone;
	struct pw_pool *p;

	if (count == 0 || count == NIL || size == 0 || size > UINT32_MAX - RTE_CACHE_LINE_SIZE ||
	    strlen(name) >= RTE_MEMZONE_NAMESIZE) {
		rte_errno = EINVAL;
		return NULL;
	}
	zone = rte_memzone_reserve_aligned(name, pw_pool_bytes(count, size), socket, 0,
					   RTE_CACHE_LINE_SIZE);
	if (zone == NULL)
		return NULL;
	p = zone->addr;
	memset(p, 0, sizeof(*p));
	p->zone = zone;
	p->size = round_size(size);
	p->count = count;
	p->shift = (uint32_t)__builtin_ctz(p->size);
	p->inverse = inverse(p->size >> p->shift);
	p->rows = (uint32_t *)(p + 1);
	p->free = NIL;
	p->objects = (uint8_t *)p->rows + rows_bytes(count);
	memcpy(p->name, name, strlen(name) + 1);
	for (uint32_t i = 0; i < count; i++)
		p->rows[i] = 1;
	return p;
}

void
pw_pool_destroy(struct pw_pool *p)
{
	if (p == NULL)
		return;
	assert(p->in_use == 0);
	(void)rte_memzone_free(p->zone);
}

uint32_t
pw_pool_index(const struct pw_pool *p, const void *obj)
{
	uint64_t off = (uint64_t)((const uint8_t *)obj - p->objects);
	uint64_t i = (off >> p->shift) * p->inverse; /* exact, as objects begin at multiples */

	assert((const uint8_t *)obj >= p->objects && i < p->count && i * p->size == off);
	return (uint32_t)i;
}

/* Where a free object names the one that was put back before it. */
static inline uint32_t *
link_of(const struct pw_pool *p, void *obj)
{
	return (uint32_t *)((uint8_t *)obj + p->size) - 1;
}

void *
pw_pool_get_raw(struct pw_pool *p)
{
	uint32_t i = p->free;
	void *obj;

	if (unlikely(i == NIL)) {
		if (p->fresh == p->count) {
			__atomic_store_n(&p->exhausted, p->exhausted + 1, __ATOMIC_RELAXED);
			return NULL;
		}
		i = p->fresh++;
		obj = p->objects + (size_t)i * p->size;
	} else {
		obj = p->objects + (size_t)i * p->size;
		p->free = *link_of(p, obj);
	}
	__atomic_store_n(&p->rows[i], p->rows[i] | TAKEN, __ATOMIC_RELAXED);
	__atomic_store_n(&p->in_use, p->in_use + 1, __ATOMIC_RELAXED);
	if (p->in_use > p->high)
		__atomic_store_n(&p->high, p->in_use, __ATOMIC_RELAXED);
	return obj;
}

void *
pw_pool_get(struct pw_pool *p)
{
	void *obj = pw_pool_get_raw(p);

	if (obj != NULL)
		memset(obj, 0, p->size);
	return obj;
}

void
pw_pool_put(struct pw_pool *p, void *obj)
{
	uint32_t i = pw_pool_index(p, obj), next;

	assert(p->rows[i] & TAKEN);
	next = (p->rows[i] + 1) & ~TAKEN;
	__atomic_store_n(&p->rows[i], next != 0 ? next : 1, __ATOMIC_RELAXED);
	*link_of(p, obj) = p->free;
	p->free = i;
	__atomic_store_n(&p->in_use, p->in_use - 1, __ATOMIC_RELAXED);
}

pw_handle
pw_pool_handle(const struct pw_pool *p, const void *obj)
{
	uint32_t i = pw_pool_index(p, obj);

	assert(p->rows[i] & TAKEN);
	return (uint64_t)(p->rows[i] & ~TAKEN) << 32 | i;
}

void *
pw_pool_find(const struct pw_pool *p, pw_handle h)
{
	uint32_t i = (uint32_t)h;

	if (i >= p->count || p->rows[i] != ((uint32_t)(h >> 32) | TAKEN))
		return NULL;
	return p->objects + (size_t)i * p->size;
}

void *
pw_pool_at(const struct pw_pool *p, uint32_t index)
{
	assert(index < p->count && (p->rows[index] & TAKEN));
	return p->objects + (size_t)index * p->size;
}

void *
pw_pool_peek(const struct pw_pool *p, uint32_t index)
{
	if (index >= p->count || !(__atomic_load_n(&p->rows[index], __ATOMIC_RELAXED) & TAKEN))
		return NULL;
	return p->objects + (size_t)index * p->size;
}

void
pw_pool_stats(const struct pw_pool *p, struct pw_pool_stats *out)
{
	*out = (struct pw_pool_stats){
		.name = p->name,
		.count = p->count,
		.in_use = __atomic_load_n(&p->in_use, __ATOMIC_RELAXED),
		.high = __atomic_load_n(&p->high, __ATOMIC_RELAXED),
		.exhausted = __atomic_load_n(&p->exhausted, __ATOMIC_RELAXED),
		.size = p->size,
	};
}
