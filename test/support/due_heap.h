/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TEST_SUPPORT_DUE_HEAP_H
#define TEST_SUPPORT_DUE_HEAP_H

#include <stdbool.h>
#include <stdint.h>

/**
 * @file
 * What is on its way in a simulated world: a binary heap in an array, the earliest first, and of
 * those of one time the one that was put first.
 */

/** Define due_put() and due_take() for a type with members `at` and `serial`. */
#define DUE_HEAP(type)                                                                             \
	static bool due_before(const type *a, const type *b)                                       \
	{                                                                                          \
		return a->at != b->at ? a->at < b->at : a->serial < b->serial;                     \
	}                                                                                          \
                                                                                                   \
	static void due_put(type *h, uint32_t *n, const type *item)                                \
	{                                                                                          \
		uint32_t i = (*n)++;                                                               \
                                                                                                   \
		while (i > 0 && due_before(item, &h[(i - 1) / 2])) {                               \
			h[i] = h[(i - 1) / 2];                                                     \
			i = (i - 1) / 2;                                                           \
		}                                                                                  \
		h[i] = *item;                                                                      \
	}                                                                                          \
                                                                                                   \
	static type due_take(type *h, uint32_t *n)                                                 \
	{                                                                                          \
		type first = h[0], last = h[--*n];                                                 \
		uint32_t i = 0, child;                                                             \
                                                                                                   \
		while ((child = 2 * i + 1) < *n) {                                                 \
			if (child + 1 < *n && due_before(&h[child + 1], &h[child]))                \
				child++;                                                           \
			if (!due_before(&h[child], &last))                                         \
				break;                                                             \
			h[i] = h[child];                                                           \
			i = child;                                                                 \
		}                                                                                  \
		h[i] = last;                                                                       \
		return first;                                                                      \
	}

#endif
