/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * SipHash by Aumasson and Bernstein ("SipHash: a fast short-input PRF", 2012): c rounds for each
 * 8 bytes of input, d rounds at the end.
 */
#include <string.h>

#include <rte_branch_prediction.h>
#include <rte_byteorder.h>

#include "siphash_pvt.h"

struct sip {
	uint64_t v0, v1, v2, v3;
};

static inline uint64_t
rotl(uint64_t x, unsigned int b)
{
	return (x << b) | (x >> (64 - b));
}

static inline void
rounds(struct sip *s, unsigned int n)
{
	while (n-- > 0) {
		s->v0 += s->v1;
		s->v2 += s->v3;
		s->v1 = rotl(s->v1, 13) ^ s->v0;
		s->v3 = rotl(s->v3, 16) ^ s->v2;
		s->v0 = rotl(s->v0, 32);
		s->v2 += s->v1;
		s->v0 += s->v3;
		s->v1 = rotl(s->v1, 17) ^ s->v2;
		s->v3 = rotl(s->v3, 21) ^ s->v0;
		s->v2 = rotl(s->v2, 32);
	}
}

static inline void
absorb(struct sip *s, uint64_t word, unsigned int c)
{
	s->v3 ^= word;
	rounds(s, c);
	s->v0 ^= word;
}

static inline uint64_t
siphash(const struct pw_siphash_key *key, const void *data, size_t len, unsigned int c,
	unsigned int d)
{
	struct sip s = {
		.v0 = key->k[0] ^ 0x736f6d6570736575ull,
		.v1 = key->k[1] ^ 0x646f72616e646f6dull,
		.v2 = key->k[0] ^ 0x6c7967656e657261ull,
		.v3 = key->k[1] ^ 0x7465646279746573ull,
	};
	const uint8_t *p = data;
	uint64_t word;
	size_t left;

	for (left = len; left >= 8; left -= 8, p += 8) {
		memcpy(&word, p, 8);
		absorb(&s, rte_le_to_cpu_64(word), c);
	}
	/* The last word carries the length in its top byte. */
	word = 0;
	memcpy(&word, p, left);
	absorb(&s, rte_le_to_cpu_64(word) | (uint64_t)len << 56, c);
	s.v2 ^= 0xff;
	rounds(&s, d);
	return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

uint64_t
pw_siphash24(const struct pw_siphash_key *key, const void *data, size_t len)
{
	return siphash(key, data, len, 2, 4);
}

uint64_t
pw_siphash13(const struct pw_siphash_key *key, const void *data, size_t len)
{
	/* Flows of IPv4: of a known length it has no loop. */
	if (likely(len == 12))
		return siphash(key, data, 12, 1, 3);
	return siphash(key, data, len, 1, 3);
}

void
pw_siphash_key(struct pw_siphash_key *key, uint64_t seed, uint64_t purpose)
{
	struct pw_siphash_key from = {{seed, ~seed}};

	for (uint64_t i = 0; i < 2; i++) {
		uint64_t in[2] = {purpose, i};

		key->k[i] = pw_siphash24(&from, in, sizeof(in));
	}
}
