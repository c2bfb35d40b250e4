/* SPDX-License-Identifier: BSD-3-Clause */
#include <string.h>

#include "hash_pvt.h"

static inline uint64_t
rotl(uint64_t v, unsigned int n)
{
	return v << n | v >> (64 - n);
}

static inline void
rounds(uint64_t v[4], unsigned int n)
{
	while (n-- > 0) {
		v[0] += v[1];
		v[2] += v[3];
		v[1] = rotl(v[1], 13) ^ v[0];
		v[3] = rotl(v[3], 16) ^ v[2];
		v[0] = rotl(v[0], 32);
		v[2] += v[1];
		v[0] += v[3];
		v[1] = rotl(v[1], 17) ^ v[2];
		v[3] = rotl(v[3], 21) ^ v[0];
		v[2] = rotl(v[2], 32);
	}
}

static inline uint64_t
little(const uint8_t *p, uint32_t n)
{
	uint64_t w = 0;

	for (uint32_t i = 0; i < n; i++)
		w |= (uint64_t)p[i] << (8 * i);
	return w;
}

struct pw_hash128
pw_hash128(uint64_t key, const void *data, uint32_t len)
{
	const uint8_t *p = data;
	uint64_t k1 = pw_random(&key), k0 = pw_random(&key), last;
	uint64_t v[4] = {
		k0 ^ UINT64_C(0x736f6d6570736575),
		k1 ^ UINT64_C(0x646f72616e646f6d) ^ 0xee,
		k0 ^ UINT64_C(0x6c7967656e657261),
		k1 ^ UINT64_C(0x7465646279746573),
	};
	struct pw_hash128 h;
	uint32_t left = len;

	for (; left >= 8; left -= 8, p += 8) {
		uint64_t w = little(p, 8);

		v[3] ^= w;
		rounds(v, 2);
		v[0] ^= w;
	}
	last = little(p, left) | (uint64_t)len << 56;
	v[3] ^= last;
	rounds(v, 2);
	v[0] ^= last;
	v[2] ^= 0xee;
	rounds(v, 4);
	h.w[0] = v[0] ^ v[1] ^ v[2] ^ v[3];
	v[1] ^= 0xdd;
	rounds(v, 4);
	h.w[1] = v[0] ^ v[1] ^ v[2] ^ v[3];
	return h;
}
