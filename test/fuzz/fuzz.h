/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TEST_FUZZ_FUZZ_H
#define TEST_FUZZ_FUZZ_H

#include <string.h>

#include "support.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Two slice lengths out of one byte: 0 to 15 bytes each, at least one of them not empty; 0: one
 * slice. */
static inline void
fuzz_sizes(uint8_t pattern, uint16_t sizes[2])
{
	sizes[0] = pattern == 0 ? UINT16_MAX : pattern >> 4;
	sizes[1] = pattern == 0 ? UINT16_MAX : pattern & 0x0F;
}

/*
 * Put a fixed header with the right length before a body, so that mutations reach the fields.
 * Returns the packet, to be freed.
 */
static inline uint8_t *
fuzz_packet(uint8_t first, const uint8_t *body, uint32_t len, uint32_t *total)
{
	uint8_t *p = malloc(len + 5);
	uint32_t n = 0, rest = len;

	CHECK(p != NULL);
	p[n++] = first;
	do {
		p[n++] = (uint8_t)((rest & 0x7F) | (rest > 0x7F ? 0x80 : 0));
		rest >>= 7;
	} while (rest > 0);
	if (len > 0)
		memcpy(p + n, body, len);
	*total = n + len;
	return p;
}

#endif
