/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The sum is CRC-32C, of the stamp and of the filler apart: the filler's is known beforehand, so a
 * sender pays for the stamp alone, while a receiver reads every byte. Long fillers are summed in
 * three lanes: one CRC instruction waits for the one before it, three chains don't.
 */
#include <string.h>

#include <rte_hash_crc.h>

#include "payload.h"

static uint8_t filler[PAYLOAD_MAX] __attribute__((aligned(64)));

void
payload_init(void)
{
	uint64_t x = 88172645463325252u; /* Marsaglia, Xorshift RNGs, 2003 */

	for (uint32_t i = 0; i < sizeof(filler); i += 8) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		memcpy(filler + i, &x, 8);
	}
}

static uint64_t
word(const uint8_t *p)
{
	uint64_t w;

	memcpy(&w, p, sizeof(w));
	return w;
}

static uint32_t
sum(const uint8_t *p, uint32_t len)
{
	uint32_t a = 1, b = 2, c = 3;
	uint64_t tail[3];

	for (; len >= 24; p += 24, len -= 24) {
		a = rte_hash_crc_8byte(word(p), a);
		b = rte_hash_crc_8byte(word(p + 8), b);
		c = rte_hash_crc_8byte(word(p + 16), c);
	}
	/* DPDK's reads words, which have to stand straight. */
	memcpy(tail, p, len);
	a = rte_hash_crc(tail, len, a);
	/* One behind the other: a plain sum of the three would not see words change lanes. */
	a = rte_hash_crc_4byte(a, 0);
	a = rte_hash_crc_4byte(b, a);
	return rte_hash_crc_4byte(c, a);
}

static uint32_t
stamp_check(const struct payload_stamp *s)
{
	uint32_t crc = rte_hash_crc_4byte(s->sender, 0);

	crc = rte_hash_crc_8byte(s->sent, crc);
	return rte_hash_crc_8byte((uint64_t)s->seq << 32 | s->size, crc);
}

uint32_t
payload_filler_check(uint32_t size)
{
	return sum(filler, size - PAYLOAD_MIN);
}

void
payload_write(uint8_t *dst, uint32_t size, uint32_t filler_check, uint32_t sender, uint32_t seq,
	      uint64_t sent)
{
	struct payload_stamp s = {.sender = sender, .sent = sent, .seq = seq, .size = size};

	s.check = stamp_check(&s) ^ filler_check;
	memcpy(dst, &s, sizeof(s));
	memcpy(dst + sizeof(s), filler, size - PAYLOAD_MIN);
}

bool
payload_read(const uint8_t *p, uint32_t size, struct payload_stamp *out)
{
	if (size < PAYLOAD_MIN)
		return false;
	memcpy(out, p, sizeof(*out));
	return out->size == size &&
	       out->check == (stamp_check(out) ^ sum(p + PAYLOAD_MIN, size - PAYLOAD_MIN));
}
