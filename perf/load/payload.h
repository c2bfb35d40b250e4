/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef LOAD_PAYLOAD_H
#define LOAD_PAYLOAD_H

/*
 * What stands in a message: who sent it, its number, when it was due, and bytes that are known to
 * both ends. A sum over all of it tells whether it came as it left.
 */

#include <stdbool.h>
#include <stdint.h>

#define PAYLOAD_MAX 65536

struct payload_stamp {
	uint32_t check;
	uint32_t sender;
	uint64_t sent; /* ns */
	uint32_t seq;
	uint32_t size; /* of the payload, this included */
};

#define PAYLOAD_MIN ((uint32_t)sizeof(struct payload_stamp))

/* Once. */
void payload_init(void);

/* Sum of the bytes behind the stamp in a payload of this size; the same for all of them. */
uint32_t payload_filler_check(uint32_t size);

/* Write a payload; filler_check is that of its size. */
void payload_write(uint8_t *dst, uint32_t size, uint32_t filler_check, uint32_t sender,
		   uint32_t seq, uint64_t sent);

/* Read one; false where a byte differs from what was written. */
bool payload_read(const uint8_t *p, uint32_t size, struct payload_stamp *out);

#endif
